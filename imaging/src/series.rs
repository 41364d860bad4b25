//! Series as found on disk: what they are, how they are grouped, and what a reader should be warned about.

use std::fmt;
use std::path::PathBuf;

use crate::color_profile::ColorProfile;
use crate::geometry::Dims;
use crate::intensity::NamedWindow;
use crate::spacing::{SpacingSource, UltrasoundRegion};
use crate::verdict::{GAP_FACTOR, Level, Verdict};
use crate::volume::Unit;

/// The kind of file a series came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the formats name themselves")]
pub enum SourceKind {
    Dicom,
    Nifti,
    MetaImage,
    Nrrd,
    Image,
}

impl SourceKind {
    /// Lower-case name as printed by `lantern info --json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dicom => "dicom",
            Self::Nifti => "nifti",
            Self::MetaImage => "metaimage",
            Self::Nrrd => "nrrd",
            Self::Image => "image",
        }
    }
}

/// Something a person should know before trusting a series; the series is still usable.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum SeriesWarning {
    /// Gaps that are whole multiples of the spacing; the places are kept empty, not interpolated.
    MissingSlices { count: usize, after_slice: Vec<usize> },
    /// Frames are missing at some points in time; their places are known and kept empty.
    MissingFrames { count: usize },
    /// Distances between slices differ by more than 1 % or 0.1 mm.
    UnevenSpacing { min_mm: f64, max_mm: f64, median_mm: f64 },
    /// Distances that are no multiple of the spacing but too large to bridge; their middle is kept empty.
    SliceGaps { after_slice: Vec<usize>, largest_mm: f64, median_mm: f64 },
    /// Two slices alone, and nothing in the file to hold their distance against.
    UnconfirmedDistance { mm: f64 },
    /// Slices do not lie along one line.
    ShiftedSlices { mm: f64 },
    /// Several slices side by side in one image, as some MR scanners write them.
    Mosaic,
    /// Slices without position were put one on another by number.
    StackedByNumber { spacing_mm: f64 },
    /// Slice planes are not perpendicular to the stack axis.
    GantryTilt { degrees: f64 },
    /// The same position occurred twice; the first by instance number was kept.
    DuplicateSlices { count: usize },
    /// Frames could not form one volume and were split into several series.
    Split { reason: String },
    /// Spacing between slices is not in the file.
    SpacingAssumed { axis: char, mm: f64 },
    /// The file says nothing about its place in the patient.
    NoPosition,
    /// Distances between pixels are not those in the patient.
    PixelSpacing { source: SpacingSource },
    /// There are no distances, for a reason outside the standard sources.
    Uncalibrated { reason: String },
    /// Some files of the series could not be read.
    UnreadableFiles { count: usize, first: PathBuf, reason: String },
    /// Files name several frames of reference but were stacked as if they shared one.
    FramesOfReferenceMixed { count: usize },
    /// Values were lossily compressed.
    LossyCompression { method: String },
    /// Values differ in rescale from slice to slice and were converted to modality values.
    RescaleVaries,
    /// Anything else, as a sentence without final period.
    Other(String),
}

/// Slice numbers for people, from 1, at most five.
fn slice_numbers(after_slice: &[usize]) -> String {
    let places: Vec<String> = after_slice.iter().take(5).map(|i| (i + 1).to_string()).collect();
    let more = if after_slice.len() > 5 { ", …" } else { "" };
    format!("{}{more}", places.join(", "))
}

impl SeriesWarning {
    /// How much this speaks against the geometry; green if it is about something else.
    pub fn geometry_level(&self) -> Level {
        match self {
            Self::MissingSlices { .. }
            | Self::SliceGaps { .. }
            | Self::ShiftedSlices { .. }
            | Self::StackedByNumber { .. }
            | Self::Mosaic
            | Self::SpacingAssumed { .. }
            | Self::Uncalibrated { .. } => Level::Red,
            Self::UnevenSpacing { max_mm, median_mm, .. } => {
                if *max_mm >= GAP_FACTOR * median_mm {
                    Level::Red
                } else {
                    Level::Amber
                }
            }
            Self::PixelSpacing { source } => match source {
                SpacingSource::AspectRatio | SpacingSource::Missing => Level::Red,
                SpacingSource::Patient | SpacingSource::Calibrated { .. } => Level::Green,
                _ => Level::Amber,
            },
            Self::GantryTilt { .. }
            | Self::UnconfirmedDistance { .. }
            | Self::DuplicateSlices { .. }
            | Self::NoPosition
            | Self::MissingFrames { .. }
            | Self::FramesOfReferenceMixed { .. }
            | Self::UnreadableFiles { .. } => Level::Amber,
            Self::Split { .. } | Self::LossyCompression { .. } | Self::RescaleVaries | Self::Other(_) => {
                Level::Green
            }
        }
    }
}

impl fmt::Display for SeriesWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingSlices { count, after_slice } => {
                let noun = if *count == 1 { "slice is" } else { "slices are" };
                let places = slice_numbers(after_slice);
                write!(f, "{count} {noun} missing (after slice {places}); left empty")
            }
            Self::MissingFrames { count } => {
                let noun = if *count == 1 { "frame is" } else { "frames are" };
                write!(f, "{count} {noun} missing at some points in time; left empty")
            }
            Self::UnevenSpacing { min_mm, max_mm, median_mm } => {
                write!(
                    f,
                    "slice spacing varies from {min_mm:.3} to {max_mm:.3} mm, usually {median_mm:.3} mm"
                )
            }
            Self::SliceGaps { after_slice, largest_mm, median_mm } => {
                let places = slice_numbers(after_slice);
                write!(
                    f,
                    "slices lie up to {largest_mm:.1} mm apart (usually {median_mm:.1} mm) after slice \
                     {places}; what lies between is left empty"
                )
            }
            Self::UnconfirmedDistance { mm } => {
                write!(f, "two slices alone, {mm:.1} mm apart; whether others are missing cannot be told")
            }
            Self::ShiftedSlices { mm } => {
                write!(f, "slices are shifted within their plane by up to {mm:.2} mm")
            }
            Self::Mosaic => write!(
                f,
                "each image is a mosaic of slices; positions, and distances from tile to tile, are not those in \
                 the patient"
            ),
            Self::StackedByNumber { spacing_mm } => {
                write!(
                    f,
                    "slices without position are stacked by number, {spacing_mm} mm apart; their order and \
                     distance are not known"
                )
            }
            Self::GantryTilt { degrees } => {
                write!(f, "gantry tilt of {degrees:.1}°; shown without distortion")
            }
            Self::DuplicateSlices { count: 1 } => write!(f, "1 duplicate slice was left out"),
            Self::DuplicateSlices { count } => write!(f, "{count} duplicate slices were left out"),
            Self::Split { reason } => write!(f, "split from a series that cannot form one volume: {reason}"),
            Self::SpacingAssumed { axis, mm } => {
                write!(f, "spacing along {axis} is not in the file; {mm} mm assumed")
            }
            Self::NoPosition => write!(f, "no patient position in the file; orientation is unknown"),
            Self::PixelSpacing { source } => write!(f, "{source}"),
            Self::Uncalibrated { reason } => write!(f, "distances are not calibrated: {reason}"),
            Self::UnreadableFiles { count, first, reason } => {
                let noun = if *count == 1 { "file" } else { "files" };
                write!(f, "{count} {noun} could not be read ({reason}), first `{}`", first.display())
            }
            Self::FramesOfReferenceMixed { count } => {
                write!(f, "slices name {count} frames of reference; their positions are taken as of one")
            }
            Self::LossyCompression { method } => write!(f, "lossy compression ({method})"),
            Self::RescaleVaries => {
                write!(f, "rescale differs between slices; values were converted to modality values")
            }
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// Who and what a series belongs to; empty strings where the file says nothing.
///
/// Holds patient data: show it, never log it.
#[derive(Debug, Clone, PartialEq, Default)]
#[expect(missing_docs, reason = "the field names are DICOM's")]
pub struct SeriesAttributes {
    pub patient_name: String,
    pub patient_id: String,
    pub patient_sex: String,
    pub patient_age: String,
    pub patient_birth_date: String,
    pub study_uid: Option<String>,
    pub study_date: String,
    pub study_time: String,
    pub study_description: String,
    pub accession_number: String,
    pub institution: String,
    pub series_uid: Option<String>,
    pub series_number: Option<i64>,
    pub series_description: String,
    pub modality: String,
    pub body_part: String,
    pub frame_of_reference_uid: Option<String>,
    pub manufacturer: String,
    pub slice_thickness_mm: Option<f64>,
    pub kvp: String,
    pub tube_current_ma: String,
    pub repetition_time_ms: String,
    pub echo_time_ms: String,
}

/// The frame of a DICOM object that a slice shows; what masks, contours and presentation states refer to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFrame {
    /// Of the object; empty if the file has none.
    pub sop_class_uid: String,
    /// Of the object; empty if the file has none.
    pub sop_instance_uid: String,
    /// Within the object, from 1.
    pub frame_number: usize,
    /// Of the object within its series.
    pub instance_number: Option<i64>,
}

/// One series that can be loaded as one volume, known from headers alone.
#[derive(Debug, Clone)]
pub struct SeriesEntry {
    /// Kind of file.
    pub source: SourceKind,
    /// Header attributes.
    pub attributes: SeriesAttributes,
    /// Voxel counts of one time point, as far as headers tell.
    pub dims: Dims,
    /// Number of volumes along time.
    pub time_points: usize,
    /// Samples per voxel.
    pub channels: usize,
    /// NumPy name of the stored number type.
    pub voxel_type: &'static str,
    /// Unit of modality values.
    pub unit: Unit,
    /// Transfer syntax UID of DICOM, else `None`.
    pub transfer_syntax: Option<String>,
    /// Windows suggested by the file, first is the default.
    pub windows: Vec<NamedWindow>,
    /// Whether low values are bright (MONOCHROME1).
    pub is_inverted: bool,
    /// What is known to be odd before loading; loading may add more.
    pub warnings: Vec<SeriesWarning>,
    /// Instance number of each slice along z (first time point), where the file has one.
    pub instance_numbers: Vec<Option<i64>>,
    /// Where the distance between pixels comes from.
    pub spacing_source: SpacingSource,
    /// Calibrated regions of an ultrasound picture.
    pub ultrasound_regions: Vec<UltrasoundRegion>,
    /// What the colours of a colour image mean, where the file says so.
    pub color_profile: Option<ColorProfile>,
    /// Size of the pixel data of the whole series once decoded.
    pub decoded_bytes: u64,
    /// Where to read it from; private to the readers.
    pub(crate) origin: crate::formats::Origin,
}

impl SeriesEntry {
    /// How far the geometry can be trusted, as far as headers tell.
    pub fn verdict(&self) -> Verdict {
        Verdict::of(&self.warnings)
    }

    /// The frame that a slice shows; the nearer one if the slice is mixed from two, `None` if nothing was acquired
    /// there or the series is no DICOM.
    pub fn source_frame(&self, z: usize, time_point: usize) -> Option<SourceFrame> {
        match &self.origin {
            #[cfg(feature = "dicom")]
            crate::formats::Origin::Dicom(series) => series.source_frame(z, time_point),
            crate::formats::Origin::File(_) => {
                let _ = (z, time_point);
                None
            }
        }
    }

    /// Windows that the file suggests for the frame that a slice shows, first is the default.
    ///
    /// [`Self::windows`] are those of the middle slice; slices of a stack and frames of a multi-frame object may each
    /// have their own (Frame VOI LUT functional group, PS3.3 C.7.6.16.2.10). Of a mixed slice the nearer frame counts.
    /// Empty where nothing was acquired or suggested.
    pub fn windows_of_slice(&self, z: usize, time_point: usize) -> &[NamedWindow] {
        match &self.origin {
            #[cfg(feature = "dicom")]
            crate::formats::Origin::Dicom(series) => series.windows_of_slice(z, time_point),
            crate::formats::Origin::File(_) => {
                let is_there = z < self.dims.z && time_point < self.time_points;
                if is_there { &self.windows } else { &[] }
            }
        }
    }

    /// The first file of the series, for messages and "show in folder".
    pub fn first_path(&self) -> &std::path::Path {
        self.origin.first_path()
    }
}

/// A file that was found but is not part of any series.
#[derive(Debug, Clone)]
pub struct SkippedFile {
    /// The file; for a ZIP the archive's path joined with the name inside.
    pub path: PathBuf,
    /// Why, in words for a person.
    pub reason: String,
    /// Whether it is sound but holds no image (a report, a plan, a DICOMDIR), as opposed to damaged.
    pub is_sound: bool,
}

/// Everything found below the paths that were asked for.
///
/// Series are ordered by patient, study date, study, series number, then UID.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// Loadable series.
    pub series: Vec<SeriesEntry>,
    /// Objects made from images: segmentations, contours, presentation states, reports, documents.
    pub objects: Vec<crate::derived::DerivedObject>,
    /// DICOM objects without an image and files that could not be read. Files that are plainly something else
    /// (text, programs) are left out when a whole folder was scanned.
    pub skipped: Vec<SkippedFile>,
}
