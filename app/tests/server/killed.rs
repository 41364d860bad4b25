//! The server is killed at random points of a mixed load. What it acknowledged stays, nothing is invented, no job is
//! better than the truth, and nothing is left running.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use platform_api::id::{JobId, PayloadId, PipelineId};
use platform_api::job::{JobFilter, JobPriority, JobState, JobStatus};
use platform_api::metadata::Metadata;
use platform_client::connection::{Client, ConnectOptions};
use platform_client::jobs::NewJob;
use platform_client::pipelines::DefinitionFile;

use super::{Server, settings};

/// Kills in this test; `LANTERN_KILLS=200` for the whole of it.
const KILLS: usize = 12;
/// Clients at a time.
const CLIENTS: u64 = 4;

fn definition(marker: &str) -> String {
    format!(
        "api-version: 0.4.0\nname: marked\nparameters:\n  WHO: nobody\noperators:\n- name: only\n  container:\n    \
         image: lantern/shell\n    command: [\"/bin/sh\", \"-c\", \"sleep 0.05; echo ${{{{WHO}}}} > /out/done; : \
         {marker}\"]\n  output:\n  - path: /out\n"
    )
}

/// What the server said that it did.
#[derive(Default)]
struct Ledger {
    /// Names that were sent, acknowledged or not.
    tried: BTreeSet<String>,
    created: BTreeMap<JobId, (PayloadId, String)>,
    started: BTreeSet<JobId>,
    canceled: BTreeSet<JobId>,
}

/// Numbers that look random and are the same for a seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn client(server: &Server) -> Client {
    let mut options = ConnectOptions::new(server.address.parse().unwrap());
    options.attempts = 1;
    Client::connect(&options).unwrap()
}

/// Creates, starts and cancels jobs until the server is gone.
async fn load(
    client: Client,
    pipeline: PipelineId,
    ledger: Arc<Mutex<Ledger>>,
    mut chance: Chance,
    round: u64,
) {
    let mut mine: Vec<JobId> = Vec::new();
    for turn in 0u32.. {
        let name = format!("job-{round}-{}-{turn}", chance.0);
        ledger.lock().unwrap().tried.insert(name.clone());
        let new = NewJob {
            pipeline_id: pipeline,
            name: name.parse().unwrap(),
            priority: JobPriority::Normal,
            input_payloads: Vec::new(),
            metadata: Metadata::new(),
        };
        let Ok(made) = client.jobs().create(&new).await else { return };
        ledger.lock().unwrap().created.insert(made.id, (made.payload_id, name.clone()));
        mine.push(made.id);
        if chance.below(4) > 0 {
            let variables = BTreeMap::from([("WHO".to_owned(), name)]);
            if client.jobs().start(made.id, &variables).await.is_err() {
                return;
            }
            ledger.lock().unwrap().started.insert(made.id);
        }
        if chance.below(3) == 0 {
            let at = usize::try_from(chance.below(mine.len() as u64)).unwrap();
            match client.jobs().cancel(mine[at], "chance").await {
                Ok(_) => drop(ledger.lock().unwrap().canceled.insert(mine[at])),
                // It may be over; only a server that is gone ends the load.
                Err(error) if error.code().is_some() => {}
                Err(_) => return,
            }
        }
    }
}

/// Every job that the server has: name, state and status.
async fn listed(client: &Client) -> BTreeMap<JobId, (String, JobState, JobStatus)> {
    let mut list = client.jobs().list(&JobFilter::default()).await.unwrap();
    let mut jobs = BTreeMap::new();
    while let Some(job) = list.next().await.unwrap() {
        jobs.insert(job.id, (job.name, job.state, job.status));
    }
    jobs
}

/// Processes whose command line holds a text.
fn processes_with(marker: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).into_owned())
        .filter(|line| line.contains(marker))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_loses_nothing_and_invents_nothing() {
    let kills = std::env::var("LANTERN_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let folder = tempfile::tempdir().unwrap();
    let (data, settings) = (folder.path().join("data"), settings(folder.path()));
    let marker = format!("marker-{}-{}", std::process::id(), folder.path().file_name().unwrap().display());
    let Some(mut server) = Server::start(&data, &settings) else { return };
    let file = DefinitionFile { path: "p.yaml".into(), content: definition(&marker) };
    let pipeline = client(&server).pipelines().create(&[file], &Metadata::new(), None).await.unwrap();

    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let mut chance = Chance(2026);
    for round in 0..kills as u64 {
        let client = client(&server);
        let loads: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let own = Chance(chance.below(u64::MAX >> 1));
                tokio::spawn(load(client.clone(), pipeline, ledger.clone(), own, round))
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(20 + chance.below(400))).await;
        server.kill();
        for load in loads {
            load.await.unwrap();
        }
        server = Server::start(&data, &settings).unwrap();
        let found = listed(&self::client(&server)).await;
        let ledger = ledger.lock().unwrap();
        for (job, (_, name)) in &ledger.created {
            assert_eq!(found.get(job).map(|found| &found.0), Some(name), "round {round}: a job is lost");
        }
        for (job, (name, ..)) in &found {
            assert!(ledger.tried.contains(name), "round {round}: {job} is invented");
        }
        for job in &ledger.canceled {
            assert_ne!(found[job].2, JobStatus::Healthy, "round {round}: a cancel is lost");
        }
    }

    let client = client(&server);
    let patience = tokio::time::Instant::now() + Duration::from_secs(300);
    let ended = loop {
        let found = listed(&client).await;
        let started = ledger.lock().unwrap().started.clone();
        if started.iter().all(|job| found[job].1 == JobState::Stopped) {
            break found;
        }
        assert!(tokio::time::Instant::now() < patience, "started jobs end");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let created = ledger.lock().unwrap().created.clone();
    let mut completed = 0;
    for (job, (payload, name)) in &created {
        let (_, state, status) = ended[job];
        if (state, status) != (JobState::Stopped, JobStatus::Healthy) {
            continue;
        }
        completed += 1;
        let files = client.payloads().details(*payload).await.unwrap().files;
        let done = files.iter().find(|file| file.path.to_string() == "/operators/only/done");
        let size = done.map(|file| file.size);
        assert_eq!(size, Some(name.len() as u64 + 1), "{job} is said to be done, and is not");
    }
    assert!(completed > 0, "something was done between {kills} kills");
    assert_eq!(processes_with(&marker), Vec::<String>::new(), "something is left running");
}
