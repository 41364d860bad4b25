//! Names and value representations of the standard's attributes, from the dictionary of dicom-rs.

use dicom_core::Tag as DicomTag;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntryRef};
use dicom_dictionary_std::StandardDataDictionary;

use super::tags::Tag;

fn entry(tag: Tag) -> Option<&'static DataDictionaryEntryRef<'static>> {
    static DICTIONARY: StandardDataDictionary = StandardDataDictionary;
    DICTIONARY.by_tag(DicomTag((tag >> 16) as u16, tag as u16))
}

/// The keyword of a standard attribute (`PatientName`).
pub(crate) fn keyword(tag: Tag) -> Option<&'static str> {
    entry(tag).map(|entry| entry.alias)
}

/// The value representation of a standard attribute; of those that depend on others the likelier one.
pub(crate) fn vr(tag: Tag) -> Option<[u8; 2]> {
    entry(tag).map(|entry| entry.vr.relaxed().to_bytes())
}

/// Whether a tag belongs to a manufacturer: its group is odd.
pub(crate) fn is_private(tag: Tag) -> bool {
    tag >> 16 & 1 == 1
}

/// Whether a tag reserves a block of private elements.
pub(crate) fn is_private_creator(tag: Tag) -> bool {
    is_private(tag) && (0x10..=0xFF).contains(&(tag & 0xFFFF))
}

/// The tag whose value names the creator of a private element.
pub(crate) fn creator_tag(tag: Tag) -> Option<Tag> {
    let block = tag >> 8 & 0xFF;
    (is_private(tag) && block >= 0x10).then_some(tag & 0xFFFF_0000 | block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_standard_also_for_repeating_groups() {
        assert_eq!(keyword(0x0010_0010), Some("PatientName"));
        assert_eq!(keyword(0x6002_3000), Some("OverlayData"));
        assert_eq!(keyword(0x0009_1001), None);
        assert_eq!(vr(0x5200_9230), Some(*b"SQ"));
        assert_eq!(vr(0x0028_0106), Some(*b"US"));
    }

    #[test]
    fn a_private_element_knows_where_its_creator_stands() {
        assert_eq!(creator_tag(0x0019_100C), Some(0x0019_0010));
        assert_eq!(creator_tag(0x0019_0010), None);
        assert_eq!(creator_tag(0x0018_1000), None);
        assert!(is_private_creator(0x0019_00FF) && !is_private_creator(0x0019_0100));
    }
}
