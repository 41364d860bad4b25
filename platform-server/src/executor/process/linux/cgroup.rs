//! Limits that the kernel holds for all processes of a run together: cgroups, version 2 or 1.
//!
//! One group for each run, below a root of our own, made by the shim and removed by it; what a dead shim left is
//! removed by [`CgroupRoot::sweep`]. Only what a limit asks for is created.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::executor::spec::Limits;

/// Where groups of runs are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::executor) enum CgroupRoot {
    /// One tree for everything; the folder is ours and holds no process.
    V2 { dir: PathBuf, has_cpu: bool },
    /// A tree for each kind of limit; each folder is ours.
    V1 { memory: PathBuf, pids: PathBuf, cpu: Option<PathBuf> },
}

/// The group of one run.
pub(super) struct Cgroup {
    is_v2: bool,
    memory: Option<PathBuf>,
    pids: Option<PathBuf>,
    cpu: Option<PathBuf>,
}

/// What the kernel counted.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counters {
    pub(super) cpu_time: Option<Duration>,
    pub(super) peak_memory_bytes: Option<u64>,
    pub(super) memory_kills: u64,
    pub(super) refused_processes: u64,
}

/// Where the server itself goes in a group that was delegated to it.
const SERVER_LEAF: &str = "lantern-server";
const CPU_PERIOD_US: u64 = 100_000;

impl CgroupRoot {
    /// Finds the best root that this process may use, and makes it ready.
    ///
    /// `delegated` is a folder of version 2 that somebody set aside for us; `label` tells several servers apart.
    pub(super) fn find(delegated: Option<&Path>, label: &str) -> Option<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        if let Some(dir) = delegated {
            return prepare_v2(dir).ok();
        }
        // Who has moved already finds itself in the leaf.
        let own_v2 = own_folder(&own, &mounts, None).map(|dir| match dir.parent() {
            Some(parent) if dir.ends_with(SERVER_LEAF) => parent.to_owned(),
            _ => dir,
        });
        let v2 = own_v2.filter(|dir| is_delegated(dir));
        if let Some(root) = v2.and_then(|dir| leave_for_leaf(&dir).and_then(|()| prepare_v2(&dir)).ok()) {
            return Some(root);
        }
        let ours = |controller: &str| {
            let dir = own_folder(&own, &mounts, Some(controller))?.join(label);
            match fs::create_dir(&dir) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => None,
                _ => can_write(&dir.join("cgroup.procs")).then_some(dir),
            }
        };
        Some(Self::V1 { memory: ours("memory")?, pids: ours("pids")?, cpu: ours("cpu") })
    }

    /// Makes the group `name` with `limits`, of which `own_processes` more are for the sandbox itself.
    pub(super) fn create(&self, name: &str, limits: &Limits, own_processes: u32) -> io::Result<Cgroup> {
        let processes = limits.processes.map(|count| u64::from(count) + u64::from(own_processes));
        let quota_us =
            limits.cpu_millis.map(|millis| u64::from(millis) * CPU_PERIOD_US / 1000).map(|q| q.max(1000));
        let made = match self {
            Self::V2 { dir, .. } => {
                let dir = dir.join(name);
                Cgroup { is_v2: true, memory: Some(dir.clone()), pids: Some(dir.clone()), cpu: Some(dir) }
            }
            Self::V1 { memory, pids, cpu } => Cgroup {
                is_v2: false,
                memory: limits.memory_bytes.map(|_| memory.join(name)),
                pids: processes.map(|_| pids.join(name)),
                cpu: cpu.as_ref().filter(|_| quota_us.is_some()).map(|cpu| cpu.join(name)),
            },
        };
        made.fill(self, limits.memory_bytes, processes, quota_us).inspect_err(|_| made.remove())?;
        Ok(made)
    }

    /// Ends what still runs in the group `name`, and removes it. Says whether a process was still there.
    pub(super) fn sweep(&self, name: &str) -> bool {
        let left = match self {
            Self::V2 { dir, .. } => {
                let dir = dir.join(name);
                Cgroup { is_v2: true, memory: Some(dir), pids: None, cpu: None }
            }
            Self::V1 { memory, pids, cpu } => Cgroup {
                is_v2: false,
                memory: Some(memory.join(name)),
                pids: Some(pids.join(name)),
                cpu: cpu.as_ref().map(|cpu| cpu.join(name)),
            },
        };
        let had_processes = left.kill();
        left.remove();
        had_processes
    }

    /// Removes the folders that [`CgroupRoot::find`] made, unless there are still groups of runs in them.
    pub(super) fn leave(&self) {
        if let Self::V1 { memory, pids, cpu } = self {
            for dir in [Some(memory), Some(pids), cpu.as_ref()].into_iter().flatten() {
                _ = fs::remove_dir(dir);
            }
        }
    }

    /// Names of the groups that are there.
    pub(super) fn names(&self) -> Vec<String> {
        let dirs: Vec<&PathBuf> = match self {
            Self::V2 { dir, .. } => vec![dir],
            Self::V1 { memory, pids, cpu } => [memory, pids].into_iter().chain(cpu).collect(),
        };
        let entries = dirs.into_iter().filter_map(|dir| fs::read_dir(dir).ok()).flatten().flatten();
        let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        let mut names: Vec<String> =
            folders.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names.dedup();
        names
    }
}

impl Cgroup {
    /// The group that another process is in, made by somebody else, to look at. `None` if it has none of its own.
    pub(super) fn of_process(pid: Pid) -> Option<Self> {
        let own = fs::read_to_string(format!("/proc/{}/cgroup", pid.as_raw_nonzero())).ok()?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        Self::in_list(&own, &mounts)
    }

    fn in_list(own: &str, mounts: &str) -> Option<Self> {
        let of = |controller| exact_folder(own, mounts, controller);
        if let Some(memory) = of(Some("memory")) {
            return Some(Self { is_v2: false, memory: Some(memory), pids: of(Some("pids")), cpu: None });
        }
        let dir = of(None).filter(|dir| dir.join("memory.events").exists())?;
        Some(Self { is_v2: true, memory: Some(dir.clone()), pids: Some(dir.clone()), cpu: Some(dir) })
    }

    fn fill(
        &self,
        root: &CgroupRoot,
        memory_bytes: Option<u64>,
        processes: Option<u64>,
        quota_us: Option<u64>,
    ) -> io::Result<()> {
        for dir in self.dirs() {
            fs::create_dir(dir)?;
        }
        let put = |dir: &Option<PathBuf>, file: &str, value: &dyn ToString| match dir {
            Some(dir) => fs::write(dir.join(file), value.to_string()),
            None => Ok(()),
        };
        if let Some(bytes) = memory_bytes {
            if self.is_v2 {
                put(&self.memory, "memory.max", &bytes)?;
                put(&self.memory, "memory.oom.group", &1)?;
                // Kernels without swap accounting lack the file.
                _ = put(&self.memory, "memory.swap.max", &0);
            } else {
                put(&self.memory, "memory.limit_in_bytes", &bytes)?;
                _ = put(&self.memory, "memory.memsw.limit_in_bytes", &bytes);
            }
        }
        if let Some(count) = processes {
            put(&self.pids, "pids.max", &count)?;
        }
        match (quota_us, root) {
            (Some(quota), CgroupRoot::V2 { has_cpu: true, .. }) => {
                put(&self.cpu, "cpu.max", &format!("{quota} {CPU_PERIOD_US}"))
            }
            (Some(quota), CgroupRoot::V1 { .. }) => {
                put(&self.cpu, "cpu.cfs_period_us", &CPU_PERIOD_US)?;
                put(&self.cpu, "cpu.cfs_quota_us", &quota)
            }
            _ => Ok(()),
        }
    }

    fn dirs(&self) -> Vec<&Path> {
        let mut dirs: Vec<&Path> =
            [&self.memory, &self.pids, &self.cpu].into_iter().flatten().map(PathBuf::as_path).collect();
        dirs.dedup();
        dirs
    }

    /// Files into which a process writes `0` to join.
    pub(super) fn doors(&self) -> io::Result<Vec<File>> {
        let open = |dir: &Path| OpenOptions::new().write(true).open(dir.join("cgroup.procs"));
        self.dirs().into_iter().map(open).collect()
    }

    pub(super) fn counters(&self) -> Counters {
        let number = |dir: &Option<PathBuf>, file: &str| read_number(&dir.as_ref()?.join(file));
        let field = |dir: &Option<PathBuf>, file: &str, key: &str| read_field(&dir.as_ref()?.join(file), key);
        let (peak, oom, cpu) = if self.is_v2 {
            (
                number(&self.memory, "memory.peak"),
                field(&self.memory, "memory.events", "oom_kill"),
                field(&self.cpu, "cpu.stat", "usage_usec"),
            )
        } else {
            (
                number(&self.memory, "memory.max_usage_in_bytes"),
                field(&self.memory, "memory.oom_control", "oom_kill"),
                None,
            )
        };
        Counters {
            cpu_time: cpu.map(Duration::from_micros),
            peak_memory_bytes: peak,
            memory_kills: oom.unwrap_or(0),
            refused_processes: field(&self.pids, "pids.events", "max").unwrap_or(0),
        }
    }

    /// Ends every process in the group; says whether there was one.
    pub(super) fn kill(&self) -> bool {
        let mut had_processes = false;
        // Forks may outrun one round; a group with a process limit cannot outrun many.
        for round in 0..200 {
            let pids: Vec<Pid> =
                self.dirs().into_iter().flat_map(|dir| read_pids(&dir.join("cgroup.procs"))).collect();
            if pids.is_empty() {
                break;
            }
            had_processes = true;
            if let (true, Some(dir)) = (self.is_v2, &self.memory) {
                _ = fs::write(dir.join("cgroup.kill"), "1");
            }
            for pid in pids {
                _ = kill_process(pid, Signal::KILL);
            }
            thread::sleep(Duration::from_millis(if round < 20 { 1 } else { 20 }));
        }
        had_processes
    }

    pub(super) fn remove(&self) {
        for dir in self.dirs() {
            // The kernel says busy for a moment after the last process is gone.
            for _ in 0..50 {
                match fs::remove_dir(dir) {
                    Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                        thread::sleep(Duration::from_millis(2))
                    }
                    _ => break,
                }
            }
        }
    }
}

fn read_number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn read_field(path: &Path, key: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))?;
    line.trim().parse().ok()
}

fn read_pids(path: &Path) -> Vec<Pid> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?)).collect()
}

fn can_write(path: &Path) -> bool {
    OpenOptions::new().write(true).open(path).is_ok()
}

/// The folder of this process in the tree of `controller`, or in the tree of version 2. Where it cannot be seen, which a
/// container can bring about, the top of the tree that can be.
fn own_folder(own: &str, mounts: &str, controller: Option<&str>) -> Option<PathBuf> {
    let (dir, point) = folder_and_top(own, mounts, controller)?;
    Some(if dir.is_dir() { dir } else { point })
}

/// The same for any process, but nothing instead of the top, which holds others too.
fn exact_folder(own: &str, mounts: &str, controller: Option<&str>) -> Option<PathBuf> {
    let (dir, point) = folder_and_top(own, mounts, controller)?;
    (dir != point && dir.is_dir()).then_some(dir)
}

fn folder_and_top(own: &str, mounts: &str, controller: Option<&str>) -> Option<(PathBuf, PathBuf)> {
    let is_wanted = |list: &str| match controller {
        Some(controller) => list.split(',').any(|one| one == controller),
        None => list.is_empty(),
    };
    let path = own.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (list, path) = (parts.next()?, parts.next()?);
        is_wanted(list).then_some(path)
    })?;
    let (root, point) = mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let mut kind = kind.split(' ');
        let (name, options) = (kind.next()?, kind.nth(1)?);
        let is_this = match controller {
            Some(controller) => name == "cgroup" && options.split(',').any(|one| one == controller),
            None => name == "cgroup2",
        };
        let mut place = place.split(' ').skip(3);
        let (root, point) = (place.next()?, place.next()?);
        is_this.then(|| (root.to_owned(), PathBuf::from(point)))
    })?;
    // In a container the mount may begin below the path that the kernel tells.
    let inside = path.strip_prefix(root.trim_end_matches('/')).unwrap_or(path).trim_start_matches('/');
    // An empty end would leave a slash behind, and no path that is equal to the top.
    let dir = if inside.is_empty() { point.clone() } else { point.join(inside) };
    Some((dir, point))
}

/// Whether systemd or an administrator marked the group as ours to divide.
fn is_delegated(dir: &Path) -> bool {
    let mut value = [0u8; 1];
    ["user.delegate", "trusted.delegate"].iter().any(|name| {
        rustix::fs::getxattr(dir, *name, &mut value[..]).is_ok_and(|len| len == 1) && value == *b"1"
    })
}

/// Moves this process into a leaf, since a group that is divided may hold no process itself.
fn leave_for_leaf(dir: &Path) -> io::Result<()> {
    let leaf = dir.join(SERVER_LEAF);
    if !leaf.is_dir() {
        fs::create_dir(&leaf)?;
    }
    fs::write(leaf.join("cgroup.procs"), "0")
}

/// Hands the controllers down to the groups of runs.
fn prepare_v2(dir: &Path) -> io::Result<CgroupRoot> {
    let control = dir.join("cgroup.subtree_control");
    for needed in ["+memory", "+pids"] {
        fs::write(&control, needed)?;
    }
    let has_cpu = fs::write(&control, "+cpu").is_ok();
    Ok(CgroupRoot::V2 { dir: dir.to_owned(), has_cpu })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_folders_are_found_in_both_versions_and_below_a_containers_root() {
        let own = "8:pids:/a\n4:memory:/job/x\n1:cpu,cpuacct:/\n0::/user.slice/b\n";
        let mounts = "30 20 0:25 / /nowhere/memory rw - cgroup cgroup rw,memory\n\
                      31 20 0:26 /a /nowhere/pids rw shared:3 - cgroup cgroup rw,pids\n\
                      32 20 0:27 / /proc rw - cgroup2 cgroup2 rw\n";
        // Folders that are not there fall back to the mount point.
        let folder = |controller| own_folder(own, mounts, controller);
        assert_eq!(folder(Some("memory")), Some("/nowhere/memory".into()));
        assert_eq!(folder(Some("pids")), Some("/nowhere/pids".into()));
        assert_eq!(folder(None), Some("/proc".into()));
        assert_eq!(folder(Some("cpu")), None);
        assert_eq!(folder(Some("mem")), None);
        let own = "0::/self\n";
        assert_eq!(own_folder(own, mounts, None), Some("/proc/self".into()));
        // Of others, only what is theirs alone.
        assert_eq!(exact_folder(own, mounts, None), Some("/proc/self".into()));
        assert_eq!(exact_folder("0::/\n", mounts, None), None);
        assert_eq!(exact_folder("4:memory:/job/x\n", mounts, Some("memory")), None);
    }

    #[test]
    fn counters_are_read_by_their_whole_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events");
        fs::write(&path, "oom 9\noom_kill_disable 0\noom_kill 3\n").unwrap();
        assert_eq!(read_field(&path, "oom_kill"), Some(3));
        assert_eq!(read_field(&path, "oom_ki"), None);
    }

    /// The files of a group as version 2 shows them, since this machine may have version 1 only.
    #[test]
    fn limits_of_version_2_go_to_its_files() {
        let dir = tempfile::tempdir().unwrap();
        let root = CgroupRoot::V2 { dir: dir.path().into(), has_cpu: true };
        let limits = Limits {
            cpu_millis: Some(1500),
            memory_bytes: Some(1 << 20),
            processes: Some(5),
            ..Limits::default()
        };
        let group = root.create("x", &limits, 2).unwrap();
        let text = |file: &str| fs::read_to_string(dir.path().join("x").join(file)).unwrap();
        assert_eq!(text("cpu.max"), "150000 100000");
        assert_eq!(text("memory.max"), "1048576");
        assert_eq!(text("memory.oom.group"), "1");
        assert_eq!(text("pids.max"), "7");
        assert_eq!(group.dirs().len(), 1);
    }
}
