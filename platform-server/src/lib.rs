//! Keeps pipelines, payloads, jobs and models, and runs operators in sandboxes.
//!
//! The server never looks inside a payload and links no operator: it launches them.
#![warn(missing_docs)]

pub mod access;
pub mod config;
pub mod events;
pub mod executor;
pub mod gpu;
pub mod grpc;
pub mod observe;
pub mod payloads;
pub mod platform;
pub mod repository;
pub mod scheduler;
pub mod serve;
pub mod server;
pub mod trace;
