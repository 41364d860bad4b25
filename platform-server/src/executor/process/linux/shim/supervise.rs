//! The shim outside of the sandbox: starts the run, keeps its log, holds its limits, ends it, writes its manifest.
//!
//! Its working folder is where the files of runs are. It hears of cancels from `control`, tells of the start through its standard
//! output, and that it is gone by closing it.

mod in_container;

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    DumpableBehavior, Pid, Resource, Rlimit, Signal, WaitOptions, kill_process, set_dumpable_behavior,
    setrlimit, wait,
};

use super::super::cgroup::Cgroup;
use super::super::protocol::{
    Around, Control, FromInit, KILL_PATIENCE, Line, Lines, MAX_MESSAGE_BYTES, ProgramEnd, ResourceLimit,
    ShimSpec, ToInit,
};
use super::super::run_files::{CONTROL, LOG, MANIFEST, MANIFEST_DRAFT, STARTED, file_name};
use super::super::sandbox;
use super::container::Container;
use super::driver::Driver;
use super::enter;
use super::log_writer::{LogWriter, Pumped};
use super::open_files;
use super::outputs;
use super::program::{Everybody, IoCounters, Running};
use super::signals::ChildSignals;
use super::verdict::{self, Findings};
use super::watch::Watch;
use crate::executor::log::LogSource;
use crate::executor::outcome::{MANIFEST_VERSION, Manifest, OutputFile, to_micros};
use crate::executor::spec::Access;
use crate::executor::{Cancel, CancelCause, Outcome};

/// Pieces taken from one pipe before the others are looked at.
const PIECES_PER_TURN: usize = 16;
/// How often the dying are counted.
const DEATH_PAUSE: Duration = Duration::from_millis(20);

pub(super) fn run() -> ExitCode {
    // A shim that fails leaves no manifest, and the run counts as lost.
    match supervise() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn supervise() -> io::Result<()> {
    // Away from the server's terminal; and closed to tracers, since the environment may hold secrets.
    _ = rustix::process::setsid();
    let counters = IoCounters::open();
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    // For all that descend from here: an image of an operator's memory is the last place for what it read.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    let spec = read_spec()?;
    if !matches!(spec.around, Around::Container(_)) {
        // What the container engine leaves behind it is its own business, and need not end with the run.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    }
    let log =
        OpenOptions::new().append(true).create_new(true).mode(0o600).open(file_name(&spec.token, LOG))?;
    let log = LogWriter::new(log, spec.run.limits.log_bytes);
    let control = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(file_name(&spec.token, CONTROL))?;
    let mut run = Supervised::new(spec, log, control)?;
    run.counters = counters;
    match run.start() {
        Ok(()) => run.watch_over()?,
        Err(error) => run.not_started = Some(error.to_string()),
    }
    run.finish()
}

/// The length as 4 bytes, little-endian, then JSON.
fn read_spec() -> io::Result<ShimSpec> {
    let mut len = [0; 4];
    let mut input = io::stdin().lock();
    input.read_exact(&mut len)?;
    let len = u32::from_le_bytes(len) as usize;
    if len > MAX_MESSAGE_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; len];
    input.read_exact(&mut bytes)?;
    Ok(serde_json::from_slice(&bytes)?)
}

/// Who is our child.
enum Child {
    None,
    /// The operator itself.
    Program(Running),
    /// bubblewrap, and the line to the init inside.
    Sandbox {
        pid: Pid,
        line: InitLine,
    },
    Container(Box<Container>),
}

impl Child {
    /// The line to the init inside, once there is one.
    fn line(&mut self) -> Option<&mut InitLine> {
        match self {
            Self::None | Self::Program(_) => None,
            Self::Sandbox { line, .. } => Some(line),
            Self::Container(container) => container.line.as_mut(),
        }
    }
}

/// The line to an init.
pub(super) struct InitLine {
    socket: UnixStream,
    lines: Lines<UnixStream>,
    is_silent: bool,
}

impl InitLine {
    pub(super) fn new(socket: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let lines = Lines::new(socket.try_clone()?);
        Ok(Self { socket, lines, is_silent: false })
    }

    /// What tells that there is something to hear; `None` once nothing more will be.
    pub(super) fn news(&self) -> Option<BorrowedFd<'_>> {
        (!self.is_silent).then(|| self.socket.as_fd())
    }

    pub(super) fn tell(&self, message: &ToInit) {
        // Who does not hear any more is gone, or will be killed from outside.
        _ = send(&self.socket, message);
    }
}

struct Supervised {
    spec: ShimSpec,
    log: LogWriter,
    control: Lines<File>,
    driver: Option<Driver>,
    signals: ChildSignals,
    counters: Option<IoCounters>,
    group: Option<Cgroup>,
    watch: Watch,
    pipes: Vec<(OwnedFd, LogSource)>,
    child: Child,
    started_at_us: Option<u64>,
    not_started: Option<String>,
    /// Why the init's word is missing, or does not count.
    lost: Option<String>,
    end: Option<ProgramEnd>,
    /// Why we end the run, if we do: the first reason counts.
    forced: Option<Outcome>,
    /// When politeness ends.
    deadline: Option<Instant>,
    /// How often everybody was killed.
    kills: u32,
    is_stdin_watched: bool,
}

impl Supervised {
    fn new(spec: ShimSpec, log: LogWriter, control: File) -> io::Result<Self> {
        let signals = ChildSignals::new()?;
        let limits = spec.run.limits;
        let has_sandbox = !matches!(spec.around, Around::Nothing);
        // An engine makes one that is its own.
        let has_group = spec.cgroup_root.is_some() || matches!(spec.around, Around::Container(_));
        let writable = spec.run.mounts.iter().filter(|mount| mount.access == Access::Writable);
        let watch = Watch {
            writable: writable.map(|mount| mount.host.clone()).collect(),
            disk_bytes: limits.disk_bytes,
            memory_bytes: limits.memory_bytes.filter(|_| !has_group),
            processes: limits.processes.filter(|_| !has_group && !has_sandbox),
            own_processes: if has_sandbox { 2 } else { 0 },
            peak_memory_bytes: 0,
            next: None,
        };
        let is_stdin_watched = spec.ends_with_server;
        Ok(Self {
            spec,
            log,
            control: Lines::new(control),
            driver: None,
            signals,
            counters: None,
            group: None,
            watch,
            pipes: Vec::new(),
            child: Child::None,
            started_at_us: None,
            not_started: None,
            lost: None,
            end: None,
            forced: None,
            deadline: None,
            kills: 0,
            is_stdin_watched,
        })
    }

    fn start(&mut self) -> io::Result<()> {
        let limits = &self.spec.run.limits;
        let has_limits =
            limits.memory_bytes.is_some() || limits.processes.is_some() || limits.cpu_millis.is_some();
        let own = if matches!(self.spec.around, Around::Nothing) { 0 } else { 2 };
        if let Some(root) = self.spec.cgroup_root.as_ref().filter(|_| has_limits) {
            self.group = Some(root.create(&self.spec.token, limits, own)?);
        }
        let doors = self.group.as_ref().map(Cgroup::doors).transpose()?.unwrap_or_default();
        if let Around::Container(host) = &self.spec.around {
            let host = host.clone();
            return self.start_container(&host);
        }
        let channel = self.make_channel()?;
        let files = channel.as_ref().and_then(|_| open_files::share());
        let mut limits = self.resource_limits();
        if matches!(self.spec.around, Around::Nothing) {
            limits.extend(files);
        }
        let program = sandbox::program(&self.spec.run, &self.spec.token, limits);
        let (output, output_end) = pipe()?;
        let (error, error_end) = pipe()?;
        self.listen_to(output, error);
        match &self.spec.around {
            Around::Container(_) => {}
            Around::Nothing => {
                let running = Running::start(
                    &program,
                    Everybody::Descendants,
                    output_end.into(),
                    error_end.into(),
                    doors,
                    self.counters.take(),
                    channel,
                )?;
                self.child = Child::Program(running);
                self.started(to_micros(SystemTime::now()));
            }
            Around::Bubblewrap(sandbox) => {
                self.give_folders(sandbox.runs_as)?;
                let (socket, inside) = UnixStream::pair()?;
                let pid = enter::start(sandbox, inside.into(), output_end, error_end, doors, channel, files)?;
                // If nobody listens, bubblewrap has said why; that is heard with the rest.
                _ = send(&socket, &ToInit::Start(program));
                self.child = Child::Sandbox { pid, line: InitLine::new(socket)? };
            }
        }
        Ok(())
    }

    /// The operator's line to the platform; returns the operator's end of it.
    fn make_channel(&mut self) -> io::Result<Option<OwnedFd>> {
        let Some(rules) = &self.spec.run.fastio else { return Ok(None) };
        let keeper = self.spec.keeper.as_deref();
        let (driver, operators_end) = Driver::new(rules.clone(), &self.spec.token, keeper)?;
        self.driver = Some(driver);
        Ok(Some(operators_end))
    }

    fn listen_to(&mut self, output: OwnedFd, error: OwnedFd) {
        self.pipes = vec![(output, LogSource::Output), (error, LogSource::Error)];
        self.watch.next = self.watch.is_needed().then(|| Instant::now() + Duration::from_millis(50));
    }

    /// Limits that the kernel holds for each process, beside or instead of the group's.
    fn resource_limits(&self) -> Vec<ResourceLimit> {
        let limits = &self.spec.run.limits;
        let mut list = Vec::new();
        if let Some(bytes) = limits.disk_bytes {
            // One page more than allowed, so that who ran into it is seen to be over the quota.
            list.push(ResourceLimit::FileBytes(bytes.saturating_add(8192)));
        }
        if self.spec.cgroup_root.is_none() && !matches!(self.spec.around, Around::Container(_)) {
            if let Some(bytes) = limits.memory_bytes {
                // A backstop for what grows faster than the watchdog looks.
                list.push(ResourceLimit::DataBytes(bytes.saturating_mul(2)));
            }
            if let (Some(count), Around::Bubblewrap(_)) = (limits.processes, &self.spec.around) {
                // Counted in the sandbox's own user namespace, where the init is one of them.
                list.push(ResourceLimit::Processes(u64::from(count) + 1));
            }
        }
        list
    }

    /// Hands the writable folders to the user that the run has. Their contents keep their owners.
    fn give_folders(&self, owner: Option<(u32, u32)>) -> io::Result<()> {
        let Some((user, group)) = owner else { return Ok(()) };
        for dir in &self.watch.writable {
            std::os::unix::fs::lchown(dir, Some(user), Some(group))?;
        }
        Ok(())
    }

    fn started(&mut self, at_us: u64) {
        self.started_at_us = Some(at_us);
        self.log.note(STARTED);
        if let Some(trouble) = self.driver.as_mut().and_then(|driver| driver.trouble.take()) {
            self.log.note(&trouble);
        }
        // The server may be gone; then the log tells the next one.
        _ = writeln!(io::stdout().lock(), "{STARTED} {at_us}");
        _ = io::stdout().lock().flush();
    }

    /// Until no process of the run is left.
    fn watch_over(&mut self) -> io::Result<()> {
        let mut is_gone = false;
        while !is_gone {
            let ready = self.wait_for_something()?;
            if ready.init {
                self.hear_init();
            }
            for (source, is_ready) in [(LogSource::Output, ready.output), (LogSource::Error, ready.error)] {
                if is_ready {
                    self.pump(source, PIECES_PER_TURN);
                }
            }
            if let Some(driver) = &mut self.driver {
                if ready.keeper {
                    driver.hear_keeper();
                }
                if ready.channel {
                    driver.hear_operator(&mut self.log);
                }
                driver.look_at_clock();
            }
            self.hear_server(&ready);
            if self.watch.next.is_some_and(|next| Instant::now() >= next)
                && let Some(outcome) = self.watch.look()
            {
                self.force(outcome);
                self.kill();
            }
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                self.kill();
            }
            is_gone = self.reap()?;
        }
        self.hear_init();
        if let Some(driver) = &mut self.driver {
            driver.hear_last(&mut self.log);
        }
        for source in [LogSource::Output, LogSource::Error] {
            // Everybody who could write is dead, so what is left is what the pipe holds.
            self.pump(source, usize::MAX);
        }
        self.hear_engine();
        Ok(())
    }

    /// What the server wants, by itself or by its absence.
    fn hear_server(&mut self, ready: &Ready) {
        if ready.control {
            self.hear_control();
        }
        if ready.is_server_gone {
            self.is_stdin_watched = false;
            self.begin_end(Cancel { grace: Duration::ZERO, because: CancelCause::Evicted });
        }
        if ready.child {
            self.signals.drain();
        }
    }

    fn wait_for_something(&self) -> io::Result<Ready> {
        let now = Instant::now();
        let is_dying = match &self.child {
            Child::Program(running) => running.is_over(),
            _ => false,
        };
        let next = [
            self.watch.next,
            self.deadline,
            is_dying.then(|| now + DEATH_PAUSE),
            self.driver.as_ref().and_then(Driver::wakes_at),
        ]
        .into_iter()
        .flatten()
        .min();
        let timeout =
            next.map(|next| Timespec::try_from(next.saturating_duration_since(now)).unwrap_or_default());
        // What the program prints can overtake the word that it started, which comes first in the log.
        let is_silent = match &self.child {
            Child::Sandbox { line, .. } => line.is_silent,
            Child::Container(container) => container.news().is_none(),
            Child::None | Child::Program(_) => false,
        };
        let is_log_open = self.started_at_us.is_some() || is_silent;
        let open_pipes = || self.pipes.iter().filter(|_| is_log_open);
        let pipe =
            |wanted: LogSource| open_pipes().find(|(_, source)| *source == wanted).map(|(fd, _)| fd.as_fd());
        let init = match &self.child {
            Child::Sandbox { line, .. } => line.news(),
            Child::Container(container) => container.news(),
            _ => None,
        };
        let stdin = io::stdin();
        let sources: [Option<BorrowedFd<'_>>; 8] = [
            Some(self.signals.as_fd()),
            Some(self.control.as_fd()),
            pipe(LogSource::Output),
            pipe(LogSource::Error),
            init,
            self.is_stdin_watched.then(|| stdin.as_fd()),
            self.driver.as_ref().filter(|_| is_log_open).and_then(Driver::line),
            self.driver.as_ref().and_then(Driver::keeper),
        ];
        let mut files: Vec<PollFd<'_>> =
            sources.iter().flatten().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
        match poll(&mut files, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut answers = files.iter().map(|file| !file.revents().is_empty());
        let mut is_ready = sources.iter().map(|source| source.is_some() && answers.next().unwrap_or(false));
        let mut next = || is_ready.next().unwrap_or(false);
        Ok(Ready {
            child: next(),
            control: next(),
            output: next(),
            error: next(),
            init: next(),
            is_server_gone: next(),
            channel: next(),
            keeper: next(),
        })
    }

    fn pump(&mut self, source: LogSource, pieces: usize) {
        let Some(at) = self.pipes.iter().position(|(_, one)| *one == source) else { return };
        for _ in 0..pieces {
            let Some((pipe, _)) = self.pipes.get(at) else { return };
            match self.log.pump(pipe, source) {
                Pumped::Something => {}
                Pumped::NothingYet => return,
                Pumped::End => {
                    self.pipes.remove(at);
                    return;
                }
            }
        }
    }

    fn hear_init(&mut self) {
        if let Child::Container(container) = &mut self.child
            && let Err(error) = container.let_in()
        {
            // The init goes when it is not let in, and the run ends as one that was not started.
            self.log.note(&format!("the container could not be reached: {error}"));
        }
        loop {
            let Some(line) = self.child.line() else { return };
            let text = match line.lines.next_line() {
                Line::Got(text) => text,
                Line::NothingYet => return,
                Line::End => {
                    line.is_silent = true;
                    self.count();
                    return;
                }
            };
            match serde_json::from_slice(&text) {
                Ok(FromInit::Started { at_us }) => self.started(at_us),
                Ok(FromInit::NotStarted { reason }) => self.not_started = Some(reason),
                Ok(FromInit::Ended(end)) => {
                    self.end = Some(end);
                    self.count();
                    if let Some(line) = self.child.line() {
                        line.tell(&ToInit::Leave);
                    }
                }
                Err(_) => {}
            }
        }
    }

    fn hear_control(&mut self) {
        while let Line::Got(line) = self.control.next_line() {
            if let Ok(cancel) = serde_json::from_slice::<Control>(&line) {
                self.begin_end(cancel);
            }
        }
    }

    fn begin_end(&mut self, cancel: Cancel) {
        let is_first = self.forced.is_none();
        self.force(match cancel.because {
            CancelCause::Canceled => Outcome::Canceled,
            CancelCause::TimedOut => Outcome::TimedOut,
            CancelCause::Evicted => Outcome::Evicted,
        });
        let deadline = Instant::now() + cancel.grace.min(Duration::from_secs(86_400));
        self.deadline = Some(self.deadline.map_or(deadline, |old| old.min(deadline)));
        if is_first && !cancel.grace.is_zero() {
            match &mut self.child {
                Child::None => {}
                Child::Program(running) => running.signal_everybody(Signal::TERM),
                Child::Sandbox { line, .. } => line.tell(&ToInit::Terminate),
                Child::Container(container) => match &container.line {
                    Some(line) => line.tell(&ToInit::Terminate),
                    None => container.turn_away(),
                },
            }
        }
    }

    fn force(&mut self, outcome: Outcome) {
        // What has ended by itself meanwhile was not ended by us.
        if self.end.is_none() {
            self.forced.get_or_insert(outcome);
        }
    }

    /// Now, everybody; the second time from outside, in case the init cannot.
    fn kill(&mut self) {
        let is_first = self.kills == 0;
        match &mut self.child {
            Child::None => {}
            Child::Program(running) => running.signal_everybody(Signal::KILL),
            Child::Sandbox { line, .. } if is_first => line.tell(&ToInit::Kill),
            Child::Sandbox { pid, .. } => _ = kill_process(*pid, Signal::KILL),
            Child::Container(container) => container.kill(self.kills),
        }
        if let Some(group) = self.group.as_ref().filter(|_| !is_first) {
            group.kill();
        }
        self.kills += 1;
        self.watch.next = None;
        self.deadline = Some(Instant::now() + KILL_PATIENCE);
    }

    /// Whether no child is left.
    fn reap(&mut self) -> io::Result<bool> {
        if let Child::Program(running) = &mut self.child {
            let end = running.reap()?;
            self.end = self.end.or(end);
            return Ok(end.is_some());
        }
        if let Child::Container(container) = &mut self.child {
            return container.is_gone();
        }
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                Ok(None) => return Ok(false),
                Err(rustix::io::Errno::CHILD) => return Ok(true),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Supervised {
    /// What was seen, as a manifest.
    fn finish(mut self) -> io::Result<()> {
        let ended_at_us = to_micros(SystemTime::now());
        let counters = match &self.child {
            Child::Container(container) => container.counters(),
            _ => self.group.as_ref().map(Cgroup::counters).unwrap_or_default(),
        };
        let mut usage = self.end.map(|end| end.usage).unwrap_or_default();
        usage.cpu_time = counters.cpu_time.or(usage.cpu_time);
        let watched_peak = Some(self.watch.peak_memory_bytes).filter(|&peak| peak > 0);
        if let Some(peak) = counters.peak_memory_bytes.or(watched_peak) {
            usage.peak_memory_bytes = Some(peak);
            usage.is_peak_of_one_process = false;
        }
        usage.memory_kills = counters.memory_kills;
        usage.refused_processes = counters.refused_processes;
        usage.disk_bytes = self.watch.disk_bytes.map(|_| self.watch.used_disk(u64::MAX));
        let not_started = self.not_started.take().or_else(|| {
            // bubblewrap gave up before the init ran; what it said is all there is.
            let is_unheard = self.started_at_us.is_none() && self.end.is_none() && self.forced.is_none();
            is_unheard.then(|| format!("the sandbox could not be made: {}", self.log.first_words()))
        });
        let outcome = verdict::outcome(Findings {
            not_started,
            forced: self.forced.take(),
            status: self.end.map(|end| end.status),
            lost: self.lost.take(),
            memory_kills: usage.memory_kills,
            disk_used_bytes: usage.disk_bytes,
            limits: self.spec.run.limits,
        });
        let is_asked = self.spec.run.hashes_outputs && outcome.is_success();
        let outputs = is_asked.then(|| self.list_outputs()).and_then(|listed| {
            listed.inspect_err(|error| self.log.note(&format!("cannot list what was written: {error}"))).ok()
        });
        let manifest = Manifest {
            version: MANIFEST_VERSION,
            token: self.spec.token.clone(),
            started_at_us: self.started_at_us,
            ended_at_us,
            outcome,
            usage,
            outputs,
            dropped_log_bytes: self.log.dropped_bytes(),
        };
        let written = write_manifest(&manifest);
        if let Some(group) = &self.group {
            group.remove();
        }
        written
    }

    fn list_outputs(&self) -> io::Result<Vec<OutputFile>> {
        let mut outputs = Vec::new();
        for mount in self.spec.run.mounts.iter().filter(|mount| mount.access == Access::Writable) {
            outputs::list(&mount.host, &mount.place, &mut outputs)?;
        }
        Ok(outputs)
    }
}

/// To a temporary name, synced, renamed: whoever sees the name sees all of it.
///
/// The folder itself is not synced: after a power failure the run is lost anyway, unless the server kept its end.
fn write_manifest(manifest: &Manifest) -> io::Result<()> {
    let draft = file_name(&manifest.token, MANIFEST_DRAFT);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(&serde_json::to_vec(manifest)?)?;
    file.sync_data()?;
    std::fs::rename(draft, file_name(&manifest.token, MANIFEST))
}

/// What a turn of the loop found.
struct Ready {
    child: bool,
    control: bool,
    output: bool,
    error: bool,
    init: bool,
    is_server_gone: bool,
    channel: bool,
    keeper: bool,
}

/// A pipe of which our end does not block.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    rustix::fs::fcntl_setfl(&ours, rustix::fs::OFlags::NONBLOCK)?;
    Ok((ours, theirs))
}

pub(super) fn send(mut socket: &UnixStream, message: &ToInit) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    socket.write_all(&line)
}
