//! A million random events in simulated time. A failure prints the seed; `SCHEDULER_SEED` repeats it.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroU64;
use std::sync::Arc;

use platform_api::id::JobId;
use platform_api::job::JobPriority::{self, Higher, Immediate, Lower, Normal};
use platform_api::job::{JobStatus, OperatorStatus};
use platform_server::scheduler::{
    Capacity, Config, Effect, Event, Fault, GpuId, JobRecord, JobSpec, OnRestart, OperatorSpec, Outcome,
    Plan, Refusal, Request, RunFate, RunToken, Scheduler, Snapshot,
};

use crate::chance::Chance;
use crate::ledger::{Entry, Ledger};
use crate::oracle::Oracle;

const SEEDS: u64 = 20;
const EVENTS_PER_SEED: u64 = 50_000;

const MAXIMUM_LIMIT_MS: u64 = 20_000;
const GRACE_MS: u64 = 1500;
/// From the time limit of a job to the report of its end: the grace, kills that the executor misses, its delay.
const LONGEST_END_MS: u64 = 12_000;

struct World {
    chance: Chance,
    config: Config,
    scheduler: Scheduler,
    ledger: Ledger,
    oracle: Oracle,
    now_ms: u64,
    serial: u64,
    /// What executors will report, by time and a serial number: beginnings, and ends with an outcome.
    reports: BTreeMap<(u64, u64), (RunToken, Option<Outcome>)>,
    /// Runs that do not end by themselves, and how many kills they will miss.
    stubborn: BTreeMap<RunToken, u64>,
    past_runs: Vec<RunToken>,
    ignored: u64,
    events: u64,
    /// New jobs come while fewer operators wait.
    depth: u64,
    /// Of all effects so far, if wanted.
    digest: Option<DefaultHasher>,
    restarts: u64,
    started_jobs: u64,
    plans: Vec<(Arc<Vec<OperatorSpec>>, Arc<Plan>)>,
}

fn capacity(chance: &mut Chance) -> Capacity {
    Capacity {
        cpu_millis: 1000 * chance.pick(&[2, 4, 4, 6]),
        memory_mb: 1024 * chance.pick(&[4, 8, 8]),
        gpus: ["a", "b", "c"].into_iter().filter(|_| chance.percent(70)).map(GpuId::new).collect(),
        slots: chance.pick(&[3, 5, 8, 64]),
    }
}

fn random_plan(chance: &mut Chance) -> (Arc<Vec<OperatorSpec>>, Arc<Plan>) {
    let count = chance.pick(&[1, 1, 1, 2, 3, 5]);
    let specs: Vec<_> = (0..count)
        .map(|at: u32| OperatorSpec {
            name: format!("operator-{at}").into(),
            request: Request {
                cpu_millis: chance.pick(&[500, 1000, 1000, 1000, 2000, 4000]),
                memory_mb: chance.pick(&[256, 1024, 1024, 4096]),
                gpus: chance.pick(&[0, 0, 0, 0, 1, 2]),
            },
            limit_ms: NonZeroU64::new(chance.pick(&[0, 0, 0, 300, 2_000, 50_000])),
            inputs: (0..at).filter(|_| chance.percent(40)).collect(),
        })
        .collect();
    let plan = Plan::new(specs.clone()).unwrap();
    (Arc::new(specs), Arc::new(plan))
}

impl World {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let config = Config {
            default_limit_ms: 10_000,
            maximum_limit_ms: MAXIMUM_LIMIT_MS,
            grace_ms: GRACE_MS,
            lost_retries: chance.below(3) as u32,
            on_restart: chance.pick(&[OnRestart::Reattach, OnRestart::Reattach, OnRestart::Evict]),
            ..Config::default()
        };
        let capacity = capacity(&mut chance);
        let depth = chance.pick(&[10, 40, 40, 150]);
        let plans = (0..40).map(|_| random_plan(&mut chance)).collect();
        Self {
            scheduler: Scheduler::new(config, capacity.clone()),
            ledger: Ledger { capacity, lost_retries: config.lost_retries, ..Ledger::default() },
            oracle: Oracle::default(),
            config,
            chance,
            now_ms: 1_000_000,
            serial: 0,
            reports: BTreeMap::new(),
            stubborn: BTreeMap::new(),
            past_runs: Vec::new(),
            ignored: 0,
            events: 0,
            depth,
            digest: None,
            restarts: 0,
            started_jobs: 0,
            plans,
        }
    }

    /// Sends one event, and holds all that comes of it against the rules.
    fn send(&mut self, event: Event) -> Result<(), Refusal> {
        self.events += 1;
        let is_known = match &event {
            Event::RunStarted { run } => self.ledger.is_news_that_began(*run),
            Event::RunEnded { run, .. } => self.ledger.live.contains_key(run),
            _ => true,
        };
        self.ignored += u64::from(!is_known);
        let changes_capacity = matches!(event, Event::CapacityChanged(_));
        let effects = self.scheduler.handle(self.now_ms, event.clone());
        assert_eq!(self.scheduler.ignored(), self.ignored, "{event:?}");
        let effects = effects?;
        match event {
            Event::RunStarted { run } if is_known => {
                self.ledger.live.get_mut(&run).unwrap().has_started = true;
            }
            Event::RunEnded { run, .. } if is_known => {
                self.ledger.live.remove(&run);
                self.past_runs.push(run);
            }
            Event::CapacityChanged(capacity) => self.ledger.capacity = capacity,
            _ => {}
        }
        self.take(&effects, changes_capacity);
        Ok(())
    }

    fn take(&mut self, effects: &[Effect], excused: bool) {
        if let Some(digest) = &mut self.digest {
            format!("{effects:?}").hash(digest);
        }
        self.ledger.note(effects);
        self.oracle.check(&self.ledger, effects, self.now_ms, excused);
        self.ledger.check_clocks(self.now_ms);
        for effect in effects {
            match effect {
                Effect::Launch { run, .. } => self.execute(*run),
                Effect::Cancel { run, .. } => self.ask(*run),
                Effect::Kill { run } => self.kill(*run),
                Effect::JobChanged(row) => {
                    let known = self.scheduler.job(row.job);
                    assert_eq!(known, Some((row.state, row.status, row.priority)));
                }
                Effect::OperatorChanged(_) | Effect::WakeAt { .. } => {}
            }
        }
        if self.events.is_multiple_of(500) {
            self.compare_all();
        }
    }

    /// The rows that were written say all that the scheduler knows.
    fn compare_all(&self) {
        self.ledger.check_whole();
        for (id, entry) in &self.ledger.jobs {
            assert_eq!(self.scheduler.job_row(*id), entry.row, "a change that was not written down");
            let rows: Vec<_> = entry.operators.iter().flatten().cloned().collect();
            assert_eq!(self.scheduler.operator_rows(*id), rows, "a change that was not written down");
        }
        for (id, status) in &self.ledger.stopped {
            assert_eq!(self.scheduler.job(*id).map(|(_, status, _)| status), Some(*status), "a lost job");
        }
        assert_eq!(self.scheduler.live_runs(), self.ledger.live.len() as u64);
    }

    fn report(&mut self, in_ms: u64, run: RunToken, outcome: Option<Outcome>) {
        self.serial += 1;
        self.reports.insert((self.now_ms + in_ms, self.serial), (run, outcome));
    }

    /// An executor launches: runs begin, or do not, and end in any way, late, twice, or not by themselves.
    fn execute(&mut self, run: RunToken) {
        let begins_in_ms = self.chance.below(200);
        if self.chance.percent(90) {
            self.report(begins_in_ms, run, None);
        }
        let outcome = match self.chance.below(100) {
            0..80 => Outcome::Completed,
            80..84 => Outcome::Faulted(Fault::ExitCode(1)),
            84..86 => Outcome::Faulted(Fault::Signal(11)),
            86..88 => Outcome::Faulted(Fault::OutOfMemory),
            88..89 => Outcome::Faulted(Fault::Disk),
            89..92 => Outcome::Faulted(Fault::LaunchFailed),
            92..97 => Outcome::Faulted(Fault::Lost),
            _ => {
                let misses = self.chance.below(3);
                self.stubborn.insert(run, misses);
                return;
            }
        };
        let ends_in_ms = begins_in_ms + self.chance.pick(&[1, 50, 500, 2000, 8000]);
        self.report(ends_in_ms, run, Some(outcome));
        if self.chance.percent(3) {
            let again_in_ms = ends_in_ms + self.chance.below(3000);
            self.report(again_in_ms, run, Some(Outcome::Completed));
        }
    }

    fn ask(&mut self, run: RunToken) {
        if self.chance.percent(60) {
            let outcome = self.chance.pick(&[Fault::Signal(15), Fault::ExitCode(143), Fault::Canceled]);
            let in_ms = self.chance.below(GRACE_MS * 2);
            self.report(in_ms, run, Some(Outcome::Faulted(outcome)));
        } else {
            let misses = self.chance.below(3);
            self.stubborn.insert(run, misses);
        }
    }

    fn kill(&mut self, run: RunToken) {
        match self.stubborn.get_mut(&run) {
            Some(misses) if *misses > 0 => *misses -= 1,
            _ => {
                let in_ms = self.chance.below(500);
                self.report(in_ms, run, Some(Outcome::Faulted(Fault::Signal(9))));
            }
        }
    }

    /// The next thing that happens by itself: a report, or the timer, sometimes late.
    fn pass_time(&mut self) {
        let report_ms = self.reports.first_key_value().map(|((at_ms, _), _)| *at_ms);
        let wake_ms = self.ledger.wake_ms.filter(|_| !self.ledger.live.is_empty());
        match (report_ms, wake_ms) {
            (_, Some(wake_ms)) if report_ms.is_none_or(|report_ms| wake_ms <= report_ms) => {
                let late_ms = self.chance.pick(&[0, 0, 0, 1, 300]);
                self.now_ms = self.now_ms.max(wake_ms + late_ms);
                self.ledger.wake_ms = None;
                self.send(Event::Timer).unwrap();
            }
            (Some(_), _) => {
                let ((at_ms, _), (run, outcome)) = self.reports.pop_first().unwrap();
                self.now_ms = self.now_ms.max(at_ms);
                let event = match outcome {
                    Some(outcome) => Event::RunEnded { run, outcome },
                    None => Event::RunStarted { run },
                };
                self.send(event).unwrap();
            }
            (None, None) => self.now_ms += 100,
            (None, Some(_)) => unreachable!("the first arm takes it"),
        }
    }

    fn create_and_start(&mut self) {
        let (specs, plan) = self.plans[self.chance.below(self.plans.len() as u64) as usize].clone();
        let id = JobId::from_bits(u128::from(self.chance.bits()));
        let priority = self.chance.pick(&[Lower, Normal, Normal, Normal, Higher, Higher, Higher, Immediate]);
        let limit_ms = NonZeroU64::new(self.chance.pick(&[0, 0, 500, 5_000, 100_000]));
        let count = specs.len();
        let entry = Entry { specs, plan: plan.clone(), row: None, operators: vec![None; count] };
        self.ledger.jobs.insert(id, entry);
        if let Err(refusal) = self.send(Event::Create(JobSpec { job: id, priority, limit_ms, plan })) {
            assert!(matches!(refusal, Refusal::NeverFits { .. }), "{refusal}");
            self.ledger.jobs.remove(&id);
            return;
        }
        if self.chance.percent(95) {
            match self.send(Event::Start { job: id }) {
                Ok(()) => self.started_jobs += 1,
                Err(refusal) => assert!(matches!(refusal, Refusal::NeverFits { .. }), "{refusal}"),
            }
        }
    }

    /// Any job that has not stopped.
    fn any_job(&mut self) -> Option<JobId> {
        let from = JobId::from_bits(u128::from(self.chance.bits()));
        let jobs = &self.ledger.jobs;
        jobs.range(from..).next().or_else(|| jobs.iter().next()).map(|(id, _)| *id)
    }

    fn act(&mut self) {
        let waiting = self.scheduler.waiting() as u64;
        match self.chance.below(1000) {
            0..300 if waiting < self.depth => self.create_and_start(),
            300..330 => {
                let Some(job) = self.any_job() else { return };
                self.send(Event::Cancel { job }).unwrap();
            }
            330..350 => {
                let Some(job) = self.any_job() else { return };
                let priority = self.chance.pick(&[Lower, Normal, Higher, Immediate]);
                self.set_priority(job, priority);
            }
            350..360 => {
                let Some(job) = self.any_job() else { return };
                let was_started = self.ledger.jobs[&job].row.as_ref().unwrap().queue_position.is_some();
                let answer = self.send(Event::Start { job });
                assert_eq!(answer == Err(Refusal::AlreadyStarted { job }), was_started);
            }
            360..365 => {
                let Some((&job, &status)) = self.ledger.stopped.iter().next() else { return };
                let stopped = Err(Refusal::AlreadyStopped { job, status });
                assert_eq!(self.send(Event::Cancel { job }), stopped);
                assert_eq!(self.send(Event::Start { job }), stopped);
                self.ledger.stopped.remove(&job);
                self.send(Event::Forget { job }).unwrap();
                assert_eq!(self.send(Event::Start { job }), Err(Refusal::UnknownJob { job }));
            }
            365..375 => self.send(Event::Timer).unwrap(),
            375..385 => self.send_nonsense(),
            385..388 => {
                let capacity = capacity(&mut self.chance);
                self.send(Event::CapacityChanged(capacity)).unwrap();
            }
            388..390 => self.restart(),
            _ => self.pass_time(),
        }
    }

    fn set_priority(&mut self, job: JobId, priority: JobPriority) {
        let entry = &self.ledger.jobs[&job];
        let has_begun = entry.operators.iter().flatten().any(|row| row.attempt > 0);
        let is_healthy = entry.row.as_ref().unwrap().status == JobStatus::Healthy;
        let answer = self.send(Event::SetPriority { job, priority });
        assert_eq!(answer.is_ok(), !has_begun && is_healthy, "{answer:?}");
    }

    fn send_nonsense(&mut self) {
        let known = match self.past_runs.len() as u64 {
            0 => return,
            count => self.past_runs[self.chance.below(count) as usize],
        };
        let run = match self.chance.below(4) {
            0 => known,
            1 => RunToken { attempt: known.attempt + 1000, ..known },
            2 => RunToken { operator: known.operator + 1000, ..known },
            _ => RunToken { job: JobId::from_bits(1), ..known },
        };
        self.send(Event::RunStarted { run }).unwrap();
        self.send(Event::RunEnded { run, outcome: Outcome::Completed }).unwrap();
    }

    /// The server is gone, and another one starts from the rows.
    fn restart(&mut self) {
        self.compare_all();
        self.restarts += 1;
        self.now_ms += self.chance.below(3000);
        let mut fates = BTreeMap::new();
        let mut gone = Vec::new();
        for (run, live) in &mut self.ledger.live {
            live.was_asked = false;
            let outcome = match self.chance.below(100) {
                0..80 => {
                    fates.insert(*run, RunFate::Reattached);
                    continue;
                }
                80..90 => Some(Outcome::Completed),
                90..93 => Some(Outcome::Faulted(Fault::ExitCode(2))),
                93..95 => Some(Outcome::Faulted(Fault::Lost)),
                _ => None,
            };
            gone.push(*run);
            let ended_ms = self.chance.percent(50).then(|| self.now_ms - self.chance.below(1000));
            if outcome.is_some() || self.chance.percent(50) {
                fates.insert(*run, RunFate::Gone { outcome, ended_ms });
            }
        }
        for run in gone {
            self.ledger.live.remove(&run);
            self.past_runs.push(run);
        }
        let record = |entry: &Entry| JobRecord {
            plan: entry.plan.clone(),
            row: entry.row.clone().unwrap(),
            operators: entry.operators.iter().flatten().cloned().collect(),
        };
        let jobs = self.ledger.jobs.values().map(record).collect();
        let snapshot = Snapshot { jobs, fates, capacity: self.ledger.capacity.clone(), now_ms: self.now_ms };
        self.ledger.stopped.clear();
        self.ledger.wake_ms = None;
        self.oracle.forget();
        self.ignored = 0;
        let had_begun: BTreeMap<JobId, bool> = self
            .ledger
            .jobs
            .iter()
            .map(|(id, entry)| (*id, entry.operators.iter().flatten().any(|row| row.attempt > 0)))
            .collect();
        let (scheduler, effects) = Scheduler::restore(self.config, snapshot).unwrap();
        self.scheduler = scheduler;
        for effect in &effects {
            if let Effect::JobChanged(row) = effect {
                let was_evicted = row.status == JobStatus::Evicted;
                assert!(!was_evicted || had_begun[&row.job], "a job that only waited is not evicted");
            }
        }
        self.take(&effects, true);
        self.compare_all();
    }

    fn live_through(&mut self, events: u64) {
        while self.events < events {
            self.act();
        }
        self.drain();
    }

    /// Nothing new comes: everything that was started ends.
    fn drain(&mut self) {
        for _ in 0..1_000_000 {
            if self.ledger.live.is_empty() {
                break;
            }
            self.pass_time();
        }
        self.compare_all();
        assert_eq!((self.scheduler.live_runs(), self.scheduler.waiting()), (0, 0));
        for entry in self.ledger.jobs.values() {
            assert_eq!(entry.row.as_ref().unwrap().queue_position, None, "started and never stopped");
            assert!(entry.operators.iter().flatten().all(|row| row.status == OperatorStatus::Pending));
        }
    }
}

/// Says which seed it was when a test panics.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("SCHEDULER_SEED={} repeats this", self.0);
        }
    }
}

fn simulate(seed: u64) -> World {
    let seed = Seed(seed);
    let mut world = World::new(seed.0);
    world.live_through(EVENTS_PER_SEED);
    // At most five other lanes were due earlier; each waits for the longest run there can be.
    let bound_ms = 6 * (MAXIMUM_LIMIT_MS + LONGEST_END_MS);
    assert!(world.oracle.longest_due_ms <= bound_ms, "due for {} ms", world.oracle.longest_due_ms);
    world
}

#[test]
fn a_million_random_events_break_no_rule() {
    let seeds = match std::env::var("SCHEDULER_SEED") {
        Ok(seed) => vec![seed.parse().expect("a seed is a number")],
        Err(_) => (1..=SEEDS).collect(),
    };
    let worlds: Vec<World> = seeds.iter().map(|seed| simulate(*seed)).collect();
    // A simulation in which nothing happens finds nothing.
    let sum = |of: fn(&World) -> u64| worlds.iter().map(of).sum::<u64>();
    let count = seeds.len() as u64;
    assert!(sum(|world| world.events) >= count * EVENTS_PER_SEED);
    assert!(sum(|world| world.ledger.launches) > count * 5_000);
    assert!(sum(|world| world.ledger.healthy_ends) > count * 1_000);
    assert!(sum(|world| world.restarts) > count * 20);
    assert!(sum(|world| world.oracle.turns) > count * 10);
    assert!(worlds.iter().any(|world| world.oracle.most_waiting > 100));
    println!(
        "{} events, {} jobs, {} launches, {} restarts, {} turns, due for {} ms at most, {} waiting at most",
        sum(|world| world.events),
        sum(|world| world.started_jobs),
        sum(|world| world.ledger.launches),
        sum(|world| world.restarts),
        sum(|world| world.oracle.turns),
        worlds.iter().map(|world| world.oracle.longest_due_ms).max().unwrap_or_default(),
        worlds.iter().map(|world| world.oracle.most_waiting).max().unwrap_or_default(),
    );
}

#[test]
fn the_same_events_give_the_same_effects() {
    let digest = || {
        let seed = Seed(77);
        let mut world = World::new(seed.0);
        world.digest = Some(DefaultHasher::new());
        world.live_through(20_000);
        (world.ledger.launches, world.digest.unwrap().finish())
    };
    assert_eq!(digest(), digest());
}
