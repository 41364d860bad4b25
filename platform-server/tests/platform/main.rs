//! Jobs from definition to files, through the real scheduler, database, store and executor.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failing helper is a failing test")]

mod clock;
mod containers;
mod database;
mod disk;
#[path = "../executor_support/mod.rs"]
mod executor_support;
mod fastio;
mod faults;
mod jobs;
mod operators;
mod restart;
mod server;
mod utilization;
