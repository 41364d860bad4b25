//! What is open and how it is looked at: the part of the state that undo restores, and the series behind it.
//!
//! [`Document`] has three parts. [`Workspace`] is undoable: layout, framing, grey values, curves. Series and their
//! volumes are shared (`Arc`) and only grow. Navigation (slice position, active viewport, tool) is neither saved nor
//! undone, as a text editor does not undo moving the cursor.

mod annotations;
mod display;
mod history;
mod layout;
mod lengths;
mod masks;
mod planes;
mod series;
mod slice_view;
mod workspace;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::path::PathBuf;
use std::sync::Arc;

use glam::DVec3;
use imaging::derived::DerivedObject;
use imaging::geometry::Geometry;
use imaging::intensity::NamedWindow;
use imaging::measurement::DrawingKind;
use imaging::measurement::export::UidSeed;

use crate::tasks::{MadeMasks, Task};

pub use annotations::{Annotation, AnnotationId, Draft};
pub use display::{AUTO, Display, Fusion, VolumeLook, VolumePresetChoice, VolumeStyle};
pub use history::History;
pub use layout::{Arrangement, Layout, MAX_GRID};
pub use lengths::Lengths;
pub use masks::{MaskKey, MaskLook, MaskRegion, Masks};
pub use planes::{PlaneFrame, acquired_axes, obliqueness_rad};
pub use series::{LoadedVolume, Series, SeriesKey, SeriesSource, StackOrder};
pub use slice_view::{SlicePosition, SliceView};
pub use workspace::{Placement, View, Viewport, ViewportId, VolumeView, Workspace};

/// What the left mouse button does in a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Tool {
    /// Horizontal width, vertical level.
    #[default]
    WindowLevel,
    /// Drag through the stack.
    Scroll,
    /// Move the picture.
    Pan,
    /// Enlarge.
    Zoom,
    /// Set the linked crosshair.
    Crosshair,
    /// Tilt the plane.
    Oblique,
    /// Measure or mark.
    Draw(DrawingKind),
}

/// An object beside the series of a study.
#[derive(Debug)]
pub struct FoundObject {
    /// What it is and where.
    pub object: DerivedObject,
    /// The path that was opened to find it.
    pub opened_path: PathBuf,
    /// Series it was read for.
    pub read_for: BTreeSet<SeriesKey>,
}

/// Everything that is open.
#[derive(Debug)]
pub struct Document {
    /// Series by key, in the order of the browser.
    pub series: Vec<Series>,
    /// Objects that were found beside the series, and the series they were read for.
    pub objects: Vec<FoundObject>,
    /// Regions over series.
    pub masks: Vec<Masks>,
    /// The undoable part.
    pub workspace: Workspace,
    /// The viewport that keys and the inspector act on.
    pub active: ViewportId,
    /// The linked crosshair of each series, LPS in mm; every slice view cuts through it.
    pub cursors: BTreeMap<SeriesKey, DVec3>,
    /// What the left button does.
    pub tool: Tool,
    /// The kind of drawing that was chosen last.
    pub measuring: DrawingKind,
    /// Whether corner texts are drawn.
    pub is_overlay_visible: bool,
    /// Whether series of one frame of reference scroll together.
    pub is_linked: bool,
    /// Whether series of different frames of reference keep their distance when one scrolls.
    pub is_linked_by_offset: bool,
    /// Undo and redo.
    pub history: History,
    /// What is being drawn.
    pub draft: Option<Draft>,
    /// The annotation that keys act on.
    pub selected: Option<AnnotationId>,
    /// The annotation that was just made and waits for its words.
    pub labelled: Option<AnnotationId>,
    /// What would be pasted.
    pub copied: Option<Arc<Annotation>>,
    /// The last identifier given to an annotation.
    pub(crate) last_annotation: u32,
    /// What UIDs of new annotations are made from.
    pub(crate) uid_seed: UidSeed,
    /// Series whose windows the gesture in progress drags.
    pub(crate) dragged_windows: BTreeSet<SeriesKey>,
    next_key: u32,
}

impl Default for Document {
    fn default() -> Self {
        Self::new()
    }
}

impl Document {
    /// An empty document.
    pub fn new() -> Self {
        Self {
            series: Vec::new(),
            objects: Vec::new(),
            masks: Vec::new(),
            workspace: Workspace::default(),
            active: ViewportId::default(),
            cursors: BTreeMap::new(),
            tool: Tool::default(),
            measuring: DrawingKind::Length,
            is_overlay_visible: true,
            is_linked: true,
            is_linked_by_offset: false,
            history: History::default(),
            draft: None,
            selected: None,
            labelled: None,
            copied: None,
            last_annotation: 0,
            uid_seed: random_seed(),
            dragged_windows: BTreeSet::new(),
            next_key: 0,
        }
    }

    /// This document with everything closed; keys are never used again, so late messages find no series.
    pub fn closed(&self) -> Self {
        Self { next_key: self.next_key, ..Self::new() }
    }

    /// A series by key.
    pub fn series(&self, key: SeriesKey) -> Option<&Series> {
        self.series.iter().find(|s| s.key == key)
    }

    /// A series by key, to change.
    pub fn series_mut(&mut self, key: SeriesKey) -> Option<&mut Series> {
        self.series.iter_mut().find(|s| s.key == key)
    }

    /// A key that no series has.
    pub fn new_key(&mut self) -> SeriesKey {
        self.next_key += 1;
        SeriesKey(self.next_key)
    }

    /// The viewport that keys act on.
    pub fn active_viewport(&self) -> &Viewport {
        self.workspace.viewport(self.active)
    }

    /// The series in the active viewport.
    pub fn active_series(&self) -> Option<&Series> {
        self.series(self.active_viewport().series?)
    }

    /// Grid of a series as far as known: of the volume, else of the first slice.
    pub fn geometry(&self, key: SeriesKey) -> Option<&Geometry> {
        self.series(key)?.geometry()
    }

    /// Crosshair of a series; the middle of the volume until it was moved.
    pub fn cursor(&self, key: SeriesKey) -> Option<DVec3> {
        let geometry = self.geometry(key)?;
        Some(self.cursors.get(&key).copied().unwrap_or_else(|| geometry.center_lps()))
    }

    /// Windows that the file suggests for what is shown: the acquired slice in which the crosshair lies.
    pub fn file_windows(&self, key: SeriesKey) -> &[NamedWindow] {
        let Some(series) = self.series(key) else { return &[] };
        self.slice_at_cursor(key).map_or(&series.windows, |z| series.windows_of_slice(z))
    }

    fn slice_at_cursor(&self, key: SeriesKey) -> Option<usize> {
        let geometry = self.series(key)?.loaded()?.volume.geometry();
        let z = geometry.index_from_lps().transform_point3(self.cursor(key)?).z.round();
        Some((z.max(0.0) as usize).min(geometry.dims().z - 1))
    }

    /// Where a window of the file is in force, lets the slice on show have its own.
    ///
    /// That follows from where the crosshair is, and is no step to undo.
    pub(crate) fn follow_file_windows(&mut self) {
        let keys: Vec<SeriesKey> = self.workspace.displays.keys().copied().collect();
        for key in keys {
            let own = self.workspace.displays.get(&key).and_then(|display| {
                let n = display.file_window?;
                let windows = self.file_windows(key);
                let same_name = windows.iter().find(|own| Some(&own.name) == display.window_name.as_ref());
                same_name.or_else(|| windows.get(n)).cloned()
            });
            if let (Some(own), Some(display)) = (own, self.workspace.displays.get_mut(&key)) {
                display.window = own.window;
                display.window_name = Some(own.name);
            }
        }
    }

    /// Whether an annotation is drawn in some viewport now.
    pub fn is_shown(&self, id: AnnotationId) -> bool {
        let workspace = &self.workspace;
        let annotation = workspace.annotations.get(&id).filter(|a| a.is_visible);
        annotation.filter(|_| workspace.are_annotations_visible).is_some_and(|annotation| {
            let mut showing = workspace.visible().filter(|v| v.series == Some(annotation.series));
            showing.any(|viewport| {
                let cut = || Some((self.geometry(annotation.series)?, self.cursor(annotation.series)?));
                // Where the plane lies does not depend on the size of the picture.
                let is_on = |view: &SliceView, (geometry, cursor): (&Geometry, DVec3)| {
                    annotation.is_on(&view.slice_plane(geometry, cursor, [64, 64]), view.slab, geometry)
                };
                viewport.slice().zip(cut()).is_some_and(|(view, cut)| is_on(view, cut))
            })
        })
    }

    /// Regions that lie over a series.
    pub fn masks_of(&self, key: SeriesKey) -> impl Iterator<Item = &Masks> {
        self.masks.iter().filter(move |masks| masks.series == key)
    }

    /// Takes regions that a worker made of an object.
    pub fn masks_made(&mut self, series: SeriesKey, object: &DerivedObject, made: MadeMasks) {
        let key = MaskKey(self.new_key().0);
        self.workspace.mask_looks.insert(key, MaskLook::new(&made.regions));
        let title = if object.label.trim().is_empty() { object.kind.name() } else { object.label.trim() };
        self.masks.push(Masks {
            key,
            series,
            title: title.to_owned(),
            kind: object.kind.name(),
            regions: made.regions,
            maps: made.maps,
            warnings: made.warnings,
        });
    }

    /// How lengths of a series are to be shown.
    pub fn lengths(&self, series: &Series) -> Lengths {
        Lengths::of(
            &series.spacing_source,
            &series.verdict(),
            self.workspace.acknowledged.contains(&series.key),
        )
    }

    /// Gives viewports whose series became known their planes, cameras and grey values.
    ///
    /// Called after messages and commands; viewports that have been placed stay as they are.
    pub fn place_views(&mut self) {
        let is_neurological = self.workspace.is_neurological;
        for viewport in &mut self.workspace.viewports {
            let Some(key) = viewport.series.filter(|_| viewport.placement < Placement::Whole) else {
                continue;
            };
            let Some(series) = self.series.iter().find(|s| s.key == key) else { continue };
            let Some(geometry) = series.geometry() else { continue };
            let placement = if series.loaded().is_some() { Placement::Whole } else { Placement::Preview };
            if viewport.placement < placement {
                viewport.place(geometry, placement, is_neurological);
                self.workspace.displays.entry(key).or_insert_with(|| Display::initial(series));
            }
        }
        self.follow_file_windows();
    }

    /// Lets go of series that are replaced: steps to undo name them, and viewports show them no more.
    pub(crate) fn forget_series(&mut self, keys: &[SeriesKey]) {
        if keys.is_empty() {
            return;
        }
        self.history = History::default();
        self.draft = None;
        let workspace = &mut self.workspace;
        let is_gone = |key: &SeriesKey| keys.contains(key);
        for viewport in &mut workspace.viewports {
            if viewport.series.as_ref().is_some_and(is_gone) {
                (viewport.series, viewport.placement) = (None, Placement::None);
            }
        }
        workspace.fusions.retain(|key, fusion| !is_gone(key) && !is_gone(&fusion.over));
    }

    /// Takes a volume that finished loading: crosshair on a voxel centre, automatic grey values from all of it.
    pub fn volume_loaded(&mut self, key: SeriesKey, loaded: LoadedVolume) {
        let Some(series) = self.series.iter_mut().find(|s| s.key == key) else { return };
        series.volume = Task::Ready(loaded);
        series.preview = None;
        if let Some(geometry) = series.geometry() {
            let middle = (geometry.dims().as_dvec3() - 1.0) * 0.5;
            let center = geometry.lps_from_index().transform_point3(middle.floor());
            let cursor = self.cursors.get(&key).copied().filter(|c| geometry.nearest_index(*c).is_some());
            self.cursors.insert(key, cursor.unwrap_or(center));
        }
        let whole = Display::initial(series);
        if let Some(display) = self.workspace.displays.get_mut(&key) {
            if display.window_name.as_deref() == Some(AUTO) {
                display.window = whole.window;
            }
            if display.volume.preset == whole.volume.preset {
                // The curve is stretched over the data; how it is drawn was chosen.
                display.volume = VolumeLook { style: display.volume.style, ..whole.volume };
            }
        } else {
            // Also for what is never shown alone, but laid over another series.
            self.workspace.displays.insert(key, whole);
        }
        self.place_views();
    }
}

/// Bits that no other document has: the standard library takes its keys from the system's own.
pub(crate) fn random_seed() -> UidSeed {
    let half = |name: &str| u128::from(RandomState::new().hash_one((name, std::process::id())));
    UidSeed(half("high") << 64 | half("low"))
}
