//! From the document to a session.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use glam::DVec3;
use imaging::geometry::AnatomicalPlane;
use imaging::intensity::VoiFunction;
use imaging::measurement::Calibration;
use render_core::camera::{Camera, Projection};
use render_core::scene::{Interpolation, SlabMode};

use super::checks;
use super::restore::Kept;
use super::wire::{
    FORMAT, SavedAnatomy, SavedAnnotation, SavedArrangement, SavedCalibration, SavedCamera,
    SavedControlPoint, SavedDisplay, SavedFrame, SavedFunction, SavedFusion, SavedLayout, SavedPath,
    SavedPlacement, SavedPlane, SavedProjection, SavedSeries, SavedSession, SavedSlabMode, SavedSlice,
    SavedStyle, SavedView, SavedViewport, SavedVolumeLook, SavedWindow, VERSION,
};
use crate::document::{
    Annotation, AnnotationId, Arrangement, Display, Document, Placement, PlaneFrame, Series, SeriesKey,
    SeriesSource, SliceView, View, Viewport, VolumePresetChoice, VolumeStyle, Workspace,
};
use crate::text;

/// Longest words of a drawing that are written.
const MAX_LABEL_BYTES: usize = 1 << 15;

/// What a series is found by: its UID, or its first file, absolute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    Uid(String),
    File(SavedPath),
}

impl Name {
    /// Of a series; `None` for one that lies in no file.
    pub(super) fn of(series: &Series) -> Option<Self> {
        let SeriesSource::Files(entry) = &series.source else { return None };
        let uid = series.attributes.series_uid.as_deref().map(str::trim).filter(|uid| !uid.is_empty());
        Some(
            uid.map_or_else(
                || Self::File(SavedPath::of(entry.first_path())),
                |uid| Self::Uid(uid.to_owned()),
            ),
        )
    }
}

/// What a session is made of beside the document.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    /// For each path that series name as the one that was opened: all that were opened with it.
    pub openings: BTreeMap<PathBuf, Vec<PathBuf>>,
    /// What belongs to series that could not be found.
    pub kept: Vec<Kept>,
}

/// A session, and what cannot be in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Captured {
    /// To be written.
    pub session: SavedSession,
    /// Drawings on series that lie in no file.
    pub drawings_left_out: usize,
}

/// The document as a session. `workspace` is its own, or that of before the gesture in progress.
pub fn capture(document: &Document, workspace: &Workspace, beside: &Beside) -> Captured {
    let mut openings = Openings::default();
    let mut all: Vec<SavedSeries> = Vec::new();
    let mut places: BTreeMap<SeriesKey, usize> = BTreeMap::new();
    for reference in references(&document.series) {
        let key = reference.series.key;
        let opening = openings.of(&reference.series.opened_path, beside);
        if let Some(saved) = saved_series(reference, document, workspace, opening) {
            places.insert(key, all.len());
            all.push(saved);
        }
    }
    for (key, fusion) in &workspace.fusions {
        if let (Some(at), Some(over)) = (places.get(key), places.get(&fusion.over))
            && let Some(saved) = all.get_mut(*at)
        {
            let color_map = fusion.color_map.id().to_owned();
            saved.fusion =
                Some(SavedFusion { over: *over, color_map, opacity: fusion.opacity.clamp(0.0, 1.0) });
        }
    }
    for kept in &beside.kept {
        let opening = openings.with_paths(kept.paths.clone());
        all.push(SavedSeries { opening, ..kept.series.clone() });
    }
    let session = SavedSession {
        format: FORMAT.to_owned(),
        version: VERSION,
        created: chrono::Local::now().format("%Y-%m-%d %H:%M:%S").to_string(),
        software: format!("lantern {}", env!("CARGO_PKG_VERSION")),
        openings: openings.all,
        series: all,
        layout: saved_layout(workspace),
        viewports: workspace.viewports.iter().map(|viewport| saved_viewport(viewport, &places)).collect(),
        active: document.active.0,
        are_annotations_visible: workspace.are_annotations_visible,
        is_neurological: workspace.is_neurological,
        is_overlay_visible: document.is_overlay_visible,
        is_linked: document.is_linked,
        is_linked_by_offset: document.is_linked_by_offset,
    };
    let left_out = workspace.annotations.values().filter(|a| !places.contains_key(&a.series));
    Captured { session, drawings_left_out: left_out.count() }
}

/// What is drawn on some series, to give it to others that take their place.
pub fn lift(document: &Document, keys: &[SeriesKey], beside: &Beside) -> Vec<(SeriesKey, Kept)> {
    let mut all = Vec::new();
    for reference in references(&document.series).into_iter().filter(|r| keys.contains(&r.series.key)) {
        let key = reference.series.key;
        let mut openings = Openings::default();
        let opening = openings.of(&reference.series.opened_path, beside);
        let saved = saved_series(reference, document, &document.workspace, opening);
        if let Some(saved) = saved.filter(|s| !s.annotations.is_empty() || s.calibration.is_some()) {
            let paths = openings.all.into_iter().next().unwrap_or_default();
            let series = SavedSeries { opening: 0, display: None, cursor_lps_mm: None, ..saved };
            all.push((key, Kept { paths, series }));
        }
    }
    all
}

/// How a series is found again: by name, and by place among those of one opening that share it.
struct Reference<'a> {
    series: &'a Series,
    name: Name,
    index: usize,
}

/// Of all series that lie in files.
fn references(all: &[Series]) -> Vec<Reference<'_>> {
    let mut counts: BTreeMap<(&Path, Name), usize> = BTreeMap::new();
    let reference = |series| {
        let name = Name::of(series)?;
        let count = counts.entry((series.opened_path.as_path(), name.clone())).or_default();
        let index = *count;
        *count += 1;
        Some(Reference { series, name, index })
    };
    all.iter().filter_map(reference).collect()
}

/// Places that were opened, each once.
#[derive(Default)]
struct Openings {
    all: Vec<Vec<SavedPath>>,
    known: BTreeMap<Vec<SavedPath>, usize>,
}

impl Openings {
    fn of(&mut self, opened: &Path, beside: &Beside) -> usize {
        let paths = beside.openings.get(opened).map_or_else(
            || vec![SavedPath::of(opened)],
            |paths| paths.iter().map(|path| SavedPath::of(path)).collect(),
        );
        self.with_paths(paths)
    }

    fn with_paths(&mut self, paths: Vec<SavedPath>) -> usize {
        let next = self.all.len();
        let at = *self.known.entry(paths.clone()).or_insert(next);
        if at == next {
            self.all.push(paths);
        }
        at
    }
}

/// A series with what belongs to it; `None` if that is nothing and no viewport shows it.
fn saved_series(
    Reference { series, name, index }: Reference<'_>,
    document: &Document,
    workspace: &Workspace,
    opening: usize,
) -> Option<SavedSeries> {
    let key = series.key;
    let annotations = saved_annotations(key, workspace);
    let display = workspace.displays.get(&key).and_then(saved_display);
    let calibration = workspace.calibrations.get(&key).map(|c| saved_calibration(c));
    let is_acknowledged = workspace.acknowledged.contains(&key);
    let cursor = document.cursors.get(&key).map(DVec3::to_array);
    let is_shown = workspace.viewports.iter().any(|viewport| viewport.series == Some(key));
    let is_bare = annotations.is_empty() && display.is_none() && calibration.is_none() && !is_acknowledged;
    if is_bare && cursor.is_none() && !is_shown {
        return None;
    }
    let (uid, file) = match name {
        Name::Uid(uid) => (Some(uid), None),
        Name::File(file) => (None, Some(file)),
    };
    Some(SavedSeries {
        opening,
        uid,
        file,
        index,
        dims: series.dims.to_array().map(|count| count as u64),
        label: label(series),
        cursor_lps_mm: cursor.filter(|cursor| checks::place(*cursor).is_ok()),
        display,
        is_acknowledged,
        calibration,
        annotations,
        fusion: None,
    })
}

/// Modality, study and date; never who.
pub fn label(series: &Series) -> String {
    let a = &series.attributes;
    let parts = [a.modality.clone(), a.study_description.clone(), text::study_date(&a.study_date)];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.trim().is_empty()).collect();
    if parts.is_empty() { series.title() } else { shortened(&parts.join(" · ")) }
}

fn shortened(text: &str) -> String {
    let mut end = text.len().min(MAX_LABEL_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

fn saved_annotations(key: SeriesKey, workspace: &Workspace) -> Vec<SavedAnnotation> {
    let of_series = workspace.annotations.iter().filter(|(_, annotation)| annotation.series == key);
    of_series.map(|(id, annotation)| saved_annotation(*id, annotation)).collect()
}

fn saved_annotation(id: AnnotationId, annotation: &Annotation) -> SavedAnnotation {
    let drawing = &annotation.drawing;
    let plane = drawing.plane();
    SavedAnnotation {
        number: id.0,
        tracking_uid: annotation.tracking_uid.clone(),
        label: shortened(&annotation.label),
        kind: drawing.kind().id().to_owned(),
        points_lps_mm: drawing.points_lps().iter().map(DVec3::to_array).collect(),
        plane: SavedPlane {
            through_lps_mm: plane.through_lps().to_array(),
            right: plane.right().to_array(),
            down: plane.down().to_array(),
        },
        time_point: annotation.time_point,
        is_locked: annotation.is_locked,
        is_visible: annotation.is_visible,
    }
}

fn saved_calibration(calibration: &Calibration) -> SavedCalibration {
    SavedCalibration {
        known_mm: calibration.known_mm(),
        drawn: calibration.drawn(),
        drawn_unit: calibration.drawn_unit().to_owned(),
        by: calibration.by().to_owned(),
        at: calibration.at().to_owned(),
    }
}

/// `None` for what would be refused when it is read.
fn saved_display(display: &Display) -> Option<SavedDisplay> {
    let window = display.window;
    let look = &display.volume;
    let points = look.transfer_function.points().iter();
    let saved = SavedDisplay {
        window: SavedWindow {
            center: window.center,
            width: window.width,
            function: match window.function {
                VoiFunction::Linear => SavedFunction::Linear,
                VoiFunction::LinearExact => SavedFunction::LinearExact,
                VoiFunction::Sigmoid => SavedFunction::Sigmoid,
                VoiFunction::Table(_) => SavedFunction::Table,
            },
            name: display.window_name.clone(),
        },
        is_inverted: display.is_inverted,
        is_color_managed: display.is_color_managed,
        is_interpolated: display.interpolation == Interpolation::Linear,
        file_window: display.file_window,
        color_map: display.color_map.as_ref().map(|map| map.id().to_owned()),
        volume: SavedVolumeLook {
            preset: match look.preset {
                VolumePresetChoice::Preset(name) => Some(name.to_owned()),
                VolumePresetChoice::Custom => None,
            },
            style: match look.style {
                VolumeStyle::Lit => SavedStyle::Lit,
                VolumeStyle::Unlit => SavedStyle::Unlit,
                VolumeStyle::Mip => SavedStyle::Mip,
            },
            reference_mm: look.transfer_function.reference_mm,
            points: points
                .map(|p| SavedControlPoint { value: p.value, color: p.color, opacity: p.opacity })
                .collect(),
        },
    };
    let is_sound = checks::window(&saved.window).is_ok() && checks::transfer_function(&saved.volume).is_ok();
    is_sound.then_some(saved)
}

fn saved_arrangement(arrangement: Arrangement) -> SavedArrangement {
    match arrangement {
        Arrangement::FourUp => SavedArrangement::FourUp,
        Arrangement::OnePlusTwo => SavedArrangement::OnePlusTwo,
        Arrangement::VolumePrimary => SavedArrangement::VolumePrimary,
        Arrangement::Grid { rows, columns } => SavedArrangement::Grid { rows, columns },
    }
}

fn saved_layout(workspace: &Workspace) -> SavedLayout {
    let layout = workspace.layout;
    SavedLayout {
        arrangement: saved_arrangement(layout.arrangement),
        maximised: layout.maximised.map(|id| id.0),
        stood_in_for: layout.stood_in_for.map(saved_arrangement),
    }
}

/// A view that would be refused when it is read is placed anew instead.
fn saved_viewport(viewport: &Viewport, places: &BTreeMap<SeriesKey, usize>) -> SavedViewport {
    let series = viewport.series.and_then(|key| places.get(&key).copied());
    let saved = |view: &View, placement| SavedViewport {
        id: viewport.id.0,
        series,
        placement,
        is_stack: viewport.is_stack,
        view: saved_view(view),
    };
    let is_sound = match saved_view(&viewport.view) {
        SavedView::Slice(slice) => checks::slice(&slice).is_ok(),
        SavedView::Volume(camera) => checks::camera(&camera).is_ok(),
    };
    if !is_sound {
        let fresh = Workspace::default();
        return saved(&fresh.viewport(viewport.id).view, SavedPlacement::None);
    }
    let placement = match viewport.placement {
        Placement::None => SavedPlacement::None,
        Placement::Preview => SavedPlacement::Preview,
        Placement::Whole => SavedPlacement::Whole,
    };
    saved(&viewport.view, placement)
}

fn saved_view(view: &View) -> SavedView {
    match view {
        View::Slice(slice) => SavedView::Slice(saved_slice(slice)),
        View::Volume(volume) => SavedView::Volume(saved_camera(&volume.camera)),
    }
}

fn saved_slice(view: &SliceView) -> SavedSlice {
    SavedSlice {
        plane: match view.plane {
            AnatomicalPlane::Axial => SavedAnatomy::Axial,
            AnatomicalPlane::Coronal => SavedAnatomy::Coronal,
            AnatomicalPlane::Sagittal => SavedAnatomy::Sagittal,
        },
        right: view.right.to_array(),
        down: view.down.to_array(),
        frame: match view.frame {
            PlaneFrame::Acquired => SavedFrame::Acquired,
            PlaneFrame::Patient => SavedFrame::Patient,
        },
        pan_lps_mm: view.pan_lps.to_array(),
        zoom: view.zoom,
        slab_mm: view.slab.thickness_mm,
        slab_mode: match view.slab.mode {
            SlabMode::Mean => SavedSlabMode::Mean,
            SlabMode::Max => SavedSlabMode::Max,
            SlabMode::Min => SavedSlabMode::Min,
        },
    }
}

fn saved_camera(camera: &Camera) -> SavedCamera {
    SavedCamera {
        position_lps_mm: camera.position_lps.to_array(),
        target_lps_mm: camera.target_lps.to_array(),
        up_lps: camera.up_lps.to_array(),
        projection: match camera.projection {
            Projection::Perspective { vertical_fov_rad } => SavedProjection::Perspective { vertical_fov_rad },
            Projection::Orthographic { height_mm } => SavedProjection::Orthographic { height_mm },
        },
    }
}

/// UIDs of what is drawn in a document, to know what is there already.
pub fn tracking_uids(workspace: &Workspace) -> BTreeSet<String> {
    workspace.annotations.values().filter_map(|annotation| annotation.tracking_uid.clone()).collect()
}
