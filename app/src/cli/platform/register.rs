//! Users, tokens and the audit log: of a server that runs, or of the folder of one that does not.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use platform_client::access::{Access, AuditLine, NewUser, Token, User, UserUpdate};
use platform_client::role::Role;

use platform_server::access as server;
use platform_server::access::Register;
use platform_server::config::Config;
use platform_server::platform::{millis, system_time};
use platform_server::repository::{AuditRow, TokenRow, UserRow};
use platform_server::server::{StartError, open_audit, open_register};

use super::connect::Target;
use crate::cli::wrong_settings;

/// Where users are kept.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Place {
    /// Folder of a server that does not run, instead of a server: how its owner makes the first admin
    #[arg(long, value_name = "DIR", global = true, conflicts_with_all = ["server", "profile"])]
    data: Option<PathBuf>,

    /// What that server is given as --config, where it is: it says which database its users are in
    #[arg(long, value_name = "FILE", global = true, requires = "data")]
    settings: Option<PathBuf>,

    // Last, because options that follow it would stand under its heading.
    #[command(flatten)]
    pub(super) target: Target,
}

/// An open one.
pub(super) enum Users {
    Remote { access: Access },
    Local { register: Arc<Register> },
}

impl Place {
    /// Opens it, to change who may log in.
    pub(super) async fn open(&self) -> anyhow::Result<Users> {
        self.open_with(open_register).await
    }

    /// Opens it, to see who did what.
    pub(super) async fn open_audit(&self) -> anyhow::Result<Users> {
        self.open_with(open_audit).await
    }

    async fn open_with(&self, open: fn(&Config) -> Result<Register, StartError>) -> anyhow::Result<Users> {
        let Some(data) = self.data.clone() else {
            return Ok(Users::Remote { access: self.target.client()?.access() });
        };
        let settings = self.settings.as_deref().map_or_else(|| Ok(Config::default()), Config::read);
        let config = Config { data, ..settings.map_err(wrong_settings)? };
        let opened = tokio::task::spawn_blocking(move || open(&config));
        Ok(Users::Local { register: Arc::new(opened.await??) })
    }
}

/// Works on the records away from the runtime's own threads.
async fn locally<T: Send + 'static>(
    register: &Arc<Register>,
    work: impl FnOnce(&Register) -> Result<T, server::RegisterError> + Send + 'static,
) -> anyhow::Result<T> {
    let register = Arc::clone(register);
    Ok(tokio::task::spawn_blocking(move || work(&register)).await??)
}

impl Users {
    pub(super) async fn list(&self) -> anyhow::Result<Vec<User>> {
        match self {
            Self::Remote { access } => Ok(access.users().await?),
            Self::Local { register } => {
                let rows = locally(register, Register::users).await?;
                Ok(rows.into_iter().map(user).collect())
            }
        }
    }

    pub(super) async fn add(&self, new: NewUser) -> anyhow::Result<User> {
        match self {
            Self::Remote { access } => Ok(access.add_user(new).await?),
            Self::Local { register } => {
                let added = locally(register, move |register| {
                    register.add(server::NewUser {
                        name: &new.name,
                        password: new.password.as_deref(),
                        role: new.role,
                        may_download: new.may_download,
                        created_ms: millis(SystemTime::now()),
                    })
                });
                added.await.map(user)
            }
        }
    }

    pub(super) async fn update(&self, name: &str, update: UserUpdate) -> anyhow::Result<User> {
        match self {
            Self::Remote { access } => Ok(access.update_user(name, update).await?),
            Self::Local { register } => {
                let name = name.to_owned();
                let updated = locally(register, move |register| {
                    let UserUpdate { password, role, may_download, is_enabled } = &update;
                    let (password, role) = (password.as_deref(), *role);
                    let (may_download, is_enabled) = (*may_download, *is_enabled);
                    register.update(&name, server::UserUpdate { password, role, may_download, is_enabled })
                });
                updated.await.map(user)
            }
        }
    }

    pub(super) async fn remove(&self, name: &str) -> anyhow::Result<()> {
        match self {
            Self::Remote { access } => Ok(access.remove_user(name).await?),
            Self::Local { register } => {
                let name = name.to_owned();
                locally(register, move |register| register.remove(&name)).await
            }
        }
    }

    pub(super) async fn tokens(&self, of: Option<String>) -> anyhow::Result<Vec<Token>> {
        match self {
            Self::Remote { access } => Ok(access.tokens(of.as_deref()).await?),
            Self::Local { register } => {
                let rows = locally(register, move |register| register.tokens(of.as_deref())).await?;
                Ok(rows.into_iter().map(token).collect())
            }
        }
    }

    pub(super) async fn create_token(
        &self,
        name: String,
        label: String,
        expires: Option<SystemTime>,
    ) -> anyhow::Result<(Token, String)> {
        match self {
            Self::Remote { access } => Ok(access.create_token(&name, &label, expires).await?),
            Self::Local { register } => {
                let made = locally(register, move |register| register.create_token(&name, &label, expires));
                let (secret, row) = made.await?;
                Ok((token(row), secret.reveal()))
            }
        }
    }

    pub(super) async fn revoke_token(&self, of: &Token) -> anyhow::Result<()> {
        match self {
            Self::Remote { access } => Ok(access.revoke_token(&of.id).await?),
            Self::Local { register } => {
                let id = of.id.clone();
                let revoked = locally(register, move |register| {
                    let digest = server::parse_digest(&id).ok_or(server::RegisterError::UnknownToken)?;
                    register.revoke_token(digest)
                });
                revoked.await.map(drop)
            }
        }
    }

    pub(super) async fn audit(&self, limit: u32) -> anyhow::Result<Vec<AuditLine>> {
        match self {
            Self::Remote { access } => {
                let mut stream = access.audit(limit).await?;
                let mut lines = Vec::new();
                while let Some(line) = stream.next().await? {
                    lines.push(line);
                }
                Ok(lines)
            }
            Self::Local { register } => {
                let limit = usize::try_from(limit).unwrap_or(usize::MAX);
                let rows = locally(register, move |register| register.audit(limit)).await?;
                Ok(rows.into_iter().map(audit_line).collect())
            }
        }
    }
}

fn user(row: UserRow) -> User {
    User {
        role: row.roles.iter().filter_map(|name| Role::from_name(name)).max(),
        name: row.name,
        may_download: row.may_download,
        is_enabled: row.is_enabled,
        has_password: row.password_hash.is_some(),
        created: Some(system_time(row.created_ms)),
    }
}

fn token(row: TokenRow) -> Token {
    Token {
        id: server::digest_text(&row.digest),
        user: row.user,
        label: row.label,
        created: Some(system_time(row.created_ms)),
        expires: row.expires_ms.map(system_time),
    }
}

fn audit_line(row: AuditRow) -> AuditLine {
    let AuditRow { at_ms, user, action, object, outcome } = row;
    AuditLine { time: Some(system_time(at_ms)), user, action, object, outcome }
}
