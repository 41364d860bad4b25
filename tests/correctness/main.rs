//! `docs/correctness.md`: which mistakes other viewers made, the rule here, and the tests that hold it.
//!
//! The table is `traps`. A named test that does not exist, or a page that is not what the table says, fails here, so
//! the page cannot drift; `UPDATE_DOCS=1 cargo test -p workspace-tests --test correctness` writes it anew.

mod traps;

use std::collections::BTreeMap;
use std::fmt::Write;

use test_support::data::workspace_root;
use traps::{Held, TRAPS, Trap};

/// Whether a source file has a test of this name.
fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let head = format!("fn {name}(");
    lines.iter().enumerate().any(|(i, line)| {
        let before = lines.get(i.saturating_sub(4)..i).unwrap_or_default();
        let attributes = before.iter().rev().take_while(|line| line.starts_with('#'));
        line.starts_with(&head) && attributes.into_iter().any(|line| *line == "#[test]")
    })
}

/// The page as the table has it.
fn page(traps: &[Trap]) -> String {
    let mut page = String::from(
        "# Correctness\n\n\
         Mistakes that viewers of medical images have made, the rule that keeps this one from them, and the tests \
         that fail when the rule is broken.\n\
         Made from the table in `tests/correctness/traps.rs`, which is held against the tests themselves; do not \
         edit by hand.\n\
         *Not yet* says that no test holds the rule today, and why.\n\n\
         | trap | rule | test |\n|---|---|---|\n",
    );
    for trap in traps {
        let tests = match trap.held {
            Held::By(tests) => {
                let names = tests.iter().map(|(path, name)| format!("`{path}`: `{name}`"));
                names.collect::<Vec<_>>().join("<br>")
            }
            Held::NotYet(reason) => format!("*Not yet*: {reason}"),
        };
        let _ = writeln!(page, "| {} | {} | {tests} |", trap.trap, trap.rule);
    }
    page
}

#[test]
fn every_test_that_the_table_names_exists() {
    let root = workspace_root();
    let mut sources: BTreeMap<&str, String> = BTreeMap::new();
    let mut missing = Vec::new();
    for trap in TRAPS {
        let Held::By(tests) = trap.held else { continue };
        assert!(!tests.is_empty(), "{}", trap.trap);
        for (path, name) in tests {
            let source = sources
                .entry(path)
                .or_insert_with(|| std::fs::read_to_string(root.join(path)).unwrap_or_default());
            if !has_test(source, name) {
                missing.push(format!("{path}: {name}"));
            }
        }
    }
    assert!(missing.is_empty(), "no such tests:\n{}", missing.join("\n"));
}

#[test]
fn the_page_is_what_the_table_says() {
    let path = workspace_root().join("docs/correctness.md");
    let expected = page(TRAPS);
    if std::env::var_os("UPDATE_DOCS").is_some_and(|value| value == "1") {
        std::fs::write(&path, &expected).expect("docs/ is writable");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "docs/correctness.md is old; UPDATE_DOCS=1 writes it anew");
}

#[test]
fn a_name_in_a_comment_or_without_the_attribute_is_no_test() {
    let source =
        "#[test]\nfn real() {}\n// fn commented()\nfn helper() {}\n#[test]\n#[should_panic]\nfn late() {}\n";
    let found = ["real", "late", "commented", "helper", "absent"].map(|name| has_test(source, name));
    assert_eq!(found, [true, true, false, false, false]);
}

#[test]
fn rows_are_one_line_each_and_named_once() {
    let mut seen = std::collections::BTreeSet::new();
    for trap in TRAPS {
        let reason = if let Held::NotYet(reason) = trap.held { reason } else { "" };
        for text in [trap.trap, trap.rule, reason] {
            assert!(!text.contains(['|', '\n']), "{}", trap.trap);
        }
        assert!(seen.insert(trap.trap), "twice: {}", trap.trap);
        assert!(!trap.rule.is_empty());
    }
}
