//! What a run that does nothing costs. Prints figures; asks only that all of them end well.
//!
//! `cargo test --release -p platform-server --test executor_overhead -- --nocapture`
#![cfg(target_os = "linux")]

mod executor_support;

use std::time::Instant;

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
    for bench in benches().await {
        for (name, limits) in [("no limits", Limits::default()), ("all limits", full)] {
            let mut single = Vec::new();
            for _ in 0..wide.min(50) {
                let start = Instant::now();
                assert_eq!(bench.run(nothing(limits)).await.outcome, Outcome::Exited { code: 0 });
                single.push(start.elapsed());
            }
            single.sort();
            let mut events = bench.executor.observe();
            let start = Instant::now();
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
            let all = start.elapsed();
            let sandbox = if bench.has_sandbox { "sandbox" } else { "no sandbox" };
            println!(
                "{sandbox}, {name}: one {:.2?} (median), {wide} wide {:.2?} each",
                single[single.len() / 2],
                all / wide
            );
        }
    }
}
