//! One connection as the shared statements see it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::error::Error as StdError;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use futures_util::{TryStreamExt, pin_mut};
use tokio_postgres::types::{IsNull, ToSql, Type, WrongType, to_sql_checked};
use tokio_postgres::{Client, Error, Row as ServerRow, Statement};

use super::driver::{Driver, Late, in_order, send};
use super::text::{indexed, restored, storable};
use crate::repository::error::RepositoryError;
use crate::repository::sql::{Database, EachRow, Row, Value};

type Result<T> = std::result::Result<T, RepositoryError>;

/// Statements under way at a time, so that neither side has to keep many answers.
const UNDER_WAY: usize = 256;

/// A connection with the statements that it knows already.
pub(super) struct Session {
    driver: Arc<Driver>,
    client: Client,
    known: RefCell<HashMap<String, Statement>>,
    /// The server gives up before this.
    limit: Duration,
}

impl Session {
    pub(super) fn new(driver: Arc<Driver>, client: Client, limit: Duration) -> Self {
        Self { driver, client, known: RefCell::default(), limit }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    fn wait<T>(&self, answer: impl Future<Output = std::result::Result<T, Error>>) -> Result<T> {
        match self.driver.wait(self.limit, answer) {
            Ok(answer) => Ok(answer?),
            Err(Late) => Err(RepositoryError::Unreachable { why: "the server does not answer".to_owned() }),
        }
    }

    /// Runs statements without parameters.
    pub(super) fn batch(&self, statements: &str) -> Result<()> {
        self.wait(self.client.batch_execute(statements))
    }

    /// Sends a statement that steers the transaction, without waiting.
    pub(super) fn steer(&self, statement: &str) -> Result<()> {
        Ok(send(self.client.batch_execute(statement))?)
    }

    fn prepared(&self, text: &str) -> Result<Statement> {
        if let Some(statement) = self.known.borrow().get(text) {
            return Ok(statement.clone());
        }
        // The shared statements say `?1` where this database says `$1`.
        let statement = self.wait(self.client.prepare(&text.replace('?', "$")))?;
        self.known.borrow_mut().insert(text.to_owned(), statement.clone());
        Ok(statement)
    }
}

async fn rows(
    client: &Client,
    statement: &Statement,
    values: &[Value<'_>],
) -> std::result::Result<Vec<ServerRow>, Error> {
    let rows = client.query_raw(statement, values).await?;
    pin_mut!(rows);
    rows.try_collect().await
}

impl Database for Session {
    fn execute(&self, statement: &str, values: &[Value<'_>]) -> Result<u64> {
        let statement = self.prepared(statement)?;
        self.wait(self.client.execute_raw(&statement, values))
    }

    fn execute_all(&self, statement: &str, sets: &[Vec<Value<'_>>]) -> Result<Vec<u64>> {
        if sets.is_empty() {
            return Ok(Vec::new());
        }
        let statement = self.prepared(statement)?;
        let mut counts = Vec::with_capacity(sets.len());
        for sets in sets.chunks(UNDER_WAY) {
            let requests = sets.iter().map(|values| self.client.execute_raw(&statement, values));
            counts.extend(self.wait(in_order(requests))?);
        }
        Ok(counts)
    }

    fn query_all(&self, statement: &str, sets: &[Vec<Value<'_>>], each: EachRow<'_>) -> Result<()> {
        if sets.is_empty() {
            return Ok(());
        }
        let statement = self.prepared(statement)?;
        let mut set = 0;
        for sets in sets.chunks(UNDER_WAY) {
            let requests = sets.iter().map(|values| rows(&self.client, &statement, values));
            for answer in self.wait(in_order(requests))? {
                answer.iter().try_for_each(|row| each(set, row))?;
                set += 1;
            }
        }
        Ok(())
    }

    fn last_event(&self) -> Result<u64> {
        // The newest event is never removed, so numbers go on after it.
        let mut last = None;
        self.query_all("SELECT max(number) FROM events", &[Vec::new()], &mut |_, row| {
            last = row.int(0)?;
            Ok(())
        })?;
        Ok(last.and_then(|last| u64::try_from(last).ok()).unwrap_or(0))
    }

    fn index_hint(&self, _: &str) -> String {
        String::new()
    }
}

impl ToSql for Value<'_> {
    fn to_sql(
        &self,
        column: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match (self, column) {
            (Self::Null, _) => return Ok(IsNull::Yes),
            (Self::Int(value), &Type::INT8) => out.put_i64(*value),
            (Self::Int(value), &Type::INT4) => out.put_i32(i32::try_from(*value)?),
            (Self::Int(value), &Type::BOOL) => out.put_u8(u8::from(*value != 0)),
            (Self::Text(text), &Type::TEXT) => out.put_slice(storable(text).as_bytes()),
            (Self::Folded(text), &Type::TEXT) => out.put_slice(indexed(text).as_bytes()),
            (Self::Blob(bytes), &Type::BYTEA) => out.put_slice(bytes),
            _ => return Err(Box::new(WrongType::new::<i64>(column.clone()))),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        // Which value fits which type is known once there is a value.
        true
    }

    to_sql_checked!();
}

impl Row for ServerRow {
    fn int(&self, column: usize) -> Result<Option<i64>> {
        Ok(match self.columns().get(column).map(|column| column.type_()) {
            Some(&Type::INT4) => self.try_get::<_, Option<i32>>(column)?.map(i64::from),
            Some(&Type::BOOL) => self.try_get::<_, Option<bool>>(column)?.map(i64::from),
            _ => self.try_get(column)?,
        })
    }

    fn text(&self, column: usize) -> Result<Option<String>> {
        Ok(self.try_get::<_, Option<String>>(column)?.map(restored))
    }

    fn blob(&self, column: usize) -> Result<Option<Vec<u8>>> {
        Ok(self.try_get(column)?)
    }
}
