//! Where the bytes of one DICOM object are, and bounded reading from there.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::DeflateDecoder;

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

    /// The bytes of a member of an archive; `None` for a file of its own.
    pub(crate) fn unpacked(&self) -> io::Result<Option<Vec<u8>>> {
        match self {
            Self::File(_) => Ok(None),
            Self::ZipMember { archive, index, .. } => archive.read_member(*index).map(Some),
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

/// Bytes that can be read at any offset: a file behind a small window, a buffer, or a stream that is unpacked as it
/// is read.
#[derive(Debug)]
pub(crate) struct Bytes {
    source: Source,
    /// The whole object, or the part of it from `window_start`.
    window: Vec<u8>,
    window_start: u64,
    len: u64,
}

#[derive(Debug)]
enum Source {
    File(File),
    /// Everything there is lies in the window.
    Memory,
    /// Only walked forwards.
    Deflated(Box<Inflating>),
}

impl Bytes {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(Self { source: Source::File(file), window: Vec::new(), window_start: 0, len: metadata.len() })
    }

    /// Bytes that are already in memory.
    pub(crate) fn in_memory(bytes: Vec<u8>) -> Self {
        Self { source: Source::Memory, len: bytes.len() as u64, window: bytes, window_start: 0 }
    }

    /// What the deflated data from `start` on unpacks to, unpacked no further than somebody asks for.
    ///
    /// The new object may only be walked forwards, and only so far as a header may reach.
    pub(crate) fn inflating(self, start: u64) -> io::Result<Self> {
        let packed_len = self.len.saturating_sub(start);
        let (stream, len) = (self.inflater(start)?, inflated_limit(packed_len));
        let inflating = Box::new(Inflating { stream, position: 0, is_done: false });
        Ok(Self { source: Source::Deflated(inflating), window: Vec::new(), window_start: 0, len })
    }

    /// The bytes `offset .. offset + count` of what the deflated data from `start` on unpacks to; fewer if it ends.
    ///
    /// Offsets of the new object count from the beginning of the unpacked data.
    pub(crate) fn inflated(self, start: u64, offset: u64, count: u64) -> io::Result<Self> {
        let packed_len = self.len.saturating_sub(start);
        let mut stream = self.inflater(start)?;
        io::copy(&mut stream.by_ref().take(offset), &mut io::sink())?;
        let limit = count.min(inflated_limit(packed_len));
        let mut window = Vec::with_capacity(limit.min(packed_len).min(1 << 30) as usize);
        stream.take(limit).read_to_end(&mut window)?;
        let len = offset + window.len() as u64;
        Ok(Self { source: Source::Memory, window, window_start: offset, len })
    }

    /// All that the deflated data from `start` on unpacks to, in a file that has no name: readable in any order, and
    /// no larger in memory than a window.
    ///
    /// Damage is an error here.
    pub(crate) fn unpacked(self, start: u64) -> io::Result<Self> {
        let limit = inflated_limit(self.len.saturating_sub(start));
        let mut file = tempfile::tempfile()?;
        let len = io::copy(&mut self.inflater(start)?.0.take(limit + 1), &mut file)?;
        if len > limit {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "unpacks to more than any object holds"));
        }
        Ok(Self { source: Source::File(file), window: Vec::new(), window_start: 0, len })
    }

    fn inflater(self, start: u64) -> io::Result<Stream> {
        let packed: Box<dyn Read + Send + Sync> = match self.source {
            Source::File(mut file) => {
                file.seek(SeekFrom::Start(start))?;
                Box::new(file)
            }
            Source::Memory | Source::Deflated(_) => {
                let mut packed = io::Cursor::new(self.window);
                packed.set_position(start.saturating_sub(self.window_start));
                Box::new(packed)
            }
        };
        Ok(UntilDamage(DeflateDecoder::new(packed)))
    }

    /// Size of the object; of data that is unpacked on the way, the most it can be until its end was seen.
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
            let file = match &mut self.source {
                Source::File(file) => file,
                Source::Memory => return Ok(None),
                Source::Deflated(inflating) => {
                    if offset < self.window_start {
                        return Err(io::Error::other("unpacked data is only read forwards"));
                    }
                    inflating.slide(&mut self.window, &mut self.window_start, offset, end)?;
                    if inflating.is_done {
                        self.len = inflating.position;
                    }
                    let start = offset.saturating_sub(self.window_start) as usize;
                    return Ok(self.window.get(start..start + count));
                }
            };
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
        match &self.source {
            Source::File(file) => read_exact_at(file, target, offset),
            Source::Memory | Source::Deflated(_) => {
                let source = offset
                    .checked_sub(self.window_start)
                    .and_then(|start| usize::try_from(start).ok())
                    .and_then(|start| self.window.get(start..start.checked_add(target.len())?))
                    .ok_or(io::ErrorKind::UnexpectedEof)?;
                target.copy_from_slice(source);
                Ok(())
            }
        }
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

/// Most of a deflated object that is unpacked in search of its pixel data.
const MAX_INFLATED_HEADER_BYTES: u64 = 256 << 20;
/// Largest data set that a deflated file may unpack to.
const MAX_INFLATED_BYTES: u64 = 4 << 30;
/// Bytes kept behind the place that was read last.
const KEPT_BEHIND_BYTES: u64 = 1 << 20;

/// The most that so many deflated bytes can unpack to.
fn inflated_limit(packed_len: u64) -> u64 {
    packed_len.saturating_mul(1032).saturating_add(64).min(MAX_INFLATED_BYTES)
}

type Stream = UntilDamage<DeflateDecoder<Box<dyn Read + Send + Sync>>>;

/// A stream whose damage counts as its end, so that what precedes it is kept.
struct UntilDamage<R>(R);

impl<R: Read> Read for UntilDamage<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        Ok(self.0.read(target).unwrap_or(0))
    }
}

struct Inflating {
    stream: Stream,
    /// Bytes unpacked so far; the window ends here.
    position: u64,
    is_done: bool,
}

impl std::fmt::Debug for Inflating {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflating").field("position", &self.position).finish_non_exhaustive()
    }
}

impl Inflating {
    /// Unpacks until the window reaches `end`, and lets go of what lies well before `offset`.
    fn slide(
        &mut self,
        window: &mut Vec<u8>,
        window_start: &mut u64,
        offset: u64,
        end: u64,
    ) -> io::Result<()> {
        while self.position < end && !self.is_done {
            let passed = offset.min(self.position).saturating_sub(*window_start);
            if passed > KEPT_BEHIND_BYTES {
                window.drain(..passed as usize);
                *window_start += passed;
            }
            if self.position > MAX_INFLATED_HEADER_BYTES {
                let reason = "unpacks to a header larger than any image has";
                return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
            }
            let wanted = (end - self.position).clamp(WINDOW_BYTES as u64, 256 << 10);
            let read = self.stream.by_ref().take(wanted).read_to_end(window)? as u64;
            self.position += read;
            self.is_done = read < wanted;
        }
        Ok(())
    }
}

/// Unpacks a raw deflate stream of at most `limit` bytes; what precedes damage at its end is kept.
pub(crate) fn inflate_bytes(packed: &[u8], limit: u64) -> io::Result<Vec<u8>> {
    read_bounded(UntilDamage(DeflateDecoder::new(packed)), packed.len() as u64 * 4, limit)
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
