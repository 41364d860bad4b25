//! Events.

use platform_api::proto::clara::PipelinesUpdateRequest;
use platform_api::proto::extension::events_client::EventsClient;
use platform_api::proto::extension::watch_response::Event;
use platform_api::proto::extension::{Cursor, EventKind, WatchRequest, WatchResponse, pipeline_changed};
use tonic::{Code, Streaming};

use crate::server::*;

async fn watch(server: &TestServer, request: WatchRequest) -> Streaming<WatchResponse> {
    EventsClient::new(server.channel.clone()).watch(request).await.unwrap().into_inner()
}

async fn next(messages: &mut Streaming<WatchResponse>) -> WatchResponse {
    let message = tokio::time::timeout(PATIENCE, messages.message()).await.expect("a message comes");
    message.unwrap().expect("the stream goes on")
}

/// The cursor of the first message, which is a bookmark.
async fn bookmark(messages: &mut Streaming<WatchResponse>) -> Cursor {
    let first = next(messages).await;
    assert!(matches!(first.event, Some(Event::Bookmark(_))), "{first:?}");
    first.cursor.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_sees_a_job_from_its_creation_to_its_end() {
    let Some(server) = start_with_operators().await else { return };
    let pipeline = server.pipeline("echo hello").await;
    let mut messages = watch(&server, WatchRequest::default()).await;
    let begin = bookmark(&mut messages).await;
    let (job, _) = server.job(&pipeline).await;
    server.begin(&job).await;
    let (mut last, mut log_bytes, mut operator) = (begin.sequence, 0, 0);
    loop {
        let message = next(&mut messages).await;
        let cursor = message.cursor.unwrap();
        assert!(cursor.epoch == begin.epoch && cursor.sequence > last, "{cursor:?} after {last}");
        last = cursor.sequence;
        match message.event.unwrap() {
            Event::LogAppended(log) => log_bytes = log.log_bytes,
            Event::OperatorChanged(change) => operator = change.operator.unwrap().status,
            Event::JobChanged(change) if change.state == 3 => {
                assert_eq!((change.job_id, change.status), (job.value.clone(), 1));
                break;
            }
            _ => {}
        }
    }
    assert!(operator == 3 || operator == 2, "{operator}");
    assert!(log_bytes == 0 || log_bytes == 6, "{log_bytes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_that_was_cut_off_goes_on_where_it_was() {
    let server = start().await;
    let pipeline = server.pipeline("true").await;
    let mut messages = watch(&server, WatchRequest::default()).await;
    let place = bookmark(&mut messages).await;
    drop(messages);
    let (job, _) = server.job(&pipeline).await;
    let resume = WatchRequest { resume_from: Some(place.clone()), ..Default::default() };
    let mut messages = watch(&server, resume).await;
    assert_eq!(bookmark(&mut messages).await, place);
    let Event::JobChanged(change) = next(&mut messages).await.event.unwrap() else { panic!("no job") };
    assert_eq!(change.job_id, job.value);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_of_another_run_needs_a_new_list() {
    let server = start().await;
    let place = Cursor { epoch: "another".to_owned(), sequence: 0 };
    let mut messages = watch(&server, WatchRequest { resume_from: Some(place), ..Default::default() }).await;
    assert!(matches!(next(&mut messages).await.event, Some(Event::ResyncNeeded(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_are_told_when_the_server_stops() {
    let server = start().await;
    let mut messages = watch(&server, WatchRequest::default()).await;
    bookmark(&mut messages).await;
    server.stopping.send_replace(true);
    assert_eq!(messages.message().await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_of_one_job_hears_of_no_other() {
    let server = start().await;
    let pipeline = server.pipeline("true").await;
    let (wanted, _) = server.job(&pipeline).await;
    let request = WatchRequest { job_ids: vec![wanted.value.clone()], kinds: vec![1], resume_from: None };
    let mut messages = watch(&server, request).await;
    bookmark(&mut messages).await;
    server.job(&pipeline).await;
    server.begin(&wanted).await;
    let Event::JobChanged(change) = next(&mut messages).await.event.unwrap() else { panic!("no job") };
    assert_eq!(change.job_id, wanted.value);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_is_told_how_busy_the_machine_is_at_first_and_when_that_changes() {
    let Some(server) = start_with_operators().await else { return };
    let pipeline = server.pipeline("sleep 300").await;
    let request = WatchRequest { kinds: vec![EventKind::Utilization.into()], ..Default::default() };
    let mut messages = watch(&server, request).await;
    bookmark(&mut messages).await;
    let Event::Utilization(idle) = next(&mut messages).await.event.unwrap() else {
        panic!("nothing is told")
    };
    assert_eq!((idle.cpus_assigned, idle.jobs_running, idle.memory_assigned_bytes), (0, 0, 0));
    assert!(idle.cpus_total > 0 && idle.memory_total_bytes > 0, "{idle:?}");
    assert!(0 < idle.storage_used_bytes && idle.storage_used_bytes <= idle.storage_total_bytes, "{idle:?}");
    let machine = idle.machine_memory_used_bytes.zip(idle.machine_memory_total_bytes);
    assert!(machine.is_some_and(|(used, total)| 0 < used && used <= total), "{idle:?}");
    assert!(idle.machine_cpu.is_some_and(|share| (0.0..=1.0).contains(&share)), "{idle:?}");
    let (job, _) = server.job(&pipeline).await;
    server.begin(&job).await;
    let began = std::time::Instant::now();
    let mut told = 0;
    loop {
        let Some(Event::Utilization(now)) = next(&mut messages).await.event else { continue };
        told += 1;
        if now.jobs_running == 1 && now.cpus_assigned == 1 {
            assert_eq!(now.memory_assigned_bytes, 1 << 30);
            break;
        }
    }
    assert!(told <= began.elapsed().as_secs() + 1, "{told} events in {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_looks_at_the_machine_while_nobody_watches() {
    let server = start().await;
    let utilization = || WatchRequest { kinds: vec![EventKind::Utilization.into()], ..Default::default() };
    let mut messages = watch(&server, utilization()).await;
    bookmark(&mut messages).await;
    next(&mut messages).await;
    drop(messages);
    // Sequences count every event, wanted or not.
    let jobs = || WatchRequest { kinds: vec![EventKind::Job.into()], ..Default::default() };
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let before = bookmark(&mut watch(&server, jobs()).await).await;
    let busy = std::thread::spawn(|| {
        let end = std::time::Instant::now() + std::time::Duration::from_secs(3);
        while std::time::Instant::now() < end {
            std::hint::spin_loop();
        }
    });
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    busy.join().unwrap();
    assert_eq!(bookmark(&mut watch(&server, jobs()).await).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_update_of_a_pipeline_has_a_revision_of_its_own() {
    let server = start().await;
    let pipeline = server.pipeline("true").await;
    let request = WatchRequest { kinds: vec![EventKind::Pipeline.into()], ..Default::default() };
    let mut messages = watch(&server, request).await;
    bookmark(&mut messages).await;
    // The last one is the first one again, and still a new revision.
    for (command, expected) in [("false", 2), ("true", 3)] {
        let file = definition("pipeline.yaml", &one(command)).definition;
        let update =
            PipelinesUpdateRequest { pipeline_id: Some(pipeline.clone()), definition: file, header: None };
        let answer = server.pipelines().update(tokio_stream::once(update)).await.unwrap().into_inner();
        accepted(&answer.header);
        let Some(Event::PipelineChanged(change)) = next(&mut messages).await.event else {
            panic!("no pipeline")
        };
        let Some(pipeline_changed::Change::Pipeline(told)) = change.change else { panic!("deleted") };
        assert_eq!((told.pipeline_id, told.revision), (pipeline.value.clone(), expected));
    }
}
