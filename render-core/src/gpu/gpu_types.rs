//! Rust mirrors of the structs in `shaders/`, byte for byte, and the constants both sides need.
//!
//! Each struct lists its members, so that a test can hold names, offsets and sizes against the WGSL.

use bytemuck::{Pod, Zeroable};

use crate::color_map;
use crate::cpu::stored_bias;
use crate::layers::MAX_OUTLINE_PX;
use crate::scene::{MAX_CLIP_PLANES, MAX_RAY_SAMPLES, MAX_SLAB_SAMPLES};
use crate::transfer_function::LUT_ENTRIES;

/// Declares a mirror and, for tests, its layout.
macro_rules! mirror {
    ($(#[$meta:meta])* $name:ident { $($member:ident: $kind:ty,)* }) => {
        $(#[$meta])*
        #[repr(C)]
        #[derive(Debug, Clone, Copy, Pod, Zeroable)]
        pub(crate) struct $name { $(pub(crate) $member: $kind,)* }

        #[cfg(test)]
        impl $name {
            /// Name, offset and size of each member in bytes.
            pub(crate) const MEMBERS: &'static [(&'static str, usize, usize)] = &[
                $((stringify!($member), std::mem::offset_of!($name, $member), size_of::<$kind>()),)*
            ];
        }
    };
}

mirror! {
    /// Mirror of `shaders/shared/window.wgsl`.
    WindowParams { center: f32, scale: f32, function: u32, is_inverted: u32, }
}

mirror! {
    /// Mirror of `shaders/shared/camera.wgsl`.
    RayCamera {
        base_index: [f32; 3],
        depth_mm: f32,
        right_index: [f32; 3],
        tan_per_px: f32,
        down_index: [f32; 3],
        is_perspective: u32,
        forward_index: [f32; 3],
        pad: f32,
        ray_right_index: [f32; 3],
        center_x_px: f32,
        ray_down_index: [f32; 3],
        center_y_px: f32,
    }
}

mirror! {
    /// Mirror of `shaders/shared/volume_params.wgsl`.
    VolumeParams {
        dims: [u32; 3],
        slots_per_atlas: u32,
        brick_interior: [u32; 3],
        is_normalized: u32,
        brick_count: [u32; 3],
        texel_scale: f32,
        slot_count: [u32; 3],
        pad: u32,
        texture_dims: [f32; 3],
        pad2: u32,
    }
}

mirror! {
    /// Mirror of `shaders/slice.wgsl`.
    SliceParams {
        center_index: [f32; 3],
        slab_count: u32,
        right_index: [f32; 3],
        slab_mode: u32,
        down_index: [f32; 3],
        is_linear: u32,
        slab_first_index: [f32; 3],
        color: u32,
        slab_step_index: [f32; 3],
        channel: u32,
        edge_index: [f32; 3],
        color_scale: f32,
        half_size_px: [f32; 2],
        color_offset: f32,
        pad: f32,
        window: WindowParams,
    }
}

mirror! {
    /// Mirror of `shaders/ray_march.wgsl`.
    RayMarchParams {
        camera: RayCamera,
        crop_min_index: [f32; 3],
        step_mm: f32,
        crop_max_index: [f32; 3],
        mode: u32,
        clip_planes: [[f32; 4]; MAX_CLIP_PLANES],
        clip_plane_count: u32,
        jitter_frame: u32,
        lut_scale: f32,
        lut_offset: f32,
        gradient_right: [f32; 4],
        gradient_up: [f32; 4],
        gradient_back: [f32; 4],
        lamp: [f32; 3],
        full_gradient: f32,
        ambient: f32,
        diffuse: f32,
        specular: f32,
        shininess: f32,
        window: WindowParams,
        brick_size: f32,
        is_skipping: u32,
        mip_sign: f32,
        pad: u32,
    }
}

mirror! {
    /// Mirror of `shaders/cube.wgsl`.
    CubeEdge {
        ends_px: [f32; 4],
        color: [f32; 3],
        pad: f32,
        depths_mm: [f32; 2],
        pad2: [f32; 2],
    }
}

mirror! {
    /// Mirror of `shaders/cube.wgsl`.
    CubeParams {
        camera: RayCamera,
        plane: [f32; 4],
        edge_index: [f32; 3],
        is_linear: u32,
        window: WindowParams,
        edge_count: u32,
        edge_half_px: f32,
        color_scale: f32,
        color_offset: f32,
        color: u32,
        pad: u32,
        pad2: u32,
        pad3: u32,
        edges: [CubeEdge; CUBE_EDGES],
    }
}

mirror! {
    /// Mirror of `shaders/scalar_layer.wgsl`.
    ScalarLayerParams { opacity: f32, threshold: f32, threshold_side: f32, pad: f32, }
}

mirror! {
    /// Mirror of `shaders/label_layer.wgsl`.
    LabelLayerParams { fill_opacity: f32, edge_opacity: f32, outline_px: u32, pad: u32, }
}

mirror! {
    /// Mirror of `shaders/composite.wgsl`.
    CompositeParams { background: [f32; 3], newest_share: f32, }
}

/// Edges of a volume.
pub(crate) const CUBE_EDGES: usize = 12;
/// Textures that one bricked volume may fill.
pub(crate) const MAX_ATLASES: usize = 8;
/// Width of the texture that holds the lookup table.
pub(crate) const LUT_ROW: usize = 64;
/// Width of the texture that holds the colours of labels.
pub(crate) const LABEL_ROW: usize = 256;
/// Rays end where less than 1 % of what lies behind would show; the picture then counts as opaque.
pub(crate) const EARLY_TERMINATION_ALPHA: f32 = 0.99;

pub(crate) const WINDOW_LINEAR: u32 = 0;
pub(crate) const WINDOW_SIGMOID: u32 = 1;
pub(crate) const WINDOW_THRESHOLD: u32 = 2;
pub(crate) const SLAB_MEAN: u32 = 0;
pub(crate) const SLAB_MAX: u32 = 1;
pub(crate) const SLAB_MIN: u32 = 2;
pub(crate) const COLOR_NONE: u32 = 0;
pub(crate) const COLOR_RGB: u32 = 1;
pub(crate) const COLOR_RGBA: u32 = 2;
pub(crate) const MODE_UNLIT: u32 = 0;
pub(crate) const MODE_LIT: u32 = 1;
pub(crate) const MODE_MIP: u32 = 2;

/// The constants above as WGSL, put before every shader.
pub(crate) fn wgsl_constants() -> String {
    let unsigned = [
        ("LUT_ENTRIES", LUT_ENTRIES as u32),
        ("LUT_ROW", LUT_ROW as u32),
        ("MAX_RAY_SAMPLES", MAX_RAY_SAMPLES),
        ("MAX_SLAB_SAMPLES", MAX_SLAB_SAMPLES as u32),
        ("MAX_CLIP_PLANES", MAX_CLIP_PLANES as u32),
        ("MAX_OUTLINE_PX", MAX_OUTLINE_PX),
        ("COLOR_MAP_ENTRIES", color_map::ENTRIES as u32),
        ("LABEL_ROW", LABEL_ROW as u32),
        ("CUBE_EDGES", CUBE_EDGES as u32),
        ("CUBE_LAYERS", CUBE_EDGES as u32 + 1),
        ("WINDOW_LINEAR", WINDOW_LINEAR),
        ("WINDOW_SIGMOID", WINDOW_SIGMOID),
        ("WINDOW_THRESHOLD", WINDOW_THRESHOLD),
        ("SLAB_MEAN", SLAB_MEAN),
        ("SLAB_MAX", SLAB_MAX),
        ("SLAB_MIN", SLAB_MIN),
        ("COLOR_NONE", COLOR_NONE),
        ("COLOR_RGB", COLOR_RGB),
        ("COLOR_RGBA", COLOR_RGBA),
        ("MODE_UNLIT", MODE_UNLIT),
        ("MODE_LIT", MODE_LIT),
        ("MODE_MIP", MODE_MIP),
    ];
    let mut wgsl: String =
        unsigned.iter().map(|(name, value)| format!("const {name}: u32 = {value}u;\n")).collect();
    wgsl.push_str(&format!("const EARLY_TERMINATION_ALPHA: f32 = {EARLY_TERMINATION_ALPHA:?};\n"));
    wgsl.push_str(&format!("const STORED_BIAS: f32 = {:?};\n", stored_bias()));
    wgsl
}
