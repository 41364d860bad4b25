//! Lookup tables in graphics memory, and the distance maps that follow from them.

use std::sync::Arc;

use half::f16;
use imaging::volume::VolumeId;
use wgpu::util::DeviceExt;

use super::VolumeKey;
use super::brick_grid::{BrickGrid, upload_3d, visibility};
use crate::gpu::context::GpuContext;
use crate::gpu::gpu_types::LUT_ROW;
use crate::transfer_function::{LUT_ENTRIES, TransferFunction, TransferLut};

/// Tables and maps kept: a few views, each with its own transfer function.
const KEPT: usize = 6;

/// The most recently used tables and distance maps.
#[derive(Debug, Default)]
pub(crate) struct TransferCache {
    tables: Vec<Arc<TransferTable>>,
    maps: Vec<(MapKey, wgpu::TextureView)>,
}

/// A transfer function for one step length.
#[derive(Debug)]
pub(crate) struct TransferTable {
    pub(crate) lut: TransferLut,
    pub(crate) view: wgpu::TextureView,
    function: Arc<TransferFunction>,
    step_mm: f64,
}

#[derive(Debug, Clone)]
struct MapKey {
    volume: VolumeKey,
    factor: u32,
    function: Arc<TransferFunction>,
}

fn is_same(a: &Arc<TransferFunction>, b: &Arc<TransferFunction>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}

impl TransferCache {
    /// Drops the distance maps of a volume.
    pub(crate) fn forget(&mut self, volume: VolumeId) {
        self.maps.retain(|(key, _)| key.volume.id != volume);
    }

    /// The lookup table of a function for steps of `step_mm`.
    pub(crate) fn table(
        &mut self,
        context: &GpuContext,
        function: &Arc<TransferFunction>,
        step_mm: f64,
    ) -> Arc<TransferTable> {
        let found = self.tables.iter().position(|t| t.step_mm == step_mm && is_same(&t.function, function));
        let table = match found {
            Some(i) => self.tables.remove(i),
            None => Arc::new(TransferTable::new(context, function.clone(), step_mm)),
        };
        self.tables.insert(0, table.clone());
        self.tables.truncate(KEPT);
        table
    }

    /// Distance of each brick from anything the function shows; made again when the function changes.
    ///
    /// `modality_from_texel` is (slope, intercept).
    pub(crate) fn distance_map(
        &mut self,
        context: &GpuContext,
        volume: VolumeKey,
        factor: u32,
        grid: &BrickGrid,
        function: &Arc<TransferFunction>,
        modality_from_texel: (f64, f64),
    ) -> wgpu::TextureView {
        let found = self.maps.iter().position(|(key, _)| {
            key.volume == volume && key.factor == factor && is_same(&key.function, function)
        });
        let map = match found {
            Some(i) => self.maps.remove(i),
            None => {
                let (slope, intercept) = modality_from_texel;
                // Opacity above zero does not depend on the step.
                let lut = function.lut(function.reference_mm);
                let distances = grid.distances(visibility(&lut, slope, intercept));
                let format = wgpu::TextureFormat::R8Uint;
                let view = upload_3d(context, "brick distances", format, grid.count, &distances);
                (MapKey { volume, factor, function: function.clone() }, view)
            }
        };
        let view = map.1.clone();
        self.maps.insert(0, map);
        self.maps.truncate(KEPT);
        view
    }
}

impl TransferTable {
    fn new(context: &GpuContext, function: Arc<TransferFunction>, step_mm: f64) -> Self {
        let lut = function.lut(step_mm);
        // Half floats: the shader reads an entry per sample, and eleven bits are finer than the table's steps.
        let texels: Vec<f16> = lut.entries.iter().flatten().map(|&v| f16::from_f32(v)).collect();
        let descriptor = wgpu::TextureDescriptor {
            label: Some("transfer function"),
            size: wgpu::Extent3d {
                width: LUT_ROW as u32,
                height: (LUT_ENTRIES / LUT_ROW) as u32,
                depth_or_array_layers: 1,
            },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: wgpu::TextureFormat::Rgba16Float,
            usage: wgpu::TextureUsages::TEXTURE_BINDING,
            view_formats: &[],
        };
        let order = wgpu::util::TextureDataOrder::LayerMajor;
        let bytes = bytemuck::cast_slice(&texels);
        let texture = context.device.create_texture_with_data(&context.queue, &descriptor, order, bytes);
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        Self { lut, view, function, step_mm }
    }
}
