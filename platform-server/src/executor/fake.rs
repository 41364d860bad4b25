//! An executor that runs nothing, for tests of what stands above: it tells what the test wants to be told.
//!
//! Submitted runs wait until the test starts and ends them, or follow a script at once. It keeps the promises of
//! [`Executor`] that a scheduler relies on: one start, one end, a token once.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::mpsc;

use super::capabilities::{Capabilities, Isolation, LimitMeans};
use super::log::{LogChunk, LogRecord, LogSource};
use super::outcome::Usage;
use super::{
    BoxFuture, Cancel, CancelCause, EventStream, Executor, ExecutorError, Found, OnRestart, Outcome, RunEnd,
    RunEvent, RunSpec, RunToken, Submitted,
};

/// Decides at submission how a run ends; `None` leaves it to the test.
pub type Script = Box<dyn Fn(RunToken, &RunSpec) -> Option<Outcome> + Send + Sync>;

/// See the module.
pub struct FakeExecutor {
    capabilities: Capabilities,
    script: Script,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    runs: BTreeMap<RunToken, FakeRun>,
    observers: Vec<mpsc::UnboundedSender<RunEvent>>,
}

struct FakeRun {
    spec: RunSpec,
    started_at: Option<SystemTime>,
    canceled: Option<Cancel>,
    end: Option<RunEnd>,
    log: Vec<LogRecord>,
}

impl Default for FakeExecutor {
    fn default() -> Self {
        Self::new(|_, _| None)
    }
}

impl FakeExecutor {
    /// Runs for which `script` has an outcome start and end at their submission.
    pub fn new(script: impl Fn(RunToken, &RunSpec) -> Option<Outcome> + Send + Sync + 'static) -> Self {
        let capabilities = Capabilities {
            engine: "fake",
            isolation: Isolation::Engine,
            memory: LimitMeans::Engine,
            cpu: LimitMeans::Engine,
            processes: LimitMeans::Engine,
            disk: LimitMeans::Engine,
            withholds_network: true,
            withholds_gpus: true,
            has_own_mounts: true,
            can_reattach: true,
            runs_images: false,
        };
        Self { capabilities, script: Box::new(script), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs that have not ended, by token.
    pub fn going_on(&self) -> Vec<RunToken> {
        let state = self.state();
        state.runs.iter().filter(|(_, run)| run.end.is_none()).map(|(token, _)| *token).collect()
    }

    /// What was submitted under a token.
    pub fn spec(&self, token: RunToken) -> Option<RunSpec> {
        self.state().runs.get(&token).map(|run| run.spec.clone())
    }

    /// The last wish to end a run.
    pub fn canceled(&self, token: RunToken) -> Option<Cancel> {
        self.state().runs.get(&token)?.canceled
    }

    /// Tells the start of a run, once; says whether there was a run to start.
    pub fn start(&self, token: RunToken, at: SystemTime) -> bool {
        self.state().start(token, at)
    }

    /// Tells the end of a run, once; says whether there was a run to end.
    pub fn end(&self, token: RunToken, outcome: Outcome, at: SystemTime) -> bool {
        self.state().end(token, outcome, at)
    }

    /// Ends a canceled run the way its cancel asked for; says whether there was one.
    pub fn obey(&self, token: RunToken, at: SystemTime) -> bool {
        let Some(cancel) = self.canceled(token) else { return false };
        let outcome = match cancel.because {
            CancelCause::Canceled => Outcome::Canceled,
            CancelCause::TimedOut => Outcome::TimedOut,
            CancelCause::Evicted => Outcome::Evicted,
        };
        self.end(token, outcome, at)
    }

    /// Adds to the log of a run.
    pub fn print(&self, token: RunToken, source: LogSource, bytes: &[u8], at: SystemTime) {
        if let Some(run) = self.state().runs.get_mut(&token) {
            run.log.push(LogRecord { at, source, bytes: bytes.to_owned() });
        }
    }
}

impl State {
    fn tell(&mut self, event: &RunEvent) {
        self.observers.retain(|observer| observer.send(event.clone()).is_ok());
    }

    fn start(&mut self, token: RunToken, at: SystemTime) -> bool {
        let startable = self.runs.get_mut(&token).filter(|run| run.end.is_none() && run.started_at.is_none());
        let Some(run) = startable else { return false };
        run.started_at = Some(at);
        self.tell(&RunEvent::Started { token, at });
        true
    }

    fn end(&mut self, token: RunToken, outcome: Outcome, at: SystemTime) -> bool {
        let Some(run) = self.runs.get_mut(&token).filter(|run| run.end.is_none()) else { return false };
        let end = RunEnd {
            started_at: run.started_at,
            ended_at: at,
            outcome,
            usage: Usage::default(),
            outputs: None,
            dropped_log_bytes: 0,
        };
        run.end = Some(end.clone());
        self.tell(&RunEvent::Ended { token, end });
        true
    }
}

impl Executor for FakeExecutor {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn submit(&self, token: RunToken, spec: RunSpec) -> BoxFuture<'_, Result<Submitted, ExecutorError>> {
        Box::pin(async move {
            spec.check()?;
            let outcome = (self.script)(token, &spec);
            let mut state = self.state();
            if state.runs.contains_key(&token) {
                return Ok(Submitted::Already);
            }
            let run = FakeRun { spec, started_at: None, canceled: None, end: None, log: Vec::new() };
            state.runs.insert(token, run);
            if let Some(outcome) = outcome {
                let now = SystemTime::now();
                if !matches!(outcome, Outcome::NotStarted { .. }) {
                    state.start(token, now);
                }
                state.end(token, outcome, now);
            }
            Ok(Submitted::Started)
        })
    }

    fn observe(&self) -> EventStream {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.state().observers.push(sender);
        receiver
    }

    fn logs(
        &self,
        token: RunToken,
        from: u64,
        max_bytes: usize,
    ) -> BoxFuture<'_, Result<LogChunk, ExecutorError>> {
        Box::pin(async move {
            let state = self.state();
            let run = state.runs.get(&token).ok_or(ExecutorError::UnknownRun { token })?;
            let mut chunk = LogChunk { records: Vec::new(), next: from };
            let mut taken = 0;
            for record in run.log.iter().skip(usize::try_from(from).unwrap_or(usize::MAX)) {
                if !chunk.records.is_empty() && taken + record.bytes.len() > max_bytes {
                    break;
                }
                taken += record.bytes.len();
                chunk.next += 1;
                chunk.records.push(record.clone());
            }
            Ok(chunk)
        })
    }

    fn cancel(&self, token: RunToken, cancel: Cancel) -> BoxFuture<'_, Result<(), ExecutorError>> {
        Box::pin(async move {
            let mut state = self.state();
            let run = state.runs.get_mut(&token).ok_or(ExecutorError::UnknownRun { token })?;
            run.canceled = Some(cancel);
            Ok(())
        })
    }

    fn reconcile(
        &self,
        known: Vec<RunToken>,
        kept: HashSet<RunToken>,
        on_restart: OnRestart,
    ) -> BoxFuture<'_, Result<Vec<Found>, ExecutorError>> {
        Box::pin(async move {
            let now = SystemTime::now();
            let mut state = self.state();
            let is_stranger = |token: &&RunToken| !known.contains(token) && !kept.contains(token);
            let strangers: Vec<_> = state.runs.keys().filter(is_stranger).copied().collect();
            for token in strangers {
                state.end(token, Outcome::Evicted, now);
                state.runs.remove(&token);
            }
            let mut found = Vec::new();
            for token in known {
                if on_restart == OnRestart::Evict {
                    state.end(token, Outcome::Evicted, now);
                }
                found.push(match state.runs.get(&token) {
                    None => Found::Ended(RunEnd::lost("nothing is known of it here", now)),
                    Some(FakeRun { end: Some(end), .. }) => Found::Ended(end.clone()),
                    Some(FakeRun { started_at, .. }) => Found::Running { started_at: *started_at },
                });
            }
            Ok(found)
        })
    }

    fn forget(&self, token: RunToken) -> BoxFuture<'_, Result<(), ExecutorError>> {
        Box::pin(async move {
            let mut state = self.state();
            if state.runs.get(&token).is_some_and(|run| run.end.is_none()) {
                return Err(ExecutorError::StillRunning { token });
            }
            state.runs.remove(&token);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn spec() -> RunSpec {
        RunSpec { command: vec!["x".into()], ..RunSpec::default() }
    }

    #[tokio::test]
    async fn a_run_starts_and_ends_once_and_only_when_told() {
        let fake = FakeExecutor::default();
        let mut events = fake.observe();
        let token = RunToken::from_bits(1);
        let now = SystemTime::UNIX_EPOCH;
        assert_eq!(fake.submit(token, spec()).await.unwrap(), Submitted::Started);
        assert_eq!(fake.submit(token, spec()).await.unwrap(), Submitted::Already);
        assert!(events.try_recv().is_err());
        assert!(fake.start(token, now) && !fake.start(token, now));
        let cancel = Cancel { grace: Duration::ZERO, because: CancelCause::TimedOut };
        fake.cancel(token, cancel).await.unwrap();
        assert!(fake.obey(token, now) && !fake.end(token, Outcome::Canceled, now));
        assert_eq!(events.try_recv().unwrap(), RunEvent::Started { token, at: now });
        let RunEvent::Ended { end, .. } = events.try_recv().unwrap() else { panic!() };
        assert_eq!(end.outcome, Outcome::TimedOut);
        assert!(events.try_recv().is_err());
    }

    #[tokio::test]
    async fn scripted_runs_end_at_once_and_strangers_are_ended() {
        let fake =
            FakeExecutor::new(|token, _| (token.to_bits() < 10).then_some(Outcome::Exited { code: 2 }));
        let (short, long, stranger) =
            (RunToken::from_bits(1), RunToken::from_bits(20), RunToken::from_bits(30));
        for token in [short, long, stranger] {
            fake.submit(token, spec()).await.unwrap();
        }
        let mut events = fake.observe();
        let found = fake.reconcile(vec![long, short], HashSet::new(), OnRestart::Reattach).await.unwrap();
        assert_eq!(found[0], Found::Running { started_at: None });
        assert!(matches!(&found[1], Found::Ended(end) if end.outcome == Outcome::Exited { code: 2 }));
        assert!(matches!(events.try_recv(), Ok(RunEvent::Ended { token, .. }) if token == stranger));
        assert_eq!(fake.going_on(), [long]);
    }
}
