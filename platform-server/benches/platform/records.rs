//! Lists and states of many jobs, as clients get them.

use std::path::Path;
use std::time::{Duration, Instant};

use platform_api::id::{JobId, PayloadId, PipelineId};
use platform_api::job::{JobPriority, JobState, JobStatus, OperatorStatus};
use platform_api::proto::clara as wire;
use platform_api::proto::clara::jobs_client::JobsClient;
use platform_server::repository::{
    Change, DefinitionFile, Metadata, NewJob, OperatorRow, Repository, SqliteOptions, SqliteRepository,
};
use tokio::runtime::Runtime;

use super::clock::{median, ms, percentile};
use super::report::Report;
use super::server::BenchServer;

const JOBS: u128 = 100_000;
const POLLERS: usize = 50;
/// How often each of them asks.
const PAUSE: Duration = Duration::from_millis(50);
const QUESTIONS: usize = 200;

pub(crate) fn measure(runtime: &Runtime, folder: &Path, report: &mut Report) {
    report.section("Records: 100 000 jobs, through the wire");
    let data = folder.join("records");
    std::fs::create_dir(&data).unwrap();
    fill(&data);
    runtime.block_on(async {
        let server = BenchServer::start(&data).await;
        lists(&server, report).await;
        states(&server, report).await;
    });
    std::fs::remove_dir_all(&data).unwrap();
}

/// Spread over the whole range, as random identifiers are.
fn id(n: u128) -> JobId {
    JobId::from_bits(n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}

fn fill(data: &Path) {
    let repository = SqliteRepository::open(&data.join("records.sqlite"), SqliteOptions::default()).unwrap();
    let pipeline = PipelineId::from_bits(1);
    let content =
        "api-version: 0.4.0\nname: p\noperators:\n- name: o\n  container:\n    image: i\n".to_owned();
    let files = vec![DefinitionFile { path: "p.yaml".into(), content }];
    let create = Change::CreatePipeline {
        id: pipeline,
        name: "p".into(),
        created_ms: 0,
        files,
        metadata: Metadata::new(),
    };
    repository.commit(vec![create]).wait().unwrap();
    let definition = repository.pipeline(pipeline).unwrap().unwrap().definition;
    let operator = |index| OperatorRow {
        index,
        name: format!("operator-{index}"),
        status: OperatorStatus::Completed,
        reason: None,
        exit_code: Some(0),
        created_ms: 1,
        started_ms: Some(2),
        stopped_ms: Some(3),
        run_token: None,
        attempt: 1,
        gpus: Vec::new(),
    };
    for block in 0..JOBS / 1000 {
        let changes = (block * 1000 + 1..=block * 1000 + 1000).flat_map(|n| {
            let job = Change::CreateJob(NewJob {
                id: id(n),
                payload: PayloadId::from_bits(n),
                pipeline: PipelineId::from_bits(n % 50),
                definition,
                name: format!("job {n}"),
                priority: JobPriority::Normal,
                created_ms: n as i64,
                time_limit_ms: None,
                operators: (0..3).map(operator).collect(),
                metadata: Metadata::from([("Source".to_owned(), "bench".to_owned())]),
            });
            let stop = Change::UpdateJob {
                job: id(n),
                state: JobState::Stopped,
                status: if n % 97 == 0 { JobStatus::Faulted } else { JobStatus::Healthy },
                started_ms: Some(n as i64),
                stopped_ms: Some(n as i64 + 1000),
                ran_ms: 0,
                clock_since_ms: None,
            };
            [job, stop]
        });
        repository.commit(changes.collect()).wait().unwrap();
    }
}

async fn lists(server: &BenchServer, report: &mut Report) {
    let mut jobs = JobsClient::new(server.connect().await);
    let filter = wire::jobs_list_request::JobFilter::default;
    let filters = [
        ("no filter", filter()),
        ("faulted", wire::jobs_list_request::JobFilter { has_status: vec![2], ..filter() }),
        ("running: none is", wire::jobs_list_request::JobFilter { has_state: vec![2], ..filter() }),
        (
            "one of fifty pipelines",
            wire::jobs_list_request::JobFilter {
                pipeline_id: vec![wire::Identifier { value: PipelineId::from_bits(7).to_string() }],
                ..filter()
            },
        ),
    ];
    for (name, filter) in filters {
        let mut times = Vec::new();
        for _ in 0..30 {
            let request = wire::JobsListRequest { header: None, filter: Some(filter.clone()) };
            let begun = Instant::now();
            let mut messages = jobs.list(request).await.unwrap().into_inner();
            messages.message().await.unwrap();
            times.push(ms(begun.elapsed()));
        }
        let middle = format!("p50 {:.2}", median(times.clone()));
        let what = format!("first message of a list, {name}, slowest of 30");
        report.at_most(&what, percentile(times, 1.0), 20.0, "ms", &middle);
    }
}

/// The states of jobs, asked for by fifty clients on connections of their own; beside it a call that reads nothing.
async fn states(server: &BenchServer, report: &mut Report) {
    let mut tasks = Vec::new();
    for poller in 0..POLLERS {
        let channel = server.connect().await;
        tasks.push(tokio::spawn(async move {
            let mut jobs = JobsClient::new(channel.clone());
            let mut clara = wire::clara_client::ClaraClient::new(channel);
            // Not all at the same moment.
            tokio::time::sleep(PAUSE * poller as u32 / POLLERS as u32).await;
            let (mut times, mut floor) = (Vec::new(), Vec::new());
            for n in 0..QUESTIONS {
                let job = id((n * POLLERS + poller) as u128 * 7 % JOBS + 1);
                let value = job.to_string();
                let request =
                    wire::JobsStatusRequest { header: None, job_id: Some(wire::Identifier { value }) };
                let begun = Instant::now();
                let answer = jobs.status(request).await.unwrap().into_inner();
                times.push(ms(begun.elapsed()));
                assert_eq!(answer.state, 3, "the job was found");
                tokio::time::sleep(PAUSE / 2).await;
                let begun = Instant::now();
                clara.version(wire::ClaraVersionRequest::default()).await.unwrap();
                floor.push(ms(begun.elapsed()));
                tokio::time::sleep(PAUSE / 2).await;
            }
            (times, floor)
        }));
    }
    let (mut times, mut floor) = (Vec::new(), Vec::new());
    for task in tasks {
        let (of_task, floor_of_task) = task.await.unwrap();
        times.extend(of_task);
        floor.extend(floor_of_task);
    }
    let beside = format!(
        "p50 {:.2}; a call that reads nothing: p50 {:.2}, p99 {:.2}",
        median(times.clone()),
        median(floor.clone()),
        percentile(floor, 0.99)
    );
    report.at_most("Status under 50 pollers, p99", percentile(times, 0.99), 1.0, "ms", &beside);
}
