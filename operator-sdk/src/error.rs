//! What can go wrong between an operator and the platform.

use crate::ElementType;
use crate::wire::{RefusalCode, WireError};

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum FastIoError {
    #[error("the platform gave this program no channel: `{}` is not set", crate::VARIABLE)]
    NoChannel,
    #[error("`{text}` in `{}` names no channel", crate::VARIABLE)]
    BadAddress { text: String },
    #[error("shared memory between operators is not supported on this system")]
    Unsupported,
    #[error("the channel to the platform is broken")]
    Io(#[from] std::io::Error),
    #[error("the platform refused: {text}")]
    Refused { code: RefusalCode, text: String },
    #[error("the platform sent what cannot be understood")]
    Wire(#[from] WireError),
    #[error("the platform answered something else than was asked")]
    UnexpectedReply,
    #[error("the buffer holds {found}, not {wanted}")]
    WrongElement { wanted: ElementType, found: ElementType },
    #[error("the pages of the buffer can still change")]
    NotSealed,
    #[error("the buffer is larger than this program can address")]
    TooLarge,
}

impl FastIoError {
    /// What the platform called its refusal, if it was one.
    pub fn refusal(&self) -> Option<RefusalCode> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }
}
