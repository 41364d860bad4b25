//! Reads a file through the public functions and holds it against `tests/data/made/expected.json`, which other
//! readers wrote.
#![allow(dead_code, reason = "every test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "test code; the lint knows only functions marked as tests")]

use std::path::{Path, PathBuf};

use imaging::ImagingError;
use imaging::formats::{ReadLimits, load, scan};
use imaging::series::SeriesEntry;
use imaging::source::Progress;
use imaging::volume::Volume;
use serde_json::Value;

/// The single series of a file.
pub(crate) fn entry(path: &Path) -> Result<SeriesEntry, ImagingError> {
    let mut catalog = scan(&[path.to_path_buf()], &Progress::new())?;
    assert_eq!(catalog.series.len(), 1, "{}", path.display());
    Ok(catalog.series.remove(0))
}

/// Scans and loads a file.
pub(crate) fn open(path: &Path) -> Result<Volume, ImagingError> {
    load(&entry(path)?, ReadLimits::default(), &Progress::new())
}

/// A file below `tests/data/made`.
pub(crate) fn made(name: &str) -> PathBuf {
    test_support::data::repository_data("made").join(name)
}

/// Why a file cannot be read, as a person would see it, with all causes.
pub(crate) fn refusal(path: &Path) -> String {
    let error: Box<dyn std::error::Error> = match open(path) {
        Ok(_) => panic!("{} was read", path.display()),
        Err(error) => Box::new(error),
    };
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}

/// Writes a changed copy of a made file into a folder of its own and returns why it is refused.
pub(crate) fn refusal_after(name: &str, mutate: impl FnOnce(&mut Vec<u8>)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = std::fs::read(made(name)).unwrap();
    mutate(&mut bytes);
    let path = folder.path().join(Path::new(name).file_name().unwrap());
    std::fs::write(&path, bytes).unwrap();
    refusal(&path)
}

/// Replaces the first occurrence of a text in a header.
pub(crate) fn replace(bytes: &mut Vec<u8>, from: &str, to: &str) {
    let at = bytes.windows(from.len()).position(|w| w == from.as_bytes()).expect("the text is there");
    bytes.splice(at..at + from.len(), to.bytes());
}

pub(crate) fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap_or(f64::NAN)).collect()
}

/// Checks all files of one folder that have expected values.
pub(crate) fn check_all(prefix: &str) {
    let text = std::fs::read_to_string(made("expected.json")).unwrap();
    let all: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
    let files: Vec<_> = all.iter().filter(|(name, _)| name.starts_with(prefix)).collect();
    assert!(files.len() >= 10, "only {} files begin with {prefix}", files.len());
    for (name, expected) in files {
        // Decoders of JPEG may differ by one step; everything else is exact.
        let tolerance = if name.ends_with(".jpg") { 1.0 } else { 0.0 };
        check(&made(name), expected, tolerance);
    }
}

fn check(path: &Path, expected: &Value, tolerance: f64) {
    let name = path.display();
    let entry = entry(path).unwrap_or_else(|e| panic!("{name}: {e}"));
    let progress = Progress::new();
    let volume = load(&entry, ReadLimits::default(), &progress).unwrap_or_else(|e| panic!("{name}: {e}"));

    let dims: Vec<f64> = volume.dims().to_array().map(|n| n as f64).to_vec();
    assert_eq!(dims, floats(&expected["dims"]), "dims of {name}");
    assert_eq!(
        volume.time_points() as u64,
        expected["time_points"].as_u64().unwrap(),
        "time points of {name}"
    );
    assert_eq!(
        volume.channels().count() as u64,
        expected["channels"].as_u64().unwrap(),
        "channels of {name}"
    );
    assert_eq!(volume.voxels().type_name(), expected["voxel_type"], "type of {name}");

    for (row, expected) in expected["lps_from_index"].as_array().unwrap().iter().enumerate() {
        let m = volume.geometry().lps_from_index();
        let actual = [m.x_axis[row], m.y_axis[row], m.z_axis[row], m.translation[row]];
        for (a, e) in actual.into_iter().zip(floats(expected)) {
            let close = (a - e).abs() <= 1e-5 * e.abs().max(1.0);
            assert!(close, "row {row} of the matrix of {name} is {actual:?}, expected {expected}");
        }
    }

    let expected_values = floats(&expected["values"]);
    assert_eq!(volume.voxels().len(), expected_values.len(), "samples of {name}");
    for (i, expected) in expected_values.into_iter().enumerate() {
        let actual = volume.rescale().apply(volume.voxels().get(i).unwrap());
        // The JSON reader may be one unit in the last place off.
        let allowed = tolerance.max(expected.abs() * 4e-16);
        let same = (actual - expected).abs() <= allowed || actual.is_nan() && expected.is_nan();
        assert!(same, "sample {i} of {name} is {actual}, expected {expected}");
    }

    let warnings = volume.warnings().iter().map(ToString::to_string).collect::<Vec<_>>();
    let expected_warnings = expected["warnings"].as_array().unwrap();
    for warning in expected_warnings {
        let text = warning.as_str().unwrap();
        assert!(warnings.iter().any(|w| w.contains(text)), "{name} warns of {warnings:?}, not of `{text}`");
    }
    assert!(!expected_warnings.is_empty() || warnings.is_empty(), "{name} warns of {warnings:?}");

    // What the header promised is what came.
    assert_eq!(entry.dims, volume.dims(), "{name}");
    assert_eq!(entry.time_points, volume.time_points(), "{name}");
    assert_eq!(entry.channels, volume.channels().count(), "{name}");
    assert_eq!(entry.voxel_type, volume.voxels().type_name(), "{name}");
    assert_eq!(entry.decoded_bytes, volume.voxels().size_bytes() as u64, "{name}");
    assert_eq!(progress.fraction(), Some(1.0), "{name}");
}

/// Folders with real volumes and the truth of each file: those of the repository, and the shared data set if it is
/// there.
pub(crate) fn truths() -> Vec<(PathBuf, serde_json::Map<String, Value>)> {
    let read = |path: PathBuf| {
        let all: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        all["volumes"].as_object().unwrap().clone()
    };
    let own = test_support::data::repository_data("truth.json");
    let shared =
        test_support::data("volumes").map(|folder| (folder.clone(), read(folder.join("truth.json"))));
    [(own.with_file_name("volumes"), read(own))].into_iter().chain(shared).collect()
}
