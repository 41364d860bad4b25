//! Names of files in a payload: relative paths that are safe and mean the same on every system.
//!
//! [`PayloadPath::to_create`] is for names that somebody wants to write, [`PayloadPath::to_find`] for those of files
//! that are there: an operator may have written names that no client may. Neither ever leaves the payload.

use std::fmt;

use crate::letter_case::fold;

/// Longest name between two slashes, in bytes.
pub const MAX_SEGMENT_BYTES: usize = 255;
/// Longest path, in bytes.
pub const MAX_PATH_BYTES: usize = 1024;

/// A name that is refused. The name itself is left out: it may describe a patient.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum PayloadPathError {
    #[error("the file has no name")]
    Empty,
    #[error("the file's name has {bytes} bytes, more than {max}")]
    LongPath { bytes: usize, max: usize },
    #[error("part {number} of the file's name has {bytes} bytes, more than {max}")]
    LongSegment { number: usize, bytes: usize, max: usize },
    #[error("part {number} of the file's name is empty")]
    EmptySegment { number: usize },
    #[error("part {number} of the file's name is `{dots}`")]
    Dots { number: usize, dots: &'static str },
    #[error("part {number} of the file's name holds {what}")]
    Character { number: usize, what: &'static str },
    #[error("part {number} of the file's name ends in a dot or a space")]
    TrailingDotOrSpace { number: usize },
    #[error("part {number} of the file's name is reserved for the device `{device}`")]
    Device { number: usize, device: String },
}

/// The place of a file in its payload: parts between slashes, none of them empty, `.` or `..`.
///
/// Letter case is kept; [`PayloadPath::key`] compares without it. Shown with a leading slash, as clients expect it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PayloadPath(String);

impl PayloadPath {
    /// A name under which a file may be written. Leading `/` and `./` are ignored.
    ///
    /// # Errors
    /// [`PayloadPathError`] for names that leave the payload, that another system could not hold or would read
    /// differently (backslashes, colons, device names, trailing dots), and for control characters.
    pub fn to_create(name: &str) -> Result<Self, PayloadPathError> {
        let path = Self::to_find(name)?;
        for (segment, number) in path.segments().zip(1..) {
            check_portable(segment, number)?;
        }
        Ok(path)
    }

    /// A name under which a file may be there already. Leading `/` and `./` are ignored.
    ///
    /// # Errors
    /// [`PayloadPathError`] for names that no file of a payload can have.
    pub fn to_find(name: &str) -> Result<Self, PayloadPathError> {
        let name = without_prefixes(name);
        if name.is_empty() {
            return Err(PayloadPathError::Empty);
        }
        if name.len() > MAX_PATH_BYTES {
            return Err(PayloadPathError::LongPath { bytes: name.len(), max: MAX_PATH_BYTES });
        }
        for (segment, number) in name.split('/').zip(1..) {
            check_safe(segment, number)?;
        }
        Ok(Self(name.to_owned()))
    }

    /// The same file seen from outside `folder`, for example `input`.
    ///
    /// # Errors
    /// [`PayloadPathError`] as for [`PayloadPath::to_find`], above all when the whole is too long.
    pub fn within(&self, folder: &str) -> Result<Self, PayloadPathError> {
        Self::to_find(&format!("{folder}/{}", self.0))
    }

    /// The path without a leading slash.
    pub fn as_relative(&self) -> &str {
        &self.0
    }

    /// Parts between the slashes, at least one.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The folders, then the last part.
    pub fn split(&self) -> (Vec<&str>, &str) {
        let mut segments: Vec<&str> = self.segments().collect();
        let last = segments.pop().unwrap_or_default();
        (segments, last)
    }

    /// The last part.
    pub fn file_name(&self) -> &str {
        self.segments().last().unwrap_or_default()
    }

    /// What two paths share that differ in letter case only.
    pub fn key(&self) -> String {
        fold(&self.0)
    }
}

impl fmt::Display for PayloadPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.0)
    }
}

fn without_prefixes(mut name: &str) -> &str {
    while let Some(rest) = name.strip_prefix("./").or_else(|| name.strip_prefix('/')) {
        name = rest;
    }
    name
}

fn check_safe(segment: &str, number: usize) -> Result<(), PayloadPathError> {
    match segment {
        "" => return Err(PayloadPathError::EmptySegment { number }),
        "." => return Err(PayloadPathError::Dots { number, dots: "." }),
        ".." => return Err(PayloadPathError::Dots { number, dots: ".." }),
        _ => {}
    }
    if segment.len() > MAX_SEGMENT_BYTES {
        let bytes = segment.len();
        return Err(PayloadPathError::LongSegment { number, bytes, max: MAX_SEGMENT_BYTES });
    }
    if segment.contains('\0') {
        return Err(PayloadPathError::Character { number, what: "a NUL character" });
    }
    // These separate folders, drives and streams there, so that a harmless name would leave the payload.
    if cfg!(windows) && segment.contains(['\\', ':']) {
        return Err(PayloadPathError::Character { number, what: "a backslash or colon" });
    }
    Ok(())
}

fn check_portable(segment: &str, number: usize) -> Result<(), PayloadPathError> {
    let refused = |what| Err(PayloadPathError::Character { number, what });
    if segment.chars().any(char::is_control) {
        return refused("a control character");
    }
    if segment.contains('\\') {
        return refused("a backslash; folders are separated by `/`");
    }
    if segment.contains(':') {
        return refused("a colon");
    }
    if segment.contains(is_direction) {
        return refused("a character that turns the direction of writing");
    }
    if segment.ends_with(['.', ' ']) {
        return Err(PayloadPathError::TrailingDotOrSpace { number });
    }
    if let Some(device) = device_name(segment) {
        return Err(PayloadPathError::Device { number, device });
    }
    Ok(())
}

/// Characters that reorder what a reader sees: `a<RLO>gpj.exe` looks like a picture.
fn is_direction(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The Windows device that a name means, with or without an extension.
fn device_name(segment: &str) -> Option<String> {
    let stem = segment.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let is_device = match stem.as_str() {
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" => true,
        _ => {
            let number = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT")).unwrap_or_default();
            let mut letters = number.chars();
            matches!((letters.next(), letters.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
        }
    };
    is_device.then_some(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(name: &str) -> Result<String, PayloadPathError> {
        PayloadPath::to_create(name).map(|path| path.to_string())
    }

    #[test]
    fn leading_slashes_and_dots_are_ignored() {
        for name in ["x/Y.dcm", "/x/Y.dcm", "./x/Y.dcm", "//x/Y.dcm", "/./x/Y.dcm", ".//x/Y.dcm"] {
            assert_eq!(create(name).as_deref(), Ok("/x/Y.dcm"), "{name}");
        }
        assert_eq!(create(".hidden").as_deref(), Ok("/.hidden"));
        assert_eq!(create("...a").as_deref(), Ok("/...a"));
    }

    #[test]
    fn names_that_leave_the_payload_are_refused() {
        for name in
            ["", "/", "./", "..", "../x", "/../x", "./../x", "a/../b", "a/..", "a//b", "a/", "a/./b", "."]
        {
            assert!(PayloadPath::to_find(name).is_err(), "{name}");
            assert!(create(name).is_err(), "{name}");
        }
        assert!(PayloadPath::to_find("a\0b").is_err());
    }

    #[test]
    fn names_that_other_systems_read_differently_are_refused() {
        for name in [
            r"a\b",
            r"..\x",
            r"\\server\share",
            "C:",
            "C:/x",
            "a:stream",
            "a.",
            "a ",
            "a./b",
            "x/ ",
            "con",
            "NUL.txt",
            "nul .txt",
            "x/Com1",
            "LPT¹.dcm",
            "CONIN$",
            "a\nb",
            "a\u{7f}",
            "a\u{85}",
            "a\u{202e}gpj.exe",
        ] {
            assert!(create(name).is_err(), "{name}");
        }
        for name in ["console", "com", "com10", "lptx", "nul1", "a.con", "COM¼"] {
            assert!(create(name).is_ok(), "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_an_operator_wrote_can_be_found() {
        for name in ["12:30.log", "con", r"a\b", "a.", "a\nb"] {
            assert_eq!(PayloadPath::to_find(name).unwrap().as_relative(), name);
        }
    }

    #[test]
    fn lengths_count_bytes() {
        let segment = "é".repeat(127);
        assert!(create(&format!("{segment}e")).is_ok());
        let too_long = PayloadPathError::LongSegment { number: 2, bytes: 256, max: 255 };
        assert_eq!(create(&format!("a/{segment}ee")), Err(too_long));
        let longest = "ab/".repeat(341) + "c";
        assert_eq!(longest.len(), MAX_PATH_BYTES);
        assert!(create(&longest).is_ok());
        assert!(create(&format!("{longest}c")).is_err());
        assert!(create(&format!("///{longest}")).is_ok());
    }

    #[test]
    fn the_key_leaves_out_letter_case_and_a_folder_can_go_in_front() {
        let path = PayloadPath::to_create("Ä/b.DCM").unwrap();
        assert_eq!(path.key(), PayloadPath::to_create("/ä/B.dcm").unwrap().key());
        let within = path.within("input").unwrap();
        assert_eq!((within.to_string().as_str(), within.file_name()), ("/input/Ä/b.DCM", "b.DCM"));
        assert!(path.within("..").is_err());
    }
}
