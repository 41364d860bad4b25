//! Jobs.

use platform_api::code;
use platform_api::proto::clara as wire;
use platform_api::proto::clara::jobs_list_request::JobFilter;
use platform_api::proto::clara::jobs_start_request::NamedValue;

use crate::server::*;

async fn list(server: &TestServer, filter: Option<JobFilter>) -> Vec<String> {
    let messages =
        all(server.jobs().list(wire::JobsListRequest { header: None, filter }).await.unwrap()).await;
    messages.into_iter().map(|message| message.job_details.unwrap().job_id.unwrap().value).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_and_every_answer_holds_what_clients_read() {
    let Some(server) = start_with_operators().await else { return };
    let pipeline = server.pipeline("echo one; echo; echo three >&2; echo done > /out/result.txt").await;
    let (job, payload) = server.job(&pipeline).await;
    server.begin(&job).await;
    let status = server.end(&job).await;
    assert_eq!((status.status, status.job_id.as_ref()), (1, Some(&job)), "{:?}", status.messages);
    assert_eq!((status.pipeline_id.as_ref(), status.payload_id.as_ref()), (Some(&pipeline), Some(&payload)));
    let times = [&status.created, &status.started, &status.stopped].map(|time| time.as_ref().unwrap().value);
    assert!(times.is_sorted() && times[0] > 63_750_823_591, "{times:?}");
    assert_eq!(status.operator_details[0].name, "only");
    assert_eq!(status.operator_details[0].status, 3);
    assert_eq!(status.dag[0].name, "only");
    #[expect(deprecated, reason = "old clients read these")]
    let text = status.timestamp_stopped;
    assert!(text.len() == 20 && text.ends_with('Z'), "{text}");

    let read = |operator: &str| wire::JobsReadLogsRequest {
        header: None,
        job_id: Some(job.clone()),
        operator_name: operator.to_owned(),
    };
    let messages = all(server.jobs().read_logs(read("only")).await.unwrap()).await;
    accepted(&messages[0].header);
    assert_eq!(messages[0].operator_name, "only");
    let mut lines: Vec<_> = messages.into_iter().flat_map(|message| message.logs).collect();
    lines.sort();
    assert_eq!(lines, ["", "one", "three"]);
    let manager = all(server.jobs().read_logs(read("clara-pod-manager")).await.unwrap()).await;
    accepted(&manager[0].header);
    let unknown = only(server.jobs().read_logs(read("nobody")).await.unwrap()).await;
    refused(&unknown.header, code::OPERATOR_UNKNOWN);

    let download = wire::PayloadsDownloadRequest {
        header: None,
        payload_id: Some(payload),
        name: "./operators/only/result.txt".to_owned(),
    };
    let file = only(server.payloads().download(download).await.unwrap()).await;
    assert_eq!(
        (file.data.as_ref(), file.details.unwrap().name.as_str()),
        (b"done\n".as_slice(), "/operators/only/result.txt")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_by_all_fields_and_any_of_their_values() {
    let server = start().await;
    let (first, second) = (server.pipeline("true").await, server.pipeline("false").await);
    let (waiting, _) = server.job(&first).await;
    let (faulted, _) = server.job(&second).await;
    server.begin(&faulted).await;
    let stopped = server.end(&faulted).await.stopped.unwrap().value;
    let (waiting, faulted) = (waiting.value, faulted.value);
    assert_eq!(list(&server, None).await, [waiting.clone(), faulted.clone()]);
    let pending = JobFilter { has_state: vec![1], ..Default::default() };
    assert_eq!(list(&server, Some(pending)).await, std::slice::from_ref(&waiting));
    let union = JobFilter { has_state: vec![1, 3], has_status: vec![2], ..Default::default() };
    assert_eq!(list(&server, Some(union)).await, std::slice::from_ref(&faulted));
    let pipeline = JobFilter { pipeline_id: vec![first], ..Default::default() };
    assert_eq!(list(&server, Some(pipeline)).await, [waiting]);
    let before =
        |value| JobFilter { completed_before: Some(wire::Timestamp { value }), ..Default::default() };
    assert_eq!(list(&server, Some(before(stopped + 1))).await, [faulted], "unfinished jobs do not match");
    assert!(list(&server, Some(before(stopped - 60))).await.is_empty());
    let bad = JobFilter { has_state: vec![9], ..Default::default() };
    let request = wire::JobsListRequest { header: None, filter: Some(bad) };
    let answer = only(server.jobs().list(request).await.unwrap()).await;
    refused(&answer.header, code::JOB_FILTER_INVALID);
    assert_eq!(answer.job_details, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_job_can_be_canceled_and_a_stopped_one_cannot() {
    let Some(server) = start_with_operators().await else { return };
    let (job, _) = server.job(&server.pipeline("sleep 600").await).await;
    server.begin(&job).await;
    let cancel =
        || wire::JobsCancelRequest { header: None, job_id: Some(job.clone()), reason: "enough".to_owned() };
    let answer = server.jobs().cancel(cancel()).await.unwrap().into_inner();
    accepted(&answer.header);
    assert_eq!(answer.job_id.as_ref(), Some(&job));
    let status = server.end(&job).await;
    assert_eq!(status.status, 3);
    assert!(status.messages.iter().any(|message| message.contains("enough")), "{:?}", status.messages);
    let again = server.jobs().cancel(cancel()).await.unwrap().into_inner();
    refused(&again.header, code::JOB_NOT_CANCELED);
    assert_eq!(again.header.unwrap().messages[0], "Failed to cancel job.");
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_requests_are_refused_in_the_header() {
    let server = start().await;
    let create =
        wire::JobsCreateRequest { pipeline_id: nobody(), name: "a".to_owned(), ..Default::default() };
    let answer = server.jobs().create(create.clone()).await.unwrap().into_inner();
    refused(&answer.header, code::PIPELINE_UNKNOWN);
    let nameless = wire::JobsCreateRequest { name: String::new(), ..create };
    refused(&server.jobs().create(nameless).await.unwrap().into_inner().header, code::JOB_NAME_INVALID);
    let status = |job_id| wire::JobsStatusRequest { header: None, job_id };
    refused(&server.jobs().status(status(None)).await.unwrap().into_inner().header, code::JOB_ID_MALFORMED);
    refused(&server.jobs().status(status(nobody())).await.unwrap().into_inner().header, code::JOB_UNKNOWN);
    let (job, _) = server.job(&server.pipeline("true").await).await;
    let value = NamedValue { name: "UNDECLARED".to_owned(), value: "1".to_owned() };
    let begin = wire::JobsStartRequest { header: None, job_id: Some(job.clone()), variables: vec![value] };
    refused(&server.jobs().start(begin).await.unwrap().into_inner().header, code::JOB_VARIABLES_INVALID);
    server.begin(&job).await;
    let again = wire::JobsStartRequest { job_id: Some(job), ..Default::default() };
    refused(&server.jobs().start(again).await.unwrap().into_inner().header, code::JOB_NOT_STARTED);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_take_metadata_without_a_header() {
    let server = start().await;
    let (job, _) = server.job(&server.pipeline("true").await).await;
    let add = wire::JobsAddMetadataRequest {
        job_id: Some(job.clone()),
        metadata: [("Source".to_owned(), "adapter".to_owned())].into(),
        header: None,
    };
    let answer = server.jobs().add_metadata(add.clone()).await.unwrap().into_inner();
    accepted(&answer.header);
    assert_eq!((answer.job_id.as_ref(), answer.metadata.len()), (Some(&job), 1));
    refused(&server.jobs().add_metadata(add).await.unwrap().into_inner().header, code::JOB_METADATA_INVALID);
    let keys = vec!["SOURCE".to_owned()];
    let remove = wire::JobsRemoveMetadataRequest { job_id: Some(job), keys, header: None };
    assert!(server.jobs().remove_metadata(remove).await.unwrap().into_inner().metadata.is_empty());
}
