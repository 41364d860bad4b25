//! The window without a graphics card: the toolkit's frames are drawn by the processor, straight into the memory that
//! the desktop shows.
//!
//! A software graphics driver computes every pixel of every frame anew, through shaders and textures; drawing only
//! what changed takes a small part of that. Start at [`Canvas`]; `run` is the window around it.

mod canvas;
mod color;
mod items;
mod raster;
mod runner;
mod storage;
mod textures;

pub use canvas::{Canvas, CanvasFrame, PixelRect};
pub(super) use runner::{SoftwareWindow, run};
