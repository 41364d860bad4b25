//! The published services, models aside.

use std::collections::BTreeMap;
use std::pin::Pin;

use platform_api::proto::clara::jobs_list_response::JobDetails;
use platform_api::proto::clara::jobs_status_response::JobOperatorDetails;
use platform_api::proto::clara::pipelines_list_response::PipelineDetails;
use platform_api::proto::clara::*;
use tonic::{Request, Response, Status, Streaming};

use super::{
    Fake, FakeJob, FakePayload, Messages, NOW, header, identifier, is_refused, messages, refusal, timestamp,
    value,
};

type Answer<T> = Result<Response<T>, Status>;

fn ok<T>(message: T) -> Answer<T> {
    Ok(Response::new(message))
}

#[tonic::async_trait]
impl clara_server::Clara for Fake {
    type UtilizationStream = Messages<ClaraUtilizationResponse>;

    async fn stop(&self, request: Request<ClaraStopRequest>) -> Answer<ClaraStopResponse> {
        let fault = self.enter("Clara.Stop", &request).await?;
        ok(ClaraStopResponse { header: header(fault.as_ref()) })
    }

    async fn utilization(
        &self,
        request: Request<ClaraUtilizationRequest>,
    ) -> Answer<Self::UtilizationStream> {
        let fault = self.enter("Clara.Utilization", &request).await?;
        let gpu = clara_utilization_response::GpuUtilization {
            node_id: "node".to_owned(),
            pcie_id: 3,
            compute_utilization: 0.5,
            memory_utilization: 0.25,
            memory_free: 30,
            memory_used: 10,
            timestamp: timestamp(NOW),
            process_details: Vec::new(),
        };
        let message = ClaraUtilizationResponse { header: header(fault.as_ref()), gpu_metrics: vec![gpu] };
        Ok(messages(vec![message], fault.as_ref()))
    }

    async fn version(&self, request: Request<ClaraVersionRequest>) -> Answer<ClaraVersionResponse> {
        let fault = self.enter("Clara.Version", &request).await?;
        let version = Version { major: 0, minor: 8, patch: 1, label: String::new() };
        ok(ClaraVersionResponse { header: header(fault.as_ref()), version: Some(version) })
    }
}

/// Applies a change of metadata and gives the whole set, or the text of a refusal.
fn changed(
    set: Option<&mut BTreeMap<String, String>>,
    add: BTreeMap<String, String>,
    remove: &[String],
) -> Result<BTreeMap<String, String>, (i32, &'static str)> {
    let set = set.ok_or((-8193, "there is no such object"))?;
    if add.keys().any(|key| set.contains_key(key)) {
        return Err((-8704, "metadata key is there already"));
    }
    set.extend(add);
    set.retain(|key, _| !remove.contains(key));
    Ok(set.clone())
}

/// Written out as `async_trait` would, which does not see through macros.
macro_rules! metadata {
    ($service:literal, $field:ident, $Add:ident $AddAnswer:ident, $Remove:ident $RemoveAnswer:ident, $find:ident) => {
        fn add_metadata<'me, 'call>(
            &'me self,
            request: Request<$Add>,
        ) -> Pin<Box<dyn Future<Output = Answer<$AddAnswer>> + Send + 'call>>
        where
            'me: 'call,
            Self: 'call,
        {
            Box::pin(async move {
                self.enter(concat!($service, ".AddMetadata"), &request).await?;
                let message = request.into_inner();
                let mut state = self.state();
                let set = super::State::$find(&mut state, &value(message.$field.as_ref()));
                ok(match changed(set, message.metadata, &[]) {
                    Ok(metadata) => $AddAnswer { header: header(None), $field: message.$field, metadata },
                    Err((code, text)) => $AddAnswer { header: refusal(code, text), ..Default::default() },
                })
            })
        }

        fn remove_metadata<'me, 'call>(
            &'me self,
            request: Request<$Remove>,
        ) -> Pin<Box<dyn Future<Output = Answer<$RemoveAnswer>> + Send + 'call>>
        where
            'me: 'call,
            Self: 'call,
        {
            Box::pin(async move {
                self.enter(concat!($service, ".RemoveMetadata"), &request).await?;
                let message = request.into_inner();
                let mut state = self.state();
                let set = super::State::$find(&mut state, &value(message.$field.as_ref()));
                ok(match changed(set, BTreeMap::new(), &message.keys) {
                    Ok(metadata) => $RemoveAnswer { header: header(None), $field: message.$field, metadata },
                    Err((code, text)) => $RemoveAnswer { header: refusal(code, text), ..Default::default() },
                })
            })
        }
    };
}
pub(super) use metadata;

#[tonic::async_trait]
impl pipelines_server::Pipelines for Fake {
    type DetailsStream = Messages<PipelinesDetailsResponse>;
    type ListStream = Messages<PipelinesListResponse>;

    metadata!(
        "Pipelines",
        pipeline_id,
        PipelinesAddMetadataRequest PipelinesAddMetadataResponse,
        PipelinesRemoveMetadataRequest PipelinesRemoveMetadataResponse,
        pipeline_metadata
    );

    async fn create(
        &self,
        request: Request<Streaming<PipelinesCreateRequest>>,
    ) -> Answer<PipelinesCreateResponse> {
        let fault = self.enter("Pipelines.Create", &request).await?;
        let mut stream = request.into_inner();
        let (mut files, mut metadata, mut forced) =
            (Vec::<PipelineDefinitionFile>::new(), BTreeMap::new(), None);
        while let Some(message) = stream.message().await? {
            metadata = message.metadata;
            forced = message.pipeline_id.map(|id| id.value);
            let file = message.definition.unwrap();
            match files.last_mut() {
                Some(last) if last.path == file.path => last.content.push_str(&file.content),
                _ => files.push(file),
            }
        }
        if is_refused(fault.as_ref()) || files.is_empty() {
            let header = if files.is_empty() { refusal(-4352, "no file") } else { header(fault.as_ref()) };
            return ok(PipelinesCreateResponse { header, pipeline_id: None });
        }
        let name = files[0].content.lines().find_map(|line| line.strip_prefix("name: ")).unwrap_or("unnamed");
        let (id, name) = (forced.unwrap_or_else(|| self.new_id(1)), name.to_owned());
        self.state().pipelines.insert(id.clone(), (name, files, metadata));
        ok(PipelinesCreateResponse { header: header(None), pipeline_id: identifier(&id) })
    }

    async fn details(&self, request: Request<PipelinesDetailsRequest>) -> Answer<Self::DetailsStream> {
        let fault = self.enter("Pipelines.Details", &request).await?;
        let id = value(request.get_ref().pipeline_id.as_ref());
        let state = self.state();
        let Some((name, files, metadata)) = state.pipelines.get(&id) else {
            let header = refusal(-4097, "there is no such pipeline");
            return Ok(messages(vec![PipelinesDetailsResponse { header, ..Default::default() }], None));
        };
        let message = |file: &PipelineDefinitionFile| PipelinesDetailsResponse {
            header: header(None),
            pipeline_id: identifier(&id),
            name: name.clone(),
            definition: Some(file.clone()),
            dag: Vec::new(),
            metadata: metadata.clone(),
        };
        Ok(messages(files.iter().map(message).collect(), fault.as_ref()))
    }

    async fn list(&self, request: Request<PipelinesListRequest>) -> Answer<Self::ListStream> {
        let fault = self.enter("Pipelines.List", &request).await?;
        let message = |(id, (name, _, metadata)): (&String, &(String, Vec<_>, BTreeMap<_, _>))| {
            let details = PipelineDetails {
                pipeline_id: identifier(id),
                name: name.clone(),
                metadata: metadata.clone(),
            };
            PipelinesListResponse { header: header(fault.as_ref()), details: Some(details) }
        };
        let mut all: Vec<_> = self.state().pipelines.iter().map(message).collect();
        all.push(PipelinesListResponse { header: header(fault.as_ref()), details: None });
        Ok(messages(all, fault.as_ref()))
    }

    async fn remove(&self, request: Request<PipelinesRemoveRequest>) -> Answer<PipelinesRemoveResponse> {
        self.enter("Pipelines.Remove", &request).await?;
        let id = value(request.get_ref().pipeline_id.as_ref());
        let is_gone = self.state().pipelines.remove(&id).is_some();
        let header = if is_gone { header(None) } else { refusal(-4097, "there is no such pipeline") };
        ok(PipelinesRemoveResponse { header })
    }

    async fn update(
        &self,
        request: Request<Streaming<PipelinesUpdateRequest>>,
    ) -> Answer<PipelinesUpdateResponse> {
        let fault = self.enter("Pipelines.Update", &request).await?;
        let mut stream = request.into_inner();
        let mut files = Vec::new();
        let mut id = String::new();
        while let Some(message) = stream.message().await? {
            id = value(message.pipeline_id.as_ref());
            files.push(message.definition.unwrap());
        }
        if let Some(pipeline) = self.state().pipelines.get_mut(&id) {
            pipeline.1 = files;
            return ok(PipelinesUpdateResponse { header: header(fault.as_ref()) });
        }
        ok(PipelinesUpdateResponse { header: refusal(-4097, "there is no such pipeline") })
    }
}

impl Fake {
    /// Goes one step on and gives the job.
    pub(super) fn look_at(&self, id: &str) -> Option<FakeJob> {
        let mut state = self.state();
        let job = state.jobs.iter_mut().find(|job| job.id == id)?;
        if let Some((next, status)) = job.to_come.pop_front() {
            (job.state, job.status) = (next, status);
            if next >= 2 && job.started.is_none() {
                job.started = Some(NOW + 2);
            }
            if next == 3 {
                job.stopped = Some(NOW + 5);
            }
        }
        Some(job.clone())
    }

    /// A job that is there already.
    pub fn add_job(&self, name: &str, state: i32, status: i32) -> String {
        let (id, payload_id) = (self.new_id(2), self.new_id(3));
        let payload = FakePayload { job_id: Some(id.clone()), ..Default::default() };
        let mut all = self.state();
        all.payloads.insert(payload_id.clone(), payload);
        all.jobs.push(FakeJob {
            id: id.clone(),
            payload_id,
            pipeline_id: format!("{:032x}", 1),
            name: name.to_owned(),
            state,
            status,
            priority: 2,
            created: NOW,
            started: (state >= 2).then_some(NOW + 2),
            stopped: (state == 3).then_some(NOW + 5),
            metadata: BTreeMap::new(),
            variables: BTreeMap::new(),
            to_come: Default::default(),
        });
        id
    }
}

#[tonic::async_trait]
impl jobs_server::Jobs for Fake {
    type ListStream = Messages<JobsListResponse>;
    type ReadLogsStream = Messages<JobsReadLogsResponse>;

    metadata!(
        "Jobs",
        job_id,
        JobsAddMetadataRequest JobsAddMetadataResponse,
        JobsRemoveMetadataRequest JobsRemoveMetadataResponse,
        job_metadata
    );

    async fn cancel(&self, request: Request<JobsCancelRequest>) -> Answer<JobsCancelResponse> {
        let fault = self.enter("Jobs.Cancel", &request).await?;
        let id = value(request.get_ref().job_id.as_ref());
        let mut state = self.state();
        let job = state.jobs.iter_mut().find(|job| job.id == id);
        let Some(job) = job.filter(|job| job.state != 3 && !is_refused(fault.as_ref())) else {
            let header = refusal(-8452, "Failed to cancel job.");
            return ok(JobsCancelResponse { header, ..Default::default() });
        };
        (job.state, job.status, job.stopped) = (3, 3, Some(NOW + 5));
        job.to_come.clear();
        ok(JobsCancelResponse { header: header(None), job_id: identifier(&id), job_state: 3, job_status: 3 })
    }

    async fn create(&self, request: Request<JobsCreateRequest>) -> Answer<JobsCreateResponse> {
        let fault = self.enter("Jobs.Create", &request).await?;
        if is_refused(fault.as_ref()) {
            return ok(JobsCreateResponse { header: header(fault.as_ref()), ..Default::default() });
        }
        let message = request.into_inner();
        let pipeline_id = value(message.pipeline_id.as_ref());
        if !self.state().pipelines.contains_key(&pipeline_id) {
            let header = refusal(-4097, "there is no such pipeline");
            return ok(JobsCreateResponse { header, ..Default::default() });
        }
        let id = self.add_job(&message.name, 1, 1);
        let mut state = self.state();
        let inputs: Vec<_> =
            message.input_payloads.iter().filter_map(|p| state.payloads.get(&p.value)).collect();
        let files: Vec<_> = inputs.iter().flat_map(|p| p.files.clone()).collect();
        let job = state.jobs.last_mut().unwrap();
        (job.pipeline_id, job.priority, job.metadata) = (pipeline_id, message.priority, message.metadata);
        let payload_id = job.payload_id.clone();
        let payload = state.payloads.get_mut(&payload_id).unwrap();
        payload.files.extend(files.into_iter().map(|(name, data)| (format!("/input{name}"), data)));
        ok(JobsCreateResponse {
            header: header(None),
            job_id: identifier(&id),
            payload_id: identifier(&payload_id),
        })
    }

    async fn list(&self, request: Request<JobsListRequest>) -> Answer<Self::ListStream> {
        let fault = self.enter("Jobs.List", &request).await?;
        if is_refused(fault.as_ref()) {
            let refused = JobsListResponse { header: header(fault.as_ref()), job_details: None };
            return Ok(messages(vec![refused], None));
        }
        let mut filter = request.into_inner().filter.unwrap_or_default();
        let state = self.state();
        if state.forgets_states_alone && filter.has_status.is_empty() {
            filter.has_state.clear();
        }
        let pipelines: Vec<_> = filter.pipeline_id.iter().map(|id| &id.value).collect();
        let is_chosen = |job: &&FakeJob| {
            (filter.has_state.is_empty() || filter.has_state.contains(&job.state))
                && (filter.has_status.is_empty() || filter.has_status.contains(&job.status))
                && (pipelines.is_empty() || pipelines.contains(&&job.pipeline_id))
                && filter.created_after.is_none_or(|time| job.created > time.value)
                && filter.completed_before.is_none_or(|t| job.stopped.is_some_and(|s| s < t.value))
        };
        let message = |job: &FakeJob| JobsListResponse {
            header: header(None),
            job_details: Some(JobDetails {
                job_id: identifier(&job.id),
                payload_id: identifier(&job.payload_id),
                pipeline_id: identifier(&job.pipeline_id),
                job_name: job.name.clone(),
                state: job.state,
                status: job.status,
                priority: job.priority,
                created: timestamp(job.created),
                started: timestamp(job.started),
                stopped: timestamp(job.stopped),
                metadata: job.metadata.clone(),
                ..Default::default()
            }),
        };
        let mut all = vec![JobsListResponse { header: header(None), job_details: None }];
        all.extend(state.jobs.iter().filter(is_chosen).map(message));
        Ok(messages(all, fault.as_ref()))
    }

    async fn read_logs(&self, request: Request<JobsReadLogsRequest>) -> Answer<Self::ReadLogsStream> {
        let fault = self.enter("Jobs.ReadLogs", &request).await?;
        let state = self.state();
        let Some(log) = state.logs.get(&request.get_ref().operator_name) else {
            let header = refusal(-8458, "the job has no such operator");
            return Ok(messages(vec![JobsReadLogsResponse { header, ..Default::default() }], None));
        };
        let message = |line: &str| JobsReadLogsResponse {
            header: header(None),
            logs: vec![line.to_owned()],
            ..Default::default()
        };
        let all = String::from_utf8_lossy(log).lines().map(message).collect();
        Ok(messages(all, fault.as_ref()))
    }

    async fn start(&self, request: Request<JobsStartRequest>) -> Answer<JobsStartResponse> {
        let fault = self.enter("Jobs.Start", &request).await?;
        if is_refused(fault.as_ref()) {
            return ok(JobsStartResponse { header: header(fault.as_ref()), ..Default::default() });
        }
        let message = request.into_inner();
        let id = value(message.job_id.as_ref());
        let mut state = self.state();
        let course = state.course.clone();
        let Some(job) = state.jobs.iter_mut().find(|job| job.id == id && job.state == 1) else {
            return ok(JobsStartResponse {
                header: refusal(-8453, "it was started before"),
                ..Default::default()
            });
        };
        job.variables = message.variables.into_iter().map(|v| (v.name, v.value)).collect();
        job.to_come = course.into();
        ok(JobsStartResponse { header: header(None), state: 1, status: 1, priority: job.priority })
    }

    async fn status(&self, request: Request<JobsStatusRequest>) -> Answer<JobsStatusResponse> {
        let fault = self.enter("Jobs.Status", &request).await?;
        let id = value(request.get_ref().job_id.as_ref());
        let job = self.look_at(&id).filter(|_| !is_refused(fault.as_ref()));
        let Some(job) = job else {
            let header = refusal(-8193, "there is no such job");
            return ok(JobsStatusResponse { header, ..Default::default() });
        };
        let operator = JobOperatorDetails {
            name: "segment".to_owned(),
            status: job.state,
            created: timestamp(job.created),
            started: timestamp(job.started),
            stopped: timestamp(job.stopped),
        };
        ok(JobsStatusResponse {
            header: header(None),
            job_id: identifier(&id),
            pipeline_id: identifier(&job.pipeline_id),
            payload_id: identifier(&job.payload_id),
            state: job.state,
            status: job.status,
            name: job.name,
            messages: if job.status == 2 {
                vec!["operator `segment` exited with code 3".to_owned()]
            } else {
                vec![]
            },
            priority: job.priority,
            created: timestamp(job.created),
            started: timestamp(job.started),
            stopped: timestamp(job.stopped),
            operator_details: vec![operator],
            metadata: job.metadata,
            ..Default::default()
        })
    }
}

#[tonic::async_trait]
impl payloads_server::Payloads for Fake {
    type DetailsStream = Messages<PayloadsDetailsResponse>;
    type DownloadStream = Messages<PayloadsDownloadResponse>;

    metadata!(
        "Payloads",
        payload_id,
        PayloadsAddMetadataRequest PayloadsAddMetadataResponse,
        PayloadsRemoveMetadataRequest PayloadsRemoveMetadataResponse,
        payload_metadata
    );

    async fn create(&self, request: Request<PayloadsCreateRequest>) -> Answer<PayloadsCreateResponse> {
        let fault = self.enter("Payloads.Create", &request).await?;
        let id = self.new_id(3);
        let metadata = request.into_inner().metadata;
        self.state().payloads.insert(id.clone(), FakePayload { metadata, ..Default::default() });
        ok(PayloadsCreateResponse { header: header(fault.as_ref()), payload_id: identifier(&id), r#type: 2 })
    }

    async fn delete(&self, request: Request<PayloadsDeleteRequest>) -> Answer<PayloadsDeleteResponse> {
        self.enter("Payloads.Delete", &request).await?;
        let id = value(request.get_ref().payload_id.as_ref());
        let is_gone = self.state().payloads.remove(&id).is_some();
        let header = if is_gone { header(None) } else { refusal(-12289, "there is no such payload") };
        ok(PayloadsDeleteResponse { header })
    }

    async fn details(&self, request: Request<PayloadsDetailsRequest>) -> Answer<Self::DetailsStream> {
        let fault = self.enter("Payloads.Details", &request).await?;
        let id = value(request.get_ref().payload_id.as_ref());
        let state = self.state();
        let Some(payload) = state.payloads.get(&id) else {
            let header = refusal(-12289, "there is no such payload");
            return Ok(messages(vec![PayloadsDetailsResponse { header, ..Default::default() }], None));
        };
        let message = |file: Option<PayloadFileDetails>| PayloadsDetailsResponse {
            header: header(None),
            payload_id: identifier(&id),
            file,
            r#type: if payload.job_id.is_some() { 1 } else { 2 },
            job_id: payload.job_id.as_deref().and_then(identifier),
            metadata: payload.metadata.clone(),
        };
        let file = |(name, data): (&String, &Vec<u8>)| PayloadFileDetails {
            mode: 0,
            size: data.len() as u64,
            name: name.clone(),
        };
        let mut all: Vec<_> = payload.files.iter().map(|entry| message(Some(file(entry)))).collect();
        if all.is_empty() {
            all.push(message(None));
        }
        Ok(messages(all, fault.as_ref()))
    }

    async fn download(&self, request: Request<PayloadsDownloadRequest>) -> Answer<Self::DownloadStream> {
        let fault = self.enter("Payloads.Download", &request).await?;
        let message = request.into_inner();
        let state = self.state();
        let id = value(message.payload_id.as_ref());
        let data = state.payloads.get(&id).and_then(|payload| payload.files.get(&message.name));
        let Some(data) = data else {
            let header = refusal(-12545, "the payload has no such file");
            return Ok(messages(vec![PayloadsDownloadResponse { header, ..Default::default() }], None));
        };
        let details = PayloadFileDetails { mode: 0, size: data.len() as u64, name: message.name.clone() };
        let piece = |piece: &[u8]| PayloadsDownloadResponse {
            header: header(None),
            details: Some(details.clone()),
            data: piece.to_vec().into(),
        };
        let mut all: Vec<_> = data.chunks(state.piece_bytes).map(piece).collect();
        if all.is_empty() {
            all.push(piece(&[]));
        }
        Ok(messages(all, fault.as_ref()))
    }

    async fn remove(&self, request: Request<PayloadsRemoveRequest>) -> Answer<PayloadsRemoveResponse> {
        self.enter("Payloads.Remove", &request).await?;
        let message = request.into_inner();
        let mut state = self.state();
        let payload = state.payloads.get_mut(&value(message.payload_id.as_ref()));
        let is_gone = payload.is_some_and(|payload| payload.files.remove(&message.name).is_some());
        let header = if is_gone { header(None) } else { refusal(-12545, "the payload has no such file") };
        ok(PayloadsRemoveResponse { header })
    }

    async fn upload(
        &self,
        request: Request<Streaming<PayloadsUploadRequest>>,
    ) -> Answer<PayloadsUploadResponse> {
        let fault = self.enter("Payloads.Upload", &request).await?;
        if is_refused(fault.as_ref()) {
            return ok(PayloadsUploadResponse { header: header(fault.as_ref()), details: None });
        }
        let mut stream = request.into_inner();
        let (mut id, mut name, mut data) = (String::new(), String::new(), Vec::new());
        while let Some(message) = stream.message().await? {
            assert!(message.data.len() <= 1 << 20, "a piece of {} bytes", message.data.len());
            id = value(message.payload_id.as_ref());
            name = message.details.unwrap().name;
            data.extend_from_slice(&message.data);
        }
        let mut state = self.state();
        let Some(payload) = state.payloads.get_mut(&id) else {
            let header = refusal(-12289, "there is no such payload");
            return ok(PayloadsUploadResponse { header, details: None });
        };
        let folder = if payload.job_id.is_some() { "/input" } else { "" };
        let name = format!("{folder}/{}", name.trim_start_matches('/'));
        let mut size = data.len() as u64;
        payload.files.insert(name.clone(), data);
        if let Some(super::Fault::End(lost)) = fault {
            size -= lost as u64;
        }
        let details = Some(PayloadFileDetails { mode: 0, size, name });
        ok(PayloadsUploadResponse { header: header(None), details })
    }
}
