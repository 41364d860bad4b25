//! The real server on a loopback port, without encryption; its operators are never run.

use std::net::SocketAddr;
use std::path::Path;

use platform_server::config::{Config, TlsMode};
use platform_server::server::{self, Running};
use tonic::transport::{Channel, Endpoint};

pub(crate) struct BenchServer {
    address: SocketAddr,
    _running: Running,
}

impl BenchServer {
    pub(crate) async fn start(data: &Path) -> Self {
        let mut config = Config { data: data.to_path_buf(), ..Config::default() };
        config.listen.addresses = vec!["127.0.0.1:0".parse().unwrap()];
        config.tls.mode = TlsMode::Off;
        config.storage.threshold_percent = 100;
        let running = server::start(&config, vec![env!("CARGO_BIN_EXE_lantern-shim").into()]).await.unwrap();
        let address = running.addresses().network[0];
        Self { address, _running: running }
    }

    /// A connection of its own.
    pub(crate) async fn connect(&self) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        endpoint.tcp_nodelay(true).connect().await.unwrap()
    }
}
