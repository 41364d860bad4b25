//! Identifiers and enumerations as the database has them.

use platform_api::id::{CatalogId, InstanceId, JobId, ModelId, PayloadId, PipelineId};
use platform_api::job::{JobPriority, JobState, JobStatus, OperatorStatus};

use super::value::{Column, Row, Value};
use crate::repository::error::RepositoryError;
use crate::repository::filter::{STATES, STATUSES};
use crate::repository::fold_case;
use crate::repository::rows::{PayloadKind, PayloadState};

/// 128 bits that name something.
pub(in crate::repository) trait Id: Copy {
    fn from_key(key: [u8; 16]) -> Self;
    fn key(self) -> [u8; 16];
}

macro_rules! ids {
    ($($name:ident)*) => {$(
        impl Id for $name {
            fn from_key(key: [u8; 16]) -> Self {
                Self::from_bits(u128::from_be_bytes(key))
            }

            fn key(self) -> [u8; 16] {
                self.to_bits().to_be_bytes()
            }
        }

        impl Column for $name {
            fn read(row: &dyn Row, column: usize) -> Result<Option<Self>, RepositoryError> {
                Ok(row.maybe(column)?.map(Self::from_key))
            }
        }
    )*};
}

ids!(CatalogId InstanceId JobId ModelId PayloadId PipelineId);

fn one_of<T: Copy>(
    all: &[T],
    number: i64,
    what: &'static str,
    as_number: fn(T) -> i64,
) -> Result<T, RepositoryError> {
    all.iter().copied().find(|value| as_number(*value) == number).ok_or(RepositoryError::BadValue { what })
}

pub(super) fn state(number: i64) -> Result<JobState, RepositoryError> {
    one_of(&STATES, number, "a job's state", |state| state as i64)
}

pub(super) fn status(number: i64) -> Result<JobStatus, RepositoryError> {
    one_of(&STATUSES, number, "a job's status", |status| status as i64)
}

pub(super) fn priority(number: i64) -> Result<JobPriority, RepositoryError> {
    use JobPriority as P;
    one_of(&[P::Lower, P::Normal, P::Higher, P::Immediate], number, "a job's priority", |value| value as i64)
}

pub(super) fn operator_status(number: i64) -> Result<OperatorStatus, RepositoryError> {
    use OperatorStatus as S;
    one_of(&[S::Pending, S::Running, S::Completed, S::Faulted], number, "an operator's status", |value| {
        value as i64
    })
}

pub(super) fn payload_kind(number: i64) -> Result<PayloadKind, RepositoryError> {
    one_of(&[PayloadKind::Pipeline, PayloadKind::Reusable], number, "a payload's type", |value| value as i64)
}

pub(super) fn payload_state(number: i64) -> Result<PayloadState, RepositoryError> {
    use PayloadState as S;
    one_of(&[S::Open, S::Frozen, S::Missing], number, "a payload's state", |value| value as i64)
}

/// A list of short texts in one column.
pub(super) fn texts(column: &str, what: &'static str) -> Result<Vec<String>, RepositoryError> {
    serde_json::from_str(column).map_err(|_| RepositoryError::BadValue { what })
}

pub(super) fn texts_column(texts: &[String]) -> String {
    serde_json::Value::from(texts.to_vec()).to_string()
}

/// Sizes fit: no file of 8 EiB exists.
pub(super) fn size_column(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

pub(super) fn size(column: i64) -> Result<u64, RepositoryError> {
    u64::try_from(column).map_err(|_| RepositoryError::BadValue { what: "a size" })
}

/// A name as it is looked up: without letter case.
pub(super) fn folded(name: &str) -> Value<'static> {
    Value::Folded(fold_case(name))
}
