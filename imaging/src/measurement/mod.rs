//! Measurements that a person draws: lengths, angles, regions, and what their numbers rest on.
//!
//! A [`Drawing`] is a kind, its control points in patient space (LPS, mm) and the [`DrawingPlane`] it was drawn in, so
//! that zoom, window, reformatting and screen have no part in any number. [`measure`] makes numbers of it, with a
//! [`Receipt`] that says what they rest on. [`region_volume`] adds up regions on parallel slices. [`export`] writes
//! records as JSON and CSV and reads JSON; `formats::dicom::measurement_report` writes structured reports, and
//! [`import`] makes drawings of those that were read, our own or not.
//!
//! It draws nothing and keeps nothing. What a presentation state holds is [`crate::annotation`].
//!
//! # Rules
//!
//! * **Lengths** are those of [`SpacingSource`] and carry its label: millimetres in the patient, at the detector,
//!   divided by a magnification, or pixels (the width of a column). In ultrasound they are those of the region that
//!   holds the whole drawing ([`UltrasoundRegion`]), else pixels. A [`Calibration`] by hand goes before all of them and
//!   is labelled `mm (user)`: lengths are multiplied by it, areas by its square, volumes by its cube.
//! * **Red geometry** withholds millimetres, and angles with them, until somebody takes note
//!   ([`MeasureInput::is_acknowledged`]). Lengths that exist through a calibration alone are not withheld.
//! * **Angles** lie between arms, 0° to 180°; **Cobb angles** between lines without direction, 0° to 90°.
//! * **Ellipses**: area π·a·b, circumference by the complete elliptic integral (no approximation).
//! * **Polygons** that cross themselves: even-odd, for area and pixels alike; the perimeter is that of the whole line.
//!   Scribbles that cross themselves thousands of times have no area.
//! * **Splines** are closed centripetal Catmull-Rom curves; area and length are those of the curve, not of the lines it
//!   is drawn with.
//! * **Pixels**: where the plane is parallel to a layer of voxels, the voxels of the nearest layer whose centres lie
//!   inside, as [`statistics`](crate::statistics) defines it; between two layers no value is made up. In other planes
//!   the image is sampled (trilinear) on a square lattice in the plane, as fine as its smallest spacing, and the receipt
//!   says "resampled". Padding, slices that no file fills and values that are not finite are left out and counted.
//!   None left: [`RegionPixels::NoPixels`]. Colours are refused.
//! * **±**: a point is known to half a voxel. With `w`, the reach of a voxel along a line (from edge to edge through
//!   its centre), a length is known to `w` (both ends off), an arm of an angle to `atan(w / length)` with `w` across it,
//!   a polyline and an angle to the root of the sum of squares of their parts, an area to half a voxel all along its
//!   edge, a perimeter to `π w` (Steiner's formula).
//!
//! Sources: DICOM PS3.3 10.7.1 and C.8.5.5 (lengths), PS3.16 TID 1500 and following (names of quantities).

mod calibration;
pub(crate) mod codes;
mod curve;
mod drawing;
mod even_odd;
pub mod export;
pub mod import;
mod kind;
mod metric;
mod pixels;
mod plane;
mod quantity;
mod receipt;
mod volume;

use glam::DVec3;

pub use calibration::{Calibration, CalibrationError};
pub(crate) use curve::{ellipse as ellipse_of, principal_axes};
pub use drawing::{Drawing, DrawingError};
pub use kind::{DrawingKind, MAX_POINTS, PointCount};
pub use metric::LengthUnit;
pub use pixels::{NoStatistics, RegionPixels, RegionStatistics, ValueScale};
pub use plane::DrawingPlane;
pub use quantity::{Dimension, Quantity, QuantityName};
pub use receipt::{Interpolation, Layer, PixelCounts, PlaneKind, Receipt};
pub use volume::{NoVolume, VolumeMeasured, region_volume};

use crate::spacing::{SpacingSource, UltrasoundRegion};
use crate::statistics::is_padding;
use crate::verdict::Verdict;
use crate::volume::Volume;
use metric::Metric;
use pixels::{Found, Placement};

/// What a drawing is measured on.
#[derive(Debug, Clone, Copy)]
pub struct MeasureInput<'a> {
    /// The image.
    pub volume: &'a Volume,
    /// Which of its volumes along time, from 0.
    pub time_point: usize,
    /// Where its distance between pixels comes from.
    pub spacing: &'a SpacingSource,
    /// Calibrated regions, if it is an ultrasound picture.
    pub ultrasound_regions: &'a [UltrasoundRegion],
    /// A calibration by hand.
    pub calibration: Option<&'a Calibration>,
    /// How far its geometry can be trusted.
    pub verdict: &'a Verdict,
    /// Whether somebody took note of what speaks against it.
    pub is_acknowledged: bool,
    /// Another unit for values than the image's own.
    pub value_scale: Option<&'a ValueScale>,
}

impl<'a> MeasureInput<'a> {
    /// The first point in time, no calibration, nothing acknowledged, values in the image's own unit.
    pub fn new(volume: &'a Volume, spacing: &'a SpacingSource, verdict: &'a Verdict) -> Self {
        Self {
            volume,
            time_point: 0,
            spacing,
            ultrasound_regions: &[],
            calibration: None,
            verdict,
            is_acknowledged: false,
            value_scale: None,
        }
    }

    /// Whether numbers in a unit are withheld.
    fn withholds(&self, unit: &LengthUnit) -> bool {
        // Where the file has no lengths at all, those of a calibration are not touched by that.
        let is_all_by_hand = self.calibration.is_some() && !self.spacing.is_length();
        unit.is_mm && self.verdict.withholds_mm() && !self.is_acknowledged && !is_all_by_hand
    }
}

/// The numbers of a drawing.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Lengths, areas, angles and the value of a probe, the most important first. None for arrows, texts and what is
    /// not complete.
    pub quantities: Vec<Quantity>,
    /// What the pixels of a region amount to.
    pub pixels: RegionPixels,
    /// What all of it rests on.
    pub receipt: Receipt,
}

impl Measured {
    /// All numbers in one list: [`Self::quantities`], then those of the pixels.
    pub fn all_quantities(&self) -> Vec<Quantity> {
        let mut all = self.quantities.clone();
        if let RegionPixels::Statistics(statistics) = &self.pixels {
            all.extend(statistics.quantities());
        }
        all
    }
}

impl RegionStatistics {
    /// Mean, SD, minimum, maximum, median and the number of pixels.
    pub fn quantities(&self) -> Vec<Quantity> {
        let value = |name, value, unit: &str| Quantity {
            name,
            value: Some(value),
            unit: unit.to_owned(),
            plus_minus: None,
        };
        vec![
            value(QuantityName::Mean, self.mean, &self.unit),
            value(QuantityName::StandardDeviation, self.sd, &self.unit),
            value(QuantityName::Minimum, self.min, &self.unit),
            value(QuantityName::Maximum, self.max, &self.unit),
            value(QuantityName::Median, self.median, &self.unit),
            value(QuantityName::PixelCount, self.count as f64, ""),
        ]
    }
}

/// Measures a drawing. The rules are those of the [module](self).
///
/// Regions on voxel layers take time in proportion to their pixels, oblique ones about eight times as much.
pub fn measure(drawing: &Drawing, input: &MeasureInput<'_>) -> Measured {
    let metric = Metric::of(drawing, input);
    let placement = Placement::of(drawing, input.volume.geometry());
    let mut quantities = quantity::quantities(drawing, &metric);
    let found = if !drawing.is_complete() {
        Found::nothing(RegionPixels::NotARegion)
    } else if drawing.kind().is_region() {
        pixels::of_region(drawing, placement, input)
    } else if drawing.kind() == DrawingKind::Probe {
        let (value, found) = probe(drawing, input);
        quantities.extend(value);
        found
    } else {
        Found::nothing(RegionPixels::NotARegion)
    };
    withhold(&mut quantities, &metric.unit, input);
    let plane = drawing.plane();
    let plus_minus = metric.voxel_reach(plane.right()).max(metric.voxel_reach(plane.down()));
    let receipt = receipt(&metric.unit, plus_minus, placement, &found, input);
    Measured { quantities, pixels: found.pixels, receipt }
}

/// Takes back what is not to be shown.
fn withhold(quantities: &mut [Quantity], unit: &LengthUnit, input: &MeasureInput<'_>) {
    if input.withholds(unit) {
        for quantity in quantities {
            if !matches!(quantity.name.dimension(), Dimension::Value | Dimension::Count) {
                (quantity.value, quantity.plus_minus) = (None, None);
            }
        }
    }
}

/// The value of the voxel around a point; none outside, in padding and where no file filled it.
fn probe(drawing: &Drawing, input: &MeasureInput<'_>) -> (Option<Quantity>, Found) {
    if let Some(reason) = pixels::refusal(input) {
        return (None, Found::nothing(RegionPixels::Refused(reason)));
    }
    let value = drawing
        .points_lps()
        .first()
        .and_then(|&lps| probed_voxel(input.volume, lps))
        .and_then(|index| input.volume.value_at(index, 0, input.time_point))
        .filter(|&value| value.is_finite() && !is_padding(input.volume, value));
    let Some(value) = value else { return (None, Found::nothing(RegionPixels::NoPixels)) };
    let quantity = Quantity {
        name: QuantityName::Value,
        value: Some(value * input.value_scale.map_or(1.0, |scale| scale.factor)),
        unit: pixels::value_unit(input),
        plus_minus: None,
    };
    let found = Found {
        counts: PixelCounts { inside: 1, ..PixelCounts::default() },
        interpolation: Some(Interpolation::SourceVoxels),
        ..Found::nothing(RegionPixels::NotARegion)
    };
    (Some(quantity), found)
}

/// Index of the voxel that a probe reads; `None` outside.
pub fn probed_voxel(volume: &Volume, lps: DVec3) -> Option<[usize; 3]> {
    volume.geometry().nearest_index(lps)
}

fn receipt(
    unit: &LengthUnit,
    plus_minus: f64,
    placement: Placement,
    found: &Found,
    input: &MeasureInput<'_>,
) -> Receipt {
    let mut notes = Vec::new();
    match &found.pixels {
        RegionPixels::NoPixels => notes.push("No pixels.".to_owned()),
        RegionPixels::Refused(reason) => notes.push(format!("No statistics: {reason}.")),
        RegionPixels::NotARegion | RegionPixels::Statistics(_) => {}
    }
    Receipt {
        length_label: unit.label(1),
        spacing: input.spacing.to_string(),
        calibration: input.calibration.cloned(),
        verdict: input.verdict.level,
        verdict_reasons: input.verdict.reasons.iter().map(ToString::to_string).collect(),
        is_withheld: input.withholds(unit),
        plane: placement.kind,
        layer: placement.layer,
        interpolation: found.interpolation,
        pixels: found.counts,
        voxel_spacing: input.volume.geometry().spacing_mm().to_array(),
        plus_minus,
        time_point: [input.time_point, input.volume.time_points()],
        notes,
    }
}
