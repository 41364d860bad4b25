//! A whole job with containers, through a server that was started from its settings.

use std::collections::BTreeMap;

use platform_api::job::{EndReason, JobStatus};
use platform_server::config::Config;
use platform_server::server;

use crate::executor_support::container::{ContainerStore, IMAGE};
use crate::server::*;

/// Operators that a published pipeline would name, with a command that uses what containers are given.
const PIPELINE: &str = r#"
api-version: 0.4.0
name: line-counter
operators:
- name: cutter
  container:
    image: registry.example.com/tools/text
    tag: "1.2"
    command: ["/bin/sh", "-c", "echo $NVIDIA_CLARA_INPUTPATHS; for f in /in/*; do head -n 2 $f > /out/$(basename $f); done"]
  requests:
    cpu: 1
    memory: 256
  input:
  - path: /in
  output:
  - path: /out
- name: counter
  container:
    image: localhost/lantern-test
    tag: "1"
    command: ["/bin/sh", "-c", "cat /cut/* | wc -l > /count/lines.txt; echo $NVIDIA_CLARA_OUTPUTPATHS"]
  input:
  - from: cutter
    path: /cut
  output:
  - name: counts
    path: /count
- name: missing
  container:
    image: localhost/no-such-image
  input:
  - from: counter
    path: /cut
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_containers_goes_from_its_definition_to_its_files() {
    let Some(store) = ContainerStore::shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    let settings = format!(
        "data = {:?}\n[storage]\nthreshold-percent = 100\n[executor]\nengine = \"container\"\n\
         container-program = \"podman\"\ncontainer-arguments = {:?}\npull = \"never\"\n\
         [operators.aliases]\n\"registry.example.com/tools/text:1.2\" = {IMAGE:?}\n",
        folder.path(),
        store.arguments(),
    );
    let config = Config::parse(&settings).unwrap();
    let running = server::start(&config, crate::executor_support::shim()).await.unwrap();
    let platform = running.platform();
    let pipeline = create_pipeline(platform, PIPELINE).await;
    let made = create_job(platform, pipeline, "lines").await;
    upload(platform, made.payload, "a.txt", "one\ntwo\nthree\n").await;
    upload(platform, made.payload, "b.txt", "four\nfive\n").await;
    platform.start_job(made.job, BTreeMap::new()).await.unwrap();
    let report = end(platform, made.job).await;

    // The first two did their work; the third has no image, and the job says so.
    assert_eq!(log(platform, made.job, "cutter").await, ["input:/in"]);
    assert_eq!(log(platform, made.job, "counter").await, ["counts:/count"]);
    assert_eq!(content(platform, made.payload, "/operators/counter/counts/lines.txt").await.trim(), "4");
    assert_eq!(content(platform, made.payload, "/operators/cutter/a.txt").await, "one\ntwo\n");
    assert_eq!(report.details.status, JobStatus::Faulted);
    assert!(report.messages.iter().any(|text| text.contains("localhost/no-such-image:latest")), "{report:?}");
    let extended = platform.job_extended(made.job).await.unwrap();
    let reasons: Vec<_> =
        extended.operators.iter().map(|operator| operator.end.as_ref().unwrap().reason).collect();
    assert_eq!(
        reasons,
        [EndReason::Exited { code: 0 }, EndReason::Exited { code: 0 }, EndReason::NotStarted]
    );
    assert!(store.containers().is_empty(), "{:?}", store.containers());
    running.stop().await;
}
