//! Where a database is and how far its server is trusted, from a connection URL.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

/// Why a connection URL cannot be used. The texts hold nothing of it: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum AddressError {
    #[error("must begin with `postgres://`")]
    Scheme,
    #[error(
        "is no connection URL; `%`, `/`, `@`, `:` and `?` in a password stand as `%25`, `%2F`, `%40`, `%3A`, `%3F`"
    )]
    Form,
    #[error("names no host and no database, as `postgres://user@host/database` does")]
    Incomplete,
    #[error("must have `sslmode` disable, prefer, require, verify-ca or verify-full")]
    SslMode,
    #[error("names a certificate in `sslrootcert`, which the `sslmode` does not look at")]
    UnusedCertificate,
}

/// How a server proves who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Proof {
    /// Not at all: the connection may be encrypted, with whomever.
    None,
    /// An authority signed its certificate.
    Signed(Authorities),
    /// An authority signed its certificate for this host.
    SignedForHost(Authorities),
}

/// Whose signatures count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Authorities {
    /// Those that the system trusts.
    System,
    /// Those of a PEM file.
    File(PathBuf),
}

/// A database on a server. Its password, if it has one, is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    config: Box<Config>,
    proof: Proof,
    place: String,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.place)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    /// Reads a URL as libpq does, with its `sslmode` and `sslrootcert`.
    fn from_str(url: &str) -> Result<Self, AddressError> {
        if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
            return Err(AddressError::Scheme);
        }
        let (bare, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut mode, mut certificate, mut others) = (None, None, Vec::new());
        for part in query.split('&').filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", value)) => certificate = Some(unescaped(value)?),
                _ => others.push(part),
            }
        }
        let rest = if others.is_empty() { bare.to_owned() } else { format!("{bare}?{}", others.join("&")) };
        let mut config: Box<Config> = rest.parse().map(Box::new).map_err(|_| AddressError::Form)?;
        let place = place(&config)?;
        let (ssl, proof) = trust(mode, certificate)?;
        config.ssl_mode(ssl);
        config.application_name("lantern");
        // A standby answers too, and would be kept for as long as its connection lasts.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        // A host that vanished is noticed within a minute or so.
        config.keepalives_idle(Duration::from_secs(30)).keepalives_interval(Duration::from_secs(10));
        config.keepalives_retries(3).tcp_user_timeout(Duration::from_secs(30));
        Ok(Self { config, proof, place })
    }
}

impl Address {
    pub(super) fn proof(&self) -> &Proof {
        &self.proof
    }

    /// What the client library needs to connect.
    pub(super) fn config(&self, connect_timeout: Duration) -> Config {
        let mut config = self.config.as_ref().clone();
        config.connect_timeout(connect_timeout);
        config
    }
}

fn trust(mode: Option<&str>, certificate: Option<String>) -> Result<(SslMode, Proof), AddressError> {
    let is_named = certificate.is_some();
    let authorities = match certificate {
        Some(path) if path != "system" => Authorities::File(path.into()),
        _ => Authorities::System,
    };
    match mode {
        Some("verify-full") => Ok((SslMode::Require, Proof::SignedForHost(authorities))),
        // As libpq: who names an authority wants it asked.
        Some("verify-ca") => Ok((SslMode::Require, Proof::Signed(authorities))),
        Some("require") if is_named => Ok((SslMode::Require, Proof::Signed(authorities))),
        Some("require") => Ok((SslMode::Require, Proof::None)),
        Some("disable" | "prefer") | None if is_named => Err(AddressError::UnusedCertificate),
        Some("disable") => Ok((SslMode::Disable, Proof::None)),
        Some("prefer") | None => Ok((SslMode::Prefer, Proof::None)),
        Some(_) => Err(AddressError::SslMode),
    }
}

/// The name of a database for people. A URL in which a password was not escaped can pass for one with an odd host;
/// such a host is refused before it is shown or looked up.
fn place(config: &Config) -> Result<String, AddressError> {
    let is_plain = |text: &str| text.chars().all(|c| c.is_alphanumeric() || "._-:".contains(c));
    let database = config.get_dbname().filter(|name| !name.is_empty()).ok_or(AddressError::Incomplete)?;
    if !is_plain(database) {
        return Err(AddressError::Form);
    }
    let hosts = config.get_hosts().iter().map(|host| match host {
        Host::Tcp(name) if is_plain(name) => Ok(name.clone()),
        Host::Tcp(_) => Err(AddressError::Form),
        #[cfg(unix)]
        Host::Unix(path) => Ok(path.display().to_string()),
    });
    let mut hosts = hosts.collect::<Result<Vec<_>, _>>()?;
    hosts.extend(config.get_hostaddrs().iter().map(ToString::to_string));
    if hosts.is_empty() {
        return Err(AddressError::Incomplete);
    }
    let ports: Vec<_> = config.get_ports().iter().map(|port| format!(":{port}")).collect();
    Ok(format!("{}{}/{database}", hosts.join(","), ports.join(",")))
}

/// Resolves `%41` and its like.
fn unescaped(text: &str) -> Result<String, AddressError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let (high, low) = (digit(rest.next()), digit(rest.next()));
        let value = high.zip(low).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        bytes.push(value.ok_or(AddressError::Form)?);
    }
    String::from_utf8(bytes).map_err(|_| AddressError::Form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_a_place_without_its_password() {
        for (url, place) in [
            ("postgres://lantern@db.example/records", "db.example:5432/records"),
            ("postgresql://u:secret@db:5433/records?connect_timeout=3", "db:5433/records"),
            #[cfg(unix)]
            ("postgres://u:secret@%2Frun%2Fpostgresql/records", "/run/postgresql:5432/records"),
            #[cfg(unix)]
            ("postgres:///records?host=/tmp/x&port=7", "/tmp/x:7/records"),
        ] {
            let address: Address = url.parse().unwrap();
            assert_eq!(address.to_string(), place);
            assert!(!format!("{address:?}").contains("secret"));
        }
    }

    #[test]
    fn a_url_that_cannot_be_used_is_refused_without_a_word_of_it() {
        for (url, expected) in [
            ("mysql://db/x", AddressError::Scheme),
            ("postgres://u:pa@ss@db/x", AddressError::Form),
            ("postgres://u@db/x?colour=red", AddressError::Form),
            ("postgres://u@db", AddressError::Incomplete),
            ("postgres:///x", AddressError::Incomplete),
            ("postgres://u@db/x?sslmode=allow", AddressError::SslMode),
            ("postgres://u@db/x?sslrootcert=/a.pem", AddressError::UnusedCertificate),
        ] {
            assert_eq!(url.parse::<Address>(), Err(expected), "{url}");
        }
    }

    #[test]
    fn sslmode_says_how_far_a_server_is_trusted() {
        let file = || Authorities::File("/etc/a b.pem".into());
        for (query, ssl, proof) in [
            ("", SslMode::Prefer, Proof::None),
            ("?sslmode=disable", SslMode::Disable, Proof::None),
            ("?sslmode=require", SslMode::Require, Proof::None),
            ("?sslmode=require&sslrootcert=/etc/a%20b.pem", SslMode::Require, Proof::Signed(file())),
            ("?sslmode=verify-ca&sslrootcert=/etc/a%20b.pem", SslMode::Require, Proof::Signed(file())),
            ("?sslmode=verify-full", SslMode::Require, Proof::SignedForHost(Authorities::System)),
        ] {
            let address: Address = format!("postgres://u@db/x{query}").parse().unwrap();
            assert_eq!((address.config.get_ssl_mode(), address.proof), (ssl, proof), "{query}");
        }
    }
}
