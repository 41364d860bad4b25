//! Identifiers: 128 random bits, written as 32 lower-case hexadecimal digits.
//!
//! Readers accept upper case and the dashed form of a GUID too, as published clients send them.

use std::fmt;
use std::str::FromStr;

/// A text that is no identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an identifier of 32 hexadecimal digits")]
pub struct ParseIdError {
    /// The beginning of the text.
    pub text: String,
}

fn parse(text: &str) -> Result<u128, ParseIdError> {
    let refused = || ParseIdError { text: text.chars().take(40).collect() };
    let is_dashed = text.len() == 36;
    if !is_dashed && text.len() != 32 {
        return Err(refused());
    }
    let mut value = 0u128;
    for (at, byte) in text.bytes().enumerate() {
        if is_dashed && matches!(at, 8 | 13 | 18 | 23) {
            if byte != b'-' {
                return Err(refused());
            }
            continue;
        }
        let digit = char::from(byte).to_digit(16).ok_or_else(refused)?;
        value = value << 4 | u128::from(digit);
    }
    Ok(value)
}

macro_rules! identifiers {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// From 128 bits that the caller drew at random, or read back.
            pub const fn from_bits(bits: u128) -> Self {
                Self(bits)
            }

            /// The 128 bits.
            pub const fn to_bits(self) -> u128 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:032x})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                parse(text).map(Self)
            }
        }
    )*};
}

identifiers! {
    /// Names a pipeline.
    PipelineId
    /// Names a job.
    JobId
    /// Names a payload.
    PayloadId
    /// Names a model.
    ModelId
    /// Names a list of models.
    CatalogId
    /// Names the list of models that one inference server serves.
    InstanceId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_guid_is_the_same_identifier() {
        let id = JobId::from_bits(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        assert_eq!(id.to_string(), "0123456789abcdef0123456789abcdef");
        for form in [
            "0123456789abcdef0123456789abcdef",
            "0123456789ABCDEF0123456789ABCDEF",
            "01234567-89ab-cdef-0123-456789abcdef",
        ] {
            assert_eq!(form.parse(), Ok(id));
        }
    }

    #[test]
    fn other_texts_are_refused_without_panic() {
        for text in [
            "",
            "0123456789abcdef0123456789abcde",
            "0123456789abcdef0123456789abcdeg",
            "0123456789abcdef0123456789abcdef0",
            "01234567_89ab_cdef_0123_456789abcdef",
            "012345678-9ab-cdef-0123-456789abcdef",
            "ééééééééééééééééé",
            "+123456789abcdef0123456789abcdef",
        ] {
            assert!(text.parse::<JobId>().is_err(), "{text}");
        }
    }
}
