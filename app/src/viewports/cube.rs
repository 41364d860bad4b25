//! The inset that shows where an oblique plane cuts: the plane within the volume's edges, coloured by axis.

use egui::emath::GuiRounding as _;
use egui::{Rect, Ui, pos2, vec2};
use imaging::geometry::AnatomicalPlane;
use imaging::volume::Channels;
use render_core::camera::Camera;
use render_core::scene::{CubeScene, SlicePlane, SliceScene};

use super::ViewportContext;
use crate::document::{SeriesKey, SliceView, Viewport};
use crate::gpu_bridge::{SceneKey, Wanted};
use crate::tasks::Scene;
use crate::theme;

/// Edge of the inset in points.
const EDGE: f32 = 104.0;
/// Smallest viewport edge that still has room for it, in points.
const LEAST_VIEWPORT: f32 = 300.0;

/// Where the inset lies within a viewport, if it fits.
fn inset_rect(rect: Rect) -> Option<Rect> {
    let has_room = rect.width() >= LEAST_VIEWPORT && rect.height() >= LEAST_VIEWPORT;
    // Above the corner text, beside the letter of the right edge.
    let min = pos2(rect.right() - EDGE - 32.0, rect.bottom() - EDGE - 76.0);
    has_room.then(|| Rect::from_min_size(min, vec2(EDGE, EDGE)))
}

/// The inset's scene, for planes that were tilted.
pub(super) fn wanted(
    viewport: &Viewport,
    view: &SliceView,
    scene: &SliceScene,
    pixels_per_point: f32,
    series: SeriesKey,
) -> Option<Wanted> {
    let geometry = *scene.volume.geometry();
    let is_upright = !view.is_tilted(&geometry);
    let least_px = (LEAST_VIEWPORT * pixels_per_point) as u32;
    let is_small = scene.size_px.iter().any(|px| *px < least_px);
    if is_upright || is_small || scene.volume.channels() != Channels::Scalar {
        return None;
    }
    let size_px = [(EDGE * pixels_per_point).round() as u32; 2];
    let camera = Camera::orbit(&geometry, 0.6, 0.5, 1.0);
    // The same cut, but all of it, whatever the viewport has zoomed to.
    let plane =
        SlicePlane::fitted(scene.plane.right, scene.plane.down, &geometry, scene.plane.center_lps, [256; 2]);
    let slice = SliceScene { plane, size_px: [256; 2], ..scene.clone() };
    let axis_colors = [AnatomicalPlane::Sagittal, AnatomicalPlane::Coronal, AnatomicalPlane::Axial]
        .map(|plane| theme::to_srgb(theme::plane(plane)));
    let key = SceneKey::Cube {
        volume: scene.volume.id(),
        plane,
        size_px,
        camera,
        grey: scene.grey,
        slab: scene.slab,
    };
    let cube = CubeScene { slice, camera, size_px, axis_colors };
    Some(Wanted { viewport: viewport.id, series, key, caption: None, scene: Scene::Cube(cube) })
}

/// Draws the inset over the picture.
pub(super) fn inset_ui(ui: &Ui, rect: Rect, viewport: &Viewport, key: SeriesKey, ctx: &ViewportContext<'_>) {
    let Some(inset) = inset_rect(rect) else { return };
    let inset = inset.round_to_pixels(ui.ctx().pixels_per_point());
    if !ctx.pictures.has_picture(viewport.id, key, true) {
        return;
    }
    let painter = ui.painter_at(rect);
    painter.rect_filled(inset.expand(1.0), 2.0, theme::LINE);
    ctx.pictures.picture_ui(&painter, inset, (viewport.id, key, true));
}
