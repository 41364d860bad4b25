//! Payloads: trees of files.

use bytes::Bytes;
use platform_api::id::{JobId, PayloadId};
use platform_api::metadata::Metadata;
use platform_api::payload::{PayloadFile, PayloadPath, PayloadType};

use super::{Answer, Answers, FilePieces, Pieces, Platform};

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

impl Platform {
    /// Makes an empty reusable payload.
    pub async fn create_payload(&self, metadata: Metadata) -> Answer<PayloadId> {
        let _ = metadata;
        unimplemented!()
    }

    /// One payload.
    pub async fn payload(&self, id: PayloadId) -> Answer<PayloadDetails> {
        let _ = id;
        unimplemented!()
    }

    /// Its files, in an order that does not change. Paths are relative to the payload's root.
    pub fn payload_files(&self, id: PayloadId) -> Answers<PayloadFile> {
        let _ = id;
        unimplemented!()
    }

    /// All payloads after an identifier, in the order of identifiers.
    pub fn payloads(&self, after: Option<PayloadId>) -> Answers<(PayloadDetails, FileSums)> {
        let _ = after;
        unimplemented!()
    }

    /// Takes a file in. Nothing is visible before all of it is on disk. In a job's payload `path` is relative to its
    /// input folder. Answers with the path relative to the payload's root, and the whole size.
    pub async fn upload(
        &self,
        id: PayloadId,
        path: PayloadPath,
        mode: u32,
        pieces: Pieces<UploadPiece>,
    ) -> Answer<PayloadFile> {
        let _ = (id, path, mode, pieces);
        unimplemented!()
    }

    /// Hands a file out: its details and its content. The name is matched without regard to letter case where only
    /// one file fits.
    pub async fn download(&self, id: PayloadId, path: PayloadPath) -> Answer<(PayloadFile, FilePieces)> {
        let _ = (id, path);
        unimplemented!()
    }

    /// Removes a file.
    pub async fn remove_file(&self, id: PayloadId, path: PayloadPath) -> Answer<()> {
        let _ = (id, path);
        unimplemented!()
    }

    /// Deletes a payload with all its files.
    pub async fn delete_payload(&self, id: PayloadId) -> Answer<()> {
        let _ = id;
        unimplemented!()
    }

    /// Adds metadata to a reusable payload; answers with the whole set.
    pub async fn add_payload_metadata(&self, id: PayloadId, added: Metadata) -> Answer<Metadata> {
        let _ = (id, added);
        unimplemented!()
    }

    /// Removes keys, whatever their letter case; answers with the set that is left.
    pub async fn remove_payload_metadata(&self, id: PayloadId, keys: Vec<String>) -> Answer<Metadata> {
        let _ = (id, keys);
        unimplemented!()
    }
}

/// How many files a payload has, and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileSums {
    /// Files.
    pub count: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}
