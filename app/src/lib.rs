//! Lantern, the desktop viewer and its command line: everything but `main`, so that tests can drive it.
//!
//! [`cli::run`] is the whole program; [`app::LanternApp`] is the window's frame loop. State flows one way: panels,
//! tools and keys send [`command::Command`]s, workers send messages; both are applied to the
//! [`document::Document`], which is then drawn.

pub mod app;
pub mod cli;
pub mod command;
pub mod console;
pub mod document;
pub mod gpu_bridge;
#[cfg(test)]
mod manual;
pub mod panels;
pub mod session;
pub mod settings;
pub mod shim;
pub mod tasks;
pub mod text;
pub mod theme;
pub mod viewports;
pub mod widgets;
pub mod window;

pub use window::{ScreenshotRequest, ServerChoice, WindowOptions, run_window};
