//! The plane that somebody drew in.

use glam::{DVec2, DVec3};

use super::DrawingError;

/// A plane in patient space with two perpendicular axes, as on screen when it was drawn in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DrawingPlane {
    through_lps: DVec3,
    right: DVec3,
    down: DVec3,
}

/// Coordinates beyond this many mm are no place in a patient or on a slide.
pub(super) const MAX_COORDINATE_MM: f64 = 1e7;

/// Whether a point can be one of a drawing.
pub(super) fn is_place(lps: DVec3) -> bool {
    lps.is_finite() && lps.abs().max_element() <= MAX_COORDINATE_MM
}

impl DrawingPlane {
    /// The plane through a point (LPS in mm) whose axes on screen run along `right` and `down`, of any length.
    ///
    /// `down` is made perpendicular to `right` within the plane of both.
    ///
    /// # Errors
    /// [`DrawingError::Plane`] for a point that is no place, or axes that span no plane.
    pub fn new(through_lps: DVec3, right: DVec3, down: DVec3) -> Result<Self, DrawingError> {
        let axes = || {
            let right = right.try_normalize()?;
            let down = down.try_normalize()?;
            let across = down - right * right.dot(down);
            (across.length() > 1e-6).then(|| (right, across.normalize()))
        };
        match axes() {
            Some((right, down)) if is_place(through_lps) => Ok(Self { through_lps, right, down }),
            _ => Err(DrawingError::Plane),
        }
    }

    /// The plane through points that were drawn in one, with axes along those of the patient as far as possible.
    ///
    /// Points along one line have many planes; it is the one that is nearest to axial, coronal or sagittal. `None`
    /// without points.
    pub fn through_points(points_lps: &[DVec3]) -> Option<Self> {
        let first = *points_lps.first()?;
        let center = points_lps.iter().copied().sum::<DVec3>() / points_lps.len() as f64;
        // Newell's normal: twice the vector area of the closed outline.
        let next = points_lps.iter().skip(1).chain(points_lps.first());
        let area: DVec3 = points_lps.iter().zip(next).map(|(p, q)| (p - first).cross(q - first)).sum();
        let reach = points_lps.iter().map(|p| p.distance(center)).fold(0.0, f64::max);
        let normal = match area.try_normalize() {
            Some(normal) if area.length() > 1e-6 * reach * reach => normal,
            _ => {
                let farthest = points_lps
                    .iter()
                    .copied()
                    .max_by(|p, q| p.distance_squared(center).total_cmp(&q.distance_squared(center)))?;
                across((farthest - center).try_normalize().unwrap_or(DVec3::ZERO))
            }
        };
        let (right, down) = screen_axes(normal);
        Self::new(center, right, down).ok()
    }

    /// A point of the plane, LPS in mm.
    pub fn through_lps(&self) -> DVec3 {
        self.through_lps
    }

    /// Unit vector that points to the right of the screen.
    pub fn right(&self) -> DVec3 {
        self.right
    }

    /// Unit vector that points down the screen.
    pub fn down(&self) -> DVec3 {
        self.down
    }

    /// Unit vector away from the person who looks at the screen.
    pub fn normal(&self) -> DVec3 {
        self.right.cross(self.down)
    }

    /// Place within the plane (right, down) in mm from [`Self::through_lps`] of the point's foot on the plane.
    pub fn project(&self, lps: DVec3) -> DVec2 {
        let offset = lps - self.through_lps;
        DVec2::new(offset.dot(self.right), offset.dot(self.down))
    }

    /// The point at a place within the plane, LPS in mm.
    pub fn lift(&self, place_mm: DVec2) -> DVec3 {
        self.through_lps + self.right * place_mm.x + self.down * place_mm.y
    }

    /// The point of the plane that is nearest.
    pub fn foot(&self, lps: DVec3) -> DVec3 {
        lps - self.normal() * self.height_mm(lps)
    }

    /// Distance of a point from the plane.
    pub fn distance_mm(&self, lps: DVec3) -> f64 {
        self.height_mm(lps).abs()
    }

    /// Distance along the normal, negative on the side of the person who looks.
    pub(super) fn height_mm(&self, lps: DVec3) -> f64 {
        (lps - self.through_lps).dot(self.normal())
    }

    /// The same plane through another point.
    pub(super) fn moved_by(&self, by: DVec3) -> Self {
        Self { through_lps: self.through_lps + by, ..*self }
    }
}

/// The axis of the patient that is most perpendicular to a direction, made exactly so.
fn across(direction: DVec3) -> DVec3 {
    let axes = [DVec3::Z, DVec3::Y, DVec3::X];
    let best = axes.into_iter().min_by(|a, b| {
        // Almost equal cosines keep the order: axial first.
        let round = |axis: &DVec3| (axis.dot(direction).abs() * 1e6).round();
        round(a).total_cmp(&round(b))
    });
    let axis = best.unwrap_or(DVec3::Z);
    (axis - direction * axis.dot(direction)).try_normalize().unwrap_or(DVec3::Z)
}

/// Axes on screen of a plane, radiological convention: right on the left, then head up or front up.
fn screen_axes(normal: DVec3) -> (DVec3, DVec3) {
    let size = normal.abs();
    let (right, down) = if size.z >= size.x && size.z >= size.y {
        (DVec3::X, DVec3::Y)
    } else if size.y >= size.x {
        (DVec3::X, DVec3::NEG_Z)
    } else {
        (DVec3::Y, DVec3::NEG_Z)
    };
    let flat = |v: DVec3| v - normal * normal.dot(v);
    (flat(right), flat(down))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_a_plane_lead_to_points_and_back() {
        let through = DVec3::new(5.0, -3.0, 40.0);
        let plane =
            DrawingPlane::new(through, DVec3::new(2.0, 1.0, 0.0), DVec3::new(0.3, 1.0, -2.0)).unwrap();
        assert!(plane.right().dot(plane.down()).abs() < 1e-15);
        for place in [DVec2::ZERO, DVec2::new(12.5, -7.25)] {
            let lps = plane.lift(place);
            assert!(plane.project(lps).distance(place) < 1e-12);
            assert!(plane.distance_mm(lps) < 1e-12);
            assert!((plane.distance_mm(lps + plane.normal() * -2.5) - 2.5).abs() < 1e-12);
            assert!(plane.foot(lps + plane.normal() * 9.0).distance(lps) < 1e-12);
        }
    }

    #[test]
    fn axes_that_span_no_plane_are_refused() {
        let refused = |through, right, down| DrawingPlane::new(through, right, down).is_err();
        assert!(refused(DVec3::ZERO, DVec3::X, DVec3::X));
        assert!(refused(DVec3::ZERO, DVec3::ZERO, DVec3::Y));
        assert!(refused(DVec3::NAN, DVec3::X, DVec3::Y));
        assert!(refused(DVec3::X * 1e9, DVec3::X, DVec3::Y));
    }

    #[test]
    fn planes_through_points_hold_them_and_look_like_a_screen() {
        let square = [[0.0, 0.0, 7.0], [3.0, 0.0, 7.0], [3.0, 3.0, 7.0], [0.0, 3.0, 7.0]].map(DVec3::from);
        let plane = DrawingPlane::through_points(&square).unwrap();
        assert_eq!((plane.right(), plane.down()), (DVec3::X, DVec3::Y));
        let upright = DrawingPlane::through_points(&[DVec3::ZERO, DVec3::Z * 9.0]).unwrap();
        assert!(upright.distance_mm(DVec3::Z * 4.0) < 1e-12);
        let oblique = [DVec3::X, DVec3::Y, DVec3::Z];
        let plane = DrawingPlane::through_points(&oblique).unwrap();
        assert!(oblique.iter().all(|&p| plane.distance_mm(p) < 1e-12));
        assert!(DrawingPlane::through_points(&[DVec3::splat(4.0); 3]).is_some());
        assert_eq!(DrawingPlane::through_points(&[]), None);
    }
}
