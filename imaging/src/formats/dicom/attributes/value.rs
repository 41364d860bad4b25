//! Values as text.

use std::fmt::Write;

use super::super::dataset::Syntax;
use super::super::text::Charset;

/// First bytes of a binary value that are shown.
const SHOWN_BYTES: usize = 16;

/// A value as text.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) text: String,
    pub(super) multiplicity: usize,
    pub(super) is_shortened: bool,
}

/// The text of a value of `len` bytes, of which `head` are the first.
pub(super) fn text(vr: [u8; 2], head: &[u8], len: u64, syntax: Syntax, charset: &Charset) -> Text {
    let is_whole = head.len() as u64 == len;
    if let Some(width) = number_width(vr) {
        let texts: Vec<String> =
            head.chunks_exact(width).filter_map(|chunk| number(vr, chunk, syntax)).collect();
        let multiplicity = (len / width as u64) as usize;
        return Text { is_shortened: texts.len() < multiplicity, text: texts.join("\\"), multiplicity };
    }
    match &vr {
        b"OB" | b"OW" | b"OF" | b"OD" | b"OL" | b"OV" => binary(head, len),
        // What an implicit file does not say: text looks like text.
        b"UN" if !is_whole || !is_printable(head) => binary(head, len),
        b"SH" | b"LO" | b"UC" | b"PN" => written(charset.decode(head), is_whole, true),
        b"ST" | b"LT" | b"UT" => written(charset.decode(head), is_whole, false),
        _ => written(plain(head), is_whole, !matches!(&vr, b"UR")),
    }
}

fn written(text: String, is_whole: bool, has_many: bool) -> Text {
    // Space behind a value is padding.
    let text =
        if has_many { text.split('\\').map(str::trim_end).collect::<Vec<_>>().join("\\") } else { text };
    let multiplicity = match (text.is_empty(), has_many) {
        (true, _) => 0,
        (false, true) => text.split('\\').count(),
        (false, false) => 1,
    };
    Text { text, multiplicity, is_shortened: !is_whole }
}

fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim_matches(|letter: char| letter == '\0' || letter.is_whitespace()).to_owned()
}

fn is_printable(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_end();
    let text = text.strip_suffix(b"\0").unwrap_or(text);
    !text.is_empty() && text.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ')
}

/// `4096 bytes: 00 01 02 …`
fn binary(head: &[u8], len: u64) -> Text {
    let unit = if len == 1 { "byte" } else { "bytes" };
    let mut text = format!("{len} {unit}");
    for (at, byte) in head.iter().take(SHOWN_BYTES).enumerate() {
        let _ = write!(text, "{} {byte:02X}", if at == 0 { ":" } else { "" });
    }
    Text { text, multiplicity: usize::from(len > 0), is_shortened: len > SHOWN_BYTES as u64 }
}

fn number_width(vr: [u8; 2]) -> Option<usize> {
    Some(match &vr {
        b"US" | b"SS" => 2,
        b"UL" | b"SL" | b"FL" | b"AT" => 4,
        b"FD" | b"SV" | b"UV" => 8,
        _ => return None,
    })
}

fn number(vr: [u8; 2], chunk: &[u8], syntax: Syntax) -> Option<String> {
    macro_rules! number {
        ($number:ty) => {{
            let bytes = chunk.try_into().ok()?;
            let number = if syntax.is_big_endian {
                <$number>::from_be_bytes(bytes)
            } else {
                <$number>::from_le_bytes(bytes)
            };
            number.to_string()
        }};
    }
    Some(match &vr {
        b"US" => number!(u16),
        b"SS" => number!(i16),
        b"UL" => number!(u32),
        b"SL" => number!(i32),
        b"FL" => number!(f32),
        b"FD" => number!(f64),
        b"SV" => number!(i64),
        b"UV" => number!(u64),
        b"AT" => {
            let &[a, b, c, d] = chunk.first_chunk()?;
            format!("({:04X},{:04X})", syntax.u16([a, b]), syntax.u16([c, d]))
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::dataset::DataSet;
    use super::*;

    const LITTLE: Syntax = Syntax { is_explicit: true, is_big_endian: false };

    fn check(vr: &[u8; 2], bytes: &[u8], expected: &str, multiplicity: usize) {
        let charset = Charset::of(&DataSet::default());
        let text = text(*vr, bytes, bytes.len() as u64, LITTLE, &charset);
        assert_eq!(
            (text.text.as_str(), text.multiplicity, text.is_shortened),
            (expected, multiplicity, false)
        );
    }

    #[test]
    fn values_are_told_as_the_field_writes_them() {
        check(b"PN", b"Doe^Jane ", "Doe^Jane", 1);
        check(b"CS", b"DERIVED \\PRIMARY", "DERIVED\\PRIMARY", 2);
        check(b"DS", b"0.5\\0.5 ", "0.5\\0.5", 2);
        check(b"ST", b"one\\text", "one\\text", 1);
        check(b"US", &[1, 0, 0, 2], "1\\512", 2);
        check(b"AT", &[0x10, 0, 0x20, 0], "(0010,0020)", 1);
        check(b"FD", &1.5f64.to_le_bytes(), "1.5", 1);
        check(b"UI", b"1.2.3\0", "1.2.3", 1);
        check(b"OB", &[0, 255], "2 bytes: 00 FF", 1);
        check(b"UN", b"text", "text", 1);
        check(b"UN", &[1, 2], "2 bytes: 01 02", 1);
        check(b"LO", b"", "", 0);
    }

    #[test]
    fn what_is_left_out_is_said() {
        let charset = Charset::of(&DataSet::default());
        let long = text(*b"LT", b"beginning", 90_000, LITTLE, &charset);
        assert!(long.is_shortened && long.text == "beginning");
        let many = text(*b"US", &[1, 0, 2, 0], 4000, LITTLE, &charset);
        assert!(many.is_shortened && many.multiplicity == 2000 && many.text == "1\\2");
        let pixels = text(*b"OW", &[0; 64], 524_288, LITTLE, &charset);
        assert!(pixels.is_shortened && pixels.text.starts_with("524288 bytes: 00 00"));
    }
}
