//! The store in order again, after whatever ended the last run.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use platform_api::id::PayloadId;
use platform_api::payload::PayloadPath;

use sha2::{Digest, Sha256};

use super::beneath::{self, Folder, Kind};
use super::error::PayloadError;
use super::store::{OPERATORS, PAGE, PayloadStore, disk_path, for_each_folder};
use crate::repository::{Change, ContentRow, PayloadKind, PayloadState};

/// What was found and done at the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Half-written files that were removed.
    pub unfinished: u64,
    /// Small files that were written again from what was kept of them.
    pub restored: u64,
    /// Folders without a record that were removed.
    pub folders: Vec<PayloadId>,
    /// Whole files without a record that were removed: their uploads were never acknowledged.
    pub unrecorded: u64,
    /// Payloads whose folders are gone; marked so in their records.
    pub missing: Vec<PayloadId>,
    /// Files of open payloads that are recorded and gone, or of another length: payload and name.
    pub damaged: Vec<(PayloadId, String)>,
    /// Names in the payloads' folder that are none of ours; left alone.
    pub foreign: Vec<String>,
}

impl PayloadStore {
    /// Removes what has no record and marks records without a folder. To be called once, before anything else.
    ///
    /// # Errors
    /// Those of disk and repository.
    pub fn sweep(&self) -> Result<Swept, PayloadError> {
        let mut swept = Swept::default();
        let inner = &self.0;
        for entry in inner.incoming.entries()? {
            inner.incoming.remove_file(Path::new(&entry.name))?;
            swept.unfinished += 1;
        }
        for entry in inner.trash.entries()? {
            let name = entry.name.to_string_lossy();
            if entry.kind == Kind::Folder {
                inner.remove_from_trash(&name)?;
            } else {
                fs::remove_file(inner.data.join("trash").join(&entry.name))?;
            }
        }
        self.sweep_folders(&mut swept)?;
        self.restore_contents(&mut swept)?;
        let mut after = None;
        loop {
            let ids = inner.repository.payload_ids(after, PAGE)?;
            for &id in &ids {
                self.sweep_payload(id, &mut swept)?;
            }
            if ids.len() < PAGE {
                return Ok(swept);
            }
            after = ids.last().copied();
        }
    }

    /// Writes small files again that did not reach the disk before the power went.
    fn restore_contents(&self, swept: &mut Swept) -> Result<(), PayloadError> {
        let repository = &self.0.repository;
        let mut last = 0;
        loop {
            // A few mebibytes at a time.
            let kept = repository.contents(last, 64)?;
            let Some((number, ..)) = kept.last() else { break };
            last = *number;
            for (_, id, kept) in kept {
                swept.restored += u64::from(self.restore(id, &kept)?);
            }
        }
        if last > 0 {
            self.0.sync.sync_all()?;
            repository.commit(vec![Change::ForgetContents(last)]).wait()?;
        }
        Ok(())
    }

    /// True when the file had to be written.
    fn restore(&self, id: PayloadId, kept: &ContentRow) -> Result<bool, PayloadError> {
        let hash: [u8; 32] = Sha256::digest(&kept.content).into();
        let rows = self.0.repository.payload_files_like(id, &kept.path)?;
        // The file may have been removed since, or come again with another content.
        let Some(row) = rows.into_iter().find(|row| row.path == kept.path && row.sha256 == hash) else {
            return Ok(false);
        };
        let root = match self.0.payload_folder(id) {
            Err(PayloadError::FolderMissing { .. }) => return Ok(false),
            other => other?,
        };
        let mut found = Vec::new();
        let read = root.file(&disk_path(&row)).and_then(|mut file| file.read_to_end(&mut found));
        if read.is_ok() && found == kept.content {
            return Ok(false);
        }
        // Frozen folders refuse even their owner.
        let is_frozen = self.payload(id)?.state == PayloadState::Frozen;
        if is_frozen {
            for_each_folder(&root, &mut |folder| folder.set_mode(0o755))?;
        }
        let name = PayloadPath::to_find(&row.path)?;
        let (segments, last) = name.split();
        let (folder, _, made) = self.0.parent(id, &root, &segments)?;
        self.0.settle(id, made);
        match folder.remove_file(last.as_ref()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let mut file = folder.new_file(last)?;
        file.write_all(&kept.content)?;
        beneath::seal(&file, row.mode)?;
        if is_frozen {
            self.seal_folders(id)?;
        }
        Ok(true)
    }

    fn sweep_folders(&self, swept: &mut Swept) -> Result<(), PayloadError> {
        for entry in self.0.payloads.entries()? {
            let name = entry.name.to_string_lossy();
            // Only what carries our own form of a name is ours to delete.
            let id = name
                .parse::<PayloadId>()
                .ok()
                .filter(|id| id.to_string() == name && entry.kind == Kind::Folder);
            match id {
                None => swept.foreign.push(name.escape_debug().to_string()),
                Some(id) if self.0.repository.payload(id)?.is_none() => {
                    self.remove_folder(id);
                    swept.folders.push(id);
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn sweep_payload(&self, id: PayloadId, swept: &mut Swept) -> Result<(), PayloadError> {
        let row = self.payload(id)?;
        let root = match self.0.payload_folder(id) {
            Ok(root) => root,
            Err(PayloadError::FolderMissing { .. }) => {
                if row.state != PayloadState::Missing {
                    let change = Change::SetPayloadState(id, PayloadState::Missing);
                    self.0.repository.commit(vec![change]).wait()?;
                }
                swept.missing.push(id);
                return Ok(());
            }
            Err(other) => return Err(other),
        };
        // Freezing waits for uploads, so only an open payload can hold files of unfinished ones.
        if row.state != PayloadState::Open {
            return Ok(());
        }
        let mut recorded = HashMap::new();
        for file in self.files(id)? {
            let file = file?;
            recorded.insert(disk_path(&file), file);
        }
        for path in client_files(&root, row.kind)? {
            if !recorded.contains_key(&path) {
                root.remove_file(&path)?;
                swept.unrecorded += 1;
            }
        }
        for (path, file) in recorded {
            let length = root.file(&path).and_then(|file| file.metadata()).map(|found| found.len());
            if !length.is_ok_and(|length| length == file.size_bytes) {
                swept.damaged.push((id, format!("/{}", file.path)));
            }
        }
        swept.damaged.sort();
        Ok(())
    }
}

/// All that is no folder beneath a payload's folder, without what operators wrote.
fn client_files(root: &Folder, kind: PayloadKind) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut waiting = vec![(root.again()?, PathBuf::new())];
    while let Some((folder, path)) = waiting.pop() {
        for entry in folder.entries()? {
            let path = path.join(&entry.name);
            if kind == PayloadKind::Pipeline && path == Path::new(OPERATORS) {
                continue;
            }
            match entry.kind {
                Kind::Folder => waiting.push((folder.folder(Path::new(&entry.name))?, path)),
                _ => found.push(path),
            }
        }
    }
    Ok(found)
}
