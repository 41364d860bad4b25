//! Users, tokens and the audit log.

use platform_api::proto::extension::access_client::AccessClient;
use platform_api::proto::extension::{
    AddUserRequest, CreateTokenRequest, ListTokensRequest, ListUsersRequest, ReadAuditRequest,
    RemoveUserRequest, RevokeTokenRequest, Role, UpdateUserRequest,
};
use tonic::Code;
use tonic::transport::Channel;

use crate::server::*;

fn client(server: &TestServer) -> AccessClient<Channel> {
    AccessClient::new(server.channel.clone())
}

fn user(name: &str, role: Role) -> AddUserRequest {
    let (name, password) = (name.to_owned(), Some("correct horse".to_owned()));
    AddUserRequest { name, password, role: role.into(), may_download: false }
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_added_changed_and_removed() {
    let server = start().await;
    let mut access = client(&server);
    let added = access.add_user(user("Anna", Role::Admin)).await.unwrap().into_inner();
    assert!(added.enabled && added.has_password && !added.may_download && added.created.is_some());
    access.add_user(user("bert", Role::Viewer)).await.unwrap();
    let update = UpdateUserRequest {
        name: "BERT".to_owned(),
        role: Some(Role::Operator.into()),
        may_download: Some(true),
        ..Default::default()
    };
    let updated = access.update_user(update).await.unwrap().into_inner();
    assert_eq!((updated.role(), updated.may_download, updated.has_password), (Role::Operator, true, true));
    let users = access.list_users(ListUsersRequest {}).await.unwrap().into_inner().users;
    assert_eq!(users.iter().map(|user| user.name.as_str()).collect::<Vec<_>>(), ["Anna", "bert"]);
    access.remove_user(RemoveUserRequest { name: "Bert".to_owned() }).await.unwrap();
    assert_eq!(access.list_users(ListUsersRequest {}).await.unwrap().into_inner().users.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn users_that_cannot_be_are_refused() {
    let server = start().await;
    let mut access = client(&server);
    access.add_user(user("anna", Role::Admin)).await.unwrap();
    for (request, code) in [
        (user("ANNA", Role::Viewer), Code::AlreadyExists),
        (user("a:b", Role::Viewer), Code::InvalidArgument),
        (user("bert", Role::Unspecified), Code::InvalidArgument),
        (
            AddUserRequest { password: Some("short".to_owned()), ..user("bert", Role::Viewer) },
            Code::InvalidArgument,
        ),
    ] {
        assert_eq!(access.add_user(request).await.unwrap_err().code(), code);
    }
    let nobody = access.remove_user(RemoveUserRequest { name: "bert".to_owned() }).await;
    assert_eq!(nobody.unwrap_err().code(), Code::NotFound);
    let last = access.remove_user(RemoveUserRequest { name: "anna".to_owned() }).await;
    assert_eq!(last.unwrap_err().code(), Code::FailedPrecondition);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_shown_once_listed_without_its_secret_and_revoked() {
    let server = start().await;
    let mut access = client(&server);
    access.add_user(user("anna", Role::Admin)).await.unwrap();
    let request = CreateTokenRequest { user: "anna".to_owned(), label: "laptop".to_owned(), expires: None };
    let made = access.create_token(request).await.unwrap().into_inner();
    assert!(made.secret.starts_with("lantern_"));
    let tokens = access.list_tokens(ListTokensRequest::default()).await.unwrap().into_inner().tokens;
    assert_eq!(tokens, [made.token.unwrap()]);
    let token_id = tokens[0].token_id.clone();
    access.revoke_token(RevokeTokenRequest { token_id: token_id.clone() }).await.unwrap();
    let again = access.revoke_token(RevokeTokenRequest { token_id }).await.unwrap_err();
    assert_eq!(again.code(), Code::NotFound);
    let malformed = access.revoke_token(RevokeTokenRequest { token_id: "x".to_owned() }).await.unwrap_err();
    assert_eq!(malformed.code(), Code::InvalidArgument);
    let of_nobody = ListTokensRequest { user: "bert".to_owned() };
    assert_eq!(access.list_tokens(of_nobody).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_audit_log_is_an_empty_stream() {
    let server = start().await;
    let lines = client(&server).read_audit(ReadAuditRequest { limit: 10 }).await.unwrap();
    assert_eq!(all(lines).await, []);
}
