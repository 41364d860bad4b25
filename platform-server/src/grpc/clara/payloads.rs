//! Payloads: files go up and down in pieces.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::stream;
use platform_api::code;
use platform_api::convert::{identifier, payload_file_message};
use platform_api::header::success;
use platform_api::id::PayloadId;
use platform_api::payload::{PayloadFile, PayloadPath, PayloadPathError, PayloadType};
use platform_api::proto::clara as wire;
use platform_api::proto::clara::payloads_server::Payloads;
use platform_api::proto::clara::{Identifier, PayloadFileDetails};
use prost::Message;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use super::{add_metadata, agrees, id, malformed, metadata, remove_metadata};
use crate::access::AuditNote;
use crate::grpc::lifetime::Lifetime;
use crate::grpc::reply::{Replies, refuse, refused, replies, reply};
use crate::grpc::{Service, cut, incoming};
use crate::platform::{Answer, Answers, FilePieces, PayloadDetails};

/// Metadata up to so many bytes are repeated with each file of a payload; larger ones are in the first message only,
/// where published clients look for them.
const REPEATED_METADATA_BYTES: usize = 16 << 10;

#[tonic::async_trait]
impl Payloads for Service {
    async fn create(
        &self,
        request: Request<wire::PayloadsCreateRequest>,
    ) -> Result<Response<wire::PayloadsCreateResponse>, Status> {
        reply(
            async {
                let metadata = metadata(request.into_inner().metadata, code::PAYLOAD_METADATA_INVALID)?;
                let id = self.platform.create_payload(metadata).await?;
                AuditNote::about(id);
                Ok(wire::PayloadsCreateResponse {
                    header: success(),
                    payload_id: identifier(id),
                    r#type: PayloadType::Reusable.to_wire(),
                })
            }
            .await,
        )
    }

    async fn delete(
        &self,
        request: Request<wire::PayloadsDeleteRequest>,
    ) -> Result<Response<wire::PayloadsDeleteResponse>, Status> {
        reply(
            async {
                self.platform.delete_payload(payload_id(request.get_ref().payload_id.as_ref())?).await?;
                Ok(wire::PayloadsDeleteResponse { header: success() })
            }
            .await,
        )
    }

    type DetailsStream = Replies<wire::PayloadsDetailsResponse>;

    async fn details(
        &self,
        request: Request<wire::PayloadsDetailsRequest>,
    ) -> Result<Response<Self::DetailsStream>, Status> {
        let lifetime = Lifetime::of(&request, &self.stop);
        let answer =
            async { self.platform.payload(payload_id(request.get_ref().payload_id.as_ref())?).await };
        Ok(Response::new(match answer.await {
            Ok(payload) => {
                let files = self.platform.payload_files(payload.id);
                lifetime.bound(replies(details_messages(&payload, files)))
            }
            Err(refusal) => refused(refusal),
        }))
    }

    type DownloadStream = Replies<wire::PayloadsDownloadResponse>;

    async fn download(
        &self,
        request: Request<wire::PayloadsDownloadRequest>,
    ) -> Result<Response<Self::DownloadStream>, Status> {
        let lifetime = Lifetime::of(&request, &self.stop);
        let answer = async {
            let (id, path) = place(request.get_ref().payload_id.as_ref(), &request.get_ref().name)?;
            self.platform.download(id, path).await
        };
        Ok(Response::new(match answer.await {
            Ok((file, pieces)) => lifetime.bound(replies(download_messages(&file, pieces))),
            Err(refusal) => refused(refusal),
        }))
    }

    async fn upload(
        &self,
        request: Request<Streaming<wire::PayloadsUploadRequest>>,
    ) -> Result<Response<wire::PayloadsUploadResponse>, Status> {
        let mut messages = request.into_inner();
        let Some(first) = messages.message().await? else {
            let text = "the upload holds no message, so that neither payload nor file is known; an empty file is \
                        sent as one message without data";
            return reply(Err(malformed(code::UPLOAD_MALFORMED, text)));
        };
        let target = match Target::of(&first) {
            Ok(target) => target,
            Err(refusal) => return reply(Err(refusal)),
        };
        let (id, path, mode) = (target.id, target.path.clone(), target.mode);
        let (pieces, outcome) = incoming::pieces(first.data, messages, move |message| target.read(message));
        let answer = outcome.of(self.platform.upload(id, path, mode, pieces).await)?;
        reply(answer.map(|file| wire::PayloadsUploadResponse {
            header: success(),
            details: Some(payload_file_message(&file)),
        }))
    }

    async fn remove(
        &self,
        request: Request<wire::PayloadsRemoveRequest>,
    ) -> Result<Response<wire::PayloadsRemoveResponse>, Status> {
        reply(
            async {
                let (id, path) = place(request.get_ref().payload_id.as_ref(), &request.get_ref().name)?;
                self.platform.remove_file(id, path).await?;
                Ok(wire::PayloadsRemoveResponse { header: success() })
            }
            .await,
        )
    }

    async fn add_metadata(
        &self,
        request: Request<wire::PayloadsAddMetadataRequest>,
    ) -> Result<Response<wire::PayloadsAddMetadataResponse>, Status> {
        add_metadata!(
            self.add_payload_metadata, request, payload_id, code::PAYLOAD_METADATA_INVALID
            => PayloadsAddMetadataResponse
        )
    }

    async fn remove_metadata(
        &self,
        request: Request<wire::PayloadsRemoveMetadataRequest>,
    ) -> Result<Response<wire::PayloadsRemoveMetadataResponse>, Status> {
        remove_metadata!(self.remove_payload_metadata, request, payload_id => PayloadsRemoveMetadataResponse)
    }
}

fn payload_id(message: Option<&Identifier>) -> Answer<PayloadId> {
    id(message, "payload id", code::PAYLOAD_ID_MALFORMED)
}

/// A file that should be there.
fn place(id: Option<&Identifier>, name: &str) -> Answer<(PayloadId, PayloadPath)> {
    let path = PayloadPath::to_find(name).map_err(refuse::<PayloadPathError>(code::FILE_NAME_INVALID))?;
    Ok((payload_id(id)?, path))
}

/// Where an upload goes, as its first message says.
struct Target {
    id: PayloadId,
    wire_id: Option<Identifier>,
    path: PayloadPath,
    name: String,
    mode: u32,
}

impl Target {
    fn of(first: &wire::PayloadsUploadRequest) -> Answer<Self> {
        let Some(PayloadFileDetails { mode, name, .. }) = &first.details else {
            return Err(malformed(code::UPLOAD_MALFORMED, "the first message of the upload names no file"));
        };
        Ok(Self {
            id: payload_id(first.payload_id.as_ref())?,
            wire_id: first.payload_id.clone(),
            path: PayloadPath::to_create(name).map_err(refuse(code::FILE_NAME_INVALID))?,
            name: name.clone(),
            mode: *mode,
        })
    }

    /// The piece in a later message. Its `details.size` is that of the piece, and says nothing that the data do not.
    fn read(&self, message: wire::PayloadsUploadRequest) -> Answer<Bytes> {
        let name = message.details.map(|details| details.name).unwrap_or_default();
        if !agrees(self.wire_id.as_ref(), message.payload_id.as_ref())
            || !(name.is_empty() || name == self.name)
        {
            return Err(malformed(code::UPLOAD_MALFORMED, "messages of one upload name different files"));
        }
        Ok(message.data)
    }
}

/// One message a file; for a payload without files one message without.
fn details_messages(
    payload: &PayloadDetails,
    files: Answers<PayloadFile>,
) -> impl Stream<Item = Answer<wire::PayloadsDetailsResponse>> + Send + use<> {
    let first = wire::PayloadsDetailsResponse {
        header: success(),
        payload_id: identifier(payload.id),
        file: None,
        r#type: payload.payload_type.to_wire(),
        job_id: payload.job.and_then(identifier),
        metadata: payload.metadata.to_map(),
    };
    let mut later = first.clone();
    if first.encoded_len() > REPEATED_METADATA_BYTES {
        later.metadata = BTreeMap::new();
    }
    stream::unfold((files.fuse(), Some(first), later), |(mut files, first, later)| async move {
        let answer = match files.next().await {
            Some(Ok(file)) => {
                let message = first.unwrap_or_else(|| later.clone());
                Ok(wire::PayloadsDetailsResponse { file: Some(payload_file_message(&file)), ..message })
            }
            Some(Err(refusal)) => Err(refusal),
            None => Ok(first?),
        };
        Some((answer, (files, None, later)))
    })
}

/// Details come with the first piece, and there is one even of an empty file.
fn download_messages(
    file: &PayloadFile,
    pieces: FilePieces,
) -> impl Stream<Item = Answer<wire::PayloadsDownloadResponse>> + Send + use<> {
    let details = Some(payload_file_message(file));
    let state = (pieces.fuse(), Vec::new().into_iter(), details, file.size);
    stream::unfold(state, |(mut pieces, mut waiting, details, size)| async move {
        loop {
            if let Some(data) = waiting.next() {
                let message = wire::PayloadsDownloadResponse { header: success(), details, data };
                return Some((Ok(message), (pieces, waiting, None, size)));
            }
            let piece = pieces.next().await;
            waiting = match (piece, &details) {
                (Some(Ok(data)), None) if data.is_empty() => continue,
                (Some(Ok(data)), Some(_)) if data.is_empty() && size > 0 => continue,
                (Some(Ok(data)), _) => cut::pieces(data).into_iter(),
                (Some(Err(refusal)), _) => return Some((Err(refusal), (pieces, waiting, None, size))),
                (None, Some(_)) => vec![Bytes::new()].into_iter(),
                (None, None) => return None,
            };
        }
    })
}

#[cfg(test)]
mod tests {
    use platform_api::header::Refusal;
    use platform_api::id::JobId;
    use platform_api::metadata::Metadata;

    use super::*;
    use crate::grpc::cut::PIECE_BYTES;

    fn file(name: &str, size: u64) -> PayloadFile {
        PayloadFile { path: PayloadPath::to_create(name).unwrap(), size, mode: 0o644 }
    }

    fn payload(metadata: Metadata) -> PayloadDetails {
        PayloadDetails {
            id: PayloadId::from_bits(1),
            payload_type: PayloadType::Pipeline,
            job: Some(JobId::from_bits(2)),
            created_ms: 0,
            metadata,
            is_read_only: false,
        }
    }

    async fn downloaded(
        size: u64,
        pieces: Vec<Answer<Bytes>>,
    ) -> Vec<Answer<wire::PayloadsDownloadResponse>> {
        download_messages(&file("input/a", size), Box::pin(stream::iter(pieces))).collect().await
    }

    #[tokio::test]
    async fn an_empty_file_is_one_message_with_details() {
        for pieces in [vec![], vec![Ok(Bytes::new())]] {
            let messages = downloaded(0, pieces).await;
            let [Ok(message)] = messages.as_slice() else { panic!("{messages:?}") };
            let details = PayloadFileDetails { mode: 0o644, size: 0, name: "/input/a".to_owned() };
            assert_eq!((message.details.as_ref(), message.data.len()), (Some(&details), 0));
        }
    }

    #[tokio::test]
    async fn details_come_first_and_once_and_large_pieces_are_cut() {
        let whole = Bytes::from(vec![7; PIECE_BYTES * 5 + 1]);
        let messages =
            downloaded(whole.len() as u64, vec![Ok(Bytes::new()), Ok(whole.clone()), Ok(Bytes::new())]);
        let messages: Vec<_> = messages.await.into_iter().map(Result::unwrap).collect();
        assert_eq!(messages.len(), 6);
        assert!(
            messages[0].details.is_some() && messages[1..].iter().all(|message| message.details.is_none())
        );
        let joined: Vec<u8> = messages.iter().flat_map(|message| message.data.to_vec()).collect();
        assert!(joined == whole);
    }

    async fn detailed(
        metadata: Metadata,
        files: Vec<Answer<PayloadFile>>,
    ) -> Vec<wire::PayloadsDetailsResponse> {
        let messages = details_messages(&payload(metadata), Box::pin(stream::iter(files)));
        messages.map(Result::unwrap).collect().await
    }

    #[tokio::test]
    async fn an_empty_payload_is_exactly_one_message_without_a_file() {
        let messages = detailed(Metadata::new(), vec![]).await;
        let [message] = messages.as_slice() else { panic!("{messages:?}") };
        assert_eq!(message.file, None);
        assert_eq!((message.r#type, message.job_id.clone()), (1, identifier(JobId::from_bits(2))));
    }

    #[tokio::test]
    async fn every_file_is_one_message_and_nothing_is_extra() {
        let metadata = Metadata::from_entries([("k", "v")]).unwrap();
        let messages = detailed(metadata, vec![Ok(file("a", 1)), Ok(file("b/c", 2))]).await;
        let names: Vec<_> = messages.iter().map(|message| message.file.clone().unwrap().name).collect();
        assert_eq!(names, ["/a", "/b/c"]);
        assert!(messages.iter().all(|message| message.metadata.len() == 1 && message.payload_id.is_some()));
    }

    #[tokio::test]
    async fn large_metadata_come_once() {
        let metadata = Metadata::from_entries((0..100).map(|n| (n.to_string(), "v".repeat(256)))).unwrap();
        let messages = detailed(metadata, vec![Ok(file("a", 1)), Ok(file("b", 2))]).await;
        assert_eq!((messages[0].metadata.len(), messages[1].metadata.len()), (100, 0));
    }

    #[test]
    fn later_messages_repeat_the_first_one_or_are_silent() {
        let message = |id: &str, name: &str| wire::PayloadsUploadRequest {
            payload_id: Some(Identifier { value: id.to_owned() }),
            details: Some(PayloadFileDetails { name: name.to_owned(), size: 2, mode: 0 }),
            data: Bytes::from_static(b"hi"),
            ..Default::default()
        };
        let id = PayloadId::from_bits(1).to_string();
        let target = Target::of(&message(&id, "./x/y")).unwrap();
        assert_eq!(target.path.to_string(), "/x/y");
        assert_eq!(target.read(message(&id, "./x/y")).unwrap(), "hi");
        assert_eq!(target.read(message("", "")).unwrap(), "hi");
        assert_eq!(target.read(message(&id, "other")).unwrap_err().code, code::UPLOAD_MALFORMED);
        let other = PayloadId::from_bits(2).to_string();
        assert_eq!(target.read(message(&other, "./x/y")).unwrap_err().code, code::UPLOAD_MALFORMED);
        let refused = |id: &str, name: &str| Target::of(&message(id, name)).err().map(|refusal| refusal.code);
        assert_eq!(refused("x", "a"), Some(code::PAYLOAD_ID_MALFORMED));
        assert_eq!(refused(&id, "../a"), Some(code::FILE_NAME_INVALID));
    }

    #[tokio::test]
    async fn a_download_that_fails_hands_the_refusal_on() {
        let refusal = Refusal::new(code::FILE_NOT_READ, "gone");
        let answers = downloaded(5, vec![Ok(Bytes::from_static(b"a")), Err(refusal.clone())]).await;
        assert_eq!(answers[1], Err(refusal));
    }
}
