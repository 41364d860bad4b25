//! What the executor is to run for one operator of a job: command, folders, environment, limits.

use std::fs;
use std::path::{Path, PathBuf};

use platform_api::pipeline::OperatorPlan;

use super::launcher::RunLimits;
use crate::executor::bundle::Bundle;
use crate::executor::spec::{Access, Gpu, Limits, Mount, RunSpec};
use crate::scheduler::{Request, RunToken};

/// Everything that a run is made of.
pub(super) struct RunParts<'a> {
    pub(super) run: RunToken,
    pub(super) operator: &'a OperatorPlan,
    pub(super) request: Request,
    pub(super) gpus: &'a [String],
    /// Of the job's payload.
    pub(super) folder: &'a Path,
    pub(super) bundle: &'a Bundle,
    pub(super) limits: RunLimits,
}
