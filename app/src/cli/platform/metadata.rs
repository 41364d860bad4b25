//! `lantern metadata`: notes on jobs, payloads, pipelines and models.

use clap::ValueEnum;
use platform_client::Client;
use platform_client::metadata::Metadata;
use serde_json::json;

use super::connect::Target;
use super::{ids, output, parse, show};

/// Show, add or remove notes on a job, payload, pipeline or model
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Show all notes
    #[command(alias = "show")]
    List(On),
    /// Add notes, all or none; a key that is there already is refused
    Add {
        #[command(flatten)]
        on: On,
        /// Notes
        #[arg(required = true, value_name = "KEY=VALUE", value_parser = parse::pair)]
        entries: Vec<(String, String)>,
    },
    /// Remove notes; keys that are not there are ignored
    #[command(alias = "delete")]
    Remove {
        #[command(flatten)]
        on: On,
        /// Their keys
        #[arg(required = true, value_name = "KEY")]
        keys: Vec<String>,
    },
}

#[derive(Debug, clap::Args)]
struct On {
    /// What kind of object
    #[arg(value_enum, value_name = "TYPE")]
    kind: Kind,

    /// Which one
    #[arg(value_name = "ID")]
    id: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    #[value(alias = "jobs")]
    Job,
    #[value(alias = "payloads")]
    Payload,
    #[value(alias = "pipelines")]
    Pipeline,
    #[value(alias = "models")]
    Model,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let client = arguments.target.client()?;
    let set = match arguments.what {
        What::List(on) => list(&client, &on).await?,
        What::Add { on, entries } => add(&client, &on, &parse::metadata(&entries)?).await?,
        What::Remove { on, keys } => remove(&client, &on, &keys).await?,
    };
    if arguments.target.json() {
        return output::json(&json!({ "metadata": show::json_metadata(&set) }));
    }
    for (key, value) in set.iter() {
        output::text(&format!("{}={}", show::printable(key), show::printable(value)))?;
    }
    Ok(())
}

async fn list(client: &Client, on: &On) -> anyhow::Result<Metadata> {
    Ok(match on.kind {
        Kind::Job => client.jobs().status(ids::job(client, &on.id).await?).await?.details.metadata,
        Kind::Payload => client.payloads().details(ids::payload(client, &on.id).await?).await?.metadata,
        Kind::Pipeline => client.pipelines().details(ids::pipeline(client, &on.id).await?).await?.metadata,
        Kind::Model => {
            let id = ids::model(client, &on.id).await?;
            let found = client.models().list().await?.into_iter().find(|model| model.id == id);
            found.ok_or_else(|| anyhow::anyhow!("there is no model {id}"))?.metadata
        }
    })
}

async fn add(client: &Client, on: &On, entries: &Metadata) -> anyhow::Result<Metadata> {
    Ok(match on.kind {
        Kind::Job => client.jobs().add_metadata(ids::job(client, &on.id).await?, entries).await?,
        Kind::Payload => client.payloads().add_metadata(ids::payload(client, &on.id).await?, entries).await?,
        Kind::Pipeline => {
            client.pipelines().add_metadata(ids::pipeline(client, &on.id).await?, entries).await?
        }
        Kind::Model => client.models().add_metadata(ids::model(client, &on.id).await?, entries).await?,
    })
}

async fn remove(client: &Client, on: &On, keys: &[String]) -> anyhow::Result<Metadata> {
    Ok(match on.kind {
        Kind::Job => client.jobs().remove_metadata(ids::job(client, &on.id).await?, keys).await?,
        Kind::Payload => client.payloads().remove_metadata(ids::payload(client, &on.id).await?, keys).await?,
        Kind::Pipeline => {
            client.pipelines().remove_metadata(ids::pipeline(client, &on.id).await?, keys).await?
        }
        Kind::Model => client.models().remove_metadata(ids::model(client, &on.id).await?, keys).await?,
    })
}
