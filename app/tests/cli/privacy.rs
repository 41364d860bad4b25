//! `tags` and `deidentify`: contracts, exit codes, and that nothing is written where it must not be.

use std::path::Path;

use serde_json::Value;

use super::{json, lantern, sample, stderr, text};

fn first_file() -> std::path::PathBuf {
    let files = std::fs::read_dir(sample()).unwrap().flatten().map(|entry| entry.path());
    files.filter(|path| path.extension().is_some_and(|e| e == "dcm")).min().unwrap()
}

fn stdout(arguments: &[&str]) -> String {
    let output = lantern(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn tags_lists_searches_and_compares() {
    let file = first_file();
    let file = text(&file);
    let all = json("tags", &[file]);
    let rows = all["rows"].as_array().unwrap();
    assert!(rows.iter().any(|row| row["keyword"] == "TransferSyntaxUID"));
    let found = json("tags", &[file, "--search", "(0008,0060)"]);
    assert_eq!(found["rows"].as_array().unwrap().len(), 1);
    assert_eq!(found["rows"][0]["value"], "CT");
    assert!(stdout(&["tags", file, "--search", "modality"]).starts_with("(0008,0060) CS Modality = CT\n"));
    assert!(stdout(&["tags", file, "--frame", "1"]).contains("(0028,0010) US Rows = "));
    let same = json("tags", &[file, "--compare", file]);
    assert_eq!(same["comparison"]["differences"], serde_json::json!([]));
    assert_eq!(same["comparison"]["same"], rows.len());
    assert!(stdout(&["tags", file, "--compare", file]).ends_with("0 only in the second\n"));
}

#[test]
fn tags_refuses_frames_that_are_not_there_and_files_that_are_no_dicom() {
    let file = first_file();
    let output = lantern(&["tags", text(&file), "--frame", "7"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let truth = sample().join("truth.json");
    let output = lantern(&["tags", text(&truth)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("not DICOM"), "{}", stderr(&output));
}

fn files_below(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().flatten();
    entries.filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path).collect()
}

#[test]
fn deidentify_writes_copies_named_by_counters_and_a_report_beside_them() {
    let folder = tempfile::tempdir().unwrap();
    let (copies, report) = (folder.path().join("copies"), folder.path().join("report.json"));
    let arguments = [
        "deidentify",
        text(&sample()),
        "--output",
        text(&copies),
        "--patient-id",
        "CASE-7",
        "--keep",
        "shifted-dates,device",
        "--report",
        text(&report),
    ]
    .map(str::to_owned);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let said = stdout(&arguments);
    assert!(said.contains(" copies written"), "{said}");
    assert!(said.contains("(0008,0018) mapped   SOPInstanceUID"), "{said}");
    let names = files_below(&copies);
    assert!(names.iter().all(|path| path.starts_with(copies.join("patient-1/study-1/series-1"))));
    let document: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    let schema = include_str!("../../../docs/schema/deidentify.schema.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    jsonschema::validate(&schema, &document).unwrap();
    assert_eq!(document["written"], names.len());
    assert!(!document.to_string().contains("\"values\""));
    let id = json("tags", &[text(&names[0]), "--search", "PatientID"]);
    assert_eq!(id["rows"][0]["value"], "CASE-7");
    // A second run neither adds to the copies nor overwrites the report.
    assert_eq!(lantern(&arguments).status.code(), Some(1));
    assert_eq!(files_below(&copies), names);
}

#[test]
fn deidentify_writes_nothing_in_a_dry_run_or_where_it_must_not() {
    let folder = tempfile::tempdir().unwrap();
    let copies = folder.path().join("copies");
    let dry = stdout(&["deidentify", text(&sample()), "--output", text(&copies), "--dry-run"]);
    assert!(dry.contains("would be written") && !copies.exists(), "{dry}");
    let check = |arguments: &[&str], code: i32, message: &str| {
        let output = lantern(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(message), "{arguments:?}: {}", stderr(&output));
    };
    let inside = sample().join("copies");
    check(&["deidentify", text(&sample()), "--output", text(&inside)], 1, "input folder");
    check(&["deidentify", text(&sample())], 2, "--output");
    check(&["deidentify", text(&sample()), "--output", text(&copies), "--key", "12"], 2, "16 to 64 bytes");
    let sample = sample();
    let both = ["deidentify", text(&sample), "--output", text(&copies), "--keep", "dates,shifted-dates"];
    check(&both, 2, "not both");
    let report = copies.join("report.json");
    let among = ["deidentify", text(&sample), "--output", text(&copies), "--report", text(&report)];
    check(&among, 2, "somewhere else");
    assert!(!copies.exists() && !inside.exists());
}
