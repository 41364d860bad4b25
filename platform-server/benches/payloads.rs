//! How fast files go in and out, beside what the disk itself can do in the same run.
//!
//! Not a statistical benchmark: one long run of each, because the disk is what varies. `BENCH_DIR` chooses the disk.

#![expect(clippy::unwrap_used, reason = "a bench that cannot measure must stop")]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use platform_api::id::PayloadId;
use platform_api::payload::PayloadPath;
use platform_server::payloads::{PayloadOptions, PayloadStore};
use platform_server::repository::{Metadata, Repository, SqliteOptions, SqliteRepository};

const LARGE_BYTES: usize = 1 << 30;
const SMALL_FILES: usize = 10_000;

fn main() {
    // `cargo test` builds and runs benches too; they measure nothing then.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let place = std::env::var_os("BENCH_DIR").unwrap_or_else(|| std::env::temp_dir().into());
    let folder = tempfile::tempdir_in(place).unwrap();
    let repository =
        SqliteRepository::open(&folder.path().join("records.sqlite"), SqliteOptions::default()).unwrap();
    let repository: Arc<dyn Repository> = Arc::new(repository);
    let store = PayloadStore::open(folder.path(), repository, PayloadOptions { limit_percent: 100 }).unwrap();
    // First: the disk is busy for a while after gigabytes were deleted.
    for threads in [1, 4, 64] {
        small(&store, folder.path(), threads);
    }
    large(&store, folder.path());
    eprintln!("peak memory: {} MiB", peak_memory_mib());
}

fn say(what: &str, bytes: usize, took: Duration) {
    let rate = bytes as f64 / took.as_secs_f64() / (1 << 20) as f64;
    eprintln!("{what}: {:.2} s, {rate:.0} MiB/s", took.as_secs_f64());
}

fn large(store: &PayloadStore, folder: &Path) {
    let source = folder.join("source");
    let chunk: Vec<u8> = (0..1 << 20).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut file = File::create(&source).unwrap();
    for _ in 0..LARGE_BYTES / chunk.len() {
        file.write_all(&chunk).unwrap();
    }
    file.sync_all().unwrap();
    for round in 0..2u128 {
        let copy = folder.join("copy");
        let start = Instant::now();
        assert!(std::process::Command::new("cp").arg(&source).arg(&copy).status().unwrap().success());
        say("cp", LARGE_BYTES, start.elapsed());
        File::open(&copy).unwrap().sync_all().unwrap();
        say("cp, on the disk", LARGE_BYTES, start.elapsed());
        fs::remove_file(&copy).unwrap();

        let payload = PayloadId::from_bits(1000 + round);
        store.create(payload, 1, Metadata::new()).unwrap();
        let name = PayloadPath::to_create("large").unwrap();
        let before = peak_memory_mib();
        let cpu = cpu_secs();
        let start = Instant::now();
        let mut upload = store.upload(payload, &name, 0).unwrap();
        let mut reader = File::open(&source).unwrap();
        let mut buffer = vec![0; 1 << 20];
        loop {
            let count = reader.read(&mut buffer).unwrap();
            if count == 0 {
                break;
            }
            upload.write(&buffer[..count]).unwrap();
        }
        upload.finish().unwrap();
        say("upload, on the disk", LARGE_BYTES, start.elapsed());
        eprintln!("its processor time: {:.2} s", cpu_secs() - cpu);
        let cpu = cpu_secs();
        let start = Instant::now();
        let mut download = store.download(payload, &name).unwrap();
        let mut sink = File::create(&copy).unwrap();
        while let Some(chunk) = download.next_chunk().unwrap() {
            sink.write_all(&chunk).unwrap();
        }
        say("download to a file", LARGE_BYTES, start.elapsed());
        eprintln!("its processor time: {:.2} s", cpu_secs() - cpu);
        eprintln!("memory grew by {} MiB", peak_memory_mib() - before);
        store.delete(payload).unwrap();
        fs::remove_file(&copy).unwrap();
    }
    fs::remove_file(&source).unwrap();
}

fn small(store: &PayloadStore, folder: &Path, threads: usize) {
    let content = [7u8; 4096];
    // Few callers would take minutes for all of them.
    let count = if threads < 10 { SMALL_FILES / 20 } else { SMALL_FILES };
    let floor = folder.join("floor");
    fs::create_dir(&floor).unwrap();
    let took = in_threads(threads, count, |n| {
        let mut file = File::create(floor.join(n.to_string())).unwrap();
        file.write_all(&content).unwrap();
        file.sync_all().unwrap();
    });
    let floor_rate = count as f64 / took.as_secs_f64();
    fs::remove_dir_all(&floor).unwrap();
    let payload = PayloadId::from_bits(threads as u128);
    store.create(payload, 1, Metadata::new()).unwrap();
    let cpu = cpu_secs();
    let took = in_threads(threads, count, |n| {
        let name = PayloadPath::to_create(&format!("d{}/f{n}", n % 10)).unwrap();
        let mut upload = store.upload(payload, &name, 0).unwrap();
        upload.write(&content).unwrap();
        upload.finish().unwrap();
    });
    let rate = count as f64 / took.as_secs_f64();
    let cpu_us = (cpu_secs() - cpu) / count as f64 * 1e6;
    eprintln!(
        "{threads} at once: {rate:.0} files/s, {cpu_us:.0} µs of processor each; floor, create and fsync alone: {floor_rate:.0} files/s"
    );
    store.delete(payload).unwrap();
}

fn in_threads(threads: usize, count: usize, act: impl Fn(usize) + Sync) -> Duration {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let act = &act;
            scope.spawn(move || (thread..count).step_by(threads).for_each(act));
        }
    });
    start.elapsed()
}

/// Processor time of this process: what a busy machine does not change.
fn cpu_secs() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: f64 =
        after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / 100.0
}

/// The most memory this process ever had, of its own.
fn peak_memory_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}
