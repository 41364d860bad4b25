//! What is derived from a volume once: samples the kernels can read, and the range of values in each cell.
//!
//! A cell is a cube of [`CELL`]³ trilinear patches. Its range covers every voxel those patches touch, so one layer
//! is shared with the next cell, and no interpolated value inside lies outside the range.
#![expect(unsafe_code, reason = "runs the same loop compiled for AVX2")]

use std::ops::Range;

use imaging::volume::{Rescale, Sample, Volume, Voxels};
use imaging::with_voxels;
use rayon::prelude::*;

use super::bricks::{self, Bricks, Needed, STRIDE_SHIFT};
use super::lanes::PairSample;

/// Edge of a cell in voxels.
pub(crate) const CELL: usize = 1 << CELL_SHIFT;
/// `log2` of [`CELL`].
pub(crate) const CELL_SHIFT: i32 = 2;

/// Samples of one time point, in one of the types that kernels read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Samples<'a> {
    U8(&'a [u8]),
    U16(&'a [u16]),
    I16(&'a [i16]),
}

/// Runs an expression with a name bound to the typed slice inside a [`Samples`].
macro_rules! with_samples {
    ($samples:expr, $typed:ident => $body:expr) => {
        match $samples {
            $crate::cpu::grid::Samples::U8($typed) => $body,
            $crate::cpu::grid::Samples::U16($typed) => $body,
            $crate::cpu::grid::Samples::I16($typed) => $body,
        }
    };
}
pub(crate) use with_samples;

/// One time point of a scalar volume, ready for the kernels.
#[derive(Debug)]
pub(crate) struct Grid {
    /// Voxel counts.
    pub(crate) dims: [usize; 3],
    /// Modality value of a lane value (a sample less its type's offset).
    pub(crate) rescale: Rescale,
    /// How stored values become lane values, where kernels cannot read them as they are.
    conversion: Option<Conversion>,
    /// Cells along each axis.
    pub(crate) cells: [usize; 3],
    /// Lowest lane value of each cell, x fastest.
    pub(crate) lows: Vec<i16>,
    /// Highest lane value of each cell.
    pub(crate) highs: Vec<i16>,
    /// Lowest and highest lane value of each octant of each cell; bits of the octant are x, y, z from the lowest.
    pub(crate) octants: Vec<[[i16; 2]; 8]>,
}

/// What is found in one pass over the voxels.
#[derive(Default)]
struct Ranges {
    lows: Vec<i16>,
    highs: Vec<i16>,
    octants: Vec<[[i16; 2]; 8]>,
}

impl Grid {
    /// Reads all samples of a time point once, on all cores. `None` for colour, or more than 2³¹ voxels.
    pub(crate) fn new(volume: &Volume, time_point: usize) -> Option<Self> {
        let dims = volume.dims().to_array();
        let count = volume.samples_per_time_point();
        if volume.channels().count() != 1
            || time_point >= volume.time_points()
            || count > i32::MAX as usize / 2
        {
            return None;
        }
        let cells = dims.map(|n| n.div_ceil(CELL));
        let made = |ranges: Ranges, rescale, conversion| {
            let Ranges { lows, highs, octants } = ranges;
            Some(Self { dims, rescale, conversion, cells, lows, highs, octants })
        };
        let Some(samples) = stored(volume, time_point) else {
            let (samples, conversion) = convert(volume, time_point)?;
            return made(
                ranges(&samples, dims, cells),
                conversion.rescale(volume.rescale()),
                Some(conversion),
            );
        };
        let mut rescale = volume.rescale();
        with_samples!(samples, s => {
            rescale.intercept += rescale.slope * f64::from(offset_of(s));
            made(ranges(s, dims, cells), rescale, None)
        })
    }

    /// Fills the bricks that are needed with voxels of the time point that the grid was made of.
    pub(crate) fn fill(&self, bricks: &mut Bricks, needed: &Needed, volume: &Volume, time_point: usize) {
        if let Some(conversion) = self.conversion {
            with_voxels!(volume.voxels(), samples => {
                let Some(samples) = samples.get(range(volume, time_point)) else { return };
                bricks.fill(needed, samples, |v| conversion.lane(v.to_f64()));
            });
        } else if let Some(samples) = stored(volume, time_point) {
            with_samples!(samples, s => bricks.fill(needed, s, PairSample::to_lane));
        }
    }

    /// The bricks that hold any of the cells that `is_seen` picks by their numbers.
    pub(crate) fn bricks_with(&self, is_seen: impl Fn(usize) -> bool + Sync) -> Vec<bool> {
        const CELLS: usize = 1 << (STRIDE_SHIFT - CELL_SHIFT);
        let [cx, cy, cz] = self.cells;
        let [bx, by, bz] = bricks::counts(self.dims);
        let mut found = vec![false; bx * by * bz];
        found.par_chunks_mut(bx * by).enumerate().for_each(|(layer, found)| {
            for z in layer * CELLS..((layer + 1) * CELLS).min(cz) {
                for y in 0..cy {
                    let row = &mut found[y / CELLS * bx..][..bx];
                    for x in 0..cx {
                        row[x / CELLS] |= is_seen((z * cy + y) * cx + x);
                    }
                }
            }
        });
        found
    }

    /// Memory held beside the volume.
    pub(crate) fn size_bytes(&self) -> usize {
        (self.lows.len() + self.highs.len()) * size_of::<i16>() + size_of_val(self.octants.as_slice())
    }
}

fn offset_of<S: PairSample>(_: &[S]) -> f32 {
    S::OFFSET
}

/// Where a time point lies among all samples.
fn range(volume: &Volume, time_point: usize) -> Range<usize> {
    let count = volume.samples_per_time_point();
    time_point * count..(time_point + 1) * count
}

/// Samples of a time point that kernels can read where they lie.
pub(crate) fn stored(volume: &Volume, time_point: usize) -> Option<Samples<'_>> {
    let range = range(volume, time_point);
    match volume.voxels() {
        Voxels::U8(s) => Some(Samples::U8(s.get(range)?)),
        Voxels::U16(s) => Some(Samples::U16(s.get(range)?)),
        Voxels::I16(s) => Some(Samples::I16(s.get(range)?)),
        _ => None,
    }
}

/// Maps the finite range of some samples to 16 bits; exact for whole numbers that span less than 65536.
#[derive(Debug, Clone, Copy)]
struct Conversion {
    low: f64,
    unit: f64,
}

impl Conversion {
    /// Lane value of a stored value; NaN becomes the lowest.
    #[inline(always)]
    fn lane(self, v: f64) -> i16 {
        let v = if v.is_nan() { self.low } else { v };
        (((v - self.low) / self.unit).clamp(0.0, 65535.0).round() - 32768.0) as i16
    }

    /// Modality value of a lane value, from that of a stored value.
    fn rescale(self, stored: Rescale) -> Rescale {
        Rescale { slope: stored.slope * self.unit, intercept: stored.apply(self.low + 32768.0 * self.unit) }
    }
}

/// Lane values of a time point that kernels cannot read as it is.
fn convert(volume: &Volume, time_point: usize) -> Option<(Vec<i16>, Conversion)> {
    let count = volume.samples_per_time_point();
    let is_whole = !matches!(volume.voxels(), Voxels::F32(_) | Voxels::F64(_));
    with_voxels!(volume.voxels(), samples => {
        let samples = samples.get(range(volume, time_point))?;
        let value = |i: usize| samples[i].to_f64();
        let (low, high) = (0..count)
            .into_par_iter()
            .with_min_len(4096)
            .map(value)
            .filter(|v| v.is_finite())
            .fold(|| (f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)))
            .reduce(|| (f64::INFINITY, f64::NEG_INFINITY), |a, b| (a.0.min(b.0), a.1.max(b.1)));
        let (low, high) = if low <= high { (low, high) } else { (0.0, 0.0) };
        let unit = if is_whole && high - low <= 65535.0 { 1.0 } else { ((high - low) / 65535.0).max(f64::MIN_POSITIVE) };
        let conversion = Conversion { low, unit };
        let converted: Vec<i16> =
            (0..count).into_par_iter().with_min_len(4096).map(|i| conversion.lane(value(i))).collect();
        Some((converted, conversion))
    })
}

/// Ranges of all cells and octants.
fn ranges<S: PairSample>(samples: &[S], dims: [usize; 3], cells: [usize; 3]) -> Ranges {
    let count = cells.iter().product();
    let mut found = Ranges { lows: vec![0; count], highs: vec![0; count], octants: vec![[[0; 2]; 8]; count] };
    let is_avx2 = super::lanes::Avx2::detect().is_some();
    let rows = found.lows.par_chunks_mut(cells[0]).zip(found.highs.par_chunks_mut(cells[0]));
    rows.zip(found.octants.par_chunks_mut(cells[0])).enumerate().for_each_init(
        Extremes::default,
        |extremes, (row, ((lows, highs), octants))| {
            let block = Block { samples, dims, cell_y: row % cells[1], cell_z: row / cells[1] };
            #[cfg(target_arch = "x86_64")]
            if is_avx2 {
                // SAFETY: AVX2 was detected.
                unsafe { cell_row_avx2(block, extremes, lows, highs, octants) };
                return;
            }
            let _ = is_avx2;
            cell_row(block, extremes, lows, highs, octants);
        },
    );
    found
}

/// A row of cells and where it lies.
#[derive(Clone, Copy)]
struct Block<'a, S> {
    samples: &'a [S],
    dims: [usize; 3],
    cell_y: usize,
    cell_z: usize,
}

/// Extremes down the columns of a row of octants.
#[derive(Default)]
struct Extremes {
    low: Vec<i16>,
    high: Vec<i16>,
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn cell_row_avx2<S: PairSample>(
    block: Block<'_, S>,
    extremes: &mut Extremes,
    lows: &mut [i16],
    highs: &mut [i16],
    octants: &mut [[[i16; 2]; 8]],
) {
    cell_row(block, extremes, lows, highs, octants);
}

/// Takes the extremes down the columns first, which the compiler turns into vector code, then along x.
#[inline(always)]
fn cell_row<S: PairSample>(
    block: Block<'_, S>,
    extremes: &mut Extremes,
    lows: &mut [i16],
    highs: &mut [i16],
    octants: &mut [[[i16; 2]; 8]],
) {
    const HALF: usize = CELL / 2;
    let [nx, ny, nz] = block.dims;
    // Beyond the volume the last voxel stands for all.
    let reach = |first: usize, n: usize| first.min(n - 1)..(first + HALF + 1).min(n);
    lows.fill(i16::MAX);
    highs.fill(i16::MIN);
    for part in 0..4 {
        let (low, high) = (&mut extremes.low, &mut extremes.high);
        low.clear();
        low.resize(nx + CELL, i16::MAX);
        high.clear();
        high.resize(nx + CELL, i16::MIN);
        for z in reach(block.cell_z * CELL + (part >> 1) * HALF, nz) {
            for y in reach(block.cell_y * CELL + (part & 1) * HALF, ny) {
                let start = (z * ny + y) * nx;
                let row = &block.samples[start..start + nx];
                for ((low, high), &v) in low.iter_mut().zip(high.iter_mut()).zip(row) {
                    let v = v.to_lane();
                    *low = (*low).min(v);
                    *high = (*high).max(v);
                }
            }
        }
        let (last_low, last_high) = (low[nx - 1], high[nx - 1]);
        low[nx..].fill(last_low);
        high[nx..].fill(last_high);
        for i in 0..nx + CELL - HALF {
            low[i] = low[i].min(low[i + 1]).min(low[i + 2]);
            high[i] = high[i].max(high[i + 1]).max(high[i + 2]);
        }
        let halves = low.chunks_exact(CELL).zip(high.chunks_exact(CELL));
        let cells = lows.iter_mut().zip(highs.iter_mut()).zip(octants.iter_mut());
        for ((low, high), ((cell_low, cell_high), octants)) in halves.zip(cells) {
            octants[part * 2] = [low[0], high[0]];
            octants[part * 2 + 1] = [low[HALF], high[HALF]];
            *cell_low = (*cell_low).min(low[0]).min(low[HALF]);
            *cell_high = (*cell_high).max(high[0]).max(high[HALF]);
        }
    }
}
