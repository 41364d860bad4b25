//! What the platform adds to the operators that it runs: one no-op job, a chain of 50, a fan-out of 200, beside
//! GNU make running the same commands. Prints milliseconds; with and without the sandbox.
//!
//! `cargo bench -p platform-server --bench jobs`

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::BTreeMap;
    use std::fmt::Write as _;
    use std::path::Path;
    use std::process::Command;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use platform_api::id::PipelineId;
    use platform_api::job::{JobPriority, JobState, JobStatus};
    use platform_api::metadata::Metadata;
    use platform_api::pipeline::DefinitionFile;
    use platform_server::executor::ExecutorError;
    use platform_server::executor::process::{Isolate, ProcessConfig, ProcessExecutor};
    use platform_server::platform::{NewJob, Options, Platform};

    const WIDE: usize = 200;
    const LONG: usize = 50;
    const SINGLE: usize = 100;
    const ROUNDS: usize = 5;

    /// `count` operators that do nothing; each after the one before, or all at once.
    fn definition(count: usize, is_chain: bool) -> String {
        let mut text = "api-version: 0.4.0\nname: noop\noperators:\n".to_owned();
        for n in 0..count {
            let input = match n {
                0 => "",
                _ if is_chain => &format!("  input:\n  - from: op{}\n    path: /in\n", n - 1),
                _ => "",
            };
            let written = write!(
                text,
                "- name: op{n}\n  container:\n    image: lantern/shell\n    command: [/bin/true]\n{input}  \
                 output:\n  - path: /out\n"
            );
            written.expect("a string takes all");
        }
        text
    }

    async fn open(data: &Path, has_sandbox: bool) -> Result<Platform, ExecutorError> {
        let mut config =
            ProcessConfig::new(data.join("executor"), vec![env!("CARGO_BIN_EXE_lantern-shim").into()]);
        if !has_sandbox {
            config.isolate = Isolate::Nothing;
        }
        let executor = ProcessExecutor::open(config).await?;
        let mut options = Options::new(data);
        options.payloads.limit_percent = 100;
        Ok(Platform::open(options, Arc::new(executor)).await.expect("the platform starts"))
    }

    async fn pipeline(platform: &Platform, count: usize, is_chain: bool) -> PipelineId {
        let file = DefinitionFile { path: "noop.yaml".into(), content: definition(count, is_chain) };
        platform.create_pipeline(None, vec![file], Metadata::new()).await.expect("the definition is good")
    }

    /// Creates, starts and sees the end of a job.
    async fn run(platform: &Platform, pipeline: PipelineId) -> Duration {
        let begun = Instant::now();
        let mut changes = platform.events().last();
        let new = NewJob {
            pipeline,
            name: "noop".parse().expect("a name"),
            priority: JobPriority::Normal,
            inputs: Vec::new(),
            metadata: Metadata::new(),
        };
        let made = platform.create_job(new).await.expect("the job is made");
        platform.start_job(made.job, BTreeMap::new()).await.expect("the job starts");
        loop {
            let details = platform.job(made.job).await.expect("the job is known").details;
            if details.state == JobState::Stopped {
                assert_eq!(details.status, JobStatus::Healthy);
                return begun.elapsed();
            }
            changes.changed().await.expect("the platform is there");
        }
    }

    async fn median(platform: &Platform, pipeline: PipelineId, rounds: usize) -> f64 {
        run(platform, pipeline).await;
        let mut times = Vec::with_capacity(rounds);
        for _ in 0..rounds {
            times.push(run(platform, pipeline).await.as_secs_f64() * 1e3);
        }
        middle(times)
    }

    fn middle(mut times: Vec<f64>) -> f64 {
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// GNU make running the same commands, two at a time.
    fn make(folder: &Path, count: usize, is_chain: bool) -> Option<f64> {
        let mut text =
            format!(".PHONY: all\nall: {}\n", (0..count).map(|n| format!("op{n} ")).collect::<String>());
        for n in 0..count {
            let before = if is_chain && n > 0 { format!("op{}", n - 1) } else { String::new() };
            writeln!(text, ".PHONY: op{n}\nop{n}: {before}\n\t@/bin/true;").expect("a string takes all");
        }
        std::fs::write(folder.join("Makefile"), text).ok()?;
        let once = || {
            let begun = Instant::now();
            let ended = Command::new("make").args(["-s", "-j2", "-C"]).arg(folder).status().ok()?;
            ended.success().then(|| begun.elapsed().as_secs_f64() * 1e3)
        };
        (0..ROUNDS).map(|_| once()).collect::<Option<Vec<_>>>().map(middle)
    }

    pub(super) fn main() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        let mut lines = Vec::new();
        for has_sandbox in [false, true] {
            let data = folder.path().join(format!("data-{has_sandbox}"));
            let name = if has_sandbox { "with sandbox" } else { "without" };
            let times = runtime.block_on(async {
                let platform = open(&data, has_sandbox).await?;
                let single = pipeline(&platform, 1, false).await;
                let chain = pipeline(&platform, LONG, true).await;
                let wide = pipeline(&platform, WIDE, false).await;
                Ok::<_, ExecutorError>([
                    median(&platform, single, SINGLE).await,
                    median(&platform, chain, ROUNDS).await,
                    median(&platform, wide, ROUNDS).await,
                ])
            });
            match times {
                Ok([single, chain, wide]) => lines.push(format!("{name}: {single:.1} {chain:.0} {wide:.0}")),
                Err(error) => lines.push(format!("{name}: {error}")),
            }
        }
        let chain = make(folder.path(), LONG, true).unwrap_or(f64::NAN);
        let wide = make(folder.path(), WIDE, false).unwrap_or(f64::NAN);
        lines.push(format!("make -j2: - {chain:.0} {wide:.0}"));
        let text = lines.join("\n");
        std::fs::write("/dev/stdout", format!("one job, chain of {LONG}, {WIDE} at once; ms\n{text}\n"))
            .expect("somebody reads");
    }
}
