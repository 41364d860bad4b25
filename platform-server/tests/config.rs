//! The settings file: what is taken, what is refused, and what people are told.

use std::path::Path;
use std::time::Duration;

use platform_server::config::{
    AccessMode, AtJobEnd, Config, ConfigError, DatabaseUrl, Engine, TlsMode, reference_page,
};
use platform_server::scheduler::OnRestart;

fn mistakes(text: &str) -> Vec<String> {
    match Config::parse(text) {
        Err(ConfigError::Invalid { mistakes }) => mistakes.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_whole_file_is_read() {
    let config = Config::parse(
        r#"
data = "/srv/lantern"

[listen]
addresses = ["0.0.0.0:8633", "[::1]:0"]
drain-secs = 0

[access]
mode = "users"
users-file = "/etc/lantern/users.toml"

[tls]
mode = "files"
certificate = "/c.pem"
key = "/k.pem"

[scheduler]
maximum-timeout-secs = 0x1000
default-timeout-secs = 1_000
gpus = []
on-restart = "evict"

[storage]
at-job-end = "remove"
keep-healthy-days = 2

[executor]
engine = "container"

[operators.aliases]
"clara/crop:0.8.1" = "lantern/crop"

[database]
url = "postgres://user:secret@db/lantern"
"#,
    )
    .unwrap();
    config.check().unwrap();
    assert_eq!(config.data, Path::new("/srv/lantern"));
    assert_eq!(config.listen.addresses, ["0.0.0.0:8633".parse().unwrap(), "[::1]:0".parse().unwrap()]);
    assert_eq!(config.listen.drain, Duration::ZERO);
    assert_eq!(config.access.mode, AccessMode::Users);
    assert_eq!(config.tls.mode, TlsMode::Files);
    assert_eq!(config.scheduler.maximum_timeout, Duration::from_secs(4096));
    assert_eq!(config.scheduler.default_timeout, Duration::from_secs(1000));
    assert_eq!(config.scheduler.gpus, Some(vec![]));
    assert_eq!(config.scheduler.on_restart, OnRestart::Evict);
    assert_eq!(config.storage.at_job_end, AtJobEnd::Remove);
    assert_eq!(config.storage.keep_healthy, Some(Duration::from_secs(172_800)));
    assert_eq!(config.executor.engine, Engine::Container);
    assert_eq!(config.operators.aliases["clara/crop:0.8.1"], "lantern/crop");
    assert!(!format!("{config:?}").contains("secret"), "passwords are not shown");
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_lines() {
    let text = r#"dta = "/srv"
[listen]
addresses = ["localhost"]
max-conections = 5
drain-secs = -1
[scheduler]
default-timeout-secs = 3000
on-restart = "forget"
[acess]
mode = "users"
"#;
    assert_eq!(
        mistakes(text),
        [
            "line 1: `dta` is no setting; did you mean `data`?",
            "line 3: `listen.addresses` must be an address and a port such as `127.0.0.1:8633`, not `localhost`",
            "line 4: `listen.max-conections` is no setting; did you mean `listen.max-connections`?",
            "line 5: `listen.drain-secs` must be a whole number from 0 to 86400",
            "line 7: `scheduler.default-timeout-secs` must not be more than `scheduler.maximum-timeout-secs`",
            "line 8: `scheduler.on-restart` must be one of `reattach`, `evict`, not `forget`",
            "line 9: `acess` is no setting",
        ]
    );
}

#[test]
fn text_that_is_no_toml_is_refused_with_its_lines() {
    for (text, line) in [("data = \n", 1), ("[listen\n", 1), ("a = 1\na = 2\n", 2), ("\u{0}", 1)] {
        let Err(ConfigError::Invalid { mistakes }) = Config::parse(text) else {
            panic!("{text:?} was taken")
        };
        assert!(mistakes.iter().any(|mistake| mistake.line == Some(line)), "{text:?}: {mistakes:?}");
    }
    let section = mistakes("listen = 5\n");
    assert_eq!(section, ["line 1: `listen` is a section, not a whole number"]);
}

#[test]
fn an_open_server_stays_on_its_machine_unless_somebody_insists() {
    let beyond = "[listen]\naddresses = [\"192.0.2.1:0\"]\n";
    assert_eq!(mistakes(beyond).len(), 1);
    assert_eq!(mistakes(&format!("{beyond}[tls]\nmode = \"off\"\n")).len(), 2);
    assert!(Config::parse(&format!("{beyond}[access]\nmode = \"users\"\n")).is_ok());
    assert!(Config::parse(&format!("{beyond}allow-open = true\n")).is_ok());
    for local in ["127.0.0.1:0", "127.9.9.9:1", "[::1]:0", "[::ffff:127.0.0.1]:0"] {
        let text = format!("[listen]\naddresses = [\"{local}\"]\n[legacy]\naddress = \"{local}\"\n");
        assert!(Config::parse(&text).is_ok(), "{local}");
    }
    let legacy = "[legacy]\naddress = \"0.0.0.0:0\"\n";
    assert_eq!(mistakes(legacy).len(), 2);
    assert_eq!(mistakes(&format!("{legacy}[access]\nmode = \"users\"\n")).len(), 1);
    let insists = format!("{legacy}allow-remote = true\nrole = \"viewer\"\n");
    let [told] = mistakes(&insists).try_into().unwrap();
    assert!(told.contains("`legacy.role` counts only where"), "{told}");
    for more in ["[access]\nmode = \"users\"\n", "[listen]\nallow-open = true\n"] {
        assert!(Config::parse(&format!("{insists}{more}")).is_ok(), "{more}");
    }
    assert_eq!(mistakes("[observe]\naddress = \"[::]:0\"\n").len(), 1);
}

#[test]
fn an_embedded_server_needs_only_a_folder() {
    let config = Config::embedded("/home/anna/lantern");
    config.check().unwrap();
    assert!(config.listen.addresses.is_empty() && config.legacy.address.is_none());
    assert_eq!(config.database_url(), DatabaseUrl::Sqlite("/home/anna/lantern/records.sqlite".into()));
    assert_eq!(Config::parse("").unwrap(), Config::default());
    assert!(Config::default().check().is_err(), "without a folder there is nowhere to keep anything");
}

#[test]
fn a_missing_and_an_endless_file_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.toml");
    assert!(matches!(Config::read(&path), Err(ConfigError::Unreadable { .. })));
    std::fs::write(&path, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert!(matches!(Config::read(&path), Err(ConfigError::TooLong { .. })));
    std::fs::write(&path, "data = \"x\"").unwrap();
    assert_eq!(Config::read(&path).unwrap().data, Path::new("x"));
}

#[test]
fn the_reference_page_is_that_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/server-settings.md");
    if std::env::var_os("UPDATE_DOCS").is_some_and(|value| value == "1") {
        std::fs::write(path, reference_page()).unwrap();
    }
    let page = std::fs::read_to_string(path).unwrap_or_default();
    assert!(page == reference_page(), "docs/server-settings.md is old; UPDATE_DOCS=1 makes it anew");
}
