//! Failed log-ins, counted in bounded memory.
//!
//! Names and addresses are counted in two rows of cells each, at places that a secret key chooses. Strangers who try
//! many names can thus neither fill memory nor push a count out; a cell that two names share counts too much, never
//! too little, and both rows would have to be shared for a name to suffer.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

const ROWS: usize = 2;
const CELLS: usize = 8192;

/// How many failures are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThrottleLimits {
    /// Failures of one user, or from one origin, within the window.
    pub attempts: u32,
    /// How long failures count, from the first of them.
    pub window: Duration,
}

#[derive(Clone, Copy)]
struct Cell {
    since: Instant,
    count: u32,
}

/// Counts attempts by key.
pub(super) struct Throttle {
    limits: ThrottleLimits,
    keys: [RandomState; ROWS],
    cells: Mutex<Vec<Option<Cell>>>,
}

impl Throttle {
    pub(super) fn new(limits: ThrottleLimits) -> Self {
        let keys = std::array::from_fn(|_| RandomState::new());
        Self { limits, keys, cells: Mutex::new(vec![None; ROWS * CELLS]) }
    }

    fn places<K: Hash>(&self, key: &K) -> [usize; ROWS] {
        // The remainder is below the number of cells, whatever the width of a machine word.
        std::array::from_fn(|row| row * CELLS + (self.keys[row].hash_one(key) % CELLS as u64) as usize)
    }

    /// Whether another attempt would be refused now; counts nothing.
    ///
    /// # Errors
    /// How long to wait, when there were too many.
    pub(super) fn check<K: Hash>(&self, key: &K, now: Instant) -> Result<(), Duration> {
        let cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        self.refuse(self.places(key).map(|place| self.cell(&cells, place, now)), now)
    }

    fn cell(&self, cells: &[Option<Cell>], place: usize, now: Instant) -> Cell {
        match cells.get(place).copied().flatten() {
            Some(cell) if now.duration_since(cell.since) < self.limits.window => cell,
            _ => Cell { since: now, count: 0 },
        }
    }

    fn refuse(&self, counts: [Cell; ROWS], now: Instant) -> Result<(), Duration> {
        if counts.iter().any(|cell| cell.count < self.limits.attempts) {
            return Ok(());
        }
        let waits =
            counts.iter().map(|cell| self.limits.window.saturating_sub(now.duration_since(cell.since)));
        Err(waits.min().unwrap_or_default())
    }

    /// Counts an attempt before it is judged, so that many at once cannot slip through.
    ///
    /// # Errors
    /// How long to wait, when there were too many.
    pub(super) fn begin<K: Hash>(&self, key: &K, now: Instant) -> Result<(), Duration> {
        let places = self.places(key);
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = places.map(|place| self.cell(&cells, place, now));
        self.refuse(counts, now)?;
        for (place, cell) in places.into_iter().zip(counts) {
            if let Some(slot) = cells.get_mut(place) {
                *slot = Some(Cell { count: cell.count.saturating_add(1), ..cell });
            }
        }
        Ok(())
    }

    /// Takes back an attempt that went well.
    pub(super) fn succeed<K: Hash>(&self, key: &K) {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        for place in self.places(key) {
            if let Some(Some(cell)) = cells.get_mut(place) {
                cell.count = cell.count.saturating_sub(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ThrottleLimits = ThrottleLimits { attempts: 3, window: Duration::from_secs(60) };

    #[test]
    fn too_many_failures_are_refused_until_the_window_is_over() {
        let throttle = Throttle::new(LIMITS);
        let start = Instant::now();
        for _ in 0..3 {
            throttle.begin(&"anna", start).unwrap();
        }
        let later = start + Duration::from_secs(20);
        assert_eq!(throttle.begin(&"anna", later), Err(Duration::from_secs(40)));
        throttle.begin(&"ben", later).unwrap();
        throttle.begin(&"anna", start + LIMITS.window).unwrap();
    }

    #[test]
    fn successes_do_not_count_and_do_not_wash_failures_away() {
        let throttle = Throttle::new(LIMITS);
        let now = Instant::now();
        for _ in 0..10 {
            throttle.begin(&"anna", now).unwrap();
            throttle.succeed(&"anna");
        }
        for _ in 0..2 {
            throttle.begin(&"anna", now).unwrap();
        }
        throttle.begin(&"anna", now).unwrap();
        throttle.succeed(&"anna");
        throttle.begin(&"anna", now).unwrap();
        assert!(throttle.begin(&"anna", now).is_err());
    }

    #[test]
    fn a_flood_of_other_names_never_sets_a_count_back() {
        let throttle = Throttle::new(LIMITS);
        let now = Instant::now();
        for _ in 0..3 {
            throttle.begin(&"anna".to_owned(), now).unwrap();
        }
        for n in 0..100_000 {
            let _ = throttle.begin(&format!("name {n}"), now);
        }
        assert!(throttle.begin(&"anna".to_owned(), now).is_err());
        assert_eq!(throttle.cells.lock().unwrap().len(), ROWS * CELLS, "memory is bounded");
    }
}
