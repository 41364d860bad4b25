//! What can happen to a database server and to the way there: killed, cut off, locked, full, taken over.

#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]
#![cfg(unix)]

mod repository_support;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use platform_server::repository::{
    Address, Change, PostgresOptions, PostgresRepository, Repository, RepositoryError,
};
use repository_support::*;
use test_support::postgres::{Cluster, Database, OWNER};

/// The server may be slow to notice what happens to connections, as machines of tests are.
fn options() -> PostgresOptions {
    PostgresOptions { patience: Duration::from_secs(20), ..PostgresOptions::default() }
}

fn connect(url: &str) -> Result<PostgresRepository, RepositoryError> {
    PostgresRepository::open(&url.parse::<Address>().unwrap(), options())
}

fn event(body: &str) -> Change {
    Change::Event { at_ms: 1, kind: "k".into(), subject: "s".into(), body: body.into() }
}

fn bodies(repository: &dyn Repository) -> Vec<String> {
    repository.events(0, usize::MAX).unwrap().into_iter().map(|event| event.body).collect()
}

/// The bodies of all events, without a connection of the repository's own.
fn stored(cluster: &Cluster, database: &Database) -> Vec<String> {
    let bodies = cluster.sql(&database.name, "SELECT body FROM events ORDER BY number");
    bodies.lines().map(str::to_owned).collect()
}

/// An error with all its causes.
fn told(error: &RepositoryError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Asks until the database answers again.
fn insist(repository: &dyn Repository, body: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while let Err(error) = repository.commit(vec![event(body)]).wait() {
        assert!(error.is_transient() && Instant::now() < deadline, "{error}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_server_killed_under_load_loses_nothing_it_acknowledged_and_keeps_nothing_it_refused() {
    let Some(cluster) = Cluster::start(&[]) else { return };
    let soon = PostgresOptions { patience: Duration::from_millis(300), ..options() };
    let repository = PostgresRepository::open(&cluster.database().url.parse().unwrap(), soon).unwrap();
    let kept = Mutex::new(BTreeSet::new());
    let refused = AtomicUsize::new(0);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for caller in 0..6 {
            let (repository, kept, refused, is_over) = (&repository, &kept, &refused, &is_over);
            scope.spawn(move || {
                for n in 0.. {
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    let body = format!("{caller} {n}");
                    match repository.commit(vec![event(&body), event(&body)]).wait() {
                        Ok(_) => drop(kept.lock().unwrap().insert(body)),
                        Err(error) => {
                            assert!(matches!(error, RepositoryError::Unreachable { .. }), "{error}");
                            refused.fetch_add(1, Ordering::Relaxed);
                            std::thread::sleep(Duration::from_millis(20));
                        }
                    }
                }
            });
        }
        let count = || kept.lock().unwrap().len();
        let wait_for = |more: usize| {
            let (target, deadline) = (count() + more, Instant::now() + Duration::from_secs(60));
            while count() < target {
                assert!(Instant::now() < deadline, "{} of {target}", count());
                std::thread::sleep(Duration::from_millis(5));
            }
        };
        for round in 0..5 {
            wait_for(50);
            cluster.crash();
            // Twice it comes back before anybody is told, otherwise after.
            if round % 2 == 0 {
                let told = refused.load(Ordering::Relaxed);
                while refused.load(Ordering::Relaxed) == told {
                    std::thread::sleep(Duration::from_millis(5));
                }
                assert!(repository.events(0, 1).unwrap_err().is_transient());
            }
            cluster.restart();
        }
        wait_for(50);
        is_over.store(true, Ordering::Relaxed);
    });
    let found = bodies(&repository);
    let expected = kept.into_inner().unwrap();
    assert!(refused.into_inner() > 0 && expected.len() >= 300);
    assert_eq!(found.len(), expected.len() * 2, "each transaction once and whole");
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
}

/// What a go-between does to the next `COMMIT` that it sees.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Cut {
    /// Nothing.
    Never,
    /// The server never hears of it.
    Before,
    /// The server does it, its client never hears of that.
    After,
}

/// Stands between a repository and its server, and breaks connections.
struct Between {
    port: u16,
    cut: Arc<Mutex<Cut>>,
    open: Arc<Mutex<Vec<(TcpStream, UnixStream)>>>,
    is_closed: Arc<AtomicBool>,
    /// The server does not hear that a client is gone.
    is_quiet: Arc<AtomicBool>,
}

impl Between {
    fn start(cluster: &Cluster) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let socket: PathBuf = cluster.socket();
        let (cut, open) = (Arc::new(Mutex::new(Cut::Never)), Arc::new(Mutex::new(Vec::new())));
        let is_closed = Arc::new(AtomicBool::new(false));
        let is_quiet = Arc::new(AtomicBool::new(false));
        let between = Self {
            port,
            cut: cut.clone(),
            open: open.clone(),
            is_closed: is_closed.clone(),
            is_quiet: is_quiet.clone(),
        };
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { continue };
                if is_closed.load(Ordering::SeqCst) {
                    continue;
                }
                let server = UnixStream::connect(&socket).unwrap();
                open.lock().unwrap().push((client.try_clone().unwrap(), server.try_clone().unwrap()));
                carry(client, server, cut.clone(), is_quiet.clone());
            }
        });
        between
    }

    fn url(&self, database: &Database) -> String {
        format!("postgres://{OWNER}@127.0.0.1:{}/{}?sslmode=disable", self.port, database.name)
    }

    /// Breaks all connections; the server notices.
    fn break_all(&self) {
        for (client, server) in self.open.lock().unwrap().drain(..) {
            let _ = client.shutdown(Shutdown::Both);
            let _ = server.shutdown(Shutdown::Both);
        }
    }

    /// Breaks all connections for the client only; the server waits on.
    fn leave_server(&self) {
        self.is_quiet.store(true, Ordering::SeqCst);
        for (client, _) in self.open.lock().unwrap().iter() {
            let _ = client.shutdown(Shutdown::Both);
        }
    }

    fn accept(&self, accepts: bool) {
        self.is_closed.store(!accepts, Ordering::SeqCst);
    }
}

fn carry(client: TcpStream, server: UnixStream, cut: Arc<Mutex<Cut>>, is_quiet: Arc<AtomicBool>) {
    let (mut from_client, mut to_client) = (client.try_clone().unwrap(), client);
    let (mut from_server, mut to_server) = (server.try_clone().unwrap(), server);
    let is_muted = Arc::new(AtomicBool::new(false));
    let muted = is_muted.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; 1 << 16];
        while let Ok(length @ 1..) = from_client.read(&mut buffer) {
            let bytes = &buffer[..length];
            if bytes.windows(7).any(|window| window == b"COMMIT\0") {
                match std::mem::replace(&mut *cut.lock().unwrap(), Cut::Never) {
                    Cut::Never => {}
                    Cut::Before => break,
                    Cut::After => muted.store(true, Ordering::SeqCst),
                }
            }
            if to_server.write_all(bytes).is_err() {
                break;
            }
        }
        let _ = from_client.shutdown(Shutdown::Both);
        if !is_quiet.load(Ordering::SeqCst) {
            let _ = to_server.shutdown(Shutdown::Both);
        }
    });
    std::thread::spawn(move || {
        let mut buffer = [0; 1 << 16];
        while let Ok(length @ 1..) = from_server.read(&mut buffer) {
            if is_muted.load(Ordering::SeqCst) || to_client.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = to_client.shutdown(Shutdown::Both);
        let _ = from_server.shutdown(Shutdown::Both);
    });
}

#[test]
fn a_commit_whose_answer_is_lost_is_neither_lost_nor_done_twice() {
    let Some(cluster) = Cluster::shared() else { return };
    let database = cluster.database();
    let between = Between::start(cluster);
    let repository = connect(&between.url(&database)).unwrap();
    let mut expected = Vec::new();
    for (n, cut) in [Cut::After, Cut::Before, Cut::After, Cut::After, Cut::Before].into_iter().enumerate() {
        *between.cut.lock().unwrap() = cut;
        let body = format!("{n} {cut:?}");
        // Several at once share the commit that is cut.
        let receipts: Vec<_> = (0..3).map(|_| repository.commit(vec![event(&body)])).collect();
        for receipt in receipts {
            receipt.wait().unwrap();
            expected.push(body.clone());
        }
        assert_eq!(*between.cut.lock().unwrap(), Cut::Never, "it was cut");
        assert_eq!(stored(cluster, &database), expected);
    }
}

#[test]
fn while_a_lost_answer_is_looked_for_others_are_refused_and_later_all_is_known() {
    let Some(cluster) = Cluster::shared() else { return };
    let database = cluster.database();
    let between = Between::start(cluster);
    let repository = connect(&between.url(&database)).unwrap();
    for cut in [Cut::After, Cut::Before] {
        let before = stored(cluster, &database).len();
        between.accept(false);
        *between.cut.lock().unwrap() = cut;
        let first = repository.commit(vec![event("first")]);
        let deadline = Instant::now() + Duration::from_secs(30);
        while *between.cut.lock().unwrap() != Cut::Never {
            assert!(Instant::now() < deadline);
            std::thread::sleep(Duration::from_millis(5));
        }
        let error = repository.commit(vec![event("others")]).wait().unwrap_err();
        assert!(matches!(error, RepositoryError::Unreachable { .. }), "{error}");
        between.accept(true);
        let first = first.wait();
        let found = stored(cluster, &database).len() - before;
        // It is written again where the database did not have it.
        assert_eq!((first.is_ok(), found), (true, 1), "{cut:?}: {first:?}");
    }
}

#[test]
fn a_repository_that_closes_before_it_knows_says_that_it_does_not() {
    let Some(cluster) = Cluster::shared() else { return };
    let database = cluster.database();
    let between = Between::start(cluster);
    let repository = connect(&between.url(&database)).unwrap();
    between.accept(false);
    *between.cut.lock().unwrap() = Cut::After;
    let receipt = repository.commit(vec![event("e")]);
    drop(repository);
    let error = receipt.wait().unwrap_err();
    assert!(matches!(error, RepositoryError::Uncertain) && !error.is_transient(), "{error}");
    assert_eq!(stored(cluster, &database), ["e"]);
}

#[test]
fn connections_that_broke_while_nothing_happened_are_made_again_unseen() {
    let Some(cluster) = Cluster::shared() else { return };
    let database = cluster.database();
    let between = Between::start(cluster);
    let repository = connect(&between.url(&database)).unwrap();
    for n in 0..3 {
        repository.commit(vec![event(&n.to_string())]).wait().unwrap();
        assert_eq!(bodies(&repository).len(), n + 1);
        between.break_all();
        assert_eq!(bodies(&repository).len(), n + 1);
        cluster.sql(
            "postgres",
            &format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'",
                database.name
            ),
        );
    }
    repository.commit(vec![event("last")]).wait().unwrap();
}

#[test]
fn the_servers_side_of_a_broken_connection_does_not_keep_its_own_repository_out() {
    let Some(cluster) = Cluster::shared() else { return };
    let database = cluster.database();
    let between = Between::start(cluster);
    let repository = connect(&between.url(&database)).unwrap();
    repository.commit(vec![event("before")]).wait().unwrap();
    between.leave_server();
    insist(&repository, "after");
    assert_eq!(bodies(&repository), ["before", "after"]);
}

#[test]
fn a_server_that_lost_its_database_to_another_never_writes_again() {
    let Some(cluster) = Cluster::shared() else { return };
    let database = cluster.database();
    let between = Between::start(cluster);
    let first = connect(&between.url(&database)).unwrap();
    first.commit(vec![event("first")]).wait().unwrap();
    between.accept(false);
    between.break_all();
    let second = connect(&database.url).unwrap();
    second.commit(vec![event("second")]).wait().unwrap();
    between.accept(true);
    drop(second);
    for _ in 0..2 {
        let error = first.commit(vec![event("stale")]).wait().unwrap_err();
        assert!(matches!(error, RepositoryError::TakenOver) && !error.is_transient(), "{error}");
    }
    drop(first);
    assert_eq!(bodies(&connect(&database.url).unwrap()), ["first", "second"]);
}

#[test]
fn a_server_with_nothing_to_write_takes_its_database_back_before_another_comes() {
    let Some(cluster) = Cluster::shared() else { return };
    let database = cluster.database();
    let between = Between::start(cluster);
    let first = connect(&between.url(&database)).unwrap();
    first.commit(vec![event("first")]).wait().unwrap();
    let name = &database.name;
    let holders = format!(
        "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
            WHERE locktype = 'advisory' AND granted AND datname = '{name}'"
    );
    between.accept(false);
    between.break_all();
    let wait_for = |count: &str| {
        let deadline = Instant::now() + Duration::from_secs(60);
        while cluster.sql("postgres", &holders) != count {
            assert!(Instant::now() < deadline, "not {count}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    wait_for("0");
    between.accept(true);
    wait_for("1");
    let soon = PostgresOptions { patience: Duration::from_millis(300), ..options() };
    let second = PostgresRepository::open(&database.url.parse().unwrap(), soon);
    assert!(matches!(second, Err(RepositoryError::InUse { .. })));
    first.commit(vec![event("second")]).wait().unwrap();
    assert_eq!(bodies(&first), ["first", "second"]);
}

#[test]
fn a_database_that_went_back_in_time_is_noticed() {
    let Some(cluster) = Cluster::shared() else { return };
    let database = cluster.database();
    let between = Between::start(cluster);
    let repository = connect(&between.url(&database)).unwrap();
    for _ in 0..3 {
        repository.commit(vec![event("e")]).wait().unwrap();
    }
    // As a standby that had not heard of the last commit yet and became the server.
    cluster
        .sql(&database.name, "DELETE FROM events WHERE number = 3; UPDATE lantern SET commits = commits - 1");
    between.break_all();
    let error = repository.commit(vec![event("e")]).wait().unwrap_err();
    assert!(matches!(error, RepositoryError::WentBack) && !error.is_transient(), "{error}");
}

/// The client of the command line, holding something until it is dropped.
struct Holding(Child);

impl Holding {
    fn start(cluster: &Cluster, database: &Database, statements: &str) -> Self {
        let mut psql = cluster.psql(&database.name);
        let mut child = psql.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        writeln!(child.stdin.as_mut().unwrap(), "{statements}; SELECT 'held';").unwrap();
        let mut answer = [0; 4];
        child.stdout.as_mut().unwrap().read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"held");
        Self(child)
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn a_table_locked_by_others_is_told_and_nothing_is_lost() {
    let Some(cluster) = Cluster::shared() else { return };
    let database = cluster.database();
    let options = PostgresOptions { lock_timeout: Duration::from_millis(50), ..options() };
    let repository = PostgresRepository::open(&database.url.parse().unwrap(), options).unwrap();
    repository.commit(vec![event("before")]).wait().unwrap();
    let held = Holding::start(cluster, &database, "BEGIN; LOCK TABLE events IN SHARE MODE");
    let receipts: Vec<_> = (0..30).map(|_| repository.commit(vec![event("during")])).collect();
    for receipt in receipts {
        let error = receipt.wait().unwrap_err();
        assert!(matches!(error, RepositoryError::Locked) && error.is_transient(), "{error}");
    }
    assert_eq!(bodies(&repository), ["before"], "readers do not mind");
    drop(held);
    repository.commit(vec![event("after")]).wait().unwrap();
    assert_eq!(bodies(&repository), ["before", "after"]);
}

#[test]
fn a_statement_that_takes_too_long_is_given_up_and_told() {
    let Some(cluster) = Cluster::shared() else { return };
    let database = cluster.database();
    let options = PostgresOptions { statement_timeout: Duration::from_millis(200), ..options() };
    let repository = PostgresRepository::open(&database.url.parse().unwrap(), options).unwrap();
    repository.commit(vec![event("before")]).wait().unwrap();
    let held = Holding::start(cluster, &database, "BEGIN; LOCK TABLE events IN ACCESS EXCLUSIVE MODE");
    let error = repository.commit(vec![event("during")]).wait().unwrap_err();
    assert!(matches!(error, RepositoryError::TooSlow) && error.is_transient(), "{error}");
    let error = repository.events(0, 1).unwrap_err();
    assert!(matches!(error, RepositoryError::TooSlow), "{error}");
    drop(held);
    repository.commit(vec![event("after")]).wait().unwrap();
    assert_eq!(bodies(&repository), ["before", "after"]);
}

#[test]
fn a_full_disk_is_told_and_small_changes_do_not_fail_for_a_large_neighbour() {
    let Some(cluster) = Cluster::shared() else { return };
    let database = cluster.database();
    let repository = connect(&database.url).unwrap();
    // The server's own error, for whatever is large.
    let full = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF length(NEW.body) > 1000 THEN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END IF;
        RETURN NEW; END $$;
        CREATE TRIGGER full_disk BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION full_disk()";
    cluster.sql(&database.name, full);
    for _ in 0..20 {
        let small_before = repository.commit(vec![event("small")]);
        let large = repository.commit(vec![event("half of it"), event(&"x".repeat(1 << 20))]);
        let small_after = repository.commit(vec![event("small")]);
        small_before.wait().unwrap();
        let error = large.wait().unwrap_err();
        assert!(matches!(error, RepositoryError::DiskFull) && error.is_transient(), "{error}");
        small_after.wait().unwrap();
    }
    let found = bodies(&repository);
    assert!(found.len() == 40 && found.iter().all(|body| body == "small"));
}

#[test]
fn what_passes_is_told_as_such_and_what_does_not_is_not() {
    let Some(cluster) = Cluster::shared() else { return };
    let database = cluster.database();
    let repository = connect(&database.url).unwrap();
    // The server's own errors, by the name that an event has.
    let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'refused' USING ERRCODE = NEW.body; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON events FOR EACH ROW WHEN (NEW.kind = 'k')
        EXECUTE FUNCTION refuse()";
    cluster.sql(&database.name, refuse);
    for (code, passes) in [
        ("25006", true),
        ("40001", true),
        ("40P01", true),
        ("53000", true),
        ("53100", true),
        ("53200", true),
        ("53400", true),
        ("55P03", true),
        ("57014", true),
        ("58030", true),
        ("22000", false),
        ("23505", false),
        ("XX001", false),
    ] {
        let error = repository.commit(vec![event(code)]).wait().unwrap_err();
        assert_eq!(error.is_transient(), passes, "{code}: {error:?}");
    }
    cluster.sql(&database.name, "DROP TRIGGER refuse ON events");
    repository.commit(vec![event("kept")]).wait().unwrap();
    assert_eq!(bodies(&repository), ["kept"]);
}

#[test]
fn a_standby_is_never_settled_on() {
    let (Some(cluster), Some(other)) = (Cluster::start(&["-F"]), Cluster::shared()) else { return };
    let database = cluster.database();
    let soon = PostgresOptions { patience: Duration::from_millis(300), ..options() };
    let repository = PostgresRepository::open(&database.url.parse().unwrap(), soon).unwrap();
    repository.commit(vec![event("before")]).wait().unwrap();
    cluster.crash();
    cluster.restart_as_standby();
    let error = repository.commit(vec![event("refused")]).wait().unwrap_err();
    assert!(matches!(error, RepositoryError::Unreachable { .. }) && error.is_transient(), "{error}");
    let error = repository.events(0, 1).unwrap_err();
    assert!(matches!(error, RepositoryError::Unreachable { .. }), "{error}");

    let place =
        |cluster: &Cluster| cluster.socket().parent().unwrap().display().to_string().replace('/', "%2F");
    other.sql("postgres", "CREATE DATABASE elsewhere");
    cluster.promote();
    cluster.sql("postgres", "CREATE DATABASE elsewhere");
    insist(&repository, "after");
    assert_eq!(bodies(&repository), ["before", "after"]);
    drop(repository);

    cluster.crash();
    cluster.restart_as_standby();
    let hosts = format!("{},{}", place(&cluster), place(other));
    let both = connect(&format!("postgres://{OWNER}@{hosts}/elsewhere")).unwrap();
    both.commit(vec![event("written")]).wait().unwrap();
    assert_eq!(bodies(&both), ["written"]);
    assert_eq!(other.sql("elsewhere", "SELECT body FROM events"), "written");
}

#[test]
fn errors_of_opening_say_what_is_wrong_and_no_password() {
    let Some(cluster) = Cluster::shared() else { return };
    let database = cluster.database();
    cluster.sql("postgres", "CREATE ROLE guarded LOGIN PASSWORD 'right-secret'");
    cluster.sql(&database.name, "GRANT ALL ON SCHEMA public TO guarded");
    let url = |password: &str| cluster.url(&format!("guarded:{password}"), &database.name);
    for (url, expected) in [
        (url("wrong-secret"), "password authentication failed"),
        (cluster.url("guarded", &database.name), "password"),
        (cluster.url(OWNER, "nowhere"), "\"nowhere\" does not exist"),
        (cluster.url("stranger:some-secret", &database.name), "password authentication failed"),
        ("postgres://u:some-secret@127.0.0.1:1/x".to_owned(), "refused"),
        ("postgres://u:some-secret@%2Fnowhere/x".to_owned(), "No such file"),
        (format!("{}?sslmode=require", cluster.url(OWNER, "x")), ""),
    ] {
        let error = connect(&url).err().unwrap();
        let text = format!("{} {error:?}", told(&error));
        assert!(matches!(error, RepositoryError::Open { .. }), "{text}");
        assert!(text.contains(expected) && !text.contains("secret"), "{text}");
    }
    connect(&url("right-secret")).unwrap();
}

#[test]
fn a_database_of_an_earlier_server_is_brought_up_to_date_with_all_it_holds() {
    let Some(cluster) = Cluster::shared() else { return };
    let database = cluster.database();
    let repository = connect(&database.url).unwrap();
    repository.commit(vec![create_pipeline(1, "x")]).wait().unwrap();
    let before = repository.pipelines().unwrap();
    drop(repository);
    let earlier = "ALTER TABLE pipelines DROP COLUMN revision; UPDATE lantern SET version = 1";
    cluster.sql(&database.name, earlier);
    let repository = connect(&database.url).unwrap();
    assert_eq!(repository.pipelines().unwrap(), before);
    assert_eq!(before[0].revision, 1);
}

#[test]
fn foreign_newer_and_unsuitable_databases_are_refused_untouched() {
    let Some(cluster) = Cluster::shared() else { return };
    let database = cluster.database();
    cluster.sql(&database.name, "CREATE TABLE cats (name TEXT)");
    let error = connect(&database.url).err().unwrap();
    assert!(matches!(error, RepositoryError::NotOurs { .. }), "{error}");
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(cluster.sql(&database.name, tables), "1");

    let database = cluster.database();
    drop(connect(&database.url).unwrap());
    cluster.sql(&database.name, "UPDATE lantern SET version = 99");
    let error = connect(&database.url).err().unwrap();
    assert!(matches!(error, RepositoryError::TooNew { found: 99, .. }), "{error}");

    cluster.sql("postgres", "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'");
    let error = connect(&cluster.url(OWNER, "latin")).err().unwrap();
    assert!(matches!(error, RepositoryError::Unsuitable { .. }), "{error}");
    assert!(error.to_string().contains("LATIN1"), "{error}");
}

#[test]
fn a_definition_cannot_be_changed_even_by_hand_and_references_hold() {
    let Some(cluster) = Cluster::shared() else { return };
    let database = cluster.database();
    let repository = connect(&database.url).unwrap();
    repository.commit(vec![create_pipeline(1, "x")]).wait().unwrap();
    for statement in ["UPDATE definition_files SET content = 'other'", "DELETE FROM definitions"] {
        let output = cluster.psql(&database.name).args(["-c", statement]).output().unwrap();
        assert!(!output.status.success(), "{statement}");
    }
}

#[test]
fn a_repository_may_be_read_from_asynchronous_code() {
    let Some(cluster) = Cluster::shared() else { return };
    let repository = connect(&cluster.database().url).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        repository.commit(vec![create_pipeline(1, "x")]).await.unwrap();
        assert_eq!(repository.pipelines().unwrap().len(), 1);
    });
}

/// An authority and a certificate for `localhost` that it signed, with the certificate's key.
fn certificates() -> (String, String, String) {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let server = server.signed_by(&key, &authority).unwrap();
    (authority.pem(), server.pem(), key.serialize_pem())
}

#[test]
fn sslmode_decides_whom_a_connection_trusts() {
    let (authority, certificate, key) = certificates();
    let Some(cluster) = Cluster::start_with_tls(&certificate, &key) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (ours, other) = (folder.path().join("ours.pem"), folder.path().join("other.pem"));
    std::fs::write(&ours, authority).unwrap();
    std::fs::write(&other, certificates().0).unwrap();
    let (ours, other) = (ours.display(), other.display());
    let database = cluster.database();
    cluster.sql("postgres", "CREATE ROLE guarded LOGIN SUPERUSER PASSWORD 'secret'");
    let port = cluster.port();
    for (host, query, is_trusted) in [
        ("127.0.0.1", "sslmode=require&channel_binding=require".to_owned(), true),
        ("127.0.0.1", "sslmode=prefer".to_owned(), true),
        ("127.0.0.1", format!("sslmode=verify-ca&sslrootcert={ours}"), true),
        ("127.0.0.1", format!("sslmode=verify-ca&sslrootcert={other}"), false),
        ("127.0.0.1", format!("sslmode=verify-full&sslrootcert={ours}"), false),
        ("localhost", format!("sslmode=verify-full&sslrootcert={ours}"), true),
        ("localhost", format!("sslmode=verify-full&sslrootcert={other}"), false),
        ("localhost", "sslmode=verify-full".to_owned(), false),
    ] {
        let address = format!("hostaddr=127.0.0.1&{query}");
        let url = format!("postgres://guarded:secret@{host}:{port}/{}?{address}", database.name);
        match connect(&url) {
            Ok(repository) => {
                assert!(is_trusted, "{host} {query}");
                repository.commit(vec![event("e")]).wait().unwrap();
                let open = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                    WHERE application_name = 'lantern'";
                assert_eq!(cluster.sql("postgres", open), "t", "{host} {query}");
            }
            Err(error) => {
                let text = told(&error);
                assert!(!is_trusted && text.contains("certificate"), "{host} {query}: {text}");
                assert!(!text.contains("secret"), "{text}");
            }
        }
    }
}
