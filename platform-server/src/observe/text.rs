//! The text form of metrics. Source: Prometheus, "Exposition formats", version 0.0.4.

use std::fmt::{Display, Write};

/// Lines of metrics.
#[derive(Default)]
pub(super) struct Page(String);

impl Page {
    /// Begins a metric: its type (`counter`, `gauge` or `histogram`) and what it means.
    pub(super) fn metric(&mut self, name: &str, kind: &str, help: &str) {
        // Writing into a text cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// One number of a metric.
    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (n, (label, text)) in labels.iter().enumerate() {
            self.0.push(if n == 0 { '{' } else { ',' });
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{label}=\"{text}\"");
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{end} {value}");
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_cannot_break_out_of_their_quotes() {
        let mut page = Page::default();
        page.metric("m", "gauge", "A thing.");
        page.sample("m", &[], 1);
        page.sample("m", &[("a", "x\"} 9\n\\"), ("b", "")], 2.5);
        assert_eq!(
            page.into_text(),
            "# HELP m A thing.\n# TYPE m gauge\nm 1\nm{a=\"x\\\"} 9\\n\\\\\",b=\"\"} 2.5\n"
        );
    }
}
