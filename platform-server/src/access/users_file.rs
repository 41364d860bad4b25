//! Users in a file, for servers whose users come from elsewhere. Read once at start.
//!
//! ```toml
//! [users.anna]
//! password = "$argon2id$v=19$…"     # as `hash_password` writes it; may be missing
//! role = "operator"                 # viewer, operator or admin
//! may-download = true               # false where it is missing
//! tokens = ["sha256:…"]             # digests of tokens, in hexadecimal
//! ```

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use subtle::ConstantTimeEq;
use toml::de::{DeTable, DeValue};

use crate::repository::fold_case;

use super::account::{Account, Accounts, AccountsError, TokenGrant, is_name};
use super::password::check_hash;
use super::token::parse_digest;
use platform_api::role::Role;

const FILE_LIMIT_BYTES: u64 = 16 << 20;

/// Why a file of users is not taken. Values are not repeated: they are secrets.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum UsersFileError {
    #[error("cannot read users from `{}`", .path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("users take more than {FILE_LIMIT_BYTES} bytes: `{}`", .path.display())]
    TooLong { path: PathBuf },
    #[error("line {line}: {text}")]
    Invalid { line: usize, text: String },
}

/// Users of a file.
#[derive(Debug, Default)]
pub struct FileAccounts {
    users: HashMap<String, Account>,
    tokens: Vec<([u8; 32], String)>,
}

impl FileAccounts {
    /// Reads a file. Warns when others than its owner may read it.
    ///
    /// # Errors
    /// [`UsersFileError`]; a file that is wrong anywhere lets nobody in.
    pub fn read(path: &Path) -> Result<Self, UsersFileError> {
        let unreadable = |source| UsersFileError::Unreadable { path: path.to_owned(), source };
        let file = std::fs::File::open(path).map_err(unreadable)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            if file.metadata().map_err(unreadable)?.mode() & 0o077 != 0 {
                tracing::warn!("others than its owner may use the file of users `{}`", path.display());
            }
        }
        let mut text = String::new();
        file.take(FILE_LIMIT_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
        if text.len() as u64 > FILE_LIMIT_BYTES {
            return Err(UsersFileError::TooLong { path: path.to_owned() });
        }
        Self::parse(&text)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// [`UsersFileError::Invalid`] at the first mistake.
    pub fn parse(text: &str) -> Result<Self, UsersFileError> {
        let line =
            |offset: usize| 1 + text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count();
        let invalid =
            |offset: usize, text: &str| UsersFileError::Invalid { line: line(offset), text: text.into() };
        let table = DeTable::parse(text).map_err(|error| {
            // The parser's own message could repeat what stands there; a short one does not.
            invalid(error.span().map_or(0, |span| span.start), "is no TOML")
        })?;
        let mut accounts = Self::default();
        for (section, value) in table.into_inner() {
            let at = section.span().start;
            let (true, DeValue::Table(users)) = (section.get_ref() == "users", value.into_inner()) else {
                return Err(invalid(at, "only users stand here, as `[users.NAME]`"));
            };
            for (name, value) in users {
                let at = name.span().start;
                let account =
                    accounts.user_of(name.get_ref(), value.get_ref()).map_err(|why| invalid(at, why))?;
                if accounts.users.insert(fold_case(&account.name), account).is_some() {
                    return Err(invalid(at, "there is a user of this name already, but for letter case"));
                }
            }
        }
        Ok(accounts)
    }

    fn user_of(&mut self, name: &str, value: &DeValue<'_>) -> Result<Account, &'static str> {
        if !is_name(name) {
            return Err("this is no name for a user");
        }
        let table = value.as_table().ok_or("a user is a section, as `[users.NAME]`")?;
        let mut account = Account {
            name: name.to_owned(),
            password_hash: None,
            role: None,
            may_download: false,
            is_enabled: true,
        };
        for (key, value) in table {
            let (key, value) = (key.get_ref().as_ref(), value.get_ref());
            match key {
                "password" => {
                    let hash = value.as_str().filter(|hash| check_hash(hash).is_ok());
                    account.password_hash = Some(
                        hash.ok_or("a user's `password` is an argon2id hash of bounded cost")?.to_owned(),
                    );
                }
                "role" => {
                    let role = value.as_str().and_then(Role::from_name);
                    account.role = Some(role.ok_or("a user's `role` is `viewer`, `operator` or `admin`")?);
                }
                "may-download" => {
                    account.may_download =
                        value.as_bool().ok_or("a user's `may-download` is `true` or `false`")?;
                }
                "enabled" => {
                    account.is_enabled = value.as_bool().ok_or("a user's `enabled` is `true` or `false`")?;
                }
                "tokens" => {
                    for token in value.as_array().ok_or("a user's `tokens` are a list")? {
                        let digest = token.get_ref().as_str().and_then(digest);
                        let digest = digest.ok_or("a token is `sha256:` and 64 hexadecimal digits")?;
                        self.tokens.push((digest, name.to_owned()));
                    }
                }
                _ => {
                    return Err("a user has `password`, `role`, `may-download`, `enabled` and `tokens` only");
                }
            }
        }
        if account.role.is_none() { Err("a user has no `role`") } else { Ok(account) }
    }
}

impl Accounts for FileAccounts {
    fn user(&self, name: &str) -> Result<Option<Account>, AccountsError> {
        Ok(self.users.get(&fold_case(name)).cloned())
    }

    fn token(&self, wanted: &[u8; 32]) -> Result<Option<TokenGrant>, AccountsError> {
        // All of them, whichever it is.
        let mut found = None;
        for (digest, user) in &self.tokens {
            if bool::from(digest.ct_eq(wanted)) {
                found = Some(TokenGrant { user: user.clone(), expires_ms: None });
            }
        }
        Ok(found)
    }
}

fn digest(text: &str) -> Option<[u8; 32]> {
    parse_digest(text.strip_prefix("sha256:")?)
}
