//! Models, catalogs of models, and the lists that inference servers serve.

use platform_api::id::{CatalogId, InstanceId, ModelId};
use platform_api::metadata::Metadata;
use platform_api::model::{ModelDetails, ModelType};

use super::{Answer, FilePieces, Pieces, Platform, UploadPiece};

impl Platform {
    /// Takes a model's archive in; one of the same name is replaced and keeps its identifier.
    pub async fn upload_model(
        &self,
        name: String,
        model_type: ModelType,
        metadata: Metadata,
        pieces: Pieces<UploadPiece>,
    ) -> Answer<ModelDetails> {
        let _ = (name, model_type, metadata, pieces);
        unimplemented!()
    }

    /// Hands a model's archive out.
    pub async fn download_model(&self, id: ModelId) -> Answer<(ModelDetails, FilePieces)> {
        let _ = id;
        unimplemented!()
    }

    /// All models by name.
    pub async fn models(&self) -> Answer<Vec<ModelDetails>> {
        unimplemented!()
    }

    /// Removes a model, also from all lists.
    pub async fn delete_model(&self, id: ModelId) -> Answer<()> {
        let _ = id;
        unimplemented!()
    }

    /// Adds metadata; answers with the whole set.
    pub async fn add_model_metadata(&self, id: ModelId, added: Metadata) -> Answer<Metadata> {
        let _ = (id, added);
        unimplemented!()
    }

    /// Removes keys, whatever their letter case; answers with the set that is left.
    pub async fn remove_model_metadata(&self, id: ModelId, keys: Vec<String>) -> Answer<Metadata> {
        let _ = (id, keys);
        unimplemented!()
    }

    /// Makes an empty catalog.
    pub async fn create_catalog(&self) -> Answer<CatalogId> {
        unimplemented!()
    }

    /// All catalogs with their models.
    pub async fn catalogs(&self) -> Answer<Vec<(CatalogId, Vec<ModelDetails>)>> {
        unimplemented!()
    }

    /// The models of a catalog.
    pub async fn catalog(&self, id: CatalogId) -> Answer<Vec<ModelDetails>> {
        let _ = id;
        unimplemented!()
    }

    /// Replaces the whole list.
    pub async fn update_catalog(&self, id: CatalogId, models: Vec<ModelId>) -> Answer<()> {
        let _ = (id, models);
        unimplemented!()
    }

    /// Deletes a catalog; its models stay.
    pub async fn delete_catalog(&self, id: CatalogId) -> Answer<()> {
        let _ = id;
        unimplemented!()
    }

    /// Makes an empty instance; refused beyond the configured number.
    pub async fn create_instance(&self) -> Answer<InstanceId> {
        unimplemented!()
    }

    /// All instances with their models.
    pub async fn instances(&self) -> Answer<Vec<(InstanceId, Vec<ModelDetails>)>> {
        unimplemented!()
    }

    /// The models of an instance.
    pub async fn instance(&self, id: InstanceId) -> Answer<Vec<ModelDetails>> {
        let _ = id;
        unimplemented!()
    }

    /// Replaces the whole list.
    pub async fn update_instance(&self, id: InstanceId, models: Vec<ModelId>) -> Answer<()> {
        let _ = (id, models);
        unimplemented!()
    }

    /// Deletes an instance; its models stay.
    pub async fn delete_instance(&self, id: InstanceId) -> Answer<()> {
        let _ = id;
        unimplemented!()
    }
}
