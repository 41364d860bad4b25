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
    let after =
        "  input:\n  - from: late\n    name: done\n    path: /in\n    type: stream\n    element-type: any\n";
    let second = filler("bin/fill")
        .replace("name: loader", "name: second")
        .replace("  output:", &format!("{after}  output:"));
    let text =
        head("room") + &filler("bin/fill") + &script("late", "/opt/operator/late.py", &reads) + &second;
    let (made, report) = bench.run(&text).await;
    let lines = bench.log(made.job, "second").await;
    assert_eq!(report.details.status, JobStatus::Healthy, "{:?} {lines:?}", report.messages);
    bench.until_empty().await;
}

const STREAM: &str = "  input:\n  - path: /in\n    type: stream\n    element-type: any\n";

/// An operator that does one step after the other.
fn steps(name: &str, steps: &[&str], rest: &str) -> String {
    let steps: Vec<String> = steps.iter().map(|step| format!("\"{step}\"")).collect();
    script(name, &format!("/opt/operator/share.py, {}", steps.join(", ")), rest)
}

impl Bench {
    async fn begin(&self, text: &str) -> CreatedJob {
        let pipeline = create_pipeline(&self.platform, text).await;
        let made = create_job(&self.platform, pipeline, "shares").await;
        start(&self.platform, made.job).await;
        made
    }

    /// Waits until so many operators of a job have said that they are ready.
    async fn until_ready(&self, job: JobId, count: usize) {
        let mut changes = self.platform.events().last();
        for at in 0..count {
            while self.extras(job, at).await.report.is_none_or(|report| !report.is_ready) {
                next(&mut changes).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_buffer_gets_it_when_it_is_published() {
    let folder = tempfile::tempdir().unwrap();
    let Some(bench) = bench(folder.path(), 16).await else { return };
    let reader = steps("reader", &["ready", "open:meet:60"], STREAM);
    let writer = steps("writer", &["ready", "wait:/in/go", "publish:meet:7"], STREAM);
    let made = bench.begin(&(head("meet") + &reader + &writer)).await;
    bench.until_ready(made.job, 2).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let begun = Instant::now();
    go(folder.path(), &made, "go");
    let report = end(&bench.platform, made.job).await;
    assert_eq!(bench.log(made.job, "reader").await, ["ready ok", "open meet 60 7"]);
    assert_eq!(report.details.status, JobStatus::Healthy, "{:?}", report.messages);
    assert!(begun.elapsed() < Duration::from_secs(30), "it was told at once");
    bench.until_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_do_not_see_each_others_buffers() {
    let folder = tempfile::tempdir().unwrap();
    let Some(bench) = bench(folder.path(), 16).await else { return };
    let own = steps("own", &["publish:mine:1", "ready", "wait:/in/go", "open:mine", "list"], STREAM);
    let first = bench.begin(&(head("own") + &own)).await;
    bench.until_ready(first.job, 1).await;
    let tries = ["open:mine", "open:mine:0.2", "list", "publish:mine:2", "open:mine"];
    let (second, _) = bench.run(&(head("other") + &steps("other", &tries, ""))).await;
    assert_eq!(
        bench.log(second.job, "other").await,
        ["open mine not found", "open mine 0.2 timed out", "list ", "publish mine 2 ok", "open mine 2"]
    );
    go(folder.path(), &first, "go");
    end(&bench.platform, first.job).await;
    let lines = bench.log(first.job, "own").await;
    assert_eq!(lines[3..], ["open mine 1", "list mine=7[1]31"]);
    bench.until_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_has_inputs_outputs_and_free_buffers_and_nothing_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let Some(bench) = bench(folder.path(), 160).await else { return };
    let number = "type: array\n    element-type: int32\n    shape: [1]";
    let stream = "type: stream\n    element-type: any";
    let outputs =
        format!("  output:\n  - name: secret\n    {number}\n  - name: done\n    path: /out\n    {stream}\n");
    let reads = format!(
        "  input:\n  - from: loader\n    name: voxels\n    {VOXELS}\n  - from: other\n    name: done\n    path: /in\n    \
         {stream}\n  output:\n  - name: count\n    {number}\n"
    );
    let lister = steps("lister", &["allocate:scratch", "publish:count:5", "list"], &reads);
    let text =
        head("list") + &filler("bin/fill") + &steps("other", &["publish:secret:1"], &outputs) + &lister;
    let (made, report) = bench.run(&text).await;
    let lines = bench.log(made.job, "lister").await;
    assert_eq!(report.details.status, JobStatus::Healthy, "{:?} {lines:?}", report.messages);
    assert_eq!(said(&lines, "list"), "scratch=1[3,5]30 lister/count=7[1]21 loader/voxels=6[32,1024,1024]11");
    bench.until_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_published_goes_when_it_fails_or_is_canceled() {
    let folder = tempfile::tempdir().unwrap();
    let Some(bench) = bench(folder.path(), 16).await else { return };
    for (is_canceled, status) in [(false, JobStatus::Faulted), (true, JobStatus::Canceled)] {
        let what = ["publish:left:1", "allocate:half", "ready", "wait:/in/go", "fail"];
        let made = bench.begin(&(head("left") + &steps("leaves", &what, STREAM))).await;
        bench.until_ready(made.job, 1).await;
        assert_eq!(bench.executor.shared_memory().unwrap(), (4 + 15, 2));
        if is_canceled {
            bench.platform.cancel_job(made.job, None).await.unwrap();
        } else {
            go(folder.path(), &made, "go");
        }
        let report = end(&bench.platform, made.job).await;
        assert_eq!(report.details.status, status, "{:?}", report.messages);
        bench.until_empty().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_attempt_finds_nothing_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let Some(bench) = bench(folder.path(), 16).await else { return };
    let what = ["open:once", "publish:once:1", "allocate:half", "ready", "wait:/in/go", "open:once"];
    let made = bench.begin(&(head("again") + &steps("twice", &what, STREAM))).await;
    bench.until_ready(made.job, 1).await;
    let shim = shims(folder.path());
    assert_eq!(shim.len(), 1);
    assert!(Command::new("kill").args(["-9", &shim[0].to_string()]).status().unwrap().success());
    let again = async {
        while matches!(shims(folder.path())[..], [other] if other == shim[0])
            || shims(folder.path()).is_empty()
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.expect("the lost run is begun again");
    bench.until_ready(made.job, 1).await;
    assert_eq!(bench.executor.shared_memory().unwrap(), (4 + 15, 2), "only of the second");
    go(folder.path(), &made, "go");
    let report = end(&bench.platform, made.job).await;
    let lines = bench.log(made.job, "twice").await;
    assert_eq!(report.details.status, JobStatus::Healthy, "{:?}", report.messages);
    assert_eq!(lines[..2], ["open once not found", "publish once 1 ok"]);
    bench.until_empty().await;
}

/// Processes beside operators: they are named for their runs.
fn shims(folder: &Path) -> Vec<i32> {
    let files = std::fs::read_dir(folder.join("data/executor/runs")).unwrap().flatten();
    let names = files.filter_map(|file| file.file_name().into_string().ok());
    let tokens: HashSet<String> =
        names.filter_map(|name| name.split('.').next().map(str::to_owned)).collect();
    tokens.iter().flat_map(|token| processes(token)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_are_published_cannot_be_changed_by_any_file_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let Some(bench) = bench(folder.path(), 16).await else { return };
    let (made, report) = bench.run(&(head("pages") + &script("pages", "/opt/operator/pages.py", ""))).await;
    let lines = bench.log(made.job, "pages").await;
    assert_eq!(report.details.status, JobStatus::Healthy, "{:?} {lines:?}", report.messages);
    let found: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert_eq!(
        found,
        [
            "before-map worked",
            "before-write worked",
            "own-map EPERM",
            "own-write EPERM",
            "own-shrink EPERM",
            "own-grow EPERM",
            "own-seal EPERM",
            "opened-map EACCES",
            "opened-write EBADF",
            "opened-shrink EINVAL",
            "opened-grow EINVAL",
            "opened-seal EPERM",
            "again-map EPERM",
            "again-write EPERM",
            "again-shrink EPERM",
            "again-grow EPERM",
            "again-seal EPERM",
            "first mine. 4096",
        ]
    );
}
