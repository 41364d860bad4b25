//! The folder of one run: what the shim and any server agree on.
//!
//! | name | what |
//! |---|---|
//! | `events` | a named pipe that the shim holds open for writing: as long as it does, the run goes on |
//! | `control` | a named pipe that the shim reads: cancels, one line each |
//! | `log` | see [`crate::executor::log`]; its first note says when the program started |
//! | `manifest.json` | how the run ended; appears whole or not at all |
//!
//! The open pipe, not a process number, is what says that a shim lives: numbers are given again, and nothing has to be
//! written for it. No sandbox sees the folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{CWD, Mode};

use crate::executor::log::{self, LogSource};
use crate::executor::outcome::{MANIFEST_VERSION, Manifest};
use crate::executor::{ExecutorError, RunEnd, RunToken};

pub(super) const EVENTS: &str = "events";
pub(super) const CONTROL: &str = "control";
pub(super) const LOG: &str = "log";
pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const MANIFEST_DRAFT: &str = "manifest.tmp";
/// The note and the event of the start.
pub(super) const STARTED: &str = "started";

const MAX_MANIFEST_BYTES: u64 = 64 << 20;

#[derive(Debug, Clone)]
pub(super) struct RunFolder {
    pub(super) token: RunToken,
    pub(super) path: PathBuf,
}

/// What the pipes of a run say.
pub(super) enum Life {
    /// Nobody holds `events` open for writing, and nobody ever will again.
    Over,
    /// The shim lives; this reads what it has to say until it is gone.
    GoesOn(OwnedFd),
}

impl RunFolder {
    pub(super) fn of(runs_dir: &Path, token: RunToken) -> Self {
        Self { token, path: runs_dir.join(token.to_string()) }
    }

    /// Makes the folder and its pipes. `false` means that the token was used before.
    pub(super) fn create(&self) -> Result<bool, ExecutorError> {
        match fs::DirBuilder::new().mode(0o700).create(&self.path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            Err(error) => return Err(ExecutorError::io("create", &self.path)(error)),
        }
        for name in [EVENTS, CONTROL] {
            let path = self.path.join(name);
            let made = rustix::fs::mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).map_err(io::Error::from);
            made.map_err(ExecutorError::io("create", path))?;
        }
        Ok(true)
    }

    /// Both ends of `events`: ours to read, the shim's to hold.
    pub(super) fn open_events(&self) -> Result<(OwnedFd, OwnedFd), ExecutorError> {
        let path = self.path.join(EVENTS);
        let open = || -> io::Result<_> {
            // In this order neither waits for the other.
            let ours = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&path)?;
            let theirs = OpenOptions::new().write(true).open(&path)?;
            Ok((ours.into(), theirs.into()))
        };
        open().map_err(ExecutorError::io("open", &path))
    }

    /// For writing; what is written before the shim reads waits for it as long as this is open.
    pub(super) fn open_control(&self) -> Result<File, ExecutorError> {
        let path = self.path.join(CONTROL);
        let open = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(&path);
        open.map_err(ExecutorError::io("open", path))
    }

    /// Whether the run goes on, for who did not start it.
    pub(super) fn life(&self) -> Result<Life, ExecutorError> {
        let path = self.path.join(EVENTS);
        let mut file = match OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&path) {
            Ok(file) => file,
            // The server died while it made the folder.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Life::Over),
            Err(error) => return Err(ExecutorError::io("open", path)(error)),
        };
        match file.read(&mut [0; 1]) {
            Ok(0) => Ok(Life::Over),
            Ok(_) => Ok(Life::GoesOn(file.into())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Life::GoesOn(file.into())),
            Err(error) => Err(ExecutorError::io("read", path)(error)),
        }
    }

    /// How a run whose shim is gone ended; `None` without a manifest.
    pub(super) fn end(&self) -> Option<Result<RunEnd, String>> {
        let file = match File::open(self.path.join(MANIFEST)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => return Some(Err(error.to_string())),
        };
        let mut bytes = Vec::new();
        let read = file.take(MAX_MANIFEST_BYTES).read_to_end(&mut bytes);
        let parsed = read.map_err(|error| error.to_string()).and_then(|_| {
            let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
            if manifest.version != MANIFEST_VERSION {
                return Err(format!("its form {} is unknown", manifest.version));
            }
            if manifest.token != self.token.to_string() {
                return Err("it speaks of another run".into());
            }
            Ok(RunEnd::from(manifest))
        });
        Some(parsed)
    }

    /// When the program was started, as the log says.
    pub(super) fn started_at(&self) -> Option<SystemTime> {
        let chunk = log::read(&File::open(self.path.join(LOG)).ok()?, 0, 0).ok()?;
        let first = chunk.records.into_iter().next()?;
        (first.source == LogSource::Note && first.bytes == STARTED.as_bytes()).then_some(first.at)
    }
}
