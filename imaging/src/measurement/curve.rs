//! Curves through control points, and the lines that stand for a drawing on screen.

use std::f64::consts::TAU;

use glam::DVec3;

use super::drawing::Drawing;
use super::kind::DrawingKind;

/// A smooth curve is drawn with at most this many lines from one control point to the next.
const MAX_LINES_PER_PIECE: f64 = 256.0;
/// An ellipse is drawn with this many lines at least and at most.
const ELLIPSE_LINES: [f64; 2] = [16.0, 1024.0];

/// One cubic piece of a closed curve, by the coefficients of 1, t, t² and t³ for t from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Piece([DVec3; 4]);

impl Piece {
    pub(super) fn at(&self, t: f64) -> DVec3 {
        let [c0, c1, c2, c3] = self.0;
        c0 + (c1 + (c2 + c3 * t) * t) * t
    }

    pub(super) fn velocity(&self, t: f64) -> DVec3 {
        let [_, c1, c2, c3] = self.0;
        c1 + (c2 * 2.0 + c3 * (3.0 * t)) * t
    }

    /// Lines that stay within a tolerance of the piece: the error of a chord is at most |second derivative| / 8 n².
    fn line_count(&self, tolerance_mm: f64) -> usize {
        let [_, _, c2, c3] = self.0;
        let bend = (c2 * 2.0).length().max((c2 * 2.0 + c3 * 6.0).length());
        (bend / (8.0 * tolerance_mm)).sqrt().ceil().clamp(1.0, MAX_LINES_PER_PIECE) as usize
    }
}

/// The closed centripetal Catmull-Rom curve through points: it passes through all of them, without cusps or loops from
/// one to the next.
///
/// Points that repeat the one before count once. No pieces for fewer than three.
/// Source: Yuksel, Schaefer and Keyser, *Parameterization and applications of Catmull-Rom curves*, 2011.
pub(super) fn closed_spline(points: &[DVec3]) -> Vec<Piece> {
    let mut points = points.to_vec();
    points.dedup();
    while points.len() > 1 && points.first() == points.last() {
        points.pop();
    }
    let n = points.len();
    if n < 3 {
        return Vec::new();
    }
    let point = |i: usize| points.get(i % n).copied().unwrap_or_default();
    (0..n).map(|i| piece([point(i + n - 1), point(i), point(i + 1), point(i + 2)])).collect()
}

/// The piece from the second to the third of four points, as a Hermite cubic.
fn piece([p0, p1, p2, p3]: [DVec3; 4]) -> Piece {
    let knot = |a: DVec3, b: DVec3| a.distance(b).sqrt();
    let (t01, t12, t23) = (knot(p0, p1), knot(p1, p2), knot(p2, p3));
    let m1 = p2 - p1 + ((p1 - p0) / t01 - (p2 - p0) / (t01 + t12)) * t12;
    let m2 = p2 - p1 + ((p3 - p2) / t23 - (p3 - p1) / (t12 + t23)) * t12;
    Piece([p1, m1, (p2 - p1) * 3.0 - m1 * 2.0 - m2, (p1 - p2) * 2.0 + m1 + m2])
}

/// Points of a closed curve, the first one not repeated, no farther than a tolerance from it between two.
pub(super) fn flattened(pieces: &[Piece], tolerance_mm: f64) -> Vec<DVec3> {
    let lines = |piece: &Piece| {
        let (piece, count) = (*piece, piece.line_count(tolerance_mm));
        (0..count).map(move |i| piece.at(i as f64 / count as f64))
    };
    pieces.iter().flat_map(lines).collect()
}

/// Centre and semi-axes of an ellipse or circle; any two conjugate half diameters will do.
pub(crate) fn ellipse(drawing: &Drawing) -> Option<(DVec3, [DVec3; 2])> {
    match (drawing.kind(), drawing.points_lps()) {
        (DrawingKind::Ellipse, [center, a, b]) => Some((*center, [*a - *center, *b - *center])),
        (DrawingKind::Circle, [center, edge]) => {
            let radius = center.distance(*edge);
            Some((*center, [drawing.plane().right() * radius, drawing.plane().down() * radius]))
        }
        _ => None,
    }
}

/// Perpendicular semi-axes, the longer one first, of the ellipse with two conjugate half diameters.
pub(crate) fn principal_axes([a, b]: [DVec3; 2]) -> [DVec3; 2] {
    let turn = 0.5 * (2.0 * a.dot(b)).atan2(a.length_squared() - b.length_squared());
    let (sin, cos) = turn.sin_cos();
    let (p, q) = (a * cos + b * sin, b * cos - a * sin);
    if p.length_squared() >= q.length_squared() { [p, q] } else { [q, p] }
}

/// Corners of a rectangle from two opposite ones, in order.
pub(super) fn rectangle(drawing: &Drawing) -> Option<[DVec3; 4]> {
    let [first, third] = drawing.points_lps() else { return None };
    let plane = drawing.plane();
    let (p, q) = (plane.project(*first), plane.project(*third));
    let across = plane.right() * (q.x - p.x);
    Some([*first, *first + across, *third, *third - across])
}

/// Corners of a region's outline in order, the first one not repeated; curves within a tolerance. Empty for other
/// kinds and for what is not complete.
pub(super) fn outline(drawing: &Drawing, tolerance_mm: f64) -> Vec<DVec3> {
    if !drawing.is_complete() {
        return Vec::new();
    }
    // What is finer than any voxel shows nowhere; what is no number would never end.
    let tolerance_mm = if tolerance_mm > 1e-6 { tolerance_mm } else { 1e-6 };
    match drawing.kind() {
        DrawingKind::Rectangle => rectangle(drawing).map(Vec::from).unwrap_or_default(),
        DrawingKind::Ellipse | DrawingKind::Circle => {
            let Some((center, [a, b])) = ellipse(drawing) else { return Vec::new() };
            let reach = a.length().max(b.length()).max(tolerance_mm);
            let half_step = (1.0 - tolerance_mm / reach).clamp(-1.0, 1.0).acos();
            let count = (0.5 * TAU / half_step).ceil().clamp(ELLIPSE_LINES[0], ELLIPSE_LINES[1]);
            let at = |i: usize| {
                let (sin, cos) = (TAU * i as f64 / count).sin_cos();
                center + a * cos + b * sin
            };
            (0..count as usize).map(at).collect()
        }
        DrawingKind::Spline => flattened(&closed_spline(drawing.points_lps()), tolerance_mm),
        DrawingKind::Polygon | DrawingKind::Freehand => drawing.points_lps().to_vec(),
        _ => Vec::new(),
    }
}

impl Drawing {
    /// The lines to draw, from point to point, LPS in mm; closed ones repeat their first point.
    ///
    /// Curves are cut into lines that stay within `tolerance_mm` of them. A single point is a line of one point. The
    /// points of an arrow are tip and end; its head is for the screen. Of what is not complete, the lines so far.
    pub fn outline_lps(&self, tolerance_mm: f64) -> Vec<Vec<DVec3>> {
        let points = self.points_lps();
        let mut closed = outline(self, tolerance_mm);
        if let Some(&first) = closed.first() {
            closed.push(first);
            return vec![closed];
        }
        match self.kind() {
            DrawingKind::Bidirectional | DrawingKind::CobbAngle => {
                points.chunks(2).map(<[DVec3]>::to_vec).collect()
            }
            _ => vec![points.to_vec()],
        }
    }
}

#[cfg(test)]
mod tests {
    use glam::DVec2;

    use super::*;
    use crate::measurement::DrawingPlane;

    fn drawing(kind: DrawingKind, places: &[[f64; 2]]) -> Drawing {
        let plane = DrawingPlane::new(DVec3::ZERO, DVec3::X, DVec3::Z).unwrap();
        let points = places.iter().map(|&place| plane.lift(place.into())).collect();
        Drawing::new(kind, points, plane).unwrap()
    }

    #[test]
    fn smooth_curve_passes_through_its_points_and_lines_stay_close_to_it() {
        let places: Vec<[f64; 2]> = (0..7)
            .map(|i| {
                let t = TAU * f64::from(i) / 7.0;
                [30.0 * t.cos(), (20.0 + 5.0 * f64::from(i % 2)) * t.sin()]
            })
            .collect();
        let spline = drawing(DrawingKind::Spline, &places);
        let pieces = closed_spline(spline.points_lps());
        assert_eq!(pieces.len(), 7);
        for (i, point) in spline.points_lps().iter().enumerate() {
            assert!(pieces[i].at(0.0).distance(*point) < 1e-12);
            let before = &pieces[(i + 6) % 7];
            assert!(before.at(1.0).distance(*point) < 1e-12);
            // Smooth: the direction does not change from piece to piece.
            let (arrives, leaves) = (before.velocity(1.0).normalize(), pieces[i].velocity(0.0).normalize());
            assert!(arrives.distance(leaves) < 1e-12);
        }
        let fine = flattened(&pieces, 1e-6);
        for tolerance in [1.0, 0.05] {
            let [line] = &spline.outline_lps(tolerance)[..] else { panic!() };
            assert_eq!(line.first(), line.last());
            let distance = |p: DVec3| {
                let to_line = |pair: &[DVec3]| {
                    let (a, d) = (pair[0], pair[1] - pair[0]);
                    p.distance(a + d * ((p - a).dot(d) / d.length_squared()).clamp(0.0, 1.0))
                };
                line.windows(2).map(to_line).fold(f64::INFINITY, f64::min)
            };
            assert!(fine.iter().all(|&p| distance(p) <= tolerance), "{tolerance}");
        }
    }

    #[test]
    fn repeated_points_bend_no_curve_into_nan() {
        let spline = drawing(
            DrawingKind::Spline,
            &[[0.0, 0.0], [0.0, 0.0], [9.0, 0.0], [9.0, 9.0], [9.0, 9.0], [0.0, 0.0]],
        );
        assert_eq!(closed_spline(spline.points_lps()).len(), 3);
        assert!(spline.outline_lps(0.1)[0].iter().all(|p| p.is_finite()));
        let nothing = drawing(DrawingKind::Spline, &[[1.0, 1.0]; 5]);
        assert_eq!(closed_spline(nothing.points_lps()), []);
    }

    #[test]
    fn lines_of_an_ellipse_stay_within_the_tolerance() {
        let ellipse = drawing(DrawingKind::Ellipse, &[[3.0, 4.0], [43.0, 4.0], [3.0, 14.0]]);
        for tolerance in [2.0, 0.1, 0.001] {
            let [line] = &ellipse.outline_lps(tolerance)[..] else { panic!() };
            assert_eq!(line.first(), line.last());
            for pair in line.windows(2) {
                let place = ellipse.plane().project((pair[0] + pair[1]) * 0.5) - DVec2::new(3.0, 4.0);
                let middle = (place / DVec2::new(40.0, 10.0)).length();
                assert!(40.0 * (1.0 - middle) <= tolerance, "{tolerance}");
            }
        }
        let dot = drawing(DrawingKind::Circle, &[[0.0, 0.0], [0.0, 0.0]]);
        assert!(dot.outline_lps(f64::NAN)[0].iter().all(|&p| p == DVec3::ZERO));
    }

    #[test]
    fn principal_axes_belong_to_the_same_ellipse() {
        let (a, b) = (DVec3::new(8.0, 1.0, 0.0), DVec3::new(3.0, 5.0, 0.0));
        let [p, q] = principal_axes([a, b]);
        assert!(p.dot(q).abs() < 1e-12 && p.length() >= q.length());
        assert!((p.cross(q).length() - a.cross(b).length()).abs() < 1e-12);
        // A point of one is a point of the other.
        for i in 0..8 {
            let (sin, cos) = f64::from(i).sin_cos();
            let on_edge = a * cos + b * sin;
            let (s, t) = (on_edge.dot(p) / p.length_squared(), on_edge.dot(q) / q.length_squared());
            assert!((s * s + t * t - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn sides_of_a_rectangle_run_along_the_axes_of_its_plane() {
        let rectangle = drawing(DrawingKind::Rectangle, &[[1.0, 2.0], [5.0, 9.0]]);
        let [line] = &rectangle.outline_lps(0.1)[..] else { panic!() };
        let places: Vec<[f64; 2]> = line.iter().map(|&p| rectangle.plane().project(p).to_array()).collect();
        assert_eq!(places, [[1.0, 2.0], [5.0, 2.0], [5.0, 9.0], [1.0, 9.0], [1.0, 2.0]]);
    }

    #[test]
    fn unfinished_drawings_show_what_there_is() {
        let corners = drawing(DrawingKind::Polygon, &[[0.0, 0.0], [1.0, 0.0]]);
        assert_eq!(corners.outline_lps(0.1), [corners.points_lps()]);
        let cobb = drawing(DrawingKind::CobbAngle, &[[0.0, 0.0], [1.0, 0.0], [2.0, 2.0]]);
        assert_eq!(cobb.outline_lps(0.1), [&cobb.points_lps()[..2], &cobb.points_lps()[2..]]);
    }
}
