//! One file on its way in.

use std::fs::File;
use std::io::{self, Write};

use bytes::Bytes;
use platform_api::id::PayloadId;
use platform_api::payload::PayloadPath;

use super::beneath::{self, Folder};
use super::digest::Digest;
use super::error::PayloadError;
use super::store::{INPUT, Inner, PayloadStore, of_payload};
use crate::repository::{Change, ContentRow, PayloadFileRow, PayloadKind, PayloadState, fold_case};

/// Long files begin to go to the disk in parts of this size.
const PART_BYTES: u64 = 16 << 20;

/// Files without permission bits get these.
const DEFAULT_MODE: u32 = 0o644;

/// A file that is written chunk by chunk and counts only when it is [finished](Upload::finish). Dropped before that,
/// it leaves nothing behind.
pub struct Upload {
    store: PayloadStore,
    id: PayloadId,
    name: PayloadPath,
    mode: u32,
    /// The content as long as it is small.
    small: Option<Vec<u8>>,
    /// None before the content is too long to be small.
    incoming: Option<Incoming>,
    hash: Digest,
    size_bytes: u64,
    is_broken: bool,
}

/// A file in the folder of those on their way in; goes with its holder unless it was moved.
struct Incoming {
    folder: Folder,
    name: String,
    file: Option<File>,
}

impl Incoming {
    fn new(inner: &Inner) -> io::Result<Self> {
        let (folder, name) = (inner.incoming.again()?, inner.new_name());
        let file = folder.new_file(&name)?;
        Ok(Self { folder, name, file: Some(file) })
    }

    fn file(&self) -> Result<&File, PayloadError> {
        self.file.as_ref().ok_or(PayloadError::UploadBroken)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if self.file.take().is_some()
            && let Err(error) = self.folder.remove_file(self.name.as_ref())
        {
            tracing::warn!(%error, "an unfinished upload was not removed; it goes at the next start");
        }
    }
}

impl PayloadStore {
    /// Begins to take a file in. Into a job's payload, the name is relative to its input folder.
    ///
    /// # Errors
    /// [`PayloadError::Unknown`], [`ReadOnly`](PayloadError::ReadOnly), [`Name`](PayloadError::Name), and those of the
    /// disk.
    pub fn upload(&self, id: PayloadId, name: &PayloadPath, mode: u32) -> Result<Upload, PayloadError> {
        let row = self.payload(id)?;
        match row.state {
            PayloadState::Open => {}
            PayloadState::Frozen => return Err(PayloadError::ReadOnly { id }),
            PayloadState::Missing => return Err(PayloadError::FolderMissing { id }),
        }
        // Files that are there may have names that no new one may.
        let name = &PayloadPath::to_create(name.as_relative())?;
        let name = match row.kind {
            PayloadKind::Pipeline => name.within(INPUT)?,
            PayloadKind::Reusable => name.clone(),
        };
        let mode = if mode & 0o777 == 0 { DEFAULT_MODE } else { mode & 0o777 };
        let store = self.clone();
        let small = self.0.flusher.takes(0).then(Vec::new);
        let hash = Digest::new();
        Ok(Upload { store, id, name, mode, small, incoming: None, hash, size_bytes: 0, is_broken: false })
    }
}

impl Upload {
    /// The file's name in the payload.
    pub fn name(&self) -> &PayloadPath {
        &self.name
    }

    /// Adds a chunk. After an error the upload is broken and can only be dropped.
    ///
    /// # Errors
    /// [`PayloadError::DiskFull`] and others of the disk.
    pub fn write(&mut self, chunk: Bytes) -> Result<(), PayloadError> {
        if self.is_broken {
            return Err(PayloadError::UploadBroken);
        }
        // Until the chunk is written the length is not known.
        self.is_broken = true;
        match &mut self.small {
            Some(small) if self.store.0.flusher.takes(small.len() + chunk.len()) => {
                small.extend_from_slice(&chunk)
            }
            _ => {
                self.hash.move_beside();
                self.incoming()?.write_all(&chunk)?;
                self.press_ahead(chunk.len() as u64)?;
            }
        }
        self.size_bytes += chunk.len() as u64;
        self.hash.update(chunk);
        self.is_broken = false;
        Ok(())
    }

    /// Lets the disk begin with what is there whenever another part of the file is full, so that the end, which waits
    /// for the disk, waits for the last part only. `written` bytes come after those counted so far.
    fn press_ahead(&mut self, written: u64) -> Result<(), PayloadError> {
        let (before, after) = (self.size_bytes / PART_BYTES, (self.size_bytes + written) / PART_BYTES);
        if after > before {
            beneath::begin_writing(self.incoming()?, before * PART_BYTES, (after - before) * PART_BYTES);
        }
        Ok(())
    }

    /// The file on disk; what was kept in memory goes there first.
    fn incoming(&mut self) -> Result<&File, PayloadError> {
        if self.incoming.is_none() {
            self.incoming = Some(Incoming::new(&self.store.0)?);
        }
        let incoming = self.incoming.as_ref().ok_or(PayloadError::UploadBroken)?;
        let mut file = incoming.file()?;
        if let Some(small) = self.small.take() {
            file.write_all(&small)?;
        }
        Ok(file)
    }

    /// Puts the file under its name and returns when it will outlive a crash.
    ///
    /// The same content under the same name once more is fine: clients repeat uploads whose answers were lost.
    ///
    /// # Errors
    /// [`PayloadError::FileExists`] when the name is taken, also in other letter case;
    /// [`ReadOnly`](PayloadError::ReadOnly) when the payload was frozen meanwhile; those of disk and repository. Nothing
    /// is visible then.
    pub fn finish(mut self) -> Result<PayloadFileRow, PayloadError> {
        if self.is_broken {
            return Err(PayloadError::UploadBroken);
        }
        let row = PayloadFileRow {
            path: self.name.as_relative().to_owned(),
            size_bytes: self.size_bytes,
            sha256: std::mem::replace(&mut self.hash, Digest::new())
                .finish()
                .ok_or(PayloadError::UploadBroken)?,
            mode: self.mode,
            stored: None,
        };
        let content = self.small.clone().map(|content| ContentRow { path: row.path.clone(), content });
        let mode = self.mode;
        let file = self.incoming()?;
        beneath::seal(file, mode)?;
        if content.is_none() {
            // Side by side with other uploads: the file system itself lets them share its journal's presses.
            file.sync_all()?;
        }
        let inner = &self.store.0;
        let _pass = inner.gates.publish(self.id, fold_case(&row.path));
        let taken = inner.repository.payload_files_like(self.id, &row.path)?;
        if let Some(taken) = taken.first() {
            let is_same =
                taken.path == row.path && taken.size_bytes == row.size_bytes && taken.sha256 == row.sha256;
            return if is_same {
                Ok(taken.clone())
            } else {
                Err(PayloadError::FileExists { name: format!("/{}", taken.path) })
            };
        }
        if self.store.payload(self.id)?.state != PayloadState::Open {
            return Err(PayloadError::ReadOnly { id: self.id });
        }
        let root = inner.payload_folder(self.id)?;
        let (segments, last) = self.name.split();
        let parent = inner.parent(self.id, &root, &segments).map_err(|error| self.not_a_folder(error))?;
        let (folder, unsynced, made) = parent;
        if let Some(mut incoming) = self.incoming.take() {
            place(&incoming, &folder, last).map_err(|error| self.not_a_folder(error))?;
            incoming.file = None;
        }
        let mut changes = vec![Change::AddPayloadFile(self.id, row.clone())];
        let is_kept = content.is_some();
        let synced = match content {
            Some(content) => {
                changes.push(Change::KeepContent(self.id, content));
                Ok(())
            }
            None => inner.sync.sync(unsynced).map(|()| inner.settle(self.id, made)),
        };
        let committed = synced.map_err(PayloadError::from).and_then(|()| {
            inner.repository.commit(changes).wait().map_err(|error| of_payload(self.id, error))
        });
        match committed {
            Ok(_) => {
                if is_kept {
                    inner.flusher.add(size_of_small(&row));
                }
                Ok(row)
            }
            Err(error) => {
                // Without a record it is nobody's file.
                if let Err(error) = folder.remove_file(last.as_ref()) {
                    tracing::warn!(%error, "a file without a record was not removed; it goes at the next start");
                }
                Err(error)
            }
        }
    }

    fn not_a_folder(&self, error: io::Error) -> PayloadError {
        match error.kind() {
            io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::CrossesDevices
            | io::ErrorKind::AlreadyExists => PayloadError::NotAFolder { name: self.name.to_string() },
            _ => error.into(),
        }
    }
}

fn size_of_small(row: &PayloadFileRow) -> usize {
    usize::try_from(row.size_bytes).unwrap_or(usize::MAX)
}

/// Moves the file under its name. What is there without a record was left by a failure and goes.
fn place(incoming: &Incoming, folder: &Folder, name: &str) -> io::Result<()> {
    match incoming.folder.move_to(&incoming.name, folder, name) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            folder.remove_file(name.as_ref())?;
            incoming.folder.move_to(&incoming.name, folder, name)
        }
        done => done,
    }
}
