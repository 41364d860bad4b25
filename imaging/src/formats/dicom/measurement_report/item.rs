//! Items of a content tree.

use dicom_core::value::{DataSetSequence, PrimitiveValue};
use dicom_core::{DataElement, Tag, VR};
use dicom_object::InMemDicomObject;

use super::wtags;
use crate::derived::{CodedConcept, InstanceReference};
use crate::formats::dicom::derived_tags as dtags;
use crate::measurement::codes::concept;

/// A data set under construction.
#[derive(Debug, Clone)]
pub(super) struct Item(pub(super) InMemDicomObject);

fn tag(number: u32) -> Tag {
    Tag((number >> 16) as u16, number as u16)
}

/// Text without what would break it in two or end it, as long as its representation allows.
fn clean(text: &str, most: usize) -> String {
    text.chars().map(|c| if c == '\\' { '/' } else { c }).filter(|c| !c.is_control()).take(most).collect()
}

impl Item {
    pub(super) fn new() -> Self {
        Self(InMemDicomObject::new_empty())
    }

    fn put(mut self, number: u32, vr: VR, value: impl Into<PrimitiveValue>) -> Self {
        self.0.put(DataElement::new(tag(number), vr, value.into()));
        self
    }

    /// A short text, cleaned and cut to what `vr` allows; present without a value if empty.
    pub(super) fn text(self, number: u32, vr: VR, text: &str) -> Self {
        let most = match vr {
            VR::SH | VR::CS => 16,
            _ => 64,
        };
        let text = clean(text, most);
        if text.is_empty() { self.empty(number, vr) } else { self.put(number, vr, text.trim()) }
    }

    /// Text of any length with lines.
    pub(super) fn long_text(self, number: u32, text: &str) -> Self {
        let text: String = text.chars().filter(|c| !c.is_control() || *c == '\n').collect();
        self.put(number, VR::UT, text.replace('\n', "\r\n"))
    }

    /// Present, without a value (type 2).
    pub(super) fn empty(self, number: u32, vr: VR) -> Self {
        self.put(number, vr, PrimitiveValue::Empty)
    }

    pub(super) fn uid(self, number: u32, uid: &str) -> Self {
        self.put(number, VR::UI, uid)
    }

    pub(super) fn floats(self, number: u32, values: Vec<f32>) -> Self {
        self.put(number, VR::FL, PrimitiveValue::F32(values.into()))
    }

    pub(super) fn double(self, number: u32, value: f64) -> Self {
        self.put(number, VR::FD, value)
    }

    pub(super) fn seq(mut self, number: u32, items: Vec<Self>) -> Self {
        let items: Vec<InMemDicomObject> = items.into_iter().map(|item| item.0).collect();
        self.0.put(DataElement::new(tag(number), VR::SQ, DataSetSequence::from(items)));
        self
    }

    pub(super) fn code(self, number: u32, code: &CodedConcept) -> Self {
        let item = Self::new();
        // Codes that do not fit are long ones (PS3.3 8.1).
        let item = if code.value.chars().count() <= 16 {
            item.text(dtags::CODE_VALUE, VR::SH, &code.value)
        } else {
            let value = clean(&code.value, 1024);
            item.put(dtags::LONG_CODE_VALUE, VR::UC, value)
        };
        let meaning = if code.meaning.is_empty() { &code.value } else { &code.meaning };
        let item = item.text(dtags::CODING_SCHEME_DESIGNATOR, VR::SH, &code.scheme).text(
            dtags::CODE_MEANING,
            VR::LO,
            meaning,
        );
        self.seq(number, vec![item])
    }

    /// An item of the tree.
    pub(super) fn content(relationship: &str, value_type: &str, name: &CodedConcept) -> Self {
        Self::new()
            .text(dtags::RELATIONSHIP_TYPE, VR::CS, relationship)
            .text(dtags::VALUE_TYPE, VR::CS, value_type)
            .code(dtags::CONCEPT_NAME_CODE_SEQUENCE, name)
    }

    pub(super) fn children(self, items: Vec<Self>) -> Self {
        if items.is_empty() { self } else { self.seq(dtags::CONTENT_SEQUENCE, items) }
    }

    /// Makes a container of an item, after a template if it follows one.
    pub(super) fn container(self, template: Option<&str>) -> Self {
        let item = self.text(wtags::CONTINUITY_OF_CONTENT, VR::CS, "SEPARATE");
        let Some(template) = template else { return item };
        let followed = Self::new().text(wtags::MAPPING_RESOURCE, VR::CS, "DCMR").text(
            dtags::TEMPLATE_IDENTIFIER,
            VR::CS,
            template,
        );
        item.seq(dtags::CONTENT_TEMPLATE_SEQUENCE, vec![followed])
    }

    pub(super) fn code_item(relationship: &str, name: &CodedConcept, value: &CodedConcept) -> Self {
        Self::content(relationship, "CODE", name).code(dtags::CONCEPT_CODE_SEQUENCE, value)
    }

    pub(super) fn text_item(relationship: &str, name: &CodedConcept, text: &str) -> Self {
        Self::content(relationship, "TEXT", name).long_text(dtags::TEXT_VALUE, text)
    }

    pub(super) fn uid_item(relationship: &str, name: &CodedConcept, uid: &str) -> Self {
        Self::content(relationship, "UIDREF", name).uid(dtags::UID, uid)
    }

    /// A reference to (frames of) an image.
    pub(super) fn image_item(
        relationship: &str,
        name: Option<&CodedConcept>,
        image: &InstanceReference,
    ) -> Self {
        let item = match name {
            Some(name) => Self::content(relationship, "IMAGE", name),
            None => Self::new().text(dtags::RELATIONSHIP_TYPE, VR::CS, relationship).text(
                dtags::VALUE_TYPE,
                VR::CS,
                "IMAGE",
            ),
        };
        item.seq(dtags::REFERENCED_SOP_SEQUENCE, vec![Self::reference(image)])
    }

    pub(super) fn reference(image: &InstanceReference) -> Self {
        let item = Self::instance(image);
        let frames: Vec<String> = image.frame_numbers.iter().map(u32::to_string).collect();
        if frames.is_empty() || is_single_frame(&image.sop_class_uid) {
            return item;
        }
        item.put(dtags::REFERENCED_FRAME_NUMBER, VR::IS, PrimitiveValue::Strs(frames.into()))
    }

    /// Class and UID alone.
    pub(super) fn instance(image: &InstanceReference) -> Self {
        Self::new()
            .uid(dtags::REFERENCED_SOP_CLASS_UID, &image.sop_class_uid)
            .uid(dtags::REFERENCED_SOP_INSTANCE_UID, &image.sop_instance_uid)
    }

    /// A number with its unit; the double beside the decimal text keeps all its digits.
    pub(super) fn number(name: &CodedConcept, value: f64, unit: &CodedConcept) -> Self {
        let measured = Self::new()
            .text(dtags::NUMERIC_VALUE, VR::DS, &decimal_string(value))
            .double(dtags::FLOATING_POINT_VALUE, value)
            .code(dtags::MEASUREMENT_UNITS_CODE_SEQUENCE, unit);
        Self::content("CONTAINS", "NUM", name).seq(dtags::MEASURED_VALUE_SEQUENCE, vec![measured])
    }
}

/// Whether objects of a class have one frame, whose number must not be stated (PS3.3 table 10-3).
fn is_single_frame(sop_class_uid: &str) -> bool {
    const SINGLE: [&str; 14] =
        ["1", "1.1", "1.1.1", "1.2", "1.2.1", "1.3", "1.3.1", "2", "4", "6", "6.1", "7", "128", "77.1.4"];
    let storage = sop_class_uid.strip_prefix("1.2.840.10008.5.1.4.1.1.").unwrap_or_default();
    SINGLE.contains(&storage)
}

/// A concept of the standard's own dictionary (PS3.16 annex D).
pub(super) fn dcm(value: &str, meaning: &str) -> CodedConcept {
    concept("DCM", value, meaning)
}

/// The nearest number that sixteen characters hold (PS3.5 6.2, DS).
fn decimal_string(value: f64) -> String {
    let plain = value.to_string();
    if plain.len() <= 16 {
        return plain;
    }
    let scientific = |digits: usize| format!("{value:.digits$e}");
    (0..=14).rev().map(scientific).find(|text| text.len() <= 16).unwrap_or(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_strings_fit_and_come_as_near_as_they_can() {
        for value in [0.0, -1.5, 1.0 / 3.0, -2.0e-300 / 3.0, 123_456_789.123_456_78, 1e22 / 3.0, 1e308 / 3.0]
        {
            let text = decimal_string(value);
            assert!(text.len() <= 16, "{text}");
            let back: f64 = text.parse().unwrap();
            assert!((back - value).abs() <= 1e-8 * value.abs(), "{text} for {value}");
        }
    }

    #[test]
    fn text_is_cleaned_of_what_breaks_values() {
        assert_eq!(clean("a\\b\u{1b}[31m\nc", 64), "a/b[31mc");
        assert_eq!(clean("ääää", 3), "äää");
    }
}
