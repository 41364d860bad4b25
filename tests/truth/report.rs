//! What was compared, what differs, and what nobody knew what to do with.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use serde_json::Value;

use crate::differences::{KNOWN, NOT_ASKED};

/// Results of one run over all truth files.
#[derive(Default)]
pub(crate) struct Report {
    /// Comparisons made, by truth file.
    compared: BTreeMap<String, usize>,
    /// Item and key, with what was found instead.
    differences: BTreeMap<(String, String), String>,
    /// Keys for which no comparison is written and which no table explains.
    unknown: BTreeSet<String>,
    /// Keys of `NOT_ASKED` that occurred.
    not_asked: BTreeSet<&'static str>,
    /// The truth file at work.
    file: String,
}

impl Report {
    /// From here on comparisons count for this truth file.
    pub(crate) fn begin(&mut self, file: &str) {
        self.file = file.to_owned();
        self.compared.entry(self.file.clone()).or_default();
    }

    /// One comparison.
    pub(crate) fn check(
        &mut self,
        item: &str,
        key: &str,
        is_same: bool,
        found: impl Debug,
        expected: impl Debug,
    ) {
        *self.compared.entry(self.file.clone()).or_default() += 1;
        if !is_same {
            let mut text = format!("{found:?}, expected {expected:?}");
            if text.len() > 300 {
                text = text.chars().take(300).chain(['…']).collect();
            }
            self.differences.entry((item.to_owned(), key.to_owned())).or_insert(text);
        }
    }

    /// Exactly the same text, number, or list of them.
    pub(crate) fn equal(&mut self, item: &str, key: &str, found: impl Into<Value>, expected: &Value) {
        let found = found.into();
        let is_same = match (found.as_f64(), expected.as_f64()) {
            (Some(a), Some(b)) => a == b,
            _ => found == *expected,
        };
        self.check(item, key, is_same, found, expected);
    }

    /// Numbers that agree within `tolerance`, each.
    pub(crate) fn near(&mut self, item: &str, key: &str, found: &[f64], expected: &Value, tolerance: f64) {
        let numbers = numbers(expected);
        let is_same = numbers.len() == found.len()
            && found.iter().zip(&numbers).all(|(a, b)| (a - b).abs() <= tolerance);
        self.check(item, key, is_same, found, numbers);
    }

    /// A key without a comparison: explained by the table, or a failure.
    pub(crate) fn other(&mut self, item: &str, key: &str) {
        match NOT_ASKED.iter().find(|(known, _)| *known == key) {
            Some((known, _)) => {
                self.not_asked.insert(known);
            }
            None => {
                self.unknown.insert(format!("{item}: {key}"));
            }
        }
    }

    /// Everything that speaks against us, as lines; `is_complete` if all truth files were there.
    pub(crate) fn failures(&self, is_complete: bool) -> Vec<String> {
        let mut lines: Vec<String> =
            self.unknown.iter().map(|key| format!("{key}: nothing compares this key")).collect();
        for ((item, key), text) in &self.differences {
            if !KNOWN.iter().any(|known| known.covers(item, key)) {
                lines.push(format!("{item}: {key} is {text}"));
            }
        }
        if is_complete {
            let idle = |known: &&crate::differences::Known| {
                !self.differences.keys().any(|(item, key)| known.covers(item, key))
            };
            lines.extend(KNOWN.iter().filter(idle).map(|known| {
                format!("{}: {} differs no longer; take its row out of the table", known.item, known.key)
            }));
            let unseen = NOT_ASKED.iter().filter(|(key, _)| !self.not_asked.contains(key));
            lines.extend(unseen.map(|(key, _)| format!("no truth file has the key {key} any more")));
        }
        lines.extend(
            self.compared
                .iter()
                .filter(|(_, count)| **count == 0)
                .map(|(file, _)| format!("{file}: nothing compared")),
        );
        lines
    }

    /// How much was compared, for people who run the test by hand.
    pub(crate) fn summary(&self) -> String {
        let lines: Vec<String> =
            self.compared.iter().map(|(file, count)| format!("{count:7} comparisons in {file}")).collect();
        lines.join("\n")
    }
}

/// A number, or all numbers of a list however deep.
pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        other => vec![other.as_f64().unwrap_or(f64::NAN)],
    }
}

/// A list of indices.
pub(crate) fn indices(value: &Value) -> Vec<usize> {
    numbers(value).into_iter().map(|n| n as usize).collect()
}

/// SHA-256 as lower-case hexadecimal, by the system's own `sha256sum`.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut child = Command::new("sha256sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sha256sum is part of every system that the tests run on");
    child.stdin.take().expect("asked for").write_all(bytes).expect("sha256sum reads all of it");
    let output = child.wait_with_output().expect("sha256sum ends");
    String::from_utf8_lossy(&output.stdout).chars().take(64).collect()
}
