//! Reads the headers inside compressed frames: size, depth, components and colour, before any decoder runs.
//!
//! The size is held against the DICOM header so that no decoder allocates for dimensions nobody asked for, and
//! colour is decided from what the encoder did rather than from the label alone.

/// What a codestream says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Codestream {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) components: u16,
    /// Bits per sample.
    pub(crate) precision: u8,
    pub(crate) kind: CodestreamKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CodestreamKind {
    /// `process` is the low byte of the SOF marker; `adobe` the transform of an Adobe APP14 segment.
    Jpeg {
        process: u8,
        adobe: Option<u8>,
        is_jfif: bool,
        has_rgb_ids: bool,
    },
    JpegLs {
        is_interleaved: bool,
    },
    Jpeg2000 {
        has_component_transform: bool,
        is_subsampled: bool,
    },
}

/// Parses JPEG and JPEG-LS headers up to the first scan.
pub(crate) fn parse_jpeg(bytes: &[u8]) -> Option<Codestream> {
    let mut rest = bytes.strip_prefix(&[0xFF, 0xD8])?;
    let (mut adobe, mut is_jfif) = (None, false);
    let mut frame: Option<(u8, u8, u32, u32, u16, bool)> = None;
    loop {
        let [0xFF, marker, tail @ ..] = rest else { return None };
        match marker {
            // Fill bytes and markers without a length.
            0xFF => {
                rest = rest.get(1..)?;
                continue;
            }
            0x01 | 0xD0..=0xD8 => {
                rest = tail;
                continue;
            }
            0xD9 => return None,
            _ => {}
        }
        let len = usize::from(u16::from_be_bytes(*tail.first_chunk::<2>()?));
        let body = tail.get(2..len.max(2))?;
        match marker {
            0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF | 0xF7 => {
                let &[precision, h0, h1, w0, w1, components, ref table @ ..] = body else { return None };
                let ids: Vec<u8> = table.chunks_exact(3).filter_map(|c| c.first().copied()).collect();
                frame = Some((
                    *marker,
                    precision,
                    u32::from(u16::from_be_bytes([h0, h1])),
                    u32::from(u16::from_be_bytes([w0, w1])),
                    u16::from(components),
                    ids == *b"RGB",
                ));
            }
            0xE0 if body.starts_with(b"JFIF\0") => is_jfif = true,
            0xEE if body.starts_with(b"Adobe") => adobe = body.get(11).copied(),
            0xDA => {
                let (process, precision, height, width, components, has_rgb_ids) = frame?;
                // JPEG-LS: Ns, Ns × (id, table), NEAR, ILV, transform.
                let scan_components = usize::from(*body.first()?);
                let kind = if process == 0xF7 {
                    let interleave = *body.get(1 + 2 * scan_components + 1)?;
                    CodestreamKind::JpegLs { is_interleaved: interleave != 0 }
                } else {
                    CodestreamKind::Jpeg { process, adobe, is_jfif, has_rgb_ids }
                };
                return Some(Codestream { width, height, components, precision, kind });
            }
            _ => {}
        }
        rest = tail.get(len.max(2)..)?;
    }
}

/// Parses the main header of a JPEG 2000 or HTJ2K codestream, bare or inside a JP2 file.
pub(crate) fn parse_jpeg2000(bytes: &[u8]) -> Option<Codestream> {
    const START: [u8; 4] = [0xFF, 0x4F, 0xFF, 0x51];
    let at = if bytes.starts_with(&START) {
        0
    } else {
        bytes.get(..bytes.len().min(4096))?.windows(4).position(|window| window == START)?
    };
    let mut rest = bytes.get(at + 2..)?;
    let mut found: Option<(u32, u32, u16, u8, bool)> = None;
    let mut has_component_transform = false;
    while let [0xFF, marker, tail @ ..] = rest {
        let len = usize::from(u16::from_be_bytes(*tail.first_chunk::<2>()?));
        let body = tail.get(2..len.max(2));
        match marker {
            0x51 => {
                let body = body?;
                let long = |i: usize| Some(u32::from_be_bytes(*body.get(i..)?.first_chunk::<4>()?));
                let components = u16::from_be_bytes(*body.get(34..)?.first_chunk::<2>()?);
                let table = body.get(36..)?;
                let precision = (table.first()? & 0x7F) + 1;
                let is_subsampled =
                    table.chunks_exact(3).any(|component| component.get(1..) != Some(&[1, 1]));
                let width = long(2)?.checked_sub(long(10)?)?;
                let height = long(6)?.checked_sub(long(14)?)?;
                found = Some((width, height, components, precision, is_subsampled));
            }
            0x52 => has_component_transform = body?.get(4).is_some_and(|&mct| mct != 0),
            // Start of the first tile: the main header is over.
            0x90 | 0x93 | 0xD9 => break,
            _ => {}
        }
        rest = tail.get(len.max(2)..)?;
    }
    let (width, height, components, precision, is_subsampled) = found?;
    let kind = CodestreamKind::Jpeg2000 { has_component_transform, is_subsampled };
    Some(Codestream { width, height, components, precision, kind })
}

/// How the parts of a JPEG 2000 codestream fit what it says of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct TileParts {
    /// The last part ends after the data does.
    pub(crate) is_cut: bool,
    /// A tile has another number of parts than it states; some encoders count wrong.
    pub(crate) is_miscounted: bool,
}

/// Walks the tile parts of a codestream that [`parse_jpeg2000`] accepted (ISO/IEC 15444-1 A.4.2).
pub(crate) fn jpeg2000_tile_parts(bytes: &[u8]) -> TileParts {
    let mut parts = TileParts::default();
    let start = bytes.windows(4).position(|window| window == [0xFF, 0x4F, 0xFF, 0x51]).unwrap_or(0);
    let mut rest = bytes.get(start + 2..).unwrap_or_default();
    // The main header, marker by marker.
    while let [0xFF, marker, high, low, ..] = rest
        && *marker != 0x90
    {
        rest = rest.get(2 + usize::from(u16::from_be_bytes([*high, *low]))..).unwrap_or_default();
    }
    let mut stated: Vec<(u16, u8, u32)> = Vec::new();
    while let &[0xFF, 0x90, _, _, t0, t1, l0, l1, l2, l3, _, count, ..] = rest {
        let tile = u16::from_be_bytes([t0, t1]);
        let known = stated.len();
        if let Some((_, expected, found)) = stated.iter_mut().find(|(known, _, _)| *known == tile) {
            *expected = count.max(*expected);
            *found += 1;
        } else if known < 4096 {
            // More tiles than this are counted by the decoder alone.
            stated.push((tile, count, 1));
        }
        let len = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
        // Zero stands for everything up to the end of the codestream.
        if len == 0 {
            break;
        }
        parts.is_cut |= len > rest.len();
        rest = rest.get(len.max(12)..).unwrap_or_default();
    }
    parts.is_cut |= stated.is_empty();
    parts.is_miscounted =
        stated.iter().any(|&(_, expected, found)| expected != 0 && u32::from(expected) != found);
    parts
}

/// Size of a JPEG XL image, from the first bits of its codestream, bare or inside its box format.
///
/// Source: ISO/IEC 18181-1, SizeHeader.
pub(crate) fn parse_jpeg_xl_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let at = if bytes.starts_with(&[0xFF, 0x0A]) {
        0
    } else {
        let head = bytes.get(..bytes.len().min(4096))?;
        head.windows(2).position(|window| window == [0xFF, 0x0A])?
    };
    let mut bits = LowBitsFirst { bytes: bytes.get(at + 2..)?, at: 0 };
    let is_small = bits.take(1)? == 1;
    let side = |bits: &mut LowBitsFirst<'_>| {
        if is_small {
            return Some((bits.take(5)? + 1) * 8);
        }
        let width = [9, 13, 18, 30].get(bits.take(2)? as usize).copied()?;
        bits.take(width).map(|value| value + 1)
    };
    let height = side(&mut bits)?;
    let ratio =
        |numerator: u64, denominator: u64| u32::try_from(u64::from(height) * numerator / denominator).ok();
    let width = match bits.take(3)? {
        0 => side(&mut bits)?,
        1 => height,
        2 => ratio(12, 10)?,
        3 => ratio(4, 3)?,
        4 => ratio(3, 2)?,
        5 => ratio(16, 9)?,
        6 => ratio(5, 4)?,
        _ => ratio(2, 1)?,
    };
    Some((width, height))
}

struct LowBitsFirst<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl LowBitsFirst<'_> {
    fn take(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for i in 0..count {
            let bit = self.bytes.get(self.at / 8)? >> (self.at % 8) & 1;
            value |= u32::from(bit) << i;
            self.at += 1;
        }
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jpeg_xl_sizes_follow_the_standard() {
        // small = 1, height (1 + 1) × 8 = 16, ratio 1: square.
        assert_eq!(parse_jpeg_xl_size(&[0xFF, 0x0A, 0b0100_0011, 0b0000_0000]), Some((16, 16)));
        // small = 0, selector 0, nine bits 99 → 100 rows, ratio 0, selector 0, nine bits 49 → 50 columns.
        let bits = 99u32 << 3 | 49 << 17;
        let [a, b, c, d] = bits.to_le_bytes();
        assert_eq!(parse_jpeg_xl_size(&[0xFF, 0x0A, a, b, c, d]), Some((50, 100)));
        assert_eq!(parse_jpeg_xl_size(&[0xFF, 0x0A]), None);
    }

    #[test]
    fn cut_headers_are_no_codestreams() {
        let jpeg = [
            0xFF, 0xD8, 0xFF, 0xC3, 0, 11, 12, 0, 4, 0, 5, 1, 1, 0x11, 0, 0xFF, 0xDA, 0, 8, 1, 1, 0, 1, 0, 0,
        ];
        let stream = parse_jpeg(&jpeg).unwrap();
        assert_eq!((stream.width, stream.height, stream.components, stream.precision), (5, 4, 1, 12));
        for len in 0..jpeg.len() - 1 {
            assert_eq!(parse_jpeg(&jpeg[..len.min(17)]), None);
        }
        assert_eq!(parse_jpeg2000(&[0xFF, 0x4F, 0xFF, 0x51, 0, 3]), None);
    }
}
