//! How a call ended, told once: from its headers, its trailers, or because its caller went away.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tonic::{Code, Status};

/// Calls `told` once with the code that the call ends with; [`Code::Cancelled`] when nobody waited for it.
pub(crate) fn watch(
    response: http::Response<tonic::body::Body>,
    told: impl FnOnce(Code) + Send + 'static,
) -> http::Response<tonic::body::Body> {
    if let Some(code) = code_of(response.headers()) {
        told(code);
        return response;
    }
    response.map(|body| tonic::body::Body::new(Watched { body, told: Some(Box::new(told)) }))
}

fn code_of(headers: &HeaderMap) -> Option<Code> {
    headers.get(Status::GRPC_STATUS).map(|code| Code::from_bytes(code.as_bytes()))
}

struct Watched {
    body: tonic::body::Body,
    told: Option<Box<dyn FnOnce(Code) + Send>>,
}

impl Watched {
    fn tell(&mut self, code: Code) {
        if let Some(told) = self.told.take() {
            told(code);
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.tell(Code::Cancelled);
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(code) = frame.trailers_ref().map(|trailers| code_of(trailers).unwrap_or(Code::Ok))
                {
                    self.tell(code);
                }
            }
            Some(Err(status)) => {
                let code = status.code();
                self.tell(code);
            }
            None => self.tell(Code::Ok),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
