//! Which server: options, environment, profiles of the configuration file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use platform_client::connection::{Address, Trust};
use platform_client::{Client, ConnectOptions, Credentials};
use serde::Deserialize;

use super::usage;

/// Options of every verb that talks to a server.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Server")]
pub(super) struct Target {
    /// host:port, http://…, https://… or unix:PATH; also LANTERN_SERVER; 127.0.0.1:30031 where nothing is said
    #[arg(long, value_name = "ADDRESS", aliases = ["host", "target"], global = true, conflicts_with = "profile")]
    pub(super) server: Option<String>,

    #[command(flatten)]
    pub(super) rest: TargetRest,
}

/// The same without `--server`, which means something else in one verb.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Server")]
pub(super) struct TargetRest {
    /// A server of the configuration file, with its credentials; also LANTERN_PROFILE
    #[arg(long, value_name = "NAME", global = true)]
    pub(super) profile: Option<String>,

    /// The configuration file; `lantern config` shows where it is looked for
    #[arg(long, value_name = "FILE", global = true)]
    pub(super) config: Option<PathBuf>,

    /// How long to wait for an answer
    #[arg(long, value_name = "SECONDS", global = true)]
    pub(super) timeout: Option<u32>,

    /// Tell on stderr what happens, as LANTERN_LOG=debug does
    #[arg(long, global = true)]
    pub(super) verbose: bool,

    /// Print JSON (the contract is in docs/schema)
    #[arg(long, global = true)]
    pub(super) json: bool,
}

/// The configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ConfigFile {
    /// The profile that is used where none is named.
    pub(super) default_profile: Option<String>,
    #[serde(default)]
    pub(super) profile: BTreeMap<String, Profile>,
}

/// A server and how to call it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Profile {
    pub(super) server: String,
    /// SHA-256 of the server's certificate.
    fingerprint: Option<String>,
    /// PEM file with the authorities that sign the server's certificate.
    authorities: Option<PathBuf>,
    /// File that holds an API token.
    token_file: Option<PathBuf>,
    user: Option<String>,
    /// File that holds the user's password.
    password_file: Option<PathBuf>,
    timeout_secs: Option<u32>,
}

/// Where the configuration file is, whether or not it is there.
pub(super) fn config_path(named: Option<&Path>) -> Option<PathBuf> {
    named.map(Path::to_owned).or_else(|| environment("LANTERN_CONFIG").map(PathBuf::from)).or_else(|| {
        directories::ProjectDirs::from("", "", "lantern").map(|dirs| dirs.config_dir().join("platform.toml"))
    })
}

/// The configuration file; an empty one where there is none and none was named.
pub(super) fn read_config(named: Option<&Path>) -> anyhow::Result<ConfigFile> {
    let Some(path) = config_path(named) else { return Ok(ConfigFile::default()) };
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let parsed: Result<ConfigFile, _> = toml::from_str(&text);
            // The message shows the line; the file holds no secrets, only the names of files that do.
            parsed.map_err(|error| usage(format!("cannot read `{}`: {error}", path.display())))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => {
            Ok(ConfigFile::default())
        }
        Err(error) => Err(usage(format!("cannot read `{}`: {error}", path.display()))),
    }
}

/// What is not empty in the environment.
pub(super) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The profile that the options, the environment or the file choose; `None` where an address is given or nothing is.
pub(super) fn chosen_profile(target: &Target) -> anyhow::Result<Option<(String, Profile)>> {
    let named = target.rest.profile.clone();
    if named.is_none() && (target.server.is_some() || environment("LANTERN_SERVER").is_some()) {
        return Ok(None);
    }
    let file = read_config(target.rest.config.as_deref())?;
    let name = named.or_else(|| environment("LANTERN_PROFILE")).or(file.default_profile);
    let Some(name) = name else { return Ok(None) };
    match file.profile.get(&name) {
        Some(profile) => Ok(Some((name, profile.clone()))),
        None => Err(usage(format!("the configuration file has no profile `{name}`"))),
    }
}

/// The address and all that goes with it.
pub(super) fn options(target: &Target) -> anyhow::Result<ConnectOptions> {
    let profile = chosen_profile(target)?;
    let address = match (&profile, &target.server) {
        (Some((_, profile)), _) => Some(profile.server.clone()),
        (None, Some(server)) => Some(server.clone()),
        (None, None) => environment("LANTERN_SERVER"),
    };
    let address = match address {
        Some(text) => text.parse().map_err(|error| usage(format!("{error}")))?,
        None => Address::default(),
    };
    let profile = profile.map(|(_, profile)| profile).unwrap_or_default();
    let mut options = ConnectOptions::new(address);
    options.trust = trust(&profile)?;
    options.credentials = credentials(&profile)?;
    if let Some(secs) = target.rest.timeout.or(profile.timeout_secs) {
        let limit = Duration::from_secs(u64::from(secs.max(1)));
        options.deadlines.connect = limit.min(options.deadlines.connect);
        options.deadlines.call = limit;
        options.deadlines.message = limit;
    }
    Ok(options)
}

fn trust(profile: &Profile) -> anyhow::Result<Trust> {
    let fingerprint = environment("LANTERN_FINGERPRINT").or_else(|| profile.fingerprint.clone());
    if let Some(text) = fingerprint {
        return Ok(Trust::Pinned(text.parse().map_err(|error| usage(format!("{error}")))?));
    }
    let Some(path) = &profile.authorities else { return Ok(Trust::System) };
    let pem = std::fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    Ok(Trust::Authorities(pem))
}

fn credentials(profile: &Profile) -> anyhow::Result<Option<Credentials>> {
    if let Some(token) = environment("LANTERN_TOKEN") {
        return Ok(Some(Credentials::Token(token)));
    }
    if let Some(path) = &profile.token_file {
        return Ok(Some(Credentials::Token(secret(path)?)));
    }
    let Some(user) = environment("LANTERN_USER").or_else(|| profile.user.clone()) else { return Ok(None) };
    let password = match (environment("LANTERN_PASSWORD"), &profile.password_file) {
        (Some(password), _) => password,
        (None, Some(path)) => secret(path)?,
        (None, None) => return Err(usage(format!("there is no password for user `{user}`"))),
    };
    Ok(Some(Credentials::Password { user, password }))
}

fn secret(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

impl Target {
    /// A client of the chosen server.
    pub(super) fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::connect(&options(self)?)?)
    }

    /// Whether to print JSON.
    pub(super) fn json(&self) -> bool {
        self.rest.json
    }
}
