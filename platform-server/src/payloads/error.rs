//! What can go wrong with files of payloads.

use std::io;
use std::path::PathBuf;

use platform_api::id::PayloadId;
use platform_api::payload::PayloadPathError;

use crate::repository::RepositoryError;

/// Why a payload's files could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum PayloadError {
    #[error("{0}")]
    Name(#[from] PayloadPathError),
    #[error("payload `{id}` is unknown")]
    Unknown { id: PayloadId },
    #[error("payload `{id}` is read-only")]
    ReadOnly { id: PayloadId },
    #[error("payload `{id}` cannot be used as input: it is not a reusable one")]
    NotReusable { id: PayloadId },
    #[error("the folder of payload `{id}` is gone")]
    FolderMissing { id: PayloadId },
    #[error("the payload has no file `{name}`")]
    NoSuchFile { name: String },
    #[error("the payload has {count} files `{name}` in different letter case; give the exact name")]
    Ambiguous { name: String, count: usize },
    #[error("a file named `{name}` with other content is in the payload already")]
    FileExists { name: String },
    #[error("`{name}` is in more than one input payload")]
    SameNameInInputs { name: String },
    #[error("`{name}` passes through a file, a link or another device")]
    NotAFolder { name: String },
    #[error("`{name}` has {found_bytes} bytes or another content, {expected_bytes} were stored")]
    Damaged { name: String, expected_bytes: u64, found_bytes: u64 },
    #[error("{used_percent:.1} % of the storage is in use, {limit_percent} % are allowed")]
    StorageFull { used_percent: f64, limit_percent: u8 },
    #[error("no space is left for the payload's files")]
    DiskFull,
    #[error("the upload is broken")]
    UploadBroken,
    #[error("cannot use the folder `{}`", .path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("the storage failed")]
    Io { source: io::Error },
    #[error("the payload's record could not be kept")]
    Repository { source: RepositoryError },
}

impl PayloadError {
    /// True when the same may succeed later, because only the record could not be kept for the moment.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Repository { source } if source.is_transient())
    }
}

impl From<io::Error> for PayloadError {
    fn from(source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            _ => Self::Io { source },
        }
    }
}

impl From<RepositoryError> for PayloadError {
    fn from(source: RepositoryError) -> Self {
        match source {
            RepositoryError::FileExists { name } => Self::FileExists { name },
            RepositoryError::DiskFull => Self::DiskFull,
            source => Self::Repository { source },
        }
    }
}
