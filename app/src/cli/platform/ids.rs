//! Identifiers as people type them: whole, or any beginning that only one object has.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::str::FromStr;

use platform_client::id::{CatalogId, InstanceId, JobId, ModelId, PayloadId, PipelineId};
use platform_client::job::JobFilter;
use platform_client::{Client, ClientError, ErrorKind, code};

use super::usage;

fn is_beginning(text: &str) -> bool {
    !text.is_empty() && text.len() < 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The one of `all` that begins so.
fn pick<T: Ord + Display + Copy>(
    what: &str,
    text: &str,
    all: impl IntoIterator<Item = T>,
) -> anyhow::Result<T> {
    let start = text.to_ascii_lowercase();
    let found: BTreeSet<T> = all.into_iter().filter(|id| id.to_string().starts_with(&start)).collect();
    let mut found_ids = found.iter();
    match (found_ids.next(), found_ids.next()) {
        (Some(id), None) => Ok(*id),
        (None, _) => anyhow::bail!("no {what} begins with `{text}`"),
        _ => {
            let shown: Vec<String> = found.iter().take(5).map(ToString::to_string).collect();
            let more = if found.len() > 5 { ", …" } else { "" };
            let shown = shown.join(", ");
            Err(usage(format!("{} {what}s begin with `{text}`: {shown}{more}", found.len())))
        }
    }
}

/// The whole identifier, or `None` for a beginning of one.
fn whole<T: FromStr>(what: &str, text: &str) -> anyhow::Result<Option<T>> {
    match text.parse() {
        Ok(id) => Ok(Some(id)),
        Err(_) if is_beginning(text) => Ok(None),
        Err(_) => Err(usage(format!("`{text}` is no identifier of a {what}, nor the beginning of one"))),
    }
}

/// A pipeline.
pub(super) async fn pipeline(client: &Client, text: &str) -> anyhow::Result<PipelineId> {
    if let Some(id) = whole("pipeline", text)? {
        return Ok(id);
    }
    pick("pipeline", text, client.pipelines().list().await?.into_iter().map(|pipeline| pipeline.id))
}

/// A job.
pub(super) async fn job(client: &Client, text: &str) -> anyhow::Result<JobId> {
    if let Some(id) = whole("job", text)? {
        return Ok(id);
    }
    let jobs = jobs_and_payloads(client).await?;
    pick("job", text, jobs.into_iter().map(|(job, _)| job))
}

/// Several jobs.
pub(super) async fn jobs(client: &Client, texts: &[String]) -> anyhow::Result<Vec<JobId>> {
    let mut ids = Vec::new();
    for text in texts {
        ids.push(job(client, text).await?);
    }
    Ok(ids)
}

async fn jobs_and_payloads(client: &Client) -> Result<Vec<(JobId, PayloadId)>, ClientError> {
    let mut list = client.jobs().list(&JobFilter::default()).await?;
    let mut all = Vec::new();
    while let Some(job) = list.next().await? {
        all.push((job.id, job.payload_id));
    }
    Ok(all)
}

/// A payload by its own identifier, or by that of its job.
pub(super) async fn payload(client: &Client, text: &str) -> anyhow::Result<PayloadId> {
    if let Some(id) = whole::<PayloadId>("job or payload", text)? {
        return match client.jobs().status(JobId::from_bits(id.to_bits())).await {
            Ok(report) => Ok(report.details.payload_id),
            Err(ClientError::Refused(refusal)) if refusal.code == code::JOB_UNKNOWN => Ok(id),
            Err(error) => Err(error.into()),
        };
    }
    let jobs = jobs_and_payloads(client).await?;
    let start = text.to_ascii_lowercase();
    let of_jobs = jobs.iter().filter(|(job, _)| job.to_string().starts_with(&start));
    let of_jobs: Vec<PayloadId> = of_jobs.map(|(_, payload)| *payload).collect();
    let own = jobs.iter().map(|(_, payload)| *payload).chain(reusable(client).await?);
    let own = own.filter(|payload| payload.to_string().starts_with(&start));
    let found: BTreeSet<PayloadId> = of_jobs.iter().copied().chain(own).collect();
    let mut ids = found.iter();
    match (ids.next(), ids.next()) {
        (Some(id), None) => Ok(*id),
        (None, _) => anyhow::bail!("no job or payload begins with `{text}`"),
        _ => Err(usage(format!("{} jobs and payloads begin with `{text}`", found.len()))),
    }
}

/// Payloads that belong to no job, where the server tells.
async fn reusable(client: &Client) -> Result<Vec<PayloadId>, ClientError> {
    match client.payloads().list(&[]).await {
        Ok(all) => Ok(all.into_iter().map(|payload| payload.id).collect()),
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// A model.
pub(super) async fn model(client: &Client, text: &str) -> anyhow::Result<ModelId> {
    if let Some(id) = whole("model", text)? {
        return Ok(id);
    }
    pick("model", text, client.models().list().await?.into_iter().map(|model| model.id))
}

/// A catalog.
pub(super) async fn catalog(client: &Client, text: &str) -> anyhow::Result<CatalogId> {
    if let Some(id) = whole("catalog", text)? {
        return Ok(id);
    }
    pick("catalog", text, client.models().list_catalogs().await?.into_iter().map(|list| list.id))
}

/// An instance.
pub(super) async fn instance(client: &Client, text: &str) -> anyhow::Result<InstanceId> {
    if let Some(id) = whole("instance", text)? {
        return Ok(id);
    }
    pick("instance", text, client.models().list_instances().await?.into_iter().map(|list| list.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_picks_one_or_says_why_not() {
        let all = [JobId::from_bits(0xab << 120), JobId::from_bits(0xac << 120)];
        assert_eq!(pick("job", "AB", all).unwrap(), all[0]);
        assert_eq!(pick("job", "ff", all).unwrap_err().to_string(), "no job begins with `ff`");
        let several = pick("job", "a", all).unwrap_err();
        assert!(several.is::<crate::cli::UsageError>() && several.to_string().starts_with("2 jobs begin"));
        assert!(whole::<JobId>("job", "xyz").is_err());
        assert!(whole::<JobId>("job", "").is_err());
    }
}
