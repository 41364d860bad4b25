//! Jobs: made, started, watched, canceled.

mod snapshot;

use std::collections::BTreeMap;

use platform_api::convert::{self, identifier};
use platform_api::header;
use platform_api::id::{JobId, PayloadId, PipelineId};
use platform_api::job::{JobDetails, JobFilter, JobName, JobPriority, JobReport, JobState, JobStatus};
use platform_api::metadata::Metadata;
use platform_api::proto::clara;
use platform_api::proto::clara::jobs_client::JobsClient;
use platform_api::proto::clara::jobs_start_request::NamedValue;
use platform_api::proto::extension;
use tonic::transport::Channel;

use crate::connection::{Client, MAX_MESSAGE_BYTES, Messages, retrying};
use crate::error::ClientError;
use crate::metadata_calls::metadata_calls;
use crate::wire;

pub(crate) use snapshot::id as snapshot_id;
pub use snapshot::{JobSnapshot, OperatorSnapshot};

/// A job to be made.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// What it runs.
    pub pipeline_id: PipelineId,
    /// What people call it; need not be unique.
    pub name: JobName,
    /// When its turn comes.
    pub priority: JobPriority,
    /// Reusable payloads whose files it gets, in this order.
    pub input_payloads: Vec<PayloadId>,
    /// What to note.
    pub metadata: Metadata,
}

/// A job that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreatedJob {
    /// The job.
    pub id: JobId,
    /// What it reads and writes.
    pub payload_id: PayloadId,
}

/// Where a job stands after a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartedJob {
    /// Pending while it waits for its turn.
    pub state: JobState,
    /// How it fares.
    pub status: JobStatus,
    /// When its turn comes.
    pub priority: JobPriority,
}

/// The jobs of a server.
#[derive(Debug, Clone)]
pub struct Jobs {
    client: Client,
}

/// The jobs of a list, one by one.
#[derive(Debug)]
pub struct JobList {
    messages: Messages<clara::JobsListResponse>,
}

const LIST: &str = "Jobs.List";

impl JobList {
    /// The next job; `None` at the end.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn next(&mut self) -> Result<Option<JobDetails>, ClientError> {
        while let Some(message) = self.messages.next().await? {
            wire::check(message.header)?;
            // A message with only a header says nothing.
            let Some(details) = message.job_details else { continue };
            return wire::converted(LIST, convert::job_details(details)).map(Some);
        }
        Ok(None)
    }
}

impl Jobs {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    fn stub(&self) -> JobsClient<Channel> {
        JobsClient::new(self.client.channel()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    fn extension(&self) -> extension::jobs_client::JobsClient<Channel> {
        extension::jobs_client::JobsClient::new(self.client.channel())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// Makes a job and its payload. It does not run before [`Jobs::start`].
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn create(&self, job: &NewJob) -> Result<CreatedJob, ClientError> {
        const CALL: &str = "Jobs.Create";
        let message = clara::JobsCreateRequest {
            header: header::request(),
            pipeline_id: identifier(job.pipeline_id),
            name: job.name.as_str().to_owned(),
            priority: job.priority.to_wire(),
            input_payloads: job.input_payloads.iter().filter_map(identifier).collect(),
            metadata: job.metadata.to_map(),
        };
        let mut stub = self.stub();
        let answer = self.client.change(CALL, message, async move |m| stub.create(m).await).await?;
        wire::check(answer.header)?;
        Ok(CreatedJob {
            id: wire::id(CALL, answer.job_id.as_ref(), "job id")?,
            payload_id: wire::id(CALL, answer.payload_id.as_ref(), "payload id")?,
        })
    }

    /// Queues a job, with values for the parameters of its definition.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn start(
        &self,
        id: JobId,
        variables: &BTreeMap<String, String>,
    ) -> Result<StartedJob, ClientError> {
        const CALL: &str = "Jobs.Start";
        let value =
            |(name, value): (&String, &String)| NamedValue { name: name.clone(), value: value.clone() };
        let message = clara::JobsStartRequest {
            header: header::request(),
            job_id: identifier(id),
            variables: variables.iter().map(value).collect(),
        };
        let mut stub = self.stub();
        let answer = self.client.change(CALL, message, async move |m| stub.start(m).await).await?;
        wire::check(answer.header)?;
        Ok(StartedJob {
            state: wire::converted(CALL, convert::job_state(answer.state))?,
            status: wire::converted(CALL, convert::job_status(answer.status))?,
            priority: wire::converted(CALL, convert::job_priority(answer.priority))?,
        })
    }

    /// Ends a pending or running job.
    ///
    /// # Errors
    /// [`ClientError`]; refused where the job is over.
    pub async fn cancel(&self, id: JobId, reason: &str) -> Result<(JobState, JobStatus), ClientError> {
        const CALL: &str = "Jobs.Cancel";
        let message = clara::JobsCancelRequest {
            header: header::request(),
            job_id: identifier(id),
            reason: reason.to_owned(),
        };
        let mut stub = self.stub();
        let answer = self.client.change(CALL, message, async move |m| stub.cancel(m).await).await?;
        wire::check(answer.header)?;
        let state = wire::converted(CALL, convert::job_state(answer.job_state))?;
        Ok((state, wire::converted(CALL, convert::job_status(answer.job_status))?))
    }

    /// A job and its operators, in whole seconds.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn status(&self, id: JobId) -> Result<JobReport, ClientError> {
        const CALL: &str = "Jobs.Status";
        let message = clara::JobsStatusRequest { header: header::request(), job_id: identifier(id) };
        let stub = self.stub();
        let send = |message| {
            let mut stub = stub.clone();
            async move { stub.status(message).await }
        };
        let answer = self.client.read(CALL, &message, send).await?;
        wire::check(answer.header.clone())?;
        let report = wire::converted(CALL, convert::job_report(answer))?;
        if report.details.id != id {
            return Err(ClientError::protocol(CALL, format!("it is about job {}", report.details.id)));
        }
        Ok(report)
    }

    /// A job and its operators with fractions of seconds, limits and the reasons of ends.
    ///
    /// # Errors
    /// [`ClientError`]; unsupported by servers that speak the published API only.
    pub async fn snapshot(&self, id: JobId) -> Result<JobSnapshot, ClientError> {
        const CALL: &str = "Jobs.Get";
        let message = extension::GetJobRequest { job_id: id.to_string() };
        let stub = self.extension();
        let send = |message| {
            let mut stub = stub.clone();
            async move { stub.get(message).await }
        };
        let answer = self.client.read(CALL, &message, send).await?;
        wire::converted(CALL, JobSnapshot::from_wire(answer))
    }

    /// Moves a pending job to another place in the queue.
    ///
    /// # Errors
    /// [`ClientError`]; refused where the job is not pending, unsupported as for [`Jobs::snapshot`].
    pub async fn set_priority(&self, id: JobId, priority: JobPriority) -> Result<JobSnapshot, ClientError> {
        const CALL: &str = "Jobs.SetPriority";
        let message = extension::SetPriorityRequest { job_id: id.to_string(), priority: priority.to_wire() };
        let stub = self.extension();
        let send = |message| {
            let mut stub = stub.clone();
            async move { stub.set_priority(message).await }
        };
        let answer = self.client.read(CALL, &message, send).await?;
        wire::converted(CALL, JobSnapshot::from_wire(answer))
    }

    /// The jobs that the filter chooses, one by one.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn list(&self, filter: &JobFilter) -> Result<JobList, ClientError> {
        let filter = convert::job_filter_message(filter);
        let messages = retrying!(self.client, {
            let message = clara::JobsListRequest { header: header::request(), filter: filter.clone() };
            let mut stub = self.stub();
            self.client.open(LIST, message, async move |m| stub.list(m).await).await
        })?;
        Ok(JobList { messages })
    }

    /// What an operator wrote so far, entry by entry, as published servers keep it; the visitor gets each entry once.
    ///
    /// # Errors
    /// [`ClientError`], and whatever the visitor fails with.
    pub async fn read_logs<E: From<ClientError>>(
        &self,
        id: JobId,
        operator: &str,
        mut visit: impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        let message = clara::JobsReadLogsRequest {
            header: header::request(),
            job_id: identifier(id),
            operator_name: operator.to_owned(),
        };
        let mut stub = self.stub();
        let mut messages =
            self.client.open("Jobs.ReadLogs", message, async move |m| stub.read_logs(m).await).await?;
        while let Some(message) = messages.next().await? {
            wire::check(message.header)?;
            message.logs.iter().try_for_each(|entry| visit(entry))?;
        }
        Ok(())
    }

    metadata_calls!(
        JobId,
        job_id,
        JobsAddMetadataRequest,
        JobsRemoveMetadataRequest,
        "Jobs.AddMetadata",
        "Jobs.RemoveMetadata"
    );
}
