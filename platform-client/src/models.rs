//! Models, the lists of models that are catalogs, and those that inference servers serve.

use bytes::Bytes;
use platform_api::convert::{self, identifier};
use platform_api::header;
use platform_api::id::{CatalogId, InstanceId, ModelId};
use platform_api::metadata::Metadata;
use platform_api::model::{ModelDetails, ModelType};
use platform_api::proto::clara;
use platform_api::proto::clara::models_client::ModelsClient;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

use crate::connection::{Client, MAX_MESSAGE_BYTES, retrying};
use crate::error::ClientError;
use crate::metadata_calls::metadata_calls;
use crate::payloads::PIECE_BYTES;
use crate::wire;

/// Models in one message of an update.
const MODELS_PER_MESSAGE: usize = 10_000;

/// A catalog or an instance with its models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelList<I> {
    /// The list.
    pub id: I,
    /// What is in it.
    pub models: Vec<ModelDetails>,
}

/// The models of a server.
#[derive(Debug, Clone)]
pub struct Models {
    client: Client,
}

impl Models {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    fn stub(&self) -> ModelsClient<Channel> {
        ModelsClient::new(self.client.channel()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// Stores a model: a ZIP archive of its folder. One of the same name is replaced.
    ///
    /// # Errors
    /// [`ClientError`]; `archive` is named in the errors of reading it.
    pub async fn upload(
        &self,
        name: &str,
        model_type: ModelType,
        metadata: &Metadata,
        mut archive: impl AsyncRead + Unpin,
    ) -> Result<ModelDetails, ClientError> {
        const CALL: &str = "Models.UploadModel";
        let (sender, receiver) = mpsc::channel(2);
        let details = clara::ModelDetails {
            model_id: None,
            name: name.to_owned(),
            r#type: model_type.to_wire(),
            metadata: metadata.to_map(),
        };
        let limit = self.client.deadlines().message;
        let feed = async {
            loop {
                let mut piece = Vec::new();
                let read = (&mut archive).take(PIECE_BYTES as u64).read_to_end(&mut piece).await;
                read.map_err(ClientError::file("read", name))?;
                let is_last = piece.len() < PIECE_BYTES;
                let message = clara::ModelsUploadModelRequest {
                    header: header::request(),
                    details: Some(details.clone()),
                    data: Bytes::from(piece),
                };
                match tokio::time::timeout(limit, sender.send(message)).await {
                    Err(_) => return Err(ClientError::TimedOut { call: CALL, limit }),
                    // Nobody listens: the answer says why.
                    Ok(Err(_)) => return Ok(()),
                    Ok(Ok(())) if is_last => return Ok(()),
                    Ok(Ok(())) => {}
                }
            }
        };
        let mut stub = self.stub();
        let request = self.client.request(ReceiverStream::new(receiver));
        let call = async {
            let answer = stub.upload_model(request).await;
            answer.map(tonic::Response::into_inner).map_err(|status| self.client.status(CALL, limit, &status))
        };
        let mut call = std::pin::pin!(call);
        let answer = tokio::select! {
            // Leaving with the sender alive drops the call: the server never takes a part for the whole.
            fed = feed => { fed?; None }
            answer = &mut call => Some(answer),
        };
        let answer = match answer {
            Some(answer) => answer?,
            None => {
                drop(sender);
                let waited = tokio::time::timeout(limit, call).await;
                waited.unwrap_or(Err(ClientError::TimedOut { call: CALL, limit }))?
            }
        };
        wire::check(answer.header)?;
        let details = answer.details.ok_or_else(|| ClientError::protocol(CALL, "it names no model"))?;
        wire::converted(CALL, convert::model(details))
    }

    /// Fetches the archive of a model and gives what it is and how many bytes came.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn download(
        &self,
        id: ModelId,
        mut to: impl AsyncWrite + Unpin,
    ) -> Result<(ModelDetails, u64), ClientError> {
        const CALL: &str = "Models.DownloadModel";
        let message =
            clara::ModelsDownloadModelRequest { header: header::request(), model_id: identifier(id) };
        let mut stub = self.stub();
        let mut messages =
            self.client.open(CALL, message, async move |m| stub.download_model(m).await).await?;
        let (mut model, mut bytes) = (None, 0u64);
        while let Some(message) = messages.next().await? {
            wire::check(message.header)?;
            if let (None, Some(details)) = (&model, message.details) {
                model = Some(wire::converted(CALL, convert::model(details))?);
            }
            to.write_all(&message.data).await.map_err(ClientError::file("write", "the model"))?;
            bytes += message.data.len() as u64;
        }
        to.flush().await.map_err(ClientError::file("write", "the model"))?;
        let model = model.ok_or_else(|| ClientError::protocol(CALL, "it names no model"))?;
        Ok((model, bytes))
    }

    /// All models.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn list(&self) -> Result<Vec<ModelDetails>, ClientError> {
        const CALL: &str = "Models.ListModels";
        retrying!(self.client, {
            let list = async {
                let message = clara::ModelsListModelsRequest { header: header::request() };
                let mut stub = self.stub();
                let mut messages =
                    self.client.open(CALL, message, async move |m| stub.list_models(m).await).await?;
                let mut models = Vec::new();
                while let Some(message) = messages.next().await? {
                    wire::check(message.header)?;
                    append(CALL, &mut models, message.models)?;
                }
                Ok(models)
            };
            list.await
        })
    }

    /// Deletes a model.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn delete(&self, id: ModelId) -> Result<(), ClientError> {
        let message = clara::ModelsDeleteModelRequest { header: header::request(), model_id: identifier(id) };
        let mut stub = self.stub();
        let send = async move |m| stub.delete_model(m).await;
        wire::check(self.client.change("Models.DeleteModel", message, send).await?.header)
    }

    metadata_calls!(
        ModelId,
        model_id,
        ModelsAddMetadataRequest,
        ModelsRemoveMetadataRequest,
        "Models.AddMetadata",
        "Models.RemoveMetadata"
    );
}

fn append(
    call: &'static str,
    models: &mut Vec<ModelDetails>,
    more: Vec<clara::ModelDetails>,
) -> Result<(), ClientError> {
    for model in more {
        models.push(wire::converted(call, convert::model(model))?);
    }
    Ok(())
}

/// Catalogs and instances have the same calls under different names.
macro_rules! model_lists {
    ($($what:literal $id:ident $field:ident: $create:ident $Create:ident, $delete:ident $Delete:ident,
       $read:ident $Read:ident, $update:ident $Update:ident, $list:ident $List:ident $lists:ident;)*) => {
        impl Models {$(
            #[doc = concat!("Makes ", $what, " without models.")]
            ///
            /// # Errors
            /// [`ClientError`]
            pub async fn $create(&self) -> Result<$id, ClientError> {
                const CALL: &str = concat!("Models.", stringify!($create));
                let mut stub = self.stub();
                let message = clara::$Create { header: header::request() };
                let answer = self.client.change(CALL, message, async move |m| stub.$create(m).await).await?;
                wire::check(answer.header)?;
                wire::id(CALL, answer.$field.as_ref(), stringify!($field))
            }

            #[doc = concat!("Deletes ", $what, "; its models stay.")]
            ///
            /// # Errors
            /// [`ClientError`]
            pub async fn $delete(&self, id: $id) -> Result<(), ClientError> {
                const CALL: &str = concat!("Models.", stringify!($delete));
                let mut stub = self.stub();
                let message = clara::$Delete { header: header::request(), $field: identifier(id) };
                let answer = self.client.change(CALL, message, async move |m| stub.$delete(m).await).await?;
                wire::check(answer.header)
            }

            #[doc = concat!("The models of ", $what, ".")]
            ///
            /// # Errors
            /// [`ClientError`]
            pub async fn $read(&self, id: $id) -> Result<Vec<ModelDetails>, ClientError> {
                const CALL: &str = concat!("Models.", stringify!($read));
                retrying!(self.client, async {
                    let mut stub = self.stub();
                    let message = clara::$Read { header: header::request(), $field: identifier(id) };
                    let mut messages =
                        self.client.open(CALL, message, async move |m| stub.$read(m).await).await?;
                    let mut models = Vec::new();
                    while let Some(message) = messages.next().await? {
                        wire::check(message.header)?;
                        append(CALL, &mut models, message.models)?;
                    }
                    Ok(models)
                }.await)
            }

            #[doc = concat!("Replaces the models of ", $what, ".")]
            ///
            /// # Errors
            /// [`ClientError`]
            pub async fn $update(&self, id: $id, models: &[ModelId]) -> Result<(), ClientError> {
                const CALL: &str = concat!("Models.", stringify!($update));
                let message = |models: &[ModelId]| clara::$Update {
                    header: header::request(),
                    $field: identifier(id),
                    model_ids: models.iter().filter_map(identifier).collect(),
                };
                let mut messages: Vec<_> = models.chunks(MODELS_PER_MESSAGE).map(message).collect();
                if messages.is_empty() {
                    messages.push(message(&[]));
                }
                let mut stub = self.stub();
                let send = async move |m| stub.$update(m).await;
                let answer = self.client.change(CALL, tokio_stream::iter(messages), send).await?;
                wire::check(answer.header)
            }

            #[doc = concat!("All of what is ", $what, ", with the models.")]
            ///
            /// # Errors
            /// [`ClientError`]
            pub async fn $list(&self) -> Result<Vec<ModelList<$id>>, ClientError> {
                const CALL: &str = concat!("Models.", stringify!($list));
                retrying!(self.client, async {
                    let mut stub = self.stub();
                    let message = clara::$List { header: header::request() };
                    let mut messages =
                        self.client.open(CALL, message, async move |m| stub.$list(m).await).await?;
                    let mut lists = Vec::new();
                    while let Some(message) = messages.next().await? {
                        wire::check(message.header)?;
                        for list in message.$lists {
                            let mut models = Vec::new();
                            append(CALL, &mut models, list.models)?;
                            // Instances too have their identifier in this field.
                            let id = wire::id(CALL, list.catalog_id.as_ref(), stringify!($field))?;
                            lists.push(ModelList { id, models });
                        }
                    }
                    Ok(lists)
                }.await)
            }
        )*}
    };
}

model_lists! {
    "a catalog" CatalogId catalog_id:
        create_catalog ModelsCreateCatalogRequest, delete_catalog ModelsDeleteCatalogRequest,
        read_catalog ModelsReadCatalogRequest, update_catalog ModelsUpdateCatalogRequest,
        list_catalogs ModelsListCatalogsRequest catalogs;
    "an instance" InstanceId instance_id:
        create_instance ModelsCreateInstanceRequest, delete_instance ModelsDeleteInstanceRequest,
        read_instance ModelsReadInstanceRequest, update_instance ModelsUpdateInstanceRequest,
        list_instances ModelsListInstancesRequest instances;
}
