//! A database on a PostgreSQL server: one connection that writes, a few that read.
//!
//! Start with [`PostgresRepository::open`]. What is done with a database is in [`sql`](super::sql); here is how this
//! one is reached and what happens when it is not. `address` reads the URL, `tls` secures connections, `server` makes
//! them and `driver` moves their bytes, `session` runs statements, `link` is the writer's, `schema` holds the tables,
//! `text` keeps what this database cannot hold as it is.

mod address;
mod driver;
mod failure;
mod link;
mod schema;
mod server;
mod session;
mod text;
mod tls;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

pub use address::{Address, AddressError};

use self::link::Link;
use self::server::Server;
use self::session::Session;
use super::change::Change;
use super::error::RepositoryError;
use super::receipt::Receipt;
use super::sql::{self, Database, Records, Writer};

/// How a database is used.
#[derive(Debug, Clone, Copy)]
pub struct PostgresOptions {
    /// How many events are kept for those who watch; at least one.
    pub events_kept: u64,
    /// Connections that read at the same time.
    pub readers: usize,
    /// How long a connection may take to come about, each host of the address.
    pub connect_timeout: Duration,
    /// How long one statement may take.
    pub statement_timeout: Duration,
    /// How long to wait for others who hold a table.
    pub lock_timeout: Duration,
    /// How long a server that blinks is waited for, and another server's lock at the start.
    pub patience: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            events_kept: 100_000,
            readers: 8,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(5),
            patience: Duration::from_secs(2),
        }
    }
}

/// Records in a PostgreSQL database that this server has for itself.
pub struct PostgresRepository {
    // In the order in which they end: connections before what drives them.
    writer: Writer,
    readers: Readers,
    last_event: watch::Receiver<u64>,
    server: Arc<Server>,
}

impl PostgresRepository {
    /// Opens a database and brings its schema up to date. Its user has to be allowed to create tables in the first
    /// schema of the search path.
    ///
    /// Blocks on the network.
    ///
    /// # Errors
    /// [`RepositoryError::InUse`], [`NotOurs`](RepositoryError::NotOurs), [`TooNew`](RepositoryError::TooNew),
    /// [`Unsuitable`](RepositoryError::Unsuitable) and what the server or the network says. Nothing is changed then.
    pub fn open(address: &Address, mut options: PostgresOptions) -> Result<Self, RepositoryError> {
        options.events_kept = options.events_kept.max(1);
        options.readers = options.readers.max(1);
        let server = Arc::new(Server::new(address, options)?);
        let cannot = |source| RepositoryError::Open { database: server.database(), source };
        let mut me = [0; 16];
        getrandom::fill(&mut me).map_err(|error| cannot(error.into()))?;
        let link = Link::open(server.clone(), me)?;
        sql::collect_definitions(&link)?;
        let (sender, last_event) = watch::channel(link.last_event()?);
        let writer =
            Writer::start(link, options.events_kept, sender).map_err(|error| cannot(error.into()))?;
        Ok(Self { writer, readers: Readers::default(), last_event, server })
    }

    fn read_once<T>(
        &self,
        session: Session,
        read: &impl Fn(&dyn Database) -> Result<T, RepositoryError>,
    ) -> Result<T, RepositoryError> {
        let result = session
            .steer("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .and_then(|()| read(&session))
            .and_then(|found| session.steer("COMMIT").map(|()| found));
        if result.is_ok() || (!session.is_closed() && session.batch("ROLLBACK").is_ok()) {
            self.readers.put_back(session);
        }
        result
    }
}

impl Records for PostgresRepository {
    fn read<T>(
        &self,
        read: impl Fn(&dyn Database) -> Result<T, RepositoryError>,
    ) -> Result<T, RepositoryError> {
        let options = self.server.options();
        let _turn = self.readers.turn(options.readers, options.statement_timeout)?;
        while let Some(session) = self.readers.idle() {
            // The connection may have broken while nobody looked.
            match self.read_once(session, &read) {
                Err(RepositoryError::Unreachable { .. }) => {}
                result => return result,
            }
        }
        self.read_once(self.server.connect()?, &read)
    }

    fn write(&self, changes: Vec<Change>) -> Receipt {
        self.writer.commit(changes)
    }

    fn watch(&self) -> &watch::Receiver<u64> {
        &self.last_event
    }
}

/// Connections that read, and how many do.
#[derive(Default)]
struct Readers {
    state: Mutex<Reading>,
    freed: Condvar,
}

#[derive(Default)]
struct Reading {
    idle: Vec<Session>,
    at_work: usize,
}

impl Readers {
    fn state(&self) -> MutexGuard<'_, Reading> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until one of a few may read.
    fn turn(&self, limit: usize, patience: Duration) -> Result<Turn<'_>, RepositoryError> {
        let is_full = |state: &mut Reading| state.at_work >= limit;
        let waited = self.freed.wait_timeout_while(self.state(), patience, is_full);
        let (mut state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return Err(RepositoryError::Overloaded);
        }
        state.at_work += 1;
        Ok(Turn(self))
    }

    fn idle(&self) -> Option<Session> {
        let mut state = self.state();
        state.idle.retain(|session| !session.is_closed());
        state.idle.pop()
    }

    fn put_back(&self, session: Session) {
        self.state().idle.push(session);
    }
}

/// A place among those who read.
struct Turn<'a>(&'a Readers);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.state().at_work -= 1;
        self.0.freed.notify_one();
    }
}
