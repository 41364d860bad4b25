// Purpose: where the pixels of a slice lie in a volume, and its value there, thin or through a slab.
// Input: position in px. Output: stored units above the base value, and whether any sample lies inside.
// Twin: `reference::slice_values`.
// import shared/window.wgsl
// import shared/stored_value.wgsl

// Mirror: gpu_types::SliceParams
struct SliceParams {
    // Continuous index at the middle of the picture.
    center_index: vec3<f32>,
    slab_count: u32,
    // Change per px.
    right_index: vec3<f32>,
    slab_mode: u32,
    down_index: vec3<f32>,
    is_linear: u32,
    // First sample of the slab relative to the plane, and the way to the next.
    slab_first_index: vec3<f32>,
    // COLOR_NONE, COLOR_RGB or COLOR_RGBA.
    color: u32,
    slab_step_index: vec3<f32>,
    channel: u32,
    // Upper voxel edges; the lower ones lie at -0.5.
    edge_index: vec3<f32>,
    // Colour channels: shown = stored * color_scale + color_offset.
    color_scale: f32,
    half_size_px: vec2<f32>,
    color_offset: f32,
    pad: f32,
    window: WindowParams,
}

@group(1) @binding(0) var<uniform> params: SliceParams;

// Continuous index of a pixel in the plane.
fn plane_index(position_px: vec2<f32>) -> vec3<f32> {
    let d = position_px - params.half_size_px;
    return params.center_index + d.x * params.right_index + d.y * params.down_index;
}

// Continuous index of sample `i` through the slab.
fn slab_index(in_plane: vec3<f32>, i: u32) -> vec3<f32> {
    return in_plane + params.slab_first_index + f32(i) * params.slab_step_index;
}

fn is_outside(index: vec3<f32>) -> bool {
    return any(index < vec3<f32>(-0.5)) || any(index >= params.edge_index);
}

fn is_number(value: f32) -> bool {
    return (bitcast<u32>(value) & 0x7fffffffu) <= 0x7f800000u;
}

struct SlabSample {
    value: vec4<f32>,
    is_inside: bool,
}

fn slab_sample(position_px: vec2<f32>) -> SlabSample {
    let in_plane = plane_index(position_px);
    var combined = vec4<f32>(0.0);
    var count = 0u;
    for (var i = 0u; i < min(params.slab_count, MAX_SLAB_SAMPLES); i++) {
        let index = slab_index(in_plane, i);
        if is_outside(index) {
            continue;
        }
        let value = stored_sample(index, params.is_linear != 0u);
        if count == 0u {
            combined = value;
        } else if params.slab_mode == SLAB_MAX {
            combined = max(combined, value);
        } else if params.slab_mode == SLAB_MIN {
            combined = min(combined, value);
        } else {
            combined += value;
        }
        count++;
    }
    if params.slab_mode == SLAB_MEAN && count > 1u {
        combined /= f32(count);
    }
    return SlabSample(combined, count > 0u);
}
