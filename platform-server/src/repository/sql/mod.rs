//! What the databases share: statements, and how records become columns and come back.
//!
//! A backend is a [`Database`] to run statements on, [`Transactions`](writer::Transactions) for the one writer, and a
//! [`Records`](read::Records) that hands out readers; everything else is written once. Statements number their
//! parameters `?1`, `?2`, … and say nothing that SQLite and PostgreSQL understand differently: every parameter meets
//! a column or another number, words that one of them reserves stand in quotes, and where an insertion may meet its
//! like it counts what it inserted.

mod apply;
pub(super) mod codec;
mod list;
mod read;
mod value;
mod writer;

pub(super) use apply::collect_definitions;
pub(super) use read::Records;
pub(super) use value::{Column, Row, Value, values};
pub(super) use writer::{Transactions, Waiting, Writer};

use super::error::RepositoryError;

type Result<T> = std::result::Result<T, RepositoryError>;

/// Called with each row, and with the number of the set of values that it answers.
pub(super) type EachRow<'a> = &'a mut dyn FnMut(usize, &dyn Row) -> Result<()>;

/// A connection that statements run on.
pub(super) trait Database {
    /// Runs one statement that answers nothing; tells how many rows it hit.
    fn execute(&self, statement: &str, values: &[Value<'_>]) -> Result<u64>;

    /// Runs a statement once for each set of values, in their order; tells how many rows each hit.
    fn execute_all(&self, statement: &str, sets: &[Vec<Value<'_>>]) -> Result<Vec<u64>>;

    /// Runs a statement once for each set of values and reads the rows, in order.
    fn query_all(&self, statement: &str, sets: &[Vec<Value<'_>>], row: EachRow<'_>) -> Result<()>;

    /// The number of the last event that was ever written.
    fn last_event(&self) -> Result<u64>;

    /// What makes a statement use an index, where the database would not see by itself that it should.
    fn index_hint(&self, index: &str) -> String;
}

/// All rows of one statement.
fn all<T>(
    db: &dyn Database,
    statement: &str,
    values: Vec<Value<'_>>,
    mut read: impl FnMut(&dyn Row) -> Result<T>,
) -> Result<Vec<T>> {
    let mut found = Vec::new();
    db.query_all(statement, &[values], &mut |_, row| {
        found.push(read(row)?);
        Ok(())
    })?;
    Ok(found)
}

/// The first row of one statement.
fn first<T>(
    db: &dyn Database,
    statement: &str,
    values: Vec<Value<'_>>,
    read: impl FnMut(&dyn Row) -> Result<T>,
) -> Result<Option<T>> {
    Ok(all(db, statement, values, read)?.into_iter().next())
}

/// Whether a statement answers anything.
fn exists(db: &dyn Database, statement: &str, values: Vec<Value<'_>>) -> Result<bool> {
    Ok(first(db, statement, values, |_| Ok(()))?.is_some())
}
