//! What operators ask for, and what a machine can give.

use std::time::Duration;

use super::problem::{Place, Problem, ProblemKind, Problems, excerpt};
use super::template::Template;

/// Bytes of what definitions call a MB; 1024 of them are the documented default of one GiB.
pub const BYTES_PER_MB: u64 = 1 << 20;

/// What operators get that do not ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestDefaults {
    /// Cores.
    pub cpus: u32,
    /// Memory, without shared memory.
    pub memory_bytes: u64,
}

impl Default for RequestDefaults {
    /// One core and 1024 MB, as the published platform.
    fn default() -> Self {
        Self { cpus: 1, memory_bytes: 1024 * BYTES_PER_MB }
    }
}

/// What one operator is to get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requests {
    /// Cores.
    pub cpus: u32,
    /// Whole GPUs.
    pub gpus: u32,
    /// Memory, shared memory included.
    pub memory_bytes: u64,
    /// Shared memory.
    pub shared_memory_bytes: u64,
    /// Whether it asks for the network, which the administrator has to allow too.
    pub network: bool,
    /// Its own time limit.
    pub timeout: Option<Duration>,
}

/// What a machine has for operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Cores.
    pub cpus: u32,
    /// GPUs.
    pub gpus: u32,
    /// Memory.
    pub memory_bytes: u64,
}

impl Requests {
    /// Reports what the machine can never give, however long the operator waits.
    pub(super) fn check_fits(
        &self,
        capacity: &Capacity,
        operator: &str,
        place: Option<&Place>,
        problems: &mut Problems,
    ) {
        for (what, unit, asked, available) in [
            ("processor", "cores", u64::from(self.cpus), u64::from(capacity.cpus)),
            ("graphics", "GPUs", u64::from(self.gpus), u64::from(capacity.gpus)),
            ("memory", "bytes", self.memory_bytes, capacity.memory_bytes),
        ] {
            if asked > available {
                let operator = operator.to_owned();
                let kind = ProblemKind::NeverFits { operator, what, asked, unit, available };
                problems.push(Problem { place: place.cloned(), kind });
            }
        }
    }
}

/// A number of a definition that may depend on parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NumberField {
    pub(super) key: &'static str,
    pub(super) template: Template,
    pub(super) place: Option<Place>,
    pub(super) min: u32,
    pub(super) max: u32,
}

impl NumberField {
    pub(super) fn resolve(&self, values: &[String], problems: &mut Problems) -> Option<u32> {
        let text = self.template.fill(values);
        let number = whole_number(&text).filter(|number| (self.min..=self.max).contains(number));
        if number.is_none() {
            let (min, max) = (self.min.into(), self.max.into());
            let kind = ProblemKind::Number { key: self.key, text: excerpt(&text), min, max };
            problems.push(Problem { place: self.place.clone(), kind });
        }
        number
    }
}

/// Digits only: no sign, no fraction, no exponent.
pub(super) fn whole_number(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// The requests of an operator as they are written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct RequestFields {
    pub(super) cpu: Option<NumberField>,
    pub(super) gpu: Option<NumberField>,
    pub(super) memory: Option<NumberField>,
    pub(super) shared_memory: Option<NumberField>,
    pub(super) timeout: Option<NumberField>,
    pub(super) network: bool,
}

impl RequestFields {
    pub(super) fn numbers(&self) -> impl Iterator<Item = &NumberField> {
        [&self.cpu, &self.gpu, &self.memory, &self.shared_memory, &self.timeout].into_iter().flatten()
    }

    /// What is asked for; problems are reported, and then the answer means nothing.
    pub(super) fn resolve(
        &self,
        values: &[String],
        defaults: &RequestDefaults,
        problems: &mut Problems,
    ) -> Requests {
        let mut number = |field: &Option<NumberField>| field.as_ref()?.resolve(values, problems);
        let (cpu, gpu, memory_mb) = (number(&self.cpu), number(&self.gpu), number(&self.memory));
        let shared_mb = u64::from(number(&self.shared_memory).unwrap_or_default());
        let timeout = number(&self.timeout).map(|secs| Duration::from_secs(secs.into()));
        let shared_memory_bytes = shared_mb * BYTES_PER_MB;
        let memory_bytes = match memory_mb.map(u64::from) {
            Some(memory_mb) => {
                if shared_mb > memory_mb {
                    let place = self.shared_memory.as_ref().and_then(|field| field.place.clone());
                    problems
                        .push(Problem { place, kind: ProblemKind::SharedMemory { shared_mb, memory_mb } });
                }
                memory_mb * BYTES_PER_MB
            }
            None => defaults.memory_bytes.saturating_add(shared_memory_bytes),
        };
        Requests {
            cpus: cpu.unwrap_or(defaults.cpus),
            gpus: gpu.unwrap_or_default(),
            memory_bytes,
            shared_memory_bytes,
            network: self.network,
            timeout,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(key: &'static str, text: &str) -> Option<NumberField> {
        Some(NumberField { key, template: Template::constant(text), place: None, min: 1, max: u32::MAX })
    }

    #[test]
    fn shared_memory_comes_on_top_of_the_default_and_is_part_of_what_is_asked() {
        let defaults = RequestDefaults::default();
        let mut fields = RequestFields { shared_memory: field("shared-memory", "512"), ..Default::default() };
        let mut problems = Problems::default();
        let requests = fields.resolve(&[], &defaults, &mut problems);
        assert_eq!(requests.memory_bytes, 1536 << 20);
        assert_eq!((requests.cpus, requests.gpus, requests.shared_memory_bytes), (1, 0, 512 << 20));
        fields.memory = field("memory", "600");
        assert_eq!(fields.resolve(&[], &defaults, &mut problems).memory_bytes, 600 << 20);
        assert!(problems.is_empty());
        fields.memory = field("memory", "100");
        fields.resolve(&[], &defaults, &mut problems);
        let kind = ProblemKind::SharedMemory { shared_mb: 512, memory_mb: 100 };
        assert_eq!(problems.into_problems(), [Problem { place: None, kind }]);
    }

    #[test]
    fn only_whole_numbers_are_numbers() {
        for text in ["", "-1", "+1", "1.0", "1e3", "0x1", " 1", "1_000", "4294967296", "٣", "0"] {
            let mut problems = Problems::default();
            let number = field("cpu", text).unwrap().resolve(&[], &mut problems);
            assert_eq!((number, problems.is_empty()), (None, false), "{text}");
        }
        assert_eq!(whole_number("007"), Some(7));
    }

    #[test]
    fn what_a_machine_can_never_give_is_reported_for_each_kind() {
        let requests = Requests {
            cpus: 3,
            gpus: 1,
            memory_bytes: 9,
            shared_memory_bytes: 0,
            network: false,
            timeout: None,
        };
        let mut problems = Problems::default();
        let capacity = Capacity { cpus: 3, gpus: 0, memory_bytes: 8 };
        requests.check_fits(&capacity, "a", None, &mut problems);
        let texts: Vec<String> = problems.into_problems().iter().map(Problem::to_string).collect();
        assert_eq!(
            texts,
            [
                "operator `a` asks for 1 GPUs of graphics; this machine has 0",
                "operator `a` asks for 9 bytes of memory; this machine has 8",
            ]
        );
    }
}
