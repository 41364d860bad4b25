//! Maximum intensity projection of eight rays at once.

use super::grid::{CELL_SHIFT, Grid};
use super::lanes::{Lanes, WIDTH};
use super::patch::{PAIR_ONE, PatchSampler};
use super::rays::Packet;
use super::traverse::Traverse;
use crate::scene::GreyMapping;

/// Steps between samples of the first, sparse walk.
const SPARSE: i32 = 24;
/// Samples looked at around a neighbour's maximum before anything else.
const NEARBY: [i32; 3] = [0, -4, 4];
/// Samples taken before cells are asked again.
const RUN: usize = 2;

/// What all packets of a projection share.
#[derive(Debug)]
pub(crate) struct MipView<'a> {
    pub(crate) grid: &'a Grid,
    /// Highest sample of each [`mip_cells`] cell, times the sign of the rescale slope.
    pub(crate) bounds: &'a [f32],
    /// Sample values times this are higher for higher modality values.
    pub(crate) sign: f32,
    /// Signed samples at or below this are black anyway, those at or above `top` white.
    pub(crate) floor: f32,
    pub(crate) top: f32,
}

/// A projection asks cells of `2^MIP_SHIFT` voxels: larger than the grid's, since a leap crosses only one.
const MIP_SHIFT: i32 = CELL_SHIFT + 1;

/// Counts of the cells a projection asks: two of the grid's in each direction.
fn mip_cells(grid: &Grid) -> [usize; 3] {
    grid.cells.map(|n| n.div_ceil(2))
}

/// Highest signed sample of each [`mip_cells`] cell.
pub(crate) fn cell_bounds(grid: &Grid) -> Vec<f32> {
    let [nx, ny, _] = grid.cells;
    let [mx, my, mz] = mip_cells(grid);
    let mut bounds = vec![f32::NEG_INFINITY; mx * my * mz];
    for (row, (lows, highs)) in grid.lows.chunks_exact(nx).zip(grid.highs.chunks_exact(nx)).enumerate() {
        let first = ((row / ny / 2) * my + row % ny / 2) * mx;
        for (x, (&low, &high)) in lows.iter().zip(highs).enumerate() {
            let signed = if grid.rescale.slope < 0.0 { -f32::from(low) } else { f32::from(high) };
            let bound = &mut bounds[first + x / 2];
            *bound = bound.max(signed * PAIR_ONE);
        }
    }
    bounds
}

impl<'a> MipView<'a> {
    pub(crate) fn new(grid: &'a Grid, bounds: &'a [f32], grey: &GreyMapping) -> Self {
        let sign = if grid.rescale.slope < 0.0 { -1.0 } else { 1.0 };
        // Signed sample of a display value in 0..=1, for windows that are straight lines.
        let signed = |display: f64| {
            let (scale, offset) = grey.window.scale_offset()?;
            let modality = (display - offset) / scale;
            let lane = (modality - grid.rescale.intercept) / grid.rescale.slope;
            let sample = (lane * f64::from(PAIR_ONE)) as f32 * sign;
            sample.is_finite().then_some(sample)
        };
        let is_constant = grid.rescale.slope == 0.0;
        let limit = |display: f64, otherwise: f32| {
            if is_constant { otherwise } else { signed(display).unwrap_or(otherwise) }
        };
        Self {
            grid,
            bounds,
            sign,
            floor: limit(-1e-6, f32::NEG_INFINITY),
            top: limit(1.0 + 1e-6, f32::INFINITY),
        }
    }

    /// Modality value of a signed sample.
    pub(crate) fn modality(&self, signed: f32) -> f64 {
        self.grid.rescale.apply(f64::from(signed * self.sign) / f64::from(PAIR_ONE))
    }
}

/// Highest signed sample along each ray, at least the view's floor.
///
/// `peak` is a sample number near which a neighbouring ray had its maximum; it is only looked at first, and becomes
/// that of this packet.
#[inline(always)]
pub(crate) fn maximum<L: Lanes>(
    l: L,
    view: &MipView<'_>,
    sampler: &PatchSampler<'_, L>,
    packet: &Packet,
    peak: &mut [i32; WIDTH],
) -> [f32; WIDTH] {
    let mut traverse = Traverse::<L, MIP_SHIFT>::new(l, mip_cells(view.grid), packet);
    let sign = l.float(view.sign);
    let mut highest = l.float(view.floor);
    let first = l.ints(&packet.first);
    let mut at = l.ints(peak);
    for shift in NEARBY {
        traverse.rewind(l.imax(l.iadd(l.ints(peak), l.int(shift)), first));
        let place = sampler.place(traverse.position());
        let value = l.mul(sampler.sample(&place).0, sign);
        let higher = l.and(traverse.active(), l.lt(highest, value));
        highest = l.select(higher, value, highest);
        at = l.iselect(higher, traverse.number(), at);
    }
    traverse.rewind(first);
    traverse.stop(l.lt(l.float(view.top), highest));
    // A sparse walk first: a high value found early lets the second walk leap over nearly everything.
    loop {
        let active = traverse.active();
        if l.mask_bits(active) == 0 {
            break;
        }
        let place = sampler.place(traverse.position());
        let value = l.mul(sampler.sample(&place).0, sign);
        let higher = l.and(active, l.lt(highest, value));
        highest = l.select(higher, value, highest);
        at = l.iselect(higher, traverse.number(), at);
        traverse.advance(SPARSE);
    }
    traverse.rewind(first);
    traverse.stop(l.lt(l.float(view.top), highest));
    loop {
        let active = traverse.active();
        if l.mask_bits(active) == 0 {
            break;
        }
        let mut place = sampler.place(traverse.position());
        let bound = traverse.bound(sampler, &place, view.bounds);
        let promising = l.and(active, l.lt(highest, bound));
        traverse.leap(&place, l.int(1), l.and_not(active, promising));
        if l.mask_bits(promising) == 0 {
            continue;
        }
        for step in 0..RUN {
            if step > 0 {
                place = sampler.place(traverse.position());
            }
            let sampled = l.and(promising, traverse.active());
            let value = l.mul(sampler.sample(&place).0, sign);
            let higher = l.and(sampled, l.lt(highest, value));
            highest = l.select(higher, value, highest);
            at = l.iselect(higher, traverse.number(), at);
            traverse.step(sampled);
        }
        traverse.stop(l.lt(l.float(view.top), highest));
    }
    *peak = l.int_array(at);
    l.float_array(highest)
}
