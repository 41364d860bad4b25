//! A whole server, from its settings, with its records on a PostgreSQL server.

use std::path::Path;

use platform_api::job::{JobState, JobStatus};
use platform_server::config::Config;
use platform_server::executor::ExecutorError;
use platform_server::server::{self, Running, StartError};
use test_support::postgres::Cluster;

use crate::restart::life;
use crate::server::*;

const COUNT: &str = r#"
api-version: 0.4.0
name: count
operators:
- name: only
  container:
    image: lantern/shell
    command: ["/bin/sh", "-c", "cat /in/* | wc -l > /out/lines; echo counted"]
  input:
  - path: /in
  output:
  - path: /out
"#;

/// A server that was started by its settings file, or `None` with a note of what is missing.
async fn serve(settings: &Path) -> Option<Running> {
    let config = Config::read(settings).expect("the settings are right");
    match server::start(&config, vec![env!("CARGO_BIN_EXE_lantern-shim").into()]).await {
        Ok(running) => Some(running),
        Err(StartError::Executor(error @ ExecutorError::SandboxUnavailable { .. })) => {
            assert!(std::env::var_os("REQUIRE_SANDBOX").is_none_or(|value| value != "1"), "{error}");
            eprintln!("not tested here: {error}");
            None
        }
        Err(error) => panic!("{error:?}"),
    }
}

#[test]
fn jobs_run_and_outlive_their_server_with_records_in_postgresql() {
    let Some(cluster) = Cluster::shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (data, settings) = (folder.path().join("data"), folder.path().join("settings.toml"));
    let url = cluster.database().url;
    let text = format!(
        "data = {data:?}\n[listen]\naddresses = [\"127.0.0.1:0\"]\n[storage]\nthreshold-percent = 100\n\
         [database]\nurl = {url:?}\n"
    );
    std::fs::write(&settings, text).unwrap();
    let first = life(async {
        let running = serve(&settings).await?;
        let platform = running.platform();
        let pipeline = create_pipeline(platform, COUNT).await;
        let waiting = create_job(platform, pipeline, "waits").await;
        let made = create_job(platform, pipeline, "runs").await;
        upload(platform, made.payload, "a", "one\ntwo\n").await;
        start(platform, made.job).await;
        assert_eq!(end(platform, made.job).await.details.status, JobStatus::Healthy);
        assert_eq!(log(platform, made.job, "only").await, ["counted"]);
        Some((made, waiting))
    });
    let Some((made, waiting)) = first else { return };
    assert!(!data.join("records.sqlite").exists());
    life(async {
        let running = serve(&settings).await.unwrap();
        let platform = running.platform();
        let report = platform.job(made.job).await.unwrap();
        assert_eq!((report.details.state, report.details.status), (JobState::Stopped, JobStatus::Healthy));
        let found = files(platform, made.payload).await;
        assert!(found.iter().any(|(path, _)| path.ends_with("/lines")), "{found:?}");
        assert_eq!(platform.job(waiting.job).await.unwrap().details.state, JobState::Pending);
        upload(platform, waiting.payload, "a", "one\n").await;
        start(platform, waiting.job).await;
        assert_eq!(end(platform, waiting.job).await.details.status, JobStatus::Healthy);
    });
}

#[test]
fn a_job_that_ends_while_the_database_takes_nothing_is_as_good_as_any() {
    let Some(cluster) = Cluster::shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (data, settings) = (folder.path().join("data"), folder.path().join("settings.toml"));
    let database = cluster.database();
    let text = format!(
        "data = {data:?}\n[storage]\nthreshold-percent = 100\n[database]\nurl = {:?}\n",
        database.url
    );
    std::fs::write(&settings, text).unwrap();
    let sql = |statements: &str| cluster.sql(&database.name, statements);
    life(async {
        let Some(running) = serve(&settings).await else { return };
        let platform = running.platform();
        let pipeline = create_pipeline(
            platform,
            &COUNT.replace("cat /in", "until [ -e /out/go ]; do sleep 0.02; done; cat /in"),
        )
        .await;
        let made = create_job(platform, pipeline, "ends meanwhile").await;
        upload(platform, made.payload, "a", "one\ntwo\n").await;
        start(platform, made.job).await;
        let mut changes = platform.events().last();
        while platform.job(made.job).await.unwrap().details.state != JobState::Running {
            changes.changed().await.unwrap();
        }
        // As on a server that was made a standby. What a sequence counts is not taken back.
        sql("CREATE SEQUENCE attempts;
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            PERFORM nextval('attempts'); RAISE EXCEPTION 'takes no writes' USING ERRCODE = '25006'; END $$;
            CREATE TRIGGER refuse BEFORE UPDATE ON lantern EXECUTE FUNCTION refuse()");
        let output = data.join("payloads").join(made.payload.to_string()).join("operators/only");
        std::fs::write(output.join("go"), "").unwrap();
        while sql("SELECT last_value FROM attempts").parse::<u32>().unwrap() < 5 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert_eq!(platform.job(made.job).await.unwrap().details.state, JobState::Running);
        sql("DROP TRIGGER refuse ON lantern");
        let report = end(platform, made.job).await;
        assert_eq!(report.details.status, JobStatus::Healthy, "{report:?}");
        let found = files(platform, made.payload).await;
        assert!(found.iter().any(|(path, _)| path.ends_with("/lines")), "{found:?}");
    });
}
