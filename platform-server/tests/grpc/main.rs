//! The wire: every call through a client that is generated from the `.proto` files, against a real platform.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod access;
mod events;
mod extension;
mod jobs;
mod models;
mod payloads;
mod pipelines;
mod published_client;
mod server;
