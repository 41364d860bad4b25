//! SQLite as the shared statements see it.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row as SqliteRow, ToSql, params_from_iter};

use crate::repository::error::RepositoryError;
use crate::repository::sql::{Database, EachRow, Row, Transactions, Value, Waiting};

type Result<T> = std::result::Result<T, RepositoryError>;

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Folded(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl Row for SqliteRow<'_> {
    fn int(&self, column: usize) -> Result<Option<i64>> {
        Ok(self.get(column)?)
    }

    fn text(&self, column: usize) -> Result<Option<String>> {
        Ok(self.get(column)?)
    }

    fn blob(&self, column: usize) -> Result<Option<Vec<u8>>> {
        Ok(self.get(column)?)
    }
}

fn run(connection: &Connection, statement: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(statement)?.execute([]).map(drop)
}

impl Database for Connection {
    fn execute(&self, statement: &str, values: &[Value<'_>]) -> Result<u64> {
        Ok(self.prepare_cached(statement)?.execute(params_from_iter(values))? as u64)
    }

    fn execute_all(&self, statement: &str, sets: &[Vec<Value<'_>>]) -> Result<Vec<u64>> {
        let mut statement = self.prepare_cached(statement)?;
        sets.iter().map(|values| Ok(statement.execute(params_from_iter(values))? as u64)).collect()
    }

    fn query_all(&self, statement: &str, sets: &[Vec<Value<'_>>], each: EachRow<'_>) -> Result<()> {
        let mut statement = self.prepare_cached(statement)?;
        for (set, values) in sets.iter().enumerate() {
            let mut rows = statement.query(params_from_iter(values))?;
            while let Some(row) = rows.next()? {
                each(set, row)?;
            }
        }
        Ok(())
    }

    fn last_event(&self) -> Result<u64> {
        // Kept beside the table, so that numbers go on when all events are gone.
        let mut last = None;
        self.query_all(
            "SELECT seq FROM sqlite_sequence WHERE name = 'events'",
            &[Vec::new()],
            &mut |_, row| {
                last = row.int(0)?;
                Ok(())
            },
        )?;
        Ok(last.and_then(|last| u64::try_from(last).ok()).unwrap_or(0))
    }

    fn index_hint(&self, index: &str) -> String {
        format!("INDEXED BY {index}")
    }
}

impl Transactions for Connection {
    fn begin(&mut self) -> Result<()> {
        Ok(run(self, "BEGIN IMMEDIATE")?)
    }

    fn mark(&mut self, statement: &'static str) -> Result<()> {
        Ok(run(self, statement)?)
    }

    fn goes_on(&self) -> bool {
        !self.is_autocommit()
    }

    fn commit(&mut self, _: &dyn Waiting) -> Result<u64> {
        let last_event = self.last_event()?;
        run(self, "COMMIT")?;
        Ok(last_event)
    }

    fn roll_back(&mut self) {
        if !self.is_autocommit()
            && let Err(error) = run(self, "ROLLBACK")
        {
            tracing::error!(%error, "a transaction could not be taken back");
        }
    }

    fn close(self) {
        if let Err(error) = self.execute_batch("PRAGMA optimize") {
            tracing::debug!(%error, "statistics were not brought up to date");
        }
        if let Err((_, error)) = Connection::close(self) {
            tracing::warn!(%error, "the database was not closed cleanly");
        }
    }
}
