//! The command line through the real binary: contracts, numbers against independent truth, exit codes, bad input.
#![expect(clippy::unwrap_used, reason = "a test whose input is not as written fails")]

mod bad_input;
mod data;
mod objects;
mod pictures;
mod platform;
mod privacy;
mod selftest;
mod usage;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// Runs `lantern` and returns what it printed.
fn lantern(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lantern"))
        .args(arguments)
        .env_remove("LANTERN_LOG")
        .output()
        .expect("the binary was built for this test")
}

/// Runs a verb that prints JSON, checks its schema and returns the document.
fn json(verb: &str, arguments: &[&str]) -> Value {
    let mut all: Vec<&str> = verb.split(' ').collect();
    all.extend(arguments);
    all.push("--json");
    let output = lantern(&all);
    assert!(output.status.success(), "{all:?}: {}", stderr(&output));
    let document: Value = serde_json::from_slice(&output.stdout).expect("stdout is one JSON document");
    let schema = match verb.split(' ').next() {
        Some("info") => include_str!("../../../docs/schema/info.schema.json"),
        Some("selftest") => include_str!("../../../docs/schema/selftest.schema.json"),
        Some("tags") => include_str!("../../../docs/schema/tags.schema.json"),
        Some("probe") => include_str!("../../../docs/schema/probe.schema.json"),
        _ => include_str!("../../../docs/schema/bench.schema.json"),
    };
    let schema: Value = serde_json::from_str(schema).expect("the schema is JSON");
    if let Err(error) = jsonschema::validate(&schema, &document) {
        panic!("{verb} breaks its contract: {error}");
    }
    document
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}

/// The bundled study.
fn sample() -> std::path::PathBuf {
    test_support::data::workspace_root().join("assets/sample")
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("truth is readable")).expect("truth is JSON")
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("an array").iter().map(|v| v.as_f64().expect("a number")).collect()
}

fn assert_close(actual: &Value, expected: &Value, tolerance: f64, what: &str) {
    let (a, e) = if actual.is_array() {
        (numbers(actual), numbers(expected))
    } else {
        (vec![actual.as_f64().expect("a number")], vec![expected.as_f64().expect("a number")])
    };
    assert_eq!(a.len(), e.len(), "{what}");
    for (x, y) in a.iter().zip(&e) {
        assert!((x - y).abs() <= tolerance, "{what}: {actual} instead of {expected}");
    }
}
