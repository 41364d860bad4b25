//! NIfTI-1 and NIfTI-2: `.nii`, `.nii.gz`, and pairs of `.hdr` and `.img` (each also with `.gz`).
//!
//! Both byte orders, all whole-number and float types, RGB24 and RGBA32. Complex, 128-bit and 1-bit voxels and
//! ANALYZE 7.5 files without NIfTI header are refused by name. Patient space of the file is RAS; it is turned to
//! LPS here and nowhere else. Dimensions beyond the fourth are listed as further time points.
//!
//! The header is parsed here rather than by the `nifti` crate, which knows no NIfTI-2, stops at 65535 voxels per
//! axis and reads voxels as bytes before it converts them, which takes the memory twice.
//! Source: nifti1.h (2005-08-22) and nifti2.h of the NIfTI Data Format Working Group.

mod affine;
mod header;

use std::path::{Path, PathBuf};

use self::header::{Header, Layout};
use super::ReadLimits;
use super::raw::{self, Described, Inflate, Packing, Part, RawImage, SampleType, Start};
use crate::ImagingError;
use crate::geometry::{Dims, Geometry};
use crate::series::{SeriesEntry, SeriesWarning, SourceKind};
use crate::source::Progress;
use crate::volume::{Channels, Rescale, Volume, VolumeMeta};

const HEADER_ENDINGS: &[&str] = &[".nii", ".nii.gz", ".hdr.gz"];
const VOXEL_ENDINGS: &[&str] = &[".img", ".img.gz"];
const STEM_ENDINGS: &[&str] = &[".nii.gz", ".nii", ".hdr.gz", ".hdr"];

/// Whether this is a NIfTI header or single file, from its first bytes, else from its name.
///
/// The `.img` half of a pair is none.
pub(crate) fn is_candidate(path: &Path, head: &[u8]) -> bool {
    let inflated = raw::is_gzip(head).then(|| inflate_head(head));
    let head = inflated.as_deref().unwrap_or(head);
    let is_old_pair = raw::has_ending(path, &[".hdr"]) && header::may_be_header(head);
    header::is_header(head) || is_old_pair || raw::has_ending(path, HEADER_ENDINGS)
}

/// The header that belongs to a file of voxels (`.img`), if there is one beside it.
pub(crate) fn header_of_voxels(path: &Path) -> Option<PathBuf> {
    if !raw::has_ending(path, VOXEL_ENDINGS) {
        return None;
    }
    let stem = raw::stem(path, VOXEL_ENDINGS);
    let beside = ["hdr", "HDR", "hdr.gz"].map(|ending| path.with_file_name(format!("{stem}.{ending}")));
    beside.into_iter().find(|header| {
        let head = raw::read_head(header, header::LONGEST as u64).unwrap_or_default();
        let head = if raw::is_gzip(&head) { inflate_head(&head) } else { head };
        header::is_header(&head) || header::may_be_header(&head)
    })
}

/// Describes a file from its header alone.
///
/// # Errors
/// [`ImagingError::Io`], [`ImagingError::Damaged`], [`ImagingError::Unsupported`], [`ImagingError::Geometry`], and
/// [`ImagingError::Truncated`] if the file is plainly too short for its voxels.
pub(crate) fn read_entry(path: &Path) -> Result<SeriesEntry, ImagingError> {
    let file = NiftiFile::open(path)?;
    file.image.check_lengths()?;
    let meta = file.meta()?;
    let (source, endings, image) = (SourceKind::Nifti, STEM_ENDINGS, &file.image);
    Described { source, path, endings, modality: "OT", image, meta }.into_entry()
}

/// Files other than the header that hold voxels.
///
/// # Errors
/// As [`read_entry`].
pub(crate) fn companions(path: &Path) -> Result<Vec<std::path::PathBuf>, ImagingError> {
    Ok(NiftiFile::open(path)?.image.companions(path))
}

/// Reads all voxels.
///
/// # Errors
/// As [`read_entry`], and [`ImagingError::TooLarge`], [`ImagingError::Cancelled`].
pub(crate) fn load(
    path: &Path,
    _entry: &SeriesEntry,
    limits: ReadLimits,
    progress: &Progress,
) -> Result<Volume, ImagingError> {
    let file = NiftiFile::open(path)?;
    let mut meta = file.meta()?;
    let (voxels, warning) = file.image.read(limits, progress)?;
    meta.warnings.extend(warning);
    Volume::new(meta, voxels)
}

/// A parsed header and where its voxels lie.
struct NiftiFile {
    path: PathBuf,
    header: Header,
    channels: Channels,
    image: RawImage,
}

impl NiftiFile {
    fn open(path: &Path) -> Result<Self, ImagingError> {
        let mut head = raw::read_head(path, header::LONGEST as u64)?;
        let is_compressed = raw::is_gzip(&head);
        if is_compressed {
            head = vec![0; header::LONGEST];
            let filled = Inflate::open(path, 0)?.fill(&mut head)?;
            head.truncate(filled);
        }
        let header = Header::parse(path, &head)?;
        let (sample, channels) = sample_type(path, header.datatype)?;
        let (data_path, is_compressed) = match header.layout {
            Layout::Single => (path.to_path_buf(), is_compressed),
            Layout::Pair => data_file_of(path)?,
        };
        let samples = header
            .dims
            .iter()
            .try_fold(channels.count() as u64, |n, &d| n.checked_mul(d))
            .ok_or_else(|| raw::damaged(path, "the dimensions are too large for any memory"))?;
        let offset = header.voxel_offset;
        let part = Part {
            path: data_path,
            start: Start::At(if is_compressed { 0 } else { offset }),
            skip_inflated: if is_compressed { offset } else { 0 },
            samples,
        };
        let image = RawImage {
            path: path.to_path_buf(),
            sample,
            order: header.order,
            packing: if is_compressed { Packing::Deflate } else { Packing::Plain },
            parts: vec![part],
        };
        Ok(Self { path: path.to_path_buf(), header, channels, image })
    }

    fn meta(&self) -> Result<VolumeMeta, ImagingError> {
        let header = &self.header;
        let too_large = || raw::damaged(&self.path, "the dimensions are too large for any memory");
        let size = |axis: usize| -> Result<usize, ImagingError> {
            usize::try_from(header.dims.get(axis).copied().unwrap_or(1)).map_err(|_| too_large())
        };
        let dims = Dims::new(size(0)?, size(1)?, size(2)?);
        let time_points =
            (3..7).try_fold(1usize, |n, axis| n.checked_mul(size(axis).ok()?)).ok_or_else(too_large)?;
        let mut warnings = Vec::new();
        if header.dims.iter().skip(4).any(|&n| n > 1) {
            let text = "the file has more than four dimensions; the further ones are listed as time points";
            warnings.push(SeriesWarning::Other(text.to_owned()));
        }
        let placed = affine::lps_from_index(header);
        warnings.extend(placed.warnings);
        let geometry = Geometry::from_affine(dims, placed.lps_from_index)
            .map_err(|source| ImagingError::Geometry { path: self.path.clone(), source })?;
        let rescale = match self.channels {
            Channels::Scalar => rescale(header.slope, header.intercept),
            Channels::Rgb | Channels::Rgba => Rescale::IDENTITY,
        };
        Ok(VolumeMeta {
            channels: self.channels,
            time_points,
            rescale,
            warnings,
            ..VolumeMeta::scalar(geometry)
        })
    }
}

/// A slope of zero, or one that is no number, means that values are stored as they are.
fn rescale(slope: f64, intercept: f64) -> Rescale {
    if slope == 0.0 || !slope.is_finite() {
        return Rescale::IDENTITY;
    }
    Rescale { slope, intercept: if intercept.is_finite() { intercept } else { 0.0 } }
}

fn sample_type(path: &Path, datatype: i16) -> Result<(SampleType, Channels), ImagingError> {
    let scalar = |sample| Ok((sample, Channels::Scalar));
    let refused = |what: &str| Err(raw::unsupported(path, format!("the NIfTI data type {what}")));
    match datatype {
        2 => scalar(SampleType::U8),
        4 => scalar(SampleType::I16),
        8 => scalar(SampleType::I32),
        16 => scalar(SampleType::F32),
        64 => scalar(SampleType::F64),
        128 => Ok((SampleType::U8, Channels::Rgb)),
        256 => scalar(SampleType::I8),
        512 => scalar(SampleType::U16),
        768 => scalar(SampleType::U32),
        1024 => scalar(SampleType::I64),
        1280 => scalar(SampleType::U64),
        2304 => Ok((SampleType::U8, Channels::Rgba)),
        1 => refused("binary (1 bit)"),
        32 => refused("complex64"),
        1536 => refused("float128"),
        1792 => refused("complex128"),
        2048 => refused("complex256"),
        other => Err(raw::damaged(path, format!("unknown NIfTI data type `{other}`"))),
    }
}

/// The `.img` beside a `.hdr`, and whether it is compressed.
fn data_file_of(header: &Path) -> Result<(PathBuf, bool), ImagingError> {
    let stem = raw::stem(header, STEM_ENDINGS);
    let named = |ending: &str| header.with_file_name(format!("{stem}{ending}"));
    let found = ["img", "IMG", "img.gz"].iter().map(|e| named(&format!(".{e}"))).find(|p| p.is_file());
    let path = found.unwrap_or_else(|| named(".img"));
    let head = raw::read_head(&path, 2)?;
    let is_compressed = raw::is_gzip(&head) && raw::has_ending(&path, &[".gz"]);
    Ok((path, is_compressed))
}

/// As much of the beginning of a gzip file as its first bytes give.
fn inflate_head(head: &[u8]) -> Vec<u8> {
    use std::io::Read;
    let mut inflated = Vec::new();
    let decoder = flate2::bufread::GzDecoder::new(head);
    // The head of a file ends in the middle of the stream, which is an error after the bytes that count.
    let _ = decoder.take(header::LONGEST as u64).read_to_end(&mut inflated);
    inflated
}
