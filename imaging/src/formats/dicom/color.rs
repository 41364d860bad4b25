//! Colour samples to interleaved RGB.

use super::instance::{Photometric, PixelFormat};

/// Turns the samples of one frame into interleaved RGB of the same depth.
///
/// `bytes` are little-endian samples, `sample_bytes` (1 or 2) each. Returns `None` if there are too few.
pub(crate) fn to_rgb(
    bytes: Vec<u8>,
    format: &PixelFormat,
    photometric: Photometric,
    is_planar: bool,
    sample_bytes: usize,
) -> Option<Vec<u8>> {
    let pixels = format.pixels();
    if photometric == Photometric::YbrFull422 {
        return (sample_bytes == 1).then(|| from_422(&bytes, format))?;
    }
    let expected = pixels * 3 * sample_bytes;
    let samples = bytes.get(..expected)?;
    let mut rgb = if is_planar { interleave(samples, sample_bytes) } else { bytes };
    rgb.truncate(expected);
    if photometric == Photometric::YbrFull {
        match sample_bytes {
            1 => rgb.as_chunks_mut::<3>().0.iter_mut().for_each(|pixel| *pixel = ybr_to_rgb(*pixel)),
            _ => ybr16_to_rgb(&mut rgb, format.bits_stored),
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

/// YBR_FULL to RGB, 8 bits (PS3.3 C.7.6.3.1.2).
fn ybr_to_rgb([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let (y, cb, cr) = (f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0);
    let byte = |value: f32| (value + 0.5).clamp(0.0, 255.0) as u8;
    [byte(y + 1.402 * cr), byte(y - 0.344_136 * cb - 0.714_136 * cr), byte(y + 1.772 * cb)]
}

fn ybr16_to_rgb(samples: &mut [u8], bits_stored: u8) {
    let max = ((1u32 << bits_stored.min(16)) - 1) as f32;
    let middle = (max + 1.0) / 2.0;
    for pixel in samples.as_chunks_mut::<6>().0 {
        let [a, b, c, d, e, f] = *pixel;
        let sample = |lo, hi| f32::from(u16::from_le_bytes([lo, hi]));
        let (y, cb, cr) = (sample(a, b), sample(c, d) - middle, sample(e, f) - middle);
        let word = |value: f32| ((value + 0.5).clamp(0.0, max) as u16).to_le_bytes();
        let [r0, r1] = word(y + 1.402 * cr);
        let [g0, g1] = word(y - 0.344_136 * cb - 0.714_136 * cr);
        let [b0, b1] = word(y + 1.772 * cb);
        *pixel = [r0, r1, g0, g1, b0, b1];
    }
}

/// YBR_FULL_422: two luminance samples, then the pair of colour samples they share; rows are not padded.
fn from_422(bytes: &[u8], format: &PixelFormat) -> Option<Vec<u8>> {
    let pixels = format.pixels();
    let mut rgb = Vec::with_capacity(pixels * 3);
    for &[y0, y1, cb, cr] in bytes.get(..pixels.div_ceil(2) * 4)?.as_chunks::<4>().0 {
        rgb.extend_from_slice(&ybr_to_rgb([y0, cb, cr]));
        rgb.extend_from_slice(&ybr_to_rgb([y1, cb, cr]));
    }
    rgb.truncate(pixels * 3);
    Some(rgb)
}
