// Purpose: values for numbers and slices: interpolated in f32 from single voxels, never by the texture unit.
// Input: continuous index. Output: stored units above the base value, per channel.
// Twin: `Volume::sample_linear`.
// STORED_BIAS is 0, but in builds that are broken on purpose to try the self-test.
// import volume

fn stored_at(index: vec3<i32>) -> vec4<f32> {
    let texel = load_texel(index);
    if volume.is_normalized != 0u {
        return round(texel * volume.texel_scale);
    }
    return texel;
}

fn stored_linear(index: vec3<f32>) -> vec4<f32> {
    let last = vec3<i32>(volume.dims) - 1;
    let p = clamp(index, vec3<f32>(0.0), vec3<f32>(last));
    let low = vec3<i32>(floor(p));
    let high = min(low + 1, last);
    let f = p - floor(p);
    let x00 = mix(stored_at(low), stored_at(vec3<i32>(high.x, low.y, low.z)), f.x);
    let x10 = mix(stored_at(vec3<i32>(low.x, high.y, low.z)), stored_at(vec3<i32>(high.x, high.y, low.z)), f.x);
    let x01 = mix(stored_at(vec3<i32>(low.x, low.y, high.z)), stored_at(vec3<i32>(high.x, low.y, high.z)), f.x);
    let x11 = mix(stored_at(vec3<i32>(low.x, high.y, high.z)), stored_at(high), f.x);
    return mix(mix(x00, x10, f.y), mix(x01, x11, f.y), f.z);
}

fn stored_nearest(index: vec3<f32>) -> vec4<f32> {
    let last = vec3<i32>(volume.dims) - 1;
    return stored_at(clamp(vec3<i32>(floor(index + 0.5)), vec3<i32>(0), last));
}

fn stored_sample(index: vec3<f32>, is_linear: bool) -> vec4<f32> {
    if is_linear {
        return stored_linear(index) + STORED_BIAS;
    }
    return stored_nearest(index) + STORED_BIAS;
}
