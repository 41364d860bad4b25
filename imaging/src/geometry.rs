//! Where voxels are: dimensions, spacing, direction, the affine from index to patient space, orientation letters.
//!
//! All matrices are named `target_from_source` and read right to left.

use glam::{DAffine3, DMat3, DVec3};

/// Number of voxels along each axis; x varies fastest in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the axes name themselves")]
pub struct Dims {
    pub x: usize,
    pub y: usize,
    pub z: usize,
}

impl Dims {
    /// Dimensions from counts along x, y and z.
    pub const fn new(x: usize, y: usize, z: usize) -> Self {
        Self { x, y, z }
    }

    /// Number of voxels, or `None` if it does not fit in a `usize`.
    pub fn checked_count(self) -> Option<usize> {
        self.x.checked_mul(self.y)?.checked_mul(self.z)
    }

    /// As a vector of floats.
    pub fn as_dvec3(self) -> DVec3 {
        DVec3::new(self.x as f64, self.y as f64, self.z as f64)
    }

    /// As `[x, y, z]`.
    pub const fn to_array(self) -> [usize; 3] {
        [self.x, self.y, self.z]
    }

    /// Whether an index lies inside.
    pub fn contains(self, index: [i64; 3]) -> bool {
        let inside = |i: i64, n: usize| i >= 0 && (i as u64) < n as u64;
        inside(index[0], self.x) && inside(index[1], self.y) && inside(index[2], self.z)
    }
}

/// Why a geometry was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum GeometryError {
    #[error("dimensions {x} × {y} × {z} have no voxels or too many")]
    Dims { x: usize, y: usize, z: usize },
    #[error("spacing {x} × {y} × {z} mm is not positive and finite")]
    Spacing { x: f64, y: f64, z: f64 },
    #[error("origin is not finite")]
    Origin,
    #[error("direction cosines do not span space (determinant {determinant})")]
    Direction { determinant: f64 },
}

/// The grid of a volume in patient space (LPS, millimetres).
///
/// Index (0, 0, 0) is the centre of the first voxel, so the volume's edges lie at −0.5 and n − 0.5.
/// The columns of `direction` are unit vectors along the index axes, as in ITK; they need not be
/// perpendicular (a gantry-tilted CT is a sheared grid) nor right-handed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Geometry {
    dims: Dims,
    origin_lps: DVec3,
    spacing_mm: DVec3,
    direction: DMat3,
    lps_from_index: DAffine3,
    index_from_lps: DAffine3,
}

impl Geometry {
    /// A checked geometry. The columns of `direction` are normalised.
    ///
    /// # Errors
    /// [`GeometryError`] if a count is zero or the product overflows, a spacing is not positive and finite, the
    /// origin is not finite, or the direction is singular.
    pub fn new(
        dims: Dims,
        origin_lps: DVec3,
        spacing_mm: DVec3,
        direction: DMat3,
    ) -> Result<Self, GeometryError> {
        if dims.checked_count().is_none_or(|n| n == 0) {
            return Err(GeometryError::Dims { x: dims.x, y: dims.y, z: dims.z });
        }
        if !(spacing_mm.is_finite() && spacing_mm.min_element() > 0.0) {
            return Err(GeometryError::Spacing { x: spacing_mm.x, y: spacing_mm.y, z: spacing_mm.z });
        }
        if !origin_lps.is_finite() {
            return Err(GeometryError::Origin);
        }
        let unit = |v: DVec3| v.try_normalize().unwrap_or(DVec3::ZERO);
        let direction =
            DMat3::from_cols(unit(direction.x_axis), unit(direction.y_axis), unit(direction.z_axis));
        let determinant = direction.determinant();
        if !determinant.is_finite() || determinant.abs() < 1e-3 {
            return Err(GeometryError::Direction { determinant });
        }
        let lps_from_index =
            DAffine3 { matrix3: direction * DMat3::from_diagonal(spacing_mm), translation: origin_lps };
        Ok(Self {
            dims,
            origin_lps,
            spacing_mm,
            direction,
            lps_from_index,
            index_from_lps: lps_from_index.inverse(),
        })
    }

    /// Axis-aligned geometry with the first voxel at `origin_lps`.
    ///
    /// # Errors
    /// As [`Geometry::new`].
    pub fn axis_aligned(dims: Dims, origin_lps: DVec3, spacing_mm: DVec3) -> Result<Self, GeometryError> {
        Self::new(dims, origin_lps, spacing_mm, DMat3::IDENTITY)
    }

    /// From an affine that maps continuous index to LPS; spacing and direction are taken from its columns.
    ///
    /// # Errors
    /// As [`Geometry::new`].
    pub fn from_affine(dims: Dims, lps_from_index: DAffine3) -> Result<Self, GeometryError> {
        let m = lps_from_index.matrix3;
        let spacing = DVec3::new(m.x_axis.length(), m.y_axis.length(), m.z_axis.length());
        Self::new(dims, lps_from_index.translation, spacing, m)
    }

    /// Number of voxels along each axis.
    pub fn dims(&self) -> Dims {
        self.dims
    }

    /// Centre of the first voxel, LPS in mm.
    pub fn origin_lps(&self) -> DVec3 {
        self.origin_lps
    }

    /// Distance between neighbouring voxel centres along each index axis.
    pub fn spacing_mm(&self) -> DVec3 {
        self.spacing_mm
    }

    /// Unit vectors of the index axes as columns.
    pub fn direction(&self) -> DMat3 {
        self.direction
    }

    /// Voxel grid to patient space: continuous index (x, y, z) to LPS in millimetres.
    ///
    /// Integer indices are voxel centres. Columns are direction cosines times spacing.
    pub fn lps_from_index(&self) -> DAffine3 {
        self.lps_from_index
    }

    /// Inverse of [`Geometry::lps_from_index`].
    pub fn index_from_lps(&self) -> DAffine3 {
        self.index_from_lps
    }

    /// The same grid with other dimensions and origin index, e.g. one slice of it.
    ///
    /// # Errors
    /// As [`Geometry::new`].
    pub fn region(&self, first_index: [usize; 3], dims: Dims) -> Result<Self, GeometryError> {
        let first = DVec3::from_array(first_index.map(|i| i as f64));
        Self::new(dims, self.lps_from_index.transform_point3(first), self.spacing_mm, self.direction)
    }

    /// Patient position of the middle of the volume.
    pub fn center_lps(&self) -> DVec3 {
        self.lps_from_index.transform_point3((self.dims.as_dvec3() - 1.0) * 0.5)
    }

    /// The eight outer corners (voxel *edges*, not centres) in LPS.
    pub fn corners_lps(&self) -> [DVec3; 8] {
        let n = self.dims.as_dvec3() - 0.5;
        std::array::from_fn(|i| {
            let pick = |bit: usize, hi: f64| if i >> bit & 1 == 1 { hi } else { -0.5 };
            self.lps_from_index.transform_point3(DVec3::new(pick(0, n.x), pick(1, n.y), pick(2, n.z)))
        })
    }

    /// Length of the diagonal between outer corners, in mm.
    pub fn diagonal_mm(&self) -> f64 {
        let corners = self.corners_lps();
        (0..4).map(|i| corners[i].distance(corners[7 - i])).fold(0.0, f64::max)
    }

    /// Angle in radians between the slice axis and the normal of the slice plane; zero for an upright stack.
    pub fn tilt_rad(&self) -> f64 {
        let normal = self.direction.x_axis.cross(self.direction.y_axis).normalize();
        normal.dot(self.direction.z_axis).abs().clamp(0.0, 1.0).acos()
    }

    /// Index of the voxel whose centre is nearest, or `None` outside the volume's edges.
    ///
    /// Halfway between two centres the higher index wins.
    pub fn nearest_index(&self, lps: DVec3) -> Option<[usize; 3]> {
        let index = (self.index_from_lps.transform_point3(lps) + 0.5).floor();
        let index = [index.x as i64, index.y as i64, index.z as i64];
        self.dims.contains(index).then(|| index.map(|i| i as usize))
    }
}

/// The three anatomical planes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the field's own names")]
pub enum AnatomicalPlane {
    Axial,
    Coronal,
    Sagittal,
}

impl AnatomicalPlane {
    /// All three, in reading order.
    pub const ALL: [Self; 3] = [Self::Axial, Self::Coronal, Self::Sagittal];

    /// Screen axes (right, down) as LPS unit vectors, radiological convention.
    ///
    /// Axial and coronal show the patient's right on the left of the screen; sagittal shows the nose on the left.
    pub fn screen_axes_lps(self) -> (DVec3, DVec3) {
        match self {
            Self::Axial => (DVec3::X, DVec3::Y),
            Self::Coronal => (DVec3::X, DVec3::NEG_Z),
            Self::Sagittal => (DVec3::Y, DVec3::NEG_Z),
        }
    }

    /// Name for people, e.g. `Axial`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Axial => "Axial",
            Self::Coronal => "Coronal",
            Self::Sagittal => "Sagittal",
        }
    }
}

/// Orientation letters of a direction, largest component first, at most three: `L`, `AFL`, …
///
/// L/R, P/A, H/F are the positive/negative LPS axes. Components below 0.05 (about 3°) are left out.
/// Source: DICOM PS3.3 C.7.6.1.1.1 (Patient Orientation).
pub fn orientation_letters(direction_lps: DVec3) -> String {
    let Some(d) = direction_lps.try_normalize() else { return String::new() };
    let mut parts = [
        (d.x, if d.x > 0.0 { 'L' } else { 'R' }),
        (d.y, if d.y > 0.0 { 'P' } else { 'A' }),
        (d.z, if d.z > 0.0 { 'H' } else { 'F' }),
    ];
    parts.sort_by(|a, b| b.0.abs().total_cmp(&a.0.abs()));
    parts.iter().filter(|(c, _)| c.abs() >= 0.05).map(|(_, letter)| letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oblique() -> Geometry {
        let direction = DMat3::from_rotation_z(0.3) * DMat3::from_rotation_x(-0.7);
        Geometry::new(Dims::new(7, 5, 3), DVec3::new(-10.0, 20.0, 5.0), DVec3::new(0.5, 0.75, 2.0), direction)
            .unwrap()
    }

    #[test]
    fn index_to_lps_and_back_is_identity() {
        let g = oblique();
        for index in [DVec3::ZERO, DVec3::new(6.0, 4.0, 2.0), DVec3::new(-0.5, 2.25, 1.1)] {
            let back = g.index_from_lps().transform_point3(g.lps_from_index().transform_point3(index));
            assert!(back.abs_diff_eq(index, 1e-12), "{index} came back as {back}");
        }
    }

    #[test]
    fn first_voxel_centre_is_the_origin() {
        let g = oblique();
        assert_eq!(g.lps_from_index().transform_point3(DVec3::ZERO), g.origin_lps());
        assert_eq!(g.nearest_index(g.origin_lps()), Some([0, 0, 0]));
    }

    #[test]
    fn edges_are_half_a_voxel_outside_the_centres() {
        let g = Geometry::axis_aligned(Dims::new(2, 2, 2), DVec3::ZERO, DVec3::new(1.0, 2.0, 4.0)).unwrap();
        let c = g.corners_lps();
        assert_eq!(c[0], DVec3::new(-0.5, -1.0, -2.0));
        assert_eq!(c[7], DVec3::new(1.5, 3.0, 6.0));
        assert_eq!(g.nearest_index(DVec3::new(-0.51, 0.0, 0.0)), None);
        assert_eq!(g.nearest_index(DVec3::new(1.49, 2.9, 5.9)), Some([1, 1, 1]));
    }

    #[test]
    fn broken_geometries_are_refused() {
        let d = Dims::new(2, 2, 2);
        let bad_spacing = Geometry::axis_aligned(d, DVec3::ZERO, DVec3::new(1.0, 0.0, 1.0));
        assert!(matches!(bad_spacing, Err(GeometryError::Spacing { .. })));
        let nan = Geometry::axis_aligned(d, DVec3::NAN, DVec3::ONE);
        assert_eq!(nan, Err(GeometryError::Origin));
        let flat = DMat3::from_cols(DVec3::X, DVec3::X, DVec3::Z);
        assert!(matches!(
            Geometry::new(d, DVec3::ZERO, DVec3::ONE, flat),
            Err(GeometryError::Direction { .. })
        ));
        let huge = Geometry::axis_aligned(Dims::new(usize::MAX, 2, 2), DVec3::ZERO, DVec3::ONE);
        assert!(matches!(huge, Err(GeometryError::Dims { .. })));
    }

    #[test]
    fn letters_come_in_decreasing_order_of_cosine() {
        let check = |v: [f64; 3], letters: &str| assert_eq!(orientation_letters(v.into()), letters, "{v:?}");
        check([1.0, 0.0, 0.0], "L");
        check([-1.0, 0.0, 0.0], "R");
        check([0.0, -1.0, 0.0], "A");
        check([0.0, 0.0, -1.0], "F");
        check([0.3, -0.8, -0.5], "AFL");
        check([0.01, 0.999, 0.0], "P");
        check([0.0, 0.0, 0.0], "");
    }

    #[test]
    fn radiological_screen_axes_put_patient_right_on_the_left() {
        let (right, down) = AnatomicalPlane::Axial.screen_axes_lps();
        assert_eq!(orientation_letters(-right), "R");
        assert_eq!(orientation_letters(-down), "A");
        let (right, down) = AnatomicalPlane::Sagittal.screen_axes_lps();
        assert_eq!(orientation_letters(-right), "A");
        assert_eq!(orientation_letters(-down), "H");
        let (right, down) = AnatomicalPlane::Coronal.screen_axes_lps();
        assert_eq!(orientation_letters(-right), "R");
        assert_eq!(orientation_letters(-down), "H");
    }

    #[test]
    fn tilt_is_the_angle_between_step_and_normal() {
        let shear = DMat3::from_cols(DVec3::X, DVec3::Y, DVec3::new(0.0, 0.3, 0.9));
        let g = Geometry::new(Dims::new(2, 2, 2), DVec3::ZERO, DVec3::ONE, shear).unwrap();
        assert!((g.tilt_rad() - (0.3f64 / 0.9).atan()).abs() < 1e-12);
        assert!(oblique().tilt_rad() < 1e-6);
    }
}
