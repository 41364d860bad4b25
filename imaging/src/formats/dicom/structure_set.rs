//! Reads structure sets (RTSTRUCT, PS3.3 A.19, C.8.8.5, C.8.8.6, C.8.8.8).

use std::collections::HashMap;

use glam::DVec3;

use super::dataset::DataSet;
use super::derived_tags as dtags;
use super::object::{self, Object};
use super::tags;
use crate::ImagingError;
use crate::contours::{Contour, ContourKind, Roi, StructureSet};
use crate::derived::SeriesReference;

/// The series that the contours were drawn on.
pub(super) fn references(set: &DataSet) -> Vec<SeriesReference> {
    let frames = set.items(dtags::REFERENCED_FRAME_OF_REFERENCE_SEQUENCE).iter();
    let studies = frames.flat_map(|frame| frame.items(dtags::RT_REFERENCED_STUDY_SEQUENCE));
    let series = studies.flat_map(|study| study.items(dtags::RT_REFERENCED_SERIES_SEQUENCE));
    let reference = |item: &DataSet| SeriesReference {
        series_uid: item.text(tags::SERIES_INSTANCE_UID).unwrap_or_default(),
        instances: object::instance_references(item, dtags::CONTOUR_IMAGE_SEQUENCE),
    };
    series.map(reference).collect()
}

pub(super) fn read(object: &Object<'_>) -> Result<StructureSet, ImagingError> {
    object.check_complete()?;
    let set = object.set();
    let mut warnings = Vec::new();
    let mut rois: Vec<Roi> = Vec::new();
    let mut index_of = HashMap::new();
    for item in set.items(dtags::STRUCTURE_SET_ROI_SEQUENCE) {
        let Some(number) = item.integer(dtags::ROI_NUMBER) else {
            warnings.push("a region without a number was left out".to_owned());
            continue;
        };
        if index_of.insert(number, rois.len()).is_some() {
            warnings.push(format!("region number {number} occurs twice; contours count for the last"));
        }
        rois.push(Roi {
            number,
            name: object.charset.text(item, dtags::ROI_NAME),
            description: object.charset.text(item, dtags::ROI_DESCRIPTION),
            algorithm: item.text(dtags::ROI_GENERATION_ALGORITHM).unwrap_or_default(),
            stated_volume_ml: item.number(dtags::ROI_VOLUME).filter(|volume| *volume >= 0.0),
            frame_of_reference_uid: item.text(dtags::REFERENCED_FRAME_OF_REFERENCE_UID),
            ..Roi::default()
        });
    }
    for item in set.items(dtags::RT_ROI_OBSERVATIONS_SEQUENCE) {
        let number = item.integer(dtags::REFERENCED_ROI_NUMBER);
        if let Some(roi) = number.and_then(|n| index_of.get(&n)).and_then(|&i| rois.get_mut(i)) {
            roi.interpreted_type = item.text(dtags::RT_ROI_INTERPRETED_TYPE).unwrap_or_default();
        }
    }
    for item in set.items(dtags::ROI_CONTOUR_SEQUENCE) {
        let number = item.integer(dtags::REFERENCED_ROI_NUMBER);
        let Some(roi) = number.and_then(|n| index_of.get(&n)).and_then(|&i| rois.get_mut(i)) else {
            warnings.push("contours of a region that is not listed were left out".to_owned());
            continue;
        };
        roi.color_rgb = item
            .array::<3>(dtags::ROI_DISPLAY_COLOR)
            .map(|rgb| rgb.map(|channel| channel.clamp(0.0, 255.0) as u8));
        for (i, contour) in item.items(dtags::CONTOUR_SEQUENCE).iter().enumerate() {
            match read_contour(contour) {
                Ok((contour, warning)) => {
                    roi.contours.push(contour);
                    warnings.extend(
                        warning.map(|text| format!("contour {} of region {}: {text}", i + 1, roi.number)),
                    );
                }
                Err(reason) => {
                    warnings.push(format!(
                        "contour {} of region {} was left out: {reason}",
                        i + 1,
                        roi.number
                    ));
                }
            }
        }
    }
    Ok(StructureSet {
        label: object.text(dtags::STRUCTURE_SET_LABEL),
        name: object.text(dtags::STRUCTURE_SET_NAME),
        rois,
        referenced_series: references(set),
        warnings,
    })
}

/// A contour and what is odd about it, or why it cannot be used.
fn read_contour(item: &DataSet) -> Result<(Contour, Option<String>), String> {
    let kind = match item.text(dtags::CONTOUR_GEOMETRIC_TYPE).as_deref() {
        Some("POINT") => ContourKind::Point,
        Some("OPEN_PLANAR") => ContourKind::OpenPlanar,
        Some("OPEN_NONPLANAR") => ContourKind::OpenNonPlanar,
        Some("CLOSED_PLANAR") => ContourKind::ClosedPlanar,
        Some("CLOSEDPLANAR_XOR") => ContourKind::ClosedPlanarXor,
        Some(other) => return Err(format!("unknown type `{other}`")),
        None => return Err("its type is missing".to_owned()),
    };
    let bytes = item.bytes(dtags::CONTOUR_DATA).unwrap_or_default();
    let numbers = item.numbers(dtags::CONTOUR_DATA);
    // The list of numbers ends at the first that is none; a contour must not lose its end unnoticed.
    let written = if bytes.is_empty() { 0 } else { bytes.iter().filter(|&&b| b == b'\\').count() + 1 };
    if numbers.len() != written {
        return Err("a coordinate is not a number".to_owned());
    }
    let (points, rest) = numbers.as_chunks::<3>();
    if points.is_empty() || !rest.is_empty() {
        return Err(format!("{written} numbers are no list of points"));
    }
    let stated = item.integer(dtags::NUMBER_OF_CONTOUR_POINTS);
    let warning = stated
        .filter(|&count| count != points.len() as i64)
        .map(|count| format!("{count} points stated, {} found", points.len()));
    let contour = Contour {
        kind,
        points_lps: points.iter().copied().map(DVec3::from_array).collect(),
        source_instances: object::instance_references(item, dtags::CONTOUR_IMAGE_SEQUENCE),
    };
    Ok((contour, warning))
}
