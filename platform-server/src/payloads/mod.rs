//! Files of payloads on disk, beside their records in the [repository](crate::repository).
//!
//! `<data>/payloads/<id>/…` holds the trees, `<data>/incoming` what is on its way in, `<data>/trash` what is on its way
//! out. A file appears under its name when it is whole and on the disk, and counts when its record is committed; what
//! lies there without a record is nobody's and goes at the next start. Stored files are never written again, only
//! replaced by nothing.
//!
//! Start with [`PayloadStore`]. All functions block on disk: call them from workers. The server never looks inside a
//! file, and this module decides nothing about jobs.

mod adopt;
mod beneath;
mod capacity;
mod copy;
mod digest;
mod download;
mod error;
mod flush;
mod gate;
mod name;
mod store;
mod sweep;
mod sync;
mod upload;

pub use adopt::{AdoptLimits, Adopted, SkipReason, Skipped};
pub use capacity::{Capacity, DeviceCapacity};
pub use download::{CHUNK_BYTES, Download};
pub use error::PayloadError;
pub use store::{Files, PayloadOptions, PayloadStore, Prepared, Retention};
pub use sweep::Swept;
pub use upload::Upload;
