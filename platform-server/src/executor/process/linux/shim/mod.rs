//! The small process beside each operator. One program, two parts:
//!
//! - outside of the sandbox ([`supervise`]): log, limits, cancel, manifest;
//! - inside, as pid 1 ([`init`]): starts the operator, reaps, tells how it ended.
//!
//! Both are single-threaded loops over `poll`, without an async runtime, so that a run costs little.

mod enter;
mod init;
mod log_writer;
mod outputs;
mod program;
mod signals;
mod supervise;
mod verdict;
mod watch;

use std::process::ExitCode;

/// What makes the shim's program the init of a sandbox.
pub(super) const INIT_ARGUMENT: &str = "--inside";

/// The shim's `main`; a binary calls it and returns what it returns.
///
/// Arguments before the last are of no interest here, so that a larger program can have the shim as a subcommand. The
/// last one is a run's token, or what makes it the init of a sandbox.
pub fn shim_main() -> ExitCode {
    let last = std::env::args_os().next_back();
    if last.is_some_and(|last| last == INIT_ARGUMENT) { init::run() } else { supervise::run() }
}
