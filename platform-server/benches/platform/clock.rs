//! Times, medians, and what this process and its children used.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// The value in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The value that so large a share is not above.
pub(crate) fn percentile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len().saturating_sub(1) as f64 * share).round() as usize;
    values.get(at).copied().unwrap_or(f64::NAN)
}

pub(crate) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Counts the processor time of this process and of everything below it, also of what others wait for.
///
/// By a group of cgroup version 1, as root; elsewhere nothing counts.
pub(crate) struct Account {
    group: Option<PathBuf>,
    before: PathBuf,
}

impl Account {
    pub(crate) fn open() -> Self {
        let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let own = own.lines().find_map(|line| line.split_once(":cpuacct:")).map_or("/", |(_, path)| path);
        let before = Path::new("/sys/fs/cgroup/cpuacct").join(own.trim_start_matches('/'));
        let group = before.join(format!("lantern-bench-{}", std::process::id()));
        let joined = std::fs::create_dir(&group)
            .and_then(|()| std::fs::write(group.join("cgroup.procs"), std::process::id().to_string()));
        Self { group: joined.is_ok().then_some(group), before }
    }

    /// Seconds so far; not a number where nothing counts.
    pub(crate) fn secs(&self) -> f64 {
        let text =
            self.group.as_ref().and_then(|dir| std::fs::read_to_string(dir.join("cpuacct.usage")).ok());
        text.and_then(|text| text.trim().parse::<f64>().ok()).map_or(f64::NAN, |nanos| nanos / 1e9)
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if let Some(group) = &self.group {
            let _ = std::fs::write(self.before.join("cgroup.procs"), std::process::id().to_string());
            let _ = std::fs::remove_dir(group);
        }
    }
}

/// Memory that this process has now.
pub(crate) fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1024.0
}
