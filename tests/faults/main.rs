//! `docs/faults.md`: what can go wrong with the platform server, where it ends, and the tests that do it.
//!
//! The table is `table`. A named test that does not exist, or a page that is not what the table says, fails here, so
//! the page cannot drift; `UPDATE_DOCS=1 cargo test -p workspace-tests --test faults` writes it anew.

mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use table::{FAULTS, Fault};
use test_support::data::workspace_root;

/// Whether a source file has a test of this name, with or without a runtime.
fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let heads = [format!("fn {name}("), format!("async fn {name}(")];
    lines.iter().enumerate().any(|(i, line)| {
        let before = lines.get(i.saturating_sub(4)..i).unwrap_or_default();
        let mut attributes = before.iter().rev().take_while(|line| line.starts_with('#'));
        heads.iter().any(|head| line.starts_with(head))
            && attributes.any(|line| *line == "#[test]" || line.starts_with("#[tokio::test"))
    })
}

/// The page as the table has it.
fn page(faults: &[Fault]) -> String {
    let mut page = String::from(
        "# Faults\n\n\
         What can go wrong with the platform server, where it has to end, and the tests that really do it.\n\
         Made from the table in `tests/faults/table.rs`, which is held against the tests themselves; do not edit by \
         hand.\n\n\
         | fault | end | test |\n|---|---|---|\n",
    );
    for fault in faults {
        let names = fault.tests.iter().map(|(path, name)| format!("`{path}`: `{name}`"));
        let tests = names.collect::<Vec<_>>().join("<br>");
        let _ = writeln!(page, "| {} | {} | {tests} |", fault.fault, fault.end);
    }
    page
}

#[test]
fn every_test_that_the_table_names_exists() {
    let root = workspace_root();
    let mut sources: BTreeMap<&str, String> = BTreeMap::new();
    let mut missing = Vec::new();
    for (path, name) in FAULTS.iter().flat_map(|fault| fault.tests) {
        let source = sources
            .entry(path)
            .or_insert_with(|| std::fs::read_to_string(root.join(path)).unwrap_or_default());
        if !has_test(source, name) {
            missing.push(format!("{path}: {name}"));
        }
    }
    assert!(missing.is_empty(), "no such tests:\n{}", missing.join("\n"));
}

#[test]
fn the_page_is_what_the_table_says() {
    let path = workspace_root().join("docs/faults.md");
    let expected = page(FAULTS);
    if std::env::var_os("UPDATE_DOCS").is_some_and(|value| value == "1") {
        std::fs::write(&path, &expected).expect("docs/ is writable");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "docs/faults.md is old; UPDATE_DOCS=1 writes it anew");
}

#[test]
fn a_name_in_a_comment_or_without_the_attribute_is_no_test() {
    let source = "#[test]\nfn real() {}\n// fn commented()\nfn helper() {}\n\
                  #[tokio::test(flavor = \"multi_thread\")]\nasync fn awaited() {}\n";
    let found = ["real", "awaited", "commented", "helper", "absent"].map(|name| has_test(source, name));
    assert_eq!(found, [true, true, false, false, false]);
}

#[test]
fn rows_are_one_line_each_and_named_once() {
    let mut seen = BTreeSet::new();
    for fault in FAULTS {
        for text in [fault.fault, fault.end] {
            assert!(!text.is_empty() && !text.contains(['|', '\n']), "{}", fault.fault);
        }
        assert!(!fault.tests.is_empty() && seen.insert(fault.fault), "{}", fault.fault);
    }
}
