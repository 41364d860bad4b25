//! Jobs: made, started, listed, described, canceled, their logs and events.

use platform_api::proto::extension::watch_response::Event;
use platform_api::proto::extension::{Bookmark, Cursor, LogAppended, ResyncNeeded, WatchResponse};

use super::fake::Fault;
use super::{Server, keeps_contract};

#[test]
fn creating_prints_what_scripts_cut_out() {
    let server = Server::start();
    let pipeline = server.pipeline();
    let text = server.text(&["create", "job", "-n", "scan", "-p", &pipeline, "-i", "high"]);
    let mut lines = text.lines();
    let job = lines.next().unwrap().split(':').nth(1).unwrap().to_owned();
    assert!(lines.next().unwrap().starts_with("PAYLOAD_ID:"));
    assert_eq!(lines.next(), None);
    let made = server.fake.state().jobs[0].clone();
    assert_eq!((made.id, made.name.as_str(), made.priority, made.state), (job, "scan", 3, 1));
}

#[test]
fn a_job_with_everything_is_made_in_one_go() {
    let server = Server::start();
    let pipeline = server.pipeline();
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("series")).unwrap();
    std::fs::write(folder.path().join("series/1.dcm"), "one").unwrap();
    std::fs::write(folder.path().join("empty"), "").unwrap();
    let input = server.json(&["create", "payload", "-f", super::path(&folder.path().join("empty"))]);
    let document = server.json(&[
        "create",
        "jobs",
        "--name",
        "scan",
        "--pipeline",
        &pipeline,
        "-f",
        super::path(folder.path()),
        "--start",
        "--var",
        "threshold=5",
        "--metadata",
        "Source=test",
        "--input",
        input["payload_id"].as_str().unwrap(),
        "--wait",
    ]);
    assert_eq!((&document["state"], &document["status"]), (&"stopped".into(), &"healthy".into()));
    assert_eq!((&document["files"], &document["bytes"]), (&2.into(), &3.into()));
    let state = server.fake.state();
    assert_eq!(state.jobs[0].variables["threshold"], "5");
    assert_eq!(state.jobs[0].metadata["Source"], "test");
    let files: Vec<_> = state.payloads[&state.jobs[0].payload_id].files.keys().cloned().collect();
    assert_eq!(files, ["/input/empty", "/input/series/1.dcm"]);
}

#[test]
fn waiting_for_a_job_that_fails_ends_with_one_and_says_why() {
    let server = Server::start();
    let pipeline = server.pipeline();
    server.fake.state().course = vec![(2, 1), (3, 2)];
    let text = server.fails(&["create", "job", "-n", "a", "-p", &pipeline, "-s", "--wait"], 1);
    assert!(text.contains("ended faulted: operator `segment` exited with code 3"), "{text}");
}

#[test]
fn description_keeps_the_lines_that_scripts_count() {
    let server = Server::start();
    let id = server.fake.add_job("a \u{1b}[31m job", 3, 1);
    for server_has_more in [true, false] {
        let other = Server::without_extension();
        other.fake.add_job("a \u{1b}[31m job", 3, 1);
        let server = if server_has_more { &server } else { &other };
        let id = if server_has_more { id.clone() } else { other.fake.state().jobs[0].id.clone() };
        let text = server.text(&["describe", "job", "-j", &id]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[5].ends_with("JOB_STATUS_HEALTHY"), "{text}");
        assert!(lines[6].ends_with("JOB_STATE_STOPPED"), "{text}");
        assert!(lines[9].ends_with(" 1"), "{text}");
        assert!(text.contains("2021-03-08 18:06:36Z") && text.contains("segment"), "{text}");
        assert!(!text.contains('\u{1b}'), "a name commands no terminal");
        let document = server.json(&["describe", "jobs", &id]);
        assert_eq!(document["stopped"], "2021-03-08T18:06:36Z");
        assert_eq!(document.get("timeout_secs").is_some(), server_has_more);
    }
}

#[test]
fn every_filter_works_alone_and_together() {
    let server = Server::start();
    let pipeline = server.pipeline();
    for (name, state, status) in [
        ("p", 1, 1),
        ("r", 2, 1),
        ("f", 2, 2),
        ("h", 3, 1),
        ("x", 3, 2),
        ("c", 3, 3),
        ("e", 3, 4),
        ("t", 3, 5),
    ] {
        server.fake.add_job(name, state, status);
    }
    server.fake.state().jobs[4].pipeline_id = pipeline.clone();
    server.fake.state().jobs[0].created += 3600;
    let names = |flags: &[&str]| {
        let document = server.json(&[&["list", "jobs"], flags].concat());
        let names =
            document["jobs"].as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap().to_owned());
        names.collect::<String>()
    };
    for (flags, expected) in [
        (&[][..], "prfhxcet"),
        (&["--all"], "prfhxcet"),
        (&["--pending"], "p"),
        (&["--running"], "rf"),
        (&["--stopped"], "hxcet"),
        (&["--pending", "--running"], "prf"),
        (&["--faulted"], "fx"),
        (&["--canceled"], "c"),
        (&["--cancelled"], "c"),
        (&["--evicted", "--terminated"], "et"),
        (&["--stopped", "--healthy"], "h"),
        (&["--stopped", "--faulted", "--canceled"], "xc"),
        (&["--pending", "--faulted"], ""),
        (&["--all", "--stopped", "--healthy"], "prfhxcet"),
        (&["--created-after", "2021-03-08T18:30:00Z"], "p"),
        (&["--created-after", "2021-03-08T19:30:00+01:00"], "p"),
        (&["--completed-before", "2021-03-09"], "hxcet"),
        (&["--completed-before", "2021-03-08"], ""),
        (&["--all", "--completed-before", "2021-03-09"], "hxcet"),
    ] {
        assert_eq!(names(flags), expected, "{flags:?}");
    }
    assert_eq!(names(&["--pipeline", &pipeline[..4]]), "x");
    let text = server.text(&["list", "job", "--canceled"]);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("ID ") && lines[1].contains("canceled") && lines.len() == 2, "{text}");
    assert_eq!(server.text(&["list", "jobs", "--canceled", "-q"]).trim().len(), 32);
}

#[test]
fn the_flags_of_the_platforms_own_tools_are_known() {
    let server = Server::start();
    for flag in ["--host", "--target"] {
        let output = super::command(&["list", "jobs", "--verbose", flag, &server.address]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{flag}: {}", crate::stderr(&output));
        assert!(!output.stderr.is_empty(), "--verbose tells what happens");
    }
}

#[test]
fn states_are_filtered_even_where_the_server_does_not() {
    let server = Server::start();
    server.fake.add_job("p", 1, 1);
    server.fake.add_job("s", 3, 1);
    server.fake.state().forgets_states_alone = true;
    let document = server.json(&["list", "jobs", "--stopped"]);
    assert_eq!(document["jobs"].as_array().unwrap().len(), 1);
}

#[test]
fn identifiers_may_be_cut_short_as_long_as_they_say_one() {
    let server = Server::start();
    let (first, second) = (server.fake.add_job("a", 1, 1), server.fake.add_job("b", 1, 1));
    assert_eq!(first[..1], second[..1]);
    let text = server.fails(&["describe", "job", "-j", &first[..1]], 2);
    assert!(text.contains("2 jobs begin with") && text.contains(&first) && text.contains(&second), "{text}");
    assert!(server.text(&["describe", "job", "-j", &second[..2].to_uppercase()]).contains(&second));
    assert!(server.fails(&["describe", "job", "-j", "ffff"], 1).contains("no job begins with `ffff`"));
    assert!(server.fails(&["describe", "job", "-j", "scan"], 2).contains("no identifier"));
}

#[test]
fn refusals_look_as_the_platforms_own_tool_shows_them() {
    let server = Server::start();
    let (over, running) = (server.fake.add_job("a", 3, 1), server.fake.add_job("b", 2, 1));
    let output = server.run(&["cancel", "jobs", &over, &running]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(crate::stderr(&output), "Error: Code: -8452, Failed to cancel job.\n");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains(&running) && text.contains("JOB_STATUS_CANCELED"),
        "the others are still canceled: {text}"
    );
    server.fake.fail("Jobs.List", Fault::Status(tonic::Code::Internal, "broken"));
    let text = server.fails(&["list", "jobs"], 1);
    assert!(text.starts_with("error: ") && text.contains("broken"), "{text}");
}

#[test]
fn a_pending_job_is_started_moved_and_deleted() {
    let server = Server::start();
    let id = server.fake.add_job("a", 1, 1);
    assert_eq!(server.json(&["set", "priority", "-j", &id, "immediate"])["priority"], "immediate");
    let document = server.json(&["start", "job", "-j", &id, "--var", "a=b", "--wait"]);
    assert_eq!(document["state"], "stopped");
    assert_eq!(server.fails(&["start", "job", &id], 1), "Error: Code: -8453, it was started before\n");
    let text = server.fails(&["set", "priority", "-j", &id, "low"], 1);
    assert_eq!(text, "Error: Code: FAILED_PRECONDITION, the job is not pending\n");
    let document = server.json(&["delete", "job", "-j", &id]);
    assert_eq!(document["deleted"][0], *id);
    assert!(server.fake.state().payloads.is_empty());
    assert_eq!(server.fake.count("Jobs.Cancel"), 0, "a job that is over is not canceled");
}

#[test]
fn logs_come_byte_for_byte_from_servers_of_both_kinds() {
    let server = Server::start();
    let id = server.fake.add_job("a", 2, 1);
    server.fake.state().logs.insert("segment".to_owned(), b"one\n\xfftwo\nthree".to_vec());
    let output = server.run(&["logs", "-j", &id, "-o", "segment", "-f"]);
    assert_eq!(output.stdout, b"one\n\xfftwo\nthree");
    let output = server.run(&["logs", "-j", &id, "-o", "segment", "--tail", "5"]);
    assert_eq!(output.stdout, b"three");
    let text = server.text(&["logs", "-j", &id, "-o", "segment", "--json"]);
    for line in text.lines() {
        keeps_contract("logs", &serde_json::from_str(line).unwrap());
    }
    assert!(server.fails(&["logs", "-j", &id, "-o", "none"], 1).contains("no such operator"));
    let old = Server::without_extension();
    let id = old.fake.add_job("a", 2, 1);
    old.fake.state().logs.insert("segment".to_owned(), b"one\ntwo\n".to_vec());
    assert_eq!(old.text(&["logs", "-j", &id, "-o", "segment"]), "one\ntwo\n");
    assert!(old.fails(&["logs", "-j", &id, "-o", "segment", "-f"], 1).contains("whole logs only"));
}

#[test]
fn changes_are_printed_one_a_line_and_survive_a_broken_connection() {
    let server = Server::start();
    let job_id = server.fake.add_job("a", 2, 1);
    let event = |sequence, event| WatchResponse {
        cursor: Some(Cursor { epoch: "e".to_owned(), sequence }),
        time: Some(prost_types::Timestamp { seconds: 1_615_226_791, nanos: 0 }),
        event: Some(event),
    };
    let log = LogAppended { job_id, operator_name: "segment".to_owned(), log_bytes: 5 };
    server.fake.state().events = vec![
        event(1, Event::Bookmark(Bookmark {})),
        event(2, Event::LogAppended(log)),
        event(3, Event::ResyncNeeded(ResyncNeeded { reason: "slow".to_owned() })),
    ];
    server.fake.fail("Events.Watch", Fault::Break(2));
    let text = server.text(&["watch", "-n", "2", "--json"]);
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines.iter().for_each(|line| keeps_contract("watch", line));
    assert_eq!((&lines[0]["kind"], &lines[1]["kind"]), (&"log".into(), &"resync".into()));
    assert!(server.text(&["watch", "-n", "1"]).starts_with("2021-03-08 18:06:31Z  log"));
}
