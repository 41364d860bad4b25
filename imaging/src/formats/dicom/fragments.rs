//! Which fragments of encapsulated pixel data make up which frame (PS3.5 A.4).

use std::io;

use super::bytes::Bytes;
use super::dataset::{Header, PixelElement};
use super::tags;

/// Bytes of one fragment.
#[derive(Debug, Clone, Copy)]
struct Fragment {
    /// Of the fragment's value, within the object.
    offset: u64,
    len: u32,
    /// The object ends before the fragment does.
    is_cut: bool,
}

/// How many fragments of an object's pixels hold anything, counted up to the frames it claims; `None` if its pixels
/// are not in fragments.
pub(crate) fn held(bytes: &mut Bytes, header: &Header) -> io::Result<Option<u64>> {
    let Some(pixels) = header.pixels.filter(|pixels| pixels.len.is_none()) else { return Ok(None) };
    let claimed = header.data_set.integer(tags::NUMBER_OF_FRAMES).unwrap_or(1);
    // One frame may lie in any number of fragments, and be cut off: that shows when it is read.
    if claimed > 1 { count(bytes, &pixels, claimed as u64).map(Some) } else { Ok(Some(1)) }
}

/// How many fragments hold anything, counted up to `limit`; a frame needs at least one.
fn count(bytes: &mut Bytes, pixels: &PixelElement, limit: u64) -> io::Result<u64> {
    let mut found = 0;
    let mut at = pixels.offset;
    let mut is_offset_table = true;
    while found < limit {
        let Some(&[t0, t1, t2, t3, l0, l1, l2, l3]) = bytes.at(at, 8)?.and_then(<[u8]>::first_chunk) else {
            break;
        };
        if [t0, t1, t2, t3] != [0xFE, 0xFF, 0x00, 0xE0] {
            break;
        }
        let len = u32::from_le_bytes([l0, l1, l2, l3]);
        found += u64::from(!is_offset_table && len > 0);
        is_offset_table = false;
        at += 8 + u64::from(len);
    }
    Ok(found)
}

/// Fragments of every frame.
#[derive(Debug)]
pub(crate) struct FragmentTable {
    frames: Vec<Vec<Fragment>>,
}

impl FragmentTable {
    /// Walks the items of encapsulated pixel data without reading what they hold.
    ///
    /// A frame with a fragment that the file cuts off counts as missing: decoders would fill in the rest.
    pub(crate) fn read(
        bytes: &mut Bytes,
        pixels: &PixelElement,
        frame_count: usize,
        extended_offsets: &[u64],
    ) -> io::Result<Self> {
        let mut items = Vec::new();
        let mut at = pixels.offset;
        while let Some(&[t0, t1, t2, t3, l0, l1, l2, l3]) = bytes.at(at, 8)?.and_then(<[u8]>::first_chunk) {
            let len = u32::from_le_bytes([l0, l1, l2, l3]);
            let end = at + 8 + u64::from(len);
            if [t0, t1, t2, t3] != [0xFE, 0xFF, 0x00, 0xE0] {
                break;
            }
            let is_cut = end > bytes.len();
            items.push(Fragment { offset: at + 8, len, is_cut });
            if is_cut {
                break;
            }
            at = end;
        }
        let Some((basic_table, fragments)) = items.split_first() else {
            return Ok(Self { frames: Vec::new() });
        };
        let base = basic_table.offset + u64::from(basic_table.len);
        let mut starts: Vec<u64> = extended_offsets.to_vec();
        if starts.is_empty() && basic_table.len as usize >= frame_count.saturating_mul(4) {
            let table = bytes.at(basic_table.offset, basic_table.len as usize)?.unwrap_or_default();
            let long =
                |chunk: &[u8]| chunk.try_into().map_or(0, |chunk| u64::from(u32::from_le_bytes(chunk)));
            starts = table.chunks_exact(4).map(long).collect();
        }
        let has_table = starts.len() == frame_count && starts.first() == Some(&0);
        let frames = if frame_count == 1 {
            vec![fragments.to_vec()]
        } else if fragments.len() == frame_count {
            fragments.iter().map(|fragment| vec![*fragment]).collect()
        } else if has_table && starts.is_sorted() {
            let ends = starts.iter().skip(1).copied().chain([u64::MAX]);
            let before =
                |limit: u64| fragments.partition_point(|f| (f.offset - 8).saturating_sub(base) < limit);
            let within = |start, end| {
                fragments.get(before(start)..before(end)).map(<[Fragment]>::to_vec).unwrap_or_default()
            };
            starts.iter().zip(ends).map(|(&start, end)| within(start, end)).collect()
        } else {
            Self::by_start_marker(bytes, fragments)?
        };
        Ok(Self { frames })
    }

    /// Without a usable table a frame begins where a fragment begins with the start of a codestream.
    fn by_start_marker(bytes: &mut Bytes, fragments: &[Fragment]) -> io::Result<Vec<Vec<Fragment>>> {
        let mut frames: Vec<Vec<Fragment>> = Vec::new();
        for fragment in fragments {
            let head = bytes.at(fragment.offset, (fragment.len as usize).min(3))?.unwrap_or_default();
            let is_start = matches!(head, [0xFF, 0xD8, 0xFF] | [0xFF, 0x4F, 0xFF] | [0xFF, 0x0A, ..]);
            match frames.last_mut() {
                Some(frame) if !is_start => frame.push(*fragment),
                _ => frames.push(vec![*fragment]),
            }
        }
        Ok(frames)
    }

    /// The compressed bytes of a frame, or `None` if the object does not hold it.
    pub(crate) fn frame(&self, bytes: &Bytes, frame_index: usize) -> io::Result<Option<Vec<u8>>> {
        let fragments = self.frames.get(frame_index).map(Vec::as_slice).unwrap_or_default();
        if fragments.is_empty() || fragments.iter().any(|fragment| fragment.is_cut) {
            return Ok(None);
        }
        let len = fragments.iter().map(|fragment| fragment.len as usize).sum();
        // Every fragment was found inside the object, so `len` is at most its size.
        let mut data = super::spare::take(len);
        let mut rest = data.as_mut_slice();
        for fragment in fragments {
            let (target, tail) = rest.split_at_mut(fragment.len as usize);
            bytes.read_into(fragment.offset, target)?;
            rest = tail;
        }
        Ok(Some(data))
    }
}
