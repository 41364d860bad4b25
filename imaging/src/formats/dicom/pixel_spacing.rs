//! Which of the many attributes for the size of pixels counts, and what it is worth.
//!
//! Order of trust: Pixel Spacing, Imager Pixel Spacing divided by a magnification, spacing of the scanned film, aspect
//! ratio. All pairs in files are row spacing first, that is along y. Source: PS3.3 10.7.1, C.7.6.3.1.7, C.8.5.5.

use super::dataset::DataSet;
use super::tags::{self, Tag};
use super::text::Charset;
use crate::fault::{self, Fault};
use crate::spacing::{
    CalibrationKind, MagnificationSource, RegionFormat, RegionUnit, SpacingSource, UltrasoundRegion,
};

/// Most regions of one picture; real ones have up to a dozen.
const MAX_REGIONS: usize = 256;

/// Distance between pixel centres.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PixelSpacing {
    /// Between rows, that is along y.
    pub(crate) row_mm: f64,
    /// Between columns, that is along x.
    pub(crate) column_mm: f64,
    pub(crate) source: SpacingSource,
}

impl PixelSpacing {
    fn new([row_mm, column_mm]: [f64; 2], source: SpacingSource) -> Self {
        Self { row_mm, column_mm, source }
    }
}

/// What can be the size of a pixel, from a nanometre to a metre; other numbers are damage.
const PLAUSIBLE_MM: std::ops::RangeInclusive<f64> = 1e-6..=1e3;

/// Whether a spacing is written with the representation of binary numbers, which it never has (PS3.6).
///
/// Bytes of text taken for binary numbers are lengths, too, but wrong ones.
pub(super) fn is_binary(set: &DataSet) -> bool {
    let tags = [tags::PIXEL_SPACING, tags::IMAGER_PIXEL_SPACING, tags::NOMINAL_SCANNED_PIXEL_SPACING];
    tags.into_iter().any(|tag| set.is_binary(tag))
}

/// Two lengths that pixels can have.
pub(super) fn pair(set: &DataSet, tag: Tag) -> Option<[f64; 2]> {
    let [row_mm, column_mm] = set
        .array::<2>(tag)
        .filter(|pair| !set.is_binary(tag) && pair.iter().all(|s| PLAUSIBLE_MM.contains(s)))?;
    Some(if fault::is_active(Fault::SwappedSpacing) { [column_mm, row_mm] } else { [row_mm, column_mm] })
}

/// Spacing that an object as a whole states.
pub(super) fn of_object(set: &DataSet, charset: &Charset, modality: &str) -> PixelSpacing {
    let at_detector = pair(set, tags::IMAGER_PIXEL_SPACING)
        .or_else(|| pair(set.item(tags::FRAME_PIXEL_DATA_PROPERTIES_SEQUENCE)?, tags::IMAGER_PIXEL_SPACING));
    let kind = set.text(tags::PIXEL_SPACING_CALIBRATION_TYPE);
    if let Some(stated) = pair(set, tags::PIXEL_SPACING) {
        let calibrated = |kind| SpacingSource::Calibrated {
            kind,
            description: charset.text(set, tags::PIXEL_SPACING_CALIBRATION_DESCRIPTION),
        };
        let source = match (kind.as_deref(), at_detector) {
            (Some("GEOMETRY"), _) => calibrated(CalibrationKind::Geometry),
            (Some("FIDUCIAL"), _) => calibrated(CalibrationKind::Fiducial),
            // Equal values say that nothing was corrected to the patient (PS3.3 10.7.1.3).
            (_, Some(detector)) if same(detector, stated) => return corrected(set, detector),
            (_, Some(_)) => calibrated(CalibrationKind::Unstated),
            (_, None) if is_projection(modality) => SpacingSource::Unstated,
            (_, None) => SpacingSource::Patient,
        };
        return PixelSpacing::new(stated, source);
    }
    let in_beam = set.item(tags::PROJECTION_PIXEL_CALIBRATION_SEQUENCE);
    if let Some(stated) = in_beam.and_then(|item| pair(item, tags::OBJECT_PIXEL_SPACING_IN_CENTER_OF_BEAM)) {
        let kind = CalibrationKind::CenterOfBeam;
        return PixelSpacing::new(stated, SpacingSource::Calibrated { kind, description: String::new() });
    }
    if let Some(detector) = at_detector {
        return corrected(set, detector);
    }
    if let Some(film) = pair(set, tags::NOMINAL_SCANNED_PIXEL_SPACING) {
        return PixelSpacing::new(film, SpacingSource::NominalScanned);
    }
    let regions = ultrasound_regions(set);
    let unknown = if regions.is_empty() { SpacingSource::Missing } else { SpacingSource::UltrasoundRegions };
    let is_positive = |ratio: &[f64; 2]| ratio.iter().all(|&n| n > 0.0);
    match set.array::<2>(tags::PIXEL_ASPECT_RATIO).filter(is_positive) {
        // Vertical over horizontal; PS3.3 C.7.6.3.1.7. Regions of ultrasound never stretch the picture.
        Some([vertical, horizontal]) => {
            let source = if regions.is_empty() {
                SpacingSource::AspectRatio
            } else {
                SpacingSource::UltrasoundRegions
            };
            PixelSpacing::new([vertical / horizontal, 1.0], source)
        }
        None => PixelSpacing::new([1.0, 1.0], unknown),
    }
}

/// Spacing at the detector, divided by the magnification if one is known.
fn corrected(set: &DataSet, [row, column]: [f64; 2]) -> PixelSpacing {
    let estimated = set
        .number(tags::ESTIMATED_RADIOGRAPHIC_MAGNIFICATION)
        .map(|factor| (factor, MagnificationSource::Estimated));
    let from_distances = || {
        let to_detector = set.number(tags::DISTANCE_SOURCE_TO_DETECTOR)?;
        let to_patient = set.number(tags::DISTANCE_SOURCE_TO_PATIENT).filter(|d| *d > 0.0)?;
        Some((to_detector / to_patient, MagnificationSource::Distances))
    };
    // Nothing lies behind the detector, and beyond tenfold the numbers are no distances.
    let magnification = [estimated, from_distances()]
        .into_iter()
        .flatten()
        .find(|(factor, _)| factor.is_finite() && *factor > 1.0 + 1e-6 && *factor <= 10.0);
    match magnification {
        Some((magnification, from)) => {
            let source = SpacingSource::DetectorCorrected { magnification, from };
            PixelSpacing::new([row / magnification, column / magnification], source)
        }
        None => PixelSpacing::new([row, column], SpacingSource::Detector),
    }
}

fn same(a: [f64; 2], b: [f64; 2]) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-6 * a.max(b))
}

/// Modalities whose pixels are shadows on a detector.
fn is_projection(modality: &str) -> bool {
    matches!(modality, "CR" | "DX" | "MG" | "XA" | "RF" | "RG" | "PX" | "IO" | "DR")
}

/// Calibrated regions of an ultrasound picture; those without a place or physical size are left out.
pub(super) fn ultrasound_regions(set: &DataSet) -> Vec<UltrasoundRegion> {
    let items = set.items(tags::SEQUENCE_OF_ULTRASOUND_REGIONS).iter().take(MAX_REGIONS);
    items.filter_map(ultrasound_region).collect()
}

fn ultrasound_region(item: &DataSet) -> Option<UltrasoundRegion> {
    let pixel = |tag| item.number(tag).filter(|n| (0.0..=65_535.0).contains(n)).map(|n| n as u32);
    let code = |tag| item.u16(tag).unwrap_or(0);
    let delta = |tag| item.number(tag).filter(|delta| delta.is_finite() && *delta != 0.0);
    let reference =
        item.number(tags::REFERENCE_PIXEL_X0).zip(item.number(tags::REFERENCE_PIXEL_Y0)).map(|(x, y)| [x, y]);
    let value = |tag| item.number(tag).filter(|value| value.is_finite()).unwrap_or(0.0);
    Some(UltrasoundRegion {
        min_px: [pixel(tags::REGION_LOCATION_MIN_X0)?, pixel(tags::REGION_LOCATION_MIN_Y0)?],
        max_px: [pixel(tags::REGION_LOCATION_MAX_X1)?, pixel(tags::REGION_LOCATION_MAX_Y1)?],
        format: RegionFormat::from_code(code(tags::REGION_SPATIAL_FORMAT)),
        data_type: code(tags::REGION_DATA_TYPE),
        // Bit 0 of Region Flags: 0 is high priority (PS3.3 C.8.5.5.1.3).
        is_high_priority: item.integer(tags::REGION_FLAGS).unwrap_or(0) & 1 == 0,
        units: [tags::PHYSICAL_UNITS_X_DIRECTION, tags::PHYSICAL_UNITS_Y_DIRECTION]
            .map(|tag| RegionUnit::from_code(code(tag))),
        delta: [delta(tags::PHYSICAL_DELTA_X)?, delta(tags::PHYSICAL_DELTA_Y)?],
        reference_px: reference,
        reference_value: [
            value(tags::REFERENCE_PIXEL_PHYSICAL_VALUE_X),
            value(tags::REFERENCE_PIXEL_PHYSICAL_VALUE_Y),
        ],
    })
}
