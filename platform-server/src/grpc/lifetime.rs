//! When a stream ends that would go on: at the client's deadline, or when the server stops.
//!
//! tonic applies a deadline to a call until its answer begins; for streams that is too early.

use std::future::pending;
use std::time::Duration;

use futures_util::stream;
use tokio::time::Instant;
use tokio_stream::{Stream, StreamExt};
use tonic::metadata::MetadataMap;
use tonic::{Request, Status};

use super::Stop;
use super::reply::Replies;

/// Until when a call may go on.
#[derive(Debug, Clone)]
pub(super) struct Lifetime {
    deadline: Option<Instant>,
    stop: Stop,
}

impl Lifetime {
    /// What the client asked for, and the server's own end.
    pub(super) fn of<T>(request: &Request<T>, stop: &Stop) -> Self {
        let deadline = timeout(request.metadata()).and_then(|timeout| Instant::now().checked_add(timeout));
        Self { deadline, stop: stop.clone() }
    }

    /// Messages until then, and a status that says why they end.
    pub(super) fn bound<T: Send + 'static>(
        self,
        messages: impl Stream<Item = Result<T, Status>> + Send + 'static,
    ) -> Replies<T> {
        let ended = Box::pin(self.ended());
        let state = Some((Box::pin(messages), ended));
        Box::pin(stream::unfold(state, |state| async move {
            let (mut messages, mut ended) = state?;
            tokio::select! {
                biased;
                status = &mut ended => Some((Err(status), None)),
                message = messages.next() => message.map(|message| (message, Some((messages, ended)))),
            }
        }))
    }

    async fn ended(self) -> Status {
        tokio::select! {
            () = sleep_until(self.deadline) => Status::deadline_exceeded("the client's deadline has passed"),
            () = stopped(self.stop) => Status::unavailable("the server is about to stop"),
        }
    }
}

/// Waits until the server is about to stop.
pub(super) async fn stopped(mut stop: Stop) {
    if stop.wait_for(|is_stopping| *is_stopping).await.is_err() {
        // Nobody is left who could say so.
        pending::<()>().await;
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => pending().await,
    }
}

/// The time that the client gives the call: up to eight digits and a unit.
fn timeout(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::watch;
    use tonic::Code;

    use super::*;

    fn request(timeout: &str) -> Request<()> {
        let mut request = Request::new(());
        request.metadata_mut().insert("grpc-timeout", timeout.parse().unwrap());
        request
    }

    fn endless() -> impl Stream<Item = Result<u32, Status>> + Send {
        stream::iter([Ok(1)]).chain(stream::pending())
    }

    #[test]
    fn timeouts_are_read_as_the_protocol_writes_them() {
        let read = |text| timeout(request(text).metadata());
        assert_eq!(read("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        assert_eq!(read("5S"), Some(Duration::from_secs(5)));
        assert_eq!(read("250m"), Some(Duration::from_millis(250)));
        for text in ["", "S", "5", "5s", "-5S", "999999999S", "é", "5é"] {
            let mut metadata = MetadataMap::new();
            if let Ok(value) = tonic::metadata::MetadataValue::try_from(text.as_bytes()) {
                metadata.insert("grpc-timeout", value);
            }
            assert_eq!(timeout(&metadata), None, "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_endless_stream_ends_at_the_clients_deadline() {
        let (_stopping, stop) = watch::channel(false);
        let mut messages = Lifetime::of(&request("5S"), &stop).bound(endless());
        let began = Instant::now();
        assert_eq!(messages.next().await.unwrap().unwrap(), 1);
        assert_eq!(messages.next().await.unwrap().unwrap_err().code(), Code::DeadlineExceeded);
        assert_eq!(began.elapsed().as_secs(), 5);
        assert!(messages.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn an_endless_stream_ends_when_the_server_stops() {
        let (stopping, stop) = watch::channel(false);
        let mut messages = Lifetime::of(&Request::new(()), &stop).bound(endless());
        assert_eq!(messages.next().await.unwrap().unwrap(), 1);
        stopping.send_replace(true);
        assert_eq!(messages.next().await.unwrap().unwrap_err().code(), Code::Unavailable);
        assert!(messages.next().await.is_none());
    }
}
