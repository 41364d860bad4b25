//! Tokens that programs log in with.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// Tells people and scanners of repositories what a token is.
const PREFIX: &str = "lantern_";
const SECRET_BYTES: usize = 32;

/// A secret of 256 random bits. It is shown once; only its [`digest`](Self::digest) is kept.
///
/// The secret is random, so its plain SHA-256 gives nothing away and takes no slow hash.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiToken([u8; SECRET_BYTES]);

impl ApiToken {
    /// A new one.
    ///
    /// # Errors
    /// When the system has no random bytes to give.
    pub fn generate() -> std::io::Result<Self> {
        let mut secret = [0; SECRET_BYTES];
        getrandom::fill(&mut secret).map_err(std::io::Error::other)?;
        Ok(Self(secret))
    }

    /// From its text; none for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        // Longer texts are not looked at.
        let encoded = text.strip_prefix(PREFIX).filter(|encoded| encoded.len() <= 2 * SECRET_BYTES)?;
        URL_SAFE_NO_PAD.decode(encoded).ok()?.try_into().ok().map(Self)
    }

    /// The text that its owner keeps.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(self.0))
    }

    /// What the server keeps.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }
}

/// A digest in hexadecimal.
pub fn digest_text(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digest of 64 hexadecimal digits; none for anything else.
pub fn parse_digest(text: &str) -> Option<[u8; 32]> {
    let hex = text.as_bytes();
    if hex.len() != 64 {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(hex.chunks_exact(2)) {
        let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
        let [high, low] = pair else { return None };
        *byte = value(*high)? << 4 | value(*low)?;
    }
    Some(digest)
}

/// Never the secret.
impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_its_text_and_hides_itself() {
        let token = ApiToken::generate().unwrap();
        let text = token.reveal();
        assert_eq!(ApiToken::parse(&text), Some(token.clone()));
        assert_ne!(ApiToken::generate().unwrap(), token);
        assert_eq!(format!("{token:?}"), "ApiToken(…)");
        assert!(!text.contains(char::is_whitespace));
    }

    #[test]
    fn a_digest_survives_its_text() {
        let digest = ApiToken([7; 32]).digest();
        assert_eq!(parse_digest(&digest_text(&digest)), Some(digest));
        assert_eq!(parse_digest(&digest_text(&digest).to_uppercase()), Some(digest));
        for broken in ["", "0", &"g".repeat(64), &"0".repeat(63), &"é".repeat(32)] {
            assert_eq!(parse_digest(broken), None, "{broken}");
        }
    }

    #[test]
    fn anything_else_is_no_token() {
        let text = ApiToken([7; 32]).reveal();
        for broken in
            ["", "lantern_", &text[1..], &text[..text.len() - 1], &format!("{text}A"), &text.to_uppercase()]
        {
            assert_eq!(ApiToken::parse(broken), None, "{broken}");
        }
        assert_eq!(ApiToken::parse(&format!("lantern_{}", "A".repeat(1 << 20))), None);
    }
}
