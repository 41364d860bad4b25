//! The files of one run: what the shim and any server agree on.
//!
//! All runs share one folder, since a folder for each would cost more than all its files. Names begin with the token:
//!
//! | name ends with | what |
//! |---|---|
//! | `events` | a named pipe that the shim holds open for writing: as long as it does, the run goes on |
//! | `control` | a named pipe that the shim reads: cancels, one line each |
//! | `socket` | where the shim of a container waits for the init; gone once it has come |
//! | `log` | see [`crate::executor::log`]; its first note says when the program started |
//! | `manifest.json` | how the run ended; appears whole or not at all |
//!
//! The open pipe, not a process number, is what says that a shim lives: numbers are given again, and nothing has to be
//! written for it. No sandbox sees the folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{CWD, Mode};

use crate::executor::log::{self, LogSource};
use crate::executor::outcome::{MANIFEST_VERSION, Manifest};
use crate::executor::{ExecutorError, RunEnd, RunToken};

const EVENTS: &str = "events";
pub(super) const CONTROL: &str = "control";
pub(super) const LOG: &str = "log";
pub(super) const SOCKET: &str = "socket";
pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const MANIFEST_DRAFT: &str = "manifest.tmp";
/// The note and the event of the start.
pub(super) const STARTED: &str = "started";
/// Before each report of the operator, as JSON.
pub(super) const REPORTED: &str = "reported";

/// Everything that a run can have, what marks the token as used last.
const ALL: [&str; 6] = [CONTROL, SOCKET, LOG, MANIFEST_DRAFT, MANIFEST, EVENTS];

const MAX_MANIFEST_BYTES: u64 = 64 << 20;

#[derive(Debug, Clone)]
pub(super) struct RunFiles {
    pub(super) token: RunToken,
    pub(super) dir: PathBuf,
}

/// The name of one file of a run.
pub(super) fn file_name(token: &str, what: &str) -> String {
    format!("{token}.{what}")
}

/// What the pipes of a run say.
pub(super) enum Life {
    /// Nobody holds `events` open for writing, and nobody ever will again.
    Over,
    /// The shim lives; this reads what it has to say until it is gone.
    GoesOn(OwnedFd),
}

impl RunFiles {
    pub(super) fn of(runs_dir: &Path, token: RunToken) -> Self {
        Self { token, dir: runs_dir.to_owned() }
    }

    /// The runs that have files in a folder.
    pub(super) fn tokens(runs_dir: &Path) -> io::Result<Vec<RunToken>> {
        let mut tokens = Vec::new();
        for entry in fs::read_dir(runs_dir)? {
            let name = entry?.file_name();
            let token = name.to_str().and_then(|name| name.split_once('.')?.0.parse::<RunToken>().ok());
            tokens.extend(token);
        }
        tokens.sort();
        tokens.dedup();
        Ok(tokens)
    }

    pub(super) fn path(&self, what: &str) -> PathBuf {
        self.dir.join(file_name(&self.token.to_string(), what))
    }

    /// Makes the pipes. `false` means that the token was used before.
    pub(super) fn create(&self) -> Result<bool, ExecutorError> {
        for name in [EVENTS, CONTROL] {
            let path = self.path(name);
            match rustix::fs::mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR) {
                Ok(()) => {}
                Err(rustix::io::Errno::EXIST) if name == EVENTS => return Ok(false),
                Err(error) => return Err(ExecutorError::io("create", path)(error.into())),
            }
        }
        Ok(true)
    }

    pub(super) fn exist(&self) -> bool {
        ALL.iter().any(|what| self.path(what).symlink_metadata().is_ok())
    }

    pub(super) fn remove(&self) -> Result<(), ExecutorError> {
        for what in ALL {
            let path = self.path(what);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(ExecutorError::io("remove", path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Both ends of `events`: ours to read, the shim's to hold.
    pub(super) fn open_events(&self) -> Result<(OwnedFd, OwnedFd), ExecutorError> {
        let path = self.path(EVENTS);
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
        let path = self.path(CONTROL);
        let open = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(&path);
        open.map_err(ExecutorError::io("open", path))
    }

    /// Whether the run goes on, for who did not start it.
    pub(super) fn life(&self) -> Result<Life, ExecutorError> {
        let path = self.path(EVENTS);
        let mut file = match OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&path) {
            Ok(file) => file,
            // The server died while it made the files.
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
        let file = match File::open(self.path(MANIFEST)) {
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
        let chunk = log::read(&File::open(self.path(LOG)).ok()?, 0, 0).ok()?;
        let first = chunk.records.into_iter().next()?;
        (first.source == LogSource::Note && first.bytes == STARTED.as_bytes()).then_some(first.at)
    }
}
