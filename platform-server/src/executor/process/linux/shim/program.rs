//! The operator's program, as its parent sees it: start, signals, end and use.
//!
//! Used by the init of a sandbox, where everybody is the namespace, and by the shim itself where there is no sandbox,
//! where everybody is whoever descends from it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, WaitOptions, kill_process, setrlimit, wait};

use super::super::protocol::{Program, ProgramEnd, ProgramStatus, ResourceLimit};
use super::super::sandbox::CHANNEL_FD;
use super::enter::inherit;
use crate::executor::outcome::Usage;

/// Whom a signal for the whole run reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Everybody {
    /// All processes of this pid namespace but this one.
    Namespace,
    /// All that descend from this process.
    Descendants,
}

/// A program that was started here.
pub(super) struct Running {
    main: Pid,
    everybody: Everybody,
    counters: Option<IoCounters>,
    ended: Option<ProgramStatus>,
}

impl Running {
    /// Starts `program` with the given pipes; returns once its file runs.
    ///
    /// # Errors
    /// In the words of the system, if there is no such program or it cannot be run.
    pub(super) fn start(
        program: &Program,
        everybody: Everybody,
        output: Stdio,
        error: Stdio,
        doors: Vec<File>,
        counters: Option<IoCounters>,
        channel: Option<OwnedFd>,
    ) -> io::Result<Self> {
        let (name, arguments) =
            program.command.split_first().ok_or_else(|| io::Error::other("the command is empty"))?;
        let mut command = Command::new(name);
        command
            .args(arguments)
            .env_clear()
            .envs(program.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(&program.working_dir).stdin(Stdio::null()).stdout(output).stderr(error);
        // Without this the program starts without a copy of this process, which is much cheaper.
        if !program.limits.is_empty() || !doors.is_empty() || channel.is_some() {
            prepare_child(&mut command, program.limits.clone(), doors, channel);
        }
        let child = command.spawn().map_err(|error| io::Error::other(format!("`{name}`: {error}")))?;
        let main =
            i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self { main, everybody, counters, ended: None })
    }

    /// Reaps who has ended. Once the program itself has, everybody else is ended too.
    ///
    /// Returns its end when no process of the run is left.
    pub(super) fn reap(&mut self) -> io::Result<Option<ProgramEnd>> {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.main && (status.exited() || status.signaled()) => {
                    self.ended = Some(match status.exit_status() {
                        Some(code) => ProgramStatus::Code(code),
                        None => ProgramStatus::Signal(status.terminating_signal().unwrap_or_default()),
                    });
                    self.signal_everybody(Signal::KILL);
                }
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                Ok(None) => {
                    if self.ended.is_some() && self.everybody == Everybody::Descendants {
                        // Who was forked while the others were ended.
                        self.signal_everybody(Signal::KILL);
                    }
                    return Ok(None);
                }
                Err(rustix::io::Errno::CHILD) => {
                    return Ok(self.ended.map(|status| ProgramEnd { status, usage: self.usage() }));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether the program itself has ended, and only others may be left.
    pub(super) fn is_over(&self) -> bool {
        self.ended.is_some()
    }

    pub(super) fn signal_everybody(&self, signal: Signal) {
        match self.everybody {
            Everybody::Namespace => signal_namespace(signal),
            Everybody::Descendants => {
                for pid in descendants() {
                    _ = kill_process(pid, signal);
                }
            }
        }
    }

    fn usage(&self) -> Usage {
        let (cpu_time, largest) = children_usage();
        let bytes = self.counters.as_ref().and_then(IoCounters::of_children);
        Usage {
            cpu_time: Some(cpu_time),
            peak_memory_bytes: Some(largest),
            is_peak_of_one_process: true,
            read_bytes: bytes.map(|(read, _)| read),
            written_bytes: bytes.map(|(_, written)| written),
            ..Usage::default()
        }
    }
}

/// What happens between fork and exec: join the groups, take the channel and the limits.
#[expect(unsafe_code, reason = "code between fork and exec")]
fn prepare_child(
    command: &mut Command,
    limits: Vec<ResourceLimit>,
    mut doors: Vec<File>,
    channel: Option<OwnedFd>,
) {
    // SAFETY: this process has one thread, so the child may do what any process may.
    unsafe {
        command.pre_exec(move || {
            for door in &mut doors {
                door.write_all(b"0")?;
            }
            if let Some(channel) = &channel {
                inherit(channel.as_raw_fd(), CHANNEL_FD)?;
            }
            limits.iter().try_for_each(|&limit| set_limit(limit))
        });
    }
}

pub(super) fn set_limit(limit: ResourceLimit) -> io::Result<()> {
    let (resource, soft, hard) = match limit {
        ResourceLimit::FileBytes(bytes) => (Resource::Fsize, bytes, bytes),
        ResourceLimit::DataBytes(bytes) => (Resource::Data, bytes, bytes),
        ResourceLimit::Processes(count) => (Resource::Nproc, count, count),
        ResourceLimit::OpenFiles { soft, hard } => (Resource::Nofile, soft, hard),
    };
    // A stricter limit of the server itself stays.
    let old = rustix::process::getrlimit(resource);
    let allowed = |value: u64| Some(old.maximum.map_or(value, |maximum| value.min(maximum)));
    Ok(setrlimit(resource, Rlimit { current: allowed(soft), maximum: allowed(hard) })?)
}

/// `kill(-1)`: in one step, so that nobody can fork out of reach.
#[expect(unsafe_code, reason = "no safe wrapper for kill(-1)")]
fn signal_namespace(signal: Signal) {
    // SAFETY: takes and returns plain numbers. Only called by pid 1 of a namespace, so it reaches nobody outside.
    unsafe { libc::kill(-1, signal.as_raw()) };
}

/// Processor time of all children that were waited for, theirs included, and the largest resident size of one.
#[expect(unsafe_code, reason = "no safe wrapper for getrusage")]
fn children_usage() -> (Duration, u64) {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the kernel fills the structure that is ours; all zeroes is a valid one.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr());
        usage.assume_init()
    };
    let time = |value: libc::timeval| {
        let secs = Duration::from_secs(u64::try_from(value.tv_sec).unwrap_or(0));
        secs + Duration::from_micros(u64::try_from(value.tv_usec).unwrap_or(0))
    };
    (time(usage.ru_utime) + time(usage.ru_stime), u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024)
}

/// What all children together read and wrote, as the kernel adds it up when they are reaped.
pub(super) struct IoCounters {
    /// Of this process, which has one thread, and of its reaped children.
    all: File,
    /// Of the thread alone.
    own: File,
}

impl IoCounters {
    /// Has to be opened before the process closes itself to tracers, which closes these files too.
    pub(super) fn open() -> Option<Self> {
        Some(Self { all: File::open("/proc/self/io").ok()?, own: File::open("/proc/thread-self/io").ok()? })
    }

    /// Bytes read and written.
    fn of_children(&self) -> Option<(u64, u64)> {
        let read = |file: &File| {
            let mut text = [0; 1024];
            let len = file.read_at(&mut text, 0).ok()?;
            let text = std::str::from_utf8(text.get(..len)?).ok()?;
            let field =
                |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.trim().parse::<u64>().ok());
            Some((field("rchar:")?, field("wchar:")?))
        };
        let (own_read, own_written) = read(&self.own)?;
        let (all_read, all_written) = read(&self.all)?;
        Some((all_read.checked_sub(own_read)?, all_written.checked_sub(own_written)?))
    }
}

/// All processes below this one.
pub(super) fn descendants() -> Vec<Pid> {
    let mut found: Vec<Pid> = Vec::new();
    let mut queue = vec![rustix::process::getpid()];
    while let Some(pid) = queue.pop() {
        let Ok(threads) = fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())) else { continue };
        for thread in threads.flatten() {
            let text = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            for child in text.split_whitespace().filter_map(|word| Pid::from_raw(word.parse().ok()?)) {
                found.push(child);
                queue.push(child);
            }
        }
    }
    found
}
