//! Files of reusable payloads as input of a job.
//!
//! Blocks are shared where the file system can. Else a file of a frozen payload gets a second name, because nobody
//! writes to it any more. Else it is copied.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use platform_api::id::PayloadId;
use platform_api::payload::PayloadPath;

use super::beneath::{self, Folder};
use super::error::PayloadError;
use super::store::{INPUT, PayloadStore, disk_path};
use crate::repository::{PayloadFileRow, PayloadKind, PayloadState, fold_case};

/// One file to be copied.
pub(super) struct Copy {
    source: PayloadId,
    is_frozen: bool,
    path: PathBuf,
    /// As it will be recorded.
    row: PayloadFileRow,
}

impl PayloadStore {
    /// What has to be copied, in the order given; refuses before anything is.
    pub(super) fn plan_copies(&self, inputs: &[PayloadId]) -> Result<Vec<Copy>, PayloadError> {
        let mut names = HashSet::new();
        let mut plan = Vec::new();
        for &source in inputs {
            let payload = self.payload(source)?;
            if payload.kind != PayloadKind::Reusable {
                return Err(PayloadError::NotReusable { id: source });
            }
            for file in self.files(source)? {
                let file = file?;
                if !names.insert(fold_case(&file.path)) {
                    return Err(PayloadError::SameNameInInputs { name: format!("/{}", file.path) });
                }
                let name = PayloadPath::to_find(&file.path)?.within(INPUT)?;
                let row =
                    PayloadFileRow { path: name.as_relative().to_owned(), stored: None, ..file.clone() };
                let is_frozen = payload.state == PayloadState::Frozen;
                plan.push(Copy { source, is_frozen, path: disk_path(&file), row });
            }
        }
        Ok(plan)
    }

    /// Makes a payload's folder with an input folder and the copies in it, all on the disk.
    pub(super) fn copy_into_new(
        &self,
        id: PayloadId,
        plan: &[Copy],
    ) -> Result<Vec<PayloadFileRow>, PayloadError> {
        let inner = &self.0;
        let root = inner.make_folder(id)?;
        root.folder_or_new(INPUT)?;
        for copy in plan {
            let name = PayloadPath::to_find(&copy.row.path)?;
            let (segments, last) = name.split();
            let (folder, _, made) = inner.parent(id, &root, &segments)?;
            // Everything is pressed to the disk below, before anybody knows the payload.
            inner.settle(id, made);
            self.copy(copy, &inner.payload_folder(copy.source)?, &folder, last)?;
        }
        if plan.is_empty() {
            inner.sync.sync(vec![root.into_file()?, inner.payloads.again()?.into_file()?])?;
        } else {
            inner.sync.sync_all()?;
        }
        Ok(plan.iter().map(|copy| copy.row.clone()).collect())
    }

    fn copy(&self, copy: &Copy, source: &Folder, target: &Folder, name: &str) -> Result<(), PayloadError> {
        let mut from = source.file(&copy.path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => PayloadError::NoSuchFile { name: format!("/{}", copy.path.display()) },
            _ => error.into(),
        })?;
        let found_bytes = from.metadata()?.len();
        let damaged = |found_bytes| PayloadError::Damaged {
            name: format!("/{}", copy.path.display()),
            expected_bytes: copy.row.size_bytes,
            found_bytes,
        };
        if found_bytes != copy.row.size_bytes {
            return Err(damaged(found_bytes));
        }
        let can_reflink = &self.0.can_reflink;
        if copy.is_frozen
            && !can_reflink.load(Ordering::Relaxed)
            && target.link(source, &copy.path, name).is_ok()
        {
            return Ok(());
        }
        let mut to = target.new_file(name)?;
        let is_shared = can_reflink.load(Ordering::Relaxed) && beneath::reflink(&from, &to)?;
        if !is_shared {
            // One answer for all: source and target are in the same file system.
            can_reflink.store(false, Ordering::Relaxed);
            let copied_bytes = io::copy(&mut from, &mut to)?;
            if copied_bytes != copy.row.size_bytes {
                return Err(damaged(copied_bytes));
            }
        }
        beneath::seal(&to, copy.row.mode)?;
        Ok(())
    }
}
