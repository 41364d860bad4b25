//! What is laid over a slice: labels with fill and outline, and further scalar volumes in their own colours.
//!
//! A layer has a grid of its own and is sampled at the patient positions of the picture, so it need not share
//! anything with the image below. Its values keep their own meaning: window and threshold are in its own units.
//!
//! # Blending, the same in every implementation
//! Layers are blended in the order of the list, in display space (sRGB-coded bytes, as monitors are calibrated):
//! where a layer has something to show, each channel becomes `⌊below + (own − below) · opacity + ½⌋` with `below`
//! the byte so far and `own` the layer's colour in `0..=255`, not rounded. Elsewhere the byte stays as it is.
//! Opacity 0 therefore changes nothing at all.
//!
//! # Labels
//! A pixel shows the label of the voxel nearest to its centre; hidden labels and background are 0. Through a slab,
//! which is sampled at the spacing of the labels, the shown label nearest to the middle of the slab wins; of two
//! equally near the one towards the viewer ([`middle_out`]). A pixel with a label is on the outline if any of the
//! pixels up to [`LabelLayer::outline_px`] to its left or right or above or below, within the picture, shows another
//! label or none. So an outline lies inside its region and is as wide at every zoom. It is blended over the fill, in
//! the same colour: together their opacity is `fill + outline − fill · outline`.
//!
//! # Scalar layers
//! A pixel has the layer's own value at its centre, interpolated before windowing, or the mean, maximum or minimum of
//! its own values through the scene's slab, which is sampled at the spacing of the layer. Nothing is blended outside
//! the layer's volume, where the value is missing (NaN), and below [`ScalarLayer::threshold`]. Elsewhere the colour
//! is that of the map at the display value of the layer's window.

use std::sync::{Arc, LazyLock};

use imaging::label_volume::LabelVolume;
use imaging::volume::{Channels, Volume, VolumeId};

use crate::RenderError;
use crate::color_map::ColorMap;
use crate::scene::{GreyMapping, Interpolation, SliceScene};

/// Widest outline; wider ones are drawn as this.
pub const MAX_OUTLINE_PX: u32 = 16;

/// Something over a slice. Equal layers, equal pictures.
#[derive(Debug, Clone, PartialEq)]
pub enum SliceLayer {
    /// Regions by number.
    Labels(LabelLayer),
    /// Another scalar volume in colour.
    Scalar(ScalarLayer),
}

/// Regions by number. Regions that overlap are several layers.
#[derive(Debug, Clone)]
pub struct LabelLayer {
    /// Which voxel belongs to what.
    pub labels: Arc<LabelVolume>,
    /// Colours, and which labels are shown.
    pub colors: Arc<LabelColors>,
    /// `0.0..=1.0`; of the whole region.
    pub fill_opacity: f32,
    /// `0.0..=1.0`; of the outline over the fill.
    pub outline_opacity: f32,
    /// Width of the outline on screen, at most [`MAX_OUTLINE_PX`]; 0 for none.
    pub outline_px: u32,
}

/// Another scalar volume over the image, as for PET over CT.
#[derive(Debug, Clone)]
pub struct ScalarLayer {
    /// What to lay over; one channel.
    pub volume: Arc<Volume>,
    /// Index along its own time.
    pub time_point: usize,
    /// Value to display value, in the layer's own unit.
    pub window: GreyMapping,
    /// Display value to colour.
    pub color_map: Arc<ColorMap>,
    /// `0.0..=1.0`.
    pub opacity: f32,
    /// Modality value below which the layer is transparent; `None` shows all.
    pub threshold: Option<f64>,
    /// Between its voxels.
    pub interpolation: Interpolation,
}

impl SliceLayer {
    /// The volume whose voxels are shown; key of what renderers keep.
    pub fn volume_id(&self) -> VolumeId {
        self.volume().id()
    }

    pub(crate) fn volume(&self) -> &Arc<Volume> {
        match self {
            Self::Labels(layer) => layer.labels.volume(),
            Self::Scalar(layer) => &layer.volume,
        }
    }

    /// The layer's volume as a slice of its own at the place of `scene`.
    pub(crate) fn cut(&self, scene: &SliceScene) -> SliceScene {
        match self {
            Self::Labels(layer) => layer.cut(scene),
            Self::Scalar(layer) => layer.cut(scene),
        }
    }

    /// Checks what a renderer relies on.
    pub(crate) fn validate(&self) -> Result<(), RenderError> {
        match self {
            Self::Labels(layer) => {
                finite("opacity of a label layer", &[layer.fill_opacity, layer.outline_opacity])
            }
            Self::Scalar(layer) => {
                if layer.volume.channels() != Channels::Scalar {
                    return Err(RenderError::ColorLayer);
                }
                let (time_point, count) = (layer.time_point, layer.volume.time_points());
                if time_point >= count {
                    return Err(RenderError::TimePoint { time_point, count });
                }
                if layer.threshold.is_some_and(f64::is_nan) {
                    return Err(RenderError::NotFinite { what: "threshold of a layer" });
                }
                finite("opacity of a layer", &[layer.opacity])
            }
        }
    }
}

fn finite(what: &'static str, numbers: &[f32]) -> Result<(), RenderError> {
    if numbers.iter().all(|v| v.is_finite()) { Ok(()) } else { Err(RenderError::NotFinite { what }) }
}

impl LabelLayer {
    /// Opacity inside a region and on its outline.
    pub fn opacities(&self) -> [f32; 2] {
        let fill = self.fill_opacity.clamp(0.0, 1.0);
        let outline = self.outline_opacity.clamp(0.0, 1.0);
        [fill, fill + outline - fill * outline]
    }

    /// How far the outline reaches into a region; 0 if none is seen.
    pub fn outline_reach_px(&self) -> u32 {
        if self.outline_opacity > 0.0 { self.outline_px.min(MAX_OUTLINE_PX) } else { 0 }
    }

    /// The label volume as a slice of its own at the place of `scene`.
    pub(crate) fn cut(&self, scene: &SliceScene) -> SliceScene {
        cut(scene, self.labels.volume(), 0, Interpolation::Nearest, scene.grey)
    }
}

impl PartialEq for LabelLayer {
    fn eq(&self, other: &Self) -> bool {
        let numbers = |l: &Self| (l.labels.id(), l.fill_opacity, l.outline_opacity, l.outline_px);
        numbers(self) == numbers(other) && self.colors == other.colors
    }
}

impl ScalarLayer {
    /// Opacity as it is used.
    pub(crate) fn opacity(&self) -> f32 {
        self.opacity.clamp(0.0, 1.0)
    }

    /// The layer as a slice of its own at the place of `scene`.
    pub(crate) fn cut(&self, scene: &SliceScene) -> SliceScene {
        cut(scene, &self.volume, self.time_point, self.interpolation, self.window)
    }
}

impl PartialEq for ScalarLayer {
    fn eq(&self, other: &Self) -> bool {
        let numbers = |l: &Self| (l.volume.id(), l.time_point, l.opacity, l.threshold, l.interpolation);
        numbers(self) == numbers(other) && self.window == other.window && self.color_map == other.color_map
    }
}

fn cut(
    scene: &SliceScene,
    volume: &Arc<Volume>,
    time_point: usize,
    interpolation: Interpolation,
    grey: GreyMapping,
) -> SliceScene {
    SliceScene {
        volume: Arc::clone(volume),
        time_point,
        plane: scene.plane,
        size_px: scene.size_px,
        interpolation,
        slab: scene.slab,
        grey,
        color_map: None,
        layers: Vec::new(),
    }
}

/// Colour and visibility of every label number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelColors {
    /// sRGB, and 255 if shown or 0 if hidden, for each `u16`.
    table: Vec<[u8; 4]>,
}

const LABELS: usize = 1 << 16;

impl Default for LabelColors {
    fn default() -> Self {
        Self::new()
    }
}

impl LabelColors {
    /// All labels shown, in colours that neighbouring numbers do not share; 0 is background and never shown.
    pub fn new() -> Self {
        static TABLE: LazyLock<Vec<[u8; 4]>> = LazyLock::new(|| {
            let shown = |label: u16| {
                let [r, g, b] = default_color(label);
                [r, g, b, if label == 0 { 0 } else { 255 }]
            };
            (0..=u16::MAX).map(shown).collect()
        });
        Self { table: TABLE.clone() }
    }

    /// Gives a label a colour.
    pub fn set_color(&mut self, label: u16, [r, g, b]: [u8; 3]) {
        if let Some([red, green, blue, _]) = self.table.get_mut(usize::from(label)) {
            (*red, *green, *blue) = (r, g, b);
        }
    }

    /// Shows or hides a label; 0 stays hidden.
    pub fn set_visible(&mut self, label: u16, is_visible: bool) {
        if let Some([.., shown]) = self.table.get_mut(usize::from(label)).filter(|_| label != 0) {
            *shown = if is_visible { 255 } else { 0 };
        }
    }

    /// Hides every label but these.
    pub fn show_only(&mut self, labels: &[u16]) {
        self.table.iter_mut().for_each(|[.., shown]| *shown = 0);
        labels.iter().for_each(|&label| self.set_visible(label, true));
    }

    /// sRGB colour of a label, shown or not.
    pub fn color(&self, label: u16) -> [u8; 3] {
        let [r, g, b, _] = self.entry(label);
        [r, g, b]
    }

    /// Whether a label is shown.
    pub fn is_visible(&self, label: u16) -> bool {
        self.entry(label)[3] != 0
    }

    /// Colour, and 0 if hidden.
    #[inline]
    pub(crate) fn entry(&self, label: u16) -> [u8; 4] {
        self.table.get(usize::from(label)).copied().unwrap_or_default()
    }

    /// The first `count` entries, at most all.
    pub(crate) fn entries(&self, count: usize) -> &[[u8; 4]] {
        self.table.get(..count.min(LABELS)).unwrap_or_default()
    }
}

/// A strong colour for a label: hues a golden ratio apart, in three shades by turns.
pub fn default_color(label: u16) -> [u8; 3] {
    let hue = f64::from(label) * 0.618_033_988_749_895 % 1.0 * 6.0;
    let (saturation, value) = [(0.85, 1.0), (0.55, 1.0), (0.85, 0.75)][usize::from(label) % 3];
    // Hue, saturation and value to RGB: how far a channel's own hue is away decides how much of it is lost.
    [5.0, 3.0, 1.0].map(|turn: f64| {
        let k = (turn + hue) % 6.0;
        let lost = saturation * k.min(4.0 - k).clamp(0.0, 1.0);
        (value * (1.0 - lost) * 255.0 + 0.5) as u8
    })
}

/// Positions `0..count` from the middle outwards; of two equally far the lower first.
///
/// The order in which a label is looked for through a slab.
pub fn middle_out(count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |k| {
        let (middle, is_odd) = ((count - 1) / 2, count % 2 == 1);
        let step = k.div_ceil(2);
        // After an odd count's middle the lower side is next; an even count's lower middle is taken already.
        if (k % 2 == 1) == is_odd { middle - step } else { middle + step }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn middle_out_visits_each_once_and_never_comes_nearer() {
        for count in 0..12 {
            let order: Vec<usize> = middle_out(count).collect();
            let distance = |i: usize| (2 * i + 1).abs_diff(count);
            assert!(
                order
                    .windows(2)
                    .all(|p| distance(p[0]) < distance(p[1])
                        || (distance(p[0]) == distance(p[1]) && p[0] < p[1])),
                "{order:?}"
            );
            let mut all = order;
            all.sort_unstable();
            assert_eq!(all, (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn labels_are_shown_until_hidden_and_background_never_is() {
        let mut colors = LabelColors::new();
        assert!(colors.is_visible(1) && colors.is_visible(65535) && !colors.is_visible(0));
        colors.set_visible(0, true);
        colors.set_visible(3, false);
        assert!(!colors.is_visible(0) && !colors.is_visible(3));
        colors.show_only(&[3, 500]);
        assert!(colors.is_visible(3) && colors.is_visible(500) && !colors.is_visible(1));
        colors.set_color(500, [1, 2, 3]);
        assert_eq!((colors.color(500), colors.entry(500)), ([1, 2, 3], [1, 2, 3, 255]));
    }

    #[test]
    fn neighbouring_labels_have_colours_that_can_be_told_apart() {
        for label in 1..200u16 {
            let (a, b) = (default_color(label), default_color(label + 1));
            let distance: u32 = a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(b))).sum();
            assert!(distance > 120, "{label}: {a:?} {b:?}");
            assert!(a.iter().max() >= Some(&180), "{label} is dark: {a:?}");
        }
        assert_eq!(default_color(0), [255, 38, 38], "hue 0 is red");
    }

    #[test]
    fn outline_lies_over_the_fill() {
        let dims = imaging::geometry::Dims::new(1, 1, 1);
        let grid =
            imaging::geometry::Geometry::axis_aligned(dims, glam::DVec3::ZERO, glam::DVec3::ONE).unwrap();
        let volume = Arc::new(Volume::new(imaging::volume::VolumeMeta::scalar(grid), vec![1u8]).unwrap());
        let layer = |fill_opacity, outline_opacity| LabelLayer {
            labels: Arc::new(LabelVolume::from_volume(&volume, 0).unwrap()),
            colors: Arc::new(LabelColors::new()),
            fill_opacity,
            outline_opacity,
            outline_px: 99,
        };
        assert_eq!(layer(0.5, 0.5).opacities(), [0.5, 0.75]);
        assert_eq!(
            layer(0.25, 0.0).opacities(),
            [0.25, 0.25],
            "without an outline the fill reaches the edge"
        );
        assert_eq!(layer(2.0, 1.0).opacities(), [1.0, 1.0]);
        assert_eq!(
            (layer(0.1, 0.2).outline_reach_px(), layer(0.1, 0.0).outline_reach_px()),
            (MAX_OUTLINE_PX, 0)
        );
        assert_eq!(SliceLayer::Labels(layer(0.1, 0.2)), SliceLayer::Labels(layer(0.1, 0.2)));
        assert_ne!(SliceLayer::Labels(layer(0.1, 0.2)), SliceLayer::Labels(layer(0.1, 0.3)));
        let broken = SliceLayer::Labels(layer(f32::NAN, 0.0));
        assert!(matches!(broken.validate(), Err(RenderError::NotFinite { .. })));
    }
}
