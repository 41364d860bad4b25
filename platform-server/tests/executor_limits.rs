//! Limits that hold, by whichever means this machine has, and without those.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, which the lint takes for other code")]

mod executor_support;

use std::time::Duration;

use executor_support::*;
use platform_server::executor::capabilities::LimitMeans;
use platform_server::executor::spec::Limits;
use platform_server::executor::{Executor, Outcome, RunSpec};

/// Every combination of sandbox and cgroups that this machine gives.
async fn all_benches() -> Vec<Bench> {
    let mut all = benches().await;
    all.extend(sandboxed_with(|config| config.uses_cgroups = false).await);
    all.push(bench_with(false, |config| config.uses_cgroups = false).await.unwrap());
    if !all.iter().any(has_cgroups) {
        missing("limits by cgroups: neither a delegated group of version 2 nor version 1 as root");
    }
    all
}

fn has_cgroups(bench: &Bench) -> bool {
    matches!(bench.executor.capabilities().memory, LimitMeans::CgroupV1 | LimitMeans::CgroupV2)
}

const FILL: &str = "head -c 4000000000 /dev/zero | tail -c 4000000000 > /dev/null";

#[tokio::test]
async fn who_fills_memory_is_ended_for_it() {
    let limits = Limits { memory_bytes: Some(64 << 20), ..Limits::default() };
    for bench in all_benches().await {
        let means = bench.executor.capabilities().memory;
        // `tail` keeps what it may still have to print, and nothing stops it but the limit.
        let end = bench.run(RunSpec { limits, ..sh(&format!("{FILL}; exit $?")) }).await;
        match means {
            LimitMeans::CgroupV1 | LimitMeans::CgroupV2 => {
                assert_eq!(end.outcome, Outcome::OutOfMemory { limit_bytes: 64 << 20 }, "{end:?}");
                assert!(end.usage.memory_kills > 0);
                assert!(!end.usage.is_peak_of_one_process);
                assert!(end.usage.peak_memory_bytes.unwrap() <= 64 << 20);
            }
            // The watchdog saw it, or what it could not see in time met the limit of its address space.
            _ => {
                let refused = matches!(end.outcome, Outcome::Exited { code: 1.. });
                assert!(
                    refused || end.outcome == Outcome::OutOfMemory { limit_bytes: 64 << 20 },
                    "{means}: {end:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn the_watchdog_ends_who_stays_over_the_memory_limit() {
    let limits = Limits { memory_bytes: Some(32 << 20), ..Limits::default() };
    let plain = bench_with(false, |config| config.uses_cgroups = false).await.unwrap();
    for bench in sandboxed_with(|config| config.uses_cgroups = false).await.into_iter().chain([plain]) {
        // Over the limit, below the backstop, and content to stay there: `tail` keeps what it may have to print.
        let script = "(head -c 44000000 /dev/zero; sleep 1000) | tail -c 44000000 > /dev/null";
        let end = bench.run(RunSpec { limits, ..sh(script) }).await;
        assert_eq!(end.outcome, Outcome::OutOfMemory { limit_bytes: 32 << 20 }, "{end:?}");
        assert!(end.usage.peak_memory_bytes.unwrap() > 32 << 20);
    }
}

#[tokio::test]
async fn a_child_that_is_killed_for_memory_is_counted_even_if_the_program_copes() {
    let limits = Limits { memory_bytes: Some(64 << 20), ..Limits::default() };
    for bench in all_benches().await.into_iter().filter(has_cgroups) {
        if bench.executor.capabilities().memory == LimitMeans::CgroupV2 {
            continue; // The whole group ends together there.
        }
        let end = bench.run(RunSpec { limits, ..sh(&format!("{FILL}; exit 0")) }).await;
        assert_eq!(end.outcome, Outcome::Exited { code: 0 });
        assert!(end.usage.memory_kills > 0);
    }
}

#[tokio::test]
async fn who_forks_without_end_meets_the_limit_and_leaves_nothing() {
    let limits = Limits { processes: Some(30), memory_bytes: Some(256 << 20), ..Limits::default() };
    for bench in all_benches().await {
        let means = bench.executor.capabilities().processes;
        if means == LimitMeans::Watchdog {
            continue; // Nothing refuses there, and who forks fast enough outruns whoever looks.
        }
        let token = new_token();
        let mut events = bench.executor.observe();
        let bomb = "b() { b | b & sleep 0.2; }; b; b; b; while :; do sleep 1 & done";
        bench.executor.submit(token, RunSpec { limits, ..sh(bomb) }).await.unwrap();
        start_of(&mut events, token).await;
        let seen = most_processes(token).await;
        bench.executor.cancel(token, cancel(Duration::ZERO)).await.unwrap();
        let end = end_of(&mut events, token).await;
        // The init, bubblewrap and the shim carry the token too; for containers, two programs of the engine.
        assert!(seen <= 34, "{means}: {seen}");
        assert!(
            matches!(
                end.outcome,
                Outcome::Canceled | Outcome::Exited { .. } | Outcome::TooManyProcesses { limit: 30 }
            ),
            "{end:?}"
        );
        if matches!(means, LimitMeans::CgroupV1 | LimitMeans::CgroupV2) {
            assert!(end.usage.refused_processes > 0, "{end:?}");
        }
        bench.assert_gone(token).await;
    }
}

/// The most that were seen at once, of many looks.
async fn most_processes(token: platform_server::executor::RunToken) -> usize {
    let mut most = 0;
    for _ in 0..30 {
        most = most.max(processes_of(token).len());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    most
}

#[tokio::test]
async fn the_watchdog_counts_processes_where_nothing_else_can() {
    let bench = bench_with(false, |config| config.uses_cgroups = false).await.unwrap();
    assert_eq!(bench.executor.capabilities().processes, LimitMeans::Watchdog);
    let limits = Limits { processes: Some(10), ..Limits::default() };
    let token = new_token();
    let script = "i=0; while [ $i -lt 40 ]; do i=$((i+1)); sleep 1000 & done; wait";
    let end = bench.run_as(token, RunSpec { limits, ..sh(script) }).await;
    assert_eq!(end.outcome, Outcome::TooManyProcesses { limit: 10 });
    assert_eq!(processes_of(token), Vec::<u32>::new());
}

#[tokio::test]
async fn within_its_limits_a_run_does_not_notice_them() {
    let limits = Limits {
        cpu_millis: Some(1000),
        memory_bytes: Some(512 << 20),
        processes: Some(64),
        disk_bytes: Some(10 << 20),
        ..Limits::default()
    };
    for bench in all_benches().await {
        let script =
            "for i in 1 2 3; do (echo $i | cat) & done; wait; head -c 1000000 /dev/zero | tail -c 5 | wc -c";
        let (end, printed) = bench.output(RunSpec { limits, ..sh(script) }).await;
        assert_eq!(end.outcome, Outcome::Exited { code: 0 });
        assert!(printed.ends_with("5\n"), "{printed}");
        assert_eq!((end.usage.memory_kills, end.usage.refused_processes), (0, 0));
    }
}

#[tokio::test]
async fn groups_are_gone_when_their_runs_and_their_server_are() {
    let bench = bench_with(false, |_| ()).await.unwrap();
    let is_v2 = match bench.executor.capabilities().memory {
        LimitMeans::CgroupV2 => true,
        LimitMeans::CgroupV1 => false,
        _ => return missing("cgroups: neither a delegated group of version 2 nor version 1 as root"),
    };
    // How the tree is called in a process's list of groups, and in the list of mounts.
    let (mark, kind, options) =
        if is_v2 { ("0::", " - cgroup2 ", "") } else { (":memory:", " - cgroup ", ",memory") };
    let list = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let line = list.lines().find(|line| line.contains(kind) && line.ends_with(options)).unwrap();
    let mount_point = line.split(' ').nth(4).unwrap();
    let marker = new_token();
    let limits = Limits {
        memory_bytes: Some(64 << 20),
        processes: Some(9),
        cpu_millis: Some(500),
        ..Limits::default()
    };
    let mut events = bench.executor.observe();
    let spec = RunSpec { limits, ..sh("cat /proc/self/cgroup; echo told; sleep 1000") };
    bench.executor.submit(marker, spec).await.unwrap();
    until_printed(&bench, marker, "told").await;
    let printed = bench.printed(marker).await;
    let path = printed.lines().find_map(|line| line.split_once(mark)).unwrap().1;
    let group = std::path::PathBuf::from(format!("{mount_point}{path}"));
    assert!(group.is_dir() && path.ends_with(&marker.to_string()), "{}", group.display());
    bench.executor.cancel(marker, cancel(Duration::ZERO)).await.unwrap();
    end_of(&mut events, marker).await;
    assert!(!group.exists());
    drop(bench);
    if is_v2 {
        return; // The folder was given to the server, which lives in it.
    }
    // The last clone may be dropped by a task that ends a little later.
    let wait = async {
        while group.parent().unwrap().exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the folder of the server should go");
}

/// `tests/scenario/cgroup2.sh` brings such a machine.
#[tokio::test]
async fn a_delegated_group_of_version_2_is_taken() {
    let bench = bench_with(false, |_| ()).await.unwrap();
    let capabilities = bench.executor.capabilities();
    if std::env::var_os("REQUIRE_CGROUP_V2").is_none_or(|value| value != "1") {
        eprintln!("not tested here: needs a delegated group of version 2 (make test-cgroup2)");
        return;
    }
    let means = (capabilities.memory, capabilities.processes, capabilities.cpu);
    assert_eq!(means, (LimitMeans::CgroupV2, LimitMeans::CgroupV2, LimitMeans::CgroupV2));
}
