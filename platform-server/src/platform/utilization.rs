//! How busy everything is, for those who watch: looked at once a second, and only while somebody watches.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use platform_api::code;
use platform_api::job::{JobState, JobStatus};
use platform_api::pipeline::BYTES_PER_MB;
use tokio::sync::{Notify, oneshot, watch};

use super::engine::Command;
use super::machine::{self, CpuTime, Share};
use super::{Answer, GpuUtilization, Inner, Platform};
use crate::events::Change;

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(1);

/// The machine and all GPUs at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Utilization {
    /// GPUs that the platform manages, each with its number among them.
    pub gpus: Vec<GpuUtilization>,
    /// Cores and bytes of memory that operators may have together.
    pub cpus_total: u32,
    /// See above.
    pub memory_total_bytes: u64,
    /// What operators have now; parts of a core count as a whole one.
    pub cpus_assigned: u32,
    /// See above.
    pub memory_assigned_bytes: u64,
    /// The device that payloads lie on: bytes used and in all; 0 where it does not tell.
    pub storage_used_bytes: u64,
    /// See above.
    pub storage_total_bytes: u64,
    /// Jobs at work, and jobs that were started and wait.
    pub jobs_running: u32,
    /// See above.
    pub jobs_pending: u32,
    /// The share of time in which the machine's processors worked, from 0 to 1, where it tells.
    pub machine_cpu: Option<f32>,
    /// Bytes of the machine's memory: used and in all, where it tells.
    pub machine_memory_bytes: Option<(u64, u64)>,
}

impl Utilization {
    /// What people can tell apart: whole per cent, 16 MiB.
    fn rounded(&self) -> Self {
        let per_cent = |share: f32| (share * 100.0).round();
        let coarse = |bytes: u64| bytes >> 24;
        let gpus = self.gpus.iter().map(|gpu| GpuUtilization {
            compute: per_cent(gpu.compute),
            memory_free_bytes: coarse(gpu.memory_free_bytes),
            memory_used_bytes: coarse(gpu.memory_used_bytes),
            time: std::time::UNIX_EPOCH,
            ..gpu.clone()
        });
        Self {
            gpus: gpus.collect(),
            storage_used_bytes: coarse(self.storage_used_bytes),
            machine_cpu: self.machine_cpu.map(per_cent),
            machine_memory_bytes: self.machine_memory_bytes.map(|(used, total)| (coarse(used), total)),
            ..self.clone()
        }
    }
}

/// What operators hold, as the scheduler counts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Assigned {
    pub(super) cpu_millis: u64,
    pub(super) memory_mb: u64,
}

/// The latest look, and who wants it.
pub(super) struct Gauge {
    latest: watch::Sender<Option<Arc<Utilization>>>,
    wanted: Notify,
    /// Somebody new watches, who has to be told whatever it is.
    is_new: AtomicBool,
}

impl Default for Gauge {
    fn default() -> Self {
        Self { latest: watch::Sender::new(None), wanted: Notify::new(), is_new: AtomicBool::new(false) }
    }
}

/// Keeps the platform looking for as long as it is held.
pub struct UtilizationWatch(watch::Receiver<Option<Arc<Utilization>>>);

impl UtilizationWatch {
    /// The latest look; none before the first.
    pub fn latest(&self) -> Option<Arc<Utilization>> {
        self.0.borrow().clone()
    }
}

impl Platform {
    /// Begins to watch: [`Change::Utilization`] is told soon, and whenever something changes that can be seen.
    pub fn watch_utilization(&self) -> UtilizationWatch {
        let gauge = &self.inner.gauge;
        let watch = UtilizationWatch(gauge.latest.subscribe());
        gauge.is_new.store(true, Ordering::SeqCst);
        gauge.wanted.notify_one();
        watch
    }

    async fn look(
        &self,
        gpus: Vec<GpuUtilization>,
        before: Option<CpuTime>,
        now: Option<CpuTime>,
    ) -> Answer<Utilization> {
        let assigned = self.assigned().await;
        let capacity = self.inner.definition_capacity();
        self.blocking(move |inner| {
            let memory = machine::memory();
            let disk = machine::disk(&inner.options.data).unwrap_or(Share { used: 0, total: 0 });
            let sums = inner.repository.job_sums().map_err(super::refuse(code::INTERNAL))?;
            let running: u64 = JobStatus::ALL
                .iter()
                .filter_map(|status| sums.counts.get(&(JobState::Running, *status)))
                .sum();
            let count = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
            Ok(Utilization {
                gpus,
                cpus_total: capacity.cpus,
                memory_total_bytes: capacity.memory_bytes,
                cpus_assigned: count(assigned.cpu_millis.div_ceil(1000)),
                memory_assigned_bytes: assigned.memory_mb.saturating_mul(BYTES_PER_MB),
                storage_used_bytes: disk.used,
                storage_total_bytes: disk.total,
                jobs_running: count(running),
                jobs_pending: count(sums.queued),
                machine_cpu: before.zip(now).and_then(|(before, now)| before.share_until(now)),
                machine_memory_bytes: memory.map(|share| (share.used, share.total)),
            })
        })
        .await
    }

    async fn assigned(&self) -> Assigned {
        let (reply, answer) = oneshot::channel();
        if self.inner.engine.send(Command::Assigned { reply }).is_err() {
            return Assigned::default();
        }
        answer.await.unwrap_or_default()
    }
}

/// Starts to look whenever somebody watches. Ends with the platform.
pub(super) fn start(platform: &Platform) {
    let (inner, gauge) = (Arc::downgrade(&platform.inner), platform.inner.gauge.clone());
    tokio::spawn(async move {
        loop {
            gauge.wanted.notified().await;
            let mut before = machine::cpu_time();
            let mut told: Option<Utilization> = None;
            let (mut gpu_trouble, mut trouble) = (Trouble::default(), Trouble::default());
            while gauge.latest.receiver_count() > 0 {
                tokio::time::sleep(PERIOD).await;
                let Some(platform) = alive(&inner) else { return };
                let now = machine::cpu_time();
                // A driver that does not answer hides its GPUs, and nothing else.
                let gpus = gpu_trouble.sift(platform.utilization().await, "how busy the GPUs are");
                let looked = platform.look(gpus.unwrap_or_default(), before, now).await;
                before = now;
                let Some(seen) = trouble.sift(looked, "how busy the machine is") else { continue };
                let is_new = gauge.is_new.swap(false, Ordering::SeqCst);
                let rounded = seen.rounded();
                if is_new || told.as_ref() != Some(&rounded) {
                    told = Some(rounded);
                    gauge.latest.send_replace(Some(Arc::new(seen)));
                    platform.events().publish([Change::Utilization]);
                }
            }
        }
    });
}

/// Tells the log of a trouble once, however long it lasts.
#[derive(Default)]
struct Trouble {
    lasts: bool,
}

impl Trouble {
    fn sift<T>(&mut self, answer: Answer<T>, what: &str) -> Option<T> {
        match answer {
            Ok(value) => {
                self.lasts = false;
                Some(value)
            }
            Err(refusal) => {
                if !std::mem::replace(&mut self.lasts, true) {
                    tracing::warn!(%refusal, "nobody can tell {what}");
                }
                None
            }
        }
    }
}

fn alive(inner: &Weak<Inner>) -> Option<Platform> {
    inner.upgrade().map(|inner| Platform { inner })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_can_see_is_no_change() {
        let one = Utilization {
            gpus: Vec::new(),
            cpus_total: 2,
            memory_total_bytes: 1 << 30,
            cpus_assigned: 0,
            memory_assigned_bytes: 0,
            storage_used_bytes: 1 << 30,
            storage_total_bytes: 1 << 40,
            jobs_running: 0,
            jobs_pending: 0,
            machine_cpu: Some(0.501),
            machine_memory_bytes: Some((1 << 30, 1 << 34)),
        };
        let other = Utilization {
            storage_used_bytes: (1 << 30) + 4096,
            machine_cpu: Some(0.499),
            machine_memory_bytes: Some(((1 << 30) + 4096, 1 << 34)),
            ..one.clone()
        };
        assert_eq!(one.rounded(), other.rounded());
        for seen in [
            Utilization { machine_cpu: Some(0.52), ..one.clone() },
            Utilization { cpus_assigned: 1, ..one.clone() },
            Utilization { jobs_pending: 1, ..one.clone() },
            Utilization { storage_used_bytes: 2 << 30, ..one.clone() },
        ] {
            assert_ne!(seen.rounded(), one.rounded());
        }
    }
}
