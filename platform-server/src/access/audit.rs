//! The audit log: who asked for what, on what, and how it ended.
//!
//! Lines go to the repository with the changes of their time. They hold no passwords, no tokens and no content; a
//! name that nobody has is not written down either, because people type passwords into the wrong field.

use std::sync::{Arc, Mutex, PoisonError};

use http::Extensions;
use platform_api::code::ErrorCode;
use tonic::Code;

use super::gate::now_ms;
use crate::repository::{AuditRow, Change, Repository};

/// Longer texts are cut: they come from outside.
const TEXT_LIMIT_BYTES: usize = 256;

/// Writes lines.
#[derive(Clone)]
pub struct AuditLog {
    repository: Arc<dyn Repository>,
}

impl AuditLog {
    /// Into `repository`.
    pub fn new(repository: Arc<dyn Repository>) -> Self {
        Self { repository }
    }

    /// Writes one line, soon. A line that cannot be written is told to the log of the program.
    ///
    /// Must be called on a runtime.
    pub fn write(&self, user: &str, action: &str, object: &str, outcome: &str) {
        let row = AuditRow {
            at_ms: now_ms(),
            user: cut(user),
            action: cut(action),
            object: cut(object),
            outcome: cut(outcome),
        };
        let receipt = self.repository.commit(vec![Change::Audit(row)]);
        tokio::spawn(async move {
            if let Err(error) = receipt.await {
                tracing::error!(error = &error as &dyn std::error::Error, "a line of the audit log is lost");
            }
        });
    }
}

/// What a service adds to the line of its call. In the extensions of every request that is audited.
#[derive(Debug, Clone, Default)]
pub struct AuditNote(Arc<Mutex<Note>>);

tokio::task_local! {
    /// The note of the call at hand: services say what it is about where they read its identifier.
    static CURRENT: AuditNote;
}

#[derive(Debug, Default)]
struct Note {
    object: String,
    refused: Option<ErrorCode>,
}

impl AuditNote {
    /// The note of a request, if its call is audited.
    pub fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// Runs a call that this is the note of.
    pub(super) async fn scope<F: Future>(self, call: F) -> F::Output {
        CURRENT.scope(self, call).await
    }

    /// The note of the call at hand, if it is audited. Streams of answers are made after the call: ask before.
    pub(crate) fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Says what the call at hand is about, by identifier or name.
    pub(crate) fn about(object: impl std::fmt::Display) {
        if let Some(note) = Self::current() {
            note.set_object(object);
        }
    }

    /// Says what the call is about, by identifier.
    pub fn set_object(&self, object: impl std::fmt::Display) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).object = object.to_string();
    }

    /// Says that the answer is a refusal, though gRPC calls it a success.
    pub fn set_refused(&self, code: ErrorCode) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).refused = Some(code);
    }

    /// Object and outcome of a call that ended with `code`.
    pub(super) fn end(&self, code: Code) -> (String, String) {
        let note = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = match note.refused {
            Some(code) => format!("refused {code}"),
            None => outcome(code),
        };
        (note.object.clone(), outcome)
    }
}

/// The word for how a call ended.
pub(super) fn outcome(code: Code) -> String {
    if code == Code::Ok { "done".to_owned() } else { format!("{code:?}") }
}

fn cut(text: &str) -> String {
    let mut end = text.len().min(TEXT_LIMIT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
