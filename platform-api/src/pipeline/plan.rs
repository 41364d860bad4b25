//! What one job runs: a pipeline whose parameters have values.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::port::{Input, Output};
use super::problem::{DefinitionError, Place, Problem, ProblemKind, Problems, excerpt, suggestion};
use super::requests::{Capacity, RequestDefaults, Requests};
use super::template::Template;
use super::{Operator, Pipeline};
use crate::letter_case::fold;

/// Most bytes that the texts of a job may take when all placeholders are filled.
const MAX_PLAN_BYTES: usize = 16 << 20;

/// What one job runs. Pipelines may change later; this does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobPlan {
    /// In the order of the definition.
    pub operators: Vec<OperatorPlan>,
    /// The time limit that the definition names for the whole job.
    pub timeout: Option<Duration>,
}

/// What one operator of a job runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorPlan {
    /// Its name, unique in the job without regard to letter case.
    pub name: String,
    /// Repository and name of its image.
    pub image: String,
    /// The tag of its image.
    pub tag: String,
    /// Program and arguments; empty for the image's own.
    pub command: Vec<String>,
    /// Variables of its environment.
    pub variables: BTreeMap<String, String>,
    /// What it is to get.
    pub requests: Requests,
    /// What it reads.
    pub inputs: Vec<Input>,
    /// What it writes.
    pub outputs: Vec<Output>,
    /// Models that must be loaded before it runs.
    pub models: Vec<String>,
    /// Indices of the operators that it reads from, in rising order.
    pub depends_on: Vec<usize>,
    /// Where the definition has it.
    pub place: Option<Place>,
}

impl JobPlan {
    /// Refuses a job that asks for more than the machine will ever have.
    ///
    /// # Errors
    /// [`DefinitionError`] with a problem for each operator and each kind of resource.
    pub fn check_fits(&self, capacity: &Capacity) -> Result<(), DefinitionError> {
        let mut problems = Problems::default();
        for operator in &self.operators {
            let place = operator.place.as_ref();
            operator.requests.check_fits(capacity, &operator.name, place, &mut problems);
        }
        problems.into_result()
    }
}

/// Fills the parameters of a pipeline.
pub(super) fn instantiate(
    pipeline: &Pipeline,
    variables: &BTreeMap<String, String>,
    defaults: &RequestDefaults,
) -> Result<JobPlan, DefinitionError> {
    let mut problems = Problems::default();
    let values = values(pipeline, variables, &mut problems);
    let bytes: usize = pipeline
        .operators
        .iter()
        .map(|operator| plan_bytes(operator, &values))
        .fold(0, usize::saturating_add);
    if bytes > MAX_PLAN_BYTES {
        let what = "bytes of the job's texts with all values";
        problems.push(Problem {
            place: None,
            kind: ProblemKind::TooLarge { what, found: bytes, max: MAX_PLAN_BYTES },
        });
    }
    // Values that are too long, or not asked for, are not filled in.
    problems.into_result()?;
    let mut problems = Problems::default();
    let operators = pipeline
        .operators
        .iter()
        .map(|operator| operator_plan(operator, &values, defaults, &mut problems))
        .collect();
    let timeout = pipeline.timeout.as_ref().and_then(|field| field.resolve(&values, &mut problems));
    problems.into_result()?;
    Ok(JobPlan { operators, timeout: timeout.map(|secs| Duration::from_secs(secs.into())) })
}

/// A value for each parameter: the variable of that name, else the default.
fn values(pipeline: &Pipeline, variables: &BTreeMap<String, String>, problems: &mut Problems) -> Vec<String> {
    let mut values: Vec<String> =
        pipeline.parameters.iter().map(|parameter| parameter.default.clone()).collect();
    let index_of: BTreeMap<String, usize> = pipeline
        .parameters
        .iter()
        .enumerate()
        .map(|(index, parameter)| (fold(&parameter.name), index))
        .collect();
    let mut set = BTreeSet::new();
    for (name, value) in variables {
        let found = index_of.get(&fold(name)).and_then(|index| Some((*index, values.get_mut(*index)?)));
        let kind = match found {
            None => {
                let names = pipeline.parameters.iter().map(|parameter| parameter.name.as_str());
                let suggestion = if problems.is_full() { None } else { suggestion(name, names) };
                ProblemKind::UnknownVariable { name: excerpt(name), suggestion }
            }
            Some((index, _)) if !set.insert(index) => ProblemKind::VariableTwice { name: excerpt(name) },
            Some(_) if value.contains('\0') => ProblemKind::VariableText { name: excerpt(name) },
            Some((_, slot)) => {
                slot.clone_from(value);
                continue;
            }
        };
        problems.push(Problem { place: None, kind });
    }
    values
}

fn texts(operator: &Operator) -> impl Iterator<Item = &Template> {
    let container = &operator.container;
    [&container.image, &container.tag]
        .into_iter()
        .chain(&container.command)
        .chain(operator.variables.iter().map(|(_, value)| value))
        .chain(operator.requests.numbers().map(|number| &number.template))
}

fn plan_bytes(operator: &Operator, values: &[String]) -> usize {
    texts(operator).map(|template| template.filled_bytes(values)).fold(0, usize::saturating_add)
}

fn operator_plan(
    operator: &Operator,
    values: &[String],
    defaults: &RequestDefaults,
    problems: &mut Problems,
) -> OperatorPlan {
    let container = &operator.container;
    let image = container.image.fill(values);
    let tag = container.tag.fill(values);
    for (text, what) in [(&image, "an image"), (&tag, "a tag")] {
        if text.trim().is_empty() {
            problems.push(Problem { place: operator.place.clone(), kind: ProblemKind::Blank { what } });
        }
    }
    OperatorPlan {
        name: operator.name.clone(),
        image,
        tag,
        command: container.command.iter().map(|part| part.fill(values)).collect(),
        variables: operator
            .variables
            .iter()
            .map(|(name, value)| (name.clone(), value.fill(values)))
            .collect(),
        requests: operator.requests.resolve(values, defaults, problems),
        inputs: operator.inputs.clone(),
        outputs: operator.outputs.clone(),
        models: operator.models.clone(),
        depends_on: operator.depends_on.clone(),
        place: operator.place.clone(),
    }
}

/// The names of files as problems show them.
pub(super) fn labels<'a>(paths: impl Iterator<Item = &'a str>) -> Vec<Arc<str>> {
    paths.map(|path| Arc::from(excerpt(path))).collect()
}
