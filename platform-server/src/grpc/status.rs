//! The one table from refusals to gRPC statuses, for our own services.

use platform_api::code::{self, ErrorCode};
use platform_api::header::Refusal;
use tonic::{Code, Status};

/// Each code of a refusal. Codes that are not here are faults of ours.
const TABLE: &[(ErrorCode, Code)] = &[
    (code::PIPELINE_ID_MALFORMED, Code::InvalidArgument),
    (code::PIPELINE_UNKNOWN, Code::NotFound),
    (code::PIPELINE_NOT_STORED, Code::Internal),
    (code::PIPELINES_NOT_LISTED, Code::Internal),
    (code::PIPELINE_NOT_UPDATED, Code::Internal),
    (code::PIPELINE_NOT_REMOVED, Code::Internal),
    (code::PIPELINE_EXISTS, Code::AlreadyExists),
    (code::DEFINITION_REQUEST_MALFORMED, Code::InvalidArgument),
    (code::DEFINITION_INVALID, Code::InvalidArgument),
    (code::DEFINITION_NEVER_FITS, Code::FailedPrecondition),
    (code::PIPELINE_METADATA_INVALID, Code::InvalidArgument),
    (code::JOB_ID_MALFORMED, Code::InvalidArgument),
    (code::JOB_UNKNOWN, Code::NotFound),
    (code::JOB_NOT_STORED, Code::Internal),
    (code::JOBS_NOT_LISTED, Code::Internal),
    (code::JOB_FILTER_INVALID, Code::InvalidArgument),
    (code::JOB_NAME_INVALID, Code::InvalidArgument),
    (code::JOB_PAYLOAD_NOT_CREATED, Code::ResourceExhausted),
    (code::JOB_NOT_CANCELED, Code::FailedPrecondition),
    (code::JOB_NOT_STARTED, Code::FailedPrecondition),
    (code::JOB_VARIABLES_INVALID, Code::InvalidArgument),
    (code::JOB_NEVER_FITS, Code::FailedPrecondition),
    (code::JOB_INPUT_INVALID, Code::InvalidArgument),
    (code::JOB_PRIORITY_INVALID, Code::InvalidArgument),
    (code::JOB_NOT_PENDING, Code::FailedPrecondition),
    (code::OPERATOR_UNKNOWN, Code::NotFound),
    (code::LOG_NOT_READ, Code::Internal),
    (code::LOG_OFFSET_INVALID, Code::OutOfRange),
    (code::JOB_METADATA_INVALID, Code::InvalidArgument),
    (code::PAYLOAD_ID_MALFORMED, Code::InvalidArgument),
    (code::PAYLOAD_UNKNOWN, Code::NotFound),
    (code::PAYLOAD_NOT_STORED, Code::Internal),
    (code::PAYLOADS_NOT_LISTED, Code::Internal),
    (code::PAYLOAD_IN_USE, Code::FailedPrecondition),
    (code::PAYLOAD_READ_ONLY, Code::FailedPrecondition),
    (code::FILE_NAME_INVALID, Code::InvalidArgument),
    (code::FILE_UNKNOWN, Code::NotFound),
    (code::FILE_AMBIGUOUS, Code::InvalidArgument),
    (code::FILE_EXISTS, Code::AlreadyExists),
    (code::FILE_NOT_STORED, Code::Internal),
    (code::FILE_NOT_READ, Code::Internal),
    (code::UPLOAD_MALFORMED, Code::InvalidArgument),
    (code::STORAGE_FULL, Code::ResourceExhausted),
    (code::PAYLOAD_METADATA_INVALID, Code::InvalidArgument),
    (code::MODEL_ID_MALFORMED, Code::InvalidArgument),
    (code::MODEL_UNKNOWN, Code::NotFound),
    (code::MODEL_NOT_STORED, Code::Internal),
    (code::MODELS_NOT_LISTED, Code::Internal),
    (code::MODEL_IN_USE, Code::FailedPrecondition),
    (code::MODEL_NAME_INVALID, Code::InvalidArgument),
    (code::MODEL_UPLOAD_MALFORMED, Code::InvalidArgument),
    (code::MODEL_METADATA_INVALID, Code::InvalidArgument),
    (code::CATALOG_ID_MALFORMED, Code::InvalidArgument),
    (code::CATALOG_UNKNOWN, Code::NotFound),
    (code::CATALOG_NOT_STORED, Code::Internal),
    (code::INSTANCE_ID_MALFORMED, Code::InvalidArgument),
    (code::INSTANCE_UNKNOWN, Code::NotFound),
    (code::INSTANCE_NOT_STORED, Code::Internal),
    (code::INSTANCES_EXHAUSTED, Code::ResourceExhausted),
    (code::INTERNAL, Code::Internal),
    (code::NOT_PERMITTED, Code::PermissionDenied),
    (code::NOT_SUPPORTED, Code::Unimplemented),
    (code::SHUTTING_DOWN, Code::Unavailable),
    (code::USER_UNKNOWN, Code::NotFound),
    (code::USER_EXISTS, Code::AlreadyExists),
    (code::USER_INVALID, Code::InvalidArgument),
    (code::USERS_NOT_STORED, Code::Internal),
    (code::USER_LAST_ADMIN, Code::FailedPrecondition),
    (code::USERS_ELSEWHERE, Code::FailedPrecondition),
    (code::TOKEN_UNKNOWN, Code::NotFound),
    (code::TOKEN_INVALID, Code::InvalidArgument),
];

/// A refusal as a gRPC status: its messages are the text, or the code where there is none.
pub fn status(refusal: &Refusal) -> Status {
    let code = TABLE.iter().find(|(code, _)| *code == refusal.code).map_or(Code::Internal, |(_, code)| *code);
    Status::new(code, refusal.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_has_one_status() {
        let listed: BTreeSet<ErrorCode> = TABLE.iter().map(|(code, _)| *code).collect();
        assert_eq!(listed.len(), TABLE.len());
        assert_eq!(listed, code::ALL.iter().copied().collect());
        assert!(TABLE.iter().all(|(_, code)| *code != Code::Ok));
    }

    #[test]
    fn a_status_keeps_what_there_is_to_say() {
        let refusal = Refusal::new(code::JOB_UNKNOWN, "there is no such job");
        let answer = status(&refusal);
        assert_eq!((answer.code(), answer.message()), (Code::NotFound, "there is no such job"));
        let unheard_of = Refusal { code: ErrorCode::from_wire(-1).unwrap(), messages: vec![] };
        assert_eq!(status(&unheard_of).code(), Code::Internal);
    }
}
