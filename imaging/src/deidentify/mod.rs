//! Copies of DICOM objects without the identity of the patient: the basic application level confidentiality profile
//! of DICOM PS3.15 annex E and some of its options.
//!
//! Start with [`export`], which copies files and folders; [`Deidentifier`] does one object. Pixel data is carried over
//! as it is, byte for byte: **text that is burned into pixels stays**, and so do faces; [`Report::warnings`] says
//! where either is likely. Structured reports, encapsulated documents and recorded voices are refused, since what
//! they say cannot be cleaned by rule.
//!
//! | option of PS3.15 | here |
//! |---|---|
//! | Retain UIDs, Device Identity, Institution Identity, Patient Characteristics, Safe Private | [`Options`] |
//! | Retain Longitudinal Temporal Information, full or modified dates | [`Dates`] |
//! | Clean Descriptors | words of a list, numbers with units; the rest goes |
//! | Clean Graphics, Structured Content | not offered: graphics and overlays are removed, as the basic profile asks |
//! | Clean Pixel Data, Recognizable Visual Features | not done |
//!
//! Where the table leaves a choice that depends on the object's definition (`X/Z`, `X/D`, …) the strongest that fits
//! every definition is taken: empty rather than removed, a dummy rather than empty. Beyond the table, names and dates
//! that it does not list are replaced as well, instance UIDs that it does not list are mapped as well, and elements
//! that the standard's dictionary does not know are removed.

mod clean;
mod export;
mod pseudonyms;
mod report;
mod rules;
mod safe_private;
mod table;
mod words;

pub use export::{Export, ExportOptions, ExportedFile, Outcome, export};
pub use pseudonyms::{Key, KeyError};
pub use report::{Change, Effect, Report, Warning};

pub(crate) use clean::Cleaner;
pub(crate) use pseudonyms::Pseudonyms;
pub(crate) use report::Recorder;
pub(crate) use rules::{Action, Otherwise, Subject, action, dummy, shift};

use std::io::Write;

use crate::ImagingError;
use crate::formats::{SourceFile, dicom};

/// What is kept beyond the basic profile; by default nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// UIDs stay as they are.
    pub uids: bool,
    /// What happens to dates and times.
    pub dates: Dates,
    /// Serial numbers, station names and other properties of devices.
    pub device: bool,
    /// Name and address of institutions.
    pub institution: bool,
    /// Sex, age, size, weight and the like.
    pub patient_characteristics: bool,
    /// Descriptions, as far as they consist of known words.
    pub descriptors: bool,
    /// Private attributes that the standard lists as safe.
    pub safe_private: bool,
    /// Stands for patient ID and name instead of a made-up one.
    pub patient_id: Option<String>,
}

/// What happens to dates and times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dates {
    /// They are removed, emptied or replaced, as the basic profile says.
    #[default]
    Removed,
    /// Dates move back by a number of days that is the same for all of a patient; times of day stay.
    Shifted,
    /// They stay.
    Kept,
}

/// Tags of the attributes that the profile names one by one; repeating groups and private attributes are beside them.
pub fn profiled_tags() -> impl Iterator<Item = u32> {
    table::TABLE.iter().map(|row| row.0)
}

/// The version that is written into each object: edition of the standard and this program.
fn method() -> String {
    format!("Lantern {}, PS3.15 {}", env!("CARGO_PKG_VERSION"), table::EDITION)
}

impl Options {
    /// Codes of context group 7050 for what is done, with their meanings.
    pub fn method_codes(&self) -> Vec<(&'static str, &'static str)> {
        let options = [
            (self.uids, "113110", "Retain UIDs Option"),
            (self.device, "113109", "Retain Device Identity Option"),
            (self.institution, "113112", "Retain Institution Identity Option"),
            (self.patient_characteristics, "113108", "Retain Patient Characteristics Option"),
            (
                self.dates == Dates::Kept,
                "113106",
                "Retain Longitudinal Temporal Information Full Dates Option",
            ),
            (
                self.dates == Dates::Shifted,
                "113107",
                "Retain Longitudinal Temporal Information Modified Dates Option",
            ),
            (self.descriptors, "113105", "Clean Descriptors Option"),
            (self.safe_private, "113111", "Retain Safe Private Option"),
        ];
        let basic = ("113100", "Basic Application Confidentiality Profile");
        let options = options.into_iter().filter(|option| option.0).map(|(_, code, meaning)| (code, meaning));
        std::iter::once(basic).chain(options).collect()
    }

    /// Value of Longitudinal Temporal Information Modified.
    pub(crate) fn temporal_state(&self) -> &'static str {
        match self.dates {
            Dates::Removed => "REMOVED",
            Dates::Shifted => "MODIFIED",
            Dates::Kept => "UNMODIFIED",
        }
    }
}

/// Does one object after the other; the same UID gets the same counterpart in all of them.
#[derive(Debug, Clone)]
pub struct Deidentifier {
    options: Options,
    pseudonyms: Pseudonyms,
    keeps_values: bool,
}

impl Deidentifier {
    /// With the same key the same UIDs, patient IDs and shifts come out again.
    pub fn new(options: Options, key: Key) -> Self {
        Self { options, pseudonyms: Pseudonyms::new(key), keeps_values: false }
    }

    /// Reports carry old and new values: they identify the patient, so keep them as safe as the originals.
    #[must_use]
    pub fn with_values(self) -> Self {
        Self { keeps_values: true, ..self }
    }

    /// Writes a copy of `file` without identity and says what was changed. Memory stays bounded: pixel data and other
    /// long values go through in pieces. Blocks on disk; call from a worker.
    ///
    /// # Errors
    /// [`ImagingError::Unsupported`] for objects that cannot be cleaned by rule (reports, documents, voices,
    /// DICOMDIRs); [`ImagingError::Damaged`] if the object ends early or is not understood up to its end: what was
    /// written by then is no object. Any other error of reading or writing.
    pub fn write(&self, file: &SourceFile, target: &mut dyn Write) -> Result<Report, ImagingError> {
        dicom::deidentify(self, file, target)
    }

    /// What [`Self::write`] would change.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn examine(&self, file: &SourceFile) -> Result<Report, ImagingError> {
        self.write(file, &mut std::io::sink())
    }

    /// What stands for a patient's ID and name.
    pub(crate) fn patient(&self, id: &str) -> String {
        self.options.patient_id.clone().unwrap_or_else(|| self.pseudonyms.patient(id))
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    pub(crate) fn pseudonyms(&self) -> &Pseudonyms {
        &self.pseudonyms
    }

    pub(crate) fn recorder(&self) -> Recorder {
        Recorder::new(self.keeps_values)
    }

    pub(crate) fn method(&self) -> String {
        method()
    }
}
