//! Maximum intensity projection of eight rays at once.
#![expect(unsafe_code, reason = "cells are read without bounds checks after clamping the index")]

use super::bricks::Needed;
use super::grid::{CELL_SHIFT, Grid};
use super::lanes::{Lanes, WIDTH};
use super::patch::{PAIR_ONE, PatchSampler};
use super::rays::Packet;
use super::traverse::Traverse;
use crate::scene::GreyMapping;

/// Steps between bounds looked at in the first, sparse walk.
const SPARSE: i32 = 20;
/// Samples looked at around a neighbour's maximum before anything else.
const NEARBY: [i32; 3] = [0, -4, 4];
/// Samples looked at around the place with the highest bound.
const AROUND: [i32; 4] = [-6, 0, 6, 12];
/// Samples taken before cells are asked again.
const RUN: usize = 3;
/// Samples ahead of the current one whose voxels are asked for early.
const AHEAD: i32 = RUN as i32 + 1;
/// Lanes that must have something to sample, while others are still leaping.
const FULL: u32 = 4;

/// What all packets of a projection share.
#[derive(Debug)]
pub(crate) struct MipView<'a> {
    pub(crate) grid: &'a Grid,
    /// Highest sample of each [`mip_cells`] cell, times the sign of the rescale slope.
    pub(crate) bounds: &'a [f32],
    /// Highest sample of each cell of the grid, or the lowest if the sign is negative; two's complement.
    fine_bounds: &'a [u16],
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

/// The bricks that hold signed samples above `floor`.
pub(crate) fn needed(grid: &Grid, floor: f32) -> Needed {
    let is_inverted = grid.rescale.slope < 0.0;
    let highest = |cell: usize| {
        if is_inverted { -f32::from(grid.lows[cell]) } else { f32::from(grid.highs[cell]) }
    };
    Needed {
        bricks: grid.bricks_with(|cell| highest(cell) * PAIR_ONE > floor),
        blank: Some(if is_inverted { i16::MAX } else { i16::MIN }),
    }
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
            fine_bounds: bytemuck::cast_slice(if sign < 0.0 { &grid.lows } else { &grid.highs }),
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
    // The most promising place first: a high value found early lets the second walk leap over nearly everything.
    let mut best = l.float(f32::NEG_INFINITY);
    let mut best_at = first;
    loop {
        let active = traverse.active();
        if l.mask_bits(active) == 0 {
            break;
        }
        let place = sampler.place(traverse.position());
        let bound = traverse.bound(sampler, &place, view.bounds);
        let better = l.and(active, l.lt(best, bound));
        best = l.select(better, bound, best);
        best_at = l.iselect(better, traverse.number(), best_at);
        traverse.advance(SPARSE);
    }
    for shift in AROUND {
        traverse.rewind(l.imax(l.iadd(best_at, l.int(shift)), first));
        let place = sampler.place(traverse.position());
        let value = l.mul(sampler.sample(&place).0, sign);
        let higher = l.and(traverse.active(), l.lt(highest, value));
        highest = l.select(higher, value, highest);
        at = l.iselect(higher, traverse.number(), at);
    }
    traverse.rewind(first);
    traverse.stop(l.lt(l.float(view.top), highest));
    let fine_cells = [l.int(view.grid.cells[0] as i32), l.int(view.grid.cells[1] as i32)];
    let unit = l.float(view.sign * PAIR_ONE);
    loop {
        let active = traverse.active();
        if l.mask_bits(active) == 0 {
            break;
        }
        let place = sampler.place(traverse.position());
        let bound = traverse.bound(sampler, &place, view.bounds);
        let promising = l.and(active, l.lt(highest, bound));
        let mut hidden = l.and_not(active, promising);
        let mut sampled = promising;
        if l.mask_bits(promising) != 0 {
            let cell = sampler.cell::<CELL_SHIFT>(&place, fine_cells);
            // SAFETY: places are clamped to the volume, and the grid's cells cover it.
            let word = unsafe { l.gather_u16(view.fine_bounds, cell) };
            let bound = l.mul(l.to_float(l.shr::<16>(l.shl::<16>(word))), unit);
            sampled = l.and(promising, l.lt(highest, bound));
            hidden = l.and_not(active, sampled);
        }
        if l.mask_bits(hidden) != 0 {
            // A promising cell that is none in this part of it: only the octant is left, which is a cell of the grid.
            traverse.leap(&place, l.and_not(l.int(1), promising), hidden);
            if l.mask_bits(sampled).count_ones() < FULL {
                continue;
            }
        }
        sampler.prefetch(&sampler.place(traverse.position_after(AHEAD)));
        let mut values = [highest; RUN];
        for (step, value) in values.iter_mut().enumerate() {
            let place = sampler.place(traverse.position_after(step as i32));
            *value = l.mul(sampler.sample(&place).0, sign);
        }
        for value in values {
            let taken = l.and(sampled, traverse.active());
            let higher = l.and(taken, l.lt(highest, value));
            highest = l.select(higher, value, highest);
            at = l.iselect(higher, traverse.number(), at);
            traverse.step(taken);
        }
        traverse.stop(l.lt(l.float(view.top), highest));
    }
    *peak = l.int_array(at);
    l.float_array(highest)
}
