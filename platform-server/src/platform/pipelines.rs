//! Pipelines: definitions that are kept and checked.

use platform_api::code;
use platform_api::header::Refusal;
use platform_api::id::PipelineId;
use platform_api::metadata::Metadata;
use platform_api::pipeline::{Pipeline, join_parts};

use super::definitions::invalid;
use super::{Answer, Inner, Platform, metadata_of, random_bits, refuse, rows_of};
use crate::events::Change as Told;
use crate::repository::{self, Change, MetadataOwner, RepositoryError};

pub use platform_api::pipeline::DefinitionFile;

/// A pipeline as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineSummary {
    /// Its identifier.
    pub id: PipelineId,
    /// The name in its definition.
    pub name: String,
    /// What people attached.
    pub metadata: Metadata,
    /// How often it was given a definition: 1 for a new pipeline.
    pub revision: u64,
}

/// A pipeline, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineDetails {
    /// Its identifier, name and metadata.
    pub summary: PipelineSummary,
    /// Its definition, main file first.
    pub files: Vec<DefinitionFile>,
    /// Operators in the order of the definition, each with the places of those that read from it.
    pub dag: Vec<(String, Vec<usize>)>,
}

impl Platform {
    /// Checks a definition and keeps it. Files of one path, whatever the letter case, are parts of one file.
    ///
    /// # Errors
    /// What is wrong with the definition, with file, line and column; an identifier that exists already.
    pub async fn create_pipeline(
        &self,
        id: Option<PipelineId>,
        files: Vec<DefinitionFile>,
        metadata: Metadata,
    ) -> Answer<PipelineId> {
        self.blocking(move |inner| {
            let pipeline = read(inner, files)?;
            let id = match id {
                Some(id) => id,
                None => PipelineId::from_bits(random_bits()?),
            };
            let create = Change::CreatePipeline {
                id,
                name: pipeline.name().to_owned(),
                created_ms: inner.clock.now_ms(),
                files: rows(&pipeline),
                metadata: rows_of(&metadata),
            };
            inner.commit(vec![create]).map_err(|error| match error {
                RepositoryError::Exists { .. } => Refusal::from_error(code::PIPELINE_EXISTS, &error),
                error => refuse(code::PIPELINE_NOT_STORED)(error),
            })?;
            inner.events.publish([Told::Pipeline(id)]);
            Ok(id)
        })
        .await
    }

    /// All pipelines by name.
    ///
    /// # Errors
    /// Those of the database, as with all calls below.
    pub async fn pipelines(&self) -> Answer<Vec<PipelineSummary>> {
        self.blocking(|inner| {
            let rows = inner.repository.pipelines().map_err(refuse(code::PIPELINES_NOT_LISTED))?;
            rows.into_iter().map(summary).collect()
        })
        .await
    }

    /// One pipeline, whole.
    ///
    /// # Errors
    /// When it is unknown.
    pub async fn pipeline(&self, id: PipelineId) -> Answer<PipelineDetails> {
        self.blocking(move |inner| {
            let row = row(inner, id)?;
            let pipeline = inner.definitions.get(row.definition)?;
            let names = pipeline.operators().iter().map(|operator| operator.name.clone());
            Ok(PipelineDetails {
                dag: names.zip(pipeline.followers()).collect(),
                files: pipeline.files().to_vec(),
                summary: summary(row)?,
            })
        })
        .await
    }

    /// Replaces the whole definition. Jobs keep the one they were created with.
    ///
    /// # Errors
    /// As for [`Platform::create_pipeline`], and when it is unknown.
    pub async fn update_pipeline(&self, id: PipelineId, files: Vec<DefinitionFile>) -> Answer<()> {
        self.blocking(move |inner| {
            row(inner, id)?;
            let pipeline = read(inner, files)?;
            let name = pipeline.name().to_owned();
            let update = Change::UpdatePipeline { id, name, files: rows(&pipeline) };
            inner.commit(vec![update]).map_err(refuse(code::PIPELINE_NOT_UPDATED))?;
            inner.events.publish([Told::Pipeline(id)]);
            Ok(())
        })
        .await
    }

    /// Removes a pipeline. Its jobs stay.
    ///
    /// # Errors
    /// When it is unknown.
    pub async fn remove_pipeline(&self, id: PipelineId) -> Answer<()> {
        self.blocking(move |inner| {
            row(inner, id)?;
            inner.commit(vec![Change::RemovePipeline(id)]).map_err(refuse(code::PIPELINE_NOT_REMOVED))?;
            inner.events.publish([Told::PipelineDeleted(id)]);
            Ok(())
        })
        .await
    }

    /// Adds metadata; answers with the whole set.
    ///
    /// # Errors
    /// When a key exists, or the pipeline is unknown.
    pub async fn add_pipeline_metadata(&self, id: PipelineId, added: Metadata) -> Answer<Metadata> {
        self.change_pipeline_metadata(id, Change::AddMetadata(MetadataOwner::Pipeline(id), rows_of(&added)))
            .await
    }

    /// Removes keys, whatever their letter case; answers with the set that is left.
    ///
    /// # Errors
    /// When the pipeline is unknown.
    pub async fn remove_pipeline_metadata(&self, id: PipelineId, keys: Vec<String>) -> Answer<Metadata> {
        self.change_pipeline_metadata(id, Change::RemoveMetadata(MetadataOwner::Pipeline(id), keys)).await
    }

    async fn change_pipeline_metadata(&self, id: PipelineId, change: Change) -> Answer<Metadata> {
        self.blocking(move |inner| {
            row(inner, id)?;
            inner.commit(vec![change]).map_err(refuse(code::PIPELINE_METADATA_INVALID))?;
            inner.events.publish([Told::Pipeline(id)]);
            summary(row(inner, id)?).map(|summary| summary.metadata)
        })
        .await
    }
}

fn read(inner: &Inner, files: Vec<DefinitionFile>) -> Answer<Pipeline> {
    if files.is_empty() {
        let message = "the request holds no definition";
        return Err(Refusal::new(code::DEFINITION_REQUEST_MALFORMED, message));
    }
    let pipeline = Pipeline::from_files(join_parts(files)).map_err(|error| invalid(&error))?;
    pipeline
        .check_fits(&inner.definition_capacity(), &inner.options.defaults)
        .map_err(|error| Refusal { code: code::DEFINITION_NEVER_FITS, messages: error.messages() })?;
    Ok(pipeline)
}

fn rows(pipeline: &Pipeline) -> Vec<repository::DefinitionFile> {
    let row = |file: &DefinitionFile| repository::DefinitionFile {
        path: file.path.clone(),
        content: file.content.clone(),
    };
    pipeline.files().iter().map(row).collect()
}

pub(super) fn row(inner: &Inner, id: PipelineId) -> Answer<repository::PipelineRow> {
    let row = inner.repository.pipeline(id).map_err(refuse(code::PIPELINES_NOT_LISTED))?;
    row.ok_or_else(|| Refusal::new(code::PIPELINE_UNKNOWN, format!("pipeline `{id}` is unknown")))
}

fn summary(row: repository::PipelineRow) -> Answer<PipelineSummary> {
    let metadata = metadata_of(&row.metadata, code::PIPELINES_NOT_LISTED)?;
    Ok(PipelineSummary { id: row.id, name: row.name, metadata, revision: row.revision })
}
