//! The text header: `field: value` lines up to a blank line.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use glam::DVec3;

use crate::ImagingError;
use crate::formats::raw::{damaged, read_head};

/// Where most headers end, and where the longest list of files may.
const USUAL_BYTES: u64 = 1 << 14;
const LONGEST_BYTES: u64 = 16 << 20;

/// All fields of a header; nothing is believed yet.
#[derive(Debug)]
pub(super) struct Header {
    path: PathBuf,
    fields: Vec<(String, String)>,
    /// First byte behind the blank line that ends the header.
    end: u64,
    /// Names behind `data file: LIST`.
    listed: Vec<String>,
}

/// Whether these bytes begin an NRRD header.
pub(super) fn is_header(head: &[u8]) -> bool {
    head.strip_prefix(b"NRRD000").is_some_and(|rest| rest.first().is_some_and(u8::is_ascii_digit))
}

impl Header {
    pub(super) fn read(path: &Path) -> Result<Self, ImagingError> {
        let head = read_head(path, USUAL_BYTES)?;
        if !is_header(&head) {
            return Err(damaged(path, "no NRRD header"));
        }
        if let Some(header) = Self::parse(path, &head, (head.len() as u64) < USUAL_BYTES) {
            return header;
        }
        Self::parse(path, &read_head(path, LONGEST_BYTES)?, true)
            .unwrap_or_else(|| Err(damaged(path, "the NRRD header does not end")))
    }

    /// `None` if the header goes on behind these bytes.
    fn parse(path: &Path, bytes: &[u8], is_whole_file: bool) -> Option<Result<Self, ImagingError>> {
        let mut header = Self { path: path.to_path_buf(), fields: Vec::new(), end: 0, listed: Vec::new() };
        let mut rest = bytes;
        let mut is_first = true;
        let mut is_list = false;
        loop {
            let (line, after) = match rest.iter().position(|&b| b == b'\n') {
                Some(newline) => rest.split_at_checked(newline + 1)?,
                // A detached header may just stop.
                None if is_whole_file => (rest, Default::default()),
                None => return None,
            };
            let is_last = line.last() != Some(&b'\n');
            rest = after;
            let line = String::from_utf8_lossy(line);
            let line = line.trim_end_matches(['\n', '\r']);
            if is_list {
                if !line.trim().is_empty() {
                    header.listed.push(line.trim().to_owned());
                }
            } else if line.is_empty() {
                break;
            } else if !is_first && !line.starts_with('#') && !line.contains(":=") {
                let Some((key, value)) = line.split_once(": ").or_else(|| line.split_once(':')) else {
                    let text: String = line.chars().take(40).collect();
                    return Some(Err(damaged(path, format!("`{}` is no NRRD field", text.escape_debug()))));
                };
                let key = key.trim().to_ascii_lowercase();
                is_list = key.replace(' ', "") == "datafile" && value.trim().starts_with("LIST");
                header.fields.push((key, value.trim().to_owned()));
            }
            is_first = false;
            if is_last {
                break;
            }
        }
        header.end = (bytes.len() - rest.len()) as u64;
        Some(Ok(header))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn end(&self) -> u64 {
        self.end
    }

    pub(super) fn listed(&self) -> &[String] {
        &self.listed
    }

    /// Value of a field; spaces within its name do not matter.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        let squeeze = |name: &str| name.replace(' ', "");
        let wanted = squeeze(key);
        self.fields.iter().find(|(k, _)| squeeze(k) == wanted).map(|(_, value)| value.as_str())
    }

    pub(super) fn required(&self, key: &str) -> Result<&str, ImagingError> {
        self.text(key).ok_or_else(|| damaged(&self.path, format!("`{key}` is missing")))
    }

    /// Words of a per-axis field, as many as there are axes.
    pub(super) fn per_axis(&self, key: &str, rank: usize) -> Result<Option<Vec<&str>>, ImagingError> {
        let Some(text) = self.text(key) else { return Ok(None) };
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.len() == rank { Ok(Some(words)) } else { Err(self.bad(key)) }
    }

    /// Numbers of a per-axis field; NaN where the file does not know.
    pub(super) fn numbers(&self, key: &str, rank: usize) -> Result<Option<Vec<f64>>, ImagingError> {
        let Some(words) = self.per_axis(key, rank)? else { return Ok(None) };
        let number = |word: &&str| word.parse().map_err(|_| self.bad(key));
        words.iter().map(number).collect::<Result<_, _>>().map(Some)
    }

    pub(super) fn number<T: FromStr>(&self, key: &str) -> Result<Option<T>, ImagingError> {
        self.text(key).map(|text| text.parse().map_err(|_| self.bad(key))).transpose()
    }

    /// Vectors such as `(1,0,0) none (0,1,0)`; of each the first three components count.
    pub(super) fn vectors(&self, key: &str) -> Result<Option<Vec<Option<DVec3>>>, ImagingError> {
        let Some(text) = self.text(key) else { return Ok(None) };
        let mut vectors = Vec::new();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix("none") {
                vectors.push(None);
                rest = after.trim_start();
                continue;
            }
            let (inside, after) =
                rest.strip_prefix('(').and_then(|r| r.split_once(')')).ok_or_else(|| self.bad(key))?;
            let mut vector = [0.0; 3];
            let mut count = 0;
            for (i, word) in inside.split(',').enumerate() {
                let number: f64 = word.trim().parse().map_err(|_| self.bad(key))?;
                count = i + 1;
                if let Some(target) = vector.get_mut(i) {
                    *target = number;
                }
            }
            if count < 2 {
                return Err(self.bad(key));
            }
            // Axes without a place are also written as vectors of NaN.
            let has_place = !vector.iter().take(count).all(|n| n.is_nan());
            if has_place && vector.iter().any(|n| n.is_nan()) {
                return Err(self.bad(key));
            }
            vectors.push(has_place.then_some(DVec3::from_array(vector)));
            rest = after.trim_start();
        }
        Ok(Some(vectors))
    }

    /// Components of the first vector of a field.
    pub(super) fn components(&self, key: &str) -> Option<usize> {
        let (_, rest) = self.text(key)?.split_once('(')?;
        Some(rest.split_once(')')?.0.split(',').count())
    }

    /// The error for a field whose value makes no sense.
    pub(super) fn bad(&self, key: &str) -> ImagingError {
        let value: String = self.text(key).unwrap_or_default().chars().take(60).collect();
        damaged(&self.path, format!("`{key}` cannot be `{}`", value.escape_debug()))
    }
}
