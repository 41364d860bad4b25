//! Keeps account of what the scheduler said, and objects to what must never be said.
//!
//! It knows only effects: what it cannot derive from them, a server could not know after a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use platform_api::id::JobId;
use platform_api::job::{JobState, JobStatus, OperatorStatus};
use platform_server::scheduler::{
    Capacity, Effect, GpuId, JobRow, OperatorRow, OperatorSpec, Plan, Request, RunToken,
};

/// A job, as written down.
pub(crate) struct Entry {
    pub(crate) specs: Arc<Vec<OperatorSpec>>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) row: Option<JobRow>,
    pub(crate) operators: Vec<Option<OperatorRow>>,
}

impl Entry {
    fn is_stopped(&self) -> bool {
        self.row.as_ref().is_some_and(|row| row.state == JobState::Stopped)
    }
}

/// A run that the scheduler launched and whose end has not been reported to it.
pub(crate) struct Live {
    pub(crate) request: Request,
    pub(crate) gpus: Vec<GpuId>,
    pub(crate) has_started: bool,
    pub(crate) was_asked: bool,
}

#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) capacity: Capacity,
    pub(crate) lost_retries: u32,
    /// Jobs that have not stopped.
    pub(crate) jobs: BTreeMap<JobId, Entry>,
    pub(crate) stopped: BTreeMap<JobId, JobStatus>,
    pub(crate) live: BTreeMap<RunToken, Live>,
    pub(crate) wake_ms: Option<u64>,
    pub(crate) launches: u64,
    pub(crate) healthy_ends: u64,
}

impl Ledger {
    /// Takes what one event brought. Runs that ended by it are no longer in `live`.
    pub(crate) fn note(&mut self, effects: &[Effect]) {
        let mut stopped = Vec::new();
        let mut rows_are_over = false;
        for effect in effects {
            let is_row = matches!(effect, Effect::JobChanged(_) | Effect::OperatorChanged(_));
            assert!(!(is_row && rows_are_over), "rows come first");
            rows_are_over |= !is_row;
            match effect {
                Effect::JobChanged(row) => {
                    self.job_changed(row);
                    if row.state == JobState::Stopped {
                        stopped.push(row.job);
                    }
                }
                Effect::OperatorChanged(row) => self.operator_changed(row),
                Effect::Launch { run, request, gpus } => self.launched(*run, *request, gpus),
                Effect::Cancel { run, .. } => {
                    let live = self.live.get_mut(run).expect("only what runs is asked to end");
                    assert!(!live.was_asked, "asked twice: {run}");
                    live.was_asked = true;
                    assert_ne!(self.jobs[&run.job].row.as_ref().unwrap().status, JobStatus::Healthy);
                }
                Effect::Kill { run } => {
                    assert!(self.live[run].was_asked, "killed without being asked: {run}");
                }
                Effect::WakeAt { at_ms } => self.wake_ms = Some(*at_ms),
            }
        }
        for id in stopped {
            self.job_stopped(id);
        }
    }

    fn job_changed(&mut self, row: &JobRow) {
        let entry = self.jobs.get_mut(&row.job).expect("a stopped or unknown job never changes");
        if let Some(old) = &entry.row {
            assert!(old.state <= row.state, "{old:?} became {row:?}");
            assert!(old.status == JobStatus::Healthy || old.status == row.status, "{old:?} became {row:?}");
            assert!(old.queue_position.is_none() || old.queue_position == row.queue_position);
            assert!(old.started_ms.is_none() || old.started_ms == row.started_ms);
            assert!(old.ran_ms <= row.ran_ms);
            assert_eq!((old.created_ms, old.limit_ms), (row.created_ms, row.limit_ms));
        }
        assert_eq!(row.state == JobState::Stopped, row.stopped_ms.is_some());
        assert_eq!(row.status == JobStatus::Healthy, row.cause.is_none());
        assert!(row.state != JobState::Running || row.started_ms.is_some());
        assert!(row.state != JobState::Pending || row.started_ms.is_none());
        entry.row = Some(row.clone());
    }

    fn operator_changed(&mut self, row: &OperatorRow) {
        let entry = self.jobs.get_mut(&row.job).expect("operators of a stopped or unknown job never change");
        let slot = &mut entry.operators[row.operator as usize];
        if let Some(old) = slot {
            assert!(old.status <= row.status || row.lost == old.lost + 1, "{old:?} became {row:?}");
            let was_over = matches!(old.status, OperatorStatus::Completed | OperatorStatus::Faulted);
            assert!(!was_over || old == row, "{old:?} became {row:?}");
            assert!(old.attempt <= row.attempt && row.attempt <= old.attempt + 1);
        }
        assert!(row.lost <= self.lost_retries, "tried again too often: {row:?}");
        assert_eq!(row.status == OperatorStatus::Faulted, row.fault.is_some());
        assert!(row.status != OperatorStatus::Running || row.run.is_some() && row.started_ms.is_some());
        if let (Some(started_ms), Some(ended_ms)) = (row.started_ms, row.ended_ms) {
            assert!(started_ms <= ended_ms);
        }
        *slot = Some(row.clone());
    }

    fn launched(&mut self, run: RunToken, request: Request, gpus: &[GpuId]) {
        let entry = self.jobs.get(&run.job).expect("only known jobs that have not stopped run");
        let row = entry.row.as_ref().unwrap();
        assert!(row.queue_position.is_some(), "only started jobs run");
        assert_eq!(row.status, JobStatus::Healthy, "nothing is launched for a job that ends");
        let spec = &entry.specs[run.operator as usize];
        assert_eq!(request, spec.request);
        let operator = entry.operators[run.operator as usize].as_ref().unwrap();
        assert_eq!((operator.attempt, operator.status), (run.attempt, OperatorStatus::Pending), "{run}");
        assert_eq!(operator.run.as_ref().map(|held| &held.gpus[..]), Some(gpus));
        for input in &spec.inputs {
            let input = entry.operators[*input as usize].as_ref().unwrap();
            assert_eq!(input.status, OperatorStatus::Completed, "{run} before its inputs");
        }
        let is_twice = self.live.keys().any(|live| (live.job, live.operator) == (run.job, run.operator));
        assert!(!is_twice, "{run} runs twice");
        assert_eq!(gpus.len(), request.gpus as usize);
        for gpu in gpus {
            assert!(self.capacity.gpus.contains(gpu), "{gpu} is not there");
            assert!(self.live.values().all(|live| !live.gpus.contains(gpu)), "{gpu} is given twice");
        }
        assert_eq!(gpus.iter().collect::<BTreeSet<_>>().len(), gpus.len());
        let live = Live { request, gpus: gpus.to_vec(), has_started: false, was_asked: false };
        self.live.insert(run, live);
        let sum = |of: fn(&Request) -> u64| self.live.values().map(|live| of(&live.request)).sum::<u64>();
        assert!(sum(|request| request.cpu_millis) <= self.capacity.cpu_millis, "cores are given twice");
        assert!(sum(|request| request.memory_mb) <= self.capacity.memory_mb, "memory is given twice");
        assert!(self.live.len() <= self.capacity.slots as usize, "more runs than places");
        self.launches += 1;
    }

    fn job_stopped(&mut self, id: JobId) {
        assert!(self.live.keys().all(|run| run.job != id), "stopped while something runs");
        let entry = self.jobs.remove(&id).unwrap();
        let status = entry.row.unwrap().status;
        let mut completed = 0;
        for row in entry.operators.iter().flatten() {
            assert!(
                matches!(row.status, OperatorStatus::Completed | OperatorStatus::Faulted)
                    && row.run.is_none(),
                "over, but for {row:?}"
            );
            completed += usize::from(row.status == OperatorStatus::Completed);
        }
        // Healthy exactly when all went well, but for jobs that were asked to end when the last just completed.
        assert!(
            status != JobStatus::Healthy || completed == entry.specs.len(),
            "{id} is too good to be true"
        );
        self.healthy_ends += u64::from(status == JobStatus::Healthy);
        assert!(self.stopped.insert(id, status).is_none(), "stopped twice");
    }

    /// Whether a report of this run's beginning is news.
    pub(crate) fn is_news_that_began(&self, run: RunToken) -> bool {
        self.live.get(&run).is_some_and(|live| !live.has_started)
    }

    /// Clocks run exactly while something of the job does, no time limit has been missed, and the next is known.
    pub(crate) fn check_clocks(&self, now_ms: u64) {
        for (id, entry) in &self.jobs {
            let Some(row) = &entry.row else { continue };
            let is_alive = entry.operators.iter().flatten().any(|row| row.run.is_some());
            assert_eq!(row.clock_since_ms.is_some(), is_alive, "{id}: {row:?}");
            let Some(since_ms) = row.clock_since_ms else { continue };
            if row.status == JobStatus::Healthy {
                let limit_ms = since_ms + row.limit_ms.saturating_sub(row.ran_ms);
                assert!(now_ms < limit_ms, "{id} runs over its limit");
                assert!(
                    self.wake_ms.is_some_and(|wake_ms| wake_ms <= limit_ms),
                    "nobody looks at {id} in time"
                );
                self.check_run_limits(entry, now_ms);
            } else {
                assert!(self.wake_ms.is_some(), "nobody will kill what does not end: {id}");
            }
        }
    }

    /// The same for time limits of operators, which count from the launch of each run.
    fn check_run_limits(&self, entry: &Entry, now_ms: u64) {
        for (spec, row) in entry.specs.iter().zip(entry.operators.iter().flatten()) {
            let Some((limit_ms, run)) = spec.limit_ms.zip(row.run.as_ref()) else { continue };
            let at_ms = run.launched_ms + limit_ms.get();
            assert!(now_ms < at_ms, "{} runs over its limit", spec.name);
            assert!(
                self.wake_ms.is_some_and(|wake_ms| wake_ms <= at_ms),
                "nobody looks at {} in time",
                spec.name
            );
        }
    }

    /// All that runs and waits belongs to jobs that have not stopped.
    pub(crate) fn check_whole(&self) {
        for entry in self.jobs.values() {
            assert!(!entry.is_stopped());
        }
        for run in self.live.keys() {
            let row = self.jobs[&run.job].operators[run.operator as usize].as_ref().unwrap();
            assert_eq!(row.attempt, run.attempt);
            assert!(row.run.is_some(), "the rows have forgotten {run}");
        }
    }
}
