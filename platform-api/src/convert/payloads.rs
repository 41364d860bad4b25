//! Payloads and their files.

use crate::convert::ConvertError;
use crate::payload::{PayloadFile, PayloadPath, PayloadType};
use crate::proto::clara;

impl From<PayloadType> for clara::PayloadType {
    fn from(value: PayloadType) -> Self {
        match value {
            PayloadType::Pipeline => Self::Pipeline,
            PayloadType::Reusable => Self::Reusable,
        }
    }
}

/// The type of a payload of a number on the wire.
///
/// # Errors
/// [`ConvertError::Number`] for unknown numbers, 0 among them.
pub fn payload_type(number: i32) -> Result<PayloadType, ConvertError> {
    PayloadType::from_wire(number)
        .ok_or(ConvertError::Number { what: "type of a payload", number: number.into() })
}

/// The message of a file, with a leading slash in its name.
pub fn payload_file_message(file: &PayloadFile) -> clara::PayloadFileDetails {
    clara::PayloadFileDetails { mode: file.mode, size: file.size, name: file.path.to_string() }
}

/// The file that an answer names.
///
/// # Errors
/// [`ConvertError::Path`] for names that no file of a payload can have.
pub fn payload_file(message: &clara::PayloadFileDetails) -> Result<PayloadFile, ConvertError> {
    let path = PayloadPath::to_find(&message.name)?;
    Ok(PayloadFile { path, size: message.size, mode: message.mode })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_with_a_leading_slash() {
        let path = PayloadPath::to_create("input/a.dcm").unwrap();
        let file = PayloadFile { path, size: 3, mode: 0o644 };
        let message = payload_file_message(&file);
        assert_eq!(message.name, "/input/a.dcm");
        assert_eq!(payload_file(&message), Ok(file));
        let outside = clara::PayloadFileDetails { name: "/../x".to_owned(), ..Default::default() };
        assert!(payload_file(&outside).is_err());
    }

    #[test]
    fn types_have_their_numbers() {
        for kind in [PayloadType::Pipeline, PayloadType::Reusable] {
            assert_eq!(i32::from(clara::PayloadType::from(kind)), kind.to_wire());
            assert_eq!(payload_type(kind.to_wire()), Ok(kind));
        }
        assert!(payload_type(0).is_err());
    }
}
