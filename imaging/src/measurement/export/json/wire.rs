//! The document as it is written, field by field.

use glam::DVec3;
use serde::{Deserialize, Serialize};

use super::super::{ImageReference, MeasurementRecord};
use super::JsonError;
use crate::derived::{CodedConcept, InstanceReference};
use crate::measurement::{
    Calibration, Drawing, DrawingKind, DrawingPlane, Interpolation, Layer, PixelCounts, PlaneKind, Quantity,
    QuantityName, Receipt,
};
use crate::statistics::region::IndexAxis;
use crate::verdict::Level;

type Triple = [f64; 3];

#[derive(Deserialize)]
pub(super) struct Head {
    pub(super) format: String,
    pub(super) version: u32,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Document {
    pub(super) format: String,
    pub(super) version: u32,
    #[serde(default)]
    pub(super) created: String,
    #[serde(default)]
    pub(super) software: String,
    pub(super) measurements: Vec<Record>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    tracking_uid: String,
    #[serde(default)]
    label: String,
    kind: String,
    #[serde(default)]
    finding: Option<Code>,
    #[serde(default)]
    finding_site: Option<Code>,
    points_lps_mm: Vec<Triple>,
    plane: Plane,
    #[serde(default)]
    quantities: Vec<Number>,
    #[serde(default)]
    receipt: Option<Basis>,
    image: Image,
}

#[derive(Serialize, Deserialize)]
struct Code {
    scheme: String,
    value: String,
    meaning: String,
}

#[derive(Serialize, Deserialize)]
struct Plane {
    through_lps_mm: Triple,
    right: Triple,
    down: Triple,
}

#[derive(Serialize, Deserialize)]
struct Number {
    name: String,
    value: Option<f64>,
    unit: String,
    #[serde(default)]
    plus_minus: Option<f64>,
}

#[derive(Serialize, Deserialize)]
struct Image {
    study_uid: String,
    series_uid: String,
    #[serde(default)]
    frame_of_reference_uid: Option<String>,
    #[serde(default)]
    modality: String,
    #[serde(default)]
    instances: Vec<Instance>,
}

#[derive(Serialize, Deserialize)]
struct Instance {
    sop_class_uid: String,
    sop_instance_uid: String,
    #[serde(default)]
    frame_numbers: Vec<u32>,
}

#[derive(Serialize, Deserialize)]
struct Basis {
    length_label: String,
    spacing: String,
    #[serde(default)]
    calibration: Option<ByHand>,
    verdict: String,
    #[serde(default)]
    verdict_reasons: Vec<String>,
    #[serde(default)]
    is_withheld: bool,
    plane: String,
    #[serde(default)]
    layer: Option<LayerAt>,
    /// `source voxels`, `trilinear` or nothing.
    #[serde(default)]
    interpolation: Option<String>,
    #[serde(default)]
    step_mm: Option<f64>,
    #[serde(default)]
    pixels: Counts,
    voxel_spacing: Triple,
    plus_minus: f64,
    time_point: usize,
    time_points: usize,
    #[serde(default)]
    notes: Vec<String>,
    /// The same for people; not read.
    #[serde(default, skip_deserializing)]
    lines: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct ByHand {
    known_mm: f64,
    drawn: f64,
    drawn_unit: String,
    /// Follows from the two lengths; not read.
    #[serde(default, skip_deserializing)]
    mm_per_unit: f64,
    by: String,
    at: String,
}

#[derive(Serialize, Deserialize)]
struct LayerAt {
    axis: String,
    index: usize,
    distance_mm: f64,
}

#[derive(Serialize, Deserialize, Default)]
struct Counts {
    inside: u64,
    #[serde(default)]
    padding: u64,
    #[serde(default)]
    in_empty_slices: u64,
    #[serde(default)]
    not_finite: u64,
    #[serde(default)]
    beside_missing: u64,
}

impl From<&MeasurementRecord> for Record {
    fn from(record: &MeasurementRecord) -> Self {
        let plane = record.drawing.plane();
        let code = |code: &CodedConcept| Code {
            scheme: code.scheme.clone(),
            value: code.value.clone(),
            meaning: code.meaning.clone(),
        };
        Self {
            tracking_uid: record.tracking_uid.clone(),
            label: record.label.clone(),
            kind: record.drawing.kind().id().to_owned(),
            finding: record.finding.as_ref().map(code),
            finding_site: record.finding_site.as_ref().map(code),
            points_lps_mm: record.drawing.points_lps().iter().map(DVec3::to_array).collect(),
            plane: Plane {
                through_lps_mm: plane.through_lps().to_array(),
                right: plane.right().to_array(),
                down: plane.down().to_array(),
            },
            quantities: record.quantities.iter().map(Number::from).collect(),
            receipt: record.receipt.as_ref().map(Basis::from),
            image: Image::from(&record.image),
        }
    }
}

impl Record {
    /// The record with this number in its document.
    pub(super) fn read(self, number: usize) -> Result<MeasurementRecord, JsonError> {
        let unknown = |what, found: &str| JsonError::Unknown { number, what, found: found.to_owned() };
        let kind = DrawingKind::from_id(&self.kind).ok_or_else(|| unknown("kind", &self.kind))?;
        let points = self.points_lps_mm.into_iter().map(DVec3::from_array).collect();
        let Plane { through_lps_mm, right, down } = self.plane;
        let drawing = DrawingPlane::new(through_lps_mm.into(), right.into(), down.into())
            .and_then(|plane| Drawing::complete(kind, points, plane))
            .map_err(|source| JsonError::Drawing { number, source })?;
        let quantity = |written: Number| {
            let name =
                QuantityName::from_id(&written.name).ok_or_else(|| unknown("quantity", &written.name))?;
            Ok(Quantity { name, value: written.value, unit: written.unit, plus_minus: written.plus_minus })
        };
        let code =
            |code: Code| CodedConcept { value: code.value, scheme: code.scheme, meaning: code.meaning };
        Ok(MeasurementRecord {
            tracking_uid: self.tracking_uid,
            label: self.label,
            finding: self.finding.map(code),
            finding_site: self.finding_site.map(code),
            drawing,
            quantities: self.quantities.into_iter().map(quantity).collect::<Result<_, _>>()?,
            receipt: self.receipt.map(|receipt| receipt.read(number)).transpose()?,
            image: self.image.read(),
        })
    }
}

impl From<&Quantity> for Number {
    fn from(quantity: &Quantity) -> Self {
        Self {
            name: quantity.name.id().to_owned(),
            value: quantity.value,
            unit: quantity.unit.clone(),
            plus_minus: quantity.plus_minus,
        }
    }
}

impl From<&ImageReference> for Image {
    fn from(image: &ImageReference) -> Self {
        let instance = |instance: &InstanceReference| Instance {
            sop_class_uid: instance.sop_class_uid.clone(),
            sop_instance_uid: instance.sop_instance_uid.clone(),
            frame_numbers: instance.frame_numbers.clone(),
        };
        Self {
            study_uid: image.study_uid.clone(),
            series_uid: image.series_uid.clone(),
            frame_of_reference_uid: image.frame_of_reference_uid.clone(),
            modality: image.modality.clone(),
            instances: image.instances.iter().map(instance).collect(),
        }
    }
}

impl Image {
    fn read(self) -> ImageReference {
        let instance = |instance: Instance| InstanceReference {
            sop_class_uid: instance.sop_class_uid,
            sop_instance_uid: instance.sop_instance_uid,
            frame_numbers: instance.frame_numbers,
            segment_numbers: Vec::new(),
        };
        ImageReference {
            study_uid: self.study_uid,
            series_uid: self.series_uid,
            frame_of_reference_uid: self.frame_of_reference_uid,
            modality: self.modality,
            instances: self.instances.into_iter().map(instance).collect(),
        }
    }
}

const AXES: [(&str, IndexAxis); 3] = [("x", IndexAxis::X), ("y", IndexAxis::Y), ("z", IndexAxis::Z)];
const SOURCE_VOXELS: &str = "source voxels";
const TRILINEAR: &str = "trilinear";

impl From<&Receipt> for Basis {
    fn from(receipt: &Receipt) -> Self {
        let axis_name =
            |axis| AXES.iter().find(|(_, known)| *known == axis).map_or("z", |(name, _)| name).to_owned();
        let (interpolation, step_mm) = match receipt.interpolation {
            Some(Interpolation::SourceVoxels) => (Some(SOURCE_VOXELS.to_owned()), None),
            Some(Interpolation::Trilinear { step_mm }) => (Some(TRILINEAR.to_owned()), Some(step_mm)),
            None => (None, None),
        };
        let counts = receipt.pixels;
        Self {
            length_label: receipt.length_label.clone(),
            spacing: receipt.spacing.clone(),
            calibration: receipt.calibration.as_ref().map(|calibration| ByHand {
                known_mm: calibration.known_mm(),
                drawn: calibration.drawn(),
                drawn_unit: calibration.drawn_unit().to_owned(),
                mm_per_unit: calibration.mm_per_unit(),
                by: calibration.by().to_owned(),
                at: calibration.at().to_owned(),
            }),
            verdict: receipt.verdict.name().to_owned(),
            verdict_reasons: receipt.verdict_reasons.clone(),
            is_withheld: receipt.is_withheld,
            plane: receipt.plane.id().to_owned(),
            layer: receipt.layer.map(|layer| LayerAt {
                axis: axis_name(layer.axis),
                index: layer.index,
                distance_mm: layer.distance_mm,
            }),
            interpolation,
            step_mm,
            pixels: Counts {
                inside: counts.inside,
                padding: counts.padding,
                in_empty_slices: counts.in_empty_slices,
                not_finite: counts.not_finite,
                beside_missing: counts.beside_missing,
            },
            voxel_spacing: receipt.voxel_spacing,
            plus_minus: receipt.plus_minus,
            time_point: receipt.time_point[0],
            time_points: receipt.time_point[1],
            notes: receipt.notes.clone(),
            lines: receipt.lines(),
        }
    }
}

impl Basis {
    fn read(self, number: usize) -> Result<Receipt, JsonError> {
        let unknown = |what, found: &str| JsonError::Unknown { number, what, found: found.to_owned() };
        let levels = [Level::Green, Level::Amber, Level::Red];
        let verdict = levels.into_iter().find(|level| level.name() == self.verdict);
        let layer = self.layer.map(|written| {
            let (_, axis) = AXES
                .into_iter()
                .find(|(name, _)| *name == written.axis)
                .ok_or_else(|| unknown("axis", &written.axis))?;
            Ok(Layer { axis, index: written.index, distance_mm: written.distance_mm })
        });
        let interpolation = match (self.interpolation.as_deref(), self.step_mm) {
            (None, _) => None,
            (Some(SOURCE_VOXELS), _) => Some(Interpolation::SourceVoxels),
            (Some(TRILINEAR), Some(step_mm)) => Some(Interpolation::Trilinear { step_mm }),
            (Some(found), _) => return Err(unknown("interpolation", found)),
        };
        let by_hand = |c: ByHand| {
            Calibration::from_lengths(c.drawn, c.known_mm, &c.drawn_unit, [&c.by, &c.at])
                .map_err(|_| JsonError::Calibration { number })
        };
        let counts = self.pixels;
        Ok(Receipt {
            length_label: self.length_label,
            spacing: self.spacing,
            calibration: self.calibration.map(by_hand).transpose()?,
            verdict: verdict.ok_or_else(|| unknown("verdict", &self.verdict))?,
            verdict_reasons: self.verdict_reasons,
            is_withheld: self.is_withheld,
            plane: PlaneKind::from_id(&self.plane).ok_or_else(|| unknown("plane", &self.plane))?,
            layer: layer.transpose()?,
            interpolation,
            pixels: PixelCounts {
                inside: counts.inside,
                padding: counts.padding,
                in_empty_slices: counts.in_empty_slices,
                not_finite: counts.not_finite,
                beside_missing: counts.beside_missing,
            },
            voxel_spacing: self.voxel_spacing,
            plus_minus: self.plus_minus,
            time_point: [self.time_point, self.time_points],
            notes: self.notes,
        })
    }
}
