//! Walks eight rays in whole steps, each at its own pace, leaping over cells that show nothing.
//!
//! Samples stay on the ray's own lattice, so skipping changes no picture.
#![expect(unsafe_code, reason = "cells are read without bounds checks after clamping the index")]

use super::lanes::{Lanes, axes};
use super::patch::{PatchSampler, Place};
use super::rays::Packet;

/// Eight rays on their way through cells of `2^SHIFT` voxels.
pub(crate) struct Traverse<L: Lanes, const SHIFT: i32> {
    l: L,
    start: [L::F; 3],
    delta: [L::F; 3],
    /// Steps per voxel along each axis, signed.
    inverse_delta: [L::F; 3],
    /// Edge of a leap of `d` cells from its lowest corner: `d * edge_scale + edge_bias` voxels. Half the sum of both
    /// is the edge of an octant from that octant's lowest corner.
    edge_scale: [L::F; 3],
    edge_bias: [L::F; 3],
    k: L::I,
    end: L::I,
    cells: [L::I; 2],
    cell_count: usize,
}

impl<L: Lanes, const SHIFT: i32> Traverse<L, SHIFT> {
    #[inline(always)]
    pub(crate) fn new(l: L, cells: [usize; 3], packet: &Packet) -> Self {
        let start = axes!(axis => l.floats(&packet.start[axis]));
        let delta = axes!(axis => l.floats(&packet.delta[axis]));
        let zero = l.float(0.0);
        let cell = l.float((1 << SHIFT) as f32);
        let inverse_delta = axes!(axis => {
            let is_tiny = l.lt(l.abs(delta[axis]), l.float(1e-9));
            l.div(l.float(1.0), l.select(is_tiny, l.float(1e-9), delta[axis]))
        });
        let is_backward = axes!(axis => l.lt(inverse_delta[axis], zero));
        Self {
            l,
            start,
            delta,
            inverse_delta,
            edge_scale: axes!(axis => l.select(is_backward[axis], l.sub(zero, cell), cell)),
            edge_bias: axes!(axis => l.select(is_backward[axis], cell, zero)),
            k: l.ints(&packet.first),
            end: l.ints(&packet.end),
            cells: [l.int(cells[0] as i32), l.int(cells[1] as i32)],
            cell_count: cells.iter().product(),
        }
    }

    /// Mask of rays that have samples left.
    #[inline(always)]
    pub(crate) fn active(&self) -> L::I {
        self.l.ilt(self.k, self.end)
    }

    /// One past the last sample of each ray.
    #[inline(always)]
    pub(crate) fn end(&self) -> L::I {
        self.end
    }

    /// Number of the current sample of each ray.
    #[inline(always)]
    pub(crate) fn number(&self) -> L::I {
        self.k
    }

    /// Continuous index of the current sample of each ray.
    #[inline(always)]
    pub(crate) fn position(&self) -> [L::F; 3] {
        let l = self.l;
        let k = l.to_float(self.k);
        axes!(axis => l.mul_add(k, self.delta[axis], self.start[axis]))
    }

    /// Continuous index some samples after the current one of each ray.
    #[inline(always)]
    pub(crate) fn position_after(&self, samples: i32) -> [L::F; 3] {
        let l = self.l;
        let k = l.to_float(l.iadd(self.k, l.int(samples)));
        axes!(axis => l.mul_add(k, self.delta[axis], self.start[axis]))
    }

    /// Words of a [`super::skip::SkipMap`] at a place.
    #[inline(always)]
    pub(crate) fn word(&self, sampler: &PatchSampler<'_, L>, place: &Place<L>, words: &[u16]) -> L::I {
        debug_assert!(words.len() == self.cell_count);
        let cell = sampler.cell::<SHIFT>(place, self.cells);
        // SAFETY: places are clamped to the volume, and the grid's cells cover it.
        unsafe { self.l.gather_u16(words, cell) }
    }

    /// Bounds of the cells at a place.
    #[inline(always)]
    pub(crate) fn bound(&self, sampler: &PatchSampler<'_, L>, place: &Place<L>, bounds: &[f32]) -> L::F {
        debug_assert!(bounds.len() == self.cell_count);
        let cell = sampler.cell::<SHIFT>(place, self.cells);
        // SAFETY: places are clamped to the volume, and the grid's cells cover it.
        unsafe { self.l.gather_floats(bounds, cell) }
    }

    /// Moves the rays of a mask out of all cells nearer than `distance`: 1 is their own cell, 0 only their octant of
    /// it. At least by one step.
    #[inline(always)]
    pub(crate) fn leap(&mut self, place: &Place<L>, distance: L::I, mask: L::I) {
        let l = self.l;
        let is_octant = l.ieq(distance, l.int(0));
        let d = l.to_float(distance);
        let half = l.float(0.5);
        let [x, y, z] = axes!(axis => {
            let base = place.base[axis];
            let of_cell = l.shl::<SHIFT>(l.shr::<SHIFT>(base));
            let of_octant = l.and(base, l.int(-(1 << (SHIFT - 1))));
            let corner = l.iselect(is_octant, of_octant, of_cell);
            let (scale, bias) = (self.edge_scale[axis], self.edge_bias[axis]);
            let edge = l.select(is_octant, l.mul(l.add(scale, bias), half), l.mul_add(d, scale, bias));
            let way = l.sub(l.add(l.to_float(corner), edge), place.p[axis]);
            l.mul(way, self.inverse_delta[axis])
        });
        let steps = l.min(l.min(x, y), z);
        // The margin keeps rounding from leaping over a sample just behind the edge.
        let steps = l.ceil(l.sub(steps, l.float(1e-3)));
        let steps = l.truncate(l.min(l.max(steps, l.float(1.0)), l.float(1e6)));
        self.k = l.iadd(self.k, l.and(steps, mask));
    }

    /// Moves the rays of a mask by one step.
    #[inline(always)]
    pub(crate) fn step(&mut self, mask: L::I) {
        self.k = self.l.isub(self.k, mask);
    }

    /// Moves the rays to given samples.
    #[inline(always)]
    pub(crate) fn rewind(&mut self, first: L::I) {
        self.k = first;
    }

    /// Moves all rays by some steps.
    #[inline(always)]
    pub(crate) fn advance(&mut self, steps: i32) {
        self.k = self.l.iadd(self.k, self.l.int(steps));
    }

    /// Ends the rays of a mask.
    #[inline(always)]
    pub(crate) fn stop(&mut self, mask: L::I) {
        let l = self.l;
        self.end = l.and_not(self.end, mask);
    }
}
