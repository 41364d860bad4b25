//! What can go wrong between the server and an executor; how runs end is in [`super::outcome`].

use std::io;
use std::path::PathBuf;

use super::RunToken;

/// What an executor could not do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum ExecutorError {
    #[error("`{text}` is not a run token of 32 lower-case hexadecimal digits")]
    BadToken { text: String },
    #[error("the run cannot be honoured: {reason}")]
    BadSpec { reason: String },
    #[error("no run `{token}` is known")]
    UnknownRun { token: RunToken },
    #[error("run `{token}` goes on")]
    StillRunning { token: RunToken },
    #[error(
        "runs need a sandbox, and `{program}` does not give one ({reason}); install bubblewrap or allow runs without it"
    )]
    SandboxUnavailable { program: String, reason: String },
    #[error("the container engine `{program}` cannot be used ({reason})")]
    EngineUnavailable { program: String, reason: String },
    #[error("another server runs operators from `{}`", .path.display())]
    InUse { path: PathBuf },
    #[error("this executor cannot give {what}")]
    Unsupported { what: String },
    #[error("cannot {action} `{}`", .path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("the bundle `{name}` is unusable: {reason}")]
    BadBundle { name: String, reason: String },
    #[error("no operator bundle is installed for `{image}`")]
    UnknownBundle { image: String },
}

impl ExecutorError {
    /// For `map_err` on file operations.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}
