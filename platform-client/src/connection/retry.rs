//! How long to wait before a call is made again.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

const FIRST_MS: u64 = 100;
const LONGEST_MS: u64 = 5_000;

/// The pause after so many attempts: doubles, up to 5 s, and varies by a half so that many clients do not come at once.
pub(super) fn pause(made: u32) -> Duration {
    let chance = RandomState::new().hash_one(made) % 1000;
    pause_with(made, chance)
}

/// `chance` is from 0 to 999.
fn pause_with(made: u32, chance: u64) -> Duration {
    let doubled = 1u64.checked_shl(made.saturating_sub(1)).unwrap_or(u64::MAX);
    let whole = FIRST_MS.saturating_mul(doubled).min(LONGEST_MS);
    Duration::from_millis(whole / 2 + whole * chance / 2000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_stay_bounded() {
        assert_eq!(pause_with(1, 0), Duration::from_millis(50));
        assert_eq!(pause_with(2, 0), Duration::from_millis(100));
        assert_eq!(pause_with(3, 999), Duration::from_millis(399));
        for made in [8, 64, 65, u32::MAX] {
            assert!(pause_with(made, 999) <= Duration::from_millis(LONGEST_MS), "{made}");
        }
        assert!(pause(1) >= Duration::from_millis(50));
    }
}
