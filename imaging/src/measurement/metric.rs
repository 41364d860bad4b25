//! From displacements in patient space to lengths that may be shown.

use glam::{DMat3, DVec3};

use super::curve::outline;
use super::{Drawing, MeasureInput};
use crate::spacing::{RegionUnit, SpacingSource, region_at};

/// What lengths are counted in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LengthUnit {
    /// Millimetres; else pixels (the width of a column).
    pub is_mm: bool,
    /// What to know about them, in brackets: `(detector)`, `(÷ERMF 1.14)`, `(user)`; empty if there is nothing.
    pub note: String,
}

impl LengthUnit {
    fn of(source: &SpacingSource) -> Self {
        let label = source.label();
        let note = label.trim_start_matches("mm").trim_start_matches("px").trim().to_owned();
        Self { is_mm: source.is_length(), note }
    }

    fn mm(note: &str) -> Self {
        Self { is_mm: true, note: note.to_owned() }
    }

    /// Text to print after a number: of a length (power 1), an area (2) or a volume (3).
    pub fn label(&self, power: u8) -> String {
        let unit = if self.is_mm { "mm" } else { "px" };
        let exponent = match power {
            2 => "²",
            3 => "³",
            _ => "",
        };
        let gap = if self.note.is_empty() { "" } else { " " };
        format!("{unit}{exponent}{gap}{}", self.note)
    }
}

/// How displacements become lengths.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Metric {
    /// Displacement in LPS to displacement in the unit.
    matrix: DMat3,
    /// Displacement in LPS to displacement in voxels.
    index_from_lps: DMat3,
    pub(super) unit: LengthUnit,
}

impl Metric {
    /// For a drawing on an image.
    pub(super) fn of(drawing: &Drawing, input: &MeasureInput<'_>) -> Self {
        let (matrix, unit) = match (input.calibration, input.spacing) {
            (Some(calibration), _) => {
                (DMat3::from_diagonal(DVec3::splat(calibration.mm_per_unit())), LengthUnit::mm("(user)"))
            }
            (None, SpacingSource::UltrasoundRegions) => match region_matrix(drawing, input) {
                Some(matrix) => (matrix, LengthUnit::mm("(region)")),
                None => (DMat3::IDENTITY, LengthUnit::of(input.spacing)),
            },
            (None, source) => (DMat3::IDENTITY, LengthUnit::of(source)),
        };
        Self { matrix, index_from_lps: input.volume.geometry().index_from_lps().matrix3, unit }
    }

    /// A displacement in the unit of lengths.
    pub(super) fn displacement(&self, lps: DVec3) -> DVec3 {
        self.matrix * lps
    }

    pub(super) fn length(&self, lps: DVec3) -> f64 {
        self.displacement(lps).length()
    }

    /// How far a voxel reaches along a direction, from edge to edge through its centre; 0 for no direction.
    pub(super) fn voxel_reach(&self, direction_lps: DVec3) -> f64 {
        let voxels = (self.index_from_lps * direction_lps).abs().max_element();
        if voxels > 0.0 { self.length(direction_lps) / voxels } else { 0.0 }
    }
}

/// Millimetres of the ultrasound region that holds the whole drawing (PS3.3 C.8.5.5): the picture is not stretched, so
/// its regions have their own millimetres along x and y.
fn region_matrix(drawing: &Drawing, input: &MeasureInput<'_>) -> Option<DMat3> {
    let geometry = input.volume.geometry();
    let mut points = drawing.points_lps().to_vec();
    points.extend(outline(drawing, geometry.spacing_mm().min_element()));
    let indices: Vec<DVec3> =
        points.iter().map(|&lps| geometry.index_from_lps().transform_point3(lps)).collect();
    let first = *indices.first()?;
    let region = region_at(input.ultrasound_regions, [first.x, first.y])?;
    let is_on_it = |index: &DVec3| {
        let here = region_at(input.ultrasound_regions, [index.x, index.y]);
        here == Some(region) && (index.z - first.z).abs() < 1e-6
    };
    if region.units != [RegionUnit::Centimeters; 2] || !indices.iter().all(is_on_it) {
        return None;
    }
    let [x, y] = region.delta.map(|cm| 10.0 * cm.abs());
    // Along z there is nothing to measure: all of it lies on one picture.
    Some(DMat3::from_diagonal(DVec3::new(x, y, 0.0)) * geometry.index_from_lps().matrix3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spacing::MagnificationSource;

    #[test]
    fn labels_of_areas_and_volumes_keep_the_source_of_lengths() {
        let corrected =
            SpacingSource::DetectorCorrected { magnification: 1.14, from: MagnificationSource::Estimated };
        let check = |unit: LengthUnit, labels: [&str; 3]| {
            assert_eq!([1, 2, 3].map(|power| unit.label(power)), labels.map(str::to_owned));
        };
        check(LengthUnit::of(&SpacingSource::Patient), ["mm", "mm²", "mm³"]);
        check(LengthUnit::of(&corrected), ["mm (÷ERMF 1.14)", "mm² (÷ERMF 1.14)", "mm³ (÷ERMF 1.14)"]);
        check(LengthUnit::of(&SpacingSource::Missing), ["px", "px²", "px³"]);
        check(LengthUnit::mm("(user)"), ["mm (user)", "mm² (user)", "mm³ (user)"]);
    }
}
