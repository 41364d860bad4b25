//! The slice pass: eight pixels at a time over 8- and 16-bit voxels, any other voxels one by one in `f64`.
//!
//! Eight pixels well inside the volume share one `f64` position, from which `f32` steps lead to each of them. Near the
//! border, and for nearest voxels, positions are computed in `f64` with the very operations of [`crate::reference`],
//! so that both agree on which voxel is nearest and where the volume ends.
#![expect(
    unsafe_code,
    reason = "voxels are read without bounds checks after clamping, in kernels compiled for AVX2"
)]

use glam::DVec3;
use imaging::intensity::{VoiFunction, VoiTable};
use imaging::volume::{Channels, Rescale, Voxels};
use imaging::with_voxels;
use rayon::prelude::*;

use super::Options;
use super::grid::{Samples, stored, with_samples};
use super::lanes::{Avx2, Lanes, PairSample, Portable, WIDTH, exp2};
use super::sampler::Sampler;
use super::{slice_any, stored_bias};
use crate::image::Image8;
use crate::scene::{GreyMapping, Interpolation, SlabMode, SliceScene};

/// Rows of pixels that one task draws.
const BAND: usize = 16;
/// A band is drawn in tiles of this many pixels across, so that its rows meet in the cache.
const TILE: usize = 32;
/// Voxels that eight pixels may span for `f32` steps.
const LONGEST_SPAN: f64 = 64.0;
/// Distance in voxels from a border within which positions are computed as the reference does it; far more than the
/// rounding of `f32` steps over [`LONGEST_SPAN`].
const MARGIN: f64 = 1e-3;

/// Draws a validated scene; `None` if cancelled on the way.
pub(crate) fn draw(scene: &SliceScene, options: Options<'_>) -> Option<Image8> {
    let [width, height] = scene.size_px;
    let mut image = Image8 { width, height, rgba: vec![0; width as usize * height as usize * 4] };
    let view = SliceView::new(scene);
    let offsets_mm: Vec<f64> = view.offsets.iter().map(|o| o.mm).collect();
    let fast = match scene.volume.channels() {
        Channels::Scalar => stored(&scene.volume, scene.time_point),
        _ => None,
    };
    let is_fast =
        |samples: &Samples<'_>| with_samples!(samples, s => Sampler::new(Portable, s, view.dims).is_some());
    let fast = fast.filter(is_fast);
    let avx2 = if options.is_portable { None } else { Avx2::detect() };
    image.rgba.par_chunks_mut(width as usize * BAND * 4).enumerate().for_each(|(band, bytes)| {
        if options.is_cancelled() {
            return;
        }
        let first_row = band * BAND;
        match fast {
            Some(samples) => with_samples!(samples, typed => match avx2 {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: the token proves that AVX2 and FMA are there.
                Some(avx2) => unsafe { band_avx2(avx2, typed, &view, first_row, bytes) },
                _ => draw_band(Portable, typed, &view, first_row, bytes),
            }),
            None => with_voxels!(scene.volume.voxels(), samples => {
                slice_any::draw_band(scene, samples, &offsets_mm, first_row, bytes);
            }),
        }
    });
    (!options.is_cancelled()).then_some(image)
}

/// A scene, prepared for eight pixels at a time.
struct SliceView {
    dims: [usize; 3],
    size_px: [u32; 2],
    center: DVec3,
    right: DVec3,
    down: DVec3,
    normal: DVec3,
    mm_per_px: f64,
    /// Columns of `index_from_lps` and its translation.
    to_index: [DVec3; 4],
    /// Continuous index of the first pixel's centre, and its change along a row and down a column.
    first: DVec3,
    per_column: DVec3,
    per_row: DVec3,
    /// Whether neighbours along a row lie in distant memory, so that the row below is worth fetching ahead.
    is_scattered: bool,
    offsets: Vec<Offset>,
    mode: SlabMode,
    interpolation: Interpolation,
    ramp: Ramp,
}

/// One sample position through a slab.
#[derive(Debug, Clone, Copy)]
struct Offset {
    mm: f64,
    /// The same in continuous index.
    index: DVec3,
}

impl SliceView {
    fn new(scene: &SliceScene) -> Self {
        let volume = &scene.volume;
        let to_index = volume.geometry().index_from_lps();
        let m = to_index.matrix3;
        let offset = match volume.voxels() {
            Voxels::U16(_) => <u16 as PairSample>::OFFSET,
            _ => 0.0,
        };
        let mut rescale = volume.rescale();
        rescale.intercept += rescale.slope * f64::from(offset + stored_bias());
        let plane = &scene.plane;
        let offsets_mm = scene.slab.offsets_mm(volume.geometry());
        let normal_index = to_index.transform_vector3(plane.normal());
        let per_column = to_index.transform_vector3(plane.right * plane.mm_per_px);
        let offset = |mm: f64| Offset { mm, index: normal_index * mm };
        Self {
            dims: volume.dims().to_array(),
            size_px: scene.size_px,
            center: plane.center_lps,
            right: plane.right,
            down: plane.down,
            normal: plane.normal(),
            mm_per_px: plane.mm_per_px,
            to_index: [m.x_axis, m.y_axis, m.z_axis, to_index.translation],
            first: to_index.transform_point3(plane.lps_from_px(0.5, 0.5, scene.size_px)),
            per_column,
            per_row: to_index.transform_vector3(plane.down * plane.mm_per_px),
            is_scattered: offsets_mm.len() == 1 && per_column.y.abs().max(per_column.z.abs()) > 0.1,
            offsets: offsets_mm.into_iter().map(offset).collect(),
            mode: scene.slab.mode,
            interpolation: scene.interpolation,
            ramp: Ramp::new(&scene.grey, rescale),
        }
    }
}

/// Lane value to display value: `(lane - middle) * gain + bias`, then clamped or bent.
#[derive(Debug, Clone, Copy)]
struct Ramp {
    middle: f32,
    gain: f32,
    bias: f32,
    is_sigmoid: bool,
    is_inverted: bool,
    /// Looks modality values up; the lane value is then all that `gain` and `bias` make.
    table: Option<VoiTable>,
}

impl Ramp {
    fn new(grey: &GreyMapping, rescale: Rescale) -> Self {
        let window = grey.window;
        if let VoiFunction::Table(table) = window.function {
            return Self {
                middle: 0.0,
                gain: rescale.slope as f32,
                bias: rescale.intercept as f32,
                is_sigmoid: false,
                is_inverted: grey.is_inverted,
                table: Some(table),
            };
        }
        let (middle, width) = match window.function {
            VoiFunction::Linear | VoiFunction::Table(_) => (window.center - 0.5, window.width - 1.0),
            VoiFunction::LinearExact | VoiFunction::Sigmoid => (window.center, window.width),
        };
        // A window of one step is a threshold: everything above its middle is white.
        let is_threshold = width < 1e-6;
        let per_unit = if is_threshold { 1e30 } else { 1.0 / width };
        let bias = if is_threshold { 0.0 } else { 0.5 };
        let (middle, gain, bias) = if rescale.slope == 0.0 {
            (0.0, 0.0, (rescale.intercept - middle) * per_unit + bias)
        } else {
            ((middle - rescale.intercept) / rescale.slope, rescale.slope * per_unit, bias)
        };
        Self {
            middle: middle as f32,
            gain: gain as f32,
            bias: bias.clamp(-1e30, 1e30) as f32,
            is_sigmoid: window.function == VoiFunction::Sigmoid,
            is_inverted: grey.is_inverted,
            table: None,
        }
    }

    /// Opaque grey RGBA of lane values; black where `inside` is false.
    #[inline(always)]
    fn rgba<L: Lanes>(&self, l: L, lane: L::F, inside: L::I) -> L::I {
        let (zero, one) = (l.float(0.0), l.float(1.0));
        let t = l.mul_add(l.sub(lane, l.float(self.middle)), l.float(self.gain), l.float(self.bias));
        let mut grey = if let Some(table) = self.table {
            l.floats(&l.float_array(t).map(|value| table.apply(f64::from(value)) as f32))
        } else if self.is_sigmoid {
            // 1 / (1 + e^(-4 (v - c) / w)); t is half off because the ramp is centred on 0.5.
            let x = l.mul(l.sub(t, l.float(0.5)), l.float(-4.0 * std::f32::consts::LOG2_E));
            l.div(one, l.add(one, exp2(l, x)))
        } else {
            l.min(l.max(t, zero), one)
        };
        if self.is_inverted {
            grey = l.sub(one, grey);
        }
        let byte = l.truncate(l.mul_add(grey, l.float(255.0), l.float(0.5)));
        let byte = l.and(byte, inside);
        let grey = l.or(l.or(byte, l.shl::<8>(byte)), l.shl::<16>(byte));
        l.or(grey, l.int(0xff00_0000_u32 as i32))
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn band_avx2<S: PairSample>(
    lanes: Avx2,
    samples: &[S],
    view: &SliceView,
    first_row: usize,
    bytes: &mut [u8],
) {
    draw_band(lanes, samples, view, first_row, bytes);
}

#[inline(always)]
fn draw_band<L: Lanes, S: PairSample>(
    l: L,
    samples: &[S],
    view: &SliceView,
    first_row: usize,
    bytes: &mut [u8],
) {
    let Some(sampler) = Sampler::new(l, samples, view.dims) else { return };
    let width = view.size_px[0] as usize;
    for tile in (0..width).step_by(TILE) {
        for (row, line) in bytes.chunks_exact_mut(width * 4).enumerate() {
            let line = &mut line[tile * 4..(tile + TILE).min(width) * 4];
            for (packet, out) in line.chunks_mut(WIDTH * 4).enumerate() {
                let rgba = pixels(l, &sampler, view, tile + packet * WIDTH, first_row + row);
                let bytes = l.int_array(rgba).map(i32::to_le_bytes);
                out.copy_from_slice(&bytes.as_flattened()[..out.len()]);
            }
        }
    }
}

/// Where eight pixels of a row lie.
enum Span<L: Lanes> {
    /// So far outside that none has a value.
    Outside,
    /// Well inside: continuous index less a whole voxel, and that voxel.
    Inside([L::F; 3], [i32; 3]),
    /// To be looked at one by one.
    Mixed,
}

/// Classifies the pixels from (`x`, `y`) on by the first and the last of them.
#[expect(clippy::needless_range_loop, reason = "axes by number, as in the formula")]
#[inline(always)]
fn span<L: Lanes>(l: L, view: &SliceView, x: usize, y: usize, offset: &Offset) -> Span<L> {
    let last = (WIDTH - 1) as f64;
    let (mut is_inside, mut is_outside) = (true, false);
    let mut first = [0.0; 3];
    for axis in 0..3 {
        let n = view.dims[axis] as f64;
        let step = view.per_column[axis];
        let row = view.first[axis] + view.per_row[axis] * y as f64 + offset.index[axis];
        let a = row + step * x as f64;
        let b = a + step * last;
        let (low, high) = if a < b { (a, b) } else { (b, a) };
        is_inside &= low >= MARGIN && high <= n - 1.0 - MARGIN && high - low <= LONGEST_SPAN;
        is_outside |= high < -0.5 - MARGIN || low > n - 0.5 + MARGIN;
        first[axis] = a;
    }
    if !is_inside {
        return if is_outside { Span::Outside } else { Span::Mixed };
    }
    let lane = l.floats(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    let (mut index, mut origin) = ([l.float(0.0); 3], [0; 3]);
    for axis in 0..3 {
        origin[axis] = whole(first[axis]);
        let rest = (first[axis] - f64::from(origin[axis])) as f32;
        index[axis] = l.mul_add(lane, l.float(view.per_column[axis] as f32), l.float(rest));
    }
    Span::Inside(index, origin)
}

/// Samples of pixels well inside.
#[inline(always)]
fn inner<L: Lanes, S: PairSample>(
    l: L,
    sampler: &Sampler<'_, L, S>,
    view: &SliceView,
    index: [L::F; 3],
    origin: [i32; 3],
) -> L::F {
    let (mut base, mut fraction) = ([l.int(0); 3], [l.float(0.0); 3]);
    for axis in 0..3 {
        let low = l.floor(index[axis]);
        base[axis] = l.iadd(l.truncate(low), l.int(origin[axis]));
        fraction[axis] = l.sub(index[axis], low);
    }
    if view.is_scattered {
        let mut next = base;
        for axis in 0..3 {
            let p = l.floor(l.add(index[axis], l.float(view.per_row[axis] as f32)));
            next[axis] = l.iadd(l.truncate(p), l.int(origin[axis]));
        }
        sampler.prefetch(next);
    }
    // SAFETY: between the first and the last pixel all lie at least the margin, far more than `f32` can be off,
    // inside 0..=n - 1 on each axis; so their whole parts lie in 0..=n - 2.
    unsafe { sampler.exact(base, fraction) }
}

/// LPS of eight pixel centres along a row, one array per axis.
#[expect(clippy::needless_range_loop, reason = "lanes by number, as in the formula; compiles to vector code")]
#[inline(always)]
fn positions(view: &SliceView, x: usize, y: usize) -> [[f64; WIDTH]; 3] {
    let mut points = [[0.0; WIDTH]; 3];
    let dy = (y as f64 + 0.5 - f64::from(view.size_px[1]) / 2.0) * view.mm_per_px;
    let half = f64::from(view.size_px[0]) / 2.0;
    for axis in 0..3 {
        for i in 0..WIDTH {
            let dx = ((x + i) as f64 + 0.5 - half) * view.mm_per_px;
            points[axis][i] = view.center[axis] + view.right[axis] * dx + view.down[axis] * dy;
        }
    }
    points
}

/// Samples through the slab, combined and windowed.
#[inline(always)]
fn pixels<L: Lanes, S: PairSample>(
    l: L,
    sampler: &Sampler<'_, L, S>,
    view: &SliceView,
    x: usize,
    y: usize,
) -> L::I {
    let start = match view.mode {
        SlabMode::Mean => 0.0,
        SlabMode::Max => f32::NEG_INFINITY,
        SlabMode::Min => f32::INFINITY,
    };
    // A falling rescale turns the order of lane values around.
    let is_falling = view.ramp.gain < 0.0;
    let mode = match (view.mode, is_falling) {
        (SlabMode::Max, true) => SlabMode::Min,
        (SlabMode::Min, true) => SlabMode::Max,
        (mode, _) => mode,
    };
    let mut combined = l.float(if is_falling { -start } else { start });
    let mut count = l.int(0);
    for offset in &view.offsets {
        let (value, inside) = match (span(l, view, x, y, offset), view.interpolation) {
            (Span::Outside, _) => continue,
            (Span::Inside(index, origin), Interpolation::Linear) => {
                (inner(l, sampler, view, index, origin), l.int(-1))
            }
            (_, Interpolation::Linear) => linear(l, sampler, view, &positions(view, x, y), offset.mm),
            (_, Interpolation::Nearest) => nearest(l, sampler, view, &positions(view, x, y), offset.mm),
        };
        count = l.isub(count, inside);
        let next = match mode {
            SlabMode::Mean => l.add(combined, value),
            SlabMode::Max => l.max(value, combined),
            SlabMode::Min => l.min(value, combined),
        };
        combined = l.select(inside, next, combined);
    }
    let is_inside = l.ilt(l.int(0), count);
    if mode == SlabMode::Mean && view.offsets.len() > 1 {
        combined = l.div(combined, l.max(l.to_float(count), l.float(1.0)));
    }
    view.ramp.rgba(l, l.select(is_inside, combined, l.float(0.0)), is_inside)
}

/// Continuous index of eight points moved along the normal.
#[inline(always)]
fn indices(view: &SliceView, points: &[[f64; WIDTH]; 3], offset: f64) -> [[f64; WIDTH]; 3] {
    let mut out = [[0.0; WIDTH]; 3];
    let [cx, cy, cz, translation] = view.to_index;
    let shift = view.normal * offset;
    for axis in 0..3 {
        for i in 0..WIDTH {
            let (x, y, z) = (points[0][i] + shift.x, points[1][i] + shift.y, points[2][i] + shift.z);
            out[axis][i] = cx[axis] * x + cy[axis] * y + cz[axis] * z + translation[axis];
        }
    }
    out
}

/// `0.0..=high`; NaN becomes 0. One instruction each way, unlike `f64::clamp` which keeps NaN.
#[inline(always)]
fn clamp(v: f64, high: f64) -> f64 {
    let v = if v > 0.0 { v } else { 0.0 };
    if v < high { v } else { high }
}

/// The whole part of a clamped index.
#[inline(always)]
fn whole(clamped: f64) -> i32 {
    // SAFETY: indices are clamped to the dimensions, whose product fits 31 bits.
    unsafe { clamped.to_int_unchecked() }
}

#[inline(always)]
fn linear<L: Lanes, S: PairSample>(
    l: L,
    sampler: &Sampler<'_, L, S>,
    view: &SliceView,
    points: &[[f64; WIDTH]; 3],
    offset: f64,
) -> (L::F, L::I) {
    let index = indices(view, points, offset);
    let mut inside = [-1i32; WIDTH];
    let mut base = [[0i32; WIDTH]; 3];
    let mut fraction = [[0f32; WIDTH]; 3];
    for axis in 0..3 {
        let n = view.dims[axis] as f64;
        let last_base = (n - 2.0).max(0.0);
        for i in 0..WIDTH {
            let v = index[axis][i];
            inside[i] &= -i32::from(v >= -0.5 && v < n - 0.5);
            let clamped = clamp(v, n - 1.0);
            let low = whole(clamp(clamped, last_base));
            base[axis][i] = low;
            fraction[axis][i] = (clamped - f64::from(low)) as f32;
        }
    }
    let base = [l.ints(&base[0]), l.ints(&base[1]), l.ints(&base[2])];
    let fraction = [l.floats(&fraction[0]), l.floats(&fraction[1]), l.floats(&fraction[2])];
    // SAFETY: bases are clamped to 0..=max(n - 2, 0) just above; NaN became 0.
    (unsafe { sampler.exact(base, fraction) }, l.ints(&inside))
}

#[inline(always)]
fn nearest<L: Lanes, S: PairSample>(
    l: L,
    sampler: &Sampler<'_, L, S>,
    view: &SliceView,
    points: &[[f64; WIDTH]; 3],
    offset: f64,
) -> (L::F, L::I) {
    let index = indices(view, points, offset);
    let mut inside = [-1i32; WIDTH];
    let mut voxel = [[0i32; WIDTH]; 3];
    for axis in 0..3 {
        let n = view.dims[axis] as f64;
        for i in 0..WIDTH {
            let v = index[axis][i] + 0.5;
            inside[i] &= -i32::from(v >= 0.0 && v < n);
            voxel[axis][i] = whole(clamp(v, n - 1.0));
        }
    }
    let voxel = [l.ints(&voxel[0]), l.ints(&voxel[1]), l.ints(&voxel[2])];
    // SAFETY: voxels are clamped to 0..n just above; NaN became 0.
    (unsafe { sampler.voxel(voxel) }, l.ints(&inside))
}
