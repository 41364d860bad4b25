// Purpose: volume view by front-to-back ray marching: composited with a transfer function, or maximum intensity.
// Inputs: camera, crop box and clip planes in continuous index; step in mm; lookup table (linear RGB, opacity per
// step); distance map and value ranges of bricks, which only leave out samples that could not be seen.
// Output: the bits of linear, premultiplied RGBA in f32 (OpenGL drivers need not draw into float textures).
// Source: sampling as defined at `scene::VolumeScene`; Engel et al., Real-Time Volume Graphics, 2006;
// Deakin, Knoll, Efficient ray casting of volumetric data using distance maps for empty space skipping, 2019.
// Twin: `reference::volume`.
// import shared/fullscreen.wgsl
// import shared/color.wgsl
// import shared/window.wgsl
// import shared/camera.wgsl
// import volume
// import sample

// Mirror: gpu_types::RayMarchParams
struct RayMarchParams {
    camera: RayCamera,
    // Visible part, continuous index.
    crop_min_index: vec3<f32>,
    step_mm: f32,
    crop_max_index: vec3<f32>,
    // MODE_UNLIT, MODE_LIT or MODE_MIP.
    mode: u32,
    // Normal and distance: kept where dot(xyz, index) + w >= 0 mm.
    clip_planes: array<vec4<f32>, MAX_CLIP_PLANES>,
    clip_plane_count: u32,
    jitter_frame: u32,
    // Entry of the lookup table = texel * lut_scale + lut_offset.
    lut_scale: f32,
    lut_offset: f32,
    // Rows that turn a texel difference over two voxels into modality units per mm in camera space.
    gradient_right: vec4<f32>,
    gradient_up: vec4<f32>,
    gradient_back: vec4<f32>,
    // Unit vector towards the lamp in camera space.
    lamp: vec3<f32>,
    // Modality units per mm from which shading is full.
    full_gradient: f32,
    ambient: f32,
    diffuse: f32,
    specular: f32,
    shininess: f32,
    window: WindowParams,
    // Edge of a brick in voxels of the resident level.
    brick_size: f32,
    is_skipping: u32,
    // -1 where the highest modality value is the lowest texel.
    mip_sign: f32,
    pad: u32,
}

@group(1) @binding(0) var<uniform> params: RayMarchParams;
@group(3) @binding(0) var lut: texture_2d<f32>;
// Chebyshev distance in bricks to the nearest brick with anything visible; 0 in such a brick.
@group(3) @binding(1) var brick_distance: texture_3d<u32>;
// Lowest and highest texel of each brick.
@group(3) @binding(2) var brick_range: texture_3d<f32>;

fn pcg(v: u32) -> u32 {
    let state = v * 747796405u + 2891336453u;
    let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
    return (word >> 22u) ^ word;
}

// Share of the first step at which sampling starts. Twin: `scene::start_offset`.
fn start_offset(pixel: vec2<u32>, frame: u32) -> f32 {
    if frame == 0u {
        return 0.5;
    }
    let hashed = pcg(pixel.x + pcg(pixel.y)) >> 8u;
    return f32((hashed + frame * 10368889u) & 0x00ffffffu) / 16777216.0;
}

// Part of the ray that is visible, in mm; empty where x >= y.
fn visible_segment(ray: PixelRay) -> vec2<f32> {
    var entry = ray.front_mm;
    var exit = 1e30;
    for (var axis = 0u; axis < 3u; axis++) {
        let o = ray.start[axis];
        let d = ray.direction[axis];
        if abs(d) < 1e-12 {
            if o < params.crop_min_index[axis] || o > params.crop_max_index[axis] {
                return vec2<f32>(1.0, 0.0);
            }
            continue;
        }
        let a = (params.crop_min_index[axis] - o) / d;
        let b = (params.crop_max_index[axis] - o) / d;
        entry = max(entry, min(a, b));
        exit = min(exit, max(a, b));
    }
    for (var i = 0u; i < min(params.clip_plane_count, MAX_CLIP_PLANES); i++) {
        let plane = params.clip_planes[i];
        let distance = dot(plane.xyz, ray.start) + plane.w;
        let rate = dot(plane.xyz, ray.direction);
        if abs(rate) < 1e-12 {
            if distance < 0.0 {
                return vec2<f32>(1.0, 0.0);
            }
        } else if rate > 0.0 {
            entry = max(entry, -distance / rate);
        } else {
            exit = min(exit, -distance / rate);
        }
    }
    return vec2<f32>(entry, exit);
}

// Samples until the ray leaves a box of bricks; at least 1. A sample that rounding puts on the box's far side
// is taken from inside, never skipped.
fn samples_to_exit(index: vec3<f32>, direction: vec3<f32>, low: vec3<f32>, high: vec3<f32>) -> u32 {
    let far = select(low, high, direction > vec3<f32>(0.0));
    let safe = select(direction, vec3<f32>(1e-12), abs(direction) < vec3<f32>(1e-12));
    let is_moving = abs(direction) >= vec3<f32>(1e-12);
    let t = select(vec3<f32>(1e30), (far - index) / safe, is_moving);
    let exit_mm = min(t.x, min(t.y, t.z));
    return u32(clamp(ceil(exit_mm / params.step_mm - 1e-3), 1.0, f32(MAX_RAY_SAMPLES)));
}

fn lut_entry(texel: f32) -> vec4<f32> {
    let last = f32(LUT_ENTRIES - 1u);
    let i = u32(clamp(texel * params.lut_scale + params.lut_offset, 0.0, last) + 0.5);
    return textureLoad(lut, vec2<u32>(i % LUT_ROW, i / LUT_ROW), 0);
}

// Blinn-Phong with both sides lit, fading to unlit where the gradient vanishes. Twin: `reference::shade`.
fn shade(color: vec3<f32>, index: vec3<f32>, view: vec3<f32>) -> vec3<f32> {
    let x = vec3<f32>(1.0, 0.0, 0.0);
    let y = vec3<f32>(0.0, 1.0, 0.0);
    let z = vec3<f32>(0.0, 0.0, 1.0);
    let difference = vec3<f32>(
        sample_texel(index + x) - sample_texel(index - x),
        sample_texel(index + y) - sample_texel(index - y),
        sample_texel(index + z) - sample_texel(index - z),
    );
    let gradient = vec3<f32>(
        dot(params.gradient_right.xyz, difference),
        dot(params.gradient_up.xyz, difference),
        dot(params.gradient_back.xyz, difference),
    );
    let magnitude = length(gradient);
    // Written so that a missing value (NaN) has no normal either.
    if !(magnitude > 1e-20 && magnitude < 1e30) {
        return color;
    }
    let normal = gradient / magnitude;
    let toward = params.lamp - view;
    let half_length = length(toward);
    var halfway = params.lamp;
    if half_length > 1e-6 {
        halfway = toward / half_length;
    }
    let diffuse = abs(dot(normal, params.lamp));
    let highlight = pow(abs(dot(normal, halfway)), params.shininess) * params.specular;
    let weight = clamp(magnitude / params.full_gradient, 0.0, 1.0);
    let lit = color * (params.ambient + params.diffuse * diffuse) + highlight;
    return mix(color, lit, weight);
}

struct March {
    ray: PixelRay,
    // Distance of sample 0 in mm, and how many there are.
    first_mm: f32,
    count: u32,
}

fn brick_of(index: vec3<f32>) -> vec3<i32> {
    let clamped = clamp(index, vec3<f32>(0.0), vec3<f32>(volume.dims) - 1.0);
    return vec3<i32>(clamped / params.brick_size);
}

fn composite(march: March) -> vec4<f32> {
    var color = vec3<f32>(0.0);
    var alpha = 0.0;
    var k = 0u;
    // Sample from which the brick has to be looked up again.
    var known_until = 0u;
    for (var i = 0u; i < MAX_RAY_SAMPLES; i++) {
        if k >= march.count {
            break;
        }
        let t = march.first_mm + f32(k) * params.step_mm;
        let index = march.ray.start + march.ray.direction * t;
        if params.is_skipping != 0u && k >= known_until {
            let brick = brick_of(index);
            let distance = i32(textureLoad(brick_distance, brick, 0).x);
            let radius = max(distance - 1, 0);
            let low = vec3<f32>(brick - radius) * params.brick_size;
            let high = vec3<f32>(brick + radius + 1) * params.brick_size;
            let samples = samples_to_exit(index, march.ray.direction, low, high);
            if distance > 0 {
                k += samples;
                continue;
            }
            known_until = k + samples;
        }
        k++;
        let entry = lut_entry(sample_texel(index));
        if entry.a <= 0.0 {
            continue;
        }
        var shown = entry.rgb;
        if params.mode == MODE_LIT {
            shown = shade(entry.rgb, index, march.ray.view);
        }
        let weight = (1.0 - alpha) * entry.a;
        color += weight * shown;
        alpha += weight;
        if alpha >= EARLY_TERMINATION_ALPHA {
            // What lies behind is taken to look like what is in front, which beats taking it for black.
            return vec4<f32>(color / alpha, 1.0);
        }
    }
    return vec4<f32>(color, alpha);
}

fn maximum(march: March) -> vec4<f32> {
    if march.count == 0u {
        return vec4<f32>(0.0);
    }
    var highest = -1e30;
    var k = 0u;
    var known_until = 0u;
    for (var i = 0u; i < MAX_RAY_SAMPLES; i++) {
        if k >= march.count {
            break;
        }
        let t = march.first_mm + f32(k) * params.step_mm;
        let index = march.ray.start + march.ray.direction * t;
        if params.is_skipping != 0u && k >= known_until {
            let brick = brick_of(index);
            let low = vec3<f32>(brick) * params.brick_size;
            let samples = samples_to_exit(index, march.ray.direction, low, low + params.brick_size);
            let range = textureLoad(brick_range, brick, 0);
            if select(range.y, -range.x, params.mip_sign < 0.0) <= highest {
                k += samples;
                continue;
            }
            known_until = k + samples;
        }
        k++;
        highest = max(highest, params.mip_sign * sample_texel(index));
    }
    let linear = decode_srgb(window_grey(params.mip_sign * highest, params.window));
    return vec4<f32>(linear, linear, linear, 1.0);
}

fn draw(position: vec4<f32>) -> vec4<f32> {
    var march: March;
    march.ray = pixel_ray(params.camera, position.xy);
    let segment = visible_segment(march.ray);
    if segment.x >= segment.y {
        return vec4<f32>(0.0);
    }
    let offset = start_offset(vec2<u32>(position.xy), params.jitter_frame);
    march.first_mm = segment.x + offset * params.step_mm;
    let samples = ceil((segment.y - march.first_mm) / params.step_mm);
    march.count = u32(clamp(samples, 0.0, f32(MAX_RAY_SAMPLES)));
    if params.mode == MODE_MIP {
        return maximum(march);
    }
    return composite(march);
}

@fragment
fn fs_main(@builtin(position) position: vec4<f32>) -> @location(0) vec4<u32> {
    return bitcast<vec4<u32>>(draw(position));
}
