//! Reading operators and services, written in place or imported.

use std::collections::BTreeSet;

use super::api_version::ApiVersion;
use super::problem::{ProblemKind, excerpt, suggestion};
use super::read::{
    Draft, Library, has_key, not_blank, number, read_description, read_parameters, read_version,
    report_duplicate_outputs, report_duplicate_paths, timeout,
};
use super::read_port::{read_input, read_output};
use super::reader::{Fields, Session, fixed, list, mapping, name, template};
use super::requests::{RequestFields, whole_number};
use super::template::{Scope, Template};
use super::yaml::{Kind, Node};
use super::{Container, HttpConnection, Service};
use crate::letter_case::fold;

/// Most inputs, and most outputs, of one operator.
const MAX_PORTS: usize = 1_000;
/// Operator names that mean something else where logs are read.
const RESERVED_NAMES: [&str; 1] = ["clara-pod-manager"];

const OPERATOR_KEYS: [&str; 12] = [
    "name",
    "description",
    "api-version",
    "container",
    "requests",
    "variables",
    "input",
    "output",
    "models",
    "services",
    "timeout",
    "import",
];
const IMPORTED_OPERATOR_KEYS: [&str; 12] = [
    "name",
    "description",
    "api-version",
    "container",
    "requests",
    "variables",
    "input",
    "output",
    "models",
    "services",
    "timeout",
    "parameters",
];

pub(super) fn read_operator(
    session: &mut Session,
    scope: &mut Scope,
    node: &Node,
    version: Option<ApiVersion>,
    library: &mut Library<'_>,
) -> Option<Draft> {
    let fields = Fields::read(session, node, "an operator", &OPERATOR_KEYS)?;
    let name_node = fields.need(session, "name");
    let operator_name = name_node.and_then(|node| name(session, scope, node, "an operator"));
    let mut draft = Draft {
        name_mark: name_node.map_or(node.mark, |node| node.mark),
        mark: node.mark,
        description: read_description(session, &fields),
        version,
        ..Draft::default()
    };
    if let Some(import) = fields.get("import") {
        for key in OPERATOR_KEYS {
            if !matches!(key, "name" | "description" | "import") {
                fields.forbid(session, key, "the imported file has it");
            }
        }
        read_imported_operator(session, scope, import, library, &mut draft);
    } else {
        fields.need(session, "container");
        read_body(session, scope, &fields, library, &mut draft);
    }
    draft.name = operator_name?;
    if RESERVED_NAMES.contains(&fold(&draft.name).as_str()) {
        let name = draft.name.clone();
        session.problems.at(draft.name_mark, ProblemKind::ReservedName { name });
    }
    Some(draft)
}

fn read_imported_operator(
    session: &mut Session,
    scope: &mut Scope,
    import: &Node,
    library: &mut Library<'_>,
    draft: &mut Draft,
) {
    draft.has_broken_outputs = true;
    let Some(Import { root, args }) = open_import(session, scope, import, library) else { return };
    if has_key(&root, "operators") || has_key(&root, "import") {
        session.problems.at(root.mark, ProblemKind::NotImportable);
        return;
    }
    let what = "an imported operator";
    let Some(fields) = Fields::read(session, &root, what, &IMPORTED_OPERATOR_KEYS) else { return };
    let mut inner = import_scope(session, scope, &fields, args);
    // The importing entry gives the name; the file's own must be one all the same.
    if let Some(node) = fields.get("name") {
        name(session, &mut inner, node, "an operator");
    }
    if draft.description.is_empty() {
        draft.description = read_description(session, &fields);
    }
    draft.has_broken_outputs = false;
    fields.need(session, "container");
    read_body(session, &mut inner, &fields, library, draft);
}

/// A file that is imported, and what is given for its parameters.
struct Import<'n> {
    root: Node,
    args: Option<&'n Node>,
}

fn open_import<'n>(
    session: &mut Session,
    scope: &mut Scope,
    import: &'n Node,
    library: &mut Library<'_>,
) -> Option<Import<'n>> {
    let fields = Fields::read(session, import, "an import", &["path", "args"])?;
    let node = fields.need(session, "path")?;
    let path = fixed(session, scope, node, "the path of an import")?;
    let root = library.import(&path, node.mark, session)?;
    session.charge(root.weight, import.mark).then(|| Import { root, args: fields.get("args") })
}

/// The parameters of an imported file: their defaults, or what the import gives for them.
fn import_scope(
    session: &mut Session,
    outer: &mut Scope,
    imported: &Fields<'_>,
    args: Option<&Node>,
) -> Scope {
    let mut inner = Scope::default();
    for (parameter, mark) in read_parameters(session, imported) {
        if !inner.declare(&parameter.name, Template::constant(parameter.default)) {
            let kind = ProblemKind::DuplicateName { name: parameter.name, what: "parameter" };
            session.problems.at(mark, kind);
        }
    }
    let Some(args) = args else { return inner };
    for (name, mark, value) in mapping(session, args, "`args`").unwrap_or_default() {
        let Some(value) = template(session, outer, value, "an argument") else { continue };
        if !inner.replace(name, value) {
            let suggestion = suggestion(name, inner.names());
            session.problems.at(mark, ProblemKind::UndeclaredParameter { name: excerpt(name), suggestion });
        }
    }
    inner
}

fn read_body(
    session: &mut Session,
    scope: &mut Scope,
    fields: &Fields<'_>,
    library: &mut Library<'_>,
    draft: &mut Draft,
) {
    if let Some(node) = fields.get("api-version") {
        draft.version = read_version(session, node).or(draft.version);
    }
    draft.container = read_container(session, scope, fields);
    draft.requests = read_requests(session, scope, fields);
    draft.requests.timeout = timeout(session, scope, fields);
    draft.variables = read_variables(session, scope, fields);
    for item in ports(session, fields, "input") {
        draft.inputs.extend(read_input(session, scope, item, draft.version));
    }
    for item in ports(session, fields, "output") {
        match read_output(session, scope, item, draft.version) {
            Some(output) => {
                let is_broken = draft.version.is_none_or(ApiVersion::is_typed)
                    && (output.name.is_none() || output.port_type.is_none());
                draft.has_broken_outputs |= is_broken;
                draft.outputs.push(output);
            }
            None => draft.has_broken_outputs = true,
        }
    }
    report_duplicate_outputs(session, draft);
    report_duplicate_paths(session, draft);
    read_models(session, scope, fields, draft);
    if let Some(node) = fields.get("services") {
        let mark = fields.mark_of("services").unwrap_or(node.mark);
        session.remarks.at(mark, ProblemKind::Deprecated { key: "services" });
        for item in list(session, node, "`services`").unwrap_or_default() {
            draft.services.extend(read_service(session, scope, item, library));
        }
    }
}

fn ports<'n>(session: &mut Session, fields: &Fields<'n>, key: &'static str) -> &'n [Node] {
    let Some(node) = fields.get(key) else { return &[] };
    let what = if key == "input" { "`input`" } else { "`output`" };
    let items = list(session, node, what).unwrap_or_default();
    if items.len() > MAX_PORTS {
        let what = if key == "input" { "number of inputs" } else { "number of outputs" };
        session.problems.at(node.mark, ProblemKind::TooLarge { what, found: items.len(), max: MAX_PORTS });
        return &[];
    }
    items
}

fn read_container(session: &mut Session, scope: &mut Scope, fields: &Fields<'_>) -> Container {
    let mut container = Container::default();
    let Some(node) = fields.get("container") else { return container };
    let Some(fields) = Fields::read(session, node, "a container", &["image", "tag", "command"]) else {
        return container;
    };
    let mut filled = |session: &mut Session, node: &Node, what| {
        let template = template(session, scope, node, what)?;
        if template.as_constant().is_some_and(|text| text.trim().is_empty()) {
            session.problems.at(node.mark, ProblemKind::Blank { what });
        }
        Some(template)
    };
    if let Some(image) = fields.need(session, "image").and_then(|node| filled(session, node, "an image")) {
        container.image = image;
    }
    if let Some(tag) = fields.get("tag").and_then(|node| filled(session, node, "a tag")) {
        container.tag = tag;
    }
    if let Some(node) = fields.get("command") {
        let items = list(session, node, "`command`").unwrap_or_default();
        let parts = items.iter().filter_map(|item| template(session, scope, item, "a part of a command"));
        container.command = parts.collect();
    }
    container
}

fn read_requests(session: &mut Session, scope: &mut Scope, fields: &Fields<'_>) -> RequestFields {
    const KEYS: [&str; 5] = ["cpu", "gpu", "memory", "shared-memory", "network"];
    let Some(node) = fields.get("requests") else { return RequestFields::default() };
    let Some(fields) = Fields::read(session, node, "`requests`", &KEYS) else {
        return RequestFields::default();
    };
    let network = fields.get("network").and_then(|node| read_flag(session, scope, node, "network"));
    RequestFields {
        cpu: number(session, scope, &fields, "cpu", 1..=u32::MAX),
        gpu: number(session, scope, &fields, "gpu", 0..=u32::MAX),
        memory: number(session, scope, &fields, "memory", 1..=u32::MAX),
        shared_memory: number(session, scope, &fields, "shared-memory", 0..=u32::MAX),
        timeout: None,
        network: network.unwrap_or_default(),
    }
}

fn read_flag(session: &mut Session, scope: &mut Scope, node: &Node, key: &'static str) -> Option<bool> {
    let text = fixed(session, scope, node, "a flag")?;
    match text.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => {
            session.problems.at(node.mark, ProblemKind::Flag { key, text: excerpt(&text) });
            None
        }
    }
}

fn read_variables(session: &mut Session, scope: &mut Scope, fields: &Fields<'_>) -> Vec<(String, Template)> {
    let Some(node) = fields.get("variables") else { return Vec::new() };
    let entries = mapping(session, node, "`variables`").unwrap_or_default();
    let mut variables = Vec::with_capacity(entries.len());
    for (name, mark, value) in entries {
        if !is_variable_name(name) {
            session.problems.at(mark, ProblemKind::VariableName { name: excerpt(name) });
            continue;
        }
        let value = match &value.kind {
            Kind::Null => Some(Template::default()),
            _ => template(session, scope, value, "the value of a variable"),
        };
        variables.extend(value.map(|value| (name.to_owned(), value)));
    }
    variables
}

/// Letters, digits and `_`, `-`, `.`; no digit in front. Letter case counts, as in every environment but one.
fn is_variable_name(name: &str) -> bool {
    let is_inside = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    name.len() <= 255
        && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
        && name.bytes().all(is_inside)
}

fn read_models(session: &mut Session, scope: &mut Scope, fields: &Fields<'_>, draft: &mut Draft) {
    let Some(node) = fields.get("models") else { return };
    if let Some(found) = draft.version.filter(|version| *version < ApiVersion::MODELS) {
        let mark = fields.mark_of("models").unwrap_or(node.mark);
        let needed = ApiVersion::MODELS;
        session.problems.at(mark, ProblemKind::NeedsVersion { key: "models", needed, found });
    }
    let mut seen = BTreeSet::new();
    for item in list(session, node, "`models`").unwrap_or_default() {
        let Some(fields) = Fields::read(session, item, "a model", &["name"]) else { continue };
        let Some(node) = fields.need(session, "name") else { continue };
        let Some(model) = not_blank(session, scope, node, "the name of a model") else { continue };
        if !seen.insert(model.clone()) {
            let kind = ProblemKind::DuplicateName { name: excerpt(&model), what: "model" };
            session.problems.at(node.mark, kind);
        } else {
            draft.models.push(model);
        }
    }
}

fn read_service(
    session: &mut Session,
    scope: &mut Scope,
    node: &Node,
    library: &mut Library<'_>,
) -> Option<Service> {
    const KEYS: [&str; 6] = ["name", "container", "requests", "variables", "connections", "import"];
    const IMPORTED_KEYS: [&str; 8] = [
        "name",
        "description",
        "api-version",
        "container",
        "requests",
        "variables",
        "connections",
        "parameters",
    ];
    let fields = Fields::read(session, node, "a service", &KEYS)?;
    let service_name = fields.need(session, "name");
    let service_name = service_name.and_then(|node| name(session, scope, node, "a service"));
    let Some(import) = fields.get("import") else {
        fields.need(session, "container");
        return read_service_body(session, scope, &fields, service_name);
    };
    for key in KEYS {
        // Connections name variables of the operator, so the importing entry may give its own.
        if !matches!(key, "name" | "import" | "connections") {
            fields.forbid(session, key, "the imported file has it");
        }
    }
    let Import { root, args } = open_import(session, scope, import, library)?;
    let imported = Fields::read(session, &root, "an imported service", &IMPORTED_KEYS)?;
    let mut inner = import_scope(session, scope, &imported, args);
    imported.need(session, "container");
    let mut service = read_service_body(session, &mut inner, &imported, service_name)?;
    if fields.get("connections").is_some() {
        service.http = read_connections(session, scope, &fields);
    }
    Some(service)
}

fn read_service_body(
    session: &mut Session,
    scope: &mut Scope,
    fields: &Fields<'_>,
    name: Option<String>,
) -> Option<Service> {
    let container = read_container(session, scope, fields);
    let requests = read_requests(session, scope, fields);
    let variables = read_variables(session, scope, fields);
    let http = read_connections(session, scope, fields);
    Some(Service { name: name?, container, requests, variables, http })
}

fn read_connections(session: &mut Session, scope: &mut Scope, fields: &Fields<'_>) -> Vec<HttpConnection> {
    let Some(node) = fields.get("connections") else { return Vec::new() };
    let what = "`connections`";
    let Some(fields) = Fields::read(session, node, what, &["http", "file", "volume"]) else {
        return Vec::new();
    };
    // Nobody wrote down what entries of the other kinds hold.
    for key in ["file", "volume"] {
        if let Some(mark) = fields.mark_of(key) {
            session.remarks.at(mark, ProblemKind::Deprecated { key });
        }
    }
    let Some(node) = fields.get("http") else { return Vec::new() };
    let items = list(session, node, "`http`").unwrap_or_default();
    items.iter().filter_map(|item| read_http(session, scope, item)).collect()
}

fn read_http(session: &mut Session, scope: &mut Scope, node: &Node) -> Option<HttpConnection> {
    let fields = Fields::read(session, node, "a connection", &["name", "port"])?;
    let name_node = fields.need(session, "name")?;
    let variable = fixed(session, scope, name_node, "the name of a connection")?;
    if !is_variable_name(&variable) {
        session.problems.at(name_node.mark, ProblemKind::VariableName { name: excerpt(&variable) });
        return None;
    }
    let port = match fields.get("port") {
        None => None,
        Some(node) => {
            let text = fixed(session, scope, node, "a port")?;
            let number = whole_number(&text).and_then(|number| u16::try_from(number).ok());
            let port = number.filter(|port| *port >= 1024);
            if port.is_none() {
                session.problems.at(node.mark, ProblemKind::Port { text: excerpt(&text) });
            }
            Some(port?)
        }
    };
    Some(HttpConnection { variable, port })
}
