//! What a box keeps, and that it stays where it was.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use glam::{DMat3, DVec3};
use operators::OperatorError;
use proptest::prelude::*;
use support::*;

/// Crops the numbered volume and looks every remaining voxel up in the original by its place in the patient.
fn check(direction: DMat3, arguments: &[&str]) -> [usize; 3] {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    let geometry = geometry(direction);
    save(volume(geometry, numbers(&geometry)), &input, "a.mha");
    run("crop", &input, &output, arguments).0.unwrap();
    let (whole, part) = (load(&input), load(&output));
    let d = part.dims();
    for i in 0..d.checked_count().unwrap() {
        let index = [i % d.x, i / d.x % d.y, i / d.x / d.y];
        let lps = part.geometry().lps_from_index().transform_point3(DVec3::from(index.map(|v| v as f64)));
        let there = geometry.nearest_index(lps).unwrap();
        let exact = geometry.lps_from_index().transform_point3(DVec3::from(there.map(|v| v as f64)));
        assert!(exact.abs_diff_eq(lps, 1e-9), "{exact} moved to {lps}");
        assert_eq!(part.value_at(index, 0, 0), whole.value_at(there, 0, 0));
    }
    d.to_array()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn voxels_keep_their_place_and_value(
        turn in 0usize..48,
        (x, y, z) in (0usize..5, 0usize..4, 0usize..3),
        (right, down, up) in (1usize..6, 1usize..5, 1usize..4),
    ) {
        let size = [right.min(5 - x), down.min(4 - y), up.min(3 - z)];
        let first = format!("{x},{y},{z}");
        let size_text = format!("{},{},{}", size[0], size[1], size[2]);
        let kept = check(orientations()[turn], &["--first-index", &first, "--size", &size_text]);
        prop_assert_eq!(kept, size);
    }
}

#[test]
fn a_box_in_millimetres_keeps_the_centres_in_it() {
    // Centres: x −12.375 + 0.7 i, y 70.1 + 1.25 j, z 3.3 + 2 k. The corners may come in any order.
    let kept = check(DMat3::IDENTITY, &["--first-lps", "-10.9,80,3.3", "--last-lps", "-11.7,71.3,5.4"]);
    assert_eq!(kept, [2, 3, 2]);
    let around_all = ["--first-lps", "-500,-500,-500", "--last-lps", "500,500,500"];
    assert_eq!(check(DMat3::from_rotation_z(0.4), &around_all), [5, 4, 3]);
}

#[test]
fn a_threshold_cuts_to_its_voxels_and_the_margin_to_whole_voxels_within_the_volume() {
    // Value −1000 + 37 i; 28 and 32 are (3, 1, 1) and (2, 2, 1).
    let range = ["--to-threshold", "--min", "36", "--max", "184"];
    assert_eq!(check(DMat3::IDENTITY, &range), [5, 2, 1]);
    assert_eq!(check(DMat3::IDENTITY, &["--to-threshold", "--min=36", "--max=36"]), [1, 1, 1]);
    let with =
        |margin| check(DMat3::IDENTITY, &["--to-threshold", "--min=36", "--max=36", "--margin-mm", margin]);
    assert_eq!(with("0.7"), [3, 3, 3]);
    assert_eq!(with("1.3"), [4, 4, 3]);
    assert_eq!(with("1000"), [5, 4, 3]);
}

#[test]
fn boxes_without_a_voxel_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let geometry = geometry(DMat3::IDENTITY);
    save(volume(geometry, numbers(&geometry)), &folder.path().join("in"), "a.mha");
    let refused = |arguments: &[&str]| {
        let output = folder.path().join("out");
        let error = run("crop", &folder.path().join("in"), &output, arguments).0.unwrap_err();
        assert!(!output.exists(), "nothing is left behind");
        error
    };
    for size in ["6,1,1", "0,1,1", "1,18446744073709551615,1"] {
        let error = refused(&["--first-index", "0,1,0", "--size", size]);
        assert!(matches!(error, OperatorError::BoxOutside { .. }), "{error}");
    }
    let error = refused(&["--first-lps", "0,0,0", "--last-lps", "1,1,1"]);
    assert!(matches!(error, OperatorError::BoxOutside { .. }), "{error}");
    let error = refused(&["--to-threshold", "--min", "30000"]);
    assert!(matches!(error, OperatorError::NothingInRange { .. }), "{error}");
}
