//! The steps of the reference pipeline on the bundled chest CT, against what SimpleITK makes of it.
//!
//! `sample_truth.py` made `sample_truth.json`.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use glam::{DMat3, DVec3};
use imaging::geometry::{Dims, Geometry};
use imaging::volume::Sample;
use imaging::with_voxels;
use serde_json::Value;
use support::*;

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

#[test]
fn the_lungs_of_the_sample_are_those_of_another_tool() {
    let truth: Value = serde_json::from_str(include_str!("sample_truth.json")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let sample = test_support::data::workspace_root().join("assets/sample");
    run("series_writer", &sample, &path("volume"), &[]).0.unwrap();
    let cut = ["--to-threshold", "--min=-300", "--margin-mm", "5"];
    run("crop", &path("volume"), &path("crop"), &cut).0.unwrap();
    let lungs = [
        "--max=-400",
        "--exclude-border",
        "xy",
        "--largest",
        "2",
        "--at-least-ml",
        "200",
        "--fill-holes",
        "--compress",
    ];
    run("threshold_segmentation", &path("crop"), &path("lungs"), &lungs).0.unwrap();

    let size: Vec<usize> = floats(&truth["size"]).iter().map(|&n| n as usize).collect();
    // The other tool prints rows.
    let direction = DMat3::from_cols_array(&floats(&truth["direction"]).try_into().unwrap()).transpose();
    let expected = Geometry::new(
        Dims::new(size[0], size[1], size[2]),
        DVec3::from_slice(&floats(&truth["origin"])),
        DVec3::from_slice(&floats(&truth["spacing"])),
        direction,
    )
    .unwrap();
    let cropped = load(&path("crop"));
    assert_same_place(cropped.geometry(), &expected, 1e-9);
    let sum: f64 = with_voxels!(cropped.voxels(), samples => samples.iter().map(|v| v.to_f64()).sum());
    assert_eq!(Some(sum), truth["cropped_sum"].as_f64());

    let mask = load(&path("lungs/mask.mha"));
    assert_eq!(mask.voxels().type_name(), "uint8");
    assert_same_place(mask.geometry(), &expected, 1e-9);
    let report: Value =
        serde_json::from_str(&std::fs::read_to_string(path("lungs/mask.json")).unwrap()).unwrap();
    assert_eq!(report["components_found"], truth["components_found"]);
    assert_eq!(report["geometry"], "green");
    let (found, wanted) = (report["labels"].as_array().unwrap(), truth["labels"].as_array().unwrap());
    assert_eq!(found.len(), wanted.len());
    for (label, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        for key in ["voxels", "first_index", "last_index"] {
            assert_eq!(found[key], wanted[key], "{key}");
        }
        let counted = with_voxels!(mask.voxels(), samples => {
            samples.iter().filter(|v| v.to_f64() == (label + 1) as f64).count()
        });
        assert_eq!(Some(counted as u64), wanted["voxels"].as_u64());
        assert!((found["ml"].as_f64().unwrap() - wanted["ml"].as_f64().unwrap()).abs() < 1e-6);
        let (a, b) = (floats(&found["centroid_lps_mm"]), floats(&wanted["centroid_lps_mm"]));
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-6), "{a:?} instead of {b:?}");
    }
}
