//! Runs operators: one trait, and the engines behind it.
//!
//! An [`Executor`] starts a [`RunSpec`] under a token, tells when it started and how it ended, keeps its log, and finds
//! its runs again after the server was restarted. It knows neither jobs nor pipelines, and time limits are the
//! scheduler's. Start with [`spec`] for what is run and [`outcome`] for how it may end; [`process`] and [`container`]
//! are the engines on this machine, [`fake`] the one for tests of others.

pub mod bundle;
pub mod capabilities;
pub mod container;
mod error;
pub mod fake;
pub mod fastio;
pub mod log;
pub mod outcome;
pub mod plan;
pub mod process;
pub mod spec;

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

pub use capabilities::Capabilities;
pub use error::ExecutorError;
pub use fastio::{FastIo, Release, Report};
pub use log::LogChunk;
pub use outcome::{Outcome, RunEnd};
pub use spec::{RunSpec, RunToken};

/// What the methods of [`Executor`] return, so that it can be used as `dyn Executor`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What happened to runs, in the order in which it happened to each of them.
///
/// A run yields at most one start and exactly one end.
pub type EventStream = mpsc::UnboundedReceiver<RunEvent>;

/// Starts operators somewhere and says truthfully how they fared.
///
/// A run has ended only when its processes are gone *and* its manifest is there; one without the other is
/// [`Outcome::Lost`]. Every method may be called at any time and from any thread.
pub trait Executor: Send + Sync {
    /// Which limits are in force, and by which means.
    fn capabilities(&self) -> &Capabilities;

    /// Starts `spec`, once for each token: a token that was submitted before starts nothing.
    fn submit(&self, token: RunToken, spec: RunSpec) -> BoxFuture<'_, Result<Submitted, ExecutorError>>;

    /// Events from now on. Each call gives an independent stream.
    fn observe(&self) -> EventStream;

    /// The log of a run, from a place that an earlier chunk named (0 is the beginning), at most about `max_bytes`.
    ///
    /// Works while the run goes on and after it is gone, until [`Executor::forget`].
    fn logs(
        &self,
        token: RunToken,
        from: u64,
        max_bytes: usize,
    ) -> BoxFuture<'_, Result<LogChunk, ExecutorError>>;

    /// Asks a run to end: a polite signal, then after `grace` the end of all its processes.
    ///
    /// Returns when the wish is delivered; the end comes as an event. A run that is over already stays as it ended.
    fn cancel(&self, token: RunToken, cancel: Cancel) -> BoxFuture<'_, Result<(), ExecutorError>>;

    /// After a restart of the server: finds out what became of `known` runs.
    ///
    /// Answers for each of them, in their order. Runs in `kept` have ended long ago, and their logs are still read.
    /// Runs that this executor finds but that are in neither are ended and removed. Ends of runs that go on come as
    /// events.
    fn reconcile(
        &self,
        known: Vec<RunToken>,
        kept: HashSet<RunToken>,
        on_restart: OnRestart,
    ) -> BoxFuture<'_, Result<Vec<Found>, ExecutorError>>;

    /// Removes what is kept of a run that has ended: its log and its manifest.
    fn forget(&self, token: RunToken) -> BoxFuture<'_, Result<(), ExecutorError>>;

    /// Lets go of buffers in shared memory. An engine without any has nothing to do.
    fn release(&self, _release: Release) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// What became of a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Submitted {
    /// It was started now.
    Started,
    /// The token was known; nothing was started.
    Already,
}

/// Something that happened to a run.
#[derive(Debug, Clone, PartialEq)]
pub enum RunEvent {
    /// The operator's program runs.
    Started {
        /// Which run.
        token: RunToken,
        /// When its program was started, by the clock of the machine that runs it.
        at: SystemTime,
    },
    /// The operator told something of itself. Only the latest may come, and none after the end.
    Reported {
        /// Which run.
        token: RunToken,
        /// All that it has told.
        report: Report,
    },
    /// The run is over.
    Ended {
        /// Which run.
        token: RunToken,
        /// How it ended.
        end: RunEnd,
    },
}

/// How to end a run, and on whose behalf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// How long the operator may take to end by itself.
    pub grace: Duration,
    /// What to call the end.
    pub because: CancelCause,
}

/// Why a run is ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CancelCause {
    /// Somebody asked.
    Canceled,
    /// Its time limit is over.
    TimedOut,
    /// Its server went away.
    Evicted,
}

/// What happens to runs that outlived their server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnRestart {
    /// They go on, and the new server watches them.
    #[default]
    Reattach,
    /// They are ended.
    Evict,
}

/// What [`Executor::reconcile`] found out about one run.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// It goes on; its end will come as an event.
    Running {
        /// When its program was started, if it was already.
        started_at: Option<SystemTime>,
    },
    /// It is over.
    Ended(RunEnd),
}
