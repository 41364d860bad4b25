//! Models.

use crate::convert::{ConvertError, identifier, parse_identifier};
use crate::metadata::Metadata;
use crate::model::{ModelDetails, ModelType};
use crate::proto::clara;

impl From<ModelType> for clara::ModelType {
    fn from(value: ModelType) -> Self {
        match value {
            ModelType::Unknown => Self::Unknown,
            ModelType::TensorFlow => Self::TensorFlow,
            ModelType::TensorRt => Self::TensorRt,
            ModelType::PyTorch => Self::PyTorch,
        }
    }
}

/// The type of a model of a number on the wire.
///
/// # Errors
/// [`ConvertError::Number`] for numbers that mean nothing.
pub fn model_type(number: i32) -> Result<ModelType, ConvertError> {
    ModelType::from_wire(number)
        .ok_or(ConvertError::Number { what: "type of a model", number: number.into() })
}

/// The message of a model.
pub fn model_message(model: &ModelDetails) -> clara::ModelDetails {
    clara::ModelDetails {
        model_id: identifier(model.id),
        name: model.name.clone(),
        r#type: model.model_type.to_wire(),
        metadata: model.metadata.to_map(),
    }
}

/// The model that an answer names.
///
/// # Errors
/// [`ConvertError`] for what is missing or malformed.
pub fn model(message: clara::ModelDetails) -> Result<ModelDetails, ConvertError> {
    Ok(ModelDetails {
        id: parse_identifier(message.model_id.as_ref(), "model id")?,
        name: message.name,
        model_type: model_type(message.r#type)?,
        metadata: Metadata::from_entries(message.metadata)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ModelId;

    #[test]
    fn a_model_goes_there_and_back() {
        for model_type in [ModelType::Unknown, ModelType::TensorFlow, ModelType::TensorRt, ModelType::PyTorch]
        {
            let metadata = Metadata::from_entries([("k", "v")]).unwrap();
            let details =
                ModelDetails { id: ModelId::from_bits(4), name: "liver".to_owned(), model_type, metadata };
            assert_eq!(i32::from(clara::ModelType::from(model_type)), model_type.to_wire());
            assert_eq!(model(model_message(&details)), Ok(details));
        }
        assert!(model_type(4).is_err());
    }
}
