//! Analytic volumes with known answers, for demos, tests and the self-test.

#[cfg(feature = "dicom")]
pub mod dicom_file;

use glam::{DMat3, DVec3};

use crate::geometry::{Dims, Geometry};
use crate::volume::{Rescale, Unit, Volume, VolumeMeta};

/// A CT-like head: air, a skull shell, brain, and a bright off-centre ball, all in HU.
///
/// `dims` voxels of `spacing_mm`, centred on the LPS origin and turned by `direction`. The ball lies towards the
/// patient's left, front and head, so a flipped picture shows.
///
/// # Panics
/// If the dimensions are zero or the spacing is not positive; this is for tests and demos.
pub fn head(dims: Dims, spacing_mm: DVec3, direction: DMat3) -> Volume {
    let half = (dims.as_dvec3() - 1.0) * 0.5 * spacing_mm;
    let origin = -(direction * half);
    let geometry = Geometry::new(dims, origin, spacing_mm, direction).expect("phantom geometry is sound");
    let radius = (dims.as_dvec3() * spacing_mm).min_element() * 0.45;
    volume_from_lps(geometry, |p| head_hu(p, radius))
}

/// HU of the head phantom at an LPS point, for a skull of outer radius `radius_mm`.
pub fn head_hu(lps: DVec3, radius_mm: f64) -> f64 {
    let ball = DVec3::new(0.4, -0.35, 0.3) * radius_mm;
    let r = lps.length();
    if lps.distance(ball) < 0.2 * radius_mm {
        300.0
    } else if r < 0.88 * radius_mm {
        35.0 + 10.0 * (lps.z / radius_mm)
    } else if r < radius_mm {
        1000.0
    } else {
        -1000.0
    }
}

/// A scalar int16 volume in HU whose voxel centres hold `hu(lps)`, rounded and stored with intercept −1024.
pub fn volume_from_lps(geometry: Geometry, hu: impl Fn(DVec3) -> f64) -> Volume {
    let d = geometry.dims();
    let to_lps = geometry.lps_from_index();
    let mut samples = Vec::with_capacity(d.x * d.y * d.z);
    for z in 0..d.z {
        for y in 0..d.y {
            for x in 0..d.x {
                let lps = to_lps.transform_point3(DVec3::new(x as f64, y as f64, z as f64));
                samples.push((hu(lps) + 1024.0).round().clamp(-32768.0, 32767.0) as i16);
            }
        }
    }
    let meta = VolumeMeta {
        rescale: Rescale { slope: 1.0, intercept: -1024.0 },
        unit: Unit::Hounsfield,
        ..VolumeMeta::scalar(geometry)
    };
    Volume::new(meta, samples).expect("one sample was made per voxel")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ball_lies_left_anterior_superior_whatever_the_grid() {
        for direction in [DMat3::IDENTITY, DMat3::from_rotation_y(0.6)] {
            let v = head(Dims::new(40, 44, 36), DVec3::new(2.0, 2.0, 2.5), direction);
            let ball = DVec3::new(0.4, -0.35, 0.3) * 36.0;
            let [x, y, z] = v.geometry().nearest_index(ball).unwrap();
            assert_eq!(v.value_at([x, y, z], 0, 0), Some(300.0));
            let [x, y, z] = v.geometry().nearest_index(-ball).unwrap();
            assert!(v.value_at([x, y, z], 0, 0).unwrap() < 50.0);
        }
    }
}
