//! Presentation states: how an image was set up to be looked at, and what was drawn on it.
//!
//! DICOM counts graphic coordinates from the *corner* of the first pixel; here they are continuous indices, whose
//! origin is its *centre*, like everywhere else in this crate: file value minus one half.

use glam::DVec2;

use crate::derived::{InstanceReference, SeriesReference};
use crate::intensity::NamedWindow;
use crate::volume::Rescale;

/// What the coordinates of a drawing count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnnotationUnits {
    /// Continuous index of the image, (x, y): (0, 0) is the centre of the first pixel.
    Index,
    /// Shares of the displayed area as seen, (right, down): (0, 0) is its top left, (1, 1) its bottom right.
    DisplayedArea,
}

/// A drawing, in the units of its [`GraphicObject`].
#[derive(Debug, Clone, PartialEq)]
pub enum Graphic {
    /// A point.
    Point(DVec2),
    /// Straight lines from point to point; closed if first and last are equal.
    Polyline(Vec<DVec2>),
    /// A smooth curve through the points.
    Interpolated(Vec<DVec2>),
    /// A circle by its centre and any point of its edge.
    #[expect(missing_docs, reason = "named by the sentence above")]
    Circle { center: DVec2, on_edge: DVec2 },
    /// An ellipse by the ends of its axes.
    #[expect(missing_docs, reason = "named by the sentence above")]
    Ellipse { major: [DVec2; 2], minor: [DVec2; 2] },
}

/// A drawing with its units.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the fields name themselves")]
pub struct GraphicObject {
    pub graphic: Graphic,
    pub units: AnnotationUnits,
    pub is_filled: bool,
}

/// A text.
#[derive(Debug, Clone, PartialEq)]
pub struct TextObject {
    /// What it says; may have several lines.
    pub text: String,
    /// Top left and bottom right corner of where it stands, with their units.
    pub bounding_box: Option<([DVec2; 2], AnnotationUnits)>,
    /// What it points at, with its units.
    pub anchor: Option<(DVec2, AnnotationUnits)>,
    /// Whether a line from text to anchor is wanted.
    pub is_anchor_visible: bool,
}

/// What is drawn on some images.
#[derive(Debug, Clone, PartialEq)]
pub struct GraphicAnnotation {
    /// Images it is drawn on; empty means all that the presentation state refers to.
    pub images: Vec<InstanceReference>,
    /// Name of the layer.
    pub layer: String,
    /// Drawings.
    pub graphics: Vec<GraphicObject>,
    /// Texts.
    pub texts: Vec<TextObject>,
}

/// A layer of drawings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields name themselves")]
pub struct GraphicLayer {
    pub name: String,
    pub description: String,
    /// Layers of higher order are drawn later.
    pub order: i64,
    /// Recommended colour as sRGB.
    pub color_rgb: Option<[u8; 3]>,
}

/// How large the displayed area is shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SizeMode {
    /// As large as the screen allows.
    ScaleToFit,
    /// In the size of the patient.
    TrueSize,
    /// Screen pixels per image pixel.
    Magnify(f64),
}

/// Which part of some images is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct DisplayedArea {
    /// Images it is for; empty means all.
    pub images: Vec<InstanceReference>,
    /// Smallest and largest continuous index (x, y) shown: outer edges of pixels, before rotation and flip.
    pub bounds: [DVec2; 2],
    /// How large.
    pub size_mode: SizeMode,
    /// Distance between rows, then between columns, to be used instead of the image's own.
    pub pixel_spacing_mm: Option<[f64; 2]>,
    /// Height over width of a pixel.
    pub pixel_aspect_ratio: Option<f64>,
}

/// How an image is turned before it is shown: first rotated, then flipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpatialTransformation {
    /// Clockwise quarter turns, 0 to 3.
    pub quarter_turns: u8,
    /// Whether left and right change places after the turn.
    pub is_flipped: bool,
}

/// A table from whole numbers to output values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupTable {
    /// Input of the first entry; inputs outside take the first or last entry.
    pub first_input: i32,
    /// Bits of an entry.
    pub bits: u8,
    /// Output values, at least one.
    pub entries: Vec<u16>,
}

/// Values of interest for some images.
#[derive(Debug, Clone, PartialEq)]
pub struct SoftcopyVoi {
    /// Images it is for; empty means all.
    pub images: Vec<InstanceReference>,
    /// Windows, the first counts.
    pub windows: Vec<NamedWindow>,
    /// Tables from modality values; if there is one, it counts instead of the windows.
    pub tables: Vec<LookupTable>,
}

/// From values of interest to brightness. It says all about polarity: MONOCHROME1 is not to be applied again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PresentationLut {
    /// High values are bright.
    #[default]
    Identity,
    /// High values are dark.
    Inverse,
    /// By a table.
    Table(LookupTable),
}

/// A softcopy presentation state (PS3.3 A.33).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PresentationState {
    /// Label for people.
    pub label: String,
    /// Longer text.
    pub description: String,
    /// The images it is for.
    pub referenced_series: Vec<SeriesReference>,
    /// Rescale to be used instead of the image's own.
    pub rescale: Option<Rescale>,
    /// Windows and tables.
    pub vois: Vec<SoftcopyVoi>,
    /// From there to brightness; `None` if the file does not say (colour).
    pub presentation_lut: Option<PresentationLut>,
    /// Rotation and flip.
    pub transformation: SpatialTransformation,
    /// Areas shown.
    pub displayed_areas: Vec<DisplayedArea>,
    /// Layers in drawing order.
    pub layers: Vec<GraphicLayer>,
    /// Drawings.
    pub annotations: Vec<GraphicAnnotation>,
    /// What a person should know, as sentences without final period.
    pub warnings: Vec<String>,
}

impl PresentationState {
    /// Whether it is for this frame (number from 1) of an instance.
    pub fn refers_to(&self, sop_instance_uid: &str, frame_number: u32) -> bool {
        let mut instances = self.referenced_series.iter().flat_map(|series| &series.instances);
        instances.any(|instance| is_of(instance, sop_instance_uid, frame_number))
    }

    /// The area of a frame that is shown.
    pub fn displayed_area(&self, sop_instance_uid: &str, frame_number: u32) -> Option<&DisplayedArea> {
        self.displayed_areas.iter().find(|area| applies(&area.images, sop_instance_uid, frame_number))
    }

    /// Windows and tables for a frame.
    pub fn voi(&self, sop_instance_uid: &str, frame_number: u32) -> Option<&SoftcopyVoi> {
        self.vois.iter().find(|voi| applies(&voi.images, sop_instance_uid, frame_number))
    }

    /// What is drawn on a frame.
    pub fn annotations_on<'a>(
        &'a self,
        sop_instance_uid: &'a str,
        frame_number: u32,
    ) -> impl Iterator<Item = &'a GraphicAnnotation> {
        self.annotations.iter().filter(move |a| applies(&a.images, sop_instance_uid, frame_number))
    }
}

fn is_of(reference: &InstanceReference, sop_instance_uid: &str, frame_number: u32) -> bool {
    reference.sop_instance_uid == sop_instance_uid
        && (reference.frame_numbers.is_empty() || reference.frame_numbers.contains(&frame_number))
}

fn applies(images: &[InstanceReference], sop_instance_uid: &str, frame_number: u32) -> bool {
    images.is_empty() || images.iter().any(|image| is_of(image, sop_instance_uid, frame_number))
}

impl DisplayedArea {
    /// Continuous index of a place given as shares of the displayed area as seen.
    pub fn index_from_display(&self, place: DVec2, transformation: SpatialTransformation) -> DVec2 {
        let u = if transformation.is_flipped { 1.0 - place.x } else { place.x };
        let v = place.y;
        // Undo the clockwise turn.
        let share = match transformation.quarter_turns % 4 {
            0 => DVec2::new(u, v),
            1 => DVec2::new(v, 1.0 - u),
            2 => DVec2::new(1.0 - u, 1.0 - v),
            _ => DVec2::new(1.0 - v, u),
        };
        let [low, high] = self.bounds;
        low + (high - low) * share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displayed_corners_lead_back_to_the_image_through_turn_and_flip() {
        let area = DisplayedArea {
            images: Vec::new(),
            bounds: [DVec2::splat(-0.5), DVec2::new(15.5, 7.5)],
            size_mode: SizeMode::ScaleToFit,
            pixel_spacing_mm: None,
            pixel_aspect_ratio: None,
        };
        // The corner of the image that is seen at the top left, and the one at the top right.
        let check = |quarter_turns, is_flipped, top_left: [f64; 2], top_right: [f64; 2]| {
            let transformation = SpatialTransformation { quarter_turns, is_flipped };
            let at = |x, y| area.index_from_display(DVec2::new(x, y), transformation).to_array();
            assert_eq!((at(0.0, 0.0), at(1.0, 0.0)), (top_left, top_right), "{transformation:?}");
        };
        let (tl, tr, bl, br) = ([-0.5, -0.5], [15.5, -0.5], [-0.5, 7.5], [15.5, 7.5]);
        check(0, false, tl, tr);
        check(1, false, bl, tl);
        check(2, false, br, bl);
        check(3, false, tr, br);
        check(0, true, tr, tl);
        check(1, true, tl, bl);
    }
}
