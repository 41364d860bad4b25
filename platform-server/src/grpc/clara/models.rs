//! Models, catalogs of models, and the lists that inference servers serve.
//!
//! Lists come in as many messages as they need; an empty list of models is a stream without messages, since the
//! published wrapper breaks on any message here.

use bytes::Bytes;
use futures_util::stream;
use platform_api::code::{self, ErrorCode};
use platform_api::convert::{identifier, model_message, model_type};
use platform_api::header::{Refusal, success};
use platform_api::id::{CatalogId, InstanceId, ModelId};
use platform_api::metadata::Metadata;
use platform_api::model::{ModelDetails, ModelType};
use platform_api::proto::clara as wire;
use platform_api::proto::clara::Identifier;
use platform_api::proto::clara::models_server::Models;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use super::{add_metadata, agrees, id, malformed, metadata, remove_metadata};
use crate::access::AuditNote;
use crate::grpc::lifetime::Lifetime;
use crate::grpc::reply::{Replies, Reply, refuse, refused, replies, reply};
use crate::grpc::{Service, cut, incoming};
use crate::platform::{Answer, FilePieces};

/// Most models that one list may name.
const MAX_LIST: usize = 1 << 16;

#[tonic::async_trait]
impl Models for Service {
    async fn upload_model(
        &self,
        request: Request<Streaming<wire::ModelsUploadModelRequest>>,
    ) -> Result<Response<wire::ModelsUploadModelResponse>, Status> {
        let mut messages = request.into_inner();
        let Some(first) = messages.message().await? else {
            return reply(Err(malformed(code::MODEL_UPLOAD_MALFORMED, "the upload holds no message")));
        };
        let new = match NewModel::of(first.details) {
            Ok(new) => new,
            Err(refusal) => return reply(Err(refusal)),
        };
        let name = new.name.clone();
        let (pieces, outcome) =
            incoming::pieces(first.data, messages, move |message| read_piece(&name, message));
        let answer = self.platform.upload_model(new.name, new.model_type, new.metadata, pieces).await;
        let answer = answer.inspect(|model| AuditNote::about(model.id));
        reply(outcome.of(answer)?.map(|model| wire::ModelsUploadModelResponse {
            header: success(),
            details: Some(model_message(&model)),
        }))
    }

    type DownloadModelStream = Replies<wire::ModelsDownloadModelResponse>;

    async fn download_model(
        &self,
        request: Request<wire::ModelsDownloadModelRequest>,
    ) -> Result<Response<Self::DownloadModelStream>, Status> {
        let lifetime = Lifetime::of(&request, &self.stop);
        let answer =
            async { self.platform.download_model(model_id(request.get_ref().model_id.as_ref())?).await };
        Ok(Response::new(match answer.await {
            Ok((model, pieces)) => lifetime.bound(replies(download_messages(&model, pieces))),
            Err(refusal) => refused(refusal),
        }))
    }

    type ListModelsStream = Replies<wire::ModelsListModelsResponse>;

    async fn list_models(
        &self,
        _: Request<wire::ModelsListModelsRequest>,
    ) -> Result<Response<Self::ListModelsStream>, Status> {
        Ok(many(self.platform.models().await, |models| {
            let message = |models| wire::ModelsListModelsResponse { header: success(), models };
            cut::messages(models.iter().map(model_message)).into_iter().map(message).collect()
        }))
    }

    async fn delete_model(
        &self,
        request: Request<wire::ModelsDeleteModelRequest>,
    ) -> Result<Response<wire::ModelsDeleteModelResponse>, Status> {
        reply(
            async {
                let id = model_id(request.get_ref().model_id.as_ref())?;
                self.platform.delete_model(id).await?;
                Ok(wire::ModelsDeleteModelResponse { header: success(), model_id: identifier(id) })
            }
            .await,
        )
    }

    async fn create_catalog(
        &self,
        _: Request<wire::ModelsCreateCatalogRequest>,
    ) -> Result<Response<wire::ModelsCreateCatalogResponse>, Status> {
        let answer = self.platform.create_catalog().await.inspect(|id| AuditNote::about(id));
        reply(
            answer.map(|id| wire::ModelsCreateCatalogResponse {
                header: success(),
                catalog_id: identifier(id),
            }),
        )
    }

    async fn delete_catalog(
        &self,
        request: Request<wire::ModelsDeleteCatalogRequest>,
    ) -> Result<Response<wire::ModelsDeleteCatalogResponse>, Status> {
        reply(
            async {
                let id = catalog_id(request.get_ref().catalog_id.as_ref())?;
                self.platform.delete_catalog(id).await?;
                Ok(wire::ModelsDeleteCatalogResponse { header: success(), catalog_id: identifier(id) })
            }
            .await,
        )
    }

    type ReadCatalogStream = Replies<wire::ModelsReadCatalogResponse>;

    async fn read_catalog(
        &self,
        request: Request<wire::ModelsReadCatalogRequest>,
    ) -> Result<Response<Self::ReadCatalogStream>, Status> {
        let answer = async {
            let id = catalog_id(request.get_ref().catalog_id.as_ref())?;
            Ok((id, self.platform.catalog(id).await?))
        };
        Ok(many(answer.await, |(id, models)| {
            let message = |models| wire::ModelsReadCatalogResponse {
                header: success(),
                catalog_id: identifier(id),
                models,
            };
            at_least_one(&models).into_iter().map(message).collect()
        }))
    }

    async fn update_catalog(
        &self,
        request: Request<Streaming<wire::ModelsUpdateCatalogRequest>>,
    ) -> Result<Response<wire::ModelsUpdateCatalogResponse>, Status> {
        let parts = request.into_inner().map(|message| message.map(|part| (part.catalog_id, part.model_ids)));
        let list = collect(parts, code::CATALOG_ID_MALFORMED).await?;
        reply(
            async {
                let (id, models) = list?;
                let id = catalog_id(id.as_ref())?;
                self.platform.update_catalog(id, models).await?;
                Ok(wire::ModelsUpdateCatalogResponse { header: success(), catalog_id: identifier(id) })
            }
            .await,
        )
    }

    type ListCatalogsStream = Replies<wire::ModelsListCatalogsResponse>;

    async fn list_catalogs(
        &self,
        _: Request<wire::ModelsListCatalogsRequest>,
    ) -> Result<Response<Self::ListCatalogsStream>, Status> {
        Ok(many(self.platform.catalogs().await, |catalogs| {
            let lists = catalogs.iter().flat_map(|(id, models)| lists(identifier(id), models));
            lists
                .map(|list| wire::ModelsListCatalogsResponse { header: success(), catalogs: vec![list] })
                .collect()
        }))
    }

    async fn create_instance(
        &self,
        _: Request<wire::ModelsCreateInstanceRequest>,
    ) -> Result<Response<wire::ModelsCreateInstanceResponse>, Status> {
        let answer = self.platform.create_instance().await.inspect(|id| AuditNote::about(id));
        reply(
            answer.map(|id| wire::ModelsCreateInstanceResponse {
                header: success(),
                instance_id: identifier(id),
            }),
        )
    }

    async fn delete_instance(
        &self,
        request: Request<wire::ModelsDeleteInstanceRequest>,
    ) -> Result<Response<wire::ModelsDeleteInstanceResponse>, Status> {
        reply(
            async {
                let id = instance_id(request.get_ref().instance_id.as_ref())?;
                self.platform.delete_instance(id).await?;
                Ok(wire::ModelsDeleteInstanceResponse { header: success(), instance_id: identifier(id) })
            }
            .await,
        )
    }

    type ReadInstanceStream = Replies<wire::ModelsReadInstanceResponse>;

    async fn read_instance(
        &self,
        request: Request<wire::ModelsReadInstanceRequest>,
    ) -> Result<Response<Self::ReadInstanceStream>, Status> {
        let answer = async {
            let id = instance_id(request.get_ref().instance_id.as_ref())?;
            Ok((id, self.platform.instance(id).await?))
        };
        Ok(many(answer.await, |(id, models)| {
            let message = |models| wire::ModelsReadInstanceResponse {
                header: success(),
                instance_id: identifier(id),
                models,
            };
            at_least_one(&models).into_iter().map(message).collect()
        }))
    }

    async fn update_instance(
        &self,
        request: Request<Streaming<wire::ModelsUpdateInstanceRequest>>,
    ) -> Result<Response<wire::ModelsUpdateInstanceResponse>, Status> {
        let parts =
            request.into_inner().map(|message| message.map(|part| (part.instance_id, part.model_ids)));
        let list = collect(parts, code::INSTANCE_ID_MALFORMED).await?;
        reply(
            async {
                let (id, models) = list?;
                let id = instance_id(id.as_ref())?;
                self.platform.update_instance(id, models).await?;
                Ok(wire::ModelsUpdateInstanceResponse { header: success(), instance_id: identifier(id) })
            }
            .await,
        )
    }

    type ListInstancesStream = Replies<wire::ModelsListInstancesResponse>;

    async fn list_instances(
        &self,
        _: Request<wire::ModelsListInstancesRequest>,
    ) -> Result<Response<Self::ListInstancesStream>, Status> {
        Ok(many(self.platform.instances().await, |instances| {
            let lists = instances.iter().flat_map(|(id, models)| lists(identifier(id), models));
            lists
                .map(|list| wire::ModelsListInstancesResponse { header: success(), instances: vec![list] })
                .collect()
        }))
    }

    async fn add_metadata(
        &self,
        request: Request<wire::ModelsAddMetadataRequest>,
    ) -> Result<Response<wire::ModelsAddMetadataResponse>, Status> {
        add_metadata!(
            self.add_model_metadata, request, model_id, code::MODEL_METADATA_INVALID
            => ModelsAddMetadataResponse
        )
    }

    async fn remove_metadata(
        &self,
        request: Request<wire::ModelsRemoveMetadataRequest>,
    ) -> Result<Response<wire::ModelsRemoveMetadataResponse>, Status> {
        remove_metadata!(self.remove_model_metadata, request, model_id => ModelsRemoveMetadataResponse)
    }
}

fn model_id(message: Option<&Identifier>) -> Answer<ModelId> {
    id(message, "model id", code::MODEL_ID_MALFORMED)
}

fn catalog_id(message: Option<&Identifier>) -> Answer<CatalogId> {
    id(message, "catalog id", code::CATALOG_ID_MALFORMED)
}

fn instance_id(message: Option<&Identifier>) -> Answer<InstanceId> {
    id(message, "instance id", code::INSTANCE_ID_MALFORMED)
}

/// An answer as a stream of the messages that are made of it.
fn many<T, M: Reply>(answer: Answer<T>, messages: impl FnOnce(T) -> Vec<M>) -> Response<Replies<M>> {
    Response::new(match answer {
        Ok(answer) => replies(stream::iter(messages(answer).into_iter().map(Ok))),
        Err(refusal) => refused(refusal),
    })
}

/// Models in groups that fit into messages; an empty list is one empty group.
fn at_least_one(models: &[ModelDetails]) -> Vec<Vec<wire::ModelDetails>> {
    let mut groups = cut::messages(models.iter().map(model_message));
    if groups.is_empty() {
        groups.push(Vec::new());
    }
    groups
}

/// A list as messages carry it; one that is too long for a message goes on in the next, under the same identifier.
fn lists(id: Option<Identifier>, models: &[ModelDetails]) -> Vec<wire::ModelCatalogDetails> {
    let list = |models| wire::ModelCatalogDetails { catalog_id: id.clone(), models };
    at_least_one(models).into_iter().map(list).collect()
}

/// What the first message of an upload says.
struct NewModel {
    name: String,
    model_type: ModelType,
    metadata: Metadata,
}

impl NewModel {
    fn of(details: Option<wire::ModelDetails>) -> Answer<Self> {
        let Some(details) = details else {
            let text = "the first message of the upload says nothing about the model";
            return Err(malformed(code::MODEL_UPLOAD_MALFORMED, text));
        };
        Ok(Self {
            name: details.name,
            model_type: model_type(details.r#type).map_err(refuse(code::MODEL_UPLOAD_MALFORMED))?,
            metadata: metadata(details.metadata, code::MODEL_METADATA_INVALID)?,
        })
    }
}

fn read_piece(name: &str, message: wire::ModelsUploadModelRequest) -> Answer<Bytes> {
    let later = message.details.map(|details| details.name).unwrap_or_default();
    if !later.is_empty() && later != name {
        return Err(malformed(code::MODEL_UPLOAD_MALFORMED, "messages of one upload name different models"));
    }
    Ok(message.data)
}

/// Details come with the first piece.
fn download_messages(
    model: &ModelDetails,
    pieces: FilePieces,
) -> impl Stream<Item = Answer<wire::ModelsDownloadModelResponse>> + Send + use<> {
    let details = Some(model_message(model));
    let first = wire::ModelsDownloadModelResponse { header: success(), details, data: Bytes::new() };
    let later = futures_util::StreamExt::flat_map(pieces, |piece| {
        let pieces: Vec<Answer<Bytes>> = match piece {
            Ok(data) => cut::pieces(data).into_iter().map(Ok).collect(),
            Err(refusal) => vec![Err(refusal)],
        };
        stream::iter(pieces.into_iter().map(|data| {
            Ok(wire::ModelsDownloadModelResponse { header: success(), details: None, data: data? })
        }))
    });
    stream::iter([Ok(first)]).chain(later)
}

/// All messages of a list; the identifier is that of the first one.
async fn collect(
    mut parts: impl Stream<Item = Result<(Option<Identifier>, Vec<Identifier>), Status>> + Unpin,
    list_code: ErrorCode,
) -> Result<Answer<(Option<Identifier>, Vec<ModelId>)>, Status> {
    let Some((id, first)) = parts.next().await.transpose()? else {
        return Ok(Err(malformed(list_code, "the list holds no message")));
    };
    let parsed = |ids: &[Identifier]| ids.iter().map(|id| model_id(Some(id))).collect::<Answer<Vec<_>>>();
    let mut models = match parsed(&first) {
        Ok(models) => models,
        Err(refusal) => return Ok(Err(refusal)),
    };
    while let Some((later, more)) = parts.next().await.transpose()? {
        if !agrees(id.as_ref(), later.as_ref()) {
            return Ok(Err(malformed(list_code, "messages of one list name different lists")));
        }
        match parsed(&more) {
            Ok(more) => models.extend(more),
            Err(refusal) => return Ok(Err(refusal)),
        }
        if models.len() > MAX_LIST {
            let text = format!("the list names more than {MAX_LIST} models");
            return Ok(Err(Refusal::new(code::MODEL_ID_MALFORMED, text)));
        }
    }
    Ok(Ok((id, models)))
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::grpc::MAX_SENT_BYTES;

    fn model(n: u128, metadata: Metadata) -> ModelDetails {
        ModelDetails {
            id: ModelId::from_bits(n),
            name: format!("m{n}"),
            model_type: ModelType::TensorRt,
            metadata,
        }
    }

    fn ids(numbers: &[u128]) -> Vec<Identifier> {
        numbers.iter().filter_map(|n| identifier(ModelId::from_bits(*n))).collect()
    }

    #[tokio::test]
    async fn a_list_may_come_in_several_messages() {
        let catalog = identifier(CatalogId::from_bits(1));
        let parts =
            [Ok((catalog.clone(), ids(&[1, 2]))), Ok((None, ids(&[3]))), Ok((catalog.clone(), vec![]))];
        let (id, models) = collect(stream::iter(parts), code::CATALOG_ID_MALFORMED).await.unwrap().unwrap();
        assert_eq!((id, models.len()), (catalog.clone(), 3));
        let nothing = collect(stream::iter([]), code::CATALOG_ID_MALFORMED).await.unwrap();
        assert_eq!(nothing.unwrap_err().code, code::CATALOG_ID_MALFORMED);
        let other = identifier(CatalogId::from_bits(2));
        let parts = [Ok((catalog, vec![])), Ok((other, vec![]))];
        assert!(collect(stream::iter(parts), code::CATALOG_ID_MALFORMED).await.unwrap().is_err());
    }

    #[tokio::test]
    async fn a_list_without_end_is_refused() {
        let many = ids(&[7; 1 << 12]);
        let endless = Box::pin(stream::repeat_with(move || Ok((None, many.clone()))));
        let refusal = collect(endless, code::CATALOG_ID_MALFORMED).await.unwrap().unwrap_err();
        assert_eq!(refusal.code, code::MODEL_ID_MALFORMED);
    }

    #[test]
    fn long_lists_go_on_under_the_same_identifier() {
        let metadata = Metadata::from_entries((0..10_000).map(|n| (n.to_string(), "v".repeat(256)))).unwrap();
        let models: Vec<_> = (0..3).map(|n| model(n, metadata.clone())).collect();
        let id = identifier(CatalogId::from_bits(1));
        let told = lists(id.clone(), &models);
        assert!(told.iter().all(|list| list.catalog_id == id && list.encoded_len() < MAX_SENT_BYTES));
        assert_eq!(told.iter().flat_map(|list| &list.models).count(), 3);
        assert_eq!(lists(id, &[]).len(), 1, "an empty list is there too");
    }

    #[tokio::test]
    async fn a_download_begins_with_details() {
        let pieces: FilePieces = Box::pin(stream::iter([Ok(Bytes::from_static(b"zip"))]));
        let messages: Vec<_> = download_messages(&model(1, Metadata::new()), pieces).collect().await;
        assert_eq!(messages[0].as_ref().unwrap().details.as_ref().unwrap().name, "m1");
        assert_eq!((messages.len(), messages[1].as_ref().unwrap().data.as_ref()), (2, b"zip".as_slice()));
    }
}
