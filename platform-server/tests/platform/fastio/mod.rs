//! Operators in C, Rust and Python that pass buffers through shared memory, and those that misbehave.

mod sharing;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use platform_api::id::JobId;
use platform_api::job::{JobReport, JobState, JobStatus};
use platform_server::executor::bundle::Bundles;
use platform_server::executor::process::{ProcessConfig, ProcessExecutor};
use platform_server::executor::{Executor, ExecutorError};
use platform_server::platform::{CreatedJob, OperatorExtras, Options, Platform};

use crate::server::*;

/// How long anything may take here.
const PATIENCE: Duration = Duration::from_secs(30);

/// A platform, its executor for what the platform does not tell, and where operators lie.
struct Bench {
    platform: Platform,
    executor: ProcessExecutor,
}

/// `None` where there is no sandbox, no Python or no C compiler; `REQUIRE_SANDBOX=1` makes that a failure.
async fn bench(folder: &Path, budget_mib: u64) -> Option<Bench> {
    bench_with(folder, budget_mib, |executor| Arc::new(executor)).await
}

/// With something around the executor.
async fn bench_with(
    folder: &Path,
    budget_mib: u64,
    around: impl FnOnce(ProcessExecutor) -> Arc<dyn Executor>,
) -> Option<Bench> {
    let data = folder.join("data");
    let shim = vec![env!("CARGO_BIN_EXE_lantern-shim").into()];
    let executor = match ProcessExecutor::open(ProcessConfig::new(data.join("executor"), shim)).await {
        Ok(executor) => executor,
        Err(error @ ExecutorError::SandboxUnavailable { .. }) => return missing(&error.to_string()),
        Err(error) => panic!("{error:?}"),
    };
    let bundles = folder.join("bundles");
    if !bundles.exists() {
        install(&bundles.join("fastio"))?;
    }
    let (bundles, broken) = Bundles::scan(&[bundles], Default::default());
    assert!(broken.is_empty(), "{broken:?}");
    let mut options = Options::new(data);
    options.payloads.limit_percent = 100;
    options.limits.shared_memory_bytes = budget_mib << 20;
    options.bundles = Arc::new(bundles);
    // Some operators here have to run beside each other.
    options.capacity.cpu_millis = options.capacity.cpu_millis.max(4000);
    let platform = Platform::open(options, around(executor.clone())).await.unwrap();
    Some(Bench { platform, executor })
}

fn missing<T>(what: &str) -> Option<T> {
    assert!(std::env::var_os("REQUIRE_SANDBOX").is_none_or(|value| value != "1"), "{what}");
    eprintln!("not tested here: {what}");
    None
}

/// The library and the example in Rust.
///
/// In a target folder of their own: a library that is also a `.so` has no hash in its name, and building it alone, with
/// other features of its dependencies than the workspace's, would take the place of the one everything else is linked to.
fn built() -> (PathBuf, PathBuf) {
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(2).unwrap().join("operator-sdk-alone");
    let arguments = ["build", "--locked", "-p", "operator-sdk", "--lib", "--example", "halve"];
    let build =
        Command::new(env!("CARGO")).args(arguments).arg("--target-dir").arg(&target).status().unwrap();
    assert!(build.success());
    let folder = target.join("debug");
    (folder.join("liblantern_fastio.so"), folder.join("examples/halve"))
}

/// A bundle of all operators of these tests.
fn install(bundle: &Path) -> Option<()> {
    let root = test_support::data::workspace_root();
    let here = root.join("platform-server/tests/platform/fastio");
    let sdk = root.join("operator-sdk");
    if Command::new("python3").arg("--version").output().is_err() {
        return missing("python3");
    }
    let (library, halve) = built();
    std::fs::create_dir_all(bundle.join("bin")).unwrap();
    std::fs::write(bundle.join("operator.json"), r#"{"name": "test/fastio", "version": "1"}"#).unwrap();
    std::fs::copy(&library, bundle.join("liblantern_fastio.so")).unwrap();
    std::fs::copy(halve, bundle.join("bin/halve")).unwrap();
    std::fs::copy(sdk.join("python/lantern_fastio.py"), bundle.join("lantern_fastio.py")).unwrap();
    for script in ["measure.py", "probe.py", "hostile.py", "late.py", "share.py", "pages.py"] {
        std::fs::copy(here.join(script), bundle.join(script)).unwrap();
    }
    let compiled = Command::new("cc")
        .args(["-std=c99", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-Wno-unused-result", "-O1"])
        .arg("-I")
        .arg(sdk.join("include"))
        .arg(here.join("fill.c"))
        // By its name, or its path here would stay in the program.
        .arg("-L")
        .arg(bundle)
        .args(["-llantern_fastio", "-Wl,-rpath,$ORIGIN/..", "-o"])
        .arg(bundle.join("bin/fill"))
        .status();
    match compiled {
        Ok(status) => assert!(status.success(), "the C program is built"),
        Err(_) => return missing("cc"),
    }
    Some(())
}

impl Bench {
    async fn run(&self, text: &str) -> (CreatedJob, JobReport) {
        let pipeline = create_pipeline(&self.platform, text).await;
        let made = create_job(&self.platform, pipeline, "shares").await;
        start(&self.platform, made.job).await;
        let report = end(&self.platform, made.job).await;
        (made, report)
    }

    async fn log(&self, job: JobId, operator: &str) -> Vec<String> {
        log(&self.platform, job, operator).await
    }

    /// Waits until nothing is left in shared memory: buffers go a moment after the end is told.
    async fn until_empty(&self) {
        let wait = async {
            while self.executor.shared_memory().unwrap() != (0, 0) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), wait).await;
        waited.unwrap_or_else(|_| panic!("{:?} are left", self.executor.shared_memory()));
    }

    async fn extras(&self, job: JobId, at: usize) -> OperatorExtras {
        self.platform.job_extended(job).await.unwrap().operators[at].clone()
    }
}

/// What the line that begins with `word` says.
fn said(lines: &[String], word: &str) -> String {
    let line = lines.iter().find_map(|line| line.strip_prefix(word)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no `{word}` in {lines:?}")).to_owned()
}

/// An operator that runs a script of the bundle.
fn script(name: &str, script: &str, rest: &str) -> String {
    format!(
        "- name: {name}\n  container:\n    image: test/fastio\n    tag: \"1\"\n    command: [python3, {script}]\n{rest}"
    )
}

const VOXELS: &str = "type: array\n    element-type: int16\n    shape: [-1, 1024, 1024]";

fn head(name: &str) -> String {
    format!("api-version: 0.5.0\nname: {name}\noperators:\n")
}

fn filler(rest: &str) -> String {
    format!(
        "- name: loader\n  container:\n    image: test/fastio\n    tag: \"1\"\n    command: [{rest}]\n  output:\n  \
         - name: voxels\n    {VOXELS}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_array_goes_from_c_to_rust_to_python_in_the_same_pages() {
    let folder = tempfile::tempdir().unwrap();
    let Some(bench) = bench(folder.path(), 160).await else { return };
    let halver = format!(
        "- name: halver\n  container:\n    image: test/fastio\n    tag: \"1\"\n    command: [bin/halve]\n  input:\n  \
         - from: loader\n    name: voxels\n    {VOXELS}\n  output:\n  - name: halves\n    {VOXELS}\n"
    );
    let reads = format!(
        "  input:\n  - from: loader\n    name: voxels\n    {VOXELS}\n  - from: halver\n    name: halves\n    \
         {VOXELS}\n  output:\n  - name: maximum\n    type: f32\n"
    );
    let measure = script("stats", "/opt/operator/measure.py", &reads);
    let text = head("shared") + &measure + &halver + &filler("bin/fill");
    let (made, report) = bench.run(&text).await;
    let mut logs = Vec::new();
    for operator in ["loader", "halver", "stats"] {
        logs.push(bench.log(made.job, operator).await);
    }
    assert_eq!((report.details.status, &report.messages), (JobStatus::Healthy, &vec![]), "{logs:?}");
    let [loader, halver, stats] = &logs[..] else { panic!() };
    assert_eq!(said(loader, "inode"), said(stats, "inode"), "the consumer maps the producer's pages");
    assert_ne!(said(loader, "inode"), "0");
    assert_eq!(said(stats, "maximum"), "999.0");
    assert_eq!(said(loader, "warning:"), "values are made up");
    assert_eq!(said(halver, "info:"), "33554432 voxels");
    // A line of its own, although what was printed before had no end.
    assert_eq!(stats[stats.len() - 2..], ["no line end", "error: said at the end"]);
    let files = files(&bench.platform, made.payload).await;
    assert!(files.iter().all(|(_, size)| *size < 1 << 20), "nothing was copied through files: {files:?}");
    bench.until_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_allowed_is_refused_by_name_and_everything_goes_in_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let Some(bench) = bench(folder.path(), 16).await else { return };
    let output = "  output:\n  - name: typed\n    type: array\n    element-type: int16\n    shape: [4]\n";
    for end in ["live", "die"] {
        let text = head("probe") + &script("probe", &format!("/opt/operator/probe.py, {end}"), output);
        let (made, report) = bench.run(&text).await;
        let lines = bench.log(made.job, "probe").await;
        for (what, how) in [
            ("type", "mismatch"),
            ("shape", "mismatch"),
            ("name", "bad name"),
            ("other's", "not found"),
            ("absent", "not found"),
            ("huge", "failed"),
            ("budget", "over budget"),
            ("rest", "over budget"),
            ("twice", "exists"),
            ("freed", "ok"),
            ("mapped", "wrong state"),
            ("count", "256 too many"),
            ("empty", "0"),
            ("in-use", "wrong state"),
            ("part", "wrong state"),
            ("unused", "ok"),
            ("view", "wrong state"),
            ("closed", "ok"),
            ("broken", "own"),
        ] {
            assert_eq!(said(&lines, what), how, "{what}: {lines:?}");
        }
        let files: Vec<u64> = said(&lines, "files").split(' ').map(|word| word.parse().unwrap()).collect();
        let allowed = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum.unwrap();
        assert!(files[1] < allowed && files[0] <= files[1], "operators have fewer than {allowed}: {files:?}");
        let is_well = report.details.status == JobStatus::Healthy;
        assert_eq!(is_well, end == "live", "{lines:?} {:?}", report.messages);
        bench.until_empty().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_operator_is_answered_or_cut_and_harms_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let Some(bench) = bench(folder.path(), 160).await else { return };
    // Another one each time, which is told when it finds something.
    let seed = std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
    for (what, portion, ends) in [
        // A hundred pieces of nonsense are borne, and no more.
        ("noise", 90, "heard"),
        ("noise", 3000, "cut"),
        ("deaf", 0, "cut"),
        ("flood", 0, "heard"),
        ("files", 0, "heard"),
        ("oversize", 0, "heard"),
    ] {
        let arguments = format!("/opt/operator/hostile.py, {what}, \"{seed}\", \"{portion}\"");
        let text = head("hostile") + &script(what, &arguments, "");
        let (made, report) = bench.run(&text).await;
        let lines = bench.log(made.job, what).await;
        let last = lines.iter().rev().take(9).collect::<Vec<_>>();
        assert_eq!(lines.last().map(String::as_str), Some(ends), "{what} {seed} {portion}: {last:?}");
        assert_eq!(report.details.status, JobStatus::Healthy, "{:?}", report.messages);
        if what == "flood" {
            assert!(lines.contains(&"info: line 4999".to_owned()), "nothing is lost");
        }
    }
    bench.until_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_floods_its_channel_without_end_can_be_canceled() {
    let folder = tempfile::tempdir().unwrap();
    let Some(bench) = bench(folder.path(), 16).await else { return };
    let text = head("endless") + &script("endless", "/opt/operator/hostile.py, endless, \"0\"", "");
    let pipeline = create_pipeline(&bench.platform, &text).await;
    let made = create_job(&bench.platform, pipeline, "floods").await;
    start(&bench.platform, made.job).await;
    let mut changes = bench.platform.events().last();
    while bench.extras(made.job, 0).await.report.is_none_or(|report| !report.is_ready) {
        next(&mut changes).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let begun = Instant::now();
    bench.platform.cancel_job(made.job, None).await.unwrap();
    let report = end(&bench.platform, made.job).await;
    assert_eq!(report.details.status, JobStatus::Canceled, "{:?}", report.messages);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_and_readiness_are_told_while_the_operator_works() {
    let folder = tempfile::tempdir().unwrap();
    let Some(bench) = bench(folder.path(), 160).await else { return };
    let (pipeline, text) = waiting("bin/fill");
    let pipeline = create_pipeline(&bench.platform, &(head(pipeline) + &text)).await;
    let made = create_job(&bench.platform, pipeline, "tells").await;
    start(&bench.platform, made.job).await;
    let mut changes = bench.platform.events().last();
    let report = loop {
        // `late` is the second in the definition.
        let report = bench.extras(made.job, 1).await.report.unwrap_or_default();
        if report.progress.is_some() {
            break report;
        }
        next(&mut changes).await;
    };
    assert_eq!((report.progress, report.text.as_str(), report.is_ready), (Some(0.5), "waiting", true));
    go(folder.path(), &made, "late");
    let ended = end(&bench.platform, made.job).await;
    assert_eq!(ended.details.status, JobStatus::Healthy, "{:?}", ended.messages);
    assert_eq!(said(&bench.log(made.job, "late").await, "sum"), format!("499500 {}", 64 << 20));
    assert!(bench.extras(made.job, 1).await.report.is_none());
    bench.until_empty().await;
}

/// Waits for the next change; a job that failed too early has none to come.
async fn next(changes: &mut tokio::sync::watch::Receiver<u64>) {
    let changed = tokio::time::timeout(PATIENCE, changes.changed()).await;
    changed.expect("something happens").unwrap();
}

/// A pipeline whose operator `late` waits for its file before it reads.
fn waiting(fill: &str) -> (&'static str, String) {
    let stream = "path: /in\n    type: stream\n    element-type: any";
    let reads = format!("  input:\n  - {stream}\n  - from: loader\n    name: voxels\n    {VOXELS}\n");
    let loader = filler(fill).replace("  output:", &format!("  input:\n  - {stream}\n  output:"));
    ("late", loader + &script("late", "/opt/operator/late.py, /in/late", &reads))
}

/// Lets a waiting operator go on.
fn go(folder: &Path, made: &CreatedJob, file: &str) {
    let input = folder.join("data/payloads").join(made.payload.to_string()).join("input");
    std::fs::write(input.join(file), "").unwrap();
}

/// One life of a server; everything of it goes at its end, without a word, as when its process is killed.
fn life<T>(story: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let told = runtime.block_on(story);
    runtime.shutdown_timeout(Duration::from_secs(60));
    told
}

/// Processes that show `text` in their command line.
fn processes(text: &str) -> Vec<i32> {
    let numbers = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let shows = |pid: &i32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).replace('\0', " ").contains(text)
    };
    pids.filter(shows).collect()
}

/// Waits until so many keepers of a folder are there.
fn until_keepers(folder: &Path, count: usize) -> Vec<i32> {
    let line = format!("{} --keep", folder.join("data/executor").display());
    for _ in 0..6000 {
        let found = processes(&line);
        if found.len() == count {
            return found;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("not {count} keepers but {:?}", processes(&line));
}

/// Waits until so many runs have ended, whether a server is there or not.
fn until_ended(folder: &Path, count: usize) {
    let runs = folder.join("data/executor/runs");
    let ended = || {
        let names = std::fs::read_dir(&runs).unwrap().flatten().map(|entry| entry.file_name());
        names.filter(|name| name.to_str().is_some_and(|name| name.ends_with("manifest.json"))).count()
    };
    let begun = Instant::now();
    while ended() != count {
        assert!(begun.elapsed() < PATIENCE, "{} runs have ended, not {count}", ended());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_buffer_that_is_published_while_no_server_is_there_is_found_by_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap();
    let made = life(async {
        let bench = bench(&path, 160).await?;
        let (name, text) = waiting("bin/fill, /in/loader");
        let pipeline = create_pipeline(&bench.platform, &(head(name) + &text)).await;
        let made = create_job(&bench.platform, pipeline, "survives").await;
        start(&bench.platform, made.job).await;
        let mut changes = bench.platform.events().last();
        while bench.platform.job(made.job).await.unwrap().operators[0].started.is_none() {
            next(&mut changes).await;
        }
        Some(made)
    });
    let Some(made) = made else { return };
    let keeper = until_keepers(&path, 1);
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", keeper[0])).unwrap();
    let session = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(3).unwrap();
    assert_eq!(session, keeper[0].to_string(), "it has no terminal that could end it");
    go(&path, &made, "loader");
    go(&path, &made, "late");
    until_ended(&path, 1);
    life(async {
        let bench = bench(&path, 160).await.unwrap();
        let report = end(&bench.platform, made.job).await;
        let lines = bench.log(made.job, "late").await;
        assert_eq!(report.details.status, JobStatus::Healthy, "{:?} {lines:?}", report.messages);
        assert_eq!(said(&lines, "sum"), format!("499500 {}", 64 << 20));
        bench.until_empty().await;
        assert_eq!(until_keepers(&path, 1), keeper, "the same one all along");
    });
    until_keepers(&path, 0);
}

#[test]
fn a_buffer_whose_last_reader_completed_while_no_server_was_there_goes_before_its_job_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap();
    let made = life(async {
        let bench = bench(&path, 160).await?;
        let (name, text) = waiting("bin/fill");
        let pipeline = create_pipeline(&bench.platform, &(head(name) + &text + &holder())).await;
        let made = create_job(&bench.platform, pipeline, "read").await;
        start(&bench.platform, made.job).await;
        let mut changes = bench.platform.events().last();
        while bench.extras(made.job, 1).await.report.is_none_or(|report| !report.is_ready)
            || bench.platform.job(made.job).await.unwrap().operators[2].started.is_none()
        {
            next(&mut changes).await;
        }
        assert_eq!(bench.executor.shared_memory().unwrap(), (64 << 20, 1));
        Some(made)
    });
    let Some(made) = made else { return };
    go(&path, &made, "late");
    until_ended(&path, 2);
    life(async {
        let bench = bench(&path, 160).await.unwrap();
        bench.until_empty().await;
        assert_eq!(bench.platform.job(made.job).await.unwrap().details.state, JobState::Running);
        go(&path, &made, "holder");
        let report = end(&bench.platform, made.job).await;
        assert_eq!(report.details.status, JobStatus::Healthy, "{:?}", report.messages);
    });
}

/// An operator beside `late` that keeps the job from ending.
fn holder() -> String {
    let wait = "while [ ! -e /in/holder ]; do sleep 0.05; done";
    format!(
        "- name: holder\n  container:\n    image: test/fastio\n    tag: \"1\"\n    command: [/bin/sh, -c, \"{wait}\"]\n  \
         input:\n  - path: /in\n    type: stream\n    element-type: any\n"
    )
}

#[test]
fn buffers_that_went_with_their_keeper_are_missed_and_never_made_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap();
    life(async {
        let Some(bench) = bench(&path, 160).await else { return };
        let (name, text) = waiting("bin/fill");
        let pipeline = create_pipeline(&bench.platform, &(head(name) + &text)).await;
        let made = create_job(&bench.platform, pipeline, "lost").await;
        start(&bench.platform, made.job).await;
        let mut changes = bench.platform.events().last();
        while bench.extras(made.job, 1).await.report.is_none_or(|report| !report.is_ready) {
            next(&mut changes).await;
        }
        assert_eq!(bench.executor.shared_memory().unwrap(), (64 << 20, 1));
        for keeper in until_keepers(&path, 1) {
            let killed = Command::new("kill").args(["-9", &keeper.to_string()]).status().unwrap();
            assert!(killed.success());
        }
        go(&path, &made, "late");
        let report = end(&bench.platform, made.job).await;
        let lines = bench.log(made.job, "late").await;
        assert_eq!(report.details.status, JobStatus::Faulted, "{lines:?}");
        assert!(lines.iter().any(|line| line.contains("gone with all buffers")), "{lines:?}");
        // The next job gets a new one.
        let (_, report) = bench.run(&(head("again") + &filler("bin/fill"))).await;
        assert_eq!(report.details.status, JobStatus::Healthy, "{:?}", report.messages);
        bench.until_empty().await;
    });
    until_keepers(&path, 0);
}
