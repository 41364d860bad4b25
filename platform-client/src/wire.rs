//! What the modules of the services share: headers of answers, and identifiers that an answer must hold.

use platform_api::convert::{ConvertError, parse_identifier};
use platform_api::header;
use platform_api::id::ParseIdError;
use platform_api::proto::clara::{Identifier, ResponseHeader};

use crate::error::ClientError;

/// Turns a refusal in a header into an error.
pub(crate) fn check(header: Option<ResponseHeader>) -> Result<(), ClientError> {
    header::check(header).map(|_| ()).map_err(ClientError::Refused)
}

/// The identifier that an answer must hold.
pub(crate) fn id<T>(
    call: &'static str,
    message: Option<&Identifier>,
    what: &'static str,
) -> Result<T, ClientError>
where
    T: std::str::FromStr<Err = ParseIdError>,
{
    parse_identifier(message, what).map_err(|error| ClientError::convert(call, &error))
}

/// Adds what a conversion says to the call that it belongs to.
pub(crate) fn converted<T>(call: &'static str, result: Result<T, ConvertError>) -> Result<T, ClientError> {
    result.map_err(|error| ClientError::convert(call, &error))
}
