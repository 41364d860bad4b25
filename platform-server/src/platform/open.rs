//! Starts a platform on its data folder: everything is in order, and accounted for, before the first call.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use platform_api::id::{JobId, PayloadId};
use platform_api::job::{JobState, OperatorStatus};
use platform_api::pipeline::RequestDefaults;
use tokio::sync::mpsc;

use super::clock::{Clock, millis};
use super::definitions::Definitions;
use super::engine::{Engine, Revived};
use super::jobs::schedule;
use super::journal::Journal;
use super::launcher::{self, Launcher, Parts, RunLimits, executor_token};
use super::records::{self, RunNote};
use super::{Inner, Platform, models, random_bits, retention, utilization};
use crate::access::Register;
use crate::config::DatabaseUrl;
use crate::events::EventHub;
use crate::executor::bundle::Bundles;
use crate::executor::spec::Gpu;
use crate::executor::{self, Executor, ExecutorError, Found, Release};
use crate::gpu::{GpuError, Gpus, NoGpus};
use crate::observe::Metrics;
use crate::payloads::{PayloadError, PayloadOptions, PayloadStore, Retention};
use crate::repository::{
    JobFilter, PostgresOptions, PostgresRepository, Repository, RepositoryError, SqliteOptions,
    SqliteRepository,
};
use crate::scheduler::{
    Capacity, Config, JobRecord, OnRestart, Outcome, RestoreError, RunFate, RunToken, Scheduler, Snapshot,
};

/// How a platform is run.
#[derive(Clone)]
pub struct Options {
    /// Where everything is kept.
    pub data: PathBuf,
    /// The database; none for a file in the data folder.
    pub database: Option<DatabaseUrl>,
    /// How jobs are scheduled.
    pub scheduler: Config,
    /// What operators may use, all of them together.
    pub capacity: Capacity,
    /// What operators get that ask for nothing.
    pub defaults: RequestDefaults,
    /// What every run may use.
    pub limits: RunLimits,
    /// How files are kept.
    pub payloads: PayloadOptions,
    /// How a database that is a file is kept.
    pub sqlite: SqliteOptions,
    /// How a database on a server is used.
    pub postgres: PostgresOptions,
    /// Operator bundles by image.
    pub bundles: Arc<Bundles>,
    /// The GPUs of this machine, of which `capacity` names those that operators may have.
    pub gpus: Arc<dyn Gpus>,
    /// When payloads of jobs that are over are removed, if ever.
    pub retention: Option<Retention>,
    /// Instances of inference servers.
    pub max_instances: usize,
    /// Models that one of them may serve.
    pub max_instance_models: usize,
    /// Where waits and run times are counted.
    pub metrics: Arc<Metrics>,
    /// Whether users come from a file, so that those of the records cannot log in.
    pub has_users_file: bool,
    /// The clock on the wall: read once, when the platform opens. From then on elapsed time is added.
    pub wall: fn() -> SystemTime,
}

impl Options {
    /// The defaults, with all of this machine's processors and four fifths of its memory for operators.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            database: None,
            scheduler: Config::default(),
            capacity: machine(),
            defaults: RequestDefaults::default(),
            limits: RunLimits::default(),
            payloads: PayloadOptions::default(),
            sqlite: SqliteOptions::default(),
            postgres: PostgresOptions::default(),
            bundles: Arc::new(Bundles::scan(&[], BTreeMap::new()).0),
            gpus: Arc::new(NoGpus),
            retention: None,
            max_instances: 1,
            max_instance_models: 8,
            metrics: Arc::default(),
            has_users_file: false,
            wall: SystemTime::now,
        }
    }
}

/// What this machine gives to operators.
fn machine() -> Capacity {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    Capacity {
        cpu_millis: cores * 1000,
        memory_mb: memory_mb().unwrap_or(4096) / 5 * 4,
        gpus: Default::default(),
        slots: 256,
    }
}

/// Memory of this machine, where it tells.
#[cfg(target_os = "linux")]
fn memory_mb() -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024)
}

#[cfg(not(target_os = "linux"))]
fn memory_mb() -> Option<u64> {
    None
}

/// Why a platform could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum OpenError {
    #[error("cannot use the data folder `{}`", .path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("cannot open the records")]
    Repository(#[from] RepositoryError),
    #[error("cannot open the payloads")]
    Payloads(#[from] PayloadError),
    #[error("cannot run operators")]
    Executor(#[from] ExecutorError),
    #[error("the records of jobs contradict each other")]
    Restore(#[from] RestoreError),
    #[error("cannot use the GPUs")]
    Gpus(#[from] GpuError),
    #[error("no random numbers")]
    Random,
}

impl Platform {
    /// Starts the platform on its data folder, with an executor for its operators. Must be called within a runtime.
    ///
    /// Cleans up first: files and folders that no record knows go, runs that no record knows are ended, jobs that had
    /// begun are re-attached or evicted as configured, and those that waited wait on.
    ///
    /// # Errors
    /// [`OpenError`]; nothing runs then.
    pub async fn open(options: Options, executor: Arc<dyn Executor>) -> Result<Self, OpenError> {
        let clock = Clock::start(options.wall);
        let (repository, payloads) = {
            let options = options.clone();
            let opened = tokio::task::spawn_blocking(move || open_stores(&options)).await;
            opened.map_err(|_| OpenError::Random)??
        };
        let definitions = Arc::new(Definitions::new(repository.clone()));
        let (commands, inbox) = mpsc::unbounded_channel();
        let events = EventHub::default();
        let launcher = Launcher::new(Parts {
            repository: repository.clone(),
            payloads: payloads.clone(),
            executor: executor.clone(),
            bundles: options.bundles.clone(),
            gpus: device_numbers(&options)?,
            definitions: definitions.clone(),
            defaults: options.defaults,
            limits: options.limits,
            events: events.clone(),
            commands: commands.clone(),
        });
        let records = {
            let (repository, definitions) = (repository.clone(), definitions.clone());
            let defaults = options.defaults;
            let read = move || read_jobs(repository.as_ref(), &definitions, &defaults);
            tokio::task::spawn_blocking(read).await.map_err(|_| OpenError::Random)??
        };
        for Left { run, payload, operator, gpus } in &records.running {
            launcher.remember(*run, *payload, operator.clone(), gpus.clone());
        }
        let found = reconcile(executor.as_ref(), &records, options.scheduler.on_restart).await?;
        let (fates, records) = {
            let payloads = payloads.clone();
            let take_in = move || (fates(&payloads, &records.running, found), records);
            tokio::task::spawn_blocking(take_in).await.map_err(|_| OpenError::Random)?
        };
        for release in releases(&records, &fates) {
            executor.release(release).await;
        }
        let snapshot = Snapshot {
            jobs: records.jobs,
            fates,
            capacity: options.capacity.clone(),
            now_ms: u64::try_from(clock.now_ms()).unwrap_or(0),
        };
        let (scheduler, effects) = Scheduler::restore(options.scheduler, snapshot)?;
        let journal = Journal::start(repository.clone());
        let engine = Engine::new(
            clock,
            scheduler,
            journal,
            launcher.clone(),
            events.clone(),
            options.metrics.clone(),
            records.revived,
        );
        tokio::spawn(engine.run(effects, inbox));
        let epoch = random_bits().map_err(|_| OpenError::Random)?;
        let inner = Inner {
            capacity: options.capacity.clone(),
            options,
            clock,
            started: SystemTime::now(),
            epoch: format!("{epoch:032x}"),
            register: Register::new(repository.clone()),
            repository,
            payloads,
            executor,
            definitions,
            launcher,
            engine: commands,
            events,
            gauge: Arc::default(),
        };
        if let Err(error) = models::sweep(&inner) {
            tracing::warn!(%error, "unfinished models could not be removed");
        }
        let platform = Self { inner: Arc::new(inner) };
        retention::start(&platform);
        utilization::start(&platform);
        Ok(platform)
    }
}

/// The GPUs that operators may have, with the numbers of their device files: the driver's order.
fn device_numbers(options: &Options) -> Result<Vec<Gpu>, OpenError> {
    let found = options.gpus.discover()?;
    let numbered = found.into_iter().zip(0..).filter(|(gpu, _)| options.capacity.gpus.contains(&gpu.id));
    Ok(numbered.map(|(gpu, device_number)| Gpu { id: gpu.id.as_str().to_owned(), device_number }).collect())
}

fn open_stores(options: &Options) -> Result<(Arc<dyn Repository>, PayloadStore), OpenError> {
    let folder = |source| OpenError::Folder { path: options.data.clone(), source };
    std::fs::create_dir_all(&options.data).map_err(folder)?;
    let sqlite = |path: &Path| SqliteRepository::open(path, options.sqlite);
    let repository: Arc<dyn Repository> = match &options.database {
        None => Arc::new(sqlite(&options.data.join("records.sqlite"))?),
        Some(DatabaseUrl::Sqlite(path)) => Arc::new(sqlite(path)?),
        Some(DatabaseUrl::Postgres(address)) => {
            Arc::new(PostgresRepository::open(address, options.postgres)?)
        }
    };
    let payloads = PayloadStore::open(&options.data, repository.clone(), options.payloads)?;
    let swept = payloads.sweep()?;
    tracing::info!(
        unfinished = swept.unfinished,
        folders = swept.folders.len(),
        missing = swept.missing.len(),
        "payloads are in order"
    );
    Ok((repository, payloads))
}

/// Jobs that have not stopped, as they were written down.
struct Records {
    jobs: Vec<JobRecord>,
    revived: Vec<Revived>,
    running: Vec<Left>,
    /// Operators of these jobs that had completed.
    completed: Vec<(JobId, String)>,
    /// All runs whose logs are kept.
    logged: HashSet<executor::RunToken>,
}

/// A run that an earlier server left behind.
struct Left {
    run: RunToken,
    payload: PayloadId,
    operator: String,
    gpus: Vec<String>,
}

fn read_jobs(
    repository: &dyn Repository,
    definitions: &Definitions,
    defaults: &RequestDefaults,
) -> Result<Records, OpenError> {
    let mut notes: HashMap<(JobId, u32), (String, RunNote)> = HashMap::new();
    for run in repository.runs()? {
        let note = run.handle.as_deref().and_then(|bytes| serde_json::from_slice(bytes).ok());
        if let Some(note) = note {
            notes.insert((run.job, run.operator), (run.token, note));
        }
    }
    let filter = JobFilter { states: vec![JobState::Pending, JobState::Running], ..JobFilter::default() };
    let logged = repository.logged_runs()?.iter().map(|run| executor_token(run)).collect();
    let mut records =
        Records { jobs: Vec::new(), revived: Vec::new(), running: Vec::new(), completed: Vec::new(), logged };
    let mut after = None;
    loop {
        let page = repository.jobs(&filter, after, 256)?;
        for job in page.jobs {
            let Some(found) = repository.job_details(job.id)? else { continue };
            let variables: BTreeMap<String, String> = repository.job_variables(job.id)?.into_iter().collect();
            let planned = definitions
                .get(job.definition)
                .map_err(|refusal| refusal.to_string())
                .and_then(|pipeline| {
                    pipeline.instantiate(&variables, defaults).map_err(|error| error.to_string())
                })
                .and_then(|plan| schedule(&plan));
            let plan = match planned {
                Ok(plan) => Arc::new(plan),
                Err(problem) => {
                    // A definition that an earlier server accepted and this one cannot read.
                    tracing::error!(job = %job.id, %problem, "a job cannot go on");
                    continue;
                }
            };
            let operators: Vec<_> = found
                .operators
                .iter()
                .map(|row| {
                    let note = notes.get(&(job.id, row.index)).filter(|(token, _)| {
                        let is_over =
                            matches!(row.status, OperatorStatus::Completed | OperatorStatus::Faulted);
                        !is_over && row.run_token.as_ref() == Some(token)
                    });
                    if let Some((token, note)) = note
                        && let Ok(run) = token.parse::<RunToken>()
                    {
                        let (payload, operator) = (job.payload, row.name.clone());
                        records.running.push(Left { run, payload, operator, gpus: note.gpus.clone() });
                    }
                    if row.status == OperatorStatus::Completed {
                        records.completed.push((job.id, row.name.clone()));
                    }
                    records::scheduler_operator(job.id, row, note.map(|(_, note)| note))
                })
                .collect();
            let limit_ms = job.time_limit_ms.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0);
            records.revived.push(Revived {
                job: job.id,
                plan: plan.clone(),
                created_ms: job.created_ms,
                status: job.status,
                has_started: job.started_ms.is_some(),
            });
            let row = records::scheduler_job(&job, &operators, limit_ms);
            records.jobs.push(JobRecord { plan, row, operators });
        }
        after = page.next;
        if after.is_none() {
            return Ok(records);
        }
    }
}

/// Asks the executor what became of the runs that had not ended; answers in their order.
async fn reconcile(
    executor: &dyn Executor,
    records: &Records,
    on_restart: OnRestart,
) -> Result<Vec<Found>, OpenError> {
    let on_restart = match on_restart {
        OnRestart::Reattach => executor::OnRestart::Reattach,
        OnRestart::Evict => executor::OnRestart::Evict,
    };
    let tokens = records.running.iter().map(|left| executor_token(&left.run.to_string())).collect();
    Ok(executor.reconcile(tokens, records.logged.clone(), on_restart).await?)
}

/// What the scheduler is told of runs that an earlier server left behind. Files of those that ended meanwhile are
/// taken in first: whoever sees the end finds the files. Blocks.
fn fates(payloads: &PayloadStore, running: &[Left], found: Vec<Found>) -> BTreeMap<RunToken, RunFate> {
    let fates = running.iter().zip(found).map(|(left, found)| {
        let fate = match found {
            Found::Running { .. } => RunFate::Reattached,
            Found::Ended(end) => {
                // A run that was ended because its server went away says nothing about its operator.
                let is_known =
                    !matches!(end.outcome, executor::Outcome::Lost { .. } | executor::Outcome::Evicted);
                let (outcome, _) = launcher::take_in(payloads, left.payload, &left.operator, &end);
                RunFate::Gone {
                    outcome: is_known.then_some(outcome),
                    ended_ms: u64::try_from(millis(end.ended_at)).ok(),
                }
            }
        };
        (left.run, fate)
    });
    fates.collect()
}

/// Buffers that nobody needs any more: those of jobs that ended while no server was there, and those whose last reader
/// did.
fn releases(records: &Records, fates: &BTreeMap<RunToken, RunFate>) -> Vec<Release> {
    let jobs = records.jobs.iter().map(|record| record.row.job.to_string()).collect();
    let has_completed = |left: &&Left| {
        matches!(fates.get(&left.run), Some(RunFate::Gone { outcome: Some(Outcome::Completed), .. }))
    };
    let meanwhile = records.running.iter().filter(has_completed);
    let meanwhile = meanwhile.map(|left| (left.run.job, left.operator.clone()));
    let readers = records.completed.iter().cloned().chain(meanwhile);
    let readers = readers.map(|(job, operator)| Release::Operator { job: job.to_string(), operator });
    std::iter::once(Release::AllBut(jobs)).chain(readers).collect()
}
