//! The one connection that writes: lost and found again, with nothing lost and nothing written twice.
//!
//! It holds an advisory lock for as long as it lives, so that two servers never write to one database. In `lantern`
//! stand the server that writes and the number of its last commit; every commit moves that number on, or fails where
//! somebody else stands there. When the connection breaks before a commit was answered, the next one reads the
//! number: its lock tells that the broken connection's work is over, and the number whether it was kept.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::schema;
use super::server::Server;
use super::session::Session;
use crate::repository::error::RepositoryError;
use crate::repository::sql::{Column, Database, EachRow, Transactions, Value, Waiting, values};

type Result<T> = std::result::Result<T, RepositoryError>;

/// Between two attempts to get through.
const PAUSE: Duration = Duration::from_millis(100);

/// How often a connection that is not used is looked at.
const IDLE: Duration = Duration::from_secs(2);

/// How long a repository that closes waits to learn what became of its last commit.
const LAST_WAIT: Duration = Duration::from_secs(10);

/// Our lock among those of other programs, for one schema of one database: `LtRn`.
const LOCK: &str = "(1282691694, hashtext(current_schema()))";

/// The writer's connection.
pub(super) struct Link {
    server: Arc<Server>,
    session: Option<Session>,
    /// Tells this server from others that write, or wrote, to the same database.
    me: [u8; 16],
    /// Our commits that are on disk.
    commits: i64,
    /// The server's process behind the last session, and when it began.
    backend: (i64, String),
    /// Since when the database has not been reached.
    lost: Option<Instant>,
    /// Why this server must not write any more.
    end: Option<fn() -> RepositoryError>,
}

impl Link {
    /// Takes the database for this server: locked, looked at, its tables brought up to date.
    pub(super) fn open(server: Arc<Server>, me: [u8; 16]) -> Result<Self> {
        let session = server.first()?;
        let deadline = Instant::now() + server.options().patience;
        while !lock(&session)? {
            if Instant::now() >= deadline {
                return Err(RepositoryError::InUse { database: server.database() });
            }
            std::thread::sleep(PAUSE);
        }
        let version = schema::check(&session, &server.database())?;
        schema::migrate(&session, version)?;
        session.execute("UPDATE lantern SET owner = ?1, commits = 0", &[me.into()])?;
        let backend = backend(&session)?;
        Ok(Self { server, session: Some(session), me, commits: 0, backend, lost: None, end: None })
    }

    fn session(&self) -> Result<&Session> {
        match &self.session {
            Some(session) if !session.is_closed() => Ok(session),
            _ => Err(RepositoryError::Unreachable { why: "the connection was lost".to_owned() }),
        }
    }

    /// Connects again and reads how many of our commits the database has.
    fn found(&mut self) -> Result<i64> {
        self.session = None;
        let session = self.server.connect()?;
        if !lock(&session)? {
            // The server may not have noticed yet that our last connection is gone.
            let (pid, began) = &self.backend;
            let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                WHERE pid = ?1 AND backend_start::text = ?2";
            number(&session, end, values![i32::try_from(*pid).unwrap_or(0), began])?;
            if !lock(&session)? {
                self.look_for_another(&session)?;
                return Err(RepositoryError::Unreachable { why: "its lock is not free yet".to_owned() });
            }
        }
        self.look_for_another(&session)?;
        let commits = number(&session, "SELECT commits FROM lantern", Vec::new())?;
        self.backend = backend(&session)?;
        self.session = Some(session);
        Ok(commits)
    }

    /// Whether another server has written to the database since.
    fn look_for_another(&mut self, session: &Session) -> Result<()> {
        if number(session, "SELECT count(*) FROM lantern WHERE owner = ?1", values![self.me])? == 1 {
            return Ok(());
        }
        Err(self.ended(|| RepositoryError::TakenOver))
    }

    /// Never writes again.
    fn ended(&mut self, why: fn() -> RepositoryError) -> RepositoryError {
        tracing::error!(error = %why(), "no more changes are kept");
        self.session = None;
        self.end = Some(why);
        why()
    }

    /// Connects again where nothing was under way.
    fn find_again(&mut self) -> Result<()> {
        if self.found()? != self.commits {
            return Err(self.ended(|| RepositoryError::WentBack));
        }
        self.lost = None;
        tracing::info!("the database is reached again");
        Ok(())
    }

    /// Connects again, also to a server that blinks.
    fn reconnect(&mut self) -> Result<()> {
        // A blink is waited for; when it lasts, everybody is told at once.
        let deadline = *self.lost.get_or_insert_with(Instant::now) + self.server.options().patience;
        loop {
            match self.find_again() {
                Ok(()) => return Ok(()),
                Err(error @ RepositoryError::Unreachable { .. }) => {
                    if Instant::now() >= deadline {
                        return Err(error);
                    }
                    std::thread::sleep(PAUSE);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Finds out what became of a commit whose answer was lost. True when it is kept.
    fn resolve(&mut self, next: i64, waiting: &dyn Waiting) -> Result<bool> {
        tracing::warn!("the database was lost while it wrote; waiting to learn what it kept");
        let mut last_chance = None;
        loop {
            let why = match self.found() {
                Ok(commits) if commits == next => return Ok(true),
                Ok(commits) if commits == next - 1 => return Ok(false),
                Ok(_) => return Err(self.ended(|| RepositoryError::WentBack)),
                // Whether it was kept before the other came is not known.
                Err(RepositoryError::TakenOver) => return Err(RepositoryError::Uncertain),
                Err(error) => error.to_string(),
            };
            let refusal = || RepositoryError::Unreachable { why: why.clone() };
            if waiting.refuse(&refusal) {
                let deadline = *last_chance.get_or_insert_with(|| Instant::now() + LAST_WAIT);
                if Instant::now() >= deadline {
                    return Err(RepositoryError::Uncertain);
                }
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// Tries to take the lock; true when this session has it.
fn lock(session: &Session) -> Result<bool> {
    schema::one(session, &format!("SELECT pg_try_advisory_lock{LOCK}"))
}

fn backend(session: &Session) -> Result<(i64, String)> {
    let pid = schema::one::<i64>(session, "SELECT pg_backend_pid()")?;
    let began = "SELECT backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()";
    Ok((pid, schema::one(session, began)?))
}

/// A number that a statement answers.
fn number(session: &Session, statement: &str, values: Vec<Value<'_>>) -> Result<i64> {
    let mut found = None;
    session.query_all(statement, &[values], &mut |_, row| {
        found = i64::read(row, 0)?;
        Ok(())
    })?;
    found.ok_or(RepositoryError::BadValue { what: "the database's description" })
}

impl Database for Link {
    fn execute(&self, statement: &str, values: &[Value<'_>]) -> Result<u64> {
        self.session()?.execute(statement, values)
    }

    fn execute_all(&self, statement: &str, sets: &[Vec<Value<'_>>]) -> Result<Vec<u64>> {
        self.session()?.execute_all(statement, sets)
    }

    fn query_all(&self, statement: &str, sets: &[Vec<Value<'_>>], row: EachRow<'_>) -> Result<()> {
        self.session()?.query_all(statement, sets, row)
    }

    fn last_event(&self) -> Result<u64> {
        self.session()?.last_event()
    }

    fn index_hint(&self, _: &str) -> String {
        String::new()
    }
}

impl Transactions for Link {
    const IDLE: Option<Duration> = Some(IDLE);

    /// A server that has nothing to write keeps its lock: another one would take the database over.
    fn idle(&mut self) {
        if self.end.is_some() || self.session().is_ok() {
            return;
        }
        self.lost.get_or_insert_with(Instant::now);
        if let Err(error) = self.find_again() {
            tracing::debug!(%error, "the database is not reached");
        }
    }

    fn begin(&mut self) -> Result<()> {
        if let Some(end) = self.end {
            return Err(end());
        }
        if self.session().is_err() {
            self.reconnect()?;
        }
        self.session()?.steer("BEGIN")
    }

    fn mark(&mut self, statement: &'static str) -> Result<()> {
        self.session()?.steer(statement)
    }

    fn goes_on(&self) -> bool {
        self.session().is_ok()
    }

    fn commit(&mut self, waiting: &dyn Waiting) -> Result<u64> {
        let next = self.commits + 1;
        // Also tells that nothing before it failed: a transaction that did would be ended by `COMMIT` without a word.
        let moved = "UPDATE lantern SET commits = ?1 WHERE owner = ?2 AND commits = ?3
            RETURNING (SELECT coalesce(max(number), 0) FROM events)";
        let mut last_event = None;
        self.query_all(moved, &[values![next, self.me, self.commits]], &mut |_, row| {
            last_event = row.maybe::<i64>(0)?;
            Ok(())
        })?;
        let Some(last_event) = last_event else {
            return Err(self.ended(|| RepositoryError::TakenOver));
        };
        match self.session()?.batch("COMMIT") {
            Ok(()) => {}
            Err(error @ RepositoryError::Unreachable { .. }) => {
                if !self.resolve(next, waiting)? {
                    return Err(error);
                }
            }
            Err(error) => return Err(error),
        }
        self.commits = next;
        Ok(u64::try_from(last_event).unwrap_or(0))
    }

    fn roll_back(&mut self) {
        // A session that cannot even do that is no good any more.
        if let Some(session) = &self.session
            && session.batch("ROLLBACK").is_err()
        {
            self.session = None;
        }
    }

    fn close(self) {
        // The lock goes with the connection, but the server may take a moment to notice.
        let freed =
            self.session().and_then(|session| session.batch(&format!("SELECT pg_advisory_unlock{LOCK}")));
        if let Err(error) = freed {
            tracing::debug!(%error, "the lock of the database goes with its connection");
        }
    }
}
