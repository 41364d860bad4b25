//! What is wrong with a definition, and where.
//!
//! Reading goes on after a problem, so that one look shows all of them.

use std::fmt;
use std::sync::Arc;

use super::api_version::ApiVersion;

/// So many problems are kept; of the others only their number.
pub const MAX_PROBLEMS: usize = 100;

/// A place in a file of a definition. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file's path as it was sent.
    pub file: Arc<str>,
    /// The line.
    pub line: u32,
    /// The character in the line.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Something wrong with a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, if it is anywhere.
    pub place: Option<Place>,
    /// What.
    pub kind: ProblemKind,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        self.kind.fmt(f)
    }
}

/// What can be wrong with a definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum ProblemKind {
    // Files.
    #[error("there is no definition file")]
    NoFile,
    #[error("{what}: {found}, more than {max}")]
    TooLarge { what: &'static str, found: usize, max: usize },
    #[error("no file `{path}` was sent along")]
    NoSuchFile { path: String },
    #[error("no operator imports this file")]
    UnusedFile,

    // YAML.
    #[error("not YAML: {reason}")]
    Syntax { reason: String },
    #[error("the file holds several documents")]
    SeveralDocuments,
    #[error("the file is empty")]
    EmptyFile,
    #[error("more than {max} levels deep")]
    TooDeep { max: usize },
    #[error("aliases make the file larger than it may be")]
    TooManyAliases,
    #[error("the alias refers to something that it is part of")]
    AliasOfItself,
    #[error("tags such as `{tag}` are not supported")]
    Tag { tag: String },

    // Keys and values.
    #[error("{what} is empty")]
    Blank { what: &'static str },
    #[error("{what} holds a NUL character")]
    Nul { what: &'static str },
    #[error("{what} must be a mapping")]
    NotMapping { what: &'static str },
    #[error("{what} must be a list")]
    NotList { what: &'static str },
    #[error("{what} must be a text")]
    NotText { what: &'static str },
    #[error("keys must be texts")]
    KeyNotText,
    #[error("unknown key `{key}` of {what}{}", suggestion_text(.suggestion))]
    UnknownKey { key: String, what: &'static str, suggestion: Option<String> },
    #[error("key `{key}` comes twice")]
    DuplicateKey { key: String },
    #[error("{what} needs the key `{key}`")]
    MissingKey { key: &'static str, what: &'static str },
    #[error("{what} may not have the key `{key}`: {reason}")]
    UnexpectedKey { key: &'static str, what: &'static str, reason: &'static str },
    #[error(
        "`{text}` is no version that there is; versions go from {} to {}",
        ApiVersion::FIRST,
        ApiVersion::LAST
    )]
    Version { text: String },
    #[error("`{key}` needs api-version {needed}, this is {found}")]
    NeedsVersion { key: &'static str, needed: ApiVersion, found: ApiVersion },
    #[error("`{text}` is no orchestrator; there are `Clara` and `Argo`")]
    Orchestrator { text: String },
    #[error("typed inputs and outputs need the orchestrator `Clara`")]
    TypedArgo,

    // Names.
    #[error("`{name}` is no name of {what}: 1 to 255 letters, digits, hyphens and underscores")]
    Name { name: String, what: &'static str },
    #[error("{what} `{name}` comes twice; letter case makes no difference")]
    DuplicateName { name: String, what: &'static str },
    #[error("the operator name `{name}` is reserved")]
    ReservedName { name: String },
    #[error("`{name}` is no name of an environment variable")]
    VariableName { name: String },

    // Placeholders.
    #[error("parameter `{name}` is not declared{}", suggestion_text(.suggestion))]
    UndeclaredParameter { name: String, suggestion: Option<String> },
    #[error("a placeholder begins here and is not closed, or holds no name")]
    BrokenPlaceholder,
    #[error("{what} must be known before a job starts, so it may not use parameters of the pipeline")]
    NotFixed { what: &'static str },
    #[error("defaults of parameters may not hold placeholders")]
    PlaceholderInDefault,

    // Operators.
    #[error("the pipeline has no operators")]
    NoOperators,
    #[error("this is an operator, not a pipeline: it has no `operators`")]
    OperatorFile,
    #[error("an imported file must be one operator, and may not import again")]
    NotImportable,
    #[error("no operator is called `{name}`{}", suggestion_text(.suggestion))]
    UnknownOperator { name: String, suggestion: Option<String> },
    #[error("operator `{operator}` has no output `{name}`{}", suggestion_text(.suggestion))]
    UnknownOutput { operator: String, name: String, suggestion: Option<String> },
    #[error("operator `{operator}` has named outputs, so the input needs a `name`")]
    OutputNotNamed { operator: String },
    #[error("an output without a name must be the only one")]
    UnnamedOutput,
    #[error("operators read from each other in a circle: {}", circle(.operators))]
    Cycle { operators: Vec<String> },

    // Ports.
    #[error("`{path}` is no absolute path of a folder that data may be in")]
    Path { path: String },
    #[error("path `{path}` is used twice by this operator")]
    DuplicatePath { path: String },
    #[error("`{text}` is no type{}", suggestion_text(.suggestion))]
    Type { text: String, suggestion: Option<String> },
    #[error("`{text}` is no number type{}", suggestion_text(.suggestion))]
    NumberType { text: String, suggestion: Option<String> },
    #[error("`{text}` is no length: a whole number from 1 on, or -1 for one that is known only at run time")]
    Length { text: String },
    #[error("a shape has 1 to {max} lengths")]
    ShapeRank { max: usize },
    #[error("this input takes {input}, but {} gives {found}", output_text(.operator, .output))]
    TypeMismatch { input: String, operator: String, output: String, found: String },
    #[error("the input of a job is files, so the type must be `stream`")]
    JobInputType,

    // Requests.
    #[error("`{text}` is no whole number from {min} to {max}, as `{key}` needs it")]
    Number { key: &'static str, text: String, min: u64, max: u64 },
    #[error("`{text}` is neither `true` nor `false`, as `{key}` needs it")]
    Flag { key: &'static str, text: String },
    #[error("operator `{operator}` asks for {asked} {unit} of {what}; this machine has {available}")]
    NeverFits { operator: String, what: &'static str, asked: u64, unit: &'static str, available: u64 },
    #[error(
        "the operator asks for {shared_mb} MB of shared memory, which is part of its {memory_mb} MB of memory"
    )]
    SharedMemory { shared_mb: u64, memory_mb: u64 },
    #[error("`{text}` is no port from 1024 to 65535")]
    Port { text: String },

    // Starting.
    #[error("the pipeline has no parameter `{name}`{}", suggestion_text(.suggestion))]
    UnknownVariable { name: String, suggestion: Option<String> },
    #[error("variable `{name}` comes twice; letter case makes no difference")]
    VariableTwice { name: String },
    #[error("variable `{name}` holds a NUL character")]
    VariableText { name: String },

    // Remarks that refuse nothing.
    #[error("`{key}` is deprecated")]
    Deprecated { key: &'static str },
    #[error("parameter `{name}` is not used")]
    UnusedParameter { name: String },
}

fn suggestion_text(suggestion: &Option<String>) -> String {
    suggestion.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

fn output_text(operator: &str, output: &str) -> String {
    if output.is_empty() {
        format!("operator `{operator}`")
    } else {
        format!("output `{output}` of `{operator}`")
    }
}

/// `a → b → a`, cut in the middle where it is long.
fn circle(operators: &[String]) -> String {
    const SHOWN: usize = 8;
    let mut names: Vec<&str> = operators.iter().map(String::as_str).collect();
    if names.len() > SHOWN {
        names.truncate(SHOWN);
        names.push("…");
    }
    names.extend(operators.first().map(String::as_str));
    names.join(" → ")
}

/// A definition that cannot be used. Holds at least one problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionError {
    /// At most [`MAX_PROBLEMS`], in the order in which they were found.
    pub problems: Vec<Problem>,
    /// How many more there are.
    pub omitted: usize,
}

impl DefinitionError {
    /// One line for each problem, for response headers.
    pub fn messages(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.problems.iter().map(Problem::to_string).collect();
        if self.omitted > 0 {
            lines.push(format!("and {} more", self.omitted));
        }
        lines
    }
}

impl fmt::Display for DefinitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.messages().join("\n"))
    }
}

impl std::error::Error for DefinitionError {}

/// Where a node stands, in little room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mark {
    pub(super) file: usize,
    pub(super) line: u32,
    pub(super) column: u32,
}

/// Collects problems.
#[derive(Debug, Default)]
pub(super) struct Problems {
    files: Vec<Arc<str>>,
    problems: Vec<Problem>,
    omitted: usize,
}

impl Problems {
    pub(super) fn new(files: Vec<Arc<str>>) -> Self {
        Self { files, ..Self::default() }
    }

    pub(super) fn place(&self, mark: Mark) -> Option<Place> {
        let file = Arc::clone(self.files.get(mark.file)?);
        Some(Place { file, line: mark.line, column: mark.column })
    }

    pub(super) fn at(&mut self, mark: Mark, kind: ProblemKind) {
        let place = self.place(mark);
        self.push(Problem { place, kind });
    }

    pub(super) fn push(&mut self, problem: Problem) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        } else {
            self.omitted += 1;
        }
    }

    /// Whether further problems are only counted, so that work on their text can be saved.
    pub(super) fn is_full(&self) -> bool {
        self.problems.len() >= MAX_PROBLEMS
    }

    pub(super) fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// # Errors
    /// [`DefinitionError`] if there is any problem.
    pub(super) fn into_result(self) -> Result<(), DefinitionError> {
        if self.problems.is_empty() {
            return Ok(());
        }
        Err(DefinitionError { problems: self.problems, omitted: self.omitted })
    }
}

/// The candidate that was probably meant.
pub(super) fn suggestion<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    // Comparing takes the product of both lengths, and whoever wrote the definition chose the candidates too.
    const LONGEST: usize = 32;
    const MOST: usize = 2_000;
    if text.len() > LONGEST {
        return None;
    }
    let text = text.to_ascii_lowercase();
    candidates
        .into_iter()
        .take(MOST)
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| (strsim::osa_distance(&text, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1.max((candidate.len() + 1) / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate.to_owned())
}

/// A text from a definition as errors show it: its first characters, control characters made visible.
pub(super) fn excerpt(text: &str) -> String {
    const SHOWN: usize = 80;
    let shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN).is_some() { shown + "…" } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_suggested_and_far_ones_are_not() {
        let keys = ["container", "command", "image"];
        assert_eq!(suggestion("contianer", keys).as_deref(), Some("container"));
        assert_eq!(suggestion("Image", keys).as_deref(), Some("image"));
        assert_eq!(suggestion("volume", keys), None);
        assert_eq!(suggestion(&"x".repeat(1000), keys), None);
    }

    #[test]
    fn only_so_many_problems_are_kept() {
        let mut problems = Problems::new(vec!["a.yaml".into()]);
        for line in 1..=150 {
            problems.at(Mark { file: 0, line, column: 2 }, ProblemKind::NoOperators);
        }
        let error = problems.into_result().unwrap_err();
        assert_eq!((error.problems.len(), error.omitted), (100, 50));
        assert!(error.to_string().starts_with("a.yaml:1:2: the pipeline has no operators\na.yaml:2:2"));
        assert!(error.to_string().ends_with("\nand 50 more"));
    }
}
