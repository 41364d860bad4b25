//! Ways to a server, and what happens when there is none.

use std::net::SocketAddr;
use std::time::Duration;

use platform_client::connection::{Fingerprint, Trust, in_process};
use platform_client::{Client, ClientError, ConnectOptions, Credentials, ErrorKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tonic::Code;
use tonic::transport::{Identity, ServerTlsConfig};

use crate::fake::{Fake, Fault};
use crate::{client, options};

/// An address where nobody listens any more.
async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn nobody_at_the_address_is_unreachable_and_named() {
    let address = nobody().await;
    let error = client(address).server().version().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[tokio::test]
async fn only_calls_that_change_nothing_are_made_again() {
    let fake = Fake::new();
    let client = client(fake.serve().await);
    for call in ["Clara.Version", "Clara.Version", "Jobs.Cancel"] {
        fake.fail(call, Fault::Status(Code::Unavailable, "busy"));
    }
    assert_eq!(client.server().version().await.unwrap().text, "0.8.1");
    assert_eq!(fake.count("Clara.Version"), 3);
    let id = fake.add_job("a", 1, 1).parse().unwrap();
    let error = client.jobs().cancel(id, "").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!(fake.count("Jobs.Cancel"), 1);
}

#[tokio::test]
async fn a_call_is_given_up_after_as_many_attempts_as_allowed() {
    let fake = Fake::new();
    let client = client(fake.serve().await);
    for _ in 0..9 {
        fake.fail("Pipelines.List", Fault::Status(Code::Unavailable, "busy"));
    }
    assert_eq!(client.pipelines().list().await.unwrap_err().kind(), ErrorKind::Unreachable);
    assert_eq!(fake.count("Pipelines.List"), 4);
}

#[tokio::test]
async fn a_silent_server_times_out_in_calls_and_in_streams() {
    let fake = Fake::new();
    let mut options = options(fake.serve().await);
    options.deadlines.call = Duration::from_millis(50);
    options.deadlines.message = Duration::from_millis(50);
    let client = Client::connect(&options).unwrap();
    fake.fail("Clara.Version", Fault::Hang);
    let error = client.server().version().await.unwrap_err();
    assert!(matches!(error, ClientError::TimedOut { call: "Clara.Version", .. }), "{error:?}");
    fake.fail("Pipelines.List", Fault::Hang);
    assert_eq!(client.pipelines().list().await.unwrap_err().kind(), ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_server_within_the_process_is_reached_without_a_network() {
    let fake = Fake::new();
    let (dialer, incoming) = in_process::pair();
    let server = tokio::spawn(fake.router(true).serve_with_incoming(incoming));
    let client = Client::in_process(dialer, &ConnectOptions::new(Default::default())).unwrap();
    assert_eq!(client.server().version().await.unwrap().text, "0.8.1");
    drop(client);
    // Without a dialer nobody can come any more, and the server ends by itself.
    server.await.unwrap().unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn a_socket_is_an_address() {
    let fake = Fake::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("l.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let incoming = tokio_stream::wrappers::UnixListenerStream::new(listener);
    tokio::spawn(fake.router(true).serve_with_incoming(incoming));
    let address = format!("unix:{}", path.display()).parse().unwrap();
    let mut options = ConnectOptions::new(address);
    options.credentials = Some(Credentials::Token("t".to_owned()));
    let client = Client::connect(&options).unwrap();
    assert_eq!(client.server().version().await.unwrap().text, "0.8.1");
    assert_eq!(fake.state().calls[0].1.as_deref(), Some("Bearer t"));
}

#[tokio::test]
async fn credentials_go_with_every_call_and_are_not_sent_in_plain_text_to_others() {
    let fake = Fake::new();
    let mut options = options(fake.serve().await);
    let password = Credentials::Password { user: "Aladdin".to_owned(), password: "open sesame".to_owned() };
    options.credentials = Some(password);
    let client = Client::connect(&options).unwrap();
    client.pipelines().list().await.unwrap();
    client.server().info().await.unwrap();
    let expected = Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".to_owned());
    assert!(fake.state().calls.iter().all(|(_, sent)| *sent == expected));
    options.address = "lab.example.org".parse().unwrap();
    let error = Client::connect(&options).unwrap_err();
    assert!(matches!(error, ClientError::PlainTextCredentials { .. }), "{error:?}");
}

#[tokio::test]
async fn credentials_that_are_refused_are_said_to_be() {
    let fake = Fake::new();
    let client = client(fake.serve().await);
    fake.fail("Clara.Version", Fault::Status(Code::Unauthenticated, "unknown token"));
    let error = client.server().version().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert_eq!(fake.count("Clara.Version"), 1);
}

#[tokio::test]
async fn a_pinned_certificate_is_taken_and_no_other() {
    let fake = Fake::new();
    let made = rcgen::generate_simple_self_signed(vec!["elsewhere.example.org".to_owned()]).unwrap();
    let identity = Identity::from_pem(made.cert.pem(), made.signing_key.serialize_pem());
    let address = fake.serve_tls(ServerTlsConfig::new().identity(identity)).await;
    let mut options = ConnectOptions::new(format!("https://{address}").parse().unwrap());
    options.attempts = 1;
    options.trust = Trust::Pinned(Fingerprint::of(made.cert.der()));
    let client = Client::connect(&options).unwrap();
    assert_eq!(client.server().version().await.unwrap().text, "0.8.1");
    for trust in [Trust::Pinned(Fingerprint::of(b"another")), Trust::System] {
        options.trust = trust;
        let client = Client::connect(&options).unwrap();
        let error = client.server().version().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
        assert!(error.to_string().contains("certificate"), "{error}");
    }
    // Signed by the authority in the file, but for another host.
    options.trust = Trust::Authorities(made.cert.pem().into_bytes());
    let client = Client::connect(&options).unwrap();
    assert_eq!(client.server().version().await.unwrap_err().kind(), ErrorKind::Unreachable);
    assert_eq!(fake.count("Clara.Version"), 1);
}

/// Forwards connections; the first one breaks after so many bytes from the server.
async fn breaking_proxy(server: SocketAddr, first_bytes: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut left = Some(first_bytes);
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect(server).await.unwrap();
            tokio::spawn(forward(near, far, left.take()));
        }
    });
    address
}

async fn forward(near: TcpStream, far: TcpStream, mut left: Option<usize>) {
    let (mut from_client, mut to_client) = near.into_split();
    let (mut from_server, mut to_server) = far.into_split();
    let up = tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
    let mut buffer = vec![0; 8192];
    while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
        if to_client.write_all(&buffer[..read]).await.is_err() {
            break;
        }
        if let Some(left) = &mut left {
            *left = left.saturating_sub(read);
            if *left == 0 {
                break;
            }
        }
    }
    up.abort();
}

#[tokio::test]
async fn a_download_whose_connection_breaks_starts_again_and_arrives_whole() {
    let fake = Fake::new();
    let direct = fake.serve().await;
    let client = client(breaking_proxy(direct, 200_000).await);
    let data: Vec<u8> = (0..1_000_000u32).map(|n| (n % 251) as u8).collect();
    let id = client.payloads().create(&Default::default()).await.unwrap();
    fake.state().payloads.get_mut(&id.to_string()).unwrap().files.insert("/a".to_owned(), data.clone());
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("a");
    let progress = platform_client::payloads::TransferProgress::new();
    let path = platform_client::payload::PayloadPath::to_find("/a").unwrap();
    client.payloads().download_file(id, &path, &target, Default::default(), &progress).await.unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), data);
    assert_eq!(fake.count("Payloads.Download"), 2);
    assert_eq!(progress.bytes().0, 1_000_000, "bytes of the broken attempt do not count");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_server_without_our_services_is_told_from_one_that_fails() {
    let fake = Fake::new();
    let client = client(fake.serve_published_api_only().await);
    assert_eq!(client.server().info().await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(client.payloads().list(&[]).await.unwrap_err().kind(), ErrorKind::Unsupported);
    let id = fake.add_job("a", 1, 1).parse().unwrap();
    assert_eq!(client.jobs().snapshot(id).await.unwrap_err().kind(), ErrorKind::Unsupported);
}
