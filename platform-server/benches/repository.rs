//! How fast records are written and read.

#![expect(clippy::unwrap_used, reason = "a bench that cannot measure must stop")]

use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use platform_api::id::{JobId, PayloadId, PipelineId};
use platform_api::job::{JobPriority, JobState, JobStatus, OperatorStatus};
use platform_server::repository::{
    Change, DefinitionFile, DefinitionId, JobFilter, Metadata, NewJob, OperatorRow, Repository,
    SqliteOptions, SqliteRepository,
};

fn place() -> std::path::PathBuf {
    std::env::var_os("BENCH_DIR").map_or_else(std::env::temp_dir, Into::into)
}

fn open(folder: &Path) -> SqliteRepository {
    SqliteRepository::open(&folder.join("records.sqlite"), SqliteOptions::default()).unwrap()
}

fn pipeline(repository: &dyn Repository) -> DefinitionId {
    let id = PipelineId::from_bits(1);
    let files = vec![DefinitionFile { path: "p.yaml".into(), content: "x".repeat(4000) }];
    let create =
        Change::CreatePipeline { id, name: "p".into(), created_ms: 0, files, metadata: Metadata::new() };
    repository.commit(vec![create]).wait().unwrap();
    repository.pipeline(id).unwrap().unwrap().definition
}

fn operator(index: u32) -> OperatorRow {
    OperatorRow {
        index,
        name: format!("operator-{index}"),
        status: OperatorStatus::Completed,
        reason: Some("exit code 0".into()),
        exit_code: Some(0),
        created_ms: 1,
        started_ms: Some(2),
        stopped_ms: Some(3),
        run_token: Some("token".into()),
        attempt: 1,
        gpus: Vec::new(),
    }
}

fn job(n: u128, definition: DefinitionId) -> Change {
    Change::CreateJob(NewJob {
        id: JobId::from_bits(n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)),
        payload: PayloadId::from_bits(n),
        pipeline: PipelineId::from_bits(n % 50),
        definition,
        name: format!("job {n}"),
        priority: JobPriority::Normal,
        created_ms: n as i64,
        time_limit_ms: None,
        operators: (0..3).map(operator).collect(),
        metadata: Metadata::from([("Source".to_owned(), "bench".to_owned())]),
    })
}

fn id(n: u128) -> JobId {
    JobId::from_bits(n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}

fn report(line: &str) {
    eprintln!("{line}");
}

fn percentile(sorted: &[Duration], share: f64) -> Duration {
    sorted[((sorted.len() - 1) as f64 * share) as usize]
}

/// Commits of one event each, by so many callers at once.
fn commits(_: &mut Criterion) {
    let folder = tempfile::tempdir_in(place()).unwrap();
    let floor_file = std::fs::File::create(folder.path().join("floor")).unwrap();
    let mut floor: Vec<_> = (0..200)
        .map(|_| {
            let start = Instant::now();
            (&floor_file).write_all(&[1; 4096]).unwrap();
            floor_file.sync_data().unwrap();
            start.elapsed()
        })
        .collect();
    floor.sort();
    report(&format!("floor, 4 KiB and fdatasync: p50 {:?}", percentile(&floor, 0.5)));
    let repository = Arc::new(open(folder.path()));
    for (callers, each) in [(1, 300), (50, 100), (200, 50)] {
        let start = Instant::now();
        let threads: Vec<_> = (0..callers)
            .map(|_| {
                let repository = Arc::clone(&repository);
                std::thread::spawn(move || {
                    (0..each)
                        .map(|n| {
                            let event = Change::Event {
                                at_ms: n,
                                kind: "k".into(),
                                subject: "s".into(),
                                body: "b".into(),
                            };
                            let start = Instant::now();
                            repository.commit(vec![event]).wait().unwrap();
                            start.elapsed()
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let mut latencies: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        let rate = latencies.len() as f64 / start.elapsed().as_secs_f64();
        latencies.sort();
        report(&format!(
            "{callers} callers: {rate:.0} commits/s, p50 {:?}, p99 {:?}",
            percentile(&latencies, 0.5),
            percentile(&latencies, 0.99)
        ));
    }
}

fn lists(criterion: &mut Criterion) {
    let folder = tempfile::tempdir_in(place()).unwrap();
    let repository = open(folder.path());
    let definition = pipeline(&repository);
    let mut receipts = Vec::new();
    let start = Instant::now();
    for block in 0..100u128 {
        let changes = (block * 1000 + 1..=block * 1000 + 1000).flat_map(|n| {
            let status = if n % 97 == 0 { JobStatus::Faulted } else { JobStatus::Healthy };
            let stop = Change::UpdateJob {
                job: id(n),
                state: JobState::Stopped,
                status,
                started_ms: Some(n as i64),
                stopped_ms: Some(n as i64 + 1000),
                ran_ms: 0,
                clock_since_ms: None,
            };
            // The last ten are not over.
            if n > 99_990 { vec![job(n, definition)] } else { vec![job(n, definition), stop] }
        });
        receipts.push(repository.commit(changes.collect()));
    }
    receipts.into_iter().for_each(|receipt| assert!(receipt.wait().is_ok()));
    report(&format!("100 000 jobs of three operators written in {:?}", start.elapsed()));
    drop(repository);
    let start = Instant::now();
    let repository = open(folder.path());
    report(&format!("opened and checked in {:?}", start.elapsed()));
    let filters = [
        ("all", JobFilter::default()),
        ("pending", JobFilter { states: vec![JobState::Pending], ..JobFilter::default() }),
        ("faulted", JobFilter { statuses: vec![JobStatus::Faulted], ..JobFilter::default() }),
        (
            "one of fifty pipelines",
            JobFilter { pipelines: vec![PipelineId::from_bits(7)], ..JobFilter::default() },
        ),
        ("created last", JobFilter { created_after_ms: Some(99_980), ..JobFilter::default() }),
        ("nothing fits", JobFilter { completed_before_ms: Some(-1), ..JobFilter::default() }),
    ];
    for (name, filter) in filters {
        criterion.bench_function(&format!("first page of 100, {name}"), |bencher| {
            bencher.iter(|| black_box(repository.jobs(&filter, None, 100).unwrap()));
        });
    }
    let start = Instant::now();
    let (mut count, mut after) = (0, None);
    loop {
        let page = repository.jobs(&JobFilter::default(), after, 500).unwrap();
        count += page.jobs.len();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    report(&format!("{count} jobs listed in {:?}", start.elapsed()));
    let mut n = 0;
    criterion.bench_function("details of a job by its identifier", |bencher| {
        bencher.iter(|| {
            n = n % 99_990 + 7919;
            black_box(repository.job_details(id(n % 99_990 + 1)).unwrap().unwrap())
        });
    });
    pollers(Arc::new(repository));
}

/// Details under fifty callers who ask without a pause.
fn pollers(repository: Arc<SqliteRepository>) {
    let threads: Vec<_> = (0..50u128)
        .map(|thread| {
            let repository = Arc::clone(&repository);
            std::thread::spawn(move || {
                (0..400u128)
                    .map(|n| {
                        let start = Instant::now();
                        black_box(
                            repository.job_details(id((n * 50 + thread) * 4 % 99_990 + 1)).unwrap().unwrap(),
                        );
                        let took = start.elapsed();
                        // As a caller behind a connection, not as a loop that keeps the processor.
                        std::thread::sleep(Duration::from_millis(2));
                        took
                    })
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    let mut latencies: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    latencies.sort();
    report(&format!(
        "details under 50 pollers: p50 {:?}, p99 {:?}",
        percentile(&latencies, 0.5),
        percentile(&latencies, 0.99)
    ));
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(300));
    targets = commits, lists
}
criterion_main!(benches);
