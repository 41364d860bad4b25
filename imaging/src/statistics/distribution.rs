//! Counting values exactly, and what follows from the counts.

use std::any::TypeId;

use rayon::prelude::*;

use crate::volume::{Rescale, Sample};

/// Larger magnitudes count as not finite: their squares would overflow.
pub(super) const MAX_MAGNITUDE: f64 = 1e150;
/// Regions below this size are sorted, larger ones of 8 and 16-bit values counted in a table.
const TABLE_WORTHWHILE: usize = 1 << 14;
const TABLE_LEN: usize = 1 << 16;

/// Values on their way to statistics.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    pub(super) padding_count: u64,
    /// Stored values that are not counted as values, inclusive.
    padding: Option<[f64; 2]>,
    counted: Counted,
}

#[derive(Debug, Clone)]
enum Counted {
    /// How often each stored value occurs, by its bits; padding included until [`Tally::finished`].
    Table { number: TableNumber, counts: Vec<u32>, fed: u64, carried: Vec<u64> },
    /// Every finite stored value.
    List(Vec<f64>),
}

/// Number types that have few enough values for a table.
#[derive(Debug, Clone, Copy, PartialEq)]
enum TableNumber {
    U8,
    I8,
    U16,
    I16,
}

impl TableNumber {
    fn of<T: Sample>() -> Option<Self> {
        let known = [
            (TypeId::of::<u8>(), Self::U8),
            (TypeId::of::<i8>(), Self::I8),
            (TypeId::of::<u16>(), Self::U16),
            (TypeId::of::<i16>(), Self::I16),
        ];
        known.into_iter().find(|(id, _)| *id == TypeId::of::<T>()).map(|(_, number)| number)
    }

    /// The number with these bits.
    fn value(self, bits: u16) -> i32 {
        match self {
            Self::U8 | Self::U16 => i32::from(bits),
            Self::I8 => i32::from((bits as u8).cast_signed()),
            Self::I16 => i32::from(bits.cast_signed()),
        }
    }

    /// Bits of all numbers, in ascending order of the numbers.
    fn ascending(self) -> impl Iterator<Item = u16> {
        let (first, middle, end) = match self {
            Self::U8 => (0, 0x100, 0x100),
            Self::U16 => (0, 0x1_0000, 0x1_0000),
            Self::I8 => (0x80, 0x100, 0x80),
            Self::I16 => (0x8000, 0x1_0000, 0x8000),
        };
        let wrapped = if first == 0 { 0 } else { end };
        (first..middle).chain(0..wrapped).map(|bits: u32| bits as u16)
    }
}

/// Bits of an 8 or 16-bit number.
#[inline(always)]
fn bits_of<T: Sample>(value: &T) -> u16 {
    match *bytemuck::bytes_of(value) {
        [byte] => u16::from(byte),
        [a, b] => u16::from_ne_bytes([a, b]),
        _ => 0,
    }
}

/// Count, mean and population SD of stored values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moments {
    pub(super) count: u64,
    pub(super) mean: f64,
    pub(super) sd: f64,
}

impl Tally {
    /// A tally for about `expected` values of type `T`.
    pub(super) fn new<T: Sample>(expected: usize, padding: Option<[f64; 2]>) -> Self {
        let counted = match TableNumber::of::<T>().filter(|_| expected >= TABLE_WORTHWHILE) {
            Some(number) => {
                Counted::Table { number, counts: vec![0; TABLE_LEN], fed: 0, carried: Vec::new() }
            }
            None => Counted::List(Vec::new()),
        };
        Self { padding_count: 0, padding, counted }
    }

    /// Adds values, at most 2^31 at a time.
    #[inline]
    pub(super) fn extend<'a, T: Sample>(&mut self, values: impl ExactSizeIterator<Item = &'a T>) {
        match &mut self.counted {
            Counted::Table { counts, fed, carried, .. } => {
                *fed += values.len() as u64;
                if *fed > u64::from(u32::MAX) {
                    *fed = values.len() as u64;
                    carry(counts, carried);
                }
                let Ok(counts) = <&mut [u32; TABLE_LEN]>::try_from(counts.as_mut_slice()) else { return };
                for value in values {
                    // Sixteen bits cannot leave the table.
                    counts[usize::from(bits_of(value))] += 1;
                }
            }
            Counted::List(list) => {
                let padding = self.padding;
                let padding_count = &mut self.padding_count;
                list.extend(values.map(|value| value.to_f64()).filter(|&value| {
                    let is_padding = padding.is_some_and(|[low, high]| low <= value && value <= high);
                    *padding_count += u64::from(is_padding);
                    !is_padding && value.abs() < MAX_MAGNITUDE
                }));
            }
        }
    }

    pub(super) fn merged(mut self, mut other: Self) -> Self {
        match (&mut self.counted, &mut other.counted) {
            (Counted::Table { counts, carried, .. }, Counted::Table { counts: more, carried: sum, .. }) => {
                carry(counts, carried);
                carry(more, sum);
                carried.iter_mut().zip(sum).for_each(|(a, b)| *a += *b);
            }
            (Counted::List(a), Counted::List(b)) => a.append(b),
            // Both halves were made for the same type and region.
            (Counted::List(_), Counted::Table { .. }) | (Counted::Table { .. }, Counted::List(_)) => {}
        }
        self.padding_count += other.padding_count;
        self
    }

    /// Takes padding out of the counts.
    pub(super) fn finished(mut self) -> Self {
        if let Counted::Table { number, counts, carried, .. } = &mut self.counted {
            carry(counts, carried);
            for (bits, count) in (0..=u16::MAX).zip(carried) {
                let stored = f64::from(number.value(bits));
                if self.padding.is_some_and(|[low, high]| low <= stored && stored <= high) {
                    self.padding_count += std::mem::take(count);
                }
            }
        }
        self
    }

    pub(super) fn finite_count(&self) -> u64 {
        match &self.counted {
            Counted::Table { carried, .. } => carried.iter().sum(),
            Counted::List(list) => list.len() as u64,
        }
    }

    /// Mean and SD of stored values; `None` if there are none.
    pub(super) fn moments(&self) -> Option<Moments> {
        match &self.counted {
            Counted::Table { number, carried, .. } => table_moments(*number, carried),
            Counted::List(list) => list_moments(list),
        }
    }

    pub(super) fn into_distribution(self, rescale: Rescale) -> Option<Distribution> {
        let (mut values, mut counts): (Vec<f64>, Vec<u64>) = match self.counted {
            Counted::Table { number, carried, .. } => entries(number, &carried)
                .map(|(stored, count)| (rescale.apply(f64::from(stored)), count))
                .unzip(),
            Counted::List(mut list) => {
                list.par_sort_unstable_by(f64::total_cmp);
                let mut values: Vec<f64> = Vec::new();
                let mut counts: Vec<u64> = Vec::new();
                let mut last = None;
                for stored in list {
                    match counts.last_mut() {
                        Some(count) if last == Some(stored) => *count += 1,
                        _ => {
                            values.push(rescale.apply(stored));
                            counts.push(1);
                            last = Some(stored);
                        }
                    }
                }
                (values, counts)
            }
        };
        if rescale.slope < 0.0 {
            values.reverse();
            counts.reverse();
        }
        let mut total = 0;
        let ends = counts
            .into_iter()
            .map(|count| {
                total += count;
                total
            })
            .collect();
        (!values.is_empty()).then_some(Distribution { values, ends })
    }
}

/// Moves counts to 64 bits before they overflow.
fn carry(counts: &mut [u32], carried: &mut Vec<u64>) {
    carried.resize(counts.len(), 0);
    for (count, sum) in counts.iter_mut().zip(carried) {
        *sum += u64::from(std::mem::take(count));
    }
}

/// Stored values that occur, ascending, with how often.
fn entries(number: TableNumber, counts: &[u64]) -> impl Iterator<Item = (i32, u64)> + '_ {
    number
        .ascending()
        .map(move |bits| (number.value(bits), counts.get(usize::from(bits)).copied().unwrap_or(0)))
        .filter(|(_, count)| *count > 0)
}

/// Whole-number sums, exact: n Σx² − (Σx)² stays below 2^127 for 2^48 values of 16 bits.
fn table_moments(number: TableNumber, counts: &[u64]) -> Option<Moments> {
    let (mut n, mut sum, mut squares) = (0i128, 0i128, 0i128);
    for (stored, count) in entries(number, counts) {
        let (stored, count) = (i128::from(stored), i128::from(count));
        n += count;
        sum += count * stored;
        squares += count * stored * stored;
    }
    (n > 0).then(|| Moments {
        count: n as u64,
        mean: sum as f64 / n as f64,
        sd: ((n * squares - sum * sum) as f64).sqrt() / n as f64,
    })
}

/// Two passes, each summed in blocks; the second corrects for the rounding of the mean.
///
/// Source: Chan, Golub, LeVeque, "Algorithms for computing the sample variance", 1983.
fn list_moments(list: &[f64]) -> Option<Moments> {
    const BLOCK: usize = 1 << 10;
    if list.is_empty() {
        return None;
    }
    let n = list.len() as f64;
    // Sums of blocks, and sums of those: rounding grows with the square root of the blocks, not with n.
    let sum = |of: &(dyn Fn(f64) -> f64 + Sync)| -> f64 {
        let blocks: Vec<f64> =
            list.par_chunks(BLOCK).map(|block| block.iter().map(|&value| of(value)).sum()).collect();
        blocks.chunks(BLOCK).map(|block| block.iter().sum::<f64>()).sum()
    };
    // Around a value of the list, so that a large common offset costs no digits.
    let base = list.first().copied()?;
    let mean = base + sum(&|value| value - base) / n;
    let (squares, rest) = (sum(&|value| (value - mean).powi(2)), sum(&|value| value - mean));
    let variance = (squares - rest * rest / n).max(0.0) / n;
    Some(Moments { count: list.len() as u64, mean, sd: variance.sqrt() })
}

/// All values of a region, sorted; never empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// Distinct modality values, ascending.
    values: Vec<f64>,
    /// How many values are at most as large.
    ends: Vec<u64>,
}

/// Values counted in bins of equal width.
#[derive(Debug, Clone, PartialEq)]
pub struct HistogramCounts {
    /// Values of each bin; a bin holds its lower edge and not its upper one, the last bin holds both.
    pub counts: Vec<u64>,
    /// Values below the first bin.
    pub below: u64,
    /// Values above the last bin.
    pub above: u64,
}

impl Distribution {
    /// Number of values.
    pub fn count(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Smallest value.
    pub fn min(&self) -> f64 {
        self.values.first().copied().unwrap_or(0.0)
    }

    /// Largest value.
    pub fn max(&self) -> f64 {
        self.values.last().copied().unwrap_or(0.0)
    }

    /// The value with `rank` values before it in sorted order.
    fn ranked(&self, rank: u64) -> f64 {
        let at = self.ends.partition_point(|&end| end <= rank);
        self.values.get(at).copied().unwrap_or_else(|| self.max())
    }

    /// Value below which `percent` (0 to 100, held at both ends) of all values lie.
    ///
    /// Linear between neighbours in sorted order. Source: Hyndman and Fan, 1996, type 7.
    pub fn percentile(&self, percent: f64) -> f64 {
        let last = self.count().saturating_sub(1);
        let place = last as f64 * (percent / 100.0).clamp(0.0, 1.0);
        let rank = place.floor();
        let low = self.ranked(rank as u64);
        let high = self.ranked((rank as u64 + 1).min(last));
        low + (high - low) * (place - rank)
    }

    /// Counts values in `bins` bins of equal width from `low` to `high`; `None` if that is no range.
    pub fn histogram(&self, low: f64, high: f64, bins: usize) -> Option<HistogramCounts> {
        if !(low < high && low.is_finite() && high.is_finite() && (1..=1 << 24).contains(&bins)) {
            return None;
        }
        let edge = |bin: usize| low + (high - low) * (bin as f64 / bins as f64);
        let mut result = HistogramCounts { counts: vec![0; bins], below: 0, above: 0 };
        let mut before = 0;
        for (&value, &end) in self.values.iter().zip(&self.ends) {
            let count = end - before;
            before = end;
            if value < low {
                result.below += count;
            } else if value > high {
                result.above += count;
            } else {
                // The division may round across an edge; the edges themselves decide.
                let mut bin = (((value - low) / (high - low) * bins as f64) as usize).min(bins - 1);
                bin -= usize::from(bin > 0 && value < edge(bin));
                bin += usize::from(bin + 1 < bins && value >= edge(bin + 1));
                if let Some(sum) = result.counts.get_mut(bin) {
                    *sum += count;
                }
            }
        }
        Some(result)
    }
}
