//! The platform's verbs through the real binary, against a server in this process.

#[path = "../../../platform-client/tests/fake/mod.rs"]
mod fake;

mod jobs;
mod load;
mod objects;
mod transfers;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use self::fake::Fake;
use super::stderr;

/// A server, and the one place that says how tests reach it.
struct Server {
    fake: Fake,
    address: String,
    /// Where the server runs; ends with it.
    _runtime: tokio::runtime::Runtime,
}

impl Server {
    fn start() -> Self {
        Self::with(true)
    }

    /// Speaks the published API only.
    fn without_extension() -> Self {
        Self::with(false)
    }

    fn with(has_extension: bool) -> Self {
        let fake = Fake::new();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let address = runtime.block_on(async {
            if has_extension { fake.serve().await } else { fake.serve_published_api_only().await }
        });
        Self { fake, address: address.to_string(), _runtime: runtime }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        command(arguments).args(["--server", &self.address]).output().unwrap()
    }

    /// Runs what has to work and gives what it printed.
    fn text(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        // Nothing is drawn where nobody looks.
        assert_eq!(stderr(&output), "", "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same in JSON, held against the contract of the verb.
    fn json(&self, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.push("--json");
        let document: Value = serde_json::from_str(&self.text(&all)).expect("stdout is one JSON document");
        keeps_contract(arguments[0], &document);
        document
    }

    /// Runs what has to fail and gives what it said.
    fn fails(&self, arguments: &[&str], code: i32) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        stderr(&output)
    }

    fn pipeline(&self) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("liver.yaml");
        std::fs::write(&path, "name: liver\n").unwrap();
        let text = self.text(&["create", "pipelines", "-p", path.to_str().unwrap()]);
        text.trim().strip_prefix("PIPELINE_ID:").unwrap().to_owned()
    }
}

/// The program without the settings of whoever runs the tests.
fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lantern"));
    command.args(arguments);
    for name in ["SERVER", "PROFILE", "TOKEN", "USER", "PASSWORD", "FINGERPRINT", "LOG"] {
        command.env_remove(format!("LANTERN_{name}"));
    }
    command.env("LANTERN_CONFIG", "/nonexistent/lantern.toml");
    command
}

fn keeps_contract(verb: &str, document: &Value) {
    let path = test_support::data::workspace_root().join(format!("docs/schema/{verb}.schema.json"));
    let schema = super::read_json(&path);
    if let Err(error) = jsonschema::validate(&schema, document) {
        panic!("{verb} breaks its contract: {error}\n{document:#}");
    }
}

fn path(path: &Path) -> &str {
    super::text(path)
}

#[test]
fn a_configuration_file_chooses_the_server_and_who_calls() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("platform.toml");
    std::fs::write(folder.path().join("token"), "s3cret\n").unwrap();
    let token = folder.path().join("token");
    let text = format!(
        "default-profile = \"lab\"\n[profile.lab]\nserver = \"{}\"\ntoken-file = '{}'\n[profile.far]\nserver = \"https://far.example.org\"\n",
        server.address,
        token.display()
    );
    std::fs::write(&file, text).unwrap();
    let run = |arguments: &[&str]| command(arguments).env("LANTERN_CONFIG", &file).output().unwrap();
    let output = run(&["list", "pipelines"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(server.fake.state().calls[0].1.as_deref(), Some("Bearer s3cret"));
    let output = run(&["config", "--profile", "far", "--json"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    keeps_contract("config", &document);
    assert_eq!(document["server"], "https://far.example.org:30031");
    // A token is for its own server: another address goes without.
    let output = run(&["list", "pipelines", "--server", &server.address]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(server.fake.state().calls[1].1, None);
    let output = run(&["list", "jobs", "--profile", "none"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("no profile `none`"));
    std::fs::write(&file, "[profile.lab]\nserver = \"x\"\ncolour = 1\n").unwrap();
    let output = run(&["list", "jobs"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("colour"), "{}", stderr(&output));
}

#[test]
fn version_tells_of_the_server_when_asked() {
    let server = Server::start();
    let output = command(&["version"]).output().unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap().trim(),
        concat!("lantern ", env!("CARGO_PKG_VERSION"))
    );
    assert!(server.text(&["version"]).contains("platform API 0.8.1"));
    let document = server.json(&["version"]);
    assert_eq!((&document["clara_api"], &document["server"]["version"]), (&"0.8.1".into(), &"9.8.7".into()));
    let old = Server::without_extension();
    assert!(old.json(&["version"])["server"].is_null());
    let output = command(&["version", "--server"]).env("LANTERN_SERVER", &server.address).output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains(&server.address));
}

#[test]
fn a_server_that_is_not_there_is_said_to_be_so() {
    let output = command(&["list", "jobs", "--server", "127.0.0.1:1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.starts_with("error: cannot reach `http://127.0.0.1:1`"), "{text}");
    let output = command(&["list", "jobs", "--server", "ftp://x"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
