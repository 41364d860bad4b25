//! Values for tests of the repository.
#![allow(clippy::unwrap_used, reason = "a failing helper is a failing test")]
#![allow(dead_code, reason = "each test file uses some of it")]

use std::path::{Path, PathBuf};

use platform_api::id::{JobId, PayloadId, PipelineId};
use platform_api::job::{JobPriority, OperatorStatus};
use platform_server::repository::{
    Change, DefinitionFile, DefinitionId, Metadata, NewJob, OperatorRow, PayloadKind, Repository,
    SqliteOptions, SqliteRepository,
};

pub(crate) fn database(folder: &Path) -> PathBuf {
    folder.join("records.sqlite")
}

pub(crate) fn open(folder: &Path) -> SqliteRepository {
    SqliteRepository::open(&database(folder), SqliteOptions::default()).unwrap()
}

pub(crate) fn pipeline_id(n: u128) -> PipelineId {
    PipelineId::from_bits(n)
}

pub(crate) fn job_id(n: u128) -> JobId {
    JobId::from_bits(n)
}

pub(crate) fn payload_id(n: u128) -> PayloadId {
    PayloadId::from_bits(n)
}

pub(crate) fn files(texts: &[(&str, &str)]) -> Vec<DefinitionFile> {
    texts
        .iter()
        .map(|(path, content)| DefinitionFile { path: (*path).into(), content: (*content).into() })
        .collect()
}

pub(crate) fn metadata(entries: &[(&str, &str)]) -> Metadata {
    entries.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
}

pub(crate) fn create_pipeline(n: u128, content: &str) -> Change {
    Change::CreatePipeline {
        id: pipeline_id(n),
        name: format!("pipeline {n}"),
        created_ms: 1000,
        files: files(&[("../main.yaml", content)]),
        metadata: Metadata::new(),
    }
}

/// The definition that pipeline `n` has now.
pub(crate) fn definition_of(repository: &dyn Repository, n: u128) -> DefinitionId {
    repository.pipeline(pipeline_id(n)).unwrap().unwrap().definition
}

pub(crate) fn operator(index: u32, status: OperatorStatus) -> OperatorRow {
    OperatorRow {
        index,
        name: format!("operator-{index}"),
        status,
        reason: None,
        exit_code: None,
        created_ms: 5000,
        started_ms: None,
        stopped_ms: None,
        run_token: None,
        attempt: 0,
        gpus: Vec::new(),
    }
}

pub(crate) fn new_job(n: u128, pipeline: u128, definition: DefinitionId, operators: u32) -> NewJob {
    NewJob {
        id: job_id(n),
        payload: payload_id(n),
        pipeline: pipeline_id(pipeline),
        definition,
        name: format!("job {n}"),
        priority: JobPriority::Normal,
        created_ms: 5000,
        time_limit_ms: Some(600_000),
        operators: (0..operators).map(|index| operator(index, OperatorStatus::Pending)).collect(),
        metadata: Metadata::new(),
    }
}

/// A job with its payload, as one transaction has them.
pub(crate) fn job_changes(job: NewJob) -> Vec<Change> {
    let payload = Change::CreatePayload {
        id: job.payload,
        kind: PayloadKind::Pipeline,
        job: Some(job.id),
        created_ms: job.created_ms,
        metadata: Metadata::new(),
    };
    vec![Change::CreateJob(job), payload]
}
