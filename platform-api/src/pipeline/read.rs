//! Reading the main file of a definition.

use std::collections::{BTreeMap, BTreeSet};

use super::api_version::ApiVersion;
use super::port::PortType;
use super::problem::{Mark, ProblemKind, excerpt};
use super::read_operator::read_operator;
use super::reader::{Fields, Session, fixed, list, mapping, name, template, text};
use super::requests::{NumberField, RequestFields};
use super::source::{DefinitionFile, Files};
use super::template::{Scope, Template, is_name};
use super::yaml::{self, Kind, Node};
use super::{Container, Orchestrator, Parameter, Service};
use crate::letter_case::fold;

/// Most operators of a pipeline.
pub(super) const MAX_OPERATORS: usize = 10_000;
/// Longest time limit, in seconds: a year.
const MAX_TIMEOUT_SECS: u32 = 366 * 86_400;

/// An operator before it is linked. Made whenever the operator has a name, so that others can refer to it.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) name_mark: Mark,
    pub(super) mark: Mark,
    pub(super) description: String,
    pub(super) version: Option<ApiVersion>,
    pub(super) container: Container,
    pub(super) requests: RequestFields,
    pub(super) variables: Vec<(String, Template)>,
    pub(super) inputs: Vec<InputDraft>,
    pub(super) outputs: Vec<OutputDraft>,
    /// An output could not be read, so one that is missed may be meant to be there.
    pub(super) has_broken_outputs: bool,
    pub(super) models: Vec<String>,
    pub(super) services: Vec<Service>,
}

#[derive(Debug)]
pub(super) struct InputDraft {
    pub(super) mark: Mark,
    pub(super) from: Option<(String, Mark)>,
    pub(super) name: Option<(String, Mark)>,
    pub(super) path: Option<String>,
    pub(super) port_type: Option<PortType>,
}

#[derive(Debug)]
pub(super) struct OutputDraft {
    pub(super) mark: Mark,
    pub(super) name: Option<String>,
    pub(super) path: Option<String>,
    pub(super) port_type: Option<PortType>,
}

/// A pipeline before its operators are linked.
#[derive(Debug)]
pub(super) struct PipelineDraft {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) version: ApiVersion,
    pub(super) orchestrator: Orchestrator,
    pub(super) parameters: Vec<Parameter>,
    pub(super) pull_secrets: Vec<String>,
    pub(super) timeout: Option<NumberField>,
    pub(super) operators: Vec<Draft>,
}

/// The files of a definition, each parsed once and only when it is needed.
pub(super) struct Library<'f> {
    files: &'f [DefinitionFile],
    finder: Files,
    parsed: BTreeMap<usize, Option<Node>>,
}

impl<'f> Library<'f> {
    pub(super) fn new(files: &'f [DefinitionFile]) -> Self {
        Self { files, finder: Files::new(files), parsed: BTreeMap::new() }
    }

    /// The file of an index; problems with it are reported when it is first asked for.
    fn file(&mut self, index: usize, session: &mut Session) -> Option<Node> {
        if let Some(parsed) = self.parsed.get(&index) {
            return parsed.clone();
        }
        let file = self.files.get(index)?;
        let parsed =
            yaml::parse(&file.content, index).map_err(|(mark, kind)| session.problems.at(mark, kind)).ok();
        self.parsed.insert(index, parsed.clone());
        parsed
    }

    /// The file that an import means.
    pub(super) fn import(&mut self, path: &str, mark: Mark, session: &mut Session) -> Option<Node> {
        let Some(index) = self.finder.find(path) else {
            session.problems.at(mark, ProblemKind::NoSuchFile { path: excerpt(path) });
            return None;
        };
        self.file(index, session)
    }

    fn report_unused(&self, session: &mut Session) {
        for index in (0..self.files.len()).filter(|index| !self.parsed.contains_key(index)) {
            session.remarks.at(Mark { file: index, line: 1, column: 1 }, ProblemKind::UnusedFile);
        }
    }
}

pub(super) fn read_pipeline(library: &mut Library<'_>, session: &mut Session) -> Option<PipelineDraft> {
    const KEYS: [&str; 8] = [
        "api-version",
        "name",
        "description",
        "orchestrator",
        "parameters",
        "pull-secrets",
        "operators",
        "timeout",
    ];
    let root = library.file(0, session)?;
    if has_key(&root, "container") && !has_key(&root, "operators") {
        session.problems.at(root.mark, ProblemKind::OperatorFile);
        return None;
    }
    let fields = Fields::read(session, &root, "a pipeline", &KEYS)?;
    let version = fields.need(session, "api-version");
    let version = version.and_then(|node| read_version(session, node));
    let parameters = read_parameters(session, &fields);
    let mut scope = Scope::default();
    for (index, (parameter, mark)) in parameters.iter().enumerate() {
        if !scope.declare_parameter(&parameter.name, index) {
            let kind = ProblemKind::DuplicateName { name: parameter.name.clone(), what: "parameter" };
            session.problems.at(*mark, kind);
        }
    }
    let pipeline_name = fields.need(session, "name");
    let pipeline_name = pipeline_name.and_then(|node| name(session, &mut scope, node, "a pipeline"));
    let orchestrator = read_orchestrator(session, &fields, version);
    let pull_secrets = read_pull_secrets(session, &mut scope, &fields);
    let time_limit = timeout(session, &mut scope, &fields);
    let operators = read_operators(session, &mut scope, &fields, version, library);
    let mark_of: BTreeMap<&str, Mark> =
        parameters.iter().map(|(parameter, mark)| (parameter.name.as_str(), *mark)).collect();
    for unused in scope.unused() {
        if let Some(mark) = mark_of.get(unused) {
            session.remarks.at(*mark, ProblemKind::UnusedParameter { name: unused.to_owned() });
        }
    }
    library.report_unused(session);
    Some(PipelineDraft {
        name: pipeline_name?,
        description: read_description(session, &fields),
        version: version?,
        orchestrator,
        parameters: parameters.into_iter().map(|(parameter, _)| parameter).collect(),
        pull_secrets,
        timeout: time_limit,
        operators: operators?,
    })
}

fn read_operators(
    session: &mut Session,
    scope: &mut Scope,
    fields: &Fields<'_>,
    version: Option<ApiVersion>,
    library: &mut Library<'_>,
) -> Option<Vec<Draft>> {
    let node = fields.need(session, "operators")?;
    let items = list(session, node, "`operators`")?;
    if items.is_empty() {
        session.problems.at(node.mark, ProblemKind::NoOperators);
        return None;
    }
    if items.len() > MAX_OPERATORS {
        let (what, found) = ("number of operators", items.len());
        session.problems.at(node.mark, ProblemKind::TooLarge { what, found, max: MAX_OPERATORS });
        return None;
    }
    let mut drafts = Vec::with_capacity(items.len());
    for item in items {
        drafts.extend(read_operator(session, scope, item, version, library));
        if !session.charge(0, item.mark) {
            return None;
        }
    }
    Some(drafts)
}

pub(super) fn has_key(node: &Node, wanted: &str) -> bool {
    let Kind::Mapping(entries) = &node.kind else { return false };
    entries.iter().any(|(key, _)| matches!(&key.kind, Kind::Text(text) if &**text == wanted))
}

pub(super) fn read_version(session: &mut Session, node: &Node) -> Option<ApiVersion> {
    let text = text(session, node, "`api-version`")?;
    let version = text.parse().ok();
    if version.is_none() {
        session.problems.at(node.mark, ProblemKind::Version { text: excerpt(text) });
    }
    version
}

/// Descriptions are for people; they stay as they were written.
pub(super) fn read_description(session: &mut Session, fields: &Fields<'_>) -> String {
    let node = fields.get("description");
    node.and_then(|node| text(session, node, "a description")).unwrap_or_default().to_owned()
}

fn read_orchestrator(
    session: &mut Session,
    fields: &Fields<'_>,
    version: Option<ApiVersion>,
) -> Orchestrator {
    let default = match version {
        Some(version) if version < ApiVersion::CLARA => Orchestrator::Argo,
        _ => Orchestrator::Clara,
    };
    let Some(node) = fields.get("orchestrator") else { return default };
    let Some(text) = text(session, node, "`orchestrator`") else { return default };
    if text.eq_ignore_ascii_case("clara") {
        return Orchestrator::Clara;
    }
    if !text.eq_ignore_ascii_case("argo") {
        session.problems.at(node.mark, ProblemKind::Orchestrator { text: excerpt(text) });
        return default;
    }
    if version.is_some_and(ApiVersion::is_typed) {
        session.problems.at(node.mark, ProblemKind::TypedArgo);
    }
    Orchestrator::Argo
}

/// Parameters with their defaults, and where their names stand.
pub(super) fn read_parameters(session: &mut Session, fields: &Fields<'_>) -> Vec<(Parameter, Mark)> {
    let Some(node) = fields.get("parameters") else { return Vec::new() };
    let entries = mapping(session, node, "`parameters`").unwrap_or_default();
    let mut parameters = Vec::with_capacity(entries.len());
    for (name, mark, value) in entries {
        if !is_name(name) {
            session.problems.at(mark, ProblemKind::Name { name: excerpt(name), what: "a parameter" });
            continue;
        }
        let default = match &value.kind {
            Kind::Null => "",
            _ => text(session, value, "the default of a parameter").unwrap_or_default(),
        };
        if default.contains("${{") {
            session.problems.at(value.mark, ProblemKind::PlaceholderInDefault);
        }
        parameters.push((Parameter { name: name.to_owned(), default: default.to_owned() }, mark));
    }
    parameters
}

/// Names of secrets follow the rules of another system, so any text will do.
fn read_pull_secrets(session: &mut Session, scope: &mut Scope, fields: &Fields<'_>) -> Vec<String> {
    let Some(node) = fields.get("pull-secrets") else { return Vec::new() };
    let items = list(session, node, "`pull-secrets`").unwrap_or_default();
    items.iter().filter_map(|item| not_blank(session, scope, item, "a pull secret")).collect()
}

/// A fixed text that holds more than spaces.
pub(super) fn not_blank(
    session: &mut Session,
    scope: &mut Scope,
    node: &Node,
    what: &'static str,
) -> Option<String> {
    let text = fixed(session, scope, node, what)?;
    if text.trim().is_empty() {
        session.problems.at(node.mark, ProblemKind::Blank { what });
        return None;
    }
    Some(text)
}

/// A whole number that may depend on parameters; whether it is one shows when these are known.
pub(super) fn number(
    session: &mut Session,
    scope: &mut Scope,
    fields: &Fields<'_>,
    key: &'static str,
    range: std::ops::RangeInclusive<u32>,
) -> Option<NumberField> {
    let node = fields.get(key)?;
    let template = template(session, scope, node, "a number")?;
    let place = session.problems.place(node.mark);
    Some(NumberField { key, template, place, min: *range.start(), max: *range.end() })
}

/// The time limit of an operator or pipeline, in seconds.
pub(super) fn timeout(session: &mut Session, scope: &mut Scope, fields: &Fields<'_>) -> Option<NumberField> {
    number(session, scope, fields, "timeout", 1..=MAX_TIMEOUT_SECS)
}

/// Reports paths that one operator uses twice, whatever for.
pub(super) fn report_duplicate_paths(session: &mut Session, draft: &Draft) {
    let inputs = draft.inputs.iter().map(|input| (&input.path, input.mark));
    let outputs = draft.outputs.iter().map(|output| (&output.path, output.mark));
    let mut seen = BTreeSet::new();
    for (path, mark) in inputs.chain(outputs) {
        if let Some(path) = path.as_ref().filter(|path| !seen.insert(path.as_str())) {
            session.problems.at(mark, ProblemKind::DuplicatePath { path: excerpt(path) });
        }
    }
}

/// Reports outputs of one operator that cannot be told apart.
pub(super) fn report_duplicate_outputs(session: &mut Session, draft: &Draft) {
    let is_alone = draft.outputs.len() == 1;
    let mut seen = BTreeSet::new();
    for output in &draft.outputs {
        match &output.name {
            Some(name) if !seen.insert(fold(name)) => {
                let kind = ProblemKind::DuplicateName { name: name.clone(), what: "output" };
                session.problems.at(output.mark, kind);
            }
            None if !is_alone && !draft.version.is_some_and(ApiVersion::is_typed) => {
                session.problems.at(output.mark, ProblemKind::UnnamedOutput);
            }
            _ => {}
        }
    }
}
