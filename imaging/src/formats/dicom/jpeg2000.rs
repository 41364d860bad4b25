//! One JPEG 2000 or HTJ2K frame to interleaved samples, through OpenJPEG.
//!
//! Components keep their own integers: nothing is scaled, and a codestream that ends early is refused, because a
//! decoder that carries on would put invented numbers where the data is missing.

use jpeg2k::{DecodeParameters, Image};

use super::codestream::jpeg2000_tile_parts;
use super::instance::PixelFormat;

/// Decodes a codestream whose header was held against `format` before.
///
/// Fills `bytes` with little-endian samples of `sample_bytes` bytes, interleaved; negative values in two's complement.
///
/// # Errors
/// A sentence for a person.
pub(super) fn decode(
    data: &[u8],
    format: &PixelFormat,
    sample_bytes: usize,
    bytes: &mut [u8],
) -> Result<(), String> {
    let parts = jpeg2000_tile_parts(data);
    if parts.is_cut {
        return Err("the JPEG 2000 data ends early".to_owned());
    }
    // Where parts are counted wrong, the strict decoder leaves the uncounted ones out without a word.
    let parameters = DecodeParameters::new().strict(!parts.is_miscounted);
    let image =
        Image::from_bytes_with(data, parameters).map_err(|_| "the JPEG 2000 data is damaged".to_owned())?;
    let pixels = format.pixels();
    let samples = usize::from(format.samples);
    let components = image.components();
    if components.len() != samples || components.iter().any(|component| component.data().len() != pixels) {
        return Err("the JPEG 2000 components differ in size".to_owned());
    }
    if bytes.len() != pixels * samples * sample_bytes {
        return Err("the JPEG 2000 image has another size than its voxels".to_owned());
    }
    for (first, component) in components.iter().enumerate() {
        let data = component.data();
        match (samples, sample_bytes) {
            (1, 2) => {
                for (target, value) in bytes.as_chunks_mut::<2>().0.iter_mut().zip(data) {
                    *target = (*value as u16).to_le_bytes();
                }
            }
            _ => {
                let places = bytes.chunks_exact_mut(sample_bytes).skip(first).step_by(samples);
                for (target, value) in places.zip(data) {
                    target.copy_from_slice(value.to_le_bytes().get(..sample_bytes).unwrap_or_default());
                }
            }
        }
    }
    Ok(())
}
