//! Which cells a transfer function shows, and how far the nearest one is.

use std::sync::Arc;

use rayon::prelude::*;

use super::bricks::Needed;
use super::grid::{CELL, Grid};
use crate::transfer_function::{LUT_ENTRIES, TransferFunction, TransferLut};

/// Distances are counted up to this many cells.
const MAX_DISTANCE: u8 = 20;

/// Per cell the Chebyshev distance, in cells, to the nearest one that shows anything; 0 is visible.
#[derive(Debug)]
pub(crate) struct SkipMap {
    transfer_function: Arc<TransferFunction>,
    /// Low byte: distance. High byte: bit i is set if octant i of the cell may show anything; only then can the
    /// distance be 0. x fastest, as the cells of the [`Grid`].
    pub(crate) cells: Vec<u16>,
    /// Continuous index box around everything visible, or `None` if nothing is.
    pub(crate) bounds: Option<[[f64; 3]; 2]>,
    /// A lane value that shows nothing.
    blank: Option<i16>,
}

impl SkipMap {
    /// For the values of a grid; `lut` is any table of `transfer_function`, since only "above zero" counts.
    pub(crate) fn new(grid: &Grid, transfer_function: Arc<TransferFunction>, lut: &TransferLut) -> Self {
        let visibility = Visibility::new(grid, lut);
        let octants = visible_octants(grid, &visibility);
        let visible: Vec<u8> = octants.iter().map(|&mask| if mask == 0 { 0 } else { 255 }).collect();
        let bounds = bounds(&visible, grid);
        let distances = distances(visible, grid.cells);
        let mut cells = imaging::memory::zeroed(octants.len()).unwrap_or_else(|_| vec![0; octants.len()]);
        for ((cell, &d), &mask) in cells.iter_mut().zip(&distances).zip(&octants) {
            *cell = u16::from_le_bytes([d, mask]);
        }
        Self { transfer_function, cells, bounds, blank: visibility.blank() }
    }

    /// The bricks that show anything.
    pub(crate) fn needed(&self, grid: &Grid) -> Needed {
        Needed { bricks: grid.bricks_with(|cell| self.cells[cell] >> 8 != 0), blank: self.blank }
    }

    /// Whether the map was made for this transfer function.
    pub(crate) fn is_for(&self, transfer_function: &Arc<TransferFunction>) -> bool {
        Arc::ptr_eq(&self.transfer_function, transfer_function)
            || self.transfer_function.points() == transfer_function.points()
    }
}

/// Which lane values have an opacity above zero.
struct Visibility {
    /// How many entries of the transfer function's table below i are not transparent.
    opaque_below: Vec<u32>,
    /// The entry of each lane value; quicker than the arithmetic per cell.
    entries: Vec<u16>,
}

impl Visibility {
    fn new(grid: &Grid, lut: &TransferLut) -> Self {
        let mut opaque_below = vec![0u32; LUT_ENTRIES + 1];
        for (i, entry) in lut.entries.iter().enumerate() {
            opaque_below[i + 1] = opaque_below[i] + u32::from(entry[3] > 0.0);
        }
        let entry_of = |lane: i16| {
            let t = (grid.rescale.apply(f64::from(lane)) - lut.low) / (lut.high - lut.low);
            (t.clamp(0.0, 1.0) * (LUT_ENTRIES - 1) as f64 + 0.5) as usize
        };
        let entries = (i16::MIN..=i16::MAX).map(|lane| entry_of(lane) as u16).collect();
        Self { opaque_below, entries }
    }

    /// Whether any value from `low` to `high` is visible.
    #[inline]
    fn is_visible(&self, low: i16, high: i16) -> bool {
        let entry = |lane: i16| usize::from(self.entries[(i32::from(lane) + 32768) as usize]);
        let (a, b) = (entry(low), entry(high));
        let (first, last) = (a.min(b), a.max(b));
        self.opaque_below[last + 1] > self.opaque_below[first]
    }

    /// A value that stays invisible if it is rounded to one of its neighbours; the lowest or highest if possible.
    fn blank(&self) -> Option<i16> {
        let is_blank = |lane: &i16| !self.is_visible(lane.saturating_sub(1), lane.saturating_add(1));
        [i16::MIN, i16::MAX].into_iter().chain(i16::MIN..=i16::MAX).find(is_blank)
    }
}

/// Per cell, which of its octants hold a value whose opacity is above zero.
fn visible_octants(grid: &Grid, visibility: &Visibility) -> Vec<u8> {
    let is_visible = |low, high| visibility.is_visible(low, high);
    let cells = (&grid.lows, &grid.highs, &grid.octants);
    let mask = |(&low, &high, octants): (&i16, &i16, &[[i16; 2]; 8])| {
        if !is_visible(low, high) {
            return 0;
        }
        let bit = |(i, &[low, high]): (usize, &[i16; 2])| u8::from(is_visible(low, high)) << i;
        octants.iter().enumerate().map(bit).sum()
    };
    cells.into_par_iter().with_min_len(4096).map(mask).collect()
}

fn bounds(visible: &[u8], grid: &Grid) -> Option<[[f64; 3]; 2]> {
    let [cx, cy, _] = grid.cells;
    let (mut low, mut high) = ([usize::MAX; 3], [0; 3]);
    for (row, cells) in visible.chunks_exact(cx).enumerate() {
        let Some(first) = cells.iter().position(|&v| v != 0) else { continue };
        let last = cells.iter().rposition(|&v| v != 0).unwrap_or(first);
        for (axis, (a, b)) in
            [(first, last), (row % cy, row % cy), (row / cy, row / cy)].into_iter().enumerate()
        {
            low[axis] = low[axis].min(a);
            high[axis] = high[axis].max(b);
        }
    }
    if low[0] == usize::MAX {
        return None;
    }
    // Samples in the half voxel outside the outer centres belong to the outer cells.
    let edge = |axis: usize, cell: usize, is_high: bool| match (cell, is_high) {
        (0, false) => -1.0,
        (c, true) if c + 1 == grid.cells[axis] => grid.dims[axis] as f64,
        (c, true) => ((c + 1) * CELL) as f64,
        (c, false) => (c * CELL) as f64,
    };
    let corner = |cells: [usize; 3], is_high| std::array::from_fn(|axis| edge(axis, cells[axis], is_high));
    Some([corner(low, false), corner(high, true)])
}

/// Grows the visible set by one cell in all directions again and again, counting how long each cell stays outside.
fn distances(visible: Vec<u8>, cells: [usize; 3]) -> Vec<u8> {
    let [cx, cy, _] = cells;
    let mut grown = visible;
    let mut distances = vec![0u8; grown.len()];
    let mut before = Vec::new();
    for _ in 0..MAX_DISTANCE {
        let mut is_full = true;
        for (distance, &g) in distances.iter_mut().zip(&grown) {
            *distance += u8::from(g == 0);
            is_full &= g != 0;
        }
        if is_full {
            break;
        }
        for row in grown.chunks_exact_mut(cx) {
            before.clear();
            before.extend_from_slice(row);
            merge(&mut row[1..], &before[..cx - 1]);
            merge(&mut row[..cx - 1], &before[1..]);
        }
        for slice in grown.chunks_exact_mut(cx * cy) {
            before.clear();
            before.extend_from_slice(slice);
            merge(&mut slice[cx..], &before[..cx * cy - cx]);
            merge(&mut slice[..cx * cy - cx], &before[cx..]);
        }
        let (slice, all) = (cx * cy, grown.len());
        before.clear();
        before.extend_from_slice(&grown);
        merge(&mut grown[slice..], &before[..all - slice]);
        merge(&mut grown[..all - slice], &before[slice..]);
    }
    distances
}

fn merge(into: &mut [u8], other: &[u8]) {
    for (a, &b) in into.iter_mut().zip(other) {
        *a |= b;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_nearest_visible_cell_in_the_chebyshev_sense() {
        let cells = [7, 5, 4];
        let seeds = [[0usize, 0, 0], [6, 3, 1]];
        let mut visible = vec![0; 7 * 5 * 4];
        for [x, y, z] in seeds {
            visible[(z * 5 + y) * 7 + x] = 255;
        }
        let found = distances(visible, cells);
        for z in 0..4usize {
            for y in 0..5usize {
                for x in 0..7usize {
                    let to = |s: [usize; 3]| x.abs_diff(s[0]).max(y.abs_diff(s[1])).max(z.abs_diff(s[2]));
                    let expected = seeds.map(to).into_iter().min().unwrap();
                    assert_eq!(usize::from(found[(z * 5 + y) * 7 + x]), expected, "{x} {y} {z}");
                }
            }
        }
    }

    #[test]
    fn nothing_visible_is_far_away_everywhere() {
        assert_eq!(distances(vec![0; 8], [2, 2, 2]), [MAX_DISTANCE; 8]);
    }
}
