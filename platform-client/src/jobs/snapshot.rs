//! A job at one moment as our own services tell it: fractions of seconds, limits, reasons of ends.

use std::time::{Duration, SystemTime};

use platform_api::convert::extension::{parse_duration, system_time};
use platform_api::convert::{ConvertError, job_priority, job_state, job_status, operator_status};
use platform_api::id::ParseIdError;
use platform_api::job::{JobDetails, Limits, OperatorEnd, OperatorStatus};
use platform_api::metadata::Metadata;
use platform_api::proto::extension as wire;

/// A job at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct JobSnapshot {
    /// The job.
    pub details: JobDetails,
    /// For people: why it failed, or why it was canceled.
    pub messages: Vec<String>,
    /// In the order of the definition; empty in events.
    pub operators: Vec<OperatorSnapshot>,
    /// What it may take in all.
    pub timeout: Option<Duration>,
    /// For people: what a pending job that was started waits for. Empty where there is nothing to say.
    pub pending_reason: String,
}

/// An operator at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct OperatorSnapshot {
    /// Its name in the definition.
    pub name: String,
    /// Where it stands.
    pub status: OperatorStatus,
    /// When it began itself.
    pub started: Option<SystemTime>,
    /// When it ended itself.
    pub stopped: Option<SystemTime>,
    /// Why it ended, once it has.
    pub end: Option<OperatorEnd>,
    /// What it may use.
    pub limits: Option<Limits>,
    /// Names of the operators that it reads from.
    pub depends_on: Vec<String>,
    /// Bytes of its log.
    pub log_bytes: u64,
    /// From 0 to 1, where it reports it.
    pub progress: Option<f32>,
}

pub(crate) fn id<T>(text: &str, what: &'static str) -> Result<T, ConvertError>
where
    T: std::str::FromStr<Err = ParseIdError>,
{
    if text.is_empty() {
        return Err(ConvertError::Missing { what });
    }
    text.parse().map_err(|source| ConvertError::Identifier { what, source })
}

impl JobSnapshot {
    pub(crate) fn from_wire(job: wire::Job) -> Result<Self, ConvertError> {
        Ok(Self {
            details: JobDetails {
                id: id(&job.job_id, "job id")?,
                pipeline_id: id(&job.pipeline_id, "pipeline id")?,
                payload_id: id(&job.payload_id, "payload id")?,
                name: job.name,
                state: job_state(job.state)?,
                status: job_status(job.status)?,
                priority: job_priority(job.priority)?,
                created: system_time(job.created)?
                    .ok_or(ConvertError::Missing { what: "time of creation" })?,
                started: system_time(job.started)?,
                stopped: system_time(job.stopped)?,
                metadata: Metadata::from_entries(job.metadata)?,
            },
            messages: job.messages,
            operators: job
                .operators
                .into_iter()
                .map(OperatorSnapshot::from_wire)
                .collect::<Result<_, _>>()?,
            timeout: parse_duration(job.timeout)?,
            pending_reason: job.pending_reason,
        })
    }
}

impl OperatorSnapshot {
    pub(crate) fn from_wire(operator: wire::Operator) -> Result<Self, ConvertError> {
        Ok(Self {
            name: operator.name,
            status: operator_status(operator.status)?,
            started: system_time(operator.started)?,
            stopped: system_time(operator.stopped)?,
            end: operator.end.map(OperatorEnd::try_from).transpose()?,
            limits: operator.limits.map(Limits::try_from).transpose()?,
            depends_on: operator.depends_on,
            log_bytes: operator.log_bytes,
            progress: operator.progress.filter(|part| (0.0..=1.0).contains(part)),
        })
    }
}
