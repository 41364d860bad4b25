//! What operators wrote becomes files of the payload.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use platform_api::id::PayloadId;
use platform_api::payload::PayloadPath;
use sha2::{Digest, Sha256};

use super::beneath::{self, Folder, Kind};
use super::error::PayloadError;
use super::name::safe_segment;
use super::store::{OPERATORS, PAGE, PayloadStore, of_payload};
use crate::repository::{Change, PayloadFileRow};

/// How much of an operator's output is taken. What is beyond stays on disk, unrecorded, and is told.
#[derive(Debug, Clone, Copy)]
pub struct AdoptLimits {
    /// Files.
    pub files: u64,
    /// Bytes in all.
    pub bytes: u64,
    /// Folders within folders.
    pub depth: usize,
}

impl Default for AdoptLimits {
    fn default() -> Self {
        Self { files: 1_000_000, bytes: u64::MAX, depth: 64 }
    }
}

/// What was taken and what was not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Adopted {
    /// Files taken.
    pub files: u64,
    /// Bytes taken.
    pub bytes: u64,
    /// The first thousand that were left, by safe names.
    pub skipped: Vec<Skipped>,
    /// All that were left.
    pub skipped_count: u64,
}

/// Something that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its name, made safe to show.
    pub name: String,
    /// Why.
    pub reason: SkipReason,
}

/// Why something was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum SkipReason {
    #[error("it is a link")]
    Link,
    #[error("it is a device, a pipe or a socket")]
    Special,
    #[error("its folders are too deep")]
    TooDeep,
    #[error("its whole name is too long")]
    NameTooLong,
    #[error("the operator wrote more files than allowed")]
    TooManyFiles,
    #[error("the operator wrote more bytes than allowed")]
    TooManyBytes,
    #[error("it cannot be read")]
    Unreadable,
    #[error("it is still being written")]
    Changing,
}

impl Adopted {
    fn skip(&mut self, name: String, reason: SkipReason) {
        self.skipped_count += 1;
        if self.skipped.len() < 1000 {
            self.skipped.push(Skipped { name, reason });
        }
    }
}

/// A folder that is still to be looked at.
struct Visit {
    folder: Folder,
    /// Beneath the payload's folder, as on disk.
    disk: PathBuf,
    /// The same as clients see it.
    shown: String,
    depth: usize,
}

impl PayloadStore {
    /// Takes all regular files beneath `/operators/<operator>` into the records, read-only from now on.
    ///
    /// To be called when the operator has ended: nobody may write there any more. Links, devices, pipes and sockets are
    /// left where they are. Names that are unsafe to show are recorded under safe ones; the files keep theirs, so that
    /// later operators find them.
    ///
    /// # Errors
    /// [`PayloadError::Unknown`], [`FolderMissing`](PayloadError::FolderMissing), and those of disk and repository. A
    /// single file that cannot be read is no error but skipped.
    pub fn adopt(&self, id: PayloadId, operator: &str, limits: AdoptLimits) -> Result<Adopted, PayloadError> {
        let name = PayloadPath::to_create(operator)?.within(OPERATORS)?;
        let _alone = self.0.gates.alone(id);
        self.payload(id)?;
        let root = self.0.payload_folder(id)?;
        let mut adopted = Adopted::default();
        let start = match root.folder(name.as_relative().as_ref()) {
            Ok(folder) => folder,
            // An operator without output.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(adopted),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                adopted.skip(name.to_string(), SkipReason::Link);
                return Ok(adopted);
            }
            Err(error) => return Err(error.into()),
        };
        let mut rows = Vec::new();
        let disk = PathBuf::from(name.as_relative());
        let mut waiting = vec![Visit { folder: start, disk, shown: name.as_relative().to_owned(), depth: 0 }];
        while let Some(visit) = waiting.pop() {
            adopt_folder(visit, limits, &mut adopted, &mut rows, &mut waiting)?;
        }
        if rows.is_empty() {
            // Even a commit of nothing waits for those of others.
            return Ok(adopted);
        }
        // Records must not outlive the files they speak of.
        self.0.sync.sync_all().or_else(|error| match error.kind() {
            io::ErrorKind::Unsupported => Ok(()),
            _ => Err(error),
        })?;
        let changes = rows.chunks(PAGE).map(|rows| Change::PutPayloadFiles(id, rows.to_vec())).collect();
        self.0.repository.commit(changes).wait().map_err(|error| of_payload(id, error))?;
        Ok(adopted)
    }
}

fn adopt_folder(
    visit: Visit,
    limits: AdoptLimits,
    adopted: &mut Adopted,
    rows: &mut Vec<PayloadFileRow>,
    waiting: &mut Vec<Visit>,
) -> Result<(), PayloadError> {
    let Ok(entries) = visit.folder.entries() else {
        adopted.skip(format!("/{}", visit.shown), SkipReason::Unreadable);
        return Ok(());
    };
    // Names that are fine as they are come first, so that nobody takes them away.
    let mut taken: HashSet<String> = entries
        .iter()
        .filter_map(|entry| entry.name.to_str())
        .filter(|name| safe_segment(name, 0) == *name)
        .map(str::to_owned)
        .collect();
    for entry in entries {
        let written = entry.name.to_string_lossy();
        let mut safe = safe_segment(&written, 0);
        if entry.name.to_str() != Some(safe.as_str()) {
            let mut attempt = 0;
            while taken.contains(&safe) {
                attempt += 1;
                safe = safe_segment(&written, attempt);
            }
            taken.insert(safe.clone());
        }
        let disk = visit.disk.join(&entry.name);
        let shown = format!("{}/{safe}", visit.shown);
        let outcome = match entry.kind {
            Kind::Link => Err(SkipReason::Link),
            Kind::Other => Err(SkipReason::Special),
            _ if PayloadPath::to_find(&shown).is_err() => Err(SkipReason::NameTooLong),
            Kind::Folder if visit.depth >= limits.depth => Err(SkipReason::TooDeep),
            Kind::Folder => match visit.folder.folder(Path::new(&entry.name)) {
                Ok(folder) => {
                    waiting.push(Visit { folder, disk, shown: shown.clone(), depth: visit.depth + 1 });
                    Ok(())
                }
                Err(_) => Err(SkipReason::Unreadable),
            },
            Kind::File if adopted.files >= limits.files => Err(SkipReason::TooManyFiles),
            Kind::File => adopt_file(&visit.folder, Path::new(&entry.name), limits.bytes - adopted.bytes)
                .map(|found| {
                    let (size_bytes, sha256, mode) = found;
                    adopted.files += 1;
                    adopted.bytes += size_bytes;
                    let stored =
                        (Path::new(&shown) != disk).then(|| disk.as_os_str().as_encoded_bytes().to_vec());
                    rows.push(PayloadFileRow { path: shown.clone(), size_bytes, sha256, mode, stored });
                }),
        };
        if let Err(reason) = outcome {
            adopted.skip(format!("/{shown}"), reason);
        }
    }
    Ok(())
}

/// Makes a file read-only and reads it through: length, hash, mode.
fn adopt_file(folder: &Folder, name: &Path, left_bytes: u64) -> Result<(u64, [u8; 32], u32), SkipReason> {
    let file = folder.file(name).map_err(|_| SkipReason::Unreadable)?;
    let length = |file: &File| file.metadata().map(|found| found.len()).map_err(|_| SkipReason::Unreadable);
    let size_bytes = length(&file)?;
    if size_bytes > left_bytes {
        return Err(SkipReason::TooManyBytes);
    }
    let mode = beneath::mode(&file).map_err(|_| SkipReason::Unreadable)?;
    beneath::seal(&file, mode).map_err(|_| SkipReason::Unreadable)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    let mut read_bytes = 0;
    // Never more than was announced: somebody who goes on writing must not hold us here.
    let mut reader = (&file).take(size_bytes);
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                hash.update(buffer.get(..count).unwrap_or_default());
                read_bytes += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err(SkipReason::Unreadable),
        }
    }
    if read_bytes != size_bytes || length(&file)? != size_bytes {
        return Err(SkipReason::Changing);
    }
    Ok((size_bytes, hash.finalize().into(), mode))
}
