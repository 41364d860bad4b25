//! Files on their way up: the first message says what is sent, all of them hold pieces.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures_util::stream;
use platform_api::header::Refusal;
use tokio_stream::{Stream, StreamExt};
use tonic::Status;

use crate::platform::{Answer, Interrupted, Pieces, UploadPiece};

/// Why a stream of requests ended before its end.
#[derive(Debug, Clone)]
enum Trouble {
    /// The client went away, or what it sent could not be read.
    Transport(Status),
    /// A message does not fit to the first one.
    Disagreement(Refusal),
}

/// Knows afterwards whether all pieces came.
#[derive(Debug, Clone, Default)]
pub(super) struct Outcome(Arc<OnceLock<Trouble>>);

impl Outcome {
    /// What the platform answered, or the trouble that made it give up.
    ///
    /// # Errors
    /// [`Status`] where the transport is to blame: there is nobody who could read a header.
    pub(super) fn of<T>(&self, answer: Answer<T>) -> Result<Answer<T>, Status> {
        match (self.0.get(), answer) {
            (Some(Trouble::Transport(status)), Err(_)) => Err(status.clone()),
            (Some(Trouble::Disagreement(refusal)), Err(_)) => Ok(Err(refusal.clone())),
            (_, answer) => Ok(answer),
        }
    }
}

/// The pieces of a file, beginning with `first`, read as they are taken. `read` checks each later message against what
/// the first one said, and takes its data.
pub(super) fn pieces<M: 'static>(
    first: Bytes,
    messages: impl Stream<Item = Result<M, Status>> + Send + Unpin + 'static,
    read: impl FnMut(M) -> Answer<Bytes> + Send + 'static,
) -> (Pieces<UploadPiece>, Outcome) {
    let outcome = Outcome::default();
    let first = (!first.is_empty()).then_some(Ok(UploadPiece { data: first }));
    let state = Some((messages, read, outcome.clone()));
    let later = stream::unfold(state, |state| async move {
        let (mut messages, mut read, outcome) = state?;
        loop {
            let trouble = match messages.next().await? {
                Ok(message) => match read(message) {
                    Ok(data) if data.is_empty() => continue,
                    Ok(data) => return Some((Ok(UploadPiece { data }), Some((messages, read, outcome)))),
                    Err(refusal) => Trouble::Disagreement(refusal),
                },
                Err(status) => Trouble::Transport(status),
            };
            // Nothing is read after the first trouble, so nothing was set before.
            let _ = outcome.0.set(trouble);
            return Some((Err(Interrupted), None));
        }
    });
    (Box::pin(stream::iter(first).chain(later)), outcome)
}

#[cfg(test)]
mod tests {
    use platform_api::code;

    use super::*;

    fn read(text: &'static str) -> Answer<Bytes> {
        if text == "other" {
            return Err(Refusal::new(code::UPLOAD_MALFORMED, "another file"));
        }
        Ok(text.into())
    }

    /// Takes everything as the platform would: whole, or not at all.
    async fn take(
        first: &'static str,
        messages: Vec<Result<&'static str, Status>>,
    ) -> Result<Answer<String>, Status> {
        let (mut pieces, outcome) = pieces(first.into(), stream::iter(messages), read);
        let mut whole = Ok(String::new());
        while let Some(piece) = pieces.next().await {
            match piece {
                Ok(piece) => {
                    assert!(!piece.data.is_empty());
                    whole = whole.map(|whole| whole + std::str::from_utf8(&piece.data).unwrap());
                }
                Err(interrupted) => whole = Err(Refusal::from_error(code::UPLOAD_MALFORMED, &interrupted)),
            }
        }
        outcome.of(whole)
    }

    #[tokio::test]
    async fn pieces_come_in_order_and_empty_ones_are_left_out() {
        assert_eq!(take("a", vec![Ok("b"), Ok(""), Ok("c")]).await.unwrap(), Ok("abc".to_owned()));
        assert_eq!(take("", vec![]).await.unwrap(), Ok(String::new()));
    }

    #[tokio::test]
    async fn a_message_for_another_file_refuses_the_upload_and_ends_the_reading() {
        let answer = take("a", vec![Ok("other"), Err(Status::internal("never read"))]).await.unwrap();
        assert_eq!(answer.unwrap_err().messages, ["another file"]);
    }

    #[tokio::test]
    async fn a_client_that_goes_away_is_no_end_of_the_file() {
        let answer = take("a", vec![Err(Status::aborted("gone"))]).await;
        assert_eq!(answer.unwrap_err().code(), tonic::Code::Aborted);
    }
}
