//! From a session to the document, once its studies have been found again.

use std::collections::BTreeSet;
use std::sync::Arc;

use render_core::color_map::ColorMap;
use render_core::scene::Interpolation;
use render_core::transfer_function::VolumePreset;

use super::capture::{Name, tracking_uids};
use super::checks;
use super::wire::{
    SavedAnnotation, SavedDisplay, SavedFunction, SavedFusion, SavedPath, SavedPlacement, SavedSeries,
    SavedSession, SavedStyle, SavedView, SavedViewport,
};
use crate::document::{
    Annotation, AnnotationId, Display, Document, Fusion, Layout, Placement, Series, SeriesKey, View,
    ViewportId, VolumeLook, VolumePresetChoice, VolumeStyle, VolumeView,
};

/// Identifiers above this are given anew, so that there are always more.
const MAX_ANNOTATION: u32 = 1 << 30;

/// What belongs to a series that was not found: written again with the next session.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Where it was opened from.
    pub paths: Vec<SavedPath>,
    /// The series.
    pub series: SavedSeries,
}

impl Kept {
    /// For people: what it was, how much was drawn on it, and where it lay.
    pub fn sentence(&self) -> String {
        let path = self.paths.first().map(SavedPath::display).unwrap_or_default();
        let label = if self.series.label.is_empty() { "A series" } else { &self.series.label };
        match self.series.annotations.len() {
            0 => format!("{label}: {path}"),
            1 => format!("{label}, 1 measurement: {path}"),
            n => format!("{label}, {n} measurements: {path}"),
        }
    }
}

/// Restores a session in a document whose series have been scanned; what is not found comes back.
///
/// The document is to be fresh: everything it knows of a series is replaced.
pub fn restore(session: &SavedSession, document: &mut Document) -> Vec<Kept> {
    let mut uids = tracking_uids(&document.workspace);
    let named = named(&document.series);
    let paths =
        |saved: &SavedSeries| session.openings.get(saved.opening).map(Vec::as_slice).unwrap_or_default();
    let keys: Vec<Option<SeriesKey>> =
        session.series.iter().map(|saved| find(saved, paths(saved), &named)).collect();
    let mut kept = Vec::new();
    for (saved, key) in session.series.iter().zip(&keys) {
        match key {
            Some(key) => attach(saved, *key, &mut uids, document),
            // What lay over it has another place in the next session.
            None => kept.push(Kept {
                paths: paths(saved).to_vec(),
                series: SavedSeries { fusion: None, ..saved.clone() },
            }),
        }
    }
    for (saved, key) in session.series.iter().zip(&keys) {
        if let (Some(key), Some(saved)) = (key, &saved.fusion) {
            restore_fusion(saved, *key, &keys, document);
        }
    }
    for viewport in &session.viewports {
        restore_viewport(viewport, &keys, document);
    }
    restore_layout(session, document);
    document.is_overlay_visible = session.is_overlay_visible;
    document.is_linked = session.is_linked;
    document.is_linked_by_offset = session.is_linked_by_offset;
    document.workspace.is_neurological = session.is_neurological;
    document.workspace.are_annotations_visible = session.are_annotations_visible;
    document.selected = None;
    document.place_views();
    kept
}

/// Gives a document what was kept for series that it has by now; the rest comes back.
pub fn reattach(kept: Vec<Kept>, document: &mut Document) -> Vec<Kept> {
    let mut uids = tracking_uids(&document.workspace);
    if kept.is_empty() {
        return kept;
    }
    let named = named(&document.series);
    let keys: Vec<Option<SeriesKey>> = kept.iter().map(|one| find(&one.series, &one.paths, &named)).collect();
    let mut rest = Vec::new();
    for (one, key) in kept.into_iter().zip(keys) {
        match key {
            Some(key) => attach(&one.series, key, &mut uids, document),
            None => rest.push(one),
        }
    }
    rest
}

/// The series that a saved one is: by UID wherever it lies, by file if it still has that size. What was opened from
/// the same path goes before copies elsewhere.
fn find(saved: &SavedSeries, paths: &[SavedPath], all: &[Named]) -> Option<SeriesKey> {
    let name = match (&saved.uid, &saved.file) {
        (Some(uid), _) => Name::Uid(uid.clone()),
        (None, Some(file)) => Name::File(file.clone()),
        (None, None) => return None,
    };
    let is_it = |one: &&Named| one.name == name;
    let is_opened = |one: &&Named| paths.first() == Some(&one.opened);
    let first = all.iter().filter(is_it).find(is_opened).or_else(|| all.iter().find(is_it))?;
    let of_opening = |one: &&Named| is_it(one) && one.opened == first.opened;
    let found = all.iter().filter(of_opening).nth(saved.index)?;
    (found.dims == saved.dims || saved.uid.is_some()).then_some(found.key)
}

/// What series are found by.
struct Named {
    key: SeriesKey,
    name: Name,
    opened: SavedPath,
    dims: [u64; 3],
}

fn named(all: &[Series]) -> Vec<Named> {
    let one = |series: &Series| {
        Some(Named {
            key: series.key,
            name: Name::of(series)?,
            opened: SavedPath::of(&series.opened_path),
            dims: series.dims.to_array().map(|count| count as u64),
        })
    };
    all.iter().filter_map(one).collect()
}

/// Gives a series what belongs to it.
fn attach(saved: &SavedSeries, key: SeriesKey, uids: &mut BTreeSet<String>, document: &mut Document) {
    if let Some(cursor) = saved.cursor_lps_mm.and_then(|cursor| checks::place(cursor).ok()) {
        document.cursors.insert(key, cursor);
    }
    if let Some(series) = document.series(key)
        && let Some(display) = saved.display.as_ref().and_then(|saved| display(saved, series))
    {
        document.workspace.displays.insert(key, display);
    }
    if saved.is_acknowledged {
        document.workspace.acknowledged.insert(key);
    }
    if let Some(calibration) = saved.calibration.as_ref().and_then(|c| checks::calibration(c).ok()) {
        document.workspace.calibrations.insert(key, Arc::new(calibration));
    }
    for annotation in &saved.annotations {
        let Some(restored) = restored_annotation(annotation, key) else { continue };
        // Nothing is there twice.
        if restored.tracking_uid.as_ref().is_none_or(|uid| uids.insert(uid.clone())) {
            put_annotation(restored, annotation.number, document);
        }
    }
}

fn restored_annotation(saved: &SavedAnnotation, series: SeriesKey) -> Option<Annotation> {
    let drawing = checks::drawing(saved).ok()?;
    Some(Annotation {
        time_point: saved.time_point,
        label: saved.label.clone(),
        is_locked: saved.is_locked,
        is_visible: saved.is_visible,
        tracking_uid: saved.tracking_uid.clone().filter(|uid| !uid.is_empty()),
        ..Annotation::new(series, drawing)
    })
}

/// Under its own number if nothing else has it.
fn put_annotation(annotation: Annotation, number: u32, document: &mut Document) {
    let own = AnnotationId(number);
    let is_free =
        (1..=MAX_ANNOTATION).contains(&number) && !document.workspace.annotations.contains_key(&own);
    let id = if is_free { own } else { AnnotationId(document.last_annotation + 1) };
    document.last_annotation = document.last_annotation.max(id.0);
    document.workspace.annotations.insert(id, Arc::new(annotation));
}

/// `None` if it would be refused.
fn display(saved: &SavedDisplay, series: &Series) -> Option<Display> {
    let plain = checks::window(&saved.window).ok()?;
    let name = &saved.window.name;
    let table =
        series.windows.iter().find(|named| named.window.is_table() && Some(&named.name) == name.as_ref());
    let (window, window_name) = match (saved.window.function, table) {
        (SavedFunction::Table, Some(named)) => (named.window, name.clone()),
        // The table is gone: what it spanned is no preset of that name.
        (SavedFunction::Table, None) => (plain, None),
        _ => (plain, name.clone()),
    };
    let look = &saved.volume;
    let preset = look.preset.as_deref().and_then(VolumePreset::by_name);
    Some(Display {
        window,
        window_name,
        is_inverted: saved.is_inverted,
        is_color_managed: saved.is_color_managed,
        file_window: saved.file_window,
        color_map: saved.color_map.as_deref().and_then(ColorMap::by_id),
        interpolation: if saved.is_interpolated { Interpolation::Linear } else { Interpolation::Nearest },
        volume: VolumeLook {
            preset: preset.map_or(VolumePresetChoice::Custom, |p| VolumePresetChoice::Preset(p.name)),
            transfer_function: Arc::new(checks::transfer_function(look).ok()?),
            style: match look.style {
                SavedStyle::Lit => VolumeStyle::Lit,
                SavedStyle::Unlit => VolumeStyle::Unlit,
                SavedStyle::Mip => VolumeStyle::Mip,
            },
        },
    })
}

fn restore_fusion(saved: &SavedFusion, key: SeriesKey, keys: &[Option<SeriesKey>], document: &mut Document) {
    let over = keys.get(saved.over).copied().flatten().filter(|over| *over != key);
    if let (Some(over), Some(color_map)) = (over, ColorMap::by_id(&saved.color_map)) {
        document.workspace.fusions.insert(key, Fusion { over, color_map, opacity: saved.opacity });
    }
}

fn restore_viewport(saved: &SavedViewport, keys: &[Option<SeriesKey>], document: &mut Document) {
    let view = match &saved.view {
        SavedView::Slice(slice) => checks::slice(slice).map(View::Slice),
        SavedView::Volume(camera) => checks::camera(camera).map(|camera| View::Volume(VolumeView { camera })),
    };
    let series = saved.series.and_then(|at| keys.get(at).copied().flatten());
    // Grey values of what is placed are known; what has none yet is placed anew and gets some.
    let is_known = series.is_some_and(|key| document.workspace.displays.contains_key(&key));
    let Some(viewport) = document.workspace.viewport_mut(ViewportId(saved.id)) else { return };
    viewport.series = series;
    viewport.is_stack = saved.is_stack;
    viewport.placement = match saved.placement {
        SavedPlacement::Preview if is_known => Placement::Preview,
        SavedPlacement::Whole if is_known => Placement::Whole,
        _ => Placement::None,
    };
    match view {
        Ok(view) => viewport.view = view,
        Err(_) => viewport.placement = Placement::None,
    }
}

fn restore_layout(session: &SavedSession, document: &mut Document) {
    let saved = session.layout;
    let arrangement = checks::arrangement(saved.arrangement).unwrap_or_default();
    let ids = arrangement.viewports();
    let known = |id: u8| Some(ViewportId(id)).filter(|id| ids.contains(id));
    document.workspace.layout = Layout {
        arrangement,
        maximised: saved.maximised.and_then(known),
        stood_in_for: saved.stood_in_for.and_then(|before| checks::arrangement(before).ok()),
    };
    document.active = known(session.active).or(ids.first().copied()).unwrap_or_default();
}
