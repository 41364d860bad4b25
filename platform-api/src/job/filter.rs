//! Which jobs a list shows.

use std::collections::BTreeSet;
use std::time::SystemTime;

use super::{JobDetails, JobState, JobStatus};
use crate::id::PipelineId;

/// Chooses jobs. What is empty or absent chooses all; the others must all hold, each by any of its values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobFilter {
    /// Any of these states.
    pub states: BTreeSet<JobState>,
    /// Any of these statuses.
    pub statuses: BTreeSet<JobStatus>,
    /// Any of these pipelines.
    pub pipelines: BTreeSet<PipelineId>,
    /// Created later than this.
    pub created_after: Option<SystemTime>,
    /// Stopped earlier than this; a job that has not stopped does not match.
    pub completed_before: Option<SystemTime>,
}

impl JobFilter {
    /// Whether the job is chosen.
    pub fn matches(&self, job: &JobDetails) -> bool {
        (self.states.is_empty() || self.states.contains(&job.state))
            && (self.statuses.is_empty() || self.statuses.contains(&job.status))
            && (self.pipelines.is_empty() || self.pipelines.contains(&job.pipeline_id))
            && self.created_after.is_none_or(|time| job.created > time)
            && self.completed_before.is_none_or(|time| job.stopped.is_some_and(|stopped| stopped < time))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::id::{JobId, PayloadId};
    use crate::job::JobPriority;
    use crate::metadata::Metadata;

    fn at(secs: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(secs)
    }

    fn job(state: JobState, status: JobStatus, stopped: Option<SystemTime>) -> JobDetails {
        JobDetails {
            id: JobId::from_bits(1),
            pipeline_id: PipelineId::from_bits(2),
            payload_id: PayloadId::from_bits(3),
            name: "a".to_owned(),
            state,
            status,
            priority: JobPriority::Normal,
            created: at(100),
            started: None,
            stopped,
            metadata: Metadata::new(),
        }
    }

    #[test]
    fn values_are_alternatives_and_fields_must_all_hold() {
        let stopped = job(JobState::Stopped, JobStatus::Faulted, Some(at(200)));
        let running = job(JobState::Running, JobStatus::Healthy, None);
        let states = BTreeSet::from([JobState::Running, JobState::Stopped]);
        let mut filter = JobFilter { states, ..Default::default() };
        assert!(filter.matches(&stopped) && filter.matches(&running));
        filter.statuses.insert(JobStatus::Faulted);
        assert!(filter.matches(&stopped) && !filter.matches(&running));
        filter.pipelines.insert(PipelineId::from_bits(9));
        assert!(!filter.matches(&stopped));
        assert!(JobFilter::default().matches(&running));
    }

    #[test]
    fn bounds_exclude_their_own_second_and_unfinished_jobs() {
        let stopped = job(JobState::Stopped, JobStatus::Healthy, Some(at(200)));
        let running = job(JobState::Running, JobStatus::Healthy, None);
        let after = |secs| JobFilter { created_after: Some(at(secs)), ..Default::default() };
        let before = |secs| JobFilter { completed_before: Some(at(secs)), ..Default::default() };
        assert!(after(99).matches(&stopped) && !after(100).matches(&stopped));
        assert!(before(201).matches(&stopped) && !before(200).matches(&stopped));
        assert!(!before(999).matches(&running));
    }
}
