//! The fast path on the processor: all cores, SIMD, empty-space skipping.
//!
//! Draws the same scenes with the same samples as [`crate::reference`], which defines every pass. The volume pass
//! marches eight rays at once over bricks of 16-bit voxels and leaps over cells that a transfer function leaves
//! invisible; slices are cut eight pixels at a time. Kernels are written once over `lanes` and exist in AVX2 and
//! in plain Rust. Start at [`CpuRenderer`].

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use imaging::fault::{self, Fault};
use imaging::volume::{Volume, VolumeId};

use crate::RenderError;
use crate::image::{Image8, ImageF32};
use crate::layers::LabelLayer;
use crate::reference;
use crate::scene::{CubeScene, SliceScene, VolumeMode, VolumeScene};

mod bricks;
mod cache;
mod composite;
mod cube;
mod grid;
mod label_bands;
mod lanes;
mod light_queue;
mod mip;
mod paint;
mod patch;
mod rays;
mod sampler;
mod shading;
mod skip;
mod slice;
mod slice_any;
mod slice_kernel;
mod traverse;
mod volume;

use cache::Cache;
use composite::CompositeView;
use mip::MipView;
use rays::RayMaker;
use shading::Shading;
use volume::Pass;

/// Memory for what is derived from volumes, unless set otherwise: 1.5 GiB.
pub const DEFAULT_BUDGET_BYTES: usize = 3 << 29;

/// Draws scenes on the processor and keeps what it derives from volumes.
///
/// Clones share what they keep, so one can [prepare](Self::prepare) a volume while another draws.
#[derive(Debug, Clone)]
pub struct CpuRenderer {
    cache: Arc<Cache>,
    is_portable: bool,
}

impl Default for CpuRenderer {
    fn default() -> Self {
        Self::with_budget(DEFAULT_BUDGET_BYTES)
    }
}

/// How a pass runs, whatever it draws.
#[derive(Clone, Copy)]
pub(crate) struct Options<'a> {
    is_portable: bool,
    cancel: Option<&'a AtomicBool>,
}

impl Options<'_> {
    pub(crate) fn is_cancelled(&self) -> bool {
        volume::is_set(self.cancel)
    }
}

impl CpuRenderer {
    /// A renderer that has seen no volume yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A renderer that keeps at most about `bytes` beside the volumes themselves.
    ///
    /// A volume of 512³ voxels, of any type, costs about 90 MiB for the ranges of its values, and up to 430 MiB for
    /// the voxels that pictures need, once more in 16 bits and in bricks that overlap.
    pub fn with_budget(bytes: usize) -> Self {
        Self { cache: Arc::new(Cache::new(bytes)), is_portable: false }
    }

    /// The same renderer without processor-specific instructions; slower, for tests and for comparison.
    pub fn portable(self) -> Self {
        Self { is_portable: true, ..self }
    }

    /// Derives what the volume pass needs whatever it shows, so that the first frame waits only for its own voxels.
    ///
    /// Reads every voxel once on all cores; call from a worker. Does nothing for colour volumes.
    pub fn prepare(&self, volume: &Arc<Volume>, time_point: usize) {
        let _ = self.cache.entry(volume, time_point);
    }

    /// Frees what is kept of a volume.
    pub fn forget(&self, volume: VolumeId) {
        self.cache.forget(volume);
    }

    /// Bytes kept beside the volumes themselves.
    pub fn cached_bytes(&self) -> usize {
        self.cache.size_bytes()
    }

    /// See [`reference::slice`].
    ///
    /// # Errors
    /// If the scene does not validate.
    pub fn slice(&mut self, scene: &SliceScene) -> Result<Image8, RenderError> {
        scene.validate()?;
        let image = slice::draw(scene, self.options(None));
        Ok(image.unwrap_or_else(|| Image8::black(scene.size_px[0], scene.size_px[1])))
    }

    /// See [`reference::slice_labels`].
    ///
    /// # Errors
    /// If the scene does not validate.
    pub fn slice_labels(&self, scene: &SliceScene, layer: &LabelLayer) -> Result<Vec<u16>, RenderError> {
        scene.validate()?;
        Ok(label_bands::labels(layer, scene))
    }

    /// As [`CpuRenderer::slice`]; `None` soon after `cancel` is set.
    ///
    /// # Errors
    /// If the scene does not validate.
    pub fn slice_cancellable(
        &self,
        scene: &SliceScene,
        cancel: &AtomicBool,
    ) -> Result<Option<Image8>, RenderError> {
        scene.validate()?;
        Ok(slice::draw(scene, self.options(Some(cancel))))
    }

    /// See [`reference::volume`].
    ///
    /// Rays end where 0.5 % or less of what lies behind could be seen.
    ///
    /// # Errors
    /// If the scene does not validate.
    pub fn volume(&mut self, scene: &VolumeScene) -> Result<ImageF32, RenderError> {
        let image = self.draw_volume(scene, self.options(None))?;
        Ok(image.unwrap_or_else(|| ImageF32::new(scene.size_px[0], scene.size_px[1])))
    }

    /// As [`CpuRenderer::volume`]; `None` soon after `cancel` is set.
    ///
    /// # Errors
    /// If the scene does not validate.
    pub fn volume_cancellable(
        &self,
        scene: &VolumeScene,
        cancel: &AtomicBool,
    ) -> Result<Option<ImageF32>, RenderError> {
        self.draw_volume(scene, self.options(Some(cancel)))
    }

    /// See [`reference::cube`].
    ///
    /// # Errors
    /// If the scene does not validate.
    pub fn cube(&mut self, scene: &CubeScene) -> Result<ImageF32, RenderError> {
        scene.slice.validate()?;
        Ok(cube::draw(scene))
    }

    fn options<'a>(&self, cancel: Option<&'a AtomicBool>) -> Options<'a> {
        Options { is_portable: self.is_portable, cancel }
    }

    fn draw_volume(
        &self,
        scene: &VolumeScene,
        options: Options<'_>,
    ) -> Result<Option<ImageF32>, RenderError> {
        scene.validate()?;
        let entry = self.cache.entry(&scene.volume, scene.time_point);
        let Some(entry) = &entry else {
            // More voxels than 31-bit offsets reach, or no memory.
            return reference::volume(scene).map(Some);
        };
        if options.is_cancelled() {
            return Ok(None);
        }
        let grid = &entry.grid;
        let source = (&*scene.volume, scene.time_point);
        let everywhere = [[-1.0; 3], grid.dims.map(|n| n as f64)];
        match &scene.mode {
            VolumeMode::Composite { transfer_function, lighting } => {
                let Some(look) = entry.look(transfer_function, scene.effective_step_mm(), source) else {
                    return reference::volume(scene).map(Some);
                };
                self.cache.trim();
                let Some(bounds) = look.skip.bounds else {
                    return Ok(Some(ImageF32::new(scene.size_px[0], scene.size_px[1])));
                };
                let to_index = scene.volume.geometry().index_from_lps().matrix3;
                let shading = lighting
                    .map(|light| Shading::new(light, &scene.camera, to_index, grid.rescale, look.full_at));
                let rays = RayMaker::new(scene, bounds);
                let view = CompositeView {
                    grid,
                    skip: &look.skip,
                    lut: &look.lut,
                    shading: shading.as_ref(),
                    is_sparse: lighting.is_none() && are_rays_sparse(scene),
                };
                let voxels = (&*entry.bricks(), &*look.table);
                Ok(volume::draw(&Pass::Composite(view), voxels, &rays, scene.size_px, options))
            }
            VolumeMode::Mip { grey } => {
                let view = MipView::new(grid, entry.mip_bounds(), grey);
                let Some(table) = entry.mip_table(view.floor, source) else {
                    return reference::volume(scene).map(Some);
                };
                self.cache.trim();
                let rays = RayMaker::new(scene, everywhere);
                let voxels = (&*entry.bricks(), &*table);
                Ok(volume::draw(&Pass::Mip(view, *grey), voxels, &rays, scene.size_px, options))
            }
        }
    }
}

/// Whether neighbouring rays are further apart than voxels.
fn are_rays_sparse(scene: &VolumeScene) -> bool {
    let spacing = scene.volume.geometry().spacing_mm();
    let pitch_mm = scene.camera.height_at_target_mm() / f64::from(scene.size_px[1]);
    pitch_mm > (spacing.x * spacing.y * spacing.z).cbrt()
}

/// What a build that is broken on purpose adds to every stored value that it draws; 0 in all others.
pub(crate) fn stored_bias() -> f32 {
    if fault::is_active(Fault::ShaderBias) { 1.0 } else { 0.0 }
}
