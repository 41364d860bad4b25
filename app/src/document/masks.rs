//! Regions that lie over a series: segments of segmentations, contours of structure sets.

use std::collections::BTreeSet;
use std::sync::Arc;

use glam::DVec3;
use imaging::label_volume::LabelVolume;
use render_core::layers::{LabelColors, LabelLayer, SliceLayer};

use super::series::SeriesKey;

/// Names a set of regions within this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MaskKey(pub u32);

/// One region.
#[derive(Debug, Clone, PartialEq)]
pub struct MaskRegion {
    /// Its number in the label volumes.
    pub label: u16,
    /// Name for people.
    pub name: String,
    /// What it is: tissue, organ, kind of region; may be empty.
    pub kind: String,
    /// sRGB.
    pub color: [u8; 3],
    /// Of its voxels, on the grid it came on.
    pub volume_ml: f64,
    /// Middle of its voxels, LPS in mm; `None` if it has none.
    pub center_lps: Option<DVec3>,
    /// Mean and standard deviation of the image's values inside, in its unit; `None` where there are none.
    pub values: Option<[f64; 2]>,
}

/// A set of regions and the series it lies over.
#[derive(Debug, Clone)]
pub struct Masks {
    /// Its name in this process.
    pub key: MaskKey,
    /// What it lies over.
    pub series: SeriesKey,
    /// Name for people.
    pub title: String,
    /// `segmentation` or `structure set`.
    pub kind: &'static str,
    /// In the order of the file.
    pub regions: Vec<MaskRegion>,
    /// As many as it takes for no region to hide another.
    pub maps: Vec<Arc<LabelVolume>>,
    /// What to know about it, as sentences.
    pub warnings: Vec<String>,
}

/// How a set of regions is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct MaskLook {
    /// Whether it is drawn at all.
    pub is_visible: bool,
    /// `0.0..=1.0`.
    pub fill_opacity: f32,
    /// `0.0..=1.0`.
    pub outline_opacity: f32,
    /// On screen.
    pub outline_px: u32,
    /// Regions that are not drawn.
    pub hidden: BTreeSet<u16>,
    /// Follows from regions and `hidden`.
    colors: Arc<LabelColors>,
}

impl MaskLook {
    /// Everything shown, edges clear, the image visible through the fill.
    pub fn new(regions: &[MaskRegion]) -> Self {
        let hidden = BTreeSet::new();
        let colors = colors(regions, &hidden);
        Self { is_visible: true, fill_opacity: 0.25, outline_opacity: 0.9, outline_px: 1, hidden, colors }
    }

    /// Shows or hides a region.
    pub fn toggle(&mut self, label: u16, regions: &[MaskRegion]) {
        if !self.hidden.remove(&label) {
            self.hidden.insert(label);
        }
        self.colors = colors(regions, &self.hidden);
    }

    /// Shows one region alone, or all again if it is alone already.
    pub fn toggle_only(&mut self, label: u16, regions: &[MaskRegion]) {
        let others: BTreeSet<u16> = regions.iter().map(|r| r.label).filter(|l| *l != label).collect();
        self.hidden = if self.hidden == others { BTreeSet::new() } else { others };
        self.colors = colors(regions, &self.hidden);
    }

    /// What the renderer draws.
    pub fn layers(&self, masks: &Masks) -> Vec<SliceLayer> {
        if !self.is_visible {
            return Vec::new();
        }
        let layer = |map: &Arc<LabelVolume>| {
            SliceLayer::Labels(LabelLayer {
                labels: Arc::clone(map),
                colors: Arc::clone(&self.colors),
                fill_opacity: self.fill_opacity,
                outline_opacity: self.outline_opacity,
                outline_px: self.outline_px,
            })
        };
        masks.maps.iter().map(layer).collect()
    }
}

fn colors(regions: &[MaskRegion], hidden: &BTreeSet<u16>) -> Arc<LabelColors> {
    let mut colors = LabelColors::new();
    for region in regions {
        colors.set_color(region.label, region.color);
        colors.set_visible(region.label, !hidden.contains(&region.label));
    }
    Arc::new(colors)
}
