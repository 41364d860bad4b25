//! Latencies of many jobs in few numbers.

use std::time::Duration;

use serde_json::{Map, Value, json};

/// How long the phases of a job took; absent where it did not come so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Latencies {
    pub(super) create: Option<Duration>,
    pub(super) upload: Option<Duration>,
    pub(super) start: Option<Duration>,
    /// From the answer to the start until the job was seen running.
    pub(super) queue: Option<Duration>,
    pub(super) run: Option<Duration>,
    /// From before the creation until the end was seen.
    pub(super) whole: Option<Duration>,
}

/// The phases in the order in which they come.
pub(super) const PHASES: [&str; 6] = ["create", "upload", "start", "queue", "run", "whole"];

impl Latencies {
    fn phase(&self, name: &str) -> Option<Duration> {
        match name {
            "create" => self.create,
            "upload" => self.upload,
            "start" => self.start,
            "queue" => self.queue,
            "run" => self.run,
            _ => self.whole,
        }
    }
}

/// The values of a phase in ms, smallest first.
fn sorted(phase: &str, all: &[&Latencies]) -> Vec<f64> {
    let mut values: Vec<f64> =
        all.iter().filter_map(|times| times.phase(phase)).map(|time| time.as_secs_f64() * 1000.0).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The smallest value that so many percent do not exceed (nearest rank); `None` of nothing.
fn percentile(sorted: &[f64], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied()
}

/// A line of the table.
pub(super) fn row(phase: &str, all: &[&Latencies]) -> Vec<String> {
    let values = sorted(phase, all);
    let shown =
        |percent| percentile(&values, percent).map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1}"));
    vec![phase.to_owned(), values.len().to_string(), shown(50), shown(90), shown(99), shown(100)]
}

/// All phases.
pub(super) fn json(all: &[&Latencies]) -> Value {
    let phase = |name: &&str| {
        let values = sorted(name, all);
        let value = json!({
            "n": values.len(),
            "p50_ms": percentile(&values, 50),
            "p90_ms": percentile(&values, 90),
            "p99_ms": percentile(&values, 99),
            "max_ms": percentile(&values, 100),
        });
        ((*name).to_owned(), value)
    };
    Value::Object(PHASES.iter().map(phase).collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        let at = |percent| percentile(&values, percent);
        assert_eq!((at(50), at(90), at(99), at(100)), (Some(50.0), Some(90.0), Some(99.0), Some(100.0)));
        assert_eq!(percentile(&[7.0], 50), Some(7.0));
        assert_eq!(percentile(&[1.0, 2.0, 3.0], 50), Some(2.0));
        assert_eq!(percentile(&[], 50), None);
    }

    #[test]
    fn phases_that_were_not_reached_do_not_count() {
        let one = Latencies { create: Some(Duration::from_millis(2)), ..Default::default() };
        assert_eq!(
            row("create", &[&one, &Latencies::default()]),
            ["create", "1", "2.0", "2.0", "2.0", "2.0"]
        );
        assert_eq!(row("run", &[&one]), ["run", "0", "-", "-", "-", "-"]);
    }
}
