//! Everything that a DICOM object says, as rows for people: to read, to search, to compare and to copy.
//!
//! [`read`] walks the whole object, file header included, and keeps a row for each element and each item of a
//! sequence, in the order of the file. Long values are shortened and binary ones told by their length and first
//! bytes, so that memory stays bounded; what is damaged ends the rows with a warning. Values hold patient data: they
//! are for the eyes of whoever asked, not for logs.

mod compare;
mod read;
mod search;
mod value;

use std::fmt::Write;
use std::ops::Range;

pub use compare::{Comparison, Difference, State, compare};
pub use read::{read, read_file};
pub use search::Search;

use super::bytes::Location;
use super::dictionary;
use super::tags;

/// Most bytes of a value whose text is kept.
const MAX_TEXT_BYTES: u64 = 16 << 10;
/// Most rows that are kept; the largest multi-frame objects have some hundred thousand.
const MAX_ROWS: usize = 1 << 20;
/// Most bytes of text that are kept of one object; beyond it values are shortened more.
const MAX_ALL_TEXT_BYTES: u64 = 128 << 20;

/// What an object says, row by row.
#[derive(Debug, Clone)]
pub struct Attributes {
    rows: Vec<Row>,
    transfer_syntax: String,
    warnings: Vec<String>,
    location: Location,
}

/// An element, or an item of a sequence.
#[derive(Debug, Clone)]
pub struct Row {
    /// Sequences and items around it.
    pub depth: usize,
    /// The row after everything that belongs to this one.
    pub end: usize,
    /// What the row is.
    pub kind: RowKind,
    /// Group in the upper, element in the lower 16 bits; of an item that of its sequence.
    pub tag: u32,
    /// Value representation, two letters; of an item `SQ`.
    pub vr: [u8; 2],
    /// The value as text, shortened where it is long; of a sequence how many items it has.
    pub text: Box<str>,
    /// How many values there are.
    pub multiplicity: usize,
    /// Length of the value in the file; of sequences and items 0.
    pub bytes: u64,
    /// Whether `text` leaves something out.
    pub is_shortened: bool,
    /// Who defined a private element.
    pub private_creator: Option<std::sync::Arc<str>>,
    /// Where the value lies, for comparing what `text` does not hold.
    place: u64,
    /// Of the whole value, where it was read.
    digest: Option<u64>,
}

/// What a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// An element with a value.
    Element,
    /// A sequence; its items follow.
    Sequence,
    /// An item of a sequence, counted from 1; its elements follow.
    Item(usize),
}

impl Attributes {
    /// All rows, in the order of the file; what belongs to a row follows it, one deeper.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// UID of the transfer syntax.
    pub fn transfer_syntax(&self) -> &str {
        &self.transfer_syntax
    }

    /// What could not be read, in words and without values.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The first row of an element outside of sequences.
    pub fn find(&self, tag: u32) -> Option<&Row> {
        self.rows.iter().find(|row| row.depth == 0 && row.tag == tag)
    }

    /// How many frames have functional groups of their own; 0 for classic objects.
    pub fn frame_count(&self) -> usize {
        self.per_frame().map_or(0, |at| self.children(at).count())
    }

    /// The functional groups of a frame (DICOM counts from 1): its item and the rows that belong to it.
    pub fn frame(&self, number: usize) -> Option<Range<usize>> {
        let at = self.per_frame()?;
        let item = self
            .children(at)
            .find(|&item| self.rows.get(item).is_some_and(|row| row.kind == RowKind::Item(number)))?;
        Some(item..self.rows.get(item)?.end)
    }

    /// The rows that concern one frame: all of them except the functional groups of other frames.
    pub fn rows_of_frame(&self, number: usize) -> Vec<usize> {
        let Some(at) = self.per_frame() else { return (0..self.rows.len()).collect() };
        let others = at + 1..self.rows.get(at).map_or(at + 1, |row| row.end);
        let own = self.frame(number).unwrap_or(0..0);
        (0..self.rows.len()).filter(|row| !others.contains(row) || own.contains(row)).collect()
    }

    fn per_frame(&self) -> Option<usize> {
        let is_per_frame =
            |row: &Row| row.depth == 0 && row.tag == tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE;
        self.rows.iter().position(is_per_frame)
    }

    /// The rows directly below a row.
    pub fn children(&self, row: usize) -> impl Iterator<Item = usize> + '_ {
        let end = self.rows.get(row).map_or(0, |row| row.end);
        self.siblings(row + 1, end)
    }

    /// Rows of one level from `first` up to `end`.
    fn siblings(&self, first: usize, end: usize) -> impl Iterator<Item = usize> + '_ {
        let next = move |&at: &usize| self.rows.get(at).map(|row| row.end.max(at + 1));
        std::iter::successors(Some(first), next).take_while(move |&at| at < end)
    }

    /// The rows around a row, outermost first, and the row itself.
    pub fn ancestors(&self, row: usize) -> Vec<usize> {
        let mut path = Vec::new();
        let (mut at, mut end) = (0, self.rows.len());
        while at < end {
            let Some(candidate) = self.rows.get(at) else { break };
            if row < candidate.end.max(at + 1) {
                path.push(at);
                if at == row {
                    break;
                }
                (at, end) = (at + 1, candidate.end);
            } else {
                at = candidate.end.max(at + 1);
            }
        }
        path
    }

    /// Where a row stands: `PerFrameFunctionalGroupsSequence[3].PlanePositionSequence[1].ImagePositionPatient`.
    pub fn path(&self, row: usize) -> String {
        let mut text = String::new();
        for row in self.ancestors(row).into_iter().filter_map(|at| self.rows.get(at)) {
            row.extend_path(&mut text);
        }
        text
    }

    /// [`Self::path`] of each row, in order.
    pub fn paths(&self) -> impl Iterator<Item = String> + '_ {
        let mut open: Vec<String> = Vec::new();
        self.rows.iter().map(move |row| {
            open.truncate(row.depth);
            let mut path = open.last().cloned().unwrap_or_default();
            row.extend_path(&mut path);
            open.push(path.clone());
            path
        })
    }

    /// A row and what belongs to it as lines, for the clipboard.
    pub fn copy(&self, row: usize) -> String {
        let Some(first) = self.rows.get(row) else { return String::new() };
        lines(self.rows.get(row..first.end).unwrap_or_default(), first.depth)
    }

    /// All rows as lines, for the clipboard.
    pub fn copy_all(&self) -> String {
        lines(&self.rows, 0)
    }
}

fn lines(rows: &[Row], outermost: usize) -> String {
    let mut text = String::new();
    for row in rows {
        let indent = row.depth.saturating_sub(outermost) * 2;
        let _ = writeln!(text, "{:indent$}{}", "", row.line());
    }
    text
}

impl Row {
    /// `(0010,0010)`; empty for an item.
    pub fn tag_text(&self) -> String {
        match self.kind {
            RowKind::Item(_) => String::new(),
            RowKind::Element | RowKind::Sequence => tag_text(self.tag),
        }
    }

    /// The keyword of the standard (`PatientName`); `None` for private and unknown elements and for items.
    pub fn keyword(&self) -> Option<&'static str> {
        match self.kind {
            RowKind::Item(_) => None,
            RowKind::Element | RowKind::Sequence => dictionary::keyword(self.tag),
        }
    }

    /// The name in words, after the keyword: `Patient Name`, `Item 3`, `Private (ACME 1.0)`, `Unknown`.
    pub fn name(&self) -> String {
        match (self.kind, self.keyword(), &self.private_creator) {
            (RowKind::Item(number), ..) => format!("Item {number}"),
            (_, Some(keyword), _) => spaced(keyword),
            (_, None, Some(creator)) => format!("Private ({creator})"),
            (_, None, None) if dictionary::is_private(self.tag) => "Private".to_owned(),
            (_, None, None) => "Unknown".to_owned(),
        }
    }

    /// The value representation as letters.
    pub fn vr_text(&self) -> &str {
        std::str::from_utf8(&self.vr).unwrap_or("UN")
    }

    /// At most `letters` letters of the value in one line, with an ellipsis where something is left out. Control
    /// characters are shown, not obeyed.
    pub fn short_text(&self, letters: usize) -> String {
        let mut text = String::new();
        let mut rest = self.text.chars();
        for letter in rest.by_ref().take(letters) {
            push_printable(&mut text, letter);
        }
        if rest.next().is_some() || self.is_shortened {
            text.push('…');
        }
        text
    }

    /// The row as one line: tag, VR, keyword or name, value.
    pub fn line(&self) -> String {
        self.line_with(usize::MAX)
    }

    /// As [`Self::line`], with at most so many letters of the value.
    pub fn line_with(&self, letters: usize) -> String {
        let value = self.short_text(letters);
        match self.kind {
            RowKind::Item(number) => format!("item {number}"),
            RowKind::Sequence => format!("{} SQ {} ({value})", self.tag_text(), self.label()),
            RowKind::Element => {
                format!("{} {} {} = {value}", self.tag_text(), self.vr_text(), self.label())
            }
        }
    }

    fn extend_path(&self, path: &mut String) {
        match self.kind {
            RowKind::Item(number) => {
                let _ = write!(path, "[{number}]");
            }
            RowKind::Element | RowKind::Sequence => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(&self.label());
            }
        }
    }

    /// The keyword, or the tag of an element that has none, with its creator.
    pub fn label(&self) -> String {
        let mut label = String::new();
        match (self.keyword(), &self.private_creator) {
            (Some(keyword), _) => label.push_str(keyword),
            (None, Some(creator)) => {
                let _ = write!(label, "{}{{", self.tag_text());
                creator.chars().for_each(|letter| push_printable(&mut label, letter));
                label.push('}');
            }
            (None, None) => label.push_str(&self.tag_text()),
        }
        label
    }
}

/// `(0010,0010)`.
pub fn tag_text(tag: u32) -> String {
    format!("({:04X},{:04X})", tag >> 16, tag & 0xFFFF)
}

fn push_printable(text: &mut String, letter: char) {
    if letter.is_control() {
        text.extend(letter.escape_default());
    } else {
        text.push(letter);
    }
}

/// `PatientName` → `Patient Name`, `SOPInstanceUID` → `SOP Instance UID`.
fn spaced(keyword: &str) -> String {
    let letters: Vec<char> = keyword.chars().collect();
    let mut name = String::with_capacity(keyword.len() + 8);
    for (at, &letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| letters.get(before));
        let after = letters.get(at + 1);
        let starts_word = letter.is_ascii_uppercase()
            && before.is_some_and(|&before| {
                !before.is_ascii_uppercase() || after.is_some_and(|after| after.is_ascii_lowercase())
            });
        if starts_word {
            name.push(' ');
        }
        name.push(letter);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::spaced;

    #[test]
    fn keywords_become_names_with_spaces() {
        let check = |keyword: &str, name: &str| assert_eq!(spaced(keyword), name);
        check("PatientName", "Patient Name");
        check("SOPInstanceUID", "SOP Instance UID");
        check("KVP", "KVP");
        check("B1rms", "B1rms");
        check("XRayTubeCurrent", "X Ray Tube Current");
    }
}
