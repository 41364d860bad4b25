//! `lantern config`: where settings come from, and which server they choose.

use serde_json::json;

use super::connect::{self, Target};
use super::output;

/// Show the configuration file, its profiles, and the server that is chosen
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    target: Target,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let named = arguments.target.rest.config.as_deref();
    let path = connect::config_path(named);
    let file = connect::read_config(named)?;
    let is_there = path.as_ref().is_some_and(|path| path.is_file());
    let profile = connect::chosen_profile(&arguments.target)?.map(|(name, _)| name);
    let server = connect::options(&arguments.target)?.address.to_string();
    let path = path.map(|path| path.display().to_string());
    if arguments.target.json() {
        let profiles: serde_json::Map<_, _> = file
            .profile
            .iter()
            .map(|(name, profile)| (name.clone(), profile.server.clone().into()))
            .collect();
        return output::json(&json!({
            "file": path,
            "is_there": is_there,
            "profiles": profiles,
            "profile": profile,
            "server": server,
        }));
    }
    let absent = if is_there { "" } else { " (not there)" };
    output::text(&format!("file: {}{absent}", path.as_deref().unwrap_or("none")))?;
    for (name, profile) in &file.profile {
        output::text(&format!("profile {name}: {}", profile.server))?;
    }
    if let Some(profile) = profile {
        output::text(&format!("chosen profile: {profile}"))?;
    }
    output::text(&format!("server: {server}"))
}
