// Purpose: voxels of a volume larger than a 3-D texture may be, cut into bricks that lie in up to 8 atlases.
// A brick repeats the first layer of its upper neighbours, so that the texture unit can filter inside it.
// Input: index or continuous index inside 0..dims - 1. Output: raw texels.
// import shared/volume_params.wgsl

@group(2) @binding(0) var<uniform> volume: VolumeParams;
@group(2) @binding(1) var volume_sampler: sampler;
@group(2) @binding(2) var atlas_0: texture_3d<f32>;
@group(2) @binding(3) var atlas_1: texture_3d<f32>;
@group(2) @binding(4) var atlas_2: texture_3d<f32>;
@group(2) @binding(5) var atlas_3: texture_3d<f32>;
@group(2) @binding(6) var atlas_4: texture_3d<f32>;
@group(2) @binding(7) var atlas_5: texture_3d<f32>;
@group(2) @binding(8) var atlas_6: texture_3d<f32>;
@group(2) @binding(9) var atlas_7: texture_3d<f32>;

struct BrickPlace {
    atlas: u32,
    // Position in the atlas minus index in the volume.
    shift: vec3<i32>,
}

fn place_of(index: vec3<i32>) -> BrickPlace {
    let brick = vec3<u32>(index) / volume.brick_interior;
    let id = (brick.z * volume.brick_count.y + brick.y) * volume.brick_count.x + brick.x;
    let in_atlas = id % volume.slots_per_atlas;
    let row = volume.slot_count.x;
    let layer = row * volume.slot_count.y;
    let slot = vec3<u32>(in_atlas % row, (in_atlas % layer) / row, in_atlas / layer);
    let shift = vec3<i32>(slot * (volume.brick_interior + 1u)) - vec3<i32>(brick * volume.brick_interior);
    return BrickPlace(id / volume.slots_per_atlas, shift);
}

fn load_texel(index: vec3<i32>) -> vec4<f32> {
    let place = place_of(index);
    let at = index + place.shift;
    switch place.atlas {
        case 0u: { return textureLoad(atlas_0, at, 0); }
        case 1u: { return textureLoad(atlas_1, at, 0); }
        case 2u: { return textureLoad(atlas_2, at, 0); }
        case 3u: { return textureLoad(atlas_3, at, 0); }
        case 4u: { return textureLoad(atlas_4, at, 0); }
        case 5u: { return textureLoad(atlas_5, at, 0); }
        case 6u: { return textureLoad(atlas_6, at, 0); }
        default: { return textureLoad(atlas_7, at, 0); }
    }
}

fn filter_texel(index: vec3<f32>) -> f32 {
    let place = place_of(vec3<i32>(floor(index)));
    let at = (index + vec3<f32>(place.shift) + 0.5) / volume.texture_dims;
    switch place.atlas {
        case 0u: { return textureSampleLevel(atlas_0, volume_sampler, at, 0.0).x; }
        case 1u: { return textureSampleLevel(atlas_1, volume_sampler, at, 0.0).x; }
        case 2u: { return textureSampleLevel(atlas_2, volume_sampler, at, 0.0).x; }
        case 3u: { return textureSampleLevel(atlas_3, volume_sampler, at, 0.0).x; }
        case 4u: { return textureSampleLevel(atlas_4, volume_sampler, at, 0.0).x; }
        case 5u: { return textureSampleLevel(atlas_5, volume_sampler, at, 0.0).x; }
        case 6u: { return textureSampleLevel(atlas_6, volume_sampler, at, 0.0).x; }
        default: { return textureSampleLevel(atlas_7, volume_sampler, at, 0.0).x; }
    }
}
