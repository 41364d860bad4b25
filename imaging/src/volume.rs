//! Immutable voxels, their geometry, and what a stored value means.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use bytemuck::Pod;
use glam::DVec3;

use crate::ImagingError;
use crate::color_profile::ColorProfile;
use crate::geometry::{Dims, Geometry};
use crate::intensity::{Histogram, Statistics};
use crate::series::SeriesWarning;

/// A number type that voxels can be stored in.
pub trait Sample: Pod + PartialOrd + Send + Sync + 'static {
    /// The value as a float; exact for every type here.
    fn to_f64(self) -> f64;
}

/// Voxels in their own number type, x fastest, then y, z, time; channels interleaved innermost.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the variants name the number types")]
pub enum Voxels {
    U8(Vec<u8>),
    I8(Vec<i8>),
    U16(Vec<u16>),
    I16(Vec<i16>),
    U32(Vec<u32>),
    I32(Vec<i32>),
    F32(Vec<f32>),
    F64(Vec<f64>),
}

/// Runs an expression with a name bound to the typed `Vec` inside a [`Voxels`](crate::volume::Voxels).
///
/// `with_voxels!(&voxels, samples => samples.len())`
#[macro_export]
macro_rules! with_voxels {
    ($voxels:expr, $samples:ident => $body:expr) => {
        match $voxels {
            $crate::volume::Voxels::U8($samples) => $body,
            $crate::volume::Voxels::I8($samples) => $body,
            $crate::volume::Voxels::U16($samples) => $body,
            $crate::volume::Voxels::I16($samples) => $body,
            $crate::volume::Voxels::U32($samples) => $body,
            $crate::volume::Voxels::I32($samples) => $body,
            $crate::volume::Voxels::F32($samples) => $body,
            $crate::volume::Voxels::F64($samples) => $body,
        }
    };
}

macro_rules! sample_types {
    ($($variant:ident $number:ty),*) => {$(
        impl Sample for $number {
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
        }

        impl From<Vec<$number>> for Voxels {
            fn from(samples: Vec<$number>) -> Self {
                Self::$variant(samples)
            }
        }
    )*};
}

sample_types!(U8 u8, I8 i8, U16 u16, I16 i16, U32 u32, I32 i32, F32 f32, F64 f64);

impl Voxels {
    /// Number of samples (voxels × channels × time points).
    pub fn len(&self) -> usize {
        with_voxels!(self, samples => samples.len())
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Size of all samples.
    pub fn size_bytes(&self) -> usize {
        with_voxels!(self, samples => std::mem::size_of_val(samples.as_slice()))
    }

    /// One stored value.
    #[inline]
    pub fn get(&self, i: usize) -> Option<f64> {
        with_voxels!(self, samples => samples.get(i).map(|s| s.to_f64()))
    }

    /// Name of the number type as NumPy spells it: `int16`, `float32`, …
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::U8(_) => "uint8",
            Self::I8(_) => "int8",
            Self::U16(_) => "uint16",
            Self::I16(_) => "int16",
            Self::U32(_) => "uint32",
            Self::I32(_) => "int32",
            Self::F32(_) => "float32",
            Self::F64(_) => "float64",
        }
    }
}

/// Stored value to modality value: `slope * stored + intercept`.
///
/// Source: DICOM PS3.3 C.11.1 (Modality LUT).
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "the standard's own names")]
pub struct Rescale {
    pub slope: f64,
    pub intercept: f64,
}

impl Rescale {
    /// Stored values are modality values.
    pub const IDENTITY: Self = Self { slope: 1.0, intercept: 0.0 };

    /// Modality value of a stored value.
    #[inline]
    pub fn apply(self, stored: f64) -> f64 {
        self.slope * stored + self.intercept
    }
}

/// What modality values measure.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Unit {
    /// Not stated, or stated to be none.
    #[default]
    None,
    /// Hounsfield units.
    Hounsfield,
    /// Any other unit, as the file writes it (`BQML`, `mm2/s`, …).
    Other(String),
}

impl Unit {
    /// Short text to print after a number, or `None`.
    pub fn symbol(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Hounsfield => Some("HU"),
            Self::Other(text) => Some(text),
        }
    }
}

/// What the channels of a voxel are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channels {
    /// One number per voxel; windowing and transfer functions apply.
    Scalar,
    /// Red, green, blue; shown as they are.
    Rgb,
    /// Red, green, blue and straight (not premultiplied) alpha.
    Rgba,
}

impl Channels {
    /// Samples per voxel.
    pub fn count(self) -> usize {
        match self {
            Self::Scalar => 1,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }
}

/// Identifies one loaded volume within this process; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VolumeId(u64);

/// Everything about a volume except its voxels; see the fields of [`Volume`].
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "documented at the accessors of `Volume`")]
pub struct VolumeMeta {
    pub geometry: Geometry,
    pub channels: Channels,
    pub time_points: usize,
    pub rescale: Rescale,
    pub unit: Unit,
    /// Inclusive range of *stored* values that mean "no data here" (pixel padding).
    pub padding: Option<[f64; 2]>,
    /// Slices without data (`time × slices + slice`, ascending): gaps, missing files.
    pub empty_slices: Vec<usize>,
    /// What stored colours mean; values are as stored nevertheless, see [`crate::color_profile::in_srgb`].
    pub color_profile: Option<ColorProfile>,
    /// Stored value of a colour channel at full intensity, where that is not the largest of the number type.
    pub color_white: Option<f64>,
    pub warnings: Vec<SeriesWarning>,
}

impl VolumeMeta {
    /// Metadata of a plain scalar volume: one time point, no rescale, no unit, no warnings.
    pub fn scalar(geometry: Geometry) -> Self {
        Self {
            geometry,
            channels: Channels::Scalar,
            time_points: 1,
            rescale: Rescale::IDENTITY,
            unit: Unit::None,
            padding: None,
            empty_slices: Vec::new(),
            color_profile: None,
            color_white: None,
            warnings: Vec::new(),
        }
    }
}

/// Immutable voxels in patient space.
///
/// Shared as `Arc<Volume>`; nothing changes after construction, so readers need no lock.
#[derive(Debug)]
pub struct Volume {
    id: VolumeId,
    meta: VolumeMeta,
    voxels: Voxels,
}

impl Volume {
    /// Binds voxels to their meaning.
    ///
    /// # Errors
    /// [`ImagingError::VoxelCount`] if the buffer does not hold dims × channels × time points samples.
    pub fn new(meta: VolumeMeta, voxels: impl Into<Voxels>) -> Result<Self, ImagingError> {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let voxels = voxels.into();
        let expected = meta
            .geometry
            .dims()
            .checked_count()
            .and_then(|n| n.checked_mul(meta.channels.count()))
            .and_then(|n| n.checked_mul(meta.time_points))
            .unwrap_or(usize::MAX);
        if voxels.len() != expected || expected == 0 {
            return Err(ImagingError::VoxelCount { expected, found: voxels.len() });
        }
        Ok(Self { id: VolumeId(NEXT_ID.fetch_add(1, Ordering::Relaxed)), meta, voxels })
    }

    /// Key for caches of things made from this volume.
    pub fn id(&self) -> VolumeId {
        self.id
    }

    /// Grid and its place in the patient.
    pub fn geometry(&self) -> &Geometry {
        &self.meta.geometry
    }

    /// Voxel counts of one time point.
    pub fn dims(&self) -> Dims {
        self.meta.geometry.dims()
    }

    /// What the samples of a voxel are.
    pub fn channels(&self) -> Channels {
        self.meta.channels
    }

    /// Number of volumes along time; 1 for a still.
    pub fn time_points(&self) -> usize {
        self.meta.time_points
    }

    /// Stored value to modality value, the same for every voxel.
    pub fn rescale(&self) -> Rescale {
        self.meta.rescale
    }

    /// Unit of modality values.
    pub fn unit(&self) -> &Unit {
        &self.meta.unit
    }

    /// Inclusive range of stored values that stand for missing data.
    pub fn padding(&self) -> Option<[f64; 2]> {
        self.meta.padding
    }

    /// Stored value of a colour channel that means full intensity, and opacity for alpha.
    pub fn color_white(&self) -> f64 {
        self.meta.color_white.unwrap_or(match self.voxels {
            Voxels::U16(_) => 65535.0,
            _ => 255.0,
        })
    }

    /// Whether no file filled this slice: its voxels are made up and stand for nothing.
    pub fn is_empty_slice(&self, z: usize, time_point: usize) -> bool {
        self.meta.empty_slices.binary_search(&(time_point * self.dims().z + z)).is_ok()
    }

    /// What a reader should know before trusting this volume.
    pub fn warnings(&self) -> &[SeriesWarning] {
        &self.meta.warnings
    }

    /// Everything but the voxels.
    pub fn meta(&self) -> &VolumeMeta {
        &self.meta
    }

    /// All samples.
    pub fn voxels(&self) -> &Voxels {
        &self.voxels
    }

    /// Samples of one time point (voxels × channels).
    pub fn samples_per_time_point(&self) -> usize {
        self.voxels.len() / self.meta.time_points
    }

    /// Modality value of a voxel's channel, or `None` outside and in slices that no file filled.
    pub fn value_at(&self, index: [usize; 3], channel: usize, time_point: usize) -> Option<f64> {
        if self.is_empty_slice(index[2], time_point) {
            return None;
        }
        self.shown_value_at(index, channel, time_point)
    }

    /// Modality value to draw at a voxel: as [`Self::value_at`], but empty slices have the value that fills them.
    pub fn shown_value_at(&self, index: [usize; 3], channel: usize, time_point: usize) -> Option<f64> {
        let d = self.dims();
        let channels = self.meta.channels.count();
        let inside = index[0] < d.x
            && index[1] < d.y
            && index[2] < d.z
            && channel < channels
            && time_point < self.meta.time_points;
        if !inside {
            return None;
        }
        let voxel = (index[2] * d.y + index[1]) * d.x + index[0];
        let sample = time_point * self.samples_per_time_point() + voxel * channels + channel;
        self.voxels.get(sample).map(|stored| self.meta.rescale.apply(stored))
    }

    /// Trilinear interpolation of modality values at a continuous index; `None` outside the voxel edges.
    ///
    /// Between the outermost centres and the edges (half a voxel) the border value is held. Empty slices take part
    /// with the value that fills them; see [`Self::measure_linear`].
    /// This is the readable definition that the fast paths are tested against.
    pub fn sample_linear(&self, index: DVec3, channel: usize, time_point: usize) -> Option<f64> {
        let n = self.dims().as_dvec3();
        let is_inside = index.cmpge(DVec3::splat(-0.5)).all() && index.cmplt(n - 0.5).all();
        if !is_inside {
            return None;
        }
        let clamped = index.clamp(DVec3::ZERO, n - 1.0);
        let base = clamped.floor();
        let f = clamped - base;
        let corner = |dx: usize, dy: usize, dz: usize| {
            let d = self.dims();
            let i = [
                (base.x as usize + dx).min(d.x - 1),
                (base.y as usize + dy).min(d.y - 1),
                (base.z as usize + dz).min(d.z - 1),
            ];
            self.shown_value_at(i, channel, time_point)
        };
        let lerp = |a: f64, b: f64, t: f64| a + (b - a) * t;
        let x00 = lerp(corner(0, 0, 0)?, corner(1, 0, 0)?, f.x);
        let x10 = lerp(corner(0, 1, 0)?, corner(1, 1, 0)?, f.x);
        let x01 = lerp(corner(0, 0, 1)?, corner(1, 0, 1)?, f.x);
        let x11 = lerp(corner(0, 1, 1)?, corner(1, 1, 1)?, f.x);
        Some(lerp(lerp(x00, x10, f.y), lerp(x01, x11, f.y), f.z))
    }

    /// As [`Self::sample_linear`], but `None` where an empty slice would take part: for numbers, not for pictures.
    pub fn measure_linear(&self, index: DVec3, channel: usize, time_point: usize) -> Option<f64> {
        let value = self.sample_linear(index, channel, time_point)?;
        let z = index.z.clamp(0.0, self.dims().z as f64 - 1.0);
        let is_made_up = |z: f64| self.is_empty_slice(z as usize, time_point);
        (!is_made_up(z.floor()) && !is_made_up(z.ceil())).then_some(value)
    }

    /// Runs of samples that files filled: everything but empty slices.
    pub fn filled_samples(&self) -> Vec<Range<usize>> {
        let d = self.dims();
        let slice = d.x * d.y * self.meta.channels.count();
        let mut runs = Vec::new();
        let mut start = 0;
        for &empty in &self.meta.empty_slices {
            let at = (empty * slice).min(self.voxels.len());
            if at > start {
                runs.push(start..at);
            }
            start = at + slice;
        }
        if start < self.voxels.len() {
            runs.push(start..self.voxels.len());
        }
        runs
    }

    /// Minimum, maximum, mean and population standard deviation of all modality values that files hold.
    ///
    /// Padding counts, as in every tool that reads the same file; slices that no file filled and NaN do not.
    pub fn statistics(&self) -> Statistics {
        Statistics::of_parts(&self.voxels, &self.filled_samples()).rescaled(self.meta.rescale)
    }

    /// Histogram of modality values, on all cores; empty slices, padding and values that are not finite left out.
    pub fn histogram(&self, bins: usize) -> Histogram {
        let parts = self.filled_samples();
        Histogram::of_parts(&self.voxels, &parts, self.meta.rescale, self.meta.padding, bins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(dims: Dims) -> Volume {
        let n = dims.checked_count().unwrap();
        let geometry = Geometry::axis_aligned(dims, DVec3::ZERO, DVec3::ONE).unwrap();
        let meta =
            VolumeMeta { rescale: Rescale { slope: 2.0, intercept: -100.0 }, ..VolumeMeta::scalar(geometry) };
        Volume::new(meta, (0..n as i16).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn x_varies_fastest_and_rescale_applies() {
        let v = ramp(Dims::new(3, 4, 5));
        assert_eq!(v.value_at([1, 0, 0], 0, 0), Some(-98.0));
        assert_eq!(v.value_at([0, 1, 0], 0, 0), Some(-94.0));
        assert_eq!(v.value_at([0, 0, 1], 0, 0), Some(-76.0));
        assert_eq!(v.value_at([3, 0, 0], 0, 0), None);
        assert_eq!(v.value_at([0, 0, 0], 1, 0), None);
        assert_eq!(v.value_at([0, 0, 0], 0, 1), None);
    }

    #[test]
    fn linear_interpolation_is_exact_on_a_ramp_and_holds_the_border() {
        let v = ramp(Dims::new(3, 4, 5));
        let at = |x, y, z| v.sample_linear(DVec3::new(x, y, z), 0, 0);
        let expect = |x: f64, y: f64, z: f64| Some(2.0 * (x + 3.0 * y + 12.0 * z) - 100.0);
        assert_eq!(at(0.5, 1.25, 2.75), expect(0.5, 1.25, 2.75));
        assert_eq!(at(-0.5, 0.0, 0.0), expect(0.0, 0.0, 0.0));
        assert_eq!(at(2.49, 3.0, 4.0), expect(2.0, 3.0, 4.0));
        assert_eq!(at(2.5, 0.0, 0.0), None);
        assert_eq!(at(f64::NAN, 0.0, 0.0), None);
    }

    #[test]
    fn buffer_of_the_wrong_size_is_refused() {
        let geometry = Geometry::axis_aligned(Dims::new(2, 2, 2), DVec3::ZERO, DVec3::ONE).unwrap();
        let result = Volume::new(VolumeMeta::scalar(geometry), vec![0u8; 7]);
        assert!(matches!(result, Err(ImagingError::VoxelCount { expected: 8, found: 7 })));
    }

    #[test]
    fn statistics_are_of_modality_values() {
        let s = ramp(Dims::new(2, 2, 2)).statistics();
        assert_eq!((s.min, s.max, s.mean), (-100.0, -86.0, -93.0));
        assert!((s.sd - 2.0 * 5.25f64.sqrt()).abs() < 1e-12);
    }
}
