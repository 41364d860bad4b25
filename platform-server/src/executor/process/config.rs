//! What whoever runs the server decides about runs on this machine.

use std::path::PathBuf;

/// Settings of [`super::ProcessExecutor`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessConfig {
    /// Folder for what is kept of runs; created if it is missing, and closed to other users.
    pub state_dir: PathBuf,
    /// How to start the shim: a program that calls [`super::shim_main`], and the arguments that make it do so.
    pub shim: Vec<String>,
    /// What stands between runs and the machine.
    pub isolate: Isolate,
    /// Where the server is root: the user and group that runs have on the host.
    pub runs_as: (u32, u32),
    /// A cgroup (version 2) that is delegated to the server; `None` looks for one, then for version 1.
    pub cgroup: Option<PathBuf>,
    /// Whether cgroups are used at all.
    pub uses_cgroups: bool,
    /// What buffers in shared memory may take, of all jobs together.
    pub shared_memory_bytes: u64,
    /// Whether runs end when the server dies, at once and not only when the next one starts.
    pub ends_with_server: bool,
}

/// What stands between runs and the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Isolate {
    /// Namespaces made by bubblewrap, under this name or path. Without it no run starts.
    Bubblewrap(String),
    /// Nothing: every run can do what the server can. For trusted operators on machines that allow no sandbox.
    Nothing,
}

impl ProcessConfig {
    /// Sandboxed runs, kept in `state_dir`, with the shim `shim`.
    pub fn new(state_dir: impl Into<PathBuf>, shim: Vec<String>) -> Self {
        Self {
            state_dir: state_dir.into(),
            shim,
            isolate: Isolate::Bubblewrap("bwrap".into()),
            // `nobody`: owns no files, and every system has it.
            runs_as: (65534, 65534),
            cgroup: None,
            uses_cgroups: true,
            shared_memory_bytes: 4 << 30,
            ends_with_server: false,
        }
    }
}
