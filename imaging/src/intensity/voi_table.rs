//! VOI lookup tables: display values for modality values, entry by entry (PS3.3 C.11.2.1.1).

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Mutex, PoisonError};

/// Tables that are kept; files of one series mostly share theirs.
const MAX_TABLES: usize = 256;

/// A VOI lookup table. Copies refer to one table, so a window that holds it stays as small as any other.
///
/// Tables live as long as the process: equal ones are kept once, and no more than 256 (32 MiB at most).
#[derive(Clone, Copy)]
pub struct VoiTable(&'static Table);

#[derive(PartialEq)]
struct Table {
    /// Modality value of the first entry.
    first: i32,
    /// At least two.
    entries: Box<[u16]>,
    /// Entry that is shown white.
    white: u16,
}

impl VoiTable {
    /// A table whose first entry is for modality value `first`, with entries of `bits` bits.
    ///
    /// Entries above what `bits` allows widen the scale to the bits that they need. `None` for fewer than two
    /// entries, more than 65 536, or when too many different tables are known already.
    pub fn new(first: i32, entries: &[u16], bits: u8) -> Option<Self> {
        if !(2..=1 << 16).contains(&entries.len()) {
            return None;
        }
        let highest = entries.iter().copied().max().unwrap_or(0);
        let needed_bits = (u16::BITS - highest.leading_zeros()) as u8;
        let white = u16::MAX >> (16 - bits.clamp(1, 16).max(needed_bits));
        static KNOWN: Mutex<Vec<&'static Table>> = Mutex::new(Vec::new());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |t: &&&Table| t.first == first && t.white == white && *t.entries == *entries;
        if let Some(table) = known.iter().find(is_same) {
            return Some(Self(table));
        }
        if known.len() >= MAX_TABLES {
            return None;
        }
        let table: &'static Table = Box::leak(Box::new(Table { first, entries: entries.into(), white }));
        known.push(table);
        Some(Self(table))
    }

    /// Display value `0.0..=1.0` of a modality value; NaN maps to 0.
    ///
    /// Values beyond the ends take the end's entry; values between two whole numbers, which interpolation makes, lie
    /// between their entries.
    pub fn apply(self, value: f64) -> f64 {
        if value.is_nan() {
            return 0.0;
        }
        let table = self.0;
        let last = table.entries.len() - 1;
        let place = (value - f64::from(table.first)).clamp(0.0, last as f64);
        let below = place.floor();
        let entry = |i: usize| f64::from(table.entries.get(i.min(last)).copied().unwrap_or(0));
        let (low, high) = (entry(below as usize), entry(below as usize + 1));
        (low + (high - low) * (place - below)) / f64::from(table.white)
    }

    /// First and last modality value between which the table changes; a linear window over it looks alike.
    pub fn range(self) -> [f64; 2] {
        let entries = &self.0.entries;
        let start = entries.iter().take_while(|entry| Some(*entry) == entries.first()).count();
        let end = entries.iter().rev().take_while(|entry| Some(*entry) == entries.last()).count();
        let at = |i: usize| f64::from(self.0.first) + i as f64;
        if start >= entries.len() {
            return [at(0), at(entries.len() - 1)];
        }
        [at(start.saturating_sub(1)), at(entries.len() - end)]
    }
}

impl PartialEq for VoiTable {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for VoiTable {}

impl Hash for VoiTable {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::ptr::hash(self.0, state);
    }
}

impl fmt::Debug for VoiTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Table { first, entries, white } = self.0;
        write!(f, "VoiTable({} entries from {first}, white {white})", entries.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_display_values_and_the_ends_are_held() {
        let table = VoiTable::new(-2, &[0, 1023, 4095, 2047], 12).unwrap();
        let found = [-9.0, -2.0, -1.0, 0.0, 1.0, 99.0, f64::NAN].map(|v| table.apply(v) * 4095.0);
        assert_eq!(found, [0.0, 0.0, 1023.0, 4095.0, 2047.0, 2047.0, 0.0]);
        assert_eq!(table.apply(-1.5) * 4095.0, 511.5, "between two entries");
    }

    #[test]
    fn equal_tables_are_one() {
        let table = VoiTable::new(7, &[3, 9], 8).unwrap();
        assert_eq!(VoiTable::new(7, &[3, 9], 8), Some(table));
        assert_ne!(VoiTable::new(8, &[3, 9], 8), Some(table));
        assert_eq!(VoiTable::new(7, &[3], 8), None);
    }

    #[test]
    fn entries_wider_than_stated_widen_the_scale() {
        let table = VoiTable::new(0, &[0, 4000], 8).unwrap();
        assert_eq!(table.apply(1.0), 4000.0 / 4095.0);
    }

    #[test]
    fn linear_range_leaves_flat_ends_out() {
        let table = VoiTable::new(100, &[5, 5, 5, 6, 8, 8], 4).unwrap();
        assert_eq!(table.range(), [102.0, 104.0]);
        assert_eq!(VoiTable::new(0, &[4, 4, 4], 4).unwrap().range(), [0.0, 2.0]);
    }
}
