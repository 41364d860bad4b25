//! Full disks, killed servers, lost folders: what is there afterwards, and what a start cleans up.

#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]
#![cfg(target_os = "linux")]

mod payloads_support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use payloads_support::*;
use platform_server::payloads::{PayloadError, PayloadOptions, PayloadStore, Swept};
use platform_server::repository::{
    Change, ContentRow, PayloadFileRow, PayloadState, Repository, SqliteOptions, SqliteRepository,
};
use sha2::{Digest, Sha256};

#[test]
fn a_start_removes_what_has_no_record_and_marks_what_has_no_folder() {
    with_store(|bench| {
        let (kept, lost, frozen) = (bench.reusable(1), bench.reusable(2), bench.job(3, &[]).unwrap());
        bench.upload(kept, "a/file", b"x").unwrap();
        // Too long to be written again from what is kept of small files.
        bench.upload(kept, "damaged", &[1; 100_000]).unwrap();
        bench.upload(kept, "gone", &[2; 100_000]).unwrap();
        bench.upload(frozen, "a", b"x").unwrap();
        bench.store.freeze(frozen).unwrap();
        let folder = bench.store.folder(kept);
        fs::remove_file(folder.join("gone")).unwrap();
        fs::remove_file(folder.join("damaged")).unwrap();
        fs::write(folder.join("damaged"), b"cut").unwrap();
        fs::write(folder.join("a/unrecorded"), b"y").unwrap();
        std::os::unix::fs::symlink("/etc", folder.join("a/link")).unwrap();
        fs::create_dir_all(folder.join("operators")).unwrap();
        fs::write(folder.join("operators/mine"), b"a reusable payload has no operators").unwrap();
        let output = bench.store.folder(frozen).join("operators/op");
        fs::create_dir_all(&output).unwrap();
        fs::write(output.join("not adopted yet"), b"z").unwrap();
        fs::remove_dir(bench.store.folder(lost)).unwrap();
        let orphan = bench.store.folder(id(77));
        fs::create_dir_all(orphan.join("input")).unwrap();
        fs::write(orphan.join("input/x"), b"x").unwrap();
        let payloads = bench.data.join("payloads");
        fs::create_dir(payloads.join("lost+found")).unwrap();
        fs::create_dir(payloads.join(id(0xabc).to_string().to_uppercase())).unwrap();
        fs::write(bench.data.join("incoming/17"), b"half").unwrap();
        fs::create_dir_all(bench.data.join("trash/0/deep")).unwrap();

        let swept = bench.store.sweep().unwrap();
        let expected = Swept {
            unfinished: 1,
            restored: 0,
            folders: vec![id(77)],
            unrecorded: 3,
            missing: vec![lost],
            damaged: vec![(kept, "/damaged".into()), (kept, "/gone".into())],
            foreign: vec![id(0xabc).to_string().to_uppercase(), "lost+found".into()],
        };
        assert_eq!(swept, expected);
        assert_eq!(bench.on_disk(kept), ["a/file", "damaged"]);
        assert_eq!(bench.on_disk(frozen), ["input/a", "operators/op/not adopted yet"]);
        assert_eq!(bench.store.payload(lost).unwrap().state, PayloadState::Missing);
        assert!(matches!(bench.upload(lost, "x", b""), Err(PayloadError::FolderMissing { .. })));
        assert!(!orphan.exists() && payloads.join("lost+found").exists());
        assert_eq!((bench.incoming(), fs::read_dir(bench.data.join("trash")).unwrap().count()), (0, 0));
        // Nothing is left to do; a second start finds the same losses and no more.
        let again = Swept { unfinished: 0, folders: vec![], unrecorded: 0, ..expected };
        assert_eq!(bench.store.sweep().unwrap(), again);
    });
}

/// What is there after a loss of power: the record and the kept content, and of the file whatever there was time for.
#[test]
fn small_files_that_did_not_reach_the_disk_are_written_again_at_the_start() {
    with_store(|bench| {
        let (open, frozen, gone) = (bench.reusable(1), bench.job(2, &[]).unwrap(), id(99));
        bench.upload(frozen, "before", b"x").unwrap();
        bench.store.freeze(frozen).unwrap();
        let keep = |payload, path: &str, content: &[u8]| {
            Change::KeepContent(payload, ContentRow { path: path.into(), content: content.to_vec() })
        };
        let record = |path: &str, content: &[u8]| PayloadFileRow {
            path: path.into(),
            size_bytes: content.len() as u64,
            sha256: Sha256::digest(content).into(),
            mode: 0o755,
            stored: None,
        };
        let add = |payload, path: &str, content: &[u8]| {
            vec![Change::PutPayloadFiles(payload, vec![record(path, content)]), keep(payload, path, content)]
        };
        let mut changes = add(open, "sub/missing", b"all of it");
        changes.extend(add(open, "cut", b"all of it"));
        changes.extend(add(open, "empty", b""));
        changes.extend(add(open, "whole", b"whole"));
        changes.extend(add(frozen, "input/new/deep", b"deep"));
        // Removed again, replaced since, and of a payload that was deleted.
        changes.push(keep(open, "removed", b"removed"));
        changes.push(keep(open, "replaced", b"first"));
        changes.extend(add(open, "replaced", b"second"));
        changes.push(keep(gone, "x", b"x"));
        bench.repository.commit(changes).wait().unwrap();
        let folder = bench.store.folder(open);
        fs::write(folder.join("cut"), b"all").unwrap();
        fs::write(folder.join("whole"), b"whole").unwrap();

        let swept = bench.store.sweep().unwrap();
        assert_eq!((swept.restored, &swept.damaged[..], swept.unrecorded), (5, &[][..], 0));
        for (payload, path, content) in [
            (open, "sub/missing", &b"all of it"[..]),
            (open, "cut", b"all of it"),
            (open, "empty", b""),
            (open, "whole", b"whole"),
            (open, "replaced", b"second"),
            (frozen, "input/new/deep", b"deep"),
        ] {
            assert_eq!(bench.download(payload, path).unwrap(), content, "{path}");
        }
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(&bench.store.folder(frozen).join("input/new")), 0o555);
        assert_eq!(mode(&folder.join("cut")), 0o555);
        assert_eq!(bench.repository.last_content().unwrap(), 0);
        assert_eq!(bench.store.sweep().unwrap().restored, 0);
    });
}

#[test]
fn contents_of_small_files_are_forgotten_once_the_files_are_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let bench = open(folder.path());
    let payload = bench.reusable(1);
    for n in 0..50u8 {
        bench.upload(payload, &n.to_string(), &[n; 1000]).unwrap();
    }
    // Closing presses what waits.
    drop(bench);
    let bench = open(folder.path());
    assert_eq!(bench.repository.last_content().unwrap(), 0);
    assert_eq!(bench.store.sweep().unwrap().restored, 0);
    assert_eq!(bench.download(payload, "49").unwrap(), [49; 1000]);
}

#[test]
fn a_file_whose_record_was_refused_is_not_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions { max_pages: Some(90), ..SqliteOptions::default() };
    let repository: Arc<dyn Repository> =
        Arc::new(SqliteRepository::open(&folder.path().join("records.sqlite"), options).unwrap());
    let store =
        PayloadStore::open(folder.path(), Arc::clone(&repository), PayloadOptions { limit_percent: 100 })
            .unwrap();
    let bench = Bench { store, repository, data: folder.path().to_owned() };
    let payload = bench.reusable(1);
    let long = "n".repeat(250);
    let mut stored = 0;
    let error = loop {
        match bench.upload(payload, &format!("{long}{stored}"), b"x") {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
        assert!(stored < 2000, "the database never filled");
    };
    assert!(matches!(error, PayloadError::DiskFull), "{error}");
    assert_eq!(bench.names(payload).len(), stored);
    assert_eq!(bench.on_disk(payload).len(), stored);
    assert_eq!(bench.incoming(), 0);
}

/// A small file system of its own, for as long as this lives.
struct TinyDisk(PathBuf);

impl TinyDisk {
    /// None where the system does not let us mount.
    fn new(at: &Path, size: &str) -> Option<Self> {
        fs::create_dir(at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(at)
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        mounted.then(|| Self(at.to_owned()))
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

#[test]
fn a_full_disk_refuses_an_upload_and_leaves_nothing_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = TinyDisk::new(&folder.path().join("disk"), "4m") else {
        let missed = "not tested: a full disk (mounting a small one needs root)\n";
        std::io::stderr().write_all(missed.as_bytes()).unwrap();
        return;
    };
    // Records elsewhere, so that only the files meet the full disk.
    let records = folder.path().join("records.sqlite");
    let repository: Arc<dyn Repository> =
        Arc::new(SqliteRepository::open(&records, SqliteOptions::default()).unwrap());
    let store =
        PayloadStore::open(&disk.0, Arc::clone(&repository), PayloadOptions { limit_percent: 100 }).unwrap();
    let bench = Bench { store, repository, data: disk.0.clone() };
    let payload = bench.reusable(1);
    bench.upload(payload, "before", &[1; 1 << 20]).unwrap();
    let mut upload = bench.store.upload(payload, &name("large"), 0).unwrap();
    let error = loop {
        if let Err(error) = upload.write(Bytes::from_static(&[2; 1 << 18])) {
            break error;
        }
    };
    assert!(matches!(error, PayloadError::DiskFull), "{error}");
    assert!(matches!(upload.write(Bytes::from_static(b"x")), Err(PayloadError::UploadBroken)));
    assert!(matches!(upload.finish(), Err(PayloadError::UploadBroken)));
    assert_eq!(
        (bench.names(payload), bench.on_disk(payload)),
        (vec!["before".into()], vec!["before".into()])
    );
    assert_eq!(bench.incoming(), 0);
    bench.upload(payload, "after", &[3; 1 << 20]).unwrap();
    assert_eq!(bench.download(payload, "before").unwrap(), [1; 1 << 20]);
    // Copies into a job fail as a whole.
    bench.upload(payload, "more", &[4; 1 << 20]).unwrap();
    assert!(matches!(bench.job(2, &[payload]), Err(PayloadError::DiskFull)));
    assert!(!bench.store.folder(id(2)).exists());
    drop(bench);
}

fn content(n: u64) -> Vec<u8> {
    let length = [0usize, 1, 4096, 70_000, 400_000][(n % 5) as usize];
    (0..length).map(|at| (at as u64 * 7 + n) as u8).collect()
}

/// Run by the next test in a process of its own; never ends by itself.
#[test]
fn child_that_uploads() {
    let Some(data) = std::env::var_os("CRASH_DATA") else { return };
    let round: u64 = std::env::var("CRASH_ROUND").unwrap().parse().unwrap();
    let bench = open(Path::new(&data));
    bench.store.sweep().unwrap();
    let pipe = Mutex::new(std::io::stdout());
    std::thread::scope(|scope| {
        for thread in 0..6u64 {
            let (bench, pipe) = (&bench, &pipe);
            scope.spawn(move || {
                for n in (0..).map(|n| (round * 6 + thread) * 10_000 + n) {
                    bench.upload(id(1), &format!("d{}/r{round}/f{n}", n % 3), &content(n)).unwrap();
                    let mut pipe = pipe.lock().unwrap();
                    pipe.write_all(format!("\nack {n}\n").as_bytes()).unwrap();
                    pipe.flush().unwrap();
                }
            });
        }
    });
}

fn upload_and_kill(data: &Path, round: u64, lines: usize, known: &mut BTreeMap<u64, String>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_uploads", "--nocapture"])
        .env("CRASH_DATA", data)
        .env("CRASH_ROUND", round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut seen = 0;
    let mut lines_of_child = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while lines_of_child.read_line(&mut line).unwrap() != 0 {
        if let Some(n) = line.strip_suffix('\n').and_then(|line| line.strip_prefix("ack ")) {
            let n: u64 = n.parse().unwrap();
            known.insert(n, format!("d{}/r{round}/f{n}", n % 3));
            seen += 1;
            if seen == lines {
                child.kill().unwrap();
            }
        }
        line.clear();
    }
    child.wait().unwrap();
    assert!(seen >= lines, "the child ended by itself after {seen} lines");
}

#[test]
fn a_server_killed_during_uploads_keeps_what_it_acknowledged_and_nothing_else_after_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    open(data).reusable(1);
    let mut known = BTreeMap::new();
    let mut unfinished = 0;
    for round in 0..25u64 {
        let lines = 1 + (round * 7 % 23) as usize;
        upload_and_kill(data, round, lines, &mut known);
        let bench = open(data);
        // Before any cleaning, nothing under its name is less than whole.
        let before = bench.on_disk(id(1));
        let swept = bench.store.sweep().unwrap();
        assert_eq!((&swept.damaged[..], &swept.folders[..], &swept.missing[..]), (&[][..], &[][..], &[][..]));
        unfinished += swept.unfinished;
        let names = bench.names(id(1));
        assert_eq!(names, bench.on_disk(id(1)));
        assert_eq!(before.len() as u64, names.len() as u64 + swept.unrecorded);
        assert_eq!(bench.incoming(), 0);
        for (n, path) in known.iter().filter(|(_, path)| path.contains(&format!("/r{round}/"))) {
            assert!(bench.download(id(1), path).unwrap() == content(*n), "{path}");
        }
        // Whatever else is there was whole when the server was killed, only not told yet.
        assert!(names.len() >= known.len());
        for path in names.iter().filter(|path| path.contains(&format!("/r{round}/"))) {
            let n: u64 = path.rsplit_once('f').unwrap().1.parse().unwrap();
            assert!(bench.download(id(1), path).unwrap() == content(n), "{path}");
        }
    }
    let names = open(data).names(id(1));
    assert!(known.values().all(|path| names.contains(path)));
    assert!(unfinished > 0, "no kill met an upload that was under way");
}
