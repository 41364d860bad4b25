//! One thread that writes, and shares one commit among all who wait.
//!
//! While a commit presses its data to the disk, others queue up; the next commit takes all of them. So a single
//! caller never waits for company, and a crowd pays for few presses. Each caller's changes are undone alone when
//! they fail.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::watch;

use super::apply;
use crate::repository::change::Change;
use crate::repository::error::RepositoryError;
use crate::repository::receipt::{Answer, Committed, Receipt};

/// Weight of one transaction at most, unless a single caller asks for more.
const GROUP_WEIGHT: usize = 8192;

/// Weight of what may wait; more is refused rather than kept in memory.
const WAITING_WEIGHT: usize = 1 << 20;

pub(super) struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    filled: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Request>,
    weight: usize,
    is_closed: bool,
}

struct Request {
    changes: Vec<Change>,
    weight: usize,
    answer: Answer,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next group in order of arrival; none when the queue is closed and empty.
    fn next_group(&self) -> Option<Vec<Request>> {
        let mut queue = self.queue();
        while queue.waiting.is_empty() {
            if queue.is_closed {
                return None;
            }
            queue = self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        let mut group = Vec::new();
        let mut weight = 0;
        while let Some(request) = queue.waiting.pop_front() {
            if weight > 0 && weight + request.weight > GROUP_WEIGHT {
                queue.waiting.push_front(request);
                break;
            }
            weight += request.weight;
            group.push(request);
        }
        queue.weight -= weight;
        Some(group)
    }
}

impl Writer {
    pub(super) fn start(
        connection: Connection,
        events_kept: u64,
        last_event: watch::Sender<u64>,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let mut work = Work { connection, events_kept, last_event, trimmed_at: 0 };
        let queue = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("repository-writer".into()).spawn(move || {
            while let Some(group) = queue.next_group() {
                work.write(group);
            }
            work.finish();
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    pub(super) fn commit(&self, changes: Vec<Change>) -> Receipt {
        let (answer, receipt) = Receipt::new();
        let weight = changes.iter().map(Change::weight).sum::<usize>().max(1);
        let mut queue = self.shared.queue();
        let refusal = if queue.is_closed {
            Some(RepositoryError::Closed)
        } else if queue.weight > 0 && queue.weight + weight > WAITING_WEIGHT {
            Some(RepositoryError::Overloaded)
        } else {
            None
        };
        match refusal {
            Some(refusal) => drop(answer.send(Err(refusal))),
            None => {
                queue.weight += weight;
                queue.waiting.push_back(Request { changes, weight, answer });
                self.shared.filled.notify_one();
            }
        }
        receipt
    }
}

impl Drop for Writer {
    /// Writes what waits, then ends.
    fn drop(&mut self) {
        self.shared.queue().is_closed = true;
        self.shared.filled.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes to the database panicked");
        }
    }
}

struct Work {
    connection: Connection,
    events_kept: u64,
    last_event: watch::Sender<u64>,
    trimmed_at: u64,
}

/// A group could not be written as one: the transaction did not begin or commit, or a statement took it along.
/// Nothing was written.
struct Lost;

impl Work {
    fn write(&mut self, group: Vec<Request>) {
        match self.try_group(&group) {
            Ok(results) => {
                let committed = self.announce();
                for (request, result) in group.into_iter().zip(results) {
                    // A caller that went away does not need the answer.
                    drop(request.answer.send(result.map(|()| committed)));
                }
            }
            Err(Lost) => self.write_singly(group),
        }
    }

    /// Each alone, so that nobody fails for a neighbour's size, and everybody learns the own reason.
    fn write_singly(&mut self, group: Vec<Request>) {
        let mut is_locked = false;
        for request in group {
            // Each try waits for the lock; whoever queued behind the first has waited long enough.
            let result =
                if is_locked { Err(RepositoryError::Locked) } else { self.try_single(&request.changes) };
            is_locked = matches!(result, Err(RepositoryError::Locked));
            let result = result.map(|()| self.announce());
            drop(request.answer.send(result));
        }
    }

    fn try_group(&self, group: &[Request]) -> Result<Vec<Result<(), RepositoryError>>, Lost> {
        let connection = &self.connection;
        let lost = |_| {
            self.roll_back();
            Lost
        };
        run(connection, "BEGIN IMMEDIATE").map_err(lost)?;
        let mut results = Vec::with_capacity(group.len());
        for request in group {
            run(connection, "SAVEPOINT request").map_err(lost)?;
            let result = apply::all(connection, &request.changes);
            if connection.is_autocommit() {
                return Err(Lost);
            }
            if result.is_err() {
                run(connection, "ROLLBACK TO request").map_err(lost)?;
            }
            run(connection, "RELEASE request").map_err(lost)?;
            results.push(result);
        }
        run(connection, "COMMIT").map_err(lost)?;
        Ok(results)
    }

    fn try_single(&self, changes: &[Change]) -> Result<(), RepositoryError> {
        let connection = &self.connection;
        let result = run(connection, "BEGIN IMMEDIATE")
            .map_err(RepositoryError::from)
            .and_then(|()| apply::all(connection, changes))
            .and_then(|()| Ok(run(connection, "COMMIT")?));
        if result.is_err() {
            self.roll_back();
        }
        result
    }

    fn roll_back(&self) {
        if !self.connection.is_autocommit()
            && let Err(error) = run(&self.connection, "ROLLBACK")
        {
            tracing::error!(%error, "a transaction could not be taken back");
        }
    }

    /// Tells those who watch, and forgets the oldest events now and then.
    fn announce(&mut self) -> Committed {
        let last_event = match apply::last_event(&self.connection) {
            Ok(last) => last,
            Err(error) => {
                tracing::warn!(%error, "the number of the last event could not be read");
                *self.last_event.borrow()
            }
        };
        self.last_event.send_if_modified(|known| std::mem::replace(known, last_event) != last_event);
        // A tenth more than is kept: one large deletion is cheaper than one with every commit.
        if last_event > self.trimmed_at + self.events_kept + self.events_kept / 10 {
            match apply::trim_events(&self.connection, last_event.saturating_sub(self.events_kept)) {
                Ok(()) => self.trimmed_at = last_event - self.events_kept,
                Err(error) => tracing::warn!(%error, "old events could not be removed"),
            }
        }
        Committed { last_event }
    }

    fn finish(self) {
        if let Err(error) = self.connection.execute_batch("PRAGMA optimize") {
            tracing::debug!(%error, "statistics were not brought up to date");
        }
        if let Err((_, error)) = self.connection.close() {
            tracing::warn!(%error, "the database was not closed cleanly");
        }
    }
}

fn run(connection: &Connection, statement: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(statement)?.execute([]).map(drop)
}
