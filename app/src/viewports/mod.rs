//! The pictures: viewports as the layout has them, or one of them alone.

pub(crate) mod annotations;
mod cube;
mod gestures;
mod overlay;
mod scenes;
mod slice;
mod states;
mod volume;

use std::collections::BTreeMap;

use egui::emath::GuiRounding as _;
use egui::{CursorIcon, Rect, Sense, Ui, pos2, vec2};
use glam::DVec3;
use imaging::volume::Volume;

use crate::command::{AppCommand, Command, CommandQueue, KeyMap, SeriesCommand};
use crate::document::{Arrangement, Document, Lengths, SeriesKey, View, Viewport, ViewportId};
use crate::gpu_bridge::Pictures;
use crate::settings::Settings;
use crate::theme;

pub(crate) use scenes::interpolation_name;
pub use scenes::wanted_scenes;

/// What drawing a viewport may look at.
pub struct ViewportContext<'a> {
    /// What is open.
    pub document: &'a Document,
    /// Where changes are sent.
    pub queue: &'a CommandQueue,
    /// Finished pictures.
    pub pictures: &'a Pictures,
    /// Preferences.
    pub settings: &'a Settings,
    /// For key hints in context menus.
    pub keymap: &'a KeyMap,
}

/// The voxel under the pointer.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// Where, LPS in mm.
    pub lps: DVec3,
    /// How positions are to be shown.
    pub lengths: Lengths,
    /// Modality value with unit; `None` outside the volume.
    pub value: Option<String>,
    /// Value of the series laid over it there, with its own unit.
    pub over: Option<String>,
    /// Names of the regions that are shown there.
    pub regions: Vec<String>,
}

/// What the viewports remember between frames.
#[derive(Debug, Default)]
pub struct ViewportState {
    /// Size of each visible viewport in device pixels.
    pub sizes_px: BTreeMap<ViewportId, [u32; 2]>,
    /// Place of each visible viewport in points.
    pub rects: BTreeMap<ViewportId, Rect>,
    /// Under the pointer in this frame.
    pub probe: Option<Probe>,
    /// Parts of a slice left over from scrolling on a trackpad.
    wheel_rest: f64,
    /// Parts of a slice left over from dragging with the scroll tool.
    drag_rest: f64,
    /// Whether a second finger came down since the screen was last free.
    is_multi_touch: bool,
    /// The annotation in the hand.
    held: Option<annotations::Held>,
    /// Numbers of annotations.
    pub numbers: annotations::Numbers,
    /// Whether the volume is being turned, so that frames come fast rather than fine.
    pub is_volume_moving: bool,
}

/// Gap between viewports in points; also the handle that is dragged.
const GAP: f32 = 4.0;

/// Draws all visible viewports into the rest of `ui`.
pub fn grid_ui(ui: &mut Ui, ctx: &ViewportContext<'_>, state: &mut ViewportState) {
    let area = ui.available_rect_before_wrap();
    state.sizes_px.clear();
    state.rects.clear();
    state.probe = None;
    // On whole pixels of the screen: a picture between them would be sampled a second time, and blurred.
    let scale = ui.ctx().pixels_per_point();
    let workspace = &ctx.document.workspace;
    match workspace.layout.maximised {
        Some(id) => viewport_ui(ui, area.round_to_pixels(scale), workspace.viewport(id), ctx, state),
        None => {
            let arrangement = workspace.layout.arrangement;
            let rects = rects(area, arrangement, ctx.settings.split);
            for (id, rect) in arrangement.viewports().into_iter().zip(rects) {
                viewport_ui(ui, rect.round_to_pixels(scale), workspace.viewport(id), ctx, state);
            }
            splitter_ui(ui, area, arrangement, ctx);
        }
    }
    ui.advance_cursor_after_rect(area);
}

/// Where the viewports of an arrangement lie, on whole points, with a gap between them.
fn rects(area: Rect, arrangement: Arrangement, split: [f32; 2]) -> Vec<Rect> {
    // Each line between viewports lies in the middle of a gap; the outer edges have none.
    let edge = |share: f32, from: f32, length: f32, is_start: bool| {
        if share <= 0.0 || share >= 1.0 {
            return from + length * share;
        }
        let start = (from + (length + GAP) * share - GAP).round();
        if is_start { start + GAP } else { start }
    };
    let cells = arrangement.cells(split).into_iter();
    cells
        .map(|[left, top, right, bottom]| {
            Rect::from_min_max(
                pos2(edge(left, area.left(), area.width(), true), edge(top, area.top(), area.height(), true)),
                pos2(
                    edge(right, area.left(), area.width(), false),
                    edge(bottom, area.top(), area.height(), false),
                ),
            )
        })
        .collect()
}

fn splitter_ui(ui: &Ui, area: Rect, arrangement: Arrangement, ctx: &ViewportContext<'_>) {
    let [has_x, has_y] = arrangement.has_split();
    let rects = rects(area, arrangement, ctx.settings.split);
    let (Some(first), Some(last)) = (rects.first(), rects.last()) else { return };
    let (x, y) = (first.right(), last.top() - GAP);
    // Where one viewport has the whole height, the line between the others starts beside it.
    let horizontal_from = if arrangement == Arrangement::FourUp { area.left() } else { x };
    let cross = Rect::from_min_size(pos2(x, y), vec2(GAP, GAP)).expand(2.0);
    let vertical = Rect::from_x_y_ranges(x..=x + GAP, area.y_range());
    let horizontal = Rect::from_x_y_ranges(horizontal_from..=area.right(), y..=y + GAP);
    let handles = [
        (has_x, "left and right", vertical, CursorIcon::ResizeHorizontal, [true, false]),
        (has_y, "top and bottom", horizontal, CursorIcon::ResizeVertical, [false, true]),
        (has_x && has_y, "all of them", cross, CursorIcon::Move, [true, true]),
    ];
    for (_, name, rect, cursor, moves) in handles.into_iter().filter(|(exists, ..)| *exists) {
        let response = ui.interact(rect, ui.scope_id().with(("split", name)), Sense::click_and_drag());
        let response = response.on_hover_cursor(cursor);
        response.widget_info(|| {
            egui::WidgetInfo::labeled(
                egui::accesskit::Role::Splitter,
                true,
                format!("Divider between {name}"),
            )
        });
        if response.hovered() || response.dragged() {
            ui.painter().rect_filled(rect, 0.0, theme::LINE);
        }
        let mut split = ctx.settings.split;
        if response.double_clicked() {
            split = [0.5; 2];
        } else if let (true, Some(p)) = (response.dragged(), response.interact_pointer_pos()) {
            let wanted = [
                (p.x + GAP / 2.0 - area.left()) / (area.width() + GAP),
                (p.y + GAP / 2.0 - area.top()) / (area.height() + GAP),
            ];
            for ((s, w), moves) in split.iter_mut().zip(wanted).zip(moves) {
                if moves {
                    *s = w.clamp(0.15, 0.85);
                }
            }
        }
        if split != ctx.settings.split {
            ctx.queue.send(Command::App(AppCommand::SetSplit(split)));
        }
    }
}

fn viewport_ui(
    ui: &mut Ui,
    rect: Rect,
    viewport: &Viewport,
    ctx: &ViewportContext<'_>,
    state: &mut ViewportState,
) {
    if rect.width() < 8.0 || rect.height() < 8.0 {
        return;
    }
    let scale = ui.ctx().pixels_per_point();
    let size_px = [rect.width(), rect.height()].map(|points| ((points * scale).round() as u32).max(1));
    state.sizes_px.insert(viewport.id, size_px);
    state.rects.insert(viewport.id, rect);
    let painter = ui.painter_at(rect);
    let is_covered = viewport.series.is_some_and(|series| {
        let shown = ctx.pictures.shown(viewport.id, series).map(|shown| shown.key.size_px());
        shown == Some(size_px) && ctx.pictures.has_picture(viewport.id, series, false)
    });
    if !is_covered {
        painter.rect_filled(rect, 0.0, theme::PIXELS);
    }
    match &viewport.view {
        View::Slice(view) => slice::slice_ui(ui, rect, viewport, view, ctx, state),
        View::Volume(view) => volume::volume_ui(ui, rect, viewport, view, ctx, state),
    }
    drop_ui(ui, rect, viewport, ctx);
    let is_alone = ctx.document.workspace.layout.visible().len() == 1;
    if ctx.document.active == viewport.id && !is_alone {
        let stroke = egui::Stroke::new(1.0, theme::ACCENT);
        painter.rect_stroke(rect, 0.0, stroke, egui::StrokeKind::Inside);
    }
}

/// Takes a series that is dragged here from the study browser.
fn drop_ui(ui: &Ui, rect: Rect, viewport: &Viewport, ctx: &ViewportContext<'_>) {
    if !egui::DragAndDrop::has_payload_of_type::<SeriesKey>(ui.ctx()) {
        return;
    }
    let response = ui.interact(rect, ui.scope_id().with(("drop", viewport.id)), Sense::hover());
    if response.dnd_hover_payload::<SeriesKey>().is_some() {
        let stroke = egui::Stroke::new(2.0, theme::ACCENT);
        ui.painter_at(rect).rect_stroke(rect, 0.0, stroke, egui::StrokeKind::Inside);
    }
    if let Some(series) = response.dnd_release_payload::<SeriesKey>() {
        ctx.queue.send(Command::Series(SeriesCommand::ShowIn(viewport.id, *series)));
    }
}

/// The picture of a viewport; returns where it lies, `None` if there is none yet.
///
/// A picture that was made for another size, while the window is resized, keeps its scale and its middle: nothing is
/// ever stretched in one direction.
fn picture_ui(ui: &Ui, rect: Rect, viewport: &Viewport, key: SeriesKey, pictures: &Pictures) -> Option<Rect> {
    let made_for = pictures.shown(viewport.id, key).map(|shown| shown.key.size_px());
    let place = made_for.map_or(rect, |px| picture_rect(rect, px, ui.ctx().pixels_per_point()));
    // What would reach out of the window waits for the picture of the right size.
    let place = if ui.ctx().content_rect().contains_rect(place) { place } else { rect };
    pictures.picture_ui(&ui.painter_at(rect), place, (viewport.id, key, false)).then_some(place)
}

/// Where a picture of `size_px` device pixels lies in a viewport: all over it if it was made for it.
fn picture_rect(rect: Rect, size_px: [u32; 2], pixels_per_point: f32) -> Rect {
    let size = vec2(size_px[0] as f32, size_px[1] as f32) / pixels_per_point;
    let is_made_for_it = (size - rect.size()).abs().max_elem() * pixels_per_point < 1.0;
    if is_made_for_it { rect } else { Rect::from_center_size(rect.center(), size) }
}

/// Value of the voxel at a point, as text.
fn probe(volume: &Volume, lps: DVec3, lengths: Lengths) -> Probe {
    let value = volume.geometry().nearest_index(lps).and_then(|index| {
        let channels = volume.channels().count();
        if volume.is_empty_slice(index[2], 0) {
            return None;
        }
        let values: Option<Vec<f64>> = (0..channels).map(|c| volume.value_at(index, c, 0)).collect();
        match values?.as_slice() {
            [value] => Some(crate::text::modality_value(*value, volume.unit())),
            many => Some(many.iter().map(|v| crate::text::number(*v, 0)).collect::<Vec<_>>().join(" ")),
        }
    });
    Probe { lps, lengths, value, over: None, regions: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn viewports_fill_the_area_but_for_equal_gaps_on_whole_points() {
        let area = Rect::from_min_size(pos2(7.0, 9.0), vec2(1001.0, 777.0));
        for arrangement in [Arrangement::FourUp, Arrangement::OnePlusTwo, Arrangement::grid(3, 4)] {
            let rects = rects(area, arrangement, [0.5, 0.5]);
            let bounds = rects.iter().fold(Rect::NOTHING, |all, r| all.union(*r));
            assert_eq!(bounds, area);
            for (i, a) in rects.iter().enumerate() {
                assert!(a.min.x.fract() == 0.0 && a.max.y.fract() == 0.0, "{a:?}");
                for b in &rects[i + 1..] {
                    let apart = (b.min.x - a.max.x).max(a.min.x - b.max.x);
                    let apart = apart.max(b.min.y - a.max.y).max(a.min.y - b.max.y);
                    assert!(apart >= GAP, "{a:?} {b:?}");
                }
            }
        }
    }

    #[test]
    fn picture_made_for_another_size_keeps_its_scale_and_middle() {
        let rect = Rect::from_min_size(pos2(10.0, 20.0), vec2(300.0, 200.0));
        assert_eq!(picture_rect(rect, [600, 400], 2.0), rect);
        let old = picture_rect(rect, [800, 200], 2.0);
        assert_eq!((old.center(), old.size()), (rect.center(), vec2(400.0, 100.0)));
    }
}
