//! Payloads.

use bytes::Bytes;
use platform_api::code;
use platform_api::proto::clara as wire;
use platform_api::proto::clara::{Identifier, PayloadFileDetails};
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::server::*;

/// A piece as published clients send it: its own size, not that of the file.
fn piece(payload: &Identifier, name: &str, data: impl Into<Bytes>) -> wire::PayloadsUploadRequest {
    let data = data.into();
    let details = Some(PayloadFileDetails { mode: 0, name: name.to_owned(), size: data.len() as u64 });
    wire::PayloadsUploadRequest { header: None, payload_id: Some(payload.clone()), details, data }
}

async fn upload(
    server: &TestServer,
    pieces: Vec<wire::PayloadsUploadRequest>,
) -> wire::PayloadsUploadResponse {
    server.payloads().upload(tokio_stream::iter(pieces)).await.unwrap().into_inner()
}

async fn reusable(server: &TestServer) -> Identifier {
    let answer = server.payloads().create(wire::PayloadsCreateRequest::default()).await.unwrap().into_inner();
    accepted(&answer.header);
    assert_eq!(answer.r#type, 2);
    answer.payload_id.unwrap()
}

async fn names(server: &TestServer, payload: &Identifier) -> Vec<String> {
    let request = wire::PayloadsDetailsRequest { header: None, payload_id: Some(payload.clone()) };
    let messages = all(server.payloads().details(request).await.unwrap()).await;
    accepted(&messages[0].header);
    messages.into_iter().filter_map(|message| message.file).map(|file| file.name).collect()
}

fn download(payload: &Identifier, name: &str) -> wire::PayloadsDownloadRequest {
    wire::PayloadsDownloadRequest { header: None, payload_id: Some(payload.clone()), name: name.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_many_pieces_comes_back_whole_in_messages_that_clients_take() {
    let server = start().await;
    let payload = reusable(&server).await;
    let content: Vec<u8> = (0..9_500_000u32).map(|at| (at % 253) as u8).collect();
    let pieces =
        content.chunks(64 << 10).map(|data| piece(&payload, "./Big/file.bin", data.to_vec())).collect();
    let answer = upload(&server, pieces).await;
    accepted(&answer.header);
    let details = answer.details.unwrap();
    assert_eq!((details.name.as_str(), details.size), ("/Big/file.bin", content.len() as u64));

    let messages = all(server.payloads().download(download(&payload, "big/FILE.bin")).await.unwrap()).await;
    accepted(&messages[0].header);
    let details = messages[0].details.as_ref().unwrap();
    assert_eq!((details.name.as_str(), details.size), ("/Big/file.bin", content.len() as u64));
    assert!(messages.len() > 2 && messages.iter().all(|message| message.encoded_len() <= 4 << 20));
    let joined: Vec<u8> = messages.iter().flat_map(|message| message.data.to_vec()).collect();
    assert!(joined == content);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_four_mebibytes_is_taken() {
    let server = start().await;
    let payload = reusable(&server).await;
    let most = (4 << 20) - 512;
    let answer = upload(&server, vec![piece(&payload, "a", vec![1; most])]).await;
    accepted(&answer.header);
    assert_eq!(answer.details.unwrap().size, most as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_streams_are_answered_and_empty_files_are_files() {
    let server = start().await;
    let payload = reusable(&server).await;
    refused(&upload(&server, vec![]).await.header, code::UPLOAD_MALFORMED);
    accepted(&upload(&server, vec![piece(&payload, "empty", "")]).await.header);
    let file = only(server.payloads().download(download(&payload, "/empty")).await.unwrap()).await;
    accepted(&file.header);
    assert_eq!((file.data.len(), file.details.unwrap().name.as_str()), (0, "/empty"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_payload_is_one_message_and_files_add_no_other() {
    let server = start().await;
    let payload = reusable(&server).await;
    let request = wire::PayloadsDetailsRequest { header: None, payload_id: Some(payload.clone()) };
    let empty = only(server.payloads().details(request).await.unwrap()).await;
    assert_eq!((empty.payload_id.as_ref(), empty.r#type, empty.file), (Some(&payload), 2, None));
    upload(&server, vec![piece(&payload, "x/y", "1")]).await;
    upload(&server, vec![piece(&payload, "/z", "2")]).await;
    assert_eq!(names(&server, &payload).await, ["/x/y", "/z"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_to_a_job_go_into_its_input_until_it_starts() {
    let server = start().await;
    let (job, payload) = server.job(&server.pipeline("true").await).await;
    let answer = upload(&server, vec![piece(&payload, "a.dcm", "1")]).await;
    assert_eq!(answer.details.unwrap().name, "/input/a.dcm");
    server.begin(&job).await;
    refused(&upload(&server, vec![piece(&payload, "b.dcm", "2")]).await.header, code::PAYLOAD_READ_ONLY);
    server.end(&job).await;
    assert!(names(&server, &payload).await.contains(&"/input/a.dcm".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_leaves_no_file() {
    let server = start().await;
    let payload = reusable(&server).await;
    let (pieces, messages) = mpsc::channel(1);
    let mut payloads = server.payloads();
    let call = tokio::spawn(async move { payloads.upload(ReceiverStream::new(messages)).await });
    // The second is taken when the first is on its way.
    for _ in 0..40 {
        pieces.send(piece(&payload, "half", vec![7; 64 << 10])).await.unwrap();
    }
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    // The same name is free, and what is there is the second try.
    let answer = loop {
        let answer = upload(&server, vec![piece(&payload, "half", "whole")]).await;
        // Until the server has seen that the first one is gone.
        if answer.header.as_ref().is_some_and(|header| header.code == 0) {
            break answer;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(answer.details.unwrap().size, 5);
    let file = only(server.payloads().download(download(&payload, "half")).await.unwrap()).await;
    assert_eq!(file.data, "whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_leave_the_payload_and_unknown_ones_are_refused() {
    let server = start().await;
    let payload = reusable(&server).await;
    refused(&upload(&server, vec![piece(&payload, "../a", "1")]).await.header, code::FILE_NAME_INVALID);
    let nowhere = upload(&server, vec![piece(&nobody().unwrap(), "a", "1")]).await;
    refused(&nowhere.header, code::PAYLOAD_UNKNOWN);
    let other = vec![piece(&payload, "a", "1"), piece(&payload, "b", "2")];
    refused(&upload(&server, other).await.header, code::UPLOAD_MALFORMED);
    let missing = only(server.payloads().download(download(&payload, "a")).await.unwrap()).await;
    refused(&missing.header, code::FILE_UNKNOWN);
    assert_eq!(
        missing,
        wire::PayloadsDownloadResponse { header: missing.header.clone(), ..Default::default() }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_removed_and_payloads_deleted() {
    let server = start().await;
    let payload = reusable(&server).await;
    upload(&server, vec![piece(&payload, "a", "1")]).await;
    let remove = wire::PayloadsRemoveRequest {
        header: None,
        payload_id: Some(payload.clone()),
        name: "./a".to_owned(),
    };
    accepted(&server.payloads().remove(remove.clone()).await.unwrap().into_inner().header);
    refused(&server.payloads().remove(remove).await.unwrap().into_inner().header, code::FILE_UNKNOWN);
    let delete = wire::PayloadsDeleteRequest { header: None, payload_id: Some(payload.clone()) };
    accepted(&server.payloads().delete(delete.clone()).await.unwrap().into_inner().header);
    refused(&server.payloads().delete(delete).await.unwrap().into_inner().header, code::PAYLOAD_UNKNOWN);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_reusable_payloads_take_metadata() {
    let server = start().await;
    let add = |payload: &Identifier| wire::PayloadsAddMetadataRequest {
        payload_id: Some(payload.clone()),
        metadata: [("k".to_owned(), "v".to_owned())].into(),
        header: None,
    };
    let payload = reusable(&server).await;
    let answer = server.payloads().add_metadata(add(&payload)).await.unwrap().into_inner();
    accepted(&answer.header);
    assert_eq!((answer.payload_id.as_ref(), answer.metadata.len()), (Some(&payload), 1));
    let keys = vec!["K".to_owned()];
    let remove = wire::PayloadsRemoveMetadataRequest { payload_id: Some(payload), keys, header: None };
    assert!(server.payloads().remove_metadata(remove).await.unwrap().into_inner().metadata.is_empty());
    let (_, of_job) = server.job(&server.pipeline("true").await).await;
    let answer = server.payloads().add_metadata(add(&of_job)).await.unwrap().into_inner();
    refused(&answer.header, code::PAYLOAD_METADATA_INVALID);
}
