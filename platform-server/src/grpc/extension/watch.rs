//! Which changes a watcher gets: its filter, and the latest of several for the same object.

use std::collections::HashSet;

use platform_api::code;
use platform_api::id::{JobId, ModelId, PayloadId, PipelineId};
use platform_api::proto::extension::{EventKind, WatchRequest};
use tonic::Status;

use super::id;
use crate::events::{Change, Event};

/// Most jobs that a filter may name.
const MAX_JOBS: usize = 10_000;

/// What a watcher wants to know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Filter {
    kinds: HashSet<EventKind>,
    jobs: HashSet<JobId>,
}

impl Filter {
    /// The filter of a request; what is empty chooses all.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for unknown kinds, malformed jobs, and too many of them.
    pub(super) fn of(request: &WatchRequest) -> Result<Self, Status> {
        let kind = |number: &i32| match EventKind::try_from(*number) {
            Ok(EventKind::Unspecified) | Err(_) => {
                Err(Status::invalid_argument(format!("`{number}` is no kind of event")))
            }
            Ok(kind) => Ok(kind),
        };
        if request.job_ids.len() > MAX_JOBS {
            return Err(Status::invalid_argument(format!("the filter names more than {MAX_JOBS} jobs")));
        }
        Ok(Self {
            kinds: request.kinds.iter().map(kind).collect::<Result<_, _>>()?,
            jobs: request
                .job_ids
                .iter()
                .map(|text| id(text, code::JOB_ID_MALFORMED))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Whether the watcher wants this, as far as the change itself tells: the job of a payload is not in it.
    pub(super) fn wants(&self, change: Change) -> bool {
        let (kind, job) = match change {
            Change::Job(job) => (EventKind::Job, Some(job)),
            Change::Operator(job, _) => (EventKind::Operator, Some(job)),
            Change::Log(job, ..) => (EventKind::Log, Some(job)),
            Change::Utilization => (EventKind::Utilization, None),
            Change::Payload(_) => (EventKind::Payload, None),
            Change::PayloadDeleted(_, job) => {
                return self.wants_kind(EventKind::Payload) && self.wants_payload_of(job);
            }
            Change::Pipeline(_) | Change::PipelineDeleted(_) => (EventKind::Pipeline, None),
            Change::Model(_) | Change::ModelDeleted(_) => (EventKind::Model, None),
        };
        self.wants_kind(kind) && job.is_none_or(|job| self.jobs.is_empty() || self.jobs.contains(&job))
    }

    /// Whether the watcher wants payloads that belong to this job, or to none.
    pub(super) fn wants_payload_of(&self, job: Option<JobId>) -> bool {
        self.jobs.is_empty() || job.is_some_and(|job| self.jobs.contains(&job))
    }

    fn wants_kind(&self, kind: EventKind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }
}

/// What an event is about.
#[derive(PartialEq, Eq, Hash)]
enum Object {
    Job(JobId),
    Operator(JobId, u32),
    Log(JobId, u32),
    Utilization,
    Payload(PayloadId),
    Pipeline(PipelineId),
    Model(ModelId),
}

fn object(change: Change) -> Object {
    match change {
        Change::Job(job) => Object::Job(job),
        Change::Operator(job, operator) => Object::Operator(job, operator),
        Change::Log(job, operator, _) => Object::Log(job, operator),
        Change::Utilization => Object::Utilization,
        Change::Payload(id) | Change::PayloadDeleted(id, _) => Object::Payload(id),
        Change::Pipeline(id) | Change::PipelineDeleted(id) => Object::Pipeline(id),
        Change::Model(id) | Change::ModelDeleted(id) => Object::Model(id),
    }
}

/// The latest event of each object that the watcher wants, in their order. A watcher that goes on after any of them
/// misses nothing: what is left out is older than what is kept of the same object.
pub(super) fn chosen(events: &[Event], filter: &Filter) -> Vec<Event> {
    let mut seen = HashSet::new();
    let mut latest: Vec<Event> = events
        .iter()
        .rev()
        .filter(|event| filter.wants(event.change) && seen.insert(object(event.change)))
        .copied()
        .collect();
    latest.reverse();
    latest
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn job(n: u128) -> JobId {
        JobId::from_bits(n)
    }

    fn sequences(changes: &[Change], filter: &Filter) -> Vec<u64> {
        let event =
            |(change, sequence): (&Change, u64)| Event { sequence, time: UNIX_EPOCH, change: *change };
        let events: Vec<Event> = changes.iter().zip(1..).map(event).collect();
        chosen(&events, filter).into_iter().map(|event| event.sequence).collect()
    }

    #[test]
    fn only_the_latest_event_of_an_object_is_kept_and_the_order_stays() {
        let payload = PayloadId::from_bits(9);
        let changes = [
            Change::Job(job(1)),
            Change::Log(job(1), 0, 10),
            Change::Log(job(1), 1, 10),
            Change::Payload(payload),
            Change::Job(job(1)),
            Change::Log(job(1), 0, 20),
            Change::PayloadDeleted(payload, None),
        ];
        assert_eq!(sequences(&changes, &Filter::default()), [3, 5, 6, 7]);
    }

    #[test]
    fn kinds_and_jobs_choose_and_other_kinds_are_not_affected_by_jobs() {
        let request = |kinds: &[EventKind], jobs: &[u128]| WatchRequest {
            kinds: kinds.iter().map(|kind| (*kind).into()).collect(),
            job_ids: jobs.iter().map(|n| job(*n).to_string()).collect(),
            resume_from: None,
        };
        let changes = [
            Change::Job(job(1)),
            Change::Operator(job(2), 0),
            Change::Pipeline(PipelineId::from_bits(1)),
            Change::PayloadDeleted(PayloadId::from_bits(1), Some(job(2))),
            Change::PayloadDeleted(PayloadId::from_bits(2), None),
        ];
        let chosen = |kinds: &[EventKind], jobs: &[u128]| {
            sequences(&changes, &Filter::of(&request(kinds, jobs)).unwrap())
        };
        assert_eq!(chosen(&[], &[]), [1, 2, 3, 4, 5]);
        assert_eq!(chosen(&[EventKind::Job, EventKind::Operator], &[]), [1, 2]);
        assert_eq!(chosen(&[], &[2]), [2, 3, 4]);
        assert_eq!(chosen(&[EventKind::Payload], &[2]), [4]);
    }

    #[test]
    fn filters_that_mean_nothing_are_refused() {
        let refused = |kinds: Vec<i32>, job_ids: Vec<String>| {
            Filter::of(&WatchRequest { kinds, job_ids, resume_from: None }).unwrap_err().code()
        };
        assert_eq!(refused(vec![0], vec![]), tonic::Code::InvalidArgument);
        assert_eq!(refused(vec![99], vec![]), tonic::Code::InvalidArgument);
        assert_eq!(refused(vec![], vec!["x".to_owned()]), tonic::Code::InvalidArgument);
        assert_eq!(refused(vec![], vec![job(1).to_string(); MAX_JOBS + 1]), tonic::Code::InvalidArgument);
    }
}
