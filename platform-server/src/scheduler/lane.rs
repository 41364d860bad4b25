//! Operators that wait in one lane, in order, indexed by what they ask for.
//!
//! Entries that ask for the same share one ordered map; only the first of each can be next, so a search looks at
//! no more than one entry for each distinct request, however many wait, and [`Heads`] spares most of these.

use std::collections::HashMap;

use platform_api::id::JobId;

use super::few::Few;
use super::heads::Heads;
use super::resources::Amounts;

/// The place of an operator: jobs in the order in which they were started, then the order of the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) position: u64,
    pub(super) operator: u32,
}

/// An operator that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) place: Place,
    pub(super) job: JobId,
    pub(super) need: Amounts,
}

#[derive(Debug, Default)]
pub(super) struct Lane {
    /// Looked up, never walked: its order would show.
    by_need: HashMap<Amounts, Few<Place, JobId>>,
    /// The first of each map above.
    heads: Heads,
    count: usize,
}

impl Lane {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn insert(&mut self, entry: Entry) {
        let waiting = self.by_need.entry(entry.need).or_default();
        let head = waiting.first().map(|(place, _)| place);
        if waiting.insert(entry.place, entry.job).is_none() {
            self.count += 1;
        }
        if head.is_none_or(|head| entry.place < head) {
            if let Some(head) = head {
                self.heads.remove(head);
            }
            self.heads.insert(entry.place, entry.need, entry.job);
        }
    }

    /// Takes an entry out; false if it was not there.
    pub(super) fn remove(&mut self, need: Amounts, place: Place) -> bool {
        let Some(waiting) = self.by_need.get_mut(&need) else {
            return false;
        };
        if waiting.remove(place).is_none() {
            return false;
        }
        self.count -= 1;
        if self.heads.remove(place)
            && let Some((head, job)) = waiting.first()
        {
            self.heads.insert(head, need, job);
        }
        if waiting.is_empty() {
            self.by_need.remove(&need);
        }
        true
    }

    /// Who is first.
    pub(super) fn front(&self) -> Option<Entry> {
        self.heads.first()
    }

    /// The first that `available` is enough for.
    pub(super) fn first_that_fits(&self, available: Amounts) -> Option<Entry> {
        self.heads.first_that_fits(available)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(position: u64, cpu_millis: u64) -> Entry {
        Entry {
            place: Place { position, operator: 0 },
            job: JobId::from_bits(position.into()),
            need: Amounts { cpu_millis, ..Amounts::default() },
        }
    }

    fn cores(cpu_millis: u64) -> Amounts {
        Amounts { cpu_millis, ..Amounts::default() }
    }

    #[test]
    fn the_first_that_fits_is_the_oldest_and_not_the_smallest() {
        let mut lane = Lane::default();
        for entry in [waiting(4, 1), waiting(1, 3), waiting(2, 2), waiting(3, 1)] {
            lane.insert(entry);
        }
        assert_eq!(lane.front(), Some(waiting(1, 3)));
        for (available, expected) in [(3, Some(1)), (2, Some(2)), (1, Some(3)), (0, None)] {
            let found = lane.first_that_fits(cores(available)).map(|entry| entry.place.position);
            assert_eq!(found, expected, "{available} available");
        }
    }

    #[test]
    fn after_any_insertions_and_removals_the_order_is_that_of_a_sorted_list() {
        let mut lane = Lane::default();
        let mut list: Vec<Entry> = Vec::new();
        let mut state = 1u64;
        for _ in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let entry = waiting(state >> 58, 1 + (state >> 58) % 5);
            let at = list.iter().position(|known| known.place == entry.place);
            match at {
                Some(at) => {
                    list.remove(at);
                    assert!(lane.remove(entry.need, entry.place));
                }
                None => {
                    assert!(!lane.remove(entry.need, entry.place));
                    list.push(entry);
                    list.sort_by_key(|entry| entry.place);
                    lane.insert(entry);
                }
            }
            assert_eq!(lane.len(), list.len());
            assert_eq!(lane.is_empty(), list.is_empty());
            assert_eq!(lane.front().as_ref(), list.first());
            let available = cores(state >> 40 & 7);
            let expected = list.iter().find(|entry| entry.need.fits(available));
            assert_eq!(lane.first_that_fits(available).as_ref(), expected);
        }
    }
}
