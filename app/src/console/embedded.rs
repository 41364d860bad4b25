//! The embedded server: where its data are, how it is started, and why it may not start.

use std::path::{Path, PathBuf};

use platform_server::config::Config;
use platform_server::executor::ExecutorError;
use platform_server::server::StartError;

use crate::text::{UserMessage, chain};

/// Longer paths of sockets are refused by the system (108 bytes on Linux, 104 elsewhere).
const MAX_SOCKET_PATH_BYTES: usize = 100;

/// How long calls may go on while the server stops: the window is closed already.
const DRAIN: std::time::Duration = std::time::Duration::from_secs(2);

/// How to start the embedded server.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The server's settings; the data folder among them.
    pub config: Config,
    /// How to start the small process beside each operator.
    pub shim: Vec<String>,
    /// Where results are put that are opened.
    pub cache: PathBuf,
    /// Whether closing the window asks first while jobs are not over.
    pub asks_before_leaving: bool,
}

impl ServerOptions {
    /// A server on this data folder, reached from this process and, by the user's other windows, through a socket in
    /// the folder. Opens no network port.
    ///
    /// # Errors
    /// As [`crate::shim::command`].
    pub fn on_folder(data: &Path) -> anyhow::Result<Self> {
        let mut config = Config::embedded(absolute(data)?);
        let socket = config.data.join("socket");
        let is_short = socket.as_os_str().len() <= MAX_SOCKET_PATH_BYTES;
        config.listen.unix = (cfg!(unix) && is_short).then_some(socket);
        config.listen.drain = DRAIN;
        let cache = config.data.join("opened-results");
        Ok(Self { config, shim: crate::shim::command()?, cache, asks_before_leaving: false })
    }

    /// The server of this user: data and opened results lie where the desktop keeps such things.
    ///
    /// # Errors
    /// If the user has no home folder, or as [`Self::on_folder`].
    pub fn of_user() -> anyhow::Result<Self> {
        let folders = directories::ProjectDirs::from("", "", "lantern")
            .ok_or_else(|| anyhow::anyhow!("this user has no home folder"))?;
        let mut options = Self::on_folder(&folders.data_local_dir().join("server"))?;
        options.cache = folders.cache_dir().join("results");
        Ok(options)
    }
}

/// Folders of payloads are handed to other processes, whose working folder is another one.
fn absolute(path: &Path) -> std::io::Result<PathBuf> {
    std::path::absolute(path)
}

/// Why the server did not start, for a person.
pub(super) fn start_failure(error: &StartError) -> UserMessage {
    let advice = match error {
        StartError::Executor(ExecutorError::SandboxUnavailable { .. }) => {
            "Operators run in a sandbox made by bubblewrap. Install it (Debian and Ubuntu: sudo apt install \
             bubblewrap) and allow user namespaces, then try again."
        }
        StartError::Executor(ExecutorError::Unsupported { .. }) => {
            "Pipelines run on Linux only for now; viewing is not affected."
        }
        StartError::Folder { .. } => {
            "Check that the folder can be written to and the disk is not full, then try again."
        }
        _ => "Viewing is not affected. Try again; the details say what is wrong.",
    };
    UserMessage {
        what: "The embedded server could not start.".to_owned(),
        advice: advice.to_owned(),
        detail: chain(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_sandbox_tells_what_to_install() {
        let error = StartError::Executor(ExecutorError::SandboxUnavailable {
            program: "bwrap".to_owned(),
            reason: "no such file".to_owned(),
        });
        let message = start_failure(&error);
        assert!(message.advice.contains("sudo apt install bubblewrap"), "{message:?}");
        assert!(message.detail.contains("no such file"), "{message:?}");
    }

    #[test]
    fn sockets_lie_in_the_data_folder_where_the_system_takes_such_a_path() {
        let short = ServerOptions::on_folder(Path::new("/data")).unwrap();
        assert_eq!(short.config.listen.unix.is_some(), cfg!(unix));
        let long = ServerOptions::on_folder(&Path::new("/").join("x".repeat(120))).unwrap();
        assert_eq!(long.config.listen.unix, None);
        assert!(short.config.listen.addresses.is_empty(), "no network port");
    }
}
