//! Counters of what happens.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use platform_api::job::OperatorStatus;
use tonic::Code;

use super::Facts;
use super::text::Page;
use crate::access::Denied;

/// Upper bounds of the time that calls take, in seconds.
const CALL_BOUNDS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0];
/// Upper bounds of the time that jobs wait and operators run, in seconds.
const WORK_BOUNDS: [f64; 11] = [0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0];

/// Which way the content of payloads goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From clients.
    Up,
    /// To clients.
    Down,
}

/// How often something took how long.
#[derive(Clone)]
struct Histogram {
    bounds: &'static [f64; 11],
    counts: [u64; 12],
    sum: f64,
}

impl Histogram {
    fn new(bounds: &'static [f64; 11]) -> Self {
        Self { bounds, counts: [0; 12], sum: 0.0 }
    }

    fn observe(&mut self, value: Duration) {
        let value = value.as_secs_f64();
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.sum += value;
    }

    fn write(&self, page: &mut Page, name: &str, labels: &[(&str, &str)]) {
        let mut total = 0;
        let bounds = self.bounds.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(self.counts) {
            total += count;
            let labels = [labels, &[("le", bound.as_str())]].concat();
            page.sample(&format!("{name}_bucket"), &labels, total);
        }
        page.sample(&format!("{name}_sum"), labels, self.sum);
        page.sample(&format!("{name}_count"), labels, total);
    }
}

/// Counts what happens. Safe to use from many tasks; nothing here waits longer than for a few numbers.
pub struct Metrics {
    tables: Mutex<Tables>,
    connections: AtomicU64,
    connections_refused: AtomicU64,
    bytes_up: AtomicU64,
    bytes_down: AtomicU64,
}

struct Tables {
    calls: BTreeMap<(&'static str, &'static str), u64>,
    call_times: BTreeMap<&'static str, Histogram>,
    logins_refused: BTreeMap<&'static str, u64>,
    waits: Histogram,
    runs: BTreeMap<&'static str, Histogram>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            tables: Mutex::new(Tables {
                calls: BTreeMap::new(),
                call_times: BTreeMap::new(),
                logins_refused: BTreeMap::new(),
                waits: Histogram::new(&WORK_BOUNDS),
                runs: BTreeMap::new(),
            }),
            connections: AtomicU64::new(0),
            connections_refused: AtomicU64::new(0),
            bytes_up: AtomicU64::new(0),
            bytes_down: AtomicU64::new(0),
        }
    }
}

/// Counts as an open connection until it is dropped.
pub struct OpenConnection(Arc<Metrics>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    fn tables(&self) -> std::sync::MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection is there.
    pub fn connection_open(self: &Arc<Self>) -> OpenConnection {
        self.connections.fetch_add(1, Ordering::Relaxed);
        OpenConnection(Arc::clone(self))
    }

    /// Connections that are there now.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// A connection was turned away because there are too many.
    pub fn connection_refused(&self) {
        self.connections_refused.fetch_add(1, Ordering::Relaxed);
    }

    /// A call is over. `method` is one of a fixed list.
    pub(super) fn call_ended(&self, method: &'static str, code: Code, time: Duration) {
        let mut tables = self.tables();
        *tables.calls.entry((method, code_name(code))).or_default() += 1;
        tables.call_times.entry(method).or_insert_with(|| Histogram::new(&CALL_BOUNDS)).observe(time);
    }

    /// A call was refused at the gate.
    pub(super) fn call_denied(&self, denied: &Denied) {
        let reason = match denied {
            Denied::NotLoggedIn => "not-logged-in",
            Denied::WrongCredentials { .. } => "wrong-credentials",
            Denied::TooManyFailures { .. } => "too-many-failures",
            Denied::Busy => "busy",
            Denied::RoleTooWeak { .. } => "role-too-weak",
            Denied::NoDownloads { .. } => "no-downloads",
            Denied::Unavailable => "unavailable",
            Denied::NoSuchCall => return,
        };
        *self.tables().logins_refused.entry(reason).or_default() += 1;
    }

    /// A job left the queue after so long.
    pub fn job_waited(&self, time: Duration) {
        self.tables().waits.observe(time);
    }

    /// An operator ended after so long.
    pub fn operator_ended(&self, status: OperatorStatus, time: Duration) {
        let mut tables = self.tables();
        tables.runs.entry(status.name()).or_insert_with(|| Histogram::new(&WORK_BOUNDS)).observe(time);
    }

    /// So much content of payloads went up or down.
    pub fn payload_bytes(&self, direction: Direction, bytes: u64) {
        let counter = match direction {
            Direction::Up => &self.bytes_up,
            Direction::Down => &self.bytes_down,
        };
        counter.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Everything in the text form of Prometheus.
    pub fn render(&self, facts: Option<&Facts>) -> String {
        let mut page = Page::default();
        if let Some(facts) = facts {
            write_facts(&mut page, facts);
        }
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        page.metric("lantern_connections", "gauge", "Open connections.");
        page.sample("lantern_connections", &[], load(&self.connections));
        page.metric("lantern_connections_refused_total", "counter", "Connections turned away: too many.");
        page.sample("lantern_connections_refused_total", &[], load(&self.connections_refused));
        page.metric("lantern_payload_bytes_total", "counter", "Content of payloads that went up or down.");
        page.sample("lantern_payload_bytes_total", &[("direction", "up")], load(&self.bytes_up));
        page.sample("lantern_payload_bytes_total", &[("direction", "down")], load(&self.bytes_down));
        let tables = self.tables();
        page.metric("lantern_calls_refused_total", "counter", "Calls refused before a service saw them.");
        for (reason, count) in &tables.logins_refused {
            page.sample("lantern_calls_refused_total", &[("reason", reason)], count);
        }
        page.metric("lantern_calls_total", "counter", "Calls by how they ended.");
        for ((method, code), count) in &tables.calls {
            page.sample("lantern_calls_total", &[("method", method), ("code", code)], count);
        }
        page.metric("lantern_call_seconds", "histogram", "Time from a call's headers to its end.");
        for (method, times) in &tables.call_times {
            times.write(&mut page, "lantern_call_seconds", &[("method", method)]);
        }
        page.metric("lantern_queue_wait_seconds", "histogram", "Time that jobs waited for their turn.");
        tables.waits.write(&mut page, "lantern_queue_wait_seconds", &[]);
        page.metric("lantern_operator_seconds", "histogram", "Time that operators ran.");
        for (status, times) in &tables.runs {
            times.write(&mut page, "lantern_operator_seconds", &[("status", status)]);
        }
        page.into_text()
    }
}

fn write_facts(page: &mut Page, facts: &Facts) {
    page.metric("lantern_jobs", "gauge", "Jobs by where they stand and how they fare.");
    for (state, status, count) in &facts.jobs {
        let labels = [("state", state.name()), ("status", status.name())];
        page.sample("lantern_jobs", &labels, count);
    }
    page.metric("lantern_queue_length", "gauge", "Jobs that wait for their turn.");
    page.sample("lantern_queue_length", &[], facts.queue_length);
    page.metric("lantern_queue_oldest_seconds", "gauge", "How long the first of them has waited.");
    page.sample("lantern_queue_oldest_seconds", &[], facts.queue_oldest.as_secs_f64());
    page.metric(
        "lantern_operators_sandboxed",
        "gauge",
        "1 where a sandbox stands between operators and the machine.",
    );
    page.sample("lantern_operators_sandboxed", &[], u8::from(facts.is_sandboxed));
    if let Some((used, all)) = facts.disk {
        page.metric("lantern_disk_used_bytes", "gauge", "Used bytes of the device that payloads lie on.");
        page.sample("lantern_disk_used_bytes", &[], used);
        page.metric("lantern_disk_bytes", "gauge", "All bytes of the device that payloads lie on.");
        page.sample("lantern_disk_bytes", &[], all);
    }
}

/// As the gRPC documentation writes them.
fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use platform_api::job::{JobState, JobStatus};

    use super::*;

    #[test]
    fn buckets_hold_all_below_their_bound() {
        let metrics = Metrics::default();
        for millis in [1, 10, 11, 2_000_000] {
            metrics.job_waited(Duration::from_millis(millis));
        }
        let text = metrics.render(None);
        for line in [
            "lantern_queue_wait_seconds_bucket{le=\"0.01\"} 2",
            "lantern_queue_wait_seconds_bucket{le=\"0.05\"} 3",
            "lantern_queue_wait_seconds_bucket{le=\"1800\"} 3",
            "lantern_queue_wait_seconds_bucket{le=\"+Inf\"} 4",
            "lantern_queue_wait_seconds_sum 2000.022",
            "lantern_queue_wait_seconds_count 4",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn the_page_tells_what_was_counted() {
        let metrics = Arc::new(Metrics::default());
        let open = metrics.connection_open();
        metrics.call_ended("/a.B/C", Code::NotFound, Duration::from_millis(2));
        metrics.call_denied(&Denied::NotLoggedIn);
        metrics.operator_ended(OperatorStatus::Faulted, Duration::from_secs(2));
        metrics.payload_bytes(Direction::Down, 5);
        let jobs = vec![(JobState::Stopped, JobStatus::Evicted, 7)];
        let facts = Facts {
            jobs,
            queue_length: 3,
            queue_oldest: Duration::from_millis(1500),
            disk: Some((1, 2)),
            is_sandboxed: false,
        };
        let text = metrics.render(Some(&facts));
        for line in [
            "lantern_connections 1",
            "lantern_calls_total{method=\"/a.B/C\",code=\"NOT_FOUND\"} 1",
            "lantern_call_seconds_bucket{method=\"/a.B/C\",le=\"0.0025\"} 1",
            "lantern_call_seconds_bucket{method=\"/a.B/C\",le=\"0.001\"} 0",
            "lantern_calls_refused_total{reason=\"not-logged-in\"} 1",
            "lantern_operator_seconds_count{status=\"faulted\"} 1",
            "lantern_payload_bytes_total{direction=\"down\"} 5",
            "lantern_jobs{state=\"stopped\",status=\"evicted\"} 7",
            "lantern_queue_length 3",
            "lantern_queue_oldest_seconds 1.5",
            "lantern_disk_used_bytes 1",
            "lantern_operators_sandboxed 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        drop(open);
        assert_eq!(metrics.connections(), 0);
    }
}
