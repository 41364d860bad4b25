//! Which key goes where.

use super::reader::Reader;
use super::{AccessMode, AtJobEnd, Config, DatabaseUrl, Engine, TlsMode};
use crate::access::Role;
use crate::executor::container::Pull;
use crate::repository::AddressError;
use crate::scheduler::OnRestart;

/// Longest times that settings may name.
const DAY_SECS: u64 = 86_400;
const YEAR_SECS: u64 = 365 * DAY_SECS;

/// Reads every setting that the file names.
pub(super) fn apply(reader: &mut Reader<'_>, config: &mut Config) {
    if let Some(data) = reader.text("data") {
        config.data = data.into();
    }
    network(reader, config);
    access(reader, config);
    scheduler(reader, config);
    work(reader, config);
    records(reader, config);
}

fn network(reader: &mut Reader<'_>, config: &mut Config) {
    let listen = &mut config.listen;
    reader.addresses("listen.addresses", &mut listen.addresses);
    reader.path("listen.unix", &mut listen.unix);
    reader.yes_or_no("listen.allow-open", &mut listen.allow_open);
    reader.number_into("listen.max-connections", 1..=1_000_000, &mut listen.max_connections);
    reader.number_into("listen.max-streams", 1..=100_000, &mut listen.max_streams);
    reader.number_into("listen.max-message-mib", 4..=1024, &mut listen.max_message_mib);
    reader.secs("listen.keepalive-secs", 1..=DAY_SECS, &mut listen.keepalive);
    reader.secs("listen.handshake-secs", 1..=3600, &mut listen.handshake);
    reader.secs("listen.stall-secs", 1..=DAY_SECS, &mut listen.stall);
    reader.secs("listen.drain-secs", 0..=DAY_SECS, &mut listen.drain);

    let tls = &mut config.tls;
    let modes = [("self-signed", TlsMode::SelfSigned), ("files", TlsMode::Files), ("off", TlsMode::Off)];
    reader.choice("tls.mode", &modes, &mut tls.mode);
    reader.path("tls.certificate", &mut tls.certificate);
    reader.path("tls.key", &mut tls.key);
    if let Some(names) = reader.texts("tls.names") {
        tls.names = names;
    }

    let legacy = &mut config.legacy;
    reader.address("legacy.address", &mut legacy.address);
    reader.yes_or_no("legacy.allow-remote", &mut legacy.allow_remote);
    let roles = Role::ALL.map(|role| (role.name(), role));
    reader.choice("legacy.role", &roles, &mut legacy.role);
    reader.yes_or_no("legacy.may-download", &mut legacy.may_download);

    reader.address("observe.address", &mut config.observe.address);
    reader.yes_or_no("observe.allow-remote", &mut config.observe.allow_remote);
}

fn access(reader: &mut Reader<'_>, config: &mut Config) {
    let access = &mut config.access;
    let modes = [("open", AccessMode::Open), ("users", AccessMode::Users)];
    reader.choice("access.mode", &modes, &mut access.mode);
    reader.path("access.users-file", &mut access.users_file);
    reader.number_into("access.attempts", 1..=1000, &mut access.attempts);
    reader.secs("access.window-secs", 1..=DAY_SECS, &mut access.window);
}

fn scheduler(reader: &mut Reader<'_>, config: &mut Config) {
    let scheduler = &mut config.scheduler;
    reader.secs("scheduler.default-timeout-secs", 1..=YEAR_SECS, &mut scheduler.default_timeout);
    reader.secs("scheduler.maximum-timeout-secs", 1..=YEAR_SECS, &mut scheduler.maximum_timeout);
    reader.secs("scheduler.grace-secs", 0..=3600, &mut scheduler.grace);
    reader.number_into("scheduler.default-cpus", 1..=100_000, &mut scheduler.default_cpus);
    reader.number_into("scheduler.default-memory-mb", 1..=1_000_000_000, &mut scheduler.default_memory_mb);
    reader.optional("scheduler.cpus", 1..=100_000, &mut scheduler.cpus);
    reader.optional("scheduler.memory-mb", 1..=1_000_000_000, &mut scheduler.memory_mb);
    if let Some(gpus) = reader.texts("scheduler.gpus") {
        scheduler.gpus = Some(gpus);
    }
    reader.optional("scheduler.slots", 1..=100_000, &mut scheduler.slots);
    reader.number_into("scheduler.lost-retries", 0..=100, &mut scheduler.lost_retries);
    reader.number_into("scheduler.patience-higher", 1..=1_000_000, &mut scheduler.patience.higher);
    reader.number_into("scheduler.patience-normal", 1..=1_000_000, &mut scheduler.patience.normal);
    reader.number_into("scheduler.patience-lower", 1..=1_000_000, &mut scheduler.patience.lower);
    let ways = [("reattach", OnRestart::Reattach), ("evict", OnRestart::Evict)];
    reader.choice("scheduler.on-restart", &ways, &mut scheduler.on_restart);
}

fn work(reader: &mut Reader<'_>, config: &mut Config) {
    let storage = &mut config.storage;
    reader.number_into("storage.threshold-percent", 1..=100, &mut storage.threshold_percent);
    let ends = [("keep", AtJobEnd::Keep), ("remove", AtJobEnd::Remove)];
    reader.choice("storage.at-job-end", &ends, &mut storage.at_job_end);
    reader.days("storage.keep-healthy-days", &mut storage.keep_healthy);
    reader.days("storage.keep-others-days", &mut storage.keep_others);

    let executor = &mut config.executor;
    let engines = [("process", Engine::Process), ("container", Engine::Container)];
    reader.choice("executor.engine", &engines, &mut executor.engine);
    reader.yes_or_no("executor.require-sandbox", &mut executor.require_sandbox);
    reader.yes_or_no("executor.allow-network", &mut executor.allow_network);
    reader.number_into("executor.max-processes", 1..=1_000_000, &mut executor.max_processes);
    reader.optional("executor.max-disk-mib", 1..=1_000_000_000, &mut executor.max_disk_mib);
    reader.number_into("executor.shared-memory-mib", 0..=1_000_000_000, &mut executor.shared_memory_mib);
    reader.number_into(
        "executor.shared-memory-total-mib",
        0..=1_000_000_000,
        &mut executor.shared_memory_total_mib,
    );
    reader.path("executor.container-program", &mut executor.container_program);
    if let Some(arguments) = reader.texts("executor.container-arguments") {
        executor.container_arguments = arguments;
    }
    let pulls = [("never", Pull::Never), ("missing", Pull::Missing), ("always", Pull::Always)];
    reader.choice("executor.pull", &pulls, &mut executor.pull);
    if let Some(network) = reader.text("executor.container-network") {
        executor.container_network = Some(network);
    }
    reader.yes_or_no("executor.allow-image-user", &mut executor.allow_image_user);

    reader.path("operators.bundles", &mut config.operators.bundles);
    reader.aliases(config);
}

fn records(reader: &mut Reader<'_>, config: &mut Config) {
    reader.number_into("models.max-instances", 0..=1000, &mut config.models.max_instances);
    reader.number_into("models.model-limit", 1..=10_000, &mut config.models.model_limit);
    reader.number_into("logs.operator-mib", 1..=1_000_000, &mut config.logs.operator_mib);
    reader.number_into("logs.job-mib", 1..=1_000_000, &mut config.logs.job_mib);
    if let Some(url) = reader.text("database.url") {
        match database(&url) {
            Ok(url) => config.database.url = Some(url),
            // The value stays out of the message: it may hold a password.
            Err(text) => reader.mistake("database.url", text),
        }
    }
}

fn database(url: &str) -> Result<DatabaseUrl, String> {
    match url.strip_prefix("sqlite:") {
        Some("") => Err("names no file".to_owned()),
        Some(path) => Ok(DatabaseUrl::Sqlite(path.into())),
        None => match url.parse() {
            Ok(address) => Ok(DatabaseUrl::Postgres(address)),
            Err(AddressError::Scheme) => Err("must begin with `sqlite:` or `postgres://`".to_owned()),
            Err(error) => Err(error.to_string()),
        },
    }
}
