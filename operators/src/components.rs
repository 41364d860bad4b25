//! Connected components of a set of voxels, as runs along x.
//!
//! Runs are found on all cores, slice by slice, and joined by union-find in a fixed order. Components come by size, the
//! largest first; equals by their first voxel. So the result does not depend on the number of threads.
//! Source: He, Chao, Suzuki, "A run-based two-scan labeling algorithm", IEEE Trans. Image Process. 17 (2008).

use std::ops::Range;

use imaging::geometry::Dims;
use rayon::prelude::*;

use crate::OperatorError;

/// Which voxels are neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connectivity {
    /// Those that share a face: 6.
    Faces,
    /// Those that share a face, an edge or a corner: 26.
    Corners,
}

/// Voxels `first..end` along x, and the component they belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    first: u32,
    end: u32,
    component: u32,
}

/// What is known of one component without looking at its voxels again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Component {
    /// Number of voxels.
    pub voxels: u64,
    /// Smallest and largest index.
    pub bounds: [[usize; 3]; 2],
    /// Sum of the indices of all voxels.
    pub index_sum: [u128; 3],
}

impl Component {
    /// Nothing yet: what [`Self::add`] begins with.
    pub(crate) const NOTHING: Self = Self { voxels: 0, bounds: [[usize::MAX; 3], [0; 3]], index_sum: [0; 3] };

    /// The voxels of a run along x, which is not empty.
    pub(crate) fn of_voxels(x: Range<usize>, y: usize, z: usize) -> Self {
        let (first, last) = (x.start, x.end - 1);
        let n = x.len() as u128;
        let index_sum = [(first + last) as u128 * n / 2, y as u128 * n, z as u128 * n];
        Self { voxels: n as u64, bounds: [[first, y, z], [last, y, z]], index_sum }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.voxels += other.voxels;
        let [low, high] = &mut self.bounds;
        for ((a, b), (c, d)) in low.iter_mut().zip(other.bounds[0]).zip(high.iter_mut().zip(other.bounds[1]))
        {
            *a = (*a).min(b);
            *c = (*c).max(d);
        }
        for (sum, more) in self.index_sum.iter_mut().zip(other.index_sum) {
            *sum += more;
        }
    }

    /// Mean index.
    pub fn mean_index(&self) -> [f64; 3] {
        self.index_sum.map(|sum| sum as f64 / self.voxels as f64)
    }

    /// Whether a voxel lies at the first or last index of an axis that has more than one.
    pub fn touches_border(&self, dims: Dims, axes: [bool; 3]) -> bool {
        let [low, high] = self.bounds;
        let sides = low.iter().zip(high).zip(dims.to_array()).zip(axes);
        sides.into_iter().any(|(((&low, high), n), asked)| asked && n > 1 && (low == 0 || high + 1 == n))
    }
}

/// All components of a set of voxels.
#[derive(Debug, Clone)]
pub struct Components {
    dims: Dims,
    runs: Vec<Run>,
    /// Where the runs of each row begin; one more than there are rows.
    row_starts: Vec<usize>,
    components: Vec<Component>,
}

impl Components {
    /// Groups the voxels whose linear index passes a test.
    ///
    /// # Errors
    /// [`OperatorError::TooManyVoxels`] if an axis or the number of runs does not fit in 32 bits.
    pub fn of(
        dims: Dims,
        connectivity: Connectivity,
        is_inside: impl Fn(usize) -> bool + Sync,
    ) -> Result<Self, OperatorError> {
        let too_many = || OperatorError::TooManyVoxels { voxels: dims.checked_count().unwrap_or(usize::MAX) };
        if u32::try_from(dims.x).is_err() || dims.checked_count().is_none() {
            return Err(too_many());
        }
        let slices: Vec<(Vec<Run>, Vec<usize>)> =
            (0..dims.z).into_par_iter().map(|z| runs_of_slice(dims, z, &is_inside)).collect();
        let mut runs = Vec::with_capacity(slices.iter().map(|(runs, _)| runs.len()).sum());
        let mut row_starts = Vec::with_capacity(dims.y * dims.z + 1);
        row_starts.push(0);
        for (slice, row_ends) in slices {
            row_starts.extend(row_ends.iter().map(|end| runs.len() + end));
            runs.extend(slice);
        }
        u32::try_from(runs.len()).map_err(|_| too_many())?;
        let mut all = Self { dims, runs, row_starts, components: Vec::new() };
        let mut sets = Sets::new(all.runs.len());
        all.join(connectivity, &mut sets);
        all.number(&mut sets);
        Ok(all)
    }

    /// The components, largest first.
    pub fn all(&self) -> &[Component] {
        &self.components
    }

    /// Calls `each(component, first linear index, count)` for every run, in the order of voxels.
    pub fn for_each_run(&self, mut each: impl FnMut(usize, usize, usize)) {
        for (row, runs) in self.rows() {
            for run in runs {
                let first = row * self.dims.x + run.first as usize;
                each(run.component as usize, first, (run.end - run.first) as usize);
            }
        }
    }

    fn rows(&self) -> impl Iterator<Item = (usize, &[Run])> {
        self.row_starts.windows(2).enumerate().map(|(row, ends)| match *ends {
            [start, end] => (row, self.runs.get(start..end).unwrap_or_default()),
            _ => (row, &[][..]),
        })
    }

    fn join(&self, connectivity: Connectivity, sets: &mut Sets) {
        let (height, reach) = (self.dims.y, u32::from(connectivity == Connectivity::Corners));
        for row in 0..self.row_starts.len().saturating_sub(1) {
            let (y, z) = (row % height, row / height);
            if y > 0 {
                self.join_rows(row, row - 1, reach, sets);
            }
            if z == 0 {
                continue;
            }
            self.join_rows(row, row - height, reach, sets);
            if connectivity == Connectivity::Corners {
                if y > 0 {
                    self.join_rows(row, row - height - 1, reach, sets);
                }
                if y + 1 < height {
                    self.join_rows(row, row - height + 1, reach, sets);
                }
            }
        }
    }

    /// Joins runs of two rows that overlap, or nearly so by `reach` voxels.
    fn join_rows(&self, a: usize, b: usize, reach: u32, sets: &mut Sets) {
        let (mut i, mut j) = (self.row_range(a), self.row_range(b));
        while let (Some(left), Some(right)) = (self.runs.get(i.start), self.runs.get(j.start)) {
            if i.is_empty() || j.is_empty() {
                break;
            }
            if left.first < right.end + reach && right.first < left.end + reach {
                sets.join(i.start as u32, j.start as u32);
            }
            if left.end <= right.end {
                i.start += 1;
            } else {
                j.start += 1;
            }
        }
    }

    fn row_range(&self, row: usize) -> Range<usize> {
        let at = |i: usize| self.row_starts.get(i).copied().unwrap_or(self.runs.len());
        at(row)..at(row + 1)
    }

    /// Gives every run the number of its component.
    fn number(&mut self, sets: &mut Sets) {
        let mut number_of_root = vec![u32::MAX; self.runs.len()];
        let mut components: Vec<Component> = Vec::new();
        let mut numbers = Vec::with_capacity(self.runs.len());
        for (row, runs) in self.rows() {
            for run in runs {
                let part = Component::of_voxels(
                    run.first as usize..run.end as usize,
                    row % self.dims.y,
                    row / self.dims.y,
                );
                let root = sets.root(numbers.len() as u32) as usize;
                let Some(number) = number_of_root.get_mut(root) else { continue };
                if *number == u32::MAX {
                    *number = components.len() as u32;
                    components.push(part);
                } else if let Some(known) = components.get_mut(*number as usize) {
                    known.add(&part);
                }
                numbers.push(*number);
            }
        }
        // Components are in the order of their first voxels; a stable sort keeps equals so.
        let mut order: Vec<u32> = (0..components.len() as u32).collect();
        order.sort_by_key(|&i| std::cmp::Reverse(components.get(i as usize).map(|c| c.voxels)));
        let mut rank = vec![0u32; order.len()];
        for (place, &i) in order.iter().enumerate() {
            if let Some(rank) = rank.get_mut(i as usize) {
                *rank = place as u32;
            }
        }
        for (run, number) in self.runs.iter_mut().zip(numbers) {
            run.component = rank.get(number as usize).copied().unwrap_or(u32::MAX);
        }
        self.components = order.iter().filter_map(|&i| components.get(i as usize).copied()).collect();
    }
}

fn runs_of_slice(
    dims: Dims,
    z: usize,
    is_inside: &(impl Fn(usize) -> bool + Sync),
) -> (Vec<Run>, Vec<usize>) {
    let (mut runs, mut row_ends) = (Vec::new(), Vec::with_capacity(dims.y));
    for y in 0..dims.y {
        let row = (z * dims.y + y) * dims.x;
        let mut open = None;
        for x in 0..dims.x {
            match (is_inside(row + x), open) {
                (true, None) => open = Some(x as u32),
                (false, Some(first)) => {
                    runs.push(Run { first, end: x as u32, component: 0 });
                    open = None;
                }
                _ => {}
            }
        }
        if let Some(first) = open {
            runs.push(Run { first, end: dims.x as u32, component: 0 });
        }
        row_ends.push(runs.len());
    }
    (runs, row_ends)
}

/// Disjoint sets; the root of a set is its smallest member.
struct Sets(Vec<u32>);

impl Sets {
    fn new(count: usize) -> Self {
        Self((0..count as u32).collect())
    }

    fn root(&mut self, mut i: u32) -> u32 {
        loop {
            let parent = self.parent(i);
            if parent == i {
                return i;
            }
            let above = self.parent(parent);
            self.set(i, above);
            i = above;
        }
    }

    fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.root(a), self.root(b));
        self.set(a.max(b), a.min(b));
    }

    fn parent(&self, i: u32) -> u32 {
        self.0.get(i as usize).copied().unwrap_or(i)
    }

    fn set(&mut self, i: u32, parent: u32) {
        if let Some(place) = self.0.get_mut(i as usize) {
            *place = parent;
        }
    }
}
