//! The volume pass. See `shaders/ray_march.wgsl`.

use glam::{DVec2, DVec3};
use wgpu::{TextureSampleType, TextureViewDimension};

use super::params::{f32x3, index_plane, ray_camera, window_params};
use super::pipelines::{PipelineKey, Pipelines};
use super::{
    VolumeLayouts, bind_group_layout, draw_fullscreen, target, texture_entry, texture_group, uniform_entry,
    uniform_group,
};
use crate::RenderError;
use crate::gpu::context::GpuContext;
use crate::gpu::gpu_types::{MODE_LIT, MODE_MIP, MODE_UNLIT, RayMarchParams};
use crate::gpu::resources::VolumeKey;
use crate::gpu::resources::brick_grid::BrickGrid;
use crate::gpu::resources::transfer::TransferCache;
use crate::gpu::resources::volume_texture::VolumeTexture;
use crate::gpu::timing::Timer;
use crate::reference::full_shading_gradient;
use crate::scene::{CropBox, Lighting, MAX_CLIP_PLANES, VolumeMode, VolumeScene, pixel_offset};
use crate::transfer_function::{LUT_ENTRIES, TransferFunction};

/// Format of volume pictures: the bits of linear, premultiplied `f32`. Neither blended nor filtered, so whole
/// numbers do, which every driver draws into; desktop OpenGL offers no float targets through wgpu.
pub(crate) const VOLUME_FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba32Uint;

/// Layouts of the volume pass.
#[derive(Debug)]
pub(crate) struct RayMarchPass {
    view_layout: wgpu::BindGroupLayout,
    pass_layout: wgpu::BindGroupLayout,
}

/// What the pass reads besides the scene.
pub(crate) struct RayMarchInputs<'a> {
    pub(crate) volume: &'a VolumeTexture,
    pub(crate) grid: &'a BrickGrid,
    pub(crate) is_skipping: bool,
    pub(crate) timer: Option<&'a Timer>,
}

impl RayMarchPass {
    pub(crate) fn new(device: &wgpu::Device) -> Self {
        let entries = [
            texture_entry(0, TextureSampleType::Float { filterable: false }, TextureViewDimension::D2),
            texture_entry(1, TextureSampleType::Uint, TextureViewDimension::D3),
            texture_entry(2, TextureSampleType::Float { filterable: false }, TextureViewDimension::D3),
        ];
        Self {
            view_layout: bind_group_layout(device, "volume view", &[uniform_entry(0)]),
            pass_layout: bind_group_layout(device, "ray marching", &entries),
        }
    }

    /// Draws a validated scene into a [`VOLUME_FORMAT`] texture.
    pub(crate) fn draw(
        &self,
        context: &GpuContext,
        pipelines: &mut Pipelines,
        layouts: &VolumeLayouts,
        transfers: &mut TransferCache,
        inputs: &RayMarchInputs<'_>,
        scene: &VolumeScene,
    ) -> Result<wgpu::Texture, RenderError> {
        let volume = inputs.volume;
        let picture = target(context, scene.size_px, VOLUME_FORMAT)?;
        let binding = volume.binding();
        let key = PipelineKey { file: "ray_march.wgsl", entry: "fs_main", binding, format: VOLUME_FORMAT };
        let pipeline_layouts =
            [None, Some(&self.view_layout), Some(layouts.volume(binding)), Some(&self.pass_layout)];
        let pipeline = pipelines.get(context, key, &pipeline_layouts)?;

        let mut params = common_params(scene, inputs);
        let modality_from_texel = volume.modality_from_texel(&scene.volume);
        // A MIP reads neither table nor distances; any small ones do.
        let mip_stand_in = || std::sync::Arc::new(TransferFunction::new([], 1.0));
        let function = match &scene.mode {
            VolumeMode::Composite { transfer_function, .. } => transfer_function.clone(),
            VolumeMode::Mip { .. } => mip_stand_in(),
        };
        let table = transfers.table(context, &function, scene.effective_step_mm());
        let key = VolumeKey { id: scene.volume.id(), time_point: scene.time_point };
        let distances =
            transfers.distance_map(context, key, volume.factor, inputs.grid, &function, modality_from_texel);
        match &scene.mode {
            VolumeMode::Composite { lighting, .. } => {
                let per_unit = (LUT_ENTRIES - 1) as f64 / (table.lut.high - table.lut.low);
                let (slope, intercept) = modality_from_texel;
                params.lut_scale = (slope * per_unit) as f32;
                params.lut_offset = ((intercept - table.lut.low) * per_unit) as f32;
                params.full_gradient = full_shading_gradient(&table.lut) as f32;
                params.mode = if lighting.is_some() { MODE_LIT } else { MODE_UNLIT };
                if let Some(light) = lighting {
                    set_lighting(&mut params, light);
                }
            }
            VolumeMode::Mip { grey } => {
                params.mode = MODE_MIP;
                params.window = window_params(grey, modality_from_texel);
                params.mip_sign = if modality_from_texel.0 < 0.0 { -1.0 } else { 1.0 };
            }
        }
        let view = uniform_group(context, &self.view_layout, &params);
        let pass = texture_group(
            &context.device,
            &self.pass_layout,
            &[&table.view, &distances, inputs.grid.range_view()],
        );
        let groups = [(1, &view), (2, &volume.bind_group), (3, &pass)];
        draw_fullscreen(context, &pipeline, &groups, &picture, inputs.timer);
        Ok(picture)
    }
}

/// Everything that does not depend on the mode.
fn common_params(scene: &VolumeScene, inputs: &RayMarchInputs<'_>) -> RayMarchParams {
    let volume = inputs.volume;
    let geometry = scene.volume.geometry();
    let level_from_lps = volume.level_from_lps(&scene.volume);
    let level_from_index = volume.level_from_index();
    let crop = scene.crop.intersection(CropBox::whole(geometry));
    let mut clip_planes = [[0.0; 4]; MAX_CLIP_PLANES];
    for (slot, plane) in clip_planes.iter_mut().zip(&scene.clip_planes) {
        *slot = index_plane(plane.normal_lps, plane.offset_mm, level_from_lps);
    }
    // Twin of `reference::gradient_lps`: half the difference over two voxels, per mm, seen by the camera.
    let basis = scene.camera.basis();
    let (slope, _) = volume.modality_from_texel(&scene.volume);
    let gradient_row = |axis: DVec3| {
        let row = level_from_lps.matrix3 * axis * (0.5 * slope);
        [row.x as f32, row.y as f32, row.z as f32, 0.0]
    };
    RayMarchParams {
        camera: ray_camera(
            &scene.camera,
            scene.size_px,
            DVec2::from_array(pixel_offset(scene.jitter_frame)),
            level_from_lps,
            geometry.center_lps(),
        ),
        crop_min_index: f32x3(level_from_index.transform_point3(crop.min_index)),
        step_mm: scene.effective_step_mm() as f32,
        crop_max_index: f32x3(level_from_index.transform_point3(crop.max_index)),
        clip_planes,
        clip_plane_count: scene.clip_planes.len().min(MAX_CLIP_PLANES) as u32,
        jitter_frame: scene.jitter_frame,
        gradient_right: gradient_row(basis.right),
        gradient_up: gradient_row(basis.up),
        gradient_back: gradient_row(-basis.forward),
        brick_size: inputs.grid.brick_size as f32,
        is_skipping: u32::from(inputs.is_skipping),
        mip_sign: 1.0,
        ..bytemuck::Zeroable::zeroed()
    }
}

fn set_lighting(params: &mut RayMarchParams, light: &Lighting) {
    let lamp = DVec3::from_array(light.towards_lamp.map(f64::from)).normalize_or(DVec3::Z);
    params.lamp = f32x3(lamp);
    params.ambient = light.ambient;
    params.diffuse = light.diffuse;
    params.specular = light.specular;
    params.shininess = light.shininess;
}
