//! What is written down of jobs and operators: enough to show them, and to go on after a restart.

use platform_api::id::JobId;
use platform_api::job::{JobPriority, JobState, JobStatus, OperatorStatus};

use super::plan::Plan;
use super::resources::{GpuId, NeverFits};
use super::run::Fault;

/// Why a job is over, or soon will be, other than by completing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopCause {
    /// An operator failed; which one is its place in the plan.
    OperatorFailed {
        /// The operator's place in the plan.
        operator: u32,
        /// How it failed.
        fault: Fault,
    },
    /// Somebody asked for it.
    Canceled,
    /// It ran over its time limit.
    TimeLimit {
        /// The limit that was in force.
        limit_ms: u64,
    },
    /// One of its operators ran over its own time limit.
    OperatorTimeLimit {
        /// The operator's place in the plan.
        operator: u32,
        /// The limit of the operator.
        limit_ms: u64,
    },
    /// It had begun under an earlier server.
    Evicted,
    /// The machine has become too small for one of its operators.
    NeverFits(NeverFits),
}

impl StopCause {
    /// Whether an operator of the job is asked to end because its time is over, and not on account of another.
    pub(super) fn is_out_of_time(&self, operator: u32) -> bool {
        match self {
            Self::TimeLimit { .. } => true,
            Self::OperatorTimeLimit { operator: slow, .. } => *slow == operator,
            _ => false,
        }
    }

    /// For the people whose job it is; `plan` is that of the job.
    pub fn message(&self, plan: &Plan) -> String {
        match self {
            Self::OperatorFailed { operator, fault } => {
                format!("operator `{}` failed: {fault}", plan.operator_name(*operator).unwrap_or_default())
            }
            Self::Canceled => "canceled on request".into(),
            Self::TimeLimit { limit_ms } => format!("over its time limit of {} s", *limit_ms as f64 / 1000.0),
            Self::OperatorTimeLimit { operator, limit_ms } => format!(
                "operator `{}` ran over its time limit of {} s",
                plan.operator_name(*operator).unwrap_or_default(),
                *limit_ms as f64 / 1000.0
            ),
            Self::Evicted => "left over from an earlier run of the server".into(),
            Self::NeverFits(reason) => reason.to_string(),
        }
    }
}

/// A job as it is to be written down. Each change brings the whole row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    /// The job.
    pub job: JobId,
    /// Where it stands.
    pub state: JobState,
    /// How it fares.
    pub status: JobStatus,
    /// How urgent it is.
    pub priority: JobPriority,
    /// Its place in the queue, from its start on; smaller is earlier. Keeps its value when the job runs and stops.
    pub queue_position: Option<u64>,
    /// The time limit in force.
    pub limit_ms: u64,
    /// When it was created.
    pub created_ms: u64,
    /// When its start was accepted.
    pub queued_ms: Option<u64>,
    /// When its first operator began.
    pub started_ms: Option<u64>,
    /// When it stopped.
    pub stopped_ms: Option<u64>,
    /// How much of its time limit it had used up when [`clock_since_ms`](Self::clock_since_ms) began.
    pub ran_ms: u64,
    /// Since when its clock has been running, if it is.
    pub clock_since_ms: Option<u64>,
    /// Why it is not healthy.
    pub cause: Option<StopCause>,
}

/// A run that has not ended, and what it holds besides what its operator asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// When it was handed to the executor.
    pub launched_ms: u64,
    /// GPUs that are its own.
    pub gpus: Vec<GpuId>,
}

/// An operator of a job as it is to be written down. Each change brings the whole row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorRow {
    /// The job.
    pub job: JobId,
    /// Its place in the plan.
    pub operator: u32,
    /// Where it stands.
    pub status: OperatorStatus,
    /// Why it is faulted.
    pub fault: Option<Fault>,
    /// How often it has been launched: the attempt in the token of its latest run.
    pub attempt: u32,
    /// How many of its runs were lost and tried again.
    pub lost: u32,
    /// When its latest run began. The time of its launch if the executor told of its end only.
    pub started_ms: Option<u64>,
    /// When its latest run ended.
    pub ended_ms: Option<u64>,
    /// Its run, if one has not ended.
    pub run: Option<RunRow>,
}
