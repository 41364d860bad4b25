//! Which jobs a list holds.

use platform_api::id::PipelineId;
use platform_api::job::{JobState, JobStatus};

/// Values of one field are alternatives; every field that is given must fit. An empty list asks nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// In any of these states.
    pub states: Vec<JobState>,
    /// With any of these statuses.
    pub statuses: Vec<JobStatus>,
    /// Made from any of these pipelines.
    pub pipelines: Vec<PipelineId>,
    /// Created later than this.
    pub created_after_ms: Option<i64>,
    /// Over earlier than this. A job that is not over does not fit.
    pub completed_before_ms: Option<i64>,
}

/// All states, in the order of their numbers.
pub(crate) const STATES: [JobState; 3] = [JobState::Pending, JobState::Running, JobState::Stopped];

/// All statuses, in the order of their numbers.
pub(crate) const STATUSES: [JobStatus; 5] =
    [JobStatus::Healthy, JobStatus::Faulted, JobStatus::Canceled, JobStatus::Evicted, JobStatus::Terminated];

impl JobFilter {
    /// The states that can fit at all, each once.
    pub(crate) fn possible_states(&self) -> Vec<JobState> {
        STATES
            .into_iter()
            .filter(|state| self.states.is_empty() || self.states.contains(state))
            .filter(|state| self.completed_before_ms.is_none() || *state == JobState::Stopped)
            .collect()
    }

    /// The statuses that can fit at all, each once.
    pub(crate) fn possible_statuses(&self) -> Vec<JobStatus> {
        STATUSES
            .into_iter()
            .filter(|status| self.statuses.is_empty() || self.statuses.contains(status))
            .collect()
    }
}
