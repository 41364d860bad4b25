//! A writer that is killed at any moment loses nothing it acknowledged and leaves nothing half done.
//!
//! The writer is this test's own program in a process of its own. It prints a line for each commit after the receipt
//! resolved; the parent kills it without warning after a random number of lines.

#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]
#![cfg(unix)]

mod repository_support;

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use platform_api::job::{JobState, JobStatus, OperatorStatus};
use platform_server::repository::{Change, JobFilter, OperatorRow, Repository};
use repository_support::*;

const CALLERS: u128 = 6;
const ROUNDS: u64 = 40;

/// Jobs of a caller are numbered so that no two rounds or callers share one.
fn job_number(round: u128, caller: u128, n: u128) -> u128 {
    (round * CALLERS + caller) * 100_000 + n
}

fn event(n: u128, body: &str) -> Change {
    Change::Event { at_ms: 0, kind: "job".into(), subject: job_id(n).to_string(), body: body.into() }
}

fn run_operator(n: u128, index: u32) -> Change {
    Change::PutOperator(
        job_id(n),
        OperatorRow { started_ms: Some(6000), ..operator(index, OperatorStatus::Running) },
    )
}

fn create(repository: &dyn Repository, n: u128) -> Vec<Change> {
    let mut changes = job_changes(new_job(n, 1, definition_of(repository, 1), 3));
    changes.push(event(n, "created"));
    changes
}

/// All operators begin and the job runs: one transaction.
fn begin(n: u128) -> Vec<Change> {
    let (state, status) = (JobState::Running, JobStatus::Healthy);
    let mut changes: Vec<_> = (0..3).map(|index| run_operator(n, index)).collect();
    changes.push(Change::UpdateJob {
        job: job_id(n),
        state,
        status,
        started_ms: Some(6000),
        stopped_ms: None,
        ran_ms: 0,
        clock_since_ms: None,
    });
    changes.push(event(n, "running"));
    changes
}

fn stop(n: u128) -> Vec<Change> {
    let (state, status) = (JobState::Stopped, JobStatus::Faulted);
    let update = Change::UpdateJob {
        job: job_id(n),
        state,
        status,
        started_ms: None,
        stopped_ms: Some(7000),
        ran_ms: 0,
        clock_since_ms: None,
    };
    vec![Change::AddJobMessage(job_id(n), "over".into()), update, event(n, "stopped")]
}

/// Run by the test below in a process of its own; never ends by itself.
#[test]
fn child_that_writes() {
    let Ok(place) = std::env::var("CRASH_PLACE") else { return };
    let round: u128 = std::env::var("CRASH_ROUND").unwrap().parse().unwrap();
    let repository = Place::from_text(&place).open();
    let repository = repository.as_ref();
    let pipe = Mutex::new(std::io::stdout());
    let acknowledge = |n: u128, step: &str| {
        let mut pipe = pipe.lock().unwrap();
        pipe.write_all(format!("\nack {n} {step}\n").as_bytes()).unwrap();
        pipe.flush().unwrap();
    };
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let acknowledge = &acknowledge;
            scope.spawn(move || {
                for n in (0..).map(|n| job_number(round, caller, n)) {
                    repository.commit(create(repository, n)).wait().unwrap();
                    acknowledge(n, "created");
                    repository.commit(begin(n)).wait().unwrap();
                    acknowledge(n, "running");
                    // Half of the jobs go on, so that each state is met by the kill.
                    if n % 2 == 0 {
                        repository.commit(stop(n)).wait().unwrap();
                        acknowledge(n, "stopped");
                    }
                }
            });
        }
    });
}

/// The next number of a fixed sequence: the run can be repeated, the moments of the kills are the machine's own.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

/// Writes until it is killed; what it acknowledged is added to `known` by the job's number.
fn write_and_kill(place: &str, round: u64, lines: u64, known: &mut BTreeMap<u128, String>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_writes", "--nocapture"])
        .env("CRASH_PLACE", place)
        .env("CRASH_ROUND", round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut seen = 0;
    let mut line = String::new();
    let mut killed = false;
    loop {
        line.clear();
        if output.read_line(&mut line).unwrap() == 0 {
            break;
        }
        // A line that the kill cut in two was not acknowledged.
        let Some(text) = line.strip_suffix('\n').and_then(|line| line.strip_prefix("ack ")) else { continue };
        let (n, step) = text.split_once(' ').unwrap();
        known.insert(n.parse().unwrap(), step.to_owned());
        seen += 1;
        if seen == lines {
            child.kill().unwrap();
            killed = true;
        }
    }
    child.wait().unwrap();
    assert!(killed, "the writer ended by itself after {seen} lines");
}

fn check(place: &Place, known: &BTreeMap<u128, String>) {
    // Opening looks at the whole file and at every reference, where it is a file.
    let repository = place.open();
    let mut events: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in repository.events(0, usize::MAX).unwrap() {
        events.entry(event.subject).or_default().push(event.body);
    }
    let mut numbers = HashSet::new();
    let mut after = None;
    loop {
        let page = repository.jobs(&JobFilter::default(), after, 1000).unwrap();
        for job in page.jobs {
            numbers.insert(job.id);
            let details = repository.job_details(job.id).unwrap().unwrap();
            let told = events.remove(&job.id.to_string()).unwrap_or_default();
            let (status, messages, story): (_, usize, &[&str]) = match job.state {
                JobState::Pending => (OperatorStatus::Pending, 0, &["created"]),
                JobState::Running => (OperatorStatus::Running, 0, &["created", "running"]),
                JobState::Stopped => (OperatorStatus::Running, 1, &["created", "running", "stopped"]),
            };
            assert_eq!(details.operators.len(), 3);
            assert!(details.operators.iter().all(|operator| operator.status == status));
            assert_eq!(details.messages.len(), messages);
            assert_eq!(told, story);
            assert!(repository.payload(job.payload).unwrap().is_some());
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert!(events.is_empty(), "events of jobs that do not exist: {events:?}");
    for (n, step) in known {
        assert!(numbers.contains(&job_id(*n)), "job {n} was acknowledged as {step} and is gone");
        let state = repository.job(job_id(*n)).unwrap().unwrap().state;
        let least = match step.as_str() {
            "created" => JobState::Pending,
            "running" => JobState::Running,
            _ => JobState::Stopped,
        };
        assert!(state >= least, "job {n} was acknowledged as {step} and is {state:?}");
    }
}

#[test]
fn a_writer_killed_at_any_moment_keeps_what_it_acknowledged_and_nothing_half_done() {
    with_each_place(|place, text| {
        place.open().commit(vec![create_pipeline(1, "x")]).wait().unwrap();
        let mut seed = 20_260_101;
        let mut known = BTreeMap::new();
        // A database server does not die with its client: fewer kills tell as much.
        let rounds = if matches!(place, Place::Sqlite(_)) { ROUNDS } else { ROUNDS / 4 };
        for round in 0..rounds {
            let lines = 1 + next(&mut seed) % 60;
            write_and_kill(text, round, lines, &mut known);
            check(place, &known);
        }
        assert!(known.len() > 50, "{}", known.len());
    });
}
