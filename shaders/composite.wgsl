// Purpose: from single frames to the picture on screen.
// Inputs: the bits of linear, premultiplied RGBA in textures of the picture's size; background in linear RGB.
// Output: fs_accumulate writes the bits of the mean of all frames so far (linear, premultiplied);
//         fs_tone_map writes sRGB-coded, opaque RGB.
// Source: running mean m + (x - m) / n; IEC 61966-2-1. Twin: `image::ImageF32::to_srgb8`.
// import shared/fullscreen.wgsl
// import shared/color.wgsl

// Mirror: gpu_types::CompositeParams
struct CompositeParams {
    // Linear RGB.
    background: vec3<f32>,
    // Share of the newest frame in the mean, 1 / n.
    newest_share: f32,
}

@group(1) @binding(0) var<uniform> params: CompositeParams;
@group(3) @binding(0) var newest: texture_2d<u32>;
@group(3) @binding(1) var mean_so_far: texture_2d<u32>;

@fragment
fn fs_accumulate(@builtin(position) position: vec4<f32>) -> @location(0) vec4<u32> {
    let at = vec2<i32>(position.xy);
    let before = bitcast<vec4<f32>>(textureLoad(mean_so_far, at, 0));
    let after = bitcast<vec4<f32>>(textureLoad(newest, at, 0));
    return bitcast<vec4<u32>>(before + (after - before) * params.newest_share);
}

@fragment
fn fs_tone_map(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let frame = bitcast<vec4<f32>>(textureLoad(newest, vec2<i32>(position.xy), 0));
    return vec4<f32>(encode_srgb(frame.rgb + (1.0 - frame.a) * params.background), 1.0);
}
