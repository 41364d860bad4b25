//! Finds test data: small files in `tests/data/`, larger sets in `../shared/data` beside the checkout.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// Root of the workspace.
pub fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the checkout exists")
}

/// A file or folder of the data set shared beside the checkout, e.g. `ct/lidc-0314/truth.json`.
///
/// A path below an archive, `ct/lidc-0314/lidc-0314` for `ct/lidc-0314/lidc-0314.tar.xz`, is unpacked once into
/// the target folder. If the data is absent the test is told so and gets `None`; with `REQUIRE_DATA=1` it fails.
///
/// # Panics
/// If the data is absent and `REQUIRE_DATA=1`.
pub fn data(relative: &str) -> Option<PathBuf> {
    let root = workspace_root().join("../shared/data");
    let plain = root.join(relative);
    if plain.exists() {
        return Some(plain);
    }
    let archive = root.join(format!("{relative}.tar.xz"));
    if archive.is_file() {
        return Some(unpack(&archive, relative));
    }
    let message = format!("test data missing: shared/data/{relative}");
    assert!(std::env::var_os("REQUIRE_DATA").is_none_or(|v| v != "1"), "{message}");
    eprintln!("{message}; test ends here without checking anything");
    None
}

/// A small file that is part of the repository, below `tests/data/`.
///
/// # Panics
/// If it does not exist.
pub fn repository_data(relative: &str) -> PathBuf {
    let path = workspace_root().join("tests/data").join(relative);
    assert!(path.exists(), "missing from the repository: {}", path.display());
    path
}

/// The Python that has the published client of the platform: `make clara-client`.
///
/// Where it is not installed the test is told so and gets `None`; with `REQUIRE_CLARA_CLIENT=1` it fails.
///
/// # Panics
/// If the client is not installed and `REQUIRE_CLARA_CLIENT=1`.
pub fn clara_client() -> Option<PathBuf> {
    let python = std::env::var_os("CLARA_CLIENT_PYTHON")
        .map_or_else(|| workspace_root().join("target/clara-client/bin/python"), PathBuf::from);
    if python.exists() {
        return Some(python);
    }
    let message =
        format!("nvidia-clara-client is not installed at `{}`: make clara-client", python.display());
    assert!(std::env::var_os("REQUIRE_CLARA_CLIENT").is_none_or(|v| v != "1"), "{message}");
    eprintln!("{message}; test ends here without checking anything");
    None
}

/// Unpacks an archive once; the folder appears only when complete, so parallel test processes cannot see half.
fn unpack(archive: &Path, relative: &str) -> PathBuf {
    static LOCK: Mutex<()> = Mutex::new(());
    let _guard = LOCK.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let target = workspace_root().join("target/test-data").join(relative);
    if !target.exists() {
        let parent = target.parent().expect("has a parent");
        std::fs::create_dir_all(parent).expect("target folder is writable");
        let staging = tempfile::tempdir_in(parent).expect("target folder is writable");
        let status = Command::new("tar").arg("-xJf").arg(archive).arg("-C").arg(staging.path()).status();
        assert!(status.is_ok_and(|s| s.success()), "cannot unpack {}", archive.display());
        let name = target.file_name().expect("archives have names");
        // Another process may have been faster; its copy is as good as ours.
        if std::fs::rename(staging.path().join(name), &target).is_err() {
            assert!(target.exists(), "{} does not hold a folder of its own name", archive.display());
        }
    }
    target
}
