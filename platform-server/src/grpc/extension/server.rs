//! What this server is and can do.

use platform_api::convert::extension::{duration, timestamp};
use platform_api::header::CLARA_API_VERSION;
use platform_api::proto::extension as wire;
use platform_api::proto::extension::server_server::Server;
use tonic::{Request, Response, Status};

use crate::grpc::Service;

#[tonic::async_trait]
impl Server for Service {
    async fn get_info(&self, _: Request<wire::GetInfoRequest>) -> Result<Response<wire::ServerInfo>, Status> {
        let info = self.platform.info();
        let [major, minor, patch] = CLARA_API_VERSION;
        let [default, maximum, grace] = info.timeouts;
        Ok(Response::new(wire::ServerInfo {
            version: info.version,
            clara_api_version: format!("{major}.{minor}.{patch}"),
            features: info.features,
            executor: info.executor,
            enforcement: wire::Enforcement::from(info.enforcement).into(),
            capacity: Some(wire::Capacity {
                cpus: info.cpus,
                gpus: info.gpus,
                memory_bytes: info.memory_bytes,
            }),
            job_timeouts: Some(wire::JobTimeouts {
                default: duration(default),
                maximum: duration(maximum),
                grace: duration(grace),
            }),
            started: timestamp(info.started),
            epoch: info.epoch,
            warnings: info.warnings,
        }))
    }
}
