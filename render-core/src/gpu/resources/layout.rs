//! How a volume is cut when it is larger than a 3-D texture may be: bricks in slots of a few atlas textures.

use crate::gpu::gpu_types::MAX_ATLASES;

/// Where the voxels of one level lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TextureLayout {
    /// Voxels of the level.
    pub(crate) dims: [u32; 3],
    /// Voxels of a brick without its shared border.
    pub(crate) interior: [u32; 3],
    /// Bricks along each axis.
    pub(crate) bricks: [u32; 3],
    /// Slots of an atlas along each axis.
    pub(crate) slots: [u32; 3],
    /// Voxels of each texture.
    pub(crate) texture_dims: [u32; 3],
    /// Number of textures.
    pub(crate) atlas_count: u32,
}

/// A box of voxels and where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BrickPlace {
    /// Which texture.
    pub(crate) atlas: u32,
    /// First voxel in the texture.
    pub(crate) at: [u32; 3],
    /// First voxel in the level.
    pub(crate) first: [u32; 3],
    /// Voxels to copy; may reach past the level, where the last layer repeats.
    pub(crate) size: [u32; 3],
}

impl TextureLayout {
    /// The layout for a level, or `None` if it does not fit [`MAX_ATLASES`] textures.
    pub(crate) fn plan(dims: [u32; 3], max_dimension: u32) -> Option<Self> {
        if dims.iter().all(|&d| d <= max_dimension) {
            let one = [1; 3];
            return Some(Self {
                dims,
                interior: dims,
                bricks: one,
                slots: one,
                texture_dims: dims,
                atlas_count: 1,
            });
        }
        // Smaller bricks waste more on borders but pack better.
        (1..=8).find_map(|m| Self::bricked(dims, max_dimension, max_dimension / m))
    }

    fn bricked(dims: [u32; 3], max_dimension: u32, largest_stride: u32) -> Option<Self> {
        let largest = largest_stride.checked_sub(1).filter(|&n| n > 0)?;
        let bricks = dims.map(|d| d.div_ceil(largest));
        let interior = [0, 1, 2].map(|a| dims[a].div_ceil(bricks[a]));
        let stride = interior.map(|n| n + 1);
        let total = bricks.iter().try_fold(1u32, |n, &b| n.checked_mul(b))?;
        let mut slots = [1; 3];
        let mut rest = total;
        for axis in 0..3 {
            slots[axis] = (max_dimension / stride[axis]).min(rest).max(1);
            rest = rest.div_ceil(slots[axis]);
        }
        let texture_dims = [0, 1, 2].map(|a| slots[a] * stride[a]);
        let atlas_count = rest;
        let fits = atlas_count as usize <= MAX_ATLASES;
        fits.then_some(Self { dims, interior, bricks, slots, texture_dims, atlas_count })
    }

    /// Whether there is more than one brick.
    pub(crate) fn is_bricked(&self) -> bool {
        self.bricks != [1; 3]
    }

    /// Bricks in one atlas.
    pub(crate) fn slots_per_atlas(&self) -> u32 {
        self.slots.iter().product()
    }

    /// Texels of all textures, filled or not.
    pub(crate) fn texels(&self) -> u64 {
        self.texture_dims.iter().map(|&d| u64::from(d)).product::<u64>() * u64::from(self.atlas_count)
    }

    /// Every brick and its place. Twin of `place_of` in `shaders/shared/volume_bricked.wgsl`.
    pub(crate) fn places(&self) -> impl Iterator<Item = BrickPlace> + '_ {
        let border = u32::from(self.is_bricked());
        let [bx, by, bz] = self.bricks;
        (0..bx * by * bz).map(move |id| {
            let brick = [id % bx, id / bx % by, id / (bx * by)];
            let in_atlas = id % self.slots_per_atlas();
            let [sx, sy, _] = self.slots;
            let slot = [in_atlas % sx, in_atlas / sx % sy, in_atlas / (sx * sy)];
            BrickPlace {
                atlas: id / self.slots_per_atlas(),
                at: [0, 1, 2].map(|a| slot[a] * (self.interior[a] + border)),
                first: [0, 1, 2].map(|a| brick[a] * self.interior[a]),
                size: self.interior.map(|n| n + border),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_volumes_are_one_texture_without_borders() {
        let layout = TextureLayout::plan([512, 512, 400], 2048).unwrap();
        assert!(!layout.is_bricked());
        assert_eq!((layout.texture_dims, layout.texels()), ([512, 512, 400], 512 * 512 * 400));
    }

    #[test]
    fn wide_slices_fit_one_atlas_of_a_usual_gpu() {
        let layout = TextureLayout::plan([2500, 2500, 100], 2048).unwrap();
        assert!(layout.is_bricked());
        assert_eq!(layout.atlas_count, 1);
        assert!(layout.texels() < 2500 * 2500 * 100 * 102 / 100);
    }

    #[test]
    fn bricks_cover_every_voxel_and_never_overlap() {
        for (dims, limit) in [([150, 90, 70], 64), ([65, 3, 200], 64), ([130, 64, 64], 64), ([17, 9, 9], 8)] {
            let layout = TextureLayout::plan(dims, limit).unwrap();
            assert!(layout.texture_dims.iter().all(|&d| d <= limit), "{layout:?}");
            let mut covered = vec![0u8; (dims[0] * dims[1] * dims[2]) as usize];
            let mut used = std::collections::HashSet::new();
            for place in layout.places() {
                assert!(place.atlas < layout.atlas_count);
                assert!((0..3).all(|a| place.at[a] + place.size[a] <= layout.texture_dims[a]));
                assert!(used.insert((place.atlas, place.at)), "slot used twice: {place:?}");
                for z in 0..layout.interior[2].min(dims[2].saturating_sub(place.first[2])) {
                    for y in 0..layout.interior[1].min(dims[1].saturating_sub(place.first[1])) {
                        for x in 0..layout.interior[0].min(dims[0].saturating_sub(place.first[0])) {
                            let [x, y, z] = [x + place.first[0], y + place.first[1], z + place.first[2]];
                            covered[((z * dims[1] + y) * dims[0] + x) as usize] += 1;
                        }
                    }
                }
            }
            assert!(covered.iter().all(|&n| n == 1), "{dims:?}");
        }
    }

    #[test]
    fn what_fits_no_eight_atlases_has_no_layout() {
        assert_eq!(TextureLayout::plan([1000, 1000, 1000], 64), None);
    }
}
