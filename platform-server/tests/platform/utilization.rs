//! How busy everything is, also where some of it cannot be told.

use std::sync::Arc;
use std::time::Duration;

use platform_server::gpu::{Gpu, GpuError, GpuReading, Gpus};
use platform_server::platform::{Platform, Utilization, UtilizationWatch};
use platform_server::scheduler::GpuId;
use rusqlite::Connection;

use crate::server::*;

/// A driver that has lost its card.
struct Lost;

impl Gpus for Lost {
    fn discover(&self) -> Result<Vec<Gpu>, GpuError> {
        Ok(Vec::new())
    }

    fn read(&self) -> Result<Vec<GpuReading>, GpuError> {
        Err(GpuError::Unknown { id: GpuId::new("GPU-1") })
    }
}

/// Waits until something is told that fits.
async fn seen(
    platform: &Platform,
    watch: &UtilizationWatch,
    fits: impl Fn(&Utilization) -> bool,
) -> Arc<Utilization> {
    let wait = async {
        let mut changes = platform.events().last();
        loop {
            if let Some(latest) = watch.latest().filter(|latest| fits(latest)) {
                return latest;
            }
            changes.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(120), wait).await.expect("it is told")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_does_not_answer_hides_nothing_but_its_gpus() {
    let folder = tempfile::tempdir().unwrap();
    let opened = open_with(folder.path(), |options| options.gpus = Arc::new(Lost)).await;
    let Some(platform) = opened else { return };
    let watch = platform.watch_utilization();
    let told = seen(&platform, &watch, |_| true).await;
    assert!(told.gpus.is_empty() && told.cpus_total > 0 && told.storage_total_bytes > 0, "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_cannot_be_counted_are_not_told_as_none() {
    let folder = tempfile::tempdir().unwrap();
    let Some(platform) = open(folder.path()).await else { return };
    let definition = "api-version: 0.4.0\nname: one\noperators:\n- name: only\n  container:\n    \
        image: lantern/shell\n    command: [\"/bin/sh\", \"-c\", \"sleep 600\"]\n";
    let pipeline = create_pipeline(&platform, definition).await;
    let made = create_job(&platform, pipeline, "goes on").await;
    start(&platform, made.job).await;
    let watch = platform.watch_utilization();
    seen(&platform, &watch, |told| told.jobs_running == 1).await;
    let other = Connection::open(folder.path().join("records.sqlite")).unwrap();
    other.execute_batch("ALTER TABLE jobs RENAME TO gone").unwrap();
    // Somebody new is told whatever there is to tell, and there is nothing.
    let newcomer = platform.watch_utilization();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(newcomer.latest().unwrap().jobs_running, 1);
    other.execute_batch("ALTER TABLE gone RENAME TO jobs").unwrap();
    platform.cancel_job(made.job, None).await.unwrap();
    seen(&platform, &watch, |told| told.jobs_running == 0).await;
}
