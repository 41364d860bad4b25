//! A platform in a folder of its own, and its calls in one line each.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use platform_api::id::{JobId, PayloadId, PipelineId};
use platform_api::job::{JobPriority, JobReport, JobState};
use platform_api::metadata::Metadata;
use platform_api::payload::PayloadPath;
use platform_api::pipeline::DefinitionFile;
use platform_server::executor::ExecutorError;
use platform_server::executor::process::{ProcessConfig, ProcessExecutor};
use platform_server::platform::{CreatedJob, NewJob, Options, Platform, UploadPiece};
use tokio_stream::StreamExt;

/// No job of a test takes this long, however slow the machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A platform with sandboxed operators, or `None` with a note of what is missing; `REQUIRE_SANDBOX=1` makes that a
/// failure.
pub(crate) async fn open_with(data: &Path, change: impl FnOnce(&mut Options)) -> Option<Platform> {
    let shim = vec![env!("CARGO_BIN_EXE_lantern-shim").into()];
    let executor = match ProcessExecutor::open(ProcessConfig::new(data.join("executor"), shim)).await {
        Ok(executor) => executor,
        Err(error @ ExecutorError::SandboxUnavailable { .. }) => {
            assert!(std::env::var_os("REQUIRE_SANDBOX").is_none_or(|value| value != "1"), "{error}");
            eprintln!("not tested here: {error}");
            return None;
        }
        Err(error) => panic!("{error:?}"),
    };
    let mut options = Options::new(data);
    // Whatever the disk of the machine holds.
    options.payloads.limit_percent = 100;
    change(&mut options);
    Some(Platform::open(options, Arc::new(executor)).await.expect("the call is answered"))
}

pub(crate) async fn open(data: &Path) -> Option<Platform> {
    open_with(data, |_| ()).await
}

pub(crate) async fn create_pipeline(platform: &Platform, text: &str) -> PipelineId {
    let file = DefinitionFile { path: "../pipeline.yaml".into(), content: text.into() };
    platform.create_pipeline(None, vec![file], Metadata::new()).await.expect("the call is answered")
}

pub(crate) async fn create_job(platform: &Platform, pipeline: PipelineId, name: &str) -> CreatedJob {
    let new = NewJob {
        pipeline,
        name: name.parse().expect("the call is answered"),
        priority: JobPriority::Normal,
        inputs: Vec::new(),
        metadata: Metadata::new(),
    };
    platform.create_job(new).await.expect("the call is answered")
}

pub(crate) async fn upload(platform: &Platform, payload: PayloadId, name: &str, content: &'static str) {
    let piece = UploadPiece { data: Bytes::from_static(content.as_bytes()) };
    let pieces = Box::pin(tokio_stream::once(Ok(piece)));
    platform
        .upload(payload, PayloadPath::to_create(name).expect("the call is answered"), 0, pieces)
        .await
        .expect("the call is answered");
}

pub(crate) async fn start(platform: &Platform, job: JobId) {
    platform.start_job(job, BTreeMap::new()).await.expect("the call is answered");
}

/// Waits for the end of a job.
pub(crate) async fn end(platform: &Platform, job: JobId) -> JobReport {
    let wait = async {
        let mut changes = platform.events().last();
        loop {
            let report = platform.job(job).await.expect("the call is answered");
            if report.details.state == JobState::Stopped {
                return report;
            }
            changes.changed().await.expect("the call is answered");
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the job ends")
}

pub(crate) async fn files(platform: &Platform, payload: PayloadId) -> Vec<(String, u64)> {
    let files: Vec<_> = platform.payload_files(payload).collect().await;
    files
        .into_iter()
        .map(|file| file.expect("the call is answered"))
        .map(|file| (file.path.to_string(), file.size))
        .collect()
}

pub(crate) async fn content(platform: &Platform, payload: PayloadId, name: &str) -> String {
    let path = PayloadPath::to_find(name).expect("the call is answered");
    let (_, mut pieces) = platform.download(payload, path).await.expect("the call is answered");
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next().await {
        bytes.extend_from_slice(&piece.expect("the call is answered"));
    }
    String::from_utf8(bytes).expect("the call is answered")
}

pub(crate) async fn log(platform: &Platform, job: JobId, operator: &str) -> Vec<String> {
    let lines: Vec<_> = platform.log_lines(job, operator.to_owned()).collect().await;
    lines.into_iter().flat_map(|lines| lines.expect("the call is answered")).collect()
}
