//! Files to a payload: read on a thread for blocking work, at most two pieces ahead of the network.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use platform_api::convert::{self, identifier};
use platform_api::header;
use platform_api::id::PayloadId;
use platform_api::payload::{PayloadFile, PayloadPath};
use platform_api::proto::clara;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio_stream::Stream;

use super::{PIECE_BYTES, Payloads, TransferProgress};
use crate::error::ClientError;
use crate::wire;

/// Pieces that are read before the network has taken the one before.
const PIECES_AHEAD: usize = 2;
const CALL: &str = "Payloads.Upload";

/// A file and the name that it gets. Names for a job's payload are seen from its input folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Where it is here.
    pub source: PathBuf,
    /// Where it goes there.
    pub path: PayloadPath,
    /// Bytes when it was found.
    pub size: u64,
}

/// The files of a path: the file itself under its own name, or every file below a folder under its name from there,
/// in the order of their names. Links are followed. Blocks on disk.
///
/// # Errors
/// [`ClientError::File`] for what cannot be read, [`ClientError::Name`] for names that no payload can hold.
pub fn files_below(root: &Path) -> Result<Vec<Upload>, ClientError> {
    let meta = std::fs::metadata(root).map_err(ClientError::file("read", root))?;
    let mut found = Vec::new();
    if meta.is_dir() {
        walk(root, "", 0, &mut found)?;
    } else {
        let name = root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        found.push(upload(root.to_owned(), &name, meta.len())?);
    }
    Ok(found)
}

/// Deeper folders are taken for links that lead in a circle.
const MAX_DEPTH: usize = 64;

fn walk(folder: &Path, prefix: &str, depth: usize, found: &mut Vec<Upload>) -> Result<(), ClientError> {
    let failed = || ClientError::file("read", folder);
    if depth > MAX_DEPTH {
        return Err(failed()(std::io::Error::other("folders are nested too deeply")));
    }
    let mut entries =
        std::fs::read_dir(folder).map_err(failed())?.collect::<Result<Vec<_>, _>>().map_err(failed())?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let Some(name) = entry.file_name().to_str().map(|name| format!("{prefix}{name}")) else {
            return Err(ClientError::file("name", path)(std::io::Error::other("the name is not UTF-8")));
        };
        let meta = std::fs::metadata(&path).map_err(ClientError::file("read", &path))?;
        if meta.is_dir() {
            walk(&path, &format!("{name}/"), depth + 1, found)?;
        } else if meta.is_file() {
            found.push(upload(path, &name, meta.len())?);
        } else {
            return Err(ClientError::file("read", path)(std::io::Error::other("it is no plain file")));
        }
    }
    Ok(())
}

fn upload(source: PathBuf, name: &str, size: u64) -> Result<Upload, ClientError> {
    match PayloadPath::to_create(name) {
        Ok(path) => Ok(Upload { source, path, size }),
        Err(error) => Err(ClientError::Name { path: source, source: error }),
    }
}

impl Payloads {
    /// Sends files, `parallel` at a time. Stops at the first that fails; those that arrived stay there.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn upload(
        &self,
        id: PayloadId,
        files: Vec<Upload>,
        parallel: usize,
        progress: &Arc<TransferProgress>,
    ) -> Result<Vec<PayloadFile>, ClientError> {
        progress.expect(files.len() as u64, files.iter().map(|file| file.size).sum());
        let mut waiting = files.into_iter();
        let mut running = JoinSet::new();
        let mut done = Vec::new();
        loop {
            while running.len() < parallel.max(1) {
                let Some(file) = waiting.next() else { break };
                let (payloads, progress) = (self.clone(), progress.clone());
                running.spawn(async move { payloads.upload_file(id, &file, &progress).await });
            }
            // Leaving drops the others, which ends their streams without an end: nothing half-sent is kept.
            match running.join_next().await {
                None => return Ok(done),
                Some(Ok(result)) => done.push(result?),
                Some(Err(error)) => {
                    return Err(ClientError::protocol(CALL, format!("a transfer ended: {error}")));
                }
            }
        }
    }

    /// Sends one file. An empty one is one message without data.
    ///
    /// # Errors
    /// [`ClientError`]; above all where the file could not be read to its end, or where fewer bytes arrived.
    pub async fn upload_file(
        &self,
        id: PayloadId,
        file: &Upload,
        progress: &Arc<TransferProgress>,
    ) -> Result<PayloadFile, ClientError> {
        let (sender, receiver) = mpsc::channel(PIECES_AHEAD);
        let pieces = Pieces { receiver: Arc::new(Mutex::new(receiver)), is_whole: Arc::default() };
        let mut reader = {
            let (file, progress, is_whole) = (file.clone(), progress.clone(), pieces.is_whole.clone());
            tokio::task::spawn_blocking(move || {
                let sent = send_pieces(id, &file, &sender, &progress)?;
                is_whole.store(true, Ordering::Release);
                Ok(sent)
            })
        };
        let mut stub = self.stub();
        let request = self.client.request(pieces.clone());
        let mut waiting = std::pin::pin!(self.until_quiet(stub.upload(request), progress));
        let (answer, sent) = tokio::select! {
            // Leaving drops the call, so that the server never takes a part for the whole.
            read = &mut reader => (None, finished(read)?),
            answer = &mut waiting => {
                pieces.close();
                (Some(answer), finished(reader.await)?)
            }
        };
        let answer = match answer {
            Some(answer) => answer?,
            None => waiting.await?,
        };
        wire::check(answer.header)?;
        let details = answer.details.ok_or_else(|| ClientError::protocol(CALL, "it names no file"))?;
        let sent = sent.unwrap_or_default();
        let stored = wire::converted(CALL, convert::payload_file(&details))?;
        if stored.size != sent {
            let reason = format!("{sent} bytes were sent and {} stored", stored.size);
            return Err(ClientError::protocol(CALL, reason));
        }
        progress.finished_file();
        Ok(stored)
    }

    /// Waits for the answer while bytes keep moving.
    async fn until_quiet<T>(
        &self,
        answer: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
        progress: &TransferProgress,
    ) -> Result<T, ClientError> {
        let limit = self.client.deadlines().message;
        let mut answer = std::pin::pin!(answer);
        let mut moved = progress.bytes().0;
        loop {
            match tokio::time::timeout(limit, &mut answer).await {
                Ok(Ok(response)) => return Ok(response.into_inner()),
                Ok(Err(status)) => return Err(self.client.status(CALL, limit, &status)),
                Err(_) if progress.bytes().0 == moved => {
                    return Err(ClientError::TimedOut { call: CALL, limit });
                }
                Err(_) => moved = progress.bytes().0,
            }
        }
    }
}

/// The pieces of a file as they are read. Ends only with the file: a stream whose reader failed never ends.
#[derive(Clone)]
struct Pieces {
    receiver: Arc<Mutex<mpsc::Receiver<clara::PayloadsUploadRequest>>>,
    is_whole: Arc<AtomicBool>,
}

impl Pieces {
    fn lock(&self) -> MutexGuard<'_, mpsc::Receiver<clara::PayloadsUploadRequest>> {
        self.receiver.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the reader: nobody wants more.
    fn close(&self) {
        self.lock().close();
    }
}

impl Stream for Pieces {
    type Item = clara::PayloadsUploadRequest;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.lock().poll_recv(context) {
            Poll::Ready(None) if !self.is_whole.load(Ordering::Acquire) => Poll::Pending,
            piece => piece,
        }
    }
}

type ReadResult = Result<u64, Option<ClientError>>;

/// How many bytes the reader read; `None` where it was told to stop.
fn finished(read: Result<ReadResult, JoinError>) -> Result<Option<u64>, ClientError> {
    match read {
        Ok(Ok(sent)) => Ok(Some(sent)),
        Ok(Err(None)) => Ok(None),
        Ok(Err(Some(error))) => Err(error),
        Err(error) => Err(ClientError::protocol(CALL, format!("the reader ended: {error}"))),
    }
}

/// Reads the file into the channel and gives the number of bytes; `Err(None)` where nobody listens any more.
fn send_pieces(
    id: PayloadId,
    file: &Upload,
    sender: &mpsc::Sender<clara::PayloadsUploadRequest>,
    progress: &TransferProgress,
) -> ReadResult {
    let failed = || ClientError::file("read", &file.source);
    let mut source = File::open(&file.source).map_err(failed())?;
    let mode = mode_of(&source.metadata().map_err(failed())?);
    let mut sent = 0u64;
    loop {
        let mut piece = Vec::new();
        // The size when it was found is only a hint for the first reservation.
        let expected = usize::try_from(file.size.saturating_sub(sent)).unwrap_or(usize::MAX);
        piece.reserve_exact(expected.clamp(1, PIECE_BYTES));
        (&mut source).take(PIECE_BYTES as u64).read_to_end(&mut piece).map_err(failed())?;
        if piece.is_empty() && sent > 0 {
            return Ok(sent);
        }
        let bytes = piece.len() as u64;
        let message = clara::PayloadsUploadRequest {
            header: header::request(),
            payload_id: identifier(id),
            details: Some(clara::PayloadFileDetails {
                mode,
                size: bytes,
                name: file.path.as_relative().to_owned(),
            }),
            data: Bytes::from(piece),
        };
        sender.blocking_send(message).map_err(|_| None)?;
        sent += bytes;
        progress.moved(bytes);
        if bytes == 0 {
            return Ok(0);
        }
    }
}

#[cfg(unix)]
fn mode_of(meta: &std::fs::Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    meta.permissions().mode() & 0o777
}

/// Permission bits are not known on this system.
#[cfg(not(unix))]
fn mode_of(_: &std::fs::Metadata) -> u32 {
    0
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn a_stream_ends_with_its_file_and_not_with_a_reader_that_failed() {
        let (sender, receiver) = mpsc::channel(1);
        let pieces = Pieces { receiver: Arc::new(Mutex::new(receiver)), is_whole: Arc::default() };
        let poll = || Pin::new(&mut pieces.clone()).poll_next(&mut Context::from_waker(Waker::noop()));
        sender.try_send(clara::PayloadsUploadRequest::default()).unwrap();
        assert!(matches!(poll(), Poll::Ready(Some(_))));
        drop(sender);
        assert!(poll().is_pending());
        pieces.is_whole.store(true, Ordering::Release);
        assert_eq!(poll(), Poll::Ready(None));
    }
}
