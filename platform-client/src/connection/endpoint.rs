//! Addresses of servers, and channels to them.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

use super::tls::{self, Trust};
use crate::error::ClientError;

/// The port that published clients use.
pub const DEFAULT_PORT: u16 = 30031;
/// Bytes that may be under way in one stream, and in all of a connection.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// Where a server is.
///
/// Read from `host:port`, `http://host:port`, `https://host:port` or `unix:PATH`. Without a scheme it is `http`, as
/// published clients speak plain text; without a port it is 30031.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A host on the network.
    Host {
        /// Name or number of the host; an IPv6 number without brackets.
        host: String,
        /// The port.
        port: u16,
        /// Whether to speak TLS.
        tls: bool,
    },
    /// A socket in the file system.
    Socket(PathBuf),
}

impl Address {
    /// Whether nobody else reads what is sent there: TLS, a socket, or this machine.
    pub fn keeps_secrets(&self) -> bool {
        match self {
            Self::Host { tls: true, .. } | Self::Socket(_) => true,
            Self::Host { host, .. } => {
                host.eq_ignore_ascii_case("localhost")
                    || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        }
    }
}

impl Default for Address {
    fn default() -> Self {
        Self::Host { host: "127.0.0.1".to_owned(), port: DEFAULT_PORT, tls: false }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Host { host: address.ip().to_string(), port: address.port(), tls: false }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "unix:{}", path.display()),
            Self::Host { host, port, tls } => {
                let scheme = if *tls { "https" } else { "http" };
                if host.contains(':') {
                    write!(f, "{scheme}://[{host}]:{port}")
                } else {
                    write!(f, "{scheme}://{host}:{port}")
                }
            }
        }
    }
}

impl FromStr for Address {
    type Err = ClientError;

    fn from_str(text: &str) -> Result<Self, ClientError> {
        let refused =
            |reason: &str| ClientError::Address { text: text.to_owned(), reason: reason.to_owned() };
        if let Some(path) = text.strip_prefix("unix:") {
            // `unix:///path` is how others write the same.
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() {
                Err(refused("the path is missing"))
            } else {
                Ok(Self::Socket(path.into()))
            };
        }
        let (tls, rest) = match text.split_once("://") {
            None => (false, text),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some(_) => return Err(refused("it begins with http://, https:// or unix:")),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) =
            split_port(rest).ok_or_else(|| refused("it is no HOST:PORT with a port up to 65535"))?;
        let is_number = host.contains(':');
        if is_number && host.parse::<IpAddr>().is_err() {
            return Err(refused("an IPv6 number stands in brackets"));
        }
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
        if host.is_empty() || (!is_number && !host.chars().all(is_name)) {
            return Err(refused("the host is no name"));
        }
        Ok(Self::Host { host: host.to_owned(), port, tls })
    }
}

fn split_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None if text.parse::<IpAddr>().is_ok() => (text, None),
        None => text.rsplit_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    match port {
        None => Some((host, DEFAULT_PORT)),
        Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => Some((host, port.parse().ok()?)),
        Some(_) => None,
    }
}

/// SHA-256 of a certificate. Read from 64 hexadecimal digits, with or without colons, upper or lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a certificate in DER.
    pub fn of(certificate: &[u8]) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, certificate);
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        Self(bytes)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Fingerprint {
    type Err = ClientError;

    fn from_str(text: &str) -> Result<Self, ClientError> {
        let refused = || ClientError::Setting {
            what: "a fingerprint is 64 hexadecimal digits (SHA-256 of the certificate)".to_owned(),
        };
        let digits: Vec<u32> = text
            .chars()
            .filter(|letter| *letter != ':')
            .map(|letter| letter.to_digit(16).ok_or_else(refused))
            .collect::<Result<_, _>>()?;
        if digits.len() != 64 {
            return Err(refused());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair.iter().fold(0u8, |byte, digit| byte << 4 | u8::try_from(*digit).unwrap_or_default());
        }
        Ok(Self(bytes))
    }
}

/// A channel that connects with its first call.
pub(super) fn channel(
    address: &Address,
    trust: &Trust,
    connect_limit: Duration,
) -> Result<Channel, ClientError> {
    let uri = match address {
        Address::Socket(_) if cfg!(not(unix)) => {
            return Err(ClientError::Setting {
                what: "sockets in the file system are not supported here".to_owned(),
            });
        }
        Address::Socket(path) => {
            let Some(path) = path.to_str() else {
                return Err(ClientError::Setting { what: "the path of the socket is not UTF-8".to_owned() });
            };
            format!("unix:{path}")
        }
        Address::Host { .. } => address.to_string(),
    };
    let refused =
        |error: tonic::transport::Error| ClientError::Address { text: uri.clone(), reason: chain(&error) };
    let endpoint = configured(Endpoint::from_shared(uri.clone()).map_err(refused)?, connect_limit);
    let is_tls = matches!(address, Address::Host { tls: true, .. });
    let endpoint = if is_tls { tls::secured(endpoint, trust)? } else { endpoint };
    Ok(endpoint.connect_lazy())
}

/// The settings that all channels share.
pub(super) fn configured(endpoint: Endpoint, connect_limit: Duration) -> Endpoint {
    endpoint
        .connect_timeout(connect_limit)
        .tcp_nodelay(true)
        .tcp_keepalive(Some(Duration::from_secs(60)))
        .http2_keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
}

fn chain(error: &dyn std::error::Error) -> String {
    crate::error::chain(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_every_form() {
        for (text, shown) in [
            ("lab:5000", "http://lab:5000"),
            ("lab", "http://lab:30031"),
            ("127.0.0.1:1", "http://127.0.0.1:1"),
            ("http://lab:5000/", "http://lab:5000"),
            ("HTTPS://lab.example.org", "https://lab.example.org:30031"),
            ("[::1]:7", "http://[::1]:7"),
            ("[::1]", "http://[::1]:30031"),
            ("::1", "http://[::1]:30031"),
            ("unix:/run/l.sock", "unix:/run/l.sock"),
            ("unix:///run/l.sock", "unix:/run/l.sock"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), shown, "{text}");
            assert_eq!(address.to_string().parse::<Address>().unwrap(), address, "{text}");
        }
        for text in ["", "unix:", "ftp://lab", "lab:70000", "lab:+1", "a b:1", "[::1", "[lab]:1", "::1:x"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_private_ways_carry_secrets() {
        for (text, expected) in [
            ("https://lab", true),
            ("unix:/x", true),
            ("localhost", true),
            ("127.0.0.2:5", true),
            ("[::1]:5", true),
            ("lab", false),
            ("10.0.0.1", false),
            ("localhost.example.org", false),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().keeps_secrets(), expected, "{text}");
        }
    }

    #[test]
    fn fingerprints_are_those_of_sha_256() {
        // FIPS 180-4, the message `abc`.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Fingerprint::of(b"abc").to_string(), expected);
        let colons: Vec<String> =
            expected.as_bytes().chunks(2).map(|p| String::from_utf8_lossy(p).to_uppercase()).collect();
        assert_eq!(colons.join(":").parse::<Fingerprint>().unwrap(), Fingerprint::of(b"abc"));
        assert!("ba78".parse::<Fingerprint>().is_err());
        assert!("z".repeat(64).parse::<Fingerprint>().is_err());
    }
}
