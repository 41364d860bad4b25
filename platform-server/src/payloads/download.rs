//! One file on its way out.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use platform_api::id::PayloadId;
use platform_api::payload::PayloadPath;
use sha2::{Digest, Sha256};

use super::error::PayloadError;
use super::store::{PayloadStore, disk_path};
use crate::repository::PayloadFileRow;

/// No chunk is longer than this.
pub const CHUNK_BYTES: usize = 256 << 10;

/// A file that is read chunk by chunk. A file that is removed meanwhile is still read to its end.
pub struct Download {
    row: PayloadFileRow,
    file: File,
    left_bytes: u64,
    /// None when only a part is read.
    hash: Option<Sha256>,
}

impl PayloadStore {
    /// Opens a file to be read whole. Its content is held against the hash in its record on the way.
    ///
    /// # Errors
    /// [`PayloadError::NoSuchFile`]; [`Ambiguous`](PayloadError::Ambiguous) when several names differ in letter case
    /// only and none is the exact one; [`Damaged`](PayloadError::Damaged) when its length is another one.
    pub fn download(&self, id: PayloadId, name: &PayloadPath) -> Result<Download, PayloadError> {
        let row = self.find(id, name)?;
        let shown = || format!("/{}", row.path);
        let file = self.0.payload_folder(id)?.file(&disk_path(&row)).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => PayloadError::NoSuchFile { name: shown() },
            std::io::ErrorKind::NotADirectory
            | std::io::ErrorKind::CrossesDevices
            | std::io::ErrorKind::InvalidInput => PayloadError::NotAFolder { name: shown() },
            _ => error.into(),
        })?;
        let found_bytes = file.metadata()?.len();
        if found_bytes != row.size_bytes {
            return Err(PayloadError::Damaged { name: shown(), expected_bytes: row.size_bytes, found_bytes });
        }
        Ok(Download { left_bytes: row.size_bytes, row, file, hash: Some(Sha256::new()) })
    }
}

impl Download {
    /// The file's record: name, length, mode.
    pub fn file(&self) -> &PayloadFileRow {
        &self.row
    }

    /// Reads only `length` bytes from `offset` on, as far as there are any. The hash is not looked at then.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn part(mut self, offset: u64, length: u64) -> Result<Self, PayloadError> {
        let offset = offset.min(self.row.size_bytes);
        self.file.seek(SeekFrom::Start(offset))?;
        self.left_bytes = length.min(self.row.size_bytes - offset);
        self.hash = None;
        Ok(self)
    }

    /// The next chunk, at most [`CHUNK_BYTES`] long; none at the end.
    ///
    /// # Errors
    /// [`PayloadError::Damaged`] instead of the last chunk when the content is not what was stored.
    pub fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, PayloadError> {
        let length = CHUNK_BYTES.min(usize::try_from(self.left_bytes).unwrap_or(CHUNK_BYTES));
        if length == 0 {
            return Ok(None);
        }
        let mut chunk = vec![0; length];
        if let Err(error) = self.file.read_exact(&mut chunk) {
            // Cut since it was opened.
            let found_bytes = self.file.metadata()?.len();
            let is_cut = error.kind() == std::io::ErrorKind::UnexpectedEof;
            return Err(if is_cut { self.damaged(found_bytes) } else { error.into() });
        }
        self.left_bytes -= length as u64;
        if let Some(hash) = &mut self.hash {
            hash.update(&chunk);
            if self.left_bytes == 0 && <[u8; 32]>::from(std::mem::take(hash).finalize()) != self.row.sha256 {
                return Err(self.damaged(self.row.size_bytes));
            }
        }
        Ok(Some(chunk))
    }

    fn damaged(&self, found_bytes: u64) -> PayloadError {
        let name = format!("/{}", self.row.path);
        PayloadError::Damaged { name, expected_bytes: self.row.size_bytes, found_bytes }
    }
}
