//! Traces: spans of calls, jobs and operators, and the context that ties them to the spans of others.
//!
//! Spans are those of `tracing`: whoever installs a subscriber decides whether they are made and where they go, and
//! they cost nothing where none wants them. They hold names of calls and operators, identifiers and outcomes; names of
//! jobs and files stay out, because those may tell of patients.
//! Source: W3C Recommendation "Trace Context", version 00.

use http::HeaderMap;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use platform_api::id::JobId;
use platform_api::job::JobStatus;
use tonic::Code;
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::scheduler::{Outcome, RunToken};

/// The target of all spans here, for filters.
pub const TARGET: &str = module_path!();

/// Header and environment variable that carry a context.
const TRACEPARENT: &str = "traceparent";

/// A call, below whatever its caller traces. `method` is one of a fixed list.
pub(crate) fn call(method: &'static str, headers: &HeaderMap) -> Span {
    let span = tracing::info_span!(
        parent: None,
        "call",
        otel.name = method,
        otel.kind = "server",
        otel.status_code = Empty,
        rpc.system = "grpc",
        rpc.grpc.status_code = Empty,
    );
    if !span.is_disabled()
        && let Some(remote) = headers.get(TRACEPARENT).and_then(|text| text.to_str().ok()).and_then(parse)
    {
        // Where no traces are made there is nothing to be below.
        let _ = span.set_parent(opentelemetry::Context::new().with_remote_span_context(remote));
    }
    span
}

/// Notes how a call ended.
pub(crate) fn call_ended(span: &Span, code: Code) {
    span.record("rpc.grpc.status_code", code as i64);
    // What the caller did wrong is no fault of the server.
    if matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    ) {
        span.record("otel.status_code", "ERROR");
    }
}

/// A job from its start to its end.
pub(crate) fn job(parent: &Span, job: JobId) -> Span {
    tracing::info_span!(parent: parent, "job", job.id = %job, job.status = Empty, otel.status_code = Empty)
}

/// Notes how a job ended.
pub(crate) fn job_ended(span: &Span, status: JobStatus) {
    span.record("job.status", status.name());
    if status != JobStatus::Healthy {
        span.record("otel.status_code", "ERROR");
    }
}

/// A run of an operator.
pub(crate) fn run(parent: &Span, run: RunToken, operator: &str) -> Span {
    tracing::info_span!(
        parent: parent,
        "operator",
        job.id = %run.job,
        operator.name = operator,
        operator.attempt = run.attempt,
        operator.fault = Empty,
        otel.status_code = Empty,
    )
}

/// Notes how a run ended.
pub(crate) fn run_ended(span: &Span, outcome: &Outcome) {
    if let Outcome::Faulted(fault) = outcome {
        span.record("operator.fault", tracing::field::display(fault));
        span.record("otel.status_code", "ERROR");
    }
}

/// What a program below a span is told; none where no traces are made.
pub(crate) fn traceparent(span: &Span) -> Option<String> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let context = context.span().span_context().clone();
    let flags = context.trace_flags() & TraceFlags::SAMPLED;
    context
        .is_valid()
        .then(|| format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), flags.to_u8()))
}

/// `00-<trace id>-<parent id>-<flags>`; of later versions the same beginning. None for anything else.
fn parse(text: &str) -> Option<SpanContext> {
    let mut parts = text.trim().splitn(5, '-');
    let mut hex = |digits: usize| {
        let part = parts.next()?;
        let is_hex = part.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        (part.len() == digits && is_hex).then_some(part)
    };
    let (version, trace, span, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
    if version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let context = SpanContext::new(trace, span, flags, true, TraceState::default());
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_read_as_the_recommendation_writes_them() {
        let read = |text: &str| {
            parse(text).map(|context| {
                (context.trace_id().to_string(), context.span_id().to_string(), context.is_sampled())
            })
        };
        let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        let known = |is_sampled| Some((trace.to_owned(), span.to_owned(), is_sampled));
        assert_eq!(read(&format!("00-{trace}-{span}-01")), known(true));
        assert_eq!(read(&format!("00-{trace}-{span}-02")), known(false));
        assert_eq!(read(&format!("cc-{trace}-{span}-01-what-comes")), known(true));
        for broken in [
            "",
            "00",
            &format!("00-{trace}-{span}"),
            &format!("00-{trace}-{span}-01-more"),
            &format!("ff-{trace}-{span}-01"),
            &format!("00-{}-{span}-01", "0".repeat(32)),
            &format!("00-{trace}-{}-01", "0".repeat(16)),
            &format!("00-{}-{span}-01", trace.to_uppercase()),
            &format!("00-{}-{span}-01", &trace[1..]),
            &format!("00-+{}-{span}-01", &trace[1..]),
        ] {
            assert!(parse(broken).is_none(), "{broken}");
        }
    }

    #[test]
    fn nothing_is_handed_on_where_no_traces_are_made() {
        let span = call("a", &HeaderMap::new());
        assert_eq!(traceparent(&span), None);
        assert_eq!(
            traceparent(&run(&span, RunToken { job: JobId::from_bits(1), operator: 0, attempt: 1 }, "a")),
            None
        );
    }
}
