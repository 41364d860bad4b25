//! Files up and down through the wire, client and server in this one process, beside `cp` on the same disk.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use platform_api::proto::clara as wire;
use platform_api::proto::clara::payloads_client::PayloadsClient;
use platform_api::proto::clara::{Identifier, PayloadFileDetails};
use tokio::runtime::Runtime;
use tonic::transport::Channel;

use super::clock::{Account, median, resident_mib};
use super::report::Report;
use super::server::BenchServer;

const LARGE_BYTES: u64 = 1 << 30;
const PIECE_BYTES: usize = 1 << 20;
const ROUNDS: usize = 3;
const SMALL_FILES: usize = 10_000;
const SMALL_BYTES: usize = 4096;
const CALLERS: usize = 64;

pub(crate) fn measure(runtime: &Runtime, folder: &Path, account: &Account, report: &mut Report) {
    let data = folder.join("files");
    std::fs::create_dir(&data).unwrap();
    let server = runtime.block_on(BenchServer::start(&data));
    report.section("Files, through the wire");
    small(runtime, &server, (&data, account), report);
    large(runtime, &server, &data, report);
}

async fn payload(client: &mut PayloadsClient<Channel>) -> Identifier {
    client.create(wire::PayloadsCreateRequest::default()).await.unwrap().into_inner().payload_id.unwrap()
}

fn piece(payload: &Identifier, name: &str, data: Bytes) -> wire::PayloadsUploadRequest {
    let details = Some(PayloadFileDetails { mode: 0, name: name.to_owned(), size: data.len() as u64 });
    wire::PayloadsUploadRequest { header: None, payload_id: Some(payload.clone()), details, data }
}

fn small(runtime: &Runtime, server: &BenchServer, (folder, account): (&Path, &Account), report: &mut Report) {
    let content = Bytes::from(vec![7; SMALL_BYTES]);
    let floor = folder.join("floor");
    std::fs::create_dir(&floor).unwrap();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (floor, content) = (&floor, &content);
            scope.spawn(move || {
                for n in (caller..SMALL_FILES).step_by(CALLERS) {
                    let mut file = File::create(floor.join(n.to_string())).unwrap();
                    file.write_all(content).unwrap();
                    file.sync_all().unwrap();
                }
            });
        }
    });
    let floor_rate = SMALL_FILES as f64 / begun.elapsed().as_secs_f64();
    std::fs::remove_dir_all(&floor).unwrap();
    let cpu = account.secs();
    let took = runtime.block_on(async {
        let channel = server.connect().await;
        let payload = payload(&mut PayloadsClient::new(channel.clone())).await;
        let begun = Instant::now();
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let mut client = PayloadsClient::new(channel.clone());
                let (payload, content) = (payload.clone(), content.clone());
                tokio::spawn(async move {
                    for n in (caller..SMALL_FILES).step_by(CALLERS) {
                        let message = piece(&payload, &format!("d{}/f{n}", n % 10), content.clone());
                        let answer = client.upload(tokio_stream::once(message)).await.unwrap().into_inner();
                        assert!(answer.details.is_some(), "{answer:?}");
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.await.unwrap();
        }
        begun.elapsed()
    });
    let each_us = (account.secs() - cpu) / SMALL_FILES as f64 * 1e6;
    let beside = format!("create and fsync alone: {floor_rate:.0}/s; {each_us:.0} µs of processor each");
    let rate = SMALL_FILES as f64 / took.as_secs_f64();
    report.at_least("10 000 files of 4 KiB, 64 callers", rate, 2000.0, "files/s", &beside);
}

/// Looks at the memory of this process until it is dropped.
struct Memory {
    before_mib: f64,
    most_mib: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
}

impl Memory {
    fn watch() -> Self {
        let (most_mib, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (most, over) = (most_mib.clone(), is_over.clone());
        std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                most.fetch_max(resident_mib() as u64, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        Self { before_mib: resident_mib(), most_mib, is_over }
    }

    fn growth_mib(self) -> f64 {
        self.is_over.store(true, Ordering::Relaxed);
        self.most_mib.load(Ordering::Relaxed) as f64 - self.before_mib
    }
}

fn large(runtime: &Runtime, server: &BenchServer, folder: &Path, report: &mut Report) {
    let (source, copy) = (folder.join("source"), folder.join("copy"));
    let chunk: Vec<u8> =
        (0..PIECE_BYTES as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut file = File::create(&source).unwrap();
    for _ in 0..LARGE_BYTES / chunk.len() as u64 {
        file.write_all(&chunk).unwrap();
    }
    file.sync_all().unwrap();
    let (mut cp, mut cp_synced, mut up, mut down) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut growth_mib = 0f64;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        assert!(std::process::Command::new("cp").arg(&source).arg(&copy).status().unwrap().success());
        cp.push(begun.elapsed().as_secs_f64());
        File::open(&copy).unwrap().sync_all().unwrap();
        cp_synced.push(begun.elapsed().as_secs_f64());
        std::fs::remove_file(&copy).unwrap();
        let memory = Memory::watch();
        runtime.block_on(async {
            let mut client = PayloadsClient::new(server.connect().await).max_decoding_message_size(8 << 20);
            let payload = payload(&mut client).await;
            let begun = Instant::now();
            upload(&mut client, &payload, &source).await;
            up.push(begun.elapsed().as_secs_f64());
            let begun = Instant::now();
            download(&mut client, &payload, &copy).await;
            down.push(begun.elapsed().as_secs_f64());
            let delete = wire::PayloadsDeleteRequest { header: None, payload_id: Some(payload) };
            client.delete(delete).await.unwrap();
        });
        growth_mib = growth_mib.max(memory.growth_mib());
        assert_eq!(std::fs::metadata(&copy).unwrap().len(), LARGE_BYTES);
        std::fs::remove_file(&copy).unwrap();
    }
    std::fs::remove_file(&source).unwrap();
    let [cp, cp_synced, up, down] = [cp, cp_synced, up, down].map(median);
    let beside = format!("{up:.2} s; cp and its sync {cp_synced:.2} s, cp alone {cp:.2} s");
    report.at_least("1 GiB up, on the disk, to cp and its sync", cp_synced / up, 0.5, "×", &beside);
    let beside = format!("{down:.2} s; cp {cp:.2} s");
    report.at_least("1 GiB down, to cp", cp / down, 0.5, "×", &beside);
    report.at_most("memory that this took, client and server", growth_mib, 64.0, "MiB", "");
}

async fn upload(client: &mut PayloadsClient<Channel>, payload: &Identifier, source: &Path) {
    let (sender, pieces) = tokio::sync::mpsc::channel(4);
    let (mut file, payload) = (File::open(source).unwrap(), payload.clone());
    let reader = tokio::task::spawn_blocking(move || {
        loop {
            let mut data = Vec::with_capacity(PIECE_BYTES);
            (&mut file).take(PIECE_BYTES as u64).read_to_end(&mut data).unwrap();
            if data.is_empty() || sender.blocking_send(piece(&payload, "large", data.into())).is_err() {
                return;
            }
        }
    });
    let pieces = tokio_stream::wrappers::ReceiverStream::new(pieces);
    let answer = client.upload(pieces).await.unwrap().into_inner();
    assert_eq!(answer.details.unwrap().size, LARGE_BYTES);
    reader.await.unwrap();
}

async fn download(client: &mut PayloadsClient<Channel>, payload: &Identifier, copy: &Path) {
    let (sender, mut pieces) = tokio::sync::mpsc::channel::<Bytes>(4);
    let mut file = File::create(copy).unwrap();
    let writer = tokio::task::spawn_blocking(move || {
        while let Some(data) = pieces.blocking_recv() {
            file.write_all(&data).unwrap();
        }
    });
    let request = wire::PayloadsDownloadRequest {
        header: None,
        payload_id: Some(payload.clone()),
        name: "large".into(),
    };
    let mut messages = client.download(request).await.unwrap().into_inner();
    while let Some(message) = messages.message().await.unwrap() {
        sender.send(message.data).await.unwrap();
    }
    drop(sender);
    writer.await.unwrap();
}
