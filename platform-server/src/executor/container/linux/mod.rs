//! The engines' command line, on Linux.

pub(in crate::executor) mod arguments;
pub(in crate::executor) mod ask;
pub(in crate::executor) mod host;
pub(in crate::executor) mod image;
mod open;

pub use open::open;
