//! Counts and traces every call in front of the gate.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use http::{Request, Response};
use tower_service::Service;
use tracing::Instrument as _;

use super::metrics::Metrics;
use crate::access::outcome::watch;
use crate::access::{Denied, Right};
use crate::trace;

/// What calls are counted under that there are not.
const UNKNOWN: &str = "unknown";

/// Services whose calls are counted.
#[derive(Clone)]
pub struct Counted<S> {
    inner: S,
    metrics: Arc<Metrics>,
}

impl<S> Counted<S> {
    /// Counts the calls of `inner`.
    pub fn new(inner: S, metrics: Arc<Metrics>) -> Self {
        Self { inner, metrics }
    }
}

impl<S, B> Service<Request<B>> for Counted<S>
where
    S: Service<Request<B>, Response = Response<tonic::body::Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let since = Instant::now();
        // Strangers choose paths; only those of the table become labels.
        let method = Right::of(request.uri().path()).map_or(UNKNOWN, |right| right.path);
        let metrics = Arc::clone(&self.metrics);
        let span = trace::call(method, request.headers());
        let answer = span.in_scope(|| self.inner.call(request));
        Box::pin(async move {
            let answer = answer.instrument(span.clone()).await?;
            if let Some(denied) = answer.extensions().get::<Denied>() {
                metrics.call_denied(denied);
            }
            Ok(watch(answer, move |code| {
                metrics.call_ended(method, code, since.elapsed());
                trace::call_ended(&span, code);
            }))
        })
    }
}
