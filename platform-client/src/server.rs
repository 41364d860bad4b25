//! The server itself: what it is, how busy it is.

use std::time::{Duration, SystemTime};

use platform_api::convert::extension::{enforcement, parse_duration, system_time};
use platform_api::convert::{self, parse_optional_identifier};
use platform_api::header;
use platform_api::id::JobId;
use platform_api::job::Enforcement;
use platform_api::proto::clara::clara_client::ClaraClient;
use platform_api::proto::{clara, extension};
use tonic::transport::Channel;

use crate::connection::{Client, MAX_MESSAGE_BYTES, Messages};
use crate::error::ClientError;
use crate::wire;

/// What the published API says of a server's version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// As `MAJOR.MINOR.PATCH`, with `-LABEL` where there is one.
    pub text: String,
}

/// What our own servers say of themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerInfo {
    /// The server's version.
    pub version: String,
    /// The version of the published API that it speaks.
    pub clara_api_version: String,
    /// What it can do beyond that.
    pub features: Vec<String>,
    /// What runs its operators.
    pub executor: String,
    /// How it holds operators to their limits, if it says so.
    pub enforcement: Option<Enforcement>,
    /// Cores, GPUs and bytes of memory that operators may use together.
    pub capacity: Option<(u32, u32, u64)>,
    /// Default, maximum and grace of the time limit of jobs.
    pub job_timeouts: [Option<Duration>; 3],
    /// When it began.
    pub started: Option<SystemTime>,
    /// Names this run of it.
    pub epoch: String,
    /// What its administrator should know and change, for people.
    pub warnings: Vec<String>,
}

/// A GPU at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct GpuUtilization {
    /// The machine.
    pub node: String,
    /// The place on its bus.
    pub pcie_id: u32,
    /// From 0 to 1.
    pub compute: f32,
    /// From 0 to 1.
    pub memory: f32,
    /// MB, as the published API counts.
    pub memory_free_mb: u64,
    /// MB, as the published API counts.
    pub memory_used_mb: u64,
    /// When this was.
    pub time: Option<SystemTime>,
    /// What runs there, and for which job.
    pub processes: Vec<(String, Option<JobId>)>,
}

/// Moments of all GPUs, one after the other.
#[derive(Debug)]
pub struct UtilizationStream {
    messages: Messages<clara::ClaraUtilizationResponse>,
}

const UTILIZATION: &str = "Clara.Utilization";

impl UtilizationStream {
    /// The next moment; `None` at the end.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn next(&mut self) -> Result<Option<Vec<GpuUtilization>>, ClientError> {
        let Some(message) = self.messages.next_whenever().await? else { return Ok(None) };
        wire::check(message.header)?;
        let gpus = message.gpu_metrics.into_iter().map(|gpu| wire::converted(UTILIZATION, from_wire(gpu)));
        gpus.collect::<Result<_, _>>().map(Some)
    }
}

fn from_wire(
    gpu: clara::clara_utilization_response::GpuUtilization,
) -> Result<GpuUtilization, convert::ConvertError> {
    let processes = gpu.process_details.into_iter().map(|process| {
        Ok::<_, convert::ConvertError>((
            process.name,
            parse_optional_identifier(process.job_id.as_ref(), "job id")?,
        ))
    });
    Ok(GpuUtilization {
        processes: processes.collect::<Result<_, _>>()?,
        time: convert::system_time(gpu.timestamp.as_ref(), "time")?,
        node: gpu.node_id,
        pcie_id: gpu.pcie_id,
        compute: gpu.compute_utilization,
        memory: gpu.memory_utilization,
        memory_free_mb: gpu.memory_free,
        memory_used_mb: gpu.memory_used,
    })
}

/// The server itself.
#[derive(Debug, Clone)]
pub struct Server {
    client: Client,
}

impl Server {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    fn stub(&self) -> ClaraClient<Channel> {
        ClaraClient::new(self.client.channel()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// The version of the platform.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn version(&self) -> Result<Version, ClientError> {
        const CALL: &str = "Clara.Version";
        let message = clara::ClaraVersionRequest { header: header::request() };
        let stub = self.stub();
        let send = |message| {
            let mut stub = stub.clone();
            async move { stub.version(message).await }
        };
        let answer = self.client.read(CALL, &message, send).await?;
        wire::check(answer.header)?;
        let version = answer.version.ok_or_else(|| ClientError::protocol(CALL, "it names no version"))?;
        let clara::Version { major, minor, patch, label } = version;
        let label = if label.is_empty() { label } else { format!("-{label}") };
        Ok(Version { text: format!("{major}.{minor}.{patch}{label}") })
    }

    /// What the server is and can do.
    ///
    /// # Errors
    /// [`ClientError`]; unsupported by servers that speak the published API only.
    pub async fn info(&self) -> Result<ServerInfo, ClientError> {
        const CALL: &str = "Server.GetInfo";
        let stub = extension::server_client::ServerClient::new(self.client.channel());
        let send = |message| {
            let mut stub = stub.clone();
            async move { stub.get_info(message).await }
        };
        let info = self.client.read(CALL, &extension::GetInfoRequest {}, send).await?;
        let timeouts = info.job_timeouts.unwrap_or_default();
        let [default, maximum, grace] = [timeouts.default, timeouts.maximum, timeouts.grace];
        let duration = |message| wire::converted(CALL, parse_duration(message));
        Ok(ServerInfo {
            version: info.version,
            clara_api_version: info.clara_api_version,
            features: info.features,
            executor: info.executor,
            enforcement: enforcement(info.enforcement).ok(),
            capacity: info.capacity.map(|c| (c.cpus, c.gpus, c.memory_bytes)),
            job_timeouts: [duration(default)?, duration(maximum)?, duration(grace)?],
            started: wire::converted(CALL, system_time(info.started))?,
            epoch: info.epoch,
            warnings: info.warnings,
        })
    }

    /// How busy the GPUs are: one moment, or with `watch` one after the other for ever.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn utilization(&self, watch: bool) -> Result<UtilizationStream, ClientError> {
        let message = clara::ClaraUtilizationRequest { header: header::request(), watch };
        let mut stub = self.stub();
        let messages =
            self.client.open(UTILIZATION, message, async move |m| stub.utilization(m).await).await?;
        Ok(UtilizationStream { messages })
    }

    /// Stops the services that the platform started for pipelines and models.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn stop(&self) -> Result<(), ClientError> {
        let message = clara::ClaraStopRequest { header: header::request() };
        let mut stub = self.stub();
        let answer = self.client.change("Clara.Stop", message, async move |m| stub.stop(m).await).await?;
        wire::check(answer.header)
    }
}
