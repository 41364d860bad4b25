//! NIfTI, MetaImage and NRRD files against SimpleITK and nibabel.

use std::path::Path;

use imaging::formats::{ReadLimits, load, scan};
use imaging::source::Progress;
use imaging::volume::Volume;
use serde_json::{Map, Value};

use crate::grid;
use crate::report::{Report, indices, sha256};

/// Every record of `volumes` in a truth file, with the files in `folder`.
pub(crate) fn compare(report: &mut Report, prefix: &str, folder: &Path, truth: &Value) {
    for (name, truth) in truth.as_object().expect("volumes are an object") {
        let item = format!("{prefix}/{name}");
        let path = folder.join(name);
        match open(&path) {
            Ok(volume) => {
                one(report, &item, truth.as_object().expect("a volume is an object"), &volume, &path)
            }
            Err(error) => report.check(&item, "the file", false, error, "a volume"),
        }
    }
}

/// The only volume of a file.
pub(crate) fn open(path: &Path) -> Result<Volume, String> {
    let catalog = scan(&[path.to_path_buf()], &Progress::new()).map_err(|error| error.to_string())?;
    let [entry] = catalog.series.as_slice() else { return Err(format!("{} series", catalog.series.len())) };
    load(entry, ReadLimits::default(), &Progress::new()).map_err(|error| error.to_string())
}

fn one(report: &mut Report, item: &str, truth: &Map<String, Value>, volume: &Volume, path: &Path) {
    grid::compare(report, item, truth, volume, |report, key, expected| match key {
        "sha256_file" => report.equal(item, key, sha256(&std::fs::read(path).expect("readable")), expected),
        // The type of the file; ours is the stored type too, unless the rescale makes fractions of it.
        "pixel_type" => {
            let found = itk_name(volume);
            report.equal(item, key, found, expected);
        }
        "label_voxels" | "label_volume_ml" => labels(report, item, key, expected, volume),
        "nifti" => nifti(report, item, expected, volume),
        "dimensions" => report.equal(item, key, if volume.time_points() > 1 { 4 } else { 3 }, expected),
        "size" => {
            let d = volume.dims();
            report.near(item, key, &[d.x, d.y, d.z, volume.time_points()].map(|n| n as f64), expected, 0.0);
        }
        "first_volume" => grid::compare(
            report,
            &format!("{item} at time 0"),
            expected.as_object().expect("a volume is an object"),
            &first_time(volume),
            |report, key, expected| match key {
                "pixel_type" => report.equal(item, key, itk_name(volume), expected),
                _ => report.other(item, key),
            },
        ),
        "volume_means" => {
            let per_time = volume.samples_per_time_point();
            let found: Vec<f64> = (0..volume.time_points())
                .map(|t| {
                    let values = (t * per_time..(t + 1) * per_time).filter_map(|i| volume.voxels().get(i));
                    volume.rescale().apply(values.sum::<f64>() / per_time as f64)
                })
                .collect();
            report.near(item, key, &found, expected, 1e-5);
        }
        "samples_ijkt" => {
            for sample in expected.as_array().expect("samples are a list") {
                let i = indices(&sample["ijkt"]);
                let found = volume.value_at([i[0], i[1], i[2]], 0, i[3]);
                report.near(item, key, &[found.unwrap_or(f64::NAN)], &sample["value"], 1e-6);
            }
        }
        "components" => report.equal(item, key, volume.channels().count(), expected),
        _ => report.other(item, key),
    });
}

/// SimpleITK's name of the stored number type.
fn itk_name(volume: &Volume) -> String {
    let name = volume.voxels().type_name();
    let bits = name.trim_start_matches(char::is_alphabetic);
    let kind = match name.trim_end_matches(char::is_numeric) {
        "uint" => "unsigned integer",
        "int" => "signed integer",
        _ => "float",
    };
    let vector = if volume.channels().count() > 1 { "vector of " } else { "" };
    format!("{vector}{bits}-bit {kind}")
}

/// A copy of the first point in time alone.
fn first_time(volume: &Volume) -> Volume {
    let meta = imaging::volume::VolumeMeta { time_points: 1, ..volume.meta().clone() };
    let count = volume.samples_per_time_point();
    let voxels = imaging::with_voxels!(volume.voxels(), samples => {
        imaging::volume::Voxels::from(samples[..count].to_vec())
    });
    Volume::new(meta, voxels).expect("a part of a volume")
}

/// Voxels of each label, or their volume.
fn labels(report: &mut Report, item: &str, key: &str, truth: &Value, volume: &Volume) {
    let mut counts = std::collections::BTreeMap::<i64, u64>::new();
    for i in 0..volume.voxels().len() {
        *counts.entry(volume.voxels().get(i).unwrap_or(f64::NAN) as i64).or_default() += 1;
    }
    let voxel_ml = volume.geometry().spacing_mm().element_product() / 1000.0;
    let truth = truth.as_object().expect("labels are an object");
    if key == "label_voxels" {
        report.check(item, key, counts.len() == truth.len(), counts.len(), truth.len());
    }
    for (label, expected) in truth {
        let count = counts.get(&label.parse().expect("labels are numbers")).copied().unwrap_or(0);
        match key {
            "label_voxels" => report.equal(item, key, count, expected),
            // Three decimals, of single-precision spacing.
            _ => report.near(item, key, &[count as f64 * voxel_ml], expected, 1.1e-3),
        }
    }
}

/// What nibabel says of the header.
fn nifti(report: &mut Report, item: &str, truth: &Value, volume: &Volume) {
    for (key, expected) in truth.as_object().expect("an object") {
        let name = format!("nifti.{key}");
        match key.as_str() {
            "affine_ras" => {
                let m = volume.geometry().lps_from_index().transpose_rows();
                report.near(item, &name, &m, expected, 2e-6);
            }
            "axcodes" => report.equal(item, &name, axis_codes(volume), expected),
            "dtype" => {
                let found = match (volume.channels().count(), volume.voxels().type_name()) {
                    (1, name) => name.to_owned(),
                    // NumPy's name of the record of NIfTI's RGB24.
                    (_, _) => "[('R', 'u1'), ('G', 'u1'), ('B', 'u1')]".to_owned(),
                };
                report.equal(item, &name, found, expected);
            }
            // `nan` and a slope of zero both mean that nothing is rescaled.
            "scl" => {
                let parts: Vec<f64> = expected
                    .as_array()
                    .expect("slope and intercept")
                    .iter()
                    .map(|v| v.as_str().and_then(|t| t.parse().ok()).or(v.as_f64()).unwrap_or(f64::NAN))
                    .collect();
                let r = volume.rescale();
                let (slope, intercept) =
                    if parts[0].is_nan() || parts[0] == 0.0 { (1.0, 0.0) } else { (parts[0], parts[1]) };
                report.check(item, &name, (r.slope, r.intercept) == (slope, intercept), r, parts);
            }
            "shape" => {
                let d = volume.dims();
                let mut found = vec![d.x, d.y, d.z];
                if volume.time_points() > 1 {
                    found.push(volume.time_points());
                }
                report.check(item, &name, found == indices(expected), &found, expected);
            }
            _ => report.other(item, &name),
        }
    }
}

/// Rows of the matrix as nibabel prints it: RAS instead of LPS.
trait Rows {
    fn transpose_rows(self) -> Vec<f64>;
}

impl Rows for glam::DAffine3 {
    fn transpose_rows(self) -> Vec<f64> {
        let sign = [-1.0, -1.0, 1.0];
        let mut rows: Vec<f64> = (0..3)
            .flat_map(|r| {
                [self.x_axis, self.y_axis, self.z_axis, self.translation].map(|column| column[r] * sign[r])
            })
            .collect();
        rows.extend([0.0, 0.0, 0.0, 1.0]);
        rows
    }
}

/// nibabel's three letters: where each index axis points, each patient axis named once.
fn axis_codes(volume: &Volume) -> String {
    let direction = volume.geometry().direction();
    let letters = [["L", "R"], ["P", "A"], ["S", "I"]];
    (0..3)
        .map(|axis| {
            let cosines = direction.col(axis).to_array();
            let main = (0..3).max_by(|&a, &b| cosines[a].abs().total_cmp(&cosines[b].abs())).unwrap_or(0);
            letters[main][usize::from(cosines[main] < 0.0)]
        })
        .collect()
}

/// Numbers of the label image and the input of the network in `ai`; the network itself is not ours.
pub(crate) fn model(report: &mut Report, folder: &Path, truth: &Value) {
    let name = |key: &str| truth[key].as_str().expect("a file name").to_owned();
    let [input, labels_image] = ["input", "expected"].map(|key| open(&folder.join(name(key))));
    let (Ok(input), Ok(label_image)) = (&input, &labels_image) else {
        return report.check("ai", "the files", false, (input.err(), labels_image.err()), "two volumes");
    };
    for (key, expected) in truth.as_object().expect("an object") {
        match key.as_str() {
            "input" | "expected" => report.check("ai", key, true, "", ""),
            "label_counts" => labels(report, "ai", "label_voxels", expected, label_image),
            "samples" => {
                for sample in expected.as_array().expect("samples are a list") {
                    let ijk = indices(&sample["ijk"]);
                    let at =
                        |volume: &Volume| volume.value_at([ijk[0], ijk[1], ijk[2]], 0, 0).unwrap_or(f64::NAN);
                    for (key, expected) in sample.as_object().expect("a sample is an object") {
                        match key.as_str() {
                            "ijk" => {}
                            "input" => {
                                report.near("ai", "samples.input", &[at(input) / 255.0], expected, 1e-6)
                            }
                            "label" => report.near("ai", "samples.label", &[at(label_image)], expected, 0.0),
                            _ => report.other("ai", &format!("samples.{key}")),
                        }
                    }
                }
            }
            _ => report.other("ai", &format!("model.{key}")),
        }
    }
}
