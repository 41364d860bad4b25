//! Pipelines: definitions that are kept and checked.

use platform_api::id::PipelineId;
use platform_api::metadata::Metadata;

use super::{Answer, Platform};

/// One file of a definition. The path is a label, not a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionFile {
    /// The label, as the client gave it.
    pub path: String,
    /// The text.
    pub content: String,
}

/// A pipeline as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineSummary {
    /// Its identifier.
    pub id: PipelineId,
    /// The name in its definition.
    pub name: String,
    /// What people attached.
    pub metadata: Metadata,
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
        let _ = (id, files, metadata, &self.inner);
        unimplemented!()
    }

    /// All pipelines by name.
    pub async fn pipelines(&self) -> Answer<Vec<PipelineSummary>> {
        unimplemented!()
    }

    /// One pipeline, whole.
    pub async fn pipeline(&self, id: PipelineId) -> Answer<PipelineDetails> {
        let _ = id;
        unimplemented!()
    }

    /// Replaces the whole definition. Jobs keep the one they were created with.
    pub async fn update_pipeline(&self, id: PipelineId, files: Vec<DefinitionFile>) -> Answer<()> {
        let _ = (id, files);
        unimplemented!()
    }

    /// Removes a pipeline. Its jobs stay.
    pub async fn remove_pipeline(&self, id: PipelineId) -> Answer<()> {
        let _ = id;
        unimplemented!()
    }

    /// Adds metadata; answers with the whole set.
    pub async fn add_pipeline_metadata(&self, id: PipelineId, added: Metadata) -> Answer<Metadata> {
        let _ = (id, added);
        unimplemented!()
    }

    /// Removes keys, whatever their letter case; answers with the set that is left.
    pub async fn remove_pipeline_metadata(&self, id: PipelineId, keys: Vec<String>) -> Answer<Metadata> {
        let _ = (id, keys);
        unimplemented!()
    }
}
