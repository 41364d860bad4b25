//! The whole server from its settings: records, executor, platform, services, doors.
//!
//! [`start`] is what `lantern serve` and the embedded server of the window call.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use platform_api::job::{JobState, JobStatus};
use platform_api::pipeline::{BYTES_PER_MB, RequestDefaults};
use tokio::sync::watch;

use crate::access::{self, AccessError, AuditLog, Register};
use crate::config::{AtJobEnd, Config, DatabaseUrl, Engine};
use crate::executor::bundle::Bundles;
use crate::executor::container::{self, ContainerConfig};
use crate::executor::process::{Claim, Isolate, ProcessConfig, ProcessExecutor};
use crate::executor::{Executor, ExecutorError};
use crate::gpu::{self, GpuError, Gpus};
use crate::grpc;
use crate::observe::{self, Facts, Inspect, Metrics, ObserveError, Observer};
use crate::payloads::{PayloadOptions, Retention};
use crate::platform::{OpenError, Options, Platform, RunLimits, disk};
use crate::repository::{PostgresRepository, Repository, RepositoryError, SqliteRepository};
use crate::scheduler;
use crate::serve::{self, Addresses, Front, InProcess, ServeError};

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum StartError {
    #[error("cannot use the data folder `{}`", .path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("cannot use the GPUs")]
    Gpus(#[from] GpuError),
    #[error("cannot run operators")]
    Executor(#[from] ExecutorError),
    #[error("cannot start the platform")]
    Platform(#[from] OpenError),
    #[error("cannot guard the server")]
    Access(#[from] AccessError),
    #[error("cannot open the server's doors")]
    Serve(#[from] ServeError),
    #[error("cannot show the server's figures")]
    Observe(#[from] ObserveError),
    #[error("a server runs on the folder `{}`; ask it with `--server`", .path.display())]
    InUse { path: PathBuf },
    #[error("users of this server are kept in `{}`, which is edited by hand", .path.display())]
    UsersElsewhere { path: PathBuf },
    #[error("`{}` belongs to another user; whoever runs the server can do this", .path.display())]
    NotOurs { path: PathBuf },
}

impl StartError {
    /// Whether another server has the data folder: nothing is wrong with it, and that server may be asked instead.
    pub fn is_in_use(&self) -> bool {
        matches!(
            self,
            Self::InUse { .. }
                | Self::Executor(ExecutorError::InUse { .. })
                | Self::Platform(
                    OpenError::Executor(ExecutorError::InUse { .. })
                        | OpenError::Repository(RepositoryError::InUse { .. })
                )
        )
    }
}

/// A server that runs. Dropping it cuts everything at once; operators go on and are found again.
pub struct Running {
    platform: Platform,
    server: serve::Server,
    observer: Option<Observer>,
    stopping: watch::Sender<bool>,
}

impl Running {
    /// What it runs.
    pub fn platform(&self) -> &Platform {
        &self.platform
    }

    /// Where it is reached.
    pub fn addresses(&self) -> &Addresses {
        self.server.addresses()
    }

    /// Where its figures are shown.
    pub fn observed_at(&self) -> Option<SocketAddr> {
        self.observer.as_ref().map(Observer::address)
    }

    /// The way in for this process.
    pub fn in_process(&self) -> InProcess {
        self.server.in_process()
    }

    /// Ends it in order: no new calls, those in flight go on for a while.
    pub async fn stop(self) {
        self.stopping.send_replace(true);
        self.server.stop().await;
    }
}

/// Starts a server. `shim` is how to start the small process beside each operator, see
/// [`ProcessConfig::shim`]. Must be called within a runtime.
///
/// # Errors
/// [`StartError`]; nothing runs then.
pub async fn start(config: &Config, shim: Vec<String>) -> Result<Running, StartError> {
    private_folder(&config.data)
        .map_err(|source| StartError::Folder { path: config.data.clone(), source })?;
    let gpus: Arc<dyn Gpus> = Arc::from(gpu::of_this_machine());
    let metrics = Arc::new(Metrics::default());
    let options = Options { metrics: metrics.clone(), ..options(config, gpus)? };
    let executor = executor(config, shim).await?;
    tracing::info!("{}", executor.capabilities());
    let warnings = executor.capabilities().warnings();
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    let platform = Platform::open(options, Arc::new(executor)).await?;
    let repository = platform.repository();
    let gate = Arc::new(access::gate(config, repository.clone())?);
    let (stopping, stop) = watch::channel(false);
    let routes = grpc::all_services(platform.clone(), stop).await;
    let front = Front { gate, audit: Some(AuditLog::new(repository)), metrics: metrics.clone() };
    let server = serve::start(config, front, || routes).await?;
    let observer = match config.observe.address {
        Some(address) => Some(
            observe::start(address, metrics, Arc::new(Watched { platform: platform.clone(), warnings }))
                .await?,
        ),
        None => None,
    };
    Ok(Running { platform, server, observer, stopping })
}

/// The users of a server that does not run, for the owner of its data folder; made where there is none. Blocks.
///
/// No server starts on the folder while this is held.
///
/// # Errors
/// [`StartError`]: while a server runs on the folder, where users are kept in a file, and where the folder is another
/// user's.
pub fn open_register(config: &Config) -> Result<Register, StartError> {
    match &config.access.users_file {
        Some(path) => Err(StartError::UsersElsewhere { path: path.clone() }),
        None => open_audit(config),
    }
}

/// As [`open_register`], for its audit log alone, which a server with a file of users has too.
///
/// # Errors
/// See there.
pub fn open_audit(config: &Config) -> Result<Register, StartError> {
    let database = config.database_url();
    let of_ours =
        |path: &Path| if is_ours(path) { Ok(()) } else { Err(StartError::NotOurs { path: path.into() }) };
    of_ours(&config.data)?;
    private_folder(&config.data)
        .map_err(|source| StartError::Folder { path: config.data.clone(), source })?;
    // A server that has lost its connection for the moment holds no lock of a database, and this one always.
    let claim = Claim::take(&executor_folder(config)).map_err(|error| match error {
        ExecutorError::InUse { .. } => StartError::InUse { path: config.data.clone() },
        error => error.into(),
    })?;
    let defaults = Options::new(&config.data);
    let repository: Arc<dyn Repository> = match database {
        DatabaseUrl::Sqlite(path) => {
            of_ours(&path)?;
            Arc::new(SqliteRepository::open(&path, defaults.sqlite).map_err(OpenError::from)?)
        }
        DatabaseUrl::Postgres(address) => {
            Arc::new(PostgresRepository::open(&address, defaults.postgres).map_err(OpenError::from)?)
        }
    };
    Ok(Register::of_owner(repository, claim))
}

/// Whether a file or folder is this user's, or not there. What root makes for another user, that one's server cannot
/// open.
#[cfg(target_os = "linux")]
fn is_ours(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).map_or(true, |found| found.uid() == rustix::process::geteuid().as_raw())
}

/// Not asked here: only Linux runs servers.
#[cfg(not(target_os = "linux"))]
fn is_ours(_path: &Path) -> bool {
    true
}

fn executor_folder(config: &Config) -> PathBuf {
    config.data.join("executor")
}

/// What runs operators, as the settings want it.
async fn executor(config: &Config, shim: Vec<String>) -> Result<ProcessExecutor, ExecutorError> {
    let state_dir = executor_folder(config);
    let settings = &config.executor;
    match settings.engine {
        Engine::Process => {
            let mut process = ProcessConfig::new(state_dir, shim);
            if !settings.require_sandbox {
                process.isolate = Isolate::Nothing;
            }
            process.shared_memory_bytes = settings.shared_memory_total_mib.saturating_mul(1 << 20);
            ProcessExecutor::open(process).await
        }
        Engine::Container => {
            let containers = ContainerConfig {
                program: settings.container_program.clone(),
                engine_arguments: settings.container_arguments.clone(),
                pull: settings.pull,
                network: settings.container_network.clone(),
                allows_image_user: settings.allow_image_user,
                ..ContainerConfig::new(state_dir, shim)
            };
            container::open(containers).await
        }
    }
}

/// Makes the data folder, closed to everybody else.
fn private_folder(path: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

fn options(config: &Config, gpus: Arc<dyn Gpus>) -> Result<Options, StartError> {
    let mut options = Options::new(&config.data);
    let settings = &config.scheduler;
    let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    options.scheduler = scheduler::Config {
        default_limit_ms: millis(settings.default_timeout),
        maximum_limit_ms: millis(settings.maximum_timeout),
        grace_ms: millis(settings.grace),
        lost_retries: settings.lost_retries,
        patience: settings.patience,
        on_restart: settings.on_restart,
    };
    let found = gpus.discover()?;
    let capacity = &mut options.capacity;
    capacity.cpu_millis = settings.cpus.map_or(capacity.cpu_millis, |cpus| u64::from(cpus) * 1000);
    capacity.memory_mb = settings.memory_mb.unwrap_or(capacity.memory_mb);
    capacity.slots = settings.slots.unwrap_or(capacity.slots);
    capacity.gpus = gpu::allowed(&found, settings.gpus.as_deref())?.into_iter().map(|gpu| gpu.id).collect();
    options.gpus = gpus;
    options.defaults = RequestDefaults {
        cpus: settings.default_cpus,
        memory_bytes: settings.default_memory_mb.saturating_mul(BYTES_PER_MB),
    };
    options.limits = RunLimits {
        processes: Some(config.executor.max_processes),
        disk_bytes: config.executor.max_disk_mib.map(|mib| mib.saturating_mul(1 << 20)),
        log_bytes: config.logs.operator_mib.saturating_mul(1 << 20),
        is_network_allowed: config.executor.allow_network,
        shared_memory_bytes: config.executor.shared_memory_mib.saturating_mul(1 << 20),
    };
    options.payloads = PayloadOptions { limit_percent: config.storage.threshold_percent };
    options.retention = retention(config);
    let (bundles, broken) = Bundles::scan(&bundle_folders(config), aliases(config));
    for error in broken {
        tracing::warn!(%error, "an operator bundle cannot be used");
    }
    options.bundles = Arc::new(bundles);
    options.max_instances = usize::try_from(config.models.max_instances).unwrap_or(usize::MAX);
    options.max_instance_models = usize::try_from(config.models.model_limit).unwrap_or(usize::MAX);
    options.has_users_file = config.access.users_file.is_some();
    options.database = Some(config.database_url());
    Ok(options)
}

fn retention(config: &Config) -> Option<Retention> {
    let forever = std::time::Duration::from_secs(u64::MAX / 2000);
    let storage = &config.storage;
    match storage.at_job_end {
        AtJobEnd::Remove => {
            let now = std::time::Duration::ZERO;
            Some(Retention { healthy: now, others: storage.keep_others.unwrap_or(now) })
        }
        AtJobEnd::Keep if storage.keep_healthy.is_none() && storage.keep_others.is_none() => None,
        AtJobEnd::Keep => Some(Retention {
            healthy: storage.keep_healthy.unwrap_or(forever),
            others: storage.keep_others.unwrap_or(forever),
        }),
    }
}

fn bundle_folders(config: &Config) -> Vec<PathBuf> {
    let folder = config.bundles_folder();
    // One that somebody named has to be there; the others are looked for.
    if config.operators.bundles.is_some() {
        return vec![folder];
    }
    // Beside an installed program, and where `make bundles` puts them beside one that was built.
    let this = std::env::current_exe().ok();
    let is_built = this
        .as_ref()
        .and_then(|this| this.ancestors().nth(2)?.file_name())
        .is_some_and(|name| name == "target");
    let places = ["../share/lantern/bundles"].into_iter().chain(is_built.then_some("../bundles"));
    let installed = places.filter_map(|place| Some(this.as_ref()?.with_file_name(place)));
    std::iter::once(folder).chain(installed).filter(|folder| folder.is_dir()).collect()
}

fn aliases(config: &Config) -> BTreeMap<String, String> {
    config.operators.aliases.clone()
}

/// What the figures are made of.
struct Watched {
    platform: Platform,
    warnings: Vec<String>,
}

impl Inspect for Watched {
    fn facts(&self) -> Option<Facts> {
        let sums = self.platform.job_sums()?;
        let kinds =
            JobState::ALL.iter().flat_map(|state| JobStatus::ALL.iter().map(|status| (*state, *status)));
        let count = |kind| sums.counts.get(&kind).copied().unwrap_or(0);
        Some(Facts {
            jobs: kinds.map(|(state, status)| (state, status, count((state, status)))).collect(),
            queue_length: sums.queued,
            queue_oldest: sums.oldest_queued_ms.map(|ms| self.platform.age(ms)).unwrap_or_default(),
            disk: disk(self.platform.data()).map(|share| (share.used, share.total)),
            is_sandboxed: self.warnings.is_empty(),
        })
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }

    fn not_ready(&self) -> Option<String> {
        self.platform.job_sums().is_none().then(|| "the records cannot be read".to_owned())
    }
}
