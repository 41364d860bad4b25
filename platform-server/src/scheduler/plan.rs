//! What a job will run: operators, what they ask for, and which read from which.

use std::collections::BTreeSet;
use std::num::NonZeroU64;
use std::sync::Arc;

use super::resources::{Amounts, NeverFits, Request};

/// More operators than any pipeline has; a plan beyond this is a mistake.
const MAXIMUM_OPERATORS: usize = 65_536;
/// More of a resource than any machine has; keeps sums far from overflow.
const MAXIMUM_AMOUNT: u64 = 1 << 40;

/// One operator of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorSpec {
    /// Its name, for messages.
    pub name: Arc<str>,
    /// What it asks for.
    pub request: Request,
    /// How long each of its runs may take, beside the time limit of the whole job.
    pub limit_ms: Option<NonZeroU64>,
    /// Places in the plan of the operators that have to be completed first. Twice is once.
    pub inputs: Vec<u32>,
}

/// Operators in the order of the definition, without cycles. Jobs of one pipeline may share one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) name: Arc<str>,
    pub(super) request: Request,
    pub(super) need: Amounts,
    pub(super) limit_ms: Option<NonZeroU64>,
    pub(super) input_count: u32,
    pub(super) next: Vec<u32>,
}

/// Operators that are no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum PlanError {
    #[error("there is no operator")]
    Empty,
    #[error("{count} operators are more than {maximum}")]
    TooMany { count: usize, maximum: usize },
    #[error("operator `{name}` reads from operator number {input}, which is not there")]
    UnknownInput { name: Arc<str>, input: u32 },
    #[error("operator `{name}` waits for itself")]
    Cycle { name: Arc<str> },
    #[error("operator `{name}` asks for more than any machine has")]
    Absurd { name: Arc<str> },
}

impl Plan {
    /// Checks and links the operators.
    ///
    /// # Errors
    /// See [`PlanError`].
    pub fn new(operators: Vec<OperatorSpec>) -> Result<Self, PlanError> {
        let count = operators.len();
        if count == 0 {
            return Err(PlanError::Empty);
        }
        if count > MAXIMUM_OPERATORS {
            return Err(PlanError::TooMany { count, maximum: MAXIMUM_OPERATORS });
        }
        let mut next: Vec<Vec<u32>> = vec![Vec::new(); count];
        let mut steps = Vec::with_capacity(count);
        for (at, spec) in (0u32..).zip(operators) {
            let name = spec.name;
            if spec.request.cpu_millis > MAXIMUM_AMOUNT || spec.request.memory_mb > MAXIMUM_AMOUNT {
                return Err(PlanError::Absurd { name });
            }
            let inputs: BTreeSet<u32> = spec.inputs.into_iter().collect();
            for &input in &inputs {
                let Some(readers) = next.get_mut(input as usize) else {
                    return Err(PlanError::UnknownInput { name, input });
                };
                readers.push(at);
            }
            steps.push(Step {
                name,
                request: spec.request,
                need: Amounts::of_request(spec.request),
                limit_ms: spec.limit_ms,
                input_count: u32::try_from(inputs.len()).unwrap_or(u32::MAX),
                next: Vec::new(),
            });
        }
        for (step, readers) in steps.iter_mut().zip(next) {
            step.next = readers;
        }
        let plan = Self { steps };
        match plan.operator_in_a_cycle() {
            Some(name) => Err(PlanError::Cycle { name }),
            None => Ok(plan),
        }
    }

    /// How many operators.
    #[expect(clippy::len_without_is_empty, reason = "a plan is never empty")]
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// The name of an operator.
    pub fn operator_name(&self, operator: u32) -> Option<&str> {
        self.step(operator).map(|step| &*step.name)
    }

    pub(super) fn step(&self, operator: u32) -> Option<&Step> {
        self.steps.get(operator as usize)
    }

    pub(super) fn steps(&self) -> impl Iterator<Item = (u32, &Step)> {
        (0u32..).zip(&self.steps)
    }

    /// The first operator that can never run on a machine with `total`.
    pub(super) fn never_fits(&self, total: Amounts) -> Option<NeverFits> {
        self.steps().find_map(|(operator, step)| step.never_fits(operator, total))
    }

    /// Takes operators away whose inputs are all gone, until none is left or the rest wait for each other.
    fn operator_in_a_cycle(&self) -> Option<Arc<str>> {
        let mut waiting: Vec<u32> = self.steps.iter().map(|step| step.input_count).collect();
        let mut ready: Vec<u32> =
            self.steps().filter(|(_, step)| step.input_count == 0).map(|(at, _)| at).collect();
        while let Some(step) = ready.pop().and_then(|at| self.step(at)) {
            for &reader in &step.next {
                if let Some(count) = waiting.get_mut(reader as usize) {
                    *count -= 1;
                    if *count == 0 {
                        ready.push(reader);
                    }
                }
            }
        }
        let stuck = waiting.iter().position(|&count| count > 0)?;
        self.steps.get(stuck).map(|step| step.name.clone())
    }
}

impl Step {
    pub(super) fn never_fits(&self, operator: u32, total: Amounts) -> Option<NeverFits> {
        let (resource, asked, available) = self.need.shortage(total)?;
        Some(NeverFits { operator, name: self.name.clone(), resource, asked, available })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operator(name: &str, inputs: &[u32]) -> OperatorSpec {
        OperatorSpec {
            name: name.into(),
            request: Request::default(),
            limit_ms: None,
            inputs: inputs.to_vec(),
        }
    }

    #[test]
    fn operators_are_linked_to_their_readers_once() {
        let plan =
            Plan::new(vec![operator("a", &[]), operator("b", &[0, 0]), operator("c", &[0, 1])]).unwrap();
        assert_eq!(plan.step(0).unwrap().next, [1, 2]);
        assert_eq!(plan.step(1).unwrap().input_count, 1);
        assert_eq!(plan.step(2).unwrap().input_count, 2);
    }

    #[test]
    fn what_is_no_plan_is_refused() {
        let huge = Request { memory_mb: u64::MAX, ..Request::default() };
        let name: Arc<str> = "a".into();
        let table = [
            (vec![], PlanError::Empty),
            (vec![operator("a", &[1])], PlanError::UnknownInput { name: name.clone(), input: 1 }),
            (vec![operator("a", &[0])], PlanError::Cycle { name: name.clone() }),
            (vec![operator("a", &[1]), operator("b", &[0])], PlanError::Cycle { name: name.clone() }),
            (vec![OperatorSpec { request: huge, ..operator("a", &[]) }], PlanError::Absurd { name }),
        ];
        for (operators, expected) in table {
            assert_eq!(Plan::new(operators), Err(expected));
        }
        let many = vec![operator("a", &[]); MAXIMUM_OPERATORS + 1];
        assert!(matches!(Plan::new(many), Err(PlanError::TooMany { .. })));
    }
}
