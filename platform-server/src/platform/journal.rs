//! Writes what the engine decides, in the order in which it was decided, however long the disk takes.
//!
//! The engine does not wait for the disk: what it knows is ahead of what is written, never the other way round. Where
//! the database cannot write for a while (no space, locked), everything from the first failure on is written again,
//! in order; rows are whole, so writing one twice does no harm.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::repository::{Change, Receipt, Repository, RepositoryError};

/// Between two attempts at a database that cannot write.
const PAUSE: Duration = Duration::from_millis(250);

/// Called when changes are on disk, or certainly never will be.
pub(super) type Then = Box<dyn FnOnce(Result<(), RepositoryError>) + Send>;

struct Entry {
    changes: Vec<Change>,
    then: Then,
}

/// Where the engine leaves what is to be written.
#[derive(Clone)]
pub(super) struct Journal {
    entries: mpsc::UnboundedSender<Entry>,
}

impl Journal {
    /// Starts writing; must be called within a runtime.
    pub(super) fn start(repository: Arc<dyn Repository>) -> Self {
        let (entries, inbox) = mpsc::unbounded_channel();
        tokio::spawn(write(repository, inbox));
        Self { entries }
    }

    /// Writes changes after all earlier ones, then calls `then`.
    pub(super) fn write(&self, changes: Vec<Change>, then: Then) {
        if let Err(refused) = self.entries.send(Entry { changes, then }) {
            (refused.0.then)(Err(RepositoryError::Closed));
        }
    }
}

async fn write(repository: Arc<dyn Repository>, mut inbox: mpsc::UnboundedReceiver<Entry>) {
    let mut under_way: VecDeque<(Entry, Receipt)> = VecDeque::new();
    let commit = |entry: Entry| {
        let receipt = repository.commit(entry.changes.clone());
        (entry, receipt)
    };
    loop {
        // Commits that are under way together share a write to the disk.
        while let Ok(entry) = inbox.try_recv() {
            under_way.push_back(commit(entry));
        }
        let Some((entry, receipt)) = under_way.pop_front() else {
            match inbox.recv().await {
                Some(entry) => under_way.push_back(commit(entry)),
                None => return,
            }
            continue;
        };
        match receipt.await {
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, "what happened cannot be written now; trying again");
                tokio::time::sleep(PAUSE).await;
                let again: Vec<Entry> =
                    std::iter::once(entry).chain(under_way.drain(..).map(|(entry, _)| entry)).collect();
                under_way.extend(again.into_iter().map(commit));
            }
            outcome => {
                if let Err(error) = &outcome {
                    tracing::error!(%error, "what happened could not be written");
                }
                (entry.then)(outcome.map(drop));
            }
        }
    }
}
