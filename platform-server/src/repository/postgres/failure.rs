//! What the client library and the server say, as errors of the repository.

use std::error::Error as _;

use tokio_postgres::Error;
use tokio_postgres::error::{DbError, Severity, SqlState};

use crate::repository::error::{RepositoryError, Source};

/// What a server said. Its details stay out: they hold values of records.
#[derive(Debug, thiserror::Error)]
#[error("{message} ({code})")]
struct ServerError {
    message: String,
    code: String,
}

impl From<&DbError> for ServerError {
    fn from(error: &DbError) -> Self {
        Self { message: error.message().to_owned(), code: error.code().code().to_owned() }
    }
}

impl From<Error> for RepositoryError {
    fn from(error: Error) -> Self {
        let Some(said) = error.as_db_error() else { return without_word(error) };
        let code = said.code();
        if *code == SqlState::DISK_FULL {
            Self::DiskFull
        } else if *code == SqlState::LOCK_NOT_AVAILABLE {
            Self::Locked
        } else if *code == SqlState::QUERY_CANCELED {
            Self::TooSlow
        } else if is_end(said) {
            Self::Unreachable { why: ServerError::from(said).to_string() }
        } else if is_passing(said.code()) {
            Self::Busy { why: ServerError::from(said).to_string() }
        } else {
            Self::Database { source: ServerError::from(said).into() }
        }
    }
}

/// Whether a server ended the connection, or takes none now.
fn is_end(said: &DbError) -> bool {
    let ends =
        said.parsed_severity().is_some_and(|severity| matches!(severity, Severity::Fatal | Severity::Panic));
    ends || *said.code() == SqlState::TOO_MANY_CONNECTIONS || said.code().code().starts_with("08")
}

/// Whether the same may be done later, unchanged: what is written down of jobs waits for it rather than be dropped.
fn is_passing(code: &SqlState) -> bool {
    let known = [
        SqlState::READ_ONLY_SQL_TRANSACTION,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::IO_ERROR,
    ];
    // All of class 53: the server is short of something.
    known.contains(code) || code.code().starts_with("53")
}

/// An error of the connection itself, or of this program.
fn without_word(error: Error) -> RepositoryError {
    if error.is_closed() || error.source().is_some_and(|source| source.is::<std::io::Error>()) {
        return RepositoryError::Unreachable { why: chain(&error) };
    }
    RepositoryError::Database { source: error.into() }
}

/// An error of connecting once more. Whatever it is, it says nothing about what was to be written.
pub(super) fn of_reaching(error: &Error) -> RepositoryError {
    let why = error.as_db_error().map_or_else(|| chain(error), |said| ServerError::from(said).to_string());
    RepositoryError::Unreachable { why }
}

/// An error of opening, with the server's own word where there is one.
pub(super) fn of_opening(database: &str, error: Error) -> RepositoryError {
    let source: Source = match error.as_db_error() {
        Some(said) => ServerError::from(said).into(),
        None => error.into(),
    };
    RepositoryError::Open { database: database.to_owned(), source }
}

/// An error with all that led to it.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
