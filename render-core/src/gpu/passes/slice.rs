//! The slice pass: numbers or a picture of any plane. See `shaders/slice.wgsl`.

use imaging::volume::Channels;

use super::params::{f32x3, window_params};
use super::pipelines::{PipelineKey, Pipelines};
use super::{VolumeLayouts, bind_group_layout, draw_fullscreen, target, uniform_entry, uniform_group};
use crate::RenderError;
use crate::gpu::context::GpuContext;
use crate::gpu::gpu_types::{COLOR_NONE, COLOR_RGB, COLOR_RGBA, SLAB_MAX, SLAB_MEAN, SLAB_MIN, SliceParams};
use crate::gpu::resources::volume_texture::VolumeTexture;
use crate::scene::{Interpolation, SlabMode, SliceScene};

/// What the pass writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SliceOutput {
    /// Display values, `Rgba8Unorm`.
    Picture,
    /// Stored units above the base value and whether the pixel is inside, the bits of `f32` in `Rg32Uint`.
    Values { channel: usize },
}

/// Layouts of the slice pass.
#[derive(Debug)]
pub(crate) struct SlicePass {
    view_layout: wgpu::BindGroupLayout,
}

impl SlicePass {
    pub(crate) fn new(device: &wgpu::Device) -> Self {
        Self { view_layout: bind_group_layout(device, "slice view", &[uniform_entry(0)]) }
    }

    /// Draws a validated scene.
    pub(crate) fn draw(
        &self,
        context: &GpuContext,
        pipelines: &mut Pipelines,
        layouts: &VolumeLayouts,
        volume: &VolumeTexture,
        scene: &SliceScene,
        output: SliceOutput,
    ) -> Result<wgpu::Texture, RenderError> {
        let (entry, format, channel) = match output {
            SliceOutput::Picture => ("fs_picture", wgpu::TextureFormat::Rgba8Unorm, 0),
            SliceOutput::Values { channel } => ("fs_values", wgpu::TextureFormat::Rg32Uint, channel),
        };
        let picture = target(context, scene.size_px, format)?;
        let binding = volume.binding();
        let key = PipelineKey { file: "slice.wgsl", entry, binding, format };
        let pipeline_layouts = [None, Some(&self.view_layout), Some(layouts.volume(binding))];
        let pipeline = pipelines.get(context, key, &pipeline_layouts)?;
        let params = slice_params(scene, volume, channel);
        let view = uniform_group(context, &self.view_layout, &params);
        draw_fullscreen(context, &pipeline, &[(1, &view), (2, &volume.bind_group)], &picture, None);
        Ok(picture)
    }
}

/// Where the pixels of a scene lie in its volume, and how values are shown.
pub(crate) fn slice_params(scene: &SliceScene, volume: &VolumeTexture, channel: usize) -> SliceParams {
    let geometry = scene.volume.geometry();
    let level_from_lps = volume.level_from_lps(&scene.volume);
    let per_mm = level_from_lps.matrix3;
    let plane = &scene.plane;
    let offsets = scene.slab.offsets_mm(geometry);
    let first_mm = offsets.first().copied().unwrap_or(0.0);
    let step_mm = offsets.get(1).map_or(0.0, |second| second - first_mm);
    let (slope, intercept) = volume.modality_from_stored(&scene.volume);
    // A falling rescale turns the greatest modality value into the least stored one.
    let slab_mode = match (scene.slab.mode, slope < 0.0) {
        (SlabMode::Mean, _) => SLAB_MEAN,
        (SlabMode::Max, false) | (SlabMode::Min, true) => SLAB_MAX,
        (SlabMode::Min, false) | (SlabMode::Max, true) => SLAB_MIN,
    };
    let (color, color_scale, color_offset) = color_params(scene, (slope, intercept));
    let edge = geometry.dims().as_dvec3() - 0.5;
    SliceParams {
        center_index: f32x3(level_from_lps.transform_point3(plane.center_lps)),
        slab_count: offsets.len() as u32,
        right_index: f32x3(per_mm * plane.right * plane.mm_per_px),
        slab_mode,
        down_index: f32x3(per_mm * plane.down * plane.mm_per_px),
        is_linear: u32::from(scene.interpolation == Interpolation::Linear),
        slab_first_index: f32x3(per_mm * plane.normal() * first_mm),
        color,
        slab_step_index: f32x3(per_mm * plane.normal() * step_mm),
        channel: channel as u32,
        edge_index: f32x3(volume.level_from_index().transform_point3(edge)),
        color_scale,
        half_size_px: scene.size_px.map(|n| n as f32 * 0.5),
        color_offset,
        pad: 0.0,
        window: window_params(&scene.grey, (slope, intercept)),
    }
}

/// What a voxel's channels are, and scale and offset from stored units to shown ones.
pub(crate) fn color_params(scene: &SliceScene, (slope, intercept): (f64, f64)) -> (u32, f32, f32) {
    let white = scene.volume.color_white();
    let color = match scene.volume.channels() {
        Channels::Scalar => COLOR_NONE,
        Channels::Rgb => COLOR_RGB,
        Channels::Rgba => COLOR_RGBA,
    };
    (color, (slope / white) as f32, (intercept / white) as f32)
}
