//! Words and numbers for people: errors as messages, values as the field prints them.

mod messages;
mod numbers;
mod times;

pub use messages::{UserMessage, chain, message_for, message_for_notice, opened_with_warnings};
pub use numbers::{
    bytes, minus, mm, modality_value, number, parse_number, patient_name, sex_and_age, study_date,
};
pub use times::{clock, span};
