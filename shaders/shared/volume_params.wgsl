// Purpose: how voxels lie in textures.
// Raw texels are what the texture unit returns; `texel_scale` turns them into stored units above the base value.

// Mirror: gpu_types::VolumeParams
struct VolumeParams {
    // Voxels of the level that is resident.
    dims: vec3<u32>,
    // Bricks that fit one atlas texture.
    slots_per_atlas: u32,
    // Voxels of a brick without the border it shares with its upper neighbours.
    brick_interior: vec3<u32>,
    // 1 where texels are normalised whole numbers, which are rounded after scaling.
    is_normalized: u32,
    brick_count: vec3<u32>,
    texel_scale: f32,
    // Slots of an atlas along each axis.
    slot_count: vec3<u32>,
    pad: u32,
    // Voxels of an atlas texture.
    texture_dims: vec3<f32>,
    pad2: u32,
}
