//! What a monitor sees.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use platform_api::job::{JobState, JobStatus};
use platform_server::observe::{Facts, Inspect, Metrics, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A server that can be out of order.
#[derive(Default)]
struct Patient {
    is_ill: AtomicBool,
}

impl Inspect for Patient {
    fn facts(&self) -> Option<Facts> {
        let jobs = vec![(JobState::Running, JobStatus::Healthy, 4)];
        (!self.is_ill.load(Ordering::SeqCst)).then(|| Facts { jobs, ..Facts::default() })
    }

    fn warnings(&self) -> Vec<String> {
        vec!["the door is open".to_owned()]
    }

    fn not_ready(&self) -> Option<String> {
        self.is_ill.load(Ordering::SeqCst).then(|| "the database is away".to_owned())
    }
}

async fn get(address: std::net::SocketAddr, line: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, body.to_owned())
}

#[tokio::test]
async fn a_monitor_learns_whether_the_server_lives_is_ready_and_what_it_does() {
    let patient = Arc::new(Patient::default());
    let inspect: Arc<dyn Inspect> = Arc::clone(&patient) as _;
    let observer =
        start("127.0.0.1:0".parse().unwrap(), Arc::new(Metrics::default()), inspect).await.unwrap();
    let address = observer.address();
    assert_eq!(get(address, "GET /healthz").await, (200, "alive\n".to_owned()));
    assert_eq!(get(address, "GET /readyz").await, (200, "ready\nwarning: the door is open\n".to_owned()));
    let (status, text) = get(address, "GET /metrics").await;
    assert_eq!(status, 200);
    assert!(text.contains("lantern_jobs{state=\"running\",status=\"healthy\"} 4\n"), "{text}");
    patient.is_ill.store(true, Ordering::SeqCst);
    assert_eq!(get(address, "GET /healthz").await.0, 200, "alive is not ready");
    assert_eq!(get(address, "GET /readyz").await, (503, "the database is away\n".to_owned()));
    let (status, text) = get(address, "GET /metrics").await;
    assert!(status == 200 && !text.contains("lantern_jobs{"), "unknown numbers are left out: {text}");
    assert_eq!(get(address, "POST /metrics").await.0, 405);
    assert_eq!(get(address, "GET /").await.0, 404);
    assert_eq!(get(address, "\u{0}garbage").await.0, 400);
    drop(observer);
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}
