//! What the platform adds to the operators that it runs: one no-op job, a chain of 50, a fan-out of 200, beside GNU
//! make running the same commands; with and without the sandbox.

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
use tokio::runtime::Runtime;

use super::clock::{Account, median, ms};
use super::report::Report;

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

/// What stands around an operator.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Around {
    Nothing,
    Groups,
    Sandbox,
}

async fn open(data: &Path, around: Around) -> Result<Platform, ExecutorError> {
    let mut config =
        ProcessConfig::new(data.join("executor"), vec![env!("CARGO_BIN_EXE_lantern-shim").into()]);
    config.uses_cgroups = around != Around::Nothing;
    if around != Around::Sandbox {
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

/// Milliseconds of several jobs, and the processor time of one operator.
async fn times(
    platform: &Platform,
    account: &Account,
    (pipeline, operators): (PipelineId, usize),
    rounds: usize,
) -> (f64, f64) {
    run(platform, pipeline).await;
    let mut times = Vec::with_capacity(rounds);
    let cpu = account.secs();
    for _ in 0..rounds {
        times.push(ms(run(platform, pipeline).await));
    }
    (median(times), (account.secs() - cpu) * 1e3 / (rounds * operators) as f64)
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
    (0..ROUNDS).map(|_| once()).collect::<Option<Vec<_>>>().map(median)
}

pub(crate) fn measure(runtime: &Runtime, folder: &Path, account: &Account, report: &mut Report) {
    report.section("Jobs of operators that do nothing, ms");
    let cases = [
        ("no sandbox", Around::Nothing),
        ("no sandbox, cgroups", Around::Groups),
        ("sandbox, cgroups", Around::Sandbox),
    ];
    for (name, around) in cases {
        let data = folder.join(name.replace([',', ' '], "-"));
        // Beside each other, so that both have the same neighbours.
        let [floor_of_chain, floor_of_wide] = [(LONG, true), (WIDE, false)]
            .map(|(count, is_chain)| make(folder, count, is_chain).unwrap_or(f64::NAN));
        let measured = runtime.block_on(async {
            let platform = open(&data, around).await?;
            let single = pipeline(&platform, 1, false).await;
            let chain = pipeline(&platform, LONG, true).await;
            let wide = pipeline(&platform, WIDE, false).await;
            Ok::<_, ExecutorError>([
                times(&platform, account, (single, 1), SINGLE).await,
                times(&platform, account, (chain, LONG), ROUNDS).await,
                times(&platform, account, (wide, WIDE), ROUNDS).await,
            ])
        });
        let [(single, _), (chain, _), (wide, cpu)] = match measured {
            Ok(measured) => measured,
            Err(error) => {
                report.tell(name, format!("not here: {error}"));
                continue;
            }
        };
        report.at_most(&format!("{name}: one job, p50 of {SINGLE}"), single, 15.0, "ms", "");
        let ratios = [
            (format!("{name}: chain of {LONG}, to make -j2"), chain, floor_of_chain, 2.5),
            (format!("{name}: {WIDE} at once, to make -j2"), wide, floor_of_wide, 2.0),
        ];
        for (what, took, floor, target) in ratios {
            let beside = format!("{took:.0} and {floor:.0} ms; {cpu:.2} ms of processor an operator");
            // Targets are for operators without the sandbox; its own cost is told.
            if around == Around::Sandbox {
                report.tell(&what, format!("{:>9.2} ×        {beside}", took / floor));
            } else {
                report.at_most(&what, took / floor, target, "×", &beside);
            }
        }
    }
}
