//! Changes as they happen.
//!
//! An event is told when the watcher takes it, with the state of its object at that time, so a slow watcher gets few
//! and fresh ones; what is kept for it are numbers, and a bounded number of them. The platform looks at utilization
//! only while a watcher wants it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::stream;
use platform_api::code;
use platform_api::convert::extension::timestamp;
use platform_api::header::Refusal;
use platform_api::id::{JobId, PayloadId};
use platform_api::proto::extension as wire;
use platform_api::proto::extension::events_server::Events;
use platform_api::proto::extension::watch_response::Event as Told;
use platform_api::proto::extension::{model_changed, payload_changed, pipeline_changed};
use tokio::sync::watch::Receiver;
use tokio::time::Instant;
use tokio_stream::StreamExt;
use tonic::{Request, Response, Status};

use super::watch::{Filter, chosen};
use super::{job, operator, payload, utilization};
use crate::events::{Change, Event};
use crate::grpc::lifetime::Lifetime;
use crate::grpc::reply::Replies;
use crate::grpc::{Service, status};
use crate::platform::{Answer, ExtendedReport, Platform, UtilizationWatch};

/// Events that are looked at together: of several for one object the latest is told.
const BATCH: usize = 4096;
/// Reports that are remembered within a batch.
const REMEMBERED_REPORTS: usize = 64;
/// Without anything to tell for so long, a bookmark says so.
const QUIET: Duration = Duration::from_secs(10);

#[tonic::async_trait]
impl Events for Service {
    type WatchStream = Replies<wire::WatchResponse>;

    async fn watch(
        &self,
        request: Request<wire::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let lifetime = Lifetime::of(&request, &self.stop);
        let filter = Filter::of(request.get_ref())?;
        let watcher = Watcher::new(self.platform.clone(), filter, request.into_inner().resume_from);
        let messages = stream::unfold(Some(watcher), |watcher| async move {
            let mut watcher = watcher?;
            Some(match watcher.next().await {
                Ok(message) => (Ok(message), Some(watcher)),
                Err(refusal) => (Err(status(&refusal)), None),
            })
        });
        Ok(Response::new(lifetime.bound(messages)))
    }
}

struct Watcher {
    platform: Platform,
    filter: Filter,
    epoch: String,
    changed: Receiver<u64>,
    /// Held where the watcher wants it.
    utilization: Option<UtilizationWatch>,
    /// The last event that was looked at.
    position: u64,
    /// Events that are to be told.
    waiting: VecDeque<Event>,
    reports: HashMap<JobId, Option<Arc<ExtendedReport>>>,
    /// The first message, if it was not sent.
    first: Option<wire::WatchResponse>,
    last_sent: Instant,
}

impl Watcher {
    fn new(platform: Platform, filter: Filter, resume_from: Option<wire::Cursor>) -> Self {
        let changed = platform.events().last();
        let now = *changed.borrow();
        let epoch = platform.info().epoch;
        let is_known = |cursor: &wire::Cursor| {
            cursor.epoch == epoch && platform.events().after(cursor.sequence, 0).is_ok()
        };
        let (position, first) = match resume_from {
            None => (now, Told::Bookmark(wire::Bookmark {})),
            Some(cursor) if is_known(&cursor) => (cursor.sequence, Told::Bookmark(wire::Bookmark {})),
            Some(_) => (now, resync()),
        };
        let utilization = filter.wants(Change::Utilization).then(|| platform.watch_utilization());
        let mut watcher = Self {
            platform,
            filter,
            utilization,
            epoch,
            changed,
            position,
            waiting: VecDeque::new(),
            reports: HashMap::new(),
            first: None,
            last_sent: Instant::now(),
        };
        watcher.first = Some(watcher.message(position, SystemTime::now(), first));
        watcher
    }

    /// The next message, waited for.
    async fn next(&mut self) -> Answer<wire::WatchResponse> {
        if let Some(first) = self.first.take() {
            return Ok(first);
        }
        loop {
            while let Some(event) = self.waiting.pop_front() {
                if let Some(told) = self.tell(event.change).await? {
                    return Ok(self.message(event.sequence, event.time, told));
                }
            }
            // What is published from here on wakes the wait below.
            self.changed.mark_unchanged();
            let events = match self.platform.events().after(self.position, BATCH) {
                Ok(events) => events,
                Err(_) => {
                    self.position = *self.changed.borrow_and_update();
                    return Ok(self.message(self.position, SystemTime::now(), resync()));
                }
            };
            self.reports.clear();
            self.waiting = chosen(&events, &self.filter).into();
            if let Some(last) = events.last() {
                self.position = last.sequence;
            }
            if !self.waiting.is_empty() {
                continue;
            }
            let quiet = self.last_sent + QUIET;
            if Instant::now() >= quiet {
                let bookmark = Told::Bookmark(wire::Bookmark {});
                return Ok(self.message(self.position, SystemTime::now(), bookmark));
            }
            if events.is_empty() {
                tokio::select! {
                    changed = self.changed.changed() => changed.map_err(|_| stopping())?,
                    () = tokio::time::sleep_until(quiet) => {}
                }
            }
        }
    }

    fn message(&mut self, sequence: u64, time: SystemTime, event: Told) -> wire::WatchResponse {
        self.last_sent = Instant::now();
        let cursor = Some(wire::Cursor { epoch: self.epoch.clone(), sequence });
        wire::WatchResponse { cursor, time: timestamp(time), event: Some(event) }
    }

    /// The present state of what changed; `None` if it is gone, or if the watcher does not want it after all.
    async fn tell(&mut self, change: Change) -> Answer<Option<Told>> {
        Ok(match change {
            Change::Job(id) => self.report(id).await?.map(|report| Told::JobChanged(job(&report))),
            Change::Operator(id, index) => self.report(id).await?.and_then(|report| {
                let at = usize::try_from(index).ok()?;
                let operator = operator(report.report.operators.get(at)?, report.operators.get(at)?);
                Some(Told::OperatorChanged(wire::OperatorChanged {
                    job_id: id.to_string(),
                    operator: Some(operator),
                }))
            }),
            Change::Log(id, index, log_bytes) => self.report(id).await?.and_then(|report| {
                let at = usize::try_from(index).ok()?;
                let log_bytes = log_bytes.max(report.operators.get(at)?.log_bytes);
                let operator = report.report.operators.get(at)?;
                let operator_name = operator.name.clone();
                let job_id = id.to_string();
                Some(Told::LogAppended(wire::LogAppended { job_id, operator_name, log_bytes }))
            }),
            Change::Utilization => {
                let latest = self.utilization.as_ref().and_then(UtilizationWatch::latest);
                latest.map(|latest| Told::Utilization(utilization(&latest)))
            }
            Change::Payload(id) => self.payload(id).await?,
            Change::PayloadDeleted(id, _) => {
                let change = Some(payload_changed::Change::DeletedId(id.to_string()));
                Some(Told::PayloadChanged(wire::PayloadChanged { change }))
            }
            Change::Pipeline(id) => {
                let found = known(self.platform.pipeline(id).await, code::PIPELINE_UNKNOWN)?;
                found.map(|pipeline| {
                    let pipeline = wire::Pipeline {
                        pipeline_id: id.to_string(),
                        name: pipeline.summary.name,
                        metadata: pipeline.summary.metadata.to_map(),
                        revision: pipeline.summary.revision,
                    };
                    let change = Some(pipeline_changed::Change::Pipeline(pipeline));
                    Told::PipelineChanged(wire::PipelineChanged { change })
                })
            }
            Change::PipelineDeleted(id) => {
                let change = Some(pipeline_changed::Change::DeletedId(id.to_string()));
                Some(Told::PipelineChanged(wire::PipelineChanged { change }))
            }
            Change::Model(id) => {
                let models = self.platform.models().await?;
                models.into_iter().find(|model| model.id == id).map(|model| {
                    let model = wire::Model { model_id: id.to_string(), name: model.name };
                    let change = Some(model_changed::Change::Model(model));
                    Told::ModelChanged(wire::ModelChanged { change })
                })
            }
            Change::ModelDeleted(id) => {
                let change = Some(model_changed::Change::DeletedId(id.to_string()));
                Some(Told::ModelChanged(wire::ModelChanged { change }))
            }
        })
    }

    /// A job, asked for once in a batch: its state is then at least as new as the events.
    async fn report(&mut self, id: JobId) -> Answer<Option<Arc<ExtendedReport>>> {
        if let Some(report) = self.reports.get(&id) {
            return Ok(report.clone());
        }
        let report = known(self.platform.job_extended(id).await, code::JOB_UNKNOWN)?.map(Arc::new);
        if self.reports.len() >= REMEMBERED_REPORTS {
            self.reports.clear();
        }
        self.reports.insert(id, report.clone());
        Ok(report)
    }

    async fn payload(&self, id: PayloadId) -> Answer<Option<Told>> {
        // The one after its predecessor, since lists tell the files as well.
        let before = id.to_bits().checked_sub(1).map(PayloadId::from_bits);
        let Some(found) = self.platform.payloads(before).next().await else { return Ok(None) };
        let (details, files) = found?;
        let is_wanted = details.id == id && self.filter.wants_payload_of(details.job);
        Ok(is_wanted.then(|| {
            let change = Some(payload_changed::Change::Payload(payload(&details, files)));
            Told::PayloadChanged(wire::PayloadChanged { change })
        }))
    }
}

/// What there is, or nothing where it is unknown.
fn known<T>(answer: Answer<T>, unknown: code::ErrorCode) -> Answer<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(refusal) if refusal.code == unknown => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

fn resync() -> Told {
    Told::ResyncNeeded(wire::ResyncNeeded { reason: "events were lost; list again".to_owned() })
}

fn stopping() -> Refusal {
    Refusal::new(code::SHUTTING_DOWN, "the server is about to stop")
}
