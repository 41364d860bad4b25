//! Limits that no kernel counter holds: disk quota always, memory and processes where there is no cgroup.
//!
//! Looks every so often, so short peaks can pass; how often follows from what a look costs.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::outputs::used_bytes;
use super::program::descendants;
use crate::executor::Outcome;

pub(super) struct Watch {
    pub(super) writable: Vec<PathBuf>,
    pub(super) disk_bytes: Option<u64>,
    /// Only where the kernel does not hold it.
    pub(super) memory_bytes: Option<u64>,
    pub(super) processes: Option<u32>,
    /// Processes of ours below the shim.
    pub(super) own_processes: u32,
    pub(super) peak_memory_bytes: u64,
    pub(super) next: Option<Instant>,
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A look may take a twentieth of a processor.
const PAUSE_PER_LOOK: u32 = 20;

impl Watch {
    /// Whether there is anything to watch.
    pub(super) fn is_needed(&self) -> bool {
        self.disk_bytes.is_some() || self.memory_bytes.is_some() || self.processes.is_some()
    }

    /// Looks; says why the run has to end, if it has to.
    pub(super) fn look(&mut self) -> Option<Outcome> {
        let started = Instant::now();
        let verdict = self.judge();
        self.next =
            Some(Instant::now() + (started.elapsed() * PAUSE_PER_LOOK).clamp(SHORTEST_PAUSE, LONGEST_PAUSE));
        verdict
    }

    fn judge(&mut self) -> Option<Outcome> {
        if self.memory_bytes.is_some() || self.processes.is_some() {
            let (memory, processes) = tree();
            self.peak_memory_bytes = self.peak_memory_bytes.max(memory);
            if let Some(limit_bytes) = self.memory_bytes.filter(|&limit| memory > limit) {
                return Some(Outcome::OutOfMemory { limit_bytes });
            }
            if let Some(limit) =
                self.processes.filter(|&limit| processes > limit.saturating_add(self.own_processes))
            {
                return Some(Outcome::TooManyProcesses { limit });
            }
        }
        self.disk()
    }

    /// Whether the writable folders are over their quota.
    pub(super) fn disk(&self) -> Option<Outcome> {
        let limit_bytes = self.disk_bytes?;
        let used_bytes = self.used_disk(limit_bytes);
        (used_bytes > limit_bytes).then_some(Outcome::DiskExceeded { used_bytes, limit_bytes })
    }

    pub(super) fn used_disk(&self, enough: u64) -> u64 {
        used_bytes(self.writable.iter().map(PathBuf::as_path), enough)
    }
}

/// Resident memory and number of processes and threads below the shim.
fn tree() -> (u64, u32) {
    let page = rustix::param::page_size() as u64;
    let (mut pages, mut threads) = (0u64, 0u32);
    for pid in descendants() {
        let read = |file: &str| {
            fs::read_to_string(format!("/proc/{}/{file}", pid.as_raw_nonzero())).unwrap_or_default()
        };
        pages += read("statm").split(' ').nth(1).and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
        let status = read("status");
        let count = status.lines().find_map(|line| line.strip_prefix("Threads:")?.trim().parse::<u32>().ok());
        threads = threads.saturating_add(count.unwrap_or(1));
    }
    (pages * page, threads)
}
