//! The tables, and how older ones become the present ones.
//!
//! They are those of the embedded database (see there), under the same names, with this one's types. Texts compare byte
//! by byte, as they do there. `lantern.version` counts the steps below that were taken; a step that was released is
//! never changed again.

use super::session::Session;
use crate::repository::error::RepositoryError;
use crate::repository::sql::{Column, Database, Row, values};

type Result<T> = std::result::Result<T, RepositoryError>;

/// What is known of a database before the tables are.
const CONTROL: &str = "
CREATE TABLE lantern (
    only_row  INTEGER PRIMARY KEY CHECK (only_row = 1),
    version   BIGINT NOT NULL,
    -- The server that writes, and how often it did: tells whether a commit whose answer was lost took place.
    owner     BYTEA NOT NULL,
    commits   BIGINT NOT NULL
);
INSERT INTO lantern VALUES (1, 0, '', 0);
";

/// One entry for each version of the schema, oldest first.
const STEPS: &[&str] = &[FIRST, "ALTER TABLE pipelines ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;"];

const FIRST: &str = r#"
CREATE TABLE definitions (
    id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest  BYTEA NOT NULL UNIQUE
);
CREATE TABLE definition_files (
    definition  BIGINT NOT NULL REFERENCES definitions (id) ON DELETE CASCADE,
    position    BIGINT NOT NULL,
    path        TEXT COLLATE "C" NOT NULL,
    content     TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (definition, position)
);
CREATE FUNCTION definition_files_never_change() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'a definition never changes'; END $$;
CREATE TRIGGER definition_files_never_change BEFORE UPDATE ON definition_files
    FOR EACH ROW EXECUTE FUNCTION definition_files_never_change();

CREATE TABLE pipelines (
    id          BYTEA PRIMARY KEY,
    name        TEXT COLLATE "C" NOT NULL,
    created_ms  BIGINT NOT NULL,
    definition  BIGINT NOT NULL REFERENCES definitions (id)
);
CREATE INDEX pipelines_by_definition ON pipelines (definition);

-- Growing `seq` is the order of creation; clocks may jump.
CREATE TABLE jobs (
    seq            BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id             BYTEA NOT NULL UNIQUE,
    payload        BYTEA NOT NULL,
    pipeline       BYTEA NOT NULL,
    definition     BIGINT NOT NULL REFERENCES definitions (id),
    name           TEXT COLLATE "C" NOT NULL,
    priority       INTEGER NOT NULL,
    state          INTEGER NOT NULL,
    status         INTEGER NOT NULL,
    created_ms     BIGINT NOT NULL,
    started_ms     BIGINT,
    stopped_ms     BIGINT,
    queue_order    BIGINT,
    time_limit_ms  BIGINT,
    ran_ms         BIGINT NOT NULL DEFAULT 0,
    clock_since_ms BIGINT
);
-- Both hold all that a filter asks for, so that what does not fit is passed over without reading its row.
CREATE INDEX jobs_by_state ON jobs (state, status, seq, created_ms, stopped_ms);
CREATE INDEX jobs_by_pipeline ON jobs (pipeline, seq, state, status, created_ms, stopped_ms);
CREATE INDEX jobs_by_created ON jobs (created_ms);
CREATE INDEX jobs_by_stopped ON jobs (stopped_ms) WHERE stopped_ms IS NOT NULL;
CREATE INDEX jobs_by_definition ON jobs (definition);
CREATE TABLE job_messages (
    job   BIGINT NOT NULL REFERENCES jobs (seq) ON DELETE CASCADE,
    n     BIGINT NOT NULL,
    text  TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (job, n)
);
CREATE TABLE job_variables (
    job    BIGINT NOT NULL REFERENCES jobs (seq) ON DELETE CASCADE,
    n      BIGINT NOT NULL,
    name   TEXT COLLATE "C" NOT NULL,
    value  TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (job, n)
);
CREATE TABLE operators (
    job         BIGINT NOT NULL REFERENCES jobs (seq) ON DELETE CASCADE,
    n           BIGINT NOT NULL,
    name        TEXT COLLATE "C" NOT NULL,
    status      INTEGER NOT NULL,
    reason      TEXT COLLATE "C",
    exit_code   INTEGER,
    created_ms  BIGINT NOT NULL,
    started_ms  BIGINT,
    stopped_ms  BIGINT,
    run_token   TEXT COLLATE "C",
    attempt     BIGINT NOT NULL,
    gpus        TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (job, n)
);
CREATE TABLE runs (
    token     TEXT COLLATE "C" PRIMARY KEY,
    job       BYTEA NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    operator  BIGINT NOT NULL,
    handle    BYTEA
);
CREATE INDEX runs_by_job ON runs (job);

CREATE TABLE payloads (
    id          BYTEA PRIMARY KEY,
    kind        INTEGER NOT NULL,
    job         BYTEA REFERENCES jobs (id),
    created_ms  BIGINT NOT NULL,
    state       INTEGER NOT NULL
);
CREATE INDEX payloads_by_job ON payloads (job);
CREATE TABLE payload_files (
    payload  BYTEA NOT NULL REFERENCES payloads (id) ON DELETE CASCADE,
    folded   TEXT COLLATE "C" NOT NULL,
    path     TEXT COLLATE "C" NOT NULL,
    size     BIGINT NOT NULL,
    sha256   BYTEA NOT NULL,
    mode     BIGINT NOT NULL,
    stored   BYTEA,
    PRIMARY KEY (payload, folded, path)
);
-- Small files that are not on the disk yet. No reference: what is outdated is passed over.
CREATE TABLE payload_contents (
    n        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payload  BYTEA NOT NULL,
    path     TEXT COLLATE "C" NOT NULL,
    content  BYTEA NOT NULL
);

CREATE TABLE models (
    id          BYTEA PRIMARY KEY,
    folded      TEXT COLLATE "C" NOT NULL UNIQUE,
    name        TEXT COLLATE "C" NOT NULL,
    kind        INTEGER NOT NULL,
    created_ms  BIGINT NOT NULL,
    size        BIGINT NOT NULL,
    sha256      BYTEA NOT NULL
);
-- kind: 1 catalog, 2 instance
CREATE TABLE model_lists (
    seq         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        INTEGER NOT NULL,
    id          BYTEA NOT NULL,
    created_ms  BIGINT NOT NULL,
    UNIQUE (kind, id)
);
CREATE TABLE model_list_members (
    list      BIGINT NOT NULL REFERENCES model_lists (seq) ON DELETE CASCADE,
    position  BIGINT NOT NULL,
    model     BYTEA NOT NULL REFERENCES models (id) ON DELETE CASCADE,
    PRIMARY KEY (list, position)
);
CREATE INDEX model_list_members_by_model ON model_list_members (model);

CREATE TABLE pipeline_metadata (
    owner   BYTEA NOT NULL REFERENCES pipelines (id) ON DELETE CASCADE,
    folded  TEXT COLLATE "C" NOT NULL, key TEXT COLLATE "C" NOT NULL, value TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (owner, folded)
);
CREATE TABLE payload_metadata (
    owner   BYTEA NOT NULL REFERENCES payloads (id) ON DELETE CASCADE,
    folded  TEXT COLLATE "C" NOT NULL, key TEXT COLLATE "C" NOT NULL, value TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (owner, folded)
);
CREATE TABLE job_metadata (
    owner   BYTEA NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    folded  TEXT COLLATE "C" NOT NULL, key TEXT COLLATE "C" NOT NULL, value TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (owner, folded)
);
CREATE TABLE model_metadata (
    owner   BYTEA NOT NULL REFERENCES models (id) ON DELETE CASCADE,
    folded  TEXT COLLATE "C" NOT NULL, key TEXT COLLATE "C" NOT NULL, value TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (owner, folded)
);

CREATE TABLE audit (
    seq      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ms    BIGINT NOT NULL,
    "user"     TEXT COLLATE "C" NOT NULL,
    action   TEXT COLLATE "C" NOT NULL,
    object   TEXT COLLATE "C" NOT NULL,
    outcome  TEXT COLLATE "C" NOT NULL
);
CREATE TABLE users (
    folded         TEXT COLLATE "C" PRIMARY KEY,
    name           TEXT COLLATE "C" NOT NULL,
    password_hash  TEXT COLLATE "C",
    roles          TEXT COLLATE "C" NOT NULL,
    may_download   BOOLEAN NOT NULL,
    is_enabled     BOOLEAN NOT NULL,
    created_ms     BIGINT NOT NULL
);
CREATE TABLE tokens (
    digest      BYTEA PRIMARY KEY,
    "user"        TEXT COLLATE "C" NOT NULL REFERENCES users (folded) ON DELETE CASCADE,
    label       TEXT COLLATE "C" NOT NULL,
    created_ms  BIGINT NOT NULL,
    expires_ms  BIGINT
);
CREATE INDEX tokens_by_user ON tokens ("user");

-- Without gaps, which would look like events that were missed: what was taken back leaves none.
CREATE FUNCTION next_event() RETURNS BIGINT LANGUAGE plpgsql
    AS $$ BEGIN RETURN (SELECT coalesce(max(number), 0) + 1 FROM events); END $$;
CREATE TABLE events (
    number   BIGINT PRIMARY KEY DEFAULT next_event(),
    at_ms    BIGINT NOT NULL,
    kind     TEXT COLLATE "C" NOT NULL,
    subject  TEXT COLLATE "C" NOT NULL,
    body     TEXT COLLATE "C" NOT NULL
);
"#;

/// The newest version that this server knows.
const NEWEST: i64 = STEPS.len() as i64;

/// The oldest server whose statements we speak.
const OLDEST_SERVER: i64 = 120_000;

/// One value of a statement without parameters.
pub(super) fn one<T: Column>(db: &dyn Database, statement: &str) -> Result<T> {
    let mut found = None;
    db.query_all(statement, &[values![]], &mut |_, row: &dyn Row| {
        found = row.maybe(0)?;
        Ok(())
    })?;
    found.ok_or(RepositoryError::BadValue { what: "the database's description" })
}

/// Looks at a database before anything is written to it; answers with its schema's version, none for an empty one.
pub(super) fn check(session: &Session, database: &str) -> Result<Option<i64>> {
    let unsuitable = |why: String| RepositoryError::Unsuitable { database: database.to_owned(), why };
    let setting = |name: &str| one::<String>(session, &format!("SELECT current_setting('{name}')"));
    let version: i64 = setting("server_version_num")?.parse().unwrap_or(0);
    if version < OLDEST_SERVER {
        return Err(unsuitable(format!("its server is PostgreSQL {}, 12 is the oldest", version / 10_000)));
    }
    let encoding = setting("server_encoding")?;
    if encoding != "UTF8" {
        return Err(unsuitable(format!("its encoding is {encoding}, not UTF8")));
    }
    if one::<bool>(session, "SELECT pg_is_in_recovery()")? {
        return Err(unsuitable("its server is a standby, which takes no changes".to_owned()));
    }
    if setting("fsync")? == "off" {
        tracing::warn!(
            "the database server does not press its data to the disk: a loss of power loses records"
        );
    }
    if one::<bool>(session, "SELECT current_schema() IS NULL")? {
        return Err(unsuitable("none of the schemas in `search_path` is there".to_owned()));
    }
    let ours =
        "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'lantern')";
    if !one::<bool>(session, ours)? {
        let others = "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = current_schema())";
        if one::<bool>(session, others)? {
            return Err(RepositoryError::NotOurs { database: database.to_owned() });
        }
        return Ok(None);
    }
    let found: i64 = one(session, "SELECT version FROM lantern")?;
    if found > NEWEST {
        return Err(RepositoryError::TooNew { database: database.to_owned(), found, supported: NEWEST });
    }
    Ok(Some(found))
}

/// Takes the steps that are missing, each in a transaction of its own: a crash leaves a whole version.
pub(super) fn migrate(session: &Session, from: Option<i64>) -> Result<()> {
    let from = match from {
        Some(version) => version,
        None => {
            session.batch(&format!("BEGIN; {CONTROL} COMMIT"))?;
            0
        }
    };
    for (number, step) in (1i64..).zip(STEPS).filter(|(number, _)| *number > from) {
        session.batch(&format!("BEGIN; {step} UPDATE lantern SET version = {number}; COMMIT"))?;
    }
    Ok(())
}
