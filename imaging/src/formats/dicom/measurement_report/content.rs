//! The content tree: TID 1500 with its groups.

use dicom_core::VR;
use glam::{DVec2, DVec3};

use super::item::{Item, dcm};
use super::{ReportEntry, ReportError, ReportInfo};
use crate::derived::CodedConcept;
use crate::formats::dicom::derived_tags as dtags;
use crate::geometry::Geometry;
use crate::measurement::codes::{self, CONTROL_POINTS, DRAWING_KIND, concept, local};
use crate::measurement::export::MeasurementRecord;
use crate::measurement::{DrawingKind, Quantity, Receipt, ellipse_of, principal_axes};

/// UIDs of a report by purpose.
pub(super) const SERIES_UID: u64 = 0;
pub(super) const INSTANCE_UID: u64 = 1;
const DEVICE_UID: u64 = 2;

/// How finely curves are cut into lines: far finer than any pixel.
const TOLERANCE_MM: f64 = 0.01;

pub(super) fn root(entries: &[ReportEntry<'_>], info: &ReportInfo<'_>) -> Result<Item, ReportError> {
    if entries.is_empty() {
        return Err(ReportError::Empty);
    }
    let groups = entries.iter().enumerate().map(|(at, entry)| group(at + 1, entry));
    let measurements = Item::content("CONTAINS", "CONTAINER", &dcm("126010", "Imaging Measurements"))
        .container(None)
        .children(groups.collect::<Result<_, _>>()?);
    let modality = entries.first().map(|entry| entry.record.image.modality.as_str()).unwrap_or_default();
    let mut children = vec![language()];
    children.extend(observers(info));
    children.push(Item::code_item(
        "HAS CONCEPT MOD",
        &dcm("121058", "Procedure reported"),
        &procedure(modality),
    ));
    children.push(measurements);
    let root = Item::new()
        .text(dtags::VALUE_TYPE, VR::CS, "CONTAINER")
        .code(dtags::CONCEPT_NAME_CODE_SEQUENCE, &dcm("126000", "Imaging Measurement Report"))
        .container(Some("1500"));
    Ok(root.children(children))
}

/// TID 1204.
fn language() -> Item {
    let country = Item::code_item(
        "HAS CONCEPT MOD",
        &dcm("121046", "Country of Language"),
        &concept("ISO3166_1", "US", "United States"),
    );
    Item::code_item(
        "HAS CONCEPT MOD",
        &dcm("121049", "Language of Content Item and Descendants"),
        &concept("RFC5646", "en", "English"),
    )
    .children(vec![country])
}

/// TID 1001: who measured, and with what.
fn observers(info: &ReportInfo<'_>) -> Vec<Item> {
    let kind =
        |kind: &CodedConcept| Item::code_item("HAS OBS CONTEXT", &dcm("121005", "Observer Type"), kind);
    let mut items = Vec::new();
    let name: String = info.author.chars().filter(|c| !matches!(c, '\\' | '=' | '^')).collect();
    if !name.trim().is_empty() {
        items.push(kind(&dcm("121006", "Person")));
        items.push(Item::content("HAS OBS CONTEXT", "PNAME", &dcm("121008", "Person Observer Name")).text(
            dtags::PERSON_NAME,
            VR::PN,
            &name,
        ));
    }
    items.push(kind(&dcm("121007", "Device")));
    let device = info.seed.uid(DEVICE_UID);
    items.push(Item::uid_item("HAS OBS CONTEXT", &dcm("121012", "Device Observer UID"), &device));
    items.push(Item::text_item("HAS OBS CONTEXT", &dcm("121013", "Device Observer Name"), "Lantern"));
    items
}

/// CID 100 for the modalities that it is plain for.
fn procedure(modality: &str) -> CodedConcept {
    match modality {
        "CT" => concept("LN", "25045-6", "CT unspecified body region"),
        "MR" => concept("LN", "25056-3", "MR unspecified body region"),
        _ => concept("SCT", "363679005", "Imaging procedure"),
    }
}

/// Where drawings are: in space, or on the pixels of a frame.
enum Place<'a> {
    Space { frame_of_reference_uid: &'a str },
    Frame { geometry: &'a Geometry },
}

impl<'a> Place<'a> {
    fn of(number: usize, entry: &ReportEntry<'a>) -> Result<Self, ReportError> {
        let record = entry.record;
        if let Some(uid) = record.image.frame_of_reference_uid.as_deref().filter(|uid| !uid.is_empty()) {
            return Ok(Self::Space { frame_of_reference_uid: uid });
        }
        let geometry = entry.frame.filter(|_| !record.image.instances.is_empty());
        let geometry = geometry.ok_or(ReportError::NoPlace { number })?;
        // A frame has no depth; half a pixel of it is none.
        let is_on_it = |lps: &DVec3| geometry.index_from_lps().transform_point3(*lps).z.abs() < 0.5;
        if !record.drawing.points_lps().iter().all(is_on_it) {
            return Err(ReportError::NoPlace { number });
        }
        Ok(Self::Frame { geometry })
    }

    /// An item for points, closed where the graphic is.
    fn item(
        &self,
        relationship: &str,
        name: &CodedConcept,
        graphic: &str,
        points: &[DVec3],
        record: &MeasurementRecord,
    ) -> Item {
        match self {
            Self::Space { frame_of_reference_uid } => {
                let numbers = points.iter().flat_map(|lps| lps.to_array()).map(|mm| mm as f32);
                Item::content(relationship, "SCOORD3D", name)
                    .floats(dtags::GRAPHIC_DATA, numbers.collect())
                    .text(dtags::GRAPHIC_TYPE, VR::CS, graphic)
                    .uid(dtags::REFERENCED_FRAME_OF_REFERENCE_UID, frame_of_reference_uid)
            }
            Self::Frame { geometry } => {
                // From the centre of the first pixel to its corner.
                let pixel = |lps: &DVec3| {
                    let index = geometry.index_from_lps().transform_point3(*lps);
                    DVec2::new(index.x, index.y) + 0.5
                };
                let numbers = points.iter().flat_map(|lps| pixel(lps).to_array()).map(|px| px as f32);
                // Closed lines are lines that end where they began; there is no graphic of their own.
                let graphic = if graphic == "POLYGON" { "POLYLINE" } else { graphic };
                let images = &record.image.instances;
                Item::content(relationship, "SCOORD", name)
                    .floats(dtags::GRAPHIC_DATA, numbers.collect())
                    .text(dtags::GRAPHIC_TYPE, VR::CS, graphic)
                    .children(
                        images
                            .iter()
                            .take(1)
                            .map(|image| Item::image_item("SELECTED FROM", None, image))
                            .collect(),
                    )
            }
        }
    }

    /// Ends of the axes of an ellipse, the longer one first; perpendicular where they are counted.
    fn axes(&self, record: &MeasurementRecord) -> Option<Vec<DVec3>> {
        let (center, semi_axes) = ellipse_of(&record.drawing)?;
        let [a, b] = match self {
            Self::Space { .. } => principal_axes(semi_axes),
            Self::Frame { geometry } => {
                let flat = semi_axes.map(|axis| {
                    let index = geometry.index_from_lps().transform_vector3(axis);
                    DVec3::new(index.x, index.y, 0.0)
                });
                principal_axes(flat).map(|index| geometry.lps_from_index().transform_vector3(index))
            }
        };
        Some(vec![center - a, center + a, center - b, center + b])
    }
}

/// TID 1410 for regions, else TID 1501.
fn group(number: usize, entry: &ReportEntry<'_>) -> Result<Item, ReportError> {
    let (record, place) = (entry.record, Place::of(number, entry)?);
    let kind = record.drawing.kind();
    let label = if record.label.trim().is_empty() { kind.name() } else { record.label.trim() };
    let mut items = vec![
        Item::text_item("HAS OBS CONTEXT", &dcm("112039", "Tracking Identifier"), label),
        Item::uid_item("HAS OBS CONTEXT", &dcm("112040", "Tracking Unique Identifier"), &record.tracking_uid),
    ];
    if let Some(finding) = &record.finding {
        items.push(Item::code_item("CONTAINS", &dcm("121071", "Finding"), finding));
    }
    if let Some(site) = &record.finding_site {
        items.push(Item::code_item("HAS CONCEPT MOD", &concept("SCT", "363698007", "Finding Site"), site));
    }
    for image in record.image.instances.iter().filter(|image| !image.sop_instance_uid.is_empty()) {
        items.push(Item::image_item("CONTAINS", Some(&concept("SCT", "260753009", "Source")), image));
    }
    let template = if kind.is_region() {
        items.extend(region(record, &place));
        items.extend(record.quantities.iter().filter_map(|quantity| number_item(quantity, Vec::new())));
        "1410"
    } else {
        items.extend(lines(record, &place));
        "1501"
    };
    items.push(Item::code_item(
        "CONTAINS",
        &local(DRAWING_KIND, "Kind of drawing"),
        &local(kind.id(), kind.name()),
    ));
    let comment = record.receipt.as_ref().map(Receipt::lines).unwrap_or_default();
    if !comment.is_empty() {
        items.push(Item::text_item("CONTAINS", &dcm("121106", "Comment"), &comment.join("\n")));
    }
    let group = Item::content("CONTAINS", "CONTAINER", &dcm("125007", "Measurement Group"));
    Ok(group.container(Some(template)).children(items))
}

/// A number, its derivation and what it was measured on; `None` for one that is withheld.
fn number_item(quantity: &Quantity, measured_on: Vec<Item>) -> Option<Item> {
    let value = quantity.value.filter(|value| value.is_finite())?;
    let (name, derivation) = codes::quantity_codes(quantity);
    let derivation =
        derivation.map(|code| Item::code_item("HAS CONCEPT MOD", &dcm("121401", "Derivation"), &code));
    let children = derivation.into_iter().chain(measured_on).collect();
    Some(Item::number(&name, value, &codes::unit_code(quantity)).children(children))
}

/// The outline of a region, and its control points where those cannot be told from it.
fn region(record: &MeasurementRecord, place: &Place<'_>) -> Vec<Item> {
    let name = dcm("111030", "Image Region");
    let item = |graphic, points: &[DVec3]| place.item("CONTAINS", &name, graphic, points, record);
    let mut items = Vec::new();
    match place.axes(record) {
        Some(ends) => items.push(item("ELLIPSE", &ends)),
        None => {
            items.extend(record.drawing.outline_lps(TOLERANCE_MM).iter().map(|line| item("POLYGON", line)));
        }
    }
    if matches!(record.drawing.kind(), DrawingKind::Spline | DrawingKind::Ellipse | DrawingKind::Circle) {
        let name = local(CONTROL_POINTS, "Control points");
        items.push(place.item("CONTAINS", &name, "MULTIPOINT", record.drawing.points_lps(), record));
    }
    items
}

/// Numbers with the lines that they were measured on below them; lines alone where there are no numbers.
fn lines(record: &MeasurementRecord, place: &Place<'_>) -> Vec<Item> {
    let drawn = record.drawing.outline_lps(TOLERANCE_MM);
    let graphic = |line: &[DVec3]| if line.len() == 1 { "POINT" } else { "POLYLINE" };
    let source = dcm("121112", "Source of Measurement");
    let below = |line: &Vec<DVec3>| place.item("INFERRED FROM", &source, graphic(line), line, record);
    let is_pair = record.drawing.kind() == DrawingKind::Bidirectional;
    let sorted = longest_first(&drawn);
    let item = |(at, quantity): (usize, &Quantity)| {
        // Each diameter is a line of its own; the numbers come the longer one first.
        let own: Vec<&Vec<DVec3>> =
            if is_pair { sorted.get(at).copied().into_iter().collect() } else { drawn.iter().collect() };
        number_item(quantity, own.into_iter().map(below).collect())
    };
    let numbers: Vec<Item> = record.quantities.iter().enumerate().filter_map(item).collect();
    if !numbers.is_empty() {
        return numbers;
    }
    let region = dcm("111030", "Image Region");
    drawn.iter().map(|line| place.item("CONTAINS", &region, graphic(line), line, record)).collect()
}

fn longest_first(lines: &[Vec<DVec3>]) -> Vec<&Vec<DVec3>> {
    let length =
        |line: &[DVec3]| line.iter().zip(line.iter().skip(1)).map(|(p, q)| p.distance(*q)).sum::<f64>();
    let mut sorted: Vec<&Vec<DVec3>> = lines.iter().collect();
    sorted.sort_by(|a, b| length(b).total_cmp(&length(a)));
    sorted
}
