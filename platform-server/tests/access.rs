//! Who gets in, who does not, and what is written down of it.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine as _;
use platform_api::code;
use platform_server::access::{
    AuditLog, AuditNote, Caller, Denied, Doors, FileAccounts, Gate, Guarded, NewUser, Peer,
    RepositoryAccounts, Right, Role, ThrottleLimits, hash_password, new_token,
};
use platform_server::repository::{AuditRow, Change, Repository, SqliteOptions, SqliteRepository};
use prost::Message as _;
use tonic::{Code, Status};
use tower_service::Service;

const LIMITS: ThrottleLimits = ThrottleLimits { attempts: 3, window: Duration::from_secs(60) };
const LIST: &str = "/nvidia.clara.platform.Jobs/List";
const CREATE: &str = "/nvidia.clara.platform.Jobs/Create";
const DOWNLOAD: &str = "/nvidia.clara.platform.Payloads/Download";
const NEW_PIPELINE: &str = "/nvidia.clara.platform.Pipelines/Create";
const STOP: &str = "/nvidia.clara.platform.Clara/Stop";
const USERS: &str = "/lantern.platform.v1.Access/ListUsers";
const HEALTH: &str = "/grpc.health.v1.Health/Check";

fn network(last: u8) -> Peer {
    Peer::Network(([192, 0, 2, last], 4000).into())
}

fn basic(name: &str, password: &str) -> Vec<u8> {
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
    format!("Basic {encoded}").into_bytes()
}

fn open_repository(folder: &tempfile::TempDir) -> Arc<dyn Repository> {
    Arc::new(SqliteRepository::open(&folder.path().join("records.sqlite"), SqliteOptions::default()).unwrap())
}

/// A database with a user for each role; the passwords are their names twice.
async fn with_users(folder: &tempfile::TempDir) -> Arc<dyn Repository> {
    let repository = open_repository(folder);
    let users = [("viewer", Role::Viewer), ("operator", Role::Operator), ("admin", Role::Admin)];
    let changes = users.map(|(name, role)| {
        let password = format!("{name}{name}");
        let may_download = role == Role::Operator;
        let user = NewUser { name, password: Some(&password), role, may_download, created_ms: 0 };
        Change::PutUser(user.into_row().unwrap())
    });
    repository.commit(changes.into()).await.unwrap();
    repository
}

fn gate(repository: &Arc<dyn Repository>) -> Gate {
    let accounts = Arc::new(RepositoryAccounts::new(Arc::clone(repository)));
    Gate::new(Doors::Users { accounts, legacy: (Role::Operator, false) }, LIMITS).unwrap()
}

async fn admit(gate: &Gate, path: &str, peer: Peer, with: Option<&[u8]>) -> Result<Caller, Denied> {
    gate.admit(path, peer, with).await.map(|(caller, _)| caller)
}

fn is_wrong<T>(result: Result<T, Denied>) -> bool {
    matches!(result, Err(Denied::WrongCredentials { .. }))
}

#[test]
fn every_call_of_every_service_has_one_right() {
    let set = prost_types::FileDescriptorSet::decode(platform_api::proto::FILE_DESCRIPTOR_SET).unwrap();
    let mut calls = Vec::new();
    for file in &set.file {
        for service in &file.service {
            for method in &service.method {
                calls.push(format!("/{}.{}/{}", file.package(), service.name(), method.name()));
            }
        }
    }
    assert!(calls.len() > 45, "the descriptors hold all services: {}", calls.len());
    for call in &calls {
        assert!(Right::of(call).is_some(), "`{call}` has no right");
    }
    let mut seen = std::collections::BTreeSet::new();
    for right in platform_server::access::RIGHTS {
        assert!(seen.insert(right.path), "`{}` stands twice", right.path);
        let is_standard = right.path.starts_with("/grpc.");
        assert!(is_standard || calls.iter().any(|call| call == right.path), "`{}` is no call", right.path);
        assert!(is_standard || right.role.is_some(), "`{}` is open to anybody", right.path);
    }
}

#[tokio::test]
async fn a_role_may_do_what_it_may_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let repository = with_users(&folder).await;
    let gate = gate(&repository);
    // Whether each of the three may do it.
    let table = [
        (LIST, [true, true, true]),
        (CREATE, [false, true, true]),
        (NEW_PIPELINE, [false, false, true]),
        (DOWNLOAD, [false, true, false]),
        (STOP, [false, false, true]),
        (USERS, [false, false, true]),
    ];
    for (path, expected) in table {
        for (name, may) in ["viewer", "operator", "admin"].into_iter().zip(expected) {
            let with = basic(name, &format!("{name}{name}"));
            let result = admit(&gate, path, network(1), Some(&with)).await;
            match result {
                Ok(caller) => assert!(may && &*caller.user == name, "{name} {path}"),
                Err(Denied::RoleTooWeak { .. } | Denied::NoDownloads { .. }) => {
                    assert!(!may, "{name} {path}")
                }
                Err(other) => panic!("{name} {path}: {other}"),
            }
        }
    }
    assert_eq!(admit(&gate, LIST, network(1), None).await, Err(Denied::NotLoggedIn));
    assert!(admit(&gate, HEALTH, network(1), None).await.unwrap().role.is_none());
    assert_eq!(
        admit(&gate, "/lantern.platform.v1.Jobs/Undo", network(1), None).await,
        Err(Denied::NoSuchCall)
    );
}

#[tokio::test]
async fn tokens_open_until_they_end_or_their_user_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let repository = with_users(&folder).await;
    let gate = gate(&repository);
    let (good, row) = new_token("Operator", "a script", 0, None).unwrap();
    let (old, old_row) = new_token("operator", "an old script", 0, Some(1)).unwrap();
    let kept = format!("{row:?}");
    assert!(!kept.contains(&good.reveal()) && row.digest == good.digest());
    repository.commit(vec![Change::AddToken(row), Change::AddToken(old_row)]).await.unwrap();
    let bearer = format!("bearer  {}", good.reveal());
    let caller = admit(&gate, CREATE, network(1), Some(bearer.as_bytes())).await.unwrap();
    assert_eq!((&*caller.user, caller.role), ("operator", Some(Role::Operator)));
    let ended = format!("Bearer {}", old.reveal());
    assert!(is_wrong(admit(&gate, LIST, network(1), Some(ended.as_bytes())).await));
    let mut row = repository.user("operator").unwrap().unwrap();
    row.is_enabled = false;
    repository.commit(vec![Change::PutUser(row)]).await.unwrap();
    assert!(is_wrong(admit(&gate, CREATE, network(1), Some(bearer.as_bytes())).await));
}

#[tokio::test]
async fn broken_credentials_let_nobody_in() {
    let folder = tempfile::tempdir().unwrap();
    let repository = with_users(&folder).await;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    for with in [
        Vec::new(),
        b"Bearer".to_vec(),
        b"Bearer lantern_AAAA".to_vec(),
        b"Basic".to_vec(),
        b"Basic !!!".to_vec(),
        format!("Basic {}", encode(b"operator")).into_bytes(),
        format!("Basic {}", encode(b"\xff\xfe:x")).into_bytes(),
        b"Digest operator".to_vec(),
        [b"Basic ".as_slice(), &[b'A'; 100_000]].concat(),
        vec![0xff; 10],
        basic("operator", ""),
        basic("", "operatoroperator"),
        basic("operator", "operatoroperator "),
    ] {
        // Each from another address, so that none is refused unseen.
        let gate = gate(&repository);
        assert!(is_wrong(admit(&gate, LIST, network(1), Some(&with)).await), "{with:?}");
    }
}

#[tokio::test]
async fn guessing_is_refused_unseen_after_a_few_tries() {
    let folder = tempfile::tempdir().unwrap();
    let repository = with_users(&folder).await;
    let gate = gate(&repository);
    for name in ["operator", "nobody"] {
        for n in 0..3 {
            // Another address each time: the name is what counts.
            let wrong = basic(name, "a wrong guess");
            assert!(is_wrong(admit(&gate, LIST, network(10 + n), Some(&wrong)).await), "{name}");
        }
        let right = basic(name, "operatoroperator");
        let result = admit(&gate, LIST, network(20), Some(&right)).await;
        assert!(matches!(result, Err(Denied::TooManyFailures { .. })), "{name}: {result:?}");
    }
}

#[tokio::test]
async fn an_address_that_tries_many_names_is_refused_too() {
    let folder = tempfile::tempdir().unwrap();
    let repository = with_users(&folder).await;
    let gate = gate(&repository);
    for name in ["a", "b"] {
        assert!(is_wrong(admit(&gate, LIST, network(1), Some(&basic(name, "a wrong guess"))).await));
    }
    assert!(is_wrong(admit(&gate, LIST, network(1), Some(b"Bearer lantern_x")).await));
    let right = basic("operator", "operatoroperator");
    let result = admit(&gate, LIST, network(1), Some(&right)).await;
    assert!(matches!(result, Err(Denied::TooManyFailures { .. })), "{result:?}");
    admit(&gate, LIST, network(2), Some(&right)).await.unwrap();
}

#[tokio::test]
async fn who_shares_an_address_with_a_client_that_fails_is_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let repository = with_users(&folder).await;
    let gate = gate(&repository);
    let (token, row) = new_token("operator", "", 0, None).unwrap();
    repository.commit(vec![Change::AddToken(row)]).await.unwrap();
    let bearer = format!("Bearer {}", token.reveal());
    let (known, unknown) = (basic("operator", "operatoroperator"), basic("viewer", "viewerviewer"));
    admit(&gate, LIST, network(1), Some(&known)).await.unwrap();
    for _ in 0..3 {
        assert!(is_wrong(admit(&gate, LIST, network(1), Some(b"Bearer lantern_x")).await));
    }
    for broken in [b"Bearer lantern_x".as_slice(), b"Digest x", b"Basic !!!", &unknown] {
        let result = admit(&gate, LIST, network(1), Some(broken)).await;
        assert!(matches!(result, Err(Denied::TooManyFailures { .. })), "{result:?}");
    }
    for right in [bearer.as_bytes(), &known] {
        admit(&gate, LIST, network(1), Some(right)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_at_once_with_the_right_password_all_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let repository = with_users(&folder).await;
    let gate = Arc::new(gate(&repository));
    let calls: Vec<_> = (0..40)
        .map(|_| {
            let gate = Arc::clone(&gate);
            tokio::spawn(async move {
                let with = basic("operator", "operatoroperator");
                admit(&gate, LIST, network(1), Some(&with)).await
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    // A new password ends the old one at once.
    let mut row = repository.user("operator").unwrap().unwrap();
    row.password_hash = Some(hash_password("another password").unwrap());
    repository.commit(vec![Change::PutUser(row)]).await.unwrap();
    assert!(is_wrong(admit(&gate, LIST, network(1), Some(&basic("operator", "operatoroperator"))).await));
    admit(&gate, LIST, network(1), Some(&basic("OPERATOR", "another password"))).await.unwrap();
}

#[tokio::test]
async fn doors_differ_by_where_a_call_comes_from() {
    let folder = tempfile::tempdir().unwrap();
    let repository = with_users(&folder).await;
    let users = gate(&repository);
    let open = Gate::new(Doors::Open, LIMITS).unwrap();
    let legacy = Peer::Legacy(([192, 0, 2, 1], 4000).into());
    for peer in [Peer::InProcess, Peer::Local] {
        assert_eq!(admit(&users, NEW_PIPELINE, peer, None).await.unwrap().role, Some(Role::Admin));
    }
    admit(&users, CREATE, legacy, None).await.unwrap();
    assert!(matches!(admit(&users, NEW_PIPELINE, legacy, None).await, Err(Denied::RoleTooWeak { .. })));
    assert!(matches!(admit(&users, DOWNLOAD, legacy, None).await, Err(Denied::NoDownloads { .. })));
    admit(&open, DOWNLOAD, legacy, None).await.unwrap();
    admit(&open, NEW_PIPELINE, network(1), None).await.unwrap();
    for gate in [&users, &open] {
        // The port of published clients has nothing that they do not know.
        for path in
            ["/lantern.platform.v1.Events/Watch", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"]
        {
            assert_eq!(admit(gate, path, legacy, None).await, Err(Denied::NoSuchCall), "{path}");
        }
    }
}

#[tokio::test]
async fn users_of_a_file_log_in() {
    let (token, row) = new_token("ben", "", 0, None).unwrap();
    let digest: String = row.digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let hash = hash_password("correct horse").unwrap();
    let text = format!(
        "[users.Anna]\npassword = '{hash}'\nrole = 'admin'\n\n[users.ben]\nrole = 'viewer'\nmay-download = true\n\
         tokens = ['sha256:{digest}']\n\n[users.carl]\nrole = 'viewer'\nenabled = false\npassword = '{hash}'\n"
    );
    let accounts = Arc::new(FileAccounts::parse(&text).unwrap());
    let gate = Gate::new(Doors::Users { accounts, legacy: (Role::Viewer, false) }, LIMITS).unwrap();
    let caller = admit(&gate, NEW_PIPELINE, network(1), Some(&basic("anna", "correct horse"))).await.unwrap();
    assert_eq!(&*caller.user, "Anna");
    let bearer = format!("Bearer {}", token.reveal());
    let caller = admit(&gate, DOWNLOAD, network(1), Some(bearer.as_bytes())).await.unwrap();
    assert_eq!(&*caller.user, "ben");
    assert!(is_wrong(admit(&gate, LIST, network(1), Some(&basic("carl", "correct horse"))).await));
}

#[tokio::test]
async fn settings_say_who_has_to_log_in() {
    let folder = tempfile::tempdir().unwrap();
    let repository = with_users(&folder).await;
    let mut config = platform_server::config::Config::embedded(folder.path());
    let open = platform_server::access::gate(&config, Arc::clone(&repository)).unwrap();
    admit(&open, NEW_PIPELINE, network(1), None).await.unwrap();
    config.access.mode = platform_server::config::AccessMode::Users;
    let users = platform_server::access::gate(&config, Arc::clone(&repository)).unwrap();
    assert_eq!(admit(&users, LIST, network(1), None).await, Err(Denied::NotLoggedIn));
    admit(&users, NEW_PIPELINE, network(1), Some(&basic("admin", "adminadmin"))).await.unwrap();
    config.access.users_file = Some(folder.path().join("users.toml"));
    assert!(platform_server::access::gate(&config, Arc::clone(&repository)).is_err(), "no file, no server");
    std::fs::write(folder.path().join("users.toml"), "[users.ben]\nrole = 'viewer'\n").unwrap();
    let file = platform_server::access::gate(&config, repository).unwrap();
    assert!(is_wrong(admit(&file, LIST, network(1), Some(&basic("admin", "adminadmin"))).await));
}

#[test]
fn a_file_of_users_that_is_wrong_anywhere_is_refused_without_its_secrets() {
    for (text, line) in [
        ("users = 3", 1),
        ("[users.anna]\nrole = 'viewer'\npasword = 'swordfish'", 1),
        ("[users.anna]\nrole = 'viewer'\npassword = 'swordfish'", 1),
        ("\n[users.anna]\nrole = 'boss'", 2),
        ("[users.anna]\n", 1),
        ("[users.anna]\nrole = 'viewer'\n[users.ANNA]\nrole = 'viewer'", 1),
        ("[users.\"a:b\"]\nrole = 'viewer'", 1),
        ("[users.anna]\nrole = 'viewer'\ntokens = ['swordfish']", 1),
        ("[users.anna\nrole = swordfish", 1),
        ("[admins]\n", 1),
    ] {
        let error = FileAccounts::parse(text).map(drop).unwrap_err().to_string();
        assert!(!error.contains("swordfish"), "{error}");
        assert!(error.contains(&format!("line {line}:")), "{text:?}: {error}");
    }
}

/// Answers every call, and says what it saw.
#[derive(Clone)]
struct Witness;

impl Service<http::Request<()>> for Witness {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<()>) -> Self::Future {
        assert!(request.headers().get("authorization").is_none(), "credentials stop at the gate");
        assert!(request.extensions().get::<Caller>().is_some());
        if let Some(note) = AuditNote::of(request.extensions()) {
            note.set_object("payload 7");
            if request.uri().path() == DOWNLOAD {
                note.set_refused(code::FILE_UNKNOWN);
            }
        }
        std::future::ready(Ok(Status::new(Code::Ok, "").into_http()))
    }
}

async fn call(guarded: &mut Guarded<Witness>, path: &str, peer: Option<Peer>, with: &[u8]) -> Code {
    let mut request = http::Request::builder().uri(path).header("authorization", with).body(()).unwrap();
    if let Some(peer) = peer {
        request.extensions_mut().insert(peer);
    }
    let answer = guarded.call(request).await.unwrap();
    Status::from_header_map(answer.headers()).map_or(Code::Ok, |status| status.code())
}

async fn audit(repository: &Arc<dyn Repository>, lines: usize) -> Vec<AuditRow> {
    // Lines are written in the order of commits, so an empty one comes after them.
    repository.commit(vec![]).await.unwrap();
    let rows = repository.audit(100).unwrap();
    assert_eq!(rows.len(), lines, "{rows:?}");
    rows
}

#[tokio::test]
async fn the_audit_log_tells_who_did_what_on_what_and_how_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let repository = with_users(&folder).await;
    let log = AuditLog::new(Arc::clone(&repository));
    let mut guarded = Guarded::new(Witness, Arc::new(gate(&repository)), Some(log));
    let peer = Some(network(1));
    let operator = basic("operator", "operatoroperator");
    assert_eq!(call(&mut guarded, CREATE, peer, &operator).await, Code::Ok);
    assert_eq!(call(&mut guarded, DOWNLOAD, peer, &operator).await, Code::Ok);
    assert_eq!(call(&mut guarded, LIST, peer, &operator).await, Code::Ok);
    assert_eq!(call(&mut guarded, NEW_PIPELINE, peer, &operator).await, Code::PermissionDenied);
    assert_eq!(
        call(&mut guarded, LIST, peer, &basic("operator", "a wrong guess")).await,
        Code::Unauthenticated
    );
    assert_eq!(
        call(&mut guarded, LIST, peer, &basic("swordfish", "a wrong guess")).await,
        Code::Unauthenticated
    );
    assert_eq!(
        call(&mut guarded, LIST, None, &operator).await,
        Code::PermissionDenied,
        "no listener marked it"
    );
    let rows = audit(&repository, 5).await;
    let told: Vec<[&str; 4]> =
        rows.iter().rev().map(|row| [&*row.user, &*row.action, &*row.object, &*row.outcome]).collect();
    assert_eq!(
        told,
        [
            ["operator", CREATE, "payload 7", "done"],
            ["operator", DOWNLOAD, "payload 7", "refused -12545"],
            ["operator", NEW_PIPELINE, "192.0.2.1", "PermissionDenied"],
            ["operator", "log in", "192.0.2.1", "Unauthenticated"],
            ["", "log in", "192.0.2.1", "Unauthenticated"],
        ]
    );
    assert!(!format!("{rows:?}").contains("swordfish"), "names that nobody has may be passwords");
}

/// Answers every call with a stream that never ends.
#[derive(Clone)]
struct Endless;

impl Service<http::Request<()>> for Endless {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<()>) -> Self::Future {
        let pieces = futures_util::stream::pending::<Result<http_body::Frame<bytes::Bytes>, Status>>();
        let body = tonic::body::Body::new(http_body_util::StreamBody::new(pieces));
        std::future::ready(Ok(http::Response::new(body)))
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_within_a_minute_of_the_right_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let repository = with_users(&folder).await;
    let guarded = Guarded::new(Endless, Arc::new(gate(&repository)), None);
    let (token, row) = new_token("operator", "", 0, None).unwrap();
    let digest = row.digest;
    repository.commit(vec![Change::AddToken(row)]).await.unwrap();
    let bearer = format!("Bearer {}", token.reveal()).into_bytes();
    let changed = |change: fn(&mut platform_server::repository::UserRow)| {
        let mut row = repository.user("operator").unwrap().unwrap();
        change(&mut row);
        Change::PutUser(row)
    };
    let steps = [
        (basic("operator", "operatoroperator"), CREATE, changed(|row| row.roles = vec!["viewer".into()]), 7),
        (basic("operator", "operatoroperator"), DOWNLOAD, changed(|row| row.may_download = false), 7),
        (basic("operator", "operatoroperator"), LIST, changed(|row| row.is_enabled = false), 16),
        (basic("operator", "operatoroperator"), LIST, changed(|row| row.password_hash = None), 16),
        (bearer.clone(), LIST, changed(|row| row.is_enabled = false), 16),
        (bearer, LIST, Change::RemoveToken(digest), 16),
    ];
    let as_before = changed(|_| ());
    for (with, path, change, code) in steps {
        repository.commit(vec![as_before.clone()]).await.unwrap();
        let mut request = http::Request::builder().uri(path).header("authorization", with).body(()).unwrap();
        request.extensions_mut().insert(network(1));
        let answer = guarded.clone().call(request).await.unwrap();
        assert!(answer.headers().get("grpc-status").is_none(), "{path}: {:?}", answer.headers());
        let reading = tokio::spawn(http_body_util::BodyExt::collect(answer.into_body()));
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert!(!reading.is_finished(), "{path}: nothing has changed yet");
        repository.commit(vec![change]).await.unwrap();
        let since = tokio::time::Instant::now();
        let ended = reading.await.unwrap().unwrap();
        assert!(since.elapsed() <= Duration::from_secs(61), "{:?}", since.elapsed());
        assert_eq!(ended.trailers().unwrap()["grpc-status"], code.to_string().as_str(), "{path}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn users_are_changed_by_the_owner_only_while_no_server_could_write() {
    use platform_server::executor::ExecutorError;
    use platform_server::executor::process::Claim;
    use platform_server::server::{StartError, open_audit, open_register};
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut config = platform_server::config::Config::embedded(&data);
    let executor = data.join("executor");
    let server = Claim::take(&executor).unwrap();
    for open in [open_register, open_audit] {
        let refused = open(&config).err().unwrap();
        assert!(matches!(refused, StartError::InUse { .. }) && refused.is_in_use(), "{refused}");
    }
    assert!(!data.join("records.sqlite").exists(), "its database is left alone");
    drop(server);
    let register = open_register(&config).unwrap();
    assert!(matches!(Claim::take(&executor), Err(ExecutorError::InUse { .. })), "no server starts meanwhile");
    drop(register);
    Claim::take(&executor).unwrap();
    config.access.users_file = Some("/etc/lantern/users.toml".into());
    assert!(matches!(open_register(&config), Err(StartError::UsersElsewhere { .. })));
    open_audit(&config).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn root_makes_no_files_in_the_folder_of_another_user() {
    use platform_server::server::{StartError, open_register};
    use std::os::unix::fs::chown;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    if chown(&data, Some(65_534), None).is_err() {
        eprintln!("not tested here: only root gives folders away");
        return;
    }
    let config = platform_server::config::Config::embedded(&data);
    assert!(matches!(open_register(&config), Err(StartError::NotOurs { .. })));
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 0);
    // The same for a database that lies elsewhere.
    chown(&data, Some(0), None).unwrap();
    let elsewhere = folder.path().join("elsewhere.sqlite");
    std::fs::write(&elsewhere, "").unwrap();
    chown(&elsewhere, Some(65_534), None).unwrap();
    let url = Some(platform_server::config::DatabaseUrl::Sqlite(elsewhere));
    let config = platform_server::config::Config {
        database: platform_server::config::DatabaseConfig { url },
        ..config
    };
    assert!(matches!(open_register(&config), Err(StartError::NotOurs { .. })));
}
