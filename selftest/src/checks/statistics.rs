//! Numbers of regions against a count that asks every pixel.

use glam::{DMat3, DVec2, DVec3};
use imaging::labelmap::Mask;
use imaging::statistics::region::{GridSlice, IndexAxis, Shape};
use imaging::statistics::{Measurement, Region, Sampling, measure};
use imaging::volume::{Volume, VolumeMeta};

use crate::phantoms::{volume_from, volume_of, worst};
use crate::workplace::Workplace;
use crate::{Measured, SelftestError};

const DIMS: [usize; 3] = [60, 50, 4];
const SLICE: GridSlice = GridSlice { axis: IndexAxis::Z, index: 2 };

/// Values without any order to them.
fn value([x, y, z]: [usize; 3]) -> i16 {
    ((x * 7919 + y * 104_729 + z * 1_299_709) % 4001) as i16 - 1024
}

fn measured(volume: &Volume, region: Region<'_>) -> Result<Measurement, SelftestError> {
    measure(volume, region, Sampling::default()).map_err(|error| SelftestError::unexpected(error.to_string()))
}

pub(super) fn shapes(_: &Workplace) -> Result<Measured, SelftestError> {
    let (column_mm, row_mm) = (0.5, 0.8);
    let steps = DMat3::from_diagonal(DVec3::new(column_mm, row_mm, 2.0));
    let volume = volume_of(DIMS, DVec3::new(5.0, -3.0, 1.0), steps, value)?;
    let (center, half) = (DVec2::new(31.3, 24.6), DVec2::new(17.2, 12.9));
    let (min, max) = (DVec2::new(4.2, 7.0), DVec2::new(33.0, 41.7));
    let triangle = [DVec2::new(5.5, 3.3), DVec2::new(52.1, 20.2), DVec2::new(18.4, 44.6)];
    let side = |a: DVec2, b: DVec2, p: DVec2| (b - a).perp_dot(p - a) > 0.0;
    type Inside<'a> = &'a dyn Fn(DVec2) -> bool;
    let in_ellipse = |p: DVec2| ((p - center) / half).length_squared() < 1.0;
    let in_rectangle = |p: DVec2| p.cmpge(min).all() && p.cmplt(max).all();
    let in_triangle = |p: DVec2| {
        let [a, b, c] = triangle;
        side(a, b, p) && side(b, c, p) && side(c, a, p)
    };
    let ellipse = Shape::Ellipse { center, semi_axes: [DVec2::X * half.x, DVec2::Y * half.y] };
    let polygon = Shape::Polygon { vertices: triangle.to_vec() };
    let [a, b, c] = triangle;
    let cases: [(Shape, Inside<'_>, f64); 3] = [
        (ellipse, &in_ellipse, std::f64::consts::PI * half.x * half.y),
        (Shape::Rectangle { min, max }, &in_rectangle, (max.x - min.x) * (max.y - min.y)),
        (polygon, &in_triangle, 0.5 * (b - a).perp_dot(c - a).abs()),
    ];
    let mut deviations = Vec::new();
    for (shape, is_inside, area_px) in cases {
        let found = measured(&volume, Region::Shape { slice: SLICE, shape: &shape })?;
        let places = (0..DIMS[1]).flat_map(|y| (0..DIMS[0]).map(move |x| [x, y, SLICE.index]));
        let is_in = |&[x, y, _]: &[usize; 3]| is_inside(DVec2::new(x as f64, y as f64));
        let values = places.filter(is_in).map(|index| f64::from(value(index)));
        deviations.extend(differences(&found, values.collect()));
        let area = found.shape_size.map_or(f64::NAN, |size| size.area_mm2);
        deviations.push(area / (area_px * column_mm * row_mm) - 1.0);
    }
    Ok(Measured { deviation: worst(deviations), limit: 1e-9, unit: "of the value" })
}

/// Relative differences to numbers computed the plain way.
fn differences(found: &Measurement, mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let sd = (values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n).sqrt();
    let at = |i: usize| values.get(i).copied().unwrap_or(f64::NAN);
    let median = 0.5 * (at((values.len() - 1) / 2) + at(values.len() / 2));
    let Some(v) = &found.values else { return vec![f64::NAN] };
    let pairs = [
        (v.count as f64, n),
        (v.mean, mean),
        (v.sd, sd),
        (v.min, at(0)),
        (v.max, at(values.len() - 1)),
        (v.median(), median),
    ];
    pairs.into_iter().map(|(found, expected)| (found - expected) / expected.abs().max(1.0)).collect()
}

pub(super) fn left_out(_: &Workplace) -> Result<Measured, SelftestError> {
    let padded =
        volume_of(
            [4, 4, 1],
            DVec3::ZERO,
            DMat3::IDENTITY,
            |[x, y, _]| {
                if x == y { -2000 } else { (4 * y + x) as i16 }
            },
        )?;
    let meta = VolumeMeta { padding: Some([-2000.0, -2000.0]), ..padded.meta().clone() };
    let padded = Volume::new(meta, padded.voxels().clone())?;
    let found = measured(&padded, Region::Everything)?;
    let kept = (0..16).filter(|i| i / 4 != i % 4).map(f64::from);
    let mut deviations = differences(&found, kept.collect());
    deviations.push(found.padding_count as f64 - 4.0);

    let holes: Vec<f32> = (0..16).map(|i| if i % 5 == 0 { f32::NAN } else { i as f32 }).collect();
    let with_holes = volume_from([4, 4, 1], DVec3::ZERO, DMat3::IDENTITY, holes)?;
    let found = measured(&with_holes, Region::Everything)?;
    deviations.extend(differences(&found, (0..16).filter(|i| i % 5 != 0).map(f64::from).collect()));
    deviations.push(found.non_finite_count as f64 - 4.0);

    let nowhere = Shape::Rectangle { min: DVec2::splat(90.0), max: DVec2::splat(99.0) };
    let slice = GridSlice { axis: IndexAxis::Z, index: 0 };
    let diagonal = Mask::from_fn(*padded.geometry(), |[x, y, _]| x == y);
    let empty = [Region::Shape { slice, shape: &nowhere }, Region::Mask(&diagonal)];
    for region in empty {
        if let Some(values) = measured(&padded, region)?.values {
            return Err(SelftestError::unexpected(format!(
                "a region without pixels has {} values",
                values.count
            )));
        }
    }
    Ok(Measured { deviation: worst(deviations), limit: 1e-9, unit: "of the value" })
}
