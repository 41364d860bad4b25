//! From the document to what the renderer shall draw.

use std::sync::Arc;

use imaging::volume::Channels;
use render_core::layers::{ScalarLayer, SliceLayer};
use render_core::scene::{CropBox, Interpolation, Lighting, SliceScene, VolumeMode, VolumeScene};

use super::{ViewportState, cube};
use crate::document::{
    Display, Document, Placement, SeriesKey, SliceView, View, Viewport, VolumeStyle, VolumeView,
};
use crate::gpu_bridge::{Caption, SceneKey, Wanted};
use crate::tasks::Scene;

/// The scenes of all visible viewports.
pub fn wanted_scenes(document: &Document, state: &ViewportState, pixels_per_point: f32) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    for (id, &size_px) in &state.sizes_px {
        let viewport = document.workspace.viewport(*id);
        match &viewport.view {
            View::Slice(view) => {
                let Some((scene, slice)) = slice_wanted(document, viewport, view, size_px) else { continue };
                wanted.extend(cube::wanted(viewport, view, &scene, pixels_per_point, slice.series));
                wanted.push(slice);
            }
            View::Volume(view) => {
                wanted.extend(volume_wanted(document, viewport, view, size_px, state.is_volume_moving));
            }
        }
    }
    wanted
}

fn slice_wanted(
    document: &Document,
    viewport: &Viewport,
    view: &SliceView,
    size_px: [u32; 2],
) -> Option<(SliceScene, Wanted)> {
    let series = document.series(viewport.series?)?;
    if viewport.placement == Placement::None {
        return None;
    }
    let display = document.workspace.displays.get(&series.key)?;
    let volume = series.shown_volume(display.is_color_managed)?;
    let cursor_lps = document.cursor(series.key)?;
    let plane = view.slice_plane(volume.geometry(), cursor_lps, size_px);
    // A single slice ahead of its volume has only its own plane to show.
    let is_preview = series.loaded().is_none();
    if is_preview && view.aligned_axis(volume.geometry()) != Some(2) {
        return None;
    }
    let scene = SliceScene {
        volume: Arc::clone(volume),
        time_point: 0,
        plane,
        size_px,
        interpolation: display.interpolation,
        slab: view.slab,
        grey: display.grey(),
        color_map: display.color_map.clone(),
        layers: fusion_layer(document, series.key)
            .into_iter()
            .chain(mask_layers(document, series.key))
            .collect(),
    };
    let key = SceneKey::Slice {
        volume: volume.id(),
        plane,
        size_px,
        interpolation: display.interpolation,
        slab: view.slab,
        grey: display.grey(),
        color_map: scene.color_map.clone(),
        layers: scene.layers.clone(),
    };
    let wanted = Wanted {
        viewport: viewport.id,
        series: series.key,
        key,
        caption: Some(Caption { view: *view, cursor_lps }),
        scene: Scene::Slice(scene.clone()),
    };
    Some((scene, wanted))
}

fn volume_wanted(
    document: &Document,
    viewport: &Viewport,
    view: &VolumeView,
    size_px: [u32; 2],
    is_moving: bool,
) -> Option<Wanted> {
    let series = document.series(viewport.series?)?;
    let volume = &series.loaded()?.volume;
    if !series.is_volume() || volume.channels() != Channels::Scalar || viewport.placement != Placement::Whole
    {
        return None;
    }
    let display = document.workspace.displays.get(&series.key)?;
    let look = &display.volume;
    let composite =
        |lighting| VolumeMode::Composite { transfer_function: Arc::clone(&look.transfer_function), lighting };
    let (mode, grey) = match look.style {
        VolumeStyle::Lit => (composite(Some(Lighting::default())), None),
        VolumeStyle::Unlit => (composite(None), None),
        VolumeStyle::Mip => (VolumeMode::Mip { grey: display.grey() }, Some(display.grey())),
    };
    let geometry = volume.geometry();
    let scene = VolumeScene {
        volume: Arc::clone(volume),
        time_point: 0,
        camera: view.camera,
        size_px,
        mode,
        step_mm: VolumeScene::full_quality_step_mm(geometry),
        crop: CropBox::whole(geometry),
        clip_planes: Vec::new(),
        jitter_frame: 0,
    };
    let key = SceneKey::Volume {
        volume: volume.id(),
        camera: view.camera,
        size_px,
        look: look.clone(),
        grey,
        is_moving,
    };
    let scene = Scene::Volume { scene, is_moving };
    Some(Wanted { viewport: viewport.id, series: series.key, key, caption: None, scene })
}

/// The series that lies over another one, once it is loaded.
fn fusion_layer(document: &Document, key: SeriesKey) -> Option<SliceLayer> {
    let fusion = document.workspace.fusions.get(&key)?;
    let over = document.series(fusion.over)?;
    let display = document.workspace.displays.get(&fusion.over);
    let volume = &over.loaded()?.volume;
    if volume.channels() != Channels::Scalar {
        return None;
    }
    Some(SliceLayer::Scalar(ScalarLayer {
        volume: Arc::clone(volume),
        time_point: 0,
        window: display.map_or_else(|| Display::initial(over).grey(), Display::grey),
        color_map: Arc::clone(&fusion.color_map),
        opacity: fusion.opacity,
        threshold: None,
        interpolation: display.map_or(Interpolation::Linear, |d| d.interpolation),
    }))
}

/// Regions that are drawn over a series.
fn mask_layers(document: &Document, key: SeriesKey) -> Vec<SliceLayer> {
    let looks = &document.workspace.mask_looks;
    let drawn = document.masks_of(key).filter_map(|masks| Some((looks.get(&masks.key)?, masks)));
    drawn.flat_map(|(look, masks)| look.layers(masks)).collect()
}

/// Name of an interpolation for menus.
pub(crate) fn interpolation_name(interpolation: Interpolation) -> &'static str {
    match interpolation {
        Interpolation::Nearest => "None",
        Interpolation::Linear => "Linear",
    }
}
