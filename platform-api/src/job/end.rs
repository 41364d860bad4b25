//! Why an operator ended, and what it was allowed to use.

use std::fmt;
use std::time::Duration;

/// Why an operator ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// By itself.
    Exited {
        /// 0 where all went well.
        code: i32,
    },
    /// By a signal that the platform did not send.
    Signaled {
        /// Its number.
        signal: i32,
    },
    /// It used more memory than it asked for.
    OutOfMemory,
    /// Its own time limit, or that of its job.
    TimedOut,
    /// Its disk quota, or the disk itself, was full.
    DiskFull,
    /// Somebody asked for its end.
    Canceled,
    /// Nobody can say: the executor and the record of the end disagree.
    Lost,
    /// It never ran: its image, bundle or sandbox could not be had.
    NotStarted,
    /// It never ran: the job was over first.
    Skipped,
}

impl EndReason {
    /// Whether the operator did its work.
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Exited { code: 0 })
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited { code } => write!(f, "exited with code {code}"),
            Self::Signaled { signal } => write!(f, "ended by signal {signal}"),
            Self::OutOfMemory => f.write_str("out of memory"),
            Self::TimedOut => f.write_str("ran over its time limit"),
            Self::DiskFull => f.write_str("disk full"),
            Self::Canceled => f.write_str("canceled"),
            Self::Lost => f.write_str("lost"),
            Self::NotStarted => f.write_str("could not be started"),
            Self::Skipped => f.write_str("never ran"),
        }
    }
}

/// The end of an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorEnd {
    /// Why.
    pub reason: EndReason,
    /// Why, for people.
    pub message: String,
    /// Largest memory in use at once, where it is known.
    pub peak_memory_bytes: Option<u64>,
    /// Processor time of the whole process tree, where it is known.
    pub cpu_time: Option<Duration>,
}

/// How limits are enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Enforcement {
    /// Nothing holds an operator to its limits.
    None,
    /// Per-process limits and a watchdog over the process tree.
    Rlimit,
    /// Control groups, version 1.
    CgroupV1,
    /// Control groups, version 2.
    CgroupV2,
    /// The container engine.
    Container,
}

/// What an operator may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Cores.
    pub cpus: u32,
    /// Whole GPUs.
    pub gpus: u32,
    /// Memory, shared memory included.
    pub memory_bytes: u64,
    /// Shared memory.
    pub shared_memory_bytes: u64,
    /// Processes and threads, where they are limited.
    pub processes: Option<u32>,
    /// Its own time limit, where it has one.
    pub timeout: Option<Duration>,
    /// How all this is enforced.
    pub enforcement: Enforcement,
}
