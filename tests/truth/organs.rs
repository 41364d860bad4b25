//! Segmentation and contours of real organs against counts, volumes and centroids that NumPy gave.

use std::path::Path;

use imaging::contours::{ImageGrid, StructureSet};
use imaging::derived::Derived;
use imaging::formats::{ReadLimits, load, load_object, scan};
use imaging::segmentation::Segmentation;
use imaging::series::Catalog;
use imaging::source::Progress;
use imaging::volume::Volume;
use serde_json::{Map, Value};

use crate::report::{Report, indices};

/// A `truth_organs.json`; image and objects lie below `root`.
pub(crate) fn compare(report: &mut Report, item: &str, root: &Path, truth: &Map<String, Value>) {
    let catalog = scan(&[root.to_path_buf()], &Progress::new()).expect("the folder is readable");
    let ct = load(&catalog.series[0], ReadLimits::default(), &Progress::new()).expect("a sound series");
    let (mut segmentation, mut contours) = (None, None);
    for object in &catalog.objects {
        match load_object(object, ReadLimits::default()).expect("a sound object") {
            Derived::Segmentation(seg) => segmentation = Some((object, seg)),
            Derived::StructureSet(set) => contours = Some((object, set)),
            _ => {}
        }
    }
    let (seg_object, seg) = segmentation.expect("a segmentation beside the series");
    let (set_object, set) = contours.expect("contours beside the series");
    for (key, expected) in truth {
        match key.as_str() {
            "segments" => segments(report, item, expected, &seg, &ct),
            "seg" => {
                for (key, expected) in expected.as_object().expect("an object") {
                    let name = format!("seg.{key}");
                    match key.as_str() {
                        "file" => file(report, item, &name, seg_object.path(), expected),
                        "frames" => report.equal(item, &name, seg.frames.len(), expected),
                        "set_bits" => {
                            let pixels = seg.rows * seg.columns;
                            let set = |f: &imaging::segmentation::SegmentationFrame| {
                                (0..pixels).filter(|&pixel| f.stored_at(pixel) > 0).count()
                            };
                            report.equal(item, &name, seg.frames.iter().map(set).sum::<usize>(), expected);
                        }
                        "rows_cols" => report.check(
                            item,
                            &name,
                            indices(expected) == [seg.rows, seg.columns],
                            (seg.rows, seg.columns),
                            expected,
                        ),
                        _ => report.other(item, &name),
                    }
                }
            }
            "rtstruct" => {
                for (key, expected) in expected.as_object().expect("an object") {
                    let name = format!("rtstruct.{key}");
                    match key.as_str() {
                        "file" => file(report, item, &name, set_object.path(), expected),
                        "rois" => rois(report, item, expected, &set, &seg, &ct, &catalog),
                        _ => report.other(item, &name),
                    }
                }
            }
            _ => report.other(item, &format!("organs.{key}")),
        }
    }
}

fn file(report: &mut Report, item: &str, key: &str, path: &Path, expected: &Value) {
    let found = path.file_name().map(|name| name.to_string_lossy().into_owned());
    report.check(item, key, found.as_deref() == expected.as_str(), &found, expected);
}

fn segments(report: &mut Report, item: &str, truth: &Value, seg: &Segmentation, ct: &Volume) {
    for organ in truth.as_array().expect("segments are a list") {
        let label = organ["label"].as_str().unwrap_or_default();
        let item = format!("{item}: {label}");
        let Some(segment) = seg.segments.iter().find(|segment| segment.label == label) else {
            report.check(&item, "segments.label", false, "no such segment", label);
            continue;
        };
        let mask = seg.mask(segment.number).expect("it lies in the patient").resampled(ct.geometry());
        let voxel_ml = ct.geometry().spacing_mm().element_product() / 1000.0;
        for (key, expected) in organ.as_object().expect("an object") {
            let name = format!("segments.{key}");
            match key.as_str() {
                "label" => report.equal(&item, &name, segment.label.clone(), expected),
                "voxels" => report.equal(&item, &name, mask.count(), expected),
                // Spacing is given in six digits.
                "volume_ml" => report.near(&item, &name, &[mask.count() as f64 * voxel_ml], expected, 2e-3),
                "voxels_per_slice_ascending_position" => {
                    let counts: Vec<u64> = (0..ct.dims().z).map(|z| mask.count_in_slice(z)).collect();
                    report.equal(&item, &name, counts, expected);
                }
                "bbox_xyz" => {
                    let found = mask.bounds().map(|b| b.map(|axis| axis.to_vec()).to_vec());
                    report.check(&item, &name, serde_json::json!(found) == *expected, found, expected);
                }
                "centroid_lps" => {
                    let found = mask.centroid_lps().map_or([f64::NAN; 3], |c| c.to_array());
                    report.near(&item, &name, &found, expected, 1e-3);
                }
                _ => report.other(&item, &name),
            }
        }
    }
}

fn rois(
    report: &mut Report,
    item: &str,
    truth: &Value,
    set: &StructureSet,
    seg: &Segmentation,
    ct: &Volume,
    catalog: &Catalog,
) {
    let attributes = &catalog.series[0].attributes;
    let image = ImageGrid {
        geometry: ct.geometry(),
        series_uid: attributes.series_uid.as_deref(),
        frame_of_reference_uid: attributes.frame_of_reference_uid.as_deref(),
    };
    for expected in truth.as_array().expect("regions are a list") {
        let name = expected["name"].as_str().unwrap_or_default();
        let item = format!("{item}: contours of {name}");
        let Some(roi) = set.rois.iter().find(|roi| roi.name == name) else {
            report.check(&item, "rtstruct.rois.name", false, "no such region", name);
            continue;
        };
        for (key, expected) in expected.as_object().expect("an object") {
            let key = format!("rtstruct.rois.{key}");
            let points: usize = roi.contours.iter().map(|contour| contour.points_lps.len()).sum();
            match key.as_str() {
                "rtstruct.rois.name" => report.equal(&item, &key, roi.name.clone(), expected),
                "rtstruct.rois.contours" => report.equal(&item, &key, roi.contours.len(), expected),
                "rtstruct.rois.points" => report.equal(&item, &key, points, expected),
                _ => report.other(&item, &key),
            }
        }
        // The note of the truth: traced from the same masks, so that only pixels of the edge may differ.
        let found = set.mask(roi, image).expect("the same frame of reference");
        let number =
            seg.segments.iter().find(|segment| segment.label == name).expect("the same organs").number;
        let dice = found.mask.dice(&seg.mask(number).expect("it lies in the patient")).unwrap_or(0.0);
        report.check(
            &item,
            "rtstruct.rois.mask",
            dice > 0.95 && found.left_out == 0,
            dice,
            "Dice above 0.95",
        );
    }
}
