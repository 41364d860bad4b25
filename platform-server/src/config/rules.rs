//! What settings must hold together. Each rule names the setting to change.

use std::net::SocketAddr;

use super::{AccessMode, Config, Mistake, TlsMode};

/// All rules that are broken. Lines are not known here.
pub(super) fn broken(config: &Config) -> Vec<Mistake> {
    let mut found = Vec::new();
    let mut must = |holds: bool, key: &str, text: String| {
        if !holds {
            found.push(Mistake { line: None, key: key.to_owned(), text });
        }
    };
    for address in config.listen.addresses.iter().filter(|address| !is_local(address)) {
        must(
            config.listen.allow_open || config.access.mode == AccessMode::Users,
            "listen.addresses",
            format!(
                "reaches beyond this machine at `{address}`, where nobody has to log in; set `access.mode` to \
                 `users`, or `listen.allow-open`"
            ),
        );
        must(
            config.listen.allow_open || config.tls.mode != TlsMode::Off,
            "listen.addresses",
            format!(
                "reaches beyond this machine at `{address}` without encryption; set `tls.mode`, or \
                 `listen.allow-open`"
            ),
        );
    }
    if let Some(address) = config.legacy.address {
        must(
            config.legacy.allow_remote || is_local(&address),
            "legacy.address",
            format!(
                "reaches beyond this machine at `{address}`, where nothing is encrypted and nobody logs in; set \
                 `legacy.allow-remote` to insist"
            ),
        );
        must(
            is_local(&address) || config.access.mode == AccessMode::Users || config.listen.allow_open,
            "legacy.address",
            format!(
                "lets everybody at `{address}` do everything: `legacy.role` counts only where `access.mode` is \
                 `users`; set that, or `listen.allow-open`"
            ),
        );
    }
    if let Some(address) = config.observe.address {
        must(
            config.observe.allow_remote || is_local(&address),
            "observe.address",
            format!("reaches beyond this machine at `{address}`; set `observe.allow-remote` to insist"),
        );
    }
    let files = config.tls.mode == TlsMode::Files;
    for (key, file) in [("tls.certificate", &config.tls.certificate), ("tls.key", &config.tls.key)] {
        must(!files || file.is_some(), key, "is missing, and `tls.mode` is `files`".to_owned());
        must(files || file.is_none(), key, "has no effect unless `tls.mode` is `files`".to_owned());
    }
    must(
        config.tls.names.is_empty() || config.tls.mode == TlsMode::SelfSigned,
        "tls.names",
        "has no effect unless `tls.mode` is `self-signed`".to_owned(),
    );
    must(
        config.access.users_file.is_none() || config.access.mode == AccessMode::Users,
        "access.users-file",
        "has no effect unless `access.mode` is `users`".to_owned(),
    );
    must(
        config.scheduler.default_timeout <= config.scheduler.maximum_timeout,
        "scheduler.default-timeout-secs",
        "must not be more than `scheduler.maximum-timeout-secs`".to_owned(),
    );
    must(
        config.scheduler.cpus.is_none_or(|cpus| config.scheduler.default_cpus <= cpus),
        "scheduler.default-cpus",
        "must not be more than `scheduler.cpus`".to_owned(),
    );
    must(
        config.scheduler.memory_mb.is_none_or(|memory| config.scheduler.default_memory_mb <= memory),
        "scheduler.default-memory-mb",
        "must not be more than `scheduler.memory-mb`".to_owned(),
    );
    must(
        config.logs.operator_mib <= config.logs.job_mib,
        "logs.operator-mib",
        "must not be more than `logs.job-mib`".to_owned(),
    );
    found
}

/// Whether only this machine reaches an address.
fn is_local(address: &SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}
