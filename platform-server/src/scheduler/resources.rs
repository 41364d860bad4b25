//! What operators ask for and what a machine has.
//!
//! Whole cores are thousandths inside, so that an executor may share a core; GPUs are whole and exclusive.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// Names one GPU for as long as it exists: its UUID, or whatever the executor tells GPUs apart by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GpuId(Arc<str>);

impl GpuId {
    /// From the name that the executor uses.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name that the executor uses.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GpuId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A thing that operators share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resource {
    /// Thousandths of a core.
    CpuMillis,
    /// Memory in MB.
    MemoryMb,
    /// Whole GPUs.
    Gpus,
    /// Operators at work at the same time.
    Slots,
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CpuMillis => "thousandths of a core",
            Self::MemoryMb => "MB of memory",
            Self::Gpus => "GPUs",
            Self::Slots => "operators at a time",
        })
    }
}

/// What one operator asks for while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Request {
    /// Thousandths of a core.
    pub cpu_millis: u64,
    /// Memory in MB.
    pub memory_mb: u64,
    /// Whole GPUs.
    pub gpus: u32,
}

impl Default for Request {
    fn default() -> Self {
        Self { cpu_millis: 1000, memory_mb: 1024, gpus: 0 }
    }
}

/// What the machine gives to operators, all of them together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capacity {
    /// Thousandths of a core.
    pub cpu_millis: u64,
    /// Memory in MB.
    pub memory_mb: u64,
    /// GPUs that may be assigned.
    pub gpus: BTreeSet<GpuId>,
    /// Operators at work at the same time.
    pub slots: u32,
}

/// An operator that this machine cannot run, however long it waits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("operator `{name}` asks for {asked} {resource}, and there are {available} in all")]
pub struct NeverFits {
    /// Its place in the plan.
    pub operator: u32,
    /// Its name.
    pub name: Arc<str>,
    /// What there is too little of.
    pub resource: Resource,
    /// How much it asks for.
    pub asked: u64,
    /// How much there is in all.
    pub available: u64,
}

/// How much of each resource. The order of values has no meaning beyond being one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct Amounts {
    pub(super) gpus: u64,
    pub(super) cpu_millis: u64,
    pub(super) memory_mb: u64,
    pub(super) slots: u64,
}

impl Amounts {
    pub(super) fn of_request(request: Request) -> Self {
        Self {
            gpus: u64::from(request.gpus),
            cpu_millis: request.cpu_millis,
            memory_mb: request.memory_mb,
            slots: 1,
        }
    }

    pub(super) fn of_capacity(capacity: &Capacity) -> Self {
        Self {
            gpus: capacity.gpus.len() as u64,
            cpu_millis: capacity.cpu_millis,
            memory_mb: capacity.memory_mb,
            slots: u64::from(capacity.slots),
        }
    }

    /// The first resource that there is too little of in `available`: what, how much is asked, how much there is.
    pub(super) fn shortage(self, available: Self) -> Option<(Resource, u64, u64)> {
        [
            (Resource::Gpus, self.gpus, available.gpus),
            (Resource::CpuMillis, self.cpu_millis, available.cpu_millis),
            (Resource::MemoryMb, self.memory_mb, available.memory_mb),
            (Resource::Slots, self.slots, available.slots),
        ]
        .into_iter()
        .find(|(_, asked, available)| asked > available)
    }

    pub(super) fn fits(self, available: Self) -> bool {
        self.shortage(available).is_none()
    }

    /// What is left when `other` is taken out, down to nothing.
    pub(super) fn without(self, other: Self) -> Self {
        Self {
            gpus: self.gpus.saturating_sub(other.gpus),
            cpu_millis: self.cpu_millis.saturating_sub(other.cpu_millis),
            memory_mb: self.memory_mb.saturating_sub(other.memory_mb),
            slots: self.slots.saturating_sub(other.slots),
        }
    }

    /// The smaller of the two, resource by resource.
    pub(super) fn least(self, other: Self) -> Self {
        Self {
            gpus: self.gpus.min(other.gpus),
            cpu_millis: self.cpu_millis.min(other.cpu_millis),
            memory_mb: self.memory_mb.min(other.memory_mb),
            slots: self.slots.min(other.slots),
        }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            gpus: self.gpus.saturating_add(other.gpus),
            cpu_millis: self.cpu_millis.saturating_add(other.cpu_millis),
            memory_mb: self.memory_mb.saturating_add(other.memory_mb),
            slots: self.slots.saturating_add(other.slots),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_takes_out_what_there_is_and_no_more() {
        let free = Amounts { gpus: 0, cpu_millis: 3000, memory_mb: 100, slots: 4 };
        let reserved = Amounts { gpus: 1, cpu_millis: 1000, memory_mb: 200, slots: 1 };
        assert_eq!(free.without(reserved), Amounts { gpus: 0, cpu_millis: 2000, memory_mb: 0, slots: 3 });
    }

    #[test]
    fn the_shortage_names_the_resource_that_is_short() {
        let machine = Amounts { gpus: 1, cpu_millis: 2000, memory_mb: 100, slots: 1 };
        let table = [
            (Request { cpu_millis: 2000, memory_mb: 100, gpus: 1 }, None),
            (Request { cpu_millis: 2001, memory_mb: 100, gpus: 1 }, Some((Resource::CpuMillis, 2001, 2000))),
            (Request { cpu_millis: 1, memory_mb: 101, gpus: 0 }, Some((Resource::MemoryMb, 101, 100))),
            (Request { cpu_millis: 1, memory_mb: 1, gpus: 2 }, Some((Resource::Gpus, 2, 1))),
        ];
        for (request, expected) in table {
            assert_eq!(Amounts::of_request(request).shortage(machine), expected, "{request:?}");
        }
        let no_slot = Amounts { slots: 0, ..machine };
        assert_eq!(
            Amounts::of_request(Request::default()).shortage(Amounts { memory_mb: 2000, ..no_slot }),
            Some((Resource::Slots, 1, 0))
        );
    }
}
