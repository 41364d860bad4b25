//! Trilinear samples and gradients at eight places at once.
//!
//! Along x, a pair of neighbours is weighted with one 16-bit multiply-add, so values are exact to 2⁻¹⁵ of the
//! difference between two voxels; y and z are in `f32`. Results are lane values times [`PAIR_ONE`].
#![expect(unsafe_code, reason = "voxels are read without bounds checks after clamping the index")]

use super::lanes::{Lanes, PairSample, axes};

/// A weight of one in the 16-bit multiply-add.
pub(crate) const PAIR_ONE: f32 = 16384.0;

/// Reads one time point.
pub(crate) struct Sampler<'a, L: Lanes, S> {
    l: L,
    samples: &'a [S],
    /// Offset of the next row, 0 if there is only one.
    row: usize,
    /// Offset of the next slice, 0 if there is only one.
    slice: usize,
    nx: L::I,
    ny: L::I,
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
    weights_x: L::I,
    fy: L::F,
    fz: L::F,
    rows: Rows<L>,
    z0: L::F,
    z1: L::F,
}

impl<'a, L: Lanes, S: PairSample> Sampler<'a, L, S> {
    /// `None` unless there are `dims` samples, at least two along x, and offsets fit 31 bits.
    #[inline(always)]
    pub(crate) fn new(l: L, samples: &'a [S], dims: [usize; 3]) -> Option<Self> {
        let [nx, ny, nz] = dims;
        let count = nx.checked_mul(ny)?.checked_mul(nz)?;
        if nx < 2 || ny < 1 || nz < 1 || count != samples.len() || count > i32::MAX as usize {
            return None;
        }
        Some(Self {
            l,
            samples,
            row: if ny > 1 { nx } else { 0 },
            slice: if nz > 1 { nx * ny } else { 0 },
            nx: l.int(nx as i32),
            ny: l.int(ny as i32),
            last: axes!(axis => l.float((dims[axis] - 1) as f32)),
            last_base: axes!(axis => l.int(dims[axis].saturating_sub(2) as i32)),
        })
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
    unsafe fn row_at(&self, index: L::I, offset: isize, weights: L::I) -> L::F {
        let l = self.l;
        // SAFETY: the caller promises that each sum stays inside; wrapping only forms the base of the sum.
        let pairs = unsafe { l.gather_pairs(self.samples.as_ptr().wrapping_offset(offset), index) };
        l.to_float(l.mul_add_pairs(pairs, weights))
    }

    /// Trilinear values at a place, and what a gradient there needs.
    #[inline(always)]
    pub(crate) fn sample(&self, place: &Place<L>) -> (L::F, Patch<L>) {
        let l = self.l;
        let index = self.index(place.base);
        let [fx, fy, fz] = axes!(axis => l.sub(place.p[axis], l.to_float(place.base[axis])));
        let wx = l.truncate(l.mul_add(fx, l.float(PAIR_ONE), l.float(0.5)));
        let weights_x = l.or(l.isub(l.int(PAIR_ONE as i32), wx), l.shl::<16>(wx));
        let (row, slice) = (self.row as isize, self.slice as isize);
        // SAFETY: `place` keeps 0 <= base <= max(n - 2, 0) on each axis with n >= 2 along x, `row` and `slice` are 0
        // where n is 1, and `new` checked the length; so x + 1, y + row and z + slice all stay inside.
        let rows = unsafe {
            Rows::<L> {
                y0z0: self.row_at(index, 0, weights_x),
                y1z0: self.row_at(index, row, weights_x),
                y0z1: self.row_at(index, slice, weights_x),
                y1z1: self.row_at(index, slice + row, weights_x),
            }
        };
        let z0 = lerp(l, rows.y0z0, rows.y1z0, fy);
        let z1 = lerp(l, rows.y0z1, rows.y1z1, fy);
        (lerp(l, z0, z1, fz), Patch { index, weights_x, fy, fz, rows, z0, z1 })
    }

    /// Trilinear lane values in full `f32` precision, not scaled.
    ///
    /// # Safety
    /// `0 <= base <= max(n - 2, 0)` must hold on each axis.
    #[inline(always)]
    pub(crate) unsafe fn exact(&self, base: [L::I; 3], [fx, fy, fz]: [L::F; 3]) -> L::F {
        let l = self.l;
        let index = self.index(base);
        let (row, slice) = (self.row as isize, self.slice as isize);
        // SAFETY: as in `sample`, with the base promised by the caller.
        unsafe {
            let y0z0 = self.exact_row(index, 0, fx);
            let y1z0 = self.exact_row(index, row, fx);
            let y0z1 = self.exact_row(index, slice, fx);
            let y1z1 = self.exact_row(index, slice + row, fx);
            lerp(l, lerp(l, y0z0, y1z0, fy), lerp(l, y0z1, y1z1, fy), fz)
        }
    }

    /// Asks for patches that will be read soon; any base will do.
    #[inline(always)]
    pub(crate) fn prefetch(&self, base: [L::I; 3]) {
        let index = self.index(base);
        let samples = self.samples.as_ptr();
        self.l.prefetch(samples, index);
        // The other two rows are mostly those of the neighbours.
        self.l.prefetch(samples.wrapping_add(self.row + self.slice), index);
    }

    /// # Safety
    /// Two samples must be readable at `index + offset` for each lane.
    #[inline(always)]
    unsafe fn exact_row(&self, index: L::I, offset: isize, fx: L::F) -> L::F {
        let l = self.l;
        // SAFETY: promised by the caller.
        let pairs = unsafe { l.gather_pairs(self.samples.as_ptr().wrapping_offset(offset), index) };
        let low = l.to_float(l.shr::<16>(l.shl::<16>(pairs)));
        lerp(l, low, l.to_float(l.shr::<16>(pairs)), fx)
    }

    /// Lane values of single voxels.
    ///
    /// # Safety
    /// `0 <= voxel < n` must hold on each axis.
    #[inline(always)]
    pub(crate) unsafe fn voxel(&self, [x, y, z]: [L::I; 3]) -> L::F {
        let l = self.l;
        // A pair is read, so the last voxel of a row is the second of its pair.
        let base = l.imin(x, self.last_base[0]);
        let index = self.index([base, y, z]);
        // SAFETY: the base leaves room for the pair; the rest is promised by the caller.
        let pairs = unsafe { l.gather_pairs(self.samples.as_ptr(), index) };
        let first = l.shr::<16>(l.shl::<16>(pairs));
        l.to_float(l.iselect(l.ieq(base, x), first, l.shr::<16>(pairs)))
    }

    #[inline(always)]
    fn index(&self, [x, y, z]: [L::I; 3]) -> L::I {
        let l = self.l;
        l.iadd(l.imul(l.iadd(l.imul(z, self.ny), y), self.nx), x)
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
            // SAFETY: every wanted lane has 1 <= base <= n - 3 on each axis; there is such a lane, so each axis has
            // four voxels or more.
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
        let (row, slice) = (self.row as isize, self.slice as isize);
        // Lanes nobody wants read around the first inner voxel instead.
        let spare = l.int((1 + row + slice) as i32);
        let index = l.iselect(inside, patch.index, spare);
        let Patch { weights_x: w, fy, fz, rows, z0, z1, .. } = *patch;
        // SAFETY: the neighbours of an inner patch exist.
        unsafe {
            let dx0 = lerp(l, self.along_x(index, 0, w), self.along_x(index, row, w), fy);
            let dx1 = lerp(l, self.along_x(index, slice, w), self.along_x(index, slice + row, w), fy);
            let (before, after) = (self.row_at(index, -row, w), self.row_at(index, 2 * row, w));
            let dy0 = lerp(l, l.sub(rows.y1z0, before), l.sub(after, rows.y0z0), fy);
            let (before, after) =
                (self.row_at(index, slice - row, w), self.row_at(index, slice + 2 * row, w));
            let dy1 = lerp(l, l.sub(rows.y1z1, before), l.sub(after, rows.y0z1), fy);
            let before = lerp(l, self.row_at(index, -slice, w), self.row_at(index, row - slice, w), fy);
            let after = lerp(l, self.row_at(index, 2 * slice, w), self.row_at(index, 2 * slice + row, w), fy);
            let dz = lerp(l, l.sub(z1, before), l.sub(after, z0), fz);
            [lerp(l, dx0, dx1, fz), lerp(l, dy0, dy1, fz), dz]
        }
    }

    /// Difference of the pairs one voxel after and before.
    ///
    /// # Safety
    /// One sample before and two after `index + offset` must be readable for each lane.
    #[inline(always)]
    unsafe fn along_x(&self, index: L::I, offset: isize, weights: L::I) -> L::F {
        let l = self.l;
        // SAFETY: promised by the caller; wrapping only forms the base of the sum.
        let [before, after] =
            unsafe { l.gather_quads(self.samples.as_ptr().wrapping_offset(offset - 1), index) };
        l.to_float(l.isub(l.mul_add_pairs(after, weights), l.mul_add_pairs(before, weights)))
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
pub(crate) fn lerp<L: Lanes>(l: L, a: L::F, b: L::F, t: L::F) -> L::F {
    l.mul_add(l.sub(b, a), t, a)
}
