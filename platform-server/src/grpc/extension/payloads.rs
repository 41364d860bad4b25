//! Lists of payloads.

use std::collections::BTreeSet;

use platform_api::code;
use platform_api::convert::{ConvertError, payload_type};
use platform_api::payload::PayloadType;
use platform_api::proto::extension as wire;
use platform_api::proto::extension::payloads_server::Payloads;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status};

use super::{id, payload};
use crate::grpc::lifetime::Lifetime;
use crate::grpc::reply::{Replies, refuse};
use crate::grpc::{Service, status};
use crate::platform::{Answers, FileSums, PayloadDetails};

#[tonic::async_trait]
impl Payloads for Service {
    type ListStream = Replies<wire::Payload>;

    async fn list(
        &self,
        request: Request<wire::ListPayloadsRequest>,
    ) -> Result<Response<Self::ListStream>, Status> {
        let lifetime = Lifetime::of(&request, &self.stop);
        let wire::ListPayloadsRequest { types, after_id, limit } = request.into_inner();
        let after = match after_id.as_str() {
            "" => None,
            text => Some(id(text, code::PAYLOAD_ID_MALFORMED)?),
        };
        let types: Result<BTreeSet<PayloadType>, ConvertError> =
            types.iter().map(|number| payload_type(*number)).collect();
        let types = types
            .map_err(refuse(code::PAYLOADS_NOT_LISTED))
            .map_err(|refusal| Status::invalid_argument(refusal.to_string()))?;
        Ok(Response::new(lifetime.bound(list(self.platform.payloads(after), types, limit))))
    }
}

fn list(
    payloads: Answers<(PayloadDetails, FileSums)>,
    types: BTreeSet<PayloadType>,
    limit: u32,
) -> impl Stream<Item = Result<wire::Payload, Status>> + Send {
    let limit = if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) };
    let chosen = payloads.filter_map(move |answer| match answer {
        Ok((details, files)) => {
            let is_chosen = types.is_empty() || types.contains(&details.payload_type);
            is_chosen.then(|| Ok(payload(&details, files)))
        }
        Err(refusal) => Some(Err(status(&refusal))),
    });
    chosen.take(limit)
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use platform_api::id::PayloadId;
    use platform_api::metadata::Metadata;

    use super::*;

    async fn listed(types: &[PayloadType], limit: u32) -> Vec<String> {
        let payloads = (1..5).map(|n| {
            let details = PayloadDetails {
                id: PayloadId::from_bits(n),
                payload_type: if n % 2 == 0 { PayloadType::Reusable } else { PayloadType::Pipeline },
                job: None,
                created_ms: 0,
                metadata: Metadata::new(),
                is_read_only: false,
            };
            Ok((details, FileSums::default()))
        });
        let answers: Answers<_> = Box::pin(stream::iter(payloads));
        let messages = list(answers, types.iter().copied().collect(), limit);
        messages.map(|message| message.unwrap().payload_id[31..].to_owned()).collect().await
    }

    #[tokio::test]
    async fn types_choose_before_the_limit_counts() {
        assert_eq!(listed(&[], 0).await, ["1", "2", "3", "4"]);
        assert_eq!(listed(&[PayloadType::Reusable], 0).await, ["2", "4"]);
        assert_eq!(listed(&[PayloadType::Reusable], 1).await, ["2"]);
    }
}
