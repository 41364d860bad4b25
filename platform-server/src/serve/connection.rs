//! One connection from its first byte to its last.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use tower_service::Service as Call;

use super::Service;
use super::stream::Watchful;
use crate::access::Peer;
use crate::config::ListenConfig;
use crate::observe::Metrics;

/// Bytes of headers of one request.
const HEADER_LIMIT_BYTES: u32 = 16 << 10;
/// Bytes that a peer may send ahead of what a call has read, and ahead of all calls.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 2 << 20;
/// Bytes of one frame: files come in with fewer of them than in the protocol's own 16 KiB.
const FRAME_BYTES: u32 = 256 << 10;
/// Bytes of answers that wait for one call's reader.
const SEND_BUFFER_BYTES: usize = 256 << 10;
/// How long a peer may take to say that it is there.
const PING_ANSWER: Duration = Duration::from_secs(20);

/// What strangers may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) handshake: Duration,
    stall: Duration,
    keepalive: Duration,
    max_streams: u32,
}

impl From<&ListenConfig> for Limits {
    fn from(config: &ListenConfig) -> Self {
        let ListenConfig { handshake, stall, keepalive, max_streams, .. } = *config;
        Self { handshake, stall, keepalive, max_streams }
    }
}

/// Waits until the server stops or is gone.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// What every connection gets.
#[derive(Clone)]
pub(super) struct Setup {
    pub(super) service: Service,
    pub(super) limits: Limits,
    pub(super) permits: Arc<Semaphore>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) stop: watch::Receiver<bool>,
}

impl Setup {
    /// A place for one more connection; none when all are taken.
    pub(super) fn permit(&self) -> Option<OwnedSemaphorePermit> {
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok();
        if permit.is_none() {
            self.metrics.connection_refused();
            tracing::debug!("a connection is refused: there are as many as there may be");
        }
        permit
    }

    /// Serves one connection until its peer leaves, breaks a rule, or the server stops.
    ///
    /// `since` is when it was accepted.
    pub(super) async fn serve<S>(mut self, stream: S, peer: Peer, since: Instant)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let _open = self.metrics.connection_open();
        let stream = Watchful::new(stream, since + self.limits.handshake, self.limits.stall);
        let service = self.service.clone();
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let mut service = service.clone();
            async move {
                let mut request = request.map(tonic::body::Body::new);
                request.extensions_mut().insert(peer);
                let ready = |context: &mut std::task::Context<'_>| {
                    Call::<Request<tonic::body::Body>>::poll_ready(&mut service, context)
                };
                std::future::poll_fn(ready).await?;
                service.call(request).await
            }
        });
        let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.limits.max_streams)
            .max_header_list_size(HEADER_LIMIT_BYTES)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_frame_size(FRAME_BYTES)
            .max_send_buf_size(SEND_BUFFER_BYTES)
            .keep_alive_interval(self.limits.keepalive)
            .keep_alive_timeout(PING_ANSWER)
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stopped(&mut self.stop) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(error = &error as &dyn std::error::Error, "a connection ended badly");
        }
    }
}
