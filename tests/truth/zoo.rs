//! Single DICOM files against headers and stored values that pydicom and DCMTK gave.

use std::path::Path;

use imaging::ImagingError;
use imaging::derived::{Derived, DerivedObject};
use imaging::formats::dicom::overlays;
use imaging::formats::{ReadLimits, load, load_object, scan};
use imaging::intensity::Statistics;
use imaging::series::{SeriesEntry, SeriesWarning};
use imaging::source::Progress;
use imaging::volume::Volume;
use serde_json::{Map, Value};

use crate::differences::NOT_SHOWN;
use crate::report::{Report, indices, numbers, sha256};

/// What became of a file.
enum Shown {
    Image(Box<SeriesEntry>, Box<Volume>),
    Object(Box<DerivedObject>, Derived),
    Nothing(String),
}

/// Every record of `files`; names are below `root`.
pub(crate) fn compare(report: &mut Report, prefix: &str, root: &Path, files: &Value) {
    for (name, truth) in files.as_object().expect("files are an object") {
        let item = format!("{prefix}/{name}");
        let path = root.join(name);
        let bytes = std::fs::read(&path).expect("the file that the truth is about");
        let shown = show(&path);
        for (key, expected) in truth.as_object().expect("a file is an object") {
            match key.as_str() {
                "size" => report.equal(&item, key, bytes.len(), expected),
                "sha256" => report.equal(&item, key, sha256(&bytes), expected),
                _ => match &shown {
                    Shown::Image(entry, volume) => image(report, &item, key, expected, truth, entry, volume),
                    Shown::Object(object, derived) => {
                        derived_object(report, &item, key, expected, object, derived)
                    }
                    Shown::Nothing(_) => {}
                },
            }
        }
        if let Shown::Nothing(reason) = shown {
            let row = NOT_SHOWN.iter().find(|(known, _)| *known == name);
            report.check(&item, "refusal", row.is_some_and(|(_, why)| reason.contains(why)), reason, row);
        } else {
            let is_listed = NOT_SHOWN.iter().any(|(known, _)| known == name);
            report.check(&item, "refusal", !is_listed, "shown", "a row in NOT_SHOWN");
        }
    }
}

fn show(path: &Path) -> Shown {
    let catalog = match scan(&[path.to_path_buf()], &Progress::new()) {
        Ok(catalog) => catalog,
        Err(error) => return nothing(&error, path),
    };
    match (catalog.series.as_slice(), catalog.objects.as_slice()) {
        ([entry], []) => match load(entry, ReadLimits::default(), &Progress::new()) {
            Ok(volume) => Shown::Image(Box::new(entry.clone()), Box::new(volume)),
            Err(error) => nothing(&error, path),
        },
        ([], [object]) => match load_object(object, ReadLimits::default()) {
            Ok(derived) => Shown::Object(Box::new(object.clone()), derived),
            Err(error) => nothing(&error, path),
        },
        (series, objects) => Shown::Nothing(format!("{} series, {} objects", series.len(), objects.len())),
    }
}

/// A refusal; it names the file.
fn nothing(error: &ImagingError, path: &Path) -> Shown {
    assert_eq!(error.path(), Some(path), "{error}");
    Shown::Nothing(error.reason())
}

/// The numbers in pydicom's way of printing one or several: `40` or `[40, 600]`.
fn printed_numbers(value: &Value) -> Vec<f64> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let parts = text.trim_matches(['[', ']']).split(',').map(|part| part.trim().trim_matches('\''));
    parts.filter_map(|part| part.parse().ok()).collect()
}

fn image(
    report: &mut Report,
    item: &str,
    key: &str,
    expected: &Value,
    truth: &Value,
    entry: &SeriesEntry,
    volume: &Volume,
) {
    let near = |a: &[f64], b: &[f64]| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-9 * b.abs().max(1.0))
    };
    let printed = || printed_numbers(expected);
    let is_grey = volume.channels().count() == 1;
    let g = volume.geometry();
    let a = &entry.attributes;
    match key {
        "transfer_syntax" => report.check(
            item,
            key,
            entry.transfer_syntax.as_deref() == expected.as_str(),
            &entry.transfer_syntax,
            expected,
        ),
        "Modality" => report.equal(item, key, a.modality.clone(), expected),
        "PhotometricInterpretation" => {
            let name = expected.as_str().unwrap_or_default();
            let is_same = is_grey == name.starts_with("MONO") && entry.is_inverted == (name == "MONOCHROME1");
            report.check(item, key, is_same, (volume.channels(), entry.is_inverted), name);
        }
        "Rows" => report.equal(item, key, volume.dims().y, expected),
        "Columns" => report.equal(item, key, volume.dims().x, expected),
        "SamplesPerPixel" => {
            // A palette makes three channels of one sample.
            let samples = if truth["PhotometricInterpretation"] == "PALETTE COLOR" {
                1
            } else {
                volume.channels().count()
            };
            report.equal(item, key, samples, expected);
        }
        "BitsAllocated" => {
            let bits = volume.voxels().size_bytes() / volume.voxels().len() * 8;
            report.equal(item, key, bits, expected);
        }
        "BitsStored" => {
            let stored = Statistics::of_voxels(volume.voxels());
            let limit = 2f64.powi(printed()[0] as i32);
            let fits = stored.max < limit && stored.min >= -limit / 2.0;
            report.check(item, key, fits || volume.voxels().type_name().starts_with("float"), stored, limit);
        }
        "PixelRepresentation" => {
            let is_signed = volume.voxels().type_name().starts_with("int");
            report.check(item, key, is_signed == (*expected == 1), volume.voxels().type_name(), expected);
        }
        "PlanarConfiguration" => {
            report.check(item, key, volume.channels().count() == 3, volume.channels(), "three samples")
        }
        "PatientName" => report.equal(item, key, a.patient_name.clone(), expected),
        "RescaleSlope" => {
            let found = [volume.rescale().slope];
            report.check(item, key, near(&found, &printed()), found, expected);
        }
        "RescaleIntercept" => {
            let found = [volume.rescale().intercept];
            report.check(item, key, near(&found, &printed()), found, expected);
        }
        "WindowCenter" => {
            let windows = entry.windows.iter().map(|w| &w.window).filter(|w| !w.is_table());
            let found: Vec<f64> = windows.flat_map(|w| [w.center, w.width]).collect();
            let mut wanted: Vec<[f64; 2]> = Vec::new();
            for (center, width) in printed().into_iter().zip(printed_numbers(&truth["WindowWidth"])) {
                // The same pair twice is one window.
                if !wanted.contains(&[center, width]) {
                    wanted.push([center, width]);
                }
            }
            report.check(item, key, near(&found, wanted.as_flattened()), found, wanted);
        }
        // With its centre.
        "WindowWidth" => {}
        // Counts only where the file does not know the spacing in the patient.
        "ImagerPixelSpacing" if truth.get("PixelSpacing").is_some() => {}
        "PixelSpacing" | "ImagerPixelSpacing" => {
            let found = [g.spacing_mm().y, g.spacing_mm().x];
            report.check(item, key, near(&found, &printed()), found, expected);
        }
        "ImagePositionPatient" => {
            let found = g.origin_lps().to_array();
            report.check(item, key, near(&found, &printed()), found, expected);
        }
        "NumberOfFrames" => report.equal(item, key, volume.dims().z * volume.time_points(), expected),
        "has" => {
            for name in expected.as_array().expect("names") {
                has(report, item, name.as_str().unwrap_or_default(), entry, volume);
            }
        }
        "pixels" => match expected.as_object() {
            Some(pixels) => compare_pixels(report, item, pixels, truth, &Stored::of_image(entry, volume)),
            None => report.check(item, key, false, "pixels", expected),
        },
        _ => report.other(item, key),
    }
}

/// Attributes that change what is shown.
fn has(report: &mut Report, item: &str, name: &str, entry: &SeriesEntry, volume: &Volume) {
    let is_there = match name {
        "PixelPaddingValue" => volume.padding().is_some(),
        "OverlayData(6000,3000)" => overlays(entry, 0, 0).is_ok_and(|planes| !planes.is_empty()),
        "RedPaletteColorLookupTableData" => volume.channels().count() == 3,
        "ModalityLUTSequence" => volume.voxels().type_name() != "int16" || volume.rescale().slope == 1.0,
        "VOILUTSequence" => entry.windows.first().is_some_and(|w| w.window.is_table()),
        _ => return report.other(item, &format!("has.{name}")),
    };
    report.check(item, &format!("has.{name}"), is_there, "nothing of it", name);
}

/// Stored values by frame of the file.
struct Stored<'a> {
    rows: usize,
    columns: usize,
    channels: usize,
    frames: usize,
    type_name: Option<&'static str>,
    is_lossy: bool,
    at: Box<dyn Fn(usize, usize, usize) -> f64 + 'a>,
}

impl<'a> Stored<'a> {
    fn of_image(entry: &'a SeriesEntry, volume: &'a Volume) -> Self {
        let d = volume.dims();
        let channels = volume.channels().count();
        let frames = d.z * volume.time_points();
        // Frames are sorted by position and time; the file counts its own way.
        let mut slice_of: Vec<usize> = (0..frames).collect();
        for i in 0..frames {
            let frame = entry.source_frame(i % d.z, i / d.z).map_or(i, |source| source.frame_number - 1);
            if let Some(slice) = slice_of.get_mut(frame) {
                *slice = i;
            }
        }
        let at = move |frame: usize, pixel: usize, channel: usize| {
            let slice = slice_of.get(frame).copied().unwrap_or(usize::MAX / 1_000_000_000);
            let i = (slice * d.y * d.x + pixel) * channels + channel;
            volume.voxels().get(i).unwrap_or(f64::NAN)
        };
        let is_lossy = volume.warnings().iter().any(|w| matches!(w, SeriesWarning::LossyCompression { .. }));
        Self {
            rows: d.y,
            columns: d.x,
            channels,
            frames,
            type_name: Some(volume.voxels().type_name()),
            is_lossy,
            at: Box::new(at),
        }
    }

    fn statistics(&self) -> Statistics {
        let mut values = Vec::new();
        for frame in 0..self.frames {
            for pixel in 0..self.rows * self.columns {
                values.extend((0..self.channels).map(|channel| (self.at)(frame, pixel, channel)));
            }
        }
        Statistics::of_samples(&values)
    }

    /// All values as NumPy would write them, little-endian.
    fn bytes(&self, dtype: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        for frame in 0..self.frames {
            for pixel in 0..self.rows * self.columns {
                for channel in 0..self.channels {
                    let value = (self.at)(frame, pixel, channel);
                    match dtype.trim_start_matches(['>', '<']) {
                        "uint8" => bytes.push(value as u8),
                        "int16" | "i2" => bytes.extend((value as i16).to_le_bytes()),
                        "uint16" | "u2" => bytes.extend((value as u16).to_le_bytes()),
                        "uint32" => bytes.extend((value as u32).to_le_bytes()),
                        "float32" => bytes.extend((value as f32).to_le_bytes()),
                        other => panic!("no truth has been made with {other}"),
                    }
                }
            }
        }
        bytes
    }
}

/// Red, green and blue of a YBR_FULL pixel of 8 bits. Source: PS3.3 C.7.6.3.1.2.
fn rgb_of_ybr([y, cb, cr]: [f64; 3]) -> [f64; 3] {
    let (b, r) = (cb - 128.0, cr - 128.0);
    [y + 1.402 * r, y - 0.344_136 * b - 0.714_136 * r, y + 1.772 * b].map(|v| v.clamp(0.0, 255.0))
}

fn compare_pixels(
    report: &mut Report,
    item: &str,
    pixels: &Map<String, Value>,
    truth: &Value,
    stored: &Stored<'_>,
) {
    let is_lossy = pixels["lossy"] == true;
    let number = |key: &str| numbers(&pixels[key])[0];
    let dtype = pixels["dtype"].as_str().unwrap_or_default();
    // The bounds that the notes of the truth file give.
    let tolerance = match (is_lossy, dtype.ends_with('8')) {
        (false, _) => 0.0,
        (true, true) => 2.0,
        (true, false) => 0.005 * (number("max") - number("min")),
    };
    // The truth is taken before colours are converted; these kinds are converted when read.
    let label = truth["PhotometricInterpretation"].as_str().unwrap_or_default();
    let is_ybr = label.starts_with("YBR_FULL");
    let is_converted = is_ybr || label == "PALETTE COLOR";
    let statistics = if is_converted { None } else { Some(stored.statistics()) };
    for (key, expected) in pixels {
        let name = format!("pixels.{key}");
        match key.as_str() {
            "shape" => {
                let mut found = vec![stored.rows, stored.columns];
                let mut wanted = indices(expected);
                if wanted.last() == Some(&3) && stored.channels == 3 {
                    wanted.pop();
                }
                if wanted.len() == 3 || stored.frames > 1 {
                    found.insert(0, stored.frames);
                }
                report.check(item, &name, found == wanted, &found, expected);
            }
            "dtype" => {
                let spelled = match dtype {
                    ">i2" => "int16",
                    ">u2" => "uint16",
                    other => other,
                };
                let is_same = stored
                    .type_name
                    .is_none_or(|found| found == spelled || is_converted && label != "YBR_FULL");
                report.check(item, &name, is_same, stored.type_name, spelled);
            }
            "lossy" => report.equal(item, &name, stored.is_lossy, expected),
            "min" | "max" | "mean" | "std" => {
                let Some(s) = &statistics else { continue };
                let found = match key.as_str() {
                    "min" => s.min,
                    "max" => s.max,
                    "mean" => s.mean,
                    _ => s.sd,
                };
                // Extremes move more than single pixels do; five decimals are given.
                let allowed = if matches!(key.as_str(), "min" | "max") { 4.0 * tolerance } else { tolerance };
                report.near(item, &name, &[found], expected, allowed + 6e-6 * found.abs().max(1.0));
            }
            "sha256_native_le" => {
                if !is_converted {
                    report.equal(item, &name, sha256(&stored.bytes(dtype)), expected);
                }
            }
            "samples" if label != "PALETTE COLOR" => {
                samples(report, item, &name, expected, "value", stored, |values| match (is_ybr, values) {
                    (true, &[y, cb, cr]) => {
                        (rgb_of_ybr([y, cb, cr]).to_vec(), if is_lossy { 6.0 } else { 1.0 })
                    }
                    _ => (values.to_vec(), tolerance),
                })
            }
            // The indices themselves; the colours they stand for follow in `palette_rgb_samples`.
            "samples" => {}
            "rgb_samples" => samples(report, item, &name, expected, "rgb", stored, |values| {
                (values.to_vec(), if is_lossy { 6.0 } else { 1.0 })
            }),
            "palette_rgb_samples" => {
                // Entries of 16 bits; ours are as wide as the screen's where the low byte says nothing.
                let scale = if stored.type_name == Some("uint8") { 1.0 / 256.0 } else { 1.0 };
                samples(report, item, &name, expected, "rgb", stored, |values| {
                    (values.iter().map(|v| (v * scale).floor()).collect(), 0.0)
                });
            }
            _ => report.other(item, &name),
        }
    }
}

/// Samples at `[frame,] row, column`; `wanted` makes of the truth what we should hold, and how nearly.
fn samples(
    report: &mut Report,
    item: &str,
    name: &str,
    truth: &Value,
    value_key: &str,
    stored: &Stored<'_>,
    wanted: impl Fn(&[f64]) -> (Vec<f64>, f64),
) {
    for sample in truth.as_array().expect("samples are a list") {
        for key in sample.as_object().expect("a sample is an object").keys() {
            if key != "index" && key != value_key {
                report.other(item, &format!("{name}.{key}"));
            }
        }
        let index = indices(&sample["index"]);
        let (frame, row, column) = match index[..] {
            [row, column] => (0, row, column),
            [frame, row, column] => (frame, row, column),
            _ => panic!("{item}: {index:?}"),
        };
        let (expected, tolerance) = wanted(&numbers(&sample[value_key]));
        let found: Vec<f64> =
            (0..stored.channels).map(|c| (stored.at)(frame, row * stored.columns + column, c)).collect();
        let is_same = found.len() == expected.len()
            && found.iter().zip(&expected).all(|(a, b)| (a - b).abs() <= tolerance + 1e-6);
        report.check(item, name, is_same, (index, found), expected);
    }
}

fn derived_object(
    report: &mut Report,
    item: &str,
    key: &str,
    expected: &Value,
    object: &DerivedObject,
    derived: &Derived,
) {
    let texts = |list: &Value| -> Vec<String> {
        list.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
    };
    match (key, derived) {
        ("Modality", _) => report.equal(item, key, object.modality.clone(), expected),
        ("segments", Derived::Segmentation(seg)) => {
            let found: Vec<String> = seg.segments.iter().map(|s| s.label.clone()).collect();
            report.check(item, key, found == texts(expected), found, expected);
        }
        ("NumberOfFrames", Derived::Segmentation(seg)) => report.equal(item, key, seg.frames.len(), expected),
        ("Rows", Derived::Segmentation(seg)) => report.equal(item, key, seg.rows, expected),
        ("Columns", Derived::Segmentation(seg)) => report.equal(item, key, seg.columns, expected),
        ("pixels", Derived::Segmentation(seg)) if expected.is_object() => {
            let stored = Stored {
                rows: seg.rows,
                columns: seg.columns,
                channels: 1,
                frames: seg.frames.len(),
                type_name: None,
                is_lossy: false,
                at: Box::new(|frame, pixel, _| f64::from(seg.frames[frame].stored_at(pixel))),
            };
            compare_pixels(report, item, expected.as_object().expect("just asked"), &Value::Null, &stored);
        }
        ("rois", Derived::StructureSet(set)) => {
            let found: Vec<String> = set.rois.iter().map(|roi| roi.name.clone()).collect();
            report.check(item, key, found == texts(expected), found, expected);
        }
        ("roi_contours", Derived::StructureSet(set)) => {
            let found: Vec<usize> = set.rois.iter().map(|roi| roi.contours.len()).collect();
            report.check(item, key, found == indices(expected), found, expected);
        }
        ("encapsulated", Derived::EncapsulatedDocument(document)) => {
            report.equal(item, "encapsulated.mime", document.mime_type.clone(), &expected["mime"]);
            report.equal(item, "encapsulated.length", document.bytes.len(), &expected["length"]);
            let start = expected["starts_with"].as_str().unwrap_or_default();
            report.check(
                item,
                "encapsulated.starts_with",
                document.bytes.starts_with(start.as_bytes()),
                "another start",
                start,
            );
        }
        ("content_items_top_level", Derived::StructuredReport(sr)) => {
            report.equal(item, key, sr.root.children.len(), expected);
        }
        ("pixels", _) if expected.is_null() => {}
        (_, _) if OBJECT_HEADER.contains(&key) => {}
        _ => report.other(item, &format!("object.{key}")),
    }
}

/// Of an object made from images: what says how its pixels are stored, which its values already answer, and header
/// texts that `imaging` keeps of images only.
const OBJECT_HEADER: [&str; 19] = [
    "transfer_syntax",
    "PatientName",
    "PhotometricInterpretation",
    "SamplesPerPixel",
    "BitsAllocated",
    "BitsStored",
    "PixelRepresentation",
    "PlanarConfiguration",
    "SOPClassUID",
    "SpecificCharacterSet",
    "parse",
    "pydicom_error",
    "dcmtk_error",
    "expectation",
    "has",
    "PixelSpacing",
    "ImagePositionPatient",
    "RescaleSlope",
    "RescaleIntercept",
];
