//! Structured reports as a tree of typed items, the measurements in them, and encapsulated documents.

use glam::DVec3;

use crate::annotation::Graphic;
use crate::derived::{CodedConcept, InstanceReference, SeriesReference};

/// A number with its unit.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasuredValue {
    /// The number, as precise as the file has it.
    pub value: f64,
    /// UCUM unit.
    pub unit: Option<CodedConcept>,
}

/// How points in space are joined (PS3.3 C.18.9.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the standard's own names")]
pub enum SpatialGraphic {
    Point,
    Multipoint,
    Polyline,
    Polygon,
    Ellipse,
    Ellipsoid,
}

/// What an item says.
#[derive(Debug, Clone, PartialEq)]
pub enum ContentValue {
    /// Holds others; with the template it follows, if it says so.
    #[expect(missing_docs, reason = "named by the sentence above")]
    Container { template: Option<String> },
    /// Free text.
    Text(String),
    /// A code.
    Code(CodedConcept),
    /// A number, or why there is none.
    #[expect(missing_docs, reason = "named by the sentence above")]
    Number { measured: Option<MeasuredValue>, qualifier: Option<CodedConcept> },
    /// Name of a person: patient data.
    PersonName(String),
    /// Date as written, `YYYYMMDD`.
    Date(String),
    /// Time as written, `HHMMSS.F`.
    Time(String),
    /// Date and time as written.
    DateTime(String),
    /// A UID.
    Uid(String),
    /// An image or segment.
    Image(InstanceReference),
    /// Any other object.
    Composite(InstanceReference),
    /// A drawing on the images below it, in continuous index of the image (see [`crate::annotation`]), which for a
    /// whole slide is its total pixel matrix.
    Drawing(Graphic),
    /// Points in patient space, LPS in mm.
    #[expect(missing_docs, reason = "named by the sentence above")]
    Spatial { graphic: SpatialGraphic, points_lps: Vec<DVec3>, frame_of_reference_uid: Option<String> },
    /// Another item of this report, by its place in the tree from 1.
    ByReference(Vec<u32>),
    /// A value type that is not read, or one that is damaged: the reason.
    Unread(String),
}

/// One item of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct ContentItem {
    /// How it relates to the item above, `CONTAINS`, `HAS PROPERTIES`, …; empty for the first.
    pub relationship: String,
    /// What is said.
    pub concept: Option<CodedConcept>,
    /// The answer.
    pub value: ContentValue,
    /// Items below.
    pub children: Vec<ContentItem>,
}

/// A measurement of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportedMeasurement {
    /// What was measured.
    pub name: CodedConcept,
    /// The value, or `None` with [`qualifier`](Self::qualifier) saying why.
    pub measured: Option<MeasuredValue>,
    /// Why there is no value, or what is special about it.
    pub qualifier: Option<CodedConcept>,
    /// How it was measured.
    pub method: Option<CodedConcept>,
    /// Mean, maximum, …
    pub derivation: Option<CodedConcept>,
}

/// Where a group was measured.
#[derive(Debug, Clone, PartialEq)]
pub enum ReportedRegion {
    /// A drawing, and the images it is on.
    #[expect(missing_docs, reason = "named by the sentence above")]
    Drawing { graphic: Graphic, images: Vec<InstanceReference> },
    /// Points in space.
    #[expect(missing_docs, reason = "named by the sentence above")]
    Spatial { graphic: SpatialGraphic, points_lps: Vec<DVec3>, frame_of_reference_uid: Option<String> },
    /// A segment of a segmentation.
    Segment(InstanceReference),
}

/// Measurements of one finding (TID 1410, 1411, 1501).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MeasurementGroup {
    /// Name that follows the finding through time.
    pub tracking_id: Option<String>,
    /// Its UID.
    pub tracking_uid: Option<String>,
    /// What it is.
    pub finding: Option<CodedConcept>,
    /// Where it is.
    pub finding_site: Option<CodedConcept>,
    /// In the order of the report.
    pub measurements: Vec<ReportedMeasurement>,
    /// Where they were made.
    pub regions: Vec<ReportedRegion>,
    /// Images they were made on, as far as they are named beside the regions.
    pub source_images: Vec<InstanceReference>,
    /// Series they were made on.
    pub source_series: Option<String>,
    /// Other coded statements: what, and which.
    pub evaluations: Vec<(CodedConcept, CodedConcept)>,
}

/// A structured report.
#[derive(Debug, Clone, PartialEq)]
pub struct StructuredReport {
    /// Title.
    pub title: Option<CodedConcept>,
    /// `COMPLETE` or `PARTIAL`, as written.
    pub completion: String,
    /// `VERIFIED` or `UNVERIFIED`, as written.
    pub verification: String,
    /// The tree.
    pub root: ContentItem,
    /// Objects that it rests on.
    pub evidence: Vec<SeriesReference>,
}

/// A document in a DICOM object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncapsulatedDocument {
    /// Title for people; may hold patient data.
    pub title: String,
    /// Type of the bytes, `application/pdf`, …
    pub mime_type: String,
    /// First byte of the document within the file; `None` if the file or its member is compressed.
    pub offset: Option<u64>,
    /// The document, without padding.
    pub bytes: Vec<u8>,
    /// What a person should know, as sentences without final period.
    pub warnings: Vec<String>,
}

impl ContentItem {
    fn is_about(&self, codes: &[(&str, &str)]) -> bool {
        self.concept
            .as_ref()
            .is_some_and(|concept| codes.iter().any(|(scheme, value)| concept.is(scheme, value)))
    }

    /// First item directly below about one of some codes (`(scheme, value)`).
    fn below(&self, codes: &[(&str, &str)]) -> Option<&ContentItem> {
        self.children.iter().find(|child| child.is_about(codes))
    }

    fn code(&self) -> Option<&CodedConcept> {
        match &self.value {
            ContentValue::Code(code) => Some(code),
            _ => None,
        }
    }

    fn code_below(&self, codes: &[(&str, &str)]) -> Option<CodedConcept> {
        self.below(codes)?.code().cloned()
    }

    /// Images directly below.
    fn images(&self) -> Vec<InstanceReference> {
        let image = |child: &ContentItem| match &child.value {
            ContentValue::Image(reference) => Some(reference.clone()),
            _ => None,
        };
        self.children.iter().filter_map(image).collect()
    }
}

const MEASUREMENT_GROUP: &[(&str, &str)] = &[("DCM", "125007")];
const TRACKING_IDENTIFIER: &[(&str, &str)] = &[("DCM", "112039")];
const TRACKING_UNIQUE_IDENTIFIER: &[(&str, &str)] = &[("DCM", "112040")];
const FINDING: &[(&str, &str)] = &[("DCM", "121071")];
/// The same concept in SNOMED CT and in its old coding.
const FINDING_SITE: &[(&str, &str)] = &[("SCT", "363698007"), ("SRT", "G-C0E3")];
const MEASUREMENT_METHOD: &[(&str, &str)] = &[("SCT", "370129005"), ("SRT", "G-C036")];
const DERIVATION: &[(&str, &str)] = &[("DCM", "121401"), ("SRT", "R-00317")];
const REFERENCED_SEGMENT: &[(&str, &str)] = &[("DCM", "121191"), ("DCM", "121214")];
const SOURCE_SERIES: &[(&str, &str)] = &[("DCM", "121232")];

impl StructuredReport {
    /// All measurement groups, in the order of the report.
    pub fn measurement_groups(&self) -> Vec<MeasurementGroup> {
        let mut groups = Vec::new();
        // Depth is bounded by the reader, the number of items by the file.
        let mut waiting = vec![&self.root];
        while let Some(item) = waiting.pop() {
            if item.is_about(MEASUREMENT_GROUP) && matches!(item.value, ContentValue::Container { .. }) {
                groups.push(measurement_group(item));
            }
            waiting.extend(item.children.iter().rev());
        }
        groups
    }
}

fn measurement_group(item: &ContentItem) -> MeasurementGroup {
    let mut group = MeasurementGroup {
        finding: item.code_below(FINDING),
        finding_site: item.code_below(FINDING_SITE),
        ..MeasurementGroup::default()
    };
    for child in &item.children {
        match &child.value {
            ContentValue::Text(text) if child.is_about(TRACKING_IDENTIFIER) => {
                group.tracking_id = Some(text.clone());
            }
            ContentValue::Uid(uid) if child.is_about(TRACKING_UNIQUE_IDENTIFIER) => {
                group.tracking_uid = Some(uid.clone());
            }
            ContentValue::Uid(uid) if child.is_about(SOURCE_SERIES) => {
                group.source_series = Some(uid.clone())
            }
            ContentValue::Number { measured, qualifier } => {
                group.measurements.push(ReportedMeasurement {
                    name: child.concept.clone().unwrap_or_default(),
                    measured: measured.clone(),
                    qualifier: qualifier.clone(),
                    method: child.code_below(MEASUREMENT_METHOD),
                    derivation: child.code_below(DERIVATION),
                });
                // TID 1501: regions may hang below their measurement.
                for inner in &child.children {
                    group.regions.extend(region(inner));
                }
            }
            ContentValue::Code(code) if !child.is_about(FINDING) && !child.is_about(FINDING_SITE) => {
                group.evaluations.push((child.concept.clone().unwrap_or_default(), code.clone()));
            }
            ContentValue::Image(reference) if !child.is_about(REFERENCED_SEGMENT) => {
                group.source_images.push(reference.clone());
            }
            _ => group.regions.extend(region(child)),
        }
    }
    group
}

fn region(item: &ContentItem) -> Option<ReportedRegion> {
    match &item.value {
        ContentValue::Drawing(graphic) => {
            Some(ReportedRegion::Drawing { graphic: graphic.clone(), images: item.images() })
        }
        ContentValue::Spatial { graphic, points_lps, frame_of_reference_uid } => {
            Some(ReportedRegion::Spatial {
                graphic: *graphic,
                points_lps: points_lps.clone(),
                frame_of_reference_uid: frame_of_reference_uid.clone(),
            })
        }
        ContentValue::Image(reference) if item.is_about(REFERENCED_SEGMENT) => {
            Some(ReportedRegion::Segment(reference.clone()))
        }
        _ => None,
    }
}
