//! Reads segmentations (SEG and label map segmentation, PS3.3 A.51, C.8.20).

use std::sync::Arc;

use glam::DVec3;

use super::dataset::DataSet;
use super::derived_tags as dtags;
use super::instance::{self, Content, Instance, SampleFormat};
use super::object::{self, Object};
use super::pixels::{OpenInstance, VoxelKind};
use super::{codec, fragments, tags};
use crate::ImagingError;
use crate::formats::ReadLimits;
use crate::labelmap::BitPlane;
use crate::segmentation::{
    FramePixels, Segment, SegmentAlgorithm, Segmentation, SegmentationFrame, SegmentationKind,
};

/// Reads header and pixels.
///
/// Memory stays below eight times the size of the file plus one frame for one-bit segmentations and below the limit
/// for all; nothing is reserved for frames that the file does not hold.
pub(super) fn read(object: Object<'_>, limits: ReadLimits) -> Result<Segmentation, ImagingError> {
    let set = object.set();
    let kind = match set.text(dtags::SEGMENTATION_TYPE).as_deref() {
        Some("BINARY") => SegmentationKind::Binary,
        Some("FRACTIONAL") => {
            let max = set.number(dtags::MAXIMUM_FRACTIONAL_VALUE).filter(|&max| max > 0.0).unwrap_or(255.0);
            let is_probability =
                set.text(dtags::SEGMENTATION_FRACTIONAL_TYPE).as_deref() == Some("PROBABILITY");
            SegmentationKind::Fractional { max, is_probability }
        }
        Some("LABELMAP") => SegmentationKind::LabelMap,
        Some(other) => return Err(object.unsupported(format!("segmentation type `{other}`"))),
        None => {
            object.check_complete()?;
            return Err(object.damaged("segmentation type is missing"));
        }
    };
    object.check_complete()?;
    // A deflated object, whose bytes are not those of the file, holds no fragments.
    let counted = object.location.open().and_then(|mut bytes| fragments::held(&mut bytes, &object.header));
    let fragments = counted.map_err(|source| ImagingError::io(object.location.path(), source))?;
    let object_len = object.bytes.len();
    let content = instance::interpret_pixels(&object.header, object.location.clone(), object_len, fragments);
    let instance = match content {
        Content::Image(instance) => *instance,
        Content::NoImage(_) => return Err(object.damaged("holds no pixel data")),
        Content::Damaged(reason) => return Err(object.damaged(reason)),
        Content::Unsupported(what) => return Err(object.unsupported(what)),
    };
    if let Some(error) = instance.truncated_error() {
        return Err(error);
    }
    let mut warnings: Vec<String> = instance.warnings.iter().map(ToString::to_string).collect();
    let expected = match kind {
        SegmentationKind::Binary => instance.format.sample == SampleFormat::Bit,
        _ => matches!(instance.format.sample, SampleFormat::Integer { bytes: 1 | 2, is_signed: false }),
    };
    // Some writers store binary masks in bytes; every value but 0 counts then.
    let is_byte_mask = kind == SegmentationKind::Binary
        && matches!(instance.format.sample, SampleFormat::Integer { bytes: 1, is_signed: false });
    if !expected && !is_byte_mask || instance.format.is_color() {
        return Err(
            object.unsupported(format!("{kind:?} segmentation with {:?} pixels", instance.format.sample))
        );
    }
    if is_byte_mask {
        warnings.push("a binary segmentation is stored with 8 bits per pixel".to_owned());
    }
    let segments = segments(&object);
    let pixels = frame_pixels(&object, &instance, kind, limits)?;
    let frames = frames(set, pixels, kind, &mut warnings);
    for (i, frame) in frames.iter().enumerate() {
        let known = frame.segment_number.is_none_or(|n| segments.iter().any(|segment| segment.number == n));
        if !known && warnings.len() < 16 {
            warnings.push(format!("frame {} belongs to a segment that is not described", i + 1));
        }
    }
    Ok(Segmentation {
        kind,
        segments,
        frames,
        rows: usize::from(instance.format.rows),
        columns: usize::from(instance.format.columns),
        frame_of_reference_uid: set.text(tags::FRAME_OF_REFERENCE_UID),
        referenced_series: object::series_references(set),
        warnings,
    })
}

fn segments(object: &Object<'_>) -> Vec<Segment> {
    let charset = &object.charset;
    let segment = |item: &DataSet| {
        Some(Segment {
            number: item.u16(dtags::SEGMENT_NUMBER)?,
            label: charset.text(item, dtags::SEGMENT_LABEL),
            description: charset.text(item, dtags::SEGMENT_DESCRIPTION),
            algorithm: match item.text(dtags::SEGMENT_ALGORITHM_TYPE).as_deref() {
                Some("MANUAL") => SegmentAlgorithm::Manual,
                Some("SEMIAUTOMATIC") => SegmentAlgorithm::SemiAutomatic,
                Some("AUTOMATIC") => SegmentAlgorithm::Automatic,
                _ => SegmentAlgorithm::Unknown,
            },
            algorithm_name: charset.text(item, dtags::SEGMENT_ALGORITHM_NAME),
            category: object::concept(item, dtags::SEGMENTED_PROPERTY_CATEGORY, charset),
            property_type: object::concept(item, dtags::SEGMENTED_PROPERTY_TYPE, charset),
            anatomic_region: object::concept(item, dtags::ANATOMIC_REGION_SEQUENCE, charset),
            color_rgb: object::rgb_of_cielab(item, dtags::RECOMMENDED_DISPLAY_CIELAB),
            tracking_id: object::optional(charset.text(item, dtags::TRACKING_ID)),
            tracking_uid: item.text(dtags::TRACKING_UID),
        })
    };
    object.set().items(dtags::SEGMENT_SEQUENCE).iter().filter_map(segment).collect()
}

/// Reads the pixels of all frames.
fn frame_pixels(
    object: &Object<'_>,
    instance: &Instance,
    kind: SegmentationKind,
    limits: ReadLimits,
) -> Result<Vec<FramePixels>, ImagingError> {
    let pixels = instance.format.pixels();
    let sample_bits = if kind == SegmentationKind::Binary { 1 } else { instance.format.sample.bits() };
    let needed_bytes = (pixels as u64 * instance.frames.len() as u64).saturating_mul(sample_bits) / 8;
    if needed_bytes > limits.max_volume_bytes {
        return Err(ImagingError::TooLarge {
            path: object.location.path().to_path_buf(),
            needed_bytes,
            limit_bytes: limits.max_volume_bytes,
        });
    }
    let is_plain_bits = codec::is_native(&instance.transfer_syntax)
        && !instance.pixels.is_big_endian
        && instance.format.sample == SampleFormat::Bit;
    if is_plain_bits {
        return plain_bits(object, instance);
    }
    let open = OpenInstance::open(instance)?;
    let mut frames = Vec::new();
    for frame_index in 0..instance.frames.len() {
        open.check_claim(frame_index)?;
        let stored = VoxelKind::Stored(instance.format.sample);
        frames.push(match instance.format.sample {
            SampleFormat::Integer { bytes: 2, .. } => {
                let mut values = vec![0u16; pixels];
                open.read_frame(frame_index, stored, &mut values)?;
                FramePixels::Words(values)
            }
            _ => {
                let mut values = vec![0u8; pixels];
                open.read_frame(frame_index, stored, &mut values)?;
                match kind {
                    SegmentationKind::Binary => {
                        let mut plane = BitPlane::clear(pixels);
                        values.iter().enumerate().filter(|(_, v)| **v != 0).for_each(|(i, _)| plane.set(i));
                        FramePixels::Bits(plane)
                    }
                    _ => FramePixels::Bytes(values),
                }
            }
        });
    }
    Ok(frames)
}

/// One stream of bits across rows and frames (PS3.5 8.1.1), read a frame at a time.
fn plain_bits(object: &Object<'_>, instance: &Instance) -> Result<Vec<FramePixels>, ImagingError> {
    let pixels = instance.format.pixels();
    let available = instance.pixels.len.unwrap_or(0);
    let mut frames = Vec::new();
    for frame_index in 0..instance.frames.len() {
        let first_bit = frame_index as u64 * pixels as u64;
        let (first_byte, end_byte) = (first_bit / 8, (first_bit + pixels as u64).div_ceil(8));
        if end_byte > available {
            return Err(ImagingError::Truncated {
                path: object.location.path().to_path_buf(),
                expected_bytes: end_byte,
                found_bytes: available,
            });
        }
        let mut bytes = vec![0; (end_byte - first_byte) as usize];
        object
            .bytes
            .read_into(instance.pixels.offset + first_byte, &mut bytes)
            .map_err(|source| ImagingError::io(object.location.path(), source))?;
        frames.push(FramePixels::Bits(BitPlane::from_bit_stream(&bytes, (first_bit % 8) as usize, pixels)));
    }
    Ok(frames)
}

/// What functional groups say of each frame: per frame, else shared.
fn frames(
    set: &DataSet,
    pixels: Vec<FramePixels>,
    kind: SegmentationKind,
    warnings: &mut Vec<String>,
) -> Vec<SegmentationFrame> {
    let shared = set.item(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE);
    let per_frame = set.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
    if per_frame.len() < pixels.len() {
        warnings.push(format!("{} frames but {} per-frame headers", pixels.len(), per_frame.len()));
    }
    let frame = |(index, pixels): (usize, FramePixels)| {
        let group =
            |tag| [per_frame.get(index), shared].into_iter().flatten().find_map(|group| group.item(tag));
        let measures = group(tags::PIXEL_MEASURES_SEQUENCE);
        let positive = |tag| measures.and_then(|m| m.number(tag)).map(f64::abs).filter(|&n: &f64| n > 0.0);
        let derivation = group(dtags::DERIVATION_IMAGE_SEQUENCE);
        SegmentationFrame {
            segment_number: match kind {
                SegmentationKind::LabelMap => None,
                _ => group(dtags::SEGMENT_IDENTIFICATION_SEQUENCE)
                    .and_then(|item| item.u16(dtags::REFERENCED_SEGMENT_NUMBER)),
            },
            origin_lps: group(tags::PLANE_POSITION_SEQUENCE)
                .and_then(|item| item.array::<3>(tags::IMAGE_POSITION_PATIENT))
                .map(DVec3::from_array)
                .filter(|origin| origin.is_finite()),
            axes_lps: group(tags::PLANE_ORIENTATION_SEQUENCE)
                .and_then(|item| item.array::<6>(tags::IMAGE_ORIENTATION_PATIENT))
                .and_then(unit_axes),
            pixel_spacing_mm: measures
                .and_then(|item| item.array::<2>(tags::PIXEL_SPACING))
                .filter(|pair| pair.iter().all(|&mm| mm > 0.0 && mm.is_finite())),
            spacing_between_slices_mm: positive(tags::SPACING_BETWEEN_SLICES),
            slice_thickness_mm: positive(tags::SLICE_THICKNESS),
            source_instances: derivation
                .map(|item| object::instance_references(item, dtags::SOURCE_IMAGE_SEQUENCE))
                .unwrap_or_default(),
            pixels: Arc::new(pixels),
        }
    };
    pixels.into_iter().enumerate().map(frame).collect()
}

/// Unit vectors along a row and along a column, or `None` if they do not span a plane.
fn unit_axes([a, b, c, d, e, f]: [f64; 6]) -> Option<[DVec3; 2]> {
    let row = DVec3::new(a, b, c).try_normalize()?;
    let column = DVec3::new(d, e, f).try_normalize()?;
    (row.cross(column).length() > 0.9).then_some([row, column])
}
