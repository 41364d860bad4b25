//! Users, tokens and the audit log, for admins.

use platform_api::code::{self, ErrorCode};
use platform_api::header::Refusal;

use super::{Answer, Platform};
use crate::access::{Register, RegisterError};
use crate::repository::AuditRow;

impl Platform {
    /// Does something with the users of the records.
    ///
    /// # Errors
    /// Where users come from a file, and whatever the work is refused for.
    pub async fn users<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Register) -> Result<T, RegisterError> + Send + 'static,
    ) -> Answer<T> {
        self.blocking(|inner| {
            if inner.options.has_users_file {
                let text = "the users of this server are kept in a file, which is edited by hand";
                return Err(Refusal::new(code::USERS_ELSEWHERE, text));
            }
            work(&inner.register).map_err(|error| Refusal::from_error(code_of(&error), &error))
        })
        .await
    }

    /// The last lines of the audit log, newest first.
    ///
    /// # Errors
    /// When the records cannot be read.
    pub async fn audit(&self, limit: usize) -> Answer<Vec<AuditRow>> {
        self.blocking(move |inner| {
            let refused = |error: RegisterError| Refusal::from_error(code_of(&error), &error);
            inner.register.audit(limit).map_err(refused)
        })
        .await
    }
}

fn code_of(error: &RegisterError) -> ErrorCode {
    match error {
        RegisterError::UnknownUser { .. } => code::USER_UNKNOWN,
        RegisterError::UserExists { .. } => code::USER_EXISTS,
        RegisterError::LastAdmin { .. } => code::USER_LAST_ADMIN,
        RegisterError::UnknownToken => code::TOKEN_UNKNOWN,
        RegisterError::Label | RegisterError::Expired => code::TOKEN_INVALID,
        RegisterError::User(_) => code::USER_INVALID,
        RegisterError::Records(_) | RegisterError::Random(_) => code::USERS_NOT_STORED,
    }
}
