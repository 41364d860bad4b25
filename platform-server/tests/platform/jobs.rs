//! What a job does, and what is told of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use platform_api::code;
use platform_api::job::{EndReason, JobFilter, JobState, JobStatus, OperatorStatus};

use platform_server::observe::Metrics;

use crate::server::*;

const LINES: &str = r#"
api-version: 0.4.0
name: line-counter
parameters:
  KEEP: "1"
operators:
- name: cutter
  container:
    image: lantern/shell
    command: ["/bin/sh", "-c", "echo cutting; for f in /in/*; do head -n ${{KEEP}} $f > /out/$(basename $f); done"]
  input:
  - path: /in
  output:
  - path: /out
- name: counter
  container:
    image: lantern/shell
    command: ["/bin/sh", "-c", "cat /cut/* | wc -l > /count/lines.txt"]
  input:
  - from: cutter
    path: /cut
  output:
  - name: counts
    path: /count
"#;

fn one(command: &str) -> String {
    format!(
        "api-version: 0.4.0\nname: one\noperators:\n- name: only\n  container:\n    image: lantern/shell\n    \
         command: [\"/bin/sh\", \"-c\", {command:?}]\n  output:\n  - path: /out\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_pass_files_on_and_the_payload_holds_them_all() {
    let folder = tempfile::tempdir().unwrap();
    let Some(platform) = open(folder.path()).await else { return };
    let pipeline = create_pipeline(&platform, LINES).await;
    let made = create_job(&platform, pipeline, "lines").await;
    upload(&platform, made.payload, "a.txt", "one\ntwo\nthree\n").await;
    upload(&platform, made.payload, "./sub.txt", "four\nfive\n").await;
    let variables = BTreeMap::from([("keep".to_owned(), "2".to_owned())]);
    platform.start_job(made.job, variables).await.unwrap();
    let report = end(&platform, made.job).await;
    assert_eq!((report.details.status, report.messages), (JobStatus::Healthy, vec![]));
    assert!(report.operators.iter().all(|operator| operator.status == OperatorStatus::Completed));
    assert!(report.operators[0].stopped <= report.operators[1].started, "one after the other");
    assert_eq!(report.operators[1].depends_on, ["cutter"]);
    let names: Vec<String> = files(&platform, made.payload).await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "/input/a.txt",
            "/input/sub.txt",
            "/operators/counter/counts/lines.txt",
            "/operators/cutter/a.txt",
            "/operators/cutter/sub.txt"
        ]
    );
    assert_eq!(content(&platform, made.payload, "/OPERATORS/counter/counts/lines.txt").await.trim(), "4");
    assert_eq!(log(&platform, made.job, "cutter").await, ["cutting"]);
    let manager = log(&platform, made.job, "clara-pod-manager").await;
    assert_eq!(manager.first().unwrap(), "job `lines` created with priority normal");
    assert_eq!(manager.last().unwrap(), "job stopped: healthy");
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_and_run_times_and_bytes_are_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let metrics = Arc::new(Metrics::default());
    let counted = metrics.clone();
    let Some(platform) = open_with(folder.path(), |options| options.metrics = counted).await else { return };
    let pipeline = create_pipeline(&platform, LINES).await;
    let made = create_job(&platform, pipeline, "lines").await;
    upload(&platform, made.payload, "a.txt", "one\ntwo\n").await;
    start(&platform, made.job).await;
    end(&platform, made.job).await;
    content(&platform, made.payload, "/operators/counter/counts/lines.txt").await;
    let pipeline = create_pipeline(&platform, &one("exit 7")).await;
    let made = create_job(&platform, pipeline, "fails").await;
    start(&platform, made.job).await;
    end(&platform, made.job).await;
    let text = metrics.render(None);
    for line in [
        "lantern_queue_wait_seconds_count 2",
        "lantern_operator_seconds_count{status=\"completed\"} 2",
        "lantern_operator_seconds_count{status=\"faulted\"} 1",
        "lantern_payload_bytes_total{direction=\"up\"} 8",
        "lantern_payload_bytes_total{direction=\"down\"} 2",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_operator_faults_its_job_and_says_how() {
    let folder = tempfile::tempdir().unwrap();
    let Some(platform) = open(folder.path()).await else { return };
    let pipeline = create_pipeline(&platform, &one("echo broken >&2; exit 7")).await;
    let made = create_job(&platform, pipeline, "faulty").await;
    start(&platform, made.job).await;
    let report = end(&platform, made.job).await;
    assert_eq!(report.details.status, JobStatus::Faulted);
    assert_eq!(report.operators[0].status, OperatorStatus::Faulted);
    assert_eq!(report.messages, ["operator `only` failed: exited with code 7"]);
    assert_eq!(log(&platform, made.job, "ONLY").await, ["broken"]);
    let extended = platform.job_extended(made.job).await.unwrap();
    assert_eq!(extended.operators[0].end.as_ref().unwrap().reason, EndReason::Exited { code: 7 });
    assert_eq!(extended.operators[0].log_bytes, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_over_its_own_time_limit_terminates_its_job() {
    let folder = tempfile::tempdir().unwrap();
    let Some(platform) = open(folder.path()).await else { return };
    let slow = one("echo begun; sleep 600").replace("  container:", "  timeout: 1\n  container:");
    let pipeline = create_pipeline(&platform, &slow).await;
    let made = create_job(&platform, pipeline, "slow").await;
    start(&platform, made.job).await;
    let report = end(&platform, made.job).await;
    assert_eq!(report.details.status, JobStatus::Terminated);
    assert_eq!(report.messages, ["terminated: operator `only` ran over its time limit of 1 s"]);
    assert_eq!(log(&platform, made.job, "only").await, ["begun"]);
    let extended = platform.job_extended(made.job).await.unwrap();
    assert_eq!(extended.operators[0].end.as_ref().unwrap().reason, EndReason::TimedOut);
    let operator = &report.operators[0];
    let took = operator.stopped.unwrap().duration_since(operator.started.unwrap()).unwrap();
    assert!(took < std::time::Duration::from_secs(60), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_ends_once_starts_once_and_can_be_canceled_before() {
    let folder = tempfile::tempdir().unwrap();
    let Some(platform) = open(folder.path()).await else { return };
    let pipeline = create_pipeline(&platform, &one("sleep 600")).await;
    let pending = create_job(&platform, pipeline, "never started").await;
    let standing = platform.cancel_job(pending.job, Some("not needed".into())).await.unwrap();
    assert_eq!((standing.state, standing.status), (JobState::Stopped, JobStatus::Canceled));
    assert_eq!(platform.job(pending.job).await.unwrap().messages, ["canceled: not needed"]);
    let refused = platform.cancel_job(pending.job, None).await.unwrap_err();
    assert_eq!(
        (refused.code, refused.messages[0].as_str()),
        (code::JOB_NOT_CANCELED, "Failed to cancel job.")
    );
    let refused = platform.start_job(pending.job, BTreeMap::new()).await.unwrap_err();
    assert_eq!(refused.code, code::JOB_NOT_STARTED);

    let running = create_job(&platform, pipeline, "running").await;
    start(&platform, running.job).await;
    assert_eq!(
        platform.start_job(running.job, BTreeMap::new()).await.unwrap_err().code,
        code::JOB_NOT_STARTED,
        "a job starts once"
    );
    let mut changes = platform.events().last();
    while platform.job(running.job).await.unwrap().details.state != JobState::Running {
        changes.changed().await.unwrap();
    }
    platform.cancel_job(running.job, None).await.unwrap();
    let report = end(&platform, running.job).await;
    assert_eq!(report.details.status, JobStatus::Canceled);

    let states = JobFilter { statuses: [JobStatus::Canceled].into(), ..JobFilter::default() };
    use tokio_stream::StreamExt;
    let listed: Vec<_> = platform.jobs(states).map(|job| job.unwrap().id).collect().await;
    assert_eq!(listed, [pending.job, running.job]);
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_must_be_declared_and_definitions_must_hold_together() {
    let folder = tempfile::tempdir().unwrap();
    let Some(platform) = open(folder.path()).await else { return };
    let pipeline = create_pipeline(&platform, LINES).await;
    let made = create_job(&platform, pipeline, "lines").await;
    let unknown = BTreeMap::from([("KEPT".to_owned(), "2".to_owned())]);
    let refused = platform.start_job(made.job, unknown).await.unwrap_err();
    assert_eq!(refused.code, code::JOB_VARIABLES_INVALID);
    assert_eq!(platform.job(made.job).await.unwrap().details.state, JobState::Pending);

    let broken = LINES.replace("from: cutter", "from: cuter");
    let file = platform_api::pipeline::DefinitionFile { path: "p.yaml".into(), content: broken };
    let refused = platform.create_pipeline(None, vec![file], Default::default()).await.unwrap_err();
    assert_eq!(refused.code, code::DEFINITION_INVALID);
    assert!(refused.messages[0].starts_with("p.yaml:20:11: "), "{:?}", refused.messages);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_asks_for_more_than_the_machine_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let Some(platform) = open(folder.path()).await else { return };
    let greedy = one("true").replace("  output:", "  requests:\n    gpu: 64\n  output:");
    let file = platform_api::pipeline::DefinitionFile { path: "p.yaml".into(), content: greedy };
    let refused = platform.create_pipeline(None, vec![file], Default::default()).await.unwrap_err();
    assert_eq!(refused.code, code::DEFINITION_NEVER_FITS);
}
