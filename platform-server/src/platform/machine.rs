//! How busy the machine is, whoever uses it. What the system does not tell is none.

use std::path::Path;

/// Bytes: used and in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) used: u64,
    pub(crate) total: u64,
}

/// Time that the processors have spent since the machine started, in the system's own unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CpuTime {
    busy: u64,
    total: u64,
}

impl CpuTime {
    /// The share of `self` to `later` in which the processors worked, from 0 to 1; none when no time has passed.
    pub(super) fn share_until(self, later: Self) -> Option<f32> {
        let total = later.total.checked_sub(self.total).filter(|total| *total > 0)?;
        let busy = later.busy.saturating_sub(self.busy).min(total);
        Some((busy as f64 / total as f64) as f32)
    }
}

/// Up to now.
#[cfg(target_os = "linux")]
pub(super) fn cpu_time() -> Option<CpuTime> {
    parse_cpu_time(&std::fs::read_to_string("/proc/stat").ok()?)
}

/// Memory of the machine; what could be given up at once counts as free.
#[cfg(target_os = "linux")]
pub(super) fn memory() -> Option<Share> {
    parse_memory(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

/// The device that a folder is on.
#[cfg(target_os = "linux")]
pub(crate) fn disk(folder: &Path) -> Option<Share> {
    let of = rustix::fs::statvfs(folder).ok()?;
    let total = of.f_blocks.saturating_mul(of.f_frsize);
    Some(Share { used: total.saturating_sub(of.f_bfree.saturating_mul(of.f_frsize)), total })
}

#[cfg(not(target_os = "linux"))]
pub(super) fn cpu_time() -> Option<CpuTime> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(super) fn memory() -> Option<Share> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn disk(_folder: &Path) -> Option<Share> {
    None
}

/// The first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal; guests are in user.
#[cfg(any(target_os = "linux", test))]
fn parse_cpu_time(stat: &str) -> Option<CpuTime> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let times: Vec<u64> = line.split_whitespace().take(8).map(str::parse).collect::<Result<_, _>>().ok()?;
    let [_, _, _, idle, rest @ ..] = times.as_slice() else { return None };
    let idle = idle.checked_add(rest.first().copied().unwrap_or(0))?;
    let total = times.iter().try_fold(0u64, |sum, time| sum.checked_add(*time))?;
    Some(CpuTime { busy: total.checked_sub(idle)?, total })
}

#[cfg(any(target_os = "linux", test))]
fn parse_memory(info: &str) -> Option<Share> {
    let bytes = |name: &str| -> Option<u64> {
        let line = info.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    };
    let total = bytes("MemTotal:")?;
    Some(Share { used: total.checked_sub(bytes("MemAvailable:")?)?, total })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_for_a_disk_is_no_work() {
        let before = parse_cpu_time("cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 1 2 3\n").unwrap();
        let after = parse_cpu_time("cpu  150 0 150 750 150 0 0 0 90 0\n").unwrap();
        assert_eq!(before.share_until(after), Some(0.5));
        assert_eq!(before.share_until(before), None);
        assert_eq!(after.share_until(before), None, "time does not go back");
        for broken in ["", "cpu  1 2", "cpu  a b c d", "intr 1"] {
            assert_eq!(parse_cpu_time(broken), None, "{broken}");
        }
    }

    #[test]
    fn memory_that_can_be_given_up_is_free() {
        let info = "MemTotal:  1000 kB\nMemFree:  100 kB\nMemAvailable:  600 kB\n";
        assert_eq!(parse_memory(info), Some(Share { used: 400 << 10, total: 1000 << 10 }));
        assert_eq!(parse_memory("MemTotal: 1 kB\n"), None);
        assert_eq!(parse_memory("MemTotal: 1 kB\nMemAvailable: 2 kB\n"), None);
    }
}
