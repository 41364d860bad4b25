//! What a job is: where it stands, how it fares, and what may follow what.
//!
//! *State* says where a job stands, *status* how it fares; the two are separate. A stopped job never runs again.
//! [`JobDetails`] is a job at one moment, [`JobFilter`] chooses among them, [`OperatorEnd`] says why an operator ended.

mod details;
mod end;
mod filter;
mod name;

pub use details::{JobDetails, JobReport, OperatorDetails};
pub use end::{EndReason, Enforcement, Limits, OperatorEnd};
pub use filter::JobFilter;
pub use name::{JobName, JobNameError};

use std::fmt;

/// Where a job stands. The numbers are those of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobState {
    /// Created, or started and waiting for its turn.
    Pending = 1,
    /// At least one operator has run.
    Running = 2,
    /// Over, for whatever reason.
    Stopped = 3,
}

/// How a job fares. The numbers are those of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobStatus {
    /// Nothing went wrong.
    Healthy = 1,
    /// An operator failed.
    Faulted = 2,
    /// Somebody asked for its end.
    Canceled = 3,
    /// Left over from an earlier run of the server.
    Evicted = 4,
    /// Ran over its time limit.
    Terminated = 5,
}

/// Which jobs go first. The numbers are those of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum JobPriority {
    /// After all others.
    Lower = 1,
    /// The default.
    #[default]
    Normal = 2,
    /// Before normal ones.
    Higher = 3,
    /// Before all others.
    Immediate = 4,
}

/// Where an operator of a job stands. The numbers are those of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OperatorStatus {
    /// Has not begun.
    Pending = 1,
    /// At work.
    Running = 2,
    /// Ended well.
    Completed = 3,
    /// Failed, or was ended.
    Faulted = 4,
}

macro_rules! numbered {
    ($($type:ident { $($variant:ident => $name:literal),* $(,)? })*) => {$(
        impl $type {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// From the number on the wire; `None` for unknown ones, 0 among them.
            pub fn from_wire(number: i32) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.to_wire() == number)
            }

            /// The number on the wire.
            pub const fn to_wire(self) -> i32 {
                self as i32
            }

            /// The word for it, in lower case.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),*
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }
    )*};
}

numbered! {
    JobState { Pending => "pending", Running => "running", Stopped => "stopped" }
    JobStatus {
        Healthy => "healthy",
        Faulted => "faulted",
        Canceled => "canceled",
        Evicted => "evicted",
        Terminated => "terminated",
    }
    JobPriority { Lower => "low", Normal => "normal", Higher => "high", Immediate => "immediate" }
    OperatorStatus { Pending => "pending", Running => "running", Completed => "completed", Faulted => "faulted" }
}

impl JobState {
    /// Whether a job may go from here to `next`. Pending may stop without having run; nothing follows a stop.
    pub const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Pending, Self::Running | Self::Stopped) | (Self::Running, Self::Stopped)
        )
    }
}

impl OperatorStatus {
    /// Whether an operator may go from here to `next`. One that never ran may fault, but not complete.
    pub const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Pending, Self::Running | Self::Faulted) | (Self::Running, Self::Completed | Self::Faulted)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::clara;

    #[test]
    fn numbers_are_those_of_the_schema() {
        for state in JobState::ALL {
            let wire = clara::JobState::try_from(state.to_wire()).unwrap();
            assert_eq!(wire.as_str_name().to_lowercase(), format!("job_state_{state}"));
        }
        for status in JobStatus::ALL {
            let wire = clara::JobStatus::try_from(status.to_wire()).unwrap();
            assert_eq!(wire.as_str_name().to_lowercase(), format!("job_status_{status}"));
        }
        for status in OperatorStatus::ALL {
            let wire = clara::JobOperatorStatus::try_from(status.to_wire()).unwrap();
            assert_eq!(wire.as_str_name().to_lowercase(), format!("job_operator_status_{status}"));
        }
        for (priority, wire) in [
            (JobPriority::Lower, clara::JobPriority::Lower),
            (JobPriority::Normal, clara::JobPriority::Normal),
            (JobPriority::Higher, clara::JobPriority::Higher),
            (JobPriority::Immediate, clara::JobPriority::Immediate),
        ] {
            assert_eq!(JobPriority::from_wire(wire.into()), Some(priority));
        }
        assert_eq!(JobState::from_wire(0), None);
        assert_eq!(JobStatus::from_wire(6), None);
        assert_eq!(JobStatus::ALL.len(), 5);
    }

    #[test]
    fn a_stopped_job_goes_nowhere() {
        for next in JobState::ALL {
            assert!(!JobState::Stopped.may_become(*next));
            assert!(!next.may_become(*next));
        }
        assert!(JobState::Pending.may_become(JobState::Stopped));
        assert!(!JobState::Running.may_become(JobState::Pending));
        assert!(!OperatorStatus::Pending.may_become(OperatorStatus::Completed));
    }
}
