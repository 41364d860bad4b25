//! Unix sockets where there are none.

use std::path::Path;

use super::ServeError;
use super::connection::Setup;

/// There is none.
pub(super) enum Socket {}

pub(super) fn bind(_: &Path) -> Result<Socket, ServeError> {
    Err(ServeError::NoUnixSockets)
}

pub(super) async fn serve(socket: Socket, _: Setup) {
    match socket {}
}
