//! Character sets of DICOM text (PS3.5 6.1): single and multi-byte sets, and ISO 2022 code extensions.

use dicom_encoding::text::{SpecificCharacterSet, TextCodec};

use super::dataset::DataSet;
use super::tags::{self, Tag};

/// The character sets a data set declares.
#[derive(Debug, Clone)]
pub(crate) struct Charset {
    initial: SpecificCharacterSet,
    uses_escapes: bool,
}

impl Charset {
    /// From Specific Character Set (0008,0005). Unknown names fall back to Latin-1, a superset of the default.
    pub(crate) fn of(data_set: &DataSet) -> Self {
        Self::of_names(&data_set.text(tags::SPECIFIC_CHARACTER_SET).unwrap_or_default())
    }

    /// From the value of Specific Character Set.
    pub(super) fn of_names(declared: &str) -> Self {
        let declared = declared.trim_matches(|c: char| c == '\0' || c.is_whitespace());
        let mut names = declared.split('\\').map(str::trim);
        let first = names.next().unwrap_or_default();
        let initial = SpecificCharacterSet::from_code(first).unwrap_or_default();
        Self { initial, uses_escapes: first.starts_with("ISO 2022") || names.next().is_some() }
    }

    /// Decodes a value and trims padding.
    pub(crate) fn decode(&self, bytes: &[u8]) -> String {
        let text =
            if self.uses_escapes { self.decode_escaped(bytes) } else { decode_with(&self.initial, bytes) };
        text.trim_matches(|c: char| c == '\0' || c.is_whitespace()).to_owned()
    }

    /// The value of `tag` as text; empty if missing.
    pub(crate) fn text(&self, data_set: &DataSet, tag: Tag) -> String {
        data_set.bytes(tag).map(|bytes| self.decode(bytes)).unwrap_or_default()
    }

    /// Follows escape sequences; line ends and the delimiters of names return to the initial set (PS3.5 6.1.2.5.3).
    fn decode_escaped(&self, bytes: &[u8]) -> String {
        let mut text = String::new();
        let mut active = Active::Initial;
        let mut run = Vec::new();
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            if byte == 0x1B {
                self.flush(&mut run, active, &mut text);
                let (next, len) = Active::after_escape(after);
                active = next.unwrap_or(active);
                rest = after.get(len..).unwrap_or_default();
                continue;
            }
            let is_delimiter = matches!(byte, b'^' | b'=' | b'\\' | b'\r' | b'\n' | b'\t');
            // Bytes of two-byte G0 sets may equal a delimiter; those sets are left by an escape before it.
            if is_delimiter && !active.is_two_byte_g0() {
                self.flush(&mut run, active, &mut text);
                text.push(char::from(byte));
                active = Active::Initial;
            } else {
                run.push(byte);
            }
            rest = after;
        }
        self.flush(&mut run, active, &mut text);
        text
    }

    fn flush(&self, run: &mut Vec<u8>, active: Active, text: &mut String) {
        if run.is_empty() {
            return;
        }
        match active {
            Active::Initial => text.push_str(&decode_with(&self.initial, run)),
            Active::JisTwoByte(escape) => {
                // The codec expects the escape sequences as part of the text.
                let framed = [escape, run.as_slice(), b"\x1B(B"].concat();
                text.push_str(&decode_with(&named("ISO_IR 87"), &framed));
            }
            Active::Named(name) => text.push_str(&decode_with(&named(name), run)),
        }
        run.clear();
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Active {
    Initial,
    /// JIS X 0208 or 0212, with the escape sequence that announces it.
    JisTwoByte(&'static [u8]),
    /// A set that can be decoded by its single-set name.
    Named(&'static str),
}

impl Active {
    fn is_two_byte_g0(self) -> bool {
        matches!(self, Self::JisTwoByte(_))
    }

    /// The set that an escape sequence (without its first byte) announces, and the sequence's length.
    ///
    /// Source: PS3.3 tables C.12-3 and C.12-4.
    fn after_escape(rest: &[u8]) -> (Option<Self>, usize) {
        const TABLE: [(&[u8], Active); 20] = [
            (b"$B", Active::JisTwoByte(b"\x1B$B")),
            (b"$@", Active::JisTwoByte(b"\x1B$@")),
            (b"$(D", Active::JisTwoByte(b"\x1B$(D")),
            (b"$)C", Active::Named("ISO 2022 IR 149")),
            (b"$)A", Active::Named("ISO 2022 IR 58")),
            (b"(B", Active::Initial),
            (b"(J", Active::Named("ISO 2022 IR 13")),
            (b")I", Active::Named("ISO 2022 IR 13")),
            (b"-A", Active::Named("ISO 2022 IR 100")),
            (b"-B", Active::Named("ISO 2022 IR 101")),
            (b"-C", Active::Named("ISO 2022 IR 109")),
            (b"-D", Active::Named("ISO 2022 IR 110")),
            (b"-F", Active::Named("ISO 2022 IR 126")),
            (b"-G", Active::Named("ISO 2022 IR 127")),
            (b"-H", Active::Named("ISO 2022 IR 138")),
            (b"-L", Active::Named("ISO 2022 IR 144")),
            (b"-M", Active::Named("ISO 2022 IR 148")),
            (b"-T", Active::Named("ISO 2022 IR 166")),
            (b"-b", Active::Named("ISO 2022 IR 203")),
            (b"(I", Active::Named("ISO 2022 IR 13")),
        ];
        TABLE
            .iter()
            .find(|(escape, _)| rest.starts_with(escape))
            .map_or((None, 0), |(escape, active)| (Some(*active), escape.len()))
    }
}

fn named(code: &str) -> SpecificCharacterSet {
    SpecificCharacterSet::from_code(code).unwrap_or_default()
}

fn decode_with(charset: &SpecificCharacterSet, bytes: &[u8]) -> String {
    charset.decode(bytes).unwrap_or_else(|_| String::from_utf8_lossy(bytes).into_owned())
}
