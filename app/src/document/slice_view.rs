//! One slice viewport: which way it faces, how it is framed, and where its slices lie.

use glam::{DQuat, DVec3};
use imaging::geometry::{AnatomicalPlane, Geometry};
use render_core::scene::{Slab, SlicePlane};

use super::planes::{PlaneFrame, acquired_axes};
use super::series::StackOrder;

/// Cosine of the largest angle at which a plane still counts as parallel to voxel layers (0.05°).
const PARALLEL: f64 = 0.999_999_6;

/// A slice viewport.
///
/// Orientation is held only as the two *screen axes*: rotating and flipping change these, so letters that are
/// computed from them are always those of the final picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SliceView {
    /// Role in the layout; decides colour, name and line style.
    pub plane: AnatomicalPlane,
    /// Unit vector to the right of the screen, LPS.
    pub right: DVec3,
    /// Unit vector down the screen, LPS; perpendicular to `right`.
    pub down: DVec3,
    /// What the plane was laid along; turning it freely makes it neither.
    pub frame: PlaneFrame,
    /// Shift of the picture's middle from the volume's middle, LPS in mm.
    pub pan_lps: DVec3,
    /// 1 shows the whole volume.
    pub zoom: f64,
    /// Thickness.
    pub slab: Slab,
}

/// Place of the current slice among all of its plane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SlicePosition {
    /// Counted from 1.
    pub number: usize,
    /// All slices of this plane.
    pub count: usize,
    /// Index along z of the acquired stack, if this is one of its slices.
    pub stack_index: Option<usize>,
}

/// Whether slices are counted along `axis` (else against it): head to feet, front to back, right to left.
pub(super) fn counts_forward(axis: DVec3) -> bool {
    let a = axis.abs();
    if a.z >= a.x && a.z >= a.y {
        axis.z < 0.0
    } else if a.y >= a.x {
        axis.y > 0.0
    } else {
        axis.x > 0.0
    }
}

impl SliceView {
    /// A view along the patient's axes; see [`Self::place`].
    pub fn new(plane: AnatomicalPlane) -> Self {
        let (right, down) = plane.screen_axes_lps();
        Self {
            plane,
            right,
            down,
            frame: PlaneFrame::Patient,
            pan_lps: DVec3::ZERO,
            zoom: 1.0,
            slab: Slab::default(),
        }
    }

    /// Lays the plane along a frame and forgets rotation, flips, pan and zoom.
    pub fn place(&mut self, frame: PlaneFrame, geometry: &Geometry) {
        (self.right, self.down) = match frame {
            PlaneFrame::Acquired => acquired_axes(self.plane, geometry),
            PlaneFrame::Patient => self.plane.screen_axes_lps(),
        };
        self.frame = frame;
        self.pan_lps = DVec3::ZERO;
        self.zoom = 1.0;
    }

    /// [`Self::place`], mirrored where neurologists look from above: patient left on the left.
    pub fn place_for(&mut self, frame: PlaneFrame, geometry: &Geometry, is_neurological: bool) {
        self.place(frame, geometry);
        if is_neurological && self.plane != AnatomicalPlane::Sagittal {
            self.flip_horizontal();
        }
    }

    /// View direction, into the screen.
    pub fn normal(&self) -> DVec3 {
        self.right.cross(self.down)
    }

    /// Whether the plane was turned away from where [`Self::place`] laid it (flips and quarter turns aside).
    pub fn is_tilted(&self, geometry: &Geometry) -> bool {
        let (right, down) = match self.frame {
            PlaneFrame::Acquired => acquired_axes(self.plane, geometry),
            PlaneFrame::Patient => self.plane.screen_axes_lps(),
        };
        right.cross(down).dot(self.normal()).abs() < PARALLEL
    }

    /// The index axis whose voxel layers this plane is parallel to.
    pub fn aligned_axis(&self, geometry: &Geometry) -> Option<usize> {
        let d = geometry.direction();
        let normal = self.normal();
        (0..3).find(|&axis| {
            let layer = d.col((axis + 1) % 3).cross(d.col((axis + 2) % 3)).normalize_or_zero();
            layer.dot(normal).abs() >= PARALLEL
        })
    }

    /// Point the plane goes through: the cursor, moved to the nearest voxel layer where there is one.
    pub fn through(&self, geometry: &Geometry, cursor_lps: DVec3) -> DVec3 {
        let Some(axis) = self.aligned_axis(geometry) else { return cursor_lps };
        let mut index = geometry.index_from_lps().transform_point3(cursor_lps);
        index[axis] = index[axis].round().clamp(0.0, geometry.dims().as_dvec3()[axis] - 1.0);
        geometry.lps_from_index().transform_point3(index)
    }

    /// The rectangle of pixels to draw.
    pub fn slice_plane(&self, geometry: &Geometry, cursor_lps: DVec3, size_px: [u32; 2]) -> SlicePlane {
        let through = self.through(geometry, cursor_lps);
        let fitted = SlicePlane::fitted(self.right, self.down, geometry, through, size_px);
        let normal = self.normal();
        let in_plane = self.pan_lps - normal * normal.dot(self.pan_lps);
        SlicePlane {
            center_lps: fitted.center_lps + in_plane,
            mm_per_px: fitted.mm_per_px / self.zoom,
            ..fitted
        }
    }

    /// Where the current slice is among all of its plane.
    pub fn position(&self, geometry: &Geometry, cursor_lps: DVec3, order: StackOrder) -> SlicePosition {
        match self.aligned_axis(geometry) {
            Some(axis) => {
                let count = geometry.dims().to_array().get(axis).copied().unwrap_or(1);
                let index = geometry.index_from_lps().transform_point3(cursor_lps)[axis].round();
                let index = (index.max(0.0) as usize).min(count - 1);
                let number = if self.counts_up(axis, geometry, order) { index + 1 } else { count - index };
                SlicePosition { number, count, stack_index: (axis == 2).then_some(index) }
            }
            None => {
                let (low, high, step) = self.extent(geometry);
                let count = ((high - low) / step).ceil().max(1.0) as usize;
                let along = (cursor_lps.dot(self.counting_normal()) - low) / step;
                SlicePosition {
                    number: (along.max(0.0) as usize).min(count - 1) + 1,
                    count,
                    stack_index: None,
                }
            }
        }
    }

    /// The cursor after `steps` slices in the direction of counting; stops at the first and last.
    pub fn stepped(&self, geometry: &Geometry, cursor_lps: DVec3, steps: i64, order: StackOrder) -> DVec3 {
        match self.aligned_axis(geometry) {
            Some(axis) => {
                let mut index = geometry.index_from_lps().transform_point3(cursor_lps);
                let last = geometry.dims().as_dvec3()[axis] - 1.0;
                let signed = if self.counts_up(axis, geometry, order) { steps } else { -steps };
                index[axis] = (index[axis].round() + signed as f64).clamp(0.0, last);
                geometry.lps_from_index().transform_point3(index)
            }
            None => {
                let (low, high, step) = self.extent(geometry);
                let normal = self.counting_normal();
                let now = cursor_lps.dot(normal);
                let then = (now + steps as f64 * step).clamp(low + step * 0.5, (high - step * 0.5).max(low));
                cursor_lps + normal * (then - now)
            }
        }
    }

    /// Whether slice numbers grow with the index along `axis`.
    fn counts_up(&self, axis: usize, geometry: &Geometry, order: StackOrder) -> bool {
        if axis == 2 { !order.is_reversed } else { counts_forward(geometry.direction().col(axis)) }
    }

    fn counting_normal(&self) -> DVec3 {
        let normal = self.normal();
        if counts_forward(normal) { normal } else { -normal }
    }

    /// Lowest and highest distance of the volume along the counting normal, and the distance between slices, in mm.
    fn extent(&self, geometry: &Geometry) -> (f64, f64, f64) {
        let normal = self.counting_normal();
        let along = geometry.corners_lps().map(|c| c.dot(normal));
        let low = along.into_iter().fold(f64::INFINITY, f64::min);
        let high = along.into_iter().fold(f64::NEG_INFINITY, f64::max);
        (low, high, geometry.spacing_mm().min_element())
    }

    /// Turns the picture by a quarter.
    pub fn rotate_quarter(&mut self, clockwise: bool) {
        (self.right, self.down) = if clockwise { (-self.down, self.right) } else { (self.down, -self.right) };
    }

    /// Mirrors left and right of the screen.
    pub fn flip_horizontal(&mut self) {
        self.right = -self.right;
    }

    /// Mirrors top and bottom of the screen.
    pub fn flip_vertical(&mut self) {
        self.down = -self.down;
    }

    /// Tilts the plane about the screen's vertical (`yaw`) and horizontal (`pitch`) axes.
    pub fn tilt(&mut self, yaw_rad: f64, pitch_rad: f64) {
        let turn = DQuat::from_axis_angle(self.down, yaw_rad) * DQuat::from_axis_angle(self.right, pitch_rad);
        let right = (turn * self.right).normalize();
        let down = turn * self.down;
        self.right = right;
        self.down = (down - right * right.dot(down)).try_normalize().unwrap_or(self.down);
    }

    /// Moves the picture on screen: positive to the right and down, in mm.
    pub fn pan(&mut self, right_mm: f64, down_mm: f64) {
        self.pan_lps -= self.right * right_mm + self.down * down_mm;
    }

    /// Enlarges about a point of the picture, given in mm from its middle.
    pub fn zoom_about(&mut self, factor: f64, right_mm: f64, down_mm: f64) {
        if !(factor.is_finite() && factor > 0.0) {
            return;
        }
        let before = self.zoom;
        self.zoom = (before * factor).clamp(0.05, 200.0);
        let kept = 1.0 - before / self.zoom;
        self.pan_lps += (self.right * right_mm + self.down * down_mm) * kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::DMat3;
    use imaging::geometry::{Dims, orientation_letters};

    const FORWARD: StackOrder = StackOrder { is_reversed: false, is_from_instances: true };

    fn geometry() -> Geometry {
        Geometry::axis_aligned(Dims::new(10, 20, 30), DVec3::new(-4.0, 7.0, 9.0), DVec3::new(1.0, 0.5, 2.0))
            .unwrap()
    }

    #[test]
    fn letters_follow_all_flips_and_rotations_in_all_planes() {
        // Independent table: how a picture with edges (left, top, right, bottom) changes.
        type Edges = [String; 4];
        let edges =
            |v: &SliceView| -> Edges { [-v.right, -v.down, v.right, v.down].map(orientation_letters) };
        let rotate = |e: &Edges| [e[3].clone(), e[0].clone(), e[1].clone(), e[2].clone()];
        let mirror = |e: &Edges| [e[2].clone(), e[1].clone(), e[0].clone(), e[3].clone()];
        for plane in AnatomicalPlane::ALL {
            for flips in 0..2 {
                for quarters in 0..4 {
                    let mut view = SliceView::new(plane);
                    let mut expected = edges(&view);
                    for _ in 0..flips {
                        view.flip_horizontal();
                        expected = mirror(&expected);
                    }
                    for _ in 0..quarters {
                        view.rotate_quarter(true);
                        expected = rotate(&expected);
                    }
                    assert_eq!(edges(&view), expected, "{} {flips} {quarters}", plane.name());
                }
            }
        }
    }

    #[test]
    fn axial_turned_clockwise_shows_right_on_top() {
        let mut view = SliceView::new(AnatomicalPlane::Axial);
        view.rotate_quarter(true);
        // The screen's left edge (patient right) goes up.
        assert_eq!(orientation_letters(-view.down), "R");
        view.rotate_quarter(false);
        assert_eq!(view, SliceView::new(AnatomicalPlane::Axial));
    }

    #[test]
    fn steps_land_on_voxel_layers_and_stop_at_the_ends() {
        let g = geometry();
        let view = SliceView::new(AnatomicalPlane::Axial);
        let start = g.lps_from_index().transform_point3(DVec3::new(3.2, 4.0, 10.4));
        assert_eq!(view.position(&g, start, FORWARD).number, 11);
        let next = view.stepped(&g, start, 1, FORWARD);
        let index = g.index_from_lps().transform_point3(next);
        assert!(index.abs_diff_eq(DVec3::new(3.2, 4.0, 11.0), 1e-9), "{index}");
        let end = view.stepped(&g, start, 1000, FORWARD);
        let p = view.position(&g, end, FORWARD);
        assert_eq!((p.number, p.count, p.stack_index), (30, 30, Some(29)));
        let reversed = StackOrder { is_reversed: true, is_from_instances: true };
        assert_eq!(view.position(&g, end, reversed).number, 1);
    }

    #[test]
    fn reformatted_planes_count_in_the_anatomical_direction() {
        let g = geometry();
        let first = g.lps_from_index().transform_point3(DVec3::ZERO);
        for plane in [AnatomicalPlane::Coronal, AnatomicalPlane::Sagittal] {
            let view = SliceView::new(plane);
            let p = view.position(&g, first, FORWARD);
            assert_eq!((p.number, p.stack_index), (1, None), "{}", plane.name());
        }
    }

    #[test]
    fn oblique_planes_step_by_the_smallest_spacing() {
        let g = geometry();
        let mut view = SliceView::new(AnatomicalPlane::Axial);
        view.tilt(0.3, 0.2);
        assert_eq!(view.aligned_axis(&g), None);
        assert!(view.is_tilted(&g));
        let cursor = g.center_lps();
        let next = view.stepped(&g, cursor, 1, FORWARD);
        assert!((next.distance(cursor) - 0.5).abs() < 1e-9);
        let (a, b) = (view.position(&g, cursor, FORWARD), view.position(&g, next, FORWARD));
        assert_eq!(b.number, a.number + 1);
        assert!(view.right.dot(view.down).abs() < 1e-12);
    }

    #[test]
    fn tilted_stack_is_still_cut_along_its_slices() {
        let shear = DMat3::from_cols(DVec3::X, DVec3::Y, DVec3::new(0.0, 0.3, 0.95));
        let g = Geometry::new(Dims::new(8, 8, 8), DVec3::ZERO, DVec3::ONE, shear).unwrap();
        let mut view = SliceView::new(AnatomicalPlane::Axial);
        view.place(PlaneFrame::Acquired, &g);
        assert_eq!(view.aligned_axis(&g), Some(2));
        let mut coronal = SliceView::new(AnatomicalPlane::Coronal);
        coronal.place(PlaneFrame::Acquired, &g);
        coronal.flip_vertical();
        // Across a sheared stack no voxel layer is upright, but nobody has tilted the view.
        assert!(coronal.aligned_axis(&g).is_none() && !coronal.is_tilted(&g));
    }

    #[test]
    fn zoom_keeps_the_point_under_the_pointer() {
        let g = geometry();
        let size = [200, 100];
        let mut view = SliceView::new(AnatomicalPlane::Coronal);
        let cursor = g.center_lps();
        let before = view.slice_plane(&g, cursor, size);
        let point = before.lps_from_px(150.0, 20.0, size);
        view.zoom_about(2.5, 50.0 * before.mm_per_px, -30.0 * before.mm_per_px);
        let after = view.slice_plane(&g, cursor, size);
        assert!(after.lps_from_px(150.0, 20.0, size).abs_diff_eq(point, 1e-9));
        assert!((before.mm_per_px / after.mm_per_px - 2.5).abs() < 1e-12);
    }

    #[test]
    fn panning_moves_the_picture_with_the_pointer() {
        let g = geometry();
        let size = [200, 100];
        let mut view = SliceView::new(AnatomicalPlane::Sagittal);
        view.flip_horizontal();
        let cursor = g.center_lps();
        let before = view.slice_plane(&g, cursor, size);
        let point = before.lps_from_px(60.0, 40.0, size);
        view.pan(10.0 * before.mm_per_px, -5.0 * before.mm_per_px);
        let after = view.slice_plane(&g, cursor, size);
        let ([x, y], _) = after.px_from_lps(point, size);
        assert!((x - 70.0).abs() < 1e-9 && (y - 35.0).abs() < 1e-9);
    }
}
