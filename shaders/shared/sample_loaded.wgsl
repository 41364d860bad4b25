// Purpose: trilinear texels for ray marching, where the device cannot filter the format.
// Input: continuous index, clamped here to the outer voxel centres. Output: raw texel.

fn sample_texel(index: vec3<f32>) -> f32 {
    let last = vec3<i32>(volume.dims) - 1;
    let p = clamp(index, vec3<f32>(0.0), vec3<f32>(last));
    let low = vec3<i32>(floor(p));
    let high = min(low + 1, last);
    let f = p - floor(p);
    let x00 = mix(load_texel(low).x, load_texel(vec3<i32>(high.x, low.y, low.z)).x, f.x);
    let x10 = mix(load_texel(vec3<i32>(low.x, high.y, low.z)).x, load_texel(vec3<i32>(high.x, high.y, low.z)).x, f.x);
    let x01 = mix(load_texel(vec3<i32>(low.x, low.y, high.z)).x, load_texel(vec3<i32>(high.x, low.y, high.z)).x, f.x);
    let x11 = mix(load_texel(vec3<i32>(low.x, high.y, high.z)).x, load_texel(high).x, f.x);
    return mix(mix(x00, x10, f.y), mix(x01, x11, f.y), f.z);
}
