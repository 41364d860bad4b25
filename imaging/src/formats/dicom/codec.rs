//! Transfer syntaxes: which are read, and how one compressed frame becomes native samples.

use std::borrow::Cow;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use dicom_encoding::adapters::{PixelDataObject, RawPixelData};
use dicom_encoding::{Codec, TransferSyntaxIndex};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use jpeg_decoder::{ColorTransform, Decoder, PixelFormat as JpegPixelFormat};

use super::bytes::inflate_bytes;
use super::codestream::{Codestream, CodestreamKind, parse_jpeg, parse_jpeg_xl_size, parse_jpeg2000};
use super::dataset::{DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE};
use super::instance::{Photometric, PixelFormat, SampleFormat};
use super::pixels::Stored;
use super::{jpeg_lossless, jpeg_xl, jpeg12, jpeg2000, spare};

/// Whether pixel data lies in the file as plain samples.
pub(crate) fn is_native(transfer_syntax: &str) -> bool {
    matches!(transfer_syntax, IMPLICIT_LITTLE | EXPLICIT_LITTLE | DEFLATED | EXPLICIT_BIG)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Uncompressed,
    DeflatedFrame,
    Rle,
    Jpeg,
    JpegLs,
    Jpeg2000,
    JpegXl,
}

impl Scheme {
    fn of(transfer_syntax: &str) -> Option<Self> {
        let suffix = transfer_syntax.strip_prefix("1.2.840.10008.1.2.")?;
        Some(match suffix {
            "1.98" => Self::Uncompressed,
            "8.1" => Self::DeflatedFrame,
            "5" => Self::Rle,
            "4.50" | "4.51" | "4.53" | "4.55" | "4.57" | "4.70" => Self::Jpeg,
            "4.80" | "4.81" => Self::JpegLs,
            "4.90" | "4.91" | "4.92" | "4.93" | "4.201" | "4.202" | "4.203" => Self::Jpeg2000,
            "4.110" | "4.111" | "4.112" => Self::JpegXl,
            _ => return None,
        })
    }
}

/// Name of a transfer syntax that is not read, or `None` for one that is.
pub(crate) fn refused_name(transfer_syntax: &str) -> Option<String> {
    if is_native(transfer_syntax) || Scheme::of(transfer_syntax).is_some() {
        return None;
    }
    Some(match TransferSyntaxRegistry.get(transfer_syntax) {
        Some(known) => format!("transfer syntax {} ({transfer_syntax})", known.name()),
        None => format!("transfer syntax `{transfer_syntax}`"),
    })
}

/// Name of the lossy method a transfer syntax stands for.
pub(crate) fn lossy_method(transfer_syntax: &str) -> Option<&'static str> {
    Some(match transfer_syntax.strip_prefix("1.2.840.10008.1.2.")? {
        "4.50" | "4.51" | "4.53" | "4.55" => "JPEG",
        "4.81" => "JPEG-LS near-lossless",
        "4.91" | "4.93" => "JPEG 2000",
        "4.203" => "HTJ2K",
        "4.111" | "4.112" => "JPEG XL",
        _ => return None,
    })
}

/// A decoded frame.
#[derive(Debug)]
pub(crate) struct Decoded {
    /// Little-endian samples, as many bytes each as Bits Allocated says.
    pub(crate) bytes: Vec<u8>,
    pub(crate) is_planar: bool,
    /// What the three samples of a pixel are now.
    pub(crate) photometric: Photometric,
    /// Bits per sample that carry a value, where the codestream knows better than the header.
    pub(crate) precision: Option<u8>,
    /// Whether the compressed data held more than the frame; the surplus is left out.
    pub(crate) has_surplus: bool,
}

/// The most pixel data that so many compressed bytes are believed to hold.
///
/// Small amounts are always believed. Beyond that: empty images compress extremely well, but not without end.
pub(crate) fn most_decoded_bytes(transfer_syntax: &str, compressed_bytes: u64) -> u64 {
    const ALWAYS_BELIEVED: u64 = 64 << 20;
    let ratio = match Scheme::of(transfer_syntax) {
        // Two bytes of a run stand for 128.
        Some(Scheme::Rle) => 64,
        // A block of 64 samples of at most two bytes takes at least one bit.
        Some(Scheme::Jpeg) => 1024,
        Some(Scheme::DeflatedFrame) => 1032,
        Some(Scheme::Uncompressed) => 1,
        // Whole constant frames in a few dozen bytes.
        Some(Scheme::JpegLs | Scheme::JpegXl) => 16384,
        Some(Scheme::Jpeg2000) | None => 4096,
    };
    compressed_bytes.saturating_mul(ratio).saturating_add(ALWAYS_BELIEVED)
}

/// Whether a compressed frame can be what the header says, judged from its own header and size.
///
/// Asked before memory for a volume is reserved.
///
/// # Errors
/// A sentence for a person.
pub(crate) fn check_claim(transfer_syntax: &str, format: &PixelFormat, data: &[u8]) -> Result<(), String> {
    let frame_bytes = (format.pixels() as u64 * u64::from(format.samples) * format.sample.bits()).div_ceil(8);
    if frame_bytes > most_decoded_bytes(transfer_syntax, data.len() as u64) {
        return Err(format!("{frame_bytes} bytes of pixels cannot come from {} compressed ones", data.len()));
    }
    match Scheme::of(transfer_syntax) {
        Some(Scheme::Jpeg | Scheme::JpegLs) => checked(parse_jpeg(data), format).map(|_| ()),
        Some(Scheme::Jpeg2000) => checked(parse_jpeg2000(data), format).map(|_| ()),
        Some(Scheme::JpegXl) => match parse_jpeg_xl_size(data) {
            Some(size) if size == (u32::from(format.columns), u32::from(format.rows)) => Ok(()),
            _ => Err("the JPEG XL image has another size than the header says".to_owned()),
        },
        _ => Ok(()),
    }
}

/// Decodes one compressed frame. Panics inside decoders are caught and reported as damage.
///
/// # Errors
/// A sentence for a person.
pub(crate) fn decode_frame(
    transfer_syntax: &str,
    format: &PixelFormat,
    data: &[u8],
) -> Result<Decoded, String> {
    let Some(scheme) = Scheme::of(transfer_syntax) else {
        return Err(refused_name(transfer_syntax).unwrap_or_default());
    };
    check_claim(transfer_syntax, format, data)?;
    quietly(|| decode(scheme, transfer_syntax, format, data))
        .unwrap_or_else(|| Err("the decoder gave up on damaged data".to_owned()))
}

/// Decodes a grey frame of JPEG 2000 or lossless JPEG straight into its voxels: no copy in between.
///
/// CharLS would save nothing measurable that way: decoding is all of its time.
///
/// Returns the codestream's bits per sample, or `None` where [`decode_frame`] has to do it.
///
/// # Errors
/// A sentence for a person; `target` then holds anything.
pub(crate) fn decode_voxels<T: Stored>(
    transfer_syntax: &str,
    format: &PixelFormat,
    data: &[u8],
    target: &mut [T],
) -> Result<Option<u8>, String> {
    let Some(scheme @ (Scheme::Jpeg | Scheme::Jpeg2000)) = Scheme::of(transfer_syntax) else {
        return Ok(None);
    };
    let is_same_size = format.sample.bits() == 8 * size_of::<T>() as u64 && target.len() == format.pixels();
    if format.samples != 1 || !is_same_size || cfg!(target_endian = "big") {
        return Ok(None);
    }
    check_claim(transfer_syntax, format, data)?;
    quietly(|| decode_grey(scheme, format, data, target))
        .unwrap_or_else(|| Err("the decoder gave up on damaged data".to_owned()))
}

fn decode_grey<T: Stored>(
    scheme: Scheme,
    format: &PixelFormat,
    data: &[u8],
    target: &mut [T],
) -> Result<Option<u8>, String> {
    match scheme {
        Scheme::Jpeg2000 => {
            let (stream, _) = jpeg_2000_stream(format, data)?;
            jpeg2000::decode(data, format, size_of::<T>(), bytemuck::cast_slice_mut(target))?;
            Ok(Some(stream.precision))
        }
        _ => {
            let stream = checked(parse_jpeg(data), format)?;
            let is_lossless = matches!(stream.kind, CodestreamKind::Jpeg { process: 0xC3, .. });
            if !is_lossless || size_of::<T>() != 2 {
                return Ok(None);
            }
            let done = jpeg_lossless::decode_into(data, bytemuck::cast_slice_mut(target)).transpose()?;
            Ok(done.map(|()| stream.precision))
        }
    }
}

/// Checks the header of a JPEG 2000 frame; tells whether its components were transformed.
fn jpeg_2000_stream(format: &PixelFormat, data: &[u8]) -> Result<(Codestream, bool), String> {
    let stream = checked(parse_jpeg2000(data), format)?;
    match stream.kind {
        CodestreamKind::Jpeg2000 { is_subsampled: true, .. } => {
            Err("JPEG 2000 with subsampled components is not supported".to_owned())
        }
        CodestreamKind::Jpeg2000 { has_component_transform, .. } => Ok((stream, has_component_transform)),
        _ => Err("not a JPEG 2000 codestream".to_owned()),
    }
}

fn decode(scheme: Scheme, uid: &str, format: &PixelFormat, data: &[u8]) -> Result<Decoded, String> {
    let sample_bytes = match format.sample {
        SampleFormat::Integer { bytes, .. } => usize::from(bytes),
        SampleFormat::Bit if matches!(scheme, Scheme::Uncompressed | Scheme::DeflatedFrame) => 1,
        _ => return Err(format!("{} bits per sample in this compression", format.sample.bits())),
    };
    let plain = |bytes| Decoded {
        bytes,
        is_planar: format.is_planar,
        photometric: format.photometric,
        precision: None,
        has_surplus: false,
    };
    let mut decoded = match scheme {
        Scheme::Uncompressed => plain(data.to_vec()),
        Scheme::DeflatedFrame => {
            let limit = format.native_frame_bytes().saturating_add(16);
            plain(inflate_bytes(data, limit).map_err(|error| error.to_string())?)
        }
        Scheme::Rle => {
            let (bytes, has_surplus) =
                decode_rle(data, format.pixels(), usize::from(format.samples), sample_bytes)?;
            // RLE keeps each sample apart already; the decoder interleaves whatever the label says.
            let photometric = match format.photometric {
                Photometric::YbrFull422 => Photometric::YbrFull,
                other => other,
            };
            Decoded { photometric, has_surplus, ..plain(bytes) }.interleaved()
        }
        Scheme::Jpeg => decode_jpeg(format, data, sample_bytes)?,
        Scheme::JpegLs => {
            let stream = checked(parse_jpeg(data), format)?;
            let CodestreamKind::JpegLs { is_interleaved } = stream.kind else {
                return Err("not a JPEG-LS codestream".to_owned());
            };
            // CharLS 2.4.5 counts its bits through all of 32-bit arithmetic where a stream ends without any marker.
            let is_closed = data.windows(2).rev().take(4).any(|pair| pair == [0xFF, 0xD9]);
            let closed =
                if is_closed { Cow::Borrowed(data) } else { Cow::Owned([data, &[0xFF, 0xD9]].concat()) };
            let bytes = widen(adapter(uid, format, &closed)?, stream.precision, sample_bytes);
            let photometric = undo_label(format.photometric);
            let is_planar = !is_interleaved && format.samples > 1;
            Decoded { bytes, is_planar, photometric, precision: Some(stream.precision), has_surplus: false }
        }
        Scheme::Jpeg2000 => {
            let (stream, has_component_transform) = jpeg_2000_stream(format, data)?;
            let photometric = match format.photometric {
                Photometric::YbrFull | Photometric::YbrFull422 if !has_component_transform => {
                    Photometric::YbrFull
                }
                Photometric::YbrFull | Photometric::YbrFull422 | Photometric::YbrJpeg2000 => Photometric::Rgb,
                other => other,
            };
            let mut bytes = vec![0; format.pixels() * usize::from(format.samples) * sample_bytes];
            jpeg2000::decode(data, format, sample_bytes, &mut bytes)?;
            Decoded {
                bytes,
                is_planar: false,
                photometric,
                precision: Some(stream.precision),
                has_surplus: false,
            }
        }
        Scheme::JpegXl => {
            let jpeg_xl::Samples { bytes, precision } = jpeg_xl::decode(data, format, sample_bytes)?;
            let photometric = if format.samples == 3 { Photometric::Rgb } else { format.photometric };
            Decoded { bytes, is_planar: false, photometric, precision: Some(precision), has_surplus: false }
        }
    };
    let expected = match (format.sample, decoded.photometric) {
        (SampleFormat::Bit, _) | (_, Photometric::YbrFull422) => format.native_frame_bytes() as usize,
        _ => format.pixels() * usize::from(format.samples) * sample_bytes,
    };
    if decoded.bytes.len() < expected {
        return Err(format!("{expected} bytes of pixels expected, {} decoded", decoded.bytes.len()));
    }
    decoded.bytes.truncate(expected);
    Ok(decoded)
}

impl Decoded {
    fn interleaved(self) -> Self {
        Self { is_planar: false, ..self }
    }
}

/// JPEG-LS knows no colour transform: the label tells what the samples are, at full resolution.
fn undo_label(photometric: Photometric) -> Photometric {
    match photometric {
        Photometric::YbrFull422 => Photometric::YbrFull,
        Photometric::YbrJpeg2000 => Photometric::Rgb,
        other => other,
    }
}

/// Holds the codestream's size against the header's.
fn checked(stream: Option<Codestream>, format: &PixelFormat) -> Result<Codestream, String> {
    let stream = stream.ok_or("the compressed data has no valid header")?;
    let expected = (u32::from(format.columns), u32::from(format.rows), format.samples);
    let found = (stream.width, stream.height, stream.components);
    if found != expected {
        return Err(format!(
            "compressed as {} × {} with {} components, the header says {} × {} with {}",
            found.0, found.1, found.2, expected.0, expected.1, expected.2
        ));
    }
    if u64::from(stream.precision) > format.sample.bits() {
        return Err(format!("{} bits compressed, {} allocated", stream.precision, format.sample.bits()));
    }
    Ok(stream)
}

fn decode_jpeg(format: &PixelFormat, data: &[u8], sample_bytes: usize) -> Result<Decoded, String> {
    let stream = checked(parse_jpeg(data), format)?;
    let CodestreamKind::Jpeg { process, adobe, is_jfif, has_rgb_ids } = stream.kind else {
        return Err("not a JPEG codestream".to_owned());
    };
    let is_lossless = process == 0xC3;
    if !is_lossless && stream.precision != 8 {
        let samples = jpeg12::decode(data)?;
        let bytes = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let photometric = format.photometric;
        return Ok(Decoded {
            bytes,
            is_planar: false,
            photometric,
            precision: Some(stream.precision),
            has_surplus: false,
        });
    }
    let photometric = match (format.photometric, adobe) {
        (label, _) if format.samples == 1 => label,
        (_, Some(1)) => Photometric::YbrFull,
        (_, Some(0)) if !is_lossless => Photometric::Rgb,
        (Photometric::YbrFull | Photometric::YbrFull422, _) => Photometric::YbrFull,
        (_, _) if is_jfif && !is_lossless && !has_rgb_ids => Photometric::YbrFull,
        _ => Photometric::Rgb,
    };
    let precision = Some(stream.precision);
    if let Some(samples) = jpeg_lossless::decode(data).filter(|_| is_lossless && sample_bytes <= 2) {
        let samples = samples?;
        let bytes = match sample_bytes {
            1 => samples.into_iter().map(|sample| sample as u8).collect(),
            _ => samples.into_iter().flat_map(u16::to_le_bytes).collect(),
        };
        return Ok(Decoded { bytes, is_planar: false, photometric, precision, has_surplus: false });
    }
    let mut decoder = Decoder::new(data);
    // `RGB` leaves samples as they are; the conversion is ours, the same for every compression.
    if format.samples == 3 {
        decoder.set_color_transform(ColorTransform::RGB);
    }
    let bytes = decoder.decode().map_err(|error| error.to_string())?;
    let info = decoder.info().ok_or("the decoder found no image")?;
    let decoded_precision = match info.pixel_format {
        JpegPixelFormat::L16 => 16,
        _ => 8,
    };
    let bytes = widen(bytes, decoded_precision, sample_bytes);
    Ok(Decoded { bytes, is_planar: false, photometric, precision, has_surplus: false })
}

/// Makes samples of up to 8 bits as wide as the header allocates.
fn widen(bytes: Vec<u8>, precision: u8, sample_bytes: usize) -> Vec<u8> {
    if precision > 8 || sample_bytes == 1 {
        return bytes;
    }
    let mut wide = vec![0; bytes.len() * sample_bytes];
    for (target, byte) in wide.chunks_exact_mut(sample_bytes).zip(bytes) {
        if let Some(low) = target.first_mut() {
            *low = byte;
        }
    }
    wide
}

/// Decodes RLE (PS3.5 annex G) to interleaved little-endian samples, and tells whether any segment held more.
///
/// Segments follow the header of 64 bytes one after the other, each as long as its pixels need. An offset that lies
/// would decode to a whole plane of wrong values, so offsets that do not rise from 64 are refused.
fn decode_rle(
    data: &[u8],
    pixels: usize,
    samples: usize,
    sample_bytes: usize,
) -> Result<(Vec<u8>, bool), String> {
    let long = |i: usize| data.get(i * 4..)?.first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes));
    let segments = samples * sample_bytes;
    if long(0) != Some(segments as u32) {
        return Err(format!("{} RLE segments, {segments} expected", long(0).unwrap_or(0)));
    }
    // A run of two bytes yields 128 at most.
    if pixels.saturating_mul(segments) > data.len().saturating_mul(64) {
        return Err("RLE data is too short for its image".to_owned());
    }
    let offsets: Vec<usize> = (1..=segments).filter_map(long).map(|offset| offset as usize).collect();
    let is_rising = offsets.first() == Some(&RLE_HEADER_BYTES) && offsets.is_sorted_by(|a, b| a < b);
    if !is_rising || offsets.len() != segments {
        return Err(format!(
            "RLE segments begin at {offsets:?}, which is no order of segments after the header"
        ));
    }
    let mut has_surplus = false;
    // Both are written as a whole, or not used.
    let mut out = spare::take(pixels * segments);
    let mut planes = spare::take(pixels * segments);
    for (segment, plane) in planes.chunks_exact_mut(pixels.max(1)).enumerate() {
        let start = offsets.get(segment).copied().unwrap_or(usize::MAX);
        let end = offsets.get(segment + 1).copied().unwrap_or(data.len());
        let packed = data.get(start..end).ok_or("RLE segment offsets are damaged")?;
        has_surplus |= unpack_bits(packed, plane)?;
    }
    // Segments hold the most significant byte of each sample first. Two of them are the common case.
    if let (1, 2, Some((high, low))) = (samples, sample_bytes, planes.split_at_checked(pixels)) {
        for ((target, &high), &low) in out.as_chunks_mut::<2>().0.iter_mut().zip(high).zip(low) {
            *target = [low, high];
        }
    } else {
        for (segment, plane) in planes.chunks_exact(pixels.max(1)).enumerate() {
            let byte = sample_bytes - 1 - segment % sample_bytes;
            let first = segment / sample_bytes * sample_bytes + byte;
            for (target, &value) in out.iter_mut().skip(first).step_by(segments).zip(plane) {
                *target = value;
            }
        }
    }
    spare::give(planes);
    Ok((out, has_surplus))
}

/// Bytes before the first RLE segment: a count and fifteen offsets.
const RLE_HEADER_BYTES: usize = 64;

/// Expands one segment into as many bytes as there is room for; tells whether it held more than that.
fn unpack_bits(mut packed: &[u8], plane: &mut [u8]) -> Result<bool, String> {
    let wanted = plane.len();
    let mut room = plane;
    let mut is_overlong = false;
    while !room.is_empty() {
        let written = wanted - room.len();
        let too_short = || format!("RLE segment ends after {written} of {wanted} samples");
        let (&control, rest) = packed.split_first().ok_or_else(too_short)?;
        let control = control.cast_signed();
        let count = 1 + usize::from(control.unsigned_abs());
        is_overlong |= count > room.len() && control != -128;
        let count = count.min(room.len());
        if control == -128 {
            packed = rest;
        } else if control >= 0 {
            // What a cut run still holds counts.
            let literal = rest.get(..count).unwrap_or(rest);
            if literal.is_empty() {
                return Err(too_short());
            }
            let (target, tail) = room.split_at_mut(literal.len());
            target.copy_from_slice(literal);
            room = tail;
            packed = rest.get(literal.len()..).unwrap_or_default();
        } else {
            let (&byte, rest) = rest.split_first().ok_or_else(too_short)?;
            let (target, tail) = room.split_at_mut(count);
            target.fill(byte);
            room = tail;
            packed = rest;
        }
    }
    // Zeros fill up to an even length, and -128 (0x80) says nothing.
    Ok(is_overlong || packed.iter().any(|&byte| byte != 0 && byte != 0x80))
}

/// Decodes through the codec that the transfer syntax registry has for `uid`.
fn adapter(uid: &str, format: &PixelFormat, data: &[u8]) -> Result<Vec<u8>, String> {
    let syntax = TransferSyntaxRegistry.get(uid).ok_or("unknown transfer syntax")?;
    let Codec::EncapsulatedPixelData(Some(reader), _) = syntax.codec() else {
        return Err(format!("no decoder for {}", syntax.name()));
    };
    let object = SingleFrame { uid, format, data };
    let mut bytes = Vec::new();
    reader.decode_frame(&object, 0, &mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// One compressed frame dressed as an object, which is what the codecs take.
struct SingleFrame<'a> {
    uid: &'a str,
    format: &'a PixelFormat,
    data: &'a [u8],
}

impl PixelDataObject for SingleFrame<'_> {
    fn transfer_syntax_uid(&self) -> &str {
        self.uid
    }

    fn rows(&self) -> Option<u16> {
        Some(self.format.rows)
    }

    fn cols(&self) -> Option<u16> {
        Some(self.format.columns)
    }

    fn samples_per_pixel(&self) -> Option<u16> {
        Some(self.format.samples)
    }

    fn bits_allocated(&self) -> Option<u16> {
        Some(self.format.sample.bits() as u16)
    }

    fn bits_stored(&self) -> Option<u16> {
        Some(u16::from(self.format.bits_stored))
    }

    fn photometric_interpretation(&self) -> Option<&str> {
        Some(if self.format.samples == 3 { "RGB" } else { "MONOCHROME2" })
    }

    fn number_of_frames(&self) -> Option<u32> {
        Some(1)
    }

    fn number_of_fragments(&self) -> Option<u32> {
        Some(1)
    }

    fn fragment(&self, fragment: usize) -> Option<Cow<'_, [u8]>> {
        (fragment == 0).then_some(Cow::Borrowed(self.data))
    }

    fn offset_table(&self) -> Option<Cow<'_, [u32]>> {
        Some(Cow::Borrowed(&[]))
    }

    fn raw_pixel_data(&self) -> Option<RawPixelData> {
        Some(RawPixelData {
            fragments: std::iter::once(self.data.to_vec()).collect(),
            offset_table: std::iter::empty().collect(),
        })
    }
}

thread_local! {
    static IS_QUIET: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Runs third-party decoding; a panic yields `None` without a message on stderr.
fn quietly<T>(work: impl FnOnce() -> T) -> Option<T> {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // Decoders may split their work over threads of the pool.
            let file = info.location().map_or("", |location| location.file());
            if !IS_QUIET.get() && !["jpeg-decoder", "jxl-"].iter().any(|name| file.contains(name)) {
                previous(info);
            }
        }));
    });
    // Restored, not cleared: a waiting decoder may run another frame's decoder on this thread.
    let was_quiet = IS_QUIET.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    IS_QUIET.set(was_quiet);
    result.ok()
}
