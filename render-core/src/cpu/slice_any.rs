//! Slices of any voxel type and of colour, one pixel at a time in `f64`, in the order of the reference.

use glam::DVec3;
use imaging::geometry::Dims;
use imaging::volume::{Channels, Rescale, Sample};

use super::paint::Paint;
use crate::scene::{Interpolation, SlabMode, SliceScene};

/// Samples of one time point of a volume, any type.
#[derive(Clone, Copy)]
pub(crate) struct AnyGrid<'a, T> {
    samples: &'a [T],
    dims: Dims,
    channels: usize,
    rescale: Rescale,
}

impl<'a, T: Sample> AnyGrid<'a, T> {
    /// `all` are the samples of all time points of the scene's volume.
    pub(crate) fn new(scene: &SliceScene, all: &'a [T]) -> Option<Self> {
        let volume = &scene.volume;
        let count = volume.samples_per_time_point();
        let first = scene.time_point.checked_mul(count)?;
        let samples = all.get(first..first.checked_add(count)?)?;
        let channels = volume.channels().count();
        Some(Self { samples, dims: volume.dims(), channels, rescale: volume.rescale() })
    }

    #[inline]
    fn value(&self, [x, y, z]: [usize; 3], channel: usize) -> f64 {
        let voxel = (z * self.dims.y + y) * self.dims.x + x;
        self.samples.get(voxel * self.channels + channel).map_or(f64::NAN, |s| self.rescale.apply(s.to_f64()))
    }

    /// Modality value at a continuous index; see `Volume::sample_linear`.
    #[inline]
    pub(crate) fn sample(&self, index: DVec3, channel: usize, how: Interpolation) -> Option<f64> {
        let n = self.dims.as_dvec3();
        if how == Interpolation::Nearest {
            let i = (index + 0.5).floor();
            let is_inside = i.cmpge(DVec3::ZERO).all() && i.cmplt(n).all();
            return is_inside.then(|| self.value([i.x as usize, i.y as usize, i.z as usize], channel));
        }
        if !(index.cmpge(DVec3::splat(-0.5)).all() && index.cmplt(n - 0.5).all()) {
            return None;
        }
        let clamped = index.clamp(DVec3::ZERO, n - 1.0);
        let base = clamped.floor();
        let f = clamped - base;
        let low = [base.x as usize, base.y as usize, base.z as usize];
        let [x, y, z] = low;
        let high = [(x + 1).min(self.dims.x - 1), (y + 1).min(self.dims.y - 1), (z + 1).min(self.dims.z - 1)];
        let lerp = |a: f64, b: f64, t: f64| a + (b - a) * t;
        let row = |y: usize, z: usize| {
            lerp(self.value([x, y, z], channel), self.value([high[0], y, z], channel), f.x)
        };
        let slice = |z: usize| lerp(row(y, z), row(high[1], z), f.y);
        Some(lerp(slice(z), slice(high[2]), f.z))
    }
}

/// Draws rows of a slice from `first_row` on; colours are shown as they are and not painted.
pub(crate) fn draw_band<T: Sample, P: Paint>(
    scene: &SliceScene,
    all: &[T],
    offsets: &[f64],
    paint: &P,
    first_row: usize,
    bytes: &mut [u8],
) {
    let Some(grid) = AnyGrid::new(scene, all) else { return };
    let to_index = scene.volume.geometry().index_from_lps();
    let normal = scene.plane.normal();
    let white = scene.volume.color_white();
    let byte = |v: f64| (v.clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
    let width = scene.size_px[0] as usize;
    for (i, pixel) in bytes.chunks_exact_mut(4).enumerate() {
        let (x, y) = ((i % width) as f64 + 0.5, (first_row + i / width) as f64 + 0.5);
        let p = scene.plane.lps_from_px(x, y, scene.size_px);
        let value = |channel: usize| {
            let at = |&mm: &f64| {
                grid.sample(to_index.transform_point3(p + normal * mm), channel, scene.interpolation)
            };
            combine(offsets.iter().filter_map(at), scene.slab.mode)
        };
        match scene.volume.channels() {
            Channels::Scalar => paint.pixel(value(0), pixel),
            channels => {
                let alpha = if channels == Channels::Rgba { value(3) } else { white };
                let [r, g, b] = [0, 1, 2].map(|c| byte(value(c) / white * alpha / white));
                pixel.copy_from_slice(&[r, g, b, 255]);
            }
        }
    }
}

fn combine(samples: impl Iterator<Item = f64>, mode: SlabMode) -> f64 {
    let (mut count, mut sum) = (0usize, 0.0);
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for v in samples {
        count += 1;
        sum += v;
        low = low.min(v);
        high = high.max(v);
    }
    match mode {
        _ if count == 0 => f64::NAN,
        SlabMode::Mean => sum / count as f64,
        SlabMode::Max => high,
        SlabMode::Min => low,
    }
}
