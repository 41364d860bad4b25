//! Where the bytes of one DICOM object are, and bounded reading from there.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::archive::ZipArchiveFile;

/// Where one DICOM object is stored.
#[derive(Debug, Clone)]
pub(crate) enum Location {
    /// A file of its own.
    File(PathBuf),
    /// Member `index` of a ZIP archive; `path` is the archive's path joined with the name inside.
    ZipMember { archive: Arc<ZipArchiveFile>, index: usize, path: PathBuf },
}

impl Location {
    /// The path to show to a person.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::ZipMember { path, .. } => path,
        }
    }

    /// Opens the object for reading at any offset.
    pub(crate) fn open(&self) -> io::Result<Bytes> {
        match self {
            Self::File(path) => Bytes::open(path),
            Self::ZipMember { archive, index, .. } => Ok(Bytes::in_memory(archive.read_member(*index)?)),
        }
    }
}

/// Smallest read from disk while walking a header: most headers fit into one.
const WINDOW_BYTES: usize = 16 << 10;

/// Bytes that can be read at any offset: a file behind a small window, or a buffer.
#[derive(Debug)]
pub(crate) struct Bytes {
    file: Option<File>,
    /// The whole object, or the part of the file from `window_start`.
    window: Vec<u8>,
    window_start: u64,
    len: u64,
}

impl Bytes {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(Self { file: Some(file), window: Vec::new(), window_start: 0, len: metadata.len() })
    }

    /// Bytes that are already in memory.
    pub(crate) fn in_memory(bytes: Vec<u8>) -> Self {
        Self { file: None, len: bytes.len() as u64, window: bytes, window_start: 0 }
    }

    /// Size of the object.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Exactly `count` bytes at `offset`, or `None` if the object ends before.
    pub(crate) fn at(&mut self, offset: u64, count: usize) -> io::Result<Option<&[u8]>> {
        let Some(end) = offset.checked_add(count as u64).filter(|&end| end <= self.len) else {
            return Ok(None);
        };
        let window_end = self.window_start + self.window.len() as u64;
        if offset < self.window_start || end > window_end {
            let Some(file) = &self.file else { return Ok(None) };
            let wanted = (count.max(WINDOW_BYTES) as u64).min(self.len - offset) as usize;
            self.window.resize(wanted, 0);
            self.window_start = offset;
            if let Err(error) = read_exact_at(file, &mut self.window, offset) {
                self.window.clear();
                return Err(error);
            }
        }
        let start = (offset - self.window_start) as usize;
        Ok(self.window.get(start..start + count))
    }

    /// Fills `target` from `offset` without a detour through the window.
    pub(crate) fn read_into(&self, offset: u64, target: &mut [u8]) -> io::Result<()> {
        match &self.file {
            Some(file) => read_exact_at(file, target, offset),
            None => {
                let source = usize::try_from(offset)
                    .ok()
                    .and_then(|start| self.window.get(start..start.checked_add(target.len())?))
                    .ok_or(io::ErrorKind::UnexpectedEof)?;
                target.copy_from_slice(source);
                Ok(())
            }
        }
    }

    /// Everything from `offset` to the end; never more than the object holds.
    pub(crate) fn rest(&self, offset: u64) -> io::Result<Vec<u8>> {
        let mut rest = vec![0; usize::try_from(self.len.saturating_sub(offset)).unwrap_or(0)];
        self.read_into(offset, &mut rest)?;
        Ok(rest)
    }
}

/// Reads at an offset without a shared cursor, so that threads may read one file at once.
#[cfg(unix)]
fn read_exact_at(file: &File, target: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, target, offset)
}

/// Reads at an offset without relying on the cursor, so that threads may read one file at once.
#[cfg(windows)]
fn read_exact_at(file: &File, mut target: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !target.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, target, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                offset += count as u64;
                target = target.get_mut(count..).unwrap_or_default();
            }
        }
    }
    Ok(())
}

/// Reads all of `source` as long as it stays below `limit` bytes.
///
/// `expected` is only a hint for the allocation and is not trusted beyond 1 MiB.
pub(crate) fn read_bounded(source: impl Read, expected: u64, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(expected.min(limit).min(1 << 20) as usize);
    let read = source.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if read as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "unpacks to more than its size allows"));
    }
    Ok(bytes)
}
