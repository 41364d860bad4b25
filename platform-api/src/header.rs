//! Headers of requests and answers.
//!
//! An error travels in the header of an answer that gRPC reports as OK. Clients show the messages and, where there are
//! any, nothing else; so the messages hold all that a reader needs.

use crate::code::ErrorCode;
use crate::proto::clara::{RequestHeader, ResponseHeader, Version};

/// The release of the Clara Deploy Platform API that we speak.
pub const CLARA_API_VERSION: [i32; 3] = [0, 8, 1];

/// How our own client names itself.
pub const USER_AGENT: &str = concat!("lantern/", env!("CARGO_PKG_VERSION"));

/// A call that was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", text(*.code, .messages))]
pub struct Refusal {
    /// Why, for programs.
    pub code: ErrorCode,
    /// Why, for people.
    pub messages: Vec<String>,
}

impl Refusal {
    /// A refusal with one message.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, messages: vec![message.into()] }
    }

    /// A refusal whose message is an error and its causes, as `a: b: c`.
    pub fn from_error(code: ErrorCode, error: &dyn std::error::Error) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            message.push_str(": ");
            message.push_str(&error.to_string());
            cause = error.source();
        }
        Self::new(code, message)
    }

    /// The header that says so.
    pub fn into_header(self) -> ResponseHeader {
        ResponseHeader { code: self.code.to_wire(), messages: self.messages }
    }
}

fn text(code: ErrorCode, messages: &[String]) -> String {
    if messages.is_empty() { format!("refused with code {code}") } else { messages.join("; ") }
}

/// The header of a success. It is present, though published clients take an absent one as well.
pub fn success() -> Option<ResponseHeader> {
    Some(ResponseHeader::default())
}

/// The header that our own client sends.
pub fn request() -> Option<RequestHeader> {
    Some(RequestHeader { api_version: Some(clara_api_version()), user_agent: USER_AGENT.to_owned() })
}

/// [`CLARA_API_VERSION`] as a message.
pub fn clara_api_version() -> Version {
    let [major, minor, patch] = CLARA_API_VERSION;
    Version { major, minor, patch, label: String::new() }
}

/// What the header of an answer says: the code of a success (0 where there is no header), or the refusal.
///
/// # Errors
/// [`Refusal`] for a negative code.
pub fn check(header: Option<ResponseHeader>) -> Result<u32, Refusal> {
    let Some(ResponseHeader { code, messages }) = header else { return Ok(0) };
    match ErrorCode::from_wire(code) {
        Some(code) => Err(Refusal { code, messages }),
        None => Ok(code.unsigned_abs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code;

    #[test]
    fn only_negative_codes_are_errors() {
        assert_eq!(check(None), Ok(0));
        assert_eq!(check(success()), Ok(0));
        let remark = ResponseHeader { code: 7, messages: vec!["seven".to_owned()] };
        assert_eq!(check(Some(remark)), Ok(7));
        let refusal = Refusal::new(code::JOB_NOT_CANCELED, "Failed to cancel job.");
        assert_eq!(check(Some(refusal.clone().into_header())), Err(refusal));
    }

    #[test]
    fn a_refusal_shows_its_messages_or_its_code() {
        let mut refusal = Refusal { code: code::INTERNAL, messages: vec!["a".to_owned(), "b".to_owned()] };
        assert_eq!(refusal.to_string(), "a; b");
        refusal.messages.clear();
        assert_eq!(refusal.to_string(), "refused with code -20480");
    }
}
