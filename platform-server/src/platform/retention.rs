//! Removes payloads of jobs that have been over for long enough.

use std::sync::{Arc, Weak};
use std::time::Duration;

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
            if !matches!(looked, Ok(true)) {
                return;
            }
            tokio::time::sleep(PAUSE).await;
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                changed = changes.changed(), if is_immediate => if changed.is_err() { return },
            }
        }
    });
}

/// Removes what is due; whether the platform is still there.
fn look(inner: &Weak<Inner>, retention: Retention) -> bool {
    let Some(inner) = inner.upgrade() else { return false };
    let removed = inner.payloads.due(inner.clock.now_ms(), retention).and_then(|due| {
        for id in due {
            match inner.payloads.delete(id) {
                Ok(()) => inner.events.publish([Change::PayloadDeleted(id, None)]),
                Err(PayloadError::Unknown { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    });
    if let Err(error) = removed {
        tracing::warn!(%error, "payloads that are due could not be removed");
    }
    true
}
