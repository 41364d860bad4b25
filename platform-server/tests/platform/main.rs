//! Jobs from definition to files, through the real scheduler, database, store and executor.
#![cfg(target_os = "linux")]

mod jobs;
mod operators;
mod restart;
mod server;
