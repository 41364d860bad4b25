//! Slices of 8- and 16-bit voxels, eight pixels at a time.
//!
//! Eight pixels well inside the volume share one `f64` position, from which `f32` steps lead to each of them. Near the
//! border, and for nearest voxels, positions are computed in `f64` with the very operations of [`crate::reference`],
//! so that both agree on which voxel is nearest and where the volume ends.
#![expect(
    unsafe_code,
    reason = "voxels are read without bounds checks after clamping, in kernels compiled for AVX2"
)]

use glam::DVec3;

use super::lanes::{Avx2, Lanes, PairSample, Portable, WIDTH};
use super::paint::Paint;
use super::sampler::Sampler;
use crate::scene::{Interpolation, SlabMode, SliceScene};

/// A band is drawn in tiles of this many pixels across, so that its rows meet in the cache.
const TILE: usize = 32;
/// Voxels that eight pixels may span for `f32` steps.
const LONGEST_SPAN: f64 = 64.0;
/// Distance in voxels from a border within which positions are computed as the reference does it; far more than the
/// rounding of `f32` steps over [`LONGEST_SPAN`].
const MARGIN: f64 = 1e-3;

/// A scene, prepared for eight pixels at a time.
pub(crate) struct SliceView {
    pub(crate) dims: [usize; 3],
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
    pub(crate) offsets: Vec<Offset>,
    mode: SlabMode,
    interpolation: Interpolation,
    /// Whether modality values fall where lane values rise.
    is_falling: bool,
}

/// One sample position through a slab.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offset {
    pub(crate) mm: f64,
    /// The same in continuous index.
    index: DVec3,
}

impl SliceView {
    /// `is_falling` says that modality values fall where lane values rise.
    pub(crate) fn new(scene: &SliceScene, is_falling: bool) -> Self {
        let volume = &scene.volume;
        let to_index = volume.geometry().index_from_lps();
        let m = to_index.matrix3;
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
            is_falling,
        }
    }
}

/// Draws rows of pixels from `first_row` on with the best instructions there are.
pub(crate) fn draw_band<S: PairSample, P: Paint>(
    avx2: Option<Avx2>,
    samples: &[S],
    view: &SliceView,
    paint: &P,
    first_row: usize,
    bytes: &mut [u8],
) {
    match avx2 {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the token proves that AVX2 and FMA are there.
        Some(avx2) => unsafe { band_avx2(avx2, samples, view, paint, first_row, bytes) },
        _ => band(Portable, samples, view, paint, first_row, bytes),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn band_avx2<S: PairSample, P: Paint>(
    lanes: Avx2,
    samples: &[S],
    view: &SliceView,
    paint: &P,
    first_row: usize,
    bytes: &mut [u8],
) {
    band(lanes, samples, view, paint, first_row, bytes);
}

#[inline(always)]
fn band<L: Lanes, S: PairSample, P: Paint>(
    l: L,
    samples: &[S],
    view: &SliceView,
    paint: &P,
    first_row: usize,
    bytes: &mut [u8],
) {
    let Some(sampler) = Sampler::new(l, samples, view.dims) else { return };
    let width = view.size_px[0] as usize;
    for tile in (0..width).step_by(TILE) {
        for (row, line) in bytes.chunks_exact_mut(width * 4).enumerate() {
            let line = &mut line[tile * 4..(tile + TILE).min(width) * 4];
            for (packet, out) in line.chunks_mut(WIDTH * 4).enumerate() {
                let (lane, inside) = values(l, &sampler, view, tile + packet * WIDTH, first_row + row);
                paint.packet(l, lane, inside, out);
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

/// Samples through the slab, combined, and where there are any.
#[inline(always)]
fn values<L: Lanes, S: PairSample>(
    l: L,
    sampler: &Sampler<'_, L, S>,
    view: &SliceView,
    x: usize,
    y: usize,
) -> (L::F, L::I) {
    let start = match view.mode {
        SlabMode::Mean => 0.0,
        SlabMode::Max => f32::NEG_INFINITY,
        SlabMode::Min => f32::INFINITY,
    };
    // A falling rescale turns the order of lane values around.
    let mode = match (view.mode, view.is_falling) {
        (SlabMode::Max, true) => SlabMode::Min,
        (SlabMode::Min, true) => SlabMode::Max,
        (mode, _) => mode,
    };
    let mut combined = l.float(if view.is_falling { -start } else { start });
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
    (l.select(is_inside, combined, l.float(0.0)), is_inside)
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
