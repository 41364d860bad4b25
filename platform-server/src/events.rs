//! What changed, as it changes, for those who watch.
//!
//! A hub counts events and remembers the latest ones, so that a reader who was cut off can go on where it was. What is
//! kept is bounded: whoever falls behind it has to look at everything anew. Numbers mean nothing after a restart;
//! the epoch tells.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use platform_api::id::{JobId, ModelId, PayloadId, PipelineId};
use tokio::sync::watch;

/// Events that are remembered.
const REMEMBERED: usize = 16_384;

/// What changed. A watcher asks the platform for the present state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// A job is new, or its state, status, priority or metadata changed.
    Job(JobId),
    /// An operator of a job changed; its place in the definition.
    Operator(JobId, u32),
    /// An operator's log grew to so many bytes.
    Log(JobId, u32, u64),
    /// GPUs or the machine are used differently.
    Utilization,
    /// A payload is new or changed.
    Payload(PayloadId),
    /// A payload is gone; the job that it belonged to.
    PayloadDeleted(PayloadId, Option<JobId>),
    /// A pipeline is new or changed.
    Pipeline(PipelineId),
    /// A pipeline is gone.
    PipelineDeleted(PipelineId),
    /// A model is new or changed.
    Model(ModelId),
    /// A model is gone.
    ModelDeleted(ModelId),
}

/// A change with its number and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Rises with each event, from 1.
    pub sequence: u64,
    /// When.
    pub time: SystemTime,
    /// What.
    pub change: Change,
}

/// Events after a number are remembered no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("events after number {after} are gone")]
pub struct Gone {
    /// The number.
    pub after: u64,
}

/// Counts and remembers.
#[derive(Debug, Clone)]
pub struct EventHub {
    remembered: Arc<Mutex<VecDeque<Event>>>,
    last: watch::Sender<u64>,
}

impl Default for EventHub {
    fn default() -> Self {
        Self { remembered: Arc::default(), last: watch::Sender::new(0) }
    }
}

impl EventHub {
    /// Tells all who watch.
    pub fn publish(&self, changes: impl IntoIterator<Item = Change>) {
        let time = SystemTime::now();
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sequence = *self.last.borrow();
        for change in changes {
            sequence += 1;
            if remembered.len() == REMEMBERED {
                remembered.pop_front();
            }
            remembered.push_back(Event { sequence, time, change });
        }
        self.last.send_if_modified(|last| std::mem::replace(last, sequence) != sequence);
    }

    /// The number of the last event; changes with each.
    pub fn last(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    /// Up to `limit` events after a number, oldest first.
    ///
    /// # Errors
    /// [`Gone`] if some of them are forgotten, or the number was never given.
    pub fn after(&self, sequence: u64, limit: usize) -> Result<Vec<Event>, Gone> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let last = *self.last.borrow();
        let oldest = remembered.front().map_or(last + 1, |event| event.sequence);
        if sequence > last || sequence + 1 < oldest {
            return Err(Gone { after: sequence });
        }
        let skipped = usize::try_from(sequence + 1 - oldest).unwrap_or(usize::MAX);
        Ok(remembered.iter().skip(skipped).take(limit).copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs(numbers: std::ops::Range<u128>) -> Vec<Change> {
        numbers.map(|n| Change::Job(JobId::from_bits(n))).collect()
    }

    #[test]
    fn a_reader_goes_on_where_it_was() {
        let hub = EventHub::default();
        assert_eq!(hub.after(0, 10), Ok(vec![]));
        hub.publish(jobs(1..6));
        assert_eq!(*hub.last().borrow(), 5);
        let read: Vec<Change> = hub.after(2, 2).unwrap().into_iter().map(|event| event.change).collect();
        assert_eq!(read, jobs(3..5));
        assert_eq!(hub.after(5, 10), Ok(vec![]));
        assert_eq!(hub.after(6, 10), Err(Gone { after: 6 }), "never given");
    }

    #[test]
    fn what_is_forgotten_is_told_and_memory_is_bounded() {
        let hub = EventHub::default();
        hub.publish(jobs(0..REMEMBERED as u128 + 3));
        assert_eq!(hub.after(2, 1), Err(Gone { after: 2 }));
        assert_eq!(hub.after(3, 1).unwrap()[0].sequence, 4);
        assert_eq!(hub.remembered.lock().unwrap().len(), REMEMBERED);
    }
}
