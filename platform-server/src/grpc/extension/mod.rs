//! Our own services, one file each. Errors are gRPC statuses, from the one table in [`crate::grpc::status`].

mod access;
mod events;
mod jobs;
mod logs;
mod payloads;
mod server;
mod watch;

use platform_api::code::ErrorCode;
use platform_api::convert::extension::timestamp;
use platform_api::id::ParseIdError;
use platform_api::job::OperatorDetails;
use platform_api::proto::extension as wire;
use std::str::FromStr;
use std::time::{Duration, UNIX_EPOCH};
use tonic::Status;

use super::reply::refuse;
use super::status;
use crate::access::AuditNote;
use crate::platform::{ExtendedReport, FileSums, OperatorExtras, PayloadDetails, Utilization};

/// An identifier that a request must hold.
fn id<T: FromStr<Err = ParseIdError> + std::fmt::Display>(text: &str, code: ErrorCode) -> Result<T, Status> {
    let id = text.parse().map_err(refuse(code)).map_err(|refusal| status(&refusal))?;
    AuditNote::about(&id);
    Ok(id)
}

/// A job without its operators.
fn job(job: &ExtendedReport) -> wire::Job {
    let details = &job.report.details;
    wire::Job {
        job_id: details.id.to_string(),
        pipeline_id: details.pipeline_id.to_string(),
        payload_id: details.payload_id.to_string(),
        name: details.name.clone(),
        state: details.state.to_wire(),
        status: details.status.to_wire(),
        priority: details.priority.to_wire(),
        created: timestamp(details.created),
        started: timestamp(details.started),
        stopped: timestamp(details.stopped),
        messages: job.report.messages.clone(),
        operators: Vec::new(),
        timeout: platform_api::convert::extension::duration(job.timeout),
        pending_reason: job.pending_reason.clone().unwrap_or_default(),
        metadata: details.metadata.to_map(),
    }
}

/// A job with its operators.
fn job_with_operators(report: &ExtendedReport) -> wire::Job {
    let operators = report.report.operators.iter().zip(&report.operators);
    wire::Job {
        operators: operators.map(|(details, extras)| operator(details, extras)).collect(),
        ..job(report)
    }
}

fn operator(details: &OperatorDetails, extras: &OperatorExtras) -> wire::Operator {
    wire::Operator {
        name: details.name.clone(),
        status: details.status.to_wire(),
        created: timestamp(details.created),
        started: timestamp(details.started),
        stopped: timestamp(details.stopped),
        end: extras.end.as_ref().map(wire::OperatorEnd::from),
        limits: Some(wire::Limits::from(&extras.limits)),
        depends_on: details.depends_on.clone(),
        log_bytes: extras.log_bytes,
        progress: extras.report.as_ref().and_then(|report| report.progress),
        progress_text: extras.report.as_ref().map(|report| report.text.clone()).unwrap_or_default(),
        ready: extras.report.as_ref().is_some_and(|report| report.is_ready),
    }
}

fn utilization(now: &Utilization) -> wire::Utilization {
    let gpus = now.gpus.iter().zip(0..).map(|(gpu, index)| wire::utilization::Gpu {
        index,
        name: gpu.name.clone(),
        compute: gpu.compute,
        memory_total_bytes: gpu.memory_free_bytes.saturating_add(gpu.memory_used_bytes),
        memory_used_bytes: gpu.memory_used_bytes,
        job_ids: gpu.operators.iter().map(|(_, job)| job.to_string()).collect(),
    });
    wire::Utilization {
        gpus: gpus.collect(),
        cpus_total: now.cpus_total,
        cpus_assigned: now.cpus_assigned,
        memory_total_bytes: now.memory_total_bytes,
        memory_assigned_bytes: now.memory_assigned_bytes,
        storage_total_bytes: now.storage_total_bytes,
        storage_used_bytes: now.storage_used_bytes,
        jobs_running: now.jobs_running,
        jobs_pending: now.jobs_pending,
        machine_cpu: now.machine_cpu,
        machine_memory_total_bytes: now.machine_memory_bytes.map(|(_, total)| total),
        machine_memory_used_bytes: now.machine_memory_bytes.map(|(used, _)| used),
    }
}

fn payload(details: &PayloadDetails, files: FileSums) -> wire::Payload {
    let created = Duration::from_millis(u64::try_from(details.created_ms).unwrap_or_default());
    wire::Payload {
        payload_id: details.id.to_string(),
        r#type: details.payload_type.to_wire(),
        job_id: details.job.map(|job| job.to_string()).unwrap_or_default(),
        created: timestamp(UNIX_EPOCH.checked_add(created)),
        file_count: files.count,
        size: files.bytes,
        metadata: details.metadata.to_map(),
        read_only: details.is_read_only,
    }
}
