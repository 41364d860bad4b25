//! A job that has not stopped, as the scheduler keeps it in memory.

use std::collections::BTreeSet;
use std::sync::Arc;

use platform_api::id::JobId;
use platform_api::job::{JobPriority, JobState, JobStatus, OperatorStatus};

use super::event::JobSpec;
use super::lane::Place;
use super::plan::Plan;
use super::queue::LaneId;
use super::rows::{JobRow, OperatorRow, RunRow, StopCause};
use super::run::{Fault, RunToken};

/// How far a job has come. Whether an operator has really begun is told by `started_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Created and not started.
    Created,
    /// Started: its operators wait, run, or have completed.
    Active,
    /// Its status is not healthy and runs have not ended yet.
    Stopping,
    /// Over.
    Stopped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// For its inputs, or for the start of its job.
    Waiting,
    /// In the queue.
    Ready,
    /// Handed to the executor.
    Launched,
    /// At work.
    Running,
    Completed,
    Faulted(Fault),
}

#[derive(Debug)]
pub(super) struct Operator {
    pub(super) stage: Stage,
    pub(super) attempt: u32,
    pub(super) lost: u32,
    /// Inputs that are not complete.
    pub(super) missing_inputs: u32,
    pub(super) started_ms: Option<u64>,
    pub(super) ended_ms: Option<u64>,
    /// Present exactly while launched or running.
    pub(super) run: Option<RunRow>,
}

#[derive(Debug)]
pub(super) struct Job {
    pub(super) id: JobId,
    pub(super) plan: Arc<Plan>,
    pub(super) priority: JobPriority,
    pub(super) limit_ms: u64,
    pub(super) phase: Phase,
    pub(super) status: JobStatus,
    pub(super) cause: Option<StopCause>,
    pub(super) queue_position: Option<u64>,
    /// An operator has been launched.
    pub(super) begun: bool,
    pub(super) operators: Vec<Operator>,
    /// Runs that have not ended.
    pub(super) live: u32,
    pub(super) completed: usize,
    pub(super) created_ms: u64,
    pub(super) queued_ms: Option<u64>,
    pub(super) started_ms: Option<u64>,
    pub(super) stopped_ms: Option<u64>,
    pub(super) ran_ms: u64,
    pub(super) clock_since_ms: Option<u64>,
    /// When live runs of operators with a time limit of their own will have used it up.
    pub(super) run_limits: BTreeSet<(u64, u32)>,
    /// When the next time limit or the grace is over: the job's entry in the list of deadlines.
    pub(super) deadline_ms: Option<u64>,
}

impl Job {
    pub(super) fn new(spec: JobSpec, limit_ms: u64, now_ms: u64) -> Self {
        let operators = spec
            .plan
            .steps()
            .map(|(_, step)| Operator {
                stage: Stage::Waiting,
                attempt: 0,
                lost: 0,
                missing_inputs: step.input_count,
                started_ms: None,
                ended_ms: None,
                run: None,
            })
            .collect();
        Self {
            id: spec.job,
            plan: spec.plan,
            priority: spec.priority,
            limit_ms,
            phase: Phase::Created,
            status: JobStatus::Healthy,
            cause: None,
            queue_position: None,
            begun: false,
            operators,
            live: 0,
            completed: 0,
            created_ms: now_ms,
            queued_ms: None,
            started_ms: None,
            stopped_ms: None,
            ran_ms: 0,
            clock_since_ms: None,
            run_limits: BTreeSet::new(),
            deadline_ms: None,
        }
    }

    pub(super) fn state(&self) -> JobState {
        match (self.phase, self.started_ms) {
            (Phase::Stopped, _) => JobState::Stopped,
            (_, Some(_)) => JobState::Running,
            (_, None) => JobState::Pending,
        }
    }

    pub(super) fn lane(&self) -> LaneId {
        LaneId { priority: self.priority, begun: self.begun }
    }

    pub(super) fn place(&self, operator: u32) -> Place {
        Place { position: self.queue_position.unwrap_or(u64::MAX), operator }
    }

    pub(super) fn token(&self, operator: u32, attempt: u32) -> RunToken {
        RunToken { job: self.id, operator, attempt }
    }

    pub(super) fn operator_mut(&mut self, operator: u32) -> Option<&mut Operator> {
        self.operators.get_mut(operator as usize)
    }

    /// Watches the time limit of an operator whose run begins, or stops watching that of a run that ends.
    pub(super) fn watch_run(&mut self, operator: u32, launched_ms: u64, is_live: bool) {
        let Some(limit_ms) = self.plan.step(operator).and_then(|step| step.limit_ms) else {
            return;
        };
        let entry = (launched_ms.saturating_add(limit_ms.get()), operator);
        if is_live {
            self.run_limits.insert(entry);
        } else {
            self.run_limits.remove(&entry);
        }
    }

    /// When the time limit of the job is over, if its clock runs.
    pub(super) fn limit_deadline_ms(&self) -> Option<u64> {
        let left_ms = self.limit_ms.saturating_sub(self.ran_ms);
        self.clock_since_ms.map(|since_ms| since_ms.saturating_add(left_ms))
    }

    /// Operators in a stage, by place.
    pub(super) fn operators_that(&self, is: impl Fn(&Operator) -> bool) -> Vec<u32> {
        (0u32..).zip(&self.operators).filter(|(_, operator)| is(operator)).map(|(at, _)| at).collect()
    }

    /// Tokens of the runs that have not ended.
    pub(super) fn live_runs(&self) -> Vec<RunToken> {
        (0u32..)
            .zip(&self.operators)
            .filter(|(_, operator)| operator.run.is_some())
            .map(|(at, operator)| self.token(at, operator.attempt))
            .collect()
    }

    pub(super) fn is_live(&self, run: RunToken) -> bool {
        let operator = self.operators.get(run.operator as usize);
        operator.is_some_and(|operator| operator.run.is_some() && operator.attempt == run.attempt)
    }

    /// Counts anew what is complete, and which inputs are missing.
    pub(super) fn count_inputs(&mut self) {
        let plan = self.plan.clone();
        self.completed = 0;
        for ((_, step), at) in plan.steps().zip(0usize..) {
            if self.operators.get(at).is_none_or(|operator| operator.stage != Stage::Completed) {
                continue;
            }
            self.completed += 1;
            for &reader in &step.next {
                if let Some(operator) = self.operator_mut(reader) {
                    operator.missing_inputs = operator.missing_inputs.saturating_sub(1);
                }
            }
        }
    }

    /// Notes when its first operator began.
    pub(super) fn begin(&mut self, at_ms: u64) {
        self.started_ms = Some(self.started_ms.map_or(at_ms, |known| known.min(at_ms)));
    }

    pub(super) fn row(&self) -> JobRow {
        JobRow {
            job: self.id,
            state: self.state(),
            status: self.status,
            priority: self.priority,
            queue_position: self.queue_position,
            limit_ms: self.limit_ms,
            created_ms: self.created_ms,
            queued_ms: self.queued_ms,
            started_ms: self.started_ms,
            stopped_ms: self.stopped_ms,
            ran_ms: self.ran_ms,
            clock_since_ms: self.clock_since_ms,
            cause: self.cause.clone(),
        }
    }

    pub(super) fn operator_row(&self, operator: u32) -> Option<OperatorRow> {
        let known = self.operators.get(operator as usize)?;
        let (status, fault) = match known.stage {
            Stage::Waiting | Stage::Ready | Stage::Launched => (OperatorStatus::Pending, None),
            Stage::Running => (OperatorStatus::Running, None),
            Stage::Completed => (OperatorStatus::Completed, None),
            Stage::Faulted(fault) => (OperatorStatus::Faulted, Some(fault)),
        };
        Some(OperatorRow {
            job: self.id,
            operator,
            status,
            fault,
            attempt: known.attempt,
            lost: known.lost,
            started_ms: known.started_ms,
            ended_ms: known.ended_ms,
            run: known.run.clone(),
        })
    }
}
