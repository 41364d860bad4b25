//! Trilinear samples and gradients of [`Bricks`] at eight places at once.
//!
//! Along x, a pair of neighbours is weighted with one 16-bit multiply-add, so values are exact to 2⁻¹⁵ of the
//! difference between two voxels; y and z are in `f32`. Results are lane values times [`PAIR_ONE`].
//!
//! A gradient is the difference of the samples one voxel further and one voxel back, which meet the same weights as
//! the sample itself. With what bricks repeat beyond the volume these samples are the clamped ones of the reference.
#![expect(unsafe_code, reason = "voxels are read without bounds checks after clamping the index")]

use super::bricks::{self, BrickTable, Bricks, ROW, SLICE, STRIDE_SHIFT};
use super::lanes::{Lanes, axes};

/// A weight of one in the 16-bit multiply-add.
pub(crate) const PAIR_ONE: f32 = 16384.0;

/// Offset of a patch from the first of its neighbours: one sample back along each axis.
const INNER: usize = 1 + ROW + SLICE;

/// Reads one time point.
pub(crate) struct PatchSampler<'a, L: Lanes> {
    l: L,
    samples: &'a [i16],
    /// See [`BrickTable`].
    offsets: &'a [i32],
    /// Bricks along x and y.
    bricks: [L::I; 2],
    last: [L::F; 3],
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

/// Where the voxels of a patch lie and what they count.
#[derive(Clone, Copy)]
pub(crate) struct Patch<L: Lanes> {
    /// Of the first neighbour.
    pub(crate) index: L::I,
    pub(crate) weights_x: L::I,
    pub(crate) fy: L::F,
    pub(crate) fz: L::F,
}

impl<'a, L: Lanes> PatchSampler<'a, L> {
    #[inline(always)]
    pub(crate) fn new(l: L, bricks: &'a Bricks, table: &'a BrickTable) -> Self {
        let dims = bricks.dims();
        assert!(table.dims() == dims, "a table is only good for bricks of the same volume");
        let [nx, ny, _] = bricks::counts(dims);
        Self {
            l,
            samples: bricks.samples(),
            offsets: &table.offsets,
            bricks: [l.int(nx as i32), l.int(ny as i32)],
            last: axes!(axis => l.float((dims[axis] - 1) as f32)),
        }
    }

    /// Clamps a continuous index to the outer voxel centres; NaN becomes 0.
    #[inline(always)]
    pub(crate) fn place(&self, position: [L::F; 3]) -> Place<L> {
        let l = self.l;
        let p = axes!(axis => l.min(l.max(position[axis], l.float(0.0)), self.last[axis]));
        Place { p, base: axes!(axis => l.truncate(p[axis])) }
    }

    /// Index of the cell of `2^SHIFT` voxels a place lies in, for a grid with `cells` cells along x and y.
    #[inline(always)]
    pub(crate) fn cell<const SHIFT: i32>(&self, place: &Place<L>, cells: [L::I; 2]) -> L::I {
        let l = self.l;
        let [x, y, z] = axes!(axis => l.shr::<SHIFT>(place.base[axis]));
        l.iadd(l.imul(l.iadd(l.imul(z, cells[1]), y), cells[0]), x)
    }

    /// Offset of the first neighbours of the patches at a place.
    #[inline(always)]
    fn index(&self, place: &Place<L>) -> L::I {
        let l = self.l;
        let brick = self.cell::<STRIDE_SHIFT>(place, self.bricks);
        // SAFETY: places are clamped to the volume, and the table has all of its bricks.
        let offset = unsafe { l.gather_ints(self.offsets, brick) };
        let [x, y, z] = place.base;
        let row = l.int(ROW as i32);
        l.iadd(l.iadd(l.imul(l.iadd(l.imul(z, row), y), row), x), offset)
    }

    /// Asks for the patches at a place, which will be read soon.
    #[inline(always)]
    pub(crate) fn prefetch(&self, place: &Place<L>) {
        let index = self.index(place);
        for row in [INNER, INNER + ROW, INNER + SLICE, INNER + SLICE + ROW] {
            self.l.prefetch(self.samples.as_ptr().wrapping_add(row), index);
        }
    }

    /// Asks for the voxels that [`PatchSampler::differences`] reads and [`PatchSampler::sample`] does not.
    #[inline(always)]
    pub(crate) fn prefetch_neighbours(&self, patch: &Patch<L>) {
        self.l.prefetch(self.samples.as_ptr().wrapping_add(INNER - SLICE), patch.index);
        self.l.prefetch(self.samples.as_ptr().wrapping_add(INNER + 2 * SLICE), patch.index);
    }

    /// The pair `offset` after the first neighbour, weighted along x.
    ///
    /// # Safety
    /// Two samples must be readable there for each lane.
    #[inline(always)]
    unsafe fn row(&self, patch: &Patch<L>, offset: usize) -> L::F {
        let l = self.l;
        // SAFETY: the caller promises that each sum stays inside; wrapping only forms the base of the sum.
        let pairs = unsafe { l.gather_pairs(self.samples.as_ptr().wrapping_add(offset), patch.index) };
        l.to_float(l.mul_add_pairs(pairs, patch.weights_x))
    }

    /// A row of the patch with its neighbours along x: the pair `offset` after the first neighbour weighted along x,
    /// and the difference of the pairs one voxel further and one voxel back.
    ///
    /// # Safety
    /// Two samples must be readable there for each lane, and one on either side of them.
    #[inline(always)]
    unsafe fn long_row(&self, patch: &Patch<L>, offset: usize) -> [L::F; 2] {
        let l = self.l;
        let first = self.samples.as_ptr().wrapping_add(offset - 1);
        // SAFETY: the caller promises that each sum stays inside; wrapping only forms the base of the sum.
        let [low, high] = unsafe { l.gather_quads(first, patch.index) };
        let middle = l.or(l.and(l.shr::<16>(low), l.int(0xffff)), l.shl::<16>(high));
        let w = patch.weights_x;
        let difference = l.isub(l.mul_add_pairs(high, w), l.mul_add_pairs(low, w));
        [l.to_float(l.mul_add_pairs(middle, w)), l.to_float(difference)]
    }

    /// The patches at a place.
    #[inline(always)]
    pub(crate) fn patch(&self, place: &Place<L>) -> Patch<L> {
        let l = self.l;
        let [fx, fy, fz] = axes!(axis => l.sub(place.p[axis], l.to_float(place.base[axis])));
        let wx = l.truncate(l.mul_add(fx, l.float(PAIR_ONE), l.float(0.5)));
        let weights_x = l.or(l.isub(l.int(PAIR_ONE as i32), wx), l.shl::<16>(wx));
        Patch { index: self.index(place), weights_x, fy, fz }
    }

    /// Trilinear values at a place, and what a gradient there needs.
    #[inline(always)]
    pub(crate) fn sample(&self, place: &Place<L>) -> (L::F, Patch<L>) {
        let patch = self.patch(place);
        // SAFETY: `place` keeps 0 <= base < n on each axis, and bricks cover all these patches, also blank ones.
        let rows = unsafe {
            Rows {
                y0z0: self.row(&patch, INNER),
                y1z0: self.row(&patch, INNER + ROW),
                y0z1: self.row(&patch, INNER + SLICE),
                y1z1: self.row(&patch, INNER + SLICE + ROW),
            }
        };
        (bilinear(self.l, &rows, patch.fy, patch.fz), patch)
    }

    /// Difference of the samples one voxel after and before along each index axis.
    ///
    /// Samples are clamped to the outer voxel centres, as in the reference.
    #[inline(always)]
    pub(crate) fn differences(&self, patch: &Patch<L>) -> [L::F; 3] {
        let l = self.l;
        let Patch { fy, fz, .. } = *patch;
        // SAFETY: as in `sample`; bricks also cover the neighbours of a patch. Reading the rows of the patch once more
        // costs less than keeping them.
        let ([y0z0, dx00], [y1z0, dx10], [y0z1, dx01], [y1z1, dx11]) = unsafe {
            (
                self.long_row(patch, INNER),
                self.long_row(patch, INNER + ROW),
                self.long_row(patch, INNER + SLICE),
                self.long_row(patch, INNER + SLICE + ROW),
            )
        };
        let dx = bilinear(l, &Rows { y0z0: dx00, y1z0: dx10, y0z1: dx01, y1z1: dx11 }, fy, fz);
        // SAFETY: as above.
        let [y00, y30, y01, y31, z00, z10, z03, z13] = unsafe {
            [
                self.row(patch, INNER - ROW),
                self.row(patch, INNER + 2 * ROW),
                self.row(patch, INNER + SLICE - ROW),
                self.row(patch, INNER + SLICE + 2 * ROW),
                self.row(patch, INNER - SLICE),
                self.row(patch, INNER - SLICE + ROW),
                self.row(patch, INNER + 2 * SLICE),
                self.row(patch, INNER + 2 * SLICE + ROW),
            ]
        };
        // What lies before a patch ends where the patch begins, so two rows more suffice on either side.
        let dy0 = lerp(l, l.sub(y1z0, y00), l.sub(y30, y0z0), fy);
        let dy1 = lerp(l, l.sub(y1z1, y01), l.sub(y31, y0z1), fy);
        let (z0, z1) = (lerp(l, y0z0, y1z0, fy), lerp(l, y0z1, y1z1, fy));
        let (low, high) = (lerp(l, z00, z10, fy), lerp(l, z03, z13, fy));
        [dx, lerp(l, dy0, dy1, fz), lerp(l, l.sub(z1, low), l.sub(high, z0), fz)]
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
