//! One volume against size, place, statistics and samples that SimpleITK gave.

use glam::{DVec3, UVec3};
use imaging::volume::Volume;
use serde_json::{Map, Value};

use crate::report::{Report, indices, numbers, sha256};

/// Decimals of positions in the truth files.
const LPS_MM: f64 = 2e-4;

/// Compares a record of the form that `volumes` and `series[].volume` share. Other keys go to `other`.
pub(crate) fn compare(
    report: &mut Report,
    item: &str,
    truth: &Map<String, Value>,
    volume: &Volume,
    mut other: impl FnMut(&mut Report, &str, &Value),
) {
    let g = volume.geometry();
    for (key, expected) in truth {
        match key.as_str() {
            "size_xyz" => report.near(item, key, &volume.dims().as_dvec3().to_array(), expected, 0.0),
            // Of four dimensions the last is time, whose step is not offered.
            "spacing" if numbers(expected).len() == 4 => {
                let space = Value::from(numbers(expected)[..3].to_vec());
                report.near(item, key, &g.spacing_mm().to_array(), &space, 2e-6);
            }
            // Six decimals.
            "spacing_xyz" | "spacing" => report.near(item, key, &g.spacing_mm().to_array(), expected, 2e-6),
            "origin_lps" | "origin" => report.near(item, key, &g.origin_lps().to_array(), expected, 2e-6),
            "direction_row_major" | "direction" => {
                report.near(item, key, &g.direction().transpose().to_cols_array(), expected, 2e-6);
            }
            "stats" => statistics(report, item, expected, volume),
            "voxel_samples" => voxels(report, item, expected, volume),
            "physical_samples" => points(report, item, expected, volume),
            "sha256_volume_int32le_zyx" => {
                let voxels = volume.voxels();
                let bytes: Vec<u8> = (0..voxels.len())
                    .flat_map(|i| (modality(volume, i).round() as i32).to_le_bytes())
                    .collect();
                report.equal(item, key, sha256(&bytes), expected);
            }
            _ => other(report, key, expected),
        }
    }
}

/// Modality value of a sample by its place in memory.
fn modality(volume: &Volume, i: usize) -> f64 {
    volume.rescale().apply(volume.voxels().get(i).unwrap_or(f64::NAN))
}

/// Minimum, maximum, mean and standard deviation of modality values.
pub(crate) fn statistics(report: &mut Report, item: &str, truth: &Value, volume: &Volume) {
    let s = volume.statistics();
    for (key, expected) in truth.as_object().expect("statistics are an object") {
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
        // Five decimals, of which single precision leaves seven digits.
        report.near(item, &format!("stats.{key}"), &[found], expected, 1.1e-5_f64.max(found.abs() * 1e-7));
    }
}

fn voxels(report: &mut Report, item: &str, truth: &Value, volume: &Volume) {
    let g = volume.geometry();
    for sample in truth.as_array().expect("samples are a list") {
        let mut index = [0; 3];
        for (key, expected) in sample.as_object().expect("a sample is an object") {
            let key_in_list = format!("voxel_samples.{key}");
            match key.as_str() {
                "ijk" => index.copy_from_slice(&indices(expected)),
                "lps" => {
                    let centre = g.lps_from_index().transform_point3(DVec3::from(index.map(|i| i as f64)));
                    report.near(item, &key_in_list, &centre.to_array(), expected, LPS_MM);
                    let lps = DVec3::from_slice(&numbers(expected));
                    report.check(item, &key_in_list, g.nearest_index(lps) == Some(index), lps, index);
                }
                "value" => {
                    let channels = 0..volume.channels().count();
                    let found: Vec<f64> = channels
                        .map(|channel| volume.value_at(index, channel, 0).unwrap_or(f64::NAN))
                        .collect();
                    let tolerance = 1e-6 * found.iter().fold(1.0f64, |most, v| most.max(v.abs()));
                    report.near(item, &key_in_list, &found, expected, tolerance);
                }
                _ => report.other(item, &key_in_list),
            }
        }
    }
}

fn points(report: &mut Report, item: &str, truth: &Value, volume: &Volume) {
    let g = volume.geometry();
    for sample in truth.as_array().expect("samples are a list") {
        let lps = DVec3::from_slice(&numbers(&sample["lps"]));
        let at = g.index_from_lps().transform_point3(lps);
        for (key, expected) in sample.as_object().expect("a sample is an object") {
            let key_in_list = format!("physical_samples.{key}");
            match key.as_str() {
                "lps" => {}
                "continuous_index" => {
                    report.near(
                        item,
                        &key_in_list,
                        &at.to_array(),
                        expected,
                        1e-4 + LPS_MM / g.spacing_mm().min_element(),
                    );
                }
                "trilinear" => {
                    let found = volume.sample_linear(at, 0, 0).unwrap_or(f64::NAN);
                    // Positions are rounded to a tenth of a micrometre, which moves the value by the gradient.
                    let step = LPS_MM / g.spacing_mm().min_element();
                    report.near(
                        item,
                        &key_in_list,
                        &[found],
                        expected,
                        1e-3 + spread(volume, at) * 3.0 * step,
                    );
                }
                _ => report.other(item, &key_in_list),
            }
        }
    }
}

/// Largest less smallest value of the eight voxels around a point.
fn spread(volume: &Volume, at: DVec3) -> f64 {
    let last = volume.dims().as_dvec3() - 1.0;
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for corner in 0..8u32 {
        let offset = UVec3::new(corner & 1, corner >> 1 & 1, corner >> 2).as_dvec3();
        let i = (at.floor() + offset).clamp(DVec3::ZERO, last);
        let value = volume.value_at([i.x as usize, i.y as usize, i.z as usize], 0, 0).unwrap_or(0.0);
        low = low.min(value);
        high = high.max(value);
    }
    high - low
}
