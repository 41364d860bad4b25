//! Pipelines, built on first use; rebuilt when a shader file changes in a debug build.

use std::collections::HashMap;

use crate::RenderError;
use crate::gpu::context::GpuContext;
use crate::gpu::shader::{ShaderSource, VolumeBinding, compile};

/// What a pipeline is built from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PipelineKey {
    /// Shader file.
    pub(crate) file: &'static str,
    /// Fragment entry point.
    pub(crate) entry: &'static str,
    /// How the volume is bound; the default for passes without one.
    pub(crate) binding: VolumeBinding,
    /// Format of the target.
    pub(crate) format: wgpu::TextureFormat,
}

#[derive(Debug)]
struct Built {
    pipeline: wgpu::RenderPipeline,
    stamp: u64,
}

/// All pipelines of a device.
#[derive(Debug)]
pub(crate) struct Pipelines {
    source: ShaderSource,
    built: HashMap<PipelineKey, Built>,
}

impl Pipelines {
    pub(crate) fn new(source: ShaderSource) -> Self {
        Self { source, built: HashMap::new() }
    }

    /// The pipeline for a key. If its shader was edited and is broken now, the last good one and a logged reason.
    ///
    /// # Errors
    /// [`RenderError::Device`] if there never was a good one.
    pub(crate) fn get(
        &mut self,
        context: &GpuContext,
        key: PipelineKey,
        layouts: &[Option<&wgpu::BindGroupLayout>],
    ) -> Result<wgpu::RenderPipeline, RenderError> {
        let stamp = self.source.stamp();
        if let Some(built) = self.built.get(&key).filter(|b| b.stamp == stamp) {
            return Ok(built.pipeline.clone());
        }
        let result = self.build(context, key, layouts);
        match (result, self.built.get_mut(&key)) {
            (Ok(pipeline), _) => {
                self.built.insert(key, Built { pipeline: pipeline.clone(), stamp });
                Ok(pipeline)
            }
            (Err(reason), Some(last_good)) => {
                tracing::error!("shader kept as it was: {reason}");
                last_good.stamp = stamp;
                Ok(last_good.pipeline.clone())
            }
            (Err(reason), None) => Err(RenderError::Device { reason }),
        }
    }

    fn build(
        &self,
        context: &GpuContext,
        key: PipelineKey,
        layouts: &[Option<&wgpu::BindGroupLayout>],
    ) -> Result<wgpu::RenderPipeline, String> {
        let shader = self.source.resolve(key.file, key.binding);
        let module = compile(&context.device, key.file, &shader)?;
        let scope = context.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let layout = context.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(key.file),
            bind_group_layouts: layouts,
            immediate_size: 0,
        });
        let pipeline = context.device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: Some(key.file),
            layout: Some(&layout),
            vertex: wgpu::VertexState {
                module: &module,
                entry_point: Some("vs_fullscreen"),
                compilation_options: Default::default(),
                buffers: &[],
            },
            primitive: wgpu::PrimitiveState::default(),
            depth_stencil: None,
            multisample: wgpu::MultisampleState::default(),
            fragment: Some(wgpu::FragmentState {
                module: &module,
                entry_point: Some(key.entry),
                compilation_options: Default::default(),
                targets: &[Some(wgpu::ColorTargetState {
                    format: key.format,
                    blend: None,
                    write_mask: wgpu::ColorWrites::ALL,
                })],
            }),
            multiview_mask: None,
            cache: None,
        });
        match pollster::block_on(scope.pop()) {
            None => Ok(pipeline),
            Some(error) => Err(format!("{}: {error}", key.file)),
        }
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::gpu::passes::{bind_group_layout, texture_entry, uniform_entry};
    use crate::testing;

    #[test]
    fn a_broken_edit_keeps_the_last_good_shader_and_names_the_line() {
        let Some(context) = testing::gpu_context() else { return };
        let folder = std::env::temp_dir().join(format!("lantern-reload-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("composite.wgsl");
        let built_in = ShaderSource::embedded().text("composite.wgsl").unwrap();
        std::fs::write(&file, &built_in).unwrap();

        let texture =
            |binding| texture_entry(binding, wgpu::TextureSampleType::Uint, wgpu::TextureViewDimension::D2);
        let view = bind_group_layout(&context.device, "view", &[uniform_entry(0)]);
        let pass = bind_group_layout(&context.device, "pass", &[texture(0), texture(1)]);
        let layouts = [None, Some(&view), None, Some(&pass)];
        let format = wgpu::TextureFormat::Rgba8Unorm;
        let key =
            PipelineKey { file: "composite.wgsl", entry: "fs_tone_map", binding: Default::default(), format };
        let mut pipelines = Pipelines::new(ShaderSource::in_folder(&folder));
        assert!(pipelines.get(&context, key, &layouts).is_ok());

        std::fs::write(&file, built_in.replace("let frame = ", "let frame = nonsense + ")).unwrap();
        let line = built_in.lines().position(|l| l.contains("let frame = ")).unwrap() + 1;
        let reason = pipelines.build(&context, key, &layouts).unwrap_err();
        let still_there = pipelines.get(&context, key, &layouts);
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(reason.starts_with(&format!("composite.wgsl:{line}: ")), "{reason}");
        assert!(still_there.is_ok(), "the last good one draws on");
        assert!(context.check().is_ok(), "a broken edit is no device error");
    }
}
