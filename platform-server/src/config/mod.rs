//! Settings of the server: read once at start, checked whole, never changed after.
//!
//! A file is optional: [`Config::embedded`] needs no more than a folder. All mistakes of a file are told at once, with
//! line and key. [`SETTINGS`] documents every key; [`reference_page`] turns it into `docs/server-settings.md`, and tests
//! hold table, page and code against each other. Nothing here opens a socket or a database.

mod apply;
mod page;
mod reader;
mod rules;
mod settings;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use page::reference_page;
pub use settings::{SETTINGS, Setting};

use crate::access::Role;
use crate::executor::container::Pull;
use crate::repository::Address;
use crate::scheduler::{OnRestart, Patience};

/// Every setting of the server.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Folder of everything that is kept.
    pub data: PathBuf,
    /// Where clients reach the server.
    pub listen: ListenConfig,
    /// How connections are encrypted.
    pub tls: TlsConfig,
    /// The plain-text port of published Clara clients.
    pub legacy: LegacyConfig,
    /// Who may do what.
    pub access: AccessConfig,
    /// What runs when.
    pub scheduler: SchedulerConfig,
    /// How full the disk may get and how long payloads are kept.
    pub storage: StorageConfig,
    /// How operators run.
    pub executor: ExecutorConfig,
    /// Which programs operators are.
    pub operators: OperatorsConfig,
    /// Lists of models.
    pub models: ModelsConfig,
    /// How much of what operators print is kept.
    pub logs: LogsConfig,
    /// Where records are kept.
    pub database: DatabaseConfig,
    /// What the server tells about itself.
    pub observe: ObserveConfig,
}

/// Where clients reach the server, and how much each of them may take.
#[derive(Debug, Clone, PartialEq)]
pub struct ListenConfig {
    /// Addresses of the encrypted port; port 0 takes a free one.
    pub addresses: Vec<SocketAddr>,
    /// A Unix socket for the user that runs the server.
    pub unix: Option<PathBuf>,
    /// Listens beyond this machine although nobody has to log in, on the legacy port too, or without encryption.
    pub allow_open: bool,
    /// Connections at the same time, on all ports together.
    pub max_connections: u32,
    /// Calls at the same time on one connection.
    pub max_streams: u32,
    /// The longest message that is taken.
    pub max_message_mib: u32,
    /// How often a silent peer is asked whether it is there.
    pub keepalive: Duration,
    /// How long a new connection may take to say its first words.
    pub handshake: Duration,
    /// How long a peer may take no byte of an answer.
    pub stall: Duration,
    /// How long calls may go on while the server stops.
    pub drain: Duration,
}

/// How the addresses of [`ListenConfig`] are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// A certificate of our own, made at first start and kept in the data folder.
    SelfSigned,
    /// A certificate from files.
    Files,
    /// No encryption.
    Off,
}

/// How connections are encrypted.
#[derive(Debug, Clone, PartialEq)]
pub struct TlsConfig {
    /// Where the certificate comes from.
    pub mode: TlsMode,
    /// PEM file with the certificate and those that vouch for it.
    pub certificate: Option<PathBuf>,
    /// PEM file with the certificate's key.
    pub key: Option<PathBuf>,
    /// More names and addresses in a self-signed certificate.
    pub names: Vec<String>,
}

/// The plain-text port of published Clara clients.
#[derive(Debug, Clone, PartialEq)]
pub struct LegacyConfig {
    /// Its address; none leaves it closed.
    pub address: Option<SocketAddr>,
    /// Takes an address beyond this machine.
    pub allow_remote: bool,
    /// What callers of the port may do where others have to log in.
    pub role: Role,
    /// Whether callers of the port may download payloads where others have to log in.
    pub may_download: bool,
}

/// Whether people log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessMode {
    /// Everybody who reaches the server may do everything.
    Open,
    /// Callers from the network log in.
    Users,
}

/// Who may do what.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessConfig {
    /// Whether people log in.
    pub mode: AccessMode,
    /// File of users; none takes those of the database.
    pub users_file: Option<PathBuf>,
    /// Failed log-ins of one user or one address within the window.
    pub attempts: u32,
    /// How long failed log-ins count.
    pub window: Duration,
}

/// What runs when.
#[derive(Debug, Clone, PartialEq)]
pub struct SchedulerConfig {
    /// Time limit of jobs whose definition names none.
    pub default_timeout: Duration,
    /// Caps every job's time limit.
    pub maximum_timeout: Duration,
    /// From asking an operator to end to killing it.
    pub grace: Duration,
    /// Cores of operators that ask for none.
    pub default_cpus: u32,
    /// Memory of operators that ask for none, in MB.
    pub default_memory_mb: u64,
    /// Cores that operators share; none takes the machine's.
    pub cpus: Option<u32>,
    /// Memory that operators share, in MB; none takes the machine's.
    pub memory_mb: Option<u64>,
    /// GPUs that operators get, by UUID; none takes all.
    pub gpus: Option<Vec<String>>,
    /// Operators at work at the same time; none takes what cores and memory allow.
    pub slots: Option<u32>,
    /// How often a lost operator is launched again.
    pub lost_retries: u32,
    /// How many launches may go before an operator that waits.
    pub patience: Patience,
    /// What happens at start to jobs that had begun.
    pub on_restart: OnRestart,
}

/// What happens to a job's payload when the job is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtJobEnd {
    /// It stays until its age or somebody removes it.
    Keep,
    /// It goes.
    Remove,
}

/// How full the disk may get and how long payloads are kept.
#[derive(Debug, Clone, PartialEq)]
pub struct StorageConfig {
    /// New jobs are refused when more of the device is used.
    pub threshold_percent: u8,
    /// What happens to a job's payload when the job is over.
    pub at_job_end: AtJobEnd,
    /// How long payloads of healthy jobs stay; none keeps them.
    pub keep_healthy: Option<Duration>,
    /// How long payloads of all other jobs stay; none keeps them.
    pub keep_others: Option<Duration>,
}

/// What runs operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Processes of this machine.
    Process,
    /// Podman or Docker.
    Container,
}

/// How operators run.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutorConfig {
    /// What runs them.
    pub engine: Engine,
    /// Refuses to run operators where no sandbox can be made.
    pub require_sandbox: bool,
    /// Lets definitions ask for the network.
    pub allow_network: bool,
    /// Processes and threads of one operator.
    pub max_processes: u32,
    /// What one operator may write; none leaves it to the disk.
    pub max_disk_mib: Option<u64>,
    /// What the buffers of one job may take in shared memory.
    pub shared_memory_mib: u64,
    /// What the buffers of all jobs may take in shared memory.
    pub shared_memory_total_mib: u64,
    /// The program of the container engine; none takes Podman, else Docker.
    pub container_program: Option<PathBuf>,
    /// What follows the program on every call.
    pub container_arguments: Vec<String>,
    /// When images are pulled.
    pub pull: Pull,
    /// The engine's network of operators that may use one; none takes the engine's default.
    pub container_network: Option<String>,
    /// Runs containers as the user that their image names.
    pub allow_image_user: bool,
}

/// Which programs operators are.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OperatorsConfig {
    /// Folder of operator bundles; none takes `bundles` in the data folder.
    pub bundles: Option<PathBuf>,
    /// Bundles by the image names that definitions use.
    pub aliases: BTreeMap<String, String>,
}

/// Lists of models.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelsConfig {
    /// Instances at the same time.
    pub max_instances: u32,
    /// Models of one instance.
    pub model_limit: u32,
}

/// How much of what operators print is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct LogsConfig {
    /// Of one operator.
    pub operator_mib: u64,
    /// Of all operators of a job.
    pub job_mib: u64,
}

/// Where records are kept.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DatabaseConfig {
    /// `sqlite:PATH` or `postgres://…`; none takes `records.sqlite` in the data folder.
    pub url: Option<DatabaseUrl>,
}

/// A database's address. Its password, if it has one, is never shown.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A file.
    Sqlite(PathBuf),
    /// A server.
    Postgres(Address),
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(address) => write!(f, "postgres://{address}"),
        }
    }
}

/// What the server tells about itself.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ObserveConfig {
    /// Address of `/metrics`, `/healthz` and `/readyz`; none leaves it closed.
    pub address: Option<SocketAddr>,
    /// Takes an address beyond this machine.
    pub allow_remote: bool,
}

/// Something that is wrong with a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The line, from 1; none where the setting stands in no file.
    pub line: Option<usize>,
    /// The setting; empty where the file itself is not TOML.
    pub key: String,
    /// What is wrong.
    pub text: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "`{}` ", self.key)?;
        }
        f.write_str(&self.text)
    }
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum ConfigError {
    #[error("cannot read settings from `{}`", .path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("settings are longer than {limit} bytes: `{}`", .path.display())]
    TooLong { limit: u64, path: PathBuf },
    /// In the order of lines; never empty.
    #[error("{}", lines(.mistakes))]
    Invalid { mistakes: Vec<Mistake> },
}

fn lines(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(Mistake::to_string).collect::<Vec<_>>().join("\n")
}

/// Longer files are no settings.
const FILE_LIMIT_BYTES: u64 = 1 << 20;

impl Config {
    /// For the embedded server: only a folder, reached from its own process.
    pub fn embedded(data: impl Into<PathBuf>) -> Self {
        Self { data: data.into(), ..Self::default() }
    }

    /// Reads and checks a file.
    ///
    /// The data folder may still be missing, because the command line can name it; [`Config::check`] before use.
    ///
    /// # Errors
    /// [`ConfigError`], with all mistakes at once.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        use std::io::Read;
        let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(unreadable)?;
        file.take(FILE_LIMIT_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
        if text.len() as u64 > FILE_LIMIT_BYTES {
            return Err(ConfigError::TooLong { limit: FILE_LIMIT_BYTES, path: path.to_owned() });
        }
        Self::parse(&text)
    }

    /// Reads and checks the text of a file. Settings that it does not name keep their defaults.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with all mistakes at once.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let mut reader = reader::Reader::new(text);
        let mut config = Self::default();
        apply::apply(&mut reader, &mut config);
        for Mistake { key, text, .. } in rules::broken(&config) {
            reader.mistake(&key, text);
        }
        let mistakes = reader.into_mistakes();
        if mistakes.is_empty() { Ok(config) } else { Err(ConfigError::Invalid { mistakes }) }
    }

    /// Checks what the command line may have changed, and that there is a data folder.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with all mistakes at once.
    pub fn check(&self) -> Result<(), ConfigError> {
        let mut mistakes = rules::broken(self);
        if self.data.as_os_str().is_empty() {
            mistakes.push(Mistake {
                line: None,
                key: "data".into(),
                text: "is missing: name a folder to keep everything in".into(),
            });
        }
        if mistakes.is_empty() { Ok(()) } else { Err(ConfigError::Invalid { mistakes }) }
    }

    /// Where operator bundles lie.
    pub fn bundles_folder(&self) -> PathBuf {
        self.operators.bundles.clone().unwrap_or_else(|| self.data.join("bundles"))
    }

    /// Where records are kept.
    pub fn database_url(&self) -> DatabaseUrl {
        let default = || DatabaseUrl::Sqlite(self.data.join("records.sqlite"));
        self.database.url.clone().unwrap_or_else(default)
    }
}

impl Default for Config {
    fn default() -> Self {
        let scheduler = crate::scheduler::Config::default();
        Self {
            data: PathBuf::new(),
            listen: ListenConfig {
                addresses: Vec::new(),
                unix: None,
                allow_open: false,
                max_connections: 4096,
                max_streams: 256,
                max_message_mib: 16,
                keepalive: Duration::from_secs(30),
                handshake: Duration::from_secs(10),
                stall: Duration::from_secs(120),
                drain: Duration::from_secs(20),
            },
            tls: TlsConfig { mode: TlsMode::SelfSigned, certificate: None, key: None, names: Vec::new() },
            legacy: LegacyConfig {
                address: None,
                allow_remote: false,
                role: Role::Operator,
                may_download: false,
            },
            access: AccessConfig {
                mode: AccessMode::Open,
                users_file: None,
                attempts: 5,
                window: Duration::from_secs(300),
            },
            scheduler: SchedulerConfig {
                default_timeout: Duration::from_millis(scheduler.default_limit_ms),
                maximum_timeout: Duration::from_millis(scheduler.maximum_limit_ms),
                grace: Duration::from_millis(scheduler.grace_ms),
                default_cpus: 1,
                default_memory_mb: 1024,
                cpus: None,
                memory_mb: None,
                gpus: None,
                slots: None,
                lost_retries: scheduler.lost_retries,
                patience: scheduler.patience,
                on_restart: scheduler.on_restart,
            },
            storage: StorageConfig {
                threshold_percent: 80,
                at_job_end: AtJobEnd::Keep,
                keep_healthy: None,
                keep_others: None,
            },
            executor: ExecutorConfig {
                engine: Engine::Process,
                require_sandbox: true,
                allow_network: false,
                max_processes: 512,
                max_disk_mib: None,
                shared_memory_mib: 2048,
                shared_memory_total_mib: 4096,
                container_program: None,
                container_arguments: Vec::new(),
                pull: Pull::default(),
                container_network: None,
                allow_image_user: false,
            },
            operators: OperatorsConfig::default(),
            models: ModelsConfig { max_instances: 1, model_limit: 8 },
            logs: LogsConfig { operator_mib: 64, job_mib: 512 },
            database: DatabaseConfig::default(),
            observe: ObserveConfig::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One setting as a file that sets nothing else.
    fn file(setting: &Setting) -> String {
        match setting.key.split_once('.') {
            Some((section, name)) => format!("[{section}]\n{name} = {}\n", setting.example),
            None => format!("{} = {}\n", setting.key, setting.example),
        }
    }

    #[test]
    fn every_documented_setting_changes_something_of_its_own() {
        let mut seen: Vec<(&str, Config)> = Vec::new();
        for setting in SETTINGS {
            let mut config = Config::default();
            let text = file(setting);
            let mut reader = reader::Reader::new(&text);
            apply::apply(&mut reader, &mut config);
            assert_eq!(reader.into_mistakes(), [], "{}", setting.key);
            assert_ne!(config, Config::default(), "`{}` has no effect", setting.key);
            for (other, before) in &seen {
                assert_ne!(config, *before, "`{}` and `{other}` do the same", setting.key);
            }
            seen.push((setting.key, config));
        }
    }

    #[test]
    fn every_setting_refuses_a_value_of_the_wrong_kind() {
        for setting in SETTINGS {
            let text = file(&Setting { example: "1979-05-27", ..*setting });
            let Err(ConfigError::Invalid { mistakes }) = Config::parse(&text) else {
                panic!("`{}` took a date", setting.key)
            };
            assert_eq!(mistakes.len(), 1, "{mistakes:?}");
            assert_eq!(mistakes[0].key, setting.key);
            assert_eq!(mistakes[0].line, Some(text.lines().count()), "{}", mistakes[0]);
        }
    }

    #[test]
    fn documented_defaults_are_those_of_the_code() {
        for setting in SETTINGS {
            let written = setting.default.trim_matches('`');
            let is_value = written.parse::<u64>().is_ok() || matches!(written, "true" | "false");
            let is_word = setting.example.starts_with('"') && setting.kind.contains(&format!("`{written}`"));
            if !is_value && !is_word {
                continue;
            }
            let value = if is_word { format!("\"{written}\"") } else { written.to_owned() };
            let text = file(&Setting { example: Box::leak(value.into_boxed_str()), ..*setting });
            assert_eq!(Config::parse(&text).unwrap(), Config::default(), "`{}`", setting.key);
        }
    }
}
