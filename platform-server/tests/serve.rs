//! The doors: who gets through, how they close, and what strangers can do to them.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use platform_api::proto::clara::clara_client::ClaraClient;
use platform_api::proto::clara::clara_server::{Clara, ClaraServer};
use platform_api::proto::clara::{
    ClaraStopRequest, ClaraStopResponse, ClaraUtilizationRequest, ClaraUtilizationResponse,
    ClaraVersionRequest, ClaraVersionResponse, RequestHeader,
};
use platform_server::access::{Caller, Doors, Gate, Peer, ThrottleLimits};
use platform_server::config::{Config, TlsMode};
use platform_server::observe::Metrics;
use platform_server::serve::{Fingerprint, Front, ServeError, Server, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};

/// Answers where a call came from, and never ends a stream that nobody reads.
struct Echo;

#[tonic::async_trait]
impl Clara for Echo {
    async fn stop(&self, _: Request<ClaraStopRequest>) -> Result<Response<ClaraStopResponse>, Status> {
        Ok(Response::new(ClaraStopResponse::default()))
    }

    type UtilizationStream = ReceiverStream<Result<ClaraUtilizationResponse, Status>>;

    /// Endless, 64 KiB at a time.
    async fn utilization(
        &self,
        _: Request<ClaraUtilizationRequest>,
    ) -> Result<Response<Self::UtilizationStream>, Status> {
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            let header =
                platform_api::proto::clara::ResponseHeader { code: 0, messages: vec!["x".repeat(64 << 10)] };
            let piece = ClaraUtilizationResponse { header: Some(header), ..Default::default() };
            while sender.send(Ok(piece.clone())).await.is_ok() {}
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn version(
        &self,
        request: Request<ClaraVersionRequest>,
    ) -> Result<Response<ClaraVersionResponse>, Status> {
        let caller = request.extensions().get::<Caller>().ok_or_else(|| Status::internal("no caller"))?;
        let door = match caller.peer {
            Peer::InProcess => "in process",
            Peer::Local => "local",
            Peer::Network(_) => "network",
            Peer::Legacy(_) => "legacy",
        };
        let header = platform_api::proto::clara::ResponseHeader { code: 0, messages: vec![door.to_owned()] };
        Ok(Response::new(ClaraVersionResponse { header: Some(header), ..Default::default() }))
    }
}

const ANY: &str = "127.0.0.1:0";

/// Plain text on a free port, in a folder.
fn settings(folder: &Path) -> Config {
    let mut config = Config::embedded(folder);
    config.listen.addresses = vec![ANY.parse().unwrap()];
    config.tls.mode = TlsMode::Off;
    config
}

async fn open(config: &Config) -> (Server, Arc<Metrics>) {
    let limits = ThrottleLimits { attempts: 5, window: Duration::from_secs(300) };
    let gate = Arc::new(Gate::new(Doors::Open, limits).unwrap());
    let metrics = Arc::new(Metrics::default());
    let front = Front { gate, audit: None, metrics: Arc::clone(&metrics) };
    let server = start(config, front, || Routes::new(ClaraServer::new(Echo))).await.unwrap();
    (server, metrics)
}

async fn version(channel: Channel) -> Result<String, Status> {
    let answer = ClaraClient::new(channel).version(ClaraVersionRequest::default()).await?;
    Ok(answer.into_inner().header.unwrap().messages.remove(0))
}

fn plain(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy()
}

/// Waits until the connections that the server counts are as many.
async fn connections(metrics: &Metrics, count: u64) {
    while metrics.connections() != count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn every_door_knows_where_a_call_comes_from() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = settings(folder.path());
    config.legacy.address = Some(ANY.parse().unwrap());
    let (server, _) = open(&config).await;
    let addresses = server.addresses().clone();
    assert_ne!(addresses.network[0].port(), 0);
    assert_eq!(addresses.fingerprint, None);
    assert_eq!(version(plain(addresses.network[0])).await.unwrap(), "network");
    assert_eq!(version(plain(addresses.legacy.unwrap())).await.unwrap(), "legacy");
    assert_eq!(version(server.in_process().channel()).await.unwrap(), "in process");
    server.stop().await;
    assert!(version(plain(addresses.network[0])).await.is_err());
}

#[tokio::test]
async fn an_embedded_server_opens_no_port() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _) = open(&Config::embedded(folder.path())).await;
    assert_eq!(*server.addresses(), platform_server::serve::Addresses::default());
    let door = server.in_process();
    assert_eq!(version(door.channel()).await.unwrap(), "in process");
    assert!(!folder.path().join("tls").exists(), "no certificate is made that nobody needs");
    server.stop().await;
    assert_eq!(door.connect().await.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_is_for_its_owner_and_replaces_one_that_is_dead() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let mut config = Config::embedded(folder.path());
    config.listen.unix = Some(path.clone());
    // Left over from a server that was killed.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let (server, _) = open(&config).await;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let endpoint = Endpoint::from_shared(format!("unix://{}", path.display())).unwrap();
    assert_eq!(version(endpoint.connect_lazy()).await.unwrap(), "local");
    let limits = ThrottleLimits { attempts: 5, window: Duration::from_secs(300) };
    let second = Front {
        gate: Arc::new(Gate::new(Doors::Open, limits).unwrap()),
        audit: None,
        metrics: Arc::default(),
    };
    let taken = start(&config, second, Routes::default).await;
    assert!(matches!(taken, Err(ServeError::SocketTaken { .. })), "a living server keeps its socket");
    server.stop().await;
    assert!(!path.exists());
}

/// Takes only the certificate with the fingerprint, as a client that pinned it.
#[derive(Debug)]
struct Pinned(Fingerprint);

impl tokio_rustls::rustls::client::danger::ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        leaf: &tokio_rustls::rustls::pki_types::CertificateDer<'_>,
        _: &[tokio_rustls::rustls::pki_types::CertificateDer<'_>],
        _: &tokio_rustls::rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: tokio_rustls::rustls::pki_types::UnixTime,
    ) -> Result<tokio_rustls::rustls::client::danger::ServerCertVerified, tokio_rustls::rustls::Error> {
        if Fingerprint::of(leaf) == self.0 {
            Ok(tokio_rustls::rustls::client::danger::ServerCertVerified::assertion())
        } else {
            Err(tokio_rustls::rustls::Error::General("another certificate".into()))
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &tokio_rustls::rustls::pki_types::CertificateDer<'_>,
        _: &tokio_rustls::rustls::DigitallySignedStruct,
    ) -> Result<tokio_rustls::rustls::client::danger::HandshakeSignatureValid, tokio_rustls::rustls::Error>
    {
        Err(tokio_rustls::rustls::Error::General("TLS 1.3 was expected".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &tokio_rustls::rustls::pki_types::CertificateDer<'_>,
        signature: &tokio_rustls::rustls::DigitallySignedStruct,
    ) -> Result<tokio_rustls::rustls::client::danger::HandshakeSignatureValid, tokio_rustls::rustls::Error>
    {
        let known = tokio_rustls::rustls::crypto::ring::default_provider().signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls13_signature(message, leaf, signature, &known)
    }

    fn supported_verify_schemes(&self) -> Vec<tokio_rustls::rustls::SignatureScheme> {
        tokio_rustls::rustls::crypto::ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Whether a TLS connection to `address` comes about with the pinned certificate, and speaks HTTP/2.
async fn handshake(address: SocketAddr, pinned: Fingerprint) -> bool {
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let mut client = tokio_rustls::rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned(pinned)))
        .with_no_client_auth();
    client.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(address).await.unwrap();
    let name = "localhost".try_into().unwrap();
    match tokio_rustls::TlsConnector::from(Arc::new(client)).connect(name, stream).await {
        Ok(stream) => stream.get_ref().1.alpn_protocol() == Some(b"h2"),
        Err(_) => false,
    }
}

#[tokio::test]
async fn a_certificate_of_our_own_is_made_once_and_can_be_pinned() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = settings(folder.path());
    config.tls.mode = TlsMode::SelfSigned;
    let (server, _) = open(&config).await;
    let first = server.addresses().fingerprint.clone().unwrap();
    assert_eq!(first.to_string().len(), 95, "{first}");
    assert!(handshake(server.addresses().network[0], first.clone()).await);
    assert!(!handshake(server.addresses().network[0], Fingerprint::of(b"another")).await);
    assert!(version(plain(server.addresses().network[0])).await.is_err(), "plain text is not understood");
    server.stop().await;
    let (server, _) = open(&config).await;
    assert_eq!(server.addresses().fingerprint, Some(first.clone()), "the same after a restart");
    server.stop().await;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let key = std::fs::metadata(folder.path().join("tls/key.pem")).unwrap();
        assert_eq!(key.permissions().mode() & 0o777, 0o600);
    }
    config.tls.names = vec!["lantern.example.org".into()];
    let (server, _) = open(&config).await;
    let third = server.addresses().fingerprint.clone().unwrap();
    assert_ne!(third, first, "a new name needs a new certificate");
    assert!(handshake(server.addresses().network[0], third).await);
}

#[tokio::test]
async fn broken_certificates_keep_the_server_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = settings(folder.path());
    config.tls.mode = TlsMode::Files;
    let file = folder.path().join("c.pem");
    config.tls.certificate = Some(file.clone());
    config.tls.key = Some(file.clone());
    for text in [None, Some(""), Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")] {
        if let Some(text) = text {
            std::fs::File::create(&file).unwrap().write_all(text.as_bytes()).unwrap();
        }
        let limits = ThrottleLimits { attempts: 5, window: Duration::from_secs(300) };
        let gate = Arc::new(Gate::new(Doors::Open, limits).unwrap());
        let front = Front { gate, audit: None, metrics: Arc::default() };
        let result = start(&config, front, Routes::default).await;
        assert!(matches!(result, Err(ServeError::Pem { .. } | ServeError::Certificate(_))), "{text:?}");
    }
}

#[tokio::test]
async fn a_thousand_idle_connections_do_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let (server, metrics) = open(&settings(folder.path())).await;
    let address = server.addresses().network[0];
    let mut idle = Vec::new();
    for _ in 0..1000 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(PREFACE).await.unwrap();
        idle.push(stream);
    }
    connections(&metrics, 1000).await;
    assert_eq!(version(plain(address)).await.unwrap(), "network");
    drop(idle);
    server.stop().await;
    assert_eq!(metrics.connections(), 0);
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_and_later_ones_taken() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = settings(folder.path());
    config.listen.max_connections = 2;
    let (server, metrics) = open(&config).await;
    let address = server.addresses().network[0];
    let first = TcpStream::connect(address).await.unwrap();
    let _second = TcpStream::connect(address).await.unwrap();
    connections(&metrics, 2).await;
    let mut third = TcpStream::connect(address).await.unwrap();
    assert_closed(&mut third).await;
    assert_eq!(version(server.in_process().channel()).await.unwrap(), "in process", "has a place of its own");
    drop(first);
    while metrics.connections() > 1 {
        tokio::task::yield_now().await;
    }
    // The place is free as soon as the connection is over.
    while version(plain(address)).await.is_err() {}
}

#[tokio::test]
async fn whoever_says_nothing_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = settings(folder.path());
    config.listen.handshake = Duration::from_millis(50);
    let (server, metrics) = open(&config).await;
    let mut silent = TcpStream::connect(server.addresses().network[0]).await.unwrap();
    assert_closed(&mut silent).await;
    let mut slow = TcpStream::connect(server.addresses().network[0]).await.unwrap();
    slow.write_all(&PREFACE[..10]).await.unwrap();
    assert_closed(&mut slow).await;
    connections(&metrics, 0).await;
    config.tls.mode = TlsMode::SelfSigned;
    let (server, _) = open(&config).await;
    let mut silent = TcpStream::connect(server.addresses().network[0]).await.unwrap();
    assert_closed(&mut silent).await;
}

#[tokio::test]
async fn garbage_is_cut_and_the_next_caller_served() {
    let folder = tempfile::tempdir().unwrap();
    let (server, metrics) = open(&settings(folder.path())).await;
    let address = server.addresses().network[0];
    let huge_frame = [PREFACE, &[0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]].concat();
    let broken_headers = [PREFACE, &[0, 0, 2, 1, 5, 0, 0, 0, 1, 0xff, 0xff]].concat();
    let garbage: Vec<u8> = (0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let http1 = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec();
    for bytes in [http1, garbage, huge_frame, broken_headers] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The server may cut before all is sent.
        let _ = stream.write_all(&bytes).await;
        assert_closed(&mut stream).await;
    }
    connections(&metrics, 0).await;
    assert_eq!(version(plain(address)).await.unwrap(), "network");
}

#[tokio::test]
async fn messages_that_are_too_long_are_answered_with_a_refusal() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _) = open(&settings(folder.path())).await;
    let channel = plain(server.addresses().network[0]);
    let user_agent = "x".repeat(5 << 20);
    let header = Some(RequestHeader { user_agent, ..Default::default() });
    let request = ClaraVersionRequest { header };
    let refused = ClaraClient::new(channel.clone()).version(request).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::OutOfRange, "{refused}");
    assert_eq!(version(channel).await.unwrap(), "network");
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = settings(folder.path());
    config.listen.stall = Duration::from_millis(100);
    let (server, metrics) = open(&config).await;
    let mut stream = TcpStream::connect(server.addresses().network[0]).await.unwrap();
    // Windows as wide as they get, so that only the socket holds the server back.
    let settings = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0x7f, 0xff, 0xff, 0xff];
    let window = [0, 0, 4, 8, 0, 0, 0, 0, 0, 0x7f, 0xff, 0x00, 0x00];
    stream.write_all(&PREFACE[..24]).await.unwrap();
    stream.write_all(&settings).await.unwrap();
    stream.write_all(&window).await.unwrap();
    stream.write_all(&request("/nvidia.clara.platform.Clara/Utilization")).await.unwrap();
    connections(&metrics, 1).await;
    connections(&metrics, 0).await;
    drop(stream);
}

#[tokio::test]
async fn stopping_lets_calls_end_and_cuts_those_that_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = settings(folder.path());
    config.listen.drain = Duration::from_millis(50);
    let (server, metrics) = open(&config).await;
    let mut client = ClaraClient::new(plain(server.addresses().network[0]));
    let mut endless = client.utilization(ClaraUtilizationRequest::default()).await.unwrap().into_inner();
    assert!(endless.message().await.unwrap().is_some());
    server.stop().await;
    assert_eq!(metrics.connections(), 0);
    while let Ok(Some(_)) = endless.message().await {}
    let line =
        "lantern_calls_total{method=\"/nvidia.clara.platform.Clara/Utilization\",code=\"CANCELLED\"} 1";
    // The call learns of its end a moment after the connection.
    while !metrics.render(None).lines().any(|found| found == line) {
        tokio::task::yield_now().await;
    }
}

/// How a client begins: the preface and empty settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Headers and the empty message of one call, as a client writes them without any table or code.
fn request(path: &str) -> Vec<u8> {
    let mut block = Vec::new();
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "x"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.as_bytes());
        }
    }
    let mut frames = vec![0, 0, u8::try_from(block.len()).unwrap(), 1, 4, 0, 0, 0, 1];
    frames.extend(block);
    frames.extend([0, 0, 5, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0]);
    frames
}

/// Reads to the end; fails only if the connection never ends.
async fn assert_closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    // A reset is an end as well.
    let _ = stream.read_to_end(&mut rest).await;
    assert!(rest.len() < 4096, "{} bytes for a stranger", rest.len());
}
