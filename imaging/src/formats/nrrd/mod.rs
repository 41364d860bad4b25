//! NRRD: `.nrrd`, or `.nhdr` with its voxels in other files.
//!
//! Encodings raw, gzip and text; bzip2 and hex are refused by name, as are complex numbers and blocks. Spaces are
//! turned to LPS here. Colour axes become channels wherever they are; time, lists and what else is not space become
//! time points. Source: "Definition of NRRD File Format" of the Teem library, and ITK where axes have no space.

mod axes;
mod header;

use std::path::{Path, PathBuf};

use self::axes::Axes;
use self::header::Header;
use super::ReadLimits;
use super::raw::{self, ByteOrder, Described, NumberedFiles, Packing, Part, RawImage, SampleType, Start};
use crate::ImagingError;
use crate::geometry::{Dims, Geometry};
use crate::series::{SeriesEntry, SeriesWarning, SourceKind};
use crate::source::Progress;
use crate::volume::{Channels, Volume, VolumeMeta};

const ENDINGS: &[&str] = &[".nrrd", ".nhdr"];

/// Whether this is an NRRD header, from its first bytes, else from its name.
pub(crate) fn is_candidate(path: &Path, head: &[u8]) -> bool {
    header::is_header(head) || raw::has_ending(path, ENDINGS)
}

/// Describes a file from its header alone.
///
/// # Errors
/// [`ImagingError::Io`] (also if a file with voxels is missing), [`ImagingError::Damaged`],
/// [`ImagingError::Unsupported`], [`ImagingError::Geometry`], and [`ImagingError::Truncated`] if a file is plainly too
/// short for its voxels.
pub(crate) fn read_entry(path: &Path) -> Result<SeriesEntry, ImagingError> {
    let file = NrrdFile::open(path)?;
    file.image.check_lengths()?;
    let (source, endings, image) = (SourceKind::Nrrd, ENDINGS, &file.image);
    Described { source, path, endings, modality: "OT", image, meta: file.meta }.into_entry()
}

/// Files other than the header that hold voxels.
///
/// # Errors
/// As [`read_entry`].
pub(crate) fn companions(path: &Path) -> Result<Vec<std::path::PathBuf>, ImagingError> {
    Ok(NrrdFile::open(path)?.image.companions(path))
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
    let NrrdFile { axes, mut meta, image } = NrrdFile::open(path)?;
    let (voxels, warning) = image.read(limits, progress)?;
    meta.warnings.extend(warning);
    let is_colour = meta.channels != Channels::Scalar;
    let (colour, listed) = if is_colour { (axes.components, None) } else { (None, axes.components) };
    let order: Vec<usize> = colour.into_iter().chain(axes.domain).chain(listed).chain(axes.further).collect();
    Volume::new(meta, raw::permute(voxels, &axes.sizes, &order))
}

struct NrrdFile {
    axes: Axes,
    meta: VolumeMeta,
    image: RawImage,
}

impl NrrdFile {
    fn open(path: &Path) -> Result<Self, ImagingError> {
        let header = Header::read(path)?;
        let sample = sample_type(path, header.required("type")?)?;
        let axes = Axes::of(&header)?;
        let too_large = || raw::damaged(path, "the dimensions are too large for any memory");
        let product = |sizes: &[usize]| {
            sizes.iter().try_fold(1usize, |n, &size| n.checked_mul(size)).ok_or_else(too_large)
        };
        let samples = product(&axes.sizes)? as u64;
        let size = |axis: usize| axes.sizes.get(axis).copied().unwrap_or(1);
        let along = |i: usize| axes.domain.get(i).map_or(1, |&axis| size(axis));
        let dims = Dims::new(along(0), along(1), along(2));

        let mut warnings = axes.warnings.clone();
        let components = axes.components.map_or(1, size);
        let (channels, listed, warning) = raw::channels_of(components as u64, sample);
        warnings.extend(warning);
        if axes.further.iter().filter(|&&a| size(a) > 1).count() > 1 {
            let text = "the file has more than four dimensions; the further ones are listed as time points";
            warnings.push(SeriesWarning::Other(text.to_owned()));
        }
        let mut along_time: Vec<usize> = axes.further.iter().map(|&a| size(a)).collect();
        along_time.push(listed as usize);
        let time_points = product(&along_time)?;

        let packing = match header.required("encoding")?.to_ascii_lowercase().as_str() {
            "raw" => Packing::Plain,
            "gzip" | "gz" => Packing::Deflate,
            "text" | "txt" | "ascii" => Packing::Text,
            other => return Err(raw::unsupported(path, format!("the NRRD encoding `{other}`"))),
        };
        let order = match header.text("endian").map(str::to_ascii_lowercase).as_deref() {
            Some("little") => ByteOrder::Little,
            Some("big") => ByteOrder::Big,
            Some(_) => return Err(header.bad("endian")),
            None if sample.bytes() > 1 && packing != Packing::Text => {
                return Err(raw::damaged(path, "`endian` is missing"));
            }
            None => ByteOrder::Little,
        };
        let parts = parts(&header, &axes.sizes, samples, packing)?;
        let image = RawImage { path: path.to_path_buf(), sample, order, packing, parts };
        let geometry = Geometry::from_affine(dims, axes.lps_from_index)
            .map_err(|source| ImagingError::Geometry { path: path.to_path_buf(), source })?;
        let meta = VolumeMeta { channels, time_points, warnings, ..VolumeMeta::scalar(geometry) };
        Ok(Self { axes, meta, image })
    }
}

fn sample_type(path: &Path, name: &str) -> Result<SampleType, ImagingError> {
    let words: Vec<&str> = name.split_whitespace().collect();
    Ok(match words.join(" ").to_ascii_lowercase().as_str() {
        "signed char" | "int8" | "int8_t" => SampleType::I8,
        "uchar" | "unsigned char" | "uint8" | "uint8_t" => SampleType::U8,
        "short" | "short int" | "signed short" | "signed short int" | "int16" | "int16_t" => SampleType::I16,
        "ushort" | "unsigned short" | "unsigned short int" | "uint16" | "uint16_t" => SampleType::U16,
        "int" | "signed int" | "int32" | "int32_t" => SampleType::I32,
        "uint" | "unsigned int" | "uint32" | "uint32_t" => SampleType::U32,
        "longlong"
        | "long long"
        | "long long int"
        | "signed long long"
        | "signed long long int"
        | "int64"
        | "int64_t" => SampleType::I64,
        "ulonglong" | "unsigned long long" | "unsigned long long int" | "uint64" | "uint64_t" => {
            SampleType::U64
        }
        "float" => SampleType::F32,
        "double" => SampleType::F64,
        other => return Err(raw::unsupported(path, format!("the NRRD type `{}`", other.escape_debug()))),
    })
}

/// Where the voxels are: behind the header, or in the files that `data file` names.
fn parts(
    header: &Header,
    sizes: &[usize],
    samples: u64,
    packing: Packing,
) -> Result<Vec<Part>, ImagingError> {
    let path = header.path();
    let folder = path.parent().unwrap_or(Path::new(""));
    let lines: u64 = header.number("line skip")?.unwrap_or(0);
    let bytes: i64 = header.number("byte skip")?.unwrap_or(0);
    let names: Vec<String> = match header.text("data file") {
        None => Vec::new(),
        Some(text) if text.starts_with("LIST") => header.listed().to_vec(),
        Some(text) if text.contains('%') => {
            let files = numbered(text).ok_or_else(|| header.bad("data file"))?;
            let most = sizes.iter().skip(1).fold(1u64, |n, &s| n.saturating_mul(s as u64));
            if files.count() > most {
                let reason = format!("`data file` names {} files, more than there are rows", files.count());
                return Err(raw::damaged(path, reason));
            }
            if let Some(name) = files.names().find(|name| !folder.join(name).is_file()) {
                return Err(ImagingError::io(folder.join(name), std::io::ErrorKind::NotFound.into()));
            }
            files.names().collect()
        }
        Some(name) => vec![name.to_owned()],
    };
    let is_attached = header.text("data file").is_none();
    let files: Vec<PathBuf> =
        if is_attached { vec![path.to_path_buf()] } else { names.iter().map(|n| folder.join(n)).collect() };
    let count = files.len() as u64;
    if count == 0 || !samples.is_multiple_of(count) {
        return Err(raw::damaged(path, format!("{samples} values cannot be shared out to {count} files")));
    }
    let part = |file: PathBuf| {
        let begin = if is_attached { header.end() } else { 0 };
        let begin = if lines > 0 { after_lines(&file, begin, lines)? } else { begin };
        let skip = u64::try_from(bytes);
        let (start, skip_inflated) = match (packing, skip) {
            (Packing::Plain, Err(_)) if bytes == -1 => (Start::BeforeEnd, 0),
            (Packing::Plain | Packing::Text, Ok(skip)) => (Start::At(begin.saturating_add(skip)), 0),
            (Packing::Deflate, Ok(skip)) => (Start::At(begin), skip),
            _ => return Err(header.bad("byte skip")),
        };
        Ok(Part { path: file, start, skip_inflated, samples: samples / count })
    };
    files.into_iter().map(part).collect()
}

/// `slice%03d.raw min max step [dimensions]`.
fn numbered(text: &str) -> Option<NumberedFiles> {
    let mut words = text.split_whitespace();
    let pattern = words.next()?;
    let mut number = || words.next()?.parse().ok();
    let (min, max, step) = (number()?, number()?, number()?);
    NumberedFiles::parse(pattern, min, max, step)
}

/// Offset behind so many lines.
fn after_lines(path: &Path, begin: u64, lines: u64) -> Result<u64, ImagingError> {
    use std::io::{BufRead, BufReader, Seek, SeekFrom};
    let io = |e| ImagingError::io(path, e);
    let mut file = std::fs::File::open(path).map_err(io)?;
    file.seek(SeekFrom::Start(begin)).map_err(io)?;
    let mut reader = BufReader::new(file);
    let mut offset = begin;
    for _ in 0..lines {
        let skipped = reader.skip_until(b'\n').map_err(io)?;
        if skipped == 0 {
            return Err(raw::damaged(path, format!("`line skip` is `{lines}`, the file has fewer lines")));
        }
        offset += skipped as u64;
    }
    Ok(offset)
}
