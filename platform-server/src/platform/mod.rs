//! What the server does, in domain types: the one door through which every interface goes.
//!
//! A [`Platform`] is cheap to clone and safe to use from many tasks. It knows no wire: [`crate::grpc`] turns messages
//! into these calls and refusals into headers.

mod clara;
mod jobs;
mod models;
mod payloads;
mod pipelines;

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use platform_api::header::Refusal;
use tokio_stream::Stream;

pub use clara::{GpuUtilization, ServerInfo};
pub use jobs::{
    CreatedJob, ExtendedReport, JobStanding, LogLines, LogPart, LogRead, LogStart, NewJob, OperatorExtras,
};
pub use payloads::{FileSums, PayloadDetails, UploadPiece};
pub use pipelines::{DefinitionFile, PipelineDetails, PipelineSummary};

/// What a call answers: something, or why not.
pub type Answer<T> = Result<T, Refusal>;

/// Many answers, one at a time, as fast as they are taken. After a refusal nothing follows.
pub type Answers<T> = Pin<Box<dyn Stream<Item = Answer<T>> + Send>>;

/// Pieces of a file that a client sends; an error is the client's connection ending early.
pub type Pieces<T> = Pin<Box<dyn Stream<Item = Result<T, Interrupted>> + Send>>;

/// The sender went away before it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sender went away before it was done")]
pub struct Interrupted;

/// Pieces of a file that a client gets, at most 1 MiB each; the first may be empty.
pub type FilePieces = Answers<Bytes>;

/// The running platform.
#[derive(Clone)]
pub struct Platform {
    inner: Arc<Inner>,
}

struct Inner {}
