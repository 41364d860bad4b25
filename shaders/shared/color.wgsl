// Purpose: between linear light and the sRGB transfer curve.
// Source: IEC 61966-2-1. Twins: `image::encode_srgb`, `image::decode_srgb`.

fn encode_srgb(linear: vec3<f32>) -> vec3<f32> {
    let c = clamp(linear, vec3<f32>(0.0), vec3<f32>(1.0));
    let curved = 1.055 * pow(c, vec3<f32>(1.0 / 2.4)) - 0.055;
    return select(curved, c * 12.92, c <= vec3<f32>(0.0031308));
}

fn decode_srgb(coded: f32) -> f32 {
    if coded <= 0.04045 {
        return coded / 12.92;
    }
    return pow((coded + 0.055) / 1.055, 2.4);
}
