//! Certificates: given ones, or one of our own that is made once and kept.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::ServeError;
use crate::config::{TlsConfig, TlsMode};

/// SHA-256 of a certificate, for clients to pin.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a certificate's DER form.
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// As other tools print it: pairs of digits, upper case, with colons.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02X}", if n == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

/// What encrypts connections.
pub(super) struct Tls {
    pub(super) acceptor: TlsAcceptor,
    pub(super) fingerprint: Fingerprint,
}

impl Tls {
    /// From the files that settings name, or those in the data folder, which are made where they are missing.
    pub(super) fn open(data: &Path, config: &TlsConfig) -> Result<Self, ServeError> {
        let (certificate, key) = match (config.mode, &config.certificate, &config.key) {
            (TlsMode::Files, Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
            _ => own(data, &config.names)?,
        };
        let pem = |path: &Path| {
            let path = path.to_owned();
            move |source| ServeError::Pem { path, source }
        };
        let chain: Result<Vec<_>, _> =
            CertificateDer::pem_file_iter(&certificate).map_err(pem(&certificate))?.collect();
        let chain = chain.map_err(pem(&certificate))?;
        let secret = PrivateKeyDer::from_pem_file(&key).map_err(pem(&key))?;
        let leaf = chain.first().map(|leaf| Fingerprint::of(leaf.as_ref()));
        // A file without a certificate is refused by the next step.
        let fingerprint = leaf.unwrap_or(Fingerprint([0; 32]));
        let mut server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(ServeError::Certificate)?
            .with_no_client_auth()
            .with_single_cert(chain, secret)
            .map_err(ServeError::Certificate)?;
        server.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(server)), fingerprint })
    }
}

/// Certificate and key of our own. The certificate is written last, so that where it is, all is.
fn own(data: &Path, names: &[String]) -> Result<(PathBuf, PathBuf), ServeError> {
    let folder = data.join("tls");
    let [certificate, key, made_for] = ["certificate.pem", "key.pem", "names"].map(|name| folder.join(name));
    let mut wanted: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    wanted.extend(host_name());
    wanted.extend_from_slice(names);
    wanted.dedup();
    let has_names = std::fs::read_to_string(&made_for)
        .is_ok_and(|made_for| wanted.iter().all(|name| made_for.lines().any(|line| line == name)));
    if certificate.exists() && has_names {
        return Ok((certificate, key));
    }
    if certificate.exists() {
        tracing::warn!(
            "the self-signed certificate lacks a name and is made anew: clients have to pin it again"
        );
    }
    let made = rcgen::generate_simple_self_signed(wanted.clone()).map_err(ServeError::Make)?;
    let keep = |source| ServeError::Keep { path: folder.clone(), source };
    std::fs::create_dir_all(&folder).map_err(keep)?;
    if certificate.exists() {
        std::fs::remove_file(&certificate).map_err(keep)?;
    }
    write(&key, &made.signing_key.serialize_pem()).map_err(keep)?;
    write(&made_for, &wanted.join("\n")).map_err(keep)?;
    write(&certificate, &made.cert.pem()).map_err(keep)?;
    Ok((certificate, key))
}

/// Whole or not at all, and for the owner only.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let half = path.with_extension("new");
    match std::fs::remove_file(&half) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&half)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&half, path)
}

/// The name of this machine, where it is easily known.
fn host_name() -> Option<String> {
    let name = if cfg!(target_os = "linux") {
        std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?
    } else {
        std::env::var("COMPUTERNAME").ok()?
    };
    let name = name.trim();
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.');
    (!name.is_empty() && is_plain).then(|| name.to_owned())
}
