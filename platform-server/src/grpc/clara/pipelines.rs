//! Pipelines: a definition comes and goes as one message a file.

use std::collections::BTreeMap;

use futures_util::stream;
use platform_api::code;
use platform_api::convert::{ConvertError, identifier, parse_optional_identifier};
use platform_api::header::{Refusal, success};
use platform_api::id::PipelineId;
use platform_api::proto::clara as wire;
use platform_api::proto::clara::pipelines_details_response::PipelineDagNode;
use platform_api::proto::clara::pipelines_list_response;
use platform_api::proto::clara::pipelines_server::Pipelines;
use platform_api::proto::clara::{Identifier, PipelineDefinitionFile};
use prost::Message;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use super::{add_metadata, agrees, id, malformed, metadata, remove_metadata};
use crate::access::AuditNote;
use crate::grpc::reply::{Replies, refuse, refused, replies, reply};
use crate::grpc::{Service, cut};
use crate::platform::{Answer, DefinitionFile, PipelineDetails};

/// Most that a definition may take in memory while it comes in.
const MAX_DEFINITION_BYTES: usize = 16 << 20;
/// What a message of a definition counts besides its texts.
const FILE_OVERHEAD_BYTES: usize = 1 << 10;

/// What the messages of Create and Update have in common.
struct Part {
    id: Option<Identifier>,
    definition: Option<PipelineDefinitionFile>,
    metadata: BTreeMap<String, String>,
}

/// A definition that came in whole.
#[derive(Debug)]
struct Whole {
    id: Option<Identifier>,
    files: Vec<DefinitionFile>,
    metadata: BTreeMap<String, String>,
}

impl From<wire::PipelinesCreateRequest> for Part {
    fn from(message: wire::PipelinesCreateRequest) -> Self {
        Self { id: message.pipeline_id, definition: message.definition, metadata: message.metadata }
    }
}

impl From<wire::PipelinesUpdateRequest> for Part {
    fn from(message: wire::PipelinesUpdateRequest) -> Self {
        Self { id: message.pipeline_id, definition: message.definition, metadata: BTreeMap::new() }
    }
}

#[tonic::async_trait]
impl Pipelines for Service {
    async fn create(
        &self,
        request: Request<Streaming<wire::PipelinesCreateRequest>>,
    ) -> Result<Response<wire::PipelinesCreateResponse>, Status> {
        let whole = collect(request.into_inner()).await?;
        reply(
            async {
                let whole = whole?;
                let id = parse_optional_identifier(whole.id.as_ref(), "pipeline id").map_err(refuse::<
                    ConvertError,
                >(
                    code::PIPELINE_ID_MALFORMED,
                ))?;
                let metadata = metadata(whole.metadata, code::PIPELINE_METADATA_INVALID)?;
                let id = self.platform.create_pipeline(id, whole.files, metadata).await?;
                AuditNote::about(id);
                Ok(wire::PipelinesCreateResponse { header: success(), pipeline_id: identifier(id) })
            }
            .await,
        )
    }

    async fn update(
        &self,
        request: Request<Streaming<wire::PipelinesUpdateRequest>>,
    ) -> Result<Response<wire::PipelinesUpdateResponse>, Status> {
        let whole = collect(request.into_inner()).await?;
        reply(
            async {
                let whole = whole?;
                self.platform.update_pipeline(pipeline_id(whole.id.as_ref())?, whole.files).await?;
                Ok(wire::PipelinesUpdateResponse { header: success() })
            }
            .await,
        )
    }

    type ListStream = Replies<wire::PipelinesListResponse>;

    async fn list(
        &self,
        _: Request<wire::PipelinesListRequest>,
    ) -> Result<Response<Self::ListStream>, Status> {
        let pipelines = match self.platform.pipelines().await {
            Ok(pipelines) => pipelines,
            Err(refusal) => return Ok(Response::new(refused(refusal))),
        };
        let messages = pipelines.into_iter().map(|pipeline| {
            let details = pipelines_list_response::PipelineDetails {
                pipeline_id: identifier(pipeline.id),
                name: pipeline.name,
                metadata: pipeline.metadata.to_map(),
            };
            Ok(wire::PipelinesListResponse { header: success(), details: Some(details) })
        });
        Ok(Response::new(replies(stream::iter(messages))))
    }

    type DetailsStream = Replies<wire::PipelinesDetailsResponse>;

    async fn details(
        &self,
        request: Request<wire::PipelinesDetailsRequest>,
    ) -> Result<Response<Self::DetailsStream>, Status> {
        let answer =
            async { self.platform.pipeline(pipeline_id(request.get_ref().pipeline_id.as_ref())?).await };
        Ok(Response::new(match answer.await {
            Ok(pipeline) => replies(stream::iter(details(pipeline).map(Ok))),
            Err(refusal) => refused(refusal),
        }))
    }

    async fn remove(
        &self,
        request: Request<wire::PipelinesRemoveRequest>,
    ) -> Result<Response<wire::PipelinesRemoveResponse>, Status> {
        reply(
            async {
                let id = pipeline_id(request.get_ref().pipeline_id.as_ref())?;
                self.platform.remove_pipeline(id).await?;
                Ok(wire::PipelinesRemoveResponse { header: success() })
            }
            .await,
        )
    }

    async fn add_metadata(
        &self,
        request: Request<wire::PipelinesAddMetadataRequest>,
    ) -> Result<Response<wire::PipelinesAddMetadataResponse>, Status> {
        add_metadata!(
            self.add_pipeline_metadata, request, pipeline_id, code::PIPELINE_METADATA_INVALID
            => PipelinesAddMetadataResponse
        )
    }

    async fn remove_metadata(
        &self,
        request: Request<wire::PipelinesRemoveMetadataRequest>,
    ) -> Result<Response<wire::PipelinesRemoveMetadataResponse>, Status> {
        remove_metadata!(self.remove_pipeline_metadata, request, pipeline_id => PipelinesRemoveMetadataResponse)
    }
}

fn pipeline_id(message: Option<&Identifier>) -> Answer<PipelineId> {
    id(message, "pipeline id", code::PIPELINE_ID_MALFORMED)
}

/// All messages of a definition. Identifier and metadata are those of the first one; later ones repeat them or are
/// silent. A stream without any message is answered, not waited for.
async fn collect<M: Into<Part>>(
    mut messages: impl Stream<Item = Result<M, Status>> + Unpin,
) -> Result<Answer<Whole>, Status> {
    let mut whole: Option<Whole> = None;
    let mut bytes = 0;
    while let Some(message) = messages.next().await {
        let part: Part = message?.into();
        bytes += part.definition.as_ref().map_or(0, Message::encoded_len) + FILE_OVERHEAD_BYTES;
        if bytes > MAX_DEFINITION_BYTES {
            return Ok(Err(refusal(&format!("the definition has more than {MAX_DEFINITION_BYTES} bytes"))));
        }
        let Some(PipelineDefinitionFile { path, content }) = part.definition else {
            return Ok(Err(refusal("a message holds no file of the definition")));
        };
        let file = DefinitionFile { path, content };
        match &mut whole {
            None => whole = Some(Whole { id: part.id, files: vec![file], metadata: part.metadata }),
            Some(whole) => {
                if !agrees(whole.id.as_ref(), part.id.as_ref()) {
                    return Ok(Err(refusal("messages of one definition name different pipelines")));
                }
                if !part.metadata.is_empty() && part.metadata != whole.metadata {
                    return Ok(Err(refusal("messages of one definition hold different metadata")));
                }
                whole.files.push(file);
            }
        }
    }
    Ok(whole.ok_or_else(|| refusal("the definition holds no file")))
}

fn refusal(message: &str) -> Refusal {
    malformed(code::DEFINITION_REQUEST_MALFORMED, message)
}

/// One message a file; one that is too long for a message goes on in the next, under the same path, as in Create.
fn details(pipeline: PipelineDetails) -> impl Iterator<Item = wire::PipelinesDetailsResponse> {
    let whole = wire::PipelinesDetailsResponse {
        header: success(),
        pipeline_id: identifier(pipeline.summary.id),
        name: pipeline.summary.name,
        definition: None,
        dag: dag(&pipeline.dag),
        metadata: pipeline.summary.metadata.to_map(),
    };
    let room = cut::room_beside(whole.encoded_len());
    pipeline.files.into_iter().flat_map(move |file| {
        let room = room.saturating_sub(file.path.len()).max(4);
        let texts = cut::texts(&file.content, room);
        let messages = texts.into_iter().enumerate().map(|(part, content)| {
            let definition =
                Some(PipelineDefinitionFile { path: file.path.clone(), content: content.to_owned() });
            if part == 0 {
                return wire::PipelinesDetailsResponse { definition, ..whole.clone() };
            }
            wire::PipelinesDetailsResponse {
                definition,
                header: success(),
                pipeline_id: whole.pipeline_id.clone(),
                name: whole.name.clone(),
                ..Default::default()
            }
        });
        messages.collect::<Vec<_>>()
    })
}

/// One node for each operator, and in each those that come next by name only: whole subtrees would grow without bound.
fn dag(operators: &[(String, Vec<usize>)]) -> Vec<PipelineDagNode> {
    let leaf = |at: &usize| {
        operators.get(*at).map(|(name, _)| PipelineDagNode { name: name.clone(), next: Vec::new() })
    };
    operators
        .iter()
        .map(|(name, next)| PipelineDagNode {
            name: name.clone(),
            next: next.iter().filter_map(leaf).collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use platform_api::metadata::Metadata;

    use super::*;
    use crate::grpc::MAX_SENT_BYTES;
    use crate::platform::PipelineSummary;

    fn part(id: &str, path: &str, content: &str) -> Result<wire::PipelinesCreateRequest, Status> {
        Ok(wire::PipelinesCreateRequest {
            pipeline_id: (!id.is_empty()).then(|| Identifier { value: id.to_owned() }),
            definition: Some(PipelineDefinitionFile { path: path.to_owned(), content: content.to_owned() }),
            metadata: BTreeMap::from([("k".to_owned(), "v".to_owned())]),
            ..Default::default()
        })
    }

    async fn collected(messages: Vec<Result<wire::PipelinesCreateRequest, Status>>) -> Answer<Whole> {
        collect(stream::iter(messages)).await.unwrap()
    }

    #[tokio::test]
    async fn files_come_in_order_with_whatever_path() {
        let whole = collected(vec![part("a", "../x.yaml", "1"), part("", "y", "2"), part("a", "y", "3")]);
        let whole = whole.await.unwrap();
        let file =
            |path: &str, content: &str| DefinitionFile { path: path.to_owned(), content: content.to_owned() };
        assert_eq!(whole.files, [file("../x.yaml", "1"), file("y", "2"), file("y", "3")]);
        assert_eq!(whole.metadata.len(), 1);
    }

    #[tokio::test]
    async fn a_stream_without_messages_is_refused_in_the_header() {
        let refusal = collected(vec![]).await.unwrap_err();
        assert_eq!(refusal.code, code::DEFINITION_REQUEST_MALFORMED);
    }

    #[tokio::test]
    async fn messages_that_disagree_are_refused() {
        assert!(collected(vec![part("a", "x", "1"), part("b", "y", "2")]).await.is_err());
        let mut other = part("a", "y", "2").unwrap();
        other.metadata.insert("l".to_owned(), "v".to_owned());
        assert!(collected(vec![part("a", "x", "1"), Ok(other)]).await.is_err());
        assert!(collected(vec![Ok(wire::PipelinesCreateRequest::default())]).await.is_err());
    }

    #[tokio::test]
    async fn a_definition_without_end_is_not_kept_in_memory() {
        let megabyte = "x".repeat(1 << 20);
        let endless = stream::repeat_with(|| part("", "x", &megabyte));
        let answer = collect::<wire::PipelinesCreateRequest>(Box::pin(endless)).await.unwrap();
        assert_eq!(answer.unwrap_err().code, code::DEFINITION_REQUEST_MALFORMED);
        let empty = stream::repeat_with(|| part("", "", ""));
        assert!(collect::<wire::PipelinesCreateRequest>(Box::pin(empty)).await.unwrap().is_err());
    }

    #[tokio::test]
    async fn a_client_that_goes_away_makes_no_pipeline() {
        let cut_off = stream::iter([part("", "x", "1"), Err(Status::aborted("gone"))]);
        assert_eq!(collect(cut_off).await.unwrap_err().code(), tonic::Code::Aborted);
    }

    #[test]
    fn details_are_one_message_a_file_and_long_files_go_on() {
        let long = "é".repeat(3 << 20);
        let file =
            |path: &str, content: &str| DefinitionFile { path: path.to_owned(), content: content.to_owned() };
        let metadata = (0..10_000).map(|n| (n.to_string(), "v".repeat(256)));
        let pipeline = PipelineDetails {
            summary: PipelineSummary {
                revision: 1,
                id: PipelineId::from_bits(1),
                name: "p".to_owned(),
                metadata: Metadata::from_entries(metadata).unwrap(),
            },
            files: vec![file("./a", "short"), file("b", &long)],
            dag: vec![("x".to_owned(), vec![1]), ("y".to_owned(), vec![])],
        };
        let messages: Vec<_> = details(pipeline).collect();
        assert!(messages.iter().all(|message| message.encoded_len() <= MAX_SENT_BYTES));
        assert!(messages.iter().all(|message| message.pipeline_id == identifier(PipelineId::from_bits(1))));
        let files: Vec<_> = messages.iter().map(|message| message.definition.clone().unwrap()).collect();
        assert_eq!(files[0], PipelineDefinitionFile { path: "./a".to_owned(), content: "short".to_owned() });
        let joined: String = files[1..].iter().map(|file| file.content.as_str()).collect();
        assert!(joined == long && files.len() > 2);
        assert_eq!(messages[0].dag[0].next[0].name, "y");
        assert_eq!((messages[0].metadata.len(), messages[1].metadata.len()), (10_000, 10_000));
    }
}
