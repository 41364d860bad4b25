// Purpose: any plane through a volume, thin or as a slab.
// Inputs: plane in continuous index per px; window in stored units.
// Output: fs_picture writes display values (sRGB-coded grey or colour, opaque, black outside);
//         fs_values writes the bits of (stored units above the base value, 1 inside the volume).
// Source: trilinear interpolation before windowing; slabs as maximum, minimum or mean of equidistant samples.
// Twin: `reference::slice`.
// import shared/fullscreen.wgsl
// import shared/window.wgsl
// import shared/slice_sample.wgsl

@fragment
fn fs_picture(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let slab = slab_sample(position.xy);
    if !slab.is_inside {
        return vec4<f32>(0.0, 0.0, 0.0, 1.0);
    }
    if params.color == COLOR_NONE {
        // A missing value (NaN) has no grey: black, as outside.
        let grey = select(0.0, window_grey(slab.value.x, params.window), is_number(slab.value.x));
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
