//! Events.

use platform_api::proto::extension::events_client::EventsClient;
use platform_api::proto::extension::watch_response::Event;
use platform_api::proto::extension::{Cursor, WatchRequest, WatchResponse};
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
