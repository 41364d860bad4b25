//! Which pixels a region holds, against brute force in patient space.

use glam::{DMat3, DVec2, DVec3};
use imaging::geometry::{Dims, Geometry};
use imaging::measurement::{
    Drawing, DrawingKind, DrawingPlane, Interpolation, MeasureInput, NoStatistics, PlaneKind, QuantityName,
    RegionPixels, RegionStatistics, ValueScale, measure,
};
use imaging::statistics::region::IndexAxis;
use imaging::volume::{Channels, Rescale, Unit, Volume, VolumeMeta};

use crate::{
    Chance, DIMS, GREEN, PATIENT, axial, drawing, measured, number, oblique_geometry, random_volume,
};

const REGIONS: [DrawingKind; 6] = [
    DrawingKind::Rectangle,
    DrawingKind::Ellipse,
    DrawingKind::Circle,
    DrawingKind::Polygon,
    DrawingKind::Freehand,
    DrawingKind::Spline,
];

fn random_region(chance: &mut Chance, plane: DrawingPlane, reach: f64) -> Drawing {
    let kind = REGIONS[chance.below(REGIONS.len())];
    let count = kind.points();
    let count = count.min + chance.below((count.max - count.min).min(5) + 1);
    let middle = chance.place(reach);
    let mut places: Vec<DVec2> = (0..count).map(|_| middle + chance.place(reach * 0.7)).collect();
    if kind == DrawingKind::Ellipse {
        let (center, axis) = (places[0], places[1] - places[0]);
        places[2] = center + axis.perp() * chance.between(0.1, 2.0);
    }
    drawing(kind, plane, &places)
}

/// The outline of a region in its plane, as a textbook sees it.
struct Outline {
    points: Vec<DVec2>,
    bounds: [DVec2; 2],
}

impl Outline {
    fn of(region: &Drawing) -> Self {
        let plane = region.plane();
        let points: Vec<DVec2> = region.outline_lps(1e-4)[0].iter().map(|&lps| plane.project(lps)).collect();
        let low = points.iter().copied().reduce(DVec2::min).unwrap() - 0.01;
        let high = points.iter().copied().reduce(DVec2::max).unwrap() + 0.01;
        Self { points, bounds: [low, high] }
    }

    /// Whether a place lies inside; `None` if it is too near to the edge to tell.
    fn holds(&self, at: DVec2) -> Option<bool> {
        if at.cmplt(self.bounds[0]).any() || at.cmpgt(self.bounds[1]).any() {
            return Some(false);
        }
        let mut inside = false;
        for pair in self.points.windows(2) {
            let (p, q) = (pair[0], pair[1]);
            let d = q - p;
            let share = if d.length_squared() > 0.0 { (at - p).dot(d) / d.length_squared() } else { 0.0 };
            if at.distance_squared(p + d * share.clamp(0.0, 1.0)) < 1.5e-3 * 1.5e-3 {
                return None;
            }
            if (p.y > at.y) != (q.y > at.y) && at.x < p.x + (q.x - p.x) * (at.y - p.y) / (q.y - p.y) {
                inside = !inside;
            }
        }
        Some(inside)
    }
}

fn check(found: &RegionPixels, values: &[f64], what: &str) {
    if values.is_empty() {
        assert_eq!(*found, RegionPixels::NoPixels, "{what}");
        return;
    }
    let RegionPixels::Statistics(found) = found else { panic!("{what}: {found:?}") };
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let sd = (values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n).sqrt();
    let min = values.iter().copied().fold(f64::INFINITY, f64::min);
    let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    assert_eq!((found.count, found.min, found.max), (values.len() as u64, min, max), "{what}");
    assert!((found.mean - mean).abs() < 1e-9 * n && (found.sd - sd).abs() < 1e-6, "{what}: {found:?}");
}

/// A plane along a layer of voxels, turned within it, a little off its centre.
fn layer_plane(chance: &mut Chance, g: &Geometry) -> (DrawingPlane, usize, usize, f64) {
    let axis = chance.below(3);
    let (u, v) = ([1, 0, 0][axis], [2, 2, 1][axis]);
    let count = g.dims().to_array()[axis];
    // Outside now and then.
    let index = chance.below(count + 2) as f64 - 1.0;
    let off = chance.between(-0.45, 0.45);
    let mut middle = (g.dims().as_dvec3() - 1.0) * 0.5;
    middle[axis] = index + off;
    let turn = chance.between(-4.0, 4.0);
    let m = g.lps_from_index().matrix3;
    let (e, f) = (m.col(u).normalize(), m.col(v).normalize());
    let (right, down) = (e * turn.cos() + f * turn.sin(), f * turn.cos() - e * turn.sin());
    let plane = DrawingPlane::new(g.lps_from_index().transform_point3(middle), right, down).unwrap();
    (plane, axis, (index + off).round().max(-1.0) as isize as usize, off.abs() * m.col(axis).length())
}

#[test]
fn ten_thousand_random_regions_hold_the_voxels_that_brute_force_finds() {
    let mut chance = Chance(505);
    let meta = VolumeMeta {
        rescale: Rescale { slope: 0.5, intercept: -10.0 },
        padding: Some([1400.0, 1500.0]),
        empty_slices: vec![4],
        ..VolumeMeta::scalar(oblique_geometry())
    };
    let volume = random_volume(meta, &mut chance);
    let g = *volume.geometry();
    let (mut with_values, mut told) = (0, 0);
    for round in 0..10_000 {
        let (plane, axis, layer, off_mm) = layer_plane(&mut chance, &g);
        let region = random_region(&mut chance, plane, 6.0);
        let outline = Outline::of(&region);
        let (mut values, mut inside, mut is_clear) = (Vec::new(), 0, true);
        for z in 0..DIMS.z {
            for y in 0..DIMS.y {
                for x in 0..DIMS.x {
                    if [x, y, z][axis] != layer {
                        continue;
                    }
                    let lps = g.lps_from_index().transform_point3(DVec3::new(x as f64, y as f64, z as f64));
                    match outline.holds(plane.project(lps)) {
                        None => is_clear = false,
                        Some(false) => {}
                        Some(true) => {
                            inside += 1;
                            let stored = volume.voxels().get((z * DIMS.y + y) * DIMS.x + x).unwrap();
                            if z != 4 && !(1400.0..=1500.0).contains(&stored) {
                                values.push(0.5 * stored - 10.0);
                            }
                        }
                    }
                }
            }
        }
        if !is_clear {
            continue;
        }
        told += 1;
        let found = measured(&region, &volume);
        let what = format!("round {round}, axis {axis}, layer {layer}, {region:?}");
        check(&found.pixels, &values, &what);
        let receipt = &found.receipt;
        assert_eq!(receipt.pixels.inside, inside, "{what}");
        assert_eq!(receipt.pixels.counted(), values.len() as u64, "{what}");
        let expected = if axis == 2 { PlaneKind::Acquired } else { PlaneKind::Reformatted };
        assert_eq!(receipt.plane, expected, "{what}");
        if let Some(found) = receipt.layer {
            let axes = [IndexAxis::X, IndexAxis::Y, IndexAxis::Z];
            assert_eq!((found.axis, found.index), (axes[axis], layer), "{what}");
            assert!((found.distance_mm - off_mm).abs() < 1e-9, "{what}");
        } else {
            assert_eq!(inside, 0, "{what}");
        }
        with_values += u32::from(!values.is_empty());
    }
    assert!(told > 8000 && with_values > 4000, "{told} regions could be told, {with_values} held values");
}

#[test]
fn oblique_regions_are_sampled_between_voxels_and_say_so() {
    let mut chance = Chance(77);
    let meta = VolumeMeta { empty_slices: vec![2], ..VolumeMeta::scalar(oblique_geometry()) };
    let volume = random_volume(meta, &mut chance);
    let g = *volume.geometry();
    let (index_from_lps, step) = (g.index_from_lps(), 0.6);
    let mut with_values = 0;
    for round in 0..400 {
        let axes = chance.rotation();
        let through = g.center_lps() + DVec3::new(chance.between(-3.0, 3.0), chance.between(-3.0, 3.0), 0.0);
        let plane = DrawingPlane::new(through, axes.x_axis, axes.y_axis).unwrap();
        let region = random_region(&mut chance, plane, 5.0);
        let outline = Outline::of(&region);
        let anchor = plane.project(g.center_lps());
        let (mut values, mut inside, mut is_clear) = (Vec::new(), 0, true);
        for j in -60..=60 {
            for i in -60..=60 {
                let place = anchor + DVec2::new(f64::from(i), f64::from(j)) * step;
                let index = index_from_lps.transform_point3(plane.lift(place));
                if volume.sample_linear(index, 0, 0).is_none() {
                    continue;
                }
                match outline.holds(place) {
                    None => is_clear = false,
                    Some(false) => {}
                    Some(true) => {
                        inside += 1;
                        values.extend(volume.measure_linear(index, 0, 0));
                    }
                }
            }
        }
        if !is_clear {
            continue;
        }
        let found = measured(&region, &volume);
        let what = format!("round {round}, {region:?}");
        assert_eq!((found.receipt.plane, found.receipt.layer), (PlaneKind::Oblique, None), "{what}");
        assert_eq!(found.receipt.interpolation, Some(Interpolation::Trilinear { step_mm: 0.6 }), "{what}");
        assert!(found.receipt.lines().iter().any(|line| line.contains("resampled")), "{what}");
        assert_eq!(found.receipt.pixels.inside, inside, "{what}");
        match (&found.pixels, values.is_empty()) {
            (RegionPixels::Statistics(found), false) => {
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                assert_eq!(found.count, values.len() as u64, "{what}");
                assert!((found.mean - mean).abs() < 1e-6, "{what}");
            }
            (RegionPixels::NoPixels, true) => {}
            _ => panic!("{what}: {:?}", found.pixels),
        }
        with_values += u32::from(!values.is_empty());
    }
    assert!(with_values > 150, "{with_values} regions held values");
}

fn small(voxels: Vec<i16>, meta: impl FnOnce(VolumeMeta) -> VolumeMeta) -> Volume {
    let geometry =
        Geometry::axis_aligned(Dims::new(5, 4, 3), DVec3::new(10.0, 20.0, 30.0), DVec3::new(1.0, 2.0, 3.0))
            .unwrap();
    Volume::new(meta(VolumeMeta::scalar(geometry)), voxels).unwrap()
}

#[test]
fn region_around_one_pixel_has_its_value_and_no_spread() {
    let volume = small((0..60).collect(), |meta| meta);
    let plane = axial(DVec3::new(12.0, 22.0, 33.0));
    let region = drawing(DrawingKind::Circle, plane, &[DVec2::ZERO, DVec2::new(0.4, 0.0)]);
    let RegionPixels::Statistics(found) = measured(&region, &volume).pixels else { panic!() };
    assert_eq!(
        found,
        RegionStatistics {
            count: 1,
            mean: 27.0,
            sd: 0.0,
            min: 27.0,
            max: 27.0,
            median: 27.0,
            unit: String::new()
        }
    );
}

#[test]
fn drawings_that_end_on_pixel_centres_hold_lower_edges_and_not_upper_ones() {
    // 0.1 and 0.7 mm are no finite binary numbers: without care some edges would fall on either side.
    let spacing = DVec3::new(0.7, 0.1, 0.3);
    let geometry = Geometry::new(Dims::new(9, 9, 9), DVec3::splat(-37.1), spacing, DMat3::IDENTITY).unwrap();
    let volume = Volume::new(VolumeMeta::scalar(geometry), vec![1i16; 729]).unwrap();
    for first in 0..5 {
        for z in 0..9 {
            let at = |x: usize, y: usize| {
                geometry.lps_from_index().transform_point3(DVec3::new(x as f64, y as f64, z as f64))
            };
            let plane = axial(at(3, 7));
            let corners = vec![at(first, 1), at(first + 3, 5)];
            let region = Drawing::complete(DrawingKind::Rectangle, corners, plane).unwrap();
            assert_eq!(number(&measured(&region, &volume), QuantityName::PixelCount), 12.0, "{first} {z}");
        }
    }
}

#[test]
fn regions_without_pixels_say_so() {
    let padded = small(vec![-2000; 60], |meta| VolumeMeta { padding: Some([-2000.0, -2000.0]), ..meta });
    let empty = small(vec![7; 60], |meta| VolumeMeta { empty_slices: vec![0, 1, 2], ..meta });
    let plain = small(vec![7; 60], |meta| meta);
    let here = axial(DVec3::new(12.0, 22.0, 33.0));
    let oblique =
        DrawingPlane::new(DVec3::new(12.0, 22.0, 33.0), DVec3::X, DVec3::new(0.0, 1.0, 1.0)).unwrap();
    let big = [DVec2::splat(-2.0), DVec2::splat(2.0)];
    let says_so = |volume: &Volume, plane: DrawingPlane, places: [DVec2; 2]| {
        let found = measured(&drawing(DrawingKind::Rectangle, plane, &places), volume);
        assert_eq!(found.pixels, RegionPixels::NoPixels);
        assert!(found.receipt.lines().contains(&"No pixels.".to_owned()), "{:?}", found.receipt.lines());
        assert!(found.all_quantities().iter().all(|q| q.value.unwrap().is_finite()));
        found.receipt.pixels
    };
    for plane in [here, oblique] {
        assert!(says_so(&padded, plane, big).inside > 0);
        assert!(says_so(&empty, plane, big).inside > 0);
        // Beside the image, and before it.
        assert_eq!(says_so(&plain, plane, [DVec2::splat(500.0), DVec2::splat(600.0)]).inside, 0);
        assert_eq!(says_so(&plain, axial(DVec3::Z * 900.0), big).inside, 0);
    }
    // Between pixel centres.
    assert_eq!(says_so(&plain, here, [DVec2::splat(0.2), DVec2::splat(0.8)]).inside, 0);
    assert_eq!(says_so(&padded, here, big).padding, says_so(&padded, here, big).inside);
    assert_eq!(says_so(&empty, here, big).in_empty_slices, says_so(&empty, here, big).inside);
}

#[test]
fn colours_are_refused_in_words() {
    let geometry = Geometry::axis_aligned(Dims::new(4, 4, 1), DVec3::ZERO, DVec3::ONE).unwrap();
    let meta = VolumeMeta { channels: Channels::Rgb, ..VolumeMeta::scalar(geometry) };
    let volume = Volume::new(meta, vec![9u8; 48]).unwrap();
    for (kind, places) in [
        (DrawingKind::Circle, vec![DVec2::ONE, DVec2::new(3.0, 1.0)]),
        (DrawingKind::Probe, vec![DVec2::ONE]),
    ] {
        let found = measured(&drawing(kind, axial(DVec3::ZERO), &places), &volume);
        assert_eq!(found.pixels, RegionPixels::Refused(NoStatistics::Colour));
        let lines = found.receipt.lines();
        assert!(lines.contains(&"No statistics: colours have no statistics.".to_owned()), "{lines:?}");
    }
    let region = drawing(DrawingKind::Circle, axial(DVec3::ZERO), &[DVec2::ONE, DVec2::new(3.0, 1.0)]);
    assert!(
        number(&measured(&region, &volume), QuantityName::Area) > 12.0,
        "lengths are measured all the same"
    );
}

#[test]
fn probe_reads_the_nearest_voxel_and_no_padding() {
    let volume = small((0..60).collect(), |meta| VolumeMeta {
        padding: Some([27.0, 27.0]),
        unit: Unit::Hounsfield,
        empty_slices: vec![2],
        ..meta
    });
    let at =
        |lps: [f64; 3]| measured(&drawing(DrawingKind::Probe, axial(lps.into()), &[DVec2::ZERO]), &volume);
    let found = at([13.4, 22.9, 31.6]);
    assert_eq!(found.quantities[0].text(), "28 HU");
    for lps in [[12.0, 22.0, 33.0], [13.0, 22.0, 36.0], [13.0, 22.0, 99.0]] {
        let found = at(lps);
        assert_eq!((found.quantities, found.pixels), (vec![], RegionPixels::NoPixels), "{lps:?}");
    }
}

#[test]
fn values_are_shown_in_another_unit_where_there_is_one() {
    let volume = small((0..60).collect(), |meta| VolumeMeta { unit: Unit::Other("BQML".into()), ..meta });
    let scale = ValueScale { factor: -0.5, unit: "g/ml".to_owned() };
    let region = drawing(
        DrawingKind::Rectangle,
        axial(DVec3::new(12.0, 22.0, 33.0)),
        &[DVec2::splat(-1.5), DVec2::splat(1.5)],
    );
    let plain = MeasureInput::new(&volume, &PATIENT, &GREEN);
    let scaled = MeasureInput { value_scale: Some(&scale), ..plain };
    let statistics = |input| match measure(&region, &input).pixels {
        RegionPixels::Statistics(found) => found,
        other => panic!("{other:?}"),
    };
    let (plain, scaled) = (statistics(plain), statistics(scaled));
    assert_eq!((plain.unit.as_str(), scaled.unit.as_str()), ("BQML", "g/ml"));
    assert_eq!((scaled.mean, scaled.sd), (-0.5 * plain.mean, 0.5 * plain.sd));
    assert_eq!((scaled.min, scaled.max), (-0.5 * plain.max, -0.5 * plain.min));
}

#[test]
fn regions_at_other_times_read_other_values() {
    let geometry = Geometry::axis_aligned(Dims::new(3, 3, 1), DVec3::ZERO, DVec3::ONE).unwrap();
    let meta = VolumeMeta { time_points: 2, ..VolumeMeta::scalar(geometry) };
    let volume = Volume::new(meta, (0..18).collect::<Vec<i16>>()).unwrap();
    let region = drawing(DrawingKind::Circle, axial(DVec3::ZERO), &[DVec2::ONE, DVec2::new(1.4, 1.0)]);
    let at = |time_point| {
        measure(&region, &MeasureInput { time_point, ..MeasureInput::new(&volume, &PATIENT, &GREEN) })
    };
    assert_eq!([0, 1].map(|t| number(&at(t), QuantityName::Mean)), [4.0, 13.0]);
    assert!(at(1).receipt.lines().contains(&"Time: point 2 of 2".to_owned()));
    assert_eq!(at(2).pixels, RegionPixels::Refused(NoStatistics::NoSuchTimePoint { time_point: 2 }));
}
