//! Presses small files to the disk behind their uploads.
//!
//! The content of a small file is committed together with its record, in one press of the database that many uploads
//! share; the file itself is only written. A thread presses the whole file system now and then and forgets the
//! contents. After a loss of power the next start writes the files again from what is kept.

use std::fs::File;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::beneath;
use super::error::PayloadError;
use crate::repository::{Change, Repository};

/// A file up to this length is kept in the database until it is on the disk.
pub(super) const SMALL_BYTES: usize = 64 << 10;

/// With more than this waiting, uploads press their files to the disk themselves.
const WAITING_LIMIT_BYTES: u64 = 256 << 20;

/// From this much on the thread does not wait for more.
const ENOUGH_BYTES: u64 = 64 << 20;

/// How long the thread waits for more. By then the system has written most of it by itself, so that the press is short
/// and does not hold up those who commit.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Flusher {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    is_supported: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting_bytes: u64,
    is_closed: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is something worth a press; true when the store closes.
    fn wait(&self) -> (u64, bool) {
        let mut state = self.state();
        while state.waiting_bytes == 0 && !state.is_closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let is_more_worth_it = |state: &mut State| state.waiting_bytes < ENOUGH_BYTES && !state.is_closed;
        let waited = self.changed.wait_timeout_while(state, PATIENCE, is_more_worth_it);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (state.waiting_bytes, state.is_closed)
    }
}

impl Flusher {
    pub(super) fn start(file_system: File, repository: Arc<dyn Repository>) -> io::Result<Self> {
        let is_supported = match beneath::sync_file_system(&file_system) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => false,
            other => other.map(|()| true)?,
        };
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("payload-flusher".into()).spawn(move || {
            loop {
                let (bytes, is_closed) = of_thread.wait();
                if bytes > 0 {
                    if let Err(error) = flush(&file_system, repository.as_ref()) {
                        // The contents stay where they are, so nothing is lost; the next press tries again.
                        tracing::warn!(%error, "small files could not be pressed to the disk yet");
                    }
                    of_thread.state().waiting_bytes -= bytes;
                }
                if is_closed {
                    return;
                }
            }
        })?;
        Ok(Self { shared, thread: Some(thread), is_supported })
    }

    /// Whether a file of that length may leave its press to the thread.
    pub(super) fn takes(&self, bytes: usize) -> bool {
        self.is_supported && bytes <= SMALL_BYTES && self.shared.state().waiting_bytes < WAITING_LIMIT_BYTES
    }

    /// A file and its content are where they belong.
    pub(super) fn add(&self, bytes: usize) {
        // An empty file is something to be pressed, too.
        self.shared.state().waiting_bytes += bytes.max(1) as u64;
        self.shared.changed.notify_one();
    }
}

impl Drop for Flusher {
    /// Presses what waits, then ends.
    fn drop(&mut self) {
        self.shared.state().is_closed = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that presses small files to the disk panicked");
        }
    }
}

/// Every file was in its place before its content was committed, so a press that begins now covers all contents up to
/// the last number of now.
fn flush(file_system: &File, repository: &dyn Repository) -> Result<(), PayloadError> {
    let last = repository.last_content()?;
    beneath::sync_file_system(file_system)?;
    repository.commit(vec![Change::ForgetContents(last)]).wait()?;
    Ok(())
}
