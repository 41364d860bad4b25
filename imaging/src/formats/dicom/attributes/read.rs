//! From a file to rows.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use super::super::bytes::{Bytes, Location};
use super::super::dataset::{self, DEFLATED, Syntax, WalkError};
use super::super::dictionary;
use super::super::elements::{Found, Visit, walk};
use super::super::tags;
use super::super::text::Charset;
use super::{Attributes, MAX_ALL_TEXT_BYTES, MAX_ROWS, MAX_TEXT_BYTES, Row, RowKind, value};
use crate::ImagingError;
use crate::formats::SourceFile;

/// Values up to this length are read whole; longer ones only when they are compared.
pub(super) const MAX_DIGESTED_BYTES: u64 = 1 << 20;

/// Reads everything that an object says, up to the limits of this module. Blocks on disk; call from a worker.
///
/// # Errors
/// [`ImagingError::NotAnImage`] if it is no DICOM object; [`ImagingError::Io`]. Damage after the first element is a
/// warning of the result.
pub fn read(file: &SourceFile) -> Result<Attributes, ImagingError> {
    read_location(file.location())
}

/// As [`read`], for a file of its own.
///
/// # Errors
/// As [`read`].
pub fn read_file(path: &Path) -> Result<Attributes, ImagingError> {
    read_location(Location::File(path.to_path_buf()))
}

fn read_location(location: Location) -> Result<Attributes, ImagingError> {
    let path = location.path().to_path_buf();
    let mut bytes = location.open().map_err(|source| ImagingError::io(&path, source))?;
    let mut rows = Rows::new();
    let result = read_rows(&mut bytes, &mut rows);
    let mut warnings = Vec::new();
    let transfer_syntax = match result {
        Ok(transfer_syntax) => transfer_syntax,
        Err(WalkError::NotDicom) => {
            return Err(ImagingError::NotAnImage { path, reason: "not DICOM".to_owned() });
        }
        Err(error) if rows.rows.is_empty() => {
            return Err(match error {
                WalkError::Io(source) => ImagingError::io(path, source),
                WalkError::Damaged(reason) => ImagingError::Damaged { path, reason: reason.to_owned() },
                WalkError::NotDicom => ImagingError::NotAnImage { path, reason: "not DICOM".to_owned() },
            });
        }
        Err(error) => {
            warnings.push(match error {
                WalkError::Io(source) => format!("the rest cannot be read: {source}"),
                WalkError::Damaged(reason) => format!("the rest is not shown: the file {reason}"),
                WalkError::NotDicom => "the rest is not shown: it is not DICOM".to_owned(),
            });
            rows.transfer_syntax.clone()
        }
    };
    rows.close();
    if rows.is_full {
        warnings.push(format!("only the first {MAX_ROWS} rows are shown"));
    }
    Ok(Attributes { rows: rows.rows, transfer_syntax, warnings, location })
}

fn read_rows(bytes: &mut Bytes, rows: &mut Rows) -> Result<String, WalkError> {
    let mut opening = dataset::opening(bytes)?;
    rows.transfer_syntax.clone_from(&opening.transfer_syntax);
    let meta = Syntax { is_explicit: true, is_big_endian: false };
    walk(bytes, (opening.meta_start, opening.start), meta, rows)?;
    if opening.transfer_syntax == DEFLATED {
        let packed = std::mem::replace(bytes, Bytes::in_memory(Vec::new()));
        *bytes = packed.inflating(opening.start)?;
        opening.start = 0;
    }
    let syntax = opening.settle(bytes)?;
    rows.transfer_syntax.clone_from(&opening.transfer_syntax);
    let end = bytes.len();
    walk(bytes, (opening.start, end), syntax, rows)?;
    Ok(opening.transfer_syntax)
}

/// Grows rows from what the walk tells.
struct Rows {
    rows: Vec<Row>,
    transfer_syntax: String,
    /// Open sequences and items, by row.
    open: Vec<usize>,
    /// One for the data set and one for each open item.
    levels: Vec<Level>,
    text_bytes: u64,
    is_full: bool,
}

/// What an item may say for itself, and otherwise inherits.
struct Level {
    charset: Charset,
    creators: BTreeMap<u32, Arc<str>>,
}

impl Rows {
    fn new() -> Self {
        let charset = Charset::of_names("");
        let levels = vec![Level { charset, creators: BTreeMap::new() }];
        Self {
            rows: Vec::new(),
            transfer_syntax: String::new(),
            open: Vec::new(),
            levels,
            text_bytes: 0,
            is_full: false,
        }
    }

    /// Rows that were open when the walk ended belong together as far as they go.
    fn close(&mut self) {
        while !self.open.is_empty() {
            self.leave();
        }
    }

    fn leave(&mut self) {
        let end = self.rows.len();
        if let Some(row) = self.open.pop().and_then(|at| self.rows.get_mut(at)) {
            row.end = end;
        }
    }

    fn push(&mut self, row: Row) {
        if self.rows.len() < MAX_ROWS {
            self.rows.push(row);
        } else {
            self.is_full = true;
        }
    }

    fn row(&self, tag: u32, vr: [u8; 2], kind: RowKind) -> Row {
        Row {
            depth: self.open.len(),
            end: self.rows.len() + 1,
            kind,
            tag,
            vr,
            text: Box::default(),
            multiplicity: 0,
            bytes: 0,
            is_shortened: false,
            private_creator: self.creator(tag),
            place: 0,
            digest: None,
        }
    }

    fn creator(&self, tag: u32) -> Option<Arc<str>> {
        self.levels.last()?.creators.get(&dictionary::creator_tag(tag)?).cloned()
    }

    /// Bytes of text that may still be kept of one value.
    fn text_limit(&self) -> u64 {
        if self.text_bytes < MAX_ALL_TEXT_BYTES { MAX_TEXT_BYTES } else { 64 }
    }
}

impl Visit for Rows {
    type Error = WalkError;

    fn element(&mut self, bytes: &mut Bytes, found: &Found) -> Result<(), WalkError> {
        if self.is_full {
            return Ok(());
        }
        let len = found.len();
        let read = if len <= MAX_DIGESTED_BYTES { len } else { MAX_TEXT_BYTES };
        let Some(head) = bytes.at(found.value_at, read as usize)? else {
            return Err(WalkError::Damaged("ends in the middle of an element"));
        };
        let digest = (read == len).then(|| digest(head));
        let kept = head.get(..head.len().min(self.text_limit() as usize)).unwrap_or_default();
        let Some(level) = self.levels.last_mut() else { return Ok(()) };
        if found.tag == tags::SPECIFIC_CHARACTER_SET {
            level.charset = Charset::of_names(&String::from_utf8_lossy(kept));
        }
        let value = value::text(found.vr, kept, len, found.syntax, &level.charset);
        if dictionary::is_private_creator(found.tag) {
            level.creators.insert(found.tag, Arc::from(value.text.as_str()));
        }
        self.text_bytes += value.text.len() as u64;
        let row = self.row(found.tag, found.vr, RowKind::Element);
        self.push(Row {
            text: value.text.into(),
            multiplicity: value.multiplicity,
            bytes: len,
            is_shortened: value.is_shortened,
            place: found.value_at,
            digest,
            ..row
        });
        Ok(())
    }

    fn fragments(&mut self, _: &mut Bytes, found: &Found, count: usize) -> Result<(), WalkError> {
        let row = self.row(found.tag, found.vr, RowKind::Element);
        self.push(Row {
            text: format!("{} bytes in {count} fragments", found.len()).into(),
            multiplicity: 1,
            bytes: found.len(),
            is_shortened: true,
            place: found.value_at,
            ..row
        });
        Ok(())
    }

    fn sequence(&mut self, found: &Found, _: Syntax) -> Result<bool, WalkError> {
        let row = self.row(found.tag, *b"SQ", RowKind::Sequence);
        self.push(row);
        if self.is_full {
            return Ok(false);
        }
        self.open.push(self.rows.len() - 1);
        Ok(true)
    }

    fn item(&mut self, number: usize) -> Result<(), WalkError> {
        let sequence = self.open.last().and_then(|&at| self.rows.get_mut(at));
        let tag = sequence.map_or(0, |row| {
            row.multiplicity = number;
            row.tag
        });
        let row = self.row(tag, *b"SQ", RowKind::Item(number));
        self.push(Row { private_creator: None, ..row });
        self.open.push(self.rows.len().saturating_sub(1));
        let charset = self.levels.last().map_or_else(|| Charset::of_names(""), |level| level.charset.clone());
        self.levels.push(Level { charset, creators: BTreeMap::new() });
        Ok(())
    }

    fn item_end(&mut self) -> Result<(), WalkError> {
        self.levels.pop();
        self.leave();
        Ok(())
    }

    fn sequence_end(&mut self) -> Result<(), WalkError> {
        if let Some(row) = self.open.last().and_then(|&at| self.rows.get_mut(at)) {
            let unit = if row.multiplicity == 1 { "item" } else { "items" };
            row.text = format!("{} {unit}", row.multiplicity).into();
        }
        self.leave();
        Ok(())
    }
}

/// Of bytes of a value; the same within one process.
pub(super) fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = hasher();
    hasher.write(bytes);
    hasher.finish()
}

fn hasher() -> impl Hasher {
    // With a key of its own for each process, so that nobody can prepare two values that look the same.
    static KEY: OnceLock<std::hash::RandomState> = OnceLock::new();
    KEY.get_or_init(std::hash::RandomState::new).build_hasher()
}

impl Attributes {
    /// As [`digest`], of a value that was too long to be read at once.
    pub(super) fn digest_of(&self, row: &Row) -> io::Result<u64> {
        if let Some(digest) = row.digest {
            return Ok(digest);
        }
        let mut bytes = self.location.open()?;
        let opening = dataset::opening(&mut bytes).map_err(|_| io::ErrorKind::InvalidData)?;
        if opening.transfer_syntax == DEFLATED {
            bytes = bytes.inflated(opening.start, row.place, row.bytes)?;
        }
        let mut hasher = hasher();
        let mut buffer = vec![0; 1 << 18];
        let (mut at, end) = (row.place, row.place + row.bytes);
        while at < end {
            let count = (end - at).min(buffer.len() as u64) as usize;
            let piece = buffer.get_mut(..count).unwrap_or_default();
            bytes.read_into(at, piece)?;
            hasher.write(piece);
            at += count as u64;
        }
        Ok(hasher.finish())
    }
}
