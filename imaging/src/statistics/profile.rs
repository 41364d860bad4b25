//! Values along a straight line.

use glam::DVec3;

use super::{Sampling, StatisticsError};
use crate::volume::Volume;

/// One sample of a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProfilePoint {
    /// Distance from the start.
    pub distance_mm: f64,
    /// Where, LPS in mm.
    pub lps: DVec3,
    /// Trilinear modality value; `None` outside the volume, or where a voxel that would count is padding or not
    /// finite.
    pub value: Option<f64>,
}

/// Samples at equal distances, both ends included.
#[derive(Debug, Clone, PartialEq)]
pub struct LineProfile {
    /// Length of the line.
    pub length_mm: f64,
    /// From start to end.
    pub points: Vec<ProfilePoint>,
}

/// Most samples of a profile.
const MAX_POINTS: usize = 1 << 20;

/// Samples a line between two points in LPS (mm) at `count` places (at least 2), interpolating between voxels.
///
/// # Errors
/// [`StatisticsError::NoSuchSample`].
pub fn line_profile(
    volume: &Volume,
    [start, end]: [DVec3; 2],
    count: usize,
    sampling: Sampling,
) -> Result<LineProfile, StatisticsError> {
    let Sampling { channel, time_point } = sampling;
    if channel >= volume.channels().count() || time_point >= volume.time_points() {
        return Err(StatisticsError::NoSuchSample { channel, time_point });
    }
    let count = count.clamp(2, MAX_POINTS);
    let length_mm = start.distance(end);
    let index_from_lps = volume.geometry().index_from_lps();
    let point = |i: usize| {
        let share = i as f64 / (count - 1) as f64;
        let lps = start.lerp(end, share);
        let value = trustworthy_value(volume, index_from_lps.transform_point3(lps), sampling);
        ProfilePoint { distance_mm: length_mm * share, lps, value }
    };
    Ok(LineProfile { length_mm, points: (0..count).map(point).collect() })
}

/// Whether a modality value is that of a voxel which stands for missing data.
pub(crate) fn is_padding(volume: &Volume, modality: f64) -> bool {
    let rescale = volume.rescale();
    volume.padding().is_some_and(|[first, last]| {
        // The same arithmetic as for the voxel, so that equal stored values stay equal.
        let (a, b) = (rescale.apply(first), rescale.apply(last));
        (a.min(b)..=a.max(b)).contains(&modality)
    })
}

/// [`Volume::sample_linear`] at a continuous index, unless a voxel with weight stands for missing data.
pub(crate) fn trustworthy_value(
    volume: &Volume,
    index: DVec3,
    Sampling { channel, time_point }: Sampling,
) -> Option<f64> {
    let value = volume.sample_linear(index, channel, time_point)?;
    let d = volume.dims();
    let clamped = index.clamp(DVec3::ZERO, d.as_dvec3() - 1.0);
    let (low, high) = (clamped.floor(), clamped.ceil());
    let is_sound = (0..8).all(|i| {
        let pick = |axis: usize| if i >> axis & 1 == 0 { low[axis] } else { high[axis] } as usize;
        let voxel = volume.value_at([pick(0), pick(1), pick(2)], channel, time_point);
        voxel.is_some_and(|modality| modality.is_finite() && !is_padding(volume, modality))
    });
    (is_sound && value.is_finite()).then_some(value)
}
