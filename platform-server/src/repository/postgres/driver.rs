//! Moves bytes between the server and those who wait for its answers.
//!
//! Readers block, also where they run on a thread of somebody's runtime; so the connections cannot live on that one.
//! They share a thread with a small runtime of their own, and whoever waits, waits for it and not on it.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::future::maybe_done;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio_postgres::{Client, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The thread of all connections of one repository; they end with it.
pub(super) struct Driver {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// An answer did not come in time.
pub(super) struct Late;

impl Driver {
    pub(super) fn start() -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new()
            .name("repository-postgres".into())
            .spawn(move || drop(runtime.block_on(stopped)))?;
        Ok(Self { handle, stop: Some(stop), thread: Some(thread) })
    }

    /// Opens a connection.
    pub(super) fn connect(
        &self,
        limit: Duration,
        config: &Config,
        tls: MakeRustlsConnect,
    ) -> Result<Result<Client, Error>, Late> {
        let connected = self.wait(limit, config.connect(tls))?;
        Ok(connected.map(|(client, connection)| {
            self.handle.spawn(async move {
                // Whoever uses the client learns why, too.
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection to the database ended");
                }
            });
            client
        }))
    }

    /// Waits on this thread.
    pub(super) fn wait<T>(&self, limit: Duration, answer: impl Future<Output = T>) -> Result<T, Late> {
        let _context = self.handle.enter();
        pollster::block_on(tokio::time::timeout(limit, answer)).map_err(|_| Late)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that speaks to the database panicked");
        }
    }
}

/// Sends a request whose answer nobody needs: what comes after it fails if it does.
pub(super) fn send<T>(request: impl Future<Output = Result<T, Error>>) -> Result<(), Error> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match pin!(request).poll(&mut context) {
        Poll::Ready(Err(error)) => Err(error),
        _ => Ok(()),
    }
}

/// Sends all requests at once, in their order, and takes the answers in the same order.
pub(super) async fn in_order<T, F: Future<Output = Result<T, Error>>>(
    requests: impl Iterator<Item = F>,
) -> Result<Vec<T>, Error> {
    let mut sent: Vec<_> = requests.map(|request| Box::pin(maybe_done(request))).collect();
    std::future::poll_fn(|context| {
        for request in &mut sent {
            // The first poll sends; whether it is done is asked below.
            let _ = request.as_mut().poll(context);
        }
        Poll::Ready(())
    })
    .await;
    let mut answers = Vec::with_capacity(sent.len());
    for mut request in sent {
        request.as_mut().await;
        answers.extend(request.as_mut().take_output());
    }
    answers.into_iter().collect()
}
