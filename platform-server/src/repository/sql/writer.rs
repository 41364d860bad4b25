//! One thread that writes, and shares one commit among all who wait.
//!
//! While a commit presses its data to the disk, others queue up; the next commit takes all of them. So a single
//! caller never waits for company, and a crowd pays for few presses. Each caller's changes are undone alone when
//! they fail.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;

use super::{Database, apply};
use crate::repository::change::Change;
use crate::repository::error::RepositoryError;
use crate::repository::receipt::{Answer, Committed, Receipt};

/// Weight of one transaction at most, unless a single caller asks for more.
const GROUP_WEIGHT: usize = 8192;

/// Weight of what may wait; more is refused rather than kept in memory.
const WAITING_WEIGHT: usize = 1 << 20;

/// The one connection that writes.
pub(in crate::repository) trait Transactions: Database + Send + 'static {
    /// How often [`idle`](Transactions::idle) is called while nobody writes; never, if none.
    const IDLE: Option<Duration> = None;

    /// Sees to it that the database is still held.
    fn idle(&mut self) {}

    /// Begins a transaction; nobody else writes until it ends.
    fn begin(&mut self) -> Result<(), RepositoryError>;

    /// Sets a savepoint, goes back to it or lets go of it. May answer before it is done: whatever goes wrong is told
    /// by the statements that follow.
    fn mark(&mut self, statement: &'static str) -> Result<(), RepositoryError>;

    /// Whether the transaction goes on after a change failed.
    fn goes_on(&self) -> bool;

    /// Ends the transaction; answers with the number of the last event when all of it is on disk, and with an error
    /// when certainly nothing is, [`RepositoryError::Uncertain`] excepted. Where that takes long to find out, it asks `waiting` now and then.
    fn commit(&mut self, waiting: &dyn Waiting) -> Result<u64, RepositoryError>;

    /// Ends the transaction without a trace, if there is one.
    fn roll_back(&mut self);

    /// Lets go of the database.
    fn close(self);
}

/// Those who wait while a commit takes long.
pub(in crate::repository) trait Waiting {
    /// Sends them away; true when nobody will come any more.
    fn refuse(&self, why: &dyn Fn() -> RepositoryError) -> bool;
}

pub(in crate::repository) struct Writer {
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

    /// The next group in order of arrival, an empty one when nothing came for so long; none when the queue is closed
    /// and empty.
    fn next_group(&self, idle: Option<Duration>) -> Option<Vec<Request>> {
        let mut queue = self.queue();
        while queue.waiting.is_empty() {
            if queue.is_closed {
                return None;
            }
            let Some(idle) = idle else {
                queue = self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let waited = self.filled.wait_timeout(queue, idle);
            let (woken, timer) = waited.unwrap_or_else(PoisonError::into_inner);
            if timer.timed_out() && woken.waiting.is_empty() && !woken.is_closed {
                return Some(Vec::new());
            }
            queue = woken;
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

impl Waiting for Shared {
    fn refuse(&self, why: &dyn Fn() -> RepositoryError) -> bool {
        let mut queue = self.queue();
        let refused = std::mem::take(&mut queue.waiting);
        queue.weight = 0;
        let is_closed = queue.is_closed;
        drop(queue);
        refused.into_iter().for_each(|request| drop(request.answer.send(Err(why()))));
        is_closed
    }
}

impl Writer {
    pub(in crate::repository) fn start(
        connection: impl Transactions,
        events_kept: u64,
        last_event: watch::Sender<u64>,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let queue = Arc::clone(&shared);
        let work = Work { connection, queue, events_kept, last_event, trimmed_at: 0 };
        let thread = std::thread::Builder::new().name("repository-writer".into()).spawn(move || {
            work.serve();
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    pub(in crate::repository) fn commit(&self, changes: Vec<Change>) -> Receipt {
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

struct Work<T> {
    connection: T,
    queue: Arc<Shared>,
    events_kept: u64,
    last_event: watch::Sender<u64>,
    trimmed_at: u64,
}

/// Why a group was not written as one.
enum Lost {
    /// The transaction did not begin or commit, or a statement took it along. Nothing was written.
    Whole,
    /// Whether it was written is unknown, and will stay so: it must not be tried again.
    Unknown,
}

impl<T: Transactions> Work<T> {
    fn serve(mut self) {
        while let Some(group) = self.queue.next_group(T::IDLE) {
            if group.is_empty() {
                self.connection.idle();
            } else {
                self.write(group);
            }
        }
        self.connection.close();
    }

    fn write(&mut self, group: Vec<Request>) {
        match self.try_group(&group) {
            Ok((results, last_event)) => {
                let committed = self.announce(last_event);
                for (request, result) in group.into_iter().zip(results) {
                    // A caller that went away does not need the answer.
                    drop(request.answer.send(result.map(|()| committed)));
                }
            }
            Err(Lost::Whole) => self.write_singly(group),
            Err(Lost::Unknown) => {
                group.into_iter().for_each(|request| {
                    drop(request.answer.send(Err(RepositoryError::Uncertain)));
                });
            }
        }
    }

    /// Each alone, so that nobody fails for a neighbour's size, and everybody learns the own reason.
    fn write_singly(&mut self, group: Vec<Request>) {
        let mut stuck = None;
        for request in group {
            // Each try waits for the database; whoever queued behind the first has waited long enough.
            let result = match stuck {
                Some(again) => Err(again),
                None => self.try_single(&request.changes),
            };
            stuck = result.as_ref().err().and_then(RepositoryError::for_all);
            let result = result.map(|last_event| self.announce(last_event));
            drop(request.answer.send(result));
        }
    }

    fn try_group(&mut self, group: &[Request]) -> Result<(Vec<Result<(), RepositoryError>>, u64), Lost> {
        let results = self.apply_group(group).map_err(|_| self.lost())?;
        match self.connection.commit(self.queue.as_ref()) {
            Ok(last_event) => Ok((results, last_event)),
            Err(RepositoryError::Uncertain) => Err(Lost::Unknown),
            Err(_) => Err(self.lost()),
        }
    }

    fn lost(&mut self) -> Lost {
        self.connection.roll_back();
        Lost::Whole
    }

    /// What became of each request; an error when it takes the others along.
    fn apply_group(
        &mut self,
        group: &[Request],
    ) -> Result<Vec<Result<(), RepositoryError>>, RepositoryError> {
        self.connection.begin()?;
        let mut results = Vec::with_capacity(group.len());
        for request in group {
            self.connection.mark("SAVEPOINT request")?;
            let result = apply::all(&self.connection, &request.changes);
            if let Err(error) = &result {
                if let Some(error) = error.for_all() {
                    return Err(error);
                }
                if !self.connection.goes_on() {
                    return Err(RepositoryError::Closed);
                }
                self.connection.mark("ROLLBACK TO request")?;
            }
            self.connection.mark("RELEASE request")?;
            results.push(result);
        }
        Ok(results)
    }

    fn try_single(&mut self, changes: &[Change]) -> Result<u64, RepositoryError> {
        let result = self
            .connection
            .begin()
            .and_then(|()| apply::all(&self.connection, changes))
            .and_then(|()| self.connection.commit(self.queue.as_ref()));
        if result.is_err() {
            self.connection.roll_back();
        }
        result
    }

    /// Tells those who watch, and forgets the oldest events now and then.
    fn announce(&mut self, last_event: u64) -> Committed {
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
}
