//! Trilinear samples and gradients of [`Bricks`] at eight places at once.
//!
//! Along x, a pair of neighbours is weighted with one 16-bit multiply-add, so values are exact to 2⁻¹⁵ of the
//! difference between two voxels; y and z are in `f32`. Results are lane values times [`PAIR_ONE`].
#![expect(unsafe_code, reason = "voxels are read without bounds checks after clamping the index")]

use super::bricks::{Bricks, ROW, SLICE, STRIDE};
use super::lanes::{Lanes, axes};

/// A weight of one in the 16-bit multiply-add.
pub(crate) const PAIR_ONE: f32 = 16384.0;

/// Last voxel of a brick at which a patch starts.
const LAST: i32 = STRIDE as i32 - 1;

/// Reads one time point.
pub(crate) struct PatchSampler<'a, L: Lanes> {
    l: L,
    samples: &'a [i16],
    /// What the step into the next brick adds to the step within a brick, along each axis.
    jumps: [L::I; 3],
    last: [L::F; 3],
    last_base: [L::I; 3],
}

/// Where a sample lies: the lowest of its eight voxels and the weights of the others.
#[derive(Clone, Copy)]
pub(crate) struct Place<L: Lanes> {
    /// The clamped continuous index.
    pub(crate) p: [L::F; 3],
    /// Index of the lowest corner.
    pub(crate) base: [L::I; 3],
}

/// The four rows of a trilinear patch, already interpolated along x.
#[derive(Clone, Copy)]
struct Rows<L: Lanes> {
    y0z0: L::F,
    y1z0: L::F,
    y0z1: L::F,
    y1z1: L::F,
}

/// A patch at hand: everything that value and gradient share.
#[derive(Clone, Copy)]
pub(crate) struct Patch<L: Lanes> {
    index: L::I,
    /// Voxel within its brick, along each axis.
    local: [L::I; 3],
    weights_x: L::I,
    fy: L::F,
    fz: L::F,
    rows: Rows<L>,
    z0: L::F,
    z1: L::F,
}

impl<'a, L: Lanes> PatchSampler<'a, L> {
    #[inline(always)]
    pub(crate) fn new(l: L, bricks: &'a Bricks) -> Self {
        let dims = bricks.dims();
        let within = [1, ROW, SLICE];
        Self {
            l,
            samples: bricks.samples(),
            jumps: axes!(axis => l.int((bricks.strides()[axis] - STRIDE * within[axis]) as i32)),
            last: axes!(axis => l.float((dims[axis] - 1) as f32)),
            last_base: axes!(axis => l.int(dims[axis].saturating_sub(2) as i32)),
        }
    }

    /// Clamps a continuous index to the outer voxel centres; NaN becomes 0.
    #[inline(always)]
    pub(crate) fn place(&self, position: [L::F; 3]) -> Place<L> {
        let l = self.l;
        let p = axes!(axis => l.min(l.max(position[axis], l.float(0.0)), self.last[axis]));
        Place { p, base: axes!(axis => l.imin(l.truncate(p[axis]), self.last_base[axis])) }
    }

    /// Index of the cell of `2^SHIFT` voxels a place lies in, for a grid with `cells` cells along x and y.
    #[inline(always)]
    pub(crate) fn cell<const SHIFT: i32>(&self, place: &Place<L>, cells: [L::I; 2]) -> L::I {
        let l = self.l;
        let [x, y, z] = axes!(axis => l.shr::<SHIFT>(place.base[axis]));
        l.iadd(l.imul(l.iadd(l.imul(z, cells[1]), y), cells[0]), x)
    }

    /// Pairs at `index + offset`, weighted along x.
    ///
    /// # Safety
    /// Two samples must be readable there for each lane.
    #[inline(always)]
    unsafe fn row_at(&self, index: L::I, offset: usize, weights: L::I) -> L::F {
        let l = self.l;
        // SAFETY: the caller promises that each sum stays inside; wrapping only forms the base of the sum.
        let pairs = unsafe { l.gather_pairs(self.samples.as_ptr().wrapping_add(offset), index) };
        l.to_float(l.mul_add_pairs(pairs, weights))
    }

    /// The four rows of the patches at `index`.
    ///
    /// # Safety
    /// Each index must be that of a patch.
    #[inline(always)]
    unsafe fn rows(&self, index: L::I, weights: L::I) -> Rows<L> {
        // SAFETY: a patch lies inside one brick.
        unsafe {
            Rows {
                y0z0: self.row_at(index, 0, weights),
                y1z0: self.row_at(index, ROW, weights),
                y0z1: self.row_at(index, SLICE, weights),
                y1z1: self.row_at(index, SLICE + ROW, weights),
            }
        }
    }

    /// Offset of the patches at a place, and their voxels within their bricks.
    #[inline(always)]
    fn index(&self, place: &Place<L>) -> (L::I, [L::I; 3]) {
        let l = self.l;
        let base = axes!(axis => l.to_float(place.base[axis]));
        // Half a voxel keeps rounding away from whole bricks; exact below 2²⁰ voxels.
        let brick = axes!(axis => {
            let share = l.float(1.0 / STRIDE as f32);
            l.truncate(l.mul_add(base[axis], share, l.float(0.5 / STRIDE as f32)))
        });
        let jump = axes!(axis => l.imul(brick[axis], self.jumps[axis]));
        let [x, y, z] = place.base;
        let within = l.iadd(x, l.iadd(l.shl::<3>(y), l.shl::<6>(z)));
        let index = l.iadd(l.iadd(within, jump[0]), l.iadd(jump[1], jump[2]));
        let local = axes!(axis => l.isub(place.base[axis], l.imul(brick[axis], l.int(STRIDE as i32))));
        (index, local)
    }

    /// Asks for the patches at a place, which will be read soon.
    #[inline(always)]
    pub(crate) fn prefetch(&self, place: &Place<L>) {
        let (index, _) = self.index(place);
        self.l.prefetch(self.samples.as_ptr(), index);
        self.l.prefetch(self.samples.as_ptr().wrapping_add(SLICE + ROW), index);
    }

    /// Trilinear values at a place, and what a gradient there needs.
    #[inline(always)]
    pub(crate) fn sample(&self, place: &Place<L>) -> (L::F, Patch<L>) {
        let l = self.l;
        let (index, local) = self.index(place);
        let base = axes!(axis => l.to_float(place.base[axis]));
        let [fx, fy, fz] = axes!(axis => l.sub(place.p[axis], base[axis]));
        let wx = l.truncate(l.mul_add(fx, l.float(PAIR_ONE), l.float(0.5)));
        let weights_x = l.or(l.isub(l.int(PAIR_ONE as i32), wx), l.shl::<16>(wx));
        // SAFETY: `place` keeps 0 <= base <= max(n - 2, 0) on each axis, and bricks cover all these patches.
        let rows = unsafe { self.rows(index, weights_x) };
        let z0 = lerp(l, rows.y0z0, rows.y1z0, fy);
        let z1 = lerp(l, rows.y0z1, rows.y1z1, fy);
        (lerp(l, z0, z1, fz), Patch { index, local, weights_x, fy, fz, rows, z0, z1 })
    }

    /// Difference of the samples one voxel after and before along each index axis.
    ///
    /// Samples are clamped to the outer voxel centres, as in the reference.
    #[inline(always)]
    pub(crate) fn differences(&self, place: &Place<L>, patch: &Patch<L>, wanted: u32) -> [L::F; 3] {
        let l = self.l;
        let mut inside = l.int(-1);
        for axis in 0..3 {
            let b = place.base[axis];
            let near = l.and(l.ilt(l.int(0), b), l.ilt(b, self.last_base[axis]));
            inside = l.and(inside, near);
        }
        if wanted != 0 && l.mask_bits(inside) & wanted == wanted {
            // SAFETY: lanes outside `inside` are moved to patch 0 and by nothing; the others have neighbours.
            unsafe { self.inner_differences(inside, patch) }
        } else {
            self.border_differences(place)
        }
    }

    /// # Safety
    /// For lanes of `inside`, `1 <= base <= n - 3` must hold on each axis.
    #[inline(always)]
    unsafe fn inner_differences(&self, inside: L::I, patch: &Patch<L>) -> [L::F; 3] {
        let l = self.l;
        let Patch { index, local, weights_x: w, fy, fz, rows, z0, z1 } = *patch;
        let steps = [1, ROW as i32, SLICE as i32];
        // Indices of the patches one voxel before and after along each axis.
        let before = axes!(axis => {
            let jump = l.and(l.ieq(local[axis], l.int(0)), self.jumps[axis]);
            l.isub(index, l.and(inside, l.iadd(l.int(steps[axis]), jump)))
        });
        let after = axes!(axis => {
            let jump = l.and(l.ieq(local[axis], l.int(LAST)), self.jumps[axis]);
            l.iadd(index, l.and(inside, l.iadd(l.int(steps[axis]), jump)))
        });
        // SAFETY: the caller promises that the neighbours of an inner patch exist; other lanes stay at their patch.
        unsafe {
            let (low, high) = (self.rows(before[0], w), self.rows(after[0], w));
            let dx = l.sub(bilinear(l, &high, fy, fz), bilinear(l, &low, fy, fz));
            // The neighbour before ends where the patch begins, so two of its rows suffice; likewise after.
            let (low, high) = (self.row_at(before[1], 0, w), self.row_at(after[1], ROW, w));
            let dy0 = lerp(l, l.sub(rows.y1z0, low), l.sub(high, rows.y0z0), fy);
            let (low, high) = (self.row_at(before[1], SLICE, w), self.row_at(after[1], SLICE + ROW, w));
            let dy1 = lerp(l, l.sub(rows.y1z1, low), l.sub(high, rows.y0z1), fy);
            let low = lerp(l, self.row_at(before[2], 0, w), self.row_at(before[2], ROW, w), fy);
            let high = lerp(l, self.row_at(after[2], SLICE, w), self.row_at(after[2], SLICE + ROW, w), fy);
            let dz = lerp(l, l.sub(z1, low), l.sub(high, z0), fz);
            [dx, lerp(l, dy0, dy1, fz), dz]
        }
    }

    #[inline(always)]
    fn border_differences(&self, place: &Place<L>) -> [L::F; 3] {
        axes!(axis => self.l.sub(self.moved(place, axis, 1.0), self.moved(place, axis, -1.0)))
    }

    /// The sample `by` voxels further along an axis.
    #[inline(always)]
    fn moved(&self, place: &Place<L>, axis: usize, by: f32) -> L::F {
        let mut p = place.p;
        p[axis] = self.l.add(p[axis], self.l.float(by));
        self.sample(&self.place(p)).0
    }
}

#[inline(always)]
fn bilinear<L: Lanes>(l: L, rows: &Rows<L>, fy: L::F, fz: L::F) -> L::F {
    lerp(l, lerp(l, rows.y0z0, rows.y1z0, fy), lerp(l, rows.y0z1, rows.y1z1, fy), fz)
}

#[inline(always)]
pub(crate) fn lerp<L: Lanes>(l: L, a: L::F, b: L::F, t: L::F) -> L::F {
    l.mul_add(l.sub(b, a), t, a)
}
