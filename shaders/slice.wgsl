// Purpose: any plane through a volume, thin or as a slab.
// Inputs: plane in continuous index per px; window in stored units.
// Output: fs_picture writes display values (sRGB-coded grey or colour, opaque, black outside);
//         fs_values writes the bits of (stored units above the base value, 1 inside the volume).
// Source: trilinear interpolation before windowing; slabs as maximum, minimum or mean of equidistant samples.
// Twin: `reference::slice`.
// import shared/fullscreen.wgsl
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

struct SlabSample {
    value: vec4<f32>,
    is_inside: bool,
}

fn slab_sample(position_px: vec2<f32>) -> SlabSample {
    let d = position_px - params.half_size_px;
    let plane_index = params.center_index + d.x * params.right_index + d.y * params.down_index;
    var combined = vec4<f32>(0.0);
    var count = 0u;
    for (var i = 0u; i < min(params.slab_count, MAX_SLAB_SAMPLES); i++) {
        let index = plane_index + params.slab_first_index + f32(i) * params.slab_step_index;
        if any(index < vec3<f32>(-0.5)) || any(index >= params.edge_index) {
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

@fragment
fn fs_picture(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let slab = slab_sample(position.xy);
    if !slab.is_inside {
        return vec4<f32>(0.0, 0.0, 0.0, 1.0);
    }
    if params.color == COLOR_NONE {
        // A missing value (NaN) has no grey: black, as outside.
        let is_number = (bitcast<u32>(slab.value.x) & 0x7fffffffu) <= 0x7f800000u;
        let grey = select(0.0, window_grey(slab.value.x, params.window), is_number);
        return vec4<f32>(grey, grey, grey, 1.0);
    }
    let shown = slab.value * params.color_scale + params.color_offset;
    let alpha = select(1.0, shown.a, params.color == COLOR_RGBA);
    return vec4<f32>(clamp(shown.rgb * alpha, vec3<f32>(0.0), vec3<f32>(1.0)), 1.0);
}

@fragment
fn fs_values(@builtin(position) position: vec4<f32>) -> @location(0) vec2<u32> {
    let slab = slab_sample(position.xy);
    return bitcast<vec2<u32>>(vec2<f32>(slab.value[params.channel], select(0.0, 1.0, slab.is_inside)));
}
