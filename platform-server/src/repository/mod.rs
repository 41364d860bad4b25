//! Keeps records of pipelines, payloads, jobs, models, users and events.
//!
//! [`Repository`] is what the rest of the server sees; behind it is [`SqliteRepository`], the embedded database, or
//! [`PostgresRepository`], a shared server's. Both run the same statements (`sql`).
//! Writing is by [`Change`]: a list of them is one transaction, and many callers' transactions share one write to the
//! disk. Reading is by plain functions that block; call them from a worker, or where a millisecond does not matter.
//! A repository makes no decisions about jobs: it only refuses what can never be right, such as a stopped job that
//! runs again. It holds no file of a payload, only what is known of them.

mod change;
mod error;
mod filter;
mod postgres;
mod receipt;
mod rows;
mod sql;
mod sqlite;

pub use change::{Change, MetadataOwner, NewJob};
pub use error::{RepositoryError, Source};
pub use filter::JobFilter;
pub use postgres::{Address, AddressError, PostgresOptions, PostgresRepository};
pub use receipt::{Committed, Receipt};
pub use rows::{
    AuditRow, ContentRow, DefinitionFile, DefinitionId, EventRow, JobCursor, JobDetails, JobRow, Metadata,
    ModelListId, ModelListRow, ModelRow, OperatorRow, PayloadFileRow, PayloadKind, PayloadRow, PayloadState,
    PipelineRow, RunRow, TokenRow, UserRow,
};
pub use sqlite::{Check, SqliteOptions, SqliteRepository, Synchronous};

use std::collections::BTreeMap;

use platform_api::id::{JobId, ModelId, PayloadId, PipelineId};
use platform_api::job::{JobState, JobStatus};
pub(crate) use platform_api::letter_case::fold as fold_case;
use tokio::sync::watch;

/// The whole set of metadata of one thing may hold this much, keys and values together.
pub const METADATA_LIMIT_BYTES: u64 = 4 << 20;

/// One page of a list of jobs, in the order of creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobPage {
    /// The jobs.
    pub jobs: Vec<JobRow>,
    /// Where the next page begins; none after the last.
    pub next: Option<JobCursor>,
}

/// How many jobs there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobSums {
    /// By where they stand and how they fare.
    pub counts: BTreeMap<(JobState, JobStatus), u64>,
    /// Started and waiting.
    pub queued: u64,
    /// When the oldest of those was created.
    pub oldest_queued_ms: Option<i64>,
}

/// Where records are kept. One page or row at a time; nothing reads a whole table into memory unless it says so.
///
/// # Errors
/// Every function fails with [`RepositoryError`] when the database does; what is unknown is `None`, not an error.
pub trait Repository: Send + Sync + 'static {
    /// Writes all changes or none. The receipt resolves when they are on disk.
    ///
    /// Changes of one caller happen in the order of the calls, also when the receipts are not waited for.
    fn commit(&self, changes: Vec<Change>) -> Receipt;

    /// All pipelines, by name.
    fn pipelines(&self) -> Result<Vec<PipelineRow>, RepositoryError>;
    /// One pipeline.
    fn pipeline(&self, id: PipelineId) -> Result<Option<PipelineRow>, RepositoryError>;
    /// The files of a definition, main file first.
    fn definition(&self, id: DefinitionId) -> Result<Vec<DefinitionFile>, RepositoryError>;

    /// One payload.
    fn payload(&self, id: PayloadId) -> Result<Option<PayloadRow>, RepositoryError>;
    /// Up to `limit` identifiers of payloads after one, in their order.
    fn payload_ids(&self, after: Option<PayloadId>, limit: usize) -> Result<Vec<PayloadId>, RepositoryError>;
    /// Up to `limit` files of a payload after one path, in an order that does not change.
    fn payload_files(
        &self,
        id: PayloadId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<PayloadFileRow>, RepositoryError>;
    /// The files whose names equal `path` but for letter case.
    fn payload_files_like(&self, id: PayloadId, path: &str) -> Result<Vec<PayloadFileRow>, RepositoryError>;
    /// Up to `limit` contents after a number, each with its number, in the order they were kept.
    fn contents(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, PayloadId, ContentRow)>, RepositoryError>;
    /// The number of the last content that was kept, 0 when none is.
    fn last_content(&self) -> Result<u64, RepositoryError>;
    /// Payloads of jobs that were over before a time: one for healthy jobs, another for all others.
    fn payloads_of_old_jobs(
        &self,
        healthy_before_ms: i64,
        others_before_ms: i64,
    ) -> Result<Vec<PayloadId>, RepositoryError>;

    /// One job.
    fn job(&self, id: JobId) -> Result<Option<JobRow>, RepositoryError>;
    /// One job with messages and operators, at one moment.
    fn job_details(&self, id: JobId) -> Result<Option<JobDetails>, RepositoryError>;
    /// The values a job was started with, by name.
    fn job_variables(&self, id: JobId) -> Result<Vec<(String, String)>, RepositoryError>;
    /// The next page of the jobs that fit. Jobs are never seen twice; one that changes between two pages is judged
    /// as it is when its place is reached.
    fn jobs(
        &self,
        filter: &JobFilter,
        after: Option<JobCursor>,
        limit: usize,
    ) -> Result<JobPage, RepositoryError>;
    /// How many jobs there are of each kind, and of those that were started and wait: how many, and when the oldest
    /// was created.
    fn job_sums(&self) -> Result<JobSums, RepositoryError>;
    /// The last run of each operator whose log is kept.
    fn logged_runs(&self) -> Result<Vec<String>, RepositoryError>;
    /// The runs that were asked for and not forgotten.
    fn runs(&self) -> Result<Vec<RunRow>, RepositoryError>;

    /// All models, by name.
    fn models(&self) -> Result<Vec<ModelRow>, RepositoryError>;
    /// One model.
    fn model(&self, id: ModelId) -> Result<Option<ModelRow>, RepositoryError>;
    /// All catalogs, or all instances, in the order of creation.
    fn model_lists(&self, kind: ModelListKind) -> Result<Vec<ModelListRow>, RepositoryError>;
    /// One catalog or instance.
    fn model_list(&self, id: ModelListId) -> Result<Option<ModelListRow>, RepositoryError>;

    /// The last `limit` lines of the audit log, newest first.
    fn audit(&self, limit: usize) -> Result<Vec<AuditRow>, RepositoryError>;
    /// All users, by name.
    fn users(&self) -> Result<Vec<UserRow>, RepositoryError>;
    /// One user, whatever the letter case.
    fn user(&self, name: &str) -> Result<Option<UserRow>, RepositoryError>;
    /// All tokens, by user and age.
    fn tokens(&self) -> Result<Vec<TokenRow>, RepositoryError>;
    /// One token by its hash.
    fn token(&self, digest: &[u8; 32]) -> Result<Option<TokenRow>, RepositoryError>;

    /// Up to `limit` events after a number, in order.
    ///
    /// # Errors
    /// [`RepositoryError::EventsGone`] when some of them are kept no longer: the watcher has to look at everything
    /// anew.
    fn events(&self, after: u64, limit: usize) -> Result<Vec<EventRow>, RepositoryError>;
    /// The number of the last event on disk, and a way to wait for the next.
    fn last_event(&self) -> watch::Receiver<u64>;
}

/// Which kind of list of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelListKind {
    /// Lists that people keep.
    Catalogs,
    /// What inference servers serve.
    Instances,
}
