//! Pictures in memory: linear floats while accumulating, sRGB bytes to show.

/// Linear, premultiplied RGBA in `f32`, rows top to bottom.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageF32 {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// `width * height` pixels.
    pub pixels: Vec<[f32; 4]>,
}

impl ImageF32 {
    /// A transparent black picture.
    pub fn new(width: u32, height: u32) -> Self {
        Self { width, height, pixels: vec![[0.0; 4]; width as usize * height as usize] }
    }

    /// Lays the picture over an opaque background (linear RGB) and encodes it as sRGB bytes.
    pub fn to_srgb8(&self, background: [f32; 3]) -> Image8 {
        let mut bytes = Vec::with_capacity(self.pixels.len() * 4);
        for &[r, g, b, a] in &self.pixels {
            let over = |c: f32, back: f32| encode_srgb8(c + (1.0 - a) * back);
            bytes.extend([over(r, background[0]), over(g, background[1]), over(b, background[2]), 255]);
        }
        Image8 { width: self.width, height: self.height, rgba: bytes }
    }
}

/// Opaque sRGB RGBA bytes, rows top to bottom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image8 {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// `width * height * 4` bytes.
    pub rgba: Vec<u8>,
}

impl Image8 {
    /// A black, opaque picture.
    pub fn black(width: u32, height: u32) -> Self {
        let count = width as usize * height as usize;
        Self { width, height, rgba: [0, 0, 0, 255].repeat(count) }
    }

    /// One pixel, or `None` outside.
    pub fn pixel(&self, x: u32, y: u32) -> Option<[u8; 4]> {
        if x >= self.width || y >= self.height {
            return None;
        }
        let start = (y as usize * self.width as usize + x as usize) * 4;
        self.rgba.get(start..start + 4)?.try_into().ok()
    }
}

/// Linear light to an sRGB byte; values outside `0..=1` are clamped.
///
/// Source: IEC 61966-2-1.
pub fn encode_srgb8(linear: f32) -> u8 {
    (encode_srgb(linear.clamp(0.0, 1.0)) * 255.0 + 0.5) as u8
}

/// Linear light `0..=1` to the sRGB transfer curve. Source: IEC 61966-2-1.
pub fn encode_srgb(linear: f32) -> f32 {
    if linear <= 0.003_130_8 { linear * 12.92 } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 }
}

/// sRGB-coded `0..=1` to linear light. Source: IEC 61966-2-1.
pub fn decode_srgb(coded: f32) -> f32 {
    if coded <= 0.040_45 { coded / 12.92 } else { ((coded + 0.055) / 1.055).powf(2.4) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn srgb_bytes_survive_the_round_trip() {
        for byte in 0..=255u8 {
            assert_eq!(encode_srgb8(decode_srgb(f32::from(byte) / 255.0)), byte);
        }
        assert_eq!((encode_srgb8(-1.0), encode_srgb8(2.0), encode_srgb8(f32::NAN)), (0, 255, 0));
    }

    #[test]
    fn background_shows_through_what_is_transparent() {
        let mut image = ImageF32::new(2, 1);
        image.pixels[1] = [1.0, 0.0, 0.0, 1.0];
        let bytes = image.to_srgb8([0.0, 1.0, 0.0]);
        assert_eq!(bytes.pixel(0, 0), Some([0, 255, 0, 255]));
        assert_eq!(bytes.pixel(1, 0), Some([255, 0, 0, 255]));
        assert_eq!(bytes.pixel(2, 0), None);
    }
}
