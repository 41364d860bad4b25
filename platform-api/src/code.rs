//! Error codes of response headers: negative numbers, a range for each service.
//!
//! The codes that the published documentation names keep their numbers and meaning. Those marked *ours* lie where it
//! names none; published clients look at the sign only.

use std::fmt;

/// A code that says why a call was refused. Always negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(i32);

impl ErrorCode {
    /// From the number on the wire; `None` for success, which is 0 or more.
    pub const fn from_wire(code: i32) -> Option<Self> {
        if code < 0 { Some(Self(code)) } else { None }
    }

    /// The number on the wire.
    pub const fn to_wire(self) -> i32 {
        self.0
    }

    /// Which service owns the code, if its range is known.
    pub const fn area(self) -> Option<Area> {
        match self.0.unsigned_abs() >> 12 {
            1 => Some(Area::Pipelines),
            2 => Some(Area::Jobs),
            3 => Some(Area::Payloads),
            4 => Some(Area::Models),
            5 => Some(Area::Server),
            _ => None,
        }
    }
}

/// Decimal, as the command line of the published platform shows it.
impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Hexadecimal, as the documentation writes it.
impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ErrorCode(-{:#06x})", self.0.unsigned_abs())
    }
}

/// The owner of a range of codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Area {
    /// From -0x1000.
    Pipelines,
    /// From -0x2000.
    Jobs,
    /// From -0x3000; ours.
    Payloads,
    /// From -0x4000; ours.
    Models,
    /// From -0x5000, for what belongs to no service; ours.
    Server,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        $($(#[$doc])* pub const $name: ErrorCode = ErrorCode(-$number);)*

        /// All codes of this module.
        pub const ALL: &[ErrorCode] = &[$($name),*];
    };
}

codes! {
    /// The pipeline's identifier is malformed.
    PIPELINE_ID_MALFORMED = 0x1000;
    /// There is no such pipeline.
    PIPELINE_UNKNOWN = 0x1001;
    /// The pipeline cannot be stored.
    PIPELINE_NOT_STORED = 0x1002;
    /// Pipelines cannot be listed.
    PIPELINES_NOT_LISTED = 0x1003;
    /// The pipeline cannot be updated.
    PIPELINE_NOT_UPDATED = 0x1004;
    /// The pipeline cannot be removed; ours.
    PIPELINE_NOT_REMOVED = 0x1005;
    /// There is a pipeline of this identifier already; ours.
    PIPELINE_EXISTS = 0x1006;
    /// The request that carries a definition is malformed.
    DEFINITION_REQUEST_MALFORMED = 0x1100;
    /// The definition cannot be parsed, or does not hold together.
    DEFINITION_INVALID = 0x1101;
    /// The definition asks for more than this machine has; ours.
    DEFINITION_NEVER_FITS = 0x1102;
    /// Metadata of a pipeline break a rule; ours.
    PIPELINE_METADATA_INVALID = 0x1200;

    /// The job's identifier is malformed.
    JOB_ID_MALFORMED = 0x2000;
    /// There is no such job.
    JOB_UNKNOWN = 0x2001;
    /// The job cannot be stored.
    JOB_NOT_STORED = 0x2002;
    /// Jobs cannot be listed.
    JOBS_NOT_LISTED = 0x2003;
    /// The filter of a list is malformed; ours.
    JOB_FILTER_INVALID = 0x2004;
    /// The job's name is invalid.
    JOB_NAME_INVALID = 0x2100;
    /// The job's payload cannot be created; sent too when storage is too full.
    JOB_PAYLOAD_NOT_CREATED = 0x2102;
    /// The job cannot be canceled; sent too when it is over.
    JOB_NOT_CANCELED = 0x2104;
    /// The job cannot be started; sent too when it was started before; ours.
    JOB_NOT_STARTED = 0x2105;
    /// A variable of a start is not declared by the definition, or comes twice; ours.
    JOB_VARIABLES_INVALID = 0x2106;
    /// The job asks for more than this machine has; ours.
    JOB_NEVER_FITS = 0x2107;
    /// An input payload cannot be used; ours.
    JOB_INPUT_INVALID = 0x2108;
    /// The priority is none that there is; ours.
    JOB_PRIORITY_INVALID = 0x2109;
    /// The job has no operator of this name; ours.
    OPERATOR_UNKNOWN = 0x210a;
    /// The log of an operator cannot be read; ours.
    LOG_NOT_READ = 0x210b;
    /// The job has begun or is over, so that its place in the queue cannot change; ours.
    JOB_NOT_PENDING = 0x210c;
    /// There is no such place in the log; ours.
    LOG_OFFSET_INVALID = 0x210d;
    /// Metadata of a job break a rule; ours.
    JOB_METADATA_INVALID = 0x2200;

    /// The payload's identifier is malformed; ours.
    PAYLOAD_ID_MALFORMED = 0x3000;
    /// There is no such payload; ours.
    PAYLOAD_UNKNOWN = 0x3001;
    /// The payload cannot be stored; ours.
    PAYLOAD_NOT_STORED = 0x3002;
    /// Payloads cannot be listed; ours.
    PAYLOADS_NOT_LISTED = 0x3003;
    /// The payload cannot be deleted, because a job uses it; ours.
    PAYLOAD_IN_USE = 0x3004;
    /// The payload takes no changes any more; ours.
    PAYLOAD_READ_ONLY = 0x3005;
    /// The name of a file breaks a rule; ours.
    FILE_NAME_INVALID = 0x3100;
    /// The payload has no such file; ours.
    FILE_UNKNOWN = 0x3101;
    /// Several files differ from the name in letter case only; ours.
    FILE_AMBIGUOUS = 0x3102;
    /// There is a file of this name already; ours.
    FILE_EXISTS = 0x3103;
    /// A file cannot be stored; ours.
    FILE_NOT_STORED = 0x3104;
    /// A file cannot be read; ours.
    FILE_NOT_READ = 0x3105;
    /// An upload without any message, or whose messages disagree; ours.
    UPLOAD_MALFORMED = 0x3106;
    /// Storage is full; ours.
    STORAGE_FULL = 0x3107;
    /// Metadata of a payload break a rule; ours.
    PAYLOAD_METADATA_INVALID = 0x3200;

    /// The model's identifier is malformed; ours.
    MODEL_ID_MALFORMED = 0x4000;
    /// There is no such model; ours.
    MODEL_UNKNOWN = 0x4001;
    /// The model cannot be stored; ours.
    MODEL_NOT_STORED = 0x4002;
    /// Models cannot be listed; ours.
    MODELS_NOT_LISTED = 0x4003;
    /// The model cannot be deleted, because something uses it; ours.
    MODEL_IN_USE = 0x4004;
    /// The model's name breaks a rule; ours.
    MODEL_NAME_INVALID = 0x4100;
    /// An upload without any message, whose messages disagree, or whose archive is broken; ours.
    MODEL_UPLOAD_MALFORMED = 0x4101;
    /// Metadata of a model break a rule; ours.
    MODEL_METADATA_INVALID = 0x4200;
    /// The catalog's identifier is malformed; ours.
    CATALOG_ID_MALFORMED = 0x4300;
    /// There is no such catalog; ours.
    CATALOG_UNKNOWN = 0x4301;
    /// The catalog cannot be stored; ours.
    CATALOG_NOT_STORED = 0x4302;
    /// The instance's identifier is malformed; ours.
    INSTANCE_ID_MALFORMED = 0x4400;
    /// There is no such instance; ours.
    INSTANCE_UNKNOWN = 0x4401;
    /// The instance cannot be stored; ours.
    INSTANCE_NOT_STORED = 0x4402;
    /// There are as many instances as there may be; ours.
    INSTANCES_EXHAUSTED = 0x4403;

    /// A fault of the server; ours.
    INTERNAL = 0x5000;
    /// The caller may not do this; ours.
    NOT_PERMITTED = 0x5001;
    /// This server has no such thing; ours.
    NOT_SUPPORTED = 0x5002;
    /// The server is about to stop; ours.
    SHUTTING_DOWN = 0x5003;
    /// There is no such user; ours.
    USER_UNKNOWN = 0x5100;
    /// There is a user of this name already; ours.
    USER_EXISTS = 0x5101;
    /// The name, password or role of a user breaks a rule; ours.
    USER_INVALID = 0x5102;
    /// Users or tokens cannot be read or stored; ours.
    USERS_NOT_STORED = 0x5103;
    /// The last admin who can log in stays one; ours.
    USER_LAST_ADMIN = 0x5104;
    /// The users of this server are not kept by it; ours.
    USERS_ELSEWHERE = 0x5105;
    /// There is no such token; ours.
    TOKEN_UNKNOWN = 0x5106;
    /// The identifier, label or end of a token breaks a rule; ours.
    TOKEN_INVALID = 0x5107;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn documented_codes_have_their_documented_decimals() {
        for (code, decimal) in [
            (PIPELINE_ID_MALFORMED, -4096),
            (PIPELINE_UNKNOWN, -4097),
            (PIPELINE_NOT_STORED, -4098),
            (PIPELINES_NOT_LISTED, -4099),
            (PIPELINE_NOT_UPDATED, -4100),
            (DEFINITION_REQUEST_MALFORMED, -4352),
            (DEFINITION_INVALID, -4353),
            (JOB_ID_MALFORMED, -8192),
            (JOB_UNKNOWN, -8193),
            (JOB_NOT_STORED, -8194),
            (JOBS_NOT_LISTED, -8195),
            (JOB_NAME_INVALID, -8448),
            (JOB_PAYLOAD_NOT_CREATED, -8450),
            (JOB_NOT_CANCELED, -8452),
        ] {
            assert_eq!(code.to_wire(), decimal);
            assert_eq!(ErrorCode::from_wire(decimal), Some(code));
        }
    }

    #[test]
    fn every_code_is_negative_and_says_one_thing() {
        let unique: BTreeSet<_> = ALL.iter().collect();
        assert_eq!(unique.len(), ALL.len());
        assert!(ALL.iter().all(|code| code.to_wire() < 0 && code.area().is_some()));
        // Two codes whose meaning nobody wrote down stay unused.
        assert!(!ALL.iter().any(|code| matches!(code.to_wire(), -8449 | -8451)));
    }

    #[test]
    fn success_is_no_error() {
        assert_eq!(ErrorCode::from_wire(0), None);
        assert_eq!(ErrorCode::from_wire(7), None);
        assert_eq!(ErrorCode::from_wire(i32::MIN).and_then(ErrorCode::area), None);
        assert_eq!(format!("{JOB_NOT_CANCELED} {JOB_NOT_CANCELED:?}"), "-8452 ErrorCode(-0x2104)");
    }
}
