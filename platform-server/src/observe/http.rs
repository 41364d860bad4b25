//! `/metrics`, `/healthz` and `/readyz` over plain HTTP, on an address of their own.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Inspect, Metrics};

/// Connections at the same time; monitors use one or two.
const CONNECTIONS: usize = 64;
/// How long a request may take to arrive.
const REQUEST: Duration = Duration::from_secs(10);
/// How long one connection may last, whatever it does.
const CONNECTION: Duration = Duration::from_secs(120);
const PLAIN: &str = "text/plain; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The server cannot be observed.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on `{address}` for metrics")]
pub struct ObserveError {
    address: SocketAddr,
    source: io::Error,
}

/// An open address. Dropping it closes it at once.
pub struct Observer {
    address: SocketAddr,
    _task: JoinSet<()>,
}

impl Observer {
    /// The address in use.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Opens an address and answers there.
///
/// # Errors
/// [`ObserveError`] when the address cannot be used.
pub async fn start(
    address: SocketAddr,
    metrics: Arc<Metrics>,
    inspect: Arc<dyn Inspect>,
) -> Result<Observer, ObserveError> {
    let cannot = |source| ObserveError { address, source };
    let listener = TcpListener::bind(address).await.map_err(cannot)?;
    let in_use = listener.local_addr().map_err(cannot)?;
    let mut task = JoinSet::new();
    task.spawn(accept(listener, metrics, inspect));
    Ok(Observer { address: in_use, _task: task })
}

async fn accept(listener: TcpListener, metrics: Arc<Metrics>, inspect: Arc<dyn Inspect>) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else { continue };
                    let (metrics, inspect) = (Arc::clone(&metrics), Arc::clone(&inspect));
                    connections.spawn(async move {
                        // A connection that is cut or breaks a rule concerns nobody.
                        let _ = tokio::time::timeout(CONNECTION, serve(stream, metrics, inspect)).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "a connection cannot be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
}

async fn serve(
    stream: TcpStream,
    metrics: Arc<Metrics>,
    inspect: Arc<dyn Inspect>,
) -> Result<(), hyper::Error> {
    let service = service_fn(move |request: Request<Incoming>| {
        let (metrics, inspect) = (Arc::clone(&metrics), Arc::clone(&inspect));
        async move { Ok::<_, Infallible>(answer(request.method(), request.uri().path(), metrics, inspect).await) }
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST)
        .max_buf_size(16 << 10)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

async fn answer(
    method: &Method,
    path: &str,
    metrics: Arc<Metrics>,
    inspect: Arc<dyn Inspect>,
) -> Response<Full<Bytes>> {
    if method != Method::GET && method != Method::HEAD {
        let mut refused = page(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "only GET and HEAD\n".to_owned());
        refused.headers_mut().insert(ALLOW, http::HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match path {
        // Answers as long as the program does.
        "/healthz" => page(StatusCode::OK, PLAIN, "alive\n".to_owned()),
        "/readyz" => match ask(move || inspect.not_ready().ok_or_else(|| inspect.warnings())).await {
            Ok(Err(warnings)) => {
                let warnings = warnings.iter().map(|warning| format!("warning: {warning}\n"));
                page(StatusCode::OK, PLAIN, std::iter::once("ready\n".to_owned()).chain(warnings).collect())
            }
            Ok(Ok(why)) => page(StatusCode::SERVICE_UNAVAILABLE, PLAIN, format!("{why}\n")),
            Err(failed) => failed,
        },
        "/metrics" => match ask(move || metrics.render(inspect.facts().as_ref())).await {
            Ok(text) => page(StatusCode::OK, PROMETHEUS, text),
            Err(failed) => failed,
        },
        _ => page(StatusCode::NOT_FOUND, PLAIN, "`/metrics`, `/healthz` and `/readyz` are here\n".to_owned()),
    }
}

/// Asks on a thread that may wait for a disk.
async fn ask<T: Send + 'static>(
    question: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Response<Full<Bytes>>> {
    let answer = tokio::task::spawn_blocking(question).await;
    answer.map_err(|_| page(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, "a fault of the server\n".to_owned()))
}

fn page(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut page = Response::new(Full::new(Bytes::from(text)));
    *page.status_mut() = status;
    page.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
    page
}
