//! Opening the executor: finds out what this machine can hold runs to, and proves it with a run.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use rustix::fs::FlockOperation;

use super::cgroup::CgroupRoot;
use super::engine::{Parts, ProcessExecutor, Wall, blocking};
use super::{sandbox, seccomp};
use crate::executor::capabilities::{Capabilities, Isolation, LimitMeans};
use crate::executor::outcome::to_micros;
use crate::executor::process::{Isolate, ProcessConfig};
use crate::executor::{Executor, ExecutorError, Outcome, RunEvent, RunSpec, RunToken, spec::Limits};

/// How long a run that does nothing may take before the sandbox counts as broken.
const PROOF_PATIENCE: Duration = Duration::from_secs(30);

impl ProcessExecutor {
    /// Makes ready what runs need, and runs one that does nothing.
    ///
    /// Runs of an earlier server are left alone until [`Executor::reconcile`].
    ///
    /// # Errors
    /// [`ExecutorError::SandboxUnavailable`] if there has to be a sandbox and there is none that works;
    /// [`ExecutorError::InUse`] if another server uses the folder; [`ExecutorError::Io`] if it cannot be used.
    pub async fn open(config: ProcessConfig) -> Result<Self, ExecutorError> {
        let program = match &config.isolate {
            Isolate::Bubblewrap(program) => program.clone(),
            Isolate::Nothing => config.shim.first().cloned().unwrap_or_default(),
        };
        let this = blocking(move || prepare(config)).await?;
        this.prove(program).await?;
        Ok(this)
    }

    /// A sandbox that cannot be made should show now, and not in the first job of the day.
    async fn prove(&self, program: String) -> Result<(), ExecutorError> {
        let token = RunToken::from_bits(
            u128::from(to_micros(SystemTime::now())) << 64 | u128::from(std::process::id()),
        );
        let spec = RunSpec {
            command: vec!["/bin/true".into()],
            limits: Limits { processes: Some(8), ..Limits::default() },
            ..RunSpec::default()
        };
        let mut events = self.observe();
        self.submit(token, spec).await?;
        let ended = tokio::time::timeout(PROOF_PATIENCE, async {
            while let Some(event) = events.recv().await {
                match event {
                    RunEvent::Ended { token: ended, end } if ended == token => return Some(end.outcome),
                    _ => {}
                }
            }
            None
        });
        let outcome = ended.await.ok().flatten();
        let reason = match outcome {
            Some(Outcome::Exited { code: 0 }) => return self.forget(token).await,
            Some(Outcome::NotStarted { reason }) => reason,
            Some(other) => format!("a run that does nothing ended with {other:?}"),
            None => "a run that does nothing did not end".into(),
        };
        Err(ExecutorError::SandboxUnavailable { program, reason })
    }
}

fn prepare(config: ProcessConfig) -> Result<ProcessExecutor, ExecutorError> {
    let home = Home::claim(&config.state_dir, &config.shim)?;
    let cgroup_root = find_cgroups(&config, &home)?;
    let sandbox = match &config.isolate {
        Isolate::Nothing => None,
        Isolate::Bubblewrap(program) => Some(sandbox_host(program, &config, &home)?),
    };
    let capabilities = capabilities(sandbox.as_ref(), cgroup_root.as_ref(), &config)?;
    let wall = sandbox.map_or(Wall::Nothing, Wall::Bubblewrap);
    let parts = Parts {
        wall,
        cgroup_root,
        capabilities,
        ends_with_server: config.ends_with_server,
        shared_memory_bytes: config.shared_memory_bytes,
    };
    Ok(ProcessExecutor::with(home, parts))
}

/// The folder of an executor, which is its own as long as this lives.
pub(in crate::executor) struct Home {
    /// Without links on the way.
    pub(in crate::executor) dir: PathBuf,
    pub(in crate::executor) runs_dir: PathBuf,
    /// How to start the shim: its program without links on the way, and its arguments.
    pub(in crate::executor) shim: Vec<String>,
    /// Keeps a second server away from the same folder.
    _lock: File,
}

impl Home {
    /// Makes the folder, or takes one that an earlier server left, and closes it to all others.
    pub(in crate::executor) fn claim(state_dir: &Path, shim: &[String]) -> Result<Self, ExecutorError> {
        let make = |dir: &Path| {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
            made.map_err(ExecutorError::io("create", dir))
        };
        make(state_dir)?;
        // Also a folder that was there: logs and manifests are nobody else's business.
        fs::set_permissions(state_dir, Permissions::from_mode(0o700))
            .map_err(ExecutorError::io("close", state_dir))?;
        let dir = canonical(state_dir)?;
        let lock = lock(&dir.join("lock"))?;
        let runs_dir = dir.join("runs");
        make(&runs_dir)?;
        let mut shim = shim.to_vec();
        if let Some(first) = shim.first_mut() {
            *first = canonical(Path::new(first.as_str()))?.to_string_lossy().into_owned();
        }
        Ok(Self { dir, runs_dir, shim, _lock: lock })
    }

    /// A short name for the folder, and for the server in it, that stays the same from start to start.
    pub(in crate::executor) fn label(&self) -> String {
        format!("{:016x}", fnv1a(self.dir.as_os_str().as_encoded_bytes()))
    }
}

/// Keeps servers away from an executor's folder for as long as it lives, and is kept away by them.
pub struct Claim(#[expect(dead_code, reason = "it is held, not used")] Home);

impl Claim {
    /// Takes the folder, which is made where there is none.
    ///
    /// # Errors
    /// [`ExecutorError::InUse`] if a server uses it; [`ExecutorError::Io`] if it cannot be used.
    pub fn take(state_dir: &Path) -> Result<Self, ExecutorError> {
        Home::claim(state_dir, &[]).map(Self)
    }
}

fn canonical(path: &Path) -> Result<PathBuf, ExecutorError> {
    fs::canonicalize(path).map_err(ExecutorError::io("find", path))
}

fn lock(path: &Path) -> Result<File, ExecutorError> {
    let file = File::create(path).map_err(ExecutorError::io("create", path))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(ExecutorError::InUse { path: path.to_owned() }),
        Err(error) => Err(ExecutorError::io("lock", path)(io::Error::from(error))),
    }
}

fn find_cgroups(config: &ProcessConfig, home: &Home) -> Result<Option<CgroupRoot>, ExecutorError> {
    if !config.uses_cgroups {
        return Ok(None);
    }
    let label = format!("lantern-{}", home.label());
    let found = CgroupRoot::find(config.cgroup.as_deref(), &label);
    match (&config.cgroup, found) {
        (Some(dir), None) => Err(ExecutorError::Unsupported {
            what: format!(
                "limits by the cgroup `{}`: memory and pids cannot be handed down there",
                dir.display()
            ),
        }),
        (_, found) => Ok(found),
    }
}

/// A short name for a path that stays the same from start to start. Source: Fowler, Noll, Vo; FNV-1a, 64 bits.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn sandbox_host(
    program: &str,
    config: &ProcessConfig,
    home: &Home,
) -> Result<sandbox::SandboxHost, ExecutorError> {
    let unavailable = |reason: &str| ExecutorError::SandboxUnavailable {
        program: program.to_owned(),
        reason: reason.to_owned(),
    };
    let path = find_program(program).ok_or_else(|| unavailable("it is not installed"))?;
    let etc = home.dir.join("etc");
    let etc_with_network = home.dir.join("etc-network");
    for (dir, has_network) in [(&etc, false), (&etc_with_network, true)] {
        sandbox::write_etc(dir, has_network).map_err(ExecutorError::io("write", dir))?;
    }
    let is_root = rustix::process::geteuid().is_root();
    if is_root && config.runs_as.0 == 0 {
        return Err(unavailable("runs shall not be root"));
    }
    Ok(sandbox::SandboxHost {
        program: path,
        shim: home.shim.clone(),
        etc,
        etc_with_network,
        runs_as: is_root.then_some(config.runs_as),
        has_syscall_filter: seccomp::filter().is_some(),
    })
}

pub(in crate::executor) fn find_program(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| path.is_file());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|path| path.is_file())
}

fn capabilities(
    sandbox: Option<&sandbox::SandboxHost>,
    cgroup_root: Option<&CgroupRoot>,
    config: &ProcessConfig,
) -> Result<Capabilities, ExecutorError> {
    let group = match cgroup_root {
        Some(CgroupRoot::V2 { .. }) => Some(LimitMeans::CgroupV2),
        Some(CgroupRoot::V1 { .. }) => Some(LimitMeans::CgroupV1),
        None => None,
    };
    let has_cpu = match cgroup_root {
        Some(CgroupRoot::V2 { has_cpu, .. }) => *has_cpu,
        Some(CgroupRoot::V1 { cpu, .. }) => cpu.is_some(),
        None => false,
    };
    let isolation = match sandbox {
        None => Isolation::None,
        Some(host) => Isolation::Bubblewrap {
            version: version(&host.program)?,
            has_syscall_filter: host.has_syscall_filter,
            runs_as: host.runs_as,
        },
    };
    let has_sandbox = sandbox.is_some();
    Ok(Capabilities {
        engine: "process",
        isolation,
        memory: group.unwrap_or(LimitMeans::Watchdog),
        cpu: group.filter(|_| has_cpu).unwrap_or(LimitMeans::None),
        processes: group.unwrap_or(if has_sandbox {
            LimitMeans::NamespaceLimit
        } else {
            LimitMeans::Watchdog
        }),
        disk: LimitMeans::Watchdog,
        withholds_network: has_sandbox,
        withholds_gpus: has_sandbox,
        has_own_mounts: has_sandbox,
        can_reattach: !config.ends_with_server,
        runs_images: false,
    })
}

/// What a program says of itself.
pub(in crate::executor) fn version(program: &Path) -> Result<String, ExecutorError> {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    let output = output.map_err(ExecutorError::io("start", program))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().chars().take(80).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_keeps_its_short_name() {
        // Test vectors of the algorithm's authors.
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
