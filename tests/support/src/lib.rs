//! What every crate's tests share: where test data is, how pictures are compared, how files are
//! damaged, how memory is counted, how operator bundles are installed, and a database server of their own.
//!
//! Depends on no crate of ours, so any crate may use it.

pub mod allocations;
pub mod bundles;
pub mod damage;
pub mod data;
pub mod image_compare;
#[cfg(unix)]
pub mod postgres;

pub use data::{data, repository_data};
