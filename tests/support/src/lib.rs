//! What every crate's tests share: where test data is, and how pictures are compared.
//!
//! Depends on no crate of ours, so any crate may use it.

pub mod data;
pub mod image_compare;

pub use data::{data, repository_data};
