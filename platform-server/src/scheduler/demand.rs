//! Which jobs still need how much at once: finds those that a smaller machine can never serve, without a walk
//! through the queue.

use std::collections::{BTreeMap, HashMap};

use platform_api::id::JobId;

use super::few::Few;
use super::resources::Amounts;

/// Operators of started jobs that have not been launched, by what they ask for and by job.
#[derive(Debug, Default)]
pub(super) struct Demand {
    /// Jobs by their place in the queue, which keeps neighbours in time together; with a count of operators.
    by_need: HashMap<Amounts, Few<u64, (JobId, u32)>>,
}

impl Demand {
    pub(super) fn add(&mut self, need: Amounts, position: u64, job: JobId) {
        let jobs = self.by_need.entry(need).or_default();
        let count = jobs.get(position).map_or(0, |(_, count)| count);
        jobs.insert(position, (job, count + 1));
    }

    pub(super) fn remove(&mut self, need: Amounts, position: u64) {
        let Some(jobs) = self.by_need.get_mut(&need) else {
            return;
        };
        match jobs.remove(position) {
            Some((job, count)) if count > 1 => _ = jobs.insert(position, (job, count - 1)),
            _ => {}
        }
        if jobs.is_empty() {
            self.by_need.remove(&need);
        }
    }

    /// Jobs with an operator that asks for more than `total`, in the order of the queue.
    pub(super) fn jobs_beyond(&self, total: Amounts) -> Vec<JobId> {
        let jobs: BTreeMap<u64, JobId> = self
            .by_need
            .iter()
            .filter(|(need, _)| !need.fits(total))
            .flat_map(|(_, jobs)| jobs.iter().map(|(position, (job, _))| (position, job)))
            // Whatever the order of the requests, that of the jobs is their places'.
            .collect();
        jobs.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_beyond_the_machine_until_the_last_such_operator_is_launched() {
        let big = Amounts { cpu_millis: 8000, ..Amounts::default() };
        let small = Amounts { cpu_millis: 1000, ..Amounts::default() };
        let machine = Amounts { cpu_millis: 4000, ..Amounts::default() };
        let [first, second] = [JobId::from_bits(9), JobId::from_bits(1)];
        let mut demand = Demand::default();
        demand.add(big, 1, first);
        demand.add(big, 1, first);
        demand.add(small, 1, first);
        demand.add(big, 2, second);
        assert_eq!(demand.jobs_beyond(machine), [first, second]);
        demand.remove(big, 1);
        demand.remove(big, 2);
        assert_eq!(demand.jobs_beyond(machine), [first]);
        demand.remove(big, 1);
        assert!(demand.jobs_beyond(machine).is_empty());
    }
}
