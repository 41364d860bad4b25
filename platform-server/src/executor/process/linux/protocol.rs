//! What the server, the shim and the init inside the sandbox tell each other, as JSON.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cgroup::CgroupRoot;
use crate::executor::container::linux::host::ContainerHost;
use crate::executor::outcome::Usage;
use crate::executor::{Cancel, RunSpec};

/// Server to shim, once, on its standard input.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ShimSpec {
    pub(super) token: String,
    pub(super) run: RunSpec,
    pub(super) around: Around,
    pub(super) cgroup_root: Option<CgroupRoot>,
    /// Where the keeper of shared memory listens, seen from the folder of runs.
    pub(super) keeper: Option<String>,
    /// Whether the end of standard input is the end of the run.
    pub(super) ends_with_server: bool,
}

/// What the shim puts around the operator.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Around {
    Nothing,
    Bubblewrap(Sandbox),
    /// What the image would run is asked by the shim, since that can take as long as a pull.
    Container(Box<ContainerHost>),
}

/// How to start bubblewrap around the shim's own program.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Sandbox {
    /// bubblewrap's path.
    pub(super) program: PathBuf,
    /// Everything up to the program to run.
    pub(super) arguments: Vec<String>,
    /// The program inside and its arguments.
    pub(super) init: Vec<String>,
    /// Folders and files of the host that bubblewrap shall find at `STAGE/<index>`, because the user that it runs as
    /// may not walk to where they are.
    pub(super) staged: Vec<PathBuf>,
    /// The user and group to become first.
    pub(super) runs_as: Option<(u32, u32)>,
}

/// What to start, and what the process that starts it holds it to.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Program {
    pub(super) command: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) working_dir: String,
    pub(super) limits: Vec<ResourceLimit>,
}

/// A resource limit of the kernel for each process.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) enum ResourceLimit {
    FileBytes(u64),
    DataBytes(u64),
    Processes(u64),
    OpenFiles { soft: u64, hard: u64 },
}

/// Shim to init, one line each.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToInit {
    Start(Program),
    /// SIGTERM for everybody.
    Terminate,
    /// SIGKILL for everybody.
    Kill,
    /// The end has been heard and what the kernel counted has been read: the init may go.
    Leave,
}

/// Init to shim, one line each.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromInit {
    Started { at_us: u64 },
    NotStarted { reason: String },
    Ended(ProgramEnd),
}

/// How the program itself ended, as its parent saw it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct ProgramEnd {
    /// Exit code or signal.
    pub(super) status: ProgramStatus,
    pub(super) usage: Usage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum ProgramStatus {
    Code(i32),
    Signal(i32),
}

/// Server to shim while the run goes on, one line each, in the run folder's `control`.
pub(super) type Control = Cancel;

/// Longest line or message; a spec is far below.
pub(super) const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// How long the shim waits for a killed run before it kills from outside.
pub(super) const KILL_PATIENCE: Duration = Duration::from_secs(2);

/// Lines from a pipe or socket that may or may not block; pieces of a line wait for the rest.
pub(super) struct Lines<R> {
    from: R,
    pending: Vec<u8>,
}

/// What [`Lines`] gave.
pub(super) enum Line {
    /// A line without its end.
    Got(Vec<u8>),
    NothingYet,
    /// The other side is gone, broken, or sends lines without end.
    End,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, pending: Vec::new() }
    }

    pub(super) fn next_line(&mut self) -> Line {
        let mut searched = 0;
        loop {
            if let Some(at) = self.pending.iter().skip(searched).position(|byte| *byte == b'\n') {
                let rest = self.pending.split_off(searched + at + 1);
                let mut line = std::mem::replace(&mut self.pending, rest);
                line.pop();
                return Line::Got(line);
            }
            searched = self.pending.len();
            if searched > MAX_MESSAGE_BYTES {
                return Line::End;
            }
            let mut piece = [0; 4096];
            match self.from.read(&mut piece) {
                Ok(0) => return Line::End,
                Ok(len) => self.pending.extend_from_slice(piece.get(..len).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Line::NothingYet,
                Err(_) => return Line::End,
            }
        }
    }
}

impl<R: AsFd> AsFd for Lines<R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.from.as_fd()
    }
}
