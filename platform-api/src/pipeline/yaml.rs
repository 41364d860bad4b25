//! Trees of YAML whose nodes know their place.
//!
//! Reads events one by one and stops at the first limit, so that hostile text is refused before it costs memory or
//! time. Aliases share what they refer to and count as if they were written out.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::problem::{Mark, ProblemKind, excerpt};

/// Deepest nesting; definitions need about eight levels.
pub(super) const MAX_DEPTH: usize = 32;
/// Largest tree: nodes, and one more for each [`BYTES_PER_WEIGHT`] bytes of text.
const MAX_WEIGHT: usize = 600_000;
const BYTES_PER_WEIGHT: usize = 16;

/// A node and its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) mark: Mark,
    pub(super) kind: Kind,
    /// What the tree below would weigh with all aliases written out.
    pub(super) weight: usize,
    /// Levels below.
    height: usize,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// Nothing, or `null`.
    Null,
    Text(Arc<str>),
    List(Arc<[Node]>),
    Mapping(Arc<[(Node, Node)]>),
}

type Refusal = (Mark, ProblemKind);

/// The one document of a file.
///
/// # Errors
/// The first place at which the text is not YAML, or beyond a limit.
pub(super) fn parse(text: &str, file: usize) -> Result<Node, Refusal> {
    let mut builder = Builder::default();
    let mut last = Mark { file, line: 1, column: 1 };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let reason = excerpt(error.info());
            (mark(file, error.marker().line(), error.marker().col()), ProblemKind::Syntax { reason })
        })?;
        last = start_of(file, &span);
        builder.take(event, last)?;
    }
    match builder.root {
        Some(Node { kind: Kind::Null, mark, .. }) => Err((mark, ProblemKind::EmptyFile)),
        Some(root) => Ok(root),
        None => Err((last, ProblemKind::EmptyFile)),
    }
}

fn mark(file: usize, line: usize, column: usize) -> Mark {
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    Mark { file, line: number(line.max(1)), column: number(column.saturating_add(1)) }
}

fn start_of(file: usize, span: &Span) -> Mark {
    mark(file, span.start.line(), span.start.col())
}

/// A list or mapping that is not complete.
struct Frame {
    mark: Mark,
    anchor: usize,
    is_mapping: bool,
    /// Of a mapping: keys and values in turn.
    children: Vec<Node>,
    weight: usize,
    height: usize,
}

#[derive(Default)]
struct Builder {
    frames: Vec<Frame>,
    anchors: HashMap<usize, Node>,
    weight: usize,
    documents: usize,
    root: Option<Node>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, mark: Mark) -> Result<(), Refusal> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 { Err((mark, ProblemKind::SeveralDocuments)) } else { Ok(()) }
            }
            Event::Alias(anchor) => {
                let target = self.anchors.get(&anchor).ok_or((mark, ProblemKind::AliasOfItself))?;
                // The alias stands for a value that is written elsewhere; messages point to where it is used.
                let node = Node { mark, ..target.clone() };
                self.charge(node.weight, mark, ProblemKind::TooManyAliases)?;
                self.add(node, 0)
            }
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = check_tag(tag.as_deref(), mark)?;
                let is_null = style == ScalarStyle::Plain
                    && !is_text
                    && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let weight = 1 + text.len() / BYTES_PER_WEIGHT;
                self.charge(weight, mark, too_large(text.len()))?;
                let kind = if is_null { Kind::Null } else { Kind::Text(Arc::from(&*text)) };
                self.add(Node { mark, kind, weight, height: 0 }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                check_tag(tag.as_deref(), mark)?;
                self.open(mark, anchor, false)
            }
            Event::MappingStart(anchor, tag) => {
                check_tag(tag.as_deref(), mark)?;
                self.open(mark, anchor, true)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
        }
    }

    fn charge(&mut self, weight: usize, mark: Mark, refusal: ProblemKind) -> Result<(), Refusal> {
        self.weight = self.weight.saturating_add(weight);
        if self.weight > MAX_WEIGHT { Err((mark, refusal)) } else { Ok(()) }
    }

    fn open(&mut self, mark: Mark, anchor: usize, is_mapping: bool) -> Result<(), Refusal> {
        self.charge(1, mark, too_large(0))?;
        if self.frames.len() >= MAX_DEPTH {
            return Err((mark, ProblemKind::TooDeep { max: MAX_DEPTH }));
        }
        self.frames.push(Frame { mark, anchor, is_mapping, children: Vec::new(), weight: 1, height: 0 });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Refusal> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let kind = if frame.is_mapping {
            let mut children = frame.children.into_iter();
            let mut entries = Vec::with_capacity(children.len() / 2);
            while let (Some(key), Some(value)) = (children.next(), children.next()) {
                entries.push((key, value));
            }
            Kind::Mapping(entries.into())
        } else {
            Kind::List(frame.children.into())
        };
        let node = Node { mark: frame.mark, kind, weight: frame.weight, height: frame.height + 1 };
        self.add(node, frame.anchor)
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Refusal> {
        if self.frames.len() + node.height > MAX_DEPTH {
            return Err((node.mark, ProblemKind::TooDeep { max: MAX_DEPTH }));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.frames.last_mut() {
            Some(frame) => {
                frame.weight = frame.weight.saturating_add(node.weight);
                frame.height = frame.height.max(node.height);
                frame.children.push(node);
            }
            None => self.root = Some(node),
        }
        Ok(())
    }
}

fn too_large(bytes: usize) -> ProblemKind {
    ProblemKind::TooLarge {
        what: "weight of the file's values",
        found: MAX_WEIGHT + 1 + bytes,
        max: MAX_WEIGHT,
    }
}

/// Whether a tag says that a value is a text, whatever it looks like.
fn check_tag(tag: Option<&Tag>, mark: Mark) -> Result<bool, Refusal> {
    let Some(tag) = tag else { return Ok(false) };
    match tag.suffix.as_str() {
        "str" if tag.is_yaml_core_schema() => Ok(true),
        "seq" | "map" | "null" | "bool" | "int" | "float" if tag.is_yaml_core_schema() => Ok(false),
        _ => Err((mark, ProblemKind::Tag { tag: excerpt(&format!("{}{}", tag.handle, tag.suffix)) })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (u32, u32, ProblemKind) {
        // Without the tree, whose shared branches a failure would write out again and again.
        let (mark, kind) = parse(text, 0).map(|_| ()).unwrap_err();
        (mark.line, mark.column, kind)
    }

    #[test]
    fn nodes_know_their_line_and_column() {
        let root = parse("a: 1\nb:\n  - ä: x\n    y: z\n", 3).unwrap();
        let Kind::Mapping(entries) = &root.kind else { panic!() };
        let (key, value) = &entries[1];
        assert_eq!((key.mark.file, key.mark.line, key.mark.column), (3, 2, 1));
        let Kind::List(items) = &value.kind else { panic!() };
        let Kind::Mapping(inner) = &items[0].kind else { panic!() };
        assert_eq!((inner[1].1.mark.line, inner[1].1.mark.column), (4, 8));
        assert_eq!((inner[0].1.mark.line, inner[0].1.mark.column), (3, 8));
    }

    #[test]
    fn aliases_share_and_count() {
        let root = parse("a: &x [1, 2]\nb: *x\n", 0).unwrap();
        let Kind::Mapping(entries) = &root.kind else { panic!() };
        let (Kind::List(a), Kind::List(b)) = (&entries[0].1.kind, &entries[1].1.kind) else { panic!() };
        assert!(Arc::ptr_eq(a, b));
        assert_eq!(root.weight, 1 + 2 + 3 + 3);
        assert_eq!(entries[1].1.mark.line, 2);
    }

    #[test]
    fn a_billion_laughs_are_refused_quickly() {
        let mut text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
        for level in 1..20 {
            let below = format!("*a{}, ", level - 1).repeat(9);
            text += &format!("a{level}: &a{level} [{below}]\n");
        }
        assert_eq!(refused(&text).2, ProblemKind::TooManyAliases);
    }

    #[test]
    fn depth_is_limited_even_through_aliases() {
        // The parser has a limit of its own for these.
        assert!(matches!(refused(&"[".repeat(100_000)).2, ProblemKind::Syntax { .. }));
        assert_eq!(refused(&"[".repeat(MAX_DEPTH + 1)).2, ProblemKind::TooDeep { max: MAX_DEPTH });
        assert_eq!(refused(&"- ".repeat(10_000)).2, ProblemKind::TooDeep { max: MAX_DEPTH });
        let deepest = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        assert!(parse(&deepest, 0).is_ok());
        let half = format!("{}{}", "[".repeat(20), "]".repeat(20));
        let doubled = format!("a: &a {half}\nb: {}*a{}\n", "[".repeat(20), "]".repeat(20));
        assert_eq!(refused(&doubled).2, ProblemKind::TooDeep { max: MAX_DEPTH });
    }

    #[test]
    fn what_is_no_document_is_refused_with_its_place() {
        assert!(matches!(refused("a: [1\nb: 2"), (2, _, ProblemKind::Syntax { .. })));
        assert!(matches!(refused("a: b: c"), (1, _, ProblemKind::Syntax { .. })));
        assert_eq!(refused("").2, ProblemKind::EmptyFile);
        assert_eq!(refused("# only\n").2, ProblemKind::EmptyFile);
        assert_eq!(refused("~").2, ProblemKind::EmptyFile);
        assert_eq!(refused("a: 1\n---\nb: 2\n"), (2, 1, ProblemKind::SeveralDocuments));
        assert_eq!(refused("a: &x [*x]").2, ProblemKind::AliasOfItself);
        assert!(matches!(refused("a: !exec x"), (1, 4, ProblemKind::Tag { .. })));
        assert!(matches!(refused("a: *nowhere"), (1, _, ProblemKind::Syntax { .. })));
    }

    #[test]
    fn text_stays_as_it_was_written() {
        let root = parse("[1.20, '~', !!str null, ~, null, \"\", ]", 0).unwrap();
        let Kind::List(items) = &root.kind else { panic!() };
        let texts: Vec<Option<&str>> = items
            .iter()
            .map(|item| if let Kind::Text(text) = &item.kind { Some(&**text) } else { None })
            .collect();
        assert_eq!(texts, [Some("1.20"), Some("~"), Some("null"), None, None, Some("")]);
    }
}
