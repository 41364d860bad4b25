//! The gate in front of all services.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::AUTHORIZATION;
use http::{Request, Response};
use tonic::{Code, Status};
use tower_service::Service;

use super::audit::{AuditLog, AuditNote, outcome};
use super::gate::{Denied, Gate};
use super::outcome::watch;
use super::peer::Peer;

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
            let admitted = gate.admit(path, peer, authorization.as_ref().map(|value| value.as_bytes())).await;
            let (caller, right) = match admitted {
                Ok(admitted) => admitted,
                Err(denied) => {
                    if let Some(audit) = &audit {
                        note_denial(audit, path, peer, &denied);
                    }
                    let mut answer = status(&denied).into_http();
                    // For those who count.
                    answer.extensions_mut().insert(denied);
                    return Ok(answer);
                }
            };
            let audited = audit.filter(|_| right.is_audited).map(|audit| {
                let note = AuditNote::default();
                request.extensions_mut().insert(note.clone());
                let user = Arc::clone(&caller.user);
                move |code: Code| {
                    let (object, outcome) = note.end(code);
                    audit.write(&user, right.path, &object, &outcome);
                }
            });
            request.extensions_mut().insert(caller);
            let answer = inner.call(request).await?;
            Ok(match audited {
                Some(told) => watch(answer, told),
                None => answer,
            })
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

fn status(denied: &Denied) -> Status {
    let code = match denied {
        Denied::NoSuchCall => Code::Unimplemented,
        Denied::NotLoggedIn | Denied::WrongCredentials { .. } => Code::Unauthenticated,
        Denied::TooManyFailures { .. } | Denied::Busy => Code::ResourceExhausted,
        Denied::RoleTooWeak { .. } | Denied::NoDownloads { .. } => Code::PermissionDenied,
        Denied::Unavailable => Code::Unavailable,
    };
    Status::new(code, denied.to_string())
}
