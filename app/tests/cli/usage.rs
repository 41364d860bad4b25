//! Help and exit codes.

use super::{lantern, sample, stderr, text};

#[test]
fn every_verb_explains_itself() {
    for verb in [
        "",
        "info",
        "probe",
        "tags",
        "deidentify",
        "render",
        "bench",
        "bench load",
        "bench slice",
        "bench volume",
        "bench window",
        "selftest",
        "create",
        "create pipelines",
        "create job",
        "list jobs",
        "describe job",
        "update pipeline",
        "delete jobs",
        "start job",
        "cancel jobs",
        "set priority",
        "logs",
        "upload",
        "download",
        "download model",
        "metadata add",
        "watch",
        "generate",
        "users add",
        "tokens create",
        "audit",
        "version",
        "config",
    ] {
        let mut arguments: Vec<&str> = verb.split_whitespace().collect();
        arguments.push("--help");
        let output = lantern(&arguments);
        assert_eq!(output.status.code(), Some(0), "{verb}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("Usage:"), "{verb}");
    }
}

#[test]
fn bad_usage_ends_with_two_and_says_what_is_wrong() {
    let sample = sample();
    let path = text(&sample);
    let check = |arguments: &[&str], message: &str| {
        let output = lantern(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(message), "{arguments:?}: {}", stderr(&output));
        assert!(output.stdout.is_empty(), "{arguments:?}");
    };
    check(&["info"], "required");
    check(&["info", path, "--nonsense"], "--nonsense");
    check(&["probe", path], "--index");
    check(&["probe", path, "--index", "1,2"], "three numbers");
    check(&["probe", path, "--index=0,0,0", "--series", "1.2.3"], "1.2.3");
    check(&["probe", path, "--index=0,0,0", "--time", "7"], "time point 7");
    check(&["render", path, "--view", "axial", "--size", "0x0", "--out", "x.png"], "WIDTHxHEIGHT");
    check(&["render", path, "--view", "sideways", "--out", "x.png"], "sideways");
    check(&["render", path, "--view", "axial", "--preset", "Purple", "--out", "x.png"], "Purple");
    check(&["render", path, "--view", "oblique", "--normal=0,0,0", "--out", "x.png"], "--normal");
    check(&["selftest", "surplus"], "surplus");
    check(&["selftest", "--renderer", "crayon"], "crayon");
    check(&["bench", "volume", path, "--frames", "0"], "--frames");
    check(&["create", "job", "-n", "x"], "--pipeline");
    check(&["create", "job", "-n", "x", "-p", "1", "--wait"], "--start");
    check(&["create", "job", "-n", "x", "-p", "1", "-i", "urgent"], "urgent");
    check(&["list", "jobs", "--created-after", "yesterday"], "YYYY-MM-DD");
    check(&["list", "jobs", "--server", "lab", "--profile", "lab"], "--profile");
    check(&["logs", "-j", "1"], "--operator");
    check(&["metadata", "add", "job", "1", "novalue"], "NAME=VALUE");
}

#[test]
fn version_is_the_crates() {
    let output = lantern(&["--version"]);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        concat!("lantern ", env!("CARGO_PKG_VERSION"))
    );
}
