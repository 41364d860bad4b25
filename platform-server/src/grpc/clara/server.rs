//! The server itself: its version, its end, and how its GPUs are used.

use std::time::Duration;

use futures_util::stream;
use platform_api::convert::{identifier, timestamp};
use platform_api::header::{clara_api_version, success};
use platform_api::proto::clara as wire;
use platform_api::proto::clara::clara_server::Clara;
use platform_api::proto::clara::clara_utilization_response::GpuUtilization as WireGpu;
use platform_api::proto::clara::clara_utilization_response::gpu_utilization::ProcessDetails;
use tokio::time::{MissedTickBehavior, interval};
use tonic::{Request, Response, Status};

use crate::grpc::Service;
use crate::grpc::lifetime::Lifetime;
use crate::grpc::reply::{Replies, replies, reply};
use crate::platform::{Answer, GpuUtilization};

/// Between two messages to a client that watches.
const WATCH_PERIOD: Duration = Duration::from_secs(1);

/// What the published documentation calls a MB of GPU memory, as the drivers' own tools count it.
const MEMORY_UNIT_BYTES: u64 = 1 << 20;

#[tonic::async_trait]
impl Clara for Service {
    async fn version(
        &self,
        _: Request<wire::ClaraVersionRequest>,
    ) -> Result<Response<wire::ClaraVersionResponse>, Status> {
        reply(Ok(wire::ClaraVersionResponse { header: success(), version: Some(clara_api_version()) }))
    }

    async fn stop(
        &self,
        _: Request<wire::ClaraStopRequest>,
    ) -> Result<Response<wire::ClaraStopResponse>, Status> {
        let answer = self.platform.stop_services().await;
        reply(answer.map(|()| wire::ClaraStopResponse { header: success() }))
    }

    type UtilizationStream = Replies<wire::ClaraUtilizationResponse>;

    /// All GPUs in each message: one message, or one a second until the client leaves.
    async fn utilization(
        &self,
        request: Request<wire::ClaraUtilizationRequest>,
    ) -> Result<Response<Self::UtilizationStream>, Status> {
        let lifetime = Lifetime::of(&request, &self.stop);
        if !request.get_ref().watch {
            let answer = self.platform.utilization().await;
            return Ok(Response::new(replies(stream::iter([answer.map(|gpus| message(&gpus))]))));
        }
        let mut ticks = interval(WATCH_PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let answers = stream::unfold((self.platform.clone(), ticks), |(platform, mut ticks)| async move {
            ticks.tick().await;
            let answer: Answer<_> = platform.utilization().await.map(|gpus| message(&gpus));
            Some((answer, (platform, ticks)))
        });
        Ok(Response::new(lifetime.bound(replies(answers))))
    }
}

fn message(gpus: &[GpuUtilization]) -> wire::ClaraUtilizationResponse {
    wire::ClaraUtilizationResponse { header: success(), gpu_metrics: gpus.iter().map(gpu).collect() }
}

fn gpu(gpu: &GpuUtilization) -> WireGpu {
    let total = gpu.memory_free_bytes.saturating_add(gpu.memory_used_bytes);
    let used = if total == 0 { 0.0 } else { gpu.memory_used_bytes as f64 / total as f64 };
    WireGpu {
        node_id: gpu.node.clone(),
        pcie_id: gpu.pcie_id,
        compute_utilization: gpu.compute,
        memory_free: gpu.memory_free_bytes / MEMORY_UNIT_BYTES,
        memory_used: gpu.memory_used_bytes / MEMORY_UNIT_BYTES,
        memory_utilization: used as f32,
        timestamp: timestamp(gpu.time),
        // Published clients that watch break on a process without a job, so only operators are here.
        process_details: gpu
            .operators
            .iter()
            .map(|(name, job)| ProcessDetails { name: name.clone(), job_id: identifier(job) })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use platform_api::id::JobId;

    use super::*;

    #[test]
    fn a_gpu_is_told_in_mebibytes_and_parts_of_one() {
        let idle = GpuUtilization {
            node: "here".to_owned(),
            pcie_id: 3,
            name: "a GPU".to_owned(),
            compute: 0.5,
            memory_free_bytes: 3 << 30,
            memory_used_bytes: 1 << 30,
            time: UNIX_EPOCH + Duration::from_secs(1_615_226_791),
            operators: vec![("segment".to_owned(), JobId::from_bits(7))],
        };
        let told = message(std::slice::from_ref(&idle));
        let gpu = &told.gpu_metrics[0];
        assert_eq!((gpu.memory_free, gpu.memory_used, gpu.memory_utilization), (3072, 1024, 0.25));
        assert_eq!(gpu.timestamp.as_ref().map(|time| time.value), Some(63_750_823_591));
        assert_eq!(gpu.process_details[0].job_id, identifier(JobId::from_bits(7)));
        let without_memory = GpuUtilization { memory_free_bytes: 0, memory_used_bytes: 0, ..idle };
        assert_eq!(message(&[without_memory]).gpu_metrics[0].memory_utilization, 0.0);
    }
}
