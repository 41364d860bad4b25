//! What is written and drawn over the pixels: letters, corner texts, scale bar, reference lines.
//!
//! Text has a dark halo, never a box. What does not fit leaves in a fixed order; patient identity and orientation
//! never do.

use egui::{Align2, Color32, FontId, Painter, Pos2, Rect, Shape, Stroke, Vec2, pos2, vec2};
use imaging::geometry::AnatomicalPlane;
use render_core::color_map::ColorMap;
use render_core::scene::GreyMapping;

use crate::document::Lengths;
use crate::theme;

/// Distance of texts from the edge of the picture, in points.
const MARGIN: f32 = 8.0;
/// Below this width a viewport has no room for texts side by side.
const NARROW: f32 = 260.0;
/// Height of one line of overlay text, in points.
pub(super) const LINE_HEIGHT: f32 = 15.0;

fn font(size: f32) -> FontId {
    FontId::proportional(size)
}

/// Text with a halo; cut with an ellipsis at `max_width`. Returns the place it took.
pub(super) fn halo_text(
    painter: &Painter,
    pos: Pos2,
    anchor: Align2,
    text: &str,
    color: Color32,
    max_width: f32,
) -> Rect {
    let mut job = egui::text::LayoutJob::simple_singleline(text.to_owned(), font(theme::size::SMALL), color);
    job.wrap.max_width = max_width.max(24.0);
    job.wrap.max_rows = 1;
    job.wrap.break_anywhere = true;
    let galley = painter.layout_job(job);
    let rect = anchor.anchor_size(pos, galley.size());
    for offset in [vec2(-1.0, 0.0), vec2(1.0, 0.0), vec2(0.0, -1.0), vec2(0.0, 1.0), vec2(1.0, 1.0)] {
        painter.galley_with_override_text_color(rect.min + offset, galley.clone(), theme::HALO);
    }
    painter.galley(rect.min, galley, color);
    rect
}

/// The four letters (left, top, right, bottom) at the middle of the edges.
pub(super) fn orientation_letters(painter: &Painter, rect: Rect, letters: &[String; 4]) {
    let inner = rect.shrink(4.0);
    let places = [
        (inner.left_center(), Align2::LEFT_CENTER),
        (inner.center_top(), Align2::CENTER_TOP),
        (inner.right_center(), Align2::RIGHT_CENTER),
        (inner.center_bottom(), Align2::CENTER_BOTTOM),
    ];
    for ((pos, anchor), letter) in places.into_iter().zip(letters) {
        halo_text(painter, pos, anchor, letter, theme::TEXT, 60.0);
    }
}

/// Lines of text in a corner, with how early each leaves when room is short (0 never leaves).
pub(super) struct Corner {
    lines: Vec<(String, Color32, u8)>,
}

impl Corner {
    pub(super) fn new() -> Self {
        Self { lines: Vec::new() }
    }

    /// Adds a line unless it is empty. Higher `leaves_at` leaves earlier.
    pub(super) fn line(&mut self, text: impl Into<String>, leaves_at: u8) -> &mut Self {
        self.colored(text, theme::TEXT, leaves_at)
    }

    pub(super) fn colored(&mut self, text: impl Into<String>, color: Color32, leaves_at: u8) -> &mut Self {
        let text = text.into();
        if !text.trim().is_empty() {
            self.lines.push((text, color, leaves_at));
        }
        self
    }

    /// The lines that fit, in their order: those that leave earliest go first.
    fn fitting(&self, count: usize) -> Vec<&(String, Color32, u8)> {
        let mut kept: Vec<&(String, Color32, u8)> = self.lines.iter().collect();
        while kept.len() > count {
            let Some(earliest) = kept.iter().map(|l| l.2).max().filter(|rank| *rank > 0) else { break };
            if let Some(at) = kept.iter().rposition(|l| l.2 == earliest) {
                kept.remove(at);
            }
        }
        kept
    }

    /// Draws into a corner of `rect`. Narrow viewports have left corners only, over the whole width.
    pub(super) fn draw(&self, painter: &Painter, rect: Rect, corner: Align2) {
        let is_narrow = rect.width() < NARROW;
        let is_top = corner.y() == egui::Align::Min;
        if is_narrow && corner.x() == egui::Align::Max {
            return;
        }
        let mut inner = rect.shrink(MARGIN);
        if is_narrow && !is_top {
            // Above the letter in the middle of the lower edge.
            inner.max.y -= LINE_HEIGHT;
        }
        let max_width = if is_narrow { inner.width() } else { rect.width() * 0.5 - 28.0 };
        // Less than half of the height each, so that opposite corners and the letters between keep apart.
        let room = ((rect.height() * 0.5 - 24.0) / LINE_HEIGHT).floor().max(1.0) as usize;
        let lines = self.fitting(room);
        let start = corner.pos_in_rect(&inner);
        let total = lines.len() as f32 * LINE_HEIGHT;
        for (i, (text, color, _)) in lines.into_iter().enumerate() {
            let down = i as f32 * LINE_HEIGHT - if is_top { 0.0 } else { total - LINE_HEIGHT };
            halo_text(painter, start + vec2(0.0, down), corner, text, *color, max_width);
        }
    }
}

/// A round length that fits into `most_mm`: 1, 2 or 5 times a power of ten.
pub(super) fn round_length_mm(most_mm: f64) -> Option<f64> {
    if !(most_mm.is_finite() && most_mm > 0.0) {
        return None;
    }
    let power = 10f64.powf(most_mm.log10().floor());
    [5.0, 2.0, 1.0].into_iter().map(|f| f * power).find(|length| *length <= most_mm * (1.0 + 1e-9))
}

/// The scale bar above the lower edge; words instead of a bar where lengths are withheld.
///
/// Narrow viewports have it in the lower right corner, beside the letter; there the position's line says what is
/// withheld.
pub(super) fn scale_bar(painter: &Painter, rect: Rect, mm_per_point: f64, lengths: &Lengths) {
    let is_narrow = rect.width() < NARROW;
    if *lengths == Lengths::Withheld && is_narrow {
        return;
    }
    if *lengths == Lengths::Withheld {
        let pos = pos2(rect.center().x, rect.bottom() - 24.0);
        halo_text(painter, pos, Align2::CENTER_BOTTOM, &lengths.text(""), theme::DANGER, 160.0);
        return;
    }
    let share = if is_narrow { 0.16 } else { 0.22 };
    let Some(length_mm) = round_length_mm(mm_per_point * f64::from(rect.width()) * share) else { return };
    let length = (length_mm / mm_per_point) as f32;
    let (left, bottom) = if is_narrow {
        (rect.right() - MARGIN - length, rect.bottom() - MARGIN)
    } else {
        (rect.center().x - length / 2.0, rect.bottom() - 24.0)
    };
    let right = left + length;
    let shape = |offset: Vec2| {
        let p = |x: f32, y: f32| pos2(x, y) + offset;
        vec![p(left, bottom - 4.0), p(left, bottom), p(right, bottom), p(right, bottom - 4.0)]
    };
    painter.add(Shape::line(shape(Vec2::ZERO), Stroke::new(3.0, theme::HALO)));
    painter.add(Shape::line(shape(Vec2::ZERO), Stroke::new(1.0, theme::TEXT)));
    let number = if length_mm >= 1.0 { format!("{length_mm:.0}") } else { format!("{length_mm}") };
    let text = lengths.text(&number);
    if is_narrow {
        halo_text(painter, pos2(left - 4.0, bottom + 3.0), Align2::RIGHT_BOTTOM, &text, theme::TEXT, 60.0);
    } else {
        let pos = pos2(rect.center().x, bottom - 5.0);
        halo_text(painter, pos, Align2::CENTER_BOTTOM, &text, theme::TEXT, 160.0);
    }
}

/// A strip of colours at the right edge, with the values that have the first and the last of them.
///
/// `place` counts strips from the right. Small viewports have none.
pub(super) fn color_legend(
    painter: &Painter,
    rect: Rect,
    place: u8,
    map: &ColorMap,
    grey: &GreyMapping,
    unit: &str,
) {
    const WIDTH: f32 = 10.0;
    let height = (rect.height() * 0.4).min(180.0);
    if rect.width() < NARROW || height < 80.0 {
        return;
    }
    let right = rect.right() - 28.0 - f32::from(place) * 64.0;
    let strip = Rect::from_min_size(pos2(right - WIDTH, rect.center().y - height / 2.0), vec2(WIDTH, height));
    let count = height.round() as usize;
    for (i, [r, g, b]) in map.strip(count).enumerate() {
        let y = strip.bottom() - i as f32;
        let step = Rect::from_min_max(pos2(strip.left(), y - 1.0), pos2(strip.right(), y));
        painter.rect_filled(step, 0.0, Color32::from_rgb(r, g, b));
    }
    painter.rect_stroke(strip, 0.0, Stroke::new(1.0, theme::HALO), egui::StrokeKind::Outside);
    let half = grey.window.width / 2.0;
    let mut ends = [grey.window.center - half, grey.window.center + half];
    if grey.is_inverted {
        ends.reverse();
    }
    let decimals = if grey.window.width >= 50.0 { 0 } else { 2 };
    let [low, high] = ends.map(|value| crate::text::number(value, decimals));
    let x = strip.center().x;
    halo_text(painter, pos2(x, strip.bottom() + 2.0), Align2::CENTER_TOP, &low, theme::TEXT, 60.0);
    let high = if unit.is_empty() { high } else { format!("{high} {unit}") };
    halo_text(painter, pos2(x, strip.top() - 2.0), Align2::CENTER_BOTTOM, &high, theme::TEXT, 80.0);
}

/// Short name at the ends of a plane's reference line; never a bare `A`, which would read as anterior.
pub(super) fn plane_tag(plane: AnatomicalPlane) -> &'static str {
    match plane {
        AnatomicalPlane::Axial => "Ax",
        AnatomicalPlane::Coronal => "Co",
        AnatomicalPlane::Sagittal => "Sa",
    }
}

/// The line along which another plane cuts this picture: through `middle` along `direction` (unit, on screen).
///
/// A gap around the middle leaves the pixels at the crosshair free. Each plane has its own colour and line style.
pub(super) fn reference_line(
    painter: &Painter,
    rect: Rect,
    middle: Pos2,
    direction: Vec2,
    plane: AnatomicalPlane,
) {
    const CENTRE_GAP: f32 = 14.0;
    let color = theme::plane(plane).gamma_multiply(0.85);
    for sign in [-1.0, 1.0] {
        let away = direction * sign;
        // Lines end short of the edges, where letters and the scale bar are.
        let inner = Rect::from_min_max(rect.min + vec2(20.0, 20.0), rect.max - vec2(20.0, 44.0));
        let Some(end) = exit(inner, middle, away) else { continue };
        let start = middle + away * CENTRE_GAP;
        if (end - middle).dot(away) <= CENTRE_GAP {
            continue;
        }
        let stroke = Stroke::new(1.0, color);
        let points = [start, end];
        match plane {
            AnatomicalPlane::Axial => {
                painter.line_segment(points, stroke);
            }
            AnatomicalPlane::Sagittal => {
                painter.extend(Shape::dashed_line(&points, stroke, 8.0, 4.0));
            }
            AnatomicalPlane::Coronal => {
                painter.extend(Shape::dashed_line(&points, stroke, 2.0, 3.0));
            }
        }
        // The upper end lies among the texts of a narrow viewport; colour and dashes tell the plane too.
        let is_among_texts = rect.width() < NARROW && direction.y.abs() > direction.x.abs();
        if sign > 0.0 && !is_among_texts {
            let pos = end - away * 10.0 + vec2(away.y.abs(), -away.x.abs()) * 9.0;
            halo_text(painter, pos, Align2::CENTER_CENTER, plane_tag(plane), theme::plane(plane), 40.0);
        }
    }
}

/// Where a ray from `from` leaves a rectangle; `None` if it never meets it.
fn exit(rect: Rect, from: Pos2, direction: Vec2) -> Option<Pos2> {
    let mut far = f32::INFINITY;
    let mut near = f32::NEG_INFINITY;
    for (p, d, low, high) in
        [(from.x, direction.x, rect.left(), rect.right()), (from.y, direction.y, rect.top(), rect.bottom())]
    {
        if d.abs() < 1e-6 {
            if p < low || p > high {
                return None;
            }
            continue;
        }
        let (a, b) = ((low - p) / d, (high - p) / d);
        near = near.max(a.min(b));
        far = far.min(a.max(b));
    }
    (far >= near.max(0.0) && far.is_finite()).then(|| from + direction * far)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_bars_are_round_and_fit() {
        for (most, expected) in
            [(73.0, 50.0), (50.0, 50.0), (49.9, 20.0), (1.3, 1.0), (0.7, 0.5), (100.0, 100.0)]
        {
            assert_eq!(round_length_mm(most), Some(expected), "{most}");
        }
        assert_eq!(round_length_mm(0.0), None);
        assert_eq!(round_length_mm(f64::NAN), None);
    }

    #[test]
    fn identity_stays_when_everything_else_leaves() {
        let mut corner = Corner::new();
        corner.line("name", 0).line("sex", 3).line("id", 0).line("", 0).line("age", 2);
        let texts = |n| corner.fitting(n).into_iter().map(|l| l.0.clone()).collect::<Vec<_>>();
        assert_eq!(texts(9), ["name", "sex", "id", "age"]);
        assert_eq!(texts(3), ["name", "id", "age"]);
        assert_eq!(texts(1), ["name", "id"]);
    }

    #[test]
    fn reference_lines_end_at_the_edge() {
        let rect = Rect::from_min_max(pos2(0.0, 0.0), pos2(100.0, 50.0));
        assert_eq!(exit(rect, pos2(20.0, 20.0), vec2(1.0, 0.0)), Some(pos2(100.0, 20.0)));
        assert_eq!(exit(rect, pos2(20.0, 20.0), vec2(0.0, -1.0)), Some(pos2(20.0, 0.0)));
        assert_eq!(exit(rect, pos2(20.0, 90.0), vec2(1.0, 0.0)), None);
        assert_eq!(exit(rect, pos2(120.0, 20.0), vec2(1.0, 0.0)), None);
    }
}
