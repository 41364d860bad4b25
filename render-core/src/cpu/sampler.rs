//! Trilinear samples of a volume as it is stored, at eight places at once, in full `f32` precision; for slices.
#![expect(unsafe_code, reason = "voxels are read without bounds checks after clamping the index")]

use super::lanes::{Lanes, PairSample, axes};
use super::patch::lerp;

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
    last_base: [L::I; 3],
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
            last_base: axes!(axis => l.int(dims[axis].saturating_sub(2) as i32)),
        })
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
}
