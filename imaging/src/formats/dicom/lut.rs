//! Lookup tables: modality LUTs and colour palettes, segmented ones included (PS3.3 C.11.1, C.7.6.3.1.5, C.7.9.2).

use super::dataset::DataSet;
use super::tags::{self, Tag};

/// A table from stored values to 16-bit entries.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lut {
    /// Stored value of the first entry; smaller values take the first entry.
    pub(crate) first: i32,
    /// Bits of an entry in the file: 8 or 16.
    pub(crate) bits: u8,
    /// Bits per entry as the descriptor says.
    pub(crate) stated_bits: u8,
    /// At least one entry; larger values take the last.
    entries: Vec<u16>,
}

impl Lut {
    /// Reads a table, or `None` if it is missing or makes no sense.
    pub(crate) fn read(set: &DataSet, descriptor: Tag, data: Tag) -> Option<Self> {
        let words = set.words(data)?;
        let bytes = set.bytes(data)?;
        let descriptor = Descriptor::read(set, descriptor)?;
        let entries = if descriptor.bits == 8 && bytes.len() < descriptor.count * 2 {
            // Eight-bit entries packed two to a word.
            bytes.iter().take(descriptor.count).map(|&b| u16::from(b)).collect()
        } else {
            words.into_iter().take(descriptor.count).collect::<Vec<_>>()
        };
        Self::new(descriptor, entries)
    }

    fn new(descriptor: Descriptor, entries: Vec<u16>) -> Option<Self> {
        let Descriptor { first, bits, stated_bits, .. } = descriptor;
        (!entries.is_empty()).then_some(Self { first, bits, stated_bits, entries })
    }

    /// Entry of a stored value, held at both ends.
    #[inline]
    pub(crate) fn get(&self, stored: f64) -> u16 {
        let index = (stored - f64::from(self.first)).clamp(0.0, (self.entries.len() - 1) as f64);
        self.entries.get(index as usize).copied().unwrap_or(0)
    }

    pub(crate) fn entries(&self) -> &[u16] {
        &self.entries
    }
}

struct Descriptor {
    count: usize,
    first: i32,
    bits: u8,
    stated_bits: u8,
}

impl Descriptor {
    /// Three numbers; the second is signed where Pixel Representation says so, whatever the VR.
    fn read(set: &DataSet, tag: Tag) -> Option<Self> {
        let [count, first, bits] = set.array::<3>(tag)?;
        let count = (count as i64).rem_euclid(65536);
        let first = first as i32;
        // In a nested item Pixel Representation is unknown; no real table starts above 32767.
        let first = if first > 32767 { first - 65536 } else { first };
        Some(Self {
            count: if count == 0 { 65536 } else { count as usize },
            first,
            bits: if (1.0..=8.0).contains(&bits) { 8 } else { 16 },
            stated_bits: if (1.0..=16.0).contains(&bits) { bits as u8 } else { 16 },
        })
    }
}

/// Three tables that turn a stored value into a colour.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Palette {
    tables: [Lut; 3],
    /// Bits of an entry below those that are shown.
    low_bits: u8,
}

impl Palette {
    pub(crate) fn read(set: &DataSet) -> Option<Self> {
        let channel = |descriptor, plain, segmented| {
            Lut::read(set, descriptor, plain).or_else(|| read_segmented(set, descriptor, segmented))
        };
        Some(Self::new([
            channel(tags::RED_PALETTE_DESCRIPTOR, tags::RED_PALETTE_DATA, tags::SEGMENTED_RED_PALETTE_DATA)?,
            channel(
                tags::GREEN_PALETTE_DESCRIPTOR,
                tags::GREEN_PALETTE_DATA,
                tags::SEGMENTED_GREEN_PALETTE_DATA,
            )?,
            channel(
                tags::BLUE_PALETTE_DESCRIPTOR,
                tags::BLUE_PALETTE_DATA,
                tags::SEGMENTED_BLUE_PALETTE_DATA,
            )?,
        ]))
    }

    fn new(tables: [Lut; 3]) -> Self {
        let stated = tables.iter().map(|table| table.stated_bits).max().unwrap_or(16);
        let largest = tables.iter().flat_map(|table| &table.entries).copied().max().unwrap_or(0);
        // Whole tables of bytes are stated as 16 bits by some writers, and 12 bits may be filled to 16.
        let bits = if largest <= 0xFF { 8 } else { stated.max(16 - largest.leading_zeros() as u8) };
        Self { tables, low_bits: bits.saturating_sub(8) }
    }

    /// The colour of a stored value with 8 bits per channel: the highest ones of deeper entries.
    #[inline]
    pub(crate) fn rgb8(&self, stored: f64) -> [u8; 3] {
        self.tables.each_ref().map(|table| (table.get(stored) >> self.low_bits) as u8)
    }
}

/// Expands a segmented table (PS3.3 C.7.9.2): runs of values, lines between values, and repeated segments.
fn read_segmented(set: &DataSet, descriptor: Tag, data: Tag) -> Option<Lut> {
    let words = set.words(data)?;
    let descriptor = Descriptor::read(set, descriptor)?;
    let mut entries: Vec<u16> = Vec::with_capacity(descriptor.count);
    expand(&words, &words, descriptor.count, &mut entries, true)?;
    Lut::new(descriptor, entries)
}

fn expand(
    mut rest: &[u16],
    all: &[u16],
    limit: usize,
    entries: &mut Vec<u16>,
    may_repeat: bool,
) -> Option<()> {
    while let [opcode, length, tail @ ..] = rest {
        let length = usize::from(*length);
        match opcode {
            0 => {
                entries.extend_from_slice(tail.get(..length)?);
                rest = tail.get(length..)?;
            }
            1 => {
                let start = f64::from(*entries.last()?);
                let end = f64::from(*tail.first()?);
                entries.extend(
                    (1..=length).map(|i| (start + (end - start) * i as f64 / length as f64).round() as u16),
                );
                rest = tail.get(1..)?;
            }
            2 if may_repeat => {
                let offset = usize::from(*tail.first()?) | usize::from(*tail.get(1)?) << 16;
                // The offset counts bytes from the start of the table; `length` segments follow it.
                let mut from = all.get(offset / 2..)?;
                for _ in 0..length {
                    let one = segment_len(from)?;
                    expand(from.get(..one)?, all, limit, entries, false)?;
                    from = from.get(one..)?;
                    if entries.len() > limit {
                        break;
                    }
                }
                rest = tail.get(2..)?;
            }
            _ => return None,
        }
        if entries.len() >= limit {
            entries.truncate(limit);
            break;
        }
    }
    Some(())
}

fn segment_len(words: &[u16]) -> Option<usize> {
    match words {
        [0, length, ..] => Some(2 + usize::from(*length)),
        [1, _, _, ..] => Some(3),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(words: &[u16], limit: usize) -> Option<Vec<u16>> {
        let mut entries = Vec::new();
        expand(words, words, limit, &mut entries, true)?;
        Some(entries)
    }

    #[test]
    fn segmented_tables_expand_runs_lines_and_repeats() {
        // Two values, a line of four to 60, then the two segments at byte 0 once more.
        let words = [0, 2, 10, 20, 1, 4, 60, 2, 2, 0, 0];
        assert_eq!(expanded(&words, 99).unwrap(), [10, 20, 30, 40, 50, 60, 10, 20, 30, 40, 50, 60]);
        assert_eq!(expanded(&words, 5).unwrap(), [10, 20, 30, 40, 50]);
    }

    #[test]
    fn damaged_segmented_tables_are_refused() {
        assert_eq!(expanded(&[0, 9, 1], 99), None, "run is cut off");
        assert_eq!(expanded(&[1, 4, 60], 99), None, "line without a start");
        assert_eq!(expanded(&[2, 1, 0, 0], 99), None, "segment that repeats itself");
        assert_eq!(expanded(&[7, 0], 99), None, "unknown segment");
    }

    #[test]
    fn tables_hold_their_ends() {
        let table = Lut { first: -2, bits: 16, stated_bits: 16, entries: vec![5, 6, 7] };
        let found = [-9.0, -2.0, -1.0, 0.0, 40.0].map(|stored| table.get(stored));
        assert_eq!(found, [5, 5, 6, 7, 7]);
    }
}
