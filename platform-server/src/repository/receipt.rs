//! The promise that changes reach the disk.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::error::RepositoryError;

/// What is known once changes are on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The number of the last event up to and including these changes.
    pub last_event: u64,
}

/// Resolves when changes are on disk, or when it is certain that none of them is; the one exception calls itself
/// [`RepositoryError::Uncertain`].
///
/// Dropping it does not take the changes back.
#[derive(Debug)]
#[must_use = "changes may fail"]
pub struct Receipt(oneshot::Receiver<Result<Committed, RepositoryError>>);

pub(crate) type Answer = oneshot::Sender<Result<Committed, RepositoryError>>;

impl Receipt {
    pub(crate) fn new() -> (Answer, Self) {
        let (answer, receiver) = oneshot::channel();
        (answer, Self(receiver))
    }

    /// Waits on this thread. Must not be called from asynchronous code, which awaits the receipt instead.
    ///
    /// # Errors
    /// Whatever kept the changes from being written.
    pub fn wait(self) -> Result<Committed, RepositoryError> {
        self.0.blocking_recv().unwrap_or(Err(RepositoryError::Closed))
    }
}

impl Future for Receipt {
    type Output = Result<Committed, RepositoryError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|answer| answer.unwrap_or(Err(RepositoryError::Closed)))
    }
}
