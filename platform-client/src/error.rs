//! What can go wrong between a call and its answer, and the one table from gRPC statuses to it.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use platform_api::convert::ConvertError;
use platform_api::header::Refusal;
use tonic::{Code, Status};

/// A call that did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum ClientError {
    #[error("{0}")]
    Refused(Refusal),
    #[error("{message}")]
    RefusedByStatus { status: &'static str, message: String },
    #[error("cannot reach `{server}`: {reason}")]
    Unreachable { server: String, reason: String },
    #[error("`{server}` does not accept the credentials: {message}")]
    Unauthenticated { server: String, message: String },
    #[error("credentials go over TLS, a socket or to this machine only, not in plain text to `{server}`")]
    PlainTextCredentials { server: String },
    #[error("no answer to {call} within {limit:?}")]
    TimedOut { call: &'static str, limit: Duration },
    #[error("the server does not offer {call}")]
    Unsupported { call: &'static str },
    #[error("the answer to {call} makes no sense: {reason}")]
    Protocol { call: &'static str, reason: String },
    #[error("`{text}` is no address of a server: {reason}")]
    Address { text: String, reason: String },
    #[error("{what}")]
    Setting { what: String },
    #[error("cannot {action} `{}`", .path.display())]
    File { action: &'static str, path: PathBuf, source: std::io::Error },
    #[error("`{}` is there already", .path.display())]
    Exists { path: PathBuf },
    #[error("the name of `{}` cannot be used in a payload", .path.display())]
    Name { path: PathBuf, source: platform_api::payload::PayloadPathError },
}

/// Kinds of errors, for callers that react to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The server understood and said no.
    Refused,
    /// The server could not be reached, or the connection broke.
    Unreachable,
    /// The server does not know who calls.
    Unauthenticated,
    /// No answer in time.
    TimedOut,
    /// The server lacks the call.
    Unsupported,
    /// The answer breaks the rules of the protocol.
    Protocol,
    /// An address, setting, name or file on this side.
    Local,
}

impl ClientError {
    /// What kind of error this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused(_) | Self::RefusedByStatus { .. } => ErrorKind::Refused,
            Self::Unreachable { .. } => ErrorKind::Unreachable,
            Self::Unauthenticated { .. } => ErrorKind::Unauthenticated,
            Self::TimedOut { .. } => ErrorKind::TimedOut,
            Self::Unsupported { .. } => ErrorKind::Unsupported,
            Self::Protocol { .. } => ErrorKind::Protocol,
            Self::PlainTextCredentials { .. }
            | Self::Address { .. }
            | Self::Setting { .. }
            | Self::File { .. }
            | Self::Exists { .. }
            | Self::Name { .. } => ErrorKind::Local,
        }
    }

    /// The code of a refusal, as people see it: a number of the published API, or the name of a gRPC status.
    pub fn code(&self) -> Option<String> {
        match self {
            Self::Refused(refusal) => Some(refusal.code.to_string()),
            Self::RefusedByStatus { status, .. } => Some((*status).to_owned()),
            _ => None,
        }
    }

    pub(crate) fn protocol(call: &'static str, reason: impl Into<String>) -> Self {
        Self::Protocol { call, reason: reason.into() }
    }

    pub(crate) fn convert(call: &'static str, error: &ConvertError) -> Self {
        Self::protocol(call, chain(error))
    }

    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> ClientError {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }

    /// The table from gRPC statuses.
    pub(crate) fn from_status(call: &'static str, server: &str, status: &Status) -> Self {
        let message = status.message().to_owned();
        let server = || server.to_owned();
        let refused = |name: &'static str| Self::RefusedByStatus {
            status: name,
            message: if message.is_empty() { format!("{call} was refused") } else { message.clone() },
        };
        // A message beyond the limit is found by this side, with a status that a server could send as well.
        let is_too_large = status.message().contains("message length too large");
        match status.code() {
            // How tonic says that the time in the request's own header is over, on either side.
            Code::Cancelled if status.message().contains("Timeout expired") => {
                Self::TimedOut { call, limit: Duration::ZERO }
            }
            Code::Unavailable => Self::Unreachable { server: server(), reason: reason(status) },
            // What breaks below gRPC comes as `Unknown` with the cause attached; what a server sends has none.
            Code::Unknown | Code::Internal | Code::Cancelled if status.source().is_some() => {
                Self::Unreachable { server: server(), reason: reason(status) }
            }
            Code::Unauthenticated => Self::Unauthenticated { server: server(), message },
            Code::DeadlineExceeded => Self::TimedOut { call, limit: Duration::ZERO },
            Code::Unimplemented => Self::Unsupported { call },
            Code::OutOfRange | Code::ResourceExhausted if is_too_large => Self::protocol(call, message),
            Code::NotFound => refused("NOT_FOUND"),
            Code::InvalidArgument => refused("INVALID_ARGUMENT"),
            Code::AlreadyExists => refused("ALREADY_EXISTS"),
            Code::PermissionDenied => refused("PERMISSION_DENIED"),
            Code::FailedPrecondition => refused("FAILED_PRECONDITION"),
            Code::OutOfRange => refused("OUT_OF_RANGE"),
            Code::ResourceExhausted => refused("RESOURCE_EXHAUSTED"),
            Code::Aborted => refused("ABORTED"),
            code => Self::protocol(call, format!("{code:?}: {}", reason(status))),
        }
    }
}

fn reason(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut cause = status.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&next);
        }
        cause = error.source();
    }
    if text.is_empty() { status.code().description().to_owned() } else { text }
}

/// An error and its causes, `a: b: c`.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_kind() {
        let kind = |code| ClientError::from_status("Jobs.Status", "here", &Status::new(code, "x")).kind();
        for (code, expected) in [
            (Code::Unavailable, ErrorKind::Unreachable),
            (Code::Unauthenticated, ErrorKind::Unauthenticated),
            (Code::DeadlineExceeded, ErrorKind::TimedOut),
            (Code::Unimplemented, ErrorKind::Unsupported),
            (Code::NotFound, ErrorKind::Refused),
            (Code::PermissionDenied, ErrorKind::Refused),
            (Code::FailedPrecondition, ErrorKind::Refused),
            (Code::OutOfRange, ErrorKind::Refused),
            (Code::Internal, ErrorKind::Protocol),
            (Code::Unknown, ErrorKind::Protocol),
            (Code::DataLoss, ErrorKind::Protocol),
        ] {
            assert_eq!(kind(code), expected, "{code:?}");
        }
    }

    #[test]
    fn a_refusal_keeps_its_code() {
        let refusal = Refusal::new(platform_api::code::JOB_NOT_CANCELED, "Failed to cancel job.");
        assert_eq!(ClientError::Refused(refusal).code().as_deref(), Some("-8452"));
        let status = ClientError::from_status("Jobs.Get", "here", &Status::not_found("no such job"));
        assert_eq!(
            (status.code().as_deref(), status.to_string().as_str()),
            (Some("NOT_FOUND"), "no such job")
        );
    }
}
