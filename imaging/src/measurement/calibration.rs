//! Lengths that a person vouches for: an object of known size in the picture.

use super::drawing::Drawing;
use super::kind::DrawingKind;

/// What one unit of the grid is in millimetres, and who says so.
///
/// Replaces every other source of lengths: what the file states is multiplied by [`Self::mm_per_unit`], whether it is
/// millimetres (at the detector, say) or pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    mm_per_unit: f64,
    known_mm: f64,
    drawn: f64,
    drawn_unit: String,
    by: String,
    at: String,
}

/// Why a known length calibrates nothing.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum CalibrationError {
    #[error("a known length is set on a finished line, not on a `{kind}`", kind = .kind.id())]
    NotALine { kind: DrawingKind },
    #[error("a line of {drawn} {unit} cannot stand for {known_mm} mm")]
    Implausible { drawn: f64, unit: String, known_mm: f64 },
}

/// Larger corrections are slips of the pointer or of the keyboard.
const MAX_FACTOR: f64 = 1e6;

impl Calibration {
    /// From a line and its true length. `unit` is that of the grid (`mm (detector)`, `px`: the label of its
    /// [`SpacingSource`](crate::spacing::SpacingSource)); `by` and `at` say who set it and when, for people.
    ///
    /// # Errors
    /// [`CalibrationError`] for another drawing, and for lengths that are not positive or cannot belong together.
    pub fn from_line(
        line: &Drawing,
        known_mm: f64,
        unit: &str,
        [by, at]: [&str; 2],
    ) -> Result<Self, CalibrationError> {
        let (DrawingKind::Length, [a, b]) = (line.kind(), line.points_lps()) else {
            return Err(CalibrationError::NotALine { kind: line.kind() });
        };
        Self::from_lengths(a.distance(*b), known_mm, unit, [by, at])
    }

    /// From the length of something as the grid states it, and its true length; see [`Self::from_line`].
    ///
    /// # Errors
    /// [`CalibrationError::Implausible`].
    pub fn from_lengths(
        drawn: f64,
        known_mm: f64,
        unit: &str,
        [by, at]: [&str; 2],
    ) -> Result<Self, CalibrationError> {
        let mm_per_unit = known_mm / drawn;
        let is_plausible = known_mm.is_finite()
            && known_mm > 0.0
            && drawn.is_finite()
            && drawn > 0.0
            && (1.0 / MAX_FACTOR..=MAX_FACTOR).contains(&mm_per_unit);
        if !is_plausible {
            return Err(CalibrationError::Implausible { drawn, unit: unit.to_owned(), known_mm });
        }
        let drawn_unit = unit.to_owned();
        Ok(Self { mm_per_unit, known_mm, drawn, drawn_unit, by: by.to_owned(), at: at.to_owned() })
    }

    /// Millimetres per unit of the grid.
    pub fn mm_per_unit(&self) -> f64 {
        self.mm_per_unit
    }

    /// The true length that was set.
    pub fn known_mm(&self) -> f64 {
        self.known_mm
    }

    /// What the grid states for the same line.
    pub fn drawn(&self) -> f64 {
        self.drawn
    }

    /// Unit of [`Self::drawn`].
    pub fn drawn_unit(&self) -> &str {
        &self.drawn_unit
    }

    /// Who set it.
    pub fn by(&self) -> &str {
        &self.by
    }

    /// When it was set.
    pub fn at(&self) -> &str {
        &self.at
    }

    /// Where the millimetres come from, in words.
    pub fn provenance(&self) -> String {
        let Self { mm_per_unit, known_mm, drawn, drawn_unit, by, at } = self;
        let named = |word: &str, text: &str| {
            if text.is_empty() { String::new() } else { format!(" {word} {text}") }
        };
        format!(
            "a line of {drawn:.2} {drawn_unit} was set to {known_mm} mm{}{} (× {mm_per_unit:.6})",
            named("by", by),
            named("on", at)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calibration_says_where_it_comes_from() {
        let calibration =
            Calibration::from_lengths(40.0, 50.0, "px", ["M. Mustermann", "2026-01-02"]).unwrap();
        assert_eq!(calibration.mm_per_unit(), 1.25);
        assert_eq!(
            calibration.provenance(),
            "a line of 40.00 px was set to 50 mm by M. Mustermann on 2026-01-02 (× 1.250000)"
        );
    }

    #[test]
    fn lengths_that_cannot_be_are_refused() {
        for (drawn, known) in
            [(0.0, 5.0), (5.0, 0.0), (5.0, -1.0), (5.0, f64::NAN), (1e-9, 1e9), (f64::INFINITY, 1.0)]
        {
            assert!(Calibration::from_lengths(drawn, known, "px", ["", ""]).is_err(), "{drawn} {known}");
        }
    }
}
