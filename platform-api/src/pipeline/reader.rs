//! Reading nodes as what a definition means by them.

use std::collections::BTreeMap;

use super::problem::{Mark, ProblemKind, Problems, excerpt, suggestion};
use super::template::{Scope, Template, TemplateError, is_name};
use super::yaml::{Kind, Node};

/// How much a definition may take to read, imports included: nodes, and bytes of texts.
const MAX_WORK: usize = 32 << 20;

/// What all files of a definition share while they are read.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) problems: Problems,
    /// What is worth saying, but refuses nothing.
    pub(super) remarks: Problems,
    work: usize,
}

impl Session {
    pub(super) fn new(problems: Problems, remarks: Problems) -> Self {
        Self { problems, remarks, work: 0 }
    }

    /// Whether there is room for more; says once that there is not.
    pub(super) fn charge(&mut self, work: usize, mark: Mark) -> bool {
        let had_room = self.work <= MAX_WORK;
        self.work = self.work.saturating_add(work);
        if self.work <= MAX_WORK {
            return true;
        }
        if had_room {
            let what = "size of the definition with all imports";
            let kind = ProblemKind::TooLarge { what, found: self.work, max: MAX_WORK };
            self.problems.at(mark, kind);
        }
        false
    }

    fn room(&self) -> usize {
        MAX_WORK.saturating_sub(self.work)
    }
}

/// The entries of a mapping whose keys are known.
#[derive(Debug)]
pub(super) struct Fields<'n> {
    pub(super) what: &'static str,
    pub(super) mark: Mark,
    entries: BTreeMap<&'n str, (Mark, &'n Node)>,
}

impl<'n> Fields<'n> {
    /// Reads a mapping; unknown and repeated keys are reported.
    pub(super) fn read(
        session: &mut Session,
        node: &'n Node,
        what: &'static str,
        known: &[&'static str],
    ) -> Option<Self> {
        let mut entries = BTreeMap::new();
        for (key, mark, value) in mapping(session, node, what)? {
            if known.contains(&key) {
                entries.insert(key, (mark, value));
            } else {
                let suggestion =
                    if session.problems.is_full() { None } else { suggestion(key, known.iter().copied()) };
                session.problems.at(mark, ProblemKind::UnknownKey { key: excerpt(key), what, suggestion });
            }
        }
        Some(Self { what, mark: node.mark, entries })
    }

    /// The value of a key, unless it is empty.
    pub(super) fn get(&self, key: &str) -> Option<&'n Node> {
        self.entries.get(key).map(|(_, value)| *value).filter(|value| !matches!(value.kind, Kind::Null))
    }

    /// Where the key stands, also when its value is empty.
    pub(super) fn mark_of(&self, key: &str) -> Option<Mark> {
        self.entries.get(key).map(|(mark, _)| *mark)
    }

    /// The value of a key that must be there.
    pub(super) fn need(&self, session: &mut Session, key: &'static str) -> Option<&'n Node> {
        let value = self.get(key);
        if value.is_none() {
            let mark = self.mark_of(key).unwrap_or(self.mark);
            session.problems.at(mark, ProblemKind::MissingKey { key, what: self.what });
        }
        value
    }

    /// Reports a key that must not be there.
    pub(super) fn forbid(&self, session: &mut Session, key: &'static str, reason: &'static str) {
        if let Some(mark) = self.mark_of(key) {
            session.problems.at(mark, ProblemKind::UnexpectedKey { key, what: self.what, reason });
        }
    }
}

/// The entries of a mapping with any keys; repeated ones are reported and left out.
pub(super) fn mapping<'n>(
    session: &mut Session,
    node: &'n Node,
    what: &'static str,
) -> Option<Vec<(&'n str, Mark, &'n Node)>> {
    let Kind::Mapping(entries) = &node.kind else {
        session.problems.at(node.mark, ProblemKind::NotMapping { what });
        return None;
    };
    if !session.charge(entries.len(), node.mark) {
        return None;
    }
    let mut seen = BTreeMap::new();
    let mut read = Vec::with_capacity(entries.len());
    for (key, value) in entries.iter() {
        let Kind::Text(text) = &key.kind else {
            session.problems.at(key.mark, ProblemKind::KeyNotText);
            continue;
        };
        if seen.insert(&**text, ()).is_some() {
            session.problems.at(key.mark, ProblemKind::DuplicateKey { key: excerpt(text) });
            continue;
        }
        read.push((&**text, key.mark, value));
    }
    Some(read)
}

/// The items of a list.
pub(super) fn list<'n>(session: &mut Session, node: &'n Node, what: &'static str) -> Option<&'n [Node]> {
    let Kind::List(items) = &node.kind else {
        session.problems.at(node.mark, ProblemKind::NotList { what });
        return None;
    };
    session.charge(items.len(), node.mark).then_some(items)
}

/// A text as it is written, placeholders and all.
pub(super) fn text<'n>(session: &mut Session, node: &'n Node, what: &'static str) -> Option<&'n str> {
    match &node.kind {
        Kind::Text(text) if text.contains('\0') => {
            session.problems.at(node.mark, ProblemKind::Nul { what });
            None
        }
        Kind::Text(text) => session.charge(text.len(), node.mark).then_some(text),
        Kind::Null => {
            session.problems.at(node.mark, ProblemKind::Blank { what });
            None
        }
        Kind::List(_) | Kind::Mapping(_) => {
            session.problems.at(node.mark, ProblemKind::NotText { what });
            None
        }
    }
}

/// A text whose placeholders are bound to a scope.
pub(super) fn template(
    session: &mut Session,
    scope: &mut Scope,
    node: &Node,
    what: &'static str,
) -> Option<Template> {
    let text = text(session, node, what)?;
    match scope.template(text, session.room()) {
        Ok(template) => session.charge(template.weight(), node.mark).then_some(template),
        Err(TemplateError::Broken) => {
            session.problems.at(node.mark, ProblemKind::BrokenPlaceholder);
            None
        }
        Err(TemplateError::Undeclared(name)) => {
            let suggestion = suggestion(&name, scope.names());
            session.problems.at(node.mark, ProblemKind::UndeclaredParameter { name, suggestion });
            None
        }
        Err(TemplateError::TooLarge) => {
            session.charge(session.room() + 1, node.mark);
            None
        }
    }
}

/// A text that is known before a job starts: constants of an import may be in it.
pub(super) fn fixed(
    session: &mut Session,
    scope: &mut Scope,
    node: &Node,
    what: &'static str,
) -> Option<String> {
    let template = template(session, scope, node, what)?;
    let Some(text) = template.as_constant() else {
        session.problems.at(node.mark, ProblemKind::NotFixed { what });
        return None;
    };
    Some(text.to_owned())
}

/// A name that is known before a job starts.
pub(super) fn name(
    session: &mut Session,
    scope: &mut Scope,
    node: &Node,
    what: &'static str,
) -> Option<String> {
    let text = fixed(session, scope, node, "a name")?;
    if !is_name(&text) {
        session.problems.at(node.mark, ProblemKind::Name { name: excerpt(&text), what });
        return None;
    }
    Some(text)
}
