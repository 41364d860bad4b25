//! Keeps account of the machine: what is held, by whom, and what is free.
//!
//! Capacity may fall below what is held; then nothing is free until enough has been given back.

use std::collections::{BTreeMap, BTreeSet};

use super::resources::{Amounts, Capacity, GpuId};
use super::run::RunToken;

#[derive(Debug)]
pub(super) struct Pool {
    capacity: Capacity,
    total: Amounts,
    held: Amounts,
    gpu_holders: BTreeMap<GpuId, RunToken>,
    free_gpus: BTreeSet<GpuId>,
}

impl Pool {
    pub(super) fn new(capacity: Capacity) -> Self {
        Self {
            total: Amounts::of_capacity(&capacity),
            held: Amounts::default(),
            gpu_holders: BTreeMap::new(),
            free_gpus: capacity.gpus.clone(),
            capacity,
        }
    }

    pub(super) fn capacity(&self) -> &Capacity {
        &self.capacity
    }

    pub(super) fn total(&self) -> Amounts {
        self.total
    }

    pub(super) fn held(&self) -> Amounts {
        self.held
    }

    pub(super) fn free(&self) -> Amounts {
        // GPUs are counted one by one: one that is held may have left the machine.
        Amounts { gpus: self.free_gpus.len() as u64, ..self.total.without(self.held) }
    }

    pub(super) fn set_capacity(&mut self, capacity: Capacity) {
        self.total = Amounts::of_capacity(&capacity);
        self.free_gpus =
            capacity.gpus.iter().filter(|gpu| !self.gpu_holders.contains_key(gpu)).cloned().collect();
        self.capacity = capacity;
    }

    /// Gives `need` to `run` if it is free: the GPUs that it got.
    pub(super) fn take(&mut self, run: RunToken, need: Amounts) -> Option<Vec<GpuId>> {
        if !need.fits(self.free()) {
            return None;
        }
        let gpus: Vec<GpuId> = (0..need.gpus).map_while(|_| self.free_gpus.pop_first()).collect();
        for gpu in &gpus {
            self.gpu_holders.insert(gpu.clone(), run);
        }
        self.held = self.held.plus(need);
        Some(gpus)
    }

    /// Notes that `run` holds `need` and `gpus` from before, whether there is room or not.
    ///
    /// Gives the GPU back that another run holds already; nothing is noted then.
    pub(super) fn hold(&mut self, run: RunToken, need: Amounts, gpus: &[GpuId]) -> Result<(), GpuId> {
        let mut seen = BTreeSet::new();
        if let Some(gpu) = gpus.iter().find(|gpu| self.gpu_holders.contains_key(gpu) || !seen.insert(*gpu)) {
            return Err(gpu.clone());
        }
        for gpu in gpus {
            self.free_gpus.remove(gpu);
            self.gpu_holders.insert(gpu.clone(), run);
        }
        self.held = self.held.plus(need);
        Ok(())
    }

    pub(super) fn give_back(&mut self, need: Amounts, gpus: &[GpuId]) {
        self.held = self.held.without(need);
        for gpu in gpus {
            self.gpu_holders.remove(gpu);
            if self.capacity.gpus.contains(gpu) {
                self.free_gpus.insert(gpu.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use platform_api::id::JobId;

    use super::*;

    fn run(operator: u32) -> RunToken {
        RunToken { job: JobId::from_bits(1), operator, attempt: 1 }
    }

    fn machine(gpus: &[&str]) -> Capacity {
        Capacity {
            cpu_millis: 4000,
            memory_mb: 4096,
            gpus: gpus.iter().map(|name| GpuId::new(name)).collect(),
            slots: 8,
        }
    }

    fn need(gpus: u64) -> Amounts {
        Amounts { gpus, cpu_millis: 1000, memory_mb: 1024, slots: 1 }
    }

    #[test]
    fn a_gpu_that_left_while_held_is_not_given_again() {
        let mut pool = Pool::new(machine(&["a", "b"]));
        let held = pool.take(run(0), need(1)).unwrap();
        assert_eq!(held, [GpuId::new("a")]);
        pool.set_capacity(machine(&["b"]));
        pool.give_back(need(1), &held);
        assert_eq!(pool.take(run(1), need(1)).unwrap(), [GpuId::new("b")]);
        assert_eq!(pool.take(run(2), need(1)), None);
    }

    #[test]
    fn a_gpu_that_comes_back_while_held_stays_held() {
        let mut pool = Pool::new(machine(&["a"]));
        pool.take(run(0), need(1)).unwrap();
        pool.set_capacity(machine(&[]));
        pool.set_capacity(machine(&["a"]));
        assert_eq!(pool.free().gpus, 0);
    }

    #[test]
    fn less_capacity_than_is_held_frees_nothing_until_enough_came_back() {
        let mut pool = Pool::new(machine(&[]));
        for operator in 0..4 {
            pool.take(run(operator), need(0)).unwrap();
        }
        pool.set_capacity(Capacity { cpu_millis: 2000, ..machine(&[]) });
        for expected in [0, 0, 1000] {
            pool.give_back(need(0), &[]);
            assert_eq!(pool.free().cpu_millis, expected);
        }
    }

    #[test]
    fn two_runs_cannot_claim_one_gpu_from_before() {
        let mut pool = Pool::new(machine(&["a"]));
        pool.hold(run(0), need(1), &[GpuId::new("a")]).unwrap();
        assert_eq!(pool.hold(run(1), need(1), &[GpuId::new("a")]), Err(GpuId::new("a")));
        assert_eq!(pool.held(), need(1));
    }
}
