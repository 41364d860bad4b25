//! The twin of the Linux engine for other systems: says that runs on this machine are not supported here.

use std::path::Path;
use std::process::ExitCode;

use super::ProcessConfig;
use crate::executor::{
    BoxFuture, Cancel, Capabilities, EventStream, Executor, ExecutorError, Found, LogChunk, OnRestart,
    RunSpec, RunToken, Submitted,
};

/// Never exists here: [`ProcessExecutor::open`] fails.
pub struct ProcessExecutor(std::convert::Infallible);

impl ProcessExecutor {
    /// Fails with [`ExecutorError::Unsupported`].
    ///
    /// # Errors
    /// Always.
    pub async fn open(_config: ProcessConfig) -> Result<Self, ExecutorError> {
        Err(ExecutorError::Unsupported { what: "runs on this machine, which is not Linux".into() })
    }
}

impl Executor for ProcessExecutor {
    fn capabilities(&self) -> &Capabilities {
        match self.0 {}
    }
    fn submit(&self, _: RunToken, _: RunSpec) -> BoxFuture<'_, Result<Submitted, ExecutorError>> {
        match self.0 {}
    }
    fn observe(&self) -> EventStream {
        match self.0 {}
    }
    fn logs(&self, _: RunToken, _: u64, _: usize) -> BoxFuture<'_, Result<LogChunk, ExecutorError>> {
        match self.0 {}
    }
    fn cancel(&self, _: RunToken, _: Cancel) -> BoxFuture<'_, Result<(), ExecutorError>> {
        match self.0 {}
    }
    fn reconcile(
        &self,
        _: Vec<RunToken>,
        _: std::collections::HashSet<RunToken>,
        _: OnRestart,
    ) -> BoxFuture<'_, Result<Vec<Found>, ExecutorError>> {
        match self.0 {}
    }
    fn forget(&self, _: RunToken) -> BoxFuture<'_, Result<(), ExecutorError>> {
        match self.0 {}
    }
}

/// Nobody has to be kept away: without an executor there is no server.
pub struct Claim(());

impl Claim {
    /// Always succeeds.
    ///
    /// # Errors
    /// Never.
    pub fn take(_state_dir: &Path) -> Result<Self, ExecutorError> {
        Ok(Self(()))
    }
}

/// Does nothing here and says so by its exit code.
pub fn shim_main() -> ExitCode {
    ExitCode::FAILURE
}
