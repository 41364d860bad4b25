//! What is known of a server, as panels draw it; and how changes make the next view of it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use platform_client::id::{JobId, PipelineId};
use platform_client::job::{JobDetails, JobState};
use platform_client::jobs::{JobSnapshot, OperatorSnapshot};

use super::log_tail::LogView;
use super::results::Output;
use super::session::Session;
use super::transfers::TransferView;

/// Jobs that are listed: the newest.
pub const MAX_JOBS: usize = 200;

/// A job in the list.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRow {
    /// What the server says.
    pub details: JobDetails,
    /// Why it failed, was canceled, or waits; empty where nobody said so yet.
    pub message: String,
}

impl JobRow {
    /// A row of the server's list, which tells no messages.
    pub fn new(details: JobDetails) -> Self {
        Self { details, message: String::new() }
    }

    fn from_snapshot(job: &JobSnapshot) -> Self {
        let said = job.messages.last().cloned().unwrap_or_default();
        let message = if said.is_empty() { job.pending_reason.clone() } else { said };
        Self { details: job.details.clone(), message }
    }

    /// How long it ran, or runs by now; `None` before it began.
    pub fn duration(&self, now: SystemTime) -> Option<Duration> {
        let end = self.details.stopped.unwrap_or(now);
        // Clocks jump; no job ran for less than nothing.
        Some(end.duration_since(self.details.started?).unwrap_or_default())
    }

    fn order(&self) -> (SystemTime, JobId) {
        (self.details.created, self.details.id)
    }
}

/// A pipeline that can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineRow {
    /// The pipeline.
    pub id: PipelineId,
    /// As its definition calls it.
    pub name: String,
}

/// The job that is looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct JobView {
    /// The job.
    pub id: JobId,
    /// What the server says; `None` until it answers.
    pub snapshot: Option<JobSnapshot>,
    /// Images among its results; `None` until they are known.
    pub outputs: Option<Vec<Output>>,
    /// Why the server's answer is missing.
    pub problem: Option<String>,
}

/// Everything that panels draw.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// Where the connection stands.
    pub session: Session,
    /// By name.
    pub pipelines: Vec<PipelineRow>,
    /// Newest first, at most [`MAX_JOBS`].
    pub jobs: Vec<Arc<JobRow>>,
    /// Whether older jobs are left out.
    pub has_more_jobs: bool,
    /// The job that is looked at.
    pub selected: Option<Arc<JobView>>,
    /// The log that is looked at.
    pub log: Option<Arc<LogView>>,
    /// Files under way.
    pub transfers: Vec<TransferView>,
}

impl View {
    /// Jobs that are not over.
    pub fn unfinished_jobs(&self) -> usize {
        self.jobs.iter().filter(|job| job.details.state != JobState::Stopped).count()
    }

    /// A job of the list.
    pub fn job(&self, id: JobId) -> Option<&JobRow> {
        self.jobs.iter().find(|job| job.details.id == id).map(Arc::as_ref)
    }

    /// What a pipeline is called; an empty text if it is gone.
    pub fn pipeline_name(&self, id: PipelineId) -> &str {
        self.pipelines.iter().find(|pipeline| pipeline.id == id).map_or("", |pipeline| &pipeline.name)
    }

    /// Replaces the list of jobs, keeping messages that are known of those that did not change since.
    pub(super) fn set_jobs(&mut self, rows: Vec<JobRow>, has_more: bool) {
        let before = std::mem::take(&mut self.jobs);
        self.has_more_jobs = has_more;
        for mut row in rows {
            let known = before.iter().find(|known| known.details == row.details);
            if let Some(known) = known {
                row.message.clone_from(&known.message);
            }
            self.put(row);
        }
    }

    pub(super) fn set_pipelines(&mut self, pipelines: Vec<PipelineRow>) {
        self.pipelines = pipelines;
        self.sort_pipelines();
    }

    pub(super) fn put_pipeline(&mut self, id: PipelineId, name: String) {
        self.remove_pipeline(id);
        self.pipelines.push(PipelineRow { id, name });
        self.sort_pipelines();
    }

    pub(super) fn remove_pipeline(&mut self, id: PipelineId) {
        self.pipelines.retain(|pipeline| pipeline.id != id);
    }

    fn sort_pipelines(&mut self) {
        self.pipelines.sort_by(|a, b| a.name.cmp(&b.name).then(a.id.cmp(&b.id)));
    }

    /// The job as it is now. Applying one twice does no harm.
    pub(super) fn put_job(&mut self, job: JobSnapshot) {
        self.put(JobRow::from_snapshot(&job));
        if let Some(selected) = self.selected.as_mut().filter(|selected| selected.id == job.details.id) {
            let selected = Arc::make_mut(selected);
            // Changes tell no operators; those that are known stay.
            let operators = selected.snapshot.take().map(|known| known.operators).unwrap_or_default();
            let operators = if job.operators.is_empty() { operators } else { job.operators.clone() };
            selected.snapshot = Some(JobSnapshot { operators, ..job });
        }
    }

    /// An operator as it is now.
    pub(super) fn put_operator(&mut self, job: JobId, operator: OperatorSnapshot) {
        let Some(selected) = self.selected.as_mut().filter(|selected| selected.id == job) else { return };
        let Some(snapshot) = &mut Arc::make_mut(selected).snapshot else { return };
        if let Some(known) = snapshot.operators.iter_mut().find(|known| known.name == operator.name) {
            *known = operator;
        }
    }

    fn put(&mut self, row: JobRow) {
        match self.jobs.iter().position(|job| job.details.id == row.details.id) {
            Some(at) => {
                if let Some(job) = self.jobs.get_mut(at) {
                    *job = Arc::new(row);
                }
            }
            None => {
                let at = self.jobs.partition_point(|job| job.order() > row.order());
                self.jobs.insert(at, Arc::new(row));
            }
        }
        if self.jobs.len() > MAX_JOBS {
            self.jobs.truncate(MAX_JOBS);
            self.has_more_jobs = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use platform_client::id::PayloadId;
    use platform_client::job::{JobPriority, JobStatus, OperatorStatus};
    use platform_client::metadata::Metadata;

    use super::*;

    fn details(id: u128, created_secs: u64) -> JobDetails {
        JobDetails {
            id: JobId::from_bits(id),
            pipeline_id: PipelineId::from_bits(1),
            payload_id: PayloadId::from_bits(2),
            name: format!("job {id}"),
            state: JobState::Pending,
            status: JobStatus::Healthy,
            priority: JobPriority::Normal,
            created: UNIX_EPOCH + Duration::from_secs(created_secs),
            started: None,
            stopped: None,
            metadata: Metadata::new(),
        }
    }

    fn snapshot(details: JobDetails, message: &str) -> JobSnapshot {
        let messages = if message.is_empty() { Vec::new() } else { vec![message.to_owned()] };
        JobSnapshot { details, messages, operators: Vec::new(), timeout: None, pending_reason: String::new() }
    }

    fn operator(name: &str, status: OperatorStatus) -> OperatorSnapshot {
        OperatorSnapshot {
            name: name.to_owned(),
            status,
            started: None,
            stopped: None,
            end: None,
            limits: None,
            depends_on: Vec::new(),
            log_bytes: 0,
            progress: None,
        }
    }

    fn ids(view: &View) -> Vec<u128> {
        view.jobs.iter().map(|job| job.details.id.to_bits()).collect()
    }

    #[test]
    fn newest_jobs_come_first_whatever_the_order_of_news() {
        let mut view = View::default();
        for (id, created) in [(1, 10), (3, 30), (2, 20), (3, 30)] {
            view.put_job(snapshot(details(id, created), ""));
        }
        assert_eq!(ids(&view), [3, 2, 1]);
        assert_eq!(view.unfinished_jobs(), 3);
    }

    #[test]
    fn the_list_is_bounded_and_says_so() {
        let mut view = View::default();
        for id in 0..MAX_JOBS as u128 {
            view.put_job(snapshot(details(id, id as u64), ""));
        }
        assert!(!view.has_more_jobs);
        view.put_job(snapshot(details(9999, 9999), ""));
        assert_eq!(view.jobs.len(), MAX_JOBS);
        assert_eq!(ids(&view).first(), Some(&9999));
        assert!(view.has_more_jobs && view.job(JobId::from_bits(0)).is_none());
    }

    #[test]
    fn a_new_list_forgets_jobs_that_are_gone_and_keeps_messages_of_those_that_did_not_change() {
        let mut view = View::default();
        view.put_job(snapshot(details(1, 10), "waits for memory"));
        view.put_job(snapshot(details(2, 20), "old news"));
        view.put_job(snapshot(details(3, 30), ""));
        let mut changed = details(2, 20);
        changed.state = JobState::Running;
        view.set_jobs(vec![JobRow::new(details(1, 10)), JobRow::new(changed)], false);
        assert_eq!(ids(&view), [2, 1]);
        assert_eq!(view.job(JobId::from_bits(1)).unwrap().message, "waits for memory");
        assert_eq!(view.job(JobId::from_bits(2)).unwrap().message, "");
    }

    #[test]
    fn changes_of_a_job_keep_its_operators_and_those_of_operators_keep_the_job() {
        let mut view = View::default();
        let id = JobId::from_bits(1);
        view.selected = Some(Arc::new(JobView { id, snapshot: None, outputs: None, problem: None }));
        let mut whole = snapshot(details(1, 10), "");
        whole.operators = vec![operator("crop", OperatorStatus::Pending)];
        view.put_job(whole);
        view.put_operator(id, operator("crop", OperatorStatus::Running));
        view.put_operator(JobId::from_bits(2), operator("crop", OperatorStatus::Faulted));
        view.put_job(snapshot(details(1, 10), "crop: out of memory"));
        let selected = view.selected.unwrap().snapshot.clone().unwrap();
        assert_eq!(selected.operators, [operator("crop", OperatorStatus::Running)]);
        assert_eq!(selected.messages, ["crop: out of memory"]);
    }

    #[test]
    fn durations_are_never_negative_and_end_with_the_job() {
        let at = |secs| UNIX_EPOCH + Duration::from_secs(secs);
        let mut row = JobRow::new(details(1, 10));
        assert_eq!(row.duration(at(99)), None);
        row.details.started = Some(at(20));
        assert_eq!(row.duration(at(25)), Some(Duration::from_secs(5)));
        assert_eq!(row.duration(at(5)), Some(Duration::ZERO), "the clock went back");
        row.details.stopped = Some(at(30));
        assert_eq!(row.duration(at(99)), Some(Duration::from_secs(10)));
    }

    #[test]
    fn pipelines_are_listed_by_name() {
        let mut view = View::default();
        view.put_pipeline(PipelineId::from_bits(1), "lung".into());
        view.put_pipeline(PipelineId::from_bits(2), "bone".into());
        view.put_pipeline(PipelineId::from_bits(1), "airways".into());
        let names: Vec<&str> = view.pipelines.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["airways", "bone"]);
        view.remove_pipeline(PipelineId::from_bits(2));
        assert_eq!(
            (view.pipeline_name(PipelineId::from_bits(1)), view.pipeline_name(PipelineId::from_bits(2))),
            ("airways", "")
        );
    }
}
