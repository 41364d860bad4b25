//! The gate in front of all services.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use platform_api::code;
use platform_api::header::Refusal;
use platform_api::proto::clara::ClaraStopResponse;
use prost::Message as _;
use tonic::{Code, Status};
use tower_service::Service;

use super::audit::{AuditLog, AuditNote, outcome};
use super::gate::{Admitted, Denied, Gate};
use super::outcome::watch;
use super::peer::Peer;
use super::standing::Standing;

type Answer = Response<tonic::body::Body>;

/// Services behind a gate: each call is judged before they see it, and told to the audit log where it changes
/// something. Requests that no listener has marked with a [`Peer`] are refused.
#[derive(Clone)]
pub struct Guarded<S> {
    inner: S,
    gate: Arc<Gate>,
    audit: Option<AuditLog>,
}

impl<S> Guarded<S> {
    /// Puts a gate in front of `inner`.
    pub fn new(inner: S, gate: Arc<Gate>, audit: Option<AuditLog>) -> Self {
        Self { inner, gate, audit }
    }
}

impl<S, B> Service<Request<B>> for Guarded<S>
where
    S: Service<Request<B>, Response = Answer, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = Answer;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The clone that was polled for readiness goes with the call.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let (gate, audit) = (Arc::clone(&self.gate), self.audit.clone());
        Box::pin(async move {
            let Some(peer) = request.extensions().get::<Peer>().copied() else {
                return Ok(Status::permission_denied("this connection has no origin").into_http());
            };
            // Credentials go no further than this.
            let authorization = request.headers_mut().remove(AUTHORIZATION);
            let path = request.uri().path();
            let judged = gate.judge(path, peer, authorization.as_ref().map(|value| value.as_bytes())).await;
            let Admitted { caller, right, proof } = match judged {
                Ok(admitted) => admitted,
                Err(denied) => {
                    if let Some(audit) = &audit {
                        note_denial(audit, path, peer, &denied);
                    }
                    let mut answer = answer(peer, &denied);
                    // For those who count.
                    answer.extensions_mut().insert(denied);
                    return Ok(answer);
                }
            };
            let standing = proof.map(|proof| Standing { gate, peer, right, proof });
            let guard = |answer: Answer| match standing {
                Some(standing) => answer.map(|body| standing.guard(body)),
                None => answer,
            };
            let Some(audit) = audit.filter(|_| right.is_audited) else {
                request.extensions_mut().insert(caller);
                return inner.call(request).await.map(guard);
            };
            let (note, user) = (AuditNote::default(), Arc::clone(&caller.user));
            request.extensions_mut().insert(note.clone());
            request.extensions_mut().insert(caller);
            let answer = note.clone().scope(async move { inner.call(request).await }).await?;
            Ok(watch(guard(answer), move |code: Code| {
                let (object, outcome) = note.end(code);
                audit.write(&user, right.path, &object, &outcome);
            }))
        })
    }
}

/// Log-ins that failed and calls beyond a role are worth a line; what was refused unseen would only fill the disk.
fn note_denial(audit: &AuditLog, path: &str, peer: Peer, denied: &Denied) {
    let from = match peer {
        Peer::Network(address) | Peer::Legacy(address) => address.ip().to_string(),
        Peer::InProcess | Peer::Local => String::new(),
    };
    match denied {
        Denied::WrongCredentials { user } => {
            audit.write(
                user.as_deref().unwrap_or_default(),
                "log in",
                &from,
                &outcome(Code::Unauthenticated),
            );
        }
        Denied::RoleTooWeak { user, .. } | Denied::NoDownloads { user } => {
            audit.write(user, path, &from, &outcome(Code::PermissionDenied));
        }
        _ => {}
    }
}

/// Published clients take a gRPC error for a fault of the transport and try again; what they may not do is refused in
/// the header of an answer, which is field 1 of all of them.
fn answer(peer: Peer, denied: &Denied) -> Answer {
    if !matches!((peer, denied), (Peer::Legacy(_), Denied::RoleTooWeak { .. } | Denied::NoDownloads { .. })) {
        return status(denied).into_http();
    }
    let refusal = Refusal::new(code::NOT_PERMITTED, denied.to_string());
    let message = ClaraStopResponse { header: Some(refusal.into_header()) }.encode_to_vec();
    let mut frame = vec![0];
    frame.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    frame.extend_from_slice(&message);
    let ended = HeaderMap::from_iter([(Status::GRPC_STATUS, HeaderValue::from_static("0"))]);
    let body = Full::new(Bytes::from(frame)).with_trailers(std::future::ready(Some(Ok(ended))));
    let mut answer = Response::new(tonic::body::Body::new(body));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    answer
}

pub(super) fn status(denied: &Denied) -> Status {
    let code = match denied {
        Denied::NoSuchCall => Code::Unimplemented,
        Denied::NotLoggedIn | Denied::WrongCredentials { .. } => Code::Unauthenticated,
        Denied::TooManyFailures { .. } | Denied::Busy => Code::ResourceExhausted,
        Denied::RoleTooWeak { .. } | Denied::NoDownloads { .. } => Code::PermissionDenied,
        Denied::Unavailable => Code::Unavailable,
    };
    Status::new(code, denied.to_string())
}
