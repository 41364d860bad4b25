//! The tables, and how older ones become the present ones.
//!
//! Identifiers are 16 bytes, big end first. `folded` is a name without letter case. Numbers of states are those of the
//! wire. `user_version` counts the steps below that were taken; a step that was released is never changed again.

use rusqlite::Connection;

use crate::repository::error::RepositoryError;

/// Marks the file as ours: `LtRn`.
pub(super) const APPLICATION_ID: i64 = 0x4c74_526e;

/// One entry for each version of the schema, oldest first.
const STEPS: &[&str] = &[FIRST, "ALTER TABLE pipelines ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;"];

const FIRST: &str = r#"
CREATE TABLE definitions (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    digest  BLOB NOT NULL UNIQUE
);
CREATE TABLE definition_files (
    definition  INTEGER NOT NULL REFERENCES definitions (id) ON DELETE CASCADE,
    position    INTEGER NOT NULL,
    path        TEXT NOT NULL,
    content     TEXT NOT NULL,
    PRIMARY KEY (definition, position)
);
CREATE TRIGGER definition_files_never_change BEFORE UPDATE ON definition_files
BEGIN SELECT RAISE(ABORT, 'a definition never changes'); END;

CREATE TABLE pipelines (
    id          BLOB PRIMARY KEY,
    name        TEXT NOT NULL,
    created_ms  INTEGER NOT NULL,
    definition  INTEGER NOT NULL REFERENCES definitions (id)
) WITHOUT ROWID;
CREATE INDEX pipelines_by_definition ON pipelines (definition);

-- Growing `seq` is the order of creation; clocks may jump.
CREATE TABLE jobs (
    seq            INTEGER PRIMARY KEY AUTOINCREMENT,
    id             BLOB NOT NULL UNIQUE,
    payload        BLOB NOT NULL,
    pipeline       BLOB NOT NULL,
    definition     INTEGER NOT NULL REFERENCES definitions (id),
    name           TEXT NOT NULL,
    priority       INTEGER NOT NULL,
    state          INTEGER NOT NULL,
    status         INTEGER NOT NULL,
    created_ms     INTEGER NOT NULL,
    started_ms     INTEGER,
    stopped_ms     INTEGER,
    queue_order    INTEGER,
    time_limit_ms  INTEGER,
    ran_ms         INTEGER NOT NULL DEFAULT 0,
    clock_since_ms INTEGER
);
-- Both hold all that a filter asks for, so that what does not fit is passed over without reading its row.
CREATE INDEX jobs_by_state ON jobs (state, status, seq, created_ms, stopped_ms);
CREATE INDEX jobs_by_pipeline ON jobs (pipeline, seq, state, status, created_ms, stopped_ms);
CREATE INDEX jobs_by_created ON jobs (created_ms);
CREATE INDEX jobs_by_stopped ON jobs (stopped_ms) WHERE stopped_ms IS NOT NULL;
CREATE INDEX jobs_by_definition ON jobs (definition);
CREATE TABLE job_messages (
    job   INTEGER NOT NULL REFERENCES jobs (seq) ON DELETE CASCADE,
    n     INTEGER NOT NULL,
    text  TEXT NOT NULL,
    PRIMARY KEY (job, n)
) WITHOUT ROWID;
CREATE TABLE job_variables (
    job    INTEGER NOT NULL REFERENCES jobs (seq) ON DELETE CASCADE,
    n      INTEGER NOT NULL,
    name   TEXT NOT NULL,
    value  TEXT NOT NULL,
    PRIMARY KEY (job, n)
) WITHOUT ROWID;
CREATE TABLE operators (
    job         INTEGER NOT NULL REFERENCES jobs (seq) ON DELETE CASCADE,
    n           INTEGER NOT NULL,
    name        TEXT NOT NULL,
    status      INTEGER NOT NULL,
    reason      TEXT,
    exit_code   INTEGER,
    created_ms  INTEGER NOT NULL,
    started_ms  INTEGER,
    stopped_ms  INTEGER,
    run_token   TEXT,
    attempt     INTEGER NOT NULL,
    gpus        TEXT NOT NULL,
    PRIMARY KEY (job, n)
) WITHOUT ROWID;
CREATE TABLE runs (
    token     TEXT PRIMARY KEY,
    job       BLOB NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    operator  INTEGER NOT NULL,
    handle    BLOB
) WITHOUT ROWID;
CREATE INDEX runs_by_job ON runs (job);

CREATE TABLE payloads (
    id          BLOB PRIMARY KEY,
    kind        INTEGER NOT NULL,
    job         BLOB REFERENCES jobs (id),
    created_ms  INTEGER NOT NULL,
    state       INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX payloads_by_job ON payloads (job);
CREATE TABLE payload_files (
    payload  BLOB NOT NULL REFERENCES payloads (id) ON DELETE CASCADE,
    folded   TEXT NOT NULL,
    path     TEXT NOT NULL,
    size     INTEGER NOT NULL,
    sha256   BLOB NOT NULL,
    mode     INTEGER NOT NULL,
    stored   BLOB,
    PRIMARY KEY (payload, folded, path)
) WITHOUT ROWID;
-- Small files that are not on the disk yet. No reference: what is outdated is passed over.
CREATE TABLE payload_contents (
    n        INTEGER PRIMARY KEY AUTOINCREMENT,
    payload  BLOB NOT NULL,
    path     TEXT NOT NULL,
    content  BLOB NOT NULL
);

CREATE TABLE models (
    id          BLOB PRIMARY KEY,
    folded      TEXT NOT NULL UNIQUE,
    name        TEXT NOT NULL,
    kind        INTEGER NOT NULL,
    created_ms  INTEGER NOT NULL,
    size        INTEGER NOT NULL,
    sha256      BLOB NOT NULL
) WITHOUT ROWID;
-- kind: 1 catalog, 2 instance
CREATE TABLE model_lists (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    kind        INTEGER NOT NULL,
    id          BLOB NOT NULL,
    created_ms  INTEGER NOT NULL,
    UNIQUE (kind, id)
);
CREATE TABLE model_list_members (
    list      INTEGER NOT NULL REFERENCES model_lists (seq) ON DELETE CASCADE,
    position  INTEGER NOT NULL,
    model     BLOB NOT NULL REFERENCES models (id) ON DELETE CASCADE,
    PRIMARY KEY (list, position)
) WITHOUT ROWID;
CREATE INDEX model_list_members_by_model ON model_list_members (model);

CREATE TABLE pipeline_metadata (
    owner   BLOB NOT NULL REFERENCES pipelines (id) ON DELETE CASCADE,
    folded  TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (owner, folded)
) WITHOUT ROWID;
CREATE TABLE payload_metadata (
    owner   BLOB NOT NULL REFERENCES payloads (id) ON DELETE CASCADE,
    folded  TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (owner, folded)
) WITHOUT ROWID;
CREATE TABLE job_metadata (
    owner   BLOB NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    folded  TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (owner, folded)
) WITHOUT ROWID;
CREATE TABLE model_metadata (
    owner   BLOB NOT NULL REFERENCES models (id) ON DELETE CASCADE,
    folded  TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (owner, folded)
) WITHOUT ROWID;

CREATE TABLE audit (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms    INTEGER NOT NULL,
    user     TEXT NOT NULL,
    action   TEXT NOT NULL,
    object   TEXT NOT NULL,
    outcome  TEXT NOT NULL
);
CREATE TABLE users (
    folded         TEXT PRIMARY KEY,
    name           TEXT NOT NULL,
    password_hash  TEXT,
    roles          TEXT NOT NULL,
    may_download   INTEGER NOT NULL,
    is_enabled     INTEGER NOT NULL,
    created_ms     INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE tokens (
    digest      BLOB PRIMARY KEY,
    user        TEXT NOT NULL REFERENCES users (folded) ON DELETE CASCADE,
    label       TEXT NOT NULL,
    created_ms  INTEGER NOT NULL,
    expires_ms  INTEGER
) WITHOUT ROWID;
CREATE INDEX tokens_by_user ON tokens (user);

CREATE TABLE events (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms    INTEGER NOT NULL,
    kind     TEXT NOT NULL,
    subject  TEXT NOT NULL,
    body     TEXT NOT NULL
);
"#;

/// The newest version that this server knows.
pub(super) const NEWEST: i64 = STEPS.len() as i64;

/// The version of an open database; 0 for an empty one.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Takes the steps from `from` on, each in a transaction of its own: a crash leaves a whole version.
pub(super) fn migrate(connection: &mut Connection, from: i64) -> Result<(), RepositoryError> {
    for (number, step) in (1i64..).zip(STEPS).filter(|(number, _)| *number > from) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", number)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.commit()?;
    }
    Ok(())
}
