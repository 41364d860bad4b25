//! Measurements on their way out of the program and back: records, JSON, CSV, UIDs.
//!
//! | format | write | read | contract |
//! |---|---|---|---|
//! | JSON | [`to_json`] | [`from_json`] | `docs/schema/measurements.schema.json` |
//! | CSV | [`to_csv`] | no | RFC 4180, one row per number |
//! | DICOM SR, TID 1500 | `formats::dicom::measurement_report` | [`report_records`](super::import::report_records) | PS3.16 |
//!
//! A record names study, series and instances by UID and no patient.

mod csv;
mod json;
mod uid;

pub use csv::to_csv;
pub use json::{ExportInfo, JsonError, from_json, to_json};
pub use uid::UidSeed;

use super::{Drawing, Measured, Quantity, Receipt};
use crate::derived::{CodedConcept, InstanceReference};

/// The image that something was drawn on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the field names are DICOM's")]
pub struct ImageReference {
    pub study_uid: String,
    pub series_uid: String,
    pub frame_of_reference_uid: Option<String>,
    pub modality: String,
    /// The slices that the drawing touches, or those nearest to it; empty if they are not known.
    pub instances: Vec<InstanceReference>,
}

/// A drawing with its numbers, as it is exported.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasurementRecord {
    /// UID that follows the drawing through files and time.
    pub tracking_uid: String,
    /// Name that its reader gave it; for texts and arrows what they say.
    pub label: String,
    /// What it is.
    pub finding: Option<CodedConcept>,
    /// Where it is.
    pub finding_site: Option<CodedConcept>,
    /// The drawing.
    pub drawing: Drawing,
    /// All its numbers.
    pub quantities: Vec<Quantity>,
    /// What they rest on; `None` if the file it came from does not say.
    pub receipt: Option<Receipt>,
    /// The image.
    pub image: ImageReference,
}

impl MeasurementRecord {
    /// A record of what was measured.
    pub fn new(
        tracking_uid: String,
        label: String,
        drawing: Drawing,
        measured: &Measured,
        image: ImageReference,
    ) -> Self {
        Self {
            tracking_uid,
            label,
            finding: None,
            finding_site: None,
            drawing,
            quantities: measured.all_quantities(),
            receipt: Some(measured.receipt.clone()),
            image,
        }
    }
}
