//! Which way a slice plane faces: the patient's own axes, or the nearest axes of the acquisition.

use glam::{DMat3, DVec3};
use imaging::geometry::{AnatomicalPlane, Geometry};

/// What a slice view's planes are parallel to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum PlaneFrame {
    /// The acquired slices and the planes across them: voxel-exact.
    #[default]
    Acquired,
    /// Strictly axial, coronal, sagittal in the patient.
    Patient,
}

/// Perpendicular unit axes of a grid: along the rows, down the columns, and the slices' normal.
///
/// A gantry-tilted grid is sheared; its third axis is the normal here, not the direction of the stack.
fn frame(geometry: &Geometry) -> DMat3 {
    let d = geometry.direction();
    let x = d.x_axis;
    let y = (d.y_axis - x * x.dot(d.y_axis)).try_normalize().unwrap_or_else(|| x.any_orthonormal_vector());
    let normal = x.cross(y);
    DMat3::from_cols(x, y, if normal.dot(d.z_axis) < 0.0 { -normal } else { normal })
}

/// For each LPS axis the nearest (signed) axis of the acquisition, every one used once.
fn nearest_axes(geometry: &Geometry) -> DMat3 {
    const PERMUTATIONS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let f = frame(geometry);
    let component = |lps_axis: usize, column: usize| f.col(column)[lps_axis];
    let score = |p: &[usize; 3]| (0..3).map(|a| component(a, p[a]).abs()).sum::<f64>();
    let best = PERMUTATIONS.iter().max_by(|a, b| score(a).total_cmp(&score(b))).unwrap_or(&[0, 1, 2]);
    let axis = |a: usize| f.col(best[a]) * component(a, best[a]).signum();
    DMat3::from_cols(axis(0), axis(1), axis(2))
}

/// Screen axes (right, down) of an anatomical plane turned to the nearest axes of the acquisition.
pub fn acquired_axes(plane: AnatomicalPlane, geometry: &Geometry) -> (DVec3, DVec3) {
    let turn = nearest_axes(geometry);
    let (right, down) = plane.screen_axes_lps();
    (turn * right, turn * down)
}

/// The anatomical plane that acquired slices are nearest to.
pub(super) fn stack_plane(geometry: &Geometry) -> AnatomicalPlane {
    let normal = frame(geometry).z_axis;
    let along = |plane: AnatomicalPlane| {
        let (right, down) = acquired_axes(plane, geometry);
        right.cross(down).dot(normal).abs()
    };
    AnatomicalPlane::ALL
        .into_iter()
        .max_by(|a, b| along(*a).total_cmp(&along(*b)))
        .unwrap_or(AnatomicalPlane::Axial)
}

/// Largest angle between a patient axis and the nearest axis of the acquisition.
pub fn obliqueness_rad(geometry: &Geometry) -> f64 {
    let m = nearest_axes(geometry);
    (0..3).map(|a| m.col(a)[a].clamp(-1.0, 1.0).acos()).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use imaging::geometry::{Dims, orientation_letters};

    fn grid(direction: DMat3) -> Geometry {
        Geometry::new(Dims::new(8, 8, 8), DVec3::ZERO, DVec3::ONE, direction).unwrap()
    }

    #[test]
    fn upright_grids_of_any_storage_order_show_the_patient_planes() {
        let turned = DMat3::from_cols(DVec3::NEG_Z, DVec3::X, DVec3::Y);
        for direction in [DMat3::IDENTITY, turned, -DMat3::IDENTITY] {
            for plane in AnatomicalPlane::ALL {
                let (right, down) = acquired_axes(plane, &grid(direction));
                let (r, d) = plane.screen_axes_lps();
                assert!(right.abs_diff_eq(r, 1e-12) && down.abs_diff_eq(d, 1e-12), "{}", plane.name());
            }
        }
    }

    #[test]
    fn stacks_are_named_for_the_plane_they_were_acquired_in() {
        let sagittal = DMat3::from_cols(DVec3::Y, DVec3::NEG_Z, DVec3::NEG_X);
        let coronal = DMat3::from_cols(DVec3::X, DVec3::NEG_Z, DVec3::Y);
        let tilted = DMat3::from_rotation_x(0.5) * sagittal;
        for (direction, plane) in [
            (DMat3::IDENTITY, AnatomicalPlane::Axial),
            (sagittal, AnatomicalPlane::Sagittal),
            (tilted, AnatomicalPlane::Sagittal),
            (coronal, AnatomicalPlane::Coronal),
        ] {
            assert_eq!(stack_plane(&grid(direction)), plane);
        }
    }

    #[test]
    fn oblique_grids_keep_their_own_planes_and_say_so_in_letters() {
        let g = grid(DMat3::from_rotation_x(0.4));
        assert!((obliqueness_rad(&g) - 0.4).abs() < 1e-9);
        let (right, down) = acquired_axes(AnatomicalPlane::Axial, &g);
        assert!(right.cross(down).abs_diff_eq(g.direction().z_axis, 1e-9));
        assert_eq!(orientation_letters(right), "L");
        assert_eq!(orientation_letters(down), "PH");
    }

    #[test]
    fn tilted_stacks_keep_right_angles_on_screen() {
        let shear = DMat3::from_cols(DVec3::X, DVec3::Y, DVec3::new(0.0, 0.3, 0.95));
        for plane in AnatomicalPlane::ALL {
            let (right, down) = acquired_axes(plane, &grid(shear));
            assert!(right.dot(down).abs() < 1e-12 && (right.length() - 1.0).abs() < 1e-12);
        }
    }
}
