//! Users and tokens from the first admin to the audit log, with the command line alone.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::{Server, text};

/// Runs a verb with something on stdin and nobody's settings.
fn lantern(arguments: &[&str], environment: &[(&str, &str)], input: &str) -> Output {
    let home = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_lantern"))
        .args(arguments)
        .env("XDG_CONFIG_HOME", home.path())
        .env("HOME", home.path())
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A verb that does not read it has closed it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn json(verb: &str, output: Output) -> Value {
    let document: Value = serde_json::from_str(&text(output)).unwrap();
    let path = test_support::data::workspace_root().join(format!("docs/schema/{verb}.schema.json"));
    let schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    if let Err(error) = jsonschema::validate(&schema, &document) {
        panic!("{verb} breaks its contract: {error}\n{document:#}");
    }
    document
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Settings of a server whose callers log in.
fn settings(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("settings.toml");
    std::fs::write(&path, "[storage]\nthreshold-percent = 100\n[access]\nmode = \"users\"\n").unwrap();
    path
}

#[test]
fn the_first_admin_is_made_on_the_folder_and_everybody_else_over_the_network() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data_text = data.to_str().unwrap();
    let local = |arguments: &[&str], input: &str| {
        let all = [arguments, &["--data", data_text, "--json"]].concat();
        lantern(&all, &[], input)
    };
    let refused = local(&["users", "add", "anna", "--role", "admin"], "");
    assert_eq!((refused.status.code(), told(&refused).contains("no password on stdin")), (Some(2), true));
    let anna = json("users", local(&["users", "add", "anna", "--role", "admin"], "correct horse\n"));
    assert_eq!((&anna["user"]["role"], &anna["user"]["has_password"]), (&"admin".into(), &true.into()));

    let Some(server) = Server::start(&data, &settings(folder.path())) else { return };
    let busy = local(&["users", "list"], "");
    assert_eq!(busy.status.code(), Some(1));
    assert!(told(&busy).contains("a server runs on the folder"), "{}", told(&busy));

    let fingerprint = server.fingerprint.as_str();
    let network = |who: &[(&str, &str)], arguments: &[&str], input: &str| {
        let environment = [who, &[("LANTERN_FINGERPRINT", fingerprint)]].concat();
        let all = [arguments, &["--server", &server.encrypted, "--json"]].concat();
        lantern(&all, &environment, input)
    };
    let anna = [("LANTERN_USER", "anna"), ("LANTERN_PASSWORD", "correct horse")];
    let nobody = network(&[], &["users", "list"], "");
    assert_eq!(nobody.status.code(), Some(1));
    assert!(told(&nobody).contains("credentials"), "{}", told(&nobody));

    let bert = json("users", network(&anna, &["users", "add", "bert"], "battery staple"));
    assert_eq!((&bert["user"]["role"], &bert["user"]["may_download"]), (&"viewer".into(), &false.into()));
    let created = json(
        "tokens",
        network(&anna, &["tokens", "create", "bert", "--label", "laptop", "--expires", "1d"], ""),
    );
    let secret = created["secret"].as_str().unwrap();
    let bert = [("LANTERN_TOKEN", secret)];
    text(network(&bert, &["list", "jobs"], ""));
    let refused = network(&bert, &["users", "list"], "");
    assert_eq!(refused.status.code(), Some(1));
    assert!(told(&refused).contains("Error: Code: PERMISSION_DENIED"), "{}", told(&refused));

    for (arguments, field, expected) in [
        (&["users", "role", "bert", "operator"][..], "role", Value::from("operator")),
        (&["users", "download", "bert", "allow"], "may_download", true.into()),
        (&["users", "disable", "bert"], "enabled", false.into()),
        (&["users", "enable", "bert"], "enabled", true.into()),
    ] {
        let changed = json("users", network(&anna, arguments, ""));
        assert_eq!(changed["user"][field], expected, "{arguments:?}");
    }
    json("users", network(&anna, &["users", "password", "bert"], "another secret\n"));
    text(network(&[("LANTERN_USER", "bert"), ("LANTERN_PASSWORD", "another secret")], &["list", "jobs"], ""));
    let old = [("LANTERN_USER", "bert"), ("LANTERN_PASSWORD", "battery staple")];
    assert_eq!(network(&old, &["list", "jobs"], "").status.code(), Some(1));

    let tokens = json("tokens", network(&anna, &["tokens", "list", "--user", "bert"], ""));
    let id = tokens["tokens"][0]["token_id"].as_str().unwrap();
    json("tokens", network(&anna, &["tokens", "revoke", &id[..8]], ""));
    assert_eq!(network(&bert, &["list", "jobs"], "").status.code(), Some(1));

    let nothing = "f".repeat(32);
    let refused = network(&anna, &["delete", "payload", &nothing], "");
    assert!(told(&refused).contains("Error: Code: -12289"), "{}", told(&refused));
    // Published clients can neither log in nor tell a refusal from a broken connection, unless it is in the header.
    let definition = folder.path().join("a.yaml");
    std::fs::write(&definition, "api-version: 0.4.0\nname: a\n").unwrap();
    let refused = super::lantern(&server, &["create", "pipelines", "-p", definition.to_str().unwrap()]);
    assert_eq!(told(&refused), "Error: Code: -20481, this needs the role `admin`\n");

    let last = network(&anna, &["users", "remove", "anna"], "");
    assert!(told(&last).contains("`anna` is the last admin who can log in"), "{}", told(&last));
    json("users", network(&anna, &["users", "remove", "bert"], ""));
    let audit = json("audit", network(&anna, &["audit", "-n", "50"], ""));
    let lines: Vec<(&str, &str, &str, &str)> = audit["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            let field = |name: &str| line[name].as_str().unwrap();
            (field("user"), field("action"), field("object"), field("outcome"))
        })
        .collect();
    for expected in [
        ("", "users add", "anna", "done"),
        ("anna", "/lantern.platform.v1.Access/AddUser", "bert", "done"),
        ("anna", "/lantern.platform.v1.Access/RevokeToken", "bert", "done"),
        ("anna", "/lantern.platform.v1.Access/RemoveUser", "anna", "FailedPrecondition"),
        ("anna", "/lantern.platform.v1.Access/RemoveUser", "bert", "done"),
        ("anna", "/nvidia.clara.platform.Payloads/Delete", &nothing, "refused -12289"),
    ] {
        assert!(lines.contains(&expected), "{expected:?}\n{lines:#?}");
    }
    assert!(lines.iter().any(|(user, action, _, _)| (*user, *action) == ("bert", "log in")), "{lines:#?}");
    for secret in [secret, "correct horse", "battery staple", "another secret"] {
        assert!(!audit.to_string().contains(secret), "a secret is in the audit log");
    }
}

#[cfg(unix)]
#[test]
fn users_of_a_server_on_postgresql_are_made_in_its_database() {
    let Some(cluster) = test_support::postgres::Cluster::shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (data, settings) = (folder.path().join("data"), folder.path().join("settings.toml"));
    std::fs::write(&settings, format!("[database]\nurl = \"{}\"\n", cluster.database().url)).unwrap();
    let place = ["--data", data.to_str().unwrap(), "--settings", settings.to_str().unwrap(), "--json"];
    let local = |arguments: &[&str], input: &str| lantern(&[arguments, &place].concat(), &[], input);
    json("users", local(&["users", "add", "anna", "--role", "admin"], "correct horse\n"));
    let listed = json("users", local(&["users", "list"], ""));
    assert_eq!(listed["users"][0]["name"], "anna", "{listed}");
    assert!(!data.join("records.sqlite").exists(), "users were made where the server does not look");
    let alone = lantern(&["users", "list", "--settings", settings.to_str().unwrap()], &[], "");
    assert_eq!(alone.status.code(), Some(2), "{}", told(&alone));
}

#[test]
fn settings_that_put_users_elsewhere_or_are_wrong_keep_them_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let (data, settings) = (folder.path().join("data"), folder.path().join("settings.toml"));
    let place = ["--data", data.to_str().unwrap(), "--settings", settings.to_str().unwrap(), "--json"];
    let local = |arguments: &[&str]| lantern(&[arguments, &place].concat(), &[], "correct horse\n");
    std::fs::write(&settings, "[database]\nurl = \"mysql://db\"\n").unwrap();
    let wrong = local(&["users", "add", "anna"]);
    assert_eq!((wrong.status.code(), told(&wrong).contains("line 2: `database.url`")), (Some(2), true));
    let users = "[access]\nmode = \"users\"\nusers-file = \"/etc/lantern/users.toml\"\n";
    std::fs::write(&settings, users).unwrap();
    for verb in [&["users", "add", "anna"][..], &["tokens", "create", "anna"]] {
        let elsewhere = local(verb);
        assert_eq!(elsewhere.status.code(), Some(1));
        let told = told(&elsewhere);
        assert!(told.contains("users.toml") && told.contains("edited by hand"), "{told}");
    }
    assert!(!data.exists());
    let audit = json("audit", local(&["audit"]));
    assert_eq!(audit["lines"], Value::Array(Vec::new()));
}

#[test]
fn secrets_do_not_cross_a_network_in_plain_text() {
    let output = lantern(&["users", "add", "anna", "--server", "http://192.0.2.1:1"], &[], "correct horse\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("not in plain text"), "{}", told(&output));
}
