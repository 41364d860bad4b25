//! MetaImage: `.mha`, or `.mhd` with its voxels in other files.
//!
//! Voxels may be in the same file, in one other file, in a list or a numbered row of files, plain or zlib. Matrices
//! and positions are LPS. What a header means is what ITK makes of it: `AnatomicalOrientation` and
//! `ElementToIntensityFunction…` change nothing there, so they change nothing here (the latter is warned about).
//! Voxels may be written as text. Dimensions beyond the fourth are listed as further time points.
//!
//! Source: the MetaIO documentation, and SimpleITK 2.5 where that is silent.

mod header;

use std::path::{Path, PathBuf};

use glam::{DAffine3, DMat3, DVec3};

use self::header::Header;
use super::ReadLimits;
use super::raw::{self, ByteOrder, Described, NumberedFiles, Packing, Part, RawImage, SampleType, Start};
use crate::ImagingError;
use crate::geometry::{Dims, Geometry};
use crate::series::{SeriesEntry, SeriesWarning, SourceKind};
use crate::source::Progress;
use crate::volume::{Channels, Volume, VolumeMeta};

const ENDINGS: &[&str] = &[".mha", ".mhd"];

/// Whether this is a MetaImage header, from its first bytes, else from its name.
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
    let file = MetaImageFile::open(path)?;
    file.image.check_lengths()?;
    let (source, endings, image) = (SourceKind::MetaImage, ENDINGS, &file.image);
    let modality = match file.header.text("Modality") {
        Some("MET_MOD_CT") => "CT",
        Some("MET_MOD_MR") => "MR",
        Some("MET_MOD_NM") => "NM",
        Some("MET_MOD_US") => "US",
        _ => "OT",
    };
    Described { source, path, endings, modality, image, meta: file.meta }.into_entry()
}

/// Files other than the header that hold voxels.
///
/// # Errors
/// As [`read_entry`].
pub(crate) fn companions(path: &Path) -> Result<Vec<std::path::PathBuf>, ImagingError> {
    Ok(MetaImageFile::open(path)?.image.companions(path))
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
    let MetaImageFile { mut meta, image, sizes, .. } = MetaImageFile::open(path)?;
    let (voxels, warning) = image.read(limits, progress)?;
    meta.warnings.extend(warning);
    // Components come first in the file and stay there as colours; otherwise they move behind the voxels.
    let is_listed = meta.channels == Channels::Scalar;
    let order = if is_listed { [1, 2, 3, 0, 4] } else { [0, 1, 2, 3, 4] };
    Volume::new(meta, raw::permute(voxels, &sizes, &order))
}

struct MetaImageFile {
    header: Header,
    meta: VolumeMeta,
    image: RawImage,
    /// Components, x, y, z, everything else.
    sizes: [usize; 5],
}

impl MetaImageFile {
    fn open(path: &Path) -> Result<Self, ImagingError> {
        let header = Header::read(path)?;
        let sizes: Vec<u64> = header.required("DimSize")?;
        let rank = header.rank()?;
        if sizes.len() != rank || sizes.contains(&0) {
            return Err(header.bad("DimSize"));
        }
        let size = |axis: usize| sizes.get(axis).copied().unwrap_or(1);
        let further = sizes.iter().skip(3).try_fold(1u64, |n, &s| n.checked_mul(s));
        let components = header.number("ElementNumberOfChannels")?.unwrap_or(1u64);
        if components == 0 {
            return Err(header.bad("ElementNumberOfChannels"));
        }
        let sample = sample_type(path, header.text("ElementType").unwrap_or_default())?;

        let too_large = || raw::damaged(path, "the dimensions are too large for any memory");
        let count = |n: Option<u64>| n.and_then(|n| usize::try_from(n).ok()).ok_or_else(too_large);
        let dims = Dims::new(count(Some(size(0)))?, count(Some(size(1)))?, count(Some(size(2)))?);
        let mut warnings = Vec::new();
        let (channels, listed, warning) = raw::channels_of(components, sample);
        warnings.extend(warning);
        let time_points = count(further.and_then(|n| n.checked_mul(listed)))?;
        warnings.extend(doubts(&header, rank));

        let voxels = sizes.iter().try_fold(components, |n, &s| n.checked_mul(s)).ok_or_else(too_large)?;
        let image = RawImage {
            path: path.to_path_buf(),
            sample,
            order: if header.flag("BinaryDataByteOrderMSB") || header.flag("ElementByteOrderMSB") {
                ByteOrder::Big
            } else {
                ByteOrder::Little
            },
            packing: match (header.is_text(), header.flag("CompressedData")) {
                (true, true) => return Err(raw::unsupported(path, "MetaImage with compressed text")),
                (true, false) => Packing::Text,
                (false, true) => Packing::Deflate,
                (false, false) => Packing::Plain,
            },
            parts: parts(&header, &sizes, voxels)?,
        };
        let geometry = Geometry::from_affine(dims, lps_from_index(&header, rank)?)
            .map_err(|source| ImagingError::Geometry { path: path.to_path_buf(), source })?;
        let meta = VolumeMeta { channels, time_points, warnings, ..VolumeMeta::scalar(geometry) };
        let sizes = [count(Some(components))?, dims.x, dims.y, dims.z, count(further)?];
        Ok(Self { header, meta, image, sizes })
    }
}

fn doubts(header: &Header, rank: usize) -> Vec<SeriesWarning> {
    let mut warnings = Vec::new();
    if !(header.has("ElementSpacing") || header.has("ElementSize")) {
        for axis in ['x', 'y', 'z'].into_iter().take(rank) {
            warnings.push(SeriesWarning::SpacingAssumed { axis, mm: 1.0 });
        }
    }
    let is_placed = ["TransformMatrix", "Rotation", "Orientation", "Offset", "Position", "Origin"];
    // Letters without a matrix turn nothing in ITK, and so nothing here; `RAI` is what ITK writes for LPS axes.
    let is_turned = ["TransformMatrix", "Rotation", "Orientation"].iter().any(|key| header.has(key));
    let letters = header.text("AnatomicalOrientation").unwrap_or("RAI");
    let is_doubtful = !is_turned && !matches!(letters, "RAI" | "???" | "");
    if is_doubtful || !is_placed.iter().any(|key| header.has(key)) {
        warnings.push(SeriesWarning::NoPosition);
    }
    if header.has("ElementToIntensityFunctionSlope") || header.has("ElementToIntensityFunctionOffset") {
        let text =
            "the file suggests a scaling of its values (ElementToIntensityFunction), which was not applied";
        warnings.push(SeriesWarning::Other(text.to_owned()));
    }
    if rank > 4 {
        let text = "the file has more than four dimensions; the further ones are listed as time points";
        warnings.push(SeriesWarning::Other(text.to_owned()));
    }
    warnings
}

/// The first three axes; an axis that the file does not have is one millimetre long and goes its own way.
fn lps_from_index(header: &Header, rank: usize) -> Result<DAffine3, ImagingError> {
    let list = |keys: &[&'static str], count: usize| -> Result<Option<Vec<f64>>, ImagingError> {
        let Some(&key) = keys.iter().find(|key| header.has(key)) else { return Ok(None) };
        let numbers: Vec<f64> = header.required(key)?;
        if numbers.len() == count { Ok(Some(numbers)) } else { Err(header.bad(key)) }
    };
    let spacing = list(&["ElementSpacing", "ElementSize"], rank)?;
    let origin = list(&["Offset", "Position", "Origin"], rank)?;
    let matrix = list(&["TransformMatrix", "Rotation", "Orientation"], rank * rank)?;
    let number = |from: &Option<Vec<f64>>, at: usize, default: f64| {
        from.as_ref().and_then(|numbers| numbers.get(at)).copied().unwrap_or(default)
    };
    let pick = |from: &Option<Vec<f64>>, axis: usize, default: f64| {
        if axis < rank { number(from, axis, default) } else { default }
    };
    // Row i of the text is the direction of axis i.
    let column = |axis: usize| {
        let entry = |row: usize| {
            let default = if row == axis { 1.0 } else { 0.0 };
            if row < rank && axis < rank { number(&matrix, axis * rank + row, default) } else { default }
        };
        DVec3::new(entry(0), entry(1), entry(2)) * pick(&spacing, axis, 1.0)
    };
    Ok(DAffine3 {
        matrix3: DMat3::from_cols(column(0), column(1), column(2)),
        translation: DVec3::new(pick(&origin, 0, 0.0), pick(&origin, 1, 0.0), pick(&origin, 2, 0.0)),
    })
}

fn sample_type(path: &Path, name: &str) -> Result<SampleType, ImagingError> {
    // `MET_LONG` has four bytes, as when the format was made.
    Ok(match name.strip_suffix("_ARRAY").unwrap_or(name) {
        "MET_CHAR" | "MET_ASCII_CHAR" => SampleType::I8,
        "MET_UCHAR" => SampleType::U8,
        "MET_SHORT" => SampleType::I16,
        "MET_USHORT" => SampleType::U16,
        "MET_INT" | "MET_LONG" => SampleType::I32,
        "MET_UINT" | "MET_ULONG" => SampleType::U32,
        "MET_LONG_LONG" => SampleType::I64,
        "MET_ULONG_LONG" => SampleType::U64,
        "MET_FLOAT" => SampleType::F32,
        "MET_DOUBLE" => SampleType::F64,
        "" => return Err(raw::damaged(path, "`ElementType` is missing")),
        other => return Err(raw::unsupported(path, format!("the MetaImage element type `{other}`"))),
    })
}

/// Where the voxels are, from `ElementDataFile` and the lines behind it.
fn parts(header: &Header, sizes: &[u64], samples: u64) -> Result<Vec<Part>, ImagingError> {
    let path = header.path();
    let is_compressed = header.flag("CompressedData");
    let start = match header.number("HeaderSize")?.unwrap_or(0i64) {
        -1 if is_compressed => {
            return Err(raw::unsupported(path, "`HeaderSize = -1` with compressed voxels"));
        }
        -1 if header.is_text() => {
            return Err(raw::unsupported(path, "`HeaderSize = -1` with voxels as text"));
        }
        -1 => Start::BeforeEnd,
        n => Start::At(u64::try_from(n).map_err(|_| header.bad("HeaderSize"))?),
    };
    let name = header.text("ElementDataFile").unwrap_or_default();
    let part = |path: PathBuf, start: Start, samples: u64| Part { path, start, skip_inflated: 0, samples };
    if name.eq_ignore_ascii_case("local") {
        let start = if start == Start::At(0) { Start::At(header.end()) } else { start };
        return Ok(vec![part(path.to_path_buf(), start, samples)]);
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut words = name.split_whitespace();
    let names: Vec<String> = if words.next().is_some_and(|w| w.eq_ignore_ascii_case("list")) {
        // `LIST`, `LIST 2D`: the dimensions that one file holds.
        let inner = words.next().and_then(|w| w.trim_end_matches(['D', 'd']).parse().ok());
        let outer = sizes.iter().skip(inner.unwrap_or(sizes.len() - 1));
        let wanted = outer.fold(1u64, |n, &s| n.saturating_mul(s));
        let names: Vec<String> =
            header.following_lines().take(usize::try_from(wanted).unwrap_or(usize::MAX)).collect();
        if names.len() as u64 != wanted {
            let reason = format!("`ElementDataFile` lists {} files, {wanted} are needed", names.len());
            return Err(raw::damaged(path, reason));
        }
        names
    } else if name.contains('%') {
        let files = numbered(name, sizes).ok_or_else(|| header.bad("ElementDataFile"))?;
        let most = sizes.iter().skip(1).fold(1u64, |n, &s| n.saturating_mul(s));
        if files.count() > most {
            let reason = format!("`ElementDataFile` names {} files, more than there are rows", files.count());
            return Err(raw::damaged(path, reason));
        }
        let first_missing = files.names().find(|name| !folder.join(name).is_file());
        if let Some(name) = first_missing {
            return Err(ImagingError::io(folder.join(name), std::io::ErrorKind::NotFound.into()));
        }
        files.names().collect()
    } else {
        vec![name.to_owned()]
    };
    let count = names.len() as u64;
    if count == 0 || !samples.is_multiple_of(count) {
        return Err(raw::damaged(path, format!("{samples} values cannot be shared out to {count} files")));
    }
    Ok(names.into_iter().map(|name| part(folder.join(name), start, samples / count)).collect())
}

/// `slice%03d.raw min max step`; what is left out counts through the last dimension from 1.
fn numbered(text: &str, sizes: &[u64]) -> Option<NumberedFiles> {
    let mut words = text.split_whitespace();
    let pattern = words.next()?;
    let mut number =
        |default: i64| words.next().map_or(Some(default), |w| w.parse::<f64>().ok().map(|n| n as i64));
    let min = number(1)?;
    let last = i64::try_from(*sizes.last()?).ok()?;
    let max = number(min.saturating_add(last - 1))?;
    NumberedFiles::parse(pattern, min, max, number(1)?)
}
