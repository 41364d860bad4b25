//! Jobs: made from a pipeline, started, watched, ended.

use std::collections::BTreeMap;
use std::time::SystemTime;

use bytes::Bytes;
use platform_api::id::{JobId, PayloadId, PipelineId};
use platform_api::job::{
    JobDetails, JobFilter, JobName, JobPriority, JobReport, JobState, JobStatus, Limits, OperatorEnd,
};
use platform_api::metadata::Metadata;

use super::{Answer, Answers, Platform};

/// A job to be made.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// From which pipeline.
    pub pipeline: PipelineId,
    /// Its name.
    pub name: JobName,
    /// How early it goes.
    pub priority: JobPriority,
    /// Reusable payloads whose files are copied into its input, in this order.
    pub inputs: Vec<PayloadId>,
    /// What people attach.
    pub metadata: Metadata,
}

/// A job that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreatedJob {
    /// The job.
    pub job: JobId,
    /// Its payload.
    pub payload: PayloadId,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobStanding {
    /// Pending, running or stopped.
    pub state: JobState,
    /// How it fares.
    pub status: JobStatus,
    /// How early it goes.
    pub priority: JobPriority,
}

/// A job with what only our own services tell.
#[derive(Debug, Clone)]
pub struct ExtendedReport {
    /// What the Clara API tells.
    pub report: JobReport,
    /// Of each operator, in the order of the report: how it ended, what it may use, and the bytes of its log.
    pub operators: Vec<OperatorExtras>,
    /// What the job may take in all before it is terminated.
    pub timeout: std::time::Duration,
    /// For a queued job: what it waits for.
    pub pending_reason: Option<String>,
}

/// What the Clara API does not tell of an operator.
#[derive(Debug, Clone)]
pub struct OperatorExtras {
    /// How it ended, if it has.
    pub end: Option<OperatorEnd>,
    /// What it may use.
    pub limits: Limits,
    /// Bytes of its log so far.
    pub log_bytes: u64,
}

/// Lines of a log for `ReadLogs`: at most about 1 MiB in one piece.
pub type LogLines = Vec<String>;

/// Where to begin reading a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStart {
    /// At a byte.
    Offset(u64),
    /// So many bytes before the end, at the start of a line where one is near.
    Tail(u64),
}

/// What to read of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogRead {
    /// Where to begin.
    pub start: LogStart,
    /// Whether to go on with what is written later, until the operator has ended.
    pub follow: bool,
    /// End after so many bytes.
    pub max_bytes: Option<u64>,
}

/// Part of a log by bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogPart {
    /// Bytes as the operator wrote them, at most 1 MiB.
    Chunk {
        /// Place of the first byte in the whole log.
        offset: u64,
        /// The bytes.
        data: Bytes,
        /// Lengths that together cover the bytes, with what wrote them (1 stdout, 2 stderr, 3 the platform) and when.
        spans: Vec<(u32, i32, SystemTime)>,
    },
    /// Nothing follows.
    End {
        /// Why: the number of `lantern.platform.v1.LogEndReason`.
        reason: i32,
        /// Where to go on.
        next_offset: u64,
    },
}

impl Platform {
    /// Makes a job with a payload of its own. It waits until it is started.
    pub async fn create_job(&self, new: NewJob) -> Answer<CreatedJob> {
        let _ = new;
        unimplemented!()
    }

    /// Starts a job, once, with values for parameters of its definition.
    pub async fn start_job(&self, id: JobId, variables: BTreeMap<String, String>) -> Answer<JobStanding> {
        let _ = (id, variables);
        unimplemented!()
    }

    /// One job with its operators.
    pub async fn job(&self, id: JobId) -> Answer<JobReport> {
        let _ = id;
        unimplemented!()
    }

    /// One job with everything that is known of it.
    pub async fn job_extended(&self, id: JobId) -> Answer<ExtendedReport> {
        let _ = id;
        unimplemented!()
    }

    /// Jobs that fit a filter, in the order of their creation.
    pub fn jobs(&self, filter: JobFilter) -> Answers<JobDetails> {
        let _ = filter;
        unimplemented!()
    }

    /// Asks a pending or running job to end.
    pub async fn cancel_job(&self, id: JobId, reason: Option<String>) -> Answer<JobStanding> {
        let _ = (id, reason);
        unimplemented!()
    }

    /// Moves a pending job to another place in the queue.
    pub async fn set_job_priority(&self, id: JobId, priority: JobPriority) -> Answer<()> {
        let _ = (id, priority);
        unimplemented!()
    }

    /// Adds metadata; answers with the whole set.
    pub async fn add_job_metadata(&self, id: JobId, added: Metadata) -> Answer<Metadata> {
        let _ = (id, added);
        unimplemented!()
    }

    /// Removes keys, whatever their letter case; answers with the set that is left.
    pub async fn remove_job_metadata(&self, id: JobId, keys: Vec<String>) -> Answer<Metadata> {
        let _ = (id, keys);
        unimplemented!()
    }

    /// The lines of an operator's log that are there now; `clara-pod-manager` is the platform's own log of the job.
    pub fn log_lines(&self, id: JobId, operator: String) -> Answers<LogLines> {
        let _ = (id, operator);
        unimplemented!()
    }

    /// An operator's log by bytes.
    pub fn read_log(&self, id: JobId, operator: String, read: LogRead) -> Answers<LogPart> {
        let _ = (id, operator, read);
        unimplemented!()
    }
}
