//! What pixels mean: multi-frame geometry and time, units, spacing, padding, colour, windows.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

use std::path::PathBuf;

use imaging::formats::{ReadLimits, load, scan};
use imaging::intensity::VoiFunction;
use imaging::series::{Catalog, SeriesEntry, SeriesWarning};
use imaging::source::Progress;
use imaging::spacing::SpacingSource;
use imaging::volume::{Channels, Unit, Volume};
use test_support::data;

fn zoo(names: &[&str]) -> Option<Catalog> {
    let root = data("zoo/zoo")?;
    let paths: Vec<PathBuf> = names.iter().map(|name| root.join(name)).collect();
    Some(scan(&paths, &Progress::new()).unwrap())
}

fn load_all(entry: &SeriesEntry) -> Volume {
    load(entry, ReadLimits::default(), &Progress::new()).unwrap()
}

#[test]
fn enhanced_ct_equals_its_classic_twin() {
    let classic =
        zoo(&["seg-pm/24x38x3_IMG0001.dcm", "seg-pm/24x38x3_IMG0002.dcm", "seg-pm/24x38x3_IMG0003.dcm"]);
    let (Some(classic), Some(enhanced)) = (classic, zoo(&["seg-pm/24x38x3_multiframe.dcm"])) else { return };
    assert_eq!((classic.series.len(), enhanced.series.len()), (1, 1));
    let (a, b) = (load_all(&classic.series[0]), load_all(&enhanced.series[0]));
    assert_eq!(a.voxels(), b.voxels());
    assert_eq!(a.unit(), b.unit());
    for corner in [[0.0, 0.0, 0.0], [23.0, 37.0, 2.0]] {
        let place = |v: &Volume| v.geometry().lps_from_index().transform_point3(corner.into());
        assert!(place(&a).distance(place(&b)) < 1e-4, "{} and {}", place(&a), place(&b));
    }
}

#[test]
fn two_enhanced_files_of_a_perfusion_are_two_points_in_time() {
    let Some(catalog) = zoo(&["multiframe/011-0001.img", "multiframe/011-0002.img"]) else { return };
    assert_eq!(
        catalog.series.len(),
        1,
        "{:?}",
        catalog.series.iter().map(|s| &s.warnings).collect::<Vec<_>>()
    );
    let volume = load_all(&catalog.series[0]);
    assert_eq!((volume.dims().to_array(), volume.time_points()), ([64, 64, 25], 2));
    assert!((volume.geometry().spacing_mm().z - 3.3).abs() < 1e-4);
    assert!((volume.geometry().origin_lps().z + 79.6).abs() < 1e-6);
    let single = zoo(&["multiframe/011-0002.img"]).unwrap();
    let second = load_all(&single.series[0]);
    for z in 0..25 {
        assert_eq!(volume.value_at([30, 31, z], 0, 1), second.value_at([30, 31, z], 0, 0));
    }
}

#[test]
fn cine_runs_along_time() {
    let Some(catalog) = zoo(&["multiframe/examples_ybr_color.dcm"]) else { return };
    let entry = &catalog.series[0];
    assert_eq!((entry.dims.to_array(), entry.time_points, entry.channels), ([320, 240, 1], 30, 3));
    assert_eq!(load_all(entry).channels(), Channels::Rgb);
}

#[test]
fn dose_has_its_grid_and_scaling() {
    let Some(catalog) = zoo(&["rt/rtdose.dcm"]) else { return };
    let volume = load_all(&catalog.series[0]);
    assert_eq!(volume.dims().to_array(), [10, 10, 15]);
    assert_eq!(volume.geometry().spacing_mm().to_array(), [10.0, 10.0, 5.0]);
    assert_eq!(volume.unit(), &Unit::Other("RELATIVE".to_owned()));
    let stored = volume.voxels().get(0).unwrap();
    // Dose Grid Scaling of the file.
    assert!(
        (volume.value_at([0, 0, 0], 0, 0).unwrap() - stored * 1.0e-6).abs() < 1e-12,
        "{:?}",
        volume.rescale()
    );
}

#[test]
fn monochrome1_is_flagged_and_left_as_stored() {
    let Some(catalog) = zoo(&["projection/gdcm-CR-MONO1-10-chest.dcm"]) else { return };
    assert!(catalog.series[0].is_inverted);
    let Some(catalog) = zoo(&["codec-other/CT_small.dcm"]) else { return };
    assert!(!catalog.series[0].is_inverted);
}

#[test]
fn detector_spacing_is_used_and_called_uncalibrated() {
    let Some(catalog) = zoo(&["projection/dx_image.dcm"]) else { return };
    let volume = load_all(&catalog.series[0]);
    // Pixel Spacing repeats Imager Pixel Spacing: rows 1.2 mm apart, columns 1.2012 mm.
    let spacing = volume.geometry().spacing_mm();
    assert!((spacing.y - 1.2).abs() < 1e-9 && (spacing.x - 1.2012).abs() < 1e-6, "{spacing}");
    let told = SeriesWarning::PixelSpacing { source: SpacingSource::Detector };
    assert!(volume.warnings().contains(&told), "{:?}", volume.warnings());
    assert!(volume.warnings().contains(&SeriesWarning::NoPosition));
}

#[test]
fn padding_is_signed_where_pixels_are() {
    let Some(catalog) = zoo(&["codec-other/CT_small.dcm"]) else { return };
    let volume = load_all(&catalog.series[0]);
    assert_eq!(volume.padding(), Some([-2000.0, -2000.0]));
    assert_eq!(volume.unit(), &Unit::Hounsfield);
    assert_eq!((volume.rescale().slope, volume.rescale().intercept), (1.0, -1024.0));
}

#[test]
fn modality_table_replaces_stored_values() {
    let Some(catalog) = zoo(&["lut-overlay/mlut_18.dcm"]) else { return };
    let volume = load_all(&catalog.series[0]);
    assert_eq!(volume.voxels().type_name(), "uint16");
    assert_eq!((volume.rescale().slope, volume.rescale().intercept), (1.0, 0.0));
}

#[test]
fn all_windows_of_a_file_are_offered_by_name() {
    let Some(catalog) = zoo(&["malformed/bad_sequence.dcm"]) else { return };
    let windows = &catalog.series[0].windows;
    let pairs: Vec<(f64, f64)> = windows.iter().map(|w| (w.window.center, w.window.width)).collect();
    assert_eq!(pairs, [(40.0, 350.0), (450.0, 1500.0)]);
    assert!(windows.iter().all(|w| w.window.function == VoiFunction::Linear && !w.name.is_empty()));
    let Some(catalog) = zoo(&["lut-overlay/vlut_04.dcm"]) else { return };
    let window = &catalog.series[0].windows[0];
    assert!(window.window.is_table());
    // 256 entries of 16 bits from 0, each 257 higher than the one before.
    assert_eq!((window.window.center, window.window.width), (128.0, 256.0));
    assert_eq!([0.0, 51.0, 255.0].map(|v| window.window.apply(v)), [0.0, 0.2, 1.0]);
}

#[test]
fn repeated_scans_at_one_place_are_points_in_time() {
    let Some(catalog) = zoo(&["series-pitfalls/failing_notavolume_001"]) else { return };
    assert_eq!(catalog.series.len(), 1);
    assert_eq!((catalog.series[0].dims.z, catalog.series[0].time_points), (1, 4));
    let instance = catalog.series[0].instance_numbers.clone();
    assert_eq!(instance, [Some(23)]);
}

#[test]
fn gap_of_one_slice_in_a_short_series_stays_open() {
    let Some(catalog) = zoo(&["series-pitfalls/failing_sliceincrement_001"]) else { return };
    let volume = load_all(&catalog.series[0]);
    assert_eq!(volume.dims().z, 5);
    let missing = SeriesWarning::MissingSlices { count: 1, after_slice: vec![2] };
    assert!(volume.warnings().contains(&missing), "{:?}", volume.warnings());
    assert_eq!(
        catalog.series[0].instance_numbers,
        [Some(7), Some(8), Some(9), None, Some(10)],
        "instance numbers follow the slices"
    );
}

#[test]
fn colour_slices_form_a_volume() {
    let Some(catalog) = zoo(&["series-pitfalls/generic_rgb_001"]) else { return };
    let volume = load_all(&catalog.series[0]);
    assert_eq!((volume.dims().to_array(), volume.channels()), ([52, 77, 4], Channels::Rgb));
    assert!((volume.geometry().spacing_mm().z - 3.0).abs() < 1e-3);
    // Sorted by position, which runs against the instance numbers here.
    assert_eq!(catalog.series[0].instance_numbers, [Some(42), Some(41), Some(40), Some(39)]);
}

#[test]
fn whole_zoo_is_scanned_in_one_go() {
    let Some(catalog) = zoo(&[""]) else { return };
    assert!(catalog.series.len() > 60, "{}", catalog.series.len());
    let names: Vec<_> = catalog.series.iter().map(|s| s.attributes.patient_name.clone()).collect();
    assert!(names.is_sorted(), "series are ordered by patient");
}

#[test]
fn pixel_data_without_its_closing_delimiter_is_complete() {
    // All ten frames are there to their last byte; only the eight bytes after them are not.
    let short = zoo(&["malformed/emri_small_jpeg_2k_lossless_too_short.dcm"]);
    let whole = zoo(&["multiframe/emri_small_jpeg_2k_lossless.dcm"]);
    let (Some(short), Some(whole)) = (short, whole) else { return };
    let (short, whole) = (load_all(&short.series[0]), load_all(&whole.series[0]));
    assert_eq!(short.dims().to_array(), [64, 64, 10]);
    assert_eq!(short.voxels(), whole.voxels());
}
