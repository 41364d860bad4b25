//! Our own services.

use platform_api::proto::extension::read_log_request::Start;
use platform_api::proto::extension::read_log_response::Part;
use platform_api::proto::extension::*;
use tonic::{Request, Response, Status};

use super::{Fake, FakeJob, Fault, Messages, NOW, NOW_UNIX, messages};

type Answer<T> = Result<Response<T>, Status>;

fn time(value: i64, nanos: i32) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds: value - NOW + NOW_UNIX, nanos })
}

fn job(job: FakeJob) -> Job {
    let operator = Operator {
        name: "segment".to_owned(),
        status: job.state,
        started: job.started.and_then(|t| time(t, 0)),
        stopped: job.stopped.and_then(|t| time(t, 0)),
        log_bytes: 7,
        progress: Some(0.5),
        ..Default::default()
    };
    Job {
        job_id: job.id,
        pipeline_id: job.pipeline_id,
        payload_id: job.payload_id,
        name: job.name,
        state: job.state,
        status: job.status,
        priority: job.priority,
        created: time(job.created, 0),
        started: job.started.and_then(|t| time(t, 250_000_000)),
        stopped: job.stopped.and_then(|t| time(t, 750_000_000)),
        messages: Vec::new(),
        operators: vec![operator],
        timeout: Some(prost_types::Duration { seconds: 600, nanos: 0 }),
        pending_reason: if job.state == 1 { "waits for memory".to_owned() } else { String::new() },
        metadata: job.metadata,
    }
}

#[tonic::async_trait]
impl jobs_server::Jobs for Fake {
    async fn get(&self, request: Request<GetJobRequest>) -> Answer<Job> {
        self.enter("Jobs.Get", &request).await?;
        let found = self.look_at(&request.get_ref().job_id);
        found.map(|found| Response::new(job(found))).ok_or_else(|| Status::not_found("there is no such job"))
    }

    async fn set_priority(&self, request: Request<SetPriorityRequest>) -> Answer<Job> {
        self.enter("Jobs.SetPriority", &request).await?;
        let mut state = self.state();
        let wanted = request.get_ref();
        let found = state.jobs.iter_mut().find(|job| job.id == wanted.job_id);
        let found = found.ok_or_else(|| Status::not_found("there is no such job"))?;
        if found.state != 1 {
            return Err(Status::failed_precondition("the job is not pending"));
        }
        found.priority = wanted.priority;
        Ok(Response::new(job(found.clone())))
    }
}

#[tonic::async_trait]
impl payloads_server::Payloads for Fake {
    type ListStream = Messages<Payload>;

    async fn list(&self, request: Request<ListPayloadsRequest>) -> Answer<Self::ListStream> {
        let fault = self.enter("Payloads.List", &request).await?;
        let types = request.into_inner().types;
        let state = self.state();
        let all = state.payloads.iter().map(|(id, payload)| Payload {
            payload_id: id.clone(),
            r#type: if payload.job_id.is_some() { 1 } else { 2 },
            job_id: payload.job_id.clone().unwrap_or_default(),
            created: time(NOW, 0),
            file_count: payload.files.len() as u64,
            size: payload.files.values().map(|data| data.len() as u64).sum(),
            metadata: payload.metadata.clone(),
            read_only: false,
        });
        let chosen = all.filter(|payload| types.is_empty() || types.contains(&payload.r#type)).collect();
        Ok(messages(chosen, fault.as_ref()))
    }
}

#[tonic::async_trait]
impl logs_server::Logs for Fake {
    type ReadStream = Messages<ReadLogResponse>;

    async fn read(&self, request: Request<ReadLogRequest>) -> Answer<Self::ReadStream> {
        let fault = self.enter("Logs.Read", &request).await?;
        let request = request.into_inner();
        let mut state = self.state();
        let log = state.logs.get(&request.operator_name).cloned();
        let log = log.ok_or_else(|| Status::not_found("the job has no such operator"))?;
        let from = match request.start {
            Some(Start::FromOffset(offset)) => usize::try_from(offset).unwrap(),
            Some(Start::TailBytes(bytes)) => log.len().saturating_sub(usize::try_from(bytes).unwrap()),
            None => 0,
        };
        state.log_offsets.push(from as u64);
        let rest = log.get(from..).ok_or_else(|| Status::out_of_range("after the end"))?;
        let part = |part| ReadLogResponse { part: Some(part) };
        let mut all = Vec::new();
        for (at, piece) in rest.chunks(5).enumerate() {
            let offset = (from + at * 5) as u64;
            all.push(part(Part::Chunk(LogChunk { offset, data: piece.to_vec().into(), spans: Vec::new() })));
        }
        let reason = if request.follow { LogEndReason::Complete } else { LogEndReason::CaughtUp };
        all.push(part(Part::End(LogEnd { reason: reason.into(), next_offset: log.len() as u64 })));
        Ok(messages(all, fault.as_ref()))
    }
}

#[tonic::async_trait]
impl events_server::Events for Fake {
    type WatchStream = Messages<WatchResponse>;

    async fn watch(&self, request: Request<WatchRequest>) -> Answer<Self::WatchStream> {
        let fault = self.enter("Events.Watch", &request).await?;
        let resume_from = request.into_inner().resume_from;
        let mut state = self.state();
        let after = resume_from.as_ref().map_or(0, |cursor| cursor.sequence);
        state.resumed_from.push(resume_from);
        let is_new = |event: &&WatchResponse| event.cursor.as_ref().is_some_and(|c| c.sequence > after);
        let chosen: Vec<_> = state.events.iter().filter(is_new).cloned().collect();
        if matches!(fault, Some(Fault::Break(_) | Fault::End(_))) {
            return Ok(messages(chosen, fault.as_ref()));
        }
        let first = tokio_stream::iter(chosen.into_iter().map(Ok));
        let never = tokio_stream::pending();
        Ok(Response::new(Box::pin(tokio_stream::StreamExt::chain(first, never))))
    }
}

#[tonic::async_trait]
impl server_server::Server for Fake {
    async fn get_info(&self, request: Request<GetInfoRequest>) -> Answer<ServerInfo> {
        self.enter("Server.GetInfo", &request).await?;
        Ok(Response::new(ServerInfo {
            version: "9.8.7".to_owned(),
            clara_api_version: "0.8.1".to_owned(),
            features: vec!["events".to_owned()],
            executor: "process".to_owned(),
            enforcement: Enforcement::CgroupV2.into(),
            capacity: Some(Capacity { cpus: 2, gpus: 1, memory_bytes: 8 << 30 }),
            epoch: "first".to_owned(),
            ..Default::default()
        }))
    }
}
