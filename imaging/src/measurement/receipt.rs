//! What a number rests on, in words.

use super::calibration::Calibration;
use crate::statistics::region::IndexAxis;
use crate::verdict::Level;

/// How the plane of a drawing lies in the voxels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PlaneKind {
    /// A slice as it was acquired.
    Acquired,
    /// A layer of voxels across acquired slices.
    Reformatted,
    /// Parallel to no layer of voxels.
    Oblique,
}

impl PlaneKind {
    /// Name in files; never changes.
    pub fn id(self) -> &'static str {
        match self {
            Self::Acquired => "acquired",
            Self::Reformatted => "reformatted",
            Self::Oblique => "oblique",
        }
    }

    /// The kind with an [`id`](Self::id).
    pub fn from_id(id: &str) -> Option<Self> {
        [Self::Acquired, Self::Reformatted, Self::Oblique].into_iter().find(|kind| kind.id() == id)
    }
}

/// Where the values of a region come from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Interpolation {
    /// Voxels as they are.
    SourceVoxels,
    /// Samples between voxels, this far apart.
    #[expect(missing_docs, reason = "named by the sentence above")]
    Trilinear { step_mm: f64 },
}

/// The layer of voxels that was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Layer {
    /// The axis it is perpendicular to.
    pub axis: IndexAxis,
    /// Index along that axis.
    pub index: usize,
    /// Distance of its voxel centres from the plane of the drawing.
    pub distance_mm: f64,
}

/// Pixels of a region, and those that count for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PixelCounts {
    /// Whose centre lies in the region and in the image.
    pub inside: u64,
    /// Of these, padding.
    pub padding: u64,
    /// Of these, in slices that no file filled.
    pub in_empty_slices: u64,
    /// Of these, not finite.
    pub not_finite: u64,
    /// Of these, samples between voxels of which one is missing (padding, an empty slice, not finite).
    pub beside_missing: u64,
}

impl PixelCounts {
    /// Pixels that values come from.
    pub fn counted(&self) -> u64 {
        let left_out = self.padding + self.in_empty_slices + self.not_finite + self.beside_missing;
        self.inside.saturating_sub(left_out)
    }
}

/// What the numbers of a drawing rest on: shown on hover, and exported with them.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    /// Label of lengths as printed: `mm`, `mm (detector)`, `mm (user)`, `px`, …
    pub length_label: String,
    /// Where the distance between pixels comes from, as a sentence without capital and period.
    pub spacing: String,
    /// The calibration by hand, if there is one.
    pub calibration: Option<Calibration>,
    /// How far the geometry of the series can be trusted.
    pub verdict: Level,
    /// Why not further, as sentences.
    pub verdict_reasons: Vec<String>,
    /// Whether lengths, areas, volumes and angles are withheld because of it.
    pub is_withheld: bool,
    /// How the plane lies in the voxels.
    pub plane: PlaneKind,
    /// The layer of voxels next to the plane; `None` for oblique planes and outside the image.
    pub layer: Option<Layer>,
    /// Where values come from; `None` where there are none.
    pub interpolation: Option<Interpolation>,
    /// Pixels of the region.
    pub pixels: PixelCounts,
    /// Distances between voxel centres along the index axes, as the grid states them.
    pub voxel_spacing: [f64; 3],
    /// How far a straight line may be off because points are known to half a voxel, in the unit of lengths: the
    /// largest reach of a voxel in the plane.
    pub plus_minus: f64,
    /// Point in time, from 0, and how many there are.
    pub time_point: [usize; 2],
    /// What else to know, as sentences.
    pub notes: Vec<String>,
}

impl Receipt {
    /// Plain text, a line each.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("Lengths: {} — {}", self.length_label, self.spacing)];
        if let Some(calibration) = &self.calibration {
            lines.push(format!("Calibration: {}", calibration.provenance()));
        }
        if self.verdict > Level::Green {
            let reasons = self.verdict_reasons.join(" ");
            let withheld = if self.is_withheld { " Millimetres are withheld." } else { "" };
            lines.push(format!("Geometry: {} — {reasons}{withheld}", self.verdict.name()));
        }
        lines.push(self.plane_line());
        lines.extend(self.values_line());
        if self.pixels.inside > 0 {
            lines.push(self.pixels_line());
        }
        lines.push(format!(
            "Precision: ± {:.2} {} from the size of voxels",
            self.plus_minus, self.length_label
        ));
        if self.time_point[1] > 1 {
            lines.push(format!("Time: point {} of {}", self.time_point[0] + 1, self.time_point[1]));
        }
        lines.extend(self.notes.iter().cloned());
        lines
    }

    fn plane_line(&self) -> String {
        let plane = match self.plane {
            PlaneKind::Acquired => "acquired slice",
            PlaneKind::Reformatted => "reformatted, along a layer of voxels",
            PlaneKind::Oblique => "oblique",
        };
        match self.layer {
            Some(layer) => {
                let apart = if layer.distance_mm < 1e-3 {
                    String::new()
                } else {
                    format!(", {:.2} from its centre", layer.distance_mm)
                };
                format!("Plane: {plane} {}{apart}", layer.index + 1)
            }
            None => format!("Plane: {plane}"),
        }
    }

    fn values_line(&self) -> Option<String> {
        Some(match self.interpolation? {
            Interpolation::SourceVoxels => "Values: source voxels".to_owned(),
            Interpolation::Trilinear { step_mm } => {
                format!("Values: resampled (trilinear, every {step_mm:.3})")
            }
        })
    }

    fn pixels_line(&self) -> String {
        let PixelCounts { padding, in_empty_slices, not_finite, beside_missing, .. } = self.pixels;
        let left_out = [
            (padding, "padding"),
            (in_empty_slices, "in slices that no file fills"),
            (not_finite, "not finite"),
            (beside_missing, "beside missing data"),
        ];
        let mut text = format!("Pixels: {}", self.pixels.counted());
        for (count, what) in left_out.into_iter().filter(|(count, _)| *count > 0) {
            text += &format!("; {count} {what} left out");
        }
        text
    }
}
