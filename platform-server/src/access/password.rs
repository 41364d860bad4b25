//! Passwords: argon2id, and the same work for names that nobody has.

use std::sync::LazyLock;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};

/// Longer passwords are refused before any work.
pub(super) const PASSWORD_LIMIT_BYTES: usize = 1024;
/// Shorter ones are not taken for new users.
pub const PASSWORD_MINIMUM_CHARS: usize = 8;
/// Hashes of a users file that ask for more are refused: each log-in would take so much.
const MEMORY_LIMIT_KIB: u32 = 256 * 1024;
const ITERATION_LIMIT: u32 = 16;

/// Why a password or its hash is not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum PasswordError {
    #[error("a password has at least {PASSWORD_MINIMUM_CHARS} characters")]
    TooShort,
    #[error("a password has at most {PASSWORD_LIMIT_BYTES} bytes")]
    TooLong,
    #[error("is no argon2id hash in its usual text form, or asks for more than a log-in may take")]
    NoHash,
    #[error("cannot hash a password")]
    Hash(#[source] argon2::password_hash::Error),
}

/// 19 MiB, two passes, one lane: the least that OWASP's cheat sheet on password storage recommends.
fn hasher() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

/// The hash of a new password, with a random salt. Takes tens of milliseconds; call from a worker.
///
/// # Errors
/// [`PasswordError`] for one that is too short or too long, or where the system has no random bytes.
pub fn hash_password(password: &str) -> Result<String, PasswordError> {
    if password.chars().count() < PASSWORD_MINIMUM_CHARS {
        return Err(PasswordError::TooShort);
    }
    if password.len() > PASSWORD_LIMIT_BYTES {
        return Err(PasswordError::TooLong);
    }
    let hash: PasswordHash = hasher().hash_password(password.as_bytes()).map_err(PasswordError::Hash)?;
    Ok(hash.to_string())
}

/// Whether a text is a hash that log-ins can be held against.
pub(super) fn check_hash(text: &str) -> Result<(), PasswordError> {
    let hash = PasswordHash::new(text).map_err(|_| PasswordError::NoHash)?;
    let is_argon2id = hash.algorithm.as_str() == Algorithm::Argon2id.as_str();
    let params = Params::try_from(&hash).map_err(|_| PasswordError::NoHash)?;
    let is_bounded = params.m_cost() <= MEMORY_LIMIT_KIB && params.t_cost() <= ITERATION_LIMIT;
    if is_argon2id && is_bounded && params.p_cost() <= 4 && hash.salt.is_some() && hash.hash.is_some() {
        Ok(())
    } else {
        Err(PasswordError::NoHash)
    }
}

/// A hash of nobody's password, for names that there are not.
static DECOY: LazyLock<String> = LazyLock::new(|| {
    let hash: Result<PasswordHash, _> = hasher().hash_password_with_salt(b"nobody", b"a salt for nobody");
    hash.map(|hash| hash.to_string()).unwrap_or_default()
});

/// Whether a password is the one that was hashed. Without a hash the same work is done in vain.
///
/// Takes tens of milliseconds; call from a worker.
pub(super) fn verify(password: &[u8], hash: Option<&str>) -> bool {
    let usable = hash.filter(|hash| check_hash(hash).is_ok());
    let Ok(parsed) = PasswordHash::new(usable.unwrap_or(&DECOY)) else { return false };
    // Compares in constant time.
    let is_right = hasher().verify_password(password, &parsed).is_ok();
    is_right && usable.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again_and_another_is_not() {
        let hash = hash_password("correct horse").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(verify(b"correct horse", Some(&hash)));
        assert!(!verify(b"correct horsf", Some(&hash)));
        assert_ne!(hash_password("correct horse").unwrap(), hash, "each has its own salt");
    }

    #[test]
    fn nobodys_password_opens_nothing_and_costs_the_same_work() {
        assert!(!verify(b"nobody", None));
        check_hash(&DECOY).unwrap();
        let params = |text: &str| Params::try_from(&PasswordHash::new(text).unwrap()).unwrap();
        let real = hash_password("correct horse").unwrap();
        assert_eq!(params(&DECOY).m_cost(), params(&real).m_cost());
        assert_eq!(params(&DECOY).t_cost(), params(&real).t_cost());
    }

    #[test]
    fn weak_and_monstrous_hashes_are_refused() {
        assert!(matches!(hash_password("seven77"), Err(PasswordError::TooShort)));
        assert!(matches!(hash_password(&"x".repeat(1025)), Err(PasswordError::TooLong)));
        let tail = "c29tZXNhbHQ$iWh06vD8Fy27wf9npn6FXWiCX4K6pW6Ue1Bnzz07Z8A";
        for text in [
            "",
            "password",
            &format!("$argon2i$v=19$m=19456,t=2,p=1${tail}"),
            &format!("$argon2id$v=19$m=4194304,t=2,p=1${tail}"),
            &format!("$argon2id$v=19$m=19456,t=1000,p=1${tail}"),
            "$argon2id$v=19$m=19456,t=2,p=1",
        ] {
            assert!(check_hash(text).is_err(), "{text}");
            assert!(!verify(b"password", Some(text)), "{text}");
        }
        check_hash(&format!("$argon2id$v=19$m=65536,t=3,p=4${tail}")).unwrap();
    }
}
