//! A scheduler with a queue of a given length, and the turns of a full machine, for the benches.
//!
//! A turn is the whole life of a job: create, start, the end of a run, the launch of the next in the queue, its
//! beginning, and the last word of the one that ended forgotten. The queue keeps its length.

use std::collections::{BTreeSet, VecDeque};
use std::hint::black_box;
use std::sync::Arc;

use platform_api::id::JobId;
use platform_api::job::JobPriority;
use platform_server::scheduler::{
    Capacity, Config, Effect, Event, GpuId, JobSpec, OperatorSpec, Outcome, Plan, Request, RunToken,
    Scheduler,
};

pub(crate) struct Load {
    scheduler: Scheduler,
    plans: Vec<Arc<Plan>>,
    at_work: VecDeque<RunToken>,
    created: u128,
    now_ms: u64,
}

fn plan(request: Request) -> Arc<Plan> {
    let operator = OperatorSpec { name: "only".into(), request, limit_ms: None, inputs: Vec::new() };
    Arc::new(Plan::new(vec![operator]).expect("one operator is a plan"))
}

impl Load {
    /// With `queued` jobs of so many kinds of request in the queue.
    pub(crate) fn new(queued: usize, kinds: u64) -> Self {
        let capacity = Capacity {
            cpu_millis: 16_000,
            memory_mb: 64 * 1024,
            gpus: (0..4).map(|at| GpuId::new(&format!("gpu-{at}"))).collect::<BTreeSet<_>>(),
            slots: 256,
        };
        let plans = (0..kinds)
            .map(|kind| {
                plan(Request {
                    cpu_millis: 1000 * [1, 1, 2, 8][kind as usize % 4] - kind / 4096,
                    memory_mb: 256 + 256 * (kind % 16) + kind / 16 % 256,
                    gpus: u32::from(kind % 5 == 4),
                })
            })
            .collect();
        let scheduler = Scheduler::new(Config::default(), capacity);
        let mut load = Self { scheduler, plans, at_work: VecDeque::new(), created: 0, now_ms: 1_000_000 };
        while load.scheduler.waiting() < queued {
            load.arrive();
        }
        load
    }

    fn send(&mut self, event: Event) {
        let effects = self.scheduler.handle(self.now_ms, event).expect("the load makes sense");
        for effect in black_box(&effects) {
            if let Effect::Launch { run, .. } = effect {
                self.at_work.push_back(*run);
            }
        }
    }

    fn arrive(&mut self) {
        self.created += 1;
        // Spread over the whole range, as random identifiers are.
        let job = JobId::from_bits(self.created.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
        let plan = self.plans[self.created as usize % self.plans.len()].clone();
        let priority = if self.plans.len() == 1 {
            JobPriority::Normal
        } else {
            // As many of each arrive as are served, so that the mix of the queue stays.
            [JobPriority::Normal, JobPriority::Higher, JobPriority::Lower, JobPriority::Normal]
                [self.created as usize / 7 % 4]
        };
        self.send(Event::Create(JobSpec { job, priority, limit_ms: None, plan }));
        self.send(Event::Start { job });
    }

    pub(crate) fn turn(&mut self) {
        self.now_ms += 1;
        self.arrive();
        let run = self.at_work.pop_front().expect("the machine is full");
        self.send(Event::RunStarted { run });
        self.send(Event::RunEnded { run, outcome: Outcome::Completed });
        self.send(Event::Forget { job: run.job });
    }
}

/// Kinds of requests: all alike, sixteen, and no two the same.
pub(crate) const KINDS: [(&str, u64); 3] = [("alike", 1), ("mixed", 16), ("different", 200_000)];
