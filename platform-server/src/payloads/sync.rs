//! Presses folders to the disk, many callers at the price of few presses.
//!
//! Whoever comes while the disk is busy waits for the next press, together with all others who came meanwhile. One of
//! them does it for all, each folder once. Pressing the whole file system instead would wait for everything that
//! anybody else has written on it: measured ten times slower beside a compiler.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};

use super::beneath;

#[derive(Debug)]
pub(super) struct GroupSync {
    // Held open from the start, so that the kernel reports every write error since then.
    file_system: File,
    state: Mutex<State>,
    done: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Arc<Batch>,
    is_busy: bool,
}

#[derive(Debug, Default)]
struct Batch {
    files: Mutex<Vec<File>>,
    outcome: OnceLock<Result<(), (io::ErrorKind, String)>>,
}

impl GroupSync {
    pub(super) fn new(file_system: File) -> Self {
        Self { file_system, state: Mutex::default(), done: Condvar::new() }
    }

    /// Returns when all of `files` are on the disk.
    ///
    /// # Errors
    /// That of the disk; all who shared the press get it.
    pub(super) fn sync(&self, files: Vec<File>) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let batch = Arc::clone(&state.waiting);
        batch.files.lock().unwrap_or_else(PoisonError::into_inner).extend(files);
        loop {
            if let Some(outcome) = batch.outcome.get() {
                return outcome.clone().map_err(|(kind, text)| io::Error::new(kind, text));
            }
            if state.is_busy {
                state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            // Nobody is at work, so this batch is still the one that waits.
            state.is_busy = true;
            state.waiting = Arc::default();
            drop(state);
            let files = std::mem::take(&mut *batch.files.lock().unwrap_or_else(PoisonError::into_inner));
            let outcome = press(&files).map_err(|error| (error.kind(), error.to_string()));
            // Only this thread sets it.
            let _ = batch.outcome.set(outcome);
            state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.is_busy = false;
            self.done.notify_all();
        }
    }

    /// Returns when everything in the file system is on the disk.
    ///
    /// # Errors
    /// That of the disk.
    pub(super) fn sync_all(&self) -> io::Result<()> {
        beneath::sync_file_system(&self.file_system)
    }
}

/// Each file or folder once, however many handles there are to it.
fn press(files: &[File]) -> io::Result<()> {
    let mut done = HashSet::new();
    for file in files {
        if beneath::identity(file)?.is_none_or(|identity| done.insert(identity)) {
            file.sync_all()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_who_waits_is_served_once() {
        let folder = tempfile::tempdir().unwrap();
        let sync = GroupSync::new(File::open(folder.path()).unwrap());
        std::thread::scope(|scope| {
            for n in 0..16 {
                let (sync, path) = (&sync, folder.path().join(n.to_string()));
                scope.spawn(move || {
                    for _ in 0..4 {
                        sync.sync(vec![File::create(&path).unwrap()]).unwrap();
                    }
                });
            }
        });
        let state = sync.state.lock().unwrap();
        assert!(!state.is_busy);
        assert!(state.waiting.files.lock().unwrap().is_empty());
    }
}
