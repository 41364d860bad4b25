//! Through which door a call came.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The other end of a connection. Listeners put it into the extensions of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// The program that the server is embedded in.
    InProcess,
    /// The user that runs the server, or root, over a Unix socket.
    Local,
    /// Somebody over the network.
    Network(SocketAddr),
    /// Somebody over the plain-text port of published Clara clients.
    Legacy(SocketAddr),
}

impl Peer {
    /// Whether the operating system has already said who it is.
    pub const fn is_owner(self) -> bool {
        matches!(self, Self::InProcess | Self::Local)
    }

    /// What failed log-ins of one end are counted by: an address, or the network of a single line.
    pub(super) fn origin(self) -> Option<IpAddr> {
        let (Self::Network(address) | Self::Legacy(address)) = self else { return None };
        Some(match address.ip().to_canonical() {
            IpAddr::V4(address) => address.into(),
            // A line usually has a whole /64 to choose addresses from.
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        })
    }
}
