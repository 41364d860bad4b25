//! What a model is: a named archive with a type, for inference servers.

use crate::id::ModelId;
use crate::metadata::Metadata;

/// The framework of a model. The numbers are those of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum ModelType {
    /// Nobody said.
    #[default]
    Unknown = 0,
    /// TensorFlow.
    TensorFlow = 1,
    /// TensorRT.
    TensorRt = 2,
    /// PyTorch.
    PyTorch = 3,
}

impl ModelType {
    /// From the number on the wire; `None` for numbers that mean nothing.
    pub const fn from_wire(number: i32) -> Option<Self> {
        match number {
            0 => Some(Self::Unknown),
            1 => Some(Self::TensorFlow),
            2 => Some(Self::TensorRt),
            3 => Some(Self::PyTorch),
            _ => None,
        }
    }

    /// The number on the wire.
    pub const fn to_wire(self) -> i32 {
        self as i32
    }

    /// The word for it on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::TensorFlow => "tensorflow",
            Self::TensorRt => "tensorrt",
            Self::PyTorch => "pytorch",
        }
    }
}

/// A model, without its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelDetails {
    /// The model.
    pub id: ModelId,
    /// As definitions call it.
    pub name: String,
    /// Its framework.
    pub model_type: ModelType,
    /// What its creator and others noted.
    pub metadata: Metadata,
}
