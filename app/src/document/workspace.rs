//! The undoable part of the document: viewports, layout and displays.

use std::collections::{BTreeMap, BTreeSet};

use glam::DVec3;
use imaging::geometry::{AnatomicalPlane, Geometry};
use render_core::camera::{Camera, Projection};
use render_core::scene::Slab;

use super::display::Display;
use super::planes::PlaneFrame;
use super::series::SeriesKey;
use super::slice_view::SliceView;

/// Names a viewport; its place in the grid.
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
    /// How it shows it.
    pub view: View,
}

impl Viewport {
    /// Fits the view to a geometry. Slices that were fitted to the first slice keep what was done to them since.
    pub fn place(&mut self, geometry: &Geometry, placement: Placement) {
        match &mut self.view {
            View::Slice(view) if self.placement == Placement::None => {
                view.place(PlaneFrame::Acquired, geometry);
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

/// Which viewports are visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Layout {
    /// The one that fills the window, else four-up.
    pub maximised: Option<ViewportId>,
}

/// The undoable state.
#[derive(Debug, Clone, PartialEq)]
pub struct Workspace {
    /// Visible viewports.
    pub layout: Layout,
    /// Always four: axial, coronal, sagittal, volume.
    pub viewports: [Viewport; 4],
    /// Grey values by series.
    pub displays: BTreeMap<SeriesKey, Display>,
    /// Series whose red geometry somebody has taken note of.
    pub acknowledged: BTreeSet<SeriesKey>,
}

impl Default for Workspace {
    fn default() -> Self {
        let viewport =
            |id, view| Viewport { id: ViewportId(id), series: None, placement: Placement::None, view };
        let slice = |id, plane| viewport(id, View::Slice(SliceView::new(plane)));
        let camera = Camera {
            position_lps: DVec3::NEG_Y,
            target_lps: DVec3::ZERO,
            up_lps: DVec3::Z,
            projection: Projection::Orthographic { height_mm: 1.0 },
        };
        Self {
            layout: Layout::default(),
            viewports: [
                slice(0, AnatomicalPlane::Axial),
                slice(1, AnatomicalPlane::Coronal),
                slice(2, AnatomicalPlane::Sagittal),
                viewport(3, View::Volume(VolumeView { camera })),
            ],
            displays: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
        }
    }
}

impl Workspace {
    /// A viewport; an unknown id means the first.
    pub fn viewport(&self, id: ViewportId) -> &Viewport {
        let [first, ..] = &self.viewports;
        self.viewports.iter().find(|v| v.id == id).unwrap_or(first)
    }

    /// A viewport to change.
    pub fn viewport_mut(&mut self, id: ViewportId) -> Option<&mut Viewport> {
        self.viewports.iter_mut().find(|v| v.id == id)
    }

    /// Viewports on screen, in reading order.
    pub fn visible(&self) -> impl Iterator<Item = &Viewport> {
        let only = self.layout.maximised;
        self.viewports.iter().filter(move |v| only.is_none_or(|id| id == v.id))
    }
}
