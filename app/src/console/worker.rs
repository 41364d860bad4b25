//! The thread that has the server: starts it or finds another, keeps the view true, and does what is asked.

mod calls;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime};

use platform_client::events::Change;
use platform_client::job::JobState;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::embedded::ServerOptions;
use super::link::{Link, NoLink};
use super::orders::Order;
use super::results;
use super::session::{Place, Session};
use super::view::{JobView, View};
use super::{Happening, LogView};
use crate::tasks::Outbox;
use crate::text::UserMessage;
use calls::{Calls, News};

/// Changes that come within this time are shown together.
const GATHERING: Duration = Duration::from_millis(25);
/// First and longest pause before another attempt to connect.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// How long transfers may take to withdraw their jobs when the window closes.
const WITHDRAWAL: Duration = Duration::from_secs(2);

type Started = (mpsc::UnboundedSender<Order>, watch::Receiver<Arc<View>>, Receiver<()>);

/// Starts the thread, whose work begins when that of the one before has ended. The last of what it returns ends with
/// it.
pub(super) fn start(
    options: ServerOptions,
    outbox: Outbox,
    before: Option<Receiver<()>>,
) -> std::io::Result<Started> {
    let (orders, inbox) = mpsc::unbounded_channel();
    let view = View { session: Session::Starting, ..View::default() };
    let (views, published) = watch::channel(Arc::new(view.clone()));
    let (alive, ended) = channel();
    // Small: the operators are processes of their own.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    std::thread::Builder::new().name("console".to_owned()).spawn(move || {
        if let Some(before) = before {
            // Nothing is sent. One that does not end keeps its lock, which is dealt with below.
            let _ = before.recv_timeout(super::STOP_PATIENCE);
        }
        let worker = Worker { options, outbox, view, views, orders: inbox, next_transfer: 0 };
        runtime.block_on(worker.run());
        runtime.shutdown_timeout(Duration::from_secs(1));
        drop(alive);
    })?;
    Ok((orders, published, ended))
}

/// Why a connection is given up.
enum Ended {
    Quit,
    Lost(String),
}

struct Worker {
    options: ServerOptions,
    outbox: Outbox,
    view: View,
    views: watch::Sender<Arc<View>>,
    orders: mpsc::UnboundedReceiver<Order>,
    next_transfer: u64,
}

impl Worker {
    async fn run(mut self) {
        let cache = self.options.cache.clone();
        // Nobody waits for it.
        drop(tokio::task::spawn_blocking(move || results::clean(&cache)));
        let mut pause = PAUSES.0;
        loop {
            let patience = match Link::open(&self.options).await {
                Ok(link) => match self.serve(link).await {
                    Ended::Quit => return,
                    Ended::Lost(reason) => {
                        tracing::warn!(%reason, "the connection to the server is lost");
                        if self.view.session.is_running() {
                            pause = PAUSES.0;
                        }
                        // What is listed is as old as the first loss in a row.
                        let since = self.view.session.stale_since().unwrap_or_else(SystemTime::now);
                        self.publish_session(Session::Lost { since, reason });
                        Some(pause)
                    }
                },
                Err(NoLink::InUse) => {
                    self.publish_session(Session::InUse);
                    Some(pause)
                }
                Err(NoLink::Failed(message)) => {
                    self.publish_session(Session::Failed(message));
                    None
                }
            };
            pause = (pause * 2).min(PAUSES.1);
            if self.wait(patience).await {
                return;
            }
        }
    }

    /// Waits until it is time to try again, or somebody asks for it; `true` if it is time to quit.
    async fn wait(&mut self, patience: Option<Duration>) -> bool {
        let due = patience.map(|patience| Instant::now() + patience);
        loop {
            tokio::select! {
                order = self.orders.recv() => match order {
                    None | Some(Order::Quit) => return true,
                    Some(Order::Retry) => {
                        self.publish_session(Session::Starting);
                        return false;
                    }
                    Some(order) => self.refuse(order),
                },
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => return false,
            }
        }
    }

    /// What can be done without a server is done.
    fn refuse(&mut self, order: Order) {
        match order {
            Order::Select(None) => (self.view.selected, self.view.log) = (None, None),
            Order::CloseLog => self.view.log = None,
            Order::Run(_) | Order::Cancel(_) | Order::OpenResult { .. } | Order::ShowLog { .. } => {
                self.outbox.send(Happening::message(UserMessage {
                    what: "The server is not connected.".to_owned(),
                    advice: self.view.session.sentence(),
                    detail: String::new(),
                }));
            }
            Order::Select(Some(_)) | Order::CancelTransfer(_) | Order::Retry | Order::Quit => {}
        }
        self.publish();
    }

    fn publish(&self) {
        self.views.send_replace(Arc::new(self.view.clone()));
        self.outbox.wake();
    }

    fn publish_session(&mut self, session: Session) {
        if self.view.session != session {
            self.view.session = session;
            self.publish();
        }
    }

    /// Works with a server until there is a reason not to; stops it in order if it is ours.
    async fn serve(&mut self, link: Link) -> Ended {
        let place = if link.own.is_some() { Place::Embedded } else { Place::OtherWindow };
        let (news, mut told) = mpsc::channel(256);
        let mut calls = Calls::new(link.client, news, self.options.cache.clone());
        calls.watch();
        let mut due = None;
        let ended = loop {
            tokio::select! {
                order = self.orders.recv() => match order {
                    None | Some(Order::Quit) => break Ended::Quit,
                    Some(order) => self.obey(order, &mut calls),
                },
                news = told.recv() => match news {
                    None => break Ended::Lost("nobody listens".to_owned()),
                    Some(News::Lost(reason)) => break Ended::Lost(reason),
                    Some(news) => self.learn(news, place, &mut calls),
                },
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    self.publish();
                    due = None;
                    continue;
                }
            }
            due.get_or_insert_with(|| Instant::now() + GATHERING);
        };
        calls.withdraw(&mut told, WITHDRAWAL).await;
        self.view.transfers.clear();
        if let Some(log) = &mut self.view.log {
            Arc::make_mut(log).is_growing = false;
        }
        if let Some(running) = link.own {
            running.stop().await;
        }
        ended
    }

    fn obey(&mut self, order: Order, calls: &mut Calls) {
        match order {
            Order::Retry | Order::Quit => {}
            Order::Run(request) => {
                self.next_transfer += 1;
                self.view.transfers.push(calls.send(self.next_transfer, request));
            }
            Order::Cancel(job) => calls.cancel_job(job),
            Order::Select(None) => {
                calls.close_log();
                (self.view.selected, self.view.log) = (None, None);
            }
            Order::Select(Some(id)) => {
                if self.view.log.as_ref().is_some_and(|log| log.job != id) {
                    calls.close_log();
                    self.view.log = None;
                }
                if self.view.selected.as_ref().is_none_or(|selected| selected.id != id) {
                    let none = JobView { id, snapshot: None, outputs: None, problem: None };
                    self.view.selected = Some(Arc::new(none));
                }
                calls.details(id);
            }
            Order::OpenResult { job, output } => {
                let selected = self.view.selected.as_ref().filter(|selected| selected.id == job);
                let found = selected.and_then(|selected| {
                    let payload = selected.snapshot.as_ref()?.details.payload_id;
                    Some((payload, selected.outputs.as_ref()?.get(output)?.clone()))
                });
                if let Some((payload, output)) = found {
                    self.next_transfer += 1;
                    self.view.transfers.push(calls.fetch(self.next_transfer, job, payload, output));
                }
            }
            Order::ShowLog { job, operator } => {
                let log = LogView::new(job, operator);
                self.view.log = Some(Arc::new(log.clone()));
                calls.follow_log(log);
            }
            Order::CloseLog => {
                calls.close_log();
                self.view.log = None;
            }
            Order::CancelTransfer(id) => calls.cancel_transfer(id),
        }
    }

    fn learn(&mut self, news: News, place: Place, calls: &mut Calls) {
        match news {
            // The caller's.
            News::Lost(_) => {}
            News::Listed { jobs, has_more, pipelines } => {
                self.view.session = Session::Running(place);
                self.view.set_jobs(jobs, has_more);
                self.view.set_pipelines(pipelines);
                if let Some(selected) = &self.view.selected {
                    calls.details(selected.id);
                }
            }
            News::Changed(change) => self.change(change, calls),
            News::Details(id, snapshot, outputs) => self.take_details(id, snapshot, outputs, calls),
            News::Log(log) => {
                // One that was closed meanwhile may still have been on its way.
                let is_open = self
                    .view
                    .log
                    .as_ref()
                    .is_some_and(|open| open.job == log.job && open.operator == log.operator);
                if is_open {
                    self.view.log = Some(Arc::new(log));
                }
            }
            News::JobMade { transfer, job } => {
                if let Some(view) = self.view.transfers.iter_mut().find(|view| view.id == transfer) {
                    view.kind = super::TransferKind::Send(Some(job));
                }
                self.obey(Order::Select(Some(job)), calls);
            }
            News::TransferEnded { transfer, happening } => {
                self.view.transfers.retain(|view| view.id != transfer);
                calls.forget_transfer(transfer);
                if let Some(happening) = happening {
                    self.outbox.send(crate::tasks::Message::Console(happening));
                }
            }
            News::Failed(message) => self.outbox.send(Happening::message(message)),
        }
    }

    fn change(&mut self, change: Change, calls: &mut Calls) {
        match change {
            Change::Job(job) => {
                let id = job.details.id;
                let is_selected = self.view.selected.as_ref().is_some_and(|selected| selected.id == id);
                let was_over =
                    self.view.job(id).is_some_and(|known| known.details.state == JobState::Stopped);
                let is_over = job.details.state == JobState::Stopped;
                self.view.put_job(*job);
                if is_selected && is_over && !was_over {
                    calls.details(id);
                }
            }
            Change::Operator(job, operator) => self.view.put_operator(job, *operator),
            Change::Pipeline { id, name, .. } => self.view.put_pipeline(id, name),
            Change::PipelineDeleted(id) => self.view.remove_pipeline(id),
            _ => {}
        }
    }

    fn take_details(
        &mut self,
        id: platform_client::id::JobId,
        snapshot: Result<platform_client::jobs::JobSnapshot, String>,
        outputs: Option<Vec<results::Output>>,
        calls: &mut Calls,
    ) {
        if self.view.selected.as_ref().is_none_or(|selected| selected.id != id) {
            return;
        }
        let problem = match snapshot {
            Ok(snapshot) => {
                let state = snapshot.details.state;
                if self.view.job(id).is_some_and(|known| known.details.state > state) {
                    // A change overtook the answer.
                    return calls.details(id);
                }
                self.view.put_job(snapshot);
                None
            }
            Err(problem) => Some(problem),
        };
        if let Some(selected) = &mut self.view.selected {
            let selected = Arc::make_mut(selected);
            selected.problem = problem;
            selected.outputs = outputs.or(selected.outputs.take());
        }
    }
}
