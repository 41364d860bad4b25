//! Who finds what, and when it goes.

use std::collections::HashSet;

use platform_server::executor::{
    BoxFuture, Cancel, Capabilities, EventStream, Found, LogChunk, OnRestart, Release, RunSpec, RunToken,
    Submitted,
};

use super::*;

/// An executor that takes its time to let go of buffers.
struct Slow(ProcessExecutor);

impl Executor for Slow {
    fn capabilities(&self) -> &Capabilities {
        self.0.capabilities()
    }

    fn submit(&self, token: RunToken, spec: RunSpec) -> BoxFuture<'_, Result<Submitted, ExecutorError>> {
        self.0.submit(token, spec)
    }

    fn observe(&self) -> EventStream {
        self.0.observe()
    }

    fn logs(
        &self,
        token: RunToken,
        from: u64,
        max_bytes: usize,
    ) -> BoxFuture<'_, Result<LogChunk, ExecutorError>> {
        self.0.logs(token, from, max_bytes)
    }

    fn cancel(&self, token: RunToken, cancel: Cancel) -> BoxFuture<'_, Result<(), ExecutorError>> {
        self.0.cancel(token, cancel)
    }

    fn reconcile(
        &self,
        known: Vec<RunToken>,
        kept: HashSet<RunToken>,
        on_restart: OnRestart,
    ) -> BoxFuture<'_, Result<Vec<Found>, ExecutorError>> {
        self.0.reconcile(known, kept, on_restart)
    }

    fn forget(&self, token: RunToken) -> BoxFuture<'_, Result<(), ExecutorError>> {
        self.0.forget(token)
    }

    fn release(&self, release: Release) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.0.release(release).await;
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_begins_after_the_room_of_what_was_read_before_it_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let slow = |executor| -> Arc<dyn Executor> { Arc::new(Slow(executor)) };
    let Some(bench) = bench_with(folder.path(), 100, slow).await else { return };
    let done = "  output:\n  - path: /out\n    name: done\n    type: stream\n    element-type: any\n";
    let reads = format!("  input:\n  - from: loader\n    name: voxels\n    {VOXELS}\n{done}");
    let after = "  input:\n  - from: late\n    name: done\n    path: /in\n    type: stream\n    element-type: any\n";
    let second = filler("bin/fill").replace("name: loader", "name: second").replace("  output:", &format!("{after}  output:"));
    let text = head("room") + &filler("bin/fill") + &script("late", "/opt/operator/late.py", &reads) + &second;
    let (made, report) = bench.run(&text).await;
    let lines = bench.log(made.job, "second").await;
    assert_eq!(report.details.status, JobStatus::Healthy, "{:?} {lines:?}", report.messages);
    bench.until_empty().await;
}
