//! Which voxels lie between two modality values.

use clap::Args;
use imaging::volume::{Sample, Voxels};

use crate::OperatorError;
use crate::input::InputVolume;

/// Modality values that count, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Args)]
pub struct Threshold {
    /// Lowest modality value (HU for CT) that counts
    #[arg(long, value_name = "VALUE", default_value_t = f64::NEG_INFINITY, allow_negative_numbers = true)]
    pub min: f64,
    /// Highest modality value that counts
    #[arg(long, value_name = "VALUE", default_value_t = f64::INFINITY, allow_negative_numbers = true)]
    pub max: f64,
}

impl Threshold {
    /// Whether a modality value counts; NaN does not.
    #[inline]
    pub fn contains(&self, value: f64) -> bool {
        value >= self.min && value <= self.max
    }

    /// # Errors
    /// [`OperatorError::Parameter`] if both ends are missing or nothing can lie between them.
    pub fn check(&self) -> Result<(), OperatorError> {
        let what = if self.min == f64::NEG_INFINITY && self.max == f64::INFINITY {
            "give --min, --max or both"
        } else if self.min <= self.max {
            return Ok(());
        } else {
            "--min is above --max"
        };
        Err(OperatorError::Parameter { what: what.to_owned() })
    }

    /// A test for voxels by linear index. Slices that no file filled stand for nothing and do not count.
    pub fn test<'a, T: Sample>(
        &self,
        input: &'a InputVolume,
        samples: &'a [T],
    ) -> impl Fn(usize) -> bool + Sync + use<'a, T> {
        let d = input.dims();
        let is_empty: Vec<bool> = (0..d.z).map(|z| input.is_empty_slice(z)).collect();
        let has_empty = is_empty.contains(&true);
        let (this, rescale, first) = (*self, input.rescale(), input.first_sample());
        let slice = (d.x * d.y).max(1);
        move |i| {
            let value = samples.get(first + i).map(|stored| rescale.apply(stored.to_f64()));
            value.is_some_and(|value| this.contains(value))
                && !(has_empty && is_empty.get(i / slice).copied().unwrap_or(false))
        }
    }

    /// Smallest and largest index of voxels that count.
    pub fn bounds(&self, input: &InputVolume) -> Option<[[usize; 3]; 2]> {
        use rayon::prelude::*;
        fn of<T: Sample>(this: &Threshold, input: &InputVolume, samples: &[T]) -> Option<[[usize; 3]; 2]> {
            let d = input.dims();
            let is_inside = this.test(input, samples);
            let rows = (0..d.y * d.z).into_par_iter().with_min_len(64);
            let of_row = |row: usize| {
                let is_set = |x: &usize| is_inside(row * d.x + x);
                let first = (0..d.x).find(is_set)?;
                let last = (first..d.x).rev().find(is_set)?;
                Some([[first, row % d.y, row / d.y], [last, row % d.y, row / d.y]])
            };
            let join = |a: [[usize; 3]; 2], b: [[usize; 3]; 2]| {
                let pick = |axis: usize| (a[0][axis].min(b[0][axis]), a[1][axis].max(b[1][axis]));
                let axes = [pick(0), pick(1), pick(2)];
                [axes.map(|(low, _)| low), axes.map(|(_, high)| high)]
            };
            rows.filter_map(of_row).reduce_with(join)
        }
        let voxels: &Voxels = input.stored();
        imaging::with_voxels!(voxels, samples => of(self, input, samples))
    }
}
