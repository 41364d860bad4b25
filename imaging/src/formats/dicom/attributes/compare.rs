//! Two objects side by side.

use std::cmp::Ordering;
use std::io;

use super::{Attributes, Row, RowKind};
use crate::ImagingError;

/// How a row of one object stands to its counterpart in the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Both have it with the same value.
    Same,
    /// Both have it, with different values, numbers of items, or differences below.
    Changed,
    /// Only the left object has it.
    OnlyLeft,
    /// Only the right object has it.
    OnlyRight,
}

/// One line of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// What it is.
    pub state: State,
    /// Row of the left object.
    pub left: Option<usize>,
    /// Row of the right object.
    pub right: Option<usize>,
    /// Sequences and items around it.
    pub depth: usize,
}

/// All rows of two objects, matched.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// In the order of tags, below each other as in the objects.
    pub differences: Vec<Difference>,
}

impl Comparison {
    /// How many rows are in a state.
    pub fn count(&self, state: State) -> usize {
        self.differences.iter().filter(|difference| difference.state == state).count()
    }
}

/// Matches the rows of two objects: elements by tag (private ones by creator), items by number.
///
/// Text counts as read, so that padding, byte order and explicit or implicit encoding make no difference; long and
/// binary values count byte by byte. Blocks on disk where values are long.
///
/// # Errors
/// [`ImagingError::Io`] if a long value cannot be read again.
pub fn compare(left: &Attributes, right: &Attributes) -> Result<Comparison, ImagingError> {
    let mut merge = Merge { left, right, differences: Vec::new() };
    merge.level((0, left.rows.len()), (0, right.rows.len()), 0)?;
    Ok(Comparison { differences: merge.differences })
}

struct Merge<'a> {
    left: &'a Attributes,
    right: &'a Attributes,
    differences: Vec<Difference>,
}

/// What makes two rows of one level counterparts.
fn key(row: &Row) -> (usize, u32, u32, &str) {
    let item = match row.kind {
        RowKind::Item(number) => number,
        RowKind::Element | RowKind::Sequence => 0,
    };
    match row.private_creator.as_deref() {
        // The block that a creator gets may differ from file to file.
        Some(creator) => (item, row.tag >> 16, 0x1_0000 | (row.tag & 0xFF), creator),
        None => (item, row.tag >> 16, row.tag & 0xFFFF, ""),
    }
}

impl Merge<'_> {
    /// Matches rows `left.0 .. left.1` with `right.0 .. right.1`; tells whether all are the same.
    fn level(
        &mut self,
        left: (usize, usize),
        right: (usize, usize),
        depth: usize,
    ) -> Result<bool, ImagingError> {
        let lefts = sorted(self.left, left);
        let rights = sorted(self.right, right);
        let (mut l, mut r) = (lefts.iter().peekable(), rights.iter().peekable());
        let mut is_same = true;
        loop {
            let order = match (l.peek(), r.peek()) {
                (None, None) => return Ok(is_same),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(&&a), Some(&&b)) => match (self.left.rows.get(a), self.right.rows.get(b)) {
                    (Some(a), Some(b)) => key(a).cmp(&key(b)),
                    _ => return Ok(is_same),
                },
            };
            let (a, b) = match order {
                Ordering::Less => (l.next().copied(), None),
                Ordering::Greater => (None, r.next().copied()),
                Ordering::Equal => (l.next().copied(), r.next().copied()),
            };
            is_same &= self.pair(a, b, depth)?;
        }
    }

    /// A row with its counterpart, and everything below.
    fn pair(
        &mut self,
        left: Option<usize>,
        right: Option<usize>,
        depth: usize,
    ) -> Result<bool, ImagingError> {
        let at = self.differences.len();
        let state = match (left, right) {
            (Some(_), None) => State::OnlyLeft,
            (None, _) => State::OnlyRight,
            (Some(_), Some(_)) => State::Same,
        };
        self.differences.push(Difference { state, left, right, depth });
        let below = |attributes: &Attributes, row: Option<usize>| {
            let row = row.and_then(|at| Some((at + 1, attributes.rows.get(at)?.end)));
            row.unwrap_or((0, 0))
        };
        let (lefts, rights) = (below(self.left, left), below(self.right, right));
        let mut is_same = self.level(lefts, rights, depth + 1)?;
        if let (Some(a), Some(b)) = (left, right) {
            is_same &= self.is_same_value(a, b)?;
            if let (false, Some(difference)) = (is_same, self.differences.get_mut(at)) {
                difference.state = State::Changed;
            }
            return Ok(is_same);
        }
        Ok(false)
    }

    fn is_same_value(&self, left: usize, right: usize) -> Result<bool, ImagingError> {
        let (Some(a), Some(b)) = (self.left.rows.get(left), self.right.rows.get(right)) else {
            return Ok(false);
        };
        if a.kind != RowKind::Element || b.kind != RowKind::Element {
            return Ok(a.kind == b.kind);
        }
        if !a.is_shortened && !b.is_shortened {
            return Ok(a.text == b.text);
        }
        if a.bytes != b.bytes {
            return Ok(false);
        }
        if let (Some(a), Some(b)) = (a.digest, b.digest) {
            return Ok(a == b);
        }
        let failed =
            |attributes: &Attributes, source: io::Error| ImagingError::io(attributes.location.path(), source);
        let a = self.left.digest_of(a).map_err(|error| failed(self.left, error))?;
        let b = self.right.digest_of(b).map_err(|error| failed(self.right, error))?;
        Ok(a == b)
    }
}

/// The rows of one level in the order of their keys; damaged files do not keep it.
fn sorted(attributes: &Attributes, (first, end): (usize, usize)) -> Vec<usize> {
    let mut rows: Vec<usize> = attributes.siblings(first, end).collect();
    rows.sort_by(|&a, &b| {
        let keys = (attributes.rows.get(a).map(key), attributes.rows.get(b).map(key));
        keys.0.cmp(&keys.1)
    });
    rows
}
