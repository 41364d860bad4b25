//! A scalar volume in the colours of a map. See `shaders/scalar_layer.wgsl`.

use wgpu::{TextureFormat, TextureSampleType, TextureView, TextureViewDimension};

use super::pipelines::{PipelineKey, Pipelines};
use super::slice::slice_params;
use super::{
    VolumeLayouts, bind_group_layout, color_table, draw_fullscreen, params_group, target, texture_entry,
    uniform_entry, uniform_group,
};
use crate::RenderError;
use crate::color_map::{ColorMap, ENTRIES};
use crate::gpu::context::GpuContext;
use crate::gpu::gpu_types::ScalarLayerParams;
use crate::gpu::resources::volume_texture::VolumeTexture;
use crate::layers::ScalarLayer;
use crate::scene::SliceScene;

/// Layouts of the pass.
#[derive(Debug)]
pub(crate) struct ScalarLayerPass {
    view_layout: wgpu::BindGroupLayout,
    pass_layout: wgpu::BindGroupLayout,
}

/// What is drawn with a map.
pub(crate) enum Mapped<'a> {
    /// The image of a slice.
    Image(&'a ColorMap),
    /// A layer over the picture so far.
    Layer(&'a ScalarLayer, &'a wgpu::Texture),
}

impl ScalarLayerPass {
    pub(crate) fn new(device: &wgpu::Device) -> Self {
        let color = |binding| {
            texture_entry(binding, TextureSampleType::Float { filterable: false }, TextureViewDimension::D2)
        };
        Self {
            view_layout: bind_group_layout(device, "scalar layer view", &[uniform_entry(0)]),
            pass_layout: bind_group_layout(device, "scalar layer", &[uniform_entry(0), color(1), color(2)]),
        }
    }

    /// Draws the volume of a validated scene, for a layer its own cut, into an `Rgba8Unorm` texture.
    pub(crate) fn draw(
        &self,
        context: &GpuContext,
        pipelines: &mut Pipelines,
        layouts: &VolumeLayouts,
        volume: &VolumeTexture,
        scene: &SliceScene,
        mapped: &Mapped<'_>,
    ) -> Result<wgpu::Texture, RenderError> {
        let format = TextureFormat::Rgba8Unorm;
        let picture = target(context, scene.size_px, format)?;
        let binding = volume.binding();
        let (entry, map) = match mapped {
            Mapped::Image(map) => ("fs_image", *map),
            Mapped::Layer(layer, _) => ("fs_layer", &*layer.color_map),
        };
        let key = PipelineKey { file: "scalar_layer.wgsl", entry, binding, format };
        let pipeline_layouts =
            [None, Some(&self.view_layout), Some(layouts.volume(binding)), Some(&self.pass_layout)];
        let pipeline = pipelines.get(context, key, &pipeline_layouts)?;
        let view = uniform_group(context, &self.view_layout, &slice_params(scene, volume, 0));
        let map = map_table(context, map);
        let (params, below) = match mapped {
            // Nothing is below an image; the map stands in.
            Mapped::Image(_) => (bytemuck::Zeroable::zeroed(), map.clone()),
            Mapped::Layer(layer, below) => {
                let below = below.create_view(&wgpu::TextureViewDescriptor::default());
                (layer_params(layer, volume.modality_from_stored(&layer.volume)), below)
            }
        };
        let pass = params_group(context, &self.pass_layout, &params, &[&below, &map]);
        let groups = [(1, &view), (2, &volume.bind_group), (3, &pass)];
        draw_fullscreen(context, &pipeline, &groups, &picture, None);
        Ok(picture)
    }
}

fn map_table(context: &GpuContext, map: &ColorMap) -> TextureView {
    color_table(context, &map.lut().map(|[r, g, b]| [r, g, b, 255]), ENTRIES)
}

/// The threshold over stored values, where modality value = `slope · stored + intercept` and `slope` is not zero.
fn layer_params(layer: &ScalarLayer, (slope, intercept): (f64, f64)) -> ScalarLayerParams {
    let threshold = layer.threshold.map(|threshold| (threshold - intercept) / slope);
    // Far beyond all values, and still a number that can be subtracted.
    let far = f64::from(f32::MAX) / 4.0;
    ScalarLayerParams {
        opacity: layer.opacity(),
        threshold: threshold.unwrap_or(0.0).clamp(-far, far) as f32,
        threshold_side: threshold.map_or(0.0, |_| slope.signum() as f32),
        pad: 0.0,
    }
}
