//! The operator's end of the line: buffers, progress, messages.

use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::memory::{self, Access, Map};
use super::socket::{self, Wait};
use crate::wire::{self, Description, Entry, Level, Reply, Request};
use crate::{Element, ElementType, FastIoError, VARIABLE};

/// One request at a time in a process, however many channels it has: they all are one socket.
static REQUESTS: Mutex<()> = Mutex::new(());
static NUMBER: AtomicU32 = AtomicU32::new(1);

/// The line to the platform. Cheap to clone; may be used from any thread.
///
/// All processes of an operator inherit the same line; only one of them may ask for buffers at a time.
#[derive(Debug, Clone)]
pub struct Channel {
    socket: Arc<OwnedFd>,
}

impl Channel {
    /// The channel that the platform gave to this operator.
    ///
    /// # Errors
    /// [`FastIoError::NoChannel`] where the program was not started by the platform, or by one without shared memory;
    /// [`FastIoError::BadAddress`] where the variable is wrong.
    pub fn from_environment() -> Result<Self, FastIoError> {
        let text = std::env::var(VARIABLE).map_err(|_| FastIoError::NoChannel)?;
        let bad = || FastIoError::BadAddress { text: wire::cut(&text, 80).to_owned() };
        let number: RawFd =
            text.strip_prefix("fd:").and_then(|number| number.parse().ok()).ok_or_else(bad)?;
        Self::from_inherited(number).ok_or_else(bad)
    }

    #[expect(unsafe_code, reason = "the socket is inherited by its number")]
    fn from_inherited(number: RawFd) -> Option<Self> {
        // SAFETY: takes plain numbers; makes a file of our own, so that whoever owns the number keeps it.
        let copy = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) };
        if number < 0 || copy < 0 {
            return None;
        }
        // SAFETY: just made.
        let socket = unsafe { OwnedFd::from_raw_fd(copy) };
        socket::is_packet_socket(&socket).then(|| Self::from_socket(socket))
    }

    /// A channel over a socket of packets.
    pub fn from_socket(socket: OwnedFd) -> Self {
        Self { socket: Arc::new(socket) }
    }

    /// Memory for a buffer of `shape`, slowest index first, all zeroes. It counts against the job's budget from now on.
    ///
    /// `name` is an output of the definition, whose type and shape it has to have, or a free name.
    ///
    /// # Errors
    /// [`FastIoError::Refused`] for what the definition or the budget do not allow.
    pub fn allocate<T: Element>(
        &self,
        name: &str,
        shape: &[u64],
        text: &str,
    ) -> Result<WritableBuffer, FastIoError> {
        self.allocate_as(name, T::TYPE, shape, text)
    }

    /// As [`Self::allocate`], of a type that is known at run time only.
    ///
    /// # Errors
    /// As [`Self::allocate`].
    pub fn allocate_as(
        &self,
        name: &str,
        element: ElementType,
        shape: &[u64],
        text: &str,
    ) -> Result<WritableBuffer, FastIoError> {
        if shape.len() > wire::MAX_RANK {
            return Err(FastIoError::TooLarge);
        }
        let description =
            Description { name: name.to_owned(), element, shape: shape.to_vec(), text: text.to_owned() };
        let bytes = description.bytes().ok_or(FastIoError::TooLarge)?;
        let len = usize::try_from(bytes).map_err(|_| FastIoError::TooLarge)?;
        let given = self.ask_for_buffer(&Request::Allocate(description.clone())).and_then(|(_, file)| {
            if !memory::is_steady(&file, bytes) {
                return Err(FastIoError::UnexpectedReply);
            }
            Ok((Map::new(&file, len, Access::Write)?, file))
        });
        match given {
            Ok((map, file)) => {
                let held = Held { channel: self.clone(), description, map, _file: file };
                Ok(WritableBuffer { held: Some(held) })
            }
            Err(error) => {
                if error.refusal().is_none() {
                    // It is there, and counts, although it cannot be used here.
                    let _ = self.ask_for_done(&Request::Discard { name: description.name });
                }
                Err(error)
            }
        }
    }

    /// A published buffer: an input of the definition, by its name or as `operator/output`, an own output, or a free
    /// name. `wait` is for free names that others publish meanwhile.
    ///
    /// # Errors
    /// [`FastIoError::Refused`] where there is none, in time, or its shape is not that of the definition.
    pub fn open(&self, name: &str, wait: Option<Duration>) -> Result<View, FastIoError> {
        let wait_ms = u32::try_from(wait.unwrap_or_default().as_millis()).unwrap_or(u32::MAX);
        let (description, file) = self.ask_for_buffer(&Request::Open { name: name.to_owned(), wait_ms })?;
        let bytes = description.bytes().ok_or(FastIoError::TooLarge)?;
        let len = usize::try_from(bytes).map_err(|_| FastIoError::TooLarge)?;
        if !memory::is_final(&file, bytes) {
            return Err(FastIoError::NotSealed);
        }
        let map = Map::new(&file, len, Access::Read)?;
        Ok(View { description, map, file })
    }

    /// Inputs, outputs and free buffers of the job that this operator may use; and whether some are left out.
    ///
    /// # Errors
    /// [`FastIoError`].
    pub fn list(&self) -> Result<(Vec<Entry>, bool), FastIoError> {
        match self.ask(&Request::List)? {
            (Reply::List { entries, is_cut }, _) => Ok((entries, is_cut)),
            _ => Err(FastIoError::UnexpectedReply),
        }
    }

    /// Tells how far the work is, from 0 to 1; what lies outside is cut.
    ///
    /// # Errors
    /// [`FastIoError::Io`] when the platform is gone.
    pub fn progress(&self, fraction: f32, text: &str) -> Result<(), FastIoError> {
        let fraction = if fraction.is_nan() { 0.0 } else { fraction.clamp(0.0, 1.0) };
        self.tell(&Request::Progress { fraction, text: text.to_owned() })
    }

    /// Tells that the real work begins.
    ///
    /// # Errors
    /// [`FastIoError::Io`] when the platform is gone.
    pub fn ready(&self) -> Result<(), FastIoError> {
        self.tell(&Request::Ready)
    }

    /// Writes a line into the operator's log.
    ///
    /// # Errors
    /// [`FastIoError::Io`] when the platform is gone.
    pub fn log(&self, level: Level, text: &str) -> Result<(), FastIoError> {
        self.tell(&Request::Log { level, text: text.to_owned() })
    }

    fn tell(&self, request: &Request) -> Result<(), FastIoError> {
        Ok(socket::send(&*self.socket, &wire::encode_request(0, request), None, Wait::Yes)?)
    }

    fn ask(&self, request: &Request) -> Result<(Reply, Option<OwnedFd>), FastIoError> {
        let _one = REQUESTS.lock().unwrap_or_else(PoisonError::into_inner);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        socket::send(&*self.socket, &wire::encode_request(number, request), None, Wait::Yes)?;
        let mut packet = vec![0; wire::MAX_FRAME_BYTES];
        let received = socket::receive(&*self.socket, &mut packet, Wait::Yes)?;
        if received.len == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::BrokenPipe).into());
        }
        match wire::decode_reply(packet.get(..received.len).unwrap_or_default())? {
            (answered, _) if answered != number => Err(FastIoError::UnexpectedReply),
            (_, Reply::Refused { code, text }) => Err(FastIoError::Refused { code, text }),
            (_, reply) => Ok((reply, received.file)),
        }
    }

    fn ask_for_buffer(&self, request: &Request) -> Result<(Description, OwnedFd), FastIoError> {
        match self.ask(request)? {
            (Reply::Buffer(description), Some(file)) => Ok((description, file)),
            _ => Err(FastIoError::UnexpectedReply),
        }
    }

    fn ask_for_done(&self, request: &Request) -> Result<(), FastIoError> {
        match self.ask(request)? {
            (Reply::Done, _) => Ok(()),
            _ => Err(FastIoError::UnexpectedReply),
        }
    }
}

/// A buffer that nobody else sees yet. Dropped unpublished, it is given back.
#[derive(Debug)]
pub struct WritableBuffer {
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    channel: Channel,
    description: Description,
    map: Map,
    _file: OwnedFd,
}

impl WritableBuffer {
    fn held(&self) -> &Held {
        self.held.as_ref().expect("only `publish` and `drop` take it, and both own the buffer")
    }

    fn held_mut(&mut self) -> &mut Held {
        self.held.as_mut().expect("only `publish` and `drop` take it, and both own the buffer")
    }

    /// What it holds.
    pub fn description(&self) -> &Description {
        &self.held().description
    }

    /// All of it.
    #[expect(unsafe_code, reason = "the pages as a slice")]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let map = &self.held_mut().map;
        // SAFETY: mapped for writing, cannot shrink, and lives as long as `self`, which is borrowed alone. Another
        // process of the operator could write too; bytes have no value that it could break.
        unsafe { std::slice::from_raw_parts_mut(map.start(), map.len()) }
    }

    /// All of it, as numbers.
    ///
    /// # Errors
    /// [`FastIoError::WrongElement`] if it holds others.
    #[expect(unsafe_code, reason = "the pages as numbers")]
    pub fn values_mut<T: Element>(&mut self) -> Result<&mut [T], FastIoError> {
        check_element::<T>(&self.held().description)?;
        let map = &self.held_mut().map;
        // SAFETY: as in `bytes_mut`; pages are aligned for every number type, and any bytes are a value of `T`.
        Ok(unsafe { std::slice::from_raw_parts_mut(map.start().cast(), map.len() / size_of::<T>()) })
    }

    pub(crate) fn start(&self) -> *mut u8 {
        self.held().map.start()
    }

    pub(crate) fn len(&self) -> usize {
        self.held().map.len()
    }

    /// From now on it never changes, and others may open it.
    ///
    /// # Errors
    /// [`FastIoError::Refused`] with [`WrongState`](wire::RefusalCode::WrongState) where another process of the
    /// operator has mapped it for writing. The buffer is gone then.
    pub fn publish(mut self) -> Result<(), FastIoError> {
        let Some(Held { channel, description, map, .. }) = self.held.take() else { return Ok(()) };
        // The kernel refuses to close pages to writing that somebody can still write.
        drop(map);
        let published = channel.ask_for_done(&Request::Publish { name: description.name.clone() });
        if published.is_err() {
            // What it was refused for is what the caller wants to know.
            let _ = channel.ask_for_done(&Request::Discard { name: description.name });
        }
        published
    }
}

impl Drop for WritableBuffer {
    fn drop(&mut self) {
        if let Some(Held { channel, description, map, .. }) = self.held.take() {
            drop(map);
            // If the platform is gone, so is the buffer.
            let _ = channel.ask_for_done(&Request::Discard { name: description.name });
        }
    }
}

/// A published buffer: the producer's own pages, which nobody can change any more.
#[derive(Debug)]
pub struct View {
    description: Description,
    map: Map,
    file: OwnedFd,
}

impl View {
    /// What it holds.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The lengths, slowest first.
    pub fn shape(&self) -> &[u64] {
        &self.description.shape
    }

    /// All of it.
    #[expect(unsafe_code, reason = "the pages as a slice")]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: mapped for reading and sealed against writing and shrinking, so it is constant; lives as `self`.
        unsafe { std::slice::from_raw_parts(self.map.start(), self.map.len()) }
    }

    /// All of it, as numbers.
    ///
    /// # Errors
    /// [`FastIoError::WrongElement`] if it holds others.
    #[expect(unsafe_code, reason = "the pages as numbers")]
    pub fn values<T: Element>(&self) -> Result<&[T], FastIoError> {
        check_element::<T>(&self.description)?;
        // SAFETY: as in `bytes`; pages are aligned for every number type, and any bytes are a value of `T`.
        Ok(unsafe { std::slice::from_raw_parts(self.map.start().cast(), self.map.len() / size_of::<T>()) })
    }

    pub(crate) fn start(&self) -> *const u8 {
        self.map.start()
    }

    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }
}

impl AsFd for View {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn check_element<T: Element>(description: &Description) -> Result<(), FastIoError> {
    let found = description.element;
    if found == T::TYPE { Ok(()) } else { Err(FastIoError::WrongElement { wanted: T::TYPE, found }) }
}
