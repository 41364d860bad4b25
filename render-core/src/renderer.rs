//! One renderer for callers that do not care where pictures are made.

use std::fmt;

use crate::RenderError;
use crate::cpu::CpuRenderer;
use crate::image::{Image8, ImageF32};
use crate::scene::{CubeScene, SliceScene, VolumeScene};

/// Which path draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RendererChoice {
    /// The GPU where there is a real one, else the processor.
    #[default]
    Auto,
    /// The GPU or a software adapter; an error where there is none.
    Gpu,
    /// The processor.
    Cpu,
}

/// What draws, for the status bar, benchmarks and bug reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterReport {
    /// Adapter or processor name.
    pub name: String,
    /// `Vulkan`, `Gl`, …, or `CPU`.
    pub backend: String,
    /// Whether a real GPU draws.
    pub is_gpu: bool,
}

impl fmt::Display for AdapterReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.backend)
    }
}

/// Draws scenes on whatever [`RendererChoice`] led to.
#[derive(Debug)]
pub struct Renderer {
    cpu: CpuRenderer,
    report: AdapterReport,
}

impl Renderer {
    /// Opens the chosen path.
    ///
    /// # Errors
    /// [`RenderError::NoAdapter`] if a GPU was demanded and there is none.
    pub fn new(choice: RendererChoice) -> Result<Self, RenderError> {
        if choice == RendererChoice::Gpu {
            return Err(RenderError::NoAdapter);
        }
        let threads = rayon::current_num_threads();
        let report =
            AdapterReport { name: format!("{threads} threads"), backend: "CPU".to_owned(), is_gpu: false };
        Ok(Self { cpu: CpuRenderer::new(), report })
    }

    /// What draws.
    pub fn report(&self) -> &AdapterReport {
        &self.report
    }

    /// Draws a slice.
    ///
    /// # Errors
    /// If the scene does not validate or the device fails.
    pub fn slice(&mut self, scene: &SliceScene) -> Result<Image8, RenderError> {
        self.cpu.slice(scene)
    }

    /// Draws a volume: linear, premultiplied.
    ///
    /// # Errors
    /// If the scene does not validate or the device fails.
    pub fn volume(&mut self, scene: &VolumeScene) -> Result<ImageF32, RenderError> {
        self.cpu.volume(scene)
    }

    /// Draws a slice plane inside its cube: linear, premultiplied.
    ///
    /// # Errors
    /// If the scene does not validate or the device fails.
    pub fn cube(&mut self, scene: &CubeScene) -> Result<ImageF32, RenderError> {
        self.cpu.cube(scene)
    }
}
