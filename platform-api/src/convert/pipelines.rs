//! Pipelines and their definition files.

use crate::convert::identifier;
use crate::id::PipelineId;
use crate::metadata::Metadata;
use crate::pipeline::{DefinitionFile, Pipeline};
use crate::proto::clara::pipelines_details_response::PipelineDagNode;
use crate::proto::clara::{PipelineDefinitionFile, PipelinesDetailsResponse, pipelines_list_response};

impl From<PipelineDefinitionFile> for DefinitionFile {
    fn from(message: PipelineDefinitionFile) -> Self {
        Self { path: message.path, content: message.content }
    }
}

impl From<DefinitionFile> for PipelineDefinitionFile {
    fn from(file: DefinitionFile) -> Self {
        Self { path: file.path, content: file.content }
    }
}

/// The graph of a pipeline: a node for each operator, and in each those that read from it, by name only.
///
/// Whole subtrees would grow without bound where paths join again.
pub fn pipeline_dag(pipeline: &Pipeline) -> Vec<PipelineDagNode> {
    let leaf = |index: &usize| {
        let operator = pipeline.operators().get(*index)?;
        Some(PipelineDagNode { name: operator.name.clone(), next: Vec::new() })
    };
    pipeline
        .operators()
        .iter()
        .zip(pipeline.followers())
        .map(|(operator, followers)| PipelineDagNode {
            name: operator.name.clone(),
            next: followers.iter().filter_map(leaf).collect(),
        })
        .collect()
}

/// Most bytes of a definition in one message, so that the message stays below the 4 MiB that clients take.
const MAX_PART_BYTES: usize = 1 << 20;

/// The answer to a question for the details of a pipeline: one message a file, and more for files that are large.
///
/// Identifier, name, metadata and graph are in the first message only, where published clients look for them, but for
/// the identifier and name, which are in each.
pub fn pipeline_details_messages(
    id: PipelineId,
    pipeline: &Pipeline,
    metadata: &Metadata,
) -> Vec<PipelinesDetailsResponse> {
    let mut messages: Vec<PipelinesDetailsResponse> = pipeline
        .files()
        .iter()
        .flat_map(|file| parts(&file.content).map(|content| (file.path.clone(), content.to_owned())))
        .map(|(path, content)| PipelinesDetailsResponse {
            header: crate::header::success(),
            pipeline_id: identifier(id),
            name: pipeline.name().to_owned(),
            definition: Some(PipelineDefinitionFile { path, content }),
            dag: Vec::new(),
            metadata: Default::default(),
        })
        .collect();
    if let Some(first) = messages.first_mut() {
        first.dag = pipeline_dag(pipeline);
        first.metadata = metadata.to_map();
    }
    messages
}

/// Cuts a text between characters; an empty text is one part.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let at = text.floor_char_boundary(MAX_PART_BYTES);
        let (part, after) = text.split_at_checked(at).unwrap_or((text, ""));
        rest = (!after.is_empty()).then_some(after);
        Some(part)
    })
}

/// The entry of a list for a pipeline.
pub fn pipeline_list_entry(
    id: PipelineId,
    name: &str,
    metadata: &Metadata,
) -> pipelines_list_response::PipelineDetails {
    pipelines_list_response::PipelineDetails {
        pipeline_id: identifier(id),
        name: name.to_owned(),
        metadata: metadata.to_map(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::join_parts;

    const TEXT: &str = "
api-version: 0.4.0
name: diamond
operators:
- {name: a, container: {image: i}, output: [{path: /o}]}
- {name: b, container: {image: i}, input: [{from: a, path: /i}], output: [{path: /o}]}
- {name: c, container: {image: i}, input: [{from: a, path: /i}], output: [{path: /o}]}
- {name: d, container: {image: i}, input: [{from: b, path: /i}, {from: c, path: /j}]}
";

    #[test]
    fn the_graph_holds_each_operator_once_with_its_followers() {
        let file = DefinitionFile { path: "main.yaml".to_owned(), content: TEXT.to_owned() };
        let dag = pipeline_dag(&Pipeline::from_files(vec![file]).unwrap());
        let names = |nodes: &[PipelineDagNode]| -> Vec<String> {
            nodes.iter().map(|node| node.name.clone()).collect()
        };
        assert_eq!(names(&dag), ["a", "b", "c", "d"]);
        let next: Vec<_> = dag.iter().map(|node| names(&node.next)).collect();
        assert_eq!(next, [vec!["b", "c"], vec!["d"], vec!["d"], vec![]]);
    }

    #[test]
    fn large_files_travel_in_parts_and_join_to_the_same_definition() {
        let content = format!("{TEXT}# {}\n", "é".repeat(MAX_PART_BYTES));
        let file = DefinitionFile { path: "../main.yaml".to_owned(), content };
        let pipeline = Pipeline::from_files(vec![file]).unwrap();
        let id = PipelineId::from_bits(1);
        let metadata = Metadata::from_entries([("k", "v")]).unwrap();
        let messages = pipeline_details_messages(id, &pipeline, &metadata);
        assert_eq!(messages.len(), 3);
        assert!(messages.iter().all(|message| message.pipeline_id == identifier(id)));
        assert_eq!(messages.iter().filter(|message| message.metadata.is_empty()).count(), 2);
        let parts = messages.into_iter().filter_map(|message| message.definition).map(DefinitionFile::from);
        assert_eq!(Pipeline::from_files(join_parts(parts)).as_ref(), Ok(&pipeline));
    }

    #[test]
    fn an_empty_file_is_one_part() {
        assert_eq!(parts("").collect::<Vec<_>>(), [""]);
    }
}
