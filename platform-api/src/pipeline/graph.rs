//! Who reads from whom: finding sources, matching types, refusing circles.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Operator;
use super::api_version::ApiVersion;
use super::port::{Input, Output, PortType, Source, operator_folder};
use super::problem::{Mark, ProblemKind, Problems, suggestion};
use super::read::{Draft, InputDraft, OutputDraft};
use crate::letter_case::fold;

/// Most inputs of all operators together.
const MAX_INPUTS: usize = 50_000;
/// Largest answer about the state of a job, in bytes. Published clients take no message over 4 MiB, and names are
/// repeated in it for each operator and each connection.
const MAX_STATUS_BYTES: usize = 3 << 20;
/// What an operator takes in such an answer, its names aside: three times, states, lengths.
const STATUS_BYTES_PER_OPERATOR: usize = 64;
const STATUS_BYTES_PER_NAME: usize = 8;

/// The operators in the order of the definition, each knowing what it reads from.
pub(super) fn link(drafts: Vec<Draft>, problems: &mut Problems) -> Vec<Operator> {
    let index_of = names(&drafts, problems);
    let inputs: usize = drafts.iter().map(|draft| draft.inputs.len()).sum();
    if let (Some(first), true) = (drafts.first(), inputs > MAX_INPUTS) {
        let kind = ProblemKind::TooLarge { what: "number of inputs", found: inputs, max: MAX_INPUTS };
        problems.at(first.mark, kind);
        return Vec::new();
    }
    let sources: Vec<Vec<Option<Source>>> = drafts
        .iter()
        .map(|draft| {
            draft.inputs.iter().map(|input| source_of(input, &drafts, &index_of, problems)).collect()
        })
        .collect();
    let depends_on: Vec<Vec<usize>> = sources.iter().map(|sources| dependencies(sources)).collect();
    report_cycles(&drafts, &depends_on, problems);
    check_status_size(&drafts, &depends_on, problems);
    let linked: Vec<Vec<Input>> = drafts
        .iter()
        .zip(sources)
        .map(|(draft, sources)| {
            let pairs = draft.inputs.iter().zip(sources);
            pairs.filter_map(|(input, source)| Some(linked_input(input, source?, &drafts))).collect()
        })
        .collect();
    drafts
        .into_iter()
        .zip(linked.into_iter().zip(depends_on))
        .map(|(draft, (inputs, depends_on))| {
            let place = problems.place(draft.mark);
            let outputs =
                draft.outputs.into_iter().map(|output| linked_output(output, &draft.name)).collect();
            Operator {
                name: draft.name,
                description: draft.description,
                place,
                api_version: draft.version.unwrap_or(ApiVersion::LAST),
                container: draft.container,
                variables: draft.variables,
                inputs,
                outputs,
                models: draft.models,
                services: draft.services,
                depends_on,
                requests: draft.requests,
            }
        })
        .collect()
}

fn names(drafts: &[Draft], problems: &mut Problems) -> BTreeMap<String, usize> {
    let mut index_of = BTreeMap::new();
    for (index, draft) in drafts.iter().enumerate() {
        let first = *index_of.entry(fold(&draft.name)).or_insert(index);
        if first != index {
            let kind = ProblemKind::DuplicateName { name: draft.name.clone(), what: "the operator name" };
            problems.at(draft.name_mark, kind);
        }
    }
    index_of
}

fn source_of(
    input: &InputDraft,
    drafts: &[Draft],
    index_of: &BTreeMap<String, usize>,
    problems: &mut Problems,
) -> Option<Source> {
    let Some((from, from_mark)) = &input.from else { return Some(Source::Job) };
    let found = index_of.get(&fold(from)).and_then(|index| Some((*index, drafts.get(*index)?)));
    let Some((operator, draft)) = found else {
        let names = drafts.iter().map(|draft| draft.name.as_str());
        let suggestion = if problems.is_full() { None } else { suggestion(from, names) };
        problems.at(*from_mark, ProblemKind::UnknownOperator { name: from.clone(), suggestion });
        return None;
    };
    let Some((name, name_mark)) = &input.name else {
        let is_typed = draft.version.is_some_and(ApiVersion::is_typed);
        let is_named = draft.outputs.iter().any(|output| output.name.is_some());
        if is_named && is_typed && input.port_type.is_some() {
            problems.at(input.mark, ProblemKind::OutputNotNamed { operator: draft.name.clone() });
            return None;
        }
        if let (Some(wanted @ PortType::Array { .. }), false) = (&input.port_type, draft.has_broken_outputs) {
            let (operator, output) = (draft.name.clone(), String::new());
            let (input_type, found) = (wanted.to_string(), "files".to_owned());
            let kind = ProblemKind::TypeMismatch { input: input_type, operator, output, found };
            problems.at(input.mark, kind);
            return None;
        }
        return Some(Source::Operator { operator });
    };
    // Names are plain letters, and there may be thousands of both.
    let is_meant =
        |output: &OutputDraft| output.name.as_deref().is_some_and(|other| other.eq_ignore_ascii_case(name));
    let Some(output) = draft.outputs.iter().position(is_meant) else {
        if draft.has_broken_outputs {
            return None;
        }
        let names = draft.outputs.iter().filter_map(|output| output.name.as_deref());
        let suggestion = if problems.is_full() { None } else { suggestion(name, names) };
        let operator = draft.name.clone();
        problems.at(*name_mark, ProblemKind::UnknownOutput { operator, name: name.clone(), suggestion });
        return None;
    };
    check_types(input, draft, draft.outputs.get(output)?, problems);
    Some(Source::Output { operator, output })
}

/// Compares types where both sides have one: older operators are files without a type.
fn check_types(input: &InputDraft, draft: &Draft, output: &OutputDraft, problems: &mut Problems) {
    let (wanted, given) = match (&input.port_type, &output.port_type) {
        (Some(wanted), Some(given)) if wanted.fits(given) => return,
        (Some(wanted), Some(given)) => (wanted.to_string(), given.to_string()),
        // What is in shared memory cannot be read as files, nor the other way round.
        (None, Some(given @ PortType::Array { .. })) => ("files".to_owned(), given.to_string()),
        (Some(wanted @ PortType::Array { .. }), None) => (wanted.to_string(), "files".to_owned()),
        _ => return,
    };
    let output = output.name.clone().unwrap_or_default();
    let operator = draft.name.clone();
    problems.at(input.mark, ProblemKind::TypeMismatch { input: wanted, operator, output, found: given });
}

fn dependencies(sources: &[Option<Source>]) -> Vec<usize> {
    let operators: BTreeSet<usize> = sources
        .iter()
        .filter_map(|source| match source {
            Some(Source::Operator { operator } | Source::Output { operator, .. }) => Some(*operator),
            Some(Source::Job) | None => None,
        })
        .collect();
    operators.into_iter().collect()
}

/// Removes operators whose dependencies are removed, until only those remain that wait for a circle.
fn report_cycles(drafts: &[Draft], depends_on: &[Vec<usize>], problems: &mut Problems) {
    let mut waiting: Vec<usize> = depends_on.iter().map(Vec::len).collect();
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); drafts.len()];
    for (index, dependencies) in depends_on.iter().enumerate() {
        for dependency in dependencies {
            if let Some(list) = next.get_mut(*dependency) {
                list.push(index);
            }
        }
    }
    let mut ready: VecDeque<usize> =
        (0..drafts.len()).filter(|index| waiting.get(*index) == Some(&0)).collect();
    while let Some(index) = ready.pop_front() {
        for follower in next.get(index).into_iter().flatten() {
            if let Some(count) = waiting.get_mut(*follower) {
                *count -= 1;
                if *count == 0 {
                    ready.push_back(*follower);
                }
            }
        }
    }
    let is_stuck = |index: usize| waiting.get(index).is_some_and(|count| *count > 0);
    // From anyone who is stuck, walking against the arrows among the stuck ends in a circle.
    let mut seen = BTreeMap::new();
    for start in (0..drafts.len()).filter(|index| is_stuck(*index)) {
        let mut path = Vec::new();
        let mut at = start;
        while !seen.contains_key(&at) {
            seen.insert(at, start);
            path.push(at);
            let stuck = depends_on.get(at).into_iter().flatten().find(|index| is_stuck(**index));
            let Some(dependency) = stuck else { break };
            at = *dependency;
        }
        if seen.get(&at) != Some(&start) {
            continue;
        }
        let Some(begin) = path.iter().position(|index| *index == at) else { continue };
        // Data flows the other way round than the walk went.
        let circle: Vec<&Draft> =
            path.iter().skip(begin).rev().filter_map(|index| drafts.get(*index)).collect();
        let Some(first) = circle.iter().map(|draft| draft.name_mark).min_by_key(order) else { continue };
        let operators = circle.iter().map(|draft| draft.name.clone()).collect();
        problems.at(first, ProblemKind::Cycle { operators });
    }
}

fn order(mark: &Mark) -> (usize, u32, u32) {
    (mark.file, mark.line, mark.column)
}

fn check_status_size(drafts: &[Draft], depends_on: &[Vec<usize>], problems: &mut Problems) {
    let name_bytes = |draft: &Draft| draft.name.len() + STATUS_BYTES_PER_NAME;
    let of_operators: usize =
        drafts.iter().map(|draft| 2 * name_bytes(draft) + STATUS_BYTES_PER_OPERATOR).sum();
    let of_connections: usize =
        depends_on.iter().flatten().filter_map(|index| drafts.get(*index)).map(name_bytes).sum();
    let found = of_operators + of_connections;
    if let (Some(first), true) = (drafts.first(), found > MAX_STATUS_BYTES) {
        let what = "bytes that the names of operators and their connections take in an answer";
        problems.at(first.mark, ProblemKind::TooLarge { what, found, max: MAX_STATUS_BYTES });
    }
}

fn linked_input(input: &InputDraft, source: Source, drafts: &[Draft]) -> Input {
    let payload_folder = match (&input.port_type, source) {
        (Some(PortType::Array { .. }), _) => None,
        (_, Source::Job) => Some("input".to_owned()),
        (_, Source::Operator { operator }) => {
            drafts.get(operator).map(|draft| operator_folder(&draft.name, None))
        }
        (_, Source::Output { operator, output }) => drafts.get(operator).map(|draft| {
            let output = draft.outputs.get(output).and_then(|output| output.name.as_deref());
            operator_folder(&draft.name, output)
        }),
    };
    Input {
        source,
        name: input.name.as_ref().map(|(name, _)| name.clone()),
        path: input.path.clone(),
        port_type: input.port_type.clone(),
        payload_folder,
    }
}

fn linked_output(output: OutputDraft, operator: &str) -> Output {
    let payload_folder = match output.port_type {
        Some(PortType::Array { .. }) => None,
        _ => Some(operator_folder(operator, output.name.as_deref())),
    };
    Output { name: output.name, path: output.path, port_type: output.port_type, payload_folder }
}
