//! The copy of a session that outlives a process that was killed.
//!
//! Each window writes one file of its own, beside a lock that it holds as long as it lives: a file whose lock nobody
//! holds was left behind. The first change is written at once and later ones no more often than every 0.4 s, always
//! as a whole ([`write_whole`]), on a thread of its own. Whoever finds such a file holds its lock while it asks what
//! to do with it, so that two windows do not restore the same.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use super::wire::SavedSession;
use super::{EXTENSION, Replace, SessionError, read, to_bytes, write_whole};

/// Least time between two writes.
const PAUSE: Duration = Duration::from_millis(400);
/// How names of these files begin.
const PREFIX: &str = "autosave-";
/// Files that are looked at; more than that nobody loses.
const MAX_FOUND: usize = 256;

/// Where the files of this user lie; `None` for users without a home.
pub fn folder_of_user() -> Option<PathBuf> {
    let folders = directories::ProjectDirs::from("", "", "lantern")?;
    Some(folders.data_local_dir().join("sessions"))
}

enum Order {
    Write {
        session: Box<SavedSession>,
        /// What this copy replaces, once it is written.
        replaced: Vec<LeftBehind>,
    },
    /// Nothing is drawn any more, or the program ends as it should.
    Remove,
}

impl Order {
    fn replaced_by(self, mut newer: Self) -> Self {
        if let (Self::Write { replaced: before, .. }, Self::Write { replaced, .. }) = (self, &mut newer) {
            replaced.extend(before);
        }
        newer
    }
}

/// Writes the copy of one window.
pub struct Autosave {
    orders: Option<Sender<Order>>,
    worker: Option<JoinHandle<()>>,
}

impl Autosave {
    /// Starts the thread that writes into a folder; nothing is written before [`Self::write`].
    pub fn start(folder: PathBuf) -> Self {
        let (orders, inbox) = channel();
        let work = move || work(&folder, &inbox);
        match std::thread::Builder::new().name("autosave".to_owned()).spawn(work) {
            Ok(worker) => Self { orders: Some(orders), worker: Some(worker) },
            Err(error) => {
                tracing::error!(%error, "measurements are not kept: no worker");
                Self { orders: None, worker: None }
            }
        }
    }

    /// Replaces the copy, soon. `replaced` was restored, and is taken away as soon as the copy holds it.
    pub fn write(&self, session: SavedSession, replaced: Vec<LeftBehind>) {
        self.send(Order::Write { session: Box::new(session), replaced });
    }

    /// Takes the copy away, soon.
    pub fn remove(&self) {
        self.send(Order::Remove);
    }

    fn send(&self, order: Order) {
        // A worker that is gone has said why.
        let _ = self.orders.as_ref().map(|orders| orders.send(order));
    }

    /// Ends as it should: the copy is not needed any more.
    pub fn finish(self) {
        self.remove();
    }
}

/// What waits is written; the file stays, for it was not said that it is not needed.
impl Drop for Autosave {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(worker) = self.worker.take()
            && worker.join().is_err()
        {
            tracing::error!("the worker that keeps measurements failed");
        }
    }
}

fn work(folder: &Path, inbox: &Receiver<Order>) {
    let mut copy: Option<OwnFile> = None;
    while let Ok(order) = inbox.recv() {
        let (order, is_last) = newest(order, inbox, copy.as_ref().and_then(|copy| copy.written));
        match order {
            Order::Write { session, replaced } => match write(folder, &mut copy, &session) {
                Ok(()) => replaced.into_iter().for_each(LeftBehind::discard),
                Err(error) => {
                    tracing::error!("measurements could not be kept: {}", crate::text::chain(&error));
                }
            },
            Order::Remove => drop(copy.take().map(OwnFile::remove)),
        }
        if is_last {
            return;
        }
    }
}

/// Waits until it is time to write again; the newest order counts. Whether there will be none after it.
fn newest(first: Order, inbox: &Receiver<Order>, written: Option<Instant>) -> (Order, bool) {
    let mut order = first;
    let Some(due) = written.map(|written| written + PAUSE) else { return (order, false) };
    loop {
        match inbox.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Ok(newer) => order = order.replaced_by(newer),
            Err(RecvTimeoutError::Timeout) => return (order, false),
            Err(RecvTimeoutError::Disconnected) => return (order, true),
        }
    }
}

fn write(folder: &Path, copy: &mut Option<OwnFile>, session: &SavedSession) -> Result<(), SessionError> {
    let bytes = to_bytes(session)?;
    let copy = match copy {
        Some(copy) => copy,
        none => none.insert(OwnFile::create(folder)?),
    };
    write_whole(&copy.path, &bytes, Replace::Yes)?;
    copy.written = Some(Instant::now());
    Ok(())
}

/// A file and the lock beside it.
#[derive(Debug)]
struct OwnFile {
    path: PathBuf,
    /// Held as long as this lives.
    _lock: File,
    written: Option<Instant>,
}

impl OwnFile {
    fn create(folder: &Path) -> Result<Self, SessionError> {
        let cannot = |source| SessionError::Write { path: folder.to_path_buf(), source };
        std::fs::create_dir_all(folder).map_err(cannot)?;
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let name = format!("{PREFIX}{}-{}.{EXTENSION}", since.as_nanos(), std::process::id());
        let path = folder.join(name);
        let lock = lock(&path).map_err(cannot)?.ok_or_else(|| cannot(io::ErrorKind::WouldBlock.into()))?;
        Ok(Self { path, _lock: lock, written: None })
    }

    /// The file first: a lock without file is nobody's loss.
    fn remove(self) {
        remove(&self.path);
    }
}

fn lock_path(path: &Path) -> PathBuf {
    path.with_extension("lock")
}

/// Takes the lock of a file; `None` if somebody has it.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let file = File::options().create(true).write(true).truncate(false).open(lock_path(path))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn remove(path: &Path) {
    for path in [path.to_path_buf(), lock_path(path)] {
        if let Err(error) = std::fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "a copy that is not needed any more stays: {}", path.display());
        }
    }
}

/// What a process that was killed left behind. Its lock is held until this is dropped.
#[derive(Debug)]
pub struct LeftBehind {
    path: PathBuf,
    _lock: File,
    /// What it holds.
    pub session: SavedSession,
}

impl LeftBehind {
    /// Takes it away for good. Blocks on disk.
    pub fn discard(self) {
        remove(&self.path);
    }

    /// `3 measurements of CT · Chest · 2026-01-02`.
    pub fn title(&self) -> String {
        let count = self.session.drawing_count();
        let noun = if count == 1 { "measurement" } else { "measurements" };
        match self.session.label() {
            "" => format!("{count} {noun}"),
            label => format!("{count} {noun} of {label}"),
        }
    }
}

/// Finds what was left behind in a folder, the newest first; files that cannot be read are named and stay.
///
/// Blocks on disk; call from a worker.
pub fn find(folder: &Path) -> Vec<LeftBehind> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with(PREFIX) && super::is_session(path)
        })
        .take(MAX_FOUND)
        .collect();
    paths.sort();
    paths.into_iter().rev().filter_map(left_behind).collect()
}

fn left_behind(path: PathBuf) -> Option<LeftBehind> {
    let lock = match lock(&path) {
        Ok(Some(lock)) => lock,
        Ok(None) => return None,
        Err(error) => {
            tracing::warn!(%error, "cannot tell whose copy this is: {}", path.display());
            return None;
        }
    };
    // It may have been taken away between the listing and the lock.
    if !path.exists() {
        let _ = std::fs::remove_file(lock_path(&path));
        return None;
    }
    match read(&path) {
        Ok(session) => Some(LeftBehind { path, _lock: lock, session }),
        Err(error) => {
            tracing::warn!("a copy of measurements stays unread: {}", crate::text::chain(&error));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;
    use crate::session::capture::{Beside, capture};

    fn session(label: &str) -> SavedSession {
        let document = Document::new();
        let mut session = capture(&document, &document.workspace, &Beside::default()).session;
        session.software = label.to_owned();
        session
    }

    fn files(folder: &Path) -> Vec<String> {
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn what_waits_when_the_writer_ends_is_written_and_found_once_its_lock_is_free() {
        let folder = tempfile::tempdir().unwrap();
        let autosave = Autosave::start(folder.path().to_path_buf());
        for label in ["first", "second", "third"] {
            autosave.write(session(label), Vec::new());
        }
        drop(autosave);
        let found = find(folder.path());
        assert_eq!(found.iter().map(|one| one.session.software.as_str()).collect::<Vec<_>>(), ["third"]);
        assert!(find(folder.path()).is_empty(), "whoever asks what to do with it holds it");
        drop(found);
        let found = find(folder.path());
        assert_eq!(found.len(), 1, "it is not gone before somebody says so");
        found.into_iter().for_each(LeftBehind::discard);
        assert!(files(folder.path()).is_empty());
    }

    #[test]
    fn the_copy_of_a_window_that_lives_is_not_offered() {
        let folder = tempfile::tempdir().unwrap();
        let mut copy = None;
        write(folder.path(), &mut copy, &session("alive")).unwrap();
        assert!(find(folder.path()).is_empty());
        drop(copy);
        assert_eq!(find(folder.path()).len(), 1);
    }

    #[test]
    fn what_was_restored_goes_once_the_new_copy_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let killed = Autosave::start(folder.path().to_path_buf());
        killed.write(session("old"), Vec::new());
        drop(killed);
        let autosave = Autosave::start(folder.path().to_path_buf());
        autosave.write(session("new"), find(folder.path()));
        drop(autosave);
        let found = find(folder.path());
        assert_eq!(found.iter().map(|one| one.session.software.as_str()).collect::<Vec<_>>(), ["new"]);
    }

    #[test]
    fn an_orderly_end_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let autosave = Autosave::start(folder.path().to_path_buf());
        autosave.write(session("first"), Vec::new());
        autosave.finish();
        assert!(files(folder.path()).is_empty(), "{:?}", files(folder.path()));
    }

    #[test]
    fn a_writer_killed_at_any_byte_leaves_the_old_copy_whole() {
        let folder = tempfile::tempdir().unwrap();
        let mut copy = None;
        write(folder.path(), &mut copy, &session("old")).unwrap();
        drop(copy);
        let bytes = to_bytes(&session("new")).unwrap();
        for length in (0..bytes.len()).step_by(7).chain([bytes.len()]) {
            // What a process that is killed while it writes leaves beside the copy.
            std::fs::write(folder.path().join(".lantern-half"), bytes.get(..length).unwrap()).unwrap();
            let found = find(folder.path());
            assert_eq!(found.len(), 1, "after {length} bytes");
            assert_eq!(found.first().unwrap().session.software, "old");
        }
    }
}
