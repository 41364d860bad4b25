//! What is drawn on slices: lines, handles, labels with numbers, and the pointer over them.

use std::collections::BTreeMap;
use std::sync::Arc;

use egui::{
    Align2, Color32, CursorIcon, FontId, Painter, Pos2, Rect, Response, Shape, Stroke, Ui, Vec2, vec2,
};
use glam::DVec3;
use imaging::measurement::{
    Calibration, Drawing, DrawingKind, DrawingPlane, Interpolation, MeasureInput, Measured, Quantity,
    QuantityName, RegionPixels, measure,
};
use imaging::volume::{Volume, VolumeId};

use super::gestures::SliceFrame;
use super::overlay::LINE_HEIGHT;
use super::{ViewportContext, ViewportState};
use crate::command::{AnnotationCommand, Command, DraftCommand};
use crate::document::{
    Annotation, AnnotationId, Document, Draft, Series, SliceView, Tool, Viewport, ViewportId,
};
use crate::theme;

/// How close to a handle the pointer takes it, in points.
const HANDLE_REACH: f32 = 9.0;
/// How close to a line, in points.
const LINE_REACH: f32 = 6.0;
/// Less travel than this is a click, in points.
const CLICK_TRAVEL: f32 = 4.0;
/// Curves are cut into lines that stay this close to them, in points.
const FLATNESS: f64 = 0.25;
/// Distance of a label from its drawing, in points.
const LABEL_GAP: f32 = 10.0;

/// What the pointer holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Grip {
    /// A control point.
    Point(usize),
    /// The whole drawing, by the place that was taken last.
    Whole(DVec3),
}

/// An annotation in the hand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Held {
    viewport: ViewportId,
    id: AnnotationId,
    grip: Grip,
}

/// Everything numbers depend on.
#[derive(Debug, PartialEq)]
struct Basis {
    annotation: Arc<Annotation>,
    volume: VolumeId,
    is_acknowledged: bool,
    calibration: Option<Arc<Calibration>>,
}

/// Numbers that were computed, until what they depend on changes.
#[derive(Debug, Default)]
pub struct Numbers {
    known: BTreeMap<AnnotationId, (Basis, Arc<Measured>)>,
}

impl Numbers {
    /// The numbers of an annotation; `None` while its series is not loaded.
    pub fn of(&mut self, id: AnnotationId, ctx: &Document) -> Option<Arc<Measured>> {
        let annotation = ctx.workspace.annotations.get(&id)?;
        let series = ctx.series(annotation.series)?;
        let volume = &series.loaded()?.volume;
        let basis = Basis {
            annotation: Arc::clone(annotation),
            volume: volume.id(),
            is_acknowledged: ctx.workspace.acknowledged.contains(&series.key),
            calibration: ctx.workspace.calibrations.get(&series.key).cloned(),
        };
        if let Some((known, measured)) = self.known.get(&id)
            && *known == basis
        {
            return Some(Arc::clone(measured));
        }
        let measured = Arc::new(measured(&annotation.drawing, series, volume, &basis));
        self.known.insert(id, (basis, Arc::clone(&measured)));
        Some(measured)
    }

    /// Forgets what is not there any more.
    pub fn keep_only(&mut self, is_there: impl Fn(AnnotationId) -> bool) {
        self.known.retain(|id, _| is_there(*id));
    }
}

fn measured(drawing: &Drawing, series: &Series, volume: &Volume, basis: &Basis) -> Measured {
    let verdict = series.verdict();
    let input = MeasureInput {
        time_point: basis.annotation.time_point.min(volume.time_points().saturating_sub(1)),
        ultrasound_regions: series.ultrasound_regions(),
        calibration: basis.calibration.as_deref(),
        is_acknowledged: basis.is_acknowledged,
        ..MeasureInput::new(volume, &series.spacing_source, &verdict)
    };
    measure(drawing, &input)
}

/// What stands beside a drawing: words, and the numbers that are read first.
fn short_lines(annotation: &Annotation, measured: Option<&Measured>) -> Vec<String> {
    let is_region = annotation.drawing.kind().is_region();
    lines_of(annotation, measured, |quantity| !is_region || quantity.name == QuantityName::Area)
}

/// All there is to say of a drawing, most important first.
pub(crate) fn label_lines(annotation: &Annotation, measured: Option<&Measured>) -> Vec<String> {
    lines_of(annotation, measured, |_| true)
}

fn lines_of(
    annotation: &Annotation,
    measured: Option<&Measured>,
    is_told: impl Fn(&Quantity) -> bool,
) -> Vec<String> {
    let mut lines = Vec::new();
    if !annotation.label.trim().is_empty() {
        lines.push(annotation.label.trim().to_owned());
    }
    let Some(measured) = measured else { return lines };
    let is_single = measured.quantities.len() == 1;
    for quantity in measured.quantities.iter().filter(|q| is_told(q)) {
        lines.push(if is_single { quantity.text() } else { named(quantity) });
    }
    match &measured.pixels {
        RegionPixels::Statistics(_) => {
            let all = measured.all_quantities();
            let find = |name| all.iter().find(|q| q.name == name);
            if let (Some(mean), Some(sd)) = (find(QuantityName::Mean), find(QuantityName::StandardDeviation))
            {
                lines.push(format!("Mean {} ± {}", mean.text(), number_alone(sd)));
            }
            if let (Some(min), Some(max)) = (find(QuantityName::Minimum), find(QuantityName::Maximum)) {
                lines.push(format!("Range {} to {}", number_alone(min), max.text()));
            }
        }
        RegionPixels::NoPixels => lines.push("No pixels".to_owned()),
        RegionPixels::Refused(_) | RegionPixels::NotARegion => {}
    }
    if matches!(measured.receipt.interpolation, Some(Interpolation::Trilinear { .. })) {
        lines.push("resampled".to_owned());
    }
    lines
}

fn named(quantity: &Quantity) -> String {
    format!("{} {}", quantity.name.name(), quantity.text())
}

/// The number without its unit.
fn number_alone(quantity: &Quantity) -> String {
    Quantity { unit: String::new(), ..quantity.clone() }.text()
}

/// Plane of a picture, for what is drawn on it.
fn drawing_plane(frame: &SliceFrame) -> Option<DrawingPlane> {
    DrawingPlane::new(frame.plane.center_lps, frame.plane.right, frame.plane.down).ok()
}

/// Annotations that this picture shows.
fn shown<'a>(
    frame: &'a SliceFrame,
    view: &'a SliceView,
    series: &'a Series,
    ctx: &'a ViewportContext<'_>,
) -> impl Iterator<Item = (AnnotationId, &'a Arc<Annotation>)> {
    let workspace = &ctx.document.workspace;
    let geometry = series.geometry();
    let all = workspace.annotations.iter().filter(|_| workspace.are_annotations_visible);
    all.filter(move |(_, a)| {
        let is_on = |geometry| a.is_on(&frame.plane, view.slab, geometry);
        a.series == series.key && a.is_visible && geometry.is_some_and(is_on)
    })
    .map(|(id, a)| (*id, a))
}

/// Lines of a drawing on screen.
fn lines(drawing: &Drawing, frame: &SliceFrame) -> Vec<Vec<Pos2>> {
    let outline = drawing.outline_lps(frame.mm_per_point() * FLATNESS);
    outline.into_iter().map(|line| line.into_iter().map(|lps| frame.pos(lps)).collect()).collect()
}

fn distance_to_segment(p: Pos2, a: Pos2, b: Pos2) -> f32 {
    let along = b - a;
    let share =
        if along == Vec2::ZERO { 0.0 } else { ((p - a).dot(along) / along.length_sq()).clamp(0.0, 1.0) };
    (a + along * share).distance(p)
}

fn is_near(lines: &[Vec<Pos2>], pos: Pos2, reach: f32) -> bool {
    lines.iter().any(|line| match line.as_slice() {
        [only] => only.distance(pos) <= reach,
        line => line.windows(2).any(|w| distance_to_segment(pos, w[0], w[1]) <= reach),
    })
}

/// What lies under the pointer: handles before lines, later drawings before earlier ones.
fn hit(
    pos: Pos2,
    frame: &SliceFrame,
    view: &SliceView,
    series: &Series,
    ctx: &ViewportContext<'_>,
) -> Option<(AnnotationId, Option<usize>)> {
    let mut found = None;
    for (id, annotation) in shown(frame, view, series, ctx) {
        let points = annotation.drawing.points_lps().iter().map(|lps| frame.pos(*lps).distance(pos));
        let nearest = points.enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
        match nearest.filter(|(_, distance)| *distance <= HANDLE_REACH) {
            Some((index, _)) => found = Some((id, Some(index))),
            None if matches!(found, Some((_, Some(_)))) => {}
            None => {
                if is_near(&lines(&annotation.drawing, frame), pos, LINE_REACH) {
                    found = Some((id, None));
                }
            }
        }
    }
    found
}

/// The pointer over a slice, as far as it is about drawings; true if nothing else is to use it.
pub(super) fn pointer(
    ui: &Ui,
    response: &Response,
    (frame, view): (&SliceFrame, &SliceView),
    (viewport, series): (&Viewport, &Series),
    ctx: &ViewportContext<'_>,
    state: &mut ViewportState,
) -> bool {
    let Some(pos) = response.interact_pointer_pos().or(response.hover_pos()) else { return false };
    let (is_pressed, is_down, is_released, modifiers) = ui.input(|i| {
        let p = &i.pointer;
        (p.primary_pressed(), p.primary_down(), p.primary_released(), i.modifiers)
    });
    let is_pressed = is_pressed && response.is_pointer_button_down_on();
    let at = frame.lps(pos);
    let is_plain = !modifiers.shift && !modifiers.command;
    let annotate = |command| ctx.queue.send(Command::Annotation(command));
    if let Some(held) = state.held.filter(|held| held.viewport == viewport.id) {
        ui.ctx().set_cursor_icon(CursorIcon::Grabbing);
        if !is_down {
            state.held = None;
        } else if response.drag_delta() != Vec2::ZERO {
            match held.grip {
                Grip::Point(index) => annotate(AnnotationCommand::MovePoint { id: held.id, index, lps: at }),
                Grip::Whole(from) => {
                    annotate(AnnotationCommand::Translate { id: held.id, by: at - from });
                    state.held = Some(Held { grip: Grip::Whole(at), ..held });
                }
            }
        }
        return true;
    }
    if let Some(draft) = ctx.document.draft.as_ref().filter(|draft| draft.viewport == viewport.id) {
        let send = |command| ctx.queue.send(Command::Draft(command));
        if !series.geometry().is_some_and(|g| draft.is_on(&frame.plane, view.slab, g)) {
            // It goes on where it was begun.
            ui.ctx().set_cursor_icon(CursorIcon::NotAllowed);
            return true;
        }
        ui.ctx().set_cursor_icon(CursorIcon::Crosshair);
        let travel = frame.pos(draft.latest()).distance(pos);
        if response.double_clicked() && draft.is_open_ended() {
            annotate(AnnotationCommand::Finish);
        } else if is_pressed && is_plain {
            let closes = draft.kind.is_closed()
                && draft.count() >= draft.kind.points().min
                && frame.pos(draft.start()).distance(pos) <= HANDLE_REACH;
            if closes {
                annotate(AnnotationCommand::Finish);
            } else {
                send(DraftCommand::Set(at));
            }
        } else if is_released && draft.kind == DrawingKind::Freehand {
            annotate(AnnotationCommand::Finish);
        } else if is_released && is_plain && travel > CLICK_TRAVEL {
            send(DraftCommand::Set(at));
        } else if ui.input(|i| i.pointer.is_moving()) {
            send(DraftCommand::Point(at));
        }
        return is_plain
            && !response.dragged_by(egui::PointerButton::Middle)
            && !response.dragged_by(egui::PointerButton::Secondary);
    }
    let under = hit(pos, frame, view, series, ctx).filter(|_| is_plain);
    if let Some((id, index)) = under {
        let is_locked = ctx.document.workspace.annotations.get(&id).is_some_and(|a| a.is_locked);
        if !is_locked {
            let icon = if index.is_some() { CursorIcon::Grab } else { CursorIcon::Move };
            ui.ctx().set_cursor_icon(icon);
        }
        if is_pressed {
            annotate(AnnotationCommand::Select(Some(id)));
            if is_locked {
                return false;
            }
            let grip = index.map_or(Grip::Whole(at), Grip::Point);
            state.held = Some(Held { viewport: viewport.id, id, grip });
            return true;
        }
        return false;
    }
    if let Tool::Draw(kind) = ctx.document.tool {
        if response.hovered() {
            ui.ctx().set_cursor_icon(CursorIcon::Crosshair);
        }
        if is_pressed && is_plain {
            if let Some(plane) = drawing_plane(frame) {
                let begin = DraftCommand::Begin { viewport: viewport.id, kind, plane, at };
                ctx.queue.send(Command::Draft(begin));
            }
            return true;
        }
    } else if is_pressed && ctx.document.selected.is_some() {
        annotate(AnnotationCommand::Select(None));
    }
    false
}

/// Draws all annotations of a picture, and the one in the making.
pub(super) fn annotations_ui(
    ui: &Ui,
    painter: &Painter,
    (frame, view): (&SliceFrame, &SliceView),
    (viewport, series): (&Viewport, &Series),
    hover: Option<Pos2>,
    ctx: &ViewportContext<'_>,
    state: &mut ViewportState,
) {
    let mut taken: Vec<Rect> = Vec::new();
    let under = hover.and_then(|pos| hit(pos, frame, view, series, ctx)).map(|(id, _)| id);
    let drawn: Vec<_> = shown(frame, view, series, ctx).map(|(id, a)| (id, Arc::clone(a))).collect();
    let mut told = None;
    for (id, annotation) in drawn {
        let is_selected = ctx.document.selected == Some(id);
        let color = if is_selected { theme::ACCENT } else { theme::MARK };
        let lines = lines(&annotation.drawing, frame);
        lines_ui(painter, &annotation.drawing, &lines, color);
        if (is_selected || under == Some(id)) && !annotation.is_locked {
            for lps in annotation.drawing.points_lps() {
                handle_ui(painter, frame.pos(*lps), color);
            }
        }
        let numbers = state.numbers.of(id, ctx.document);
        let text = short_lines(&annotation, numbers.as_deref());
        let text_color = if is_selected { theme::TEXT } else { theme::MARK };
        let rect = label_ui(painter, frame.rect, &lines, &text, text_color, &mut taken);
        let label = format!("{}: {}", annotation.drawing.kind().name(), text.join(", "));
        let is_pointed_at = under == Some(id) || hover.is_some_and(|pos| rect.contains(pos));
        if is_pointed_at && let Some(numbers) = numbers {
            told = Some((annotation, numbers));
        }
        ui.interact(rect, ui.scope_id().with(("annotation", viewport.id, id)), egui::Sense::hover())
            .widget_info(|| egui::WidgetInfo::labeled(egui::accesskit::Role::Label, true, &label));
    }
    let is_on = |draft: &&Draft| {
        let shows = |geometry| draft.is_on(&frame.plane, view.slab, geometry);
        draft.viewport == viewport.id && draft.series == series.key && series.geometry().is_some_and(shows)
    };
    if let Some(draft) = ctx.document.draft.as_ref().filter(is_on) {
        match draft.preview() {
            Some(drawing) => {
                let lines = lines(&drawing, frame);
                lines_ui(painter, &drawing, &lines, theme::ACCENT);
                if let Some(volume) = series.loaded().map(|l| &l.volume) {
                    let annotation = Arc::new(Annotation::new(series.key, drawing));
                    let basis = Basis {
                        volume: volume.id(),
                        is_acknowledged: ctx.document.workspace.acknowledged.contains(&series.key),
                        calibration: ctx.document.workspace.calibrations.get(&series.key).cloned(),
                        annotation: Arc::clone(&annotation),
                    };
                    let measured = measured(&annotation.drawing, series, volume, &basis);
                    let text = short_lines(&annotation, Some(&measured));
                    label_ui(painter, frame.rect, &lines, &text, theme::TEXT, &mut taken);
                }
            }
            None => {
                let path: Vec<Pos2> = draft.path().into_iter().map(|lps| frame.pos(lps)).collect();
                line_ui(painter, &path, theme::ACCENT);
            }
        }
    }
    if let Some((annotation, numbers)) = told.filter(|_| state.held.is_none()) {
        receipt_ui(ui, viewport.id, &annotation, &numbers);
    }
}

fn line_ui(painter: &Painter, line: &[Pos2], color: Color32) {
    painter.add(Shape::line(line.to_vec(), Stroke::new(3.0, theme::HALO)));
    painter.add(Shape::line(line.to_vec(), Stroke::new(1.5, color)));
}

fn lines_ui(painter: &Painter, drawing: &Drawing, lines: &[Vec<Pos2>], color: Color32) {
    for line in lines {
        match line.as_slice() {
            [only] => cross_ui(painter, *only, color),
            line => line_ui(painter, line, color),
        }
    }
    if let (DrawingKind::Arrow, Some([tip, end])) = (drawing.kind(), lines.first().map(Vec::as_slice)) {
        let back = (*end - *tip).normalized() * 10.0;
        for side in [-0.45, 0.45] {
            let wing = egui::emath::Rot2::from_angle(side) * back;
            line_ui(painter, &[*tip, *tip + wing], color);
        }
    }
    // Ends of lines, so that one sees where exactly they were set.
    if matches!(drawing.kind(), DrawingKind::Length | DrawingKind::Bidirectional) {
        for line in lines {
            if let [a, b] = line.as_slice() {
                let along = (*b - *a).normalized();
                let across = vec2(-along.y, along.x) * 5.0;
                for end in [*a, *b] {
                    line_ui(painter, &[end - across, end + across], color);
                }
            }
        }
    }
}

fn cross_ui(painter: &Painter, pos: Pos2, color: Color32) {
    for arm in [vec2(6.0, 0.0), vec2(0.0, 6.0)] {
        line_ui(painter, &[pos - arm, pos - arm * 0.3], color);
        line_ui(painter, &[pos + arm * 0.3, pos + arm], color);
    }
}

fn handle_ui(painter: &Painter, pos: Pos2, color: Color32) {
    painter.circle(pos, 4.0, theme::HALO, Stroke::new(1.5, color));
}

/// Writes a label beside a drawing, where no other label is; a thin line leads to it from afar.
fn label_ui(
    painter: &Painter,
    area: Rect,
    lines: &[Vec<Pos2>],
    text: &[String],
    color: Color32,
    taken: &mut Vec<Rect>,
) -> Rect {
    let points = || lines.iter().flatten().copied();
    let Some(rightmost) = points().max_by(|a, b| a.x.total_cmp(&b.x)) else { return Rect::NOTHING };
    if text.is_empty() {
        return Rect::NOTHING;
    }
    let font = FontId::proportional(theme::size::SMALL);
    let width = text
        .iter()
        .map(|line| painter.layout_no_wrap(line.clone(), font.clone(), color).size().x)
        .fold(0.0, f32::max);
    let size = vec2(width, LINE_HEIGHT * text.len() as f32);
    let place = free_place(area, rightmost, size, taken);
    if let Some(near) =
        points().min_by(|a, b| place.distance_to_pos(*a).total_cmp(&place.distance_to_pos(*b)))
        && place.distance_to_pos(near) > LABEL_GAP * 2.0
    {
        let from = place.clamp(near);
        painter.extend(Shape::dashed_line(
            &[from, near],
            Stroke::new(1.0, color.gamma_multiply(0.6)),
            3.0,
            3.0,
        ));
    }
    for (i, line) in text.iter().enumerate() {
        let pos = place.min + vec2(0.0, i as f32 * LINE_HEIGHT);
        super::overlay::halo_text(painter, pos, Align2::LEFT_TOP, line, color, f32::INFINITY);
    }
    taken.push(place);
    place
}

/// The first of some places around a point that lies within the picture and over no other label.
fn free_place(area: Rect, at: Pos2, size: Vec2, taken: &[Rect]) -> Rect {
    let inner = area.shrink(4.0);
    let sideways = [LABEL_GAP, -LABEL_GAP - size.x];
    let steps = (0..12).flat_map(|i| {
        let down = (i as f32 / 2.0).ceil() * (size.y * 0.5 + 2.0);
        let down = if i % 2 == 0 { down } else { -down };
        sideways.map(|x| Rect::from_min_size(at + vec2(x, down - size.y / 2.0), size))
    });
    let is_free = |rect: &Rect| inner.contains_rect(*rect) && taken.iter().all(|t| !t.intersects(*rect));
    steps.clone().find(is_free).unwrap_or_else(|| {
        // There is no free place: rather over another label than out of the picture.
        let beside = Rect::from_min_size(at + vec2(LABEL_GAP, -size.y / 2.0), size);
        let min = inner.min.max((inner.max - size).min(beside.min));
        Rect::from_min_size(min, size)
    })
}

/// What the numbers rest on, beside the pointer.
fn receipt_ui(ui: &Ui, viewport: ViewportId, annotation: &Annotation, measured: &Measured) {
    let layer = ui.layer_id();
    let id = ui.scope_id().with(("receipt", viewport));
    egui::Tooltip::always_open(ui.ctx().clone(), layer, id, egui::PopupAnchor::Pointer).gap(16.0).show(
        |ui| {
            ui.set_max_width(360.0);
            ui.label(theme::semibold(annotation.drawing.kind().name()));
            for quantity in measured.all_quantities() {
                let more = quantity.plus_minus.map(|p| format!("  ± {}", crate::text::number(p, 1)));
                ui.label(format!("{}{}", named(&quantity), more.unwrap_or_default()));
            }
            ui.separator();
            for line in measured.receipt.lines() {
                ui.label(egui::RichText::new(line).size(theme::size::SMALL).color(theme::TEXT_QUIET));
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::pos2;

    #[test]
    fn labels_avoid_each_other_and_stay_in_the_picture() {
        let area = Rect::from_min_size(pos2(0.0, 0.0), vec2(400.0, 300.0));
        let mut taken = Vec::new();
        for _ in 0..6 {
            let place = free_place(area, pos2(200.0, 150.0), vec2(80.0, 30.0), &taken);
            assert!(area.contains_rect(place));
            assert!(taken.iter().all(|t: &Rect| !t.intersects(place)), "{place:?} over {taken:?}");
            taken.push(place);
        }
        let corner = free_place(area, pos2(395.0, 299.0), vec2(80.0, 30.0), &[]);
        assert!(area.contains_rect(corner), "{corner:?}");
    }

    #[test]
    fn pointer_is_near_a_line_and_not_near_its_extension() {
        let line = vec![vec![pos2(0.0, 0.0), pos2(10.0, 0.0)]];
        assert!(is_near(&line, pos2(5.0, 4.0), 6.0));
        assert!(!is_near(&line, pos2(20.0, 0.0), 6.0));
        assert!(is_near(&[vec![pos2(3.0, 3.0)]], pos2(5.0, 3.0), 6.0), "a probe is a point");
    }
}
