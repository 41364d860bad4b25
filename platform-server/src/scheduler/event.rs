//! What the scheduler hears, what it wants done, and what it refuses.

use std::num::NonZeroU64;
use std::sync::Arc;

use platform_api::id::JobId;
use platform_api::job::{JobPriority, JobStatus};

use super::plan::Plan;
use super::resources::{Capacity, GpuId, NeverFits, Request};
use super::rows::{JobRow, OperatorRow};
use super::run::{Outcome, RunToken};

/// A job to be created.
#[derive(Debug, Clone)]
pub struct JobSpec {
    /// Its name in all that follows.
    pub job: JobId,
    /// How urgent it is.
    pub priority: JobPriority,
    /// The time limit that its definition asks for.
    pub limit_ms: Option<NonZeroU64>,
    /// What it runs.
    pub plan: Arc<Plan>,
}

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A job is made. It holds nothing and waits for nothing until it is started.
    Create(JobSpec),
    /// A created job is to run as soon as there is room.
    Start {
        /// The job.
        job: JobId,
    },
    /// A job is to end, whether it waits or runs. Asking again while it ends changes nothing.
    Cancel {
        /// The job.
        job: JobId,
    },
    /// A job that has not begun gets another priority. It keeps its place by the time of its start.
    SetPriority {
        /// The job.
        job: JobId,
        /// From now on.
        priority: JobPriority,
    },
    /// A run has really begun.
    RunStarted {
        /// The run.
        run: RunToken,
    },
    /// A run has ended and holds nothing any more.
    RunEnded {
        /// The run.
        run: RunToken,
        /// How.
        outcome: Outcome,
    },
    /// The machine has become larger or smaller.
    CapacityChanged(Capacity),
    /// The time that [`Effect::WakeAt`] asked for has come. Harmless at any other time.
    Timer,
    /// A job that has stopped need not be remembered. Its identifier must not be used again.
    Forget {
        /// The job.
        job: JobId,
    },
}

/// Something to be done, in this order: rows before what they tell of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Write this down before the effects that follow, in the same transaction as the other rows of the event.
    JobChanged(JobRow),
    /// As above.
    OperatorChanged(OperatorRow),
    /// Run an operator.
    Launch {
        /// The run.
        run: RunToken,
        /// What it may use.
        request: Request,
        /// The GPUs that are its own; no other may be seen by it.
        gpus: Vec<GpuId>,
    },
    /// Ask a run to end.
    Cancel {
        /// The run.
        run: RunToken,
        /// After this it will be killed.
        grace_ms: u64,
    },
    /// End a run. Repeated until its end is reported.
    Kill {
        /// The run.
        run: RunToken,
    },
    /// Send [`Event::Timer`] at this time. Replaces what was asked before.
    WakeAt {
        /// In the time of the events.
        at_ms: u64,
    },
}

/// An event that makes no sense. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum Refusal {
    #[error("job `{job}` is unknown")]
    UnknownJob { job: JobId },
    #[error("job `{job}` exists already")]
    JobExists { job: JobId },
    #[error("job `{job}` has been started already")]
    AlreadyStarted { job: JobId },
    #[error("job `{job}` has stopped already")]
    AlreadyStopped { job: JobId, status: JobStatus },
    #[error("job `{job}` is no longer pending")]
    NotPending { job: JobId },
    #[error("job `{job}` has not stopped")]
    NotStopped { job: JobId },
    #[error("job `{job}` can never run")]
    NeverFits { job: JobId, source: NeverFits },
}
