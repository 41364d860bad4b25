//! What the published API does not say about jobs, and their place in the queue.

use platform_api::code;
use platform_api::header::Refusal;
use platform_api::id::JobId;
use platform_api::job::JobPriority;
use platform_api::proto::extension as wire;
use platform_api::proto::extension::jobs_server::Jobs;
use tonic::{Request, Response, Status};

use super::{id, job_with_operators};
use crate::grpc::{Service, status};

#[tonic::async_trait]
impl Jobs for Service {
    async fn get(&self, request: Request<wire::GetJobRequest>) -> Result<Response<wire::Job>, Status> {
        answer(self, id(&request.get_ref().job_id, code::JOB_ID_MALFORMED)?).await
    }

    async fn set_priority(
        &self,
        request: Request<wire::SetPriorityRequest>,
    ) -> Result<Response<wire::Job>, Status> {
        let wire::SetPriorityRequest { job_id, priority } = request.into_inner();
        let job = id(&job_id, code::JOB_ID_MALFORMED)?;
        // Unlike a new job, a job that has a priority gets no default.
        let priority = JobPriority::from_wire(priority).ok_or_else(|| {
            status(&Refusal::new(code::JOB_PRIORITY_INVALID, format!("`{priority}` is no priority of a job")))
        })?;
        self.platform.set_job_priority(job, priority).await.map_err(|refusal| status(&refusal))?;
        answer(self, job).await
    }
}

async fn answer(service: &Service, job: JobId) -> Result<Response<wire::Job>, Status> {
    let report = service.platform.job_extended(job).await.map_err(|refusal| status(&refusal))?;
    Ok(Response::new(job_with_operators(&report)))
}
