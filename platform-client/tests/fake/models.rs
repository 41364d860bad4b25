//! Models, catalogs and instances.

use std::collections::BTreeMap;
use std::pin::Pin;

use platform_api::proto::clara::*;
use tonic::{Request, Response, Status, Streaming};

use super::clara::metadata;
use super::{Fake, Messages, State, header, identifier, messages, refusal, value};

type Answer<T> = Result<Response<T>, Status>;

fn ok<T>(message: T) -> Answer<T> {
    Ok(Response::new(message))
}

fn changed(
    set: Option<&mut BTreeMap<String, String>>,
    add: BTreeMap<String, String>,
    remove: &[String],
) -> Result<BTreeMap<String, String>, (i32, &'static str)> {
    let set = set.ok_or((-16385, "there is no such model"))?;
    set.extend(add);
    set.retain(|key, _| !remove.contains(key));
    Ok(set.clone())
}

fn models_of(state: &State, id: &str) -> Vec<ModelDetails> {
    let ids = state.lists.get(id).cloned().unwrap_or_default();
    ids.iter().filter_map(|id| state.models.get(id)).map(|(details, _)| details.clone()).collect()
}

/// Catalogs are of kind 5, instances of kind 6; the first digit tells them apart.
fn lists(state: &State, kind: char) -> Vec<ModelCatalogDetails> {
    let chosen = state.lists.keys().filter(|id| id.starts_with(kind));
    chosen
        .map(|id| ModelCatalogDetails { catalog_id: identifier(id), models: models_of(state, id) })
        .collect()
}

#[tonic::async_trait]
impl models_server::Models for Fake {
    type DownloadModelStream = Messages<ModelsDownloadModelResponse>;
    type ListCatalogsStream = Messages<ModelsListCatalogsResponse>;
    type ListInstancesStream = Messages<ModelsListInstancesResponse>;
    type ListModelsStream = Messages<ModelsListModelsResponse>;
    type ReadCatalogStream = Messages<ModelsReadCatalogResponse>;
    type ReadInstanceStream = Messages<ModelsReadInstanceResponse>;

    metadata!(
        "Models",
        model_id,
        ModelsAddMetadataRequest ModelsAddMetadataResponse,
        ModelsRemoveMetadataRequest ModelsRemoveMetadataResponse,
        model_metadata
    );

    async fn create_catalog(
        &self,
        _: Request<ModelsCreateCatalogRequest>,
    ) -> Answer<ModelsCreateCatalogResponse> {
        let id = self.new_id(5);
        self.state().lists.insert(id.clone(), Vec::new());
        ok(ModelsCreateCatalogResponse { header: header(None), catalog_id: identifier(&id) })
    }

    async fn create_instance(
        &self,
        _: Request<ModelsCreateInstanceRequest>,
    ) -> Answer<ModelsCreateInstanceResponse> {
        let id = self.new_id(6);
        self.state().lists.insert(id.clone(), Vec::new());
        ok(ModelsCreateInstanceResponse { header: header(None), instance_id: identifier(&id) })
    }

    async fn delete_catalog(
        &self,
        request: Request<ModelsDeleteCatalogRequest>,
    ) -> Answer<ModelsDeleteCatalogResponse> {
        let id = value(request.get_ref().catalog_id.as_ref());
        let is_gone = self.state().lists.remove(&id).is_some();
        let header = if is_gone { header(None) } else { refusal(-17153, "there is no such catalog") };
        ok(ModelsDeleteCatalogResponse { header, catalog_id: identifier(&id) })
    }

    async fn delete_instance(
        &self,
        request: Request<ModelsDeleteInstanceRequest>,
    ) -> Answer<ModelsDeleteInstanceResponse> {
        let id = value(request.get_ref().instance_id.as_ref());
        let is_gone = self.state().lists.remove(&id).is_some();
        let header = if is_gone { header(None) } else { refusal(-17409, "there is no such instance") };
        ok(ModelsDeleteInstanceResponse { header, instance_id: identifier(&id) })
    }

    async fn delete_model(
        &self,
        request: Request<ModelsDeleteModelRequest>,
    ) -> Answer<ModelsDeleteModelResponse> {
        let id = value(request.get_ref().model_id.as_ref());
        let is_gone = self.state().models.remove(&id).is_some();
        let header = if is_gone { header(None) } else { refusal(-16385, "there is no such model") };
        ok(ModelsDeleteModelResponse { header, model_id: identifier(&id) })
    }

    async fn download_model(
        &self,
        request: Request<ModelsDownloadModelRequest>,
    ) -> Answer<Self::DownloadModelStream> {
        let fault = self.enter("Models.DownloadModel", &request).await?;
        let state = self.state();
        let Some((details, data)) = state.models.get(&value(request.get_ref().model_id.as_ref())) else {
            let header = refusal(-16385, "there is no such model");
            return Ok(messages(vec![ModelsDownloadModelResponse { header, ..Default::default() }], None));
        };
        let piece = |piece: &[u8]| ModelsDownloadModelResponse {
            header: header(None),
            details: Some(details.clone()),
            data: piece.to_vec().into(),
        };
        Ok(messages(data.chunks(1000).map(piece).collect(), fault.as_ref()))
    }

    async fn list_catalogs(&self, _: Request<ModelsListCatalogsRequest>) -> Answer<Self::ListCatalogsStream> {
        let catalogs = lists(&self.state(), '5');
        Ok(messages(vec![ModelsListCatalogsResponse { header: header(None), catalogs }], None))
    }

    async fn list_instances(
        &self,
        _: Request<ModelsListInstancesRequest>,
    ) -> Answer<Self::ListInstancesStream> {
        let instances = lists(&self.state(), '6');
        Ok(messages(vec![ModelsListInstancesResponse { header: header(None), instances }], None))
    }

    async fn list_models(&self, request: Request<ModelsListModelsRequest>) -> Answer<Self::ListModelsStream> {
        let fault = self.enter("Models.ListModels", &request).await?;
        let models: Vec<_> = self.state().models.values().map(|(details, _)| details.clone()).collect();
        // A server without models answers without messages.
        let all = if models.is_empty() {
            vec![]
        } else {
            vec![ModelsListModelsResponse { header: header(None), models }]
        };
        Ok(messages(all, fault.as_ref()))
    }

    async fn read_catalog(
        &self,
        request: Request<ModelsReadCatalogRequest>,
    ) -> Answer<Self::ReadCatalogStream> {
        let id = request.into_inner().catalog_id;
        let models = models_of(&self.state(), &value(id.as_ref()));
        Ok(messages(vec![ModelsReadCatalogResponse { header: header(None), catalog_id: id, models }], None))
    }

    async fn read_instance(
        &self,
        request: Request<ModelsReadInstanceRequest>,
    ) -> Answer<Self::ReadInstanceStream> {
        let id = request.into_inner().instance_id;
        let models = models_of(&self.state(), &value(id.as_ref()));
        Ok(messages(vec![ModelsReadInstanceResponse { header: header(None), instance_id: id, models }], None))
    }

    async fn update_catalog(
        &self,
        request: Request<Streaming<ModelsUpdateCatalogRequest>>,
    ) -> Answer<ModelsUpdateCatalogResponse> {
        let mut stream = request.into_inner();
        let (mut id, mut models) = (None, Vec::new());
        while let Some(message) = stream.message().await? {
            id = message.catalog_id;
            models.extend(message.model_ids.into_iter().map(|id| id.value));
        }
        self.state().lists.insert(value(id.as_ref()), models);
        ok(ModelsUpdateCatalogResponse { header: header(None), catalog_id: id })
    }

    async fn update_instance(
        &self,
        request: Request<Streaming<ModelsUpdateInstanceRequest>>,
    ) -> Answer<ModelsUpdateInstanceResponse> {
        let mut stream = request.into_inner();
        let (mut id, mut models) = (None, Vec::new());
        while let Some(message) = stream.message().await? {
            id = message.instance_id;
            models.extend(message.model_ids.into_iter().map(|id| id.value));
        }
        self.state().lists.insert(value(id.as_ref()), models);
        ok(ModelsUpdateInstanceResponse { header: header(None), instance_id: id })
    }

    async fn upload_model(
        &self,
        request: Request<Streaming<ModelsUploadModelRequest>>,
    ) -> Answer<ModelsUploadModelResponse> {
        let mut stream = request.into_inner();
        let (mut details, mut data) = (ModelDetails::default(), Vec::new());
        while let Some(message) = stream.message().await? {
            details = message.details.unwrap();
            data.extend_from_slice(&message.data);
        }
        let id = self.new_id(4);
        details.model_id = identifier(&id);
        self.state().models.insert(id, (details.clone(), data));
        ok(ModelsUploadModelResponse { header: header(None), details: Some(details) })
    }
}
