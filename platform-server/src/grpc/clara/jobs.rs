//! Jobs.

use futures_util::stream;
use platform_api::code;
use platform_api::convert::{
    ConvertError, identifier, job_details_message, job_filter, job_priority, job_report_message, variables,
};
use platform_api::header::success;
use platform_api::id::JobId;
use platform_api::job::JobName;
use platform_api::proto::clara as wire;
use platform_api::proto::clara::Identifier;
use platform_api::proto::clara::jobs_server::Jobs;
use tokio_stream::StreamExt;
use tonic::{Request, Response, Status};

use super::{add_metadata, id, metadata, remove_metadata};
use crate::access::AuditNote;
use crate::grpc::lifetime::Lifetime;
use crate::grpc::reply::{Replies, refuse, refused, replies, reply};
use crate::grpc::{Service, cut};
use crate::platform::{Answer, Answers, LogLines, NewJob};

#[tonic::async_trait]
impl Jobs for Service {
    async fn create(
        &self,
        request: Request<wire::JobsCreateRequest>,
    ) -> Result<Response<wire::JobsCreateResponse>, Status> {
        reply(
            async {
                let job = self.platform.create_job(new_job(request.into_inner())?).await?;
                AuditNote::about(job.job);
                Ok(wire::JobsCreateResponse {
                    header: success(),
                    job_id: identifier(job.job),
                    payload_id: identifier(job.payload),
                })
            }
            .await,
        )
    }

    async fn start(
        &self,
        request: Request<wire::JobsStartRequest>,
    ) -> Result<Response<wire::JobsStartResponse>, Status> {
        reply(
            async {
                let wire::JobsStartRequest { job_id: id, variables: values, .. } = request.into_inner();
                let id = job_id(id.as_ref())?;
                let values = variables(values).map_err(refuse(code::JOB_VARIABLES_INVALID))?;
                let standing = self.platform.start_job(id, values).await?;
                Ok(wire::JobsStartResponse {
                    header: success(),
                    state: standing.state.to_wire(),
                    status: standing.status.to_wire(),
                    priority: standing.priority.to_wire(),
                })
            }
            .await,
        )
    }

    async fn status(
        &self,
        request: Request<wire::JobsStatusRequest>,
    ) -> Result<Response<wire::JobsStatusResponse>, Status> {
        reply(
            async {
                let id = job_id(request.get_ref().job_id.as_ref())?;
                Ok(job_report_message(&self.platform.job(id).await?))
            }
            .await,
        )
    }

    type ListStream = Replies<wire::JobsListResponse>;

    async fn list(
        &self,
        request: Request<wire::JobsListRequest>,
    ) -> Result<Response<Self::ListStream>, Status> {
        let lifetime = Lifetime::of(&request, &self.stop);
        let filter = job_filter(request.get_ref().filter.as_ref());
        let filter = match filter.map_err(refuse::<ConvertError>(code::JOB_FILTER_INVALID)) {
            Ok(filter) => filter,
            Err(refusal) => return Ok(Response::new(refused(refusal))),
        };
        let messages = self.platform.jobs(filter).map(|job| {
            let job_details = Some(job_details_message(&job?));
            Ok(wire::JobsListResponse { header: success(), job_details })
        });
        Ok(Response::new(lifetime.bound(replies(messages))))
    }

    async fn cancel(
        &self,
        request: Request<wire::JobsCancelRequest>,
    ) -> Result<Response<wire::JobsCancelResponse>, Status> {
        reply(
            async {
                let wire::JobsCancelRequest { job_id: id, reason, .. } = request.into_inner();
                let id = job_id(id.as_ref())?;
                let reason = (!reason.is_empty()).then_some(reason);
                let standing = self.platform.cancel_job(id, reason).await?;
                Ok(wire::JobsCancelResponse {
                    header: success(),
                    job_id: identifier(id),
                    job_state: standing.state.to_wire(),
                    job_status: standing.status.to_wire(),
                })
            }
            .await,
        )
    }

    type ReadLogsStream = Replies<wire::JobsReadLogsResponse>;

    async fn read_logs(
        &self,
        request: Request<wire::JobsReadLogsRequest>,
    ) -> Result<Response<Self::ReadLogsStream>, Status> {
        let lifetime = Lifetime::of(&request, &self.stop);
        let wire::JobsReadLogsRequest { job_id: id, operator_name, .. } = request.into_inner();
        let id = match job_id(id.as_ref()) {
            Ok(id) => id,
            Err(refusal) => return Ok(Response::new(refused(refusal))),
        };
        let lines = self.platform.log_lines(id, operator_name.clone());
        Ok(Response::new(lifetime.bound(replies(log_messages(id, operator_name, lines)))))
    }

    async fn add_metadata(
        &self,
        request: Request<wire::JobsAddMetadataRequest>,
    ) -> Result<Response<wire::JobsAddMetadataResponse>, Status> {
        add_metadata!(
            self.add_job_metadata, request, job_id, code::JOB_METADATA_INVALID
            => JobsAddMetadataResponse
        )
    }

    async fn remove_metadata(
        &self,
        request: Request<wire::JobsRemoveMetadataRequest>,
    ) -> Result<Response<wire::JobsRemoveMetadataResponse>, Status> {
        remove_metadata!(self.remove_job_metadata, request, job_id => JobsRemoveMetadataResponse)
    }
}

fn job_id(message: Option<&Identifier>) -> Answer<JobId> {
    id(message, "job id", code::JOB_ID_MALFORMED)
}

fn new_job(message: wire::JobsCreateRequest) -> Answer<NewJob> {
    let inputs =
        message.input_payloads.iter().map(|input| id(Some(input), "payload id", code::PAYLOAD_ID_MALFORMED));
    Ok(NewJob {
        pipeline: id(message.pipeline_id.as_ref(), "pipeline id", code::PIPELINE_ID_MALFORMED)?,
        name: message.name.parse::<JobName>().map_err(refuse(code::JOB_NAME_INVALID))?,
        priority: job_priority(message.priority).map_err(refuse(code::JOB_PRIORITY_INVALID))?,
        inputs: inputs.collect::<Answer<_>>()?,
        metadata: metadata(message.metadata, code::JOB_METADATA_INVALID)?,
    })
}

/// One entry a line, many lines a message, and at least one message: an empty log is an answer too.
fn log_messages(
    id: JobId,
    operator_name: String,
    lines: Answers<LogLines>,
) -> impl tokio_stream::Stream<Item = Answer<wire::JobsReadLogsResponse>> + Send {
    let message = move |logs| wire::JobsReadLogsResponse {
        header: success(),
        job_id: identifier(id),
        operator_name: operator_name.clone(),
        logs,
    };
    let state = (lines.fuse(), Vec::new().into_iter(), true);
    stream::unfold(state, move |(mut lines, mut waiting, mut is_first)| {
        let message = message.clone();
        async move {
            loop {
                if let Some(logs) = waiting.next() {
                    return Some((Ok(message(logs)), (lines, waiting, false)));
                }
                match lines.next().await {
                    Some(Ok(more)) => waiting = cut::lines(more).into_iter(),
                    Some(Err(refusal)) => return Some((Err(refusal), (lines, waiting, false))),
                    None if is_first => {
                        is_first = false;
                        waiting = vec![Vec::new()].into_iter();
                    }
                    None => return None,
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use platform_api::header::Refusal;
    use platform_api::job::JobPriority;

    use super::*;

    fn request() -> wire::JobsCreateRequest {
        wire::JobsCreateRequest {
            pipeline_id: Some(Identifier { value: "01234567-89AB-CDEF-0123-456789ABCDEF".to_owned() }),
            name: "scan".to_owned(),
            ..Default::default()
        }
    }

    #[test]
    fn a_new_job_takes_dashed_identifiers_and_the_default_priority() {
        let job = new_job(request()).unwrap();
        assert_eq!(job.pipeline.to_string(), "0123456789abcdef0123456789abcdef");
        assert_eq!(job.priority, JobPriority::Normal);
    }

    #[test]
    fn each_fault_of_a_new_job_has_its_code() {
        let refused = |change: &dyn Fn(&mut wire::JobsCreateRequest)| {
            let mut message = request();
            change(&mut message);
            new_job(message).unwrap_err().code
        };
        assert_eq!(refused(&|job| job.pipeline_id = None), code::PIPELINE_ID_MALFORMED);
        assert_eq!(refused(&|job| job.name.clear()), code::JOB_NAME_INVALID);
        assert_eq!(refused(&|job| job.priority = 9), code::JOB_PRIORITY_INVALID);
        assert_eq!(
            refused(&|job| job.input_payloads.push(Identifier::default())),
            code::PAYLOAD_ID_MALFORMED
        );
        let long = || ("k".repeat(129), String::new());
        assert_eq!(refused(&|job| job.metadata.extend([long()])), code::JOB_METADATA_INVALID);
    }

    async fn read(pieces: Vec<Answer<LogLines>>) -> Vec<Answer<Vec<String>>> {
        let messages = log_messages(JobId::from_bits(1), "op".to_owned(), Box::pin(stream::iter(pieces)));
        messages.map(|message| message.map(|message| message.logs)).collect().await
    }

    #[tokio::test]
    async fn an_empty_log_is_one_message() {
        assert_eq!(read(vec![]).await, [Ok(vec![])]);
        assert_eq!(read(vec![Ok(vec![])]).await, [Ok(vec![])]);
    }

    #[tokio::test]
    async fn lines_are_entries_and_a_refusal_is_handed_on() {
        let line = |text: &str| text.to_owned();
        let refusal = Refusal::new(code::LOG_NOT_READ, "gone");
        let answers =
            read(vec![Ok(vec![line("a"), line("")]), Ok(vec![line("b")]), Err(refusal.clone())]).await;
        assert_eq!(answers, [Ok(vec![line("a"), line("")]), Ok(vec![line("b")]), Err(refusal)]);
    }
}
