//! The small process beside each operator. One program, three parts:
//!
//! - outside of the sandbox ([`supervise`]): log, limits, cancel, manifest, and the operator's line to the platform
//!   ([`driver`]);
//! - inside, as pid 1 ([`init`]): starts the operator, reaps, tells how it ended;
//! - once beside the server ([`copies`]): forks itself into the first part, which is cheaper than starting it.
//!
//! Around the operator is bubblewrap's sandbox ([`enter`]), a [`container`], or nothing.
//!
//! All are single-threaded loops over `poll`, without an async runtime, so that a run costs little.

mod container;
mod copies;
mod driver;
mod enter;
mod init;
mod log_writer;
mod open_files;
mod outputs;
mod program;
mod reports;
mod signals;
mod supervise;
mod verdict;
mod watch;

use std::process::ExitCode;

use super::keeper::{self, KEEPER_ARGUMENT};
use super::spawner::SPAWNER_ARGUMENT;
use init::Inside;

/// What makes the shim's program the init of a sandbox.
pub(super) const INIT_ARGUMENT: &str = "--inside";
/// What makes it the init of a container.
const INSIDE_CONTAINER: &str = "--inside-container";

/// The shim's `main`; a binary calls it and returns what it returns.
///
/// Arguments before the last are of no interest here, so that a larger program can have the shim as a subcommand. The
/// last one is a run's token, or what makes it the init of a sandbox or of a container, the keeper of shared memory, or
/// the one that makes shims.
pub fn shim_main() -> ExitCode {
    let last = std::env::args_os().next_back().unwrap_or_default();
    match last.to_str() {
        Some(INIT_ARGUMENT) => init::run(Inside::Sandbox),
        Some(INSIDE_CONTAINER) => init::run(Inside::Container),
        Some(SPAWNER_ARGUMENT) => copies::run(),
        Some(KEEPER_ARGUMENT) => keeper::run(),
        _ => supervise::run(),
    }
}
