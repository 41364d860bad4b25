//! Statistics of regions against brute force, analytic shapes and values that NumPy gave for real images.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

use std::time::Instant;

use glam::{DMat3, DVec2, DVec3};
use imaging::formats::{ReadLimits, load, scan};
use imaging::geometry::{Dims, Geometry};
use imaging::labelmap::Mask;
use imaging::source::Progress;
use imaging::statistics::region::{GridSlice, IndexAxis, Shape};
use imaging::statistics::{Measurement, Region, Sampling, StatisticsError, line_profile, measure};
use imaging::volume::{Rescale, Volume, VolumeMeta, Voxels};
use test_support::data;

/// SplitMix64, so that a failure names a round that can be run again.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Often on a pixel centre or half way between two, where rules matter.
    fn coordinate(&mut self, n: usize) -> f64 {
        let c = self.between(-3.0, n as f64 + 3.0);
        match self.below(3) {
            0 => c,
            1 => c.round(),
            _ => (c * 2.0).round() / 2.0,
        }
    }
}

const DIMS: Dims = Dims::new(23, 19, 11);

fn geometry() -> Geometry {
    let direction = DMat3::from_rotation_z(0.4) * DMat3::from_rotation_x(0.7);
    Geometry::new(DIMS, DVec3::new(5.0, -60.0, 9.0), DVec3::new(0.6, 0.9, 2.5), direction).unwrap()
}

/// Volumes of three number types with padding, and for floats with values that are not finite.
fn volumes(chance: &mut Chance) -> Vec<Volume> {
    let n = DIMS.checked_count().unwrap();
    let meta = VolumeMeta {
        rescale: Rescale { slope: -0.25, intercept: -7.5 },
        padding: Some([-2000.0, -1990.0]),
        ..VolumeMeta::scalar(geometry())
    };
    let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN_POSITIVE, -1995.0];
    let small: Vec<i16> =
        (0..n).map(|_| if chance.below(6) == 0 { -1995 } else { chance.below(3000) as i16 - 1500 }).collect();
    let float: Vec<f32> = (0..n)
        .map(|_| match chance.below(8) {
            0 => odd[chance.below(odd.len())],
            _ => chance.between(-900.0, 900.0) as f32,
        })
        .collect();
    let double: Vec<f64> = (0..n).map(|_| 1e9 + chance.between(-1.0, 1.0)).collect();
    let voxels: [Voxels; 3] = [small.into(), float.into(), double.into()];
    voxels.into_iter().map(|voxels| Volume::new(meta.clone(), voxels).unwrap()).collect()
}

/// What the definition says, voxel by voxel and without any cleverness.
struct Oracle {
    voxels: u64,
    padding: u64,
    non_finite: u64,
    values: Vec<f64>,
}

fn oracle(volume: &Volume, is_inside: impl Fn([usize; 3]) -> bool) -> Oracle {
    let mut o = Oracle { voxels: 0, padding: 0, non_finite: 0, values: Vec::new() };
    let d = volume.dims();
    for z in 0..d.z {
        for y in 0..d.y {
            for x in (0..d.x).filter(|&x| is_inside([x, y, z])) {
                o.voxels += 1;
                let stored = volume.voxels().get((z * d.y + y) * d.x + x).unwrap();
                if volume.padding().is_some_and(|[low, high]| low <= stored && stored <= high) {
                    o.padding += 1;
                } else if !stored.is_finite() {
                    o.non_finite += 1;
                } else {
                    o.values.push(volume.rescale().apply(stored));
                }
            }
        }
    }
    o.values.sort_by(f64::total_cmp);
    o
}

/// Point in shape by the textbook: winding of edges to the right, quadratic form, half-open box.
fn is_inside(shape: &Shape, p: DVec2) -> bool {
    match shape {
        Shape::Rectangle { min, max } => p.x >= min.x && p.y >= min.y && p.x < max.x && p.y < max.y,
        Shape::Ellipse { center, semi_axes: [a, b] } => {
            // Inverse of the matrix with columns a and b.
            let det = a.x * b.y - a.y * b.x;
            let d = p - *center;
            let s = (d.x * b.y - d.y * b.x) / det;
            let t = (a.x * d.y - a.y * d.x) / det;
            s * s + t * t < 1.0
        }
        Shape::Polygon { vertices } => {
            let n = vertices.len();
            let mut inside = false;
            for i in 0..n {
                let (a, b) = (vertices[i], vertices[(i + 1) % n]);
                let (a, b) = if a.y <= b.y { (a, b) } else { (b, a) };
                // Rows hold the lower end of an edge; the point lies left of the edge or not.
                if a.y <= p.y && p.y < b.y {
                    let x = a.x + (b.x - a.x) * (p.y - a.y) / (b.y - a.y);
                    inside ^= p.x < x;
                }
            }
            inside && n >= 3
        }
    }
}

fn random_shape(chance: &mut Chance, [nu, nv]: [usize; 2]) -> Shape {
    let mut point = || DVec2::new(chance.coordinate(nu), chance.coordinate(nv));
    let (p, q) = (point(), point());
    match chance.below(3) {
        0 => Shape::Rectangle { min: p, max: q },
        1 => {
            let axis = |chance: &mut Chance| DVec2::new(chance.between(-8.0, 8.0), chance.between(-8.0, 8.0));
            Shape::Ellipse { center: p, semi_axes: [axis(chance), axis(chance)] }
        }
        _ => {
            let vertices =
                (0..2 + chance.below(9)).map(|_| DVec2::new(chance.coordinate(nu), chance.coordinate(nv)));
            Shape::Polygon { vertices: vertices.collect() }
        }
    }
}

fn check(found: &Measurement, expected: &Oracle, what: &str) {
    assert_eq!(
        [found.voxel_count, found.padding_count, found.non_finite_count],
        [expected.voxels, expected.padding, expected.non_finite],
        "{what}"
    );
    let voxel_mm3 = 0.6 * 0.9 * 2.5;
    assert!((found.volume_mm3 - expected.voxels as f64 * voxel_mm3).abs() < 1e-6, "{what}");
    let v = &expected.values;
    let Some(values) = &found.values else {
        assert!(v.is_empty(), "{what}: no pixels, but there are {}", v.len());
        return;
    };
    let n = v.len() as f64;
    assert_eq!((values.count, values.min, values.max), (v.len() as u64, v[0], v[v.len() - 1]), "{what}");
    let base = v[0];
    let mean = base + v.iter().map(|x| x - base).sum::<f64>() / n;
    let sd = (v.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n).sqrt();
    let scale = v[0].abs().max(v[v.len() - 1].abs()).max(1.0);
    assert!((values.mean - mean).abs() <= 1e-13 * scale * n.sqrt(), "{what}: mean {} {mean}", values.mean);
    // Values near 1e9 keep seven digits behind the point, however they are summed.
    assert!((values.sd - sd).abs() <= 1e-9 * sd + 1e-15 * scale * n.sqrt(), "{what}: SD {} {sd}", values.sd);
    for percent in [0.0, 2.5, 25.0, 50.0, 90.0, 99.0, 100.0] {
        let place = (n - 1.0) * percent / 100.0;
        let (low, high) = (v[place.floor() as usize], v[place.ceil() as usize]);
        let p = low + (high - low) * (place - place.floor());
        let found = values.distribution.percentile(percent);
        assert!((found - p).abs() <= 1e-12 * scale, "{what}: percentile {percent} is {found}, not {p}");
    }
    let (low, high) = (v[0] - 1.0, v[v.len() / 2] + 1.0);
    let h = values.distribution.histogram(low, high, 7).unwrap();
    let counted = h.counts.iter().sum::<u64>() + h.below + h.above;
    assert_eq!((counted, h.below), (v.len() as u64, 0), "{what}");
    let above = v.iter().filter(|&&x| x > high).count() as u64;
    assert_eq!(h.above, above, "{what}");
}

#[test]
fn ten_thousand_random_regions_equal_brute_force() {
    let mut chance = Chance(20_260);
    let volumes = volumes(&mut chance);
    let mut with_values = 0;
    for round in 0..10_000 {
        let volume = &volumes[round % 3];
        let axis = [IndexAxis::X, IndexAxis::Y, IndexAxis::Z][chance.below(3)];
        let (across, [u, v]) = match axis {
            IndexAxis::X => (0, [1, 2]),
            IndexAxis::Y => (1, [0, 2]),
            IndexAxis::Z => (2, [0, 1]),
        };
        let n = DIMS.to_array();
        let slice = GridSlice { axis, index: chance.below(n[across]) };
        let shape = random_shape(&mut chance, [n[u], n[v]]);
        let inside = |i: [usize; 3]| {
            i[across] == slice.index && is_inside(&shape, DVec2::new(i[u] as f64, i[v] as f64))
        };
        let what = format!("round {round}, {slice:?}, {shape:?}");
        let region = Region::Shape { slice, shape: &shape };
        let found = measure(volume, region, Sampling::default()).unwrap();
        check(&found, &oracle(volume, inside), &what);
        with_values += u32::from(found.values.is_some());
        if round % 10 == 0 {
            // The same voxels as a mask.
            let mask = Mask::from_fn(*volume.geometry(), inside);
            let as_mask = measure(volume, Region::Mask(&mask), Sampling::default()).unwrap();
            assert_eq!(Measurement { shape_size: None, ..found }, as_mask, "{what}");
        }
    }
    assert!((3000..9500).contains(&with_values), "{with_values} regions held values");
}

#[test]
fn neighbouring_regions_share_no_pixel_and_leave_none_out() {
    let mut chance = Chance(7);
    let n = [DIMS.x, DIMS.y];
    let slice = GridSlice { axis: IndexAxis::Z, index: 4 };
    let volume = &volumes(&mut chance)[0];
    let count = |shape: &Shape| {
        measure(volume, Region::Shape { slice, shape }, Sampling::default()).unwrap().voxel_count
    };
    for round in 0..2000 {
        // A fan of triangles around one point fills the outline that surrounds it.
        let hub = DVec2::new(chance.coordinate(n[0]), chance.coordinate(n[1]));
        let corners = [(-99.0, -99.0), (99.0, -99.0), (99.0, 99.0), (-99.0, 99.0)].map(DVec2::from);
        let fan: u64 = (0..4)
            .map(|i| count(&Shape::Polygon { vertices: vec![hub, corners[i], corners[(i + 1) % 4]] }))
            .sum();
        assert_eq!(fan, (DIMS.x * DIMS.y) as u64, "round {round}, hub {hub}");
        let middle = chance.coordinate(n[0]);
        let left = Shape::Rectangle { min: DVec2::splat(-9.0), max: DVec2::new(middle, 99.0) };
        let right = Shape::Rectangle { min: DVec2::new(middle, -9.0), max: DVec2::splat(99.0) };
        assert_eq!(count(&left) + count(&right), (DIMS.x * DIMS.y) as u64);
    }
}

#[test]
fn region_without_pixels_says_so() {
    let mut chance = Chance(3);
    let outside = Shape::Rectangle { min: DVec2::splat(500.0), max: DVec2::splat(600.0) };
    let between_centres = Shape::Rectangle { min: DVec2::splat(2.1), max: DVec2::splat(2.9) };
    let nothing = Shape::Polygon { vertices: Vec::new() };
    let not_a_number = Shape::Ellipse { center: DVec2::NAN, semi_axes: [DVec2::X, DVec2::Y] };
    let flat = Shape::Ellipse { center: DVec2::splat(3.0), semi_axes: [DVec2::X, DVec2::X] };
    for volume in &volumes(&mut chance) {
        for shape in [&outside, &between_centres, &nothing, &not_a_number, &flat] {
            let slice = GridSlice { axis: IndexAxis::Z, index: 2 };
            let found = measure(volume, Region::Shape { slice, shape }, Sampling::default()).unwrap();
            assert_eq!((found.values, found.voxel_count, found.volume_mm3), (None, 0, 0.0), "{shape:?}");
        }
        let empty = Mask::empty(*volume.geometry());
        assert_eq!(measure(volume, Region::Mask(&empty), Sampling::default()).unwrap().values, None);
    }
    let meta = VolumeMeta { padding: Some([7.0, 7.0]), ..VolumeMeta::scalar(geometry()) };
    let padded = Volume::new(meta, vec![7u8; DIMS.checked_count().unwrap()]).unwrap();
    let found = measure(&padded, Region::Everything, Sampling::default()).unwrap();
    assert_eq!((found.values, found.padding_count), (None, 23 * 19 * 11));
    let nan = vec![f32::NAN; DIMS.checked_count().unwrap()];
    let found = measure(
        &Volume::new(VolumeMeta::scalar(geometry()), nan).unwrap(),
        Region::Everything,
        Sampling::default(),
    )
    .unwrap();
    assert_eq!((found.values, found.non_finite_count), (None, 23 * 19 * 11));
}

#[test]
fn slices_that_no_file_fills_are_counted_and_left_out_along_every_axis() {
    let n = DIMS.checked_count().unwrap();
    let slice_len = DIMS.x * DIMS.y;
    let meta = VolumeMeta {
        time_points: 2,
        empty_slices: vec![3, 11 + 3, 11 + 4],
        ..VolumeMeta::scalar(geometry())
    };
    let made_up = |at: usize| [3, 14, 15].contains(&(at / slice_len));
    let voxels: Vec<i16> = (0..2 * n).map(|at| if made_up(at) { 9999 } else { 5 }).collect();
    let volume = Volume::new(meta, voxels).unwrap();
    let all = Shape::Rectangle { min: DVec2::splat(-9.0), max: DVec2::splat(99.0) };
    let mask = Mask::from_fn(geometry(), |[x, _, _]| x < 4);
    let shape = |axis, index| Region::Shape { slice: GridSlice { axis, index }, shape: &all };
    for (region, per_slice) in [
        (Region::Everything, slice_len),
        (Region::Mask(&mask), 4 * DIMS.y),
        (shape(IndexAxis::X, 2), DIMS.y),
        (shape(IndexAxis::Y, 7), DIMS.x),
    ] {
        for (time_point, empty) in [(0, 1), (1, 2)] {
            let found = measure(&volume, region, Sampling { channel: 0, time_point }).unwrap();
            let values = found.values.unwrap();
            assert_eq!(
                (found.voxel_count, found.empty_slice_count),
                (11 * per_slice as u64, empty * per_slice as u64)
            );
            assert_eq!((values.count, values.max), (found.voxel_count - found.empty_slice_count, 5.0));
        }
    }
    let found = measure(&volume, shape(IndexAxis::Z, 3), Sampling::default()).unwrap();
    assert_eq!((found.values, found.empty_slice_count), (None, slice_len as u64));
}

#[test]
fn single_pixel_has_an_sd_of_zero_and_no_sample_sd() {
    let mut chance = Chance(4);
    let volume = &volumes(&mut chance)[2];
    let shape = Shape::Rectangle { min: DVec2::new(3.0, 5.0), max: DVec2::new(4.0, 6.0) };
    let slice = GridSlice { axis: IndexAxis::Z, index: 2 };
    let found = measure(volume, Region::Shape { slice, shape: &shape }, Sampling::default()).unwrap();
    let values = found.values.unwrap();
    let expected = volume.value_at([3, 5, 2], 0, 0).unwrap();
    assert_eq!([values.min, values.mean, values.max, values.median()], [expected; 4]);
    assert_eq!((values.count, values.sd, values.sample_sd()), (1, 0.0, None));
}

#[test]
fn ellipse_and_circle_areas_are_analytic_on_anisotropic_pixels() {
    let geometry = geometry();
    let slice = GridSlice { axis: IndexAxis::Z, index: 0 };
    // A circle of 5 mm radius, described in index space: 5 / 0.6 by 5 / 0.9 pixels.
    let semi_axes = [DVec2::new(5.0 / 0.6, 0.0), DVec2::new(0.0, 5.0 / 0.9)];
    let circle = Shape::Ellipse { center: DVec2::new(9.3, 8.1), semi_axes };
    let size = circle.size(slice, &geometry).unwrap();
    assert!((size.area_mm2 - 25.0 * std::f64::consts::PI).abs() < 1e-10);
    assert!((size.perimeter_mm - 10.0 * std::f64::consts::PI).abs() < 1e-10);
    // Turned by 30 degrees in millimetres: still the same circle.
    let (sin, cos) = 30f64.to_radians().sin_cos();
    let turned =
        [DVec2::new(5.0 * cos / 0.6, 5.0 * sin / 0.9), DVec2::new(-5.0 * sin / 0.6, 5.0 * cos / 0.9)];
    let size = Shape::Ellipse { center: DVec2::ZERO, semi_axes: turned }.size(slice, &geometry).unwrap();
    assert!((size.area_mm2 - 25.0 * std::f64::consts::PI).abs() < 1e-10);
    assert!((size.perimeter_mm - 10.0 * std::f64::consts::PI).abs() < 1e-10);
    // Sagittal: y and z, 0.9 by 2.5 mm.
    let sagittal = GridSlice { axis: IndexAxis::X, index: 0 };
    let square = Shape::Rectangle { min: DVec2::ZERO, max: DVec2::new(2.0, 3.0) };
    let size = square.size(sagittal, &geometry).unwrap();
    assert!((size.area_mm2 - 1.8 * 7.5).abs() < 1e-10 && (size.perimeter_mm - 18.6).abs() < 1e-10);
    let triangle = Shape::Polygon {
        vertices: vec![DVec2::ZERO, DVec2::new(3.0 / 0.6, 0.0), DVec2::new(0.0, 4.0 / 0.9)],
    };
    let size = triangle.size(slice, &geometry).unwrap();
    assert!((size.area_mm2 - 6.0).abs() < 1e-10 && (size.perimeter_mm - 12.0).abs() < 1e-10);
}

#[test]
fn a_tiny_slope_keeps_its_digits() {
    // ADC maps are stored with slopes of 1e-6.
    let meta =
        VolumeMeta { rescale: Rescale { slope: 1e-6, intercept: 0.0 }, ..VolumeMeta::scalar(geometry()) };
    let stored: Vec<i16> = (0..DIMS.checked_count().unwrap()).map(|i| 700 + (i % 3) as i16).collect();
    let volume = Volume::new(meta, stored).unwrap();
    let values = measure(&volume, Region::Everything, Sampling::default()).unwrap().values.unwrap();
    assert!((values.mean - 7.01e-4).abs() < 1e-9 && (values.sd - (2.0f64 / 3.0).sqrt() * 1e-6).abs() < 1e-10);
}

#[test]
fn mask_on_another_grid_is_refused_not_misread() {
    let mut chance = Chance(5);
    let volume = &volumes(&mut chance)[0];
    let other = Geometry::axis_aligned(DIMS, DVec3::ZERO, DVec3::ONE).unwrap();
    let mask = Mask::from_fn(other, |_| true);
    let found = measure(volume, Region::Mask(&mask), Sampling::default());
    assert_eq!(found, Err(StatisticsError::OtherGrid));
    let beyond = measure(volume, Region::Everything, Sampling { channel: 0, time_point: 1 });
    assert_eq!(beyond, Err(StatisticsError::NoSuchSample { channel: 0, time_point: 1 }));
}

#[test]
fn profile_of_a_ramp_is_the_ramp_and_ends_at_the_border() {
    let g = geometry();
    let stored: Vec<f32> = (0..DIMS.checked_count().unwrap()).map(|i| (i % DIMS.x) as f32).collect();
    let meta = VolumeMeta { padding: Some([20.0, 99.0]), ..VolumeMeta::scalar(g) };
    let volume = Volume::new(meta, stored).unwrap();
    let at = |x: f64| g.lps_from_index().transform_point3(DVec3::new(x, 4.0, 4.0));
    let profile = line_profile(&volume, [at(2.0), at(22.0)], 41, Sampling::default()).unwrap();
    assert!((profile.length_mm - 12.0).abs() < 1e-9);
    for (i, point) in profile.points.iter().enumerate() {
        let x = 2.0 + i as f64 * 0.5;
        assert!((point.distance_mm - i as f64 * 0.3).abs() < 1e-9);
        // From 19.5 on a padded voxel has weight.
        match point.value {
            Some(value) => assert!((value - x).abs() < 1e-5 && x < 19.25, "{x}: {value}"),
            None => assert!(x > 19.25, "{x}"),
        }
    }
    let outside = line_profile(&volume, [at(-40.0), at(-30.0)], 3, Sampling::default()).unwrap();
    assert!(outside.points.iter().all(|point| point.value.is_none()));
}

#[test]
fn whole_real_volumes_agree_with_numpy() {
    for folder in ["ct/lidc-0314", "pet/pet-wb"] {
        let name = folder.rsplit('/').next().unwrap();
        let Some(path) = data(&format!("{folder}/{name}")) else { return };
        let truth = std::fs::read_to_string(data(&format!("{folder}/truth.json")).unwrap()).unwrap();
        let truth: serde_json::Value = serde_json::from_str(&truth).unwrap();
        let truth = &truth["series"][0]["volume"]["stats"];
        let catalog = scan(&[path], &Progress::new()).unwrap();
        let volume = load(&catalog.series[0], ReadLimits::default(), &Progress::new()).unwrap();
        let found = measure(&volume, Region::Everything, Sampling::default()).unwrap().values.unwrap();
        let number = |name: &str| truth[name].as_f64().unwrap();
        assert!(
            (found.min - number("min")).abs() < 1e-4 && (found.max - number("max")).abs() < 1e-4,
            "{folder}"
        );
        assert!((found.mean - number("mean")).abs() < 1e-4 * number("std"), "{folder}: {}", found.mean);
        assert!((found.sd - number("std")).abs() < 1e-4 * number("std"), "{folder}: {}", found.sd);
    }
}

#[test]
fn large_volume_is_measured_in_well_under_a_second() {
    let dims = Dims::new(512, 512, 400);
    let geometry = Geometry::axis_aligned(dims, DVec3::ZERO, DVec3::ONE).unwrap();
    let stored: Vec<i16> = (0..dims.checked_count().unwrap())
        .map(|i| ((i as u32).wrapping_mul(2_654_435_761) >> 20) as i16)
        .collect();
    let meta = VolumeMeta { padding: Some([-1.0, -1.0]), ..VolumeMeta::scalar(geometry) };
    let volume = Volume::new(meta, stored).unwrap();
    let start = Instant::now();
    let found = measure(&volume, Region::Everything, Sampling::default()).unwrap();
    let secs = start.elapsed().as_secs_f64();
    eprintln!("512 × 512 × 400 int16 with percentiles: {secs:.3} s");
    let values = found.values.unwrap();
    assert_eq!(values.count, 512 * 512 * 400);
    assert!((values.median() - 2047.5).abs() < 2.0, "{}", values.median());
    // Generous: the machine may be shared.
    assert!(secs < 5.0, "{secs} s");
}
