//! The way in for the program that the server is embedded in: no socket, no encryption, no log-in.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};
use tower_service::Service;

use super::connection::{Setup, stopped};
use crate::access::Peer;

/// Bytes on their way in either direction.
const PIPE_BYTES: usize = 256 << 10;

/// Makes connections to a server of this process. They end with the server.
#[derive(Debug, Clone)]
pub struct InProcess {
    calls: mpsc::Sender<DuplexStream>,
}

impl InProcess {
    pub(super) fn new() -> (Self, mpsc::Receiver<DuplexStream>) {
        let (calls, receiver) = mpsc::channel(16);
        (Self { calls }, receiver)
    }

    /// One connection.
    ///
    /// # Errors
    /// [`io::ErrorKind::ConnectionRefused`] when the server is gone.
    pub async fn connect(&self) -> io::Result<DuplexStream> {
        let (near, far) = duplex(PIPE_BYTES);
        self.admit(far).await?;
        Ok(near)
    }

    /// Takes the far end of a connection that somebody else made.
    ///
    /// # Errors
    /// As [`InProcess::connect`].
    pub async fn admit(&self, far: DuplexStream) -> io::Result<()> {
        self.calls.send(far).await.map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))
    }

    /// A channel that connects at its first call, and again where it has to.
    pub fn channel(&self) -> Channel {
        Endpoint::from_static("http://in-process").connect_with_connector_lazy(self.clone())
    }
}

impl Service<Uri> for InProcess {
    type Response = TokioIo<DuplexStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let door = self.clone();
        Box::pin(async move { door.connect().await.map(TokioIo::new) })
    }
}

/// Serves connections until the server stops. They take no place from strangers.
pub(super) async fn serve(mut calls: mpsc::Receiver<DuplexStream>, setup: Setup) {
    let mut connections = JoinSet::new();
    let mut stop = setup.stop.clone();
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            Some(_) = connections.join_next() => {}
            call = calls.recv() => match call {
                Some(stream) => {
                    connections.spawn(setup.clone().serve(stream, Peer::InProcess, Instant::now()));
                }
                None => break,
            },
        }
    }
    drop(calls);
    while connections.join_next().await.is_some() {}
}
