//! Calls to one server, each in a task of its own; what comes of them goes to the worker as [`News`].

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use platform_client::events::{Change, EventKind, WatchQuery};
use platform_client::id::{JobId, PayloadId};
use platform_client::job::{JobDetails, JobFilter, JobState};
use platform_client::jobs::JobSnapshot;
use platform_client::payloads::TransferProgress;
use platform_client::{Client, ClientError, ErrorKind};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};

use crate::console::Happening;
use crate::console::log_tail::{self, LogView};
use crate::console::orders::RunRequest;
use crate::console::results::{self, Output};
use crate::console::transfers::{self, SendError, TransferKind, TransferView};
use crate::console::view::{JobRow, MAX_JOBS, PipelineRow};
use crate::text::{UserMessage, chain};

/// What calls tell the worker.
pub(super) enum News {
    /// Everything anew.
    Listed {
        jobs: Vec<JobRow>,
        has_more: bool,
        pipelines: Vec<PipelineRow>,
    },
    Changed(Change),
    /// The server cannot be reached any more.
    Lost(String),
    /// Results are `None` as long as the job is not over.
    Details(JobId, Result<JobSnapshot, String>, Option<Vec<Output>>),
    Log(LogView),
    JobMade {
        transfer: u64,
        job: JobId,
    },
    TransferEnded {
        transfer: u64,
        happening: Option<Happening>,
    },
    Failed(UserMessage),
}

/// The calls that are made to one server. Dropping it ends them.
pub(super) struct Calls {
    client: Client,
    news: mpsc::Sender<News>,
    cache: PathBuf,
    tasks: JoinSet<()>,
    log: Option<AbortHandle>,
    /// Dropping one, or sending on it, cancels the transfer.
    transfers: BTreeMap<u64, oneshot::Sender<()>>,
    /// Transfers that did not tell their end yet.
    unfinished: usize,
}

impl Calls {
    pub(super) fn new(client: Client, news: mpsc::Sender<News>, cache: PathBuf) -> Self {
        Self {
            client,
            news,
            cache,
            tasks: JoinSet::new(),
            log: None,
            transfers: BTreeMap::new(),
            unfinished: 0,
        }
    }

    fn spawn(&mut self, call: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        // What is done is let go.
        while self.tasks.try_join_next().is_some() {}
        self.tasks.spawn(call)
    }

    /// Lists everything, then tells what changes, for ever.
    pub(super) fn watch(&mut self) {
        let (client, news) = (self.client.clone(), self.news.clone());
        self.spawn(async move {
            if let Err(error) = follow_changes(&client, &news).await {
                // A worker that is gone has no use for it.
                let _ = news.send(News::Lost(chain(&error))).await;
            }
        });
    }

    /// Asks for a job with its operators, and for its results once it is over.
    pub(super) fn details(&mut self, id: JobId) {
        let (client, news) = (self.client.clone(), self.news.clone());
        self.spawn(async move {
            let snapshot = client.jobs().snapshot(id).await;
            let outputs = match &snapshot {
                Ok(job) if job.details.state == JobState::Stopped => {
                    let payload = client.payloads().details(job.details.payload_id).await;
                    // Its payload may be cleaned up already: no results then.
                    Some(
                        payload
                            .map(|payload| results::outputs(&payload.files, &job.operators))
                            .unwrap_or_default(),
                    )
                }
                _ => None,
            };
            let snapshot = snapshot.map_err(|error| chain(&error));
            let _ = news.send(News::Details(id, snapshot, outputs)).await;
        });
    }

    pub(super) fn cancel_job(&mut self, id: JobId) {
        let (client, news) = (self.client.clone(), self.news.clone());
        self.spawn(async move {
            if let Err(error) = client.jobs().cancel(id, "canceled in the window").await {
                let _ = news.send(News::Failed(failure("The job could not be canceled.", &error))).await;
            }
        });
    }

    pub(super) fn follow_log(&mut self, log: LogView) {
        self.close_log();
        let (client, news) = (self.client.clone(), self.news.clone());
        let follow = async move {
            let (sender, mut views) = mpsc::channel(1);
            // A view that nobody took yet is replaced by the next one; only the last has to arrive.
            let reading = async move {
                let mut last = None;
                log_tail::follow(client, log, |view| last = sender.try_send(view).err()).await;
                if let Some(mpsc::error::TrySendError::Full(view)) = last {
                    let _ = sender.send(view).await;
                }
            };
            let telling = async move {
                while let Some(view) = views.recv().await {
                    let _ = news.send(News::Log(view)).await;
                }
            };
            tokio::join!(reading, telling);
        };
        self.log = Some(self.spawn(follow));
    }

    pub(super) fn close_log(&mut self) {
        if let Some(log) = self.log.take() {
            log.abort();
        }
    }

    /// Sends a series to a new job and starts it.
    pub(super) fn send(&mut self, transfer: u64, request: RunRequest) -> TransferView {
        let progress = Arc::new(TransferProgress::new());
        let (stop, stopped) = oneshot::channel();
        self.transfers.insert(transfer, stop);
        self.unfinished += 1;
        let (client, news, cache) = (self.client.clone(), self.news.clone(), self.cache.clone());
        let counted = progress.clone();
        self.spawn(async move {
            let happening =
                send_or_withdraw(&client, &news, transfer, request, cache, &counted, stopped).await;
            let _ = news.send(News::TransferEnded { transfer, happening }).await;
        });
        TransferView { id: transfer, kind: TransferKind::Send(None), progress }
    }

    /// Fetches a result to open it.
    pub(super) fn fetch(
        &mut self,
        transfer: u64,
        job: JobId,
        payload: PayloadId,
        output: Output,
    ) -> TransferView {
        let progress = Arc::new(TransferProgress::new());
        let (stop, stopped) = oneshot::channel::<()>();
        self.transfers.insert(transfer, stop);
        self.unfinished += 1;
        let (client, news, cache) = (self.client.clone(), self.news.clone(), self.cache.clone());
        let counted = progress.clone();
        self.spawn(async move {
            let happening = tokio::select! {
                fetched = results::fetch(&client, payload, &output, &cache, &counted) => Some(match fetched {
                    Ok(path) => Happening::ResultReady(path),
                    Err(error) => Happening::Failed(failure("The result could not be fetched.", &error)),
                }),
                _ = stopped => None,
            };
            let _ = news.send(News::TransferEnded { transfer, happening }).await;
        });
        TransferView { id: transfer, kind: TransferKind::Fetch(job), progress }
    }

    pub(super) fn cancel_transfer(&mut self, transfer: u64) {
        self.transfers.remove(&transfer);
    }

    /// The transfer has told its end.
    pub(super) fn forget_transfer(&mut self, transfer: u64) {
        self.transfers.remove(&transfer);
        self.unfinished = self.unfinished.saturating_sub(1);
    }

    /// Ends all calls. Transfers get some time to withdraw the jobs that they made; what they tell is not heard.
    pub(super) async fn withdraw(mut self, told: &mut mpsc::Receiver<News>, patience: Duration) {
        self.transfers.clear();
        let withdrawn = async {
            while self.unfinished > 0 {
                match told.recv().await {
                    Some(News::TransferEnded { .. }) => self.unfinished -= 1,
                    Some(_) => {}
                    None => return,
                }
            }
        };
        // Jobs that could not be withdrawn stay, and show that they never started.
        let _ = tokio::time::timeout(patience, withdrawn).await;
        self.tasks.shutdown().await;
    }
}

async fn follow_changes(client: &Client, news: &mpsc::Sender<News>) -> Result<(), ClientError> {
    let kinds = vec![EventKind::Job, EventKind::Operator, EventKind::Pipeline];
    // What happens while the lists are read waits in the stream, so nothing falls between them.
    let mut watch = client.events().watch(WatchQuery { kinds, ..WatchQuery::default() }).await?;
    loop {
        let (jobs, has_more) = newest_jobs(client).await?;
        let pipelines = client.pipelines().list().await?.into_iter();
        let pipelines = pipelines.map(|p| PipelineRow { id: p.id, name: p.name }).collect();
        if news.send(News::Listed { jobs, has_more, pipelines }).await.is_err() {
            return Ok(());
        }
        loop {
            match watch.next().await?.change {
                Change::ResyncNeeded(_) => break,
                Change::Bookmark | Change::Unknown => {}
                change => {
                    if news.send(News::Changed(change)).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }
}

/// The newest jobs and whether there are more, in memory for those alone.
async fn newest_jobs(client: &Client) -> Result<(Vec<JobRow>, bool), ClientError> {
    let mut list = client.jobs().list(&JobFilter::default()).await?;
    let mut newest: BinaryHeap<Reverse<ByAge>> = BinaryHeap::new();
    let mut has_more = false;
    while let Some(job) = list.next().await? {
        newest.push(Reverse(ByAge(job)));
        if newest.len() > MAX_JOBS {
            newest.pop();
            has_more = true;
        }
    }
    Ok((newest.into_iter().map(|Reverse(ByAge(job))| JobRow::new(job)).collect(), has_more))
}

/// Orders jobs by their age.
struct ByAge(JobDetails);

impl ByAge {
    fn key(&self) -> (std::time::SystemTime, JobId) {
        (self.0.created, self.0.id)
    }
}

impl PartialEq for ByAge {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for ByAge {}

impl PartialOrd for ByAge {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByAge {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// Sends a series; a job that was made but not started is canceled again.
async fn send_or_withdraw(
    client: &Client,
    news: &mpsc::Sender<News>,
    transfer: u64,
    request: RunRequest,
    cache: PathBuf,
    progress: &Arc<TransferProgress>,
    stopped: oneshot::Receiver<()>,
) -> Option<Happening> {
    let mut made = None;
    let sent = {
        let tell = |job| {
            made = Some(job);
            // The list of jobs shows it anyway.
            let _ = news.try_send(News::JobMade { transfer, job });
        };
        tokio::select! {
            sent = transfers::send(client, request, cache, progress, tell) => Some(sent),
            _ = stopped => None,
        }
    };
    let (reason, happening) = match sent {
        Some(Ok(())) => return None,
        Some(Err(error)) => ("its files could not be sent", Some(Happening::Failed(send_failure(&error)))),
        None => ("stopped while its files were sent", None),
    };
    if let Some(job) = made
        && let Err(error) = client.jobs().cancel(job, reason).await
    {
        tracing::warn!(%error, "a job that was not started cannot be canceled");
    }
    happening
}

fn send_failure(error: &SendError) -> UserMessage {
    match error {
        SendError::Client(error) => failure("The job could not be started.", error),
        error => UserMessage {
            what: "The series could not be sent.".to_owned(),
            advice: "Check that its files are still there, then try again.".to_owned(),
            detail: chain(error),
        },
    }
}

fn failure(what: &str, error: &ClientError) -> UserMessage {
    let advice = match error.kind() {
        // In the server's own words.
        ErrorKind::Refused => format!("The server says: {error}"),
        ErrorKind::Unreachable | ErrorKind::TimedOut => "The server does not answer. Try again.".to_owned(),
        ErrorKind::Local => "Check the disk and the rights of the folder.".to_owned(),
        _ => "Try again; the details say what is wrong.".to_owned(),
    };
    UserMessage { what: what.to_owned(), advice, detail: chain(error) }
}
