//! Runs operators as containers, by the command line of Podman or Docker on this machine.
//!
//! The shim is the same as for [`super::process`], and so are the files of a run, the log, the manifest and what is
//! found again after a restart. Only the wall around the operator is another one:
//!
//! ```text
//! server ── shim ── `podman run` … container ── init (the shim's program again, pid 1) ── operator …
//!             │                                   └ a socket that takes one caller: words of the end, and the pipes
//!             └ log, manifest: outside of the container
//! ```
//!
//! The shim has the image pulled if that is wanted, asks the engine what the image would run, and starts a container of
//! its digest with the shim's own program as entry point, mounted read-only. What the operator prints goes straight to
//! the shim, not through the engine. A run has ended well only if the init says how *and* the engine says that the
//! container is gone in order; one without the other is [`super::Outcome::Lost`].
//!
//! Engines elsewhere, behind a network or in a virtual machine, cannot see the shim's socket: Podman says so and is
//! refused at the start, with Docker each run is not started, in the engine's words.

mod config;
#[cfg(target_os = "linux")]
pub(super) mod linux;
#[cfg(not(target_os = "linux"))]
mod unsupported;

pub use config::{ContainerConfig, Pull};
#[cfg(target_os = "linux")]
pub use linux::open;
#[cfg(not(target_os = "linux"))]
pub use unsupported::open;
