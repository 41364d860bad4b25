//! What a repository keeps, as plain values.
//!
//! Times are milliseconds since 1970 in UTC, as the caller's clock gave them. Nothing is ordered by them: jobs and
//! events are ordered by numbers that only grow.

use std::collections::BTreeMap;

use platform_api::id::{CatalogId, InstanceId, JobId, ModelId, PayloadId, PipelineId};
use platform_api::job::{JobPriority, JobState, JobStatus, OperatorStatus};

/// Names and values that people attach. Keys differ in more than letter case.
pub type Metadata = BTreeMap<String, String>;

/// One file of a pipeline's definition. The path is a label, not a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionFile {
    /// The label, as the client gave it.
    pub path: String,
    /// The text.
    pub content: String,
}

/// Names a list of definition files that never changes: what a job keeps when its pipeline is updated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DefinitionId(pub(crate) i64);

/// A pipeline, without the text of its definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineRow {
    /// Its identifier.
    pub id: PipelineId,
    /// The name in its definition.
    pub name: String,
    /// When it was created.
    pub created_ms: i64,
    /// Its present definition.
    pub definition: DefinitionId,
    /// How often it was given one: 1 for a new pipeline.
    pub revision: u64,
    /// What people attached.
    pub metadata: Metadata,
}

/// What a payload is for. The numbers are those of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PayloadKind {
    /// Made with a job, one each.
    Pipeline = 1,
    /// Made by a client, input of any number of jobs.
    Reusable = 2,
}

/// Whether a payload's files may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PayloadState {
    /// Files may be uploaded and removed.
    Open = 1,
    /// Read-only for clients; operators of its job add what they make.
    Frozen = 2,
    /// The record is there, the folder is not.
    Missing = 3,
}

/// A payload, without its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadRow {
    /// Its identifier.
    pub id: PayloadId,
    /// What it is for.
    pub kind: PayloadKind,
    /// The job that it was made with.
    pub job: Option<JobId>,
    /// When it was created.
    pub created_ms: i64,
    /// Whether its files may change.
    pub state: PayloadState,
    /// What people attached.
    pub metadata: Metadata,
}

/// A file of a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadFileRow {
    /// Its name: segments joined by `/`, no slash in front.
    pub path: String,
    /// Its length.
    pub size_bytes: u64,
    /// SHA-256 of its content.
    pub sha256: [u8; 32],
    /// Permission bits as the client gave them, or as the operator left them.
    pub mode: u32,
    /// The name on disk where it is another one: an operator's name that is unsafe to show.
    pub stored: Option<Vec<u8>>,
}

/// The content of a small file whose record is on the disk before the file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentRow {
    /// The file's name, as in its record.
    pub path: String,
    /// All of it.
    pub content: Vec<u8>,
}

/// A job, without what it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    /// Its place in the order of creation. Only grows, whatever clocks do.
    pub cursor: JobCursor,
    /// Its identifier.
    pub id: JobId,
    /// Its payload, which may be gone by now.
    pub payload: PayloadId,
    /// The pipeline it was made from, which may be gone by now.
    pub pipeline: PipelineId,
    /// What it runs.
    pub definition: DefinitionId,
    /// Its name, which need not be unique.
    pub name: String,
    /// How early it goes.
    pub priority: JobPriority,
    /// Where it stands.
    pub state: JobState,
    /// How it fares.
    pub status: JobStatus,
    /// When it was created.
    pub created_ms: i64,
    /// When its first operator ran.
    pub started_ms: Option<i64>,
    /// When it was over. Never before `started_ms`.
    pub stopped_ms: Option<i64>,
    /// Its place in the queue; none before somebody started it.
    pub queue_order: Option<i64>,
    /// How long it may run.
    pub time_limit_ms: Option<i64>,
    /// How much of that was used up when `clock_since_ms` began.
    pub ran_ms: i64,
    /// Since when its clock has been running, if it is.
    pub clock_since_ms: Option<i64>,
    /// What people attached.
    pub metadata: Metadata,
}

/// A place in the order in which jobs were created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobCursor(pub(crate) i64);

/// A job with what the status call tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobDetails {
    /// The job.
    pub job: JobRow,
    /// Text for people, in the order it was added.
    pub messages: Vec<String>,
    /// Its operators, in the definition's order.
    pub operators: Vec<OperatorRow>,
}

/// An operator of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorRow {
    /// Its place in the definition.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub status: OperatorStatus,
    /// Why it ended, for people and programs.
    pub reason: Option<String>,
    /// The exit code of its process.
    pub exit_code: Option<i32>,
    /// When it was created.
    pub created_ms: i64,
    /// When its process began.
    pub started_ms: Option<i64>,
    /// When its process ended.
    pub stopped_ms: Option<i64>,
    /// The run that is at work or was the last.
    pub run_token: Option<String>,
    /// How often it was begun.
    pub attempt: u32,
    /// The GPUs it was given.
    pub gpus: Vec<String>,
}

/// A run that an executor was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// Makes asking twice harmless.
    pub token: String,
    /// The job.
    pub job: JobId,
    /// The operator's place in the definition.
    pub operator: u32,
    /// What the executor calls it; none before it answered.
    pub handle: Option<Vec<u8>>,
}

/// A model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelRow {
    /// Its identifier.
    pub id: ModelId,
    /// Its name; no two models share one, whatever the letter case.
    pub name: String,
    /// Its type, as on the wire.
    pub kind: i32,
    /// When it was uploaded.
    pub created_ms: i64,
    /// The length of its archive.
    pub size_bytes: u64,
    /// SHA-256 of its archive.
    pub sha256: [u8; 32],
    /// What people attached.
    pub metadata: Metadata,
}

/// Which list of models is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ModelListId {
    /// A list that people keep.
    Catalog(CatalogId),
    /// What one inference server serves.
    Instance(InstanceId),
}

/// A catalog or an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelListRow {
    /// Which one.
    pub id: ModelListId,
    /// When it was created.
    pub created_ms: i64,
    /// Its models, in order.
    pub models: Vec<ModelId>,
}

/// One line of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// When.
    pub at_ms: i64,
    /// Who; empty where nobody was logged in.
    pub user: String,
    /// What was asked for.
    pub action: String,
    /// On what, by identifier.
    pub object: String,
    /// How it ended.
    pub outcome: String,
}

/// Somebody who may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// The name; no two users share one, whatever the letter case.
    pub name: String,
    /// An argon2id hash in its usual text form; none for users with tokens only.
    pub password_hash: Option<String>,
    /// What the user may do.
    pub roles: Vec<String>,
    /// Whether payloads may be downloaded.
    pub may_download: bool,
    /// Whether the user may log in.
    pub is_enabled: bool,
    /// When the user was created.
    pub created_ms: i64,
}

/// A token that stands for a user. Only its hash is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// SHA-256 of the token.
    pub digest: [u8; 32],
    /// Whose it is.
    pub user: String,
    /// What it is for.
    pub label: String,
    /// When it was made.
    pub created_ms: i64,
    /// When it ends.
    pub expires_ms: Option<i64>,
}

/// Something that happened, for those who watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Its number. Only grows; never given twice.
    pub number: u64,
    /// When.
    pub at_ms: i64,
    /// What kind of thing.
    pub kind: String,
    /// About what, by identifier.
    pub subject: String,
    /// The rest, in the kind's own form.
    pub body: String,
}
