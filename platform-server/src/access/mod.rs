//! Who calls, and what they may do.
//!
//! A [`Gate`] judges every call before a service sees it: [`Guarded`] stands in front of all of them. It knows a caller
//! by the connection ([`Peer`]), a token or a password, holds the call against [`RIGHTS`], slows down who guesses, and
//! writes the audit log. Passwords are kept as argon2id hashes, tokens as SHA-256; neither is ever logged.
//! Nothing here opens a socket: listeners are in [`crate::serve`].

mod account;
mod audit;
mod gate;
mod layer;
pub(crate) mod outcome;
mod password;
mod peer;
mod register;
mod rights;
mod standing;
mod throttle;
mod token;
mod users_file;

pub use account::{
    Account, Accounts, AccountsError, NewUser, NewUserError, RepositoryAccounts, TokenGrant, new_token,
};
pub use audit::{AuditLog, AuditNote};
pub use gate::{Caller, Denied, Doors, Gate};
pub use layer::Guarded;
pub use password::{PASSWORD_MINIMUM_CHARS, PasswordError, hash_password};
pub use peer::Peer;
pub use platform_api::role::Role;
pub use register::{Register, RegisterError, UserUpdate};
pub use rights::{RIGHTS, Right};
pub use throttle::ThrottleLimits;
pub use token::{ApiToken, digest_text, parse_digest};
pub use users_file::{FileAccounts, UsersFileError};

use std::sync::Arc;

use crate::config::{AccessMode, Config};
use crate::repository::Repository;

/// Why nobody can be judged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum AccessError {
    #[error(transparent)]
    UsersFile(#[from] UsersFileError),
    #[error("the system has no random bytes to give")]
    Random(#[source] std::io::Error),
}

/// The gate that settings ask for, with users of their file or else of `repository`.
///
/// # Errors
/// [`AccessError`] for a file of users that cannot be used.
pub fn gate(config: &Config, repository: Arc<dyn Repository>) -> Result<Gate, AccessError> {
    let accounts = || -> Result<Arc<dyn Accounts>, UsersFileError> {
        Ok(match &config.access.users_file {
            Some(path) => Arc::new(FileAccounts::read(path)?),
            None => Arc::new(RepositoryAccounts::new(repository)),
        })
    };
    let doors = match config.access.mode {
        AccessMode::Open => Doors::Open,
        AccessMode::Users => {
            Doors::Users { accounts: accounts()?, legacy: (config.legacy.role, config.legacy.may_download) }
        }
    };
    let limits = ThrottleLimits { attempts: config.access.attempts, window: config.access.window };
    Gate::new(doors, limits).map_err(AccessError::Random)
}
