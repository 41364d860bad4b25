//! Definitions that were read and checked, kept for as long as they are in use or not too many.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use platform_api::code;
use platform_api::header::Refusal;
use platform_api::pipeline::{DefinitionError, DefinitionFile, Pipeline};

use crate::repository::{DefinitionId, Repository};

/// Definitions that are kept read.
const KEPT: usize = 256;

/// Reads definitions once.
pub(super) struct Definitions {
    repository: Arc<dyn Repository>,
    read: Mutex<HashMap<DefinitionId, (u64, Arc<Pipeline>)>>,
}

impl Definitions {
    pub(super) fn new(repository: Arc<dyn Repository>) -> Self {
        Self { repository, read: Mutex::default() }
    }

    /// The pipeline of a definition. Blocks on disk where it is not kept.
    pub(super) fn get(&self, id: DefinitionId) -> Result<Arc<Pipeline>, Refusal> {
        let found = {
            let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            let newest = read.values().map(|(used, _)| *used).max().unwrap_or(0);
            read.get_mut(&id).map(|(used, pipeline)| {
                *used = newest + 1;
                pipeline.clone()
            })
        };
        if let Some(pipeline) = found {
            return Ok(pipeline);
        }
        let files = self
            .repository
            .definition(id)
            .map_err(|error| Refusal::from_error(code::PIPELINES_NOT_LISTED, &error))?;
        let files =
            files.into_iter().map(|file| DefinitionFile { path: file.path, content: file.content }).collect();
        let pipeline = Arc::new(Pipeline::from_files(files).map_err(|error| invalid(&error))?);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.len() >= KEPT {
            let oldest = read.iter().min_by_key(|(_, (used, _))| *used).map(|(id, _)| *id);
            oldest.and_then(|id| read.remove(&id));
        }
        let newest = read.values().map(|(used, _)| *used).max().unwrap_or(0);
        read.insert(id, (newest + 1, pipeline.clone()));
        Ok(pipeline)
    }
}

/// A definition that does not hold together: one message for each problem.
pub(super) fn invalid(error: &DefinitionError) -> Refusal {
    Refusal { code: code::DEFINITION_INVALID, messages: error.messages() }
}
