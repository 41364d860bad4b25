//! Regions, and which pixels they hold.
//!
//! **Rule**: a pixel belongs to a region if its *centre* does, and every pixel of a slice belongs to exactly one of
//! two regions that meet along an edge. Rectangles and polygons therefore hold their lower and left edges (smaller
//! in-plane coordinate) and not their upper and right ones; ellipses hold their inside and not their edge.

use std::f64::consts::PI;

use glam::{DVec2, DVec3};

use crate::geometry::{Dims, Geometry};

/// An axis of the voxel grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the axes name themselves")]
pub enum IndexAxis {
    X,
    Y,
    Z,
}

/// One slice of a grid across an axis; `axis: Z` is a slice as it was acquired.
///
/// In-plane coordinates (u, v) are the other two index axes in order: (x, y), (x, z) or (y, z).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GridSlice {
    /// The axis that the slice is perpendicular to.
    pub axis: IndexAxis,
    /// Index along that axis.
    pub index: usize,
}

/// A shape in a slice, in continuous index: (0, 0) is the centre of the first pixel.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// From `min`, included, to `max`, excluded.
    #[expect(missing_docs, reason = "named by the sentence above")]
    Rectangle { min: DVec2, max: DVec2 },
    /// All points `center + r (cos t · semi_axes[0] + sin t · semi_axes[1])` with `r < 1`.
    ///
    /// Any two conjugate half diameters will do, so an ellipse that is turned on an anisotropic grid is one too.
    #[expect(missing_docs, reason = "named by the sentence above")]
    Ellipse { center: DVec2, semi_axes: [DVec2; 2] },
    /// A closed polygon; parts that it winds round twice are outside (even-odd rule).
    #[expect(missing_docs, reason = "named by the sentence above")]
    Polygon { vertices: Vec<DVec2> },
}

/// A run of voxels at equal distances in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// Voxel number of the first.
    pub(crate) first: usize,
    pub(crate) count: usize,
    /// Voxels from one to the next.
    pub(crate) stride: usize,
}

/// Sizes of a shape in patient space.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShapeSize {
    /// Area, from the shape itself and not from counted pixels. For a polygon that crosses itself this is the
    /// absolute value of its signed area.
    pub area_mm2: f64,
    /// Length of the edge.
    pub perimeter_mm: f64,
}

impl GridSlice {
    /// Counts and memory steps along u and v, and the voxel number of (0, 0); `None` outside the grid.
    fn layout(self, d: Dims) -> Option<([usize; 2], [usize; 2], usize)> {
        let steps = [1, d.x, d.x * d.y];
        let (axis, u, v) = self.axes();
        let counts = d.to_array();
        let at = |i: usize| (counts.get(i).copied().unwrap_or(0), steps.get(i).copied().unwrap_or(0));
        let ((n, step), (nu, su), (nv, sv)) = (at(axis), at(u), at(v));
        (self.index < n).then_some(([nu, nv], [su, sv], self.index * step))
    }

    fn axes(self) -> (usize, usize, usize) {
        match self.axis {
            IndexAxis::X => (0, 1, 2),
            IndexAxis::Y => (1, 0, 2),
            IndexAxis::Z => (2, 0, 1),
        }
    }

    /// Continuous index of a point of the slice.
    pub fn index_at(self, point: DVec2) -> DVec3 {
        let (axis, u, v) = self.axes();
        let mut index = DVec3::ZERO;
        index[axis] = self.index as f64;
        index[u] = point.x;
        index[v] = point.y;
        index
    }

    /// In-plane part of a continuous index.
    pub fn point_at(self, index: DVec3) -> DVec2 {
        let (_, u, v) = self.axes();
        DVec2::new(index[u], index[v])
    }

    /// Vectors in mm of one step along u and along v.
    fn steps_mm(self, geometry: &Geometry) -> [DVec3; 2] {
        let (_, u, v) = self.axes();
        let m = geometry.lps_from_index().matrix3;
        [m.col(u), m.col(v)]
    }
}

impl Shape {
    /// Whether a point belongs.
    pub fn contains(&self, point: DVec2) -> bool {
        let mut is_inside = false;
        self.for_each_range(point.y, |start, end| is_inside |= start <= point.x && point.x < end);
        match self {
            Self::Ellipse { center, semi_axes } => is_in_ellipse(*center, *semi_axes, point),
            _ => is_inside,
        }
    }

    /// Area and length of the edge in patient space. `None` for coordinates that are not finite.
    pub fn size(&self, slice: GridSlice, geometry: &Geometry) -> Option<ShapeSize> {
        let [step_u, step_v] = slice.steps_mm(geometry);
        let mm = |v: DVec2| step_u * v.x + step_v * v.y;
        let pixel_mm2 = step_u.cross(step_v).length();
        let (area, perimeter_mm) = match self {
            Self::Rectangle { min, max } => {
                let side = (*max - *min).max(DVec2::ZERO);
                (
                    side.x * side.y,
                    2.0 * (mm(DVec2::new(side.x, 0.0)).length() + mm(DVec2::new(0.0, side.y)).length()),
                )
            }
            Self::Ellipse { semi_axes: [a, b], .. } => {
                (PI * a.perp_dot(*b).abs(), ellipse_perimeter(mm(*a), mm(*b)))
            }
            Self::Polygon { vertices } => {
                // Relative to the first vertex, so that far-away polygons keep their digits.
                let base = vertices.first().copied().unwrap_or_default();
                let twice: f64 = edges(vertices).map(|(p, q)| (p - base).perp_dot(q - base)).sum();
                (twice.abs() * 0.5, edges(vertices).map(|(p, q)| mm(q - p).length()).sum())
            }
        };
        let size = ShapeSize { area_mm2: area * pixel_mm2, perimeter_mm };
        (size.area_mm2.is_finite() && size.perimeter_mm.is_finite()).then_some(size)
    }

    /// Calls `each(start, end)` for every range `start <= u < end` that belongs to row `v`.
    ///
    /// For an ellipse the ranges are the nearest guess, see [`Shape::runs`].
    fn for_each_range(&self, v: f64, mut each: impl FnMut(f64, f64)) {
        match self {
            Self::Rectangle { min, max } => {
                if min.y <= v && v < max.y {
                    each(min.x, max.x);
                }
            }
            Self::Ellipse { center, semi_axes } => {
                if let Some((start, end)) = ellipse_chord(*center, *semi_axes, v) {
                    each(start, end);
                }
            }
            Self::Polygon { vertices } => {
                let mut crossings: Vec<f64> =
                    edges(vertices).filter_map(|(p, q)| crossing(p, q, v)).collect();
                crossings.sort_by(f64::total_cmp);
                for pair in crossings.as_chunks::<2>().0 {
                    each(pair[0], pair[1]);
                }
            }
        }
    }

    /// Smallest and largest v that the shape can reach, or `None` if it is nowhere.
    fn rows(&self) -> Option<(f64, f64)> {
        let (low, high) = match self {
            Self::Rectangle { min, max } => (min.y, max.y),
            Self::Ellipse { center, semi_axes: [a, b] } => {
                let reach = DVec2::new(a.y, b.y).length();
                (center.y - reach, center.y + reach)
            }
            Self::Polygon { vertices } => {
                let rows = || vertices.iter().map(|vertex| vertex.y);
                (rows().fold(f64::INFINITY, f64::min), rows().fold(f64::NEG_INFINITY, f64::max))
            }
        };
        (low.is_finite() && high.is_finite() && self.is_finite()).then_some((low, high))
    }

    fn is_finite(&self) -> bool {
        match self {
            Self::Rectangle { min, max } => min.is_finite() && max.is_finite(),
            Self::Ellipse { center, semi_axes: [a, b] } => {
                center.is_finite() && a.is_finite() && b.is_finite()
            }
            Self::Polygon { vertices } => vertices.iter().all(|vertex| vertex.is_finite()),
        }
    }

    /// The voxels of a slice that belong.
    pub(crate) fn runs(&self, slice: GridSlice, dims: Dims) -> Vec<Run> {
        let mut runs = Vec::new();
        let (Some(([nu, nv], [su, sv], base)), Some((low, high))) = (slice.layout(dims), self.rows()) else {
            return runs;
        };
        // Casts saturate, so shapes beyond the grid end at its border.
        let (first_row, end_row) =
            (low.ceil().max(0.0) as usize, ((high.floor() + 1.0).max(0.0) as usize).min(nv));
        for row in first_row..end_row {
            let v = row as f64;
            self.for_each_range(v, |start, end| {
                let mut first = start.ceil().max(0.0) as usize;
                let mut end = (end.ceil().max(0.0) as usize).min(nu);
                if let Self::Ellipse { center, semi_axes } = self {
                    // The chord is rounded; the definition decides about its last pixels.
                    let holds = |u: usize| is_in_ellipse(*center, *semi_axes, DVec2::new(u as f64, v));
                    first = first.saturating_sub(1);
                    end = (end + 1).min(nu);
                    while first < end && !holds(first) {
                        first += 1;
                    }
                    while first < end && !holds(end - 1) {
                        end -= 1;
                    }
                }
                if first < end {
                    runs.push(Run { first: base + row * sv + first * su, count: end - first, stride: su });
                }
            });
        }
        runs
    }
}

/// Edges of a closed polygon; none for fewer than three vertices.
fn edges(vertices: &[DVec2]) -> impl Iterator<Item = (DVec2, DVec2)> + '_ {
    let next = vertices.iter().skip(1).chain(vertices.first());
    let count = if vertices.len() < 3 { 0 } else { vertices.len() };
    vertices.iter().copied().zip(next.copied()).take(count)
}

/// Where an edge crosses row `v`; it holds its lower end and not its upper one.
///
/// Computed from the lower end whichever way the edge runs, so that both polygons at a common edge agree.
fn crossing(p: DVec2, q: DVec2, v: f64) -> Option<f64> {
    let (low, high) = if p.y < q.y { (p, q) } else { (q, p) };
    (low.y <= v && v < high.y).then(|| low.x + (high.x - low.x) * (v - low.y) / (high.y - low.y))
}

fn is_in_ellipse(center: DVec2, [a, b]: [DVec2; 2], point: DVec2) -> bool {
    let d = point - center;
    let area = a.perp_dot(b);
    let (s, t) = (d.perp_dot(b) / area, a.perp_dot(d) / area);
    s * s + t * t < 1.0
}

/// Ends of the chord of an ellipse at row `v`.
fn ellipse_chord(center: DVec2, [a, b]: [DVec2; 2], v: f64) -> Option<(f64, f64)> {
    let y = v - center.y;
    let reach2 = a.y * a.y + b.y * b.y;
    let area = a.perp_dot(b).abs();
    if !(y * y < reach2 && area > 0.0) {
        return None;
    }
    let middle = center.x + y * (a.x * a.y + b.x * b.y) / reach2;
    let half = area * (reach2 - y * y).sqrt() / reach2;
    Some((middle - half, middle + half))
}

/// Circumference from two conjugate half diameters, by the arithmetic-geometric mean.
///
/// Source: Abramowitz and Stegun, 17.6 (complete elliptic integral of the second kind).
pub(crate) fn ellipse_perimeter(p: DVec3, q: DVec3) -> f64 {
    let (sum, product) = (p.length_squared() + q.length_squared(), p.cross(q).length());
    let (plus, minus) = ((sum + 2.0 * product).sqrt(), (sum - 2.0 * product).max(0.0).sqrt());
    let (major, minor) = ((plus + minus) * 0.5, (plus - minus) * 0.5);
    if minor <= 1e-12 * major {
        return 4.0 * major;
    }
    let (mut a, mut g) = (major, minor);
    let (mut weight, mut series) = (0.5, 0.5 * (a * a - g * g));
    for _ in 0..16 {
        let c = (a - g) * 0.5;
        (a, g) = ((a + g) * 0.5, (a * g).sqrt());
        weight *= 2.0;
        series += weight * c * c;
    }
    2.0 * PI * (major * major - series) / a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circumference_is_exact_for_circle_line_and_a_known_ellipse() {
        let check = |a: f64, b: f64, expected: f64| {
            let found = ellipse_perimeter(DVec3::X * a, DVec3::Y * b);
            assert!((found / expected - 1.0).abs() < 1e-13, "{a}, {b}: {found}");
        };
        check(3.0, 3.0, 6.0 * PI);
        check(5.0, 0.0, 20.0);
        // 8 E(sqrt(3)/2), from tables: E = 1.2110560275684595248.
        check(2.0, 1.0, 8.0 * 1.211_056_027_568_459_5);
        // Conjugate half diameters of the same circle.
        let turned = ellipse_perimeter(DVec3::new(0.6, 0.8, 0.0), DVec3::new(-0.8, 0.6, 0.0));
        assert!((turned - 2.0 * PI).abs() < 1e-12);
    }

    #[test]
    fn slices_across_every_axis_walk_the_right_voxels() {
        let d = Dims::new(4, 5, 6);
        let all = Shape::Rectangle { min: DVec2::splat(-1.0), max: DVec2::splat(99.0) };
        for (axis, index, expected) in [(IndexAxis::X, 3, 30), (IndexAxis::Y, 2, 24), (IndexAxis::Z, 5, 20)] {
            let slice = GridSlice { axis, index };
            let mut voxels: Vec<usize> = Vec::new();
            for run in all.runs(slice, d) {
                voxels.extend((0..run.count).map(|i| run.first + i * run.stride));
            }
            voxels.sort_unstable();
            let at = |voxel: usize| match axis {
                IndexAxis::X => voxel % 4,
                IndexAxis::Y => voxel / 4 % 5,
                IndexAxis::Z => voxel / 20,
            };
            let brute: Vec<usize> = (0..120).filter(|&voxel| at(voxel) == index).collect();
            assert_eq!((voxels.len(), voxels), (expected, brute));
        }
        assert!(all.runs(GridSlice { axis: IndexAxis::Z, index: 6 }, d).is_empty());
    }
}
