//! Regions on several slices.

use std::f64::consts::PI;

use glam::{DMat3, DVec2, DVec3};
use imaging::geometry::{Dims, Geometry};
use imaging::measurement::{
    Drawing, DrawingKind, DrawingPlane, MeasureInput, NoVolume, RegionPixels, region_volume,
};
use imaging::spacing::{RegionFormat, RegionUnit, SpacingSource, UltrasoundRegion};
use imaging::volume::{Volume, VolumeMeta};

use crate::{GREEN, PATIENT};

/// A ball of value 100 in air of value 0, in a turned grid.
fn ball(radius: f64) -> (Volume, DVec3) {
    let direction = DMat3::from_rotation_y(0.5) * DMat3::from_rotation_x(-0.3);
    let geometry = Geometry::new(
        Dims::new(64, 60, 30),
        DVec3::new(-20.0, 8.0, 3.0),
        DVec3::new(0.7, 0.9, 2.0),
        direction,
    )
    .unwrap();
    let center = geometry.center_lps();
    let mut voxels = vec![0i16; 64 * 60 * 30];
    for (at, voxel) in voxels.iter_mut().enumerate() {
        let index = DVec3::new((at % 64) as f64, (at / 64 % 60) as f64, (at / 3840) as f64);
        if geometry.lps_from_index().transform_point3(index).distance(center) < radius {
            *voxel = 100;
        }
    }
    (Volume::new(VolumeMeta::scalar(geometry), voxels).unwrap(), center)
}

/// The circle that a ball has in slice `z`.
fn circle(volume: &Volume, center: DVec3, radius: f64, z: f64) -> Option<Drawing> {
    let g = volume.geometry();
    let d = g.direction();
    let middle = g.lps_from_index().transform_point3(DVec3::new(31.5, 29.5, z));
    let plane = DrawingPlane::new(middle, d.x_axis, d.y_axis).unwrap();
    let height = plane.distance_mm(center);
    let at = plane.foot(center);
    let reach = (radius * radius - height * height).sqrt();
    (reach > 0.0)
        .then(|| Drawing::complete(DrawingKind::Circle, vec![at, at + d.x_axis * reach], plane).unwrap())
}

#[test]
fn circles_on_every_slice_make_a_ball() {
    let radius = 15.0;
    let (volume, center) = ball(radius);
    let circles: Vec<Drawing> =
        (0..30).filter_map(|z| circle(&volume, center, radius, f64::from(z))).collect();
    // In any order.
    let shuffled: Vec<&Drawing> =
        circles.iter().rev().step_by(2).chain(circles.iter().rev().skip(1).step_by(2)).collect();
    let input = MeasureInput::new(&volume, &PATIENT, &GREEN);
    let found = region_volume(&shuffled, &input).unwrap();
    let value = found.volume.value.unwrap();
    // Exactly the sum of areas times the distance of slices.
    let sum: f64 =
        circles.iter().map(|c| PI * c.points_lps()[0].distance_squared(c.points_lps()[1])).sum::<f64>() * 2.0;
    assert!((value - sum).abs() < 1e-6, "{value}, not {sum}");
    let ball = 4.0 / 3.0 * PI * radius.powi(3);
    assert!((value / ball - 1.0).abs() < 0.01, "{value}, not about {ball}");
    assert!((ball - value).abs() < found.volume.plus_minus.unwrap());
    assert_eq!((found.plane_count, found.volume.unit.as_str()), (circles.len(), "mm³"));
    let RegionPixels::Statistics(pixels) = &found.pixels else { panic!("{:?}", found.pixels) };
    assert_eq!(
        (pixels.min, pixels.max, pixels.mean),
        (100.0, 100.0, 100.0),
        "all voxels of the ball and no other"
    );
    let voxels = 0.7 * 0.9 * 2.0 * pixels.count as f64;
    assert!((voxels / ball - 1.0).abs() < 0.01);
}

#[test]
fn slices_left_out_are_bridged_and_named() {
    let (volume, center) = ball(15.0);
    let disc = |z: u32| circle(&volume, center, 50.0, f64::from(z)).unwrap();
    let input = MeasureInput::new(&volume, &PATIENT, &GREEN);
    let areas = |d: &Drawing| PI * d.points_lps()[0].distance_squared(d.points_lps()[1]);
    let (a, b, c) = (disc(3), disc(4), disc(8));
    let found = region_volume(&[&c, &a, &b], &input).unwrap();
    // Half a slice outwards at both ends, half way to the neighbours inside.
    let expected = areas(&a) * 2.0 + areas(&b) * 5.0 + areas(&c) * 5.0;
    assert!((found.volume.value.unwrap() - expected).abs() < 1e-6);
    let note = &found.receipt.notes[0];
    assert!(note.contains("3 planes; 3 slices between them"), "{note}");
    let alone = region_volume(&[&a], &input).unwrap();
    assert!((alone.volume.value.unwrap() - areas(&a) * 2.0).abs() < 1e-6, "one slice thick");
    // Two regions of one slice are added; their common voxels count once.
    let twice = region_volume(&[&a, &a], &input).unwrap();
    assert!((twice.volume.value.unwrap() - 2.0 * areas(&a) * 2.0).abs() < 1e-6);
    let count = |pixels: &RegionPixels| match pixels {
        RegionPixels::Statistics(found) => found.count,
        other => panic!("{other:?}"),
    };
    assert_eq!(count(&twice.pixels), count(&alone.pixels));
}

#[test]
fn oblique_planes_have_a_volume_where_their_distance_says_so() {
    let (volume, center) = ball(15.0);
    let input = MeasureInput::new(&volume, &PATIENT, &GREEN);
    let (right, down) = (DVec3::new(1.0, 1.0, 0.2), DVec3::new(-1.0, 1.0, 0.3));
    let disc = |mm: f64| {
        let plane = DrawingPlane::new(center, right, down).unwrap();
        let plane = DrawingPlane::new(center + plane.normal() * mm, right, down).unwrap();
        Drawing::complete(
            DrawingKind::Circle,
            vec![plane.lift(DVec2::ZERO), plane.lift(DVec2::X * 4.0)],
            plane,
        )
        .unwrap()
    };
    let discs = [disc(0.0), disc(1.5), disc(3.0)];
    let found = region_volume(&discs.iter().collect::<Vec<_>>(), &input).unwrap();
    assert!((found.volume.value.unwrap() - PI * 16.0 * 4.5).abs() < 1e-6);
    let RegionPixels::Statistics(pixels) = &found.pixels else { panic!() };
    assert_eq!(pixels.mean, 100.0);
    assert_eq!(region_volume(&[&discs[0]], &input), Err(NoVolume::NoThickness));
}

#[test]
fn ultrasound_pictures_have_no_volume() {
    let (volume, center) = ball(15.0);
    let disc = circle(&volume, center, 15.0, 14.0).unwrap();
    let region = UltrasoundRegion {
        min_px: [0, 0],
        max_px: [99, 99],
        format: RegionFormat::TwoDimensional,
        data_type: 1,
        is_high_priority: true,
        units: [RegionUnit::Centimeters; 2],
        delta: [0.05, 0.05],
        reference_px: None,
        reference_value: [0.0, 0.0],
    };
    let input = MeasureInput {
        ultrasound_regions: std::slice::from_ref(&region),
        ..MeasureInput::new(&volume, &SpacingSource::UltrasoundRegions, &GREEN)
    };
    assert_eq!(region_volume(&[&disc], &input), Err(NoVolume::NoThickness));
}

#[test]
fn what_makes_no_volume_is_refused() {
    let (volume, center) = ball(15.0);
    let input = MeasureInput::new(&volume, &PATIENT, &GREEN);
    assert_eq!(region_volume(&[], &input), Err(NoVolume::NoRegion));
    let disc = circle(&volume, center, 15.0, 14.0).unwrap();
    let line = Drawing::complete(DrawingKind::Length, disc.points_lps().to_vec(), *disc.plane()).unwrap();
    assert_eq!(region_volume(&[&disc, &line], &input), Err(NoVolume::NotARegion { kind: "length" }));
    let upright = DrawingPlane::new(center, DVec3::X, DVec3::Z).unwrap();
    let other = Drawing::complete(DrawingKind::Circle, vec![center, center + DVec3::X], upright).unwrap();
    assert_eq!(region_volume(&[&disc, &other], &input), Err(NoVolume::NotParallel));
}
