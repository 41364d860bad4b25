//! The load generator.

use super::fake::Fault;
use super::{Server, path};

#[test]
fn jobs_are_named_in_order_and_take_turns_with_pipelines() {
    let server = Server::start();
    let (first, second) = (server.pipeline(), server.pipeline());
    let arguments = ["generate", "-n", "3", "--sequence", "-p", "low", "load", &first, &second];
    let document = server.json(&arguments);
    assert_eq!((&document["jobs"], &document["failed"]), (&3.into(), &0.into()));
    let state = server.fake.state();
    let names: Vec<&str> = state.jobs.iter().map(|job| job.name.as_str()).collect();
    assert_eq!(names, ["cpload-load-1", "cpload-load-2", "cpload-load-3"]);
    let pipelines: Vec<&str> = state.jobs.iter().map(|job| job.pipeline_id.as_str()).collect();
    assert_eq!(pipelines, [&first, &second, &first]);
    assert!(state.jobs.iter().all(|job| job.priority == 1 && job.state == 3));
    // The server's own clock: 3.5 s of a job that was looked at for some milliseconds.
    assert_eq!(document["latencies"]["run"]["p50_ms"], 3500.0);
    assert_eq!(document["latencies"]["upload"]["n"], 0);
}

#[test]
fn data_are_sent_and_failures_are_counted_not_measured() {
    let server = Server::start();
    let pipeline = server.pipeline();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), "aa").unwrap();
    server.fake.fail("Jobs.Create", Fault::Refuse(-8450, "Payload creation failed."));
    let server_option = ["--server", server.address.as_str()];
    let output = super::command(&["generate", "-n", "2", "--sequence", "--json", "load", &pipeline])
        .args(server_option)
        .args(["--", path(folder.path())])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    super::keeps_contract("generate", &document);
    assert_eq!((&document["jobs"], &document["failed"]), (&2.into(), &1.into()));
    assert_eq!(document["failures"][0]["reason"], "code -8450: Payload creation failed.");
    assert_eq!(
        (&document["latencies"]["whole"]["n"], &document["latencies"]["upload"]["n"]),
        (&1.into(), &1.into())
    );
    let state = server.fake.state();
    assert_eq!(state.payloads[&state.jobs[0].payload_id].files["/input/a"], b"aa");
}

#[test]
fn people_get_a_line_for_each_job_and_a_table_on_request() {
    let server = Server::without_extension();
    let pipeline = server.pipeline();
    let text = server.text(&["generate", "load", &pipeline, "--rate", "100", "--stats", "--prefix", "x"]);
    assert!(text.lines().next().unwrap().ends_with("x-load-1  ok"), "{text}");
    for phase in ["create", "start", "queue", "run", "whole", "P99 MS", "1 jobs in", "0 failed"] {
        assert!(text.contains(phase), "{phase}: {text}");
    }
    assert!(server.fails(&["generate", "load", &pipeline, "-n", "0"], 2).contains("--count"));
}
