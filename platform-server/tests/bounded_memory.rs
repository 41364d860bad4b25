//! What a server keeps in memory of large logs and of readers that are slow: little, however much there is.
//!
//! `LANTERN_FLOOD_MIB=1024` prints a whole gibibyte; by default less, since both ways of reading it take their time.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failing helper is a failing test")]

#[path = "grpc/server.rs"]
#[allow(dead_code, reason = "shared with the tests of the calls, which use all of it")]
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use platform_api::proto::clara as wire;
use platform_api::proto::clara::{Identifier, PayloadFileDetails};
use tokio::sync::{Mutex, MutexGuard};
use tokio_stream::StreamExt;

use server::*;

/// What the memory of this process, server and clients in one, may grow by.
const GROWTH_MIB: u64 = 64;

/// Memory is that of the whole process, so one test measures at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Looks at the resident memory of this process until it is dropped.
struct Memory {
    before_mib: u64,
    most_mib: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    _alone: MutexGuard<'static, ()>,
}

impl Memory {
    async fn watch() -> Self {
        let alone = ALONE.lock().await;
        let before_mib = resident_mib();
        let (most_mib, is_over) = (Arc::new(AtomicU64::new(before_mib)), Arc::new(AtomicBool::new(false)));
        let (most, over) = (most_mib.clone(), is_over.clone());
        std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                most.fetch_max(resident_mib(), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        Self { before_mib, most_mib, is_over, _alone: alone }
    }

    fn growth_mib(&self) -> u64 {
        self.most_mib.load(Ordering::Relaxed) - self.before_mib
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
}

async fn read_log(server: &TestServer, job: &Identifier) -> (u64, usize) {
    let request = wire::JobsReadLogsRequest {
        job_id: Some(job.clone()),
        operator_name: "only".into(),
        ..Default::default()
    };
    let mut messages = server.jobs().read_logs(request).await.unwrap().into_inner();
    let (mut bytes, mut longest) = (0, 0);
    while let Some(message) = messages.message().await.unwrap() {
        accepted(&message.header);
        for line in message.logs {
            bytes += line.len() as u64 + 1;
            longest = longest.max(line.len());
        }
    }
    (bytes, longest)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_output_with_and_without_lines_is_kept_and_read_in_bounded_memory() {
    let mib = std::env::var("LANTERN_FLOOD_MIB").map_or(96, |mib| mib.parse::<u64>().unwrap());
    let Some(server) = start_with_operators().await else { return };
    let memory = Memory::watch().await;
    let half = mib << 19;
    let commands = [
        format!("yes 'a line of thirty-one characters' | head -c {}", 2 * half),
        // One line of bytes that are no text, half of it on the other stream.
        format!(
            "head -c {half} /dev/zero | tr '\\0' '\\377'; head -c {half} /dev/zero | tr '\\0' '\\200' >&2"
        ),
    ];
    for command in commands {
        let (job, _) = server.job(&server.pipeline(&command).await).await;
        server.begin(&job).await;
        let end = server.end(&job).await;
        assert_eq!(end.status, 1, "healthy: {end:?}");
        let (bytes, longest) = read_log(&server, &job).await;
        assert!(bytes >= 2 * half, "{bytes} of {} bytes", 2 * half);
        assert!(longest < 1 << 20, "a line of {longest} bytes");
    }
    assert!(memory.growth_mib() <= GROWTH_MIB, "grew by {} MiB", memory.growth_mib());
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_stop_reading_cost_the_server_little_and_the_others_nothing() {
    const READERS: usize = 30;
    const FILE_MIB: usize = 64;
    const READER_MIB: u64 = 4;
    let server = start().await;
    let created = server.payloads().create(wire::PayloadsCreateRequest::default()).await.unwrap();
    let payload = created.into_inner().payload_id.unwrap();
    let memory = Memory::watch().await;
    let (of_upload, piece) = (payload.clone(), bytes::Bytes::from(vec![7; 1 << 20]));
    let pieces = (0..FILE_MIB).map(move |_| wire::PayloadsUploadRequest {
        header: None,
        payload_id: Some(of_upload.clone()),
        details: Some(PayloadFileDetails { mode: 0, name: "large".into(), size: 1 << 20 }),
        data: piece.clone(),
    });
    accepted(&server.payloads().upload(tokio_stream::iter(pieces)).await.unwrap().into_inner().header);
    let request =
        wire::PayloadsDownloadRequest { header: None, payload_id: Some(payload), name: "large".into() };
    // Each on a connection of its own: what one does not take must hold up nobody else.
    let download = async || {
        let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", server.address)).unwrap();
        // What waits at the reader is not the server's.
        let endpoint = endpoint.initial_stream_window_size(1 << 16).initial_connection_window_size(1 << 16);
        let mut client = wire::payloads_client::PayloadsClient::new(endpoint.connect().await.unwrap());
        client.download(request.clone()).await.unwrap().into_inner()
    };
    let mut stuck = Vec::new();
    for _ in 0..READERS {
        let mut messages = download().await;
        assert!(messages.message().await.unwrap().is_some());
        stuck.push(messages);
    }
    let mut messages = download().await;
    let mut bytes = 0;
    while let Some(message) = messages.next().await {
        bytes += message.unwrap().data.len();
    }
    assert_eq!(bytes, FILE_MIB << 20);
    // Both sides of each: what the server read ahead, and what its reader got and does not look at.
    let most_mib = READER_MIB * READERS as u64;
    assert!(memory.growth_mib() <= most_mib, "grew by {} MiB", memory.growth_mib());
    drop(stuck);
    // Files that nobody reads any more are closed.
    let is_open = || {
        let files = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        files.filter_map(|entry| std::fs::read_link(entry.path()).ok()).any(|path| path.ends_with("large"))
    };
    let wait = async {
        while is_open() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("files of readers who went away are closed");
}
