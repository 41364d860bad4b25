//! What has to be known of an object before its first element goes out: which it is, whether it can be cleaned at
//! all, and what people have to look at.

use super::super::bytes::Bytes;
use super::super::dataset::{self, DEFLATED, Keep, WalkError};
use super::super::dictionary;
use super::super::tags::{self, Tag};
use crate::deidentify::Warning;

const STORAGE: &str = "1.2.840.10008.5.1.4.1.1.";
const CONVERSION_TYPE: Tag = 0x0008_0064;
const BURNED_IN: Tag = 0x0028_0301;
const RECOGNIZABLE: Tag = 0x0028_0302;

/// What has to be known of an object before its first element goes out.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    pub(crate) sop_class: String,
    pub(crate) sop_instance: String,
    pub(crate) study: String,
    pub(crate) series: String,
    pub(crate) patient_id: String,
    pub(crate) instance_number: Option<i64>,
    modality: String,
    conversion_type: String,
    burned_in: String,
    is_recognizable: bool,
    pub(super) is_deflated: bool,
    is_directory: bool,
    /// Texts of names and identifiers.
    pub(super) names: Vec<String>,
}

/// What [`Identity`] is read from: names of people wherever they are, identifiers, and what tells kinds apart.
fn identity_vr(tag: Tag) -> Option<[u8; 2]> {
    match tag {
        tags::SOP_CLASS_UID
        | tags::SOP_INSTANCE_UID
        | tags::STUDY_INSTANCE_UID
        | tags::SERIES_INSTANCE_UID => Some(*b"UI"),
        tags::MODALITY | CONVERSION_TYPE | BURNED_IN | RECOGNIZABLE => Some(*b"CS"),
        tags::INSTANCE_NUMBER => Some(*b"IS"),
        _ => match dictionary::vr(tag) {
            Some(vr) if vr == *b"PN" || vr == *b"SQ" || SUSPECTS.contains(&tag) => Some(vr),
            _ => None,
        },
    }
}

/// Identifiers and places whose words must not be told in descriptions.
const SUSPECTS: [Tag; 17] = [
    tags::ACCESSION_NUMBER,
    tags::INSTITUTION_NAME,
    tags::PATIENT_ID,
    0x0008_0081,
    0x0008_1010,
    0x0008_1040,
    0x0010_1000,
    0x0010_1040,
    0x0010_1080,
    0x0010_1090,
    0x0010_2150,
    0x0010_2152,
    0x0010_2154,
    0x0010_21F0,
    0x0018_1000,
    0x0020_0010,
    0x0038_0010,
];

impl Identity {
    pub(super) fn read(bytes: &mut Bytes) -> Result<Self, WalkError> {
        let keep = Keep { vr_of: identity_vr, max_value_bytes: 1 << 16, noted: None };
        let header = dataset::read_header_keeping(bytes, keep)?;
        let set = header.data_set;
        let text = |tag: Tag| set.text(tag).unwrap_or_default();
        let mut names = Vec::new();
        set.texts(&|tag| SUSPECTS.contains(&tag) || dictionary::vr(tag) == Some(*b"PN"), &mut names);
        Ok(Self {
            sop_class: text(tags::SOP_CLASS_UID),
            sop_instance: text(tags::SOP_INSTANCE_UID),
            study: text(tags::STUDY_INSTANCE_UID),
            series: text(tags::SERIES_INSTANCE_UID),
            patient_id: text(tags::PATIENT_ID),
            instance_number: set.integer(tags::INSTANCE_NUMBER),
            modality: text(tags::MODALITY),
            conversion_type: text(CONVERSION_TYPE),
            burned_in: text(BURNED_IN),
            is_recognizable: text(RECOGNIZABLE) == "YES",
            is_deflated: header.transfer_syntax == DEFLATED,
            is_directory: !set.items(tags::DIRECTORY_RECORD_SEQUENCE).is_empty(),
            names,
        })
    }

    pub(crate) fn is_directory(&self) -> bool {
        self.is_directory
    }

    /// Why the object cannot be cleaned by rule.
    pub(super) fn refused(&self) -> Option<String> {
        if self.is_directory {
            return Some("de-identifying a DICOMDIR".to_owned());
        }
        if self.sop_instance.is_empty() || self.sop_class.is_empty() {
            return Some("de-identifying an object without SOP class and instance UID".to_owned());
        }
        let storage = self.sop_class.strip_prefix(STORAGE).unwrap_or_default();
        let what = match storage.split('.').collect::<Vec<_>>().as_slice() {
            ["88", ..] => "a structured report or key object selection",
            ["104", ..] => "an encapsulated document",
            ["9", "4", ..] => "a recorded voice",
            _ if matches!(self.modality.as_str(), "SR" | "KO" | "DOC") => "a structured report or document",
            _ => return None,
        };
        Some(format!("de-identifying {what}"))
    }

    pub(super) fn warnings(&self) -> impl Iterator<Item = Warning> {
        // Kinds whose devices write into the picture, and pictures that came from paper, film or a screen.
        const OFTEN: [&str; 11] = ["US", "IVUS", "XA", "RF", "ES", "GM", "XC", "OP", "OT", "SC", "DG"];
        // Secondary captures (7) and visible light (77).
        let is_capture = self.sop_class.starts_with("1.2.840.10008.5.1.4.1.1.7")
            || matches!(self.conversion_type.as_str(), "DV" | "DI" | "DF" | "SD" | "SI" | "WSD" | "SYN");
        let is_often = is_capture || OFTEN.contains(&self.modality.as_str());
        let burned_in = match self.burned_in.as_str() {
            "YES" => Some(Warning::BurnedIn),
            "NO" => None,
            _ => is_often.then_some(Warning::MayBeBurnedIn),
        };
        burned_in.into_iter().chain(self.is_recognizable.then_some(Warning::RecognizableFeatures))
    }
}
