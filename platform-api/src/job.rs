//! What a job is: where it stands, how it fares, and what may follow what.
//!
//! *State* says where a job stands, *status* how it fares; the two are separate. A stopped job never runs again.

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
