//! The five published services, one file each.
//!
//! A header is never asked for in requests, since published clients send metadata calls without one.

mod jobs;
mod models;
mod payloads;
mod pipelines;
mod server;

use platform_api::code::ErrorCode;
use platform_api::convert::{ConvertError, parse_identifier};
use platform_api::header::Refusal;
use platform_api::id::ParseIdError;
use platform_api::metadata::Metadata;
use platform_api::proto::clara::Identifier;
use std::collections::BTreeMap;
use std::str::FromStr;

use super::reply::refuse;
use crate::access::AuditNote;
use crate::platform::Answer;

/// An identifier that a request must hold, or the refusal with this code. What the audit log says the call is about,
/// unless something else is said later.
fn id<T: FromStr<Err = ParseIdError> + std::fmt::Display>(
    message: Option<&Identifier>,
    what: &'static str,
    code: ErrorCode,
) -> Answer<T> {
    let id = parse_identifier(message, what).map_err(refuse::<ConvertError>(code))?;
    AuditNote::about(&id);
    Ok(id)
}

/// A set of metadata, or the refusal with this code.
fn metadata(entries: BTreeMap<String, String>, code: ErrorCode) -> Answer<Metadata> {
    Metadata::from_entries(entries).map_err(refuse(code))
}

/// Whether a later message of a stream may say this: it repeats the first one, or is silent.
fn agrees(first: Option<&Identifier>, later: Option<&Identifier>) -> bool {
    let text = |id: Option<&Identifier>| id.map(|id| id.value.clone()).unwrap_or_default();
    let later = text(later);
    later.is_empty() || later == text(first)
}

/// A refusal of a stream of requests.
fn malformed(code: ErrorCode, message: &str) -> Refusal {
    Refusal::new(code, message)
}

/// The body of AddMetadata: the answer holds the identifier and the whole set.
macro_rules! add_metadata {
    ($self:ident.$call:ident, $request:ident, $field:ident, $code:path => $response:ident) => {{
        let message = $request.into_inner();
        reply(
            async {
                let id = $field(message.$field.as_ref())?;
                let set = $self.platform.$call(id, metadata(message.metadata, $code)?).await?;
                Ok(wire::$response { header: success(), $field: identifier(id), metadata: set.to_map() })
            }
            .await,
        )
    }};
}
use add_metadata;

/// The body of RemoveMetadata: the answer holds the identifier and what is left.
macro_rules! remove_metadata {
    ($self:ident.$call:ident, $request:ident, $field:ident => $response:ident) => {{
        let message = $request.into_inner();
        reply(
            async {
                let id = $field(message.$field.as_ref())?;
                let set = $self.platform.$call(id, message.keys).await?;
                Ok(wire::$response { header: success(), $field: identifier(id), metadata: set.to_map() })
            }
            .await,
        )
    }};
}
use remove_metadata;
