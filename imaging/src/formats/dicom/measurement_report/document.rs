//! What stands around the content tree: patient, study, series, document, evidence.

use std::collections::{BTreeMap, BTreeSet};

use dicom_core::VR;
use dicom_object::FileMetaTableBuilder;

use super::content::{INSTANCE_UID, SERIES_UID};
use super::item::Item;
use super::{ReportEntry, ReportError, ReportInfo, wtags};
use crate::derived::InstanceReference;
use crate::formats::dicom::{IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION, derived_tags as dtags, tags};
use crate::measurement::codes::LOCAL_SCHEME;
use crate::series::SeriesAttributes;

const COMPREHENSIVE_3D_SR: &str = "1.2.840.10008.5.1.4.1.1.88.34";
const EXPLICIT_LITTLE: &str = "1.2.840.10008.1.2.1";

/// The whole file around a content tree.
pub(super) fn encoded(
    root: Item,
    entries: &[ReportEntry<'_>],
    info: &ReportInfo<'_>,
) -> Result<Vec<u8>, ReportError> {
    let study =
        info.attributes.study_uid.as_deref().filter(|uid| !uid.is_empty()).ok_or(ReportError::NoStudy)?;
    let (date, time) = (date_time(info.date, 8)?, date_time(info.time, 6)?);
    let item = patient(root, info.attributes);
    let item = series(item, study, info)
        .text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192")
        .uid(tags::SOP_CLASS_UID, COMPREHENSIVE_3D_SR)
        .uid(tags::SOP_INSTANCE_UID, &info.seed.uid(INSTANCE_UID))
        .text(wtags::CONTENT_DATE, VR::DA, date)
        .text(wtags::CONTENT_TIME, VR::TM, time)
        .text(wtags::INSTANCE_NUMBER, VR::IS, "1")
        // Every number is there, and nobody but its author has signed it.
        .text(dtags::COMPLETION_FLAG, VR::CS, "COMPLETE")
        .text(dtags::VERIFICATION_FLAG, VR::CS, "UNVERIFIED")
        .seq(wtags::PERFORMED_PROCEDURE_CODE, Vec::new())
        .seq(wtags::CODING_SCHEME_IDENTIFICATION, vec![own_scheme()]);
    let item = evidence(item, study, entries);
    let encoding = |reason: &dyn std::error::Error| ReportError::Encoding { reason: reason.to_string() };
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(EXPLICIT_LITTLE)
        .implementation_class_uid(IMPLEMENTATION_CLASS_UID)
        .implementation_version_name(IMPLEMENTATION_VERSION);
    let file = item.0.with_meta(meta).map_err(|error| encoding(&error))?;
    let mut bytes = Vec::new();
    file.write_all(&mut bytes).map_err(|error| encoding(&error))?;
    Ok(bytes)
}

/// Whose codes those of our own scheme are (PS3.3 C.12.1).
fn own_scheme() -> Item {
    Item::new()
        .text(dtags::CODING_SCHEME_DESIGNATOR, VR::SH, LOCAL_SCHEME)
        .text(wtags::CODING_SCHEME_NAME, VR::ST, "Lantern drawings")
        .text(wtags::CODING_SCHEME_ORGANIZATION, VR::ST, "Lantern")
}

/// Patient and study, as far as they are known.
fn patient(item: Item, attributes: &SeriesAttributes) -> Item {
    let digits = |text: &str, counts: &[usize]| {
        let whole = text.split('.').next().unwrap_or_default();
        let is_sound = counts.contains(&whole.len()) && whole.bytes().all(|b| b.is_ascii_digit());
        if is_sound { whole.to_owned() } else { String::new() }
    };
    let sex = Some(attributes.patient_sex.as_str()).filter(|sex| matches!(*sex, "M" | "F" | "O"));
    item.text(tags::PATIENT_NAME, VR::PN, &attributes.patient_name)
        .text(tags::PATIENT_ID, VR::LO, &attributes.patient_id)
        .text(tags::PATIENT_BIRTH_DATE, VR::DA, &digits(&attributes.patient_birth_date, &[8]))
        .text(tags::PATIENT_SEX, VR::CS, sex.unwrap_or_default())
        .text(tags::STUDY_DATE, VR::DA, &digits(&attributes.study_date, &[8]))
        .text(tags::STUDY_TIME, VR::TM, &digits(&attributes.study_time, &[2, 4, 6]))
        .text(tags::ACCESSION_NUMBER, VR::SH, &attributes.accession_number)
        .empty(wtags::REFERRING_PHYSICIAN, VR::PN)
        .empty(wtags::STUDY_ID, VR::SH)
}

fn series(item: Item, study: &str, info: &ReportInfo<'_>) -> Item {
    item.text(tags::MODALITY, VR::CS, "SR")
        .uid(tags::STUDY_INSTANCE_UID, study)
        .uid(tags::SERIES_INSTANCE_UID, &info.seed.uid(SERIES_UID))
        .text(wtags::SERIES_NUMBER, VR::IS, &info.series_number.to_string())
        .text(tags::SERIES_DESCRIPTION, VR::LO, "Measurements")
        .seq(wtags::REFERENCED_PERFORMED_PROCEDURE_STEP, Vec::new())
        .text(tags::MANUFACTURER, VR::LO, "Lantern")
        .text(wtags::MODEL_NAME, VR::LO, "Lantern")
        .text(wtags::DEVICE_SERIAL_NUMBER, VR::LO, "0")
        .text(wtags::SOFTWARE_VERSIONS, VR::LO, info.software_version)
}

/// Instances by series.
type Series<'a> = BTreeMap<&'a str, Vec<&'a InstanceReference>>;

/// All images that the tree refers to, by study and series: those of this study as the evidence of the current
/// procedure, others as pertinent.
fn evidence(mut item: Item, study: &str, entries: &[ReportEntry<'_>]) -> Item {
    let mut seen = BTreeSet::new();
    let mut studies: BTreeMap<&str, Series<'_>> = BTreeMap::new();
    for image in entries.iter().map(|entry| &entry.record.image) {
        let own = if image.study_uid.is_empty() { study } else { image.study_uid.as_str() };
        for instance in &image.instances {
            let uid = instance.sop_instance_uid.as_str();
            if !uid.is_empty() && seen.insert(uid) {
                studies.entry(own).or_default().entry(&image.series_uid).or_default().push(instance);
            }
        }
    }
    let others: Vec<Item> =
        studies.iter().filter(|(uid, _)| **uid != study).map(|(uid, of)| study_item(uid, of)).collect();
    if let Some(current) = studies.get(study) {
        item = item.seq(dtags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE, vec![study_item(study, current)]);
    }
    if others.is_empty() { item } else { item.seq(dtags::PERTINENT_OTHER_EVIDENCE, others) }
}

fn study_item(study: &str, of: &Series<'_>) -> Item {
    let series = of.iter().map(|(uid, instances)| {
        let instances = instances.iter().map(|instance| Item::instance(instance)).collect();
        Item::new().uid(tags::SERIES_INSTANCE_UID, uid).seq(dtags::REFERENCED_SOP_SEQUENCE, instances)
    });
    let series = series.collect();
    Item::new().uid(tags::STUDY_INSTANCE_UID, study).seq(dtags::REFERENCED_SERIES_SEQUENCE, series)
}

/// A date or time of as many digits.
fn date_time(text: &str, digits: usize) -> Result<&str, ReportError> {
    let is_sound = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    is_sound.then_some(text).ok_or_else(|| ReportError::DateTime { what: text.to_owned() })
}
