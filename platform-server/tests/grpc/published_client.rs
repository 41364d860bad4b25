//! The published Python client, where it is installed: `make clara-client`.

use std::process::Stdio;

use tokio::process::Command;

use crate::server::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_published_client_is_served() {
    let Some(python) = test_support::data::clara_client() else { return };
    let Some(server) = start_with_operators().await else { return };
    let run = Command::new(python)
        .arg(test_support::data::workspace_root().join("tests/scenario/clara_client.py"))
        .arg(server.address.to_string())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let ended = tokio::time::timeout(PATIENCE * 4, run).await.expect("the script ends").unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(ended.status.success(), "{}{}", text(&ended.stdout), text(&ended.stderr));
    assert!(text(&ended.stdout).contains("all calls answered"));
}
