//! Jobs: made from a pipeline, started, watched, ended.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use platform_api::code;
use platform_api::header::Refusal;
use platform_api::id::{JobId, PayloadId, PipelineId};
use platform_api::job::{
    Enforcement, JobDetails, JobFilter, JobName, JobPriority, JobReport, JobState, JobStatus, Limits,
    OperatorDetails, OperatorEnd, OperatorStatus,
};
use platform_api::metadata::Metadata;
use platform_api::pipeline::{BYTES_PER_MB, JobPlan};
use tokio::sync::oneshot;

use super::clock::{millis, system_time};
use super::engine::Command;
use super::records::EndRecord;
use super::{Answer, Answers, Inner, Platform, metadata_of, pipelines, random_bits, refuse, rows_of};
use crate::events::Change as Told;
use crate::executor::Report;
use crate::payloads::PayloadError;
use crate::repository::{self, Change, MetadataOwner};
use crate::scheduler::{JobSpec, OperatorSpec, Plan, Request};

/// A job to be made.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// From which pipeline.
    pub pipeline: PipelineId,
    /// Its name.
    pub name: JobName,
    /// How early it goes.
    pub priority: JobPriority,
    /// Reusable payloads whose files are copied into its input, in this order.
    pub inputs: Vec<PayloadId>,
    /// What people attach.
    pub metadata: Metadata,
}

/// A job that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreatedJob {
    /// The job.
    pub job: JobId,
    /// Its payload.
    pub payload: PayloadId,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobStanding {
    /// Pending, running or stopped.
    pub state: JobState,
    /// How it fares.
    pub status: JobStatus,
    /// How early it goes.
    pub priority: JobPriority,
}

/// A job with what only our own services tell.
#[derive(Debug, Clone)]
pub struct ExtendedReport {
    /// What the Clara API tells.
    pub report: JobReport,
    /// Of each operator, in the order of the report: how it ended, what it may use, and the bytes of its log.
    pub operators: Vec<OperatorExtras>,
    /// What the job may take in all before it is terminated.
    pub timeout: Duration,
    /// For a queued job: what it waits for.
    pub pending_reason: Option<String>,
}

/// What the Clara API does not tell of an operator.
#[derive(Debug, Clone)]
pub struct OperatorExtras {
    /// How it ended, if it has.
    pub end: Option<OperatorEnd>,
    /// What it may use.
    pub limits: Limits,
    /// Bytes of its log so far.
    pub log_bytes: u64,
    /// What it has told of itself, while it is at work.
    pub report: Option<Report>,
}

/// Jobs read from the repository at a time.
const PAGE: usize = 256;

impl Platform {
    /// Makes a job with a payload of its own. It waits until it is started.
    ///
    /// # Errors
    /// When the pipeline is unknown, storage is too full, an input cannot be used, or the job can never run here.
    pub async fn create_job(&self, new: NewJob) -> Answer<CreatedJob> {
        let (spec, created) = self.blocking(move |inner| create(inner, new)).await?;
        self.ask(|reply| Command::Create { spec, reply }).await??;
        Ok(created)
    }

    /// Starts a job, once, with values for parameters of its definition.
    ///
    /// # Errors
    /// When it is unknown, was started before, is over, or a variable is not declared.
    pub async fn start_job(&self, id: JobId, variables: BTreeMap<String, String>) -> Answer<JobStanding> {
        let named = self
            .blocking(move |inner| {
                let row = row(inner, id)?;
                if row.queue_order.is_some() || row.state != JobState::Pending {
                    let message = format!("job `{id}` has been started already");
                    return Err(Refusal::new(code::JOB_NOT_STARTED, message));
                }
                let plan = plan(inner, row.definition, &variables)
                    .map_err(|messages| Refusal { code: code::JOB_VARIABLES_INVALID, messages })?;
                inner.payloads.freeze(row.payload).map_err(|error| match error {
                    PayloadError::Unknown { .. } | PayloadError::FolderMissing { .. } => {
                        Refusal::from_error(code::JOB_NOT_STARTED, &error)
                    }
                    error => super::payloads::refusal(&error),
                })?;
                inner.launcher.plan(id, row.payload, row.name, plan);
                Ok(variables.into_iter().collect::<Vec<_>>())
            })
            .await?;
        self.ask(|reply| Command::Start { job: id, variables: named, span: tracing::Span::current(), reply })
            .await?
    }

    /// One job with its operators.
    ///
    /// # Errors
    /// When it is unknown.
    pub async fn job(&self, id: JobId) -> Answer<JobReport> {
        self.blocking(move |inner| {
            let found = details(inner, id)?;
            report(inner, &found)
        })
        .await
    }

    /// One job with everything that is known of it.
    ///
    /// # Errors
    /// When it is unknown.
    pub async fn job_extended(&self, id: JobId) -> Answer<ExtendedReport> {
        let found = self
            .blocking(move |inner| {
                let found = details(inner, id)?;
                let variables = inner.repository.job_variables(id).map_err(refuse(code::JOBS_NOT_LISTED))?;
                let plan = plan(inner, found.job.definition, &variables.into_iter().collect())
                    .map_err(|messages| Refusal { code: code::DEFINITION_INVALID, messages })?;
                Ok((report(inner, &found)?, found, plan))
            })
            .await?;
        let (report, found, plan) = found;
        let mut operators = Vec::with_capacity(found.operators.len());
        for (row, planned) in found.operators.iter().zip(&plan.operators) {
            let end = row.reason.as_deref().and_then(EndRecord::read).map(|record| record.end());
            let requests = &planned.requests;
            operators.push(OperatorExtras {
                end,
                limits: Limits {
                    cpus: requests.cpus,
                    gpus: requests.gpus,
                    memory_bytes: requests.memory_bytes,
                    shared_memory_bytes: requests.shared_memory_bytes,
                    processes: self.inner.options.limits.processes,
                    timeout: requests.timeout,
                    enforcement: self.inner.enforcement(),
                },
                log_bytes: self.log_bytes(row).await,
                report: self.inner.launcher.report(found.job.id, row.index),
            });
        }
        let timeout = found.job.time_limit_ms.and_then(|ms| u64::try_from(ms).ok());
        let is_queued = found.job.queue_order.is_some() && found.job.state == JobState::Pending;
        Ok(ExtendedReport {
            report,
            operators,
            timeout: Duration::from_millis(timeout.unwrap_or(self.inner.options.scheduler.default_limit_ms)),
            pending_reason: is_queued
                .then(|| "waits for processors, memory or GPUs to become free".to_owned()),
        })
    }

    /// Jobs that fit a filter, in the order of their creation.
    pub fn jobs(&self, filter: JobFilter) -> Answers<JobDetails> {
        self.stream(move |inner, send| {
            let filter = repository::JobFilter {
                states: filter.states.into_iter().collect(),
                statuses: filter.statuses.into_iter().collect(),
                pipelines: filter.pipelines.into_iter().collect(),
                // Filters count whole seconds: later than a second is after all of it.
                created_after_ms: filter.created_after.map(|time| millis(time).saturating_add(999)),
                completed_before_ms: filter.completed_before.map(millis),
            };
            let mut after = None;
            loop {
                let page =
                    inner.repository.jobs(&filter, after, PAGE).map_err(refuse(code::JOBS_NOT_LISTED))?;
                for job in &page.jobs {
                    if !send(job_details(job)?) {
                        return Ok(());
                    }
                }
                after = page.next;
                if after.is_none() {
                    return Ok(());
                }
            }
        })
    }

    /// Asks a pending or running job to end.
    ///
    /// # Errors
    /// When it is unknown or over.
    pub async fn cancel_job(&self, id: JobId, reason: Option<String>) -> Answer<JobStanding> {
        self.blocking(move |inner| {
            if row(inner, id)?.state == JobState::Stopped {
                return Err(not_cancelled(id));
            }
            Ok(())
        })
        .await?;
        let reason = reason.unwrap_or_default();
        match self.ask(|reply| Command::Cancel { job: id, reason, reply }).await? {
            // It stopped between the look and the wish.
            Err(refusal) if refusal.code == code::JOB_UNKNOWN => Err(not_cancelled(id)),
            other => other,
        }
    }

    /// Moves a pending job to another place in the queue.
    ///
    /// # Errors
    /// When it is unknown or no longer pending.
    pub async fn set_job_priority(&self, id: JobId, priority: JobPriority) -> Answer<()> {
        self.blocking(move |inner| row(inner, id).map(drop)).await?;
        let not_pending = || Refusal::new(code::JOB_NOT_PENDING, format!("job `{id}` is no longer pending"));
        match self.ask(|reply| Command::SetPriority { job: id, priority, reply }).await? {
            Err(refusal) if refusal.code == code::JOB_UNKNOWN => Err(not_pending()),
            other => other,
        }
    }

    /// Adds metadata; answers with the whole set.
    ///
    /// # Errors
    /// When a key exists, or the job is unknown.
    pub async fn add_job_metadata(&self, id: JobId, added: Metadata) -> Answer<Metadata> {
        self.change_job_metadata(id, Change::AddMetadata(MetadataOwner::Job(id), rows_of(&added))).await
    }

    /// Removes keys, whatever their letter case; answers with the set that is left.
    ///
    /// # Errors
    /// When the job is unknown.
    pub async fn remove_job_metadata(&self, id: JobId, keys: Vec<String>) -> Answer<Metadata> {
        self.change_job_metadata(id, Change::RemoveMetadata(MetadataOwner::Job(id), keys)).await
    }

    async fn change_job_metadata(&self, id: JobId, change: Change) -> Answer<Metadata> {
        self.blocking(move |inner| {
            row(inner, id)?;
            inner.commit(vec![change]).map_err(refuse(code::JOB_METADATA_INVALID))?;
            inner.events.publish([Told::Job(id)]);
            metadata_of(&row(inner, id)?.metadata, code::JOBS_NOT_LISTED)
        })
        .await
    }

    /// Asks the engine, and waits for its answer.
    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Answer<T> {
        let stopping = || Refusal::new(code::SHUTTING_DOWN, "the server is about to stop");
        let (reply, answer) = oneshot::channel();
        self.inner.engine.send(command(reply)).map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())
    }
}

fn not_cancelled(id: JobId) -> Refusal {
    // The first message is the one that published tools know.
    let messages = vec!["Failed to cancel job.".to_owned(), format!("job `{id}` has stopped already")];
    Refusal { code: code::JOB_NOT_CANCELED, messages }
}

pub(super) fn row(inner: &Inner, id: JobId) -> Answer<repository::JobRow> {
    let row = inner.repository.job(id).map_err(refuse(code::JOBS_NOT_LISTED))?;
    row.ok_or_else(|| unknown(id))
}

pub(super) fn unknown(id: JobId) -> Refusal {
    Refusal::new(code::JOB_UNKNOWN, format!("job `{id}` is unknown"))
}

pub(super) fn details(inner: &Inner, id: JobId) -> Answer<repository::JobDetails> {
    let found = inner.repository.job_details(id).map_err(refuse(code::JOBS_NOT_LISTED))?;
    found.ok_or_else(|| unknown(id))
}

/// What a job runs with these variables; else what is wrong with them.
fn plan(
    inner: &Inner,
    definition: repository::DefinitionId,
    variables: &BTreeMap<String, String>,
) -> Result<JobPlan, Vec<String>> {
    let pipeline = inner.definitions.get(definition).map_err(|refusal| refusal.messages)?;
    let plan = pipeline.instantiate(variables, &inner.options.defaults);
    plan.map_err(|error| error.messages())
}

/// What the scheduler needs to know of a plan.
pub(super) fn schedule(plan: &JobPlan) -> Result<Plan, String> {
    let operators = plan.operators.iter().map(|operator| {
        let index = |index: &usize| u32::try_from(*index).unwrap_or(u32::MAX);
        OperatorSpec {
            name: operator.name.as_str().into(),
            request: Request {
                cpu_millis: u64::from(operator.requests.cpus) * 1000,
                memory_mb: operator.requests.memory_bytes.div_ceil(BYTES_PER_MB),
                gpus: operator.requests.gpus,
            },
            limit_ms: operator.requests.timeout.and_then(limit_ms),
            inputs: operator.depends_on.iter().map(index).collect(),
        }
    });
    Plan::new(operators.collect()).map_err(|error| error.to_string())
}

/// A time limit as the scheduler takes it; one of nothing is none.
fn limit_ms(limit: Duration) -> Option<NonZeroU64> {
    NonZeroU64::new(u64::try_from(limit.as_millis()).ok()?)
}

/// Writes a job's rows and makes its payload.
fn create(inner: &Inner, new: NewJob) -> Answer<(JobSpec, CreatedJob)> {
    let pipeline = pipelines::row(inner, new.pipeline)?;
    let plan = plan(inner, pipeline.definition, &BTreeMap::new())
        .map_err(|messages| Refusal { code: code::DEFINITION_INVALID, messages })?;
    plan.check_fits(&inner.definition_capacity())
        .map_err(|error| Refusal { code: code::JOB_NEVER_FITS, messages: error.messages() })?;
    let schedule = schedule(&plan).map_err(|message| Refusal::new(code::DEFINITION_INVALID, message))?;
    let created =
        CreatedJob { job: JobId::from_bits(random_bits()?), payload: PayloadId::from_bits(random_bits()?) };
    let now = inner.clock.now_ms();
    let limit = plan.timeout.and_then(limit_ms);
    let in_force = inner.limit_ms(limit);
    let prepared = inner
        .payloads
        .prepare_for_job(created.payload, created.job, now, &new.inputs)
        .map_err(|error| payload_refusal(&error))?;
    let operators = plan.operators.iter().zip(0u32..).map(|(operator, index)| repository::OperatorRow {
        index,
        name: operator.name.clone(),
        status: OperatorStatus::Pending,
        reason: None,
        exit_code: None,
        created_ms: now,
        started_ms: None,
        stopped_ms: None,
        run_token: None,
        attempt: 0,
        gpus: Vec::new(),
    });
    let mut changes = vec![Change::CreateJob(repository::NewJob {
        id: created.job,
        payload: created.payload,
        pipeline: new.pipeline,
        definition: pipeline.definition,
        name: new.name.into_string(),
        priority: new.priority,
        created_ms: now,
        time_limit_ms: Some(i64::try_from(in_force).unwrap_or(i64::MAX)),
        operators: operators.collect(),
        metadata: rows_of(&new.metadata),
    })];
    changes.extend(prepared.changes.iter().cloned());
    if let Err(error) = inner.commit(changes) {
        inner.payloads.abandon(prepared);
        return Err(Refusal::from_error(code::JOB_NOT_STORED, &error));
    }
    let spec =
        JobSpec { job: created.job, priority: new.priority, limit_ms: limit, plan: Arc::new(schedule) };
    Ok((spec, created))
}

fn payload_refusal(error: &PayloadError) -> Refusal {
    match error {
        // The first message is the one that published tools know.
        PayloadError::StorageFull { .. } | PayloadError::DiskFull => Refusal {
            code: code::JOB_PAYLOAD_NOT_CREATED,
            messages: vec!["Payload creation failed.".to_owned(), error.to_string()],
        },
        PayloadError::Unknown { .. }
        | PayloadError::NotReusable { .. }
        | PayloadError::SameNameInInputs { .. }
        | PayloadError::FolderMissing { .. } => Refusal::from_error(code::JOB_INPUT_INVALID, error),
        _ => Refusal::from_error(code::JOB_PAYLOAD_NOT_CREATED, error),
    }
}

fn job_details(row: &repository::JobRow) -> Answer<JobDetails> {
    Ok(JobDetails {
        id: row.id,
        pipeline_id: row.pipeline,
        payload_id: row.payload,
        name: row.name.clone(),
        state: row.state,
        status: row.status,
        priority: row.priority,
        created: system_time(row.created_ms),
        started: row.started_ms.map(system_time),
        stopped: row.stopped_ms.map(system_time),
        metadata: metadata_of(&row.metadata, code::JOBS_NOT_LISTED)?,
    })
}

fn report(inner: &Inner, found: &repository::JobDetails) -> Answer<JobReport> {
    let pipeline = inner.definitions.get(found.job.definition)?;
    let names: Vec<&str> = pipeline.operators().iter().map(|operator| operator.name.as_str()).collect();
    let depends_on = |index: u32| {
        let operator = pipeline.operators().get(usize::try_from(index).ok()?)?;
        let name = |index: &usize| names.get(*index).map(|name| (*name).to_owned());
        Some(operator.depends_on.iter().filter_map(name).collect())
    };
    let operators = found.operators.iter().map(|row| OperatorDetails {
        name: row.name.clone(),
        status: row.status,
        created: Some(system_time(row.created_ms)),
        started: row.started_ms.map(system_time),
        stopped: row.stopped_ms.map(system_time),
        depends_on: depends_on(row.index).unwrap_or_default(),
    });
    Ok(JobReport {
        details: job_details(&found.job)?,
        messages: found.messages.clone(),
        operators: operators.collect(),
    })
}

impl Inner {
    /// The time limit in force for a job that asks for one.
    fn limit_ms(&self, asked: Option<NonZeroU64>) -> u64 {
        let config = &self.options.scheduler;
        asked.map_or(config.default_limit_ms, NonZeroU64::get).min(config.maximum_limit_ms)
    }

    /// How limits are enforced here.
    pub(super) fn enforcement(&self) -> Enforcement {
        use crate::executor::capabilities::LimitMeans;
        match self.executor.capabilities().memory {
            LimitMeans::CgroupV2 => Enforcement::CgroupV2,
            LimitMeans::CgroupV1 => Enforcement::CgroupV1,
            LimitMeans::NamespaceLimit | LimitMeans::Watchdog => Enforcement::Rlimit,
            LimitMeans::Engine => Enforcement::Container,
            LimitMeans::None => Enforcement::None,
        }
    }
}
