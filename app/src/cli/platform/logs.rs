//! `lantern logs`: what an operator wrote.

use std::io::Write;

use platform_client::logs::{LogQuery, LogStart};
use platform_client::{Client, ClientError, ErrorKind};
use serde_json::json;

use super::connect::Target;
use super::{ids, output};

/// Print what an operator wrote, byte for byte
///
/// The operator `clara-pod-manager` is the platform's own log of the job.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The job
    #[arg(short, long, value_name = "JOB")]
    job: String,

    /// Its operator
    #[arg(short, long, value_name = "NAME")]
    operator: String,

    /// Go on with what is written later, until the operator has ended
    #[arg(short, long)]
    follow: bool,

    /// Begin so many bytes before the end
    #[arg(long, value_name = "BYTES", conflicts_with = "from")]
    tail: Option<u64>,

    /// Begin at this byte
    #[arg(long, value_name = "BYTE", default_value_t = 0)]
    from: u64,

    #[command(flatten)]
    target: Target,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let client = arguments.target.client()?;
    let job_id = ids::job(&client, &arguments.job).await?;
    let start = arguments.tail.map_or(LogStart::Offset(arguments.from), LogStart::Tail);
    let query = LogQuery { job_id, operator: arguments.operator.clone(), start, follow: arguments.follow };
    match by_offset(&client, query.clone(), arguments.target.json()).await {
        Err(error) if is_unsupported(&error) => {
            let is_plain = !query.follow && query.start == LogStart::Offset(0);
            anyhow::ensure!(
                is_plain,
                "this server gives whole logs only, without --follow, --tail and --from"
            );
            by_entry(&client, &query, arguments.target.json()).await
        }
        result => result,
    }
}

fn is_unsupported(error: &anyhow::Error) -> bool {
    error.downcast_ref::<ClientError>().is_some_and(|error| error.kind() == ErrorKind::Unsupported)
}

async fn by_offset(client: &Client, query: LogQuery, is_json: bool) -> anyhow::Result<()> {
    let mut reader = client.logs().read(query).await?;
    while let Some(chunk) = reader.next().await? {
        if is_json {
            let text = String::from_utf8_lossy(&chunk.data);
            output::json(&json!({ "offset": chunk.offset, "bytes": chunk.data.len(), "text": text }))?;
        } else {
            let mut out = std::io::stdout().lock();
            out.write_all(&chunk.data)?;
            out.flush()?;
        }
    }
    Ok(())
}

/// The published API has entries, each of them a line.
async fn by_entry(client: &Client, query: &LogQuery, is_json: bool) -> anyhow::Result<()> {
    let mut offset = 0;
    let print = |entry: &str| {
        let line = format!("{entry}\n");
        let at = offset;
        offset += line.len();
        if is_json {
            output::json(&json!({ "offset": at, "bytes": line.len(), "text": line }))
        } else {
            output::text(entry)
        }
    };
    client.jobs().read_logs(query.job_id, &query.operator, print).await
}
