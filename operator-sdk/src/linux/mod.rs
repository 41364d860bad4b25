//! FastIO by Linux's means: packets that carry files, and memory without a name.

pub(crate) mod channel;
mod memory;
pub mod socket;
