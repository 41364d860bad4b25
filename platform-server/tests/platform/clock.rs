//! Clocks on the wall that are set forwards and back.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use platform_api::job::{EndReason, JobState, JobStatus};
use platform_server::platform::Platform;

use crate::server::*;

const HANGS: &str = "api-version: 0.4.0\nname: hangs\noperators:\n- name: only\n  container:\n    \
                     image: lantern/shell\n    command: [\"/bin/sleep\", \"600\"]\n";
const ENDS: &str = "api-version: 0.4.0\nname: ends\noperators:\n- name: first\n  container:\n    \
                    image: lantern/shell\n    command: [\"/bin/sleep\", \"0.05\"]\n  output:\n  - path: /out\n\
                    - name: second\n  container:\n    image: lantern/shell\n    command: [\"/bin/true\"]\n  \
                    input:\n  - from: first\n    path: /in\n";

fn year_2001() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(978_307_200)
}

fn year_2090() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(3_786_912_000)
}

/// A platform whose wall says something else than that of the shims, which is how a jump looks to it.
async fn open_at(data: &std::path::Path, wall: fn() -> SystemTime) -> Option<Platform> {
    open_with(data, |options| {
        options.wall = wall;
        options.scheduler.default_limit_ms = 700;
        options.scheduler.grace_ms = 100;
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn time_limits_count_elapsed_time_whatever_the_wall_says() {
    for wall in [year_2001, year_2090] {
        let folder = tempfile::tempdir().unwrap();
        let Some(platform) = open_at(folder.path(), wall).await else { return };
        let pipeline = create_pipeline(&platform, HANGS).await;
        let made = create_job(&platform, pipeline, "hangs").await;
        let begun = Instant::now();
        start(&platform, made.job).await;
        let report = end(&platform, made.job).await;
        assert_eq!(report.details.status, JobStatus::Terminated);
        let took = begun.elapsed();
        assert!((Duration::from_millis(700)..Duration::from_secs(60)).contains(&took), "{took:?}");
        let extended = platform.job_extended(made.job).await.unwrap();
        assert_eq!(extended.operators[0].end.as_ref().unwrap().reason, EndReason::TimedOut);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_one_server_stay_in_order_whatever_the_wall_says() {
    for wall in [year_2001, year_2090] {
        let folder = tempfile::tempdir().unwrap();
        let Some(platform) = open_at(folder.path(), wall).await else { return };
        let pipeline = create_pipeline(&platform, ENDS).await;
        let made = create_job(&platform, pipeline, "ends").await;
        start(&platform, made.job).await;
        let report = end(&platform, made.job).await;
        assert_eq!(report.details.status, JobStatus::Healthy, "{:?}", report.messages);
        let details = &report.details;
        let mut times = vec![Some(details.created), details.started];
        for operator in &report.operators {
            times.extend([operator.started, operator.stopped]);
        }
        times.push(details.stopped);
        let times: Vec<SystemTime> = times.into_iter().map(|time| time.unwrap()).collect();
        assert!(times.is_sorted(), "{times:?}");
        // All of them from the same wall.
        assert!(
            times.iter().all(|time| *time >= wall() && *time < wall() + Duration::from_secs(600)),
            "{times:?}"
        );
    }
}

#[test]
fn a_wall_that_was_set_between_two_servers_loses_no_job_and_ends_none_before_it_began() {
    let folder = tempfile::tempdir().unwrap();
    let life = |wall: fn() -> SystemTime, first: bool| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let told = runtime.block_on(async {
            let platform = open_at(folder.path(), wall).await?;
            if first {
                let pipeline = create_pipeline(&platform, ENDS).await;
                for name in ["ended", "created"] {
                    create_job(&platform, pipeline, name).await;
                }
            }
            use tokio_stream::StreamExt;
            let jobs: Vec<_> = platform.jobs(Default::default()).map(|job| job.unwrap().id).collect().await;
            // The first of them before the wall is set, the other one after it.
            let job = if first { jobs[0] } else { jobs[1] };
            start(&platform, job).await;
            let report = end(&platform, job).await;
            assert_eq!(
                (report.details.state, report.details.status),
                (JobState::Stopped, JobStatus::Healthy)
            );
            let (created, stopped) = (report.details.created, report.details.stopped.unwrap());
            assert!(created <= stopped, "{report:?}");
            Some(jobs)
        });
        runtime.shutdown_timeout(Duration::from_secs(60));
        told
    };
    let Some(before) = life(SystemTime::now, true) else { return };
    // Years back, and on the next start years ahead: the order of creation stays.
    assert_eq!(life(year_2001, false), Some(before));
}
