//! The task that owns the scheduler: everything that happens to jobs goes through it, one event at a time.
//!
//! It turns effects into rows for the [journal](super::journal), launches and cancellations for the
//! [launcher](super::launcher), and changes for those who watch. It waits for nothing: neither disk nor executor.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use platform_api::code;
use platform_api::header::Refusal;
use platform_api::id::JobId;
use platform_api::job::{JobPriority, JobStatus};
use tokio::sync::{mpsc, oneshot};
use tracing::Span;

use super::clock::Clock;
use super::jobs::JobStanding;
use super::journal::Journal;
use super::launcher::Launcher;
use super::records::{self, EndRecord, RunNote};
use super::utilization::Assigned;
use crate::events::{self, EventHub};
use crate::observe::Metrics;
use crate::repository::{Change, RunRow};
use crate::scheduler::{self, Effect, Event, JobSpec, Plan, RunToken, Scheduler};
use crate::trace;

/// What the engine is asked, or told.
pub(super) enum Command {
    /// A job whose rows are on disk.
    Create { spec: JobSpec, reply: oneshot::Sender<Result<(), Refusal>> },
    /// A job is to run. `changes` go in front of the scheduler's own.
    Start {
        job: JobId,
        variables: Vec<(String, String)>,
        /// The call that asks.
        span: Span,
        reply: oneshot::Sender<Result<JobStanding, Refusal>>,
    },
    /// A job is to end.
    Cancel { job: JobId, reason: String, reply: oneshot::Sender<Result<JobStanding, Refusal>> },
    /// A pending job is to go earlier or later.
    SetPriority { job: JobId, priority: JobPriority, reply: oneshot::Sender<Result<(), Refusal>> },
    /// Somebody wants to know what operators hold.
    Assigned { reply: oneshot::Sender<Assigned> },
    /// The executor started a run.
    Started { run: RunToken },
    /// The executor says that a run is over.
    Ended { run: RunToken, outcome: scheduler::Outcome, end: EndRecord },
}

/// A job that has not stopped.
struct Live {
    plan: Arc<Plan>,
    created_ms: i64,
    /// What the job was last told to be, so that a change of it is told once.
    status: JobStatus,
    /// Why somebody ended it.
    reason: String,
    /// Whether its first operator has begun: its wait is counted once.
    has_started: bool,
    /// From its start to its end.
    span: Span,
}

/// A job as it was found at start.
pub(super) struct Revived {
    pub(super) job: JobId,
    pub(super) plan: Arc<Plan>,
    pub(super) created_ms: i64,
    pub(super) status: JobStatus,
    pub(super) has_started: bool,
}

pub(super) struct Engine {
    clock: Clock,
    scheduler: Scheduler,
    journal: Journal,
    launcher: Launcher,
    events: EventHub,
    metrics: Arc<Metrics>,
    live: HashMap<JobId, Live>,
    wake_at_ms: Option<i64>,
}

/// What comes after the rows of an event are on disk.
type Reply = Box<dyn FnOnce(Result<(), Refusal>) + Send>;

impl Engine {
    pub(super) fn new(
        clock: Clock,
        scheduler: Scheduler,
        journal: Journal,
        launcher: Launcher,
        events: EventHub,
        metrics: Arc<Metrics>,
        revived: Vec<Revived>,
    ) -> Self {
        let live = revived.into_iter().map(|job| {
            let Revived { job, plan, created_ms, status, has_started } = job;
            (
                job,
                Live {
                    plan,
                    created_ms,
                    status,
                    reason: String::new(),
                    has_started,
                    span: trace::job(&Span::none(), job),
                },
            )
        });
        let live = live.collect();
        Self { clock, scheduler, journal, launcher, events, metrics, live, wake_at_ms: None }
    }

    /// Carries out the effects of a restart, then works until nobody can ask any more.
    pub(super) async fn run(mut self, first: Vec<Effect>, mut inbox: mpsc::UnboundedReceiver<Command>) {
        self.carry_out(first, Vec::new(), HashMap::new(), Box::new(|_| ()));
        loop {
            let wake = self.wake_at_ms.map(|ms| self.clock.instant(ms));
            let timer = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                command = inbox.recv() => match command {
                    Some(command) => self.obey(command),
                    None => return,
                },
                () = timer => {
                    self.wake_at_ms = None;
                    self.hear(Event::Timer, Vec::new(), HashMap::new(), Box::new(|_| ()));
                }
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Create { spec, reply } => {
                let live = Live {
                    plan: spec.plan.clone(),
                    created_ms: self.clock.now_ms(),
                    status: JobStatus::Healthy,
                    reason: String::new(),
                    has_started: false,
                    span: Span::none(),
                };
                let (now, job) = (self.now(), spec.job);
                // Its rows are on disk already.
                match self.scheduler.handle(now, Event::Create(spec)) {
                    Ok(_) => {
                        self.live.insert(job, live);
                        self.events.publish([events::Change::Job(job)]);
                        answer(reply, Ok(()));
                    }
                    Err(refusal) => answer(reply, Err(wish_refusal(&refusal))),
                }
            }
            Command::Start { job, variables, span, reply } => {
                if let Some(live) = self.live.get_mut(&job)
                    && live.span.is_none()
                {
                    live.span = trace::job(&span, job);
                }
                // The place in the queue is the scheduler's; rows carry it on.
                self.start(job, variables, reply);
            }
            Command::Cancel { job, reason, reply } => {
                if let Some(live) = self.live.get_mut(&job)
                    && live.reason.is_empty()
                {
                    live.reason = reason;
                }
                self.hear_or_refuse(Event::Cancel { job }, Vec::new(), |standing| answer(reply, standing));
            }
            Command::SetPriority { job, priority, reply } => {
                let changes = vec![Change::SetJobPriority(job, priority)];
                let event = Event::SetPriority { job, priority };
                self.hear_or_refuse(event, changes, |standing| answer(reply, standing.map(drop)));
            }
            Command::Assigned { reply } => {
                let (cpu_millis, memory_mb) = self.scheduler.assigned();
                answer(reply, Assigned { cpu_millis, memory_mb });
            }
            Command::Started { run } => {
                self.hear(Event::RunStarted { run }, Vec::new(), HashMap::new(), Box::new(|_| ()));
            }
            Command::Ended { run, outcome, end } => {
                let ended = Event::RunEnded { run, outcome };
                let changes = vec![Change::RemoveRun(run.to_string())];
                let ends = HashMap::from([((run.job, run.operator), end)]);
                self.hear(ended, changes, ends, Box::new(|_| ()));
            }
        }
    }

    fn start(
        &mut self,
        job: JobId,
        variables: Vec<(String, String)>,
        reply: oneshot::Sender<Result<JobStanding, Refusal>>,
    ) {
        let now = self.now();
        let effects = match self.scheduler.handle(now, Event::Start { job }) {
            Ok(effects) => effects,
            Err(refusal) => return answer(reply, Err(start_refusal(&refusal))),
        };
        let place = effects.iter().find_map(|effect| match effect {
            Effect::JobChanged(row) if row.job == job => row.queue_position,
            _ => None,
        });
        let queue_order = place.and_then(|place| i64::try_from(place).ok()).unwrap_or(i64::MAX);
        let enqueue = Change::EnqueueJob { job, variables, queue_order };
        let standing = self.standing(job);
        let reply: Reply = Box::new(move |written| answer(reply, written.and(standing)));
        self.carry_out(effects, vec![enqueue], HashMap::new(), reply);
    }

    /// Lets the scheduler hear an event that is never refused to anybody.
    fn hear(&mut self, event: Event, changes: Vec<Change>, ends: Ends, reply: Reply) {
        let now = self.now();
        match self.scheduler.handle(now, event) {
            Ok(effects) => self.carry_out(effects, changes, ends, reply),
            Err(refusal) => tracing::warn!(%refusal, "the scheduler refused a report"),
        }
    }

    /// Lets the scheduler hear somebody's wish; `reply` comes when its rows are on disk. Whether it was granted.
    fn hear_or_refuse(
        &mut self,
        event: Event,
        changes: Vec<Change>,
        reply: impl FnOnce(Result<JobStanding, Refusal>) + Send + 'static,
    ) -> bool {
        let (now, job) = (self.now(), job_of(&event));
        match self.scheduler.handle(now, event) {
            Ok(effects) => {
                let standing = self.standing(job);
                let reply: Reply = Box::new(move |written| reply(written.and(standing)));
                self.carry_out(effects, changes, HashMap::new(), reply);
                true
            }
            Err(refusal) => {
                reply(Err(wish_refusal(&refusal)));
                false
            }
        }
    }

    fn standing(&self, job: JobId) -> Result<JobStanding, Refusal> {
        let standing = self.scheduler.job(job);
        standing
            .map(|(state, status, priority)| JobStanding { state, status, priority })
            .ok_or_else(|| Refusal::new(code::JOB_UNKNOWN, format!("job `{job}` is unknown")))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.now_ms()).unwrap_or(0)
    }

    fn carry_out(&mut self, effects: Vec<Effect>, mut changes: Vec<Change>, ends: Ends, reply: Reply) {
        let mut told = Vec::new();
        // Operators before jobs: a job that stopped is forgotten with its row.
        let (operators, others): (Vec<Effect>, Vec<Effect>) =
            effects.into_iter().partition(|effect| matches!(effect, Effect::OperatorChanged(_)));
        for effect in operators.into_iter().chain(others) {
            match effect {
                Effect::JobChanged(row) => {
                    changes.push(records::job_change(&row));
                    told.push(events::Change::Job(row.job));
                    self.note_job(&row, &ends, &mut changes);
                }
                Effect::OperatorChanged(row) => {
                    told.push(events::Change::Operator(row.job, row.operator));
                    let Some(live) = self.live.get(&row.job) else { continue };
                    let name = live.plan.operator_name(row.operator).unwrap_or_default();
                    let end = ends.get(&(row.job, row.operator));
                    if let (true, Some(since), Some(until)) = (end.is_some(), row.started_ms, row.ended_ms) {
                        self.metrics
                            .operator_ended(row.status, Duration::from_millis(until.saturating_sub(since)));
                    }
                    changes.push(records::operator_change(&row, name, live.created_ms, end));
                }
                Effect::Launch { run, request, gpus } => {
                    let gpus: Vec<String> = gpus.iter().map(|gpu| gpu.as_str().to_owned()).collect();
                    let note = RunNote { launched_ms: self.now(), gpus: gpus.clone() };
                    changes.push(Change::PutRun(RunRow {
                        token: run.to_string(),
                        job: run.job,
                        operator: run.operator,
                        handle: serde_json::to_vec(&note).ok(),
                    }));
                    let live = self.live.get(&run.job);
                    let name =
                        live.and_then(|live| live.plan.operator_name(run.operator)).unwrap_or_default();
                    let span = trace::run(live.map_or(&Span::none(), |live| &live.span), run, name);
                    self.launcher.launch(run, request, gpus, span);
                }
                Effect::Cancel { run, grace_ms } => {
                    let is_timeout = self.scheduler.is_out_of_time(run);
                    self.launcher.cancel(run, Duration::from_millis(grace_ms), is_timeout);
                }
                Effect::Kill { run } => {
                    self.launcher.cancel(run, Duration::ZERO, self.scheduler.is_out_of_time(run));
                }
                Effect::WakeAt { at_ms } => {
                    self.wake_at_ms = Some(i64::try_from(at_ms).unwrap_or(i64::MAX));
                }
            }
        }
        let hub = self.events.clone();
        self.journal.write(
            changes,
            Box::new(move |written| {
                hub.publish(told);
                let refused = |error| Refusal::from_error(code::JOB_NOT_STORED, &error);
                reply(written.map_err(refused));
            }),
        );
    }

    /// Tells people why a job is not healthy any more, and forgets jobs that are over.
    fn note_job(&mut self, row: &scheduler::JobRow, ends: &Ends, changes: &mut Vec<Change>) {
        let Some(live) = self.live.get_mut(&row.job) else { return };
        if let (false, Some(queued), Some(started)) = (live.has_started, row.queued_ms, row.started_ms) {
            live.has_started = true;
            self.metrics.job_waited(Duration::from_millis(started.saturating_sub(queued)));
        }
        if live.status != row.status
            && let Some(cause) = &row.cause
        {
            let detail = match cause {
                scheduler::StopCause::OperatorFailed { operator, .. } => {
                    ends.get(&(row.job, *operator)).map_or("", |end| end.message.as_str())
                }
                _ => live.reason.as_str(),
            };
            let name = |operator| live.plan.operator_name(operator).unwrap_or_default().to_owned();
            changes.push(Change::AddJobMessage(row.job, records::cause_text(cause, name, detail)));
        }
        live.status = row.status;
        if row.state == platform_api::job::JobState::Stopped {
            trace::job_ended(&live.span, row.status);
            self.live.remove(&row.job);
            self.launcher.forget(row.job);
            let now = self.now();
            // Its last word is on its way to the repository, which answers for it from now on.
            if let Err(refusal) = self.scheduler.handle(now, Event::Forget { job: row.job }) {
                tracing::warn!(%refusal, "a stopped job is remembered");
            }
        }
    }
}

/// How runs ended, by job and place.
type Ends = HashMap<(JobId, u32), EndRecord>;

fn answer<T>(reply: oneshot::Sender<T>, value: T) {
    // Whoever asked may have gone away.
    let _ = reply.send(value);
}

fn job_of(event: &Event) -> JobId {
    match event {
        Event::Create(spec) => spec.job,
        Event::Start { job }
        | Event::Cancel { job }
        | Event::SetPriority { job, .. }
        | Event::Forget { job } => *job,
        Event::RunStarted { run } | Event::RunEnded { run, .. } => run.job,
        Event::CapacityChanged(_) | Event::Timer => JobId::from_bits(0),
    }
}

fn start_refusal(refusal: &scheduler::Refusal) -> Refusal {
    match refusal {
        scheduler::Refusal::NeverFits { .. } => Refusal::from_error(code::JOB_NEVER_FITS, refusal),
        scheduler::Refusal::UnknownJob { .. } => Refusal::from_error(code::JOB_UNKNOWN, refusal),
        _ => Refusal::from_error(code::JOB_NOT_STARTED, refusal),
    }
}

fn wish_refusal(refusal: &scheduler::Refusal) -> Refusal {
    match refusal {
        scheduler::Refusal::NeverFits { .. } => Refusal::from_error(code::JOB_NEVER_FITS, refusal),
        scheduler::Refusal::UnknownJob { .. } => Refusal::from_error(code::JOB_UNKNOWN, refusal),
        scheduler::Refusal::AlreadyStopped { .. } => Refusal {
            code: code::JOB_NOT_CANCELED,
            messages: vec!["Failed to cancel job.".into(), refusal.to_string()],
        },
        scheduler::Refusal::NotPending { .. } => Refusal::from_error(code::JOB_PRIORITY_INVALID, refusal),
        _ => Refusal::from_error(code::JOB_NOT_STORED, refusal),
    }
}
