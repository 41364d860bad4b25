//! The server itself: what it is, what it has, and its end.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use platform_api::code;
use platform_api::header::Refusal;
use platform_api::id::JobId;
use platform_api::job::Enforcement;
use platform_api::pipeline::{BYTES_PER_MB, Capacity};

use super::{Answer, Inner, Platform};
use crate::events::EventHub;
use crate::repository::{JobSums, Repository};

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
    /// What its administrator should know and change, for people.
    pub warnings: Vec<String>,
}

impl Platform {
    /// What changes, for those who watch.
    pub fn events(&self) -> &EventHub {
        &self.inner.events
    }

    /// What this server is.
    pub fn info(&self) -> ServerInfo {
        let inner = &self.inner;
        let capacity = inner.definition_capacity();
        let config = &inner.options.scheduler;
        ServerInfo {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            features: [
                "access",
                "events",
                "events.utilization",
                "jobs.get",
                "jobs.set_priority",
                "logs.follow",
                "payloads.list",
            ]
            .map(str::to_owned)
            .to_vec(),
            executor: inner.executor.capabilities().engine.to_owned(),
            enforcement: inner.enforcement(),
            cpus: capacity.cpus,
            gpus: capacity.gpus,
            memory_bytes: capacity.memory_bytes,
            timeouts: [config.default_limit_ms, config.maximum_limit_ms, config.grace_ms]
                .map(Duration::from_millis),
            started: inner.started,
            epoch: inner.epoch.clone(),
            warnings: inner.executor.capabilities().warnings(),
        }
    }

    /// All GPUs that the platform manages, at this moment.
    ///
    /// # Errors
    /// When the driver does not answer.
    pub async fn utilization(&self) -> Answer<Vec<GpuUtilization>> {
        self.blocking(|inner| {
            let failed = |error| Refusal::from_error(code::INTERNAL, &error);
            let found = inner.options.gpus.discover().map_err(failed)?;
            let readings = inner.options.gpus.read().map_err(failed)?;
            let time = SystemTime::now();
            let managed = readings.into_iter().filter(|reading| inner.capacity.gpus.contains(&reading.id));
            let gpus = managed.map(|reading| {
                let gpu = found.iter().find(|gpu| gpu.id == reading.id);
                GpuUtilization {
                    node: "localhost".to_owned(),
                    pcie_id: gpu.map_or(0, |gpu| gpu.pcie_id),
                    name: gpu.map_or_else(String::new, |gpu| gpu.name.clone()),
                    compute: reading.compute.unwrap_or(0.0),
                    memory_free_bytes: reading.memory_free_bytes,
                    memory_used_bytes: reading.memory_used_bytes,
                    time,
                    operators: inner.launcher.users_of(reading.id.as_str()),
                }
            });
            Ok(gpus.collect())
        })
        .await
    }

    /// Stops the inference servers and services that the platform started, and nothing else.
    ///
    /// This server checks those of a definition and starts none, so nothing is left to stop. Jobs, their operators and
    /// the server itself go on: published clients call this to give GPUs back, and expect a server afterwards. Some
    /// pages about older releases let the call end the whole server; whoever wants that sends it a signal.
    ///
    /// # Errors
    /// None: what was not started is stopped.
    pub async fn stop_services(&self) -> Answer<()> {
        Ok(())
    }
}

impl Platform {
    /// The records, for those that guard the server.
    pub(crate) fn repository(&self) -> Arc<dyn Repository> {
        self.inner.repository.clone()
    }

    /// How many jobs there are; `None` when the records cannot be read. Blocks.
    pub(crate) fn job_sums(&self) -> Option<JobSums> {
        self.inner.repository.job_sums().ok()
    }

    /// Where everything is kept.
    pub(crate) fn data(&self) -> &std::path::Path {
        &self.inner.options.data
    }

    /// How long something of a time has waited.
    pub(crate) fn age(&self, since_ms: i64) -> Duration {
        let age = self.inner.clock.now_ms().saturating_sub(since_ms);
        Duration::from_millis(u64::try_from(age).unwrap_or(0))
    }
}

impl Inner {
    /// What the machine gives, as definitions ask for it.
    pub(super) fn definition_capacity(&self) -> Capacity {
        Capacity {
            cpus: u32::try_from(self.capacity.cpu_millis / 1000).unwrap_or(u32::MAX),
            gpus: u32::try_from(self.capacity.gpus.len()).unwrap_or(u32::MAX),
            memory_bytes: self.capacity.memory_mb.saturating_mul(BYTES_PER_MB),
        }
    }
}
