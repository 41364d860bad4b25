//! Answers. Every function reads at one moment: the caller holds a transaction.

use platform_api::id::{JobId, ModelId, PayloadId, PipelineId};
use platform_api::job::JobState;
use rusqlite::{Connection, Params, Row, params};
use tokio::sync::watch;

use super::codec::{self, Id};
use super::{SqliteRepository, apply, list};
use crate::repository::change::Change;
use crate::repository::error::RepositoryError;
use crate::repository::filter::JobFilter;
use crate::repository::receipt::Receipt;
use crate::repository::rows::{
    AuditRow, ContentRow, DefinitionFile, DefinitionId, EventRow, JobCursor, JobDetails, JobRow, Metadata,
    ModelListId, ModelListRow, ModelRow, OperatorRow, PayloadFileRow, PayloadRow, PipelineRow, RunRow,
    TokenRow, UserRow,
};
use crate::repository::{JobPage, JobSums, ModelListKind, Repository, fold_case};

type Result<T> = std::result::Result<T, RepositoryError>;

/// Rows of one statement; `read` may fail with more than what SQLite knows.
fn all<T>(
    db: &Connection,
    statement: &str,
    values: impl Params,
    mut read: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut statement = db.prepare_cached(statement)?;
    let mut rows = statement.query(values)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn first<T>(
    db: &Connection,
    statement: &str,
    values: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T>,
) -> Result<Option<T>> {
    let mut statement = db.prepare_cached(statement)?;
    let mut rows = statement.query(values)?;
    rows.next()?.map(read).transpose()
}

fn limited(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn metadata(db: &Connection, statement: &str, owner: [u8; 16]) -> Result<Metadata> {
    let mut statement = db.prepare_cached(statement)?;
    let rows = statement.query_map([owner], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

const PIPELINE: &str = "SELECT id, name, created_ms, definition, revision FROM pipelines";

fn pipeline(db: &Connection, row: &Row<'_>) -> Result<PipelineRow> {
    let id: PipelineId = codec::id(row, 0)?;
    let entries = metadata(db, "SELECT key, value FROM pipeline_metadata WHERE owner = ?1", id.key())?;
    let definition = DefinitionId(row.get(3)?);
    let revision = codec::size(row.get(4)?)?;
    Ok(PipelineRow {
        id,
        name: row.get(1)?,
        created_ms: row.get(2)?,
        definition,
        revision,
        metadata: entries,
    })
}

fn payload_file(row: &Row<'_>) -> Result<PayloadFileRow> {
    Ok(PayloadFileRow {
        path: row.get(0)?,
        size_bytes: codec::size(row.get(1)?)?,
        sha256: row.get(2)?,
        mode: row.get(3)?,
        stored: row.get(4)?,
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

fn job(db: &Connection, row: &Row<'_>) -> Result<JobRow> {
    let id: JobId = codec::id(row, 1)?;
    Ok(JobRow {
        cursor: JobCursor(row.get(0)?),
        id,
        payload: codec::id(row, 2)?,
        pipeline: codec::id(row, 3)?,
        definition: DefinitionId(row.get(4)?),
        name: row.get(5)?,
        priority: codec::priority(row.get(6)?)?,
        state: codec::state(row.get(7)?)?,
        status: codec::status(row.get(8)?)?,
        created_ms: row.get(9)?,
        started_ms: row.get(10)?,
        stopped_ms: row.get(11)?,
        queue_order: row.get(12)?,
        time_limit_ms: row.get(13)?,
        ran_ms: row.get(14)?,
        clock_since_ms: row.get(15)?,
        metadata: metadata(db, "SELECT key, value FROM job_metadata WHERE owner = ?1", id.key())?,
    })
}

pub(super) fn job_at(db: &Connection, place: i64) -> Result<Option<JobRow>> {
    first(db, job_columns!("seq = ?1"), [place], |row| job(db, row))
}

fn job_of(db: &Connection, id: JobId) -> Result<Option<JobRow>> {
    first(db, job_columns!("id = ?1"), [id.key()], |row| job(db, row))
}

fn operator(row: &Row<'_>) -> Result<OperatorRow> {
    Ok(OperatorRow {
        index: row.get(0)?,
        name: row.get(1)?,
        status: codec::operator_status(row.get(2)?)?,
        reason: row.get(3)?,
        exit_code: row.get(4)?,
        created_ms: row.get(5)?,
        started_ms: row.get(6)?,
        stopped_ms: row.get(7)?,
        run_token: row.get(8)?,
        attempt: row.get(9)?,
        gpus: codec::texts(&row.get::<_, String>(10)?, "an operator's GPUs")?,
    })
}

fn details(db: &Connection, id: JobId) -> Result<Option<JobDetails>> {
    let Some(job) = job_of(db, id)? else { return Ok(None) };
    let place = job.cursor.0;
    let messages =
        all(db, "SELECT text FROM job_messages WHERE job = ?1 ORDER BY n", [place], |row| Ok(row.get(0)?))?;
    let statement =
        "SELECT n, name, status, reason, exit_code, created_ms, started_ms, stopped_ms, run_token,
        attempt, gpus FROM operators WHERE job = ?1 ORDER BY n";
    let operators = all(db, statement, [place], operator)?;
    Ok(Some(JobDetails { job, messages, operators }))
}

const MODEL: &str = "SELECT id, name, kind, created_ms, size, sha256 FROM models";

fn model(db: &Connection, row: &Row<'_>) -> Result<ModelRow> {
    let id: ModelId = codec::id(row, 0)?;
    Ok(ModelRow {
        id,
        name: row.get(1)?,
        kind: row.get(2)?,
        created_ms: row.get(3)?,
        size_bytes: codec::size(row.get(4)?)?,
        sha256: row.get(5)?,
        metadata: metadata(db, "SELECT key, value FROM model_metadata WHERE owner = ?1", id.key())?,
    })
}

const MODEL_LIST: &str = "SELECT seq, kind, id, created_ms FROM model_lists";

fn model_list(db: &Connection, row: &Row<'_>) -> Result<ModelListRow> {
    let id = match row.get(1)? {
        1i64 => ModelListId::Catalog(codec::id(row, 2)?),
        2 => ModelListId::Instance(codec::id(row, 2)?),
        _ => return Err(RepositoryError::BadValue { what: "a list of models" }),
    };
    let seq: i64 = row.get(0)?;
    let statement = "SELECT model FROM model_list_members WHERE list = ?1 ORDER BY position";
    let models = all(db, statement, [seq], |row| Ok(codec::id(row, 0)?))?;
    Ok(ModelListRow { id, created_ms: row.get(3)?, models })
}

const USER: &str = "SELECT name, password_hash, roles, may_download, is_enabled, created_ms FROM users";

const TOKEN: &str = "SELECT digest, users.name, label, tokens.created_ms, expires_ms
    FROM tokens JOIN users ON users.folded = tokens.user";

fn token(row: &Row<'_>) -> Result<TokenRow> {
    Ok(TokenRow {
        digest: row.get(0)?,
        user: row.get(1)?,
        label: row.get(2)?,
        created_ms: row.get(3)?,
        expires_ms: row.get(4)?,
    })
}

fn user(row: &Row<'_>) -> Result<UserRow> {
    Ok(UserRow {
        name: row.get(0)?,
        password_hash: row.get(1)?,
        roles: codec::texts(&row.get::<_, String>(2)?, "a user's roles")?,
        may_download: row.get(3)?,
        is_enabled: row.get(4)?,
        created_ms: row.get(5)?,
    })
}

fn events(db: &Connection, after: u64, limit: usize) -> Result<Vec<EventRow>> {
    let last = apply::last_event(db)?;
    let mut oldest = db.prepare_cached("SELECT min(number) FROM events")?;
    let oldest: Option<i64> = oldest.query_row([], |row| row.get(0))?;
    let oldest = oldest.map_or(Ok(last + 1), codec::size)?;
    // A number from the future is one of another database.
    if after + 1 < oldest || after > last {
        return Err(RepositoryError::EventsGone { oldest });
    }
    let statement =
        "SELECT number, at_ms, kind, subject, body FROM events WHERE number > ?1 ORDER BY number LIMIT ?2";
    all(db, statement, params![codec::size_column(after), limited(limit)], |row| {
        Ok(EventRow {
            number: codec::size(row.get(0)?)?,
            at_ms: row.get(1)?,
            kind: row.get(2)?,
            subject: row.get(3)?,
            body: row.get(4)?,
        })
    })
}

impl Repository for SqliteRepository {
    fn commit(&self, changes: Vec<Change>) -> Receipt {
        self.write(changes)
    }

    fn pipelines(&self) -> Result<Vec<PipelineRow>> {
        self.read(|db| all(db, &format!("{PIPELINE} ORDER BY name, id"), [], |row| pipeline(db, row)))
    }

    fn pipeline(&self, id: PipelineId) -> Result<Option<PipelineRow>> {
        self.read(|db| first(db, &format!("{PIPELINE} WHERE id = ?1"), [id.key()], |row| pipeline(db, row)))
    }

    fn definition(&self, id: DefinitionId) -> Result<Vec<DefinitionFile>> {
        let statement = "SELECT path, content FROM definition_files WHERE definition = ?1 ORDER BY position";
        self.read(|db| {
            all(db, statement, [id.0], |row| Ok(DefinitionFile { path: row.get(0)?, content: row.get(1)? }))
        })
    }

    fn payload(&self, id: PayloadId) -> Result<Option<PayloadRow>> {
        self.read(|db| {
            first(db, "SELECT kind, job, created_ms, state FROM payloads WHERE id = ?1", [id.key()], |row| {
                Ok(PayloadRow {
                    id,
                    kind: codec::payload_kind(row.get(0)?)?,
                    job: row.get::<_, Option<[u8; 16]>>(1)?.map(Id::from_key),
                    created_ms: row.get(2)?,
                    state: codec::payload_state(row.get(3)?)?,
                    metadata: metadata(
                        db,
                        "SELECT key, value FROM payload_metadata WHERE owner = ?1",
                        id.key(),
                    )?,
                })
            })
        })
    }

    fn payload_ids(&self, after: Option<PayloadId>, limit: usize) -> Result<Vec<PayloadId>> {
        let after = after.map(Id::key);
        let statement = "SELECT id FROM payloads WHERE ?1 IS NULL OR id > ?1 ORDER BY id LIMIT ?2";
        self.read(|db| all(db, statement, params![after, limited(limit)], |row| Ok(codec::id(row, 0)?)))
    }

    fn payload_files(&self, id: PayloadId, after: Option<&str>, limit: usize) -> Result<Vec<PayloadFileRow>> {
        let statement = "SELECT path, size, sha256, mode, stored FROM payload_files
            WHERE payload = ?1 AND (folded, path) > (?2, ?3) ORDER BY folded, path LIMIT ?4";
        let after = after.unwrap_or_default();
        let values = params![id.key(), fold_case(after), after, limited(limit)];
        self.read(|db| all(db, statement, values, payload_file))
    }

    fn payload_files_like(&self, id: PayloadId, path: &str) -> Result<Vec<PayloadFileRow>> {
        let statement = "SELECT path, size, sha256, mode, stored FROM payload_files
            WHERE payload = ?1 AND folded = ?2 ORDER BY path";
        self.read(|db| all(db, statement, params![id.key(), fold_case(path)], payload_file))
    }

    fn contents(&self, after: u64, limit: usize) -> Result<Vec<(u64, PayloadId, ContentRow)>> {
        let statement =
            "SELECT n, payload, path, content FROM payload_contents WHERE n > ?1 ORDER BY n LIMIT ?2";
        self.read(|db| {
            all(db, statement, params![codec::size_column(after), limited(limit)], |row| {
                let content = ContentRow { path: row.get(2)?, content: row.get(3)? };
                Ok((codec::size(row.get(0)?)?, codec::id(row, 1)?, content))
            })
        })
    }

    fn last_content(&self) -> Result<u64> {
        self.read(|db| {
            let mut statement = db.prepare_cached("SELECT coalesce(max(n), 0) FROM payload_contents")?;
            codec::size(statement.query_row([], |row| row.get(0))?)
        })
    }

    fn payloads_of_old_jobs(&self, healthy_before_ms: i64, others_before_ms: i64) -> Result<Vec<PayloadId>> {
        let statement = "SELECT payloads.id FROM jobs JOIN payloads ON payloads.job = jobs.id
            WHERE jobs.state = 3 AND jobs.stopped_ms < CASE jobs.status WHEN 1 THEN ?1 ELSE ?2 END ORDER BY jobs.seq";
        self.read(|db| {
            all(db, statement, [healthy_before_ms, others_before_ms], |row| Ok(codec::id(row, 0)?))
        })
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
        self.read(|db| all(db, statement, [id.key()], |row| Ok((row.get(0)?, row.get(1)?))))
    }

    fn jobs(&self, filter: &JobFilter, after: Option<JobCursor>, limit: usize) -> Result<JobPage> {
        self.read(|db| list::page(db, filter, after, limit))
    }

    fn job_sums(&self) -> Result<JobSums> {
        self.read(|db| {
            let counts = "SELECT state, status, count(*) FROM jobs GROUP BY state, status";
            let counts = all(db, counts, [], |row| {
                let kind = (codec::state(row.get(0)?)?, codec::status(row.get(1)?)?);
                Ok((kind, codec::size(row.get(2)?)?))
            })?;
            let queue =
                "SELECT count(*), min(created_ms) FROM jobs WHERE state = ?1 AND queue_order IS NOT NULL";
            let queue = first(db, queue, [JobState::Pending as i64], |row| {
                Ok((codec::size(row.get(0)?)?, row.get(1)?))
            })?;
            let (queued, oldest_queued_ms) = queue.unwrap_or((0, None));
            Ok(JobSums { counts: counts.into_iter().collect(), queued, oldest_queued_ms })
        })
    }

    fn logged_runs(&self) -> Result<Vec<String>> {
        let statement = "SELECT run_token FROM operators WHERE run_token IS NOT NULL";
        self.read(|db| all(db, statement, [], |row| Ok(row.get(0)?)))
    }

    fn runs(&self) -> Result<Vec<RunRow>> {
        self.read(|db| {
            all(db, "SELECT token, job, operator, handle FROM runs ORDER BY token", [], |row| {
                let job = codec::id(row, 1)?;
                Ok(RunRow { token: row.get(0)?, job, operator: row.get(2)?, handle: row.get(3)? })
            })
        })
    }

    fn models(&self) -> Result<Vec<ModelRow>> {
        self.read(|db| all(db, &format!("{MODEL} ORDER BY folded"), [], |row| model(db, row)))
    }

    fn model(&self, id: ModelId) -> Result<Option<ModelRow>> {
        self.read(|db| first(db, &format!("{MODEL} WHERE id = ?1"), [id.key()], |row| model(db, row)))
    }

    fn model_lists(&self, kind: ModelListKind) -> Result<Vec<ModelListRow>> {
        let kind = match kind {
            ModelListKind::Catalogs => 1,
            ModelListKind::Instances => 2,
        };
        let statement = format!("{MODEL_LIST} WHERE kind = ?1 ORDER BY seq");
        self.read(|db| all(db, &statement, [kind], |row| model_list(db, row)))
    }

    fn model_list(&self, id: ModelListId) -> Result<Option<ModelListRow>> {
        let (kind, key) = apply::list_key(id);
        let statement = format!("{MODEL_LIST} WHERE kind = ?1 AND id = ?2");
        self.read(|db| first(db, &statement, params![kind, key], |row| model_list(db, row)))
    }

    fn audit(&self, limit: usize) -> Result<Vec<AuditRow>> {
        let statement = "SELECT at_ms, user, action, object, outcome FROM audit ORDER BY seq DESC LIMIT ?1";
        self.read(|db| {
            all(db, statement, [limited(limit)], |row| {
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
        self.read(|db| all(db, &format!("{USER} ORDER BY folded"), [], user))
    }

    fn user(&self, name: &str) -> Result<Option<UserRow>> {
        self.read(|db| first(db, &format!("{USER} WHERE folded = ?1"), [fold_case(name)], user))
    }

    fn tokens(&self) -> Result<Vec<TokenRow>> {
        let statement = format!("{TOKEN} ORDER BY users.folded, tokens.created_ms, digest");
        self.read(|db| all(db, &statement, [], token))
    }

    fn token(&self, digest: &[u8; 32]) -> Result<Option<TokenRow>> {
        self.read(|db| first(db, &format!("{TOKEN} WHERE digest = ?1"), [digest], token))
    }

    fn events(&self, after: u64, limit: usize) -> Result<Vec<EventRow>> {
        self.read(|db| events(db, after, limit))
    }

    fn last_event(&self) -> watch::Receiver<u64> {
        self.last_event.clone()
    }
}
