//! Mutations of compressed pixel data only.
//!
//! A random change of a DICOM file nearly always hits its header, and the decoders behind it see nothing. Here the
//! header stays, and the lengths around the first fragment are put right after each change.

/// Element (7FE0,0010) in explicit VR with undefined length, up to its VR.
const PIXEL_DATA: [u8; 4] = [0xE0, 0x7F, 0x10, 0x00];
const ITEM: [u8; 4] = [0xFE, 0xFF, 0x00, 0xE0];
const DELIMITER: [u8; 8] = [0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0];

/// Changes the first fragment of the `size` bytes at the front of `data`, and what follows it, with `mutate`, which
/// gets a buffer and the length of its content and returns the new one. Returns the new size, at most `max_size`.
///
/// Bytes without compressed pixel data are changed anywhere.
pub fn mutate_codestream(
    data: &mut [u8],
    size: usize,
    max_size: usize,
    mutate: impl Fn(&mut [u8], usize, usize) -> usize,
) -> usize {
    let start = first_fragment(&data[..size]);
    // One byte more for a codestream of odd length.
    let room = start.and_then(|start| max_size.min(data.len()).checked_sub(start + DELIMITER.len() + 1));
    let (Some(start), Some(room)) = (start, room) else { return mutate(data, size, max_size) };
    let end = if data[..size].ends_with(&DELIMITER) { size - DELIMITER.len() } else { size };
    let len = end.saturating_sub(start).min(room);
    let mut len = mutate(&mut data[start..start + room], len, room).min(room);
    if len % 2 == 1 {
        data[start + len] = 0;
        len += 1;
    }
    data[start - 4..start].copy_from_slice(&(len as u32).to_le_bytes());
    data[start + len..start + len + DELIMITER.len()].copy_from_slice(&DELIMITER);
    start + len + DELIMITER.len()
}

/// Where the content of the first fragment behind the offset table begins.
fn first_fragment(bytes: &[u8]) -> Option<usize> {
    let pixel_data = bytes.windows(PIXEL_DATA.len()).rposition(|w| w == PIXEL_DATA)?;
    let table = pixel_data + 12;
    let header = bytes.get(table..table + 8)?;
    let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
    let fragment = table.checked_add(8)?.checked_add(length)?;
    let is_item = header.starts_with(&ITEM) && bytes.get(fragment..fragment + 8)?.starts_with(&ITEM);
    is_item.then_some(fragment + 8)
}
