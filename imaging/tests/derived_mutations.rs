//! Thousands of damaged copies of segmentations, contours, presentation states, reports, documents and PET headers:
//! nothing panics, and memory stays bounded by the size of the file.

mod dicom_builder;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use dicom_builder::{Set, object};
use glam::DVec3;
use imaging::contours::ImageGrid;
use imaging::derived::Derived;
use imaging::formats::{ReadLimits, load_object, scan, uptake_header};
use imaging::geometry::{Dims, Geometry};
use imaging::source::Progress;
use imaging::uptake::suv_body_weight;
use test_support::allocations::{Counting, peak_during};
use test_support::damage::{Chance, mutate};
use test_support::data;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Does with a file whatever the program may do with one. Returns how many objects could be loaded.
fn open(path: &Path) -> usize {
    let Ok(catalog) = scan(&[path.to_path_buf()], &Progress::new()) else { return 0 };
    for entry in &catalog.series {
        if let Ok(header) = uptake_header(entry)
            && let Ok(factor) = suv_body_weight(&header)
        {
            assert!(factor.suv_per_value.is_finite() && factor.suv_per_value > 0.0, "{header:?}");
        }
    }
    let grid = Geometry::axis_aligned(Dims::new(40, 30, 20), DVec3::splat(-100.0), DVec3::splat(7.0))
        .expect("a grid");
    let mut loaded = 0;
    for object in &catalog.objects {
        let Ok(derived) = load_object(object, ReadLimits::default()) else { continue };
        loaded += 1;
        match derived {
            Derived::Segmentation(seg) => {
                for segment in &seg.segments {
                    if let Ok(mask) = seg.mask(segment.number) {
                        let _ = (mask.centroid_lps(), mask.resampled(&grid).count());
                    }
                    let _ = seg.fractional_volume_mm3(segment.number);
                }
            }
            Derived::StructureSet(set) => {
                for roi in &set.rois {
                    let frame = roi.frame_of_reference_uid.as_deref();
                    let image =
                        ImageGrid { geometry: &grid, series_uid: None, frame_of_reference_uid: frame };
                    let _ = set.mask(roi, image).map(|found| found.mask.count());
                    let _ = set.contours_on_slice(roi, image, 3);
                }
            }
            Derived::StructuredReport(report) => drop(report.measurement_groups()),
            Derived::PresentationState(state) => {
                for area in &state.displayed_areas {
                    let _ = area.index_from_display(glam::DVec2::splat(0.3), state.transformation);
                }
            }
            Derived::EncapsulatedDocument(document) => drop(document.bytes),
        }
    }
    loaded
}

/// A presentation state, of which the data set holds none.
fn presentation_state() -> Vec<u8> {
    let image = || Set::reference("1.2.840.10008.5.1.4.1.1.2", "1.2.3.100");
    let drawing = Set::new()
        .text(0x0070_0005, "CS", "PIXEL")
        .us(0x0070_0020, &[2])
        .us(0x0070_0021, &[3])
        .fl(0x0070_0022, &[0.5, 0.5, 3.0, 4.0, 5.0, 6.0])
        .text(0x0070_0023, "CS", "POLYLINE");
    let text = Set::new()
        .text(0x0070_0006, "ST", "note")
        .text(0x0070_0004, "CS", "PIXEL")
        .fl(0x0070_0014, &[8.5, 4.5]);
    let annotation = Set::new()
        .seq(0x0008_1140, [image()])
        .text(0x0070_0002, "CS", "LAYER1")
        .seq(0x0070_0009, [drawing])
        .seq(0x0070_0008, [text]);
    let area = Set::new().sl(0x0070_0052, &[1, 1]).sl(0x0070_0053, &[16, 16]);
    let table = Set::new().us(0x0028_3002, &[4, 0, 16]).bytes(0x0028_3006, "OW", &[0, 0, 1, 1, 2, 2, 3, 3]);
    let voi = Set::new().seq(0x0028_3010, [table]).ds(0x0028_1050, &[40.0]).ds(0x0028_1051, &[400.0]);
    object("1.2.840.10008.5.1.4.1.1.11.1", "PR")
        .seq(0x0008_1115, [Set::new().text(0x0020_000E, "UI", "1.2.3.77").seq(0x0008_1140, [image()])])
        .seq(0x0070_0001, [annotation])
        .seq(0x0070_005A, [area])
        .seq(0x0028_3110, [voi])
        .us(0x0070_0042, &[90])
        .text(0x2050_0020, "CS", "INVERSE")
        .file()
}

#[test]
fn damaged_objects_neither_panic_nor_take_memory() {
    const ROUNDS: usize = 250;
    let mut files = vec![("made presentation state".to_owned(), presentation_state())];
    if let Some(root) = data("zoo/zoo") {
        let names = [
            "rt/rtstruct.dcm",
            "rt/rtstruct_invalid_reference.dcm",
            "seg-pm/24x38x3_label_seg.dcm",
            "seg-pm/seg_image_ct_binary.dcm",
            "seg-pm/seg_image_ct_binary_fractional.dcm",
            "seg-pm/seg_image_ct_binary_overlap.dcm",
            "seg-pm/liver_deflate.dcm",
            "seg-pm/seg_image_sm_control_labelmap.dcm",
            "sr-wave-other/encapsulated_pdf.dcm",
            "sr-wave-other/reportsi.dcm",
            "sr-wave-other/sr_document.dcm",
            "sr-wave-other/test-SR.dcm",
        ];
        for name in names {
            let bytes = std::fs::read(root.join(name)).expect("the zoo holds it");
            files.push((name.to_owned(), bytes));
        }
    }
    if let Some(folder) = data("pet/pet-wb/pet-wb") {
        let first = std::fs::read_dir(folder).expect("a folder").flatten().next().expect("a file");
        files.push(("a PET slice".to_owned(), std::fs::read(first.path()).expect("readable")));
    }
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("mutant.dcm");
    let (mut loaded, mut tried) = (0, 0);
    for (seed, (name, bytes)) in files.iter().enumerate() {
        std::fs::write(&path, bytes).expect("writable");
        let is_object = !name.contains("PET");
        assert_eq!(open(&path), usize::from(is_object), "{name}");
        let mut chance = Chance(seed as u64 + 77);
        for round in 0..ROUNDS {
            let mutant = mutate(bytes, 8192, &mut chance);
            std::fs::write(&path, &mutant).expect("writable");
            let (outcome, used) = peak_during(|| catch_unwind(AssertUnwindSafe(|| open(&path))));
            assert!(outcome.is_ok(), "panic: {name}, round {round}");
            loaded += outcome.unwrap_or(0);
            tried += 1;
            // Inflating explains the factor; everything else is a small multiple of the file.
            let allowed = (24 << 20) + 1100 * mutant.len().min(1 << 17);
            assert!(used <= allowed, "{} MiB: {name}, round {round}, {} bytes", used >> 20, mutant.len());
        }
    }
    // Most damage does not hit what matters; if nothing loaded the test would test nothing.
    assert!(loaded > tried / 5, "{loaded} of {tried}");
}
