//! How far a transfer is, for whoever wants to show it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of a transfer, read while it goes on.
#[derive(Debug, Default)]
pub struct TransferProgress {
    files_total: AtomicU64,
    files_done: AtomicU64,
    bytes_total: AtomicU64,
    bytes_done: AtomicU64,
}

impl TransferProgress {
    /// Nothing done, nothing known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Files that are done, and of how many.
    pub fn files(&self) -> (u64, u64) {
        (self.files_done.load(Ordering::Relaxed), self.files_total.load(Ordering::Relaxed))
    }

    /// Bytes that are done, and of how many.
    pub fn bytes(&self) -> (u64, u64) {
        (self.bytes_done.load(Ordering::Relaxed), self.bytes_total.load(Ordering::Relaxed))
    }

    pub(super) fn expect(&self, files: u64, bytes: u64) {
        self.files_total.fetch_add(files, Ordering::Relaxed);
        self.bytes_total.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn moved(&self, bytes: u64) {
        self.bytes_done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes that have to be moved again.
    pub(super) fn undone(&self, bytes: u64) {
        self.bytes_done.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn finished_file(&self) {
        self.files_done.fetch_add(1, Ordering::Relaxed);
    }
}
