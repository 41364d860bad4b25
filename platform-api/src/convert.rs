//! From messages to domain types, which may fail, and back.
//!
//! A message can hold anything; what comes out of here keeps the rules of its type. [`extension`] does the same for
//! our own services.

pub mod extension;
mod jobs;
mod models;
mod payloads;
mod pipelines;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

pub use jobs::*;
pub use models::*;
pub use payloads::*;
pub use pipelines::*;

use crate::id::ParseIdError;
use crate::letter_case::fold;
use crate::metadata::MetadataError;
use crate::payload::PayloadPathError;
use crate::proto::clara::jobs_start_request::NamedValue;
use crate::proto::clara::{Identifier, Timestamp};
use crate::time::{TimeError, secs_from_system_time, system_time_from_secs};

/// Largest message that published clients take, less what the transport and we may have overlooked.
pub const MAX_MESSAGE_BYTES: usize = (4 << 20) - (4 << 10);

/// A message that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum ConvertError {
    #[error("{what} is missing")]
    Missing { what: &'static str },
    #[error("{what} is malformed")]
    Identifier { what: &'static str, source: ParseIdError },
    #[error("`{number}` is no {what}")]
    Number { what: &'static str, number: i64 },
    #[error("{what} is out of range")]
    Time { what: &'static str, source: TimeError },
    #[error("variable `{name}` comes twice")]
    VariableTwice { name: String },
    #[error("metadata are refused")]
    Metadata(#[from] MetadataError),
    #[error("the file's name is refused")]
    Path(#[from] PayloadPathError),
}

/// The message of an identifier.
pub fn identifier(id: impl fmt::Display) -> Option<Identifier> {
    Some(Identifier { value: id.to_string() })
}

/// The identifier in a message that must hold one; `what` names it in errors.
///
/// # Errors
/// [`ConvertError::Missing`] and [`ConvertError::Identifier`].
pub fn parse_identifier<T>(message: Option<&Identifier>, what: &'static str) -> Result<T, ConvertError>
where
    T: FromStr<Err = ParseIdError>,
{
    parse_optional_identifier(message, what)?.ok_or(ConvertError::Missing { what })
}

/// The identifier in a message that may hold one. An empty text is none.
///
/// # Errors
/// [`ConvertError::Identifier`].
pub fn parse_optional_identifier<T>(
    message: Option<&Identifier>,
    what: &'static str,
) -> Result<Option<T>, ConvertError>
where
    T: FromStr<Err = ParseIdError>,
{
    match message.map(|message| message.value.as_str()) {
        None | Some("") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|source| ConvertError::Identifier { what, source }),
    }
}

/// The message of a time. A time that the wire cannot hold (a clock before the year 1) is left out.
pub fn timestamp(time: impl Into<Option<SystemTime>>) -> Option<Timestamp> {
    let value = secs_from_system_time(time.into()?).ok()?;
    Some(Timestamp { value })
}

/// The time in a message; `None` where it is absent or 0.
///
/// # Errors
/// [`ConvertError::Time`]
pub fn system_time(
    message: Option<&Timestamp>,
    what: &'static str,
) -> Result<Option<SystemTime>, ConvertError> {
    let Some(message) = message else { return Ok(None) };
    system_time_from_secs(message.value).map_err(|source| ConvertError::Time { what, source })
}

/// The variables of a start by name. Whether they are declared is for the pipeline to say.
///
/// # Errors
/// [`ConvertError::VariableTwice`] for names that differ in letter case only.
pub fn variables(values: Vec<NamedValue>) -> Result<BTreeMap<String, String>, ConvertError> {
    let mut seen = BTreeSet::new();
    let mut variables = BTreeMap::new();
    for NamedValue { name, value } in values {
        if !seen.insert(fold(&name)) {
            return Err(ConvertError::VariableTwice { name });
        }
        variables.insert(name, value);
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::id::JobId;

    #[test]
    fn identifiers_are_missing_malformed_or_there() {
        let id = JobId::from_bits(7);
        assert_eq!(parse_identifier(identifier(id).as_ref(), "job id"), Ok(id));
        let missing = Err(ConvertError::Missing { what: "job id" });
        assert_eq!(parse_identifier::<JobId>(None, "job id"), missing);
        assert_eq!(parse_identifier::<JobId>(Some(&Identifier::default()), "job id"), missing);
        assert_eq!(parse_optional_identifier::<JobId>(Some(&Identifier::default()), "job id"), Ok(None));
        let malformed = parse_identifier::<JobId>(Some(&Identifier { value: "x".to_owned() }), "job id");
        assert!(matches!(malformed, Err(ConvertError::Identifier { .. })));
    }

    #[test]
    fn times_go_there_and_back_in_whole_seconds() {
        let time = UNIX_EPOCH + Duration::from_secs(5);
        let message = timestamp(time + Duration::from_millis(999));
        assert_eq!(system_time(message.as_ref(), "start"), Ok(Some(time)));
        assert_eq!(system_time(None, "start"), Ok(None));
        assert_eq!(system_time(Some(&Timestamp { value: 0 }), "start"), Ok(None));
        assert!(system_time(Some(&Timestamp { value: i64::MIN }), "start").is_err());
        assert_eq!(timestamp(None), None);
    }

    #[test]
    fn variables_that_differ_in_letter_case_only_are_refused() {
        let value = |name: &str| NamedValue { name: name.to_owned(), value: "v".to_owned() };
        assert_eq!(variables(vec![value("a"), value("b")]).unwrap().len(), 2);
        let twice = variables(vec![value("a"), value("A")]);
        assert_eq!(twice, Err(ConvertError::VariableTwice { name: "A".to_owned() }));
    }
}
