//! Answers. Every function reads at one moment: whoever hands out the connection holds a transaction.

use platform_api::id::{JobId, ModelId, PayloadId, PipelineId};
use platform_api::job::JobState;
use tokio::sync::watch;

use super::codec::{self, Id, folded};
use super::{Database, Result, Row, all, apply, first, list, values};
use crate::repository::change::Change;
use crate::repository::error::RepositoryError;
use crate::repository::filter::JobFilter;
use crate::repository::receipt::Receipt;
use crate::repository::rows::{
    AuditRow, ContentRow, DefinitionFile, DefinitionId, EventRow, JobCursor, JobDetails, JobRow, Metadata,
    ModelListId, ModelListRow, ModelRow, OperatorRow, PayloadFileRow, PayloadRow, PipelineRow, RunRow,
    TokenRow, UserRow,
};
use crate::repository::{JobPage, JobSums, ModelListKind, Repository};

/// Where statements of readers and of the writer go: all that a backend has to say to be a repository.
pub(in crate::repository) trait Records: Send + Sync + 'static {
    /// Reads on a connection of the caller's own; all that `read` sees is of one moment. It may be called again.
    fn read<T>(&self, read: impl Fn(&dyn Database) -> Result<T>) -> Result<T>;
    /// Leaves changes to the writer.
    fn write(&self, changes: Vec<Change>) -> Receipt;
    /// The number of the last event on disk.
    fn watch(&self) -> &watch::Receiver<u64>;
}

fn limited(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Adds what people attached to rows that were just read.
fn attach<'a, T: 'a>(
    db: &dyn Database,
    statement: &str,
    rows: impl IntoIterator<Item = &'a mut T>,
    parts: fn(&mut T) -> ([u8; 16], &mut Metadata),
) -> Result<()> {
    let (keys, mut entries): (Vec<_>, Vec<_>) = rows.into_iter().map(parts).unzip();
    let sets: Vec<_> = keys.into_iter().map(|key| values![key]).collect();
    db.query_all(statement, &sets, &mut |set, row| {
        if let Some(entries) = entries.get_mut(set) {
            entries.insert(row.get(0)?, row.get(1)?);
        }
        Ok(())
    })
}

const PIPELINE: &str = "SELECT id, name, created_ms, definition, revision FROM pipelines";

fn pipelines(db: &dyn Database, rest: &str, id: Option<PipelineId>) -> Result<Vec<PipelineRow>> {
    let values = id.map_or(Vec::new(), |id| values![id.key()]);
    let mut rows = all(db, &format!("{PIPELINE} {rest}"), values, |row| {
        Ok(PipelineRow {
            id: row.get(0)?,
            name: row.get(1)?,
            created_ms: row.get(2)?,
            definition: DefinitionId(row.get(3)?),
            revision: codec::size(row.get(4)?)?,
            metadata: Metadata::new(),
        })
    })?;
    let statement = "SELECT key, value FROM pipeline_metadata WHERE owner = ?1";
    attach(db, statement, &mut rows, |row| (row.id.key(), &mut row.metadata))?;
    Ok(rows)
}

fn payload(db: &dyn Database, id: PayloadId) -> Result<Option<PayloadRow>> {
    let statement = "SELECT kind, job, created_ms, state FROM payloads WHERE id = ?1";
    let mut found = first(db, statement, values![id.key()], |row| {
        Ok(PayloadRow {
            id,
            kind: codec::payload_kind(row.get(0)?)?,
            job: row.maybe(1)?,
            created_ms: row.get(2)?,
            state: codec::payload_state(row.get(3)?)?,
            metadata: Metadata::new(),
        })
    })?;
    let statement = "SELECT key, value FROM payload_metadata WHERE owner = ?1";
    attach(db, statement, &mut found, |row| (row.id.key(), &mut row.metadata))?;
    Ok(found)
}

fn payload_file(row: &dyn Row) -> Result<PayloadFileRow> {
    Ok(PayloadFileRow {
        path: row.get(0)?,
        size_bytes: codec::size(row.get(1)?)?,
        sha256: row.get(2)?,
        mode: row.get(3)?,
        stored: row.maybe(4)?,
    })
}

macro_rules! job_columns {
    ($where:literal) => {
        concat!(
            "SELECT seq, id, payload, pipeline, definition, name, priority, state, status, created_ms, started_ms, ",
            "stopped_ms, queue_order, time_limit_ms, ran_ms, clock_since_ms FROM jobs WHERE ",
            $where
        )
    };
}

fn job(row: &dyn Row) -> Result<JobRow> {
    Ok(JobRow {
        cursor: JobCursor(row.get(0)?),
        id: row.get(1)?,
        payload: row.get(2)?,
        pipeline: row.get(3)?,
        definition: DefinitionId(row.get(4)?),
        name: row.get(5)?,
        priority: codec::priority(row.get(6)?)?,
        state: codec::state(row.get(7)?)?,
        status: codec::status(row.get(8)?)?,
        created_ms: row.get(9)?,
        started_ms: row.maybe(10)?,
        stopped_ms: row.maybe(11)?,
        queue_order: row.maybe(12)?,
        time_limit_ms: row.maybe(13)?,
        ran_ms: row.get(14)?,
        clock_since_ms: row.maybe(15)?,
        metadata: Metadata::new(),
    })
}

fn attach_to_jobs<'a>(db: &dyn Database, rows: impl IntoIterator<Item = &'a mut JobRow>) -> Result<()> {
    let statement = "SELECT key, value FROM job_metadata WHERE owner = ?1";
    attach(db, statement, rows, |row| (row.id.key(), &mut row.metadata))
}

/// The jobs at places in the order of creation, which are given in that order.
pub(super) fn jobs_at(db: &dyn Database, places: &[i64]) -> Result<Vec<JobRow>> {
    let sets: Vec<_> = places.iter().map(|place| values![*place]).collect();
    let mut jobs = Vec::with_capacity(places.len());
    db.query_all(job_columns!("seq = ?1"), &sets, &mut |_, row| {
        jobs.push(job(row)?);
        Ok(())
    })?;
    attach_to_jobs(db, &mut jobs)?;
    Ok(jobs)
}

fn job_of(db: &dyn Database, id: JobId) -> Result<Option<JobRow>> {
    let mut found = first(db, job_columns!("id = ?1"), values![id.key()], job)?;
    attach_to_jobs(db, &mut found)?;
    Ok(found)
}

fn operator(row: &dyn Row) -> Result<OperatorRow> {
    Ok(OperatorRow {
        index: row.get(0)?,
        name: row.get(1)?,
        status: codec::operator_status(row.get(2)?)?,
        reason: row.maybe(3)?,
        exit_code: row.maybe(4)?,
        created_ms: row.get(5)?,
        started_ms: row.maybe(6)?,
        stopped_ms: row.maybe(7)?,
        run_token: row.maybe(8)?,
        attempt: row.get(9)?,
        gpus: codec::texts(&row.get::<String>(10)?, "an operator's GPUs")?,
    })
}

fn details(db: &dyn Database, id: JobId) -> Result<Option<JobDetails>> {
    let Some(job) = job_of(db, id)? else { return Ok(None) };
    let place = job.cursor.0;
    let messages = "SELECT text FROM job_messages WHERE job = ?1 ORDER BY n";
    let messages = all(db, messages, values![place], |row| row.get(0))?;
    let statement =
        "SELECT n, name, status, reason, exit_code, created_ms, started_ms, stopped_ms, run_token,
        attempt, gpus FROM operators WHERE job = ?1 ORDER BY n";
    let operators = all(db, statement, values![place], operator)?;
    Ok(Some(JobDetails { job, messages, operators }))
}

fn sums(db: &dyn Database) -> Result<JobSums> {
    let counts = "SELECT state, status, count(*) FROM jobs GROUP BY state, status";
    let counts = all(db, counts, Vec::new(), |row| {
        let kind = (codec::state(row.get(0)?)?, codec::status(row.get(1)?)?);
        Ok((kind, codec::size(row.get(2)?)?))
    })?;
    let queue = "SELECT count(*), min(created_ms) FROM jobs WHERE state = ?1 AND queue_order IS NOT NULL";
    let queue = first(db, queue, values![JobState::Pending as i64], |row| {
        Ok((codec::size(row.get(0)?)?, row.maybe(1)?))
    })?;
    let (queued, oldest_queued_ms) = queue.unwrap_or((0, None));
    Ok(JobSums { counts: counts.into_iter().collect(), queued, oldest_queued_ms })
}

const MODEL: &str = "SELECT id, name, kind, created_ms, size, sha256 FROM models";

fn models(db: &dyn Database, rest: &str, id: Option<ModelId>) -> Result<Vec<ModelRow>> {
    let values = id.map_or(Vec::new(), |id| values![id.key()]);
    let mut rows = all(db, &format!("{MODEL} {rest}"), values, |row| {
        Ok(ModelRow {
            id: row.get(0)?,
            name: row.get(1)?,
            kind: row.get(2)?,
            created_ms: row.get(3)?,
            size_bytes: codec::size(row.get(4)?)?,
            sha256: row.get(5)?,
            metadata: Metadata::new(),
        })
    })?;
    let statement = "SELECT key, value FROM model_metadata WHERE owner = ?1";
    attach(db, statement, &mut rows, |row| (row.id.key(), &mut row.metadata))?;
    Ok(rows)
}

const MODEL_LIST: &str = "SELECT seq, kind, id, created_ms FROM model_lists";

/// Lists of models for one set of values.
fn model_lists(db: &dyn Database, rest: &str, kind: i64, key: Option<[u8; 16]>) -> Result<Vec<ModelListRow>> {
    let mut values = values![kind];
    values.extend(key.map(Into::into));
    let found = all(db, &format!("{MODEL_LIST} {rest}"), values, |row| {
        let id = match row.get::<i64>(1)? {
            1 => ModelListId::Catalog(row.get(2)?),
            2 => ModelListId::Instance(row.get(2)?),
            _ => return Err(RepositoryError::BadValue { what: "a list of models" }),
        };
        Ok((row.get::<i64>(0)?, ModelListRow { id, created_ms: row.get(3)?, models: Vec::new() }))
    })?;
    let (places, mut rows): (Vec<i64>, Vec<_>) = found.into_iter().unzip();
    let sets: Vec<_> = places.into_iter().map(|place| values![place]).collect();
    let statement = "SELECT model FROM model_list_members WHERE list = ?1 ORDER BY position";
    db.query_all(statement, &sets, &mut |set, row| {
        if let Some(list) = rows.get_mut(set) {
            list.models.push(row.get(0)?);
        }
        Ok(())
    })?;
    Ok(rows)
}

const TOKEN: &str = r#"SELECT digest, users.name, label, tokens.created_ms, expires_ms
    FROM tokens JOIN users ON users.folded = tokens."user""#;

fn token(row: &dyn Row) -> Result<TokenRow> {
    Ok(TokenRow {
        digest: row.get(0)?,
        user: row.get(1)?,
        label: row.get(2)?,
        created_ms: row.get(3)?,
        expires_ms: row.maybe(4)?,
    })
}

const USER: &str = "SELECT name, password_hash, roles, may_download, is_enabled, created_ms FROM users";

fn user(row: &dyn Row) -> Result<UserRow> {
    Ok(UserRow {
        name: row.get(0)?,
        password_hash: row.maybe(1)?,
        roles: codec::texts(&row.get::<String>(2)?, "a user's roles")?,
        may_download: row.get(3)?,
        is_enabled: row.get(4)?,
        created_ms: row.get(5)?,
    })
}

fn events(db: &dyn Database, after: u64, limit: usize) -> Result<Vec<EventRow>> {
    let last = db.last_event()?;
    let oldest = "SELECT min(number) FROM events";
    let oldest: Option<i64> = first(db, oldest, Vec::new(), |row| row.maybe(0))?.flatten();
    let oldest = oldest.map_or(Ok(last + 1), codec::size)?;
    // A number from the future is one of another database.
    if after + 1 < oldest || after > last {
        return Err(RepositoryError::EventsGone { oldest });
    }
    let statement =
        "SELECT number, at_ms, kind, subject, body FROM events WHERE number > ?1 ORDER BY number LIMIT ?2";
    all(db, statement, values![codec::size_column(after), limited(limit)], |row| {
        Ok(EventRow {
            number: codec::size(row.get(0)?)?,
            at_ms: row.get(1)?,
            kind: row.get(2)?,
            subject: row.get(3)?,
            body: row.get(4)?,
        })
    })
}

impl<R: Records> Repository for R {
    fn commit(&self, changes: Vec<Change>) -> Receipt {
        self.write(changes)
    }

    fn pipelines(&self) -> Result<Vec<PipelineRow>> {
        self.read(|db| pipelines(db, "ORDER BY name, id", None))
    }

    fn pipeline(&self, id: PipelineId) -> Result<Option<PipelineRow>> {
        self.read(|db| Ok(pipelines(db, "WHERE id = ?1", Some(id))?.pop()))
    }

    fn definition(&self, id: DefinitionId) -> Result<Vec<DefinitionFile>> {
        let statement = "SELECT path, content FROM definition_files WHERE definition = ?1 ORDER BY position";
        self.read(|db| {
            all(db, statement, values![id.0], |row| {
                Ok(DefinitionFile { path: row.get(0)?, content: row.get(1)? })
            })
        })
    }

    fn payload(&self, id: PayloadId) -> Result<Option<PayloadRow>> {
        self.read(|db| payload(db, id))
    }

    fn payload_ids(&self, after: Option<PayloadId>, limit: usize) -> Result<Vec<PayloadId>> {
        // No identifier is as small as no bytes at all.
        let after = after.map_or(Vec::new(), |id| id.key().to_vec());
        let statement = "SELECT id FROM payloads WHERE id > ?1 ORDER BY id LIMIT ?2";
        self.read(|db| all(db, statement, values![after.as_slice(), limited(limit)], |row| row.get(0)))
    }

    fn payload_files(&self, id: PayloadId, after: Option<&str>, limit: usize) -> Result<Vec<PayloadFileRow>> {
        let statement = "SELECT path, size, sha256, mode, stored FROM payload_files
            WHERE payload = ?1 AND (folded, path) > (?2, ?3) ORDER BY folded, path LIMIT ?4";
        let after = after.unwrap_or_default();
        self.read(|db| {
            all(db, statement, values![id.key(), folded(after), after, limited(limit)], payload_file)
        })
    }

    fn payload_files_like(&self, id: PayloadId, path: &str) -> Result<Vec<PayloadFileRow>> {
        let statement = "SELECT path, size, sha256, mode, stored FROM payload_files
            WHERE payload = ?1 AND folded = ?2 ORDER BY path";
        self.read(|db| all(db, statement, values![id.key(), folded(path)], payload_file))
    }

    fn contents(&self, after: u64, limit: usize) -> Result<Vec<(u64, PayloadId, ContentRow)>> {
        let statement =
            "SELECT n, payload, path, content FROM payload_contents WHERE n > ?1 ORDER BY n LIMIT ?2";
        self.read(|db| {
            all(db, statement, values![codec::size_column(after), limited(limit)], |row| {
                let content = ContentRow { path: row.get(2)?, content: row.get(3)? };
                Ok((codec::size(row.get(0)?)?, row.get(1)?, content))
            })
        })
    }

    fn last_content(&self) -> Result<u64> {
        let statement = "SELECT coalesce(max(n), 0) FROM payload_contents";
        let last = self.read(|db| first(db, statement, Vec::new(), |row| codec::size(row.get(0)?)))?;
        Ok(last.unwrap_or(0))
    }

    fn payloads_of_old_jobs(&self, healthy_before_ms: i64, others_before_ms: i64) -> Result<Vec<PayloadId>> {
        let statement = "SELECT payloads.id FROM jobs JOIN payloads ON payloads.job = jobs.id
            WHERE jobs.state = 3 AND ((jobs.status = 1 AND jobs.stopped_ms < ?1)
            OR (jobs.status <> 1 AND jobs.stopped_ms < ?2)) ORDER BY jobs.seq";
        self.read(|db| all(db, statement, values![healthy_before_ms, others_before_ms], |row| row.get(0)))
    }

    fn job(&self, id: JobId) -> Result<Option<JobRow>> {
        self.read(|db| job_of(db, id))
    }

    fn job_details(&self, id: JobId) -> Result<Option<JobDetails>> {
        self.read(|db| details(db, id))
    }

    fn job_variables(&self, id: JobId) -> Result<Vec<(String, String)>> {
        let statement = "SELECT name, value FROM job_variables
            WHERE job = (SELECT seq FROM jobs WHERE id = ?1) ORDER BY n";
        self.read(|db| all(db, statement, values![id.key()], |row| Ok((row.get(0)?, row.get(1)?))))
    }

    fn jobs(&self, filter: &JobFilter, after: Option<JobCursor>, limit: usize) -> Result<JobPage> {
        self.read(|db| list::page(db, filter, after, limit))
    }

    fn job_sums(&self) -> Result<JobSums> {
        self.read(sums)
    }

    fn logged_runs(&self) -> Result<Vec<String>> {
        let statement = "SELECT run_token FROM operators WHERE run_token IS NOT NULL";
        self.read(|db| all(db, statement, Vec::new(), |row| row.get(0)))
    }

    fn runs(&self) -> Result<Vec<RunRow>> {
        self.read(|db| {
            all(db, "SELECT token, job, operator, handle FROM runs ORDER BY token", Vec::new(), |row| {
                let (token, job) = (row.get(0)?, row.get(1)?);
                Ok(RunRow { token, job, operator: row.get(2)?, handle: row.maybe(3)? })
            })
        })
    }

    fn models(&self) -> Result<Vec<ModelRow>> {
        self.read(|db| models(db, "ORDER BY folded", None))
    }

    fn model(&self, id: ModelId) -> Result<Option<ModelRow>> {
        self.read(|db| Ok(models(db, "WHERE id = ?1", Some(id))?.pop()))
    }

    fn model_lists(&self, kind: ModelListKind) -> Result<Vec<ModelListRow>> {
        let kind = match kind {
            ModelListKind::Catalogs => 1,
            ModelListKind::Instances => 2,
        };
        self.read(|db| model_lists(db, "WHERE kind = ?1 ORDER BY seq", kind, None))
    }

    fn model_list(&self, id: ModelListId) -> Result<Option<ModelListRow>> {
        let (kind, key) = apply::list_key(id);
        self.read(|db| Ok(model_lists(db, "WHERE kind = ?1 AND id = ?2", kind, Some(key))?.pop()))
    }

    fn audit(&self, limit: usize) -> Result<Vec<AuditRow>> {
        let statement =
            r#"SELECT at_ms, "user", action, object, outcome FROM audit ORDER BY seq DESC LIMIT ?1"#;
        self.read(|db| {
            all(db, statement, values![limited(limit)], |row| {
                Ok(AuditRow {
                    at_ms: row.get(0)?,
                    user: row.get(1)?,
                    action: row.get(2)?,
                    object: row.get(3)?,
                    outcome: row.get(4)?,
                })
            })
        })
    }

    fn users(&self) -> Result<Vec<UserRow>> {
        self.read(|db| all(db, &format!("{USER} ORDER BY folded"), Vec::new(), user))
    }

    fn user(&self, name: &str) -> Result<Option<UserRow>> {
        self.read(|db| first(db, &format!("{USER} WHERE folded = ?1"), values![folded(name)], user))
    }

    fn tokens(&self) -> Result<Vec<TokenRow>> {
        let statement = format!("{TOKEN} ORDER BY users.folded, tokens.created_ms, digest");
        self.read(|db| all(db, &statement, Vec::new(), token))
    }

    fn token(&self, digest: &[u8; 32]) -> Result<Option<TokenRow>> {
        self.read(|db| first(db, &format!("{TOKEN} WHERE digest = ?1"), values![digest], token))
    }

    fn events(&self, after: u64, limit: usize) -> Result<Vec<EventRow>> {
        self.read(|db| events(db, after, limit))
    }

    fn last_event(&self) -> watch::Receiver<u64> {
        self.watch().clone()
    }
}
