//! JSON, as `docs/schema/measurements.schema.json` describes it.

mod wire;

use super::MeasurementRecord;
use crate::measurement::DrawingError;

/// What a document says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExportInfo {
    /// When it was made, for people and in any form.
    pub created: String,
    /// Which program made it.
    pub software: String,
}

/// Why a document cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum JsonError {
    #[error("not a document of measurements")]
    NotMeasurements { source: serde_json::Error },
    #[error("a document of format `{found}`, not of measurements")]
    OtherFormat { found: String },
    #[error("version {found} of the format is newer than this program")]
    Newer { found: u32 },
    #[error("measurement {number}: {what} `{found}` is not known")]
    Unknown { number: usize, what: &'static str, found: String },
    #[error("measurement {number} is no drawing")]
    Drawing { number: usize, source: DrawingError },
    #[error("measurement {number}: its calibration is none")]
    Calibration { number: usize },
}

const FORMAT: &str = "lantern-measurements";
const VERSION: u32 = 1;

/// A document of records; numbers are written so that they are read back equal.
pub fn to_json(records: &[MeasurementRecord], info: &ExportInfo) -> String {
    let document = wire::Document {
        format: FORMAT.to_owned(),
        version: VERSION,
        created: info.created.clone(),
        software: info.software.clone(),
        measurements: records.iter().map(wire::Record::from).collect(),
    };
    let mut text =
        serde_json::to_string_pretty(&document).expect("its keys are texts and its numbers finite or null");
    text.push('\n');
    text
}

/// Reads a document of records, whatever program wrote it. Fields that are not known are passed over.
///
/// # Errors
/// [`JsonError`]; nothing is read from a document that is damaged.
pub fn from_json(bytes: &[u8]) -> Result<(Vec<MeasurementRecord>, ExportInfo), JsonError> {
    let head: wire::Head =
        serde_json::from_slice(bytes).map_err(|source| JsonError::NotMeasurements { source })?;
    if head.format != FORMAT {
        return Err(JsonError::OtherFormat { found: head.format });
    }
    if head.version > VERSION {
        return Err(JsonError::Newer { found: head.version });
    }
    let document: wire::Document =
        serde_json::from_slice(bytes).map_err(|source| JsonError::NotMeasurements { source })?;
    let records = document.measurements.into_iter().enumerate().map(|(at, record)| record.read(at + 1));
    let info = ExportInfo { created: document.created, software: document.software };
    Ok((records.collect::<Result<_, _>>()?, info))
}
