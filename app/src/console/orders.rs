//! What the window asks of the worker.

use platform_client::id::{JobId, PipelineId};

use imaging::series::SeriesEntry;

/// A series to be sent through a pipeline.
#[derive(Debug, Clone)]
pub struct RunRequest {
    /// What runs.
    pub pipeline: PipelineId,
    /// What people call the job. No patient data.
    pub name: String,
    /// Where the series' files are.
    pub series: Box<SeriesEntry>,
    /// The series' UID, where it has one; noted with the job.
    pub series_uid: Option<String>,
}

/// Something to do.
#[derive(Debug)]
#[expect(missing_docs, reason = "the orders name themselves")]
pub enum Order {
    /// Tries again to start or to connect.
    Retry,
    Run(RunRequest),
    Cancel(JobId),
    /// Shows a job with its operators and results.
    Select(Option<JobId>),
    /// Fetches a result, by its place among [`super::JobView::outputs`], and opens it.
    OpenResult {
        job: JobId,
        output: usize,
    },
    ShowLog {
        job: JobId,
        operator: String,
    },
    CloseLog,
    CancelTransfer(u64),
    /// Stops the server in order and ends the worker.
    Quit,
}
