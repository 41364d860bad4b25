//! Whole DICOM series beyond what `tests/truth` compares: units, warnings, slices read alone, mixed slices.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

use std::path::Path;

use imaging::formats::{ReadLimits, load, load_slice, scan};
use imaging::series::{Catalog, SeriesEntry};
use imaging::source::Progress;
use imaging::volume::{Unit, Volume};
use test_support::data;

fn scan_one(path: &Path) -> Catalog {
    scan(&[path.to_path_buf()], &Progress::new()).unwrap()
}

fn load_all(entry: &SeriesEntry) -> Volume {
    load(entry, ReadLimits::default(), &Progress::new()).unwrap()
}

/// The only series of a set; slices read alone are those of the volume.
fn check_slices(folder: &str) -> Option<(SeriesEntry, Volume)> {
    let path = data(&format!("{folder}/{}", folder.rsplit('/').next().unwrap()))?;
    let mut catalog = scan_one(&path);
    assert_eq!(catalog.series.len(), 1, "{folder}");
    assert!(catalog.skipped.iter().all(|file| file.is_sound), "{:?}", catalog.skipped);
    let entry = catalog.series.remove(0);
    let volume = load_all(&entry);
    let d = volume.dims();
    for (z, t) in [(0, 0), (d.z / 2, volume.time_points() / 2), (d.z - 1, volume.time_points() - 1)] {
        let slice = load_slice(&entry, z, t).unwrap();
        let place = volume.geometry().lps_from_index().transform_point3([0.0, 0.0, z as f64].into());
        assert!(slice.geometry().origin_lps().distance(place) < 1e-9);
        for (x, y) in [(0, 0), (d.x / 2, d.y / 3)] {
            assert_eq!(slice.value_at([x, y, 0], 0, 0), volume.value_at([x, y, z], 0, t), "{folder}");
        }
    }
    Some((entry, volume))
}

#[test]
fn a_chest_ct_is_in_hounsfield_units_and_warns_of_nothing() {
    let Some((entry, volume)) = check_slices("ct/lidc-0314") else { return };
    assert_eq!((volume.unit(), entry.voxel_type), (&Unit::Hounsfield, "uint16"));
    assert_eq!(volume.warnings(), []);
}

#[test]
fn slices_of_compressed_oblique_and_repeated_stacks_read_alone_are_those_of_the_volume() {
    check_slices("ct/ct-j2k-20");
    check_slices("mr/mr-4d-epi");
    let Some((entry, _)) = check_slices("mr/mr-t1-7t-defaced") else { return };
    assert_eq!(entry.unit, Unit::None);
}

#[test]
fn pet_has_its_own_unit_and_rescale() {
    let Some((_, volume)) = check_slices("pet/pet-wb") else { return };
    assert_eq!(volume.unit(), &Unit::Other("BQML".to_owned()));
    assert!((volume.rescale().slope - 2.0222414).abs() < 1e-7);
}

#[test]
fn only_the_ct_images_of_a_study_are_in_hounsfield_units() {
    let Some(path) = data("study/philips-phantom-study/philips-phantom-study") else { return };
    for entry in scan_one(&path).series {
        let is_ct = matches!(entry.attributes.series_number, Some(201 | 202));
        assert_eq!(entry.unit == Unit::Hounsfield, is_ct, "{:?}", entry.attributes.series_number);
    }
}

#[test]
fn values_between_uneven_slices_are_linear_in_the_true_distance() {
    let Some(path) = data("ct/ge-head-tilt/ge-head-tilt") else { return };
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
