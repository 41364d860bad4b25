//! Changes as they happen, so that nobody polls.

use std::time::SystemTime;

use platform_api::convert::ConvertError;
use platform_api::convert::extension::system_time;
use platform_api::id::{JobId, ModelId, PayloadId, PipelineId};
use platform_api::metadata::Metadata;
use platform_api::proto::extension as wire_types;
use platform_api::proto::extension::watch_response::Event as WireEvent;
use platform_api::proto::extension::{model_changed, payload_changed, pipeline_changed};
use tonic::transport::Channel;

use crate::connection::{Client, MAX_MESSAGE_BYTES, Messages, retrying};
use crate::error::ClientError;
use crate::jobs::{JobSnapshot, OperatorSnapshot, snapshot_id};
use crate::payloads::PayloadSummary;
use crate::wire;

const CALL: &str = "Events.Watch";

/// Kinds of changes. The numbers are those of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum EventKind {
    Job = 1,
    Operator = 2,
    Log = 3,
    Utilization = 4,
    Payload = 5,
    Pipeline = 6,
    Model = 7,
}

/// A place in the sequence of events; comes back as it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    epoch: String,
    sequence: u64,
}

impl Cursor {
    /// The run of the server that counted.
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// Rises with each event; not without gaps.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its place in the sequence.
    pub cursor: Option<Cursor>,
    /// When.
    pub time: Option<SystemTime>,
    /// What.
    pub change: Change,
}

/// What happened. Objects are whole, so that applying one twice does no harm.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// Nothing up to the cursor that was not sent.
    Bookmark,
    /// Events were lost, for this reason: list again, then go on with what follows.
    ResyncNeeded(String),
    /// The job as it is now, without its operators.
    Job(Box<JobSnapshot>),
    /// The operator as it is now.
    Operator(JobId, Box<OperatorSnapshot>),
    /// The log of an operator has so many bytes now.
    Log {
        /// The job.
        job_id: JobId,
        /// Its operator.
        operator: String,
        /// Bytes of the log now.
        bytes: u64,
    },
    /// How busy the machine is.
    Utilization(Utilization),
    /// The payload as it is now.
    Payload(Box<PayloadSummary>),
    /// The payload is gone.
    PayloadDeleted(PayloadId),
    /// The pipeline as it is now.
    Pipeline {
        /// The pipeline.
        id: PipelineId,
        /// As its definition calls it.
        name: String,
        /// What its creator and others noted.
        metadata: Metadata,
        /// Rises with each update of the definition.
        revision: u64,
    },
    /// The pipeline is gone.
    PipelineDeleted(PipelineId),
    /// The model as it is now.
    Model {
        /// The model.
        id: ModelId,
        /// As definitions call it.
        name: String,
    },
    /// The model is gone.
    ModelDeleted(ModelId),
    /// Something that this version does not know.
    Unknown,
}

/// The machine at one moment.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Utilization {
    pub gpus: Vec<Gpu>,
    pub cpus_total: u32,
    pub cpus_assigned: u32,
    pub memory_total_bytes: u64,
    pub memory_assigned_bytes: u64,
    pub storage_total_bytes: u64,
    pub storage_used_bytes: u64,
    pub jobs_running: u32,
    pub jobs_pending: u32,
    /// Of the whole machine, from 0 to 1, where it tells.
    pub machine_cpu: Option<f32>,
    pub machine_memory_total_bytes: Option<u64>,
    pub machine_memory_used_bytes: Option<u64>,
}

/// A GPU at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Gpu {
    /// Its number on the machine.
    pub index: u32,
    /// Its type.
    pub name: String,
    /// From 0 to 1.
    pub compute: f32,
    /// Memory of the GPU.
    pub memory_total_bytes: u64,
    /// Memory in use.
    pub memory_used_bytes: u64,
    /// Jobs that have it now.
    pub job_ids: Vec<JobId>,
}

/// What to watch; what is empty chooses all.
#[derive(Debug, Clone, Default)]
pub struct WatchQuery {
    /// Only these kinds.
    pub kinds: Vec<EventKind>,
    /// Only these jobs, their operators, logs and payloads; other kinds are not affected.
    pub jobs: Vec<JobId>,
    /// What follows this place; `None`: what happens from now on.
    pub resume_from: Option<Cursor>,
}

/// The changes of a server.
#[derive(Debug, Clone)]
pub struct Events {
    client: Client,
}

impl Events {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Begins to watch. A connection that breaks is opened again after the last event that came.
    ///
    /// # Errors
    /// [`ClientError`]; unsupported by servers that speak the published API only.
    pub async fn watch(&self, query: WatchQuery) -> Result<Watch, ClientError> {
        let mut watch =
            Watch { client: self.client.clone(), cursor: query.resume_from.clone(), query, messages: None };
        retrying!(self.client, watch.open().await)?;
        Ok(watch)
    }
}

/// Changes, one by one, for ever.
#[derive(Debug)]
pub struct Watch {
    client: Client,
    query: WatchQuery,
    cursor: Option<Cursor>,
    messages: Option<Messages<wire_types::WatchResponse>>,
}

impl Watch {
    /// The next change. Safe to drop half-way: nothing is lost.
    ///
    /// # Errors
    /// [`ClientError`]; once the server could not be reached as often in a row as the client tries.
    pub async fn next(&mut self) -> Result<Event, ClientError> {
        let mut made = 1;
        loop {
            match self.step().await {
                Ok(event) => return Ok(event),
                Err(error) => {
                    self.messages = None;
                    if !self.client.tries_again(&error, made).await {
                        return Err(error);
                    }
                    made += 1;
                }
            }
        }
    }

    /// The place after the last event that came.
    pub fn cursor(&self) -> Option<&Cursor> {
        self.cursor.as_ref()
    }

    async fn open(&mut self) -> Result<(), ClientError> {
        let message = wire_types::WatchRequest {
            kinds: self.query.kinds.iter().map(|kind| *kind as i32).collect(),
            job_ids: self.query.jobs.iter().map(ToString::to_string).collect(),
            resume_from: self
                .cursor
                .clone()
                .map(|cursor| wire_types::Cursor { epoch: cursor.epoch, sequence: cursor.sequence }),
        };
        let mut stub: wire_types::events_client::EventsClient<Channel> =
            wire_types::events_client::EventsClient::new(self.client.channel())
                .max_decoding_message_size(MAX_MESSAGE_BYTES);
        self.messages = Some(self.client.open(CALL, message, async move |m| stub.watch(m).await).await?);
        Ok(())
    }

    async fn step(&mut self) -> Result<Event, ClientError> {
        if self.messages.is_none() {
            self.open().await?;
        }
        let Some(messages) = &mut self.messages else {
            return Err(ClientError::protocol(CALL, "it is not open"));
        };
        let Some(message) = messages.next_whenever().await? else {
            // It never ends by itself; a server that stops may end it.
            let server = self.client.server_name().to_owned();
            return Err(ClientError::Unreachable { server, reason: "the stream of events ended".to_owned() });
        };
        let event = wire::converted(CALL, event(message))?;
        if event.cursor.is_some() {
            self.cursor.clone_from(&event.cursor);
        }
        Ok(event)
    }
}

fn event(message: wire_types::WatchResponse) -> Result<Event, ConvertError> {
    Ok(Event {
        cursor: message.cursor.map(|c| Cursor { epoch: c.epoch, sequence: c.sequence }),
        time: system_time(message.time)?,
        change: message.event.map_or(Ok(Change::Unknown), change)?,
    })
}

fn change(event: WireEvent) -> Result<Change, ConvertError> {
    Ok(match event {
        WireEvent::Bookmark(_) => Change::Bookmark,
        WireEvent::ResyncNeeded(resync) => Change::ResyncNeeded(resync.reason),
        WireEvent::JobChanged(job) => Change::Job(Box::new(JobSnapshot::from_wire(job)?)),
        WireEvent::OperatorChanged(changed) => {
            let operator = changed.operator.ok_or(ConvertError::Missing { what: "operator" })?;
            let job_id = snapshot_id(&changed.job_id, "job id")?;
            Change::Operator(job_id, Box::new(OperatorSnapshot::from_wire(operator)?))
        }
        WireEvent::LogAppended(log) => Change::Log {
            job_id: snapshot_id(&log.job_id, "job id")?,
            operator: log.operator_name,
            bytes: log.log_bytes,
        },
        WireEvent::Utilization(now) => Change::Utilization(utilization(now)?),
        WireEvent::PayloadChanged(changed) => match changed.change {
            Some(payload_changed::Change::Payload(payload)) => {
                Change::Payload(Box::new(PayloadSummary::from_wire(payload)?))
            }
            Some(payload_changed::Change::DeletedId(id)) => {
                Change::PayloadDeleted(snapshot_id(&id, "payload id")?)
            }
            None => Change::Unknown,
        },
        WireEvent::PipelineChanged(changed) => match changed.change {
            Some(pipeline_changed::Change::Pipeline(pipeline)) => Change::Pipeline {
                id: snapshot_id(&pipeline.pipeline_id, "pipeline id")?,
                name: pipeline.name,
                metadata: Metadata::from_entries(pipeline.metadata)?,
                revision: pipeline.revision,
            },
            Some(pipeline_changed::Change::DeletedId(id)) => {
                Change::PipelineDeleted(snapshot_id(&id, "pipeline id")?)
            }
            None => Change::Unknown,
        },
        WireEvent::ModelChanged(changed) => match changed.change {
            Some(model_changed::Change::Model(model)) => {
                Change::Model { id: snapshot_id(&model.model_id, "model id")?, name: model.name }
            }
            Some(model_changed::Change::DeletedId(id)) => Change::ModelDeleted(snapshot_id(&id, "model id")?),
            None => Change::Unknown,
        },
    })
}

fn utilization(now: wire_types::Utilization) -> Result<Utilization, ConvertError> {
    let gpus = now.gpus.into_iter().map(|gpu| {
        let ids = gpu.job_ids.iter().map(|id| snapshot_id(id, "job id"));
        Ok(Gpu {
            job_ids: ids.collect::<Result<_, _>>()?,
            index: gpu.index,
            name: gpu.name,
            compute: gpu.compute,
            memory_total_bytes: gpu.memory_total_bytes,
            memory_used_bytes: gpu.memory_used_bytes,
        })
    });
    Ok(Utilization {
        gpus: gpus.collect::<Result<_, ConvertError>>()?,
        cpus_total: now.cpus_total,
        cpus_assigned: now.cpus_assigned,
        memory_total_bytes: now.memory_total_bytes,
        memory_assigned_bytes: now.memory_assigned_bytes,
        storage_total_bytes: now.storage_total_bytes,
        storage_used_bytes: now.storage_used_bytes,
        jobs_running: now.jobs_running,
        jobs_pending: now.jobs_pending,
        machine_cpu: now.machine_cpu,
        machine_memory_total_bytes: now.machine_memory_total_bytes,
        machine_memory_used_bytes: now.machine_memory_used_bytes,
    })
}
