//! Walks the bytes of a DICOM object and keeps the few elements that matter.
//!
//! One pass, bounded in depth and memory: private and unknown elements are stepped over by their length, values
//! are copied only for [`tags::KEPT`], and the walk ends at the pixel data, whose place is noted. Lengths are held
//! against the size of the object before anything is read.

use std::io;

use super::bytes::Bytes;
use super::tags::{self, Tag};
use crate::color_profile::MAX_PROFILE_BYTES;

/// Nesting beyond this is an attack or damage; real objects stay below ten.
pub(super) const MAX_DEPTH: usize = 64;
/// Largest value that is kept; lookup tables have at most 65 536 entries of two bytes.
const MAX_VALUE_BYTES: u32 = 1 << 20;
/// Largest overlay plane that is kept: eight thousand pixels square, or as many over several frames.
const MAX_OVERLAY_BYTES: u32 = 8 << 20;
pub(super) const UNDEFINED_LENGTH: u32 = u32::MAX;

pub(crate) const IMPLICIT_LITTLE: &str = "1.2.840.10008.1.2";
pub(crate) const EXPLICIT_LITTLE: &str = "1.2.840.10008.1.2.1";
pub(crate) const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
pub(crate) const EXPLICIT_BIG: &str = "1.2.840.10008.1.2.2";

/// How elements are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Syntax {
    pub(super) is_explicit: bool,
    pub(super) is_big_endian: bool,
}

impl Syntax {
    pub(super) const IMPLICIT: Self = Self { is_explicit: false, is_big_endian: false };

    /// The transfer syntax of uncompressed data that is written so.
    pub(super) fn plain_name(self) -> &'static str {
        match (self.is_explicit, self.is_big_endian) {
            (false, _) => IMPLICIT_LITTLE,
            (true, false) => EXPLICIT_LITTLE,
            (true, true) => EXPLICIT_BIG,
        }
    }

    pub(super) fn u16(self, bytes: [u8; 2]) -> u16 {
        if self.is_big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    pub(super) fn u32(self, bytes: [u8; 4]) -> u32 {
        if self.is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }
}

/// Why an object could not be walked.
#[derive(Debug)]
pub(crate) enum WalkError {
    Io(io::Error),
    /// Not a DICOM object at all.
    NotDicom,
    Damaged(&'static str),
}

impl From<io::Error> for WalkError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Kept elements of a data set or sequence item.
#[derive(Debug, Default, Clone)]
pub(crate) struct DataSet {
    elements: Vec<Element>,
    is_big_endian: bool,
}

#[derive(Debug, Clone)]
struct Element {
    tag: Tag,
    vr: [u8; 2],
    value: Value,
}

#[derive(Debug, Clone)]
enum Value {
    Bytes(Vec<u8>),
    Items(Vec<DataSet>),
}

/// Where the pixel data of an object lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PixelElement {
    pub(crate) tag: Tag,
    /// First byte of the value, within the object (deflated: within the unpacked data set).
    pub(crate) offset: u64,
    /// Bytes of the value that exist; `None` for encapsulated data (undefined length).
    pub(crate) len: Option<u64>,
    pub(crate) is_big_endian: bool,
    /// Whether the value is written as 16-bit words (VR OW).
    pub(crate) is_words: bool,
}

/// Everything the walk finds.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) data_set: DataSet,
    pub(crate) transfer_syntax: String,
    pub(crate) pixels: Option<PixelElement>,
    /// The object ended inside an element.
    pub(crate) is_truncated: bool,
    /// Where the value of [`Keep::noted`] lies.
    pub(crate) noted: Option<PixelElement>,
}

/// Which elements a walk keeps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keep {
    /// Value representation of a kept tag, or `None` for a tag that is stepped over.
    pub(crate) vr_of: fn(Tag) -> Option<[u8; 2]>,
    /// Larger values are stepped over; what is kept never exceeds the size of the object.
    pub(crate) max_value_bytes: u32,
    /// A tag of the outermost data set whose place is noted instead of its value.
    pub(crate) noted: Option<Tag>,
}

impl Keep {
    /// What images need.
    const IMAGE: Self = Self { vr_of: tags::kept_vr, max_value_bytes: MAX_VALUE_BYTES, noted: None };
}

/// The most bytes of elements that may be larger than others.
fn most_bytes(tag: Tag) -> u32 {
    match tag {
        tags::ICC_PROFILE => MAX_PROFILE_BYTES as u32,
        _ if tags::is_overlay(tag) => MAX_OVERLAY_BYTES,
        _ => 0,
    }
}

/// Whether the first bytes of a file look like DICOM, with or without preamble.
pub(crate) fn looks_like_dicom(head: &[u8]) -> bool {
    head.get(128..132) == Some(b"DICM") || head.starts_with(b"DICM") || guess_syntax(head).is_some()
}

/// Recognises a data set that starts without preamble: group 0002 or 0008, low element, plausible length.
fn guess_syntax(head: &[u8]) -> Option<Syntax> {
    let &[g0, g1, e0, e1, v0, v1, l0, l1] = head.first_chunk::<8>()?;
    let little = (u16::from_le_bytes([g0, g1]), u16::from_le_bytes([e0, e1]));
    let big = (u16::from_be_bytes([g0, g1]), u16::from_be_bytes([e0, e1]));
    let is_start = |(group, element): (u16, u16)| match group {
        0x0002 => element <= 0x0010,
        0x0008 => element <= 0x0060,
        _ => false,
    };
    let is_explicit = is_known_vr([v0, v1]);
    let implicit_len = u32::from_le_bytes([v0, v1, l0, l1]);
    match (is_start(little), is_start(big), is_explicit) {
        (true, _, true) => Some(Syntax { is_explicit: true, is_big_endian: false }),
        (_, true, true) => Some(Syntax { is_explicit: true, is_big_endian: true }),
        // An even, short first value; text files do not start with such bytes.
        (true, _, false) if implicit_len <= 256 && implicit_len % 2 == 0 => Some(Syntax::IMPLICIT),
        _ => None,
    }
}

pub(super) const LONG_VRS: [&[u8; 2]; 13] =
    [b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UC", b"UR", b"UT", b"UN", b"SV", b"UV"];
const SHORT_VRS: [&[u8; 2]; 21] = [
    b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL",
    b"SS", b"ST", b"TM", b"UI", b"UL", b"US",
];

pub(super) fn is_known_vr(vr: [u8; 2]) -> bool {
    LONG_VRS.contains(&&vr) || SHORT_VRS.contains(&&vr)
}

/// Walks an object up to its pixel data.
///
/// A deflated object is unpacked as far as its pixel data; `bytes` is then the data set and offsets count from there.
pub(crate) fn read_header(bytes: &mut Bytes) -> Result<Header, WalkError> {
    read_header_keeping(bytes, Keep::IMAGE)
}

/// As [`read_header`], for objects of which other elements matter.
pub(crate) fn read_header_keeping(bytes: &mut Bytes, keep: Keep) -> Result<Header, WalkError> {
    let mut opening = opening(bytes)?;
    if opening.transfer_syntax == DEFLATED {
        let packed = std::mem::replace(bytes, Bytes::in_memory(Vec::new()));
        *bytes = packed.inflating(opening.start)?;
        opening.start = 0;
    }
    let syntax = opening.settle(bytes)?;
    let Opening { start, transfer_syntax, .. } = opening;
    let mut walk = Walk { bytes, keep, pixels: None, noted: None, is_truncated: false };
    let end = walk.bytes.len();
    let (data_set, _) = walk.data_set(start, end, syntax, 0)?;
    let (pixels, is_truncated, noted) = (walk.pixels, walk.is_truncated, walk.noted);
    Ok(Header { data_set, transfer_syntax, pixels, is_truncated, noted })
}

/// How an object begins: what its file header says, and where its data set starts.
#[derive(Debug)]
pub(super) struct Opening {
    /// As stated; empty where nothing is, until [`Self::settle`] names what it found.
    pub(super) transfer_syntax: String,
    /// First element of the file header, if there is one.
    pub(super) meta_start: u64,
    /// First byte after the file header.
    pub(super) start: u64,
}

/// Reads what stands before the data set.
pub(super) fn opening(bytes: &mut Bytes) -> Result<Opening, WalkError> {
    let meta_start = data_set_start(bytes)?;
    let (meta, start) = read_meta(bytes, meta_start)?;
    let transfer_syntax = meta.text(tags::TRANSFER_SYNTAX_UID).unwrap_or_default();
    Ok(Opening { transfer_syntax, meta_start, start })
}

impl Opening {
    /// How the data set at [`Self::start`] is written; a transfer syntax that nobody stated gets its name.
    ///
    /// A deflated data set has been unpacked before, and `start` counts from there.
    pub(super) fn settle(&mut self, bytes: &mut Bytes) -> Result<Syntax, WalkError> {
        let next = bytes.at(self.start, 8)?.map(<[u8]>::to_vec).unwrap_or_default();
        let found = guess_syntax(&next);
        let stated = match self.transfer_syntax.as_str() {
            "" => None,
            IMPLICIT_LITTLE => Some(Syntax::IMPLICIT),
            EXPLICIT_BIG => Some(Syntax { is_explicit: true, is_big_endian: true }),
            _ => Some(Syntax { is_explicit: true, is_big_endian: false }),
        };
        // The bytes win over the label where they are unmistakable: some writers mislabel implicit and explicit.
        let syntax = match (stated, found) {
            (_, Some(found)) => found,
            (Some(stated), None) => stated,
            (None, None) if next.is_empty() => {
                return Err(WalkError::Damaged("nothing after the file header"));
            }
            (None, None) => return Err(WalkError::NotDicom),
        };
        if self.transfer_syntax.is_empty() {
            self.transfer_syntax = syntax.plain_name().to_owned();
        }
        Ok(syntax)
    }
}

/// Where the first element is, after a preamble if there is one.
fn data_set_start(bytes: &mut Bytes) -> Result<u64, WalkError> {
    let head_len = bytes.len().min(256) as usize;
    let head = bytes.at(0, head_len)?.unwrap_or_default().to_vec();
    Ok(if head.get(128..132) == Some(b"DICM") {
        132
    } else if head.starts_with(b"DICM") {
        4
    } else if guess_syntax(&head).is_some() {
        0
    } else {
        return Err(WalkError::NotDicom);
    })
}

/// Reads group 0002, always explicit little endian, and returns where the data set starts.
fn read_meta(bytes: &mut Bytes, start: u64) -> Result<(DataSet, u64), WalkError> {
    let mut meta = DataSet::default();
    let mut at = start;
    while let Some(&[0x02, 0x00, e0, e1, v0, v1, l0, l1]) = bytes.at(at, 8)?.and_then(<[u8]>::first_chunk) {
        let tag = 0x0002_0000 | u32::from(u16::from_le_bytes([e0, e1]));
        let (value_at, len) = if LONG_VRS.contains(&&[v0, v1]) {
            let Some(&[a, b, c, d]) = bytes.at(at + 8, 4)?.and_then(<[u8]>::first_chunk) else { break };
            (at + 12, u32::from_le_bytes([a, b, c, d]))
        } else if is_known_vr([v0, v1]) {
            (at + 8, u32::from(u16::from_le_bytes([l0, l1])))
        } else {
            // Group 0002 written as implicit VR, against the standard.
            (at + 8, u32::from_le_bytes([v0, v1, l0, l1]))
        };
        if tag == tags::TRANSFER_SYNTAX_UID && len <= 128 {
            let value = bytes.at(value_at, len as usize)?.unwrap_or_default().to_vec();
            meta.elements.push(Element { tag, vr: *b"UI", value: Value::Bytes(value) });
        }
        at = value_at + u64::from(len);
        if at > bytes.len() {
            return Err(WalkError::Damaged("ends inside the file header"));
        }
    }
    Ok((meta, at))
}

/// The pixel data of a deflated object, unpacked; nothing before or after it is kept.
///
/// Offsets of the result count as in the header that was read.
pub(crate) fn inflate_pixels(mut bytes: Bytes, offset: u64, count: u64) -> Result<Bytes, WalkError> {
    let start = data_set_start(&mut bytes)?;
    let (_, start) = read_meta(&mut bytes, start)?;
    Ok(bytes.inflated(start, offset, count)?)
}

/// What stands before a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct ElementHeader {
    pub(super) tag: Tag,
    /// As written, or `??` where the element does not state it.
    pub(super) vr: [u8; 2],
    pub(super) value_at: u64,
    pub(super) len: u32,
}

/// The header of the element at `at`; `None` if the object ends before it does.
pub(super) fn element_header(
    bytes: &mut Bytes,
    at: u64,
    syntax: Syntax,
) -> Result<Option<ElementHeader>, WalkError> {
    let Some(&[g0, g1, e0, e1, v0, v1, l0, l1]) = bytes.at(at, 8)?.and_then(<[u8]>::first_chunk) else {
        return Ok(None);
    };
    let tag = u32::from(syntax.u16([g0, g1])) << 16 | u32::from(syntax.u16([e0, e1]));
    let vr = [v0, v1];
    let is_item = tag >> 16 == 0xFFFE;
    // Letters that are no VR: the element is written as implicit VR in the middle of an explicit file.
    let is_explicit = syntax.is_explicit && !is_item && vr.iter().all(u8::is_ascii_uppercase);
    if !is_explicit {
        let len = syntax.u32([v0, v1, l0, l1]);
        return Ok(Some(ElementHeader { tag, vr: *b"??", value_at: at + 8, len }));
    }
    if LONG_VRS.contains(&&vr) {
        let Some(&len) = bytes.at(at + 8, 4)?.and_then(<[u8]>::first_chunk) else { return Ok(None) };
        return Ok(Some(ElementHeader { tag, vr, value_at: at + 12, len: syntax.u32(len) }));
    }
    Ok(Some(ElementHeader { tag, vr, value_at: at + 8, len: u32::from(syntax.u16([l0, l1])) }))
}

struct Walk<'a> {
    bytes: &'a mut Bytes,
    keep: Keep,
    pixels: Option<PixelElement>,
    noted: Option<PixelElement>,
    is_truncated: bool,
}

impl Walk<'_> {
    /// Reads elements from `at` until `end`, a delimiter, or (outermost) the pixel data.
    ///
    /// Returns the offset after what was read.
    fn data_set(
        &mut self,
        mut at: u64,
        end: u64,
        syntax: Syntax,
        depth: usize,
    ) -> Result<(DataSet, u64), WalkError> {
        if depth > MAX_DEPTH {
            return Err(WalkError::Damaged("sequences are nested too deeply"));
        }
        let mut set = DataSet { elements: Vec::new(), is_big_endian: syntax.is_big_endian };
        while at < end && !self.is_truncated {
            let Some(header) = element_header(self.bytes, at, syntax)? else {
                // Where unpacked data ends is only known now.
                self.is_truncated = at != self.bytes.len();
                break;
            };
            let ElementHeader { tag, vr, value_at, len } = header;
            if matches!(tag, tags::ITEM_DELIMITATION | tags::SEQUENCE_DELIMITATION) {
                return Ok((set, value_at));
            }
            let is_pixels =
                matches!(tag, tags::PIXEL_DATA | tags::FLOAT_PIXEL_DATA | tags::DOUBLE_FLOAT_PIXEL_DATA);
            if depth == 0 && is_pixels {
                let available = self.bytes.len().saturating_sub(value_at);
                let len = (len != UNDEFINED_LENGTH).then(|| u64::from(len).min(available));
                self.pixels = Some(PixelElement {
                    tag,
                    offset: value_at,
                    len,
                    is_big_endian: syntax.is_big_endian,
                    is_words: vr != *b"OB",
                });
                return Ok((set, value_at));
            }
            if depth == 0 && Some(tag) == self.keep.noted && len != UNDEFINED_LENGTH {
                let (offset, is_big_endian) = (value_at, syntax.is_big_endian);
                let available = self.bytes.len().saturating_sub(value_at);
                let len = Some(u64::from(len).min(available));
                self.noted = Some(PixelElement { tag, offset, len, is_big_endian, is_words: false });
            }
            let kept = (self.keep.vr_of)(tag);
            if len == UNDEFINED_LENGTH && (tag == tags::PIXEL_DATA || matches!(&vr, b"OB" | b"OW")) {
                // Compressed pixels of an icon.
                at = self.skip_fragments(value_at, end, syntax)?;
                continue;
            }
            let is_sequence = vr == *b"SQ" || (kept == Some(*b"SQ")) || len == UNDEFINED_LENGTH;
            if is_sequence && (kept.is_some() || len == UNDEFINED_LENGTH) {
                // PS3.5 6.2.2 note: UN of undefined length holds implicit VR little endian.
                let inner = if vr == *b"UN" { Syntax::IMPLICIT } else { syntax };
                let (items, after) = self.sequence(value_at, len, end, inner, depth + 1)?;
                if kept.is_some() && set.find(tag).is_none() {
                    set.elements.push(Element { tag, vr: *b"SQ", value: Value::Items(items) });
                }
                at = after;
                continue;
            }
            let next = value_at + u64::from(len);
            if next > end {
                self.is_truncated = true;
                break;
            }
            // Repeated elements are not allowed; the first counts, which also bounds the size of the set.
            if let Some(kept_vr) = kept
                && set.find(tag).is_none()
                && let Some(len) = self.kept_len(tag, len)
            {
                let vr = if matches!(&vr, b"??" | b"UN") { kept_vr } else { vr };
                let value = self.bytes.at(value_at, len)?.unwrap_or_default().to_vec();
                set.elements.push(Element { tag, vr, value: Value::Bytes(value) });
            }
            at = next;
        }
        Ok((set, at))
    }

    /// How many bytes of a value are kept; `None` steps over it.
    fn kept_len(&self, tag: Tag, len: u32) -> Option<usize> {
        if len <= self.keep.max_value_bytes.max(most_bytes(tag)) {
            return Some(len as usize);
        }
        // That there is a profile matters even where it is too large to be one.
        (tag == tags::ICC_PROFILE).then_some(0)
    }

    fn sequence(
        &mut self,
        mut at: u64,
        len: u32,
        outer_end: u64,
        syntax: Syntax,
        depth: usize,
    ) -> Result<(Vec<DataSet>, u64), WalkError> {
        let mut items = Vec::new();
        let end = if len == UNDEFINED_LENGTH {
            outer_end
        } else {
            let end = at + u64::from(len);
            if end > outer_end {
                self.is_truncated = true;
            }
            end.min(outer_end)
        };
        while at < end {
            let Some(header) = element_header(self.bytes, at, syntax)? else {
                self.is_truncated = true;
                break;
            };
            match header.tag {
                tags::ITEM => {
                    let item_end = if header.len == UNDEFINED_LENGTH {
                        end
                    } else {
                        (header.value_at + u64::from(header.len)).min(end)
                    };
                    let (item, after) = self.data_set(header.value_at, item_end, syntax, depth)?;
                    items.push(item);
                    at = if header.len == UNDEFINED_LENGTH { after } else { item_end };
                }
                tags::SEQUENCE_DELIMITATION => return Ok((items, header.value_at)),
                _ => return Err(WalkError::Damaged("a sequence does not consist of items")),
            }
            if self.is_truncated {
                break;
            }
        }
        Ok((items, if len == UNDEFINED_LENGTH { at } else { end }))
    }

    fn skip_fragments(&mut self, mut at: u64, end: u64, syntax: Syntax) -> Result<u64, WalkError> {
        while at < end {
            let Some(header) = element_header(self.bytes, at, syntax)? else { break };
            at = match header.tag {
                tags::ITEM => header.value_at + u64::from(header.len),
                tags::SEQUENCE_DELIMITATION => return Ok(header.value_at),
                _ => return Err(WalkError::Damaged("fragments of an icon do not consist of items")),
            };
        }
        self.is_truncated = true;
        Ok(end)
    }
}

impl DataSet {
    fn find(&self, tag: Tag) -> Option<&Element> {
        self.elements.iter().find(|element| element.tag == tag)
    }

    /// Bytes of a value.
    pub(crate) fn bytes(&self, tag: Tag) -> Option<&[u8]> {
        match &self.find(tag)?.value {
            Value::Bytes(bytes) => Some(bytes),
            Value::Items(_) => None,
        }
    }

    /// Texts of the elements that `is_wanted`, in all items, added to `texts`.
    pub(super) fn texts(&self, is_wanted: &dyn Fn(Tag) -> bool, texts: &mut Vec<String>) {
        for element in &self.elements {
            match &element.value {
                Value::Items(items) => items.iter().for_each(|item| item.texts(is_wanted, texts)),
                Value::Bytes(bytes) if is_wanted(element.tag) => {
                    texts.push(String::from_utf8_lossy(bytes).into_owned());
                }
                Value::Bytes(_) => {}
            }
        }
    }

    /// Items of a sequence; none if it is missing.
    pub(crate) fn items(&self, tag: Tag) -> &[DataSet] {
        match self.find(tag).map(|element| &element.value) {
            Some(Value::Items(items)) => items,
            _ => &[],
        }
    }

    /// First item of a sequence.
    pub(crate) fn item(&self, tag: Tag) -> Option<&DataSet> {
        self.items(tag).first()
    }

    /// A value in the default character set without padding; `None` if missing or empty.
    pub(crate) fn text(&self, tag: Tag) -> Option<String> {
        let text = String::from_utf8_lossy(self.bytes(tag)?);
        let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// Whether a value is there and has a VR of binary numbers.
    pub(crate) fn is_binary(&self, tag: Tag) -> bool {
        const BINARY: [&[u8; 2]; 11] =
            [b"US", b"SS", b"UL", b"SL", b"FL", b"FD", b"OB", b"OW", b"OF", b"OD", b"AT"];
        self.find(tag).is_some_and(|element| BINARY.contains(&&element.vr))
    }

    /// All numbers of a value, whatever its VR; text that is no number ends the list.
    pub(crate) fn numbers(&self, tag: Tag) -> Vec<f64> {
        let Some(element) = self.find(tag) else { return Vec::new() };
        let Value::Bytes(bytes) = &element.value else { return Vec::new() };
        macro_rules! binary {
            ($number:ty) => {
                bytes
                    .chunks_exact(size_of::<$number>())
                    .filter_map(|chunk| chunk.try_into().ok())
                    .map(|chunk| {
                        let number = if self.is_big_endian {
                            <$number>::from_be_bytes(chunk)
                        } else {
                            <$number>::from_le_bytes(chunk)
                        };
                        number as f64
                    })
                    .collect()
            };
        }
        match &element.vr {
            // AT: group and element one after the other.
            b"US" | b"OW" | b"AT" => binary!(u16),
            b"SS" => binary!(i16),
            b"UL" => binary!(u32),
            b"SL" => binary!(i32),
            b"FL" => binary!(f32),
            b"FD" => binary!(f64),
            b"OB" => bytes.iter().map(|&b| f64::from(b)).collect(),
            _ => String::from_utf8_lossy(bytes)
                .split('\\')
                .map(|part| part.trim_matches(|c: char| c == '\0' || c.is_whitespace()).parse().ok())
                .take_while(Option::is_some)
                .flatten()
                .filter(|number: &f64| number.is_finite())
                .collect(),
        }
    }

    /// First number of a value.
    pub(crate) fn number(&self, tag: Tag) -> Option<f64> {
        self.numbers(tag).first().copied()
    }

    /// First number as a whole number; numbers with a fraction are cut.
    pub(crate) fn integer(&self, tag: Tag) -> Option<i64> {
        self.number(tag).map(|number| number as i64)
    }

    /// First number as `u16`, for image attributes.
    pub(crate) fn u16(&self, tag: Tag) -> Option<u16> {
        self.number(tag).filter(|n| (0.0..=65535.0).contains(n)).map(|n| n as u16)
    }

    /// Two or more numbers as an array.
    pub(crate) fn array<const N: usize>(&self, tag: Tag) -> Option<[f64; N]> {
        self.numbers(tag).first_chunk::<N>().copied()
    }

    /// 16-bit words of a value (lookup tables), in this machine's order.
    pub(crate) fn words(&self, tag: Tag) -> Option<Vec<u16>> {
        let bytes = self.bytes(tag)?;
        let word = |chunk: &[u8]| match *chunk {
            [a, b] if self.is_big_endian => u16::from_be_bytes([a, b]),
            [a, b] => u16::from_le_bytes([a, b]),
            _ => 0,
        };
        Some(bytes.chunks_exact(2).map(word).collect())
    }
}
