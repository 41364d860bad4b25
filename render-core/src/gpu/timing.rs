//! How long the GPU itself worked on a pass, by timestamp queries.

use super::context::GpuContext;
use super::readback::map_bytes;
use crate::RenderError;

/// Two timestamps around a pass.
#[derive(Debug)]
pub(crate) struct Timer {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    readable: wgpu::Buffer,
}

const BYTES: u64 = 16;

impl Timer {
    /// A timer, or `None` where the device has no timestamps.
    pub(crate) fn new(context: &GpuContext) -> Option<Self> {
        if !context.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return None;
        }
        let buffer = |usage| {
            context.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("timestamps"),
                size: BYTES,
                usage,
                mapped_at_creation: false,
            })
        };
        Some(Self {
            queries: context.device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("timestamps"),
                ty: wgpu::QueryType::Timestamp,
                count: 2,
            }),
            resolved: buffer(wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC),
            readable: buffer(wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST),
        })
    }

    /// Marks the beginning and end of a render pass.
    pub(crate) fn writes(&self) -> wgpu::RenderPassTimestampWrites<'_> {
        wgpu::RenderPassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(0),
            end_of_pass_write_index: Some(1),
        }
    }

    /// Makes the timestamps readable once the encoder's commands are done.
    pub(crate) fn resolve(&self, encoder: &mut wgpu::CommandEncoder) {
        encoder.resolve_query_set(&self.queries, 0..2, &self.resolved, 0);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.readable, 0, BYTES);
    }

    /// Waits for the pass and returns its duration in ms.
    pub(crate) fn elapsed_ms(&self, context: &GpuContext) -> Result<f64, RenderError> {
        let bytes = map_bytes(context, &self.readable)?;
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&bytes);
        let elapsed = match ticks.as_slice() {
            [begin, end] => end.saturating_sub(*begin),
            _ => 0,
        };
        Ok(elapsed as f64 * f64::from(context.queue.get_timestamp_period()) * 1e-6)
    }
}
