// Purpose: one triangle that covers the picture; fragments then find themselves by pixel position.
// Input: vertex index 0..3. Output: clip-space position.

@vertex
fn vs_fullscreen(@builtin(vertex_index) vertex: u32) -> @builtin(position) vec4<f32> {
    let corner = vec2<f32>(f32((vertex << 1u) & 2u), f32(vertex & 2u));
    return vec4<f32>(corner * 2.0 - 1.0, 0.0, 1.0);
}
