//! Structure sets: made ones with known places, and what real ones refer to.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

mod dicom_builder;

use dicom_builder::{Set, find_object, object, open, open_set};
use glam::{DMat3, DVec2, DVec3};
use imaging::contours::{ContourKind, ImageGrid, StructureSet};
use imaging::derived::{Derived, Mismatch, ObjectKind};
use imaging::geometry::{Dims, Geometry};
use test_support::data;

const RTSTRUCT: &str = "1.2.840.10008.5.1.4.1.1.481.3";
const FRAME: &str = "1.2.3.5";

fn structure_set(derived: Derived) -> StructureSet {
    let Derived::StructureSet(set) = derived else { panic!("not a structure set") };
    *set
}

fn contour(kind: &str, points: &[DVec3]) -> Set {
    let numbers: Vec<f64> = points.iter().flat_map(|p| p.to_array()).collect();
    Set::new()
        .text(0x3006_0042, "CS", kind)
        .text(0x3006_0046, "IS", &points.len().to_string())
        .ds(0x3006_0050, &numbers)
}

fn set_with(contours: impl IntoIterator<Item = Set>) -> Set {
    let series = Set::new().text(0x0020_000E, "UI", "1.2.3.77");
    let study = Set::new().seq(0x3006_0014, [series]);
    let frame = Set::new().text(0x0020_0052, "UI", FRAME).seq(0x3006_0012, [study]);
    let roi = Set::new()
        .text(0x3006_0022, "IS", "4")
        .text(0x3006_0024, "UI", FRAME)
        .text(0x3006_0026, "LO", "Lesion")
        .text(0x3006_0036, "CS", "MANUAL");
    let drawn = Set::new()
        .text(0x3006_0084, "IS", "4")
        .text(0x3006_002A, "IS", "255\\128\\0")
        .seq(0x3006_0040, contours);
    let observation = Set::new().text(0x3006_0084, "IS", "4").text(0x3006_00A4, "CS", "GTV");
    object(RTSTRUCT, "RTSTRUCT")
        .text(0x3006_0002, "SH", "Plan A")
        .seq(0x3006_0010, [frame])
        .seq(0x3006_0020, [roi])
        .seq(0x3006_0039, [drawn])
        .seq(0x3006_0080, [observation])
}

fn read(contours: impl IntoIterator<Item = Set>) -> StructureSet {
    structure_set(open_set(&set_with(contours)))
}

fn oblique() -> Geometry {
    let direction = DMat3::from_rotation_z(0.3) * DMat3::from_rotation_x(-0.4);
    Geometry::new(Dims::new(20, 16, 9), DVec3::new(-11.0, 7.0, 30.0), DVec3::new(0.8, 1.1, 3.0), direction)
        .unwrap()
}

fn on(geometry: &Geometry) -> ImageGrid<'_> {
    ImageGrid { geometry, series_uid: None, frame_of_reference_uid: Some(FRAME) }
}

/// Patient positions of continuous indices.
fn at(grid: &Geometry, indices: &[[f64; 3]]) -> Vec<DVec3> {
    indices.iter().map(|&index| grid.lps_from_index().transform_point3(index.into())).collect()
}

fn square(grid: &Geometry, low: f64, high: f64, z: f64) -> Set {
    let corners = [[low, low, z], [high, low, z], [high, high, z], [low, high, z]];
    contour("CLOSED_PLANAR", &at(grid, &corners))
}

#[test]
fn point_at_a_voxel_centre_has_the_index_of_that_voxel() {
    let grid = oblique();
    let set = read([contour("POINT", &at(&grid, &[[7.0, 3.0, 5.0]]))]);
    let roi = &set.rois[0];
    assert_eq!(
        (roi.contours[0].kind, roi.name.as_str(), roi.interpreted_type.as_str()),
        (ContourKind::Point, "Lesion", "GTV")
    );
    assert_eq!((roi.color_rgb, roi.number), (Some([255, 128, 0]), 4));
    let found = set.contours_on_slice(roi, on(&grid), 5).unwrap();
    assert!(found[0].points[0].abs_diff_eq(DVec2::new(7.0, 3.0), 1e-9), "{}", found[0].points[0]);
    assert_eq!(grid.nearest_index(roi.contours[0].points_lps[0]), Some([7, 3, 5]));
}

#[test]
fn square_around_voxel_centres_encloses_exactly_those() {
    let grid = oblique();
    // Half a pixel around the centres 4..=8: a contour read with its origin at the corner would enclose others.
    let set = read([square(&grid, 3.5, 8.5, 2.0)]);
    let found = set.mask(&set.rois[0], on(&grid)).unwrap();
    assert_eq!((found.mask.count(), found.left_out, found.empty_slices), (25, 0, 0));
    assert_eq!(found.mask.bounds(), Some([[4, 4, 2], [8, 8, 2]]));
}

#[test]
fn inner_contour_is_a_hole_and_an_island_in_it_is_filled() {
    let grid = oblique();
    let set =
        read([square(&grid, 1.5, 12.5, 4.0), square(&grid, 3.5, 9.5, 4.0), square(&grid, 5.5, 6.5, 4.0)]);
    let mask = set.mask(&set.rois[0], on(&grid)).unwrap().mask;
    assert_eq!(mask.count(), 121 - 36 + 1);
    assert_eq!([[3, 3, 4], [5, 5, 4], [6, 6, 4]].map(|i| mask.contains(i)), [true, false, true]);
}

#[test]
fn contour_belongs_to_the_slice_within_half_a_spacing() {
    let grid = oblique();
    let tiny = 1e-4 / 3.0;
    for (z, slice) in [(3.0 + tiny, 3), (3.0 - tiny, 3), (3.4, 3), (2.6, 3), (3.6, 4), (-0.4, 0), (8.4, 8)] {
        let set = read([square(&grid, 3.5, 8.5, z)]);
        let found = set.mask(&set.rois[0], on(&grid)).unwrap();
        assert_eq!(found.mask.slices().collect::<Vec<_>>(), [slice], "contour at {z}");
        let roi = &set.rois[0];
        for k in 0..9 {
            let contours = set.contours_on_slice(roi, on(&grid), k).unwrap();
            assert_eq!(contours.len(), usize::from(k == slice), "contour at {z}, slice {k}");
            for contour in contours {
                assert!((contour.distance_mm - (z - slice as f64).abs() * 3.0).abs() < 1e-6);
            }
        }
    }
    for z in [-0.6, 8.6] {
        let set = read([square(&grid, 3.5, 8.5, z)]);
        assert_eq!(set.mask(&set.rois[0], on(&grid)).unwrap().left_out, 1, "outside the grid");
    }
}

#[test]
fn nearer_of_two_planes_in_one_slice_counts() {
    let grid = oblique();
    let set = read([square(&grid, 1.5, 9.5, 3.3), square(&grid, 3.5, 5.5, 2.9)]);
    let mask = set.mask(&set.rois[0], on(&grid)).unwrap().mask;
    assert_eq!(mask.count(), 4, "XOR of both would be wrong: they lie in different planes");
}

#[test]
fn contours_further_apart_than_slices_leave_slices_empty_and_say_so() {
    let grid = oblique();
    let set =
        read([square(&grid, 3.5, 8.5, 1.0), square(&grid, 3.5, 8.5, 4.0), square(&grid, 3.5, 8.5, 5.0)]);
    let found = set.mask(&set.rois[0], on(&grid)).unwrap();
    assert_eq!((found.mask.count(), found.empty_slices), (75, 2));
}

#[test]
fn coronal_contours_fill_an_axial_grid_and_oblique_ones_are_left_out() {
    let grid = oblique();
    let coronal = contour(
        "CLOSED_PLANAR",
        &at(&grid, &[[2.5, 6.0, 1.5], [7.5, 6.0, 1.5], [7.5, 6.0, 4.5], [2.5, 6.0, 4.5]]),
    );
    let set = read([coronal]);
    let found = set.mask(&set.rois[0], on(&grid)).unwrap();
    assert_eq!((found.mask.count(), found.mask.bounds()), (15, Some([[3, 6, 2], [7, 6, 4]])));
    let oblique = contour("CLOSED_PLANAR", &at(&grid, &[[2.5, 2.0, 1.0], [9.5, 9.0, 1.0], [9.5, 9.0, 6.0]]));
    let set = read([oblique]);
    let found = set.mask(&set.rois[0], on(&grid)).unwrap();
    assert_eq!((found.mask.count(), found.left_out), (0, 1));
}

#[test]
fn contours_in_another_frame_of_reference_are_refused_with_the_reason() {
    let grid = oblique();
    let set = read([square(&grid, 3.5, 8.5, 1.0)]);
    let roi = &set.rois[0];
    let image = |series_uid, frame_of_reference_uid| ImageGrid {
        geometry: &grid,
        series_uid,
        frame_of_reference_uid,
    };
    let other = Mismatch::OtherFrameOfReference { object: FRAME.to_owned(), image: "9.9".to_owned() };
    // Even if the series is named: coordinates in another frame mean another place.
    for series in [None, Some("1.2.3.77")] {
        assert_eq!(set.mask(roi, image(series, Some("9.9"))), Err(other.clone()));
        assert_eq!(set.contours_on_slice(roi, image(series, Some("9.9")), 1), Err(other.clone()));
    }
    assert_eq!(set.mask(roi, image(None, None)), Err(Mismatch::NotReferenced));
    assert!(set.mask(roi, image(Some("1.2.3.77"), None)).is_ok(), "named, and nothing says otherwise");
    assert_eq!(other.to_string(), "it lies in frame of reference `1.2.3.5`, the image in `9.9`");
}

#[test]
fn broken_contours_are_left_out_and_named_the_rest_is_kept() {
    let grid = oblique();
    let broken = [
        Set::new().text(0x3006_0042, "CS", "CLOSED_PLANAR").text(0x3006_0050, "DS", "1\\2\\3\\4"),
        Set::new().text(0x3006_0042, "CS", "CLOSED_PLANAR").text(0x3006_0050, "DS", "1\\2\\x\\4\\5\\6"),
        Set::new().text(0x3006_0042, "CS", "SPLINE").text(0x3006_0050, "DS", "1\\2\\3"),
        Set::new().text(0x3006_0042, "CS", "POINT"),
        square(&grid, 3.5, 8.5, 1.0),
    ];
    let set = read(broken);
    assert_eq!(set.rois[0].contours.len(), 1);
    assert_eq!(
        set.warnings,
        [
            "contour 1 of region 4 was left out: 4 numbers are no list of points",
            "contour 2 of region 4 was left out: a coordinate is not a number",
            "contour 3 of region 4 was left out: unknown type `SPLINE`",
            "contour 4 of region 4 was left out: 0 numbers are no list of points",
        ]
    );
}

#[test]
fn real_structure_sets_are_listed_with_what_they_refer_to() {
    let Some(root) = data("zoo/zoo") else { return };
    let object = find_object(&root.join("rt/rtstruct.dcm"));
    assert_eq!((object.kind, object.label.as_str()), (ObjectKind::StructureSet, "sep30"));
    assert_eq!(object.frame_of_reference_uids, ["1.2.826.0.1.3680043.8.498.2010020400001.2"]);
    assert_eq!(object.referenced_series, ["1.2.826.0.1.3680043.8.498.2010020400001.2.1.1"]);
    let set = structure_set(open(&root.join("rt/rtstruct.dcm")));
    let kinds: Vec<Vec<ContourKind>> =
        set.rois.iter().map(|roi| roi.contours.iter().map(|contour| contour.kind).collect()).collect();
    assert_eq!(
        kinds,
        [vec![ContourKind::ClosedPlanar; 3], vec![ContourKind::Point], vec![ContourKind::Point]]
    );
    assert_eq!(set.rois[0].contours[0].points_lps[0], DVec3::new(-200.0, 150.0, -200.0));
    assert_eq!(set.rois[0].stated_volume_ml, Some(49_200.0));
    assert_eq!(find_object(&root.join("rt/rtstruct_invalid_reference.dcm")).referenced_instances.len(), 5);
    assert!(structure_set(open(&root.join("rt/rtstruct_empty.dcm"))).rois.len() < 20);
}
