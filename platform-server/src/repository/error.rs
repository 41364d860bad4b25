//! What can go wrong when records are kept.

use std::error::Error;

/// What a database's own library says.
pub type Source = Box<dyn Error + Send + Sync>;

/// Why a record could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum RepositoryError {
    #[error("cannot open the database `{database}`")]
    Open { database: String, source: Source },
    #[error("another server uses the database `{database}`")]
    InUse { database: String },
    #[error("the database `{database}` is damaged: {findings}")]
    Damaged { database: String, findings: String },
    #[error("`{database}` is a database of another program")]
    NotOurs { database: String },
    #[error("the database `{database}` has schema {found}, this server knows up to {supported}")]
    TooNew { database: String, found: i64, supported: i64 },
    #[error("the database `{database}` cannot be used: {why}")]
    Unsuitable { database: String, why: String },
    #[error("the database is locked by another process")]
    Locked,
    #[error("the database took too long")]
    TooSlow,
    #[error("the database cannot do that now: {why}")]
    Busy { why: String },
    #[error("the database cannot be reached: {why}")]
    Unreachable { why: String },
    #[error("the database was lost while it wrote; whether it kept the changes is unknown")]
    Uncertain,
    #[error("another server has taken over the database; this one has to be started again")]
    TakenOver,
    #[error("the database lost what it had kept; this server has to be started again")]
    WentBack,
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
    Database { source: Source },
}

impl RepositoryError {
    /// True when the same request may succeed later, unchanged.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Locked
                | Self::DiskFull
                | Self::Overloaded
                | Self::TooSlow
                | Self::Busy { .. }
                | Self::Unreachable { .. }
        )
    }

    /// The same error for everybody else, where trying for them would only take as long again.
    pub(crate) fn for_all(&self) -> Option<Self> {
        match self {
            Self::Locked => Some(Self::Locked),
            Self::TooSlow => Some(Self::TooSlow),
            Self::Unreachable { why } => Some(Self::Unreachable { why: why.clone() }),
            Self::TakenOver => Some(Self::TakenOver),
            Self::WentBack => Some(Self::WentBack),
            _ => None,
        }
    }
}

impl From<rusqlite::Error> for RepositoryError {
    fn from(source: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        match source.sqlite_error_code() {
            Some(Code::DatabaseBusy | Code::DatabaseLocked) => Self::Locked,
            Some(Code::DiskFull) => Self::DiskFull,
            _ => Self::Database { source: source.into() },
        }
    }
}
