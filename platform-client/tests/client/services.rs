//! Pipelines, jobs, models, logs and events through the client.

use std::collections::{BTreeMap, BTreeSet};

use platform_api::proto::extension::watch_response::Event as WireEvent;
use platform_api::proto::extension::{Bookmark, Cursor, LogAppended, ResyncNeeded, WatchResponse};
use platform_client::events::{Change, WatchQuery};
use platform_client::job::{JobFilter, JobPriority, JobState};
use platform_client::jobs::NewJob;
use platform_client::logs::{LogEnd, LogQuery, LogStart};
use platform_client::metadata::Metadata;
use platform_client::model::ModelType;
use platform_client::pipelines::DefinitionFile;
use platform_client::{ClientError, ErrorKind};
use tonic::Code;

use crate::fake::{Fake, Fault};
use crate::{client, pipeline};

#[tokio::test]
async fn a_long_definition_arrives_whole_and_comes_back_so() {
    let fake = Fake::new();
    let client = client(fake.serve().await);
    let content = format!("name: long\n# {}\n", "ü".repeat(1_300_000));
    let main = DefinitionFile { path: "../main.yaml".to_owned(), content };
    let other = DefinitionFile { path: "b.yaml".to_owned(), content: "x".to_owned() };
    let metadata = Metadata::from_entries([("Site", "lab")]).unwrap();
    let files = vec![main, other];
    let id = client.pipelines().create(&files, &metadata, None).await.unwrap();
    // The fake joins parts of one path, as a server has to.
    assert_eq!(fake.state().pipelines[&id.to_string()].1.len(), 2);
    fake.state().pipelines.get_mut(&id.to_string()).unwrap().1[0].content.truncate(1001);
    let details = client.pipelines().details(id).await.unwrap();
    assert_eq!((details.name.as_str(), details.files.len()), ("long", 2));
    assert_eq!(details.metadata, metadata);
    let error = client.pipelines().create(&[], &metadata, None).await.unwrap_err();
    assert_eq!(error.code().as_deref(), Some("-4352"));
    client.pipelines().remove(id).await.unwrap();
    let error = client.pipelines().remove(id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
}

#[tokio::test]
async fn a_job_is_made_started_watched_and_listed() {
    let fake = Fake::new();
    let client = client(fake.serve().await);
    let job = NewJob {
        pipeline_id: pipeline(&client).await,
        name: "scan".parse().unwrap(),
        priority: JobPriority::Higher,
        input_payloads: Vec::new(),
        metadata: Metadata::new(),
    };
    let made = client.jobs().create(&job).await.unwrap();
    let variables = BTreeMap::from([("threshold".to_owned(), "5".to_owned())]);
    let started = client.jobs().start(made.id, &variables).await.unwrap();
    assert_eq!((started.state, started.priority), (JobState::Pending, JobPriority::Higher));
    assert_eq!(fake.state().jobs[0].variables, variables);
    assert_eq!(client.jobs().status(made.id).await.unwrap().details.state, JobState::Running);
    let report = client.jobs().status(made.id).await.unwrap();
    assert_eq!((report.details.state, report.operators.len()), (JobState::Stopped, 1));
    let snapshot = client.jobs().snapshot(made.id).await.unwrap();
    let ran = snapshot.details.stopped.unwrap().duration_since(snapshot.details.started.unwrap());
    assert_eq!(ran.unwrap().as_millis(), 3500, "fractions are kept");
    let refused = client.jobs().set_priority(made.id, JobPriority::Lower).await.unwrap_err();
    assert_eq!(refused.code().as_deref(), Some("FAILED_PRECONDITION"));
    let error = client.jobs().cancel(made.id, "").await.unwrap_err();
    assert_eq!(
        (error.code().as_deref(), error.to_string().as_str()),
        (Some("-8452"), "Failed to cancel job.")
    );
}

#[tokio::test]
async fn a_list_is_filtered_and_what_breaks_in_its_middle_is_said() {
    let fake = Fake::new();
    let client = client(fake.serve().await);
    for state in [1, 2, 3] {
        fake.add_job(&format!("job {state}"), state, 1);
    }
    let states = BTreeSet::from([JobState::Pending, JobState::Stopped]);
    let filter = JobFilter { states, ..Default::default() };
    let mut list = client.jobs().list(&filter).await.unwrap();
    let mut names = Vec::new();
    while let Some(job) = list.next().await.unwrap() {
        names.push(job.name);
    }
    assert_eq!(names, ["job 1", "job 3"]);
    fake.fail("Jobs.List", Fault::Break(2));
    let mut list = client.jobs().list(&JobFilter::default()).await.unwrap();
    assert!(list.next().await.unwrap().is_some());
    assert_eq!(list.next().await.unwrap_err().kind(), ErrorKind::Unreachable);
    fake.fail("Jobs.List", Fault::Refuse(-8195, "jobs cannot be listed"));
    let mut list = client.jobs().list(&JobFilter::default()).await.unwrap();
    assert_eq!(list.next().await.unwrap_err().code().as_deref(), Some("-8195"));
}

#[tokio::test]
async fn an_answer_that_breaks_the_rules_is_no_job() {
    let fake = Fake::new();
    let client = client(fake.serve().await);
    let id = fake.add_job("a", 1, 7);
    let error = client.jobs().status(id.parse().unwrap()).await.unwrap_err();
    assert!(matches!(&error, ClientError::Protocol { reason, .. } if reason.contains('7')), "{error:?}");
}

#[tokio::test]
async fn metadata_are_added_and_removed() {
    let fake = Fake::new();
    let client = client(fake.serve().await);
    let id = pipeline(&client).await;
    let one = Metadata::from_entries([("A", "1")]).unwrap();
    assert_eq!(client.pipelines().add_metadata(id, &one).await.unwrap(), one);
    assert_eq!(client.pipelines().add_metadata(id, &one).await.unwrap_err().kind(), ErrorKind::Refused);
    let empty = client.pipelines().remove_metadata(id, &["A".to_owned()]).await.unwrap();
    assert!(empty.is_empty());
}

#[tokio::test]
async fn a_model_goes_up_into_a_catalog_and_comes_back() {
    let fake = Fake::new();
    let client = client(fake.serve().await);
    let models = client.models();
    assert!(models.list().await.unwrap().is_empty(), "no message is no model");
    // Several pieces, the last one full.
    let archive: Vec<u8> = (0..2 << 20).map(|n: u32| (n % 253) as u8).collect();
    let metadata = Metadata::new();
    let made = models.upload("liver", ModelType::PyTorch, &metadata, archive.as_slice()).await.unwrap();
    let mut back = Vec::new();
    let (details, bytes) = models.download(made.id, &mut back).await.unwrap();
    assert!(back == archive && bytes == 2 << 20 && details == made);
    let catalog = models.create_catalog().await.unwrap();
    models.update_catalog(catalog, &[made.id]).await.unwrap();
    assert_eq!(models.read_catalog(catalog).await.unwrap(), std::slice::from_ref(&made));
    let instance = models.create_instance().await.unwrap();
    models.update_instance(instance, &[made.id]).await.unwrap();
    assert_eq!(models.list_instances().await.unwrap()[0].id, instance);
    models.update_catalog(catalog, &[]).await.unwrap();
    assert!(models.read_catalog(catalog).await.unwrap().is_empty());
    models.delete(made.id).await.unwrap();
}

#[tokio::test]
async fn a_log_that_breaks_goes_on_where_it_broke() {
    let fake = Fake::new();
    let client = client(fake.serve().await);
    fake.state().logs.insert("segment".to_owned(), b"first\nsecond\nthird\n".to_vec());
    let job_id = fake.add_job("a", 2, 1).parse().unwrap();
    fake.fail("Logs.Read", Fault::Break(2));
    let query = LogQuery { job_id, operator: "segment".to_owned(), start: LogStart::Offset(0), follow: true };
    let mut reader = client.logs().read(query.clone()).await.unwrap();
    let mut text = Vec::new();
    while let Some(chunk) = reader.next().await.unwrap() {
        text.extend_from_slice(&chunk.data);
    }
    assert_eq!(text, b"first\nsecond\nthird\n");
    assert_eq!(reader.end(), Some(LogEnd::Complete));
    assert_eq!(fake.state().log_offsets, [0, 10]);
    // An end without an end is not the end of the log.
    fake.fail("Logs.Read", Fault::End(1));
    let mut reader = client.logs().read(query).await.unwrap();
    reader.next().await.unwrap();
    assert_eq!(reader.next().await.unwrap_err().kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn a_watch_goes_on_after_the_last_event_and_hands_on_that_some_were_lost() {
    let fake = Fake::new();
    let client = client(fake.serve().await);
    let job_id = fake.add_job("a", 2, 1);
    let event = |sequence, event| WatchResponse {
        cursor: Some(Cursor { epoch: "e".to_owned(), sequence }),
        time: None,
        event: Some(event),
    };
    let log = LogAppended { job_id, operator_name: "segment".to_owned(), log_bytes: 5 };
    fake.state().events = vec![
        event(1, WireEvent::Bookmark(Bookmark {})),
        event(4, WireEvent::LogAppended(log)),
        event(9, WireEvent::ResyncNeeded(ResyncNeeded { reason: "slow".to_owned() })),
    ];
    fake.fail("Events.Watch", Fault::Break(2));
    fake.fail("Events.Watch", Fault::Status(Code::Unavailable, "restarting"));
    let mut watch = client.events().watch(WatchQuery::default()).await.unwrap();
    assert_eq!(watch.next().await.unwrap().change, Change::Bookmark);
    assert!(matches!(watch.next().await.unwrap().change, Change::Log { bytes: 5, .. }));
    assert_eq!(watch.next().await.unwrap().change, Change::ResyncNeeded("slow".to_owned()));
    let resumed: Vec<_> = fake.state().resumed_from.iter().map(|c| c.as_ref().map(|c| c.sequence)).collect();
    assert_eq!(resumed, [None, Some(4)]);
}
