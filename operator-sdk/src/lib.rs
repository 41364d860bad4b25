//! What operators of a pipeline use to talk to the platform: *FastIO*.
//!
//! Operators of one job pass named buffers from one to the next without copying them: the producer writes into pages
//! that the platform hands out, publishes them, and the consumer maps the same pages, read-only. Progress, readiness
//! and messages take the same way. The protocol is in `docs/fastio.md`; C programs use `include/lantern_fastio.h`,
//! Python programs `python/lantern_fastio.py`.
//!
//! ```no_run
//! use lantern_fastio::Channel;
//!
//! # fn main() -> Result<(), lantern_fastio::FastIoError> {
//! let channel = Channel::from_environment()?;
//! let scan = channel.open("voxels", None)?;
//! let mut halves = channel.allocate::<i16>("halves", scan.shape(), "half of each voxel")?;
//! for (half, voxel) in halves.values_mut::<i16>()?.iter_mut().zip(scan.values::<i16>()?) {
//!     *half = voxel / 2;
//! }
//! halves.publish()?;
//! channel.progress(1.0, "done")?;
//! # Ok(())
//! # }
//! ```
//!
//! Start with [`Channel`]. [`wire`] is what goes over the socket, for whoever sits at its other end. Only Linux has
//! what this needs; elsewhere [`Channel::from_environment`] says so.
#![warn(missing_docs)]

#[cfg(not(target_os = "linux"))]
mod absent;
mod element;
mod error;
mod ffi;
#[cfg(target_os = "linux")]
mod linux;
pub mod wire;

#[cfg(not(target_os = "linux"))]
pub use absent::{Channel, View, WritableBuffer};
pub use element::{Element, ElementType};
pub use error::FastIoError;
#[cfg(target_os = "linux")]
pub use linux::{channel::Channel, channel::View, channel::WritableBuffer, socket};

/// The variable that names the channel to the operator, for example `fd:102`.
pub const VARIABLE: &str = "LANTERN_FASTIO";
