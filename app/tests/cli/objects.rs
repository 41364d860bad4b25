//! Objects made from images: listed with what they hold.

use serde_json::Value;
use test_support::data;

use super::{json, read_json, text};

#[test]
fn segments_and_contours_of_a_real_study_are_listed_with_true_volumes() {
    let Some(folder) = data("ct/ct-j2k-20/ct-j2k-20") else { return };
    let truth = read_json(&data("ct/ct-j2k-20/truth_organs.json").unwrap());
    let info = json("info", &[text(&folder)]);
    let series = &info["series"][0]["series_uid"];
    let objects = info["objects"].as_array().unwrap();
    assert_eq!(objects.len(), 2, "{objects:?}");
    let find = |kind: &str| objects.iter().find(|object| object["kind"] == kind).unwrap();
    let seg = find("segmentation");
    assert_eq!((&seg["referenced_series"][0], &seg["error"]), (series, &Value::Null));
    for expected in truth["segments"].as_array().unwrap() {
        let part = seg["parts"].as_array().unwrap().iter().find(|p| p["label"] == expected["label"]).unwrap();
        let (found, expected) =
            (part["volume_ml"].as_f64().unwrap(), expected["volume_ml"].as_f64().unwrap());
        assert!((found - expected).abs() < 1e-2, "{part}");
    }
    let contours = find("structure set");
    for expected in truth["rtstruct"]["rois"].as_array().unwrap() {
        let parts = contours["parts"].as_array().unwrap();
        let part = parts.iter().find(|part| part["label"] == expected["name"]).unwrap();
        assert_eq!(part["contours"], expected["contours"]);
    }
}

#[test]
fn every_kind_of_object_is_listed_even_where_there_is_no_series() {
    let Some(zoo) = data("zoo/zoo") else { return };
    let one = |name: &str| {
        let info = json("info", &[text(&zoo.join(name))]);
        assert_eq!(
            (info["series"].as_array().unwrap().len(), &info["objects"][0]["error"]),
            (0, &Value::Null)
        );
        info["objects"][0].clone()
    };
    let report = one("sr-wave-other/sr_document.dcm");
    assert_eq!(
        (report["kind"].as_str(), report["label"].as_str()),
        (Some("structured report"), Some("Imaging Measurement Report"))
    );
    let area = &report["parts"][0]["measurements"][0];
    assert_eq!((area["value"].as_f64(), area["unit"].as_str()), (Some(1.7), Some("cm2")));
    assert_eq!(one("sr-wave-other/encapsulated_pdf.dcm")["label"], "Sample document");
    assert_eq!(one("rt/rtstruct.dcm")["parts"].as_array().unwrap().len(), 3);
    let slide = one("seg-pm/seg_image_sm_control_labelmap.dcm");
    assert_eq!(slide["parts"][0]["volume_ml"], Value::Null);
    assert!(slide["parts"][0]["error"].as_str().unwrap().contains("does not say where"), "{slide}");
}

#[test]
fn pet_series_has_its_suv_factor() {
    let Some(folder) = data("pet/pet-wb/pet-wb") else { return };
    let truth = read_json(&data("pet/pet-wb/truth.json").unwrap());
    let info = json("info", &[text(&folder)]);
    let factor = info["series"][0]["suv"]["factor"].as_f64().unwrap();
    let expected = truth["series"][0]["suv_bw"]["factor_suvbw_per_bqml"].as_f64().unwrap();
    assert!((factor / expected - 1.0).abs() < 1e-9, "{factor}");
}
