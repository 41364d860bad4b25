//! Colour samples to interleaved RGB.

use super::instance::{Photometric, PixelFormat};
use super::pixels::Stored;

/// What the samples of a frame are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ColorSamples {
    pub(crate) photometric: Photometric,
    pub(crate) is_planar: bool,
    /// 1 or 2.
    pub(crate) sample_bytes: usize,
    /// Bits of a sample that carry its value, the lowest ones.
    pub(crate) bits: u8,
}

/// Largest value of so many bits: full intensity.
pub(crate) fn white(bits: u8) -> u16 {
    u16::MAX >> (16 - bits.clamp(1, 16))
}

/// Leaves the stored bits of each sample, moved to the lowest place; what else lies in the word is no colour.
pub(crate) fn keep_stored_bits(bytes: &mut [u8], format: &PixelFormat, sample_bytes: usize) {
    let (bits, high_bit) = (u32::from(format.bits_stored), u32::from(format.high_bit));
    let width = sample_bytes as u32 * 8;
    if bits >= width || high_bit >= width {
        return;
    }
    if sample_bytes == 1 {
        bytes.iter_mut().for_each(|sample| *sample = sample.significant(bits, high_bit));
    } else {
        for word in bytes.as_chunks_mut::<2>().0 {
            *word = u16::from_le_bytes(*word).significant(bits, high_bit).to_le_bytes();
        }
    }
}

/// Turns the samples of one frame into interleaved RGB of the same depth.
///
/// `bytes` are little-endian samples. Returns `None` if there are too few.
pub(crate) fn to_rgb(bytes: Vec<u8>, format: &PixelFormat, samples: ColorSamples) -> Option<Vec<u8>> {
    let ColorSamples { photometric, is_planar, sample_bytes, bits } = samples;
    let pixels = format.pixels();
    let white = f32::from(white(bits));
    if photometric == Photometric::YbrFull422 {
        return (sample_bytes == 1).then(|| from_422(&bytes, pixels, white))?;
    }
    let expected = pixels * 3 * sample_bytes;
    let samples = bytes.get(..expected)?;
    let mut rgb = if is_planar { interleave(samples, sample_bytes) } else { bytes };
    rgb.truncate(expected);
    if photometric == Photometric::YbrFull {
        match sample_bytes {
            1 => rgb.as_chunks_mut::<3>().0.iter_mut().for_each(|pixel| *pixel = ybr8_to_rgb(*pixel, white)),
            _ => ybr16_to_rgb(&mut rgb, white),
        }
    }
    Some(rgb)
}

fn interleave(planes: &[u8], sample_bytes: usize) -> Vec<u8> {
    let plane_len = planes.len() / 3;
    let mut out = Vec::with_capacity(planes.len());
    for pixel in (0..plane_len).step_by(sample_bytes) {
        for plane in 0..3 {
            let at = plane * plane_len + pixel;
            out.extend_from_slice(planes.get(at..at + sample_bytes).unwrap_or_default());
        }
    }
    out
}

/// YBR_FULL to RGB (PS3.3 C.7.6.3.1.2) plus half, to be cut to whole numbers; `white` is full intensity.
fn ybr_to_rgb([y, cb, cr]: [f32; 3], white: f32) -> [f32; 3] {
    let middle = (white + 1.0) / 2.0;
    let (cb, cr) = (cb - middle, cr - middle);
    let rgb = [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb];
    rgb.map(|value| (value + 0.5).clamp(0.0, white))
}

fn ybr8_to_rgb(pixel: [u8; 3], white: f32) -> [u8; 3] {
    ybr_to_rgb(pixel.map(f32::from), white).map(|value| value as u8)
}

fn ybr16_to_rgb(samples: &mut [u8], white: f32) {
    for pixel in samples.as_chunks_mut::<6>().0 {
        let [a, b, c, d, e, f] = *pixel;
        let sample = |low, high| f32::from(u16::from_le_bytes([low, high]));
        let rgb = ybr_to_rgb([sample(a, b), sample(c, d), sample(e, f)], white);
        let [[r0, r1], [g0, g1], [b0, b1]] = rgb.map(|value| (value as u16).to_le_bytes());
        *pixel = [r0, r1, g0, g1, b0, b1];
    }
}

/// YBR_FULL_422: two luminance samples, then the pair of colour samples they share; rows are not padded.
fn from_422(bytes: &[u8], pixels: usize, white: f32) -> Option<Vec<u8>> {
    let mut rgb = Vec::with_capacity(pixels * 3);
    for &[y0, y1, cb, cr] in bytes.get(..pixels.div_ceil(2) * 4)?.as_chunks::<4>().0 {
        rgb.extend_from_slice(&ybr8_to_rgb([y0, cb, cr], white));
        rgb.extend_from_slice(&ybr8_to_rgb([y1, cb, cr], white));
    }
    rgb.truncate(pixels * 3);
    Some(rgb)
}
