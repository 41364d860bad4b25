//! What is written is read back as it was: values and places.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::io::{Read, Write};

use glam::{DMat3, DVec3};
use imaging::geometry::Geometry;
use imaging::volume::{Rescale, Volume, VolumeMeta, Voxels};
use support::*;

/// Float32 in the header of NIfTI-1 holds seven digits.
const NIFTI_MM: f64 = 2e-5;

fn oblique() -> DMat3 {
    DMat3::from_rotation_z(0.3) * DMat3::from_rotation_x(-0.7)
}

#[test]
fn every_orientation_comes_back_from_both_formats() {
    let directions: Vec<DMat3> = orientations().into_iter().chain([oblique()]).collect();
    assert_eq!(directions.len(), 49);
    for direction in directions {
        let folder = tempfile::tempdir().unwrap();
        let (input, output) = (folder.path().join("in"), folder.path().join("out"));
        let geometry = geometry(direction);
        let values = Voxels::from(numbers(&geometry));
        save(volume(geometry, values.clone()), &input, "a.mha");
        for compress in [false, true] {
            let more: &[&str] =
                if compress { &["--format", "both", "--compress"] } else { &["--format", "both"] };
            let (result, heard) = run("series_writer", &input, &output, more);
            result.unwrap();
            assert!(heard.warnings.lock().unwrap().is_empty(), "{:?}", heard.warnings);
            for (file, tolerance) in [("volume.mha", 1e-10), ("volume.nii.gz", NIFTI_MM)] {
                let read = load(&output.join(file));
                assert_eq!(read.voxels(), &values, "{file}");
                assert_same_place(read.geometry(), &geometry, tolerance);
                assert!(read.warnings().is_empty(), "{:?}", read.warnings());
            }
        }
    }
}

#[test]
fn the_qform_alone_says_the_same() {
    for direction in orientations().into_iter().chain([oblique()]) {
        let folder = tempfile::tempdir().unwrap();
        let geometry = geometry(direction);
        save(volume(geometry, numbers(&geometry)), &folder.path().join("in"), "a.mha");
        run("series_writer", &folder.path().join("in"), folder.path(), &["--format", "nifti"]).0.unwrap();
        let mut bytes = Vec::new();
        let packed = std::fs::read(folder.path().join("volume.nii.gz")).unwrap();
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes[252..256], [1, 0, 1, 0], "both forms have code 1");
        bytes[254] = 0;
        let path = folder.path().join("qform.nii");
        std::fs::File::create(&path).unwrap().write_all(&bytes).unwrap();
        assert_same_place(load(&path).geometry(), &geometry, NIFTI_MM);
    }
}

#[test]
fn a_sheared_grid_has_no_qform_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let tilt = DMat3::from_cols(DVec3::X, DVec3::Y, DVec3::new(0.0, 0.3, 1.0));
    let geometry: Geometry = geometry(tilt);
    save(volume(geometry, numbers(&geometry)), &folder.path().join("in"), "a.mha");
    let (result, heard) =
        run("series_writer", &folder.path().join("in"), folder.path(), &["--format", "both"]);
    result.unwrap();
    assert_eq!(heard.warnings.lock().unwrap().len(), 1);
    assert_same_place(load(&folder.path().join("volume.nii.gz")).geometry(), &geometry, NIFTI_MM);
    assert_same_place(load(&folder.path().join("volume.mha")).geometry(), &geometry, 1e-10);
}

#[test]
fn modality_values_are_int16_where_exact_and_float32_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let geometry = geometry(DMat3::IDENTITY);
    let written = |slope: f64, intercept: f64| {
        let meta = VolumeMeta { rescale: Rescale { slope, intercept }, ..VolumeMeta::scalar(geometry) };
        let volume = Volume::new(meta, numbers(&geometry)).unwrap();
        save(volume, folder.path(), "a.mha");
        load(folder.path())
    };
    let whole = written(2.0, -1024.0);
    assert_eq!(whole.voxels().type_name(), "int16");
    assert_eq!(whole.value_at([1, 0, 0], 0, 0), Some(2.0 * (37.0 - 1000.0) - 1024.0));
    let broken = written(0.5, 0.0);
    assert_eq!(broken.voxels().type_name(), "float32");
    assert_eq!(broken.value_at([1, 0, 0], 0, 0), Some(-481.5));
    assert_eq!(written(100.0, 0.0).voxels().type_name(), "float32", "beyond int16");
}
