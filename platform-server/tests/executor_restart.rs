//! What becomes of runs when their server is killed, and when somebody kills what stands beside them.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, which the lint takes for other code")]

mod executor_support;

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use executor_support::container::{ContainerStore, contained};
use executor_support::*;
use platform_server::executor::process::{Isolate, ProcessConfig, ProcessExecutor};
use platform_server::executor::spec::Limits;
use platform_server::executor::{Executor, Found, OnRestart, Outcome, RunSpec, RunToken, Submitted};

const FOLDER: &str = "LANTERN_TEST_FOLDER";
const TOKENS: &str = "LANTERN_TEST_TOKENS";
const SCRIPT: &str = "LANTERN_TEST_SCRIPT";
const MODE: &str = "LANTERN_TEST_MODE";
const STORE: &str = "LANTERN_TEST_STORE";

/// Not a test of its own but the server that the others kill: without their environment it does nothing.
#[tokio::test]
async fn hosts_runs_for_the_other_tests() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let text = |name| std::env::var(name).unwrap();
    let store = std::env::var_os(STORE).map(|path| ContainerStore::at(Path::new(&path)));
    let executor = Subject::from(open(Path::new(&folder), &text(MODE), store.as_ref()).await);
    let limits = Limits { memory_bytes: Some(256 << 20), processes: Some(50), ..Limits::default() };
    for token in text(TOKENS).split(',') {
        let spec = RunSpec { limits, ..sh(&text(SCRIPT)) };
        assert_eq!(executor.submit(token.parse().unwrap(), spec).await.unwrap(), Submitted::Started);
    }
    fs::write(Path::new(&folder).join("submitted"), "").unwrap();
    std::future::pending::<()>().await;
}

fn mode_config(folder: &Path, mode: &str) -> ProcessConfig {
    let mut config = config(folder, true);
    if mode.contains("plain") {
        config.isolate = Isolate::Nothing;
    }
    config.uses_cgroups = !mode.contains("groupless");
    config.ends_with_server = mode.contains("mortal");
    config
}

/// The executor of a mode, with a container engine where the mode has one.
async fn open(folder: &Path, mode: &str, store: Option<&ContainerStore>) -> ProcessExecutor {
    let Some(store) = store.filter(|_| mode.contains("container")) else {
        return ProcessExecutor::open(mode_config(folder, mode)).await.unwrap();
    };
    let mut config = store.config(folder);
    config.ends_with_server = mode.contains("mortal");
    platform_server::executor::container::open(config).await.unwrap()
}

/// A server in a process of its own.
struct Host {
    folder: tempfile::TempDir,
    mode: &'static str,
    store: Option<Arc<ContainerStore>>,
    child: Child,
}

impl Host {
    fn start(mode: &'static str, tokens: &[RunToken], script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tokens: Vec<String> = tokens.iter().map(ToString::to_string).collect();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "hosts_runs_for_the_other_tests"]).env(FOLDER, folder.path());
        command.env(TOKENS, tokens.join(",")).env(SCRIPT, script).env(MODE, mode).stdout(Stdio::null());
        let store =
            mode.contains("container").then(|| ContainerStore::shared().expect("the mode is possible"));
        if let Some(store) = &store {
            command.env(STORE, store.folder());
        }
        Self { child: command.spawn().unwrap(), folder, mode, store }
    }

    async fn until_submitted(&mut self) {
        let wait = async {
            while !self.folder.path().join("submitted").exists() {
                assert_eq!(self.child.try_wait().unwrap(), None, "the host failed");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("the host should submit");
    }

    /// Waits for a process of a run, or its end. The host carries the token too, and what it asked for takes a moment.
    async fn until_there(&self, token: RunToken) {
        let manifest = self.folder.path().join(format!("state/runs/{token}.manifest.json"));
        let wait = async {
            while processes_of(token).iter().all(|pid| *pid == self.child.id()) && !manifest.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("the run should be there");
    }

    /// As `kill -9` does, without a chance to say goodbye.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    async fn successor(&self) -> Bench {
        let executor = open(self.folder.path(), self.mode, self.store.as_deref()).await.into();
        let folder = tempfile::tempdir().unwrap();
        Bench { executor, has_sandbox: !self.mode.contains("plain"), folder, store: self.store.clone() }
    }
}

async fn modes() -> Vec<&'static str> {
    let mut modes = vec!["plain", "plain groupless"];
    if sandboxed().await.is_some() {
        modes.extend(["sandbox", "sandbox groupless"]);
    }
    if contained().await.is_some() {
        modes.push("container");
    }
    modes
}

#[tokio::test]
async fn a_run_survives_its_server_and_the_next_one_sees_its_end() {
    for mode in modes().await {
        let (going_on, over) = (new_token(), new_token());
        let mut host =
            Host::start(mode, &[going_on], "echo before; read x < /dev/zero & sleep 1.5; echo after; exit 7");
        host.until_submitted().await;
        host.kill();
        let bench = host.successor().await;
        let mut events = bench.executor.observe();
        let found = bench
            .executor
            .reconcile(vec![going_on, over], HashSet::new(), OnRestart::Reattach)
            .await
            .unwrap();
        assert!(matches!(found[0], Found::Running { .. }), "{mode}: {found:?}");
        assert!(
            matches!(&found[1], Found::Ended(end) if matches!(end.outcome, Outcome::Lost { .. })),
            "{found:?}"
        );
        assert_eq!(bench.executor.submit(going_on, sh("echo twice")).await.unwrap(), Submitted::Already);
        let end = end_of(&mut events, going_on).await;
        assert_eq!(end.outcome, Outcome::Exited { code: 7 }, "{mode}");
        assert!(bench.printed(going_on).await.contains("after"));
        bench.assert_gone(going_on).await;
    }
}

#[tokio::test]
async fn a_run_that_ended_while_no_server_was_there_is_not_lost() {
    for mode in modes().await {
        let token = new_token();
        let mut host = Host::start(mode, &[token], "sleep 0.3; exit 4");
        host.until_submitted().await;
        host.until_there(token).await;
        host.kill();
        until_gone(token).await;
        let bench = host.successor().await;
        let found = bench.executor.reconcile(vec![token], HashSet::new(), OnRestart::Reattach).await.unwrap();
        let Found::Ended(end) = &found[0] else { panic!("{mode}: {found:?}") };
        assert_eq!(end.outcome, Outcome::Exited { code: 4 });
        assert!(end.started_at.unwrap() < end.ended_at);
    }
}

#[tokio::test]
async fn evicted_runs_leave_no_process_and_unknown_runs_leave_no_trace() {
    for mode in modes().await {
        let (known, unknown) = (new_token(), new_token());
        let stubborn = "trap '' TERM; setsid sleep 1000 & while :; do sleep 1; done";
        let mut host = Host::start(mode, &[known, unknown], stubborn);
        host.until_submitted().await;
        host.until_there(known).await;
        host.until_there(unknown).await;
        host.kill();
        assert!(!processes_of(known).is_empty() && !processes_of(unknown).is_empty());
        let bench = host.successor().await;
        let found = bench.executor.reconcile(vec![known], HashSet::new(), OnRestart::Evict).await.unwrap();
        assert!(
            matches!(&found[..], [Found::Ended(end)] if end.outcome == Outcome::Evicted),
            "{mode}: {found:?}"
        );
        for token in [known, unknown] {
            bench.assert_gone(token).await;
        }
        let left = fs::read_dir(host.folder.path().join("state/runs")).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert!(left.iter().all(|name| name.starts_with(&known.to_string())), "{left:?}");
    }
}

#[tokio::test]
async fn a_reattached_run_can_be_canceled() {
    for mode in modes().await {
        let token = new_token();
        let mut host = Host::start(
            mode,
            &[token],
            "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done",
        );
        host.until_submitted().await;
        host.kill();
        let bench = host.successor().await;
        let mut events = bench.executor.observe();
        bench.executor.reconcile(vec![token], HashSet::new(), OnRestart::Reattach).await.unwrap();
        until_printed(&bench, token, "ready").await;
        bench.executor.cancel(token, cancel(PATIENCE)).await.unwrap();
        assert_eq!(end_of(&mut events, token).await.outcome, Outcome::Canceled);
        assert!(bench.printed(token).await.contains("bye"));
    }
}

#[tokio::test]
async fn where_runs_end_with_their_server_they_do_at_once() {
    for mode in ["plain mortal", "mortal", "container mortal"] {
        let is_missing = match mode {
            "mortal" => sandboxed().await.is_none(),
            "container mortal" => contained().await.is_none(),
            _ => false,
        };
        if is_missing {
            continue;
        }
        let token = new_token();
        let mut host =
            Host::start(mode, &[token], "trap '' TERM; setsid sleep 1000 & while :; do sleep 1; done");
        host.until_submitted().await;
        host.until_there(token).await;
        host.kill();
        until_gone(token).await;
        let bench = host.successor().await;
        let found = bench.executor.reconcile(vec![token], HashSet::new(), OnRestart::Reattach).await.unwrap();
        assert!(matches!(&found[..], [Found::Ended(end)] if end.outcome == Outcome::Evicted), "{found:?}");
    }
}

/// The shim of a run: the process whose command line ends with the token.
fn shim_of(token: RunToken) -> u32 {
    let name = token.to_string();
    let is_shim = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|part| part == name.as_bytes())
    };
    processes_of(token).into_iter().find(is_shim).expect("the run has a shim")
}

fn kill(pid: u32) {
    assert!(Command::new("/bin/kill").args(["-KILL", &pid.to_string()]).status().unwrap().success());
}

#[tokio::test]
async fn a_run_whose_shim_is_killed_is_lost_and_takes_everything_with_it() {
    for bench in benches().await {
        let token = new_token();
        let mut events = bench.executor.observe();
        bench.executor.submit(token, sh("setsid sleep 1000 & echo ready; sleep 1000")).await.unwrap();
        until_printed(&bench, token, "ready").await;
        kill(shim_of(token));
        let end = end_of(&mut events, token).await;
        assert!(matches!(end.outcome, Outcome::Lost { .. }), "{end:?}");
        assert!(end.started_at.is_some());
        until_gone(token).await;
    }
}

#[tokio::test]
async fn an_end_without_its_manifest_and_a_manifest_without_an_end_count_for_nothing() {
    for bench in benches().await {
        let runs = bench.folder.path().join("state/runs");
        let token = new_token();
        let mut events = bench.executor.observe();
        let good = bench.run(sh("exit 0")).await;
        assert_eq!(good.outcome, Outcome::Exited { code: 0 });
        bench.executor.submit(token, sh("echo ready; sleep 1000")).await.unwrap();
        until_printed(&bench, token, "ready").await;
        // A manifest that says all is well, while the run goes on.
        let mut others = fs::read_dir(&runs).unwrap().map(|entry| entry.unwrap().path());
        let other = others.find(|path| path.to_str().unwrap().ends_with("manifest.json")).unwrap();
        let forged = fs::read_to_string(&other).unwrap();
        fs::write(runs.join(format!("{token}.manifest.json")), &forged).unwrap();
        assert!(events_are_quiet(&mut events, token), "a manifest is no end");
        kill(shim_of(token));
        let end = end_of(&mut events, token).await;
        assert!(
            matches!(&end.outcome, Outcome::Lost { reason } if reason.contains("another run")),
            "{end:?}"
        );
        until_gone(token).await;
    }
}

fn events_are_quiet(events: &mut platform_server::executor::EventStream, token: RunToken) -> bool {
    while let Ok(event) = events.try_recv() {
        if matches!(event, platform_server::executor::RunEvent::Ended { token: ended, .. } if ended == token)
        {
            return false;
        }
    }
    true
}

#[tokio::test]
async fn files_that_a_dying_server_left_half_made_are_lost_runs() {
    let bench = bench_with(false, |_| ()).await.unwrap();
    let runs = bench.folder.path().join("state/runs");
    let (half, broken) = (new_token(), new_token());
    // The first thing that is made, and then nothing more.
    let pipe = runs.join(format!("{half}.events"));
    assert!(Command::new("mkfifo").arg(pipe).status().unwrap().success());
    fs::write(runs.join(format!("{broken}.manifest.json")), "{\"version\":1,").unwrap();
    fs::write(runs.join("README"), "not a run").unwrap();
    let found =
        bench.executor.reconcile(vec![half, broken], HashSet::new(), OnRestart::Reattach).await.unwrap();
    for one in found {
        assert!(matches!(&one, Found::Ended(end) if matches!(end.outcome, Outcome::Lost { .. })), "{one:?}");
    }
}

/// The process that makes shims for the executor of `runs`: forked shims have its working folder too, but another name.
fn spawner_of(runs: &std::path::Path) -> Option<u32> {
    let numbers =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    numbers.filter_map(|name| name.parse::<u32>().ok()).find(|pid| {
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.contains("--makes-shims")
            && fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == runs)
    })
}

#[tokio::test]
async fn runs_go_on_when_the_process_that_makes_shims_is_killed_and_it_goes_with_its_server() {
    for bench in benches().await {
        let runs = bench.folder("state/runs");
        let (before, after) = (new_token(), new_token());
        let mut events = bench.executor.observe();
        bench
            .executor
            .submit(before, sh("echo ready; while [ ! -e /tmp/never ]; do sleep 0.05; done"))
            .await
            .unwrap();
        until_printed(&bench, before, "ready").await;
        let first = spawner_of(&runs).expect("there is a process that makes shims");
        kill(first);
        let wait = async {
            while spawner_of(&runs).is_some() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap();
        for token in [after, new_token()] {
            bench.executor.submit(token, sh("exit 3")).await.unwrap();
            assert_eq!(end_of(&mut events, token).await.outcome, Outcome::Exited { code: 3 });
        }
        assert!(spawner_of(&runs).is_some_and(|second| second != first), "another one takes its place");
        bench.executor.cancel(before, cancel(std::time::Duration::ZERO)).await.unwrap();
        assert_eq!(end_of(&mut events, before).await.outcome, Outcome::Canceled);
        drop(events);
        drop(bench);
        let wait = async {
            while spawner_of(&runs).is_some() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("it goes with its server");
    }
}
