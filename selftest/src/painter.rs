//! What pictures are drawn on.

use render_core::RenderError;
use render_core::cpu::CpuRenderer;
use render_core::gpu::GpuRenderer;
use render_core::image::{Image8, ImageF32};
use render_core::scene::{CubeScene, SliceScene, VolumeScene};

/// One of the two fast paths, and never the other in its place.
#[derive(Debug)]
pub(crate) enum Painter {
    Processor(CpuRenderer),
    Graphics(Box<GpuRenderer>),
}

impl Painter {
    pub(crate) fn slice(&mut self, scene: &SliceScene) -> Result<Image8, RenderError> {
        match self {
            Self::Processor(cpu) => cpu.slice(scene),
            Self::Graphics(gpu) => gpu.slice(scene),
        }
    }

    /// Modality values of a slice, where this path makes them: the processor's come from the reference itself.
    pub(crate) fn slice_values(&mut self, scene: &SliceScene) -> Result<Option<Vec<f64>>, RenderError> {
        match self {
            Self::Processor(_) => Ok(None),
            Self::Graphics(gpu) => gpu.slice_values(scene, 0).map(Some),
        }
    }

    pub(crate) fn volume(&mut self, scene: &VolumeScene) -> Result<ImageF32, RenderError> {
        match self {
            Self::Processor(cpu) => cpu.volume(scene),
            Self::Graphics(gpu) => gpu.volume(scene),
        }
    }

    pub(crate) fn cube(&mut self, scene: &CubeScene) -> Result<ImageF32, RenderError> {
        match self {
            Self::Processor(cpu) => cpu.cube(scene),
            Self::Graphics(gpu) => gpu.cube(scene),
        }
    }
}
