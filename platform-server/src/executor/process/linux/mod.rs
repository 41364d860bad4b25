//! The engine itself, by Linux's means.

mod cgroup;
#[cfg(test)]
mod crowd;
mod engine;
mod keeper;
mod open;
mod protocol;
mod reconcile;
mod run_files;
mod sandbox;
mod seccomp;
pub(in crate::executor) mod shim;
mod spawner;
mod sweep;

pub use engine::ProcessExecutor;
pub(in crate::executor) use engine::{Parts, Wall, blocking};
pub use open::Claim;
pub(in crate::executor) use open::{Home, find_program, version};
