//! Values of statements and columns of their answers.

use std::borrow::Cow;
use std::fmt;

use super::Result;
use crate::repository::error::RepositoryError;

/// A value of a statement.
#[derive(Clone)]
pub(in crate::repository) enum Value<'a> {
    Null,
    Int(i64),
    Text(Cow<'a, str>),
    /// A name without letter case: only compared, never read back.
    Folded(String),
    Blob(Cow<'a, [u8]>),
}

/// Values of records stay out of logs, whoever prints a statement.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// The values of one statement.
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$($crate::repository::sql::Value::from($value)),*] };
}
pub(in crate::repository) use values;

macro_rules! integers {
    ($($integer:ty)*) => {$(
        impl From<$integer> for Value<'_> {
            fn from(value: $integer) -> Self {
                Self::Int(value.into())
            }
        }

        impl Column for $integer {
            fn read(row: &dyn Row, column: usize) -> Result<Option<Self>> {
                row.int(column)?.map(|value| Self::try_from(value).map_err(|_| BAD)).transpose()
            }
        }
    )*};
}

integers!(i64 i32 u32);

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Int(value.into())
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(Cow::Borrowed(value))
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(value: &'a String) -> Self {
        Self::Text(Cow::Borrowed(value))
    }
}

impl From<String> for Value<'_> {
    fn from(value: String) -> Self {
        Self::Text(Cow::Owned(value))
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::Blob(Cow::Borrowed(value))
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Value<'a> {
    fn from(value: &'a [u8; N]) -> Self {
        Self::Blob(Cow::Borrowed(value))
    }
}

impl<const N: usize> From<[u8; N]> for Value<'_> {
    fn from(value: [u8; N]) -> Self {
        Self::Blob(Cow::Owned(value.to_vec()))
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// One row of an answer; columns count from 0.
pub(in crate::repository) trait Row {
    /// A number, or whether something is so.
    fn int(&self, column: usize) -> Result<Option<i64>>;
    /// A text.
    fn text(&self, column: usize) -> Result<Option<String>>;
    /// Bytes.
    fn blob(&self, column: usize) -> Result<Option<Vec<u8>>>;
}

/// What a column can be read as.
pub(in crate::repository) trait Column: Sized {
    /// The value; none where there is none.
    fn read(row: &dyn Row, column: usize) -> Result<Option<Self>>;
}

const BAD: RepositoryError = RepositoryError::BadValue { what: "a column" };

impl dyn Row + '_ {
    /// A column that always holds something.
    pub(in crate::repository) fn get<T: Column>(&self, column: usize) -> Result<T> {
        T::read(self, column)?.ok_or(BAD)
    }

    /// A column that may hold nothing.
    pub(in crate::repository) fn maybe<T: Column>(&self, column: usize) -> Result<Option<T>> {
        T::read(self, column)
    }
}

impl Column for bool {
    fn read(row: &dyn Row, column: usize) -> Result<Option<Self>> {
        Ok(row.int(column)?.map(|value| value != 0))
    }
}

impl Column for String {
    fn read(row: &dyn Row, column: usize) -> Result<Option<Self>> {
        row.text(column)
    }
}

impl Column for Vec<u8> {
    fn read(row: &dyn Row, column: usize) -> Result<Option<Self>> {
        row.blob(column)
    }
}

impl<const N: usize> Column for [u8; N] {
    fn read(row: &dyn Row, column: usize) -> Result<Option<Self>> {
        row.blob(column)?.map(|bytes| bytes.try_into().map_err(|_| BAD)).transpose()
    }
}
