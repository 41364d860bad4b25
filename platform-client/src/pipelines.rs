//! Pipelines: definitions that jobs are made from.

use platform_api::convert::identifier;
use platform_api::header;
use platform_api::id::PipelineId;
use platform_api::metadata::Metadata;
use platform_api::proto::clara;
use platform_api::proto::clara::pipelines_client::PipelinesClient;
use tonic::transport::Channel;

use crate::connection::{Client, MAX_MESSAGE_BYTES, retrying};
use crate::error::ClientError;
use crate::metadata_calls::metadata_calls;
use crate::wire;

/// Longest part of a definition in one message; the rest follows in further messages of the same path.
const PART_BYTES: usize = 1 << 20;

/// A file of a definition. The first of a pipeline is the main one, the others are imported by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionFile {
    /// A label that imports refer to, not a place on disk.
    pub path: String,
    /// The definition.
    pub content: String,
}

/// A pipeline in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineSummary {
    /// The pipeline.
    pub id: PipelineId,
    /// As its definition calls it.
    pub name: String,
    /// What its creator and others noted.
    pub metadata: Metadata,
}

/// A pipeline with its definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineDetails {
    /// The pipeline.
    pub id: PipelineId,
    /// As its definition calls it.
    pub name: String,
    /// What its creator and others noted.
    pub metadata: Metadata,
    /// The definition.
    pub files: Vec<DefinitionFile>,
}

/// The pipelines of a server.
#[derive(Debug, Clone)]
pub struct Pipelines {
    client: Client,
}

impl Pipelines {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    fn stub(&self) -> PipelinesClient<Channel> {
        PipelinesClient::new(self.client.channel()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// Stores a pipeline. `id` forces its identifier, for replicas of an installation.
    ///
    /// # Errors
    /// [`ClientError`]; refused with the place of the mistake where the definition has one.
    pub async fn create(
        &self,
        files: &[DefinitionFile],
        metadata: &Metadata,
        id: Option<PipelineId>,
    ) -> Result<PipelineId, ClientError> {
        const CALL: &str = "Pipelines.Create";
        let messages: Vec<_> = parts(files)
            .map(|definition| clara::PipelinesCreateRequest {
                header: header::request(),
                definition: Some(definition),
                pipeline_id: id.and_then(identifier),
                metadata: metadata.to_map(),
            })
            .collect();
        let mut stub = self.stub();
        let send = async move |request| stub.create(request).await;
        let answer = self.client.change(CALL, tokio_stream::iter(messages), send).await?;
        wire::check(answer.header)?;
        wire::id(CALL, answer.pipeline_id.as_ref(), "pipeline id")
    }

    /// Replaces the definition of a pipeline. Jobs keep the one that they were made from.
    ///
    /// # Errors
    /// As [`Pipelines::create`].
    pub async fn update(&self, id: PipelineId, files: &[DefinitionFile]) -> Result<(), ClientError> {
        let messages: Vec<_> = parts(files)
            .map(|definition| clara::PipelinesUpdateRequest {
                header: header::request(),
                pipeline_id: identifier(id),
                definition: Some(definition),
            })
            .collect();
        let mut stub = self.stub();
        let send = async move |request| stub.update(request).await;
        let answer = self.client.change("Pipelines.Update", tokio_stream::iter(messages), send).await?;
        wire::check(answer.header)
    }

    /// All pipelines.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn list(&self) -> Result<Vec<PipelineSummary>, ClientError> {
        retrying!(self.client, self.list_once().await)
    }

    async fn list_once(&self) -> Result<Vec<PipelineSummary>, ClientError> {
        const CALL: &str = "Pipelines.List";
        let message = clara::PipelinesListRequest { header: header::request() };
        let mut stub = self.stub();
        let mut messages = self.client.open(CALL, message, async move |m| stub.list(m).await).await?;
        let mut pipelines = Vec::new();
        while let Some(message) = messages.next().await? {
            wire::check(message.header)?;
            // A message with only a header says nothing.
            let Some(details) = message.details else { continue };
            let set = Metadata::from_entries(details.metadata);
            pipelines.push(PipelineSummary {
                id: wire::id(CALL, details.pipeline_id.as_ref(), "pipeline id")?,
                name: details.name,
                metadata: wire::converted(CALL, set.map_err(Into::into))?,
            });
        }
        Ok(pipelines)
    }

    /// A pipeline with its definition.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn details(&self, id: PipelineId) -> Result<PipelineDetails, ClientError> {
        retrying!(self.client, self.details_once(id).await)
    }

    async fn details_once(&self, id: PipelineId) -> Result<PipelineDetails, ClientError> {
        const CALL: &str = "Pipelines.Details";
        let message =
            clara::PipelinesDetailsRequest { header: header::request(), pipeline_id: identifier(id) };
        let mut stub = self.stub();
        let mut messages = self.client.open(CALL, message, async move |m| stub.details(m).await).await?;
        let mut found: Option<PipelineDetails> = None;
        while let Some(message) = messages.next().await? {
            wire::check(message.header)?;
            let file = message.definition.map(|file| (file.path, file.content));
            let details = match &mut found {
                Some(details) => details,
                None => {
                    let set = Metadata::from_entries(message.metadata);
                    found.insert(PipelineDetails {
                        id: wire::id(CALL, message.pipeline_id.as_ref(), "pipeline id")?,
                        name: message.name,
                        metadata: wire::converted(CALL, set.map_err(Into::into))?,
                        files: Vec::new(),
                    })
                }
            };
            let Some((path, content)) = file else { continue };
            match details.files.last_mut() {
                // Consecutive messages of one path are parts of one file.
                Some(last) if last.path == path => last.content.push_str(&content),
                _ => details.files.push(DefinitionFile { path, content }),
            }
        }
        found.ok_or_else(|| ClientError::protocol(CALL, "no message"))
    }

    /// Removes a pipeline.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn remove(&self, id: PipelineId) -> Result<(), ClientError> {
        let message =
            clara::PipelinesRemoveRequest { header: header::request(), pipeline_id: identifier(id) };
        let mut stub = self.stub();
        let answer =
            self.client.change("Pipelines.Remove", message, async move |m| stub.remove(m).await).await?;
        wire::check(answer.header)
    }

    metadata_calls!(
        PipelineId,
        pipeline_id,
        PipelinesAddMetadataRequest,
        PipelinesRemoveMetadataRequest,
        "Pipelines.AddMetadata",
        "Pipelines.RemoveMetadata"
    );
}

/// The messages of some files: long ones in several parts, none within a character.
fn parts(files: &[DefinitionFile]) -> impl Iterator<Item = clara::PipelineDefinitionFile> {
    files.iter().flat_map(|file| {
        let mut rest = Some(file.content.as_str());
        std::iter::from_fn(move || {
            let text = rest.take()?;
            let (part, more) =
                text.split_at_checked(text.floor_char_boundary(PART_BYTES)).unwrap_or((text, ""));
            rest = (!more.is_empty()).then_some(more);
            Some(clara::PipelineDefinitionFile { path: file.path.clone(), content: part.to_owned() })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_definitions_are_cut_between_characters() {
        let content = "é".repeat(PART_BYTES);
        let file = DefinitionFile { path: "a.yaml".to_owned(), content: format!("x{content}") };
        let empty = DefinitionFile { path: "b.yaml".to_owned(), content: String::new() };
        let parts: Vec<_> = parts(&[file.clone(), empty]).collect();
        assert_eq!(parts.len(), 4);
        assert!(parts.iter().all(|part| part.content.len() <= PART_BYTES));
        let joined: String =
            parts.iter().filter(|p| p.path == "a.yaml").map(|p| p.content.as_str()).collect();
        assert_eq!(joined, file.content);
    }
}
