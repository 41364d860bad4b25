//! Waiting for the end of a job.

use std::time::Duration;

use platform_client::id::JobId;
use platform_client::job::{JobReport, JobState, JobStatus};
use platform_client::{Client, ClientError};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Looks at the job until it is over.
pub(super) async fn until_stopped(client: &Client, id: JobId) -> Result<JobReport, ClientError> {
    let mut pause = FIRST_PAUSE;
    loop {
        let report = client.jobs().status(id).await?;
        if report.details.state == JobState::Stopped {
            return Ok(report);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// An error for a job that did not end well.
pub(super) fn check(report: &JobReport) -> anyhow::Result<()> {
    let job = &report.details;
    let reasons =
        if report.messages.is_empty() { String::new() } else { format!(": {}", report.messages.join("; ")) };
    anyhow::ensure!(job.status == JobStatus::Healthy, "job {} ended {}{reasons}", job.id, job.status);
    Ok(())
}
