//! A look at the first directory of a TIFF before the decoder sees it.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use crate::color_profile::MAX_PROFILE_BYTES;

/// What the first directory tells.
pub(super) struct TiffDirectory {
    /// Whether another page follows.
    pub(super) has_successor: bool,
    /// Bytes of the largest field; the decoder reserves many times of it.
    pub(super) largest_field_bytes: u64,
    /// Offset and size of the ICC profile.
    icc_profile: Option<(u64, u64)>,
}

/// Tag of the ICC profile (ICC.1, annex B.4).
const ICC_PROFILE: u64 = 34675;

impl TiffDirectory {
    /// `None` if the directory is not where it should be; the decoder will say so in better words.
    ///
    /// Source: TIFF 6.0, section 2; BigTIFF.
    pub(super) fn read(path: &Path) -> Option<Self> {
        let mut file = Numbers::open(path)?;
        let is_big = file.number::<2>()? == 43;
        let offset =
            if is_big { file.skip(4).and_then(|()| file.number::<8>())? } else { file.number::<4>()? };
        file.reader.seek(SeekFrom::Start(offset)).ok()?;
        let entries = if is_big { file.number::<8>()? } else { file.number::<2>()? };
        let mut largest_field_bytes = 0;
        let mut icc_profile = None;
        for _ in 0..entries.min(u64::from(u16::MAX)) {
            let tag = file.number::<2>()?;
            let value_bytes = match file.number::<2>()? {
                1 | 2 | 6 | 7 => 1,
                3 | 8 => 2,
                4 | 9 | 11 | 13 => 4,
                _ => 8,
            };
            let count = if is_big { file.number::<8>()? } else { file.number::<4>()? };
            let value = if is_big { file.number::<8>()? } else { file.number::<4>()? };
            let bytes = count.saturating_mul(value_bytes);
            largest_field_bytes = largest_field_bytes.max(bytes);
            if tag == ICC_PROFILE {
                icc_profile = Some((value, bytes));
            }
        }
        // Without the link at its end a directory is still complete enough for a decoder.
        let link = if is_big { file.number::<8>() } else { file.number::<4>() };
        Some(Self { has_successor: link.is_some_and(|next| next != 0), largest_field_bytes, icc_profile })
    }

    /// Bytes of the ICC profile, if there is one; none of them if it is too large or not in the file.
    pub(super) fn icc_profile(&self, path: &Path) -> Option<Vec<u8>> {
        let (offset, bytes) = self.icc_profile?;
        let read = || {
            let mut file = File::open(path).ok().filter(|_| bytes <= MAX_PROFILE_BYTES as u64)?;
            file.seek(SeekFrom::Start(offset)).ok()?;
            let mut profile = vec![0; bytes as usize];
            file.read_exact(&mut profile).ok().map(|()| profile)
        };
        Some(read().unwrap_or_default())
    }
}

struct Numbers {
    reader: BufReader<File>,
    is_big_endian: bool,
}

impl Numbers {
    fn open(path: &Path) -> Option<Self> {
        let mut reader = BufReader::new(File::open(path).ok()?);
        let mut mark = [0; 2];
        reader.read_exact(&mut mark).ok()?;
        Some(Self { reader, is_big_endian: &mark == b"MM" })
    }

    fn number<const N: usize>(&mut self) -> Option<u64> {
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes).ok()?;
        let fold = |n: u64, byte: &u8| n << 8 | u64::from(*byte);
        Some(if self.is_big_endian { bytes.iter().fold(0, fold) } else { bytes.iter().rev().fold(0, fold) })
    }

    fn skip(&mut self, bytes: i64) -> Option<()> {
        self.reader.seek_relative(bytes).ok()
    }
}
