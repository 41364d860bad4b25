//! Ports: accepting connections until the server stops.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::ServeError;
use super::connection::{Setup, stopped};
use crate::access::Peer;

/// How long to wait when the system has no room for a connection: file descriptors or memory are short.
const SHORTAGE: Duration = Duration::from_millis(100);

/// Opens a port: it, and the address in use.
pub(super) async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let cannot = |source| ServeError::Listen { address: address.to_string(), source };
    let listener = TcpListener::bind(address).await.map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    Ok((listener, address))
}

/// Runs `serve` for each connection that `accept` brings, until the server stops and all of them are over.
pub(super) async fn accept<S, A, F, P>(setup: Setup, mut accept: A, mut serve: impl FnMut(S, Setup) -> P)
where
    A: FnMut() -> F,
    F: Future<Output = std::io::Result<S>>,
    P: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    let mut stop = setup.stop.clone();
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(error = &error as &dyn std::error::Error, "a connection failed");
                }
            }
            accepted = accept() => match accepted {
                Ok(stream) => {
                    // Closed at once where there is no place.
                    let Some(permit) = setup.permit() else { continue };
                    let served = serve(stream, setup.clone());
                    connections.spawn(async move {
                        served.await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "a connection cannot be accepted");
                    tokio::time::sleep(SHORTAGE).await;
                }
            },
        }
    }
    // No new ones from here on.
    drop(accept);
    while connections.join_next().await.is_some() {}
}

/// A port for everybody.
pub(super) async fn network(listener: TcpListener, tls: Option<TlsAcceptor>, setup: Setup) {
    let listener = std::sync::Arc::new(listener);
    let next = move || {
        let listener = std::sync::Arc::clone(&listener);
        async move { listener.accept().await }
    };
    accept(setup, next, move |(stream, address): (TcpStream, SocketAddr), setup: Setup| {
        let tls = tls.clone();
        async move {
            let since = Instant::now();
            prepare(&stream);
            let Some(tls) = tls else { return setup.serve(stream, Peer::Network(address), since).await };
            let deadline = since + setup.limits.handshake;
            let mut stop = setup.stop.clone();
            let handshake = tokio::select! {
                handshake = tokio::time::timeout_at(deadline, tls.accept(stream)) => handshake,
                () = stopped(&mut stop) => return,
            };
            match handshake {
                Ok(Ok(stream)) => setup.serve(stream, Peer::Network(address), since).await,
                Ok(Err(error)) => {
                    tracing::debug!(
                        error = &error as &dyn std::error::Error,
                        "a connection is not encrypted"
                    );
                }
                Err(_) => tracing::debug!("a connection is not encrypted in time"),
            }
        }
    })
    .await;
}

/// The plain-text port of published clients.
pub(super) async fn legacy(listener: TcpListener, setup: Setup) {
    let listener = std::sync::Arc::new(listener);
    let next = move || {
        let listener = std::sync::Arc::clone(&listener);
        async move { listener.accept().await }
    };
    accept(setup, next, |(stream, address): (TcpStream, SocketAddr), setup: Setup| async move {
        prepare(&stream);
        setup.serve(stream, Peer::Legacy(address), Instant::now()).await;
    })
    .await;
}

/// Small answers go at once.
fn prepare(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(error = &error as &dyn std::error::Error, "answers may wait");
    }
}
