// Purpose: the slice plane inside the volume's edges, which are coloured by axis.
// Inputs: camera and plane in continuous index; edges in px with depths in mm and linear colours.
// Output: the bits of linear, premultiplied RGBA in f32.
// Source: layers of plane and edges, sorted by depth and composited front to back. Twin: `reference::cube`.
// import shared/fullscreen.wgsl
// import shared/color.wgsl
// import shared/window.wgsl
// import shared/camera.wgsl
// import shared/stored_value.wgsl

// Mirror: gpu_types::CubeEdge
struct CubeEdge {
    // Start and end, px.
    ends_px: vec4<f32>,
    // Linear RGB.
    color: vec3<f32>,
    pad: f32,
    // Depths of start and end.
    depths_mm: vec2<f32>,
    pad2: vec2<f32>,
}

// Mirror: gpu_types::CubeParams
struct CubeParams {
    camera: RayCamera,
    // dot(xyz, index) + w is the distance from the plane in mm.
    plane: vec4<f32>,
    // Upper voxel edges; the lower ones lie at -0.5.
    edge_index: vec3<f32>,
    is_linear: u32,
    window: WindowParams,
    edge_count: u32,
    edge_half_px: f32,
    // Colour channels: shown = stored * color_scale + color_offset.
    color_scale: f32,
    color_offset: f32,
    // COLOR_NONE, COLOR_RGB or COLOR_RGBA.
    color: u32,
    pad: u32,
    pad2: u32,
    pad3: u32,
    edges: array<CubeEdge, CUBE_EDGES>,
}

@group(1) @binding(0) var<uniform> params: CubeParams;

struct Layer {
    depth_mm: f32,
    color: vec3<f32>,
    opacity: f32,
}

fn plane_layer(position_px: vec2<f32>) -> Layer {
    let ray = pixel_ray(params.camera, position_px);
    let rate = dot(params.plane.xyz, ray.direction);
    var layer = Layer(0.0, vec3<f32>(0.0), 0.0);
    if abs(rate) < 1e-9 {
        return layer;
    }
    let t = -(dot(params.plane.xyz, ray.start) + params.plane.w) / rate;
    let index = ray.start + ray.direction * t;
    // Distance from the camera (its plane, for parallel rays).
    let from_camera_mm = t + params.camera.depth_mm / ray.depth_per_mm;
    let is_inside = all(index >= vec3<f32>(-0.5)) && all(index < params.edge_index);
    if !is_inside || from_camera_mm <= 0.0 {
        return layer;
    }
    let value = stored_sample(index, params.is_linear != 0u);
    var coded = vec3<f32>(window_grey(value.x, params.window));
    if params.color != COLOR_NONE {
        let shown = value * params.color_scale + params.color_offset;
        let alpha = select(1.0, shown.a, params.color == COLOR_RGBA);
        coded = clamp(shown.rgb * alpha, vec3<f32>(0.0), vec3<f32>(1.0));
    }
    let linear = vec3<f32>(decode_srgb(coded.r), decode_srgb(coded.g), decode_srgb(coded.b));
    return Layer(from_camera_mm * ray.depth_per_mm, linear, 1.0);
}

fn edge_layer(edge: CubeEdge, position_px: vec2<f32>) -> Layer {
    let along = edge.ends_px.zw - edge.ends_px.xy;
    let to_point = position_px - edge.ends_px.xy;
    let t = clamp(dot(to_point, along) / max(dot(along, along), 1e-12), 0.0, 1.0);
    let distance_px = length(to_point - along * t);
    let coverage = clamp(params.edge_half_px + 0.5 - distance_px, 0.0, 1.0);
    return Layer(mix(edge.depths_mm.x, edge.depths_mm.y, t), edge.color, coverage);
}

@fragment
fn fs_main(@builtin(position) position: vec4<f32>) -> @location(0) vec4<u32> {
    var layers: array<Layer, CUBE_LAYERS>;
    var count = 0u;
    for (var i = 0u; i <= min(params.edge_count, CUBE_EDGES); i++) {
        var layer: Layer;
        if i == 0u {
            layer = plane_layer(position.xy);
        } else {
            layer = edge_layer(params.edges[i - 1u], position.xy);
        }
        if layer.opacity <= 0.0 {
            continue;
        }
        var at = count;
        for (var n = 0u; n < CUBE_LAYERS; n++) {
            if at == 0u {
                break;
            }
            if layers[at - 1u].depth_mm <= layer.depth_mm {
                break;
            }
            layers[at] = layers[at - 1u];
            at--;
        }
        layers[at] = layer;
        count++;
    }
    var color = vec3<f32>(0.0);
    var alpha = 0.0;
    for (var i = 0u; i < min(count, CUBE_LAYERS); i++) {
        let weight = (1.0 - alpha) * layers[i].opacity;
        color += weight * layers[i].color;
        alpha += weight;
    }
    return bitcast<vec4<u32>>(vec4<f32>(color, alpha));
}
