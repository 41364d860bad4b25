// Purpose: the ray through a pixel, in continuous index of the volume.
// Input: pixel position in px (centres at +0.5). Output: a point near the middle of the volume, and the
// direction per mm; distances along the ray are in mm from that point, so that f32 keeps its precision
// however far away the camera stands.
// Twin: `camera::Camera::ray`.

// Mirror: gpu_types::RayCamera
struct RayCamera {
    // Where the ray through the picture's centre is at `depth_mm`.
    base_index: vec3<f32>,
    // Depth of `base_index` in front of the camera.
    depth_mm: f32,
    // Change of that point per px to the right and down.
    right_index: vec3<f32>,
    // Half the picture's height over its distance, per px; 0 for parallel rays.
    tan_per_px: f32,
    down_index: vec3<f32>,
    is_perspective: u32,
    // Index per mm along the view direction.
    forward_index: vec3<f32>,
    pad: f32,
    // Change of the direction per px, before it is made 1 mm long.
    ray_right_index: vec3<f32>,
    center_x_px: f32,
    ray_down_index: vec3<f32>,
    center_y_px: f32,
}

struct PixelRay {
    // Point at distance 0, continuous index.
    start: vec3<f32>,
    // Index per mm.
    direction: vec3<f32>,
    // Distance of the camera's front: nothing before it is seen.
    front_mm: f32,
    // mm along the ray per mm of depth, inverted.
    depth_per_mm: f32,
    // Unit view direction in camera space: right, up, back.
    view: vec3<f32>,
}

fn pixel_ray(camera: RayCamera, position_px: vec2<f32>) -> PixelRay {
    let d = position_px - vec2<f32>(camera.center_x_px, camera.center_y_px);
    let slope = d * camera.tan_per_px;
    let depth_per_mm = inverseSqrt(1.0 + dot(slope, slope));
    var ray: PixelRay;
    ray.start = camera.base_index + d.x * camera.right_index + d.y * camera.down_index;
    let along = camera.forward_index + d.x * camera.ray_right_index + d.y * camera.ray_down_index;
    ray.direction = along * depth_per_mm;
    ray.front_mm = select(-1e30, -camera.depth_mm / depth_per_mm, camera.is_perspective != 0u);
    ray.depth_per_mm = depth_per_mm;
    ray.view = vec3<f32>(slope.x, -slope.y, -1.0) * depth_per_mm;
    return ray;
}
