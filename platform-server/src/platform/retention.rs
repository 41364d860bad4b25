//! Removes payloads of jobs that have been over for long enough, and the logs of their operators.
//!
//! Where payloads go as soon as a job ends, its logs stay.

use std::sync::{Arc, Weak};
use std::time::Duration;

use platform_api::id::JobId;

use super::{Inner, Platform};
use crate::events::Change;
use crate::payloads::{PayloadError, Retention};

/// Between two looks at what is due.
const LOOK: Duration = Duration::from_secs(60);
/// At least this long after the last look, however much happens.
const PAUSE: Duration = Duration::from_secs(1);

/// Starts to look, if anything is ever to be removed. Ends with the platform.
pub(super) fn start(platform: &Platform) {
    let Some(retention) = platform.inner.options.retention else { return };
    let inner = Arc::downgrade(&platform.inner);
    let mut changes = platform.events().last();
    let is_immediate = retention.healthy.is_zero() || retention.others.is_zero();
    tokio::spawn(async move {
        loop {
            let looked = {
                let inner = inner.clone();
                tokio::task::spawn_blocking(move || look(&inner, retention)).await
            };
            let Ok(Some(jobs)) = looked else { return };
            // Who keeps nothing of a job's data still wants to read why it failed.
            if !is_immediate {
                forget(&inner, jobs).await;
            }
            tokio::time::sleep(PAUSE).await;
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                changed = changes.changed(), if is_immediate => if changed.is_err() { return },
            }
        }
    });
}

/// Removes the logs of jobs whose payloads are gone.
async fn forget(inner: &Weak<Inner>, jobs: Vec<JobId>) {
    for job in jobs {
        let Some(inner) = inner.upgrade() else { return };
        if let Err(refusal) = (Platform { inner }).forget_runs(job).await {
            tracing::warn!(%refusal, %job, "the logs of a job could not be removed");
        }
    }
}

/// Removes what is due; the jobs whose it was, if the platform is still there.
fn look(inner: &Weak<Inner>, retention: Retention) -> Option<Vec<JobId>> {
    let inner = inner.upgrade()?;
    let mut jobs = Vec::new();
    let removed = inner.payloads.due(inner.clock.now_ms(), retention).and_then(|due| {
        for id in due {
            let job = inner.payloads.payload(id).ok().and_then(|row| row.job);
            match inner.payloads.delete(id) {
                Ok(()) => {
                    inner.events.publish([Change::PayloadDeleted(id, job)]);
                    jobs.extend(job);
                }
                Err(PayloadError::Unknown { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    });
    if let Err(error) = removed {
        tracing::warn!(%error, "payloads that are due could not be removed");
    }
    Some(jobs)
}
