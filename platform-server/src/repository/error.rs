//! What can go wrong when records are kept.

use std::path::PathBuf;

/// Why a record could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum RepositoryError {
    #[error("cannot open the database `{}`", .path.display())]
    Open { path: PathBuf, source: std::io::Error },
    #[error("another server uses the database `{}`", .path.display())]
    InUse { path: PathBuf },
    #[error("the database `{}` is damaged: {findings}", .path.display())]
    Damaged { path: PathBuf, findings: String },
    #[error("`{}` is a database of another program", .path.display())]
    NotOurs { path: PathBuf },
    #[error("the database `{}` has schema {found}, this server knows up to {supported}", .path.display())]
    TooNew { path: PathBuf, found: i64, supported: i64 },
    #[error("the database is locked by another process")]
    Locked,
    #[error("no space is left for the database")]
    DiskFull,
    #[error("{what} `{id}` is unknown")]
    Unknown { what: &'static str, id: String },
    #[error("{what} `{id}` exists already")]
    Exists { what: &'static str, id: String },
    #[error("a file named `{name}` is in the payload already")]
    FileExists { name: String },
    #[error("the payload is read-only")]
    ReadOnly,
    #[error("job `{job}` is over")]
    JobStopped { job: String },
    #[error("job `{job}` cannot go back from state {from} to state {to}")]
    JobMovesBack { job: String, from: u8, to: u8 },
    #[error("job `{job}` was started before")]
    AlreadyStarted { job: String },
    #[error("metadata key `{key}` exists already")]
    MetadataKeyExists { key: String },
    #[error("the metadata would hold {bytes} bytes, {limit} are allowed")]
    MetadataTooLarge { bytes: u64, limit: u64 },
    #[error("too many changes wait for the database")]
    Overloaded,
    #[error("the repository is closed")]
    Closed,
    #[error("{what} holds a value that no version of this server wrote")]
    BadValue { what: &'static str },
    #[error("the events before number {oldest} are gone")]
    EventsGone { oldest: u64 },
    #[error("the database refused")]
    Database { source: rusqlite::Error },
}

impl RepositoryError {
    /// True when the same request may succeed later, unchanged.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Locked | Self::DiskFull | Self::Overloaded)
    }
}

impl From<rusqlite::Error> for RepositoryError {
    fn from(source: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        match source.sqlite_error_code() {
            Some(Code::DatabaseBusy | Code::DatabaseLocked) => Self::Locked,
            Some(Code::DiskFull) => Self::DiskFull,
            _ => Self::Database { source },
        }
    }
}
