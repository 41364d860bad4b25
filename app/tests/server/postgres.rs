//! The published calls through the real binary, with records on a PostgreSQL server.

use serde_json::Value;
use test_support::postgres::Cluster;

use super::commands::LINES;
use super::{Server, lantern, text};

#[test]
fn every_step_of_a_job_works_with_records_on_postgresql() {
    let Some(cluster) = Cluster::shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (data, settings) = (folder.path().join("data"), folder.path().join("settings.toml"));
    let database = cluster.database();
    let lines = format!("[storage]\nthreshold-percent = 100\n[database]\nurl = {:?}\n", database.url);
    std::fs::write(&settings, lines).unwrap();
    let Some(mut server) = Server::start(&data, &settings) else { return };
    let definition = folder.path().join("lines.yaml");
    std::fs::write(&definition, LINES).unwrap();
    let input = folder.path().join("a.txt");
    std::fs::write(&input, "one\ntwo\nthree\n").unwrap();

    let after = |line: &str, name: &str| line.strip_prefix(name).expect(name).to_owned();
    let created = text(lantern(&server, &["create", "pipelines", "-p", definition.to_str().unwrap()]));
    let pipeline = after(created.trim(), "PIPELINE_ID:");
    let created = text(lantern(&server, &["create", "job", "-n", "lines", "-p", &pipeline]));
    let mut made = created.lines();
    let job = after(made.next().unwrap(), "JOB_ID:");
    let payload = after(made.next().unwrap(), "PAYLOAD_ID:");
    text(lantern(&server, &["upload", &payload, input.to_str().unwrap()]));
    text(lantern(&server, &["start", "job", "-j", &job, "--wait"]));
    let described: Value =
        serde_json::from_str(&text(lantern(&server, &["describe", "job", "-j", &job, "--json"]))).unwrap();
    assert_eq!((&described["state"], &described["status"]), (&"stopped".into(), &"healthy".into()));
    assert_eq!(text(lantern(&server, &["logs", "-j", &job, "-o", "cutter"])).trim(), "cutting");
    let target = folder.path().join("results");
    let from = format!("{job}:/operators/counter/counts/*");
    text(lantern(&server, &["download", &from, target.to_str().unwrap()]));
    let mut found = walkdir::WalkDir::new(&target).into_iter().map(|entry| entry.unwrap().into_path());
    let file = found.find(|path| path.ends_with("lines.txt")).expect("it was downloaded");
    assert_eq!(std::fs::read_to_string(file).unwrap().trim(), "2");

    // It is PostgreSQL that knows: nothing lies beside the files, and the next server on the database has it all.
    assert!(!data.join("records.sqlite").exists());
    server.kill();
    let server = Server::start(&data, &settings).expect("it was started before");
    let listed = text(lantern(&server, &["list", "jobs", "--stopped", "--healthy"]));
    assert!(listed.contains("lines"), "{listed}");
}
