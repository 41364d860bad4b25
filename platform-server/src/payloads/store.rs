//! The store: where payloads are made, listed, frozen and deleted.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use platform_api::id::{JobId, PayloadId};
use platform_api::payload::PayloadPath;

use super::beneath::{Folder, Kind};
use super::capacity::{self, Capacity, DeviceCapacity};
use super::error::PayloadError;
use super::flush::Flusher;
use super::gate::Gates;
use super::sync::GroupSync;
use crate::repository::{
    Change, Metadata, PayloadFileRow, PayloadKind, PayloadRow, PayloadState, Repository, RepositoryError,
};

/// Where uploads to a job's payload go.
pub(super) const INPUT: &str = "input";
/// Where operators write.
pub(super) const OPERATORS: &str = "operators";

/// Rows read from the repository at a time.
pub(super) const PAGE: usize = 1000;

/// How a store behaves.
#[derive(Debug, Clone, Copy)]
pub struct PayloadOptions {
    /// New payloads are refused when more of the device than this is in use.
    pub limit_percent: u8,
}

impl Default for PayloadOptions {
    fn default() -> Self {
        Self { limit_percent: 80 }
    }
}

/// How long payloads of jobs that are over are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// After jobs that ended well.
    pub healthy: Duration,
    /// After all others: somebody may want to know why.
    pub others: Duration,
}

/// Keeps the files of payloads. A clone is another handle to the same store.
#[derive(Clone)]
pub struct PayloadStore(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) data: PathBuf,
    pub(super) payloads: Folder,
    pub(super) incoming: Folder,
    pub(super) trash: Folder,
    pub(super) repository: Arc<dyn Repository>,
    pub(super) gates: Gates,
    pub(super) sync: GroupSync,
    pub(super) flusher: Flusher,
    /// Folders whose names are not known to be on the disk yet.
    fresh: Mutex<HashMap<PayloadId, HashSet<String>>>,
    capacity: Box<dyn Capacity>,
    options: PayloadOptions,
    next_name: AtomicU64,
    pub(super) can_reflink: AtomicBool,
}

/// A payload whose folder exists and whose record does not yet: commit `changes` together with the job's.
#[derive(Debug)]
#[must_use = "commit the changes, or abandon the payload"]
pub struct Prepared {
    /// Its identifier.
    pub id: PayloadId,
    /// Its records.
    pub changes: Vec<Change>,
}

impl PayloadStore {
    /// Opens the folders beneath `data`, makes them where they are missing.
    ///
    /// One process at a time may use them: the repository's lock sees to that.
    ///
    /// # Errors
    /// [`PayloadError::Folder`].
    pub fn open(
        data: &Path,
        repository: Arc<dyn Repository>,
        options: PayloadOptions,
    ) -> Result<Self, PayloadError> {
        Self::open_with(data, repository, options, Box::new(DeviceCapacity))
    }

    /// The same with another way to ask how full the device is.
    ///
    /// # Errors
    /// [`PayloadError::Folder`].
    pub fn open_with(
        data: &Path,
        repository: Arc<dyn Repository>,
        options: PayloadOptions,
        capacity: Box<dyn Capacity>,
    ) -> Result<Self, PayloadError> {
        let open = |name: &str| {
            let path = data.join(name);
            fs::create_dir_all(&path)
                .and_then(|()| Folder::open(&path))
                .map_err(|source| PayloadError::Folder { path, source })
        };
        let payloads = open("payloads")?;
        let sync = GroupSync::new(payloads.again()?.into_file()?);
        Ok(Self(Arc::new(Inner {
            data: data.to_owned(),
            flusher: Flusher::start(payloads.again()?.into_file()?, Arc::clone(&repository))?,
            payloads,
            incoming: open("incoming")?,
            trash: open("trash")?,
            repository,
            gates: Gates::default(),
            sync,
            fresh: Mutex::default(),
            capacity,
            options,
            next_name: AtomicU64::new(0),
            can_reflink: AtomicBool::new(true),
        })))
    }

    /// The folder of a payload, for those who start operators.
    pub fn folder(&self, id: PayloadId) -> PathBuf {
        self.0.data.join("payloads").join(id.to_string())
    }

    /// Makes an empty reusable payload.
    ///
    /// # Errors
    /// [`PayloadError::StorageFull`] and those of disk and repository.
    pub fn create(
        &self,
        id: PayloadId,
        created_ms: i64,
        metadata: Metadata,
    ) -> Result<PayloadRow, PayloadError> {
        self.check_capacity()?;
        let inner = &self.0;
        inner.make_folder(id)?;
        inner.sync.sync(vec![inner.payloads.again()?.into_file()?])?;
        let kind = PayloadKind::Reusable;
        let change = Change::CreatePayload { id, kind, job: None, created_ms, metadata: metadata.clone() };
        inner.repository.commit(vec![change]).wait()?;
        Ok(PayloadRow { id, kind, job: None, created_ms, state: PayloadState::Open, metadata })
    }

    /// Makes the payload of a job, with the files of reusable payloads as its input.
    ///
    /// The caller commits [`Prepared::changes`] behind the job's own, or [abandons](Self::abandon) the payload.
    ///
    /// # Errors
    /// [`PayloadError::StorageFull`], [`SameNameInInputs`](PayloadError::SameNameInInputs) before anything is copied,
    /// [`NotReusable`](PayloadError::NotReusable), and those of disk and repository.
    pub fn prepare_for_job(
        &self,
        id: PayloadId,
        job: JobId,
        created_ms: i64,
        inputs: &[PayloadId],
    ) -> Result<Prepared, PayloadError> {
        self.check_capacity()?;
        let kind = PayloadKind::Pipeline;
        let create =
            Change::CreatePayload { id, kind, job: Some(job), created_ms, metadata: Metadata::new() };
        let plan = self.plan_copies(inputs)?;
        let files = self.copy_into_new(id, &plan).inspect_err(|_| self.remove_folder(id))?;
        let mut changes = vec![create];
        if !files.is_empty() {
            changes.push(Change::PutPayloadFiles(id, files));
        }
        Ok(Prepared { id, changes })
    }

    /// Removes a prepared payload whose records were not committed.
    pub fn abandon(&self, prepared: Prepared) {
        self.remove_folder(prepared.id);
    }

    /// A payload's record.
    ///
    /// # Errors
    /// [`PayloadError::Unknown`].
    pub fn payload(&self, id: PayloadId) -> Result<PayloadRow, PayloadError> {
        self.0.repository.payload(id)?.ok_or(PayloadError::Unknown { id })
    }

    /// A payload's files, in an order that does not change, read a page at a time.
    ///
    /// # Errors
    /// [`PayloadError::Unknown`].
    pub fn files(&self, id: PayloadId) -> Result<Files, PayloadError> {
        self.payload(id)?;
        Ok(Files {
            repository: Arc::clone(&self.0.repository),
            id,
            page: Vec::new().into_iter(),
            after: None,
            is_over: false,
        })
    }

    /// Removes one file of an open payload.
    ///
    /// # Errors
    /// As for [`download`](Self::download), and [`PayloadError::ReadOnly`].
    pub fn remove(&self, id: PayloadId, name: &PayloadPath) -> Result<(), PayloadError> {
        let _alone = self.0.gates.alone(id);
        let row = self.find(id, name)?;
        let removed = self.0.repository.commit(vec![Change::RemovePayloadFile(id, row.path.clone())]).wait();
        removed.map_err(|error| of_payload(id, error))?;
        // The record is gone, so a file that stays is nobody's and goes at the next start.
        match self.0.payload_folder(id)?.remove_file(&disk_path(&row)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Removes a payload with all its files, for good.
    ///
    /// # Errors
    /// [`PayloadError::Unknown`] and those of the repository.
    pub fn delete(&self, id: PayloadId) -> Result<(), PayloadError> {
        let _alone = self.0.gates.alone(id);
        let removed = self.0.repository.commit(vec![Change::RemovePayload(id)]).wait();
        removed.map_err(|error| of_payload(id, error))?;
        self.remove_folder(id);
        Ok(())
    }

    /// Makes a payload read-only for clients, before its job starts. Uploads that are under way are refused at their
    /// end.
    ///
    /// # Errors
    /// [`PayloadError::Unknown`], [`FolderMissing`](PayloadError::FolderMissing), and those of disk and repository.
    pub fn freeze(&self, id: PayloadId) -> Result<(), PayloadError> {
        let _alone = self.0.gates.alone(id);
        if self.payload(id)?.state == PayloadState::Frozen {
            return Ok(());
        }
        self.seal_folders(id)?;
        let state = Change::SetPayloadState(id, PayloadState::Frozen);
        self.0.repository.commit(vec![state]).wait().map_err(|error| of_payload(id, error))?;
        Ok(())
    }

    /// Makes the folders that clients filled read-only; the files in them are since they came in.
    pub(super) fn seal_folders(&self, id: PayloadId) -> Result<(), PayloadError> {
        let folder = self.0.payload_folder(id)?;
        let sealed = match self.payload(id)?.kind {
            PayloadKind::Reusable => folder,
            PayloadKind::Pipeline => folder.folder(Path::new(INPUT))?,
        };
        Ok(for_each_folder(&sealed, &mut |folder| folder.set_mode(0o555))?)
    }

    /// Payloads of jobs that have been over for so long that they may go.
    ///
    /// # Errors
    /// Those of the repository.
    pub fn due(&self, now_ms: i64, retention: Retention) -> Result<Vec<PayloadId>, PayloadError> {
        let before =
            |age: Duration| now_ms.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        Ok(self.0.repository.payloads_of_old_jobs(before(retention.healthy), before(retention.others))?)
    }

    /// Refuses when the device is too full for another payload.
    ///
    /// # Errors
    /// [`PayloadError::StorageFull`].
    pub fn check_capacity(&self) -> Result<(), PayloadError> {
        capacity::check(self.0.capacity.as_ref(), &self.0.data, self.0.options.limit_percent)
    }

    /// The file that a client means: the only one of that name without regard to letter case, else the exact one.
    pub(super) fn find(&self, id: PayloadId, name: &PayloadPath) -> Result<PayloadFileRow, PayloadError> {
        let mut rows = self.0.repository.payload_files_like(id, name.as_relative())?;
        if rows.is_empty() {
            self.payload(id)?;
            return Err(PayloadError::NoSuchFile { name: name.to_string() });
        }
        let count = rows.len();
        if count > 1 {
            rows.retain(|row| row.path == name.as_relative());
        }
        rows.pop().ok_or_else(|| PayloadError::Ambiguous { name: name.to_string(), count })
    }

    /// Takes a payload's folder out of sight at once, then removes it. What stays goes at the next start.
    pub(super) fn remove_folder(&self, id: PayloadId) {
        let inner = &self.0;
        inner.fresh.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        let name = inner.new_name();
        let moved = inner.payloads.move_to(&id.to_string(), &inner.trash, &name);
        let removed = moved.and_then(|()| inner.remove_from_trash(&name));
        if let Err(error) = removed
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, payload = %id, "a payload's folder was not removed");
        }
    }
}

impl Inner {
    /// A name that no other upload of this run has.
    pub(super) fn new_name(&self) -> String {
        self.next_name.fetch_add(1, Ordering::Relaxed).to_string()
    }

    pub(super) fn payload_folder(&self, id: PayloadId) -> Result<Folder, PayloadError> {
        self.payloads.folder(Path::new(&id.to_string())).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => PayloadError::FolderMissing { id },
            _ => error.into(),
        })
    }

    /// Makes a payload's folder. One that is there is an error: identifiers are not used twice.
    pub(super) fn make_folder(&self, id: PayloadId) -> Result<Folder, PayloadError> {
        match self.payloads.folder_or_new(&id.to_string())? {
            (folder, true) => Ok(folder),
            (_, false) => Err(RepositoryError::Exists { what: "payload", id: id.to_string() }.into()),
        }
    }

    /// Opens the folder that a file goes into, makes it where it is missing. Also tells which folders have to reach
    /// the disk before the file counts, and under which names they were made.
    pub(super) fn parent(
        &self,
        id: PayloadId,
        root: &Folder,
        segments: &[&str],
    ) -> io::Result<(Folder, Vec<File>, Vec<String>)> {
        let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = fresh.entry(id).or_default();
        let mut folder = root.again()?;
        let mut unsynced = Vec::new();
        let mut names = Vec::new();
        let mut path = String::new();
        for segment in segments {
            path.push('/');
            path.push_str(segment);
            let (next, is_new) = folder.folder_or_new(segment)?;
            if is_new || fresh.contains(&path) {
                fresh.insert(path.clone());
                unsynced.push(folder.into_file()?);
                names.push(path.clone());
            }
            folder = next;
        }
        unsynced.push(folder.again()?.into_file()?);
        Ok((folder, unsynced, names))
    }

    /// The folders made under these names are on the disk.
    pub(super) fn settle(&self, id: PayloadId, names: Vec<String>) {
        let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folders) = fresh.get_mut(&id) {
            folders.retain(|folder| !names.contains(folder));
            if folders.is_empty() {
                fresh.remove(&id);
            }
        }
    }

    pub(super) fn remove_from_trash(&self, name: &str) -> io::Result<()> {
        let path = self.data.join("trash").join(name);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                // Frozen folders refuse even their owner.
                for_each_folder(&self.trash.folder(Path::new(name))?, &mut |folder| folder.set_mode(0o700))?;
                fs::remove_dir_all(&path)
            }
            done => done,
        }
    }
}

/// Does something with a folder and, after that, with all folders in it.
pub(super) fn for_each_folder(
    folder: &Folder,
    act: &mut dyn FnMut(&Folder) -> io::Result<()>,
) -> io::Result<()> {
    act(folder)?;
    let mut waiting = vec![folder.again()?];
    while let Some(folder) = waiting.pop() {
        for entry in folder.entries()?.into_iter().filter(|entry| entry.kind == Kind::Folder) {
            let inner = folder.folder(Path::new(&entry.name))?;
            act(&inner)?;
            waiting.push(inner);
        }
    }
    Ok(())
}

/// Where a file is beneath its payload's folder.
pub(super) fn disk_path(row: &PayloadFileRow) -> PathBuf {
    match &row.stored {
        None => PathBuf::from(&row.path),
        Some(bytes) => stored_path(bytes),
    }
}

#[cfg(unix)]
fn stored_path(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

#[cfg(not(unix))]
fn stored_path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

/// Refusals of the repository in the words of payloads.
pub(super) fn of_payload(id: PayloadId, error: RepositoryError) -> PayloadError {
    match error {
        RepositoryError::ReadOnly => PayloadError::ReadOnly { id },
        RepositoryError::Unknown { what: "payload", .. } => PayloadError::Unknown { id },
        other => other.into(),
    }
}

/// Files of a payload, one after the other; at most a page of them is in memory.
pub struct Files {
    repository: Arc<dyn Repository>,
    id: PayloadId,
    page: std::vec::IntoIter<PayloadFileRow>,
    after: Option<String>,
    is_over: bool,
}

impl Iterator for Files {
    type Item = Result<PayloadFileRow, PayloadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.as_slice().is_empty() && !self.is_over {
            let page = match self.repository.payload_files(self.id, self.after.as_deref(), PAGE) {
                Ok(page) => page,
                Err(error) => {
                    self.is_over = true;
                    return Some(Err(error.into()));
                }
            };
            self.is_over = page.len() < PAGE;
            self.after = page.last().map(|row| row.path.clone());
            self.page = page.into_iter();
        }
        self.page.next().map(Ok)
    }
}
