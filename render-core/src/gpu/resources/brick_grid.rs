//! Value ranges of small bricks of a volume, and how far each brick is from anything visible.
//!
//! Both only serve to leave out samples that could not be seen; pictures are the same without them.

use imaging::volume::{Sample, Volume};
use imaging::with_voxels;
use rayon::prelude::*;

use super::volume_texture::VolumeTexture;
use crate::gpu::context::GpuContext;
use crate::transfer_function::{LUT_ENTRIES, TransferLut};

/// Edge of a brick in voxels of the resident level, where the grid fits a texture.
const BRICK_SIZE: u32 = 8;
/// Distances are counted up to this many bricks; farther is not worth searching.
const MAX_DISTANCE: u8 = 31;

/// Lowest and highest texel of every brick, with the voxels that interpolation inside it reads.
#[derive(Debug)]
pub(crate) struct BrickGrid {
    /// Edge of a brick in voxels of the resident level.
    pub(crate) brick_size: u32,
    /// Bricks along each axis.
    pub(crate) count: [u32; 3],
    ranges: Vec<[f32; 2]>,
    range_view: wgpu::TextureView,
}

impl BrickGrid {
    /// Reads all voxels of the time point, on all cores.
    pub(crate) fn new(
        context: &GpuContext,
        texture: &VolumeTexture,
        volume: &Volume,
        time_point: usize,
        max_dimension: u32,
    ) -> Self {
        let level = texture.layout.dims;
        let mut brick_size = BRICK_SIZE;
        while level.iter().any(|d| d.div_ceil(brick_size) > max_dimension) {
            brick_size *= 2;
        }
        let count = level.map(|d| d.div_ceil(brick_size));
        let ranges = ranges(volume, time_point, texture, brick_size, count);
        let range_view = upload_3d(
            context,
            "brick ranges",
            wgpu::TextureFormat::Rg32Float,
            count,
            bytemuck::cast_slice(&ranges),
        );
        Self { brick_size, count, ranges, range_view }
    }

    /// Ranges as a texture of (lowest, highest).
    pub(crate) fn range_view(&self) -> &wgpu::TextureView {
        &self.range_view
    }

    /// Chebyshev distance, in bricks, of each brick to the nearest in which `is_visible`; 0 in such a brick.
    pub(crate) fn distances(&self, is_visible: impl Fn([f32; 2]) -> bool + Sync) -> Vec<u8> {
        let seeds: Vec<u8> =
            self.ranges.par_iter().map(|&r| if is_visible(r) { 0 } else { MAX_DISTANCE }).collect();
        chebyshev_distances(seeds, self.count.map(|n| n as usize))
    }
}

/// Whether any value between two texels has opacity. One entry is added at each end for rounding on the GPU.
pub(crate) fn visibility(
    lut: &TransferLut,
    slope: f64,
    intercept: f64,
) -> impl Fn([f32; 2]) -> bool + Sync + use<> {
    let mut opaque_before = Vec::with_capacity(LUT_ENTRIES + 1);
    opaque_before.push(0u32);
    for entry in &lut.entries {
        let before = opaque_before.last().copied().unwrap_or(0);
        opaque_before.push(before + u32::from(entry[3] > 0.0));
    }
    let (low, high) = (lut.low, lut.high);
    move |[a, b]| {
        let position = |texel: f32| {
            let t = (f64::from(texel) * slope + intercept - low) / (high - low);
            t.clamp(0.0, 1.0) * (LUT_ENTRIES - 1) as f64
        };
        let (from, to) = (position(a).min(position(b)), position(a).max(position(b)));
        let first = (from.floor() as usize).saturating_sub(1);
        let end = (to.ceil() as usize + 2).min(LUT_ENTRIES);
        opaque_before.get(end) > opaque_before.get(first)
    }
}

fn ranges(
    volume: &Volume,
    time_point: usize,
    texture: &VolumeTexture,
    brick_size: u32,
    count: [u32; 3],
) -> Vec<[f32; 2]> {
    let dims = volume.dims().to_array();
    let offset = time_point * volume.samples_per_time_point();
    let factor = texture.factor as usize;
    let size = brick_size as usize;
    // Voxels of the volume behind voxels b·size ..= (b + 1)·size of the level.
    let span = |b: usize, n: usize| (b * size * factor).min(n)..(((b + 1) * size + 1) * factor).min(n);
    let [bx, by, bz] = count.map(|n| n as usize);
    let texel = |stored: f64| texture.encoding.texel(stored) as f32;
    (0..bx * by * bz)
        .into_par_iter()
        .with_min_len(64)
        .map(|i| {
            let (xs, ys, zs) =
                (span(i % bx, dims[0]), span(i / bx % by, dims[1]), span(i / (bx * by), dims[2]));
            let rows = zs.flat_map(|z| ys.clone().map(move |y| (z, y)));
            let starts = rows.map(|(z, y)| offset + (z * dims[1] + y) * dims[0]);
            let range = with_voxels!(volume.voxels(), samples => range_of_rows(
                starts.filter_map(|s| samples.get(s + xs.start..s + xs.end))
            ));
            let (low, high) = range.unwrap_or((texture.encoding.base, texture.encoding.base));
            [texel(low), texel(high)]
        })
        .collect()
}

/// Lowest and highest value; NaN counts as nothing.
fn range_of_rows<'a, T: Sample>(rows: impl Iterator<Item = &'a [T]>) -> Option<(f64, f64)> {
    let mut range: Option<(T, T)> = None;
    for row in rows {
        let is_number = |v: &&T| v.partial_cmp(v).is_some();
        let Some(&first) = row.iter().find(is_number) else { continue };
        let (mut low, mut high) = range.unwrap_or((first, first));
        for &v in row {
            low = if v < low { v } else { low };
            high = if v > high { v } else { high };
        }
        range = Some((low, high));
    }
    range.map(|(low, high)| (low.to_f64(), high.to_f64()))
}

/// Turns seeds (0 where something is, else the largest distance) into Chebyshev distances, axis by axis.
fn chebyshev_distances(seeds: Vec<u8>, [nx, ny, nz]: [usize; 3]) -> Vec<u8> {
    let along_x = pass(&seeds, nx, 1, |i| i % nx);
    let along_y = pass(&along_x, ny, nx, |i| i / nx % ny);
    pass(&along_y, nz, nx * ny, |i| i / (nx * ny))
}

/// One axis of the separable transform: the least `max(steps, distance there)` over the line through each cell.
fn pass(input: &[u8], length: usize, stride: usize, position: impl Fn(usize) -> usize + Sync) -> Vec<u8> {
    (0..input.len())
        .into_par_iter()
        .with_min_len(4096)
        .map(|i| {
            let at = position(i);
            let mut best = input.get(i).copied().unwrap_or(MAX_DISTANCE);
            let mut steps = 1u8;
            while steps < best {
                let n = usize::from(steps);
                let before = if at >= n { input.get(i - n * stride) } else { None };
                let after = if at + n < length { input.get(i + n * stride) } else { None };
                for &there in before.into_iter().chain(after) {
                    best = best.min(there.max(steps));
                }
                steps += 1;
            }
            best
        })
        .collect()
}

/// A small 3-D texture with its content.
pub(crate) fn upload_3d(
    context: &GpuContext,
    label: &str,
    format: wgpu::TextureFormat,
    [width, height, depth]: [u32; 3],
    bytes: &[u8],
) -> wgpu::TextureView {
    use wgpu::util::DeviceExt;
    let descriptor = wgpu::TextureDescriptor {
        label: Some(label),
        size: wgpu::Extent3d { width, height, depth_or_array_layers: depth },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D3,
        format,
        usage: wgpu::TextureUsages::TEXTURE_BINDING,
        view_formats: &[],
    };
    let order = wgpu::util::TextureDataOrder::LayerMajor;
    let texture = context.device.create_texture_with_data(&context.queue, &descriptor, order, bytes);
    texture.create_view(&wgpu::TextureViewDescriptor::default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer_function::{ControlPoint, TransferFunction};

    #[test]
    fn distances_are_those_of_brute_force() {
        let n = [9, 7, 5];
        let at = |i: usize| [i % 9, i / 9 % 7, i / 63];
        let visible = [0usize, 100, 101, 314];
        let seeds = (0..315).map(|i| if visible.contains(&i) { 0 } else { MAX_DISTANCE }).collect();
        let found = chebyshev_distances(seeds, n);
        for (i, &distance) in found.iter().enumerate() {
            let to = |j: usize| (0..3).map(|a| at(i)[a].abs_diff(at(j)[a])).max().unwrap();
            let expected = visible.iter().map(|&j| to(j)).min().unwrap();
            assert_eq!(usize::from(distance), expected, "cell {:?}", at(i));
        }
        assert!(chebyshev_distances(vec![MAX_DISTANCE; 8], [2, 2, 2]).iter().all(|&d| d == MAX_DISTANCE));
    }

    #[test]
    fn only_ranges_that_meet_opacity_are_visible() {
        let point = |value, opacity| ControlPoint { value, color: [1.0; 3], opacity };
        let tf = TransferFunction::new(
            [point(0.0, 0.0), point(100.0, 0.0), point(150.0, 1.0), point(200.0, 0.0), point(1000.0, 0.0)],
            1.0,
        );
        for slope in [1000.0, -1000.0] {
            let is_visible = visibility(&tf.lut(1.0), slope, 0.0);
            let texel = |v: f64| (v / slope) as f32;
            assert!(is_visible([texel(140.0), texel(145.0)]));
            assert!(is_visible([texel(-500.0), texel(900.0)]));
            assert!(!is_visible([texel(-500.0), texel(90.0)]));
            assert!(!is_visible([texel(210.0), texel(5000.0)]));
        }
    }

    #[test]
    fn missing_values_have_no_part_in_ranges() {
        let rows: [&[f32]; 3] = [&[f32::NAN, f32::NAN], &[f32::NAN, 3.0], &[-2.0, f32::NAN]];
        assert_eq!(range_of_rows(rows.into_iter()), Some((-2.0, 3.0)));
        assert_eq!(range_of_rows([&[f32::NAN][..]].into_iter()), None);
    }
}
