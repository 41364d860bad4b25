//! From segmentations and structure sets to label volumes over a series.

use std::sync::Arc;

use imaging::contours::{ImageGrid, StructureSet};
use imaging::derived::{Derived, DerivedObject};
use imaging::formats::{self, ReadLimits};
use imaging::geometry::Geometry;
use imaging::label_volume::LabelVolume;
use imaging::labelmap::{LabelMap, Mask};
use imaging::segmentation::Segmentation;
use imaging::statistics::{self, Region, Sampling};
use imaging::volume::Volume;

use super::{Message, Outbox, spawn};
use crate::document::{MaskRegion, SeriesKey};
use crate::text;

/// Most memory for the label volumes of one object.
const MAX_BYTES: u64 = 1 << 30;

/// What a worker makes of an object.
#[derive(Debug)]
pub struct MadeMasks {
    /// Regions that hold voxels or were meant to.
    pub regions: Vec<MaskRegion>,
    /// Their voxels.
    pub maps: Vec<Arc<LabelVolume>>,
    /// What to know, as sentences.
    pub warnings: Vec<String>,
}

/// What regions are to lie over.
pub struct MaskTarget {
    /// Which series.
    pub series: SeriesKey,
    /// Its voxels.
    pub volume: Arc<Volume>,
    /// Its UID.
    pub series_uid: Option<String>,
    /// Where its positions count from.
    pub frame_of_reference_uid: Option<String>,
}

pub(super) fn load(object: DerivedObject, target: MaskTarget, outbox: Outbox) {
    spawn("masks", move || {
        let series = target.series;
        let result = make(&object, &target);
        outbox.send(Message::Masks { series, object: Box::new(object), result });
    });
}

fn make(object: &DerivedObject, target: &MaskTarget) -> Result<MadeMasks, String> {
    let derived = formats::load_object(object, ReadLimits::default());
    match derived.map_err(|error| text::message_for(&error).what)? {
        Derived::Segmentation(segmentation) => of_segmentation(&segmentation, target),
        Derived::StructureSet(set) => of_structure_set(&set, target),
        _ => Err(format!("A {} holds no regions.", object.kind.name())),
    }
}

fn of_segmentation(segmentation: &Segmentation, target: &MaskTarget) -> Result<MadeMasks, String> {
    let sentence = |error: &dyn std::error::Error| format!("The segmentation cannot be placed: {error}.");
    let geometry = segmentation.geometry().map_err(|error| sentence(&error))?;
    let mut found = Vec::new();
    for segment in &segmentation.segments {
        let mask = segmentation.mask(segment.number).map_err(|error| sentence(&error))?;
        let named = segment.property_type.as_ref().or(segment.category.as_ref());
        let region = MaskRegion {
            label: segment.number,
            name: segment.label.clone(),
            kind: named.map(|code| code.meaning.clone()).unwrap_or_default(),
            color: segment.color_rgb.unwrap_or_else(|| default_color(segment.number)),
            ..measured(segment.number, &mask, target)
        };
        found.push((region, mask));
    }
    finish(found, &geometry, segmentation.warnings.clone())
}

fn of_structure_set(set: &StructureSet, target: &MaskTarget) -> Result<MadeMasks, String> {
    let image = ImageGrid {
        geometry: target.volume.geometry(),
        series_uid: target.series_uid.as_deref(),
        frame_of_reference_uid: target.frame_of_reference_uid.as_deref(),
    };
    let mut warnings = set.warnings.clone();
    let mut found = Vec::new();
    for (roi, label) in set.rois.iter().zip(1u16..) {
        let made = match set.mask(roi, image) {
            Ok(made) => made,
            Err(mismatch) => {
                warnings.push(format!("{} is not shown: {mismatch}", roi.name));
                continue;
            }
        };
        if made.left_out > 0 {
            warnings.push(format!("{} contours of {} lie in no slice", made.left_out, roi.name));
        }
        if made.empty_slices > 0 {
            warnings
                .push(format!("{} has no contour on {} slices between others", roi.name, made.empty_slices));
        }
        let region = MaskRegion {
            label,
            name: roi.name.clone(),
            kind: roi.interpreted_type.clone(),
            color: roi.color_rgb.unwrap_or_else(|| default_color(label)),
            ..measured(label, &made.mask, target)
        };
        found.push((region, made.mask));
    }
    finish(found, target.volume.geometry(), warnings)
}

/// The colour that renderers give a label by themselves.
fn default_color(label: u16) -> [u8; 3] {
    render_core::layers::default_color(label)
}

/// Volume, middle and values of a region; names and colours are the caller's.
fn measured(label: u16, mask: &Mask, target: &MaskTarget) -> MaskRegion {
    let on_image = mask.resampled(target.volume.geometry());
    // Colour images have no such values.
    let measurement = (target.volume.channels().count() == 1)
        .then(|| statistics::measure(&target.volume, Region::Mask(&on_image), Sampling::default()));
    let values = measurement.and_then(Result::ok).and_then(|m| m.values);
    MaskRegion {
        label,
        name: String::new(),
        kind: String::new(),
        color: [0; 3],
        volume_ml: mask.volume_mm3() / 1000.0,
        center_lps: mask.centroid_lps(),
        values: values.map(|v| [v.mean, v.sd]),
    }
}

fn finish(
    found: Vec<(MaskRegion, Mask)>,
    geometry: &Geometry,
    warnings: Vec<String>,
) -> Result<MadeMasks, String> {
    let masks = found.iter().map(|(region, mask)| (region.label, mask));
    let maps = LabelMap::paint_apart(geometry, masks, MAX_BYTES)
        .ok_or("The regions take more memory than they may.")?;
    let maps: Result<Vec<_>, _> = maps.into_iter().map(LabelVolume::from_label_map).collect();
    let maps = maps.map_err(|error| format!("The regions cannot be drawn: {error}."))?;
    let regions = found.into_iter().map(|(region, _)| region).collect();
    Ok(MadeMasks { regions, maps: maps.into_iter().map(Arc::new).collect(), warnings })
}
