//! Messages of our own services: jobs, operators, their ends and limits.

use std::time::{Duration, SystemTime};

use crate::convert::{ConvertError, job_priority, job_state, job_status, operator_status};
use crate::job::{EndReason, Enforcement, JobDetails, JobReport, Limits, OperatorDetails, OperatorEnd};
use crate::metadata::Metadata;
use crate::proto::extension as wire;

/// The message of a time with its fraction.
pub fn timestamp(time: impl Into<Option<SystemTime>>) -> Option<prost_types::Timestamp> {
    time.into().map(prost_types::Timestamp::from)
}

/// The time in a message.
///
/// # Errors
/// [`ConvertError::Number`] for times that this system cannot represent.
pub fn system_time(message: Option<prost_types::Timestamp>) -> Result<Option<SystemTime>, ConvertError> {
    let Some(message) = message else { return Ok(None) };
    let refused = ConvertError::Number { what: "time", number: message.seconds };
    SystemTime::try_from(message).map(Some).map_err(|_| refused)
}

/// The message of a duration; one of more than 292 thousand million years is cut.
pub fn duration(duration: impl Into<Option<Duration>>) -> Option<prost_types::Duration> {
    let duration = duration.into()?;
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    let nanos = i32::try_from(duration.subsec_nanos()).unwrap_or_default();
    Some(prost_types::Duration { seconds, nanos })
}

/// The duration in a message.
///
/// # Errors
/// [`ConvertError::Number`] for negative durations.
pub fn parse_duration(message: Option<prost_types::Duration>) -> Result<Option<Duration>, ConvertError> {
    let Some(message) = message else { return Ok(None) };
    Duration::try_from(message)
        .map(Some)
        .map_err(|_| ConvertError::Number { what: "duration", number: message.seconds })
}

impl From<&OperatorEnd> for wire::OperatorEnd {
    fn from(end: &OperatorEnd) -> Self {
        let (mut exit_code, mut signal) = (None, None);
        let reason = match end.reason {
            EndReason::Exited { code } => {
                exit_code = Some(code);
                wire::EndReason::Exited
            }
            EndReason::Signaled { signal: number } => {
                signal = Some(number);
                wire::EndReason::Signaled
            }
            EndReason::OutOfMemory => wire::EndReason::OutOfMemory,
            EndReason::TimedOut => wire::EndReason::TimedOut,
            EndReason::DiskFull => wire::EndReason::DiskFull,
            EndReason::Canceled => wire::EndReason::Canceled,
            EndReason::Lost => wire::EndReason::Lost,
            EndReason::NotStarted => wire::EndReason::NotStarted,
            EndReason::Skipped => wire::EndReason::Skipped,
        };
        Self {
            reason: reason.into(),
            exit_code,
            signal,
            message: end.message.clone(),
            peak_memory_bytes: end.peak_memory_bytes.unwrap_or_default(),
            cpu_time: duration(end.cpu_time),
        }
    }
}

impl TryFrom<wire::OperatorEnd> for OperatorEnd {
    type Error = ConvertError;

    fn try_from(message: wire::OperatorEnd) -> Result<Self, ConvertError> {
        let number = i64::from(message.reason);
        let unknown = ConvertError::Number { what: "reason of an end", number };
        let reason = match wire::EndReason::try_from(message.reason).map_err(|_| unknown.clone())? {
            wire::EndReason::Unspecified => return Err(unknown),
            wire::EndReason::Exited => EndReason::Exited {
                code: message.exit_code.ok_or(ConvertError::Missing { what: "exit code" })?,
            },
            wire::EndReason::Signaled => EndReason::Signaled {
                signal: message.signal.ok_or(ConvertError::Missing { what: "signal" })?,
            },
            wire::EndReason::OutOfMemory => EndReason::OutOfMemory,
            wire::EndReason::TimedOut => EndReason::TimedOut,
            wire::EndReason::DiskFull => EndReason::DiskFull,
            wire::EndReason::Canceled => EndReason::Canceled,
            wire::EndReason::Lost => EndReason::Lost,
            wire::EndReason::NotStarted => EndReason::NotStarted,
            wire::EndReason::Skipped => EndReason::Skipped,
        };
        Ok(Self {
            reason,
            message: message.message,
            peak_memory_bytes: (message.peak_memory_bytes > 0).then_some(message.peak_memory_bytes),
            cpu_time: parse_duration(message.cpu_time)?,
        })
    }
}

/// The message of a job, without its operators.
pub fn job_message(report: &JobReport) -> wire::Job {
    let job = &report.details;
    wire::Job {
        job_id: job.id.to_string(),
        pipeline_id: job.pipeline_id.to_string(),
        payload_id: job.payload_id.to_string(),
        name: job.name.clone(),
        state: job.state.to_wire(),
        status: job.status.to_wire(),
        priority: job.priority.to_wire(),
        created: timestamp(job.created),
        started: timestamp(job.started),
        stopped: timestamp(job.stopped),
        messages: report.messages.clone(),
        metadata: job.metadata.to_map(),
        ..wire::Job::default()
    }
}

/// The job of a message, with its operators as far as the published API knows them.
///
/// # Errors
/// [`ConvertError`] for what is missing or malformed.
pub fn job(message: &wire::Job) -> Result<JobReport, ConvertError> {
    let id = |what| move |source| ConvertError::Identifier { what, source };
    let details = JobDetails {
        id: message.job_id.parse().map_err(id("job id"))?,
        pipeline_id: message.pipeline_id.parse().map_err(id("pipeline id"))?,
        payload_id: message.payload_id.parse().map_err(id("payload id"))?,
        name: message.name.clone(),
        state: job_state(message.state)?,
        status: job_status(message.status)?,
        priority: job_priority(message.priority)?,
        created: system_time(message.created)?.ok_or(ConvertError::Missing { what: "time of creation" })?,
        started: system_time(message.started)?,
        stopped: system_time(message.stopped)?,
        metadata: Metadata::from_entries(message.metadata.clone())?,
    };
    let operators = message.operators.iter().map(operator).collect::<Result<_, _>>()?;
    Ok(JobReport { details, messages: message.messages.clone(), operators })
}

/// The message of an operator, without what only the executor knows: its end, limits, log and progress.
pub fn operator_message(operator: &OperatorDetails) -> wire::Operator {
    wire::Operator {
        name: operator.name.clone(),
        status: operator.status.to_wire(),
        created: timestamp(operator.created),
        started: timestamp(operator.started),
        stopped: timestamp(operator.stopped),
        depends_on: operator.depends_on.clone(),
        ..wire::Operator::default()
    }
}

/// The operator of a message.
///
/// # Errors
/// [`ConvertError`] for a status or times that cannot be.
pub fn operator(message: &wire::Operator) -> Result<OperatorDetails, ConvertError> {
    Ok(OperatorDetails {
        name: message.name.clone(),
        status: operator_status(message.status)?,
        created: system_time(message.created)?,
        started: system_time(message.started)?,
        stopped: system_time(message.stopped)?,
        depends_on: message.depends_on.clone(),
    })
}

impl From<Enforcement> for wire::Enforcement {
    fn from(enforcement: Enforcement) -> Self {
        match enforcement {
            Enforcement::None => Self::None,
            Enforcement::Rlimit => Self::Rlimit,
            Enforcement::CgroupV1 => Self::CgroupV1,
            Enforcement::CgroupV2 => Self::CgroupV2,
            Enforcement::Container => Self::Container,
        }
    }
}

/// How limits are enforced, of a number on the wire.
///
/// # Errors
/// [`ConvertError::Number`] for unknown numbers, 0 among them.
pub fn enforcement(number: i32) -> Result<Enforcement, ConvertError> {
    match wire::Enforcement::try_from(number) {
        Ok(wire::Enforcement::None) => Ok(Enforcement::None),
        Ok(wire::Enforcement::Rlimit) => Ok(Enforcement::Rlimit),
        Ok(wire::Enforcement::CgroupV1) => Ok(Enforcement::CgroupV1),
        Ok(wire::Enforcement::CgroupV2) => Ok(Enforcement::CgroupV2),
        Ok(wire::Enforcement::Container) => Ok(Enforcement::Container),
        Ok(wire::Enforcement::Unspecified) | Err(_) => {
            Err(ConvertError::Number { what: "enforcement of limits", number: number.into() })
        }
    }
}

impl From<&Limits> for wire::Limits {
    fn from(limits: &Limits) -> Self {
        Self {
            cpus: limits.cpus,
            gpus: limits.gpus,
            memory_bytes: limits.memory_bytes,
            shared_memory_bytes: limits.shared_memory_bytes,
            processes: limits.processes.unwrap_or_default(),
            timeout: duration(limits.timeout),
            enforcement: wire::Enforcement::from(limits.enforcement).into(),
        }
    }
}

impl TryFrom<wire::Limits> for Limits {
    type Error = ConvertError;

    fn try_from(message: wire::Limits) -> Result<Self, ConvertError> {
        Ok(Self {
            cpus: message.cpus,
            gpus: message.gpus,
            memory_bytes: message.memory_bytes,
            shared_memory_bytes: message.shared_memory_bytes,
            processes: (message.processes > 0).then_some(message.processes),
            timeout: parse_duration(message.timeout)?,
            enforcement: enforcement(message.enforcement)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::id::{JobId, PayloadId, PipelineId};
    use crate::job::{JobPriority, JobState, JobStatus, OperatorStatus};

    #[test]
    fn every_end_goes_there_and_back() {
        for reason in [
            EndReason::Exited { code: 0 },
            EndReason::Exited { code: 137 },
            EndReason::Signaled { signal: 11 },
            EndReason::OutOfMemory,
            EndReason::TimedOut,
            EndReason::DiskFull,
            EndReason::Canceled,
            EndReason::Lost,
            EndReason::NotStarted,
            EndReason::Skipped,
        ] {
            let end = OperatorEnd {
                reason,
                message: reason.to_string(),
                peak_memory_bytes: Some(1),
                cpu_time: Some(Duration::from_millis(1_500)),
            };
            assert_eq!(OperatorEnd::try_from(wire::OperatorEnd::from(&end)), Ok(end));
        }
        assert!(OperatorEnd::try_from(wire::OperatorEnd::default()).is_err());
        let no_code =
            wire::OperatorEnd { reason: wire::EndReason::Exited.into(), ..wire::OperatorEnd::default() };
        assert_eq!(OperatorEnd::try_from(no_code), Err(ConvertError::Missing { what: "exit code" }));
    }

    #[test]
    fn every_limit_goes_there_and_back() {
        for enforcement in [
            Enforcement::None,
            Enforcement::Rlimit,
            Enforcement::CgroupV1,
            Enforcement::CgroupV2,
            Enforcement::Container,
        ] {
            let limits = Limits {
                cpus: 1,
                gpus: 2,
                memory_bytes: 3,
                shared_memory_bytes: 4,
                processes: None,
                timeout: Some(Duration::from_secs(5)),
                enforcement,
            };
            assert_eq!(Limits::try_from(wire::Limits::from(&limits)), Ok(limits));
        }
        assert!(enforcement(0).is_err());
    }

    #[test]
    fn a_job_goes_there_and_back_with_the_fractions_of_its_times() {
        let at = |nanos| UNIX_EPOCH + Duration::new(1_000, nanos);
        let details = JobDetails {
            id: JobId::from_bits(1),
            pipeline_id: PipelineId::from_bits(2),
            payload_id: PayloadId::from_bits(3),
            name: "scan".to_owned(),
            state: JobState::Stopped,
            status: JobStatus::Terminated,
            priority: JobPriority::Lower,
            created: at(1),
            started: Some(at(2)),
            stopped: Some(at(3)),
            metadata: Metadata::from_entries([("k", "v")]).unwrap(),
        };
        let operator = OperatorDetails {
            name: "a".to_owned(),
            status: OperatorStatus::Faulted,
            created: Some(at(1)),
            started: Some(at(2)),
            stopped: None,
            depends_on: vec!["b".to_owned()],
        };
        let report = JobReport { details, messages: vec!["late".to_owned()], operators: vec![operator] };
        let mut message = job_message(&report);
        assert!(message.operators.is_empty());
        message.operators = report.operators.iter().map(operator_message).collect();
        assert_eq!(job(&message), Ok(report));
        message.job_id = "x".to_owned();
        assert!(matches!(job(&message), Err(ConvertError::Identifier { what: "job id", .. })));
    }

    #[test]
    fn times_keep_their_fraction() {
        let time = UNIX_EPOCH + Duration::new(5, 7);
        assert_eq!(system_time(timestamp(time)), Ok(Some(time)));
        let negative = prost_types::Duration { seconds: -1, nanos: 0 };
        assert!(parse_duration(Some(negative)).is_err());
    }
}
