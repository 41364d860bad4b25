//! A job and its operators at one moment.

use std::time::SystemTime;

use super::{JobPriority, JobState, JobStatus, OperatorStatus};
use crate::id::{JobId, PayloadId, PipelineId};
use crate::metadata::Metadata;

/// A job, without its operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobDetails {
    /// The job.
    pub id: JobId,
    /// What it runs.
    pub pipeline_id: PipelineId,
    /// What it reads and writes.
    pub payload_id: PayloadId,
    /// As its creator called it.
    pub name: String,
    /// Where it stands.
    pub state: JobState,
    /// How it fares.
    pub status: JobStatus,
    /// When its turn comes.
    pub priority: JobPriority,
    /// When it was created.
    pub created: SystemTime,
    /// When its first operator began.
    pub started: Option<SystemTime>,
    /// When it was over.
    pub stopped: Option<SystemTime>,
    /// What its creator and others noted.
    pub metadata: Metadata,
}

/// An operator of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorDetails {
    /// Its name in the definition.
    pub name: String,
    /// Where it stands.
    pub status: OperatorStatus,
    /// When its job was created.
    pub created: Option<SystemTime>,
    /// When it began itself.
    pub started: Option<SystemTime>,
    /// When it ended itself.
    pub stopped: Option<SystemTime>,
    /// Names of the operators that it reads from.
    pub depends_on: Vec<String>,
}

/// A job with its operators and what there is to say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobReport {
    /// The job.
    pub details: JobDetails,
    /// For people: why it failed, or why it was canceled.
    pub messages: Vec<String>,
    /// In the order of the definition.
    pub operators: Vec<OperatorDetails>,
}
