//! Our own services but for events, and the standard ones.

use platform_api::proto::extension as wire;
use platform_api::proto::extension::jobs_client::JobsClient;
use platform_api::proto::extension::logs_client::LogsClient;
use platform_api::proto::extension::payloads_client::PayloadsClient;
use platform_api::proto::extension::read_log_request::Start;
use platform_api::proto::extension::read_log_response::Part;
use platform_api::proto::extension::server_client::ServerClient;
use tonic::Code;

use crate::server::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_server_says_what_it_is() {
    let server = start().await;
    let info = ServerClient::new(server.channel.clone()).get_info(wire::GetInfoRequest {}).await;
    let info = info.unwrap().into_inner();
    assert_eq!(info.clara_api_version, "0.8.1");
    assert!(!info.epoch.is_empty() && info.enforcement != 0);
    assert!(info.capacity.unwrap().cpus > 0);
    assert_eq!(info.job_timeouts.unwrap().default.unwrap().seconds, 600);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_told_whole_and_its_place_in_the_queue_changes_while_it_waits() {
    let Some(server) = start_with_operators().await else { return };
    let (job, _) = server.job(&server.pipeline("exit 7").await).await;
    let mut jobs = JobsClient::new(server.channel.clone());
    let set = |priority| wire::SetPriorityRequest { job_id: job.value.clone(), priority };
    assert_eq!(jobs.set_priority(set(4)).await.unwrap().into_inner().priority, 4);
    assert_eq!(jobs.set_priority(set(0)).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(jobs.set_priority(set(2)).await.unwrap().into_inner().priority, 2);
    server.begin(&job).await;
    server.end(&job).await;
    assert_eq!(jobs.set_priority(set(4)).await.unwrap_err().code(), Code::FailedPrecondition);
    let get = |job_id: &str| wire::GetJobRequest { job_id: job_id.to_owned() };
    let told = jobs.get(get(&job.value)).await.unwrap().into_inner();
    let end = told.operators[0].end.as_ref().unwrap();
    assert_eq!((end.reason, end.exit_code), (wire::EndReason::Exited.into(), Some(7)));
    assert!(told.operators[0].limits.as_ref().unwrap().memory_bytes > 0);
    assert_eq!(jobs.get(get(&nobody().unwrap().value)).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(jobs.get(get("x")).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_followed_to_its_end_and_read_from_a_place() {
    let Some(server) = start_with_operators().await else { return };
    let (job, _) = server.job(&server.pipeline("echo one; sleep 1; echo two").await).await;
    server.begin(&job).await;
    let mut logs = LogsClient::new(server.channel.clone());
    let request = |start, follow| wire::ReadLogRequest {
        job_id: job.value.clone(),
        operator_name: "only".to_owned(),
        start,
        follow,
        max_bytes: 0,
    };
    let followed = all(logs.read(request(None, true)).await.unwrap()).await;
    let mut text = Vec::new();
    for message in &followed {
        match message.part.as_ref().unwrap() {
            Part::Chunk(chunk) => {
                assert_eq!(chunk.offset, text.len() as u64);
                let covered: u32 = chunk.spans.iter().map(|span| span.length).sum();
                assert_eq!(covered as usize, chunk.data.len());
                text.extend_from_slice(&chunk.data);
            }
            Part::End(end) => {
                assert_eq!((end.reason, end.next_offset), (wire::LogEndReason::Complete.into(), 8))
            }
        }
    }
    assert_eq!(text, b"one\ntwo\n");
    assert!(matches!(followed.last().unwrap().part, Some(Part::End(_))));
    let tail = all(logs.read(request(Some(Start::FromOffset(4)), false)).await.unwrap()).await;
    let Some(Part::Chunk(chunk)) = &tail[0].part else { panic!("{tail:?}") };
    assert_eq!((chunk.offset, chunk.data.as_ref()), (4, b"two\n".as_slice()));
    let mut unknown = request(None, false);
    unknown.operator_name = "nobody".to_owned();
    let status = logs.read(unknown).await.unwrap().into_inner().message().await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let at_the_end = all(logs.read(request(Some(Start::FromOffset(8)), false)).await.unwrap()).await;
    let [wire::ReadLogResponse { part: Some(Part::End(end)) }] = at_the_end.as_slice() else {
        panic!("{at_the_end:?}")
    };
    assert_eq!((end.reason, end.next_offset), (wire::LogEndReason::Complete.into(), 8));
    for follow in [false, true] {
        let past = logs.read(request(Some(Start::FromOffset(9)), follow)).await.unwrap();
        let status = past.into_inner().message().await.unwrap_err();
        assert_eq!(status.code(), Code::OutOfRange);
        assert!(status.message().contains("8 bytes"), "{}", status.message());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_goes_with_the_payload_of_its_job_and_says_so() {
    let Some(server) = start_with_operators().await else { return };
    let (job, payload) = server.job(&server.pipeline("echo one").await).await;
    server.begin(&job).await;
    server.end(&job).await;
    let request = wire::ReadLogRequest {
        job_id: job.value.clone(),
        operator_name: "only".to_owned(),
        ..Default::default()
    };
    let mut logs = LogsClient::new(server.channel.clone());
    let read = all(logs.read(request.clone()).await.unwrap()).await;
    assert!(matches!(&read[0].part, Some(Part::Chunk(chunk)) if chunk.data.as_ref() == b"one\n"), "{read:?}");
    assert!(server.kept_runs() > 0);
    let delete =
        platform_api::proto::clara::PayloadsDeleteRequest { header: None, payload_id: Some(payload) };
    accepted(&server.payloads().delete(delete).await.unwrap().into_inner().header);
    let read = all(logs.read(request).await.unwrap()).await;
    let [wire::ReadLogResponse { part: Some(Part::End(end)) }] = read.as_slice() else { panic!("{read:?}") };
    assert_eq!(end.reason, wire::LogEndReason::Deleted as i32);
    assert_eq!(server.kept_runs(), 0);
    let status = server.end(&job).await;
    assert_eq!(status.operator_details[0].status, 3, "its record stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn payloads_are_listed_by_type_and_from_a_place() {
    let server = start().await;
    let (_, of_job) = server.job(&server.pipeline("true").await).await;
    let made = server
        .payloads()
        .create(platform_api::proto::clara::PayloadsCreateRequest::default())
        .await
        .unwrap()
        .into_inner();
    let reusable = made.payload_id.unwrap().value;
    let list = |types: &[i32], after_id: &str| {
        let request =
            wire::ListPayloadsRequest { types: types.to_vec(), after_id: after_id.to_owned(), limit: 0 };
        let mut payloads = PayloadsClient::new(server.channel.clone());
        async move { all(payloads.list(request).await.unwrap()).await }
    };
    assert_eq!(list(&[], "").await.len(), 2);
    let found = list(&[2], "").await;
    assert_eq!((found[0].payload_id.as_str(), found.len()), (reusable.as_str(), 1));
    assert_eq!(list(&[1], "").await[0].payload_id, of_job.value);
    assert!(list(&[], &"f".repeat(32)).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_is_healthy() {
    use tonic_health::pb::health_client::HealthClient;
    let server = start().await;
    let mut health = HealthClient::new(server.channel.clone());
    for service in ["", "nvidia.clara.platform.Jobs"] {
        let request = tonic_health::pb::HealthCheckRequest { service: service.to_owned() };
        assert_eq!(health.check(request).await.unwrap().into_inner().status, 1, "{service}");
    }
}
