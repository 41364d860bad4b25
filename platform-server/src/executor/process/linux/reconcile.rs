//! After a restart: what became of runs that an earlier server started.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use tokio::time::timeout;

use super::engine::{Known, ProcessExecutor, Wall, blocking};
use super::run_files::{Life, RunFiles};
use crate::executor::{
    Cancel, CancelCause, Executor, ExecutorError, Found, OnRestart, RunEnd, RunEvent, RunToken,
};

/// How long a shim may take to end an evicted run.
const EVICT_PATIENCE: Duration = Duration::from_secs(10);

impl ProcessExecutor {
    pub(super) async fn reconcile_all(
        &self,
        known: Vec<RunToken>,
        kept: HashSet<RunToken>,
        on_restart: OnRestart,
    ) -> Result<Vec<Found>, ExecutorError> {
        let runs_dir = self.inner.home.runs_dir.clone();
        let mut strangers =
            blocking(move || RunFiles::tokens(&runs_dir).map_err(ExecutorError::io("list", &runs_dir)))
                .await?;
        // Runs that were submitted meanwhile are known before they have a file.
        strangers.retain(|token| {
            !known.contains(token) && !kept.contains(token) && !self.runs().contains_key(token)
        });
        for token in strangers {
            self.evict(token).await?;
            self.forget(token).await?;
        }
        let mut found = Vec::with_capacity(known.len());
        for &token in &known {
            found.push(match on_restart {
                OnRestart::Reattach => self.find(token).await?,
                OnRestart::Evict => Found::Ended(self.evict(token).await?),
            });
        }
        self.remove_stray_groups().await?;
        self.remove_stray_containers().await?;
        Ok(found)
    }

    /// What is known of a run; one that goes on is watched from now on.
    pub(super) async fn find(&self, token: RunToken) -> Result<Found, ExecutorError> {
        match self.runs().get(&token) {
            Some(Known::Ended(end)) => return Ok(Found::Ended(end.clone())),
            Some(Known::Running(watched)) => return Ok(Found::Running { started_at: watched.started_at }),
            Some(Known::Starting { .. }) => return Ok(Found::Running { started_at: None }),
            None => {}
        }
        let files = self.files(token);
        if !files.exist() {
            return Ok(Found::Ended(RunEnd::lost("nothing is known of it here", SystemTime::now())));
        }
        match files.life()? {
            Life::GoesOn(events) => {
                let started_at = files.started_at();
                self.watch(token, events, files.open_control()?, None, started_at, None);
                Ok(Found::Running { started_at })
            }
            Life::Over => {
                let this = self.clone();
                let end = blocking(move || Ok(this.conclude(token, None))).await?;
                self.runs().insert(token, Known::Ended(end.clone()));
                Ok(Found::Ended(end))
            }
        }
    }

    /// Ends a run, politely through its shim or else without it, and tells how it ended.
    async fn evict(&self, token: RunToken) -> Result<RunEnd, ExecutorError> {
        let mut events = self.observe();
        if let Found::Ended(end) = self.find(token).await? {
            return Ok(end);
        }
        self.send_cancel(token, Cancel { grace: Duration::ZERO, because: CancelCause::Evicted })?;
        for patience in [EVICT_PATIENCE, EVICT_PATIENCE] {
            let waited = timeout(patience, async {
                while let Some(event) = events.recv().await {
                    match event {
                        RunEvent::Ended { token: ended, end } if ended == token => return Some(end),
                        _ => {}
                    }
                }
                None
            });
            if let Ok(Some(end)) = waited.await {
                return Ok(end);
            }
            // The shim does not answer, so it goes too; the pipe that it held tells its end.
            let inner = self.inner.clone();
            blocking(move || {
                inner.sweep(token);
                Ok(())
            })
            .await?;
        }
        Err(ExecutorError::StillRunning { token })
    }

    /// Groups of runs that do not go on.
    async fn remove_stray_groups(&self) -> Result<(), ExecutorError> {
        let Some(root) = self.inner.parts.cgroup_root.clone() else { return Ok(()) };
        let listed = root.clone();
        let mut names = blocking(move || Ok(listed.names())).await?;
        // After the list: who comes later is not on it.
        names.retain(|name| {
            let token = name.parse::<RunToken>();
            token.is_ok_and(|token| !self.goes_on(token))
        });
        blocking(move || {
            for name in names {
                root.sweep(&name);
            }
            Ok(())
        })
        .await
    }

    /// Containers of this server whose runs do not go on.
    async fn remove_stray_containers(&self) -> Result<(), ExecutorError> {
        let Wall::Container(host) = &self.inner.parts.wall else { return Ok(()) };
        let listed = host.clone();
        let program = host.program.clone();
        let mut tokens = blocking(move || listed.tokens().map_err(ExecutorError::io("ask", program))).await?;
        tokens.retain(|&token| !self.goes_on(token));
        let inner = self.inner.clone();
        blocking(move || {
            tokens.into_iter().for_each(|token| inner.sweep(token));
            Ok(())
        })
        .await
    }

    fn goes_on(&self, token: RunToken) -> bool {
        matches!(self.runs().get(&token), Some(Known::Running(_) | Known::Starting { .. }))
    }
}
