//! Between the scheduler and the executor: what a run is, in folders and limits, and how it ended, in words.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use platform_api::id::{JobId, PayloadId};
use platform_api::pipeline::{JobPlan, OperatorPlan, RequestDefaults};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tracing::Span;

use super::definitions::Definitions;
use super::engine::Command;
use super::records::{EndRecord, Reason};
use crate::events::{Change, EventHub};
use crate::executor::bundle::Bundles;
use crate::executor::spec::Gpu;
use crate::executor::{self, Cancel, CancelCause, Executor, Release, Report, RunEvent, RunSpec};
use crate::payloads::{AdoptLimits, Adopted, PayloadError, PayloadStore};
use crate::repository::Repository;
use crate::scheduler::{Fault, Outcome, Request, RunToken};
use crate::trace;

/// Between two attempts to take in what an operator wrote.
const PAUSE: Duration = Duration::from_millis(250);

/// Starts runs and tells the engine what becomes of them.
#[derive(Clone)]
pub(super) struct Launcher(Arc<Inner>);

pub(super) struct Parts {
    pub(super) repository: Arc<dyn Repository>,
    pub(super) payloads: PayloadStore,
    pub(super) executor: Arc<dyn Executor>,
    pub(super) bundles: Arc<Bundles>,
    pub(super) gpus: Vec<Gpu>,
    pub(super) definitions: Arc<Definitions>,
    pub(super) defaults: RequestDefaults,
    pub(super) limits: RunLimits,
    pub(super) events: EventHub,
    pub(super) commands: mpsc::UnboundedSender<Command>,
}

/// What every run may use, whatever its definition says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunLimits {
    /// Processes and threads at the same time.
    pub processes: Option<u32>,
    /// What its output may take on disk.
    pub disk_bytes: Option<u64>,
    /// What is kept of its log.
    pub log_bytes: u64,
    /// Whether definitions may ask for the network.
    pub is_network_allowed: bool,
    /// What the buffers of one job may take in shared memory.
    pub shared_memory_bytes: u64,
}

impl Default for RunLimits {
    fn default() -> Self {
        Self {
            processes: Some(1024),
            disk_bytes: None,
            log_bytes: 1 << 30,
            is_network_allowed: false,
            shared_memory_bytes: 2 << 30,
        }
    }
}

struct Inner {
    parts: Parts,
    /// Which run a token of the executor is.
    runs: Mutex<HashMap<executor::RunToken, Running>>,
    /// What jobs run that have been started.
    plans: Mutex<HashMap<JobId, Arc<Planned>>>,
}

#[derive(Clone)]
struct Running {
    run: RunToken,
    payload: PayloadId,
    operator: String,
    gpus: Vec<String>,
    /// Whether buffers may go with its end.
    reads_memory: bool,
    span: Span,
    report: Report,
}

struct Planned {
    payload: PayloadId,
    job_name: String,
    plan: JobPlan,
}

/// The executor's name of a run: it keeps its own, shorter ones.
pub(super) fn executor_token(run: &str) -> executor::RunToken {
    let digest: [u8; 32] = Sha256::digest(run.as_bytes()).into();
    let [bytes @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = digest;
    executor::RunToken::from_bits(u128::from_be_bytes(bytes))
}

/// Why a run could not be launched, for people.
type Trouble = String;

impl Launcher {
    pub(super) fn new(parts: Parts) -> Self {
        let launcher = Self(Arc::new(Inner { parts, runs: Mutex::default(), plans: Mutex::default() }));
        tokio::spawn(launcher.clone().listen());
        launcher
    }

    /// Starts a run; tells the engine if that fails.
    pub(super) fn launch(&self, run: RunToken, request: Request, gpus: Vec<String>, span: Span) {
        let launcher = self.clone();
        let token = executor_token(&run.to_string());
        tokio::spawn(async move {
            let prepared = {
                let launcher = launcher.clone();
                let span = span.clone();
                let prepare = move || launcher.prepare(run, request, &gpus, span);
                tokio::task::spawn_blocking(prepare).await.unwrap_or_else(|error| Err(error.to_string()))
            };
            let submitted = match prepared {
                Ok(spec) => {
                    let submitted = launcher.0.parts.executor.submit(token, spec).await;
                    submitted.map(drop).map_err(|error| chain(&error))
                }
                Err(trouble) => Err(trouble),
            };
            if let Err(message) = submitted {
                tracing::warn!(%run, %message, "an operator could not be launched");
                let end = EndRecord { message, ..EndRecord::new(Reason::LaunchFailed) };
                let outcome = Outcome::Faulted(Fault::LaunchFailed);
                trace::run_ended(&span, &outcome);
                launcher.0.runs.lock().unwrap_or_else(PoisonError::into_inner).remove(&token);
                launcher.tell(Command::Ended { run, outcome, end });
            }
        });
    }

    /// Asks a run to end; kills it after the grace.
    pub(super) fn cancel(&self, run: RunToken, grace: Duration, is_timeout: bool) {
        let because = if is_timeout { CancelCause::TimedOut } else { CancelCause::Canceled };
        let launcher = self.clone();
        tokio::spawn(async move {
            let token = executor_token(&run.to_string());
            let cancelled = launcher.0.parts.executor.cancel(token, Cancel { grace, because }).await;
            if let Err(error) = cancelled {
                tracing::debug!(%run, %error, "a run could not be canceled");
            }
        });
    }

    /// Forgets what a job runs. Its logs stay.
    pub(super) fn forget(&self, job: JobId) {
        self.0.plans.lock().unwrap_or_else(PoisonError::into_inner).remove(&job);
        self.release(Release::Job(job.to_string()));
    }

    fn release(&self, release: Release) {
        let executor = self.0.parts.executor.clone();
        tokio::spawn(async move { executor.release(release).await });
    }

    /// What an operator that is at work has told of itself.
    pub(super) fn report(&self, job: JobId, operator: u32) -> Option<Report> {
        let runs = self.0.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let mut running = runs.values().filter(|running| running.run.job == job);
        running.find(|running| running.run.operator == operator).map(|running| running.report.clone())
    }

    /// Keeps what an operator told, and tells those who watch.
    fn note(&self, token: executor::RunToken, report: Report) {
        let mut runs = self.0.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(running) = runs.get_mut(&token) else { return };
        let (job, operator) = (running.run.job, running.run.operator);
        // A watcher is told how long the log is when it asks.
        let logged = report.is_logged.then_some(Change::Log(job, operator, 0));
        running.report = report;
        drop(runs);
        self.0.parts.events.publish(std::iter::once(Change::Operator(job, operator)).chain(logged));
    }

    /// Remembers a run that outlived an earlier server.
    pub(super) fn remember(&self, run: RunToken, payload: PayloadId, operator: String, gpus: Vec<String>) {
        let token = executor_token(&run.to_string());
        let mut runs = self.0.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let (span, report) = (Span::none(), Report::default());
        runs.insert(token, Running { run, payload, operator, gpus, reads_memory: true, span, report });
    }

    fn tell(&self, command: Command) {
        if self.0.parts.commands.send(command).is_err() {
            tracing::debug!("the engine is gone");
        }
    }

    /// Makes the folders of a run and says what it is. Blocks on disk.
    fn prepare(
        &self,
        run: RunToken,
        request: Request,
        gpus: &[String],
        span: Span,
    ) -> Result<RunSpec, Trouble> {
        let planned = self.planned(run.job)?;
        let index = usize::try_from(run.operator).unwrap_or(usize::MAX);
        let operator = planned.plan.operators.get(index).ok_or("the operator is not in the definition")?;
        let folder = self.0.parts.payloads.folder(planned.payload);
        let mut spec = self.spec(run, &planned, operator, request, gpus, &folder)?;
        if let Some(traceparent) = trace::traceparent(&span) {
            // What the definition says goes before.
            spec.environment.entry("TRACEPARENT".to_owned()).or_insert(traceparent);
        }
        let running = Running {
            run,
            payload: planned.payload,
            operator: operator.name.clone(),
            gpus: gpus.to_vec(),
            reads_memory: spec.fastio.as_ref().is_some_and(|rules| !rules.inputs.is_empty()),
            span,
            report: Report::default(),
        };
        let token = executor_token(&run.to_string());
        self.0.runs.lock().unwrap_or_else(PoisonError::into_inner).insert(token, running);
        Ok(spec)
    }

    fn planned(&self, job: JobId) -> Result<Arc<Planned>, Trouble> {
        let kept = self.0.plans.lock().unwrap_or_else(PoisonError::into_inner).get(&job).cloned();
        if let Some(planned) = kept {
            return Ok(planned);
        }
        let Parts { repository, definitions, defaults, .. } = &self.0.parts;
        let row = repository.job(job).map_err(|error| chain(&error))?.ok_or("the job is unknown")?;
        let variables: BTreeMap<String, String> =
            repository.job_variables(job).map_err(|error| chain(&error))?.into_iter().collect();
        let pipeline = definitions.get(row.definition).map_err(|refusal| refusal.to_string())?;
        let plan = pipeline.instantiate(&variables, defaults).map_err(|error| error.to_string())?;
        let planned = Arc::new(Planned { payload: row.payload, job_name: row.name, plan });
        self.0.plans.lock().unwrap_or_else(PoisonError::into_inner).insert(job, planned.clone());
        Ok(planned)
    }

    /// Keeps what a job runs before anything of it is launched.
    pub(super) fn plan(&self, job: JobId, payload: PayloadId, job_name: String, plan: JobPlan) {
        let mut plans = self.0.plans.lock().unwrap_or_else(PoisonError::into_inner);
        plans.insert(job, Arc::new(Planned { payload, job_name, plan }));
    }

    fn spec(
        &self,
        run: RunToken,
        planned: &Planned,
        operator: &OperatorPlan,
        request: Request,
        gpus: &[String],
        folder: &Path,
    ) -> Result<RunSpec, Trouble> {
        let Parts { executor, limits, .. } = &self.0.parts;
        let known = &self.0.parts.gpus;
        super::run_spec::run_spec(super::run_spec::RunParts {
            run,
            job_name: &planned.job_name,
            plan: &planned.plan,
            operator,
            request,
            gpus: known.iter().filter(|gpu| gpus.contains(&gpu.id)).cloned().collect(),
            folder,
            program: self.program(operator)?,
            limits: *limits,
            has_own_mounts: executor.capabilities().has_own_mounts,
        })
    }

    /// What an operator runs: a container image, or the bundle that stands for it.
    fn program(&self, operator: &OperatorPlan) -> Result<RunSpec, Trouble> {
        let Parts { bundles, executor, .. } = &self.0.parts;
        // A digest says more than a tag, and engines take only one of them.
        let image = match operator.image.contains('@') {
            true => operator.image.clone(),
            false => format!("{}:{}", operator.image, operator.tag),
        };
        let capabilities = executor.capabilities();
        if capabilities.runs_images {
            let (image, command) = (Some(bundles.image(&image)), operator.command.clone());
            return Ok(RunSpec { image, command, ..RunSpec::default() });
        }
        let bundle = bundles.resolve(&image).map_err(|error| chain(&error))?;
        Ok(bundle.run(&operator.command, capabilities.has_own_mounts))
    }

    /// Passes on what the executor tells, until it tells nothing more.
    async fn listen(self) {
        let mut events = self.0.parts.executor.observe();
        while let Some(event) = events.recv().await {
            match event {
                RunEvent::Started { token, .. } => {
                    if let Some(running) = self.running(token) {
                        self.tell(Command::Started { run: running.run });
                    }
                }
                RunEvent::Reported { token, report } => self.note(token, report),
                RunEvent::Ended { token, end } => {
                    let Some(running) = self.running(token) else { continue };
                    tokio::spawn(self.clone().end(token, running, end));
                }
            }
        }
    }

    /// Operators that have a GPU now: their names and jobs.
    pub(super) fn users_of(&self, gpu: &str) -> Vec<(String, JobId)> {
        let runs = self.0.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let users = runs.values().filter(|running| running.gpus.iter().any(|id| id == gpu));
        users.map(|running| (running.operator.clone(), running.run.job)).collect()
    }

    fn running(&self, token: executor::RunToken) -> Option<Running> {
        self.0.runs.lock().unwrap_or_else(PoisonError::into_inner).get(&token).cloned()
    }

    /// Takes in what a run wrote and lets go of what it was the last to read, then tells its end: whatever runs next
    /// finds the files, and the room. Waits for a database that takes nothing for a while: a run that completed must not
    /// fail for it.
    async fn end(self, token: executor::RunToken, running: Running, end: executor::RunEnd) {
        let adopted = loop {
            let (launcher, payload, operator) = (self.clone(), running.payload, running.operator.clone());
            let adopt = move || launcher.0.parts.payloads.adopt(payload, &operator, AdoptLimits::default());
            match tokio::task::spawn_blocking(adopt).await {
                Ok(Err(error)) if error.is_transient() => {
                    tracing::warn!(%error, "what an operator wrote cannot be taken in now; trying again");
                    tokio::time::sleep(PAUSE).await;
                }
                Ok(adopted) => break adopted,
                // It is found again when the server starts.
                Err(error) => return tracing::error!(%error, "what an operator wrote was not taken in"),
            }
        };
        let (outcome, record) = with_files(&end, adopted);
        self.0.runs.lock().unwrap_or_else(PoisonError::into_inner).remove(&token);
        let Running { run, operator, reads_memory, span, .. } = running;
        trace::run_ended(&span, &outcome);
        drop(span);
        if outcome == Outcome::Completed && reads_memory {
            let job = run.job.to_string();
            self.0.parts.executor.release(Release::Operator { job, operator }).await;
        }
        self.tell(Command::Ended { run, outcome, end: record });
    }
}

/// Takes the files of a run that is over into its payload, and says how it ended: whoever sees the end finds the
/// files. Blocks on disk.
pub(super) fn take_in(
    payloads: &PayloadStore,
    payload: PayloadId,
    operator: &str,
    end: &executor::RunEnd,
) -> (Outcome, EndRecord) {
    with_files(end, payloads.adopt(payload, operator, AdoptLimits::default()))
}

/// How a run ended, also by what became of its files.
fn with_files(end: &executor::RunEnd, adopted: Result<Adopted, PayloadError>) -> (Outcome, EndRecord) {
    let (mut outcome, mut record) = outcome(end);
    match adopted {
        Ok(adopted) if adopted.skipped_count > 0 => {
            let first = adopted.skipped.first().map(|s| format!("`{}`: {}", s.name, s.reason));
            let text =
                format!("{} files were left out, {}", adopted.skipped_count, first.unwrap_or_default());
            append(&mut record.message, &text);
        }
        Ok(_) => {}
        Err(error) => {
            append(&mut record.message, &format!("its files could not be taken in: {}", chain(&error)));
            if outcome == Outcome::Completed {
                outcome = Outcome::Faulted(Fault::Disk);
                record.reason = Reason::Disk;
            }
        }
    }
    (outcome, record)
}

fn append(message: &mut String, text: &str) {
    if !message.is_empty() {
        message.push_str("; ");
    }
    message.push_str(text);
}

/// How a run ended, for the scheduler and for people.
fn outcome(end: &executor::RunEnd) -> (Outcome, EndRecord) {
    use executor::Outcome as Seen;
    let (fault, message) = match &end.outcome {
        Seen::Exited { code: 0 } => (None, String::new()),
        Seen::Exited { code } => (Some(Fault::ExitCode(*code)), String::new()),
        Seen::Signaled { signal } => (Some(Fault::Signal(*signal)), String::new()),
        Seen::OutOfMemory { limit_bytes } => {
            (Some(Fault::OutOfMemory), format!("it was allowed {} MiB", limit_bytes >> 20))
        }
        Seen::DiskExceeded { used_bytes, limit_bytes } => {
            (Some(Fault::Disk), format!("its files took {used_bytes} of {limit_bytes} bytes"))
        }
        Seen::TooManyProcesses { limit } => {
            (Some(Fault::Signal(9)), format!("it had more than {limit} processes at the same time"))
        }
        Seen::TimedOut => (Some(Fault::Timeout), String::new()),
        Seen::Canceled | Seen::Evicted => (Some(Fault::Canceled), String::new()),
        Seen::NotStarted { reason } => (Some(Fault::LaunchFailed), reason.clone()),
        Seen::Lost { reason } => (Some(Fault::Lost), reason.clone()),
    };
    let reason = fault.map_or(Reason::Completed, Reason::from);
    let record = EndRecord {
        message,
        peak_memory_bytes: end.usage.peak_memory_bytes,
        cpu_ms: end.usage.cpu_time.and_then(|time| u64::try_from(time.as_millis()).ok()),
        ..EndRecord::new(reason)
    };
    (fault.map_or(Outcome::Completed, Outcome::Faulted), record)
}

/// An error with its causes, as `a: b: c`.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
