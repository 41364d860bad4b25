//! Voxels in the order in which rays meet them, and only where there is something to see: bricks of 19³ samples.
//!
//! A trilinear patch in a volume stored row by row touches four rows far apart; in a brick it touches two to four
//! lines of the cache, and its neighbours' patches mostly the same ones. Bricks overlap by three voxels, so that a
//! patch with all neighbours that a gradient needs lies in one brick, and offsets within it are the same everywhere.
//!
//! Much of a volume is never seen, so a brick is filled when a picture first needs it, behind those that are there.
//! A [`BrickTable`] tells where the bricks of a picture are; those it does not need share a blank one, whose value is
//! just as invisible.

use rayon::prelude::*;

/// `log2` of the patches along the edge of a brick, which is also the distance between bricks in voxels.
pub(crate) const STRIDE_SHIFT: i32 = 4;
const STRIDE: usize = 1 << STRIDE_SHIFT;
/// Edge of a brick in samples.
const EDGE: usize = STRIDE + 3;
/// Offset of the next row in a brick.
pub(crate) const ROW: usize = EDGE;
/// Offset of the next slice in a brick.
pub(crate) const SLICE: usize = EDGE * EDGE;
/// Samples from one brick to the next: whole lines of the cache.
const BRICK: usize = (EDGE * EDGE * EDGE).next_multiple_of(32);
/// Room for blank bricks. Pictures need few values: mostly the lowest, rarely the highest.
const BLANKS: usize = 4;

/// One time point as bricks of signed 16-bit *lane values*, x fastest within a brick.
///
/// A brick begins one voxel before its first patch and ends one voxel after its last. Beyond the volume the outermost
/// voxels are repeated.
#[derive(Debug)]
pub(crate) struct Bricks {
    /// Room for all bricks; the system gives memory only to those that are filled.
    samples: Vec<i16>,
    /// Bricks in use, blank ones among them.
    used: usize,
    /// Voxel counts.
    dims: [usize; 3],
    /// Where each brick is, x fastest.
    places: Vec<Option<u32>>,
    /// Values of the blank bricks, and where they are.
    blanks: Vec<(i16, u32)>,
}

/// What a picture needs to see.
#[derive(Debug)]
pub(crate) struct Needed {
    /// Per brick, x fastest.
    pub(crate) bricks: Vec<bool>,
    /// A lane value that shows nothing; `None` if every value shows something.
    pub(crate) blank: Option<i16>,
}

/// Where the bricks of a picture are.
#[derive(Debug)]
pub(crate) struct BrickTable {
    /// Per brick, x fastest: its first sample, less the offset of its first voxel in a volume whose rows and slices
    /// are as far apart as those of a brick.
    pub(crate) offsets: Vec<i32>,
    dims: [usize; 3],
}

/// Bricks along each axis.
pub(crate) fn counts(dims: [usize; 3]) -> [usize; 3] {
    dims.map(|n| n.div_ceil(STRIDE))
}

impl Bricks {
    /// Room for the bricks of a volume; `None` if there is none, or offsets do not fit 31 bits.
    pub(crate) fn new(dims: [usize; 3]) -> Option<Self> {
        let count = counts(dims).iter().try_fold(1usize, |product, &n| product.checked_mul(n))?;
        let len = count.checked_add(BLANKS)?.checked_mul(BRICK)?;
        if dims.contains(&0) || len > i32::MAX as usize {
            return None;
        }
        let samples = imaging::memory::zeroed(len).ok()?;
        Some(Self { samples, used: 0, dims, places: vec![None; count], blanks: Vec::new() })
    }

    /// The same bricks once more.
    pub(crate) fn copy(&self) -> Option<Self> {
        let mut copy = Self::new(self.dims)?;
        let filled = self.used * BRICK;
        copy.samples[..filled].copy_from_slice(&self.samples[..filled]);
        copy.used = self.used;
        copy.places.clone_from(&self.places);
        copy.blanks.clone_from(&self.blanks);
        Some(copy)
    }

    /// Room for all samples.
    pub(crate) fn samples(&self) -> &[i16] {
        &self.samples
    }

    /// Voxel counts.
    pub(crate) fn dims(&self) -> [usize; 3] {
        self.dims
    }

    /// Memory in use.
    pub(crate) fn size_bytes(&self) -> usize {
        self.used * BRICK * size_of::<i16>() + size_of_val(self.places.as_slice())
    }

    /// Where everything needed is; `None` if some of it has to be [filled](Bricks::fill) first.
    pub(crate) fn table(&self, needed: &Needed) -> Option<BrickTable> {
        let blank = self.blank(needed);
        let [nx, ny, _] = counts(self.dims);
        let offset = |(brick, (&place, &is_needed)): (usize, (&Option<u32>, &bool))| {
            let place = if is_needed { place } else { blank.or(place) }?;
            let [x, y, z] = [brick % nx, brick / nx % ny, brick / (nx * ny)];
            Some((place as usize * BRICK) as i32 - (STRIDE * (x + y * ROW + z * SLICE)) as i32)
        };
        let offsets =
            self.places.iter().zip(&needed.bricks).enumerate().map(offset).collect::<Option<_>>()?;
        Some(BrickTable { offsets, dims: self.dims })
    }

    /// Fills what is needed and not there yet from `source`, x fastest, in parallel.
    pub(crate) fn fill<S: Copy + Sync>(
        &mut self,
        needed: &Needed,
        source: &[S],
        to_lane: impl Fn(S) -> i16 + Sync,
    ) {
        self.add_blank(needed);
        let has_blank = self.blank(needed).is_some();
        let [nx, ny, _] = counts(self.dims);
        let mut added = Vec::new();
        let first = self.used;
        for (brick, (place, &is_needed)) in self.places.iter_mut().zip(&needed.bricks).enumerate() {
            if place.is_none() && (is_needed || !has_blank) {
                *place = Some(self.used as u32);
                self.used += 1;
                added.push([brick % nx, brick / nx % ny, brick / (nx * ny)]);
            }
        }
        let dims = self.dims;
        let out = self.samples[first * BRICK..].par_chunks_mut(BRICK);
        added.par_iter().zip(out).for_each(|(&at, out)| copy_brick(source, dims, at, out, &to_lane));
    }

    /// The blank brick that will do.
    fn blank(&self, needed: &Needed) -> Option<u32> {
        self.blanks.iter().find(|(value, _)| Some(*value) == needed.blank).map(|&(_, place)| place)
    }

    fn add_blank(&mut self, needed: &Needed) {
        let Some(value) = needed.blank else { return };
        if self.blank(needed).is_none() && self.blanks.len() < BLANKS {
            self.samples[self.used * BRICK..][..BRICK].fill(value);
            self.blanks.push((value, self.used as u32));
            self.used += 1;
        }
    }
}

impl BrickTable {
    /// Voxel counts.
    pub(crate) fn dims(&self) -> [usize; 3] {
        self.dims
    }
}

/// Fills a brick, `at` counted in bricks.
fn copy_brick<S: Copy>(
    source: &[S],
    dims: [usize; 3],
    at: [usize; 3],
    out: &mut [i16],
    to_lane: &impl Fn(S) -> i16,
) {
    // The voxel of a sample along an axis.
    let voxel = |axis: usize, sample: usize| {
        let n: usize = dims[axis];
        (at[axis] * STRIDE + sample).saturating_sub(1).min(n - 1)
    };
    for (row, out) in out.chunks_exact_mut(ROW).take(EDGE * EDGE).enumerate() {
        let start = (voxel(2, row / EDGE) * dims[1] + voxel(1, row % EDGE)) * dims[0];
        let row = &source[start..start + dims[0]];
        let inner = (at[0] * STRIDE).checked_sub(1).and_then(|first| row.get(first..)?.first_chunk::<EDGE>());
        match inner {
            Some(inner) => out.iter_mut().zip(inner).for_each(|(to, &from)| *to = to_lane(from)),
            None => out.iter_mut().enumerate().for_each(|(i, to)| *to = to_lane(row[voxel(0, i)])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIMS: [usize; 3] = [36, 18, 16];
    /// Three bricks by two.
    const COUNT: usize = 3 * 2;

    fn value(x: usize, y: usize, z: usize) -> i16 {
        (x + 100 * y + 1000 * z) as i16
    }

    fn source() -> Vec<i16> {
        let voxel = |i: usize| value(i % DIMS[0], i / DIMS[0] % DIMS[1], i / (DIMS[0] * DIMS[1]));
        (0..DIMS.iter().product()).map(voxel).collect()
    }

    /// Sample `ijk` of the patch at `xyz`, counted from the first of its neighbours.
    fn found(bricks: &Bricks, table: &BrickTable, [x, y, z]: [usize; 3], [i, j, k]: [usize; 3]) -> i16 {
        let [nx, ny, _] = counts(DIMS);
        let offset = table.offsets[(z / STRIDE * ny + y / STRIDE) * nx + x / STRIDE];
        let voxel = (x + i) + (y + j) * ROW + (z + k) * SLICE;
        bricks.samples()[(offset + voxel as i32) as usize]
    }

    fn filled(needed: &Needed) -> (Bricks, BrickTable) {
        let mut bricks = Bricks::new(DIMS).unwrap();
        assert!(bricks.table(needed).is_none(), "nothing is there yet");
        bricks.fill(needed, &source(), |v| v);
        let table = bricks.table(needed).unwrap();
        (bricks, table)
    }

    #[test]
    fn every_patch_lies_in_one_brick_with_its_neighbours() {
        let needed = Needed { bricks: vec![true; COUNT], blank: None };
        let (bricks, table) = filled(&needed);
        for z in 0..DIMS[2] {
            for y in 0..DIMS[1] {
                for x in 0..DIMS[0] {
                    for at in 0..64 {
                        let [i, j, k] = [at & 3, at >> 2 & 3, at >> 4];
                        let voxel =
                            |first: usize, by: usize, n: usize| (first + by).saturating_sub(1).min(n - 1);
                        let expected =
                            value(voxel(x, i, DIMS[0]), voxel(y, j, DIMS[1]), voxel(z, k, DIMS[2]));
                        let found = found(&bricks, &table, [x, y, z], [i, j, k]);
                        assert_eq!(found, expected, "patch {x} {y} {z}, sample {i} {j} {k}");
                    }
                }
            }
        }
    }

    #[test]
    fn bricks_that_no_picture_needs_cost_nothing_and_read_as_blank() {
        let mut needed = Needed { bricks: vec![false; COUNT], blank: Some(-7) };
        needed.bricks[4] = true;
        let (mut bricks, table) = filled(&needed);
        assert_eq!(bricks.used, 2, "the one that is needed, and a blank one");
        assert_eq!(found(&bricks, &table, [16, 16, 0], [1, 1, 1]), value(16, 16, 0));
        assert_eq!(found(&bricks, &table, [0, 0, 0], [1, 1, 1]), -7);
        needed.bricks[0] = true;
        assert!(bricks.table(&needed).is_none());
        bricks.fill(&needed, &source(), |v| v);
        let (later, copy) = (bricks.table(&needed).unwrap(), bricks.copy().unwrap());
        for bricks in [&bricks, &copy] {
            assert_eq!(bricks.used, 3);
            assert_eq!(found(bricks, &table, [16, 16, 0], [1, 1, 1]), value(16, 16, 0), "stays where it was");
            assert_eq!(found(bricks, &later, [2, 0, 0], [1, 1, 1]), value(2, 0, 0));
        }
    }

    #[test]
    fn pictures_that_need_too_many_blank_values_get_all_bricks() {
        let mut bricks = Bricks::new(DIMS).unwrap();
        for blank in 0..=BLANKS as i16 {
            let needed = Needed { bricks: vec![false; COUNT], blank: Some(blank) };
            bricks.fill(&needed, &source(), |v| v);
            let table = bricks.table(&needed).unwrap();
            let expected = if (blank as usize) < BLANKS { blank } else { value(0, 0, 0) };
            assert_eq!(found(&bricks, &table, [0, 0, 0], [1, 1, 1]), expected);
        }
        assert_eq!(bricks.used * BRICK, bricks.samples.len(), "the room suffices");
    }

    #[test]
    fn a_single_voxel_is_repeated_to_a_whole_patch() {
        let mut bricks = Bricks::new([1; 3]).unwrap();
        bricks.fill(&Needed { bricks: vec![true], blank: None }, &[7u8], i16::from);
        assert!(bricks.samples()[..EDGE * EDGE * EDGE].iter().all(|&v| v == 7));
    }

    #[test]
    fn volumes_without_voxels_and_too_large_ones_are_refused() {
        assert!(Bricks::new([0, 3, 1]).is_none());
        assert!(Bricks::new([1 << 16; 3]).is_none());
    }
}
