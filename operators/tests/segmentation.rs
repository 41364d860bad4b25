//! Which components a label map keeps, how cavities are filled, and what is measured.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::path::Path;

use glam::{DMat3, DVec3};
use imaging::geometry::{Dims, Geometry};
use imaging::volume::Voxels;
use operators::OperatorError;
use serde_json::Value;
use support::*;

const DIMS: Dims = Dims::new(12, 9, 8);

/// A hollow box of 5³ with one voxel in its cavity, a bar of 3, two single voxels that touch by an edge, and a plate at
/// the border.
fn is_set([x, y, z]: [usize; 3]) -> bool {
    let shell = |i: usize| (1..=5).contains(&i);
    let core = |i: usize| (2..=4).contains(&i);
    let is_box = shell(x) && shell(y) && shell(z) && !(core(x) && core(y) && core(z));
    let is_bar = (7..=9).contains(&x) && y == 3 && z == 3;
    is_box || is_bar || [x, y, z] == [3, 3, 3] || matches!([x, y, z], [8, 6, 5] | [9, 7, 5]) || x == 11
}

fn segmented(arguments: &[&str]) -> (Vec<u8>, Value) {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    input_volume(&input);
    run("threshold_segmentation", &input, &output, arguments).0.unwrap();
    let mask = load(&output.join("mask.mha"));
    assert_same_place(mask.geometry(), load(&input).geometry(), 1e-12);
    let Voxels::U8(labels) = mask.voxels() else { panic!("{}", mask.voxels().type_name()) };
    let report = std::fs::read_to_string(output.join("mask.json")).unwrap();
    (labels.clone(), serde_json::from_str(&report).unwrap())
}

fn input_volume(folder: &Path) {
    let spacing = DVec3::new(1.0, 2.0, 5.0);
    let geometry = Geometry::new(DIMS, DVec3::new(10.0, 20.0, 30.0), spacing, DMat3::IDENTITY).unwrap();
    let values: Vec<i16> = (0..DIMS.x * DIMS.y * DIMS.z)
        .map(|i| if is_set([i % 12, i / 12 % 9, i / 108]) { 100 } else { -100 })
        .collect();
    save(volume(geometry, values), folder, "a.mha");
}

fn voxels(report: &Value) -> Vec<u64> {
    report["labels"].as_array().unwrap().iter().map(|label| label["voxels"].as_u64().unwrap()).collect()
}

const SHELL: u64 = 125 - 27;
const PLATE: u64 = 72;

#[test]
fn components_are_kept_by_rank_size_and_border() {
    let kept = |arguments: &[&str]| voxels(&segmented(&[&["--min", "0"], arguments].concat()).1);
    assert_eq!(kept(&[]), [SHELL + PLATE + 3 + 3], "all has label 1");
    assert_eq!(kept(&["--largest", "255"]), [SHELL, PLATE, 3, 1, 1, 1]);
    assert_eq!(kept(&["--largest", "255", "--connectivity", "26"]), [SHELL, PLATE, 3, 2, 1]);
    assert_eq!(kept(&["--largest", "3", "--exclude-border", "xy"]), [SHELL, 3, 1]);
    assert_eq!(kept(&["--largest", "3", "--merge"]), [SHELL + PLATE + 3]);
    // A voxel is 0.01 ml: three of them are in.
    assert_eq!(kept(&["--at-least-ml", "0.0299"]), [SHELL, PLATE, 3]);
    assert_eq!(kept(&["--at-least-ml", "0.0301"]), [SHELL, PLATE]);
    assert_eq!(kept(&["--at-least-ml", "100"]), [0; 0]);
}

#[test]
fn cavities_take_the_label_around_them_and_the_outside_stays() {
    let (labels, report) = segmented(&["--min", "0", "--largest", "2", "--fill-holes"]);
    // The single voxel in the cavity is not kept, so it is filled with the rest.
    assert_eq!(voxels(&report), [125, PLATE]);
    assert_eq!(report["hole_voxels_filled"], 27);
    assert_eq!(labels[(3 * 9 + 3) * 12 + 3], 1);
    assert_eq!(labels.iter().filter(|&&label| label == 0).count(), labels.len() - 125 - 72);
}

#[test]
fn the_report_measures_what_the_map_holds() {
    let (labels, report) = segmented(&["--min", "0", "--max", "100", "--largest", "3"]);
    let bar = &report["labels"][2];
    assert_eq!(labels.iter().filter(|&&label| label == 3).count(), 3);
    assert_eq!(bar["label"], 3);
    assert_eq!(bar["first_index"], serde_json::json!([7, 3, 3]));
    assert_eq!(bar["last_index"], serde_json::json!([9, 3, 3]));
    assert_eq!(bar["centroid_lps_mm"], serde_json::json!([18.0, 26.0, 45.0]));
    assert_eq!(bar["min_lps_mm"], serde_json::json!([16.5, 25.0, 42.5]));
    assert_eq!(bar["max_lps_mm"], serde_json::json!([19.5, 27.0, 47.5]));
    assert!((bar["ml"].as_f64().unwrap() - 0.03).abs() < 1e-12);
    assert_eq!((&report["min"], &report["max"]), (&Value::from(0.0), &Value::from(100.0)));
    assert_eq!(report["components_found"], 6);
}

#[test]
fn more_components_than_labels_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let geometry = Geometry::axis_aligned(Dims::new(600, 1, 1), DVec3::ZERO, DVec3::ONE).unwrap();
    let values: Vec<i16> = (0..600).map(|i| i % 2).collect();
    save(volume(geometry, values), &folder.path().join("in"), "a.mha");
    let segment = |arguments: &[&str]| {
        run("threshold_segmentation", &folder.path().join("in"), &folder.path().join("out"), arguments).0
    };
    let error = segment(&["--min", "1", "--at-least-ml", "0"]).unwrap_err();
    assert!(matches!(error, OperatorError::TooManyLabels { found: 300, max: 255 }), "{error}");
    segment(&["--min", "1", "--at-least-ml", "0", "--merge"]).unwrap();
}
