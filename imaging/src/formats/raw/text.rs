//! Numbers written as text.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::Path;

use super::{SampleType, damaged};
use crate::ImagingError;
use crate::source::Progress;

/// Longest text of one number that is looked at.
const LONGEST: usize = 64;

/// Fills `target` with samples of this machine from numbers between blanks or commas.
pub(super) fn read(
    path: &Path,
    offset: u64,
    sample: SampleType,
    target: &mut [u8],
    progress: &Progress,
) -> Result<(), ImagingError> {
    let io = |e| ImagingError::io(path, e);
    let mut file = File::open(path).map_err(io)?;
    file.seek(SeekFrom::Start(offset)).map_err(io)?;
    let mut reader = BufReader::new(file);
    let mut word = Vec::with_capacity(LONGEST);
    let expected_bytes = target.len() as u64;
    let mut found_bytes = 0;
    for slot in target.chunks_exact_mut(sample.bytes() as usize) {
        if found_bytes % (1 << 16) == 0 {
            progress.check()?;
        }
        next_word(&mut reader, &mut word).map_err(io)?;
        if word.is_empty() {
            return Err(ImagingError::Truncated { path: path.to_path_buf(), expected_bytes, found_bytes });
        }
        let text = String::from_utf8_lossy(&word);
        store(&text, sample, slot).ok_or_else(|| {
            damaged(path, format!("`{}` is not a voxel value of its type", text.escape_debug()))
        })?;
        found_bytes += slot.len() as u64;
        progress.advance(slot.len() as u64);
    }
    Ok(())
}

fn next_word(reader: &mut impl BufRead, word: &mut Vec<u8>) -> std::io::Result<()> {
    word.clear();
    loop {
        let available = reader.fill_buf()?;
        let Some(&byte) = available.first() else { return Ok(()) };
        let is_gap = byte.is_ascii_whitespace() || byte == b',';
        if is_gap && !word.is_empty() || word.len() == LONGEST {
            return Ok(());
        }
        if !is_gap {
            word.push(byte);
        }
        reader.consume(1);
    }
}

fn store(text: &str, sample: SampleType, slot: &mut [u8]) -> Option<()> {
    macro_rules! put {
        ($number:ty) => {
            slot.copy_from_slice(&text.parse::<$number>().ok()?.to_ne_bytes())
        };
    }
    match sample {
        SampleType::U8 => put!(u8),
        SampleType::I8 => put!(i8),
        SampleType::U16 => put!(u16),
        SampleType::I16 => put!(i16),
        SampleType::U32 => put!(u32),
        SampleType::I32 => put!(i32),
        SampleType::F32 => put!(f32),
        // 64-bit integers become `float64`, see `SampleType`.
        SampleType::U64 | SampleType::I64 | SampleType::F64 => put!(f64),
    }
    Some(())
}
