// Purpose: a scalar volume in the colours of a map: the image of a slice, or a layer over the picture so far.
// Inputs: plane in continuous index per px; window and threshold in stored units; picture so far and map, sRGB-coded.
// Output: display values (sRGB-coded colour, opaque). fs_image is black outside; fs_layer keeps what is below there,
//         where the value is missing, and beyond the threshold.
// Source: interpolation before windowing; blending as in `crate::layers`. Twin: `reference::slice`.
// import shared/fullscreen.wgsl
// import shared/window.wgsl
// import shared/slice_sample.wgsl

// Mirror: gpu_types::ScalarLayerParams
struct ScalarLayerParams {
    opacity: f32,
    // Stored units above the base value.
    threshold: f32,
    // 1 to show what is not below the threshold, -1 what is not above it, 0 for all.
    threshold_side: f32,
    pad: f32,
}

@group(3) @binding(0) var<uniform> layer: ScalarLayerParams;
@group(3) @binding(1) var below: texture_2d<f32>;
@group(3) @binding(2) var color_map: texture_2d<f32>;

fn mapped(display: f32) -> vec3<f32> {
    let at = clamp(display, 0.0, 1.0) * f32(COLOR_MAP_ENTRIES - 1u);
    let low = min(u32(at), COLOR_MAP_ENTRIES - 2u);
    let low_color = textureLoad(color_map, vec2<u32>(low, 0u), 0).rgb;
    let high_color = textureLoad(color_map, vec2<u32>(low + 1u, 0u), 0).rgb;
    return low_color + (high_color - low_color) * (at - f32(low));
}

@fragment
fn fs_image(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let slab = slab_sample(position.xy);
    if !slab.is_inside || !is_number(slab.value.x) {
        return vec4<f32>(0.0, 0.0, 0.0, 1.0);
    }
    return vec4<f32>(mapped(window_grey(slab.value.x, params.window)), 1.0);
}

@fragment
fn fs_layer(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let under = textureLoad(below, vec2<u32>(position.xy), 0).rgb;
    let slab = slab_sample(position.xy);
    let is_beyond = (slab.value.x - layer.threshold) * layer.threshold_side < 0.0;
    if !slab.is_inside || !is_number(slab.value.x) || is_beyond {
        return vec4<f32>(under, 1.0);
    }
    let own = mapped(window_grey(slab.value.x, params.window));
    return vec4<f32>(under + (own - under) * layer.opacity, 1.0);
}
