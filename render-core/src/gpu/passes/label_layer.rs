//! Labels over a slice: found in one pass, filled and outlined in another. See `shaders/label_layer.wgsl`.

use wgpu::{TextureFormat, TextureSampleType, TextureView, TextureViewDimension};

use super::pipelines::{PipelineKey, Pipelines};
use super::slice::slice_params;
use super::{
    VolumeLayouts, bind_group_layout, color_table, draw_fullscreen, params_group, target, texture_entry,
    uniform_entry, uniform_group,
};
use crate::RenderError;
use crate::gpu::context::GpuContext;
use crate::gpu::gpu_types::{LABEL_ROW, LabelLayerParams};
use crate::gpu::resources::volume_texture::VolumeTexture;
use crate::layers::LabelLayer;
use crate::scene::SliceScene;

/// Layouts of both passes.
#[derive(Debug)]
pub(crate) struct LabelLayerPass {
    view_layout: wgpu::BindGroupLayout,
    /// Finding reads the colours only.
    find_layout: wgpu::BindGroupLayout,
    blend_layout: wgpu::BindGroupLayout,
}

/// The labels of a picture and their colours.
pub(crate) struct FoundLabels {
    /// `R16Uint`, 0 for none.
    pub(crate) labels: wgpu::Texture,
    colors: TextureView,
}

impl LabelLayerPass {
    pub(crate) fn new(device: &wgpu::Device) -> Self {
        let texture = |binding, kind| texture_entry(binding, kind, TextureViewDimension::D2);
        let color = |binding| texture(binding, TextureSampleType::Float { filterable: false });
        let blend = [uniform_entry(0), color(1), texture(2, TextureSampleType::Uint), color(3)];
        Self {
            view_layout: bind_group_layout(device, "label layer view", &[uniform_entry(0)]),
            find_layout: bind_group_layout(device, "find labels", &[color(3)]),
            blend_layout: bind_group_layout(device, "blend labels", &blend),
        }
    }

    /// The shown label of every pixel; `scene` is the layer's own cut.
    pub(crate) fn find(
        &self,
        context: &GpuContext,
        pipelines: &mut Pipelines,
        layouts: &VolumeLayouts,
        volume: &VolumeTexture,
        scene: &SliceScene,
        layer: &LabelLayer,
    ) -> Result<FoundLabels, RenderError> {
        let format = TextureFormat::R16Uint;
        let labels = target(context, scene.size_px, format)?;
        let binding = volume.binding();
        let key = PipelineKey { file: "label_layer.wgsl", entry: "fs_labels", binding, format };
        let pipeline_layouts =
            [None, Some(&self.view_layout), Some(layouts.volume(binding)), Some(&self.find_layout)];
        let pipeline = pipelines.get(context, key, &pipeline_layouts)?;
        let view = uniform_group(context, &self.view_layout, &slice_params(scene, volume, 0));
        let count = usize::from(layer.labels.max_label()) + 1;
        let colors = color_table(context, layer.colors.entries(count), LABEL_ROW);
        let pass = context.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("find labels"),
            layout: &self.find_layout,
            entries: &[wgpu::BindGroupEntry {
                binding: 3,
                resource: wgpu::BindingResource::TextureView(&colors),
            }],
        });
        let groups = [(1, &view), (2, &volume.bind_group), (3, &pass)];
        draw_fullscreen(context, &pipeline, &groups, &labels, None);
        Ok(FoundLabels { labels, colors })
    }

    /// Labels over the picture so far, in a new `Rgba8Unorm` texture.
    pub(crate) fn blend(
        &self,
        context: &GpuContext,
        pipelines: &mut Pipelines,
        found: &FoundLabels,
        layer: &LabelLayer,
        below: &wgpu::Texture,
    ) -> Result<wgpu::Texture, RenderError> {
        let format = TextureFormat::Rgba8Unorm;
        let picture = target(context, [below.width(), below.height()], format)?;
        let key =
            PipelineKey { file: "label_layer.wgsl", entry: "fs_layer", binding: Default::default(), format };
        let pipeline = pipelines.get(context, key, &[None, None, None, Some(&self.blend_layout)])?;
        let [fill_opacity, edge_opacity] = layer.opacities();
        let params =
            LabelLayerParams { fill_opacity, edge_opacity, outline_px: layer.outline_reach_px(), pad: 0 };
        let [below, labels] =
            [below, &found.labels].map(|t| t.create_view(&wgpu::TextureViewDescriptor::default()));
        let pass = params_group(context, &self.blend_layout, &params, &[&below, &labels, &found.colors]);
        draw_fullscreen(context, &pipeline, &[(3, &pass)], &picture, None);
        Ok(picture)
    }
}
