// Purpose: labels over the picture so far, filled and outlined.
// Inputs: plane in continuous index per px of a volume of labels; colours per label, sRGB-coded, alpha 0 if hidden;
//         for fs_layer the labels of all pixels and the picture so far.
// Output: fs_labels writes the shown label of each pixel, 0 for none; fs_layer writes display values (sRGB-coded, opaque).
// Source: nearest voxel, through a slab the one nearest to its middle; blending and outline as in `crate::layers`.
// Twin: `reference::slice_labels`, `reference::slice`.
// import shared/fullscreen.wgsl
// import shared/window.wgsl
// import shared/slice_sample.wgsl

// Mirror: gpu_types::LabelLayerParams
struct LabelLayerParams {
    // Inside a region and on its outline.
    fill_opacity: f32,
    edge_opacity: f32,
    outline_px: u32,
    pad: u32,
}

@group(3) @binding(0) var<uniform> layer: LabelLayerParams;
@group(3) @binding(1) var below: texture_2d<f32>;
@group(3) @binding(2) var shown_labels: texture_2d<u32>;
@group(3) @binding(3) var label_colors: texture_2d<f32>;

fn label_color(label: u32) -> vec4<f32> {
    return textureLoad(label_colors, vec2<u32>(label % LABEL_ROW, label / LABEL_ROW), 0);
}

// Twin of `layers::middle_out`: position k of 0..count from the middle outwards.
fn middle_out(k: u32, count: u32) -> u32 {
    let middle = (count - 1u) / 2u;
    let step = (k + 1u) / 2u;
    return select(middle + step, middle - step, (k % 2u) == (count % 2u));
}

@fragment
fn fs_labels(@builtin(position) position: vec4<f32>) -> @location(0) u32 {
    let in_plane = plane_index(position.xy);
    let count = min(params.slab_count, MAX_SLAB_SAMPLES);
    for (var k = 0u; k < count; k++) {
        let index = slab_index(in_plane, middle_out(k, count));
        if is_outside(index) {
            continue;
        }
        let label = u32(stored_nearest(index).x);
        if label != 0u && label_color(label).a > 0.5 {
            return label;
        }
    }
    return 0u;
}

fn differs(at: vec2<i32>, label: u32) -> bool {
    let size = vec2<i32>(textureDimensions(shown_labels));
    if any(at < vec2<i32>(0)) || any(at >= size) {
        return false;
    }
    return textureLoad(shown_labels, at, 0).x != label;
}

fn is_outline(at: vec2<i32>, label: u32) -> bool {
    for (var k = 1; k <= i32(min(layer.outline_px, MAX_OUTLINE_PX)); k++) {
        let right = vec2<i32>(k, 0);
        let down = vec2<i32>(0, k);
        if differs(at - right, label) || differs(at + right, label) || differs(at - down, label) || differs(at + down, label) {
            return true;
        }
    }
    return false;
}

@fragment
fn fs_layer(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let at = vec2<i32>(position.xy);
    let under = textureLoad(below, at, 0).rgb;
    let label = textureLoad(shown_labels, at, 0).x;
    if label == 0u {
        return vec4<f32>(under, 1.0);
    }
    let own = label_color(label).rgb;
    let opacity = select(layer.fill_opacity, layer.edge_opacity, is_outline(at, label));
    return vec4<f32>(under + (own - under) * opacity, 1.0);
}
