//! Every file of the DICOM zoo against stored values that pydicom, GDCM and DCMTK gave (`zoo/truth.json`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use imaging::ImagingError;
use imaging::formats::{ReadLimits, load, scan};
use imaging::series::{Catalog, SeriesEntry, SeriesWarning};
use imaging::source::Progress;
use imaging::volume::Volume;
use serde_json::Value;
use test_support::data;

fn zoo() -> Option<(PathBuf, BTreeMap<String, Value>)> {
    let root = data("zoo/zoo")?;
    let truth: Value =
        serde_json::from_str(&std::fs::read_to_string(data("zoo/truth.json")?).unwrap()).unwrap();
    let files = truth["files"].as_object().unwrap();
    Some((root, files.iter().map(|(name, value)| (name.clone(), value.clone())).collect()))
}

fn scan_one(path: &Path) -> Result<Catalog, ImagingError> {
    scan(&[path.to_path_buf()], &Progress::new())
}

fn load_all(entry: &SeriesEntry) -> Result<Volume, ImagingError> {
    load(entry, ReadLimits::default(), &Progress::new())
}

/// Stored value at a slice of all time points, counted through.
fn stored(volume: &Volume, slice: usize, row: usize, column: usize, channel: usize) -> f64 {
    let d = volume.dims();
    let channels = volume.channels().count();
    volume.voxels().get(((slice * d.y + row) * d.x + column) * channels + channel).unwrap()
}

/// Why a file with pixels is refused, for those that are.
fn refusal(name: &str, truth: &Value) -> Option<&'static str> {
    const TWELVE_BIT_JPEG: [&str; 5] =
        ["JPEGProcess2.dcm", "JPEGProcess6.dcm", "JPEGProcess10.dcm", "MR4_JPLY.dcm", "fragmented_no_bot"];
    match truth["Modality"].as_str() {
        Some("SEG") => Some("segmentation (SEG): not shown yet"),
        Some("SM") => Some("whole-slide image (SM): not shown yet"),
        _ if TWELVE_BIT_JPEG.iter().any(|part| name.contains(part)) => Some("12-bit lossy JPEG"),
        _ if name.contains("JPGExtended") => Some("12-bit lossy JPEG"),
        _ if name.contains("unknown_transfer_syntax") => Some("transfer syntax"),
        _ => None,
    }
}

fn check_pixels(volume: &Volume, truth: &Value, name: &str) -> Result<(), String> {
    let pixels = &truth["pixels"];
    let shape: Vec<usize> =
        pixels["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
    let is_color = volume.channels().count() == 3;
    let frames =
        if shape.len() == 2 + usize::from(is_color && shape.last() == Some(&3)) { 1 } else { shape[0] };
    let d = volume.dims();
    let rows =
        shape[usize::from(frames > 1 || shape.len() > 2 + usize::from(is_color && shape.last() == Some(&3)))];
    if d.z * volume.time_points() < frames || d.y != rows {
        return Err(format!("{name}: shape {shape:?} read as {d:?} × {}", volume.time_points()));
    }
    let is_lossy = pixels["lossy"].as_bool() == Some(true);
    let number = |key: &str| pixels[key].as_f64().unwrap();
    let is_8_bit = pixels["dtype"].as_str().unwrap().ends_with("int8");
    let tolerance = match (is_lossy, is_8_bit) {
        (false, _) => 1e-6,
        (true, true) => 2.0,
        (true, false) => 0.005 * (number("max") - number("min")),
    };
    let is_lut = name.contains("mlut");
    if !is_color && !is_lut {
        let s = imaging::intensity::Statistics::of_voxels(volume.voxels());
        let near = |a: f64, b: f64, t: f64| (a - b).abs() <= t + 6e-6 * b.abs().max(1.0);
        let range =
            near(s.min, number("min"), tolerance * 4.0) && near(s.max, number("max"), tolerance * 4.0);
        if !range || !near(s.mean, number("mean"), tolerance) || !near(s.sd, number("std"), tolerance) {
            return Err(format!(
                "{name}: {s:?}, expected {} {} {} {}",
                number("min"),
                number("max"),
                number("mean"),
                number("std")
            ));
        }
    }
    // Frames are sorted by position, so look for each frame's samples in every slice.
    let (key, value_key) = if is_color && pixels["rgb_samples"].is_array() {
        ("rgb_samples", "rgb")
    } else {
        ("samples", "value")
    };
    if is_lut || (is_color && key == "samples" && truth["PhotometricInterpretation"] != "RGB") {
        return Ok(());
    }
    let mut by_frame: BTreeMap<usize, Vec<([usize; 2], Vec<f64>)>> = BTreeMap::new();
    for sample in pixels[key].as_array().ok_or_else(|| format!("{name}: no samples"))? {
        let index: Vec<usize> =
            sample["index"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
        let (frame, at) = if index.len() == 3 { (index[0], &index[1..]) } else { (0, &index[..]) };
        let value = &sample[value_key];
        let values = match value.as_array() {
            Some(list) => list.iter().map(|v| v.as_f64().unwrap()).collect(),
            None => vec![value.as_f64().unwrap()],
        };
        by_frame.entry(frame).or_default().push(([at[0], at[1]], values));
    }
    // Conversion from YBR may round differently by one, after lossy decoding by a few.
    let tolerance = match (key, is_lossy) {
        ("rgb_samples", false) => 1.0,
        ("rgb_samples", true) => 6.0,
        _ => tolerance,
    };
    for (frame, samples) in by_frame {
        let matches = |slice: usize| {
            samples.iter().all(|([row, column], values)| {
                values.iter().enumerate().all(|(channel, value)| {
                    (stored(volume, slice, *row, *column, channel) - value).abs() <= tolerance
                })
            })
        };
        if !(0..d.z * volume.time_points()).any(matches) {
            let ([row, column], values) = &samples[0];
            let found: Vec<f64> = (0..values.len()).map(|c| stored(volume, 0, *row, *column, c)).collect();
            return Err(format!(
                "{name}: frame {frame} at {row},{column} expected {values:?}, found {found:?}"
            ));
        }
    }
    Ok(())
}

#[test]
fn stored_values_equal_pydicom_and_dcmtk() {
    let Some((root, files)) = zoo() else { return };
    let mut failures = Vec::new();
    let mut checked = 0;
    for (name, truth) in files.iter().filter(|(_, truth)| truth["pixels"].is_object()) {
        let result = scan_one(&root.join(name)).and_then(|catalog| {
            let volumes: Result<Vec<Volume>, _> = catalog.series.iter().map(load_all).collect();
            volumes
        });
        match (refusal(name, truth), result) {
            (None, Ok(volumes)) if volumes.len() == 1 => {
                checked += 1;
                failures.extend(check_pixels(&volumes[0], truth, name).err());
            }
            (None, Ok(volumes)) => failures.push(format!("{name}: {} volumes", volumes.len())),
            (None, Err(error)) => failures.push(format!("{name}: {error}")),
            (Some(why), Ok(_)) => failures.push(format!("{name}: read, though {why} is not")),
            (Some(why), Err(error)) if !error.reason().contains(why) => {
                failures.push(format!("{name}: `{}` does not say {why}", error.reason()));
            }
            (Some(_), Err(_)) => {}
        }
    }
    assert!(failures.is_empty(), "{checked} right, wrong:\n{}", failures.join("\n"));
    assert!(checked >= 190, "{checked}");
}

#[test]
fn files_without_pixels_and_broken_files_are_explained() {
    let Some((root, files)) = zoo() else { return };
    let mut report = Vec::new();
    for (name, _) in files.iter().filter(|(_, truth)| !truth["pixels"].is_object()) {
        let outcome = match scan_one(&root.join(name)) {
            Err(error) => error.reason(),
            Ok(catalog) => match catalog.series.first().map(load_all) {
                Some(Ok(volume)) => format!("READ {:?} {:?}", volume.dims(), volume.warnings()),
                Some(Err(error)) => error.reason(),
                None => format!("skipped {:?}", catalog.skipped),
            },
        };
        report.push(format!("{name}: {outcome}"));
    }
    println!("{}", report.join("\n"));
    let _ = SeriesWarning::NoPosition;
}

#[test]
fn patient_names_are_decoded_from_all_character_sets() {
    let Some((root, files)) = zoo() else { return };
    let mut checked = 0;
    for (name, truth) in files.iter().filter(|(name, _)| name.starts_with("charset/")) {
        let Some(expected) = truth["PatientName"].as_str() else { continue };
        // Not all of them hold pixels.
        let Ok(catalog) = scan_one(&root.join(name)) else { continue };
        assert_eq!(catalog.series[0].attributes.patient_name, expected, "{name}");
        checked += 1;
    }
    assert!(checked >= 8, "{checked}");
}
