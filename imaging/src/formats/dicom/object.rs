//! Opens objects that are derived from images, and reads what they have in common: codes, references, names.

use super::bytes::{Bytes, Location};
use super::dataset::{self, DataSet, Header, Keep, WalkError};
use super::derived_tags as dtags;
use super::tags::{self, Tag};
use super::text::Charset;
use super::{encapsulated_document, presentation_state, segmentation, structure_set, structured_report};
use crate::ImagingError;
use crate::derived::{CodedConcept, Derived, DerivedObject, InstanceReference, ObjectKind, SeriesReference};
use crate::formats::ReadLimits;

/// Largest single value that is kept; contours in implicit VR may be long.
const MAX_VALUE_BYTES: u32 = 256 << 20;

/// An object whose header has been read.
#[derive(Debug)]
pub(super) struct Object<'a> {
    pub(super) location: &'a Location,
    pub(super) bytes: Bytes,
    pub(super) header: Header,
    pub(super) charset: Charset,
}

impl<'a> Object<'a> {
    pub(super) fn open(location: &'a Location) -> Result<Self, ImagingError> {
        let path = || location.path().to_path_buf();
        let mut bytes = location.open().map_err(|source| ImagingError::io(path(), source))?;
        let keep = Keep {
            vr_of: dtags::kept_vr,
            max_value_bytes: MAX_VALUE_BYTES,
            noted: Some(dtags::ENCAPSULATED_DOCUMENT),
        };
        let header = dataset::read_header_keeping(&mut bytes, keep).map_err(|error| match error {
            WalkError::Io(source) => ImagingError::io(path(), source),
            WalkError::NotDicom => ImagingError::NotAnImage { path: path(), reason: "not DICOM".to_owned() },
            WalkError::Damaged(reason) => ImagingError::Damaged { path: path(), reason: reason.to_owned() },
        })?;
        let charset = Charset::of(&header.data_set);
        Ok(Self { location, bytes, header, charset })
    }

    pub(super) fn set(&self) -> &DataSet {
        &self.header.data_set
    }

    /// Text of the object itself; empty if missing.
    pub(super) fn text(&self, tag: Tag) -> String {
        self.charset.text(&self.header.data_set, tag)
    }

    pub(super) fn damaged(&self, reason: impl Into<String>) -> ImagingError {
        ImagingError::Damaged { path: self.location.path().to_path_buf(), reason: reason.into() }
    }

    pub(super) fn unsupported(&self, what: impl Into<String>) -> ImagingError {
        ImagingError::Unsupported { path: self.location.path().to_path_buf(), what: what.into() }
    }

    /// The error of an object that ends before its header does.
    pub(super) fn check_complete(&self) -> Result<(), ImagingError> {
        if self.header.is_truncated {
            return Err(self.damaged("ends in the middle of the header"));
        }
        Ok(())
    }
}

/// Kind of the object with this SOP class, or of this modality where the class is missing.
pub(super) fn kind_of(sop_class: &str, modality: &str) -> Option<ObjectKind> {
    let storage = sop_class.strip_prefix("1.2.840.10008.5.1.4.1.1.").unwrap_or_default();
    match storage.split('.').collect::<Vec<_>>().as_slice() {
        // Key object selections share the structure of reports.
        ["88", ..] => Some(ObjectKind::StructuredReport),
        ["481", "3"] => Some(ObjectKind::StructureSet),
        ["66", "4" | "7"] => Some(ObjectKind::Segmentation),
        ["104", ..] => Some(ObjectKind::EncapsulatedDocument),
        // Greyscale, colour, pseudo-colour and blended states have the parts that are read in common.
        ["11", "1" | "2" | "3" | "4"] => Some(ObjectKind::PresentationState),
        [] | [""] => match modality {
            "SR" | "KO" => Some(ObjectKind::StructuredReport),
            "RTSTRUCT" => Some(ObjectKind::StructureSet),
            "SEG" => Some(ObjectKind::Segmentation),
            "PR" => Some(ObjectKind::PresentationState),
            _ => None,
        },
        _ => None,
    }
}

/// Describes an object for the catalog, or `None` if it is of no kind that can be loaded.
pub(crate) fn describe(location: &Location) -> Option<DerivedObject> {
    let object = Object::open(location).ok()?;
    let set = object.set();
    let sop_class = set.text(tags::SOP_CLASS_UID).unwrap_or_default();
    let modality = set.text(tags::MODALITY).unwrap_or_default();
    let kind = kind_of(&sop_class, &modality)?;
    let named = match kind {
        ObjectKind::Segmentation | ObjectKind::PresentationState => {
            [dtags::CONTENT_LABEL, dtags::CONTENT_DESCRIPTION]
        }
        ObjectKind::StructureSet => [dtags::STRUCTURE_SET_LABEL, dtags::STRUCTURE_SET_NAME],
        ObjectKind::EncapsulatedDocument => [dtags::DOCUMENT_TITLE; 2],
        ObjectKind::StructuredReport => [tags::SERIES_DESCRIPTION; 2],
    };
    let title = match kind {
        ObjectKind::StructuredReport => {
            concept(set, dtags::CONCEPT_NAME_CODE_SEQUENCE, &object.charset).map(|concept| concept.meaning)
        }
        _ => None,
    };
    let texts = named.into_iter().chain([tags::SERIES_DESCRIPTION]).map(|tag| object.text(tag));
    let label = title.into_iter().chain(texts).find(|text| !text.is_empty()).unwrap_or_default();
    let references = match kind {
        ObjectKind::Segmentation => series_references(set),
        ObjectKind::PresentationState => presentation_state::references(set),
        ObjectKind::StructureSet => structure_set::references(set),
        ObjectKind::StructuredReport => structured_report::evidence(set),
        ObjectKind::EncapsulatedDocument => Vec::new(),
    };
    let mut frame_of_reference_uids: Vec<String> =
        set.text(tags::FRAME_OF_REFERENCE_UID).into_iter().collect();
    for item in set.items(dtags::REFERENCED_FRAME_OF_REFERENCE_SEQUENCE) {
        push_once(&mut frame_of_reference_uids, &item.text(tags::FRAME_OF_REFERENCE_UID).unwrap_or_default());
    }
    let source_images = match kind {
        ObjectKind::EncapsulatedDocument => instance_references(set, dtags::SOURCE_IMAGE_SEQUENCE),
        _ => Vec::new(),
    };
    let mut referenced_series = Vec::new();
    let mut referenced_instances = Vec::new();
    for series in &references {
        push_once(&mut referenced_series, &series.series_uid);
    }
    for instance in references.iter().flat_map(|series| &series.instances).chain(&source_images) {
        referenced_instances.push(instance.sop_instance_uid.clone());
    }
    let mut seen = std::collections::HashSet::new();
    referenced_instances.retain(|uid| !uid.is_empty() && seen.insert(uid.clone()));
    Some(DerivedObject {
        kind,
        label,
        modality,
        study_uid: set.text(tags::STUDY_INSTANCE_UID),
        series_uid: set.text(tags::SERIES_INSTANCE_UID),
        sop_instance_uid: set.text(tags::SOP_INSTANCE_UID),
        frame_of_reference_uids,
        referenced_series,
        referenced_instances,
        location: location.clone(),
    })
}

fn push_once(uids: &mut Vec<String>, uid: &str) {
    if !uid.is_empty() && !uids.iter().any(|known| known == uid) {
        uids.push(uid.to_owned());
    }
}

/// Reads an object that a scan found.
///
/// # Errors
/// The object's own error.
pub(crate) fn load_object(object: &DerivedObject, limits: ReadLimits) -> Result<Derived, ImagingError> {
    let open = Object::open(&object.location)?;
    Ok(match object.kind {
        ObjectKind::Segmentation => Derived::Segmentation(Box::new(segmentation::read(open, limits)?)),
        ObjectKind::StructureSet => Derived::StructureSet(Box::new(structure_set::read(&open)?)),
        ObjectKind::PresentationState => {
            Derived::PresentationState(Box::new(presentation_state::read(&open)?))
        }
        ObjectKind::StructuredReport => Derived::StructuredReport(Box::new(structured_report::read(&open)?)),
        ObjectKind::EncapsulatedDocument => {
            Derived::EncapsulatedDocument(Box::new(encapsulated_document::read(&open, limits)?))
        }
    })
}

/// The code in the first item of a sequence.
pub(super) fn concept(set: &DataSet, sequence: Tag, charset: &Charset) -> Option<CodedConcept> {
    Some(code(set.item(sequence)?, charset))
}

/// The code of a code sequence item.
pub(super) fn code(item: &DataSet, charset: &Charset) -> CodedConcept {
    let value = [dtags::CODE_VALUE, dtags::LONG_CODE_VALUE, dtags::URN_CODE_VALUE];
    CodedConcept {
        value: value.into_iter().find_map(|tag| item.text(tag)).unwrap_or_default(),
        scheme: item.text(dtags::CODING_SCHEME_DESIGNATOR).unwrap_or_default(),
        meaning: charset.text(item, dtags::CODE_MEANING),
    }
}

/// Whole positive numbers of a value.
pub(super) fn numbers_from_one(set: &DataSet, tag: Tag) -> Vec<u32> {
    set.numbers(tag).into_iter().filter(|n| (1.0..=4e9).contains(n)).map(|n| n as u32).collect()
}

/// The reference in a sequence item.
pub(super) fn instance_reference(item: &DataSet) -> InstanceReference {
    InstanceReference {
        sop_class_uid: item.text(dtags::REFERENCED_SOP_CLASS_UID).unwrap_or_default(),
        sop_instance_uid: item.text(dtags::REFERENCED_SOP_INSTANCE_UID).unwrap_or_default(),
        frame_numbers: numbers_from_one(item, dtags::REFERENCED_FRAME_NUMBER),
        segment_numbers: numbers_from_one(item, dtags::REFERENCED_SEGMENT_NUMBER),
    }
}

/// The references of a sequence.
pub(super) fn instance_references(set: &DataSet, sequence: Tag) -> Vec<InstanceReference> {
    set.items(sequence).iter().map(instance_reference).collect()
}

/// Referenced Series Sequence with the instances of each series.
pub(super) fn series_references(set: &DataSet) -> Vec<SeriesReference> {
    let series = |item: &DataSet| SeriesReference {
        series_uid: item.text(tags::SERIES_INSTANCE_UID).unwrap_or_default(),
        instances: instance_references(item, dtags::REFERENCED_INSTANCE_SEQUENCE),
    };
    set.items(dtags::REFERENCED_SERIES_SEQUENCE).iter().map(series).collect()
}

/// Text of an item as an `Option`: `None` if missing or empty.
pub(super) fn optional(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// sRGB with 8 bits per channel of a DICOM CIELab value.
///
/// Three words: L* 0..100 and a*, b* −128..127, each scaled to 0..65535 (PS3.3 C.10.7.1.1), in the profile
/// connection space D50 (PS3.3 C.11.15.1.1). Out-of-gamut colours are clipped.
/// Source: CIE 15:2004; IEC 61966-2-1; Bradford adaptation from D50 to D65.
pub(super) fn rgb_of_cielab(set: &DataSet, tag: Tag) -> Option<[u8; 3]> {
    let [l, a, b] = set.array::<3>(tag)?;
    let scale = |word: f64, range: f64, low: f64| word / 65535.0 * range + low;
    let (l, a, b) = (scale(l, 100.0, 0.0), scale(a, 255.0, -128.0), scale(b, 255.0, -128.0));
    let fy = (l + 16.0) / 116.0;
    let undo =
        |f: f64| if f > 6.0 / 29.0 { f.powi(3) } else { (f - 4.0 / 29.0) * 3.0 * (6.0f64 / 29.0).powi(2) };
    let [x, y, z] = [undo(fy + a / 500.0) * 0.96422, undo(fy), undo(fy - b / 200.0) * 0.82521];
    let linear = [
        3.133_856_1 * x - 1.616_866_7 * y - 0.490_614_6 * z,
        -0.978_768_4 * x + 1.916_141_5 * y + 0.033_454_0 * z,
        0.071_945_3 * x - 0.228_991_4 * y + 1.405_242_7 * z,
    ];
    Some(linear.map(|c| {
        let c = c.clamp(0.0, 1.0);
        let encoded = if c <= 0.003_130_8 { 12.92 * c } else { 1.055 * c.powf(1.0 / 2.4) - 0.055 };
        (encoded * 255.0).round() as u8
    }))
}
