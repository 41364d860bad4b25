//! One file on its way in.

use std::fs::File;
use std::io::{self, Write};

use platform_api::id::PayloadId;
use sha2::{Digest, Sha256};

use super::beneath::{self, Folder};
use super::error::PayloadError;
use super::name::PayloadName;
use super::store::{INPUT, Inner, PayloadStore, of_payload};
use crate::repository::{Change, PayloadFileRow, PayloadKind, PayloadState, fold_case};

/// Files from this length on are pressed to the disk by themselves, without making others wait.
const LARGE_BYTES: u64 = 4 << 20;

/// Files without permission bits get these.
const DEFAULT_MODE: u32 = 0o644;

/// A file that is written chunk by chunk and counts only when it is [finished](Upload::finish). Dropped before that,
/// it leaves nothing behind.
pub struct Upload {
    store: PayloadStore,
    id: PayloadId,
    name: PayloadName,
    mode: u32,
    incoming: Incoming,
    hash: Sha256,
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
    pub fn upload(&self, id: PayloadId, name: &PayloadName, mode: u32) -> Result<Upload, PayloadError> {
        let row = self.payload(id)?;
        match row.state {
            PayloadState::Open => {}
            PayloadState::Frozen => return Err(PayloadError::ReadOnly { id }),
            PayloadState::Missing => return Err(PayloadError::FolderMissing { id }),
        }
        let name = match row.kind {
            PayloadKind::Pipeline => name.beneath(INPUT)?,
            PayloadKind::Reusable => name.clone(),
        };
        let mode = if mode & 0o777 == 0 { DEFAULT_MODE } else { mode & 0o777 };
        let incoming = Incoming::new(&self.0)?;
        let store = self.clone();
        Ok(Upload { store, id, name, mode, incoming, hash: Sha256::new(), size_bytes: 0, is_broken: false })
    }
}

impl Upload {
    /// The file's name in the payload.
    pub fn name(&self) -> &PayloadName {
        &self.name
    }

    /// Adds a chunk. After an error the upload is broken and can only be dropped.
    ///
    /// # Errors
    /// [`PayloadError::DiskFull`] and others of the disk.
    pub fn write(&mut self, chunk: &[u8]) -> Result<(), PayloadError> {
        if self.is_broken {
            return Err(PayloadError::UploadBroken);
        }
        // Until the chunk is written the length is not known.
        self.is_broken = true;
        self.incoming.file()?.write_all(chunk)?;
        self.hash.update(chunk);
        self.size_bytes += chunk.len() as u64;
        self.is_broken = false;
        Ok(())
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
            path: self.name.as_str().to_owned(),
            size_bytes: self.size_bytes,
            sha256: std::mem::take(&mut self.hash).finalize().into(),
            mode: self.mode,
            stored: None,
        };
        let inner = &self.store.0;
        let file = self.incoming.file()?;
        beneath::seal(file, self.mode)?;
        if self.size_bytes >= LARGE_BYTES {
            file.sync_all()?;
        } else {
            inner.sync.sync(vec![file.try_clone()?])?;
        }
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
        place(&self.incoming, &folder, last).map_err(|error| self.not_a_folder(error))?;
        self.incoming.file = None;
        let committed = inner.sync.sync(unsynced).map_err(PayloadError::from).and_then(|()| {
            inner.settle(self.id, made);
            let change = Change::AddPayloadFile(self.id, row.clone());
            inner.repository.commit(vec![change]).wait().map_err(|error| of_payload(self.id, error))
        });
        match committed {
            Ok(_) => Ok(row),
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
