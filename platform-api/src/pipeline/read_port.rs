//! Reading inputs and outputs.

use super::api_version::ApiVersion;
use super::port::{MAX_RANK, NumberType, PortType};
use super::problem::{Mark, ProblemKind, excerpt, suggestion};
use super::read::{InputDraft, OutputDraft};
use super::reader::{Fields, Session, fixed, list, name};
use super::template::Scope;
use super::yaml::Node;

const TYPE_KEYS: [&str; 3] = ["type", "element-type", "shape"];
/// Longest path in a container, in bytes.
const MAX_PATH_BYTES: usize = 1024;

pub(super) fn read_input(
    session: &mut Session,
    scope: &mut Scope,
    node: &Node,
    version: Option<ApiVersion>,
) -> Option<InputDraft> {
    const KEYS: [&str; 6] = ["from", "name", "path", "type", "element-type", "shape"];
    let fields = Fields::read(session, node, "an input", &KEYS)?;
    let mut named = |key, what| {
        let node = fields.get(key)?;
        Some((name(session, scope, node, what)?, node.mark))
    };
    let from = named("from", "an operator");
    let name = named("name", "an output");
    let (port_type, path) = read_type_and_path(session, scope, &fields, version);
    if let (None, Some(PortType::Array { .. })) = (fields.get("from"), &port_type) {
        session.problems.at(fields.mark_of("type").unwrap_or(node.mark), ProblemKind::JobInputType);
    }
    // A broken `from` was reported; it must not turn into an input of the job.
    if fields.get("from").is_some() && from.is_none() {
        return None;
    }
    Some(InputDraft { mark: node.mark, from, name, path, port_type })
}

pub(super) fn read_output(
    session: &mut Session,
    scope: &mut Scope,
    node: &Node,
    version: Option<ApiVersion>,
) -> Option<OutputDraft> {
    const KEYS: [&str; 5] = ["name", "path", "type", "element-type", "shape"];
    let fields = Fields::read(session, node, "an output", &KEYS)?;
    let name = if version.is_some_and(ApiVersion::is_typed) {
        fields.need(session, "name")
    } else {
        fields.get("name")
    };
    let name = name.and_then(|node| self::name(session, scope, node, "an output"));
    let (port_type, path) = read_type_and_path(session, scope, &fields, version);
    Some(OutputDraft { mark: node.mark, name, path, port_type })
}

fn read_type_and_path(
    session: &mut Session,
    scope: &mut Scope,
    fields: &Fields<'_>,
    version: Option<ApiVersion>,
) -> (Option<PortType>, Option<String>) {
    // Without a version nobody can say what is needed; that it is missing was reported.
    let Some(version) = version else {
        let path = fields.get("path").and_then(|node| read_path(session, scope, node));
        return (None, path);
    };
    if !version.is_typed() {
        for key in TYPE_KEYS {
            if let Some(mark) = fields.mark_of(key) {
                let kind = ProblemKind::NeedsVersion { key, needed: ApiVersion::TYPED, found: version };
                session.problems.at(mark, kind);
            }
        }
        return (None, need_path(session, scope, fields));
    }
    let Some(node) = fields.need(session, "type") else { return (None, None) };
    let Some(text) = fixed(session, scope, node, "a type") else { return (None, None) };
    let in_memory = |session: &mut Session| fields.forbid(session, "path", "its data is in shared memory");
    match text.to_ascii_lowercase().as_str() {
        "stream" => {
            fields.forbid(session, "shape", "a stream has no shape");
            let path = need_path(session, scope, fields);
            let element = fields.need(session, "element-type");
            let format = element.and_then(|node| {
                let format = fixed(session, scope, node, "the format of a stream")?;
                if format.trim().is_empty() {
                    session.problems.at(node.mark, ProblemKind::Blank { what: "the format of a stream" });
                    return None;
                }
                Some(format.trim().to_owned())
            });
            (format.map(|format| PortType::Stream { format }), path)
        }
        "array" => {
            in_memory(session);
            let element = fields.need(session, "element-type");
            let element = element.and_then(|node| read_number_type(session, scope, node));
            let shape = fields.need(session, "shape").and_then(|node| read_shape(session, scope, node));
            let array = element.zip(shape).map(|(element, shape)| PortType::Array { element, shape });
            (array, None)
        }
        text => {
            in_memory(session);
            fields.forbid(session, "element-type", "the type says it already");
            fields.forbid(session, "shape", "the type says it already");
            (read_short_type(session, node.mark, text), None)
        }
    }
}

/// `string`, or the name of a number type.
fn read_short_type(session: &mut Session, mark: Mark, text: &str) -> Option<PortType> {
    if text == "string" {
        return Some(PortType::Array { element: NumberType::Uint8, shape: vec![None] });
    }
    let Some(element) = NumberType::from_name(text) else {
        let names = NumberType::ALL.map(NumberType::name);
        let suggestion = suggestion(text, ["stream", "array", "string"].into_iter().chain(names));
        session.problems.at(mark, ProblemKind::Type { text: excerpt(text), suggestion });
        return None;
    };
    Some(PortType::Array { element, shape: vec![Some(1)] })
}

fn read_number_type(session: &mut Session, scope: &mut Scope, node: &Node) -> Option<NumberType> {
    let text = fixed(session, scope, node, "an element type")?;
    let element = NumberType::from_name(&text);
    if element.is_none() {
        let suggestion = suggestion(&text, NumberType::ALL.map(NumberType::name));
        session.problems.at(node.mark, ProblemKind::NumberType { text: excerpt(&text), suggestion });
    }
    element
}

fn read_shape(session: &mut Session, scope: &mut Scope, node: &Node) -> Option<Vec<Option<u64>>> {
    let items = list(session, node, "a shape")?;
    if items.is_empty() || items.len() > MAX_RANK {
        session.problems.at(node.mark, ProblemKind::ShapeRank { max: MAX_RANK });
        return None;
    }
    // All of them, so that each problem is told.
    let lengths: Vec<_> = items.iter().map(|item| read_length(session, scope, item)).collect();
    lengths.into_iter().collect()
}

/// The outer `None` is a problem, the inner one an open length.
fn read_length(session: &mut Session, scope: &mut Scope, node: &Node) -> Option<Option<u64>> {
    let text = fixed(session, scope, node, "a length")?;
    if text == "-1" {
        return Some(None);
    }
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let length = if is_number { text.parse::<u64>().ok().filter(|length| *length > 0) } else { None };
    if length.is_none() {
        session.problems.at(node.mark, ProblemKind::Length { text: excerpt(&text) });
    }
    length.map(Some)
}

fn need_path(session: &mut Session, scope: &mut Scope, fields: &Fields<'_>) -> Option<String> {
    let node = fields.need(session, "path")?;
    read_path(session, scope, node)
}

fn read_path(session: &mut Session, scope: &mut Scope, node: &Node) -> Option<String> {
    let text = fixed(session, scope, node, "a path")?;
    let path = folder_path(&text);
    if path.is_none() {
        session.problems.at(node.mark, ProblemKind::Path { path: excerpt(&text) });
    }
    path
}

/// The path in its one form: absolute, no empty parts, no trailing slash. The root and the system's own folders are
/// no place for data.
fn folder_path(text: &str) -> Option<String> {
    let relative = text.strip_prefix('/')?;
    if text.len() > MAX_PATH_BYTES || text.chars().any(char::is_control) {
        return None;
    }
    let segments: Vec<&str> =
        relative.split('/').filter(|segment| !segment.is_empty() && *segment != ".").collect();
    let is_reserved = matches!(segments.first(), None | Some(&("proc" | "sys" | "dev")));
    if is_reserved || segments.contains(&"..") {
        return None;
    }
    Some(format!("/{}", segments.join("/")))
}

#[cfg(test)]
mod tests {
    use super::folder_path;

    #[test]
    fn paths_have_one_form_and_stay_where_data_may_be() {
        assert_eq!(folder_path("/in"), Some("/in".to_owned()));
        assert_eq!(folder_path("//in/./a//"), Some("/in/a".to_owned()));
        for path in ["", "in", "./in", "/", "/.", "/in/../etc", "/..", "/proc/self", "/dev", "/sys/", "/a\nb"]
        {
            assert_eq!(folder_path(path), None, "{path}");
        }
        assert_eq!(folder_path(&format!("/{}", "a".repeat(MAX))), None);
    }

    const MAX: usize = super::MAX_PATH_BYTES;
}
