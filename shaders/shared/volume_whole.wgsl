// Purpose: voxels of a volume that fits one 3-D texture.
// Input: index or continuous index inside 0..dims - 1. Output: raw texels.
// import shared/volume_params.wgsl

@group(2) @binding(0) var<uniform> volume: VolumeParams;
@group(2) @binding(1) var volume_sampler: sampler;
@group(2) @binding(2) var volume_texture: texture_3d<f32>;

fn load_texel(index: vec3<i32>) -> vec4<f32> {
    return textureLoad(volume_texture, index, 0);
}

// Trilinear by the texture unit, which keeps 8 bits of the fraction.
fn filter_texel(index: vec3<f32>) -> f32 {
    return textureSampleLevel(volume_texture, volume_sampler, (index + 0.5) / volume.texture_dims, 0.0).x;
}
