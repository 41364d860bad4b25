//! Users and tokens: where they are looked up, and how new ones are made.

use std::sync::Arc;

use crate::repository::{Repository, RepositoryError, TokenRow, UserRow};

use super::password::{PasswordError, hash_password};
use super::token::ApiToken;
use platform_api::role::Role;

/// A user's name has at most so many bytes.
pub(super) const NAME_LIMIT_BYTES: usize = 128;

/// Somebody who may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The name as it was given when the user was made.
    pub name: String,
    /// An argon2id hash; none for users with tokens only.
    pub password_hash: Option<String>,
    /// What the user may do; none may log in and do nothing.
    pub role: Option<Role>,
    /// Whether payloads may be downloaded.
    pub may_download: bool,
    /// Whether the user may log in.
    pub is_enabled: bool,
}

/// Whose a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenGrant {
    /// The user's name.
    pub user: String,
    /// When it ends, in milliseconds since 1970.
    pub expires_ms: Option<i64>,
}

/// Users cannot be looked up now.
#[derive(Debug, thiserror::Error)]
#[error("cannot look up users")]
pub struct AccountsError(#[from] RepositoryError);

/// Where users are kept. Every call may read a disk.
pub trait Accounts: Send + Sync + 'static {
    /// One user, whatever the letter case of the name.
    ///
    /// # Errors
    /// [`AccountsError`] when that cannot be known now.
    fn user(&self, name: &str) -> Result<Option<Account>, AccountsError>;
    /// One token by [`ApiToken::digest`].
    ///
    /// # Errors
    /// [`AccountsError`] when that cannot be known now.
    fn token(&self, digest: &[u8; 32]) -> Result<Option<TokenGrant>, AccountsError>;
}

/// Users of the database.
pub struct RepositoryAccounts(Arc<dyn Repository>);

impl RepositoryAccounts {
    /// Those of `repository`.
    pub fn new(repository: Arc<dyn Repository>) -> Self {
        Self(repository)
    }
}

impl Accounts for RepositoryAccounts {
    fn user(&self, name: &str) -> Result<Option<Account>, AccountsError> {
        Ok(self.0.user(name)?.map(|row| Account {
            // Roles of later versions are unknown here and give nothing.
            role: row.roles.iter().filter_map(|name| Role::from_name(name)).max(),
            name: row.name,
            password_hash: row.password_hash,
            may_download: row.may_download,
            is_enabled: row.is_enabled,
        }))
    }

    fn token(&self, digest: &[u8; 32]) -> Result<Option<TokenGrant>, AccountsError> {
        let row = self.0.token(digest)?;
        Ok(row.map(|row| TokenGrant { user: row.user, expires_ms: row.expires_ms }))
    }
}

/// Why a user is not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum NewUserError {
    #[error(
        "a user's name has 1 to {NAME_LIMIT_BYTES} bytes, no `:`, no white space at its ends and no control characters"
    )]
    Name,
    #[error(transparent)]
    Password(#[from] PasswordError),
}

/// Somebody to be added with [`crate::repository::Change::PutUser`].
#[derive(Debug)]
pub struct NewUser<'a> {
    /// The name.
    pub name: &'a str,
    /// The password; none for users with tokens only.
    pub password: Option<&'a str>,
    /// What the user may do.
    pub role: Role,
    /// Whether payloads may be downloaded.
    pub may_download: bool,
    /// When, in milliseconds since 1970.
    pub created_ms: i64,
}

impl NewUser<'_> {
    /// The record of it. Hashing takes tens of milliseconds; call from a worker.
    ///
    /// # Errors
    /// [`NewUserError`] for a name or a password that breaks a rule.
    pub fn into_row(self) -> Result<UserRow, NewUserError> {
        if !is_name(self.name) {
            return Err(NewUserError::Name);
        }
        Ok(UserRow {
            name: self.name.to_owned(),
            password_hash: self.password.map(hash_password).transpose()?,
            roles: vec![self.role.name().to_owned()],
            may_download: self.may_download,
            is_enabled: true,
            created_ms: self.created_ms,
        })
    }
}

/// A new token of a user, to be shown once, and the record of it for [`crate::repository::Change::AddToken`].
///
/// # Errors
/// When the system has no random bytes to give.
pub fn new_token(
    user: &str,
    label: &str,
    created_ms: i64,
    expires_ms: Option<i64>,
) -> std::io::Result<(ApiToken, TokenRow)> {
    let token = ApiToken::generate()?;
    let (user, label) = (user.to_owned(), label.to_owned());
    let row = TokenRow { digest: token.digest(), user, label, created_ms, expires_ms };
    Ok((token, row))
}

/// The scheme `Basic` cannot carry a colon; control characters could forge lines of a log.
pub(super) fn is_name(name: &str) -> bool {
    let has_length = (1..=NAME_LIMIT_BYTES).contains(&name.len());
    has_length && name.trim() == name && !name.contains(|c: char| c == ':' || c.is_control())
}
