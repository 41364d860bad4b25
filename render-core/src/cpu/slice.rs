//! The slice pass: the image and its layers, band by band, so that a band is finished while it is in the cache.
//!
//! Voxels of 8 and 16 bits go through `slice_kernel`, any others and colours through `slice_any`, labels through
//! `label_bands`; `paint` turns values into pixels.

use imaging::volume::{Channels, Rescale, Volume, Voxels};
use imaging::with_voxels;
use rayon::prelude::*;

use super::grid::{Samples, stored, with_samples};
use super::label_bands::LabelBands;
use super::lanes::{Avx2, PairSample, Portable};
use super::paint::{ColorPaint, GreyPaint, Paint};
use super::sampler::Sampler;
use super::slice_kernel::{self, SliceView};
use super::{Options, slice_any, stored_bias};
use crate::color_map::ColorMap;
use crate::image::Image8;
use crate::layers::SliceLayer;
use crate::scene::SliceScene;

/// Rows of pixels that one task draws.
const BAND: usize = 16;

/// Draws a validated scene; `None` if cancelled on the way.
pub(crate) fn draw(scene: &SliceScene, options: Options<'_>) -> Option<Image8> {
    let [width, height] = scene.size_px;
    let mut image = Image8 { width, height, rgba: vec![0; width as usize * height as usize * 4] };
    let cut = Cut::new(scene, Look::of_image(scene), options);
    let layer_scenes: Vec<SliceScene> = scene.layers.iter().map(|layer| layer.cut(scene)).collect();
    let layers: Vec<LayerBands<'_>> = scene
        .layers
        .iter()
        .zip(&layer_scenes)
        .map(|(layer, scene)| LayerBands::new(layer, scene, options))
        .collect();
    image.rgba.par_chunks_mut(width as usize * BAND * 4).enumerate().for_each(|(band, bytes)| {
        if options.is_cancelled() {
            return;
        }
        let first_row = band * BAND;
        cut.draw_band(first_row, bytes);
        for layer in &layers {
            layer.draw_band(first_row, bytes);
        }
    });
    (!options.is_cancelled()).then_some(image)
}

/// A layer, ready to be blended over bands of the picture.
enum LayerBands<'a> {
    Labels(LabelBands<'a>),
    Scalar(Box<Cut<'a>>),
}

impl<'a> LayerBands<'a> {
    /// `scene` is the layer's own cut.
    fn new(layer: &'a SliceLayer, scene: &'a SliceScene, options: Options<'_>) -> Self {
        match layer {
            SliceLayer::Labels(layer) => Self::Labels(LabelBands::new(layer, scene)),
            SliceLayer::Scalar(layer) => {
                let (opacity, threshold) = (layer.opacity(), layer.threshold);
                let look = Look::Color { map: &layer.color_map, opacity, threshold };
                Self::Scalar(Box::new(Cut::new(scene, look, options)))
            }
        }
    }

    fn draw_band(&self, first_row: usize, bytes: &mut [u8]) {
        match self {
            Self::Labels(labels) => labels.blend_band(first_row, bytes),
            Self::Scalar(cut) => cut.draw_band(first_row, bytes),
        }
    }
}

/// How values become colours.
#[derive(Clone, Copy)]
enum Look<'a> {
    /// Opaque.
    Grey,
    /// Over what is there.
    Color { map: &'a ColorMap, opacity: f32, threshold: Option<f64> },
}

impl<'a> Look<'a> {
    fn of_image(scene: &'a SliceScene) -> Self {
        match scene.color_map.as_deref() {
            Some(map) => Self::Color { map, opacity: 1.0, threshold: None },
            None => Self::Grey,
        }
    }
}

/// [`Look`], prepared.
enum Painter {
    Grey(Box<GreyPaint>),
    Color(Box<ColorPaint>),
}

/// One volume of a slice, ready to be drawn in bands.
struct Cut<'a> {
    scene: &'a SliceScene,
    view: SliceView,
    offsets_mm: Vec<f64>,
    /// Samples that the kernels read; `None` where they do not know the type.
    fast: Option<Samples<'a>>,
    avx2: Option<Avx2>,
    painter: Painter,
}

impl<'a> Cut<'a> {
    fn new(scene: &'a SliceScene, look: Look<'_>, options: Options<'_>) -> Self {
        let rescale = lane_rescale(&scene.volume);
        let view = SliceView::new(scene, rescale.slope < 0.0);
        let fast = match scene.volume.channels() {
            Channels::Scalar => stored(&scene.volume, scene.time_point),
            _ => None,
        };
        let is_fast = |samples: &Samples<'_>| with_samples!(samples, s => Sampler::new(Portable, s, view.dims).is_some());
        Self {
            scene,
            offsets_mm: view.offsets.iter().map(|o| o.mm).collect(),
            fast: fast.filter(is_fast),
            avx2: if options.is_portable { None } else { Avx2::detect() },
            painter: match look {
                Look::Grey => Painter::Grey(Box::new(GreyPaint::new(scene.grey, rescale))),
                Look::Color { map, opacity, threshold } => {
                    let paint = ColorPaint::new(scene.grey, rescale, map, opacity, threshold);
                    Painter::Color(Box::new(paint))
                }
            },
            view,
        }
    }

    fn draw_band(&self, first_row: usize, bytes: &mut [u8]) {
        match &self.painter {
            Painter::Grey(paint) => self.paint_band(paint.as_ref(), first_row, bytes),
            Painter::Color(paint) => self.paint_band(paint.as_ref(), first_row, bytes),
        }
    }

    fn paint_band<P: Paint>(&self, paint: &P, first_row: usize, bytes: &mut [u8]) {
        match self.fast {
            Some(samples) => with_samples!(samples, typed => {
                slice_kernel::draw_band(self.avx2, typed, &self.view, paint, first_row, bytes);
            }),
            None => with_voxels!(self.scene.volume.voxels(), samples => {
                slice_any::draw_band(self.scene, samples, &self.offsets_mm, paint, first_row, bytes);
            }),
        }
    }
}

/// From lane values to modality values.
fn lane_rescale(volume: &Volume) -> Rescale {
    let offset = match volume.voxels() {
        Voxels::U16(_) => <u16 as PairSample>::OFFSET,
        _ => 0.0,
    };
    let mut rescale = volume.rescale();
    rescale.intercept += rescale.slope * f64::from(offset + stored_bias());
    rescale
}
