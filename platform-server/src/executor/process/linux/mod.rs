//! The engine itself, by Linux's means.

mod cgroup;
mod engine;
mod keeper;
mod open;
mod protocol;
mod reconcile;
mod run_files;
mod sandbox;
mod seccomp;
pub(super) mod shim;
mod sweep;

pub use engine::ProcessExecutor;
