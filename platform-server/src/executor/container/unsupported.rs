//! The twin of the Linux engine for other systems: says that containers are not supported here.

use super::ContainerConfig;
use crate::executor::ExecutorError;
use crate::executor::process::ProcessExecutor;

/// Fails with [`ExecutorError::Unsupported`].
///
/// # Errors
/// Always.
pub async fn open(_config: ContainerConfig) -> Result<ProcessExecutor, ExecutorError> {
    Err(ExecutorError::Unsupported { what: "containers on this machine, which is not Linux".into() })
}
