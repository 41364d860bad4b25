//! The published Python client, where it is installed: `make clara-client`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::server::*;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_published_client_is_served() {
    let python = std::env::var_os("CLARA_CLIENT_PYTHON")
        .map_or_else(|| root().join("target/clara-client/bin/python"), PathBuf::from);
    if !python.exists() {
        let required = std::env::var_os("REQUIRE_CLARA_CLIENT").is_some_and(|value| value == "1");
        assert!(
            !required,
            "nvidia-clara-client is not installed at `{}`: make clara-client",
            python.display()
        );
        eprintln!("skipped: nvidia-clara-client is not installed: make clara-client");
        return;
    }
    let Some(server) = start_with_operators().await else { return };
    let run = Command::new(python)
        .arg(root().join("tests/scenario/clara_client.py"))
        .arg(server.address.to_string())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let ended = tokio::time::timeout(PATIENCE * 4, run).await.expect("the script ends").unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(ended.status.success(), "{}{}", text(&ended.stdout), text(&ended.stderr));
    assert!(text(&ended.stdout).contains("all calls answered"));
}
