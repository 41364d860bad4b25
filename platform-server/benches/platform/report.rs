//! Lines of figures, and which targets are missed.

/// Prints as it goes, since the whole takes minutes.
#[derive(Default)]
pub(crate) struct Report {
    missed: Vec<String>,
}

impl Report {
    /// A figure without a target.
    pub(crate) fn tell(&self, what: &str, figure: String) {
        eprintln!("  {what:<58} {figure}");
    }

    pub(crate) fn section(&self, name: &str) {
        eprintln!("{name}");
    }

    /// `value` has to be at most `target`.
    pub(crate) fn at_most(&mut self, what: &str, value: f64, target: f64, unit: &str, floor: &str) {
        self.judge(what, value, value <= target, &format!("≤ {target} {unit}"), unit, floor);
    }

    /// `value` has to be at least `target`.
    pub(crate) fn at_least(&mut self, what: &str, value: f64, target: f64, unit: &str, floor: &str) {
        self.judge(what, value, value >= target, &format!("≥ {target} {unit}"), unit, floor);
    }

    fn judge(&mut self, what: &str, value: f64, is_met: bool, target: &str, unit: &str, floor: &str) {
        let verdict = if is_met { "met" } else { "MISSED" };
        eprintln!("  {what:<58} {value:>9.2} {unit:<8} target {target:<12} {verdict:<7} {floor}");
        if !is_met {
            self.missed.push(what.to_owned());
        }
    }

    pub(crate) fn summarise(&self) {
        match self.missed.as_slice() {
            [] => eprintln!("all targets met"),
            missed => eprintln!("missed: {}", missed.join("; ")),
        }
    }
}
