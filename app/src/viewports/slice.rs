//! One slice viewport: its picture, what is written over it, and its pointer.

use egui::{Align2, Rect, Sense, Ui, Vec2, WidgetInfo, vec2};
use glam::DVec3;
use imaging::geometry::{AnatomicalPlane, Geometry, orientation_letters};
use render_core::scene::{SlabMode, SlicePlane};

use super::gestures::{SliceFrame, slice_gestures};
use super::{ViewportContext, ViewportState, annotations, cube, overlay, picture_ui, probe, states};
use crate::command::Action;
use crate::document::{Display, Document, Lengths, Placement, Series, SliceView, Viewport};
use crate::gpu_bridge::{Caption, SceneKey};
use crate::text;
use crate::theme;

/// Draws a slice viewport.
pub(super) fn slice_ui(
    ui: &mut Ui,
    rect: Rect,
    viewport: &Viewport,
    view: &SliceView,
    ctx: &ViewportContext<'_>,
    state: &mut ViewportState,
) {
    let id = ui.scope_id().with(("viewport", viewport.id));
    let response = ui.interact(rect, id, Sense::click_and_drag());
    let series = viewport.series.and_then(|key| ctx.document.series(key));
    let label = series.map_or_else(
        || format!("{} view: empty", viewport.name()),
        |series| description(viewport, view, series, ctx),
    );
    response.widget_info(|| WidgetInfo::labeled(egui::accesskit::Role::Image, true, &label));
    context_menu(&response, ctx);
    let Some(series) = series else {
        states::state_ui(ui, rect, viewport, None, ctx);
        return;
    };
    let place = picture_ui(ui, rect, viewport, series.key, ctx.pictures);
    let has_picture = place.is_some();
    let is_waiting = !has_picture || matches!(series.volume, crate::tasks::Task::Failed { .. });
    if is_waiting {
        states::state_ui(ui, rect, viewport, Some(series), ctx);
    }
    // Everything that is read off or written over the picture goes by the picture, which may be a little late.
    let shown = shown_slice(viewport, series, ctx);
    let view = shown.map_or(view, |(caption, ..)| &caption.view);
    let frame = match (place, shown) {
        (Some(rect), Some((_, plane, size_px))) => Some(SliceFrame { rect, plane, size_px }),
        _ => slice_frame(rect, viewport, view, series, ctx, state),
    };
    if let Some(frame) = &frame {
        let is_drawing = annotations::pointer(ui, &response, (frame, view), (viewport, series), ctx, state);
        slice_gestures(ui, &response, frame, (viewport.id, series.key), (ctx, is_drawing), state);
        if let (Some(pos), Some(volume)) = (response.hover_pos(), series.best_volume()) {
            let mut probed = probe(volume, frame.lps(pos), ctx.document.lengths(series));
            if view.slab.thickness_mm > 0.0 {
                // The picture shows the slab's combination; the number is of one voxel, and says so.
                probed.value = probed.value.map(|value| format!("{value} (mid-plane)"));
            }
            probed.over = over_at(ctx.document, series, frame.lps(pos));
            probed.regions = regions_at(ctx.document, series, frame.lps(pos));
            state.probe = Some(probed);
        }
    }
    let painter = ui.painter_at(rect);
    if let (Some(frame), true) = (&frame, has_picture) {
        reference_lines(&painter, frame, viewport, series, ctx);
        // Under the letters, which nothing may hide.
        cube::inset_ui(ui, rect, viewport, series.key, ctx);
        let hover = response.hover_pos();
        annotations::annotations_ui(ui, &painter, (frame, view), (viewport, series), hover, ctx, state);
        legend_ui(&painter, rect, series, ctx);
        let letters = letters(view);
        overlay::orientation_letters(&painter, rect, &letters);
        if rect.width() > 180.0 && rect.height() > 120.0 {
            overlay::scale_bar(&painter, rect, frame.mm_per_point(), &ctx.document.lengths(series));
        }
    }
    if let Some(display) = ctx.document.workspace.displays.get(&series.key) {
        corners(&painter, rect, viewport, view, series, (display, frame.as_ref()), ctx);
    }
    states::progress_ui(ui, rect, series);
}

/// Strips of the colours in use, with the values at their ends.
fn legend_ui(painter: &egui::Painter, rect: Rect, series: &Series, ctx: &ViewportContext<'_>) {
    let workspace = &ctx.document.workspace;
    let own = workspace.displays.get(&series.key).filter(|_| series.channels == 1);
    let own = own.and_then(|display| Some((series, display, display.color_map.as_deref()?)));
    let over = workspace.fusions.get(&series.key).and_then(|fusion| {
        let series = ctx.document.series(fusion.over)?;
        Some((series, workspace.displays.get(&fusion.over)?, &*fusion.color_map))
    });
    for ((series, display, map), place) in own.into_iter().chain(over).zip(0u8..) {
        let unit = series.unit.symbol().unwrap_or_default();
        overlay::color_legend(painter, rect, place, map, &display.grey(), unit);
    }
}

/// Value of what is laid over a series at a place, with its own unit.
fn over_at(document: &Document, series: &Series, lps: DVec3) -> Option<String> {
    let over = document.series(document.workspace.fusions.get(&series.key)?.over)?;
    let value = probe(&over.loaded()?.volume, lps, Lengths::Withheld).value?;
    Some(format!("{} {value}", over.attributes.modality))
}

/// Names of the regions that are shown at a place, LPS in mm.
fn regions_at(document: &Document, series: &Series, lps: DVec3) -> Vec<String> {
    let mut names = Vec::new();
    for masks in document.masks_of(series.key) {
        let Some(look) = document.workspace.mask_looks.get(&masks.key).filter(|look| look.is_visible) else {
            continue;
        };
        let labels = masks.maps.iter().map(|map| map.label_at_lps(lps)).filter(|label| *label != 0);
        for label in labels.filter(|label| !look.hidden.contains(label)) {
            names.extend(masks.regions.iter().filter(|r| r.label == label).map(|r| r.name.clone()));
        }
    }
    names.dedup();
    names
}

/// What the picture on screen shows.
fn shown_slice<'a>(
    viewport: &Viewport,
    series: &Series,
    ctx: &'a ViewportContext<'_>,
) -> Option<(&'a Caption, SlicePlane, [u32; 2])> {
    let shown = ctx.pictures.shown(viewport.id, series.key)?;
    match (&shown.key, &shown.caption) {
        (SceneKey::Slice { plane, size_px, .. }, Some(caption)) => Some((caption, *plane, *size_px)),
        _ => None,
    }
}

/// The crosshair that the picture on screen was cut through, else the current one.
fn shown_cursor(viewport: &Viewport, series: &Series, ctx: &ViewportContext<'_>) -> Option<DVec3> {
    let shown = shown_slice(viewport, series, ctx).map(|(caption, ..)| caption.cursor_lps);
    shown.or_else(|| ctx.document.cursor(series.key))
}

/// Letters at the left, top, right and bottom edge, from the axes of the screen as they are now.
pub(super) fn letters(view: &SliceView) -> [String; 4] {
    [-view.right, -view.down, view.right, view.down].map(orientation_letters)
}

fn slice_frame(
    rect: Rect,
    viewport: &Viewport,
    view: &SliceView,
    series: &Series,
    ctx: &ViewportContext<'_>,
    state: &ViewportState,
) -> Option<SliceFrame> {
    let geometry = series.geometry().filter(|_| viewport.placement != Placement::None)?;
    let size_px = *state.sizes_px.get(&viewport.id)?;
    let plane = view.slice_plane(geometry, ctx.document.cursor(series.key)?, size_px);
    Some(SliceFrame { rect, plane, size_px })
}

/// What a screen reader says, and what tests find: plane, letters, position, window.
fn description(viewport: &Viewport, view: &SliceView, series: &Series, ctx: &ViewportContext<'_>) -> String {
    let view = shown_slice(viewport, series, ctx).map_or(view, |(caption, ..)| &caption.view);
    let [left, top, right, bottom] = letters(view);
    let mut text =
        format!("{} view: left {left}, top {top}, right {right}, bottom {bottom}", viewport.name());
    if let Some(position) = position_text(viewport, view, series, ctx) {
        text.push_str(", ");
        text.push_str(&position);
    }
    if let Some(display) = ctx.document.workspace.displays.get(&series.key) {
        text.push_str(", ");
        text.push_str(&window_text(display));
        if let Some(badge) = color_badge(series, display) {
            text.push_str(&format!(", {badge}"));
        }
    }
    if ctx.document.workspace.is_neurological {
        text.push_str(", NEURO");
    }
    text
}

/// Says that a colour profile decides what is shown, or would if it were not switched off.
fn color_badge(series: &Series, display: &Display) -> Option<&'static str> {
    series.has_color_profile().then_some(if display.is_color_managed { "ICC" } else { "ICC off" })
}

/// `Im 61/133 · z −132.5`, with the instance number where it differs.
fn position_text(
    viewport: &Viewport,
    view: &SliceView,
    series: &Series,
    ctx: &ViewportContext<'_>,
) -> Option<String> {
    let geometry = series.loaded()?.volume.geometry();
    let cursor = shown_cursor(viewport, series, ctx)?;
    let position = view.position(geometry, cursor, series.stack_order()?);
    let mut text = format!("Im {}/{}", position.number, position.count);
    let instance = position.stack_index.and_then(|k| series.instance_numbers.get(k).copied().flatten());
    if let Some(instance) = instance.filter(|n| *n != position.number as i64) {
        text.push_str(&format!(" (no. {})", text::minus(instance.to_string())));
    }
    let through = view.through(geometry, cursor);
    let normal = view.normal().abs();
    let largest = normal.max_element();
    if ctx.document.lengths(series) == Lengths::Withheld {
        text.push_str(" · mm withheld");
    } else if largest > 0.999 {
        let (name, value) = if largest == normal.z {
            ("z", through.z)
        } else if largest == normal.y {
            ("y", through.y)
        } else {
            ("x", through.x)
        };
        text.push_str(&format!(" · {name} {}", text::number(value, 1)));
    } else {
        let tilt = largest.clamp(0.0, 1.0).acos().to_degrees();
        text.push_str(&format!(" · oblique {tilt:.0}°"));
    }
    Some(text)
}

/// `C 40 W 400`, with as many decimals as the width deserves.
pub(super) fn window_text(display: &Display) -> String {
    let w = display.window;
    let decimals = match w.width {
        width if width >= 50.0 => 0,
        width if width >= 5.0 => 1,
        width if width >= 0.5 => 2,
        _ => 4,
    };
    // A file's nameless windows are numbered by the reader; the number says nothing here.
    let is_telling = |n: &&str| !n.is_empty() && !n.starts_with("Window ");
    let name = display.window_name.as_deref().filter(is_telling).map(|n| format!("  {n}"));
    let inverted = if display.is_inverted { "  inverted" } else { "" };
    let (c, width) = (text::number(w.center, decimals), text::number(w.width, decimals));
    format!("C {c}  W {width}{}{inverted}", name.unwrap_or_default())
}

fn reference_lines(
    painter: &egui::Painter,
    frame: &SliceFrame,
    viewport: &Viewport,
    series: &Series,
    ctx: &ViewportContext<'_>,
) {
    let (Some(loaded), Some(cursor)) = (series.loaded(), ctx.document.cursor(series.key)) else { return };
    if !series.is_volume() {
        return;
    }
    let geometry = loaded.volume.geometry();
    // Planes of what is maximised away are still cut there.
    for id in ctx.document.workspace.layout.arrangement.viewports() {
        let other = ctx.document.workspace.viewport(id);
        let Some(plane) = other.slice().filter(|_| other.id != viewport.id) else { continue };
        let Some((geometry, cursor)) = other_cut(other, series, (geometry, cursor), ctx) else { continue };
        let along = frame.plane.normal().cross(plane.normal());
        if along.length() < 0.05 {
            continue;
        }
        let direction = vec2(along.dot(frame.plane.right) as f32, along.dot(frame.plane.down) as f32);
        let middle = frame.pos(plane.through(geometry, cursor));
        overlay::reference_line(
            painter,
            frame.rect,
            middle,
            upwards_last(direction.normalized()),
            plane.plane,
        );
    }
}

/// Grid and crosshair of what another viewport shows, if it lies in the same space as `series`.
fn other_cut<'a>(
    other: &Viewport,
    series: &Series,
    own: (&'a Geometry, DVec3),
    ctx: &'a ViewportContext<'_>,
) -> Option<(&'a Geometry, DVec3)> {
    let key = other.series?;
    if key == series.key {
        return Some(own);
    }
    let shown = ctx.document.series(key).filter(|s| s.shares_space_with(series))?;
    Some((shown.geometry()?, ctx.document.cursor(key)?))
}

/// Points right or down, so that a line's tag is always at the same end.
fn upwards_last(v: Vec2) -> Vec2 {
    let is_backwards = if v.x.abs() > v.y.abs() { v.x < 0.0 } else { v.y > 0.0 };
    if is_backwards { -v } else { v }
}

fn corners(
    painter: &egui::Painter,
    rect: Rect,
    viewport: &Viewport,
    view: &SliceView,
    series: &Series,
    (display, frame): (&Display, Option<&SliceFrame>),
    ctx: &ViewportContext<'_>,
) {
    let a = &series.attributes;
    let mut top_left = overlay::Corner::new();
    let is_oblique = series.geometry().is_some_and(|g| view.is_tilted(g));
    let name = if is_oblique { format!("{} oblique", viewport.name()) } else { viewport.name().to_owned() };
    top_left.colored(name, theme::plane(view.plane), 0);
    if ctx.document.workspace.is_neurological && view.plane != AnatomicalPlane::Sagittal {
        top_left.colored("NEURO", theme::WARNING, 0);
    }
    top_left.line(text::patient_name(&a.patient_name), 0).line(&a.patient_id, 0);
    if !ctx.document.is_overlay_visible {
        top_left.draw(painter, rect, Align2::LEFT_TOP);
        return;
    }
    top_left.line(text::sex_and_age(&a.patient_sex, &a.patient_age), 4);
    if !a.accession_number.trim().is_empty() {
        top_left.line(format!("Acc {}", a.accession_number.trim()), 6);
    }
    top_left.draw(painter, rect, Align2::LEFT_TOP);

    let mut top_right = overlay::Corner::new();
    top_right
        .line(text::study_date(&a.study_date), 2)
        .line(a.study_description.trim(), 4)
        .line(series.title(), 1)
        .line(a.institution.trim(), 6);
    top_right.draw(painter, rect, Align2::RIGHT_TOP);

    let mut bottom_left = overlay::Corner::new();
    if view.slab.thickness_mm > 0.0 {
        let mode = match view.slab.mode {
            SlabMode::Mean => "mean",
            SlabMode::Max => "MIP",
            SlabMode::Min => "MinIP",
        };
        bottom_left.line(format!("Slab {} {mode}", text::mm(view.slab.thickness_mm)), 2);
    }
    bottom_left.line(position_text(viewport, view, series, ctx).unwrap_or_default(), 0);
    if series.channels == 1 {
        bottom_left.line(window_text(display), 1);
    }
    bottom_left.draw(painter, rect, Align2::LEFT_BOTTOM);

    let mut bottom_right = overlay::Corner::new();
    bottom_right.line(color_badge(series, display).unwrap_or_default(), 1);
    if !a.kvp.trim().is_empty() {
        bottom_right.line(format!("{} kV", text::minus(trimmed_number(&a.kvp))), 5);
    }
    if !a.tube_current_ma.trim().is_empty() {
        bottom_right.line(format!("{} mA", trimmed_number(&a.tube_current_ma)), 6);
    }
    if !a.repetition_time_ms.trim().is_empty() && !a.echo_time_ms.trim().is_empty() {
        let (tr, te) = (trimmed_number(&a.repetition_time_ms), trimmed_number(&a.echo_time_ms));
        bottom_right.line(format!("TR {tr}  TE {te} ms"), 5);
    }
    if let Some(thickness) = a.slice_thickness_mm {
        bottom_right.line(format!("Slice {}", text::mm(thickness)), 3);
    }
    if let (Some(frame), Some(geometry)) = (frame, series.geometry()) {
        let spacing = geometry.spacing_mm().min_element();
        let percent = spacing / frame.plane.mm_per_px * 100.0;
        bottom_right.line(format!("Zoom {percent:.0} %"), 2);
    }
    bottom_right.draw(painter, rect, Align2::RIGHT_BOTTOM);
}

/// A decimal string of the file without needless zeros.
fn trimmed_number(text: &str) -> String {
    text.trim()
        .parse::<f64>()
        .map_or_else(|_| text.trim().to_owned(), |v| format!("{}", (v * 100.0).round() / 100.0))
}

fn context_menu(response: &egui::Response, ctx: &ViewportContext<'_>) {
    response.context_menu(|ui| {
        let groups: [&[Action]; 3] = [
            &[Action::WindowAuto, Action::WindowReset, Action::Invert],
            &[
                Action::ZoomFit,
                Action::RotateLeft,
                Action::RotateRight,
                Action::FlipHorizontal,
                Action::FlipVertical,
                Action::ResetView,
            ],
            &[Action::AcquiredPlanes, Action::PatientPlanes, Action::ToggleMaximised],
        ];
        for (i, group) in groups.into_iter().enumerate() {
            if i > 0 {
                ui.separator();
            }
            for action in group {
                crate::widgets::menu_action(ui, *action, ctx.document, ctx.keymap, ctx.queue);
            }
        }
    });
}
