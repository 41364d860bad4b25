//! The undoable part of the document: viewports, layout and displays.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use glam::DVec3;
use imaging::geometry::{AnatomicalPlane, Geometry};
use imaging::measurement::Calibration;
use render_core::camera::{Camera, Projection};
use render_core::scene::Slab;

use super::annotations::{Annotation, AnnotationId};
use super::display::{Display, Fusion};
use super::layout::{Layout, MAX_VIEWPORTS, STACKS};
use super::masks::{MaskKey, MaskLook};
use super::planes::{PlaneFrame, stack_plane};
use super::series::SeriesKey;
use super::slice_view::SliceView;

/// Names a viewport. The first four are axial, coronal, sagittal and volume, the others are cells of grids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ViewportId(pub u8);

/// The volume view.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VolumeView {
    /// From where the volume is seen.
    pub camera: Camera,
}

impl VolumeView {
    /// From the front, a little from above and the patient's left, filling the viewport.
    pub fn initial_camera(geometry: &Geometry) -> Camera {
        Camera::orbit(geometry, 0.35, 0.2, 1.45)
    }
}

/// What a viewport shows.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "the kinds name themselves")]
pub enum View {
    Slice(SliceView),
    Volume(VolumeView),
}

/// What a view has been fitted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Placement {
    /// Nothing yet.
    #[default]
    None,
    /// The first slice, while the rest is loading.
    Preview,
    /// The whole volume.
    Whole,
}

/// One viewport.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Viewport {
    /// Its name.
    pub id: ViewportId,
    /// What it shows.
    pub series: Option<SeriesKey>,
    /// How far the view was fitted to its series.
    pub placement: Placement,
    /// Whether it shows a series as it was acquired, whichever plane that is.
    pub is_stack: bool,
    /// How it shows it.
    pub view: View,
}

impl Viewport {
    /// Fits the view to a geometry. Slices that were fitted to the first slice keep what was done to them since.
    pub fn place(&mut self, geometry: &Geometry, placement: Placement, is_neurological: bool) {
        match &mut self.view {
            View::Slice(view) if self.placement == Placement::None => {
                if self.is_stack {
                    view.plane = stack_plane(geometry);
                }
                view.place_for(PlaneFrame::Acquired, geometry, is_neurological);
                view.slab = Slab::default();
            }
            View::Slice(_) => {}
            View::Volume(view) => view.camera = VolumeView::initial_camera(geometry),
        }
        self.placement = placement;
    }

    /// The slice view, if it is one.
    pub fn slice(&self) -> Option<&SliceView> {
        if let View::Slice(view) = &self.view { Some(view) } else { None }
    }

    /// The volume view, if it is one.
    pub fn volume(&self) -> Option<&VolumeView> {
        if let View::Volume(view) = &self.view { Some(view) } else { None }
    }

    /// `Axial`, `Coronal`, `Sagittal` or `Volume`.
    pub fn name(&self) -> &'static str {
        match &self.view {
            View::Slice(view) => view.plane.name(),
            View::Volume(_) => "Volume",
        }
    }
}

/// The undoable state.
#[derive(Debug, Clone, PartialEq)]
pub struct Workspace {
    /// Visible viewports.
    pub layout: Layout,
    /// All there can be, seen or not, so that going back to a layout finds it as it was: axial, coronal, sagittal,
    /// volume, then the cells of grids.
    pub viewports: Vec<Viewport>,
    /// Grey values by series.
    pub displays: BTreeMap<SeriesKey, Display>,
    /// Series whose red geometry somebody has taken note of.
    pub acknowledged: BTreeSet<SeriesKey>,
    /// What was drawn.
    pub annotations: BTreeMap<AnnotationId, Arc<Annotation>>,
    /// What lies over the slices of a series.
    pub fusions: BTreeMap<SeriesKey, Fusion>,
    /// How regions over series are drawn.
    pub mask_looks: BTreeMap<MaskKey, MaskLook>,
    /// Lengths that somebody vouches for, by series.
    pub calibrations: BTreeMap<SeriesKey, Arc<Calibration>>,
    /// Whether what was drawn is shown at all.
    pub are_annotations_visible: bool,
    /// Patient left on the left of the screen; radiologists have it on the right.
    pub is_neurological: bool,
}

impl Default for Workspace {
    fn default() -> Self {
        let viewport = |id, view| Viewport {
            id: ViewportId(id),
            series: None,
            placement: Placement::None,
            is_stack: id >= STACKS,
            view,
        };
        let slice = |id, plane| viewport(id, View::Slice(SliceView::new(plane)));
        let camera = Camera {
            position_lps: DVec3::NEG_Y,
            target_lps: DVec3::ZERO,
            up_lps: DVec3::Z,
            projection: Projection::Orthographic { height_mm: 1.0 },
        };
        let mut viewports = vec![
            slice(0, AnatomicalPlane::Axial),
            slice(1, AnatomicalPlane::Coronal),
            slice(2, AnatomicalPlane::Sagittal),
            viewport(3, View::Volume(VolumeView { camera })),
        ];
        viewports.extend((STACKS..MAX_VIEWPORTS).map(|id| slice(id, AnatomicalPlane::Axial)));
        Self {
            layout: Layout::default(),
            viewports,
            displays: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            annotations: BTreeMap::new(),
            fusions: BTreeMap::new(),
            mask_looks: BTreeMap::new(),
            calibrations: BTreeMap::new(),
            are_annotations_visible: true,
            is_neurological: false,
        }
    }
}

impl Workspace {
    /// A viewport; an unknown id means the first.
    pub fn viewport(&self, id: ViewportId) -> &Viewport {
        let found = self.viewports.iter().find(|v| v.id == id).or(self.viewports.first());
        found.expect("a workspace is made with all its viewports")
    }

    /// A viewport to change.
    pub fn viewport_mut(&mut self, id: ViewportId) -> Option<&mut Viewport> {
        self.viewports.iter_mut().find(|v| v.id == id)
    }

    /// Viewports on screen, in reading order.
    pub fn visible(&self) -> impl Iterator<Item = &Viewport> {
        self.layout.visible().into_iter().map(|id| self.viewport(id))
    }

    /// Series of the layout, each once; those behind a maximised viewport and those laid over others too.
    pub fn shown_series(&self) -> BTreeSet<SeriesKey> {
        let ids = self.layout.arrangement.viewports();
        let mut shown: BTreeSet<SeriesKey> =
            ids.into_iter().filter_map(|id| self.viewport(id).series).collect();
        let over: Vec<SeriesKey> = shown.iter().filter_map(|key| Some(self.fusions.get(key)?.over)).collect();
        shown.extend(over);
        shown
    }
}
