//! Names of files in a payload: what is accepted, and how unsafe ones are shown.
//!
//! A name is a list of segments joined by `/`. Letter case is kept and does not tell names apart.

use std::fmt;

/// A whole name may have this many bytes.
pub const NAME_LIMIT_BYTES: usize = 1024;
/// A segment may have this many bytes.
pub const SEGMENT_LIMIT_BYTES: usize = 255;

/// A name that is safe on every system: relative, without `.` and `..`, without what a system reads differently.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PayloadName(String);

/// Why a name is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum NameError {
    #[error("a file's name is empty")]
    Empty,
    #[error("a file's name has {bytes} bytes, {NAME_LIMIT_BYTES} are allowed")]
    TooLong { bytes: usize },
    #[error("a part of a file's name has {bytes} bytes, {SEGMENT_LIMIT_BYTES} are allowed")]
    SegmentTooLong { bytes: usize },
    #[error("the file's name `{name}` leaves the payload, or has an empty part")]
    NotBeneath { name: String },
    #[error("the file's name `{name}` holds `{character}`")]
    Character { name: String, character: String },
    #[error("a part of the file's name `{name}` ends with a dot or a space")]
    TrailingDotOrSpace { name: String },
    #[error("the file's name `{name}` holds the name of a device")]
    Device { name: String },
}

impl PayloadName {
    /// Takes a name as clients write it: `x/y`, `/x/y` and `./x/y` are the same.
    ///
    /// # Errors
    /// [`NameError`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.len() > NAME_LIMIT_BYTES + 2 {
            return Err(NameError::TooLong { bytes: text.len() });
        }
        let mut rest = text;
        while let Some(shorter) = rest.strip_prefix('/').or_else(|| rest.strip_prefix("./")) {
            rest = shorter;
        }
        if rest.is_empty() || rest == "." {
            return Err(NameError::Empty);
        }
        if rest.len() > NAME_LIMIT_BYTES {
            return Err(NameError::TooLong { bytes: rest.len() });
        }
        let shown = || rest.escape_debug().to_string();
        for segment in rest.split('/') {
            check_segment(segment, shown)?;
        }
        if has_drive(rest) {
            return Err(NameError::Character { name: shown(), character: ":".into() });
        }
        Ok(Self(rest.to_owned()))
    }

    /// The same name in a folder.
    ///
    /// # Errors
    /// [`NameError::TooLong`].
    pub fn beneath(&self, folder: &str) -> Result<Self, NameError> {
        Self::parse(&format!("{folder}/{}", self.0))
    }

    /// Without a slash in front, as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folders, then the last segment.
    pub(crate) fn split(&self) -> (Vec<&str>, &str) {
        let mut segments: Vec<&str> = self.0.split('/').collect();
        let last = segments.pop().unwrap_or_default();
        (segments, last)
    }
}

/// As clients see it: with a slash in front.
impl fmt::Display for PayloadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.0)
    }
}

fn check_segment(segment: &str, shown: impl Fn() -> String) -> Result<(), NameError> {
    if matches!(segment, "" | "." | "..") {
        return Err(NameError::NotBeneath { name: shown() });
    }
    if segment.len() > SEGMENT_LIMIT_BYTES {
        return Err(NameError::SegmentTooLong { bytes: segment.len() });
    }
    if let Some(character) = segment.chars().find(|&character| is_refused(character)) {
        return Err(NameError::Character { name: shown(), character: character.escape_debug().to_string() });
    }
    if segment.ends_with(['.', ' ']) {
        return Err(NameError::TrailingDotOrSpace { name: shown() });
    }
    if is_device(segment) {
        return Err(NameError::Device { name: shown() });
    }
    Ok(())
}

/// Characters that end a name early, separate folders on some system, or reorder what a reader sees.
fn is_refused(character: char) -> bool {
    let is_direction =
        matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_wild = cfg!(windows) && matches!(character, '<' | '>' | ':' | '"' | '|' | '?' | '*');
    character.is_control() || character == '\\' || is_direction || is_wild
}

fn has_drive(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|letter| letter.is_ascii_alphabetic()) && characters.next() == Some(':')
}

/// Device names of Windows count with any extension, also with spaces before it.
fn is_device(segment: &str) -> bool {
    let stem = segment.split('.').next().unwrap_or_default().trim_end_matches(' ');
    let numbered = |prefix: &str| {
        stem.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
            && stem.get(3..).is_some_and(|end| {
                let mut digits = end.chars();
                let is_digit = |digit| matches!(digit, '0'..='9' | '¹' | '²' | '³');
                digits.next().is_some_and(is_digit) && digits.next().is_none()
            })
    };
    ["con", "prn", "aux", "nul", "conin$", "conout$"].iter().any(|device| stem.eq_ignore_ascii_case(device))
        || numbered("com")
        || numbered("lpt")
}

/// A segment that is accepted, as near as possible to what an operator wrote. `attempt` tells like ones apart.
pub(crate) fn safe_segment(written: &str, attempt: usize) -> String {
    let mut safe: String =
        written
            .chars()
            .map(|character| {
                if is_refused(character) || character == char::REPLACEMENT_CHARACTER {
                    '_'
                } else {
                    character
                }
            })
            .collect();
    let suffix = if attempt == 0 { String::new() } else { format!("~{attempt}") };
    while safe.len() + suffix.len() + 2 > SEGMENT_LIMIT_BYTES {
        safe.pop();
    }
    if safe.is_empty() || safe.ends_with(['.', ' ']) {
        safe.push('_');
    }
    if is_device(&safe) || has_drive(&safe) {
        safe.insert(0, '_');
    }
    safe.push_str(&suffix);
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_forms_that_clients_write_are_the_same_name() {
        for form in ["x/y.dcm", "/x/y.dcm", "./x/y.dcm", "//x/y.dcm", "/./x/y.dcm", ".//x/y.dcm"] {
            let name = PayloadName::parse(form).unwrap();
            assert_eq!((name.as_str(), name.to_string()), ("x/y.dcm", "/x/y.dcm".to_string()), "{form}");
        }
        assert_eq!(PayloadName::parse("a").unwrap().beneath("input").unwrap().as_str(), "input/a");
    }

    #[test]
    fn hostile_names_are_refused_with_the_reason() {
        let refused = |text: &str| PayloadName::parse(text).unwrap_err();
        for text in ["", "/", "./", "."] {
            assert_eq!(refused(text), NameError::Empty, "{text}");
        }
        for text in ["..", "../x", "/../x", "x/../y", "x/..", "x//y", "x/./y", "x/", "x/."] {
            assert!(matches!(refused(text), NameError::NotBeneath { .. }), "{text}");
        }
        for text in [
            "a\0b",
            "a\nb",
            "a\u{7f}",
            "a\\b",
            "\\\\server\\share",
            "C:\\x",
            "c:/x",
            "C:",
            "a\u{202e}gpj.exe",
        ] {
            assert!(matches!(refused(text), NameError::Character { .. }), "{text}");
        }
        for text in ["x.", "x ", "x./y", "x /y", "..."] {
            assert!(matches!(refused(text), NameError::TrailingDotOrSpace { .. }), "{text}");
        }
        for text in ["con", "CON.txt", "x/Nul", "com1", "LPT9.dcm", "aux .txt", "com¹", "a/prn/b", "CONOUT$"]
        {
            assert!(matches!(refused(text), NameError::Device { .. }), "{text}");
        }
        assert_eq!(refused(&"a".repeat(256)), NameError::SegmentTooLong { bytes: 256 });
        assert!(matches!(refused(&"abc/".repeat(300)), NameError::TooLong { .. }));
    }

    #[test]
    fn ordinary_names_are_accepted() {
        let long = format!("{}/{}", "a".repeat(255), "b".repeat(255));
        for text in
            ["a", ".hidden", "com", "com10", "console", "größe.dcm", "2020-01-01 10.00", "a~1", "...x", &long]
        {
            assert_eq!(PayloadName::parse(text).unwrap().as_str(), text);
        }
    }

    proptest! {
        #[test]
        fn whatever_an_operator_wrote_is_shown_by_an_accepted_name(written in "\\PC{0,300}|[a-z.: \\\\]{0,8}|(con|lpt1|c:)[. ]{0,3}", attempt in 0..30usize) {
            let safe = safe_segment(&written.replace('/', "_"), attempt);
            prop_assert!(PayloadName::parse(&safe).is_ok(), "{safe:?}");
        }

        #[test]
        fn no_text_panics_and_what_is_accepted_stays_the_same(text in "[a-zA-Z./\\\\: \u{0}-\u{20}é]{0,40}") {
            if let Ok(name) = PayloadName::parse(&text) {
                prop_assert_eq!(&PayloadName::parse(&name.to_string()).unwrap(), &name);
                prop_assert!(!name.as_str().split('/').any(|segment| matches!(segment, "" | "." | "..")));
            }
        }
    }
}
