//! Opening the executor: finds the engine, asks what it is and what it can hold runs to.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::host::{ContainerHost, Kind, engine_environment, podman_arguments};
use crate::executor::ExecutorError;
use crate::executor::capabilities::{Capabilities, Isolation, LimitMeans};
use crate::executor::container::ContainerConfig;
use crate::executor::process::ProcessExecutor;
use crate::executor::process::linux::{Home, Parts, Wall, blocking, find_program};

/// Older ones lack an option that runs need.
const OLDEST_PODMAN: (u32, u32) = (4, 0);
const OLDEST_DOCKER: (u32, u32) = (20, 10);

/// Makes ready what runs need, and asks the engine for its version and its means.
///
/// Gives the executor of this machine, with containers around its operators. Runs of an earlier server are left alone
/// until [`crate::executor::Executor::reconcile`].
///
/// # Errors
/// [`ExecutorError::EngineUnavailable`] if there is no engine, it does not answer, or it is too old or elsewhere;
/// [`ExecutorError::Io`] if the folder cannot be used, also because another server uses it.
pub async fn open(config: ContainerConfig) -> Result<ProcessExecutor, ExecutorError> {
    blocking(move || prepare(&config)).await
}

fn prepare(config: &ContainerConfig) -> Result<ProcessExecutor, ExecutorError> {
    let home = Home::claim(&config.state_dir, &config.shim)?;
    let (program, kind) = find(config.program.as_deref())?;
    let own = match kind {
        Kind::Podman => podman_arguments(),
        Kind::Docker => Vec::new(),
    };
    let is_root = rustix::process::geteuid().is_root();
    let own_user = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let mut host = ContainerHost {
        kind,
        // Last, so that whoever runs the server has the last word.
        engine_arguments: own.into_iter().chain(config.engine_arguments.iter().cloned()).collect(),
        environment: engine_environment(),
        server: home.label(),
        pull: config.pull,
        network: config.network.clone(),
        user: (!config.allows_image_user).then_some(if is_root { config.runs_as } else { own_user }),
        is_rootless: false,
        shim: home.shim.clone(),
        program,
    };
    if is_root && host.user.is_some_and(|(user, _)| user == 0) {
        return Err(unavailable(&host.program, "runs shall not be root".into()));
    }
    let facts = match kind {
        Kind::Podman => podman_facts(&host)?,
        Kind::Docker => docker_facts(&host)?,
    };
    host.is_rootless = facts.is_rootless;
    let capabilities = capabilities(&host, &facts, config);
    let parts = Parts {
        wall: Wall::Container(Box::new(host)),
        cgroup_root: None,
        capabilities,
        ends_with_server: config.ends_with_server,
        shared_memory_bytes: 0,
    };
    Ok(ProcessExecutor::with(home, parts))
}

fn unavailable(program: &Path, reason: String) -> ExecutorError {
    ExecutorError::EngineUnavailable { program: program.display().to_string(), reason }
}

/// The program, and which of the two it is: Podman can go by the other's name.
fn find(wanted: Option<&Path>) -> Result<(PathBuf, Kind), ExecutorError> {
    let names = match wanted {
        Some(program) => vec![program.to_string_lossy().into_owned()],
        None => vec!["podman".to_owned(), "docker".to_owned()],
    };
    let Some(program) = names.iter().find_map(|name| find_program(name)) else {
        return Err(unavailable(Path::new(&names.join("` or `")), "it is not installed".into()));
    };
    let text = crate::executor::process::linux::version(&program)?;
    let kind = if text.to_lowercase().contains("podman") {
        Kind::Podman
    } else if text.to_lowercase().contains("docker") {
        Kind::Docker
    } else {
        return Err(unavailable(&program, format!("it says that it is `{text}`")));
    };
    Ok((program, kind))
}

/// What an engine says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
struct Facts {
    version: String,
    is_rootless: bool,
    is_cgroup_v2: bool,
    has_memory: bool,
    has_cpu: bool,
    has_processes: bool,
}

/// One question with an answer in JSON.
fn ask_json<const N: usize>(host: &ContainerHost, arguments: [&str; N]) -> Result<Value, ExecutorError> {
    let answer = host.ask(arguments).map_err(|error| unavailable(&host.program, error.to_string()))?;
    if !answer.is_success() {
        return Err(unavailable(&host.program, answer.words));
    }
    let parsed = serde_json::from_slice(&answer.output);
    parsed.map_err(|error| unavailable(&host.program, format!("its answer cannot be read: {error}")))
}

fn podman_facts(host: &ContainerHost) -> Result<Facts, ExecutorError> {
    let info = ask_json(host, ["info", "--format", "json"])?;
    let facts = read_podman(info).map_err(|reason| unavailable(&host.program, reason))?;
    check_version(&facts.version, OLDEST_PODMAN).map_err(|reason| unavailable(&host.program, reason))?;
    Ok(facts)
}

fn docker_facts(host: &ContainerHost) -> Result<Facts, ExecutorError> {
    // `info` succeeds in some releases although the daemon does not answer; this does not.
    let server = ask_json(host, ["version", "--format", "{{json .Server.Version}}"])?;
    let version = server.as_str().unwrap_or_default().to_owned();
    check_version(&version, OLDEST_DOCKER).map_err(|reason| unavailable(&host.program, reason))?;
    let info = ask_json(host, ["info", "--format", "{{json .}}"])?;
    let facts = read_docker(info).map_err(|reason| unavailable(&host.program, reason))?;
    Ok(Facts { version, ..facts })
}

#[derive(Deserialize)]
struct PodmanInfo {
    host: PodmanHost,
    version: PodmanVersion,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodmanHost {
    cgroup_version: String,
    #[serde(default)]
    cgroup_controllers: Option<Vec<String>>,
    #[serde(default)]
    service_is_remote: bool,
    security: PodmanSecurity,
}

#[derive(Deserialize)]
struct PodmanSecurity {
    rootless: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PodmanVersion {
    version: String,
}

fn read_podman(info: Value) -> Result<Facts, String> {
    let info: PodmanInfo =
        serde_json::from_value(info).map_err(|error| format!("its answer cannot be read: {error}"))?;
    let host = info.host;
    if host.service_is_remote {
        return Err("it is on another machine".into());
    }
    let is_cgroup_v2 = host.cgroup_version == "v2";
    let controllers = host.cgroup_controllers.unwrap_or_default();
    // Without root, groups of version 1 belong to somebody else.
    let is_able = is_cgroup_v2 || !host.security.rootless;
    let has = |name: &str| is_able && controllers.iter().any(|known| known == name);
    Ok(Facts {
        version: info.version.version,
        is_rootless: host.security.rootless,
        is_cgroup_v2,
        has_memory: has("memory"),
        has_cpu: has("cpu"),
        has_processes: has("pids"),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct DockerInfo {
    cgroup_version: String,
    memory_limit: bool,
    cpu_cfs_quota: bool,
    pids_limit: bool,
    security_options: Vec<String>,
}

fn read_docker(info: Value) -> Result<Facts, String> {
    let info: DockerInfo =
        serde_json::from_value(info).map_err(|error| format!("its answer cannot be read: {error}"))?;
    Ok(Facts {
        version: String::new(),
        is_rootless: info.security_options.iter().any(|option| option.contains("rootless")),
        is_cgroup_v2: info.cgroup_version == "2",
        has_memory: info.memory_limit,
        has_cpu: info.cpu_cfs_quota,
        has_processes: info.pids_limit,
    })
}

fn check_version(text: &str, oldest: (u32, u32)) -> Result<(), String> {
    let mut parts = text.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    let (Some(Ok(major)), Some(Ok(minor))) = (parts.next(), parts.next()) else {
        return Err(format!("its version `{text}` cannot be read"));
    };
    if (major, minor) < oldest {
        return Err(format!("its version {text} is older than {}.{}", oldest.0, oldest.1));
    }
    Ok(())
}

fn capabilities(host: &ContainerHost, facts: &Facts, config: &ContainerConfig) -> Capabilities {
    let group = if facts.is_cgroup_v2 { LimitMeans::CgroupV2 } else { LimitMeans::CgroupV1 };
    let held = |is_held: bool| if is_held { group } else { LimitMeans::None };
    let name = match host.kind {
        Kind::Podman => "podman",
        Kind::Docker => "docker",
    };
    Capabilities {
        engine: "container",
        isolation: Isolation::Container {
            engine: format!("{name} {}", facts.version),
            is_rootless: facts.is_rootless,
            runs_as: host.user,
        },
        memory: held(facts.has_memory),
        cpu: held(facts.has_cpu),
        processes: held(facts.has_processes),
        disk: LimitMeans::Watchdog,
        withholds_network: true,
        withholds_gpus: true,
        has_own_mounts: true,
        can_reattach: !config.ends_with_server,
        runs_images: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn podman_tells_what_it_can() {
        let info = |version: &str, is_rootless: bool, is_remote: bool| {
            json!({
                "host": { "cgroupVersion": version, "cgroupControllers": ["cpu", "memory"],
                          "serviceIsRemote": is_remote, "security": { "rootless": is_rootless } },
                "version": { "Version": "4.3.1" },
            })
        };
        let facts = read_podman(info("v1", false, false)).unwrap();
        let wanted = Facts { version: "4.3.1".into(), has_memory: true, has_cpu: true, ..Facts::default() };
        assert_eq!(facts, wanted);
        assert!(!read_podman(info("v1", true, false)).unwrap().has_memory);
        let rootless = read_podman(info("v2", true, false)).unwrap();
        assert!(
            rootless.has_memory && rootless.is_cgroup_v2 && rootless.is_rootless && !rootless.has_processes
        );
        assert!(read_podman(info("v2", false, true)).unwrap_err().contains("another machine"));
        assert!(read_podman(json!({})).is_err());
    }

    #[test]
    fn docker_tells_what_it_can() {
        let info = json!({ "CgroupVersion": "2", "MemoryLimit": true, "CpuCfsQuota": true, "PidsLimit": true,
                           "SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless"], "Other": 7 });
        let facts = read_docker(info).unwrap();
        assert!(facts.is_cgroup_v2 && facts.is_rootless && facts.has_processes);
        assert_eq!(read_docker(json!({})).unwrap(), Facts::default());
        assert!(read_docker(json!({ "MemoryLimit": "yes" })).is_err());
    }

    #[test]
    fn engines_that_are_too_old_are_refused() {
        for good in ["4.0.0", "4.3.1", "5.0.0-rc1", "20.10.5+dfsg1"] {
            check_version(good, OLDEST_PODMAN).unwrap();
        }
        assert_eq!(check_version("3.4.4", OLDEST_PODMAN).unwrap_err(), "its version 3.4.4 is older than 4.0");
        check_version("20.10.5", OLDEST_DOCKER).unwrap();
        assert!(check_version("20.9", OLDEST_DOCKER).is_err());
        for broken in ["", "x", "4", "4294967296.1"] {
            assert!(check_version(broken, OLDEST_PODMAN).is_err(), "{broken}");
        }
    }
}
