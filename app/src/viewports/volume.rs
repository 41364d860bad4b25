//! The volume viewport: its picture, a small cube that shows how the patient lies, and its pointer.

use egui::{Align2, Pos2, Rect, Sense, Shape, Stroke, Ui, WidgetInfo, vec2};
use glam::DVec3;
use imaging::geometry::{AnatomicalPlane, orientation_letters};
use render_core::camera::Camera;

use super::gestures::volume_gestures;
use super::{ViewportContext, ViewportState, overlay, picture_ui, states};
use crate::command::Action;
use crate::document::{Series, Viewport, VolumeStyle, VolumeView};
use crate::gpu_bridge::SceneKey;
use crate::text;
use crate::theme;

/// Half the edge of the orientation cube in points.
const CUBE_RADIUS: f32 = 17.0;

/// Draws the volume viewport.
pub(super) fn volume_ui(
    ui: &mut Ui,
    rect: Rect,
    viewport: &Viewport,
    view: &VolumeView,
    ctx: &ViewportContext<'_>,
    state: &mut ViewportState,
) {
    let id = ui.scope_id().with(("viewport", viewport.id));
    let response = ui.interact(rect, id, Sense::click_and_drag());
    let series = viewport.series.and_then(|key| ctx.document.series(key));
    let label = series.map_or_else(
        || "Volume view: empty".to_owned(),
        |_| {
            let b = view.camera.basis();
            let (from, up) = (orientation_letters(-b.forward), orientation_letters(b.up));
            format!("Volume view: seen from {from}, top {up}")
        },
    );
    response.widget_info(|| WidgetInfo::labeled(egui::accesskit::Role::Image, true, &label));
    context_menu(&response, ctx);
    let Some(series) = series else {
        state.is_volume_moving = false;
        states::state_ui(ui, rect, viewport, None, ctx);
        return;
    };
    let is_dragged = volume_gestures(ui, &response, view, viewport.id, ctx, state);
    // A curve that is being edited needs quick frames too.
    state.is_volume_moving = is_dragged || ctx.document.history.is_in_gesture();
    let has_picture = picture_ui(ui, rect, viewport, series.key, ctx.pictures).is_some();
    if !has_picture || ctx.pictures.error(viewport.id).is_some() {
        states::state_ui(ui, rect, viewport, Some(series), ctx);
    }
    let painter = ui.painter_at(rect);
    if has_picture {
        // Of the picture, which may be a little late.
        let camera = match ctx.pictures.shown(viewport.id, series.key).map(|shown| &shown.key) {
            Some(SceneKey::Volume { camera, .. }) => *camera,
            _ => view.camera,
        };
        orientation_cube(&painter, rect, &camera);
    }
    corners(&painter, rect, series, ctx);
    states::progress_ui(ui, rect, series);
}

fn corners(painter: &egui::Painter, rect: Rect, series: &Series, ctx: &ViewportContext<'_>) {
    let a = &series.attributes;
    let mut top_left = overlay::Corner::new();
    top_left.colored("Volume", theme::ACCENT, 0);
    top_left.line(text::patient_name(&a.patient_name), 0).line(&a.patient_id, 0);
    top_left.draw(painter, rect, Align2::LEFT_TOP);
    let Some(display) = ctx.document.workspace.displays.get(&series.key) else { return };
    if ctx.document.is_overlay_visible && series.is_volume() && series.channels == 1 {
        let mut bottom_left = overlay::Corner::new();
        match display.volume.style {
            VolumeStyle::Lit => bottom_left.line(display.volume.preset.name(), 1),
            VolumeStyle::Unlit => bottom_left.line(format!("{}  unshaded", display.volume.preset.name()), 1),
            VolumeStyle::Mip => bottom_left.line(format!("MIP  {}", super::slice::window_text(display)), 1),
        };
        bottom_left.draw(painter, rect, Align2::LEFT_BOTTOM);
    }
}

/// A small cube with the letters of its faces, turned as the volume is.
fn orientation_cube(painter: &egui::Painter, rect: Rect, camera: &Camera) {
    let basis = camera.basis();
    let middle = rect.right_bottom() - vec2(38.0, 38.0);
    let project = |p: DVec3| -> Pos2 {
        middle + vec2(p.dot(basis.right) as f32, -p.dot(basis.up) as f32) * CUBE_RADIUS
    };
    let faces = [
        (DVec3::X, AnatomicalPlane::Sagittal),
        (DVec3::NEG_X, AnatomicalPlane::Sagittal),
        (DVec3::Y, AnatomicalPlane::Coronal),
        (DVec3::NEG_Y, AnatomicalPlane::Coronal),
        (DVec3::Z, AnatomicalPlane::Axial),
        (DVec3::NEG_Z, AnatomicalPlane::Axial),
    ];
    for (normal, plane) in faces {
        let towards_viewer = -normal.dot(basis.forward);
        if towards_viewer <= 0.02 {
            continue;
        }
        let (u, v) = (DVec3::new(normal.z, normal.x, normal.y), DVec3::new(normal.y, normal.z, normal.x));
        let (u, v) = (u.abs(), v.abs());
        let corners = [u + v, u - v, -u - v, -u + v].map(|edge| project(normal + edge));
        let shade = 0.35 + 0.35 * towards_viewer as f32;
        let fill = theme::RAISED.lerp_to_gamma(theme::plane(plane), shade * 0.6);
        let stroke = Stroke::new(1.0, theme::plane(plane).gamma_multiply(0.9));
        painter.add(Shape::convex_polygon(corners.to_vec(), fill, stroke));
        if towards_viewer > 0.45 {
            let letter = orientation_letters(normal);
            overlay::halo_text(painter, project(normal), Align2::CENTER_CENTER, &letter, theme::TEXT, 30.0);
        }
    }
}

fn context_menu(response: &egui::Response, ctx: &ViewportContext<'_>) {
    response.context_menu(|ui| {
        let mut actions: Vec<Action> = AnatomicalPlane::ALL.map(Action::Face).to_vec();
        actions.extend([Action::ZoomFit, Action::ResetView]);
        actions.extend(VolumeStyle::ALL.map(|(style, _)| Action::VolumeStyle(style)));
        actions.push(Action::ToggleMaximised);
        for action in actions {
            crate::widgets::menu_action(ui, action, ctx.document, ctx.keymap, ctx.queue);
        }
    });
}
