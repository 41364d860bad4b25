//! The Lantern desktop application and its command line.
//!
//! [`cli::run`] is the whole program.

pub mod cli;
