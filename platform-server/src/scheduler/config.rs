//! What an administrator may choose about scheduling.

use platform_api::job::JobPriority;

/// What to do at start with jobs whose operators had begun under an earlier server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnRestart {
    /// Jobs go on if every run of theirs is still known; jobs that lost one are evicted.
    #[default]
    Reattach,
    /// All of them are evicted, and what still runs is ended.
    Evict,
}

/// How many launches may go before the front of a lane until it is due. At least one each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Of priority higher.
    pub higher: u32,
    /// Of priority normal.
    pub normal: u32,
    /// Of priority lower.
    pub lower: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self { higher: 8, normal: 16, lower: 32 }
    }
}

impl Patience {
    /// Of one priority. Immediate jobs need none: they go first anyway.
    pub(super) fn of(self, priority: JobPriority) -> Option<u32> {
        let launches = match priority {
            JobPriority::Immediate => return None,
            JobPriority::Higher => self.higher,
            JobPriority::Normal => self.normal,
            JobPriority::Lower => self.lower,
        };
        Some(launches.max(1))
    }
}

/// Settings of a scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Time limit of jobs whose definition names none.
    pub default_limit_ms: u64,
    /// Caps the time limit of every job.
    pub maximum_limit_ms: u64,
    /// From asking a run to end to killing it, and between one kill and the next.
    pub grace_ms: u64,
    /// How often an operator whose run was lost is launched again.
    pub lost_retries: u32,
    /// When waiting operators are due.
    pub patience: Patience,
    /// What happens to begun jobs at start.
    pub on_restart: OnRestart,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            default_limit_ms: 600_000,
            maximum_limit_ms: 1_800_000,
            grace_ms: 15_000,
            lost_retries: 1,
            patience: Patience::default(),
            on_restart: OnRestart::default(),
        }
    }
}

impl Config {
    /// The limit in force for a job that asks for `asked_ms`.
    pub(super) fn limit_ms(&self, asked_ms: Option<std::num::NonZeroU64>) -> u64 {
        asked_ms.map_or(self.default_limit_ms, |ms| ms.get()).min(self.maximum_limit_ms)
    }
}
