//! The server's line to its keeper: finds the one of an earlier server, or starts one.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lantern_fastio::socket::{self, Wait};

use super::KEEPER_ARGUMENT;
use super::message::{Answer, Ask, FromKeeper, MAX_PACKET_BYTES, ToKeeper, VERSION};
use crate::executor::fastio::Release;

/// The keeper's socket in the folder of the executor.
pub(in super::super) const SOCKET: &str = "fastio";

/// How long a keeper may take to answer before it counts as broken.
const PATIENCE: Duration = Duration::from_secs(10);

/// See the module. All calls block for a moment.
pub(in super::super) struct Link {
    dir: PathBuf,
    shim: Vec<String>,
    limit_bytes: u64,
    open: Mutex<Option<Open>>,
}

struct Open {
    socket: OwnedFd,
    /// Where this server started it.
    child: Option<Child>,
    asked: u64,
}

impl Link {
    pub(in super::super) fn new(dir: PathBuf, shim: Vec<String>, limit_bytes: u64) -> Self {
        Self { dir, shim, limit_bytes, open: Mutex::default() }
    }

    /// Sees to it that there is a keeper. One that is gone took its buffers with it.
    pub(in super::super) fn ensure(&self) -> io::Result<()> {
        self.ask(|| ToKeeper::Used).map(drop)
    }

    /// Bytes and number of all buffers.
    pub(in super::super) fn used(&self) -> io::Result<(u64, u64)> {
        match self.ask(|| ToKeeper::Used)? {
            FromKeeper::Used { bytes, buffers } => Ok((bytes, buffers)),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    pub(in super::super) fn release(&self, release: &Release) -> io::Result<()> {
        match release {
            Release::Operator { job, operator } => {
                self.ask(|| ToKeeper::Completed { job: job.clone(), operator: operator.clone() }).map(drop)
            }
            Release::Job(job) => self.ask(|| ToKeeper::EndJob { job: job.clone() }).map(drop),
            Release::AllBut(kept) => {
                let mut after = None;
                loop {
                    let asked = after.clone();
                    let FromKeeper::Jobs(jobs) = self.ask(|| ToKeeper::Jobs { after: asked.clone() })? else {
                        return Err(io::ErrorKind::InvalidData.into());
                    };
                    let Some(last) = jobs.last().cloned() else { return Ok(()) };
                    for job in jobs.into_iter().filter(|job| !kept.contains(job)) {
                        self.ask(|| ToKeeper::EndJob { job: job.clone() })?;
                    }
                    after = Some(last);
                }
            }
        }
    }

    /// Asks the keeper that is there, or a new one if it does not answer.
    fn ask(&self, question: impl Fn() -> ToKeeper) -> io::Result<FromKeeper> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(link) = open.as_mut() {
            match link.ask(question()) {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    tracing::warn!(%error, "the keeper of shared memory is gone, and the buffers with it");
                    *open = None;
                }
            }
        }
        let mut link = self.connect()?;
        let answer = link.ask(question());
        *open = answer.is_ok().then_some(link);
        answer
    }

    fn connect(&self) -> io::Result<Open> {
        let dir = std::fs::File::open(&self.dir)?;
        // Through the open folder: addresses hold 107 bytes, and folders have longer names.
        let path =
            PathBuf::from(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&dir))).join(SOCKET);
        if let Ok(socket) = socket::connect(&path, PATIENCE) {
            let mut link = Open { socket, child: None, asked: 0 };
            match link.greet(self.limit_bytes) {
                Ok(FromKeeper::Done) => return Ok(link),
                // Of a server of another make.
                Ok(FromKeeper::OtherVersion) => _ = link.ask(ToKeeper::Quit),
                _ => {}
            }
        }
        let child = self.start(&path)?;
        let mut link = Open { socket: socket::connect(&path, PATIENCE)?, child: Some(child), asked: 0 };
        match link.greet(self.limit_bytes)? {
            FromKeeper::Done => Ok(link),
            _ => Err(io::Error::other("the keeper is of another make than the server")),
        }
    }

    fn start(&self, path: &Path) -> io::Result<Child> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = socket::listen(path)?;
        let program = self.shim.first().cloned().unwrap_or_default();
        let mut command = Command::new(program);
        // The folder is for people who look at the list of processes.
        command
            .args(self.shim.iter().skip(1))
            .arg(&self.dir)
            .arg(KEEPER_ARGUMENT)
            .env_clear()
            .current_dir(&self.dir);
        // Ours goes with `command`: nobody may reach the socket of a keeper that is gone.
        command.stdin(listener).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn()
    }
}

impl Open {
    fn greet(&mut self, limit_bytes: u64) -> io::Result<FromKeeper> {
        self.ask(ToKeeper::Server { version: VERSION, limit_bytes })
    }

    fn ask(&mut self, ask: ToKeeper) -> io::Result<FromKeeper> {
        self.asked += 1;
        let bytes = serde_json::to_vec(&Ask { id: self.asked, ask })?;
        socket::send(&self.socket, &bytes, None, Wait::Yes)?;
        let mut packet = vec![0; MAX_PACKET_BYTES];
        let received = socket::receive(&self.socket, &mut packet, Wait::Yes)?;
        if received.len == 0 {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let Answer { id, answer } = serde_json::from_slice(packet.get(..received.len).unwrap_or_default())?;
        if id != self.asked {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(answer)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // One that has ended is buried; one that lives is left to do so by itself.
        if let Some(child) = &mut self.child {
            _ = child.try_wait();
        }
    }
}
