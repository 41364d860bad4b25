//! The server's side of runs: starts shims, listens to them, passes on what they say.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::cgroup::CgroupRoot;
use super::protocol::ShimSpec;
use super::run_files::{LOG, Life, RunFiles, STARTED};
use super::sandbox::{SandboxHost, sandbox};
use super::sweep::sweep;
use crate::executor::outcome::from_micros;
use crate::executor::process::ProcessConfig;
use crate::executor::{
    BoxFuture, Cancel, Capabilities, EventStream, Executor, ExecutorError, Found, LogChunk, OnRestart,
    Outcome, RunEnd, RunEvent, RunSpec, RunToken, Submitted, log,
};

/// Runs operators as child processes of this machine. Cheap to clone; all clones are one executor.
#[derive(Clone)]
pub struct ProcessExecutor {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) config: ProcessConfig,
    pub(super) runs_dir: PathBuf,
    /// `None` where the configuration wants no sandbox.
    pub(super) sandbox: Option<SandboxHost>,
    pub(super) cgroup_root: Option<CgroupRoot>,
    pub(super) capabilities: Capabilities,
    pub(super) runs: Mutex<HashMap<RunToken, Known>>,
    observers: Mutex<Vec<mpsc::UnboundedSender<RunEvent>>>,
    /// Keeps a second server away from the same folder.
    _lock: File,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let runs = self.runs.get_mut().unwrap_or_else(PoisonError::into_inner);
        let is_idle = runs.values().all(|run| matches!(run, Known::Ended(_)));
        if let Some(root) = self.cgroup_root.as_ref().filter(|_| is_idle) {
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
    _lifeline: Option<ChildStdin>,
}

/// A shim that was just started.
struct Born {
    child: Child,
    events: OwnedFd,
    control: File,
    lifeline: Option<ChildStdin>,
}

impl ProcessExecutor {
    pub(super) fn with(
        config: ProcessConfig,
        sandbox: Option<SandboxHost>,
        cgroup_root: Option<CgroupRoot>,
        capabilities: Capabilities,
        lock: File,
    ) -> Self {
        let inner = Inner {
            runs_dir: config.state_dir.join("runs"),
            config,
            sandbox,
            cgroup_root,
            capabilities,
            runs: Mutex::default(),
            observers: Mutex::default(),
            _lock: lock,
        };
        Self { inner: Arc::new(inner) }
    }

    pub(super) fn runs(&self) -> MutexGuard<'_, HashMap<RunToken, Known>> {
        self.inner.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn files(&self, token: RunToken) -> RunFiles {
        RunFiles::of(&self.inner.runs_dir, token)
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
                self.watch(token, events, control, lifeline, None, Some(child));
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
        let spec = ShimSpec {
            token: files.token.to_string(),
            sandbox: inner.sandbox.as_ref().map(|host| sandbox(host, &run)),
            run,
            cgroup_root: inner.cgroup_root.clone(),
            ends_with_server: inner.config.ends_with_server,
        };
        let program = inner.config.shim.first().cloned().unwrap_or_default();
        let mut command = Command::new(&program);
        command.args(inner.config.shim.iter().skip(1)).arg(&spec.token).env_clear();
        command.current_dir(&files.dir).stdin(Stdio::piped()).stdout(shims_end).stderr(Stdio::null());
        let mut child = command.spawn().map_err(ExecutorError::io("start", program))?;
        // Our copy of the shim's end goes with `command`; as long as it is open, the shim would seem to live.
        drop(command);
        let mut lifeline = child.stdin.take();
        let sent = serde_json::to_vec(&spec).map_err(io::Error::from).and_then(|bytes| {
            let len = u32::try_from(bytes.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
            let input = lifeline.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
            input.write_all(&len.to_le_bytes())?;
            input.write_all(&bytes)
        });
        if let Err(error) = sent {
            _ = child.kill();
            _ = child.wait();
            return Err(ExecutorError::io("write", "the shim's input")(error));
        }
        let lifeline = lifeline.filter(|_| inner.config.ends_with_server);
        Ok(Born { child, events, control, lifeline })
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
            if self.inner.sandbox.is_none() && mount.host.to_str() != Some(mount.place.as_str()) {
                return bad("cannot be placed without a sandbox");
            }
            if mount.host.to_str().is_none() {
                return bad("has a name that is not UTF-8");
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
        lifeline: Option<ChildStdin>,
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
                    sweep(self.inner.cgroup_root.as_ref(), token);
                }
                return end;
            }
            Some(Err(reason)) => format!("its manifest cannot be read: {reason}"),
            None => "its shim is gone and left no manifest".to_owned(),
        };
        sweep(self.inner.cgroup_root.as_ref(), token);
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
        &self.inner.capabilities
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
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ExecutorError> + Send + 'static,
) -> Result<T, ExecutorError> {
    let done = spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(ExecutorError::Unsupported { what: error.to_string() }))
}
