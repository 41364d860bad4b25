//! What a run that does nothing costs. Prints figures; asks only that all of them end well.
//!
//! `cargo test --release -p platform-server --test executor_overhead -- --nocapture`
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, reason = "figures are what this is for")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, which the lint takes for other code")]

mod executor_support;

use std::time::{Duration, Instant};

use executor_support::*;
use platform_server::executor::spec::Limits;
use platform_server::executor::{Executor, Outcome, RunEvent, RunSpec};

fn nothing(limits: Limits) -> RunSpec {
    RunSpec { command: vec!["/bin/true".into()], limits, ..RunSpec::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wide_fan_out_of_nothing_ends_well() {
    let full = Limits {
        cpu_millis: Some(1000),
        memory_bytes: Some(1 << 30),
        processes: Some(512),
        ..Limits::default()
    };
    let wide = if cfg!(debug_assertions) { 20 } else { 200 };
    print_floor(wide);
    for bench in process_benches().await {
        for (name, limits) in [("no limits", Limits::default()), ("all limits", full)] {
            let mut single = Vec::new();
            for _ in 0..wide.min(50) {
                let start = Instant::now();
                assert_eq!(bench.run(nothing(limits)).await.outcome, Outcome::Exited { code: 0 });
                single.push(start.elapsed());
            }
            single.sort();
            let mut events = bench.executor.observe();
            let (start, cpu) = (Instant::now(), cpu_time());
            let submit = async {
                for _ in 0..wide {
                    bench.executor.submit(new_token(), nothing(limits)).await.unwrap();
                }
            };
            let listen = async {
                let mut ended = 0;
                while ended < wide {
                    if let RunEvent::Ended { end, .. } = events.recv().await.unwrap() {
                        assert_eq!(end.outcome, Outcome::Exited { code: 0 });
                        ended += 1;
                    }
                }
            };
            tokio::join!(submit, listen);
            let (all, cpu) = (start.elapsed(), cpu_time() - cpu);
            let sandbox = if bench.has_sandbox { "sandbox" } else { "no sandbox" };
            println!(
                "{sandbox}, {name}: one {:.2?} (median), {wide} wide {:.2?} each, of which {:.2?} processor time",
                single[single.len() / 2],
                all / wide,
                cpu / wide
            );
        }
    }
}

/// Processor time of this process and of all that it has waited for, shims and operators included.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
    let ticks: u64 = fields.skip(11).take(4).map(|field| field.parse::<u64>().unwrap()).sum();
    // Linux counts these in hundredths of a second on every machine.
    Duration::from_millis(ticks * 10)
}

/// The same programs started by nothing but the standard library, two at a time.
fn print_floor(wide: u32) {
    let (start, cpu) = (Instant::now(), cpu_time());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..wide / 2 {
                    assert!(std::process::Command::new("/bin/true").env_clear().status().unwrap().success());
                }
            });
        }
    });
    println!(
        "floor: {:.2?} each, of which {:.2?} processor time",
        start.elapsed() / wide,
        (cpu_time() - cpu) / wide
    );
}
