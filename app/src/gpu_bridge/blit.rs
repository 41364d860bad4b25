//! Shows pictures in the window with the smallest possible shader.
//!
//! The toolkit's own shader filters and dithers by flags, which a software driver computes for every pixel whether
//! they are set or not: at 1920 × 1080 that took several times as long as drawing the pictures. Large areas therefore
//! go through here; text and lines stay with the toolkit.

use egui::{PaintCallback, PaintCallbackInfo, Rect};
use egui_wgpu::{CallbackResources, CallbackTrait, RenderState};
use render_core::image::Image8;

/// Pictures and how they are drawn on one device.
pub(super) struct Blitter {
    device: wgpu::Device,
    queue: wgpu::Queue,
    pipeline: wgpu::RenderPipeline,
    layout: wgpu::BindGroupLayout,
    sampler: wgpu::Sampler,
}

/// A picture on the window's device.
#[derive(Debug, Clone)]
pub(super) struct BlitPicture {
    texture: wgpu::Texture,
    bind_group: wgpu::BindGroup,
}

struct Blit {
    pipeline: wgpu::RenderPipeline,
    bind_group: wgpu::BindGroup,
}

impl CallbackTrait for Blit {
    fn paint(
        &self,
        _info: PaintCallbackInfo,
        pass: &mut wgpu::RenderPass<'static>,
        _resources: &CallbackResources,
    ) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bind_group, &[]);
        pass.draw(0..3, 0..1);
    }
}

impl Blitter {
    /// For the window that `state` draws.
    pub(super) fn new(state: &RenderState) -> Self {
        let device = &state.device;
        let module = device.create_shader_module(wgpu::include_wgsl!("blit.wgsl"));
        let entry = |binding, ty| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::FRAGMENT,
            ty,
            count: None,
        };
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("picture"),
            entries: &[
                entry(
                    0,
                    wgpu::BindingType::Texture {
                        sample_type: wgpu::TextureSampleType::Float { filterable: true },
                        view_dimension: wgpu::TextureViewDimension::D2,
                        multisampled: false,
                    },
                ),
                entry(1, wgpu::BindingType::Sampler(wgpu::SamplerBindingType::Filtering)),
            ],
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some("picture"),
            bind_group_layouts: &[Some(&layout)],
            ..Default::default()
        });
        let is_coding = state.target_format.is_srgb();
        let pipeline = device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: Some("picture"),
            layout: Some(&pipeline_layout),
            vertex: wgpu::VertexState {
                module: &module,
                entry_point: Some("vs_main"),
                compilation_options: Default::default(),
                buffers: &[],
            },
            primitive: wgpu::PrimitiveState::default(),
            depth_stencil: None,
            multisample: wgpu::MultisampleState::default(),
            fragment: Some(wgpu::FragmentState {
                module: &module,
                entry_point: Some(if is_coding { "fs_decoding" } else { "fs_main" }),
                compilation_options: Default::default(),
                targets: &[Some(wgpu::ColorTargetState {
                    format: state.target_format,
                    blend: None,
                    write_mask: wgpu::ColorWrites::ALL,
                })],
            }),
            multiview_mask: None,
            cache: None,
        });
        let sampler = device.create_sampler(&wgpu::SamplerDescriptor {
            label: Some("picture"),
            mag_filter: wgpu::FilterMode::Linear,
            min_filter: wgpu::FilterMode::Linear,
            ..Default::default()
        });
        Self { device: device.clone(), queue: state.queue.clone(), pipeline, layout, sampler }
    }

    /// A picture that lies on the window's device already.
    pub(super) fn show(&self, texture: wgpu::Texture) -> BlitPicture {
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        let bind_group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("picture"),
            layout: &self.layout,
            entries: &[
                wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::TextureView(&view) },
                wgpu::BindGroupEntry { binding: 1, resource: wgpu::BindingResource::Sampler(&self.sampler) },
            ],
        });
        BlitPicture { texture, bind_group }
    }

    /// A picture in memory, in the place of an earlier one of the same size if there is one.
    pub(super) fn upload(&self, image: &Image8, old: Option<BlitPicture>) -> BlitPicture {
        let size = wgpu::Extent3d { width: image.width, height: image.height, depth_or_array_layers: 1 };
        let fits = |p: &BlitPicture| {
            p.texture.size() == size && p.texture.usage().contains(wgpu::TextureUsages::COPY_DST)
        };
        let picture = old.filter(fits).unwrap_or_else(|| {
            self.show(self.device.create_texture(&wgpu::TextureDescriptor {
                label: Some("picture"),
                size,
                mip_level_count: 1,
                sample_count: 1,
                dimension: wgpu::TextureDimension::D2,
                format: wgpu::TextureFormat::Rgba8Unorm,
                usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
                view_formats: &[],
            }))
        });
        let layout = wgpu::TexelCopyBufferLayout {
            offset: 0,
            bytes_per_row: Some(image.width * 4),
            rows_per_image: None,
        };
        self.queue.write_texture(picture.texture.as_image_copy(), &image.rgba, layout, size);
        picture
    }

    /// What to add to a painter so that the picture covers `rect`, which must lie within the window.
    pub(super) fn callback(&self, rect: Rect, picture: &BlitPicture) -> PaintCallback {
        let blit = Blit { pipeline: self.pipeline.clone(), bind_group: picture.bind_group.clone() };
        egui_wgpu::Callback::new_paint_callback(rect, blit)
    }
}
