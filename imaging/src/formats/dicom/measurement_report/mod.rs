//! Writes measurements as a structured report: Comprehensive 3D SR, TID 1500.
//!
//! | drawing | template | geometry |
//! |---|---|---|
//! | rectangle, polygon, freehand, spline | TID 1410, planar region | SCOORD3D POLYGON |
//! | ellipse, circle | TID 1410 | SCOORD3D ELLIPSE, the longer axis first |
//! | length, polyline, angle | TID 1501 | SCOORD3D POLYLINE below each number |
//! | bidirectional, Cobb angle | TID 1501 | a POLYLINE for each line, below the numbers it is for |
//! | probe | TID 1501 | POINT |
//! | arrow, text | TID 1501 without numbers | POLYLINE, POINT |
//!
//! Coordinates are those of the frame of reference, LPS in mm, with the 24 bits that SCOORD3D has. An image without a
//! frame of reference has none to give: its drawings are written on the pixels of a frame (SCOORD, counted from the
//! corner of the first pixel, PS3.3 C.18.6.1.1).
//!
//! Each group holds a name and UID that follow it, the kind of drawing as a code of the scheme `99LANTERN`, finding and
//! site where there are any, the receipt as a comment, the images it was drawn on, and numbers with UCUM units. Numbers
//! that are withheld are left out. Sources: PS3.3 A.35.13, C.17, C.18.9; PS3.16 TID 1204, 1001, 1500, 1410, 1501, 300.

mod content;
mod document;
mod item;

use crate::geometry::Geometry;
use crate::measurement::export::{MeasurementRecord, UidSeed};
use crate::series::SeriesAttributes;

/// What a report says beside its measurements.
#[derive(Debug, Clone, Copy)]
pub struct ReportInfo<'a> {
    /// Patient and study of the images; only what belongs to these two is taken.
    pub attributes: &'a SeriesAttributes,
    /// Who measured; empty where only the program is known.
    pub author: &'a str,
    /// `YYYYMMDD`.
    pub date: &'a str,
    /// `HHMMSS`.
    pub time: &'a str,
    /// Number of the series that the report makes up.
    pub series_number: u32,
    /// Version of the program.
    pub software_version: &'a str,
    /// What the UIDs of series and report are made from; see [`UidSeed`].
    pub seed: UidSeed,
}

/// A record, and the grid of the frame it was drawn on, for images without a frame of reference.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "named by the sentence above")]
pub struct ReportEntry<'a> {
    pub record: &'a MeasurementRecord,
    /// Index x, y of the frame to the space of the drawing.
    pub frame: Option<&'a Geometry>,
}

/// Why no report can be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum ReportError {
    #[error("there is nothing to report")]
    Empty,
    #[error("the images have no study UID")]
    NoStudy,
    #[error("`{what}` is no date or time as DICOM writes it")]
    DateTime { what: String },
    #[error("measurement {number} lies in no frame of reference and on no frame of an image")]
    NoPlace { number: usize },
    #[error("the report cannot be encoded: {reason}")]
    Encoding { reason: String },
}

/// The report as a file in explicit VR little endian, UTF-8.
///
/// The same input gives the same bytes.
///
/// # Errors
/// [`ReportError`]; none of them holds patient data.
pub fn write_report(entries: &[ReportEntry<'_>], info: &ReportInfo<'_>) -> Result<Vec<u8>, ReportError> {
    let root = content::root(entries, info)?;
    document::encoded(root, entries, info)
}

/// Elements that only a writer needs.
mod wtags {
    pub(super) const MAPPING_RESOURCE: u32 = 0x0008_0105;
    pub(super) const CODING_SCHEME_IDENTIFICATION: u32 = 0x0008_0110;
    pub(super) const CODING_SCHEME_NAME: u32 = 0x0008_0115;
    pub(super) const CODING_SCHEME_ORGANIZATION: u32 = 0x0008_0116;
    pub(super) const CONTINUITY_OF_CONTENT: u32 = 0x0040_A050;
    pub(super) const CONTENT_DATE: u32 = 0x0008_0023;
    pub(super) const CONTENT_TIME: u32 = 0x0008_0033;
    pub(super) const REFERRING_PHYSICIAN: u32 = 0x0008_0090;
    pub(super) const MODEL_NAME: u32 = 0x0008_1090;
    pub(super) const REFERENCED_PERFORMED_PROCEDURE_STEP: u32 = 0x0008_1111;
    pub(super) const DEVICE_SERIAL_NUMBER: u32 = 0x0018_1000;
    pub(super) const SOFTWARE_VERSIONS: u32 = 0x0018_1020;
    pub(super) const STUDY_ID: u32 = 0x0020_0010;
    pub(super) const SERIES_NUMBER: u32 = 0x0020_0011;
    pub(super) const INSTANCE_NUMBER: u32 = 0x0020_0013;
    pub(super) const PERFORMED_PROCEDURE_CODE: u32 = 0x0040_A372;
}
