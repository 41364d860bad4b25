//! Plain arrays of numbers as NIfTI, MetaImage and NRRD keep them: from files, or stretches of compressed files,
//! straight into the voxel buffer.
//!
//! No size is believed: the bytes must be there, in the file or after inflating it, before memory is reserved.
//! Start with [`RawImage`].
#![cfg_attr(
    not(all(feature = "nifti", feature = "metaimage", feature = "nrrd")),
    allow(dead_code, unused_imports, reason = "each format uses its own part")
)]

mod inflate;
mod pattern;
mod permute;
mod text;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use crate::ImagingError;
use crate::formats::{Origin, ReadLimits};
use crate::series::{SeriesAttributes, SeriesEntry, SeriesWarning, SourceKind};
use crate::source::Progress;
use crate::spacing::SpacingSource;
use crate::volume::{Channels, Sample, Unit, VolumeMeta, Voxels};

pub(crate) use inflate::{Inflate, is_gzip};
pub(crate) use pattern::NumberedFiles;
pub(crate) use permute::permute;

/// Read at once by one thread, and between two looks at the cancel flag. A multiple of every sample size.
const CHUNK_BYTES: usize = 4 << 20;

/// Number types in files. 64-bit integers become `float64` voxels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SampleType {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
}

impl SampleType {
    /// Size in the file, and in memory.
    pub(crate) fn bytes(self) -> u64 {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// NumPy name of the type the voxels have once read.
    pub(crate) fn voxel_type(self) -> &'static str {
        match self {
            Self::U8 => "uint8",
            Self::I8 => "int8",
            Self::U16 => "uint16",
            Self::I16 => "int16",
            Self::U32 => "uint32",
            Self::I32 => "int32",
            Self::F32 => "float32",
            Self::U64 | Self::I64 | Self::F64 => "float64",
        }
    }
}

/// Order of the bytes of one sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    fn is_native(self) -> bool {
        (self == Self::Little) == cfg!(target_endian = "little")
    }
}

/// How the numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    /// gzip or zlib, told apart by their first bytes.
    Deflate,
    /// Decimal numbers between blanks.
    Text,
}

/// Where the first sample lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// This many bytes into the file.
    At(u64),
    /// So that the last sample is the end of the file; plain files only.
    BeforeEnd,
}

/// One file, or part of a file, with a run of samples.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) path: PathBuf,
    pub(crate) start: Start,
    /// Bytes to leave out after inflating.
    pub(crate) skip_inflated: u64,
    /// Number of samples in this part.
    pub(crate) samples: u64,
}

/// A whole array: its parts in order, and how to read them.
#[derive(Debug, Clone)]
pub(crate) struct RawImage {
    /// The file to name when the array as a whole is at fault.
    pub(crate) path: PathBuf,
    pub(crate) sample: SampleType,
    pub(crate) order: ByteOrder,
    pub(crate) packing: Packing,
    pub(crate) parts: Vec<Part>,
}

impl RawImage {
    /// Files that samples lie in, without the header itself, each once.
    pub(crate) fn companions(&self, header: &Path) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = Vec::new();
        for part in self.parts.iter().filter(|part| part.path != header) {
            if !found.contains(&part.path) {
                found.push(part.path.clone());
            }
        }
        found
    }

    /// Bytes of all samples once read.
    ///
    /// # Errors
    /// [`ImagingError::Damaged`] if the sizes do not fit any memory.
    pub(crate) fn decoded_bytes(&self) -> Result<u64, ImagingError> {
        self.parts
            .iter()
            .try_fold(0u64, |sum, part| sum.checked_add(part.samples.checked_mul(self.sample.bytes())?))
            .filter(|&n| isize::try_from(n).is_ok())
            .ok_or_else(|| damaged(&self.path, "the dimensions are too large for any memory"))
    }

    /// Looks at the lengths of all files, without reading them.
    ///
    /// # Errors
    /// [`ImagingError::Io`] if a file is missing, [`ImagingError::Truncated`] if one cannot hold its samples.
    pub(crate) fn check_lengths(&self) -> Result<(), ImagingError> {
        self.decoded_bytes()?;
        self.parts.iter().try_for_each(|part| self.locate(part).map(drop))
    }

    /// Reads everything. The flag says whether 64-bit integers lost digits.
    ///
    /// # Errors
    /// As [`RawImage::check_lengths`]; [`ImagingError::TooLarge`] above the limit; [`ImagingError::Damaged`] if
    /// compressed data or numbers are broken; [`ImagingError::Cancelled`].
    pub(crate) fn read(
        &self,
        limits: ReadLimits,
        progress: &Progress,
    ) -> Result<(Voxels, Option<SeriesWarning>), ImagingError> {
        let needed_bytes = self.decoded_bytes()?;
        if needed_bytes > limits.max_volume_bytes {
            let (path, limit_bytes) = (self.path.clone(), limits.max_volume_bytes);
            return Err(ImagingError::TooLarge { path, needed_bytes, limit_bytes });
        }
        progress.set_total(needed_bytes);
        let sources =
            self.parts.iter().map(|p| self.locate_exactly(p, progress)).collect::<Result<Vec<_>, _>>()?;
        let has_lost_digits = AtomicBool::new(false);
        let fill = Fill { image: self, sources: &sources, progress, has_lost_digits: &has_lost_digits };
        let voxels = match self.sample {
            SampleType::U8 => Voxels::U8(fill.run()?),
            SampleType::I8 => Voxels::I8(fill.run()?),
            SampleType::U16 => Voxels::U16(fill.run()?),
            SampleType::I16 => Voxels::I16(fill.run()?),
            SampleType::U32 => Voxels::U32(fill.run()?),
            SampleType::I32 => Voxels::I32(fill.run()?),
            SampleType::F32 => Voxels::F32(fill.run()?),
            SampleType::U64 | SampleType::I64 | SampleType::F64 => Voxels::F64(fill.run()?),
        };
        let warning = has_lost_digits
            .into_inner()
            .then(|| SeriesWarning::Other("64-bit whole numbers beyond 2^53 were rounded".to_owned()));
        Ok((voxels, warning))
    }

    fn part_bytes(&self, part: &Part) -> u64 {
        part.samples.saturating_mul(self.sample.bytes())
    }

    /// Offset of a part in its file, once the file's length allows it.
    fn locate(&self, part: &Part) -> Result<u64, ImagingError> {
        let metadata = std::fs::metadata(&part.path).map_err(|e| ImagingError::io(&part.path, e))?;
        if !metadata.is_file() {
            return Err(damaged(&part.path, "the voxels are said to be in something that is not a file"));
        }
        let length = metadata.len();
        let expected_bytes = self.part_bytes(part);
        let offset = match part.start {
            Start::At(offset) => offset,
            Start::BeforeEnd => length.saturating_sub(expected_bytes),
        };
        let available = length.saturating_sub(offset);
        // The least that can hold so many samples: deflate reaches 1 : 1032, a number and a blank are 2 bytes.
        let least = match self.packing {
            Packing::Plain => expected_bytes,
            Packing::Deflate => expected_bytes / 1100,
            Packing::Text => part.samples.saturating_mul(2).saturating_sub(1),
        };
        if available < least.max(1) {
            let found_bytes =
                if self.packing == Packing::Plain { available } else { available.min(expected_bytes) };
            return Err(ImagingError::Truncated { path: part.path.clone(), expected_bytes, found_bytes });
        }
        Ok(offset)
    }

    /// As `locate`; a compressed part that would have to be packed unusually tightly is inflated once to nowhere,
    /// so that a small file cannot ask for much memory.
    fn locate_exactly(&self, part: &Part, progress: &Progress) -> Result<u64, ImagingError> {
        let offset = self.locate(part)?;
        let expected_bytes = self.part_bytes(part);
        if self.packing == Packing::Deflate {
            let length = std::fs::metadata(&part.path).map_err(|e| ImagingError::io(&part.path, e))?.len();
            let plausible = length.saturating_mul(24).saturating_add(1 << 20);
            if expected_bytes > plausible {
                let mut source = self.open_inflated(part, offset)?;
                let found_bytes = source.count_up_to(expected_bytes, progress)?;
                if found_bytes < expected_bytes {
                    return Err(ImagingError::Truncated {
                        path: part.path.clone(),
                        expected_bytes,
                        found_bytes,
                    });
                }
            }
        }
        Ok(offset)
    }

    fn open_inflated(&self, part: &Part, offset: u64) -> Result<Inflate, ImagingError> {
        let mut source = Inflate::open(&part.path, offset)?;
        let skipped = source.count_up_to(part.skip_inflated, &Progress::new())?;
        if skipped < part.skip_inflated {
            let expected_bytes = self.part_bytes(part);
            return Err(ImagingError::Truncated { path: part.path.clone(), expected_bytes, found_bytes: 0 });
        }
        Ok(source)
    }
}

/// Work in progress: fills one buffer from all parts.
struct Fill<'a> {
    image: &'a RawImage,
    sources: &'a [u64],
    progress: &'a Progress,
    has_lost_digits: &'a AtomicBool,
}

impl Fill<'_> {
    fn run<T: Sample>(&self) -> Result<Vec<T>, ImagingError> {
        let image = self.image;
        let bytes = image.decoded_bytes()?;
        let count = (bytes / image.sample.bytes()) as usize;
        let mut samples = crate::memory::zeroed::<T>(count)
            .map_err(|_| ImagingError::io(&image.path, std::io::ErrorKind::OutOfMemory.into()))?;
        let mut rest: &mut [u8] = bytemuck::cast_slice_mut(&mut samples);
        for (part, &offset) in image.parts.iter().zip(self.sources) {
            let length = (image.part_bytes(part) as usize).min(rest.len());
            let (target, tail) = rest.split_at_mut(length);
            rest = tail;
            match image.packing {
                Packing::Plain => self.read_plain(part, offset, target)?,
                Packing::Deflate => self.read_inflated(part, offset, target)?,
                Packing::Text => text::read(&part.path, offset, image.sample, target, self.progress)?,
            }
        }
        Ok(samples)
    }

    fn read_plain(&self, part: &Part, offset: u64, target: &mut [u8]) -> Result<(), ImagingError> {
        let file = File::open(&part.path).map_err(|e| ImagingError::io(&part.path, e))?;
        target.par_chunks_mut(CHUNK_BYTES).enumerate().try_for_each(|(i, chunk)| {
            self.progress.check()?;
            let at = offset + (i * CHUNK_BYTES) as u64;
            read_exact_at(&file, chunk, at).map_err(|e| ImagingError::io(&part.path, e))?;
            self.finish(chunk);
            Ok(())
        })
    }

    fn read_inflated(&self, part: &Part, offset: u64, target: &mut [u8]) -> Result<(), ImagingError> {
        let mut source = self.image.open_inflated(part, offset)?;
        let expected_bytes = target.len() as u64;
        let mut found_bytes = 0;
        for chunk in target.chunks_mut(CHUNK_BYTES / 4) {
            self.progress.check()?;
            let filled = source.fill(chunk)?;
            found_bytes += filled as u64;
            if filled < chunk.len() {
                return Err(ImagingError::Truncated { path: part.path.clone(), expected_bytes, found_bytes });
            }
            self.finish(chunk);
        }
        source.check_end()
    }

    /// Turns bytes as they are in the file into samples of this machine.
    fn finish(&self, chunk: &mut [u8]) {
        let sample = self.image.sample;
        if !self.image.order.is_native() {
            match sample.bytes() {
                2 => chunk.as_chunks_mut::<2>().0.iter_mut().for_each(|b| b.reverse()),
                4 => chunk.as_chunks_mut::<4>().0.iter_mut().for_each(|b| b.reverse()),
                8 => chunk.as_chunks_mut::<8>().0.iter_mut().for_each(|b| b.reverse()),
                _ => {}
            }
        }
        let eights = match sample {
            SampleType::U64 | SampleType::I64 => chunk.as_chunks_mut::<8>().0,
            _ => &mut [],
        };
        for bytes in eights {
            let (value, is_exact) = whole_number_to_float(*bytes, sample);
            if !is_exact {
                self.has_lost_digits.store(true, Ordering::Relaxed);
            }
            *bytes = value.to_ne_bytes();
        }
        self.progress.advance(chunk.len() as u64);
    }
}

fn whole_number_to_float(bytes: [u8; 8], sample: SampleType) -> (f64, bool) {
    const EXACT: u64 = 1 << 53;
    if sample == SampleType::U64 {
        let n = u64::from_ne_bytes(bytes);
        (n as f64, n <= EXACT)
    } else {
        let n = i64::from_ne_bytes(bytes);
        (n as f64, n.unsigned_abs() <= EXACT)
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> std::io::Result<()> {
    while !buffer.is_empty() {
        let n = std::os::windows::fs::FileExt::seek_read(file, buffer, offset)?;
        if n == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        offset += n as u64;
        buffer = &mut buffer[n..];
    }
    Ok(())
}

/// What the samples of a voxel are shown as, and how many further values each voxel has.
///
/// Three or four whole numbers of 8 or 16 bits are a colour. Any other vector has no colour to show; its
/// components are kept apart like time points, which the warning says.
pub(crate) fn channels_of(components: u64, sample: SampleType) -> (Channels, u64, Option<SeriesWarning>) {
    let may_be_colour = matches!(sample, SampleType::U8 | SampleType::U16);
    match components {
        1 => (Channels::Scalar, 1, None),
        3 if may_be_colour => (Channels::Rgb, 1, None),
        4 if may_be_colour => (Channels::Rgba, 1, None),
        n => {
            let text = format!("the {n} components of each voxel are listed as time points");
            (Channels::Scalar, n, Some(SeriesWarning::Other(text)))
        }
    }
}

/// What headers tell about a file with one image.
pub(crate) struct Described<'a> {
    pub(crate) source: SourceKind,
    pub(crate) path: &'a Path,
    /// Endings to leave out of the file name, which serves as the series' description.
    pub(crate) endings: &'a [&'a str],
    pub(crate) modality: &'a str,
    pub(crate) image: &'a RawImage,
    pub(crate) meta: VolumeMeta,
}

impl Described<'_> {
    /// As an entry of the catalog.
    pub(crate) fn into_entry(self) -> Result<SeriesEntry, ImagingError> {
        let dims = self.meta.geometry.dims();
        Ok(SeriesEntry {
            source: self.source,
            attributes: SeriesAttributes {
                series_description: stem(self.path, self.endings),
                modality: self.modality.to_owned(),
                ..SeriesAttributes::default()
            },
            dims,
            time_points: self.meta.time_points,
            channels: self.meta.channels.count(),
            voxel_type: self.image.sample.voxel_type(),
            unit: Unit::None,
            transfer_syntax: None,
            windows: Vec::new(),
            is_inverted: false,
            warnings: self.meta.warnings,
            instance_numbers: Vec::new(),
            spacing_source: SpacingSource::Patient,
            ultrasound_regions: Vec::new(),
            color_profile: None,
            decoded_bytes: self.image.decoded_bytes()?,
            origin: Origin::File(self.path.to_path_buf()),
        })
    }
}

/// First bytes of a file, at most `limit`.
pub(crate) fn read_head(path: &Path, limit: u64) -> Result<Vec<u8>, ImagingError> {
    let mut head = Vec::new();
    let file = File::open(path).map_err(|e| ImagingError::io(path, e))?;
    file.take(limit).read_to_end(&mut head).map_err(|e| ImagingError::io(path, e))?;
    Ok(head)
}

/// Name of a file without folder and without the given endings (matched regardless of case).
pub(crate) fn stem(path: &Path, endings: &[&str]) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let lower = name.to_ascii_lowercase();
    endings
        .iter()
        .find(|ending| lower.ends_with(*ending) && lower.len() > ending.len())
        .and_then(|ending| name.get(..name.len() - ending.len()))
        .unwrap_or(&name)
        .to_owned()
}

/// Whether the file name ends so, regardless of case.
pub(crate) fn has_ending(path: &Path, endings: &[&str]) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    endings.iter().any(|ending| name.ends_with(ending))
}

pub(crate) fn damaged(path: &Path, reason: impl Into<String>) -> ImagingError {
    ImagingError::Damaged { path: path.to_path_buf(), reason: reason.into() }
}

pub(crate) fn unsupported(path: &Path, what: impl Into<String>) -> ImagingError {
    ImagingError::Unsupported { path: path.to_path_buf(), what: what.into() }
}
