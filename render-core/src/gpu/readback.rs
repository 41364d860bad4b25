//! From textures back to memory.

use std::sync::mpsc;

use super::context::GpuContext;
use crate::RenderError;

/// The texels of a 2-D texture, rows top to bottom without padding. Waits for the GPU.
///
/// # Errors
/// [`RenderError::DeviceLost`] or [`RenderError::Device`].
pub(crate) fn read_texture(context: &GpuContext, texture: &wgpu::Texture) -> Result<Vec<u8>, RenderError> {
    let (width, height) = (texture.width(), texture.height());
    let texel_bytes = texture.format().block_copy_size(None).unwrap_or(4);
    let row_bytes = width * texel_bytes;
    let padded_bytes = row_bytes.next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
    let buffer = context.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("readback"),
        size: u64::from(padded_bytes) * u64::from(height),
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let mut encoder = context.device.create_command_encoder(&Default::default());
    encoder.copy_texture_to_buffer(
        texture.as_image_copy(),
        wgpu::TexelCopyBufferInfo {
            buffer: &buffer,
            layout: wgpu::TexelCopyBufferLayout {
                offset: 0,
                bytes_per_row: Some(padded_bytes),
                rows_per_image: None,
            },
        },
        wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
    );
    context.queue.submit([encoder.finish()]);
    let padded = map_bytes(context, &buffer)?;
    if padded_bytes == row_bytes {
        return Ok(padded);
    }
    let rows = padded.chunks_exact(padded_bytes as usize);
    Ok(rows.flat_map(|row| row.iter().take(row_bytes as usize).copied()).collect())
}

/// The content of a mappable buffer. Waits for the GPU.
///
/// # Errors
/// [`RenderError::DeviceLost`] or [`RenderError::Device`].
pub(crate) fn map_bytes(context: &GpuContext, buffer: &wgpu::Buffer) -> Result<Vec<u8>, RenderError> {
    context.check()?;
    let (sender, receiver) = mpsc::channel();
    buffer.map_async(wgpu::MapMode::Read, .., move |result| {
        // The receiver is gone only if waiting failed, and then nobody asks.
        let _ = sender.send(result);
    });
    context.wait()?;
    let refused = |reason: String| {
        let error = if context.is_lost() { RenderError::DeviceLost } else { RenderError::Device { reason } };
        Err(error)
    };
    match receiver.try_recv() {
        Ok(Ok(())) => {}
        Ok(Err(e)) => return refused(e.to_string()),
        Err(e) => return refused(e.to_string()),
    }
    let bytes = match buffer.get_mapped_range(..) {
        Ok(view) => view.to_vec(),
        Err(e) => return refused(e.to_string()),
    };
    buffer.unmap();
    Ok(bytes)
}
