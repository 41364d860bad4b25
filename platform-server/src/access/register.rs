//! Users and tokens of the records: made, changed, removed.
//!
//! What a server does for its admins, and what the owner of its folder does while it stands still. Blocks on disk and
//! on hashing: call from a worker. Users of a file are not here; their file is edited by hand.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::account::{NewUser, NewUserError, new_token};
use super::gate::now_ms;
use super::password::{PasswordError, hash_password};
use super::token::ApiToken;
use crate::repository::{AuditRow, Change, Repository, RepositoryError, TokenRow, UserRow, fold_case};
use platform_api::role::Role;

/// What a token is for has at most so many bytes.
const LABEL_LIMIT_BYTES: usize = 128;
/// Most lines of the audit log that are read at once.
const AUDIT_LIMIT: usize = 100_000;

/// Why users and tokens stay as they are.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum RegisterError {
    #[error("there is no user `{name}`")]
    UnknownUser { name: String },
    #[error("there is a user `{name}` already")]
    UserExists { name: String },
    #[error("`{name}` is the last admin who can log in")]
    LastAdmin { name: String },
    #[error("there is no such token")]
    UnknownToken,
    #[error("a label has at most {LABEL_LIMIT_BYTES} bytes and no control characters")]
    Label,
    #[error("a token cannot have ended before it is made")]
    Expired,
    #[error(transparent)]
    User(#[from] NewUserError),
    #[error("cannot read or write the records of users")]
    Records(#[from] RepositoryError),
    #[error("the system has no random bytes to give")]
    Random(#[source] std::io::Error),
}

impl From<PasswordError> for RegisterError {
    fn from(error: PasswordError) -> Self {
        Self::User(error.into())
    }
}

/// What becomes different about a user; what is none stays.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct UserUpdate<'a> {
    /// A new password.
    pub password: Option<&'a str>,
    /// What the user may do.
    pub role: Option<Role>,
    /// Whether payloads may be downloaded.
    pub may_download: Option<bool>,
    /// Whether the user may log in.
    pub is_enabled: Option<bool>,
}

/// The users of one server.
pub struct Register {
    repository: Arc<dyn Repository>,
    /// Held from looking to writing, so that two admins cannot remove each other.
    changing: Mutex<()>,
    /// What keeps servers away while there is none; a server's register has none.
    claim: Option<Box<dyn Send + Sync>>,
}

impl Register {
    /// Those of `repository`, for the server that writes its audit log.
    pub fn new(repository: Arc<dyn Repository>) -> Self {
        Self { repository, changing: Mutex::new(()), claim: None }
    }

    /// Those of `repository`, for its owner while no server runs: changes write their own lines of the audit log.
    /// `claim` is held as long as this is.
    pub fn of_owner(repository: Arc<dyn Repository>, claim: impl Send + Sync + 'static) -> Self {
        Self { claim: Some(Box::new(claim)), ..Self::new(repository) }
    }

    fn change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a change of a user, and together with it a line about what the owner did.
    fn commit(&self, change: Change, action: &str, user: &str) -> Result<(), RegisterError> {
        let mut changes = vec![change];
        if self.claim.is_some() {
            changes.push(Change::Audit(AuditRow {
                at_ms: now_ms(),
                user: String::new(),
                action: action.to_owned(),
                object: user.to_owned(),
                outcome: "done".to_owned(),
            }));
        }
        Ok(self.repository.commit(changes).wait().map(drop)?)
    }

    fn user(&self, name: &str) -> Result<UserRow, RegisterError> {
        let unknown = || RegisterError::UnknownUser { name: name.to_owned() };
        self.repository.user(name)?.ok_or_else(unknown)
    }

    /// All users, by name.
    ///
    /// # Errors
    /// [`RegisterError::Records`]
    pub fn users(&self) -> Result<Vec<UserRow>, RegisterError> {
        Ok(self.repository.users()?)
    }

    /// Adds a user.
    ///
    /// # Errors
    /// [`RegisterError`]; nothing is changed then.
    pub fn add(&self, user: NewUser<'_>) -> Result<UserRow, RegisterError> {
        let row = user.into_row()?;
        let _changing = self.change();
        if self.repository.user(&row.name)?.is_some() {
            return Err(RegisterError::UserExists { name: row.name });
        }
        self.commit(Change::PutUser(row.clone()), "users add", &row.name)?;
        Ok(row)
    }

    /// Changes a user.
    ///
    /// # Errors
    /// [`RegisterError`]; nothing is changed then.
    pub fn update(&self, name: &str, update: UserUpdate<'_>) -> Result<UserRow, RegisterError> {
        let password_hash = update.password.map(hash_password).transpose()?;
        let _changing = self.change();
        let before = self.user(name)?;
        let mut row = before.clone();
        row.password_hash = password_hash.or(row.password_hash);
        row.roles = update.role.map_or(row.roles, |role| vec![role.name().to_owned()]);
        row.may_download = update.may_download.unwrap_or(row.may_download);
        row.is_enabled = update.is_enabled.unwrap_or(row.is_enabled);
        self.keep_an_admin(&before, Some(&row), None)?;
        self.commit(Change::PutUser(row.clone()), "users update", &row.name)?;
        Ok(row)
    }

    /// Removes a user with all tokens.
    ///
    /// # Errors
    /// [`RegisterError`]; nothing is changed then.
    pub fn remove(&self, name: &str) -> Result<(), RegisterError> {
        let _changing = self.change();
        let row = self.user(name)?;
        self.keep_an_admin(&row, None, None)?;
        self.commit(Change::RemoveUser(row.name.clone()), "users remove", &row.name)
    }

    /// Refuses to take away the last admin who can log in: what becomes of one user, and which token is lost.
    fn keep_an_admin(
        &self,
        before: &UserRow,
        after: Option<&UserRow>,
        lost: Option<[u8; 32]>,
    ) -> Result<(), RegisterError> {
        let (users, mut tokens) = (self.repository.users()?, self.repository.tokens()?);
        if !is_admin(before, &tokens) {
            return Ok(());
        }
        tokens.retain(|token| Some(token.digest) != lost);
        let is_other = |row: &UserRow| fold_case(&row.name) != fold_case(&before.name);
        let mut left = users.iter().filter(|row| is_other(row)).chain(after);
        if left.any(|row| is_admin(row, &tokens)) {
            return Ok(());
        }
        Err(RegisterError::LastAdmin { name: before.name.clone() })
    }

    /// All tokens, or those of one user.
    ///
    /// # Errors
    /// [`RegisterError::UnknownUser`] and [`RegisterError::Records`]
    pub fn tokens(&self, user: Option<&str>) -> Result<Vec<TokenRow>, RegisterError> {
        let mut tokens = self.repository.tokens()?;
        if let Some(name) = user {
            let name = self.user(name)?.name;
            tokens.retain(|token| token.user == name);
        }
        Ok(tokens)
    }

    /// Makes a token, which is not kept and cannot be shown again.
    ///
    /// # Errors
    /// [`RegisterError`]; there is none then.
    pub fn create_token(
        &self,
        user: &str,
        label: &str,
        expires: Option<SystemTime>,
    ) -> Result<(ApiToken, TokenRow), RegisterError> {
        if label.len() > LABEL_LIMIT_BYTES || label.contains(char::is_control) {
            return Err(RegisterError::Label);
        }
        let (now_ms, expires_ms) = (now_ms(), expires.map(crate::platform::millis));
        if expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms) {
            return Err(RegisterError::Expired);
        }
        let _changing = self.change();
        let name = self.user(user)?.name;
        let (token, row) = new_token(&name, label, now_ms, expires_ms).map_err(RegisterError::Random)?;
        self.commit(Change::AddToken(row.clone()), "tokens create", &name)?;
        Ok((token, row))
    }

    /// Makes a token useless; whose it was.
    ///
    /// # Errors
    /// [`RegisterError`]
    pub fn revoke_token(&self, digest: [u8; 32]) -> Result<String, RegisterError> {
        let _changing = self.change();
        let token = self.repository.token(&digest)?.ok_or(RegisterError::UnknownToken)?;
        if let Some(user) = self.repository.user(&token.user)? {
            self.keep_an_admin(&user, Some(&user), Some(digest))?;
        }
        self.commit(Change::RemoveToken(digest), "tokens revoke", &token.user)?;
        Ok(token.user)
    }

    /// The last lines of the audit log, newest first; at most 100 000.
    ///
    /// # Errors
    /// [`RegisterError::Records`]
    pub fn audit(&self, limit: usize) -> Result<Vec<AuditRow>, RegisterError> {
        Ok(self.repository.audit(limit.min(AUDIT_LIMIT))?)
    }
}

/// Whether a user is an admin who can log in, with a password or one of `tokens`.
fn is_admin(row: &UserRow, tokens: &[TokenRow]) -> bool {
    let opens = |token: &TokenRow| {
        let is_theirs = fold_case(&token.user) == fold_case(&row.name);
        is_theirs && token.expires_ms.is_none_or(|end_ms| now_ms() < end_ms)
    };
    row.is_enabled
        && row.roles.iter().any(|role| role == Role::Admin.name())
        && (row.password_hash.is_some() || tokens.iter().any(opens))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::{SqliteOptions, SqliteRepository};

    fn register(folder: &tempfile::TempDir) -> Register {
        let path = folder.path().join("records.sqlite");
        Register::new(Arc::new(SqliteRepository::open(&path, SqliteOptions::default()).unwrap()))
    }

    fn add(register: &Register, name: &str, role: Role) {
        let password = Some("correct horse");
        register.add(NewUser { name, password, role, may_download: false, created_ms: 1 }).unwrap();
    }

    fn add_without_password(register: &Register, name: &str) {
        let (password, role) = (None, Role::Admin);
        register.add(NewUser { name, password, role, may_download: false, created_ms: 1 }).unwrap();
    }

    #[test]
    fn an_admin_who_can_log_in_always_remains() {
        let folder = tempfile::tempdir().unwrap();
        let register = register(&folder);
        add(&register, "anna", Role::Admin);
        add(&register, "bert", Role::Viewer);
        let lock = UserUpdate { is_enabled: Some(false), ..UserUpdate::default() };
        let demote = UserUpdate { role: Some(Role::Operator), ..UserUpdate::default() };
        for update in [lock, demote] {
            assert!(matches!(register.update("Anna", update), Err(RegisterError::LastAdmin { .. })));
        }
        assert!(matches!(register.remove("anna"), Err(RegisterError::LastAdmin { .. })));
        register.update("bert", UserUpdate { role: Some(Role::Admin), ..UserUpdate::default() }).unwrap();
        register.update("ANNA", lock).unwrap();
        assert!(
            matches!(register.remove("bert"), Err(RegisterError::LastAdmin { .. })),
            "the other is locked"
        );
        register.remove("anna").unwrap();
        assert!(matches!(register.remove("anna"), Err(RegisterError::UnknownUser { .. })));
    }

    #[test]
    fn an_admin_whom_nothing_lets_in_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let register = register(&folder);
        add(&register, "anna", Role::Admin);
        add_without_password(&register, "bert");
        let is_last =
            |result: Result<(), RegisterError>| matches!(result, Err(RegisterError::LastAdmin { .. }));
        assert!(is_last(register.remove("anna")), "bert cannot log in");
        let soon = SystemTime::now() + std::time::Duration::from_millis(50);
        register.create_token("bert", "short", Some(soon)).unwrap();
        while SystemTime::now() <= soon {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert!(is_last(register.remove("anna")), "bert's token has ended");
        let (_, first) = register.create_token("bert", "first", None).unwrap();
        register.remove("anna").unwrap();
        assert!(is_last(register.revoke_token(first.digest).map(drop)), "bert has no other way in");
        assert!(is_last(register.remove("bert")));
        register.create_token("bert", "second", None).unwrap();
        assert_eq!(register.revoke_token(first.digest).unwrap(), "bert");
    }

    #[test]
    fn what_the_owner_does_and_the_line_about_it_are_kept_together_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records.sqlite");
        let repository = Arc::new(SqliteRepository::open(&path, SqliteOptions::default()).unwrap());
        let register = Register::of_owner(repository, ());
        add(&register, "anna", Role::Admin);
        let other = rusqlite::Connection::open(&path).unwrap();
        let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END";
        other.execute_batch(refuse).unwrap();
        let bert =
            NewUser { name: "bert", password: None, role: Role::Viewer, may_download: false, created_ms: 1 };
        assert!(matches!(register.add(bert), Err(RegisterError::Records(_))));
        assert_eq!(register.users().unwrap().len(), 1);
        other.execute_batch("DROP TRIGGER refuse").unwrap();
        let (_, row) = register.create_token("ANNA", "laptop", None).unwrap();
        register.revoke_token(row.digest).unwrap();
        register.update("anna", UserUpdate { may_download: Some(true), ..UserUpdate::default() }).unwrap();
        add(&register, "bert", Role::Viewer);
        register.remove("Bert").unwrap();
        let told: Vec<(String, String)> =
            register.audit(100).unwrap().into_iter().rev().map(|line| (line.action, line.object)).collect();
        let expected = [
            ("users add", "anna"),
            ("tokens create", "anna"),
            ("tokens revoke", "anna"),
            ("users update", "anna"),
            ("users add", "bert"),
            ("users remove", "bert"),
        ];
        assert_eq!(told, expected.map(|(action, object)| (action.to_owned(), object.to_owned())));
    }

    #[test]
    fn an_update_leaves_alone_what_it_does_not_name() {
        let folder = tempfile::tempdir().unwrap();
        let register = register(&folder);
        let user = NewUser {
            name: "Anna",
            password: Some("correct horse"),
            role: Role::Viewer,
            may_download: true,
            created_ms: 7,
        };
        let before = register.add(user).unwrap();
        let update = UserUpdate { role: Some(Role::Operator), ..UserUpdate::default() };
        let after = register.update("anna", update).unwrap();
        assert_eq!(after, UserRow { roles: vec!["operator".to_owned()], ..before.clone() });
        assert_eq!(register.users().unwrap(), [after]);
        let short = UserUpdate { password: Some("short"), ..UserUpdate::default() };
        assert!(matches!(register.update("anna", short), Err(RegisterError::User(_))));
        let update = UserUpdate { password: Some("battery staple"), ..UserUpdate::default() };
        assert_ne!(register.update("anna", update).unwrap().password_hash, before.password_hash);
        let again =
            NewUser { name: "ANNA", password: None, role: Role::Admin, may_download: false, created_ms: 8 };
        assert!(matches!(register.add(again), Err(RegisterError::UserExists { .. })));
    }

    #[test]
    fn tokens_belong_to_users_and_go_with_them() {
        let folder = tempfile::tempdir().unwrap();
        let register = register(&folder);
        add(&register, "anna", Role::Admin);
        add(&register, "bert", Role::Viewer);
        let (token, row) = register.create_token("ANNA", "laptop", None).unwrap();
        register
            .create_token("bert", "ci", Some(SystemTime::now() + std::time::Duration::from_secs(60)))
            .unwrap();
        assert_eq!((row.digest, row.user.as_str()), (token.digest(), "anna"));
        let users = |of| -> Vec<String> {
            register.tokens(of).unwrap().into_iter().map(|token| token.user).collect()
        };
        assert_eq!(
            (users(None), users(Some("Bert"))),
            (vec!["anna".into(), "bert".into()], vec!["bert".into()])
        );
        register.remove("bert").unwrap();
        assert_eq!(users(None), ["anna"]);
        assert_eq!(register.revoke_token(row.digest).unwrap(), "anna");
        assert!(matches!(register.revoke_token(row.digest), Err(RegisterError::UnknownToken)));
        let past = Some(SystemTime::UNIX_EPOCH);
        assert!(matches!(register.create_token("anna", "", past), Err(RegisterError::Expired)));
        assert!(matches!(register.create_token("anna", "a\nb", None), Err(RegisterError::Label)));
        assert!(matches!(register.create_token("carl", "", None), Err(RegisterError::UnknownUser { .. })));
    }
}
