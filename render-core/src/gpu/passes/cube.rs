//! The slice plane inside the volume's coloured edges. See `shaders/cube.wgsl`.

use glam::DVec2;

use super::params::{f32x3, index_plane, ray_camera, window_params};
use super::pipelines::{PipelineKey, Pipelines};
use super::ray_march::VOLUME_FORMAT;
use super::slice::color_params;
use super::{VolumeLayouts, bind_group_layout, draw_fullscreen, target, uniform_entry, uniform_group};
use crate::RenderError;
use crate::gpu::context::GpuContext;
use crate::gpu::gpu_types::{CubeEdge, CubeParams};
use crate::gpu::resources::volume_texture::VolumeTexture;
use crate::reference::{CUBE_EDGE_HALF_PX, cube_edges};
use crate::scene::{CubeScene, Interpolation};

/// Layouts of the cube pass.
#[derive(Debug)]
pub(crate) struct CubePass {
    view_layout: wgpu::BindGroupLayout,
}

impl CubePass {
    pub(crate) fn new(device: &wgpu::Device) -> Self {
        Self { view_layout: bind_group_layout(device, "cube view", &[uniform_entry(0)]) }
    }

    /// Draws a scene whose slice is valid.
    pub(crate) fn draw(
        &self,
        context: &GpuContext,
        pipelines: &mut Pipelines,
        layouts: &VolumeLayouts,
        volume: &VolumeTexture,
        scene: &CubeScene,
    ) -> Result<wgpu::Texture, RenderError> {
        let picture = target(context, scene.size_px, VOLUME_FORMAT)?;
        let binding = volume.binding();
        let key = PipelineKey { file: "cube.wgsl", entry: "fs_main", binding, format: VOLUME_FORMAT };
        let pipeline_layouts = [None, Some(&self.view_layout), Some(layouts.volume(binding))];
        let pipeline = pipelines.get(context, key, &pipeline_layouts)?;
        let view = uniform_group(context, &self.view_layout, &cube_params(scene, volume));
        draw_fullscreen(context, &pipeline, &[(1, &view), (2, &volume.bind_group)], &picture, None);
        Ok(picture)
    }
}

fn cube_params(scene: &CubeScene, volume: &VolumeTexture) -> CubeParams {
    let slice = &scene.slice;
    let geometry = slice.volume.geometry();
    let level_from_lps = volume.level_from_lps(&slice.volume);
    let normal = slice.plane.normal();
    let projected = cube_edges(scene);
    let modality_from_stored = volume.modality_from_stored(&slice.volume);
    let (color, color_scale, color_offset) = color_params(slice, modality_from_stored);
    let mut params = CubeParams {
        camera: ray_camera(&scene.camera, scene.size_px, DVec2::ZERO, level_from_lps, geometry.center_lps()),
        plane: index_plane(normal, normal.dot(slice.plane.center_lps), level_from_lps),
        edge_index: f32x3(volume.level_from_index().transform_point3(geometry.dims().as_dvec3() - 0.5)),
        is_linear: u32::from(slice.interpolation == Interpolation::Linear),
        window: window_params(&slice.grey, modality_from_stored),
        color,
        color_scale,
        color_offset,
        edge_count: projected.len() as u32,
        edge_half_px: CUBE_EDGE_HALF_PX as f32,
        ..bytemuck::Zeroable::zeroed()
    };
    for (slot, edge) in params.edges.iter_mut().zip(&projected) {
        let [a, b] = edge.ends_px;
        *slot = CubeEdge {
            ends_px: [a.x as f32, a.y as f32, b.x as f32, b.y as f32],
            color: edge.color,
            depths_mm: edge.depths_mm.map(|d| d as f32),
            ..bytemuck::Zeroable::zeroed()
        };
    }
    params
}
