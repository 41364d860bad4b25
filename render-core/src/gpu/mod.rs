//! The GPU path on wgpu: the same scenes and the same pixels as [`crate::reference`], to the tolerances its tests name.
//!
//! [`GpuContext`] opens a device, [`GpuRenderer`] draws with it. Volumes are uploaded once and stay within a byte
//! budget; larger ones than a 3-D texture are bricked, larger ones than the budget drawn from a reduced level.

pub mod context;

mod gpu_types;
mod passes;
mod readback;
mod resources;
mod shader;
mod timing;

pub use context::{AdapterChoice, ContextId, DeviceWatch, GpuContext};

use crate::RenderError;
use crate::image::{Image8, ImageF32};
use crate::layers::{LabelLayer, SliceLayer};
use crate::scene::{CubeScene, SliceScene, VolumeScene};
use imaging::volume::{Channels, Volume, VolumeId};
use passes::VolumeLayouts;
use passes::composite::CompositePass;
use passes::cube::CubePass;
use passes::label_layer::{FoundLabels, LabelLayerPass};
use passes::pipelines::Pipelines;
use passes::ray_march::{RayMarchInputs, RayMarchPass};
use passes::scalar_layer::{Mapped, ScalarLayerPass};
use passes::slice::{SliceOutput, SlicePass};
use resources::VolumeCache;
use resources::transfer::TransferCache;
use shader::ShaderSource;
use timing::Timer;

/// Limits and switches; the defaults suit any device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GpuOptions {
    /// Graphics memory for volumes.
    pub budget_bytes: u64,
    /// Largest edge of a 3-D texture, if less than the device allows. Tests force bricking with it.
    pub max_texture_dimension_3d: Option<u32>,
    /// Leaves out samples in bricks where nothing could be seen. Pictures are the same without.
    pub is_skipping: bool,
    /// Measures the GPU's own time of the volume pass.
    pub is_timing: bool,
}

impl Default for GpuOptions {
    fn default() -> Self {
        Self { budget_bytes: 2 << 30, max_texture_dimension_3d: None, is_skipping: true, is_timing: false }
    }
}

/// Draws scenes on one device and keeps what it uploaded.
#[derive(Debug)]
pub struct GpuRenderer {
    context: GpuContext,
    options: GpuOptions,
    layouts: VolumeLayouts,
    pipelines: Pipelines,
    slice_pass: SlicePass,
    scalar_layer_pass: ScalarLayerPass,
    label_layer_pass: LabelLayerPass,
    ray_march_pass: RayMarchPass,
    cube_pass: CubePass,
    composite_pass: CompositePass,
    volumes: VolumeCache,
    transfers: TransferCache,
    timer: Option<Timer>,
}

impl GpuRenderer {
    /// A renderer that has seen no volume yet.
    pub fn new(context: GpuContext, options: GpuOptions) -> Self {
        let device = &context.device;
        let device_limit = context.limits().max_texture_dimension_3d;
        let max_dimension = options.max_texture_dimension_3d.unwrap_or(device_limit).min(device_limit);
        Self {
            layouts: VolumeLayouts::new(device),
            pipelines: Pipelines::new(ShaderSource::from_environment()),
            slice_pass: SlicePass::new(device),
            scalar_layer_pass: ScalarLayerPass::new(device),
            label_layer_pass: LabelLayerPass::new(device),
            ray_march_pass: RayMarchPass::new(device),
            cube_pass: CubePass::new(device),
            composite_pass: CompositePass::new(device),
            volumes: VolumeCache::new(options.budget_bytes, max_dimension),
            transfers: TransferCache::default(),
            timer: if options.is_timing { Timer::new(&context) } else { None },
            options,
            context,
        }
    }

    /// The device.
    pub fn context(&self) -> &GpuContext {
        &self.context
    }

    /// Bytes of graphics memory that volumes take.
    pub fn resident_bytes(&self) -> u64 {
        self.volumes.resident_bytes()
    }

    /// Number of volumes (time points counted apart) in graphics memory.
    pub fn resident_count(&self) -> usize {
        self.volumes.resident_count()
    }

    /// Waits until everything submitted is drawn.
    ///
    /// # Errors
    /// If the device failed meanwhile.
    pub fn wait(&self) -> Result<(), RenderError> {
        self.context.wait()
    }

    /// Frees the graphics memory of a volume.
    pub fn forget(&mut self, volume: VolumeId) {
        self.volumes.forget(volume);
        self.transfers.forget(volume);
    }

    /// By what factor along each axis a volume is reduced to fit the budget: 1 for full resolution, `None` if
    /// it cannot be drawn at all.
    pub fn reduction(&self, volume: &Volume) -> Option<u32> {
        self.volumes.reduction(&self.context, volume)
    }

    /// A slice as an `Rgba8Unorm` texture of display values. Does not wait for the GPU.
    ///
    /// # Errors
    /// If the scene does not validate or the device fails.
    pub fn slice_texture(&mut self, scene: &SliceScene) -> Result<wgpu::Texture, RenderError> {
        let mut shown = match &scene.color_map {
            Some(map) if scene.volume.channels() == Channels::Scalar => {
                self.draw_mapped(scene, &Mapped::Image(map))?
            }
            _ => self.draw_slice(scene, SliceOutput::Picture)?,
        };
        for layer in &scene.layers {
            shown = self.draw_layer(scene, layer, &shown)?;
        }
        self.context.check()?;
        Ok(shown)
    }

    /// A slice as shown. Twin of [`crate::reference::slice`].
    ///
    /// # Errors
    /// If the scene does not validate or the device fails.
    pub fn slice(&mut self, scene: &SliceScene) -> Result<Image8, RenderError> {
        let texture = self.slice_texture(scene)?;
        self.read_image8(&texture)
    }

    /// Modality values of a slice, NaN outside. Twin of [`crate::reference::slice_values`], in `f32`.
    ///
    /// # Errors
    /// If the scene does not validate or the device fails.
    pub fn slice_values(&mut self, scene: &SliceScene, channel: usize) -> Result<Vec<f64>, RenderError> {
        let texture = self.draw_slice(scene, SliceOutput::Values { channel })?;
        let resident = self.volumes.get(&self.context, &self.layouts, &scene.volume, scene.time_point)?;
        let (slope, intercept) = resident.modality_from_stored(&scene.volume);
        let bytes = readback::read_texture(&self.context, &texture)?;
        let pixels: Vec<[f32; 2]> = bytemuck::pod_collect_to_vec(&bytes);
        let value = |[stored, inside]: [f32; 2]| {
            if inside > 0.5 { slope * f64::from(stored) + intercept } else { f64::NAN }
        };
        Ok(pixels.into_iter().map(value).collect())
    }

    /// Labels of a layer as they are shown. Twin of [`crate::reference::slice_labels`].
    ///
    /// # Errors
    /// If the scene does not validate or the device fails.
    pub fn slice_labels(&mut self, scene: &SliceScene, layer: &LabelLayer) -> Result<Vec<u16>, RenderError> {
        let found = self.find_labels(scene, layer)?;
        let bytes = readback::read_texture(&self.context, &found.labels)?;
        Ok(bytemuck::pod_collect_to_vec(&bytes))
    }

    /// A layer over the picture so far.
    fn draw_layer(
        &mut self,
        scene: &SliceScene,
        layer: &SliceLayer,
        below: &wgpu::Texture,
    ) -> Result<wgpu::Texture, RenderError> {
        match layer {
            SliceLayer::Scalar(layer) => self.draw_mapped(&layer.cut(scene), &Mapped::Layer(layer, below)),
            SliceLayer::Labels(layer) => {
                let found = self.find_labels(scene, layer)?;
                self.label_layer_pass.blend(&self.context, &mut self.pipelines, &found, layer, below)
            }
        }
    }

    fn draw_mapped(&mut self, scene: &SliceScene, mapped: &Mapped<'_>) -> Result<wgpu::Texture, RenderError> {
        scene.validate()?;
        self.context.check()?;
        let volume = self.volumes.get(&self.context, &self.layouts, &scene.volume, scene.time_point)?;
        self.scalar_layer_pass.draw(&self.context, &mut self.pipelines, &self.layouts, &volume, scene, mapped)
    }

    fn find_labels(&mut self, scene: &SliceScene, layer: &LabelLayer) -> Result<FoundLabels, RenderError> {
        scene.validate()?;
        self.context.check()?;
        let cut = layer.cut(scene);
        let volume = self.volumes.get(&self.context, &self.layouts, &cut.volume, cut.time_point)?;
        if volume.factor > 1 {
            return Err(RenderError::ReducedLabels);
        }
        self.label_layer_pass.find(&self.context, &mut self.pipelines, &self.layouts, &volume, &cut, layer)
    }

    fn draw_slice(&mut self, scene: &SliceScene, output: SliceOutput) -> Result<wgpu::Texture, RenderError> {
        scene.validate()?;
        self.context.check()?;
        let volume = self.volumes.get(&self.context, &self.layouts, &scene.volume, scene.time_point)?;
        self.slice_pass.draw(&self.context, &mut self.pipelines, &self.layouts, &volume, scene, output)
    }

    /// A volume as the bits of linear, premultiplied `f32` in an `Rgba32Uint` texture. Does not wait for the GPU.
    ///
    /// # Errors
    /// If the scene does not validate or the device fails.
    pub fn volume_texture(&mut self, scene: &VolumeScene) -> Result<wgpu::Texture, RenderError> {
        scene.validate()?;
        self.context.check()?;
        let volume = self.volumes.get(&self.context, &self.layouts, &scene.volume, scene.time_point)?;
        let grid = self.volumes.grid(&self.context, &volume, &scene.volume, scene.time_point);
        let inputs = RayMarchInputs {
            volume: &volume,
            grid: &grid,
            is_skipping: self.options.is_skipping,
            timer: self.timer.as_ref(),
        };
        self.ray_march_pass.draw(
            &self.context,
            &mut self.pipelines,
            &self.layouts,
            &mut self.transfers,
            &inputs,
            scene,
        )
    }

    /// A volume, linear and premultiplied. Twin of [`crate::reference::volume`].
    ///
    /// # Errors
    /// If the scene does not validate or the device fails.
    pub fn volume(&mut self, scene: &VolumeScene) -> Result<ImageF32, RenderError> {
        let texture = self.volume_texture(scene)?;
        self.read_image_f32(&texture)
    }

    /// A slice plane in its cube as the bits of linear, premultiplied `f32` in an `Rgba32Uint` texture.
    ///
    /// # Errors
    /// If the scene does not validate or the device fails.
    pub fn cube_texture(&mut self, scene: &CubeScene) -> Result<wgpu::Texture, RenderError> {
        scene.slice.validate()?;
        self.context.check()?;
        let slice = &scene.slice;
        let volume = self.volumes.get(&self.context, &self.layouts, &slice.volume, slice.time_point)?;
        self.cube_pass.draw(&self.context, &mut self.pipelines, &self.layouts, &volume, scene)
    }

    /// A slice plane in its cube. Twin of [`crate::reference::cube`].
    ///
    /// # Errors
    /// If the scene does not validate or the device fails.
    pub fn cube(&mut self, scene: &CubeScene) -> Result<ImageF32, RenderError> {
        let texture = self.cube_texture(scene)?;
        self.read_image_f32(&texture)
    }

    /// The mean of `count` frames from the mean of `count − 1` and the newest; all as from
    /// [`GpuRenderer::volume_texture`].
    ///
    /// # Errors
    /// If the device fails.
    pub fn accumulate(
        &mut self,
        mean_so_far: &wgpu::Texture,
        newest: &wgpu::Texture,
        count: u32,
    ) -> Result<wgpu::Texture, RenderError> {
        self.composite_pass.accumulate(&self.context, &mut self.pipelines, mean_so_far, newest, count)
    }

    /// An opaque, sRGB-coded `Rgba8Unorm` texture of one from [`GpuRenderer::volume_texture`] or
    /// [`GpuRenderer::cube_texture`] over a background (linear RGB).
    ///
    /// # Errors
    /// If the device fails.
    pub fn tone_map(
        &mut self,
        frame: &wgpu::Texture,
        background: [f32; 3],
    ) -> Result<wgpu::Texture, RenderError> {
        let shown = self.composite_pass.tone_map(&self.context, &mut self.pipelines, frame, background)?;
        self.context.check()?;
        Ok(shown)
    }

    /// Reads an `Rgba8Unorm` texture back. Waits for the GPU.
    ///
    /// # Errors
    /// If the device fails.
    pub fn read_image8(&self, texture: &wgpu::Texture) -> Result<Image8, RenderError> {
        let rgba = readback::read_texture(&self.context, texture)?;
        Ok(Image8 { width: texture.width(), height: texture.height(), rgba })
    }

    /// Reads a texture from [`GpuRenderer::volume_texture`] or [`GpuRenderer::cube_texture`] back. Waits for the GPU.
    ///
    /// # Errors
    /// If the device fails.
    pub fn read_image_f32(&self, texture: &wgpu::Texture) -> Result<ImageF32, RenderError> {
        let bytes = readback::read_texture(&self.context, texture)?;
        let pixels = bytemuck::pod_collect_to_vec(&bytes);
        Ok(ImageF32 { width: texture.width(), height: texture.height(), pixels })
    }

    /// The GPU's own time for the last volume pass in ms; waits for it. `None` unless
    /// [`GpuOptions::is_timing`] is set and the device has timestamps.
    pub fn volume_pass_ms(&self) -> Option<f64> {
        self.timer.as_ref()?.elapsed_ms(&self.context).ok()
    }
}
