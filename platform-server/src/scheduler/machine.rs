//! The scheduler itself: takes events, asks the rules, hands out effects.
//!
//! What happens to one job is in `transitions`; who is next is in `queue`; what is free is in `pool`.

use std::collections::{BTreeSet, HashMap};

use platform_api::id::JobId;
use platform_api::job::{JobPriority, JobState, JobStatus};

use super::config::Config;
use super::demand::Demand;
use super::event::{Effect, Event, JobSpec, Refusal};
use super::job::{Job, Phase, Stage};
use super::pool::Pool;
use super::queue::Queue;
use super::resources::{Capacity, NeverFits};
use super::rows::{JobRow, OperatorRow, StopCause};
use super::run::RunToken;

/// Decides what runs when. See the module's documentation for the rules.
#[derive(Debug)]
pub struct Scheduler {
    pub(super) config: Config,
    pub(super) now_ms: u64,
    /// Looked up, never walked: its order would show.
    pub(super) jobs: HashMap<JobId, Job>,
    pub(super) stopped: HashMap<JobId, (JobStatus, JobPriority)>,
    pub(super) pool: Pool,
    pub(super) queue: Queue,
    pub(super) demand: Demand,
    pub(super) deadlines: BTreeSet<(u64, JobId)>,
    pub(super) next_position: u64,
    pub(super) outbox: Outbox,
    announced_ms: Option<u64>,
    ignored: u64,
}

/// What the event at hand has changed so far.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    jobs: BTreeSet<JobId>,
    operators: BTreeSet<(JobId, u32)>,
    /// Jobs that launched or ended a run: their clock may have to be started or stopped.
    clocks: BTreeSet<JobId>,
    actions: Vec<Effect>,
}

impl Outbox {
    pub(super) fn job(&mut self, job: JobId) {
        self.jobs.insert(job);
    }

    pub(super) fn operator(&mut self, job: JobId, operator: u32) {
        self.operators.insert((job, operator));
    }

    pub(super) fn clock(&mut self, job: JobId) {
        self.clocks.insert(job);
    }

    pub(super) fn action(&mut self, effect: Effect) {
        self.actions.push(effect);
    }
}

impl Scheduler {
    /// One without jobs.
    pub fn new(config: Config, capacity: Capacity) -> Self {
        Self {
            now_ms: 0,
            jobs: HashMap::new(),
            stopped: HashMap::new(),
            pool: Pool::new(capacity),
            queue: Queue::new(config.patience),
            demand: Demand::default(),
            deadlines: BTreeSet::new(),
            next_position: 0,
            outbox: Outbox::default(),
            announced_ms: None,
            ignored: 0,
            config,
        }
    }

    /// Takes one event and says what has to be done.
    ///
    /// `now_ms` is milliseconds since the Unix epoch on a clock that does not jump: the server reads the wall once
    /// and then adds elapsed time. A time before that of an earlier event counts as the earlier one.
    /// Reports of runs that are not known, or ended already, change nothing and are [counted](Self::ignored).
    ///
    /// # Errors
    /// [`Refusal`] if the event makes no sense; nothing has changed then.
    pub fn handle(&mut self, now_ms: u64, event: Event) -> Result<Vec<Effect>, Refusal> {
        self.now_ms = self.now_ms.max(now_ms);
        self.apply(event)?;
        Ok(self.settle())
    }

    /// Where a job stands, if it is known: state, status and priority.
    pub fn job(&self, job: JobId) -> Option<(JobState, JobStatus, JobPriority)> {
        if let Some(&(status, priority)) = self.stopped.get(&job) {
            return Some((JobState::Stopped, status, priority));
        }
        self.jobs.get(&job).map(|job| (job.state(), job.status, job.priority))
    }

    /// The row of a job that has not stopped.
    pub fn job_row(&self, job: JobId) -> Option<JobRow> {
        self.jobs.get(&job).map(Job::row)
    }

    /// The rows of the operators of a job that has not stopped, in the order of its plan.
    pub fn operator_rows(&self, job: JobId) -> Vec<OperatorRow> {
        let Some(job) = self.jobs.get(&job) else {
            return Vec::new();
        };
        (0u32..).map_while(|operator| job.operator_row(operator)).collect()
    }

    /// How many operators could run if there were room.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Whether a live run is asked to end because its time is over: that of its job, or its own.
    pub fn is_out_of_time(&self, run: RunToken) -> bool {
        let cause = self.jobs.get(&run.job).and_then(|job| job.cause.as_ref());
        cause.is_some_and(|cause| cause.is_out_of_time(run.operator))
    }

    /// What the machine gives.
    pub fn capacity(&self) -> &Capacity {
        self.pool.capacity()
    }

    /// How many runs have been launched and have not ended.
    pub fn live_runs(&self) -> u64 {
        self.pool.held().slots
    }

    /// What runs hold that have not ended: thousandths of a core, and MB of memory.
    pub fn assigned(&self) -> (u64, u64) {
        let held = self.pool.held();
        (held.cpu_millis, held.memory_mb)
    }

    /// How many reports of unknown or ended runs have been ignored.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }

    fn apply(&mut self, event: Event) -> Result<(), Refusal> {
        match event {
            Event::Create(spec) => self.create(spec),
            Event::Start { job } => self.start(job),
            Event::Cancel { job } => self.cancel(job),
            Event::SetPriority { job, priority } => self.set_priority(job, priority),
            Event::RunStarted { run } => {
                let known = self.run_started(run);
                self.count_if_ignored(known);
                Ok(())
            }
            Event::RunEnded { run, outcome } => {
                let known = self.run_ended(run, outcome, self.now_ms);
                self.count_if_ignored(known);
                Ok(())
            }
            Event::CapacityChanged(capacity) => {
                self.set_capacity(capacity);
                Ok(())
            }
            Event::Timer => Ok(()),
            Event::Forget { job } => match self.stopped.remove(&job) {
                Some(_) => Ok(()),
                None if self.jobs.contains_key(&job) => Err(Refusal::NotStopped { job }),
                None => Err(Refusal::UnknownJob { job }),
            },
        }
    }

    fn create(&mut self, spec: JobSpec) -> Result<(), Refusal> {
        let job = spec.job;
        if self.jobs.contains_key(&job) || self.stopped.contains_key(&job) {
            return Err(Refusal::JobExists { job });
        }
        if let Some(source) = spec.plan.never_fits(self.pool.total()) {
            return Err(Refusal::NeverFits { job, source });
        }
        let limit_ms = self.config.limit_ms(spec.limit_ms);
        self.outbox.job(job);
        for (operator, _) in spec.plan.steps() {
            self.outbox.operator(job, operator);
        }
        self.jobs.insert(job, Job::new(spec, limit_ms, self.now_ms));
        Ok(())
    }

    fn start(&mut self, id: JobId) -> Result<(), Refusal> {
        let total = self.pool.total();
        let job = self.known(id)?;
        if job.phase != Phase::Created {
            return Err(Refusal::AlreadyStarted { job: id });
        }
        if let Some(source) = job.plan.never_fits(total) {
            return Err(Refusal::NeverFits { job: id, source });
        }
        let (position, now_ms) = (self.next_position, self.now_ms);
        self.next_position += 1;
        if let Some(job) = self.jobs.get_mut(&id) {
            job.queued_ms = Some(now_ms);
            job.queue_position = Some(position);
        }
        self.outbox.job(id);
        self.activate(id);
        Ok(())
    }

    fn cancel(&mut self, id: JobId) -> Result<(), Refusal> {
        if self.known(id)?.phase != Phase::Stopping {
            self.stop(id, JobStatus::Canceled, StopCause::Canceled);
        }
        Ok(())
    }

    fn set_priority(&mut self, id: JobId, priority: JobPriority) -> Result<(), Refusal> {
        let job = self.known(id)?;
        if job.begun || job.phase == Phase::Stopping {
            return Err(Refusal::NotPending { job: id });
        }
        if job.priority != priority {
            self.change_lane(id, |job| job.priority = priority);
            self.outbox.job(id);
        }
        Ok(())
    }

    fn set_capacity(&mut self, capacity: Capacity) {
        self.pool.set_capacity(capacity);
        for id in self.demand.jobs_beyond(self.pool.total()) {
            if let Some(reason) = self.never_fits_any_more(id) {
                self.stop(id, JobStatus::Faulted, StopCause::NeverFits(reason));
            }
        }
    }

    /// The first operator of a started job that has not been launched and never can be.
    pub(super) fn never_fits_any_more(&self, id: JobId) -> Option<NeverFits> {
        let job = self.jobs.get(&id)?;
        job.plan
            .steps()
            .zip(&job.operators)
            .filter(|(_, operator)| matches!(operator.stage, Stage::Waiting | Stage::Ready))
            .find_map(|((at, step), _)| step.never_fits(at, self.pool.total()))
    }

    fn known(&self, id: JobId) -> Result<&Job, Refusal> {
        if let Some(&(status, _)) = self.stopped.get(&id) {
            return Err(Refusal::AlreadyStopped { job: id, status });
        }
        self.jobs.get(&id).ok_or(Refusal::UnknownJob { job: id })
    }

    fn count_if_ignored(&mut self, known: Option<()>) {
        if known.is_none() {
            self.ignored += 1;
        }
    }

    /// After the event: what time has brought, what can be launched, and what all of it changed.
    pub(super) fn settle(&mut self) -> Vec<Effect> {
        self.expire();
        while let Some(pick) = self.queue.next(self.pool.free()) {
            if self.launch(pick).is_none() {
                debug_assert!(false, "what was picked is in the queue and fits");
                break;
            }
        }
        for id in std::mem::take(&mut self.outbox.clocks) {
            self.settle_clock(id);
        }
        self.flush()
    }

    /// Ends what has run over its time limit, and kills what has run over its grace.
    fn expire(&mut self) {
        while let Some(&(at_ms, id)) = self.deadlines.first()
            && at_ms <= self.now_ms
        {
            let Some(job) = self.jobs.get(&id) else {
                self.deadlines.pop_first();
                continue;
            };
            if job.phase == Phase::Stopping {
                for run in job.live_runs() {
                    self.outbox.action(Effect::Kill { run });
                }
                // At least a second, so that a grace of nothing does not ask without end.
                let again_ms = self.now_ms.saturating_add(self.config.grace_ms.max(1000));
                self.set_deadline(id, Some(again_ms));
            } else {
                let slow = job.run_limits.first().filter(|(run_at_ms, _)| *run_at_ms <= at_ms);
                let limit_of = |operator| job.plan.step(operator)?.limit_ms;
                let slow = slow.and_then(|(_, operator)| Some((*operator, limit_of(*operator)?.get())));
                let cause = match slow {
                    Some((operator, limit_ms)) => StopCause::OperatorTimeLimit { operator, limit_ms },
                    None => StopCause::TimeLimit { limit_ms: job.limit_ms },
                };
                self.set_deadline(id, None);
                self.stop(id, JobStatus::Terminated, cause);
            }
        }
    }

    pub(super) fn set_deadline(&mut self, id: JobId, deadline_ms: Option<u64>) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        if job.deadline_ms == deadline_ms {
            return;
        }
        if let Some(old_ms) = job.deadline_ms {
            self.deadlines.remove(&(old_ms, id));
        }
        if let Some(new_ms) = deadline_ms {
            self.deadlines.insert((new_ms, id));
        }
        job.deadline_ms = deadline_ms;
    }

    /// Whether what was to be done still makes sense after all of the event: no run is asked to end that has.
    fn is_wanted(&self, action: &Effect) -> bool {
        match action {
            Effect::Cancel { run, .. } | Effect::Kill { run } => {
                self.jobs.get(&run.job).is_some_and(|job| job.is_live(*run))
            }
            _ => true,
        }
    }

    fn flush(&mut self) -> Vec<Effect> {
        let outbox = std::mem::take(&mut self.outbox);
        let mut effects =
            Vec::with_capacity(outbox.jobs.len() + outbox.operators.len() + outbox.actions.len() + 1);
        for id in &outbox.jobs {
            effects.extend(self.jobs.get(id).map(|job| Effect::JobChanged(job.row())));
        }
        for (id, operator) in outbox.operators {
            let row = self.jobs.get(&id).and_then(|job| job.operator_row(operator));
            effects.extend(row.map(Effect::OperatorChanged));
        }
        effects.extend(outbox.actions.into_iter().filter(|action| self.is_wanted(action)));
        for id in outbox.jobs {
            if let Some(job) = self.jobs.get(&id)
                && job.phase == Phase::Stopped
            {
                self.stopped.insert(id, (job.status, job.priority));
                self.jobs.remove(&id);
            }
        }
        let next_ms = self.deadlines.first().map(|(at_ms, _)| *at_ms);
        if next_ms != self.announced_ms {
            self.announced_ms = next_ms;
            effects.extend(next_ms.map(|at_ms| Effect::WakeAt { at_ms }));
        }
        effects
    }
}
