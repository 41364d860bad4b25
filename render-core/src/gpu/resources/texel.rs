//! Stored values as texels: which format holds them exactly, and the conversion of boxes of voxels.

use bytemuck::Pod;
use imaging::intensity::Statistics;
use imaging::volume::{Channels, Sample, Volume, Voxels};
use imaging::with_voxels;
use rayon::prelude::*;

/// How stored values become texels: `stored = texel · scale + base`, exactly for whole numbers of 8 and 16 bits.
///
/// 32-bit whole numbers and floats are kept as `f32` differences from `base`, the lowest value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TexelEncoding {
    pub(crate) format: wgpu::TextureFormat,
    /// Whether the texture unit may filter.
    pub(crate) is_filterable: bool,
    /// Bytes of one texel, all channels.
    pub(crate) texel_bytes: u32,
    pub(crate) scale: f64,
    pub(crate) base: f64,
    kind: Kind,
    channels: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unorm8,
    Unorm16,
    Float32,
}

impl TexelEncoding {
    /// The best exact encoding the device has for a volume, still without the base of [`Self::with_base`].
    pub(crate) fn choose(volume: &Volume, features: wgpu::Features) -> Self {
        let has_unorm16 = features.contains(wgpu::Features::TEXTURE_FORMAT_16BIT_NORM);
        let is_scalar = volume.channels() == Channels::Scalar;
        let (kind, base) = match volume.voxels() {
            Voxels::U8(_) => (Kind::Unorm8, 0.0),
            Voxels::I8(_) => (Kind::Unorm8, -128.0),
            Voxels::U16(_) => (if has_unorm16 { Kind::Unorm16 } else { Kind::Float32 }, 0.0),
            Voxels::I16(_) => (if has_unorm16 { Kind::Unorm16 } else { Kind::Float32 }, -32768.0),
            _ => (Kind::Float32, 0.0),
        };
        use wgpu::TextureFormat as F;
        let (format, scale, sample_bytes) = match (kind, is_scalar) {
            (Kind::Unorm8, true) => (F::R8Unorm, 255.0, 1),
            (Kind::Unorm8, false) => (F::Rgba8Unorm, 255.0, 1),
            (Kind::Unorm16, true) => (F::R16Unorm, 65535.0, 2),
            (Kind::Unorm16, false) => (F::Rgba16Unorm, 65535.0, 2),
            (Kind::Float32, true) => (F::R32Float, 1.0, 4),
            (Kind::Float32, false) => (F::Rgba32Float, 1.0, 4),
        };
        let is_filterable = kind != Kind::Float32 || features.contains(wgpu::Features::FLOAT32_FILTERABLE);
        let channels = if is_scalar { 1 } else { 4 };
        Self {
            format,
            is_filterable,
            texel_bytes: sample_bytes * channels as u32,
            scale,
            base,
            kind,
            channels,
        }
    }

    /// Takes the lowest value as base where 32-bit differences need it. Reads all voxels then.
    pub(crate) fn with_base(self, volume: &Volume) -> Self {
        let is_narrow =
            matches!(volume.voxels(), Voxels::U8(_) | Voxels::I8(_) | Voxels::U16(_) | Voxels::I16(_));
        if is_narrow || volume.channels() != Channels::Scalar {
            return self;
        }
        let lowest = Statistics::of_voxels(volume.voxels()).min;
        Self { base: if lowest.is_finite() { lowest } else { 0.0 }, ..self }
    }

    /// Whether texels are whole numbers divided by `scale`.
    pub(crate) fn is_normalized(&self) -> bool {
        self.kind != Kind::Float32
    }

    /// Raw texel of a stored value.
    pub(crate) fn texel(&self, stored: f64) -> f64 {
        (stored - self.base) / self.scale
    }

    /// Texels of a box of a level, x fastest, ready to upload.
    ///
    /// `first` and `size` count voxels of the level reduced by `factor`; past its end the last layer repeats.
    pub(crate) fn encode(
        &self,
        volume: &Volume,
        time_point: usize,
        factor: usize,
        first: [u32; 3],
        size: [u32; 3],
    ) -> Vec<u8> {
        let source = Source {
            dims: volume.dims().to_array(),
            channels_in: volume.channels().count(),
            channels_out: self.channels,
            offset: time_point * volume.samples_per_time_point(),
            factor,
            first: first.map(|v| v as usize),
            size: size.map(|v| v as usize),
        };
        let base = self.base;
        match (self.kind, volume.voxels()) {
            (Kind::Unorm8, Voxels::U8(v)) if factor == 1 => source.rows(v, 255u8, |s| s),
            (Kind::Unorm8, Voxels::I8(v)) if factor == 1 => source.rows(v, 255u8, |s| s as u8 ^ 0x80),
            (Kind::Unorm16, Voxels::U16(v)) if factor == 1 => source.rows(v, u16::MAX, |s| s),
            (Kind::Unorm16, Voxels::I16(v)) if factor == 1 => source.rows(v, u16::MAX, |s| s as u16 ^ 0x8000),
            (Kind::Unorm8, voxels) => {
                with_voxels!(voxels, v => source.means(v, 255u8, |m| (m - base + 0.5) as u8))
            }
            (Kind::Unorm16, voxels) => {
                with_voxels!(voxels, v => source.means(v, u16::MAX, |m| (m - base + 0.5) as u16))
            }
            (Kind::Float32, voxels) => {
                with_voxels!(voxels, v => source.means(v, 1.0f32, |m| (m - base) as f32))
            }
        }
    }
}

/// A box of a level and where its voxels come from.
struct Source {
    dims: [usize; 3],
    channels_in: usize,
    channels_out: usize,
    offset: usize,
    factor: usize,
    first: [usize; 3],
    size: [usize; 3],
}

impl Source {
    /// Copies voxel by voxel; a missing fourth channel becomes `opaque`.
    fn rows<T: Sample, U: Pod + Send + Sync>(
        &self,
        samples: &[T],
        opaque: U,
        convert: impl Fn(T) -> U + Sync,
    ) -> Vec<u8> {
        let value = |[x, y, z]: [usize; 3], channel: usize| {
            let voxel = (z * self.dims[1] + y) * self.dims[0] + x;
            samples.get(self.offset + voxel * self.channels_in + channel).map(|&s| convert(s))
        };
        self.fill(opaque, |row: &mut [U], y, z| {
            if self.channels_in == 1 && self.first[0] + self.size[0] <= self.dims[0] {
                let start = self.offset + (z * self.dims[1] + y) * self.dims[0] + self.first[0];
                let line = samples.get(start..start + self.size[0]).unwrap_or_default();
                row.iter_mut().zip(line).for_each(|(out, &s)| *out = convert(s));
                return;
            }
            for (x, texel) in row.chunks_exact_mut(self.channels_out).enumerate() {
                let at = [(self.first[0] + x).min(self.dims[0] - 1), y, z];
                for (channel, out) in texel.iter_mut().enumerate().take(self.channels_in) {
                    *out = value(at, channel).unwrap_or(opaque);
                }
            }
        })
    }

    /// The mean of the `factor`³ voxels below each voxel of the level.
    fn means<T: Sample, U: Pod + Send + Sync>(
        &self,
        samples: &[T],
        opaque: U,
        convert: impl Fn(f64) -> U + Sync,
    ) -> Vec<u8> {
        let [dx, dy, dz] = self.dims;
        let below = |i: usize, n: usize| i * self.factor..((i + 1) * self.factor).min(n);
        let level_width = dx.div_ceil(self.factor);
        self.fill(opaque, |row: &mut [U], y, z| {
            for (x, texel) in row.chunks_exact_mut(self.channels_out).enumerate() {
                let x = (self.first[0] + x).min(level_width - 1);
                for (channel, out) in texel.iter_mut().enumerate().take(self.channels_in) {
                    let (mut sum, mut count) = (0.0, 0.0);
                    for z in below(z, dz) {
                        for y in below(y, dy) {
                            for x in below(x, dx) {
                                let i = self.offset + ((z * dy + y) * dx + x) * self.channels_in + channel;
                                if let Some(s) = samples.get(i) {
                                    sum += s.to_f64();
                                    count += 1.0;
                                }
                            }
                        }
                    }
                    *out = convert(sum / f64::max(count, 1.0));
                }
            }
        })
    }

    /// Calls `fill_row(row, y, z)` for every row of the box, in parallel, with y and z inside the level.
    fn fill<U: Pod + Send + Sync>(
        &self,
        opaque: U,
        fill_row: impl Fn(&mut [U], usize, usize) + Sync,
    ) -> Vec<u8> {
        let [width, height, depth] = self.size;
        let row_samples = width * self.channels_out;
        let mut out = vec![0u8; row_samples * height * depth * size_of::<U>()];
        let last = |axis: usize| self.dims[axis].div_ceil(self.factor) - 1;
        out.par_chunks_exact_mut((row_samples * size_of::<U>()).max(1)).enumerate().for_each_init(
            || vec![opaque; row_samples],
            |row, (i, bytes)| {
                let y = (self.first[1] + i % height).min(last(1));
                let z = (self.first[2] + i / height).min(last(2));
                fill_row(row, y, z);
                bytes.copy_from_slice(bytemuck::cast_slice(row));
            },
        );
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::DVec3;
    use imaging::geometry::{Dims, Geometry};
    use imaging::volume::VolumeMeta;

    fn volume(dims: Dims, voxels: impl Into<Voxels>) -> Volume {
        let geometry = Geometry::axis_aligned(dims, DVec3::ZERO, DVec3::ONE).unwrap();
        Volume::new(VolumeMeta::scalar(geometry), voxels).unwrap()
    }

    #[test]
    fn whole_numbers_of_16_bits_are_exact() {
        let values: Vec<i16> = vec![i16::MIN, -1024, -1, 0, 1, i16::MAX];
        let v = volume(Dims::new(6, 1, 1), values.clone());
        let encoding = TexelEncoding::choose(&v, wgpu::Features::TEXTURE_FORMAT_16BIT_NORM);
        let bytes = encoding.encode(&v, 0, 1, [0; 3], [6, 1, 1]);
        let texels: Vec<u16> = bytemuck::pod_collect_to_vec(&bytes);
        let back: Vec<f64> =
            texels.iter().map(|&t| f64::from(t) / 65535.0 * encoding.scale + encoding.base).collect();
        let expected: Vec<f64> = values.iter().map(|&s| f64::from(s)).collect();
        assert!(back.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-9), "{back:?}");
    }

    #[test]
    fn without_16_bit_formats_floats_hold_them_exactly() {
        let v = volume(Dims::new(2, 1, 1), vec![0u16, 65535]);
        let encoding = TexelEncoding::choose(&v, wgpu::Features::empty());
        assert!(!encoding.is_filterable);
        let bytes = encoding.encode(&v, 0, 1, [0; 3], [2, 1, 1]);
        assert_eq!(bytemuck::pod_collect_to_vec::<u8, f32>(&bytes), [0.0, 65535.0]);
    }

    #[test]
    fn large_offsets_do_not_cost_precision() {
        let v = volume(Dims::new(3, 1, 1), vec![1e9 + 0.25, 1e9, 1e9 + 0.5]);
        let encoding = TexelEncoding::choose(&v, wgpu::Features::empty()).with_base(&v);
        let bytes = encoding.encode(&v, 0, 1, [0; 3], [3, 1, 1]);
        assert_eq!(bytemuck::pod_collect_to_vec::<u8, f32>(&bytes), [0.25, 0.0, 0.5]);
    }

    #[test]
    fn reduced_levels_are_means_and_borders_repeat() {
        let v = volume(Dims::new(3, 2, 1), vec![0u8, 2, 10, 4, 6, 30]);
        let encoding = TexelEncoding::choose(&v, wgpu::Features::empty());
        assert_eq!(encoding.encode(&v, 0, 2, [0; 3], [3, 1, 1]), [3, 20, 20]);
        assert_eq!(encoding.encode(&v, 0, 1, [1, 1, 0], [3, 1, 2]), [6, 30, 30, 6, 30, 30]);
    }

    #[test]
    fn colour_gets_an_opaque_fourth_channel() {
        let geometry = Geometry::axis_aligned(Dims::new(2, 1, 1), DVec3::ZERO, DVec3::ONE).unwrap();
        let meta = VolumeMeta { channels: Channels::Rgb, ..VolumeMeta::scalar(geometry) };
        let v = Volume::new(meta, vec![1u8, 2, 3, 4, 5, 6]).unwrap();
        let encoding = TexelEncoding::choose(&v, wgpu::Features::empty());
        assert_eq!(encoding.encode(&v, 0, 1, [0; 3], [2, 1, 1]), [1, 2, 3, 255, 4, 5, 6, 255]);
    }
}
