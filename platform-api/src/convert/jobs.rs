//! Jobs, their operators and filters.

use std::collections::BTreeMap;

use prost::Message;

use crate::convert::{ConvertError, MAX_MESSAGE_BYTES, identifier, parse_identifier, system_time, timestamp};
use crate::id::JobId;
use crate::job::{
    JobDetails, JobFilter, JobPriority, JobReport, JobState, JobStatus, OperatorDetails, OperatorStatus,
};
use crate::metadata::Metadata;
use crate::proto::clara;
use crate::proto::clara::jobs_list_request::JobFilter as WireFilter;
use crate::proto::clara::jobs_list_response::JobDetails as WireDetails;
use crate::proto::clara::jobs_status_response::{JobDagNode, JobOperatorDetails};
use crate::time::text_from_system_time;

macro_rules! enumerations {
    ($($function:ident, $domain:ident, $wire:ident, $what:literal;)*) => {$(
        impl From<$domain> for clara::$wire {
            fn from(value: $domain) -> Self {
                Self::try_from(value.to_wire()).unwrap_or_default()
            }
        }

        #[doc = concat!("The ", $what, " of a number on the wire.")]
        ///
        /// # Errors
        /// [`ConvertError::Number`] for unknown numbers, 0 among them.
        pub fn $function(number: i32) -> Result<$domain, ConvertError> {
            $domain::from_wire(number)
                .ok_or(ConvertError::Number { what: $what, number: number.into() })
        }
    )*};
}

enumerations! {
    job_state, JobState, JobState, "state of a job";
    job_status, JobStatus, JobStatus, "status of a job";
    operator_status, OperatorStatus, JobOperatorStatus, "status of an operator";
}

impl From<JobPriority> for clara::JobPriority {
    fn from(value: JobPriority) -> Self {
        Self::try_from(value.to_wire()).unwrap_or_default()
    }
}

/// The priority of a number on the wire; 0 is [`JobPriority::Normal`].
///
/// # Errors
/// [`ConvertError::Number`] for unknown numbers.
pub fn job_priority(number: i32) -> Result<JobPriority, ConvertError> {
    if number == 0 {
        return Ok(JobPriority::Normal);
    }
    JobPriority::from_wire(number)
        .ok_or(ConvertError::Number { what: "priority of a job", number: number.into() })
}

/// The filter of a list; absent and empty choose all.
///
/// # Errors
/// [`ConvertError`] for states and statuses that no job can have, malformed identifiers and times.
pub fn job_filter(message: Option<&WireFilter>) -> Result<JobFilter, ConvertError> {
    let Some(message) = message else { return Ok(JobFilter::default()) };
    Ok(JobFilter {
        states: message.has_state.iter().map(|number| job_state(*number)).collect::<Result<_, _>>()?,
        statuses: message.has_status.iter().map(|number| job_status(*number)).collect::<Result<_, _>>()?,
        pipelines: message
            .pipeline_id
            .iter()
            .map(|id| parse_identifier(Some(id), "pipeline id"))
            .collect::<Result<_, _>>()?,
        created_after: system_time(message.created_after.as_ref(), "created after")?,
        completed_before: system_time(message.completed_before.as_ref(), "completed before")?,
    })
}

/// The message of a filter; `None` where it chooses all.
pub fn job_filter_message(filter: &JobFilter) -> Option<WireFilter> {
    if *filter == JobFilter::default() {
        return None;
    }
    Some(WireFilter {
        completed_before: timestamp(filter.completed_before),
        created_after: timestamp(filter.created_after),
        has_state: filter.states.iter().map(|state| state.to_wire()).collect(),
        has_status: filter.statuses.iter().map(|status| status.to_wire()).collect(),
        pipeline_id: filter.pipelines.iter().filter_map(identifier).collect(),
    })
}

/// The entry of a list for a job, the deprecated texts included.
pub fn job_details_message(job: &JobDetails) -> WireDetails {
    let text = |time: Option<_>| time.and_then(|time| text_from_system_time(time).ok()).unwrap_or_default();
    #[expect(deprecated, reason = "old clients read these")]
    WireDetails {
        job_id: identifier(job.id),
        payload_id: identifier(job.payload_id),
        pipeline_id: identifier(job.pipeline_id),
        job_name: job.name.clone(),
        state: job.state.to_wire(),
        status: job.status.to_wire(),
        priority: job.priority.to_wire(),
        timestamp_created: text(Some(job.created)),
        timestamp_started: text(job.started),
        timestamp_stopped: text(job.stopped),
        created: timestamp(job.created),
        started: timestamp(job.started),
        stopped: timestamp(job.stopped),
        metadata: job.metadata.to_map(),
    }
}

/// The job of an entry of a list.
///
/// # Errors
/// [`ConvertError`] for what is missing or malformed.
pub fn job_details(message: WireDetails) -> Result<JobDetails, ConvertError> {
    Ok(JobDetails {
        id: parse_identifier(message.job_id.as_ref(), "job id")?,
        pipeline_id: parse_identifier(message.pipeline_id.as_ref(), "pipeline id")?,
        payload_id: parse_identifier(message.payload_id.as_ref(), "payload id")?,
        name: message.job_name,
        state: job_state(message.state)?,
        status: job_status(message.status)?,
        priority: job_priority(message.priority)?,
        created: system_time(message.created.as_ref(), "creation")?
            .ok_or(ConvertError::Missing { what: "time of creation" })?,
        started: system_time(message.started.as_ref(), "start")?,
        stopped: system_time(message.stopped.as_ref(), "stop")?,
        metadata: Metadata::from_entries(message.metadata)?,
    })
}

/// The answer to a question for the status of a job.
///
/// The graph holds one node for each operator, and in each its direct dependencies by name only: whole subtrees would
/// grow without bound where paths join again.
///
/// Clients take no message over 4 MiB. An answer that would be larger comes without the graph, then without metadata,
/// which an entry of a list has as well; `messages` say so.
pub fn job_report_message(report: &JobReport) -> clara::JobsStatusResponse {
    let mut answer = whole_report_message(report);
    if answer.encoded_len() > MAX_MESSAGE_BYTES {
        answer.dag.clear();
        answer.messages.push("The graph is left out: the answer would be too large.".to_owned());
    }
    if answer.encoded_len() > MAX_MESSAGE_BYTES {
        answer.metadata.clear();
        answer.messages.push("Metadata are left out: the answer would be too large.".to_owned());
    }
    answer
}

fn whole_report_message(report: &JobReport) -> clara::JobsStatusResponse {
    let details = job_details_message(&report.details);
    #[expect(deprecated, reason = "old clients read these")]
    clara::JobsStatusResponse {
        header: crate::header::success(),
        job_id: details.job_id,
        pipeline_id: details.pipeline_id,
        payload_id: details.payload_id,
        state: details.state,
        status: details.status,
        name: details.job_name,
        messages: report.messages.clone(),
        priority: details.priority,
        timestamp_created: details.timestamp_created,
        timestamp_started: details.timestamp_started,
        timestamp_stopped: details.timestamp_stopped,
        created: details.created,
        started: details.started,
        stopped: details.stopped,
        operator_details: report.operators.iter().map(operator_message).collect(),
        metadata: details.metadata,
        dag: report.operators.iter().map(dag_node).collect(),
    }
}

fn operator_message(operator: &OperatorDetails) -> JobOperatorDetails {
    JobOperatorDetails {
        name: operator.name.clone(),
        status: operator.status.to_wire(),
        created: timestamp(operator.created),
        started: timestamp(operator.started),
        stopped: timestamp(operator.stopped),
    }
}

fn dag_node(operator: &OperatorDetails) -> JobDagNode {
    let leaf = |name: &String| JobDagNode { name: name.clone(), ..Default::default() };
    JobDagNode {
        name: operator.name.clone(),
        input_dependencies: operator.depends_on.iter().map(leaf).collect(),
        order_dependencies: Vec::new(),
    }
}

/// The job of an answer about its status.
///
/// # Errors
/// [`ConvertError`] as for [`job_details`]. The header is for [`crate::header::check`].
pub fn job_report(message: clara::JobsStatusResponse) -> Result<JobReport, ConvertError> {
    let nodes: BTreeMap<&String, &[JobDagNode]> =
        message.dag.iter().map(|node| (&node.name, node.input_dependencies.as_slice())).collect();
    let operators = message
        .operator_details
        .into_iter()
        .map(|operator| {
            let depends_on = nodes.get(&operator.name).copied().unwrap_or_default();
            Ok(OperatorDetails {
                status: operator_status(operator.status)?,
                created: system_time(operator.created.as_ref(), "creation of an operator")?,
                started: system_time(operator.started.as_ref(), "start of an operator")?,
                stopped: system_time(operator.stopped.as_ref(), "stop of an operator")?,
                depends_on: depends_on.iter().map(|node| node.name.clone()).collect(),
                name: operator.name,
            })
        })
        .collect::<Result<_, ConvertError>>()?;
    let details = job_details(WireDetails {
        job_id: message.job_id,
        payload_id: message.payload_id,
        pipeline_id: message.pipeline_id,
        job_name: message.name,
        state: message.state,
        status: message.status,
        priority: message.priority,
        created: message.created,
        started: message.started,
        stopped: message.stopped,
        metadata: message.metadata,
        ..Default::default()
    })?;
    Ok(JobReport { details, messages: message.messages, operators })
}

/// The identifier of a job in a request.
///
/// # Errors
/// [`ConvertError::Missing`] and [`ConvertError::Identifier`].
pub fn job_id(message: Option<&clara::Identifier>) -> Result<JobId, ConvertError> {
    parse_identifier(message, "job id")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::id::{PayloadId, PipelineId};

    fn report() -> JobReport {
        let at = |secs| UNIX_EPOCH + Duration::from_secs(secs);
        let operator = |name: &str, depends_on: &[&str]| OperatorDetails {
            name: name.to_owned(),
            status: OperatorStatus::Running,
            created: Some(at(10)),
            started: Some(at(20)),
            stopped: None,
            depends_on: depends_on.iter().map(|name| (*name).to_owned()).collect(),
        };
        let details = JobDetails {
            id: JobId::from_bits(1),
            pipeline_id: PipelineId::from_bits(2),
            payload_id: PayloadId::from_bits(3),
            name: "scan".to_owned(),
            state: JobState::Running,
            status: JobStatus::Healthy,
            priority: JobPriority::Immediate,
            created: at(1_615_226_791),
            started: Some(at(1_615_226_792)),
            stopped: None,
            metadata: Metadata::from_entries([("Source", "test")]).unwrap(),
        };
        JobReport {
            details,
            messages: vec!["going well".to_owned()],
            operators: vec![operator("a", &[]), operator("b", &["a"])],
        }
    }

    #[test]
    fn a_report_goes_there_and_back() {
        let report = report();
        let message = job_report_message(&report);
        assert_eq!(message.created.map(|time| time.value), Some(63_750_823_591));
        assert_eq!(message.stopped, None);
        #[expect(deprecated, reason = "old clients read these")]
        let texts = (message.timestamp_created.as_str(), message.timestamp_stopped.as_str());
        assert_eq!(texts, ("2021-03-08 18:06:31Z", ""));
        assert_eq!(job_report(message), Ok(report.clone()));
        assert_eq!(job_details(job_details_message(&report.details)), Ok(report.details));
    }

    #[test]
    fn an_answer_that_would_be_too_large_says_what_it_leaves_out() {
        let mut report = report();
        let name = "n".repeat(255);
        for index in 0..3_000 {
            let mut operator = report.operators[0].clone();
            operator.name = format!("{index}{name}");
            operator.depends_on = vec![name.clone(), name.clone(), name.clone(), name.clone()];
            report.operators.push(operator);
        }
        let message = job_report_message(&report);
        assert!(message.encoded_len() <= MAX_MESSAGE_BYTES);
        assert!(message.dag.is_empty() && !message.metadata.is_empty());
        assert_eq!(message.messages.len(), 2);
        assert_eq!(message.operator_details.len(), 3_002);
    }

    #[test]
    fn filters_go_there_and_back_and_all_is_no_filter() {
        let filter = JobFilter {
            states: BTreeSet::from([JobState::Pending, JobState::Stopped]),
            statuses: BTreeSet::from([JobStatus::Evicted]),
            pipelines: BTreeSet::from([PipelineId::from_bits(5)]),
            created_after: Some(UNIX_EPOCH),
            completed_before: Some(UNIX_EPOCH + Duration::from_secs(1)),
        };
        assert_eq!(job_filter(job_filter_message(&filter).as_ref()), Ok(filter));
        assert_eq!(job_filter_message(&JobFilter::default()), None);
        let unknown = WireFilter { has_state: vec![0], ..Default::default() };
        assert!(job_filter(Some(&unknown)).is_err());
    }

    #[test]
    fn an_unknown_priority_is_normal_and_a_wrong_one_is_refused() {
        assert_eq!(job_priority(0), Ok(JobPriority::Normal));
        assert_eq!(job_priority(4), Ok(JobPriority::Immediate));
        assert!(job_priority(5).is_err());
        assert!(job_priority(-1).is_err());
    }

    #[test]
    fn every_value_has_its_twin_on_the_wire() {
        for state in JobState::ALL {
            assert_eq!(i32::from(clara::JobState::from(*state)), state.to_wire());
        }
        for status in JobStatus::ALL {
            assert_eq!(i32::from(clara::JobStatus::from(*status)), status.to_wire());
        }
        for priority in JobPriority::ALL {
            assert_eq!(i32::from(clara::JobPriority::from(*priority)), priority.to_wire());
        }
        for status in OperatorStatus::ALL {
            assert_eq!(i32::from(clara::JobOperatorStatus::from(*status)), status.to_wire());
        }
    }
}
