//! What the process executor promises, held against real programs: how runs end, and what is told of them.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, which the lint takes for other code")]

mod executor_support;

use std::time::Duration;

use executor_support::*;
use platform_server::executor::log::{LogRecord, LogSource};
use platform_server::executor::spec::{Access, Limits, Mount};
use platform_server::executor::{
    Cancel, CancelCause, Executor, ExecutorError, Outcome, RunEvent, RunSpec, Submitted,
};

#[tokio::test]
async fn exit_codes_and_signals_are_told_apart() {
    for bench in benches().await {
        assert_eq!(bench.run(sh("exit 0")).await.outcome, Outcome::Exited { code: 0 });
        assert_eq!(bench.run(sh("exit 3")).await.outcome, Outcome::Exited { code: 3 });
        assert_eq!(bench.run(sh("exit 137")).await.outcome, Outcome::Exited { code: 137 });
        assert_eq!(bench.run(sh("kill -SEGV $$")).await.outcome, Outcome::Signaled { signal: 11 });
        assert_eq!(bench.run(sh("kill -KILL $$")).await.outcome, Outcome::Signaled { signal: 9 });
    }
}

#[tokio::test]
async fn a_program_that_is_not_there_is_not_started() {
    for bench in benches().await {
        for name in ["/no/such/program", "no-such-program", "/etc/passwd"] {
            let end = bench.run(RunSpec { command: vec![name.into()], ..RunSpec::default() }).await;
            assert!(matches!(&end.outcome, Outcome::NotStarted { reason } if !reason.is_empty()), "{end:?}");
            assert_eq!(end.started_at, None);
        }
        let end = bench.run(RunSpec { working_dir: "/no/such".into(), ..sh("true") }).await;
        assert!(matches!(end.outcome, Outcome::NotStarted { .. }), "{end:?}");
    }
}

#[tokio::test]
async fn a_run_starts_before_it_ends_and_tells_each_once() {
    for bench in benches().await {
        let mut events = bench.executor.observe();
        let token = new_token();
        bench.executor.submit(token, sh("exit 5")).await.unwrap();
        let RunEvent::Started { token: started, at } = events.recv().await.unwrap() else {
            panic!("ends first")
        };
        let RunEvent::Ended { token: ended, end } = events.recv().await.unwrap() else {
            panic!("starts twice")
        };
        assert_eq!((started, ended, Some(at)), (token, token, end.started_at));
        assert!(at <= end.ended_at);
        assert_eq!(end.outcome, Outcome::Exited { code: 5 });
        assert!(events.try_recv().is_err());
    }
}

#[tokio::test]
async fn the_same_token_runs_once() {
    for bench in benches().await {
        let dir = bench.folder("count");
        let count = RunSpec {
            mounts: vec![bench.mount(&dir, "/output", Access::Writable)],
            ..sh("echo x >> \"$WHERE/runs\"; sleep 0.1")
        };
        let mut count = count;
        count.environment.insert("WHERE".into(), count.mounts[0].place.clone());
        let token = new_token();
        let mut events = bench.executor.observe();
        let both = tokio::join!(
            bench.executor.submit(token, count.clone()),
            bench.executor.submit(token, count.clone()),
        );
        let mut both = [both.0.unwrap(), both.1.unwrap()];
        both.sort_by_key(|one| *one == Submitted::Already);
        assert_eq!(both, [Submitted::Started, Submitted::Already]);
        end_of(&mut events, token).await;
        assert_eq!(bench.executor.submit(token, count).await.unwrap(), Submitted::Already);
        assert_eq!(std::fs::read_to_string(dir.join("runs")).unwrap(), "x\n");
    }
}

#[tokio::test]
async fn both_streams_are_logged_with_their_time_and_can_be_read_from_any_place() {
    for bench in benches().await {
        let token = new_token();
        let end =
            bench.run_as(token, sh("echo one; sleep 0.05; echo two >&2; sleep 0.05; printf three")).await;
        let all = bench.executor.logs(token, 0, usize::MAX).await.unwrap();
        let printed: Vec<&LogRecord> = all.records.iter().filter(|record| is_printed(record)).collect();
        let texts: Vec<_> = printed.iter().map(|record| (record.source, record.bytes.as_slice())).collect();
        let wanted: [(LogSource, &[u8]); 3] =
            [(LogSource::Output, b"one\n"), (LogSource::Error, b"two\n"), (LogSource::Output, b"three")];
        assert_eq!(texts, wanted);
        assert!(printed.windows(2).all(|pair| pair[0].at <= pair[1].at));
        assert!(
            printed.iter().all(|record| record.at >= end.started_at.unwrap() && record.at <= end.ended_at)
        );

        let (mut at, mut again) = (0, Vec::new());
        loop {
            let chunk = bench.executor.logs(token, at, 1).await.unwrap();
            if chunk.next == at {
                break;
            }
            at = chunk.next;
            again.extend(chunk.records);
        }
        assert_eq!(again, all.records);
        let unknown = bench.executor.logs(new_token(), 0, 1).await;
        assert!(matches!(unknown, Err(ExecutorError::UnknownRun { .. })));
    }
}

#[tokio::test]
async fn a_flood_of_binary_output_arrives_whole_up_to_its_limit() {
    const WHOLE: u64 = 64 << 20;
    for bench in benches().await {
        let token = new_token();
        let flood = sh("head -c 67108864 /dev/zero | tr '\\0' '\\377'");
        let end = bench.run_as(token, flood.clone()).await;
        assert_eq!(end.outcome, Outcome::Exited { code: 0 });
        assert_eq!((read_through(&bench, token).await, end.dropped_log_bytes), (WHOLE, 0));

        let token = new_token();
        let limits = Limits { log_bytes: 1_000_003, ..Limits::default() };
        let end = bench.run_as(token, RunSpec { limits, ..flood }).await;
        assert_eq!(end.outcome, Outcome::Exited { code: 0 });
        assert_eq!(
            (read_through(&bench, token).await, end.dropped_log_bytes),
            (1_000_003, WHOLE - 1_000_003)
        );
        let chunk = bench.executor.logs(token, 0, usize::MAX).await.unwrap();
        let marker = chunk.records.last().unwrap();
        assert_eq!(marker.source, LogSource::Note);
        assert!(String::from_utf8_lossy(&marker.bytes).contains("cut"));
    }
}

/// Counts what was printed, and holds each byte against what it has to be.
async fn read_through(bench: &Bench, token: platform_server::executor::RunToken) -> u64 {
    let (mut at, mut bytes) = (0, 0);
    loop {
        let chunk = bench.executor.logs(token, at, 1 << 20).await.unwrap();
        if chunk.next == at {
            return bytes;
        }
        at = chunk.next;
        for record in chunk.records.iter().filter(|record| is_printed(record)) {
            assert!(record.bytes.iter().all(|byte| *byte == 0xff));
            bytes += record.bytes.len() as u64;
        }
    }
}

#[tokio::test]
async fn a_polite_cancel_lets_the_operator_clean_up() {
    for bench in benches().await {
        let token = new_token();
        let mut events = bench.executor.observe();
        let script = "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done";
        bench.executor.submit(token, sh(script)).await.unwrap();
        until_printed(&bench, token, "ready").await;
        bench.executor.cancel(token, cancel(PATIENCE)).await.unwrap();
        let end = end_of(&mut events, token).await;
        assert_eq!(end.outcome, Outcome::Canceled);
        // Besides, a shell may say that its child was ended too.
        let printed = bench.printed(token).await;
        assert!(printed.starts_with("ready\n") && printed.contains("bye\n"), "{printed}");
        // Over is over.
        bench.executor.cancel(token, cancel(Duration::ZERO)).await.unwrap();
    }
}

#[tokio::test]
async fn who_ignores_the_signal_is_ended_after_the_grace() {
    for bench in benches().await {
        let token = new_token();
        let mut events = bench.executor.observe();
        // Children that ignore it too, one of them in a session of its own.
        let script =
            "trap '' TERM; setsid sh -c 'while :; do sleep 1; done' & echo ready; while :; do sleep 1; done";
        bench.executor.submit(token, sh(script)).await.unwrap();
        until_printed(&bench, token, "ready").await;
        let timed_out = Cancel { grace: Duration::from_millis(100), because: CancelCause::TimedOut };
        bench.executor.cancel(token, timed_out).await.unwrap();
        let end = end_of(&mut events, token).await;
        assert_eq!(end.outcome, Outcome::TimedOut);
        assert!(end.ended_at.duration_since(end.started_at.unwrap()).unwrap() >= Duration::from_millis(100));
        bench.assert_gone(token).await;
    }
}

#[tokio::test]
async fn a_cancel_right_after_the_submission_is_not_forgotten() {
    for bench in benches().await {
        let token = new_token();
        let mut events = bench.executor.observe();
        bench.executor.submit(token, sh("sleep 1000")).await.unwrap();
        bench.executor.cancel(token, cancel(Duration::ZERO)).await.unwrap();
        assert_eq!(end_of(&mut events, token).await.outcome, Outcome::Canceled);
        let unknown = bench.executor.cancel(new_token(), cancel(Duration::ZERO)).await;
        assert!(matches!(unknown, Err(ExecutorError::UnknownRun { .. })));
    }
}

#[tokio::test]
async fn what_the_operator_leaves_running_ends_with_it() {
    for bench in benches().await {
        let token = new_token();
        let end = bench.run_as(token, sh("setsid sleep 1000 & (sleep 1000 &) ; exit 0")).await;
        assert_eq!(end.outcome, Outcome::Exited { code: 0 });
        bench.assert_gone(token).await;
    }
}

#[tokio::test]
async fn the_environment_is_what_was_asked_for() {
    for bench in benches().await {
        let mut spec = sh("env");
        spec.environment.insert("GREETING".into(), "a b\nc".into());
        spec.environment.insert("CUDA_VISIBLE_DEVICES".into(), "0,1".into());
        let (_, printed) = bench.output(spec).await;
        assert!(printed.contains("GREETING=a b\nc\n"), "{printed}");
        assert!(printed.contains("CUDA_VISIBLE_DEVICES=\n"), "{printed}");
        assert!(printed.contains("NVIDIA_VISIBLE_DEVICES=void\n"), "{printed}");
        assert!(!printed.contains("CARGO"), "{printed}");
    }
}

#[tokio::test]
async fn use_is_counted() {
    for bench in benches().await {
        let end = bench
            .run(sh(
                "head -c 3000000 /dev/zero | sha256sum; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done",
            ))
            .await;
        assert!(end.usage.cpu_time.unwrap() > Duration::from_millis(1), "{end:?}");
        assert!(end.usage.peak_memory_bytes.unwrap() > 100 << 10, "{end:?}");
        assert!(end.usage.read_bytes.unwrap() >= 6_000_000, "{end:?}");
        assert!((3_000_000..8_000_000).contains(&end.usage.written_bytes.unwrap()), "{end:?}");
    }
}

#[tokio::test]
async fn outputs_are_listed_with_their_hash_if_asked() {
    for bench in benches().await {
        let dir = bench.folder("out");
        let mount = bench.mount(&dir, "/output", Access::Writable);
        let script =
            format!("cd {0} && printf abc > b && mkdir c && : > c/d && ln -s /etc/passwd link", mount.place);
        let spec = RunSpec { mounts: vec![mount.clone()], hashes_outputs: true, ..sh(&script) };
        let end = bench.run(spec).await;
        let outputs = end.outputs.unwrap();
        let listed: Vec<_> = outputs.iter().map(|file| (file.path.as_str(), file.size_bytes)).collect();
        assert_eq!(listed, [(&*format!("{}/b", mount.place), 3), (&*format!("{}/c/d", mount.place), 0)]);
        assert!(outputs[0].sha256.starts_with("ba7816bf"));
    }
}

#[tokio::test]
async fn a_full_quota_is_told_as_such() {
    for bench in benches().await {
        let dir = bench.folder("out");
        let mount = bench.mount(&dir, "/output", Access::Writable);
        let limits = Limits { disk_bytes: Some(1 << 20), ..Limits::default() };
        let small = format!("head -c 500000 /dev/zero > {}/small", mount.place);
        let spec = |script: &str| RunSpec { mounts: vec![mount.clone()], limits, ..sh(script) };
        let end = bench.run(spec(&small)).await;
        assert_eq!(end.outcome, Outcome::Exited { code: 0 }, "{end:?}");
        assert!(end.usage.disk_bytes.unwrap() >= 500_000);

        // One file over it; many files over it, by an operator that would go on for ever; one that hides its failure.
        let many =
            "i=0; while :; do i=$((i+1)); head -c 100000 /dev/zero > $W/$i; [ $i -lt 15 ] || sleep 1; done";
        for script in
            ["head -c 3000000 /dev/zero > $W/big", many, "head -c 3000000 /dev/zero > $W/big; exit 0"]
        {
            let mut spec = spec(script);
            spec.environment.insert("W".into(), mount.place.clone());
            let end = bench.run(spec).await;
            assert!(
                matches!(end.outcome, Outcome::DiskExceeded { used_bytes, limit_bytes } if used_bytes > limit_bytes),
                "{script}: {end:?}"
            );
            let big: u64 =
                std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
            assert!(big < 4 << 20, "{big}");
        }
    }
}

#[tokio::test]
async fn folders_that_lead_elsewhere_are_refused() {
    for bench in benches().await {
        let dir = bench.folder("in");
        std::os::unix::fs::symlink("/etc", dir.join("link")).unwrap();
        std::fs::write(dir.join("file"), "").unwrap();
        for name in ["link", "link/ssl", "file", "missing", "../in"] {
            let place =
                if bench.has_sandbox { "/input".into() } else { dir.join(name).to_str().unwrap().to_owned() };
            let mount = Mount { host: dir.join(name), place, access: Access::ReadOnly };
            let refused =
                bench.executor.submit(new_token(), RunSpec { mounts: vec![mount], ..sh("true") }).await;
            assert!(refused.is_err(), "{name}");
        }
    }
}

#[tokio::test]
async fn a_run_is_kept_until_it_is_forgotten() {
    for bench in benches().await {
        let token = new_token();
        let mut events = bench.executor.observe();
        bench.executor.submit(token, sh("echo here; sleep 1000")).await.unwrap();
        start_of(&mut events, token).await;
        assert!(matches!(bench.executor.forget(token).await, Err(ExecutorError::StillRunning { .. })));
        bench.executor.cancel(token, cancel(Duration::ZERO)).await.unwrap();
        end_of(&mut events, token).await;
        bench.executor.forget(token).await.unwrap();
        assert!(matches!(bench.executor.logs(token, 0, 1).await, Err(ExecutorError::UnknownRun { .. })));
        bench.executor.forget(token).await.unwrap();
    }
}

#[tokio::test]
async fn a_folder_serves_one_server_at_a_time() {
    let bench = bench_with(false, |_| ()).await.unwrap();
    let second =
        platform_server::executor::process::ProcessExecutor::open(config(bench.folder.path(), false)).await;
    assert!(matches!(second, Err(ExecutorError::InUse { .. })));
}

#[tokio::test]
async fn without_its_sandbox_the_executor_does_not_open() {
    let refused = bench_with(true, |config| {
        config.isolate = platform_server::executor::process::Isolate::Bubblewrap("no-such-bubblewrap".into());
    });
    assert!(matches!(refused.await, Err(ExecutorError::SandboxUnavailable { .. })));
    let broken = bench_with(true, |config| {
        config.isolate = platform_server::executor::process::Isolate::Bubblewrap("/bin/false".into());
    });
    assert!(matches!(broken.await, Err(ExecutorError::SandboxUnavailable { .. })));
}

#[tokio::test]
async fn operators_start_with_no_signal_blocked_or_ignored() {
    for bench in benches().await {
        let (_, printed) = bench.output(sh("grep -E '^Sig(Blk|Ign):' /proc/self/status | tr -d '\\t'")).await;
        let masks: Vec<_> = printed
            .lines()
            .map(|line| u64::from_str_radix(line.split_once(':').unwrap().1, 16).unwrap())
            .collect();
        // Signals 32 and 33 are the C library's own, and may be ignored from further up.
        assert!(masks.len() == 2 && masks.iter().all(|mask| mask & 0x7fff_ffff == 0), "{printed}");
    }
}
