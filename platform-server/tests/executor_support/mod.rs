//! An executor in a folder of its own, without a sandbox, with one, or with containers, and runs in one line.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "tests, which the lint does not see in a folder")]

pub(crate) mod container;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use platform_server::executor::process::{Isolate, ProcessConfig, ProcessExecutor};
use platform_server::executor::spec::{Access, Mount};
use platform_server::executor::{
    BoxFuture, Cancel, CancelCause, Capabilities, EventStream, Executor, ExecutorError, Found, LogChunk,
    OnRestart, RunEnd, RunEvent, RunSpec, RunToken, Submitted,
};

use container::ContainerStore;

/// No run of a test takes this long, however slow the machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Bench {
    pub(crate) executor: Subject,
    pub(crate) has_sandbox: bool,
    pub(crate) folder: tempfile::TempDir,
    /// Where the container engine keeps its things.
    pub(crate) store: Option<Arc<ContainerStore>>,
}

/// An executor under test. Where it runs images, runs that name none get one with the usual programs.
pub(crate) struct Subject {
    pub(crate) inner: Box<dyn Executor>,
    pub(crate) image: Option<&'static str>,
}

impl From<ProcessExecutor> for Subject {
    fn from(executor: ProcessExecutor) -> Self {
        let image = executor.capabilities().runs_images.then_some(container::IMAGE);
        Self { inner: Box::new(executor), image }
    }
}

impl Executor for Subject {
    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    fn submit(&self, token: RunToken, mut spec: RunSpec) -> BoxFuture<'_, Result<Submitted, ExecutorError>> {
        spec.image = spec.image.or_else(|| self.image.map(str::to_owned));
        self.inner.submit(token, spec)
    }

    fn observe(&self) -> EventStream {
        self.inner.observe()
    }

    fn logs(&self, token: RunToken, from: u64, max: usize) -> BoxFuture<'_, Result<LogChunk, ExecutorError>> {
        self.inner.logs(token, from, max)
    }

    fn cancel(&self, token: RunToken, cancel: Cancel) -> BoxFuture<'_, Result<(), ExecutorError>> {
        self.inner.cancel(token, cancel)
    }

    fn reconcile(
        &self,
        known: Vec<RunToken>,
        kept: std::collections::HashSet<RunToken>,
        on_restart: OnRestart,
    ) -> BoxFuture<'_, Result<Vec<Found>, ExecutorError>> {
        self.inner.reconcile(known, kept, on_restart)
    }

    fn forget(&self, token: RunToken) -> BoxFuture<'_, Result<(), ExecutorError>> {
        self.inner.forget(token)
    }
}

pub(crate) fn shim() -> Vec<String> {
    vec![env!("CARGO_BIN_EXE_lantern-shim").into()]
}

pub(crate) fn config(dir: &Path, has_sandbox: bool) -> ProcessConfig {
    let mut config = ProcessConfig::new(dir.join("state"), shim());
    if !has_sandbox {
        config.isolate = Isolate::Nothing;
    }
    config
}

/// All ways to run, or what this machine can.
pub(crate) async fn benches() -> Vec<Bench> {
    let mut all = process_benches().await;
    all.extend(container::contained().await);
    all
}

/// Both ways to run processes, or what this machine can.
pub(crate) async fn process_benches() -> Vec<Bench> {
    let plain = bench_with(false, |_| ()).await.unwrap();
    [Some(plain), sandboxed().await].into_iter().flatten().collect()
}

/// With a sandbox, or `None` with a note of what is missing; `REQUIRE_SANDBOX=1` makes that a failure.
pub(crate) async fn sandboxed() -> Option<Bench> {
    sandboxed_with(|_| ()).await
}

pub(crate) async fn sandboxed_with(change: impl FnOnce(&mut ProcessConfig)) -> Option<Bench> {
    match bench_with(true, change).await {
        Ok(bench) => Some(bench),
        Err(error @ ExecutorError::SandboxUnavailable { .. }) => {
            missing(&error.to_string());
            None
        }
        Err(error) => panic!("{error:?}"),
    }
}

/// Says what a test needs and has not; fails where everything has to be there.
pub(crate) fn missing(what: &str) {
    assert!(std::env::var_os("REQUIRE_SANDBOX").is_none_or(|value| value != "1"), "missing: {what}");
    eprintln!("not tested here: {what}");
}

pub(crate) async fn bench_with(
    has_sandbox: bool,
    change: impl FnOnce(&mut ProcessConfig),
) -> Result<Bench, ExecutorError> {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path(), has_sandbox);
    change(&mut config);
    let executor = ProcessExecutor::open(config).await?.into();
    Ok(Bench { executor, has_sandbox, folder, store: None })
}

pub(crate) fn sh(script: &str) -> RunSpec {
    RunSpec { command: vec!["/bin/sh".into(), "-c".into(), script.into()], ..RunSpec::default() }
}

pub(crate) fn new_token() -> RunToken {
    use std::hash::{BuildHasher, RandomState};
    let half = || u128::from(RandomState::new().hash_one(0));
    RunToken::from_bits(half() << 64 | half())
}

pub(crate) async fn end_of(events: &mut EventStream, token: RunToken) -> RunEnd {
    let wait = async {
        loop {
            match events.recv().await.expect("the executor lives") {
                RunEvent::Ended { token: ended, end } if ended == token => return end,
                _ => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the run should end")
}

pub(crate) async fn start_of(events: &mut EventStream, token: RunToken) {
    let wait = async {
        loop {
            match events.recv().await.expect("the executor lives") {
                RunEvent::Started { token: started, .. } if started == token => return,
                RunEvent::Ended { token: ended, end } if ended == token => panic!("{end:?}"),
                _ => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the run should start");
}

pub(crate) fn cancel(grace: Duration) -> Cancel {
    Cancel { grace, because: CancelCause::Canceled }
}

impl Bench {
    pub(crate) async fn run(&self, spec: RunSpec) -> RunEnd {
        self.run_as(new_token(), spec).await
    }

    pub(crate) async fn run_as(&self, token: RunToken, spec: RunSpec) -> RunEnd {
        let mut events = self.executor.observe();
        self.executor.submit(token, spec).await.unwrap();
        end_of(&mut events, token).await
    }

    /// What the operator printed, both streams, in order.
    pub(crate) async fn printed(&self, token: RunToken) -> String {
        let chunk = self.executor.logs(token, 0, usize::MAX).await.unwrap();
        let bytes: Vec<u8> =
            chunk.records.into_iter().filter(is_printed).flat_map(|record| record.bytes).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Runs and says what came out, besides how it ended.
    pub(crate) async fn output(&self, spec: RunSpec) -> (RunEnd, String) {
        let token = new_token();
        let end = self.run_as(token, spec).await;
        (end, self.printed(token).await)
    }

    /// A new folder of the host, to be given to runs.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let path = self.folder.path().canonicalize().unwrap().join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    /// `folder` at `place` where there is a sandbox, else where it is.
    pub(crate) fn mount(&self, folder: &Path, place: &str, access: Access) -> Mount {
        let own = folder.to_str().unwrap();
        let place = if self.has_sandbox { place } else { own };
        Mount { host: folder.into(), place: place.into(), access }
    }
}

impl Bench {
    /// Nothing of a run is left. Of containers a helper of the engine may stay a moment longer, which is no operator's.
    pub(crate) async fn assert_gone(&self, token: RunToken) {
        if self.store.is_some() {
            until_gone(token).await;
        }
        assert_eq!(processes_of(token), Vec::<u32>::new());
    }
}

pub(crate) async fn until_gone(token: RunToken) {
    let wait = async {
        while !processes_of(token).is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the processes should end");
}

/// Waits until a run has printed `text`.
pub(crate) async fn until_printed(bench: &Bench, token: RunToken, text: &str) {
    let wait = async {
        while !bench.printed(token).await.contains(text) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the run should print");
}

/// Processes of the host that carry the marker of a run, by what `/proc` shows.
pub(crate) fn processes_of(token: RunToken) -> Vec<u32> {
    let token = token.to_string();
    let numbers =
        std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    let others = numbers.filter_map(|name| name.parse::<u32>().ok()).filter(|pid| *pid != std::process::id());
    let holds = |pid: &u32| {
        ["cmdline", "environ"].iter().any(|file| {
            let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            bytes.windows(token.len()).any(|window| window == token.as_bytes())
        })
    };
    others.filter(holds).collect()
}

pub(crate) fn is_printed(record: &platform_server::executor::log::LogRecord) -> bool {
    record.source != platform_server::executor::log::LogSource::Note
}
