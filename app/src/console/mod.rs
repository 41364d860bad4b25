//! The platform in the window: the embedded server, the connection to it, its jobs.
//!
//! ```text
//! panels ──Command──▶ apply ──Order──▶ worker (own thread, own runtime) ──calls──▶ server
//!   ▲                                    │
//!   └──────────── View ◀─────────────────┘        things that happen once: Message::Console
//! ```
//!
//! The worker owns the truth and publishes it as a [`View`]; a newer view replaces one that the window has not looked
//! at, so that neither fast servers nor a hidden window fill memory. Workers know no egui and send no commands.

mod embedded;
mod link;
mod log_tail;
mod orders;
mod reference;
mod results;
mod session;
mod transfers;
mod view;
mod worker;

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::tasks::{Message, Outbox};
use crate::text::UserMessage;

pub use embedded::ServerOptions;
pub use log_tail::LogView;
pub use orders::{Order, RunRequest};
pub use results::Output;
pub use session::{Place, Session};
pub use transfers::{TransferKind, TransferView};
pub use view::{JobRow, JobView, MAX_JOBS, PipelineRow, View};

/// How long closing the window waits for the server to stop in order.
const STOP_PATIENCE: Duration = Duration::from_secs(8);

/// Something that happens once, for the window's inbox.
#[derive(Debug)]
pub enum Happening {
    /// Something could not be done.
    Failed(UserMessage),
    /// A result lies here and is to be opened.
    ResultReady(std::path::PathBuf),
}

impl Happening {
    /// A failure as a message for the inbox.
    fn message(failure: UserMessage) -> Message {
        Message::Console(Self::Failed(failure))
    }
}

/// The window's end of the worker.
#[derive(Default)]
pub struct Console {
    view: Arc<View>,
    worker: Option<Worker>,
    /// How to start the server; `None` in windows that have none.
    options: Option<ServerOptions>,
    /// The start waits for the first picture.
    is_start_wanted: bool,
    /// Ends with a worker that was let go of.
    stopping: Option<Receiver<()>>,
}

struct Worker {
    orders: mpsc::UnboundedSender<Order>,
    views: watch::Receiver<Arc<View>>,
    /// Ends with the worker.
    ended: Receiver<()>,
}

impl Console {
    /// What the worker published last.
    pub fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// Names the server; it starts with the next [`Self::start_if_wanted`].
    pub fn set_options(&mut self, options: ServerOptions, is_on: bool) {
        self.options = Some(options);
        self.is_start_wanted = is_on;
    }

    /// Whether this window can have a server.
    pub fn has_options(&self) -> bool {
        self.options.is_some()
    }

    /// Whether a server is on, in whatever state, or about to start.
    pub fn is_on(&self) -> bool {
        self.worker.is_some() || self.is_start_wanted
    }

    /// Whether nothing is about to change by itself: the server is up, or will not come up.
    pub fn is_settled(&self) -> bool {
        !self.is_start_wanted && !matches!(self.view.session, Session::Starting)
    }

    /// Whether closing the window ends a server that has jobs to do.
    pub fn has_jobs_to_leave(&self) -> bool {
        let asks = self.options.as_ref().is_some_and(|options| options.asks_before_leaving);
        asks && self.view.session == Session::Running(Place::Embedded) && self.view.unfinished_jobs() > 0
    }

    /// Starts the worker, if that was put off. Returns at once.
    pub fn start_if_wanted(&mut self, outbox: &Outbox) {
        if !std::mem::take(&mut self.is_start_wanted) || self.worker.is_some() {
            return;
        }
        let Some(options) = self.options.clone() else { return };
        match worker::start(options, outbox.clone(), self.stopping.take()) {
            Ok((orders, views, ended)) => {
                self.view = views.borrow().clone();
                self.worker = Some(Worker { orders, views, ended });
            }
            Err(error) => {
                let session = Session::Failed(UserMessage {
                    what: "The embedded server could not start.".to_owned(),
                    advice: "Close other programs and try again.".to_owned(),
                    detail: error.to_string(),
                });
                self.view = Arc::new(View { session, ..View::default() });
            }
        }
    }

    /// Takes what the worker published since.
    pub fn refresh(&mut self) {
        if let Some(worker) = &mut self.worker {
            self.view = worker.views.borrow_and_update().clone();
        }
    }

    /// Asks for something. Orders to a server that is off are dropped; panels do not offer them.
    pub fn send(&mut self, order: Order) {
        match (&self.worker, order) {
            (Some(worker), order) => {
                // A worker that has ended has published why.
                let _ = worker.orders.send(order);
            }
            (None, Order::Retry) => self.is_start_wanted = self.options.is_some(),
            (None, _) => {}
        }
    }

    /// Switches the server on or off. Off lets go of it: it stops in the background, its operators go on.
    pub fn switch(&mut self, is_on: bool) {
        if is_on {
            self.is_start_wanted = self.options.is_some() && self.worker.is_none();
        } else {
            self.is_start_wanted = false;
            if let Some(worker) = self.worker.take() {
                let _ = worker.orders.send(Order::Quit);
                self.stopping = Some(worker.ended);
            }
            self.view = Arc::default();
        }
    }
}

impl Drop for Console {
    /// Stops the server in order, as far as that is quick.
    fn drop(&mut self) {
        if let Some(worker) = self.worker.take() {
            let _ = worker.orders.send(Order::Quit);
            self.stopping = Some(worker.ended);
        }
        if let Some(ended) = &self.stopping {
            // Nothing is sent; the end of the channel is the end of the worker.
            let _ = ended.recv_timeout(STOP_PATIENCE);
        }
    }
}
