//! Tells a stream of requests that was cut off from one that ended.
//!
//! tonic reads a stream that the client canceled like one that came to its end, so half a file would be taken for the
//! whole. The body of each request is therefore wrapped: a cancellation becomes an error of another kind, which tonic
//! hands on.

use http_body_util::BodyExt;
use tonic::body::Body;
use tonic::codegen::http::Request;
use tonic::codegen::{Context, Poll, Service};
use tonic::server::NamedService;
use tonic::{Code, Status};

/// A service whose requests end in an error where the client went away.
#[derive(Clone)]
pub(super) struct Whole<S>(pub(super) S);

impl<S: NamedService> NamedService for Whole<S> {
    const NAME: &'static str = S::NAME;
}

impl<S: Service<Request<Body>>> Service<Request<Body>> for Whole<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> S::Future {
        self.0.call(request.map(|body| Body::new(body.map_err(as_interruption))))
    }
}

fn as_interruption(status: Status) -> Status {
    if status.code() == Code::Cancelled { Status::aborted("the client went away") } else { status }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::Ready;
    use std::sync::{Arc, Mutex};

    use bytes::Bytes;
    use http_body_util::StreamBody;
    use platform_api::proto::clara::{PayloadsUploadRequest, PayloadsUploadResponse};
    use prost::Message;
    use tokio_stream::StreamExt;
    use tonic::Streaming;
    use tonic::codec::Codec;

    use super::*;

    /// Reads a body as a service does: messages, then how it ended.
    async fn read(body: Body) -> (usize, Result<(), Code>) {
        let decoder =
            tonic_prost::ProstCodec::<PayloadsUploadResponse, PayloadsUploadRequest>::default().decoder();
        let mut messages = Streaming::new_request(decoder, body, None, None);
        let mut count = 0;
        while let Some(message) = messages.next().await {
            match message {
                Ok(_) => count += 1,
                Err(status) => return (count, Err(status.code())),
            }
        }
        (count, Ok(()))
    }

    /// Keeps the body that it is called with.
    struct Keep(Arc<Mutex<Option<Body>>>);

    impl Service<Request<Body>> for Keep {
        type Response = ();
        type Error = Infallible;
        type Future = Ready<Result<(), Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<Body>) -> Self::Future {
            *self.0.lock().unwrap() = Some(request.into_body());
            std::future::ready(Ok(()))
        }
    }

    fn canceled_after_one_message() -> Body {
        let message = PayloadsUploadRequest { data: Bytes::from_static(b"half"), ..Default::default() };
        let mut bytes = vec![0];
        bytes.extend_from_slice(&u32::try_from(message.encoded_len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(&message.encode_to_vec());
        let frame = http_body::Frame::data(Bytes::from(bytes));
        Body::new(StreamBody::new(tokio_stream::iter([Ok(frame), Err(Status::cancelled("reset"))])))
    }

    #[tokio::test]
    async fn an_upload_that_the_client_cancels_does_not_look_whole() {
        // The reason for this module; when it fails, tonic tells by itself.
        assert_eq!(read(canceled_after_one_message()).await, (1, Ok(())));

        let body = Arc::new(Mutex::new(None));
        Whole(Keep(body.clone())).call(Request::new(canceled_after_one_message())).await.unwrap();
        let body = body.lock().unwrap().take().unwrap();
        assert_eq!(read(body).await, (1, Err(Code::Aborted)));
    }
}
