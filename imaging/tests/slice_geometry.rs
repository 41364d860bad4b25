//! Where slices are: gaps, uneven distances, tilt, order, frames of reference, and the verdict on all of it.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

mod dicom_writer;

use dicom_writer::{Item, Plane, load_entry, open_folder, open_objects, scan_objects, write_objects};
use glam::DVec3;
use imaging::formats::load_slice;
use imaging::series::SeriesWarning;
use imaging::verdict::Level;
use imaging::volume::{Unit, Volume};

/// Values grow by ten with every millimetre towards the head, so a value tells its own position.
fn ramp(lps: DVec3) -> f64 {
    10.0 * lps.z
}

fn axial_series(depths: &[f64]) -> Vec<Item> {
    (1..).zip(depths).map(|(number, &z)| Plane::axial(z).classic(number, ramp)).collect()
}

/// Interpolated value at a point of the patient, `None` where there is no data.
fn sample(volume: &Volume, lps: DVec3) -> Option<f64> {
    let index = volume.geometry().index_from_lps().transform_point3(lps);
    volume.measure_linear(index, 0, 0)
}

/// Every value must say where it lies; how many samples had data.
fn assert_true_positions(volume: &Volume, from: f64, to: f64) -> usize {
    let depths = (0..=400).map(|i| from + (to - from) * f64::from(i) / 400.0);
    let found: Vec<(f64, f64)> =
        depths.filter_map(|z| Some((z, sample(volume, DVec3::new(0.0, 0.0, z))? / 10.0))).collect();
    for (z, says) in &found {
        assert!((says - z).abs() < 0.1, "the value at z {z} belongs to z {says}");
    }
    found.len()
}

#[test]
fn a_missing_slice_leaves_the_last_slice_at_its_true_place() {
    let depths: Vec<f64> = (0..50).filter(|i| *i != 20).map(|i| -30.0 + 1.25 * f64::from(i)).collect();
    let folder = write_objects(&axial_series(&depths));
    let (entry, volume) = open_folder(folder.path());
    assert_eq!(volume.dims().z, 50);
    let place = |z: f64| volume.geometry().lps_from_index().transform_point3(DVec3::new(0.0, 0.0, z));
    assert!((place(49.0).z - 31.25).abs() < 1e-9, "{}", place(49.0));
    // A ruler between two features on either side of the gap.
    let ruler = place(40.0).distance(place(10.0));
    assert!((ruler - 37.5).abs() < 0.1, "{ruler}");
    assert_eq!(volume.value_at([3, 3, 40], 0, 0), Some(200.0));
    assert!(volume.is_empty_slice(20, 0) && !volume.is_empty_slice(19, 0) && !volume.is_empty_slice(21, 0));
    assert_eq!(sample(&volume, DVec3::new(0.0, 0.0, -5.0)), None, "nothing was acquired here");
    assert_true_positions(&volume, -30.0, 31.25);
    assert_eq!(volume.statistics().min, -300.0, "the gap is no data");
    // The same file, whichever way the slice is come by.
    let source = entry.source_frame(40, 0).unwrap();
    assert_eq!((source.sop_instance_uid.as_str(), source.instance_number), ("1.2.3.4.40", Some(40)));
    assert_eq!(entry.source_frame(20, 0), None);
    let gap = SeriesWarning::MissingSlices { count: 1, after_slice: vec![19] };
    let verdict = entry.verdict();
    assert_eq!((verdict.level, &verdict.reasons[0].finding), (Level::Red, &gap));
    assert_eq!(entry.instance_numbers[19..22], [Some(20), None, Some(21)]);
    let alone = load_slice(&entry, 20, 0).unwrap();
    assert!(alone.is_empty_slice(0, 0));
}

#[test]
fn uneven_slices_keep_their_true_positions() {
    // Irregular, all distances below one and a half times the median.
    let irregular = [0.0, 2.0, 4.3, 6.1, 8.0, 10.6, 12.7, 14.9, 16.9, 19.1, 20.9];
    // Thin slices, then thick ones that touch; and thick ones with gaps between.
    let half: Vec<f64> =
        (0..9).map(|i| 2.5 * f64::from(i)).chain((1..9).map(|i| 20.0 + 3.5 * f64::from(i))).collect();
    for depths in [&irregular[..], &half] {
        let (entry, volume) = open_objects(&axial_series(depths));
        let last = *depths.last().unwrap();
        assert_eq!(assert_true_positions(&volume, 0.0, last), 401, "all of it was acquired");
        let edge = volume.geometry().lps_from_index().transform_point3(DVec3::new(
            0.0,
            0.0,
            volume.dims().z as f64 - 1.0,
        ));
        assert!((edge.z - last).abs() < 1e-9);
        let verdict = entry.verdict();
        assert_eq!(verdict.level, Level::Amber, "{verdict:?}");
        assert!(matches!(verdict.reasons[0].finding, SeriesWarning::UnevenSpacing { .. }));
    }
}

#[test]
fn a_gap_that_is_no_multiple_is_left_empty_and_red() {
    let depths = [0.0, 4.0, 8.0, 12.0, 25.0, 29.0, 33.0];
    let (entry, volume) = open_objects(&axial_series(&depths));
    let verdict = entry.verdict();
    assert_eq!(verdict.level, Level::Red);
    assert!(matches!(
        &verdict.reasons[0].finding,
        SeriesWarning::SliceGaps { largest_mm, median_mm, .. }
            if (largest_mm - 13.0).abs() < 1e-9 && (median_mm - 4.0).abs() < 1e-9
    ));
    assert_eq!(sample(&volume, DVec3::new(0.0, 0.0, 18.5)), None, "the middle of the gap");
    let edge = volume.geometry().lps_from_index().transform_point3(DVec3::new(
        0.0,
        0.0,
        volume.dims().z as f64 - 1.0,
    ));
    assert!((edge.z - 33.0).abs() < 1e-9, "not pulled together");
    // Beside the gap a slice stands for half its distance, no further.
    let lps = |z: usize| volume.geometry().lps_from_index().transform_point3(DVec3::new(0.0, 0.0, z as f64));
    for z in 0..volume.dims().z {
        let depth = lps(z).z;
        assert_eq!(volume.is_empty_slice(z, 0), depth > 14.0 && depth < 23.0, "slice at {depth}");
        if !volume.is_empty_slice(z, 0) {
            let says = volume.value_at([8, 8, z], 0, 0).unwrap() / 10.0;
            assert!((says - depth).abs() <= 2.05, "{depth} says {says}");
        }
    }
}

#[test]
fn the_verdict_changes_at_one_percent_and_at_one_and_a_half_times_the_median() {
    let level = |last: f64| {
        let depths = [0.0, 2.0, 4.0, 6.0, 8.0, 8.0 + last];
        open_objects(&axial_series(&depths)).0.verdict().level
    };
    assert_eq!(level(2.015), Level::Green);
    assert_eq!(level(2.03), Level::Amber);
    assert_eq!(level(2.9), Level::Amber);
    assert_eq!(level(3.0), Level::Red);
}

#[test]
fn two_slices_far_apart_are_no_silent_volume() {
    let two = |distance: f64, change: fn(Item) -> Item| -> Vec<Item> {
        axial_series(&[0.0, distance]).into_iter().map(change).collect()
    };
    let (entry, _) = open_objects(&two(40.0, |item| item));
    assert_eq!(entry.verdict().reasons[0].finding, SeriesWarning::UnconfirmedDistance { mm: 40.0 });
    let (entry, _) = open_objects(&two(5.0, |item| item.ds(0x0018_0050, &[5.0])));
    assert_eq!(entry.verdict().level, Level::Green);
    let (entry, volume) = open_objects(&two(20.0, |item| item.ds(0x0018_0088, &[5.0])));
    assert_eq!((entry.verdict().level, volume.dims().z), (Level::Red, 5));
    let apart = scan_objects(&two(100.0, |item| item.ds(0x0018_0050, &[5.0])));
    assert_eq!(apart.series.iter().map(|s| s.dims.z).collect::<Vec<_>>(), [1, 1]);
}

/// A cube of 40 mm, upright in the patient. Its surface is 4 mm soft, so that samples can tell where it is.
fn cube(lps: DVec3) -> f64 {
    1000.0 * (0.5 - (lps.abs().max_element() - 20.0) / 4.0).clamp(0.0, 1.0)
}

/// Slices whose planes lean by `degrees` while the table moves straight along z.
fn tilted_series(degrees: f64) -> Vec<Item> {
    let (sin, cos) = degrees.to_radians().sin_cos();
    (0..72)
        .map(|k| {
            let plane = Plane {
                position: DVec3::new(-32.0, -32.0 * cos, -36.0 - 32.0 * -sin + f64::from(k)),
                row: DVec3::X,
                column: DVec3::new(0.0, cos, -sin),
                spacing: [0.5, 0.5],
                columns: 129,
                rows: 129,
            };
            plane.classic(i64::from(k) + 1, cube)
        })
        .collect()
}

/// Where the cube ends along a ray from `from` (inside) in direction `along`: half of its value.
fn surface(volume: &Volume, from: DVec3, along: DVec3) -> DVec3 {
    let inside = |t: f64| sample(volume, from + along * t).unwrap_or(0.0) >= 500.0;
    let first_out = (0..4000).map(|i| f64::from(i) * 0.01).find(|t| !inside(*t)).unwrap();
    from + along * first_out
}

/// Normal of the plane that fits a regular patch of the surface best.
fn patch_normal(volume: &Volume, along: DVec3, u: DVec3, v: DVec3) -> DVec3 {
    let steps: Vec<f64> = (0..49).map(|i| -12.0 + 0.5 * f64::from(i)).collect();
    let (mut slope_u, mut slope_v, mut square) = (0.0, 0.0, 0.0);
    for &a in &steps {
        for &b in &steps {
            let depth = surface(volume, u * a + v * b, along).dot(along);
            slope_u += a * depth;
            slope_v += b * depth;
            square += a * a;
        }
    }
    // Least squares on a symmetric grid: the slopes along u and v do not mix.
    (along - u * (slope_u / square) - v * (slope_v / square)).normalize()
}

#[test]
fn a_tilted_gantry_keeps_the_right_angles_of_a_cube() {
    let (entry, volume) = open_objects(&tilted_series(13.5));
    let verdict = entry.verdict();
    assert_eq!(verdict.level, Level::Amber, "{verdict:?}");
    assert!(matches!(
        verdict.reasons[0].finding,
        SeriesWarning::GantryTilt { degrees } if (degrees - 13.5).abs() < 0.01
    ));
    assert!((volume.geometry().tilt_rad().to_degrees() - 13.5).abs() < 0.01);
    let [x, y, z] = [
        patch_normal(&volume, DVec3::X, DVec3::Y, DVec3::Z),
        patch_normal(&volume, DVec3::Y, DVec3::Z, DVec3::X),
        patch_normal(&volume, DVec3::Z, DVec3::X, DVec3::Y),
    ];
    for (a, b) in [(x, y), (y, z), (z, x)] {
        let angle = a.dot(b).acos().to_degrees();
        assert!((angle - 90.0).abs() < 0.2, "{angle}");
    }
    for (normal, axis) in [(x, DVec3::X), (y, DVec3::Y), (z, DVec3::Z)] {
        assert!(normal.dot(axis) > 0.2f64.to_radians().cos(), "{normal} is not along {axis}");
        let edge =
            surface(&volume, DVec3::ZERO, axis).dot(axis) - surface(&volume, DVec3::ZERO, -axis).dot(axis);
        assert!((edge - 40.0).abs() < 0.1, "the cube measures {edge} mm");
    }
}

#[test]
fn a_tilt_below_half_a_degree_is_rounding() {
    assert_eq!(open_objects(&tilted_series(0.4)).0.verdict().level, Level::Green);
    assert_eq!(open_objects(&tilted_series(0.6)).0.verdict().level, Level::Amber);
}

/// A number that changes with any change of voxels or geometry.
fn fingerprint(volume: &Volume) -> (Vec<u64>, String) {
    let values = (0..volume.voxels().len()).map(|i| volume.voxels().get(i).unwrap().to_bits()).collect();
    (values, format!("{:?}", volume.geometry()))
}

#[test]
fn shuffled_files_give_the_same_volume() {
    let depths: Vec<f64> = (0..24).map(|i| f64::from(i) * 1.5).collect();
    let mut objects = axial_series(&depths);
    // Same place, same number, no time: only the UID tells them apart.
    let twins: Vec<Item> = (0..24)
        .map(|i| {
            let bright = |lps: DVec3| ramp(lps) + 5.0;
            Plane::axial(depths[i]).classic(i as i64 + 1, bright).text(
                0x0008_0018,
                b"UI",
                &format!("1.2.3.5.{i}"),
            )
        })
        .collect();
    objects.extend(twins);
    let (_, expected) = open_objects(&objects);
    assert_eq!((expected.dims().z, expected.time_points()), (24, 2));
    assert_eq!(expected.value_at([2, 2, 3], 0, 0), Some(45.0));
    for step in [5usize, 7, 11, 13] {
        let shuffled: Vec<Item> = (0..48).map(|i| objects[i * step % 48].clone()).collect();
        let (_, volume) = open_objects(&shuffled);
        assert!(fingerprint(&volume) == fingerprint(&expected), "every {step}th");
    }
}

#[test]
fn trigger_times_and_temporal_positions_order_what_lies_at_one_place() {
    let depths = [0.0, 1.0, 2.0, 3.0];
    for (tag, vr) in [(0x0018_1060, b"DS"), (0x0020_0100, b"IS")] {
        // Instance numbers run against time, to show which of them decides.
        let objects: Vec<Item> = (0..12)
            .map(|i| {
                let (phase, z) = (i % 3, depths[i / 3]);
                let value = move |lps: DVec3| ramp(lps) + phase as f64;
                let object = Plane::axial(z).classic(100 - i as i64, value);
                object.text(tag, vr, &(phase * 40 + 1).to_string())
            })
            .collect();
        let (_, volume) = open_objects(&objects);
        assert_eq!((volume.dims().z, volume.time_points()), (4, 3));
        for t in 0..3 {
            assert_eq!(volume.value_at([1, 1, 2], 0, t), Some(20.0 + t as f64));
        }
    }
}

#[test]
fn slices_of_a_radial_series_stay_readable_and_form_no_volume() {
    let objects: Vec<Item> = (0..18)
        .map(|i| {
            let (sin, cos) = (f64::from(i) * 10.0).to_radians().sin_cos();
            let row = DVec3::new(cos, sin, 0.0);
            let plane = Plane { position: row * -8.0, row, column: DVec3::NEG_Z, ..Plane::axial(0.0) };
            plane.classic(i64::from(i) + 1, move |_| f64::from(i))
        })
        .collect();
    let catalog = scan_objects(&objects);
    assert_eq!(catalog.skipped.len(), 0);
    assert!(catalog.series.iter().all(|entry| entry.dims.z == 1), "no volume");
    let images: usize = catalog.series.iter().map(|entry| entry.time_points).sum();
    assert_eq!(images, 18, "every image can be read");
}

#[test]
fn every_image_of_a_radial_series_lies_in_its_own_plane() {
    let plane = |degrees: f64| {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let row = DVec3::new(cos, sin, 0.0);
        Plane { position: row * -8.0, row, column: DVec3::NEG_Z, ..Plane::axial(0.0) }
    };
    let folder = write_objects(&[plane(0.0).classic(1, |_| 1.0), plane(30.0).classic(2, |_| 2.0)]);
    let catalog =
        imaging::formats::scan(&[folder.path().to_path_buf()], &imaging::source::Progress::new()).unwrap();
    let mut rows: Vec<DVec3> =
        catalog.series.iter().map(|entry| load_entry(entry).geometry().direction().x_axis).collect();
    rows.sort_by(|a, b| a.y.total_cmp(&b.y));
    assert!(rows[0].abs_diff_eq(DVec3::X, 1e-9) && rows[1].abs_diff_eq(plane(30.0).row, 1e-9));
}

#[test]
fn frames_of_reference_are_kept_apart_unless_every_file_has_its_own() {
    let depths: Vec<f64> = (0..10).map(f64::from).collect();
    let with_frames = |uid: fn(usize) -> String| -> Vec<Item> {
        let objects = axial_series(&depths).into_iter().enumerate();
        objects.map(|(i, object)| object.text(0x0020_0052, b"UI", &uid(i))).collect()
    };
    let two = scan_objects(&with_frames(|i| format!("1.9.{}", i / 5)));
    let mut found: Vec<_> = two
        .series
        .iter()
        .map(|entry| (entry.attributes.frame_of_reference_uid.clone().unwrap(), entry.dims.z))
        .collect();
    found.sort();
    assert_eq!(found, [("1.9.0".to_owned(), 5), ("1.9.1".to_owned(), 5)]);
    // What some de-identification leaves behind.
    let (entry, _) = open_objects(&with_frames(|i| format!("1.9.{i}")));
    assert_eq!((entry.dims.z, entry.verdict().level), (10, Level::Green));
}

#[test]
fn slices_without_position_are_stacked_by_number_and_red() {
    let objects: Vec<Item> = (1..=4)
        .map(|n| {
            let number = 10 - n;
            let object = Plane::axial(0.0).classic(number, move |_| number as f64);
            object.without(0x0020_0032).without(0x0020_0037).ds(0x0018_0050, &[3.0])
        })
        .collect();
    let folder = write_objects(&objects);
    let (entry, volume) = open_folder(folder.path());
    assert_eq!(
        (0..4).map(|z| volume.value_at([0, 0, z], 0, 0).unwrap()).collect::<Vec<_>>(),
        [6.0, 7.0, 8.0, 9.0]
    );
    assert_eq!(entry.verdict().level, Level::Red);
    assert_eq!(entry.verdict().reasons[0].finding, SeriesWarning::StackedByNumber { spacing_mm: 3.0 });
    assert_eq!(volume.unit(), &Unit::Hounsfield);
}
