//! PNG, JPEG, BMP and TIFF as flat images: grey or colour, 8 or 16 bits, `f32` colour.
//!
//! Only the first page is read. Such files say nothing that could be trusted about millimetres, so one pixel is
//! one millimetre and a warning says so. Grey with alpha becomes RGBA. The rotation that cameras note is applied.
//! An ICC profile goes with the image; values stay as they are stored.

mod tiff_directory;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use glam::DVec3;
use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use self::tiff_directory::TiffDirectory;
use super::{Origin, ReadLimits};
use crate::ImagingError;
use crate::color_profile::ColorProfile;
use crate::geometry::{Dims, Geometry};
use crate::series::{SeriesAttributes, SeriesEntry, SeriesWarning, SourceKind};
use crate::source::Progress;
use crate::spacing::SpacingSource;
use crate::volume::{Channels, Unit, Volume, VolumeMeta, Voxels};

const ENDINGS: &[&str] = &["png", "jpg", "jpeg", "bmp", "tif", "tiff"];

/// No byte of file stands for more bytes of image than this (deflate 1032, LZW about 1400); refuses sizes that
/// nothing stands for.
const HIGHEST_COMPRESSION: u64 = 2048;

/// Whether this is an image of one of the formats, from its first bytes, else from its name.
pub(crate) fn is_candidate(path: &Path, head: &[u8]) -> bool {
    let by_content = format_of(head).is_some();
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    by_content || ENDINGS.contains(&extension.as_str())
}

/// Describes an image from its header alone.
///
/// # Errors
/// [`ImagingError::Io`], [`ImagingError::Damaged`], [`ImagingError::Unsupported`], [`ImagingError::TooLarge`].
pub(crate) fn read_entry(path: &Path) -> Result<SeriesEntry, ImagingError> {
    let (header, _) = open(path, ReadLimits::default())?;
    let meta = header.meta(path)?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(SeriesEntry {
        source: SourceKind::Image,
        attributes: SeriesAttributes {
            series_description: name,
            modality: "OT".to_owned(),
            ..SeriesAttributes::default()
        },
        dims: meta.geometry.dims(),
        time_points: 1,
        channels: meta.channels.count(),
        voxel_type: header.pixels.voxel_type,
        unit: Unit::None,
        transfer_syntax: None,
        windows: Vec::new(),
        is_inverted: false,
        color_profile: meta.color_profile,
        warnings: meta.warnings,
        instance_numbers: Vec::new(),
        spacing_source: SpacingSource::Missing,
        ultrasound_regions: Vec::new(),
        decoded_bytes: header.decoded_bytes(),
        origin: Origin::File(path.to_path_buf()),
    })
}

/// Decodes the image.
///
/// # Errors
/// As [`read_entry`], and [`ImagingError::Cancelled`] if that was asked before decoding began.
pub(crate) fn load(
    path: &Path,
    _entry: &SeriesEntry,
    limits: ReadLimits,
    progress: &Progress,
) -> Result<Volume, ImagingError> {
    progress.check()?;
    let (header, decoder) = open(path, limits)?;
    progress.set_total(header.decoded_bytes());
    if header.format == ImageFormat::Jpeg && !has_end_marker(path).map_err(|e| ImagingError::io(path, e))? {
        // The decoder would make up what is missing.
        let reason = "the file ends within the image".to_owned();
        return Err(ImagingError::Damaged { path: path.to_path_buf(), reason });
    }
    let mut image = DynamicImage::from_decoder(decoder).map_err(|e| failed(path, e))?;
    image.apply_orientation(header.orientation);
    progress.check()?;
    let voxels = match image {
        DynamicImage::ImageLumaA8(grey) => {
            Voxels::U8(DynamicImage::ImageLumaA8(grey).into_rgba8().into_raw())
        }
        DynamicImage::ImageLumaA16(grey) => {
            Voxels::U16(DynamicImage::ImageLumaA16(grey).into_rgba16().into_raw())
        }
        DynamicImage::ImageLuma8(pixels) => Voxels::U8(pixels.into_raw()),
        DynamicImage::ImageRgb8(grey) if header.pixels.channels == Channels::Scalar => {
            Voxels::U8(DynamicImage::ImageRgb8(grey).into_luma8().into_raw())
        }
        DynamicImage::ImageRgb8(pixels) => Voxels::U8(pixels.into_raw()),
        DynamicImage::ImageRgba8(pixels) => Voxels::U8(pixels.into_raw()),
        DynamicImage::ImageLuma16(pixels) => Voxels::U16(pixels.into_raw()),
        DynamicImage::ImageRgb16(pixels) => Voxels::U16(pixels.into_raw()),
        DynamicImage::ImageRgba16(pixels) => Voxels::U16(pixels.into_raw()),
        DynamicImage::ImageRgb32F(pixels) => Voxels::F32(pixels.into_raw()),
        DynamicImage::ImageRgba32F(pixels) => Voxels::F32(pixels.into_raw()),
        other => return Err(unsupported(path, format!("the pixel type `{:?}`", other.color()))),
    };
    progress.advance(header.decoded_bytes());
    Volume::new(header.meta(path)?, voxels)
}

/// How pixels are kept once decoded.
#[derive(Debug, Clone, Copy)]
struct Pixels {
    channels: Channels,
    voxel_type: &'static str,
    bytes_per_sample: u64,
}

struct Header {
    format: ImageFormat,
    has_further_pages: bool,
    width: u32,
    height: u32,
    orientation: Orientation,
    pixels: Pixels,
    /// Of colours; the reason where there is one that cannot be applied.
    color_profile: Option<Result<ColorProfile, String>>,
}

impl Header {
    fn decoded_bytes(&self) -> u64 {
        let samples = u64::from(self.width) * u64::from(self.height) * self.pixels.channels.count() as u64;
        samples.saturating_mul(self.pixels.bytes_per_sample)
    }

    fn meta(&self, path: &Path) -> Result<VolumeMeta, ImagingError> {
        let (width, height) = (self.width as usize, self.height as usize);
        let is_turned = matches!(
            self.orientation,
            Orientation::Rotate90
                | Orientation::Rotate270
                | Orientation::Rotate90FlipH
                | Orientation::Rotate270FlipH
        );
        let dims = if is_turned { Dims::new(height, width, 1) } else { Dims::new(width, height, 1) };
        let geometry = Geometry::axis_aligned(dims, DVec3::ZERO, DVec3::ONE)
            .map_err(|source| ImagingError::Geometry { path: path.to_path_buf(), source })?;
        let reason = "an ordinary picture, one pixel counts as 1 mm".to_owned();
        let mut warnings = vec![SeriesWarning::Uncalibrated { reason }, SeriesWarning::NoPosition];
        if self.format == ImageFormat::Jpeg {
            warnings.push(SeriesWarning::LossyCompression { method: "JPEG".to_owned() });
        }
        if self.has_further_pages {
            warnings.push(SeriesWarning::Other("only the first page of the file is shown".to_owned()));
        }
        let color_profile = match &self.color_profile {
            Some(Ok(profile)) => Some(profile.clone()),
            Some(Err(reason)) => {
                warnings.push(SeriesWarning::Other(format!("{reason}; colours are shown as stored")));
                None
            }
            None => None,
        };
        Ok(VolumeMeta {
            channels: self.pixels.channels,
            color_profile,
            warnings,
            ..VolumeMeta::scalar(geometry)
        })
    }
}

/// Reads the header and checks that its size is plausible and allowed; nothing has been decoded yet.
fn open(path: &Path, limits: ReadLimits) -> Result<(Header, impl ImageDecoder), ImagingError> {
    let io = |e| ImagingError::io(path, e);
    let length = std::fs::metadata(path).map_err(io)?.len();
    let head = read_head(path).map_err(io)?;
    let format = format_of(&head).ok_or_else(|| ImagingError::NotAnImage {
        path: path.to_path_buf(),
        reason: "neither PNG, JPEG, BMP nor TIFF".to_owned(),
    })?;
    let directory = (format == ImageFormat::Tiff).then(|| TiffDirectory::read(path)).flatten();
    if directory.as_ref().is_some_and(|d| d.largest_field_bytes > length) {
        let reason = "a field of the TIFF directory is larger than the file".to_owned();
        return Err(ImagingError::Damaged { path: path.to_path_buf(), reason });
    }
    let has_further_pages = directory.as_ref().is_some_and(|d| d.has_successor);
    let mut reader = ImageReader::with_format(BufReader::new(File::open(path).map_err(io)?), format);
    // Scratch memory of a decoder: strips, palettes and tables besides the pixels themselves.
    let mut scratch = Limits::default();
    scratch.max_alloc =
        Some(limits.max_volume_bytes.min(length.saturating_mul(HIGHEST_COMPRESSION) + (16 << 20)));
    reader.limits(scratch);
    let mut decoder = reader.into_decoder().map_err(|e| failed(path, e))?;
    let (width, height) = decoder.dimensions();
    let is_grey_palette = format == ImageFormat::Bmp && has_grey_palette(&head).unwrap_or(false);
    let color = if is_grey_palette { ColorType::L8 } else { decoder.color_type() };
    let pixels = pixels(color)
        .ok_or_else(|| unsupported(path, format!("the pixel type `{:?}`", decoder.original_color_type())))?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let is_color = pixels.channels != Channels::Scalar;
    let profile = match &directory {
        // The decoder does not find it where it is of the type that the specification asks for.
        Some(directory) if is_color => directory.icc_profile(path),
        None if is_color => decoder.icc_profile().ok().flatten(),
        _ => None,
    };
    // It stands for the colours as they are stored.
    let color_profile = profile.map(|bytes| ColorProfile::read(&bytes).map_err(|error| error.to_string()));
    let header = Header { format, has_further_pages, width, height, orientation, pixels, color_profile };
    let needed_bytes = header.decoded_bytes();
    if needed_bytes > limits.max_volume_bytes {
        let (path, limit_bytes) = (path.to_path_buf(), limits.max_volume_bytes);
        return Err(ImagingError::TooLarge { path, needed_bytes, limit_bytes });
    }
    let bits = u64::from(decoder.original_color_type().bits_per_pixel());
    let image_bytes = (u64::from(width) * u64::from(height)).saturating_mul(bits) / 8;
    if image_bytes > length.saturating_mul(HIGHEST_COMPRESSION) {
        return Err(ImagingError::Truncated {
            path: path.to_path_buf(),
            expected_bytes: needed_bytes,
            found_bytes: length,
        });
    }
    Ok((header, decoder))
}

/// The format that the first bytes tell, if it is one that is read here.
fn format_of(head: &[u8]) -> Option<ImageFormat> {
    if head.starts_with(b"II\x2b\0") || head.starts_with(b"MM\0\x2b") {
        return Some(ImageFormat::Tiff);
    }
    let wanted = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Bmp, ImageFormat::Tiff];
    image::guess_format(head).ok().filter(|format| wanted.contains(format))
}

fn read_head(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?.take(4096).read_to_end(&mut head)?;
    Ok(head)
}

/// Whether the compressed data of a JPEG is followed by an end-of-image marker (ITU T.81 B.1.1.3).
fn has_end_marker(path: &Path) -> std::io::Result<bool> {
    let bytes = std::fs::read(path)?;
    // Within compressed data 0xFF is followed by 0 or a restart marker, so the pair can be nothing else.
    let scan = bytes.windows(2).rposition(|pair| pair == [0xFF, 0xDA]);
    Ok(scan
        .and_then(|at| bytes.get(at..))
        .is_some_and(|rest| rest.windows(2).any(|pair| pair == [0xFF, 0xD9])))
}

/// BMP knows grey only as a palette of greys.
fn has_grey_palette(head: &[u8]) -> Option<bool> {
    let u32_at = |at: usize| Some(u32::from_le_bytes(*head.get(at..)?.first_chunk()?) as usize);
    let pixels_at = u32_at(10)?;
    let palette_at = u32_at(14)?.checked_add(14)?;
    let bits = u16::from_le_bytes(*head.get(28..)?.first_chunk()?);
    let palette = head.get(palette_at..pixels_at)?;
    let is_grey = |color: &[u8; 4]| color[0] == color[1] && color[1] == color[2];
    Some(bits <= 8 && palette_at >= 54 && palette.as_chunks::<4>().0.iter().all(is_grey))
}

fn pixels(color: ColorType) -> Option<Pixels> {
    let of = |channels, voxel_type, bytes_per_sample| Some(Pixels { channels, voxel_type, bytes_per_sample });
    match color {
        ColorType::L8 => of(Channels::Scalar, "uint8", 1),
        ColorType::Rgb8 => of(Channels::Rgb, "uint8", 1),
        ColorType::La8 | ColorType::Rgba8 => of(Channels::Rgba, "uint8", 1),
        ColorType::L16 => of(Channels::Scalar, "uint16", 2),
        ColorType::Rgb16 => of(Channels::Rgb, "uint16", 2),
        ColorType::La16 | ColorType::Rgba16 => of(Channels::Rgba, "uint16", 2),
        ColorType::Rgb32F => of(Channels::Rgb, "float32", 4),
        ColorType::Rgba32F => of(Channels::Rgba, "float32", 4),
        _ => None,
    }
}

fn failed(path: &Path, error: ImageError) -> ImagingError {
    let path = path.to_path_buf();
    match error {
        ImageError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            ImagingError::Damaged { path, reason: "the file ends within the image".to_owned() }
        }
        ImageError::IoError(source) => ImagingError::Io { path, source },
        ImageError::Unsupported(e) => ImagingError::Unsupported { path, what: format!("this image ({e})") },
        ImageError::Limits(e) => ImagingError::Damaged { path, reason: format!("implausible size ({e})") },
        other => ImagingError::Damaged { path, reason: other.to_string() },
    }
}

fn unsupported(path: &Path, what: String) -> ImagingError {
    ImagingError::Unsupported { path: path.to_path_buf(), what }
}
