// Purpose: VOI window, from a value to grey `0..1` (sRGB-coded, as monitors are calibrated).
// Input: values in whatever unit `center` and `scale` were prepared for (stored units or raw texels).
// Source: DICOM PS3.3 C.11.2.1.2.1, C.11.2.1.3. Twin: `scene::GreyMapping::apply`.

// Mirror: gpu_types::WindowParams
struct WindowParams {
    center: f32,
    // 1 / width, negative where the modality value falls with the stored value.
    scale: f32,
    // WINDOW_LINEAR, WINDOW_SIGMOID or WINDOW_THRESHOLD.
    function: u32,
    is_inverted: u32,
}

fn window_grey(value: f32, window: WindowParams) -> f32 {
    let from_center = (value - window.center) * window.scale;
    var grey = clamp(from_center + 0.5, 0.0, 1.0);
    if window.function == WINDOW_SIGMOID {
        grey = 1.0 / (1.0 + exp(-4.0 * from_center));
    } else if window.function == WINDOW_THRESHOLD {
        grey = select(0.0, 1.0, from_center > 0.0);
    }
    return select(grey, 1.0 - grey, window.is_inverted != 0u);
}
