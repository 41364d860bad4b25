//! What happens to one job and its operators: queued, launched, ended, stopped.

use platform_api::id::JobId;
use platform_api::job::JobStatus;

use super::event::Effect;
use super::job::{Job, Phase, Stage};
use super::lane::Entry;
use super::machine::Scheduler;
use super::queue::Pick;
use super::rows::{RunRow, StopCause};
use super::run::{Fault, Outcome, RunToken};

impl Scheduler {
    /// Puts all operators of a started job under demand, and those without missing inputs into the queue.
    pub(super) fn activate(&mut self, id: JobId) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        job.phase = Phase::Active;
        let waiting = job.operators_that(|operator| operator.stage == Stage::Waiting);
        for operator in waiting {
            self.demand_operator(id, operator);
        }
    }

    /// An operator waits, for its inputs or in the queue.
    fn demand_operator(&mut self, id: JobId, operator: u32) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        let place = job.place(operator);
        let Some(need) = job.plan.step(operator).map(|step| step.need) else {
            return;
        };
        self.demand.add(need, place.position, id);
        if job.operators.get(operator as usize).is_some_and(|known| known.missing_inputs == 0) {
            self.make_ready(id, operator);
        }
    }

    fn make_ready(&mut self, id: JobId, operator: u32) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        let (lane, place) = (job.lane(), job.place(operator));
        let Some(need) = job.plan.step(operator).map(|step| step.need) else {
            return;
        };
        if let Some(known) = job.operator_mut(operator) {
            known.stage = Stage::Ready;
            self.queue.insert(lane, Entry { place, job: id, need });
        }
    }

    /// Makes a change to a job that puts its operators into another lane.
    pub(super) fn change_lane(&mut self, id: JobId, change: impl FnOnce(&mut Job)) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        let old = job.lane();
        change(job);
        let new = job.lane();
        for operator in job.operators_that(|operator| operator.stage == Stage::Ready) {
            if let Some(step) = job.plan.step(operator) {
                let place = job.place(operator);
                self.queue.remove(old, step.need, place);
                self.queue.insert(new, Entry { place, job: id, need: step.need });
            }
        }
    }

    /// Hands the operator that is next to the executor. `None` if it is not there or does not fit.
    pub(super) fn launch(&mut self, pick: Pick) -> Option<()> {
        let Entry { place, job: id, need } = pick.entry;
        let now_ms = self.now_ms;
        let job = self.jobs.get_mut(&id)?;
        let request = job.plan.step(place.operator)?.request;
        let operator = job.operators.get_mut(place.operator as usize)?;
        let run = RunToken { job: id, operator: place.operator, attempt: operator.attempt + 1 };
        let gpus = self.pool.take(run, need)?;
        operator.attempt = run.attempt;
        operator.stage = Stage::Launched;
        operator.started_ms = None;
        operator.ended_ms = None;
        operator.run = Some(RunRow { launched_ms: now_ms, gpus: gpus.clone() });
        job.live += 1;
        job.watch_run(place.operator, now_ms, true);
        let is_first = !job.begun;
        self.queue.launched(pick);
        self.demand.remove(need, place.position);
        if is_first {
            self.change_lane(id, |job| job.begun = true);
        }
        self.outbox.operator(id, place.operator);
        self.outbox.clock(id);
        self.outbox.action(Effect::Launch { run, request, gpus });
        Some(())
    }

    /// `None` if no such run waits to begin.
    pub(super) fn run_started(&mut self, run: RunToken) -> Option<()> {
        let now_ms = self.now_ms;
        let job = self.jobs.get_mut(&run.job)?;
        let operator = job.operator_mut(run.operator)?;
        if operator.attempt != run.attempt || operator.stage != Stage::Launched {
            return None;
        }
        operator.stage = Stage::Running;
        operator.started_ms = Some(now_ms);
        if job.started_ms.is_none() {
            job.begin(now_ms);
            self.outbox.job(run.job);
        }
        self.outbox.operator(run.job, run.operator);
        Some(())
    }

    /// `None` if no such run is known to be alive.
    pub(super) fn run_ended(&mut self, run: RunToken, outcome: Outcome, ended_ms: u64) -> Option<()> {
        let lost_retries = self.config.lost_retries;
        self.release(run, outcome, ended_ms)?;
        let job = self.jobs.get_mut(&run.job)?;
        if job.phase == Phase::Stopping {
            let fault = match outcome {
                Outcome::Completed => None,
                Outcome::Faulted(fault) => {
                    let is_out_of_time =
                        job.cause.as_ref().is_some_and(|cause| cause.is_out_of_time(run.operator));
                    Some(asked_to_end(is_out_of_time, fault))
                }
            };
            self.conclude(run, fault);
            self.finish_if_over(run.job);
            return Some(());
        }
        match outcome {
            Outcome::Completed => {
                self.conclude(run, None);
                self.completed(run);
            }
            Outcome::Faulted(Fault::Lost)
                if job.operator_mut(run.operator).is_some_and(|known| known.lost < lost_retries) =>
            {
                self.try_again(run);
            }
            Outcome::Faulted(fault) => {
                self.conclude(run, Some(fault));
                let cause = StopCause::OperatorFailed { operator: run.operator, fault };
                self.stop(run.job, JobStatus::Faulted, cause);
            }
        }
        Some(())
    }

    /// Takes back what a run held, and notes its times. `None` if it is not alive.
    pub(super) fn release(&mut self, run: RunToken, outcome: Outcome, ended_ms: u64) -> Option<()> {
        let job = self.jobs.get_mut(&run.job)?;
        let need = job.plan.step(run.operator)?.need;
        let operator = job.operators.get_mut(run.operator as usize)?;
        if operator.attempt != run.attempt {
            return None;
        }
        let held = operator.run.take()?;
        let did_begin = match outcome {
            Outcome::Completed => true,
            Outcome::Faulted(
                Fault::ExitCode(_) | Fault::Signal(_) | Fault::OutOfMemory | Fault::Timeout | Fault::Disk,
            ) => true,
            Outcome::Faulted(Fault::Canceled | Fault::Lost | Fault::LaunchFailed | Fault::NeverStarted) => {
                false
            }
        };
        if operator.started_ms.is_none() && did_begin {
            operator.started_ms = Some(held.launched_ms);
        }
        operator.ended_ms = operator.started_ms.map(|started_ms| ended_ms.max(started_ms));
        let started_ms = operator.started_ms;
        job.live -= 1;
        job.watch_run(run.operator, held.launched_ms, false);
        if let (None, Some(started_ms)) = (job.started_ms, started_ms) {
            job.begin(started_ms);
            self.outbox.job(run.job);
        }
        self.pool.give_back(need, &held.gpus);
        self.outbox.operator(run.job, run.operator);
        self.outbox.clock(run.job);
        Some(())
    }

    /// Writes down how an operator ended for good.
    pub(super) fn conclude(&mut self, run: RunToken, fault: Option<Fault>) {
        let Some(job) = self.jobs.get_mut(&run.job) else {
            return;
        };
        let Some(operator) = job.operator_mut(run.operator) else {
            return;
        };
        operator.stage = fault.map_or(Stage::Completed, Stage::Faulted);
        if fault.is_none() {
            job.completed += 1;
        }
    }

    /// Readies what waited for an operator, or ends the job if it was the last.
    fn completed(&mut self, run: RunToken) {
        let Some(job) = self.jobs.get_mut(&run.job) else {
            return;
        };
        if job.completed == job.operators.len() {
            self.finish_if_over(run.job);
            return;
        }
        let plan = job.plan.clone();
        for &reader in plan.step(run.operator).map_or(&[][..], |step| &step.next) {
            let Some(job) = self.jobs.get_mut(&run.job) else {
                return;
            };
            let Some(operator) = job.operator_mut(reader) else {
                continue;
            };
            operator.missing_inputs -= 1;
            if operator.missing_inputs == 0 && operator.stage == Stage::Waiting {
                self.make_ready(run.job, reader);
            }
        }
    }

    /// Queues an operator again whose run was lost.
    fn try_again(&mut self, run: RunToken) {
        if let Some(operator) = self.jobs.get_mut(&run.job).and_then(|job| job.operator_mut(run.operator)) {
            operator.stage = Stage::Waiting;
            operator.lost += 1;
            operator.started_ms = None;
            operator.ended_ms = None;
        }
        self.demand_operator(run.job, run.operator);
        if let Some(reason) = self.never_fits_any_more(run.job) {
            self.stop(run.job, JobStatus::Faulted, StopCause::NeverFits(reason));
        }
    }

    /// Ends a job early: nothing more is launched, and what runs is asked to end.
    pub(super) fn stop(&mut self, id: JobId, status: JobStatus, cause: StopCause) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        let was_queued = job.phase == Phase::Active;
        let lane = job.lane();
        job.phase = Phase::Stopping;
        job.status = status;
        job.cause = Some(cause);
        self.outbox.job(id);
        for operator in job.operators_that(|operator| matches!(operator.stage, Stage::Waiting | Stage::Ready))
        {
            let place = job.place(operator);
            let need = job.plan.step(operator).map(|step| step.need);
            let Some((need, known)) = need.zip(job.operator_mut(operator)) else {
                continue;
            };
            if was_queued {
                self.demand.remove(need, place.position);
            }
            if known.stage == Stage::Ready {
                self.queue.remove(lane, need, place);
            }
            known.stage = Stage::Faulted(Fault::NeverStarted);
            self.outbox.operator(id, operator);
        }
        self.ask_to_end(id);
        self.finish_if_over(id);
    }

    /// Asks the runs of a stopping job to end, and sets the time when they will be killed.
    pub(super) fn ask_to_end(&mut self, id: JobId) {
        let Some(job) = self.jobs.get(&id) else {
            return;
        };
        let grace_ms = self.config.grace_ms;
        for run in job.live_runs() {
            self.outbox.action(Effect::Cancel { run, grace_ms });
        }
        self.set_deadline(id, Some(self.now_ms.saturating_add(grace_ms)));
    }

    /// Stops a job of which nothing runs any more and nothing will.
    pub(super) fn finish_if_over(&mut self, id: JobId) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        if job.live > 0 {
            return;
        }
        job.phase = Phase::Stopped;
        job.stopped_ms = Some(self.now_ms);
        self.set_deadline(id, None);
        self.outbox.job(id);
        self.outbox.clock(id);
    }

    /// Starts or stops the clock of a job, and sets its next time limit by it and by its live runs.
    pub(super) fn settle_clock(&mut self, id: JobId) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        match job.clock_since_ms {
            None if job.live > 0 => job.clock_since_ms = Some(self.now_ms),
            Some(since_ms) if job.live == 0 => {
                job.ran_ms = job.ran_ms.saturating_add(self.now_ms.saturating_sub(since_ms));
                job.clock_since_ms = None;
            }
            _ if job.phase == Phase::Active => return self.set_limit_deadline(id),
            _ => return,
        }
        self.outbox.job(id);
        if job.phase == Phase::Active {
            self.set_limit_deadline(id);
        }
    }

    /// Sets when the next time limit of a job or of one of its live runs is over.
    pub(super) fn set_limit_deadline(&mut self, id: JobId) {
        let Some(job) = self.jobs.get(&id) else {
            return;
        };
        let of_run = job.run_limits.first().map(|(at_ms, _)| *at_ms);
        self.set_deadline(id, job.limit_deadline_ms().into_iter().chain(of_run).min());
    }
}

/// The fault of an operator that ended while its job was being stopped.
///
/// That it was asked to end explains a code or a signal; other faults are facts of their own.
fn asked_to_end(is_out_of_time: bool, fault: Fault) -> Fault {
    match fault {
        Fault::ExitCode(_) | Fault::Signal(_) if is_out_of_time => Fault::Timeout,
        Fault::ExitCode(_) | Fault::Signal(_) => Fault::Canceled,
        fault => fault,
    }
}
