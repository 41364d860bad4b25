//! Inputs and outputs of operators: where their data is and what it looks like.

use std::fmt;

/// Most lengths of a shape.
pub(super) const MAX_RANK: usize = 16;

/// The type of one number of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum NumberType {
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Int8,
    Int16,
    Int32,
    Int64,
    Float16,
    Float32,
    Float64,
}

impl NumberType {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Uint8,
        Self::Uint16,
        Self::Uint32,
        Self::Uint64,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Float16,
        Self::Float32,
        Self::Float64,
    ];

    /// Its long name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uint8 => "uint8",
            Self::Uint16 => "uint16",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Float16 => "float16",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
        }
    }

    /// Its short name.
    pub const fn short_name(self) -> &'static str {
        match self {
            Self::Uint8 => "u8",
            Self::Uint16 => "u16",
            Self::Uint32 => "u32",
            Self::Uint64 => "u64",
            Self::Int8 => "i8",
            Self::Int16 => "i16",
            Self::Int32 => "i32",
            Self::Int64 => "i64",
            Self::Float16 => "f16",
            Self::Float32 => "f32",
            Self::Float64 => "f64",
        }
    }

    /// Bytes of one number.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Uint8 | Self::Int8 => 1,
            Self::Uint16 | Self::Int16 | Self::Float16 => 2,
            Self::Uint32 | Self::Int32 | Self::Float32 => 4,
            Self::Uint64 | Self::Int64 | Self::Float64 => 8,
        }
    }

    /// The type of a long or short name, in any letter case.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        let is_named = |kind: &Self| {
            name.eq_ignore_ascii_case(kind.name()) || name.eq_ignore_ascii_case(kind.short_name())
        };
        Self::ALL.into_iter().find(is_named)
    }
}

/// What goes through an input or output.
///
/// A text is an array of `uint8` with one open length, a number is an array with the shape `[1]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortType {
    /// Files in a folder.
    Stream {
        /// Names their format, for example `dicom`.
        format: String,
    },
    /// Numbers in shared memory.
    Array {
        /// The type of each.
        element: NumberType,
        /// The lengths, `None` for one that is known only at run time.
        shape: Vec<Option<u64>>,
    },
}

impl PortType {
    /// Whether an input of this type can read an output of `other`. The order makes no difference.
    pub fn fits(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Stream { format: a }, Self::Stream { format: b }) => a.eq_ignore_ascii_case(b),
            (Self::Array { element: a, shape: from }, Self::Array { element: b, shape: to }) => {
                let agrees = |(a, b): (&Option<u64>, &Option<u64>)| a.is_none() || b.is_none() || a == b;
                a == b && from.len() == to.len() && from.iter().zip(to).all(agrees)
            }
            _ => false,
        }
    }
}

impl fmt::Display for PortType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream { format } => write!(f, "a stream of {format}"),
            Self::Array { element, shape } => {
                let length =
                    |length: &Option<u64>| length.map_or("-1".to_owned(), |length| length.to_string());
                let lengths: Vec<String> = shape.iter().map(length).collect();
                write!(f, "an array of {} [{}]", element.name(), lengths.join(", "))
            }
        }
    }
}

/// What an input reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// What was uploaded for the job.
    Job,
    /// All that an operator wrote.
    Operator {
        /// Its index in the pipeline.
        operator: usize,
    },
    /// One output of an operator.
    Output {
        /// The operator's index in the pipeline.
        operator: usize,
        /// The output's index in the operator.
        output: usize,
    },
}

/// An input of an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// What it reads.
    pub source: Source,
    /// The name of the output that it reads, or a label.
    pub name: Option<String>,
    /// Where the operator sees it; `None` for what is in shared memory.
    pub path: Option<String>,
    /// From version 0.5.0 on.
    pub port_type: Option<PortType>,
    /// The folder in the payload, without a leading slash: `input`, `operators/a`, `operators/a/x`.
    /// `None` for what is in shared memory.
    pub payload_folder: Option<String>,
}

/// An output of an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its name, unless it is the only one.
    pub name: Option<String>,
    /// Where the operator sees it; `None` for what is in shared memory.
    pub path: Option<String>,
    /// From version 0.5.0 on.
    pub port_type: Option<PortType>,
    /// The folder in the payload, without a leading slash: `operators/a`, `operators/a/x`.
    /// `None` for what is in shared memory.
    pub payload_folder: Option<String>,
}

/// The folder of a payload that holds what an operator wrote.
pub(super) fn operator_folder(operator: &str, output: Option<&str>) -> String {
    match output {
        Some(output) => format!("operators/{operator}/{output}"),
        None => format!("operators/{operator}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(element: NumberType, shape: &[i64]) -> PortType {
        let shape = shape.iter().map(|length| u64::try_from(*length).ok()).collect();
        PortType::Array { element, shape }
    }

    #[test]
    fn long_and_short_names_are_the_same_type() {
        for kind in NumberType::ALL {
            assert_eq!(NumberType::from_name(kind.name()), Some(kind));
            assert_eq!(NumberType::from_name(kind.short_name()), Some(kind));
            let bits: usize = kind.name().trim_start_matches(char::is_alphabetic).parse().unwrap();
            assert_eq!(kind.bytes() * 8, bits);
        }
        assert_eq!(NumberType::from_name("int"), None);
    }

    #[test]
    fn shapes_agree_where_lengths_are_the_same_or_open() {
        let check = |a: &[i64], b: &[i64]| {
            let (a, b) = (array(NumberType::Int16, a), array(NumberType::Int16, b));
            assert_eq!(a.fits(&b), b.fits(&a));
            a.fits(&b)
        };
        assert!(check(&[-1, 512], &[-1, 512]) && check(&[-1, 512], &[3, 512]) && check(&[-1], &[7]));
        assert!(!check(&[-1, 512], &[3, 256]) && !check(&[-1], &[-1, -1]));
    }

    #[test]
    fn elements_and_kinds_must_be_the_same() {
        let stream = |format: &str| PortType::Stream { format: format.to_owned() };
        assert!(stream("DICOM").fits(&stream("dicom")));
        assert!(!stream("dicom").fits(&stream("nifti")));
        assert!(!array(NumberType::Int16, &[1]).fits(&array(NumberType::Uint16, &[1])));
        assert!(!array(NumberType::Uint8, &[-1]).fits(&stream("dicom")));
        assert_eq!(array(NumberType::Int16, &[-1, 5]).to_string(), "an array of int16 [-1, 5]");
    }
}
