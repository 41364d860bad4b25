//! Whether those who read a long answer may still do so: looked at every minute while it goes on.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use tokio::time::{Sleep, sleep};
use tonic::Status;

use super::gate::{Denied, Gate, Proof};
use super::peer::Peer;
use super::rights::Right;

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(60);

/// By what right an answer is read.
#[derive(Clone)]
pub(super) struct Standing {
    pub(super) gate: Arc<Gate>,
    pub(super) peer: Peer,
    pub(super) right: &'static Right,
    pub(super) proof: Proof,
}

impl Standing {
    /// The answer, which ends with a refusal when the right to it does.
    pub(super) fn guard(self, body: tonic::body::Body) -> tonic::body::Body {
        tonic::body::Body::new(StandingBody {
            body,
            standing: self,
            look: Look::Next(Box::pin(sleep(PERIOD))),
        })
    }

    /// Why the right is gone, if it is. What cannot be known now is no reason.
    async fn loss(self) -> Option<Denied> {
        let Self { gate, peer, right, proof } = self;
        gate.admits_still(peer, right, &proof).await.err().filter(|denied| *denied != Denied::Unavailable)
    }
}

struct StandingBody {
    body: tonic::body::Body,
    standing: Standing,
    look: Look,
}

/// What is waited for, besides the answer itself.
enum Look {
    Next(Pin<Box<Sleep>>),
    Now(Pin<Box<dyn Future<Output = Option<Denied>> + Send>>),
    /// The right is gone, and all is said.
    Over,
}

impl StandingBody {
    /// Ready when the right is gone; pending otherwise, and woken in time.
    fn poll_loss(&mut self, context: &mut Context<'_>) -> Poll<Denied> {
        loop {
            self.look = match &mut self.look {
                Look::Next(timer) => {
                    std::task::ready!(timer.as_mut().poll(context));
                    Look::Now(Box::pin(self.standing.clone().loss()))
                }
                Look::Now(answer) => match std::task::ready!(answer.as_mut().poll(context)) {
                    Some(denied) => {
                        self.look = Look::Over;
                        return Poll::Ready(denied);
                    }
                    None => Look::Next(Box::pin(sleep(PERIOD))),
                },
                Look::Over => return Poll::Pending,
            };
        }
    }
}

impl Body for StandingBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if matches!(self.look, Look::Over) {
            return Poll::Ready(None);
        }
        if let Poll::Ready(denied) = self.poll_loss(context) {
            // An error would break the connection's stream without a word.
            let mut ended = HeaderMap::new();
            super::layer::status(&denied).add_header(&mut ended)?;
            return Poll::Ready(Some(Ok(Frame::trailers(ended))));
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.look, Look::Over) || self.body.is_end_stream()
    }
}
