//! What the server tells about itself: numbers for Prometheus, and whether it is alive and ready.
//!
//! [`Metrics`] counts what happens, [`Facts`] are asked for when somebody looks. Labels come from fixed lists, so that
//! strangers cannot make series without end; no label holds a name, a path or an identifier.

mod counted;
mod http;
mod metrics;
mod text;

use std::time::Duration;

use platform_api::job::{JobState, JobStatus};

pub use counted::Counted;
pub use http::{ObserveError, Observer, start};
pub use metrics::{Direction, Metrics, OpenConnection};

/// What can be known at any moment without counting.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// Jobs by where they stand and how they fare.
    pub jobs: Vec<(JobState, JobStatus, u64)>,
    /// Jobs that were started and wait for their turn.
    pub queue_length: u64,
    /// How long the first of them has waited.
    pub queue_oldest: Duration,
    /// Bytes of the device that payloads lie on: used and in all.
    pub disk: Option<(u64, u64)>,
    /// Whether something stands between operators and the machine.
    pub is_sandboxed: bool,
}

/// Whom to ask. Both may read a disk.
pub trait Inspect: Send + Sync + 'static {
    /// What is known now; none when it cannot be known, such as while a database is away.
    fn facts(&self) -> Option<Facts>;
    /// What its administrator should know and change; fixed for as long as it runs.
    fn warnings(&self) -> Vec<String>;
    /// Why the server takes no calls now, for `/readyz`; none when it does.
    fn not_ready(&self) -> Option<String>;
}
