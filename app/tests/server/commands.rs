//! A pipeline from its definition to a downloaded file, with the command line alone.

use super::{Server, lantern, settings, text};

pub(super) const LINES: &str = r#"
api-version: 0.4.0
name: line-counter
operators:
- name: cutter
  container:
    image: lantern/shell
    command: ["/bin/sh", "-c", "echo cutting; for f in /in/*; do head -n 2 $f > /out/$(basename $f); done"]
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

#[test]
fn a_job_goes_from_definition_to_download() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(&folder.path().join("data"), &settings(folder.path())) else { return };
    let definition = folder.path().join("lines.yaml");
    std::fs::write(&definition, LINES).unwrap();
    let input = folder.path().join("input");
    std::fs::create_dir(&input).unwrap();
    std::fs::write(input.join("a.txt"), "one\ntwo\nthree\n").unwrap();
    std::fs::write(input.join("b.txt"), "four\n").unwrap();

    text(lantern(&server, &["create", "pipelines", "-p", definition.to_str().unwrap()]));
    let pipelines = text(lantern(&server, &["list", "pipelines", "--json"]));
    let pipelines: serde_json::Value = serde_json::from_str(&pipelines).unwrap();
    let pipeline = pipelines["pipelines"][0]["pipeline_id"].as_str().unwrap();
    let input = input.to_str().unwrap();
    let created = text(lantern(
        &server,
        &["create", "job", "-n", "lines", "-p", pipeline, "-f", input, "-s", "--wait"],
    ));
    let job = created.lines().next().unwrap().strip_prefix("JOB_ID:").unwrap().to_owned();

    let described = text(lantern(&server, &["describe", "job", "-j", &job]));
    assert!(described.contains("HEALTHY") && described.contains("STOPPED"), "{described}");
    assert_eq!(text(lantern(&server, &["logs", "-j", &job, "-o", "cutter"])).trim(), "cutting");
    let stopped = text(lantern(&server, &["list", "jobs", "--stopped", "--healthy"]));
    assert!(stopped.contains("lines"), "{stopped}");
    let faulted = text(lantern(&server, &["list", "jobs", "--stopped", "--faulted"]));
    assert!(!faulted.contains("lines"), "{faulted}");

    let target = folder.path().join("results");
    let from = format!("{job}:/operators/counter/counts/*");
    text(lantern(&server, &["download", &from, target.to_str().unwrap()]));
    let found = walkdir::WalkDir::new(&target).into_iter().map(|entry| entry.unwrap().into_path());
    let file = found.into_iter().find(|path| path.ends_with("lines.txt")).expect("it was downloaded");
    assert_eq!(std::fs::read_to_string(file).unwrap().trim(), "3");

    let refused = lantern(&server, &["cancel", "job", "-j", &job]);
    assert_eq!(refused.status.code(), Some(1));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("Error: Code: -8452, Failed to cancel job."), "{told}");
}
