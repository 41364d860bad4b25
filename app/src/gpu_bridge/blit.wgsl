// Covers the viewport with a picture, without blending.
// Input: sRGB-coded, opaque picture. Output: the same, for a target that is written as it is or that codes by itself.
// No flags and nothing else: a software driver runs every line for every pixel.

@group(0) @binding(0) var picture: texture_2d<f32>;
@group(0) @binding(1) var picture_sampler: sampler;

struct Corner {
    @builtin(position) clip: vec4<f32>,
    @location(0) uv: vec2<f32>,
};

@vertex
fn vs_main(@builtin(vertex_index) index: u32) -> Corner {
    // One triangle that covers it all.
    let uv = vec2<f32>(f32((index << 1u) & 2u), f32(index & 2u));
    return Corner(vec4<f32>(uv.x * 2.0 - 1.0, 1.0 - uv.y * 2.0, 0.0, 1.0), uv);
}

@fragment
fn fs_main(corner: Corner) -> @location(0) vec4<f32> {
    return textureSampleLevel(picture, picture_sampler, corner.uv, 0.0);
}

// For targets that code to sRGB on writing. Source: IEC 61966-2-1.
@fragment
fn fs_decoding(corner: Corner) -> @location(0) vec4<f32> {
    let coded = textureSampleLevel(picture, picture_sampler, corner.uv, 0.0).rgb;
    let low = coded / 12.92;
    let high = pow((coded + 0.055) / 1.055, vec3<f32>(2.4));
    return vec4<f32>(select(high, low, coded <= vec3<f32>(0.04045)), 1.0);
}
