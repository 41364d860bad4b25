//! Printing: data to stdout, errors to stderr, each error chain once.

use std::io::{ErrorKind, Write};

use serde::Serialize;

/// Prints a value as one line of JSON.
pub(super) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    text(&serde_json::to_string(value)?)
}

/// Prints text and a line end.
pub(super) fn text(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}

/// Prints a note for people; never mixed with data.
pub(super) fn note(text: &str) {
    // Nothing sensible can be done if stderr is gone.
    let _ = writeln!(std::io::stderr().lock(), "lantern: {text}");
}

/// Prints an error with its causes, `a: b: c`.
pub(super) fn report(error: &anyhow::Error) {
    note(&format!("{error:#}"));
}

/// Whether the reader of our output went away, which is no failure.
pub(super) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == ErrorKind::BrokenPipe)
}

/// JSON has no NaN or infinity: such numbers become `null`.
pub(super) fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
