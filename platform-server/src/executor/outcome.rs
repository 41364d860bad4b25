//! How a run ended, what it used, and the manifest that proves it.
//!
//! The manifest is written by the shim beside the operator, where the operator cannot reach it: to a temporary name,
//! synced, then renamed. This file only holds its form.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Why a run is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The program ended by itself; 0 is success.
    Exited {
        /// What it returned.
        code: i32,
    },
    /// A signal that nobody here sent ended the program.
    Signaled {
        /// The number of the signal.
        signal: i32,
    },
    /// It failed, and the kernel or the watchdog had ended a process of it for its memory.
    OutOfMemory {
        /// What it was allowed.
        limit_bytes: u64,
    },
    /// Its writable folders grew over the quota.
    DiskExceeded {
        /// What they take.
        used_bytes: u64,
        /// What they were allowed.
        limit_bytes: u64,
    },
    /// More processes than allowed, seen by the watchdog, where the kernel could not refuse them.
    TooManyProcesses {
        /// What it was allowed.
        limit: u32,
    },
    /// Ended because somebody asked.
    Canceled,
    /// Ended because its time was over.
    TimedOut,
    /// Ended because its server went away.
    Evicted,
    /// The program never ran.
    NotStarted {
        /// Why, in the words of the system.
        reason: String,
    },
    /// Its processes are gone without a manifest, or nobody knows of it. Whether it did its work is unknown.
    Lost {
        /// What was found instead.
        reason: String,
    },
}

impl Outcome {
    /// Whether the program ran to its end and said that all is well.
    pub fn is_success(&self) -> bool {
        *self == Self::Exited { code: 0 }
    }
}

/// What a run used. `None` is not known with the means in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Processor time of all its processes.
    pub cpu_time: Option<Duration>,
    /// Most memory that was in use at once: of all processes where a cgroup counts it, else of the largest one.
    pub peak_memory_bytes: Option<u64>,
    /// Whether the peak is that of the largest process only.
    pub is_peak_of_one_process: bool,
    /// Bytes that all its processes asked to read, from files, pipes and sockets.
    pub read_bytes: Option<u64>,
    /// Bytes that they asked to write.
    pub written_bytes: Option<u64>,
    /// What its writable folders take on disk, where there is a quota.
    pub disk_bytes: Option<u64>,
    /// Processes that the kernel ended for their memory.
    pub memory_kills: u64,
    /// Processes that the kernel refused to start; counted by cgroups only.
    pub refused_processes: u64,
}

/// A file that the run left in one of its writable folders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputFile {
    /// Where, as the operator saw it; bytes that are no UTF-8 are replaced.
    pub path: String,
    /// How long it is.
    pub size_bytes: u64,
    /// SHA-256 in lower-case hexadecimal digits.
    pub sha256: String,
}

/// How one run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct RunEnd {
    /// When the program was started, if it was.
    pub started_at: Option<SystemTime>,
    /// When it had ended, or when its loss was noticed.
    pub ended_at: SystemTime,
    /// Why.
    pub outcome: Outcome,
    /// What it used.
    pub usage: Usage,
    /// What it left, if that was asked for and it succeeded. `None` too if it could not be listed; the log says why.
    pub outputs: Option<Vec<OutputFile>>,
    /// Bytes of its log that were dropped, because of the limit or a full disk.
    pub dropped_log_bytes: u64,
}

impl RunEnd {
    /// The end of a run of which nothing more is known.
    pub fn lost(reason: impl Into<String>, ended_at: SystemTime) -> Self {
        Self {
            started_at: None,
            ended_at,
            outcome: Outcome::Lost { reason: reason.into() },
            usage: Usage::default(),
            outputs: None,
            dropped_log_bytes: 0,
        }
    }
}

/// The manifest as it lies on disk, as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Which form this is.
    pub(crate) version: u32,
    /// The run that it speaks of.
    pub(crate) token: String,
    pub(crate) started_at_us: Option<u64>,
    pub(crate) ended_at_us: u64,
    pub(crate) outcome: Outcome,
    pub(crate) usage: Usage,
    pub(crate) outputs: Option<Vec<OutputFile>>,
    pub(crate) dropped_log_bytes: u64,
}

/// The one form that is written and read.
pub(crate) const MANIFEST_VERSION: u32 = 1;

impl From<Manifest> for RunEnd {
    fn from(manifest: Manifest) -> Self {
        Self {
            started_at: manifest.started_at_us.map(from_micros),
            ended_at: from_micros(manifest.ended_at_us),
            outcome: manifest.outcome,
            usage: manifest.usage,
            outputs: manifest.outputs,
            dropped_log_bytes: manifest.dropped_log_bytes,
        }
    }
}

/// Microseconds since 1970; a clock before that counts as 1970.
pub(crate) fn to_micros(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// The time that [`to_micros`] wrote. Times that no clock can hold become 1970.
pub(crate) fn from_micros(micros: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_micros(micros)).unwrap_or(UNIX_EPOCH)
}
