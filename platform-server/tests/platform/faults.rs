//! Operators that misbehave, and a database that somebody else holds: how jobs end, and that the next one runs.

use std::time::Duration;

use platform_api::job::{EndReason, JobState, JobStatus};
use platform_server::platform::Platform;
use platform_server::repository::SqliteOptions;
use rusqlite::Connection;

use crate::server::*;

/// What every operator here may use: little, so that whoever goes beyond it is found soon.
const DISK_BYTES: u64 = 4 << 20;
const LOG_BYTES: u64 = 1 << 20;
const PROCESSES: u32 = 32;
const LIMIT_MS: u64 = 1_500;

fn one(command: &str) -> String {
    format!(
        "api-version: 0.4.0\nname: one\noperators:\n- name: only\n  container:\n    image: lantern/shell\n    \
         command: [\"/bin/sh\", \"-c\", {command:?}]\n  requests:\n    memory: 64\n  output:\n  - path: /out\n"
    )
}

async fn strict(data: &std::path::Path) -> Option<Platform> {
    open_with(data, |options| {
        options.limits.disk_bytes = Some(DISK_BYTES);
        options.limits.log_bytes = LOG_BYTES;
        options.limits.processes = Some(PROCESSES);
        options.scheduler.default_limit_ms = LIMIT_MS;
        options.scheduler.grace_ms = 200;
    })
    .await
}

/// How a job of one operator ends: itself, its operator, and what it says.
async fn fate(platform: &Platform, command: &str) -> (JobStatus, EndReason, String) {
    let pipeline = create_pipeline(platform, &one(command)).await;
    let made = create_job(platform, pipeline, "misbehaves").await;
    start(platform, made.job).await;
    let report = end(platform, made.job).await;
    let extended = platform.job_extended(made.job).await.unwrap();
    let reason = extended.operators[0].end.as_ref().unwrap().reason;
    (report.details.status, reason, report.messages.join("; "))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operator_that_misbehaves_ends_as_it_should_and_the_next_job_runs() {
    let folder = tempfile::tempdir().unwrap();
    let Some(platform) = strict(folder.path()).await else { return };
    let cases = [
        ("crashes", "kill -SEGV $$", JobStatus::Faulted, EndReason::Signaled { signal: 11 }),
        ("gives up", "exit 7", JobStatus::Faulted, EndReason::Exited { code: 7 }),
        ("hangs", "sleep 600", JobStatus::Terminated, EndReason::TimedOut),
        (
            "hangs, ignores SIGTERM, and so do its children",
            "trap '' TERM; setsid sleep 600 & while :; do sleep 600; done",
            JobStatus::Terminated,
            EndReason::TimedOut,
        ),
        (
            "fills its disk quota",
            "head -c 100000000 /dev/zero > /out/big; sleep 600",
            JobStatus::Faulted,
            EndReason::DiskFull,
        ),
        (
            "writes outside of its folders",
            "touch /usr/mine || touch /in/mine || touch /etc/mine || exit 9",
            JobStatus::Faulted,
            EndReason::Exited { code: 9 },
        ),
        (
            "forks without end",
            "b() { b | b & sleep 0.2; }; b; while :; do sleep 1 & done",
            JobStatus::Terminated,
            EndReason::TimedOut,
        ),
    ];
    for (what, command, status, reason) in cases {
        let (found, why, said) = fate(&platform, command).await;
        // A shell that may fork no more may also give up by itself.
        let has_given_up = what.starts_with("forks") && matches!(why, EndReason::Exited { code: 1.. });
        assert!((found, why) == (status, reason) || has_given_up, "{what}: {found:?} {why:?} {said}");
        assert!(!said.is_empty(), "{what}: nobody is told why");
        assert_eq!(fate(&platform, "exit 0").await.0, JobStatus::Healthy, "after one that {what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_fills_memory_faults_its_job() {
    let folder = tempfile::tempdir().unwrap();
    let Some(platform) = strict(folder.path()).await else { return };
    // `tail` keeps what it may still have to print, and nothing stops it but the limit.
    let command = "head -c 4000000000 /dev/zero | tail -c 4000000000 > /dev/null; exit $?";
    let (status, reason, said) = fate(&platform, command).await;
    assert_eq!(status, JobStatus::Faulted, "{reason:?} {said}");
    // Where the kernel counts no kills, the program meets a limit of its address space instead.
    assert!(matches!(reason, EndReason::OutOfMemory | EndReason::Exited { code: 1.. }), "{reason:?} {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_prints_reaches_readers_as_text_and_cut_where_it_is_too_long() {
    let folder = tempfile::tempdir().unwrap();
    let Some(platform) = strict(folder.path()).await else { return };
    let binary = "printf '\\000\\377\\033[2J\\n\\303'; head -c 200000 /dev/zero | tr '\\0' '\\376'";
    let flood = "yes overflowing | head -c 5000000";
    for (command, most_bytes) in [(binary, 3 * 200_100), (flood, LOG_BYTES as usize + 200)] {
        let pipeline = create_pipeline(&platform, &one(command)).await;
        let made = create_job(&platform, pipeline, "prints").await;
        start(&platform, made.job).await;
        assert_eq!(end(&platform, made.job).await.details.status, JobStatus::Healthy, "{command}");
        let lines = log(&platform, made.job, "only").await;
        let bytes: usize = lines.iter().map(|line| line.len() + 1).sum();
        assert!((1000..=most_bytes).contains(&bytes), "{command}: {bytes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_goes_on_while_somebody_holds_the_database_and_is_written_down_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let busy_timeout = Duration::from_millis(20);
    let opened = open_with(folder.path(), |options| {
        options.sqlite = SqliteOptions { busy_timeout, ..SqliteOptions::default() };
    })
    .await;
    let Some(platform) = opened else { return };
    let gate = folder.path().join("payloads");
    let pipeline =
        create_pipeline(&platform, &one("while [ ! -e /out/go ]; do sleep 0.02; done; echo x > /out/done"))
            .await;
    let made = create_job(&platform, pipeline, "meets a lock").await;
    start(&platform, made.job).await;
    let mut changes = platform.events().last();
    while platform.job(made.job).await.unwrap().details.state != JobState::Running {
        changes.changed().await.unwrap();
    }
    let other = Connection::open(folder.path().join("records.sqlite")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::fs::write(gate.join(made.payload.to_string()).join("operators/only/go"), "").unwrap();
    // Nobody can write now: whoever asks is told so, and whoever reads is answered.
    let refused = platform.cancel_job(made.job, None);
    let refused = tokio::time::timeout(Duration::from_millis(400), refused).await;
    assert!(!matches!(refused, Ok(Ok(_))), "nothing can have been written");
    assert_eq!(platform.job(made.job).await.unwrap().details.state, JobState::Running);
    other.execute_batch("ROLLBACK").unwrap();
    let report = end(&platform, made.job).await;
    // It had ended by itself or was canceled in time; either way all of it is told.
    assert!(matches!(report.details.status, JobStatus::Healthy | JobStatus::Canceled), "{report:?}");
    assert!(report.operators[0].stopped.is_some());
}
