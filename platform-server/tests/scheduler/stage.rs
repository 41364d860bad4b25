//! A scheduler with hands: short calls for the events of directed tests, and what came of them.

use std::num::NonZeroU64;
use std::sync::Arc;

use platform_api::id::JobId;
use platform_api::job::{JobPriority, JobState, JobStatus, OperatorStatus};
use platform_server::scheduler::{
    Capacity, Config, Effect, Event, Fault, GpuId, JobRow, JobSpec, OperatorRow, OperatorSpec, Outcome, Plan,
    Refusal, Request, RunToken, Scheduler,
};

pub(crate) fn job(number: u128) -> JobId {
    JobId::from_bits(number)
}

pub(crate) fn run(number: u128, operator: u32, attempt: u32) -> RunToken {
    RunToken { job: job(number), operator, attempt }
}

pub(crate) fn machine(cores: u64, gpus: &[&str]) -> Capacity {
    Capacity {
        cpu_millis: cores * 1000,
        memory_mb: 64 * 1024,
        gpus: gpus.iter().map(|name| GpuId::new(name)).collect(),
        slots: 64,
    }
}

pub(crate) fn cores(count: u64) -> Request {
    Request { cpu_millis: count * 1000, memory_mb: 100, gpus: 0 }
}

pub(crate) fn gpus(count: u32) -> Request {
    Request { gpus: count, ..cores(1) }
}

/// Operators by what they ask for and read.
pub(crate) fn plan(operators: &[(Request, &[u32])]) -> Arc<Plan> {
    limited_plan(operators, &[])
}

/// The same with time limits of their own; 0 is none.
pub(crate) fn limited_plan(operators: &[(Request, &[u32])], limits_ms: &[u64]) -> Arc<Plan> {
    let specs = operators
        .iter()
        .enumerate()
        .map(|(at, (request, inputs))| OperatorSpec {
            name: format!("operator-{at}").into(),
            request: *request,
            limit_ms: limits_ms.get(at).copied().and_then(NonZeroU64::new),
            inputs: inputs.to_vec(),
        })
        .collect();
    Arc::new(Plan::new(specs).unwrap())
}

/// Operators of one core each, one after the other.
pub(crate) fn chain(length: u32) -> Arc<Plan> {
    let inputs: Vec<Vec<u32>> = (0..length).map(|at| at.checked_sub(1).into_iter().collect()).collect();
    plan(&inputs.iter().map(|inputs| (cores(1), &inputs[..])).collect::<Vec<_>>())
}

pub(crate) struct Stage {
    pub(crate) scheduler: Scheduler,
    pub(crate) now_ms: u64,
    /// Of the latest event.
    pub(crate) effects: Vec<Effect>,
    /// All jobs and operators as they were last written down.
    pub(crate) jobs: std::collections::BTreeMap<JobId, (Arc<Plan>, JobRow)>,
    pub(crate) operators: std::collections::BTreeMap<(JobId, u32), OperatorRow>,
    plans: std::collections::BTreeMap<JobId, Arc<Plan>>,
}

impl Stage {
    pub(crate) fn new(capacity: Capacity) -> Self {
        Self::with(Config::default(), capacity)
    }

    pub(crate) fn with(config: Config, capacity: Capacity) -> Self {
        Self {
            scheduler: Scheduler::new(config, capacity),
            now_ms: 1_000_000,
            effects: Vec::new(),
            jobs: Default::default(),
            operators: Default::default(),
            plans: Default::default(),
        }
    }

    pub(crate) fn send(&mut self, event: Event) -> Result<(), Refusal> {
        let effects = self.scheduler.handle(self.now_ms, event)?;
        self.note(effects);
        Ok(())
    }

    pub(crate) fn note(&mut self, effects: Vec<Effect>) {
        for effect in &effects {
            match effect {
                Effect::JobChanged(row) => {
                    self.jobs.insert(row.job, (self.plans[&row.job].clone(), row.clone()));
                }
                Effect::OperatorChanged(row) => {
                    self.operators.insert((row.job, row.operator), row.clone());
                }
                _ => {}
            }
        }
        self.effects = effects;
    }

    pub(crate) fn create(
        &mut self,
        number: u128,
        priority: JobPriority,
        plan: Arc<Plan>,
    ) -> Result<(), Refusal> {
        self.create_limited(number, priority, plan, None)
    }

    pub(crate) fn create_limited(
        &mut self,
        number: u128,
        priority: JobPriority,
        plan: Arc<Plan>,
        limit_ms: Option<u64>,
    ) -> Result<(), Refusal> {
        let limit_ms = limit_ms.and_then(NonZeroU64::new);
        self.plans.entry(job(number)).or_insert_with(|| plan.clone());
        self.send(Event::Create(JobSpec { job: job(number), priority, limit_ms, plan }))
    }

    pub(crate) fn start(&mut self, number: u128) -> Result<(), Refusal> {
        self.send(Event::Start { job: job(number) })
    }

    /// Creates and starts.
    pub(crate) fn add(&mut self, number: u128, priority: JobPriority, plan: Arc<Plan>) {
        self.create(number, priority, plan).unwrap();
        self.start(number).unwrap();
    }

    pub(crate) fn cancel(&mut self, number: u128) -> Result<(), Refusal> {
        self.send(Event::Cancel { job: job(number) })
    }

    pub(crate) fn started(&mut self, run: RunToken) {
        self.send(Event::RunStarted { run }).unwrap();
    }

    pub(crate) fn ended(&mut self, run: RunToken, outcome: Outcome) {
        self.send(Event::RunEnded { run, outcome }).unwrap();
    }

    pub(crate) fn completed(&mut self, run: RunToken) {
        self.ended(run, Outcome::Completed);
    }

    pub(crate) fn faulted(&mut self, run: RunToken, fault: Fault) {
        self.ended(run, Outcome::Faulted(fault));
    }

    /// Lets time pass, and tells the scheduler.
    pub(crate) fn later(&mut self, by_ms: u64) {
        self.now_ms += by_ms;
        self.send(Event::Timer).unwrap();
    }

    /// What the latest event launched.
    pub(crate) fn launched(&self) -> Vec<RunToken> {
        self.effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Launch { run, .. } => Some(*run),
                _ => None,
            })
            .collect()
    }

    /// Whom the latest event asked to end.
    pub(crate) fn canceled(&self) -> Vec<RunToken> {
        self.effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Cancel { run, .. } => Some(*run),
                _ => None,
            })
            .collect()
    }

    /// Whom the latest event killed.
    pub(crate) fn killed(&self) -> Vec<RunToken> {
        self.effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Kill { run } => Some(*run),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn row(&self, number: u128) -> &JobRow {
        &self.jobs[&job(number)].1
    }

    pub(crate) fn state(&self, number: u128) -> (JobState, JobStatus) {
        let row = self.row(number);
        let (state, status, priority) = self.scheduler.job(job(number)).unwrap();
        assert_eq!((row.state, row.status, row.priority), (state, status, priority), "row and memory");
        (state, status)
    }

    pub(crate) fn operator(&self, number: u128, operator: u32) -> (OperatorStatus, Option<Fault>) {
        let row = &self.operators[&(job(number), operator)];
        (row.status, row.fault)
    }
}
