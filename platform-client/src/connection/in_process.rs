//! A connection within one process, for a server that is embedded: no port, no socket, no file.

use std::io;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint, Uri};

/// Bytes that may lie between the two ends of a connection.
const BUFFER_BYTES: usize = 1 << 20;
/// Connections that may wait for the server.
const BACKLOG: usize = 16;

/// The client's side: opens connections.
#[derive(Debug, Clone)]
pub struct Dialer {
    sender: mpsc::Sender<io::Result<DuplexStream>>,
}

/// The server's side: the connections that are opened, as a server takes them. Dropping it ends the server.
pub type Incoming = ReceiverStream<io::Result<DuplexStream>>;

/// Both sides.
pub fn pair() -> (Dialer, Incoming) {
    let (sender, receiver) = mpsc::channel(BACKLOG);
    (Dialer { sender }, ReceiverStream::new(receiver))
}

impl Dialer {
    async fn dial(self) -> io::Result<TokioIo<DuplexStream>> {
        let (near, far) = tokio::io::duplex(BUFFER_BYTES);
        let gone = |_| io::Error::new(io::ErrorKind::ConnectionRefused, "the embedded server has ended");
        self.sender.send(Ok(far)).await.map_err(gone)?;
        Ok(TokioIo::new(near))
    }
}

pub(super) fn channel(dialer: Dialer, connect_limit: Duration) -> Channel {
    let endpoint = super::endpoint::configured(Endpoint::from_static("http://in-process"), connect_limit);
    endpoint.connect_with_connector_lazy(tower::service_fn(move |_: Uri| dialer.clone().dial()))
}
