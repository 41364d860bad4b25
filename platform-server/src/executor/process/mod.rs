//! Runs operators as child processes on this machine, in a sandbox.
//!
//! Each run has a *shim*: a small process of ours that is the parent of everything in the run, keeps its log, holds
//! it to its limits and writes its manifest. It outlives the server. The server only starts it and listens to it
//! through the run's files (see `run_files`), so a new server can take over.
//!
//! ```text
//! server ── shim ── bwrap ── init (the shim's program again, pid 1 of the sandbox) ── operator …
//!             │                └ tells exit status and use over a socket that the operator cannot reach
//!             └ log, manifest, cgroup: outside of the sandbox
//! ```
//!
//! Without a sandbox, which only the configuration can allow, the shim is the operator's parent itself.
//! Everything here is Linux's; elsewhere [`ProcessExecutor::open`] says that it is not supported.

mod config;
#[cfg(target_os = "linux")]
pub(in crate::executor) mod linux;
#[cfg(not(target_os = "linux"))]
mod unsupported;

pub use config::{Isolate, ProcessConfig};
#[cfg(target_os = "linux")]
pub use linux::{Claim, ProcessExecutor, shim::shim_main};
#[cfg(not(target_os = "linux"))]
pub use unsupported::{Claim, ProcessExecutor, shim_main};
