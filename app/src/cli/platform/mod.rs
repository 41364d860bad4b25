//! The platform from the command line: pipelines, jobs, payloads and models of a server, one file per verb.
//!
//! Errors go to stderr. What the server refused reads `Error: Code: <code>, <message>`, as the platform's own tool
//! prints it; everything else reads `error: <message>`. Identifiers may be cut short, see [`ids`].

mod archive;
mod audit;
mod cancel;
mod config;
mod connect;
mod create;
mod delete;
mod describe;
mod download;
mod generate;
mod ids;
mod list;
mod logs;
mod metadata;
mod parse;
mod progress;
mod register;
mod set;
mod show;
mod start;
mod tokens;
mod update;
mod upload;
mod users;
mod version;
mod wait;
mod watch;

use std::io::Write;
use std::process::ExitCode;

use clap::Subcommand;
use platform_client::ClientError;

use super::{UsageError, output};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    Create(create::Arguments),
    List(list::Arguments),
    Describe(describe::Arguments),
    Update(update::Arguments),
    Delete(delete::Arguments),
    Start(start::Arguments),
    Cancel(cancel::Arguments),
    Set(set::Arguments),
    Logs(logs::Arguments),
    Upload(upload::Arguments),
    Download(download::Arguments),
    Metadata(metadata::Arguments),
    Watch(watch::Arguments),
    Generate(generate::Arguments),
    Users(users::Arguments),
    Tokens(tokens::Arguments),
    Audit(audit::Arguments),
    Version(version::Arguments),
    Config(config::Arguments),
}

/// Runs a verb and says how it ended.
pub(super) fn run(verb: Verb) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let result = match runtime {
        Ok(runtime) => {
            let result = runtime.block_on(dispatch(verb));
            // A file that is still being read for a transfer that failed must not hold up the end.
            runtime.shutdown_background();
            result
        }
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::from(if error.is::<UsageError>() { 2 } else { 1 })
        }
    }
}

async fn dispatch(verb: Verb) -> anyhow::Result<()> {
    match verb {
        Verb::Create(arguments) => create::run(arguments).await,
        Verb::List(arguments) => list::run(arguments).await,
        Verb::Describe(arguments) => describe::run(arguments).await,
        Verb::Update(arguments) => update::run(arguments).await,
        Verb::Delete(arguments) => delete::run(arguments).await,
        Verb::Start(arguments) => start::run(arguments).await,
        Verb::Cancel(arguments) => cancel::run(arguments).await,
        Verb::Set(arguments) => set::run(arguments).await,
        Verb::Logs(arguments) => logs::run(arguments).await,
        Verb::Upload(arguments) => upload::run(arguments).await,
        Verb::Download(arguments) => download::run(arguments).await,
        Verb::Metadata(arguments) => metadata::run(arguments).await,
        Verb::Watch(arguments) => watch::run(arguments).await,
        Verb::Generate(arguments) => generate::run(arguments).await,
        Verb::Users(arguments) => users::run(arguments).await,
        Verb::Tokens(arguments) => tokens::run(arguments).await,
        Verb::Audit(arguments) => audit::run(arguments).await,
        Verb::Version(arguments) => version::run(arguments).await,
        Verb::Config(arguments) => config::run(&arguments),
    }
}

fn report(error: &anyhow::Error) {
    let refusal =
        error.downcast_ref::<ClientError>().and_then(|error| Some((error.code()?, error.to_string())));
    let text = match refusal {
        Some((code, message)) => format!("Error: Code: {code}, {}", show::printable(&message)),
        None => format!("error: {}", show::printable(&format!("{error:#}"))),
    };
    // Nothing sensible can be done if stderr is gone.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// A mistake in how the program was called.
fn usage(text: impl Into<String>) -> anyhow::Error {
    UsageError(text.into()).into()
}

/// Runs something for each of several objects; goes on after a failure, and ends with the last one.
async fn each<T: Copy>(
    items: &[T],
    mut work: impl AsyncFnMut(T) -> Result<(), ClientError>,
) -> anyhow::Result<()> {
    let mut failed: Option<anyhow::Error> = None;
    for item in items {
        if let Err(error) = work(*item).await
            && let Some(before) = failed.replace(error.into())
        {
            report(&before);
        }
    }
    failed.map_or(Ok(()), Err)
}
