//! Walks eight rays in whole steps, each at its own pace, leaping over cells that show nothing.
//!
//! Samples stay on the ray's own lattice, so skipping changes no picture.
#![expect(unsafe_code, reason = "cells are read without bounds checks after clamping the index")]

use super::lanes::{Lanes, PairSample, axes};
use super::rays::Packet;
use super::sampler::{Place, Sampler};

/// Eight rays on their way through cells of `2^SHIFT` voxels.
pub(crate) struct Traverse<L: Lanes, const SHIFT: i32> {
    l: L,
    start: [L::F; 3],
    delta: [L::F; 3],
    /// Steps per voxel along each axis, signed.
    inverse_delta: [L::F; 3],
    /// Edge of a leap of `d` cells from its lowest corner: `d * edge_scale + edge_bias` voxels.
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

    /// Distances of the cells at a place.
    #[inline(always)]
    pub(crate) fn distance<S: PairSample>(
        &self,
        sampler: &Sampler<'_, L, S>,
        place: &Place<L>,
        distances: &[u8],
    ) -> L::I {
        debug_assert!(distances.len() == self.cell_count);
        let cell = sampler.cell::<SHIFT>(place, self.cells);
        // SAFETY: places are clamped to the volume, and the grid's cells cover it.
        unsafe { self.l.gather_bytes(distances, cell) }
    }

    /// Bounds of the cells at a place.
    #[inline(always)]
    pub(crate) fn bound<S: PairSample>(
        &self,
        sampler: &Sampler<'_, L, S>,
        place: &Place<L>,
        bounds: &[f32],
    ) -> L::F {
        debug_assert!(bounds.len() == self.cell_count);
        let cell = sampler.cell::<SHIFT>(place, self.cells);
        // SAFETY: places are clamped to the volume, and the grid's cells cover it.
        unsafe { self.l.gather_floats(bounds, cell) }
    }

    /// Whole steps until the ray has left all cells nearer than `distance` (1: its own cell); at least 1.
    #[inline(always)]
    fn steps_to_leave(&self, place: &Place<L>, distance: L::I) -> L::I {
        let l = self.l;
        let d = l.to_float(distance);
        let [x, y, z] = axes!(axis => {
            let corner = l.shl::<SHIFT>(l.shr::<SHIFT>(place.base[axis]));
            let edge = l.mul_add(d, self.edge_scale[axis], self.edge_bias[axis]);
            let way = l.sub(l.add(l.to_float(corner), edge), place.p[axis]);
            l.mul(way, self.inverse_delta[axis])
        });
        let steps = l.min(l.min(x, y), z);
        // The margin keeps rounding from leaping over a sample just behind the edge.
        let steps = l.ceil(l.sub(steps, l.float(1e-3)));
        l.truncate(l.min(l.max(steps, l.float(1.0)), l.float(1e6)))
    }

    /// Moves the rays out of their empty surroundings, except those that `stay`.
    #[inline(always)]
    pub(crate) fn leap(&mut self, place: &Place<L>, distance: L::I, stay: L::I) {
        let l = self.l;
        if l.mask_bits(stay) == 0xff {
            return;
        }
        let steps = self.steps_to_leave(place, l.imax(distance, l.int(1)));
        // Rays at their end stay there, or they might wrap around.
        self.k = l.iadd(self.k, l.and(l.and_not(steps, stay), self.active()));
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
