//! The server's clock: milliseconds since 1970 that never go back while the server runs.
//!
//! Time limits are measured with it, so a wall that is set forwards or back while the server runs ends no job early
//! and keeps none alive.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The wall is read once, at start; from then on elapsed time is added, so that a clock that is set does not matter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
    start_ms: i64,
}

impl Clock {
    pub(crate) fn start(wall: fn() -> SystemTime) -> Self {
        Self { start: Instant::now(), start_ms: millis(wall()) }
    }

    /// Now.
    pub(crate) fn now_ms(&self) -> i64 {
        let elapsed = i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.start_ms.saturating_add(elapsed)
    }

    /// The moment at which [`Clock::now_ms`] reaches a time.
    pub(crate) fn instant(&self, ms: i64) -> Instant {
        let ahead = u64::try_from(ms.saturating_sub(self.start_ms)).unwrap_or(0);
        // A day is far enough: whoever waits asks again.
        self.start + Duration::from_millis(ahead).min(self.start.elapsed() + Duration::from_secs(86_400))
    }
}

/// Milliseconds since 1970; negative before.
pub fn millis(time: SystemTime) -> i64 {
    let count = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => count(since),
        Err(before) => count(before.duration()).saturating_neg(),
    }
}

/// The time that [`millis`] made.
pub fn system_time(ms: i64) -> SystemTime {
    let duration = Duration::from_millis(ms.unsigned_abs());
    let time = if ms < 0 { UNIX_EPOCH.checked_sub(duration) } else { UNIX_EPOCH.checked_add(duration) };
    time.unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_there_and_back() {
        for ms in [0, 1, -1, 1_700_000_000_123] {
            assert_eq!(millis(system_time(ms)), ms);
        }
        assert!(system_time(i64::MIN).duration_since(UNIX_EPOCH).is_err());
    }

    #[test]
    fn the_clock_reaches_a_time_at_its_instant() {
        let clock = Clock::start(SystemTime::now);
        let now = clock.now_ms();
        assert!(clock.instant(now + 50) > Instant::now());
        assert!(clock.instant(now - 1) <= Instant::now());
    }
}
