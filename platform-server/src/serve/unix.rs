//! A Unix socket for the user that runs the server.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use tokio::net::{UnixListener, UnixStream};
use tokio::time::Instant;

use super::ServeError;
use super::connection::Setup;
use super::listener::accept;
use crate::access::Peer;

/// A socket and the user that may use it.
pub(super) struct Socket {
    listener: UnixListener,
    owner: u32,
}

/// Opens a socket that only its owner can use. One of a server that is gone is replaced.
pub(super) fn bind(path: &Path) -> Result<Socket, ServeError> {
    let cannot = |source| ServeError::Listen { address: path.display().to_string(), source };
    if let Ok(metadata) = std::fs::symlink_metadata(path) {
        let is_left_over = metadata.file_type().is_socket()
            && std::os::unix::net::UnixStream::connect(path)
                .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
        if !is_left_over {
            return Err(ServeError::SocketTaken { path: path.to_owned() });
        }
        std::fs::remove_file(path).map_err(cannot)?;
    }
    let listener = UnixListener::bind(path).map_err(cannot)?;
    // Until this is done the owner's check below keeps others out.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(cannot)?;
    let owner = std::fs::symlink_metadata(path).map_err(cannot)?.uid();
    Ok(Socket { listener, owner })
}

/// Serves the socket until the server stops.
pub(super) async fn serve(socket: Socket, setup: Setup) {
    let Socket { listener, owner } = socket;
    let listener = Arc::new(listener);
    let next = move || {
        let listener = Arc::clone(&listener);
        async move { listener.accept().await.map(|(stream, _)| stream) }
    };
    accept(setup, next, move |stream: UnixStream, setup: Setup| async move {
        match stream.peer_cred() {
            Ok(peer) if peer.uid() == owner || peer.uid() == 0 => {
                setup.serve(stream, Peer::Local, Instant::now()).await;
            }
            _ => tracing::warn!("another user is turned away from the Unix socket"),
        }
    })
    .await;
}
