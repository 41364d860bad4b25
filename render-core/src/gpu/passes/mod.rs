//! One module per pass, and what passes share: bind group layouts, pipelines, full-screen draws.
//!
//! Bind groups go by rate of change: 0 frame (unused so far), 1 view, 2 volume, 3 pass.

pub(crate) mod composite;
pub(crate) mod cube;
pub(crate) mod label_layer;
pub(crate) mod params;
pub(crate) mod pipelines;
pub(crate) mod ray_march;
pub(crate) mod scalar_layer;
pub(crate) mod slice;

use wgpu::util::DeviceExt;

use super::context::GpuContext;
use super::gpu_types::MAX_ATLASES;
use super::shader::VolumeBinding;
use super::timing::Timer;
use crate::RenderError;

/// Layouts of the volume's bind group for each way it can be bound, and the samplers.
#[derive(Debug)]
pub(crate) struct VolumeLayouts {
    layouts: [wgpu::BindGroupLayout; 4],
    filtering: wgpu::Sampler,
    nearest: wgpu::Sampler,
}

fn position(binding: VolumeBinding) -> usize {
    usize::from(binding.is_bricked) * 2 + usize::from(binding.is_filterable)
}

impl VolumeLayouts {
    pub(crate) fn new(device: &wgpu::Device) -> Self {
        let layouts = [0, 1, 2, 3].map(|i| {
            let binding = VolumeBinding { is_bricked: i >= 2, is_filterable: i % 2 == 1 };
            let slots = if binding.is_bricked { MAX_ATLASES as u32 } else { 1 };
            let kind = if binding.is_filterable {
                wgpu::SamplerBindingType::Filtering
            } else {
                wgpu::SamplerBindingType::NonFiltering
            };
            let mut entries = vec![uniform_entry(0), fragment_entry(1, wgpu::BindingType::Sampler(kind))];
            entries.extend((0..slots).map(|slot| {
                let kind = wgpu::TextureSampleType::Float { filterable: binding.is_filterable };
                texture_entry(2 + slot, kind, wgpu::TextureViewDimension::D3)
            }));
            bind_group_layout(device, "volume", &entries)
        });
        let sampler = |filter, mipmap_filter| {
            device.create_sampler(&wgpu::SamplerDescriptor {
                label: Some("volume"),
                mag_filter: filter,
                min_filter: filter,
                mipmap_filter,
                ..Default::default()
            })
        };
        Self {
            layouts,
            filtering: sampler(wgpu::FilterMode::Linear, wgpu::MipmapFilterMode::Nearest),
            nearest: sampler(wgpu::FilterMode::Nearest, wgpu::MipmapFilterMode::Nearest),
        }
    }

    pub(crate) fn volume(&self, binding: VolumeBinding) -> &wgpu::BindGroupLayout {
        &self.layouts[position(binding)]
    }

    pub(crate) fn sampler(&self, binding: VolumeBinding) -> &wgpu::Sampler {
        if binding.is_filterable { &self.filtering } else { &self.nearest }
    }
}

pub(crate) fn bind_group_layout(
    device: &wgpu::Device,
    label: &str,
    entries: &[wgpu::BindGroupLayoutEntry],
) -> wgpu::BindGroupLayout {
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(label), entries })
}

pub(crate) fn fragment_entry(binding: u32, ty: wgpu::BindingType) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry { binding, visibility: wgpu::ShaderStages::FRAGMENT, ty, count: None }
}

pub(crate) fn uniform_entry(binding: u32) -> wgpu::BindGroupLayoutEntry {
    let ty = wgpu::BindingType::Buffer {
        ty: wgpu::BufferBindingType::Uniform,
        has_dynamic_offset: false,
        min_binding_size: None,
    };
    fragment_entry(binding, ty)
}

pub(crate) fn texture_entry(
    binding: u32,
    sample_type: wgpu::TextureSampleType,
    view_dimension: wgpu::TextureViewDimension,
) -> wgpu::BindGroupLayoutEntry {
    fragment_entry(binding, wgpu::BindingType::Texture { sample_type, view_dimension, multisampled: false })
}

/// A uniform buffer. (`create_buffer_init` would panic on a device that was just lost.)
pub(crate) fn uniform_buffer<T: bytemuck::Pod>(context: &GpuContext, params: &T) -> wgpu::Buffer {
    let contents = bytemuck::bytes_of(params);
    let buffer = context.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("params"),
        size: contents.len() as u64,
        usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    context.queue.write_buffer(&buffer, 0, contents);
    buffer
}

/// A uniform buffer in a bind group of its own.
pub(crate) fn uniform_group<T: bytemuck::Pod>(
    context: &GpuContext,
    layout: &wgpu::BindGroupLayout,
    params: &T,
) -> wgpu::BindGroup {
    let buffer = uniform_buffer(context, params);
    context.device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("view"),
        layout,
        entries: &[wgpu::BindGroupEntry { binding: 0, resource: buffer.as_entire_binding() }],
    })
}

/// A uniform buffer at binding 0 and textures at the bindings after it.
pub(crate) fn params_group<T: bytemuck::Pod>(
    context: &GpuContext,
    layout: &wgpu::BindGroupLayout,
    params: &T,
    views: &[&wgpu::TextureView],
) -> wgpu::BindGroup {
    let buffer = uniform_buffer(context, params);
    let mut entries = vec![wgpu::BindGroupEntry { binding: 0, resource: buffer.as_entire_binding() }];
    entries.extend((1..).zip(views).map(|(binding, view)| wgpu::BindGroupEntry {
        binding,
        resource: wgpu::BindingResource::TextureView(view),
    }));
    context.device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("layer"),
        layout,
        entries: &entries,
    })
}

/// A small table of RGBA bytes as an `Rgba8Unorm` texture with rows of `width`; the last row is filled up with zeros.
pub(crate) fn color_table(context: &GpuContext, colors: &[[u8; 4]], width: usize) -> wgpu::TextureView {
    let height = colors.len().div_ceil(width).max(1);
    let mut texels = colors.to_vec();
    texels.resize(width * height, [0; 4]);
    let descriptor = wgpu::TextureDescriptor {
        label: Some("colours"),
        size: wgpu::Extent3d { width: width as u32, height: height as u32, depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: wgpu::TextureFormat::Rgba8Unorm,
        usage: wgpu::TextureUsages::TEXTURE_BINDING,
        view_formats: &[],
    };
    let order = wgpu::util::TextureDataOrder::LayerMajor;
    let texture =
        context.device.create_texture_with_data(&context.queue, &descriptor, order, texels.as_flattened());
    texture.create_view(&wgpu::TextureViewDescriptor::default())
}

/// Textures in a bind group, at bindings 0, 1, …
pub(crate) fn texture_group(
    device: &wgpu::Device,
    layout: &wgpu::BindGroupLayout,
    views: &[&wgpu::TextureView],
) -> wgpu::BindGroup {
    let entries: Vec<_> = (0..)
        .zip(views)
        .map(|(binding, view)| wgpu::BindGroupEntry {
            binding,
            resource: wgpu::BindingResource::TextureView(view),
        })
        .collect();
    device.create_bind_group(&wgpu::BindGroupDescriptor { label: Some("pass"), layout, entries: &entries })
}

/// A texture to draw into, read back or show.
///
/// # Errors
/// [`RenderError::Size`] if the device cannot make one this large or read it back.
pub(crate) fn target(
    context: &GpuContext,
    [width, height]: [u32; 2],
    format: wgpu::TextureFormat,
) -> Result<wgpu::Texture, RenderError> {
    let limits = context.limits();
    let bytes = u64::from(width) * u64::from(height) * u64::from(format.block_copy_size(None).unwrap_or(16));
    let largest = limits.max_texture_dimension_2d;
    if width == 0 || height == 0 || width > largest || height > largest || bytes > limits.max_buffer_size {
        return Err(RenderError::Size { width, height });
    }
    Ok(context.device.create_texture(&wgpu::TextureDescriptor {
        label: Some("picture"),
        size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage: wgpu::TextureUsages::RENDER_ATTACHMENT
            | wgpu::TextureUsages::TEXTURE_BINDING
            | wgpu::TextureUsages::COPY_SRC,
        view_formats: &[],
    }))
}

/// Draws one triangle over all of `target` and submits it.
pub(crate) fn draw_fullscreen(
    context: &GpuContext,
    pipeline: &wgpu::RenderPipeline,
    groups: &[(u32, &wgpu::BindGroup)],
    target: &wgpu::Texture,
    timer: Option<&Timer>,
) {
    let view = target.create_view(&wgpu::TextureViewDescriptor::default());
    let mut encoder = context.device.create_command_encoder(&Default::default());
    {
        let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            label: Some("full-screen pass"),
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: &view,
                depth_slice: None,
                resolve_target: None,
                ops: wgpu::Operations {
                    load: wgpu::LoadOp::Clear(wgpu::Color::TRANSPARENT),
                    store: wgpu::StoreOp::Store,
                },
            })],
            timestamp_writes: timer.map(Timer::writes),
            ..Default::default()
        });
        pass.set_pipeline(pipeline);
        for &(index, group) in groups {
            pass.set_bind_group(index, group, &[]);
        }
        pass.draw(0..3, 0..1);
    }
    if let Some(timer) = timer {
        timer.resolve(&mut encoder);
    }
    context.queue.submit([encoder.finish()]);
}
