//! PostgreSQL servers of the tests' own: made from nothing, reached by a Unix socket only, gone with the test.
//!
//! A shell beside each server stops it and removes its folder when the test's process ends, however it ends.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The user who made the server and owns all databases; logs in without a password.
pub const OWNER: &str = "lantern";

/// Every other user logs in with a password.
const LOG_INS: &str = "local all lantern trust\nlocal all all scram-sha-256\n\
    host all all 127.0.0.1/32 scram-sha-256\n";

/// PostgreSQL refuses to run as root. Nobody owns nothing else.
const NOBODY: u32 = 65_534;

const KEEPER: &str = r#"
start() {
    tries=0
    # After a crash the old server's processes may take a moment to go.
    until $AS "$BIN/pg_ctl" -s -w -D "$DIR/data" -l "$DIR/log" -o "$OPTIONS" start >"$DIR/start" 2>&1; do
        tries=$((tries + 1))
        if [ $tries -ge 100 ]; then tail -n 5 "$DIR/start" "$DIR/log" >&2; echo failed; return; fi
        sleep 0.1
    done
    echo done
}
start
while read -r what; do
    case $what in
    start) start ;;
    crash)
        pid=$(head -n 1 "$DIR/data/postmaster.pid")
        kill -9 "$pid"
        while kill -0 "$pid" 2>/dev/null; do sleep 0.01; done
        echo done ;;
    standby)
        $AS touch "$DIR/data/standby.signal"
        start ;;
    promote)
        if $AS "$BIN/pg_ctl" -s -w -D "$DIR/data" promote >&2; then echo done; else echo failed; fi ;;
    esac
done
$AS "$BIN/pg_ctl" -s -D "$DIR/data" -m immediate stop
rm -rf "$DIR"
"#;

/// A server with databases of its own.
pub struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    port: u16,
    keeper: Mutex<Keeper>,
    databases: AtomicU32,
}

struct Keeper {
    process: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// An empty database, removed with its server.
#[derive(Debug, Clone)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// How its owner connects.
    pub url: String,
}

impl Cluster {
    /// The one server of this test binary, which writes without pressing to the disk; `None` with a note where there is
    /// no PostgreSQL.
    ///
    /// # Panics
    /// If there is none and `REQUIRE_POSTGRES=1`, or it does not start.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&["-F"])).as_ref()
    }

    /// A server for one test, with options of the program `postgres`. See [`Cluster::shared`].
    ///
    /// # Panics
    /// If there is no PostgreSQL and `REQUIRE_POSTGRES=1`, or it does not start.
    pub fn start(options: &[&str]) -> Option<Self> {
        Self::start_at(None, options, |_| ())
    }

    /// A server that also listens at 127.0.0.1 and encrypts there, with a certificate and its key as PEM. See
    /// [`Cluster::shared`].
    ///
    /// # Panics
    /// If there is no PostgreSQL and `REQUIRE_POSTGRES=1`, or it does not start.
    pub fn start_with_tls(certificate: &str, key: &str) -> Option<Self> {
        // Somebody else may take the port in between; then the server does not start.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let port = listener.local_addr().expect("it is bound").port();
        drop(listener);
        Self::start_at(Some(port), &["-F", "-l"], |data| {
            for (name, text) in [("server.crt", certificate), ("server.key", key)] {
                let path = data.join(name);
                std::fs::write(&path, text).expect("the folder is writable");
                give_away(&path);
            }
        })
    }

    fn start_at(port: Option<u16>, options: &[&str], prepare: impl FnOnce(&Path)) -> Option<Self> {
        let Some(programs) = programs() else {
            let message = "PostgreSQL is missing (initdb, pg_ctl and psql in PATH or /usr/lib/postgresql)";
            assert!(std::env::var_os("REQUIRE_POSTGRES").is_none_or(|value| value != "1"), "{message}");
            eprintln!("{message}; not tested with it");
            return None;
        };
        let folder =
            tempfile::Builder::new().prefix("lantern-pg-").tempdir_in("/tmp").expect("/tmp is writable");
        // The shell removes it.
        let folder = folder.keep();
        let is_root = give_away(&folder);
        let nobody = format!("setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups");
        let somebody = if is_root { nobody } else { String::new() };
        initialise(&somebody, &programs, &folder);
        prepare(&folder.join("data"));
        let host = if port.is_some() { "127.0.0.1" } else { "''" };
        let port = port.unwrap_or(5432);
        let options = options.join(" ");
        let options = format!("-h {host} -p {port} -k {} -N 200 {options}", folder.display());
        let keeper = Keeper::start(&somebody, &programs, &folder, &options);
        let databases = AtomicU32::new(0);
        Some(Self { folder, programs, port, keeper: Mutex::new(keeper), databases })
    }

    /// Makes a database.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn database(&self) -> Database {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0"));
        let url = self.url(OWNER, &name);
        Database { name, url }
    }

    /// How a user connects to a database.
    pub fn url(&self, user: &str, database: &str) -> String {
        let folder = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://{user}@{folder}:{}/{database}", self.port)
    }

    /// Where the server listens, if it does.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The socket of the server.
    pub fn socket(&self) -> PathBuf {
        self.folder.join(format!(".s.PGSQL.{}", self.port))
    }

    /// What statements answer, a line a row.
    ///
    /// # Panics
    /// If they fail.
    pub fn sql(&self, database: &str, statements: &str) -> String {
        let output = self.psql(database).args(["-c", statements]).output().expect("psql starts");
        text(output)
    }

    /// The command-line client, as the owner.
    pub fn psql(&self, database: &str) -> Command {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", OWNER, "-d", database, "-h"]);
        psql.arg(&self.folder).args(["-p", &self.port.to_string()]);
        psql
    }

    /// Kills the server without warning.
    pub fn crash(&self) {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner).ask("crash");
    }

    /// Starts the server again after a crash.
    pub fn restart(&self) {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner).ask("start");
    }

    /// Starts the server again after a crash, as a standby of nobody: it can be read, and not written.
    pub fn restart_as_standby(&self) {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner).ask("standby");
    }

    /// Lets a standby be written from now on.
    pub fn promote(&self) {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner).ask("promote");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let keeper = self.keeper.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(keeper.commands.take());
        // A folder that stays is no reason to fail.
        let _ = keeper.process.wait();
    }
}

impl Keeper {
    fn start(somebody: &str, programs: &Path, folder: &Path, options: &str) -> Self {
        let mut process = Command::new("sh")
            .args(["-c", KEEPER])
            .env("AS", somebody)
            .env("BIN", programs)
            .env("DIR", folder)
            .env("OPTIONS", options)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell starts");
        let commands = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().expect("it is piped"));
        let mut keeper = Self { process, commands, answers };
        keeper.expect_done("start");
        keeper
    }

    fn ask(&mut self, what: &str) {
        let commands = self.commands.as_mut().expect("nobody dropped it");
        writeln!(commands, "{what}").expect("the shell listens");
        self.expect_done(what);
    }

    fn expect_done(&mut self, what: &str) {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the shell answers");
        assert_eq!(line, "done\n", "PostgreSQL did not {what}");
    }
}

/// Keeps a path to the user whom the server runs as; true where that is another one than ours.
fn give_away(path: &Path) -> bool {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    let metadata = std::fs::metadata(path).expect("it was just made");
    let mode = if metadata.is_dir() { 0o700 } else { 0o600 };
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("it is ours");
    let is_root = metadata.uid() == 0;
    if is_root {
        chown(path, Some(NOBODY), Some(NOBODY)).expect("root may give files away");
    }
    is_root
}

/// The folder of the newest PostgreSQL that has all we need.
fn programs() -> Option<PathBuf> {
    let in_path = std::env::var_os("PATH").into_iter().flat_map(|path| {
        std::env::split_paths(&path)
            .filter_map(|folder| folder.join("initdb").canonicalize().ok())
            .collect::<Vec<_>>()
    });
    let in_path = in_path.filter_map(|program| program.parent().map(Path::to_owned));
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut installed: Vec<_> = installed.map(|version| version.path().join("bin")).collect();
    installed.sort();
    let is_whole =
        |folder: &PathBuf| ["initdb", "pg_ctl", "psql"].iter().all(|name| folder.join(name).is_file());
    in_path.chain(installed.into_iter().rev()).find(is_whole)
}

/// Makes the server's files. Texts are sorted as people do, where that can be had: who needs another order has to ask.
fn initialise(somebody: &str, programs: &Path, folder: &Path) {
    let run = |more: &[&str]| {
        let mut words: Vec<_> = somebody.split(' ').filter(|word| !word.is_empty()).map(Into::into).collect();
        words.push(programs.join("initdb").into_os_string());
        let (program, arguments) = words.split_first().expect("there is one");
        let made = Command::new(program)
            .args(arguments)
            .arg("-D")
            .arg(folder.join("data"))
            .args([
                "-U",
                OWNER,
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
                "--no-instructions",
            ])
            .args(more)
            .current_dir("/")
            .output();
        made.expect("initdb starts")
    };
    let output = run(&["--locale-provider=icu", "--icu-locale=en-US"]);
    if !output.status.success() {
        text(run(&[]));
    }
    let log_ins = folder.join("data/pg_hba.conf");
    std::fs::write(log_ins, LOG_INS).expect("the folder is writable");
}

fn text(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}
