//! Voxels in the order in which rays meet them: bricks of 16³ samples instead of rows across the whole volume.
//!
//! A trilinear patch in a volume stored row by row touches four rows far apart; in a brick it touches two to four
//! lines of the cache, and its neighbours' patches mostly the same ones. Bricks overlap by three voxels, so that a
//! patch with all neighbours that a gradient needs lies in one brick, and offsets within it are the same everywhere.

use rayon::prelude::*;

use super::lanes::PairSample;

/// Edge of a brick in samples.
const EDGE: usize = 16;
/// Patches along the edge of a brick, and the distance between bricks in voxels.
pub(crate) const STRIDE: usize = EDGE - 3;
/// Offset of the next row in a brick.
pub(crate) const ROW: usize = EDGE;
/// Offset of the next slice in a brick.
pub(crate) const SLICE: usize = EDGE * EDGE;
/// Samples of a brick.
const BRICK: usize = EDGE * EDGE * EDGE;

/// One time point as bricks of signed 16-bit *lane values*, x fastest within a brick and among bricks.
///
/// A brick begins one voxel before its first patch and ends one voxel after its last. Beyond the volume the outermost
/// voxels are repeated.
#[derive(Debug)]
pub(crate) struct Bricks {
    samples: Vec<i16>,
    /// Voxel counts.
    dims: [usize; 3],
    /// Bricks along each axis.
    counts: [usize; 3],
}

impl Bricks {
    /// Copies `source`, x fastest; `None` if there are not `dims` samples, or offsets do not fit 31 bits.
    pub(crate) fn new<S: PairSample>(source: &[S], dims: [usize; 3]) -> Option<Self> {
        let count = dims.iter().try_fold(1usize, |product, &n| product.checked_mul(n))?;
        if count == 0 || count != source.len() {
            return None;
        }
        let counts = dims.map(|n| (n - 1).div_ceil(STRIDE).max(1));
        let len = counts.iter().try_fold(BRICK, |product, &n| product.checked_mul(n))?;
        if len > i32::MAX as usize {
            return None;
        }
        let mut samples = imaging::memory::zeroed::<i16>(len).ok()?;
        let row_of_bricks = counts[0] * BRICK;
        samples.par_chunks_mut(row_of_bricks).enumerate().for_each(|(row, bricks)| {
            let (by, bz) = (row % counts[1], row / counts[1]);
            // The voxel of a sample of a brick along an axis.
            let voxel = |brick: usize, sample: usize, n: usize| {
                (brick * STRIDE + sample).saturating_sub(1).min(n - 1)
            };
            for z in 0..EDGE {
                for y in 0..EDGE {
                    let start = (voxel(bz, z, dims[2]) * dims[1] + voxel(by, y, dims[1])) * dims[0];
                    copy_row(&source[start..start + dims[0]], &mut bricks[z * SLICE + y * ROW..]);
                }
            }
        });
        Some(Self { samples, dims, counts })
    }

    /// All samples.
    pub(crate) fn samples(&self) -> &[i16] {
        &self.samples
    }

    /// Voxel counts.
    pub(crate) fn dims(&self) -> [usize; 3] {
        self.dims
    }

    /// Offsets between bricks along each axis.
    pub(crate) fn strides(&self) -> [usize; 3] {
        [BRICK, BRICK * self.counts[0], BRICK * self.counts[0] * self.counts[1]]
    }
}

/// Spreads a row of voxels over a row of bricks.
fn copy_row<S: PairSample>(source: &[S], bricks: &mut [i16]) {
    for (brick, out) in bricks.chunks_mut(BRICK).enumerate() {
        let first = (brick * STRIDE).checked_sub(1);
        let out = &mut out[..EDGE];
        match first.and_then(|first| source.get(first..)?.first_chunk::<EDGE>()) {
            Some(whole) => {
                for (to, from) in out.iter_mut().zip(whole) {
                    *to = from.to_lane();
                }
            }
            None => {
                for (i, to) in out.iter_mut().enumerate() {
                    let voxel = (brick * STRIDE + i).saturating_sub(1);
                    *to = source[voxel.min(source.len() - 1)].to_lane();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_patch_lies_in_one_brick_with_its_neighbours() {
        let dims = [30, 15, 14];
        let value = |x: usize, y: usize, z: usize| (x + 100 * y + 1000 * z) as i16;
        let mut source = Vec::new();
        for z in 0..dims[2] {
            for y in 0..dims[1] {
                source.extend((0..dims[0]).map(|x| value(x, y, z)));
            }
        }
        let bricks = Bricks::new(&source, dims).unwrap();
        let strides = bricks.strides();
        for z in 0..dims[2] - 1 {
            for y in 0..dims[1] - 1 {
                for x in 0..dims[0] - 1 {
                    let within = x % STRIDE + y % STRIDE * ROW + z % STRIDE * SLICE;
                    let index =
                        x / STRIDE * strides[0] + y / STRIDE * strides[1] + z / STRIDE * strides[2] + within;
                    for at in 0..64 {
                        let (i, j, k) = (at & 3, at >> 2 & 3, at >> 4);
                        let found = bricks.samples()[index + i + j * ROW + k * SLICE];
                        let voxel =
                            |first: usize, by: usize, n: usize| (first + by).saturating_sub(1).min(n - 1);
                        let expected =
                            value(voxel(x, i, dims[0]), voxel(y, j, dims[1]), voxel(z, k, dims[2]));
                        assert_eq!(found, expected, "patch {x} {y} {z}, sample {i} {j} {k}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_single_voxel_is_repeated_to_a_whole_patch() {
        let bricks = Bricks::new(&[7u8], [1; 3]).unwrap();
        assert!(bricks.samples().iter().all(|&v| v == 7));
    }

    #[test]
    fn wrong_sample_counts_are_refused() {
        assert!(Bricks::new(&[0i16; 5], [2, 3, 1]).is_none());
        assert!(Bricks::new::<i16>(&[], [0, 3, 1]).is_none());
    }
}
