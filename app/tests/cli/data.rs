//! `info` and `probe` against truth that pydicom, SimpleITK and nibabel wrote down.

use serde_json::Value;

use super::{assert_close, json, read_json, sample, text};

#[test]
fn info_of_the_sample_equals_the_truth_beside_it() {
    let truth = read_json(&sample().join("truth.json"));
    let info = json("info", &[text(&sample())]);
    let all = info["series"].as_array().unwrap();
    assert_eq!(all.len(), 1);
    let s = &all[0];
    for field in ["modality", "series_uid", "dims", "unit", "transfer_syntax"] {
        assert_eq!(s[field], truth[field], "{field}");
    }
    assert_eq!(s["source"], "dicom");
    for field in ["spacing_mm", "origin_lps", "direction"] {
        assert_close(&s[field], &truth[field], 1e-5, field);
    }
    for (field, name) in [("min", "min"), ("max", "max"), ("mean", "mean"), ("sd", "sd")] {
        assert_close(&s[field], &truth["stats"][name], 1e-6, field);
    }
}

#[test]
fn info_tells_how_far_the_geometry_can_be_trusted() {
    let geometry = |path: &std::path::Path| json("info", &[text(path)])["series"][0]["geometry"].clone();
    let sound = geometry(&sample());
    assert_eq!((&sound["verdict"], &sound["length_unit"]), (&Value::from("green"), &Value::from("mm")));
    assert_eq!(sound["reasons"], serde_json::json!([]));
    let Some(tilted) = test_support::data("ct/ge-head-tilt/ge-head-tilt") else { return };
    let tilted = geometry(&tilted);
    assert_close(&tilted["tilt_degrees"], &Value::from(18.5), 0.05, "tilt");
    // Slices 4 mm apart, then 7 mm: more than one and a half times as far.
    assert_eq!(tilted["verdict"], "red");
    let reasons: Vec<&str> = tilted["reasons"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(reasons[0].starts_with("Slice spacing varies from 1.081 to 6.999 mm"), "{reasons:?}");
    assert!(reasons.iter().any(|r| r.starts_with("Gantry tilt of 18.5°")), "{reasons:?}");
    assert_eq!(tilted["empty_slices"], serde_json::json!([]), "the thicker slices touch");
}

#[test]
fn probe_answers_in_the_order_asked_whatever_the_flag() {
    let path = sample();
    let points = json(
        "probe",
        &[
            text(&path),
            "--index",
            "0,0,0",
            "--lps=-201,-59,-649.800049",
            "--index",
            "511.2,0,0",
            "--lps=0,0,5000",
        ],
    );
    let points = points["points"].as_array().unwrap();
    assert_eq!(points.len(), 4);
    assert_eq!(points[0]["value"], points[1]["value"]);
    assert_close(&points[1]["index"], &serde_json::json!([0.0, 0.0, 0.0]), 1e-6, "index of the origin");
    assert_eq!(points[2]["index"][0], 511.2);
    assert!(points[2]["value"].is_number());
    assert!(points[3]["value"].is_null() && points[3]["interpolated"].is_null());
    assert_eq!(points[0]["unit"], "HU");
}

/// Checks every sampled voxel of a truth file's series by index and by position.
fn check_samples(path: &str, series: &Value) {
    let samples = series["volume"]["voxel_samples"].as_array().unwrap();
    let mut flags = Vec::new();
    for sample in samples {
        let triple =
            |v: &Value| v.as_array().unwrap().iter().map(Value::to_string).collect::<Vec<_>>().join(",");
        flags.push(format!("--index={}", triple(&sample["ijk"])));
        flags.push(format!("--lps={}", triple(&sample["lps"])));
    }
    let mut arguments = vec![path, "--series", series["series_instance_uid"].as_str().unwrap()];
    arguments.extend(flags.iter().map(String::as_str));
    let document = json("probe", &arguments);
    let points = document["points"].as_array().unwrap();
    for (i, sample) in samples.iter().enumerate() {
        for point in &points[2 * i..2 * i + 2] {
            assert_close(&point["value"], &sample["value"], 1e-3, &sample["ijk"].to_string());
        }
        assert_close(&points[2 * i]["lps"], &sample["lps"], 1e-3, "LPS of an index");
    }
}

fn check_series(folder: &str, archive: &str) {
    let (Some(path), Some(truth)) = (
        test_support::data(&format!("{folder}/{archive}")),
        test_support::data(&format!("{folder}/truth.json")),
    ) else {
        return;
    };
    let truth = read_json(&truth);
    let info = json("info", &[text(&path)]);
    let found = info["series"].as_array().unwrap();
    for expected in truth["series"].as_array().unwrap() {
        let uid = &expected["series_instance_uid"];
        let Some(s) = found.iter().find(|s| &s["series_uid"] == uid) else { panic!("{uid} not found") };
        assert_eq!(s["modality"], expected["modality"]);
        let volume = &expected["volume"];
        if !volume.is_object() {
            continue;
        }
        assert_eq!(s["dims"], volume["size_xyz"], "{uid}");
        assert_close(&s["spacing_mm"], &volume["spacing_xyz"], 1e-4, "spacing");
        assert_close(&s["origin_lps"], &volume["origin_lps"], 1e-3, "origin");
        assert_close(&s["direction"], &volume["direction_row_major"], 1e-5, "direction");
        for (field, name) in [("min", "min"), ("max", "max"), ("mean", "mean"), ("sd", "std")] {
            assert_close(&s[field], &volume["stats"][name], 2e-3, field);
        }
        check_samples(text(&path), expected);
    }
}

#[test]
fn oblique_mr_has_true_numbers() {
    check_series("mr/mr-t1-7t-defaced", "mr-t1-7t-defaced");
}

#[test]
fn study_with_several_series_has_true_numbers() {
    check_series("study/philips-phantom-study", "philips-phantom-study");
}

#[test]
fn bench_prints_what_its_contract_says() {
    let path = sample();
    for verb in ["bench load", "bench slice", "bench volume"] {
        let size: &[&str] = if verb == "bench load" { &[] } else { &["--size", "64x48"] };
        let mut arguments = vec![text(&path), "--frames", "2"];
        arguments.extend(size);
        let report = json(verb, &arguments);
        assert_eq!(report["bytes"], 512 * 512 * 100 * 2);
        assert!(report["min_ms"].as_f64() <= report["median_ms"].as_f64());
        assert!(report["median_ms"].as_f64() <= report["max_ms"].as_f64());
    }
}

#[test]
fn volume_files_have_true_numbers() {
    let truth = read_json(&test_support::data::repository_data("truth.json"));
    for name in ["ct-body-3mm.nii.gz", "chest-ct-lung.mha", "epi-head-pair.mhd", "head-mr-brain1_label.nrrd"]
    {
        let path = test_support::data::repository_data(&format!("volumes/{name}"));
        let expected = &truth["volumes"][name];
        let info = json("info", &[text(&path)]);
        let s = &info["series"][0];
        assert_eq!(s["dims"], expected["size_xyz"], "{name}");
        assert_close(&s["spacing_mm"], &expected["spacing_xyz"], 1e-4, name);
        assert_close(&s["origin_lps"], &expected["origin_lps"], 1e-3, name);
        assert_close(&s["direction"], &expected["direction_row_major"], 1e-5, name);
        assert_close(&s["mean"], &expected["stats"]["mean"], 1e-3, name);
        assert_close(&s["sd"], &expected["stats"]["std"], 1e-3, name);
        let samples = expected["voxel_samples"].as_array().unwrap();
        let flags: Vec<String> = samples
            .iter()
            .map(|v| format!("--lps={}", v["lps"].to_string().trim_matches(['[', ']'])))
            .collect();
        let mut arguments = vec![text(&path)];
        arguments.extend(flags.iter().map(String::as_str));
        let points = json("probe", &arguments);
        for (point, sample) in points["points"].as_array().unwrap().iter().zip(samples) {
            assert_close(&point["value"], &sample["value"], 1e-6, name);
        }
    }
}

#[test]
fn info_names_the_colour_profile_and_keeps_stored_numbers() {
    let report = |name: &str| {
        let path = test_support::repository_data(&format!("made/color/{name}"));
        json("info", &[text(&path)])["series"][0].clone()
    };
    let profiled = report("adobe.png");
    assert_eq!(profiled["icc"], serde_json::json!({ "profile": "Made Adobe RGB", "changes_colors": true }));
    let grey_profile = report("grey_profile.png");
    assert!(grey_profile["icc"].is_null());
    for field in ["min", "max", "mean", "sd"] {
        assert_eq!(profiled[field], grey_profile[field], "{field} of the same stored colours");
    }
}
