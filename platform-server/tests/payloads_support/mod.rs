//! A store in a folder of its own, for tests of payloads.
#![allow(clippy::unwrap_used, reason = "a failing helper is a failing test")]
#![allow(dead_code, reason = "each test file uses some of it")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use platform_api::id::{JobId, PayloadId, PipelineId};
use platform_api::job::JobPriority;
use platform_api::payload::PayloadPath;
use platform_server::payloads::{PayloadError, PayloadOptions, PayloadStore};
use platform_server::repository::{
    Change, Metadata, NewJob, PayloadFileRow, PostgresOptions, PostgresRepository, Repository, SqliteOptions,
    SqliteRepository,
};

pub(crate) struct Bench {
    pub(crate) store: PayloadStore,
    pub(crate) repository: Arc<dyn Repository>,
    pub(crate) data: PathBuf,
}

/// Opens records and files beneath `data`, as the server does.
pub(crate) fn open(data: &Path) -> Bench {
    let path = data.join("records.sqlite");
    open_with(data, Arc::new(SqliteRepository::open(&path, SqliteOptions::default()).unwrap()))
}

fn open_with(data: &Path, repository: Arc<dyn Repository>) -> Bench {
    let store =
        PayloadStore::open(data, Arc::clone(&repository), PayloadOptions { limit_percent: 100 }).unwrap();
    Bench { store, repository, data: data.to_owned() }
}

/// Does the same with records in SQLite and, where there is one, on a PostgreSQL server.
pub(crate) fn with_store(body: impl Fn(Bench)) {
    let folder = tempfile::tempdir().unwrap();
    body(open(folder.path()));
    #[cfg(unix)]
    if let Some(cluster) = test_support::postgres::Cluster::shared() {
        let (folder, address) = (tempfile::tempdir().unwrap(), cluster.database().url.parse().unwrap());
        let repository = PostgresRepository::open(&address, PostgresOptions::default()).unwrap();
        eprintln!("the same with PostgreSQL");
        body(open_with(folder.path(), Arc::new(repository)));
    }
}

pub(crate) fn id(n: u128) -> PayloadId {
    PayloadId::from_bits(n)
}

pub(crate) fn name(text: &str) -> PayloadPath {
    PayloadPath::to_create(text).unwrap()
}

impl Bench {
    pub(crate) fn reusable(&self, n: u128) -> PayloadId {
        self.store.create(id(n), 1, Metadata::new()).unwrap().id
    }

    /// A job with payload `n`.
    pub(crate) fn job(&self, n: u128, inputs: &[PayloadId]) -> Result<PayloadId, PayloadError> {
        let pipeline = PipelineId::from_bits(1);
        if self.repository.pipeline(pipeline).unwrap().is_none() {
            let (files, metadata) = (Vec::new(), Metadata::new());
            let create =
                Change::CreatePipeline { id: pipeline, name: "p".into(), created_ms: 1, files, metadata };
            self.repository.commit(vec![create]).wait().unwrap();
        }
        let definition = self.repository.pipeline(pipeline).unwrap().unwrap().definition;
        let job = NewJob {
            id: JobId::from_bits(n),
            payload: id(n),
            pipeline,
            definition,
            name: "j".into(),
            priority: JobPriority::Normal,
            created_ms: 1,
            time_limit_ms: None,
            operators: Vec::new(),
            metadata: Metadata::new(),
        };
        let prepared = self.store.prepare_for_job(id(n), job.id, 1, inputs)?;
        let mut changes = vec![Change::CreateJob(job)];
        changes.extend(prepared.changes);
        self.repository.commit(changes).wait().unwrap();
        Ok(id(n))
    }

    pub(crate) fn upload(
        &self,
        id: PayloadId,
        path: &str,
        content: &[u8],
    ) -> Result<PayloadFileRow, PayloadError> {
        let mut upload = self.store.upload(id, &name(path), 0)?;
        for chunk in content.chunks(1 << 16) {
            upload.write(Bytes::copy_from_slice(chunk))?;
        }
        upload.finish()
    }

    pub(crate) fn download(&self, id: PayloadId, path: &str) -> Result<Vec<u8>, PayloadError> {
        let mut download = self.store.download(id, &name(path))?;
        let mut content = Vec::new();
        while let Some(chunk) = download.next_chunk()? {
            assert!(!chunk.is_empty() && chunk.len() <= platform_server::payloads::CHUNK_BYTES);
            content.extend(chunk);
        }
        Ok(content)
    }

    pub(crate) fn names(&self, id: PayloadId) -> Vec<String> {
        self.store.files(id).unwrap().map(|file| file.unwrap().path).collect()
    }

    /// All that lies on disk beneath a payload's folder, folders without their content.
    pub(crate) fn on_disk(&self, id: PayloadId) -> Vec<String> {
        let root = self.store.folder(id);
        let mut found: Vec<_> = walk(&root)
            .into_iter()
            .filter(|path| !path.is_dir() || path.is_symlink())
            .map(|path| path.strip_prefix(&root).unwrap().display().to_string())
            .collect();
        found.sort();
        found
    }

    pub(crate) fn incoming(&self) -> usize {
        std::fs::read_dir(self.data.join("incoming")).unwrap().count()
    }
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(walk(&path));
        }
        found.push(path);
    }
    found
}
