//! Drawings: control points in patient space and the plane they were drawn in.

use glam::DVec3;

use super::kind::DrawingKind;
use super::plane::{DrawingPlane, is_place};

/// Why points make no drawing.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum DrawingError {
    #[error("the axes of the plane span no plane, or it lies nowhere")]
    Plane,
    #[error("a `{kind}` has {min} to {max} points, not {found}", kind = .kind.id())]
    PointCount { kind: DrawingKind, min: usize, max: usize, found: usize },
    #[error("point {number} is not finite or lies kilometres away")]
    Point { number: usize },
}

/// What somebody drew: a kind, its control points (LPS in mm), and the plane it was drawn in.
///
/// Points of regions lie in the plane. Those of lines and angles may lie before or behind it, as when both ends of a
/// length are set on different slices.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawing {
    kind: DrawingKind,
    points_lps: Vec<DVec3>,
    plane: DrawingPlane,
}

impl Drawing {
    /// A drawing, or as much of it as there is yet: one point and more. Points of regions are put onto the plane.
    ///
    /// # Errors
    /// [`DrawingError`] for no points or too many, and for points that are no place.
    pub fn new(
        kind: DrawingKind,
        mut points_lps: Vec<DVec3>,
        plane: DrawingPlane,
    ) -> Result<Self, DrawingError> {
        let max = kind.points().max;
        if points_lps.is_empty() || points_lps.len() > max {
            return Err(DrawingError::PointCount { kind, min: 1, max, found: points_lps.len() });
        }
        if let Some(at) = points_lps.iter().position(|&lps| !is_place(lps)) {
            return Err(DrawingError::Point { number: at + 1 });
        }
        if kind.is_region() {
            for lps in &mut points_lps {
                *lps = plane.foot(*lps);
            }
        }
        Ok(Self { kind, points_lps, plane })
    }

    /// A finished drawing.
    ///
    /// # Errors
    /// As [`Drawing::new`], and [`DrawingError::PointCount`] if points are missing.
    pub fn complete(
        kind: DrawingKind,
        points_lps: Vec<DVec3>,
        plane: DrawingPlane,
    ) -> Result<Self, DrawingError> {
        let (count, found) = (kind.points(), points_lps.len());
        if found < count.min {
            return Err(DrawingError::PointCount { kind, min: count.min, max: count.max, found });
        }
        Self::new(kind, points_lps, plane)
    }

    /// What was drawn.
    pub fn kind(&self) -> DrawingKind {
        self.kind
    }

    /// Control points, LPS in mm.
    pub fn points_lps(&self) -> &[DVec3] {
        &self.points_lps
    }

    /// The plane it was drawn in.
    pub fn plane(&self) -> &DrawingPlane {
        &self.plane
    }

    /// Whether it has all points that its kind needs.
    pub fn is_complete(&self) -> bool {
        self.points_lps.len() >= self.kind.points().min
    }

    /// The mean of its control points.
    pub fn center_lps(&self) -> DVec3 {
        self.points_lps.iter().copied().sum::<DVec3>() / self.points_lps.len() as f64
    }

    /// The same drawing elsewhere, with its plane. Unchanged where it would leave all places.
    pub fn translated(&self, by: DVec3) -> Self {
        let moved: Vec<DVec3> = self.points_lps.iter().map(|&lps| lps + by).collect();
        let plane = self.plane.moved_by(by);
        if !(moved.iter().copied().all(is_place) && is_place(plane.through_lps())) {
            return self.clone();
        }
        Self { kind: self.kind, points_lps: moved, plane }
    }

    /// The drawing with one more point.
    ///
    /// # Errors
    /// As [`Drawing::new`].
    pub fn with_point(&self, lps: DVec3) -> Result<Self, DrawingError> {
        let mut points = self.points_lps.clone();
        points.push(lps);
        Self::new(self.kind, points, self.plane)
    }

    /// The drawing with a control point (from 0) dragged to another place; the others follow as the kind demands.
    ///
    /// * Bidirectional: the short diameter stays perpendicular to the long one and crosses it. Dragging an end of the
    ///   long one carries the short one along; dragging an end of the short one shifts it along the long one.
    /// * Ellipse: both semi-axes stay perpendicular, the other one keeps its length. The centre carries the rest.
    /// * Circle: the centre carries the edge.
    ///
    /// Unchanged for a point that does not exist and a place that is none.
    pub fn with_point_moved(&self, index: usize, to_lps: DVec3) -> Self {
        if index >= self.points_lps.len() || !is_place(to_lps) {
            return self.clone();
        }
        let to = if self.kind.is_region() { self.plane.foot(to_lps) } else { to_lps };
        let mut points = self.points_lps.clone();
        match (self.kind, points.as_mut_slice()) {
            (DrawingKind::Bidirectional, [a, b, c, d]) => {
                [*a, *b, *c, *d] = bidirectional_moved([*a, *b, *c, *d], index, to, &self.plane);
            }
            (DrawingKind::Ellipse, [center, first, second]) if index > 0 => {
                let semi_axes = [*first - *center, *second - *center];
                let [a, b] = semi_axes_moved(semi_axes, index - 1, to - *center, &self.plane);
                (*first, *second) = (*center + a, *center + b);
            }
            (DrawingKind::Ellipse | DrawingKind::Circle, [center, rest @ ..]) if index == 0 => {
                let by = to - *center;
                *center = to;
                rest.iter_mut().for_each(|lps| *lps += by);
            }
            (_, all) => all.iter_mut().skip(index).take(1).for_each(|lps| *lps = to),
        }
        // What follows may leave all places where what leads does not.
        Self::new(self.kind, points, self.plane).unwrap_or_else(|_| self.clone())
    }
}

/// Unit vector within the plane, perpendicular to a direction; for none, down the screen.
fn perpendicular(direction: DVec3, plane: &DrawingPlane) -> DVec3 {
    plane.normal().cross(direction).try_normalize().unwrap_or(plane.down())
}

/// Long diameter a–b, short diameter c–d, with one of the four points moved.
fn bidirectional_moved(old: [DVec3; 4], index: usize, to: DVec3, plane: &DrawingPlane) -> [DVec3; 4] {
    let [a, b, c, d] = old;
    let across = perpendicular(b - a, plane);
    let length_squared = (b - a).length_squared();
    // Where a point's foot lies along the long diameter, as a share of it.
    let share = |lps: DVec3| {
        if length_squared > 0.0 { ((lps - a).dot(b - a) / length_squared).clamp(0.0, 1.0) } else { 0.5 }
    };
    let height = |lps: DVec3| (lps - a).dot(across);
    let (mut heights, mut at) = ([height(c), height(d)], share((c + d) * 0.5));
    let (mut long, mut direction) = ([a, b], across);
    match index {
        0 | 1 => {
            long = if index == 0 { [to, b] } else { [a, to] };
            direction = perpendicular(long[1] - long[0], plane);
        }
        _ => {
            at = share(to);
            let [own, other] = if index == 2 { [0, 1] } else { [1, 0] };
            // Both ends may touch the long diameter, not lie on the same side of it.
            heights[own] = match heights[other] {
                h if h > 0.0 => height(to).min(0.0),
                h if h < 0.0 => height(to).max(0.0),
                _ => height(to),
            };
        }
    }
    let foot = long[0].lerp(long[1], at);
    [long[0], long[1], foot + direction * heights[0], foot + direction * heights[1]]
}

/// Semi-axes of an ellipse with the end of one moved.
fn semi_axes_moved([a, b]: [DVec3; 2], index: usize, to: DVec3, plane: &DrawingPlane) -> [DVec3; 2] {
    let keeps_side = |axis: DVec3, wanted: DVec3| if axis.dot(wanted) < 0.0 { -axis } else { axis };
    if index == 0 {
        [to, keeps_side(perpendicular(to, plane), b) * b.length()]
    } else {
        let across = perpendicular(a, plane);
        [a, across * to.dot(across)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane() -> DrawingPlane {
        DrawingPlane::new(DVec3::new(1.0, 2.0, 3.0), DVec3::new(1.0, 0.4, 0.2), DVec3::new(0.0, 1.0, -0.7))
            .unwrap()
    }

    fn drawing(kind: DrawingKind, places: &[[f64; 2]]) -> Drawing {
        let points = places.iter().map(|&place| plane().lift(place.into())).collect();
        Drawing::complete(kind, points, plane()).unwrap()
    }

    #[test]
    fn points_that_are_no_place_or_too_many_are_refused() {
        let new = |kind, points| Drawing::new(kind, points, plane());
        let line = vec![DVec3::ZERO; 3];
        assert!(matches!(
            new(DrawingKind::Length, line),
            Err(DrawingError::PointCount { min: 1, max: 2, found: 3, .. })
        ));
        assert!(matches!(new(DrawingKind::Length, vec![]), Err(DrawingError::PointCount { found: 0, .. })));
        let broken = vec![DVec3::ZERO, DVec3::new(0.0, f64::INFINITY, 0.0)];
        assert_eq!(new(DrawingKind::Length, broken), Err(DrawingError::Point { number: 2 }));
        let begun = new(DrawingKind::Polygon, vec![DVec3::ZERO]).unwrap();
        assert!(!begun.is_complete());
        assert!(begun.with_point(DVec3::X).unwrap().with_point(DVec3::Y).unwrap().is_complete());
        assert!(Drawing::complete(DrawingKind::Polygon, vec![DVec3::ZERO; 2], plane()).is_err());
    }

    #[test]
    fn points_of_regions_are_put_onto_their_plane_and_those_of_lines_are_not() {
        let off = plane().lift(glam::DVec2::new(3.0, 4.0)) + plane().normal() * 5.0;
        let region = Drawing::new(DrawingKind::Polygon, vec![off], plane()).unwrap();
        assert!(plane().distance_mm(region.points_lps()[0]) < 1e-12);
        let line = Drawing::new(DrawingKind::Length, vec![off], plane()).unwrap();
        assert_eq!(line.points_lps(), [off]);
    }

    #[test]
    fn short_diameter_stays_perpendicular_to_the_long_one_and_crosses_it() {
        let start =
            drawing(DrawingKind::Bidirectional, &[[0.0, 0.0], [40.0, 0.0], [10.0, -6.0], [10.0, 8.0]]);
        let places = [[-9.0, 14.0], [55.0, -3.0], [30.0, 20.0], [-70.0, 5.0], [0.0, 0.0], [12.0, -1.0]];
        let mut now = start;
        for round in 0..24 {
            let (index, place) = (round % 4, places[round % 6]);
            let short = |d: &Drawing| d.points_lps()[2].distance(d.points_lps()[3]);
            let before = short(&now);
            now = now.with_point_moved(index, plane().lift(place.into()));
            let [a, b, c, d] = now.points_lps() else { panic!() };
            assert!((*b - *a).dot(*d - *c).abs() < 1e-9, "round {round}");
            if index < 2 {
                assert!((short(&now) - before).abs() < 1e-9, "round {round}");
            }
            // The foot of both ends lies on the long diameter, on different sides of it.
            let along = |p: DVec3| (p - *a).dot(*b - *a) / (*b - *a).length_squared();
            assert!((-1e-9..=1.0 + 1e-9).contains(&along(*c)), "round {round}");
            let foot = a.lerp(*b, along(*c));
            assert!((*c - foot).dot(*d - foot) <= 1e-9, "round {round}");
        }
    }

    #[test]
    fn semi_axes_stay_perpendicular_and_the_centre_carries_them() {
        let start = drawing(DrawingKind::Ellipse, &[[5.0, 5.0], [15.0, 5.0], [5.0, 9.0]]);
        let lengths = |d: &Drawing| {
            let [c, a, b] = d.points_lps() else { panic!() };
            assert!((*a - *c).dot(*b - *c).abs() < 1e-9);
            [(*a - *c).length(), (*b - *c).length()]
        };
        let turned = start.with_point_moved(1, plane().lift([5.0, 25.0].into()));
        assert!((lengths(&turned)[0] - 20.0).abs() < 1e-9 && (lengths(&turned)[1] - 4.0).abs() < 1e-9);
        let wider = turned.with_point_moved(2, plane().lift([12.0, 99.0].into()));
        assert!((lengths(&wider)[0] - 20.0).abs() < 1e-9 && (lengths(&wider)[1] - 7.0).abs() < 1e-9);
        let elsewhere = wider.with_point_moved(0, plane().lift([0.0, 0.0].into()));
        assert_eq!(
            lengths(&elsewhere).map(|mm| (mm * 1e9).round()),
            lengths(&wider).map(|mm| (mm * 1e9).round())
        );
        let flat = start.with_point_moved(1, start.points_lps()[0]);
        assert!(flat.points_lps().iter().all(|p| p.is_finite()));
    }

    #[test]
    fn what_cannot_be_moved_stays() {
        let line = drawing(DrawingKind::Length, &[[0.0, 0.0], [1.0, 1.0]]);
        assert_eq!(line.with_point_moved(2, DVec3::ZERO), line);
        assert_eq!(line.with_point_moved(0, DVec3::NAN), line);
        assert_eq!(line.translated(DVec3::X * 1e9), line);
        let by = DVec3::new(1.0, -2.0, 3.0);
        let moved = line.translated(by);
        assert!(moved.points_lps()[1].distance(line.points_lps()[1] + by) < 1e-12);
        assert_eq!(moved.plane().through_lps(), plane().through_lps() + by);
    }
}
