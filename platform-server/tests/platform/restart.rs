//! What outlives a server.

use std::path::Path;

use platform_api::job::{JobState, JobStatus};
use platform_server::platform::{CreatedJob, Platform};
use platform_server::scheduler::OnRestart;

use crate::server::*;

/// Runs until a file `go` is in its input.
const SLOW: &str = r#"
api-version: 0.4.0
name: slow
operators:
- name: only
  container:
    image: lantern/shell
    command: ["/bin/sh", "-c", "while [ ! -e /in/go ]; do sleep 0.05; done; echo done"]
  input:
  - path: /in
"#;

/// One life of a server: everything of it goes at its end, without a word, as when its process is killed.
pub(crate) fn life<T>(story: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("the call is answered");
    let told = runtime.block_on(story);
    runtime.shutdown_timeout(std::time::Duration::from_secs(60));
    told
}

#[test]
fn created_jobs_wait_on_and_records_stay() {
    let folder = tempfile::tempdir().expect("the call is answered");
    let Some((pipeline, made)) = life(async {
        let platform = open(folder.path()).await?;
        let pipeline = create_pipeline(&platform, SLOW).await;
        Some((pipeline, create_job(&platform, pipeline, "waits").await))
    }) else {
        return;
    };
    life(async {
        let platform = reopen(folder.path(), OnRestart::Reattach).await;
        assert_eq!(platform.pipeline(pipeline).await.expect("the call is answered").summary.name, "slow");
        let report = platform.job(made.job).await.expect("the call is answered");
        assert_eq!((report.details.state, report.details.status), (JobState::Pending, JobStatus::Healthy));
        platform.cancel_job(made.job, None).await.expect("the call is answered");
    });
}

#[test]
fn logs_of_jobs_that_are_over_are_read_under_the_next_server() {
    let folder = tempfile::tempdir().expect("the call is answered");
    let Some(made) = life(async {
        let platform = open(folder.path()).await?;
        let pipeline =
            create_pipeline(&platform, &SLOW.replace("while [ ! -e /in/go ]; do sleep 0.05; done; ", ""))
                .await;
        let made = create_job(&platform, pipeline, "over").await;
        start(&platform, made.job).await;
        end(&platform, made.job).await;
        Some(made)
    }) else {
        return;
    };
    for on_restart in [OnRestart::Reattach, OnRestart::Evict] {
        life(async {
            let platform = reopen(folder.path(), on_restart).await;
            assert_eq!(log(&platform, made.job, "only").await, ["done"]);
        });
    }
}

/// Starts a job that runs until it is let go, and lets its server die.
fn leave_behind(folder: &Path) -> Option<CreatedJob> {
    life(async {
        let platform = open(folder).await?;
        let pipeline = create_pipeline(&platform, SLOW).await;
        let made = create_job(&platform, pipeline, "left behind").await;
        start(&platform, made.job).await;
        let mut changes = platform.events().last();
        while platform.job(made.job).await.expect("the call is answered").details.state != JobState::Running {
            changes.changed().await.expect("the call is answered");
        }
        Some(made)
    })
}

#[test]
fn running_jobs_are_evicted_where_the_configuration_says_so() {
    let folder = tempfile::tempdir().expect("the call is answered");
    let Some(made) = leave_behind(folder.path()) else { return };
    life(async {
        let platform = reopen(folder.path(), OnRestart::Evict).await;
        let report = end(&platform, made.job).await;
        assert_eq!(report.details.status, JobStatus::Evicted);
    });
}

#[test]
fn running_jobs_go_on_under_the_next_server() {
    let folder = tempfile::tempdir().expect("the call is answered");
    let Some(made) = leave_behind(folder.path()) else { return };
    life(async {
        let platform = reopen(folder.path(), OnRestart::Reattach).await;
        assert_eq!(
            platform.job(made.job).await.expect("the call is answered").details.state,
            JobState::Running
        );
        let input = folder.path().join("payloads").join(made.payload.to_string()).join("input");
        std::fs::write(input.join("go"), "").expect("the call is answered");
        let report = end(&platform, made.job).await;
        assert_eq!((report.details.status, report.messages), (JobStatus::Healthy, vec![]));
        assert_eq!(log(&platform, made.job, "only").await, ["done"]);
    });
}

/// Opens a folder again as soon as the platform before has let go of it.
async fn reopen(data: &Path, on_restart: OnRestart) -> Platform {
    open_with(data, |options| options.scheduler.on_restart = on_restart).await.expect("the call is answered")
}
