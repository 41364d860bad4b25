//! What readers draw on pictures: measurements and marks, and the one that is being drawn.

use glam::DVec3;
use imaging::geometry::Geometry;
use imaging::measurement::{Drawing, DrawingKind, DrawingPlane};
use render_core::scene::{Slab, SlicePlane};

use super::series::SeriesKey;
use super::workspace::ViewportId;

/// Cosine of the largest angle at which a picture still shows what was drawn on another plane (0.5°).
const PARALLEL: f64 = 0.999_962;

/// Names an annotation within this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AnnotationId(pub u32);

/// A drawing on a series.
#[derive(Debug, Clone, PartialEq)]
pub struct Annotation {
    /// What it was drawn on, and is measured in.
    pub series: SeriesKey,
    /// Index along time.
    pub time_point: usize,
    /// Where, in the patient.
    pub drawing: Drawing,
    /// A person's words; may be empty.
    pub label: String,
    /// Whether handles and keys leave it alone.
    pub is_locked: bool,
    /// Whether it is drawn.
    pub is_visible: bool,
    /// UID that follows it through files and time; given when it is added.
    pub tracking_uid: Option<String>,
}

impl Annotation {
    /// A new one.
    pub fn new(series: SeriesKey, drawing: Drawing) -> Self {
        Self {
            series,
            time_point: 0,
            drawing,
            label: String::new(),
            is_locked: false,
            is_visible: true,
            tracking_uid: None,
        }
    }

    /// Whether a picture shows it: a parallel plane, no further away than half a slice or half the slab.
    pub fn is_on(&self, plane: &SlicePlane, slab: Slab, geometry: &Geometry) -> bool {
        is_on(self.drawing.plane(), plane, slab, geometry)
    }
}

fn is_on(own: &DrawingPlane, plane: &SlicePlane, slab: Slab, geometry: &Geometry) -> bool {
    if own.normal().dot(plane.normal()).abs() < PARALLEL {
        return false;
    }
    let reach = half_step_mm(plane.normal(), geometry).max(slab.thickness_mm * 0.5);
    // A hair more than half, so that what lies between two slices is on one of them for certain.
    own.distance_mm(plane.center_lps).abs() <= reach * (1.0 + 1e-6) + 1e-9
}
/// Half the distance between voxel layers along a direction, in mm.
fn half_step_mm(normal: DVec3, geometry: &Geometry) -> f64 {
    let d = geometry.direction();
    let layers = (0..3).filter_map(|axis| {
        let layer = d.col((axis + 1) % 3).cross(d.col((axis + 2) % 3)).try_normalize()?;
        (layer.dot(normal).abs() >= PARALLEL)
            .then(|| (geometry.spacing_mm()[axis] * d.col(axis).dot(normal)).abs())
    });
    layers
        .fold(None, |least: Option<f64>, step| Some(least.map_or(step, |l| l.min(step))))
        .unwrap_or(geometry.spacing_mm().min_element())
        * 0.5
}

/// How many places complete a drawing; `None` for those that end when somebody says so.
fn places(kind: DrawingKind) -> Option<usize> {
    match kind {
        DrawingKind::Probe | DrawingKind::Text => Some(1),
        DrawingKind::Length
        | DrawingKind::Bidirectional
        | DrawingKind::Rectangle
        | DrawingKind::Ellipse
        | DrawingKind::Circle
        | DrawingKind::Arrow => Some(2),
        DrawingKind::Angle => Some(3),
        DrawingKind::CobbAngle => Some(4),
        DrawingKind::Polyline | DrawingKind::Polygon | DrawingKind::Freehand | DrawingKind::Spline => None,
    }
}

/// A drawing in the making.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Where it is drawn.
    pub viewport: ViewportId,
    /// On what.
    pub series: SeriesKey,
    /// What is drawn.
    pub kind: DrawingKind,
    /// Plane of the picture when it was begun; later places are laid onto it.
    pub plane: DrawingPlane,
    /// Places set so far.
    places: Vec<DVec3>,
    /// Where the pointer is.
    pointer: DVec3,
}

impl Draft {
    /// Begins with a first place.
    pub fn begin(
        (viewport, series): (ViewportId, SeriesKey),
        kind: DrawingKind,
        plane: DrawingPlane,
        at: DVec3,
    ) -> Self {
        Self { viewport, series, kind, plane, places: vec![at], pointer: at }
    }

    /// Whether a picture shows what is drawn so far; see [`Annotation::is_on`].
    pub fn is_on(&self, plane: &SlicePlane, slab: Slab, geometry: &Geometry) -> bool {
        is_on(&self.plane, plane, slab, geometry)
    }

    fn on_plane(&self, lps: DVec3) -> DVec3 {
        self.plane.foot(lps)
    }

    /// The pointer moved; a freehand line grows where it went further than `least_mm`.
    pub fn point_at(&mut self, lps: DVec3, least_mm: f64) {
        self.pointer = self.on_plane(lps);
        if self.kind == DrawingKind::Freehand
            && self.places.last().is_none_or(|last| last.distance(self.pointer) >= least_mm)
        {
            self.places.push(self.pointer);
        }
    }

    /// Sets a place, unless the last one is there already.
    pub fn set(&mut self, lps: DVec3, least_mm: f64) {
        self.pointer = self.on_plane(lps);
        if self.places.last().is_none_or(|last| last.distance(self.pointer) >= least_mm) {
            self.places.push(self.pointer);
        }
    }

    /// Whether nothing is missing.
    pub fn is_full(&self) -> bool {
        places(self.kind).is_some_and(|count| self.places.len() >= count)
    }

    /// Whether it ends when somebody says so.
    pub fn is_open_ended(&self) -> bool {
        places(self.kind).is_none()
    }

    /// Where it was begun.
    pub fn start(&self) -> DVec3 {
        self.places.first().copied().unwrap_or(self.pointer)
    }

    /// The place set last.
    pub fn latest(&self) -> DVec3 {
        self.places.last().copied().unwrap_or(self.pointer)
    }

    /// Places set so far.
    pub fn count(&self) -> usize {
        self.places.len()
    }

    /// What would be drawn with the pointer as the next place; `None` while there is too little of it.
    pub fn preview(&self) -> Option<Drawing> {
        let mut all = self.places.clone();
        if !self.is_full() && self.kind != DrawingKind::Freehand {
            all.push(self.pointer);
        }
        self.drawing_of(&all)
    }

    /// The finished drawing; `None` if there is too little of it.
    pub fn finished(&self) -> Option<Drawing> {
        self.drawing_of(&self.places).filter(Drawing::is_complete)
    }

    /// Places joined by lines, to show while there is no drawing yet.
    pub fn path(&self) -> Vec<DVec3> {
        let mut all = self.places.clone();
        all.push(self.pointer);
        all
    }

    fn drawing_of(&self, all: &[DVec3]) -> Option<Drawing> {
        let plane = self.plane;
        let two = || Some((*all.first()?, *all.get(1)?));
        let points = match self.kind {
            DrawingKind::Bidirectional => {
                let (a, b) = two()?;
                let middle = (a + b) * 0.5;
                let across = plane.normal().cross(b - a) * 0.25;
                vec![a, b, middle - across, middle + across]
            }
            DrawingKind::Ellipse => {
                let (a, b) = two()?;
                let half = (b - a) * 0.5;
                let middle = (a + b) * 0.5;
                let along = |axis: DVec3| axis * half.dot(axis).abs().max(1e-9);
                vec![middle, middle + along(plane.right()), middle + along(plane.down())]
            }
            _ => all.to_vec(),
        };
        Drawing::new(self.kind, points, plane).ok()
    }
}
