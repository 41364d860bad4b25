//! Texts with placeholders, `${{name}}`.

use std::collections::{BTreeMap, BTreeSet};

use crate::letter_case::fold;

/// A text of a definition in which parameters of the pipeline are still open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// Index of a parameter of the pipeline.
    Parameter(usize),
}

/// Why a text is no template.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TemplateError {
    /// A placeholder that is not closed or holds no name.
    Broken,
    /// A name that nobody declared.
    Undeclared(String),
    /// Values from outside make it larger than it may be.
    TooLarge,
}

impl Template {
    /// A text without placeholders.
    pub fn constant(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() { Self::default() } else { Self { parts: vec![Part::Text(text)] } }
    }

    /// The whole text, if it has no open parameter.
    pub fn as_constant(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The text with the values of the pipeline's parameters. Values are not looked at again.
    pub fn fill(&self, values: &[String]) -> String {
        let mut text = String::with_capacity(self.filled_bytes(values));
        for part in &self.parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Parameter(index) => {
                    text.push_str(values.get(*index).map(String::as_str).unwrap_or_default());
                }
            }
        }
        text
    }

    /// How long [`Template::fill`] would be.
    pub(super) fn filled_bytes(&self, values: &[String]) -> usize {
        let bytes = |part: &Part| match part {
            Part::Text(text) => text.len(),
            Part::Parameter(index) => values.get(*index).map_or(0, String::len),
        };
        self.parts.iter().map(bytes).fold(0, usize::saturating_add)
    }

    /// Bytes of memory, roughly.
    pub(super) fn weight(&self) -> usize {
        self.parts.iter().map(|part| 32 + if let Part::Text(text) = part { text.len() } else { 0 }).sum()
    }

    fn push_text(&mut self, text: &str) {
        match self.parts.last_mut() {
            _ if text.is_empty() => {}
            Some(Part::Text(last)) => last.push_str(text),
            _ => self.parts.push(Part::Text(text.to_owned())),
        }
    }

    fn push(&mut self, other: &Self) {
        for part in &other.parts {
            match part {
                Part::Text(text) => self.push_text(text),
                Part::Parameter(index) => self.parts.push(Part::Parameter(*index)),
            }
        }
    }
}

/// What names of placeholders stand for in one file.
#[derive(Debug, Default)]
pub(super) struct Scope {
    /// By folded name.
    values: BTreeMap<String, Template>,
    /// As they were written, for suggestions.
    names: Vec<String>,
    used: BTreeSet<String>,
}

impl Scope {
    /// Declares a parameter of the pipeline. Whether the name is new.
    pub(super) fn declare_parameter(&mut self, name: &str, index: usize) -> bool {
        self.declare(name, Template { parts: vec![Part::Parameter(index)] })
    }

    /// Declares a name for a value. Whether the name is new.
    pub(super) fn declare(&mut self, name: &str, value: Template) -> bool {
        self.names.push(name.to_owned());
        self.values.insert(fold(name), value).is_none()
    }

    /// Gives another value to a name that is declared. Whether it is.
    pub(super) fn replace(&mut self, name: &str, value: Template) -> bool {
        match self.values.get_mut(&fold(name)) {
            Some(old) => {
                *old = value;
                true
            }
            None => false,
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Names that no template asked for.
    pub(super) fn unused(&self) -> impl Iterator<Item = &str> {
        self.names().filter(|name| !self.used.contains(&fold(name)))
    }

    /// Reads a text; `max_weight` limits what values from outside can make of it.
    pub(super) fn template(&mut self, text: &str, max_weight: usize) -> Result<Template, TemplateError> {
        let mut template = Template::default();
        let mut rest = text;
        let mut weight = 0;
        while let Some((before, after)) = rest.split_once("${{") {
            template.push_text(before);
            let (name, after) = after.split_once("}}").ok_or(TemplateError::Broken)?;
            let name = name.trim_matches([' ', '\t']);
            if !is_name(name) {
                return Err(TemplateError::Broken);
            }
            let folded = fold(name);
            let Some(value) = self.values.get(&folded) else {
                return Err(TemplateError::Undeclared(name.to_owned()));
            };
            weight += value.weight() + before.len();
            if weight > max_weight {
                return Err(TemplateError::TooLarge);
            }
            template.push(value);
            self.used.insert(folded);
            rest = after;
        }
        template.push_text(rest);
        Ok(template)
    }
}

/// Whether a text is a name: 1 to 255 letters, digits, hyphens and underscores.
pub(super) fn is_name(text: &str) -> bool {
    (1..=255).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLENTY: usize = 1 << 20;

    fn scope() -> Scope {
        let mut scope = Scope::default();
        assert!(scope.declare_parameter("Keep", 0));
        assert!(scope.declare("level", Template::constant("quiet")));
        assert!(!scope.declare_parameter("KEEP", 0));
        scope
    }

    #[test]
    fn placeholders_are_filled_in_any_letter_case_with_or_without_spaces() {
        let template = scope().template("a ${{keep}}${{ KEEP }} ${{ level }}$ {{x}} ${y}", PLENTY).unwrap();
        assert_eq!(template.fill(&["7".to_owned()]), "a 77 quiet$ {{x}} ${y}");
        assert_eq!(template.as_constant(), None);
    }

    #[test]
    fn values_are_not_read_again() {
        let template = scope().template("${{keep}}", PLENTY).unwrap();
        assert_eq!(template.fill(&["${{level}}".to_owned()]), "${{level}}");
    }

    #[test]
    fn constants_of_an_import_make_constants() {
        let template = scope().template("--log ${{level}}", PLENTY).unwrap();
        assert_eq!(template.as_constant(), Some("--log quiet"));
        assert_eq!(Template::constant("").as_constant(), Some(""));
    }

    #[test]
    fn broken_and_undeclared_placeholders_are_told_apart() {
        for text in
            ["${{", "${{keep", "${{keep}", "${{}}", "${{a b}}", "${{ä}}", "${{${{keep}}}}", "x${{\nkeep}}"]
        {
            assert_eq!(scope().template(text, PLENTY), Err(TemplateError::Broken), "{text}");
        }
        assert_eq!(scope().template("${{kep}}", PLENTY), Err(TemplateError::Undeclared("kep".to_owned())));
        assert_eq!(scope().template("${{keep}}${{keep}}", 40), Err(TemplateError::TooLarge));
    }

    #[test]
    fn unused_names_are_known() {
        let mut scope = scope();
        scope.template("${{level}}", PLENTY).unwrap();
        assert_eq!(scope.unused().collect::<Vec<_>>(), ["Keep", "KEEP"]);
    }
}
