//! The doors of the server: sockets, encryption, connections and their end.
//!
//! [`start`] opens the ports of a [`Config`] and serves whatever services it is given; [`Server`] tells the addresses in
//! use and stops in order: no new connections, calls in flight go on for a while, the rest is cut. Every request is
//! marked with the [`Peer`](crate::access::Peer) it came from; who may do what is decided in [`crate::access`].
//!
//! Strangers are bounded: so many connections, so long to say the first words, so many calls at once, so much header,
//! so long without taking a byte. Message sizes are bounded by the services themselves.

mod connection;
mod in_process;
mod listener;
mod stream;
mod tls;
#[cfg(unix)]
#[path = "unix.rs"]
mod unix;
#[cfg(not(unix))]
#[path = "unix_absent.rs"]
mod unix;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tonic::service::Routes;

use crate::access::{AuditLog, Gate, Guarded};
use crate::config::{Config, TlsMode};
use crate::observe::{Counted, Metrics};

pub use in_process::InProcess;
pub use tls::Fingerprint;

/// Why the server cannot be reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum ServeError {
    #[error("cannot listen on `{address}`")]
    Listen { address: String, source: io::Error },
    #[error("`{}` exists and is no socket of a server that is gone", .path.display())]
    SocketTaken { path: PathBuf },
    #[error("cannot read a certificate or key from `{}`", .path.display())]
    Pem { path: PathBuf, source: tokio_rustls::rustls::pki_types::pem::Error },
    #[error("certificate and key do not go together")]
    Certificate(#[source] tokio_rustls::rustls::Error),
    #[error("cannot make a certificate")]
    Make(#[source] rcgen::Error),
    #[error("cannot keep a certificate in `{}`", .path.display())]
    Keep { path: PathBuf, source: io::Error },
    #[error("Unix sockets are not supported here")]
    NoUnixSockets,
}

/// Where the server is reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Addresses {
    /// For everybody.
    pub network: Vec<SocketAddr>,
    /// Whether they are encrypted, and by which certificate.
    pub fingerprint: Option<Fingerprint>,
    /// For published Clara clients, in plain text.
    pub legacy: Option<SocketAddr>,
    /// For the user that runs the server.
    pub unix: Option<PathBuf>,
}

/// What stands between sockets and services.
pub struct Front {
    /// Judges calls.
    pub gate: Arc<Gate>,
    /// Where calls are written down.
    pub audit: Option<AuditLog>,
    /// Where calls are counted.
    pub metrics: Arc<Metrics>,
}

/// What each connection serves.
type Service = Counted<Guarded<Routes>>;

/// A server that is reached. Dropping it cuts everything at once.
pub struct Server {
    addresses: Addresses,
    in_process: InProcess,
    stopping: watch::Sender<bool>,
    listeners: JoinSet<()>,
    socket: Option<PathBuf>,
    grace: Duration,
}

/// Opens all ports of `config` and serves the services of `routes` on them. Nothing stays open when one cannot be
/// opened.
///
/// # Errors
/// [`ServeError`] for an address that cannot be used or a certificate that is none.
pub async fn start(
    config: &Config,
    front: Front,
    routes: impl FnOnce() -> Routes,
) -> Result<Server, ServeError> {
    let mut addresses = Addresses::default();
    let tls = match config.tls.mode {
        _ if config.listen.addresses.is_empty() => None,
        TlsMode::Off => None,
        TlsMode::Files | TlsMode::SelfSigned => Some(tls::Tls::open(&config.data, &config.tls)?),
    };
    addresses.fingerprint = tls.as_ref().map(|tls| tls.fingerprint.clone());
    let mut sockets = Vec::new();
    for address in &config.listen.addresses {
        let socket = listener::bind(*address).await?;
        addresses.network.push(socket.1);
        sockets.push(socket.0);
    }
    let legacy = match config.legacy.address {
        Some(address) => {
            let (socket, address) = listener::bind(address).await?;
            addresses.legacy = Some(address);
            Some(socket)
        }
        None => None,
    };
    let unix = config.listen.unix.as_deref().map(unix::bind).transpose()?;
    addresses.unix = config.listen.unix.clone();
    warn(config, &addresses, &front.gate);

    let (stopping, stop) = watch::channel(false);
    let inner = Guarded::new(routes().prepare(), front.gate, front.audit);
    let setup = connection::Setup {
        service: Counted::new(inner, Arc::clone(&front.metrics)),
        limits: connection::Limits::from(&config.listen),
        permits: Arc::new(Semaphore::new(config.listen.max_connections as usize)),
        metrics: front.metrics,
        stop,
    };
    let mut listeners = JoinSet::new();
    for socket in sockets {
        listeners.spawn(listener::network(
            socket,
            tls.as_ref().map(|tls| tls.acceptor.clone()),
            setup.clone(),
        ));
    }
    if let Some(socket) = legacy {
        listeners.spawn(listener::legacy(socket, setup.clone()));
    }
    if let Some(socket) = unix {
        listeners.spawn(unix::serve(socket, setup.clone()));
    }
    let (in_process, calls) = InProcess::new();
    listeners.spawn(in_process::serve(calls, setup));
    let (socket, grace) = (addresses.unix.clone(), config.listen.drain);
    Ok(Server { addresses, in_process, stopping, listeners, socket, grace })
}

/// What an administrator should know about open doors.
fn warn(config: &Config, addresses: &Addresses, gate: &Gate) {
    let is_remote = |address: &SocketAddr| !address.ip().to_canonical().is_loopback();
    for address in addresses.network.iter().filter(|address| is_remote(address)) {
        if gate.is_open() {
            tracing::warn!("everybody who reaches `{address}` may do everything: nobody has to log in");
        }
        if config.tls.mode == TlsMode::Off {
            tracing::warn!("everything sent to `{address}`, passwords too, can be read on its way");
        }
    }
    if let Some(address) = addresses.legacy {
        tracing::warn!("published clients need no log-in and no encryption on `{address}`");
    }
}

impl Server {
    /// Where it is reached.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The way in for this process.
    pub fn in_process(&self) -> InProcess {
        self.in_process.clone()
    }

    /// Takes no new connections and no new calls, lets calls in flight go on for the configured time, and cuts what
    /// is left.
    pub async fn stop(mut self) {
        self.stopping.send_replace(true);
        let drained = async { while self.listeners.join_next().await.is_some() {} };
        if tokio::time::timeout(self.grace, drained).await.is_err() {
            tracing::info!("calls in flight are cut");
            self.listeners.shutdown().await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(socket) = &self.socket {
            // Whoever finds it afterwards is told that nobody listens, so a failure does no harm.
            let _ = std::fs::remove_file(socket);
        }
    }
}
