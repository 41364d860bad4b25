//! What the server does, in domain types: the one door through which every interface goes.
//!
//! A [`Platform`] is cheap to clone and safe to use from many tasks. It knows no wire: [`crate::grpc`] turns messages
//! into these calls and refusals into headers. Calls read the repository; whatever happens to jobs goes through one
//! task, the engine, which owns the [scheduler](crate::scheduler).

mod clara;
mod clock;
mod definitions;
mod engine;
mod jobs;
mod journal;
mod launcher;
mod logs;
mod machine;
mod models;
mod open;
mod payloads;
mod pipelines;
mod records;
mod retention;
mod run_spec;
mod users;
mod utilization;

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use platform_api::code::{self, ErrorCode};
use platform_api::header::Refusal;
use platform_api::metadata::Metadata;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;

pub use clara::{GpuUtilization, ServerInfo};
pub use clock::{millis, system_time};
pub use jobs::{CreatedJob, ExtendedReport, JobStanding, NewJob, OperatorExtras};
pub use launcher::RunLimits;
pub use logs::{LogLines, LogPart, LogRead, LogStart};
pub use open::{OpenError, Options};
pub use payloads::{FileSums, PayloadDetails, UploadPiece};
pub use pipelines::{DefinitionFile, PipelineDetails, PipelineSummary};
pub use utilization::{Utilization, UtilizationWatch};

pub(crate) use machine::disk;

use crate::events::EventHub;
use crate::executor::Executor;
use crate::payloads::PayloadStore;
use crate::repository::{self, Repository, RepositoryError};

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

/// Answers that wait for whoever reads them.
const WAITING_ANSWERS: usize = 8;

/// The running platform.
#[derive(Clone)]
pub struct Platform {
    inner: Arc<Inner>,
}

struct Inner {
    options: Options,
    clock: clock::Clock,
    started: std::time::SystemTime,
    epoch: String,
    repository: Arc<dyn Repository>,
    payloads: PayloadStore,
    executor: Arc<dyn Executor>,
    definitions: Arc<definitions::Definitions>,
    launcher: launcher::Launcher,
    engine: mpsc::UnboundedSender<engine::Command>,
    events: EventHub,
    gauge: Arc<utilization::Gauge>,
    register: crate::access::Register,
    capacity: crate::scheduler::Capacity,
}

impl Platform {
    /// Does something that blocks on disk, away from the runtime's own threads.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let inner = self.inner.clone();
        tokio::task::spawn_blocking(move || work(&inner)).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a call broke off");
            Err(Refusal::new(code::INTERNAL, "the server broke off the call"))
        })
    }

    /// A stream whose items are made by a blocking function, as fast as they are taken. It ends early when its reader
    /// goes away: `send` answers false then.
    fn stream<T: Send + 'static>(
        &self,
        produce: impl FnOnce(&Inner, &mut dyn FnMut(T) -> bool) -> Answer<()> + Send + 'static,
    ) -> Answers<T> {
        let (sender, receiver) = mpsc::channel(WAITING_ANSWERS);
        let inner = self.inner.clone();
        tokio::task::spawn_blocking(move || {
            let mut send = |item| sender.blocking_send(Ok(item)).is_ok();
            if let Err(refusal) = produce(&inner, &mut send) {
                // The reader may be gone.
                let _ = sender.blocking_send(Err(refusal));
            }
        });
        Box::pin(ReceiverStream::new(receiver))
    }
}

/// A refusal for an error that has no better code.
fn refuse(code: ErrorCode) -> impl FnOnce(RepositoryError) -> Refusal {
    move |error| Refusal::from_error(code, &error)
}

/// Metadata as the repository keeps them.
fn rows_of(metadata: &Metadata) -> repository::Metadata {
    metadata.to_map()
}

/// Metadata from the repository, which keeps their rules.
fn metadata_of(rows: &repository::Metadata, code: ErrorCode) -> Answer<Metadata> {
    Metadata::from_entries(rows.iter()).map_err(|error| Refusal::from_error(code, &error))
}

/// 128 random bits.
fn random_bits() -> Answer<u128> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Refusal::new(code::INTERNAL, format!("no random numbers: {error}")))?;
    Ok(u128::from_be_bytes(bytes))
}

impl Inner {
    /// Writes changes and waits until they are on disk. Blocks.
    fn commit(&self, changes: Vec<repository::Change>) -> Result<(), RepositoryError> {
        self.repository.commit(changes).wait().map(drop)
    }
}
