//! What the voxels of a region amount to: counts, volume, mean, SD, extremes, percentiles, histogram, profiles.
//!
//! Everything is computed in `f64` from stored voxels of the volume itself, never from a texture or from
//! interpolated pixels (line profiles aside, which say so). Start with [`measure`].
//!
//! * **Which pixels**: see [`region`]. Padding, slices that no file fills and values that are not finite are left out
//!   and counted.
//! * **No pixels** is an answer of its own: [`Measurement::values`] is `None`. There is no sentinel and no NaN.
//! * **SD** is that of the population (divisor n), as NumPy has it: the region is all there is to measure, not a
//!   sample of it, and one pixel has an SD of 0. [`Values::sample_sd`] divides by n − 1, as SimpleITK does.
//! * **Percentiles** interpolate linearly between order statistics (Hyndman and Fan's type 7, NumPy's default).

mod distribution;
mod profile;
pub mod region;

use rayon::prelude::*;

pub use distribution::{Distribution, HistogramCounts};
pub use profile::{LineProfile, ProfilePoint, line_profile};
pub(crate) use profile::{is_padding, trustworthy_value};

use crate::labelmap::{Mask, is_same_grid, voxel_volume_mm3};
use crate::volume::{Rescale, Sample, Volume};
use crate::with_voxels;
use distribution::{MAX_MAGNITUDE, Tally};
use region::{GridSlice, Run, Shape, ShapeSize};

/// Which voxels to look at.
#[derive(Debug, Clone, Copy)]
pub enum Region<'a> {
    /// All of them.
    Everything,
    /// Those of a mask on the volume's own grid.
    Mask(&'a Mask),
    /// Those of a shape in one slice.
    #[expect(missing_docs, reason = "the types say it")]
    Shape { slice: GridSlice, shape: &'a Shape },
}

/// Which numbers of a voxel to look at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sampling {
    /// Channel, from 0.
    pub channel: usize,
    /// Point in time, from 0.
    pub time_point: usize,
}

/// Why nothing can be measured at all, as opposed to a region without pixels.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum StatisticsError {
    #[error("the mask lies on another grid than the volume; resample it first")]
    OtherGrid,
    #[error("channel {channel} at time {time_point} does not exist")]
    NoSuchSample { channel: usize, time_point: usize },
}

/// What a region holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// Voxels whose centre lies in the region, whatever their value.
    pub voxel_count: u64,
    /// Of these, voxels that stand for missing data.
    pub padding_count: u64,
    /// Of these, voxels of slices that no file filled ([`Volume::is_empty_slice`]).
    pub empty_slice_count: u64,
    /// Of these, voxels that are NaN, infinite or beyond ±1e150.
    pub non_finite_count: u64,
    /// Voxels of the region times the volume of one.
    pub volume_mm3: f64,
    /// Area and edge of the shape itself, if the region is one.
    pub shape_size: Option<ShapeSize>,
    /// Of all other voxels; `None` if there are none: say "no pixels".
    pub values: Option<Values>,
}

impl Measurement {
    /// Volume in millilitres.
    pub fn volume_ml(&self) -> f64 {
        self.volume_mm3 / 1000.0
    }
}

/// Statistics of at least one finite modality value.
#[derive(Debug, Clone, PartialEq)]
pub struct Values {
    /// How many.
    pub count: u64,
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Standard deviation of the population (divisor n).
    pub sd: f64,
    /// All values, for percentiles and histograms.
    pub distribution: Distribution,
}

impl Values {
    /// Standard deviation of a sample (divisor n − 1); `None` for a single value.
    pub fn sample_sd(&self) -> Option<f64> {
        let n = self.count as f64;
        (self.count > 1).then(|| self.sd * (n / (n - 1.0)).sqrt())
    }

    /// The 50th percentile.
    pub fn median(&self) -> f64 {
        self.distribution.percentile(50.0)
    }
}

/// Measures a region on all cores.
///
/// Exact for stored values of up to 16 bits (sums of whole numbers); other types are summed around their mean
/// (two passes). Regions of those are held in memory as `f64` while they are sorted.
///
/// # Errors
/// [`StatisticsError::OtherGrid`] if a mask's grid is not the volume's; [`StatisticsError::NoSuchSample`].
pub fn measure(
    volume: &Volume,
    region: Region<'_>,
    sampling: Sampling,
) -> Result<Measurement, StatisticsError> {
    let Sampling { channel, time_point } = sampling;
    let channels = volume.channels().count();
    if channel >= channels || time_point >= volume.time_points() {
        return Err(StatisticsError::NoSuchSample { channel, time_point });
    }
    let runs = runs(volume, region)?;
    let voxel_count = count_of(&runs);
    let runs = filled(runs, volume, time_point);
    let filled_count = count_of(&runs);
    let first = time_point * volume.samples_per_time_point() + channel;
    let place = Place { first, channels, padding: volume.padding() };
    let tally = with_voxels!(volume.voxels(), samples => tally(samples, &runs, place)).finished();
    let shape_size = match region {
        Region::Shape { slice, shape } => shape.size(slice, volume.geometry()),
        Region::Everything | Region::Mask(_) => None,
    };
    Ok(Measurement {
        voxel_count,
        padding_count: tally.padding_count,
        empty_slice_count: voxel_count - filled_count,
        non_finite_count: filled_count - tally.padding_count - tally.finite_count(),
        volume_mm3: voxel_count as f64 * voxel_volume_mm3(volume.geometry()),
        shape_size,
        values: values(tally, volume.rescale()),
    })
}

/// Where samples of a volume lie, and which stand for missing data.
#[derive(Debug, Clone, Copy)]
struct Place {
    first: usize,
    channels: usize,
    padding: Option<[f64; 2]>,
}

/// Voxels per task: large enough to pay for a task, small enough to share whole slices among cores.
const RUN_VOXELS: usize = 1 << 20;

fn runs(volume: &Volume, region: Region<'_>) -> Result<Vec<Run>, StatisticsError> {
    let dims = volume.dims();
    match region {
        Region::Everything => {
            let total = dims.x * dims.y * dims.z;
            let run = |first| Run { first, count: RUN_VOXELS.min(total - first), stride: 1 };
            Ok((0..total).step_by(RUN_VOXELS).map(run).collect())
        }
        Region::Mask(mask) => {
            if !is_same_grid(mask.geometry(), volume.geometry()) {
                return Err(StatisticsError::OtherGrid);
            }
            let mut runs = Vec::new();
            for z in mask.slices() {
                mask.runs_of_slice(z, |first, count| runs.push(Run { first, count, stride: 1 }));
            }
            Ok(runs)
        }
        Region::Shape { slice, shape } => Ok(shape.runs(slice, dims)),
    }
}

fn count_of(runs: &[Run]) -> u64 {
    runs.iter().map(|run| run.count as u64).sum()
}

/// Runs without the voxels of slices that no file filled.
fn filled(runs: Vec<Run>, volume: &Volume, time_point: usize) -> Vec<Run> {
    if volume.meta().empty_slices.is_empty() {
        return runs;
    }
    let d = volume.dims();
    let slice_len = d.x * d.y;
    let mut kept = Vec::new();
    for run in runs {
        // Runs along rows, columns or memory: from slice to slice at most.
        let (mut first, mut rest) = (run.first, run.count);
        while rest > 0 {
            let z = first / slice_len;
            let count = ((z + 1) * slice_len - first).div_ceil(run.stride).min(rest);
            if !volume.is_empty_slice(z, time_point) {
                kept.push(Run { first, count, stride: run.stride });
            }
            first += count * run.stride;
            rest -= count;
        }
    }
    kept
}

/// Counts the values of all runs.
fn tally<T: Sample>(samples: &[T], runs: &[Run], place: Place) -> Tally {
    let total: usize = runs.iter().map(|run| run.count).sum();
    let feed = |run: &Run, tally: &mut Tally| {
        let step = run.stride * place.channels;
        let first = place.first + run.first * place.channels;
        if step == 1 {
            tally.extend(samples.get(first..first + run.count).unwrap_or_default().iter());
        } else {
            tally.extend(samples.get(first..).unwrap_or_default().iter().step_by(step).take(run.count));
        }
    };
    let new = || Tally::new::<T>(total, place.padding);
    let with = |mut tally: Tally, run: &Run| {
        feed(run, &mut tally);
        tally
    };
    if total < RUN_VOXELS / 4 {
        return runs.iter().fold(new(), with);
    }
    let share = runs.len().div_ceil(4 * rayon::current_num_threads()).max(1);
    runs.par_chunks(share).map(|runs| runs.iter().fold(new(), with)).reduce(new, Tally::merged)
}

fn values(tally: Tally, rescale: Rescale) -> Option<Values> {
    // A rescale that is not finite makes every value so; the counts above then say it.
    let is_usable = rescale.slope.is_finite()
        && rescale.intercept.is_finite()
        && rescale.slope.abs() < MAX_MAGNITUDE
        && rescale.intercept.abs() < MAX_MAGNITUDE;
    let moments = tally.moments().filter(|_| is_usable)?;
    let distribution = tally.into_distribution(rescale)?;
    let mean = rescale.apply(moments.mean);
    let (min, max) = (distribution.min(), distribution.max());
    Some(Values {
        count: moments.count,
        min,
        max,
        // Rounding may carry the mean of equal values out of their range by one unit in the last place.
        mean: mean.clamp(min, max),
        sd: rescale.slope.abs() * moments.sd,
        distribution,
    })
}
