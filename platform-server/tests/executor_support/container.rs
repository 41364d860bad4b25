//! A container engine with storage of its own, and an image of base tools in it: no registry, nothing of the user's.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use platform_server::executor::ExecutorError;
use platform_server::executor::container::{self, ContainerConfig, Pull};

use super::{Bench, shim};

/// The image with the usual programs, and with nothing to run by itself.
pub(crate) const IMAGE: &str = "localhost/lantern-test:1";

/// Podman's storage in a folder that goes with it.
pub(crate) struct ContainerStore {
    folder: PathBuf,
    /// `None` where another process made it.
    owned: Option<tempfile::TempDir>,
}

/// One for all tests of this process that run at the same time.
static SHARED: Mutex<Weak<ContainerStore>> = Mutex::new(Weak::new());

impl ContainerStore {
    /// That of this process, or `None` with a note of what is missing; `REQUIRE_CONTAINER=1` makes that a failure.
    pub(crate) fn shared() -> Option<Arc<Self>> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = shared.upgrade() {
            return Some(store);
        }
        match Self::make() {
            Ok(store) => {
                let store = Arc::new(store);
                *shared = Arc::downgrade(&store);
                Some(store)
            }
            Err(what) => {
                missing(&what);
                None
            }
        }
    }

    /// One that another process keeps.
    pub(crate) fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), owned: None }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn make() -> Result<Self, String> {
        let owned = tempfile::tempdir().unwrap();
        let store = Self { folder: owned.path().to_owned(), owned: Some(owned) };
        let tree = store.folder.join("tree");
        base_tools(&tree)?;
        store.import(&tree, IMAGE, &[])?;
        Ok(store)
    }

    /// Makes a folder an image, with changes to its configuration as of a `Dockerfile`.
    pub(crate) fn import(&self, tree: &Path, name: &str, changes: &[&str]) -> Result<(), String> {
        let mut tar = Command::new("tar");
        tar.args(["--create", "--owner=0", "--group=0", "--directory"]).arg(tree).arg(".");
        let mut tar = tar.stdout(Stdio::piped()).spawn().map_err(|error| format!("tar: {error}"))?;
        let mut import = self.podman(&["import", "--quiet"]);
        import.args(changes.iter().flat_map(|change| ["--change", change])).args(["-", name]);
        let done = import.stdin(tar.stdout.take().unwrap()).output();
        tar.wait().unwrap();
        let done = done.map_err(|error| format!("podman: {error}"))?;
        let words = String::from_utf8_lossy(&done.stderr).into_owned();
        done.status.success().then_some(()).ok_or(words)
    }

    /// What of the engine's options is the tests' own. Copies instead of layers, which would stay mounted.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let place = |name: &str| self.folder.join(name).to_str().unwrap().to_owned();
        let parts = ["--root", &place("root"), "--runroot", &place("run"), "--storage-driver", "vfs"];
        parts.map(str::to_owned).to_vec()
    }

    /// The tests' own call of the engine.
    pub(crate) fn podman(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("podman");
        command.args(self.arguments()).args(["--runtime", "runc", "--cgroup-manager", "cgroupfs"]);
        command.args(["--events-backend", "file"]).args(arguments).stdin(Stdio::null());
        command
    }

    /// Names of the containers that are there.
    pub(crate) fn containers(&self) -> Vec<String> {
        let done = self.podman(&["ps", "--all", "--format", "{{.Names}}"]).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    /// An executor that keeps its runs in `dir`. Images that are not there are never looked for elsewhere.
    pub(crate) fn config(&self, dir: &Path) -> ContainerConfig {
        let mut config = ContainerConfig::new(dir.join("state"), shim());
        config.program = Some("podman".into());
        config.engine_arguments = self.arguments();
        config.pull = Pull::Never;
        config
    }
}

impl Drop for ContainerStore {
    fn drop(&mut self) {
        // What a failed test left; the folder could not be removed under it.
        if self.owned.is_some() {
            _ = self.podman(&["rm", "--all", "--force", "--time", "0"]).output();
        }
    }
}

/// A statically linked program with the names of all that it can do.
fn base_tools(tree: &Path) -> Result<(), String> {
    let paths = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/bin:/bin"));
    let busybox = std::env::split_paths(&paths).map(|dir| dir.join("busybox")).find(|path| path.is_file());
    let busybox = busybox.ok_or("busybox, statically linked")?;
    let bin = tree.join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::copy(&busybox, bin.join("busybox")).unwrap();
    let names = Command::new(&busybox).arg("--list").output().unwrap().stdout;
    for name in String::from_utf8(names).unwrap().lines().filter(|name| *name != "busybox") {
        std::os::unix::fs::symlink("busybox", bin.join(name)).unwrap();
    }
    Ok(())
}

/// With containers, or `None` with a note of what is missing; `REQUIRE_CONTAINER=1` makes that a failure.
pub(crate) async fn contained() -> Option<Bench> {
    contained_with(|_| ()).await
}

pub(crate) async fn contained_with(change: impl FnOnce(&mut ContainerConfig)) -> Option<Bench> {
    let store = ContainerStore::shared()?;
    let folder = tempfile::tempdir().unwrap();
    let mut config = store.config(folder.path());
    change(&mut config);
    match container::open(config).await {
        Ok(executor) => {
            Some(Bench { executor: executor.into(), has_sandbox: true, folder, store: Some(store) })
        }
        Err(error @ ExecutorError::EngineUnavailable { .. }) => {
            missing(&error.to_string());
            None
        }
        Err(error) => panic!("{error:?}"),
    }
}

fn missing(what: &str) {
    assert!(std::env::var_os("REQUIRE_CONTAINER").is_none_or(|value| value != "1"), "missing: {what}");
    eprintln!("not tested here: {what}");
}
