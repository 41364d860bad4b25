//! What the self-test found, and the table of it.

use std::fmt::Write;
use std::time::Duration;

use render_core::AdapterReport;

use crate::{Measured, SelftestError};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Within its limit.
    Passed,
    /// Beyond its limit, or without a result.
    Failed,
    /// Not run, because there is nothing to run it on.
    Skipped,
}

impl Status {
    /// `passed`, `failed` or `skipped`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// The result of one check.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Where and what: `read/pixel-spacing`, `cpu/window-linear`, `gpu/window-linear`.
    pub name: String,
    /// What is checked, as a phrase.
    pub what: &'static str,
    /// How far the worst result was off; `None` without a result.
    pub measured: Option<f64>,
    /// How far it may be; `None` without a result.
    pub limit: Option<f64>,
    /// Unit of both.
    pub unit: &'static str,
    /// How it ended.
    pub status: Status,
    /// Why there is no result.
    pub note: Option<String>,
}

impl Outcome {
    pub(crate) fn of(name: String, what: &'static str, result: Result<Measured, SelftestError>) -> Self {
        match result {
            Ok(found) => Self {
                name,
                what,
                measured: Some(found.deviation),
                limit: Some(found.limit),
                unit: found.unit,
                status: if found.is_passed() { Status::Passed } else { Status::Failed },
                note: None,
            },
            Err(error) => Self::without_result(name, what, Status::Failed, chain(&error)),
        }
    }

    pub(crate) fn skipped(name: String, what: &'static str, reason: String) -> Self {
        Self::without_result(name, what, Status::Skipped, reason)
    }

    fn without_result(name: String, what: &'static str, status: Status, note: String) -> Self {
        Self { name, what, measured: None, limit: None, unit: "", status, note: Some(note) }
    }

    /// Deviation and limit, or why there are none: `0.2 of 1 levels`.
    pub fn result_text(&self) -> String {
        match (self.measured, self.limit, &self.note) {
            (Some(measured), Some(limit), _) => {
                format!("{} (limit {}) {}", short(measured), short(limit), self.unit)
            }
            (_, _, Some(note)) => note.clone(),
            _ => String::new(),
        }
    }
}

/// `a: b: c` of an error and its causes.
fn chain(error: &SelftestError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

/// Three digits at most: nobody reads more of a deviation.
fn short(value: f64) -> String {
    if value == 0.0 || (1e-3..1e4).contains(&value.abs()) {
        let text = format!("{value:.3}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        format!("{value:.1e}")
    }
}

/// All outcomes, in the order of the checks.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// One per check.
    pub outcomes: Vec<Outcome>,
    /// What the `gpu/` checks ran on; `None` where there is no adapter or it was not wanted.
    pub adapter: Option<AdapterReport>,
    /// From the first phantom to the last picture.
    pub took: Duration,
}

impl Report {
    /// Whether nothing failed.
    pub fn is_passed(&self) -> bool {
        !self.outcomes.is_empty() && self.count(Status::Failed) == 0
    }

    /// How many checks ended so.
    pub fn count(&self, status: Status) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.status == status).count()
    }

    /// One sentence: how many passed, failed and were left out.
    pub fn summary(&self) -> String {
        let [passed, failed, skipped] =
            [Status::Passed, Status::Failed, Status::Skipped].map(|s| self.count(s));
        let mut text = format!("{passed} passed, {failed} failed");
        if skipped > 0 {
            let _ = write!(text, ", {skipped} skipped");
        }
        let _ = write!(text, " in {:.1} s", self.took.as_secs_f64());
        text
    }

    /// The whole report as plain text: a heading, a line per check, the summary.
    pub fn text(&self) -> String {
        let adapter = self.adapter.as_ref().map_or_else(
            || "none checked".to_owned(),
            |a| if a.driver.is_empty() { a.to_string() } else { format!("{a}, driver {}", a.driver) },
        );
        let version = env!("CARGO_PKG_VERSION");
        let mut text = format!("Lantern {version} self-test, graphics adapter {adapter}\n\n");
        let names = self.outcomes.iter().map(|o| o.name.len()).max().unwrap_or(0);
        let results: Vec<String> = self.outcomes.iter().map(Outcome::result_text).collect();
        let widest = results.iter().map(|r| r.chars().count()).filter(|n| *n <= 40).max().unwrap_or(0);
        for (outcome, result) in self.outcomes.iter().zip(&results) {
            let status = outcome.status.name();
            let _ =
                writeln!(text, "{status:<8} {:<names$}  {result:<widest$}  {}", outcome.name, outcome.what);
        }
        let _ = write!(text, "\n{}", self.summary());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(deviation: f64) -> Outcome {
        let found = Measured { deviation, limit: 1.0, unit: "mm" };
        Outcome::of("read/x".to_owned(), "x", Ok(found))
    }

    #[test]
    fn only_what_is_within_the_limit_passes() {
        assert_eq!(outcome(1.0).status, Status::Passed);
        assert_eq!(outcome(1.001).status, Status::Failed);
        assert_eq!(outcome(f64::NAN).status, Status::Failed);
        assert_eq!(outcome(f64::INFINITY).status, Status::Failed);
    }

    #[test]
    fn a_report_passes_if_something_was_checked_and_nothing_failed() {
        let report = |outcomes| Report { outcomes, ..Report::default() };
        assert!(!report(Vec::new()).is_passed());
        let skipped = Outcome::skipped("gpu/x".to_owned(), "x", "no adapter".to_owned());
        assert!(report(vec![outcome(0.0), skipped.clone()]).is_passed());
        assert!(!report(vec![outcome(0.0), skipped, outcome(2.0)]).is_passed());
    }
}
