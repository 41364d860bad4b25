//! Who is next: eight lanes, who was passed over how often, who is due, and what is reserved for whom.
//!
//! The rules are in the documentation of the module above.

use platform_api::job::JobPriority;

use super::config::Patience;
use super::lane::{Entry, Lane, Place};
use super::resources::Amounts;

/// One of the eight lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LaneId {
    pub(super) priority: JobPriority,
    pub(super) begun: bool,
}

impl LaneId {
    /// In the order in which they are served.
    const ALL: [Self; 8] = {
        use JobPriority::{Higher, Immediate, Lower, Normal};
        [
            Self { priority: Immediate, begun: true },
            Self { priority: Immediate, begun: false },
            Self { priority: Higher, begun: true },
            Self { priority: Higher, begun: false },
            Self { priority: Normal, begun: true },
            Self { priority: Normal, begun: false },
            Self { priority: Lower, begun: true },
            Self { priority: Lower, begun: false },
        ]
    };

    fn index(self) -> usize {
        let rank = match self.priority {
            JobPriority::Immediate => 0,
            JobPriority::Higher => 2,
            JobPriority::Normal => 4,
            JobPriority::Lower => 6,
        };
        rank + usize::from(!self.begun)
    }

    fn is_immediate(self) -> bool {
        self.priority == JobPriority::Immediate
    }
}

/// The next operator to be launched, and where it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pick {
    pub(super) lane: LaneId,
    pub(super) entry: Entry,
}

#[derive(Debug)]
pub(super) struct Queue {
    patience: Patience,
    lanes: [Lane; 8],
    /// Launches that went before the front of each lane.
    passed_over: [u32; 8],
    /// Lanes that were passed over too often, in the order in which that came true.
    due: Vec<LaneId>,
}

impl Queue {
    pub(super) fn new(patience: Patience) -> Self {
        Self { patience, lanes: Default::default(), passed_over: [0; 8], due: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.lanes.iter().map(Lane::len).sum()
    }

    pub(super) fn insert(&mut self, lane: LaneId, entry: Entry) {
        if let Some(lane) = self.lanes.get_mut(lane.index()) {
            lane.insert(entry);
        }
    }

    /// Takes an operator out that will not be launched from this lane.
    pub(super) fn remove(&mut self, lane: LaneId, need: Amounts, place: Place) {
        let is_empty = self.lanes.get_mut(lane.index()).is_some_and(|waiting| {
            waiting.remove(need, place);
            waiting.is_empty()
        });
        if is_empty {
            self.serve(lane);
        }
    }

    /// Who is launched next when `free` is free.
    pub(super) fn next(&self, free: Amounts) -> Option<Pick> {
        let mut available = free;
        let immediate = LaneId::ALL.into_iter().filter(|lane| lane.is_immediate());
        for lane in immediate.chain(self.due.iter().copied()) {
            let Some(entry) = self.lane(lane).and_then(Lane::front) else {
                continue;
            };
            if entry.need.fits(available) {
                return Some(Pick { lane, entry });
            }
            available = available.without(entry.need);
        }
        LaneId::ALL.into_iter().find_map(|lane| {
            let entry = self.lane(lane)?.first_that_fits(available)?;
            Some(Pick { lane, entry })
        })
    }

    /// Takes an operator out that is launched, and counts who was passed over by it.
    pub(super) fn launched(&mut self, pick: Pick) {
        let was_front = self.lane(pick.lane).and_then(Lane::front) == Some(pick.entry);
        for lane in LaneId::ALL {
            if self.lane(lane).is_none_or(Lane::is_empty) {
                continue;
            }
            if lane == pick.lane && was_front {
                self.serve(lane);
                continue;
            }
            let finishes_what_was_begun =
                lane.priority == pick.lane.priority && pick.lane.begun && !lane.begun;
            if !finishes_what_was_begun {
                self.pass_over(lane);
            }
        }
        self.remove(pick.lane, pick.entry.need, pick.entry.place);
    }

    fn lane(&self, lane: LaneId) -> Option<&Lane> {
        self.lanes.get(lane.index())
    }

    fn serve(&mut self, lane: LaneId) {
        self.due.retain(|due| *due != lane);
        if let Some(count) = self.passed_over.get_mut(lane.index()) {
            *count = 0;
        }
    }

    fn pass_over(&mut self, lane: LaneId) {
        let patience = self.patience.of(lane.priority);
        let Some((patience, count)) = patience.zip(self.passed_over.get_mut(lane.index())) else {
            return;
        };
        *count = count.saturating_add(1);
        if *count >= patience && !self.due.contains(&lane) {
            self.due.push(lane);
        }
    }
}
