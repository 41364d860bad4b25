//! Payloads: trees of files.

use bytes::Bytes;
use platform_api::code;
use platform_api::header::Refusal;
use platform_api::id::{JobId, PayloadId};
use platform_api::metadata::Metadata;
use platform_api::payload::{PayloadFile, PayloadPath, PayloadType};
use tokio_stream::StreamExt;

use super::launcher::chain;
use super::{
    Answer, Answers, FilePieces, Inner, Pieces, Platform, metadata_of, random_bits, refuse, rows_of,
};
use crate::events::Change as Told;
use crate::observe::Direction;
use crate::payloads::PayloadError;
use crate::repository::{self, Change, MetadataOwner, PayloadKind, PayloadState};

/// A payload without its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadDetails {
    /// Its identifier.
    pub id: PayloadId,
    /// What it is for.
    pub payload_type: PayloadType,
    /// The job that it belongs to.
    pub job: Option<JobId>,
    /// When it was created, in milliseconds since 1970.
    pub created_ms: i64,
    /// What people attached.
    pub metadata: Metadata,
    /// Whether files may still be added and removed.
    pub is_read_only: bool,
}

/// One piece of a file on its way up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadPiece {
    /// Content.
    pub data: Bytes,
}

/// How many files a payload has, and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileSums {
    /// Files.
    pub count: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

/// Pieces of an upload that wait for the disk.
const WAITING_PIECES: usize = 4;

impl Platform {
    /// Makes an empty reusable payload.
    ///
    /// # Errors
    /// When storage is too full.
    pub async fn create_payload(&self, metadata: Metadata) -> Answer<PayloadId> {
        self.blocking(move |inner| {
            let id = PayloadId::from_bits(random_bits()?);
            let now = inner.clock.now_ms();
            inner.payloads.create(id, now, rows_of(&metadata)).map_err(|error| refusal(&error))?;
            inner.events.publish([Told::Payload(id)]);
            Ok(id)
        })
        .await
    }

    /// One payload.
    ///
    /// # Errors
    /// When it is unknown.
    pub async fn payload(&self, id: PayloadId) -> Answer<PayloadDetails> {
        self.blocking(move |inner| details(row(inner, id)?)).await
    }

    /// Its files, in an order that does not change. Paths are relative to the payload's root.
    pub fn payload_files(&self, id: PayloadId) -> Answers<PayloadFile> {
        self.stream(move |inner, send| {
            for row in inner.payloads.files(id).map_err(|error| refusal(&error))? {
                if !send(file(&row.map_err(|error| refusal(&error))?)?) {
                    break;
                }
            }
            Ok(())
        })
    }

    /// All payloads after an identifier, in the order of identifiers.
    pub fn payloads(&self, after: Option<PayloadId>) -> Answers<(PayloadDetails, FileSums)> {
        const PAGE: usize = 256;
        self.stream(move |inner, send| {
            let mut after = after;
            loop {
                let ids = inner.repository.payload_ids(after, PAGE);
                let ids = ids.map_err(refuse(code::PAYLOADS_NOT_LISTED))?;
                for id in &ids {
                    // One that was deleted meanwhile is left out.
                    let row = inner.repository.payload(*id).map_err(refuse(code::PAYLOADS_NOT_LISTED))?;
                    let Some(row) = row else { continue };
                    let mut sums = FileSums::default();
                    for file in inner.payloads.files(*id).map_err(|error| refusal(&error))? {
                        sums.count += 1;
                        sums.bytes += file.map_err(|error| refusal(&error))?.size_bytes;
                    }
                    if !send((details(row)?, sums)) {
                        return Ok(());
                    }
                }
                if ids.len() < PAGE {
                    return Ok(());
                }
                after = ids.last().copied();
            }
        })
    }

    /// Takes a file in. Nothing is visible before all of it is on disk. In a job's payload `path` is relative to its
    /// input folder. Answers with the path relative to the payload's root, and the whole size.
    ///
    /// # Errors
    /// When the payload is unknown or read-only, the name is taken, the disk is full, or the sender went away.
    pub async fn upload(
        &self,
        id: PayloadId,
        path: PayloadPath,
        mode: u32,
        mut pieces: Pieces<UploadPiece>,
    ) -> Answer<PayloadFile> {
        let (sender, mut waiting) = tokio::sync::mpsc::channel::<Bytes>(WAITING_PIECES);
        let (done, is_done) = std::sync::mpsc::sync_channel(1);
        let writer = self.blocking(move |inner| {
            let mut upload = inner.payloads.upload(id, &path, mode).map_err(|error| refusal(&error))?;
            while let Some(piece) = waiting.blocking_recv() {
                let bytes = piece.len() as u64;
                upload.write(piece).map_err(|error| refusal(&error))?;
                inner.options.metrics.payload_bytes(Direction::Up, bytes);
            }
            // Without word from the sender that this was all, nothing is kept.
            if is_done.recv().is_err() {
                return Err(Refusal::new(code::PAYLOAD_NOT_STORED, super::Interrupted.to_string()));
            }
            let row = upload.finish().map_err(|error| refusal(&error))?;
            inner.events.publish([Told::Payload(id)]);
            file(&row)
        });
        let feed = async move {
            while let Some(Ok(piece)) = pieces.next().await.map(|piece| piece.map_err(drop)).map_or_else(
                || {
                    // The channel holds one word, and this is it.
                    let _ = done.send(());
                    None
                },
                Some,
            ) {
                if !piece.data.is_empty() && sender.send(piece.data).await.is_err() {
                    return;
                }
            }
        };
        let (stored, ()) = tokio::join!(writer, feed);
        stored
    }

    /// Hands a file out: its details and its content. The name is matched without regard to letter case where only
    /// one file fits.
    ///
    /// # Errors
    /// When the payload or the file is unknown, or the name fits several.
    pub async fn download(&self, id: PayloadId, path: PayloadPath) -> Answer<(PayloadFile, FilePieces)> {
        let download = self
            .blocking(move |inner| inner.payloads.download(id, &path).map_err(|error| refusal(&error)))
            .await?;
        let details = file(download.file())?;
        let mut download = download;
        let pieces = self.stream(move |inner, send| {
            while let Some(chunk) = download.next_chunk().map_err(|error| refusal(&error))? {
                inner.options.metrics.payload_bytes(Direction::Down, chunk.len() as u64);
                if !send(Bytes::from(chunk)) {
                    break;
                }
            }
            Ok(())
        });
        Ok((details, pieces))
    }

    /// Removes a file.
    ///
    /// # Errors
    /// When the payload or the file is unknown, or the payload is read-only.
    pub async fn remove_file(&self, id: PayloadId, path: PayloadPath) -> Answer<()> {
        self.blocking(move |inner| {
            inner.payloads.remove(id, &path).map_err(|error| refusal(&error))?;
            inner.events.publish([Told::Payload(id)]);
            Ok(())
        })
        .await
    }

    /// Deletes a payload with all its files, and the logs of the operators of its job.
    ///
    /// # Errors
    /// When it is unknown, or its job has not stopped.
    pub async fn delete_payload(&self, id: PayloadId) -> Answer<()> {
        let deleted = self.blocking(move |inner| {
            let row = row(inner, id)?;
            if let Some(job) = row.job {
                let row = inner.repository.job(job).map_err(refuse(code::PAYLOAD_NOT_STORED))?;
                if row.is_some_and(|row| row.queue_order.is_some() && row.stopped_ms.is_none()) {
                    let message = format!("job `{job}` uses the payload and has not stopped");
                    return Err(Refusal::new(code::PAYLOAD_IN_USE, message));
                }
            }
            inner.payloads.delete(id).map_err(|error| refusal(&error))?;
            inner.events.publish([Told::PayloadDeleted(id, row.job)]);
            Ok(row.job)
        });
        match deleted.await? {
            Some(job) => self.forget_runs(job).await,
            None => Ok(()),
        }
    }

    /// Adds metadata to a reusable payload; answers with the whole set.
    ///
    /// # Errors
    /// When a key exists, the payload is unknown, or it belongs to a job.
    pub async fn add_payload_metadata(&self, id: PayloadId, added: Metadata) -> Answer<Metadata> {
        self.change_payload_metadata(id, Change::AddMetadata(MetadataOwner::Payload(id), rows_of(&added)))
            .await
    }

    /// Removes keys, whatever their letter case; answers with the set that is left.
    ///
    /// # Errors
    /// When the payload is unknown, or it belongs to a job.
    pub async fn remove_payload_metadata(&self, id: PayloadId, keys: Vec<String>) -> Answer<Metadata> {
        self.change_payload_metadata(id, Change::RemoveMetadata(MetadataOwner::Payload(id), keys)).await
    }

    async fn change_payload_metadata(&self, id: PayloadId, change: Change) -> Answer<Metadata> {
        self.blocking(move |inner| {
            if row(inner, id)?.kind == PayloadKind::Pipeline {
                let message = "only reusable payloads have metadata";
                return Err(Refusal::new(code::PAYLOAD_METADATA_INVALID, message));
            }
            inner.commit(vec![change]).map_err(refuse(code::PAYLOAD_METADATA_INVALID))?;
            inner.events.publish([Told::Payload(id)]);
            details(row(inner, id)?).map(|details| details.metadata)
        })
        .await
    }
}

fn row(inner: &Inner, id: PayloadId) -> Answer<repository::PayloadRow> {
    inner.payloads.payload(id).map_err(|error| refusal(&error))
}

fn details(row: repository::PayloadRow) -> Answer<PayloadDetails> {
    Ok(PayloadDetails {
        id: row.id,
        payload_type: match row.kind {
            PayloadKind::Pipeline => PayloadType::Pipeline,
            PayloadKind::Reusable => PayloadType::Reusable,
        },
        job: row.job,
        created_ms: row.created_ms,
        metadata: metadata_of(&row.metadata, code::PAYLOADS_NOT_LISTED)?,
        is_read_only: row.state != PayloadState::Open,
    })
}

fn file(row: &repository::PayloadFileRow) -> Answer<PayloadFile> {
    let path = PayloadPath::to_find(&row.path);
    let path = path.map_err(|error| Refusal::new(code::PAYLOADS_NOT_LISTED, chain(&error)))?;
    Ok(PayloadFile { path, size: row.size_bytes, mode: row.mode })
}

/// What a client is told of an error of the store.
pub(super) fn refusal(error: &PayloadError) -> Refusal {
    let code = match error {
        PayloadError::Name(_) => code::FILE_NAME_INVALID,
        PayloadError::Unknown { .. } => code::PAYLOAD_UNKNOWN,
        PayloadError::ReadOnly { .. } => code::PAYLOAD_READ_ONLY,
        PayloadError::NoSuchFile { .. } => code::FILE_UNKNOWN,
        PayloadError::Ambiguous { .. } => code::FILE_AMBIGUOUS,
        PayloadError::FileExists { .. } => code::FILE_EXISTS,
        _ => code::PAYLOAD_NOT_STORED,
    };
    Refusal::from_error(code, error)
}
