//! The server's side of runs: starts shims, listens to them, passes on what they say.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::cgroup::CgroupRoot;
use super::keeper;
use super::open::Home;
use super::protocol::{Around, ShimSpec};
use super::run_files::{LOG, Life, REPORTED, RunFiles, STARTED};
use super::sandbox::{SandboxHost, sandbox};
use super::spawner::Spawner;
use super::sweep::sweep;
use crate::executor::container::linux::arguments::is_plain;
use crate::executor::container::linux::host::ContainerHost;
use crate::executor::fastio::FastIo;
use crate::executor::outcome::from_micros;
use crate::executor::{
    BoxFuture, Cancel, Capabilities, EventStream, Executor, ExecutorError, Found, LogChunk, OnRestart,
    Outcome, Release, RunEnd, RunEvent, RunSpec, RunToken, Submitted, log,
};

/// Runs operators as child processes of this machine, or in containers. Cheap to clone; all clones are one executor.
#[derive(Clone)]
pub struct ProcessExecutor {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) home: Home,
    pub(super) parts: Parts,
    spawner: Spawner,
    pub(super) keeper: keeper::Link,
    pub(super) runs: Mutex<HashMap<RunToken, Known>>,
    observers: Mutex<Vec<mpsc::UnboundedSender<RunEvent>>>,
}

/// What makes one executor of this machine differ from another.
pub(in crate::executor) struct Parts {
    pub(in crate::executor) wall: Wall,
    pub(in crate::executor) cgroup_root: Option<CgroupRoot>,
    pub(in crate::executor) capabilities: Capabilities,
    /// Whether runs end when the server dies.
    pub(in crate::executor) ends_with_server: bool,
    /// What all buffers in shared memory together may take; there are none in containers.
    pub(in crate::executor) shared_memory_bytes: u64,
}

/// What stands between runs and the machine.
pub(in crate::executor) enum Wall {
    /// Where the configuration wants it so.
    Nothing,
    Bubblewrap(SandboxHost),
    Container(Box<ContainerHost>),
}

impl Inner {
    /// Ends and removes what a run may have left whose shim is gone. Blocks.
    pub(super) fn sweep(&self, token: RunToken) {
        if let Wall::Container(host) = &self.parts.wall {
            host.remove(token);
        }
        sweep(self.parts.cgroup_root.as_ref(), token);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let runs = self.runs.get_mut().unwrap_or_else(PoisonError::into_inner);
        let is_idle = runs.values().all(|run| matches!(run, Known::Ended(_)));
        if let Some(root) = self.parts.cgroup_root.as_ref().filter(|_| is_idle) {
            root.leave();
        }
    }
}

/// What this server knows of a run.
pub(super) enum Known {
    /// Its folder and its shim are in the making.
    Starting {
        /// A wish that came early.
        cancel: Option<Cancel>,
    },
    Running(Watched),
    Ended(RunEnd),
}

/// A run that goes on.
pub(super) struct Watched {
    control: File,
    pub(super) started_at: Option<SystemTime>,
    /// The shim's standard input, where its end is the end of the run.
    _lifeline: Option<PipeWriter>,
}

/// A shim that was just started.
struct Born {
    /// Where it is a child of this process.
    child: Option<Child>,
    events: OwnedFd,
    control: File,
    lifeline: Option<PipeWriter>,
}

impl ProcessExecutor {
    pub(in crate::executor) fn with(home: Home, parts: Parts) -> Self {
        let keeper = keeper::Link::new(home.dir.clone(), home.shim.clone(), parts.shared_memory_bytes);
        let inner = Inner {
            home,
            parts,
            keeper,
            spawner: Spawner::default(),
            runs: Mutex::default(),
            observers: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    pub(super) fn runs(&self) -> MutexGuard<'_, HashMap<RunToken, Known>> {
        self.inner.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn files(&self, token: RunToken) -> RunFiles {
        RunFiles::of(&self.inner.home.runs_dir, token)
    }

    fn tell(&self, event: &RunEvent) {
        let mut observers = self.inner.observers.lock().unwrap_or_else(PoisonError::into_inner);
        observers.retain(|observer| observer.send(event.clone()).is_ok());
    }

    async fn start(&self, token: RunToken, spec: RunSpec) -> Result<Submitted, ExecutorError> {
        spec.check()?;
        match self.runs().entry(token) {
            Entry::Occupied(_) => return Ok(Submitted::Already),
            Entry::Vacant(entry) => drop(entry.insert(Known::Starting { cancel: None })),
        }
        let this = self.clone();
        let born = spawn_blocking(move || this.give_birth(token, spec)).await;
        let born = born.unwrap_or_else(|error| Err(ExecutorError::Unsupported { what: error.to_string() }));
        match born {
            Ok(Some(Born { child, events, control, lifeline })) => {
                self.watch(token, events, control, lifeline, None, child);
                Ok(Submitted::Started)
            }
            // From before a restart, and nobody has asked about it yet.
            Ok(None) => {
                self.runs().remove(&token);
                self.find(token).await?;
                Ok(Submitted::Already)
            }
            Err(error) => {
                self.runs().remove(&token);
                Err(error)
            }
        }
    }

    /// Blocks for as long as starting a process takes. `None` if the token was used before.
    fn give_birth(&self, token: RunToken, spec: RunSpec) -> Result<Option<Born>, ExecutorError> {
        self.check_image(&spec)?;
        self.check_folders(&spec)?;
        let files = self.files(token);
        if !files.create()? {
            return Ok(None);
        }
        let born = self.start_shim(&files, spec);
        if born.is_err() {
            _ = files.remove();
        }
        born.map(Some)
    }

    fn start_shim(&self, files: &RunFiles, run: RunSpec) -> Result<Born, ExecutorError> {
        let inner = &*self.inner;
        let (events, shims_end) = files.open_events()?;
        let control = files.open_control()?;
        let mut run = run;
        if matches!(inner.parts.wall, Wall::Container(_)) {
            run.fastio = None;
        }
        let has_keeper = run.fastio.is_some() && self.has_keeper();
        let spec = ShimSpec {
            token: files.token.to_string(),
            around: match &inner.parts.wall {
                Wall::Nothing => Around::Nothing,
                Wall::Bubblewrap(host) => Around::Bubblewrap(sandbox(host, &run)),
                Wall::Container(host) => Around::Container(host.clone()),
            },
            run,
            cgroup_root: inner.parts.cgroup_root.clone(),
            keeper: has_keeper.then(|| format!("../{}", keeper::SOCKET)),
            ends_with_server: inner.parts.ends_with_server,
        };
        let (input, mut lifeline) = io::pipe().map_err(ExecutorError::io("make", "the shim's input"))?;
        let child =
            if inner.spawner.spawn(&inner.home.shim, &inner.home.runs_dir, files.token, &input, &shims_end) {
                None
            } else {
                Some(self.start_program(files, &input, &shims_end)?)
            };
        // As long as our copies are open, the shim would seem to live.
        drop((input, shims_end));
        let sent = serde_json::to_vec(&spec).map_err(io::Error::from).and_then(|bytes| {
            let len = u32::try_from(bytes.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
            lifeline.write_all(&[&len.to_le_bytes()[..], &bytes].concat())
        });
        if let Err(error) = sent {
            // A shim that has not got all of its input ends by itself.
            drop(lifeline);
            _ = child.map(|mut child| child.wait());
            return Err(ExecutorError::io("write", "the shim's input")(error));
        }
        let lifeline = Some(lifeline).filter(|_| inner.parts.ends_with_server);
        Ok(Born { child, events, control, lifeline })
    }

    /// Starts the shim of a run as a program.
    fn start_program(
        &self,
        files: &RunFiles,
        input: &PipeReader,
        output: &OwnedFd,
    ) -> Result<Child, ExecutorError> {
        let shim = &self.inner.home.shim;
        let program = shim.first().cloned().unwrap_or_default();
        let started = || {
            let mut command = Command::new(&program);
            command.args(shim.iter().skip(1)).arg(files.token.to_string()).env_clear();
            command.current_dir(&files.dir).stdin(input.try_clone()?);
            command.stdout(output.try_clone()?).stderr(Stdio::null());
            command.spawn()
        };
        started().map_err(ExecutorError::io("start", &program))
    }

    /// Whether there is a keeper of shared memory. Operators run without one, too.
    fn has_keeper(&self) -> bool {
        let ensured = self.inner.keeper.ensure();
        if let Err(error) = &ensured {
            tracing::warn!(%error, "there is no keeper of shared memory");
        }
        ensured.is_ok()
    }

    /// Bytes and number of all buffers in shared memory. Blocks for a moment.
    ///
    /// # Errors
    /// The system's, if there is no keeper.
    pub fn shared_memory(&self) -> io::Result<(u64, u64)> {
        self.inner.keeper.used()
    }

    fn check_image(&self, spec: &RunSpec) -> Result<(), ExecutorError> {
        let reason = match (&self.inner.parts.wall, &spec.image) {
            (Wall::Container(_), None) => "it names no image",
            (Wall::Nothing | Wall::Bubblewrap(_), Some(_)) => {
                "it names an image, and containers are not run here"
            }
            (Wall::Container(_), Some(_)) if spec.fastio.as_ref().is_some_and(FastIo::is_declared) => {
                "it has inputs or outputs in shared memory, which containers do not have"
            }
            _ => return Ok(()),
        };
        Err(ExecutorError::BadSpec { reason: reason.to_owned() })
    }

    /// Folders that are not what they say would open other parts of the host to the run.
    fn check_folders(&self, spec: &RunSpec) -> Result<(), ExecutorError> {
        for mount in &spec.mounts {
            let real = fs::canonicalize(&mount.host).map_err(ExecutorError::io("find", &mount.host))?;
            let bad = |reason: &str| {
                Err(ExecutorError::BadSpec { reason: format!("the folder for `{}` {reason}", mount.place) })
            };
            if real != mount.host {
                return bad("leads through a link");
            }
            if !real.is_dir() {
                return bad("is no folder");
            }
            let wall = &self.inner.parts.wall;
            if matches!(wall, Wall::Nothing) && mount.host.to_str() != Some(mount.place.as_str()) {
                return bad("cannot be placed without a sandbox");
            }
            let Some(name) = mount.host.to_str() else {
                return bad("has a name that is not UTF-8");
            };
            if matches!(wall, Wall::Container(_)) && !(is_plain(name) && is_plain(&mount.place)) {
                return bad("has a name that the container engine cannot take");
            }
        }
        Ok(())
    }

    /// From now on the run is known as running, and its end becomes an event.
    pub(super) fn watch(
        &self,
        token: RunToken,
        events: OwnedFd,
        control: File,
        lifeline: Option<PipeWriter>,
        started_at: Option<SystemTime>,
        child: Option<Child>,
    ) {
        let watched = Watched { control, started_at, _lifeline: lifeline };
        let before = self.runs().insert(token, Known::Running(watched));
        if let Some(Known::Starting { cancel: Some(cancel) }) = before {
            _ = self.send_cancel(token, cancel);
        }
        let this = self.clone();
        tokio::spawn(async move { this.listen(token, events, child).await });
    }

    async fn listen(self, token: RunToken, events: OwnedFd, child: Option<Child>) {
        if let Ok(events) = pipe::Receiver::from_owned_fd(events) {
            let mut lines = BufReader::with_capacity(256, events).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                self.hear(token, &line);
            }
        }
        let this = self.clone();
        let end = spawn_blocking(move || this.conclude(token, child)).await;
        let end = end.unwrap_or_else(|error| RunEnd::lost(error.to_string(), SystemTime::now()));
        self.runs().insert(token, Known::Ended(end.clone()));
        self.tell(&RunEvent::Ended { token, end });
    }

    fn hear(&self, token: RunToken, line: &str) {
        if let Some(report) = line.strip_prefix(REPORTED) {
            match serde_json::from_str(report) {
                Ok(report) => self.tell(&RunEvent::Reported { token, report }),
                Err(error) => tracing::debug!(%token, %error, "a report cannot be read"),
            }
            return;
        }
        let micros = line.strip_prefix(STARTED).and_then(|rest| rest.trim().parse().ok());
        let Some(at) = micros.map(from_micros) else { return };
        let is_news = match self.runs().get_mut(&token) {
            Some(Known::Running(watched)) => watched.started_at.replace(at).is_none(),
            _ => false,
        };
        if is_news {
            self.tell(&RunEvent::Started { token, at });
        }
    }

    /// The end of a run whose shim has closed its pipe.
    pub(super) fn conclude(&self, token: RunToken, child: Option<Child>) -> RunEnd {
        if let Some(mut child) = child {
            _ = child.wait();
        }
        let files = self.files(token);
        let reason = match files.end() {
            Some(Ok(end)) => {
                if matches!(end.outcome, Outcome::Lost { .. }) {
                    self.inner.sweep(token);
                }
                return end;
            }
            Some(Err(reason)) => format!("its manifest cannot be read: {reason}"),
            None => "its shim is gone and left no manifest".to_owned(),
        };
        self.inner.sweep(token);
        RunEnd { started_at: files.started_at(), ..RunEnd::lost(reason, SystemTime::now()) }
    }

    fn drop_ended(&self, token: RunToken) -> Result<(), ExecutorError> {
        let mut runs = self.runs();
        if matches!(runs.get(&token), Some(Known::Running(_) | Known::Starting { .. })) {
            return Err(ExecutorError::StillRunning { token });
        }
        runs.remove(&token);
        Ok(())
    }

    pub(super) fn send_cancel(&self, token: RunToken, cancel: Cancel) -> Result<(), ExecutorError> {
        let mut runs = self.runs();
        let watched = match runs.get_mut(&token) {
            None => return Err(ExecutorError::UnknownRun { token }),
            Some(Known::Ended(_)) => return Ok(()),
            Some(Known::Starting { cancel: wish }) => {
                *wish = Some(cancel);
                return Ok(());
            }
            Some(Known::Running(watched)) => watched,
        };
        let mut line = serde_json::to_vec(&cancel)
            .map_err(|error| ExecutorError::io("write", "control")(error.into()))?;
        line.push(b'\n');
        match (&watched.control).write_all(&line) {
            // The pipe is full of wishes already.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            other => other.map_err(ExecutorError::io("write", self.files(token).dir)),
        }
    }
}

impl Executor for ProcessExecutor {
    fn capabilities(&self) -> &Capabilities {
        &self.inner.parts.capabilities
    }

    fn submit(&self, token: RunToken, spec: RunSpec) -> BoxFuture<'_, Result<Submitted, ExecutorError>> {
        Box::pin(self.start(token, spec))
    }

    fn observe(&self) -> EventStream {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.inner.observers.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        receiver
    }

    fn logs(
        &self,
        token: RunToken,
        from: u64,
        max_bytes: usize,
    ) -> BoxFuture<'_, Result<LogChunk, ExecutorError>> {
        let files = self.files(token);
        let read = move || {
            let path = files.path(LOG);
            match File::open(&path) {
                Ok(file) => log::read(&file, from, max_bytes).map_err(ExecutorError::io("read", path)),
                Err(error) if error.kind() == io::ErrorKind::NotFound && files.exist() => {
                    Ok(LogChunk { records: Vec::new(), next: from })
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    Err(ExecutorError::UnknownRun { token })
                }
                Err(error) => Err(ExecutorError::io("open", path)(error)),
            }
        };
        Box::pin(blocking(read))
    }

    fn cancel(&self, token: RunToken, cancel: Cancel) -> BoxFuture<'_, Result<(), ExecutorError>> {
        Box::pin(async move { self.send_cancel(token, cancel) })
    }

    fn reconcile(
        &self,
        known: Vec<RunToken>,
        kept: HashSet<RunToken>,
        on_restart: OnRestart,
    ) -> BoxFuture<'_, Result<Vec<Found>, ExecutorError>> {
        Box::pin(self.reconcile_all(known, kept, on_restart))
    }

    fn release(&self, release: Release) -> BoxFuture<'_, ()> {
        if matches!(self.inner.parts.wall, Wall::Container(_)) {
            // There is no keeper, and none is to be started to be told.
            return Box::pin(std::future::ready(()));
        }
        let this = self.clone();
        Box::pin(async move {
            let released = blocking(move || {
                let dir = &this.inner.home.dir;
                this.inner.keeper.release(&release).map_err(ExecutorError::io("release", dir))
            });
            if let Err(error) = released.await {
                tracing::warn!(%error, "buffers in shared memory could not be released");
            }
        })
    }

    fn forget(&self, token: RunToken) -> BoxFuture<'_, Result<(), ExecutorError>> {
        Box::pin(async move {
            self.drop_ended(token)?;
            let files = self.files(token);
            blocking(move || match files.life()? {
                Life::GoesOn(_) => Err(ExecutorError::StillRunning { token }),
                Life::Over => files.remove(),
            })
            .await
        })
    }
}

/// For what waits for the disk.
pub(in crate::executor) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ExecutorError> + Send + 'static,
) -> Result<T, ExecutorError> {
    let done = spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(ExecutorError::Unsupported { what: error.to_string() }))
}
