//! Pipelines, and the server itself.

use std::collections::BTreeMap;

use platform_api::code;
use platform_api::proto::clara as wire;
use tokio_stream::StreamExt;

use crate::server::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_version_is_that_of_the_api_with_or_without_a_header() {
    let server = start().await;
    let answer = server.clara().version(wire::ClaraVersionRequest::default()).await.unwrap().into_inner();
    accepted(&answer.header);
    let version = answer.version.unwrap();
    assert_eq!((version.major, version.minor, version.patch), (0, 8, 1));
    // The version that published clients name is older.
    let old = wire::Version { major: 0, minor: 6, patch: 0, label: String::new() };
    let header =
        wire::RequestHeader { api_version: Some(old), user_agent: "Nvidia.Clara.Platform".to_owned() };
    let answer = server.clara().stop(wire::ClaraStopRequest { header: Some(header) }).await.unwrap();
    accepted(&answer.into_inner().header);
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_ends_services_of_pipelines_and_neither_jobs_nor_the_server() {
    let Some(server) = start_with_operators().await else { return };
    let (job, _) = server.job(&server.pipeline("sleep 600").await).await;
    server.begin(&job).await;
    let status = || async {
        let request = wire::JobsStatusRequest { job_id: Some(job.clone()), ..Default::default() };
        server.jobs().status(request).await.unwrap().into_inner()
    };
    let running = async {
        while status().await.state != 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, running).await.expect("the job runs");
    let answer = server.clara().stop(wire::ClaraStopRequest::default()).await.unwrap();
    accepted(&answer.into_inner().header);
    accepted(
        &server.clara().version(wire::ClaraVersionRequest::default()).await.unwrap().into_inner().header,
    );
    assert_eq!(status().await.state, 2, "the job goes on");
    let cancel = wire::JobsCancelRequest { job_id: Some(job.clone()), ..Default::default() };
    accepted(&server.jobs().cancel(cancel).await.unwrap().into_inner().header);
    assert_eq!(server.end(&job).await.status, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn utilization_is_one_message_or_goes_on() {
    let server = start().await;
    let ask = |watch| wire::ClaraUtilizationRequest { header: None, watch };
    accepted(&only(server.clara().utilization(ask(false)).await.unwrap()).await.header);
    let mut watched = server.clara().utilization(ask(true)).await.unwrap().into_inner();
    for _ in 0..2 {
        accepted(&watched.message().await.unwrap().unwrap().header);
    }
    server.stopping.send_replace(true);
    while let Some(message) = watched.next().await {
        if let Err(status) = message {
            return assert_eq!(status.code(), tonic::Code::Unavailable);
        }
    }
    panic!("the stream ended as if it was whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_comes_back_as_it_was_under_its_own_path() {
    let server = start().await;
    let text = one("true");
    // Parts of one file, whose path is a label.
    let (head, tail) = text.split_at(20);
    let mut parts = [definition("../Pipeline.yaml", head), definition("../pipeline.YAML", tail)];
    for part in &mut parts {
        part.metadata = BTreeMap::from([("Owner".to_owned(), "test".to_owned())]);
    }
    let answer = server.pipelines().create(tokio_stream::iter(parts)).await.unwrap().into_inner();
    accepted(&answer.header);
    let id = answer.pipeline_id.unwrap();
    assert_eq!(id.value.len(), 32);

    let request = wire::PipelinesDetailsRequest { pipeline_id: Some(id.clone()), header: None };
    let details = only(server.pipelines().details(request).await.unwrap()).await;
    accepted(&details.header);
    assert_eq!((details.pipeline_id.as_ref(), details.name.as_str()), (Some(&id), "one"));
    let file = details.definition.unwrap();
    assert_eq!((file.path.as_str(), file.content == text), ("../Pipeline.yaml", true));
    assert_eq!(details.metadata["Owner"], "test");
    assert_eq!(details.dag[0].name, "only");

    let listed = only(server.pipelines().list(wire::PipelinesListRequest::default()).await.unwrap()).await;
    let listed = listed.details.unwrap();
    assert_eq!((listed.pipeline_id, listed.name, listed.metadata.len()), (Some(id), "one".to_owned(), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_replaces_the_definition_and_a_removal_the_pipeline() {
    let server = start().await;
    let id = server.pipeline("true").await;
    let update = wire::PipelinesUpdateRequest {
        pipeline_id: Some(id.clone()),
        definition: definition("b.yaml", &one("false")).definition,
        header: None,
    };
    accepted(&server.pipelines().update(tokio_stream::once(update)).await.unwrap().into_inner().header);
    let ask = || wire::PipelinesDetailsRequest { pipeline_id: Some(id.clone()), header: None };
    let details = only(server.pipelines().details(ask()).await.unwrap()).await;
    assert!(details.definition.unwrap().content.contains("false"));
    let remove = wire::PipelinesRemoveRequest { pipeline_id: Some(id.clone()), header: None };
    accepted(&server.pipelines().remove(remove.clone()).await.unwrap().into_inner().header);
    refused(&server.pipelines().remove(remove).await.unwrap().into_inner().header, code::PIPELINE_UNKNOWN);
    let gone = only(server.pipelines().details(ask()).await.unwrap()).await;
    refused(&gone.header, code::PIPELINE_UNKNOWN);
    assert_eq!(gone, wire::PipelinesDetailsResponse { header: gone.header.clone(), ..Default::default() });
    assert!(
        all(server.pipelines().list(wire::PipelinesListRequest::default()).await.unwrap()).await.is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_and_broken_definitions_are_refused_in_the_header() {
    let server = start().await;
    let create = |messages: Vec<_>| {
        let mut pipelines = server.pipelines();
        async move { pipelines.create(tokio_stream::iter(messages)).await.unwrap().into_inner() }
    };
    refused(&create(vec![]).await.header, code::DEFINITION_REQUEST_MALFORMED);
    let broken = create(vec![definition("a.yaml", "name: [")]).await;
    refused(&broken.header, code::DEFINITION_INVALID);
    assert_eq!(broken.pipeline_id, None);
    let malformed = wire::PipelinesCreateRequest {
        pipeline_id: Some(wire::Identifier { value: "x".to_owned() }),
        ..definition("a.yaml", &one("true"))
    };
    refused(&create(vec![malformed]).await.header, code::PIPELINE_ID_MALFORMED);
    let nothing = server.pipelines().update(tokio_stream::empty()).await.unwrap().into_inner();
    refused(&nothing.header, code::DEFINITION_REQUEST_MALFORMED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_can_have_a_chosen_identifier_in_any_form() {
    let server = start().await;
    let chosen = wire::PipelinesCreateRequest {
        pipeline_id: Some(wire::Identifier { value: "01234567-89AB-CDEF-0123-456789ABCDEF".to_owned() }),
        ..definition("a.yaml", &one("true"))
    };
    let answer = server.pipelines().create(tokio_stream::once(chosen.clone())).await.unwrap().into_inner();
    assert_eq!(answer.pipeline_id.unwrap().value, "0123456789abcdef0123456789abcdef");
    let again = server.pipelines().create(tokio_stream::once(chosen)).await.unwrap().into_inner();
    refused(&again.header, code::PIPELINE_EXISTS);
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_are_added_whole_or_not_at_all_and_the_whole_set_comes_back() {
    let server = start().await;
    let id = Some(server.pipeline("true").await);
    let add = |entries: &[(&str, &str)]| {
        let metadata = entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let request = wire::PipelinesAddMetadataRequest { header: None, pipeline_id: id.clone(), metadata };
        let mut pipelines = server.pipelines();
        async move { pipelines.add_metadata(request).await.unwrap().into_inner() }
    };
    let answer = add(&[("A", "1")]).await;
    accepted(&answer.header);
    assert_eq!(answer.pipeline_id, id);
    assert_eq!(add(&[("b", "2")]).await.metadata.len(), 2);
    refused(&add(&[("c", "3"), ("a", "4")]).await.header, code::PIPELINE_METADATA_INVALID);
    let remove = |keys: &[&str]| {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        let request = wire::PipelinesRemoveMetadataRequest { header: None, pipeline_id: id.clone(), keys };
        let mut pipelines = server.pipelines();
        async move { pipelines.remove_metadata(request).await.unwrap().into_inner() }
    };
    assert_eq!(remove(&[]).await.metadata.len(), 2);
    let answer = remove(&["a", "absent"]).await;
    accepted(&answer.header);
    assert_eq!((answer.pipeline_id, answer.metadata), (id.clone(), [("b".into(), "2".into())].into()));
}
