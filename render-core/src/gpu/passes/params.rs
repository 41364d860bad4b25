//! From scenes in f64 and patient space to parameters in f32 and the index of the resident level.

use glam::{DAffine3, DVec2, DVec3};
use imaging::intensity::VoiFunction;

use crate::camera::{Camera, Projection};
use crate::gpu::gpu_types::{RayCamera, WINDOW_LINEAR, WINDOW_SIGMOID, WINDOW_THRESHOLD, WindowParams};
use crate::scene::GreyMapping;

pub(crate) fn f32x3(v: DVec3) -> [f32; 3] {
    v.as_vec3().to_array()
}

/// A window over `u`, where modality value = `slope · u + intercept` and `slope` is not zero.
pub(crate) fn window_params(grey: &GreyMapping, (slope, intercept): (f64, f64)) -> WindowParams {
    let window = grey.window;
    let (center, width, function) = match window.function {
        // The standard's LINEAR runs over width − 1 around center − 0.5; width 1 is a step.
        VoiFunction::Linear if window.width - 1.0 < 1e-6 => (window.center - 0.5, 1.0, WINDOW_THRESHOLD),
        VoiFunction::Linear => (window.center - 0.5, window.width - 1.0, WINDOW_LINEAR),
        VoiFunction::LinearExact => (window.center, window.width, WINDOW_LINEAR),
        // Scenes with a table are drawn on the processor; see `Renderer`.
        VoiFunction::Table(_) => (window.center - 0.5, (window.width - 1.0).max(1e-6), WINDOW_LINEAR),
        VoiFunction::Sigmoid => (window.center, window.width, WINDOW_SIGMOID),
    };
    WindowParams {
        center: ((center - intercept) / slope) as f32,
        scale: (slope / width) as f32,
        function,
        is_inverted: u32::from(grey.is_inverted),
    }
}

/// The camera's rays in continuous index, measured from the depth of `middle_lps`.
///
/// `shift_px` moves all rays within their pixels.
pub(crate) fn ray_camera(
    camera: &Camera,
    size_px: [u32; 2],
    shift_px: DVec2,
    level_from_lps: DAffine3,
    middle_lps: DVec3,
) -> RayCamera {
    let basis = camera.basis();
    let (right, down) = (basis.right, -basis.up);
    let height_px = f64::from(size_px[1]);
    let middle_depth = (middle_lps - camera.position_lps).dot(basis.forward);
    // A perspective ray per px of depth 1 mm, or a parallel ray's distance per px.
    let (depth_mm, tan_per_px, mm_per_px) = match camera.projection {
        Projection::Perspective { vertical_fov_rad } => {
            let tan_per_px = 2.0 * (vertical_fov_rad * 0.5).tan() / height_px;
            let depth_mm = middle_depth.max(0.0);
            (depth_mm, tan_per_px, tan_per_px * depth_mm)
        }
        Projection::Orthographic { height_mm } => (middle_depth, 0.0, height_mm / height_px),
    };
    let base_lps = camera.position_lps + basis.forward * depth_mm;
    let per_mm = level_from_lps.matrix3;
    let center_px = DVec2::new(f64::from(size_px[0]), height_px) * 0.5 - shift_px;
    RayCamera {
        base_index: f32x3(level_from_lps.transform_point3(base_lps)),
        depth_mm: depth_mm as f32,
        right_index: f32x3(per_mm * right * mm_per_px),
        tan_per_px: tan_per_px as f32,
        down_index: f32x3(per_mm * down * mm_per_px),
        is_perspective: u32::from(matches!(camera.projection, Projection::Perspective { .. })),
        forward_index: f32x3(per_mm * basis.forward),
        pad: 0.0,
        ray_right_index: f32x3(per_mm * right * tan_per_px),
        center_x_px: center_px.x as f32,
        ray_down_index: f32x3(per_mm * down * tan_per_px),
        center_y_px: center_px.y as f32,
    }
}

/// The half space `normal · p >= offset_mm` in continuous index: kept where `dot(xyz, index) + w >= 0` mm.
pub(crate) fn index_plane(normal_lps: DVec3, offset_mm: f64, level_from_lps: DAffine3) -> [f32; 4] {
    let lps_from_level = level_from_lps.inverse();
    let normal = lps_from_level.matrix3.transpose() * normal_lps;
    let w = normal_lps.dot(lps_from_level.translation) - offset_mm;
    [normal.x as f32, normal.y as f32, normal.z as f32, w as f32]
}
