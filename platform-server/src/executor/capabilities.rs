//! What an executor can hold its runs to, and by which means.

use std::fmt;

/// Which promises an executor can keep. The server shows this to whoever runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// Short name of the engine.
    pub engine: &'static str,
    /// What stands between a run and the machine.
    pub isolation: Isolation,
    /// What holds the memory limit.
    pub memory: LimitMeans,
    /// What holds the processor limit.
    pub cpu: LimitMeans,
    /// What holds the number of processes.
    pub processes: LimitMeans,
    /// What holds the disk quota.
    pub disk: LimitMeans,
    /// Whether a run without leave for the network has none.
    pub withholds_network: bool,
    /// Whether a run sees only the GPUs that were assigned to it; else it is only told which to use.
    pub withholds_gpus: bool,
    /// Whether folders appear at the places that a run asks for; else it has to use the host's paths.
    pub has_own_mounts: bool,
    /// Whether runs survive the server, so that a new one can watch them.
    pub can_reattach: bool,
    /// Whether runs are container images; else each image stands for an operator bundle.
    pub runs_images: bool,
}

/// What stands between a run and the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Isolation {
    /// Namespaces of its own, made by bubblewrap.
    Bubblewrap {
        /// What the program says of itself.
        version: String,
        /// Whether system calls are filtered too.
        has_syscall_filter: bool,
        /// The user and group of the host that runs have, where the server is root.
        runs_as: Option<(u32, u32)>,
    },
    /// A container of Podman or Docker on this machine.
    Container {
        /// Its name and version.
        engine: String,
        /// Whether the engine itself has no rights of root.
        is_rootless: bool,
        /// The user and group that runs have; `None` where it is the image's.
        runs_as: Option<(u32, u32)>,
    },
    /// Nothing: a run can do what the server can. Only where the configuration says so.
    None,
    /// An engine elsewhere isolates, in its own way.
    Engine,
}

/// What makes a limit hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitMeans {
    /// The kernel, by a cgroup of version 2.
    CgroupV2,
    /// The kernel, by a cgroup of version 1.
    CgroupV1,
    /// The kernel, by a resource limit of the sandbox's own user namespace.
    NamespaceLimit,
    /// The shim looks every so often and ends the run; short peaks can pass.
    Watchdog,
    /// An engine elsewhere.
    Engine,
    /// Nothing.
    None,
}

impl Capabilities {
    /// What whoever runs the server should know and change, for people.
    pub fn warnings(&self) -> Vec<String> {
        match self.isolation {
            Isolation::None => vec![
                "operators run without a sandbox: each of them can do whatever the server can, read every payload and \
                 use up the machine; install bubblewrap and set `require-sandbox = true`"
                    .to_owned(),
            ],
            Isolation::Bubblewrap { .. } | Isolation::Container { .. } | Isolation::Engine => Vec::new(),
        }
    }
}

impl fmt::Display for LimitMeans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CgroupV2 => "cgroup v2",
            Self::CgroupV1 => "cgroup v1",
            Self::NamespaceLimit => "resource limit",
            Self::Watchdog => "watchdog",
            Self::Engine => "engine",
            Self::None => "none",
        })
    }
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bubblewrap { version, .. } => write!(f, "{version}"),
            Self::Container { engine, .. } => write!(f, "{engine}"),
            Self::None => f.write_str("none"),
            Self::Engine => f.write_str("engine"),
        }
    }
}

impl fmt::Display for Capabilities {
    /// One line for a log or a status page.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "executor {}: isolation {}, memory {}, cpu {}, processes {}, disk {}",
            self.engine, self.isolation, self.memory, self.cpu, self.processes, self.disk
        )
    }
}
