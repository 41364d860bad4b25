//! The operator bundles of the repository, put together as `make bundles` does, with the program that was built for
//! tests.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::data::workspace_root;

/// `run_operator` beside the test that runs now; built if only the test's own package was.
///
/// # Panics
/// If it cannot be built.
fn run_operator() -> PathBuf {
    let test = std::env::current_exe().expect("a test is a file");
    let folder = test.ancestors().nth(2).expect("tests lie two folders below the programs");
    let program = folder.join("run_operator").with_extension(std::env::consts::EXE_EXTENSION);
    if !program.exists() {
        // Cargo says in the environment of tests where it is itself.
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let build = Command::new(cargo).args(["build", "--locked", "-p", "operators"]).status();
        assert!(build.is_ok_and(|ended| ended.success()) && program.exists(), "run_operator is built");
    }
    program
}

/// Copies every bundle of `assets/bundles` with its program below `folder`, which is made.
///
/// # Panics
/// If a file cannot be copied.
pub fn install(folder: &Path) {
    let program = run_operator();
    let manifests = workspace_root().join("assets/bundles");
    for entry in std::fs::read_dir(manifests).expect("the repository has bundles") {
        let source = entry.expect("a folder's entry").path();
        let bundle = folder.join(source.file_name().expect("an entry has a name"));
        std::fs::create_dir_all(bundle.join("bin")).expect("a folder");
        std::fs::copy(source.join("operator.json"), bundle.join("operator.json")).expect("a manifest");
        std::fs::copy(&program, bundle.join("bin/run_operator")).expect("a program");
    }
}
