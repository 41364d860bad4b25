//! A small server of the platform for tests: keeps things in memory and fails where a script says so.
//!
//! Included by path from the tests of several crates; each uses a part of it.
#![allow(dead_code, reason = "each test crate uses a part of it")]
#![allow(unreachable_pub, reason = "included into the roots of test crates")]
#![allow(clippy::unwrap_used, reason = "a test whose input is not as written fails")]

mod clara;
mod extension;
mod models;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};

use platform_api::proto::clara::{
    Identifier, ModelDetails, PipelineDefinitionFile, ResponseHeader, Timestamp, clara_server, jobs_server,
    models_server, payloads_server, pipelines_server,
};
use platform_api::proto::extension as wire;
use tokio_stream::Stream;
use tonic::transport::server::{Router, TcpIncoming};
use tonic::transport::{Server, ServerTlsConfig};
use tonic::{Code, Response, Status};

/// 2021-03-08T18:06:31Z, as the wire counts.
pub const NOW: i64 = 63_750_823_591;
/// The same for our own services.
pub const NOW_UNIX: i64 = 1_615_226_791;

/// What a call does instead of its work.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Answers with a header of this code and text.
    Refuse(i32, &'static str),
    /// Fails as gRPC does.
    Status(Code, &'static str),
    /// Never answers.
    Hang,
    /// A stream sends so many messages, then breaks as a lost connection does.
    Break(usize),
    /// A stream ends after so many messages as if that were all.
    End(usize),
}

#[derive(Debug, Clone)]
pub struct FakeJob {
    pub id: String,
    pub payload_id: String,
    pub pipeline_id: String,
    pub name: String,
    pub state: i32,
    pub status: i32,
    pub priority: i32,
    pub created: i64,
    pub started: Option<i64>,
    pub stopped: Option<i64>,
    pub metadata: BTreeMap<String, String>,
    pub variables: BTreeMap<String, String>,
    /// States and statuses still to come, one for each look at the job.
    pub to_come: VecDeque<(i32, i32)>,
}

#[derive(Debug, Clone, Default)]
pub struct FakePayload {
    pub job_id: Option<String>,
    pub files: BTreeMap<String, Vec<u8>>,
    pub metadata: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
pub struct State {
    pub pipelines: BTreeMap<String, (String, Vec<PipelineDefinitionFile>, Set)>,
    pub jobs: Vec<FakeJob>,
    pub payloads: BTreeMap<String, FakePayload>,
    pub models: BTreeMap<String, (ModelDetails, Vec<u8>)>,
    /// Catalogs and instances.
    pub lists: BTreeMap<String, Vec<String>>,
    /// By operator.
    pub logs: BTreeMap<String, Vec<u8>>,
    pub events: Vec<wire::WatchResponse>,
    pub faults: Vec<(&'static str, Fault)>,
    /// Calls in the order they came, with their `authorization`.
    pub calls: Vec<(&'static str, Option<String>)>,
    /// Pieces of downloads.
    pub piece_bytes: usize,
    /// Where watches began.
    pub resumed_from: Vec<Option<wire::Cursor>>,
    pub log_offsets: Vec<u64>,
    /// What a started job goes through.
    pub course: Vec<(i32, i32)>,
    /// Filters by state only where statuses are given too, as the published release does.
    pub forgets_states_alone: bool,
    next: u128,
}

type Set = BTreeMap<String, String>;

impl State {
    fn pipeline_metadata(&mut self, id: &str) -> Option<&mut Set> {
        self.pipelines.get_mut(id).map(|pipeline| &mut pipeline.2)
    }

    fn job_metadata(&mut self, id: &str) -> Option<&mut Set> {
        self.jobs.iter_mut().find(|job| job.id == id).map(|job| &mut job.metadata)
    }

    fn payload_metadata(&mut self, id: &str) -> Option<&mut Set> {
        self.payloads.get_mut(id).map(|payload| &mut payload.metadata)
    }

    fn model_metadata(&mut self, id: &str) -> Option<&mut Set> {
        self.models.get_mut(id).map(|model| &mut model.0.metadata)
    }
}

/// The server; copies share its state.
#[derive(Debug, Clone, Default)]
pub struct Fake {
    state: Arc<Mutex<State>>,
}

pub type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl Fake {
    pub fn new() -> Self {
        let fake = Self::default();
        {
            let mut state = fake.state();
            state.piece_bytes = 64 << 10;
            state.course = vec![(2, 1), (3, 1)];
        }
        fake
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The next such call fails so; several faults of one call in this order.
    pub fn fail(&self, call: &'static str, fault: Fault) {
        self.state().faults.push((call, fault));
    }

    pub fn count(&self, call: &str) -> usize {
        self.state().calls.iter().filter(|(name, _)| *name == call).count()
    }

    pub fn router(&self, has_extension: bool) -> Router {
        self.router_on(Server::builder(), has_extension)
    }

    fn router_on(&self, mut server: Server, has_extension: bool) -> Router {
        let router = server
            .add_service(clara_server::ClaraServer::new(self.clone()))
            .add_service(pipelines_server::PipelinesServer::new(self.clone()))
            .add_service(jobs_server::JobsServer::new(self.clone()))
            .add_service(
                payloads_server::PayloadsServer::new(self.clone()).max_encoding_message_size(64 << 20),
            )
            .add_service(models_server::ModelsServer::new(self.clone()));
        if !has_extension {
            return router;
        }
        router
            .add_service(wire::jobs_server::JobsServer::new(self.clone()))
            .add_service(wire::payloads_server::PayloadsServer::new(self.clone()))
            .add_service(wire::logs_server::LogsServer::new(self.clone()))
            .add_service(wire::events_server::EventsServer::new(self.clone()))
            .add_service(wire::server_server::ServerServer::new(self.clone()))
    }

    /// Serves on a free port of this machine until the runtime ends.
    pub async fn serve(&self) -> SocketAddr {
        self.serve_router(self.router(true))
    }

    /// The same without our own services.
    pub async fn serve_published_api_only(&self) -> SocketAddr {
        self.serve_router(self.router(false))
    }

    pub async fn serve_tls(&self, tls: ServerTlsConfig) -> SocketAddr {
        self.serve_router(self.router_on(Server::builder().tls_config(tls).unwrap(), true))
    }

    fn serve_router(&self, router: Router) -> SocketAddr {
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = incoming.local_addr().unwrap();
        tokio::spawn(router.serve_with_incoming(incoming));
        address
    }

    /// Notes the call and gives what it is to do instead.
    async fn enter<T>(
        &self,
        call: &'static str,
        request: &tonic::Request<T>,
    ) -> Result<Option<Fault>, Status> {
        let authorization = request.metadata().get("authorization").map(|v| v.to_str().unwrap().to_owned());
        let fault = {
            let mut state = self.state();
            state.calls.push((call, authorization));
            let at = state.faults.iter().position(|(name, _)| *name == call);
            at.map(|at| state.faults.remove(at).1)
        };
        match fault {
            Some(Fault::Status(code, text)) => Err(Status::new(code, text)),
            Some(Fault::Hang) => std::future::pending().await,
            fault => Ok(fault),
        }
    }

    pub fn new_id(&self, kind: u128) -> String {
        let mut state = self.state();
        state.next += 1;
        // The kind and the number begin the identifier, so that beginnings are easily told apart.
        format!("{:032x}", kind << 124 | state.next << 120 | state.next)
    }
}

/// A header that refuses, where the fault says so.
fn header(fault: Option<&Fault>) -> Option<ResponseHeader> {
    match fault {
        Some(Fault::Refuse(code, text)) => refusal(*code, text),
        _ => Some(ResponseHeader::default()),
    }
}

fn refusal(code: i32, text: &str) -> Option<ResponseHeader> {
    Some(ResponseHeader { code, messages: vec![text.to_owned()] })
}

fn is_refused(fault: Option<&Fault>) -> bool {
    matches!(fault, Some(Fault::Refuse(..)))
}

fn identifier(text: &str) -> Option<Identifier> {
    Some(Identifier { value: text.to_owned() })
}

fn value(id: Option<&Identifier>) -> String {
    id.map(|id| id.value.clone()).unwrap_or_default()
}

fn timestamp(value: impl Into<Option<i64>>) -> Option<Timestamp> {
    value.into().map(|value| Timestamp { value })
}

/// A stream of these messages, cut where the fault says so.
fn messages<T: Send + 'static>(messages: Vec<T>, fault: Option<&Fault>) -> Response<Messages<T>> {
    let mut items: Vec<Result<T, Status>> = messages.into_iter().map(Ok).collect();
    match fault {
        Some(Fault::Break(after)) => {
            items.truncate(*after);
            items.push(Err(Status::unavailable("broken on purpose")));
        }
        Some(Fault::End(after)) => items.truncate(*after),
        _ => {}
    }
    Response::new(Box::pin(tokio_stream::iter(items)))
}
