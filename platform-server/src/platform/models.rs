//! Models, catalogs of models, and the lists that inference servers serve.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::PathBuf;

use bytes::Bytes;
use platform_api::code::{self, ErrorCode};
use platform_api::header::Refusal;
use platform_api::id::{CatalogId, InstanceId, ModelId};
use platform_api::letter_case::fold;
use platform_api::metadata::Metadata;
use platform_api::model::{ModelDetails, ModelType};
use sha2::{Digest, Sha256};
use tokio_stream::StreamExt;

use super::{
    Answer, FilePieces, Inner, Interrupted, Pieces, Platform, UploadPiece, metadata_of, random_bits, refuse,
    rows_of,
};
use crate::events::Change as Told;
use crate::repository::{Change, MetadataOwner, ModelListId, ModelListKind, ModelListRow, ModelRow};

/// Longest name of a model, in bytes.
const MAX_NAME_BYTES: usize = 255;
/// Pieces of an upload that wait for the disk.
const WAITING_PIECES: usize = 4;
/// Bytes of an archive that are sent at a time.
const CHUNK_BYTES: usize = 1 << 20;

impl Platform {
    /// Takes a model's archive in; one of the same name is replaced and keeps its identifier.
    ///
    /// # Errors
    /// When the name is none, the disk is full, or the sender went away.
    pub async fn upload_model(
        &self,
        name: String,
        model_type: ModelType,
        metadata: Metadata,
        mut pieces: Pieces<UploadPiece>,
    ) -> Answer<ModelDetails> {
        if name.trim().is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
            let message = format!("a model's name has 1 to {MAX_NAME_BYTES} bytes and no control characters");
            return Err(Refusal::new(code::MODEL_NAME_INVALID, message));
        }
        let (sender, mut waiting) = tokio::sync::mpsc::channel::<Bytes>(WAITING_PIECES);
        let (done, is_done) = std::sync::mpsc::sync_channel(1);
        let writer = self.blocking(move |inner| {
            let mut archive = Archive::create(inner)?;
            while let Some(piece) = waiting.blocking_recv() {
                archive.write(&piece)?;
            }
            // Without word from the sender that this was all, nothing is kept.
            if is_done.recv().is_err() {
                return Err(Refusal::new(code::MODEL_NOT_STORED, Interrupted.to_string()));
            }
            store(inner, archive, name, model_type, &metadata)
        });
        let feed = async move {
            loop {
                match pieces.next().await {
                    Some(Ok(piece)) if piece.data.is_empty() => {}
                    Some(Ok(piece)) => {
                        if sender.send(piece.data).await.is_err() {
                            return;
                        }
                    }
                    Some(Err(Interrupted)) => return,
                    None => {
                        // The channel holds one word, and this is it.
                        let _ = done.send(());
                        return;
                    }
                }
            }
        };
        let (stored, ()) = tokio::join!(writer, feed);
        stored
    }

    /// Hands a model's archive out.
    ///
    /// # Errors
    /// When it is unknown.
    pub async fn download_model(&self, id: ModelId) -> Answer<(ModelDetails, FilePieces)> {
        let (details, mut file) = self
            .blocking(move |inner| {
                let row = row(inner, id)?;
                let file = File::open(path(inner, &row.sha256)).map_err(|error| failed(&error))?;
                Ok((details(row)?, file))
            })
            .await?;
        let pieces = self.stream(move |_, send| {
            loop {
                let mut chunk = Vec::with_capacity(CHUNK_BYTES);
                let read = Read::by_ref(&mut file).take(CHUNK_BYTES as u64).read_to_end(&mut chunk);
                read.map_err(|error| failed(&error))?;
                if chunk.is_empty() || !send(Bytes::from(chunk)) {
                    return Ok(());
                }
            }
        });
        Ok((details, pieces))
    }

    /// All models by name.
    ///
    /// # Errors
    /// Those of the database, as with all calls below.
    pub async fn models(&self) -> Answer<Vec<ModelDetails>> {
        self.blocking(|inner| {
            let rows = inner.repository.models().map_err(refuse(code::MODELS_NOT_LISTED))?;
            rows.into_iter().map(details).collect()
        })
        .await
    }

    /// Removes a model, also from all lists.
    ///
    /// # Errors
    /// When it is unknown.
    pub async fn delete_model(&self, id: ModelId) -> Answer<()> {
        self.blocking(move |inner| {
            let row = row(inner, id)?;
            inner.commit(vec![Change::RemoveModel(id)]).map_err(refuse(code::MODEL_NOT_STORED))?;
            remove_unused(inner, &row.sha256);
            inner.events.publish([Told::ModelDeleted(id)]);
            Ok(())
        })
        .await
    }

    /// Adds metadata; answers with the whole set.
    ///
    /// # Errors
    /// When a key exists, or the model is unknown.
    pub async fn add_model_metadata(&self, id: ModelId, added: Metadata) -> Answer<Metadata> {
        self.change_model_metadata(id, Change::AddMetadata(MetadataOwner::Model(id), rows_of(&added))).await
    }

    /// Removes keys, whatever their letter case; answers with the set that is left.
    ///
    /// # Errors
    /// When the model is unknown.
    pub async fn remove_model_metadata(&self, id: ModelId, keys: Vec<String>) -> Answer<Metadata> {
        self.change_model_metadata(id, Change::RemoveMetadata(MetadataOwner::Model(id), keys)).await
    }

    async fn change_model_metadata(&self, id: ModelId, change: Change) -> Answer<Metadata> {
        self.blocking(move |inner| {
            row(inner, id)?;
            inner.commit(vec![change]).map_err(refuse(code::MODEL_METADATA_INVALID))?;
            inner.events.publish([Told::Model(id)]);
            metadata_of(&row(inner, id)?.metadata, code::MODELS_NOT_LISTED)
        })
        .await
    }

    /// Makes an empty catalog.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn create_catalog(&self) -> Answer<CatalogId> {
        self.blocking(|inner| {
            let id = CatalogId::from_bits(random_bits()?);
            put_list(inner, ModelListId::Catalog(id), inner.clock.now_ms(), Vec::new())?;
            Ok(id)
        })
        .await
    }

    /// All catalogs with their models.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn catalogs(&self) -> Answer<Vec<(CatalogId, Vec<ModelDetails>)>> {
        self.blocking(|inner| {
            let mut catalogs = Vec::new();
            for list in lists(inner, ModelListKind::Catalogs)? {
                if let ModelListId::Catalog(id) = list.id {
                    catalogs.push((id, members(inner, &list)?));
                }
            }
            Ok(catalogs)
        })
        .await
    }

    /// The models of a catalog.
    ///
    /// # Errors
    /// When it is unknown.
    pub async fn catalog(&self, id: CatalogId) -> Answer<Vec<ModelDetails>> {
        self.blocking(move |inner| members(inner, &list(inner, ModelListId::Catalog(id))?)).await
    }

    /// Replaces the whole list.
    ///
    /// # Errors
    /// When it or a model is unknown.
    pub async fn update_catalog(&self, id: CatalogId, models: Vec<ModelId>) -> Answer<()> {
        self.blocking(move |inner| update(inner, ModelListId::Catalog(id), models)).await
    }

    /// Deletes a catalog; its models stay.
    ///
    /// # Errors
    /// When it is unknown.
    pub async fn delete_catalog(&self, id: CatalogId) -> Answer<()> {
        self.blocking(move |inner| delete(inner, ModelListId::Catalog(id))).await
    }

    /// Makes an empty instance; refused beyond the configured number.
    ///
    /// # Errors
    /// When there are as many as there may be.
    pub async fn create_instance(&self) -> Answer<InstanceId> {
        self.blocking(|inner| {
            let most = inner.options.max_instances;
            if lists(inner, ModelListKind::Instances)?.len() >= most {
                let message = format!("there are {most} instances already, as many as there may be");
                return Err(Refusal::new(code::INSTANCES_EXHAUSTED, message));
            }
            let id = InstanceId::from_bits(random_bits()?);
            put_list(inner, ModelListId::Instance(id), inner.clock.now_ms(), Vec::new())?;
            Ok(id)
        })
        .await
    }

    /// All instances with their models.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn instances(&self) -> Answer<Vec<(InstanceId, Vec<ModelDetails>)>> {
        self.blocking(|inner| {
            let mut instances = Vec::new();
            for list in lists(inner, ModelListKind::Instances)? {
                if let ModelListId::Instance(id) = list.id {
                    instances.push((id, members(inner, &list)?));
                }
            }
            Ok(instances)
        })
        .await
    }

    /// The models of an instance.
    ///
    /// # Errors
    /// When it is unknown.
    pub async fn instance(&self, id: InstanceId) -> Answer<Vec<ModelDetails>> {
        self.blocking(move |inner| members(inner, &list(inner, ModelListId::Instance(id))?)).await
    }

    /// Replaces the whole list.
    ///
    /// # Errors
    /// When it or a model is unknown, or it would hold more models than an instance may serve.
    pub async fn update_instance(&self, id: InstanceId, models: Vec<ModelId>) -> Answer<()> {
        self.blocking(move |inner| {
            let most = inner.options.max_instance_models;
            if models.len() > most {
                let message =
                    format!("{} models are more than the {most} that an instance may serve", models.len());
                return Err(Refusal::new(code::INSTANCE_NOT_STORED, message));
            }
            update(inner, ModelListId::Instance(id), models)
        })
        .await
    }

    /// Deletes an instance; its models stay.
    ///
    /// # Errors
    /// When it is unknown.
    pub async fn delete_instance(&self, id: InstanceId) -> Answer<()> {
        self.blocking(move |inner| delete(inner, ModelListId::Instance(id))).await
    }
}

/// An archive on its way in; goes with its holder unless it was put in place.
struct Archive {
    path: PathBuf,
    file: File,
    hash: Sha256,
    size_bytes: u64,
    is_placed: bool,
}

impl Archive {
    fn create(inner: &Inner) -> Answer<Self> {
        let folder = folder(inner);
        fs::create_dir_all(&folder).map_err(|error| failed(&error))?;
        let path = folder.join(format!("incoming-{:032x}", random_bits()?));
        let file =
            File::options().write(true).create_new(true).open(&path).map_err(|error| failed(&error))?;
        Ok(Self { path, file, hash: Sha256::new(), size_bytes: 0, is_placed: false })
    }

    fn write(&mut self, piece: &[u8]) -> Answer<()> {
        self.file.write_all(piece).map_err(|error| failed(&error))?;
        self.hash.update(piece);
        self.size_bytes += piece.len() as u64;
        Ok(())
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        if !self.is_placed
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(%error, "an unfinished model was not removed; it goes at the next start");
        }
    }
}

/// Removes archives that were never finished. Blocks.
pub(super) fn sweep(inner: &Inner) -> std::io::Result<()> {
    let entries = match fs::read_dir(folder(inner)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("incoming-") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn store(
    inner: &Inner,
    mut archive: Archive,
    name: String,
    model_type: ModelType,
    metadata: &Metadata,
) -> Answer<ModelDetails> {
    archive.file.sync_all().map_err(|error| failed(&error))?;
    let sha256: [u8; 32] = std::mem::take(&mut archive.hash).finalize().into();
    // Archives are named for their content, so one that is there already is the same.
    fs::rename(&archive.path, path(inner, &sha256)).map_err(|error| failed(&error))?;
    archive.is_placed = true;
    #[cfg(unix)]
    File::open(folder(inner)).and_then(|folder| folder.sync_all()).map_err(|error| failed(&error))?;
    let rows = inner.repository.models().map_err(refuse(code::MODELS_NOT_LISTED))?;
    let before = rows.into_iter().find(|row| fold(&row.name) == fold(&name));
    let id = match &before {
        Some(row) => row.id,
        None => ModelId::from_bits(random_bits()?),
    };
    let row = ModelRow {
        id,
        name,
        kind: model_type.to_wire(),
        created_ms: inner.clock.now_ms(),
        size_bytes: archive.size_bytes,
        sha256,
        metadata: rows_of(metadata),
    };
    inner.commit(vec![Change::PutModel(row.clone())]).map_err(refuse(code::MODEL_NOT_STORED))?;
    if let Some(before) = before {
        remove_unused(inner, &before.sha256);
    }
    inner.events.publish([Told::Model(id)]);
    details(row)
}

/// Removes an archive that no model has any more.
fn remove_unused(inner: &Inner, sha256: &[u8; 32]) {
    let is_used = inner.repository.models().map(|rows| rows.iter().any(|row| row.sha256 == *sha256));
    if is_used.unwrap_or(true) {
        return;
    }
    if let Err(error) = fs::remove_file(path(inner, sha256)) {
        tracing::warn!(%error, "a model's archive was not removed");
    }
}

fn folder(inner: &Inner) -> PathBuf {
    inner.options.data.join("models")
}

fn path(inner: &Inner, sha256: &[u8; 32]) -> PathBuf {
    let digits: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    folder(inner).join(format!("{digits}.zip"))
}

fn failed(error: &std::io::Error) -> Refusal {
    Refusal::new(code::MODEL_NOT_STORED, format!("the storage failed: {error}"))
}

fn row(inner: &Inner, id: ModelId) -> Answer<ModelRow> {
    let row = inner.repository.model(id).map_err(refuse(code::MODELS_NOT_LISTED))?;
    row.ok_or_else(|| Refusal::new(code::MODEL_UNKNOWN, format!("model `{id}` is unknown")))
}

fn details(row: ModelRow) -> Answer<ModelDetails> {
    Ok(ModelDetails {
        id: row.id,
        model_type: ModelType::from_wire(row.kind).unwrap_or_default(),
        metadata: metadata_of(&row.metadata, code::MODELS_NOT_LISTED)?,
        name: row.name,
    })
}

fn unknown_code(id: ModelListId) -> (ErrorCode, String) {
    match id {
        ModelListId::Catalog(id) => (code::CATALOG_UNKNOWN, format!("catalog `{id}` is unknown")),
        ModelListId::Instance(id) => (code::INSTANCE_UNKNOWN, format!("instance `{id}` is unknown")),
    }
}

fn stored_code(id: ModelListId) -> ErrorCode {
    match id {
        ModelListId::Catalog(_) => code::CATALOG_NOT_STORED,
        ModelListId::Instance(_) => code::INSTANCE_NOT_STORED,
    }
}

fn list(inner: &Inner, id: ModelListId) -> Answer<ModelListRow> {
    let found = inner.repository.model_list(id).map_err(refuse(stored_code(id)))?;
    found.ok_or_else(|| {
        let (code, message) = unknown_code(id);
        Refusal::new(code, message)
    })
}

fn lists(inner: &Inner, kind: ModelListKind) -> Answer<Vec<ModelListRow>> {
    inner.repository.model_lists(kind).map_err(refuse(code::MODELS_NOT_LISTED))
}

fn members(inner: &Inner, list: &ModelListRow) -> Answer<Vec<ModelDetails>> {
    list.models.iter().map(|id| details(row(inner, *id)?)).collect()
}

fn put_list(inner: &Inner, id: ModelListId, created_ms: i64, models: Vec<ModelId>) -> Answer<()> {
    let row = ModelListRow { id, created_ms, models };
    inner.commit(vec![Change::PutModelList(row)]).map_err(refuse(stored_code(id)))
}

fn update(inner: &Inner, id: ModelListId, models: Vec<ModelId>) -> Answer<()> {
    let before = list(inner, id)?;
    for model in &models {
        row(inner, *model)?;
    }
    put_list(inner, id, before.created_ms, models)
}

fn delete(inner: &Inner, id: ModelListId) -> Answer<()> {
    list(inner, id)?;
    inner.commit(vec![Change::RemoveModelList(id)]).map_err(refuse(stored_code(id)))
}
