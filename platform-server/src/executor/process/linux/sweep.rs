//! Ends what a dead shim may have left: by the run's cgroup, and by the marker in every process's environment.
//!
//! In a sandbox nothing is left, since it dies with its shim. Without one, an operator could hide from this by changing
//! its environment; only a cgroup holds it then.

use std::fs;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, getpid, kill_process};

use super::cgroup::CgroupRoot;
use super::sandbox::MARKER;
use crate::executor::RunToken;

/// Rounds of looking; each ends everybody who was found.
const ROUNDS: u32 = 100;

/// Ends all processes of the run, its shim included. Blocks until none is found, or 2 seconds.
pub(super) fn sweep(root: Option<&CgroupRoot>, token: RunToken) {
    if let Some(root) = root {
        root.sweep(&token.to_string());
    }
    for _ in 0..ROUNDS {
        let found = marked(token);
        if found.is_empty() {
            break;
        }
        for pid in found {
            _ = kill_process(pid, Signal::KILL);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Processes that carry the marker of `token`, or are its shim.
pub(super) fn marked(token: RunToken) -> Vec<Pid> {
    let token = token.to_string();
    let marker = format!("{MARKER}={token}");
    let has = |pid: Pid, file: &str, wanted: &str| {
        let bytes = fs::read(format!("/proc/{}/{file}", pid.as_raw_nonzero())).unwrap_or_default();
        bytes.split(|byte| *byte == 0).any(|part| part == wanted.as_bytes())
    };
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = numbers.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
    let others = pids.filter(|pid| *pid != getpid());
    others.filter(|&pid| has(pid, "cmdline", &token) || has(pid, "environ", &marker)).collect()
}
