//! Says slowly and plainly what has to be launched: lists, sorted and searched anew each time.
//!
//! Written from the rules in the documentation of the scheduler, not from its code.

use std::collections::BTreeMap;

use platform_api::job::{JobPriority, JobStatus, OperatorStatus};
use platform_server::scheduler::{Effect, RunToken};

use crate::ledger::Ledger;

/// GPUs, thousandths of a core, MB, places.
type Vector = [u64; 4];

fn fits(need: Vector, available: Vector) -> bool {
    (0..4).all(|at| need[at] <= available[at])
}

fn less(available: Vector, taken: Vector) -> Vector {
    std::array::from_fn(|at| available[at].saturating_sub(taken[at]))
}

/// Sorted as lanes are served: priority from immediate down, begun before new.
type Lane = (u32, bool);

fn lane_of(priority: JobPriority, is_new: bool) -> Lane {
    (4 - priority as u32, is_new)
}

fn patience((rank, _): Lane) -> Option<u32> {
    [None, Some(8), Some(16), Some(32)][rank as usize]
}

#[derive(Clone, Copy)]
struct Waiting {
    lane: Lane,
    position: u64,
    run: RunToken,
    need: Vector,
}

#[derive(Default)]
pub(crate) struct Oracle {
    passed: BTreeMap<Lane, u32>,
    /// Lanes that are due, since when, and how long it may take at most.
    due: Vec<(Lane, u64)>,
    pub(crate) longest_due_ms: u64,
    pub(crate) most_waiting: usize,
    pub(crate) turns: u64,
}

impl Oracle {
    /// After a restart: counts are forgotten.
    pub(crate) fn forget(&mut self) {
        self.passed.clear();
        self.due.clear();
    }

    /// Holds the launches among `effects`, which `ledger` has noted already, against the rules.
    pub(crate) fn check(&mut self, ledger: &Ledger, effects: &[Effect], now_ms: u64, excused: bool) {
        let launched: Vec<RunToken> = effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Launch { run, .. } => Some(*run),
                _ => None,
            })
            .collect();
        let mut free = free(ledger, &launched);
        let mut waiting = waiting(ledger, &launched);
        self.most_waiting = self.most_waiting.max(waiting.len());
        self.forget_empty(&waiting);
        for run in &launched {
            let expected = self.next(&waiting, free);
            assert_eq!(expected.map(|entry| entry.run), Some(*run), "{}", self.explain(&waiting, free));
            let entry = expected.unwrap();
            self.count(&waiting, entry, now_ms);
            free = less(free, entry.need);
            waiting.retain(|other| other.run != entry.run);
            for other in waiting.iter_mut().filter(|other| other.run.job == run.job) {
                other.lane.1 = false;
            }
            waiting.sort_by_key(|entry| (entry.lane, entry.position, entry.run.operator));
            self.forget_empty(&waiting);
        }
        let expected = self.next(&waiting, free);
        assert_eq!(expected.map(|entry| entry.run), None, "left waiting: {}", self.explain(&waiting, free));
        assert!(!ledger.live.is_empty() || waiting.is_empty(), "an idle machine, and somebody waits");
        let immediate_waits = waiting.iter().any(|entry| entry.lane.0 == 0);
        for (_, since_ms) in &mut self.due {
            if excused || immediate_waits {
                *since_ms = now_ms;
            }
            self.longest_due_ms = self.longest_due_ms.max(now_ms - *since_ms);
        }
    }

    fn next(&self, waiting: &[Waiting], free: Vector) -> Option<Waiting> {
        let front = |lane: Lane| waiting.iter().find(|entry| entry.lane == lane).copied();
        let mut available = free;
        let privileged = [(0, false), (0, true)].into_iter().chain(self.due.iter().map(|(lane, _)| *lane));
        for entry in privileged.filter_map(front) {
            if fits(entry.need, available) {
                return Some(entry);
            }
            available = less(available, entry.need);
        }
        waiting.iter().find(|entry| fits(entry.need, available)).copied()
    }

    fn count(&mut self, waiting: &[Waiting], launched: Waiting, now_ms: u64) {
        let mut lanes: Vec<Lane> = waiting.iter().map(|entry| entry.lane).collect();
        lanes.dedup();
        for lane in lanes {
            let Some(patience) = patience(lane) else { continue };
            let front = waiting.iter().find(|entry| entry.lane == lane).unwrap();
            if front.run == launched.run {
                self.turns += u64::from(self.due.iter().any(|(due, _)| *due == lane));
                self.due.retain(|(due, _)| *due != lane);
                self.passed.remove(&lane);
                continue;
            }
            if lane.0 == launched.lane.0 && lane.1 && !launched.lane.1 {
                continue;
            }
            let passed = self.passed.entry(lane).or_default();
            *passed += 1;
            if *passed == patience {
                self.due.push((lane, now_ms));
            }
        }
    }

    fn forget_empty(&mut self, waiting: &[Waiting]) {
        let is_empty = |lane: Lane| waiting.iter().all(|entry| entry.lane != lane);
        self.due.retain(|(lane, _)| !is_empty(*lane));
        self.passed.retain(|lane, _| !is_empty(*lane));
    }

    fn explain(&self, waiting: &[Waiting], free: Vector) -> String {
        let list: Vec<_> =
            waiting.iter().map(|entry| format!("{:?} {} {:?}", entry.lane, entry.run, entry.need)).collect();
        format!("free {free:?}, due {:?}, passed {:?}, waiting {list:#?}", self.due, self.passed)
    }
}

/// What was free before these launches.
fn free(ledger: &Ledger, launched: &[RunToken]) -> Vector {
    let before = || ledger.live.iter().filter(|(run, _)| !launched.contains(run)).map(|(_, live)| live);
    let held_gpus = |gpu| before().any(|live| live.gpus.contains(gpu));
    let total = [
        ledger.capacity.gpus.iter().filter(|gpu| !held_gpus(gpu)).count() as u64,
        ledger.capacity.cpu_millis,
        ledger.capacity.memory_mb,
        ledger.capacity.slots.into(),
    ];
    before().fold(total, |free, live| less(free, [0, live.request.cpu_millis, live.request.memory_mb, 1]))
}

/// Operators that could run before these launches, in the order of lanes, starts and plans.
fn waiting(ledger: &Ledger, launched: &[RunToken]) -> Vec<Waiting> {
    let mut list = Vec::new();
    for (id, entry) in &ledger.jobs {
        let Some(row) = &entry.row else { continue };
        let Some(position) = row.queue_position else { continue };
        if row.status != JobStatus::Healthy {
            continue;
        }
        let rows = || entry.operators.iter().flatten();
        let had_begun = rows().any(|row| {
            let run = RunToken { job: *id, operator: row.operator, attempt: row.attempt };
            row.attempt > u32::from(launched.contains(&run))
        });
        for row_of in rows() {
            let run = RunToken { job: *id, operator: row_of.operator, attempt: row_of.attempt };
            let is_launched = launched.contains(&run);
            if row_of.status != OperatorStatus::Pending || (row_of.run.is_some() && !is_launched) {
                continue;
            }
            let spec = &entry.specs[row_of.operator as usize];
            let is_complete = |input: &u32| {
                entry.operators[*input as usize]
                    .as_ref()
                    .is_some_and(|row| row.status == OperatorStatus::Completed)
            };
            if spec.inputs.iter().all(is_complete) {
                let request = spec.request;
                list.push(Waiting {
                    lane: lane_of(row.priority, !had_begun),
                    position,
                    run,
                    need: [request.gpus.into(), request.cpu_millis, request.memory_mb, 1],
                });
            }
        }
    }
    list.sort_by_key(|entry| (entry.lane, entry.position, entry.run.operator));
    list
}
