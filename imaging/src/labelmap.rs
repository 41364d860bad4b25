//! Masks: which voxels of a grid belong to something.
//!
//! A [`Mask`] keeps one bit per voxel, only for the slices that hold any, on a grid of its own; [`Mask::resampled`]
//! brings it onto another grid by patient position. [`LabelMap`] paints several masks into one volume of numbers.

use std::collections::BTreeMap;

use glam::DVec3;
use rayon::prelude::*;

use crate::geometry::{Dims, Geometry};
use crate::statistics::region::Run;
use crate::volume::{Sample, Volume};
use crate::with_voxels;

/// One bit per pixel of a slice, row after row without gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BitPlane {
    words: Vec<u64>,
}

impl BitPlane {
    /// A plane of `pixels` clear bits.
    pub(crate) fn clear(pixels: usize) -> Self {
        Self { words: vec![0; pixels.div_ceil(64)] }
    }

    /// From bytes whose lowest bit comes first (PS3.5 8.1.1), starting at bit `first_bit`; missing bytes are clear.
    #[cfg(any(feature = "dicom", test))]
    pub(crate) fn from_bit_stream(bytes: &[u8], first_bit: usize, pixels: usize) -> Self {
        let (start, shift) = (first_bit / 8, first_bit % 8);
        let byte = |i: usize| u64::from(bytes.get(start + i).copied().unwrap_or(0));
        let mut plane = Self::clear(pixels);
        for (w, word) in plane.words.iter_mut().enumerate() {
            let low = (0..8).fold(0, |sum, i| sum | byte(w * 8 + i) << (8 * i));
            *word = if shift == 0 { low } else { low >> shift | byte(w * 8 + 8) << (64 - shift) };
        }
        let rest = pixels % 64;
        if rest > 0
            && let Some(last) = plane.words.last_mut()
        {
            *last &= (1 << rest) - 1;
        }
        plane
    }

    #[inline]
    pub(crate) fn get(&self, pixel: usize) -> bool {
        self.words.get(pixel / 64).is_some_and(|word| word >> (pixel % 64) & 1 == 1)
    }

    #[inline]
    pub(crate) fn set(&mut self, pixel: usize) {
        if let Some(word) = self.words.get_mut(pixel / 64) {
            *word |= 1 << (pixel % 64);
        }
    }

    pub(crate) fn toggle(&mut self, pixel: usize) {
        if let Some(word) = self.words.get_mut(pixel / 64) {
            *word ^= 1 << (pixel % 64);
        }
    }

    pub(crate) fn unite(&mut self, other: &Self) {
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            *word |= more;
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    fn is_clear(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// Calls `each` with every run of set bits as `(first, count)`, in order.
    fn for_each_run(&self, mut each: impl FnMut(usize, usize)) {
        let mut open: Option<usize> = None;
        for (w, &word) in self.words.iter().enumerate() {
            let base = w * 64;
            let mut at = 0;
            while at < 64 {
                let rest = word >> at;
                match open {
                    Some(first) => {
                        let ones = ((!rest).trailing_zeros() as usize).min(64 - at);
                        at += ones;
                        if at < 64 {
                            each(first, base + at - first);
                            open = None;
                        }
                    }
                    None if rest == 0 => break,
                    None => {
                        at += rest.trailing_zeros() as usize;
                        open = Some(base + at);
                    }
                }
            }
        }
        if let Some(first) = open {
            each(first, self.words.len() * 64 - first);
        }
    }
}

/// Voxels that belong to one thing, on a grid.
///
/// The grid need not be that of any image. Slices (index along z) without a voxel take no memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Mask {
    geometry: Geometry,
    planes: BTreeMap<usize, BitPlane>,
}

impl Mask {
    /// A mask without a voxel.
    pub fn empty(geometry: Geometry) -> Self {
        Self { geometry, planes: BTreeMap::new() }
    }

    /// The voxels whose index `[x, y, z]` passes a test.
    pub fn from_fn(geometry: Geometry, is_inside: impl Fn([usize; 3]) -> bool + Sync) -> Self {
        let d = geometry.dims();
        let plane = |z| {
            let mut plane = BitPlane::clear(d.x * d.y);
            for y in 0..d.y {
                for x in (0..d.x).filter(|&x| is_inside([x, y, z])) {
                    plane.set(y * d.x + x);
                }
            }
            (!plane.is_clear()).then_some((z, plane))
        };
        let planes = (0..d.z).into_par_iter().filter_map(plane).collect::<Vec<_>>();
        Self { geometry, planes: planes.into_iter().collect() }
    }

    /// The voxels of a label volume (one channel, first time point) whose modality value is `label`.
    pub fn of_label(volume: &Volume, label: f64) -> Self {
        let d = volume.dims();
        let (rescale, step) = (volume.rescale(), volume.channels().count());
        with_voxels!(volume.voxels(), samples => Self::from_fn(*volume.geometry(), |[x, y, z]| {
            let at = ((z * d.y + y) * d.x + x) * step;
            samples.get(at).is_some_and(|&stored| rescale.apply(stored.to_f64()) == label)
        }))
    }

    /// Adds a slice; bits that were there stay.
    pub(crate) fn add_plane(&mut self, z: usize, plane: BitPlane) {
        if z < self.geometry.dims().z && !plane.is_clear() {
            match self.planes.get_mut(&z) {
                Some(known) => known.unite(&plane),
                None => {
                    self.planes.insert(z, plane);
                }
            }
        }
    }

    /// Turns the voxels of a run round; [`Mask::drop_clear_planes`] tidies up afterwards.
    pub(crate) fn toggle(&mut self, run: Run) {
        let d = self.geometry.dims();
        let plane_len = d.x * d.y;
        for voxel in (0..run.count).map(|i| run.first + i * run.stride) {
            let plane = self.planes.entry(voxel / plane_len).or_insert_with(|| BitPlane::clear(plane_len));
            plane.toggle(voxel % plane_len);
        }
    }

    /// Adds the voxels of a run; those that were there stay.
    pub(crate) fn add(&mut self, run: Run) {
        let d = self.geometry.dims();
        let plane_len = d.x * d.y;
        for voxel in (0..run.count).map(|i| run.first + i * run.stride) {
            let plane = self.planes.entry(voxel / plane_len).or_insert_with(|| BitPlane::clear(plane_len));
            plane.set(voxel % plane_len);
        }
    }

    /// Forgets slices without a voxel.
    pub(crate) fn drop_clear_planes(&mut self) {
        self.planes.retain(|_, plane| !plane.is_clear());
    }

    /// Grid and its place in the patient.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Whether a voxel belongs; `false` outside the grid.
    pub fn contains(&self, [x, y, z]: [usize; 3]) -> bool {
        let d = self.geometry.dims();
        x < d.x && y < d.y && self.planes.get(&z).is_some_and(|plane| plane.get(y * d.x + x))
    }

    /// Whether the voxel around a patient position belongs; `false` outside the grid.
    pub fn contains_lps(&self, lps: DVec3) -> bool {
        self.geometry.nearest_index(lps).is_some_and(|index| self.contains(index))
    }

    /// Slices that hold at least one voxel, ascending.
    pub fn slices(&self) -> impl Iterator<Item = usize> + '_ {
        self.planes.keys().copied()
    }

    /// Number of voxels.
    pub fn count(&self) -> u64 {
        self.planes.values().map(BitPlane::count).sum()
    }

    /// Number of voxels in one slice.
    pub fn count_in_slice(&self, z: usize) -> u64 {
        self.planes.get(&z).map_or(0, BitPlane::count)
    }

    /// Number of voxels times the volume of one.
    pub fn volume_mm3(&self) -> f64 {
        self.count() as f64 * voxel_volume_mm3(&self.geometry)
    }

    /// Smallest and largest index along each axis, or `None` for an empty mask.
    pub fn bounds(&self) -> Option<[[usize; 3]; 2]> {
        let mut bounds: Option<[[usize; 3]; 2]> = None;
        self.for_each_row_run(|x, end, y, z| {
            let last = end - 1;
            let b = bounds.get_or_insert([[x, y, z], [last, y, z]]);
            b[0] = [b[0][0].min(x), b[0][1].min(y), b[0][2].min(z)];
            b[1] = [b[1][0].max(last), b[1][1].max(y), b[1][2].max(z)];
        });
        bounds
    }

    /// Mean position of the voxel centres, LPS in mm, or `None` for an empty mask.
    pub fn centroid_lps(&self) -> Option<DVec3> {
        let (mut sum, mut count) = (DVec3::ZERO, 0.0);
        self.for_each_row_run(|x, end, y, z| {
            let n = (end - x) as f64;
            let middle = (x + end - 1) as f64 * 0.5;
            sum += DVec3::new(middle, y as f64, z as f64) * n;
            count += n;
        });
        (count > 0.0).then(|| self.geometry.lps_from_index().transform_point3(sum / count))
    }

    /// Calls `each(first_x, end_x, y, z)` for every run of voxels along x.
    pub fn for_each_row_run(&self, mut each: impl FnMut(usize, usize, usize, usize)) {
        let width = self.geometry.dims().x;
        for (&z, plane) in &self.planes {
            plane.for_each_run(|first, count| {
                let (mut at, end) = (first, first + count);
                while at < end {
                    let y = at / width;
                    let stop = end.min((y + 1) * width);
                    each(at - y * width, stop - y * width, y, z);
                    at = stop;
                }
            });
        }
    }

    /// Runs of set voxels of one slice as `(first, count)`, counted in voxels of the whole grid.
    pub(crate) fn runs_of_slice(&self, z: usize, mut each: impl FnMut(usize, usize)) {
        let d = self.geometry.dims();
        if let Some(plane) = self.planes.get(&z) {
            plane.for_each_run(|first, count| each(z * d.x * d.y + first, count));
        }
    }

    /// Voxels of both, twice, over voxels of either: 1 for equal masks, `None` if both are empty.
    ///
    /// Counts on the grid of `self`; `other` is resampled to it. Source: Dice, 1945.
    pub fn dice(&self, other: &Self) -> Option<f64> {
        let other = other.resampled(&self.geometry);
        let total = self.count() + other.count();
        let both = self.planes.iter().filter_map(|(z, a)| Some((a, other.planes.get(z)?)));
        let common: u64 = both
            .map(|(a, b)| {
                a.words.iter().zip(&b.words).map(|(a, b)| u64::from((a & b).count_ones())).sum::<u64>()
            })
            .sum();
        (total > 0).then(|| 2.0 * common as f64 / total as f64)
    }

    /// The mask on another grid: a voxel there belongs if its centre lies in a voxel here (nearest neighbour).
    ///
    /// A centre exactly between two voxels belongs to the one of higher index, as in [`Geometry::nearest_index`].
    pub fn resampled(&self, target: &Geometry) -> Self {
        if is_same_grid(&self.geometry, target) {
            return Self { geometry: *target, planes: self.planes.clone() };
        }
        let Some([first, last]) = self.reach_in(target) else { return Self::empty(*target) };
        let d = target.dims();
        let here = self.geometry.dims();
        let here_from_target = self.geometry.index_from_lps() * target.lps_from_index();
        let step = here_from_target.matrix3.x_axis;
        let plane = |z: usize| {
            let mut plane = BitPlane::clear(d.x * d.y);
            for y in first[1]..=last[1] {
                let start = here_from_target.transform_point3(DVec3::new(0.0, y as f64, z as f64));
                for x in first[0]..=last[0] {
                    let at = (start + step * x as f64 + 0.5).floor();
                    let index = [at.x as i64, at.y as i64, at.z as i64];
                    if here.contains(index) && self.contains(index.map(|i| i as usize)) {
                        plane.set(y * d.x + x);
                    }
                }
            }
            (!plane.is_clear()).then_some((z, plane))
        };
        let planes = (first[2]..=last[2]).into_par_iter().filter_map(plane).collect::<Vec<_>>();
        Self { geometry: *target, planes: planes.into_iter().collect() }
    }

    /// Indices of `target` that this mask can reach, from its bounding box.
    fn reach_in(&self, target: &Geometry) -> Option<[[usize; 3]; 2]> {
        let [first, last] = self.bounds()?;
        let target_from_here = target.index_from_lps() * self.geometry.lps_from_index();
        let corner = |i: usize| {
            let pick = |axis: usize| {
                if i >> axis & 1 == 0 { first[axis] as f64 - 0.5 } else { last[axis] as f64 + 0.5 }
            };
            target_from_here.transform_point3(DVec3::new(pick(0), pick(1), pick(2)))
        };
        let corners: [DVec3; 8] = std::array::from_fn(corner);
        let low = corners.iter().copied().reduce(DVec3::min)?.floor() - 1.0;
        let high = corners.iter().copied().reduce(DVec3::max)?.ceil() + 1.0;
        let end = target.dims().as_dvec3() - 1.0;
        if high.cmplt(DVec3::ZERO).any() || low.cmpgt(end).any() {
            return None;
        }
        let index = |v: DVec3| v.clamp(DVec3::ZERO, end).to_array().map(|i| i as usize);
        Some([index(low), index(high)])
    }
}

/// Volume of one voxel; also right for sheared grids.
pub fn voxel_volume_mm3(geometry: &Geometry) -> f64 {
    geometry.lps_from_index().matrix3.determinant().abs()
}

/// Whether two grids have the same voxels, to a thousandth of a voxel everywhere.
pub fn is_same_grid(a: &Geometry, b: &Geometry) -> bool {
    if a.dims() != b.dims() {
        return false;
    }
    let b_from_a = b.index_from_lps() * a.lps_from_index();
    let far = a.dims().as_dvec3() - 1.0;
    (0..8).all(|i| {
        let pick = |axis: usize, far: f64| if i >> axis & 1 == 0 { 0.0 } else { far };
        let corner = DVec3::new(pick(0, far.x), pick(1, far.y), pick(2, far.z));
        b_from_a.transform_point3(corner).abs_diff_eq(corner, 1e-3)
    })
}

/// Several masks painted into one volume of label numbers; 0 is background.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelMap {
    geometry: Geometry,
    labels: Vec<u16>,
    overlap_count: u64,
}

impl LabelMap {
    /// Paints masks onto a grid in the order given; where two overlap the later one shows.
    ///
    /// Returns `None` if the grid is larger than `max_bytes`, at two bytes a voxel.
    pub fn paint<'a>(
        geometry: &Geometry,
        masks: impl IntoIterator<Item = (u16, &'a Mask)>,
        max_bytes: u64,
    ) -> Option<Self> {
        let count = geometry.dims().checked_count().filter(|&n| n as u64 <= max_bytes / 2)?;
        let mut map = Self { geometry: *geometry, labels: vec![0u16; count], overlap_count: 0 };
        for (label, mask) in masks {
            map.add(label, &mask.resampled(geometry));
        }
        Some(map)
    }

    /// Paints masks onto as many maps of a grid as it takes for none to hide another.
    ///
    /// Each mask goes, in the order given, into the first map where it overlaps none of those before it. Returns
    /// `None` if the maps together are larger than `max_bytes`, at two bytes a voxel.
    pub fn paint_apart<'a>(
        geometry: &Geometry,
        masks: impl IntoIterator<Item = (u16, &'a Mask)>,
        max_bytes: u64,
    ) -> Option<Vec<Self>> {
        let count = geometry.dims().checked_count()? as u64;
        let mut maps: Vec<Self> = Vec::new();
        for (label, mask) in masks {
            let mask = mask.resampled(geometry);
            if let Some(map) = maps.iter_mut().find(|map| !map.is_hit(&mask)) {
                map.add(label, &mask);
                continue;
            }
            let left = max_bytes.checked_sub((maps.len() as u64).checked_mul(count.checked_mul(2)?)?)?;
            maps.push(Self::paint(geometry, [(label, &mask)], left)?);
        }
        Some(maps)
    }

    /// Whether a mask on this grid has a voxel that is painted already.
    fn is_hit(&self, mask: &Mask) -> bool {
        let mut is_hit = false;
        for z in mask.slices() {
            mask.runs_of_slice(z, |first, count| {
                is_hit |= self.labels.iter().skip(first).take(count).any(|&label| label != 0);
            });
        }
        is_hit
    }

    /// Paints a mask on this grid over what is there.
    fn add(&mut self, label: u16, mask: &Mask) {
        for z in mask.slices() {
            mask.runs_of_slice(z, |first, count| {
                for voxel in self.labels.iter_mut().skip(first).take(count) {
                    self.overlap_count += u64::from(*voxel != 0);
                    *voxel = label;
                }
            });
        }
    }

    /// Grid and its place in the patient.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Voxel counts.
    pub fn dims(&self) -> Dims {
        self.geometry.dims()
    }

    /// Label of every voxel, x fastest.
    pub fn labels(&self) -> &[u16] {
        &self.labels
    }

    /// The labels themselves, without copying.
    pub fn into_labels(self) -> Vec<u16> {
        self.labels
    }

    /// How often a voxel was painted over: more than 0 says that this map does not show all.
    pub fn overlap_count(&self) -> u64 {
        self.overlap_count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(dims: Dims) -> Geometry {
        Geometry::axis_aligned(dims, DVec3::new(-3.0, 5.0, 7.0), DVec3::new(0.5, 0.75, 2.0)).unwrap()
    }

    #[test]
    fn bits_are_one_stream_whatever_the_first_bit() {
        let bytes: Vec<u8> = (0..40u32).map(|i| (i * 37 + 11) as u8).collect();
        let bit = |i: usize| bytes[i / 8] >> (i % 8) & 1 == 1;
        for (first, pixels) in [(0, 64), (3, 143), (13 * 11, 143), (8, 130), (63, 65), (1, 1)] {
            let plane = BitPlane::from_bit_stream(&bytes, first, pixels);
            assert!((0..pixels).all(|i| plane.get(i) == bit(first + i)), "{first}, {pixels}");
            let expected = (0..pixels).filter(|&i| bit(first + i)).count();
            assert_eq!(plane.count(), expected as u64, "nothing beyond the last pixel");
            let mut from_runs = 0;
            plane.for_each_run(|at, n| {
                assert!((at..at + n).all(|i| plane.get(i)) && !plane.get(at + n), "{first}, {pixels}");
                from_runs += n;
            });
            assert_eq!(from_runs, expected);
        }
    }

    #[test]
    fn counts_bounds_and_centroid_follow_from_the_voxels() {
        let mask = Mask::from_fn(grid(Dims::new(70, 9, 5)), |[x, y, z]| {
            (60..66).contains(&x) && (2..4).contains(&y) && (z == 1 || z == 3)
        });
        assert_eq!((mask.count(), mask.count_in_slice(1), mask.count_in_slice(2)), (24, 12, 0));
        assert_eq!(mask.bounds(), Some([[60, 2, 1], [65, 3, 3]]));
        assert_eq!(mask.volume_mm3(), 24.0 * 0.75);
        let expected = DVec3::new(-3.0 + 62.5 * 0.5, 5.0 + 2.5 * 0.75, 7.0 + 2.0 * 2.0);
        assert!(mask.centroid_lps().unwrap().abs_diff_eq(expected, 1e-9));
        assert_eq!(Mask::empty(grid(Dims::new(2, 2, 2))).centroid_lps(), None);
    }

    #[test]
    fn overlaps_are_painted_in_order_and_counted() {
        let g = grid(Dims::new(4, 1, 1));
        let a = Mask::from_fn(g, |[x, ..]| x < 3);
        let b = Mask::from_fn(g, |[x, ..]| x > 1);
        let map = LabelMap::paint(&g, [(1, &a), (2, &b)], 1 << 20).unwrap();
        assert_eq!((map.labels(), map.overlap_count()), ([1u16, 1, 2, 2].as_slice(), 1));
        assert_eq!(LabelMap::paint(&g, [(1, &a)], 7), None, "eight bytes are needed");
        let c = Mask::from_fn(g, |[x, ..]| x == 3);
        let apart = LabelMap::paint_apart(&g, [(1, &a), (2, &b), (3, &c)], 16).unwrap();
        let labels: Vec<&[u16]> = apart.iter().map(LabelMap::labels).collect();
        assert_eq!(labels, [[1, 1, 1, 3], [0, 0, 2, 2]], "nothing is hidden");
        assert!(apart.iter().all(|map| map.overlap_count() == 0));
        assert_eq!(LabelMap::paint_apart(&g, [(1, &a), (2, &b)], 15), None, "sixteen bytes are needed");
        assert_eq!(a.dice(&b), Some(2.0 / 5.0));
    }
}
