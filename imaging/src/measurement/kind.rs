//! The kinds of drawings, and how many points each has.

/// What somebody drew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DrawingKind {
    /// A straight line: both ends.
    Length,
    /// Two perpendicular diameters: both ends of the long one, then of the short one.
    Bidirectional,
    /// Straight lines from point to point, open.
    Polyline,
    /// Two arms that meet: end, vertex, end.
    Angle,
    /// Two lines that need not meet: both ends of each.
    CobbAngle,
    /// Two opposite corners; sides run along the axes of the plane.
    Rectangle,
    /// Centre, end of the first semi-axis, end of the second.
    Ellipse,
    /// Centre and a point of the edge.
    Circle,
    /// Corners of a closed outline.
    Polygon,
    /// A closed outline as the pointer went.
    Freehand,
    /// A closed smooth curve through its points.
    Spline,
    /// A single point.
    Probe,
    /// Tip, then end.
    Arrow,
    /// A point with words.
    Text,
}

/// How many points a drawing has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PointCount {
    /// With fewer it is not finished.
    pub min: usize,
    /// It cannot have more.
    pub max: usize,
}

/// More points than anybody draws; keeps hostile files from claiming memory.
pub const MAX_POINTS: usize = 1 << 13;

impl DrawingKind {
    /// All of them, in the order of a tool strip.
    pub const ALL: [Self; 14] = [
        Self::Length,
        Self::Bidirectional,
        Self::Polyline,
        Self::Angle,
        Self::CobbAngle,
        Self::Rectangle,
        Self::Ellipse,
        Self::Circle,
        Self::Polygon,
        Self::Freehand,
        Self::Spline,
        Self::Probe,
        Self::Arrow,
        Self::Text,
    ];

    /// Name for people, in sentence case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Length => "Length",
            Self::Bidirectional => "Bidirectional",
            Self::Polyline => "Polyline",
            Self::Angle => "Angle",
            Self::CobbAngle => "Cobb angle",
            Self::Rectangle => "Rectangle",
            Self::Ellipse => "Ellipse",
            Self::Circle => "Circle",
            Self::Polygon => "Polygon",
            Self::Freehand => "Freehand",
            Self::Spline => "Spline",
            Self::Probe => "Probe",
            Self::Arrow => "Arrow",
            Self::Text => "Text",
        }
    }

    /// Name in files and commands; never changes.
    pub fn id(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Bidirectional => "bidirectional",
            Self::Polyline => "polyline",
            Self::Angle => "angle",
            Self::CobbAngle => "cobb-angle",
            Self::Rectangle => "rectangle",
            Self::Ellipse => "ellipse",
            Self::Circle => "circle",
            Self::Polygon => "polygon",
            Self::Freehand => "freehand",
            Self::Spline => "spline",
            Self::Probe => "probe",
            Self::Arrow => "arrow",
            Self::Text => "text",
        }
    }

    /// The kind with an [`id`](Self::id).
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.id() == id)
    }

    /// How many points it has.
    pub fn points(self) -> PointCount {
        let (min, max) = match self {
            Self::Probe | Self::Text => (1, 1),
            Self::Length | Self::Rectangle | Self::Circle | Self::Arrow => (2, 2),
            Self::Angle | Self::Ellipse => (3, 3),
            Self::Bidirectional | Self::CobbAngle => (4, 4),
            Self::Polyline => (2, MAX_POINTS),
            Self::Polygon | Self::Freehand | Self::Spline => (3, MAX_POINTS),
        };
        PointCount { min, max }
    }

    /// Whether it encloses an area, so that there are pixels to measure.
    pub fn is_region(self) -> bool {
        matches!(
            self,
            Self::Rectangle | Self::Ellipse | Self::Circle | Self::Polygon | Self::Freehand | Self::Spline
        )
    }

    /// Whether its line ends where it began.
    pub fn is_closed(self) -> bool {
        self.is_region()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_lead_back_to_their_kind_and_are_kebab_case() {
        for kind in DrawingKind::ALL {
            assert_eq!(DrawingKind::from_id(kind.id()), Some(kind));
            assert!(kind.id().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", kind.id());
            assert_eq!(kind.id().replace('-', " "), kind.name().to_lowercase());
            let count = kind.points();
            assert!(1 <= count.min && count.min <= count.max);
        }
        assert_eq!(DrawingKind::from_id("Length"), None);
    }
}
