//! Pipeline definitions: from YAML to operators that know what they read from, and to what one job runs.
//!
//! [`Pipeline::from_files`] reads and checks everything that can be checked before a job runs, and reports all
//! problems with file, line and column. [`Pipeline::instantiate`] fills the parameters for one job.
//! No definition, however broken or hostile, costs more than a bounded amount of time and memory.
//!
//! # The language
//!
//! As published with the Clara Deploy SDK, versions 0.1.0 to 0.7.0. Where the published text is silent:
//!
//! | question | answer here |
//! |---|---|
//! | unknown keys | refused, with what was probably meant |
//! | placeholder whose parameter is not declared | refused when the pipeline is created |
//! | placeholders in names, `from`, paths, types | refused, unless the arguments of an import settle them |
//! | numbers and truth values where a text is needed | taken as they are written: `tag: 1.20` is `1.20` |
//! | path of an import | as seen from the main file's folder, else as written; letter case makes no difference |
//! | imports in imported files | refused |
//! | input without a `name` | all that the operator wrote; from 0.5.0 on outputs have names, so a `name` is needed |
//! | time limit of a job | key `timeout` of the pipeline, in seconds |
//! | time limit of an operator | key `timeout` of the operator, in seconds |
//! | shared memory | key `shared-memory` of `requests`, in MB; part of `memory`, or on top of its default |
//! | network | key `network` of `requests`, `true` or `false`; the administrator has to allow it too |
//! | a MB | 1 048 576 bytes, so that the default of 1024 MB is one GiB |

mod api_version;
mod graph;
mod plan;
mod port;
mod problem;
mod read;
mod read_operator;
mod read_port;
mod reader;
mod requests;
mod source;
mod template;
mod yaml;

use std::collections::BTreeMap;

pub use api_version::{ApiVersion, ParseApiVersionError};
pub use plan::{JobPlan, OperatorPlan};
pub use port::{Input, NumberType, Output, PortType, Source};
pub use problem::{DefinitionError, MAX_PROBLEMS, Place, Problem, ProblemKind};
pub use requests::{BYTES_PER_MB, Capacity, RequestDefaults, Requests};
pub use source::{DefinitionFile, join_parts};
pub use template::Template;

use problem::Problems;
use requests::{NumberField, RequestFields};

/// Most files of a definition.
pub const MAX_FILES: usize = 256;
/// Most bytes of all files of a definition.
pub const MAX_BYTES: usize = 8 << 20;
/// Longest path of a file, in bytes.
pub const MAX_FILE_PATH_BYTES: usize = 1024;

/// Who runs the operators of a job. It makes no difference here; definitions may name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Orchestrator {
    /// The platform's own.
    Clara,
    /// Argo, for definitions before 0.4.0.
    Argo,
}

/// A value that a job may set when it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name; letter case makes no difference.
    pub name: String,
    /// Its value where the job sets none.
    pub default: String,
}

/// The image of an operator or service and what to run in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Repository and name.
    pub image: Template,
    /// `latest` if the definition names none.
    pub tag: Template,
    /// Program and arguments; empty for the image's own.
    pub command: Vec<Template>,
}

impl Default for Container {
    fn default() -> Self {
        Self { image: Template::default(), tag: Template::constant("latest"), command: Vec::new() }
    }
}

/// An operator of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Unique in the pipeline without regard to letter case.
    pub name: String,
    /// For people.
    pub description: String,
    /// Where the definition has it.
    pub place: Option<Place>,
    /// The version of the language that it is written in.
    pub api_version: ApiVersion,
    /// What runs.
    pub container: Container,
    /// Variables of its environment.
    pub variables: Vec<(String, Template)>,
    /// What it reads.
    pub inputs: Vec<Input>,
    /// What it writes.
    pub outputs: Vec<Output>,
    /// Models that must be loaded before a job runs.
    pub models: Vec<String>,
    /// Long-running containers that it calls; deprecated.
    pub services: Vec<Service>,
    /// Indices of the operators that it reads from, in rising order.
    pub depends_on: Vec<usize>,
    requests: RequestFields,
}

/// A long-running container that operators call over HTTP; deprecated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// What runs.
    pub container: Container,
    /// Variables of its environment.
    pub variables: Vec<(String, Template)>,
    /// How operators reach it.
    pub http: Vec<HttpConnection>,
    requests: RequestFields,
}

/// A variable that tells an operator the address of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConnection {
    /// The name of the variable.
    pub variable: String,
    /// The port of the service, from 1024 on.
    pub port: Option<u16>,
}

/// A pipeline: a definition that was read and checked. Never changes; an update makes another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipeline {
    name: String,
    description: String,
    api_version: ApiVersion,
    orchestrator: Orchestrator,
    parameters: Vec<Parameter>,
    pull_secrets: Vec<String>,
    timeout: Option<NumberField>,
    operators: Vec<Operator>,
    files: Vec<DefinitionFile>,
    remarks: Vec<Problem>,
}

impl Pipeline {
    /// Reads a definition. The first file is the main one; parts of a file are joined first, by [`join_parts`].
    ///
    /// # Errors
    /// [`DefinitionError`] with all problems that were found.
    pub fn from_files(files: Vec<DefinitionFile>) -> Result<Self, DefinitionError> {
        let labels = plan::labels(files.iter().take(MAX_FILES).map(|file| file.path.as_str()));
        let mut problems = Problems::new(labels.clone());
        check_sizes(&files, &mut problems);
        if !problems.is_empty() {
            return Err(refusal(problems));
        }
        let mut session = reader::Session::new(problems, Problems::new(labels));
        let draft = read::read_pipeline(&mut read::Library::new(&files), &mut session);
        let reader::Session { mut problems, remarks, .. } = session;
        let Some(draft) = draft else { return Err(refusal(problems)) };
        let operators = graph::link(draft.operators, &mut problems);
        let pipeline = Self {
            name: draft.name,
            description: draft.description,
            api_version: draft.version,
            orchestrator: draft.orchestrator,
            parameters: draft.parameters,
            pull_secrets: draft.pull_secrets,
            timeout: draft.timeout,
            operators,
            files,
            remarks: remarks.into_problems(),
        };
        pipeline.check_defaults(&mut problems);
        problems.into_result()?;
        Ok(pipeline)
    }

    /// What a job runs. Parameters without a variable keep their defaults.
    ///
    /// # Errors
    /// [`DefinitionError`] for variables that no parameter declares, and for values that do not fit where they are used.
    pub fn instantiate(
        &self,
        variables: &BTreeMap<String, String>,
        defaults: &RequestDefaults,
    ) -> Result<JobPlan, DefinitionError> {
        plan::instantiate(self, variables, defaults)
    }

    /// Refuses a pipeline whose operators ask for more than the machine will ever have, with the defaults of its
    /// parameters.
    ///
    /// # Errors
    /// [`DefinitionError`] with a problem for each operator and each kind of resource.
    pub fn check_fits(&self, capacity: &Capacity, defaults: &RequestDefaults) -> Result<(), DefinitionError> {
        self.instantiate(&BTreeMap::new(), defaults)?.check_fits(capacity)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// For people.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The version of the language that it is written in.
    pub fn api_version(&self) -> ApiVersion {
        self.api_version
    }

    /// Who is to run it.
    pub fn orchestrator(&self) -> Orchestrator {
        self.orchestrator
    }

    /// In the order of the definition.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Names of secrets for the registry of the images.
    pub fn pull_secrets(&self) -> &[String] {
        &self.pull_secrets
    }

    /// In the order of the definition.
    pub fn operators(&self) -> &[Operator] {
        &self.operators
    }

    /// For each operator the indices of those that read from it, in rising order.
    pub fn followers(&self) -> Vec<Vec<usize>> {
        let mut followers = vec![Vec::new(); self.operators.len()];
        for (index, operator) in self.operators.iter().enumerate() {
            for source in &operator.depends_on {
                if let Some(list) = followers.get_mut(*source) {
                    list.push(index);
                }
            }
        }
        followers
    }

    /// Names of all models that must be loaded before a job runs.
    pub fn models(&self) -> std::collections::BTreeSet<&str> {
        self.operators.iter().flat_map(|operator| &operator.models).map(String::as_str).collect()
    }

    /// The files that it was read from; reading them again makes the same pipeline.
    pub fn files(&self) -> &[DefinitionFile] {
        &self.files
    }

    /// What is worth saying about it, but refuses nothing: unused files and parameters, deprecated keys.
    pub fn remarks(&self) -> &[Problem] {
        &self.remarks
    }

    /// Numbers must be numbers with the defaults of the parameters.
    fn check_defaults(&self, problems: &mut Problems) {
        let values: Vec<String> = self.parameters.iter().map(|parameter| parameter.default.clone()).collect();
        let defaults = RequestDefaults::default();
        for operator in &self.operators {
            operator.requests.resolve(&values, &defaults, problems);
            for service in &operator.services {
                service.requests.resolve(&values, &defaults, problems);
            }
        }
        if let Some(timeout) = &self.timeout {
            timeout.resolve(&values, problems);
        }
    }
}

fn check_sizes(files: &[DefinitionFile], problems: &mut Problems) {
    let bytes = files.iter().map(|file| file.content.len()).fold(0, usize::saturating_add);
    let path_bytes = files.iter().map(|file| file.path.len()).max().unwrap_or_default();
    for (what, found, max) in [
        ("number of files", files.len(), MAX_FILES),
        ("bytes of all files", bytes, MAX_BYTES),
        ("bytes of a file's path", path_bytes, MAX_FILE_PATH_BYTES),
    ] {
        if found > max {
            problems.push(Problem { place: None, kind: ProblemKind::TooLarge { what, found, max } });
        }
    }
    if files.is_empty() {
        problems.push(Problem { place: None, kind: ProblemKind::NoFile });
    }
}

/// The problems that kept a definition from being read.
fn refusal(problems: Problems) -> DefinitionError {
    match problems.into_result() {
        Err(error) => error,
        // Reading ends early only after a problem; should that ever break, say so rather than accept.
        Ok(()) => {
            let kind = ProblemKind::Syntax { reason: "the definition could not be read".to_owned() };
            DefinitionError { problems: vec![Problem { place: None, kind }], omitted: 0 }
        }
    }
}
