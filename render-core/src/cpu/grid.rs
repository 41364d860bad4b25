//! What is derived from a volume once: samples the kernels can read, and the range of values in each cell.
//!
//! A cell is a cube of [`CELL`]³ trilinear patches. Its range covers every voxel those patches touch, so one layer
//! is shared with the next cell, and no interpolated value inside lies outside the range.
#![expect(unsafe_code, reason = "runs the same loop compiled for AVX2")]

use imaging::volume::{Rescale, Sample, Volume, Voxels};
use imaging::with_voxels;
use rayon::prelude::*;

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
    /// Samples in 16 bits where the volume's own cannot be read directly.
    converted: Option<Vec<i16>>,
    /// Voxel counts as the kernels see them; at least 2 along x.
    pub(crate) dims: [usize; 3],
    /// Modality value of a lane value (a sample less its type's offset).
    pub(crate) rescale: Rescale,
    /// Cells along each axis.
    pub(crate) cells: [usize; 3],
    /// Lowest lane value of each cell, x fastest.
    pub(crate) lows: Vec<i16>,
    /// Highest lane value of each cell.
    pub(crate) highs: Vec<i16>,
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
        let mut grid = Self {
            converted: None,
            dims,
            rescale: volume.rescale(),
            cells: [0; 3],
            lows: Vec::new(),
            highs: Vec::new(),
        };
        if stored(volume, time_point).is_none() || dims[0] < 2 {
            let (samples, rescale) = convert(volume, time_point)?;
            grid.converted = Some(samples);
            grid.rescale = rescale;
            grid.dims[0] = dims[0].max(2);
        }
        grid.cells = grid.dims.map(|n| n.saturating_sub(1).div_ceil(CELL).max(1));
        let offset = with_samples!(grid.samples(volume, time_point)?, s => offset_of(s));
        // Conversion is defined on lane values already.
        if grid.converted.is_none() {
            grid.rescale.intercept += grid.rescale.slope * f64::from(offset);
        }
        (grid.lows, grid.highs) =
            with_samples!(grid.samples(volume, time_point)?, s => ranges(s, grid.dims, grid.cells));
        Some(grid)
    }

    /// The samples to read; `volume` must be the one the grid was made from.
    pub(crate) fn samples<'a>(&'a self, volume: &'a Volume, time_point: usize) -> Option<Samples<'a>> {
        match &self.converted {
            Some(samples) => Some(Samples::I16(samples)),
            None => stored(volume, time_point),
        }
    }

    /// Memory held beside the volume.
    pub(crate) fn size_bytes(&self) -> usize {
        let samples = self.converted.as_ref().map_or(0, Vec::len) + self.lows.len() + self.highs.len();
        samples * size_of::<i16>()
    }
}

fn offset_of<S: PairSample>(_: &[S]) -> f32 {
    S::OFFSET
}

/// Samples of a time point that kernels can read where they lie.
pub(crate) fn stored(volume: &Volume, time_point: usize) -> Option<Samples<'_>> {
    let count = volume.samples_per_time_point();
    let range = time_point * count..(time_point + 1) * count;
    match volume.voxels() {
        Voxels::U8(s) => Some(Samples::U8(s.get(range)?)),
        Voxels::U16(s) => Some(Samples::U16(s.get(range)?)),
        Voxels::I16(s) => Some(Samples::I16(s.get(range)?)),
        _ => None,
    }
}

/// Maps the finite range of the samples to 16 bits; exact for whole numbers that span less than 65536.
///
/// A single column of voxels is doubled, because kernels read pairs. NaN becomes the lowest value.
fn convert(volume: &Volume, time_point: usize) -> Option<(Vec<i16>, Rescale)> {
    let count = volume.samples_per_time_point();
    let range = time_point * count..(time_point + 1) * count;
    let is_whole = !matches!(volume.voxels(), Voxels::F32(_) | Voxels::F64(_));
    with_voxels!(volume.voxels(), samples => {
        let samples = samples.get(range)?;
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
        let lane = |v: f64| {
            let v = if v.is_nan() { low } else { v };
            (((v - low) / unit).clamp(0.0, 65535.0).round() - 32768.0) as i16
        };
        let copies = if volume.dims().x == 1 { 2 } else { 1 };
        let converted: Vec<i16> =
            (0..count * copies).into_par_iter().with_min_len(4096).map(|i| lane(value(i / copies))).collect();
        let outer = volume.rescale();
        let rescale = Rescale { slope: outer.slope * unit, intercept: outer.apply(low + 32768.0 * unit) };
        Some((converted, rescale))
    })
}

/// Lowest and highest lane value of each cell.
fn ranges<S: PairSample>(samples: &[S], dims: [usize; 3], cells: [usize; 3]) -> (Vec<i16>, Vec<i16>) {
    let count = cells.iter().product();
    let (mut lows, mut highs) = (vec![0i16; count], vec![0i16; count]);
    let is_avx2 = super::lanes::Avx2::detect().is_some();
    lows.par_chunks_mut(cells[0]).zip(highs.par_chunks_mut(cells[0])).enumerate().for_each_init(
        || (Vec::new(), Vec::new()),
        |(low_row, high_row), (row, (lows, highs))| {
            let block = Block { samples, dims, cell_y: row % cells[1], cell_z: row / cells[1] };
            #[cfg(target_arch = "x86_64")]
            if is_avx2 {
                // SAFETY: AVX2 was detected.
                unsafe { cell_row_avx2(block, low_row, high_row, lows, highs) };
                return;
            }
            let _ = is_avx2;
            cell_row(block, low_row, high_row, lows, highs);
        },
    );
    (lows, highs)
}

/// A row of cells and where it lies.
#[derive(Clone, Copy)]
struct Block<'a, S> {
    samples: &'a [S],
    dims: [usize; 3],
    cell_y: usize,
    cell_z: usize,
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn cell_row_avx2<S: PairSample>(
    block: Block<'_, S>,
    low_row: &mut Vec<S>,
    high_row: &mut Vec<S>,
    lows: &mut [i16],
    highs: &mut [i16],
) {
    cell_row(block, low_row, high_row, lows, highs);
}

/// Takes the extremes down the columns first, which the compiler turns into vector code, then along x.
#[inline(always)]
fn cell_row<S: PairSample>(
    block: Block<'_, S>,
    low_row: &mut Vec<S>,
    high_row: &mut Vec<S>,
    lows: &mut [i16],
    highs: &mut [i16],
) {
    let [nx, ny, nz] = block.dims;
    let reach = |cell: usize, n: usize| cell * CELL..(cell * CELL + CELL + 1).min(n);
    let mut is_first = true;
    for z in reach(block.cell_z, nz) {
        for y in reach(block.cell_y, ny) {
            let start = (z * ny + y) * nx;
            let row = &block.samples[start..start + nx];
            if is_first {
                low_row.clear();
                low_row.extend_from_slice(row);
                high_row.clear();
                high_row.extend_from_slice(row);
                is_first = false;
                continue;
            }
            for (low, &v) in low_row.iter_mut().zip(row) {
                *low = (*low).min(v);
            }
            for (high, &v) in high_row.iter_mut().zip(row) {
                *high = (*high).max(v);
            }
        }
    }
    for (cell, (low, high)) in lows.iter_mut().zip(highs).enumerate() {
        let x = reach(cell, nx);
        let first = x.start;
        *low = low_row[x.clone()].iter().copied().fold(low_row[first], S::min).to_lane();
        *high = high_row[x].iter().copied().fold(high_row[first], S::max).to_lane();
    }
}
