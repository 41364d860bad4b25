//! Changes as statements. Runs inside the writer's transactions only.

use platform_api::id::JobId;
use platform_api::job::JobState;
use rusqlite::{Connection, OptionalExtension, Params, params};
use sha2::{Digest, Sha256};

use super::codec::{self, Id};
use crate::repository::change::{Change, MetadataOwner, NewJob};
use crate::repository::error::RepositoryError;
use crate::repository::rows::{
    DefinitionFile, Metadata, ModelListId, ModelListRow, ModelRow, OperatorRow, PayloadFileRow, PayloadState,
};
use crate::repository::{METADATA_LIMIT_BYTES, fold_case};

type Result<T> = std::result::Result<T, RepositoryError>;

/// Does all changes in order; the caller takes them back when one fails.
pub(super) fn all(db: &Connection, changes: &[Change]) -> Result<()> {
    changes.iter().try_for_each(|change| one(db, change))
}

/// The number of the last event ever written.
pub(super) fn last_event(db: &Connection) -> Result<u64> {
    let mut statement = db.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'events'")?;
    let last: Option<i64> = statement.query_row([], |row| row.get(0)).optional()?;
    Ok(last.and_then(|last| u64::try_from(last).ok()).unwrap_or(0))
}

/// Forgets events up to and including a number.
pub(super) fn trim_events(db: &Connection, up_to: u64) -> Result<()> {
    execute(db, "DELETE FROM events WHERE number <= ?1", [codec::size_column(up_to)]).map(drop)
}

/// Removes definitions that neither a pipeline nor a job has.
pub(super) fn collect_definitions(db: &Connection) -> Result<()> {
    let unused = "DELETE FROM definitions WHERE id NOT IN (SELECT definition FROM pipelines)
        AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.definition = definitions.id)";
    execute(db, unused, []).map(drop)
}

fn execute(db: &Connection, statement: &str, values: impl Params) -> Result<usize> {
    Ok(db.prepare_cached(statement)?.execute(values)?)
}

/// Demands that exactly the named thing was hit.
fn hit(count: usize, what: &'static str, id: impl std::fmt::Display) -> Result<()> {
    if count == 0 { Err(RepositoryError::Unknown { what, id: id.to_string() }) } else { Ok(()) }
}

/// Gives an insertion that met its like a name.
fn fresh(result: Result<usize>, what: &'static str, id: impl std::fmt::Display) -> Result<()> {
    use rusqlite::ffi;
    match result {
        Err(RepositoryError::Database { source: rusqlite::Error::SqliteFailure(failure, _) })
            if matches!(
                failure.extended_code,
                ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_UNIQUE
            ) =>
        {
            Err(RepositoryError::Exists { what, id: id.to_string() })
        }
        other => other.map(drop),
    }
}

fn one(db: &Connection, change: &Change) -> Result<()> {
    match change {
        Change::CreatePipeline { id, name, created_ms, files, metadata } => {
            let definition = definition(db, files)?;
            let statement =
                "INSERT INTO pipelines (id, name, created_ms, definition) VALUES (?1, ?2, ?3, ?4)";
            fresh(execute(db, statement, params![id.key(), name, created_ms, definition]), "pipeline", id)?;
            add_metadata(db, MetadataOwner::Pipeline(*id), metadata)
        }
        Change::UpdatePipeline { id, name, files } => {
            let definition = definition(db, files)?;
            let statement =
                "UPDATE pipelines SET name = ?2, definition = ?3, revision = revision + 1 WHERE id = ?1";
            hit(execute(db, statement, params![id.key(), name, definition])?, "pipeline", id)
        }
        Change::RemovePipeline(id) => {
            hit(execute(db, "DELETE FROM pipelines WHERE id = ?1", [id.key()])?, "pipeline", id)
        }
        Change::CreatePayload { id, kind, job, created_ms, metadata } => {
            let statement =
                "INSERT INTO payloads (id, kind, job, created_ms, state) VALUES (?1, ?2, ?3, ?4, ?5)";
            let job = job.map(Id::key);
            let values = params![id.key(), *kind as i64, job, created_ms, PayloadState::Open as i64];
            fresh(execute(db, statement, values), "payload", id)?;
            add_metadata(db, MetadataOwner::Payload(*id), metadata)
        }
        Change::SetPayloadState(id, state) => {
            let statement = "UPDATE payloads SET state = ?2 WHERE id = ?1";
            hit(execute(db, statement, params![id.key(), *state as i64])?, "payload", id)
        }
        Change::RemovePayload(id) => {
            hit(execute(db, "DELETE FROM payloads WHERE id = ?1", [id.key()])?, "payload", id)
        }
        Change::AddPayloadFile(id, file) => {
            demand_open(db, *id)?;
            let statement = "SELECT path FROM payload_files WHERE payload = ?1 AND folded = ?2 LIMIT 1";
            let mut taken = db.prepare_cached(statement)?;
            let taken: Option<String> =
                taken.query_row(params![id.key(), fold_case(&file.path)], |row| row.get(0)).optional()?;
            match taken {
                Some(name) => Err(RepositoryError::FileExists { name }),
                None => put_file(db, *id, file),
            }
        }
        Change::PutPayloadFiles(id, files) => {
            let known = db.prepare_cached("SELECT 1 FROM payloads WHERE id = ?1")?.exists([id.key()])?;
            hit(known.into(), "payload", id)?;
            files.iter().try_for_each(|file| put_file(db, *id, file))
        }
        Change::KeepContent(id, row) => {
            let statement = "INSERT INTO payload_contents (payload, path, content) VALUES (?1, ?2, ?3)";
            execute(db, statement, params![id.key(), row.path, row.content]).map(drop)
        }
        Change::ForgetContents(up_to) => {
            let statement = "DELETE FROM payload_contents WHERE n <= ?1";
            execute(db, statement, [codec::size_column(*up_to)]).map(drop)
        }
        Change::RemovePayloadFile(id, path) => {
            demand_open(db, *id)?;
            let statement = "DELETE FROM payload_files WHERE payload = ?1 AND folded = ?2 AND path = ?3";
            hit(execute(db, statement, params![id.key(), fold_case(path), path])?, "file", path)
        }
        Change::CreateJob(job) => create_job(db, job),
        Change::EnqueueJob { job, variables, queue_order } => enqueue_job(db, *job, variables, *queue_order),
        Change::SetJobPriority(job, priority) => {
            demand_state(db, *job, JobState::Pending)?;
            let statement = "UPDATE jobs SET priority = ?2 WHERE id = ?1";
            hit(execute(db, statement, params![job.key(), *priority as i64])?, "job", job)
        }
        Change::UpdateJob { job, state, status, started_ms, stopped_ms, ran_ms, clock_since_ms } => {
            demand_state(db, *job, *state)?;
            // A clock that was set back must not make a job end before it began.
            let statement = "UPDATE jobs SET state = ?2, status = ?3,
                started_ms = coalesce(started_ms, max(?4, created_ms)),
                stopped_ms = max(?5, coalesce(started_ms, ?4, created_ms), created_ms),
                ran_ms = ?6, clock_since_ms = ?7 WHERE id = ?1";
            let values = params![
                job.key(),
                *state as i64,
                *status as i64,
                started_ms,
                stopped_ms,
                ran_ms,
                clock_since_ms
            ];
            hit(execute(db, statement, values)?, "job", job)
        }
        Change::AddJobMessage(job, text) => {
            let seq = job_seq(db, *job)?;
            let statement = "INSERT INTO job_messages (job, n, text)
                SELECT ?1, coalesce(max(n), -1) + 1, ?2 FROM job_messages WHERE job = ?1";
            execute(db, statement, params![seq, text]).map(drop)
        }
        Change::PutOperator(job, operator) => {
            let seq = job_seq(db, *job)?;
            let known = "SELECT 1 FROM operators WHERE job = ?1 AND n = ?2";
            hit(
                db.prepare_cached(known)?.exists(params![seq, operator.index])?.into(),
                "operator",
                operator.index,
            )?;
            put_operator(db, seq, operator)
        }
        Change::PutRun(run) => {
            job_seq(db, run.job)?;
            let statement = "INSERT INTO runs (token, job, operator, handle) VALUES (?1, ?2, ?3, ?4)
                ON CONFLICT (token) DO UPDATE SET job = ?2, operator = ?3, handle = ?4";
            execute(db, statement, params![run.token, run.job.key(), run.operator, run.handle]).map(drop)
        }
        Change::RemoveRun(token) => execute(db, "DELETE FROM runs WHERE token = ?1", [token]).map(drop),
        Change::AddMetadata(owner, entries) => add_metadata(db, *owner, entries),
        Change::RemoveMetadata(owner, keys) => remove_metadata(db, *owner, keys),
        Change::PutModel(model) => put_model(db, model),
        Change::RemoveModel(id) => {
            hit(execute(db, "DELETE FROM models WHERE id = ?1", [id.key()])?, "model", id)
        }
        Change::PutModelList(list) => put_model_list(db, list),
        Change::RemoveModelList(id) => {
            let (kind, key) = list_key(*id);
            let statement = "DELETE FROM model_lists WHERE kind = ?1 AND id = ?2";
            hit(execute(db, statement, params![kind, key])?, "list of models", list_text(*id))
        }
        Change::Audit(line) => {
            let statement =
                "INSERT INTO audit (at_ms, user, action, object, outcome) VALUES (?1, ?2, ?3, ?4, ?5)";
            let values = params![line.at_ms, line.user, line.action, line.object, line.outcome];
            execute(db, statement, values).map(drop)
        }
        Change::PutUser(user) => {
            let statement =
                "INSERT INTO users (folded, name, password_hash, roles, may_download, is_enabled, created_ms)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (folded) DO UPDATE SET
                name = ?2, password_hash = ?3, roles = ?4, may_download = ?5, is_enabled = ?6";
            let values = params![
                fold_case(&user.name),
                user.name,
                user.password_hash,
                codec::texts_column(&user.roles),
                user.may_download,
                user.is_enabled,
                user.created_ms
            ];
            execute(db, statement, values).map(drop)
        }
        Change::RemoveUser(name) => {
            hit(execute(db, "DELETE FROM users WHERE folded = ?1", [fold_case(name)])?, "user", name)
        }
        Change::AddToken(token) => {
            let user = fold_case(&token.user);
            hit(
                db.prepare_cached("SELECT 1 FROM users WHERE folded = ?1")?.exists([&user])?.into(),
                "user",
                &token.user,
            )?;
            let statement = "INSERT INTO tokens (digest, user, label, created_ms, expires_ms) VALUES (?1, ?2, ?3, ?4, ?5)";
            let values = params![token.digest, user, token.label, token.created_ms, token.expires_ms];
            fresh(execute(db, statement, values), "token", &token.label)
        }
        Change::RemoveToken(digest) => {
            hit(execute(db, "DELETE FROM tokens WHERE digest = ?1", [digest])?, "token", "(its hash)")
        }
        Change::Event { at_ms, kind, subject, body } => {
            let statement = "INSERT INTO events (at_ms, kind, subject, body) VALUES (?1, ?2, ?3, ?4)";
            execute(db, statement, params![at_ms, kind, subject, body]).map(drop)
        }
    }
}

/// The number of a list of files; the same list has the same number.
fn definition(db: &Connection, files: &[DefinitionFile]) -> Result<i64> {
    let mut hash = Sha256::new();
    for text in files.iter().flat_map(|file| [&file.path, &file.content]) {
        hash.update(text.len().to_le_bytes());
        hash.update(text);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let mut known = db.prepare_cached("SELECT id FROM definitions WHERE digest = ?1")?;
    if let Some(id) = known.query_row([&digest], |row| row.get(0)).optional()? {
        return Ok(id);
    }
    execute(db, "INSERT INTO definitions (digest) VALUES (?1)", [&digest])?;
    let id = db.last_insert_rowid();
    for (position, file) in (0i64..).zip(files) {
        let statement =
            "INSERT INTO definition_files (definition, position, path, content) VALUES (?1, ?2, ?3, ?4)";
        execute(db, statement, params![id, position, file.path, file.content])?;
    }
    Ok(id)
}

fn demand_open(db: &Connection, id: platform_api::id::PayloadId) -> Result<()> {
    let mut statement = db.prepare_cached("SELECT state FROM payloads WHERE id = ?1")?;
    let state: Option<i64> = statement.query_row([id.key()], |row| row.get(0)).optional()?;
    match state {
        None => Err(RepositoryError::Unknown { what: "payload", id: id.to_string() }),
        Some(state) if codec::payload_state(state)? == PayloadState::Open => Ok(()),
        Some(_) => Err(RepositoryError::ReadOnly),
    }
}

fn put_file(db: &Connection, id: platform_api::id::PayloadId, file: &PayloadFileRow) -> Result<()> {
    let statement = "INSERT INTO payload_files (payload, folded, path, size, sha256, mode, stored)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (payload, folded, path) DO UPDATE SET
        size = ?4, sha256 = ?5, mode = ?6, stored = ?7";
    let size = codec::size_column(file.size_bytes);
    let values =
        params![id.key(), fold_case(&file.path), file.path, size, file.sha256, file.mode, file.stored];
    execute(db, statement, values).map(drop)
}

fn job_seq(db: &Connection, job: JobId) -> Result<i64> {
    let mut statement = db.prepare_cached("SELECT seq FROM jobs WHERE id = ?1")?;
    let seq = statement.query_row([job.key()], |row| row.get(0)).optional()?;
    seq.ok_or_else(|| RepositoryError::Unknown { what: "job", id: job.to_string() })
}

/// Refuses what would take a job back, or change one that is over.
fn demand_state(db: &Connection, job: JobId, next: JobState) -> Result<()> {
    let mut statement = db.prepare_cached("SELECT state FROM jobs WHERE id = ?1")?;
    let state: Option<i64> = statement.query_row([job.key()], |row| row.get(0)).optional()?;
    let state =
        codec::state(state.ok_or_else(|| RepositoryError::Unknown { what: "job", id: job.to_string() })?)?;
    if state == JobState::Stopped {
        return Err(RepositoryError::JobStopped { job: job.to_string() });
    }
    if next < state {
        return Err(RepositoryError::JobMovesBack {
            job: job.to_string(),
            from: state as u8,
            to: next as u8,
        });
    }
    Ok(())
}

fn create_job(db: &Connection, job: &NewJob) -> Result<()> {
    let known = db.prepare_cached("SELECT 1 FROM definitions WHERE id = ?1")?.exists([job.definition.0])?;
    hit(known.into(), "definition", job.definition.0)?;
    let statement = "INSERT INTO jobs
        (id, payload, pipeline, definition, name, priority, state, status, created_ms, time_limit_ms)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, 1, ?7, ?8)";
    let values = params![
        job.id.key(),
        job.payload.key(),
        job.pipeline.key(),
        job.definition.0,
        job.name,
        job.priority as i64,
        job.created_ms,
        job.time_limit_ms
    ];
    fresh(execute(db, statement, values), "job", job.id)?;
    let seq = db.last_insert_rowid();
    job.operators.iter().try_for_each(|operator| put_operator(db, seq, operator))?;
    add_metadata(db, MetadataOwner::Job(job.id), &job.metadata)
}

fn enqueue_job(db: &Connection, job: JobId, variables: &[(String, String)], queue_order: i64) -> Result<()> {
    demand_state(db, job, JobState::Pending)?;
    let seq = job_seq(db, job)?;
    let statement = "UPDATE jobs SET queue_order = ?2 WHERE seq = ?1 AND queue_order IS NULL";
    if execute(db, statement, params![seq, queue_order])? == 0 {
        return Err(RepositoryError::AlreadyStarted { job: job.to_string() });
    }
    for (n, (name, value)) in (0i64..).zip(variables) {
        let statement = "INSERT INTO job_variables (job, n, name, value) VALUES (?1, ?2, ?3, ?4)";
        execute(db, statement, params![seq, n, name, value])?;
    }
    Ok(())
}

fn put_operator(db: &Connection, seq: i64, operator: &OperatorRow) -> Result<()> {
    let statement = "INSERT INTO operators (job, n, name, status, reason, exit_code, created_ms, started_ms,
        stopped_ms, run_token, attempt, gpus) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
        ON CONFLICT (job, n) DO UPDATE SET name = ?3, status = ?4, reason = ?5, exit_code = ?6, created_ms = ?7,
        started_ms = ?8, stopped_ms = ?9, run_token = ?10, attempt = ?11, gpus = ?12";
    let values = params![
        seq,
        operator.index,
        operator.name,
        operator.status as i64,
        operator.reason,
        operator.exit_code,
        operator.created_ms,
        operator.started_ms,
        operator.stopped_ms,
        operator.run_token,
        operator.attempt,
        codec::texts_column(&operator.gpus)
    ];
    execute(db, statement, values).map(drop)
}

/// Statements on the metadata of one kind of thing.
struct MetadataTable {
    key: [u8; 16],
    what: &'static str,
    id: String,
    owner: &'static str,
    insert: &'static str,
    delete: &'static str,
    bytes: &'static str,
}

macro_rules! metadata_table {
    ($id:expr, $what:literal, $owners:literal, $table:literal) => {
        MetadataTable {
            key: $id.key(),
            what: $what,
            id: $id.to_string(),
            owner: concat!("SELECT 1 FROM ", $owners, " WHERE id = ?1"),
            insert: concat!("INSERT INTO ", $table, " (owner, folded, key, value) VALUES (?1, ?2, ?3, ?4)"),
            delete: concat!("DELETE FROM ", $table, " WHERE owner = ?1 AND folded = ?2"),
            bytes: concat!(
                "SELECT coalesce(sum(octet_length(key) + octet_length(value)), 0) FROM ",
                $table,
                " WHERE owner = ?1"
            ),
        }
    };
}

fn metadata_table(owner: MetadataOwner) -> MetadataTable {
    match owner {
        MetadataOwner::Pipeline(id) => metadata_table!(id, "pipeline", "pipelines", "pipeline_metadata"),
        MetadataOwner::Payload(id) => metadata_table!(id, "payload", "payloads", "payload_metadata"),
        MetadataOwner::Job(id) => metadata_table!(id, "job", "jobs", "job_metadata"),
        MetadataOwner::Model(id) => metadata_table!(id, "model", "models", "model_metadata"),
    }
}

fn add_metadata(db: &Connection, owner: MetadataOwner, entries: &Metadata) -> Result<()> {
    let table = metadata_table(owner);
    hit(db.prepare_cached(table.owner)?.exists([table.key])?.into(), table.what, table.id)?;
    for (key, value) in entries {
        let inserted = execute(db, table.insert, params![table.key, fold_case(key), key, value]);
        fresh(inserted, "metadata key", key).map_err(|error| match error {
            RepositoryError::Exists { .. } => RepositoryError::MetadataKeyExists { key: key.clone() },
            other => other,
        })?;
    }
    if !entries.is_empty() {
        let bytes: i64 = db.prepare_cached(table.bytes)?.query_row([table.key], |row| row.get(0))?;
        let bytes = codec::size(bytes)?;
        if bytes > METADATA_LIMIT_BYTES {
            return Err(RepositoryError::MetadataTooLarge { bytes, limit: METADATA_LIMIT_BYTES });
        }
    }
    Ok(())
}

fn remove_metadata(db: &Connection, owner: MetadataOwner, keys: &[String]) -> Result<()> {
    let table = metadata_table(owner);
    hit(db.prepare_cached(table.owner)?.exists([table.key])?.into(), table.what, table.id)?;
    keys.iter().try_for_each(|key| execute(db, table.delete, params![table.key, fold_case(key)]).map(drop))
}

fn put_model(db: &Connection, model: &ModelRow) -> Result<()> {
    // A model that is replaced keeps its identifier when the caller gives it again, and its lists only then.
    execute(
        db,
        "DELETE FROM models WHERE folded = ?1 AND id <> ?2",
        params![fold_case(&model.name), model.id.key()],
    )?;
    let statement = "INSERT INTO models (id, folded, name, kind, created_ms, size, sha256)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (id) DO UPDATE SET
        folded = ?2, name = ?3, kind = ?4, created_ms = ?5, size = ?6, sha256 = ?7";
    let values = params![
        model.id.key(),
        fold_case(&model.name),
        model.name,
        model.kind,
        model.created_ms,
        codec::size_column(model.size_bytes),
        model.sha256
    ];
    execute(db, statement, values)?;
    execute(db, "DELETE FROM model_metadata WHERE owner = ?1", [model.id.key()])?;
    add_metadata(db, MetadataOwner::Model(model.id), &model.metadata)
}

pub(super) fn list_key(id: ModelListId) -> (i64, [u8; 16]) {
    match id {
        ModelListId::Catalog(id) => (1, id.key()),
        ModelListId::Instance(id) => (2, id.key()),
    }
}

fn list_text(id: ModelListId) -> String {
    match id {
        ModelListId::Catalog(id) => id.to_string(),
        ModelListId::Instance(id) => id.to_string(),
    }
}

fn put_model_list(db: &Connection, list: &ModelListRow) -> Result<()> {
    let (kind, key) = list_key(list.id);
    let statement = "INSERT INTO model_lists (kind, id, created_ms) VALUES (?1, ?2, ?3)
        ON CONFLICT (kind, id) DO NOTHING";
    execute(db, statement, params![kind, key, list.created_ms])?;
    let mut statement = db.prepare_cached("SELECT seq FROM model_lists WHERE kind = ?1 AND id = ?2")?;
    let seq: i64 = statement.query_row(params![kind, key], |row| row.get(0))?;
    execute(db, "DELETE FROM model_list_members WHERE list = ?1", [seq])?;
    for (position, model) in (0i64..).zip(&list.models) {
        let known = db.prepare_cached("SELECT 1 FROM models WHERE id = ?1")?.exists([model.key()])?;
        hit(known.into(), "model", model)?;
        let statement = "INSERT INTO model_list_members (list, position, model) VALUES (?1, ?2, ?3)";
        execute(db, statement, params![seq, position, model.key()])?;
    }
    Ok(())
}
