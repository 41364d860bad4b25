//! One DICOM object as an image: its pixel format, and position, spacing, rescale and time of each frame.

use std::sync::Arc;

use glam::DVec3;

use super::bytes::Location;
use super::codec;
use super::dataset::{DataSet, Header, PixelElement};
use super::frame_order::{Dimensions, seconds};
use super::lut::{Lut, Palette};
use super::pixel_spacing::{self, PixelSpacing};
use super::tags;
use super::text::Charset;
use super::voi;
use crate::ImagingError;
use crate::color_profile::{self, ColorProfile};
use crate::fault::{self, Fault};
use crate::intensity::NamedWindow;
use crate::series::{SeriesAttributes, SeriesWarning};
use crate::spacing::{SpacingSource, UltrasoundRegion};
use crate::volume::Rescale;

/// Most frames of one object; what real multi-frame objects hold is far below.
const MAX_FRAMES: u64 = 1 << 17;

/// Positions beyond this are no places in a patient: ten kilometres.
const FARTHEST_MM: f64 = 1e7;

/// How the samples of a stored pixel are to be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Photometric {
    Monochrome1,
    Monochrome2,
    Palette,
    Rgb,
    YbrFull,
    YbrFull422,
    /// YBR_ICT and YBR_RCT, undone by the JPEG 2000 decoder.
    YbrJpeg2000,
}

/// Number type of stored samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SampleFormat {
    /// One bit per pixel, packed across rows and frames.
    Bit,
    Integer {
        bytes: u8,
        is_signed: bool,
    },
    Float32,
    Float64,
}

impl SampleFormat {
    pub(crate) fn bits(self) -> u64 {
        match self {
            Self::Bit => 1,
            Self::Integer { bytes, .. } => u64::from(bytes) * 8,
            Self::Float32 => 32,
            Self::Float64 => 64,
        }
    }
}

/// Pixel format of an object (PS3.3 C.7.6.3), checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PixelFormat {
    pub(crate) rows: u16,
    pub(crate) columns: u16,
    pub(crate) samples: u16,
    pub(crate) photometric: Photometric,
    pub(crate) is_planar: bool,
    pub(crate) sample: SampleFormat,
    pub(crate) bits_stored: u8,
    pub(crate) high_bit: u8,
}

impl PixelFormat {
    /// Pixels of one frame.
    pub(crate) fn pixels(&self) -> usize {
        usize::from(self.rows) * usize::from(self.columns)
    }

    /// Bytes of one frame stored without compression, rounded up for packed bits.
    pub(crate) fn native_frame_bytes(&self) -> u64 {
        self.native_bytes(1)
    }

    /// Bytes of so many frames stored without compression; single bits are packed across frames.
    pub(crate) fn native_bytes(&self, frames: u64) -> u64 {
        self.native_frame_bits().saturating_mul(frames).div_ceil(8)
    }

    /// Bits of one frame stored without compression; frames of single bits follow each other without a gap.
    fn native_frame_bits(&self) -> u64 {
        let per_pixel = match self.photometric {
            // Two pixels share one pair of colour samples.
            Photometric::YbrFull422 => 2,
            _ => u64::from(self.samples),
        };
        self.pixels() as u64 * per_pixel * self.sample.bits()
    }

    pub(crate) fn is_color(&self) -> bool {
        !matches!(self.photometric, Photometric::Monochrome1 | Photometric::Monochrome2)
    }
}

/// What differs from frame to frame.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// Centre of the first pixel, LPS in mm.
    pub(crate) position: Option<DVec3>,
    /// Unit vectors along a row (towards higher column) and along a column (towards higher row).
    pub(crate) orientation: Option<[DVec3; 2]>,
    pub(crate) spacing: PixelSpacing,
    pub(crate) spacing_between_slices: Option<f64>,
    pub(crate) thickness: Option<f64>,
    pub(crate) rescale: Rescale,
    pub(crate) times: TimeKeys,
    pub(crate) echo_time: Option<f64>,
    pub(crate) image_type: String,
    /// Name of the stack within a multi-frame object; empty if it has none.
    pub(crate) stack_id: String,
    /// Place along the dimensions that the object declares, those of position left out.
    pub(crate) dimension_indices: Vec<u32>,
    /// Windows of this frame alone; empty where those of the object count.
    pub(crate) windows: Vec<NamedWindow>,
    /// Number of the frame's object within its series.
    pub(crate) instance_number: Option<i64>,
    pub(crate) acquisition_number: Option<i64>,
}

/// Anything that may tell frames at the same place apart in time, most reliable first.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TimeKeys {
    pub(crate) temporal_position: Option<f64>,
    pub(crate) trigger: Option<f64>,
    pub(crate) acquisition: Option<f64>,
    pub(crate) content: Option<f64>,
}

/// What an object says about its colours (ICC Profile Module, PS3.3 C.11.15).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ColorSpace {
    Icc(Arc<[u8]>),
    Label(String),
}

impl ColorSpace {
    fn read(set: &DataSet, format: &PixelFormat) -> Option<Self> {
        if !format.is_color() {
            return None;
        }
        let profile = set.bytes(tags::ICC_PROFILE).map(|bytes| Self::Icc(color_profile::shared(bytes)));
        profile.or_else(|| set.text(tags::COLOR_SPACE).map(Self::Label))
    }

    /// The profile, once for a whole series.
    ///
    /// # Errors
    /// A sentence for a person.
    pub(crate) fn profile(&self) -> Result<ColorProfile, String> {
        match self {
            Self::Icc(bytes) => ColorProfile::read(bytes).map_err(|error| error.to_string()),
            Self::Label(label) => ColorProfile::labelled(label)
                .ok_or_else(|| format!("the colour space `{label}` is not known")),
        }
    }
}

/// A DICOM object that holds an image.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) location: Location,
    pub(crate) transfer_syntax: String,
    pub(crate) pixels: PixelElement,
    /// Bytes of the object from the beginning of its pixel data, as they lie on disk.
    pub(crate) pixel_bytes: u64,
    pub(crate) extended_offsets: Vec<u64>,
    pub(crate) format: PixelFormat,
    pub(crate) frames: Vec<Frame>,
    pub(crate) sop_class: String,
    pub(crate) sop_uid: String,
    /// Objects with the same UID are one object cut in pieces; the number counts the frames before this piece.
    pub(crate) concatenation: Option<(String, u64)>,
    pub(crate) ultrasound_regions: Vec<UltrasoundRegion>,
    pub(crate) attributes: SeriesAttributes,
    pub(crate) rescale_type: Option<String>,
    pub(crate) units: Option<String>,
    pub(crate) windows: Vec<NamedWindow>,
    pub(crate) palette: Option<Palette>,
    pub(crate) color_space: Option<ColorSpace>,
    pub(crate) modality_lut: Option<Lut>,
    pub(crate) padding: Option<[f64; 2]>,
    pub(crate) is_lossy: bool,
    /// Low values are bright: MONOCHROME1, or an inverse Presentation LUT Shape; both together invert once.
    pub(crate) is_inverted: bool,
    /// Why no frame of this object can be read, where headers tell; its place in the series is still known.
    pub(crate) truncation: Option<(u64, u64)>,
    pub(crate) warnings: Vec<SeriesWarning>,
}

impl Instance {
    /// The error of an object that ends before its first frame does.
    pub(crate) fn truncated_error(&self) -> Option<ImagingError> {
        let (expected_bytes, found_bytes) = self.truncation?;
        let path = self.location.path().to_path_buf();
        Some(ImagingError::Truncated { path, expected_bytes, found_bytes })
    }
}

/// What an object turned out to be.
#[derive(Debug)]
pub(crate) enum Content {
    Image(Box<Instance>),
    /// Sound, but nothing to show; the reason is for a person.
    NoImage(String),
    Damaged(String),
    Unsupported(String),
}

/// Interprets a header; `fragments` is how many fragments of encapsulated pixel data hold anything.
pub(crate) fn interpret(
    header: &Header,
    location: Location,
    object_len: u64,
    fragments: Option<u64>,
) -> Content {
    let set = &header.data_set;
    let sop_class = set.text(tags::SOP_CLASS_UID).unwrap_or_default();
    let modality = set.text(tags::MODALITY).unwrap_or_default();
    if let Some(reason) = not_shown(&sop_class, &modality, set) {
        return Content::NoImage(reason);
    }
    interpret_pixels(header, location, object_len, fragments)
}

/// As [`interpret`], also for objects whose pixels are no image, such as segmentations.
pub(crate) fn interpret_pixels(
    header: &Header,
    location: Location,
    object_len: u64,
    fragments: Option<u64>,
) -> Content {
    let set = &header.data_set;
    let modality = set.text(tags::MODALITY).unwrap_or_default();
    let sop_class = set.text(tags::SOP_CLASS_UID).unwrap_or_default();
    let Some(pixels) = header.pixels else {
        return if header.is_truncated {
            Content::Damaged("ends in the middle of the header".to_owned())
        } else {
            Content::NoImage("holds no pixel data".to_owned())
        };
    };
    if let Some(name) = codec::refused_name(&header.transfer_syntax) {
        return Content::Unsupported(name);
    }
    let mut warnings = Vec::new();
    let format = match pixel_format(set, pixels.tag, &mut warnings) {
        Ok(format) => format,
        Err(content) => return content,
    };
    let claimed = set.integer(tags::NUMBER_OF_FRAMES).filter(|&count| count > 0).map(|count| count as u64);
    let available = object_len.saturating_sub(pixels.offset).min(pixels.len.unwrap_or(u64::MAX));
    let holds = match pixels.len {
        Some(_) if codec::is_native(&header.transfer_syntax) => {
            available.saturating_mul(8) / format.native_frame_bits().max(1)
        }
        // Every frame needs at least one fragment with an eight-byte head.
        _ => fragments.unwrap_or(u64::MAX).min(available / 8),
    };
    let is_native = codec::is_native(&header.transfer_syntax);
    let claimed = claimed.unwrap_or_else(|| match set.text(tags::NUMBER_OF_FRAMES) {
        Some(_) if is_native => {
            warnings.push(SeriesWarning::Other("the number of frames is not a number; counted".to_owned()));
            holds.max(1)
        }
        _ => 1,
    });
    let mut truncation = None;
    if holds == 0 {
        truncation = Some((format.native_frame_bytes(), available));
    } else if holds < claimed {
        let text = format!("the file says {claimed} frames but holds {holds}");
        warnings.push(SeriesWarning::Other(text));
    }
    let frame_count = claimed.min(holds.max(1)).min(MAX_FRAMES) as usize;
    let charset = Charset::of(set);
    let frames = frames(set, &charset, frame_count, &format, &modality, &mut warnings);
    let functional = set.item(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE);
    let first_frame = set.item(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
    let transformation = [Some(set), inner(first_frame, tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE)]
        .into_iter()
        .chain([inner(functional, tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE)])
        .flatten()
        .find_map(|set| set.text(tags::RESCALE_TYPE));
    let lut_item = set.item(tags::MODALITY_LUT_SEQUENCE).filter(|_| !format.is_color());
    let modality_lut = lut_item.and_then(|item| Lut::read(item, tags::LUT_DESCRIPTOR, tags::LUT_DATA));
    if lut_item.is_some() && modality_lut.is_none() {
        warnings.push(SeriesWarning::Other("the modality lookup table is damaged and was left out".into()));
    }
    let palette = match format.photometric {
        Photometric::Palette => match Palette::read(set) {
            Some(palette) => Some(palette),
            None => return Content::Damaged("the colour palette is missing or damaged".to_owned()),
        },
        _ => None,
    };
    if modality_lut.is_some()
        && lut_item.is_some_and(|item| is_short_table(item, tags::LUT_DESCRIPTOR, tags::LUT_DATA))
    {
        let text = "the modality lookup table is shorter than it says or of unknown width; its last entry is repeated";
        warnings.push(SeriesWarning::Other(text.to_owned()));
    }
    let palettes = [
        (tags::RED_PALETTE_DESCRIPTOR, tags::RED_PALETTE_DATA),
        (tags::GREEN_PALETTE_DESCRIPTOR, tags::GREEN_PALETTE_DATA),
        (tags::BLUE_PALETTE_DESCRIPTOR, tags::BLUE_PALETTE_DATA),
    ];
    if palette.is_some()
        && palettes.into_iter().any(|(descriptor, data)| is_short_table(set, descriptor, data))
    {
        let text =
            "the colour palette is shorter than it says or of unknown width; its last colour is repeated";
        warnings.push(SeriesWarning::Other(text.to_owned()));
    }
    let units = match modality.as_str() {
        "RTDOSE" => set.text(tags::DOSE_UNITS),
        "PT" => set.text(tags::UNITS),
        _ => None,
    };
    Content::Image(Box::new(Instance {
        location,
        transfer_syntax: header.transfer_syntax.clone(),
        pixels,
        pixel_bytes: available,
        extended_offsets: extended_offsets(set),
        format,
        windows: if is_inherited_rescale(set, &format) {
            // The windows were meant for the values of the source.
            Vec::new()
        } else {
            voi::windows(set, functional, &charset, &mut warnings)
        },
        padding: padding(set, &format),
        is_inverted: !format.is_color()
            && (format.photometric == Photometric::Monochrome1
                || set.text(tags::PRESENTATION_LUT_SHAPE).as_deref() == Some("INVERSE"))
            && !fault::is_active(Fault::DoubleInversion),
        is_lossy: set.text(tags::LOSSY_IMAGE_COMPRESSION).as_deref() == Some("01"),
        concatenation: set.text(tags::CONCATENATION_UID).map(|uid| {
            (uid, set.integer(tags::CONCATENATION_FRAME_OFFSET_NUMBER).unwrap_or(0).max(0) as u64)
        }),
        ultrasound_regions: pixel_spacing::ultrasound_regions(set),
        attributes: attributes(set, &charset, modality),
        // Values that could not be rescaled are in no unit that the file names.
        rescale_type: (has_zero_slope(set, &format) || has_unreadable_rescale(set, &format))
            .then(|| UNSPECIFIED.to_owned())
            .or(transformation)
            .or_else(|| set.item(tags::MODALITY_LUT_SEQUENCE)?.text(tags::MODALITY_LUT_TYPE)),
        sop_uid: set.text(tags::SOP_INSTANCE_UID).unwrap_or_default(),
        sop_class,
        units,
        palette,
        color_space: ColorSpace::read(set, &format),
        modality_lut,
        frames,
        truncation,
        warnings,
    }))
}

/// Rescale Type of values in no stated unit (PS3.3 C.11.1.1.2).
const UNSPECIFIED: &str = "US";

fn has_zero_slope(set: &DataSet, format: &PixelFormat) -> bool {
    !format.is_color() && rescale_of(set).is_some_and(|rescale| rescale.slope == 0.0)
}

fn has_unreadable_rescale(set: &DataSet, format: &PixelFormat) -> bool {
    let is_no_number = |tag| set.text(tag).is_some() && set.number(tag).is_none();
    !format.is_color() && [tags::RESCALE_SLOPE, tags::RESCALE_INTERCEPT].into_iter().any(is_no_number)
}

/// Whether a plain table holds fewer entries than its descriptor says, or entries of no width.
fn is_short_table(set: &DataSet, descriptor: tags::Tag, data: tags::Tag) -> bool {
    let (Some([count, _, bits]), Some(bytes)) = (set.array::<3>(descriptor), set.bytes(data)) else {
        return false;
    };
    let count = if count == 0.0 { 65536 } else { count as usize };
    // Entries of eight bits may be packed two to a word.
    let entry_bytes = if bits == 8.0 { 1 } else { 2 };
    !(1.0..=16.0).contains(&bits) || bytes.len() < count * entry_bytes
}

fn inner(group: Option<&DataSet>, tag: tags::Tag) -> Option<&DataSet> {
    group?.item(tag)
}

fn extended_offsets(set: &DataSet) -> Vec<u64> {
    let bytes = set.bytes(tags::EXTENDED_OFFSET_TABLE).unwrap_or_default();
    bytes.chunks_exact(8).filter_map(|chunk| chunk.try_into().ok()).map(u64::from_le_bytes).collect()
}

/// Objects that hold no image, or one that would not be shown truthfully yet.
fn not_shown(sop_class: &str, modality: &str, set: &DataSet) -> Option<String> {
    if !set.items(tags::DIRECTORY_RECORD_SEQUENCE).is_empty() || sop_class == "1.2.840.10008.1.3.10" {
        return Some("directory of other files (DICOMDIR)".to_owned());
    }
    let storage = sop_class.strip_prefix("1.2.840.10008.5.1.4.1.1.").unwrap_or_default();
    let what = match storage.split('.').collect::<Vec<_>>().as_slice() {
        ["88", ..] => "structured report (SR)",
        ["481", "3"] => "structure set (RTSTRUCT)",
        ["481", "5" | "8"] => "treatment plan (RTPLAN)",
        ["481", "4" | "6" | "7" | "9"] => "treatment record",
        ["66", "4" | "7"] => "segmentation (SEG)",
        ["66"] => "raw data",
        ["66", "1" | "3"] => "registration",
        ["66", "2"] => "fiducials",
        ["66", "5"] => "surface segmentation",
        ["66", "6"] => "tractography results",
        ["77", "1", "6"] => "whole-slide image (SM)",
        ["104", ..] => "encapsulated document",
        ["9", ..] => "waveform",
        ["11", ..] => "presentation state",
        ["91", ..] => "annotations (ANN)",
        ["4", "2"] => "spectroscopy",
        _ => match modality {
            "SR" => "structured report (SR)",
            "RTSTRUCT" => "structure set (RTSTRUCT)",
            "RTPLAN" => "treatment plan (RTPLAN)",
            "SEG" => "segmentation (SEG)",
            "PR" => "presentation state",
            "KO" => "key object selection",
            "SM" => "whole-slide image (SM)",
            _ => return None,
        },
    };
    Some(format!("{what}: not shown yet"))
}

fn pixel_format(
    set: &DataSet,
    pixel_tag: tags::Tag,
    warnings: &mut Vec<SeriesWarning>,
) -> Result<PixelFormat, Content> {
    let damaged = |reason: &str| Content::Damaged(reason.to_owned());
    let (Some(rows), Some(columns)) = (set.u16(tags::ROWS), set.u16(tags::COLUMNS)) else {
        return Err(damaged("rows or columns are missing"));
    };
    if rows == 0 || columns == 0 {
        return Err(damaged("rows or columns are zero"));
    }
    let samples = set.u16(tags::SAMPLES_PER_PIXEL).unwrap_or(1);
    let name = set.text(tags::PHOTOMETRIC_INTERPRETATION).unwrap_or_default();
    let photometric = match (name.as_str(), samples) {
        ("MONOCHROME1", 1) => Photometric::Monochrome1,
        ("MONOCHROME2", 1) => Photometric::Monochrome2,
        ("PALETTE COLOR", 1) => Photometric::Palette,
        ("RGB", 3) => Photometric::Rgb,
        ("YBR_FULL", 3) => Photometric::YbrFull,
        ("YBR_FULL_422", 3) => Photometric::YbrFull422,
        ("YBR_ICT" | "YBR_RCT", 3) => Photometric::YbrJpeg2000,
        ("", 1 | 3) => {
            let text = "photometric interpretation is not in the file";
            warnings.push(SeriesWarning::Other(text.to_owned()));
            if samples == 1 { Photometric::Monochrome2 } else { Photometric::Rgb }
        }
        _ => {
            let what = format!("photometric interpretation `{name}` with {samples} samples per pixel");
            return Err(Content::Unsupported(what));
        }
    };
    let allocated = set.u16(tags::BITS_ALLOCATED);
    let is_signed = set.u16(tags::PIXEL_REPRESENTATION) == Some(1);
    let sample = match (pixel_tag, allocated) {
        (tags::FLOAT_PIXEL_DATA, _) => SampleFormat::Float32,
        (tags::DOUBLE_FLOAT_PIXEL_DATA, _) => SampleFormat::Float64,
        (_, Some(1)) => SampleFormat::Bit,
        (_, Some(bits @ (8 | 16 | 32))) => SampleFormat::Integer { bytes: (bits / 8) as u8, is_signed },
        (_, None | Some(0)) => return Err(damaged("bits allocated is missing")),
        (_, Some(bits)) => return Err(Content::Unsupported(format!("{bits} bits allocated per sample"))),
    };
    let is_color = samples == 3;
    if is_color && !matches!(sample, SampleFormat::Integer { bytes: 1 | 2, .. }) {
        return Err(Content::Unsupported(format!("colour with {} bits per sample", sample.bits())));
    }
    let allocated = sample.bits() as u16;
    let mut bits_stored = set.u16(tags::BITS_STORED).unwrap_or(allocated);
    if bits_stored == 0 || bits_stored > allocated {
        warnings.push(SeriesWarning::Other(format!("bits stored is `{bits_stored}`; {allocated} assumed")));
        bits_stored = allocated;
    }
    let mut high_bit = set.u16(tags::HIGH_BIT).unwrap_or(bits_stored - 1);
    if high_bit >= allocated || high_bit + 1 < bits_stored {
        let text = format!("high bit is `{high_bit}`; {} assumed", bits_stored - 1);
        warnings.push(SeriesWarning::Other(text));
        high_bit = bits_stored - 1;
    }
    Ok(PixelFormat {
        rows,
        columns,
        samples,
        photometric,
        is_planar: is_color && set.u16(tags::PLANAR_CONFIGURATION) == Some(1),
        sample,
        bits_stored: bits_stored as u8,
        high_bit: high_bit as u8,
    })
}

/// Padding as stored values; the number type follows Pixel Representation, whatever the VR says.
fn padding(set: &DataSet, format: &PixelFormat) -> Option<[f64; 2]> {
    if format.is_color() {
        return None;
    }
    let read = |tag| {
        let number = set.number(tag)?;
        Some(match format.sample {
            SampleFormat::Integer { is_signed: true, .. } if number > 32767.0 => number - 65536.0,
            SampleFormat::Integer { is_signed: false, .. } if number < 0.0 => number + 65536.0,
            _ => number,
        })
    };
    let value = read(tags::PIXEL_PADDING_VALUE)?;
    let limit = read(tags::PIXEL_PADDING_RANGE_LIMIT).unwrap_or(value);
    Some([value.min(limit), value.max(limit)])
}

fn attributes(set: &DataSet, charset: &Charset, modality: String) -> SeriesAttributes {
    let text = |tag| charset.text(set, tag);
    let uid = |tag| set.text(tag);
    SeriesAttributes {
        // Empty component groups at the end say nothing.
        patient_name: text(tags::PATIENT_NAME).trim_end_matches('=').to_owned(),
        patient_id: text(tags::PATIENT_ID),
        patient_sex: text(tags::PATIENT_SEX),
        patient_age: text(tags::PATIENT_AGE),
        patient_birth_date: text(tags::PATIENT_BIRTH_DATE),
        study_uid: uid(tags::STUDY_INSTANCE_UID),
        study_date: text(tags::STUDY_DATE),
        study_time: text(tags::STUDY_TIME),
        study_description: text(tags::STUDY_DESCRIPTION),
        accession_number: text(tags::ACCESSION_NUMBER),
        institution: text(tags::INSTITUTION_NAME),
        series_uid: uid(tags::SERIES_INSTANCE_UID),
        series_number: set.integer(tags::SERIES_NUMBER),
        series_description: text(tags::SERIES_DESCRIPTION),
        modality,
        body_part: text(tags::BODY_PART_EXAMINED),
        frame_of_reference_uid: uid(tags::FRAME_OF_REFERENCE_UID),
        manufacturer: text(tags::MANUFACTURER),
        slice_thickness_mm: set.number(tags::SLICE_THICKNESS),
        kvp: text(tags::KVP),
        tube_current_ma: text(tags::X_RAY_TUBE_CURRENT),
        repetition_time_ms: text(tags::REPETITION_TIME),
        echo_time_ms: text(tags::ECHO_TIME),
    }
}

/// Collects what is known of each frame: functional groups first (per frame, then shared), then the object itself.
fn frames(
    set: &DataSet,
    charset: &Charset,
    count: usize,
    format: &PixelFormat,
    modality: &str,
    warnings: &mut Vec<SeriesWarning>,
) -> Vec<Frame> {
    let shared = set.item(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE);
    let per_frame = set.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
    if !per_frame.is_empty() && per_frame.len() < count {
        let text = format!("{count} frames but {} per-frame headers", per_frame.len());
        warnings.push(SeriesWarning::Other(text));
    }
    let dimensions = Dimensions::of(set);
    let is_dose = modality == "RTDOSE";
    let dose_offsets = if is_dose { set.numbers(tags::GRID_FRAME_OFFSET_VECTOR) } else { Vec::new() };
    let image_type = charset.text(set, tags::IMAGE_TYPE);
    let object_spacing = pixel_spacing::of_object(set, charset, modality);
    // Reconstructed nuclear slices: one position for the first, a signed distance for the rest (PS3.3 C.8.4.15).
    let is_tomo = modality == "NM" && image_type.contains("RECON TOMO");
    let tomo_step = set.number(tags::SPACING_BETWEEN_SLICES).filter(|_| is_tomo);
    if has_unreadable_rescale(set, format) {
        let text = "rescale slope or intercept is not a number; 1 and 0 are used in its place";
        warnings.push(SeriesWarning::Other(text.to_owned()));
    }
    let is_inherited = is_inherited_rescale(set, format);
    if is_inherited {
        let text = "a rescale that this secondary capture took over from its source is not applied";
        warnings.push(SeriesWarning::Other(text.to_owned()));
    }
    if has_zero_slope(set, format) {
        warnings.push(SeriesWarning::Other("rescale slope is 0; values are shown as stored".to_owned()));
    }
    if modality == "MR" && image_type.split('\\').any(|value| value.trim() == "MOSAIC") {
        warnings.push(SeriesWarning::Mosaic);
    }
    let has_volume_space = per_frame.first().into_iter().chain(shared).any(|group| {
        group.item(tags::PLANE_POSITION_VOLUME_SEQUENCE).is_some()
            && group.item(tags::PLANE_POSITION_SEQUENCE).is_none()
    });
    if has_volume_space {
        warnings.push(SeriesWarning::NoPosition);
    }
    if pixel_spacing::is_binary(set)
        || per_frame
            .iter()
            .chain(shared)
            .any(|group| group.item(tags::PIXEL_MEASURES_SEQUENCE).is_some_and(pixel_spacing::is_binary))
    {
        let text = "the spacing of pixels is not written as text, as it must be, and is not used";
        warnings.push(SeriesWarning::Other(text.to_owned()));
    }
    (0..count)
        .map(|index| {
            let groups = [per_frame.get(index), shared];
            let macro_of = |tag| groups.into_iter().flatten().find_map(|group| group.item(tag));
            // An attribute in a functional group, else in the object itself.
            let plane = |sequence| macro_of(sequence).unwrap_or(set);
            let measures = plane(tags::PIXEL_MEASURES_SEQUENCE);
            let detector = set.item(tags::DETECTOR_INFORMATION_SEQUENCE);
            let content = macro_of(tags::FRAME_CONTENT_SEQUENCE);
            // An ultrasound volume has a space of its own instead of the patient's.
            let in_volume = macro_of(tags::PLANE_POSITION_VOLUME_SEQUENCE)
                .and_then(|group| group.array::<3>(tags::IMAGE_POSITION_VOLUME))
                .zip(
                    macro_of(tags::PLANE_ORIENTATION_VOLUME_SEQUENCE)
                        .and_then(|group| group.array::<6>(tags::IMAGE_ORIENTATION_VOLUME)),
                );
            let mut position = plane(tags::PLANE_POSITION_SEQUENCE)
                .array::<3>(tags::IMAGE_POSITION_PATIENT)
                .or(in_volume.map(|(position, _)| position))
                .or_else(|| detector?.array(tags::IMAGE_POSITION_PATIENT))
                .map(DVec3::from_array);
            position = position.filter(|p| p.abs().max_element() <= FARTHEST_MM);
            let orientation = plane(tags::PLANE_ORIENTATION_SEQUENCE)
                .array::<6>(tags::IMAGE_ORIENTATION_PATIENT)
                .or(in_volume.map(|(_, orientation)| orientation))
                .or_else(|| detector?.array(tags::IMAGE_ORIENTATION_PATIENT))
                .and_then(unit_axes);
            if let (Some(first), Some([row, column]), true) =
                (position, orientation, count > 1 && per_frame.is_empty())
            {
                // Without functional groups one position serves all frames, unless offsets are given.
                let offset = match tomo_step {
                    Some(step) => Some(step * index as f64),
                    // Relative to the first frame, or absolute positions (PS3.3 C.8.8.3.2).
                    None => dose_offsets.get(index).zip(dose_offsets.first()).map(|(at, start)| at - start),
                };
                position = offset.map(|offset| first + row.cross(column) * offset);
            }
            let spacing = macro_of(tags::PIXEL_MEASURES_SEQUENCE)
                .and_then(|measures| pixel_spacing::pair(measures, tags::PIXEL_SPACING))
                .map(|[row_mm, column_mm]| PixelSpacing { row_mm, column_mm, source: SpacingSource::Patient })
                .unwrap_or_else(|| object_spacing.clone());
            let rescale = if format.is_color() || has_zero_slope(set, format) || is_inherited {
                Rescale::IDENTITY
            } else if is_dose {
                let slope = set.number(tags::DOSE_GRID_SCALING).filter(|&slope| slope != 0.0);
                Rescale { slope: slope.unwrap_or(1.0), intercept: 0.0 }
            } else {
                macro_of(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE)
                    .and_then(rescale_of)
                    .filter(|rescale| rescale.slope != 0.0)
                    .or_else(|| rescale_of(set))
                    .unwrap_or(Rescale::IDENTITY)
            };
            let trigger = macro_of(tags::CARDIAC_SYNCHRONIZATION_SEQUENCE)
                .and_then(|group| group.number(tags::NOMINAL_CARDIAC_TRIGGER_DELAY_TIME));
            let frame_type = [
                tags::MR_IMAGE_FRAME_TYPE_SEQUENCE,
                tags::CT_IMAGE_FRAME_TYPE_SEQUENCE,
                tags::PET_FRAME_TYPE_SEQUENCE,
            ];
            let frame_type = frame_type.into_iter().find_map(|tag| macro_of(tag)?.text(tags::FRAME_TYPE));
            Frame {
                position,
                orientation,
                spacing,
                spacing_between_slices: measures
                    .number(tags::SPACING_BETWEEN_SLICES)
                    .map(f64::abs)
                    .filter(|&spacing| spacing > 0.0),
                thickness: measures.number(tags::SLICE_THICKNESS).filter(|&thickness| thickness > 0.0),
                rescale,
                times: TimeKeys {
                    temporal_position: content
                        .and_then(|content| content.number(tags::TEMPORAL_POSITION_INDEX))
                        .or_else(|| set.number(tags::TEMPORAL_POSITION_IDENTIFIER)),
                    trigger: trigger.or_else(|| set.number(tags::TRIGGER_TIME)),
                    acquisition: content
                        .and_then(|content| content.text(tags::FRAME_ACQUISITION_DATE_TIME))
                        .or_else(|| set.text(tags::ACQUISITION_DATE_TIME))
                        .and_then(|text| seconds(&text))
                        .or_else(|| seconds(&set.text(tags::ACQUISITION_TIME)?)),
                    content: set.text(tags::CONTENT_TIME).and_then(|text| seconds(&text)),
                },
                echo_time: macro_of(tags::MR_ECHO_SEQUENCE)
                    .and_then(|group| group.number(tags::EFFECTIVE_ECHO_TIME))
                    .or_else(|| set.number(tags::ECHO_TIME)),
                image_type: frame_type.unwrap_or_else(|| image_type.clone()),
                stack_id: content.and_then(|content| content.text(tags::STACK_ID)).unwrap_or_default(),
                dimension_indices: content
                    .map(|content| dimensions.apart_from_position(content))
                    .unwrap_or_default(),
                windows: if is_inherited {
                    Vec::new()
                } else {
                    voi::of_group(per_frame.get(index), charset, warnings)
                },
                instance_number: set.integer(tags::INSTANCE_NUMBER),
                acquisition_number: set.integer(tags::ACQUISITION_NUMBER),
            }
        })
        .collect()
}

fn rescale_of(set: &DataSet) -> Option<Rescale> {
    let slope = set.number(tags::RESCALE_SLOPE);
    let intercept = set.number(tags::RESCALE_INTERCEPT);
    (slope.is_some() || intercept.is_some())
        .then(|| Rescale { slope: slope.unwrap_or(1.0), intercept: intercept.unwrap_or(0.0) })
}

/// Whether the rescale of a secondary capture belongs to the image that it was captured from.
///
/// Eight bits of a screen hold no modality values; a slope and intercept beside them were copied along.
fn is_inherited_rescale(set: &DataSet, format: &PixelFormat) -> bool {
    let is_capture = set.text(tags::SOP_CLASS_UID).as_deref() == Some("1.2.840.10008.5.1.4.1.1.7");
    is_capture
        && !format.is_color()
        && format.bits_stored <= 8
        && rescale_of(set).is_some_and(|rescale| rescale != Rescale::IDENTITY)
}

/// Unit vectors of Image Orientation (Patient), or `None` if they do not span a plane.
fn unit_axes(cosines: [f64; 6]) -> Option<[DVec3; 2]> {
    let [a, b, c, d, e, f] = cosines;
    let row = DVec3::new(a, b, c).try_normalize()?;
    let column = DVec3::new(d, e, f).try_normalize()?;
    (row.cross(column).length() > 0.9).then_some([row, column])
}
