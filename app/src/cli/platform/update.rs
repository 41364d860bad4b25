//! `lantern update`: replaces definitions and lists of models.

use std::path::PathBuf;

use serde_json::json;

use super::connect::Target;
use super::{create, ids, output};

/// Replace the definition of a pipeline, or the models of a catalog or an instance
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Pipeline(Pipeline),
    /// Replace the models of a catalog
    Catalog(List),
    /// Replace the models of an instance
    Instance(List),
}

/// Replace the definition; jobs keep the one that they were made from
#[derive(Debug, clap::Args)]
struct Pipeline {
    /// The pipeline
    #[arg(short, long, value_name = "PIPELINE")]
    pipeline: String,

    /// Files of the definition, the main one first
    #[arg(short = 'f', long = "file", required = true, num_args = 1.., value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct List {
    /// The list
    #[arg(value_name = "ID")]
    id: String,

    /// A model in it from now on; may come several times, or not at all
    #[arg(long = "model", value_name = "MODEL")]
    models: Vec<String>,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let client = arguments.target.client()?;
    let updated = match arguments.what {
        What::Pipeline(wanted) => {
            let files = create::definition(&wanted.files)?;
            let id = ids::pipeline(&client, &wanted.pipeline).await?;
            client.pipelines().update(id, &files).await?;
            id.to_string()
        }
        What::Catalog(wanted) => {
            let id = ids::catalog(&client, &wanted.id).await?;
            let models = create::models(&client, &wanted.models).await?;
            client.models().update_catalog(id, &models).await?;
            id.to_string()
        }
        What::Instance(wanted) => {
            let id = ids::instance(&client, &wanted.id).await?;
            let models = create::models(&client, &wanted.models).await?;
            client.models().update_instance(id, &models).await?;
            id.to_string()
        }
    };
    if arguments.target.json() {
        output::json(&json!({ "updated": updated }))
    } else {
        output::text(&format!("UPDATED:{updated}"))
    }
}
