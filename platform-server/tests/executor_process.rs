//! What the process executor promises, held against real programs: how runs end, and what is told of them.
#![cfg(target_os = "linux")]

mod executor_support;

use executor_support::*;
use platform_server::executor::Outcome;

#[tokio::test]
async fn exit_codes_and_signals_are_told_apart() {
    for bench in benches().await {
        assert_eq!(bench.run(sh("exit 0")).await.outcome, Outcome::Exited { code: 0 });
        assert_eq!(bench.run(sh("exit 3")).await.outcome, Outcome::Exited { code: 3 });
        assert_eq!(bench.run(sh("exit 137")).await.outcome, Outcome::Exited { code: 137 });
        assert_eq!(bench.run(sh("kill -SEGV $$")).await.outcome, Outcome::Signaled { signal: 11 });
        assert_eq!(bench.run(sh("kill -KILL $$")).await.outcome, bench.killed_itself());
    }
}
