//! DICOM series against what pydicom and SimpleITK found in the same files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use glam::DVec3;
use imaging::formats::{ReadLimits, load, scan, uptake_header};
use imaging::series::{SeriesEntry, SeriesWarning};
use imaging::source::Progress;
use imaging::uptake::suv_body_weight;
use imaging::volume::Volume;
use serde_json::{Map, Value};

use crate::grid;
use crate::report::{Report, indices, numbers};

/// A series as `imaging` shows it.
struct Found<'a> {
    /// One, or several where it can form no volume.
    entries: Vec<&'a SeriesEntry>,
    /// Of the first entry.
    volume: Volume,
    root: &'a Path,
    /// Which file each object came from.
    file_of: BTreeMap<String, String>,
}

/// A truth file with `series`; the files lie below `root`.
pub(crate) fn compare(report: &mut Report, prefix: &str, root: &Path, truth: &Map<String, Value>) {
    // Files are named below the series' own folder where objects made from it lie beside it.
    let root = &if root.join("dicom").is_dir() { root.join("dicom") } else { root.to_path_buf() };
    let catalog = scan(&[root.to_path_buf()], &Progress::new()).expect("the folder is readable");
    let uids = |key: fn(&SeriesEntry) -> Option<&str>| {
        catalog.series.iter().filter_map(key).collect::<std::collections::BTreeSet<_>>().len()
    };
    for (key, expected) in truth {
        match key.as_str() {
            "n_files" => {
                let files: usize = catalog.series.iter().map(count_files).sum();
                report.equal(prefix, key, files, expected);
            }
            "n_series" => {
                report.equal(prefix, key, uids(|s| s.attributes.series_uid.as_deref()), expected);
            }
            "n_studies" => {
                report.equal(prefix, key, uids(|s| s.attributes.study_uid.as_deref()), expected);
            }
            "series" => {
                for truth in expected.as_array().expect("series are a list") {
                    let uid = truth["series_instance_uid"].as_str();
                    let of_series = |s: &&SeriesEntry| s.attributes.series_uid.as_deref() == uid;
                    let entries: Vec<_> = catalog.series.iter().filter(of_series).collect();
                    let item = format!("{prefix} series {}", truth["series_number"]);
                    let Some(first) = entries.first() else {
                        report.check(&item, "series_instance_uid", false, "no series", uid);
                        continue;
                    };
                    let volume =
                        load(first, ReadLimits::default(), &Progress::new()).expect("a sound series");
                    let file_of = file_names(root);
                    let found = Found { entries, volume, root, file_of };
                    for (key, expected) in truth.as_object().expect("a series is an object") {
                        one(report, &item, key, expected, truth, &found);
                    }
                }
            }
            _ => report.other(prefix, key),
        }
    }
}

/// Objects that the slices of a series show.
fn count_files(entry: &SeriesEntry) -> usize {
    let frames =
        (0..entry.time_points).flat_map(|t| (0..entry.dims.z).map(move |z| entry.source_frame(z, t)));
    frames.flatten().map(|frame| frame.sop_instance_uid).collect::<std::collections::BTreeSet<_>>().len()
}

/// Files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("readable").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The only image of a file.
fn single(path: &Path) -> Option<SeriesEntry> {
    scan(&[path.to_path_buf()], &Progress::new()).ok()?.series.into_iter().next()
}

/// Path below `root` by the UID of the object in the file.
fn file_names(root: &Path) -> BTreeMap<String, String> {
    let name = |path: PathBuf| {
        let uid = single(&path)?.source_frame(0, 0)?.sop_instance_uid;
        Some((uid, path.strip_prefix(root).ok()?.to_string_lossy().into_owned()))
    };
    files(root).into_iter().filter_map(name).collect()
}

impl Found<'_> {
    fn file_at(&self, z: usize, time_point: usize) -> Option<&str> {
        let uid = self.entries[0].source_frame(z, time_point)?.sop_instance_uid;
        self.file_of.get(&uid).map(String::as_str)
    }

    /// Files of the slices at the first time.
    fn files_in_order(&self) -> Vec<&str> {
        let mut files: Vec<&str> = (0..self.volume.dims().z).filter_map(|z| self.file_at(z, 0)).collect();
        // A slice mixed from two names the nearer one, so one file may come several times.
        files.dedup();
        files
    }

    fn warns(&self, is_it: impl Fn(&SeriesWarning) -> bool) -> bool {
        self.volume.warnings().iter().any(is_it)
    }

    fn normal(&self) -> DVec3 {
        let direction = self.volume.geometry().direction();
        direction.x_axis.cross(direction.y_axis).normalize()
    }

    /// Directions of rows and columns.
    fn orientation(&self) -> [f64; 6] {
        let direction = self.volume.geometry().direction();
        let ([a, b, c], [d, e, f]) = (direction.x_axis.to_array(), direction.y_axis.to_array());
        [a, b, c, d, e, f]
    }
}

#[expect(clippy::too_many_lines, reason = "a table of keys")]
fn one(report: &mut Report, item: &str, key: &str, expected: &Value, truth: &Value, found: &Found<'_>) {
    let entry = found.entries[0];
    let a = &entry.attributes;
    let g = found.volume.geometry();
    let object = || expected.as_object().expect("an object");
    let text = |value: &Option<String>| value.clone().map_or(Value::Null, Value::from);
    match key {
        "series_instance_uid" => report.equal(item, key, text(&a.series_uid), expected),
        "study_instance_uid" => report.equal(item, key, text(&a.study_uid), expected),
        "frame_of_reference_uid" => report.equal(item, key, text(&a.frame_of_reference_uid), expected),
        "modality" => report.equal(item, key, a.modality.clone(), expected),
        "series_number" => {
            report.equal(item, key, a.series_number.map_or(Value::Null, Value::from), expected)
        }
        "series_description" => report.equal(item, key, a.series_description.clone(), expected),
        "study_description" => report.equal(item, key, a.study_description.clone(), expected),
        "patient_id" => report.equal(item, key, a.patient_id.clone(), expected),
        "manufacturer" => report.equal(item, key, a.manufacturer.clone(), expected),
        "transfer_syntaxes" => {
            report.check(
                item,
                key,
                expected[0].as_str() == entry.transfer_syntax.as_deref(),
                &entry.transfer_syntax,
                expected,
            );
        }
        "n_files" => {
            let files: usize = found.entries.iter().map(|s| count_files(s)).sum();
            report.equal(item, key, files, expected);
        }
        "rows" => report.equal(item, key, entry.dims.y, expected),
        "columns" => report.equal(item, key, entry.dims.x, expected),
        // Allocated, stored, signed.
        "bits" => {
            let bits = indices(expected);
            let name = format!("{}int{}", if bits[2] == 0 { "u" } else { "" }, bits[0]);
            report.check(item, key, entry.voxel_type == name, entry.voxel_type, name);
        }
        "photometric" => {
            let is_inverted = expected == "MONOCHROME1";
            report.check(
                item,
                key,
                entry.is_inverted == is_inverted && entry.channels == 1,
                entry.is_inverted,
                expected,
            );
        }
        "window_center" => windows(report, item, expected, &truth["window_width"], found),
        "window_width" => {}
        "rescale" => {
            let r = found.volume.rescale();
            match expected[0].as_f64() {
                Some(_) => report.near(item, key, &[r.slope, r.intercept], expected, 1e-12),
                None => report.check(item, key, (r.slope, r.intercept) == (1.0, 0.0), r, expected),
            }
        }
        "rescale_varies" => {
            report.equal(item, key, found.warns(|w| matches!(w, SeriesWarning::RescaleVaries)), expected);
        }
        "pixel_spacing_row_col" => {
            let spacing = g.spacing_mm();
            report.near(item, key, &[spacing.y, spacing.x], expected, 1e-9);
        }
        "slice_thickness" => {
            report.near(item, key, &[a.slice_thickness_mm.unwrap_or(f64::NAN)], expected, 1e-9)
        }
        "gantry_detector_tilt" => {
            let degrees = found.volume.warnings().iter().find_map(|w| match w {
                SeriesWarning::GantryTilt { degrees } => Some(*degrees),
                _ => None,
            });
            let stated = expected.as_f64().unwrap_or(0.0).abs();
            report.check(item, key, (degrees.unwrap_or(0.0) - stated).abs() < 0.05, degrees, stated);
        }
        "orientations" => {
            let number = numbers(expected).len();
            report.check(item, key, number == 6, number, "one orientation");
            report.near(item, key, &found.orientation(), expected, 2e-4);
        }
        "unique_slice_positions" => report.equal(item, key, found.volume.dims().z, expected),
        "files_per_position" => report.equal(item, key, found.volume.time_points(), expected),
        "filename_order_is_spatial_order" => {
            // In the order of plain strings, upwards or downwards.
            let files = found.files_in_order();
            let is_ordered = files.is_sorted() || files.iter().rev().is_sorted();
            report.equal(item, key, is_ordered && found.volume.time_points() == 1, expected);
        }
        "slice_gap_min_max" => {
            let z = g.spacing_mm().z;
            let gaps = found.volume.warnings().iter().find_map(|w| match w {
                SeriesWarning::UnevenSpacing { min_mm, max_mm, .. } => Some([*min_mm, *max_mm]),
                _ => None,
            });
            report.near(item, key, &gaps.unwrap_or([z, z]), expected, 1.1e-5);
        }
        "uniform_spacing" => {
            report.equal(
                item,
                key,
                !found.warns(|w| matches!(w, SeriesWarning::UnevenSpacing { .. })),
                expected,
            );
        }
        "stack_direction_unit" => {
            report.near(item, key, &g.direction().z_axis.normalize().to_array(), expected, 2e-6);
        }
        "slice_normal_unit" => report.near(item, key, &found.normal().to_array(), expected, 2e-6),
        "stack_vs_normal_angle_deg" => {
            let angle = g.direction().z_axis.angle_between(found.normal()).to_degrees();
            report.near(item, key, &[angle], expected, 0.006);
        }
        "is_sheared_gantry_tilt" => {
            report.equal(item, key, found.warns(|w| matches!(w, SeriesWarning::GantryTilt { .. })), expected);
        }
        "sorted_files_by_position_along_normal" => {
            report.equal(item, key, found.files_in_order(), expected);
        }
        "volume" if expected.is_null() => {
            let is_volume = found.entries.len() == 1
                && entry.dims.z > 2
                && entry.warnings.iter().all(|w| w.geometry_level() == imaging::verdict::Level::Green);
            report.check(item, key, !is_volume, "a sound volume", "none");
        }
        "volume" => {
            let other =
                |report: &mut Report, key: &str, _: &Value| report.other(item, &format!("volume.{key}"));
            grid::compare(report, item, object(), &found.volume, other);
        }
        "independent_check" => {
            let other =
                |report: &mut Report, key: &str, _: &Value| report.other(item, &format!("check.{key}"));
            grid::compare(report, &format!("{item} (second reader)"), object(), &found.volume, other);
        }
        "sha256_volume_int32le_zyx" => {
            let only = Map::from_iter([(key.to_owned(), expected.clone())]);
            grid::compare(report, item, &only, &found.volume, |report, key, _| report.other(item, key));
        }
        "n_phases" => report.equal(item, key, found.volume.time_points(), expected),
        "slice_spacing" => report.near(item, key, &[g.spacing_mm().z], expected, 1e-4),
        "phases" => phases(report, item, expected, &found.volume),
        "first_file_of_each_phase_lowest_slice" => {
            let files: Vec<_> = (0..found.volume.time_points()).filter_map(|t| found.file_at(0, t)).collect();
            report.equal(item, key, files, expected);
        }
        "slices" => slices(report, item, expected, found),
        "stats" => stacked_statistics(report, item, expected, found),
        "suv_bw" => uptake(report, item, object(), found),
        _ => report.other(item, key),
    }
}

/// All pairs of centre and width are offered, each once, for the slice of the file that the truth was taken from.
fn windows(report: &mut Report, item: &str, centers: &Value, widths: &Value, found: &Found<'_>) {
    let mut pairs: Vec<(f64, f64)> = numbers(centers).into_iter().zip(numbers(widths)).collect();
    pairs.retain(|(center, _)| !center.is_nan());
    pairs.dedup();
    let entry = found.entries[0];
    let places = (0..entry.time_points).flat_map(|t| (0..entry.dims.z).map(move |z| (z, t)));
    // The truth is that of the first file by name.
    let first = places.min_by_key(|&(z, t)| found.file_at(z, t));
    let (z, t) = first.expect("a series has slices");
    let found: Vec<(f64, f64)> =
        entry.windows_of_slice(z, t).iter().map(|w| (w.window.center, w.window.width)).collect();
    report.check(item, "window_center, window_width", found == pairs, found, pairs);
}

fn phases(report: &mut Report, item: &str, truth: &Value, volume: &Volume) {
    let per_time = volume.samples_per_time_point();
    for phase in truth.as_array().expect("phases are a list") {
        let t = indices(&phase["t"])[0];
        let values: Vec<f64> = (t * per_time..(t + 1) * per_time)
            .filter_map(|i| volume.voxels().get(i).map(|stored| volume.rescale().apply(stored)))
            .collect();
        let s = imaging::intensity::Statistics::of_samples(&values);
        for (key, expected) in phase.as_object().expect("a phase is an object") {
            let name = format!("phases.{key}");
            match key.as_str() {
                "t" => {}
                "min" => report.near(item, &name, &[s.min], expected, 0.0),
                "max" => report.near(item, &name, &[s.max], expected, 0.0),
                "mean" => report.near(item, &name, &[s.mean], expected, 1e-5),
                "std" => report.near(item, &name, &[s.sd], expected, 1e-5),
                "samples" => {
                    for sample in expected.as_array().expect("samples are a list") {
                        let i = indices(&sample["xyz"]);
                        let value = volume.value_at([i[0], i[1], i[2]], 0, t).unwrap_or(f64::NAN);
                        report.near(item, &name, &[value], &sample["value"], 0.0);
                    }
                }
                _ => report.other(item, &name),
            }
        }
    }
}

/// Slices of a stack that is no even grid, each file by itself and in its place in the whole.
fn slices(report: &mut Report, item: &str, truth: &Value, found: &Found<'_>) {
    let normal = found.normal();
    let whole = found.volume.geometry();
    for slice in truth.as_array().expect("slices are a list") {
        let file = slice["file"].as_str().expect("a file name");
        let Some(entry) = single(&found.root.join(file)) else {
            report.check(item, "slices.file", false, "no image", file);
            continue;
        };
        let alone = load(&entry, ReadLimits::default(), &Progress::new()).expect("a sound file");
        let g = alone.geometry();
        let s = alone.statistics();
        for (key, expected) in slice.as_object().expect("a slice is an object") {
            let name = format!("slices.{key}");
            match key.as_str() {
                "file" => report.check(item, &name, true, "", ""),
                "position_along_normal" => {
                    report.near(item, &name, &[normal.dot(g.origin_lps())], expected, 1e-4);
                }
                "ipp" => report.near(item, &name, &g.origin_lps().to_array(), expected, 1e-6),
                "iop" => {
                    let d = g.direction();
                    let found = [d.x_axis.to_array(), d.y_axis.to_array()].concat();
                    report.near(item, &name, &found, expected, 1e-4);
                }
                "min" => report.near(item, &name, &[s.min], expected, 0.0),
                "max" => report.near(item, &name, &[s.max], expected, 0.0),
                "samples" => {
                    for sample in expected.as_array().expect("samples are a list") {
                        let i = indices(&sample["col_row"]);
                        let value = alone.value_at([i[0], i[1], 0], 0, 0).unwrap_or(f64::NAN);
                        report.near(item, "slices.samples.value", &[value], &sample["value"], 0.0);
                        // The pixel lies at its own column and row of the sheared grid, whatever its slice.
                        let lps = DVec3::from_slice(&numbers(&sample["lps"]));
                        let at = whole.index_from_lps().transform_point3(lps);
                        report.near(item, "slices.samples.lps", &[at.x, at.y], &sample["col_row"], 2e-3);
                        let own = g.index_from_lps().transform_point3(lps);
                        report.near(item, "slices.samples.lps", &[own.x, own.y], &sample["col_row"], 1e-3);
                    }
                }
                _ => report.other(item, &name),
            }
        }
    }
}

/// Statistics of the acquired slices, which are those of the files one by one.
fn stacked_statistics(report: &mut Report, item: &str, truth: &Value, found: &Found<'_>) {
    let mut values: Vec<f64> = Vec::new();
    for file in found.file_of.values() {
        let entry = single(&found.root.join(file)).expect("opened before");
        let volume = load(&entry, ReadLimits::default(), &Progress::new()).expect("a sound file");
        values.extend(
            (0..volume.voxels().len())
                .filter_map(|i| volume.voxels().get(i))
                .map(|v| volume.rescale().apply(v)),
        );
    }
    let s = imaging::intensity::Statistics::of_samples(&values);
    for (key, expected) in truth.as_object().expect("an object") {
        let found = match key.as_str() {
            "min" => s.min,
            "max" => s.max,
            "mean" => s.mean,
            "std" => s.sd,
            _ => {
                report.other(item, &format!("stats.{key}"));
                continue;
            }
        };
        report.near(item, &format!("stats.{key}"), &[found], expected, 1e-5);
    }
}

fn uptake(report: &mut Report, item: &str, truth: &Map<String, Value>, found: &Found<'_>) {
    let header = uptake_header(found.entries[0]).expect("a PET series");
    let factor = suv_body_weight(&header);
    for (key, expected) in truth {
        let name = format!("suv_bw.{key}");
        let factor = factor.as_ref().ok();
        match key.as_str() {
            "units" => report.equal(item, &name, header.units.clone(), expected),
            "decay_correction" => report.equal(item, &name, header.decay_correction.clone(), expected),
            "patient_weight_kg" => {
                report.near(item, &name, &[header.weight_kg.unwrap_or(f64::NAN)], expected, 1e-9)
            }
            "total_dose_bq" => {
                report.near(item, &name, &[header.dose_bq.unwrap_or(f64::NAN)], expected, 1e-3)
            }
            "half_life_s" => {
                report.near(item, &name, &[header.half_life_secs.unwrap_or(f64::NAN)], expected, 1e-9)
            }
            "seconds_injection_to_series" => {
                let secs = factor.and_then(|f| f.decay_secs).unwrap_or(f64::NAN);
                report.near(item, &name, &[secs], expected, 1e-6);
            }
            "factor_suvbw_per_bqml" => {
                let found = factor.map_or(f64::NAN, |f| f.suv_per_value);
                report.near(item, &name, &[found], expected, 1e-12 * found.abs());
            }
            "volume_max_suvbw" => {
                let max = found.volume.statistics().max * factor.map_or(f64::NAN, |f| f.suv_per_value);
                report.near(item, &name, &[max], expected, 5.1e-5);
            }
            _ => report.other(item, &name),
        }
    }
}
