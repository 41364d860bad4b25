//! The text header: `Key = value` lines that end with `ElementDataFile`.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::ImagingError;
use crate::formats::raw::{damaged, read_head, unsupported};

/// Where most headers end, and where the longest list of files may.
const USUAL_BYTES: u64 = 1 << 14;
const LONGEST_BYTES: u64 = 16 << 20;

/// Keys that begin a header of an image.
const FIRST_KEYS: &[&str] =
    &["ObjectType", "NDims", "Comment", "ObjectSubType", "TransformType", "ID", "Name"];

/// All fields of a header, in order; nothing is believed yet.
#[derive(Debug)]
pub(super) struct Header {
    path: PathBuf,
    fields: Vec<(String, String)>,
    /// First byte behind the header.
    end: u64,
    /// Text behind the header, for lists of files.
    tail: Vec<u8>,
}

/// Whether these bytes begin a MetaImage header: known keys, of which one tells the size of the image.
pub(super) fn is_header(head: &[u8]) -> bool {
    let mut lines = head.split(|&b| b == b'\n').map_while(field);
    let Some((first, value)) = lines.next() else { return false };
    let is_image = first != "ObjectType" || value == "Image";
    FIRST_KEYS.contains(&first.as_str()) && is_image && lines.any(|(key, _)| key == "DimSize")
}

impl Header {
    pub(super) fn read(path: &Path) -> Result<Self, ImagingError> {
        let parsed = Self::parse(path, &read_head(path, USUAL_BYTES)?, USUAL_BYTES);
        let header = match parsed {
            Some(header) => header,
            None => Self::parse(path, &read_head(path, LONGEST_BYTES)?, LONGEST_BYTES)
                .ok_or_else(|| damaged(path, "the MetaImage header has no `ElementDataFile`"))?,
        };
        if let Some(kind) = header.text("ObjectType").filter(|kind| *kind != "Image") {
            return Err(unsupported(path, format!("a MetaIO object of type `{kind}`")));
        }
        Ok(header)
    }

    /// Whether voxels are numbers written as text.
    pub(super) fn is_text(&self) -> bool {
        self.has("BinaryData") && !self.flag("BinaryData")
    }

    /// `None` if the header goes on behind these bytes.
    fn parse(path: &Path, bytes: &[u8], limit: u64) -> Option<Self> {
        let mut fields = Vec::new();
        let mut rest = bytes;
        loop {
            let is_whole_file = (bytes.len() as u64) < limit;
            let length = match rest.iter().position(|&b| b == b'\n') {
                Some(newline) => newline + 1,
                None if is_whole_file && !rest.is_empty() => rest.len(),
                None => return None,
            };
            let (line, after) = rest.split_at_checked(length)?;
            rest = after;
            let Some((key, value)) = field(line) else {
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                return None;
            };
            let is_last = key == "ElementDataFile";
            let is_list = is_last && value.to_ascii_lowercase().starts_with("list");
            fields.push((key, value));
            if is_last {
                if is_list && bytes.len() as u64 == limit && limit < LONGEST_BYTES {
                    return None;
                }
                let tail = if is_list { rest.to_vec() } else { Vec::new() };
                let end = (bytes.len() - rest.len()) as u64;
                return Some(Self { path: path.to_path_buf(), fields, end, tail });
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn end(&self) -> u64 {
        self.end
    }

    pub(super) fn following_lines(&self) -> impl Iterator<Item = String> + '_ {
        let lines = self.tail.split(|&b| b == b'\n');
        lines.map(|line| String::from_utf8_lossy(line).trim().to_owned()).filter(|line| !line.is_empty())
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.fields.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.text(key).is_some()
    }

    pub(super) fn flag(&self, key: &str) -> bool {
        self.text(key).is_some_and(|value| value.starts_with(['T', 't', '1']))
    }

    /// All numbers of a field that has to be there.
    pub(super) fn required<T: FromStr>(&self, key: &str) -> Result<Vec<T>, ImagingError> {
        let text = self.text(key).ok_or_else(|| damaged(&self.path, format!("`{key}` is missing")))?;
        text.split_whitespace().map(|word| word.parse().map_err(|_| self.bad(key))).collect()
    }

    /// The one number of a field that may be there.
    pub(super) fn number<T: FromStr>(&self, key: &str) -> Result<Option<T>, ImagingError> {
        if !self.has(key) {
            return Ok(None);
        }
        let mut numbers = self.required(key)?;
        if numbers.len() == 1 { Ok(numbers.pop()) } else { Err(self.bad(key)) }
    }

    /// Number of dimensions.
    pub(super) fn rank(&self) -> Result<usize, ImagingError> {
        let rank: usize = self.number("NDims")?.ok_or_else(|| damaged(&self.path, "`NDims` is missing"))?;
        match rank {
            2..=7 => Ok(rank),
            1 => Err(unsupported(&self.path, "MetaImage with one dimension")),
            _ => Err(self.bad("NDims")),
        }
    }

    /// The error for a field whose value makes no sense.
    pub(super) fn bad(&self, key: &str) -> ImagingError {
        let value: String = self.text(key).unwrap_or_default().chars().take(60).collect();
        damaged(&self.path, format!("`{key}` cannot be `{}`", value.escape_debug()))
    }
}

/// One line as key and value, or `None` if it is not of that form.
fn field(line: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(line).map_or_else(|_| String::from_utf8_lossy(line), Into::into);
    let (key, value) = text.split_once('=').or_else(|| text.split_once(':'))?;
    let key = key.trim();
    let is_key =
        !key.is_empty() && key.len() < 64 && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    is_key.then(|| (key.to_owned(), value.trim().to_owned()))
}
