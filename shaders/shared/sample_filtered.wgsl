// Purpose: trilinear texels for ray marching, by the texture unit.
// Input: continuous index, clamped here to the outer voxel centres. Output: raw texel.

fn sample_texel(index: vec3<f32>) -> f32 {
    return filter_texel(clamp(index, vec3<f32>(0.0), vec3<f32>(volume.dims) - 1.0));
}
