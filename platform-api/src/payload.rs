//! What a payload is: a tree of files with portable names.

mod path;

pub use path::{MAX_PATH_BYTES, MAX_SEGMENT_BYTES, PayloadPath, PayloadPathError};

/// What a payload is for. The numbers are those of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PayloadType {
    /// Made with a job, one each.
    Pipeline = 1,
    /// Made by a client, input of several jobs.
    Reusable = 2,
}

impl PayloadType {
    /// From the number on the wire; `None` for unknown ones, 0 among them.
    pub const fn from_wire(number: i32) -> Option<Self> {
        match number {
            1 => Some(Self::Pipeline),
            2 => Some(Self::Reusable),
            _ => None,
        }
    }

    /// The number on the wire.
    pub const fn to_wire(self) -> i32 {
        self as i32
    }

    /// The word for it, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pipeline => "pipeline",
            Self::Reusable => "reusable",
        }
    }
}

/// A file of a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadFile {
    /// Where it is.
    pub path: PayloadPath,
    /// Bytes.
    pub size: u64,
    /// Permission bits, as clients sent them; 0 where they did not.
    pub mode: u32,
}
