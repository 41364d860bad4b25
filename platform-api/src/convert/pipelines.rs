//! Pipelines and their definition files.

use std::collections::BTreeMap;

use prost::Message;

use crate::convert::{MAX_MESSAGE_BYTES, identifier};
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

/// Most bytes of a definition in one message.
const MAX_PART_BYTES: usize = 1 << 20;
/// What lengths and tags of a message take at most, texts aside.
const OVERHEAD_BYTES: usize = 256;
/// The same for one node of the graph.
const NODE_OVERHEAD_BYTES: usize = 8;

/// The answer to a question for the details of a pipeline: one message a file, and more for files that are large.
///
/// Metadata are in the first message only, where published clients look for them. Nodes of the graph that do not fit
/// into it follow in the next ones. No message is larger than clients take.
pub fn pipeline_details_messages(
    id: PipelineId,
    pipeline: &Pipeline,
    metadata: &Metadata,
) -> Vec<PipelinesDetailsResponse> {
    let mut nodes = pipeline_dag(pipeline).into_iter().peekable();
    let mut messages = Vec::new();
    let mut add = |path: &str, content: &str, metadata: BTreeMap<String, String>| {
        let mut message = PipelinesDetailsResponse {
            header: crate::header::success(),
            pipeline_id: identifier(id),
            name: pipeline.name().to_owned(),
            definition: Some(PipelineDefinitionFile { path: path.to_owned(), content: content.to_owned() }),
            dag: Vec::new(),
            metadata,
        };
        let mut bytes = message.encoded_len() + OVERHEAD_BYTES;
        while let Some(node) = nodes.next_if(|node| {
            bytes += node.encoded_len() + NODE_OVERHEAD_BYTES;
            bytes <= MAX_MESSAGE_BYTES
        }) {
            message.dag.push(node);
        }
        messages.push(message);
        nodes.peek().is_some()
    };
    let mut first = Some(metadata.to_map());
    let mut has_more = true;
    for file in pipeline.files() {
        let mut rest = file.content.as_str();
        loop {
            // The largest metadata leave little room for anything else.
            let is_full = first.is_some() && metadata.wire_bytes() > MAX_MESSAGE_BYTES / 2;
            let part = start_of(rest, if is_full { MAX_PART_BYTES / 16 } else { MAX_PART_BYTES });
            has_more = add(&file.path, part, first.take().unwrap_or_default());
            rest = rest.get(part.len()..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
        }
    }
    // A part without content changes nothing in the file that it belongs to. Each node fits into a message of its own:
    // reading the definition has limited what all names of the graph take together.
    let last = pipeline.files().last().map(|file| file.path.as_str()).unwrap_or_default();
    while has_more {
        has_more = add(last, "", BTreeMap::new());
    }
    messages
}

/// The first characters of a text that take at most so many bytes.
fn start_of(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
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
    fn no_message_is_larger_than_clients_take() {
        let mut content = "api-version: 0.4.0\nname: wide\noperators:\n".to_owned();
        let prefix = "n".repeat(200);
        for index in 0..3_000 {
            let operator = format!("{prefix}{index}");
            content += &format!("- name: {operator}\n  container: {{image: i}}\n  output: [{{path: /o}}]\n");
            if index > 0 {
                content += &format!("  input: [{{from: {prefix}0, path: /i}}]\n");
            }
        }
        let main = DefinitionFile { path: "main.yaml".to_owned(), content };
        let empty = DefinitionFile { path: "empty.yaml".to_owned(), content: String::new() };
        let pipeline = Pipeline::from_files(vec![main, empty]).unwrap();
        let value = "v".repeat(256);
        let mut metadata = Metadata::new();
        let mut number = 0;
        while metadata.add([(number.to_string(), value.as_str())]).is_ok() {
            number += 1;
        }
        let messages = pipeline_details_messages(PipelineId::from_bits(1), &pipeline, &metadata);
        assert!(messages.iter().all(|message| message.encoded_len() <= MAX_MESSAGE_BYTES));
        assert_eq!(messages[0].metadata.len(), metadata.len());
        let dag: Vec<PipelineDagNode> = messages.iter().flat_map(|message| message.dag.clone()).collect();
        assert_eq!(dag, pipeline_dag(&pipeline));
        let parts = messages.into_iter().filter_map(|message| message.definition).map(DefinitionFile::from);
        assert_eq!(join_parts(parts), pipeline.files());
    }
}
