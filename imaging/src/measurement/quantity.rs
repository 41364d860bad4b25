//! Lengths, areas and angles of drawings.

use std::f64::consts::PI;

use glam::DVec3;

use super::curve::{Piece, closed_spline, ellipse, flattened, principal_axes, rectangle};
use super::even_odd::{self, Area};
use super::metric::Metric;
use super::{Drawing, DrawingKind};
use crate::statistics::region::ellipse_perimeter;

/// What a number says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum QuantityName {
    Length,
    LongAxis,
    ShortAxis,
    Diameter,
    Width,
    Height,
    Perimeter,
    Area,
    Volume,
    Angle,
    CobbAngle,
    Value,
    Mean,
    StandardDeviation,
    Minimum,
    Maximum,
    Median,
    PixelCount,
}

/// What kind of number it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dimension {
    /// Millimetres or pixels.
    Length,
    /// Their squares.
    Area,
    /// Their cubes.
    Volume,
    /// Degrees.
    Angle,
    /// Whatever the image measures.
    Value,
    /// How many.
    Count,
}

impl QuantityName {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::Length,
        Self::LongAxis,
        Self::ShortAxis,
        Self::Diameter,
        Self::Width,
        Self::Height,
        Self::Perimeter,
        Self::Area,
        Self::Volume,
        Self::Angle,
        Self::CobbAngle,
        Self::Value,
        Self::Mean,
        Self::StandardDeviation,
        Self::Minimum,
        Self::Maximum,
        Self::Median,
        Self::PixelCount,
    ];

    /// Name for people, in sentence case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Length => "Length",
            Self::LongAxis => "Long axis",
            Self::ShortAxis => "Short axis",
            Self::Diameter => "Diameter",
            Self::Width => "Width",
            Self::Height => "Height",
            Self::Perimeter => "Perimeter",
            Self::Area => "Area",
            Self::Volume => "Volume",
            Self::Angle => "Angle",
            Self::CobbAngle => "Cobb angle",
            Self::Value => "Value",
            Self::Mean => "Mean",
            Self::StandardDeviation => "SD",
            Self::Minimum => "Minimum",
            Self::Maximum => "Maximum",
            Self::Median => "Median",
            Self::PixelCount => "Pixels",
        }
    }

    /// Name in files; never changes.
    pub fn id(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::LongAxis => "long-axis",
            Self::ShortAxis => "short-axis",
            Self::Diameter => "diameter",
            Self::Width => "width",
            Self::Height => "height",
            Self::Perimeter => "perimeter",
            Self::Area => "area",
            Self::Volume => "volume",
            Self::Angle => "angle",
            Self::CobbAngle => "cobb-angle",
            Self::Value => "value",
            Self::Mean => "mean",
            Self::StandardDeviation => "standard-deviation",
            Self::Minimum => "minimum",
            Self::Maximum => "maximum",
            Self::Median => "median",
            Self::PixelCount => "pixel-count",
        }
    }

    /// The quantity with an [`id`](Self::id).
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.id() == id)
    }

    /// What kind of number it is.
    pub fn dimension(self) -> Dimension {
        match self {
            Self::Length
            | Self::LongAxis
            | Self::ShortAxis
            | Self::Diameter
            | Self::Width
            | Self::Height
            | Self::Perimeter => Dimension::Length,
            Self::Area => Dimension::Area,
            Self::Volume => Dimension::Volume,
            Self::Angle | Self::CobbAngle => Dimension::Angle,
            Self::Value
            | Self::Mean
            | Self::StandardDeviation
            | Self::Minimum
            | Self::Maximum
            | Self::Median => Dimension::Value,
            Self::PixelCount => Dimension::Count,
        }
    }
}

/// A number of a drawing.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantity {
    /// What it says.
    pub name: QuantityName,
    /// The number; `None` if it is withheld because of the geometry of the series.
    pub value: Option<f64>,
    /// Text to print after the number: `mm (detector)`, `mm²`, `°`, `HU`, …; may be empty.
    pub unit: String,
    /// How far the number may be off because points are known to half a voxel; see [`super::measure`].
    pub plus_minus: Option<f64>,
}

impl Quantity {
    /// Number and unit for people: `12.4 mm`, `−600 HU`, `mm withheld`.
    ///
    /// One decimal for lengths, areas, angles, means and SDs; whole Hounsfield units for single values; four digits of
    /// values in other units.
    pub fn text(&self) -> String {
        let unit = match (self.unit.as_str(), self.name.dimension()) {
            ("", _) => String::new(),
            ("°", _) => "°".to_owned(),
            (unit, _) => format!(" {unit}"),
        };
        match self.value {
            Some(value) => format!("{}{unit}", number_text(value, self.decimals(value))),
            None => format!("{} withheld", unit.trim()),
        }
    }

    fn decimals(&self, value: f64) -> usize {
        match self.name.dimension() {
            Dimension::Count => 0,
            Dimension::Value => match self.name {
                QuantityName::Mean | QuantityName::StandardDeviation if self.unit == "HU" => 1,
                _ if self.unit == "HU" => 0,
                _ if value.fract() == 0.0 => 0,
                _ => (3.0 - value.abs().log10().floor()).clamp(0.0, 9.0) as usize,
            },
            _ => 1,
        }
    }
}

/// A number with a true minus sign, and none before zero.
fn number_text(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let is_zero = text.bytes().all(|b| matches!(b, b'-' | b'0' | b'.'));
    match text.strip_prefix('-') {
        Some(rest) if is_zero => rest.to_owned(),
        Some(rest) => format!("−{rest}"),
        None => text,
    }
}

/// Collects the numbers of a drawing.
struct Numbers<'a> {
    drawing: &'a Drawing,
    metric: &'a Metric,
    found: Vec<Quantity>,
}

/// All lengths, areas and angles of a drawing; none if it is not complete.
pub(super) fn quantities(drawing: &Drawing, metric: &Metric) -> Vec<Quantity> {
    let mut numbers = Numbers { drawing, metric, found: Vec::new() };
    match (drawing.kind(), drawing.points_lps()) {
        _ if !drawing.is_complete() => {}
        (DrawingKind::Length, [a, b]) => numbers.line(QuantityName::Length, *b - *a),
        (DrawingKind::Bidirectional, [a, b, c, d]) => numbers.axes([*b - *a, *d - *c]),
        (DrawingKind::Polyline, points) => numbers.polyline(points),
        (DrawingKind::Angle, [a, vertex, b]) => {
            numbers.angle(QuantityName::Angle, [*a - *vertex, *b - *vertex]);
        }
        (DrawingKind::CobbAngle, [a, b, c, d]) => numbers.angle(QuantityName::CobbAngle, [*b - *a, *d - *c]),
        (DrawingKind::Rectangle, _) => numbers.rectangle(),
        (DrawingKind::Ellipse | DrawingKind::Circle, _) => numbers.ellipse(),
        (DrawingKind::Polygon | DrawingKind::Freehand, points) => numbers.polygon(points),
        (DrawingKind::Spline, points) => numbers.spline(points),
        _ => {}
    }
    numbers.found
}

impl Numbers<'_> {
    fn push(&mut self, name: QuantityName, value: f64, plus_minus: f64) {
        let unit = match name.dimension() {
            Dimension::Area => self.metric.unit.label(2),
            Dimension::Angle => "°".to_owned(),
            _ => self.metric.unit.label(1),
        };
        if value.is_finite() {
            let plus_minus = Some(plus_minus).filter(|pm| pm.is_finite());
            self.found.push(Quantity { name, value: Some(value), unit, plus_minus });
        }
    }

    /// A straight line: each end may lie half a voxel farther out or in.
    fn line(&mut self, name: QuantityName, along: DVec3) {
        let reach = if along == DVec3::ZERO { self.widest_voxel() } else { self.metric.voxel_reach(along) };
        self.push(name, self.metric.length(along), reach);
    }

    fn axes(&mut self, [first, second]: [DVec3; 2]) {
        let is_ordered = self.metric.length(first) >= self.metric.length(second);
        let [long, short] = if is_ordered { [first, second] } else { [second, first] };
        self.line(QuantityName::LongAxis, long);
        self.line(QuantityName::ShortAxis, short);
    }

    fn polyline(&mut self, points: &[DVec3]) {
        let steps = || points.iter().zip(points.iter().skip(1)).map(|(p, q)| *q - *p);
        let length = steps().map(|step| self.metric.length(step)).sum();
        // Points are set one by one, so their errors do not add up.
        let squares: f64 = steps().map(|step| self.metric.voxel_reach(step).powi(2)).sum();
        self.push(QuantityName::Length, length, squares.sqrt());
    }

    /// Angle between two arms; of lines without direction (Cobb) the smaller one.
    fn angle(&mut self, name: QuantityName, arms: [DVec3; 2]) {
        let [a, b] = arms.map(|arm| self.metric.displacement(arm));
        if a.length() <= 0.0 || b.length() <= 0.0 {
            return;
        }
        // Exact near 0° and 180°, where the arc cosine is not.
        let between = a.cross(b).length().atan2(a.dot(b));
        let radians = if name == QuantityName::CobbAngle { between.min(PI - between) } else { between };
        // An arm turns by this much if both its ends lie half a voxel off, to different sides.
        let turns = arms.map(|arm| {
            let across = self.drawing.plane().normal().cross(arm);
            (self.metric.voxel_reach(across) / self.metric.length(arm)).atan()
        });
        self.push(name, radians.to_degrees(), turns[0].hypot(turns[1]).to_degrees());
    }

    fn rectangle(&mut self) {
        let Some([a, b, c, d]) = rectangle(self.drawing) else { return };
        let (width, height) = (b - a, c - b);
        let area = self.metric.displacement(width).cross(self.metric.displacement(height)).length();
        self.region(area, 2.0 * (self.metric.length(width) + self.metric.length(d - a)));
        self.line(QuantityName::Width, width);
        self.line(QuantityName::Height, height);
    }

    fn ellipse(&mut self) {
        let Some((_, semi_axes)) = ellipse(self.drawing) else { return };
        let [a, b] = semi_axes.map(|axis| self.metric.displacement(axis));
        self.region(PI * a.cross(b).length(), ellipse_perimeter(a, b));
        let [p, q] = principal_axes([a, b]).map(DVec3::length);
        if self.drawing.kind() == DrawingKind::Circle && p - q <= 1e-9 * p {
            self.push(QuantityName::Diameter, 2.0 * p, self.widest_voxel());
        } else {
            self.push(QuantityName::LongAxis, 2.0 * p, self.widest_voxel());
            self.push(QuantityName::ShortAxis, 2.0 * q, self.widest_voxel());
        }
    }

    fn polygon(&mut self, points: &[DVec3]) {
        let perimeter = closed_length(points, self.metric);
        if let Some(Area { square, .. }) = self.even_odd_area(points) {
            self.region(square, perimeter);
        } else {
            self.push(QuantityName::Perimeter, perimeter, PI * self.widest_voxel());
        }
    }

    fn spline(&mut self, points: &[DVec3]) {
        let pieces = closed_spline(points);
        let flat = flattened(&pieces, 1e-3);
        let perimeter = curve_length(&pieces, self.metric);
        let Some(Area { square, is_simple }) = self.even_odd_area(&flat) else {
            self.push(QuantityName::Perimeter, perimeter, PI * self.widest_voxel());
            return;
        };
        // Lines leave out a sliver at each bend; a curve that does not cross itself has an exact area.
        let exact = is_simple.then(|| curve_area(&pieces, self.metric));
        self.region(exact.unwrap_or(square), perimeter);
    }

    fn even_odd_area(&self, points: &[DVec3]) -> Option<Area> {
        let plane = self.drawing.plane();
        let places: Vec<_> = points.iter().map(|&lps| plane.project(lps)).collect();
        let [right, down] = [plane.right(), plane.down()].map(|axis| self.metric.displacement(axis));
        let Area { square, is_simple } = even_odd::area(&places)?;
        Some(Area { square: square * right.cross(down).length(), is_simple })
    }

    /// Area and edge of a region: the edge may lie half a voxel farther out or in all along.
    fn region(&mut self, area: f64, perimeter: f64) {
        let voxel = self.widest_voxel();
        self.push(QuantityName::Area, area, perimeter * voxel * 0.5);
        self.push(QuantityName::Perimeter, perimeter, PI * voxel);
    }

    /// The larger reach of a voxel along the axes of the plane.
    fn widest_voxel(&self) -> f64 {
        let plane = self.drawing.plane();
        self.metric.voxel_reach(plane.right()).max(self.metric.voxel_reach(plane.down()))
    }
}

fn closed_length(points: &[DVec3], metric: &Metric) -> f64 {
    let next = points.iter().skip(1).chain(points.first());
    points.iter().zip(next).map(|(p, q)| metric.length(*q - *p)).sum()
}

/// Three places from 0 to 1 and their weights: exact for polynomials up to the fifth degree (Gauss and Legendre).
const GAUSS: [(f64, f64); 3] =
    [(0.112_701_665_379_258_31, 5.0 / 18.0), (0.5, 8.0 / 18.0), (0.887_298_334_620_741_7, 5.0 / 18.0)];

/// Parts of a piece that its length is summed over.
const LENGTH_PARTS: usize = 16;

/// Area inside a closed curve that does not cross itself: half the integral of place × velocity, a polynomial of the
/// fifth degree.
fn curve_area(pieces: &[Piece], metric: &Metric) -> f64 {
    let Some(base) = pieces.first().map(|piece| piece.at(0.0)) else { return 0.0 };
    let part = |piece: &Piece| -> DVec3 {
        let at = |(t, weight): (f64, f64)| {
            let place = metric.displacement(piece.at(t) - base);
            place.cross(metric.displacement(piece.velocity(t))) * weight
        };
        GAUSS.into_iter().map(at).sum()
    };
    pieces.iter().map(part).sum::<DVec3>().length() * 0.5
}

fn curve_length(pieces: &[Piece], metric: &Metric) -> f64 {
    let step = 1.0 / LENGTH_PARTS as f64;
    let part = |piece: &Piece, first: f64| -> f64 {
        let at = |(t, weight): (f64, f64)| metric.length(piece.velocity(first + t * step)) * weight * step;
        GAUSS.into_iter().map(at).sum()
    };
    pieces.iter().map(|piece| (0..LENGTH_PARTS).map(|i| part(piece, i as f64 * step)).sum::<f64>()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: QuantityName, value: f64, unit: &str) -> String {
        Quantity { name, value: Some(value), unit: unit.to_owned(), plus_minus: None }.text()
    }

    #[test]
    fn numbers_are_printed_as_the_field_does() {
        assert_eq!(text(QuantityName::Length, 12.36, "mm (detector)"), "12.4 mm (detector)");
        assert_eq!(text(QuantityName::Angle, 90.0, "°"), "90.0°");
        assert_eq!(text(QuantityName::Mean, -600.26, "HU"), "−600.3 HU");
        assert_eq!(text(QuantityName::Minimum, -0.4, "HU"), "0 HU");
        assert_eq!(text(QuantityName::Value, 2.345_67, "g/ml"), "2.346 g/ml");
        assert_eq!(text(QuantityName::Mean, 0.001_234_56, "mm2/s"), "0.001235 mm2/s");
        assert_eq!(text(QuantityName::PixelCount, 12.0, ""), "12");
        let withheld =
            Quantity { name: QuantityName::Area, value: None, unit: "mm²".to_owned(), plus_minus: None };
        assert_eq!(withheld.text(), "mm² withheld");
    }

    #[test]
    fn ids_lead_back_to_their_quantity() {
        for name in QuantityName::ALL {
            assert_eq!(QuantityName::from_id(name.id()), Some(name));
        }
    }
}
