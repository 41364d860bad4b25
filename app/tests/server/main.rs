//! `lantern serve` as people start it: driven by the command line, and killed again and again.
#![allow(clippy::unwrap_used, reason = "tests may panic")]
#![cfg(target_os = "linux")]

mod commands;
mod killed;
mod postgres;
mod reference;
mod traces;
mod users;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// A server in a process of its own; killed when it is dropped.
struct Server {
    process: Child,
    /// Where the plain-text port is.
    address: String,
    /// Where callers log in, if they have to.
    encrypted: String,
    /// Of its certificate.
    fingerprint: String,
}

impl Server {
    /// Starts one on a folder, or `None` with a note where operators cannot be run here; `REQUIRE_SANDBOX=1` makes that
    /// a failure.
    fn start(data: &Path, settings: &Path) -> Option<Self> {
        Self::start_in(data, settings, &[])
    }

    /// The same in an environment.
    fn start_in(data: &Path, settings: &Path, environment: &[(&str, &str)]) -> Option<Self> {
        let mut process = Command::new(env!("CARGO_BIN_EXE_lantern"))
            .envs(environment.iter().copied())
            .args(["serve", "--listen", "127.0.0.1:0", "--legacy-clara", "127.0.0.1:0", "--config"])
            .arg(settings)
            .arg("--data")
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        if line.is_empty() {
            let output = process.wait_with_output().unwrap();
            let told = String::from_utf8_lossy(&output.stderr);
            assert!(told.contains("sandbox"), "{told}");
            assert!(std::env::var_os("REQUIRE_SANDBOX").is_none_or(|value| value != "1"), "{told}");
            eprintln!("not tested here: {told}");
            return None;
        }
        // Nobody reads on: a full pipe must not hold the server up.
        let mut errors = process.stderr.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut errors, &mut std::io::sink()));
        let addresses: serde_json::Value = serde_json::from_str(&line).unwrap();
        let fingerprint =
            addresses["fingerprint"].as_str().expect("encrypted unless told otherwise").to_owned();
        let encrypted = format!("https://{}", addresses["listen"][0].as_str().unwrap());
        let address = format!("http://{}", addresses["legacy_clara"].as_str().unwrap());
        Some(Self { process, address, encrypted, fingerprint })
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Settings for tests: however full the disk of the machine is.
fn settings(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("settings.toml");
    std::fs::write(&path, "[storage]\nthreshold-percent = 100\n").unwrap();
    path
}

/// Runs a verb of the command line against a server.
fn lantern(server: &Server, arguments: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_lantern"))
        .args(arguments)
        .args(["--server", &server.address])
        .env("XDG_CONFIG_HOME", home.path())
        .env("HOME", home.path())
        .output()
        .unwrap()
}

/// What a verb printed; it has to have worked.
fn text(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
