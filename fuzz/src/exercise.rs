//! What the program does with a file that somebody opens: everything that looks at its bytes.
//!
//! Shared by the fuzz targets and by the test that runs the inputs they once failed on
//! (`tests/fuzz_inputs.rs`), so that both mean the same by "opening a file".

use std::path::{Path, PathBuf};

use glam::{DVec2, DVec3};
use imaging::contours::ImageGrid;
use imaging::deidentify::{Dates, Deidentifier, Key, Options};
use imaging::derived::Derived;
use imaging::formats::dicom::attributes::{Search, compare, read_file};
use imaging::formats::{ReadLimits, SourceFile, load, load_object, load_slice, scan, uptake_header};
use imaging::geometry::{Dims, Geometry};
use imaging::source::Progress;
use imaging::uptake::suv_body_weight;

/// Name of each target, and the name that its input gets on disk; the reader is chosen by both.
pub const TARGETS: &[(&str, &str)] = &[
    ("dicom", "input.dcm"),
    ("codestream", "input.dcm"),
    ("derived", "input.dcm"),
    ("nifti", "input.nii"),
    ("metaimage", "input.mha"),
    ("nrrd", "input.nrrd"),
    ("raster", "input.tif"),
    ("archive", "input.zip"),
    ("dicomdir", "DICOMDIR"),
];

/// Series of one input that are loaded; a fuzzer that makes more learns nothing from them.
const MAX_SERIES: usize = 4;
/// Attributes of one input that are written as lines.
const MAX_ROWS: usize = 1000;

/// Writes `bytes` into `folder` under the name that `target` asks for, and says where.
///
/// # Panics
/// If there is no such target, or if the folder cannot be written: then nothing would be tested.
pub fn place(folder: &Path, target: &str, bytes: &[u8]) -> PathBuf {
    let (_, name) = TARGETS.iter().find(|(name, _)| *name == target).expect("a target of this name");
    let is_gzip = bytes.starts_with(&[0x1f, 0x8b]);
    let name = if target == "nifti" && is_gzip { "input.nii.gz" } else { name };
    let path = folder.join(name);
    std::fs::write(&path, bytes).expect("the folder is writable");
    path
}

/// Opens a file as the program would. Returns how many series and objects could be loaded.
pub fn open(path: &Path) -> usize {
    exercise_attributes(path);
    let Ok(catalog) = scan(&[path.to_path_buf()], &Progress::new()) else { return 0 };
    let mut loaded = 0;
    for entry in catalog.series.iter().take(MAX_SERIES) {
        let _ = (entry.verdict(), entry.warnings.iter().map(ToString::to_string).collect::<Vec<_>>());
        let _ = uptake_header(entry).map(|header| suv_body_weight(&header));
        let _ = load_slice(entry, 0, 0);
        if let Ok(volume) = load(entry, ReadLimits::default(), &Progress::new()) {
            let _ = volume.sample_linear(DVec3::splat(0.5), 0, 0);
            loaded += 1;
        }
    }
    let grid = Geometry::axis_aligned(Dims::new(20, 15, 10), DVec3::splat(-100.0), DVec3::splat(14.0))
        .expect("a grid");
    for object in catalog.objects.iter().take(MAX_SERIES) {
        if let Ok(derived) = load_object(object, ReadLimits::default()) {
            exercise_object(&derived, &grid);
            loaded += 1;
        }
    }
    loaded
}

/// Shows every attribute, and makes a copy without identity.
fn exercise_attributes(path: &Path) {
    if let Ok(attributes) = read_file(path) {
        let _ = (
            attributes.search(&Search::new("a")),
            compare(&attributes, &attributes),
            attributes.rows_of_frame(1),
        );
        let _ = attributes.rows().iter().take(MAX_ROWS).map(|row| row.line().len()).sum::<usize>();
    }
    let key = Key::from_hex(&"5a".repeat(16)).expect("a key");
    let options =
        Options { dates: Dates::Shifted, descriptors: true, safe_private: true, ..Options::default() };
    let _ = Deidentifier::new(options, key).examine(&SourceFile::plain(path));
}

fn exercise_object(derived: &Derived, grid: &Geometry) {
    match derived {
        Derived::Segmentation(segmentation) => {
            for segment in segmentation.segments.iter().take(MAX_SERIES) {
                if let Ok(mask) = segmentation.mask(segment.number) {
                    let _ = (mask.centroid_lps(), mask.resampled(grid).count());
                }
                let _ = segmentation.fractional_volume_mm3(segment.number);
            }
        }
        Derived::StructureSet(set) => {
            for roi in set.rois.iter().take(MAX_SERIES) {
                let frame = roi.frame_of_reference_uid.as_deref();
                let image = ImageGrid { geometry: grid, series_uid: None, frame_of_reference_uid: frame };
                let _ = set.mask(roi, image).map(|found| found.mask.count());
                let _ = set.contours_on_slice(roi, image, 3);
            }
        }
        Derived::StructuredReport(report) => {
            let _ = report.measurement_groups();
        }
        Derived::PresentationState(state) => {
            for area in &state.displayed_areas {
                let _ = area.index_from_display(DVec2::splat(0.3), state.transformation);
            }
        }
        Derived::EncapsulatedDocument(_) => {}
    }
}
