//! One JPEG XL frame to interleaved samples.
//!
//! Samples are the codestream's own integers, whatever Bits Allocated says: 12 bits in words of 16 stay 12 bits.

use jxl_oxide::color::ColourEncoding;
use jxl_oxide::image::BitDepth;
use jxl_oxide::{AllocTracker, JxlImage, JxlThreadPool};

use super::instance::PixelFormat;

/// Decoded samples and how many bits of each carry a value.
pub(super) struct Samples {
    /// Little-endian, interleaved.
    pub(super) bytes: Vec<u8>,
    pub(super) precision: u8,
}

/// Decodes a codestream whose size was held against `format` before.
///
/// Lossy images are decoded to the colour space they were made from; one whose space is only described by an ICC
/// profile is refused, since its values could not be had back.
///
/// # Errors
/// A sentence for a person.
pub(super) fn decode(data: &[u8], format: &PixelFormat, sample_bytes: usize) -> Result<Samples, String> {
    let pixels = format.pixels();
    let samples = usize::from(format.samples);
    // Float planes, their copies, and room for groups and tables.
    let limit_bytes = pixels.saturating_mul(samples).saturating_mul(64).saturating_add(64 << 20);
    let image = JxlImage::builder()
        .pool(JxlThreadPool::none())
        .alloc_tracker(AllocTracker::with_limit(limit_bytes))
        .read(data)
        .map_err(|error| error.to_string())?;
    let metadata = &image.image_header().metadata;
    let bits = match metadata.bit_depth {
        BitDepth::IntegerSample { bits_per_sample } => bits_per_sample,
        BitDepth::FloatSample { .. } => return Err("JPEG XL with floating-point samples".to_owned()),
    };
    // The decoder hands out 32-bit floats, which hold whole numbers of up to 24 bits.
    if bits == 0 || bits > 24 || bits as usize > sample_bytes * 8 {
        return Err(format!("{bits} bits per JPEG XL sample, {} allocated", sample_bytes * 8));
    }
    if metadata.xyb_encoded && matches!(metadata.colour_encoding, ColourEncoding::IccProfile(_)) {
        return Err("lossy JPEG XL (XYB) with an ICC profile".to_owned());
    }
    let render = image.render_frame(0).map_err(|error| error.to_string())?;
    let planes = render.image_planar();
    let planes = planes.get(..samples).ok_or("the JPEG XL image has too few channels")?;
    if render.color_channels().len() != samples || planes.iter().any(|plane| plane.buf().len() != pixels) {
        return Err("the JPEG XL image has another shape than the header says".to_owned());
    }
    let max = f64::from((1u32 << bits) - 1);
    let mut bytes = vec![0; pixels * samples * sample_bytes];
    for (first, plane) in planes.iter().enumerate() {
        let places = bytes.chunks_exact_mut(sample_bytes).skip(first).step_by(samples);
        for (target, value) in places.zip(plane.buf()) {
            let value = (f64::from(*value) * max).round().clamp(0.0, max) as u32;
            target.copy_from_slice(value.to_le_bytes().get(..sample_bytes).unwrap_or_default());
        }
    }
    Ok(Samples { bytes, precision: bits as u8 })
}
