//! Changes as statements. Runs inside the writer's transactions only.

use std::fmt::Display;

use platform_api::id::{JobId, PayloadId};
use platform_api::job::{JobState, JobStatus};
use sha2::{Digest, Sha256};

use super::codec::{self, Id, folded};
use super::{Database, Result, Value, exists, first, values};
use crate::repository::METADATA_LIMIT_BYTES;
use crate::repository::change::{Change, MetadataOwner, NewJob};
use crate::repository::error::RepositoryError;
use crate::repository::rows::{
    DefinitionFile, Metadata, ModelListId, ModelListRow, ModelRow, OperatorRow, PayloadFileRow, PayloadState,
    TokenRow, UserRow,
};

/// Does all changes in order; the caller takes them back when one fails.
pub(super) fn all(db: &dyn Database, changes: &[Change]) -> Result<()> {
    changes.iter().try_for_each(|change| one(db, change))
}

/// Forgets events up to and including a number.
pub(super) fn trim_events(db: &dyn Database, up_to: u64) -> Result<()> {
    done(db, "DELETE FROM events WHERE number <= ?1", values![codec::size_column(up_to)])
}

/// Removes definitions that neither a pipeline nor a job has.
pub(in crate::repository) fn collect_definitions(db: &dyn Database) -> Result<()> {
    let unused = "DELETE FROM definitions WHERE id NOT IN (SELECT definition FROM pipelines)
        AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.definition = definitions.id)";
    done(db, unused, Vec::new())
}

fn done(db: &dyn Database, statement: &str, values: Vec<Value<'_>>) -> Result<()> {
    db.execute(statement, &values).map(drop)
}

/// What a statement is about, for those who read why it failed.
struct Named<'a>(&'static str, &'a dyn Display);

impl Named<'_> {
    fn unknown(&self) -> RepositoryError {
        RepositoryError::Unknown { what: self.0, id: self.1.to_string() }
    }
}

/// Demands that the named thing was hit.
fn hit(db: &dyn Database, statement: &str, values: Vec<Value<'_>>, named: Named<'_>) -> Result<()> {
    if db.execute(statement, &values)? == 0 { Err(named.unknown()) } else { Ok(()) }
}

/// Demands that the named thing is there.
fn known(db: &dyn Database, statement: &str, values: Vec<Value<'_>>, named: Named<'_>) -> Result<()> {
    if exists(db, statement, values)? { Ok(()) } else { Err(named.unknown()) }
}

/// Demands that an insertion did not meet its like; its statement inserts nothing then.
fn fresh(db: &dyn Database, statement: &str, values: Vec<Value<'_>>, named: Named<'_>) -> Result<()> {
    if db.execute(statement, &values)? == 0 {
        return Err(RepositoryError::Exists { what: named.0, id: named.1.to_string() });
    }
    Ok(())
}

fn one(db: &dyn Database, change: &Change) -> Result<()> {
    match change {
        Change::CreatePipeline { id, name, created_ms, files, metadata } => {
            let definition = definition(db, files)?;
            let statement = "INSERT INTO pipelines (id, name, created_ms, definition) VALUES (?1, ?2, ?3, ?4)
                ON CONFLICT (id) DO NOTHING";
            let values = values![id.key(), name, *created_ms, definition];
            fresh(db, statement, values, Named("pipeline", id))?;
            add_metadata(db, MetadataOwner::Pipeline(*id), metadata)
        }
        Change::UpdatePipeline { id, name, files } => {
            let definition = definition(db, files)?;
            let statement =
                "UPDATE pipelines SET name = ?2, definition = ?3, revision = revision + 1 WHERE id = ?1";
            hit(db, statement, values![id.key(), name, definition], Named("pipeline", id))
        }
        Change::RemovePipeline(id) => {
            hit(db, "DELETE FROM pipelines WHERE id = ?1", values![id.key()], Named("pipeline", id))
        }
        Change::CreatePayload { id, kind, job, created_ms, metadata } => {
            let statement = "INSERT INTO payloads (id, kind, job, created_ms, state)
                VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (id) DO NOTHING";
            let job = job.map(Id::key);
            let values = values![id.key(), *kind as i64, job, *created_ms, PayloadState::Open as i64];
            fresh(db, statement, values, Named("payload", id))?;
            add_metadata(db, MetadataOwner::Payload(*id), metadata)
        }
        Change::SetPayloadState(id, state) => {
            let statement = "UPDATE payloads SET state = ?2 WHERE id = ?1";
            hit(db, statement, values![id.key(), *state as i64], Named("payload", id))
        }
        Change::RemovePayload(id) => {
            hit(db, "DELETE FROM payloads WHERE id = ?1", values![id.key()], Named("payload", id))
        }
        Change::AddPayloadFile(id, file) => add_file(db, *id, file),
        Change::PutPayloadFiles(id, files) => {
            known(db, "SELECT 1 FROM payloads WHERE id = ?1", values![id.key()], Named("payload", id))?;
            put_files(db, *id, files)
        }
        Change::KeepContent(id, row) => {
            let statement = "INSERT INTO payload_contents (payload, path, content) VALUES (?1, ?2, ?3)";
            done(db, statement, values![id.key(), &row.path, row.content.as_slice()])
        }
        Change::ForgetContents(up_to) => {
            let statement = "DELETE FROM payload_contents WHERE n <= ?1";
            done(db, statement, values![codec::size_column(*up_to)])
        }
        Change::RemovePayloadFile(id, path) => {
            demand_open(db, *id)?;
            let statement = "DELETE FROM payload_files WHERE payload = ?1 AND folded = ?2 AND path = ?3";
            hit(db, statement, values![id.key(), folded(path), path], Named("file", path))
        }
        Change::CreateJob(job) => create_job(db, job),
        Change::EnqueueJob { job, variables, queue_order } => enqueue_job(db, *job, variables, *queue_order),
        Change::SetJobPriority(job, priority) => {
            demand_state(db, *job, JobState::Pending)?;
            let statement = "UPDATE jobs SET priority = ?2 WHERE id = ?1";
            hit(db, statement, values![job.key(), *priority as i64], Named("job", job))
        }
        Change::UpdateJob { job, state, status, started_ms, stopped_ms, ran_ms, clock_since_ms } => {
            let clocks = Clocks {
                started_ms: *started_ms,
                stopped_ms: *stopped_ms,
                ran_ms: *ran_ms,
                since_ms: *clock_since_ms,
            };
            update_job(db, *job, (*state, *status), clocks)
        }
        Change::AddJobMessage(job, text) => {
            let seq = job_seq(db, *job)?;
            let statement = "INSERT INTO job_messages (job, n, text)
                VALUES (?1, (SELECT coalesce(max(n), -1) + 1 FROM job_messages WHERE job = ?1), ?2)";
            done(db, statement, values![seq, text])
        }
        Change::PutOperator(job, operator) => {
            let seq = job_seq(db, *job)?;
            let statement = "SELECT 1 FROM operators WHERE job = ?1 AND n = ?2";
            known(db, statement, values![seq, operator.index], Named("operator", &operator.index))?;
            put_operators(db, seq, std::slice::from_ref(operator))
        }
        Change::PutRun(run) => {
            job_seq(db, run.job)?;
            let statement = "INSERT INTO runs (token, job, operator, handle) VALUES (?1, ?2, ?3, ?4)
                ON CONFLICT (token) DO UPDATE SET job = ?2, operator = ?3, handle = ?4";
            done(db, statement, values![&run.token, run.job.key(), run.operator, run.handle.as_deref()])
        }
        Change::RemoveRun(token) => done(db, "DELETE FROM runs WHERE token = ?1", values![token]),
        Change::AddMetadata(owner, entries) => add_metadata(db, *owner, entries),
        Change::RemoveMetadata(owner, keys) => remove_metadata(db, *owner, keys),
        Change::PutModel(model) => put_model(db, model),
        Change::RemoveModel(id) => {
            hit(db, "DELETE FROM models WHERE id = ?1", values![id.key()], Named("model", id))
        }
        Change::PutModelList(list) => put_model_list(db, list),
        Change::RemoveModelList(id) => {
            let (kind, key) = list_key(*id);
            let statement = "DELETE FROM model_lists WHERE kind = ?1 AND id = ?2";
            hit(db, statement, values![kind, key], Named("list of models", &list_text(*id)))
        }
        Change::Audit(line) => {
            let statement = r#"INSERT INTO audit (at_ms, "user", action, object, outcome)
                VALUES (?1, ?2, ?3, ?4, ?5)"#;
            let values = values![line.at_ms, &line.user, &line.action, &line.object, &line.outcome];
            done(db, statement, values)
        }
        Change::PutUser(user) => put_user(db, user),
        Change::RemoveUser(name) => {
            hit(db, "DELETE FROM users WHERE folded = ?1", values![folded(name)], Named("user", name))
        }
        Change::AddToken(token) => add_token(db, token),
        Change::RemoveToken(digest) => {
            let named = Named("token", &"(its hash)");
            hit(db, "DELETE FROM tokens WHERE digest = ?1", values![digest], named)
        }
        Change::Event { at_ms, kind, subject, body } => {
            let statement = "INSERT INTO events (at_ms, kind, subject, body) VALUES (?1, ?2, ?3, ?4)";
            done(db, statement, values![*at_ms, kind, subject, body])
        }
    }
}

/// The number of a list of files; the same list has the same number.
fn definition(db: &dyn Database, files: &[DefinitionFile]) -> Result<i64> {
    let mut hash = Sha256::new();
    for text in files.iter().flat_map(|file| [&file.path, &file.content]) {
        hash.update(text.len().to_le_bytes());
        hash.update(text);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let statement = "SELECT id FROM definitions WHERE digest = ?1";
    if let Some(id) = first(db, statement, values![digest], |row| row.get(0))? {
        return Ok(id);
    }
    let id = number_of_new(db, "INSERT INTO definitions (digest) VALUES (?1) RETURNING id", values![digest])?
        .ok_or(RepositoryError::BadValue { what: "a definition" })?;
    let sets: Vec<_> = (0i64..)
        .zip(files)
        .map(|(position, file)| values![id, position, &file.path, &file.content])
        .collect();
    let statement =
        "INSERT INTO definition_files (definition, position, path, content) VALUES (?1, ?2, ?3, ?4)";
    db.execute_all(statement, &sets)?;
    Ok(id)
}

/// The number that an insertion gave; none where it inserted nothing.
fn number_of_new(db: &dyn Database, statement: &str, values: Vec<Value<'_>>) -> Result<Option<i64>> {
    first(db, statement, values, |row| row.get(0))
}

fn demand_open(db: &dyn Database, id: PayloadId) -> Result<()> {
    let statement = "SELECT state FROM payloads WHERE id = ?1";
    let state = first(db, statement, values![id.key()], |row| codec::payload_state(row.get(0)?))?;
    match state {
        None => Err(Named("payload", &id).unknown()),
        Some(PayloadState::Open) => Ok(()),
        Some(_) => Err(RepositoryError::ReadOnly),
    }
}

fn add_file(db: &dyn Database, id: PayloadId, file: &PayloadFileRow) -> Result<()> {
    demand_open(db, id)?;
    let statement = "SELECT path FROM payload_files WHERE payload = ?1 AND folded = ?2 LIMIT 1";
    match first(db, statement, values![id.key(), folded(&file.path)], |row| row.get(0))? {
        Some(name) => Err(RepositoryError::FileExists { name }),
        None => put_files(db, id, std::slice::from_ref(file)),
    }
}

fn put_files(db: &dyn Database, id: PayloadId, files: &[PayloadFileRow]) -> Result<()> {
    let statement = "INSERT INTO payload_files (payload, folded, path, size, sha256, mode, stored)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (payload, folded, path) DO UPDATE SET
        size = ?4, sha256 = ?5, mode = ?6, stored = ?7";
    let sets: Vec<_> = files
        .iter()
        .map(|file| {
            let (size, stored) = (codec::size_column(file.size_bytes), file.stored.as_deref());
            values![id.key(), folded(&file.path), &file.path, size, &file.sha256, file.mode, stored]
        })
        .collect();
    db.execute_all(statement, &sets).map(drop)
}

fn job_seq(db: &dyn Database, job: JobId) -> Result<i64> {
    let seq = first(db, "SELECT seq FROM jobs WHERE id = ?1", values![job.key()], |row| row.get(0))?;
    seq.ok_or_else(|| Named("job", &job).unknown())
}

/// When a job was created and when it began.
type Begun = (i64, Option<i64>);

/// Refuses what would take a job back, or change one that is over.
fn demand_state(db: &dyn Database, job: JobId, next: JobState) -> Result<Begun> {
    let statement = "SELECT state, created_ms, started_ms FROM jobs WHERE id = ?1";
    let found = first(db, statement, values![job.key()], |row| {
        Ok((codec::state(row.get(0)?)?, (row.get(1)?, row.maybe(2)?)))
    })?;
    let (state, begun) = found.ok_or_else(|| Named("job", &job).unknown())?;
    if state == JobState::Stopped {
        return Err(RepositoryError::JobStopped { job: job.to_string() });
    }
    if next < state {
        let (from, to) = (state as u8, next as u8);
        return Err(RepositoryError::JobMovesBack { job: job.to_string(), from, to });
    }
    Ok(begun)
}

/// The times of a job that changes.
struct Clocks {
    started_ms: Option<i64>,
    stopped_ms: Option<i64>,
    ran_ms: i64,
    since_ms: Option<i64>,
}

fn update_job(
    db: &dyn Database,
    job: JobId,
    (state, status): (JobState, JobStatus),
    clocks: Clocks,
) -> Result<()> {
    let (created, begun) = demand_state(db, job, state)?;
    // A clock that was set back must not make a job end before it began.
    let started = begun.or(clocks.started_ms.map(|started| started.max(created)));
    let stopped = clocks.stopped_ms.map(|stopped| stopped.max(started.unwrap_or(created)).max(created));
    let statement = "UPDATE jobs SET state = ?2, status = ?3, started_ms = ?4, stopped_ms = ?5, ran_ms = ?6,
        clock_since_ms = ?7 WHERE id = ?1";
    let values =
        values![job.key(), state as i64, status as i64, started, stopped, clocks.ran_ms, clocks.since_ms];
    hit(db, statement, values, Named("job", &job))
}

fn create_job(db: &dyn Database, job: &NewJob) -> Result<()> {
    let definition = job.definition.0;
    let statement = "SELECT 1 FROM definitions WHERE id = ?1";
    known(db, statement, values![definition], Named("definition", &definition))?;
    let statement = "INSERT INTO jobs
        (id, payload, pipeline, definition, name, priority, state, status, created_ms, time_limit_ms)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, 1, ?7, ?8) ON CONFLICT (id) DO NOTHING RETURNING seq";
    let values = values![
        job.id.key(),
        job.payload.key(),
        job.pipeline.key(),
        definition,
        &job.name,
        job.priority as i64,
        job.created_ms,
        job.time_limit_ms
    ];
    let Some(seq) = number_of_new(db, statement, values)? else {
        return Err(RepositoryError::Exists { what: "job", id: job.id.to_string() });
    };
    put_operators(db, seq, &job.operators)?;
    add_metadata(db, MetadataOwner::Job(job.id), &job.metadata)
}

fn enqueue_job(
    db: &dyn Database,
    job: JobId,
    variables: &[(String, String)],
    queue_order: i64,
) -> Result<()> {
    demand_state(db, job, JobState::Pending)?;
    let seq = job_seq(db, job)?;
    let statement = "UPDATE jobs SET queue_order = ?2 WHERE seq = ?1 AND queue_order IS NULL";
    if db.execute(statement, &[seq.into(), queue_order.into()])? == 0 {
        return Err(RepositoryError::AlreadyStarted { job: job.to_string() });
    }
    let statement = "INSERT INTO job_variables (job, n, name, value) VALUES (?1, ?2, ?3, ?4)";
    let sets: Vec<_> =
        (0i64..).zip(variables).map(|(n, (name, value))| values![seq, n, name, value]).collect();
    db.execute_all(statement, &sets).map(drop)
}

fn put_operators(db: &dyn Database, seq: i64, operators: &[OperatorRow]) -> Result<()> {
    let statement = "INSERT INTO operators (job, n, name, status, reason, exit_code, created_ms, started_ms,
        stopped_ms, run_token, attempt, gpus) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
        ON CONFLICT (job, n) DO UPDATE SET name = ?3, status = ?4, reason = ?5, exit_code = ?6, created_ms = ?7,
        started_ms = ?8, stopped_ms = ?9, run_token = ?10, attempt = ?11, gpus = ?12";
    let sets: Vec<_> = operators
        .iter()
        .map(|operator| {
            values![
                seq,
                operator.index,
                &operator.name,
                operator.status as i64,
                operator.reason.as_deref(),
                operator.exit_code,
                operator.created_ms,
                operator.started_ms,
                operator.stopped_ms,
                operator.run_token.as_deref(),
                operator.attempt,
                codec::texts_column(&operator.gpus)
            ]
        })
        .collect();
    db.execute_all(statement, &sets).map(drop)
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
            insert: concat!(
                "INSERT INTO ",
                $table,
                " (owner, folded, key, value) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (owner, folded) DO NOTHING"
            ),
            delete: concat!("DELETE FROM ", $table, " WHERE owner = ?1 AND folded = ?2"),
            bytes: concat!(
                "SELECT coalesce(sum(octet_length(key) + octet_length(value)), 0) FROM ",
                $table,
                " WHERE owner = ?1"
            ),
        }
    };
}

impl MetadataTable {
    fn of(owner: MetadataOwner) -> Self {
        match owner {
            MetadataOwner::Pipeline(id) => metadata_table!(id, "pipeline", "pipelines", "pipeline_metadata"),
            MetadataOwner::Payload(id) => metadata_table!(id, "payload", "payloads", "payload_metadata"),
            MetadataOwner::Job(id) => metadata_table!(id, "job", "jobs", "job_metadata"),
            MetadataOwner::Model(id) => metadata_table!(id, "model", "models", "model_metadata"),
        }
    }

    fn demand_owner(&self, db: &dyn Database) -> Result<()> {
        known(db, self.owner, values![self.key], Named(self.what, &self.id))
    }
}

fn add_metadata(db: &dyn Database, owner: MetadataOwner, entries: &Metadata) -> Result<()> {
    let table = MetadataTable::of(owner);
    table.demand_owner(db)?;
    if entries.is_empty() {
        return Ok(());
    }
    let sets: Vec<_> =
        entries.iter().map(|(key, value)| values![table.key, folded(key), key, value]).collect();
    let inserted = db.execute_all(table.insert, &sets)?;
    if let Some((_, key)) = inserted.iter().zip(entries.keys()).find(|(count, _)| **count == 0) {
        return Err(RepositoryError::MetadataKeyExists { key: key.clone() });
    }
    let bytes = first(db, table.bytes, values![table.key], |row| codec::size(row.get(0)?))?.unwrap_or(0);
    if bytes > METADATA_LIMIT_BYTES {
        return Err(RepositoryError::MetadataTooLarge { bytes, limit: METADATA_LIMIT_BYTES });
    }
    Ok(())
}

fn remove_metadata(db: &dyn Database, owner: MetadataOwner, keys: &[String]) -> Result<()> {
    let table = MetadataTable::of(owner);
    table.demand_owner(db)?;
    let sets: Vec<_> = keys.iter().map(|key| values![table.key, folded(key)]).collect();
    db.execute_all(table.delete, &sets).map(drop)
}

fn put_model(db: &dyn Database, model: &ModelRow) -> Result<()> {
    // A model that is replaced keeps its identifier when the caller gives it again, and its lists only then.
    let statement = "DELETE FROM models WHERE folded = ?1 AND id <> ?2";
    done(db, statement, values![folded(&model.name), model.id.key()])?;
    let statement = "INSERT INTO models (id, folded, name, kind, created_ms, size, sha256)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (id) DO UPDATE SET
        folded = ?2, name = ?3, kind = ?4, created_ms = ?5, size = ?6, sha256 = ?7";
    let values = values![
        model.id.key(),
        folded(&model.name),
        &model.name,
        model.kind,
        model.created_ms,
        codec::size_column(model.size_bytes),
        &model.sha256
    ];
    done(db, statement, values)?;
    done(db, "DELETE FROM model_metadata WHERE owner = ?1", values![model.id.key()])?;
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

fn put_model_list(db: &dyn Database, list: &ModelListRow) -> Result<()> {
    let (kind, key) = list_key(list.id);
    let statement = "INSERT INTO model_lists (kind, id, created_ms) VALUES (?1, ?2, ?3)
        ON CONFLICT (kind, id) DO NOTHING";
    done(db, statement, values![kind, key, list.created_ms])?;
    let statement = "SELECT seq FROM model_lists WHERE kind = ?1 AND id = ?2";
    let seq: i64 = first(db, statement, values![kind, key], |row| row.get(0))?
        .ok_or(RepositoryError::BadValue { what: "a list of models" })?;
    done(db, "DELETE FROM model_list_members WHERE list = ?1", values![seq])?;
    for model in &list.models {
        known(db, "SELECT 1 FROM models WHERE id = ?1", values![model.key()], Named("model", model))?;
    }
    let statement = "INSERT INTO model_list_members (list, position, model) VALUES (?1, ?2, ?3)";
    let sets: Vec<_> =
        (0i64..).zip(&list.models).map(|(position, model)| values![seq, position, model.key()]).collect();
    db.execute_all(statement, &sets).map(drop)
}

fn put_user(db: &dyn Database, user: &UserRow) -> Result<()> {
    let statement =
        "INSERT INTO users (folded, name, password_hash, roles, may_download, is_enabled, created_ms)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (folded) DO UPDATE SET
        name = ?2, password_hash = ?3, roles = ?4, may_download = ?5, is_enabled = ?6";
    let values = values![
        folded(&user.name),
        &user.name,
        user.password_hash.as_deref(),
        codec::texts_column(&user.roles),
        user.may_download,
        user.is_enabled,
        user.created_ms
    ];
    done(db, statement, values)
}

fn add_token(db: &dyn Database, token: &TokenRow) -> Result<()> {
    let user = folded(&token.user);
    let statement = "SELECT 1 FROM users WHERE folded = ?1";
    known(db, statement, vec![user.clone()], Named("user", &token.user))?;
    let statement = r#"INSERT INTO tokens (digest, "user", label, created_ms, expires_ms)
        VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (digest) DO NOTHING"#;
    let values = values![&token.digest, user, &token.label, token.created_ms, token.expires_ms];
    fresh(db, statement, values, Named("token", &token.label))
}
