//! A server with a platform of its own on a free loopback port, and its clients.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use platform_api::code::ErrorCode;
use platform_api::header;
use platform_api::proto::clara::clara_client::ClaraClient;
use platform_api::proto::clara::jobs_client::JobsClient;
use platform_api::proto::clara::models_client::ModelsClient;
use platform_api::proto::clara::payloads_client::PayloadsClient;
use platform_api::proto::clara::pipelines_client::PipelinesClient;
use platform_api::proto::clara::{self as wire, Identifier, PipelineDefinitionFile, ResponseHeader};
use platform_server::executor::ExecutorError;
use platform_server::executor::process::{Isolate, ProcessConfig, ProcessExecutor};
use platform_server::grpc;
use platform_server::platform::{Options, Platform};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint, Server};

/// No call of a test takes this long, however slow the machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) channel: Channel,
    /// Tells that the server is about to stop.
    pub(crate) stopping: watch::Sender<bool>,
    runs_operators: bool,
    folder: TempDir,
}

/// A server whose operators can run, or `None` with a note; `REQUIRE_SANDBOX=1` makes that a failure.
pub(crate) async fn start_with_operators() -> Option<TestServer> {
    let server = start().await;
    if !server.runs_operators {
        eprintln!("not tested here: operators have no sandbox");
    }
    server.runs_operators.then_some(server)
}

/// A server with all services. Where there is no sandbox its operators cannot run.
pub(crate) async fn start() -> TestServer {
    let folder = tempfile::tempdir().unwrap();
    let shim = env!("CARGO_BIN_EXE_lantern-shim").into();
    let mut config = ProcessConfig::new(folder.path().join("executor"), vec![shim]);
    let (executor, runs_operators) = match ProcessExecutor::open(config.clone()).await {
        Ok(executor) => (executor, true),
        Err(error @ ExecutorError::SandboxUnavailable { .. }) => {
            assert!(std::env::var_os("REQUIRE_SANDBOX").is_none_or(|value| value != "1"), "{error}");
            config.isolate = Isolate::Nothing;
            (ProcessExecutor::open(config).await.unwrap(), false)
        }
        Err(error) => panic!("{error:?}"),
    };
    let mut options = Options::new(folder.path());
    // Whatever the disk of the machine holds.
    options.payloads.limit_percent = 100;
    let platform = Platform::open(options, Arc::new(executor)).await.unwrap();
    let (stopping, stop) = watch::channel(false);
    let routes = grpc::all_services(platform, stop).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder().add_routes(routes);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    TestServer { address, channel, stopping, runs_operators, folder }
}

impl TestServer {
    /// Runs of which the executor keeps something.
    pub(crate) fn kept_runs(&self) -> usize {
        let runs = std::fs::read_dir(self.folder.path().join("executor/runs"));
        runs.map_or(0, Iterator::count)
    }

    pub(crate) fn clara(&self) -> ClaraClient<Channel> {
        ClaraClient::new(self.channel.clone())
    }

    pub(crate) fn pipelines(&self) -> PipelinesClient<Channel> {
        PipelinesClient::new(self.channel.clone())
    }

    pub(crate) fn jobs(&self) -> JobsClient<Channel> {
        JobsClient::new(self.channel.clone())
    }

    pub(crate) fn payloads(&self) -> PayloadsClient<Channel> {
        PayloadsClient::new(self.channel.clone())
    }

    pub(crate) fn models(&self) -> ModelsClient<Channel> {
        ModelsClient::new(self.channel.clone())
    }

    /// A pipeline of one operator `only` that runs a command of the shell.
    pub(crate) async fn pipeline(&self, command: &str) -> Identifier {
        let request = definition("../pipeline.yaml", &one(command));
        let answer = self.pipelines().create(tokio_stream::once(request)).await.unwrap().into_inner();
        accepted(&answer.header);
        answer.pipeline_id.unwrap()
    }

    /// A job of that pipeline: its identifier and its payload.
    pub(crate) async fn job(&self, pipeline: &Identifier) -> (Identifier, Identifier) {
        let request = wire::JobsCreateRequest {
            pipeline_id: Some(pipeline.clone()),
            name: "a job".to_owned(),
            ..Default::default()
        };
        let answer = self.jobs().create(request).await.unwrap().into_inner();
        accepted(&answer.header);
        (answer.job_id.unwrap(), answer.payload_id.unwrap())
    }

    /// Starts a job.
    pub(crate) async fn begin(&self, job: &Identifier) {
        let request = wire::JobsStartRequest { job_id: Some(job.clone()), ..Default::default() };
        let answer = self.jobs().start(request).await.unwrap().into_inner();
        accepted(&answer.header);
        assert!(answer.state != 0 && answer.status == 1 && answer.priority == 2, "{answer:?}");
    }

    /// Asks until a job is over, as published clients do.
    pub(crate) async fn end(&self, job: &Identifier) -> wire::JobsStatusResponse {
        let wait = async {
            loop {
                let request = wire::JobsStatusRequest { job_id: Some(job.clone()), ..Default::default() };
                let answer = self.jobs().status(request).await.unwrap().into_inner();
                accepted(&answer.header);
                if answer.state == 3 {
                    return answer;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("the job ends")
    }
}

/// A definition with one operator.
pub(crate) fn one(command: &str) -> String {
    format!(
        "api-version: 0.4.0\nname: one\noperators:\n- name: only\n  container:\n    image: lantern/shell\n    \
         command: [\"/bin/sh\", \"-c\", {command:?}]\n  input:\n  - path: /in\n  output:\n  - path: /out\n"
    )
}

/// A definition's file as a message, without a header.
pub(crate) fn definition(path: &str, content: &str) -> wire::PipelinesCreateRequest {
    let definition = PipelineDefinitionFile { path: path.to_owned(), content: content.to_owned() };
    wire::PipelinesCreateRequest { definition: Some(definition), ..Default::default() }
}

/// An identifier that nothing has.
pub(crate) fn nobody() -> Option<Identifier> {
    Some(Identifier { value: "f".repeat(32) })
}

/// The call was not refused, and the answer says so itself.
#[track_caller]
pub(crate) fn accepted(header: &Option<ResponseHeader>) {
    assert!(header.is_some(), "an answer without a header");
    assert_eq!(header::check(header.clone()), Ok(0));
}

/// The call was refused with this code, and a text for people.
#[track_caller]
pub(crate) fn refused(header: &Option<ResponseHeader>, code: ErrorCode) {
    let refusal = header::check(header.clone()).expect_err("the call was not refused");
    assert_eq!(refusal.code, code, "{:?}", refusal.messages);
    assert!(!refusal.messages.is_empty());
}

/// All messages of a stream, which ends by itself and without an error.
pub(crate) async fn all<T>(messages: tonic::Response<Streaming<T>>) -> Vec<T> {
    let read =
        messages.into_inner().map(|message| message.expect("the stream ends without an error")).collect();
    tokio::time::timeout(PATIENCE, read).await.expect("the stream ends")
}

/// The one message of a stream.
pub(crate) async fn only<T: std::fmt::Debug>(messages: tonic::Response<Streaming<T>>) -> T {
    let mut messages = all(messages).await;
    assert_eq!(messages.len(), 1, "{messages:?}");
    messages.remove(0)
}
