//! Every key of the settings file, for people. The code that reads them is in `apply`.

/// One key of the settings file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Its name, with its section before the dot.
    pub key: &'static str,
    /// What may stand there.
    pub kind: &'static str,
    /// What holds when it does not stand there.
    pub default: &'static str,
    /// A value other than the default, as it is written.
    pub example: &'static str,
    /// What it does.
    pub doc: &'static str,
}

macro_rules! settings {
    ($($key:literal, $kind:literal, $default:literal, $example:literal, $doc:literal;)*) => {
        /// All keys, section by section.
        pub const SETTINGS: &[Setting] = &[
            $(Setting { key: $key, kind: $kind, default: $default, example: $example, doc: $doc }),*
        ];
    };
}

settings! {
    "data", "folder", "named on the command line", "\"/var/lib/lantern\"",
        "Everything that the server keeps lies here. `--data` goes before it.";

    "listen.addresses", "list of addresses", "none", "[\"127.0.0.1:8633\"]",
        "Where clients reach the server. Port 0 takes a free one. `--listen` goes before it.";
    "listen.unix", "file", "none", "\"/run/lantern/socket\"",
        "A Unix socket for the user that runs the server and for root; others are turned away. Callers need not log in.";
    "listen.allow-open", "yes or no", "`false`", "true",
        "Takes addresses beyond this machine although nobody has to log in, or although nothing is encrypted.";
    "listen.max-connections", "1 to 1000000", "4096", "2000",
        "Connections at the same time on all ports together; more are closed at once.";
    "listen.max-streams", "1 to 100000", "256", "100",
        "Calls at the same time on one connection; more wait at the client.";
    "listen.max-message-mib", "4 to 1024", "16", "32",
        "The longest message that is taken. Published clients send up to 4 MiB.";
    "listen.keepalive-secs", "1 to 86400", "30", "60",
        "How often a silent peer is asked whether it is still there.";
    "listen.handshake-secs", "1 to 3600", "10", "20",
        "How long a new connection may take to say its first words.";
    "listen.stall-secs", "1 to 86400", "120", "60",
        "A connection is cut when its peer takes no byte of an answer for so long.";
    "listen.drain-secs", "0 to 86400", "20", "5",
        "How long calls may go on while the server stops.";

    "tls.mode", "`self-signed`, `files` or `off`", "`self-signed`", "\"off\"",
        "Where the certificate comes from. A self-signed one is made at first start and kept in the data folder; its SHA-256 fingerprint is shown for clients to pin.";
    "tls.certificate", "file", "none", "\"/etc/lantern/cert.pem\"",
        "PEM file with the certificate and those that vouch for it; for mode `files`.";
    "tls.key", "file", "none", "\"/etc/lantern/key.pem\"",
        "PEM file with the certificate's key; for mode `files`.";
    "tls.names", "list of names and addresses", "none", "[\"lantern.example.org\"]",
        "More names in a self-signed certificate, beside this machine's own. An existing certificate that lacks one is made anew.";

    "legacy.address", "address", "none", "\"127.0.0.1:30031\"",
        "The plain-text port of published Clara clients, which can neither encrypt nor log in. It offers their services only. `--legacy-clara` goes before it.";
    "legacy.allow-remote", "yes or no", "`false`", "true",
        "Takes a legacy address beyond this machine. Everything on that port can be read and changed on its way. With `access.mode` `open`, where its callers may do everything, `listen.allow-open` is needed too.";
    "legacy.role", "`viewer`, `operator` or `admin`", "`operator`", "\"admin\"",
        "What callers of the legacy port may do where others have to log in.";
    "legacy.may-download", "yes or no", "`false`", "true",
        "Whether callers of the legacy port may download payloads where others have to log in.";

    "access.mode", "`open` or `users`", "`open`", "\"users\"",
        "Whether callers from the network log in. `open` lets everybody who reaches the server do everything. A change of a user counts from the next call on, and within a minute for answers that go on.";
    "access.users-file", "file", "the database", "\"/etc/lantern/users.toml\"",
        "Where users are kept, if not in the database. Read once at start.";
    "access.attempts", "1 to 1000", "5", "10",
        "Failed log-ins of one user, or from one address, within the window; more are refused unseen, but for tokens and for passwords that were right a moment ago.";
    "access.window-secs", "1 to 86400", "300", "600",
        "How long failed log-ins count.";

    "scheduler.default-timeout-secs", "1 to 31536000", "600", "1200",
        "Time limit of jobs whose definition names none.";
    "scheduler.maximum-timeout-secs", "1 to 31536000", "1800", "7200",
        "Caps the time limit of every job.";
    "scheduler.grace-secs", "0 to 3600", "15", "30",
        "From asking an operator to end to killing it.";
    "scheduler.default-cpus", "1 to 100000", "1", "2",
        "Cores of operators that ask for none.";
    "scheduler.default-memory-mb", "1 to 1000000000", "1024", "2048",
        "Memory of operators that ask for none, in MB.";
    "scheduler.cpus", "1 to 100000", "all of the machine", "8",
        "Cores that operators share.";
    "scheduler.memory-mb", "1 to 1000000000", "that of the machine", "16384",
        "Memory that operators share, in MB.";
    "scheduler.gpus", "list of UUIDs", "all of the machine", "[\"GPU-5d8b9c6e-3f0a-4b1c-9d2e-7f6a5b4c3d2e\"]",
        "GPUs that operators get. An empty list keeps all of them away.";
    "scheduler.slots", "1 to 100000", "what cores and memory allow", "4",
        "Operators at work at the same time.";
    "scheduler.lost-retries", "0 to 100", "1", "3",
        "How often an operator whose process was lost is launched again.";
    "scheduler.patience-higher", "1 to 1000000", "8", "4",
        "How many launches may go before a waiting operator of higher priority.";
    "scheduler.patience-normal", "1 to 1000000", "16", "10",
        "How many launches may go before a waiting operator of normal priority.";
    "scheduler.patience-lower", "1 to 1000000", "32", "64",
        "How many launches may go before a waiting operator of lower priority.";
    "scheduler.on-restart", "`reattach` or `evict`", "`reattach`", "\"evict\"",
        "What happens at start to jobs that had begun: they go on where that is possible, or all of them are evicted.";

    "storage.threshold-percent", "1 to 100", "80", "90",
        "New jobs are refused when more of the device is used.";
    "storage.at-job-end", "`keep` or `remove`", "`keep`", "\"remove\"",
        "What happens to a job's payload when the job is over.";
    "storage.keep-healthy-days", "1 to 36500", "for ever", "30",
        "How long payloads of jobs that went well stay.";
    "storage.keep-others-days", "1 to 36500", "for ever", "90",
        "How long payloads of all other jobs stay.";

    "executor.engine", "`process` or `container`", "`process`", "\"container\"",
        "What runs operators: sandboxed processes, or Podman or Docker.";
    "executor.require-sandbox", "yes or no", "`true`", "false",
        "Refuses to run operators where no sandbox can be made. Without one each operator can do whatever the server can; the server warns of it at its start, in `lantern version --server`, in `/readyz` and in its figures.";
    "executor.allow-network", "yes or no", "`false`", "true",
        "Lets definitions ask for the network.";
    "executor.max-processes", "1 to 1000000", "512", "64",
        "Processes and threads of one operator, where they can be counted.";
    "executor.max-disk-mib", "1 to 1000000000", "the disk", "10240",
        "What one operator may write.";
    "executor.shared-memory-mib", "0 to 1000000000", "2048", "8192",
        "What the buffers may take that the operators of one job pass to each other in shared memory.";
    "executor.shared-memory-total-mib", "0 to 1000000000", "4096", "16384",
        "What such buffers of all jobs may take together.";
    "executor.container-program", "file", "Podman, else Docker", "\"/usr/bin/docker\"",
        "The program of the container engine.";
    "executor.container-arguments", "list of texts", "none", "[\"--root\", \"/srv/containers\"]",
        "What follows that program on every call: where Podman keeps its images, or which Docker is meant.";
    "executor.pull", "`never`, `missing` or `always`", "`missing`", "\"never\"",
        "When an image is pulled from where its name leads: never, so that images that are not on this machine are refused; if it is not here; or before every run.";
    "executor.container-network", "name of a network", "the engine's default", "\"host\"",
        "Which of the engine's networks operators get that may use one.";
    "executor.allow-image-user", "yes or no", "`false`", "true",
        "Runs containers as the user that their image names, which is often root, and not as one who owns nothing.";

    "operators.bundles", "folder", "`bundles` in the data folder", "\"/opt/lantern/bundles\"",
        "Where operator bundles lie.";
    "operators.aliases", "table of names", "empty", "{ \"clara/crop:0.8.1\" = \"lantern/crop\" }",
        "Bundles, or container images where those are run, by the image names that definitions use.";

    "models.max-instances", "0 to 1000", "1", "2",
        "Lists of models that are served at the same time.";
    "models.model-limit", "1 to 10000", "8", "16",
        "Models of one such list.";

    "logs.operator-mib", "1 to 1000000", "64", "256",
        "How much of what one operator prints is kept.";
    "logs.job-mib", "1 to 1000000", "512", "1024",
        "How much of what all operators of a job print is kept.";

    "database.url", "`sqlite:PATH` or `postgres://…`", "`records.sqlite` in the data folder", "\"postgres://lantern@db/lantern\"",
        "Where records are kept; see [databases](database.md). A password in it is a reason to keep this file to the server's user.";

    "observe.address", "address", "none", "\"127.0.0.1:9633\"",
        "Where `/metrics`, `/healthz` and `/readyz` answer over plain HTTP. They hold no patient data.";
    "observe.allow-remote", "yes or no", "`false`", "true",
        "Takes an address beyond this machine.";
}
