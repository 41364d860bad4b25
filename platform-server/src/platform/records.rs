//! Rows of the scheduler as rows of the repository, and back.

use platform_api::job::{EndReason, JobStatus, OperatorEnd, OperatorStatus};
use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::repository::{self, Change};
use crate::scheduler::{self, Fault, GpuId, StopCause};

/// How an operator ended, as the repository keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EndRecord {
    pub(super) reason: Reason,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) peak_memory_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cpu_ms: Option<u64>,
    /// How many runs were lost and tried again.
    #[serde(default)]
    pub(super) lost: u32,
}

/// Why an operator ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reason {
    Completed,
    ExitCode(i32),
    Signal(i32),
    OutOfMemory,
    Timeout,
    Disk,
    Canceled,
    Lost,
    LaunchFailed,
    NeverStarted,
}

impl From<Fault> for Reason {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::ExitCode(code) => Self::ExitCode(code),
            Fault::Signal(signal) => Self::Signal(signal),
            Fault::OutOfMemory => Self::OutOfMemory,
            Fault::Timeout => Self::Timeout,
            Fault::Disk => Self::Disk,
            Fault::Canceled => Self::Canceled,
            Fault::Lost => Self::Lost,
            Fault::LaunchFailed => Self::LaunchFailed,
            Fault::NeverStarted => Self::NeverStarted,
        }
    }
}

impl Reason {
    /// The fault; `None` for a good end.
    pub(super) fn fault(self) -> Option<Fault> {
        Some(match self {
            Self::Completed => return None,
            Self::ExitCode(code) => Fault::ExitCode(code),
            Self::Signal(signal) => Fault::Signal(signal),
            Self::OutOfMemory => Fault::OutOfMemory,
            Self::Timeout => Fault::Timeout,
            Self::Disk => Fault::Disk,
            Self::Canceled => Fault::Canceled,
            Self::Lost => Fault::Lost,
            Self::LaunchFailed => Fault::LaunchFailed,
            Self::NeverStarted => Fault::NeverStarted,
        })
    }

    fn end(self) -> EndReason {
        match self {
            Self::Completed => EndReason::Exited { code: 0 },
            Self::ExitCode(code) => EndReason::Exited { code },
            Self::Signal(signal) => EndReason::Signaled { signal },
            Self::OutOfMemory => EndReason::OutOfMemory,
            Self::Timeout => EndReason::TimedOut,
            Self::Disk => EndReason::DiskFull,
            Self::Canceled => EndReason::Canceled,
            Self::Lost => EndReason::Lost,
            Self::LaunchFailed => EndReason::NotStarted,
            Self::NeverStarted => EndReason::Skipped,
        }
    }
}

impl EndRecord {
    pub(super) fn new(reason: Reason) -> Self {
        Self { reason, message: String::new(), peak_memory_bytes: None, cpu_ms: None, lost: 0 }
    }

    /// As it was written; `None` for what nobody wrote.
    pub(super) fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub(super) fn write(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }

    /// What interfaces show.
    pub(super) fn end(&self) -> OperatorEnd {
        OperatorEnd {
            reason: self.reason.end(),
            message: self.message.clone(),
            peak_memory_bytes: self.peak_memory_bytes,
            cpu_time: self.cpu_ms.map(Duration::from_millis),
        }
    }
}

/// What is kept of a run while it goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RunNote {
    pub(super) launched_ms: u64,
    pub(super) gpus: Vec<String>,
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

fn unsigned(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(0)
}

/// The change that writes a job's row.
pub(super) fn job_change(row: &scheduler::JobRow) -> Change {
    Change::UpdateJob {
        job: row.job,
        state: row.state,
        status: row.status,
        started_ms: row.started_ms.map(signed),
        stopped_ms: row.stopped_ms.map(signed),
        ran_ms: signed(row.ran_ms),
        clock_since_ms: row.clock_since_ms.map(signed),
    }
}

/// The change that writes an operator's row.
pub(super) fn operator_change(
    row: &scheduler::OperatorRow,
    name: &str,
    created_ms: i64,
    end: Option<&EndRecord>,
) -> Change {
    let record = match (row.status, row.fault) {
        (OperatorStatus::Completed, _) => Some(Reason::Completed),
        (_, Some(fault)) => Some(Reason::from(fault)),
        (_, None) => None,
    };
    let record = record.map(|reason| EndRecord {
        lost: row.lost,
        reason,
        ..end.cloned().unwrap_or_else(|| EndRecord::new(reason))
    });
    let exit_code = match record.as_ref().map(|record| record.reason) {
        Some(Reason::Completed) => Some(0),
        Some(Reason::ExitCode(code)) => Some(code),
        _ => None,
    };
    let token = scheduler::RunToken { job: row.job, operator: row.operator, attempt: row.attempt };
    Change::PutOperator(
        row.job,
        repository::OperatorRow {
            index: row.operator,
            name: name.to_owned(),
            status: row.status,
            reason: record.and_then(|record| record.write()),
            exit_code,
            created_ms,
            started_ms: row.started_ms.map(signed),
            stopped_ms: row.ended_ms.map(signed),
            run_token: (row.attempt > 0).then(|| token.to_string()),
            attempt: row.attempt,
            gpus: row.run.iter().flat_map(|run| &run.gpus).map(|gpu| gpu.as_str().to_owned()).collect(),
        },
    )
}

/// A job's row as the scheduler wrote it. Why it is not healthy follows from its status and its operators.
pub(super) fn scheduler_job(
    row: &repository::JobRow,
    operators: &[scheduler::OperatorRow],
    limit_ms: u64,
) -> scheduler::JobRow {
    let failed = operators.iter().find_map(|operator| {
        let fault = operator.fault.filter(|fault| !matches!(fault, Fault::Canceled | Fault::NeverStarted))?;
        Some(StopCause::OperatorFailed { operator: operator.operator, fault })
    });
    scheduler::JobRow {
        job: row.id,
        state: row.state,
        status: row.status,
        priority: row.priority,
        queue_position: row.queue_order.map(unsigned),
        limit_ms,
        created_ms: unsigned(row.created_ms),
        queued_ms: row.queue_order.map(|_| unsigned(row.created_ms)),
        started_ms: row.started_ms.map(unsigned),
        stopped_ms: row.stopped_ms.map(unsigned),
        ran_ms: unsigned(row.ran_ms),
        clock_since_ms: row.clock_since_ms.map(unsigned),
        cause: match row.status {
            JobStatus::Healthy => None,
            JobStatus::Canceled => Some(StopCause::Canceled),
            JobStatus::Terminated => Some(StopCause::TimeLimit { limit_ms }),
            JobStatus::Evicted => Some(StopCause::Evicted),
            JobStatus::Faulted => failed.or(Some(StopCause::Evicted)),
        },
    }
}

/// An operator's row as the scheduler wrote it; `run` is the note of its run that has not ended.
pub(super) fn scheduler_operator(
    job: platform_api::id::JobId,
    row: &repository::OperatorRow,
    run: Option<&RunNote>,
) -> scheduler::OperatorRow {
    let record = row.reason.as_deref().and_then(EndRecord::read);
    scheduler::OperatorRow {
        job,
        operator: row.index,
        status: row.status,
        fault: record.as_ref().and_then(|record| record.reason.fault()),
        attempt: row.attempt,
        lost: record.map_or(0, |record| record.lost),
        started_ms: row.started_ms.map(unsigned),
        ended_ms: row.stopped_ms.map(unsigned),
        run: run.map(|note| scheduler::RunRow {
            launched_ms: note.launched_ms,
            gpus: note.gpus.iter().map(|gpu| GpuId::new(gpu)).collect(),
        }),
    }
}

/// Why a job is over, for people.
pub(super) fn cause_text(cause: &StopCause, operator_name: impl Fn(u32) -> String, reason: &str) -> String {
    let because = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    match cause {
        StopCause::OperatorFailed { operator, fault } => {
            let how = EndRecord::new(Reason::from(*fault)).end().reason;
            format!("operator `{}` failed: {how}{because}", operator_name(*operator))
        }
        StopCause::Canceled => format!("canceled{because}"),
        StopCause::TimeLimit { limit_ms } => {
            format!("terminated: it ran over its time limit of {} s", limit_ms.div_ceil(1000))
        }
        StopCause::OperatorTimeLimit { operator, limit_ms } => format!(
            "terminated: operator `{}` ran over its time limit of {} s",
            operator_name(*operator),
            limit_ms.div_ceil(1000)
        ),
        StopCause::Evicted => "evicted: it had begun under an earlier run of the server".to_owned(),
        StopCause::NeverFits(reason) => format!("can never run: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform_api::id::JobId;

    #[test]
    fn an_operator_reads_back_as_it_was_written() {
        let job = JobId::from_bits(5);
        for (status, fault) in [
            (OperatorStatus::Pending, None),
            (OperatorStatus::Completed, None),
            (OperatorStatus::Faulted, Some(Fault::ExitCode(3))),
            (OperatorStatus::Faulted, Some(Fault::Signal(9))),
            (OperatorStatus::Faulted, Some(Fault::OutOfMemory)),
            (OperatorStatus::Faulted, Some(Fault::NeverStarted)),
        ] {
            let row = scheduler::OperatorRow {
                job,
                operator: 2,
                status,
                fault,
                attempt: 1,
                lost: u32::from(fault.is_some()),
                started_ms: Some(10),
                ended_ms: Some(20),
                run: None,
            };
            let Change::PutOperator(_, written) = operator_change(&row, "cut", 1, None) else { panic!() };
            assert_eq!(scheduler_operator(job, &written, None), row);
        }
    }

    #[test]
    fn causes_name_the_operator_and_the_reason() {
        let failed = StopCause::OperatorFailed { operator: 1, fault: Fault::ExitCode(3) };
        let text = cause_text(&failed, |n| format!("op{n}"), "no such file");
        assert_eq!(text, "operator `op1` failed: exited with code 3: no such file");
        assert_eq!(
            cause_text(&StopCause::Canceled, |_| String::new(), "wrong patient"),
            "canceled: wrong patient"
        );
    }
}
