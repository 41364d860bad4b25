//! `SOCK_SEQPACKET` sockets and the files that packets carry.
#![expect(unsafe_code, reason = "the standard library has no packets with files")]

use std::io;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::ptr;
use std::time::Duration;

/// Files that may come with one packet before the kernel drops the rest.
const MAX_FILES: usize = 4;

/// Whether to wait for the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// As long as the socket's time limit allows.
    Yes,
    /// [`io::ErrorKind::WouldBlock`] instead.
    No,
}

/// A packet.
#[derive(Debug)]
pub struct Received {
    /// Bytes in the buffer; 0 is the end.
    pub len: usize,
    /// The first file that came with it.
    pub file: Option<OwnedFd>,
    /// Whether the packet was longer than the buffer.
    pub is_cut: bool,
}

/// Two ends of one line, closed at exec.
///
/// # Errors
/// The system's.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: the kernel fills the array that is ours.
    let made = unsafe {
        libc::socketpair(libc::AF_UNIX, libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC, 0, ends.as_mut_ptr())
    };
    check(made)?;
    // SAFETY: both were just made and belong to nobody else.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

/// A socket file that others can connect to. The file must not be there.
///
/// # Errors
/// The system's; [`io::ErrorKind::InvalidInput`] for paths that are too long for an address.
pub fn listen(path: &Path) -> io::Result<OwnedFd> {
    let socket = new_socket()?;
    let (address, len) = address(path)?;
    // SAFETY: the address lives through the call and is as long as told.
    check(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), len) })?;
    // SAFETY: takes plain numbers.
    check(unsafe { libc::listen(socket.as_raw_fd(), 1024) })?;
    Ok(socket)
}

/// Connects to a socket file. Connecting, sending and receiving wait for `patience` at most.
///
/// # Errors
/// The system's; [`io::ErrorKind::InvalidInput`] for paths that are too long for an address.
pub fn connect(path: &Path, patience: Duration) -> io::Result<OwnedFd> {
    let socket = new_socket()?;
    set_patience(&socket, patience)?;
    let (address, len) = address(path)?;
    // SAFETY: the address lives through the call and is as long as told.
    check(unsafe { libc::connect(socket.as_raw_fd(), (&raw const address).cast(), len) })?;
    Ok(socket)
}

/// Somebody who has connected.
///
/// # Errors
/// The system's.
pub fn accept(listener: impl AsFd) -> io::Result<OwnedFd> {
    let fd = listener.as_fd().as_raw_fd();
    // SAFETY: nobody wants the peer's address.
    let socket = unsafe { libc::accept4(fd, ptr::null_mut(), ptr::null_mut(), libc::SOCK_CLOEXEC) };
    check(socket)?;
    // SAFETY: just made.
    Ok(unsafe { OwnedFd::from_raw_fd(socket) })
}

fn set_patience(socket: impl AsFd, patience: Duration) -> io::Result<()> {
    let limit = libc::timeval {
        tv_sec: libc::time_t::try_from(patience.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_usec: libc::suseconds_t::from(patience.subsec_micros()),
    };
    let len = socklen(size_of::<libc::timeval>());
    for option in [libc::SO_RCVTIMEO, libc::SO_SNDTIMEO] {
        let fd = socket.as_fd().as_raw_fd();
        // SAFETY: the value lives through the call and is as long as told.
        check(unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, option, (&raw const limit).cast(), len) })?;
    }
    Ok(())
}

/// Whether this is a socket of packets.
pub fn is_packet_socket(socket: impl AsFd) -> bool {
    let (mut kind, mut len) = (0i32, socklen(size_of::<i32>()));
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the kernel fills a number that is ours and as long as told.
    let asked = unsafe {
        libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_TYPE, (&raw mut kind).cast(), &raw mut len)
    };
    asked == 0 && kind == libc::SOCK_SEQPACKET
}

/// Sends one packet, with a file if there is one.
///
/// # Errors
/// The system's; [`io::ErrorKind::BrokenPipe`] when the other side is gone.
pub fn send(socket: impl AsFd, bytes: &[u8], file: Option<BorrowedFd<'_>>, wait: Wait) -> io::Result<()> {
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let mut control = Control::new();
    // SAFETY: all zeroes is a valid header.
    let mut header: libc::msghdr = unsafe { zeroed() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    if let Some(file) = file {
        header.msg_control = control.bytes.as_mut_ptr().cast();
        // SAFETY: computes a number.
        header.msg_controllen = unsafe { libc::CMSG_SPACE(FILE_BYTES) } as _;
        // SAFETY: the control buffer has room for one header and one file, and is aligned.
        unsafe {
            let first = libc::CMSG_FIRSTHDR(&raw const header);
            (*first).cmsg_level = libc::SOL_SOCKET;
            (*first).cmsg_type = libc::SCM_RIGHTS;
            (*first).cmsg_len = libc::CMSG_LEN(FILE_BYTES) as _;
            libc::CMSG_DATA(first).cast::<i32>().write_unaligned(file.as_raw_fd());
        }
    }
    let flags = libc::MSG_NOSIGNAL | no_wait(wait);
    loop {
        // SAFETY: all that the header points to lives through the call; nothing is written to `bytes`.
        match unsafe { libc::sendmsg(socket.as_fd().as_raw_fd(), &raw const header, flags) } {
            sent if sent >= 0 => return Ok(()),
            _ => interrupted()?,
        }
    }
}

/// Whether a file could not be sent because too many of this user's are under way already. That may change, and says
/// nothing about who is at the other end.
pub fn is_crowded(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ETOOMANYREFS)
}

/// Takes one packet and keeps the first file that comes with it.
///
/// # Errors
/// The system's.
pub fn receive(socket: impl AsFd, buffer: &mut [u8], wait: Wait) -> io::Result<Received> {
    receive_with(socket, buffer, wait, &mut Control::new())
}

/// Takes one packet; files that come with it never get here.
///
/// # Errors
/// The system's.
pub fn receive_bytes(socket: impl AsFd, buffer: &mut [u8], wait: Wait) -> io::Result<Received> {
    let flags = no_wait(wait) | libc::MSG_TRUNC;
    loop {
        let fd = socket.as_fd().as_raw_fd();
        // SAFETY: the kernel fills the buffer that is ours.
        let len = unsafe { libc::recv(fd, buffer.as_mut_ptr().cast(), buffer.len(), flags) };
        match usize::try_from(len) {
            Ok(len) => {
                return Ok(Received { len: len.min(buffer.len()), file: None, is_cut: len > buffer.len() });
            }
            Err(_) => interrupted()?,
        }
    }
}

fn receive_with(
    socket: impl AsFd,
    buffer: &mut [u8],
    wait: Wait,
    control: &mut Control,
) -> io::Result<Received> {
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all zeroes is a valid header.
    let mut header: libc::msghdr = unsafe { zeroed() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.bytes.as_mut_ptr().cast();
    header.msg_controllen = size_of::<Control>() as _;
    let flags = libc::MSG_CMSG_CLOEXEC | no_wait(wait);
    let len = loop {
        // SAFETY: all that the header points to is ours and lives through the call.
        let len = unsafe { libc::recvmsg(socket.as_fd().as_raw_fd(), &raw mut header, flags) };
        match usize::try_from(len) {
            Ok(len) => break len,
            Err(_) => interrupted()?,
        }
    };
    let mut file = None;
    // SAFETY: the kernel wrote whole control messages; their files are new here and belong to nobody else.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(&raw const header);
        while !message.is_null() {
            if (*message).cmsg_level == libc::SOL_SOCKET && (*message).cmsg_type == libc::SCM_RIGHTS {
                let bytes = ((*message).cmsg_len as usize).saturating_sub(libc::CMSG_LEN(0) as usize);
                for at in 0..bytes / size_of::<i32>() {
                    let fd = libc::CMSG_DATA(message).cast::<i32>().add(at).read_unaligned();
                    let fd = OwnedFd::from_raw_fd(fd);
                    // The others are closed.
                    file.get_or_insert(fd);
                }
            }
            message = libc::CMSG_NXTHDR(&raw const header, message);
        }
    }
    Ok(Received { len, file, is_cut: header.msg_flags & libc::MSG_TRUNC != 0 })
}

/// Room for a header and files, aligned as headers have to be.
#[repr(C, align(8))]
struct Control {
    bytes: [MaybeUninit<u8>; 16 + MAX_FILES * 4],
}

const FILE_BYTES: u32 = 4;

impl Control {
    fn new() -> Self {
        Self { bytes: [MaybeUninit::new(0); 16 + MAX_FILES * 4] }
    }
}

fn new_socket() -> io::Result<OwnedFd> {
    // SAFETY: takes plain numbers.
    let socket = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC, 0) };
    check(socket)?;
    // SAFETY: just made.
    Ok(unsafe { OwnedFd::from_raw_fd(socket) })
}

fn address(path: &Path) -> io::Result<(libc::sockaddr_un, libc::socklen_t)> {
    // SAFETY: all zeroes is a valid address.
    let mut address: libc::sockaddr_un = unsafe { zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    let bytes = path.as_os_str().as_encoded_bytes();
    if bytes.is_empty() || bytes.len() >= address.sun_path.len() || bytes.contains(&0) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in address.sun_path.iter_mut().zip(bytes) {
        *to = *from as libc::c_char;
    }
    Ok((address, socklen(size_of::<libc::sockaddr_un>())))
}

fn socklen(bytes: usize) -> libc::socklen_t {
    libc::socklen_t::try_from(bytes).unwrap_or(libc::socklen_t::MAX)
}

fn no_wait(wait: Wait) -> i32 {
    if wait == Wait::No { libc::MSG_DONTWAIT } else { 0 }
}

fn check(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The last error, unless a signal came between.
fn interrupted() -> io::Result<()> {
    let error = io::Error::last_os_error();
    if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Read, Seek, Write};

    #[test]
    fn a_packet_keeps_its_bounds_and_carries_a_file() {
        let (a, b) = pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"within").unwrap();
        send(&a, b"one", Some(file.as_fd()), Wait::Yes).unwrap();
        send(&a, b"three", None, Wait::Yes).unwrap();
        let mut buffer = [0; 4];
        let first = receive(&b, &mut buffer, Wait::Yes).unwrap();
        assert_eq!((first.len, first.is_cut, &buffer[..3]), (3, false, &b"one"[..]));
        let mut text = String::new();
        let mut same = File::from(first.file.unwrap());
        same.rewind().unwrap();
        same.read_to_string(&mut text).unwrap();
        assert_eq!(text, "within");
        let second = receive(&b, &mut buffer, Wait::Yes).unwrap();
        assert_eq!((second.len, second.is_cut, second.file.is_none()), (4, true, true));
        assert_eq!(receive(&b, &mut buffer, Wait::No).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(a);
        assert_eq!(receive(&b, &mut buffer, Wait::Yes).unwrap().len, 0);
    }

    #[test]
    fn files_are_left_outside_where_none_are_wanted() {
        let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let (a, b) = pair().unwrap();
        let before = open();
        for _ in 0..50 {
            send(&a, b"x", Some(a.as_fd()), Wait::Yes).unwrap();
            assert_eq!(receive_bytes(&b, &mut [0; 4], Wait::Yes).unwrap().len, 1);
        }
        // Other tests of this process open files too, but not fifty.
        assert!(open() < before + 40);
    }

    #[test]
    fn who_does_not_read_is_noticed() {
        let (a, _b) = pair().unwrap();
        let full = (0..100_000).find_map(|_| send(&a, &[0; 1024], None, Wait::No).err());
        assert_eq!(full.unwrap().kind(), io::ErrorKind::WouldBlock);
    }
}
