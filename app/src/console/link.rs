//! A way to a server: the one of this process, else that of the process that has the data folder.

use std::time::Duration;

use platform_client::connection::{Address, in_process};
use platform_client::{Client, ConnectOptions};
use platform_server::server::{self, Running};

use super::embedded::{self, ServerOptions};
use super::reference;
use crate::text::{UserMessage, chain};

/// How often and how soon another process is asked that may still be starting its server.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(250);

/// A server that answers.
pub(super) struct Link {
    pub(super) client: Client,
    /// The server, if it is ours.
    pub(super) own: Option<Running>,
}

/// Why there is none.
pub(super) enum NoLink {
    /// Another process has the data folder and does not answer.
    InUse,
    Failed(UserMessage),
}

impl Link {
    /// Starts the server, or connects to the one that has the folder: never two on one folder, which is locked.
    pub(super) async fn open(options: &ServerOptions) -> Result<Self, NoLink> {
        match server::start(&options.config, options.shim.clone()).await {
            Ok(running) => {
                let client = client_of(&running).map_err(|error| {
                    NoLink::Failed(UserMessage {
                        what: "The embedded server cannot be called.".to_owned(),
                        advice: "Try again; the details say what is wrong.".to_owned(),
                        detail: chain(&error),
                    })
                })?;
                if let Err(error) = reference::register(&client, &options.config.data).await {
                    tracing::warn!(%error, "the reference pipelines cannot be stored");
                }
                Ok(Self { client, own: Some(running) })
            }
            Err(error) if error.is_in_use() => Self::to_other(options).await.ok_or(NoLink::InUse),
            Err(error) => {
                tracing::warn!(error = %chain(&error), "the embedded server did not start");
                Err(NoLink::Failed(embedded::start_failure(&error)))
            }
        }
    }

    async fn to_other(options: &ServerOptions) -> Option<Self> {
        let socket = options.config.listen.unix.clone()?;
        for _ in 0..ATTEMPTS {
            if socket.exists() {
                let mut connect = ConnectOptions::new(Address::Socket(socket.clone()));
                connect.attempts = 1;
                if let Ok(client) = Client::connect(&connect)
                    && client.server().version().await.is_ok()
                {
                    return Some(Self { client, own: None });
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        None
    }
}

/// Both sides make connections of their own kind; the client's are handed to the server.
fn client_of(running: &Running) -> Result<Client, platform_client::ClientError> {
    let (dialer, incoming) = in_process::pair();
    let door = running.in_process();
    let mut dialled = incoming.into_inner();
    tokio::spawn(async move {
        while let Some(Ok(stream)) = dialled.recv().await {
            if door.admit(stream).await.is_err() {
                return;
            }
        }
    });
    Client::in_process(dialer, &ConnectOptions::new(Address::default()))
}
