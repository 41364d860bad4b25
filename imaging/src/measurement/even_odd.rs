//! Areas of polygons that may cross themselves.

use glam::DVec2;

/// Polygons that cross themselves more often have no area that anybody asked for.
const MAX_CROSSINGS: usize = 1 << 14;

/// Area of the inside of a polygon.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Area {
    /// In the square of the coordinates' unit.
    pub(super) square: f64,
    /// Whether the polygon neither crosses nor touches itself.
    pub(super) is_simple: bool,
}

/// Area of the points inside a closed polygon by the even-odd rule: what it winds round twice is outside.
///
/// For a polygon that does not touch itself this is the shoelace formula. `None` for coordinates that are not finite
/// and for scribbles that cross themselves thousands of times.
pub(super) fn area(points: &[DVec2]) -> Option<Area> {
    let mut points = points.to_vec();
    points.dedup();
    while points.len() > 1 && points.first() == points.last() {
        points.pop();
    }
    let nothing = Area { square: 0.0, is_simple: true };
    let Some(&base) = points.first().filter(|_| points.len() > 2) else { return Some(nothing) };
    if !points.iter().all(|p| p.is_finite()) {
        return None;
    }
    // Relative to the first point, so that far-away polygons keep their digits.
    points.iter_mut().for_each(|p| *p -= base);
    let edges: Vec<Edge> = points
        .iter()
        .zip(points.iter().cycle().skip(1))
        .enumerate()
        .map(|(number, (&p, &q))| Edge::new(number, p, q))
        .collect();
    let Contacts { is_simple, crossings } = contacts(&edges)?;
    if is_simple {
        let twice: f64 = edges.iter().map(|edge| edge.low.perp_dot(edge.high) * edge.sign).sum();
        return Some(Area { square: twice.abs() * 0.5, is_simple });
    }
    let mut levels = crossings;
    levels.extend(points.iter().map(|p| p.y));
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    Some(Area { square: swept(edges, &levels), is_simple })
}

/// An edge from its lower to its upper end.
#[derive(Debug, Clone, Copy)]
struct Edge {
    number: usize,
    low: DVec2,
    high: DVec2,
    /// 1 if the polygon runs upwards along it, else −1.
    sign: f64,
}

impl Edge {
    fn new(number: usize, p: DVec2, q: DVec2) -> Self {
        if p.y <= q.y {
            Self { number, low: p, high: q, sign: 1.0 }
        } else {
            Self { number, low: q, high: p, sign: -1.0 }
        }
    }

    fn x_at(&self, y: f64) -> f64 {
        self.low.x + (self.high.x - self.low.x) * (y - self.low.y) / (self.high.y - self.low.y)
    }
}

struct Contacts {
    /// No two edges that are not neighbours touch.
    is_simple: bool,
    /// Heights at which edges cross.
    crossings: Vec<f64>,
}

fn contacts(edges: &[Edge]) -> Option<Contacts> {
    let mut sorted = edges.to_vec();
    sorted.sort_by(|a, b| a.low.y.total_cmp(&b.low.y));
    let mut found = Contacts { is_simple: true, crossings: Vec::new() };
    let mut open: Vec<Edge> = Vec::new();
    for edge in sorted {
        open.retain(|other| other.high.y >= edge.low.y);
        for other in &open {
            let apart = edge.number.abs_diff(other.number);
            if apart <= 1 || apart == edges.len() - 1 {
                continue;
            }
            touch(&edge, other, &mut found);
            if found.crossings.len() > MAX_CROSSINGS {
                return None;
            }
        }
        open.push(edge);
    }
    Some(found)
}

fn touch(a: &Edge, b: &Edge, found: &mut Contacts) {
    let (a_min, a_max) = (a.low.x.min(a.high.x), a.low.x.max(a.high.x));
    let (b_min, b_max) = (b.low.x.min(b.high.x), b.low.x.max(b.high.x));
    if a_max < b_min || b_max < a_min {
        return;
    }
    let side = |edge: &Edge, p: DVec2| (edge.high - edge.low).perp_dot(p - edge.low);
    let (a_low, a_high) = (side(b, a.low), side(b, a.high));
    let (b_low, b_high) = (side(a, b.low), side(a, b.high));
    if a_low * a_high > 0.0 || b_low * b_high > 0.0 {
        return;
    }
    found.is_simple = false;
    // Where they only touch, an end of one is a level anyway.
    if a_low * a_high < 0.0 && b_low * b_high < 0.0 {
        found.crossings.push(a.low.y + (a.high.y - a.low.y) * (a_low / (a_low - a_high)));
    }
}

/// Sums strips between levels at which edges end or cross: within one, edges keep their order, so that its width half
/// way up times its height is exact.
fn swept(mut edges: Vec<Edge>, levels: &[f64]) -> f64 {
    edges.retain(|edge| edge.low.y < edge.high.y);
    edges.sort_by(|a, b| a.low.y.total_cmp(&b.low.y));
    let mut waiting = edges.into_iter().peekable();
    let mut open: Vec<Edge> = Vec::new();
    let mut sum = 0.0;
    for pair in levels.windows(2) {
        let &[bottom, top] = pair else { continue };
        open.retain(|edge| edge.high.y > bottom);
        while let Some(edge) = waiting.next_if(|edge| edge.low.y <= bottom) {
            open.push(edge);
        }
        let middle = bottom + (top - bottom) * 0.5;
        let mut places: Vec<f64> = open.iter().map(|edge| edge.x_at(middle)).collect();
        places.sort_by(f64::total_cmp);
        let width: f64 = places.as_chunks::<2>().0.iter().map(|[from, to]| to - from).sum();
        sum += width * (top - bottom);
    }
    sum
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use super::*;

    fn check(points: &[[f64; 2]], expected: f64) {
        let points: Vec<DVec2> = points.iter().map(|&p| p.into()).collect();
        for turn in [0.0, 0.3, 2.0] {
            let turned: Vec<DVec2> =
                points.iter().map(|p| DVec2::from_angle(turn).rotate(*p) + DVec2::new(1e4, -3e3)).collect();
            let found = area(&turned).unwrap().square;
            assert!((found - expected).abs() < 1e-6, "{found}, not {expected}, turned by {turn}");
            let back: Vec<DVec2> = turned.into_iter().rev().collect();
            assert!((area(&back).unwrap().square - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn simple_polygons_have_their_shoelace_area() {
        check(&[[0.0, 0.0], [4.0, 0.0], [4.0, 3.0], [0.0, 3.0]], 12.0);
        check(&[[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [2.0, 1.0], [0.0, 4.0]], 10.0);
        check(&[[0.0, 0.0], [4.0, 0.0], [4.0, 0.0], [0.0, 3.0], [0.0, 0.0]], 6.0);
        check(&[[0.0, 0.0], [4.0, 0.0]], 0.0);
        check(&[], 0.0);
    }

    #[test]
    fn polygons_that_cross_themselves_have_the_area_of_what_is_inside() {
        // A bow tie: its signed area is zero.
        check(&[[0.0, 0.0], [4.0, 4.0], [4.0, 0.0], [0.0, 4.0]], 8.0);
        // The same with the crossing as a common corner.
        check(&[[0.0, 0.0], [2.0, 2.0], [4.0, 4.0], [4.0, 0.0], [2.0, 2.0], [0.0, 4.0]], 8.0);
        // Wound round twice is outside.
        let square = [[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]];
        check(&[square, square].concat(), 0.0);
        // A pentagram: five tips, and a pentagon in the middle that is outside.
        let star: Vec<[f64; 2]> =
            (0..5).map(|i| DVec2::from_angle(f64::from(i) * 4.0 * PI / 5.0).to_array()).collect();
        let inner = (2.0 * PI / 5.0).cos() / (PI / 5.0).cos();
        let pentagon = 2.5 * inner * inner * (2.0 * PI / 5.0).sin();
        let decagon = 5.0 * inner * (PI / 5.0).sin();
        check(&star, decagon - pentagon);
    }

    #[test]
    fn scribbles_and_broken_numbers_have_no_area() {
        let scribble: Vec<DVec2> = (0..4000).map(|i| DVec2::from_angle(f64::from(i) * 2.4) * 100.0).collect();
        assert_eq!(area(&scribble), None);
        assert_eq!(area(&[DVec2::ZERO, DVec2::X, DVec2::NAN]), None);
    }
}
