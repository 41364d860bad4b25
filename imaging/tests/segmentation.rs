//! Segmentations: made ones with known voxels in every orientation, and real ones against counts by pydicom.

mod dicom_builder;

use dicom_builder::{Set, object, open, open_set};
use glam::{DMat3, DVec3};
use imaging::derived::Derived;
use imaging::formats::{ReadLimits, load, scan};
use imaging::geometry::{Dims, Geometry};
use imaging::labelmap::{LabelMap, Mask, is_same_grid};
use imaging::segmentation::{Segmentation, SegmentationError, SegmentationKind};
use imaging::source::Progress;
use imaging::statistics::{Region, Sampling, measure};
use test_support::data;

const SEG: &str = "1.2.840.10008.5.1.4.1.1.66.4";

/// A frame to be written: segment, position, pixels.
struct Frame {
    segment: u16,
    origin: DVec3,
    pixels: Vec<u8>,
}

/// What all frames have in common.
struct Made {
    kind: &'static str,
    rows: u16,
    columns: u16,
    axes: [DVec3; 2],
    /// Between rows, between columns, between slices.
    spacing: [f64; 3],
    states_slice_spacing: bool,
    frames: Vec<Frame>,
}

impl Made {
    fn set(&self) -> Set {
        let is_binary = self.kind == "BINARY";
        let pixels: Vec<u8> = self.frames.iter().flat_map(|frame| frame.pixels.clone()).collect();
        let bytes: Vec<u8> = if is_binary {
            pixels
                .chunks(8)
                .map(|bits| bits.iter().enumerate().fold(0, |b, (i, v)| b | (v & 1) << i))
                .collect()
        } else {
            pixels
        };
        let [row_mm, column_mm, slice_mm] = self.spacing;
        let mut measures =
            Set::new().ds(0x0028_0030, &[row_mm, column_mm]).ds(0x0018_0050, &[slice_mm * 1.7]);
        if self.states_slice_spacing {
            measures = measures.ds(0x0018_0088, &[slice_mm]);
        }
        let axes = [self.axes[0].to_array(), self.axes[1].to_array()].concat();
        let orientation = Set::new().ds(0x0020_0037, &axes);
        let shared = Set::new().seq(0x0028_9110, [measures]).seq(0x0020_9116, [orientation]);
        let groups = self.frames.iter().map(|frame| {
            let group = Set::new().seq(0x0020_9113, [Set::new().ds(0x0020_0032, &frame.origin.to_array())]);
            let identification = Set::new().us(0x0062_000B, &[frame.segment]);
            if self.kind == "LABELMAP" { group } else { group.seq(0x0062_000A, [identification]) }
        });
        let segments = [1u16, 2].map(|number| {
            Set::new()
                .us(0x0062_0004, &[number])
                .text(0x0062_0005, "LO", &format!("Segment {number}"))
                .text(0x0062_0008, "CS", "MANUAL")
                .code(0x0062_0003, "SCT", "85756007", "Tissue")
                .code(0x0062_000F, "SCT", "10200004", "Liver")
                .us(0x0062_000D, &[34_885, 53_485, 50_171])
                .text(0x0062_0020, "UT", "lesion 1")
                .text(0x0062_0021, "UI", "1.2.3.9")
        });
        let bits = if is_binary { 1u16 } else { 8 };
        object(SEG, "SEG")
            .text(0x0020_0052, "UI", "1.2.3.5")
            .text(0x0070_0080, "CS", "MADE")
            .text(0x0062_0001, "CS", self.kind)
            .us(0x0062_000E, &[200])
            .text(0x0062_0010, "CS", "PROBABILITY")
            .us(0x0028_0002, &[1])
            .text(0x0028_0004, "CS", "MONOCHROME2")
            .text(0x0028_0008, "IS", &self.frames.len().to_string())
            .us(0x0028_0010, &[self.rows])
            .us(0x0028_0011, &[self.columns])
            .us(0x0028_0100, &[bits])
            .us(0x0028_0101, &[bits])
            .us(0x0028_0102, &[bits - 1])
            .us(0x0028_0103, &[0])
            .seq(0x0062_0002, segments)
            .seq(0x5200_9229, [shared])
            .seq(0x5200_9230, groups)
            .bytes(0x7FE0_0010, "OB", &bytes)
    }

    fn read(&self) -> Segmentation {
        segmentation(open_set(&self.set()))
    }
}

fn segmentation(derived: Derived) -> Segmentation {
    let Derived::Segmentation(segmentation) = derived else { panic!("not a segmentation") };
    *segmentation
}

/// Frames that hold what `is_inside(lps)` says at the centre of each pixel.
fn frames_of(
    grid: &Geometry,
    slices: &[usize],
    segment: u16,
    is_inside: impl Fn(DVec3) -> bool,
) -> Vec<Frame> {
    let d = grid.dims();
    let at = |x: usize, y: usize, z: usize| {
        grid.lps_from_index().transform_point3(DVec3::new(x as f64, y as f64, z as f64))
    };
    let frame = |&z: &usize| {
        let pixels = (0..d.x * d.y).map(|i| u8::from(is_inside(at(i % d.x, i / d.x, z))));
        Frame { segment, origin: at(0, 0, z), pixels: pixels.collect() }
    };
    slices.iter().map(frame).collect()
}

fn made(grid: &Geometry, frames: Vec<Frame>) -> Made {
    let direction = grid.direction();
    let mm = grid.spacing_mm();
    Made {
        kind: "BINARY",
        rows: grid.dims().y as u16,
        columns: grid.dims().x as u16,
        axes: [direction.x_axis, direction.y_axis],
        spacing: [mm.y, mm.x, mm.z],
        states_slice_spacing: true,
        frames,
    }
}

/// An upright, lopsided shape, so that no flip or turn leaves it as it was.
fn wedge(p: DVec3) -> bool {
    p.x > -6.3 && p.y > -4.1 && p.z > -5.2 && p.x + 1.7 * p.y + 0.6 * p.z < 7.05
}

#[test]
fn one_bit_pixels_are_one_stream_across_rows_and_frames() {
    // 13 × 11: neither a row nor a frame ends with a byte.
    let grid =
        Geometry::axis_aligned(Dims::new(13, 11, 5), DVec3::new(-6.0, -5.0, -4.0), DVec3::new(1.0, 1.0, 2.0))
            .unwrap();
    let seg = made(&grid, frames_of(&grid, &[0, 1, 2, 3, 4], 1, wedge)).read();
    let mask = seg.mask(1).unwrap();
    assert!(is_same_grid(mask.geometry(), &grid));
    let expected = Mask::from_fn(grid, |[x, y, z]| {
        wedge(grid.lps_from_index().transform_point3(DVec3::new(x as f64, y as f64, z as f64)))
    });
    assert!(expected.count() > 50);
    assert_eq!(mask.dice(&expected), Some(1.0));
    assert_eq!(mask.count(), expected.count());
}

#[test]
fn all_48_orientations_lie_at_the_same_place_in_the_patient() {
    let image =
        Geometry::axis_aligned(Dims::new(20, 18, 16), DVec3::new(-9.5, -8.5, -7.5), DVec3::ONE).unwrap();
    let expected = Mask::from_fn(image, |[x, y, z]| {
        wedge(image.lps_from_index().transform_point3(DVec3::new(x as f64, y as f64, z as f64)))
    });
    let axes = [DVec3::X, DVec3::Y, DVec3::Z];
    let mut seen = 0;
    for (a, b, c) in [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)] {
        for signs in 0..8 {
            let sign = |bit: usize| if signs >> bit & 1 == 1 { -1.0 } else { 1.0 };
            let (x, y, z) = (axes[a] * sign(0), axes[b] * sign(1), axes[c] * sign(2));
            let direction = DMat3::from_cols(x, y, z);
            // The same cube of voxels, counted from another corner along other axes.
            let counts = [20, 18, 16];
            let dims = Dims::new(counts[a], counts[b], counts[c]);
            let middle = image.center_lps();
            let half = (dims.as_dvec3() - 1.0) * 0.5;
            let grid = Geometry::new(dims, middle - direction * half, DVec3::ONE, direction).unwrap();
            // Written slice by slice, first slice first: against row × column for half of them.
            let slices: Vec<usize> = (0..dims.z).collect();
            let seg = made(&grid, frames_of(&grid, &slices, 1, wedge)).read();
            let mask = seg.mask(1).unwrap();
            assert_eq!(mask.count(), expected.count());
            let normal = mask.geometry().direction();
            assert!(
                normal.x_axis.cross(normal.y_axis).dot(normal.z_axis) > 0.99,
                "slices ascend along the normal"
            );
            assert_eq!(mask.resampled(&image), expected, "{x} {y} {z}");
            let centroid = mask.centroid_lps().unwrap();
            assert!(centroid.distance(expected.centroid_lps().unwrap()) < 1e-9);
            seen += 1;
        }
    }
    assert_eq!(seen, 48);
}

#[test]
fn sparse_frames_lie_at_their_true_position_and_gaps_stay_empty() {
    let direction = DMat3::from_rotation_x(0.5) * DMat3::from_rotation_z(-0.3);
    let grid =
        Geometry::new(Dims::new(9, 7, 40), DVec3::new(3.0, 4.0, 5.0), DVec3::new(0.7, 0.8, 1.5), direction)
            .unwrap();
    let kept = [3, 4, 11, 37];
    // Frames may come in any order.
    for (order, states_slice_spacing) in
        [([3, 4, 11, 37], true), ([37, 3, 11, 4], true), ([11, 37, 4, 3], false)]
    {
        let made = Made { states_slice_spacing, ..made(&grid, frames_of(&grid, &order, 1, |_| true)) };
        let mask = made.read().mask(1).unwrap();
        assert_eq!(mask.geometry().dims(), Dims::new(9, 7, 35), "from the first frame to the last");
        let on_image = mask.resampled(&grid);
        assert_eq!(on_image.slices().collect::<Vec<_>>(), kept);
        assert_eq!((mask.count(), on_image.count()), (4 * 63, 4 * 63));
    }
}

#[test]
fn segmentation_of_half_the_resolution_covers_eight_voxels_with_each_of_its_own() {
    let fine = Geometry::axis_aligned(Dims::new(24, 20, 12), DVec3::ZERO, DVec3::splat(0.5)).unwrap();
    // Twice the spacing; its first voxel covers the first eight fine ones, so its centre lies between them.
    let coarse = Geometry::axis_aligned(Dims::new(12, 10, 6), DVec3::splat(0.25), DVec3::ONE).unwrap();
    let chosen = |p: DVec3| p.x > 3.0 && p.y > 2.0 && p.z < 4.0 && p.x + p.y < 12.0;
    let mask = made(&coarse, frames_of(&coarse, &[0, 1, 2, 3, 4, 5], 1, chosen)).read().mask(1).unwrap();
    let on_fine = mask.resampled(&fine);
    assert!(mask.count() > 20);
    assert_eq!(on_fine.count(), mask.count() * 8);
    assert!((on_fine.volume_mm3() - mask.volume_mm3()).abs() < 1e-9);
    for z in 0..12 {
        for y in 0..20 {
            for x in 0..24 {
                assert_eq!(on_fine.contains([x, y, z]), mask.contains([x / 2, y / 2, z / 2]), "{x} {y} {z}");
            }
        }
    }
}

#[test]
fn overlapping_segments_keep_all_their_voxels() {
    let grid = Geometry::axis_aligned(Dims::new(10, 6, 2), DVec3::ZERO, DVec3::ONE).unwrap();
    let mut frames = frames_of(&grid, &[0, 1], 1, |p| p.x < 6.0);
    frames.extend(frames_of(&grid, &[0, 1], 2, |p| p.x > 3.0));
    let seg = made(&grid, frames).read();
    let masks = [seg.mask(1).unwrap(), seg.mask(2).unwrap()];
    assert_eq!([masks[0].count(), masks[1].count()], [72, 72]);
    let map = LabelMap::paint(&grid, [(1, &masks[0]), (2, &masks[1])], 1 << 20).unwrap();
    assert_eq!(map.overlap_count(), 24, "the map says that it does not show all");
    assert_eq!(seg.mask(3), Err(SegmentationError::NoSuchSegment { number: 3 }));
}

#[test]
fn header_of_a_segment_is_read() {
    let grid = Geometry::axis_aligned(Dims::new(2, 2, 1), DVec3::ZERO, DVec3::ONE).unwrap();
    let seg = made(&grid, frames_of(&grid, &[0], 2, |_| true)).read();
    let segment = seg.segment(2).unwrap();
    assert_eq!(segment.label, "Segment 2");
    assert_eq!(segment.property_type.as_ref().unwrap().meaning, "Liver");
    assert!(segment.category.as_ref().unwrap().is("SCT", "85756007"));
    assert_eq!(
        (segment.tracking_id.as_deref(), segment.tracking_uid.as_deref()),
        (Some("lesion 1"), Some("1.2.3.9"))
    );
    // L* 53.2329, a* 80.1093, b* 67.2201 is sRGB red; D50 changes it to 54.29, 80.81, 69.89, near what was written.
    let [r, g, b] = segment.color_rgb.unwrap();
    assert!(r > 245 && g < 20 && b < 20, "{r} {g} {b}");
    assert_eq!(seg.frame_of_reference_uid.as_deref(), Some("1.2.3.5"));
}

#[test]
fn fractions_and_label_maps_are_told_apart() {
    let grid = Geometry::axis_aligned(Dims::new(4, 1, 1), DVec3::ZERO, DVec3::new(2.0, 1.0, 1.0)).unwrap();
    let frame = |segment| Frame { segment, origin: DVec3::ZERO, pixels: vec![0, 99, 100, 200] };
    let seg = Made { kind: "FRACTIONAL", ..made(&grid, vec![frame(1)]) }.read();
    assert_eq!(seg.kind, SegmentationKind::Fractional { max: 200.0, is_probability: true });
    assert_eq!(seg.mask(1).unwrap().count(), 2, "one half and more");
    assert_eq!(seg.mask_from_share(1, 0.01).unwrap().count(), 3);
    assert!((seg.fractional_volume_mm3(1).unwrap() - 2.0 * 399.0 / 200.0).abs() < 1e-12);
    let pixels = vec![2, 1, 0, 2];
    let frame = Frame { segment: 0, origin: DVec3::ZERO, pixels };
    let seg = Made { kind: "LABELMAP", ..made(&grid, vec![frame]) }.read();
    assert_eq!([1, 2].map(|n| seg.mask(n).unwrap().count()), [1, 2]);
    assert_eq!(seg.mask(2).unwrap().bounds(), Some([[0, 0, 0], [3, 0, 0]]));
}

#[test]
fn frames_without_a_common_grid_are_refused_with_the_reason() {
    let grid = Geometry::axis_aligned(Dims::new(4, 4, 9), DVec3::ZERO, DVec3::ONE).unwrap();
    let shifted = |dx: f64, dz: [f64; 4]| {
        let mut frames = frames_of(&grid, &[0, 1, 2, 3], 1, |_| true);
        for (frame, z) in frames.iter_mut().zip(dz) {
            frame.origin.z = z;
        }
        frames[2].origin.x += dx;
        made(&grid, frames).read().mask(1)
    };
    assert!(shifted(0.0, [0.0, 1.0, 2.0, 3.0]).is_ok());
    assert!(matches!(shifted(0.0, [0.0, 1.0, 2.3, 3.0]), Err(SegmentationError::UnevenPlanes { .. })));
    assert!(matches!(
        shifted(0.6, [0.0, 1.0, 2.0, 3.0]),
        Err(SegmentationError::ShiftedPlane { frame_number: 3, .. })
    ));
    // A position that would need millions of slices.
    assert!(matches!(shifted(0.0, [0.0, 1.0, 2.0, 3e9]), Err(SegmentationError::TooManySlices { .. })));
}

#[test]
fn real_segmentations_hold_what_pydicom_counted() {
    // Voxels, first and last slice position along z, slices on the grid: counted by pydicom and NumPy.
    let expected = [
        ("seg-pm/24x38x3_label_seg.dcm", 1, 315, [0.7, 0.7, 2.5], 3),
        ("seg-pm/liver_nonbyte_aligned.dcm", 1, 107_098, [0.810_547, 0.810_547, 1.0], 3),
        ("seg-pm/seg_image_ct_binary.dcm", 1, 638, [0.488_281, 0.488_281, 1.25], 3),
        ("seg-pm/seg_image_ct_binary_fractional.dcm", 1, 638, [0.488_281, 0.488_281, 1.25], 3),
        // One of its frames lies 162 slices below the others.
        ("seg-pm/seg_image_ct_binary_overlap.dcm", 1, 64, [0.488_281, 0.488_281, 1.25], 165),
        ("seg-pm/seg_image_ct_binary_overlap.dcm", 2, 16, [0.488_281, 0.488_281, 1.25], 165),
    ];
    let Some(root) = data("zoo/zoo") else { return };
    for (name, number, count, spacing, slices) in expected {
        let seg = segmentation(open(&root.join(name)));
        let mask = seg.mask(number).unwrap();
        assert_eq!((mask.count(), mask.geometry().dims().z), (count, slices), "{name}");
        let found = mask.geometry().spacing_mm();
        assert!(found.abs_diff_eq(DVec3::from_array(spacing), 1e-5), "{name}: {found}");
    }
    let seg = segmentation(open(&root.join("seg-pm/liver_nonbyte_aligned.dcm")));
    let mask = seg.mask(1).unwrap();
    assert_eq!([0, 1, 2].map(|z| mask.count_in_slice(z)), [36_233, 35_645, 35_220]);
    // Each frame is deflated by itself; counted with zlib.
    let deflated = segmentation(open(&root.join("seg-pm/liver_deflate.dcm"))).mask(1).unwrap();
    assert_eq!([0, 1, 2].map(|z| deflated.count_in_slice(z)), [36_233, 35_645, 35_220]);
    // Whole slides have no place in a patient.
    let slide = segmentation(open(&root.join("seg-pm/seg_image_sm_control_labelmap.dcm")));
    assert_eq!(slide.kind, SegmentationKind::LabelMap);
    assert!(matches!(slide.mask(1), Err(SegmentationError::NoPosition { frame_number: 1 })));
}

#[test]
fn organs_of_a_real_ct_have_the_volumes_centroids_and_counts_of_the_truth() {
    let Some(root) = data("ct/ct-j2k-20/ct-j2k-20") else { return };
    let truth = std::fs::read_to_string(data("ct/ct-j2k-20/truth_organs.json").unwrap()).unwrap();
    let truth: serde_json::Value = serde_json::from_str(&truth).unwrap();
    let catalog = scan(std::slice::from_ref(&root), &Progress::new()).unwrap();
    let ct = load(&catalog.series[0], ReadLimits::default(), &Progress::new()).unwrap();
    let object = catalog.objects.iter().find(|o| o.modality == "SEG").unwrap();
    let attributes = &catalog.series[0].attributes;
    let series = attributes.series_uid.as_deref();
    assert_eq!(object.mismatch(series, attributes.frame_of_reference_uid.as_deref()), None);
    let seg = segmentation(open(&root.join("seg_organs.dcm")));
    for expected in truth["segments"].as_array().unwrap() {
        let label = expected["label"].as_str().unwrap();
        let number = seg.segments.iter().find(|s| s.label == label).unwrap().number;
        let mask = seg.mask(number).unwrap().resampled(ct.geometry());
        assert_eq!(mask.count(), expected["voxels"].as_u64().unwrap(), "{label}");
        let slices = expected["voxels_per_slice_ascending_position"].as_array().unwrap();
        for (z, count) in slices.iter().enumerate() {
            assert_eq!(mask.count_in_slice(z), count.as_u64().unwrap(), "{label}, slice {z}");
        }
        let found = measure(&ct, Region::Mask(&mask), Sampling::default()).unwrap();
        assert!((found.volume_ml() - expected["volume_ml"].as_f64().unwrap()).abs() < 1e-2, "{label}");
        let centroid = mask.centroid_lps().unwrap().to_array();
        for (found, expected) in centroid.iter().zip(expected["centroid_lps"].as_array().unwrap()) {
            assert!((found - expected.as_f64().unwrap()).abs() < 2e-3, "{label}: {centroid:?}");
        }
        let bounds = mask.bounds().unwrap();
        for (found, expected) in bounds.iter().zip(expected["bbox_xyz"].as_array().unwrap()) {
            let expected: Vec<usize> =
                expected.as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
            assert_eq!(found.as_slice(), expected, "{label}");
        }
        // Mean, SD, extremes and percentiles 5, 25, 50, 75, 95 of the CT in the mask, by pydicom and NumPy.
        let (mean, sd, min, max, percentiles) = match label {
            "Liver" => (
                89.304_593_845_784_65,
                21.656_793_439_149_045,
                -532.0,
                181.0,
                [52.0, 78.0, 93.0, 104.0, 117.0],
            ),
            "Spleen" => {
                (79.568_634_505_564_97, 20.597_930_987_316_99, -119.0, 235.0, [50.0, 68.0, 80.0, 93.0, 111.0])
            }
            // Holds gas.
            _ => (
                -56.152_020_188_388_974,
                293.532_501_421_000_4,
                -1021.0,
                174.0,
                [-953.0, 12.0, 52.0, 78.0, 110.0],
            ),
        };
        let values = found.values.unwrap();
        assert!(
            (values.mean - mean).abs() < 1e-10 && (values.sd - sd).abs() < 1e-10,
            "{label}: {} {}",
            values.mean,
            values.sd
        );
        assert_eq!((values.min, values.max), (min, max), "{label}");
        let found = [5.0, 25.0, 50.0, 75.0, 95.0].map(|percent| values.distribution.percentile(percent));
        assert_eq!(found, percentiles, "{label}");
    }
}
