//! The platform on the wire: thin gRPC services over [`Platform`].
//!
//! `clara` speaks the published API, whose errors travel in the header of an answer that gRPC calls OK; `extension`
//! is our own, whose errors are gRPC statuses. Listeners, encryption and log-ins are not here: [`clara_services`] and
//! [`all_services`] hand out what a listener serves.
//!
//! Nothing is buffered beyond one message: answers are made as the client takes them, and uploads are read as the
//! platform takes them. A client that goes away drops the call, and with it the work that was for it alone.

mod clara;
mod cut;
mod extension;
mod incoming;
mod lifetime;
mod reply;
mod status;
mod whole;

use platform_api::proto::FILE_DESCRIPTOR_SET;
use platform_api::proto::clara::clara_server::ClaraServer;
use platform_api::proto::clara::jobs_server::JobsServer;
use platform_api::proto::clara::models_server::ModelsServer;
use platform_api::proto::clara::payloads_server::PayloadsServer;
use platform_api::proto::clara::pipelines_server::PipelinesServer;
use platform_api::proto::extension as lantern;
use tokio::sync::watch;
use tonic::service::Routes;
use tonic::service::RoutesBuilder;

use crate::platform::Platform;
use whole::Whole;

pub use status::status;

/// Largest message that is sent: what published clients take.
pub const MAX_SENT_BYTES: usize = 4 << 20;

/// Largest message that is taken: published clients send up to 4 MiB, and a little may come on top.
pub const MAX_RECEIVED_BYTES: usize = (4 << 20) + (64 << 10);

/// Becomes true when the server is about to stop. Streams that never end by themselves end then.
pub type Stop = watch::Receiver<bool>;

/// What every service has.
#[derive(Clone)]
struct Service {
    platform: Platform,
    stop: Stop,
}

/// The published services alone, for a port that is meant for published clients.
pub async fn clara_services(platform: Platform, stop: Stop) -> Routes {
    let mut routes = Routes::builder();
    add_clara(&mut routes, &Service { platform, stop });
    add_health(&mut routes).await;
    routes.routes()
}

/// Everything: the published services, our own, health and reflection.
pub async fn all_services(platform: Platform, stop: Stop) -> Routes {
    let mut routes = Routes::builder();
    let service = Service { platform, stop };
    add_clara(&mut routes, &service);
    add_extension(&mut routes, &service);
    add_health(&mut routes).await;
    add_reflection(&mut routes);
    routes.routes()
}

/// Both limits on messages, and no stream that was cut off taken for a whole one.
macro_rules! add {
    ($routes:expr, $($server:path),* $(,)?; $service:expr) => {{
        use $crate::grpc::{MAX_RECEIVED_BYTES, MAX_SENT_BYTES};
        $($routes.add_service(Whole(
            <$server>::new($service.clone())
                .max_decoding_message_size(MAX_RECEIVED_BYTES)
                .max_encoding_message_size(MAX_SENT_BYTES),
        ));)*
    }};
}

fn add_clara(routes: &mut RoutesBuilder, service: &Service) {
    add!(
        routes,
        ClaraServer<Service>, PipelinesServer<Service>, JobsServer<Service>, PayloadsServer<Service>, ModelsServer<Service>;
        service
    );
}

fn add_extension(routes: &mut RoutesBuilder, service: &Service) {
    add!(
        routes,
        lantern::server_server::ServerServer<Service>,
        lantern::jobs_server::JobsServer<Service>,
        lantern::payloads_server::PayloadsServer<Service>,
        lantern::logs_server::LogsServer<Service>,
        lantern::events_server::EventsServer<Service>,
        lantern::access_server::AccessServer<Service>;
        service
    );
}

async fn add_health(routes: &mut RoutesBuilder) {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<ClaraServer<Service>>().await;
    reporter.set_serving::<PipelinesServer<Service>>().await;
    reporter.set_serving::<JobsServer<Service>>().await;
    reporter.set_serving::<PayloadsServer<Service>>().await;
    reporter.set_serving::<ModelsServer<Service>>().await;
    routes.add_service(health);
}

fn add_reflection(routes: &mut RoutesBuilder) {
    let builder = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    // Tools of different ages ask by different names.
    let v1 = builder().build_v1().expect("descriptors that the build compiled are whole");
    let v1alpha = builder().build_v1alpha().expect("descriptors that the build compiled are whole");
    routes.add_service(v1).add_service(v1alpha);
}

#[cfg(test)]
mod tests {
    #[test]
    fn descriptors_for_reflection_are_whole() {
        super::add_reflection(&mut tonic::service::Routes::builder());
    }
}
