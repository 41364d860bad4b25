//! Segmentations: what their segments are, and where in the patient each one lies.
//!
//! Frames lie where their own plane position says. [`Segmentation::mask`] puts the frames of a segment on one grid,
//! leaving gaps where frames were left out; the mask knows its own place and is brought onto any image by
//! [`Mask::resampled`](crate::labelmap::Mask::resampled).

use std::sync::Arc;

use glam::{DMat3, DVec3};

use crate::derived::{CodedConcept, InstanceReference, SeriesReference};
use crate::geometry::{Dims, Geometry, GeometryError};
use crate::labelmap::{BitPlane, Mask};

/// How pixels say what belongs to a segment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SegmentationKind {
    /// One bit per pixel, one segment per frame.
    Binary,
    /// A share per pixel, one segment per frame.
    Fractional {
        /// Stored value that means 1.
        max: f64,
        /// Whether it is the probability of belonging, as opposed to the share of the pixel that is occupied.
        is_probability: bool,
    },
    /// The number of a segment per pixel.
    LabelMap,
}

/// Who drew a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the standard's own names")]
pub enum SegmentAlgorithm {
    Manual,
    SemiAutomatic,
    Automatic,
    Unknown,
}

/// One segment.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// Its number, which frames and label maps refer to.
    pub number: u16,
    /// Name for people.
    pub label: String,
    /// Longer text.
    pub description: String,
    /// Who drew it.
    pub algorithm: SegmentAlgorithm,
    /// With what.
    pub algorithm_name: String,
    /// Tissue, anatomical structure, …
    pub category: Option<CodedConcept>,
    /// Liver, nodule, …
    pub property_type: Option<CodedConcept>,
    /// Where in the body.
    pub anatomic_region: Option<CodedConcept>,
    /// Recommended display colour as sRGB.
    pub color_rgb: Option<[u8; 3]>,
    /// Name that follows one finding through time.
    pub tracking_id: Option<String>,
    /// Its UID.
    pub tracking_uid: Option<String>,
}

/// Pixels of a frame, row after row.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(not(feature = "dicom"), expect(dead_code, reason = "only the DICOM reader makes them"))]
pub(crate) enum FramePixels {
    Bits(BitPlane),
    Bytes(Vec<u8>),
    Words(Vec<u16>),
}

impl FramePixels {
    fn get(&self, pixel: usize) -> u16 {
        match self {
            Self::Bits(plane) => u16::from(plane.get(pixel)),
            Self::Bytes(values) => values.get(pixel).map_or(0, |&value| u16::from(value)),
            Self::Words(values) => values.get(pixel).copied().unwrap_or(0),
        }
    }

    fn plane(&self, pixels: usize, belongs: impl Fn(u16) -> bool) -> BitPlane {
        if let Self::Bits(plane) = self {
            return plane.clone();
        }
        let mut plane = BitPlane::clear(pixels);
        (0..pixels).filter(|&pixel| belongs(self.get(pixel))).for_each(|pixel| plane.set(pixel));
        plane
    }
}

/// One frame of a segmentation.
#[derive(Debug, Clone)]
pub struct SegmentationFrame {
    /// The segment it belongs to; `None` in label maps, and where the file does not say.
    pub segment_number: Option<u16>,
    /// Centre of the first pixel, LPS in mm.
    pub origin_lps: Option<DVec3>,
    /// Unit vectors along a row (towards higher column) and along a column (towards higher row).
    pub axes_lps: Option<[DVec3; 2]>,
    /// Distance between rows, then between columns.
    pub pixel_spacing_mm: Option<[f64; 2]>,
    /// Distance between slices, as stated.
    pub spacing_between_slices_mm: Option<f64>,
    /// Thickness of the slice, as stated.
    pub slice_thickness_mm: Option<f64>,
    /// Instances it was drawn on.
    pub source_instances: Vec<InstanceReference>,
    pub(crate) pixels: Arc<FramePixels>,
}

impl SegmentationFrame {
    /// Stored value of a pixel: 0 or 1, a share, or a segment number; 0 outside.
    pub fn stored_at(&self, pixel: usize) -> u16 {
        self.pixels.get(pixel)
    }
}

/// A segmentation with its pixels.
#[derive(Debug, Clone)]
pub struct Segmentation {
    /// How pixels are to be understood.
    pub kind: SegmentationKind,
    /// In the order of the file.
    pub segments: Vec<Segment>,
    /// In the order of the file.
    pub frames: Vec<SegmentationFrame>,
    /// Pixels along a column.
    pub rows: usize,
    /// Pixels along a row.
    pub columns: usize,
    /// Frame of reference of all positions.
    pub frame_of_reference_uid: Option<String>,
    /// The images it was made from.
    pub referenced_series: Vec<SeriesReference>,
    /// What a person should know, as sentences without final period.
    pub warnings: Vec<String>,
}

/// Why a segment cannot be put on a grid.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum SegmentationError {
    #[error("segment {number} is not in this segmentation")]
    NoSuchSegment { number: u16 },
    #[error("frame {frame_number} does not say where in the patient it lies")]
    NoPosition { frame_number: usize },
    #[error("frames {first} and {second} differ in orientation or pixel spacing")]
    MixedPlanes { first: usize, second: usize },
    #[error("distances between frames vary from {min_mm} to {max_mm} mm and fit no regular grid")]
    UnevenPlanes { min_mm: f64, max_mm: f64 },
    #[error("frame {frame_number} is shifted by {shift_mm} mm against the others")]
    ShiftedPlane { frame_number: usize, shift_mm: f64 },
    #[error("frames are spread over {slices} slices, more than can be right")]
    TooManySlices { slices: f64 },
    #[error("unusable geometry")]
    Geometry(#[from] GeometryError),
}

/// Largest distance of a frame from its place on the grid, in slices or pixels.
const GRID_TOLERANCE: f64 = 0.05;
/// Frames closer to each other lie in one slice.
const SAME_SLICE_MM: f64 = 1e-3;
const MAX_SLICES: f64 = 65536.0;

/// The grid of all frames, and the slice of each.
#[derive(Debug, Clone, PartialEq)]
struct FrameGrid {
    geometry: Geometry,
    slices: Vec<usize>,
}

impl Segmentation {
    /// The segment with a number.
    pub fn segment(&self, number: u16) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.number == number)
    }

    /// The grid that holds all frames, with gaps where slices were left out.
    ///
    /// Slices ascend along row × column. Their distance is the stated spacing between slices if all frames lie on
    /// multiples of it, else the smallest distance between two frames; either is refined to end exactly at the last
    /// frame. Thickness is not distance and serves only a single slice that states no spacing.
    ///
    /// # Errors
    /// [`SegmentationError`] for frames that lie on no common grid.
    pub fn geometry(&self) -> Result<Geometry, SegmentationError> {
        Ok(self.grid()?.geometry)
    }

    /// The voxels of a segment. In a fractional segmentation these are the ones with a share of at least one half.
    ///
    /// # Errors
    /// [`SegmentationError`].
    pub fn mask(&self, number: u16) -> Result<Mask, SegmentationError> {
        self.mask_from_share(number, 0.5)
    }

    /// As [`Segmentation::mask`], with the smallest share (0 to 1, above 0) that belongs in fractional ones.
    ///
    /// # Errors
    /// [`SegmentationError`].
    pub fn mask_from_share(&self, number: u16, share: f64) -> Result<Mask, SegmentationError> {
        if self.segment(number).is_none() && !self.frames.iter().any(|f| f.segment_number == Some(number)) {
            return Err(SegmentationError::NoSuchSegment { number });
        }
        let grid = self.grid()?;
        let pixels = self.rows * self.columns;
        let mut mask = Mask::empty(grid.geometry);
        for (frame, &slice) in self.frames.iter().zip(&grid.slices) {
            let plane = match self.kind {
                SegmentationKind::LabelMap => frame.pixels.plane(pixels, |label| label == number),
                _ if frame.segment_number != Some(number) => continue,
                SegmentationKind::Binary => frame.pixels.plane(pixels, |value| value != 0),
                SegmentationKind::Fractional { max, .. } => {
                    frame.pixels.plane(pixels, |value| value != 0 && f64::from(value) >= share * max)
                }
            };
            mask.add_plane(slice, plane);
        }
        Ok(mask)
    }

    /// Mean stored share of a fractional segment over all its pixels, times their volume: mm³ that it occupies.
    ///
    /// # Errors
    /// [`SegmentationError`].
    pub fn fractional_volume_mm3(&self, number: u16) -> Result<f64, SegmentationError> {
        let SegmentationKind::Fractional { max, .. } = self.kind else {
            return Ok(self.mask(number)?.volume_mm3());
        };
        let voxel_mm3 = crate::labelmap::voxel_volume_mm3(&self.geometry()?);
        let of_segment = self.frames.iter().filter(|frame| frame.segment_number == Some(number));
        let sum: u64 = of_segment
            .map(|frame| (0..self.rows * self.columns).map(|i| u64::from(frame.stored_at(i))).sum::<u64>())
            .sum();
        Ok(sum as f64 / max * voxel_mm3)
    }

    fn grid(&self) -> Result<FrameGrid, SegmentationError> {
        let mut planes = Vec::with_capacity(self.frames.len());
        for (i, frame) in self.frames.iter().enumerate() {
            let (Some(origin), Some(axes), Some(spacing)) =
                (frame.origin_lps, frame.axes_lps, frame.pixel_spacing_mm)
            else {
                return Err(SegmentationError::NoPosition { frame_number: i + 1 });
            };
            planes.push((origin, axes, spacing));
        }
        let Some(&(first_origin, [row, column], [row_mm, column_mm])) = planes.first() else {
            return Err(SegmentationError::NoPosition { frame_number: 1 });
        };
        // Directions may be rounded; what matters is that no pixel of the frame moves.
        let reach = self.rows.max(self.columns) as f64;
        for (i, (_, axes, spacing)) in planes.iter().enumerate() {
            let turned = axes[0].distance(row).max(axes[1].distance(column)) * reach;
            let scaled = (spacing[0] / row_mm - 1.0).abs().max((spacing[1] / column_mm - 1.0).abs()) * reach;
            if turned.max(scaled) > GRID_TOLERANCE * 10.0 {
                return Err(SegmentationError::MixedPlanes { first: 1, second: i + 1 });
            }
        }
        let normal = row.cross(column).normalize_or_zero();
        let heights: Vec<f64> =
            planes.iter().map(|(origin, ..)| (*origin - first_origin).dot(normal)).collect();
        let mut distinct = heights.clone();
        distinct.sort_by(f64::total_cmp);
        distinct.dedup_by(|a, b| *a - *b < SAME_SLICE_MM);
        let stated = self.frames.iter().find_map(|frame| frame.spacing_between_slices_mm);
        let step_mm = slice_step(&distinct, stated)?;
        let (low, high) = (distinct.first().copied().unwrap_or(0.0), distinct.last().copied().unwrap_or(0.0));
        let count = step_mm.map_or(0.0, |step| ((high - low) / step).round());
        if count >= MAX_SLICES {
            return Err(SegmentationError::TooManySlices { slices: count });
        }
        // Frames of the lowest and highest slice span the direction, which tilted stacks lean.
        let at = |height: f64| {
            let found = planes.iter().zip(&heights).find(|(_, h)| (**h - height).abs() < SAME_SLICE_MM);
            found.map_or(first_origin, |((origin, ..), _)| *origin)
        };
        let base = at(low);
        let step = match step_mm {
            Some(_) if count > 0.0 => (at(high) - base) / count,
            _ => {
                let thickness = self.frames.iter().find_map(|frame| frame.slice_thickness_mm);
                normal * stated.or(thickness).unwrap_or(1.0)
            }
        };
        let step_height = step.dot(normal);
        let mut slices = Vec::with_capacity(planes.len());
        for (i, ((origin, ..), height)) in planes.iter().zip(&heights).enumerate() {
            let slice = ((height - low) / step_height).round();
            let shift = *origin - (base + step * slice);
            let along = |axis: DVec3, mm: f64| (shift.dot(axis) / mm).abs();
            if along(row, column_mm).max(along(column, row_mm)) > GRID_TOLERANCE {
                let shift_mm = shift.length();
                return Err(SegmentationError::ShiftedPlane { frame_number: i + 1, shift_mm });
            }
            slices.push(slice.max(0.0) as usize);
        }
        let dims = Dims::new(self.columns, self.rows, count as usize + 1);
        let spacing = DVec3::new(column_mm, row_mm, step.length());
        let geometry = Geometry::new(dims, base, spacing, DMat3::from_cols(row, column, step))?;
        Ok(FrameGrid { geometry, slices })
    }
}

/// Distance between slices on which all heights (ascending) lie; `None` for a single one.
fn slice_step(heights: &[f64], stated: Option<f64>) -> Result<Option<f64>, SegmentationError> {
    let gaps = || heights.windows(2).map(|pair| pair.last().unwrap_or(&0.0) - pair.first().unwrap_or(&0.0));
    let (Some(low), Some(high)) = (heights.first(), heights.last()) else { return Ok(None) };
    if heights.len() < 2 {
        return Ok(None);
    }
    let min_mm = gaps().fold(f64::INFINITY, f64::min);
    let max_mm = gaps().fold(0.0, f64::max);
    let fits = |step: f64| {
        let count = ((high - low) / step).round();
        // Stated values are rounded; stretched to end at the last frame they must fit everywhere.
        let exact = (high - low) / count;
        let is_near = |height: &f64| {
            let slice = (height - low) / exact;
            (slice - slice.round()).abs() <= GRID_TOLERANCE
        };
        (count >= 1.0 && (exact / step - 1.0).abs() < 0.01 && heights.iter().all(is_near)).then_some(exact)
    };
    let mut sorted: Vec<f64> = gaps().collect();
    sorted.sort_by(f64::total_cmp);
    let median_mm = sorted.get(sorted.len() / 2).copied().unwrap_or(min_mm);
    let step = stated.and_then(fits).or_else(|| fits(min_mm)).or_else(|| fits(median_mm));
    step.map(Some).ok_or(SegmentationError::UnevenPlanes { min_mm, max_mm })
}
