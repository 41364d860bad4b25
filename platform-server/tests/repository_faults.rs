//! Damaged, foreign, newer, locked and full databases, and what the events' bound does.

#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]

mod repository_support;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use platform_server::repository::{
    Change, Check, JobFilter, Repository, RepositoryError, SqliteOptions, SqliteRepository, Synchronous,
};
use repository_support::*;
use rusqlite::Connection;

fn refused(folder: &Path, options: SqliteOptions) -> RepositoryError {
    match SqliteRepository::open(&database(folder), options) {
        Ok(_) => panic!("the database was opened"),
        Err(error) => error,
    }
}

fn event(body: &str) -> Change {
    Change::Event { at_ms: 1, kind: "k".into(), subject: "s".into(), body: body.into() }
}

fn fill(folder: &Path, jobs: u128) {
    fill_place(&Place::Sqlite(database(folder)), jobs);
}

fn fill_place(place: &Place, jobs: u128) {
    let repository = place.open();
    let repository = repository.as_ref();
    repository.commit(vec![create_pipeline(1, "x")]).wait().unwrap();
    let definition = definition_of(repository, 1);
    let changes = (1..=jobs).flat_map(|n| job_changes(new_job(n, 1, definition, 3))).collect();
    repository.commit(changes).wait().unwrap();
}

#[test]
fn records_outlive_the_repository() {
    with_each_place(|place, _| {
        fill_place(place, 20);
        for _ in 0..2 {
            assert_eq!(place.open().jobs(&JobFilter::default(), None, 100).unwrap().jobs.len(), 20);
        }
    });
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), 20);
    for check in [Check::Full, Check::Quick] {
        let options = SqliteOptions { check, synchronous: Synchronous::Normal, ..SqliteOptions::default() };
        let repository = SqliteRepository::open(&database(folder.path()), options).unwrap();
        assert_eq!(repository.jobs(&JobFilter::default(), None, 100).unwrap().jobs.len(), 20);
    }
}

#[test]
fn what_waits_is_written_before_the_repository_closes() {
    with_each_place(|place, _| {
        let repository = place.open();
        let receipts: Vec<_> = (0..200).map(|n| repository.commit(vec![event(&n.to_string())])).collect();
        drop(repository);
        receipts.into_iter().for_each(|receipt| assert!(receipt.wait().is_ok()));
        assert_eq!(place.open().events(0, 1000).unwrap().len(), 200);
    });
}

#[test]
fn a_second_server_is_kept_out_until_the_first_is_gone() {
    with_each_place(|place, _| {
        let first = place.open();
        let second = place.try_open(None).err();
        assert!(matches!(second, Some(RepositoryError::InUse { .. })), "{second:?}");
        first.commit(vec![event("still there")]).wait().unwrap();
        drop(first);
        place.open();
    });
}

#[test]
fn damage_is_found_when_the_database_is_opened_and_the_file_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), 300);
    let path = database(folder.path());
    let good = std::fs::read(&path).unwrap();
    let pages = good.len() / 4096;
    assert!(pages > 40, "{pages}");
    type Damage = Box<dyn Fn(&mut Vec<u8>)>;
    let damages: [(&str, Damage); 4] = [
        ("header", Box::new(|bytes| bytes[..16].fill(b'x'))),
        (
            "a third of the pages",
            Box::new(|bytes| {
                for page in (3..bytes.len() / 4096).step_by(3) {
                    bytes[page * 4096..page * 4096 + 64].fill(0xee);
                }
            }),
        ),
        ("cut", Box::new(|bytes| bytes.truncate(bytes.len() / 2))),
        ("text", Box::new(|bytes| *bytes = b"not a database at all, but long enough".repeat(300))),
    ];
    for (what, damage) in damages {
        let mut bytes = good.clone();
        damage(&mut bytes);
        std::fs::write(&path, &bytes).unwrap();
        let error = refused(folder.path(), SqliteOptions::default());
        assert!(matches!(error, RepositoryError::Damaged { .. }), "{what}: {error}");
        assert!(std::fs::read(&path).unwrap() == bytes, "{what}");
    }
    std::fs::write(&path, good).unwrap();
    open(folder.path());
}

#[test]
fn an_index_that_misses_a_row_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), 5);
    let raw = Connection::open(database(folder.path())).unwrap();
    raw.pragma_update(None, "writable_schema", true).unwrap();
    // The index is emptied behind SQLite's back: its root becomes that of another, empty one.
    let empty = "SELECT rootpage FROM sqlite_schema WHERE name = 'runs_by_job'";
    raw.execute(&format!("UPDATE sqlite_schema SET rootpage = ({empty}) WHERE name = 'jobs_by_state'"), [])
        .unwrap();
    drop(raw);
    assert!(matches!(refused(folder.path(), SqliteOptions::default()), RepositoryError::Damaged { .. }));
}

#[test]
fn a_reference_to_nothing_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), 5);
    let raw = Connection::open(database(folder.path())).unwrap();
    raw.execute_batch("PRAGMA foreign_keys = OFF; DELETE FROM definitions").unwrap();
    drop(raw);
    let error = refused(folder.path(), SqliteOptions::default());
    assert!(
        matches!(error, RepositoryError::Damaged { ref findings, .. } if findings.contains("refers")),
        "{error}"
    );
}

#[test]
fn a_database_of_an_earlier_server_is_brought_up_to_date_with_all_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), 3);
    let jobs = open(folder.path()).jobs(&Default::default(), None, 10).unwrap().jobs;
    let raw = Connection::open(database(folder.path())).unwrap();
    raw.execute_batch("ALTER TABLE pipelines DROP COLUMN revision; PRAGMA user_version = 1").unwrap();
    drop(raw);
    let repository = open(folder.path());
    assert_eq!(repository.jobs(&Default::default(), None, 10).unwrap().jobs, jobs);
    let revisions: Vec<_> = repository.pipelines().unwrap().iter().map(|row| row.revision).collect();
    assert!(!revisions.is_empty() && revisions.iter().all(|revision| *revision == 1), "{revisions:?}");
}

#[test]
fn newer_and_foreign_databases_are_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), 1);
    let raw = Connection::open(database(folder.path())).unwrap();
    raw.pragma_update(None, "user_version", 99).unwrap();
    drop(raw);
    let error = refused(folder.path(), SqliteOptions::default());
    assert!(matches!(error, RepositoryError::TooNew { found: 99, .. }), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let raw = Connection::open(database(folder.path())).unwrap();
    raw.execute_batch("CREATE TABLE cats (name TEXT)").unwrap();
    drop(raw);
    let error = refused(folder.path(), SqliteOptions::default());
    assert!(matches!(error, RepositoryError::NotOurs { .. }), "{error}");
    let raw = Connection::open(database(folder.path())).unwrap();
    let tables: i64 = raw.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    assert_eq!(tables, 1);
}

/// Run by the next test in a process of its own: holds the database until its input ends.
#[test]
fn child_that_locks_the_database() {
    let Some(path) = std::env::var_os("LOCK_DATABASE") else { return };
    let raw = Connection::open(path).unwrap();
    raw.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::io::stdout().write_all(b"\nlocked\n").unwrap();
    std::io::stdout().flush().unwrap();
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap();
}

#[test]
fn a_database_locked_by_another_process_is_told_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions { busy_timeout: Duration::from_millis(50), ..SqliteOptions::default() };
    let repository = SqliteRepository::open(&database(folder.path()), options).unwrap();
    repository.commit(vec![event("before")]).wait().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_locks_the_database", "--nocapture"])
        .env("LOCK_DATABASE", database(folder.path()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while line != "locked\n" {
        line.clear();
        assert_ne!(std::io::BufRead::read_line(&mut output, &mut line).unwrap(), 0);
    }
    let receipts: Vec<_> = (0..30).map(|_| repository.commit(vec![event("during")])).collect();
    for receipt in receipts {
        let error = receipt.wait().unwrap_err();
        assert!(matches!(error, RepositoryError::Locked) && error.is_transient(), "{error}");
    }
    // Readers do not mind.
    assert_eq!(repository.events(0, 10).unwrap().len(), 1);
    drop(child.stdin.take());
    child.wait().unwrap();
    repository.commit(vec![event("after")]).wait().unwrap();
    let bodies: Vec<_> = repository.events(0, 10).unwrap().into_iter().map(|event| event.body).collect();
    assert_eq!(bodies, ["before", "after"]);
}

#[test]
fn a_full_disk_is_told_nothing_is_lost_and_small_changes_do_not_fail_for_a_large_neighbour() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions { max_pages: Some(120), ..SqliteOptions::default() };
    let repository = SqliteRepository::open(&database(folder.path()), options).unwrap();
    repository.commit(vec![event("kept")]).wait().unwrap();
    let large = || vec![event("half of it"), event(&"x".repeat(1 << 20))];
    for _ in 0..20 {
        let small_before = repository.commit(vec![event("small")]);
        let large = repository.commit(large());
        let small_after = repository.commit(vec![event("small")]);
        small_before.wait().unwrap();
        assert!(matches!(large.wait(), Err(RepositoryError::DiskFull)));
        small_after.wait().unwrap();
    }
    let bodies: Vec<_> = repository.events(0, 100).unwrap().into_iter().map(|event| event.body).collect();
    assert_eq!(bodies.len(), 41);
    assert!(bodies[0] == "kept" && bodies[1..].iter().all(|body| body == "small"));
    drop(repository);
    assert_eq!(open(folder.path()).events(0, 100).unwrap().len(), 41);
}

#[test]
fn only_the_newest_events_are_kept_and_a_watcher_who_missed_some_is_told() {
    with_each_place(|place, _| {
        let repository = place.try_open(Some(10)).unwrap();
        for n in 1..=30u64 {
            assert_eq!(repository.commit(vec![event("e")]).wait().unwrap().last_event, n);
        }
        let oldest = match repository.events(0, 10) {
            Err(RepositoryError::EventsGone { oldest }) => oldest,
            other => panic!("{other:?}"),
        };
        assert!((19..=21).contains(&oldest), "{oldest}");
        let kept = repository.events(oldest - 1, 100).unwrap();
        assert_eq!(kept.first().unwrap().number, oldest);
        assert_eq!(kept.last().unwrap().number, 30);
        drop(repository);
        // Numbers are never given twice, not even after a restart.
        assert_eq!(place.open().commit(vec![event("e")]).wait().unwrap().last_event, 31);
    });
}

#[test]
fn definitions_that_nobody_has_any_more_are_forgotten_and_all_others_kept() {
    with_each_place(|place, _| {
        fill_place(place, 1);
        let repository = place.open();
        repository.commit(vec![create_pipeline(2, "unused"), create_pipeline(3, "in use")]).wait().unwrap();
        let (unused, used) = (definition_of(repository.as_ref(), 2), definition_of(repository.as_ref(), 3));
        let of_job = repository.job(job_id(1)).unwrap().unwrap().definition;
        let remove = [1, 2].map(|n| Change::RemovePipeline(pipeline_id(n)));
        repository.commit(remove.to_vec()).wait().unwrap();
        drop(repository);
        let repository = place.open();
        assert_eq!(repository.definition(unused).unwrap(), []);
        assert_eq!(repository.definition(used).unwrap().len(), 1);
        assert_eq!(repository.definition(of_job).unwrap().len(), 1);
    });
}

#[test]
fn a_definition_cannot_be_changed_even_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), 1);
    let raw = Connection::open(database(folder.path())).unwrap();
    assert!(raw.execute("UPDATE definition_files SET content = 'other'", []).is_err());
}
