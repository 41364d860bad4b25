//! Traces of a job, as a collector of OpenTelemetry receives them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use platform_api::proto::clara::jobs_client::JobsClient;
use platform_api::proto::clara::{Identifier, JobsStartRequest};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use super::{Server, lantern, settings, text};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
/// Name of a job that must not leave the server.
const PATIENT: &str = "mustermann-erika";

const PIPELINE: &str = r#"
api-version: 0.4.0
name: traced
operators:
- name: teller
  container:
    image: lantern/shell
    command: ["/bin/sh", "-c", "echo $TRACEPARENT"]
  output:
  - path: /out
- name: breaker
  container:
    image: lantern/shell
    command: ["/bin/sh", "-c", "exit 3"]
  input:
  - from: teller
    path: /told
"#;

/// Keeps what it is sent.
#[derive(Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
    services: Arc<Mutex<Vec<String>>>,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for resource in request.into_inner().resource_spans {
            let attributes = resource.resource.map(|resource| resource.attributes).unwrap_or_default();
            self.services.lock().unwrap().push(format!("{attributes:?}"));
            self.spans.lock().unwrap().extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    async fn serve(&self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = tonic::transport::Server::builder().add_service(TraceServiceServer::new(self.clone()));
        tokio::spawn(router.serve_with_incoming(TcpListenerStream::new(listener)));
        address
    }

    /// Waits for a span of this name.
    fn span(&self, is_it: impl Fn(&Span) -> bool) -> Span {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(span) = self.spans.lock().unwrap().iter().find(|span| is_it(span)) {
                return span.clone();
            }
            assert!(Instant::now() < end, "{:#?}", self.spans.lock().unwrap());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn has(span: &Span, key: &str, value: &str) -> bool {
    let found = span.attributes.iter().find(|attribute| attribute.key == key);
    found.is_some_and(|attribute| format!("{:?}", attribute.value).contains(&format!("\"{value}\"")))
}

#[test]
fn a_job_is_traced_from_the_call_of_its_start_to_its_operators() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let collector = Collector::default();
    let endpoint = format!("http://{}", runtime.block_on(collector.serve()));
    let folder = tempfile::tempdir().unwrap();
    let environment =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "100")];
    let started = Server::start_in(&folder.path().join("data"), &settings(folder.path()), &environment);
    let Some(server) = started else { return };
    let definition = folder.path().join("traced.yaml");
    std::fs::write(&definition, PIPELINE).unwrap();
    let made = text(lantern(&server, &["create", "pipelines", "-p", definition.to_str().unwrap()]));
    let pipeline = made.trim().strip_prefix("PIPELINE_ID:").unwrap();
    let made = text(lantern(&server, &["create", "job", "-n", PATIENT, "-p", pipeline]));
    let job = made.lines().next().unwrap().strip_prefix("JOB_ID:").unwrap().to_owned();
    runtime.block_on(async {
        let mut jobs = JobsClient::connect(server.address.clone()).await.unwrap();
        let job_id = Some(Identifier { value: job.clone() });
        let mut request = Request::new(JobsStartRequest { job_id, ..Default::default() });
        request.metadata_mut().insert("traceparent", format!("00-{TRACE}-{CALLER}-01").parse().unwrap());
        jobs.start(request).await.unwrap();
    });

    let call = collector.span(|span| span.name == "/nvidia.clara.platform.Jobs/Start");
    assert_eq!((hex(&call.trace_id), hex(&call.parent_span_id)), (TRACE.to_owned(), CALLER.to_owned()));
    let of_job = collector.span(|span| span.name == "job");
    assert_eq!((&of_job.trace_id, &of_job.parent_span_id), (&call.trace_id, &call.span_id));
    assert!(has(&of_job, "job.id", &job) && has(&of_job, "job.status", "faulted"), "{of_job:#?}");
    assert_eq!(of_job.status.as_ref().map(|status| status.code()), Some(StatusCode::Error));
    let operator = |name: &str| {
        let span = collector.span(|span| span.name == "operator" && has(span, "operator.name", name));
        assert_eq!((&span.trace_id, &span.parent_span_id), (&of_job.trace_id, &of_job.span_id), "{name}");
        assert!(has(&span, "job.id", &job), "{span:#?}");
        span
    };
    let (teller, breaker) = (operator("teller"), operator("breaker"));
    assert!(breaker.end_time_unix_nano <= of_job.end_time_unix_nano, "a job ends after its operators");
    assert!(breaker.attributes.iter().any(|attribute| attribute.key == "operator.fault"), "{breaker:#?}");
    let told = text(lantern(&server, &["logs", "-j", &job, "-o", "teller"]));
    assert_eq!(told.trim(), format!("00-{TRACE}-{}-01", hex(&teller.span_id)));

    let spans = format!("{:?}", collector.spans.lock().unwrap());
    assert!(!spans.contains(PATIENT), "a name that may be a patient's has left the server");
    assert!(collector.services.lock().unwrap().iter().all(|service| service.contains("\"lantern\"")));
}

#[test]
fn an_operator_is_told_nothing_where_no_traces_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(&folder.path().join("data"), &settings(folder.path())) else { return };
    let definition = folder.path().join("traced.yaml");
    std::fs::write(&definition, PIPELINE.replace("echo $TRACEPARENT", "echo [$TRACEPARENT]")).unwrap();
    let made = text(lantern(&server, &["create", "pipelines", "-p", definition.to_str().unwrap()]));
    let pipeline = made.trim().strip_prefix("PIPELINE_ID:").unwrap();
    let made = lantern(&server, &["create", "job", "-n", "a", "-p", pipeline, "-s", "--wait"]);
    let made = String::from_utf8(made.stdout).unwrap();
    let job = made.lines().next().unwrap().strip_prefix("JOB_ID:").unwrap();
    assert_eq!(text(lantern(&server, &["logs", "-j", job, "-o", "teller"])).trim(), "[]");
}
