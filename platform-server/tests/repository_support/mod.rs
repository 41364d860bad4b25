//! Values for tests of the repository.
#![allow(clippy::unwrap_used, reason = "a failing helper is a failing test")]
#![allow(dead_code, reason = "each test file uses some of it")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use platform_api::id::{JobId, PayloadId, PipelineId};
use platform_api::job::{JobPriority, OperatorStatus};
use platform_server::repository::{
    Address, Change, DefinitionFile, DefinitionId, Metadata, NewJob, OperatorRow, PayloadKind,
    PostgresOptions, PostgresRepository, Repository, RepositoryError, SqliteOptions, SqliteRepository,
};
#[cfg(unix)]
use test_support::postgres::Cluster;

pub(crate) fn database(folder: &Path) -> PathBuf {
    folder.join("records.sqlite")
}

pub(crate) fn open(folder: &Path) -> SqliteRepository {
    SqliteRepository::open(&database(folder), SqliteOptions::default()).unwrap()
}

/// A database that can be opened again and again.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    Sqlite(PathBuf),
    Postgres(Address),
}

impl Place {
    pub(crate) fn open(&self) -> Box<dyn Repository> {
        self.try_open(None).unwrap()
    }

    /// Opens it with a number of events to keep.
    pub(crate) fn try_open(&self, events_kept: Option<u64>) -> Result<Box<dyn Repository>, RepositoryError> {
        match self {
            Self::Sqlite(path) => {
                let mut options = SqliteOptions::default();
                options.events_kept = events_kept.unwrap_or(options.events_kept);
                Ok(Box::new(SqliteRepository::open(path, options)?))
            }
            Self::Postgres(address) => {
                let mut options = PostgresOptions::default();
                options.events_kept = events_kept.unwrap_or(options.events_kept);
                // A second server is to be refused soon.
                options.patience = Duration::from_millis(300);
                Ok(Box::new(PostgresRepository::open(address, options)?))
            }
        }
    }

    pub(crate) fn from_text(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Sqlite(text.into()), Self::Postgres)
    }
}

/// Does the same with an empty database of each kind; where there is no PostgreSQL it says so. The second
/// argument is the text of [`Place::from_text`].
pub(crate) fn with_each_place(body: impl Fn(&Place, &str)) {
    let folder = tempfile::tempdir().unwrap();
    let path = database(folder.path());
    body(&Place::Sqlite(path.clone()), path.to_str().unwrap());
    #[cfg(unix)]
    if let Some(cluster) = Cluster::shared() {
        let url = cluster.database().url;
        eprintln!("the same with PostgreSQL");
        body(&Place::Postgres(url.parse().unwrap()), &url);
    }
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
