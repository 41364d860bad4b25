//! Frames between an operator and the platform, byte by byte. `docs/fastio.md` describes them for other languages.
//!
//! A frame is one packet of a `SOCK_SEQPACKET` socket: a header of 16 bytes and a body. Numbers are little-endian,
//! texts UTF-8 behind their length (16 bits). Whatever bytes arrive, decoding answers or refuses, and reserves no more
//! than the frame holds.

use crate::ElementType;

/// The one version that is spoken.
pub const VERSION: u16 = 1;
/// Bytes before the body.
pub const HEADER_BYTES: usize = 16;
/// Longest frame.
pub const MAX_FRAME_BYTES: usize = 64 << 10;
/// Longest name; `operator/output` is one name.
pub const MAX_NAME_BYTES: usize = 511;
/// Longest free text of a buffer, a progress report or a message.
pub const MAX_TEXT_BYTES: usize = 4096;
/// Most lengths of a shape.
pub const MAX_RANK: usize = 16;

/// Why bytes are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum WireError {
    #[error("the frame is shorter or longer than it says")]
    Length,
    #[error("the frame's version {version} is not spoken")]
    Version { version: u16 },
    #[error("frames of kind {kind} are unknown")]
    Kind { kind: u16 },
    #[error("the frame's body is malformed: {what}")]
    Body { what: &'static str },
}

/// What an operator asks or tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Memory for a buffer; answered with [`Reply::Buffer`] and a file to map for writing.
    Allocate(Description),
    /// From now on the buffer never changes and others may open it. No writable mapping may be left.
    Publish {
        /// As it was allocated.
        name: String,
    },
    /// Gives up a buffer that was not published.
    Discard {
        /// As it was allocated.
        name: String,
    },
    /// A published buffer; answered with [`Reply::Buffer`] and a file to map for reading.
    Open {
        /// An input of the operator, an output of its own, or a free name.
        name: String,
        /// How long to wait for a free name that nobody has published yet.
        wait_ms: u32,
    },
    /// What there is; answered with [`Reply::List`].
    List,
    /// How far the work is. Never answered.
    Progress {
        /// From 0 to 1.
        fraction: f32,
        /// For people.
        text: String,
    },
    /// The operator has begun its real work. Never answered.
    Ready,
    /// A line for the operator's log. Never answered.
    Log {
        /// How grave it is.
        level: Level,
        /// Without a line end.
        text: String,
    },
}

impl Request {
    /// Whether a reply follows.
    pub fn is_answered(&self) -> bool {
        !matches!(self, Self::Progress { .. } | Self::Ready | Self::Log { .. })
    }
}

/// What the platform answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// It is done.
    Done,
    /// A buffer; its file comes with the packet.
    Buffer(Description),
    /// Buffers, as many as fit.
    List {
        /// In the order of their names.
        entries: Vec<Entry>,
        /// Whether some are left out.
        is_cut: bool,
    },
    /// It is not done.
    Refused {
        /// For programs.
        code: RefusalCode,
        /// For people.
        text: String,
    },
}

/// What a buffer holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// What it is called.
    pub name: String,
    /// The type of each number.
    pub element: ElementType,
    /// The lengths, slowest first; the last index varies fastest in memory.
    pub shape: Vec<u64>,
    /// Free text of the producer.
    pub text: String,
}

impl Description {
    /// Bytes of the buffer; `None` if they are more than any address reaches.
    pub fn bytes(&self) -> Option<u64> {
        self.element.buffer_bytes(&self.shape)
    }
}

/// A line of a [`Reply::List`]. Its description has no text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub description: Description,
    /// Why this operator may use it.
    pub role: Role,
    /// Whether it can be opened.
    pub is_published: bool,
}

/// Why an operator may use a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// The definition has it as an input.
    Input = 1,
    /// The definition has it as an output.
    Output = 2,
    /// Operators of the job agreed on its name.
    Free = 3,
}

/// How grave a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Level {
    Debug = 1,
    Info = 2,
    Warning = 3,
    Error = 4,
}

impl Level {
    /// The level of a number on the wire.
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::Debug, Self::Info, Self::Warning, Self::Error].into_iter().find(|level| *level as u8 == code)
    }

    /// As the log has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Why the platform refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
#[non_exhaustive]
pub enum RefusalCode {
    /// The frame made no sense.
    BadFrame = 1,
    /// The name is empty, too long, or holds what names cannot hold.
    BadName = 2,
    /// Nothing is published under the name.
    NotFound = 3,
    /// The name is taken.
    Exists = 4,
    /// Type or shape are not those of the definition.
    Mismatch = 5,
    /// The job's or the machine's shared memory would be exceeded.
    OverBudget = 6,
    /// The job has too many buffers.
    TooMany = 7,
    /// Nothing was published under the name in time.
    TimedOut = 8,
    /// The buffer is in no state for this: not allocated here, or still mapped for writing.
    WrongState = 9,
    /// An earlier request is not answered yet.
    Busy = 10,
    /// What kept the buffers is gone, and they with it.
    Lost = 11,
    /// The version is not spoken.
    Version = 12,
    /// The system refused.
    System = 13,
}

impl RefusalCode {
    const ALL: [Self; 13] = [
        Self::BadFrame,
        Self::BadName,
        Self::NotFound,
        Self::Exists,
        Self::Mismatch,
        Self::OverBudget,
        Self::TooMany,
        Self::TimedOut,
        Self::WrongState,
        Self::Busy,
        Self::Lost,
        Self::Version,
        Self::System,
    ];

    /// The code of a number on the wire.
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|known| *known as u16 == code)
    }
}

const ALLOCATE: u16 = 1;
const PUBLISH: u16 = 2;
const DISCARD: u16 = 3;
const OPEN: u16 = 4;
const LIST: u16 = 5;
const PROGRESS: u16 = 16;
const READY: u16 = 17;
const LOG: u16 = 18;
const DONE: u16 = 128;
const BUFFER: u16 = 129;
const ENTRIES: u16 = 130;
const REFUSED: u16 = 255;

/// A request as bytes. `number` comes back with its reply.
pub fn encode_request(number: u32, request: &Request) -> Vec<u8> {
    let mut frame = Frame::new();
    let kind = match request {
        Request::Allocate(description) => {
            frame.description(description);
            ALLOCATE
        }
        Request::Publish { name } => {
            frame.text(name, MAX_NAME_BYTES);
            PUBLISH
        }
        Request::Discard { name } => {
            frame.text(name, MAX_NAME_BYTES);
            DISCARD
        }
        Request::Open { name, wait_ms } => {
            frame.bytes.extend_from_slice(&wait_ms.to_le_bytes());
            frame.text(name, MAX_NAME_BYTES);
            OPEN
        }
        Request::List => LIST,
        Request::Progress { fraction, text } => {
            frame.bytes.extend_from_slice(&fraction.to_le_bytes());
            frame.text(text, MAX_TEXT_BYTES);
            PROGRESS
        }
        Request::Ready => READY,
        Request::Log { level, text } => {
            frame.bytes.push(*level as u8);
            frame.text(text, MAX_TEXT_BYTES);
            LOG
        }
    };
    frame.finish(kind, number)
}

/// The request in a packet, and its number.
///
/// # Errors
/// [`WireError`], with the request's number as far as it can be read.
pub fn decode_request(packet: &[u8]) -> Result<(u32, Request), (u32, WireError)> {
    let mut body = Body { rest: packet, number: 0 };
    let request = request_of(&mut body).map_err(|error| (body.number, error))?;
    Ok((body.number, request))
}

fn request_of(body: &mut Body<'_>) -> Result<Request, WireError> {
    let request = match body.header()? {
        ALLOCATE => Request::Allocate(body.description()?),
        PUBLISH => Request::Publish { name: body.text(MAX_NAME_BYTES)? },
        DISCARD => Request::Discard { name: body.text(MAX_NAME_BYTES)? },
        OPEN => {
            Request::Open { wait_ms: u32::from_le_bytes(body.array()?), name: body.text(MAX_NAME_BYTES)? }
        }
        LIST => Request::List,
        PROGRESS => {
            let fraction = f32::from_le_bytes(body.array()?);
            if !(0.0..=1.0).contains(&fraction) {
                return Err(WireError::Body { what: "progress is not between 0 and 1" });
            }
            Request::Progress { fraction, text: body.text(MAX_TEXT_BYTES)? }
        }
        READY => Request::Ready,
        LOG => {
            let [level] = body.array()?;
            let level = Level::from_code(level).ok_or(WireError::Body { what: "unknown level" })?;
            Request::Log { level, text: body.text(MAX_TEXT_BYTES)? }
        }
        kind => return Err(WireError::Kind { kind }),
    };
    body.end()?;
    Ok(request)
}

/// A reply as bytes, to the request of that number. Entries that do not fit are left out.
pub fn encode_reply(number: u32, reply: &Reply) -> Vec<u8> {
    let mut frame = Frame::new();
    let kind = match reply {
        Reply::Done => DONE,
        Reply::Buffer(description) => {
            frame.description(description);
            BUFFER
        }
        Reply::List { entries, is_cut } => {
            frame.entries(entries, *is_cut);
            ENTRIES
        }
        Reply::Refused { code, text } => {
            frame.bytes.extend_from_slice(&(*code as u16).to_le_bytes());
            frame.text(text, MAX_TEXT_BYTES);
            REFUSED
        }
    };
    frame.finish(kind, number)
}

/// The reply in a packet, and the number of its request.
///
/// # Errors
/// [`WireError`].
pub fn decode_reply(packet: &[u8]) -> Result<(u32, Reply), WireError> {
    let mut body = Body { rest: packet, number: 0 };
    let reply = match body.header()? {
        DONE => Reply::Done,
        BUFFER => Reply::Buffer(body.description()?),
        ENTRIES => body.entries()?,
        REFUSED => {
            let code = RefusalCode::from_code(u16::from_le_bytes(body.array()?));
            let code = code.ok_or(WireError::Body { what: "unknown refusal" })?;
            Reply::Refused { code, text: body.text(MAX_TEXT_BYTES)? }
        }
        kind => return Err(WireError::Kind { kind }),
    };
    body.end()?;
    Ok((body.number, reply))
}

/// At most `max` bytes of a text, cut between characters.
pub fn cut(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

struct Frame {
    bytes: Vec<u8>,
}

impl Frame {
    fn new() -> Self {
        Self { bytes: vec![0; HEADER_BYTES] }
    }

    fn text(&mut self, text: &str, max: usize) {
        let text = cut(text, max);
        // `max` is far below 16 bits.
        let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&len.to_le_bytes());
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn array(&mut self, description: &Description) {
        let rank = description.shape.len().min(MAX_RANK);
        self.bytes.push(description.element.code());
        self.bytes.push(u8::try_from(rank).unwrap_or(u8::MAX));
        for length in description.shape.iter().take(rank) {
            self.bytes.extend_from_slice(&length.to_le_bytes());
        }
    }

    fn description(&mut self, description: &Description) {
        self.text(&description.name, MAX_NAME_BYTES);
        self.array(description);
        self.text(&description.text, MAX_TEXT_BYTES);
    }

    fn entries(&mut self, entries: &[Entry], is_cut: bool) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 3]);
        let mut count = 0u16;
        for entry in entries {
            let before = self.bytes.len();
            self.text(&entry.description.name, MAX_NAME_BYTES);
            self.array(&entry.description);
            self.bytes.extend_from_slice(&[entry.role as u8, u8::from(entry.is_published)]);
            if self.bytes.len() > MAX_FRAME_BYTES {
                self.bytes.truncate(before);
                break;
            }
            count += 1;
        }
        let is_cut = is_cut || usize::from(count) < entries.len();
        let [low, high] = count.to_le_bytes();
        if let Some(head) = self.bytes.get_mut(start..start + 3) {
            head.copy_from_slice(&[u8::from(is_cut), low, high]);
        }
    }

    fn finish(mut self, kind: u16, number: u32) -> Vec<u8> {
        let len = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        let mut header = [0; HEADER_BYTES];
        header[..4].copy_from_slice(&len.to_le_bytes());
        header[4..6].copy_from_slice(&VERSION.to_le_bytes());
        header[6..8].copy_from_slice(&kind.to_le_bytes());
        header[8..12].copy_from_slice(&number.to_le_bytes());
        if let Some(head) = self.bytes.get_mut(..HEADER_BYTES) {
            head.copy_from_slice(&header);
        }
        self.bytes
    }
}

struct Body<'a> {
    rest: &'a [u8],
    number: u32,
}

impl Body<'_> {
    /// Takes the header and gives the kind.
    fn header(&mut self) -> Result<u16, WireError> {
        let whole = self.rest.len();
        let len: [u8; 4] = self.array().map_err(|_| WireError::Length)?;
        let version = u16::from_le_bytes(self.array().map_err(|_| WireError::Length)?);
        let kind = u16::from_le_bytes(self.array().map_err(|_| WireError::Length)?);
        self.number = u32::from_le_bytes(self.array().map_err(|_| WireError::Length)?);
        let zero: [u8; 4] = self.array().map_err(|_| WireError::Length)?;
        if version != VERSION {
            return Err(WireError::Version { version });
        }
        if u32::from_le_bytes(len) as usize != whole || whole > MAX_FRAME_BYTES {
            return Err(WireError::Length);
        }
        if zero != [0; 4] {
            return Err(WireError::Body { what: "the header's last bytes are not zero" });
        }
        Ok(kind)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (first, rest) =
            self.rest.split_first_chunk::<N>().ok_or(WireError::Body { what: "it ends early" })?;
        self.rest = rest;
        Ok(*first)
    }

    fn text(&mut self, max: usize) -> Result<String, WireError> {
        let len = usize::from(u16::from_le_bytes(self.array()?));
        if len > max {
            return Err(WireError::Body { what: "a text is too long" });
        }
        let (text, rest) =
            self.rest.split_at_checked(len).ok_or(WireError::Body { what: "it ends early" })?;
        self.rest = rest;
        let text = std::str::from_utf8(text).map_err(|_| WireError::Body { what: "a text is not UTF-8" })?;
        Ok(text.to_owned())
    }

    fn element_and_shape(&mut self) -> Result<(ElementType, Vec<u64>), WireError> {
        let [element, rank] = self.array()?;
        let element =
            ElementType::from_code(element).ok_or(WireError::Body { what: "unknown number type" })?;
        if usize::from(rank) > MAX_RANK {
            return Err(WireError::Body { what: "a shape has too many lengths" });
        }
        let shape = (0..rank).map(|_| Ok(u64::from_le_bytes(self.array()?)));
        Ok((element, shape.collect::<Result<_, WireError>>()?))
    }

    fn description(&mut self) -> Result<Description, WireError> {
        let name = self.text(MAX_NAME_BYTES)?;
        let (element, shape) = self.element_and_shape()?;
        Ok(Description { name, element, shape, text: self.text(MAX_TEXT_BYTES)? })
    }

    fn entries(&mut self) -> Result<Reply, WireError> {
        let [is_cut, low, high] = self.array()?;
        let mut entries = Vec::new();
        for _ in 0..u16::from_le_bytes([low, high]) {
            let name = self.text(MAX_NAME_BYTES)?;
            let (element, shape) = self.element_and_shape()?;
            let [role, is_published] = self.array()?;
            let role = match role {
                1 => Role::Input,
                2 => Role::Output,
                3 => Role::Free,
                _ => return Err(WireError::Body { what: "unknown role" }),
            };
            let description = Description { name, element, shape, text: String::new() };
            entries.push(Entry { description, role, is_published: is_published != 0 });
        }
        Ok(Reply::List { entries, is_cut: is_cut != 0 })
    }

    fn end(&self) -> Result<(), WireError> {
        if self.rest.is_empty() { Ok(()) } else { Err(WireError::Body { what: "bytes are left over" }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description() -> Description {
        Description {
            name: "voxels".into(),
            element: ElementType::Int16,
            shape: vec![3, 512, 512],
            text: "HU".into(),
        }
    }

    #[test]
    fn every_request_goes_there_and_back() {
        let requests = [
            Request::Allocate(description()),
            Request::Publish { name: "a".into() },
            Request::Discard { name: "a".into() },
            Request::Open { name: "loader/voxels".into(), wait_ms: 7 },
            Request::List,
            Request::Progress { fraction: 0.5, text: "half".into() },
            Request::Ready,
            Request::Log { level: Level::Warning, text: "slow".into() },
        ];
        for (number, request) in (1..).zip(requests) {
            assert_eq!(decode_request(&encode_request(number, &request)), Ok((number, request)));
        }
    }

    #[test]
    fn every_reply_goes_there_and_back() {
        let entry = |name: &str| Entry {
            description: Description { name: name.into(), text: String::new(), ..description() },
            role: Role::Input,
            is_published: true,
        };
        let replies = [
            Reply::Done,
            Reply::Buffer(description()),
            Reply::List { entries: vec![entry("a"), entry("b")], is_cut: false },
            Reply::Refused { code: RefusalCode::OverBudget, text: "full".into() },
        ];
        for reply in replies {
            assert_eq!(decode_reply(&encode_reply(9, &reply)), Ok((9, reply)));
        }
        let many = Reply::List { entries: vec![entry(&"n".repeat(MAX_NAME_BYTES)); 1000], is_cut: false };
        let frame = encode_reply(1, &many);
        assert!(frame.len() <= MAX_FRAME_BYTES);
        let Ok((1, Reply::List { entries, is_cut: true })) = decode_reply(&frame) else { panic!() };
        assert!(!entries.is_empty() && entries.len() < 1000);
    }

    #[test]
    fn the_bytes_are_those_of_the_document() {
        let frame = encode_request(258, &Request::Open { name: "ab".into(), wait_ms: 1 });
        let written = [
            24, 0, 0, 0, 1, 0, 4, 0, 2, 1, 0, 0, 0, 0, 0, 0, // header
            1, 0, 0, 0, 2, 0, b'a', b'b',
        ];
        assert_eq!(frame, written);
    }

    #[test]
    fn malformed_frames_are_refused_with_their_number() {
        let good = encode_request(5, &Request::Allocate(description()));
        let mut long = good.clone();
        long.push(0);
        assert_eq!(decode_request(&long), Err((5, WireError::Length)));
        let mut other = good.clone();
        other[4] = 9;
        assert_eq!(decode_request(&other), Err((5, WireError::Version { version: 9 })));
        for len in 0..good.len() {
            assert!(decode_request(&good[..len]).is_err(), "{len}");
        }
        let nan = encode_request(5, &Request::Progress { fraction: f32::NAN, text: String::new() });
        assert!(decode_request(&nan).is_err());
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!((cut("aß", 2), cut("aß", 3), cut("", 0)), ("a", "aß", ""));
    }
}
