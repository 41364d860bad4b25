//! A walk over every element of an object, told to whoever wants to show or rewrite it.
//!
//! Bounded as the walk in `dataset`: lengths are held against what encloses them before anything is read, nesting
//! has a limit, and no value is read here. Pixel data is an element like any other, so that what follows it is seen.

use super::bytes::Bytes;
use super::dataset::{MAX_DEPTH, Syntax, UNDEFINED_LENGTH, WalkError, element_header, is_known_vr};
use super::dictionary;
use super::tags::{self, Tag};

/// An element as it stands in the object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) tag: Tag,
    /// As written where that is a known one other than UN; else that of the dictionary; else `UN`.
    pub(super) vr: [u8; 2],
    /// For writing the element again: as [`Self::vr`], except that a written `UN` stays.
    pub(super) written_vr: [u8; 2],
    /// First byte of the value.
    pub(super) value_at: u64,
    /// First byte after the value. Not known of sequences of undefined length.
    pub(super) end: u64,
    /// How the element is written; items may be written differently.
    pub(super) syntax: Syntax,
    /// Sequences around it.
    pub(super) depth: usize,
}

impl Found {
    pub(super) fn len(&self) -> u64 {
        self.end.saturating_sub(self.value_at)
    }
}

/// Is told what the walk meets, in the order of the file.
pub(super) trait Visit {
    type Error: From<WalkError>;

    /// An element with a value that is neither a sequence nor in fragments.
    fn element(&mut self, bytes: &mut Bytes, found: &Found) -> Result<(), Self::Error>;

    /// A value in fragments, from the first item to the delimiter inclusive.
    fn fragments(&mut self, bytes: &mut Bytes, found: &Found, count: usize) -> Result<(), Self::Error>;

    /// A sequence begins; `false` steps over it, and nothing more is told of it.
    fn sequence(&mut self, found: &Found, items: Syntax) -> Result<bool, Self::Error>;

    /// An item begins; counted from 1.
    fn item(&mut self, number: usize) -> Result<(), Self::Error>;

    fn item_end(&mut self) -> Result<(), Self::Error>;

    fn sequence_end(&mut self) -> Result<(), Self::Error>;
}

/// Tells `visit` every element from `start` on, up to `end`.
pub(super) fn walk<V: Visit>(
    bytes: &mut Bytes,
    (start, end): (u64, u64),
    syntax: Syntax,
    visit: &mut V,
) -> Result<(), V::Error> {
    let mut walk = Walk { bytes };
    walk.elements(start, end, syntax, 0, visit).map(drop)
}

struct Walk<'a> {
    bytes: &'a mut Bytes,
}

const TRUNCATED: WalkError = WalkError::Damaged("ends in the middle of an element");

impl Walk<'_> {
    /// Elements until `end` or a delimiter; returns the offset after them.
    fn elements<V: Visit>(
        &mut self,
        mut at: u64,
        end: u64,
        syntax: Syntax,
        depth: usize,
        visit: &mut V,
    ) -> Result<u64, V::Error> {
        if depth > MAX_DEPTH {
            return Err(WalkError::Damaged("sequences are nested too deeply").into());
        }
        while at < end {
            let Some(header) = element_header(self.bytes, at, syntax)? else {
                // The size of data that is unpacked on the way is only known at its end.
                let is_end = depth == 0 && at == self.bytes.len();
                return if is_end { Ok(at) } else { Err(TRUNCATED.into()) };
            };
            if matches!(header.tag, tags::ITEM_DELIMITATION | tags::SEQUENCE_DELIMITATION) {
                return Ok(header.value_at);
            }
            if header.tag == tags::ITEM {
                return Err(WalkError::Damaged("an item stands outside of a sequence").into());
            }
            let is_stated = is_known_vr(header.vr) && header.vr != *b"UN";
            let known = dictionary::vr(header.tag);
            let vr = if is_stated { header.vr } else { known.unwrap_or(*b"UN") };
            let is_undefined = header.len == UNDEFINED_LENGTH;
            let value_end = header.value_at + if is_undefined { 0 } else { u64::from(header.len) };
            if value_end > end || value_end > self.bytes.len() {
                return Err(TRUNCATED.into());
            }
            let mut found = Found {
                tag: header.tag,
                vr,
                written_vr: if header.vr == *b"UN" { header.vr } else { vr },
                value_at: header.value_at,
                end: value_end,
                syntax,
                depth,
            };
            // A sequence of undefined length may be written as UN: its items are implicit (PS3.5 6.2.2).
            let is_fragmented =
                is_undefined && (header.tag == tags::PIXEL_DATA || matches!(&header.vr, b"OB" | b"OW"));
            if is_fragmented {
                let (count, after) = self.fragments(header.value_at, end, syntax)?;
                found.end = after;
                visit.fragments(self.bytes, &found, count)?;
                at = after;
            } else if vr == *b"SQ" || is_undefined {
                found.vr = *b"SQ";
                let inner = if header.vr == *b"UN" { Syntax::IMPLICIT } else { syntax };
                let stop = if is_undefined { end } else { value_end };
                at = if visit.sequence(&found, inner)? {
                    let after = self.items(header.value_at, (stop, is_undefined), inner, depth, visit)?;
                    visit.sequence_end()?;
                    after
                } else if is_undefined {
                    self.items(header.value_at, (stop, true), inner, depth, &mut Silent)?
                } else {
                    value_end
                };
            } else {
                visit.element(self.bytes, &found)?;
                at = value_end;
            }
        }
        Ok(at)
    }

    /// The items of a sequence up to `end`, or to the delimiter that has to come before it.
    fn items<V: Visit>(
        &mut self,
        mut at: u64,
        (end, is_delimited): (u64, bool),
        syntax: Syntax,
        depth: usize,
        visit: &mut V,
    ) -> Result<u64, V::Error> {
        let mut number = 0;
        while at < end {
            let Some(header) = element_header(self.bytes, at, syntax)? else { return Err(TRUNCATED.into()) };
            match header.tag {
                tags::ITEM => {
                    number += 1;
                    visit.item(number)?;
                    let is_undefined = header.len == UNDEFINED_LENGTH;
                    let item_end = if is_undefined { end } else { header.value_at + u64::from(header.len) };
                    if item_end > end {
                        return Err(TRUNCATED.into());
                    }
                    let after = self.elements(header.value_at, item_end, syntax, depth + 1, visit)?;
                    at = if is_undefined { after } else { item_end };
                    visit.item_end()?;
                }
                tags::SEQUENCE_DELIMITATION => return Ok(header.value_at),
                _ => return Err(WalkError::Damaged("a sequence does not consist of items").into()),
            }
        }
        if is_delimited { Err(TRUNCATED.into()) } else { Ok(at) }
    }

    /// Counts fragments; returns the offset after their delimiter.
    fn fragments(&mut self, mut at: u64, end: u64, syntax: Syntax) -> Result<(usize, u64), WalkError> {
        let mut count = 0;
        while at < end {
            let Some(header) = element_header(self.bytes, at, syntax)? else { break };
            let after = header.value_at + u64::from(header.len);
            match header.tag {
                tags::ITEM if after <= end => (count, at) = (count + 1, after),
                tags::SEQUENCE_DELIMITATION => return Ok((count, header.value_at)),
                _ => return Err(WalkError::Damaged("fragments do not consist of items")),
            }
        }
        Err(TRUNCATED)
    }
}

/// For stepping over sequences of undefined length.
struct Silent;

impl Visit for Silent {
    type Error = WalkError;

    fn element(&mut self, _: &mut Bytes, _: &Found) -> Result<(), WalkError> {
        Ok(())
    }

    fn fragments(&mut self, _: &mut Bytes, _: &Found, _: usize) -> Result<(), WalkError> {
        Ok(())
    }

    fn sequence(&mut self, found: &Found, _: Syntax) -> Result<bool, WalkError> {
        // What has a length is jumped over.
        Ok(found.end == found.value_at)
    }

    fn item(&mut self, _: usize) -> Result<(), WalkError> {
        Ok(())
    }

    fn item_end(&mut self) -> Result<(), WalkError> {
        Ok(())
    }

    fn sequence_end(&mut self) -> Result<(), WalkError> {
        Ok(())
    }
}
