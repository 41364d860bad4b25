//! Makes drawings of the measurements in a structured report, our own or not.
//!
//! What kind of drawing it was is a code of our own; where that is missing it follows from the graphic and from what
//! was measured: an ellipse is an ellipse, two lines with an angle are a Cobb angle, two lines with a long and a short
//! axis are a bidirectional measurement. Regions that are segments of a segmentation are no drawings, nor are loose
//! points and ellipsoids; they are named in [`Imported::left_out`].

use glam::{DVec2, DVec3};

use super::codes::{self, DRAWING_KIND, LOCAL_SCHEME};
use super::export::{ImageReference, MeasurementRecord, UidSeed};
use super::{Drawing, DrawingKind, DrawingPlane, Quantity, QuantityName};
use crate::annotation::Graphic;
use crate::derived::InstanceReference;
use crate::geometry::Geometry;
use crate::report::{
    MeasurementGroup, ReportedMeasurement, ReportedRegion, SpatialGraphic, StructuredReport,
};

/// What the report itself does not say.
pub struct ImportContext<'a> {
    /// Study that the report belongs to.
    pub study_uid: &'a str,
    /// What UIDs of measurements are made from that have none.
    pub seed: UidSeed,
    /// Grid of a frame: drawings on pixels are in its continuous index (x, y). `None` if the image is not here.
    pub frame_geometry: &'a dyn Fn(&InstanceReference) -> Option<Geometry>,
}

/// Drawings of a report.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Imported {
    /// In the order of the report, with the numbers that it states. They have no receipt: measure them again.
    pub records: Vec<MeasurementRecord>,
    /// What could not be made a drawing, as sentences without final period.
    pub left_out: Vec<String>,
}

/// How points are joined.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    Point,
    Loose,
    Open,
    Closed,
    /// Ends of two perpendicular axes.
    Ellipse,
    /// Centre and a point of the edge.
    Circle,
}

/// Points in space, with the plane of the frame they were drawn on.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    form: Form,
    points: Vec<DVec3>,
    plane: Option<DrawingPlane>,
}

/// Makes records of all measurement groups of a report.
pub fn report_records(report: &StructuredReport, context: &ImportContext<'_>) -> Imported {
    let mut imported = Imported::default();
    for (at, group) in report.measurement_groups().iter().enumerate() {
        let mut lines: Vec<Line> = Vec::new();
        for region in &group.regions {
            match line(region, context) {
                Ok(line) if !lines.contains(&line) => lines.push(line),
                Ok(_) => {}
                Err(reason) => imported.left_out.push(format!("measurement {}: {reason}", at + 1)),
            }
        }
        match drawings(group, &lines) {
            Ok(drawings) => {
                for (part, drawing) in drawings.into_iter().enumerate() {
                    imported.records.push(record(report, group, drawing, [at, part], context));
                }
            }
            Err(reason) => imported.left_out.push(format!("measurement {}: {reason}", at + 1)),
        }
    }
    imported
}

fn line(region: &ReportedRegion, context: &ImportContext<'_>) -> Result<Line, String> {
    match region {
        ReportedRegion::Segment(_) => Err("a segment of a segmentation is no drawing".to_owned()),
        ReportedRegion::Spatial { graphic, points_lps, .. } => spatial_line(*graphic, points_lps.clone()),
        ReportedRegion::Drawing { graphic, images } => {
            let geometry = images.iter().find_map(|image| (context.frame_geometry)(image));
            let geometry = geometry.ok_or("the image that it was drawn on is not here")?;
            frame_line(graphic, &geometry)
        }
    }
}

fn spatial_line(graphic: SpatialGraphic, mut points: Vec<DVec3>) -> Result<Line, String> {
    let form = match graphic {
        SpatialGraphic::Point => Form::Point,
        SpatialGraphic::Multipoint => Form::Loose,
        SpatialGraphic::Polyline if is_closed(&points) => Form::Closed,
        SpatialGraphic::Polyline => Form::Open,
        SpatialGraphic::Polygon => Form::Closed,
        SpatialGraphic::Ellipse => Form::Ellipse,
        SpatialGraphic::Ellipsoid => return Err("an ellipsoid is no drawing".to_owned()),
    };
    if form == Form::Closed && points.len() > 1 && points.first() == points.last() {
        points.pop();
    }
    Ok(Line { form, points, plane: None })
}

fn is_closed<T: PartialEq>(points: &[T]) -> bool {
    points.len() > 3 && points.first() == points.last()
}

fn frame_line(graphic: &Graphic, geometry: &Geometry) -> Result<Line, String> {
    let lift = |p: &DVec2| geometry.lps_from_index().transform_point3(p.extend(0.0));
    let (form, points) = match graphic {
        Graphic::Point(p) => (Form::Point, vec![*p]),
        Graphic::Polyline(points) if is_closed(points) => {
            (Form::Closed, points.iter().take(points.len() - 1).copied().collect())
        }
        Graphic::Polyline(points) => (Form::Open, points.clone()),
        Graphic::Ellipse { major, minor } => (Form::Ellipse, vec![major[0], major[1], minor[0], minor[1]]),
        Graphic::Circle { center, on_edge } => {
            let spacing = geometry.spacing_mm();
            if (spacing.x - spacing.y).abs() <= 1e-6 * spacing.x {
                (Form::Circle, vec![*center, *on_edge])
            } else {
                // Round in pixels that are not square: an ellipse in the patient.
                let reach = center.distance(*on_edge);
                let (x, y) = (DVec2::X * reach, DVec2::Y * reach);
                (Form::Ellipse, vec![*center - x, *center + x, *center - y, *center + y])
            }
        }
        Graphic::Interpolated(_) => return Err("an interpolated curve is not read".to_owned()),
    };
    let direction = geometry.direction();
    let points: Vec<DVec3> = points.iter().map(lift).collect();
    let plane =
        points.first().and_then(|&first| DrawingPlane::new(first, direction.x_axis, direction.y_axis).ok());
    Ok(Line { form, points, plane })
}

impl Line {
    fn plane(&self) -> Result<DrawingPlane, String> {
        if let Some(plane) = self.plane {
            return Ok(plane);
        }
        let in_turn: Vec<DVec3> = match (self.form, self.points.as_slice()) {
            // Once round, instead of across.
            (Form::Ellipse, [a, b, c, d]) => vec![*a, *c, *b, *d],
            (_, points) => points.to_vec(),
        };
        DrawingPlane::through_points(&in_turn).ok_or_else(|| "its points lie in no plane".to_owned())
    }
}

/// Kind that we wrote ourselves.
fn stated_kind(group: &MeasurementGroup) -> Option<DrawingKind> {
    let (_, value) = group.evaluations.iter().find(|(name, _)| name.is(LOCAL_SCHEME, DRAWING_KIND))?;
    DrawingKind::from_id(&value.value)
}

fn drawings(group: &MeasurementGroup, lines: &[Line]) -> Result<Vec<Drawing>, String> {
    if lines.is_empty() {
        return Err("there is no place that can be drawn".to_owned());
    }
    if let Some(kind) = stated_kind(group)
        && let Some(drawing) = stated(kind, lines)
    {
        return Ok(vec![drawing]);
    }
    let measures = |wanted: &[QuantityName]| names(group).any(|name| wanted.contains(&name));
    let is_angle = measures(&[QuantityName::Angle, QuantityName::CobbAngle]);
    if let [first, second] = lines
        && let ([_, _], [_, _]) = (first.points.as_slice(), second.points.as_slice())
        && [first.form, second.form] == [Form::Open; 2]
    {
        let pair = |kind| {
            let points = [first.points.as_slice(), second.points.as_slice()].concat();
            let plane = first.plane.or_else(|| DrawingPlane::through_points(&points));
            let plane = plane.ok_or("its points lie in no plane")?;
            Drawing::complete(kind, points, plane).map(|drawing| vec![drawing]).map_err(|e| e.to_string())
        };
        if is_angle {
            return pair(DrawingKind::CobbAngle);
        }
        if measures(&[QuantityName::LongAxis, QuantityName::ShortAxis]) {
            return pair(DrawingKind::Bidirectional);
        }
    }
    lines.iter().map(|line| inferred(line, is_angle)).collect()
}

/// A drawing of a kind that we wrote, from the lines that we write for it; `None` if they are not those.
fn stated(kind: DrawingKind, lines: &[Line]) -> Option<Drawing> {
    let first = lines.first()?;
    let mut plane = first.plane().ok()?;
    let control = || lines.get(1).map(|line| line.points.clone());
    let points = match (kind, first.points.as_slice()) {
        (DrawingKind::Bidirectional | DrawingKind::CobbAngle, points) => {
            let points = [points, lines.get(1)?.points.as_slice()].concat();
            plane = first.plane.or_else(|| DrawingPlane::through_points(&points))?;
            points
        }
        (DrawingKind::Rectangle, [a, b, c, d]) => {
            plane = DrawingPlane::new(*a, *b - *a, *d - *a).unwrap_or(plane);
            vec![*a, *c]
        }
        (DrawingKind::Spline | DrawingKind::Ellipse | DrawingKind::Circle, _) => control()?,
        (_, points) => points.to_vec(),
    };
    Drawing::complete(kind, points, plane).ok()
}

/// A drawing from its graphic alone.
fn inferred(line: &Line, is_angle: bool) -> Result<Drawing, String> {
    let (kind, points) = match (line.form, line.points.as_slice()) {
        (Form::Point, points) => (DrawingKind::Probe, points.to_vec()),
        (Form::Loose, _) => return Err("loose points are no drawing".to_owned()),
        (Form::Open, [a, b]) => (DrawingKind::Length, vec![*a, *b]),
        (Form::Open, points @ [_, _, _]) if is_angle => (DrawingKind::Angle, points.to_vec()),
        (Form::Open, points) => (DrawingKind::Polyline, points.to_vec()),
        (Form::Closed, points) => (DrawingKind::Polygon, points.to_vec()),
        (Form::Ellipse, [a, b, c, d]) => {
            let center = (*a + *b) * 0.5;
            (DrawingKind::Ellipse, vec![center, *b, center + (*d - *c) * 0.5])
        }
        (Form::Ellipse, _) => return Err("an ellipse needs four points".to_owned()),
        (Form::Circle, points) => (DrawingKind::Circle, points.to_vec()),
    };
    Drawing::complete(kind, points, line.plane()?).map_err(|error| error.to_string())
}

fn names(group: &MeasurementGroup) -> impl Iterator<Item = QuantityName> + '_ {
    group.measurements.iter().filter_map(|m| codes::quantity_name(&m.name, m.derivation.as_ref()))
}

fn record(
    report: &StructuredReport,
    group: &MeasurementGroup,
    drawing: Drawing,
    [at, part]: [usize; 2],
    context: &ImportContext<'_>,
) -> MeasurementRecord {
    // Several drawings of one group cannot share its UID.
    let own_uid = group.tracking_uid.clone().filter(|_| part == 0);
    let number = (at as u64) << 16 | part as u64;
    let quantities =
        if part == 0 { group.measurements.iter().filter_map(quantity).collect() } else { Vec::new() };
    MeasurementRecord {
        tracking_uid: own_uid.unwrap_or_else(|| context.seed.uid(number)),
        label: group.tracking_id.clone().unwrap_or_else(|| drawing.kind().name().to_owned()),
        finding: group.finding.clone(),
        finding_site: group.finding_site.clone(),
        drawing,
        quantities,
        receipt: None,
        image: image(report, group, context),
    }
}

fn quantity(measurement: &ReportedMeasurement) -> Option<Quantity> {
    let name = codes::quantity_name(&measurement.name, measurement.derivation.as_ref())?;
    let measured = measurement.measured.as_ref()?;
    let unit = match name {
        QuantityName::PixelCount => String::new(),
        _ => measured.unit.as_ref().map(codes::unit_label).unwrap_or_default(),
    };
    Some(Quantity { name, value: Some(measured.value), unit, plus_minus: None })
}

/// The images of a group, and the series that the report says they are of.
fn image(report: &StructuredReport, group: &MeasurementGroup, context: &ImportContext<'_>) -> ImageReference {
    let mut instances = group.source_images.clone();
    let mut frame_of_reference_uid = None;
    for region in &group.regions {
        match region {
            ReportedRegion::Drawing { images, .. } => {
                instances.extend(images.iter().filter(|image| !group.source_images.contains(image)).cloned());
            }
            ReportedRegion::Spatial { frame_of_reference_uid: uid, .. } => {
                frame_of_reference_uid = frame_of_reference_uid.or_else(|| uid.clone());
            }
            ReportedRegion::Segment(_) => {}
        }
    }
    instances.dedup();
    let holds = |uid: &str| {
        let of = |series: &&crate::derived::SeriesReference| {
            series.instances.iter().any(|instance| instance.sop_instance_uid == uid)
        };
        report.evidence.iter().find(of).map(|series| series.series_uid.clone())
    };
    let series_uid = instances
        .iter()
        .find_map(|instance| holds(&instance.sop_instance_uid))
        .or_else(|| group.source_series.clone())
        .or_else(|| match report.evidence.as_slice() {
            [only] => Some(only.series_uid.clone()),
            _ => None,
        });
    ImageReference {
        study_uid: context.study_uid.to_owned(),
        series_uid: series_uid.unwrap_or_default(),
        frame_of_reference_uid,
        modality: String::new(),
        instances,
    }
}
