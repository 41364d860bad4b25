//! One volume in graphics memory: textures, how they are bound, and how their index relates to patient space.

use glam::{DAffine3, DVec3};
use imaging::volume::Volume;

use super::layout::{BrickPlace, TextureLayout};
use super::texel::TexelEncoding;
use crate::RenderError;
use crate::gpu::context::GpuContext;
use crate::gpu::gpu_types::{MAX_ATLASES, VolumeParams};
use crate::gpu::passes::{VolumeLayouts, uniform_buffer};
use crate::gpu::shader::VolumeBinding;

/// Bytes converted and staged at a time.
const UPLOAD_SLAB_BYTES: u64 = 16 << 20;
/// Smallest reduced level: 1/64 along each axis.
const MAX_REDUCTION: u32 = 64;

/// What an upload will look like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UploadPlan {
    encoding: TexelEncoding,
    layout: TextureLayout,
    factor: u32,
}

impl UploadPlan {
    /// Bytes of the textures.
    pub(crate) fn bytes(&self) -> u64 {
        self.layout.texels() * u64::from(self.encoding.texel_bytes)
    }
}

/// Full resolution if it fits, else the first level halved often enough; `None` if none does.
pub(crate) fn plan(
    volume: &Volume,
    features: wgpu::Features,
    max_dimension: u32,
    budget_bytes: u64,
) -> Option<UploadPlan> {
    let encoding = TexelEncoding::choose(volume, features);
    let factors = std::iter::successors(Some(1u32), |f| Some(f * 2)).take_while(|&f| f <= MAX_REDUCTION);
    factors
        .filter_map(|factor| {
            let level = level_dims(volume, factor)?;
            let layout = TextureLayout::plan(level, max_dimension)?;
            Some(UploadPlan { encoding, layout, factor })
        })
        .find(|plan| plan.bytes() <= budget_bytes)
}

/// The factor of [`plan`].
pub(crate) fn reduction(
    volume: &Volume,
    features: wgpu::Features,
    max_dimension: u32,
    budget_bytes: u64,
) -> Option<u32> {
    plan(volume, features, max_dimension, budget_bytes).map(|p| p.factor)
}

fn level_dims(volume: &Volume, factor: u32) -> Option<[u32; 3]> {
    let dims = volume.dims().to_array();
    let level = |n: usize| u32::try_from(n.div_ceil(factor as usize)).ok();
    Some([level(dims[0])?, level(dims[1])?, level(dims[2])?])
}

/// A resident volume.
#[derive(Debug)]
pub(crate) struct VolumeTexture {
    pub(crate) encoding: TexelEncoding,
    pub(crate) layout: TextureLayout,
    /// Voxels of the volume per voxel of the resident level, along each axis.
    pub(crate) factor: u32,
    pub(crate) bind_group: wgpu::BindGroup,
    bytes: u64,
}

impl VolumeTexture {
    /// Creates the textures and fills them slab by slab.
    pub(crate) fn upload(
        context: &GpuContext,
        layouts: &VolumeLayouts,
        volume: &Volume,
        time_point: usize,
        plan: &UploadPlan,
    ) -> Result<Self, RenderError> {
        let plan = &UploadPlan { encoding: plan.encoding.with_base(volume), ..*plan };
        let UploadPlan { encoding, layout, factor } = *plan;
        let [width, height, depth] = layout.texture_dims;
        let textures: Vec<wgpu::Texture> = (0..layout.atlas_count)
            .map(|_| {
                context.device.create_texture(&wgpu::TextureDescriptor {
                    label: Some("volume"),
                    size: wgpu::Extent3d { width, height, depth_or_array_layers: depth },
                    mip_level_count: 1,
                    sample_count: 1,
                    dimension: wgpu::TextureDimension::D3,
                    format: encoding.format,
                    usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
                    view_formats: &[],
                })
            })
            .collect();
        for place in layout.places() {
            let Some(texture) = textures.get(place.atlas as usize) else { continue };
            upload_brick(context, texture, volume, time_point, plan, place)?;
        }
        let binding =
            VolumeBinding { is_bricked: layout.is_bricked(), is_filterable: encoding.is_filterable };
        let bind_group = bind(context, layouts, binding, &params(&encoding, &layout), &textures);
        Ok(Self { encoding, layout, factor, bind_group, bytes: plan.bytes() })
    }

    /// Bytes of the textures.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How shaders read it.
    pub(crate) fn binding(&self) -> VolumeBinding {
        VolumeBinding { is_bricked: self.layout.is_bricked(), is_filterable: self.encoding.is_filterable }
    }

    /// LPS in mm to continuous index of the resident level.
    pub(crate) fn level_from_lps(&self, volume: &Volume) -> DAffine3 {
        self.level_from_index() * volume.geometry().index_from_lps()
    }

    /// Continuous index of the volume to that of the resident level; voxel edges meet.
    pub(crate) fn level_from_index(&self) -> DAffine3 {
        let scale = 1.0 / f64::from(self.factor);
        let shift = DVec3::splat(0.5 * scale - 0.5);
        DAffine3::from_translation(shift) * DAffine3::from_scale(DVec3::splat(scale))
    }

    /// Modality value = `slope · texel + intercept` of the result.
    pub(crate) fn modality_from_texel(&self, volume: &Volume) -> (f64, f64) {
        let rescale = volume.rescale();
        (rescale.slope * self.encoding.scale, rescale.apply(self.encoding.base))
    }

    /// Modality value = `slope · (stored − base) + intercept` of the result.
    pub(crate) fn modality_from_stored(&self, volume: &Volume) -> (f64, f64) {
        let rescale = volume.rescale();
        (rescale.slope, rescale.apply(self.encoding.base))
    }
}

fn upload_brick(
    context: &GpuContext,
    texture: &wgpu::Texture,
    volume: &Volume,
    time_point: usize,
    plan: &UploadPlan,
    place: BrickPlace,
) -> Result<(), RenderError> {
    let [width, height, depth] = place.size;
    let row_bytes = width * plan.encoding.texel_bytes;
    let layer_bytes = u64::from(row_bytes) * u64::from(height);
    let layers_per_slab = (UPLOAD_SLAB_BYTES / layer_bytes.max(1)).clamp(1, u64::from(depth)) as u32;
    let mut z = 0;
    while z < depth {
        let layers = layers_per_slab.min(depth - z);
        let first = [place.first[0], place.first[1], place.first[2] + z];
        let texels =
            plan.encoding.encode(volume, time_point, plan.factor as usize, first, [width, height, layers]);
        context.queue.write_texture(
            wgpu::TexelCopyTextureInfo {
                texture,
                mip_level: 0,
                origin: wgpu::Origin3d { x: place.at[0], y: place.at[1], z: place.at[2] + z },
                aspect: wgpu::TextureAspect::All,
            },
            &texels,
            wgpu::TexelCopyBufferLayout {
                offset: 0,
                bytes_per_row: Some(row_bytes),
                rows_per_image: Some(height),
            },
            wgpu::Extent3d { width, height, depth_or_array_layers: layers },
        );
        z += layers;
        // Staging memory is freed only when its copy is done; waiting keeps it at one slab.
        if u64::from(layers) * layer_bytes >= UPLOAD_SLAB_BYTES / 2 {
            context.queue.submit([]);
            context.wait()?;
        }
    }
    Ok(())
}

fn params(encoding: &TexelEncoding, layout: &TextureLayout) -> VolumeParams {
    VolumeParams {
        dims: layout.dims,
        slots_per_atlas: layout.slots_per_atlas(),
        brick_interior: layout.interior,
        is_normalized: u32::from(encoding.is_normalized()),
        brick_count: layout.bricks,
        texel_scale: encoding.scale as f32,
        slot_count: layout.slots,
        pad: 0,
        texture_dims: layout.texture_dims.map(|d| d as f32),
        pad2: 0,
    }
}

fn bind(
    context: &GpuContext,
    layouts: &VolumeLayouts,
    binding: VolumeBinding,
    params: &VolumeParams,
    textures: &[wgpu::Texture],
) -> wgpu::BindGroup {
    let buffer = uniform_buffer(context, params);
    let views: Vec<_> =
        textures.iter().map(|t| t.create_view(&wgpu::TextureViewDescriptor::default())).collect();
    let slots = if binding.is_bricked { MAX_ATLASES } else { 1 };
    let mut entries = vec![
        wgpu::BindGroupEntry { binding: 0, resource: buffer.as_entire_binding() },
        wgpu::BindGroupEntry {
            binding: 1,
            resource: wgpu::BindingResource::Sampler(layouts.sampler(binding)),
        },
    ];
    // Atlases that do not exist are never read; the first stands in.
    entries.extend((0..slots).filter_map(|i| {
        let view = views.get(i).or(views.first())?;
        let resource = wgpu::BindingResource::TextureView(view);
        Some(wgpu::BindGroupEntry { binding: 2 + i as u32, resource })
    }));
    context.device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("volume"),
        layout: layouts.volume(binding),
        entries: &entries,
    })
}
