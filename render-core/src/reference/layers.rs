//! What is laid over a slice, written for reading; [`crate::layers`] has the definition in words.

use rayon::prelude::*;

use super::slice_values;
use crate::RenderError;
use crate::image::Image8;
use crate::layers::{LabelLayer, ScalarLayer, SliceLayer, middle_out};
use crate::scene::SliceScene;

/// Labels of a layer as they are shown, one per pixel; 0 outside the volume, for background and for what is hidden.
///
/// # Errors
/// If the scene does not validate.
pub fn slice_labels(scene: &SliceScene, layer: &LabelLayer) -> Result<Vec<u16>, RenderError> {
    scene.validate()?;
    let [width, height] = scene.size_px;
    let offsets = scene.slab.offsets_mm(layer.labels.geometry());
    let normal = scene.plane.normal();
    let label_at = |x: u32, y: u32| {
        let p = scene.plane.lps_from_px(f64::from(x) + 0.5, f64::from(y) + 0.5, scene.size_px);
        middle_out(offsets.len())
            .filter_map(|i| offsets.get(i))
            .map(|&mm| layer.labels.label_at_lps(p + normal * mm))
            .find(|&label| layer.colors.is_visible(label))
            .unwrap_or(0)
    };
    Ok((0..height)
        .into_par_iter()
        .flat_map_iter(|y| (0..width).map(move |x| (x, y)))
        .map(|(x, y)| label_at(x, y))
        .collect())
}

/// Blends a layer over the picture so far.
pub(super) fn blend(scene: &SliceScene, layer: &SliceLayer, image: &mut Image8) -> Result<(), RenderError> {
    match layer {
        SliceLayer::Labels(layer) => blend_labels(scene, layer, image),
        SliceLayer::Scalar(layer) => blend_scalar(scene, layer, image),
    }
}

fn blend_labels(scene: &SliceScene, layer: &LabelLayer, image: &mut Image8) -> Result<(), RenderError> {
    let labels = slice_labels(scene, layer)?;
    let [inside, on_outline] = layer.opacities().map(f64::from);
    for (i, (pixel, &label)) in image.rgba.chunks_exact_mut(4).zip(&labels).enumerate() {
        if label != 0 {
            let opacity = if is_outline(&labels, scene.size_px, i, layer.outline_reach_px()) {
                on_outline
            } else {
                inside
            };
            blend_pixel(pixel, layer.colors.color(label).map(f64::from), opacity);
        }
    }
    Ok(())
}

/// Whether a pixel within `reach_px` to the left or right or above or below shows something else.
fn is_outline(labels: &[u16], [width, height]: [u32; 2], pixel: usize, reach_px: u32) -> bool {
    let (x, y) = (pixel as i64 % i64::from(width), pixel as i64 / i64::from(width));
    let is_other = |x: i64, y: i64| {
        let is_in_picture = (0..i64::from(width)).contains(&x) && (0..i64::from(height)).contains(&y);
        is_in_picture && labels.get((y * i64::from(width) + x) as usize) != labels.get(pixel)
    };
    (1..=i64::from(reach_px))
        .any(|k| is_other(x - k, y) || is_other(x + k, y) || is_other(x, y - k) || is_other(x, y + k))
}

fn blend_scalar(scene: &SliceScene, layer: &ScalarLayer, image: &mut Image8) -> Result<(), RenderError> {
    let values = slice_values(&layer.cut(scene), 0)?;
    let threshold = layer.threshold.unwrap_or(f64::NEG_INFINITY);
    for (pixel, value) in image.rgba.chunks_exact_mut(4).zip(values) {
        // NaN, outside or missing, is below every threshold.
        if value >= threshold {
            let color = layer.color_map.color_at(layer.window.apply(value));
            blend_pixel(pixel, color, f64::from(layer.opacity()));
        }
    }
    Ok(())
}

fn blend_pixel(pixel: &mut [u8], color: [f64; 3], opacity: f64) {
    for (byte, own) in pixel.iter_mut().zip(color) {
        let below = f64::from(*byte);
        *byte = (below + (own - below) * opacity + 0.5) as u8;
    }
}
