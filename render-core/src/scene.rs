//! What one view draws: descriptions without any drawing, shared by GPU, CPU and reference.

use std::sync::Arc;

use glam::DVec3;
use imaging::geometry::{AnatomicalPlane, Geometry};
use imaging::intensity::Window;
use imaging::volume::{Channels, Volume, VolumeId};

use crate::RenderError;
use crate::camera::Camera;
use crate::color_map::ColorMap;
use crate::layers::SliceLayer;
use crate::transfer_function::TransferFunction;

/// Largest picture edge that is drawn.
pub const MAX_PICTURE_PX: u32 = 16_384;

/// How values between voxel centres are made, always in modality units and before windowing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Interpolation {
    /// The nearest voxel.
    Nearest,
    /// Trilinear.
    #[default]
    Linear,
}

/// How the samples through a thick slab become one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum SlabMode {
    /// Arithmetic mean.
    #[default]
    Mean,
    /// Maximum intensity projection.
    Max,
    /// Minimum intensity projection.
    Min,
}

/// A slab around a slice plane.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Slab {
    /// Full thickness along the plane's normal; 0 is a plain slice.
    pub thickness_mm: f64,
    /// How samples combine.
    pub mode: SlabMode,
}

impl Slab {
    /// Offsets along the normal, in mm, at which a slab over this geometry is sampled.
    ///
    /// One sample per smallest voxel spacing, at the middle of equal parts; at most [`MAX_SLAB_SAMPLES`].
    pub fn offsets_mm(&self, geometry: &Geometry) -> Vec<f64> {
        if self.thickness_mm <= 0.0 || !self.thickness_mm.is_finite() {
            return vec![0.0];
        }
        let parts = (self.thickness_mm / geometry.spacing_mm().min_element()).ceil();
        let count = parts.clamp(1.0, MAX_SLAB_SAMPLES as f64) as usize;
        let part = self.thickness_mm / count as f64;
        (0..count).map(|i| (i as f64 + 0.5) * part - self.thickness_mm / 2.0).collect()
    }
}

/// Upper bound of samples through a slab.
pub const MAX_SLAB_SAMPLES: usize = 2048;

/// A rectangle of pixels in patient space.
///
/// The centre of pixel (i, j) of a `w × h` picture lies at
/// `center + ((i + 0.5 − w/2) · right + (j + 0.5 − h/2) · down) · mm_per_px`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SlicePlane {
    /// Middle of the picture, LPS in mm.
    pub center_lps: DVec3,
    /// Unit vector to the right of the picture.
    pub right: DVec3,
    /// Unit vector down the picture, perpendicular to `right`.
    pub down: DVec3,
    /// Size of one (square) pixel.
    pub mm_per_px: f64,
}

impl SlicePlane {
    /// The view direction: into the screen, `right × down`.
    pub fn normal(&self) -> DVec3 {
        self.right.cross(self.down)
    }

    /// LPS of a point of the picture; (0, 0) is the top left *corner*, pixel centres lie at +0.5.
    pub fn lps_from_px(&self, x_px: f64, y_px: f64, size_px: [u32; 2]) -> DVec3 {
        let dx = (x_px - f64::from(size_px[0]) / 2.0) * self.mm_per_px;
        let dy = (y_px - f64::from(size_px[1]) / 2.0) * self.mm_per_px;
        self.center_lps + self.right * dx + self.down * dy
    }

    /// Picture coordinates and signed distance along the normal of a point; inverse of [`Self::lps_from_px`].
    pub fn px_from_lps(&self, lps: DVec3, size_px: [u32; 2]) -> ([f64; 2], f64) {
        let v = lps - self.center_lps;
        let x = v.dot(self.right) / self.mm_per_px + f64::from(size_px[0]) / 2.0;
        let y = v.dot(self.down) / self.mm_per_px + f64::from(size_px[1]) / 2.0;
        ([x, y], v.dot(self.normal()))
    }

    /// An anatomical plane through `through_lps`, showing the whole volume in `size_px`.
    pub fn anatomical(
        plane: AnatomicalPlane,
        geometry: &Geometry,
        through_lps: DVec3,
        size_px: [u32; 2],
    ) -> Self {
        let (right, down) = plane.screen_axes_lps();
        Self::fitted(right, down, geometry, through_lps, size_px)
    }

    /// A plane with the given screen axes through `through_lps`, centred and scaled to show the whole volume.
    pub fn fitted(
        right: DVec3,
        down: DVec3,
        geometry: &Geometry,
        through_lps: DVec3,
        size_px: [u32; 2],
    ) -> Self {
        let normal = right.cross(down);
        let center = geometry.center_lps();
        let center_lps = center + normal * (through_lps - center).dot(normal);
        let extent = |axis: DVec3| {
            let half = geometry.corners_lps().map(|c| (c - center).dot(axis).abs());
            2.0 * half.into_iter().fold(0.0, f64::max)
        };
        let mm_per_px =
            (extent(right) / f64::from(size_px[0])).max(extent(down) / f64::from(size_px[1])).max(1e-6);
        Self { center_lps, right, down, mm_per_px }
    }

    /// A plane perpendicular to `normal` with `up` pointing up the picture as far as possible.
    ///
    /// `None` if the normal is zero or parallel to `up`.
    pub fn oblique_axes(normal: DVec3, up: DVec3) -> Option<(DVec3, DVec3)> {
        let normal = normal.try_normalize()?;
        let down = (-up + normal * normal.dot(up)).try_normalize()?;
        Some((down.cross(normal), down))
    }
}

/// Modality value to grey.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GreyMapping {
    /// VOI window.
    pub window: Window,
    /// Whether low values are bright.
    pub is_inverted: bool,
}

impl GreyMapping {
    /// Display value `0.0..=1.0` of a modality value.
    pub fn apply(&self, value: f64) -> f64 {
        let grey = self.window.apply(value);
        if self.is_inverted { 1.0 - grey } else { grey }
    }
}

/// One slice view. Outside the volume the picture is black.
///
/// Display values are sRGB-coded grey (as monitors are calibrated), not linear light. Colour volumes are shown as
/// they are and ignore `grey` and `color_map`. Layers are blended over the finished picture, see [`crate::layers`].
#[derive(Debug, Clone)]
pub struct SliceScene {
    /// What to cut.
    pub volume: Arc<Volume>,
    /// Index along time.
    pub time_point: usize,
    /// Where to cut.
    pub plane: SlicePlane,
    /// Picture width and height.
    pub size_px: [u32; 2],
    /// Between voxels.
    pub interpolation: Interpolation,
    /// Thickness.
    pub slab: Slab,
    /// Value to grey.
    pub grey: GreyMapping,
    /// Display value to colour; `None` is grey.
    pub color_map: Option<Arc<ColorMap>>,
    /// What lies over it, in the order of drawing.
    pub layers: Vec<SliceLayer>,
}

impl SliceScene {
    /// Checks what a renderer relies on.
    ///
    /// # Errors
    /// [`RenderError`] for empty or huge pictures, numbers that are not finite, time points that do not exist, colour
    /// volumes as layers.
    pub fn validate(&self) -> Result<(), RenderError> {
        self.layers.iter().try_for_each(SliceLayer::validate)?;
        validate_size(self.size_px)?;
        validate_time(&self.volume, self.time_point)?;
        let p = &self.plane;
        let is_finite = p.center_lps.is_finite() && p.right.is_finite() && p.down.is_finite();
        if !is_finite || !p.mm_per_px.is_finite() {
            return Err(RenderError::NotFinite { what: "slice plane" });
        }
        Ok(())
    }

    /// Whether a volume is the image or one of the layers.
    pub fn shows(&self, volume: VolumeId) -> bool {
        self.volume.id() == volume || self.layers.iter().any(|layer| layer.volume_id() == volume)
    }
}

/// Light for the gradient-shaded volume view: a lamp beside the camera, Blinn-Phong.
///
/// Source: Blinn, *Models of light reflection for computer synthesized pictures*, 1977.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lighting {
    /// Share of light that comes from everywhere.
    pub ambient: f32,
    /// Strength of the matt reflection.
    pub diffuse: f32,
    /// Strength of the highlight.
    pub specular: f32,
    /// Sharpness of the highlight.
    pub shininess: f32,
    /// Direction *towards* the lamp in camera space: right, up, back (towards the viewer). Normalised when used.
    pub towards_lamp: [f32; 3],
}

impl Default for Lighting {
    fn default() -> Self {
        Self {
            ambient: 0.25,
            diffuse: 0.75,
            specular: 0.25,
            shininess: 24.0,
            towards_lamp: [-0.35, 0.5, 1.0],
        }
    }
}

/// How samples along a ray become a colour.
#[derive(Debug, Clone)]
pub enum VolumeMode {
    /// Front-to-back compositing with a transfer function, optionally lit.
    Composite {
        /// Colour and opacity.
        transfer_function: Arc<TransferFunction>,
        /// `None` draws without shading.
        lighting: Option<Lighting>,
    },
    /// Maximum intensity projection through a window.
    Mip {
        /// Value to grey.
        grey: GreyMapping,
    },
}

/// Half space that is kept: points with `normal · p >= offset_mm`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClipPlane {
    /// Unit normal towards what is kept, LPS.
    pub normal_lps: DVec3,
    /// Distance of the plane from the LPS origin along the normal.
    pub offset_mm: f64,
}

/// Most clip planes in one scene.
pub const MAX_CLIP_PLANES: usize = 6;

/// Part of the volume that is drawn, in continuous index; voxel edges lie at −0.5 and n − 0.5.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "a box")]
pub struct CropBox {
    pub min_index: DVec3,
    pub max_index: DVec3,
}

impl CropBox {
    /// The whole volume, edge to edge.
    pub fn whole(geometry: &Geometry) -> Self {
        Self { min_index: DVec3::splat(-0.5), max_index: geometry.dims().as_dvec3() - 0.5 }
    }

    /// The common part of two boxes.
    pub fn intersection(self, other: Self) -> Self {
        Self {
            min_index: self.min_index.max(other.min_index),
            max_index: self.max_index.min(other.max_index),
        }
    }
}

/// One ray-marched volume view.
///
/// # Sampling, the same in every implementation
/// A ray (see [`Camera::ray`]) is clipped to the crop box, the clip planes and the camera's front, which gives
/// `t_entry..t_exit` in mm. Sample k lies at `t_entry + (k + offset) · step_mm` while that is below `t_exit`;
/// `offset` is 0.5 for the plain frame 0 and follows [`start_offset`] otherwise. Each sample is the trilinear
/// value at that point, clamped to the outer voxel centres. Its LUT entry (made for `step_mm`) is composited
/// front to back; shading uses the gradient by central differences over ±1 voxel.
#[derive(Debug, Clone)]
pub struct VolumeScene {
    /// What to draw.
    pub volume: Arc<Volume>,
    /// Index along time.
    pub time_point: usize,
    /// From where.
    pub camera: Camera,
    /// Picture width and height.
    pub size_px: [u32; 2],
    /// Compositing or projection.
    pub mode: VolumeMode,
    /// Distance between samples along a ray; see [`VolumeScene::full_quality_step_mm`].
    pub step_mm: f64,
    /// Visible part.
    pub crop: CropBox,
    /// Further cuts, at most [`MAX_CLIP_PLANES`].
    pub clip_planes: Vec<ClipPlane>,
    /// 0 is the plain picture; frames 1, 2, … start rays elsewhere, so that their mean has no step artefacts.
    pub jitter_frame: u32,
}

/// Upper bound of samples along one ray; `step_mm` is raised where it would take more.
pub const MAX_RAY_SAMPLES: u32 = 16_384;

impl VolumeScene {
    /// The sampling distance of a full quality frame: the smallest voxel spacing.
    pub fn full_quality_step_mm(geometry: &Geometry) -> f64 {
        geometry.spacing_mm().min_element()
    }

    /// The step that is really used: positive and never more than [`MAX_RAY_SAMPLES`] along the diagonal.
    pub fn effective_step_mm(&self) -> f64 {
        let least = self.volume.geometry().diagonal_mm() / f64::from(MAX_RAY_SAMPLES - 1);
        if self.step_mm.is_finite() { self.step_mm.max(least) } else { least }
    }

    /// Checks what a renderer relies on.
    ///
    /// # Errors
    /// [`RenderError`] for empty or huge pictures, colour volumes, numbers that are not finite, missing time points.
    pub fn validate(&self) -> Result<(), RenderError> {
        validate_size(self.size_px)?;
        validate_time(&self.volume, self.time_point)?;
        if self.volume.channels() != Channels::Scalar {
            return Err(RenderError::ColorVolume);
        }
        let c = &self.camera;
        if !(c.position_lps.is_finite() && c.target_lps.is_finite() && c.up_lps.is_finite()) {
            return Err(RenderError::NotFinite { what: "camera" });
        }
        if !(self.crop.min_index.is_finite() && self.crop.max_index.is_finite()) {
            return Err(RenderError::NotFinite { what: "crop box" });
        }
        if self.clip_planes.iter().any(|p| !p.normal_lps.is_finite() || !p.offset_mm.is_finite()) {
            return Err(RenderError::NotFinite { what: "clip plane" });
        }
        Ok(())
    }
}

/// Where the first sample of a pixel's ray lies within the first step, `0.0..1.0`.
///
/// Frame 0 is 0.5 everywhere. Later frames add a golden-ratio sequence to a per-pixel hash, so that any run of
/// frames covers the step evenly. Source of the hash: Jarzynski, Olano, *Hash functions for GPU rendering*, 2020 (PCG).
pub fn start_offset(x: u32, y: u32, frame: u32) -> f32 {
    if frame == 0 {
        return 0.5;
    }
    let pcg = |v: u32| {
        let state = v.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        let word = ((state >> ((state >> 28) + 4)) ^ state).wrapping_mul(277_803_737);
        (word >> 22) ^ word
    };
    // 24 bits fit an f32 exactly; 10 368 889 / 2^24 is the golden ratio's fraction.
    let hashed = pcg(x.wrapping_add(pcg(y))) >> 8;
    let turned = hashed.wrapping_add(frame.wrapping_mul(10_368_889)) & 0x00ff_ffff;
    turned as f32 / 16_777_216.0
}

/// Shift of all rays of a frame within their pixel, in px, `-0.5..0.5`; zero for frame 0.
///
/// Halton sequence in bases 2 and 3, so that the mean of many frames is anti-aliased.
pub fn pixel_offset(frame: u32) -> [f64; 2] {
    let radical_inverse = |base: u32| {
        let (mut i, mut fraction, mut result) = (frame, 1.0, 0.0);
        while i > 0 {
            fraction /= f64::from(base);
            result += fraction * f64::from(i % base);
            i /= base;
        }
        result
    };
    if frame == 0 { [0.0; 2] } else { [radical_inverse(2) - 0.5, radical_inverse(3) - 0.5] }
}

/// The 3-D context of a slice: the plane cut inside the volume's edges, which are coloured by axis.
#[derive(Debug, Clone)]
pub struct CubeScene {
    /// The slice: volume, plane, window. Its `size_px` is ignored, and so are `color_map` and `layers`.
    pub slice: SliceScene,
    /// From where.
    pub camera: Camera,
    /// Picture width and height.
    pub size_px: [u32; 2],
    /// sRGB colours of the edges along index x, y and z.
    pub axis_colors: [[f32; 3]; 3],
}

fn validate_size([width, height]: [u32; 2]) -> Result<(), RenderError> {
    let is_usable = (1..=MAX_PICTURE_PX).contains(&width) && (1..=MAX_PICTURE_PX).contains(&height);
    if is_usable { Ok(()) } else { Err(RenderError::Size { width, height }) }
}

fn validate_time(volume: &Volume, time_point: usize) -> Result<(), RenderError> {
    let count = volume.time_points();
    if time_point < count { Ok(()) } else { Err(RenderError::TimePoint { time_point, count }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imaging::geometry::Dims;

    #[test]
    fn plane_maps_pixels_to_lps_and_back() {
        let (right, down) = SlicePlane::oblique_axes(DVec3::new(0.3, -0.5, 0.8), DVec3::Z).unwrap();
        assert!(right.dot(down).abs() < 1e-12 && (right.length() - 1.0).abs() < 1e-12);
        let plane = SlicePlane { center_lps: DVec3::new(4.0, 5.0, 6.0), right, down, mm_per_px: 0.7 };
        assert!(plane.normal().abs_diff_eq(DVec3::new(0.3, -0.5, 0.8).normalize(), 1e-12));
        let p = plane.lps_from_px(12.5, 80.0, [100, 60]) + plane.normal() * 3.0;
        let (px, distance) = plane.px_from_lps(p, [100, 60]);
        assert!((px[0] - 12.5).abs() < 1e-9 && (px[1] - 80.0).abs() < 1e-9 && (distance - 3.0).abs() < 1e-9);
    }

    #[test]
    fn oblique_axes_of_the_anatomical_normals_are_the_anatomical_axes() {
        for (plane, up) in [
            (AnatomicalPlane::Axial, DVec3::NEG_Y),
            (AnatomicalPlane::Coronal, DVec3::Z),
            (AnatomicalPlane::Sagittal, DVec3::Z),
        ] {
            let (right, down) = plane.screen_axes_lps();
            assert_eq!(SlicePlane::oblique_axes(right.cross(down), up), Some((right, down)), "{plane:?}");
        }
        assert_eq!(SlicePlane::oblique_axes(DVec3::Z, DVec3::Z), None);
    }

    #[test]
    fn slab_samples_sit_in_the_middle_of_equal_parts() {
        let g = Geometry::axis_aligned(Dims::new(4, 4, 4), DVec3::ZERO, DVec3::new(1.0, 1.0, 2.0)).unwrap();
        let slab = |thickness_mm| Slab { thickness_mm, mode: SlabMode::Max };
        assert_eq!(slab(0.0).offsets_mm(&g), [0.0]);
        assert_eq!(slab(4.0).offsets_mm(&g), [-1.5, -0.5, 0.5, 1.5]);
        assert_eq!(slab(f64::INFINITY).offsets_mm(&g), [0.0]);
        assert_eq!(slab(1e12).offsets_mm(&g).len(), MAX_SLAB_SAMPLES);
    }

    #[test]
    fn start_offsets_cover_the_step_evenly() {
        assert_eq!(start_offset(3, 4, 0), 0.5);
        let n = 64;
        let mut bins = [0; 8];
        for frame in 1..=n {
            bins[(start_offset(17, 5, frame) * 8.0) as usize] += 1;
        }
        assert!(bins.iter().all(|&b| (7..=9).contains(&b)), "{bins:?}");
        let mean: f32 = (0..100).map(|x| start_offset(x, 7, 1)).sum::<f32>() / 100.0;
        assert!((mean - 0.5).abs() < 0.1, "{mean}");
    }
}
