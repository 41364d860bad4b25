//! FastIO as a run sees it: which buffers its operator may publish and open, and what it reports while it works.
//!
//! The definition decides: typed outputs are what the operator may publish under their names, typed inputs what it may
//! open. All other names are free: any operator of the job may publish one, and any may open it. The protocol is in
//! `docs/fastio.md`.

use lantern_fastio::wire::{Description, RefusalCode};
use platform_api::letter_case::fold;
use serde::{Deserialize, Serialize};

/// Buffers of one job at the same time.
pub const MAX_BUFFERS: u32 = 256;

/// What the names of an output's readers may take: they go to the keeper in one packet, with the rest of it.
const MAX_READERS_BYTES: usize = 48 << 10;

/// What an operator may do with shared memory.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FastIo {
    /// Buffers belong to it.
    pub job: String,
    /// The operator's name in the definition.
    pub operator: String,
    /// Typed outputs.
    pub outputs: Vec<DeclaredOutput>,
    /// Typed inputs.
    pub inputs: Vec<DeclaredInput>,
    /// What the buffers of the whole job may take.
    pub budget_bytes: u64,
}

/// Type and shape as a definition has them; `None` is a length that is known at run time only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredArray {
    /// The number type's long name.
    pub element: String,
    /// Slowest index first.
    pub shape: Vec<Option<u64>>,
}

/// A typed output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredOutput {
    /// Its name.
    pub name: String,
    /// What it has to be.
    pub array: DeclaredArray,
    /// Operators that read it. When all of them have completed, it goes.
    pub consumers: Vec<String>,
}

/// A typed input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredInput {
    /// The operator that makes it.
    pub producer: String,
    /// Its output's name.
    pub output: String,
    /// What it has to be.
    pub array: DeclaredArray,
}

/// A refusal, for programs and for people.
pub(crate) type Refused = (RefusalCode, String);

/// Where a name leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resolved<'a> {
    /// The name in the keeper.
    pub(crate) key: String,
    /// What the definition says of it.
    pub(crate) declared: Declared<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Declared<'a> {
    Output(&'a DeclaredOutput),
    Input(&'a DeclaredInput),
    Free,
}

impl Declared<'_> {
    pub(crate) fn array(&self) -> Option<&DeclaredArray> {
        match self {
            Self::Output(output) => Some(&output.array),
            Self::Input(input) => Some(&input.array),
            Self::Free => None,
        }
    }
}

impl FastIo {
    /// Whether the definition has inputs or outputs of the operator in shared memory.
    pub(crate) fn is_declared(&self) -> bool {
        !self.inputs.is_empty() || !self.outputs.is_empty()
    }

    /// Whether every output can be published, however many operators read it.
    ///
    /// # Errors
    /// What stands against it, for people.
    pub(crate) fn check(&self) -> Result<(), String> {
        for DeclaredOutput { name, consumers, .. } in &self.outputs {
            // Quotes and a comma around each.
            let bytes = consumers.iter().fold(0, |sum, reader| reader.len() + 3 + sum);
            if bytes > MAX_READERS_BYTES {
                let count = consumers.len();
                return Err(format!(
                    "its output `{name}` in shared memory is read by {count} operators, whose names take {bytes} \
                     bytes; at most {MAX_READERS_BYTES} are possible"
                ));
            }
        }
        Ok(())
    }

    /// The buffer that the operator may make under a name.
    ///
    /// # Errors
    /// Names that cannot be.
    pub(crate) fn to_publish(&self, name: &str) -> Result<Resolved<'_>, Refused> {
        check_name(name)?;
        Ok(match self.own(name) {
            Some(output) => {
                Resolved { key: output_key(&self.operator, &output.name), declared: Declared::Output(output) }
            }
            None => Resolved { key: free_key(name), declared: Declared::Free },
        })
    }

    /// The buffer that the operator may open under a name.
    ///
    /// # Errors
    /// Names that cannot be, and those that mean several inputs.
    pub(crate) fn to_open(&self, name: &str) -> Result<Resolved<'_>, Refused> {
        let (producer, output) = match name.split_once('/') {
            Some((producer, output)) => (Some(producer), output),
            None => (None, name),
        };
        check_name(output)?;
        producer.map_or(Ok(()), check_name)?;
        let is_meant = |input: &&DeclaredInput| {
            fold(&input.output) == fold(output)
                && producer.is_none_or(|from| fold(from) == fold(&input.producer))
        };
        let mut meant = self.inputs.iter().filter(is_meant);
        if let Some(input) = meant.next() {
            if let Some(other) = meant.find(|other| fold(&other.producer) != fold(&input.producer)) {
                let (one, two) = (&input.producer, &other.producer);
                let text = format!("`{name}` may be that of `{one}` or of `{two}`: say `{one}/{output}`");
                return Err((RefusalCode::BadName, text));
            }
            let key = output_key(&input.producer, &input.output);
            return Ok(Resolved { key, declared: Declared::Input(input) });
        }
        let is_own = producer.is_none_or(|from| fold(from) == fold(&self.operator));
        if let Some(own) = self.own(output).filter(|_| is_own) {
            let key = output_key(&self.operator, &own.name);
            return Ok(Resolved { key, declared: Declared::Output(own) });
        }
        if producer.is_some() {
            let text = format!("`{name}` is no input of `{}` in the definition", self.operator);
            return Err((RefusalCode::NotFound, text));
        }
        Ok(Resolved { key: free_key(name), declared: Declared::Free })
    }

    fn own(&self, name: &str) -> Option<&DeclaredOutput> {
        self.outputs.iter().find(|output| fold(&output.name) == fold(name))
    }
}

impl DeclaredArray {
    /// Refuses a buffer that is not what the definition says.
    pub(crate) fn check(&self, found: &Description) -> Result<(), Refused> {
        let agrees = |(wanted, length): (&Option<u64>, &u64)| wanted.is_none_or(|wanted| wanted == *length);
        let is_same = found.element.name() == self.element
            && found.shape.len() == self.shape.len()
            && self.shape.iter().zip(&found.shape).all(agrees);
        if is_same {
            return Ok(());
        }
        let lengths: Vec<String> = self
            .shape
            .iter()
            .map(|length| length.map_or("-1".to_owned(), |length| length.to_string()))
            .collect();
        let text = format!(
            "`{}` is an array of {} {:?}; the definition has {} [{}]",
            found.name,
            found.element.name(),
            found.shape,
            self.element,
            lengths.join(", ")
        );
        Err((RefusalCode::Mismatch, text))
    }
}

fn output_key(operator: &str, output: &str) -> String {
    format!("out/{}/{}", fold(operator), fold(output))
}

fn free_key(name: &str) -> String {
    format!("free/{}", fold(name))
}

/// Names of buffers are names as definitions have them.
fn check_name(name: &str) -> Result<(), Refused> {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if (1..=255).contains(&name.len()) && name.chars().all(is_fine) {
        return Ok(());
    }
    let text = "names of buffers have 1 to 255 letters, digits, hyphens and underscores";
    Err((RefusalCode::BadName, text.to_owned()))
}

/// What an operator last told of itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Report {
    /// From 0 to 1.
    pub progress: Option<f32>,
    /// For people; one line.
    pub text: String,
    /// Whether it said that its real work begins.
    pub is_ready: bool,
    /// Whether it wrote messages into its log since the last report.
    pub is_logged: bool,
}

/// Buffers that are not needed any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// Those that this operator was the last to read.
    Operator {
        /// Its job.
        job: String,
        /// It has completed.
        operator: String,
    },
    /// All of a job that is over.
    Job(String),
    /// All but those of these jobs.
    AllBut(Vec<String>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use lantern_fastio::ElementType;

    fn array(element: &str, shape: &[i64]) -> DeclaredArray {
        let shape = shape.iter().map(|length| u64::try_from(*length).ok()).collect();
        DeclaredArray { element: element.into(), shape }
    }

    fn rules() -> FastIo {
        let input = |producer: &str, output: &str| DeclaredInput {
            producer: producer.into(),
            output: output.into(),
            array: array("int16", &[-1, 4]),
        };
        FastIo {
            job: "j".into(),
            operator: "Stats".into(),
            outputs: vec![DeclaredOutput {
                name: "maximum".into(),
                array: array("float32", &[1]),
                consumers: vec![],
            }],
            inputs: vec![input("loader", "voxels"), input("a", "same"), input("b", "same")],
            budget_bytes: 0,
        }
    }

    #[test]
    fn names_lead_to_inputs_then_own_outputs_then_free_buffers() {
        let rules = rules();
        let key = |name: &str| rules.to_open(name).map(|found| found.key);
        assert_eq!(key("Voxels"), Ok("out/loader/voxels".into()));
        assert_eq!(key("LOADER/voxels"), Ok("out/loader/voxels".into()));
        assert_eq!(key("b/same"), Ok("out/b/same".into()));
        assert_eq!(key("maximum"), Ok("out/stats/maximum".into()));
        assert_eq!(key("scratch"), Ok("free/scratch".into()));
        assert_eq!(key("same").unwrap_err().0, RefusalCode::BadName);
        assert_eq!(key("other/voxels").unwrap_err().0, RefusalCode::NotFound);
        assert_eq!(rules.to_publish("voxels").unwrap().key, "free/voxels");
        assert_eq!(rules.to_publish("MAXIMUM").unwrap().key, "out/stats/maximum");
        for bad in ["", "a b", "a/b/c", "/a", "ä", "../x", "a\0", &"n".repeat(256)] {
            assert_eq!(key(bad).unwrap_err().0, RefusalCode::BadName, "{bad:?}");
            assert!(rules.to_publish(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_output_has_no_more_readers_than_can_be_told_to_the_keeper() {
        let with = |count, length: usize| {
            let mut rules = rules();
            rules.outputs[0].consumers = vec!["r".repeat(length); count];
            rules.check()
        };
        assert_eq!(with(190, 255), Ok(()));
        assert!(with(191, 255).unwrap_err().contains("`maximum` in shared memory is read by 191 operators"));
        assert!(with(12_289, 1).is_err() && with(12_288, 1).is_ok());
    }

    #[test]
    fn a_buffer_has_to_be_what_the_definition_says() {
        let check = |element, shape: &[u64]| {
            let shape = shape.to_vec();
            let found = Description { name: "x".into(), element, shape, text: String::new() };
            array("int16", &[-1, 4]).check(&found).is_ok()
        };
        assert!(check(ElementType::Int16, &[9, 4]) && check(ElementType::Int16, &[0, 4]));
        assert!(!check(ElementType::Uint16, &[9, 4]) && !check(ElementType::Int16, &[9, 5]));
        assert!(!check(ElementType::Int16, &[36]));
    }
}
