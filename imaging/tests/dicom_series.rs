//! Whole DICOM series against what SimpleITK and pydicom found (`truth.json` beside each set).
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

use std::path::{Path, PathBuf};

use imaging::formats::{ReadLimits, load, load_slice, scan};
use imaging::series::{Catalog, SeriesEntry, SeriesWarning};
use imaging::source::Progress;
use imaging::volume::{Unit, Volume};
use serde_json::Value;
use test_support::data;

fn scan_one(path: &Path) -> Catalog {
    scan(&[path.to_path_buf()], &Progress::new()).unwrap()
}

fn load_all(entry: &SeriesEntry) -> Volume {
    load(entry, ReadLimits::default(), &Progress::new()).unwrap()
}

/// Data folder and its truth.
fn set(folder: &str) -> Option<(PathBuf, Value)> {
    let name = folder.rsplit('/').next().unwrap();
    let path = data(&format!("{folder}/{name}"))?;
    let truth = std::fs::read_to_string(data(&format!("{folder}/truth.json"))?).unwrap();
    Some((path, serde_json::from_str(&truth).unwrap()))
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn index(value: &Value) -> [usize; 3] {
    [0, 1, 2].map(|i| value[i].as_u64().unwrap() as usize)
}

fn assert_near(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    let is_near = found.iter().zip(expected).all(|(f, e)| (f - e).abs() <= tolerance);
    assert!(is_near && found.len() == expected.len(), "{what}: {found:?}, expected {expected:?}");
}

fn check_volume(volume: &Volume, truth: &Value) {
    let g = volume.geometry();
    let expected = &truth["volume"];
    assert_eq!(volume.dims().to_array(), index(&expected["size_xyz"]));
    assert_near(&g.spacing_mm().to_array(), &numbers(&expected["spacing_xyz"]), 1e-4, "spacing");
    assert_near(&g.origin_lps().to_array(), &numbers(&expected["origin_lps"]), 1e-4, "origin");
    let rows = g.direction().transpose().to_cols_array();
    assert_near(&rows, &numbers(&expected["direction_row_major"]), 1e-4, "direction");
    let s = volume.statistics();
    let stats = &expected["stats"];
    let number = |name: &str| stats[name].as_f64().unwrap();
    assert_near(
        &[s.min, s.max],
        &[number("min"), number("max")],
        5e-4 * number("max").abs().max(1.0),
        "range",
    );
    assert_near(&[s.mean, s.sd], &[number("mean"), number("std")], 1e-4 * number("std"), "mean and sd");
    for sample in expected["voxel_samples"].as_array().unwrap() {
        let ijk = index(&sample["ijk"]);
        let value = volume.value_at(ijk, 0, 0).unwrap();
        assert_near(&[value], &[sample["value"].as_f64().unwrap()], 1e-3 * value.abs().max(1.0), "voxel");
        let lps = g.lps_from_index().transform_point3(ijk.map(|i| i as f64).into());
        assert_near(&lps.to_array(), &numbers(&sample["lps"]), 2e-3, "position of a voxel");
    }
    for sample in expected["physical_samples"].as_array().unwrap() {
        let lps: [f64; 3] = numbers(&sample["lps"]).try_into().unwrap();
        let at = g.index_from_lps().transform_point3(lps.into());
        let value = volume.sample_linear(at, 0, 0).unwrap();
        // The truth rounds positions to 0.1 µm, which moves values by gradient × rounding.
        assert_near(&[value], &[sample["trilinear"].as_f64().unwrap()], 0.35, "interpolated value");
    }
}

fn check_single_series(folder: &str) -> Option<(SeriesEntry, Volume)> {
    let (path, truth) = set(folder)?;
    let mut catalog = scan_one(&path);
    assert_eq!(
        catalog.series.len(),
        1,
        "{:?}",
        catalog.series.iter().map(|s| &s.warnings).collect::<Vec<_>>()
    );
    let entry = catalog.series.remove(0);
    let truth = &truth["series"][0];
    assert_eq!(entry.attributes.series_uid.as_deref(), truth["series_instance_uid"].as_str());
    let volume = load_all(&entry);
    check_volume(&volume, truth);
    for z in [0, volume.dims().z / 2, volume.dims().z - 1] {
        let slice = load_slice(&entry, z, 0).unwrap();
        let place = volume.geometry().lps_from_index().transform_point3([0.0, 0.0, z as f64].into());
        assert!(slice.geometry().origin_lps().distance(place) < 1e-9);
        for (x, y) in [(0, 0), (volume.dims().x / 2, volume.dims().y / 3)] {
            assert_eq!(slice.value_at([x, y, 0], 0, 0), volume.value_at([x, y, z], 0, 0));
        }
    }
    Some((entry, volume))
}

#[test]
fn lidc_chest_ct_equals_simpleitk() {
    let Some((entry, volume)) = check_single_series("ct/lidc-0314") else { return };
    assert_eq!((volume.unit(), entry.voxel_type), (&Unit::Hounsfield, "uint16"));
    assert_eq!(volume.warnings(), []);
    assert_eq!(entry.windows.len(), 1, "the same pair twice counts once");
}

#[test]
fn jpeg_2000_ct_equals_simpleitk() {
    let Some((path, truth)) = set("ct/ct-j2k-20") else { return };
    let catalog = scan_one(&path);
    let uid = truth["series"][0]["series_instance_uid"].as_str();
    let entry = catalog.series.iter().find(|s| s.attributes.series_uid.as_deref() == uid).unwrap();
    check_volume(&load_all(entry), &truth["series"][0]);
    assert_eq!(entry.windows.len(), 2);
    assert!(catalog.skipped.iter().all(|file| file.is_sound), "{:?}", catalog.skipped);
}

#[test]
fn oblique_mr_equals_simpleitk() {
    let Some((entry, _)) = check_single_series("mr/mr-t1-7t-defaced") else { return };
    assert_eq!(entry.unit, Unit::None);
}

#[test]
fn pet_has_its_own_unit_and_rescale() {
    let Some((_, volume)) = check_single_series("pet/pet-wb") else { return };
    assert_eq!(volume.unit(), &Unit::Other("BQML".to_owned()));
    assert!((volume.rescale().slope - 2.0222414).abs() < 1e-7);
}

#[test]
fn philips_study_has_four_series_and_the_volumes_equal_simpleitk() {
    let Some((path, truth)) = set("study/philips-phantom-study") else { return };
    let catalog = scan_one(&path);
    for truth in truth["series"].as_array().unwrap() {
        let uid = truth["series_instance_uid"].as_str();
        let entries: Vec<_> =
            catalog.series.iter().filter(|s| s.attributes.series_uid.as_deref() == uid).collect();
        let slices: usize = entries.iter().map(|entry| entry.dims.z * entry.time_points).sum();
        assert_eq!(slices as u64, truth["n_files"].as_u64().unwrap(), "{uid:?}");
        if truth["volume"].is_object() && truth["n_files"].as_u64() > Some(1) {
            assert_eq!(entries.len(), 1);
            check_volume(&load_all(entries[0]), truth);
            assert_eq!(entries[0].unit, Unit::Hounsfield);
        } else {
            assert!(entries.iter().all(|entry| entry.unit != Unit::Hounsfield));
        }
    }
}

#[test]
fn repeated_positions_become_points_in_time() {
    let Some((path, truth)) = set("mr/mr-4d-epi") else { return };
    let catalog = scan_one(&path);
    assert_eq!(catalog.series.len(), 1);
    let truth = &truth["series"][0];
    let volume = load_all(&catalog.series[0]);
    assert_eq!((volume.dims().to_array(), volume.time_points()), ([64, 64, 15], 10));
    assert!((volume.geometry().spacing_mm().z - 5.0).abs() < 1e-4);
    for phase in truth["phases"].as_array().unwrap() {
        let t = phase["t"].as_u64().unwrap() as usize;
        for sample in phase["samples"].as_array().unwrap() {
            let value = volume.value_at(index(&sample["xyz"]), 0, t).unwrap();
            assert_eq!(value, sample["value"].as_f64().unwrap(), "time {t}, {sample}");
        }
        let slice = load_slice(&catalog.series[0], 7, t).unwrap();
        assert_eq!(slice.value_at([20, 30, 0], 0, 0), volume.value_at([20, 30, 7], 0, t));
    }
}

#[test]
fn tilted_and_uneven_ct_keeps_true_positions() {
    let Some((path, truth)) = set("ct/ge-head-tilt") else { return };
    let catalog = scan_one(&path);
    assert_eq!(catalog.series.len(), 1);
    let volume = load_all(&catalog.series[0]);
    let warns = |check: fn(&SeriesWarning) -> bool| volume.warnings().iter().any(check);
    assert!(warns(|w| matches!(w, SeriesWarning::GantryTilt { degrees } if (degrees - 18.5).abs() < 0.05)));
    assert!(warns(|w| matches!(
        w,
        SeriesWarning::UnevenSpacing { min_mm, max_mm, .. }
            if (min_mm - 1.08109).abs() < 1e-3 && (max_mm - 6.99863).abs() < 1e-3
    )));
    let slices = truth["series"][0]["slices"].as_array().unwrap();
    let (mut exact, mut total) = (0, 0);
    for slice in slices {
        for sample in slice["samples"].as_array().unwrap() {
            let lps: [f64; 3] = numbers(&sample["lps"]).try_into().unwrap();
            let at = volume.geometry().index_from_lps().transform_point3(lps.into());
            let col_row = numbers(&sample["col_row"]);
            // Every original pixel lies at its own column and row of the sheared grid, whatever its slice.
            assert_near(&[at.x, at.y], &col_row, 2e-3, "place of a pixel in the sheared grid");
            assert!(at.z > -1e-3 && at.z < volume.dims().z as f64 - 1.0 + 1e-3, "{at}");
            let nearest = at.z.round();
            total += 1;
            if (at.z - nearest).abs() < 1e-3 {
                let value =
                    volume.value_at([at.x.round() as usize, at.y.round() as usize, nearest as usize], 0, 0);
                assert_eq!(value, sample["value"].as_f64());
                exact += 1;
            }
        }
    }
    assert!(exact >= 6 && total == 3 * slices.len(), "{exact} of {total} samples fall on resampled slices");
}

#[test]
fn values_between_uneven_slices_are_linear_in_the_true_distance() {
    let Some((path, _)) = set("ct/ge-head-tilt") else { return };
    let volume = load_all(&scan_one(&path).series[0]);
    let axes = volume.geometry().direction();
    let normal = axes.x_axis.cross(axes.y_axis).normalize();
    // Each file alone, with its own position.
    let mut originals: Vec<(f64, Volume)> = std::fs::read_dir(&path)
        .unwrap()
        .map(|file| {
            let slice = load_all(&scan_one(&file.unwrap().path()).series[0]);
            (normal.dot(slice.geometry().origin_lps()), slice)
        })
        .collect();
    originals.sort_by(|a, b| a.0.total_cmp(&b.0));
    let is_padding = |v: f64| volume.padding().is_some_and(|[a, b]| (a..=b).contains(&v));
    let mut checked = 0;
    for z in 0..volume.dims().z {
        for (x, y) in [(100, 200), (256, 256), (300, 120), (180, 350), (256, 400)] {
            let lps = volume.geometry().lps_from_index().transform_point3([x, y, z].map(|i| i as f64).into());
            let depth = normal.dot(lps);
            let above = originals.partition_point(|(d, _)| *d <= depth + 1e-6).clamp(1, originals.len() - 1);
            let ((d0, low), (d1, high)) = (&originals[above - 1], &originals[above]);
            let [a, b] = [low, high].map(|slice| slice.value_at([x, y, 0], 0, 0).unwrap());
            if is_padding(a) || is_padding(b) {
                continue;
            }
            let expected = a + (b - a) * (depth - d0) / (d1 - d0);
            let found = volume.value_at([x, y, z], 0, 0).unwrap();
            assert!((found - expected).abs() <= 0.501, "{x} {y} {z}: {found}, expected {expected}");
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked}");
}
