//! Contours of structure sets, and the voxels they enclose.
//!
//! Points are LPS in mm; a point at the centre of a voxel has that voxel's whole-number index. What lies inside an
//! even number of the contours of one slice is outside (XOR), which is how holes are written.

use std::collections::BTreeMap;

use glam::{DVec2, DVec3};

use crate::derived::{InstanceReference, Mismatch, SeriesReference, mismatch};
use crate::geometry::Geometry;
use crate::labelmap::Mask;
use crate::statistics::region::{GridSlice, IndexAxis, Shape};

/// How the points of a contour are joined (PS3.3 C.8.8.6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the standard's own names")]
pub enum ContourKind {
    Point,
    OpenPlanar,
    OpenNonPlanar,
    ClosedPlanar,
    /// Closed; says explicitly that it is combined with others by XOR.
    ClosedPlanarXor,
}

impl ContourKind {
    /// Whether the contour encloses an area.
    pub fn is_closed(self) -> bool {
        matches!(self, Self::ClosedPlanar | Self::ClosedPlanarXor)
    }
}

/// One contour.
#[derive(Debug, Clone, PartialEq)]
pub struct Contour {
    /// How the points are joined.
    pub kind: ContourKind,
    /// LPS in mm, at least one.
    pub points_lps: Vec<DVec3>,
    /// Images it was drawn on.
    pub source_instances: Vec<InstanceReference>,
}

/// A region of interest.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Roi {
    /// Its number.
    pub number: i64,
    /// Name for people.
    pub name: String,
    /// Longer text.
    pub description: String,
    /// `ORGAN`, `PTV`, `EXTERNAL`, … as the file writes it; empty if it does not say.
    pub interpreted_type: String,
    /// `MANUAL`, `AUTOMATIC`, … as the file writes it.
    pub algorithm: String,
    /// Display colour.
    pub color_rgb: Option<[u8; 3]>,
    /// Volume in millilitres as stated by the writer; not checked.
    pub stated_volume_ml: Option<f64>,
    /// Frame of reference of the points.
    pub frame_of_reference_uid: Option<String>,
    /// In the order of the file.
    pub contours: Vec<Contour>,
}

/// A structure set.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StructureSet {
    /// Label for people.
    pub label: String,
    /// Name.
    pub name: String,
    /// In the order of the file.
    pub rois: Vec<Roi>,
    /// The images it was drawn on.
    pub referenced_series: Vec<SeriesReference>,
    /// What a person should know, as sentences without final period.
    pub warnings: Vec<String>,
}

/// The image that contours are to be shown on.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the fields name themselves")]
pub struct ImageGrid<'a> {
    pub geometry: &'a Geometry,
    pub series_uid: Option<&'a str>,
    pub frame_of_reference_uid: Option<&'a str>,
}

/// A contour on a slice of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct SliceContour<'a> {
    /// The contour itself.
    pub contour: &'a Contour,
    /// Its points in continuous index of the slice (x, y): whole numbers are pixel centres.
    pub points: Vec<DVec2>,
    /// Mean distance of its points from the slice, along the slice axis.
    pub distance_mm: f64,
}

/// Voxels that contours enclose, and what could not be filled.
#[derive(Debug, Clone, PartialEq)]
pub struct RoiMask {
    /// Voxels whose centres lie inside.
    pub mask: Mask,
    /// Closed contours that lie in no slice of the grid along any axis: oblique to it, or outside.
    pub left_out: usize,
    /// Slices between the first and the last contour that hold none, because contours are further apart than slices.
    pub empty_slices: usize,
}

/// Contours of a region at one place along an axis of a grid.
struct Stack<'a> {
    axis: IndexAxis,
    slices: BTreeMap<usize, Layer<'a>>,
    left_out: usize,
}

/// Contours of one plane.
struct Layer<'a> {
    /// From the slice they belong to, in slices.
    distance: f64,
    /// With their points in continuous index of the slice.
    contours: Vec<(&'a Contour, Vec<DVec2>)>,
}

/// Planes closer than this share of a slice count as one.
const SAME_PLANE: f64 = 0.01;

impl StructureSet {
    /// Why a region must not be shown on an image, or `None` if it belongs to it.
    pub fn mismatch(&self, roi: &Roi, image: ImageGrid<'_>) -> Option<Mismatch> {
        let is_referenced =
            image.series_uid.is_some_and(|uid| self.referenced_series.iter().any(|s| s.series_uid == uid));
        let own: Vec<&str> = roi.frame_of_reference_uid.as_deref().into_iter().collect();
        mismatch(is_referenced, &own, image.frame_of_reference_uid)
    }

    /// The voxels that the closed contours of a region enclose.
    ///
    /// A contour belongs to the slice whose centre is nearest, at most half a slice away; where two planes of
    /// contours fall into one slice the nearer one counts.
    ///
    /// # Errors
    /// [`Mismatch`] if the region lies in another frame of reference.
    pub fn mask(&self, roi: &Roi, image: ImageGrid<'_>) -> Result<RoiMask, Mismatch> {
        if let Some(reason) = self.mismatch(roi, image) {
            return Err(reason);
        }
        let stack = roi.stack(image.geometry, ContourKind::is_closed);
        let mut mask = Mask::empty(*image.geometry);
        for (&index, layer) in &stack.slices {
            for (_, points) in &layer.contours {
                let shape = Shape::Polygon { vertices: points.clone() };
                for run in shape.runs(GridSlice { axis: stack.axis, index }, image.geometry.dims()) {
                    mask.toggle(run);
                }
            }
        }
        mask.drop_clear_planes();
        let (first, last) = (stack.slices.keys().next(), stack.slices.keys().next_back());
        let span = first.zip(last).map_or(0, |(first, last)| last - first + 1);
        Ok(RoiMask { mask, left_out: stack.left_out, empty_slices: span - stack.slices.len() })
    }

    /// The contours of a region on one slice (index along z) of an image, of every kind.
    ///
    /// A contour is on the slice if its plane is at most half a slice away and no other plane of the region is
    /// nearer.
    ///
    /// # Errors
    /// [`Mismatch`] if the region lies in another frame of reference.
    pub fn contours_on_slice<'a>(
        &self,
        roi: &'a Roi,
        image: ImageGrid<'_>,
        z: usize,
    ) -> Result<Vec<SliceContour<'a>>, Mismatch> {
        if let Some(reason) = self.mismatch(roi, image) {
            return Err(reason);
        }
        let stack = roi.stack_along(image.geometry, IndexAxis::Z, |_| true);
        let Some(layer) = stack.slices.get(&z) else { return Ok(Vec::new()) };
        let distance_mm = layer.distance * image.geometry.spacing_mm().z;
        let on_slice = layer.contours.iter().map(|(contour, points)| SliceContour {
            contour,
            points: points.clone(),
            distance_mm,
        });
        Ok(on_slice.collect())
    }
}

impl Roi {
    /// Sorts contours into the slices of the axis that leaves the fewest out, slices along z first.
    fn stack<'a>(&'a self, grid: &Geometry, is_wanted: fn(ContourKind) -> bool) -> Stack<'a> {
        let along = |axis| self.stack_along(grid, axis, is_wanted);
        let upright = along(IndexAxis::Z);
        if upright.left_out == 0 {
            return upright;
        }
        [upright, along(IndexAxis::Y), along(IndexAxis::X)]
            .into_iter()
            .reduce(|best, other| if other.left_out < best.left_out { other } else { best })
            .unwrap_or(Stack { axis: IndexAxis::Z, slices: BTreeMap::new(), left_out: 0 })
    }

    fn stack_along<'a>(
        &'a self,
        grid: &Geometry,
        axis: IndexAxis,
        is_wanted: fn(ContourKind) -> bool,
    ) -> Stack<'a> {
        let mut stack = Stack { axis, slices: BTreeMap::new(), left_out: 0 };
        let slice = GridSlice { axis, index: 0 };
        let (across, count) = match axis {
            IndexAxis::X => (0, grid.dims().x),
            IndexAxis::Y => (1, grid.dims().y),
            IndexAxis::Z => (2, grid.dims().z),
        };
        let index_from_lps = grid.index_from_lps();
        for contour in self.contours.iter().filter(|contour| is_wanted(contour.kind)) {
            let indices: Vec<DVec3> =
                contour.points_lps.iter().map(|&lps| index_from_lps.transform_point3(lps)).collect();
            let heights = || indices.iter().map(|index| index[across]);
            let (low, high) =
                (heights().fold(f64::INFINITY, f64::min), heights().fold(f64::NEG_INFINITY, f64::max));
            let height = (low + high) * 0.5;
            let nearest = (height + 0.5).floor();
            let is_in_grid = nearest >= 0.0 && nearest < count as f64;
            // A plane that leans by more than half a slice belongs to several.
            if !(high - low <= 0.5 && is_in_grid) {
                stack.left_out += 1;
                continue;
            }
            let distance = (height - nearest).abs();
            let points = indices.iter().map(|&index| slice.point_at(index)).collect();
            let layer = stack
                .slices
                .entry(nearest as usize)
                .or_insert_with(|| Layer { distance, contours: Vec::new() });
            if distance + SAME_PLANE < layer.distance {
                layer.contours.clear();
            }
            if distance <= layer.distance + SAME_PLANE {
                layer.distance = layer.distance.min(distance);
                layer.contours.push((contour, points));
            }
        }
        stack
    }
}
