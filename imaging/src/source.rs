//! Progress and cancellation for work that reads files on worker threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::ImagingError;

/// Shared between a worker and whoever watches it: how far the work is, and a flag to stop it.
///
/// Cloning is cheap and refers to the same work. Units are whatever the worker counts (files or bytes).
#[derive(Debug, Clone, Default)]
pub struct Progress {
    inner: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    done: AtomicU64,
    total: AtomicU64,
    is_cancelled: AtomicBool,
}

impl Progress {
    /// Progress of work that has not started.
    pub fn new() -> Self {
        Self::default()
    }

    /// Announces how much there is to do.
    pub fn set_total(&self, total: u64) {
        self.inner.total.store(total, Ordering::Relaxed);
    }

    /// Adds finished units.
    pub fn advance(&self, units: u64) {
        self.inner.done.fetch_add(units, Ordering::Relaxed);
    }

    /// Finished units.
    pub fn done(&self) -> u64 {
        self.inner.done.load(Ordering::Relaxed)
    }

    /// Announced units; 0 while unknown.
    pub fn total(&self) -> u64 {
        self.inner.total.load(Ordering::Relaxed)
    }

    /// Finished share in `0.0..=1.0`, or `None` while the total is unknown.
    pub fn fraction(&self) -> Option<f32> {
        let total = self.total();
        (total > 0).then(|| (self.done() as f64 / total as f64).min(1.0) as f32)
    }

    /// Asks the worker to stop at the next opportunity.
    pub fn cancel(&self) {
        self.inner.is_cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.inner.is_cancelled.load(Ordering::Relaxed)
    }

    /// For workers: `Err(Cancelled)` once cancelled.
    ///
    /// # Errors
    /// [`ImagingError::Cancelled`].
    pub fn check(&self) -> Result<(), ImagingError> {
        if self.is_cancelled() { Err(ImagingError::Cancelled) } else { Ok(()) }
    }
}
