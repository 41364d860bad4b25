//! Headless rendering of medical volumes: slices through any plane and lit ray-marched volumes.
//!
//! Opens no window and reads no image file. Describe what to draw with [`scene::SliceScene`] or
//! [`scene::VolumeScene`] and hand it to a [`Renderer`], which draws on the GPU ([`gpu`]) or on all cores
//! ([`cpu`]). [`mod@reference`] holds the slow, readable definition of every pass; both fast paths are tested
//! against it. Same input, same pixels.
//!
//! Space is LPS in millimetres. Pictures are rows top to bottom.
#![warn(missing_docs)]

pub mod camera;
pub mod color_map;
pub mod cpu;
pub mod gpu;
pub mod image;
pub mod layers;
pub mod progressive;
pub mod reference;
pub mod scene;
#[cfg(feature = "testing")]
pub mod testing;
pub mod transfer_function;

mod error;
mod renderer;

pub use error::RenderError;
pub use renderer::{
    Accumulation, AdapterReport, GpuPicture, Picture, RenderNotice, Renderer, RendererChoice,
};
