//! Where the server's log and traces go.
//!
//! Traces go to a collector by OTLP when the standard's environment variables name one; without them nothing of it is
//! set up. Source: OpenTelemetry, "Environment Variable Specification" and "OTLP Exporter Configuration".

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use super::UsageError;

/// Sends traces until it is stopped.
pub(super) struct Telemetry(Option<SdkTracerProvider>);

/// Starts the log, and traces where the environment asks for them. Must be called within a runtime.
pub(super) fn start() -> anyhow::Result<Telemetry> {
    let provider = if asks_for_traces(|name| std::env::var(name).ok())? { Some(provider()?) } else { None };
    let traces = provider.as_ref().map(|provider| {
        let own = Targets::new().with_target(platform_server::trace::TARGET, tracing::Level::INFO);
        tracing_opentelemetry::layer().with_tracer(provider.tracer("lantern")).with_filter(own)
    });
    let log = fmt::layer().with_writer(std::io::stderr).with_filter(super::log_filter(false));
    // A second start within one process (tests) keeps the first subscriber.
    let _ = tracing_subscriber::registry().with(traces).with(log).try_init();
    Ok(Telemetry(provider))
}

impl Telemetry {
    /// Sends what waits.
    pub(super) async fn stop(self) {
        let Some(provider) = self.0 else { return };
        // Waits for the exporter, which works on the runtime.
        let stopped = tokio::task::spawn_blocking(move || provider.shutdown()).await;
        if let Ok(Err(error)) = stopped {
            tracing::error!(%error, "the last traces are lost");
        }
    }
}

/// Whether a collector is named.
///
/// # Errors
/// Names what the standard knows and this program does not.
fn asks_for_traces(variable: impl Fn(&str) -> Option<String>) -> Result<bool, UsageError> {
    let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
    let either = |name: &str| {
        let own = variable(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}"));
        own.or_else(|| variable(&format!("OTEL_EXPORTER_OTLP_{name}")))
    };
    let Some(endpoint) = either("ENDPOINT") else { return Ok(false) };
    let is_disabled = variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    match variable("OTEL_TRACES_EXPORTER").as_deref() {
        _ if is_disabled => return Ok(false),
        Some("none") => return Ok(false),
        None | Some("otlp") => {}
        Some(other) => {
            let text = format!("OTEL_TRACES_EXPORTER is `{other}`; traces go out by `otlp` only");
            return Err(UsageError(text));
        }
    }
    if let Some(protocol) = either("PROTOCOL").filter(|protocol| protocol != "grpc") {
        return Err(UsageError(format!(
            "OTEL_EXPORTER_OTLP_PROTOCOL is `{protocol}`; only `grpc` is spoken here"
        )));
    }
    if !endpoint.starts_with("http://") {
        let text = "traces go to a collector in plain text, at an endpoint that begins with `http://`";
        return Err(UsageError(text.to_owned()));
    }
    Ok(true)
}

fn provider() -> anyhow::Result<SdkTracerProvider> {
    let exporter = SpanExporter::builder().with_tonic().build()?;
    // What the environment says of the resource goes before this.
    let named =
        ["OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"].map(|name| std::env::var(name).unwrap_or_default());
    let is_named = !named[0].is_empty() || named[1].contains("service.name=");
    let mut resource =
        Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    if !is_named {
        resource = resource.with_service_name("lantern");
    }
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(variables: &[(&str, &str)]) -> Result<bool, String> {
        let value = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        asks_for_traces(value).map_err(|error| error.to_string())
    }

    #[test]
    fn traces_are_made_only_where_a_collector_is_named() {
        const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4317");
        assert_eq!(asks(&[]), Ok(false));
        assert_eq!(asks(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]), Ok(false), "empty is unset");
        assert_eq!(asks(&[ENDPOINT]), Ok(true));
        assert_eq!(asks(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://[::1]:4317")]), Ok(true));
        assert_eq!(asks(&[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")]), Ok(false));
        assert_eq!(asks(&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")]), Ok(false));
        assert_eq!(asks(&[ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]), Ok(true));
    }

    #[test]
    fn what_cannot_be_done_is_said_and_not_ignored() {
        const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4317");
        for (variables, expected) in [
            (vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "https://localhost:4317")], "plain text"),
            (vec![ENDPOINT, ("OTEL_TRACES_EXPORTER", "zipkin")], "zipkin"),
            (vec![ENDPOINT, ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json")], "http/json"),
        ] {
            let error = asks(&variables).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
