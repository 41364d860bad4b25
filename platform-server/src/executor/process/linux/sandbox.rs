//! How bubblewrap is to be called for a run: what the operator sees of the machine.
//!
//! A root of its own with the system's programs read-only, a private `/tmp`, its own `/proc` and a minimal `/dev`, the
//! run's folders, and nothing else: nothing of `/home`, `/root`, `/var`, `/run` or the server's folder.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::protocol::{Program, ResourceLimit, Sandbox};
use crate::executor::RunSpec;
use crate::executor::spec::Access;

/// Where the shim puts what bubblewrap shall find. In a mount namespace of its own, so the host's `/tmp` is untouched.
pub(super) const STAGE: &str = "/tmp";
/// The program of the shim, as it is seen inside.
const INIT_PLACE: &str = "/.lantern/init";
/// The user inside. Its number on the host is another one.
const INSIDE_ID: &str = "1000";

/// Numbers of inherited files, above all that a shim has open.
pub(super) const INIT_SOCKET_FD: i32 = 100;
pub(super) const SECCOMP_FD: i32 = 101;
/// The operator's line to the platform; its number is in [`lantern_fastio::VARIABLE`].
pub(super) const CHANNEL_FD: i32 = 102;

/// What is the same for all runs of an executor.
#[derive(Debug, Clone)]
pub(in crate::executor) struct SandboxHost {
    pub(super) program: PathBuf,
    pub(super) shim: Vec<String>,
    /// Our own small `/etc`.
    pub(super) etc: PathBuf,
    pub(super) etc_with_network: PathBuf,
    pub(super) runs_as: Option<(u32, u32)>,
    pub(super) has_syscall_filter: bool,
}

/// Sources of mounts: as they are, or staged.
struct Sources {
    staged: Option<Vec<PathBuf>>,
}

impl Sources {
    fn place(&mut self, host: &Path) -> String {
        match &mut self.staged {
            None => host.to_string_lossy().into_owned(),
            Some(staged) => {
                staged.push(host.to_owned());
                format!("{STAGE}/{}", staged.len() - 1)
            }
        }
    }
}

/// The whole call for `run`.
pub(super) fn sandbox(host: &SandboxHost, run: &RunSpec) -> Sandbox {
    let mut sources = Sources { staged: host.runs_as.map(|_| Vec::new()) };
    let mut args: Vec<String> = Vec::with_capacity(96);
    let mut add = |parts: &[&str]| args.extend(parts.iter().map(|part| (*part).to_owned()));

    add(&["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]);
    if !run.is_network_allowed {
        add(&["--unshare-net"]);
    }
    add(&["--as-pid-1", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--hostname", "operator"]);
    add(&["--uid", INSIDE_ID, "--gid", INSIDE_ID]);

    add(&["--ro-bind", "/usr", "/usr"]);
    for (target, place) in system_links() {
        match target {
            Some(target) => add(&["--symlink", &target, &place]),
            None => add(&["--ro-bind", &place, &place]),
        }
    }
    let etc = if run.is_network_allowed { &host.etc_with_network } else { &host.etc };
    add(&["--ro-bind", &sources.place(etc), "/etc"]);
    add(&["--proc", "/proc", "--dev", "/dev"]);
    let temporary = run.limits.temporary_bytes.max(4096).to_string();
    add(&["--size", &temporary, "--perms", "1777", "--tmpfs", "/dev/shm"]);
    add(&["--size", &temporary, "--perms", "1777", "--tmpfs", "/tmp"]);
    for device in gpu_devices(run) {
        add(&["--dev-bind", &device, &device]);
    }
    let shim = host.shim.first().map(PathBuf::from).unwrap_or_default();
    add(&["--ro-bind", &sources.place(&shim), INIT_PLACE]);
    // Outer places first, so that one inside another lands on top of it.
    let mut mounts: Vec<_> = run.mounts.iter().collect();
    mounts.sort_by_key(|mount| mount.place.split('/').count());
    for mount in mounts {
        let option = if mount.access == Access::Writable { "--bind" } else { "--ro-bind" };
        add(&[option, &sources.place(&mount.host), &mount.place]);
    }
    add(&["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/", "--clearenv"]);
    if host.has_syscall_filter {
        add(&["--seccomp", &SECCOMP_FD.to_string()]);
    }
    add(&["--"]);

    let mut init = vec![INIT_PLACE.to_owned()];
    init.extend(host.shim.iter().skip(1).cloned());
    init.push(super::shim::INIT_ARGUMENT.to_owned());
    Sandbox {
        program: host.program.clone(),
        arguments: args,
        init,
        staged: sources.staged.unwrap_or_default(),
        runs_as: host.runs_as,
    }
}

/// What the parent of the operator starts, and with which environment.
pub(super) fn program(run: &RunSpec, token: &str, limits: Vec<ResourceLimit>) -> Program {
    let mut environment = BTreeMap::from([
        ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin".to_owned()),
        ("HOME".to_owned(), "/tmp".to_owned()),
        ("LANG".to_owned(), "C.UTF-8".to_owned()),
    ]);
    environment.extend(run.environment.clone());
    // Last, so that no definition can ask for another's GPU, nor hide a process from the sweep.
    environment.extend(gpu_environment(run));
    environment.insert(MARKER.to_owned(), token.to_owned());
    environment.remove(lantern_fastio::VARIABLE);
    if run.fastio.is_some() {
        environment.insert(lantern_fastio::VARIABLE.to_owned(), format!("fd:{CHANNEL_FD}"));
    }
    let working_dir = if run.working_dir.is_empty() { "/".to_owned() } else { run.working_dir.clone() };
    Program {
        command: run.command.clone(),
        environment: environment.into_iter().collect(),
        working_dir,
        limits,
    }
}

/// The variable that marks every process of a run.
pub(super) const MARKER: &str = "LANTERN_RUN";

fn gpu_environment(run: &RunSpec) -> [(String, String); 2] {
    let ids: Vec<&str> = run.gpus.iter().map(|gpu| gpu.id.as_str()).collect();
    let list = ids.join(",");
    let visible = if list.is_empty() { "void".to_owned() } else { list.clone() };
    [("NVIDIA_VISIBLE_DEVICES".to_owned(), visible), ("CUDA_VISIBLE_DEVICES".to_owned(), list)]
}

/// Device files of the assigned GPUs and what all of them need; none for a run without GPUs.
fn gpu_devices(run: &RunSpec) -> Vec<String> {
    if run.gpus.is_empty() {
        return Vec::new();
    }
    let shared = ["/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools"].map(str::to_owned);
    let shared = shared.into_iter().filter(|path| Path::new(path).exists());
    run.gpus.iter().map(|gpu| format!("/dev/nvidia{}", gpu.device_number)).chain(shared).collect()
}

/// `/bin`, `/lib` and the like: links into `/usr` where the system has merged them (then with their target), else
/// folders of their own.
fn system_links() -> Vec<(Option<String>, String)> {
    let places = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
    let known = places.into_iter().filter(|place| Path::new(place).is_dir());
    known
        .map(|place| {
            (fs::read_link(place).ok().map(|to| to.to_string_lossy().into_owned()), place.to_owned())
        })
        .collect()
}

/// Writes the small `/etc` that sandboxes see: names of two users, how libraries are found, nothing of this site.
/// With network, also how names are resolved and whom to trust.
///
/// Replaces file by file, since runs of an earlier server may still look at it.
pub(super) fn write_etc(dir: &Path, has_network: bool) -> io::Result<()> {
    make_dir(dir)?;
    let passwd = "operator:x:1000:1000:operator:/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n";
    put(&dir.join("passwd"), passwd.as_bytes())?;
    put(&dir.join("group"), b"operator:x:1000:\nnogroup:x:65534:\n")?;
    put(&dir.join("hosts"), b"127.0.0.1 localhost operator\n::1 localhost\n")?;
    put(&dir.join("nsswitch.conf"), b"passwd: files\ngroup: files\nhosts: files dns\n")?;
    let copied: &[&str] = if has_network { &["resolv.conf", "gai.conf"] } else { &[] };
    for name in ["ld.so.cache", "localtime", "os-release", "mime.types"].iter().chain(copied) {
        if let Ok(bytes) = fs::read(Path::new("/etc").join(name)) {
            put(&dir.join(name), &bytes)?;
        }
    }
    let alternatives = dir.join("alternatives");
    make_dir(&alternatives)?;
    for entry in fs::read_dir("/etc/alternatives").into_iter().flatten().flatten() {
        let Ok(target) = fs::read_link(entry.path()) else { continue };
        let link = alternatives.join(entry.file_name());
        if fs::read_link(&link).ok().as_ref() != Some(&target) {
            _ = fs::remove_file(&link);
            symlink(target, link)?;
        }
    }
    if has_network && let Ok(entries) = fs::read_dir("/etc/ssl/certs") {
        make_dir(&dir.join("ssl"))?;
        let certs = dir.join("ssl/certs");
        make_dir(&certs)?;
        // Links are followed: the files that they lead to lie outside of what a sandbox sees.
        for entry in entries.flatten().filter(|entry| entry.path().is_file()) {
            put(&certs.join(entry.file_name()), &fs::read(entry.path())?)?;
        }
    }
    Ok(())
}

/// Open to the user that runs have, whatever the server's umask is.
fn make_dir(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    fs::set_permissions(dir, Permissions::from_mode(0o755))
}

fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let draft = path.with_extension("draft");
    fs::write(&draft, bytes)?;
    fs::set_permissions(&draft, Permissions::from_mode(0o644))?;
    fs::rename(draft, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::spec::{Gpu, Mount};

    fn host(runs_as: Option<(u32, u32)>) -> SandboxHost {
        SandboxHost {
            program: "/usr/bin/bwrap".into(),
            shim: vec!["/opt/lantern-shim".into(), "shim".into()],
            etc: "/state/etc".into(),
            etc_with_network: "/state/etc-network".into(),
            runs_as,
            has_syscall_filter: true,
        }
    }

    fn run() -> RunSpec {
        let mount =
            |host: &str, place: &str, access| Mount { host: host.into(), place: place.into(), access };
        RunSpec {
            command: vec!["true".into()],
            mounts: vec![
                mount("/data/a/deep", "/output/deep", Access::ReadOnly),
                mount("/data/a", "/output", Access::Writable),
            ],
            ..RunSpec::default()
        }
    }

    #[test]
    fn as_root_every_private_source_is_staged_and_the_places_stay() {
        let made = sandbox(&host(Some((7, 7))), &run());
        assert_eq!(made.staged[2..], [PathBuf::from("/data/a"), PathBuf::from("/data/a/deep")]);
        let line = made.arguments.join(" ");
        assert!(line.contains("--bind /tmp/2 /output --ro-bind /tmp/3 /output/deep"), "{line}");
        assert!(!line.contains("/data") && !line.contains("/state"), "{line}");
        assert_eq!(made.init[..2], ["/.lantern/init", "shim"]);
    }

    #[test]
    fn the_network_is_shared_only_when_allowed() {
        let closed = sandbox(&host(None), &run()).arguments;
        assert!(closed.contains(&"--unshare-net".to_owned()));
        let open = sandbox(&host(None), &RunSpec { is_network_allowed: true, ..run() }).arguments;
        assert!(!open.contains(&"--unshare-net".to_owned()));
    }

    #[test]
    fn gpus_are_seen_only_by_runs_that_own_them() {
        let without = sandbox(&host(None), &run()).arguments;
        assert!(!without.iter().any(|arg| arg.contains("nvidia")));
        let mut asked = run();
        asked.environment.insert("CUDA_VISIBLE_DEVICES".into(), "0".into());
        let env: BTreeMap<_, _> = program(&asked, "t", Vec::new()).environment.into_iter().collect();
        assert_eq!(
            (env["NVIDIA_VISIBLE_DEVICES"].as_str(), env["CUDA_VISIBLE_DEVICES"].as_str()),
            ("void", "")
        );
        asked.gpus = vec![Gpu { id: "GPU-1".into(), device_number: 3 }];
        let env: BTreeMap<_, _> = program(&asked, "t", Vec::new()).environment.into_iter().collect();
        assert_eq!(
            (env["NVIDIA_VISIBLE_DEVICES"].as_str(), env["CUDA_VISIBLE_DEVICES"].as_str()),
            ("GPU-1", "GPU-1")
        );
        assert!(sandbox(&host(None), &asked).arguments.contains(&"/dev/nvidia3".to_owned()));
    }
}
