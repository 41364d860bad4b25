//! From stored values to what the eye sees: VOI windows, presets, statistics and histograms.
//!
//! The chain is *stored value* → rescale → *modality value* → VOI window → *display value*.

mod voi_table;

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use crate::volume::{Rescale, Sample, Voxels};
use crate::with_voxels;

pub use voi_table::VoiTable;

/// How a window turns modality values into display values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum VoiFunction {
    /// PS3.3 C.11.2.1.2.1, the default of DICOM: the window spans `width - 1` steps of whole numbers.
    #[default]
    Linear,
    /// PS3.3 C.11.2.1.3.2, for values that are not whole numbers.
    LinearExact,
    /// PS3.3 C.11.2.1.3.1.
    Sigmoid,
    /// A lookup table, PS3.3 C.11.2.1.1; center and width only describe the range over which it changes.
    Table(VoiTable),
}

/// A VOI window over modality values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Window center in modality units.
    pub center: f64,
    /// Window width in modality units; at least 1 for `Linear`, greater than 0 otherwise.
    pub width: f64,
    /// Shape of the mapping.
    pub function: VoiFunction,
}

/// Why a window was refused.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum WindowError {
    #[error("window width `{width}` is too narrow")]
    TooNarrow { width: f64 },
    #[error("window is not finite")]
    NotFinite,
}

impl Window {
    /// A checked window.
    ///
    /// # Errors
    /// [`WindowError::TooNarrow`] if `width < 1` (`Linear`) or `width <= 0` (the other functions).
    pub fn new(center: f64, width: f64, function: VoiFunction) -> Result<Self, WindowError> {
        if !(center.is_finite() && width.is_finite()) {
            return Err(WindowError::NotFinite);
        }
        let is_too_narrow = match function {
            VoiFunction::Linear | VoiFunction::Table(_) => width < 1.0,
            VoiFunction::LinearExact | VoiFunction::Sigmoid => width <= 0.0,
        };
        if is_too_narrow {
            Err(WindowError::TooNarrow { width })
        } else {
            Ok(Self { center, width, function })
        }
    }

    /// A window with the LINEAR function for whole-number values; the width is raised to 1 if it is less.
    pub fn linear(center: f64, width: f64) -> Self {
        Self { center, width: width.max(1.0), function: VoiFunction::Linear }
    }

    /// A window that looks values up; its center and width are those of a LINEAR window over the same range.
    pub fn table(table: VoiTable) -> Self {
        let [low, high] = table.range();
        let width = high - low + 1.0;
        Self { center: low + width / 2.0, width, function: VoiFunction::Table(table) }
    }

    /// Whether values are looked up in a table.
    pub fn is_table(&self) -> bool {
        matches!(self.function, VoiFunction::Table(_))
    }

    /// What to change by hand: a table gives way to a LINEAR window over the same range, others stay.
    pub fn adjustable(self) -> Self {
        if self.is_table() { Self { function: VoiFunction::Linear, ..self } } else { self }
    }

    /// A LINEAR_EXACT window that maps `low` to black and `high` to white.
    pub fn spanning(low: f64, high: f64) -> Self {
        let width = (high - low).max(f64::MIN_POSITIVE.max((low.abs() + high.abs()) * 1e-9));
        Self { center: (low + high) / 2.0, width, function: VoiFunction::LinearExact }
    }

    /// Maps a modality value to `0.0..=1.0`. NaN maps to 0.
    ///
    /// Source: DICOM PS3.3 C.11.2.1.2.1, C.11.2.1.3.
    #[inline]
    pub fn apply(&self, value: f64) -> f64 {
        if value.is_nan() {
            return 0.0;
        }
        let (c, w) = (self.center, self.width);
        match self.function {
            VoiFunction::Linear => {
                if value <= c - 0.5 - (w - 1.0) / 2.0 {
                    0.0
                } else if value > c - 0.5 + (w - 1.0) / 2.0 {
                    1.0
                } else {
                    (value - (c - 0.5)) / (w - 1.0) + 0.5
                }
            }
            VoiFunction::LinearExact => ((value - c) / w + 0.5).clamp(0.0, 1.0),
            VoiFunction::Sigmoid => 1.0 / (1.0 + (-4.0 * (value - c) / w).exp()),
            VoiFunction::Table(table) => table.apply(value),
        }
    }

    /// Scale and offset such that `clamp(scale * value + offset, 0, 1)` is this window, or `None` for `Sigmoid` and tables.
    ///
    /// For `Linear` with width 1 (a threshold) the scale is very large rather than infinite.
    pub fn scale_offset(&self) -> Option<(f64, f64)> {
        match self.function {
            VoiFunction::Linear => {
                let w = (self.width - 1.0).max(1e-6);
                Some((1.0 / w, 0.5 - (self.center - 0.5) / w))
            }
            VoiFunction::LinearExact => Some((1.0 / self.width, 0.5 - self.center / self.width)),
            VoiFunction::Sigmoid | VoiFunction::Table(_) => None,
        }
    }
}

/// A named window from a table or from a file.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedWindow {
    /// What to call it, e.g. `Lung`.
    pub name: String,
    /// The window itself.
    pub window: Window,
}

/// A window preset for CT, in HU.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CtPreset {
    /// Name in sentence case.
    pub name: &'static str,
    /// Window width in HU.
    pub width_hu: f64,
    /// Window center in HU.
    pub center_hu: f64,
}

impl CtPreset {
    /// The preset as a LINEAR window.
    pub fn window(&self) -> Window {
        Window::linear(self.center_hu, self.width_hu)
    }
}

/// CT window presets; the first seven are bound to the digits 1 to 7.
pub const CT_PRESETS: [CtPreset; 12] = {
    const fn preset(name: &'static str, width_hu: f64, center_hu: f64) -> CtPreset {
        CtPreset { name, width_hu, center_hu }
    }
    [
        preset("Abdomen", 400.0, 40.0),
        preset("Lung", 1500.0, -600.0),
        preset("Bone", 2000.0, 400.0),
        preset("Brain", 80.0, 40.0),
        preset("Mediastinum", 350.0, 50.0),
        preset("Liver", 150.0, 90.0),
        preset("Angio", 600.0, 200.0),
        preset("Angio MIP", 380.0, 120.0),
        preset("Stroke", 40.0, 40.0),
        preset("Subdural", 200.0, 75.0),
        preset("Temporal bone", 4000.0, 700.0),
        preset("Air", 1000.0, -426.0),
    ]
};

/// Summary of a set of values.
///
/// Values that are not finite are counted apart and enter nothing else. Without finite values the numbers are NaN.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Statistics {
    /// Number of finite values.
    pub count: u64,
    /// Number of NaN and infinite values.
    pub non_finite_count: u64,
    /// Smallest finite value.
    pub min: f64,
    /// Largest finite value.
    pub max: f64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Population standard deviation (divides by n).
    pub sd: f64,
}

/// Count, mean and sum of squared deviations of one chunk; merged pairwise.
///
/// Source: Chan, Golub, LeVeque, *Updating formulae and a pairwise algorithm for computing sample variances*, 1979.
#[derive(Clone, Copy)]
struct Moments {
    count: u64,
    non_finite: u64,
    min: f64,
    max: f64,
    mean: f64,
    m2: f64,
}

impl Moments {
    const EMPTY: Self =
        Self { count: 0, non_finite: 0, min: f64::INFINITY, max: f64::NEG_INFINITY, mean: 0.0, m2: 0.0 };

    /// Two passes over a chunk that fits the cache: exact enough for any value range.
    fn of_chunk<T: Sample>(chunk: &[T]) -> Self {
        let mut m = Self::EMPTY;
        let mut sum = 0.0;
        for value in chunk.iter().map(|s| s.to_f64()) {
            if value.is_finite() {
                m.count += 1;
                sum += value;
                m.min = m.min.min(value);
                m.max = m.max.max(value);
            } else {
                m.non_finite += 1;
            }
        }
        if m.count > 0 {
            m.mean = sum / m.count as f64;
            m.m2 = chunk
                .iter()
                .map(|s| s.to_f64())
                .filter(|v| v.is_finite())
                .map(|v| (v - m.mean) * (v - m.mean))
                .sum();
        }
        m
    }

    fn merge(a: Self, b: Self) -> Self {
        if a.count == 0 || b.count == 0 {
            let base = if a.count == 0 { b } else { a };
            return Self { non_finite: a.non_finite + b.non_finite, ..base };
        }
        let (na, nb) = (a.count as f64, b.count as f64);
        let delta = b.mean - a.mean;
        Self {
            count: a.count + b.count,
            non_finite: a.non_finite + b.non_finite,
            min: a.min.min(b.min),
            max: a.max.max(b.max),
            mean: a.mean + delta * nb / (na + nb),
            m2: a.m2 + b.m2 + delta * delta * na * nb / (na + nb),
        }
    }
}

/// Moments of each chunk in order, so that the sum does not depend on the number of threads.
fn moments<T: Sample>(samples: &[T]) -> Vec<Moments> {
    const CHUNK: usize = 32 * 1024;
    samples.par_chunks(CHUNK).map(Moments::of_chunk).collect()
}

impl Statistics {
    /// Statistics of stored values, on all cores. The result does not depend on the number of threads.
    pub fn of_voxels(voxels: &Voxels) -> Self {
        with_voxels!(voxels, samples => Self::of_samples(samples))
    }

    /// Statistics of the stored values in some runs of samples, on all cores.
    pub fn of_parts(voxels: &Voxels, parts: &[Range<usize>]) -> Self {
        with_voxels!(voxels, samples => Self::of_moments(
            parts.iter().filter_map(|part| samples.get(part.clone())).flat_map(moments)
        ))
    }

    /// Statistics of a slice of samples, on all cores.
    pub fn of_samples<T: Sample>(samples: &[T]) -> Self {
        Self::of_moments(moments(samples))
    }

    fn of_moments(chunks: impl IntoIterator<Item = Moments>) -> Self {
        let m = chunks.into_iter().fold(Moments::EMPTY, Moments::merge);
        let or_nan = |v: f64| if m.count > 0 { v } else { f64::NAN };
        Self {
            count: m.count,
            non_finite_count: m.non_finite,
            min: or_nan(m.min),
            max: or_nan(m.max),
            mean: or_nan(m.mean),
            sd: or_nan((m.m2 / m.count.max(1) as f64).sqrt()),
        }
    }

    /// Statistics of the rescaled values.
    pub fn rescaled(self, rescale: Rescale) -> Self {
        let (a, b) = (rescale.apply(self.min), rescale.apply(self.max));
        Self {
            min: a.min(b),
            max: a.max(b),
            mean: rescale.apply(self.mean),
            sd: self.sd * rescale.slope.abs(),
            ..self
        }
    }
}

/// Counts of modality values in equal bins from `low` to `high` (both inclusive).
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// Lower edge of the first bin, in modality units.
    pub low: f64,
    /// Upper edge of the last bin, in modality units.
    pub high: f64,
    /// Values per bin.
    pub counts: Arc<[u64]>,
}

impl Histogram {
    /// Histogram of all finite, non-padding values, on all cores.
    ///
    /// `padding` is an inclusive range of stored values to leave out. An empty set of values gives empty counts
    /// between 0 and 1.
    pub fn of_voxels(voxels: &Voxels, rescale: Rescale, padding: Option<[f64; 2]>, bins: usize) -> Self {
        let all = 0..voxels.len();
        Self::of_parts(voxels, std::slice::from_ref(&all), rescale, padding, bins)
    }

    /// As [`Self::of_voxels`], of some runs of samples only.
    pub fn of_parts(
        voxels: &Voxels,
        parts: &[Range<usize>],
        rescale: Rescale,
        padding: Option<[f64; 2]>,
        bins: usize,
    ) -> Self {
        let is_padding = |stored: f64| padding.is_some_and(|[a, b]| stored >= a && stored <= b);
        let bins = bins.max(1);
        let (low, high) = with_voxels!(voxels, samples => parts
        .par_iter()
        .filter_map(|part| samples.get(part.clone()))
        .flat_map(|part| part.par_chunks(256 * 1024))
        .map(|chunk| {
            chunk.iter().map(|v| v.to_f64()).filter(|&v| v.is_finite() && !is_padding(v)).fold(
                (f64::INFINITY, f64::NEG_INFINITY),
                |(low, high), v| (low.min(v), high.max(v)),
            )
        })
        .reduce(|| (f64::INFINITY, f64::NEG_INFINITY), |a, b| (a.0.min(b.0), a.1.max(b.1))));
        let (low, high) = (rescale.apply(low), rescale.apply(high));
        let (low, high) = (low.min(high), low.max(high));
        let (low, high) = if low.is_finite() && high.is_finite() { (low, high) } else { (0.0, 1.0) };
        let scale = if high > low { bins as f64 / (high - low) } else { 0.0 };
        let counts = with_voxels!(voxels, samples => parts
        .par_iter()
        .filter_map(|part| samples.get(part.clone()))
        .flat_map(|part| part.par_chunks(256 * 1024))
        .map(|chunk| {
            let mut counts = vec![0u64; bins];
            for stored in chunk.iter().map(|v| v.to_f64()) {
                let value = rescale.apply(stored);
                if value.is_finite() && !is_padding(stored) {
                    counts[(((value - low) * scale) as usize).min(bins - 1)] += 1;
                }
            }
            counts
        })
        .reduce(
            || vec![0u64; bins],
            |mut a, b| {
                a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
                a
            },
        ));
        Self { low, high, counts: counts.into() }
    }

    /// Value below which the given share (`0.0..=1.0`) of all counted values lies, to within one bin.
    pub fn percentile(&self, share: f64) -> f64 {
        let total: u64 = self.counts.iter().sum();
        let wanted = share.clamp(0.0, 1.0) * total as f64;
        let width = (self.high - self.low) / self.counts.len() as f64;
        let mut seen = 0.0;
        for (i, &count) in self.counts.iter().enumerate() {
            let next = seen + count as f64;
            if count > 0 && next >= wanted {
                return self.low + width * (i as f64 + ((wanted - seen) / count as f64).clamp(0.0, 1.0));
            }
            seen = next;
        }
        self.high
    }

    /// Window between the 1st and 99th percentile, for images whose files suggest none.
    pub fn auto_window(&self) -> Window {
        Window::spanning(self.percentile(0.01), self.percentile(0.99))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_window_follows_the_standard_at_its_edges() {
        // PS3.3 C.11.2.1.2.1, example: center 2048, width 4096 covers 0..=4095 exactly.
        let w = Window::linear(2048.0, 4096.0);
        assert_eq!(w.apply(0.0), 0.0);
        assert_eq!(w.apply(4095.0), 1.0);
        assert!((w.apply(2047.5) - 0.5).abs() < 1e-15);
        // Width 1 is a threshold at center − 0.5.
        let t = Window::linear(10.0, 1.0);
        assert_eq!((t.apply(9.5), t.apply(9.6)), (0.0, 1.0));
    }

    #[test]
    fn exact_and_sigmoid_windows() {
        let e = Window::new(0.5, 0.2, VoiFunction::LinearExact).unwrap();
        assert!((e.apply(0.5) - 0.5).abs() < 1e-15 && e.apply(0.4) < 1e-12 && e.apply(0.61) == 1.0);
        let s = Window::new(100.0, 50.0, VoiFunction::Sigmoid).unwrap();
        assert_eq!(s.apply(100.0), 0.5);
        assert!((s.apply(150.0) - 1.0 / (1.0 + (-4.0f64).exp())).abs() < 1e-15);
        assert_eq!(s.apply(f64::NAN), 0.0);
        assert_eq!(s.apply(f64::INFINITY), 1.0);
    }

    #[test]
    fn narrow_windows_are_refused_by_function() {
        assert!(Window::new(0.0, 0.5, VoiFunction::Linear).is_err());
        assert!(Window::new(0.0, 0.5, VoiFunction::LinearExact).is_ok());
        assert!(Window::new(0.0, 0.0, VoiFunction::Sigmoid).is_err());
        assert_eq!(Window::new(f64::NAN, 1.0, VoiFunction::Linear), Err(WindowError::NotFinite));
    }

    #[test]
    fn scale_and_offset_are_the_same_window() {
        for w in [Window::linear(40.0, 400.0), Window::spanning(-3.0, 12.5)] {
            let (scale, offset) = w.scale_offset().unwrap();
            for v in [-500.0, -160.0, -3.0, 0.0, 12.0, 39.5, 239.0, 300.0] {
                let quick = (scale * v + offset).clamp(0.0, 1.0);
                assert!((quick - w.apply(v)).abs() < 1e-12, "{w:?} at {v}");
            }
        }
    }

    #[test]
    fn statistics_ignore_what_is_not_finite() {
        let s = Statistics::of_samples(&[1.0f32, f32::NAN, 3.0, f32::INFINITY]);
        assert_eq!((s.count, s.non_finite_count, s.min, s.max, s.mean, s.sd), (2, 2, 1.0, 3.0, 2.0, 1.0));
        assert!(Statistics::of_samples(&[f32::NAN]).mean.is_nan());
    }

    #[test]
    fn statistics_stay_exact_far_from_zero_and_across_chunks() {
        let values: Vec<f64> = (0..200_000).map(|i| 1e9 + (i % 2) as f64).collect();
        let s = Statistics::of_samples(&values);
        assert!((s.mean - (1e9 + 0.5)).abs() < 1e-6 && (s.sd - 0.5).abs() < 1e-9, "{s:?}");
    }

    #[test]
    fn negative_slope_swaps_minimum_and_maximum() {
        let s = Statistics::of_samples(&[0u8, 10]).rescaled(Rescale { slope: -2.0, intercept: 5.0 });
        assert_eq!((s.min, s.max, s.mean, s.sd), (-15.0, 5.0, -5.0, 10.0));
    }

    #[test]
    fn percentiles_leave_padding_out() {
        let mut values = vec![-2000i16; 1000];
        values.extend(0..1000);
        let h = Histogram::of_voxels(&values.into(), Rescale::IDENTITY, Some([-2000.0, -2000.0]), 2999);
        assert_eq!(h.counts.iter().sum::<u64>(), 1000);
        assert!((h.percentile(0.5) - 499.5).abs() < 1.5, "{}", h.percentile(0.5));
        assert!((h.percentile(0.0) - 0.0).abs() < 1.5);
    }
}
