//! Asynchronous client of the platform: the services of the published API and our own.
//!
//! Start with [`Client::connect`]; each service has a handle ([`Client::jobs`], [`Client::payloads`], …) that is cheap
//! to copy. Everything takes and gives domain types; messages of the wire stay inside. It starts no runtime and prints
//! nothing. Transfers hold a few pieces of a file in memory, whatever the file's size.
#![warn(missing_docs)]

pub mod access;
pub mod connection;
pub mod error;
pub mod events;
pub mod jobs;
pub mod logs;
pub mod models;
pub mod payloads;
pub mod pipelines;
pub mod server;

mod metadata_calls;
mod wire;

pub use connection::{Client, ConnectOptions, Credentials, Deadlines};
pub use error::{ClientError, ErrorKind};
pub use platform_api::header::Refusal;
pub use platform_api::letter_case::fold as letter_fold;
pub use platform_api::{code, id, job, metadata, model, payload, role, time};
