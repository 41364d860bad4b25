//! Whether the place and the distances of voxels can be trusted: green, amber or red, with the reasons.
//!
//! A verdict is made from what the reader noted ([`SeriesWarning`]), so a fact is stated in one place and its sentence
//! is written in one place. Warnings that are not about geometry (lossy compression, say) are no reasons.
//!
//! | level | meaning |
//! |---|---|
//! | green | nothing speaks against the geometry |
//! | amber | positions are true, with something to know: tilt, uneven slices, lengths at the detector |
//! | red | a distance may be wrong or is missing; millimetres are withheld until somebody takes note |

use std::fmt;

use crate::series::SeriesWarning;

/// A slice distance this many times the usual one is a gap: something was skipped or is missing.
pub const GAP_FACTOR: f64 = 1.5;

/// How far a geometry can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Level {
    /// Nothing speaks against it.
    #[default]
    Green,
    /// Usable, with something to know.
    Amber,
    /// Not to be relied on before somebody has taken note.
    Red,
}

impl Level {
    /// Lower-case word, as printed and as `lantern info --json` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Amber => "amber",
            Self::Red => "red",
        }
    }
}

/// One thing that speaks against a geometry: the fact, and how much it weighs.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    /// Amber or red.
    pub level: Level,
    /// What was found.
    pub finding: SeriesWarning,
}

impl fmt::Display for Reason {
    /// A sentence with capital and period.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.finding.to_string();
        let mut chars = text.chars();
        if let Some(first) = chars.next() {
            write!(f, "{}", first.to_uppercase())?;
        }
        write!(f, "{}.", chars.as_str())
    }
}

/// How far the geometry of a series can be trusted, and why not further.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Verdict {
    /// The worst of the reasons.
    pub level: Level,
    /// Worst first; none if green.
    pub reasons: Vec<Reason>,
}

impl Verdict {
    /// Weighs what a reader noted.
    pub fn of<'a>(warnings: impl IntoIterator<Item = &'a SeriesWarning>) -> Self {
        let mut reasons: Vec<Reason> = Vec::new();
        for finding in warnings {
            let level = finding.geometry_level();
            if level > Level::Green && !reasons.iter().any(|reason| reason.finding == *finding) {
                reasons.push(Reason { level, finding: finding.clone() });
            }
        }
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.level));
        Self { level: reasons.first().map_or(Level::Green, |reason| reason.level), reasons }
    }

    /// Whether lengths and positions are to be kept back until somebody has taken note of the reasons.
    pub fn withholds_mm(&self) -> bool {
        self.level == Level::Red
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spacing::SpacingSource;

    #[test]
    fn the_worst_reason_decides_and_comes_first() {
        let tilt = SeriesWarning::GantryTilt { degrees: 13.5 };
        let gap = SeriesWarning::MissingSlices { count: 1, after_slice: vec![19] };
        let verdict = Verdict::of([&tilt, &gap, &SeriesWarning::RescaleVaries, &tilt]);
        assert_eq!((verdict.level, verdict.reasons.len()), (Level::Red, 2));
        assert_eq!(verdict.reasons[0].finding, gap);
        assert_eq!(verdict.reasons[1].to_string(), "Gantry tilt of 13.5°; shown without distortion.");
        assert!(verdict.withholds_mm());
        assert_eq!(Verdict::of([&tilt]).level, Level::Amber);
        assert_eq!(Verdict::of([&SeriesWarning::RescaleVaries]), Verdict::default());
    }

    #[test]
    fn uneven_spacing_is_red_once_a_gap_reaches_one_and_a_half_times_the_usual_distance() {
        let level = |max_mm| {
            Verdict::of([&SeriesWarning::UnevenSpacing { min_mm: 4.0, max_mm, median_mm: 4.0 }]).level
        };
        assert_eq!((level(5.99), level(6.0)), (Level::Amber, Level::Red));
    }

    #[test]
    fn lengths_that_do_not_exist_are_red_and_those_of_the_detector_amber() {
        let level = |source| Verdict::of([&SeriesWarning::PixelSpacing { source }]).level;
        assert_eq!(level(SpacingSource::Detector), Level::Amber);
        assert_eq!(level(SpacingSource::AspectRatio), Level::Red);
        assert_eq!(level(SpacingSource::Missing), Level::Red);
        assert_eq!(level(SpacingSource::UltrasoundRegions), Level::Amber);
    }
}
