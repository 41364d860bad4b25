//! Maximum intensity projection of eight rays at once.

use super::grid::Grid;
use super::lanes::{Lanes, PairSample, WIDTH};
use super::rays::Packet;
use super::sampler::{PAIR_ONE, Sampler};
use super::traverse::Traverse;
use crate::scene::GreyMapping;

/// Steps between samples of the first, sparse walk.
const SPARSE: i32 = 12;
/// Samples taken before cells are asked again.
const RUN: usize = 2;

/// What all packets of a projection share.
#[derive(Debug)]
pub(crate) struct MipView<'a> {
    pub(crate) grid: &'a Grid,
    /// Highest sample of each cell, times the sign of the rescale slope.
    pub(crate) bounds: &'a [f32],
    /// Sample values times this are higher for higher modality values.
    pub(crate) sign: f32,
    /// Signed samples at or below this are black anyway, those at or above `top` white.
    pub(crate) floor: f32,
    pub(crate) top: f32,
}

/// Highest signed sample of each cell of a grid.
pub(crate) fn cell_bounds(grid: &Grid) -> Vec<f32> {
    let of = |lane: i16| f32::from(lane) * PAIR_ONE;
    if grid.rescale.slope < 0.0 {
        grid.lows.iter().map(|&v| -of(v)).collect()
    } else {
        grid.highs.iter().map(|&v| of(v)).collect()
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
#[inline(always)]
pub(crate) fn maximum<L: Lanes, S: PairSample>(
    l: L,
    view: &MipView<'_>,
    sampler: &Sampler<'_, L, S>,
    packet: &Packet,
) -> [f32; WIDTH] {
    let mut traverse = Traverse::new(l, view.grid, packet);
    let sign = l.float(view.sign);
    let mut highest = l.float(view.floor);
    // A sparse walk first: a high value found early lets the second walk leap over nearly everything.
    loop {
        let active = traverse.active();
        if l.mask_bits(active) == 0 {
            break;
        }
        let place = sampler.place(traverse.position());
        let value = l.mul(sampler.sample(&place).0, sign);
        highest = l.select(active, l.max(value, highest), highest);
        traverse.advance(SPARSE);
    }
    traverse.rewind(l.ints(&packet.first));
    traverse.stop(l.lt(l.float(view.top), highest));
    loop {
        let active = traverse.active();
        if l.mask_bits(active) == 0 {
            break;
        }
        let mut place = sampler.place(traverse.position());
        let bound = traverse.bound(sampler, &place, view.bounds);
        let promising = l.and(active, l.lt(highest, bound));
        traverse.leap(&place, l.int(1), promising);
        if l.mask_bits(promising) == 0 {
            continue;
        }
        for step in 0..RUN {
            if step > 0 {
                place = sampler.place(traverse.position());
            }
            let sampled = l.and(promising, traverse.active());
            let value = l.mul(sampler.sample(&place).0, sign);
            highest = l.select(sampled, l.max(value, highest), highest);
            traverse.step(sampled);
        }
        traverse.stop(l.lt(l.float(view.top), highest));
    }
    l.float_array(highest)
}
