//! `lantern selftest` through the binary.

use std::time::{Duration, Instant};

use super::{json, lantern, stderr};

#[test]
fn selftest_passes_within_a_minute_and_keeps_its_contract() {
    let started = Instant::now();
    let report = json("selftest", &["--renderer", "auto"]);
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    assert_eq!(report["passed"], true);
    let checks = report["checks"].as_array().unwrap();
    let status = |prefix: &str| -> Vec<&str> {
        let named = checks.iter().filter(|check| check["name"].as_str().unwrap().starts_with(prefix));
        named.map(|check| check["status"].as_str().unwrap()).collect()
    };
    for prefix in ["read/", "statistics/", "cpu/"] {
        assert!(!status(prefix).is_empty() && status(prefix).iter().all(|s| *s == "passed"), "{prefix}");
    }
    let expected = if report["adapter"].is_null() { "skipped" } else { "passed" };
    assert!(!status("gpu/").is_empty() && status("gpu/").iter().all(|s| *s == expected), "{report}");
}

#[test]
fn the_table_of_the_processor_alone_names_every_check() {
    let output = lantern(&["selftest", "--renderer", "cpu"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = String::from_utf8_lossy(&output.stdout);
    for name in ["read/pixel-spacing", "statistics/shapes", "cpu/slab-digits", "gpu/slab-digits"] {
        assert!(text.contains(name), "{name} is missing: {text}");
    }
    assert!(text.contains("0 failed, 15 skipped"), "{text}");
}

#[test]
fn a_selftest_without_a_place_for_files_fails_and_says_so() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_lantern"))
        .args(["selftest", "--renderer", "cpu"])
        .env("TMPDIR", "/nonexistent/lantern")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cannot write phantoms"), "{}", stderr(&output));
}
