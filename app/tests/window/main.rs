//! The window, driven through its widgets: what a person does, and what the document and the screen say then.

mod color_profiles;
mod driver;
mod geometry;
mod measuring;
mod overlays;
mod preferences;
mod reading;
mod regions;
mod server;
mod session;
mod software;
mod states;
mod touch;
mod verification;

use egui::{Vec2, vec2};

/// A small laptop.
pub(crate) const LAPTOP: Vec2 = vec2(1280.0, 720.0);
/// A small window, so that pictures are quick.
pub(crate) const SMALL: Vec2 = vec2(900.0, 600.0);
