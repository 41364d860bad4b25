//! The engine of this machine: which program, with which arguments, and what every run has in common.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ask::{Answer, Asked};
use crate::executor::RunToken;
use crate::executor::container::Pull;

/// How long the engine may take for what does not pull and does not run.
pub(in crate::executor) const PATIENCE: Duration = Duration::from_secs(60);

/// Which of the two; their command lines differ in details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::executor) enum Kind {
    Podman,
    Docker,
}

/// What is the same for all runs of an executor. The shim gets it whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::executor) struct ContainerHost {
    pub(in crate::executor) kind: Kind,
    pub(in crate::executor) program: PathBuf,
    /// What follows the program on every call.
    pub(in crate::executor) engine_arguments: Vec<String>,
    /// What the engine's program may see of the server's environment.
    pub(in crate::executor) environment: Vec<(String, String)>,
    /// Marks the containers of this server.
    pub(in crate::executor) server: String,
    pub(in crate::executor) pull: Pull,
    pub(in crate::executor) network: Option<String>,
    /// The user and group of runs, as numbers; `None` leaves them to the image.
    pub(in crate::executor) user: Option<(u32, u32)>,
    pub(in crate::executor) is_rootless: bool,
    pub(in crate::executor) shim: Vec<String>,
}

/// Where the engine finds its storage, its daemon, its registries and its keys; nothing else of the server's.
const KNOWN: [&str; 11] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "DBUS_SESSION_BUS_ADDRESS",
    "REGISTRY_AUTH_FILE",
    "STORAGE_DRIVER",
];
const KNOWN_BEGINNINGS: [&str; 3] = ["DOCKER_", "CONTAINER_", "CONTAINERS_"];

/// What of the server's environment the engine is to see. Proxies too, for pulls.
pub(in crate::executor) fn engine_environment() -> Vec<(String, String)> {
    let is_known = |name: &str| {
        KNOWN.contains(&name)
            || KNOWN_BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
            || name.to_ascii_lowercase().ends_with("_proxy")
    };
    let all = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let known = all.filter(|(name, _)| is_known(name));
    known.filter_map(|(name, value)| Some((name, value.into_string().ok()?))).collect()
}

/// What Podman needs to be told on this machine, so that nobody has to write it into files.
///
/// runc is taken where cgroups are not of version 2 alone, which crun refuses; and without systemd nobody makes cgroups
/// for others or takes notes in a journal.
pub(in crate::executor) fn podman_arguments() -> Vec<String> {
    let mut arguments = Vec::new();
    let is_pure_v2 = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    if !is_pure_v2 && let Some(runc) = crate::executor::process::linux::find_program("runc") {
        arguments.extend(["--runtime".to_owned(), runc.to_string_lossy().into_owned()]);
    }
    if !Path::new("/run/systemd/system").exists() {
        let own = ["--cgroup-manager", "cgroupfs", "--events-backend", "file"];
        arguments.extend(own.map(str::to_owned));
    }
    arguments
}

impl ContainerHost {
    /// A call of the engine.
    pub(in crate::executor) fn command<S: AsRef<std::ffi::OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.engine_arguments).args(arguments).current_dir("/");
        command.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Calls the engine and waits for the answer. Blocks.
    pub(in crate::executor) fn ask<const N: usize>(&self, arguments: [&str; N]) -> io::Result<Answer> {
        Asked::start(self.command(arguments))?.wait(PATIENCE)
    }

    /// What removes the container of a run, however it fares. Fails if there is none.
    pub(in crate::executor) fn removal(&self, token: &str) -> Vec<String> {
        let mut arguments = vec!["rm".to_owned(), "--force".to_owned(), "--volumes".to_owned()];
        if self.kind == Kind::Podman {
            // Docker kills at once; Podman would ask politely first.
            arguments.extend(["--time".to_owned(), "0".to_owned()]);
        }
        arguments.push(container_name(token));
        arguments
    }

    /// Removes the container of a run, if there is one. Blocks.
    pub(in crate::executor) fn remove(&self, token: RunToken) {
        // A container that was not there is as good as one that was removed; what is left in spite of this is found by
        // its label at the next start.
        _ = Asked::start(self.command(self.removal(&token.to_string())))
            .and_then(|asked| asked.wait(PATIENCE));
    }

    /// The runs of this server that have a container. Blocks.
    pub(in crate::executor) fn tokens(&self) -> io::Result<Vec<RunToken>> {
        let filter = format!("label={SERVER_LABEL}={}", self.server);
        let answer = self.ask(["ps", "--all", "--filter", &filter, "--format", "{{.Names}}"])?;
        if !answer.is_success() {
            return Err(io::Error::other(answer.words));
        }
        let text = answer.text();
        let tokens = text.lines().filter_map(|name| name.trim().strip_prefix(NAME_BEGINNING)?.parse().ok());
        Ok(tokens.collect())
    }
}

/// The label of containers that says whose they are.
pub(in crate::executor) const SERVER_LABEL: &str = "lantern.server";
/// The label of containers that says which run they are.
pub(in crate::executor) const RUN_LABEL: &str = "lantern.run";
const NAME_BEGINNING: &str = "lantern-";

/// The name of a run's container: the engine lets it exist once.
pub(in crate::executor) fn container_name(token: &str) -> String {
    format!("{NAME_BEGINNING}{token}")
}
