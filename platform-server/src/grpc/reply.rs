//! Answers of the published services: a refusal goes into the header of an answer that gRPC calls OK.
//!
//! In a stream it is one message with nothing but the header, and the end. Published clients look at the first header
//! only; so a stream that is refused after its first message ends with a gRPC error too, or they would take half a
//! file, or half a list, for the whole.

use std::error::Error;
use std::pin::Pin;

use futures_util::stream;
use platform_api::code::{self, ErrorCode};
use platform_api::header::Refusal;
use platform_api::proto::clara;
use prost::Message;
use tokio_stream::{Stream, StreamExt};
use tonic::{Response, Status};

use super::{MAX_SENT_BYTES, status};
use crate::access::AuditNote;
use crate::platform::Answer;

/// An answer of a published service.
pub(super) trait Reply: Message + Default + 'static {
    /// The answer to a call that was refused.
    fn refused(refusal: Refusal) -> Self;
}

macro_rules! replies {
    ($($message:ident)*) => {$(
        impl Reply for clara::$message {
            #[allow(clippy::needless_update, reason = "some messages are a header alone")]
            fn refused(refusal: Refusal) -> Self {
                Self { header: Some(refusal.into_header()), ..Self::default() }
            }
        }
    )*};
}

replies! {
    ClaraStopResponse ClaraUtilizationResponse ClaraVersionResponse
    JobsAddMetadataResponse JobsCancelResponse JobsCreateResponse JobsListResponse JobsReadLogsResponse
    JobsRemoveMetadataResponse JobsStartResponse JobsStatusResponse
    PayloadsAddMetadataResponse PayloadsCreateResponse PayloadsDeleteResponse PayloadsDetailsResponse
    PayloadsDownloadResponse PayloadsRemoveResponse PayloadsRemoveMetadataResponse PayloadsUploadResponse
    PipelinesAddMetadataResponse PipelinesCreateResponse PipelinesDetailsResponse PipelinesListResponse
    PipelinesRemoveResponse PipelinesRemoveMetadataResponse PipelinesUpdateResponse
    ModelsAddMetadataResponse ModelsCreateCatalogResponse ModelsCreateInstanceResponse ModelsDeleteCatalogResponse
    ModelsDeleteInstanceResponse ModelsDeleteModelResponse ModelsDownloadModelResponse ModelsListCatalogsResponse
    ModelsListInstancesResponse ModelsListModelsResponse ModelsReadCatalogResponse ModelsReadInstanceResponse
    ModelsRemoveMetadataResponse ModelsUpdateCatalogResponse ModelsUpdateInstanceResponse ModelsUploadModelResponse
}

/// Messages as tonic sends them.
pub(super) type Replies<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What makes a refusal of an error, for `map_err`.
pub(super) fn refuse<E: Error>(code: ErrorCode) -> impl Fn(E) -> Refusal {
    move |error| Refusal::from_error(code, &error)
}

/// One answer.
pub(super) fn reply<T: Reply>(answer: Answer<T>) -> Result<Response<T>, Status> {
    let answer = answer.and_then(fitting);
    if let (Err(refusal), Some(note)) = (&answer, AuditNote::current()) {
        note.set_refused(refusal.code);
    }
    Ok(Response::new(answer.unwrap_or_else(T::refused)))
}

/// Many answers, made as they are taken.
pub(super) fn replies<T: Reply>(answers: impl Stream<Item = Answer<T>> + Send + 'static) -> Replies<T> {
    enum Next {
        First,
        Later,
        Broken(Status),
        Nothing,
    }
    let note = AuditNote::current();
    let first = (Box::pin(answers), Next::First, note);
    Box::pin(stream::unfold(first, |(mut answers, next, note)| async move {
        let is_first = match next {
            Next::First => true,
            Next::Later => false,
            Next::Broken(status) => return Some((Err(status), (answers, Next::Nothing, note))),
            Next::Nothing => return None,
        };
        match answers.next().await?.and_then(fitting) {
            Ok(message) => Some((Ok(message), (answers, Next::Later, note))),
            Err(refusal) => {
                if let Some(note) = &note {
                    note.set_refused(refusal.code);
                }
                let next = if is_first { Next::Nothing } else { Next::Broken(status(&refusal)) };
                Some((Ok(T::refused(refusal)), (answers, next, note)))
            }
        }
    }))
}

/// A stream that was refused before it began.
pub(super) fn refused<T: Reply>(refusal: Refusal) -> Replies<T> {
    replies(stream::iter([Err(refusal)]))
}

/// Refuses to send what clients cannot take: they would see a fault of the transport and try again.
fn fitting<T: Message>(message: T) -> Answer<T> {
    let bytes = message.encoded_len();
    if bytes > MAX_SENT_BYTES {
        let text =
            format!("the answer has {bytes} bytes, more than the {MAX_SENT_BYTES} that a message can have");
        return Err(Refusal::new(code::INTERNAL, text));
    }
    Ok(message)
}

#[cfg(test)]
mod tests {
    use platform_api::header;
    use platform_api::proto::clara::{Identifier, PayloadsDownloadResponse, PipelinesCreateResponse};

    use super::*;

    fn refusal() -> Refusal {
        Refusal::new(code::FILE_NOT_READ, "the disk is gone")
    }

    fn piece(data: &'static [u8]) -> PayloadsDownloadResponse {
        PayloadsDownloadResponse { header: header::success(), data: data.into(), ..Default::default() }
    }

    #[test]
    fn a_refusal_is_the_header_of_an_answer_that_grpc_calls_ok() {
        let answer = reply::<PipelinesCreateResponse>(Err(refusal())).unwrap().into_inner();
        assert_eq!(answer.encode_to_vec(), PipelinesCreateResponse::refused(refusal()).encode_to_vec());
        assert_eq!(header::check(answer.header), Err(refusal()));
        assert_eq!(answer.pipeline_id, None);
    }

    #[tokio::test]
    async fn a_stream_that_is_refused_at_once_is_one_message_with_nothing_but_a_header() {
        let answers = stream::iter([Err(refusal()), Ok(piece(b"never sent"))]);
        let messages: Vec<_> = replies(answers).collect().await;
        let [Ok(message)] = messages.as_slice() else { panic!("{messages:?}") };
        assert_eq!(*message, PayloadsDownloadResponse::refused(refusal()));
    }

    #[tokio::test]
    async fn a_stream_that_is_refused_later_does_not_look_whole() {
        let answers = stream::iter([Ok(piece(b"a")), Err(refusal()), Ok(piece(b"never sent"))]);
        let messages: Vec<_> = replies(answers).collect().await;
        let [Ok(first), Ok(second), Err(status)] = messages.as_slice() else { panic!("{messages:?}") };
        assert_eq!(*first, piece(b"a"));
        assert_eq!(*second, PayloadsDownloadResponse::refused(refusal()));
        assert_eq!((status.code(), status.message()), (tonic::Code::Internal, "the disk is gone"));
    }

    #[test]
    fn what_no_client_could_take_is_refused_in_the_header() {
        let answer = |bytes| PipelinesCreateResponse {
            header: header::success(),
            pipeline_id: Some(Identifier { value: "x".repeat(bytes) }),
        };
        let sent = |bytes| reply(Ok(answer(bytes))).unwrap().into_inner();
        let most = MAX_SENT_BYTES - 12;
        assert_eq!(sent(most).encoded_len(), MAX_SENT_BYTES);
        assert!(sent(most).pipeline_id.is_some());
        let refused = header::check(sent(most + 1).header).unwrap_err();
        assert_eq!(refused.code, code::INTERNAL);
    }
}
