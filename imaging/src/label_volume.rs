//! Label numbers on a grid, as pictures and lookups need them.
//!
//! A [`LabelVolume`] is a [`Volume`] whose voxels are known to be label numbers in 8 or 16 bits: what a
//! [`LabelMap`] was painted to, or a volume that a file holds. It has a [`VolumeId`] like any other volume.

use std::sync::Arc;

use glam::DVec3;
use rayon::prelude::*;

use crate::ImagingError;
use crate::geometry::Geometry;
use crate::labelmap::LabelMap;
use crate::memory;
use crate::volume::{Channels, Rescale, Sample, Volume, VolumeId, VolumeMeta, Voxels};
use crate::with_voxels;

/// Why a volume does not hold labels.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum LabelVolumeError {
    #[error("a colour image holds no label numbers")]
    Color,
    #[error("voxel value `{value}` is no label: labels are whole numbers from 0 to 65535")]
    Value { value: f64 },
    #[error("the labels need {needed_bytes} bytes of memory, more than the {limit_bytes} allowed")]
    TooLarge { needed_bytes: u64, limit_bytes: u64 },
    #[error("label volume cannot be made")]
    Volume(#[from] ImagingError),
}

/// A volume of label numbers; 0 is background.
///
/// One channel and one time point of `uint8` or `uint16`, stored as they are meant (no rescale), on a grid of its
/// own. Between voxels the nearest one counts: labels are never mixed.
#[derive(Debug, Clone)]
pub struct LabelVolume {
    volume: Arc<Volume>,
    present: Vec<u16>,
}

impl LabelVolume {
    /// The labels of a painted map; takes its memory.
    ///
    /// # Errors
    /// None that a painted map could cause.
    pub fn from_label_map(map: LabelMap) -> Result<Self, LabelVolumeError> {
        let meta = VolumeMeta::scalar(*map.geometry());
        Self::of(Arc::new(Volume::new(meta, map.into_labels())?))
    }

    /// The first time point of a volume whose modality values are label numbers.
    ///
    /// Shares the voxels of a still volume of `uint8` or `uint16` without rescale, and otherwise makes new ones of
    /// `uint16`, at most `max_bytes`. Reads every voxel once, on all cores.
    ///
    /// # Errors
    /// [`LabelVolumeError`] for colour, values that are not whole numbers from 0 to 65535, and too much memory.
    pub fn from_volume(volume: &Arc<Volume>, max_bytes: u64) -> Result<Self, LabelVolumeError> {
        if volume.channels() != Channels::Scalar {
            return Err(LabelVolumeError::Color);
        }
        let is_narrow = matches!(volume.voxels(), Voxels::U8(_) | Voxels::U16(_));
        if is_narrow && volume.rescale() == Rescale::IDENTITY && volume.time_points() == 1 {
            return Self::of(Arc::clone(volume));
        }
        let count = volume.samples_per_time_point();
        let needed_bytes = count as u64 * 2;
        if needed_bytes > max_bytes {
            return Err(LabelVolumeError::TooLarge { needed_bytes, limit_bytes: max_bytes });
        }
        let mut labels: Vec<u16> = memory::zeroed(count)
            .map_err(|needed_bytes| LabelVolumeError::TooLarge { needed_bytes, limit_bytes: max_bytes })?;
        let rescale = volume.rescale();
        with_voxels!(volume.voxels(), samples => labels
        .par_iter_mut()
        .zip(samples.par_iter())
        .try_for_each(|(label, stored)| {
            let value = rescale.apply(stored.to_f64());
            *label = label_of(value).ok_or(LabelVolumeError::Value { value })?;
            Ok::<(), LabelVolumeError>(())
        }))?;
        Self::of(Arc::new(Volume::new(VolumeMeta::scalar(*volume.geometry()), labels)?))
    }

    /// `volume` is checked by the caller.
    fn of(volume: Arc<Volume>) -> Result<Self, LabelVolumeError> {
        let present = match volume.voxels() {
            Voxels::U8(labels) => present(labels, u16::from),
            Voxels::U16(labels) => present(labels, std::convert::identity),
            _ => return Err(LabelVolumeError::Color),
        };
        Ok(Self { volume, present })
    }

    /// The voxels, `uint8` or `uint16`.
    pub fn volume(&self) -> &Arc<Volume> {
        &self.volume
    }

    /// Key for caches of things made from these labels.
    pub fn id(&self) -> VolumeId {
        self.volume.id()
    }

    /// Grid and its place in the patient.
    pub fn geometry(&self) -> &Geometry {
        self.volume.geometry()
    }

    /// Labels that at least one voxel has, ascending, without 0.
    pub fn present(&self) -> &[u16] {
        &self.present
    }

    /// The greatest label that a voxel has; 0 if there is none.
    pub fn max_label(&self) -> u16 {
        self.present.last().copied().unwrap_or(0)
    }

    /// Label of a voxel; 0 outside the grid.
    pub fn label_at(&self, [x, y, z]: [usize; 3]) -> u16 {
        let d = self.volume.dims();
        if x >= d.x || y >= d.y || z >= d.z {
            return 0;
        }
        let at = (z * d.y + y) * d.x + x;
        let label = match self.volume.voxels() {
            Voxels::U8(labels) => labels.get(at).copied().map(u16::from),
            Voxels::U16(labels) => labels.get(at).copied(),
            _ => None,
        };
        label.unwrap_or(0)
    }

    /// Label of the voxel whose centre is nearest to a patient position; 0 outside the volume's edges.
    ///
    /// Halfway between two centres the higher index wins, as in [`Geometry::nearest_index`].
    pub fn label_at_lps(&self, lps: DVec3) -> u16 {
        self.geometry().nearest_index(lps).map_or(0, |index| self.label_at(index))
    }
}

fn label_of(value: f64) -> Option<u16> {
    let is_label = (0.0..=65535.0).contains(&value) && value.fract() == 0.0;
    is_label.then_some(value as u16)
}

/// Labels that occur, ascending, without 0.
fn present<T: Sample>(labels: &[T], number: impl Fn(T) -> u16 + Sync) -> Vec<u16> {
    const WORDS: usize = 1 << 10;
    let seen = labels
        .par_chunks(1 << 20)
        .map(|chunk| {
            let mut seen = vec![0u64; WORDS];
            for &label in chunk {
                let label = usize::from(number(label));
                if let Some(word) = seen.get_mut(label / 64) {
                    *word |= 1 << (label % 64);
                }
            }
            seen
        })
        .reduce_with(|mut a, b| {
            a.iter_mut().zip(b).for_each(|(a, b)| *a |= b);
            a
        })
        .unwrap_or_default();
    let is_seen = |label: u16| {
        let word = seen.get(usize::from(label) / 64).copied().unwrap_or(0);
        word >> (label % 64) & 1 == 1
    };
    (1..=u16::MAX).filter(|&label| is_seen(label)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Dims;
    use crate::labelmap::Mask;

    fn grid() -> Geometry {
        Geometry::axis_aligned(Dims::new(3, 2, 2), DVec3::new(1.0, 2.0, 3.0), DVec3::new(1.0, 2.0, 4.0))
            .unwrap()
    }

    fn volume(rescale: Rescale, time_points: usize, voxels: impl Into<Voxels>) -> Arc<Volume> {
        let meta = VolumeMeta { rescale, time_points, ..VolumeMeta::scalar(grid()) };
        Arc::new(Volume::new(meta, voxels).unwrap())
    }

    #[test]
    fn painted_labels_are_found_by_index_and_by_position() {
        let mask = Mask::from_fn(grid(), |[x, y, z]| x == 2 && y == 1 && z == 0);
        let map = LabelMap::paint(&grid(), [(300, &mask)], 1 << 20).unwrap();
        let labels = LabelVolume::from_label_map(map).unwrap();
        assert_eq!((labels.present(), labels.max_label()), ([300u16].as_slice(), 300));
        assert_eq!(labels.label_at([2, 1, 0]), 300);
        assert_eq!(
            (labels.label_at([1, 1, 0]), labels.label_at([3, 0, 0]), labels.label_at([2, 1, 9])),
            (0, 0, 0)
        );
        assert_eq!(labels.label_at_lps(DVec3::new(3.49, 4.9, 4.9)), 300, "within half a voxel of the centre");
        assert_eq!(labels.label_at_lps(DVec3::new(3.51, 4.0, 3.0)), 0, "outside the edges");
    }

    #[test]
    fn narrow_voxels_are_shared_and_others_converted() {
        let stored: Vec<u8> = (0..12).collect();
        let narrow = volume(Rescale::IDENTITY, 1, stored);
        assert_eq!(LabelVolume::from_volume(&narrow, 0).unwrap().id(), narrow.id(), "no memory is needed");
        let floats: Vec<f32> = (0..24).map(|i| i as f32 * 0.5).collect();
        let doubled = volume(Rescale { slope: 2.0, intercept: 0.0 }, 2, floats);
        let labels = LabelVolume::from_volume(&doubled, 24).unwrap();
        assert_eq!(labels.present(), (1..12).collect::<Vec<u16>>(), "the first time point only");
        assert!(matches!(
            LabelVolume::from_volume(&doubled, 23),
            Err(LabelVolumeError::TooLarge { needed_bytes: 24, limit_bytes: 23 })
        ));
    }

    #[test]
    fn what_is_no_label_is_refused() {
        for bad in [-1.0, 0.5, 65536.0, f64::NAN, f64::INFINITY] {
            let mut values = vec![1.0; 12];
            values[7] = bad;
            let result = LabelVolume::from_volume(&volume(Rescale::IDENTITY, 1, values), 1 << 20);
            assert!(matches!(result, Err(LabelVolumeError::Value { .. })), "{bad}");
        }
        let meta = VolumeMeta { channels: Channels::Rgb, ..VolumeMeta::scalar(grid()) };
        let color = Arc::new(Volume::new(meta, vec![0u8; 36]).unwrap());
        assert!(matches!(LabelVolume::from_volume(&color, 1 << 20), Err(LabelVolumeError::Color)));
    }
}
