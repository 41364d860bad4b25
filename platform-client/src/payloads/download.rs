//! Files from a payload: written under a temporary name beside the target, then given their own.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use platform_api::convert::identifier;
use platform_api::header;
use platform_api::id::PayloadId;
use platform_api::payload::PayloadPath;
use platform_api::proto::clara;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use super::{PIECE_BYTES, Payloads, TransferProgress};
use crate::connection::{Messages, retrying};
use crate::error::ClientError;
use crate::wire;

const CALL: &str = "Payloads.Download";

/// What happens to files that are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overwrite {
    /// They stay, and the download fails.
    #[default]
    Never,
    /// They are replaced, each at once.
    Replace,
}

/// A file of a payload and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// Where it is there.
    pub path: PayloadPath,
    /// Bytes, as far as they are known.
    pub size: u64,
    /// Where it goes below the folder of the download.
    pub target: PayloadPath,
}

impl Payloads {
    /// Fetches files into a folder, `parallel` at a time. Stops at the first that fails; whole files stay, nothing
    /// half-written does. Folders are made as needed; links below `folder` are not followed.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::Exists`] before anything is fetched where a file is there already.
    pub async fn download(
        &self,
        id: PayloadId,
        folder: &Path,
        files: Vec<Download>,
        overwrite: Overwrite,
        parallel: usize,
        progress: &Arc<TransferProgress>,
    ) -> Result<Vec<PathBuf>, ClientError> {
        let targets = prepare(folder, &files, overwrite).await?;
        progress.expect(files.len() as u64, files.iter().map(|file| file.size).sum());
        let mut waiting = files.into_iter().zip(targets);
        let mut running = JoinSet::new();
        let mut done = Vec::new();
        loop {
            while running.len() < parallel.max(1) {
                let Some((file, target)) = waiting.next() else { break };
                let (payloads, progress) = (self.clone(), progress.clone());
                running.spawn(async move {
                    payloads.download_file(id, &file.path, &target, overwrite, &progress).await?;
                    Ok::<PathBuf, ClientError>(target)
                });
            }
            match running.join_next().await {
                None => return Ok(done),
                Some(Ok(result)) => done.push(result?),
                Some(Err(error)) => {
                    return Err(ClientError::protocol(CALL, format!("a transfer ended: {error}")));
                }
            }
        }
    }

    /// Fetches one file to `target`, whose folder is there. A connection that breaks is tried again from the start.
    ///
    /// # Errors
    /// [`ClientError`]; above all where fewer or more bytes came than were announced.
    pub async fn download_file(
        &self,
        id: PayloadId,
        path: &PayloadPath,
        target: &Path,
        overwrite: Overwrite,
        progress: &TransferProgress,
    ) -> Result<u64, ClientError> {
        let bytes = retrying!(self.client, {
            let mut count = Counted { progress, bytes: 0, is_kept: false };
            let result = self.download_once(id, path, target, overwrite, &mut count).await;
            count.is_kept = result.is_ok();
            result.map(|()| count.bytes)
        })?;
        progress.finished_file();
        Ok(bytes)
    }

    async fn download_once(
        &self,
        id: PayloadId,
        path: &PayloadPath,
        target: &Path,
        overwrite: Overwrite,
        count: &mut Counted<'_>,
    ) -> Result<(), ClientError> {
        let message = clara::PayloadsDownloadRequest {
            header: header::request(),
            payload_id: identifier(id),
            name: path.to_string(),
        };
        let mut stub = self.stub();
        let messages = self.client.open(CALL, message, async move |m| stub.download(m).await).await?;
        let temporary = Temporary::beside(target);
        let failed = || ClientError::file("write", target);
        let mut file = File::create_new(&temporary.path).await.map_err(failed())?;
        file.set_max_buf_size(PIECE_BYTES);
        receive(messages, &mut file, count, target).await?;
        file.flush().await.map_err(failed())?;
        drop(file);
        let (target, from) = (target.to_owned(), temporary.path.clone());
        let renamed = tokio::task::spawn_blocking(move || give_name(&from, &target, overwrite)).await;
        renamed.unwrap_or_else(|error| Err(ClientError::protocol(CALL, format!("the writer ended: {error}"))))
    }
}

async fn receive(
    mut messages: Messages<clara::PayloadsDownloadResponse>,
    file: &mut File,
    count: &mut Counted<'_>,
    target: &Path,
) -> Result<(), ClientError> {
    let Some(first) = messages.next().await? else {
        return Err(ClientError::protocol(CALL, "no message"));
    };
    wire::check(first.header)?;
    let announced = first.details.map(|details| details.size);
    let mut data = first.data;
    loop {
        file.write_all(&data).await.map_err(ClientError::file("write", target))?;
        count.add(data.len() as u64);
        match messages.next().await? {
            Some(message) => {
                wire::check(message.header)?;
                data = message.data;
            }
            None => break,
        }
    }
    match announced {
        Some(size) if size != count.bytes => {
            let reason = format!("{size} bytes were announced and {} came", count.bytes);
            Err(ClientError::protocol(CALL, reason))
        }
        _ => Ok(()),
    }
}

/// Bytes of one attempt; given back to the progress when the attempt fails.
struct Counted<'a> {
    progress: &'a TransferProgress,
    bytes: u64,
    is_kept: bool,
}

impl Counted<'_> {
    fn add(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.progress.moved(bytes);
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            self.progress.undone(self.bytes);
        }
    }
}

/// A file that vanishes unless it got its own name.
struct Temporary {
    path: PathBuf,
}

impl Temporary {
    fn beside(target: &Path) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { path: target.with_file_name(format!(".lantern-{}-{number}.part", std::process::id())) }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Gone already where it got its own name.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn give_name(from: &Path, target: &Path, overwrite: Overwrite) -> Result<(), ClientError> {
    let failed = || ClientError::file("write", target);
    match overwrite {
        Overwrite::Replace => std::fs::rename(from, target).map_err(failed()),
        // A second name fails where the first is taken, also when that happened a moment ago.
        Overwrite::Never => match std::fs::hard_link(from, target) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(ClientError::Exists { path: target.to_owned() })
            }
            // File systems without second names: look, then rename.
            Err(_) if target.symlink_metadata().is_ok() => {
                Err(ClientError::Exists { path: target.to_owned() })
            }
            Err(_) => std::fs::rename(from, target).map_err(failed()),
        },
    }
}

/// Makes the folders and gives the place of each file.
async fn prepare(
    folder: &Path,
    files: &[Download],
    overwrite: Overwrite,
) -> Result<Vec<PathBuf>, ClientError> {
    let (folder, files) = (folder.to_owned(), files.to_vec());
    let made = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&folder).map_err(ClientError::file("make the folder", &folder))?;
        let mut made = BTreeSet::new();
        files.iter().map(|file| place(&folder, file, overwrite, &mut made)).collect()
    });
    made.await.unwrap_or_else(|error| Err(ClientError::protocol(CALL, format!("it ended: {error}"))))
}

fn place(
    folder: &Path,
    file: &Download,
    overwrite: Overwrite,
    made: &mut BTreeSet<PathBuf>,
) -> Result<PathBuf, ClientError> {
    let mut path = folder.to_owned();
    let mut segments = file.target.segments().peekable();
    while let Some(segment) = segments.next() {
        path.push(segment);
        let is_folder = segments.peek().is_some();
        if !is_folder || made.contains(&path) {
            continue;
        }
        match path.symlink_metadata() {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => return Err(ClientError::Exists { path }),
            Err(_) => std::fs::create_dir(&path).map_err(ClientError::file("make the folder", &path))?,
        }
        made.insert(path.clone());
    }
    if overwrite == Overwrite::Never && path.symlink_metadata().is_ok() {
        return Err(ClientError::Exists { path });
    }
    Ok(path)
}
