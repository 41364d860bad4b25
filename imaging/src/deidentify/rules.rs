//! What becomes of an element, from the table, the options and the element itself.

use super::pseudonyms::shifted;
use super::table::{self, Code, option};
use super::{Dates, Options, safe_private};

/// What an element is, as far as rules ask.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) tag: u32,
    /// Its own, or the dictionary's where it states none.
    pub(crate) vr: [u8; 2],
    /// Keyword of the standard; `None` if its dictionary does not know the tag.
    pub(crate) keyword: Option<&'a str>,
    /// Who defined a private element.
    pub(crate) creator: Option<&'a str>,
    /// The value of an element that reserves private elements.
    pub(crate) reserves: Option<&'a str>,
    pub(crate) is_empty: bool,
}

/// What becomes of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing; of a sequence its items are looked at. The profile has no interest in it.
    Pass,
    /// As [`Self::Pass`], because of an option.
    Keep,
    Remove,
    Empty,
    /// A dummy; of a sequence everything in its items.
    Dummy,
    /// The patient's pseudonym.
    Patient,
    Uid,
    Shift,
    /// Clean the text; what the basic profile does where nothing is left.
    Clean {
        otherwise: Otherwise,
    },
}

/// What becomes of a text of which nothing is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Otherwise {
    Remove,
    Empty,
    Dummy,
}

const PATIENT_NAME: u32 = 0x0010_0010;
const PATIENT_ID: u32 = 0x0010_0020;
const REFERENCED_STUDY_SEQUENCE: u32 = 0x0008_1110;
const LENGTH_TO_END: u32 = 0x0008_0001;
const ENCRYPTED_ATTRIBUTES: u32 = 0x0400_0500;

/// Decides; `is_in_dummy` for elements of sequences that become dummies.
pub(crate) fn action(options: &Options, subject: &Subject<'_>, is_in_dummy: bool) -> Action {
    let tag = subject.tag;
    let group = tag >> 16;
    // Lengths of groups are wrong once anything changed; curves and overlays may hold handwriting.
    let is_group_length = tag & 0xFFFF == 0 || tag == LENGTH_TO_END;
    let is_graphics = matches!(group, 0x5000..=0x50FF | 0x6000..=0x60FF);
    if group & 1 == 1 {
        return private(options, subject, is_in_dummy);
    }
    // What is encrypted is the identity, for whoever has the key.
    if is_group_length || is_graphics || tag == ENCRYPTED_ATTRIBUTES || subject.keyword.is_none() {
        return Action::Remove;
    }
    if let Some((code, flags)) = table::row(tag) {
        return listed(options, subject, code, flags, is_in_dummy);
    }
    if is_in_dummy {
        return in_dummy(options, subject);
    }
    unlisted(options, subject)
}

fn private(options: &Options, subject: &Subject<'_>, is_in_dummy: bool) -> Action {
    if !options.safe_private || is_in_dummy || subject.vr == *b"SQ" {
        return Action::Remove;
    }
    let is_safe = match (subject.reserves, subject.creator) {
        (Some(name), _) => safe_private::has_safe(name, subject.tag),
        (None, Some(creator)) => safe_private::safe_vr(creator, subject.tag).is_some(),
        (None, None) => false,
    };
    if is_safe { Action::Keep } else { Action::Remove }
}

/// Attributes of table E.1-1.
fn listed(options: &Options, subject: &Subject<'_>, code: Code, flags: u16, is_in_dummy: bool) -> Action {
    let basic = basic(subject, code, is_in_dummy);
    let has = |flag: u16| flags & flag != 0;
    let is_kept = options.uids && has(option::UIDS)
        || options.device && has(option::DEVICE)
        || options.institution && has(option::INSTITUTION)
        || options.patient_characteristics && has(option::PATIENT)
        || options.dates == Dates::Kept && has(option::DATES);
    if is_kept {
        return Action::Keep;
    }
    if options.dates == Dates::Shifted && has(option::DATES) {
        return match &subject.vr {
            b"DA" | b"DT" => Action::Shift,
            // Whole days leave times of day and time zones as they are.
            b"TM" | b"SH" => Action::Keep,
            _ => basic,
        };
    }
    let is_text = matches!(&subject.vr, b"LO" | b"SH" | b"ST" | b"LT" | b"UT" | b"UC");
    let is_cleaned = options.descriptors && has(option::DESCRIPTORS)
        || options.patient_characteristics && has(option::PATIENT_CLEANED);
    if is_cleaned && is_text && !subject.is_empty {
        let otherwise = match basic {
            Action::Remove => Otherwise::Remove,
            Action::Empty => Otherwise::Empty,
            _ => Otherwise::Dummy,
        };
        return Action::Clean { otherwise };
    }
    basic
}

/// The column of the basic profile. Where the table leaves a choice, what fits every object that has the attribute.
fn basic(subject: &Subject<'_>, code: Code, is_in_dummy: bool) -> Action {
    let is_sequence = subject.vr == *b"SQ";
    // What has no value needs none.
    let dummy = if subject.is_empty && !is_sequence { Action::Pass } else { Action::Dummy };
    match code {
        _ if subject.tag == PATIENT_NAME || subject.tag == PATIENT_ID => {
            if subject.is_empty {
                Action::Pass
            } else {
                Action::Patient
            }
        }
        Code::X => Action::Remove,
        Code::U if subject.is_empty => Action::Pass,
        // Images have it with items or not at all.
        Code::XZ if subject.tag == REFERENCED_STUDY_SEQUENCE => Action::Remove,
        Code::Z | Code::XZ if is_in_dummy => dummy,
        Code::Z | Code::XZ => Action::Empty,
        // A dummy for a UID is another UID.
        Code::D | Code::ZD if subject.vr == *b"UI" && !subject.is_empty => Action::Uid,
        Code::D | Code::ZD => dummy,
        Code::U => Action::Uid,
        Code::XD | Code::XZD if is_sequence => Action::Remove,
        Code::XD | Code::XZD => dummy,
        // References stay whole: the UIDs in the items are mapped like any other.
        Code::XZU => Action::Pass,
    }
}

/// Attributes that the table does not name, inside of sequences that become dummies.
fn in_dummy(options: &Options, subject: &Subject<'_>) -> Action {
    match &subject.vr {
        b"UI" => unlisted(options, subject),
        // Terms of the standard, numbers of things, and what leads on.
        b"SQ" | b"CS" | b"AT" | b"US" | b"SS" | b"UL" | b"SL" | b"IS" => Action::Pass,
        _ if subject.is_empty => Action::Pass,
        _ => Action::Dummy,
    }
}

/// Attributes that the table does not name: most are of no interest, but names, dates and instances of newer or
/// forgotten attributes are.
fn unlisted(options: &Options, subject: &Subject<'_>) -> Action {
    match (&subject.vr, options.dates) {
        _ if subject.is_empty => Action::Pass,
        (b"PN", _) => Action::Dummy,
        (b"UI", _) if names_a_kind(subject.keyword) => Action::Pass,
        (b"UI", _) if options.uids => Action::Keep,
        (b"UI", _) => Action::Uid,
        (b"DA" | b"DT" | b"TM", Dates::Kept) | (b"TM", Dates::Shifted) => Action::Keep,
        (b"DA" | b"DT", Dates::Shifted) => Action::Shift,
        (b"DA" | b"DT" | b"TM", Dates::Removed) => Action::Empty,
        _ => Action::Pass,
    }
}

/// Whether UIDs of an attribute name classes, encodings or code systems rather than objects.
fn names_a_kind(keyword: Option<&str>) -> bool {
    const KINDS: [&str; 7] = [
        "SOPClass",
        "TransferSyntax",
        "CodingScheme",
        "ContextUID",
        "ContextGroupExtension",
        "MappingResource",
        "ImplementationClass",
    ];
    keyword.is_some_and(|keyword| KINDS.iter().any(|kind| keyword.contains(kind)))
}

/// Most bytes of a binary dummy.
const MAX_DUMMY_BYTES: usize = 64;

/// A value that says nothing, for a value of `len` bytes; numbers become zeros, as many as there were.
pub(crate) fn dummy(vr: [u8; 2], len: usize) -> Vec<u8> {
    let text: &[u8] = match &vr {
        b"DA" => b"19000101",
        b"TM" => b"000000",
        b"DT" => b"19000101000000",
        b"AS" => b"000Y",
        b"DS" | b"IS" => b"0 ",
        b"UR" => b"about:blank ",
        b"AE" | b"CS" | b"LO" | b"SH" | b"PN" | b"ST" | b"LT" | b"UT" | b"UC" => b"ANONYMIZED",
        b"FL" | b"FD" | b"US" | b"SS" | b"UL" | b"SL" | b"SV" | b"UV" | b"OF" | b"OD" => return vec![0; len],
        _ => return vec![0; len.clamp(2, MAX_DUMMY_BYTES).next_multiple_of(2)],
    };
    text.to_vec()
}

/// Dates of a value, each moved; `None` if one of them cannot be.
pub(crate) fn shift(value: &str, days: i64) -> Option<String> {
    let dates: Option<Vec<String>> = value
        .split('\\')
        .map(|date| {
            let date = date.trim_matches(|letter: char| letter == '\0' || letter.is_whitespace());
            if date.is_empty() { Some(String::new()) } else { shifted(date, days) }
        })
        .collect();
    dates.map(|dates| dates.join("\\"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(tag: u32, vr: &[u8; 2]) -> Subject<'static> {
        Subject { tag, vr: *vr, keyword: Some("Anything"), creator: None, reserves: None, is_empty: false }
    }

    fn check(options: &Options, tag: u32, vr: &[u8; 2], expected: Action) {
        assert_eq!(action(options, &subject(tag, vr), false), expected, "{tag:08X}");
    }

    #[test]
    fn the_basic_profile_leaves_nothing_of_the_patient() {
        let basic = Options::default();
        check(&basic, 0x0010_0010, b"PN", Action::Patient);
        check(&basic, 0x0010_0030, b"DA", Action::Empty);
        check(&basic, 0x0008_103E, b"LO", Action::Remove);
        check(&basic, 0x0008_0018, b"UI", Action::Uid);
        check(&basic, 0x0008_0021, b"DA", Action::Dummy);
        check(&basic, 0x0009_1001, b"LO", Action::Remove);
        check(&basic, 0x6000_3000, b"OW", Action::Remove);
        check(&basic, 0x5002_0010, b"US", Action::Remove);
        check(&basic, 0x0008_0000, b"UL", Action::Remove);
        check(&basic, 0x0400_0500, b"SQ", Action::Remove);
        check(&basic, 0x0028_0010, b"US", Action::Pass);
        check(&basic, 0x0008_1140, b"SQ", Action::Pass);
    }

    #[test]
    fn options_keep_their_own_columns_only() {
        let device = Options { device: true, ..Options::default() };
        check(&device, 0x0018_1000, b"LO", Action::Keep);
        check(&device, 0x0008_0055, b"AE", Action::Remove);
        check(&device, 0x0008_0080, b"LO", Action::Dummy);
        let dates = Options { dates: Dates::Shifted, ..Options::default() };
        check(&dates, 0x0008_0020, b"DA", Action::Shift);
        check(&dates, 0x0008_0030, b"TM", Action::Keep);
        check(&dates, 0x0010_0030, b"DA", Action::Empty);
        let descriptors = Options { descriptors: true, ..Options::default() };
        check(&descriptors, 0x0008_103E, b"LO", Action::Clean { otherwise: Otherwise::Remove });
        check(&descriptors, 0x0008_1084, b"SQ", Action::Remove);
    }

    #[test]
    fn what_the_table_forgets_is_decided_by_kind() {
        let basic = Options::default();
        check(&basic, 0x0040_A067, b"PN", Action::Dummy);
        check(&basic, 0x0014_0102, b"DA", Action::Empty);
        check(&basic, 0x0020_9312, b"UI", Action::Uid);
        let class = Subject { keyword: Some("RelatedGeneralSOPClassUID"), ..subject(0x0008_001A, b"UI") };
        assert_eq!(action(&basic, &class, false), Action::Pass);
        let unknown = Subject { keyword: None, ..subject(0x0008_9999, b"LO") };
        assert_eq!(action(&basic, &unknown, false), Action::Remove);
    }
}
