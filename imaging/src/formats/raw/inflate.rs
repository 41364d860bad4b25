//! Reads gzip and zlib streams, with their checksums.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::bufread::{GzDecoder, ZlibDecoder};

use super::damaged;
use crate::ImagingError;
use crate::source::Progress;

/// Whether these are the first bytes of a gzip stream.
pub(crate) fn is_gzip(head: &[u8]) -> bool {
    head.starts_with(&[0x1f, 0x8b])
}

/// A compressed stretch of a file. A gzip file may have several members, which follow each other as one stream.
pub(crate) struct Inflate {
    path: PathBuf,
    stream: Stream,
}

enum Stream {
    Gzip(GzDecoder<BufReader<File>>),
    Zlib(ZlibDecoder<BufReader<File>>),
    /// Between two members while the next one is opened.
    Ended,
}

impl Inflate {
    pub(crate) fn open(path: &Path, offset: u64) -> Result<Self, ImagingError> {
        let io = |e| ImagingError::io(path, e);
        let mut file = File::open(path).map_err(io)?;
        file.seek(SeekFrom::Start(offset)).map_err(io)?;
        let mut reader = BufReader::with_capacity(1 << 18, file);
        let stream = if is_gzip(reader.fill_buf().map_err(io)?) {
            Stream::Gzip(GzDecoder::new(reader))
        } else {
            Stream::Zlib(ZlibDecoder::new(reader))
        };
        Ok(Self { path: path.to_path_buf(), stream })
    }

    /// Fills the buffer as far as the stream goes; returns the bytes written.
    ///
    /// # Errors
    /// [`ImagingError::Damaged`] if the stream is corrupt. A stream that just stops is not an error here.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, ImagingError> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.read_some(rest) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => break,
                Err(e) => return Err(self.broken(&e)),
            }
        }
        Ok(filled)
    }

    /// Inflates and throws away; returns the number of bytes there were, at most `limit`.
    pub(crate) fn count_up_to(&mut self, limit: u64, progress: &Progress) -> Result<u64, ImagingError> {
        let mut buffer = vec![0; limit.min(1 << 16) as usize];
        let mut count = 0;
        while count < limit {
            progress.check()?;
            let want = (limit - count).min(buffer.len() as u64) as usize;
            let filled = self.fill(buffer.get_mut(..want).unwrap_or_default())?;
            count += filled as u64;
            if filled < want {
                break;
            }
        }
        Ok(count)
    }

    /// Called when everything that was wanted has been read: lets the decoder check the checksum if the stream
    /// ends here. What follows is of no interest.
    pub(crate) fn check_end(&mut self) -> Result<(), ImagingError> {
        let mut one = [0];
        match self.read_some(&mut one) {
            Ok(_) => Ok(()),
            // The checksum itself is cut off: every voxel is there.
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Ok(()),
            Err(e) => Err(self.broken(&e)),
        }
    }

    fn read_some(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let read = match &mut self.stream {
                Stream::Gzip(decoder) => decoder.read(buffer)?,
                Stream::Zlib(decoder) => decoder.read(buffer)?,
                Stream::Ended => 0,
            };
            if read > 0 || buffer.is_empty() || !self.open_next_member()? {
                return Ok(read);
            }
        }
    }

    /// After the end of a gzip member; zeros or other bytes that pad the file are no member.
    fn open_next_member(&mut self) -> std::io::Result<bool> {
        let Stream::Gzip(decoder) = std::mem::replace(&mut self.stream, Stream::Ended) else {
            return Ok(false);
        };
        let mut reader = decoder.into_inner();
        let has_next = is_gzip(reader.fill_buf()?);
        if has_next {
            self.stream = Stream::Gzip(GzDecoder::new(reader));
        }
        Ok(has_next)
    }

    fn broken(&self, error: &std::io::Error) -> ImagingError {
        damaged(&self.path, format!("compressed data cannot be inflated ({error})"))
    }
}
