//! Rebuilds a scheduler at the start of a server, from the rows that an earlier one wrote and from what
//! executors still know of its runs.
//!
//! Jobs that wait keep their order. What becomes of jobs that had begun is [`OnRestart`]'s to say.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;

use platform_api::id::JobId;
use platform_api::job::{JobState, JobStatus, OperatorStatus};

use super::config::{Config, OnRestart};
use super::event::{Effect, JobSpec};
use super::job::{Job, Operator, Phase, Stage};
use super::machine::Scheduler;
use super::plan::Plan;
use super::resources::{Capacity, GpuId};
use super::rows::{JobRow, OperatorRow, StopCause};
use super::run::{Fault, Outcome, RunToken};

/// Beyond what any server can have counted to, and what a database can keep.
const MAXIMUM_POSITION: u64 = 1 << 62;

/// A job as it was written down.
#[derive(Debug, Clone)]
pub struct JobRecord {
    /// What it runs.
    pub plan: Arc<Plan>,
    /// The job.
    pub row: JobRow,
    /// Its operators in the order of the plan. May be empty if the job has stopped.
    pub operators: Vec<OperatorRow>,
}

/// What an executor knows of a run that had not ended when the earlier server did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunFate {
    /// It goes on, and its end will be reported. If it has begun, that is reported (again) too.
    Reattached,
    /// It is over and holds nothing.
    Gone {
        /// How it ended, if that is known for sure.
        outcome: Option<Outcome>,
        /// When, if that is known.
        ended_ms: Option<u64>,
    },
}

/// All that there is at the start of a server.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Jobs in any order. Those that stopped may be left out; then they are unknown.
    pub jobs: Vec<JobRecord>,
    /// Of each run in the rows. Those that are missing are gone without an outcome.
    pub fates: BTreeMap<RunToken, RunFate>,
    /// What the machine gives.
    pub capacity: Capacity,
    /// The time, as in [`Scheduler::handle`].
    pub now_ms: u64,
}

/// Rows that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum RestoreError {
    #[error("job `{job}` is there twice")]
    JobTwice { job: JobId },
    #[error("jobs `{first}` and `{second}` have the same place in the queue")]
    PlaceTwice { first: JobId, second: JobId },
    #[error("place {position} of job `{job}` in the queue is absurd")]
    AbsurdPlace { job: JobId, position: u64 },
    #[error("job `{job}` has {expected} operators in its plan and {found} rows of operators")]
    OperatorCount { job: JobId, expected: usize, found: usize },
    #[error("the row of operator {operator} of job `{job}` contradicts itself or its job")]
    Operator { job: JobId, operator: u32 },
    #[error("GPU `{gpu}` is held by two runs, one of them of job `{job}`")]
    GpuTwice { job: JobId, gpu: GpuId },
}

impl Scheduler {
    /// Rebuilds a scheduler, and says what has to be done first.
    ///
    /// # Errors
    /// [`RestoreError`] if the rows contradict each other.
    pub fn restore(config: Config, snapshot: Snapshot) -> Result<(Self, Vec<Effect>), RestoreError> {
        let mut scheduler = Self::new(config, snapshot.capacity);
        scheduler.now_ms = snapshot.now_ms;
        let mut queued = BTreeMap::new();
        for record in snapshot.jobs {
            let job = record.row.job;
            if let Some(position) = record.row.queue_position {
                if position > MAXIMUM_POSITION {
                    return Err(RestoreError::AbsurdPlace { job, position });
                }
                scheduler.next_position = scheduler.next_position.max(position.saturating_add(1));
                if let Some(first) = queued.insert(position, job) {
                    return Err(RestoreError::PlaceTwice { first, second: job });
                }
            }
            scheduler.take_in(record)?;
        }
        for id in queued.into_values() {
            scheduler.revive(id, &snapshot.fates);
        }
        // After all runs of all jobs are counted, so that nothing is judged by half a machine.
        for id in scheduler.demand.jobs_beyond(scheduler.pool.total()) {
            if let Some(reason) = scheduler.never_fits_any_more(id) {
                scheduler.stop(id, JobStatus::Faulted, StopCause::NeverFits(reason));
            }
        }
        let effects = scheduler.settle();
        Ok((scheduler, effects))
    }

    /// Makes a job out of its rows, and lets its runs hold what they hold.
    fn take_in(&mut self, record: JobRecord) -> Result<(), RestoreError> {
        let row = record.row;
        let id = row.job;
        if self.jobs.contains_key(&id) || self.stopped.contains_key(&id) {
            return Err(RestoreError::JobTwice { job: id });
        }
        if row.state == JobState::Stopped {
            self.stopped.insert(id, (row.status, row.priority));
            return Ok(());
        }
        if record.operators.len() != record.plan.len() {
            let (expected, found) = (record.plan.len(), record.operators.len());
            return Err(RestoreError::OperatorCount { job: id, expected, found });
        }
        let spec = JobSpec {
            job: id,
            priority: row.priority,
            limit_ms: NonZeroU64::new(row.limit_ms),
            plan: record.plan,
        };
        let mut job = Job::new(spec, row.limit_ms, row.created_ms);
        for (at, known) in (0u32..).zip(record.operators) {
            let contradiction = RestoreError::Operator { job: id, operator: at };
            let was_started = row.queue_position.is_some();
            if known.job != id || known.operator != at || (known.attempt > 0 && !was_started) {
                return Err(contradiction);
            }
            let token = job.token(at, known.attempt);
            if let Some((run, step)) = known.run.as_ref().zip(job.plan.step(at)) {
                self.pool
                    .hold(token, step.need, &run.gpus)
                    .map_err(|gpu| RestoreError::GpuTwice { job: id, gpu })?;
                job.live += 1;
                job.watch_run(at, run.launched_ms, true);
            }
            let stage = stage_of(&known).ok_or(contradiction)?;
            job.begun |= known.attempt > 0;
            if let Some(operator) = job.operator_mut(at) {
                *operator = Operator {
                    stage,
                    attempt: known.attempt,
                    lost: known.lost,
                    missing_inputs: operator.missing_inputs,
                    started_ms: known.started_ms,
                    ended_ms: known.ended_ms,
                    run: known.run,
                };
            }
        }
        // Healthy jobs have no operator that failed, and those that are being stopped none that waits.
        let is_healthy = row.status == JobStatus::Healthy;
        let is_out_of_place = |operator: &Operator| match operator.stage {
            Stage::Faulted(_) => is_healthy,
            Stage::Waiting => !is_healthy,
            _ => false,
        };
        if let Some(&operator) = job.operators_that(is_out_of_place).first() {
            return Err(RestoreError::Operator { job: id, operator });
        }
        job.count_inputs();
        job.status = row.status;
        job.cause = row.cause;
        job.queue_position = row.queue_position;
        job.queued_ms = row.queued_ms;
        job.started_ms = row.started_ms;
        job.ran_ms = row.ran_ms;
        job.clock_since_ms = row.clock_since_ms.map(|since_ms| since_ms.min(self.now_ms));
        self.jobs.insert(id, job);
        Ok(())
    }

    /// Brings a started job up to date with what became of its runs, and lets it go on or ends it.
    fn revive(&mut self, id: JobId, fates: &BTreeMap<RunToken, RunFate>) {
        let Some(job) = self.jobs.get(&id) else {
            return;
        };
        let (is_healthy, had_begun, runs) = (job.status == JobStatus::Healthy, job.begun, job.live_runs());
        let mut gone: Vec<_> = runs
            .into_iter()
            .filter_map(|run| match fates.get(&run) {
                Some(RunFate::Reattached) => None,
                Some(&RunFate::Gone { outcome, ended_ms }) => Some((run, outcome, ended_ms)),
                None => Some((run, None, None)),
            })
            .collect();
        // Those that nobody can tell of come first: with one of them the job cannot complete any more.
        gone.sort_by_key(|(_, outcome, _)| outcome.is_some());
        self.stop_clock_of_the_past(
            id,
            gone.iter().filter_map(|(_, _, ended_ms)| *ended_ms).max(),
            gone.len(),
        );
        if is_healthy {
            self.activate(id);
        } else if let Some(job) = self.jobs.get_mut(&id) {
            job.phase = Phase::Stopping;
        }
        let mut lost_one = false;
        for (run, outcome, ended_ms) in gone {
            let ended_ms = ended_ms.unwrap_or(self.now_ms).min(self.now_ms);
            match outcome {
                Some(outcome) => {
                    self.run_ended(run, outcome, ended_ms);
                }
                None => {
                    lost_one = true;
                    let outcome = Outcome::Faulted(Fault::Lost);
                    self.release(run, outcome, ended_ms);
                    self.conclude(run, Some(Fault::Lost));
                }
            }
        }
        let Some(job) = self.jobs.get(&id) else {
            return;
        };
        let evict = lost_one || (had_begun && self.config.on_restart == OnRestart::Evict);
        match job.phase {
            Phase::Active if evict => self.stop(id, JobStatus::Evicted, StopCause::Evicted),
            Phase::Active if job.completed == job.operators.len() => self.finish_if_over(id),
            Phase::Active if job.ran_ms >= job.limit_ms => {
                let limit_ms = job.limit_ms;
                self.stop(id, JobStatus::Terminated, StopCause::TimeLimit { limit_ms });
            }
            Phase::Active => self.set_limit_deadline(id),
            Phase::Stopping if !is_healthy => {
                self.ask_to_end(id);
                self.finish_if_over(id);
            }
            Phase::Created | Phase::Stopping | Phase::Stopped => {}
        }
    }

    /// The time without a server counts for jobs that went on in it, and not for those that did not.
    fn stop_clock_of_the_past(&mut self, id: JobId, last_end_ms: Option<u64>, gone: usize) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        let Some(since_ms) = job.clock_since_ms else {
            return;
        };
        if job.live as usize == gone {
            let until_ms = last_end_ms.unwrap_or(since_ms).min(self.now_ms);
            job.ran_ms = job.ran_ms.saturating_add(until_ms.saturating_sub(since_ms));
            job.clock_since_ms = None;
            self.outbox.job(id);
        }
    }
}

/// What a row says of an operator, if it does not contradict itself.
fn stage_of(row: &OperatorRow) -> Option<Stage> {
    let is_live = row.run.is_some();
    if (is_live && row.attempt == 0) || row.attempt == u32::MAX {
        return None;
    }
    match (row.status, row.fault) {
        (OperatorStatus::Pending, None) if is_live => Some(Stage::Launched),
        (OperatorStatus::Pending, None) => Some(Stage::Waiting),
        (OperatorStatus::Running, None) if is_live => Some(Stage::Running),
        (OperatorStatus::Completed, None) if !is_live => Some(Stage::Completed),
        (OperatorStatus::Faulted, Some(fault)) if !is_live => Some(Stage::Faulted(fault)),
        _ => None,
    }
}
