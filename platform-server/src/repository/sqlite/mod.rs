//! The embedded database: one writer on a thread of its own, readers on their own connections.
//!
//! Start with [`SqliteRepository::open`]. What is done with a database is in [`sql`](super::sql); here is how this one
//! is opened, checked and spoken to, and `schema` holds its tables.

mod connection;
mod schema;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tokio::sync::watch;

use super::change::Change;
use super::error::RepositoryError;
use super::receipt::Receipt;
use super::sql::{self, Database, Records, Writer};

/// How hard a commit presses its data to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Synchronous {
    /// Before a receipt resolves, its data outlives a loss of power.
    #[default]
    Full,
    /// Its data outlives a crash of the server, and the last of it perhaps not a loss of power.
    Normal,
}

/// How thoroughly a database is looked at before it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Check {
    /// Everything, indexes and references too.
    #[default]
    Full,
    /// The structure of every page.
    Quick,
}

/// How a database is opened.
#[derive(Debug, Clone, Copy)]
pub struct SqliteOptions {
    /// How hard a commit presses its data to the disk.
    pub synchronous: Synchronous,
    /// How long to wait for another process that holds the database.
    pub busy_timeout: Duration,
    /// How thoroughly to look first.
    pub check: Check,
    /// How many events are kept for those who watch.
    pub events_kept: u64,
    /// The largest number of pages of 4 KiB that the database may have; none for what the disk holds.
    pub max_pages: Option<u32>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            synchronous: Synchronous::Full,
            busy_timeout: Duration::from_secs(5),
            check: Check::Full,
            events_kept: 100_000,
            max_pages: None,
        }
    }
}

/// Records in a SQLite database that this server has for itself.
pub struct SqliteRepository {
    path: PathBuf,
    options: SqliteOptions,
    idle: Mutex<Vec<Connection>>,
    writer: Writer,
    last_event: watch::Receiver<u64>,
    // Held for as long as the database is in use; the system lets go of it when the process ends.
    _lock: File,
}

/// More readers than this at once open connections that are closed again afterwards.
const IDLE_READERS: usize = 16;

/// Distinct statements on one connection.
const STATEMENTS: usize = 128;

impl SqliteRepository {
    /// Opens a database, creates it where there is none, checks it and brings its schema up to date.
    ///
    /// Blocks on disk; the check reads the whole file.
    ///
    /// # Errors
    /// [`RepositoryError::InUse`], [`Damaged`](RepositoryError::Damaged), [`NotOurs`](RepositoryError::NotOurs),
    /// [`TooNew`](RepositoryError::TooNew) and those of the disk. Nothing is changed then.
    pub fn open(path: &Path, options: SqliteOptions) -> Result<Self, RepositoryError> {
        let lock = lock(path)?;
        let mut connection =
            connect(path, &options, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        let version = check(&connection, path, &options)?;
        prepare_writer(&connection, &options)?;
        schema::migrate(&mut connection, version)?;
        sql::collect_definitions(&connection)?;
        let (sender, last_event) = watch::channel(connection.last_event()?);
        let writer = Writer::start(connection, options.events_kept, sender).map_err(|source| {
            RepositoryError::Open { database: path.display().to_string(), source: source.into() }
        })?;
        Ok(Self {
            path: path.to_owned(),
            options,
            idle: Mutex::new(Vec::new()),
            writer,
            last_event,
            _lock: lock,
        })
    }

    fn reader(&self) -> Result<Connection, RepositoryError> {
        if let Some(connection) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            return Ok(connection);
        }
        let connection = connect(&self.path, &self.options, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    }
}

impl Records for SqliteRepository {
    fn read<T>(
        &self,
        read: impl Fn(&dyn Database) -> Result<T, RepositoryError>,
    ) -> Result<T, RepositoryError> {
        let connection = self.reader()?;
        let transaction = connection.unchecked_transaction()?;
        let result = read(&*transaction);
        drop(transaction);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_READERS {
            idle.push(connection);
        }
        result
    }

    fn write(&self, changes: Vec<Change>) -> Receipt {
        self.writer.commit(changes)
    }

    fn watch(&self) -> &watch::Receiver<u64> {
        &self.last_event
    }
}

/// Keeps a second server away: two would delete each other's payloads.
fn lock(path: &Path) -> Result<File, RepositoryError> {
    let cannot = |source: std::io::Error| RepositoryError::Open {
        database: path.display().to_string(),
        source: source.into(),
    };
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = File::options().create(true).write(true).truncate(false).open(name).map_err(cannot)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(RepositoryError::InUse { database: path.display().to_string() })
        }
        Err(std::fs::TryLockError::Error(source)) => Err(cannot(source)),
    }
}

fn connect(path: &Path, options: &SqliteOptions, flags: OpenFlags) -> Result<Connection, RepositoryError> {
    // Every connection stays with one caller at a time, so SQLite's own locks are not needed.
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|source| not_readable(path, source))?;
    connection.busy_timeout(options.busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

fn prepare_writer(connection: &Connection, options: &SqliteOptions) -> Result<(), RepositoryError> {
    connection.pragma_update(None, "journal_mode", "wal")?;
    let synchronous = match options.synchronous {
        Synchronous::Full => "full",
        Synchronous::Normal => "normal",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // After a burst the log shrinks again.
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    if let Some(pages) = options.max_pages {
        connection.pragma_update(None, "max_page_count", pages)?;
    }
    Ok(())
}

/// Looks at a database before anything is written to it; answers with its schema's version.
fn check(connection: &Connection, path: &Path, options: &SqliteOptions) -> Result<i64, RepositoryError> {
    let damaged = |source| not_readable(path, source);
    let version = schema::version(connection).map_err(damaged)?;
    let application: i64 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(damaged)?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(damaged)?;
    let is_empty = tables == 0 && version == 0;
    if !is_empty && application != schema::APPLICATION_ID {
        return Err(RepositoryError::NotOurs { database: path.display().to_string() });
    }
    if version > schema::NEWEST {
        return Err(RepositoryError::TooNew {
            database: path.display().to_string(),
            found: version,
            supported: schema::NEWEST,
        });
    }
    let findings = findings(connection, options.check).map_err(damaged)?;
    if !findings.is_empty() {
        return Err(RepositoryError::Damaged {
            database: path.display().to_string(),
            findings: findings.join("; "),
        });
    }
    Ok(version)
}

fn findings(connection: &Connection, check: Check) -> rusqlite::Result<Vec<String>> {
    let pragma = match check {
        Check::Full => "PRAGMA integrity_check(5)",
        Check::Quick => "PRAGMA quick_check(5)",
    };
    let mut statement = connection.prepare(pragma)?;
    let mut findings: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    findings.retain(|finding| finding != "ok");
    if check == Check::Full && findings.is_empty() {
        let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
        let mut rows = statement.query([])?;
        if let Some(row) = rows.next()? {
            let table: String = row.get(0)?;
            findings.push(format!("a row of table `{table}` refers to nothing"));
        }
    }
    Ok(findings)
}

/// What a database that cannot even be read is called.
fn not_readable(path: &Path, source: rusqlite::Error) -> RepositoryError {
    use rusqlite::ErrorCode as Code;
    let database = path.display().to_string();
    match source.sqlite_error_code() {
        Some(Code::NotADatabase | Code::DatabaseCorrupt) => {
            RepositoryError::Damaged { database, findings: source.to_string() }
        }
        Some(Code::CannotOpen | Code::PermissionDenied | Code::ReadOnly) => {
            RepositoryError::Open { database, source: source.into() }
        }
        _ => source.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_waits_for_the_disk_unless_somebody_asked_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records.sqlite");
        for (synchronous, number) in [(Synchronous::Full, 2i64), (Synchronous::Normal, 1)] {
            let options = SqliteOptions { synchronous, ..SqliteOptions::default() };
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
            let connection = connect(&path, &options, flags).unwrap();
            prepare_writer(&connection, &options).unwrap();
            let asked =
                |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
            assert_eq!((asked("synchronous"), asked("foreign_keys")), (number, 1));
            let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
            assert_eq!(mode, "wal");
        }
        assert_eq!(SqliteOptions::default().synchronous, Synchronous::Full);
    }
}
