//! A platform behind its services on a loopback port, with operators that are never run.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use platform_server::executor::fake::FakeExecutor;
use platform_server::grpc;
use platform_server::platform::{Options, Platform};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Endpoint, Server};

pub(crate) struct BenchServer {
    address: SocketAddr,
    _stopping: watch::Sender<bool>,
}

impl BenchServer {
    pub(crate) async fn start(data: &Path) -> Self {
        let mut options = Options::new(data);
        options.payloads.limit_percent = 100;
        let platform = Platform::open(options, Arc::new(FakeExecutor::default())).await.unwrap();
        let (stopping, stop) = watch::channel(false);
        let routes = grpc::all_services(platform, stop).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::builder().tcp_nodelay(true).add_routes(routes);
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        Self { address, _stopping: stopping }
    }

    /// A connection of its own.
    pub(crate) async fn connect(&self) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        endpoint.tcp_nodelay(true).connect().await.unwrap()
    }
}
