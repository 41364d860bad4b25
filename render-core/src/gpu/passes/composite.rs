//! The mean of several frames, and tone mapping to sRGB. See `shaders/composite.wgsl`.

use wgpu::{TextureSampleType, TextureViewDimension};

use super::pipelines::{PipelineKey, Pipelines};
use super::ray_march::VOLUME_FORMAT;
use super::{
    bind_group_layout, draw_fullscreen, target, texture_entry, texture_group, uniform_entry, uniform_group,
};
use crate::RenderError;
use crate::gpu::context::GpuContext;
use crate::gpu::gpu_types::CompositeParams;

/// Layouts of the composite pass.
#[derive(Debug)]
pub(crate) struct CompositePass {
    view_layout: wgpu::BindGroupLayout,
    pass_layout: wgpu::BindGroupLayout,
}

impl CompositePass {
    pub(crate) fn new(device: &wgpu::Device) -> Self {
        let texture = |binding| texture_entry(binding, TextureSampleType::Uint, TextureViewDimension::D2);
        Self {
            view_layout: bind_group_layout(device, "composite view", &[uniform_entry(0)]),
            pass_layout: bind_group_layout(device, "composite", &[texture(0), texture(1)]),
        }
    }

    /// The mean of `count` frames from the mean of `count − 1` and the newest.
    pub(crate) fn accumulate(
        &self,
        context: &GpuContext,
        pipelines: &mut Pipelines,
        mean_so_far: &wgpu::Texture,
        newest: &wgpu::Texture,
        count: u32,
    ) -> Result<wgpu::Texture, RenderError> {
        let params = CompositeParams { background: [0.0; 3], newest_share: 1.0 / count.max(1) as f32 };
        let entry = ("fs_accumulate", VOLUME_FORMAT);
        self.draw(context, pipelines, entry, params, [newest, mean_so_far])
    }

    /// An opaque, sRGB-coded `Rgba8Unorm` picture of a linear one over a background (linear RGB).
    pub(crate) fn tone_map(
        &self,
        context: &GpuContext,
        pipelines: &mut Pipelines,
        frame: &wgpu::Texture,
        background: [f32; 3],
    ) -> Result<wgpu::Texture, RenderError> {
        let params = CompositeParams { background, newest_share: 1.0 };
        let entry = ("fs_tone_map", wgpu::TextureFormat::Rgba8Unorm);
        self.draw(context, pipelines, entry, params, [frame, frame])
    }

    fn draw(
        &self,
        context: &GpuContext,
        pipelines: &mut Pipelines,
        (entry, format): (&'static str, wgpu::TextureFormat),
        params: CompositeParams,
        [newest, mean]: [&wgpu::Texture; 2],
    ) -> Result<wgpu::Texture, RenderError> {
        let picture = target(context, [newest.width(), newest.height()], format)?;
        let key = PipelineKey { file: "composite.wgsl", entry, binding: Default::default(), format };
        let pipeline_layouts = [None, Some(&self.view_layout), None, Some(&self.pass_layout)];
        let pipeline = pipelines.get(context, key, &pipeline_layouts)?;
        let view = uniform_group(context, &self.view_layout, &params);
        let views = [newest, mean].map(|t| t.create_view(&wgpu::TextureViewDescriptor::default()));
        let pass = texture_group(&context.device, &self.pass_layout, &[&views[0], &views[1]]);
        draw_fullscreen(context, &pipeline, &[(1, &view), (3, &pass)], &picture, None);
        Ok(picture)
    }
}
