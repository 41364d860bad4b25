//! Inputs on which a fuzz target once failed (`fuzz/`), and one good file of each target, opened the same way.

#[allow(unreachable_pub, reason = "the library of the fuzz targets exports it")]
#[path = "../fuzz/src/exercise.rs"]
mod exercise;

use std::time::{Duration, Instant};

use test_support::data::repository_data;

/// Longest that one of them may take, on a busy machine; the failures that were hangs took a multiple.
const MAX_DURATION: Duration = Duration::from_secs(3);

#[test]
fn inputs_that_once_failed_are_opened_or_refused_quietly() {
    let mut count = 0;
    for (target, _) in exercise::TARGETS {
        let folder = repository_data("fuzz").join(target);
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        for entry in entries {
            let path = entry.expect("a readable folder").path();
            let bytes = std::fs::read(&path).expect("a readable file");
            let scratch = tempfile::tempdir().expect("a folder can be made");
            let start = Instant::now();
            exercise::open(&exercise::place(scratch.path(), target, &bytes));
            assert!(start.elapsed() < MAX_DURATION, "{}: {:?}", path.display(), start.elapsed());
            count += 1;
        }
    }
    assert!(count > 0, "tests/data/fuzz holds nothing");
}

#[test]
fn every_target_reads_a_good_file() {
    for (target, good) in [
        ("dicom", "dicom/codec-other/MR_small_RLE.dcm"),
        ("derived", "dicom/seg-pm/seg_image_ct_binary.dcm"),
        ("nifti", "made/nifti/compressed.nii.gz"),
        ("nifti", "made/nifti/int16_le.nii"),
        ("metaimage", "made/metaimage/int16.mha"),
        ("nrrd", "made/nrrd/int16.nrrd"),
        ("raster", "made/picture/grey8.png"),
    ] {
        let bytes = std::fs::read(repository_data(good)).expect("a readable file");
        let scratch = tempfile::tempdir().expect("a folder can be made");
        let path = exercise::place(scratch.path(), target, &bytes);
        assert_eq!(exercise::open(&path), 1, "{target}: {good}");
    }
}
