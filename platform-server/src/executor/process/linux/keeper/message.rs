//! What shims and servers tell the keeper, as JSON in packets. Both are of the server's own user; operators never get
//! here.

use lantern_fastio::ElementType;
use lantern_fastio::wire::Description;
use serde::{Deserialize, Serialize};

/// Which form this is; a keeper of another form is replaced.
pub(in super::super) const VERSION: u32 = 1;

/// Longest packet.
pub(in super::super) const MAX_PACKET_BYTES: usize = 64 << 10;

/// Who asks, for a connection of a shim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Holder {
    pub(in super::super) job: String,
    pub(in super::super) operator: String,
    /// The token of the attempt.
    pub(in super::super) run: String,
    pub(in super::super) budget_bytes: u64,
    pub(in super::super) max_buffers: u32,
}

/// A question and its number.
#[derive(Debug, Serialize, Deserialize)]
pub(in super::super) struct Ask {
    pub(in super::super) id: u64,
    pub(in super::super) ask: ToKeeper,
}

#[derive(Debug, Serialize, Deserialize)]
pub(in super::super) enum ToKeeper {
    /// First word of a server: as long as one is there, the keeper stays.
    Server {
        version: u32,
        limit_bytes: u64,
    },
    /// First word of a shim. What earlier attempts of its operator left goes.
    Attach {
        version: u32,
        holder: Holder,
    },
    /// Room for a buffer that will be published.
    Reserve {
        key: String,
        array: Described,
    },
    /// A reserved buffer is final; its file comes with the packet.
    Publish {
        key: String,
        consumers: Vec<String>,
    },
    /// A reserved buffer is given up.
    Discard {
        key: String,
    },
    /// A published buffer, waited for or not.
    Get {
        key: String,
        waits: bool,
    },
    /// A question that waits is not of interest any more.
    Forget {
        waiting: u64,
    },
    /// All buffers of the shim's job.
    List,
    /// An operator has read what it reads.
    Completed {
        job: String,
        operator: String,
    },
    EndJob {
        job: String,
    },
    /// Jobs that have buffers, behind a place in their order.
    Jobs {
        after: Option<String>,
    },
    /// Whether the keeper lives, and what it holds.
    Used,
    /// Everything goes, the keeper too.
    Quit,
}

/// An answer and the number of its question.
#[derive(Debug, Serialize, Deserialize)]
pub(in super::super) struct Answer {
    pub(in super::super) id: u64,
    pub(in super::super) answer: FromKeeper,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(in super::super) enum FromKeeper {
    Done,
    /// Its file comes with the packet.
    Found(Described),
    Missing,
    List {
        entries: Vec<Listed>,
        is_cut: bool,
    },
    Jobs(Vec<String>),
    Used {
        bytes: u64,
        buffers: u64,
    },
    /// The number is that of the refusal on the operators' wire.
    Refused {
        code: u16,
        text: String,
    },
    OtherVersion,
}

/// A description without its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Described {
    element: u8,
    pub(in super::super) shape: Vec<u64>,
    pub(in super::super) text: String,
}

/// A buffer in a list.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(in super::super) struct Listed {
    pub(in super::super) key: String,
    pub(in super::super) array: Described,
    pub(in super::super) is_published: bool,
}

impl Described {
    pub(in super::super) fn of(description: &Description) -> Self {
        let Description { element, shape, text, .. } = description;
        Self { element: element.code(), shape: shape.clone(), text: text.clone() }
    }

    /// Without its text, for lists.
    pub(in super::super) fn short(&self) -> Self {
        Self { text: String::new(), ..self.clone() }
    }

    /// `None` for a number type that nobody knows.
    pub(in super::super) fn named(&self, name: &str) -> Option<Description> {
        let element = ElementType::from_code(self.element)?;
        let Self { shape, text, .. } = self.clone();
        Some(Description { name: name.to_owned(), element, shape, text })
    }

    pub(in super::super) fn bytes(&self) -> Option<u64> {
        ElementType::from_code(self.element)?.buffer_bytes(&self.shape)
    }
}
