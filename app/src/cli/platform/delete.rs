//! `lantern delete`: removes things for good.

use std::fmt::Display;

use platform_client::id::{CatalogId, InstanceId, ModelId, PayloadId, PipelineId};
use platform_client::job::JobState;
use platform_client::payload::PayloadPath;
use serde_json::json;

use super::connect::Target;
use super::{each, ids, output, usage};

/// Delete pipelines, the data of jobs, payloads, files, models, catalogs or instances
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Pipelines; jobs keep what they were made from
    #[command(visible_alias = "pipeline")]
    Pipelines(Ids),
    /// Cancel jobs that are not over, and delete their data; their records stay
    #[command(visible_alias = "job")]
    Jobs(Jobs),
    /// Payloads with their files
    #[command(visible_alias = "payload")]
    Payloads(Ids),
    /// Single files, each as ID:PATH
    #[command(visible_alias = "file")]
    Files(Ids),
    /// Models
    #[command(visible_alias = "model")]
    Models(Ids),
    /// Catalogs; their models stay
    #[command(visible_alias = "catalog")]
    Catalogs(Ids),
    /// Instances; their models stay
    #[command(visible_alias = "instance")]
    Instances(Ids),
}

#[derive(Debug, clap::Args)]
struct Ids {
    /// Which ones
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct Jobs {
    /// Which ones
    #[arg(required_unless_present = "job", value_name = "JOB")]
    ids: Vec<String>,

    /// Which one
    #[arg(short, long, value_name = "JOB")]
    job: Vec<String>,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let client = arguments.target.client()?;
    let mut done: Vec<String> = Vec::new();
    let mut note = |id: &dyn Display| done.push(id.to_string());
    let result = match arguments.what {
        What::Pipelines(wanted) => {
            let mut all: Vec<PipelineId> = Vec::new();
            for text in &wanted.ids {
                all.push(ids::pipeline(&client, text).await?);
            }
            each(&all, async |id| client.pipelines().remove(id).await.map(|()| note(&id))).await
        }
        What::Jobs(wanted) => {
            let texts: Vec<String> = wanted.ids.into_iter().chain(wanted.job).collect();
            let all = ids::jobs(&client, &texts).await?;
            each(&all, async |id| {
                let job = client.jobs().status(id).await?.details;
                if job.state != JobState::Stopped {
                    client.jobs().cancel(id, "deleted").await?;
                }
                client.payloads().delete(job.payload_id).await.map(|()| note(&id))
            })
            .await
        }
        What::Payloads(wanted) => {
            let mut all: Vec<PayloadId> = Vec::new();
            for text in &wanted.ids {
                all.push(ids::payload(&client, text).await?);
            }
            each(&all, async |id| client.payloads().delete(id).await.map(|()| note(&id))).await
        }
        What::Files(wanted) => {
            let mut all = Vec::new();
            for text in &wanted.ids {
                let Some((id, path)) = text.split_once(':') else {
                    return Err(usage(format!("`{text}` is not ID:PATH")));
                };
                let path = PayloadPath::to_find(path).map_err(|error| usage(error.to_string()))?;
                all.push((ids::payload(&client, id).await?, path));
            }
            let all: Vec<_> = all.iter().collect();
            each(&all, async |(id, path)| {
                client.payloads().remove_file(*id, path).await.map(|()| note(&format_args!("{id}:{path}")))
            })
            .await
        }
        What::Models(wanted) => {
            let mut all: Vec<ModelId> = Vec::new();
            for text in &wanted.ids {
                all.push(ids::model(&client, text).await?);
            }
            each(&all, async |id| client.models().delete(id).await.map(|()| note(&id))).await
        }
        What::Catalogs(wanted) => {
            let mut all: Vec<CatalogId> = Vec::new();
            for text in &wanted.ids {
                all.push(ids::catalog(&client, text).await?);
            }
            each(&all, async |id| client.models().delete_catalog(id).await.map(|()| note(&id))).await
        }
        What::Instances(wanted) => {
            let mut all: Vec<InstanceId> = Vec::new();
            for text in &wanted.ids {
                all.push(ids::instance(&client, text).await?);
            }
            each(&all, async |id| client.models().delete_instance(id).await.map(|()| note(&id))).await
        }
    };
    if arguments.target.json() {
        output::json(&json!({ "deleted": done }))?;
    } else {
        for id in &done {
            output::text(&format!("DELETED:{id}"))?;
        }
    }
    result
}
