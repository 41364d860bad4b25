//! The server itself: what it is, what it has, and its end.

use std::time::{Duration, SystemTime};

use platform_api::id::JobId;
use platform_api::job::Enforcement;

use super::{Answer, Platform};

/// A GPU at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct GpuUtilization {
    /// The machine.
    pub node: String,
    /// Its place on the bus.
    pub pcie_id: u32,
    /// Its name.
    pub name: String,
    /// From 0 to 1.
    pub compute: f32,
    /// Free memory in bytes.
    pub memory_free_bytes: u64,
    /// Used memory in bytes.
    pub memory_used_bytes: u64,
    /// When.
    pub time: SystemTime,
    /// Operators that have it now: name and job.
    pub operators: Vec<(String, JobId)>,
}

/// What this server is and can do.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerInfo {
    /// Its version.
    pub version: String,
    /// What it can do beyond the Clara API, by name.
    pub features: Vec<String>,
    /// The engine that runs operators.
    pub executor: String,
    /// How limits are enforced.
    pub enforcement: Enforcement,
    /// Cores, GPUs, and bytes of memory that operators share.
    pub cpus: u32,
    /// See above.
    pub gpus: u32,
    /// See above.
    pub memory_bytes: u64,
    /// Default, maximum and grace of time limits.
    pub timeouts: [Duration; 3],
    /// When it was started.
    pub started: SystemTime,
    /// The run of the server.
    pub epoch: String,
}

impl Platform {
    /// What changes, for those who watch.
    pub fn events(&self) -> &crate::events::EventHub {
        let _ = &self.inner;
        unimplemented!()
    }

    /// What this server is.
    pub fn info(&self) -> ServerInfo {
        unimplemented!()
    }

    /// All GPUs that the platform manages, at this moment.
    pub async fn utilization(&self) -> Answer<Vec<GpuUtilization>> {
        unimplemented!()
    }

    /// Stops the inference servers and services that the platform started.
    pub async fn stop_services(&self) -> Answer<()> {
        unimplemented!()
    }
}
