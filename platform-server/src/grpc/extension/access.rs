//! Users, tokens and the audit log, for admins.

use std::time::SystemTime;

use futures_util::stream;
use platform_api::code;
use platform_api::convert::ConvertError;
use platform_api::convert::extension::{system_time, timestamp};
use platform_api::header::Refusal;
use platform_api::proto::extension as wire;
use platform_api::proto::extension::access_server::Access;
use platform_api::role::Role;
use tonic::{Request, Response, Status};

use crate::access::{AuditNote, NewUser, Register, RegisterError, UserUpdate};
use crate::grpc::lifetime::Lifetime;
use crate::grpc::reply::Replies;
use crate::grpc::{Service, status};
use crate::platform::{millis, system_time as time_of};
use crate::repository::{AuditRow, TokenRow, UserRow};

/// Lines of the audit log that are sent where nobody says how many.
const AUDIT_LINES: usize = 100;

impl Service {
    async fn users<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Register) -> Result<T, RegisterError> + Send + 'static,
    ) -> Result<T, Status> {
        self.platform.users(work).await.map_err(|refusal| status(&refusal))
    }
}

#[tonic::async_trait]
impl Access for Service {
    async fn list_users(
        &self,
        _: Request<wire::ListUsersRequest>,
    ) -> Result<Response<wire::ListUsersResponse>, Status> {
        let users = self.users(Register::users).await?;
        Ok(Response::new(wire::ListUsersResponse { users: users.iter().map(user).collect() }))
    }

    async fn add_user(&self, request: Request<wire::AddUserRequest>) -> Result<Response<wire::User>, Status> {
        AuditNote::about(&request.get_ref().name);
        let message = request.into_inner();
        let role = role(message.role)?;
        let added = self.users(move |register| {
            register.add(NewUser {
                name: &message.name,
                password: message.password.as_deref(),
                role,
                may_download: message.may_download,
                created_ms: millis(SystemTime::now()),
            })
        });
        Ok(Response::new(user(&added.await?)))
    }

    async fn update_user(
        &self,
        request: Request<wire::UpdateUserRequest>,
    ) -> Result<Response<wire::User>, Status> {
        AuditNote::about(&request.get_ref().name);
        let message = request.into_inner();
        let role = message.role.map(role).transpose()?;
        let updated = self.users(move |register| {
            let update = UserUpdate {
                password: message.password.as_deref(),
                role,
                may_download: message.may_download,
                is_enabled: message.enabled,
            };
            register.update(&message.name, update)
        });
        Ok(Response::new(user(&updated.await?)))
    }

    async fn remove_user(
        &self,
        request: Request<wire::RemoveUserRequest>,
    ) -> Result<Response<wire::RemoveUserResponse>, Status> {
        AuditNote::about(&request.get_ref().name);
        let name = request.into_inner().name;
        self.users(move |register| register.remove(&name)).await?;
        Ok(Response::new(wire::RemoveUserResponse {}))
    }

    async fn list_tokens(
        &self,
        request: Request<wire::ListTokensRequest>,
    ) -> Result<Response<wire::ListTokensResponse>, Status> {
        let name = request.into_inner().user;
        let of = move |register: &Register| register.tokens((!name.is_empty()).then_some(&name));
        let tokens = self.users(of).await?;
        Ok(Response::new(wire::ListTokensResponse { tokens: tokens.iter().map(token).collect() }))
    }

    async fn create_token(
        &self,
        request: Request<wire::CreateTokenRequest>,
    ) -> Result<Response<wire::CreateTokenResponse>, Status> {
        AuditNote::about(&request.get_ref().user);
        let wire::CreateTokenRequest { user, label, expires } = request.into_inner();
        let malformed = |error: ConvertError| status(&Refusal::from_error(code::TOKEN_INVALID, &error));
        let expires = system_time(expires).map_err(malformed)?;
        let made = self.users(move |register| register.create_token(&user, &label, expires));
        let (secret, row) = made.await?;
        Ok(Response::new(wire::CreateTokenResponse { token: Some(token(&row)), secret: secret.reveal() }))
    }

    async fn revoke_token(
        &self,
        request: Request<wire::RevokeTokenRequest>,
    ) -> Result<Response<wire::RevokeTokenResponse>, Status> {
        let digest = crate::access::parse_digest(&request.get_ref().token_id);
        let digest = digest.ok_or_else(|| {
            status(&Refusal::new(code::TOKEN_INVALID, "a token is named by 64 hexadecimal digits"))
        })?;
        let user = self.users(move |register| register.revoke_token(digest)).await?;
        AuditNote::about(user);
        Ok(Response::new(wire::RevokeTokenResponse {}))
    }

    type ReadAuditStream = Replies<wire::AuditLine>;

    async fn read_audit(
        &self,
        request: Request<wire::ReadAuditRequest>,
    ) -> Result<Response<Self::ReadAuditStream>, Status> {
        let lifetime = Lifetime::of(&request, &self.stop);
        let limit = match request.get_ref().limit {
            0 => AUDIT_LINES,
            limit => usize::try_from(limit).unwrap_or(usize::MAX),
        };
        let lines = self.platform.audit(limit).await.map_err(|refusal| status(&refusal))?;
        Ok(Response::new(lifetime.bound(stream::iter(lines.into_iter().map(|row| Ok(audit_line(row)))))))
    }
}

fn role(number: i32) -> Result<Role, Status> {
    let refused = || status(&Refusal::new(code::USER_INVALID, format!("`{number}` is no role of a user")));
    Role::from_wire(number).ok_or_else(refused)
}

fn user(row: &UserRow) -> wire::User {
    // Roles of later versions are unknown here and give nothing.
    let role = row.roles.iter().filter_map(|name| Role::from_name(name)).max();
    wire::User {
        name: row.name.clone(),
        role: role.map_or(wire::Role::Unspecified, wire::Role::from).into(),
        may_download: row.may_download,
        enabled: row.is_enabled,
        has_password: row.password_hash.is_some(),
        created: timestamp(time_of(row.created_ms)),
    }
}

fn token(row: &TokenRow) -> wire::Token {
    wire::Token {
        token_id: crate::access::digest_text(&row.digest),
        user: row.user.clone(),
        label: row.label.clone(),
        created: timestamp(time_of(row.created_ms)),
        expires: timestamp(row.expires_ms.map(time_of)),
    }
}

fn audit_line(row: AuditRow) -> wire::AuditLine {
    wire::AuditLine {
        time: timestamp(time_of(row.at_ms)),
        user: row.user,
        action: row.action,
        object: row.object,
        outcome: row.outcome,
    }
}
