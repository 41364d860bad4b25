//! Users, tokens and the audit log of our own servers. For admins.

use std::fmt;
use std::time::SystemTime;

use platform_api::convert::ConvertError;
use platform_api::convert::extension::{system_time, timestamp};
use platform_api::proto::extension as wire_messages;
use platform_api::proto::extension::access_client::AccessClient;
use platform_api::role::Role;
use tonic::transport::Channel;

use crate::connection::{Client, MAX_MESSAGE_BYTES, Messages};
use crate::error::ClientError;
use crate::wire;

/// Somebody who may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// What the user may do; none for a role that this client does not know.
    pub role: Option<Role>,
    /// Whether payloads may be downloaded.
    pub may_download: bool,
    /// Whether the user may log in.
    pub is_enabled: bool,
    /// Whether there is a password, or tokens only.
    pub has_password: bool,
    /// When the user was made.
    pub created: Option<SystemTime>,
}

/// Somebody to be added.
#[derive(Clone)]
pub struct NewUser {
    /// The name.
    pub name: String,
    /// The password; none for users with tokens only.
    pub password: Option<String>,
    /// What the user may do.
    pub role: Role,
    /// Whether payloads may be downloaded.
    pub may_download: bool,
}

/// Passwords stay out of logs.
impl fmt::Debug for NewUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewUser").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}

/// What becomes different about a user; what is none stays.
#[derive(Clone, Default)]
pub struct UserUpdate {
    /// A new password.
    pub password: Option<String>,
    /// What the user may do.
    pub role: Option<Role>,
    /// Whether payloads may be downloaded.
    pub may_download: Option<bool>,
    /// Whether the user may log in.
    pub is_enabled: Option<bool>,
}

/// A token, without what opens doors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// SHA-256 of the token, in hexadecimal.
    pub id: String,
    /// Whose it is.
    pub user: String,
    /// What it is for.
    pub label: String,
    /// When it was made.
    pub created: Option<SystemTime>,
    /// When it ends, if ever.
    pub expires: Option<SystemTime>,
}

/// A line of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLine {
    /// When.
    pub time: Option<SystemTime>,
    /// Who; empty where nobody was logged in.
    pub user: String,
    /// What was asked for.
    pub action: String,
    /// On what.
    pub object: String,
    /// How it ended.
    pub outcome: String,
}

/// Lines of the audit log, newest first.
#[derive(Debug)]
pub struct AuditStream {
    messages: Messages<wire_messages::AuditLine>,
}

const READ_AUDIT: &str = "Access.ReadAudit";

impl AuditStream {
    /// The next line; `None` at the end.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn next(&mut self) -> Result<Option<AuditLine>, ClientError> {
        let Some(line) = self.messages.next().await? else { return Ok(None) };
        Ok(Some(AuditLine {
            time: wire::converted(READ_AUDIT, system_time(line.time))?,
            user: line.user,
            action: line.action,
            object: line.object,
            outcome: line.outcome,
        }))
    }
}

/// Users, tokens and the audit log.
#[derive(Debug, Clone)]
pub struct Access {
    client: Client,
}

impl Access {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    fn stub(&self) -> AccessClient<Channel> {
        AccessClient::new(self.client.channel()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// All users, by name.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn users(&self) -> Result<Vec<User>, ClientError> {
        const CALL: &str = "Access.ListUsers";
        let stub = self.stub();
        let send = |message| {
            let mut stub = stub.clone();
            async move { stub.list_users(message).await }
        };
        let answer = self.client.read(CALL, &wire_messages::ListUsersRequest {}, send).await?;
        answer.users.into_iter().map(|message| wire::converted(CALL, user(message))).collect()
    }

    /// Adds a user.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::PlainTextCredentials`] where the password would cross a network in plain text.
    pub async fn add_user(&self, new: NewUser) -> Result<User, ClientError> {
        const CALL: &str = "Access.AddUser";
        self.keep_secrets(new.password.is_some())?;
        let NewUser { name, password, role, may_download } = new;
        let role = wire_messages::Role::from(role).into();
        let message = wire_messages::AddUserRequest { name, password, role, may_download };
        let mut stub = self.stub();
        let answer = self.client.change(CALL, message, async move |m| stub.add_user(m).await).await?;
        wire::converted(CALL, user(answer))
    }

    /// Changes a user.
    ///
    /// # Errors
    /// As [`Access::add_user`].
    pub async fn update_user(&self, name: &str, update: UserUpdate) -> Result<User, ClientError> {
        const CALL: &str = "Access.UpdateUser";
        self.keep_secrets(update.password.is_some())?;
        let message = wire_messages::UpdateUserRequest {
            name: name.to_owned(),
            password: update.password,
            role: update.role.map(|role| wire_messages::Role::from(role).into()),
            may_download: update.may_download,
            enabled: update.is_enabled,
        };
        let mut stub = self.stub();
        let answer = self.client.change(CALL, message, async move |m| stub.update_user(m).await).await?;
        wire::converted(CALL, user(answer))
    }

    /// Removes a user with all tokens.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn remove_user(&self, name: &str) -> Result<(), ClientError> {
        let message = wire_messages::RemoveUserRequest { name: name.to_owned() };
        let mut stub = self.stub();
        let call = "Access.RemoveUser";
        self.client.change(call, message, async move |m| stub.remove_user(m).await).await.map(drop)
    }

    /// All tokens, or those of one user.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn tokens(&self, user: Option<&str>) -> Result<Vec<Token>, ClientError> {
        const CALL: &str = "Access.ListTokens";
        let stub = self.stub();
        let send = |message| {
            let mut stub = stub.clone();
            async move { stub.list_tokens(message).await }
        };
        let message = wire_messages::ListTokensRequest { user: user.unwrap_or_default().to_owned() };
        let answer = self.client.read(CALL, &message, send).await?;
        answer.tokens.into_iter().map(|message| wire::converted(CALL, token(message))).collect()
    }

    /// Makes a token, and the text of it that its user keeps.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::PlainTextCredentials`] where the token would cross a network in plain text.
    pub async fn create_token(
        &self,
        user: &str,
        label: &str,
        expires: Option<SystemTime>,
    ) -> Result<(Token, String), ClientError> {
        const CALL: &str = "Access.CreateToken";
        self.keep_secrets(true)?;
        let (user, label) = (user.to_owned(), label.to_owned());
        let message = wire_messages::CreateTokenRequest { user, label, expires: timestamp(expires) };
        let mut stub = self.stub();
        let answer = self.client.change(CALL, message, async move |m| stub.create_token(m).await).await?;
        let made = answer.token.ok_or_else(|| ClientError::protocol(CALL, "it names no token"))?;
        Ok((wire::converted(CALL, token(made))?, answer.secret))
    }

    /// Makes a token useless.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn revoke_token(&self, id: &str) -> Result<(), ClientError> {
        let message = wire_messages::RevokeTokenRequest { token_id: id.to_owned() };
        let mut stub = self.stub();
        let call = "Access.RevokeToken";
        self.client.change(call, message, async move |m| stub.revoke_token(m).await).await.map(drop)
    }

    /// The last lines of the audit log, newest first.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn audit(&self, limit: u32) -> Result<AuditStream, ClientError> {
        let message = wire_messages::ReadAuditRequest { limit };
        let mut stub = self.stub();
        let messages = self.client.open(READ_AUDIT, message, async move |m| stub.read_audit(m).await).await?;
        Ok(AuditStream { messages })
    }

    fn keep_secrets(&self, has_secret: bool) -> Result<(), ClientError> {
        if has_secret && !self.client.keeps_secrets() {
            return Err(ClientError::PlainTextCredentials { server: self.client.server_name().to_owned() });
        }
        Ok(())
    }
}

fn user(message: wire_messages::User) -> Result<User, ConvertError> {
    Ok(User {
        name: message.name,
        role: Role::from_wire(message.role),
        may_download: message.may_download,
        is_enabled: message.enabled,
        has_password: message.has_password,
        created: system_time(message.created)?,
    })
}

fn token(message: wire_messages::Token) -> Result<Token, ConvertError> {
    Ok(Token {
        id: message.token_id,
        user: message.user,
        label: message.label,
        created: system_time(message.created)?,
        expires: system_time(message.expires)?,
    })
}
