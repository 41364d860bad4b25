//! Every file of the DICOM zoo against stored values that pydicom, GDCM and DCMTK gave (`zoo/truth.json`).
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

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
    match truth["Modality"].as_str() {
        Some("SEG") => Some("segmentation (SEG): not shown yet"),
        Some("SM") => Some("whole-slide image (SM): not shown yet"),
        _ if name.contains("unknown_transfer_syntax") => Some("transfer syntax"),
        _ => None,
    }
}

/// Row and column, and the value of each channel there.
type Sample = ([usize; 2], Vec<f64>);

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
    let mut by_frame: BTreeMap<usize, Vec<Sample>> = BTreeMap::new();
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
            // Segmentations are listed as objects; their pixels are tested in `segmentation.rs`.
            (Some(why), Ok(volumes)) if volumes.is_empty() && why.contains("SEG") => {}
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

/// What a file without readable pixels is said to be.
const EXPLANATIONS: [(&str, &str); 28] = [
    ("charset/chrJapMulti.dcm", "holds no pixel data"),
    ("charset/chrSQEncoding.dcm", "holds no pixel data"),
    ("malformed/ExplVR_BigEndNoMeta.dcm", "treatment plan (RTPLAN): not shown yet"),
    ("malformed/JPEG2000-embedded-sequence-delimiter.dcm", "the header says 256 × 1024"),
    ("malformed/MR_truncated.dcm", "file is truncated: 8192 bytes of voxels expected, 8130 found"),
    ("malformed/UN_sequence.dcm", "holds no pixel data"),
    ("malformed/empty_charset_LEI.dcm", "holds no pixel data"),
    ("malformed/gen_deep_sequence_400.dcm", "sequences are nested too deeply"),
    ("malformed/gen_fuzzed_header.dcm", "not DICOM"),
    ("malformed/gen_huge_dims_tiny_data.dcm", "file is truncated: 8589672450 bytes"),
    ("malformed/gen_preamble_only.dcm", "nothing after the file header"),
    ("malformed/gen_text_not_dicom.dcm", "unknown format"),
    ("malformed/gen_truncated_encapsulated.dcm", "compressed pixel data is missing or cut off"),
    ("malformed/gen_truncated_in_dataset.dcm", "ends in the middle of the header"),
    ("malformed/gen_truncated_in_meta.dcm", "ends inside the file header"),
    (
        "malformed/gen_truncated_pixeldata.dcm",
        "file is truncated: 32768 bytes of voxels expected, 13303 found",
    ),
    ("malformed/gen_zero_length.dcm", "the file is empty"),
    ("malformed/gen_zero_rows.dcm", "rows or columns are zero"),
    ("malformed/meta_missing_tsyntax.dcm", "not DICOM"),
    ("malformed/nested_priv_SQ.dcm", "rows or columns are missing"),
    ("malformed/no_meta.dcm", "unknown format"),
    ("malformed/no_meta_group_length.dcm", "holds no pixel data"),
    ("malformed/priv_SQ.dcm", "holds no pixel data"),
    ("malformed/rtplan_truncated.dcm", "treatment plan (RTPLAN): not shown yet"),
    ("rt/rtplan.dcm", "treatment plan (RTPLAN): not shown yet"),
    ("sr-wave-other/palette_hotiron.dcm", "holds no pixel data"),
    ("sr-wave-other/sm_annotations.dcm", "annotations (ANN): not shown yet"),
    ("sr-wave-other/waveform_ecg.dcm", "waveform: not shown yet"),
];

#[test]
fn files_without_pixels_and_broken_files_are_explained() {
    let Some((root, _)) = zoo() else { return };
    for (name, expected) in EXPLANATIONS {
        let path = root.join(name);
        let error = match scan_one(&path) {
            Err(error) => error,
            Ok(catalog) => load_all(&catalog.series[0]).unwrap_err(),
        };
        assert!(error.reason().contains(expected), "{name}: {}", error.reason());
        assert_eq!(error.path(), Some(path.as_path()), "{name}");
    }
}

#[test]
fn frames_are_counted_where_their_number_is_no_number() {
    let Some((root, _)) = zoo() else { return };
    let catalog = scan_one(&root.join("malformed/badVR.dcm")).unwrap();
    let volume = load_all(&catalog.series[0]).unwrap();
    assert_eq!(volume.dims().z * volume.time_points(), 15);
    let told =
        |w: &SeriesWarning| matches!(w, SeriesWarning::Other(text) if text.contains("number of frames"));
    assert!(volume.warnings().iter().any(told));
}

/// `file` with another transfer syntax in its header; the pixels stay what they were.
fn relabelled(file: &Path, uid: &str) -> Vec<u8> {
    let bytes = std::fs::read(file).unwrap();
    let at = 128 + 4 + 8;
    let meta_len = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let mut uid = uid.as_bytes().to_vec();
    if uid.len() % 2 == 1 {
        uid.push(0);
    }
    let mut out = vec![0; 128];
    out.extend_from_slice(b"DICM\x02\0\x10\0UI");
    out.extend_from_slice(&(uid.len() as u16).to_le_bytes());
    out.extend_from_slice(&uid);
    out.extend_from_slice(&bytes[at + 4 + meta_len..]);
    out
}

#[test]
fn video_and_unknown_transfer_syntaxes_are_refused_by_name() {
    let Some((root, _)) = zoo() else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("video.dcm");
    for (uid, name) in [
        ("1.2.840.10008.1.2.4.100", "MPEG2 Main Profile"),
        ("1.2.840.10008.1.2.4.102", "MPEG-4 AVC/H.264 High Profile"),
        ("1.2.840.10008.1.2.4.107", "HEVC/H.265 Main Profile"),
        ("1.2.840.10008.1.2.4.94", "JPIP Referenced"),
        ("1.2.3.4.5", "`1.2.3.4.5`"),
    ] {
        std::fs::write(&path, relabelled(&root.join("codec-other/CT_small.dcm"), uid)).unwrap();
        match scan_one(&path) {
            Err(ImagingError::Unsupported { what, .. }) => assert!(what.contains(name), "{uid}: {what}"),
            other => panic!("{uid}: {other:?}"),
        }
    }
}

#[test]
fn jpeg_xl_and_encapsulated_uncompressed_copies_equal_the_original() {
    use dicom_pixeldata::Transcode;
    let Some((root, _)) = zoo() else { return };
    let dir = tempfile::tempdir().unwrap();
    for name in ["codec-other/CT_small.dcm", "codec-other/MR_small.dcm", "colour/SC_rgb.dcm"] {
        let original = load_all(&scan_one(&root.join(name)).unwrap().series[0]).unwrap();
        for syntax in [
            dicom_transfer_syntax_registry::entries::JPEG_XL_LOSSLESS.erased(),
            dicom_transfer_syntax_registry::entries::ENCAPSULATED_UNCOMPRESSED_EXPLICIT_VR_LITTLE_ENDIAN
                .erased(),
        ] {
            let mut object = dicom_object::open_file(root.join(name)).unwrap();
            object.transcode(&syntax).unwrap();
            let path = dir.path().join("copy.dcm");
            object.write_to_file(&path).unwrap();
            let copy = load_all(&scan_one(&path).unwrap().series[0]).unwrap();
            assert_eq!(copy.voxels(), original.voxels(), "{name} as {}", syntax.name());
        }
    }
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
