//! Versions of the definition language.

use std::fmt;
use std::str::FromStr;

/// A version of the definition language. Patches make no difference to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiVersion {
    minor: u8,
}

impl ApiVersion {
    /// The oldest one.
    pub const FIRST: Self = Self { minor: 1 };
    /// The newest one.
    pub const LAST: Self = Self { minor: 7 };
    /// From here on Clara orchestration is the default.
    pub const CLARA: Self = Self { minor: 4 };
    /// From here on inputs and outputs have types.
    pub const TYPED: Self = Self { minor: 5 };
    /// From here on operators name the models that they need.
    pub const MODELS: Self = Self { minor: 6 };

    /// Whether inputs and outputs have types.
    pub fn is_typed(self) -> bool {
        self >= Self::TYPED
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0.{}.0", self.minor)
    }
}

/// A text that is no version of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a version of the definition language")]
pub struct ParseApiVersionError;

impl FromStr for ApiVersion {
    type Err = ParseApiVersionError;

    /// Takes `0.4`, `0.4.0` and any other patch of a version that there is.
    fn from_str(text: &str) -> Result<Self, ParseApiVersionError> {
        let number = |text: &str| -> Option<u8> {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            if is_number { text.parse().ok() } else { None }
        };
        let mut parts = text.split('.').map(number);
        let version = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(Some(0)), Some(Some(minor)), None | Some(Some(_)), None) => Self { minor },
            _ => return Err(ParseApiVersionError),
        };
        if (Self::FIRST..=Self::LAST).contains(&version) { Ok(version) } else { Err(ParseApiVersionError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_the_language_are_known_and_no_others() {
        for (text, shown) in [("0.1.0", "0.1.0"), ("0.4", "0.4.0"), ("0.7.0", "0.7.0"), ("0.3.2", "0.3.0")] {
            assert_eq!(text.parse::<ApiVersion>().unwrap().to_string(), shown);
        }
        for text in ["", "0", "0.0.0", "0.8.0", "1.4.0", "0.4.0.0", "0.+4.0", "v0.4.0", "0.4.x", "0.260.0"] {
            assert!(text.parse::<ApiVersion>().is_err(), "{text}");
        }
        assert!(ApiVersion::TYPED.is_typed() && !ApiVersion::CLARA.is_typed());
    }
}
