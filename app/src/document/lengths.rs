//! Whether a length may be shown, and with which words.

use imaging::spacing::SpacingSource;
use imaging::verdict::Verdict;

/// How lengths and positions of a series are to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lengths {
    /// With this unit behind the number: `mm`, `mm (detector)`, …
    Millimetres(String),
    /// There are none; distances count pixels.
    Pixels,
    /// Kept back until somebody takes note of what is wrong with the geometry.
    Withheld,
}

impl Lengths {
    /// Decides for a series.
    pub fn of(source: &SpacingSource, verdict: &Verdict, is_acknowledged: bool) -> Self {
        if !source.is_length() {
            Self::Pixels
        } else if verdict.withholds_mm() && !is_acknowledged {
            Self::Withheld
        } else {
            Self::Millimetres(source.label())
        }
    }

    /// A number with its unit, or the words that stand for it.
    pub fn text(&self, number: &str) -> String {
        match self {
            Self::Millimetres(unit) => format!("{number} {unit}"),
            Self::Pixels => format!("{number} px"),
            Self::Withheld => "mm withheld".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imaging::series::SeriesWarning;

    #[test]
    fn red_withholds_millimetres_until_acknowledged() {
        let red = Verdict::of([&SeriesWarning::MissingSlices { count: 1, after_slice: vec![3] }]);
        let lengths = |source: SpacingSource, is_acknowledged| Lengths::of(&source, &red, is_acknowledged);
        assert_eq!(lengths(SpacingSource::Patient, false).text("50"), "mm withheld");
        assert_eq!(lengths(SpacingSource::Patient, true).text("50"), "50 mm");
        assert_eq!(lengths(SpacingSource::Detector, true).text("50"), "50 mm (detector)");
        assert_eq!(lengths(SpacingSource::AspectRatio, false).text("50"), "50 px");
        let green = Verdict::default();
        assert_eq!(Lengths::of(&SpacingSource::Patient, &green, false).text("50"), "50 mm");
    }
}
