//! Objects made from images: segmentations, contours, presentation states, reports, documents.
//!
//! A scan lists them as [`DerivedObject`]s; [`crate::formats::load_object`] reads one into its typed value.

use std::path::Path;

use crate::annotation::PresentationState;
use crate::contours::StructureSet;
use crate::report::{EncapsulatedDocument, StructuredReport};
use crate::segmentation::Segmentation;

/// A code with its meaning (PS3.3 8.8).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CodedConcept {
    /// Code value, from whichever of the short, long and URN attributes holds it.
    pub value: String,
    /// Coding scheme designator: `DCM`, `SCT`, `UCUM`, …
    pub scheme: String,
    /// What it means, for people.
    pub meaning: String,
}

impl CodedConcept {
    /// Whether this is the code `value` of `scheme`.
    pub fn is(&self, scheme: &str, value: &str) -> bool {
        self.scheme == scheme && self.value == value
    }
}

/// An instance that an object refers to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the field names are DICOM's")]
pub struct InstanceReference {
    pub sop_class_uid: String,
    pub sop_instance_uid: String,
    /// Frame numbers, from 1; empty means all.
    pub frame_numbers: Vec<u32>,
    /// Segment numbers, from 1; empty means all or none.
    pub segment_numbers: Vec<u32>,
}

/// A series that an object refers to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the field names are DICOM's")]
pub struct SeriesReference {
    pub series_uid: String,
    pub instances: Vec<InstanceReference>,
}

/// What kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the kinds name themselves")]
pub enum ObjectKind {
    Segmentation,
    StructureSet,
    PresentationState,
    StructuredReport,
    EncapsulatedDocument,
}

impl ObjectKind {
    /// Lower-case name as printed by `lantern info --json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Segmentation => "segmentation",
            Self::StructureSet => "structure set",
            Self::PresentationState => "presentation state",
            Self::StructuredReport => "structured report",
            Self::EncapsulatedDocument => "encapsulated document",
        }
    }
}

/// An object as found by a scan, known from its header.
#[derive(Debug, Clone)]
pub struct DerivedObject {
    /// What it is.
    pub kind: ObjectKind,
    /// The object's own name: content label, structure set label, document title; else the series description.
    pub label: String,
    /// Modality of the file (`SEG`, `RTSTRUCT`, `PR`, `SR`, …).
    pub modality: String,
    /// Study it belongs to.
    pub study_uid: Option<String>,
    /// Series it is part of.
    pub series_uid: Option<String>,
    /// Its own UID.
    pub sop_instance_uid: Option<String>,
    /// Frames of reference that its coordinates are in, where it has any.
    pub frame_of_reference_uids: Vec<String>,
    /// UIDs of the series it was made from, in the order of the file, each once.
    pub referenced_series: Vec<String>,
    /// UIDs of the instances it was made from, in the order of the file, each once.
    pub referenced_instances: Vec<String>,
    /// Where to read it from; private to the reader.
    #[cfg(feature = "dicom")]
    pub(crate) location: crate::formats::dicom::Location,
    #[cfg(not(feature = "dicom"))]
    pub(crate) location: std::path::PathBuf,
}

impl DerivedObject {
    /// The file, for messages; for a member of a ZIP archive the archive's path joined with the name inside.
    pub fn path(&self) -> &Path {
        #[cfg(feature = "dicom")]
        return self.location.path();
        #[cfg(not(feature = "dicom"))]
        return &self.location;
    }

    /// Why this object must not be shown on a series, or `None` if it belongs to it.
    ///
    /// Where both frames of reference are known they decide, even against a reference: coordinates of another frame
    /// mean another place. Where one is not, and for objects that are drawn on pixels, the series must be named.
    pub fn mismatch(
        &self,
        series_uid: Option<&str>,
        frame_of_reference_uid: Option<&str>,
    ) -> Option<Mismatch> {
        let is_referenced =
            series_uid.is_some_and(|uid| self.referenced_series.iter().any(|known| known == uid));
        let own: Vec<&str> = match self.kind {
            ObjectKind::Segmentation | ObjectKind::StructureSet => {
                self.frame_of_reference_uids.iter().map(String::as_str).collect()
            }
            // Their graphics are drawn on pixels of the instances they name.
            ObjectKind::PresentationState
            | ObjectKind::StructuredReport
            | ObjectKind::EncapsulatedDocument => Vec::new(),
        };
        mismatch(is_referenced, &own, frame_of_reference_uid)
    }
}

/// Why coordinates in the frames of reference `own` must not be shown on an image, or `None` if they belong to it.
///
/// Frames of reference that are both known decide; where one is not, the image must be referenced.
pub(crate) fn mismatch(is_referenced: bool, own: &[&str], image: Option<&str>) -> Option<Mismatch> {
    match (own.first(), image.filter(|uid| !uid.is_empty())) {
        (Some(_), Some(image)) if own.contains(&image) => None,
        (Some(first), Some(image)) => {
            Some(Mismatch::OtherFrameOfReference { object: (*first).to_owned(), image: image.to_owned() })
        }
        _ if is_referenced => None,
        _ => Some(Mismatch::NotReferenced),
    }
}

/// Why an object must not be shown on an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum Mismatch {
    #[error("it lies in frame of reference `{object}`, the image in `{image}`")]
    OtherFrameOfReference { object: String, image: String },
    #[error("it does not refer to this series and has no frame of reference in common with it")]
    NotReferenced,
}

/// A loaded object.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the kinds name themselves")]
pub enum Derived {
    Segmentation(Box<Segmentation>),
    StructureSet(Box<StructureSet>),
    PresentationState(Box<PresentationState>),
    StructuredReport(Box<StructuredReport>),
    EncapsulatedDocument(Box<EncapsulatedDocument>),
}
